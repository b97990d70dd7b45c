"""Run an installed program in this process, as if it had been started directly."""

import os
import sys
from _frozen_importlib import BuiltinImporter
from _frozen_importlib_external import SourceFileLoader

from .command import options_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

    # the first entries of the program's sys.path, and a function that runs it
    Start = tuple[list[str], Callable[[], Any]]

# The options, each with the name of its value, if any, and its help text.
OPTIONS = {
    "--accelerate": ("", "answer importlib.metadata's entry_points() from the index"),
    "--as-stevedore": ("", "replace stevedore by lazyplug's drop-in"),
    "--lazy": ("", "list plugins that an earlier start loaded without importing them"),
    "--children": ("", "replace stevedore in child processes, too"),
    "--trace": ("FILE", "write what is done for plugins to FILE, as JSON lines"),
}
EXAMPLES = (
    "lazyplug run --accelerate myapp --version",
    "lazyplug run --as-stevedore --lazy -m myapp",
)


def usage() -> str:
    """Return the help text of `run`."""
    lines = [
        f"  {f'{option} {value}':15} {about}"
        for option, (value, about) in OPTIONS.items()
    ]
    return "\n".join(
        [
            "usage: lazyplug run [OPTIONS] PROGRAM [ARGS...]",
            "       lazyplug run [OPTIONS] -m MODULE [ARGS...]",
            "",
            "PROGRAM is the name of an installed console script, or the path of a",
            "script. Options come first; all arguments after it belong to the program.",
            "--lazy requires --as-stevedore, and includes --accelerate.",
            "",
            *lines,
            f"  {'--':15} what follows is PROGRAM, even if it looks like an option",
            "",
            "examples:",
            *(f"  {line}" for line in EXAMPLES),
            "",
        ]
    )


# The variable that makes the drop-in lazy in child processes.
_LAZY = "LAZYPLUG_LAZY"
# The globals of `__main__` before any code has run in it.
_MAIN_GLOBALS = {
    *("__name__", "__doc__", "__package__", "__loader__", "__spec__"),
    *("__annotations__", "__builtins__"),
}


def run(arguments: "list[str]", ready: "Callable[[], object] | None" = None) -> None:
    """Run a program in this process, as if it had been started directly.

    `sys.argv`, `sys.path` and `__main__` become what they are in a direct start. The
    program runs in the globals of the existing `__main__`, so the caller must do
    nothing after this call. `runpy.run_module` would use a temporary module and remove
    it, but threads, atexit handlers, pickled classes and `python -i` still need the
    globals when the program has ended.

    :param arguments: the command line after `run`.
    :param ready: called just before the program starts.
    """
    options, program = _parse_arguments(arguments)
    # Modules that we import before the program starts must not come from its directory,
    # nor from the current one.
    del sys.path[: _count_inserted_entries()]
    if "--children" in options:
        _enable_in_children("--lazy" in options)
    first, start = (_prepare_module if "-m" in options else _prepare_program)(*program)
    if "--as-stevedore" in options:
        from ..compat.stevedore import install  # deferred: only with the option

        install(lazy="--lazy" in options)
    if "--accelerate" in options or "--lazy" in options:
        from .._accelerate import accelerate  # deferred: only with these options

        accelerate()
    if "--trace" in options:
        from .recorder import record  # deferred: only with the option

        try:
            record(options["--trace"])
        except OSError as error:
            from .. import _messages as messages  # deferred: only on failure

            reason = messages.CANNOT_BE.format(
                done="written", reason=error.strerror or error
            )
            _refuse(f"{options['--trace']} {reason}")
    if ready is not None:
        ready()
    sys.path[:0] = first
    try:
        start()
    except BaseException as error:
        # Python shows a SystemExit only under -i.
        if sys.flags.inspect or not isinstance(error, SystemExit):
            _hide_own_frames(error)
        raise  # Python ends the process: with exit code 1, or by SIGINT


