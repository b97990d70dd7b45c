"""Test that figures are compared with bounds, and that a missed bound fails."""

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

# The benchmarks are not installed; lazyplug must be the installed one.
sys.path.append(str(Path(__file__).parents[1]))
from benchmarks import __main__ as benchmarks
from benchmarks import facts, programs, report
from benchmarks.report import Figure, Options, Table

sys.path.pop()

OURS, THEIRS = Figure(10, 1), Figure(100, 20)


@pytest.fixture
def bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file for bounds, and keep results in a temporary directory."""
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
def test_a_bound_allows_for_the_spread_of_the_figure(
    bound: str, ours: Figure, verdict: str, bounds: Path
) -> None:
    bounds.write_text(f'[[some]]\nof = "ours"\n{bound}\n')
    (line,) = report.judge("some", {"ours": ours, "theirs": THEIRS})
    assert line.startswith(verdict)


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Run a benchmark with fixed figures; return the arguments of each drawing."""
    drawings: list[Any] = []
    tables = [Table("what", "ms", {"ours": OURS, "theirs": THEIRS})]

    def measure(options: Options) -> list[Table]:
        assert options.scratch.is_dir()
        return tables

    monkeypatch.setattr("sys.argv", ["benchmark", *arguments])
    report.main("some", "Some.", measure, 25, lambda *drawing: drawings.append(drawing))
    return drawings


def test_results_are_kept_if_requested_and_compared_the_next_time(
    bounds: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds.write_text('[[some]]\nof = "ours"\nto = "theirs"\nratio = "1/10"\n')
    assert run([], monkeypatch) == []
    assert not report.RESULTS.exists()
    ((_, picture),) = run(["--keep"], monkeypatch)
    assert picture == report.RESULTS / "some.svg"
    kept = json.loads((report.RESULTS / "some.json").read_bytes())
    assert kept["rounds"] == 25
    assert kept["tables"][0]["figures"]["ours"] == {"median": 10, "spread": 1}
    text = (report.RESULTS / "some.md").read_text(encoding="utf-8")
    assert "| ours | 10 | ± 1 | 1 |\n| theirs | 100 | ± 20 | 10 |" in text
    capsys.readouterr()
    run([], monkeypatch)
    assert ": ours / theirs was 0.1, now 0.1" in capsys.readouterr().out


def test_a_missed_bound_fails(bounds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds.write_text('[[some]]\nof = "ours"\nmost = 8\n')
    with pytest.raises(SystemExit, match="a bound was missed"):
        run([], monkeypatch)


def test_few_rounds_are_not_judged(
    bounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds.write_text('[[some]]\nof = "ours"\nmost = 8\n')
    with pytest.raises(SystemExit, match="Not judged: 3 rounds are fewer than 25"):
        run(["--rounds", "3"], monkeypatch)


def test_each_benchmark_is_among_those_that_run_together() -> None:
    files = Path(report.HERE).glob("*.py")
    found = {file.stem for file in files if '    main("' in file.read_text()}
    assert found == set(benchmarks.NAMES)


def test_each_bound_belongs_to_a_benchmark() -> None:
    names = {*benchmarks.NAMES, "counts", "programs"}
    assert set(tomllib.loads(report.BOUNDS.read_text())) <= names


def test_each_bound_of_the_survey_belongs_to_a_command_and_its_means() -> None:
    about = tomllib.loads((programs.HERE / "programs.toml").read_text())
    del about["files"]
    known = {
        f"{name}: {command}, {means}"
        for name, each in about.items()
        for kind, found in (("stevedore", programs.MEANS), ("commands", ["accelerate"]))
        for command in each[kind]
        for means in [programs.RELEASED, *found]
    }
    for bound in tomllib.loads(report.BOUNDS.read_text())["programs"]:
        assert {bound["of"], bound["to"]} <= known
    commands = {name.split(", ")[0] for name in known}
    assert len(commands) >= 40
    assert len({name.split()[1] for name in commands}) >= 25


def test_each_bound_of_facts_belongs_to_a_group_and_its_attributes() -> None:
    known = {facts.title(group) for group in facts.groups()}
    for bound in tomllib.loads(report.BOUNDS.read_text())["facts"]:
        for name in (bound["of"], bound.get("to", bound["of"])):
            assert name == "wrong" or name.rpartition(", ")[0] in known


def test_a_group_of_which_nothing_can_be_known_says_why() -> None:
    reasons = {group["name"]: group.get("unknown") for group in facts.groups()}
    document = json.loads((report.RESULTS / "facts.json").read_bytes())
    for table in document["tables"]:
        name, _, _ = table["title"].partition(": ")
        known = table["figures"].get(f"{table['title']}, known, vouched")
        assert name not in reasons or known["median"] or reasons[name], name


@pytest.mark.parametrize(
    ("name", "document"), [("facts", "facts.md"), ("programs", "gains.md")]
)
def test_a_document_has_the_kept_tables(name: str, document: str) -> None:
    def rows(file: Path) -> list[str]:
        lines = file.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line.startswith("|")]

    kept = rows(report.RESULTS / f"{name}.md")
    found = rows(report.ROOT / "docs" / document)
    at = found.index(kept[0])
    assert found[at : at + len(kept)] == kept


def test_another_order_of_words_is_the_same_answer() -> None:
    def words(code: int, *lines: str) -> object:
        return programs.Outcome(code, lines).words()

    assert words(0, "a b", "c") == words(0, "c", "b a")
    assert words(0, "a") != words(1, "a")
    assert words(0, "a") != words(0, "a a")
