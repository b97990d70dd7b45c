"""Test that learned facts are reused while they are valid, and that none is needed."""

import errno
import importlib.metadata
import json
import logging
import os
import pkgutil as pkgutil  # noqa: PLC0414 - see `set_path`
import shutil
import stat
import sys
import textwrap
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import lazyplug
from lazyplug import (
    Extension,
    ExtensionManager,
    _environment,
    _files,
    _settings,
)
from lazyplug._indexing import reading, storage
from lazyplug._static import learned, learning, targets
from lazyplug._static import source as source_module
from lazyplug._static.learned import UNKNOWN
from lazyplug._static.source import Sources, first_line
from lazyplug.testing import dist, plant
from tests.support.children import ask
from tests.support.clock import (
    LATER,
    SECOND,
    TICKS,
    Clockwork,
    Ticking,
    after_last_change,
    rewrite,
)
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs
from tests.support.index_format import (
    SCHEMA,
    TITLE_LENGTH,
    assemble,
    digest,
    from_bytes,
    stat_signature,
    title,
)
from tests.support.learned_facts import end, forget_facts, unwritten
from tests.support.properties import examples

ROOT = Path(lazyplug.__file__).parent.parent
FULL_PATH = list(sys.path)
TRAP = "\nraise AssertionError('this must not be imported')\n"
posix = pytest.mark.skipif(os.name != "posix", reason="file modes and users of POSIX")


pytestmark = pytest.mark.usefixtures("clear_facts", "parsed")


def summaries(group: str = "g", **options: Any) -> dict[str, str | None]:
    """Return the summaries that a new process finds in a group, and end it."""
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any](group, **options)
    found = {extension.name: extension.summary for extension in manager}
    end()
    return found


