"""What was learned is remembered as long as it holds; its loss costs time only."""

import errno
import json
import logging
import os
import pkgutil as pkgutil  # noqa: PLC0414 - see `only`
import shutil
import stat
import sys
import textwrap
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import importlib_metadata
import pytest
from hypothesis import given
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
from lazyplug._static import facts as facts_module
from lazyplug._static import source as source_module
from lazyplug._static.facts import UNKNOWN
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
from tests.support.index_format import (
    SCHEMA,
    TITLE_LENGTH,
    assemble,
    digest,
    from_bytes,
    stat_signature,
    title,
)
from tests.support.learned import end, forget_facts, unwritten
from tests.support.properties import examples
from tests.support.seam import fs

ROOT = Path(lazyplug.__file__).parent.parent
WHOLE = list(sys.path)
TRAP = "\nraise AssertionError('this must not be imported')\n"
posix = pytest.mark.skipif(os.name != "posix", reason="file modes and users of POSIX")


@pytest.fixture(autouse=True)
def nothing_learned() -> Iterator[None]:
    """Let no process be the heir of another test's."""
    unwritten().clear()
    before = set(sys.modules)
    yield
    unwritten().clear()
    assert not [new for new in set(sys.modules) - before if new.startswith("plug")]


@pytest.fixture(autouse=True)
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the files that are read as source, in their order."""
    found: list[str] = []
    read = source_module.read

    def watched(file: str, of: Any) -> Any:
        found.append(os.path.basename(file))
        return read(file, of)

    monkeypatch.setattr(source_module, "read", watched)
    return found


def summaries(group: str = "g", **options: Any) -> dict[str, str | None]:
    """Return the summaries of a group as a new process says them, which then ends."""
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any](group, **options)
    found = {extension.name: extension.summary for extension in manager}
    end()
    return found


def truth(group: str = "g") -> dict[str, str | None]:
    """Return what a process says that remembers nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAZYPLUG_CACHE", "off")
        return summaries(group)


def facts_in(directory: Path) -> Path:
    (file,) = directory.glob("*.facts")
    return file


ONE = {
    "plug_one.py": f"class One:\n  '''The one.'''\n{TRAP}",
    "plug_two": {
        "__init__.py": f"from .impl import Two\n{TRAP}",
        "impl.py": f"class Two:\n  '''The two.'''\n{TRAP}",
    },
    **dist("one", entry_points="[g]\none = plug_one:One\n"),
    **dist("two", entry_points="[g]\ntwo = plug_two:Two\n"),
}
SAID = {"one": "The one.", "two": "The two."}


@pytest.fixture
def plugs(reliable: Ticking, site: PlantSite, only: SetPath) -> Path:
    """Return a site folder of two plugins, the whole of `sys.path`."""
    directory = site(ONE)
    only(directory)
    return directory


# ----------------------------------------------------------------------- remembered


def test_a_summary_is_worked_out_once_and_then_remembered(
    plugs: Path, parsed: list[str], isolated: Path
) -> None:
    assert summaries() == SAID
    assert sorted(parsed) == ["__init__.py", "impl.py", "plug_one.py"]
    parsed.clear()
    assert summaries() == SAID
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


def test_what_comes_before_it_is_seen_by_the_same_process_after_refresh(
    plugs: Path, site: PlantSite, only: SetPath
) -> None:
    before = site({}, "before")
    only(before, plugs)
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