def _parse_arguments(arguments: "list[str]") -> "tuple[dict[str, str], list[str]]":
    """Return the options with their values, and the program with its arguments.

    >>> _parse_arguments(["--as-stevedore", "bandit", "--children", "-r"])
    ({'--as-stevedore': ''}, ['bandit', '--children', '-r'])
    >>> _parse_arguments(["--trace", "file", "-m", "flake8", "--version"])
    ({'--trace': 'file', '-m': ''}, ['flake8', '--version'])
    """
    options = {}
    rest = list(arguments)
    while rest and rest[0] in OPTIONS:
        option = rest.pop(0)
        value, _ = OPTIONS[option]
        if value and not rest:
            from .. import _messages as messages  # deferred: only on failure

            _refuse(
                messages.RUN_VALUE.format(option=option, value=value), with_usage=True
            )
        options[option] = rest.pop(0) if value else ""
    first = rest[0] if rest else ""
    if first in ("-h", "--help"):
        print(usage(), end="")
        sys.exit(0)
    if first == "--":
        del rest[0]
    elif first == "-m":
        options[rest.pop(0)] = ""
    elif first.startswith("-"):
        from .. import _messages as messages  # deferred: only on failure

        _refuse(messages.RUN_OPTION.format(option=first), with_usage=True)
    if not rest:
        from .. import _messages as messages  # deferred: only on failure

        missing = "MODULE" if "-m" in options else "PROGRAM"
        _refuse(messages.MISSING.format(argument=missing), with_usage=True)
    for option in ("--lazy", "--children"):
        if option in options and "--as-stevedore" not in options:
            from .. import _messages as messages  # deferred: only on failure

            _refuse(messages.ONLY_WITH.format(option=option, other="--as-stevedore"))
    return options, rest


def _refuse(text: str, with_usage: bool = False) -> "NoReturn":
    print("lazyplug run:", text, file=sys.stderr)
    if with_usage:
        print(usage(), end="", file=sys.stderr)
    sys.exit(2)


def _enable_in_children(lazy: bool) -> None:
    """Let child processes get the drop-in when they import stevedore."""
    if lazy:
        os.environ[_LAZY] = "1"
    directory = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    directory = os.path.join(directory, "compat", "children")
    inherited = os.environ.get("PYTHONPATH")
    if not inherited:
        os.environ["PYTHONPATH"] = directory
    elif directory not in inherited.split(os.pathsep):
        os.environ["PYTHONPATH"] = directory + os.pathsep + inherited
    # Python inserts PYTHONPATH at this position. Processes that multiprocessing starts
    # without a fork copy sys.path from this process.
    if directory not in sys.path:
        sys.path.insert(0, directory)
    # In this process, the directory would only hide the installed stevedore: give it a
    # finder that finds nothing.
    finder: Any = BuiltinImporter
    sys.path_importer_cache[directory] = finder


# ---- The state that the program sees ----


def _count_inserted_entries() -> int:
    """Return how many entries Python inserted into sys.path for lazyplug: 1 or 0."""
    spec = sys.modules["__main__"].__spec__
    if spec and spec.name == "__main__":
        return 1  # a directory or an archive, also under -P
    if sys.flags.safe_path:
        return 0
    return len(_entries_for_module()) if spec else 1


def _entries_for_module() -> "list[str]":
    """Return the entries that Python inserts into sys.path for `-m`."""
    try:
        return [] if sys.flags.safe_path else [os.getcwd()]
    except OSError:
        return []  # the current directory was removed


def _set_argv(argv: "list[str]", *words: str) -> None:
    """Set sys.argv, and sys.orig_argv to the command that starts the program directly.

    Programs restart themselves with sys.orig_argv, and some compare it with sys.argv.

    :param words: the options and the program in that command.
    """
    sys.argv[:] = argv
    command = sys.orig_argv
    sys.orig_argv = [*command[:1], *options_of(command), *words, *argv[1:]]


def _reset_main() -> "dict[str, Any]":
    """Reset the globals of `__main__` to their initial state, and return them."""
    main = sys.modules["__main__"].__dict__
    for name in [name for name in main if name not in _MAIN_GLOBALS]:
        del main[name]
    main.update(__name__="__main__", __doc__=None, __package__=None)
    main.update(__loader__=BuiltinImporter, __spec__=None)
    return main


def _execute(source: "bytes | str", file: str, main: "dict[str, Any]") -> None:
    """Execute a script, and end it as Python does."""
    try:
        exec(compile(source, file, "exec", dont_inherit=True), main)  # noqa: S102
    except SystemExit:
        if sys.version_info >= (3, 14):  # earlier versions end before they do this
            _delete_file_globals(main)
        raise
    finally:
        # Its output must appear before its traceback, and before the output of its
        # threads and atexit handlers.
        for stream in (sys.stderr, sys.stdout):
            try:
                stream.flush()
            except Exception:  # noqa: S110 - Python tries again at its end, and tells
                pass
    _delete_file_globals(main)


