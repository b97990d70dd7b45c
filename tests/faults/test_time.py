"""Whatever clocks and file times do, the next look is right and rewriting ends.

Time stands still here, for files as for the clock, until a case moves it. A case is
one way to change an environment, at one moment, on a file system with one tick; each
rule by which stamps are believed is also switched off, to see that cases fail then.
"""

import importlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from itertools import count as count_up
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import stevedore

import lazyplug
from lazyplug import _index
from lazyplug._indexing import layout, reading, storage
from lazyplug._indexing import update as update_module
from lazyplug.testing import Tree, dist, plant
from tests.support.clock import with_times
from tests.support.fixtures import Count
from tests.support.seam import fs
from tests.support.tally import OURS, RIVAL, Tally

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links of files and folders")

MILLISECOND, SECOND, HOUR = 10**6, 10**9, 3_600 * 10**9
# Where a tick begins, whatever the tick.
BEGIN = 1_600_000_000 * SECOND
TICKS = {
    "1 ns": 1,
    "4 ms": 4 * MILLISECOND,
    "10 ms": 10 * MILLISECOND,
    "1 s": SECOND,
    "2 s": 2 * SECOND,
}
# Ticks do not begin at round times: a file with one is compared by content, which would
# hide what the other rules are for. See tests/test_content.py.
PHASE = 1
FOO, NAME = "foo-1.0.dist-info", "entry_points.txt"
NAMELESS = "-0.5.dist-info"


