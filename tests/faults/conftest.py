"""Count the tries of each fault, and their wrong answers, crashes and hangs.

A default run tries a sample. `pytest tests/faults --long` tries everything and prints
the counts; with `--keep` it writes them into docs/reliability.md, as
`tox run -e faults` does.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import Ticking
from tests.support.damage import descriptors
from tests.support.fixtures import Count, SetPath
from tests.support.learned_facts import Learned, unwritten
from tests.support.tally import OURS, RIVAL, Tally

# Scripts that are run by atheris; see test_fuzz.
collect_ignore_glob = ["fuzz_*.py"]

HERE = Path(__file__).parent
REPORT = HERE.parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- counted: begin -->\n", "<!-- counted: end -->\n"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="try all, not a sample")
    parser.addoption("--keep", action="store_true", help=f"write {REPORT.name}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Tests that do not depend on the version of Python run on one version.
    for item in items:
        if item.path.parent == HERE and item.path.name != "test_threads.py":
            item.add_marker("faults")


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Return True if all is to be tried, False for a sample that takes seconds."""
    # The option is unknown if pytest reads this file too late.
    return bool(request.config.getoption("--long", default=False))


@pytest.fixture
def tally(request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]) -> Count:
    """Return a context manager that counts the tries of a fault.

    At its end the test fails if there was no try, or if a try of lazyplug was wrong,
    crashed, hung or printed anything. Tries of the rival are only counted.
    """

    @contextlib.contextmanager
    def counted(fault: str, subject: str = OURS) -> Iterator[Tally]:
        tally = Tally(fault, subject)
        capfd.readouterr()
        yield tally
        printed = "".join(capfd.readouterr())
        request.node.user_properties.append(("fault", tally.counts()))
        assert tally.tries
        if subject == OURS:
            assert not tally.examples, "\n".join(tally.examples)
            assert not printed

    return counted


@pytest.fixture
def learned(
    late_clock: Ticking,
    tmp_path: Path,
    isolated: Path,
    set_path: SetPath,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Learned]:
    """Return plugins with learned facts; check that nothing is logged or left open."""
    unwritten().clear()
    found = Learned(tmp_path / "environment", isolated, set_path)
    before = descriptors()
    yield found
    unwritten().clear()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert descriptors() == before
    assert len(os.listdir(isolated)) == 2


# ------------------------------------------------------------------- the report


def pytest_terminal_summary(
    terminalreporter: Any, exitstatus: int, config: pytest.Config
) -> None:
    # A worker of pytest-xdist has only its own results.
    if not config.getoption("--long", default=False) or hasattr(config, "workerinput"):
        return
    found = [
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "fault" and getattr(report, "when", "") == "call"
    ]
    table = report(found)
    terminalreporter.section("counts of faults")
    terminalreporter.write(table)
    if exitstatus == 0 and config.getoption("--keep", default=False):
        text = REPORT.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        REPORT.write_text(before + BEGIN + table + END + after, encoding="utf-8")


def report(found: list[dict[str, Any]]) -> str:
    """Return the table of counts, with one line for each fault."""
    kinds = ("tries", "wrong", "crashes", "hangs")
    sums: dict[str, dict[str, list[int]]] = {}
    for counts in found:
        sum_of = sums.setdefault(counts["fault"], {}).setdefault(
            counts["subject"], [0] * len(kinds)
        )
        for column, kind in enumerate(kinds):
            sum_of[column] += counts[kind]
    heads = ["fault", *kinds, f"{RIVAL}: tries", *kinds[1:]]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * 8]
    for fault in sorted(sums):
        cells = [
            f"{number:,}" if subject in sums[fault] else ""
            for subject in (OURS, RIVAL)
            for number in sums[fault].get(subject, [0] * len(kinds))
        ]
        lines.append(f"| {' | '.join([fault, *cells])} |")
    return "\n".join(lines) + "\n"
