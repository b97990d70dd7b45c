"""Test that `accelerate()` answers importlib.metadata's callers from the index."""

import functools
import importlib.metadata
import os
import random
import shutil
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyplug
from lazyplug import accelerate
from lazyplug._answers import entry_points
from lazyplug._import_hooks import call_after_import
from lazyplug.testing import dist, plant
from tests.support.children import ask, python
from tests.support.fixtures import PlantSite, SetPath
from tests.support.libraries import LIBRARIES, needs_importlib_metadata
from tests.support.properties import examples

# Import what email needs for its first message, before sys.path is replaced.
importlib.metadata.metadata("pytest")
METADATA = "Metadata-Version: 2.1\nName: some\nVersion: 1.0\n"
POINTS = "[g]\nb = m:b\na = m:a [x]\n[h]\nc = m\n"


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Return each of the libraries, accelerated."""
    with accelerate():
        yield request.param


@pytest.fixture
def answered_groups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each group is added that the index answers."""
    found: list[str] = []
    answer = entry_points._answer

    def counted(library: Any, params: dict[str, Any]) -> Any:
        answered = answer(library, params)
        if answered is not None:
            found.append(params.get("group", "all"))
        return answered

    monkeypatch.setattr(entry_points, "_answer", counted)
    return found


def all_of(points: Any) -> set[tuple[str, ...]]:
    return {
        (p.group, p.name, p.value, p.dist.name, p.dist.version, str(p.dist._path))
        for p in points
    }


def their_own(library: Any, **params: Any) -> Any:
    """Return what a library answers by itself."""
    return library.entry_points.__wrapped__(**params)


def test_a_group_is_answered_from_the_index_with_the_librarys_own_types(
    site: PlantSite,
    set_path: SetPath,
    library: Any,
    answered_groups: list[str],
) -> None:
    set_path(
        site(
            {**dist("one", "2.0", POINTS), **dist("two", entry_points="[g]\na = n:a\n")}
        )
    )
    for params in (
        {"group": "g"},
        {"group": "g", "name": "a"},
        {"group": "g", "extras": ["x"]},
        {"group": "nobody"},
    ):
        found = library.entry_points(**params)
        theirs = their_own(library, **params)
        assert type(found) is type(theirs) is library.EntryPoints
        assert all_of(found) == all_of(theirs)
        assert all(type(each) is library.EntryPoint for each in found)
        assert all(isinstance(each.dist, library.Distribution) for each in found)
    assert answered_groups == ["g", "g", "g", "nobody"]
    point = library.entry_points(group="g", name="b")["b"]
    assert (point.module, point.attr, point.dist.version) == ("m", "b", "2.0")


def test_queries_by_name_alone_are_answered_by_the_library(
    site: PlantSite,
    set_path: SetPath,
    library: Any,
    answered_groups: list[str],
) -> None:
    set_path(site(dist("one", entry_points=POINTS)))
    assert all_of(library.entry_points(name="a")) == all_of(
        their_own(library, name="a")
    )
    assert answered_groups == []


def test_invalid_parameters_are_rejected_as_by_the_library(
    site: PlantSite, set_path: SetPath, library: Any
) -> None:
    set_path(site(dist("one", entry_points=POINTS)))
    with pytest.raises(AttributeError, match="wrong") as theirs:
        their_own(library, group="g", wrong=1)
    with pytest.raises(AttributeError) as ours:
        library.entry_points(group="g", wrong=1)
    assert str(ours.value) == str(theirs.value)
    with pytest.raises(TypeError, match="positional argument"):
        library.entry_points("g")