def test_none_is_remembered_where_stamps_would_tell(
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
    nothing = {"c": None, "s": None, "d": None, "n": None}
    assert summaries("h") == nothing
    looked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            source_module.Search, "target", lambda _, module, __: looked.append(module)
        )
        assert summaries("h") == nothing
    assert looked == []
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
    "the source goes": lambda site: (site / "plug_two" / "impl.py").unlink(),
    "the package goes": lambda site: shutil.rmtree(site / "plug_two"),
    "a package comes before a module": lambda site: plant(
        site, {"plug_one": {"__init__.py": "class One: 'Package.'"}}
    ),
    "a package comes before a module inside": lambda site: plant(
        site, {"plug_two": {"impl": {"__init__.py": "class Two: 'Package.'"}}}
    ),
    "the package becomes a namespace": lambda site: (
        site / "plug_two" / "__init__.py"
    ).unlink(),
    "a module comes before, in another entry": lambda site: plant(
        site.parent / "before", {"plug_one.py": "class One: 'Before.'"}
    ),
    "a package comes before, in another entry": lambda site: plant(
        site.parent / "before", {"plug_two": {"__init__.py": "Two = 1"}}
    ),
    "a distribution comes": lambda site: plant(
        site,
        {
            **dist("three", entry_points="[g]\nthree = plug_3\n"),
            "plug_3.py": "'''Three.'''",
        },
    ),
    "a distribution goes": lambda site: shutil.rmtree(site / "one-1.0.dist-info"),
    "a value changes": lambda site: rewrite(
        site / "one-1.0.dist-info" / "entry_points.txt", "[g]\none = plug_two:Two\n"
    ),
    "a distribution is upgraded": lambda site: (site / "one-1.0.dist-info").rename(
        site / "one-2.0.dist-info"
    ),
    "an entry goes": lambda site: (site.parent / "before").rmdir(),
    "an entry becomes a file": lambda site: (
        (site.parent / "before").rename(site.parent / "folder"),
        (site.parent / "before").write_text("no zip"),
    ),
    "nothing that concerns it": lambda site: plant(
        site.parent / "before", {"other.py": ""}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_next_process_says_what_is_there(
    change: str, plugs: Path, site: PlantSite, only: SetPath
) -> None:
    only(site({}, "before"), plugs)
    assert summaries() == summaries() == SAID
    after_last_change(plugs.parent / "probe")
    CHANGES[change](plugs)
    expected = truth()
    assert (expected == SAID) == (
        change in ("nothing that concerns it", "a distribution is upgraded")
        or change.startswith("an entry")
    )
    assert summaries() == summaries() == expected


@pytest.mark.parametrize("first", [[], [""]])
def test_what_does_not_concern_it_makes_nobody_read_again(
    first: list[str],
    plugs: Path,
    site: PlantSite,
    only: SetPath,
    parsed: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = site({}, "before")
    monkeypatch.chdir(site({}, "here"))
    only(*first, before, plugs)
    summaries()
    parsed.clear()
    after_last_change(plugs.parent / "probe")
    plant(before, {"plug_three.py": ""})
    plant(
        plugs, {**dist("three", entry_points="[h]\nthree = plug_3\n"), "plug_3.py": ""}
    )
    shutil.rmtree(plugs / "one-1.0.dist-info")
    plant(plugs, dist("one", "2.0", entry_points="[g]\none = plug_one:One\n"))
    assert summaries() == SAID
    assert parsed == []


def test_a_namespace_of_several_entries_is_watched_in_all(
    plugs: Path, site: PlantSite, only: SetPath
) -> None:
    plant(plugs, dist("space", entry_points="[h]\nx = plug_space.inner.x\n"))
    one = site({"plug_space": {"inner": {}}}, "one")
    two = site({"plug_space": {"inner": {"x.py": "'''Two.'''"}}}, "two")
    only(one, two, plugs)
    assert summaries("h") == summaries("h") == {"x": "Two."}
    after_last_change(plugs.parent / "probe")
    plant(one, {"plug_space": {"inner": {"x.py": "'''One.'''"}}})
    assert summaries("h") == summaries("h") == {"x": "One."}
    after_last_change(plugs.parent / "probe")
    plant(two, {"plug_space": {"__init__.py": ""}})
    assert summaries("h") == summaries("h") == {"x": "Two."}


@pytest.mark.parametrize("level", ["full", "dirs", "none"])
def test_levels_say_whether_sources_are_looked_at(
    level: str, plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", level)
    summaries()
    rewrite(plugs / "plug_one.py", "class One: 'Changed.'")
    expected = "The one." if level == "none" else "Changed."
    assert summaries()["one"] == expected


# ------------------------------------------------------------------- the racy rule


@pytest.fixture
def still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Clockwork]:
    """Return a function that lets time stand still, with a tick of this length."""

    def install(tick: int) -> Clockwork:
        seam = Clockwork(tmp_path / "probe", tick)
        for name in ("stat", "fstat", "clock"):
            monkeypatch.setattr(fs, name, getattr(seam, name))
        return seam

    return install


@pytest.mark.parametrize("rule", [True, False])
@pytest.mark.parametrize("tick", TICKS.values(), ids=TICKS)
def test_what_changes_twice_in_a_tick_is_not_remembered_in_between(
    tick: int,
    rule: bool,
    site: PlantSite,
    only: SetPath,
    still: Callable[[int], Clockwork],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seam = still(tick)
    directory = site(ONE)
    only(directory)
    seam.move(5 * SECOND)
    assert summaries() == SAID
    seam.move(5 * SECOND)
    if not rule:
        monkeypatch.setattr(reading, "is_reliable", lambda *_: True)
    file = directory / "plug_one.py"
    file.write_text("class One: '''The new.'''\n")
    before = stat_signature(seam.stat(str(file)))
    seam.move(tick // 3)
    assert summaries()["one"] == "The new."
    file.write_text("class One: '''The old.'''\n")
    assert stat_signature(seam.stat(str(file))) == before
    assert summaries()["one"] == ("The old." if rule else "The new.")


def test_what_is_asked_long_after_it_was_read_is_as_old_as_the_reading(
    site: PlantSite,
    only: SetPath,
    still: Callable[[int], Clockwork],
) -> None:
    seam = still(1)
    directory = site(
        {
            "plug.py": "class A: 'A.'\nclass B: 'B.'\n",
            **dist("plug", entry_points="[g]\na = plug:A\nb = plug:B\n"),
        }
    )
    only(directory)
    seam.move(5 * SECOND)
    lazyplug.invalidate_caches()
    a, b = ExtensionManager[Any]("g")
    assert a.summary == "A."
    (directory / "plug.py").write_text("class A: 'A.'\nclass B: 'New.'\n")
    seam.move(5 * SECOND)
    assert b.summary == "B."  # a process looks once
    end()
    assert summaries() == {"a": "A.", "b": "New."}


# --------------------------------------------------------- what is not remembered


def fact_lines(directory: Path) -> list[Any]:
    """Return the facts in a cache folder; nothing, if it has no file of them."""
    found = []
    for file in directory.glob("*.facts"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        found += [line for line in lines if len(line) == 5 and type(line[2]) is list]
    return found


def test_extensions_without_a_distribution_are_asked_anew_each_time(
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
def test_a_value_that_is_no_reference_has_no_summary(value: str, plugs: Path) -> None:
    point = lazyplug.EntryPoint("hand", value, "g")
    assert Extension[Any]("hand", point).summary is None
    plant(plugs, dist("bad", entry_points=f"[h]\nbad = {value}\n"))
    assert summaries("h") == {"bad": None}


def test_an_extension_that_was_not_installed_has_no_summary() -> None:
    extension = Extension[Any]("x", None, plugin=ExtensionManager)
    assert extension.summary is None


def test_what_a_volatile_folder_declares_or_holds_is_never_stored(
    plugs: Path,
    site: PlantSite,
    only: SetPath,
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
    only("", plugs)
    for name in ("here", "there"):
        assert ExtensionManager[Any]("g")[name].summary
    assert not unwritten()
    found = {"one": "Here.", "two": "The two.", "here": "Here.", "there": "The two."}
    assert summaries() == summaries() == found
    assert [line[:2] for line in fact_lines(isolated)] == [["two", "plug_two:Two"]]


TWO = {"two": "The two."}


def test_what_a_current_folder_hides_is_hidden_there_and_nowhere_else(
    plugs: Path,
    site: PlantSite,
    only: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    parsed: list[str],
) -> None:
    tree = {"plug_one.py": "class One: 'Here.'"}
    directories = [site({}, "nothing"), site(tree, "something"), site({}, "later")]
    summaries()
    parsed.clear()
    for directory in (*directories, *directories):
        monkeypatch.chdir(directory)
        only("", plugs)
        there = directory.name == "something"
        assert summaries() == {"one": "Here." if there else "The one.", **TWO}
    # Elsewhere the facts hold, whatever was said there.
    assert parsed == ["plug_one.py"] * 2
    parsed.clear()
    monkeypatch.chdir(directories[0])
    only("gone", plugs)
    assert summaries() == SAID
    assert parsed == []
    with zipfile.ZipFile(directories[2] / "plugs.zip", "w") as packed:
        packed.writestr("plug_one.py", "")
    monkeypatch.chdir(directories[2])
    only("plugs.zip", plugs)
    assert summaries() == {"one": None, **TWO}


def test_what_is_written_where_something_is_hidden_keeps_that_for_elsewhere(
    plugs: Path,
    site: PlantSite,
    only: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    isolated: Path,
) -> None:
    plant(plugs, dist("more", entry_points="[h]\ntwo = plug_two:Two\n"))
    summaries()
    monkeypatch.chdir(site({"plug_one.py": ""}, "something"))
    only("", plugs)
    assert summaries("h") == TWO
    assert [line[0] for line in fact_lines(isolated)] == ["one", "two", "more"]


def test_distributions_of_foreign_finders_are_never_stored(
    plugs: Path,
    only: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    isolated: Path,
) -> None:
    only(plugs, *WHOLE)  # importlib_metadata imports what it needs when it needs it

    class Strange(importlib_metadata.PathDistribution):
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise AssertionError("this must not be run")

    class Finder:
        def find_distributions(self, _: Any) -> Iterator[Any]:
            yield Strange(plugs / "one-1.0.dist-info")

        def find_spec(self, *_: Any) -> None:
            return None

    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    assert summaries() == summaries() == SAID
    assert [line[:2] for line in fact_lines(isolated)] == [["two", "plug_two:Two"]]


# ------------------------------------------------------- editable installations


class Editable:
    """A finder as those that editable installations put on `sys.meta_path`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: list[str] = []

    def find_spec(self, name: str, path: Any = None, _: Any = None) -> Any:
        self.asked.append(name)
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


def test_editable_sources_are_found_and_remembered_while_the_finder_says_the_same(
    editable: Editable, tmp_path: Path, parsed: list[str]
) -> None:
    said = {"top": "E.", "sub": "Sub.", **NOTHING}
    assert summaries("h") == said
    # Top-level names only, and none that the folders have.
    names = ["plug_broken", "plug_e", "plug_none", "plug_strange"]
    assert sorted(editable.asked) == names
    editable.asked.clear()
    parsed.clear()
    assert summaries("h") == said
    assert sorted(editable.asked) == names
    assert parsed == []
    editable.directory = tmp_path / "moved"
    assert summaries("h") == summaries("h") == {**said, "sub": "Moved."}
    rewrite(tmp_path / "moved" / "plug_e" / "sub.py", "class X: 'New.'")
    assert summaries("h") == {**said, "sub": "New."}


def test_a_finder_that_goes_takes_its_facts_along(
    editable: Editable, monkeypatch: pytest.MonkeyPatch
) -> None:
    summaries("h")
    monkeypatch.setattr(sys, "meta_path", sys.meta_path[:-1])
    assert summaries("h") == {"top": None, "sub": None, **NOTHING}


def test_a_folder_that_comes_is_before_every_finder(
    editable: Editable, plugs: Path
) -> None:
    summaries("h")
    after_last_change(plugs.parent / "probe")
    plant(plugs, {"plug_e": {"sub.py": "class X: 'Folder.'"}})
    said = {"top": None, "sub": "Folder.", **NOTHING}
    assert summaries("h") == summaries("h") == said


def test_a_namespace_that_a_finder_tells_has_no_file(
    plugs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = plant(tmp_path / "src", {"x.py": "'''X.'''"})
    spec = ModuleSpec("plug_e", None, is_package=True)
    spec.submodule_search_locations = [str(directory)]
    finder = SimpleNamespace(find_spec=lambda *_: spec)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    plant(plugs, dist("e", entry_points="[h]\nx = plug_e.x\ntop = plug_e\n"))
    assert summaries("h") == summaries("h") == {"x": "X.", "top": None}


# ----------------------------------------------------- what only finders know


class Served:
    """A finder, of modules or of path entries, that serves what it is told to.

    :param modules: of each module its file (None: a namespace package), and the
        directories of the modules below it (None: it is no package).
    """

    def __init__(self, **modules: Any) -> None:
        self.modules = modules

    def __call__(self, entry: str) -> "Served":
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


def pairs_of(group: str = "g") -> dict[str, tuple[str | None, bool]]:
    """Return what each extension says, and if its module is missing; a new process."""
    lazyplug.invalidate_caches()
    found = {
        extension.name: (extension.summary, facts_module.is_missing(extension))
        for extension in ExtensionManager[Any](group)
    }
    end()
    return found


@pytest.fixture
def space(reliable: Ticking, site: PlantSite, only: SetPath) -> Path:
    """Return a directory outside `sys.path` that has another part of a namespace."""
    points = "[g]\none = plug_n.cmds.one\ntwo = plug_n.cmds.two\nno = plug_n.cmds.no\n"
    tree = {
        "plug_n": {"cmds": {"one": {"__init__.py": f"'''One.'''{TRAP}"}}},
        **dist("served", entry_points=points),
    }
    only(site(tree))
    return plant(site({}, "src"), {"two.py": f"'''Two.'''{TRAP}", "cmds": {}})


WHOLE_NAMESPACE = {"one": ("One.", False), "two": ("Two.", False), "no": (None, True)}


def test_a_finder_behind_the_directories_serves_part_of_their_namespace(
    space: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[str]
) -> None:
    served = Served(**{"plug_n.cmds.two": (space / "two.py", None)})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, served])
    assert pairs_of() == pairs_of() == WHOLE_NAMESPACE
    assert sorted(parsed) == ["__init__.py", "two.py"]
    rewrite(space / "two.py", "'''New.'''")
    assert pairs_of()["two"] == ("New.", False)
    served.modules.clear()
    assert pairs_of()["two"] == (None, True)


def test_a_finder_of_a_path_entry_serves_part_of_their_namespace(
    space: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[str]
) -> None:
    """As setuptools' editable installations of namespace packages do it."""
    served = Served(
        plug_n=(None, ["__served__"]),
        **{
            "plug_n.cmds": (None, ["__served__"]),
            "plug_n.cmds.two": (space / "two.py", None),
        },
    )
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks, served])
    monkeypatch.setattr(sys, "path", [*sys.path, "__served__"])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    assert pairs_of() == pairs_of() == WHOLE_NAMESPACE
    assert sorted(parsed) == ["__init__.py", "two.py"]
    # No directory need have any of it.
    shutil.rmtree(Path(sys.path[0]) / "plug_n")
    assert pairs_of() == {**WHOLE_NAMESPACE, "one": (None, True)}


def test_the_modules_of_a_package_are_found_where_finders_have_them(
    space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Served(
        plug_n=(None, ["__served__"]),
        **{"plug_n.cmds": (None, ["__served__", space])},
    )
    monkeypatch.setattr(sys, "path_hooks", [*sys.path_hooks, served])
    monkeypatch.setattr(sys, "path", [*sys.path, "__served__"])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    manager = ExtensionManager[Any]("none", package="plug_n.cmds")
    assert manager.names() == ["one", "two"]


def test_a_finder_before_the_directories_comes_first_at_each_level(
    space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of meson-python and scikit-build-core do."""
    file = plant(space, {"top": {"__init__.py": "'''Top.'''"}}) / "top" / "__init__.py"
    below = {
        # The directory is there in the finder's mind only.
        "plug_n.cmds": (file, ["/nowhere/loader.py/plug_n.cmds"]),
        "plug_n.cmds.two": (space / "two.py", None),
    }
    served = Served(**below)
    monkeypatch.setattr(sys, "meta_path", [served, *sys.meta_path])
    expected = {**WHOLE_NAMESPACE, "one": (None, True)}
    assert pairs_of() == pairs_of() == expected
    # It hides what a directory has, and what was learned before it came.
    sys.meta_path.remove(served)
    assert pairs_of()["one"] == ("One.", False)
    sys.meta_path.insert(0, Served(plug_n=(None, ["/nowhere"]), **below))
    assert pairs_of() == expected


def kind_of(thing: object) -> str:
    return type(thing).__name__


class Raises:
    def find_spec(self, *_: object) -> None:
        raise OSError(errno.EMFILE, "no descriptor")


class Makes:
    """A finder whose loader makes the package itself, as that of distutils does."""

    def find_spec(self, name: str, *_: object) -> Any:
        loader: Any = SimpleNamespace(create_module=None, exec_module=None)
        return ModuleSpec(name, loader) if name == "plug_n" else None


class MakesAll(Makes):
    """The same, where it says that it is a package."""

    def find_spec(self, name: str, *_: object) -> Any:
        spec = super().find_spec(name)
        if spec is not None:
            spec.submodule_search_locations = []
        return spec


class Old:
    """A finder as old Pythons had them; Python 3.11 still asks it."""

    def find_module(self, name: str, path: Any = None) -> Any:
        return object() if name == "plug_n.cmds.no" else None


@pytest.mark.parametrize("finder", [Raises(), Makes(), MakesAll(), Old()], ids=kind_of)
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.filterwarnings("ignore::ImportWarning")
def test_nothing_is_called_missing_that_a_finder_may_have(
    finder: Any, first: bool, space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not first:
        shutil.rmtree(Path(sys.path[0]) / "plug_n")
    at = 0 if first else len(sys.meta_path)
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    sys.meta_path.insert(at, finder)
    missing = pairs_of()["no"][1]
    served = not isinstance(finder, Old) or (first and sys.version_info < (3, 12))
    assert missing is not served
    sys.meta_path.pop(at)
    assert pairs_of()["no"] == (None, True)


@pytest.mark.parametrize(
    "source",
    [
        "from pkgutil import extend_path\n__path__ = extend_path(__path__, __name__)\n",
        "__import__('pkg_resources').declare_namespace(__name__)\n",
        "import sys\nsys.meta_path.append(None)\n",
        "from sys import modules\nmodules[__name__ + '.no'] = 1\n",
    ],
)
def test_nothing_is_called_missing_below_a_package_that_may_have_more(
    source: str, space: Path
) -> None:
    init = Path(sys.path[0]) / "plug_n" / "cmds" / "__init__.py"
    init.write_text("")
    assert pairs_of()["no"] == (None, True)
    init.write_text(source)
    assert pairs_of()["no"] == (None, False)


def test_nothing_is_called_missing_that_was_imported_or_may_be_where_its_parent_looks(
    space: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As below the namespace packages that a `-nspkg.pth` makes."""
    directory = str(Path(sys.path[0]) / "plug_n")
    parent = SimpleNamespace(__path__=[directory])
    monkeypatch.setitem(sys.modules, "plug_n", parent)
    assert pairs_of()["no"] == (None, True)
    parent.__path__.append(str(space))
    assert pairs_of()["no"] == (None, False)
    parent.__path__.pop()
    monkeypatch.setitem(sys.modules, "plug_n.cmds.no", parent)
    assert pairs_of()["no"] == (None, False)
    monkeypatch.undo()


# ---------------------------------------------------------------------- how it is kept


def test_the_file_can_be_read_with_any_json_reader(plugs: Path, isolated: Path) -> None:
    summaries()
    first, head, table, part, one, two = facts_in(isolated).read_text().splitlines()
    (index,) = isolated.glob("*.json")
    assert facts_in(isolated).stem == index.stem
    assert json.loads(first)[:2] == ["lazyplug", SCHEMA]
    assert json.loads(head) == {
        "facts": facts_module.SCHEMA,
        "key": [sys.prefix, str(plugs)],
        "stamps": [stat_signature(os.stat(plugs))],
    }
    text = "\n".join([part, one, two])
    expected = ["summary", "g", 0, len(text), digest(text.encode())]
    assert json.loads(table) == expected
    assert json.loads(part) == ["summary", "g"]
    assert json.loads(two) == [
        "two",
        "plug_two:Two",
        [["plug_two", 0, None, 0, []]],
        {
            str(plugs / name): stat_signature(os.stat(plugs / name))
            for name in ("plug_two/__init__.py", "plug_two", "plug_two/impl.py")
        },
        "The two.",
    ]
    assert json.loads(one)[3][str(plugs / "plug_one")] is None


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
    assert summaries("g") == SAID
    assert summaries("h") == {"one": "The one."}
    (one,) = ExtensionManager[Any]("h")
    sources = Sources(fs.clock())
    assert facts_module.facts().recall(one, "hooks") is UNKNOWN
    facts_module.facts().learn(one, "hooks", {"a": [1, None, "x"]}, sources)
    end()
    parsed.clear()
    assert summaries("g") == SAID
    assert summaries("h") == {"one": "The one."}
    (one,) = ExtensionManager[Any]("h")
    assert facts_module.facts().recall(one, "hooks") == {"a": [1, None, "x"]}
    assert parsed == []
    assert facts_in(isolated).read_text().count('"The one."') == 2


def test_what_is_learned_is_as_json_has_it_or_an_error(plugs: Path) -> None:
    one = ExtensionManager[Any]("g")["one"]
    sources = Sources(fs.clock())
    facts_module.facts().learn(one, "kind", (1, {2: "x"}), sources)
    assert facts_module.facts().recall(one, "kind") == [1, {"2": "x"}]
    end()
    assert facts_module.facts().recall(one, "kind") == [1, {"2": "x"}]
    with pytest.raises(TypeError, match="not callable"):
        facts_module.facts().learn(one, "kind", {1, 2}, sources)


@pytest.mark.parametrize(
    ("file", "was_there", "learned"),
    [
        ("plug_one.py", True, True),
        ("plug_one.py", False, False),
        ("nothing", False, True),
        ("nothing", True, False),
        ("no\0thing", False, True),
    ],
)
def test_what_moved_while_it_was_looked_at_is_not_learned(
    file: str, was_there: bool, learned: bool, plugs: Path, isolated: Path
) -> None:
    one = ExtensionManager[Any]("g")["one"]
    sources = Sources(fs.clock())
    sources.files[f"{plugs}/{file}"] = was_there
    facts_module.facts().learn(one, "kind", 1, sources)
    end()
    assert len(fact_lines(isolated)) == learned
    assert facts_module.facts().recall(one, "kind") == (1 if learned else UNKNOWN)


def test_a_summary_that_is_none_of_ours_is_worked_out_again(plugs: Path) -> None:
    one = ExtensionManager[Any]("g")["one"]
    facts_module.facts().learn(one, "summary", 7, Sources(fs.clock()))
    assert one.summary == "The one."


def test_nothing_is_written_where_nothing_is_new(plugs: Path, isolated: Path) -> None:
    summaries()
    before = facts_in(isolated).stat()
    for _ in range(3):
        summaries()
    lazyplug.invalidate_caches()
    facts = facts_module.facts()
    for extension in ExtensionManager[Any]("g"):
        scope, sources = facts.search().target(extension.module_name, extension.attr)
        line = None if scope is None else first_line(scope.doc)
        facts.learn(extension, "summary", line, sources)
    end()
    after = facts_in(isolated).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def other_process() -> dict[str, Any]:
    """Let this process rest, and return what it would write; another begins."""
    mine = dict(unwritten())
    unwritten().clear()
    forget_facts()
    lazyplug.invalidate_caches()
    return mine


def test_two_processes_that_learn_at_once_keep_what_both_learned(
    plugs: Path, isolated: Path
) -> None:
    one, two = ExtensionManager[Any]("g")
    assert one.summary == "The one."
    mine = other_process()
    assert two.summary == "The two."
    end()
    unwritten().update(mine)
    end()
    assert [line[0] for line in fact_lines(isolated)] == ["one", "two"]


@pytest.mark.parametrize("newer_first", [True, False])
def test_of_two_that_learned_the_same_the_newest_stamps_win(
    newer_first: bool, plugs: Path, isolated: Path
) -> None:
    assert ExtensionManager[Any]("g")["one"].summary == "The one."
    mine = other_process()
    if newer_first:
        rewrite(plugs / "plug_one.py", "class One: 'Newer.'")
    else:
        summaries()
        rewrite(plugs / "plug_one.py", "class One: 'Newer.'")
        lazyplug.invalidate_caches()
        forget_facts()
        mine, _ = {}, ExtensionManager[Any]("g")["one"].summary
        mine = other_process()
    if newer_first:
        summaries()
    unwritten().update(mine)
    end()
    assert fact_lines(isolated)[0][4] == "Newer."


def test_what_is_declared_no_more_is_dropped_at_the_next_write(
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
    assert summaries("g") == TWO
    assert len(fact_lines(isolated)) == 4  # nothing was learned: nothing is written
    plant(plugs, dist("new", entry_points="[i]\nnew = plug_one:One\n"))
    summaries("i")
    assert [line[:2] for line in fact_lines(isolated)] == [
        ["two", "plug_two:Two"],
        ["more", "plug_two:Two"],
        ["new", "plug_one:One"],
    ]


def test_what_an_earlier_entry_may_hide_by_now_is_not_written_again(
    plugs: Path, site: PlantSite, only: SetPath, isolated: Path
) -> None:
    before = site({}, "before")
    only(before, plugs)
    summaries()
    after_last_change(plugs.parent / "probe")
    plant(before, {"plug_one.py": "class One: 'Before.'"})
    plant(plugs, dist("more", entry_points="[h]\ntwo = plug_two:Two\n"))
    assert summaries("h") == TWO
    assert [line[0] for line in fact_lines(isolated)] == ["two", "more"]
    assert summaries()["one"] == "Before."


def test_nothing_is_written_by_one_whose_environment_changed(
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


def test_it_does_not_grow_beyond_its_bound_and_keeps_what_it_has(
    plugs: Path,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
    parsed: list[str],
) -> None:
    summaries()
    room = facts_in(isolated).stat().st_size * 2  # for some of the nine, not for all
    monkeypatch.setattr(facts_module, "SIZE_CAP", room)
    tree = {f"plug_{n}.py": f"'''{n}.'''" for n in range(9)}
    points = "".join(f"p{n} = plug_{n}\n" for n in range(9))
    plant(plugs, {**tree, **dist("many", entry_points=f"[h]\n{points}")})
    said = {f"p{n}": f"{n}." for n in range(9)}
    assert summaries("h") == summaries("h") == said
    lines = fact_lines(isolated)
    assert {"one", "two"} < {line[0] for line in lines}
    assert 2 < len(lines) < 11
    before = facts_in(isolated).stat().st_ino
    parsed.clear()
    assert summaries("h") == said
    assert len(parsed) == 11 - len(lines)
    assert facts_in(isolated).stat().st_ino == before


def test_a_program_that_changes_its_path_again_and_again_does_not_fill_the_memory(
    plugs: Path, site: PlantSite, only: SetPath
) -> None:
    for number in range(40):
        only(site({}, f"other{number}"), plugs)
        for extension in ExtensionManager[Any]("g"):
            assert extension.summary == SAID[extension.name]
    assert len(facts_module._unwritten) <= 16


# ------------------------------------------------------------------ where it is kept


@pytest.mark.parametrize("mode", ["readonly", "off"])
def test_nothing_is_written_where_that_is_not_wanted(
    mode: str, plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", mode)
    assert summaries() == summaries() == SAID
    assert not isolated.exists()


def test_readonly_reads_and_off_does_not(
    plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[str]
) -> None:
    summaries()
    before = facts_in(isolated).read_bytes()
    for mode, reads in (("readonly", 0), ("off", 3)):
        monkeypatch.setenv("LAZYPLUG_CACHE", mode)
        parsed.clear()
        assert summaries() == SAID
        assert len(parsed) == reads
    rewrite(plugs / "plug_one.py", "class One: 'Changed.'")
    for mode in ("readonly", "off"):
        monkeypatch.setenv("LAZYPLUG_CACHE", mode)
        assert summaries()["one"] == "Changed."
    assert facts_in(isolated).read_bytes() == before


def test_without_a_cache_folder_nothing_is_remembered(
    plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (_environment, _settings):
        monkeypatch.setattr(module, "get_cache_directory", lambda: None)
    assert summaries() == summaries() == SAID
    assert not isolated.exists()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_write_that_fails_is_survived_and_told_at_debug_level(
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
        assert summaries() == SAID
    assert [file.suffix for file in isolated.iterdir()] == [".json"]
    assert ".facts was not written" in caplog.text
    assert summaries() == SAID
    assert facts_in(isolated).exists()


def test_whatever_happens_at_the_end_is_survived(
    plugs: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("at the end")

    monkeypatch.setattr(facts_module, "encode", fail)
    with caplog.at_level(logging.DEBUG, "lazyplug"):
        assert summaries() == SAID
    assert "what was learned was not written: RuntimeError('at the end')" in caplog.text


def test_an_index_that_was_replaced_meanwhile_costs_only_the_write(
    plugs: Path, isolated: Path
) -> None:
    lazyplug.entry_points(group="g")
    lazyplug.invalidate_caches()
    assert ExtensionManager[Any]("g")["one"].summary == "The one."
    (index,) = isolated.glob("*.json")
    index.write_bytes(index.read_bytes()[:-1])
    end()
    assert not list(isolated.glob("*.facts"))
    assert summaries() == SAID
    assert facts_in(isolated).exists()


# ---------------------------------------------------------------------- distrust


def poisoned(file: Path) -> bytes:
    """Return a file of facts that says something else, with right checksums."""
    data = file.read_bytes()
    header, _, part = data[TITLE_LENGTH:].partition(b'["summary","g"]\n')
    part = b'["summary","g"]\n' + part
    evil = part.replace(b"The one.", b"The bad.").replace(b"The two.", b"The bad.")
    header = header.replace(digest(part).encode(), digest(evil).encode())
    return title(header) + header + evil


EVIL = {"one": "The bad.", "two": "The bad."}


def test_a_file_that_is_ours_is_believed(plugs: Path, isolated: Path) -> None:
    # This proves that the poison of the tests below is one.
    summaries()
    file = facts_in(isolated)
    whole, evil = file.read_bytes(), poisoned(file)
    file.write_bytes(evil)
    assert summaries() == EVIL
    # With the checksums of what was there before, it is not.
    for data in (
        whole[:TITLE_LENGTH] + evil[TITLE_LENGTH:],
        whole[:-200] + evil[-200:],
    ):
        file.write_bytes(data)
        assert summaries() == SAID


@posix
def test_a_file_or_folder_that_others_could_write_is_not_believed(
    plugs: Path, isolated: Path
) -> None:
    summaries()
    file = facts_in(isolated)
    evil = poisoned(file)
    for bits in (0o620, 0o602, 0o666):
        file.write_bytes(evil)
        file.chmod(bits)
        assert summaries() == SAID
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(evil)
    isolated.chmod(0o777)
    assert summaries() == SAID
    assert file.read_bytes() == evil


@posix
@pytest.mark.parametrize("kind", ["link", "fifo", "folder", "device", "loop"])
def test_what_is_no_file_in_its_place_is_survived(
    kind: str, plugs: Path, isolated: Path, tmp_path: Path
) -> None:
    summaries()
    file = facts_in(isolated)
    evil = poisoned(file)
    file.unlink()
    if kind == "link":
        (tmp_path / "evil").write_bytes(evil)
        file.symlink_to(tmp_path / "evil")
    elif kind == "fifo":
        os.mkfifo(file, 0o600)
    elif kind == "folder":
        (file / "inside").mkdir(parents=True)
    else:
        file.symlink_to("/dev/zero" if kind == "device" else file)
    began = time.monotonic()
    assert summaries() == SAID
    assert time.monotonic() - began < 10
    if kind != "folder":
        assert stat.S_ISREG(file.lstat().st_mode)
        assert summaries() == SAID


def test_a_file_that_is_far_too_large_is_not_read(plugs: Path, isolated: Path) -> None:
    summaries()
    file = facts_in(isolated)
    file.write_bytes(poisoned(file))
    os.truncate(file, _files.SIZE_CAP + 1)  # sparse
    assert summaries() == SAID
    assert file.stat().st_size < 10_000


def test_any_flipped_bit_and_any_lost_end_costs_no_answer(
    plugs: Path, isolated: Path
) -> None:
    summaries()
    file = facts_in(isolated)
    whole = file.read_bytes()
    damaged = [whole[:at] for at in range(0, len(whole), 7)]
    for at in range(len(whole)):
        bit = 1 << at % 8
        damaged.append(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
    for data in damaged:
        file.write_bytes(data)
        other_process()
        one, two = ExtensionManager[Any]("g")
        assert facts_module.facts().recall(one, "summary") in ("The one.", UNKNOWN)
        assert facts_module.facts().recall(two, "summary") in ("The two.", UNKNOWN)
    assert summaries() == SAID
    assert file.read_bytes() == whole


def rebuilt(parts: Any, **head: Any) -> bytes:
    """Return a file with right checksums that says what is given."""
    texts: list[bytes] = []
    lines: list[Any] = [head]
    offset = 0
    for kind, group, values in parts:
        text = "\n".join(map(json.dumps, values)).encode()
        lines.append([kind, group, offset, len(text), digest(text)])
        texts.append(text)
        offset += len(text) + 1
    header = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    return title(header.encode()) + header.encode() + b"\n".join(texts)


NAMED = ["summary", "g"]
RIGHT = ["one", "plug_one:One", [], {}, "The bad."]
STRANGE = [
    [NAMED, ["one", "plug_one:One", [], {}]],
    [NAMED, ["one", "plug_one:One", [["plug_one"]], {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [["plug_one", "0", None, 0, []]], {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [[1, 0, None, 0, []]], {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [["x", 0, 7, 0, []]], {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [["x", 0, ["/", 7], 0, []]], {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [["x", 0, None, "0", []]], {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [["x", 0, None, 0]], {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", 7, {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [], [], "The bad."]],
    [NAMED, ["one", "plug_one:One", [], {"\0": None, "/": "x"}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [], {"\0": "x"}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [], {"/": 7}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [], {"/": "1 y 2 3"}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [], {"/": "1"}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [["x", 9, None, 2, [1]]], {}, "The bad."]],
    [NAMED, ["one", "plug_one:One", [], {}, 7]],
    [NAMED, [[], "plug_one:One", [], {}, "The bad."]],
    [NAMED, ["one", {}, [], {}, "The bad."]],
    [NAMED, 7],
    [NAMED, {}],
    [["summary", "h"], RIGHT],
    [RIGHT],
    [],
]


@pytest.fixture
def right_head(plugs: Path) -> dict[str, Any]:
    return {
        "facts": facts_module.SCHEMA,
        "key": [sys.prefix, str(plugs)],
        "stamps": [stat_signature(os.stat(plugs))],
    }


@pytest.mark.parametrize("lines", STRANGE, ids=str)
def test_a_strange_part_is_survived_and_replaced(
    lines: list[Any], plugs: Path, isolated: Path, right_head: dict[str, Any]
) -> None:
    summaries()
    file = facts_in(isolated)
    # It is one that would be believed, were it not strange.
    file.write_bytes(rebuilt([("summary", "g", [NAMED, RIGHT])], **right_head))
    assert summaries()["one"] == "The bad."
    file.write_bytes(rebuilt([("summary", "g", lines)], **right_head))
    assert summaries() == SAID
    assert [line[4] for line in fact_lines(isolated)] == ["The one.", "The two."]


@pytest.mark.parametrize(
    "head",
    [
        {"facts": facts_module.SCHEMA - 1},
        {"facts": None},
        {"key": ["/", "/"]},
        {"key": "/"},
        {"stamps": []},
        {"stamps": 7},
        {"stamps": None},
    ],
    ids=str,
)
def test_a_strange_head_is_survived_and_replaced(
    head: Mapping[str, Any], plugs: Path, isolated: Path, right_head: dict[str, Any]
) -> None:
    summaries()
    file = facts_in(isolated)
    parts = [("summary", "g", [NAMED, RIGHT])]
    file.write_bytes(rebuilt(parts, **{**right_head, **head}))
    assert summaries() == SAID
    assert json.loads(file.read_text().splitlines()[1]) == right_head


def test_an_index_in_its_place_teaches_nothing(plugs: Path, isolated: Path) -> None:
    summaries()
    (index,) = isolated.glob("*.json")
    shutil.copy(index, facts_in(isolated))
    assert summaries() == SAID
    assert b'"facts"' in facts_in(isolated).read_bytes()
    shutil.copy(facts_in(isolated), index)
    assert summaries() == SAID


def test_a_damaged_part_costs_itself_and_no_other(
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
    assert summaries("g") == SAID
    assert file.read_bytes() == data


def test_a_front_that_is_longer_than_one_read_is_read_whole(
    site: PlantSite,
    only: SetPath,
    reliable: Ticking,
    parsed: list[str],
) -> None:
    groups = [f"group-{'x' * 40}-{n}" for n in range(700)]
    points = "".join(f"[{group}]\na = plug_one:One\n" for group in groups)
    directory = site(
        {"plug_one.py": ONE["plug_one.py"], **dist("many", entry_points=points)}
    )
    only(directory)
    for group in groups:
        assert ExtensionManager[Any](group)["a"].summary == "The one."
    end()
    parsed.clear()
    for group in groups[::50]:
        assert ExtensionManager[Any](group)["a"].summary == "The one."
    assert parsed == []


# ----------------------------------------------------------------------- pruning


def test_facts_go_with_their_index(plugs: Path, isolated: Path) -> None:
    summaries()
    own = facts_in(isolated)
    orphan = isolated / "0123456789abcdef-0123456789abcdef.facts"
    orphan.write_bytes(b"x")
    there = from_bytes(assemble([str(isolated)], [], [], True, {}, {}, ""))
    orphan.with_suffix(".json").write_bytes(there.read(0, 1 << 16))
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


def test_facts_without_an_index_stay_up_to_a_number(isolated: Path) -> None:
    # A frozen index lies elsewhere.
    isolated.mkdir(mode=0o700)
    for number in range(70):
        file = isolated / f"{0:016}-{number:016}.facts"
        file.write_bytes(b"x")
        os.utime(file, (number, number))
    storage.prune(str(isolated))
    kept = sorted(int(file.stem[17:]) for file in isolated.iterdir())
    assert kept == list(range(6, 70))


def test_facts_of_the_oldest_indexes_go_with_them(isolated: Path) -> None:
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


def test_unfinished_facts_are_removed_as_unfinished_indexes_are(
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


def test_facts_are_not_taken_for_an_index(plugs: Path, isolated: Path) -> None:
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
TEXT = "lazyplug._json_text"


@pytest.fixture
def fresh(site: PlantSite) -> Callable[..., Any]:
    """Return a function that asks two plugins in a fresh process, and runs code.

    Their files are older than the racy rule asks.
    """
    directory = site(ONE)

    def run(code: str) -> Any:
        text = COUNTED.replace("SITE", repr(str(directory)))
        return ask(text + textwrap.dedent(code), cwd=ROOT)

    return run


def test_facts_are_written_when_a_process_ends_and_the_next_imports_three_modules(
    fresh: Callable[..., Any],
) -> None:
    found, new = fresh(SHOW)
    assert found == SAID
    assert "ast" in new
    found, new = fresh(SHOW)
    assert found == SAID
    # The last one is there already where the current directory declares something; the
    # finders are asked where there are third-party ones, as that of setuptools.
    modules = {"lazyplug._attributes", "lazyplug._static", "lazyplug._static.facts"}
    assert modules <= {*new} <= {*modules, "lazyplug._static.finders", TEXT}


def test_a_process_that_dies_teaches_nobody(
    fresh: Callable[..., Any], isolated: Path
) -> None:
    fresh("import os\nprint(json.dumps(1), flush=True)\nos._exit(0)")
    assert not list(isolated.glob("*.facts"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_leaves_what_its_parent_learned_to_the_parent(
    fresh: Callable[..., Any], isolated: Path
) -> None:
    code = """
        import os
        from lazyplug._static import facts as facts_module
        from lazyplug._indexing import storage
        child = os.fork()
        if not child:
            written = []
            storage.store = lambda *_: written.append(_)
            facts_module.write()
            os._exit(len(written))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, len(facts_module._unwritten)]))
    """
    assert fresh(code) == [0, 1]
    assert len(fact_lines(isolated)) == 2


def test_a_program_that_leaves_nothing_standing_ends_without_a_word(
    fresh: Callable[..., Any], isolated: Path
) -> None:
    code = f"""
        import shutil
        sys.path[:] = []
        sys.meta_path[:] = []
        shutil.rmtree({str(isolated)!r})
        print(json.dumps(sorted(found)))
    """
    assert fresh(code) == ["one", "two"]


def test_threads_that_ask_at_once_hear_the_same(plugs: Path) -> None:
    points = "".join(f"p{n} = plug_m:C{n}\n" for n in range(60))
    source = "".join(f"class C{n}: 'Says {n}.'\n" for n in range(60))
    plant(plugs, {"plug_m.py": source, **dist("m", entry_points=f"[h]\n{points}")})
    heard: list[dict[str, str | None]] = []

    def listen() -> None:
        heard.append({e.name: e.summary for e in ExtensionManager[Any]("h")})

    for _ in range(2):
        threads = [threading.Thread(target=listen) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        end()
    assert heard == [{f"p{n}": f"Says {n}." for n in range(60)}] * 12


# ---------------------------------------------------------------- what a screen costs

FIFTY = 50


@pytest.fixture
def fifty(reliable: Ticking, site: PlantSite, only: SetPath) -> Path:
    """Return a site folder of fifty plugins, each a package, with facts."""
    tree: dict[str, Any] = {}
    for n in range(FIFTY):
        tree |= dist(f"plug-{n}", entry_points=f"[g]\np{n} = plug_{n}:Plugin\n")
        tree[f"plug_{n}"] = {"__init__.py": f"class Plugin: 'Number {n}.'\n{TRAP}"}
    directory = site(tree)
    only(directory)
    summaries()
    return directory


def test_a_warm_help_screen_reads_one_file_and_looks_once_at_each_source(
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

    def look(path: str) -> Any:
        calls.append(path)
        return inner(path)

    with monkeypatch.context() as patch:
        for name in (
            *("open", "close", "read", "pread", "lseek", "stat", "lstat", "fstat"),
            *("access", "listdir", "scandir", "readlink", "write", "replace"),
            *("unlink", "mkdir", "getcwd"),
        ):
            patch.setattr(fs, name, count(name, getattr(fs, name)))
        patch.setattr(fs, "stat", look)
        found = [extension.summary for extension in manager]
        counted = Counter(calls)
    assert found.count(None) == 0
    assert len(set(found)) == FIFTY
    sources = {str(fifty / f"plug_{n}" / "__init__.py"): 1 for n in range(FIFTY)}
    assert {name: calls for name, calls in counted.items() if "/" in name} == sources
    # The cache directory and the file of facts are judged.
    others = {name: calls for name, calls in counted.items() if "/" not in name}
    assert others.pop("lstat") == others.pop("fstat") == 1
    # Which sys.path this is, is asked each time.
    assert others == {"open": 1, "pread": 1, "close": 1, "getcwd": FIFTY}


def test_a_warm_help_screen_imports_two_rooms_and_no_plugin(
    fifty: Path, isolated: Path
) -> None:
    code = f"""
        import json, sys
        sys.path.insert(0, {str(ROOT)!r})
        import lazyplug._environment, lazyplug._manager, lazyplug._static.facts
        del sys.modules["lazyplug._static.facts"]
        sys.path[:] = [{str(fifty)!r}]
        manager = lazyplug.ExtensionManager("g")
        before = set(sys.modules)
        found = [extension.summary for extension in manager]
        new = sorted(set(sys.modules) - before)
        print(json.dumps([found.count(None), len(found), new]))
    """
    *counts, new = ask(code, cwd=isolated)
    assert counts == [0, FIFTY]
    # The finders are asked where there are third-party ones, as that of setuptools.
    rooms = {"lazyplug._attributes", "lazyplug._static.facts"}
    assert rooms <= {*new} <= {*rooms, "lazyplug._static.finders"}


# ---------------------------------------------------------------------------- a law

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
@given(changes=st.lists(steps, min_size=1, max_size=8), ask_between=st.booleans())
def test_whatever_changes_a_process_that_remembers_says_what_a_fresh_one_says(
    changes: list[tuple[str, str, str]],
    ask_between: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("law")
    points = "".join(f"p{n} = {value}\n" for n, value in enumerate(VALUES))
    for name in ("one", "here", "cache"):
        (root / name).mkdir(mode=0o700)
    plant(root / "two", dist("plug", entry_points=f"[g]\n{points}"))
    seam = Ticking(1)
    seam.ahead = LATER
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", ["", str(root / "one"), str(root / "two")])
        patch.chdir(root / "here")
        patch.setenv("LAZYPLUG_CACHE_DIR", str(root / "cache"))
        for name in ("stat", "fstat", "clock"):
            patch.setattr(fs, name, staticmethod(getattr(seam, name)))
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
                expected = truth()
                assert summaries() == expected
                assert summaries() == expected