def _delete_file_globals(main: "dict[str, Any]") -> None:
    """Delete the globals that Python deletes before the atexit handlers of a script."""
    if main.get("__spec__") is None:
        main.pop("__file__", None)
        main.pop("__cached__", None)


def _hide_own_frames(error: BaseException) -> None:
    """Hide the frames of this module when the error that ends the program is shown.

    They cannot be removed in advance: Python adds each frame to the traceback when the
    error leaves it. So `sys.excepthook` is replaced for one call.
    """
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        return  # the program deleted it, and Python reports that
    trace = error.__traceback__
    while trace and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next

    def show(kind: "type[BaseException]", value: BaseException, _: "Any") -> None:
        sys.excepthook = hook
        value.__traceback__ = sys.last_traceback = trace
        try:
            hook(kind, value, trace)
        finally:
            _delete_file_globals(sys.modules["__main__"].__dict__)

    sys.excepthook = show


# ---- The program ----


def _prepare_module(name: str, *arguments: str) -> "Start":
    """Prepare to run a module as `python -m` does; return its Start."""
    _set_argv(["-m", *arguments], "-m", name)  # runpy then sets sys.argv[0]
    _reset_main()
    return _entries_for_module(), _run_as_main(name, True)


def _run_as_main(name: str, alter_argv: bool) -> "Callable[[], Any]":
    """Return a function that runs a module, a directory or an archive as Python does.

    It calls the same private function of runpy. The public run_module() and run_path()
    restore sys.argv and `__main__` when the module has ended, and word errors
    differently.
    """
    import runpy  # deferred: only `python -m` has imported it

    return lambda: vars(runpy)["_run_module_as_main"](name, alter_argv)


def _prepare_program(name: str, *arguments: str) -> "Start":
    """Prepare to run a program, given by its name or path; return its Start."""
    by_name = not os.path.dirname(name)
    path = _find_program(name) if by_name else name
    if not path:
        return _prepare_entry_point(name, arguments) or _refuse_unknown(name)
    try:
        file = _absolute_path(path)
        source = b"" if os.path.isdir(file) else _read_file(file)
    except OSError as error:
        from .. import _messages as messages  # deferred: only on failure

        reason = messages.CANNOT_BE.format(done="read", reason=error.strerror or error)
        _refuse(f"{path} {reason}")
    interpreter, options = interpreter_of(source, file)
    archive = _is_archive(file)
    if not archive and b"\0" in source:
        from .. import _messages as messages  # deferred: only on failure

        reason = messages.NOT_PYTHON
    else:
        reason = _reason_to_refuse(interpreter, by_name)
    if reason:
        # A path is replaced by an entry point only if an installer wrote that file.
        installed = by_name or os.path.dirname(file) in _scripts_directories()
        script = os.path.basename(path)
        start = _prepare_entry_point(script, arguments) if installed else None
        return start or _refuse_program(path, reason, script if installed else "")
    _set_argv([path, *arguments], *options.split(), path)
    if archive:
        _reset_main()
        return [file], _run_as_main("__main__", False)  # also under -P
    directory = os.path.dirname(file if os.name == "nt" else os.path.realpath(file))
    safe = sys.flags.safe_path or _has_safe_path(options)
    return [] if safe else [directory], _prepare_script(source, file)


def _prepare_script(source: bytes, file: str) -> "Callable[[], Any]":
    """Prepare `__main__` for a script; return a function that runs it."""
    # Python 3.15 has no `__cached__`.
    cached = "__cached__" in sys.modules["__main__"].__dict__
    main = _reset_main()
    main.update(__loader__=SourceFileLoader("__main__", file), __file__=file)
    if cached:
        main.update(__cached__=None)
    return lambda: _execute(source, file, main)