class Files:
    """Files whose times are remembered by inode, and the clock of their machine.

    :param tick: of the file system, in nanoseconds.
    :param dating: what becomes of the mtime of what is written.
    :param creation: is ctime the time of creation, as on Windows?
    """

    def __init__(self, tick: int, dating: str, creation: bool = False) -> None:
        self.tick, self.dating, self.creation = tick, dating, creation
        # A third into a tick, so that more can happen in the same one.
        self.now = BEGIN + tick // 3
        self._times: dict[int, tuple[int, int]] = {}

    def stat(self, path: Any, dir_fd: int | None = None) -> Any:
        return self._seen(os.stat(path, dir_fd=dir_fd))

    def fstat(self, descriptor: int) -> Any:
        return self._seen(os.fstat(descriptor))

    def clock(self) -> int:
        return self.now

    def tick_of(self, time: int) -> int:
        """Return when the tick began that a time is in."""
        return (time - PHASE) // self.tick * self.tick + PHASE

    def _seen(self, status: os.stat_result) -> Any:
        times = self._times.get(status.st_ino)
        if times is None:
            return status  # the index
        return with_times(status, *times)

    def _touch(self, path: Path, modified: bool = True, made: bool = False) -> None:
        """Let a file or folder have changed now."""
        inode = path.stat().st_ino
        now = self.tick_of(self.now)
        mtime, ctime = self._times.get(inode, (now, now))
        if made or not self.creation:
            ctime = now
        if modified:
            fixed = {"zero": 0, "1980": 315_532_800 * SECOND, "future": now + HOUR}
            # As it was when it was unpacked long ago.
            fixed["restored"] = BEGIN - 1_000 * SECOND
            mtime = fixed.get(self.dating, now)
        self._times[inode] = mtime, ctime

    def plant(self, directory: Path, tree: Tree) -> None:
        plant(directory, tree)
        for path in (directory, *directory.rglob("*")):
            self._touch(path, made=True)
        self._touch(directory.parent)

    def write(self, path: Path, text: str) -> None:
        """Write a file: the same one if it is there."""
        made = not path.exists()
        path.write_text(text)
        self._touch(path, made=made)
        if made:
            self._touch(path.parent)

    def rename(self, path: Path, to: Path) -> None:
        path.rename(to)
        if not to.is_symlink():
            self._touch(to, modified=False)
        for parent in {path.parent, to.parent}:
            self._touch(parent)

    def link(self, path: Path, to: Path) -> None:
        to.hardlink_to(path)
        self._touch(path, modified=False)
        self._touch(to.parent)

    def symlink(self, path: Path, to: Path) -> None:
        to.symlink_to(path)
        self._touch(to.parent)

    def remove(self, path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            inode, links = path.stat().st_ino, path.stat().st_nlink
            path.unlink()
            if links > 1 and not self.creation:
                now = self.tick_of(self.now)
                self._times[inode] = self._times[inode][0], now
        self._touch(path.parent)


# ------------------------------------------------------------------ what is changed


class World:
    """A folder on `sys.path`, and what it will be changed to.

    :param folder: where all lies.
    :param files: their times.
    :param values: what is declared at first, and after the changes 1 and 2.
    """

    def __init__(self, directory: Path, files: Files, values: list[str]) -> None:
        self.directory, self.files, self.values = directory, files, values
        self.site = directory / "site"
        self.file = self.site / FOO / NAME
        files.plant(self.site, dist("foo", entry_points=self.text(0)))
        # In a store, unpacked, or another environment.
        for number in (1, 2):
            tree = dist("foo", entry_points=self.text(number))
            files.plant(directory / f"new{number}", tree)

    def text(self, number: int) -> str:
        return f"[g]\na = {self.values[number]}\n"

    def new(self, number: int) -> Path:
        """Return a metadata folder that was there already."""
        return self.directory / f"new{number}" / FOO

    def put(self, number: int, make: Callable[[Path, Path], None]) -> list[str]:
        """Make something of a file that was there, beside foo's; then in its place."""
        beside = self.file.with_name("beside")
        make(self.new(number) / NAME, beside)
        self.files.rename(beside, self.file)
        return [self.values[number]]


def rewritten(world: World, number: int) -> list[str]:
    """Write another text into the same file."""
    world.files.write(world.file, world.text(number))
    return [world.values[number]]


def replaced(world: World, number: int) -> list[str]:
    """Put a new file in its place."""
    write = world.files.write
    return world.put(number, lambda _, beside: write(beside, world.text(number)))


def hard_linked(world: World, number: int) -> list[str]:
    """Put a hard link to another file in its place, as uv does."""
    return world.put(number, world.files.link)


def linked(world: World, number: int) -> list[str]:
    """Put a symbolic link to another file in its place."""
    return world.put(number, world.files.symlink)


def folder_replaced(world: World, number: int) -> list[str]:
    """Put another folder in the place of the metadata folder."""
    world.files.rename(world.site / FOO, world.directory / f"old{number}")
    world.files.rename(world.new(number), world.site / FOO)
    return [world.values[number]]


def folder_linked(world: World, number: int) -> list[str]:
    """Put a link to another folder in the place of the metadata folder."""
    world.files.rename(world.site / FOO, world.directory / f"old{number}")
    world.files.symlink(world.new(number), world.site / FOO)
    return [world.values[number]]


def entry_linked(world: World, number: int) -> list[str]:
    """Put a link to another environment in the place of the path entry."""
    world.files.rename(world.site, world.directory / f"old{number}")
    world.files.symlink(world.new(number).parent, world.site)
    return [world.values[number]]


def came_and_went(world: World, number: int) -> list[str]:
    """Install a distribution; then remove it."""
    directory = world.site / "bar-1.0.dist-info"
    if number == 1:
        world.files.plant(directory, {NAME: world.text(1)})
        return [world.values[0], world.values[1]]
    world.files.remove(directory)
    return [world.values[0]]


def went_and_came(world: World, number: int) -> list[str]:
    """Remove what a distribution declares; then declare something."""
    if number == 1:
        world.files.remove(world.file)
        return []
    world.files.write(world.file, world.text(2))
    return [world.values[2]]


def renamed(world: World, number: int) -> list[str]:
    """Give a distribution that is shadowed another name; then the first one again."""
    name = f"b{world.values[1][2:]}r" if number == 1 else "foo"
    text = f"Name: {name}\nVersion: 0.5\n"
    world.files.write(world.site / NAMELESS / "METADATA", text)
    return [world.values[0], *(["n:f"] if number == 1 else [])]


CHANGES: dict[str, Callable[[World, int], list[str]]] = {
    change.__name__: change
    for change in (
        rewritten,
        replaced,
        hard_linked,
        linked,
        folder_replaced,
        folder_linked,
        entry_linked,
        came_and_went,
        went_and_came,
        renamed,
    )
}


# ------------------------------------------------------------------------ the matrix


class Case(NamedTuple):
    """How, when and where something changes."""

    change: str
    # between the first look and the change; "before": it is the other way round
    moment: str
    tick: str
    dating: str
    size: str
    # what becomes of the clock before the change
    clock: str
    # before the first look
    planted: str
    creation: bool = False


MOMENTS = ["before", "same tick", "next tick", "1 s", "50 s"]
DATINGS = ["natural", "restored", "zero", "1980", "future"]
SIZES = ["same", "other"]
CLOCKS = {"right": 0, "set back": -HOUR, "set ahead": HOUR}
PLANTED = ["just now", "long ago"]

ALL = [
    Case(*each)
    for each in product(CHANGES, MOMENTS, TICKS, DATINGS, SIZES, CLOCKS, PLANTED)
]


def told_by_creation(case: Case) -> bool:
    """Return True if a change can be noticed where ctime is the time of creation.

    Not if the same file, or a folder, has the mtime and size that it had.
    """
    if case.dating == "natural":
        return True
    if case.dating == "future" and case.change == "rewritten":
        return case.size == "other" or case.moment == "before"
    return case.size == "other" and case.change != "came_and_went"


CREATION = [
    case._replace(creation=True)
    for case in ALL
    if case.clock == "right" and told_by_creation(case)
]


def fault_of(case: Case) -> str:
    """Return what a case is counted as."""
    if case.creation:
        return "ctime is the time of creation, as on Windows"
    if case.clock != "right":
        return f"the clock is {case.clock} by an hour"
    return {
        "natural": "files change at any moment",
        "restored": "files change and keep their mtime",
        "future": "mtimes are in the future",
    }.get(case.dating, "mtimes are constant")


class Bench:
    """Where cases are tried, and what a look does there.

    :param folder: for worlds.
    :param cache: the cache folder.
    """

    def __init__(
        self,
        directory: Path,
        cache: Path,
        patch: pytest.MonkeyPatch,
        subject: str = OURS,
    ) -> None:
        self.directory, self.cache, self.patch, self.subject = (
            directory,
            cache,
            patch,
            subject,
        )
        # of the last look: how often something was looked at again, and written
        self.updates = self.writes = 0
        update, store = update_module.update, storage.store

        def counted_update(*arguments: Any) -> Any:
            self.updates += 1
            return update(*arguments)

        def counted_store(*arguments: Any) -> None:
            self.writes += 1
            store(*arguments)

        patch.setattr(update_module, "update", counted_update)
        patch.setattr(update_module, "store", counted_store)

    def world(self, case: Case) -> World:
        """Make the world of a case anew, and let its time be what is seen."""
        for directory in (self.directory, self.cache):
            shutil.rmtree(directory, ignore_errors=True)
        self.directory.mkdir()
        files = Files(TICKS[case.tick], case.dating, case.creation)
        longer = case.size == "other"
        values = ["m:a", "m:bb", "m:ccc"] if longer else ["m:a", "m:b", "m:c"]
        if case.planted == "long ago":
            files.now -= 100 * SECOND
        world = World(self.directory, files, values)
        if case.change == "renamed":
            shadowed = {"METADATA": "", NAME: "[g]\nb = n:f\n"}
            files.plant(world.site / NAMELESS, shadowed)
            renamed(world, 0)
        files.now = BEGIN + files.tick // 3
        self.patch.setattr(sys, "path", [str(world.site)])
        for name in ("stat", "fstat", "clock"):
            self.patch.setattr(fs, name, getattr(files, name))
        return world

    def look(self) -> list[str]:
        """Look as a new process does; return what the group declares."""
        self.updates = self.writes = 0
        if self.subject == RIVAL:
            importlib.invalidate_caches()
            rival = stevedore._cache.Cache(str(self.cache))
            rival._disable_caching = False  # as it is where Python does not lie in /tmp
            return sorted(point.value for point in rival.get_group_all("g"))
        lazyplug.invalidate_caches()
        return sorted(point.value for point in lazyplug.entry_points(group="g"))

    def run(self, case: Case, count: Tally) -> None:
        """Look again and again while an environment changes; count what is wrong."""
        world = self.world(case)
        files, change = world.files, CHANGES[case.change]

        def look(label: str) -> None:
            count.hold(self.look, truth, f"{label} {case}")

        truth = [world.values[0]]
        if case.moment == "before":
            files.now += CLOCKS[case.clock]
            truth = change(world, 1)
            look("first look")
        else:
            look("first look")
            files.now = moved(files, case.moment) + CLOCKS[case.clock]
            truth = change(world, 1)
            look("changed once")
        truth = change(world, 2)
        look("changed twice")
        if self.subject == RIVAL:
            return
        written = 0
        back = case.clock == "set back"
        # By a clock that was set back, what was there is still to come.
        for pause, rest in (
            (0, False),
            (3, False),
            (0, not back),
            (7_200, not back),
            (0, True),
        ):
            files.now += pause * SECOND
            look("later")
            written += self.writes
            if rest:
                count.compare(self.updates, 0, f"not at rest {case}")
        # Once when stamps are old enough; when those are that were still to come;
        # when mtimes in the future were seen twice.
        most = 1 + back + (case.dating == "future")
        count.compare(written <= most, True, f"written {written} times {case}")


def moved(files: Files, moment: str) -> int:
    """Return the time at which something happens."""
    return {
        "same tick": files.now + files.tick // 3,
        "next tick": files.tick_of(files.now) + files.tick,
        "1 s": files.now + SECOND,
        "50 s": files.now + 50 * SECOND,
    }[moment]


def rival_mtime(path: str) -> float:
    """Return what stevedore would be told by the file system of a case."""
    try:
        return float(fs.stat(path).st_mtime_ns / SECOND)
    except FileNotFoundError:
        return -1.0


@pytest.fixture
def bench(tmp_path: Path, isolated: Path) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        yield Bench(tmp_path / "world", isolated, patch)


@pytest.fixture
def rival_bench(tmp_path: Path, isolated: Path) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stevedore._cache, "_get_mtime", rival_mtime)
        yield Bench(tmp_path / "world", isolated, patch, RIVAL)


