"""Try all file times and clocks: the next query is right, and rewriting ends.

Time stands still here, for files and for the clock, until a case moves it. A case is
one change of an environment, at one moment, on a file system with one tick. Each rule
about stat signatures is also switched off, and then cases must fail.
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
from tests.support.fs import fs
from tests.support.tally import OURS, RIVAL, Tally

pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="links of files and directories"
)

MILLISECOND, SECOND, HOUR = 10**6, 10**9, 3_600 * 10**9
# The begin of a tick of any length.
BEGIN = 1_600_000_000 * SECOND
TICKS = {
    "1 ns": 1,
    "4 ms": 4 * MILLISECOND,
    "10 ms": 10 * MILLISECOND,
    "1 s": SECOND,
    "2 s": 2 * SECOND,
}
# Ticks do not begin at round times: a file with a round time is compared by content,
# which would hide the other rules. See tests/test_content.py.
PHASE = 1
FOO, NAME = "foo-1.0.dist-info", "entry_points.txt"
NAMELESS = "-0.5.dist-info"


class Files:
    """Files whose times are kept by inode, and the clock of their machine.

    :param tick: of the file system, in nanoseconds.
    :param dating: which mtime a file gets when it is written.
    :param creation: whether ctime is the time of creation, as on Windows.
    """

    def __init__(self, tick: int, dating: str, creation: bool = False) -> None:
        self.tick, self.dating, self.creation = tick, dating, creation
        # A third into a tick, so that more can happen in the same tick.
        self.now = BEGIN + tick // 3
        self._times: dict[int, tuple[int, int]] = {}

    def stat(self, path: Any, dir_fd: int | None = None) -> Any:
        return self._seen(os.stat(path, dir_fd=dir_fd))

    def fstat(self, descriptor: int) -> Any:
        return self._seen(os.fstat(descriptor))

    def clock(self) -> int:
        return self.now

    def tick_of(self, time: int) -> int:
        """Return the begin of the tick that contains a time."""
        return (time - PHASE) // self.tick * self.tick + PHASE

    def _seen(self, status: os.stat_result) -> Any:
        times = self._times.get(status.st_ino)
        if times is None:
            return status  # of the index
        return with_times(status, *times)

    def _update(self, path: Path, modified: bool = True, made: bool = False) -> None:
        """Set the times of a file or directory that has just changed."""
        inode = path.stat().st_ino
        now = self.tick_of(self.now)
        mtime, ctime = self._times.get(inode, (now, now))
        if made or not self.creation:
            ctime = now
        if modified:
            fixed = {"zero": 0, "1980": 315_532_800 * SECOND, "future": now + HOUR}
            # The time of an archive that was unpacked.
            fixed["restored"] = BEGIN - 1_000 * SECOND
            mtime = fixed.get(self.dating, now)
        self._times[inode] = mtime, ctime

    def plant(self, directory: Path, tree: Tree) -> None:
        plant(directory, tree)
        for path in (directory, *directory.rglob("*")):
            self._update(path, made=True)
        self._update(directory.parent)

    def write(self, path: Path, text: str) -> None:
        """Write a file, in place if it exists."""
        made = not path.exists()
        path.write_text(text)
        self._update(path, made=made)
        if made:
            self._update(path.parent)

    def rename(self, path: Path, to: Path) -> None:
        path.rename(to)
        if not to.is_symlink():
            self._update(to, modified=False)
        for parent in {path.parent, to.parent}:
            self._update(parent)

    def link(self, path: Path, to: Path) -> None:
        to.hardlink_to(path)
        self._update(path, modified=False)
        self._update(to.parent)

    def symlink(self, path: Path, to: Path) -> None:
        to.symlink_to(path)
        self._update(to.parent)

    def remove(self, path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            inode, links = path.stat().st_ino, path.stat().st_nlink
            path.unlink()
            if links > 1 and not self.creation:
                now = self.tick_of(self.now)
                self._times[inode] = self._times[inode][0], now
        self._update(path.parent)


# ------------------------------------------------------------------------- changes


class World:
    """A directory on `sys.path`, and files to change it with.

    :param directory: for all files.
    :param files: their times.
    :param values: the declared values at first, and after the changes 1 and 2.
    """

    def __init__(self, directory: Path, files: Files, values: list[str]) -> None:
        self.directory, self.files, self.values = directory, files, values
        self.site = directory / "site"
        self.file = self.site / FOO / NAME
        files.plant(self.site, dist("foo", entry_points=self.text(0)))
        # Files of a store, of an unpacked archive, or of another environment.
        for number in (1, 2):
            tree = dist("foo", entry_points=self.text(number))
            files.plant(directory / f"new{number}", tree)

    def text(self, number: int) -> str:
        return f"[g]\na = {self.values[number]}\n"

    def new(self, number: int) -> Path:
        """Return another metadata directory, which existed before."""
        return self.directory / f"new{number}" / FOO

    def put(self, number: int, make: Callable[[Path, Path], None]) -> list[str]:
        """Make something of another file, next to foo's; rename it to foo's file."""
        new = self.file.with_name("new")
        make(self.new(number) / NAME, new)
        self.files.rename(new, self.file)
        return [self.values[number]]


def rewritten(world: World, number: int) -> list[str]:
    """Write another text into the same file."""
    world.files.write(world.file, world.text(number))
    return [world.values[number]]


def replaced(world: World, number: int) -> list[str]:
    """Replace the file by a new one."""
    write = world.files.write
    return world.put(number, lambda _, new: write(new, world.text(number)))


def hard_linked(world: World, number: int) -> list[str]:
    """Replace the file by a hard link to another one, as uv does."""
    return world.put(number, world.files.link)


def linked(world: World, number: int) -> list[str]:
    """Replace the file by a symbolic link to another one."""
    return world.put(number, world.files.symlink)


def directory_replaced(world: World, number: int) -> list[str]:
    """Replace the metadata directory by another one."""
    world.files.rename(world.site / FOO, world.directory / f"old{number}")
    world.files.rename(world.new(number), world.site / FOO)
    return [world.values[number]]


def directory_linked(world: World, number: int) -> list[str]:
    """Replace the metadata directory by a link to another one."""
    world.files.rename(world.site / FOO, world.directory / f"old{number}")
    world.files.symlink(world.new(number), world.site / FOO)
    return [world.values[number]]


def entry_linked(world: World, number: int) -> list[str]:
    """Replace the path entry by a link to another environment."""
    world.files.rename(world.site, world.directory / f"old{number}")
    world.files.symlink(world.new(number).parent, world.site)
    return [world.values[number]]


def installed_and_removed(world: World, number: int) -> list[str]:
    """Install a distribution; then remove it."""
    directory = world.site / "bar-1.0.dist-info"
    if number == 1:
        world.files.plant(directory, {NAME: world.text(1)})
        return [world.values[0], world.values[1]]
    world.files.remove(directory)
    return [world.values[0]]


def emptied_and_filled(world: World, number: int) -> list[str]:
    """Remove the entry_points.txt of a distribution; then add another one."""
    if number == 1:
        world.files.remove(world.file)
        return []
    world.files.write(world.file, world.text(2))
    return [world.values[2]]


def renamed(world: World, number: int) -> list[str]:
    """Give a shadowed distribution another name; then the first name again."""
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
        directory_replaced,
        directory_linked,
        entry_linked,
        installed_and_removed,
        emptied_and_filled,
        renamed,
    )
}


# ------------------------------------------------------------------------ the matrix


class Case(NamedTuple):
    """How, when and where something changes."""

    change: str
    # when the change is made after the first query; "before": before that query
    moment: str
    tick: str
    dating: str
    size: str
    # how the clock is set before the change
    clock: str
    # how long before the first query the environment is created
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


def is_visible_by_creation(case: Case) -> bool:
    """Return True if a change is visible where ctime is the time of creation.

    It is not if the same file, or a directory, has the mtime and size that it had.
    """
    if case.dating == "natural":
        return True
    if case.dating == "future" and case.change == "rewritten":
        return case.size == "other" or case.moment == "before"
    return case.size == "other" and case.change != "installed_and_removed"


CREATION = [
    case._replace(creation=True)
    for case in ALL
    if case.clock == "right" and is_visible_by_creation(case)
]


def fault_of(case: Case) -> str:
    """Return the name under which a case is counted."""
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
    """Run cases, and count the updates of the index and the writes of a query.

    :param directory: for the files of a case.
    :param cache: the cache directory.
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
        # of the last query: how often the index was updated, and how often written
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
        """Create the files of a case, and let lazyplug see their times."""
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

    def query(self) -> list[str]:
        """Return the values of the group, as a new process."""
        self.updates = self.writes = 0
        if self.subject == RIVAL:
            importlib.invalidate_caches()
            rival = stevedore._cache.Cache(str(self.cache))
            rival._disable_caching = False  # as for a Python outside /tmp
            return sorted(point.value for point in rival.get_group_all("g"))
        lazyplug.invalidate_caches()
        return sorted(point.value for point in lazyplug.entry_points(group="g"))

    def run(self, case: Case, count: Tally) -> None:
        """Query repeatedly while an environment changes; count what is wrong."""
        world = self.world(case)
        files, change = world.files, CHANGES[case.change]

        def query(label: str) -> None:
            count.check(self.query, truth, f"{label} {case}")

        truth = [world.values[0]]
        if case.moment == "before":
            files.now += CLOCKS[case.clock]
            truth = change(world, 1)
            query("first query")
        else:
            query("first query")
            files.now = moved(files, case.moment) + CLOCKS[case.clock]
            truth = change(world, 1)
            query("changed once")
        truth = change(world, 2)
        query("changed twice")
        if self.subject == RIVAL:
            return
        written = 0
        back = case.clock == "set back"
        # After the clock was set back, earlier files are in the future.
        for pause, at_rest in (
            (0, False),
            (3, False),
            (0, not back),
            (7_200, not back),
            (0, True),
        ):
            files.now += pause * SECOND
            query("later")
            written += self.writes
            if at_rest:
                count.compare(self.updates, 0, f"not at rest {case}")
        # One write when no signature is racy any more, one when the clock has passed
        # times in the future, one when mtimes in the future were seen twice.
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
    """Return the mtime that the file system of a case reports to stevedore."""
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