def uncached_summaries(group: str = "g") -> dict[str, str | None]:
    """Return the summaries that a process without a cache finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAZYPLUG_CACHE", "off")
        return summaries(group)


def facts_in(directory: Path) -> Path:
    (file,) = directory.glob("*.facts")
    return file


TREE = {
    "plug_one.py": f"class One:\n  '''The one.'''\n{TRAP}",
    "plug_two": {
        "__init__.py": f"from .impl import Two\n{TRAP}",
        "impl.py": f"class Two:\n  '''The two.'''\n{TRAP}",
    },
    **dist("one", entry_points="[g]\none = plug_one:One\n"),
    **dist("two", entry_points="[g]\ntwo = plug_two:Two\n"),
}
SUMMARIES = {"one": "The one.", "two": "The two."}


@pytest.fixture
def plugs(late_clock: Ticking, site: PlantSite, set_path: SetPath) -> Path:
    """Return a site directory of two plugins, the only entry of `sys.path`."""
    directory = site(TREE)
    set_path(directory)
    return directory


# ---------------------------------------------------------------------------- reuse


def test_a_summary_is_determined_once_and_then_remembered(
    plugs: Path, parsed: list[str], isolated: Path
) -> None:
    assert summaries() == SUMMARIES
    assert sorted(parsed) == ["__init__.py", "impl.py", "plug_one.py"]
    parsed.clear()
    assert summaries() == SUMMARIES
    assert parsed == []
    assert sorted(file.suffix for file in isolated.iterdir()) == [".facts", ".json"]


def test_an_extension_keeps_its_summary(plugs: Path) -> None:
    (one, _) = ExtensionManager[Any]("g")
    assert one.summary == "The one."
    rewrite(plugs / "plug_one.py", "class One: 'Changed.'")
    assert one.summary == "The one."
    assert ExtensionManager[Any]("g")["one"].summary == "The one."
    lazyplug.refresh()
    assert ExtensionManager[Any]("g")["one"].summary == "Changed."
    assert not one.loaded


def test_a_module_in_an_earlier_path_entry_is_found_after_refresh(
    plugs: Path, site: PlantSite, set_path: SetPath
) -> None:
    before = site({}, "before")
    set_path(before, plugs)
    assert ExtensionManager[Any]("g")["one"].summary == "The one."
    after_last_change(plugs.parent / "probe")
    plant(before, {"plug_one.py": "class One: 'Before.'"})
    lazyplug.refresh()
    assert ExtensionManager[Any]("g")["one"].summary == "Before."


def test_a_new_extension_in_the_same_process_needs_no_file(
    plugs: Path, parsed: list[str], isolated: Path
) -> None:
    manager = ExtensionManager[Any]("g")
    assert [extension.summary for extension in manager] == ["The one.", "The two."]
    assert not list(isolated.glob("*.facts"))
    parsed.clear()
    manager = ExtensionManager[Any]("g")
    assert [extension.summary for extension in manager] == ["The one.", "The two."]
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any]("g")
    assert [extension.summary for extension in manager] == ["The one.", "The two."]
    assert parsed == []


def test_a_missing_summary_is_remembered_until_a_file_changes(
    plugs: Path, parsed: list[str]
) -> None:
    plant(
        plugs,
        {
            f"plug_c{EXTENSION_SUFFIXES[0]}": "",
            "plug_s.py": "x = 1 +",
            "plug_d.py": "X = f()",
            **dist(
                "none",
                entry_points="[h]\nc = plug_c:X\ns = plug_s\nd = plug_d:X\n"
                "n = plug_nothing:X\n",
            ),
        },
    )
    no_summaries = {"c": None, "s": None, "d": None, "n": None}
    assert summaries("h") == no_summaries
    searched: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            source_module.Search,
            "target",
            lambda _, module, __: searched.append(module),
        )
        assert summaries("h") == no_summaries
    assert searched == []
    plant(plugs, {"plug_c.py": "class X: 'C.'", "plug_nothing": {"__init__.py": ""}})
    rewrite(plugs / "plug_nothing" / "__init__.py", "class X: 'N.'")
    assert summaries("h") == {"c": "C.", "s": None, "d": None, "n": "N."}


CHANGES: dict[str, Callable[[Path], object]] = {
    "the source is rewritten": lambda site: rewrite(
        site / "plug_two" / "impl.py", "class Two: 'New.'"
    ),
    "the re-export is rewritten": lambda site: rewrite(
        site / "plug_two" / "__init__.py", "class Two: 'New.'"
    ),
    "the source is removed": lambda site: (site / "plug_two" / "impl.py").unlink(),
    "the package is removed": lambda site: shutil.rmtree(site / "plug_two"),
    "a package hides a module": lambda site: plant(
        site, {"plug_one": {"__init__.py": "class One: 'Package.'"}}
    ),
    "a package hides a module inside a package": lambda site: plant(
        site, {"plug_two": {"impl": {"__init__.py": "class Two: 'Package.'"}}}
    ),
    "the package becomes a namespace": lambda site: (
        site / "plug_two" / "__init__.py"
    ).unlink(),
    "a module is added to an earlier path entry": lambda site: plant(
        site.parent / "before", {"plug_one.py": "class One: 'Before.'"}
    ),
    "a package is added to an earlier path entry": lambda site: plant(
        site.parent / "before", {"plug_two": {"__init__.py": "Two = 1"}}
    ),
    "a distribution is installed": lambda site: plant(
        site,
        {
            **dist("three", entry_points="[g]\nthree = plug_3\n"),
            "plug_3.py": "'''Three.'''",
        },
    ),
    "a distribution is uninstalled": lambda site: shutil.rmtree(
        site / "one-1.0.dist-info"
    ),
    "a value changes": lambda site: rewrite(
        site / "one-1.0.dist-info" / "entry_points.txt", "[g]\none = plug_two:Two\n"
    ),
    "a distribution is upgraded": lambda site: (site / "one-1.0.dist-info").rename(
        site / "one-2.0.dist-info"
    ),
    "a path entry is removed": lambda site: (site.parent / "before").rmdir(),
    "a path entry becomes a file": lambda site: (
        (site.parent / "before").rename(site.parent / "directory"),
        (site.parent / "before").write_text("no zip"),
    ),
    "an unrelated file is added": lambda site: plant(
        site.parent / "before", {"other.py": ""}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_next_process_finds_the_new_summaries(
    change: str, plugs: Path, site: PlantSite, set_path: SetPath
) -> None:
    set_path(site({}, "before"), plugs)
    assert summaries() == summaries() == SUMMARIES
    after_last_change(plugs.parent / "probe")
    CHANGES[change](plugs)
    expected = uncached_summaries()
    assert (expected == SUMMARIES) == (
        change in ("an unrelated file is added", "a distribution is upgraded")
        or change.startswith("a path entry")
    )
    assert summaries() == summaries() == expected


@pytest.mark.parametrize("first", [[], [""]])
def test_an_unrelated_change_does_not_make_the_next_process_parse_again(
    first: list[str],
    plugs: Path,
    site: PlantSite,
    set_path: SetPath,
    parsed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = site({}, "before")
    monkeypatch.chdir(site({}, "here"))
    set_path(*first, before, plugs)
    summaries()
    parsed.clear()
    after_last_change(plugs.parent / "probe")
    plant(before, {"plug_three.py": ""})
    plant(
        plugs, {**dist("three", entry_points="[h]\nthree = plug_3\n"), "plug_3.py": ""}
    )
    shutil.rmtree(plugs / "one-1.0.dist-info")
    plant(plugs, dist("one", "2.0", entry_points="[g]\none = plug_one:One\n"))
    assert summaries() == SUMMARIES
    assert parsed == []


def test_a_namespace_package_is_watched_in_each_path_entry_that_has_a_part(
    plugs: Path, site: PlantSite, set_path: SetPath
) -> None:
    plant(plugs, dist("space", entry_points="[h]\nx = plug_space.inner.x\n"))
    one = site({"plug_space": {"inner": {}}}, "one")
    two = site({"plug_space": {"inner": {"x.py": "'''Two.'''"}}}, "two")
    set_path(one, two, plugs)
    assert summaries("h") == summaries("h") == {"x": "Two."}
    after_last_change(plugs.parent / "probe")
    plant(one, {"plug_space": {"inner": {"x.py": "'''One.'''"}}})
    assert summaries("h") == summaries("h") == {"x": "One."}
    after_last_change(plugs.parent / "probe")
    plant(two, {"plug_space": {"__init__.py": ""}})
    assert summaries("h") == summaries("h") == {"x": "Two."}


@pytest.mark.parametrize("level", ["full", "dirs", "none"])
def test_the_check_level_decides_whether_sources_are_checked(
    level: str, plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", level)
    summaries()
    rewrite(plugs / "plug_one.py", "class One: 'Changed.'")
    expected = "The one." if level == "none" else "Changed."
    assert summaries()["one"] == expected


# ------------------------------------------------------------------- the racy rule


@pytest.fixture
def stop_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Clockwork]:
    """Return a function that stops the clock, whose ticks have this length."""

    def install(tick: int) -> Clockwork:
        clock = Clockwork(tmp_path / "probe", tick)
        for name in ("stat", "fstat", "clock"):
            monkeypatch.setattr(fs, name, getattr(clock, name))
        return clock

    return install


@pytest.mark.parametrize("rule", [True, False])
@pytest.mark.parametrize("tick", TICKS.values(), ids=TICKS)
def test_a_file_that_changes_twice_in_a_tick_is_not_remembered_in_between(
    tick: int,
    rule: bool,
    site: PlantSite,
    set_path: SetPath,
    stop_clock: Callable[[int], Clockwork],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = stop_clock(tick)
    directory = site(TREE)
    set_path(directory)
    clock.move(5 * SECOND)
    assert summaries() == SUMMARIES
    clock.move(5 * SECOND)
    if not rule:
        monkeypatch.setattr(reading, "is_reliable", lambda *_: True)
    file = directory / "plug_one.py"
    file.write_text("class One: '''The new.'''\n")
    before = stat_signature(clock.stat(str(file)))
    clock.move(tick // 3)
    assert summaries()["one"] == "The new."
    file.write_text("class One: '''The old.'''\n")
    assert stat_signature(clock.stat(str(file))) == before
    assert summaries()["one"] == ("The old." if rule else "The new.")


def test_a_fact_is_as_old_as_the_reading_of_its_source(
    site: PlantSite,
    set_path: SetPath,
    stop_clock: Callable[[int], Clockwork],
) -> None:
    clock = stop_clock(1)
    directory = site(
        {
            "plug.py": "class A: 'A.'\nclass B: 'B.'\n",
            **dist("plug", entry_points="[g]\na = plug:A\nb = plug:B\n"),
        }
    )
    set_path(directory)
    clock.move(5 * SECOND)
    lazyplug.invalidate_caches()
    a, b = ExtensionManager[Any]("g")
    assert a.summary == "A."
    (directory / "plug.py").write_text("class A: 'A.'\nclass B: 'New.'\n")
    clock.move(5 * SECOND)
    assert b.summary == "B."  # a process reads each source once
    end()
    assert summaries() == {"a": "A.", "b": "New."}


# ------------------------------------------------------ facts that are not stored


def fact_lines(directory: Path) -> list[Any]:
    """Return the facts in a cache directory; none if it has no file of facts.

    Each is a list: its key, its value, what it depends on, and the answer.
    """
    found: list[Any] = []
    for file in directory.glob("*.facts"):
        title, *lines = file.read_text().splitlines(keepends=True)
        end = json.loads(title)[3]
        header = "".join(lines)[:end].splitlines()
        body = "".join(lines)[end:]
        for line in header[3:]:
            _, _, offset, length, _ = json.loads(line)
            part = body[int(offset) :][: int(length)].splitlines()
            _, keys, *facts = map(json.loads, part)
            pairs = zip(keys[::2], keys[1::2], facts, strict=True)
            found += [[key, value, *fact] for key, value, fact in pairs]
    return found


def test_facts_about_extensions_without_a_distribution_are_not_stored(
    plugs: Path, parsed: list[str], isolated: Path
) -> None:
    plant(plugs, {"plug_host": {"__init__.py": TRAP, "mod.py": "'''Mod.'''" + TRAP}})
    for _ in range(2):
        assert summaries("none", package="plug_host") == {"mod": "Mod."}
    assert parsed == ["mod.py"] * 2
    point = lazyplug.EntryPoint("hand", "plug_one:One [extra]", "g")
    for _ in range(2):
        assert Extension[Any]("hand", point).summary == "The one."
        assert Extension[Any]("hand", point, plugin=object()).summary == "The one."
        end()
    assert fact_lines(isolated) == []


@pytest.mark.parametrize("value", ["plug-one:One", "", "plug_one:", "[x]"])
def test_an_extension_with_an_invalid_value_has_no_summary(
    value: str, plugs: Path
) -> None:
    point = lazyplug.EntryPoint("hand", value, "g")
    assert Extension[Any]("hand", point).summary is None
    plant(plugs, dist("bad", entry_points=f"[h]\nbad = {value}\n"))
    assert summaries("h") == {"bad": None}


def test_an_extension_that_was_not_installed_has_no_summary() -> None:
    extension = Extension[Any]("x", None, plugin=ExtensionManager)
    assert extension.summary is None


def test_facts_about_a_volatile_path_entry_are_never_stored(
    plugs: Path,
    site: PlantSite,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    isolated: Path,
) -> None:
    here = site(
        {
            **dist(
                "here", entry_points="[g]\nhere = plug_one:One\nthere = plug_two:Two\n"
            ),
            "plug_one.py": "class One: 'Here.'",
        },
        "here",
    )
    monkeypatch.chdir(here)
    set_path("", plugs)
    for name in ("here", "there"):
        assert ExtensionManager[Any]("g")[name].summary
    assert not unwritten()
    found = {"one": "Here.", "two": "The two.", "here": "Here.", "there": "The two."}
    assert summaries() == summaries() == found
    assert [line[:2] for line in fact_lines(isolated)] == [["two", "plug_two:Two"]]


SECOND_ONLY = {"two": "The two."}


def test_a_module_in_the_current_directory_hides_a_plugin_only_there(
    plugs: Path,
    site: PlantSite,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    parsed: list[str],
) -> None:
    tree = {"plug_one.py": "class One: 'Here.'"}
    directories = [site({}, "nothing"), site(tree, "something"), site({}, "later")]
    summaries()
    parsed.clear()
    for directory in (*directories, *directories):
        monkeypatch.chdir(directory)
        set_path("", plugs)
        hides = directory.name == "something"
        assert summaries() == {"one": "Here." if hides else "The one.", **SECOND_ONLY}
    # In the other directories the facts are still valid.
    assert parsed == ["plug_one.py"] * 2
    parsed.clear()
    monkeypatch.chdir(directories[0])
    set_path("gone", plugs)
    assert summaries() == SUMMARIES
    assert parsed == []
    with zipfile.ZipFile(directories[2] / "plugs.zip", "w") as packed:
        packed.writestr("plug_one.py", "")
    monkeypatch.chdir(directories[2])
    set_path("plugs.zip", plugs)
    assert summaries() == {"one": None, **SECOND_ONLY}


def test_a_write_where_a_plugin_is_hidden_keeps_its_facts_for_other_directories(
    plugs: Path,
    site: PlantSite,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    isolated: Path,
) -> None:
    plant(plugs, dist("more", entry_points="[h]\ntwo = plug_two:Two\n"))
    summaries()
    monkeypatch.chdir(site({"plug_one.py": ""}, "something"))
    set_path("", plugs)
    assert summaries("h") == SECOND_ONLY
    assert [line[0] for line in fact_lines(isolated)] == ["one", "two", "more"]


def test_facts_about_distributions_of_third_party_finders_are_never_stored(
    plugs: Path,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    isolated: Path,
) -> None:
    set_path(
        plugs, *FULL_PATH
    )  # importlib_metadata imports what it needs when it needs it

    class Strange(importlib.metadata.PathDistribution):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise AssertionError("this must not be run")

    class Finder:
        def find_distributions(self, _: Any) -> Iterator[Any]:
            yield Strange(plugs / "one-1.0.dist-info")

        def find_spec(self, *_: Any) -> None:
            return None

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert summaries() == summaries() == SUMMARIES
    assert [line[:2] for line in fact_lines(isolated)] == [["two", "plug_two:Two"]]


# ------------------------------------------------------- editable installations


class Editable:
    """A finder like those that editable installations put on `sys.meta_path`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.queries: list[str] = []

    def find_spec(self, name: str, path: Any = None, _: Any = None) -> Any:
        self.queries.append(name)
        assert path is None
        if name == "plug_e":
            file = self.directory / name / "__init__.py"
            where = [str(file.parent)]
            return spec_from_file_location(name, file, submodule_search_locations=where)
        if name == "plug_broken":
            raise RuntimeError("of no use")
        if name == "plug_strange":
            return object()
        return None


