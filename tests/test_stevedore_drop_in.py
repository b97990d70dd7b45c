"""Test that programs print the same on the drop-in as on stevedore."""

import io
import json
import logging
import os
import re
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import lazyplug
from lazyplug.compat import stevedore
from lazyplug.compat.stevedore import _install
from lazyplug.testing import dist, plant
from tests.support.children import ask, python
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules", "empty_entry_point_cache")

ROOT = Path(__file__).parent.parent
PLUGINS = """
class Base:
    def __init__(self, *args, **kwds):
        self.args, self.kwds = args, kwds
    def hello(self, *more, **kwds):
        return (type(self).__name__, self.args, self.kwds, more, kwds)
class One(Base):
    "The first one."
class Two(Base):
    "The second one,\\n\\nwhich has more to say."
class Three(Base): pass
class Grumpy(Base):
    def hello(self, *more): raise OSError("not today")
class Outer:
    class Inner(Base): pass
class Broken(Base):
    def __init__(self): raise OSError("broken on purpose")
class Asserting(Base):
    def __init__(self): raise AssertionError("what must hold does not")
class Interrupting(Base):
    def __init__(self): raise KeyboardInterrupt
class Empty(Base):
    def __len__(self): return 0
def function(*args): return ("called", args)
number = 3
"""
POINTS = """
[good]
one = plug_app:One
two = plug_app:Two
three = plug_app:Three
[mixed]
one = plug_app:One
gone = plug_gone:Anything
lacks = plug_app:Lacking
broken = plug_app:Broken
grumpy = plug_app:Grumpy
two = plug_app:Two
[neighbors]
x = plug_app:One
x = plug_app:Two
y = plug_app:Three
[apart]
x = plug_app:One
y = plug_app:Three
x = plug_app:Two
[apart.plain]
x = plug_app
y = plug_app:Three
x = plug_app:number
[module]
app = plug_app
inner = plug_app:Outer.Inner
[extras]
one = plug_app:One [fast, safe]
[asserting]
one = plug_app:One
asserting = plug_app:Asserting
[interrupting]
interrupting = plug_app:Interrupting
[empty]
empty = plug_app:Empty
"""
TREE = {"plug_app.py": PLUGINS, **dist("plug-app", "1.5", POINTS)}
# Not in TREE: Python 3.15 would not read the rest of that directory either.
BAD = dist("plug-bad", "1", "[bad]\nbad = plug app\n")

# Before each program: prints what stevedore or the drop-in logs.
PRINTING = """
import logging, sys, warnings
class Printing(logging.Handler):
    def emit(self, record):
        traceback = bool(record.exc_info)
        print(record.levelname, record.name, record.getMessage(), traceback)
logging.getLogger("stevedore._cache").propagate = False
logging.getLogger("stevedore").handlers = [Printing()]
logging.getLogger("stevedore").setLevel(logging.DEBUG)
def shown(call, *args, **kwds):
    try:
        print(call(*args, **kwds))
    except BaseException as error:
        print(type(error).__name__, isinstance(error, RuntimeError), error)
def report(*args):
    *manager, error = args
    print("reported", *(getattr(a, "name", type(a).__name__) for a in manager), error)
"""
# So that no stat signature is racy.
AN_HOUR_LATER = """
import time
from lazyplug._files import fs
fs.clock = lambda: time.time_ns() + 3_600_000_000_000
"""
INSTALL = "import lazyplug.compat.stevedore as _drop_in; _drop_in.install()\n"

