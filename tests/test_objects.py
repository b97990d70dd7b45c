"""Test the mapping of names to objects, and plugins that decline to be used."""

import logging
import sys
from collections.abc import Callable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyplug
from lazyplug import (
    DriverManager,
    EnabledExtensionManager,
    ExtensionManager,
    MultipleMatches,
    NoMatches,
    error_on_conflict,
    first_on_conflict,
)
from lazyplug.testing import dist, manager_of, plant
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")
NAMES = ["c", "b", "broken", "a", "falsy", "off"]
SKIP = "class Skip(Exception): pass\n"
FILES: dict[str, str] = {
    "plug_host.py": SKIP,
    "plug_a.py": "def A(): return 'the a'\n",
    "plug_b.py": "def B(): return 'the b'\n",
    "plug_c.py": "def C(): return 'the c'\n",
    "plug_falsy.py": "def Falsy(): return 0\n",
    "plug_broken.py": "import not_installed\n",
    "plug_off.py": """
from plug_host import Skip
def Off(): raise Skip('not on this system')
""",
}
GROUP = "[g]\n" + "".join(f"{name} = plug_{name}:{name.title()}\n" for name in NAMES)


@pytest.fixture(autouse=True)
def installed(site: PlantSite, prepend_path: SetPath) -> Path:
    """Install six plugins, each in its own module; the order is that of NAMES."""
    directory = site({**FILES, **dist("plugs", "1", GROUP)})
    prepend_path(directory)
    return directory


def loaded() -> set[str]:
    """Return the names of the plugins whose modules were imported."""
    return {name for name in NAMES if f"plug_{name}" in sys.modules}


def skip() -> type[Exception]:
    """Return the exception by which plugins decline."""
    return __import__("plug_host").Skip  # type: ignore[no-any-return]


def make(**options: Any) -> ExtensionManager[Any]:
    return ExtensionManager("g", invoke_on_load=True, **options)


def test_a_mapping_of_objects_has_those_that_load_in_the_manager_s_order(
    caplog: pytest.LogCaptureFixture,
) -> None:
    objects = make(skip=skip()).objects()
    assert isinstance(objects, Mapping)
    expected = {"c": "the c", "b": "the b", "a": "the a", "falsy": 0}
    assert dict(objects) == expected
    assert [*objects.items()] == [*expected.items()]
    assert len(objects) == 4
    assert objects
    (record,) = caplog.records
    assert "'broken = plug_broken:Broken'" in record.getMessage()


def test_without_a_call_the_objects_are_the_plugins() -> None:
    objects = ExtensionManager[Any]("g").objects()
    assert objects["a"] is sys.modules["plug_a"].A
    assert [*objects] == [name for name in NAMES if name != "broken"]


def test_making_and_printing_a_mapping_of_objects_imports_no_plugin() -> None:
    objects = make().objects(key=attrgetter("name"))
    assert repr(objects) == f"<objects of 'g': {NAMES}>"
    assert loaded() == set()


def test_access_by_a_name_loads_one_plugin() -> None:
    objects = make().objects()
    assert objects["b"] == "the b"
    assert objects.get("falsy", 1) == 0
    assert "a" in objects
    assert loaded() == {"a", "b", "falsy"}


def test_iteration_loads_no_plugin_after_the_one_at_which_it_ends() -> None:
    objects = make().objects()
    assert next(iter(objects.items())) == ("c", "the c")
    assert loaded() == {"c"}
    assert objects
    assert loaded() == {"c"}


def test_a_plugin_that_fails_is_not_in_the_mapping_and_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = make()
    objects = manager.objects()
    for _ in range(2):
        assert "broken" not in objects
        assert objects.get("broken") is None
    text = (
        "^no extension named 'broken' in group 'g' could be loaded: it is declared, but"
        " failed to load. Run `lazyplug check g`.$"
    )
    with pytest.raises(NoMatches, match=text) as raised:
        objects["broken"]
    assert isinstance(raised.value.__cause__, ModuleNotFoundError)
    assert len(caplog.records) == 1
    assert [failure.name for failure in manager.failures] == ["broken"]