@pytest.fixture
def editable(plugs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editable:
    tree = {"__init__.py": "'''E.'''" + TRAP, "sub.py": "class X: 'Sub.'" + TRAP}
    plant(tmp_path / "src", {"plug_e": tree})
    plant(tmp_path / "moved", {"plug_e": {**tree, "sub.py": "class X: 'Moved.'"}})
    plant(
        plugs,
        dist(
            "e",
            entry_points="[h]\ntop = plug_e\nsub = plug_e.sub:X\n"
            "broken = plug_broken:X\nstrange = plug_strange:X\n"
            "none = plug_none.sub:X\nbuiltin = sys\n",
        ),
    )
    finder = Editable(tmp_path / "src")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    return finder


NOTHING = dict.fromkeys(["broken", "strange", "none", "builtin"])


def test_editable_sources_are_remembered_while_the_finder_answers_the_same(
    editable: Editable, tmp_path: Path, parsed: list[str]
) -> None:
    expected = {"top": "E.", "sub": "Sub.", **NOTHING}
    assert summaries("h") == expected
    # It is asked for top-level names only, and for none that a directory has.
    names = ["plug_broken", "plug_e", "plug_none", "plug_strange"]
    assert sorted(editable.queries) == names
    editable.queries.clear()
    parsed.clear()
    assert summaries("h") == expected
    assert sorted(editable.queries) == names
    assert parsed == []
    editable.directory = tmp_path / "moved"
    assert summaries("h") == summaries("h") == {**expected, "sub": "Moved."}
    rewrite(tmp_path / "moved" / "plug_e" / "sub.py", "class X: 'New.'")
    assert summaries("h") == {**expected, "sub": "New."}


def test_facts_about_the_modules_of_a_removed_finder_are_not_used(
    editable: Editable, monkeypatch: pytest.MonkeyPatch
) -> None:
    summaries("h")
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:-1])
    assert summaries("h") == {"top": None, "sub": None, **NOTHING}


def test_a_new_directory_takes_precedence_over_every_finder_after_it(
    editable: Editable, plugs: Path
) -> None:
    summaries("h")
    after_last_change(plugs.parent / "probe")
    plant(plugs, {"plug_e": {"sub.py": "class X: 'Folder.'"}})
    expected = {"top": None, "sub": "Folder.", **NOTHING}
    assert summaries("h") == summaries("h") == expected


def test_a_namespace_package_of_a_finder_has_no_file(
    plugs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = plant(tmp_path / "src", {"x.py": "'''X.'''"})
    spec = ModuleSpec("plug_e", None, is_package=True)
    spec.submodule_search_locations = [str(directory)]
    finder = SimpleNamespace(find_spec=lambda *_: spec)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    plant(plugs, dist("e", entry_points="[h]\nx = plug_e.x\ntop = plug_e\n"))
    assert summaries("h") == summaries("h") == {"x": "X.", "top": None}


# ----------------------------------------------- modules that only finders have


class FakeFinder:
    """A finder, of modules or of path entries, that has the given modules.

    :param modules: the file of each module (None: a namespace package), and the
        directories of the modules below it (None: it is not a package).
    """

    def __init__(self, **modules: Any) -> None:
        self.modules = modules

    def __call__(self, entry: str) -> "FakeFinder":
        if entry != "__served__":
            raise ImportError(entry)
        return self

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in self.modules:
            return None
        file, directories = self.modules[name]
        where = None if directories is None else list(map(str, directories))
        if file is None:
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = where
            return spec
        return spec_from_file_location(name, file, submodule_search_locations=where)


def summaries_and_missing(group: str = "g") -> dict[str, tuple[str | None, bool]]:
    """Return what a new process finds: each summary, and if its module is missing."""
    lazyplug.invalidate_caches()
    found = {
        extension.name: (extension.summary, targets.is_missing(extension))
        for extension in ExtensionManager[Any](group)
    }
    end()
    return found


@pytest.fixture
def outside(late_clock: Ticking, site: PlantSite, set_path: SetPath) -> Path:
    """Return a directory outside `sys.path` with a part of a namespace package."""
    points = "[g]\none = plug_n.cmds.one\ntwo = plug_n.cmds.two\nno = plug_n.cmds.no\n"
    tree = {
        "plug_n": {"cmds": {"one": {"__init__.py": f"'''One.'''{TRAP}"}}},
        **dist("served", entry_points=points),
    }
    set_path(site(tree))
    return plant(site({}, "src"), {"two.py": f"'''Two.'''{TRAP}", "cmds": {}})


ALL_PARTS = {"one": ("One.", False), "two": ("Two.", False), "no": (None, True)}


def test_a_finder_after_the_path_finder_serves_part_of_a_namespace_package(
    outside: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[str]
) -> None:
    finder = FakeFinder(**{"plug_n.cmds.two": (outside / "two.py", None)})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    assert summaries_and_missing() == summaries_and_missing() == ALL_PARTS
    assert sorted(parsed) == ["__init__.py", "two.py"]
    rewrite(outside / "two.py", "'''New.'''")
    assert summaries_and_missing()["two"] == ("New.", False)
    finder.modules.clear()
    assert summaries_and_missing()["two"] == (None, True)


def test_a_path_entry_finder_serves_part_of_a_namespace_package(
    outside: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[str]
) -> None:
    """Do as setuptools' editable installations of namespace packages do."""
    finder = FakeFinder(
        plug_n=(None, ["__served__"]),
        **{
            "plug_n.cmds": (None, ["__served__"]),
            "plug_n.cmds.two": (outside / "two.py", None),
        },
    )
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks, finder])
    monkeypatch.setattr(sys, "path", [*sys.path, "__served__"])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    assert summaries_and_missing() == summaries_and_missing() == ALL_PARTS
    assert sorted(parsed) == ["__init__.py", "two.py"]
    # No directory needs to have a part of the package.
    shutil.rmtree(Path(sys.path[0]) / "plug_n")
    assert summaries_and_missing() == {**ALL_PARTS, "one": (None, True)}


