"""Try full disks, missing permissions and missing homes: no answer is wrong.

Each fault is combined with each state of the index before it, each check level, root or
a user without rights, and several umasks. The right answer is that of a scan without a
cache in the same situation.
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
from tests.support.attempts import ANSWER, Outcome, attempt, call_in_fresh_process
from tests.support.clock import LATER
from tests.support.fixtures import Count
from tests.support.fs import fs
from tests.support.tally import OURS, RIVAL
from tests.support.users import ROOTS, Tried, become, count_tries, import_all, silently

resource = pytest.importorskip("resource", reason="users and limits of POSIX")
NOBODY, STRANGER = 65534, 4242
# The user that queries: the one who runs the tests, or one that root can become.
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
# The content of files of the user.
MINE = "mine\n"
DIRECTORIES = {OURS: "lazyplug", RIVAL: "python-entrypoints"}
HASH = "[0-9a-f]{64}"


# -------------------------------------------------------------------- the environment


def no_limit() -> None:
    """Limit nothing in a process."""


class World:
    """Two directories on `sys.path`, and a home with a cache and files of the user.

    :param base: the directory for all of it, which every user may enter.
    :param user: the user that queries, with this umask.
    :param level: the check level.
    :param subject: the library that is tested.
    """

    def __init__(
        self, base: Path, user: str, umask: int, level: str, subject: str = OURS
    ) -> None:
        self.base, self.user, self.umask, self.level = base, user, umask, level
        self.one, self.two, self.home = base / "one", base / "two", base / "home"
        self.subject = subject
        self.cache = self.home / ".cache" / DIRECTORIES[subject]
        # Limits a resource of a process before its query.
        self.limit = no_limit
        self.install()
        self.make_home()

    def install(self, more: int = 0) -> None:
        """Install the first distributions, readable for everybody."""
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

    def make_home(self) -> None:
        """Create a home with files of the user."""
        plant(self.home, {"notes.txt": MINE, "list.json": MINE})
        self.give(self.home)

    def give(self, path: Path) -> None:
        """Give a path and all below it to the user that queries."""
        if self.user != OWN:
            for each in (path, *path.rglob("*")):
                os.chown(each, NOBODY, NOBODY)

    def make_cache(self) -> None:
        """Create a cache directory with files of the user."""
        for directory in (self.cache.parent, self.cache):
            if not directory.exists():
                directory.mkdir(mode=0o700)
        plant(self.cache, {"README": MINE, "list.json": MINE, "old.tmp": MINE})
        os.utime(self.cache / "old.tmp", (0, 0))
        self.give(self.cache.parent)

    def index(self) -> "Path | None":
        """Return the path of the index, if there is one."""
        found = filter(is_index, self.cache.glob("*"))
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)

    def attempt(self, act: Callable[[], Any], **environment: str) -> Outcome:
        """Do something in a process of the user."""

        def do() -> Any:
            user = NOBODY if self.user == OTHER else os.geteuid()
            become(user, self.umask, 0, HOME=str(self.home), **environment)
            self.limit()
            sys.path[:] = [str(self.one), str(self.two)]
            return silently(act)

        return attempt(do)

    def query(self, cache: str = "on", level: str = "") -> Outcome:
        """Return the entry points that a new process finds."""
        level = level or self.level
        ask = find if self.subject == OURS or cache == "off" else find_by_rival
        return self.attempt(ask, LAZYPLUG_CACHE=cache, LAZYPLUG_CHECK=level)

    def truth(self) -> Rows:
        """Return the right answer: that of a scan without a cache."""
        kind, rows = self.query("off", "full")
        assert kind == ANSWER, rows
        return list(rows)

    def files(self) -> set[tuple[str, str]]:
        """Return all files except indexes, with their content."""
        return {
            (str(path), os.readlink(path) if path.is_symlink() else content(path))
            for path in self.base.rglob("*")
            if (path.is_symlink() or path.is_file()) and not is_index(path)
        }


def find() -> Rows:
    """Return what lazyplug finds, by a clock for which no stat signature is racy."""
    fs.clock = lambda: time.time_ns() + LATER
    lazyplug.invalidate_caches()
    return collect(lambda group: lazyplug.entry_points(group=group))


def find_by_rival() -> Rows:
    return collect(stevedore._cache.Cache().get_group_all)


def collect(ask: Callable[[str], Any]) -> Rows:
    return sorted(
        f"{group} {point.name} {point.value}"
        for group in ("g", "h")
        for point in ask(group)
    )


def read_index() -> Rows:
    """Return what the index contains; fail if anything is scanned."""

    def refuse(*_: object) -> None:
        raise AssertionError("there is no index, or it is stale")

    update.update = refuse  # type: ignore[assignment]
    return find()


def is_index(path: Path) -> bool:
    """Return True if a path is that of an index of lazyplug or of its rival."""
    names = {"lazyplug": r"[0-9a-f]{16}-[0-9a-f]{16}\.json", "python-entrypoints": HASH}
    pattern = names.get(path.parent.name)
    return bool(pattern and re.fullmatch(pattern, path.name))


def content(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except PermissionError:
        return "cannot be read"


@contextmanager
def world(*arguments: Any) -> Iterator[World]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield World(Path(name), *arguments)


# ------------------------------------------------------------ states before the fault


def nothing(world: World) -> None:
    """Have no index."""


def fresh(world: World) -> None:
    """Have a fresh index."""
    if world.subject == OURS:
        assert world.query(level="full") == (ANSWER, world.installed)
    else:
        world.query()


def stale(world: World) -> None:
    """Edit a distribution, and add one."""
    fresh(world)
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
    """Cut the index short."""
    fresh(world)
    file = world.index()
    assert file
    os.truncate(file, file.stat().st_size // 2)


def other_order(world: World) -> None:
    """Have a sibling index, of the same directories in another order."""
    world.one, world.two = world.two, world.one
    fresh(world)
    world.one, world.two = world.two, world.one


BEFORE = [nothing, fresh, stale, damaged, other_order]


def is_right(level: str, found: Rows, truth: Rows, installed: Rows) -> bool:
    """Return True if an answer is as fresh as its level promises.

    The distribution that is edited in place is alpha.
    """
    if level == "none":
        return found in (truth, installed)
    if level == "dirs":
        alpha = [row for row in found if row[:4] == "g a "]
        return set(found) - set(alpha) == {r for r in truth if r[:4] != "g a "} and (
            set(alpha) <= {*truth, *installed}
        )
    return found == truth


# ------------------------------------------------------------------------------ faults

# A context manager that causes a fault.
Harm = Callable[[World], AbstractContextManager[object]]


@contextmanager
def no_home(world: World) -> Iterator[None]:
    aside = world.home.rename(world.base / "aside")
    yield
    shutil.rmtree(world.home, ignore_errors=True)  # root may have made it
    aside.rename(world.home)


def in_place(of: Callable[[World], Path], put: Callable[[Path], object]) -> Harm:
    """Return the fault that something else is in place of a path."""

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
    path.symlink_to("/no/such/directory")


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
    """Return the fault that another user owns a path, which has this mode."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.make_cache()
        path = of(world)
        before = path.stat() if path else None
        if path and before and ROOTS:
            os.chown(path, STRANGER, STRANGER)
            path.chmod(bits)
        yield
        # An index of another user was replaced, if the directory is the user's own.
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
def directory_as_index(world: World) -> Iterator[None]:
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
        directory_as_index,
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