def _prepare_entry_point(name: str, arguments: "tuple[str, ...]") -> "Start | None":
    """Prepare to run a console script that has no file; return its Start.

    None if no distribution declares it. The entry point is looked up on the sys.path
    that the script would have. sys.orig_argv is not changed: only `run` can start the
    script again.
    """
    from functools import partial  # deferred: most console scripts have a file

    from .._entry_point import EntryPoint
    from .._inventory import rows_of_namespace

    # An installer would have written the script here.
    directory = os.path.join(sys.prefix, "Scripts" if os.name == "nt" else "bin")
    path = os.path.join(directory, name)
    sys.argv[:] = [path, *arguments]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.realpath(directory))  # the prefix is trusted
    for group, (row, owner) in rows_of_namespace("console_scripts", (name,)):
        point = EntryPoint._of(group, row, owner)
        try:
            module, attr = point.module, point.attr
        except ValueError as error:
            _refuse(str(error))
        if not attr:
            from .. import _messages as messages  # deferred: only on failure
            from .._faults.origin import origin

            _refuse(messages.NO_FUNCTION.format(extension=origin(point)))
        # Installers write the same text. There is no `__file__`, since processes of
        # multiprocessing would try to run it.
        source = (
            f"import sys\nfrom {module} import {attr.partition('.')[0]}\n"
            f"if __name__ == '__main__':\n    sys.exit({attr}())\n"
        )
        file = f"<entry point {name} = {point.value}>"
        return [], partial(_execute, source, file, _reset_main())
    return None


def _absolute_path(path: str) -> str:
    """Return the absolute path as Python puts it into `__file__`.

    Except on Windows, "./" and ".." stay in it.
    """
    if os.name == "nt":
        return os.path.abspath(path)
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def _read_file(file: str) -> bytes:
    with open(file, "rb") as stream:
        return stream.read()


def _is_archive(file: str) -> bool:
    """Return True if Python would run the `__main__.py` in this path."""
    for hook in sys.path_hooks:
        try:
            hook(file)
        except ImportError:
            continue
        return True
    return False


# ---- The search by name ----


def _scripts_directories() -> "list[str]":
    """Return the directories of the console scripts of this environment."""
    # Not the directory of the executable on Windows, or if the executable is a link.
    directory = os.path.join(sys.prefix, "Scripts" if os.name == "nt" else "bin")
    executable_directory = os.path.dirname(sys.executable) or directory
    return (
        [executable_directory]
        if executable_directory == directory
        else [executable_directory, directory]
    )


def _program_directories() -> "Iterator[str]":
    """Yield the directories that are searched for a program, in order."""
    yield from _scripts_directories()
    site: Any = sys.modules.get("site")  # not imported under -S
    if getattr(site, "ENABLE_USER_SITE", False) and site.USER_BASE and site.USER_SITE:
        if os.name == "nt":
            yield os.path.join(os.path.dirname(site.USER_SITE), "Scripts")
        else:
            yield os.path.join(site.USER_BASE, "bin")
    yield from os.environ.get("PATH", os.defpath).split(os.pathsep)


def _find_program(name: str) -> str:
    """Return the path of a program, given its name; "" if there is none."""
    suffixes = ("", ".exe") if os.name == "nt" else ("",)
    for directory in _program_directories():
        for suffix in suffixes:
            path = os.path.join(directory, name + suffix)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return os.path.abspath(path)
    return ""


# ---- The interpreter of a script ----


def interpreter_of(source: bytes, path: str) -> "tuple[str, str]":
    r"""Return the interpreter that the first lines of a script name, and its options.

    >>> interpreter_of(b"#!/usr/bin/python3 -sP\n", "")
    ('/usr/bin/python3', '-sP')
    >>> interpreter_of(b"#!/usr/bin/env -S python3 -s", "")
    ('python3', '-s')
    >>> interpreter_of(b"print()", "")
    ('', '')

    Installers write this if the kernel would not accept the path:

    >>> interpreter_of(b"#!/bin/sh\n'''exec' '/a b/python' \"$0\" \"$@\"\n' '''", "")
    ('/a b/python', '')
    """
    first, _, rest = source[:4096].partition(b"\n")
    if not first.startswith(b"#!"):
        return "", ""
    interpreter, options = _split_first_word(os.fsdecode(first[2:]))
    if rest.startswith(b"'''exec' "):
        command = os.fsdecode(rest[len(b"'''exec' ") :].partition(b"\n")[0])
        interpreter, options = _split_first_word(command.partition(' "$0"')[0])
        if interpreter.startswith("$(dirname"):  # uv: relocatable environment
            directory = os.path.dirname(os.path.realpath(path))
            interpreter, options = os.path.join(directory, "python"), ""
    elif os.path.basename(interpreter) == "env":
        words = options.split()
        while words and (words[0].startswith("-") or "=" in words[0]):
            del words[0]
        interpreter, options = " ".join(words[:1]), " ".join(words[1:])
    return interpreter, options


