"""Each call to the operating system fails, or finds something changed, in its turn.

So there is no moment at which a disk, a descriptor or another process can do harm
that was not tried. What a look may miss is what its failing call was about, which
must be told; the next look must find all.
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
    """Two folders and an archive on `sys.path`, and a cache: made anew each time."""

    def __init__(
        self, directory: Path, only: SetPath, cache: Path, calls: Calls
    ) -> None:
        self.directory, self.only, self.cache, self.calls = (
            directory,
            only,
            cache,
            calls,
        )

    def make(self) -> None:
        """Plant it, without a cache."""
        for path in (self.directory, self.cache):
            shutil.rmtree(path, ignore_errors=True)
        plant(self.directory, {"one": ONE, "two": TWO})
        with zipfile.ZipFile(self.directory / "three.zip", "w") as archive:
            info = "epsilon-1.dist-info"
            archive.writestr(f"{info}/METADATA", "Name: epsilon\nVersion: 1\n")
            archive.writestr(f"{info}/entry_points.txt", "[g]\ne = m:epsilon\n")
        self.path("one", "two", "three.zip")

    def path(self, *names: str) -> None:
        self.only(*[self.directory / name for name in names])

    def look(self) -> list[Row]:
        """Look as a new process does; return all entry points."""
        lazyplug.invalidate_caches()
        points = lazyplug.entry_points()
        return sorted((p.group, p.name, p.value, owner_of(p)[0]) for p in points)

    def truth(self) -> list[Row]:
        """Return what a look without any index finds."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "off")
            return self.look()

    def oracle(self) -> list[Row]:
        """Return what importlib_metadata finds."""
        with warnings.catch_warnings():
            # It leaves archives open until they are collected.
            warnings.simplefilter("ignore", ResourceWarning)
            rows = []
            for point in importlib_metadata.entry_points():
                key = normalize(point.dist.name)
                rows.append((point.group, point.name, point.value, key))
            gc.collect()
        return sorted(rows)

    def about(self, where: "str | None") -> set[str]:
        """Return the keys of the distributions that a path is about."""
        inside = [name for name in ("one", "two", "three.zip") if name in str(where)]
        if not inside:
            return set()
        file = str(where).partition(f"{inside[0]}{os.sep}")[2].partition(os.sep)[0]
        if file:
            return {normalize(stem(file)[0])}
        if inside == ["three.zip"]:
            return {"epsilon"}
        # `come` puts delta there.
        tree: Tree = {**ONE, **dist("delta")} if inside == ["one"] else TWO
        return {normalize(stem(name)[0]) for name in tree}


@pytest.fixture
def world(
    tmp_path: Path, only: SetPath, isolated: Path, reliable: Ticking
) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        yield World(tmp_path / "world", only, isolated, Calls(patch))


# ------------------------------------------------------ what was there before the look


def cold(world: World) -> None:
    """There is no index."""


def warm(world: World) -> None:
    """There is an index, and it is true."""
    world.look()


def changed(world: World) -> None:
    """Edit a distribution."""
    world.look()
    time.sleep(TICK)
    edit(world)


def came(world: World) -> None:
    """Add a distribution, and let a plain one declare entry points."""
    world.look()
    time.sleep(TICK)
    come(world)
    declare(world)


def moved(world: World) -> None:
    """Change an archive and a directory."""
    world.look()
    time.sleep(TICK)
    with zipfile.ZipFile(world.directory / "three.zip", "a") as archive:
        archive.writestr("more.txt", "")
    leave(world)


def damaged(world: World) -> None:
    """Damage the records of the index, and change an entry_points.txt."""
    changed(world)
    (file,) = world.cache.glob("*.json")
    data = file.read_bytes()
    file.write_bytes(data[:-3] + b"###")


def elsewhere(world: World) -> None:
    """There is an index of the same folders in another order."""
    world.path("two", "three.zip", "one")
    world.look()
    world.path("one", "two", "three.zip")


BEFORE = [cold, warm, changed, came, moved, damaged, elsewhere]


# ----------------------------------------------------------------- what may change


def edit(world: World) -> None:
    """Replace what a distribution declares."""
    file = world.directory / "one" / "beta-1.0.dist-info" / "entry_points.txt"
    new = file.with_name("new")
    new.write_text(EDITED)
    new.rename(file)


