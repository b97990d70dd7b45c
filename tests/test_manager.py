"""Test which extensions managers select, when they import them, and what they log."""

import logging
import re
import sys
import threading
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytest

import lazyplug
from lazyplug import (
    DriverManager,
    Extension,
    ExtensionManager,
    HookManager,
    NamedExtensionManager,
)
from lazyplug.testing import dist, plant
from tests.support.checkout import SOURCES
from tests.support.children import ask
from tests.support.clock import Ticking
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")
TRAP = "raise AssertionError('this plugin must not be imported')\n"
PLUGINS = """
class Base:
    def __init__(self, *args, **kwds):
        self.args, self.kwds = args, kwds
    def name(self, *more):
        return (type(self).__name__, *more)
class One(Base): pass
class Two(Base): pass
class Three(Base): pass
class Broken(Base):
    def __init__(self): raise OSError("broken on purpose")
"""


@pytest.fixture
def three(site: PlantSite, prepend_path: SetPath) -> Path:
    """Install three plugins of one group, in two distributions."""
    directory = site(
        {
            "plug.py": PLUGINS,
            **dist("plug-b", "2", "[g]\none = plug:One\ntwo = plug:Two\n"),
            **dist("plug-a", "1", "[g]\nthree = plug:Three\n"),
        }
    )
    prepend_path(directory)
    return directory


@pytest.fixture
def trapped(site: PlantSite, prepend_path: SetPath) -> None:
    """Install plugins that fail the test when they are imported."""
    prepend_path(
        site(
            {
                "plug.py": TRAP,
                **dist("plug", "1", "[g]\none = plug:One\ntwo = plug:Two\n"),
            }
        )
    )


@pytest.fixture
def twice(site: PlantSite, prepend_path: SetPath) -> None:
    """Install one name in two distributions that are not adjacent."""
    prepend_path(
        site(
            {
                "plug.py": PLUGINS,
                **dist("plug-a", "1", "[g]\nx = plug:One\n"),
                **dist("plug-b", "1", "[g]\ny = plug:Three\n"),
                **dist("plug-c", "2", "[g]\nx = plug:Two\n"),
            }
        )
    )


@pytest.fixture
def broken(site: PlantSite, prepend_path: SetPath) -> None:
    """Install a plugin that works between two that do not."""
    prepend_path(
        site(
            {
                "plug.py": PLUGINS,
                **dist(
                    "plug",
                    "1",
                    "[g]\na = plug_gone:X\nb = plug:One\nc = plug:Missing\n",
                ),
            }
        )
    )


# Listing


def test_extensions_are_ordered_by_distribution_then_by_line(three: Path) -> None:
    manager = ExtensionManager[Any]("g")
    assert manager.names() == ["three", "one", "two"]
    assert [extension.name for extension in manager] == manager.names()
    assert list(dict(manager.items())) == manager.names()
    assert len(manager) == 3
    assert manager.entry_points_names() == manager.names()
    assert [point.name for point in manager.list_entry_points()] == manager.names()
    assert manager.namespace == "g"


def test_creating_listing_and_querying_managers_imports_nothing(trapped: None) -> None:
    for manager in (
        ExtensionManager[Any]("g"),
        NamedExtensionManager[Any]("g", ["one", "two"], name_order=True),
        HookManager[Any]("g", "one"),
        DriverManager[Any]("g", "one", invoke_on_load=True),
    ):
        manager.names()
        list(manager)
        len(manager)
        repr(manager)
        manager.items()
        manager.list_entry_points()
        manager.entry_points_names()
        assert "one" in manager
        assert "three" not in manager
    assert "plug" not in sys.modules


def test_an_empty_manager_is_falsy_and_map_raises_no_matches() -> None:
    manager = ExtensionManager[Any]("no.such.group")
    assert not manager
    assert manager.names() == []
    with pytest.raises(lazyplug.NoMatches, match=r"no extension in group 'no.such"):
        manager.map(lambda extension: extension)


def test_a_manager_can_be_subscripted_without_importing_typing() -> None:
    assert ExtensionManager[int] is ExtensionManager
    assert Extension[int] is Extension
    found = ask(
        "import json, sys, lazyplug\n"
        "class Mine(lazyplug.DriverManager[int]): pass\n"
        "print(json.dumps('typing' in sys.modules))"
    )
    # json itself imports no typing
    assert found is False