def _split_first_word(text: str) -> "tuple[str, str]":
    """Return the first word of a command, and the rest.

    >>> _split_first_word("'/a b/python' -s"), _split_first_word("python")
    (('/a b/python', '-s'), ('python', ''))
    """
    text = text.strip()
    if text[:1] in ("'", '"'):
        word, _, rest = text[1:].partition(text[0])
    else:
        word, _, rest = text.partition(" ")
    return word, rest.strip()


def _has_safe_path(options: str) -> bool:
    """Return True if these options keep the script's directory off sys.path.

    >>> [_has_safe_path(each) for each in ("-sP", "-I", "-s", "-WIgnore")]
    [True, True, False, False]
    """
    for word in options.split():
        flags = word.partition("W")[0].partition("X")[0]
        if flags.startswith("-") and ("P" in flags or "I" in flags):
            return True
    return False


def _reason_to_refuse(interpreter: str, by_name: bool) -> str:
    """Return why a script cannot be run in this Python, in words; "" if it can."""
    if not interpreter:
        # The shell would run it by its name; Python accepts any path.
        if not by_name:
            return ""
        from .. import _messages as messages  # deferred: only on failure

        return messages.NAMES_NO_PYTHON
    program = os.path.basename(interpreter).lower()
    if not program.startswith(("python", "pypy")):
        from .. import _messages as messages  # deferred: only on failure

        return messages.FOR_ANOTHER_PROGRAM.format(interpreter=interpreter)
    # A caller that gives a path wants this Python to run that file.
    if not by_name or _is_this_python(interpreter):
        return ""
    from .. import _messages as messages  # deferred: only on failure

    return messages.OF_ANOTHER_PYTHON.format(interpreter=interpreter)


def _is_this_python(interpreter: str) -> bool:
    """Return True if an interpreter is this Python, in this environment.

    A name without a path, as after `env`, means any Python of that version.

    >>> _is_this_python(sys.executable), _is_this_python("python3")
    (True, True)
    >>> _is_this_python("python3.1"), _is_this_python("/nowhere/python3")
    (False, False)
    """
    if not os.path.dirname(interpreter):
        wanted = interpreter.lower().removesuffix(".exe").removeprefix("python")
        version = "{}.{}.".format(*sys.version_info)
        return not wanted or version.startswith(f"{wanted}.")
    return _python_home(interpreter) == _python_home(sys.executable)


def _python_home(executable: str) -> str:
    """Return a path that is the same for all executables of one Python.

    In a virtual environment, that is its directory: python, python3 and others in it
    are links to a base Python, which counts as another one.
    """
    directory = os.path.realpath(os.path.dirname(executable))
    for place in (os.path.dirname(directory), directory):
        if os.path.isfile(os.path.join(place, "pyvenv.cfg")):
            return place if os.path.exists(executable) else executable
    return os.path.realpath(executable)


# ---- Messages ----


def _refuse_unknown(name: str) -> "NoReturn":
    from .. import _messages as messages  # deferred: only on failure

    directories = " or ".join(_scripts_directories())
    reason = messages.NO_PROGRAM.format(name=name, directories=directories)
    _refuse(_with_hint(reason, name))


def _refuse_program(path: str, reason: str, name: str) -> "NoReturn":
    from .. import _messages as messages  # deferred: only on failure

    reason = f"{path} {reason}"
    if name:
        _refuse(_with_hint(reason, name))
    _refuse(messages.NOT_IN_THIS_PROCESS.format(reason=reason))


def _with_hint(reason: str, name: str) -> str:
    """Return a message with its end: where else a name is missing, and what to do."""
    from .. import _messages as messages  # deferred: only on failure
    from .._faults.errors import did_you_mean, near_misses
    from .._inventory import rows_of_namespace

    near = near_misses(
        name, {row[0] for _, (row, _) in rows_of_namespace("console_scripts")}
    )
    if name and os.path.exists(name):
        near = (os.path.join(os.curdir, name), *near)
    text = messages.NO_SCRIPT.format(reason=reason, python=sys.executable)
    return f"{text}{did_you_mean(near) or '.'} {messages.INSTALL_PROGRAM}"
