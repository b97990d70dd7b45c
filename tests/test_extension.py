"""Test when an extension imports its plugin, how it fails, and how it is pickled."""

import gc
import os
import pickle
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import Extension, ExtensionManager
from lazyplug.testing import dist, plant
from tests.support.children import ask, python
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")
TRAP = "raise AssertionError('this plugin must not be imported')\n"


@pytest.fixture
def one(site: PlantSite, prepend_path: SetPath) -> Callable[..., "Extension[Any]"]:
    """Return a function that installs one plugin and returns its extension."""

    def install(
        module: str, value: str = "plug:Plugin", **options: Any
    ) -> "Extension[Any]":
        directory = site(
            {"plug.py": module, **dist("plug", "1.5", f"[g]\nx = {value}\n")}
        )
        prepend_path(directory)
        return ExtensionManager[Any]("g", **options)["x"]

    return install


def test_nothing_is_imported_until_the_plugin_is_accessed(
    one: Callable[..., Any],
) -> None:
    extension = one(TRAP)
    assert (extension.name, extension.group, extension.value) == (
        "x",
        "g",
        "plug:Plugin",
    )
    assert (extension.module_name, extension.attr, extension.extras) == (
        "plug",
        "Plugin",
        [],
    )
    assert extension.entry_point_target == "plug:Plugin"
    assert extension.entry_point.value == "plug:Plugin"
    assert extension.dist.version == "1.5"
    assert "x" in repr(extension)
    assert not extension.loaded
    assert extension.load_error is None
    assert extension.load_seconds is None
    assert extension.obj is None
    assert "plug" not in sys.modules
    with pytest.raises(AssertionError, match="must not be imported"):
        extension.plugin  # noqa: B018


def test_the_plugin_is_imported_on_first_access_only(
    one: Callable[..., Any],
) -> None:
    extension = one("class Plugin:\n    class Inner: pass\n", "plug:Plugin.Inner")
    assert extension.plugin is sys.modules["plug"].Plugin.Inner
    assert extension.loaded
    assert 0 <= extension.load_seconds < 10
    del sys.modules["plug"]
    assert extension.plugin.__name__ == "Inner"
    assert "plug" not in sys.modules


def test_a_value_without_attribute_refers_to_the_module(
    one: Callable[..., Any],
) -> None:
    extension = one("", "plug")
    assert extension.plugin is sys.modules["plug"]
    assert extension.attr is None


def test_a_failed_load_keeps_its_exception_type_and_gets_one_note(
    one: Callable[..., Any],
) -> None:
    extension = one("import nonesuch_module\n")
    for _ in range(3):
        with pytest.raises(ModuleNotFoundError, match="nonesuch_module") as caught:
            extension.plugin  # noqa: B018
        (note,) = caught.value.__notes__
        assert "'x = plug:Plugin' of group 'g'" in note
        assert "declared by plug 1.5 in" in note
        assert note.endswith("entry_points.txt, line 2")
    assert extension.load_error is caught.value
    assert not extension.loaded


