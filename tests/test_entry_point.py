"""Test that EntryPoint and EntryPoints behave like those of importlib.metadata."""

import copy
import importlib.metadata
import pickle
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

import lazyplug
from lazyplug import EntryPoint, EntryPoints
from lazyplug.testing import dist, plant
from tests.support.fixtures import PlantSite, SetPath
from tests.support.libraries import newest

POINTS = """
[g]
one = os.path:join
two = os.path [fast, slow]
[h]
one = json
"""


@pytest.fixture
def installed(site: PlantSite, set_path: SetPath) -> Path:
    """Install two distributions with entry points in two groups."""
    directory = site({**dist("b", "2", POINTS), **dist("a", "1", "[g]\nzero = sys\n")})
    set_path(directory)
    return directory


class Group(str):
    """Text that equals other text than its own."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other == "h"

    __hash__ = str.__hash__


class Raises:
    def __eq__(self, other: object) -> bool:
        raise OSError("compared")

    __hash__ = None  # type: ignore[assignment]


ODD = [
    None, "", "g", "G", "g ", "one", "os.path:join", b"g", ["g"], ("g",), {"g"}, {},
    0, 3, True, float("nan"), object(), Group("g"), Raises(), ANY, str, "g\0", "\udc80",
]  # fmt: skip
KEYS = ["group", "name", "value", "module", "attr", "extras", "dist", "wrong", "load"]
PARAMS = [{key: value} for key in KEYS for value in ODD]
PARAMS += [{"group": "g", key: value} for key in KEYS[1:] for value in ODD]
PARAMS += [{key: value, "group": "g"} for key in KEYS[1:] for value in ODD]
PARAMS += [{key: 1, "group": group} for key in KEYS[1:] for group in ("h", "none")]
PARAMS += [{"group": group, key: 1} for key in KEYS[1:] for group in ("h", "none")]
PARAMS += [{"group": group, "name": name} for group in ODD for name in ODD]


def selected(entry_points: Callable[..., Any], params: dict[str, Any]) -> Any:
    """Return what is found, or what that raises, in comparable form."""
    try:
        points = entry_points(**params)
    except Exception as error:
        return type(error)
    return sorted((p.group, p.name, p.value) for p in points)


OLD = newest is importlib.metadata or (
    int(newest.version("importlib_metadata").partition(".")[0]) < 8
)


def test_unusual_parameters_select_the_same_as_in_importlib_metadata(
    installed: Path,
) -> None:
    for params in PARAMS:
        if "dist" in params and OLD:
            continue  # it compares distributions, which newer ones refuse
        before = params.copy()
        truth = selected(newest.entry_points, params)
        assert selected(lazyplug.entry_points, params) == truth, params
        with lazyplug.accelerate():
            found = selected(newest.entry_points, params)
        assert found == truth, params
        assert params.keys() == before.keys()
    with pytest.raises(TypeError, match="positional"):
        lazyplug.entry_points("g")  # type: ignore[call-arg]


def test_entry_points_are_selected_by_group_name_and_any_attribute(
    installed: Path,
) -> None:
    assert [p.name for p in lazyplug.entry_points(group="g")] == ["zero", "one", "two"]
    assert [p.group for p in lazyplug.entry_points(name="one")] == ["g", "h"]
    assert [p.name for p in lazyplug.entry_points(group="g", attr="join")] == ["one"]
    assert [p.name for p in lazyplug.entry_points(extras=["fast", "slow"])] == ["two"]
    everything = lazyplug.entry_points()
    assert everything.names == {"zero", "one", "two"}
    assert everything.groups == {"g", "h"}
    assert everything.select(group="h")["one"].value == "json"
    assert everything.select(module="os.path").names == {"one", "two"}


@pytest.mark.parametrize(
    "params",
    [{"group": "nothing"}, {"group": 3}, {"group": "g", "name": "nothing"}],
)
def test_an_empty_result_equals_an_empty_tuple(
    installed: Path, params: dict[str, Any]
) -> None:
    assert lazyplug.entry_points(**params) == ()
    assert isinstance(lazyplug.entry_points(**params), EntryPoints)


def test_indexing_is_by_name_and_a_missing_name_is_a_key_error(
    installed: Path,
) -> None:
    points = lazyplug.entry_points(group="g")
    assert points["two"].module == "os.path"
    with pytest.raises(KeyError, match="three"):
        points["three"]
    assert repr(EntryPoints()) == "EntryPoints(())"


def test_the_distribution_is_opened_on_demand(installed: Path) -> None:
    point = lazyplug.entry_points(group="g")["one"]
    assert (point.dist.name, point.dist.version) == ("b", "2")
    assert point.dist.metadata["Name"] == "b"
    assert EntryPoint("a", "b", "c").dist is None
    with pytest.raises(ValueError, match="cannot be selected by dist"):
        lazyplug.entry_points(dist="b")


def test_an_entry_point_loads_its_target() -> None:
    import os.path

    assert EntryPoint("a", "os.path:join", "g").load() is os.path.join
    assert EntryPoint("a", "os.path", "g").load() is os.path
    assert EntryPoint("a", "os : path.join", "g").load() is os.path.join
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        EntryPoint("a", "no_such_module:x", "g").load()


def test_an_entry_point_is_immutable_hashable_and_ordered() -> None:
    point = EntryPoint(name="a", value="b:c", group="g")
    with pytest.raises(AttributeError, match="immutable"):
        point.name = "z"
    with pytest.raises(AttributeError, match="immutable: 'name'"):
        del point.name
    assert point == EntryPoint("a", "b:c", "g")
    assert point != EntryPoint("a", "b:c", "h")
    assert point != ("a", "b:c", "g")
    assert {point: 1}[EntryPoint("a", "b:c", "g")] == 1
    assert min(EntryPoint("b", "x", "g"), point) is point
    with pytest.raises(TypeError, match="not supported"):
        assert point < 3
    assert repr(point) == "EntryPoint(name='a', value='b:c', group='g')"


def test_entry_points_can_be_pickled_and_copied(installed: Path) -> None:
    point = lazyplug.entry_points(group="g")["one"]
    for other in (pickle.loads(pickle.dumps(point)), copy.copy(point)):  # noqa: S301
        assert other == point
        assert other.dist.version == "2"
    points = lazyplug.entry_points()
    assert pickle.loads(pickle.dumps(points)) == points  # noqa: S301


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in dir(importlib.metadata.EntryPoint("a", "b", "c"))
        if not name.startswith("_") and name not in ("pattern", "count", "index")
    ],
)
def test_entry_points_have_all_attributes_of_importlib_metadata(name: str) -> None:
    assert hasattr(EntryPoint("a", "b", "c"), name)


@pytest.mark.parametrize(
    "value",
    ["m", "m:a", "m.n:a.b", "m : a", "m [x]", "m:a [x,y]", "m:a[x-y]", "ünïcode:ä"],
)
def test_module_attr_and_extras_equal_those_of_importlib_metadata(value: str) -> None:
    ours = EntryPoint("n", value, "g")
    theirs = importlib.metadata.EntryPoint("n", value, "g")
    assert (ours.module, ours.attr) == (theirs.module, theirs.attr)
    assert ours.extras == theirs.extras


@pytest.mark.parametrize("what", ["module", "attr", "extras"])
def test_an_invalid_value_raises_only_when_its_parts_are_accessed(what: str) -> None:
    point = EntryPoint("n", "not-valid:x", "g")
    assert point.value == "not-valid:x"
    with pytest.raises(ValueError, match="is not a valid reference"):
        getattr(point, what)
    with pytest.raises(ValueError, match="is not a valid reference"):
        point.load()


def test_third_party_finders_are_asked_at_each_query_and_may_fail(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ExternalDistribution(Distribution):
        def __init__(self, name: str, points: str) -> None:
            self._name, self._points = name, points

        def read_text(self, filename: Any) -> str | None:
            return {
                "METADATA": f"Name: {self._name}\nVersion: 9\n",
                "entry_points.txt": self._points,
            }.get(str(filename))

        def locate_file(self, path: Any) -> Any:
            return Path("/nowhere") / str(path)

    class Broken(ExternalDistribution):
        @property
        def entry_points(self) -> Any:
            raise OSError("the broken distribution")

    class Finder:
        known: tuple[Any, ...] = (
            ExternalDistribution("f", "[g]\nexternal = sys:path\n"),
        )

        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(self, context: Any) -> Any:
            return iter(self.known)

    finder = Finder()
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    point = lazyplug.entry_points(group="g")["external"]
    assert (point.dist.name, point.dist.version) == ("f", "9")
    assert lazyplug.ExtensionManager[Any]("g")["external"].plugin is sys.path
    finder.known = (
        Broken("x", ""),
        ExternalDistribution("a", "[g]\nshadowed = sys:path\n"),
    )
    names = [p.name for p in lazyplug.entry_points(group="g")]
    assert names == ["zero", "one", "two"]
    assert any("the broken distribution" in p.reason for p in lazyplug.problems())
    # Before Python's own finder, its distribution wins over one of the same name.
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path[:-1]])
    names = [p.name for p in lazyplug.entry_points(group="g")]
    assert names == ["shadowed", "one", "two"]
    finder.find_distributions = None  # type: ignore[assignment,method-assign]
    assert any("find_distributions() failed" in p.reason for p in lazyplug.problems())


def test_refresh_returns_added_and_removed_distributions(installed: Path) -> None:
    assert lazyplug.entry_points(group="g").names == {"zero", "one", "two"}
    plant(installed, dist("c", "3", "[g]\nthree = sys\n"))
    shutil.rmtree(installed / "a-1.dist-info")
    plant(installed, dist("a", "4", "[g]\nzero = sys\n"))
    assert lazyplug.entry_points(group="g").names == {"zero", "one", "two"}
    changes = lazyplug.refresh()
    assert lazyplug.entry_points(group="g").names == {"zero", "one", "two", "three"}
    assert changes.added == ("a 4", "c 3")
    assert changes.removed == ("a 1",)
    assert changes.restart_needed == ()


@pytest.mark.parametrize(
    ("pth", "needed"),
    [
        ("{tmp}/unread\n", True),
        ("import plug_unread_finder; plug_unread_finder.install()\n", True),
        ("# a comment\n\nimport sys; sys.path\n", False),
        ("{tmp}/not/there\n", False),
    ],
)
def test_restart_needed_lists_distributions_that_need_a_new_pth_file(
    installed: Path,
    tmp_path: Path,
    pth: str,
    needed: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    lazyplug.entry_points()
    (tmp_path / "unread").mkdir()
    plant(installed, dist("edit", "1", "[g]\nnew = editable\n"))
    (installed / "__editable__.edit.pth").write_text(pth.format(tmp=tmp_path))
    (installed / "edit-1.dist-info" / "RECORD").write_text(
        "__editable__.edit.pth,,\nedit-1.dist-info/METADATA,,\n"
    )
    changes = lazyplug.refresh()
    assert changes.added == ("edit 1",)
    assert changes.restart_needed == (("edit 1",) if needed else ())
    assert ("Restart the program." in caplog.text) is needed
