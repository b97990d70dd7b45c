"""Measure whole processes side by side, in interleaved rounds after a warm-up.

A case is code that a new Python process runs. Each round runs every case once, in
random order, so that whatever slows the machine slows all cases alike. The figure of a
case is the median of its differences to the baseline of the same round.
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

# The number of first rounds, which are not counted.
WARM_UP = 2
# Seconds after which the stat signatures of files just written are no longer racy.
RACY_SECONDS = 2.1
# Many shells set the first one: the compilation of every import would be measured.
UNWANTED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHASHSEED")


class Case(NamedTuple):
    """The code of one process, its environment variables, and its preparation."""

    code: str
    variables: Mapping[str, str] = {}
    before: Callable[[], object] | None = None
    # The interpreter and the current directory, if not those of all cases.
    python: Path | None = None
    cwd: Path | None = None


Take = Callable[[Path, Case, Path], float]
BASELINE = Case("pass")


def variables_of(case: Case) -> dict[str, str]:
    """Return the environment variables of the process of a case."""
    variables = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    return variables | dict(case.variables)


def output_of(python: Path, case: Case, cwd: Path) -> tuple[str, float]:
    """Run a case in a new process; return its output, and its milliseconds."""
    if case.before is not None:
        case.before()
    command = [str(case.python or python), "-c", case.code]
    variables, directory = variables_of(case), case.cwd or cwd
    began = time.perf_counter()
    done = subprocess.run(
        command, env=variables, cwd=directory, capture_output=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{case.code!r} failed:\n{done.stderr.decode()}")
    return done.stdout.decode(), seconds * 1e3


def milliseconds(python: Path, case: Case, cwd: Path) -> float:
    """Return the milliseconds that a case takes in a new process."""
    return output_of(python, case, cwd)[1]


def side_by_side(
    python: Path,
    cases: Mapping[str, Case],
    cwd: Path,
    rounds: int,
    floor: Case = BASELINE,
    take: Take = milliseconds,
) -> dict[str, Figure]:
    """Measure the cases in interleaved rounds, and subtract the baseline.

    :param floor: the case that is the baseline, by default `python -c pass`.
    :param take: returns the figure of one run of a case.
    """
    values: dict[str, list[float]] = {name: [] for name in cases}
    names = ["", *cases]
    for number in range(-WARM_UP, rounds):
        # The process that runs just before influences a time, so the order must differ
        # in each round.
        random.Random(number).shuffle(names)  # noqa: S311
        found = {name: take(python, cases.get(name, floor), cwd) for name in names}
        if number >= 0:
            for name in cases:
                values[name].append(found[name] - found[""])
    return {name: figure(each) for name, each in values.items()}


def figure(values: list[float]) -> Figure:
    """Return the median of values, and half their interquartile range."""
    low, middle, high = statistics.quantiles(values, n=4)
    return Figure(middle, (high - low) / 2)


def run_until_reliable(python: Path, case: Case, cwd: Path) -> None:
    """Run a case until its index has no racy stat signatures."""
    milliseconds(python, case, cwd)
    time.sleep(RACY_SECONDS)
    milliseconds(python, case, cwd)


def emptied(directory: Path) -> Callable[[], None]:
    """Return a function that removes a directory, for a cold start."""
    return lambda: shutil.rmtree(directory, ignore_errors=True)
