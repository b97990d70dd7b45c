"""Build the real environment: about 250 pinned, released distributions."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import ROOT

PINS = Path(__file__).with_name("environment.txt")

# The marker file is created first, empty, and filled when the last pin is installed. So
# an incomplete environment, which may be removed, differs from a directory of the user,
# which may not.
MARKER = "fingerprint.txt"

# Counted from the distributions: `len(entry_points())` and its groups differ between
# Python versions.
COUNT = """
from importlib.metadata import distributions
found = list(distributions())
points = [point for distribution in found for point in distribution.entry_points]
groups = {point.group for point in points}
print(
    f"{len(found)} distributions declare {len(points)} entry points"
    f" in {len(groups)} groups."
)
"""


class BuildError(Exception):
    """The environment cannot be built; the message says why."""


def build(
    directory: Path,
    python: str = sys.executable,
    pins: Path = PINS,
    only: Sequence[str] = (),
) -> Path:
    """Build or reuse an environment in a directory, and install the current lazyplug.

    Returns the path of the environment's python. Raises BuildError if a command fails,
    the directory is under /tmp, or it holds other files.

    :param pins: the requirements file with the pinned distributions.
    :param only: requirements that are installed, with all that they need, instead of
        everything that is pinned.
    """
    # Not resolved: stevedore checks the path by which the interpreter is called.
    directory = Path(os.path.abspath(directory))
    if str(directory).startswith("/tmp"):  # noqa: S108
        raise BuildError(
            f"{directory} is under /tmp, where stevedore disables its cache. Choose"
            " another directory."
        )
    own = directory / "bin" / "python"
    marker = directory / MARKER
    fingerprint = _fingerprint(python, pins, only)
    built = marker.is_file() and marker.read_text() == fingerprint
    if not (built and own.exists()):
        _clear(directory)
        _run(python, "-m", "venv", str(directory))
        _install(own, directory, pins, only)
        marker.write_text(fingerprint)
    _pip_install(own, "--no-deps", "--force-reinstall", str(ROOT))
    return own


def default_directory(python: str = sys.executable) -> Path:
    """Return the default directory of the environment of `python`."""
    tag = _run(python, "-c", "import sys; print(sys.implementation.cache_tag)")
    return ROOT / ".environments" / tag.strip()


def summary(python: Path) -> str:
    """Return a sentence with the numbers of distributions and entry points."""
    return _run(python, "-c", COUNT).strip()


def _fingerprint(python: str, pins: Path, only: Sequence[str]) -> str:
    version = _run(python, "-c", "import sys; print(sys.version)")
    # The pins of other environments may include those of the real one.
    known = b"".join(file.read_bytes() for file in dict.fromkeys([PINS, pins]))
    text = "\n".join([version, *only])
    return hashlib.sha256(known + text.encode()).hexdigest()


def _clear(directory: Path) -> None:
    """Empty a directory and create the marker; raise BuildError if it is not ours."""
    marker = directory / MARKER
    if directory.exists():
        if any(directory.iterdir()) and not marker.is_file():
            raise BuildError(
                f"{directory} is neither empty nor an environment built by this"
                " module. Remove it yourself, or choose another directory."
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    marker.touch()


def _install(own: Path, directory: Path, pins: Path, only: Sequence[str]) -> None:
    wanted = [*only, "--constraint"] if only else ["--no-deps", "--requirement"]
    _pip_install(own, "--only-binary", ":all:", *wanted, str(pins))
    # Distributions may ship files that do not compile (templates, tests of syntax
    # errors) and that nothing imports: compileall then exits with 1, but has compiled
    # all others.
    _run(own, "-m", "compileall", "-q", str(directory / "lib"), tolerated=1)


def _pip_install(own: Path, *arguments: str) -> None:
    options = ("--disable-pip-version-check", "--quiet")
    _run(own, "-m", "pip", "install", *options, *arguments)


def _run(python: str | Path, *arguments: str, tolerated: int = 0) -> str:
    """Return the standard output of a command. Raises BuildError with its output."""
    # Isolated (-I), so that nothing is imported from the current directory or from
    # PYTHONPATH. The variable must be removed all the same: child processes of pip
    # inherit it, and without bytecode every measured import would include compilation.
    command = [str(python), "-I", *arguments]
    variables = dict(os.environ)
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise BuildError(f"{' '.join(command)}: {error}") from error
    if done.returncode not in (0, tolerated):
        raise BuildError(
            f"{' '.join(command)} exited with {done.returncode}:\n"
            f"{done.stdout}{done.stderr}"
        )
    return done.stdout


def main() -> None:
    """Build the environment, and print its python and its summary."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.environment", description=__doc__
    )
    parser.add_argument(
        "directory",
        nargs="?",
        type=Path,
        help="where to build it (default: .environments/<cache tag>)",
    )
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="the interpreter to build it with (default: this one)",
    )
    options = parser.parse_args()
    try:
        own = build(
            options.directory or default_directory(options.python), options.python
        )
        print(own)
        print(summary(own))
    except BuildError as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