def come(world: World) -> None:
    """Install a distribution, which hides another."""
    new = plant(
        world.directory / "new", dist("delta", "9", entry_points="[h]\nd = m:new\n")
    )
    (new / "delta-9.dist-info").rename(world.directory / "one" / "delta-9.dist-info")


def declare(world: World) -> None:
    """Let a distribution declare something that declared nothing."""
    file = world.directory / "one" / "plain-1.0.dist-info" / "entry_points.txt"
    file.write_text("[g]\np = m:plain\n")


def leave(world: World) -> None:
    """Remove a distribution that hides another."""
    shutil.rmtree(world.directory / "one" / "alpha-1.0.dist-info")


def vanish(world: World) -> None:
    """Remove a path entry."""
    (world.directory / "two").rename(world.directory / "gone")


def forget(world: World) -> None:
    """Remove the cache folder."""
    shutil.rmtree(world.cache, ignore_errors=True)


def replace(world: World) -> None:
    """Replace the index by the same, as another process does."""
    for file in world.cache.glob("*.json"):
        new = file.with_suffix(".new")
        shutil.copyfile(file, new)
        new.chmod(0o600)
        new.rename(file)


def damage(world: World) -> None:
    """Cut the index."""
    for file in world.cache.glob("*.json"):
        os.truncate(file, file.stat().st_size // 2)


# Which distributions a change is about.
CHANGES: dict[Callable[[World], None], set[str]] = {
    edit: {"beta"},
    come: {"delta"},
    declare: {"plain"},
    leave: {"alpha"},
    vanish: {"alpha", "delta"},
    forget: set(),
    replace: set(),
    damage: set(),
}


def beside(rows: list[Row], about: set[str]) -> list[Row]:
    """Return the rows of other distributions than these."""
    return [row for row in rows if row[3] not in about]


def stop(error: int) -> Callable[[str], Any]:
    """Return the fault that a call fails with this error."""

    def fail(name: str) -> Any:
        if name == "access":
            return False
        raise OSError(error, os.strerror(error))

    return fail


def stat_hashes(world: World, before: Callable[[World], None], long: bool) -> range:
    """Return the numbers of the calls of a look: all, or every 23rd."""
    world.make()
    before(world)
    assert world.truth() == world.oracle()
    world.calls.arm(-1, None)
    world.look()
    world.calls.armed = False
    assert world.calls.made > 10
    return range(0, world.calls.made, 1 if long else 23)


@pytest.mark.parametrize("before", BEFORE, ids=lambda before: before.__name__)
@pytest.mark.covers
def test_each_call_may_fail_once(
    before: Callable[[World], None], world: World, long: bool, tally: Count
) -> None:
    calls = world.calls
    with tally("each system call fails in turn") as count:
        for error in ERRORS:
            for at in stat_hashes(world, before, long):
                world.make()
                before(world)
                truth = world.truth()
                calls.arm(at, stop(error))
                label = f"{errno.errorcode[error]} at call {at}"
                count.hold(partial(harmed, world, truth), [], label)
                label = f"{label}, {calls.about}, next look"
                count.compare(world.look(), truth, label)


def harmed(world: World, truth: list[Row]) -> list[Row]:
    """Return the rows that a fault took or brought, but those that it was about."""
    try:
        found = world.look()
    finally:
        world.calls.armed = False
    about = world.about(world.calls.about)
    return sorted(set(beside(found, about)) ^ set(beside(truth, about)))


@pytest.mark.parametrize("before", BEFORE, ids=lambda before: before.__name__)
def test_each_call_may_find_something_changed(
    before: Callable[[World], None], world: World, long: bool, tally: Count
) -> None:
    calls = world.calls
    with tally("something changes before each system call in turn") as count:
        for change, about in CHANGES.items():
            if (change, before) in ((leave, moved), (declare, came), (come, came)):
                continue  # it has changed already
            for at in stat_hashes(world, before, long):
                world.make()
                before(world)
                truth = beside(world.truth(), about)
                time.sleep(TICK)

                def act(_: str, change: Callable[[World], None] = change) -> Any:
                    change(world)
                    return NotImplemented

                def look(about: set[str] = about) -> list[Row]:
                    try:
                        return beside(world.look(), about)
                    finally:
                        world.calls.armed = False

                calls.arm(at, act)
                label = f"{change.__name__} at call {at}"
                count.hold(look, truth, label)
                label = f"{label}, {calls.about}, next look"
                count.compare(world.look(), world.truth(), label)