@pytest.mark.parametrize("name", ["missing", ""])
def test_a_name_that_is_not_declared_is_not_in_the_mapping(name: str) -> None:
    objects = make().objects()
    assert name not in objects
    assert objects.get(name) is None
    with pytest.raises(NoMatches, match=f"no extension named '{name}' in group 'g'"):
        objects[name]


def test_what_is_no_string_is_not_in_the_mapping() -> None:
    name: Any = 1
    assert name not in make().objects()


def test_the_host_decides_the_order_before_it_is_known_what_loads() -> None:
    order = ["off", "b", "broken"]

    def place(extension: lazyplug.Extension[Any]) -> tuple[int, str]:
        name = extension.name
        return (order.index(name) if name in order else len(order)), name

    objects = make(skip=skip()).objects(key=place)
    names = iter(objects)
    assert next(names) == "b"
    assert loaded() == {"off", "b"}
    assert [*names] == ["a", "c", "falsy"]


@given(st.lists(st.sampled_from(NAMES), unique=True), st.permutations(NAMES))
def test_a_mapping_of_objects_equals_the_dict_that_hosts_build(
    names: list[str], order: list[str]
) -> None:
    plugins: dict[str, Any] = {name: (lambda name=name: name) for name in names}
    if "broken" in plugins:
        plugins["broken"] = "not_installed:x"
    manager = manager_of(ExtensionManager, "g", plugins)
    built = {
        extension.name: extension.plugin
        for extension in sorted(manager, key=lambda each: order.index(each.name))
        if extension.name != "broken"
    }
    objects = manager.objects(key=lambda each: order.index(each.name))
    assert [*objects.items()] == [*built.items()]
    assert len(objects) == len(built)
    assert bool(objects) == bool(built)
    assert [name in objects for name in NAMES] == [name in built for name in NAMES]


def test_a_failure_goes_to_the_host_s_callback_instead_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reported: list[str] = []

    def warn(_: Any, entry_point: Any, error: Exception) -> None:
        reported.append(f"{entry_point.name}: {error}")

    objects = make(on_load_failure_callback=warn, skip=skip()).objects()
    assert [*objects] == [*objects] == ["c", "b", "a", "falsy"]
    assert reported == ["broken: No module named 'not_installed'"]
    assert not caplog.records


def test_with_the_policy_error_iteration_raises_what_the_plugin_raised() -> None:
    names = iter(make(on_failure="error").objects())
    assert [next(names), next(names)] == ["c", "b"]
    with pytest.raises(ModuleNotFoundError, match="not_installed"):
        next(names)


def test_a_mapping_of_objects_is_a_view() -> None:
    manager = make()
    objects = manager.objects()
    manager.register("new", lambda: "the new")
    assert [*objects][-1] == "new"
    assert objects["new"] == "the new"


def test_a_mapping_has_only_what_the_manager_s_check_enables() -> None:
    manager = EnabledExtensionManager[Any]("g", lambda each: each.name < "b")
    assert [*manager.objects()] == ["a"]
    assert loaded() == {"a"}


@pytest.mark.usefixtures("installed")
def test_names_that_are_declared_twice_are_resolved(tmp_path: Path) -> None:
    site = {
        "plug_other.py": "def A(): return 'another a'\n",
        **dist("zz", "1", "[g]\na = plug_other:A\n"),
    }
    plant(tmp_path, site)
    sys.path.append(str(tmp_path))
    lazyplug.refresh()
    try:
        assert make().objects()["a"] == "another a"
        first = make(conflict_resolver=first_on_conflict).objects()
        assert first["a"] == dict(first)["a"] == "the a"
        unresolved = make(conflict_resolver=error_on_conflict).objects()
        assert "a" not in unresolved
        assert "a" not in [*unresolved]
        with pytest.raises(MultipleMatches, match="'a' is declared more than once"):
            unresolved["a"]
    finally:
        sys.path.remove(str(tmp_path))


# ---- Plugins that decline ----