def test_the_modules_of_a_package_are_found_in_the_directories_of_a_finder(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = FakeFinder(
        plug_n=(None, ["__served__"]),
        **{"plug_n.cmds": (None, ["__served__", outside])},
    )
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks, finder])
    monkeypatch.setattr(sys, "path", [*sys.path, "__served__"])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    manager = ExtensionManager[Any]("none", package="plug_n.cmds")
    assert manager.names() == ["one", "two"]


def test_a_finder_before_the_path_finder_takes_precedence_at_each_level(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Do as the finders of meson-python and scikit-build-core do."""
    file = (
        plant(outside, {"top": {"__init__.py": "'''Top.'''"}}) / "top" / "__init__.py"
    )
    below = {
        # This directory does not exist; only the finder knows it.
        "plug_n.cmds": (file, ["/nowhere/loader.py/plug_n.cmds"]),
        "plug_n.cmds.two": (outside / "two.py", None),
    }
    finder = FakeFinder(**below)
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    expected = {**ALL_PARTS, "one": (None, True)}
    assert summaries_and_missing() == summaries_and_missing() == expected
    # It hides a module in a directory, even one that facts were learned about before.
    sys.meta_path.remove(finder)
    assert summaries_and_missing()["one"] == ("One.", False)
    sys.meta_path.insert(0, FakeFinder(plug_n=(None, ["/nowhere"]), **below))
    assert summaries_and_missing() == expected


def type_name(value: object) -> str:
    return type(value).__name__


class RaisingFinder:
    def find_spec(self, name: str, *_: object) -> None:
        if name.startswith("plug_"):
            raise OSError(errno.EMFILE, "no descriptor")


class LoaderFinder:
    """A finder whose loader makes the package itself, as that of distutils does."""

    def find_spec(self, name: str, *_: object) -> Any:
        loader: Any = SimpleNamespace(create_module=None, exec_module=None)
        return ModuleSpec(name, loader) if name == "plug_n" else None


class PackageLoaderFinder(LoaderFinder):
    """A finder whose loader makes the module itself, and that says it is a package."""

    def find_spec(self, name: str, *_: object) -> Any:
        spec = super().find_spec(name)
        if spec is not None:
            spec.submodule_search_locations = []
        return spec


class ObsoleteFinder:
    """A finder with the obsolete `find_module`, which Python 3.11 still calls."""

    def find_module(self, name: str, path: Any = None) -> Any:
        return object() if name == "plug_n.cmds.no" else None


@pytest.mark.parametrize(
    "finder",
    [RaisingFinder(), LoaderFinder(), PackageLoaderFinder(), ObsoleteFinder()],
    ids=type_name,
)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_no_module_that_a_finder_may_have_is_called_missing(
    finder: Any, first: bool, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not first:
        shutil.rmtree(Path(sys.path[0]) / "plug_n")
    at = 0 if first else len(sys.meta_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    sys.meta_path.insert(at, finder)
    missing = summaries_and_missing()["no"][1]
    is_asked = not isinstance(finder, ObsoleteFinder) or (
        first and sys.version_info < (3, 12)
    )
    assert missing is not is_asked
    sys.meta_path.pop(at)
    assert summaries_and_missing()["no"] == (None, True)


@pytest.mark.parametrize(
    "source",
    [
        "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n",
        "__import__('pkg_resources').declare_namespace(__name__)\n",
        "import sys\nsys.meta_path.append(None)\n",
        "from sys import modules\nmodules[__name__ + '.no'] = 1\n",
    ],
)
def test_no_module_of_a_package_that_may_add_modules_is_called_missing(
    source: str, outside: Path
) -> None:
    init = Path(sys.path[0]) / "plug_n" / "cmds" / "__init__.py"
    init.write_text("")
    assert summaries_and_missing()["no"] == (None, True)
    init.write_text(source)
    assert summaries_and_missing()["no"] == (None, False)


def test_no_module_that_is_imported_or_on_the_path_of_its_parent_is_called_missing(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Do as the namespace packages that a `-nspkg.pth` file makes."""
    directory = str(Path(sys.path[0]) / "plug_n")
    parent = SimpleNamespace(__path__=[directory])
    monkeypatch.setitem(sys.modules, "plug_n", parent)
    assert summaries_and_missing()["no"] == (None, True)
    parent.__path__.append(str(outside))
    assert summaries_and_missing()["no"] == (None, False)
    parent.__path__.pop()
    monkeypatch.setitem(sys.modules, "plug_n.cmds.no", parent)
    assert summaries_and_missing()["no"] == (None, False)
    monkeypatch.undo()


# ---------------------------------------------------------------------------- the file


def test_the_file_can_be_read_with_any_json_reader(plugs: Path, isolated: Path) -> None:
    summaries()
    lines = facts_in(isolated).read_text().splitlines()
    first, *head, table, part, keys, one, two = lines
    (index,) = isolated.glob("*.json")
    assert facts_in(isolated).stem == index.stem
    assert json.loads(first)[:2] == ["lazyplug", SCHEMA]
    assert [json.loads(line) for line in head] == [
        [learned.MARK, lazyplug.__version__],
        [sys.prefix, str(plugs)],
        [stat_signature(os.stat(plugs))],
    ]
    text = "\n".join([part, keys, one, two])
    expected = ["summary", "g", "0", str(len(text)), digest(text.encode())]
    assert json.loads(table) == expected
    assert json.loads(part) == ["summary", "g"]
    assert json.loads(keys) == ["one", "plug_one:One", "two", "plug_two:Two"]
    texts, answer = json.loads(two)
    assert answer == "The two."
    assert texts[:4] == ["plug_two", "0", "plug_two.impl", f"0 {plugs / 'plug_two'}"]
    assert texts[4:6] == ["", ""]
    assert dict(zip(texts[6::2], texts[7::2], strict=True)) == {
        str(plugs / name): stat_signature(os.stat(plugs / name))
        for name in ("plug_two/__init__.py", "plug_two", "plug_two/impl.py")
    }
    texts, _ = json.loads(one)
    assert texts[texts.index(str(plugs / "plug_one")) + 1] == "-"


# Any characters, also the surrogates that stand for bytes in a path.
anything = st.text(st.characters(exclude_categories=()), max_size=5)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | anything,
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(anything, values, max_size=3)
    ),
)
searched: st.SearchStrategy[Any] = st.tuples(
    anything,
    st.integers(0, 99),
    st.tuples(
        st.none() | st.lists(anything, max_size=2), st.integers(0, 2), json_values
    )
    | st.tuples(st.lists(anything, min_size=1, max_size=1), st.just(0), st.just([])),
)


@examples(300)
@given(
    facts=st.dictionaries(
        st.tuples(anything, anything),
        st.tuples(
            json_values | st.lists(anything, max_size=3),
            st.lists(searched, max_size=3),
            st.lists(st.tuples(anything, anything), max_size=3),
        ),
        max_size=3,
    ),
    part=st.tuples(anything, anything),
    key=st.lists(anything, max_size=3),
)
def test_whatever_is_learned_is_read_as_json_represents_it(
    facts: Any, part: Any, key: Any
) -> None:
    table = {each: learning.make_fact(*fact) for each, fact in facts.items()}
    data = learning.encode(key, [], {part: table} if table else {})

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    head, header, rest = learned.read_head(read)
    assert head == (lazyplug.__version__, as_read(key), [])
    found = {}
    for line in learned.parts_in(header):
        named, read_table = learning.checked_part(line, read, rest, len(header))
        assert [*named] == as_read(part)
        for fact_key, text in read_table.items():
            texts, answer = learned.read_fact(text)
            lookups, signatures = learned.dependencies(texts)
            states = [(name, *state.partition(" ")) for name, state in lookups]
            places = [
                [name, int(passed), learned.place_of(place) if place else (None, 0, [])]
                for name, passed, _, place in states
            ]
            found[fact_key] = as_read((answer, places, signatures))
    assert found == {
        tuple(as_read(fact_key)): as_read(fact) for fact_key, fact in facts.items()
    }


def as_read(value: Any) -> Any:
    """Return a value as JSON represents it: two surrogates may be one character."""
    return json.loads(json.dumps(value))


