"""What an interrupted pip left behind is a problem, and no plugin."""

import os
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    Choice,
    DispatchExtensionManager,
    DriverManager,
    EnabledExtensionManager,
    ExtensionManager,
    HookManager,
    NamedExtensionManager,
    NameDispatchExtensionManager,
    NoMatches,
    _environment,
)
from lazyplug.cli import main
from lazyplug.testing import Tree, dist, plant
from tests.support.children import python
from tests.support.fixtures import PlantSite, SetPath

OLD = (
    "[app.a]\nstore = old_plugin:S\ngone = old_plugin:G\n[app.left]\nx = old_plugin:X\n"
)
NEW = "[app.a]\nstore = builtins:dict\n"


def left_over(name: str = "~cme_keys-1.0.dist-info", points: str = OLD) -> Tree:
    metadata = {"METADATA": "Name: acme-keys\nVersion: 1.0\n", "RECORD": ""}
    return {name: {**metadata, "entry_points.txt": points}}


@pytest.fixture(params=["~cme_keys-1.0.dist-info", "~-me_keys-1.0.dist-info"])
def left(
    request: pytest.FixtureRequest,
    site: PlantSite,
    first: SetPath,
) -> Path:
    """Install a distribution of which an older version was left behind."""
    new = dist("acme-keys", "2.0", NEW)
    directory = site({**left_over(request.param), **new})
    first(directory)
    return directory / str(request.param)


KINDS: list[Callable[[], Any]] = [
    lambda: ExtensionManager("app.a"),
    lambda: ExtensionManager("app.*"),
    lambda: NamedExtensionManager("app.a", ["store"]),
    lambda: EnabledExtensionManager("app.a", lambda _: True),
    lambda: DispatchExtensionManager("app.a", lambda _: True),
    lambda: NameDispatchExtensionManager("app.a", lambda _: True),
    lambda: HookManager("app.a", "store"),
    lambda: DriverManager("app.a", "store"),
    lambda: ExtensionManager("app.a", choice=Choice(deny=["nothing"])),
    lambda: ExtensionManager("app.a", lazy=False),
]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.usefixtures("left")
def test_no_manager_serves_a_left_over(make: Callable[[], Any]) -> None:
    for _ in range(2):  # as it was scanned, and from the index
        manager = make()
        assert [extension.value for extension in manager] == ["builtins:dict"]
        assert manager.entry_points_names() == ["store"]
        assert [e.value for e in manager.list_entry_points()] == ["builtins:dict"]
        assert dict(manager.excluded) == {}
        assert "gone" not in manager
        manager.refresh()
        assert manager.names() == ["store"]
        lazyplug.invalidate_caches()


def test_a_left_over_is_a_problem_that_says_what_to_delete(left: Path) -> None:
    (problem,) = lazyplug.problems()
    assert problem.path == str(left)
    assert "left behind by an interrupted pip: delete this directory" in str(problem)


def test_who_asks_for_what_only_a_left_over_declares_is_told_so(left: Path) -> None:
    asked: list[Callable[[], object]] = [
        lambda: DriverManager("app.a", "gone"),
        lambda: ExtensionManager[Any]("app.a")["gone"],
        lambda: lazyplug.load("app.a", "gone"),
        lambda: lazyplug.load("app.left", "x"),
        lambda: DriverManager("app.left", "x"),
        lambda: ExtensionManager[Any]("app.left").map(print),
    ]
    for ask in asked:
        with pytest.raises(NoMatches, match="no extension") as caught:
            ask()
        said = str(caught.value)
        assert "An interrupted pip left behind:\n" in said
        assert f"declared by acme-keys 1.0 in {left}{os.sep}" in said
        assert "Delete that directory" in said
        assert "did you mean the group 'app.left'" not in said
        assert pickle.loads(pickle.dumps(caught.value)).args  # noqa: S301


@pytest.mark.usefixtures("left")
def test_what_wins_over_a_left_over_loads() -> None:
    assert lazyplug.load("app.a", "store") is dict
    assert DriverManager[Any]("app.a", "store").driver is dict


@pytest.mark.usefixtures("left")
def test_the_libraries_and_the_drop_in_have_a_left_over_as_before() -> None:
    from lazyplug.compat.stevedore.named import NamedExtensionManager as DropIn

    values = {"builtins:dict", "old_plugin:S"}
    points = lazyplug.entry_points(group="app.a", name="store")
    assert {point.value for point in points} == values
    manager: Any = DropIn("app.a", ["store"], on_load_failure_callback=lambda *_: None)
    declared = manager.list_entry_points()
    assert values <= {point.value for point in declared}


def test_a_left_over_in_the_current_directory_is_none_either(
    site: PlantSite, tmp_path: Path
) -> None:
    site({**left_over(), **dist("acme-keys", "2.0", NEW)}, "here")
    code = (
        "import lazyplug; print([e.value for e in lazyplug.ExtensionManager('app.a')])"
    )
    done = python("-c", code, cwd=tmp_path / "here")
    assert done.stdout == "['builtins:dict']\n"


