"""Test the managers that select extensions by a check, a filter or names."""

import logging
import re
import sys
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    DispatchExtensionManager,
    EnabledExtensionManager,
    Extension,
    ExtensionManager,
    HookManager,
    Manager,
    NamedExtensionManager,
    NameDispatchExtensionManager,
)
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")
KINDS: list[Any] = [
    EnabledExtensionManager,
    DispatchExtensionManager,
    NameDispatchExtensionManager,
]
PLUGIN = """
class Plugin:
    enabled = {enabled}
    def __init__(self, *args):
        self.args = args
    def call(self, *more):
        return ({name!r}, *self.args, *more)
"""
TRAP = "raise AssertionError('this plugin must not be imported')\n"


@pytest.fixture
def four(site: PlantSite, prepend_path: SetPath) -> None:
    """Install plugins a and b, one that cannot be imported, and one not to import."""
    points = "[g]\na = plug_a:Plugin\nb = plug_b:Plugin\n"
    points += "broken = plug_gone:Plugin\ntrap = plug_trap:Plugin\n"
    prepend_path(
        site(
            {
                "plug_a.py": PLUGIN.format(name="a", enabled=True),
                "plug_b.py": PLUGIN.format(name="b", enabled=False),
                "plug_trap.py": TRAP,
                **dist("plug", "1", points),
            }
        )
    )


def but_trap(extension: Extension[Any]) -> bool:
    return extension.name != "trap"


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("kind", KINDS)
def test_checks_by_name_and_distribution_import_nothing(kind: Any) -> None:
    manager = kind("g", lambda e: e.name != "b" and e.dist.version == "1")
    assert manager.names() == ["a", "broken", "trap"]
    assert "b" not in manager
    assert not [name for name in sys.modules if name.startswith("plug_")]


@pytest.mark.usefixtures("four")
def test_a_check_may_load_a_plugin_and_imports_no_other() -> None:
    manager = EnabledExtensionManager[Any](
        "g", lambda e: e.name in "ab" and e.plugin.enabled
    )
    assert manager.names() == ["a"]
    assert "plug_trap" not in sys.modules


@pytest.mark.usefixtures("four")
def test_an_extension_whose_check_cannot_load_it_is_logged_and_excluded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = EnabledExtensionManager[Any](
        "g", lambda e: but_trap(e) and e.plugin is not None
    )
    assert manager.names() == ["a", "b"]
    failed = "entry point 'broken = plug_gone:Plugin' of .* could not be loaded: "
    assert re.search(failed, caplog.text)