@posix
def test_the_file_is_private(plugs: Path, isolated: Path) -> None:
    before = os.umask(0)
    try:
        summaries()
    finally:
        os.umask(before)
    assert stat.S_IMODE(facts_in(isolated).stat().st_mode) == 0o600


def test_groups_and_kinds_are_kept_apart(
    plugs: Path, parsed: list[str], isolated: Path
) -> None:
    plant(plugs, dist("more", entry_points="[h]\none = plug_one:One\n"))
    assert summaries("g") == SUMMARIES
    assert summaries("h") == {"one": "The one."}
    (one,) = ExtensionManager[Any]("h")
    sources = Sources(fs.clock())
    assert learned.learned_facts().recall(one, "hooks") is UNKNOWN
    known = learned.learned_facts()
    learning.learn(known, one, "hooks", {"a": [1, None, "x"]}, sources)
    end()
    parsed.clear()
    assert summaries("g") == SUMMARIES
    assert summaries("h") == {"one": "The one."}
    (one,) = ExtensionManager[Any]("h")
    assert learned.learned_facts().recall(one, "hooks") == {"a": [1, None, "x"]}
    assert parsed == []
    assert facts_in(isolated).read_text().count('"The one."') == 2


def test_a_learned_value_is_returned_as_json_represents_it_or_is_an_error(
    plugs: Path,
) -> None:
    one = ExtensionManager[Any]("g")["one"]
    sources = Sources(fs.clock())
    learning.learn(learned.learned_facts(), one, "kind", (1, {2: "x"}), sources)
    assert learned.learned_facts().recall(one, "kind") == [1, {"2": "x"}]
    end()
    assert learned.learned_facts().recall(one, "kind") == [1, {"2": "x"}]
    with pytest.raises(TypeError, match="not callable"):
        learning.learn(learned.learned_facts(), one, "kind", {1, 2}, sources)


@pytest.mark.parametrize(
    ("file", "was_there", "is_learned"),
    [
        ("plug_one.py", True, True),
        ("plug_one.py", False, False),
        ("nothing", False, True),
        ("nothing", True, False),
        ("no\0thing", False, True),
    ],
)
def test_a_file_that_is_added_or_removed_during_the_search_prevents_learning(
    file: str, was_there: bool, is_learned: bool, plugs: Path, isolated: Path
) -> None:
    one = ExtensionManager[Any]("g")["one"]
    sources = Sources(fs.clock())
    sources.files[f"{plugs}/{file}"] = was_there
    learning.learn(learned.learned_facts(), one, "kind", 1, sources)
    end()
    assert len(fact_lines(isolated)) == is_learned
    assert learned.learned_facts().recall(one, "kind") == (1 if is_learned else UNKNOWN)


def test_a_summary_of_a_wrong_type_is_worked_out_again(plugs: Path) -> None:
    one = ExtensionManager[Any]("g")["one"]
    learning.learn(learned.learned_facts(), one, "summary", 7, Sources(fs.clock()))
    assert one.summary == "The one."


def test_nothing_is_written_if_nothing_new_was_learned(
    plugs: Path, isolated: Path
) -> None:
    summaries()
    before = facts_in(isolated).stat()
    for _ in range(3):
        summaries()
    lazyplug.invalidate_caches()
    facts = learned.learned_facts()
    for extension in ExtensionManager[Any]("g"):
        scope, sources = facts.search().target(extension.module_name, extension.attr)
        line = None if scope is None else first_line(scope.doc)
        learning.learn(facts, extension, "summary", line, sources)
    end()
    after = facts_in(isolated).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def switch_process() -> dict[str, Any]:
    """Start another process, and return what this one has not written yet."""
    pending = dict(unwritten())
    unwritten().clear()
    forget_facts()
    lazyplug.invalidate_caches()
    return pending


def test_two_processes_that_learn_at_once_keep_the_facts_of_both(
    plugs: Path, isolated: Path
) -> None:
    one, two = ExtensionManager[Any]("g")
    assert one.summary == "The one."
    pending = switch_process()
    assert two.summary == "The two."
    end()
    unwritten().update(pending)
    end()
    assert [line[0] for line in fact_lines(isolated)] == ["one", "two"]


@pytest.mark.parametrize("newer_first", [True, False])
def test_of_two_facts_about_one_plugin_the_one_about_the_newer_source_is_kept(
    newer_first: bool, plugs: Path, isolated: Path
) -> None:
    assert ExtensionManager[Any]("g")["one"].summary == "The one."
    pending = switch_process()
    if newer_first:
        rewrite(plugs / "plug_one.py", "class One: 'Newer.'")
    else:
        summaries()
        rewrite(plugs / "plug_one.py", "class One: 'Newer.'")
        lazyplug.invalidate_caches()
        forget_facts()
        pending, _ = {}, ExtensionManager[Any]("g")["one"].summary
        pending = switch_process()
    if newer_first:
        summaries()
    unwritten().update(pending)
    end()
    assert fact_lines(isolated)[0][-1] == "Newer."


def test_facts_about_removed_entry_points_are_removed_at_the_next_write(
    plugs: Path, isolated: Path
) -> None:
    plant(plugs, dist("more", entry_points="[h]\na = plug_one:One\nb = plug_two:Two\n"))
    summaries("g")
    summaries("h")
    assert len(fact_lines(isolated)) == 4
    shutil.rmtree(plugs / "one-1.0.dist-info")
    rewrite(
        plugs / "more-1.0.dist-info" / "entry_points.txt", "[h]\na = plug_two:Two\n"
    )
    assert summaries("g") == SECOND_ONLY
    assert len(fact_lines(isolated)) == 4  # nothing is written if nothing was learned
    plant(plugs, dist("new", entry_points="[i]\nnew = plug_one:One\n"))
    summaries("i")
    assert [line[:2] for line in fact_lines(isolated)] == [
        ["two", "plug_two:Two"],
        ["more", "plug_two:Two"],
        ["new", "plug_one:One"],
    ]


def test_facts_about_a_module_that_may_be_hidden_by_now_are_not_written_again(
    plugs: Path, site: PlantSite, set_path: SetPath, isolated: Path
) -> None:
    before = site({}, "before")
    set_path(before, plugs)
    summaries()
    after_last_change(plugs.parent / "probe")
    plant(before, {"plug_one.py": "class One: 'Before.'"})
    plant(plugs, dist("more", entry_points="[h]\ntwo = plug_two:Two\n"))
    assert summaries("h") == SECOND_ONLY
    assert [line[0] for line in fact_lines(isolated)] == ["two", "more"]
    assert summaries()["one"] == "Before."


def test_nothing_is_written_if_the_environment_has_changed(
    plugs: Path, isolated: Path
) -> None:
    summaries()
    before = facts_in(isolated).read_bytes()
    plant(plugs, dist("more", entry_points="[h]\none = plug_one:One\n"))
    lazyplug.invalidate_caches()
    assert ExtensionManager[Any]("h")["one"].summary == "The one."
    after_last_change(plugs.parent / "probe")
    (plugs / "another").write_text("")
    end()
    assert facts_in(isolated).read_bytes() == before


def test_the_file_does_not_exceed_its_size_cap_and_keeps_its_facts(
    plugs: Path,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
    parsed: list[str],
) -> None:
    summaries()
    cap = facts_in(isolated).stat().st_size * 2  # for some of the nine, not for all
    monkeypatch.setattr(learning, "SIZE_CAP", cap)
    tree = {f"plug_{n}.py": f"'''{n}.'''" for n in range(9)}
    points = "".join(f"p{n} = plug_{n}\n" for n in range(9))
    plant(plugs, {**tree, **dist("many", entry_points=f"[h]\n{points}")})
    expected = {f"p{n}": f"{n}." for n in range(9)}
    assert summaries("h") == summaries("h") == expected
    lines = fact_lines(isolated)
    assert {"one", "two"} < {line[0] for line in lines}
    assert 2 < len(lines) < 11
    before = facts_in(isolated).stat().st_ino
    parsed.clear()
    assert summaries("h") == expected
    assert len(parsed) == 11 - len(lines)
    assert facts_in(isolated).stat().st_ino == before


def test_a_program_that_changes_sys_path_repeatedly_does_not_fill_the_memory(
    plugs: Path, site: PlantSite, set_path: SetPath
) -> None:
    for number in range(40):
        set_path(site({}, f"other{number}"), plugs)
        for extension in ExtensionManager[Any]("g"):
            assert extension.summary == SUMMARIES[extension.name]
    assert len(learned.unwritten) <= 16


