"""The real environment: about 250 pinned, released distributions, installed."""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.report import ROOT

PINS = Path(__file__).with_name("environment.txt")

# The marker is created empty, before anything else, and filled when the last
# pin is installed: so a half-built environment, which may be removed, differs
# from somebody's own folder, which may not.
MARKER = "fingerprint.txt"

# Neither `len(entry_points())` nor its groups mean the same in every Python.
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


def build(folder: Path, python: str = sys.executable, pins: Path = PINS) -> Path:
    """Build or reuse the environment of some pins in a folder, with lazyplug as it is.

    Returns the path of the environment's python.
    """
    # Not resolved: stevedore looks at the path by which the interpreter is called.
    folder = Path(os.path.abspath(folder))
    if str(folder).startswith("/tmp"):  # noqa: S108
        raise BuildError(
            f"{folder} lies under /tmp, where stevedore switches its cache off:"
            " it could not be measured fairly. Choose another folder."
        )
    own = folder / "bin" / "python"
    marker = folder / MARKER
    fingerprint = _fingerprint(python, pins)
    built = marker.is_file() and marker.read_text() == fingerprint
    if not (built and own.exists()):
        _clear(folder)
        _install(folder, own, python, pins)
        marker.write_text(fingerprint)
    _pip_install(own, "--force-reinstall", str(ROOT))
    return own


def default_folder(python: str = sys.executable) -> Path:
    """Where the environment of `python` lives when nobody says otherwise."""
    tag = _run(python, "-c", "import sys; print(sys.implementation.cache_tag)")
    return ROOT / ".environments" / tag.strip()


def summary(python: Path) -> str:
    """Say in plain words how much there is to discover for `python`."""
    return _run(python, "-c", COUNT).strip()


def _fingerprint(python: str, pins: Path) -> str:
    version = _run(python, "-c", "import sys; print(sys.version)")
    # Others may be built on the real one.
    known = b"".join(file.read_bytes() for file in dict.fromkeys([PINS, pins]))
    return hashlib.sha256(known + version.encode()).hexdigest()


def _clear(folder: Path) -> None:
    """Leave `folder` empty but for an empty marker, and touch nobody's own files."""
    marker = folder / MARKER
    if folder.exists():
        if any(folder.iterdir()) and not marker.is_file():
            raise BuildError(
                f"{folder} is neither empty nor an environment built by this"
                " module. Remove it yourself, or choose another folder."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    marker.touch()


def _install(folder: Path, own: Path, python: str, pins: Path) -> None:
    _run(python, "-m", "venv", str(folder))
    _pip_install(own, "--only-binary", ":all:", "--requirement", str(pins))
    # Distributions may ship files that are not meant to compile (templates, tests
    # of syntax errors): compileall then exits with 1, though it has compiled all
    # the others, and nothing ever imports those.
    _run(own, "-m", "compileall", "-q", str(folder / "lib"), tolerated=1)


def _pip_install(own: Path, *arguments: str) -> None:
    options = ("--no-deps", "--disable-pip-version-check", "--quiet")
    _run(own, "-m", "pip", "install", *options, *arguments)


def _run(python: str | Path, *arguments: str, tolerated: int = 0) -> str:
    """Return what the command prints, or raise with all that it printed."""
    # Isolated (-I), lest the current folder or PYTHONPATH stand in for the
    # environment. The variable must go all the same: pip's own children see it,
    # and without bytecode every import would be measured with its compilation.
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
    """Build the environment and say what there is to discover in it."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.environment", description=__doc__
    )
    parser.add_argument(
        "folder",
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
        own = build(options.folder or default_folder(options.python), options.python)
        print(own)
        print(summary(own))
    except BuildError as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