def try_once(world: World, label: str) -> Iterator[Tried]:
    """Query once, and check that no file of the user has changed."""
    before = world.files()
    truth = world.truth()
    kind, answer = world.query()
    if kind == ANSWER and is_right(world.level, answer, truth, world.installed):
        answer = truth
    yield OURS, (kind, answer), truth, label
    changed = sorted(path for path, _ in before ^ world.files())
    yield OURS, (ANSWER, changed), [], f"{label}: files of the user"


def try_afterwards(world: World, label: str) -> Iterator[Tried]:
    """Check that the next query is right, and writes an index that answers alone."""
    truth = world.truth()
    yield OURS, world.query(level="full"), truth, f"{label}: afterwards"
    alone = world.attempt(read_index, LAZYPLUG_CHECK="none", LAZYPLUG_CACHE="on")
    yield OURS, alone, truth, f"{label}: the written index"
    index = world.index()
    made = [world.cache.parent, world.cache, *([index] if index else [])]
    modes = [path.stat().st_mode & 0o777 for path in made]
    yield OURS, (ANSWER, modes), [0o700, 0o700, 0o600], f"{label}: modes"


# --------------------------------------------------------------------------- limits


def limit(take: Callable[[int], None], left: int) -> Harm:
    """Return the fault that a process has only this much of a resource."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        world.limit = partial(take, left)
        yield
        world.limit = no_limit

    return harm


def limit_files(size: int) -> None:
    """Let no file grow beyond a size."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def limit_descriptors(left: int) -> None:
    """Leave only this many file descriptors."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
    opened = []
    with contextlib.suppress(OSError):
        while True:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    for descriptor in opened[len(opened) - left :]:
        os.close(descriptor)


# The number of distributions for an index of several disk pages.
SEVERAL_PAGES = 60
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def may_mount() -> bool:
    """Enter a mount namespace of this process; return False if that is not allowed."""
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
    """Make the home a small disk, and the index several pages long."""
    if not options:
        yield
        return
    world.install(SEVERAL_PAGES)
    shutil.rmtree(world.home)
    world.home.mkdir()
    mount("-t", "tmpfs", "-o", f"mode=755,{options}", "tmpfs", world.home)
    world.make_home()
    yield
    subprocess.run(["umount", world.home], check=True)


def full_disk(pages: int) -> Harm:
    """Return the fault that only this many pages are free on the disk."""

    @contextmanager
    def harm(world: World) -> Iterator[None]:
        ballast = world.home / "ballast"
        with ballast.open("wb") as file:
            free = os.statvfs(world.home).f_bavail - pages
            if free > 0:
                os.posix_fallocate(file.fileno(), 0, free * PAGE)
        yield
        ballast.unlink()

    return harm


def no_inodes(left: int) -> Harm:
    """Return the fault that only this many inodes are free on the disk."""

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
def read_only_disk(world: World) -> Iterator[None]:
    mount("-o", "remount,ro", world.home)
    yield
    mount("-o", "remount,rw", world.home)


# ------------------------------------------------------------------------------- tries

LIMITS: dict[str, list[Harm]] = {
    "the size of files is limited": [
        limit(limit_files, size) for size in range(0, 2400, 200)
    ],
    "few file descriptors are left": [
        limit(limit_descriptors, left) for left in range(9)
    ],
}
DISKS: dict[str, list[Harm]] = {
    "the disk is full": [full_disk(pages) for pages in range(8)],
    "no inodes are left": [no_inodes(left) for left in range(5)],
    "the disk is read-only": [read_only_disk],
}
SMALL = "size=256k,nr_inodes=64"
FAULTS = {**HARMS, **LIMITS}
# A default run tries one of `SAMPLE` situations. A long run tries all of them, in
# `SHARES` processes for each fault.
SAMPLE, SHARES = 89, 8


def situation(
    user: str,
    umask: int,
    level: str,
    before: Callable[[World], None],
    harm: Harm,
    disk: str,
) -> Iterator[Tried]:
    """Try one fault in one situation, and then a query without the fault.

    :param disk: options of the small disk that becomes the home, or an empty text.
    """
    label = f"before: {before.__name__}, {level}, {user}, {umask:o}"
    with world(user, umask, level) as there, own_disk(there, disk):
        before(there)
        with harm(there):
            yield from try_once(there, label)
        yield from try_afterwards(there, label)
    # The changes that the rival misses are counted in test_time.
    if (level, umask) == (LEVELS[0], UMASKS[0]) and before is not stale:
        with world(user, umask, level, RIVAL) as there, own_disk(there, disk):
            before(there)
            with harm(there):
                yield RIVAL, there.query(), there.truth(), label


def tries(
    faults: list[str], user: str, first: int, step: int
) -> "dict[str, list[Tried]] | None":
    """Try each fault in some situations; return None if it cannot be tried."""
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


def try_one_descriptor() -> "dict[str, list[Tried]]":
    """Try every state of the index with one free file descriptor."""
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
    """Return the faults and the share of situations that each process tries."""
    if not long:
        return [(list(faults), 0, SAMPLE)]
    return [([fault], first, SHARES) for fault in faults for first in range(SHARES)]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("user", USERS)
def test_missing_permissions_and_limits_change_no_answer(
    user: str, long: bool, tally: Count
) -> None:
    for faults, first, step in shares(FAULTS, long):
        count_tries(tally, call_in_fresh_process(tries, faults, user, first, step))


def test_one_descriptor_is_enough(tally: Count) -> None:
    count_tries(tally, call_in_fresh_process(try_one_descriptor))


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("user", USERS)
def test_a_full_or_read_only_disk_changes_no_answer(
    user: str, long: bool, tally: Count
) -> None:
    for faults, first, step in shares(DISKS, long):
        found = call_in_fresh_process(tries, faults, user, first, step)
        if found is None:
            pytest.skip("this process may not mount a small disk")
        count_tries(tally, found)