def test_a_failed_load_is_not_retried_and_its_traceback_does_not_grow(
    one: Callable[..., Any], tmp_path: Path
) -> None:
    counter = tmp_path / "count"
    extension = one(
        "import pathlib\n"
        f"count = pathlib.Path({str(counter)!r})\n"
        "count.write_text((count.read_text() if count.exists() else '') + 'x')\n"
        "raise OSError('no device')\n"
    )
    # The first attribute that is computed in a process costs a frame more.
    assert extension.load_error is None
    lengths = set()
    for _ in range(5):
        with pytest.raises(OSError, match="no device") as caught:
            extension.plugin  # noqa: B018
        lengths.add(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(lengths) == 1
    assert counter.read_text() == "x"


def test_refresh_allows_a_failed_load_to_be_retried(one: Callable[..., Any]) -> None:
    extension = one("raise OSError('not yet')\n")
    with pytest.raises(OSError, match="not yet"):
        extension.plugin  # noqa: B018
    file = Path(sys.path[0]) / "plug.py"
    file.write_text("Plugin = 'longer than before, so that bytecode is stale'\n")
    lazyplug.refresh()
    assert extension.load_error is None
    assert extension.plugin.startswith("longer")


@pytest.mark.parametrize(
    ("module", "error", "words"),
    [
        ("raise MemoryError('short')", MemoryError, "short"),
        ("raise KeyboardInterrupt('user')", KeyboardInterrupt, "user"),
        ("def f(): f()\nf()", RecursionError, "recursion depth"),
        ("raise SystemExit(3)", SystemExit, "3"),
    ],
)
def test_a_temporary_failure_is_not_remembered(
    one: Callable[..., Any], module: str, error: type[BaseException], words: str
) -> None:
    extension = one(module + "\n")
    with pytest.raises(error, match=words):
        extension.plugin  # noqa: B018
    assert extension.load_error is None
    (Path(sys.path[0]) / "plug.py").write_text("Plugin = 'came through in the end'\n")
    sys.path_importer_cache.clear()
    assert extension.plugin == "came through in the end"


def test_the_failure_of_a_plugin_that_accesses_its_extension_is_not_remembered(
    one: Callable[..., Any],
) -> None:
    extension = one(
        "import lazyplug\n"
        "try:\n"
        "    lazyplug.ExtensionManager('g')['x'].plugin\n"
        "except AttributeError as error:\n"
        "    met = error\n"
        "Plugin = 5\n"
    )
    assert extension.plugin == 5
    assert "plug" in str(sys.modules["plug"].met)


def test_an_attribute_of_a_partially_initialized_module_is_returned_but_not_kept(
    one: Callable[..., Any],
) -> None:
    extension = one(
        "import builtins\n"
        "Plugin = 'early'\n"
        "early = builtins.lazyplug_probe.plugin\n"
        "Plugin = 'late'\n"
    )
    import builtins

    builtins.lazyplug_probe = extension  # type: ignore[attr-defined]
    try:
        assert extension.plugin == "late"
        assert sys.modules["plug"].early == "early"
    finally:
        del builtins.lazyplug_probe  # type: ignore[attr-defined]


def test_an_import_cycle_through_the_host_is_not_remembered(
    one: Callable[..., Any],
) -> None:
    extension = one("from plug_host import ready\nPlugin = ready\n")
    plant(
        Path(sys.path[0]),
        {
            "plug_host.py": "import builtins\n"
            "try:\n    builtins.lazyplug_probe.plugin\n"
            "except ImportError as error:\n    met = error\n"
            "ready = True\n"
        },
    )
    import builtins

    builtins.lazyplug_probe = extension  # type: ignore[attr-defined]
    try:
        import plug_host  # type: ignore[import-not-found]

        assert "partially initialized" in str(plug_host.met)
        assert extension.plugin is True
    finally:
        del builtins.lazyplug_probe  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", ["plug-in:Plugin", "plug:", ":Plugin", "a b"])
def test_an_invalid_reference_is_an_error_at_load(
    one: Callable[..., Any], value: str
) -> None:
    extension = one("", value)
    with pytest.raises(lazyplug.InvalidEntryPoint, match=r"expected `module:attr`"):
        extension.plugin  # noqa: B018
    with pytest.raises(ValueError, match="is not a valid reference"):
        extension.module_name  # noqa: B018
    with pytest.raises(lazyplug.InvalidEntryPoint, match=r"declared by plug 1\.5"):
        extension.entry_point.module  # noqa: B018


def test_an_unknown_attribute_is_an_attribute_error(one: Callable[..., Any]) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'plugni'"):
        one(TRAP).plugni  # noqa: B018


# The call behind .obj

COUNTING = """
import threading, time
calls = []
class Plugin:
    def __init__(self, *args, **kwds):
        calls.append(threading.get_ident())
        self.args, self.kwds = args, kwds
        time.sleep(0.05)
"""


def test_a_hundred_threads_that_access_obj_call_the_plugin_once(
    one: Callable[..., Any],
) -> None:
    extension = one(
        COUNTING, invoke_on_load=True, invoke_args=[1], invoke_kwds={"a": 2}
    )
    start = threading.Barrier(100)
    got = []

    def access() -> None:
        start.wait()
        got.append(extension.obj)

    threads = [threading.Thread(target=access) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(got) == 100
    assert len(set(map(id, got))) == 1
    assert len(sys.modules["plug"].calls) == 1
    assert (got[0].args, got[0].kwds) == ((1,), {"a": 2})


def test_a_falsy_object_is_still_the_object(one: Callable[..., Any]) -> None:
    extension = one("class Plugin(list): pass\n", invoke_on_load=True)
    assert extension.obj == []
    assert extension.obj is extension.obj


def test_a_failed_call_is_raised_again_and_not_repeated(
    one: Callable[..., Any],
) -> None:
    extension = one(
        "calls = []\n"
        "def Plugin():\n    calls.append(1)\n    raise OSError('no port')\n",
        invoke_on_load=True,
    )
    for _ in range(3):
        with pytest.raises(OSError, match="no port"):
            extension.obj  # noqa: B018
    assert sys.modules["plug"].calls == [1]
    assert extension.loaded
    assert str(extension.load_error) == "no port"


def test_a_call_that_accesses_itself_raises_circular_load_and_is_not_remembered(
    one: Callable[..., Any],
) -> None:
    extension = one("first = True\ndef Plugin(probe):\n    return probe.obj\n")
    manager = ExtensionManager[Any]("g", invoke_on_load=True)
    again = manager["x"]
    again._invoke = ((again,), {})
    with pytest.raises(lazyplug.CircularLoad, match="x -> x"):
        again.obj  # noqa: B018
    assert again.load_error is None
    assert extension.plugin is sys.modules["plug"].Plugin


def test_a_cycle_of_two_threads_raises_an_error_and_does_not_hang(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(
        site(
            {
                "plug.py": "import threading\n"
                "meet = threading.Barrier(2)\n"
                "def A(other, called=[]):\n"
                "    if not called: called.append(1); meet.wait(10)\n"
                "    return other.obj\n"
                "def B(other, called=[]):\n"
                "    if not called: called.append(1); meet.wait(10)\n"
                "    return other.obj\n",
                **dist("plug", "1", "[g]\na = plug:A\nb = plug:B\n"),
            }
        )
    )
    manager = ExtensionManager[Any]("g", invoke_on_load=True)
    a, b = manager["a"], manager["b"]
    a._invoke, b._invoke = ((b,), {}), ((a,), {})
    errors: list[BaseException] = []

    def access(extension: "Extension[Any]") -> None:
        try:
            extension.obj  # noqa: B018
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=access, args=(e,)) for e in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    # The one that would have closed the circle is reported; the other gets its error.
    assert any(isinstance(error, lazyplug.CircularLoad) for error in errors)


def test_after_an_interrupted_call_another_thread_takes_over(
    one: Callable[..., Any],
) -> None:
    extension = one(
        "import threading\n"
        "entered = threading.Event()\nfirst = [True]\n"
        "def Plugin():\n"
        "    if first.pop() if first else False:\n"
        "        entered.set()\n"
        "        import time; time.sleep(0.2)\n"
        "        raise KeyboardInterrupt\n"
        "    return 'second'\n",
        invoke_on_load=True,
    )
    outcomes: list[Any] = []

    def access() -> None:
        try:
            outcomes.append(extension.obj)
        except KeyboardInterrupt:
            outcomes.append("interrupted")

    extension.plugin  # noqa: B018
    one_thread = threading.Thread(target=access)
    one_thread.start()
    sys.modules["plug"].entered.wait(10)
    other = threading.Thread(target=access)
    other.start()
    one_thread.join(10)
    other.join(10)
    assert sorted(outcomes) == ["interrupted", "second"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_during_a_call_in_another_thread_does_not_hang_the_child(
    site: PlantSite,
) -> None:
    directory = site(
        {
            "plug.py": "import os, time\n"
            "def Plugin():\n    time.sleep(0.5)\n    return os.getpid()\n",
            **dist("plug", "1", "[g]\nx = plug:Plugin\n"),
        }
    )
    done = python(
        "-W",
        "ignore::DeprecationWarning",
        "-c",
        "import os, sys, threading, time, lazyplug\n"
        "x = lazyplug.ExtensionManager('g', invoke_on_load=True)['x']\n"
        "x.plugin\n"
        "threading.Thread(target=lambda: x.obj).start()\n"
        "time.sleep(0.1)\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if x.obj == os.getpid() else 9)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "print(x.obj == os.getpid())\n",
        env={"PYTHONPATH": os.pathsep.join([str(directory), *sys.path])},
    )
    assert done.stdout.split() == ["0", "True"]


def test_an_import_that_waits_for_another_thread_does_not_deadlock(
    site: PlantSite, prepend_path: SetPath
) -> None:
    # Thread B, inside `import plug_x`, accesses an extension whose module imports
    # plug_x, which thread A is loading: a lock of ours held over the import would
    # wait for ever.
    prepend_path(
        site(
            {
                "plug_a.py": "import plug_gate\n"
                "plug_gate.a_inside.set()\nplug_gate.b_inside.wait(5)\n"
                "import plug_x\nPlugin = 'a'\n",
                "plug_x.py": "import plug_gate\n"
                "plug_gate.b_inside.set()\nplug_gate.a_inside.wait(5)\n"
                "try:\n    plug_gate.extension.plugin\n"
                "except Exception as error:\n    met = error\n",
                "plug_gate.py": "import threading\n"
                "a_inside, b_inside = threading.Event(), threading.Event()\n",
                **dist("plug", "1", "[g]\nx = plug_a:Plugin\n"),
            }
        )
    )
    import plug_gate  # type: ignore[import-not-found]

    extension = ExtensionManager[Any]("g")["x"]
    plug_gate.extension = extension
    a = threading.Thread(target=lambda: extension.plugin)
    b = threading.Thread(target=lambda: __import__("plug_x"))
    a.start()
    b.start()
    a.join(20)
    b.join(20)
    assert not a.is_alive()
    assert not b.is_alive()
    assert extension.plugin == "a"


# Pickling


def test_an_extension_is_pickled_by_reference_and_loads_after_unpickling(
    one: Callable[..., Any],
) -> None:
    extension = one(COUNTING, invoke_on_load=True, invoke_args=(3,))
    sent = pickle.dumps(extension)
    assert "plug" not in sys.modules
    arrived = pickle.loads(sent)  # noqa: S301
    assert not arrived.loaded
    assert arrived.obj.args == (3,)
    assert arrived.dist.version == "1.5"
    assert pickle.loads(pickle.dumps(arrived)).value == "plug:Plugin"  # noqa: S301


def test_the_error_for_an_extension_without_its_plugin_names_the_distribution(
    one: Callable[..., Any],
) -> None:
    sent = pickle.dumps(one("Plugin = 1\n"))
    sys.path.clear()
    sys.path_importer_cache.clear()
    arrived = pickle.loads(sent)  # noqa: S301
    with pytest.raises(ModuleNotFoundError, match="plug") as caught:
        arrived.plugin  # noqa: B018
    assert "declared by plug 1.5" in caught.value.__notes__[0]


def test_an_extension_made_by_hand_is_pickled_by_value() -> None:
    extension: Extension[Any] = Extension("x", None, dict, {"a": 1})
    arrived = pickle.loads(pickle.dumps(extension))  # noqa: S301
    assert (arrived.name, arrived.plugin, arrived.obj) == ("x", dict, {"a": 1})
    with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
        pickle.dumps(Extension("x", None, lambda: 1))


def test_an_extension_can_be_made_from_any_entry_point() -> None:
    from importlib.metadata import EntryPoint

    extension: Extension[Any] = Extension("x", EntryPoint("x", "os.path:join", "g"))
    assert not extension.loaded
    assert (extension.group, extension.module_name, extension.attr) == (
        "g",
        "os.path",
        "join",
    )
    assert extension.plugin is os.path.join


def test_an_unreferenced_extension_is_garbage_collected(
    one: Callable[..., Any],
) -> None:
    extension = one("Plugin = 1\n")
    extension.plugin  # noqa: B018
    ghost = weakref.ref(extension)
    del extension
    gc.collect()
    assert ghost() is None


def test_load_seconds_measures_the_import_in_seconds(one: Callable[..., Any]) -> None:
    extension = one("import time\ntime.sleep(0.05)\nPlugin = 1\n")
    began = time.perf_counter()
    extension.plugin  # noqa: B018
    assert 0.05 <= extension.load_seconds <= time.perf_counter() - began


def test_a_removed_module_is_imported_again_unless_there_is_an_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import ModuleType, SimpleNamespace

    from lazyplug._faults.failed_loads import import_again

    plant(tmp_path, {"plug_again.py": "Plugin = 1\n"})
    monkeypatch.syspath_prepend(tmp_path)
    which, gone = ("plugin", 0), ModuleType("plug_again")
    extension: Any = SimpleNamespace(_module="plug_again", _outcomes={})
    found, unfinished = import_again(extension, which, gone)
    assert (found.Plugin, unfinished) == (1, False)
    found.__spec__._initializing = True
    assert import_again(extension, which, gone) == (found, True)
    del sys.modules["plug_again"]
    extension._outcomes[which] = "another thread's"
    assert import_again(extension, which, gone) == (gone, False)
    assert "plug_again" not in sys.modules


def test_an_import_that_a_signal_handler_broke_is_not_remembered(
    site: PlantSite, prepend_path: SetPath
) -> None:
    # As Python 3.11 raises it for its table of threads.
    source = (
        "import threading\nfrom plug_signals import met\n"
        "if not met:\n"
        "    met.append(1)\n"
        "    raise KeyError(threading.get_ident())\n"
        "Plugin = 7\n"
    )
    points = "[g]\nx = plug_signal:Plugin\n"
    tree = {"plug_signal.py": source, "plug_signals.py": "met = []\n"}
    prepend_path(site({**tree, **dist("plug", "1", points)}))
    x = lazyplug.ExtensionManager[Any]("g")["x"]
    with pytest.raises(KeyError, match=r"^\d+"):
        x.plugin  # noqa: B018
    assert x.load_error is None
    assert x.plugin == 7


def test_a_subclass_can_override_the_properties_of_an_extension() -> None:
    class Counted(Extension[Any]):
        @property
        def entry_point(self) -> Any:
            return "wrapped", super().entry_point

        @property
        def loaded(self) -> bool:
            return not super().loaded

    point = lazyplug.EntryPoint("a", "m:x", "g")
    extension = Counted("a", point)
    assert extension.entry_point == ("wrapped", point)
    assert extension.loaded
    with pytest.raises(AttributeError):
        extension.loaded = True  # type: ignore[misc]


METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n"


@pytest.mark.parametrize(
    ("directory", "metadata", "expected"),
    [
        (
            "Plug_One-1.0.dist-info",
            METADATA.format("Plug.One", "1.0"),
            ("Plug.One", "1.0"),
        ),
        (
            "plug_one-1.dist-info",
            METADATA.format("plug-one", "01.0"),
            ("plug-one", "01.0"),
        ),
        ("plug_one-1.0.dist-info", "Name: plug-one\n", ("plug-one", "1.0")),
        ("plug_one.egg-info", "Name: plug-one\n", ("plug-one", None)),
    ],
)
def test_the_name_and_the_version_of_a_distribution_are_those_in_its_metadata(
    directory: str,
    metadata: str,
    expected: tuple[str, str | None],
    site: PlantSite,
    prepend_path: SetPath,
) -> None:
    file = "PKG-INFO" if directory.endswith("egg-info") else "METADATA"
    files = {file: metadata, "entry_points.txt": "[g]\nx = plug:x\n"}
    prepend_path(site({directory: files}))
    extension = ExtensionManager[Any]("g")["x"]
    assert (extension.dist_name, extension.dist_version) == expected
    assert extension.dist.name == extension.dist_name  # type: ignore[union-attr]
    if "Version" in metadata:
        assert extension.dist.version == extension.dist_version  # type: ignore[union-attr]


def test_an_extension_without_a_distribution_has_no_name_of_one() -> None:
    extension = ExtensionManager[Any]("g").register("x", dict)
    assert (extension.dist_name, extension.dist_version) == (None, None)


def test_the_name_of_a_distribution_is_read_without_importlib_metadata(
    tmp_path: Path,
) -> None:
    plant(tmp_path, dist("Plug.One", "1", "[g]\nx = plug:x\ny = plug:y\n"))
    code = f"""
        import json, sys
        sys.path.insert(0, {str(tmp_path)!r})
        from lazyplug import ExtensionManager
        names = [each.dist_name for each in ExtensionManager("g")]
        versions = [each.dist_version for each in ExtensionManager("g")]
        print(json.dumps([names, versions, "importlib.metadata" in sys.modules]))
    """
    assert ask(code) == [["Plug.One"] * 2, ["1"] * 2, False]


def test_a_distribution_that_is_upgraded_has_its_new_version_after_a_refresh(
    site: PlantSite, prepend_path: SetPath
) -> None:
    directory = site(dist("plug", "1", "[g]\nx = plug:x\n"))
    prepend_path(directory)
    manager = ExtensionManager[Any]("g")
    assert manager["x"].dist_version == "1"
    (directory / "plug-1.dist-info" / "METADATA").write_text(
        METADATA.format("plug", "2")
    )
    assert manager["x"].dist_version == "1"
    manager.refresh()
    assert manager["x"].dist_version == "2"
