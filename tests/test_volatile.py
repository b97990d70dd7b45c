"""Test which path entries and finders are volatile, and how they extend the index."""

import os
import sys
import types
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug._environment import (
    classify_path,
    may_contain_distributions,
    third_party_finders,
)
from lazyplug.testing import dist, plant
from tests.support.fixtures import PlantSite, SetPath


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a directory, and make it the current one."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.setenv("PWD", str(directory))
    return directory


def names() -> list[str]:
    return [point.name for point in lazyplug.entry_points(group="g")]


# Which path entries are volatile


@pytest.mark.parametrize(
    ("path", "entries", "volatile"),
    [
        (["/a", "/b"], ("/a", "/b"), set()),
        (["", "/a"], ("/here", "/a"), {0}),
        (["/a", "sub/directory"], ("/a", "/here/sub/directory"), {1}),
        (["/a", "/here", "/a"], ("/a", "/here"), {1}),
        (["/a", ".", ""], ("/a", "/here/.", "/here"), {1, 2}),
        ([Path("/a"), b"/b", None, 3, "/c\0"], ("/a",), set()),
    ],
)
def test_relative_entries_and_the_current_directory_are_volatile(
    path: list[Any], entries: tuple[str, ...], volatile: set[int]
) -> None:
    assert classify_path(path, "/here") == (entries, frozenset(volatile))


def test_without_a_current_directory_relative_entries_are_ignored() -> None:
    assert classify_path(["", "x", "/a"], None) == (("/a",), frozenset())


def test_the_directory_in_which_the_program_was_started_is_volatile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PWD", "/started")
    assert classify_path(["/a", "/started"], "/elsewhere")[1] == {1}