def said(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(command.split())
    out, error = capsys.readouterr()
    return code, out + error


def test_the_commands_show_a_left_over_and_no_conflict(
    left: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = f"left out: left behind by an interrupted pip, delete {left}"
    code, listed = said("list app.a", capsys)
    assert code == 0
    assert listed.count(note) == 2
    assert "one of" not in listed
    code, why = said("why app.a store", capsys)
    assert code == 0
    assert "It is there: " in why
    assert note in why
    code, why = said("why app.a gone", capsys)
    assert code == 1
    assert note in why
    code, doctor = said("doctor", capsys)
    assert code == 1
    assert f"{left}: was left behind by an interrupted pip: delete" in doctor
    assert "several times in 'app.a'" not in doctor
    assert "old_plugin" not in doctor
    code, checked = said("check app.a", capsys)
    assert code == 0
    assert "1 plugins, 0 of them failed; 2 are left out" in checked
    code, groups = said("groups", capsys)
    assert "app.left" not in groups


def test_a_frozen_left_over_is_none_either(
    site: PlantSite, first: SetPath, tmp_path: Path
) -> None:
    first(site({**left_over(), **dist("acme-keys", "2.0", NEW)}))
    file = tmp_path / "frozen"
    assert main(["freeze", "--trust", "--output", str(file)]) == 0
    lazyplug.use_index(file)
    try:
        assert _environment.current().frozen is not None
        assert ExtensionManager[Any]("app.a").names() == ["store"]
    finally:
        lazyplug.use_index(None)


@pytest.mark.parametrize("recorded", ["", "acme-fs", "zeta", "acme-fs zeta"])
def test_the_advice_names_only_what_pip_can_uninstall(
    recorded: str, site: PlantSite, first: SetPath
) -> None:
    points = "[g]\nabfs = builtins:dict\n"
    directory = site({**dist("acme-fs", "2", points), **dist("zeta", "1", points)})
    for name in recorded.split():
        (where,) = directory.glob(f"{name.replace('-', '?')}-*.dist-info")
        (where / "RECORD").write_text("")
    first(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.prefix", str(directory.parent))
        with pytest.raises(lazyplug.MultipleMatches) as caught:
            DriverManager("g", "abfs")
        advice = str(caught.value).splitlines()[-1]
        if recorded:
            names = " or ".join(recorded.split())
            assert advice.startswith(f"Uninstall {names} (pip uninstall ")
        else:
            assert advice == "Pass conflict_resolver= to choose."
        # What lies outside of pip's environment it does not uninstall.
        patch.setattr("sys.prefix", str(directory / "venv"))
        with pytest.raises(
            lazyplug.MultipleMatches, match=r"\nPass conflict_resolver="
        ):
            DriverManager("g", "abfs")


def test_one_distribution_that_declares_a_name_twice_need_not_be_uninstalled(
    site: PlantSite, first: SetPath
) -> None:
    tree = dist("twice", "1", "[g]\na = builtins:dict\na = builtins:list\n")
    first(site(tree))
    with pytest.raises(lazyplug.MultipleMatches, match=r"\nPass conflict_resolver="):
        DriverManager("g", "a")


def test_a_console_script_of_a_left_over_is_not_run(
    site: PlantSite,
) -> None:
    points = "[console_scripts]\nold-program = old_program:main\n"
    module = "def main():\n    print('it runs')\n"
    tree = {**left_over(points=points), "old_program.py": module}
    env = {"PYTHONPATH": str(site(tree))}
    for name in ("old-program", "old-progran"):
        done = python("-m", "lazyplug", "run", name, env=env, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no program" in done.stderr
        assert "Did you mean" not in done.stderr


class Finder:
    """A third-party finder, which finds the distributions of one directory."""

    def __init__(self, directory: Path) -> None:
        self._folder = str(directory)

    def find_spec(self, *_: Any) -> None:
        """Find no module."""

    def find_distributions(self, _: Any) -> "Iterable[metadata.Distribution]":
        """Find the distributions of the directory."""
        context = metadata.DistributionFinder.Context(path=[self._folder])
        return metadata.MetadataPathFinder.find_distributions(context)


@pytest.mark.parametrize("where", ["archive", "finder"])
def test_a_left_over_in_an_archive_or_of_a_finder_is_a_problem_and_no_plugin(
    where: str,
    tmp_path: Path,
    first: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trees = {**left_over(), **dist("acme-keys", "2.0", NEW)}
    directory = plant(tmp_path / "there", trees)
    if where == "finder":
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder(directory)])
        first(plant(tmp_path / "empty", {}))
    else:
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for name, files in trees.items():
                for file in files:
                    archive.write(directory / name / file, f"{name}/{file}")
        first(tmp_path / "all.zip")
    for _ in range(2):  # as it was scanned, and from the index
        manager = ExtensionManager[Any]("app.*")
        assert [extension.value for extension in manager] == ["builtins:dict"]
        assert DriverManager[Any]("app.a", "store").driver is dict
        with pytest.raises(NoMatches, match=r"pip left behind:\n.*'gone ="):
            lazyplug.load("app.a", "gone")
        problems = [p.reason for p in lazyplug.problems() if "left behind" in p.reason]
        assert len(problems) == 1
        assert "~cme_keys-1.0.dist-info" in problems[0]
        # as importlib.metadata answers
        assert "gone" in lazyplug.entry_points(group="app.a").names
        assert main(["list", "app.a"]) == 0
        assert "~cme_keys-1.0.dist-info" in capsys.readouterr().out
        lazyplug.invalidate_caches()
