"""Let each system call fail in turn, or find that something has changed.

So every moment is tried at which a disk, a lack of descriptors or another process can
do harm. A query may miss only the distributions that the failing call was about. The
next query must find everything.
"""

import errno
import gc
import os
import shutil
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
import zipp  # noqa: F401 - the oracle imports it at the first archive that it meets

import lazyplug
from lazyplug._indexing.metadata import normalize, stem
from lazyplug.testing import Tree, dist, plant
from tests.support.calls import TICK, Calls
from tests.support.clock import Ticking
from tests.support.fixtures import Count, SetPath
from tests.support.owners import owner_of

ERRORS = [errno.EIO, errno.EACCES, errno.EMFILE, errno.ENOENT, errno.ENOSPC]

# Group, name, value, then the key, the name and the version of its distribution.
Row = tuple[str, str, str, str]
ONE: Tree = {
    **dist("alpha", entry_points="[g]\na = m:alpha\n"),
    **dist("beta", entry_points="[g]\nb = m:beta\n[h]\nb = m:beta\n"),
    **dist("plain"),
    "gamma.egg-info": {
        "PKG-INFO": "Name: Gamma\nVersion: 1\n",
        "entry_points.txt": "[h]\nc = m:gamma\n",
    },
}
TWO: Tree = {
    **dist("alpha", "2.0", entry_points="[g]\na = m:hidden\n"),
    **dist("delta", entry_points="[g]\nd = m:delta\n"),
}
EDITED = "[g]\nb = m:edited\n"


