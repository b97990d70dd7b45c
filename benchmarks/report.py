"""Run a benchmark, and print, judge and keep its results.

The bounds are in bounds.toml. A ratio is judged on medians of at least 25 rounds, and
may exceed its bound by the spread of the figure.
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
# With fewer rounds, results are printed but not judged.
FEWEST = 25


class Figure(NamedTuple):
    """The median of a measurement, and half its interquartile range."""

    median: float
    spread: float = 0.0


class Table(NamedTuple):
    """The figures of one table; their names are unique in a benchmark."""

    title: str
    unit: str
    figures: Mapping[str, Figure]


class Options(NamedTuple):
    """The options of a benchmark: where it may write, and how often it measures."""

    scratch: Path
    rounds: int


Measure = Callable[[Options], list[Table]]
Draw = Callable[[list[Table], Path], None]
Show = Callable[[str, list[Table], int], str]


def main(
    name: str,
    doc: str | None,
    measure: Measure,
    rounds: int,
    draw: Draw,
    show: Show | None = None,
) -> None:
    """Measure, print tables and verdicts; fail if a bound is missed.

    :param rounds: the default number of rounds; 0 if the counts are exact.
    :param show: returns the results as Markdown; by default, a row for each figure.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--keep", action="store_true", help="write the results to benchmarks/results"
    )
    if rounds:
        parser.add_argument("--rounds", type=int, default=rounds)
    options = parser.parse_args()
    rounds = options.rounds if rounds else 0
    with scratch_directory(name) as directory:
        tables = measure(Options(directory, rounds))
    text = (show or markdown)(name, tables, rounds)
    figures = {k: v for table in tables for k, v in table.figures.items()}
    print(text)
    print(*compare(name, figures), sep="\n")
    if options.keep:
        keep(name, tables, rounds, text)
        draw(tables, RESULTS / f"{name}.svg")
    if rounds and rounds < FEWEST:
        sys.exit(f"Not judged: {rounds} rounds are fewer than {FEWEST}.")
    verdicts = judge(name, figures)
    print(*verdicts, sep="\n")
    if any(verdict.startswith("MISSED") for verdict in verdicts):
        sys.exit("a bound was missed")


def require(*tools: str) -> None:
    """Exit with a message if one of these programs is not installed."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        sys.exit(f"Not installed: {', '.join(missing)}.")


@contextmanager
def scratch_directory(name: str) -> Iterator[Path]:
    """Create a directory for a benchmark, and remove it at the end.

    It is not in the temporary directory: stevedore keeps no cache for paths there.
    """
    (ROOT / ".environments").mkdir(exist_ok=True)
    directory = tempfile.mkdtemp(prefix=f"{name}-", dir=ROOT / ".environments")
    try:
        yield Path(directory)
    finally:
        shutil.rmtree(directory)


def markdown(name: str, tables: list[Table], rounds: int) -> str:
    """Return the tables of a benchmark, with the machine and how to repeat it."""
    parts = [head(name, rounds)]
    for title, unit, figures in tables:
        first = next(iter(figures.values())).median
        lines = [f"| {title} | {unit} | spread | ratio |", "|---|---:|---:|---:|"]
        for each, (median, spread) in figures.items():
            around = f"± {number(spread)}" if spread else ""
            ratio = number(round(median / first, 2)) if first else ""
            lines.append(f"| {each} | {number(median)} | {around} | {ratio} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def head(name: str, rounds: int) -> str:
    """Return the sentence above the tables: the machine, and how to repeat it."""
    how = f"medians of {rounds} interleaved rounds" if rounds else "exact counts"
    return f"{machine()}; {how}. Repeat it with `tox run -e bench -- {name}`."


def number(value: float) -> str:
    """Return a number as text, with up to two decimal places.

    >>> number(2.345), number(81.7), number(230_000_000), number(-0.001)
    ('2.35', '81.7', '230,000,000', '0.00')
    """
    if value == int(value):
        return f"{value:,.0f}"
    # Adding 0.0 turns -0.0 into 0.0.
    return f"{round(value, 2) + 0.0:,.2f}" if abs(value) < 10 else f"{value:,.1f}"


# ------------------------------------------------------------------------ judging


def bounds_of(name: str) -> list[dict[str, Any]]:
    """Return the bounds of a benchmark."""
    with BOUNDS.open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file).get(name, [])
    return found


def judge(name: str, figures: Mapping[str, Figure]) -> list[str]:
    """Return for each bound whether it holds, with the spread as tolerance."""
    return [_verdict(bound, figures) for bound in bounds_of(name)]


def _bounded_figure(
    bound: Mapping[str, Any], figures: Mapping[str, Figure]
) -> tuple[str, Figure]:
    """Return the label and the figure that a bound applies to."""
    of, to = bound["of"], bound.get("to", "")
    median, spread = figures[of]
    if "more" in bound:
        return f"{of} - {to}", Figure(median - figures[to].median, spread)
    if "ratio" in bound:
        other = figures[to].median
        return f"{of} / {to}", Figure(median / other, spread / other)
    return of, figures[of]


def _verdict(bound: Mapping[str, Any], figures: Mapping[str, Figure]) -> str:
    what, (found, slack) = _bounded_figure(bound, figures)
    (most,) = [bound[kind] for kind in ("ratio", "more", "most") if kind in bound]
    word = "holds " if found <= float(Fraction(most)) + slack else "MISSED"
    also = f" (1/{1 / found:.1f})" if "ratio" in bound and 0 < found < 1 else ""
    return f"{word} {what} = {found:.4g}{also}, bound {most} + spread {slack:.2g}"


# ------------------------------------------------------------------------- keeping


def keep(name: str, tables: list[Table], rounds: int, text: str) -> None:
    """Write the figures and the machine as JSON, and the tables as Markdown."""
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
    """Return for each bound its figure in the last kept results, and the new one."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return []
    document = orjson.loads(file.read_bytes())
    known = {
        each: Figure(**figure)
        for table in document["tables"]
        for each, figure in table["figures"].items()
    }
    lines = []
    for bound in bounds_of(name):
        if {bound["of"], bound.get("to", bound["of"])} <= known.keys() & figures.keys():
            what, was = _bounded_figure(bound, known)
            _, now = _bounded_figure(bound, figures)
            lines.append(
                f"{document['date']}: {what} was {was.median:.4g}, now {now.median:.4g}"
            )
    return lines


def machine() -> str:
    """Return the date, the version of Python and the machine, for a table."""
    return (
        f"{time.strftime('%Y-%m-%d')}, Python {platform.python_version()},"
        f" {processor()}, {os.cpu_count()} processors, {platform.system()}"
    )


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor()