def test_a_plugin_that_declines_is_excluded_and_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    manager = make(skip=skip(), on_failure="ignore")
    with caplog.at_level(logging.DEBUG, "lazyplug"):
        names = manager.map(attrgetter("name"))
        manager.map(attrgetter("name"))
    assert names == ["c", "b", "a", "falsy"]
    reason = "excluded because it raised Skip: not on this system"
    assert manager.excluded == {manager["off"]: reason}
    assert [failure.name for failure in manager.failures] == ["broken"]
    (record,) = caplog.records
    assert record.levelno == logging.DEBUG
    assert record.getMessage().endswith(reason)


def test_a_plugin_that_declines_on_access_is_no_failure() -> None:
    manager = make(skip=skip())
    with pytest.raises(skip(), match="not on this system"):
        manager["off"].obj  # noqa: B018
    assert manager.failures == []


def test_a_plugin_that_declines_does_not_raise_with_the_policy_error() -> None:
    manager = make(skip=(OSError, skip()), on_failure="error")
    assert "off" not in manager.objects()


def test_a_plugin_that_declines_is_not_passed_to_the_callback() -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    manager = make(skip=skip(), on_load_failure_callback=fail)
    assert "off" not in manager.objects()


def test_asking_for_a_plugin_that_declined_says_why() -> None:
    text = (
        r"(?s)no extension named 'off' in group 'g' is enabled:\n  entry point .*"
        r"line \d: excluded because it raised Skip: not on this system"
    )
    with pytest.raises(NoMatches, match=text) as raised:
        make(skip=skip()).objects()["off"]
    assert type(raised.value.__cause__) is skip()


def test_an_eager_manager_does_not_have_a_plugin_that_declined() -> None:
    manager = make(skip=skip(), lazy=False, on_failure="ignore")
    assert manager.names() == ["c", "b", "a", "falsy"]
    assert [each.name for each in manager.excluded] == ["off"]


def test_a_plugin_that_declined_is_asked_again_after_a_refresh(
    installed: Path,
) -> None:
    manager = make(skip=skip())
    assert "off" not in manager.objects()
    sys.modules["plug_off"].Off.__code__ = (lambda: "the off").__code__
    assert "off" not in manager.objects()
    (installed / "plug_late.py").touch()
    manager.refresh()
    assert manager.objects()["off"] == "the off"
    assert manager.excluded == {}


def test_a_check_may_find_that_a_plugin_declines() -> None:
    def check(extension: lazyplug.Extension[Any]) -> bool:
        return extension.obj is not None

    manager = EnabledExtensionManager[Any](
        "g", check, invoke_on_load=True, skip=skip(), on_failure="ignore"
    )
    assert manager.names() == ["c", "b", "a", "falsy"]
    assert [each.name for each in manager.excluded] == ["off"]


def test_a_driver_that_declines_raises_its_exception() -> None:
    manager = DriverManager[Any]("g", "off", invoke_on_load=True, skip=skip())
    with pytest.raises(skip(), match="not on this system"):
        manager.driver  # noqa: B018
    with pytest.raises(skip(), match="not on this system"):
        manager(attrgetter("name"))


@pytest.mark.parametrize("value", ["Skip", KeyboardInterrupt, (OSError, 1), None])
def test_skip_must_be_exception_classes(value: Any) -> None:
    text = "is not a valid skip: expected an exception class, or a tuple of them$"
    with pytest.raises(TypeError, match=text):
        make(skip=value)


# ---- Methods, where nothing is called ----


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("ExtensionManager", ()),
        ("DispatchExtensionManager", (lambda *_: True,)),
        ("NameDispatchExtensionManager", (["a"],)),
    ],
)
def test_map_method_says_what_is_missing_where_no_plugin_is_called(
    kind: str, first: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    make_manager: Callable[..., Any] = getattr(lazyplug, kind)
    check = () if kind == "ExtensionManager" else (lambda _: True,)
    manager = make_manager("g", *check)
    text = (
        "no extension of 'g' has one: create the manager with invoke_on_load=True, or"
    )
    with pytest.raises(ValueError, match=text):
        manager.map_method(*first, "upper")
    assert not caplog.records
    assert loaded() == set()
    assert make_manager("g", *check, invoke_on_load=True).map_method(*first, "upper")
