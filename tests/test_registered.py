"""What is registered, what came and what went in a manager that stands."""

import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    Choice,
    DriverManager,
    EnabledExtensionManager,
    ExtensionManager,
    NamedExtensionManager,
)
from tests.conftest import dist, plant

pytestmark = pytest.mark.usefixtures("forgotten")


@pytest.fixture
def one(site: Callable[..., Path], first: Callable[..., None]) -> Path:
    """Install one plugin."""
    folder = site(
        {
            "plug_one.py": "class One: pass\n",
            "plug_two.py": "class Two: pass\n",
            **dist("one", "1", "[g]\none = plug_one:One\n"),
        }
    )
    first(folder)
    return folder


# ------------------------------------------------------------------- registered


def test_what_is_registered_stands_behind_the_installed_ones(one: Path) -> None:
    manager = ExtensionManager[Any]("g", invoke_on_load=True)
    mine = manager.register("mine", dict)
    assert manager.names() == ["one", "mine"]
    assert manager["mine"] is mine
    assert (mine.name, mine.group, mine.value) == ("mine", "g", "")
    assert mine.obj == {}
    assert manager.map(lambda extension: extension.name) == ["one", "mine"]
    assert mine.dist is None
    assert mine.summary is None


def test_a_reference_is_imported_on_first_touch(one: Path) -> None:
    manager = ExtensionManager[Any]("g")
    two = manager.register("two", "plug_two:Two")
    assert "plug_two" not in sys.modules
    assert not two.loaded
    assert two.plugin.__name__ == "Two"
    assert two.loaded
    copy = pickle.loads(pickle.dumps(two))  # noqa: S301
    assert (copy.name, copy.value, copy.loaded) == ("two", "plug_two:Two", False)


def test_an_object_travels_by_value() -> None:
    mine = ExtensionManager[Any]("g").register("mine", {"a": 1})
    copy = pickle.loads(pickle.dumps(mine))  # noqa: S301
    assert (copy.name, copy.plugin) == ("mine", {"a": 1})


def test_a_text_that_is_no_reference_is_refused() -> None:
    manager = ExtensionManager[Any]("g")
    with pytest.raises(
        ValueError, match=r"'a b' is not an object reference.*'mine' was"
    ):
        manager.register("mine", "a b")
    assert manager.names() == []


def test_a_name_that_stands_already_is_a_conflict_as_any_other(one: Path) -> None:
    manager = ExtensionManager[Any]("g", conflict_resolver=lazyplug.first_on_conflict)
    manager.register("one", dict)
    assert manager["one"].value == "plug_one:One"
    driver = DriverManager[Any](
        "g", "one", conflict_resolver=lambda _, __, all_: all_[1]
    )
    driver.register("one", dict)
    assert driver.driver is dict


def test_what_is_registered_is_chosen_and_checked_as_the_others_are() -> None:
    manager = ExtensionManager[Any]("g", choice=Choice(deny=["mine*"]))
    mine = manager.register("mine", dict)
    assert manager.names() == []
    assert manager.excluded == {mine: "denied by 'mine*' in code"}
    asked: list[str] = []

    def check(extension: lazyplug.Extension[Any]) -> bool:
        asked.append(extension.name)
        return extension.name != "no"

    enabled = EnabledExtensionManager[Any]("g", check)
    for name in ("yes", "no", "also"):
        enabled.register(name, dict)
    assert enabled.names() == ["yes", "also"]
    assert asked == ["yes", "no", "also"]


def test_a_manager_of_names_takes_these_alone(one: Path) -> None:
    manager = NamedExtensionManager[Any](
        "g", ["mine", "one"], name_order=True, on_missing_entrypoints_callback=None
    )
    manager.register("mine", dict)
    assert manager.names() == ["mine", "one"]
    with pytest.raises(ValueError, match="'two' cannot be registered: this manager is"):
        manager.register("two", dict)