def sorted_out(several: list[Case]) -> dict[str, list[Case]]:
    """Return cases by what they are counted as."""
    found: dict[str, list[Case]] = {}
    for case in several:
        found.setdefault(fault_of(case), []).append(case)
    return found


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_at_any_time_is_seen_and_settles(
    change: str, bench: Bench, long: bool, tally: Count
) -> None:
    several = [case for case in ALL if case.change == change]
    for fault, some in sorted_out(several[:: 1 if long else 97]).items():
        with tally(fault) as count:
            for case in some:
                bench.run(case, count)


@pytest.mark.timeout(3600)
def test_what_the_rival_sees_is_counted(
    rival_bench: Bench, long: bool, tally: Count
) -> None:
    for fault, some in sorted_out(ALL[:: 11 if long else 499]).items():
        with tally(fault, RIVAL) as count:
            for case in some:
                rival_bench.run(case, count)


@pytest.mark.timeout(3600)
def test_a_change_is_seen_where_ctime_is_the_time_of_creation(
    bench: Bench, long: bool, tally: Count
) -> None:
    for fault, some in sorted_out(CREATION[:: 1 if long else 97]).items():
        with tally(fault) as count:
            for case in some:
                bench.run(case, count)


# ------------------------------------------------------------------------ hard links


@pytest.mark.timeout(3600)
def test_links_from_a_store_cost_one_look_and_one_write_each(
    bench: Bench, long: bool, tally: Count
) -> None:
    # As when other environments are made, and removed, of what uv keeps.
    several = list(product(TICKS, DATINGS, [0, 1, 3, 50], PLANTED))
    with tally("hard links to a file are created and removed") as count:
        for tick, dating, pause, planted in several[:: 1 if long else 7]:
            case = Case("linked", "", tick, dating, "same", "right", planted)
            world = bench.world(case)
            for _ in range(3):
                count.hold(bench.look, ["m:a"], case)
                world.files.now += 3 * SECOND
            assert bench.updates == 0
            # A stamp with an mtime in the future is believed when it was seen twice.
            written, most = 0, 2 if dating == "future" else 1
            for number in range(8):
                other = world.directory / f"other{number // 2}"
                if number % 2:
                    world.files.remove(other)
                else:
                    world.files.link(world.file, other)
                world.files.now += pause * SECOND
                for looks in range(4):
                    count.hold(bench.look, ["m:a"], case)
                    written += bench.writes
                    if looks >= most:
                        count.compare(bench.writes, 0, f"written without need {case}")
            count.compare(written <= 8 * most, True, f"written {written} times {case}")
            world.files.now += 3 * SECOND
            count.hold(bench.look, ["m:a"], case)
            count.compare(bench.writes <= 1, True, f"settles {case}")
            count.hold(bench.look, ["m:a"], case)
            count.compare(bench.updates, 0, f"not at rest {case}")