# --------------------------------------------------------------- the cache directory


@pytest.mark.parametrize("mode", ["readonly", "off"])
def test_nothing_is_written_if_the_cache_is_readonly_or_off(
    mode: str, plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", mode)
    assert summaries() == summaries() == SUMMARIES
    assert not isolated.exists()


def test_a_readonly_cache_is_read_and_one_that_is_off_is_not(
    plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[str]
) -> None:
    summaries()
    before = facts_in(isolated).read_bytes()
    for mode, reads in (("readonly", 0), ("off", 3)):
        monkeypatch.setenv("LAZYPLUG_CACHE", mode)
        parsed.clear()
        assert summaries() == SUMMARIES
        assert len(parsed) == reads
    rewrite(plugs / "plug_one.py", "class One: 'Changed.'")
    for mode in ("readonly", "off"):
        monkeypatch.setenv("LAZYPLUG_CACHE", mode)
        assert summaries()["one"] == "Changed."
    assert facts_in(isolated).read_bytes() == before


def test_without_a_cache_directory_nothing_is_remembered(
    plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (_environment, _settings):
        monkeypatch.setattr(module, "get_cache_directory", lambda: None)
    assert summaries() == summaries() == SUMMARIES
    assert not isolated.exists()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_failed_write_is_logged_at_debug_level_only(
    error: int,
    plugs: Path,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(error, os.strerror(error))

    lazyplug.entry_points(group="g")
    with monkeypatch.context() as patch, caplog.at_level(logging.DEBUG, "lazyplug"):
        patch.setattr(fs, "replace", fail)
        assert summaries() == SUMMARIES
    assert [file.suffix for file in isolated.iterdir()] == [".json"]
    assert ".facts cannot be written" in caplog.text
    assert summaries() == SUMMARIES
    assert facts_in(isolated).exists()


def test_an_error_at_exit_is_logged_at_debug_level_only(
    plugs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("at the end")

    monkeypatch.setattr(learning, "encode", fail)
    with caplog.at_level(logging.DEBUG, "lazyplug"):
        assert summaries() == SUMMARIES
    assert (
        "the learned facts cannot be written: RuntimeError('at the end')" in caplog.text
    )


def test_an_index_that_is_replaced_meanwhile_prevents_only_the_write(
    plugs: Path, isolated: Path
) -> None:
    lazyplug.entry_points(group="g")
    lazyplug.invalidate_caches()
    assert ExtensionManager[Any]("g")["one"].summary == "The one."
    (index,) = isolated.glob("*.json")
    index.write_bytes(index.read_bytes()[:-1])
    end()
    assert not list(isolated.glob("*.facts"))
    assert summaries() == SUMMARIES
    assert facts_in(isolated).exists()


# ---------------------------------------------------- files that are not trusted


def forge(file: Path) -> bytes:
    """Return a file of facts with other summaries, and with correct checksums."""
    data = file.read_bytes()
    header, _, part = data[TITLE_LENGTH:].partition(b'["summary","g"]\n')
    part = b'["summary","g"]\n' + part
    forged = part.replace(b"The one.", b"The bad.").replace(b"The two.", b"The bad.")
    header = header.replace(digest(part).encode(), digest(forged).encode())
    return title(header) + header + forged


FORGED = {"one": "The bad.", "two": "The bad."}


def test_a_file_that_only_this_user_could_write_is_used(
    plugs: Path, isolated: Path
) -> None:
    # This proves that the forged files of the tests below would be used.
    summaries()
    file = facts_in(isolated)
    intact, forged = file.read_bytes(), forge(file)
    file.write_bytes(forged)
    assert summaries() == FORGED
    # With the checksums of the previous content it is not.
    for data in (
        intact[:TITLE_LENGTH] + forged[TITLE_LENGTH:],
        intact[:-200] + forged[-200:],
    ):
        file.write_bytes(data)
        assert summaries() == SUMMARIES


@posix
def test_a_file_or_directory_that_others_could_write_is_not_trusted(
    plugs: Path, isolated: Path
) -> None:
    summaries()
    file = facts_in(isolated)
    forged = forge(file)
    for bits in (0o620, 0o602, 0o666):
        file.write_bytes(forged)
        file.chmod(bits)
        assert summaries() == SUMMARIES
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(forged)
    isolated.chmod(0o777)
    assert summaries() == SUMMARIES
    assert file.read_bytes() == forged


@posix
@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "device", "loop"])
def test_anything_but_a_regular_file_in_its_place_is_ignored(
    kind: str, plugs: Path, isolated: Path, tmp_path: Path
) -> None:
    summaries()
    file = facts_in(isolated)
    forged = forge(file)
    file.unlink()
    if kind == "link":
        (tmp_path / "evil").write_bytes(forged)
        file.symlink_to(tmp_path / "evil")
    elif kind == "fifo":
        os.mkfifo(file, 0o600)
    elif kind == "directory":
        (file / "inside").mkdir(parents=True)
    else:
        file.symlink_to("/dev/zero" if kind == "device" else file)
    began = time.monotonic()
    assert summaries() == SUMMARIES
    assert time.monotonic() - began < 10
    if kind != "directory":
        assert stat.S_ISREG(file.lstat().st_mode)
        assert summaries() == SUMMARIES


def test_a_file_that_is_far_too_large_is_not_read(plugs: Path, isolated: Path) -> None:
    summaries()
    file = facts_in(isolated)
    file.write_bytes(forge(file))
    os.truncate(file, _files.SIZE_CAP + 1)  # sparse
    assert summaries() == SUMMARIES
    assert file.stat().st_size < 10_000


def test_a_flipped_bit_or_a_truncated_file_never_changes_an_answer(
    plugs: Path, isolated: Path
) -> None:
    summaries()
    file = facts_in(isolated)
    intact = file.read_bytes()
    damaged = [intact[:at] for at in range(0, len(intact), 7)]
    for at in range(len(intact)):
        bit = 1 << at % 8
        damaged.append(intact[:at] + bytes([intact[at] ^ bit]) + intact[at + 1 :])
    for data in damaged:
        file.write_bytes(data)
        switch_process()
        one, two = ExtensionManager[Any]("g")
        assert learned.learned_facts().recall(one, "summary") in ("The one.", UNKNOWN)
        assert learned.learned_facts().recall(two, "summary") in ("The two.", UNKNOWN)
    assert summaries() == SUMMARIES
    assert file.read_bytes() == intact


def build_file(parts: Any, head: Any) -> bytes:
    """Return a file of this header and these parts, with correct checksums."""
    texts: list[bytes] = []
    lines: list[Any] = [*head]
    offset = 0
    for kind, group, values in parts:
        text = "\n".join(map(as_json, values)).encode()
        lines.append([kind, group, str(offset), str(len(text)), digest(text)])
        texts.append(text)
        offset += len(text) + 1
    header = "".join(as_json(line) + "\n" for line in lines).encode()
    return title(header) + header + b"\n".join(texts)


def as_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


PART = ["summary", "g"]
KEYS = ["one", "plug_one:One"]
VALID_FACT = [["", ""], "The bad."]


def malformed(*texts: Any) -> list[Any]:
    """Return the lines of a part whose only fact depends on these texts."""
    return [PART, KEYS, [texts, "The bad."]]


MALFORMED = [
    malformed(),
    malformed(""),
    malformed("x", "0"),
    malformed("plug_one", "", ""),
    malformed("plug_one", "x", "", ""),
    malformed(1, "0", "", ""),
    malformed("x", '0 [["/",7],0,[]]', "", ""),
    malformed("x", '0 [null,"0",[]]', "", ""),
    malformed("x", "0 [null,0]", "", ""),
    malformed("x", "0 [null,0,[]", "", ""),
    malformed("x", "0 [null,0,[]] ", "", ""),
    malformed("x", "9 [null,2,[1]]", "", ""),
    malformed("", "", "/"),
    malformed("", "", "/", 7),
    malformed("", "", "/", "x"),
    malformed("", "", "\0", "-", "/", "x"),
    malformed("", "", "\0", "x"),
    malformed("", "", "/", "1 y 2 3"),
    malformed("", "", "/", "1"),
    [PART, KEYS, [["", ""]]],
    [PART, KEYS, [["", ""], "The bad.", 1]],
    [PART, KEYS, ["", "The bad."]],
    [PART, KEYS, [7, "The bad."]],
    [PART, KEYS, [["", ""], 7]],
    [PART, KEYS, 7],
    [PART, KEYS, {}],
    [PART, KEYS, VALID_FACT, VALID_FACT],
    [PART, [[], "plug_one:One"], VALID_FACT],
    [PART, ["one", {}], VALID_FACT],
    [PART, ["one"], VALID_FACT],
    [PART, 7, VALID_FACT],
    [PART, KEYS],
    [PART],
    [["summary", "h"], KEYS, VALID_FACT],
    [KEYS, VALID_FACT],
    [],
]


@pytest.fixture
def valid_header(plugs: Path) -> list[Any]:
    return [
        [learned.MARK, lazyplug.__version__],
        [sys.prefix, str(plugs)],
        [stat_signature(os.stat(plugs))],
    ]


@pytest.mark.parametrize("lines", MALFORMED, ids=str)
def test_a_malformed_part_is_ignored_and_replaced(
    lines: list[Any], plugs: Path, isolated: Path, valid_header: list[Any]
) -> None:
    summaries()
    file = facts_in(isolated)
    # A well-formed file with this header is used.
    valid = [PART, KEYS, VALID_FACT]
    file.write_bytes(build_file([("summary", "g", valid)], valid_header))
    assert summaries()["one"] == "The bad."
    file.write_bytes(build_file([("summary", "g", lines)], valid_header))
    assert summaries() == SUMMARIES
    assert [line[-1] for line in fact_lines(isolated)] == ["The one.", "The two."]


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        (0, ["facts 4", lazyplug.__version__]),
        (0, [None, lazyplug.__version__]),
        (0, [learned.MARK, "0.0"]),
        (0, [learned.MARK, None]),
        (0, [learned.MARK]),
        (1, ["/", "/"]),
        (1, "/"),
        (2, []),
        (2, 7),
        (2, None),
    ],
    ids=str,
)
def test_a_malformed_header_is_ignored_and_replaced(
    line: int, changed: Any, plugs: Path, isolated: Path, valid_header: list[Any]
) -> None:
    summaries()
    file = facts_in(isolated)
    parts = [("summary", "g", [PART, KEYS, VALID_FACT])]
    header = [*valid_header]
    header[line] = changed
    file.write_bytes(build_file(parts, header))
    assert summaries() == SUMMARIES
    lines = file.read_text().splitlines()[1:4]
    assert [json.loads(line) for line in lines] == valid_header