@pytest.mark.parametrize(
    ("script", "first", "volatile"),
    [
        ("{tmp}/tool.py", "{tmp}", True),
        ("{tmp}/link.py", "{tmp}/real", True),
        ("{prefix}/bin/tool", "{prefix}/bin", False),
        ("{tmp}/tool.py", "{tmp}/other", False),
        ("{tmp}/app.pyz/__main__.py", "{tmp}/app.pyz", False),
        (None, "{tmp}", False),
    ],
)
def test_the_directory_of_a_script_is_volatile_if_python_put_it_first(
    script: str | None,
    first: str,
    volatile: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(tmp_path, {"real": {"tool.py": ""}, "app.pyz": ""})
    (tmp_path / "link.py").symlink_to(tmp_path / "real" / "tool.py")
    directories = {"tmp": tmp_path, "prefix": sys.prefix}
    main = types.ModuleType("__main__")
    main.__file__ = script and script.format(**directories)
    monkeypatch.setitem(sys.modules, "__main__", main)
    if sys.flags.safe_path:
        pytest.skip("Python does not put the script's directory first under -P")
    path = [first.format(**directories), "/b"]
    assert classify_path(path, "/here")[1] == ({0} if volatile else set())
    # Only the first entry is one that Python put there.
    assert classify_path(["/b", *path], "/here")[1] == set()


@pytest.mark.parametrize(
    ("tree", "name", "found"),
    [
        ({"a.py": "", "b": {}}, "f", False),
        ({"a-1.dist-info": {}}, "f", True),
        ({"A.EGG-INFO": {}}, "f", True),
        ({"EGG-INFO": {}}, "f", False),
        ({"EGG-INFO": {}}, "f-1.egg", True),
    ],
)
def test_one_listing_shows_whether_a_directory_may_contain_distributions(
    tree: dict[str, Any], name: str, found: bool, tmp_path: Path
) -> None:
    directory = plant(tmp_path / name, tree)
    assert may_contain_distributions(str(directory)) is found


def test_a_file_may_contain_distributions_but_no_missing_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert may_contain_distributions(str(tmp_path / "file"))
    assert not may_contain_distributions(str(tmp_path / "file" / "below"))
    assert not may_contain_distributions(str(tmp_path / "nothing"))
    assert not may_contain_distributions("\0")


# How they extend the index


def test_a_volatile_directory_is_scanned_and_does_not_change_the_index(
    here: Path, site: PlantSite, set_path: SetPath, isolated: Path
) -> None:
    set_path("", site(dist("stable", entry_points="[g]\ns = m\n")))
    assert names() == ["s"]
    (index,) = isolated.iterdir()
    before = index.read_bytes()
    plant(here, dist("mine", entry_points="[g]\nm = m\n[h]\nh = m\n"))
    lazyplug.invalidate_caches()
    assert names() == ["m", "s"]
    assert lazyplug.entry_points().groups == {"g", "h"}
    assert index.read_bytes() == before


@pytest.mark.parametrize("points", [None, "", "[other]\nx = m\n"])
def test_a_volatile_distribution_hides_a_stable_one_whatever_it_declares(
    points: str | None,
    here: Path,
    site: PlantSite,
    set_path: SetPath,
) -> None:
    set_path("", site(dist("foo-bar", entry_points="[g]\na = m\n")))
    plant(here, dist("Foo.Bar", "9", points))
    assert names() == []


def test_a_stable_distribution_before_a_volatile_one_hides_it(
    here: Path, site: PlantSite, set_path: SetPath
) -> None:
    set_path(site(dist("foo", entry_points="[g]\nstable = m\n")), "")
    plant(here, dist("foo", "9", "[g]\nvolatile = m\n"))
    assert names() == ["stable"]


def test_a_volatile_distribution_without_metadata_hides_nothing(
    here: Path, site: PlantSite, set_path: SetPath
) -> None:
    set_path("", site(dist("foo", entry_points="[g]\nstable = m\n")))
    plant(here, {"foo-9.dist-info": {"entry_points.txt": "[g]\nvolatile = m\n"}})
    assert names() == ["stable"]


def test_problems_in_volatile_directories_are_reported(
    here: Path, set_path: SetPath
) -> None:
    set_path("")
    plant(here, dist("mine", entry_points="[g]\nbroken\n"))
    (problem,) = lazyplug.problems()
    assert (Path(problem.path).name, problem.line) == ("entry_points.txt", 2)
    assert "no '=' in 'broken'" in str(problem)


def test_the_order_is_that_of_the_path_whatever_is_volatile(
    here: Path, site: PlantSite, set_path: SetPath
) -> None:
    one = site(dist("z", entry_points="[g]\none = m\n"), "one")
    three = site(dist("a", entry_points="[g]\nthree = m\n"), "three")
    set_path(one, "", three)
    plant(here, dist("m", entry_points="[g]\ntwo = m\n"))
    assert names() == ["one", "two", "three"]


# Third-party finders


class FakeDistribution(Distribution):
    """A distribution that no path finder knows."""

    def read_text(self, filename: Any) -> str | None:
        return {
            "METADATA": "Name: extra\nVersion: 3\n",
            "entry_points.txt": "[g]\nextra = m\n[only.extra]\nx = m\n",
        }.get(str(filename))

    def locate_file(self, path: Any) -> Any:
        return Path(os.devnull) / str(path)


class FakeFinder:
    """A third-party finder."""

    def find_spec(self, *_: object) -> None: ...

    def find_distributions(self, context: object) -> list[Distribution]:
        return [FakeDistribution()]


def test_only_unknown_finders_are_third_party_finders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert third_party_finders() == []
    finder = FakeFinder()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    assert third_party_finders() == [(len(sys.meta_path) - 1, finder)]


def test_distributions_of_a_third_party_finder_are_found_at_each_query(
    site: PlantSite,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_path(site(dist("stable", entry_points="[g]\ns = m\n")))
    assert names() == ["s"]
    before = sys.meta_path
    monkeypatch.setattr(sys, "meta_path", [*before, FakeFinder()])
    assert names() == ["s", "extra"]
    assert lazyplug.entry_points().groups == {"g", "only.extra"}
    monkeypatch.setattr(sys, "meta_path", [FakeFinder(), *before])
    assert names() == ["extra", "s"]
    monkeypatch.setattr(sys, "meta_path", before)
    assert names() == ["s"]


def test_an_extension_of_a_third_party_finder_is_pickled_without_distribution(
    set_path: SetPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    set_path()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, FakeFinder()])
    extension = lazyplug.ExtensionManager[Any]("g")["extra"]
    assert extension.dist.version == "3"  # type: ignore[union-attr]
    arrived = pickle.loads(pickle.dumps(extension))  # noqa: S301
    assert arrived.dist is None
    with pytest.raises(ModuleNotFoundError, match="m") as caught:
        arrived.plugin  # noqa: B018
    assert caught.value.__notes__[0].endswith(", declared by extra, line 1")