def test_each_call_sees_changes_since_the_last_call(
    site: PlantSite, set_path: SetPath, library: Any
) -> None:
    directory = site(dist("one", entry_points=POINTS))
    set_path(directory)
    assert len(library.entry_points(group="g")) == 2
    points = directory / "one-1.0.dist-info" / "entry_points.txt"
    points.write_text(POINTS.replace("b = m:b", "z = m:z"), encoding="utf-8")
    assert library.entry_points(group="g").names == {"a", "z"}
    plant(directory, dist("two", entry_points="[g]\nd = m\n"))
    assert library.entry_points(group="g").names == {"a", "d", "z"}
    shutil.rmtree(directory / "one-1.0.dist-info")
    assert library.entry_points(group="g").names == {"d"}
    sys.path.append(str(site(dist("more", entry_points="[g]\ne = m\n"), "more")))
    assert library.entry_points(group="g").names == {"d", "e"}


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["install", "upgrade", "remove", "edit", "shadow"]),
            st.sampled_from(["one", "two", "three"]),
        ),
        max_size=8,
    )
)
@examples(40)
def test_after_any_changes_the_answer_is_that_of_the_library(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    first, second = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    before = sys.path[:]
    sys.path[:] = [str(first), str(second)]
    try:
        with accelerate():
            for number, (what, name) in enumerate(steps):
                directory = second if what == "shadow" else first
                if what not in {"install", "shadow"}:
                    for old in directory.glob(f"{name}-*"):
                        if what == "edit":
                            text = f"[g]\nedited{number} = m\n"
                            (old / "entry_points.txt").write_text(text)
                        else:
                            shutil.rmtree(old)
                if what in {"upgrade", "shadow"} or not [*directory.glob(f"{name}-*")]:
                    points = f"[g]\n{name}{number} = m\n"
                    plant(directory, dist(name, f"{number}.0", points))
                # The order of the listing decides there which of two wins.
                if len([*directory.glob(f"{name}-*")]) > 1:
                    break
                for library in LIBRARIES:
                    ours = library.entry_points(group="g")
                    assert all_of(ours) == all_of(their_own(library, group="g"))
    finally:
        sys.path[:] = before


def test_archives_and_third_party_finders_are_answered_by_the_library(
    tmp_path: Path,
    set_path: SetPath,
    library: Any,
    answered_groups: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = tmp_path / "some.egg"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("EGG-INFO/PKG-INFO", METADATA)
        file.writestr("EGG-INFO/entry_points.txt", POINTS)
    set_path(archive)
    found = library.entry_points(group="g")
    assert {each.name for each in found} == {"a", "b"}
    assert answered_groups == []

    class Finder:
        def find_spec(self, *_: object) -> None:
            return None

        def find_distributions(self, context: Any = None) -> Iterator[Any]:
            return iter(())

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert all_of(library.entry_points(group="h")) == all_of(
        their_own(library, group="h")
    )
    assert answered_groups == []


def test_with_a_frozen_index_the_library_answers(
    site: PlantSite,
    set_path: SetPath,
    tmp_path: Path,
    library: Any,
    answered_groups: list[str],
) -> None:
    directory = site(dist("one", entry_points=POINTS))
    set_path(directory)
    frozen = tmp_path / "frozen.index"
    python("-m", "lazyplug", "freeze", "--path", str(directory), "--trust",
           "--output", str(frozen))  # fmt: skip
    shutil.rmtree(directory / "one-1.0.dist-info")
    lazyplug.use_index(frozen)
    try:
        assert len(library.entry_points(group="g")) == 0
        assert answered_groups == []
    finally:
        lazyplug.use_index(None)


def test_undo_restores_the_original_functions() -> None:
    before = [library.entry_points for library in LIBRARIES]
    done = accelerate()
    ours = [library.entry_points for library in LIBRARIES]
    assert not set(ours) & set(before)
    done.undo()
    assert [library.entry_points for library in LIBRARIES] == before
    done.undo()
    assert [library.entry_points for library in LIBRARIES] == before


def test_a_reference_to_our_function_calls_the_library_after_undo(
    site: PlantSite, set_path: SetPath, answered_groups: list[str]
) -> None:
    set_path(site(dist("one", entry_points=POINTS)))
    with accelerate():
        held = importlib.metadata.entry_points
    assert len(held(group="g")) == 2
    assert answered_groups == []


def test_undo_keeps_a_function_that_something_else_installed_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def mine(**params: object) -> tuple[()]:
        return ()

    # So that monkeypatch restores the library's own function.
    own = importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points", own)
    with accelerate():
        monkeypatch.setattr(importlib.metadata, "entry_points", mine)
    assert vars(importlib.metadata)["entry_points"] is mine


def test_nested_accelerations_can_be_undone_in_any_order(
    answered_groups: list[str],
) -> None:
    before = importlib.metadata.entry_points
    one = accelerate()
    two = accelerate()
    one.undo()
    importlib.metadata.entry_points(group="nobody")
    assert answered_groups == ["nobody"]
    two.undo()
    assert importlib.metadata.entry_points is before


@pytest.mark.parametrize("seed", range(20))
def test_after_any_nesting_is_undone_each_library_has_its_own_function(
    seed: int,
) -> None:
    some = random.Random(seed)  # noqa: S311
    before = [library.entry_points for library in LIBRARIES]
    finders = sys.meta_path[:]
    under_way: list[Any] = []
    for _ in range(200):
        if under_way and some.random() < 0.5:
            done = some.choice(under_way)
            done.undo()
            if some.random() < 0.7:  # else it is undone once more
                under_way.remove(done)
        else:
            under_way.append(accelerate())
        found = [library.entry_points for library in LIBRARIES]
        # At most one function of ours, never one wrapped in another.
        for own, now in zip(before, found, strict=True):
            assert now is own or vars(now)["__wrapped__"] is own
    for done in under_way:
        done.undo()
    assert [library.entry_points for library in LIBRARIES] == before
    assert sys.meta_path == finders


def test_a_wrapper_of_our_function_works_after_a_thousand_undos(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = importlib.metadata.entry_points
    monkeypatch.setattr(importlib.metadata, "entry_points", own)
    one = accelerate()
    ours = importlib.metadata.entry_points

    @functools.wraps(ours)
    def wrapper(**params: Any) -> Any:
        return ours(**params)

    monkeypatch.setattr(importlib.metadata, "entry_points", wrapper)
    one.undo()
    assert vars(importlib.metadata)["entry_points"] is wrapper
    for _ in range(1000):
        one, two = accelerate(), accelerate()
        one.undo()
        assert len(importlib.metadata.entry_points(group="nobody")) == 0
        two.undo()
    assert vars(importlib.metadata)["entry_points"] is wrapper
    assert len(wrapper(group="nobody")) == 0


@needs_importlib_metadata
def test_no_library_is_imported_and_each_is_accelerated_when_imported() -> None:
    code = """
        import json, sys
        names = ("importlib.metadata", "importlib_metadata")
        def there(): return [name for name in names if name in sys.modules]
        before = len(sys.meta_path)
        import lazyplug
        done = lazyplug.accelerate()
        results = [there()]
        from importlib.metadata import entry_points
        results += [there(), entry_points.__module__]
        results.append(hasattr(entry_points, "__wrapped__"))
        import importlib_metadata
        results.append(hasattr(importlib_metadata.entry_points, "__wrapped__"))
        results.append("exec_module" in vars(importlib_metadata.__spec__.loader))
        import pluggy
        load = pluggy.PluginManager.load_setuptools_entrypoints
        results.append(hasattr(load, "__wrapped__"))
        results.append(len(sys.meta_path) - before)
        done.undo()
        results.append(hasattr(importlib_metadata.entry_points, "__wrapped__"))
        load = pluggy.PluginManager.load_setuptools_entrypoints
        results.append(hasattr(load, "__wrapped__"))
        print(json.dumps(results))
    """
    assert ask(code) == [
        [],
        ["importlib.metadata"],
        "importlib.metadata",
        True,
        True,
        False,
        True,
        1,  # the finder of importlib_metadata itself
        False,
        False,
    ]


def test_undone_before_the_import_nothing_is_replaced() -> None:
    code = """
        import json, sys
        import lazyplug
        before = sys.meta_path[:]
        with lazyplug.accelerate():
            pass
        import importlib.metadata
        exchanged = hasattr(importlib.metadata.entry_points, "__wrapped__")
        print(json.dumps([sys.meta_path == before, exchanged]))
    """
    assert ask(code) == [True, False]


@needs_importlib_metadata
def test_nested_accelerations_both_apply_to_a_library_that_is_imported_later() -> None:
    code = """
        import json, sys
        import lazyplug
        before = sys.meta_path[:]
        one, two = lazyplug.accelerate(), lazyplug.accelerate()
        import importlib.metadata as library
        import importlib_metadata
        results = []
        for done in (two, one):
            results.append(hasattr(library.entry_points, "__wrapped__"))
            done.undo()
        results.append(hasattr(library.entry_points, "__wrapped__"))
        results.append(any(type(each) is type(one) for each in sys.meta_path))
        print(json.dumps(results))
    """
    assert ask(code) == [True, True, False, False]


@pytest.mark.parametrize(
    "there",
    [
        # a directory without a loader, a module of this name, one of an old loader
        "os.makedirs(os.path.join(here, 'importlib_metadata'))",
        "open(os.path.join(here, 'importlib_metadata.py'), 'w').close()",
        pytest.param(
            "sys.meta_path.insert(0, Old)",
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 15), reason="such loaders are not supported"
            ),
        ),
        "sys.modules['importlib_metadata'] = type(sys)('importlib_metadata')",
    ],
)
def test_a_module_that_only_has_the_name_of_a_library_can_be_imported(
    there: str, tmp_path: Path
) -> None:
    code = f"""
        import json, os, sys
        from importlib.machinery import ModuleSpec
        here = {str(tmp_path)!r}
        class Old:
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                return ModuleSpec(name, cls) if name == "importlib_metadata" else None
            @staticmethod
            def load_module(name):
                return sys.modules.setdefault(name, type(sys)(name))
        {there}
        import lazyplug
        sys.path[:] = [here, *(p for p in sys.path if "site-packages" not in p)]
        import warnings
        warnings.simplefilter("ignore")  # of Python, for the loader
        with lazyplug.accelerate():
            import importlib_metadata
        print(json.dumps(importlib_metadata.__name__))
    """
    assert ask(code) == "importlib_metadata"


def test_a_library_that_another_thread_is_importing_is_accelerated(
    tmp_path: Path,
) -> None:
    source = """
        import __main__
        __main__.began.set()
        __main__.time.sleep(0.2)
        def entry_points(**params): ...
        """
    plant(tmp_path, {"importlib_metadata.py": source})
    code = f"""
        import json, sys, threading, time
        import lazyplug
        sys.path.insert(0, {str(tmp_path)!r})
        began = threading.Event()
        other = threading.Thread(target=__import__, args=("importlib_metadata",))
        other.start()
        began.wait(60)
        lazyplug.accelerate()
        other.join()
        library = sys.modules["importlib_metadata"]
        print(json.dumps(hasattr(library.entry_points, "__wrapped__")))
    """
    assert ask(code) is True


def test_a_missing_library_raises_the_usual_error(
    monkeypatch: pytest.MonkeyPatch, set_path: SetPath, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.startswith("importlib_metadata")]:
        monkeypatch.delitem(sys.modules, name)
    with accelerate():
        set_path(tmp_path)
        with pytest.raises(ModuleNotFoundError, match="importlib_metadata"):
            __import__("importlib_metadata")


def test_a_library_in_an_archive_is_accelerated_and_its_loader_is_unchanged(
    tmp_path: Path,
) -> None:
    import importlib_metadata
    import zipp

    archive = tmp_path / "libs.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for package in (importlib_metadata, zipp):
            assert package.__file__
            root = Path(package.__file__).parent
            for each in root.rglob("*.py"):
                file.write(each, each.relative_to(root.parent))
    code = f"""
        import json, sys
        import lazyplug
        lazyplug.accelerate()
        sys.path.insert(0, {str(archive)!r})
        import importlib_metadata
        loader = importlib_metadata.__spec__.loader
        found = hasattr(importlib_metadata.entry_points, "__wrapped__")
        print(json.dumps([type(loader).__name__, found,
            "exec_module" in getattr(loader, "__dict__", ())]))
    """
    assert ask(code) == ["zipimporter", True, False]


def test_threads_that_query_during_undo_are_answered(
    site: PlantSite, set_path: SetPath
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    set_path(site(dist("one", entry_points=POINTS)))
    done = accelerate()

    def ask_once(number: int) -> int:
        if number == 50:
            done.undo()
        return len(importlib.metadata.entry_points(group="g"))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask_once, range(100))) == {2}