def test_an_index_in_place_of_the_facts_is_ignored(plugs: Path, isolated: Path) -> None:
    summaries()
    (index,) = isolated.glob("*.json")
    shutil.copy(index, facts_in(isolated))
    assert summaries() == SUMMARIES
    assert b'"facts 5"' in facts_in(isolated).read_bytes()
    shutil.copy(facts_in(isolated), index)
    assert summaries() == SUMMARIES


def test_a_damaged_part_does_not_affect_another(
    plugs: Path, isolated: Path, parsed: list[str]
) -> None:
    plant(plugs, dist("more", entry_points="[h]\none = plug_one:One\n"))
    summaries("g")
    summaries("h")
    file = facts_in(isolated)
    data = file.read_bytes()
    file.write_bytes(data.replace(b"The two.", b"The bad."))
    parsed.clear()
    assert summaries("h") == {"one": "The one."}
    assert parsed == []
    assert summaries("g") == SUMMARIES
    assert file.read_bytes() == data


def test_a_header_that_is_longer_than_one_read_is_read_completely(
    site: PlantSite,
    set_path: SetPath,
    late_clock: Ticking,
    parsed: list[str],
) -> None:
    groups = [f"group-{'x' * 40}-{n}" for n in range(700)]
    points = "".join(f"[{group}]\na = plug_one:One\n" for group in groups)
    directory = site(
        {"plug_one.py": TREE["plug_one.py"], **dist("many", entry_points=points)}
    )
    set_path(directory)
    for group in groups:
        assert ExtensionManager[Any](group)["a"].summary == "The one."
    end()
    parsed.clear()
    for group in groups[::50]:
        assert ExtensionManager[Any](group)["a"].summary == "The one."
    assert parsed == []


# ----------------------------------------------------------------------- pruning


def test_facts_are_removed_with_their_index(plugs: Path, isolated: Path) -> None:
    summaries()
    own = facts_in(isolated)
    orphan = isolated / "0123456789abcdef-0123456789abcdef.facts"
    orphan.write_bytes(b"x")
    in_use = from_bytes(assemble([str(isolated)], [], [], True, {}, {}, ""))
    orphan.with_suffix(".json").write_bytes(in_use.read(0, 1 << 16))
    orphan.with_suffix(".json").chmod(0o600)
    storage.prune(str(isolated))
    assert orphan.exists()
    gone = isolated / "0123456789abcdef-1111111111111111.facts"
    gone.write_bytes(b"x")
    empty = from_bytes(assemble(["/nowhere"], [], [], True, {}, {}, ""))
    gone.with_suffix(".json").write_bytes(empty.read(0, 1 << 16))
    storage.prune(str(isolated), keep=own.name)
    assert not gone.with_suffix(".json").exists()
    assert not gone.exists()
    assert own.exists()


def test_facts_without_an_index_are_kept_up_to_a_number(isolated: Path) -> None:
    # They may belong to a frozen index, which is in another directory.
    isolated.mkdir(mode=0o700)
    for number in range(70):
        file = isolated / f"{0:016}-{number:016}.facts"
        file.write_bytes(b"x")
        os.utime(file, (number, number))
    storage.prune(str(isolated))
    kept = sorted(int(file.stem[17:]) for file in isolated.iterdir())
    assert kept == list(range(6, 70))


def test_facts_of_the_oldest_indexes_are_removed_with_them(isolated: Path) -> None:
    isolated.mkdir(mode=0o700)
    stems = [f"{0:016}-{number:016}" for number in range(80)]
    for number, stem in enumerate(stems):
        for suffix in (".json", ".facts"):
            file = isolated / f"{stem}{suffix}"
            file.write_bytes(b"x")
            os.utime(file, (number, number))
    storage.store(str(isolated), f"{stems[0]}.facts", b"new")
    kept = sorted({file.stem for file in isolated.iterdir()})
    assert kept == [stems[0], *stems[17:]]
    assert (isolated / f"{stems[0]}.facts").read_bytes() == b"new"
    assert len(list(isolated.iterdir())) == 128


def test_unfinished_facts_are_removed_like_unfinished_indexes(
    isolated: Path,
) -> None:
    isolated.mkdir(mode=0o700)
    old = isolated / f".{0:016}-{0:016}.facts.{0:024}.tmp"
    other = isolated / "mine.facts"
    for file in (old, other):
        file.write_bytes(b"x")
        os.utime(file, (0, 0))
    storage.prune(str(isolated))
    assert list(isolated.iterdir()) == [other]


def test_facts_are_not_mistaken_for_an_index(plugs: Path, isolated: Path) -> None:
    summaries()
    name = facts_in(isolated).name
    found = list(
        storage.sibling_indexes(str(isolated), name[:17] + "other.json", sys.prefix)
    )
    assert len(found) == 1
    facts_in(isolated).rename(isolated / (name[:17] + "f" * 16 + ".json"))
    found = list(
        storage.sibling_indexes(str(isolated), name[:17] + "other.json", sys.prefix)
    )
    assert len(found) == 1


# ------------------------------------------------------------- processes and threads

COUNTED = """
import json, sys
sys.path[:] = [SITE, *sys.path]
import time, lazyplug, lazyplug._files as cache
cache.fs.clock = lambda: time.time_ns() + 3600 * 10**9
lazyplug.ExtensionManager("g").names()
before = set(sys.modules)
found = {e.name: e.summary for e in lazyplug.ExtensionManager("g")}
new = sorted(set(sys.modules) - before)
"""
SHOW = "print(json.dumps([found, new]))"