# ----------------------------------------------------------------- without each rule


def everywhere(patch: pytest.MonkeyPatch, name: str, new: Any) -> None:
    """Exchange a function in all rooms that have it."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("lazyplug.") and hasattr(module, name):
            patch.setattr(module, name, new)


def no_racy_rule(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading, "RACY", 0)


def stamp_without(place: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what leaves one number out of each stamp."""

    def switch_off(patch: pytest.MonkeyPatch) -> None:
        stat_signature = _index.stat_signature

        def less(status: Any) -> str:
            stat_hashes = stat_signature(status).split()
            stat_hashes[place] = "0"
            return " ".join(stat_hashes)

        everywhere(patch, "stamp", less)

    return switch_off


def never_the_future(patch: pytest.MonkeyPatch) -> None:
    reliable = reading.is_reliable
    everywhere(patch, "is_reliable", lambda now, _, clock: reliable(now, False, clock))


def the_future_at_once(patch: pytest.MonkeyPatch) -> None:
    reliable = reading.is_reliable
    everywhere(patch, "is_reliable", lambda now, _, clock: reliable(now, True, clock))


def write_what_is_written(patch: pytest.MonkeyPatch) -> None:
    decode, stat_hashes = layout.from_bytes, count_up()

    def decoded(data: bytes) -> _index.Index:
        index = decode(data)
        index.header += b"%d" % next(stat_hashes)
        return index

    patch.setattr(update_module, "from_bytes", decoded)


