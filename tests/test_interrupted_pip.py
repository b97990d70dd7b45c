"""Test that leftovers of an interrupted pip are reported, and not used as plugins."""

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


def leftover_tree(name: str = "~cme_keys-1.0.dist-info", points: str = OLD) -> Tree:
    metadata = {"METADATA": "Name: acme-keys\nVersion: 1.0\n", "RECORD": ""}
    return {name: {**metadata, "entry_points.txt": points}}


@pytest.fixture(params=["~cme_keys-1.0.dist-info", "~-me_keys-1.0.dist-info"])
def leftover(
    request: pytest.FixtureRequest,
    site: PlantSite,
    prepend_path: SetPath,
) -> Path:
    """Install a distribution of which an older version was left behind."""
    new = dist("acme-keys", "2.0", NEW)
    directory = site({**leftover_tree(request.param), **new})
    prepend_path(directory)
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
@pytest.mark.usefixtures("leftover")
def test_no_manager_includes_a_leftover(make: Callable[[], Any]) -> None:
    for _ in range(2):  # after a scan, and from the index
        manager = make()
        assert [extension.value for extension in manager] == ["builtins:dict"]
        assert manager.entry_points_names() == ["store"]
        assert [e.value for e in manager.list_entry_points()] == ["builtins:dict"]
        assert dict(manager.excluded) == {}
        assert "gone" not in manager
        manager.refresh()
        assert manager.names() == ["store"]
        lazyplug.invalidate_caches()


def test_a_leftover_is_a_problem_that_says_what_to_delete(leftover: Path) -> None:
    (problem,) = lazyplug.problems()
    assert problem.path == str(leftover)
    assert "was left behind by an interrupted pip: delete it" in str(problem)


def test_an_error_about_an_entry_point_of_a_leftover_says_so(leftover: Path) -> None:
    queries: list[Callable[[], object]] = [
        lambda: DriverManager("app.a", "gone"),
        lambda: ExtensionManager[Any]("app.a")["gone"],
        lambda: lazyplug.load("app.a", "gone"),
        lambda: lazyplug.load("app.left", "x"),
        lambda: DriverManager("app.left", "x"),
        lambda: ExtensionManager[Any]("app.left").map(print),
    ]
    for query in queries:
        with pytest.raises(NoMatches, match="no extension") as caught:
            query()
        text = str(caught.value)
        assert "An interrupted pip left these entry points behind:\n" in text
        assert f"declared by acme-keys 1.0 in {leftover}{os.sep}" in text
        assert "Delete their metadata directory, and reinstall" in text
        assert "did you mean the group 'app.left'" not in text
        assert pickle.loads(pickle.dumps(caught.value)).args  # noqa: S301


@pytest.mark.usefixtures("leftover")
def test_the_distribution_that_replaces_a_leftover_loads() -> None:
    assert lazyplug.load("app.a", "store") is dict
    assert DriverManager[Any]("app.a", "store").driver is dict


@pytest.mark.usefixtures("leftover")
def test_entry_points_and_the_drop_in_include_a_leftover() -> None:
    from lazyplug.compat.stevedore.named import NamedExtensionManager as DropIn

    values = {"builtins:dict", "old_plugin:S"}
    points = lazyplug.entry_points(group="app.a", name="store")
    assert {point.value for point in points} == values
    manager: Any = DropIn("app.a", ["store"], on_load_failure_callback=lambda *_: None)
    declared = manager.list_entry_points()
    assert values <= {point.value for point in declared}


def test_a_leftover_in_the_current_directory_is_not_used(
    site: PlantSite, tmp_path: Path
) -> None:
    site({**leftover_tree(), **dist("acme-keys", "2.0", NEW)}, "here")
    code = (
        "import lazyplug; print([e.value for e in lazyplug.ExtensionManager('app.a')])"
    )
    done = python("-c", code, cwd=tmp_path / "here")
    assert done.stdout == "['builtins:dict']\n"


