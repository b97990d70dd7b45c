"""What is measured is judged: a bound that is crossed is told, and fails."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import orjson
import pytest

# They are not installed; and lazyplug is to be the one that is.
sys.path.append(str(Path(__file__).parents[1]))
from benchmarks import __main__ as benchmarks
from benchmarks import report
from benchmarks.report import Figure, Options, Table

sys.path.pop()

OURS, THEIRS = Figure(10, 1), Figure(100, 20)


@pytest.fixture
def bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of bounds, and keep results where no other does."""
    file = tmp_path / "bounds.toml"
    monkeypatch.setattr(report, "BOUNDS", file)
    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    return file


@pytest.mark.parametrize(
    ("bound", "ours", "verdict"),
    [
        ('to = "theirs"\nratio = "1/10"', OURS, "holds  ours / theirs = 0.1 (1/10.0)"),
        ('to = "theirs"\nratio = "1/11"', OURS, "holds "),
        ('to = "theirs"\nratio = "1/12"', OURS, "MISSED ours / theirs = 0.1"),
        ("most = 9", OURS, "holds  ours = 10, bound 9 + spread 1"),
        ("most = 8", OURS, "MISSED ours = 10"),
        ('to = "theirs"\nmore = -90', OURS, "holds  ours - theirs = -90"),
        ('to = "theirs"\nmore = -92', OURS, "MISSED ours - theirs = -90"),
    ],
)
def test_a_bound_is_judged_with_the_spread_of_what_is_judged(
    bound: str, ours: Figure, verdict: str, bounds: Path
) -> None:
    bounds.write_text(f'[[some]]\nof = "ours"\n{bound}\n')
    (said,) = report.judge("some", {"ours": ours, "theirs": THEIRS})
    assert said.startswith(verdict)


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Run a benchmark whose figures are given; return what was drawn."""
    drawn: list[Any] = []
    tables = [Table("what", "ms", {"ours": OURS, "theirs": THEIRS})]

    def measure(options: Options) -> list[Table]:
        assert options.scratch.is_dir()
        return tables

    monkeypatch.setattr("sys.argv", ["benchmark", *arguments])
    report.main("some", "Some.", measure, 25, lambda *given: drawn.append(given))
    return drawn


def test_results_are_kept_when_that_is_asked_for_and_compared_the_next_time(
    bounds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds.write_text('[[some]]\nof = "ours"\nto = "theirs"\nratio = "1/10"\n')
    assert run([], monkeypatch) == []
    assert not report.RESULTS.exists()
    ((_, picture),) = run(["--keep"], monkeypatch)
    assert picture == report.RESULTS / "some.svg"
    kept = orjson.loads((report.RESULTS / "some.json").read_bytes())
    assert kept["rounds"] == 25
    assert kept["tables"][0]["figures"]["ours"] == {"median": 10, "spread": 1}
    text = (report.RESULTS / "some.md").read_text(encoding="utf-8")
    assert "| ours | 10 | ± 1 | 1 |\n| theirs | 100 | ± 20 | 10 |" in text
    capsys.readouterr()
    run([], monkeypatch)
    assert ": ours / theirs was 0.1, now 0.1" in capsys.readouterr().out


def test_a_bound_that_is_missed_fails(
    bounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds.write_text('[[some]]\nof = "ours"\nmost = 8\n')
    with pytest.raises(SystemExit, match="a bound was missed"):
        run([], monkeypatch)


def test_few_rounds_are_not_judged(
    bounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds.write_text('[[some]]\nof = "ours"\nmost = 8\n')
    with pytest.raises(SystemExit, match="Not judged: 3 rounds are fewer than 25"):
        run(["--rounds", "3"], monkeypatch)


def test_each_benchmark_is_among_those_that_are_run_together() -> None:
    files = Path(report.HERE).glob("*.py")
    found = {file.stem for file in files if '    main("' in file.read_text()}
    assert found == set(benchmarks.NAMES)


def test_each_bound_is_of_a_benchmark() -> None:
    names = {*benchmarks.NAMES, "counts"}
    assert set(tomllib.loads(report.BOUNDS.read_text())) <= names