RULES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], dict[str, Any]]] = {
    "a young stamp is not believed": (
        no_racy_rule,
        {"dating": "natural", "moment": "same tick", "planted": "just now"},
    ),
    "mtime is in the stamp": (
        stamp_without(0),
        {"dating": "natural", "moment": "50 s", "creation": True},
    ),
    "ctime is in the stamp": (
        stamp_without(1),
        {"dating": "restored", "moment": "50 s", "planted": "long ago"},
    ),
    "size is in the stamp": (
        stamp_without(2),
        {"dating": "zero", "moment": "50 s", "size": "other", "creation": True},
    ),
    "inode is in the stamp": (
        stamp_without(3),
        {"change": "linked", "dating": "zero", "moment": "50 s"},
    ),
    "an mtime in the future is believed in the end": (
        never_the_future,
        {"dating": "future", "moment": "50 s"},
    ),
    "an mtime in the future is not believed at once": (
        the_future_at_once,
        {"dating": "future", "moment": "before", "creation": True},
    ),
    "what is as it was written is not written again": (
        write_what_is_written,
        {"dating": "zero", "moment": "1 s", "clock": "set back"},
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_without_each_rule_cases_fail_that_else_do_not(
    rule: str, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off, wanted = RULES[rule]
    wanted = {"change": "rewritten", "size": "same", "clock": "right", **wanted}
    some = [
        case
        for case in [*ALL, *CREATION]
        if case._asdict() == {"creation": False, **case._asdict(), **wanted}
    ]
    assert some
    with_it, without_it = Tally(rule), Tally(rule)
    for case in some:
        bench.run(case, with_it)
    switch_off(monkeypatch)
    for case in some:
        bench.run(case, without_it)
    assert with_it.examples == []
    assert without_it.wrong
    assert without_it.crashes == 0