@pytest.fixture
def run_in_new_process(site: PlantSite) -> Callable[..., Any]:
    """Return a function that runs code in a new process, after it asked two plugins.

    Its clock is ahead, so that no file of theirs is racy.
    """
    directory = site(TREE)

    def run(code: str) -> Any:
        text = COUNTED.replace("SITE", repr(str(directory)))
        return ask(text + textwrap.dedent(code), cwd=ROOT)

    return run


def test_facts_are_written_at_exit_and_the_next_process_imports_three_modules(
    run_in_new_process: Callable[..., Any],
) -> None:
    found, new = run_in_new_process(SHOW)
    assert found == SUMMARIES
    assert "ast" in new
    found, new = run_in_new_process(SHOW)
    assert found == SUMMARIES
    # `finders` is imported if there are third-party finders, as that of setuptools.
    modules = {"lazyplug._attributes", "lazyplug._static", "lazyplug._static.learned"}
    assert modules <= {*new} <= {*modules, "lazyplug._static.finders"}


def test_a_process_that_ends_without_cleanup_writes_no_facts(
    run_in_new_process: Callable[..., Any], isolated: Path
) -> None:
    run_in_new_process("import os\nprint(json.dumps(1), flush=True)\nos._exit(0)")
    assert not list(isolated.glob("*.facts"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_does_not_write_the_facts_of_its_parent(
    run_in_new_process: Callable[..., Any], isolated: Path
) -> None:
    code = """
        import os
        from lazyplug._static import learned, learning
        from lazyplug._indexing import storage
        child = os.fork()
        if not child:
            written = []
            storage.store = lambda *_: written.append(_)
            learning.write_all()
            os._exit(len(written))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, len(learned.unwritten)]))
    """
    assert run_in_new_process(code) == [0, 1]
    assert len(fact_lines(isolated)) == 2


def test_a_program_that_removes_the_cache_and_all_finders_ends_silently(
    run_in_new_process: Callable[..., Any], isolated: Path
) -> None:
    code = f"""
        import shutil
        sys.path[:] = []
        sys.meta_path[:] = []
        shutil.rmtree({str(isolated)!r})
        print(json.dumps(sorted(found)))
    """
    assert run_in_new_process(code) == ["one", "two"]


def test_threads_that_query_at_once_get_the_same_summaries(plugs: Path) -> None:
    points = "".join(f"p{n} = plug_m:C{n}\n" for n in range(60))
    source = "".join(f"class C{n}: 'Says {n}.'\n" for n in range(60))
    plant(plugs, {"plug_m.py": source, **dist("m", entry_points=f"[h]\n{points}")})
    answers: list[dict[str, str | None]] = []

    def query() -> None:
        answers.append({e.name: e.summary for e in ExtensionManager[Any]("h")})

    for _ in range(2):
        threads = [threading.Thread(target=query) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        end()
    assert answers == [{f"p{n}": f"Says {n}." for n in range(60)}] * 12


# ---------------------------------------------------------- the cost of a help screen

FIFTY = 50


@pytest.fixture
def fifty(late_clock: Ticking, site: PlantSite, set_path: SetPath) -> Path:
    """Return a site directory of fifty plugins, packages whose facts were learned."""
    tree: dict[str, Any] = {}
    for n in range(FIFTY):
        tree |= dist(f"plug-{n}", entry_points=f"[g]\np{n} = plug_{n}:Plugin\n")
        tree[f"plug_{n}"] = {"__init__.py": f"class Plugin: 'Number {n}.'\n{TRAP}"}
    directory = site(tree)
    set_path(directory)
    summaries()
    return directory


def test_a_warm_help_screen_reads_one_file_and_calls_stat_once_for_each_source(
    fifty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = ExtensionManager[Any]("g")
    calls: list[str] = []

    def count(name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            return inner(*arguments, **named)

        return counted

    inner = fs.stat

    def count_stat(path: str) -> Any:
        calls.append(path)
        return inner(path)

    with monkeypatch.context() as patch:
        for name in (
            *("open", "close", "read", "pread", "lseek", "stat", "lstat", "fstat"),
            *("access", "listdir", "scandir", "readlink", "write", "replace"),
            *("unlink", "mkdir", "getcwd"),
        ):
            patch.setattr(fs, name, count(name, getattr(fs, name)))
        patch.setattr(fs, "stat", count_stat)
        found = [extension.summary for extension in manager]
        counted = Counter(calls)
    assert found.count(None) == 0
    assert len(set(found)) == FIFTY
    sources = {str(fifty / f"plug_{n}" / "__init__.py"): 1 for n in range(FIFTY)}
    assert {name: calls for name, calls in counted.items() if "/" in name} == sources
    # The owners of the cache directory and of the file of facts are checked.
    others = {name: calls for name, calls in counted.items() if "/" not in name}
    assert others.pop("lstat") == others.pop("fstat") == 1
    # The current directory, a part of the key, is read each time.
    assert others == {"open": 1, "pread": 1, "close": 1, "getcwd": FIFTY}


def test_a_warm_help_screen_imports_two_modules_and_no_plugin(
    fifty: Path, isolated: Path
) -> None:
    code = f"""
        import json, sys
        sys.path.insert(0, {str(ROOT)!r})
        import lazyplug._environment, lazyplug._manager, lazyplug._static.learned
        del sys.modules["lazyplug._static.learned"]
        sys.path[:] = [{str(fifty)!r}]
        manager = lazyplug.ExtensionManager("g")
        before = set(sys.modules)
        found = [extension.summary for extension in manager]
        new = sorted(set(sys.modules) - before)
        print(json.dumps([found.count(None), len(found), new]))
    """
    *counts, new = ask(code, cwd=isolated)
    assert counts == [0, FIFTY]
    # `finders` is imported if there are third-party finders, as that of setuptools.
    modules = {"lazyplug._attributes", "lazyplug._static.learned"}
    assert modules <= {*new} <= {*modules, "lazyplug._static.finders"}


# ----------------------------------------------------------------------- a property

TEXTS = {
    "module": "'''Module {n}.'''\nclass X:\n  '''X {n}.'''\n",
    "again": "from plug_b import X\n",
    "inside": "from plug_a.sub import X\n",
    "star": "from plug_b import *\n",
    "bad": "class X: 1 +\n",
    "nothing": "",
}
PLACES = [
    *("plug_a.py", "plug_a/__init__.py", "plug_a/sub.py", "plug_a/sub/__init__.py"),
    *("plug_b.py", "plug_b/__init__.py", f"plug_b{EXTENSION_SUFFIXES[0]}"),
]
VALUES = ["plug_a:X", "plug_a", "plug_a.sub:X", "plug_b:X"]
steps = st.tuples(
    st.sampled_from(["one", "two", "here"]),
    st.sampled_from(PLACES),
    st.sampled_from([*TEXTS, "gone"]),
)


@examples(60)
# A fact that is no longer valid, in place of which none can be remembered, since the
# current directory takes part.
@example(
    changes=[
        ("one", "plug_a.py", "module"),
        ("here", "plug_b.py", "module"),
        ("one", "plug_a/__init__.py", "again"),
    ],
    ask_between=True,
)
@given(changes=st.lists(steps, min_size=1, max_size=8), ask_between=st.booleans())
def test_whatever_changes_remembered_summaries_equal_those_without_a_cache(
    changes: list[tuple[str, str, str]],
    ask_between: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("law")
    points = "".join(f"p{n} = {value}\n" for n, value in enumerate(VALUES))
    for name in ("one", "here", "cache"):
        (root / name).mkdir(mode=0o700)
    plant(root / "two", dist("plug", entry_points=f"[g]\n{points}"))
    clock = Ticking(1)
    clock.ahead = LATER
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", ["", str(root / "one"), str(root / "two")])
        patch.chdir(root / "here")
        patch.setenv("LAZYPLUG_CACHE_DIR", str(root / "cache"))
        for name in ("stat", "fstat", "clock"):
            patch.setattr(fs, name, staticmethod(getattr(clock, name)))
        for number, (where, place, text) in enumerate(changes):
            after_last_change(root / "probe")
            path = root / where / place
            if text == "gone":
                path.unlink(missing_ok=True)
                if path.parent.name.startswith("plug"):
                    shutil.rmtree(path.parent, ignore_errors=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(TEXTS[text].format(n=number))
            if ask_between or number == len(changes) - 1:
                expected = uncached_summaries()
                assert summaries() == expected
                assert summaries() == expected