def group_cases(several: list[Case]) -> dict[str, list[Case]]:
    """Return the cases by the name under which they are counted."""
    found: dict[str, list[Case]] = {}
    for case in several:
        found.setdefault(fault_of(case), []).append(case)
    return found


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_at_any_time_is_seen_and_rewriting_ends(
    change: str, bench: Bench, long: bool, tally: Count
) -> None:
    several = [case for case in ALL if case.change == change]
    for fault, some in group_cases(several[:: 1 if long else 97]).items():
        with tally(fault) as count:
            for case in some:
                bench.run(case, count)


@pytest.mark.timeout(3600)
def test_wrong_answers_of_the_rival_are_counted(
    rival_bench: Bench, long: bool, tally: Count
) -> None:
    for fault, some in group_cases(ALL[:: 11 if long else 499]).items():
        with tally(fault, RIVAL) as count:
            for case in some:
                rival_bench.run(case, count)


@pytest.mark.timeout(3600)
def test_a_change_is_seen_where_ctime_is_the_time_of_creation(
    bench: Bench, long: bool, tally: Count
) -> None:
    for fault, some in group_cases(CREATION[:: 1 if long else 97]).items():
        with tally(fault) as count:
            for case in some:
                bench.run(case, count)


# ------------------------------------------------------------------------ hard links


