"""Compare all entry points of the real environment with importlib_metadata's.

Every group, name, value, distribution name and version, in one process each for
cold, warm, `dirs`, `none` and `off`. Run as `python -m benchmarks.parity`.
"""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.environment import build, default_directory, summary
from benchmarks.processes import UNWANTED
from benchmarks.report import scratch_directory

# Printed without json, so that the process imports no more than a warm start does.
ANSWER = """
from {module} import entry_points
for point in sorted(entry_points(), key=lambda p: (p.group, p.name, p.value)):
    print(repr((point.group, point.name, point.value, point.dist.name,
                point.dist.version)))
"""
BY_GROUP = """
import lazyplug
from lazyplug import _environment
from lazyplug._distribution import identify
rows = []
for group in sorted(lazyplug.entry_points().groups):
    for row, owner in _environment.rows(group):
        rows.append((group, row[0], row[1], *identify(owner)[:2]))
for row in sorted(rows, key=lambda r: r[:3]):
    print(repr(row))
"""
WAYS = {
    "cold": {},
    "warm": {},
    "dirs": {"LAZYPLUG_CHECK": "dirs"},
    "none": {"LAZYPLUG_CHECK": "none"},
    "off": {"LAZYPLUG_CACHE": "off"},
}


def answer(python: Path, code: str, variables: dict[str, str]) -> list[str]:
    """Return the lines that a fresh process prints."""
    environ = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    done = subprocess.run(
        [python, "-c", code],
        env={**environ, **variables},
        cwd=python.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def main() -> None:
    """Build the environment, compare in each mode, and print the results."""
    python = build(default_directory())
    print(summary(python))
    truth = sorted(answer(python, ANSWER.format(module="importlib_metadata"), {}))
    differing = []
    with scratch_directory("parity") as scratch:
        for way, variables in WAYS.items():
            own = {"LAZYPLUG_CACHE_DIR": str(scratch), **variables}
            for how, code in (
                ("by .dist", ANSWER.format(module="lazyplug")),
                ("by the rows of each group", BY_GROUP),
            ):
                found = sorted(answer(python, code, own))
                same = found == truth
                print(f"{way}, {how}: {len(found)} entry points,", end=" ")
                print("the same" if same else "NOT the same")
                if not same:
                    differing.append(way)
                    for line in sorted(set(found) ^ set(truth))[:20]:
                        print("   ", line)
    if differing:
        sys.exit(f"not the same: {', '.join(differing)}")


if __name__ == "__main__":
    main()
