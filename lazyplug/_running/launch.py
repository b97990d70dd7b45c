"""Run an installed program in this process, as if it had been started directly."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

    # the first entries of the program's sys.path, and a function that runs it
    Start = tuple[list[str], Callable[[], Any]]

USAGE = """\
usage: python -m lazyplug run [OPTIONS] PROGRAM [ARGS...]
       python -m lazyplug run [OPTIONS] -m MODULE [ARGS...]

PROGRAM is the name of an installed console script, or the path of a script. Options
come first; all that follows PROGRAM or MODULE is its own.

  --as-stevedore  `import stevedore` gives lazyplug's drop-in
  --children      the same in the Python processes that the program starts
  --trace FILE    writes what is read, scanned and imported for plugins, as JSON lines
  --              PROGRAM comes next, even if it looks like an option
"""

# What is in the globals of `__main__` before anything was run there.
_BARE = {
    *("__name__", "__doc__", "__package__", "__loader__", "__spec__"),
    *("__annotations__", "__builtins__"),
}


def run(arguments: "list[str]") -> None:
    """Run a program. `python -m` calls this, and does nothing after it.

    `sys.argv`, `sys.path` and `__main__` become what they are where the program is
    started directly. It is executed in the globals of the `__main__` that is there,
    not in a module that is taken away again behind it, as `runpy.run_module` does:
    its threads, its atexit handlers, what unpickles its classes and `python -i` still
    need them when it has ended.
    """
    options, program = _understood(arguments)
    # Modules that we import before the program starts must not come from its directory,
    # nor from the current one.
    del sys.path[: _put_by_python()]
    if "--children" in options:
        _reach_children()
    first, start = (_module if "-m" in options else _program)(*program)
    if "--as-stevedore" in options:
        from ..compat.stevedore import install

        install()
    if "--trace" in options:
        from .recorder import record

        try:
            record(options["--trace"])
        except OSError as error:
            _refuse(f"the trace cannot be written: {error}\n")
    sys.path[:0] = first
    try:
        start()
    except BaseException as error:
        # What exits is not shown, unless by `python -i`.
        if sys.flags.inspect or not isinstance(error, SystemExit):
            _show_without_us(error)
        raise  # Python itself knows best how to end: with 1, or by SIGINT


def _understood(arguments: "list[str]") -> "tuple[dict[str, str], list[str]]":
    """Return the options with their values, and the program with its arguments.

    >>> _understood(["--as-stevedore", "bandit", "--children", "-r"])
    ({'--as-stevedore': ''}, ['bandit', '--children', '-r'])
    >>> _understood(["--trace", "file", "-m", "flake8", "--version"])
    ({'--trace': 'file', '-m': ''}, ['flake8', '--version'])
    """
    options = {}
    rest = list(arguments)
    while rest and rest[0] in ("--as-stevedore", "--children", "--trace"):
        option = rest.pop(0)
        if option == "--trace" and not rest:
            _refuse(f"--trace needs a FILE\n{USAGE}")
        options[option] = rest.pop(0) if option == "--trace" else ""
    first = rest[0] if rest else ""
    if first in ("-h", "--help"):
        print(USAGE, end="")
        sys.exit(0)
    if first == "--":
        del rest[0]
    elif first == "-m":
        options[rest.pop(0)] = ""
    elif first.startswith("-"):
        _refuse(f"there is no option {first}\n{USAGE}")
    if not rest:
        _refuse(f"which {'module' if '-m' in options else 'program'}?\n{USAGE}")
    if "--children" in options and "--as-stevedore" not in options:
        _refuse(
            "--children hands --as-stevedore on to child processes; give that too,"
            " or leave --children out\n"
        )
    return options, rest


def _refuse(text: str) -> "NoReturn":
    print("lazyplug run:", text, end="", file=sys.stderr)
    sys.exit(2)


def _reach_children() -> None:
    """Let child processes get the drop-in when they import stevedore."""
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = os.path.join(folder, "compat", "children")
    there = os.environ.get("PYTHONPATH")
    if not there:
        os.environ["PYTHONPATH"] = folder
    elif folder not in there.split(os.pathsep):
        os.environ["PYTHONPATH"] = folder + os.pathsep + there
    # Where Python puts what is on PYTHONPATH. Processes of multiprocessing that are
    # not forked take all of sys.path from here.
    if folder not in sys.path:
        sys.path.insert(0, folder)
    # Here it only lies in the way of who looks for the installed stevedore: a finder
    # stands for it that finds nothing there.
    from importlib.machinery import BuiltinImporter  # free: `python -m` imports it

    finder: Any = BuiltinImporter
    sys.path_importer_cache[folder] = finder


# ---- What the program sees ----


def _put_by_python() -> int:
    """Return how many entries Python has inserted into sys.path for us: 1 or 0."""
    spec = sys.modules["__main__"].__spec__
    if spec and spec.name == "__main__":
        return 1  # a directory or an archive, also under -P
    if sys.flags.safe_path:
        return 0
    return len(_put_for_module()) if spec else 1


def _put_for_module() -> "list[str]":
    """Return the entries that Python inserts into sys.path for `-m`."""
    try:
        return [] if sys.flags.safe_path else [os.getcwd()]
    except OSError:
        return []  # the current directory was removed


def _prepare(argv: "list[str]", *how: str) -> None:
    """Set sys.argv, and sys.orig_argv to the command that starts the program directly.

    Programs restart themselves with it, and some compare it with sys.argv.
    """
    sys.argv[:] = argv
    whole = sys.orig_argv
    sys.orig_argv = [*whole[:1], *options_of(whole), *how, *argv[1:]]


def options_of(command: "list[str]") -> "list[str]":
    """Return the interpreter's options in a command line.

    >>> options_of(["py", "-I", "-X", "dev", "-m", "lazyplug", "check"])
    ['-I', '-X', 'dev']
    >>> options_of(["py", "-sEm", "lazyplug", "-P"]), options_of(["py", "-c", "pass"])
    (['-sE'], [])
    >>> options_of(["py", "-EWerror", "--check-hash-based-pycs", "never", "a.py", "-s"])
    ['-EWerror', '--check-hash-based-pycs', 'never']
    """
    options = []
    words = iter(command[1:])
    for word in words:
        if word in ("-", "--") or not word.startswith("-"):
            break
        options.append(word)
        if word == "--check-hash-based-pycs":
            options.append(next(words))
        for at, letter in enumerate(word if word[1] != "-" else ""):
            if letter in "cm":
                options[-1:] = [word[:at]] if at > 1 else []
                return options
            if letter in "WX":
                if at + 1 == len(word):
                    options.append(next(words))
                break
    return options


def _bare_main() -> "dict[str, Any]":
    """Return the globals of `__main__` as they are before anything was run there."""
    from importlib.machinery import BuiltinImporter  # free: `python -m` imports it

    main = sys.modules["__main__"].__dict__
    for name in [name for name in main if name not in _BARE]:
        del main[name]
    main.update(__name__="__main__", __doc__=None, __package__=None)
    main.update(__loader__=BuiltinImporter, __spec__=None)
    return main


def _execute(source: "bytes | str", file: str, main: "dict[str, Any]") -> None:
    """Execute a script, and end it as Python does."""
    try:
        exec(compile(source, file, "exec", dont_inherit=True), main)  # noqa: S102
    finally:
        # What it has printed comes before its traceback, and before what its threads
        # and atexit handlers print.
        for stream in (sys.stderr, sys.stdout):
            try:
                stream.flush()
            except Exception:  # noqa: S110 - Python tries again at its end, and tells
                pass
    _forget_file(main)


def _forget_file(main: "dict[str, Any]") -> None:
    """Take from a script what its atexit handlers find gone when it has ended."""
    if main.get("__spec__") is None:
        main.pop("__file__", None)
        main.pop("__cached__", None)


def _show_without_us(error: BaseException) -> None:
    """Have the error that ends the program shown without the frames outside of it.

    They cannot be taken off before: each is added to the traceback when the error
    leaves it. So the hook that shows it is replaced, for this one call.
    """
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        return  # the program took it away, and Python says so
    trace = error.__traceback__
    while trace and trace.tb_frame.f_globals is globals():
        trace = trace.tb_next

    def show(kind: "type[BaseException]", value: BaseException, _: "Any") -> None:
        sys.excepthook = hook
        value.__traceback__ = sys.last_traceback = trace
        try:
            hook(kind, value, trace)
        finally:
            _forget_file(sys.modules["__main__"].__dict__)

    sys.excepthook = show


# ---- Which program ----


def _module(name: str, *arguments: str) -> "Start":
    """Prepare what a module sees that is run by `python -m`; return what runs it."""
    _prepare(["-m", *arguments], "-m", name)  # runpy then sets sys.argv[0]
    _bare_main()
    return _put_for_module(), _run_as_main(name, True)


def _run_as_main(name: str, alter_argv: bool) -> "Callable[[], Any]":
    """Return a function that runs a module, a directory or an archive as Python does.

    By the same function. The public run_module() and run_path() put sys.argv and
    `__main__` back when the module has ended, and word its errors otherwise.
    """
    import runpy  # deferred: only `python -m` has imported it

    return lambda: vars(runpy)["_run_module_as_main"](name, alter_argv)


def _program(name: str, *arguments: str) -> "Start":
    """Prepare what a program sees; return what runs it. `name` may be a path."""
    by_name = not os.path.dirname(name)
    path = _found(name) if by_name else name
    if not path:
        return _declared(name, arguments) or _refuse_unknown(name)
    try:
        file = _absolute(path)
        source = b"" if os.path.isdir(file) else _content(file)
    except OSError as error:
        _refuse(f"{path} cannot be read: {error.strerror}\n")
    interpreter, options = interpreter_of(source, file)
    archive = _is_archive(file)
    if not archive and b"\0" in source:
        unfit = "is not a Python program"
    else:
        unfit = _unfit(interpreter, by_name)
    if unfit:
        # Of a path that was given, only what an installer wrote there is replaced.
        installed = by_name or os.path.dirname(file) in _scripts_folders()
        script = os.path.basename(path)
        start = _declared(script, arguments) if installed else None
        return start or _refuse_unfit(path, unfit, script if installed else "")
    _prepare([path, *arguments], *options.split(), path)
    if archive:
        _bare_main()
        return [file], _run_as_main("__main__", False)  # also under -P
    folder = os.path.dirname(file if os.name == "nt" else os.path.realpath(file))
    safe = sys.flags.safe_path or _is_safe(options)
    return [] if safe else [folder], _script(source, file)


def _script(source: bytes, file: str) -> "Callable[[], Any]":
    """Prepare `__main__` for a script; return what runs it."""
    from importlib.machinery import SourceFileLoader  # free: `python -m` imports it

    # Python 3.15 knows no `__cached__`.
    cached = "__cached__" in sys.modules["__main__"].__dict__
    main = _bare_main()
    main.update(__loader__=SourceFileLoader("__main__", file), __file__=file)
    if cached:
        main.update(__cached__=None)
    return lambda: _execute(source, file, main)


def _declared(name: str, arguments: "tuple[str, ...]") -> "Start | None":
    """Prepare what a console script sees that has no file; return what runs it.

    None if no distribution declares it. That is asked as the script would: on the
    same sys.path. sys.orig_argv is not changed: only `run` can start it again.
    """
    from functools import partial

    from .._entry_point import EntryPoint  # deferred: few have no file of their own
    from .._inventory import served

    # Where its installer would have written it.
    folder = os.path.join(sys.prefix, "Scripts" if os.name == "nt" else "bin")
    path = os.path.join(folder, name)
    sys.argv[:] = [path, *arguments]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.realpath(folder))  # the prefix is trusted
    for group, (row, owner) in served("console_scripts", (name,)):
        point = EntryPoint._of(group, row, owner)
        try:
            module, attr = point.module, point.attr
        except ValueError as error:
            _refuse(f"{error}\n")
        if not attr:
            _refuse(
                f"the console script {name} = {point.value} names no function to call;"
                " its author has to correct it\n"
            )
        # The same text that installers write. There is no `__file__`: processes of
        # multiprocessing would try to run it.
        source = (
            f"import sys\nfrom {module} import {attr.partition('.')[0]}\n"
            f"if __name__ == '__main__':\n    sys.exit({attr}())\n"
        )
        file = f"<entry point {name} = {point.value}>"
        return [], partial(_execute, source, file, _bare_main())
    return None


def _absolute(path: str) -> str:
    """Return the path as Python puts it into `__file__`: "./" and ".." stay in it."""
    if os.name == "nt":
        return os.path.abspath(path)
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def _content(file: str) -> bytes:
    with open(file, "rb") as stream:
        return stream.read()


def _is_archive(file: str) -> bool:
    """Is this a folder or an archive, of which `__main__.py` is run?"""
    for hook in sys.path_hooks:
        try:
            hook(file)
        except ImportError:
            continue
        return True
    return False


# ---- Where it lies ----


def _scripts_folders() -> "list[str]":
    """Return where the console scripts of this environment lie."""
    # Another folder than that of the executable on Windows, and where this is a link.
    folder = os.path.join(sys.prefix, "Scripts" if os.name == "nt" else "bin")
    beside = os.path.dirname(sys.executable) or folder
    return [beside] if beside == folder else [beside, folder]


def _folders() -> "Iterator[str]":
    """Yield the folders in which programs are looked for by name."""
    yield from _scripts_folders()
    site: Any = sys.modules.get("site")  # not there under -S
    if getattr(site, "ENABLE_USER_SITE", False) and site.USER_BASE and site.USER_SITE:
        if os.name == "nt":
            yield os.path.join(os.path.dirname(site.USER_SITE), "Scripts")
        else:
            yield os.path.join(site.USER_BASE, "bin")
    yield from os.environ.get("PATH", os.defpath).split(os.pathsep)


def _found(name: str) -> str:
    """Return the path of the program of a name; "" if there is none."""
    suffixes = ("", ".exe") if os.name == "nt" else ("",)
    for folder in _folders():
        for suffix in suffixes:
            path = os.path.join(folder, name + suffix)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return os.path.abspath(path)
    return ""


# ---- Whose it is ----


def interpreter_of(source: bytes, path: str) -> "tuple[str, str]":
    r"""Return the interpreter that a script names, and with which options.

    >>> interpreter_of(b"#!/usr/bin/python3 -sP\n", "")
    ('/usr/bin/python3', '-sP')
    >>> interpreter_of(b"#!/usr/bin/env -S python3 -s", "")
    ('python3', '-s')
    >>> interpreter_of(b"print()", "")
    ('', '')

    What installers write where the kernel would not take the path:

    >>> interpreter_of(b"#!/bin/sh\n'''exec' '/a b/python' \"$0\" \"$@\"\n' '''", "")
    ('/a b/python', '')
    """
    first, _, rest = source[:4096].partition(b"\n")
    if not first.startswith(b"#!"):
        return "", ""
    interpreter, options = _word(os.fsdecode(first[2:]))
    if rest.startswith(b"'''exec' "):
        command = os.fsdecode(rest[len(b"'''exec' ") :].partition(b"\n")[0])
        interpreter, options = _word(command.partition(' "$0"')[0])
        if interpreter.startswith("$(dirname"):  # uv's, of an environment that moves
            folder = os.path.dirname(os.path.realpath(path))
            interpreter, options = os.path.join(folder, "python"), ""
    elif os.path.basename(interpreter) == "env":
        words = options.split()
        while words and (words[0].startswith("-") or "=" in words[0]):
            del words[0]
        interpreter, options = " ".join(words[:1]), " ".join(words[1:])
    return interpreter, options


def _word(text: str) -> "tuple[str, str]":
    """Return the first word of a command, and the rest.

    >>> _word("'/a b/python' -s"), _word("python")
    (('/a b/python', '-s'), ('python', ''))
    """
    text = text.strip()
    if text[:1] in ("'", '"'):
        word, _, rest = text[1:].partition(text[0])
    else:
        word, _, rest = text.partition(" ")
    return word, rest.strip()


def _is_safe(options: str) -> bool:
    """Do the options of an interpreter keep the script's folder off sys.path?

    >>> _is_safe("-sP"), _is_safe("-I"), _is_safe("-s"), _is_safe("-WIgnore")
    (True, True, False, False)
    """
    for word in options.split():
        flags = word.partition("W")[0].partition("X")[0]
        if flags.startswith("-") and ("P" in flags or "I" in flags):
            return True
    return False


def _unfit(interpreter: str, by_name: bool) -> str:
    """Return why a script is none for this Python, in words; "" if it is one."""
    if not interpreter:
        # By name it would be run by the shell; Python takes any path.
        return "names no Python in its first line" if by_name else ""
    program = os.path.basename(interpreter).lower()
    if not program.startswith(("python", "pypy")):
        return f"is a program for {interpreter}, not for Python"
    # Whoever gives a path wants that file to be run in this Python.
    if not by_name or _is_this_python(interpreter):
        return ""
    return f"belongs to another Python, {interpreter}"


def _is_this_python(interpreter: str) -> bool:
    """Is this the Python, of this environment, that runs here?

    A name alone, as after `env`, means any Python of that version.

    >>> _is_this_python(sys.executable), _is_this_python("python3")
    (True, True)
    >>> _is_this_python("python3.1"), _is_this_python("/nowhere/python3")
    (False, False)
    """
    if not os.path.dirname(interpreter):
        wanted = interpreter.lower().removesuffix(".exe").removeprefix("python")
        version = "{}.{}.".format(*sys.version_info)
        return not wanted or version.startswith(f"{wanted}.")
    return _home(interpreter) == _home(sys.executable)


def _home(executable: str) -> str:
    """Return what two executables have in common that are the same Python.

    In a virtual environment, that is its folder: there python, python3 and others lie
    side by side, and all are links to a Python outside that is not the same.
    """
    folder = os.path.realpath(os.path.dirname(executable))
    for place in (os.path.dirname(folder), folder):
        if os.path.isfile(os.path.join(place, "pyvenv.cfg")):
            return place if os.path.exists(executable) else executable
    return os.path.realpath(executable)


# ---- What is told ----


def _refuse_unknown(name: str) -> "NoReturn":
    folders = " or ".join(_scripts_folders())
    _refuse(f"no program {name!r} was found in {folders} or on PATH{_hint(name)}")


def _refuse_unfit(path: str, unfit: str, name: str) -> "NoReturn":
    text = f"{path} {unfit}"
    if name:
        _refuse(f"{text}{_hint(name)}")
    _refuse(f"{text}; nothing else can be run in this process\n")


def _hint(name: str) -> str:
    """Return where else a name was looked for, and what to do."""
    from .._faults.messages import near_misses
    from .._inventory import served

    near = near_misses(name, {row[0] for _, (row, _) in served("console_scripts")})
    if name and os.path.exists(name):
        near = (os.path.join(os.curdir, name), *near)
    return (
        f", and no distribution that is installed for {sys.executable} declares a"
        f" console script of that name."
        + (f" Did you mean {' or '.join(near)}?" if near else "")
        + " Install it for this Python, or give `-m MODULE` or the path of a script.\n"
    )