@pytest.mark.timeout(3600)
def test_each_link_from_a_store_costs_one_scan_and_one_write(
    bench: Bench, long: bool, tally: Count
) -> None:
    # As when other environments are created from uv's cache, and removed.
    several = list(product(TICKS, DATINGS, [0, 1, 3, 50], PLANTED))
    with tally("hard links to a file are created and removed") as count:
        for tick, dating, pause, planted in several[:: 1 if long else 7]:
            case = Case("linked", "", tick, dating, "same", "right", planted)
            world = bench.world(case)
            for _ in range(3):
                count.check(bench.query, ["m:a"], case)
                world.files.now += 3 * SECOND
            assert bench.updates == 0
            # An mtime in the future is trusted when it was seen twice.
            written, most = 0, 2 if dating == "future" else 1
            for number in range(8):
                other = world.directory / f"other{number // 2}"
                if number % 2:
                    world.files.remove(other)
                else:
                    world.files.link(world.file, other)
                world.files.now += pause * SECOND
                for query in range(4):
                    count.check(bench.query, ["m:a"], case)
                    written += bench.writes
                    if query >= most:
                        count.compare(bench.writes, 0, f"written without need {case}")
            count.compare(written <= 8 * most, True, f"written {written} times {case}")
            world.files.now += 3 * SECOND
            count.check(bench.query, ["m:a"], case)
            count.compare(bench.writes <= 1, True, f"written again {case}")
            count.check(bench.query, ["m:a"], case)
            count.compare(bench.updates, 0, f"not at rest {case}")


