"""Run released programs, and the test suites of their projects.

`python -m tests.downstream.suite [PYTEST OPTIONS]` runs that of stevedore on the
drop-in. A file next to this module lists the tests that are skipped, with reasons; all
others must pass.
"""

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

import lazyplug.compat.stevedore as drop_in

SKIPPED = Path(__file__).with_name("stevedore.txt")


class Outcome(NamedTuple):
    """The exit code and the output of a program."""

    code: int
    out: str
    err: str


def outcome(command: list[str], home: Path, **variables: str) -> Outcome:
    """Run a program in a home directory of its own; return what it prints."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
    plain = {"HOME": str(home), "COLUMNS": "100", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command,
        env=inherited | plain | variables,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    # Replace the current time, and durations.
    out, err = (
        re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,\d]*\S*", "NOW", text)
        for text in (done.stdout, done.stderr)
    )
    return Outcome(done.returncode, out, err)


def read_skipped(file: Path) -> list[str]:
    """Return the tests that are skipped; fail if one has no reason."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        test, mark, reason = line.partition("  # ")
        if not mark or not reason:
            raise ValueError(f"{file}: {line!r} has no reason")
        found.append(test.strip())
    return found


def pytest_options(root: Path, skipped: list[str]) -> list[str]:
    """Return the options that run tests below a directory as they are released."""
    options = ["-c", "/dev/null", f"--rootdir={root}", "-p", "no:cacheprovider"]
    return [*options, *(f"--deselect={test}" for test in skipped)]


def unpack_source(distribution: str, directory: Path) -> Path:
    """Return the directory of the sources of an installed distribution.

    They are downloaded in the version that is installed.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    what = ["--no-deps", "--no-binary", ":all:", "--dest", str(directory)]
    requirement = f"{distribution}=={version(distribution)}"
    subprocess.run([*pip, "download", *what, requirement], check=True)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(directory, filter="data")
    (source,) = (path for path in directory.iterdir() if path.is_dir())
    return source


def main() -> None:
    """Run the suite where stevedore is installed; exit as pytest does."""
    spec = importlib.util.find_spec("stevedore")
    if spec is None or spec.origin is None:
        sys.exit("stevedore is not installed here; run `tox run -e downstream`")
    directory = Path(spec.origin).parent
    drop_in.install()
    options = pytest_options(directory.parent, read_skipped(SKIPPED))
    sys.exit(pytest.main([*options, *sys.argv[1:], str(directory / "tests")]))


if __name__ == "__main__":
    main()