def test_a_library_that_is_imported_later_is_accelerated_in_this_process_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import importlib_metadata

    for name in [name for name in sys.modules if name.startswith("importlib_metadata")]:
        monkeypatch.delitem(sys.modules, name)
    before = sys.meta_path[:]
    try:
        with accelerate():
            later = __import__("importlib_metadata")
            assert later is not importlib_metadata
            ours = later.entry_points
            assert ours.__wrapped__ is not ours
            assert len(later.entry_points(group="nobody.declares.this")) == 0
        assert later.entry_points is ours.__wrapped__
    finally:
        sys.meta_path[:] = before
        monkeypatch.undo()
    assert sys.modules["importlib_metadata"] is importlib_metadata


# ------------------------------------------------------------------ pluggy's loader

PLUGGY = """
import importlib.metadata, json, sys
import lazyplug, pluggy
read, listed = [], []
files = importlib.metadata.Distribution.entry_points.fget
def counted(dist):
    read.append(dist._path.name)
    return files(dist)
importlib.metadata.Distribution.entry_points = property(counted)
def load():
    del read[:], listed[:]
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]
    manager = pluggy.PluginManager("app")
    count = manager.load_setuptools_entrypoints("app")
    names = [name for name, _ in manager.list_name_plugin()]
    dists = [str(dist._dist._path) for _, dist in manager.list_plugin_distinfo()]
    return [count, names, dists, listed[:]], read[:]
own = load()
with lazyplug.accelerate():
    ours = load()
print(json.dumps([own, ours, load() == own]))
"""