def run_command(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    code = main(command.split())
    out, error = capsys.readouterr()
    return code, out + error


def test_the_commands_show_a_leftover_and_no_conflict(
    leftover: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = f"{leftover} was left behind by an interrupted pip: delete it"
    code, listed = run_command("list app.a", capsys)
    assert code == 0
    assert listed.count(f"excluded: {note}") == 2
    assert "one of" not in listed
    code, why = run_command("why app.a store", capsys)
    assert code == 0
    assert "Available: " in why
    assert f"Excluded: {note}; entry point " in why
    code, why = run_command("why app.a gone", capsys)
    assert code == 1
    assert f"Excluded: {note}; entry point " in why
    code, doctor = run_command("doctor", capsys)
    assert code == 1
    assert f"{leftover}: was left behind by an interrupted pip: delete" in doctor
    assert "more than once in 'app.a'" not in doctor
    assert "old_plugin" not in doctor
    code, checked = run_command("check app.a", capsys)
    assert code == 0
    assert "1 plugin checked, 0 failed, 2 excluded" in checked
    code, groups = run_command("list", capsys)
    assert "app.left" not in groups


def test_a_frozen_leftover_is_not_used(
    site: PlantSite, prepend_path: SetPath, tmp_path: Path
) -> None:
    prepend_path(site({**leftover_tree(), **dist("acme-keys", "2.0", NEW)}))
    file = tmp_path / "frozen"
    assert main(["freeze", "--trust", "--output", str(file)]) == 0
    lazyplug.use_index(file)
    try:
        assert _environment.current().frozen is not None
        assert ExtensionManager[Any]("app.a").names() == ["store"]
    finally:
        lazyplug.use_index(None)


@pytest.mark.parametrize("recorded", ["", "acme-fs", "zeta", "acme-fs zeta"])
def test_the_advice_names_only_distributions_that_pip_can_uninstall(
    recorded: str, site: PlantSite, prepend_path: SetPath
) -> None:
    points = "[g]\nabfs = builtins:dict\n"
    directory = site({**dist("acme-fs", "2", points), **dist("zeta", "1", points)})
    for name in recorded.split():
        (where,) = directory.glob(f"{name.replace('-', '?')}-*.dist-info")
        (where / "RECORD").write_text("")
    prepend_path(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.prefix", str(directory.parent))
        with pytest.raises(lazyplug.MultipleMatches) as caught:
            DriverManager("g", "abfs")
        advice = str(caught.value).splitlines()[-1]
        rest = "et LAZYPLUG_DENY=g=abfs@acme-fs, or pass a conflict_resolver="
        rest += " that chooses one."
        if recorded:
            names = " or ".join(recorded.split())
            assert advice.startswith(f"Uninstall {names} (pip uninstall ")
            assert advice.endswith(f"), or s{rest}")
        else:
            assert advice == f"S{rest}"
        # pip does not uninstall what is outside of its environment.
        patch.setattr("sys.prefix", str(directory / "venv"))
        with pytest.raises(lazyplug.MultipleMatches, match=r"\nSet LAZYPLUG_DENY="):
            DriverManager("g", "abfs")


def test_one_distribution_that_declares_a_name_twice_need_not_be_uninstalled(
    site: PlantSite, prepend_path: SetPath
) -> None:
    tree = dist("twice", "1", "[g]\na = builtins:dict\na = builtins:list\n")
    prepend_path(site(tree))
    with pytest.raises(lazyplug.MultipleMatches, match=r"\nPass a conflict_resolver="):
        DriverManager("g", "a")


def test_a_console_script_of_a_leftover_is_not_run(
    site: PlantSite,
) -> None:
    points = "[console_scripts]\nold-program = old_program:main\n"
    module = "def main():\n    print('it runs')\n"
    tree = {**leftover_tree(points=points), "old_program.py": module}
    env = {"PYTHONPATH": str(site(tree))}
    for name in ("old-program", "old-progran"):
        done = python("-m", "lazyplug", "run", name, env=env, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert "no program" in done.stderr
        assert "did you mean" not in done.stderr


class Finder:
    """A third-party finder, which finds the distributions of one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)

    def find_spec(self, *_: Any) -> None:
        """Find no module."""

    def find_distributions(self, _: Any) -> "Iterable[metadata.Distribution]":
        """Find the distributions of the directory."""
        context = metadata.DistributionFinder.Context(path=[self._directory])
        return metadata.MetadataPathFinder.find_distributions(context)


@pytest.mark.parametrize("where", ["archive", "finder"])
def test_a_leftover_in_an_archive_or_of_a_finder_is_reported_and_not_used(
    where: str,
    tmp_path: Path,
    prepend_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trees = {**leftover_tree(), **dist("acme-keys", "2.0", NEW)}
    directory = plant(tmp_path / "there", trees)
    if where == "finder":
        monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder(directory)])
        prepend_path(plant(tmp_path / "empty", {}))
    else:
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for name, files in trees.items():
                for file in files:
                    archive.write(directory / name / file, f"{name}/{file}")
        prepend_path(tmp_path / "all.zip")
    for _ in range(2):  # after a scan, and from the index
        manager = ExtensionManager[Any]("app.*")
        assert [extension.value for extension in manager] == ["builtins:dict"]
        assert DriverManager[Any]("app.a", "store").driver is dict
        with pytest.raises(
            NoMatches, match=r"left these entry points behind:\n.*'gone ="
        ):
            lazyplug.load("app.a", "gone")
        problems = [p.reason for p in lazyplug.problems() if "left behind" in p.reason]
        assert len(problems) == 1
        assert "~cme_keys-1.0.dist-info" in problems[0]
        # as in importlib.metadata
        assert "gone" in lazyplug.entry_points(group="app.a").names
        assert main(["list", "app.a"]) == 0
        assert "~cme_keys-1.0.dist-info" in capsys.readouterr().out
        lazyplug.invalidate_caches()