def test_a_failure_of_it_is_told_without_a_distribution(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = ExtensionManager[Any]("g")
    manager.register("mine", "no_such_module_anywhere:x")
    manager.map(print)
    (told,) = caplog.messages
    assert told.startswith(
        "could not load entry point 'mine = no_such_module_anywhere:x' of group 'g': "
    )


# -------------------------------------------------------------------- refreshed


def test_a_plugin_that_was_installed_appears_and_one_that_was_removed_goes(
    one: Path,
) -> None:
    manager = ExtensionManager[Any]("g")
    kept = manager["one"]
    mine = manager.register("mine", dict)
    plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    assert manager.names() == ["one", "mine"]
    assert manager.refresh().added == ("two 2",)
    assert manager.names() == ["one", "two", "mine"]
    assert manager["one"] is kept
    assert manager["mine"] is mine
    two = manager["two"].plugin
    shutil.rmtree(one / "one-1.dist-info")
    assert manager.refresh().removed == ("one 1",)
    assert manager.names() == ["two", "mine"]
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'one'"):
        manager["one"]
    assert manager["two"].plugin is two


def test_what_is_loaded_stays_as_it_is_and_what_is_not_is_what_is_there_now(
    one: Path,
) -> None:
    plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    manager = ExtensionManager[Any]("g")
    loaded, unloaded = manager["one"], manager["two"]
    plugin = loaded.plugin
    for name in ("one-1", "two-2"):
        shutil.rmtree(one / f"{name}.dist-info")
    plant(one, dist("one", "3", "[g]\none = plug_one:One\n"))
    plant(one, dist("two", "3", "[g]\ntwo = plug_two:Two\n"))
    manager.refresh()
    assert manager["one"] is loaded
    assert loaded.plugin is plugin
    assert manager["two"] is not unloaded
    assert manager["two"].dist.version == "3"


def test_a_choice_and_a_test_are_asked_anew(
    one: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"one"}
    manager = EnabledExtensionManager[Any]("g", lambda e: e.name in wanted)
    assert manager.names() == ["one"]
    wanted.clear()
    manager.refresh()
    assert manager.names() == []
    wanted.add("one")
    monkeypatch.setenv("LAZYPLUG_DENY", "g=one")
    manager.refresh()
    assert [e.name for e in manager.excluded] == ["one"]
    monkeypatch.delenv("LAZYPLUG_DENY")
    manager.refresh()
    assert manager.names() == ["one"]
    assert manager.excluded == {}


def test_a_driver_that_went_is_told_and_the_manager_stays_as_it_was(one: Path) -> None:
    manager = DriverManager[Any]("g", "one")
    plugin = manager.driver
    shutil.rmtree(one / "one-1.dist-info")
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'one'"):
        manager.refresh()
    assert manager.driver is plugin


def test_an_eager_manager_loads_what_came(one: Path) -> None:
    manager = ExtensionManager[Any]("g", lazy=False)
    plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    manager.refresh()
    assert manager["two"].loaded


def test_subscribers_are_told_what_came_and_went_until_they_leave(
    one: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[lazyplug.Changes] = []

    def fails(_: lazyplug.Changes) -> None:
        raise OSError("the host's own fault")

    leave = [lazyplug.subscribe(fails), lazyplug.subscribe(told.append)]
    lazyplug.refresh()
    assert told == []
    plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    changes = lazyplug.refresh()
    assert told == [changes]
    assert changes.added == ("two 2",)
    assert "the host's own fault" in caplog.messages[0]
    for each in leave * 2:
        each()
    shutil.rmtree(one / "two-2.dist-info")
    assert lazyplug.refresh().removed == ("two 2",)
    assert told == [changes]


# --------------------------------------------------------------- families of groups


@pytest.fixture
def family(site: Callable[..., Path], first: Callable[..., None]) -> None:
    """Install plugins in several groups of one family, and in others."""
    trap = "raise AssertionError('this plugin must not be imported')\n"
    points = (
        "[app.v1]\na = plug:A\n[app.v2]\na = plug:B\nb = plug:C\n[apple]\nx = plug:X\n"
    )
    first(
        site(
            {
                "plug.py": trap,
                **dist("one", points=points),
                **dist("two", points="[app.v1]\nc = plug:D\n[app]\ny = plug:Y\n"),
            }
        )
    )


def test_a_family_of_groups_is_one_manager(family: None) -> None:
    manager = ExtensionManager[Any]("app.*")
    found = [(extension.group, extension.name) for extension in manager]
    assert found == [("app.v1", "a"), ("app.v1", "c"), ("app.v2", "a"), ("app.v2", "b")]
    assert manager.entry_points_names() == ["a", "c", "a", "b"]
    assert [point.group for point in manager.list_entry_points()] == [
        "app.v1",
        "app.v1",
        "app.v2",
        "app.v2",
    ]
    assert manager["b"].group == "app.v2"
    assert DriverManager[Any]("app.*", "c").names() == ["c"]
    with pytest.raises(lazyplug.MultipleMatches, match="2 extensions named 'a'"):
        DriverManager[Any]("app.*", "a")


def test_a_choice_judges_each_by_its_own_group(
    family: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = Choice(deny=["app.v2=a"])
    assert ExtensionManager[Any]("app.*", choice=choice).names() == ["a", "c", "b"]
    monkeypatch.setenv("LAZYPLUG_ALLOW", "app.v1=c")
    assert ExtensionManager[Any]("app.*", choice=choice).names() == ["c", "b"]


def test_a_family_that_nobody_declares_is_empty(family: None) -> None:
    assert ExtensionManager[Any]("none.*").names() == []
    with pytest.raises(lazyplug.NoMatches, match=r"in group 'none\.\*'"):
        DriverManager[Any]("none.*", "a")


def test_a_package_needs_one_group(family: None) -> None:
    with pytest.raises(ValueError, match=r"package= needs one group, not 'app\.\*'"):
        ExtensionManager[Any]("app.*", package="json")