PROGRAMS = {
    "all extensions of a namespace": """
        from stevedore import ExtensionManager
        manager = ExtensionManager("good")
        print(manager.names(), manager.namespace, manager.propagate_map_exceptions)
        for extension in manager:
            point = extension.entry_point
            print(extension.name, extension.plugin, extension.obj, point)
            print(extension.module_name, extension.attr, extension.entry_point_target)
            print(point.name, point.value, point.group, point.module, point.attr)
            print(point.load() is extension.plugin)
        print("one" in manager, "four" in manager, manager["two"].name)
        print([(name, found.name) for name, found in manager.items()])
        shown(manager.__getitem__, "four")
        print(manager.list_entry_points())
        print(manager.entry_points_names())
    """,
    "plugins that fail": """
        from stevedore.extension import ExtensionManager
        manager = ExtensionManager("mixed", invoke_on_load=True)
        print(manager.names(), manager.entry_points_names())
        logging.getLogger("stevedore").setLevel(logging.INFO)
        print(ExtensionManager("mixed").names())
        manager = ExtensionManager("mixed", on_load_failure_callback=report)
        print(manager.names(), manager._on_load_failure_callback is report)
        def raising(manager, point, error):
            raise
        shown(ExtensionManager, "mixed", on_load_failure_callback=raising)
    """,
    "a name that is declared twice, side by side": """
        from stevedore import extension
        def first(namespace, name, extensions):
            print("asked", namespace, name, [e.plugin for e in extensions])
            return extensions[0]
        manager = extension.ExtensionManager("neighbors", conflict_resolver=first)
        print(manager.names(), [e.plugin for e in manager])
        print(manager["x"].plugin, manager["x"].plugin, len(manager.items()))
        print(manager._conflict_resolver is first)
        logging.getLogger("stevedore").setLevel(logging.ERROR)
        print(extension.ExtensionManager("neighbors")["x"].plugin)
        erring = extension.error_on_conflict
        manager = extension.ExtensionManager("neighbors", conflict_resolver=erring)
        try:
            manager["x"]
        except extension.MultipleMatches as error:
            text, _, _ = str(error).partition(":")
            print(isinstance(error, RuntimeError), text)
    """,
    "a module as a plugin": """
        from stevedore import driver, extension
        manager = extension.ExtensionManager("module")
        print([(e.plugin.__name__, e.module_name, e.attr) for e in manager])
        print(driver.DriverManager("module", "app").driver.__name__)
        print(driver.DriverManager("module", "inner").driver.__qualname__)
    """,
    "extras in the value": """
        from stevedore import extension
        found = extension.ExtensionManager("extras")["one"]
        print(found.entry_point_target, found.entry_point.extras, found.attr)
        print(found.plugin, found.module_name)
    """,
    "a namespace that does not exist": """
        from stevedore import dispatch, driver, enabled, extension, hook, named
        print(extension.ExtensionManager("none").names())
        print(named.NamedExtensionManager("none", ["a"]).names())
        print(hook.HookManager("none", "a").names())
        print(enabled.EnabledExtensionManager("none", print).names())
        print(extension.ExtensionManager("none").list_entry_points())
        manager = extension.ExtensionManager("none")
        print(not manager, bool(manager), list(manager), "a" in manager)
        shown(manager.map, print)
        shown(manager.map_method, "hello")
        shown(driver.DriverManager, "none", "a")
        shown(dispatch.DispatchExtensionManager("none", print).map, print, print)
        shown(dispatch.NameDispatchExtensionManager("none", print).map, ["a"], print)
    """,
    "names": """
        from stevedore import NamedExtensionManager
        def missing(names):
            print("missing", sorted(names))
        manager = NamedExtensionManager("good", ["three", "one", "two"])
        print(manager.names(), manager._names, manager._missing_names)
        manager = NamedExtensionManager("good", ["three", "one"], name_order=True)
        print(manager.names(), manager._name_order)
        names = ("two", "gone", "absent", "one")
        for order in (True, False):
            manager = NamedExtensionManager(
                "mixed", names, name_order=order,
                on_missing_entrypoints_callback=missing,
            )
            print(manager.names(), sorted(manager._missing_names))
        manager = NamedExtensionManager(
            "mixed", names, on_missing_entrypoints_callback=None,
            on_load_failure_callback=report,
        )
        print(manager.names(), manager._on_missing_entrypoints_callback)
        print(NamedExtensionManager("good", ["absent"]).names())
        print(NamedExtensionManager("good", set()).names())
    """,
    "one driver": """
        from stevedore import driver
        manager = driver.DriverManager("good", "one")
        print(manager.driver, manager.names(), manager._names)
        print(manager(lambda extension, *a, **k: (extension.name, a, k), 1, b=2))
        print(manager(lambda extension: 1 / 0))
        print(driver.DriverManager("extras", "one").driver)
        shown(driver.DriverManager, "good", "absent")
        shown(driver.DriverManager, "mixed", "gone")
        shown(driver.DriverManager, "mixed", "lacks")
        shown(driver.DriverManager, "mixed", "broken", invoke_on_load=True)
        shown(driver.DriverManager, "mixed", "gone", on_load_failure_callback=report)
        try:
            driver.DriverManager("neighbors", "x")
        except RuntimeError as error:
            print(type(error).__name__, str(error).partition(":")[0])
        def first(namespace, name, extensions):
            return extensions[0]
        print(driver.DriverManager("neighbors", "x", conflict_resolver=first).driver)
    """,
    "arguments of the call": """
        from stevedore import driver, extension, hook
        for args in (["a"], ("a",), None, ()):
            one = driver.DriverManager("good", "one", True, args, {"b": 1}).driver
            print(one.args, one.kwds)
        for args in (["a", "b"], None):
            manager = extension.ExtensionManager(
                "good", invoke_on_load=True, invoke_args=args, invoke_kwds=None
            )
            print([(e.obj.args, e.obj.kwds) for e in manager])
        print(extension.ExtensionManager("good", invoke_args=("a",))["one"].obj)
        print(hook.HookManager("good", "two", True, ["a"], {"b": 2})["two"][0].obj.args)
        print(driver.DriverManager("mixed", "grumpy", True).driver.args)
    """,
    "hooks": """
        from stevedore import hook
        manager = hook.HookManager("neighbors", "x", invoke_on_load=True)
        print(manager.names(), manager._name, [e.plugin for e in manager["x"]])
        print(manager.map_method("hello", 1))
        shown(manager.__getitem__, "y")
        print(hook.HookManager("neighbors", "absent").names())
        def missing(names):
            print("missing", names)
        hook.HookManager("good", "absent", on_missing_entrypoints_callback=missing)
        hook.HookManager("mixed", "gone", on_load_failure_callback=report)
    """,
    "enabled extensions": """
        from stevedore import enabled
        def check(extension):
            print("check", extension.name, extension.plugin, extension.obj)
            return extension.name != "two"
        manager = enabled.EnabledExtensionManager("good", check)
        print(manager.names(), manager.check_func is check)
        print(manager.entry_points_names())
        manager = enabled.EnabledExtensionManager("mixed", lambda e: 1 / 0)
        print(manager.names())
        manager = enabled.EnabledExtensionManager(
            "good", lambda e: e.obj.args, True, ("a",), propagate_map_exceptions=True
        )
        print(manager.names())
        shown(manager.map, lambda extension: 1 / 0)
    """,
    "dispatch by a test": """
        from stevedore.dispatch import DispatchExtensionManager
        manager = DispatchExtensionManager("good", lambda e: e.name != "two", True)
        def wanted(extension, *args, **kwds):
            print("wanted?", extension.name, args, kwds)
            return extension.name == "three"
        def answer(extension, *args, **kwds):
            return extension.name, args, kwds
        print(manager.names(), manager.map(wanted, answer, 1, b=2))
        print(manager.map_method(wanted, "hello", 1, b=2))
        print(manager.map(wanted, lambda extension, *args: 1 / 0))
        shown(manager.map, lambda extension: 1 / 0, answer)
        manager = DispatchExtensionManager("mixed", bool, True)
        print(manager.map_method(lambda extension, *args: True, "hello"))
    """,
    "dispatch by name": """
        from stevedore.dispatch import NameDispatchExtensionManager
        manager = NameDispatchExtensionManager("good", lambda e: e.name != "two", True)
        def answer(extension, *args, **kwds):
            return extension.name, args, kwds
        print(sorted(manager.by_name), manager.by_name["one"] is manager["one"])
        print(manager.map(["three", "two", "absent", "one"], answer, 1, b=2))
        print(manager.map_method(("three", "absent"), "hello", 1))
        print(manager.map(["one"], lambda extension: 1 / 0))
        manager = NameDispatchExtensionManager(
            "good", bool, propagate_map_exceptions=True
        )
        shown(manager.map, ["one"], lambda extension: 1 / 0)
    """,
    "map and map_method": """
        from stevedore import extension
        manager = extension.ExtensionManager("mixed", invoke_on_load=True)
        def answer(extension, *args, **kwds):
            if extension.name == "grumpy":
                raise ValueError("not that one")
            return extension.name, args, kwds
        print(manager.map(answer, 1, b=2))
        print(manager.map_method("hello", 1))
        print(manager.map_method("absent"))
        manager.propagate_map_exceptions = True
        shown(manager.map, answer)
        shown(manager.map_method, "hello")
        def interrupted(extension):
            raise KeyboardInterrupt("by hand")
        manager.propagate_map_exceptions = False
        shown(manager.map, interrupted)
        print(manager.map(lambda extension: extension.missing))
    """,
    "what interrupts, and AssertionError": """
        from stevedore import driver, extension
        def keep(*args):
            print("never called")
        for namespace in ("asserting", "interrupting"):
            for callback in (None, keep):
                shown(
                    extension.ExtensionManager, namespace, True,
                    on_load_failure_callback=callback,
                )
        shown(driver.DriverManager, "interrupting", "interrupting", True)
        shown(driver.DriverManager, "asserting", "asserting", True)
    """,
    "managers for tests": """
        from stevedore import dispatch, driver, enabled, extension, hook, named
        point = extension.ExtensionManager("good")["one"].entry_point
        def made(name):
            return extension.Extension(name, point, name.upper(), None)
        several = [made("b"), made("a"), made("b")]
        for kind in (
            extension.ExtensionManager, named.NamedExtensionManager, hook.HookManager,
            enabled.EnabledExtensionManager, dispatch.DispatchExtensionManager,
        ):
            manager = kind.make_test_instance(several)
            print(kind.__name__, type(manager) is kind, manager.extensions is several)
            print(manager.names(), manager.namespace, manager.propagate_map_exceptions)
            print(manager._on_load_failure_callback, hasattr(manager, "_names"))
            manager = kind.make_test_instance(
                several[:1], "namespace", True, report,
                conflict_resolver=extension.error_on_conflict,
            )
            print(manager.namespace, manager.propagate_map_exceptions)
            print(manager._on_load_failure_callback is report, manager.names())
            print(manager["b"] in ([several[0]], several[0]))
        kind = dispatch.NameDispatchExtensionManager
        manager = kind.make_test_instance(several[:2])
        print(manager.by_name == {"a": several[1], "b": several[0]})
        print(manager.map(["a"], lambda extension: extension.plugin))
        manager = named.NamedExtensionManager.make_test_instance(several)
        print(manager._names, manager._missing_names, manager._name_order)
        manager = driver.DriverManager.make_test_instance(several[0])
        print(manager.driver, manager.names(), manager.namespace, manager._names)
        print(manager(lambda extension: extension.name))
        manager = driver.DriverManager.make_test_instance(
            extension.Extension("a", point, "plugin", "object"), "namespace"
        )
        print(manager.driver, manager.namespace)
        manager._init_plugins(several[:1])
        print(manager.driver)
        shown(manager._init_plugins, [])
        shown(hook.HookManager.make_test_instance([]).names)
        extension.Extension("name", None, "plugin", None)
        shown(extension.Extension, "name", None, "plugin")
        shown(extension.Extension, "name")
    """,
    "deprecated parameters": """
        from stevedore import driver, extension, hook, named
        def warned(call, *args, **kwds):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = call(*args, **kwds)
            for each in caught:
                text = str(each.message)
                print(each.category.__name__, text[:44], found.names())
        for value in (True, False, None):
            warned(extension.ExtensionManager, "good", verify_requirements=value)
            warned(
                named.NamedExtensionManager, "good", ["a"], verify_requirements=value
            )
            warned(
                named.NamedExtensionManager, "good", ["a"],
                warn_on_missing_entrypoint=value,
            )
            warned(hook.HookManager, "good", "a", warn_on_missing_entrypoint=value)
            warned(
                driver.DriverManager, "good", "one", warn_on_missing_entrypoint=value
            )
            warned(
                extension.ExtensionManager.make_test_instance, [],
                verify_requirements=value,
            )
            one = extension.ExtensionManager("good")["one"]
            warned(
                driver.DriverManager.make_test_instance, one, verify_requirements=value
            )
    """,
    "the cache of entry points": """
        from stevedore import _cache, driver, extension
        cache = extension.ExtensionManager.ENTRY_POINT_CACHE
        print(cache, driver.DriverManager.ENTRY_POINT_CACHE is cache)
        first = extension.ExtensionManager("good")
        print(list(cache), cache["good"] is first.list_entry_points())
        def trap(*args):
            raise AssertionError("must not be asked again")
        original, _cache.get_group_all = _cache.get_group_all, trap
        second = extension.ExtensionManager("good")
        print(second["one"].entry_point is first["one"].entry_point)
        cache["nothing"] = []
        print(extension.ExtensionManager("nothing").names())
        class Own(extension.ExtensionManager):
            ENTRY_POINT_CACHE = {"good": cache["good"][:1]}
        print(Own("good").names())
        _cache.get_group_all = original
        print(Own("extras").names(), sorted(cache), sorted(Own.ENTRY_POINT_CACHE))
    """,
    "the functions of _cache": """
        from stevedore import _cache
        print(_cache.get_group_all("good"), type(_cache.get_group_all("good")).__name__)
        print(_cache.get_group_all("none"), _cache.get_group_named("none"))
        print(_cache.get_group_named("neighbors"))
        print(_cache.get_single("good", "one"))
    """,
    "subclasses that override": """
        from stevedore import driver, extension, named
        class Listing(extension.ExtensionManager):
            def list_entry_points(self):
                return super().list_entry_points()[:2]
        print(Listing("good").names(), Listing("good").entry_points_names())
        class LoadingOne(named.NamedExtensionManager):
            def _load_one_plugin(self, ep, *args, **kwds):
                print("loading", ep.name, args, kwds)
                return super()._load_one_plugin(ep, *args, **kwds)
        print(LoadingOne("good", ["one"], True, ["a"], {"b": 1}).names())
        class Loading(driver.DriverManager):
            def _load_plugins(self, invoke_on_load, invoke_args, invoke_kwds):
                print("loading", invoke_on_load, invoke_args, invoke_kwds)
                return super()._load_plugins(invoke_on_load, invoke_args, invoke_kwds)
        print(Loading("good", "one").driver)
        class Nothing(extension.ExtensionManager):
            def _load_plugins(self, *args, **kwds):
                return []
        print(Nothing("good").names())
        class Reversed(extension.ExtensionManager):
            def _init_plugins(self, extensions):
                super()._init_plugins(extensions[::-1])
                self.ready = True
        print(Reversed("good").names(), Reversed.make_test_instance([]).ready)
        class Invoking(extension.ExtensionManager):
            def _invoke_one_plugin(self, response_callback, func, e, *args, **kwds):
                print("invoking", e.name, args, kwds)
                super()._invoke_one_plugin(response_callback, func, e, *args, **kwds)
        print(Invoking("good").map(lambda extension, *args, **kwds: args, 1, b=2))
        class Calling(extension.ExtensionManager):
            @staticmethod
            def _call_extension_method(extension, /, method_name, *args, **kwds):
                return method_name, args, kwds
        print(Calling("good").map_method("anything", 1, b=2))
        class Forgiving(driver.DriverManager):
            @staticmethod
            def _default_on_load_failure(manager, ep, err):
                print("forgiven", ep.name, err)
        shown(Forgiving, "mixed", "gone")
    """,
    "extensions by name, read and changed": """
        from stevedore import extension
        manager = extension.ExtensionManager("good")
        print(manager._extensions_by_name_cache, sorted(manager._extensions_by_name))
        manager._extensions_by_name["more"] = manager["one"]
        print(manager["more"].name, "more" in manager, len(manager.items()))
        manager._extensions_by_name_cache = {"only": manager["two"]}
        print(manager["only"].name, list(manager._extensions_by_name))
        manager._extensions_by_name_cache = None
        manager.extensions.append(extension.Extension("late", None, "plugin", None))
        print(sorted(manager._extensions_by_name), manager["late"].plugin)
    """,
    "type parameters and type names at run time": """
        from typing import Any, Generic, Optional, TypeVar
        from stevedore import dispatch, driver, enabled, extension, hook, named
        from stevedore.driver import OnLoadFailureCallbackT
        from stevedore.named import OnMissingEntrypointsCallbackT
        from stevedore.extension import ConflictResolverT, P, T, U
        V = TypeVar("V")
        for kind in (
            extension.Extension, extension.ExtensionManager, hook.HookManager,
            named.NamedExtensionManager, enabled.EnabledExtensionManager,
            driver.DriverManager, dispatch.DispatchExtensionManager,
            dispatch.NameDispatchExtensionManager,
        ):
            class Own(kind[V]): pass
            class Both(kind[V], Generic[V]): pass
            class OfInt(kind[int]): pass
            print(Own.__mro__[1].__name__, issubclass(OfInt, kind), Own[str] is not Own)
            print(kind[int].__origin__ is kind, kind[int].__args__)
        print(extension.ExtensionManager[Any]("good").names())
        class Mine(driver.DriverManager[T]): pass
        print(Mine("good", "one").driver, Mine[int]("good", "two").driver)
        def function(
            one: Optional[OnLoadFailureCallbackT], two: OnMissingEntrypointsCallbackT,
            three: ConflictResolverT[int], four: "ExtensionManager[Any]",
        ) -> None: pass
        print(sorted(function.__annotations__), T.__name__, U.__name__, P.__name__)
    """,
    "loggers": """
        import stevedore
        from stevedore import dispatch, enabled, extension, named
        root = logging.getLogger("stevedore")
        print(stevedore.LOG is root, [type(h).__name__ for h in root.handlers])
        for module in (dispatch, enabled, extension, named):
            print(module.LOG.name)
        extension.LOG.warning("%s logged", "this")
        named.warning_on_missing_entrypoint(["only one"])
    """,
    "an import of the package only": """
        import stevedore
        for name in ("driver", "enabled", "exception", "extension", "hook", "named"):
            found = getattr(stevedore, name)
            print(name, found.__name__.rpartition(".")[2])
            print(found is __import__("stevedore." + name, fromlist=("",)))
        print(sorted(stevedore.__all__))
        for name in sorted(stevedore.__all__):
            print(getattr(stevedore, name).__name__)
        from stevedore import *
        print(DriverManager is stevedore.driver.DriverManager)
        print(hasattr(stevedore, "nothing"))
        shown(lambda: stevedore.named.NamedExtensionManager("good", ["one"]).names())
    """,
    "errors": """
        from stevedore import exception
        for kind in (exception.NoMatches, exception.MultipleMatches):
            error = kind("a 'quoted' text")
            print(error, error.args, isinstance(error, RuntimeError))
            print(issubclass(kind, exception.NoUniqueMatch), kind.__name__)
        print(repr(exception.NoUniqueMatch("text")))
    """,
    "signatures": """
        import inspect
        from stevedore import _cache, dispatch, driver, enabled, extension, hook, named
        def described(function):
            for each in inspect.signature(function).parameters.values():
                default = getattr(each.default, "__name__", each.default)
                yield each.name, each.kind.name, default
        kinds = (
            extension.Extension, extension.ExtensionManager, hook.HookManager,
            named.NamedExtensionManager, enabled.EnabledExtensionManager,
            driver.DriverManager, dispatch.DispatchExtensionManager,
            dispatch.NameDispatchExtensionManager,
        )
        names = (
            "__call__ __contains__ __getitem__ __iter__ _call_extension_method"
            " _default_on_load_failure _init_plugins _invoke_one_plugin"
            " _load_one_plugin _load_plugins entry_points_names items"
            " list_entry_points make_test_instance map map_method names"
        ).split()
        for kind in kinds:
            for name in names:
                if hasattr(kind, name):
                    print(kind.__name__, name, *described(getattr(kind, name)))
            # The last one takes one more here: see the differences.
            if kind is not kinds[-1]:
                print(kind.__name__, *described(kind))
        for function in (
            extension.ignore_conflicts, extension.error_on_conflict,
            named.warning_on_missing_entrypoint,
            _cache.get_group_all, _cache.get_group_named, _cache.get_single,
        ):
            print(function.__name__, *described(function))
    """,
}