def test_pluggy_reads_only_the_distributions_that_declare_its_group(
    tmp_path: Path,
) -> None:
    module = "import __main__, importlib.metadata\n__main__.listed += [{0!r}, len(list("
    module += "importlib.metadata.distributions()))]\n"
    first = plant(
        tmp_path / "first",
        {
            "plug_a.py": module.format("a"),
            **dist("zeta", entry_points="[app]\na = plug_a\n[other]\nx = y\n"),
            **{k: v for at in range(9) for k, v in dist(f"plain{at}").items()},
            **dist("others", entry_points="[other]\nx = y\n"),
        },
    )
    second = plant(
        tmp_path / "second",
        {
            "plug_b.py": module.format("b"),
            **dist("alpha", entry_points="[app]\nb = plug_b\n"),
            # pluggy reads a shadowed distribution, too.
            **dist("zeta", "2.0", entry_points="[app]\na = plug_a\nc = plug_c\n"),
            "plug_c.py": "",
        },
    )
    path = map(str, [first, second, os.environ.get("PYTHONPATH", "")])
    options = {
        "env": {
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "LAZYPLUG_CACHE_DIR": str(tmp_path / "cache"),
        }
    }
    (own, read), (ours, ours_read), restored = ask(PLUGGY, **options)
    assert ours == own
    assert {"zeta-1.0.dist-info", "zeta-2.0.dist-info"} < {*ours_read} < {*read}
    assert not any(name.startswith(("plain", "others")) for name in ours_read)
    assert restored


def test_pluggy_loads_the_same_plugins_in_this_process(
    site: PlantSite, prepend_path: SetPath, clean_sys_modules: None
) -> None:
    prepend_path(
        site(
            {
                "plug_a.py": "",
                **dist("some", entry_points="[plug.app]\na = plug_a\n"),
                **dist("plain"),
            }
        )
    )
    with accelerate():
        manager = pluggy.PluginManager("app")
        assert manager.load_setuptools_entrypoints("plug.app") == 1
        assert [name for name, _ in manager.list_name_plugin()] == ["a"]
        names = {each.name for each in importlib.metadata.distributions()}
    assert names == {each.name for each in importlib.metadata.distributions()}
    assert "plain" in names


class Fixed:
    """A loader whose attributes cannot be set."""

    __slots__ = ()

    def exec_module(self, module: ModuleType) -> None:
        raise AssertionError(module)


@pytest.mark.parametrize("loader", [None, Fixed()])
def test_a_loader_that_cannot_be_patched_is_left_alone(loader: Any) -> None:
    spec = ModuleSpec("plug", loader)
    call_after_import(spec, print)
    assert spec.loader is loader
