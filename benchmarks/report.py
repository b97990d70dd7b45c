"""What a benchmark tells: tables, pictures, verdicts, what was kept the last time.

The bounds stand in bounds.toml. A ratio is judged on medians of at least 25 rounds,
and may exceed its bound by the spread of what is measured.
"""

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import orjson

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RESULTS = HERE / "results"
BOUNDS = HERE / "bounds.toml"
# Fewer rounds are for looking, not for judging.
FEWEST = 25


class Figure(NamedTuple):
    """The median of what was measured, and half the width of its middle half."""

    median: float
    spread: float = 0.0


class Table(NamedTuple):
    """Figures that stand beside each other; their names are unique in a benchmark."""

    title: str
    unit: str
    figures: Mapping[str, Figure]


class Options(NamedTuple):
    """What a benchmark is told: where it may write, and how often it measures."""

    scratch: Path
    rounds: int


Measure = Callable[[Options], list[Table]]
Draw = Callable[[list[Table], Path], None]


def main(name: str, doc: str | None, measure: Measure, rounds: int, draw: Draw) -> None:
    """Measure, print tables and verdicts; fail if a bound was missed.

    `rounds` is how often it measures by default; 0: its counts are exact.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--keep", action="store_true", help="write the results beside this file"
    )
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds)
    given = parser.parse_args()
    rounds = given.rounds if rounds else 0
    with scratch_folder(name) as folder:
        tables = measure(Options(folder, rounds))
    text = markdown(name, tables, rounds)
    figures = {k: v for table in tables for k, v in table.figures.items()}
    print(text)
    print(*compare(name, figures), sep="\n")
    if given.keep:
        keep(name, tables, rounds, text)
        draw(tables, RESULTS / f"{name}.svg")
    if rounds and rounds < FEWEST:
        sys.exit(f"Not judged: {rounds} rounds are fewer than {FEWEST}.")
    verdicts = judge(name, figures)
    print(*verdicts, sep="\n")
    if any(verdict.startswith("MISSED") for verdict in verdicts):
        sys.exit("a bound was missed")


@contextmanager
def scratch_folder(name: str) -> Iterator[Path]:
    """Make a folder for a benchmark, and remove it.

    Not in the temporary folder: stevedore keeps no cache for what lies there.
    """
    (ROOT / ".environments").mkdir(exist_ok=True)
    folder = tempfile.mkdtemp(prefix=f"{name}-", dir=ROOT / ".environments")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


def markdown(name: str, tables: list[Table], rounds: int) -> str:
    """Return the tables of a benchmark, what was measured and how to repeat it."""
    how = f"medians of {rounds} interleaved rounds" if rounds else "exact counts"
    machine = f"{processor()}, {os.cpu_count()} processors, {platform.system()}"
    said = (
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()}, {machine};"
        f" {how}. Repeat it with `tox run -e bench -- {name}`."
    )
    parts = [said]
    for title, unit, figures in tables:
        first = next(iter(figures.values())).median
        lines = [f"| {title} | {unit} | spread | ratio |", "|---|---:|---:|---:|"]
        for each, (median, spread) in figures.items():
            around = f"± {number(spread)}" if spread else ""
            ratio = number(round(median / first, 2)) if first else ""
            lines.append(f"| {each} | {number(median)} | {around} | {ratio} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """Return a number with as many places as it needs.

    >>> number(2.345), number(81.7), number(230_000_000), number(-0.001)
    ('2.35', '81.7', '230,000,000', '0.00')
    """
    if value == int(value):
        return f"{value:,.0f}"
    # Adding nothing makes a negative nothing one.
    return f"{round(value, 2) + 0.0:,.2f}" if abs(value) < 10 else f"{value:,.1f}"


# ------------------------------------------------------------------------ judging


def bounds_of(name: str) -> list[dict[str, Any]]:
    """Return the bounds of a benchmark."""
    with BOUNDS.open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file).get(name, [])
    return found


def judge(name: str, figures: Mapping[str, Figure]) -> list[str]:
    """Say of each bound whether it holds; the spread of what is judged is allowed."""
    return [_verdict(bound, figures) for bound in bounds_of(name)]


def _found(
    bound: Mapping[str, Any], figures: Mapping[str, Figure]
) -> tuple[str, Figure]:
    """Return what a bound is about, and the figure that it bounds."""
    of, to = bound["of"], bound.get("to", "")
    median, spread = figures[of]
    if "more" in bound:
        return f"{of} - {to}", Figure(median - figures[to].median, spread)
    if "ratio" in bound:
        other = figures[to].median
        return f"{of} / {to}", Figure(median / other, spread / other)
    return of, figures[of]


def _verdict(bound: Mapping[str, Any], figures: Mapping[str, Figure]) -> str:
    what, (found, slack) = _found(bound, figures)
    (most,) = [bound[kind] for kind in ("ratio", "more", "most") if kind in bound]
    word = "holds " if found <= float(Fraction(most)) + slack else "MISSED"
    also = f" (1/{1 / found:.1f})" if "ratio" in bound and 0 < found < 1 else ""
    return f"{word} {what} = {found:.4g}{also}, bound {most} + spread {slack:.2g}"


# ------------------------------------------------------------------------- keeping


def keep(name: str, tables: list[Table], rounds: int, text: str) -> None:
    """Write the results: figures as JSON with the machine described, tables as text."""
    RESULTS.mkdir(exist_ok=True)
    document = {
        "date": time.strftime("%Y-%m-%d"),
        "python": sys.version,
        "machine": {
            "system": platform.platform(),
            "processor": processor(),
            "processors": os.cpu_count(),
        },
        "rounds": rounds,
        "tables": [
            {
                "title": table.title,
                "unit": table.unit,
                "figures": {n: f._asdict() for n, f in table.figures.items()},
            }
            for table in tables
        ],
    }
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    (RESULTS / f"{name}.json").write_bytes(orjson.dumps(document, option=options))
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")


def compare(name: str, figures: Mapping[str, Figure]) -> list[str]:
    """Say what each figure that is bounded was when results were kept the last time."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return []
    document = orjson.loads(file.read_bytes())
    known = {
        each: Figure(**figure)
        for table in document["tables"]
        for each, figure in table["figures"].items()
    }
    said = []
    for bound in bounds_of(name):
        if {bound["of"], bound.get("to", bound["of"])} <= known.keys() & figures.keys():
            what, was = _found(bound, known)
            _, now = _found(bound, figures)
            said.append(
                f"{document['date']}: {what} was {was.median:.4g}, now {now.median:.4g}"
            )
    return said


def processor() -> str:
    """Return what processor this machine has."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor()
