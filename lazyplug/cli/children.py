"""Build commands for child processes with the options of this interpreter."""

import os
import sys

from .. import _messages as messages
from .._running.command import options_of

# False on the platforms where subprocess cannot start a process.
HAS_PROCESSES = sys.platform not in {"emscripten", "wasi", "ios", "tvos", "watchos"}


def no_processes() -> str:
    """Return why no process can be started on this platform."""
    return messages.NO_PROCESSES.format(platform=sys.platform)


def child_command(directory: str, code: str) -> "list[str]":
    """Write the program of a child process; return the command that runs it.

    Python puts the program's directory first on `sys.path`, so it must hold nothing
    else that could be imported. With `-m`, and from Python 3.13 on with `-c`, modules
    of the current directory would be imported before any code of ours runs; `-P`
    would stay in `sys.flags`, from which multiprocessing takes its children's options.

    The options are those of this process: `python -I -m lazyplug check` checks what
    `python -I` would find.
    """
    file = os.path.join(directory, "child.py")
    with open(file, "w", encoding="utf-8") as program:
        # Without `__file__`, child processes of multiprocessing do not run it again.
        program.write(f"del __file__\n{code}")
    return [sys.executable, *options_of(sys.orig_argv), file]


def measured_command(
    code: str, variables: "dict[str, str]"
) -> "tuple[list[str], dict[str, str]]":
    """Return the command and the variables of a child whose start is measured.

    It gets PYTHONPATH and `LAZYPLUG_*` from these variables only. If this process
    ignores its own, the child gets none of the variables that Python reads.
    """
    flags = sys.flags
    options = ["-s"] * flags.no_user_site + ["-S"] * flags.no_site
    # A user's settings would distort the figures. PYTHONDONTWRITEBYTECODE, which many
    # shells set, would add the compilation of every module.
    python = "PYTHON" if flags.ignore_environment else "PYTHONDONTWRITEBYTECODE"
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LAZYPLUG_", python))
    }
    return [sys.executable, "-P", *options, "-c", code], {**environ, **variables}