# ----------------------------------------------------------------- without each rule


def replace_everywhere(patch: pytest.MonkeyPatch, name: str, new: Any) -> None:
    """Replace a function in all modules of lazyplug that have it."""
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith("lazyplug.") and hasattr(module, name):
            patch.setattr(module, name, new)


def trust_racy_signatures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reading, "RACY", 0)


def signature_without(field: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a function that removes one field from every stat signature."""

    def switch_off(patch: pytest.MonkeyPatch) -> None:
        stat_signature = _index.stat_signature

        def less(status: Any) -> str:
            fields = stat_signature(status).split()
            fields[field] = "0"
            return " ".join(fields)

        replace_everywhere(patch, "stat_signature", less)

    return switch_off


def never_trust_the_future(patch: pytest.MonkeyPatch) -> None:
    reliable = reading.is_reliable
    replace_everywhere(
        patch, "is_reliable", lambda now, _, clock: reliable(now, False, clock)
    )


def trust_the_future_at_once(patch: pytest.MonkeyPatch) -> None:
    reliable = reading.is_reliable
    replace_everywhere(
        patch, "is_reliable", lambda now, _, clock: reliable(now, True, clock)
    )


def write_without_need(patch: pytest.MonkeyPatch) -> None:
    decode, numbers = layout.from_bytes, count_up()

    def decode_and_change(data: bytes) -> _index.Index:
        index = decode(data)
        index.header += b"%d" % next(numbers)
        return index

    patch.setattr(update_module, "from_bytes", decode_and_change)


RULES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], dict[str, Any]]] = {
    "a racy stat signature is not trusted": (
        trust_racy_signatures,
        {"dating": "natural", "moment": "same tick", "planted": "just now"},
    ),
    "mtime is in the stat signature": (
        signature_without(0),
        {"dating": "natural", "moment": "50 s", "creation": True},
    ),
    "ctime is in the stat signature": (
        signature_without(1),
        {"dating": "restored", "moment": "50 s", "planted": "long ago"},
    ),
    "size is in the stat signature": (
        signature_without(2),
        {"dating": "zero", "moment": "50 s", "size": "other", "creation": True},
    ),
    "inode is in the stat signature": (
        signature_without(3),
        {"change": "linked", "dating": "zero", "moment": "50 s"},
    ),
    "an mtime in the future is trusted in the end": (
        never_trust_the_future,
        {"dating": "future", "moment": "50 s"},
    ),
    "an mtime in the future is not trusted at once": (
        trust_the_future_at_once,
        {"dating": "future", "moment": "before", "creation": True},
    ),
    "an unchanged index is not written again": (
        write_without_need,
        {"dating": "zero", "moment": "1 s", "clock": "set back"},
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_without_each_rule_some_cases_fail(
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
