"""Run a command with the interpreter of another environment, which stays unchanged.

If lazyplug is not installed there, a temporary copy of it is imported.
"""

import json
import os
import subprocess
import tempfile
from importlib.resources import files
from typing import TYPE_CHECKING

from .. import _messages as messages
from .._site_path import find_installation
from .children import child_command, measured_environment, measured_options
from .elsewhere import on_path
from .loading import how_ended
from .output import complain, reason_of

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

# The name of this package, which a vendored copy may change.
_PACKAGE = __name__.rpartition(".cli.")[0]
# Python 2 can run it, too.
_QUESTION = """\
import json, sys
where = ""
if sys.version_info >= (3, 11):
    from importlib.util import find_spec
    spec = find_spec("lazyplug")
    where = spec.origin or "" if spec else ""
print(json.dumps([sys.version_info[:2], sys.prefix, where]))
"""
_LAUNCH = """\
import sys
sys.path += {home!a}
try:
    from lazyplug.cli import main
    sys.exit(main(sys.argv[1:]))
except KeyboardInterrupt:
    sys.exit(130)
"""
_OLDEST = (3, 11)
# Seconds after which a file that does not answer is not taken for an interpreter.
_LIMIT = 60.0
# How many characters of an error are shown.
_SHOWN = 80
# They would make another Python import what belongs to this one.
_OF_THIS_PYTHON = "PYTHONHOME", "PYTHONPATH"


class InterpreterError(Exception):
    """There is no interpreter that can be used; the message says why."""


def interpreter_of(place: str) -> str:
    """Return the interpreter of an environment.

    :param place: as of `find_installation`; or a name on `PATH`, or any other program
        that runs as an interpreter does, such as those of pyenv.
    """
    place = on_path(place)
    try:
        return find_installation(place).executable
    except ValueError as error:
        if os.path.isfile(place):
            return place
        raise InterpreterError(str(error)) from error


def run_elsewhere(path: str, arguments: list[str]) -> int:
    """Run a command of lazyplug in another environment; return its exit code.

    Writes nothing into that environment: bytecode and indexes are temporary. Raises
    InterpreterError.

    :param path: the environment, or its interpreter.
    """
    interpreter = interpreter_of(path)
    with tempfile.TemporaryDirectory(
        prefix="lazyplug-",
        ignore_cleanup_errors=True,  # a program left running may write bytecode
    ) as directory:
        environ = measured_environment(
            {
                "LAZYPLUG_CACHE_DIR": os.path.join(directory, "cache"),
                "PYTHONPYCACHEPREFIX": os.path.join(directory, "bytecode"),
            }
        )
        for name in _OF_THIS_PYTHON:
            environ.pop(name, None)
        prefix, where = _ask(interpreter, directory, environ)
        home = []
        if where:
            note = messages.USES_INSTALLED.format(file=where)
        else:
            note = messages.USES_COPY.format(environment=prefix)
            home = [os.path.join(directory, "lazyplug")]
            # Not the directory that it is installed in: it may hold other packages.
            _copy(files(_PACKAGE), os.path.join(*home, "lazyplug"))
        complain(note)
        code = _LAUNCH.format(home=home)
        command = [interpreter, "-P", *measured_options(), "-c", code, *arguments]
        process = subprocess.Popen(command, env=environ)
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()  # it was interrupted, too, and removes its files
            raise


def _ask(interpreter: str, directory: str, environ: dict[str, str]) -> tuple[str, str]:
    """Return the prefix of an interpreter, and the file of the lazyplug that it has.

    The file is "" if it has none. Raises InterpreterError if it cannot be used.

    :param directory: an empty directory.
    """
    # Older versions have no -P, and child_command does without.
    command = child_command(directory, _QUESTION, measured_options())
    command[0] = interpreter
    try:
        done = subprocess.run(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=False,
        )
    except OSError as error:
        target = os.path.realpath(interpreter)
        is_dangling = os.path.islink(interpreter) and not os.path.exists(target)
        reason = (
            messages.DOES_NOT_EXIST.format(path=target)
            if is_dangling
            else reason_of(error)
        )
        raise InterpreterError(_cannot_run(interpreter, reason)) from error
    except subprocess.TimeoutExpired as error:
        reason = messages.NO_ANSWER.format(limit=_LIMIT)
        raise InterpreterError(_cannot_run(interpreter, reason)) from error
    try:
        # A `.pth` file may print something before.
        version, prefix, where = json.loads(done.stdout.strip().rpartition(b"\n")[2])
    except (TypeError, ValueError) as error:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2].strip()
        reason = messages.NOT_AN_INTERPRETER.format(
            error=last[:_SHOWN] or how_ended(done.returncode)
        )
        raise InterpreterError(_cannot_run(interpreter, reason)) from error
    if tuple(version) < _OLDEST:
        raise InterpreterError(
            messages.TOO_OLD.format(
                interpreter=interpreter,
                version="{}.{}".format(*version),
                oldest="{}.{}".format(*_OLDEST),
            )
        )
    return prefix, where


def _cannot_run(interpreter: str, reason: str) -> str:
    return f"{interpreter} {messages.CANNOT_BE.format(done='run', reason=reason)}"


def _copy(source: "Traversable", target: str) -> None:
    """Copy a directory without its bytecode; it may be in an archive."""
    os.makedirs(target)
    for each in source.iterdir():
        path = os.path.join(target, each.name)
        if each.is_file():
            with open(path, "wb") as file:
                file.write(each.read_bytes())
        elif each.name != "__pycache__":
            _copy(each, path)
