"""Run stevedore's own released suite over the drop-in.

`python -m tests.downstream.suite [PYTEST OPTIONS]`. What is left out, and why, stands
in `stevedore.txt` beside it; everything else must pass.
"""

import importlib.util
import sys
from pathlib import Path

import pytest

import lazyplug.compat.stevedore as drop_in

LEFT_OUT = Path(__file__).with_name("stevedore.txt")


def left_out() -> list[str]:
    """Return the tests that are left out, each of which has a reason."""
    found = []
    for line in LEFT_OUT.read_text(encoding="utf-8").splitlines():
        test, mark, reason = line.partition("  # ")
        if not mark or not reason:
            raise ValueError(f"{LEFT_OUT}: {line!r} has no reason")
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
    options += [f"--deselect={test}" for test in left_out()]
    sys.exit(pytest.main([*options, *sys.argv[1:], str(directory / "tests")]))


if __name__ == "__main__":
    main()
