"""Disks that are full, folders that refuse, and homes that are none harm no answer.

Each fault meets each kind of index that was there before, at each level, for root
and for a user without rights, under several umasks. The truth is the answer without
a cache in the same situation.
"""

import contextlib
import ctypes
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import importlib_metadata  # noqa: F401 - imported before rights are given up
import pytest
import stevedore

import lazyplug
from lazyplug._indexing import update
from lazyplug.testing import Tree, dist, plant
from tests.support.apart import ANSWER, Outcome, apart, attempt
from tests.support.clock import LATER
from tests.support.fixtures import Count
from tests.support.seam import fs
from tests.support.tally import OURS, RIVAL
from tests.support.users import ROOTS, Tried, become, count_tries, import_all, silently

resource = pytest.importorskip("resource", reason="users and limits of POSIX")
NOBODY, STRANGER = 65534, 4242
# Who asks: whoever runs the tests, and what root may become.
OWN, OTHER = "own", "nobody"
USERS = [
    OWN,
    pytest.param(
        OTHER,
        marks=pytest.mark.skipif(not ROOTS, reason="only root becomes another user"),
    ),
]
LEVELS = ["full", "dirs", "none"]
UMASKS = [0o022, 0o002, 0o077, 0]
Rows = list[str]

ONE: Tree = {
    **dist("alpha", entry_points="[g]\na = m:alpha\n"),
    **dist("beta", entry_points="[g]\nb = m:beta\n[h]\nb = m:beta\n"),
    **dist("plain"),
}
TWO: Tree = dist("gamma", entry_points="[h]\nc = m:gamma\n")
INSTALLED = ["g a m:alpha", "g b m:beta", "h b m:beta", "h c m:gamma"]
EDITED = "[g]\na = m:edited_in_place\n"
# Of what is not ours.
MINE = "mine\n"
FOLDERS = {OURS: "lazyplug", RIVAL: "python-entrypoints"}
HASH = "[0-9a-f]{64}"


# ------------------------------------------------------------------ as another user


# ------------------------------------------------------------------------ the world


def nothing_more() -> None:
    """Take nothing from a process."""


class World:
    """Two folders on `sys.path`, a home with a cache, and files that are not ours.

    :param base: where all lies; every user may enter it.
    :param user: who asks, with this umask.
    :param level: of checking.
    :param subject: who is tried.
    """

    def __init__(
        self, base: Path, user: str, umask: int, level: str, subject: str = OURS
    ) -> None:
        self.base, self.user, self.umask, self.level = base, user, umask, level
        self.one, self.two, self.home = base / "one", base / "two", base / "home"
        self.subject = subject
        self.cache = self.home / ".cache" / FOLDERS[subject]
        # What takes something from a process before it looks.
        self.limit = nothing_more
        self.install()
        self.settle_in()

    def install(self, more: int = 0) -> None:
        """Install what there is before anything changes, for everybody to read."""
        shutil.rmtree(self.two, ignore_errors=True)
        plant(self.one, ONE)
        plant(self.two, TWO)
        for number in range(more):
            points = f"[h]\nmore{number} = m:more\n"
            plant(self.two, dist(f"more{number}", entry_points=points))
        added = [f"h more{number} m:more" for number in range(more)]
        self.installed = sorted([*INSTALLED, *added])
        for directory in (self.one, self.two):
            for path in (directory, *directory.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)

    def settle_in(self) -> None:
        """Have a home, with files in it that are not ours."""
        plant(self.home, {"notes.txt": MINE, "list.json": MINE})
        self.give(self.home)

    def give(self, path: Path) -> None:
        """Give a path and all below it to who asks."""
        if self.user != OWN:
            for each in (path, *path.rglob("*")):
                os.chown(each, NOBODY, NOBODY)

    def make_cache(self) -> None:
        """Have a cache folder, with files in it that are not ours."""
        for directory in (self.cache.parent, self.cache):
            if not directory.exists():
                directory.mkdir(mode=0o700)
        plant(self.cache, {"README": MINE, "list.json": MINE, "old.tmp": MINE})
        os.utime(self.cache / "old.tmp", (0, 0))
        self.give(self.cache.parent)

    def index(self) -> "Path | None":
        """Return the index, if there is one."""
        found = filter(is_index, self.cache.glob("*"))
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)

    def attempt(self, act: Callable[[], Any], **environment: str) -> Outcome:
        """Do something in a process of the user's."""

        def do() -> Any:
            user = NOBODY if self.user == OTHER else os.geteuid()
            become(user, self.umask, 0, HOME=str(self.home), **environment)
            self.limit()
            sys.path[:] = [str(self.one), str(self.two)]
            return silently(act)

        return attempt(do)

    def look(self, cache: str = "on", level: str = "") -> Outcome:
        """Look as a new process does; return what is declared."""
        level = level or self.level
        ask = found if self.subject == OURS or cache == "off" else found_by_rival
        return self.attempt(ask, LAZYPLUG_CACHE=cache, LAZYPLUG_CHECK=level)

    def truth(self) -> Rows:
        """Return what is found without a cache."""
        kind, rows = self.look("off", "full")
        assert kind == ANSWER, rows
        return list(rows)

    def files(self) -> set[tuple[str, str]]:
        """Return all files in this world, with their content, that are no indexes."""
        return {
            (str(path), os.readlink(path) if path.is_symlink() else content(path))
            for path in self.base.rglob("*")
            if (path.is_symlink() or path.is_file()) and not is_index(path)
        }


