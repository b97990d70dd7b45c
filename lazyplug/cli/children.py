"""Build commands for child processes with the options of this interpreter."""

import os
import signal
import sys

from .. import _messages as messages
from .._running.command import options_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from subprocess import Popen

# The name of this package, which a vendored copy may change.
_PACKAGE = __name__.rpartition(".cli.")[0]
# Run by the child: imports the same lazyplug as this process, and leaves sys.path
# unchanged.
_LAUNCH = """\
import sys
put = 0 if sys.flags.safe_path else 1
sys.path[:put] = [{home!a}]
from {package}._running.launch import run
{imports}
if not put:
    del sys.path[0]
run(sys.argv[1:]{ready})
"""
# Seconds after which the stat signatures of files just written are no longer racy.
RACY_SECONDS = 2.1
# False on the platforms where subprocess cannot start a process.
HAS_PROCESSES = sys.platform not in {"emscripten", "wasi", "ios", "tvos", "watchos"}


def no_processes() -> str:
    """Return why no process can be started on this platform."""
    return messages.NO_PROCESSES.format(platform=sys.platform)


def child_command(
    directory: str, code: str, options: "list[str] | None" = None
) -> "list[str]":
    """Write the program of a child process; return the command that runs it.

    Python puts the program's directory first on `sys.path`, so it must hold nothing
    else that could be imported. With `-m`, and from Python 3.13 on with `-c`, modules
    of the current directory would be imported before any code of ours runs; `-P`
    would stay in `sys.flags`, from which multiprocessing takes its children's options.

    The options of the interpreter are by default those of this process: `python -I -m
    lazyplug check` checks what `python -I` would find.
    """
    if options is None:
        options = options_of(sys.orig_argv)
    file = os.path.join(directory, "child.py")
    with open(file, "w", encoding="utf-8") as program:
        # Without `__file__`, child processes of multiprocessing do not run it again.
        program.write(f"del __file__\n{code}")
    return [sys.executable, *options, file]


def launch_command(
    directory: str,
    options: "list[str] | None" = None,
    ready: "tuple[str, str, str] | None" = None,
) -> "list[str]":
    """Return the command of a child that does what `lazyplug run` does.

    The options of `run`, and the program, are to be appended.

    :param options: of the interpreter; by default those of this process.
    :param ready: a module of `_running`, a function of it to be called just before the
        program starts, and its argument.
    """
    imports = call = ""
    if ready:
        module, function, argument = ready
        imports = f"from {_PACKAGE}._running.{module} import {function}"
        # The globals of the child are gone by then.
        call = f", lambda call={function}: call({argument!a})"
    code = _LAUNCH.format(
        home=package_home(), package=_PACKAGE, imports=imports, ready=call
    )
    return child_command(directory, code, options)


def package_home() -> str:
    """Return the directory that Python imports this package from."""
    home = os.path.abspath(__file__)
    for _ in __name__.split("."):
        home = os.path.dirname(home)
    return home


def kill(process: "Popen[bytes]") -> None:
    """Kill a process and, on POSIX, all processes of its session."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass  # all of them have ended
    process.wait()


def measured_command(
    code: str, variables: "dict[str, str]"
) -> "tuple[list[str], dict[str, str]]":
    """Return the command and the variables of a child whose start is measured.

    It gets PYTHONPATH from these variables only.
    """
    command = [sys.executable, "-P", *measured_options(), "-c", code]
    return command, measured_environment(variables)


def measured_options() -> "list[str]":
    """Return options with the effect of `-s`, `-S`, and of the same in `-I`.

    Not `-E` or `-I` themselves: a measured process must not ignore its variables.
    """
    return ["-s"] * sys.flags.no_user_site + ["-S"] * sys.flags.no_site


def measured_environment(variables: "dict[str, str]") -> "dict[str, str]":
    """Return the environment of a child whose start is measured.

    It gets `LAZYPLUG_*` from these variables only, and is not switched on by `lazyplug
    on`. If this process ignores its own, the child gets none of the variables that
    Python reads.
    """
    # A user's settings would distort the figures; under the switch, importlib.metadata
    # would be lazyplug. PYTHONDONTWRITEBYTECODE, which many shells set, would add the
    # compilation of every module.
    python = "PYTHON" if sys.flags.ignore_environment else "PYTHONDONTWRITEBYTECODE"
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LAZYPLUG_", python))
    }
    return kept | {"LAZYPLUG_SWITCH": "off"} | variables
