"""Test the registration of extensions, refresh, and families of groups."""

import importlib
import json
import os
import pickle
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
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
from lazyplug.testing import dist, plant
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")


@pytest.fixture
def one(site: PlantSite, prepend_path: SetPath) -> Path:
    """Install one plugin."""
    directory = site(
        {
            "plug_one.py": "class One: pass\n",
            "plug_two.py": "class Two: pass\n",
            **dist("one", "1", "[g]\none = plug_one:One\n"),
        }
    )
    prepend_path(directory)
    return directory


# ------------------------------------------------------------------- registered


def test_registered_extensions_come_after_installed_ones(one: Path) -> None:
    manager = ExtensionManager[Any]("g", invoke_on_load=True)
    mine = manager.register("mine", dict)
    assert manager.names() == ["one", "mine"]
    assert manager["mine"] is mine
    assert (mine.name, mine.group, mine.value) == ("mine", "g", "")
    assert mine.obj == {}
    assert manager.map(lambda extension: extension.name) == ["one", "mine"]
    assert mine.dist is None
    assert mine.summary is None


def test_a_registered_reference_is_imported_on_first_access(one: Path) -> None:
    manager = ExtensionManager[Any]("g")
    two = manager.register("two", "plug_two:Two")
    assert "plug_two" not in sys.modules
    assert not two.loaded
    assert two.plugin.__name__ == "Two"
    assert two.loaded
    copy = pickle.loads(pickle.dumps(two))  # noqa: S301
    assert (copy.name, copy.value, copy.loaded) == ("two", "plug_two:Two", False)


def test_a_registered_object_is_pickled_by_value() -> None:
    mine = ExtensionManager[Any]("g").register("mine", {"a": 1})
    copy = pickle.loads(pickle.dumps(mine))  # noqa: S301
    assert (copy.name, copy.plugin) == ("mine", {"a": 1})


def test_an_invalid_reference_cannot_be_registered() -> None:
    manager = ExtensionManager[Any]("g")
    with pytest.raises(
        ValueError, match=r"'mine' cannot be registered: 'a b' is not a valid ref"
    ):
        manager.register("mine", "a b")
    assert manager.names() == []


def test_registering_an_installed_name_is_an_ordinary_conflict(one: Path) -> None:
    manager = ExtensionManager[Any]("g", conflict_resolver=lazyplug.first_on_conflict)
    manager.register("one", dict)
    assert manager["one"].value == "plug_one:One"
    driver = DriverManager[Any](
        "g", "one", conflict_resolver=lambda _, __, all_: all_[1]
    )
    driver.register("one", dict)
    assert driver.driver is dict


def test_registered_extensions_are_filtered_and_checked_like_installed_ones() -> None:
    manager = ExtensionManager[Any]("g", choice=Choice(deny=["mine*"]))
    mine = manager.register("mine", dict)
    assert manager.names() == []
    assert manager.excluded == {mine: "excluded by the deny pattern 'mine*' in code"}
    calls: list[str] = []

    def check(extension: lazyplug.Extension[Any]) -> bool:
        calls.append(extension.name)
        return extension.name != "no"

    enabled = EnabledExtensionManager[Any]("g", check)
    for name in ("yes", "no", "also"):
        enabled.register(name, dict)
    assert enabled.names() == ["yes", "also"]
    assert calls == ["yes", "no", "also"]


def test_a_named_manager_accepts_only_its_names(one: Path) -> None:
    manager = NamedExtensionManager[Any](
        "g", ["mine", "one"], name_order=True, on_missing_entrypoints_callback=None
    )
    manager.register("mine", dict)
    assert manager.names() == ["mine", "one"]
    with pytest.raises(ValueError, match="'two' cannot be registered: this manager"):
        manager.register("two", dict)