def found() -> Rows:
    """Return what lazyplug finds; the clock is so late that all stamps are settled."""
    fs.clock = lambda: time.time_ns() + LATER
    lazyplug.invalidate_caches()
    return rows(lambda group: lazyplug.entry_points(group=group))


def found_by_rival() -> Rows:
    return rows(stevedore._cache.Cache().get_group_all)


def rows(ask: Callable[[str], Any]) -> Rows:
    return sorted(
        f"{group} {point.name} {point.value}"
        for group in ("g", "h")
        for point in ask(group)
    )


def read_only() -> Rows:
    """Return what the index alone says; to look further is an error."""

    def refuse(*_: object) -> None:
        raise AssertionError("there is no index, or it is not to be believed")

    update.update = refuse  # type: ignore[assignment]
    return found()


def is_index(path: Path) -> bool:
    """Return True if this is an index, ours or the rival's, by its name and place."""
    names = {"lazyplug": r"[0-9a-f]{16}-[0-9a-f]{16}\.json", "python-entrypoints": HASH}
    pattern = names.get(path.parent.name)
    return bool(pattern and re.fullmatch(pattern, path.name))


def content(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except PermissionError:
        return "not to be read"


@contextmanager
def world(*arguments: Any) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield World(Path(name), *arguments)


# ------------------------------------------------------ what was there before the fault


def nothing(world: World) -> None:
    """There is no index."""


def true(world: World) -> None:
    """There is an index, and it is true."""
    if world.subject == OURS:
        assert world.look(level="full") == (ANSWER, world.installed)
    else:
        world.look()


def outdated(world: World) -> None:
    """Edit a distribution, and add one."""
    true(world)
    file = world.one / "alpha-1.0.dist-info" / "entry_points.txt"
    new = file.with_name("new")
    new.write_text(EDITED)
    new.chmod(0o644)
    new.rename(file)
    for path in plant(
        world.two, dist("delta", entry_points="[g]\nd = m:delta\n")
    ).rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def damaged(world: World) -> None:
    """Cut the index."""
    true(world)
    file = world.index()
    assert file
    os.truncate(file, file.stat().st_size // 2)


def elsewhere(world: World) -> None:
    """There is an index of the same folders in another order, to take over from."""
    world.one, world.two = world.two, world.one
    true(world)
    world.one, world.two = world.two, world.one


BEFORE = [nothing, true, outdated, damaged, elsewhere]


def promised(level: str, found: Rows, truth: Rows, installed: Rows) -> bool:
    """Is an answer as true as its level says? What was edited in place is alpha."""
    if level == "none":
        return found in (truth, installed)
    if level == "dirs":
        alpha = [row for row in found if row[:4] == "g a "]
        return set(found) - set(alpha) == {r for r in truth if r[:4] != "g a "} and (
            set(alpha) <= {*truth, *installed}
        )
    return found == truth


# -------------------------------------------------------------------------- the faults

# What is wrong while the context lasts.
Harm = Callable[[World], AbstractContextManager[object]]


@contextmanager
def no_home(world: World) -> Iterator[None]:
    aside = world.home.rename(world.base / "aside")
    yield
    shutil.rmtree(world.home, ignore_errors=True)  # root may have made it
    aside.rename(world.home)


def in_place(of: Callable[[World], Path], put: Callable[[Path], object]) -> Harm:
    """Return the fault that something else is in the place of a path."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.make_cache()
        path = of(world)
        aside = path.rename(world.base / "aside")
        put(path)
        yield
        path.unlink()
        aside.rename(path)

    return harm


def file(path: Path) -> None:
    path.write_text(MINE)


def dangling(path: Path) -> None:
    path.symlink_to("/no/such/folder")


def loop(path: Path) -> None:
    path.symlink_to(path)


def home(world: World) -> Path:
    return world.home


def above(world: World) -> Path:
    return world.cache.parent


def cache(world: World) -> Path:
    return world.cache


def alpha(name: str = "") -> Callable[[World], Path]:
    return lambda world: world.one / "alpha-1.0.dist-info" / name


def mode(bits: int, of: Callable[[World], "Path | None"]) -> Harm:
    """Return the fault that a path has this mode."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.make_cache()
        path = of(world)
        before = path.stat().st_mode if path else 0
        if path:
            path.chmod(bits)
        yield
        if path and path.exists():
            path.chmod(stat.S_IMODE(before))

    return harm


def owner(of: Callable[[World], "Path | None"], bits: int) -> Harm:
    """Return the fault that a path, with this mode, is another user's."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.make_cache()
        path = of(world)
        before = path.stat() if path else None
        if path and before and ROOTS:
            os.chown(path, STRANGER, STRANGER)
            path.chmod(bits)
        yield
        # An index that is not ours was replaced, if the folder is ours.
        if path and before and path.exists() and path.stat().st_uid == STRANGER:
            os.chown(path, before.st_uid, before.st_gid)
            path.chmod(stat.S_IMODE(before.st_mode))

    return harm


@contextmanager
def no_entry(world: World) -> Iterator[None]:
    aside = world.one.rename(world.base / "aside")
    yield
    aside.rename(world.one)


@contextmanager
def folder_as_index(world: World) -> Iterator[None]:
    world.make_cache()
    path = world.index()
    if path:
        path.unlink()
        plant(path, {"notes.txt": MINE})
        world.give(path)
    yield
    if path:
        shutil.rmtree(path)


HARMS: dict[str, list[Harm]] = {
    "the home directory is missing": [no_home],
    "the home directory is a file": [in_place(home, file)],
    "the home directory is read-only": [mode(0o555, home)],
    "the cache directory is read-only": [
        mode(0o555, cache),
        mode(0o500, above),
    ],
    "the cache directory cannot be entered": [
        mode(0, cache),
        mode(0o600, cache),
        mode(0, above),
        mode(0, home),
    ],
    "a file or a broken link in place of the cache directory": [
        in_place(place, put)
        for place in (above, cache)
        for put in (file, dangling, loop)
    ],
    "the cache directory is owned by another user": [
        owner(cache, 0o700),
        owner(cache, 0o755),
        owner(cache, 0o777),
    ],
    "the cache directory is writable by others": [
        mode(bits, cache) for bits in (0o777, 0o1777, 0o770, 0o2775)
    ],
    "the index is writable by others": [
        mode(bits, World.index) for bits in (0o666, 0o660, 0o602)
    ],
    "the index is owned by another user": [
        owner(World.index, bits) for bits in (0o600, 0o644, 0o666)
    ],
    "the index cannot be read": [
        mode(0, World.index),
        mode(0o200, World.index),
        folder_as_index,
    ],
    "a distribution cannot be read": [
        mode(0, alpha("entry_points.txt")),
        mode(0, alpha("METADATA")),
        mode(0, alpha()),
        mode(0o400, alpha()),
        mode(0o100, alpha()),
    ],
    "a path entry cannot be read": [
        mode(bits, lambda world: world.one) for bits in (0, 0o444, 0o311)
    ],
    "a path entry was removed": [no_entry],
}


def tried_once(world: World, label: str) -> Iterator[Tried]:
    """Look once, and see that all that is not ours is as it was."""
    before = world.files()
    truth = world.truth()
    kind, said = world.look()
    if kind == ANSWER and promised(world.level, said, truth, world.installed):
        said = truth
    yield OURS, (kind, said), truth, label
    changed = sorted(path for path, _ in before ^ world.files())
    yield OURS, (ANSWER, changed), [], f"{label}: what is not ours"


def afterwards(world: World, label: str) -> Iterator[Tried]:
    """See that the next look is right, and writes what answers by itself."""
    truth = world.truth()
    yield OURS, world.look(level="full"), truth, f"{label}: afterwards"
    alone = world.attempt(read_only, LAZYPLUG_CHECK="none", LAZYPLUG_CACHE="on")
    yield OURS, alone, truth, f"{label}: what was written"
    index = world.index()
    made = [world.cache.parent, world.cache, *([index] if index else [])]
    modes = [path.stat().st_mode & 0o777 for path in made]
    yield OURS, (ANSWER, modes), [0o700, 0o700, 0o600], f"{label}: modes"


# ------------------------------------------------------------- less than is needed


def limit(take: Callable[[int], None], left: int) -> Harm:
    """Return the fault that a process has no more than this of something."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.limit = partial(take, left)
        yield
        world.limit = nothing_more

    return harm


def limit_files(size: int) -> None:
    """Let no file grow beyond a size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def limit_descriptors(left: int) -> None:
    """Leave so many descriptors to be opened."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
    opened = []
    with contextlib.suppress(OSError):
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    for descriptor in opened[len(opened) - left :]:
        os.close(descriptor)


# So many distributions that an index takes several pages of a disk.
SEVERAL_PAGES = 60
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def may_mount() -> bool:
    """Go where nobody else sees what is mounted, if that is allowed."""
    if not sys.platform.startswith("linux") or not ROOTS:
        return False
    if ctypes.CDLL(None).unshare(0x00020000):  # CLONE_NEWNS
        return False
    done = subprocess.run(
        ["mount", "--make-rprivate", "/"], check=False, capture_output=True
    )
    return done.returncode == 0


def mount(*options: "str | Path") -> None:
    subprocess.run(["mount", *options], check=True)


@contextmanager
def own_disk(world: World, options: str) -> Iterator[None]:
    """Let the home be a small disk of its own, and an index some pages long."""
    if not options:
        yield
        return
    world.install(SEVERAL_PAGES)
    shutil.rmtree(world.home)
    world.home.mkdir()
    mount("-t", "tmpfs", "-o", f"mode=755,{options}", "tmpfs", world.home)
    world.settle_in()
    yield
    subprocess.run(["umount", world.home], check=True)


def no_room(pages: int) -> Harm:
    """Return the fault that no more than these pages are left on the disk."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        ballast = world.home / "ballast"
        with ballast.open("wb") as file:
            room = os.statvfs(world.home).f_bavail - pages
            if room > 0:
                os.posix_fallocate(file.fileno(), 0, room * PAGE)
        yield
        ballast.unlink()

    return harm


def no_inodes(left: int) -> Harm:
    """Return the fault that no more than these inodes are left on the disk."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        made: list[Path] = []
        while os.statvfs(world.home).f_favail > left:
            made.append(world.home / f"ballast{len(made)}")
            made[-1].touch()
        yield
        for path in made:
            path.unlink()

    return harm


@contextmanager
def no_writing(world: World) -> Iterator[None]:
    mount("-o", "remount,ro", world.home)
    yield
    mount("-o", "remount,rw", world.home)


# --------------------------------------------------------------------------- the tries

LIMITS: dict[str, list[Harm]] = {
    "the size of files is limited": [
        limit(limit_files, size) for size in range(0, 2400, 200)
    ],
    "few file descriptors are left": [
        limit(limit_descriptors, left) for left in range(9)
    ],
}
DISKS: dict[str, list[Harm]] = {
    "the disk is full": [no_room(pages) for pages in range(8)],
    "no inodes are left": [no_inodes(left) for left in range(5)],
    "the disk is read-only": [no_writing],
}
SMALL = "size=256k,nr_inodes=64"
FAULTS = {**HARMS, **LIMITS}
# A default run tries one of so many situations; a long one has so many shares.
SAMPLE, SHARES = 89, 8


def situation(
    user: str,
    umask: int,
    level: str,
    before: Callable[[World], None],
    harm: Harm,
    disk: str,
) -> Iterator[Tried]:
    """Try one fault in one situation, and what comes when it is over.

    :param disk: options of the disk that the home is to be, if it is one of its own.
    """
    label = f"before: {before.__name__}, {level}, {user}, {umask:o}"
    with world(user, umask, level) as there, own_disk(there, disk):
        before(there)
        with harm(there):
            yield from tried_once(there, label)
        yield from afterwards(there, label)
    # What the rival does not see of changes is counted where time is tried.
    if (level, umask) == (LEVELS[0], UMASKS[0]) and before is not outdated:
        with world(user, umask, level, RIVAL) as there, own_disk(there, disk):
            before(there)
            with harm(there):
                yield RIVAL, there.look(), there.truth(), label


def tries(
    faults: list[str], user: str, first: int, step: int
) -> "dict[str, list[Tried]] | None":
    """Try faults, each in some of all situations; None: that may not be tried."""
    import_all()
    disk = "" if FAULTS.keys() >= set(faults) else SMALL
    if disk and not may_mount():
        return None
    found: dict[str, list[Tried]] = {fault: [] for fault in faults}
    for fault in faults:
        harms = {**FAULTS, **DISKS}[fault]
        several = list(product(UMASKS, LEVELS, BEFORE, enumerate(harms)))
        for umask, level, before, (number, harm) in several[first::step]:
            for who, outcome, truth, label in situation(
                user, umask, level, before, harm, disk
            ):
                found[fault].append((who, outcome, truth, f"fault {number}, {label}"))
    return found


def with_one_descriptor() -> "dict[str, list[Tried]]":
    """Try what takes one descriptor after the other where one is left."""
    import_all()
    harm = limit(limit_descriptors, 1)
    return {
        "few file descriptors are left": [
            tried
            for before in BEFORE
            for tried in situation(OWN, UMASKS[0], LEVELS[0], before, harm, "")
        ]
    }


def shares(faults: dict[str, Any], long: bool) -> list[tuple[list[str], int, int]]:
    """Return what one child each is to try: so much that it takes seconds."""
    if not long:
        return [(list(faults), 0, SAMPLE)]
    return [([fault], first, SHARES) for fault in faults for first in range(SHARES)]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("user", USERS)
def test_what_cannot_be_read_or_written_costs_no_answer(
    user: str, long: bool, tally: Count
) -> None:
    for faults, first, step in shares(FAULTS, long):
        count_tries(tally, apart(tries, faults, user, first, step))


def test_one_descriptor_is_enough(tally: Count) -> None:
    count_tries(tally, apart(with_one_descriptor))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("user", USERS)
def test_a_disk_that_takes_no_more_costs_no_answer(
    user: str, long: bool, tally: Count
) -> None:
    for faults, first, step in shares(DISKS, long):
        found = apart(tries, faults, user, first, step)
        if found is None:
            pytest.skip("this process may not mount a small disk")
        count_tries(tally, found)
