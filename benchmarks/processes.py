"""Whole processes measured side by side: interleaved, warmed up, medians.

A case is code that a fresh Python runs. In each round every case is run once, in an
order of chance, so that whatever slows the machine slows them alike; what is told
of a case is the median of its difference to the floor of its round.
"""

import os
import platform
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import orjson

RESULTS = Path(__file__).with_name("results")
# Rounds that are run first and not counted.
WARM_UP = 2
# Set in many shells; compiling every import would be measured instead.
UNWANTED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHASHSEED")


class Case(NamedTuple):
    """What one process does, in which variables, and what is done before it."""

    code: str
    variables: Mapping[str, str] = {}
    before: Callable[[], None] | None = None


class Figure(NamedTuple):
    """Milliseconds over the bare interpreter: median, and half the middle half."""

    milliseconds: float
    spread: float


BARE = Case("pass")


def variables_of(case: Case) -> dict[str, str]:
    """Return the environment variables of a case's process."""
    variables = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    return variables | dict(case.variables)


def once(python: Path, case: Case, cwd: Path) -> float:
    """Run a case in a fresh process; return the milliseconds that it took."""
    if case.before is not None:
        case.before()
    command = [str(python), "-c", case.code]
    began = time.perf_counter()
    done = subprocess.run(
        command, env=variables_of(case), cwd=cwd, capture_output=True, check=False
    )
    taken = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{case.code!r} failed:\n{done.stderr.decode()}")
    return taken * 1e3


def side_by_side(
    python: Path,
    cases: Mapping[str, Case],
    cwd: Path,
    rounds: int,
    floor: Case = BARE,
) -> dict[str, Figure]:
    """Measure the cases over a floor, a bare interpreter, in interleaved rounds."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    names = ["", *cases]
    for number in range(-WARM_UP, rounds):
        # What ran just before has its part in a time: it must be another each round.
        random.Random(number).shuffle(names)  # noqa: S311
        times = {name: once(python, cases.get(name, floor), cwd) for name in names}
        if number >= 0:
            for name in cases:
                taken[name].append(times[name] - times[""])
    return {name: _figure(values) for name, values in taken.items()}


def _figure(values: list[float]) -> Figure:
    low, middle, high = statistics.quantiles(values, n=4)
    return Figure(middle, (high - low) / 2)


class Bound(NamedTuple):
    """A ratio of two cases that must not be exceeded."""

    case: str
    rival: str
    ratio: float


def table(figures: Mapping[str, Figure], rival: str) -> str:
    """Return the figures as a Markdown table, with ratios to one of them."""
    lines = [
        f"| | ms over bare | spread | {rival} takes |",
        "|---|---:|---:|---:|",
    ]
    other = figures[rival].milliseconds
    lines += [
        f"| {name} | {figure.milliseconds:.2f} | ± {figure.spread:.2f} |"
        f" {other / figure.milliseconds:.1f} times as long |"
        for name, figure in figures.items()
    ]
    return "\n".join(lines)


def judge(figures: Mapping[str, Figure], bounds: list[Bound]) -> list[str]:
    """Say of each bound whether it holds; the spread of both cases is allowed for."""
    verdicts = []
    for case, rival, ratio in bounds:
        ours, theirs = figures[case], figures[rival]
        found = ours.milliseconds / theirs.milliseconds
        slack = ours.spread / theirs.milliseconds
        word = "holds" if found <= ratio + slack else "MISSED"
        verdicts.append(
            f"{word}: {case} / {rival} = {found:.4f} (1/{1 / found:.1f}),"
            f" bound {ratio:.4f} (1/{1 / ratio:.1f}) + spread {slack:.4f}"
        )
    return verdicts


def keep(name: str, python: Path, rounds: int, figures: Mapping[str, Figure]) -> Path:
    """Write figures as JSON, with the machine described."""
    RESULTS.mkdir(exist_ok=True)
    version = subprocess.run(
        [python, "-c", "import sys; print(sys.version)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    file = RESULTS / f"{name}.json"
    document = {
        "date": time.strftime("%Y-%m-%d"),
        "python": version,
        "machine": {
            "system": platform.platform(),
            "processor": _processor(),
            "processors": os.cpu_count(),
        },
        "rounds": rounds,
        "figures": {name: figure._asdict() for name, figure in figures.items()},
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    file.write_bytes(orjson.dumps(document, option=options))
    return file


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor()


def conclude(verdicts: list[str]) -> None:
    """Print the verdicts; end with an error if a bound was missed."""
    print("\n".join(verdicts))
    if any(verdict.startswith("MISSED") for verdict in verdicts):
        sys.exit("a bound was missed")