def test_an_unknown_name_is_a_key_error_with_similar_names(three: Path) -> None:
    manager = ExtensionManager[Any]("g")
    with pytest.raises(KeyError, match="did you mean 'three'") as caught:
        manager["thre"]
    error = caught.value
    assert isinstance(error, lazyplug.NoMatches)
    assert (error.namespace, error.name) == ("g", "thre")
    assert error.available == ("three", "one", "two")
    assert error.near == ("three",)


# Named


def test_named_extensions_come_in_installed_order_or_in_the_order_of_names(
    three: Path,
) -> None:
    names = ["two", "three"]
    assert NamedExtensionManager[Any]("g", names).names() == ["three", "two"]
    ordered = NamedExtensionManager[Any]("g", names, name_order=True)
    assert ordered.names() == ["two", "three"]
    assert ordered["three"].plugin.__name__ == "Three"
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'one'"):
        ordered["one"]


def test_missing_names_are_logged_or_passed_to_the_callback(
    three: Path, caplog: pytest.LogCaptureFixture
) -> None:
    NamedExtensionManager[Any]("g", ["one", "four", "five"])
    assert "Could not find five, four" in caplog.text
    missing: list[set[str]] = []
    manager = NamedExtensionManager[Any](
        "g",
        ["four", "one"],
        name_order=True,
        on_missing_entrypoints_callback=missing.append,
    )
    assert missing == [{"four"}]
    assert manager.names() == ["one"]
    caplog.clear()
    NamedExtensionManager[Any]("g", ["four"], on_missing_entrypoints_callback=None)
    assert not caplog.text


# Driver and hook


def test_the_driver_is_the_plugin_or_what_its_call_returns(three: Path) -> None:
    assert DriverManager[Any]("g", "one").driver is sys.modules["plug"].One
    driver = DriverManager[Any]("g", "one", True, (1,), {"a": 2}).driver
    assert (driver.args, driver.kwds) == ((1,), {"a": 2})