class World:
    """Two directories and an archive on `sys.path`, and a cache, anew for each try."""

    def __init__(
        self, directory: Path, set_path: SetPath, cache: Path, calls: Calls
    ) -> None:
        self.directory, self.set_sys_path, self.cache, self.calls = (
            directory,
            set_path,
            cache,
            calls,
        )

    def make(self) -> None:
        """Create the directories and the archive, without a cache."""
        for path in (self.directory, self.cache):
            shutil.rmtree(path, ignore_errors=True)
        plant(self.directory, {"one": ONE, "two": TWO})
        with zipfile.ZipFile(self.directory / "three.zip", "w") as archive:
            info = "epsilon-1.dist-info"
            archive.writestr(f"{info}/METADATA", "Name: epsilon\nVersion: 1\n")
            archive.writestr(f"{info}/entry_points.txt", "[g]\ne = m:epsilon\n")
        self.set_path("one", "two", "three.zip")

    def set_path(self, *names: str) -> None:
        self.set_sys_path(*[self.directory / name for name in names])

    def query(self) -> list[Row]:
        """Return all entry points, as a new process."""
        lazyplug.invalidate_caches()
        points = lazyplug.entry_points()
        return sorted((p.group, p.name, p.value, owner_of(p)[0]) for p in points)

    def truth(self) -> list[Row]:
        """Return the right answer: that of a scan without an index."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "off")
            return self.query()

    def oracle(self) -> list[Row]:
        """Return the answer of importlib_metadata."""
        with warnings.catch_warnings():
            # It keeps archives open until they are garbage-collected.
            warnings.simplefilter("ignore", ResourceWarning)
            rows = []
            for point in importlib_metadata.entry_points():
                key = normalize(point.dist.name)
                rows.append((point.group, point.name, point.value, key))
            gc.collect()
        return sorted(rows)

    def about(self, where: "str | None") -> set[str]:
        """Return the keys of the distributions that a path belongs to."""
        inside = [name for name in ("one", "two", "three.zip") if name in str(where)]
        if not inside:
            return set()
        file = str(where).partition(f"{inside[0]}{os.sep}")[2].partition(os.sep)[0]
        if file:
            return {normalize(stem(file)[0])}
        if inside == ["three.zip"]:
            return {"epsilon"}
        # `install` puts delta there.
        tree: Tree = {**ONE, **dist("delta")} if inside == ["one"] else TWO
        return {normalize(stem(name)[0]) for name in tree}


@pytest.fixture
def world(
    tmp_path: Path, set_path: SetPath, isolated: Path, late_clock: Ticking
) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        yield World(tmp_path / "world", set_path, isolated, Calls(patch))


# ------------------------------------------------------------ states before the query


def cold(world: World) -> None:
    """Have no index."""


def warm(world: World) -> None:
    """Have an index that is fresh."""
    world.query()


def changed(world: World) -> None:
    """Edit a distribution."""
    world.query()
    time.sleep(TICK)
    edit(world)


def added(world: World) -> None:
    """Add a distribution, and let a plain one declare entry points."""
    world.query()
    time.sleep(TICK)
    install(world)
    declare(world)


def removed(world: World) -> None:
    """Change an archive, and remove a distribution."""
    world.query()
    time.sleep(TICK)
    with zipfile.ZipFile(world.directory / "three.zip", "a") as archive:
        archive.writestr("more.txt", "")
    remove(world)


def damaged(world: World) -> None:
    """Damage the records of the index, and change an entry_points.txt."""
    changed(world)
    (file,) = world.cache.glob("*.json")
    data = file.read_bytes()
    file.write_bytes(data[:-3] + b"###")


def other_order(world: World) -> None:
    """Have an index of the same directories in another order."""
    world.set_path("two", "three.zip", "one")
    world.query()
    world.set_path("one", "two", "three.zip")


BEFORE = [cold, warm, changed, added, removed, damaged, other_order]


# ------------------------------------------------------------------------- changes


def edit(world: World) -> None:
    """Replace what a distribution declares."""
    file = world.directory / "one" / "beta-1.0.dist-info" / "entry_points.txt"
    new = file.with_name("new")
    new.write_text(EDITED)
    new.rename(file)


def install(world: World) -> None:
    """Install a distribution that shadows another."""
    new = plant(
        world.directory / "new", dist("delta", "9", entry_points="[h]\nd = m:new\n")
    )
    (new / "delta-9.dist-info").rename(world.directory / "one" / "delta-9.dist-info")


def declare(world: World) -> None:
    """Add entry points to a distribution that has none."""
    file = world.directory / "one" / "plain-1.0.dist-info" / "entry_points.txt"
    file.write_text("[g]\np = m:plain\n")


def remove(world: World) -> None:
    """Remove a distribution that shadows another."""
    shutil.rmtree(world.directory / "one" / "alpha-1.0.dist-info")


def remove_entry(world: World) -> None:
    """Remove a path entry."""
    (world.directory / "two").rename(world.directory / "gone")


def remove_cache(world: World) -> None:
    """Remove the cache directory."""
    shutil.rmtree(world.cache, ignore_errors=True)


def replace_index(world: World) -> None:
    """Replace the index by an equal one, as another process does."""
    for file in world.cache.glob("*.json"):
        new = file.with_suffix(".new")
        shutil.copyfile(file, new)
        new.chmod(0o600)
        new.rename(file)


def cut_index(world: World) -> None:
    """Cut the index short."""
    for file in world.cache.glob("*.json"):
        os.truncate(file, file.stat().st_size // 2)


# The distributions that each change concerns.
CHANGES: dict[Callable[[World], None], set[str]] = {
    edit: {"beta"},
    install: {"delta"},
    declare: {"plain"},
    remove: {"alpha"},
    remove_entry: {"alpha", "delta"},
    remove_cache: set(),
    replace_index: set(),
    cut_index: set(),
}


def exclude(rows: list[Row], about: set[str]) -> list[Row]:
    """Return the rows of all distributions except these."""
    return [row for row in rows if row[3] not in about]


def fail_with(error: int) -> Callable[[str], Any]:
    """Return a fault: a call fails with this error."""

    def fail(name: str) -> Any:
        if name == "access":
            return False
        raise OSError(error, os.strerror(error))

    return fail


def number_calls(world: World, before: Callable[[World], None], long: bool) -> range:
    """Return the numbers of the calls of one query: all, or every 23rd."""
    world.make()
    before(world)
    assert world.truth() == world.oracle()
    world.calls.arm(-1, None)
    world.query()
    world.calls.armed = False
    assert world.calls.made > 10
    return range(0, world.calls.made, 1 if long else 23)


@pytest.mark.parametrize("before", BEFORE, ids=lambda before: before.__name__)
@pytest.mark.covers
def test_each_system_call_may_fail_once(
    before: Callable[[World], None], world: World, long: bool, tally: Count
) -> None:
    calls = world.calls
    with tally("each system call fails in turn") as count:
        for error in ERRORS:
            for at in number_calls(world, before, long):
                world.make()
                before(world)
                truth = world.truth()
                calls.arm(at, fail_with(error))
                label = f"{errno.errorcode[error]} at call {at}"
                count.check(partial(find_harm, world, truth), [], label)
                label = f"{label}, {calls.about}, next query"
                count.compare(world.query(), truth, label)


def find_harm(world: World, truth: list[Row]) -> list[Row]:
    """Return the rows that a fault lost or added in distributions it was not about."""
    try:
        found = world.query()
    finally:
        world.calls.armed = False
    about = world.about(world.calls.about)
    return sorted(set(exclude(found, about)) ^ set(exclude(truth, about)))


@pytest.mark.parametrize("before", BEFORE, ids=lambda before: before.__name__)
def test_something_may_change_before_each_system_call(
    before: Callable[[World], None], world: World, long: bool, tally: Count
) -> None:
    calls = world.calls
    with tally("something changes before each system call in turn") as count:
        for change, about in CHANGES.items():
            if (change, before) in (
                (remove, removed),
                (declare, added),
                (install, added),
            ):
                continue  # it has changed already
            for at in number_calls(world, before, long):
                world.make()
                before(world)
                truth = exclude(world.truth(), about)
                time.sleep(TICK)

                def act(_: str, change: Callable[[World], None] = change) -> Any:
                    change(world)
                    return NotImplemented

                def query(about: set[str] = about) -> list[Row]:
                    try:
                        return exclude(world.query(), about)
                    finally:
                        world.calls.armed = False

                calls.arm(at, act)
                label = f"{change.__name__} at call {at}"
                count.check(query, truth, label)
                label = f"{label}, {calls.about}, next query"
                count.compare(world.query(), world.truth(), label)