@pytest.mark.usefixtures("four")
def test_an_exception_of_a_check_is_logged_as_a_failed_check(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = EnabledExtensionManager[Any]("g", lambda e: 1 / (e.name != "a") > 0)
    assert manager.names() == ["b", "broken", "trap"]
    failed = "entry point 'a = plug_a:Plugin' of .* could not be checked: "
    assert re.search(failed, caplog.text)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.usefixtures("four")
def test_the_callback_gets_extensions_that_a_check_could_not_load() -> None:
    failures: list[tuple[str, str]] = []
    EnabledExtensionManager[Any](
        "g",
        lambda e: but_trap(e) and e.plugin.enabled,
        on_load_failure_callback=lambda manager, point, error: failures.append(
            (point.name, type(error).__name__)
        ),
    )
    assert failures == [("broken", "ModuleNotFoundError")]


@pytest.mark.usefixtures("four")
def test_map_method_calls_enabled_extensions_with_their_arguments() -> None:
    manager = EnabledExtensionManager[Any](
        "g", lambda e: e.name in "ab", invoke_on_load=True, invoke_args=(1,)
    )
    assert manager.map_method("call", 2) == [("a", 1, 2), ("b", 1, 2)]
    assert isinstance(manager, ExtensionManager)


@pytest.mark.usefixtures("four")
def test_with_lazy_false_all_are_loaded_before_the_check_as_in_stevedore(
    caplog: pytest.LogCaptureFixture,
) -> None:
    checked: list[tuple[str, bool]] = []

    def check(extension: Extension[Any]) -> bool:
        checked.append((extension.name, extension.loaded))
        return True

    manager = EnabledExtensionManager[Any]("g", check, lazy=False)
    assert checked == [("a", True), ("b", True)]
    assert manager.names() == ["a", "b"]
    assert "this plugin must not be imported" in caplog.text


@pytest.mark.usefixtures("four")
def test_dispatch_imports_only_plugins_that_the_filter_accepts() -> None:
    manager = DispatchExtensionManager("g", lambda e: True, invoke_on_load=True)
    assert manager.map(
        lambda e, name: e.name == name, lambda e, name: (e.obj.call(), name), "b"
    ) == [(("b",), "b")]
    assert [n for n in sys.modules if n.startswith("plug_")] == ["plug_b"]


@pytest.mark.usefixtures("four")
def test_dispatch_passes_the_method_name_to_the_filter() -> None:
    calls: list[tuple[Any, ...]] = []

    def passes(extension: Extension[Any], *rest: Any) -> bool:
        calls.append(rest)
        return extension.name == "a"

    manager = DispatchExtensionManager[Any]("g", lambda e: True, True, [7])
    assert manager.map_method(passes, "call", 1) == [("a", 7, 1)]
    assert set(calls) == {("call", 1)}


@pytest.mark.usefixtures("four")
def test_dispatch_skips_a_broken_plugin_that_the_filter_accesses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = DispatchExtensionManager[Any]("g", but_trap)
    assert manager.map(lambda e: e.plugin.enabled, lambda e: e.name) == ["a"]
    assert re.search("entry point 'broken .* could not be loaded: ", caplog.text)


@pytest.mark.usefixtures("four")
def test_an_exception_of_the_dispatch_filter_is_raised() -> None:
    manager = DispatchExtensionManager[Any]("g", but_trap)
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        manager.map(lambda e: bool(1 / 0), lambda e: e.name)


def test_dispatch_in_an_empty_group_raises_no_matches() -> None:
    manager = DispatchExtensionManager[Any]("no.such.group", lambda e: True)
    with pytest.raises(lazyplug.NoMatches, match=r"no extension in group 'no\.such"):
        manager.map(lambda e: True, lambda e: e)


@pytest.mark.usefixtures("four")
def test_dispatch_by_name_imports_only_the_named_plugins_and_keeps_their_order() -> (
    None
):
    manager = NameDispatchExtensionManager("g", lambda e: True, True)
    assert manager.map(["b", "a", "b"], lambda e: e.obj.call()) == [
        ("b",), ("a",), ("b",),
    ]  # fmt: skip
    assert manager.map_method(["a"], "call", 3) == [("a", 3)]
    assert list(manager.by_name) == ["a", "b", "broken", "trap"]
    assert "plug_trap" not in sys.modules


@pytest.mark.usefixtures("four")
def test_dispatch_skips_a_missing_name_and_logs_it_at_debug_level(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "lazyplug")
    manager = NameDispatchExtensionManager[Any]("g", lambda e: True)
    assert manager.map(["none", "a"], lambda e: e.name) == ["a"]
    assert "no extension named 'none' in group 'g'" in caplog.text


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("propagate", [True, False])
def test_an_exception_of_a_dispatched_function_is_logged_or_raised(
    propagate: bool, caplog: pytest.LogCaptureFixture
) -> None:
    manager = NameDispatchExtensionManager[Any](
        "g", lambda e: True, propagate_map_exceptions=propagate
    )

    def fails(extension: Extension[Any]) -> None:
        raise LookupError(extension.name)

    if propagate:
        with pytest.raises(LookupError, match="a"):
            manager.map(["a"], fails)
    else:
        assert manager.map(["a", "b"], fails) == []
        assert caplog.text.count("error calling") == 2


EVERY: list[tuple[Any, tuple[Any, ...]]] = [
    (ExtensionManager, ("g",)),
    (NamedExtensionManager, ("g", ["a"])),
    (HookManager, ("g", "a")),
    *((kind, ("g", but_trap)) for kind in KINDS),
]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(("kind", "arguments"), EVERY)
def test_every_manager_is_a_manager_and_has_test_instances(
    kind: Any, arguments: tuple[Any, ...]
) -> None:
    one: Extension[Any] = Extension("one", None, dict, {"a": 1})
    manager = kind.make_test_instance([one], namespace="x")
    assert isinstance(manager, Manager)
    assert isinstance(kind(*arguments), Manager)
    assert (manager.names(), manager.namespace) == (["one"], "x")
    found: Any = manager["one"]
    assert (found[0] if kind is HookManager else found) is one
    with pytest.raises(lazyplug.NoMatches, match="'two'"):
        manager["two"]


def test_test_instances_can_dispatch() -> None:
    one: Extension[Any] = Extension("one", None, dict, {"a": 1})
    two: Extension[Any] = Extension("two", None, dict, {"b": 2})
    by_filter = DispatchExtensionManager[Any].make_test_instance([one, two])
    assert by_filter.map(lambda e: e is two, lambda e: e.obj) == [{"b": 2}]
    by_name = NameDispatchExtensionManager[Any].make_test_instance([one, two])
    assert by_name.map(["two", "one"], lambda e: e.obj) == [{"b": 2}, {"a": 1}]
