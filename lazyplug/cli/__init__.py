# PYTHON_ARGCOMPLETE_OK
"""The command line: each command is a function in the file of its subject.

No plugin is imported here, but by `check`, in processes of its own. `run` is not a
command as the others are: see `__main__`.
"""

import argparse
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# The file that has a command, and what it does in few words. A file is imported when
# its command is asked for: `list` should not wait for what `bench` needs.
COMMANDS = {
    "groups": ("listing", "the groups, and how much is declared in each"),
    "list": ("listing", "the plugins of a group"),
    "show": ("listing", "all that is known of one plugin, without loading it"),
    "why": ("reasons", "why a plugin is there, or is not"),
    "check": ("checking", "load each plugin in a process of its own"),
    "doctor": ("doctor", "look for what is wrong in this environment"),
    "cache": ("cache", "look after the cache folder"),
    "refresh": ("cache", "look at everything again now, and remember it"),
    "freeze": ("freezing", "write what is installed here into a file to be shipped"),
    "thaw": ("freezing", "remove what freeze wrote, so that all is looked at again"),
    "bench": ("measuring", "what a start costs here and now, beside others"),
    "trace": ("tracing", "run a program, and tell what it did for its plugins"),
    "run": ("", "run an installed program; see `run --help`"),
}


def main(arguments: "Sequence[str] | None" = None) -> int:
    """Do what a command line asks for; return the exit code of the process.

    It is 0 if all is well, 1 if something is wrong or missing, 2 if the command line
    is not understood.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments[:1] == ["run"]:
        from .._running.launch import run

        run(arguments[1:])
        return 0
    for stream in (sys.stdout, sys.stderr):
        # What its encoding cannot say is escaped.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    options = _parser(arguments).parse_args(arguments)
    from .. import LazyplugError

    try:
        code: int = options.command(options)
        sys.stdout.flush()
    except LazyplugError as error:
        from .output import complain

        complain(f"lazyplug: {error}")
        return 1
    except BrokenPipeError:
        # Who reads has enough. Python would complain once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _parser(arguments: "Sequence[str]") -> argparse.ArgumentParser:
    package = __name__.rpartition(".")[0]
    prog = f"python -m {package}" if _is_module() else "lazyplug"
    parser = _Parser(
        prog=prog,
        description="What plugins are installed here, and what becomes of them.",
        epilog="Exit codes: 0 all is well, 1 something is wrong or missing,"
        " 2 the command line is not understood.",
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    completing = "_ARGCOMPLETE" in os.environ
    asked = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    for name, (file, about) in COMMANDS.items():
        if asked not in {"", name}:
            continue  # nobody will see it, and a parser takes 0.2 ms
        description = f"{about[0].upper()}{about[1:]}."
        own = commands.add_parser(name, help=about, description=description)
        if file and name in (_words() if completing else arguments[:1]):
            subject = __import__(f"{__name__}.{file}", fromlist=(file,))
            subject.add_to(name, own)
    if completing:
        from .completing import complete

        complete(parser)
    return parser


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: "Any") -> None:
        super().__init__(formatter_class=_formatter, **options)


def _words() -> "list[str]":
    """Return what stands on the line that a shell completes."""
    return os.environ.get("COMP_LINE", "").split()


def _formatter(prog: str) -> argparse.HelpFormatter:
    # Without a width it imports shutil, and all archives with that, for each parser.
    return argparse.HelpFormatter(prog, width=_width() - 2)


def _width() -> int:
    """Return how many characters go into a line, as shutil finds it out."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 2:
        return int(columns)
    try:
        return os.get_terminal_size().columns or 80
    except (OSError, ValueError):
        return 80


def _is_module() -> bool:
    return os.path.basename(sys.argv[0]) == "__main__.py"


def _version() -> str:
    from .. import __version__

    return f"lazyplug {__version__}"