def test_a_falsy_driver_is_the_instance_and_not_the_class(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(
        site(
            {
                "plug.py": "class Plugin(dict): pass\n",
                **dist("plug", "1", "[g]\nx = plug:Plugin\n"),
            }
        )
    )
    assert DriverManager[Any]("g", "x", invoke_on_load=True).driver == {}


def test_a_driver_manager_can_be_called_with_a_function(three: Path) -> None:
    manager = DriverManager("g", "two", invoke_on_load=True)
    assert manager(lambda extension, more: extension.obj.name(more), 5) == ("Two", 5)


def test_the_error_for_an_unknown_driver_lists_similar_and_available_names(
    three: Path,
) -> None:
    with pytest.raises(
        lazyplug.NoMatches,
        match=r"no extension named 'ones' in group 'g'; did you mean 'one'\?"
        r" Available: 'one', 'three', 'two'\.",
    ):
        DriverManager[Any]("g", "ones")


def test_the_error_of_a_manager_without_extensions_says_why(
    three: Path, site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site(dist("more", "1", "[bad]\nx = plug_gone\n"), "more"))
    named, every = NamedExtensionManager[Any], ExtensionManager[Any]
    for manager, text in (
        (named("g", ["ones"]), r"no extension named 'ones' in group 'g'; did you mean"),
        (named("g", []), r"no extension in group 'g'\.$"),
        (named("bad", ["x"], lazy=False), "'x' in group 'bad' could be loaded: it is"),
        (every("bad", lazy=False), "in group 'bad' is left: the program enabled none"),
        (
            lazyplug.EnabledExtensionManager[Any]("g", lambda _: False),
            "in group 'g' is left: the program enabled none, or they failed to load",
        ),
    ):
        with pytest.raises(lazyplug.NoMatches, match=text):
            manager.map(print)


def test_the_error_for_a_driver_of_an_unknown_group_suggests_similar_groups(
    three: Path, site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site(dist("more", "1", "[my.app.drivers]\nx = plug:One\n"), "more"))
    with pytest.raises(
        lazyplug.NoMatches, match=r"did you mean the group 'my\.app\.drivers'"
    ):
        DriverManager[Any]("my.app.driver", "x")


def test_the_error_in_an_empty_environment_says_so(
    set_path: SetPath, tmp_path: Path
) -> None:
    set_path(tmp_path)
    text = r"no entry points found on sys\.path: is the metadata"
    with pytest.raises(lazyplug.NoMatches, match=text):
        DriverManager[Any]("g", "x")


def test_an_error_mentions_problems_in_the_metadata(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site(dist("plug", "1", "[g]\nbroken line\n")))
    with pytest.raises(lazyplug.NoMatches, match="no '=' in 'broken line'"):
        DriverManager[Any]("g", "x")


def test_the_error_for_two_drivers_of_one_name_names_both_distributions(
    twice: None,
) -> None:
    with pytest.raises(lazyplug.MultipleMatches, match="'x' is declared m") as caught:
        DriverManager[Any]("g", "x")
    text = str(caught.value)
    assert "declared by plug-a 1 in" in text
    assert "declared by plug-c 2 in" in text
    assert isinstance(caught.value, RuntimeError)
    assert [e.value for e in caught.value.extensions] == ["plug:One", "plug:Two"]
    assert "plug" not in sys.modules


def test_a_conflict_resolver_chooses_before_any_import(twice: None) -> None:
    calls: list[Any] = []

    def resolver(namespace: str, name: str, found: list[Any]) -> Any:
        calls.append((namespace, name, [e.value for e in found]))
        return found[0]

    manager = DriverManager[Any]("g", "x", conflict_resolver=resolver)
    assert calls == [("g", "x", ["plug:One", "plug:Two"])]
    assert "plug" not in sys.modules
    assert manager.driver.__name__ == "One"


def test_duplicate_names_are_resolved_whether_or_not_they_are_adjacent(
    twice: None, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ExtensionManager[Any]("g")
    assert manager.names() == ["x", "y", "x"]
    assert manager["x"].value == "plug:Two"
    text = "'x' is declared more than once in group 'g'; the last one is used:\n"
    assert text in caplog.text
    assert "declared by plug-a 1" in caplog.text
    strict = ExtensionManager[Any]("g", conflict_resolver=lazyplug.error_on_conflict)
    with pytest.raises(lazyplug.MultipleMatches, match="'x' is declared more"):
        strict["x"]
    ordered = NamedExtensionManager[Any]("g", ["y", "x"], name_order=True)
    assert [e.value for e in ordered] == ["plug:Three", "plug:Two"]


def test_a_hook_has_all_extensions_of_its_name(twice: None) -> None:
    manager = HookManager[Any]("g", "x", invoke_on_load=True)
    assert [e.value for e in manager["x"]] == ["plug:One", "plug:Two"]
    assert manager.map_method("name", 1) == [("One", 1), ("Two", 1)]
    with pytest.raises(KeyError, match="no extension named 'y'"):
        manager["y"]


def test_a_hook_without_extensions_is_not_an_error(
    twice: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert list(HookManager[Any]("g", "none")) == []
    assert not caplog.text


# Running plugins


def test_map_calls_all_in_order_and_returns_the_results(three: Path) -> None:
    manager = ExtensionManager[Any]("g", invoke_on_load=True)

    def answer(extension: Any, a: int, b: int = 0) -> Any:
        return extension.name, a, b

    answers = manager.map(answer, 1, b=2)
    assert answers == [("three", 1, 2), ("one", 1, 2), ("two", 1, 2)]
    assert manager.map_method("name") == [("Three",), ("One",), ("Two",)]


def test_an_exception_of_a_mapped_function_is_logged_or_propagated(
    three: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail_for_one(extension: Any) -> str:
        if extension.name == "one":
            raise KeyError("inside")
        return str(extension.name)

    assert ExtensionManager[Any]("g").map(fail_for_one) == ["three", "two"]
    assert "error calling entry point 'one = plug:One' of group 'g'" in caplog.text
    with pytest.raises(KeyError, match="inside"):
        ExtensionManager[Any]("g", propagate_map_exceptions=True).map(fail_for_one)


def test_a_broken_extension_is_skipped_and_logged_once_per_process(
    broken: None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        manager = ExtensionManager[Any]("g")
        for _ in range(2):
            assert manager.map(lambda e: e.name) == ["b"]
        assert manager.names() == ["a", "b", "c"]
    for text in ("'a = plug_gone:X'", "'c = plug:Missing'"):
        failed = rf"\bentry point {text} of group 'g', .* could not be loaded: "
        assert len(re.findall(failed, caplog.text)) == 1
    assert "Traceback" not in caplog.text


def test_a_broken_extension_is_logged_with_its_traceback_at_debug_level(
    broken: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="lazyplug")
    ExtensionManager[Any]("g").map(lambda e: e)
    assert "Traceback" in caplog.text


def test_a_broken_extension_is_passed_to_the_callback_once(broken: None) -> None:
    failures: list[Any] = []
    manager = ExtensionManager[Any](
        "g", on_load_failure_callback=lambda *args: failures.append(args)
    )
    manager.map(lambda e: e)
    manager.map(lambda e: e)
    assert [(m, p.name, e.__class__.__name__) for m, p, e in failures] == [
        (manager, "a", "ModuleNotFoundError"),
        (manager, "c", "AttributeError"),
    ]


def test_an_exception_of_the_callback_is_raised(broken: None) -> None:
    def refuse(manager: object, point: object, error: Exception) -> None:
        raise RuntimeError("the host refuses") from error

    manager = ExtensionManager[Any]("g", on_load_failure_callback=refuse)
    with pytest.raises(RuntimeError, match="the host refuses"):
        manager.map(lambda e: e)


def test_a_broken_driver_raises_the_exception_of_its_import(broken: None) -> None:
    manager = DriverManager[Any]("g", "a")
    with pytest.raises(ModuleNotFoundError, match="plug_gone"):
        manager.driver  # noqa: B018
    with pytest.raises(ModuleNotFoundError, match="plug_gone"):
        manager.map(lambda e: e)


def test_a_broken_driver_raises_no_matches_after_the_callback(
    broken: None,
) -> None:
    failures: list[Any] = []
    manager = DriverManager[Any](
        "g", "a", on_load_failure_callback=lambda *args: failures.append(args)
    )
    for _ in range(2):
        with pytest.raises(lazyplug.NoMatches, match="could not be loaded") as caught:
            manager.driver  # noqa: B018
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert len(failures) == 1


# Eager


@pytest.mark.parametrize("how", ["option", "variable"])
def test_eager_managers_load_at_once_and_exclude_failures(
    broken: None,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    options: dict[str, Any] = {}
    if how == "option":
        options["lazy"] = False
    else:
        monkeypatch.setenv("LAZYPLUG_EAGER", "1")
    manager = ExtensionManager[Any]("g", **options)
    assert manager.names() == ["b"]
    assert manager["b"].loaded
    with pytest.raises(KeyError, match="'a'"):
        manager["a"]
    missing: list[Any] = []
    NamedExtensionManager[Any](
        "g", ["a", "b"], on_missing_entrypoints_callback=missing.append, **options
    )
    assert missing == [{"a"}]
    with pytest.raises(ModuleNotFoundError, match="plug_gone"):
        DriverManager[Any]("g", "a", **options)
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'a'"):
        DriverManager[Any](
            "g", "a", on_load_failure_callback=lambda *_: None, **options
        )


def test_eager_managers_call_plugins_at_once(three: Path) -> None:
    manager = ExtensionManager[Any]("g", True, lazy=False)
    assert all("obj" in vars(extension) for extension in manager)


# Protocols


class Interface:
    """What plugins derive from."""


@runtime_checkable
class Speaks(Protocol):
    """What plugins can do."""

    loud: bool

    def name(self) -> object: ...
    def speak(self) -> str: ...


def test_a_plugin_that_is_not_of_the_protocol_class_is_an_error(three: Path) -> None:
    manager = DriverManager[Any]("g", "one", protocol=Interface)
    with pytest.raises(lazyplug.ProtocolMismatch, match="does not fit Interface"):
        manager.driver  # noqa: B018
    with pytest.raises(TypeError, match="declared by plug-b 2 in"):
        manager.driver  # noqa: B018


def test_the_error_lists_the_methods_of_the_protocol_that_a_plugin_lacks(
    three: Path,
) -> None:
    for invoke in (False, True):
        manager = DriverManager[Any]("g", "one", invoke, protocol=Speaks)
        with pytest.raises(
            lazyplug.ProtocolMismatch, match=r"it lacks .*'speak'"
        ) as got:
            manager.driver  # noqa: B018
        # A class cannot show what its instances will have besides methods.
        assert got.value.missing == (("loud", "speak") if invoke else ("speak",))


def test_a_plugin_that_matches_the_protocol_is_the_driver(three: Path) -> None:
    import plug  # type: ignore[import-not-found]

    assert DriverManager[Any]("g", "one", protocol=plug.Base).driver is plug.One
    made = DriverManager[Any]("g", "one", True, protocol=plug.Base).driver
    assert type(made) is plug.One


@pytest.mark.parametrize(
    ("protocol", "words"),
    [(3, "expected a class"), (typing.SupportsInt | None, "expected a class")],
)
def test_a_protocol_that_is_not_a_class_is_an_error_at_once(
    three: Path, protocol: Any, words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        DriverManager[Any]("g", "one", protocol=protocol)


def test_a_protocol_that_cannot_be_checked_is_an_error_at_once(three: Path) -> None:
    class Unchecked(Protocol):
        def name(self) -> object: ...

    with pytest.raises(TypeError, match=r"decorate it with @typing\.runtime_checkable"):
        ExtensionManager[Any]("g", protocol=Unchecked)


# For hosts that come from stevedore


def test_a_test_instance_has_the_extensions_passed_to_it() -> None:
    one: Extension[Any] = Extension("one", None, dict, {"a": 1})
    two: Extension[Any] = Extension("two", None, list, [])
    manager = ExtensionManager[Any].make_test_instance([one, two])
    assert manager.names() == ["one", "two"]
    assert manager.namespace == "TESTING"
    assert manager.map(lambda e: e.obj) == [{"a": 1}, []]
    driver = DriverManager[Any].make_test_instance(one, namespace="x")
    assert driver.driver == {"a": 1}
    assert driver.namespace == "x"
    uncalled: Extension[Any] = Extension("uncalled", None, dict)
    assert DriverManager[Any].make_test_instance(uncalled).driver is dict


def test_an_unknown_option_is_a_type_error(three: Path) -> None:
    # The last two are what stevedore has deprecated.
    for name in ("invoke_onload", "verify_requirements", "warn_on_missing_entrypoint"):
        wrong: dict[str, Any] = {name: True}
        for kind in (
            *(ExtensionManager, DriverManager, NamedExtensionManager, HookManager),
        ):
            arguments: Any = ("g",) if kind is ExtensionManager else ("g", "one")
            with pytest.raises(TypeError, match=name):
                kind(*arguments, **wrong)


def test_options_are_declared_the_same_for_the_type_checker() -> None:
    import ast
    import inspect

    tree = ast.parse((SOURCES / "_types.py").read_text(encoding="utf-8"))
    declared = {
        node.target.id
        for options in ast.walk(tree)
        if isinstance(options, ast.ClassDef) and options.name == "Options"
        for node in options.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    real = {
        name
        for name, parameter in inspect.signature(ExtensionManager).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert declared == real


# A name that was added without a change of its directory


def test_at_level_dirs_a_missing_name_is_looked_up_with_a_full_check(
    three: Path, late_clock: Ticking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any]("g")
    file = three / "plug_a-1.dist-info" / "entry_points.txt"
    file.write_text("[g]\nthree = plug:Three\nfour = plug:One\n")
    lazyplug.invalidate_caches()
    assert ExtensionManager[Any]("g").names() == ["three", "one", "two"]
    assert manager["four"].plugin.__name__ == "One"
    lazyplug.invalidate_caches()
    assert DriverManager[Any]("g", "four").driver.__name__ == "One"
    with pytest.raises(lazyplug.NoMatches, match="'five'"):
        manager["five"]


def test_warnings_as_errors_do_not_turn_a_broken_plugin_into_a_crash(
    broken: None,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ExtensionManager[Any]("g").map(lambda e: e.name) == ["b"]


def test_an_error_names_the_entry_point_once(
    site: PlantSite,
    prepend_path: SetPath,
    caplog: pytest.LogCaptureFixture,
) -> None:
    prepend_path(site(dist("plug", "1", "[g]\nwrong = not-valid\n")))
    manager = ExtensionManager[Any]("g")
    assert manager.map(lambda e: e) == []
    assert caplog.text.count("'wrong = not-valid'") == 1
    with pytest.raises(lazyplug.InvalidEntryPoint, match="not-valid") as caught:
        manager["wrong"].plugin  # noqa: B018
    assert not getattr(caught.value, "__notes__", ())
    with pytest.raises(lazyplug.NoMatches, match=r"in group 'g'\. Available: 'wrong'"):
        manager["other"]


def test_a_failed_call_is_logged_like_a_failed_load(
    three: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(three, dist("plug-c", "3", "[h]\nbroken = plug:Broken\none = plug:One\n"))
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any]("h", invoke_on_load=True)
    assert manager.map(lambda e: e.name) == ["one"]
    assert "OSError: broken on purpose" in caplog.text


def test_a_lookup_while_another_thread_sorts_by_name_finds_everything(
    three: Path,
) -> None:
    manager = ExtensionManager[Any]("g")
    found: list[Extension[Any]] = []

    class Slow(list[Extension[Any]]):
        def __iter__(self) -> Iterator[Extension[Any]]:
            extensions = list[Extension[Any]](super().__iter__())
            yield extensions[0]
            # Another thread has its turn before the first one goes on.
            manager.extensions = extensions
            thread = threading.Thread(target=lambda: found.append(manager["two"]))
            thread.start()
            thread.join()
            yield from extensions[1:]

    manager.extensions = Slow(manager.extensions)
    assert manager["one"].name == "one"
    assert [extension.name for extension in found] == ["two"]
