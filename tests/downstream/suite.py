"""Run the test suite of the released stevedore on the drop-in.

`python -m tests.downstream.suite [PYTEST OPTIONS]`. The file `stevedore.txt` next to
this module lists the tests that are skipped, with reasons; all others must pass.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

import lazyplug.compat.stevedore as drop_in

SKIPPED = Path(__file__).with_name("stevedore.txt")


def read_skipped() -> list[str]:
    """Return the tests that are skipped; fail if one has no reason."""
    found = []
    for line in SKIPPED.read_text(encoding="utf-8").splitlines():
        test, mark, reason = line.partition("  # ")
        if not mark or not reason:
            raise ValueError(f"{SKIPPED}: {line!r} has no reason")
        found.append(test.strip())
    return found


def main() -> None:
    """Run the suite where stevedore is installed; exit as pytest does."""
    spec = importlib.util.find_spec("stevedore")
    if spec is None or spec.origin is None:
        sys.exit("stevedore is not installed here; run `tox run -e downstream`")
    directory = Path(spec.origin).parent
    drop_in.install()
    options = [
        "-c",
        "/dev/null",
        f"--rootdir={directory.parent}",
        "-p",
        "no:cacheprovider",
    ]
    options += [f"--deselect={test}" for test in read_skipped()]
    sys.exit(pytest.main([*options, *sys.argv[1:], str(directory / "tests")]))


if __name__ == "__main__":
    main()