def test_a_failure_of_a_registered_plugin_is_logged_without_a_distribution(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = ExtensionManager[Any]("g")
    manager.register("mine", "no_such_module_anywhere:x")
    manager.map(print)
    (message,) = caplog.messages
    assert message.startswith(
        "entry point 'mine = no_such_module_anywhere:x' of group 'g' could not be"
        " loaded: "
    )


# -------------------------------------------------------------------- refreshed


def test_refresh_adds_installed_plugins_and_removes_uninstalled_ones(
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


def test_refresh_keeps_extensions_and_updates_their_distributions(
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
    assert manager["two"] is unloaded
    assert [manager[name].dist.version for name in ("one", "two")] == ["3", "3"]  # type: ignore[union-attr]
    choice = Choice(host="myapp", api="2")
    judged = ExtensionManager[Any]("g", choice=choice)
    judged["one"].plugin  # noqa: B018
    shutil.rmtree(one / "one-3.dist-info")
    plant(one, dist("one", "4", "[g]\none = plug_one:One\n"))
    judged.refresh()
    assert judged.names() == ["one", "two"]


def test_refresh_applies_choices_and_checks_again(
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


def test_refresh_of_a_driver_that_was_uninstalled_raises_and_changes_nothing(
    one: Path,
) -> None:
    manager = DriverManager[Any]("g", "one")
    plugin = manager.driver
    shutil.rmtree(one / "one-1.dist-info")
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'one'"):
        manager.refresh()
    assert manager.driver is plugin


def test_an_eager_manager_loads_plugins_that_refresh_added(one: Path) -> None:
    manager = ExtensionManager[Any]("g", lazy=False)
    plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    manager.refresh()
    assert manager["two"].loaded


def test_subscribers_get_changes_until_they_unsubscribe(
    one: Path, caplog: pytest.LogCaptureFixture
) -> None:
    received: list[lazyplug.Changes] = []

    def fails(_: lazyplug.Changes) -> None:
        raise OSError("the host's own fault")

    leave = [lazyplug.subscribe(fails), lazyplug.subscribe(received.append)]
    lazyplug.refresh()
    assert received == []
    plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    changes = lazyplug.refresh()
    assert received == [changes]
    assert changes.added == ("two 2",)
    assert "the host's own fault" in caplog.messages[0]
    for each in leave * 2:
        each()
    shutil.rmtree(one / "two-2.dist-info")
    assert lazyplug.refresh().removed == ("two 2",)
    assert received == [changes]


def test_a_refresh_is_visible_only_when_it_is_complete(one: Path) -> None:
    seen: list[list[str]] = []

    def check(extension: lazyplug.Extension[Any]) -> bool:
        if seen_by is not None:
            seen.append(seen_by.names())
        return extension.name != "two"

    seen_by: Any = None
    manager = EnabledExtensionManager[Any]("g", check)
    plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    seen_by = manager
    manager.refresh()
    assert seen == [["one"], ["one"]]
    assert manager.names() == ["one"]


def test_refresh_handles_failures_like_the_constructor(
    one: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strict = ExtensionManager[Any]("g", on_failure="error")
    mild = ExtensionManager[Any]("g")
    plant(one, dist("two", "2", "[g]\nodd = no reference\n"))
    with pytest.raises(lazyplug.BrokenMetadata, match="'no reference' is not a valid"):
        strict.refresh()
    assert strict.names() == ["one"]
    mild.refresh()
    assert mild.names() == ["one", "odd"]
    assert (
        len([message for message in caplog.messages if "broken metadata" in message])
        == 1
    )


def test_an_object_that_does_not_match_the_protocol_is_not_registered() -> None:
    manager = ExtensionManager[Any]("g", protocol=dict)
    with pytest.raises(lazyplug.ProtocolMismatch, match="does not fit dict"):
        manager.register("mine", object())
    assert manager.names() == []
    manager.register("mine", {})
    assert manager.names() == ["mine"]


def test_a_failed_registration_changes_nothing(one: Path) -> None:
    driver = DriverManager[Any]("g", "one")
    with pytest.raises(lazyplug.MultipleMatches, match="'one' is declared more than"):
        driver.register("one", dict)
    assert len(driver.extensions) == 1
    assert driver.refresh().added == ()

    def check(extension: lazyplug.Extension[Any]) -> bool:
        if extension.name == "bad":
            raise OSError("not to be judged")
        return True

    manager = EnabledExtensionManager[Any]("g", check, on_failure="error")
    with pytest.raises(OSError, match="not to be judged"):
        manager.register("bad", dict)
    assert manager.names() == ["one"]
    with pytest.raises(
        TypeError, match="3 is not a valid extension name: expected a s"
    ):
        manager.register(3, dict)  # type: ignore[arg-type]


def _extension(name: str) -> lazyplug.Extension[Any]:
    return lazyplug.Extension(name, None, dict, None)


@pytest.mark.parametrize(
    "kind",
    [
        ExtensionManager,
        EnabledExtensionManager,
        lazyplug.DispatchExtensionManager,
        lazyplug.NameDispatchExtensionManager,
    ],
)
def test_a_test_instance_keeps_its_extensions_on_refresh(kind: Any) -> None:
    manager = kind.make_test_instance([_extension("a")])
    manager.register("b", dict)
    assert manager.names() == ["a", "b"]
    manager.refresh()
    assert manager.names() == ["a", "b"]


def test_a_driver_test_instance_accepts_only_its_own_name() -> None:
    manager = DriverManager[Any].make_test_instance(_extension("a"))
    with pytest.raises(ValueError, match="'b' cannot be registered: this manager"):
        manager.register("b", dict)
    manager.refresh()
    assert manager.driver is dict
    nothing = DriverManager[Any].make_test_instance([])
    with pytest.raises(lazyplug.NoMatches, match="no extension in group 'TESTING'"):
        nothing.refresh()


def test_registered_extensions_are_pickled_with_group_and_arguments() -> None:
    called: list[str] = []
    manager = ExtensionManager[Any]("g", invoke_on_load=True)
    mine = manager.register("mine", called.append)
    copy = pickle.loads(pickle.dumps(mine))  # noqa: S301
    assert (copy.group, copy._invoke) == ("g", ((), {}))
    assert called == []
    assert pickle.loads(pickle.dumps(manager)).names() == ["mine"]  # noqa: S301


def test_a_manager_can_be_pickled_whatever_its_plugins_raised(one: Path) -> None:
    plant(one, {"plug_two.py": "class Odd(Exception): pass\nraise Odd\n"})
    plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    manager.map(lambda extension: extension.entry_point)
    assert len(manager.failures) == 1
    copy = pickle.loads(pickle.dumps(manager))  # noqa: S301
    assert copy.names() == ["one", "two"]
    assert copy.failures == []


def test_pickling_an_excluded_extension_imports_nothing(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(
        site({"plug_own": {"__init__.py": "", "csv.py": "raise AssertionError\n"}})
    )
    manager = ExtensionManager[Any](
        "g", package="plug_own", choice=Choice(deny=["csv"])
    )
    (extension,) = manager.excluded
    assert extension.entry_point.value == "plug_own.csv"
    pickle.dumps(manager)
    assert "plug_own.csv" not in sys.modules


def test_a_registered_module_of_the_package_is_a_second_extension(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site({"plug_own": {"__init__.py": "", "csv.py": ""}}))
    manager = ExtensionManager[Any]("g", package="plug_own")
    manager.register("csv", "plug_own.csv")
    manager.refresh()
    one, other = manager.extensions
    assert one is not other


def test_refresh_finds_distributions_in_the_current_directory(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    manager = ExtensionManager[Any]("g")
    plant(here, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
    assert manager.refresh().added == ("two 2",)
    assert manager.names() == ["two", "one"]


def test_refresh_keeps_extensions_of_third_party_finders(
    one: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        @staticmethod
        def find_distributions(_: object) -> list[Any]:
            point = SimpleNamespace(name="extension", value="plug_two:Two", group="g")
            metadata = {"Name": "extension"}
            attributes = {"metadata": metadata, "version": "1", "entry_points": [point]}
            return [SimpleNamespace(**attributes)]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    manager = ExtensionManager[Any]("g")
    extension = manager["extension"]
    manager.refresh()
    assert manager["extension"] is extension


def test_ending_one_of_two_subscriptions_keeps_the_other(one: Path) -> None:
    received: list[lazyplug.Changes] = []
    leave, stay = (
        lazyplug.subscribe(received.append),
        lazyplug.subscribe(received.append),
    )
    leave()
    leave()
    lazyplug.entry_points()
    plant(one, dist("two", "2"))
    lazyplug.refresh()
    stay()
    assert len(received) == 1


# ------------------------------------------------------------- changed meanwhile


class Calls(list[str]):
    """A function of a host, which changes a manager while that calls it."""

    def __init__(self, change: Callable[[Any], object], at: str = "") -> None:
        super().__init__()
        self.change, self.at = change, at
        self.manager: Any = None

    def met(self, name: str) -> None:
        """Remember the call; change the manager at the first one of the right name."""
        first = name not in self
        self.append(name)
        if first and self.manager is not None and self.at in ("", name):
            self.change(self.manager)

    def check(self, extension: lazyplug.Extension[Any]) -> bool:
        self.met(extension.name)
        return True

    def fail(self, manager: Any, entry_point: Any, _: Exception) -> None:
        self.manager = self.manager or manager
        assert manager is self.manager
        self.met(entry_point.name)

    def take_first(self, _: str, name: str, found: list[Any]) -> Any:
        self.met(f"{name}, {len(found)}")
        return found[0]


def test_a_plugin_that_registers_another_during_registration_loses_nothing(
    one: Path,
) -> None:
    plant(one, {"plug_host.py": "", "plug_more.py": MORE})
    manager = ExtensionManager[Any]("g", lazy=False)
    host: Any = importlib.import_module("plug_host")
    host.manager = manager
    more = manager.register("more", "plug_more:More")
    assert manager.names() == ["one", "own", "more"]
    manager.refresh()
    assert manager.names() == ["one", "own", "more"]
    assert manager["more"] is more


MORE = """
import plug_host
plug_host.manager.register("own", dict)
class More: pass
"""


def test_a_check_that_registers_is_called_once_for_each_extension(one: Path) -> None:
    calls = Calls(lambda manager: manager.register("late", dict), at="mine")
    calls.manager = manager = EnabledExtensionManager[Any]("g", calls.check)
    manager.register("mine", dict)
    assert manager.names() == ["one", "late", "mine"]
    assert calls == ["one", "mine", "late"]
    calls.clear()
    calls.at = "one"
    calls.change = lambda manager: manager.register("last", dict)
    manager.refresh()
    assert manager.names() == ["one", "late", "mine", "last"]
    assert sorted(calls) == ["last", "late", "mine", "one"]
    assert manager.refresh().added == ()
    assert manager.names() == ["one", "late", "mine", "last"]


BROKEN = "[g]\nbroken = plug_broken\n"


@pytest.mark.parametrize("kind", [ExtensionManager, EnabledExtensionManager])
def test_a_failure_callback_may_register_a_replacement(one: Path, kind: Any) -> None:
    plant(one, {"plug_broken.py": "1 / 0", **dist("broken", "1", BROKEN)})
    test = [lambda _: True] * (kind is EnabledExtensionManager)
    calls = Calls(lambda manager: manager.register(f"for {calls[-1]}", dict))
    options = {"lazy": False, "on_load_failure_callback": calls.fail}
    manager = kind("g", *test, **options)
    # While the manager is created, only the callback has it.
    calls.manager = calls.manager or manager
    manager.refresh()
    manager.register("also", "plug_broken:Also")
    assert set(manager.names()) == {"one", "for broken", "for also"}
    assert calls == ["broken", "broken", "also"]


def test_a_failing_check_whose_callback_registers_loses_nothing(
    one: Path,
) -> None:
    def check(extension: lazyplug.Extension[Any]) -> bool:
        if extension.name == "one":
            raise OSError("no device")
        return True

    calls = Calls(lambda manager: manager.register("instead", dict))
    manager = EnabledExtensionManager[Any](
        "g", check, on_load_failure_callback=calls.fail
    )
    assert manager.names() == ["instead"]


def test_a_conflict_is_resolved_again_if_its_resolver_registers_an_extension(
    one: Path,
) -> None:
    calls = Calls(lambda manager: manager.register("one", list), at="one, 2")
    manager = ExtensionManager[Any]("g", conflict_resolver=calls.take_first)
    calls.manager = manager
    manager.register("one", dict)
    assert manager["one"].value == "plug_one:One"
    assert manager["one"].value == "plug_one:One"
    assert calls == ["one, 2", "one, 3"]


def test_nested_refreshes_keep_each_extension_once(one: Path) -> None:
    def install_and_refresh(manager: Any) -> None:
        plant(one, dist("two", "2", "[g]\ntwo = plug_two:Two\n"))
        manager.refresh()
        inner.append(manager["two"])

    inner: list[Any] = []
    calls = Calls(install_and_refresh, at="one")
    manager = EnabledExtensionManager[Any]("g", calls.check)
    calls.manager = manager
    calls.clear()
    manager.refresh()
    assert manager.names() == ["one", "two"]
    # An extension of the inner refresh stays valid.
    assert inner == [manager["two"]]


def test_an_attribute_that_is_set_during_a_registration_is_kept(one: Path) -> None:
    def change(manager: Any) -> None:
        manager.propagate_map_exceptions = True

    calls = Calls(change, at="mine")
    manager = EnabledExtensionManager[Any]("g", calls.check)
    calls.manager = manager
    manager.register("mine", dict)
    assert manager.propagate_map_exceptions


def test_refresh_retries_a_finder_that_raises_key_error(
    one: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    class Finder:
        """Fail like Python's own finder if two threads delete the same entry."""

        @staticmethod
        def invalidate_caches() -> None:
            done.append(1)
            if len(done) < 3:
                raise KeyError("/some/directory")

        @staticmethod
        def find_spec(*_: object) -> None:
            return None

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    lazyplug.refresh()
    assert len(done) == 3


def test_the_error_of_a_finder_that_always_fails_is_raised(
    one: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        """Finds nothing, and fails."""

        def find_spec(self, *_: object) -> None: ...

        def invalidate_caches(self) -> None:
            raise KeyError("of this finder")

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Failing()])
    with pytest.raises(KeyError, match="of this finder"):
        lazyplug.refresh()


# ---------------------------------------------------------- pipes in a site directory

REFRESHED = """
    import json, os, sys
    import lazyplug
    lazyplug.entry_points(group="g")
    site = sys.argv[1]
    os.rename(os.path.join(site, "two"), os.path.join(site, "two-2.dist-info"))
    changes = lazyplug.refresh()
    found = lazyplug.entry_points(group="g")
    print(json.dumps([changes.added, changes.restart_needed, sorted(found.names)]))
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe")
@pytest.mark.parametrize("pipe", ["two/RECORD", "two.pth", "two/METADATA", "x.zip"])
def test_a_pipe_in_a_site_directory_does_not_block_refresh(
    one: Path, pipe: str
) -> None:
    text = "[g]\ntwo = plug_two:Two\n"
    record = "two.pth,,\n"
    plant(one, {"two": {**dist("two", "2", text)["two-2.dist-info"]}})
    (one / "two" / "RECORD").write_text(record)
    (one / pipe).unlink(missing_ok=True)
    os.mkfifo(one / pipe)
    path = os.pathsep.join([str(one), str(one / "x.zip")])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(REFRESHED), str(one)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert json.loads(done.stdout) == [["two 2"], [], ["one", "two"]]


# ------------------------------------------------ where only directories are checked


@pytest.fixture
def dirs(one: Path, late_clock: object, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Check only path entries, with an index that is already written."""
    lazyplug.entry_points()
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    lazyplug.invalidate_caches()
    return one


def test_a_rescan_does_not_add_extensions_that_a_check_rejected(dirs: Path) -> None:
    manager = EnabledExtensionManager[Any]("g", lambda _: False)
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'one'"):
        manager["one"]
    assert manager.names() == []
    (dirs / "one-1.dist-info" / "entry_points.txt").write_text(
        "[g]\none = plug_one:One\ntwo = plug_two:Two\n"
    )
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'two'"):
        manager["two"]


def test_each_manager_rescans_for_a_missing_name(dirs: Path) -> None:
    first, second = ExtensionManager[Any]("g"), ExtensionManager[Any]("g", lazy=False)
    (dirs / "one-1.dist-info" / "entry_points.txt").write_text(
        "[g]\none = plug_one:One\ntwo = plug_two:Two\n"
    )
    assert first["two"].value == "plug_two:Two"
    assert second["two"].loaded
    assert second.names() == ["one", "two"]


def test_a_family_rescans_for_new_groups_too(dirs: Path) -> None:
    manager = ExtensionManager[Any]("fam.*")
    (dirs / "one-1.dist-info" / "entry_points.txt").write_text(
        "[fam.new]\ntwo = plug_two:Two\n"
    )
    assert manager["two"].group == "fam.new"


def test_an_excluded_extension_is_counted_once_however_often_it_is_requested(
    dirs: Path,
) -> None:
    manager = ExtensionManager[Any]("g", choice=Choice(deny=["one"]))
    for _ in range(3):
        reason = "excluded by the deny pattern 'one' in code"
        with pytest.raises(lazyplug.NoMatches, match=reason):
            manager["one"]
    assert len(manager.excluded) == 1


# --------------------------------------------------------------- families of groups


@pytest.fixture
def family(site: PlantSite, prepend_path: SetPath) -> None:
    """Install plugins in several groups of one family, and in others."""
    trap = "raise AssertionError('this plugin must not be imported')\n"
    points = (
        "[app.v1]\na = plug:A\n[app.v2]\na = plug:B\nb = plug:C\n[apple]\nx = plug:X\n"
    )
    prepend_path(
        site(
            {
                "plug.py": trap,
                **dist("one", entry_points=points),
                **dist("two", entry_points="[app.v1]\nc = plug:D\n[app]\ny = plug:Y\n"),
            }
        )
    )


def test_a_manager_can_have_a_family_of_groups(family: None) -> None:
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
    with pytest.raises(lazyplug.MultipleMatches, match="'a' is declared more than"):
        DriverManager[Any]("app.*", "a")


def test_a_choice_judges_each_extension_by_its_own_group(
    family: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = Choice(deny=["app.v2=a"])
    assert ExtensionManager[Any]("app.*", choice=choice).names() == ["a", "c", "b"]
    monkeypatch.setenv("LAZYPLUG_ALLOW", "app.v1=c")
    assert ExtensionManager[Any]("app.*", choice=choice).names() == ["c", "b"]


def test_registering_in_a_family_requires_a_group_of_the_family(family: None) -> None:
    manager = ExtensionManager[Any]("app.*", choice=Choice(deny=["app.v2=mine"]))
    with pytest.raises(
        ValueError, match=r"group= is required: 'app\.\*' is a family of groups"
    ):
        manager.register("mine", dict)
    with pytest.raises(ValueError, match=r"'other' is not a group of 'app\.\*'"):
        manager.register("mine", dict, group="other")
    taken = manager.register("mine", dict, group="app.v1")
    manager.register("mine", dict, group="app.v2")
    assert manager["mine"] is taken
    assert [extension.group for extension in manager.excluded] == ["app.v2"]


def test_load_accepts_a_family(family: None) -> None:
    with pytest.raises(AssertionError, match="this plugin must not be imported"):
        lazyplug.load("app.*", "c")


def test_a_family_without_groups_is_empty(family: None) -> None:
    assert ExtensionManager[Any]("none.*").names() == []
    with pytest.raises(lazyplug.NoMatches, match=r"in group 'none\.\*'"):
        DriverManager[Any]("none.*", "a")


def test_a_package_requires_a_single_group(family: None) -> None:
    with pytest.raises(
        ValueError, match=r"'app\.\*' is a family of groups: expected one"
    ):
        ExtensionManager[Any]("app.*", package="json")


def test_a_name_that_is_requested_twice_at_once_is_added_once(dirs: Path) -> None:
    calls = Calls(lambda manager: manager["two"], at="two")
    manager = EnabledExtensionManager[Any]("g", calls.check)
    calls.manager = manager
    (dirs / "one-1.dist-info" / "entry_points.txt").write_text(
        "[g]\none = plug_one:One\ntwo = plug_two:Two\n"
    )
    assert manager["two"].value == "plug_two:Two"
    assert manager.names() == ["one", "two"]


# ---------------------------------------------------- a test instance that is refreshed


def test_refresh_of_a_driver_test_instance_with_two_candidates_raises(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site({**dist("two", "1", "[g]\na = plug:a\nc = plug:c\n")}))
    manager = DriverManager[Any].make_test_instance([], namespace="g")
    with pytest.raises(lazyplug.MultipleMatches, match="'a'"):
        manager.refresh()


def test_a_test_instance_accepts_names_that_a_refresh_added(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site({**dist("two", "1", "[g]\na = plug:a\nc = plug:c\n")}))
    hooks = lazyplug.HookManager[Any].make_test_instance([], namespace="g")
    hooks.refresh()
    assert [extension.name for extension in hooks["a"]] == ["a", "c"]
    named = NamedExtensionManager[Any].make_test_instance([], namespace="g")
    named.refresh()
    assert named.register("c", object()).name == "c"
