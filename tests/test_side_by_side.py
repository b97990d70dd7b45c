"""Test that two versions of lazyplug that share a cache directory do not interfere."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug.cli import main
from lazyplug.testing import dist, plant
from tests.support.children import ask
from tests.support.index_format import SCHEMA

PACKAGE = Path(str(lazyplug.__file__)).parent
# A start of a version: what it answers, and what it imported to scan or to learn.
START = """
import json, sys, time, {name} as lazyplug
from {name} import _files
_files.fs.clock = lambda: time.time_ns() + 3600 * 10**9  # no file is racy
answer = [[each.name, each.summary] for each in lazyplug.ExtensionManager("g")]
imported = [name.rpartition(".")[2] for name in sys.modules if name[:6] == "{name}"[:6]]
print(json.dumps([answer, sorted({{"update", "learning"}} & {{*imported}})]))
"""
Start = Callable[[str], Any]


@pytest.fixture
def start(tmp_path: Path, isolated: Path) -> Start:
    """Return a function that starts a version of lazyplug; `other` is a copy of it."""
    site = plant(
        tmp_path / "site",
        {
            "plug.py": '"""A plugin."""\n',
            **dist("one", entry_points="[g]\nname = plug\n"),
            **dist("two", entry_points="[h]\nname = plug\n"),
        },
    )
    for name in ("lazyplug", "other_"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE, site / name, ignore=ignore)
    variables = {"PYTHONPATH": str(site), "LAZYPLUG_CACHE_DIR": str(isolated)}
    return lambda name: ask(START.format(name=name), env=variables, cwd=tmp_path)


def change(tmp_path: Path, before: str, after: str) -> None:
    """Change the source of the other version."""
    count = 0
    for file in (tmp_path / "site" / "other_").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if before in text:
            count += 1
            file.write_text(text.replace(before, after), encoding="utf-8")
    assert count == 1


def starts(start: Start) -> list[list[str]]:
    """Start both versions in turn, four times; return what each start imported."""
    found = []
    for name in ("lazyplug", "other_") * 4:
        answer, imported = start(name)
        assert answer == [["name", "A plugin."]]
        found.append(imported)
    return found


def test_two_versions_with_different_schemas_keep_an_index_each(
    start: Start, tmp_path: Path, isolated: Path
) -> None:
    change(tmp_path, f"\nSCHEMA = {SCHEMA}\n", f"\nSCHEMA = {SCHEMA + 1}\n")
    first = [["learning", "update"]] * 2
    assert starts(start) == [*first, *[[]] * 6]
    schemas = [file.read_text()[:14] for file in isolated.glob("*.json")]
    assert sorted(schemas) == [f'["lazyplug",{SCHEMA + n},' for n in (0, 1)]


def test_two_versions_with_one_schema_share_the_index_and_relearn_facts(
    start: Start, tmp_path: Path
) -> None:
    version = lazyplug.__version__
    change(tmp_path, f'__version__ = "{version}"', '__version__ = "99"')
    assert starts(start) == [["learning", "update"], *[["learning"]] * 7]


def test_the_index_of_another_schema_is_not_called_damaged(
    start: Start, tmp_path: Path, isolated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(tmp_path, f"\nSCHEMA = {SCHEMA}\n", f"\nSCHEMA = {SCHEMA + 1}\n")
    start("other_")
    (file,) = isolated.glob("*.json")
    assert main(["cache", "show"]) == 0
    assert f"{file.name}  (another version of lazyplug)" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 0
    assert file.stem not in capsys.readouterr().out
    main(["doctor"])
    assert "damaged" not in capsys.readouterr().out
    assert main(["cache", "prune"]) == 0
    assert file.exists()
    assert main(["cache", "clear"]) == 0
    assert not file.exists()