ROWS: set[str] = set()


def row(*titles: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test as that of these rows of the table in docs/stevedore-drop-in.md."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        ROWS.update(titles)
        return test

    return mark


@pytest.fixture
def empty_entry_point_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give all managers an empty cache of entry points."""
    managers = stevedore.ExtensionManager
    monkeypatch.setattr(managers, "ENTRY_POINT_CACHE", {})


@pytest.fixture
def app(site: PlantSite, prepend_path: SetPath) -> Path:
    """Install the plugins of this file."""
    directory = site(TREE)
    prepend_path(directory)
    return directory


@pytest.fixture
def installed() -> Iterator[None]:
    """Install the drop-in in this process, and remove it afterwards."""
    before = {name: sys.modules.pop(name) for name in real_modules()}
    finders = sys.meta_path[:]
    stevedore.install()
    yield
    sys.meta_path[:] = finders
    for name in real_modules():
        del sys.modules[name]
    sys.modules.update(before)


def real_modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "stevedore"]


@pytest.fixture
def restored_loggers() -> Iterator[None]:
    """Put the loggers back as they were."""
    loggers = [logging.getLogger("stevedore"), logging.getLogger("stevedore._cache")]
    before = [(each.level, each.handlers, each.propagate) for each in loggers]
    yield
    for each, (level, handlers, propagate) in zip(loggers, before):
        each.setLevel(level)
        each.handlers, each.propagate = handlers, propagate


def child(tmp_path: Path, *directories: "Path | str") -> dict[str, Any]:
    """Return the options of a child that finds these directories first."""
    path = [*map(str, directories), os.environ.get("PYTHONPATH", "")]
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    variables = {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "XDG_CACHE_HOME": str(home),
    }
    return {"env": variables, "cwd": home}


def printed(program: str, options: dict[str, Any]) -> str:
    return python("-c", program, **options).stdout


def printed_by_both(program: str, options: dict[str, Any]) -> tuple[str, str]:
    """Return what a program prints with stevedore, and what with the drop-in."""
    program = PRINTING + dedent(program)
    return printed(program, options), printed(INSTALL + program, options)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.once
def test_a_program_prints_the_same_with_the_drop_in_as_with_stevedore(
    program: str, app: Path, tmp_path: Path
) -> None:
    real, ours = printed_by_both(program, child(tmp_path, app))
    assert real
    assert ours == real


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.once
def test_a_lazy_program_prints_the_same_as_an_eager_one_cold_and_warm(
    site: PlantSite, tmp_path: Path, program: str
) -> None:
    options = child(tmp_path, site(TREE))
    program = PRINTING + dedent(program)
    eager = printed(AN_HOUR_LATER + INSTALL + program, options)
    lazy = AN_HOUR_LATER + INSTALL.replace("install()", "install(lazy=True)") + program
    assert [printed(lazy, options) for _ in range(2)] == [eager] * 2


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_every_program_runs_with_the_drop_in_installed_late(
    program: str, app: Path, installed: None, restored_loggers: None
) -> None:
    # In this process, where stevedore and others were imported before.
    out = io.StringIO()
    with redirect_stdout(out):
        exec(PRINTING + dedent(program), {"__name__": "program"})  # noqa: S102
    assert out.getvalue()


# Where stevedore is wrong: program, what stevedore prints, what the drop-in prints.
DIFFERENCES: dict[str, tuple[str, str, str]] = {
    "a name that is declared more than once, not in adjacent entries": (
        """
        from stevedore import extension
        def first(namespace, name, extensions):
            return extensions[0]
        manager = extension.ExtensionManager("apart", conflict_resolver=first)
        print(manager["x"].plugin.__name__)
        """,
        "Two",
        "One",
    ),
    "`on_missing_entrypoints_callback` of a `DriverManager`": (
        """
        from stevedore import driver
        logging.getLogger("stevedore").setLevel(logging.WARNING)
        def missing(names):
            print("missing", names)
        for callback in (missing, None):
            try:
                driver.DriverManager(
                    "good", "absent", on_missing_entrypoints_callback=callback
                )
            except RuntimeError:
                print("raised")
        """,
        "WARNING stevedore.named Could not load absent False\nraised\n" * 2,
        "missing {'absent'}\nraised\nraised",
    ),
    "`conflict_resolver` of a `HookManager`": (
        """
        from stevedore import hook
        logging.getLogger("stevedore").setLevel(logging.ERROR)
        def first(namespace, name, extensions):
            return extensions[0]
        manager = hook.HookManager("neighbors", "x", conflict_resolver=first)
        print([found.plugin.__name__ for name, found in manager.items()])
        """,
        "['Two']",
        "['One']",
    ),
    "`conflict_resolver` of a `NameDispatchExtensionManager`": (
        """
        from stevedore import dispatch
        logging.getLogger("stevedore").setLevel(logging.ERROR)
        def first(namespace, name, extensions):
            return extensions[0]
        try:
            manager = dispatch.NameDispatchExtensionManager(
                "apart", lambda extension: True, conflict_resolver=first
            )
            print(manager.map(["x"], lambda extension: extension.plugin.__name__))
        except TypeError as error:
            print("conflict_resolver" in str(error))
        """,
        "True",
        "['One']",
    ),
    "a name that is declared more than once, dispatched by name": (
        """
        from stevedore import dispatch
        kind = dispatch.NameDispatchExtensionManager
        logging.getLogger("stevedore.extension").addFilter(lambda r: print("logged"))
        manager = kind("apart", lambda extension: True)
        print(manager.map(["x"], lambda extension: extension.plugin.__name__))
        """,
        "['Two']",
        "logged\n['Two']",
    ),
    "`driver`, if the call returned something falsy": (
        """
        from stevedore import driver
        found = driver.DriverManager("empty", "empty", invoke_on_load=True).driver
        print(type(found).__name__)
        """,
        "type",
        "Empty",
    ),
    "a conflict of plugins that are modules or instances": (
        """
        from stevedore import driver
        try:
            driver.DriverManager("apart.plain", "x")
        except Exception as error:
            print(type(error).__name__)
        """,
        "AttributeError",
        "MultipleMatches",
    ),
    "the message about a conflict": (
        """
        from stevedore import driver
        try:
            driver.DriverManager("neighbors", "x")
        except RuntimeError as error:
            print("plug-app 1.5" in str(error), "plug_app:Two" in str(error))
        """,
        "False False",
        "True True",
    ),
    "`_cache.get_single()`": (
        """
        from stevedore import _cache
        print(_cache.get_single("good", "two").name)
        """,
        "one",
        "two",
    ),
    "the error of `_cache.get_single()`": (
        """
        from stevedore import _cache
        try:
            _cache.get_single("none", "two")
        except ValueError as error:
            print(error)
        """,
        "No entrypoint 'none' in group 'two'",
        "No entrypoint 'two' in group 'none'",
    ),
    "`path=` of the functions of `_cache`": (
        """
        from stevedore import _cache
        print(len(_cache.get_group_all("good", path=("/nowhere",))))
        """,
        "3",
        "0",
    ),
    "`entry_point.dist`": (
        """
        from stevedore import extension
        point = extension.ExtensionManager("good")["one"].entry_point
        print(point.dist and (point.dist.name, point.dist.version))
        """,
        "None",
        "('plug-app', '1.5')",
    ),
    "the class of entry points": (
        """
        from importlib.metadata import EntryPoint
        from stevedore import extension
        point = extension.ExtensionManager("good")["one"].entry_point
        same = EntryPoint("one", "plug_app:One", "good")
        print(isinstance(point, EntryPoint), point == same, same == point)
        """,
        "True True True",
        "False True True",
    ),
    "`__module__` of classes": (
        """
        from stevedore import extension
        print(extension.ExtensionManager.__module__)
        """,
        "stevedore.extension",
        "lazyplug.compat.stevedore.extension",
    ),
    "the line that a `DeprecationWarning` points to": (
        """
        from stevedore import extension
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            extension.ExtensionManager("good", verify_requirements=True)
        print(caught[0].filename.rpartition("/")[2])
        """,
        "extension.py",
        "<string>",
    ),
    "the base classes of `NoMatches` and `MultipleMatches`": (
        """
        import lazyplug
        from stevedore import driver, exception
        logging.disable(logging.CRITICAL)
        try:
            driver.DriverManager("good", "absent")
        except exception.NoMatches as error:
            print(isinstance(error, (lazyplug.NoMatches, KeyError)))
            print(getattr(error, "name", ""), sorted(getattr(error, "available", ())))
        """,
        "False\n []",
        "True\nabsent ['one', 'three', 'two']",
    ),
    "an interpreter below `/tmp`": (
        """
        import os
        sys.executable = "/tmp/python"
        from stevedore import extension
        extension.ExtensionManager("good")
        theirs = os.path.join(os.environ["XDG_CACHE_HOME"], "python-entrypoints")
        print(os.path.isdir(theirs) or os.path.isdir(os.environ["LAZYPLUG_CACHE_DIR"]))
        """,
        "False",
        "True",
    ),
    "importing a manager": (
        """
        from stevedore import extension
        print("importlib.metadata" in sys.modules, "typing" in sys.modules)
        """,
        "True True",
        "False False",
    ),
}


@pytest.mark.parametrize("title", DIFFERENCES)
@pytest.mark.once
def test_faults_of_stevedore_are_fixed_in_the_drop_in(
    title: str, app: Path, tmp_path: Path
) -> None:
    program, real, ours = DIFFERENCES[title]
    program = f"{PRINTING}logging.disable(logging.INFO)\n{dedent(program)}"
    # Without site-packages' .pth files, which may import anything.
    options = child(tmp_path, app, *sys.path)
    found = [
        python("-S", "-c", code, **options).stdout.strip()
        for code in (program, INSTALL + program)
    ]
    assert found == [real.strip(), ours.strip()]


@row("the order of extensions")
def test_extensions_are_ordered_by_distribution_whatever_the_directory_order(
    site: PlantSite, prepend_path: SetPath
) -> None:
    tree: dict[str, Any] = {"plug_app.py": PLUGINS}
    for name in ("c", "a", "d", "b"):
        tree |= dist(f"plug-{name}", "1", f"[g]\n{name} = plug_app:One\n")
    last = dist("plug-0", "1", "[g]\nlast = plug_app:One\n")
    prepend_path(site(tree), site(last, "behind"))
    assert stevedore.ExtensionManager[Any]("g").names() == ["a", "b", "c", "d", "last"]


@row("an entry point that is added within seconds")
def test_the_next_process_sees_an_entry_point_that_was_added_a_moment_ago(
    site: PlantSite, tmp_path: Path
) -> None:
    program = INSTALL + (
        "from stevedore import extension\n"
        "print(extension.ExtensionManager('g').names())"
    )
    seen = []
    for points in ("a = plug_app:One\n", "a = plug_app:One\nb = plug_app:Two\n"):
        directory = site({**TREE, **dist("plug-new", "1", f"[g]\n{points}")})
        seen.append(printed(program, child(tmp_path, directory)).strip())
    assert seen == ["['a']", "['a', 'b']"]


@row("a damaged cache file")
@pytest.mark.parametrize("damage", [b"[]", b"null", b"{}", b'{"groups": 3}', b"\0\xff"])
def test_no_damaged_cache_file_crashes_a_program_or_hides_a_plugin(
    damage: bytes, app: Path, isolated: Path
) -> None:
    assert len(stevedore.ExtensionManager[Any]("good").names()) == 3
    files = list(isolated.iterdir())
    assert files
    for file in files:
        file.write_bytes(damage)
    lazyplug.invalidate_caches()
    stevedore.ExtensionManager.ENTRY_POINT_CACHE.clear()
    assert len(stevedore.ExtensionManager[Any]("good").names()) == 3


@row("a value that is not a valid reference")
def test_an_invalid_reference_is_logged_with_its_distribution(
    site: PlantSite,
    prepend_path: SetPath,
    caplog: pytest.LogCaptureFixture,
) -> None:
    prepend_path(site({**TREE, **BAD}))
    assert stevedore.ExtensionManager[Any]("bad").names() == []
    (record,) = caplog.records
    assert record.name == "stevedore.extension"
    assert re.match(
        r"Could not load 'bad': .*declared by plug-bad 1 in .*, line 2:"
        " 'plug app' is not a valid reference",
        record.getMessage(),
    )


def test_the_table_in_the_docs_has_a_row_for_each_difference() -> None:
    text = (ROOT / "docs" / "stevedore-drop-in.md").read_text(encoding="utf-8")
    table = text.partition("| what | stevedore 5.10 | the drop-in |\n")[2]
    table = table.partition("\n\n")[0]
    titles = [
        line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[1:]
    ]
    assert sorted(titles) == sorted([*DIFFERENCES, *ROWS])


# What the modules contain


def test_every_public_name_of_stevedore_exists(tmp_path: Path) -> None:
    code = """
        import importlib, json, sys, types
        found = {}
        for name in ("dispatch", "driver", "enabled", "exception", "extension",
                     "hook", "named", "_cache"):
            module = importlib.import_module("stevedore." + name)
            found[name] = [
                key for key, value in vars(module).items()
                if key[0] != "_" and not isinstance(value, types.ModuleType)
                and getattr(typing, key, collections.abc) is not value
                and getattr(collections.abc, key, typing) is not value
            ]
        print(json.dumps(found))
    """
    code = "import collections.abc, typing\n" + dedent(code)
    found = ask(code, **child(tmp_path))
    # The class Cache is stevedore's own: here, the index answers.
    found["_cache"].remove("Cache")
    assert found["driver"]
    for module, names in found.items():
        there = getattr(stevedore, module)
        assert [name for name in names if not hasattr(there, name)] == []


@pytest.mark.parametrize("name", stevedore.MODULES)
def test_unknown_names_of_modules_raise_attribute_error(name: str) -> None:
    module = getattr(stevedore, name)
    text = f"^module 'lazyplug.compat.stevedore.{name}' has no attribute 'nothing'$"
    with pytest.raises(AttributeError, match=text):
        _ = module.nothing
    for public in getattr(module, "__all__", ()):
        assert getattr(module, public) is not None


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    text = "^module 'lazyplug.compat.stevedore' has no attribute 'nothing'$"
    with pytest.raises(AttributeError, match=text):
        getattr(stevedore, "nothing")  # noqa: B009 - checkers know that it is not
    assert {"driver", "LOG", "HookManager", "install"} < set(dir(stevedore))


def test_a_note_of_no_matches_lists_available_names(app: Path) -> None:
    def note(namespace: str, name: str, **options: Any) -> str:
        with pytest.raises(
            stevedore.exception.NoMatches, match="driver found"
        ) as caught:
            stevedore.DriverManager[Any](namespace, name, **options)
        (text,) = caught.value.__notes__
        return str(text)

    assert note("good", "absent") == "Available: 'one', 'three', 'two'."
    assert (
        note("none", "absent") == "No installed distribution declares that namespace."
    )
    failed = note("mixed", "gone", on_load_failure_callback=lambda *_: None)
    assert failed == "It is declared, but was not loaded."


def test_multiple_matches_contains_the_extensions(app: Path) -> None:
    with pytest.raises(
        stevedore.exception.MultipleMatches, match="plug-app 1"
    ) as caught:
        stevedore.DriverManager[Any]("neighbors", "x")
    assert [each.name for each in caught.value.extensions] == ["x", "x"]
    assert (caught.value.namespace, caught.value.name) == ("neighbors", "x")
    assert isinstance(caught.value, lazyplug.MultipleMatches)


def test_a_conflict_of_extensions_made_by_hand_is_described() -> None:
    class Opened:
        name, version = "plug-hand", "7"

    class Point:
        value, dist = "plug:One", Opened

    class Odd:
        def __getattr__(self, name: str) -> int:
            return 3

    made: list[Any] = [
        stevedore.extension.Extension("x", None, io, None),  # type: ignore[arg-type]
        stevedore.extension.Extension("x", Point, Odd(), None),  # type: ignore[arg-type]
        stevedore.extension.Extension("x", Point, Point, None),  # type: ignore[arg-type]
    ]
    with pytest.raises(
        stevedore.exception.MultipleMatches, match="'x' command"
    ) as caught:
        stevedore.extension.error_on_conflict("g", "x", made)
    assert str(caught.value).partition(": ")[2] == (
        "module, plug:One (declared by plug-hand 7), "
        f"{Point.__qualname__} (plug:One, declared by plug-hand 7)"
    )


# The functions of _cache


def test_only_the_requested_path_is_scanned(
    site: PlantSite,
    app: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Finder:
        @staticmethod
        def find_spec(*arguments: object) -> None: ...

        @staticmethod
        def find_distributions(context: object) -> Iterator[object]:
            raise AssertionError("a third-party finder does not know this path")

    other = site(dist("plug-other", "1", "[good]\nother = plug_app:One\n"), "other")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    monkeypatch.chdir(tmp_path)
    cache = stevedore._cache
    for path in ((str(other),), (str(tmp_path / "absent"), str(other)), ("other",)):
        (point,) = cache.get_group_all("good", path=path)
        assert (point.name, point.dist.name) == ("other", "plug-other")
        assert cache.get_group_named("good", path=path) == {"other": point}
        assert cache.get_single("good", "other", path=path) == point
        with pytest.raises(ValueError, match=r"^No entrypoint 'one' in group 'good'$"):
            cache.get_single("good", "one", path=path)
    assert cache.get_group_all("good", path=()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps the current directory")
def test_a_path_is_scanned_in_a_removed_current_directory(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    found = stevedore._cache.get_group_named("good", path=(str(app), "relative"))
    assert list(found) == ["one", "two", "three"]


def test_identical_entry_points_of_two_distributions_are_listed_once(
    site: PlantSite, prepend_path: SetPath
) -> None:
    both = "[g]\na = plug_app:One\n"
    prepend_path(
        site({**TREE, **dist("plug-a", "1", both + "b = plug_app:Two\n")}),
        site(dist("plug-b", "1", both + "b = plug_app:One\n"), "more"),
    )
    assert stevedore.ExtensionManager[Any]("g").names() == ["a", "b", "b"]
    assert stevedore._cache.get_single("g", "b").value == "plug_app:Two"


# How it is installed


def test_a_module_is_the_same_object_under_both_names(
    app: Path, tmp_path: Path
) -> None:
    code = f"""
        import importlib, importlib.util, json, sys, stevedore
        import lazyplug.compat.stevedore.named
        found = [stevedore is _drop_in]
        for name in {stevedore.MODULES}:
            alias = importlib.import_module("stevedore." + name)
            module = importlib.import_module("lazyplug.compat.stevedore." + name)
            found.append(alias is module is getattr(stevedore, name))
            found.append(sys.modules["stevedore." + name] is module)
            found.append(module.__spec__.name == module.__name__)
            found.append(importlib.reload(module) is module)
            del sys.modules["stevedore." + name]
            spec = importlib.util.find_spec("stevedore." + name)
            found.append(spec.origin == module.__file__)
        print(json.dumps(found))
    """
    found = ask(INSTALL + dedent(code), **child(tmp_path, app))
    assert found == [True] * (1 + 5 * len(stevedore.MODULES))


def test_the_finder_finds_the_package_after_its_removal_from_sys_modules(
    installed: None,
) -> None:
    import importlib.util

    del sys.modules["stevedore"]
    spec = importlib.util.find_spec("stevedore")
    assert spec is not None
    assert spec.origin == stevedore.__file__
    assert spec.submodule_search_locations == list(stevedore.__path__)
    assert __import__("stevedore") is stevedore
    assert stevedore.__spec__ is not None
    assert stevedore.__spec__.name == stevedore.__name__


@pytest.fixture
def without_stevedore(tmp_path: Path) -> dict[str, Any]:
    """Return the options of a child in which stevedore is not installed."""
    directory = plant(tmp_path / "alone", TREE)
    shutil.copytree(
        Path(lazyplug.__file__).parent,
        directory / "lazyplug",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    options = child(tmp_path)
    options["env"]["PYTHONPATH"] = str(directory)
    return options


def test_the_drop_in_works_without_stevedore_installed(
    without_stevedore: dict[str, Any],
) -> None:
    program = """
        import stevedore, stevedore.named
        from stevedore import driver
        print(driver.DriverManager("good", "one").driver.__name__)
        for name in ("tests", "nothing", "driver.nothing"):
            try:
                __import__("stevedore." + name)
            except ImportError as error:
                print(error)
        print(hasattr(stevedore, "tests"))
    """
    program = INSTALL + dedent(program)
    lines = python(
        "-S", "-W", "error", "-c", program, **without_stevedore
    ).stdout.splitlines()
    assert lines[0] == "One"
    assert lines[1:3] == [
        "No module named 'stevedore.tests'",
        "No module named 'stevedore.nothing'",
    ]
    assert lines[3].startswith("No module named 'stevedore.driver.nothing'")
    assert lines[4] == "False"


def test_the_drop_in_imports_nothing_costly(without_stevedore: dict[str, Any]) -> None:
    code = f"""
        import sys
        before = set(sys.modules)
        {INSTALL.strip()}
        installed = sorted(set(sys.modules) - before)
        import logging
        before = set(sys.modules)
        from stevedore import dispatch, driver, enabled, extension, hook, named
        print(driver.DriverManager("good", "one").driver, file=sys.stderr)
        found = sorted(set(sys.modules) - before)
        import json
        print(json.dumps([installed, found]))
    """
    # The second one finds the index that the first one has written.
    for _ in range(2):
        done = python("-S", "-c", dedent(code), **without_stevedore)
        assert "plug_app.One" in done.stderr
    installed, found = json.loads(done.stdout)
    assert installed == [
        "lazyplug",
        "lazyplug.compat",
        "lazyplug.compat.stevedore",
        "lazyplug.compat.stevedore._install",
        "stevedore",
    ]
    allowed = {"lazyplug", "stevedore", "plug_app", "_json", "importlib"}
    assert [name for name in found if name.partition(".")[0] not in allowed] == []
    assert "importlib.metadata" not in found


def test_the_finder_knows_every_file_of_the_package() -> None:
    directory = Path(stevedore.__file__).parent
    files = {path.stem for path in directory.glob("*.py")} - {"__init__"}
    assert files == {*stevedore.MODULES, *_install.PRIVATE}


def test_modules_that_only_stevedore_has_come_from_stevedore(tmp_path: Path) -> None:
    code = """
        import sys
        from stevedore import example, extension
        from stevedore.tests import manager
        import stevedore.example2.fields
        kind = manager.TestExtensionManager
        print(issubclass(kind, extension.ExtensionManager), extension.__name__)
        print(stevedore.tests is sys.modules["stevedore.tests"])
        print(example.__name__, stevedore.example2.fields.FieldList.__name__)
        for name, module in sys.modules.items():
            if name.startswith("stevedore"):
                ours = "lazyplug" in module.__spec__.name
                print(name, ours, file=sys.stderr)
        origins = {getattr(m, "__file__", None) for m in sys.modules.values()}
        print(example.__file__.replace("example/__init__", "__init__") in origins)
    """
    code = INSTALL + dedent(code)
    done = python("-W", "error", "-c", code, **child(tmp_path))
    assert done.stdout.splitlines() == [
        "True lazyplug.compat.stevedore.extension",
        "True",
        "stevedore.example FieldList",
        "False",
    ]
    for name, ours in map(str.split, done.stderr.splitlines()):
        parts = name.split(".")
        assert ours == str(len(parts) == 1 or parts[1] in stevedore.MODULES), name


def test_the_error_of_a_failing_module_of_stevedore_is_not_hidden(
    without_stevedore: dict[str, Any],
) -> None:
    plant(
        Path(without_stevedore["env"]["PYTHONPATH"]),
        {
            "stevedore": {
                "__init__.py": "raise AssertionError('must not be imported')",
                "broken.py": "import there_is_no_such_module",
            },
        },
    )
    program = INSTALL + "from stevedore import broken"
    done = python("-S", "-c", program, **without_stevedore, check=False)
    own = python("-S", "-c", "import there_is_no_such_module", check=False)
    last = "ModuleNotFoundError: No module named 'there_is_no_such_module'"
    assert own.stderr.splitlines()[-1].startswith(last)
    assert done.stderr.splitlines()[-1] == own.stderr.splitlines()[-1]


def test_installing_the_drop_in_twice_has_no_further_effect(installed: None) -> None:
    finders, modules = sys.meta_path[:], dict(sys.modules)
    stevedore.install()
    assert sys.meta_path == finders
    assert sys.modules == modules
    assert isinstance(sys.meta_path[0], _install._Finder)
    assert not hasattr(sys.meta_path[0], "find_distributions")


def test_a_signal_handler_may_install_the_drop_in_during_its_installation() -> None:
    code = """
        import json, sys
        from lazyplug.compat import stevedore
        from lazyplug.compat.stevedore import _install
        def handle(frame, event, about):
            # Wherever Python may run a signal handler.
            if frame.f_code.co_filename == _install.__file__:
                if event in ("call", "c_return"):
                    places.append(event)
                    stevedore.install()
        places = []
        sys.setprofile(handle)
        stevedore.install()
        sys.setprofile(None)
        found = [type(finder).__name__ for finder in sys.meta_path]
        print(json.dumps([found.count("_Finder"), len(places) > 10]))
    """
    assert ask(code) == [1, True]


def test_the_finder_finds_nothing_else(installed: None) -> None:
    finder = sys.meta_path[0]
    for name in ("json", "stevedor", "stevedore.driver.deeper", "lazyplug.compat"):
        assert finder.find_spec(name, None, None) is None
    assert finder.find_spec("stevedore.nothing", None, None) is None


def test_replacing_an_imported_stevedore_is_logged(
    installed: None, caplog: pytest.LogCaptureFixture
) -> None:
    # Take it back: what is imported now is stevedore itself.
    finder = sys.meta_path.pop(0)
    for name in real_modules():
        del sys.modules[name]
    code = "import stevedore.dispatch, stevedore; from stevedore import extension"
    before: dict[str, Any] = {}
    exec(code, before)  # noqa: S102
    assert before["extension"].__name__ == "stevedore.extension"
    sys.meta_path.insert(0, finder)

    stevedore.install()
    after: dict[str, Any] = {}
    exec(code, after)  # noqa: S102
    assert after["stevedore"] is stevedore
    assert after["extension"] is stevedore.extension
    assert before["extension"] is not stevedore.extension
    assert sys.modules["stevedore.dispatch"] is stevedore.dispatch
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("lazyplug", "WARNING")
    assert "was imported before" in record.getMessage()
    assert str(before["stevedore"].__file__) in record.getMessage()

    stevedore.install()
    assert len(caplog.records) == 1


def test_imports_under_both_names_raise_no_warning(app: Path, tmp_path: Path) -> None:
    code = """
        from stevedore import dispatch, driver, extension, hook, named, sphinxext
        from stevedore._cache import get_group_all
        from stevedore.driver import OnLoadFailureCallbackT
        import stevedore, lazyplug.compat.stevedore.driver, stevedore.exception
        # What is imported where it is needed:
        for call in (
            lambda: driver.DriverManager("good", "absent"),
            lambda: extension.ExtensionManager("neighbors")["x"],
            lambda: extension.ExtensionManager("none").map(print),
            lambda: get_group_all("good", path=("/nowhere",)),
        ):
            try:
                call()
            except RuntimeError:
                print("raised")
    """
    done = python("-W", "error", "-c", INSTALL + dedent(code), **child(tmp_path, app))
    assert done.stdout.splitlines() == ["raised", "raised"]


def test_threads_that_import_the_drop_in_at_once_get_the_same_modules(
    tmp_path: Path,
) -> None:
    code = f"""
        import importlib, sys, threading
        sys.setswitchinterval(1e-6)
        import lazyplug.compat.stevedore as drop_in
        names = {stevedore.MODULES} * 4
        gate = threading.Barrier(len(names))
        found = []
        def get(at, name):
            gate.wait()
            drop_in.install()
            prefix = ("stevedore.", "lazyplug.compat.stevedore.")[at % 2]
            found.append((name, importlib.import_module(prefix + name)))
        threads = [threading.Thread(target=get, args=each) for each in enumerate(names)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        same = [module is getattr(drop_in, name) for name, module in found]
        print(all(same), len(same) == len(names))
        print([type(finder).__name__ for finder in sys.meta_path].count("_Finder"))
    """
    done = python("-W", "error", "-c", dedent(code), **child(tmp_path))
    assert done.stdout.split() == ["True", "True", "1"]


# The directive for Sphinx


@row("a name that is declared more than once, in `list-plugins`")
def test_a_duplicate_name_is_documented_once(app: Path) -> None:
    manager = stevedore.ExtensionManager[Any]("apart")
    assert manager.names().count("x") == 2
    texts = [text for text, _ in stevedore.sphinxext._simple_list(manager)]
    assert sum(text.startswith("* x --") for text in texts) == 1


def test_the_texts_of_the_directive_can_be_made_without_sphinx(app: Path) -> None:
    manager = stevedore.ExtensionManager[Any]("good")
    assert list(stevedore.sphinxext._simple_list(manager)) == [
        ("* one -- The first one.", "plug_app"),
        ("* three -- ", "plug_app"),
        ("* two -- The second one,", "plug_app"),
    ]
    detailed = stevedore.sphinxext._detailed_list(manager, "=", "-", titlecase=True)
    assert [text for text, _ in detailed] == [
        *("===", "One", "---", "\n", "The first one.", "\n"),
        *("=====", "Three", "-----", "\n"),
        *(".. warning:: No documentation found for three in plug_app:Three", "\n"),
        *("===", "Two", "---", "\n"),
        *("The second one,\n\nwhich has more to say.", "\n"),
    ]


DOCUMENT = """
Plugins
#######

.. list-plugins:: good

.. list-plugins:: good
   :detailed:
   :titlecase:

.. list-plugins:: mixed
   :detailed:
   :overline-style: =
   :underline-style: ~
   :class: special
"""


@pytest.mark.once
def test_sphinx_generates_the_same_document_as_with_stevedore(
    app: Path, tmp_path: Path
) -> None:
    pytest.importorskip("sphinx")
    code = """
        import sys
        from sphinx.cmd.build import main
        sys.exit(main(["-q", "-b", "pseudoxml", *sys.argv[1:]]))
    """
    source = {"conf.py": "extensions = ['stevedore.sphinxext']", "index.rst": DOCUMENT}
    plant(tmp_path / "source", source)
    results = []
    for number, start in enumerate(("", INSTALL)):
        directory = tmp_path / f"built{number}"
        options = str(tmp_path / "source"), str(directory)
        done = python("-c", start + dedent(code), *options, **child(tmp_path, app))
        results.append((done.stderr, (directory / "index.pseudoxml").read_text()))
    assert "Failed to load plug_gone" in results[0][0]
    assert "which has more to say" in results[0][1]
    assert results[1] == results[0]


class Directive:
    """Has what the directive needs of docutils, if Sphinx is not installed."""

    content = ("good",)
    state = type("State", (), {"document": "a document"})

    def __init__(self, **options: str) -> None:
        self.options = options


def test_the_directive_is_created_on_first_access(
    app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def module(name: str, **names: object) -> None:
        made: Any = types.ModuleType(name)
        made.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, made)

    class Section:
        children: list[object]

    class Lines(list[tuple[str, str]]):
        def append(self, text: str, source: str) -> None:  # type: ignore[override]
            super().append((text, source))

    def parse(state: object, lines: object, section: Section) -> None:
        section.children = [lines]

    directives: Any = types.SimpleNamespace(
        class_option=1, flag=2, single_char_or_unicode=3
    )
    module("docutils", nodes=types.SimpleNamespace(section=Section))
    module("docutils.parsers.rst", Directive=Directive, directives=directives)
    module("docutils.parsers")
    module("docutils.statemachine", StringList=Lines)
    module("sphinx")
    module("sphinx.util", logging=logging)
    module("sphinx.util.nodes", nested_parse_with_titles=parse)

    sphinxext = stevedore.sphinxext
    for name in ("LOG", "ListPluginsDirective"):
        sphinxext.__dict__.pop(name, None)
    added: dict[str, Any] = {}
    app_ = types.SimpleNamespace(add_directive=added.__setitem__)
    assert sphinxext.setup(app_)["parallel_read_safe"] is True
    kind = added["list-plugins"]
    assert kind is sphinxext.ListPluginsDirective
    assert kind.__qualname__ == "ListPluginsDirective"
    assert sphinxext.LOG.name == "stevedore.sphinxext"
    (lines,) = kind().run()
    assert lines[0] == ("* one -- The first one.", "plug_app")
    (lines,) = kind(detailed="").run()
    assert lines[:2] == [("one", "plug_app"), ("===", "plug_app")]
    for name in ("LOG", "ListPluginsDirective"):
        del sphinxext.__dict__[name]
