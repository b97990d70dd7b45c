"""Parse the command line and run a command.

Only `check` and `why --load` import plugins: in child processes, if the platform has
them. `run` is handled separately, before the arguments are parsed: see `__main__`.
"""

import argparse
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# The module of each command, and its help text. A module is imported only when its
# command is used: `list` must not wait for the imports of `bench`.
COMMANDS = {
    "list": ("listing", "list the groups, or the plugins of a group or distribution"),
    "show": ("listing", "show all details of one plugin, without importing it"),
    "why": ("reasons", "explain why a plugin is available or not, and if it loads"),
    "lost": (
        "lost",
        "list the plugins that were here before, and how to get them back",
    ),
    "check": (
        "checking",
        "load the plugins in other processes, and show those that fail",
    ),
    "doctor": ("doctor", "check this environment for problems"),
    "cache": ("cache", "inspect, verify or clean the cache directory"),
    "refresh": ("cache", "rescan the environment, and rewrite the index"),
    "freeze": ("freezing", "write a frozen index of this environment, or check it"),
    "thaw": ("freezing", "remove a frozen index"),
    "bench": ("measuring", "measure how long a start takes, compared with others"),
    "trace": ("tracing", "run a program, and show what it did for its plugins"),
    "run": ("", "run an installed program; see `lazyplug run --help`"),
    "on": ("switching", "speed up the programs of this environment from now on"),
    "off": ("switching", "undo `lazyplug on`"),
    "status": ("switching", "show whether this environment is switched on"),
}


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Run the command of a command line; return the exit code of the process.

    The exit code is 0 on success, 1 if the command found a problem or nothing, and 2
    if the command line is invalid.

    :param arguments: the command line without the program's name; by default that of
        this process.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        # Characters that the encoding of the stream lacks are escaped.
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if not arguments:
        # As ruff, uv and click do: a script that lost its arguments must not succeed.
        _parser(arguments).print_help(sys.stderr)
        return 2
    if arguments[0][:1] != "-" and arguments[0] not in COMMANDS:
        return _refuse_command(arguments[0])
    arguments, program = _split_program(arguments)
    found = argparse.Namespace(program=program)
    parser = _parser(arguments)
    options, unknown = parser.parse_known_args(arguments, found)
    if unknown:
        # `parse_args` would show the usage of the program, not that of the command.
        used = options.parser if arguments[0] in COMMANDS else parser
        used.error(f"unrecognized arguments: {' '.join(unknown)}")
    place = getattr(options, "environment", None)
    if place is not None:
        from .elsewhere import in_environment  # deferred: few look elsewhere

        try:
            options.command = in_environment(place, options.command)
        except ValueError as error:
            from .output import complain  # deferred: only on failure

            complain(f"lazyplug {arguments[0]}: --python: {error}")
            return 2
    try:
        code: int = options.command(options)
        sys.stdout.flush()
    except _own_error() as error:
        from .output import complain  # deferred: only on failure

        complain(f"lazyplug: {error}")
        return 1
    except OSError as error:
        from .output import complain, reason_of  # deferred: only on failure

        if error.filename is None:
            # Standard output: the reader closed the pipe, or there is no space. Without
            # this, Python would report it again when it flushes the output at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            where = f"{error.filename}: " if error.filename else ""
            complain(f"lazyplug: {where}{reason_of(error)}")
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _own_error() -> "type[Exception]":
    from .. import LazyplugError  # deferred: only on failure

    return LazyplugError


def _refuse_command(name: str) -> int:
    """Report that there is no such command; return the exit code."""
    # deferred: only on failure
    from .. import _messages as messages
    from .._faults.errors import did_you_mean, near_misses
    from .output import complain

    text = messages.NO_SUCH_COMMAND.format(name=name)
    text += did_you_mean(near_misses(name, COMMANDS)) or "."
    complain(f"lazyplug: {text} {messages.SEE_COMMANDS}")
    return 2


def _split_program(words: "list[str]") -> "tuple[list[str], list[str] | None]":
    """Return the arguments of `bench` without --program, and what follows it, if any.

    argparse would take a `--` among the arguments of the program for its own.

    >>> _split_program(["bench", "--yes", "--program", "pytest", "--", "tests"])
    (['bench', '--yes'], ['pytest', '--', 'tests'])
    >>> _split_program(["list", "app"])
    (['list', 'app'], None)
    """
    if words[:1] != ["bench"] or "--program" not in words:
        return words, None
    at = words.index("--program")
    return words[:at], words[at + 1 :]


def _parser(arguments: "Sequence[str]") -> argparse.ArgumentParser:
    parser = _Parser(
        prog=_prog(),
        description="Inspect the plugins that are installed in this environment.",
    )
    parser.add_argument("--version", action="version", version=_version())
    # Without its name, argparse formats the usage to find it: 5 million instructions.
    commands = parser.add_subparsers(metavar="COMMAND", required=True, prog=_prog())
    completing = "_ARGCOMPLETE" in os.environ
    command_name = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    for name, (file, about) in COMMANDS.items():
        if command_name not in {"", name}:
            continue  # a parser takes 0.2 ms, and this one is not used
        description = f"{about[0].upper()}{about[1:]}."
        command_parser = commands.add_parser(name, help=about, description=description)
        command_parser.set_defaults(parser=command_parser)
        is_used = name in (_completion_words() if completing else arguments[:1])
        if file and is_used:
            module = __import__(f"{__name__}.{file}", fromlist=(file,))
            module.add_to(name, command_parser)
        elif is_used:
            from .completing import add_run_arguments  # deferred: as below

            add_run_arguments(command_parser)
    if completing:
        from .completing import complete  # deferred: only in shell completion

        complete(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: "Any") -> None:
        super().__init__(formatter_class=_formatter, **options)

    def format_help(self) -> str:
        from .examples import EXAMPLES, epilog  # deferred: only for help

        name = self.prog.removeprefix(_prog()).strip()
        self.epilog = epilog(name) if name in EXAMPLES else None
        return super().format_help()


class _Formatter(argparse.HelpFormatter):
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        # The lines of examples stay as they are.
        return text if "\n" in text else super()._fill_text(text, width, indent)

    if sys.version_info >= (3, 14) and sys.version_info < (3, 15):
        # It makes a formatter for each argument, and each imports _colorize and
        # dataclasses. As in Python 3.15, they are imported only for help.

        def _set_color(self, *color: "Any", **options: "Any") -> None:
            self._colors = color, options

        def __getattr__(self, name: str) -> "Any":
            if name not in {"_theme", "_decolor"}:
                raise AttributeError(name)
            color, options = self._colors
            super()._set_color(*color, **options)
            return getattr(self, name)


def _completion_words() -> "list[str]":
    """Return the words of the command line that a shell completes."""
    return os.environ.get("COMP_LINE", "").split()


def _formatter(prog: str) -> argparse.HelpFormatter:
    # Without a width, HelpFormatter imports shutil and its archive modules.
    return _Formatter(prog, width=terminal_width() - 2)


def terminal_width() -> int:
    """Return the width of the terminal, as `shutil.get_terminal_size` finds it."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 2:
        return int(columns)
    try:
        return os.get_terminal_size().columns or 80
    except (OSError, ValueError):
        return 80


def _prog() -> str:
    package = __name__.rpartition(".")[0]
    return f"python -m {package}" if _is_module() else "lazyplug"


def _is_module() -> bool:
    return os.path.basename(sys.argv[0]) == "__main__.py"


def _version() -> str:
    from .. import __version__  # free: the package is loaded already

    return f"lazyplug {__version__}"
