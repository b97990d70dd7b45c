"""Whole processes measured side by side: interleaved, warmed up, medians.

A case is code that a fresh Python runs. In each round every case is run once, in an
order of chance, so that whatever slows the machine slows them alike; what is told
of a case is the median of its difference to the floor of its round.
"""

import os
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from benchmarks.report import Figure

# Rounds that are run first and not counted.
WARM_UP = 2
# Seconds after which the stamps of what was just written are believed.
SETTLED = 2.1
# Set in many shells; compiling every import would be measured instead.
UNWANTED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHASHSEED")


class Case(NamedTuple):
    """What one process does, in which variables, and what is done before it."""

    code: str
    variables: Mapping[str, str] = {}
    before: Callable[[], object] | None = None
    # which python, and in which folder, if not those of all cases
    python: Path | None = None
    cwd: Path | None = None


Take = Callable[[Path, Case, Path], float]
BARE = Case("pass")


def variables_of(case: Case) -> dict[str, str]:
    """Return the environment variables of a case's process."""
    variables = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    return variables | dict(case.variables)


def output_of(python: Path, case: Case, cwd: Path) -> tuple[str, float]:
    """Run a case in a fresh process; return what it printed, and its milliseconds."""
    if case.before is not None:
        case.before()
    command = [str(case.python or python), "-c", case.code]
    variables, folder = variables_of(case), case.cwd or cwd
    began = time.perf_counter()
    done = subprocess.run(
        command, env=variables, cwd=folder, capture_output=True, check=False
    )
    taken = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{case.code!r} failed:\n{done.stderr.decode()}")
    return done.stdout.decode(), taken * 1e3


def milliseconds(python: Path, case: Case, cwd: Path) -> float:
    """Return the milliseconds that a case takes in a fresh process."""
    return output_of(python, case, cwd)[1]


def side_by_side(
    python: Path,
    cases: Mapping[str, Case],
    cwd: Path,
    rounds: int,
    floor: Case = BARE,
    take: Take = milliseconds,
) -> dict[str, Figure]:
    """Measure the cases over a floor, a bare interpreter, in interleaved rounds."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    names = ["", *cases]
    for number in range(-WARM_UP, rounds):
        # What ran just before has its part in a time: it must be another each round.
        random.Random(number).shuffle(names)  # noqa: S311
        found = {name: take(python, cases.get(name, floor), cwd) for name in names}
        if number >= 0:
            for name in cases:
                taken[name].append(found[name] - found[""])
    return {name: figure(values) for name, values in taken.items()}


def figure(values: list[float]) -> Figure:
    """Return the median of values, and half the width of their middle half."""
    low, middle, high = statistics.quantiles(values, n=4)
    return Figure(middle, (high - low) / 2)


def settle(python: Path, case: Case, cwd: Path) -> None:
    """Let a case write its index, and then one whose stamps are believed."""
    milliseconds(python, case, cwd)
    time.sleep(SETTLED)
    milliseconds(python, case, cwd)


def emptied(folder: Path) -> Callable[[], None]:
    """Return what removes a folder before each run: a cold start."""
    return lambda: shutil.rmtree(folder, ignore_errors=True)
