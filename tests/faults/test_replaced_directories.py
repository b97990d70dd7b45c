"""Replace directories while the cache is written: nothing is written elsewhere.

Mallory, who has a user id of her own, may write into a directory above the cache
directory: a sticky one, as /tmp is, or one that everybody may write into. No file in
other places may change.
"""

import ctypes
import itertools
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from lazyplug._indexing import cache_directory as directory_module
from lazyplug._indexing import storage
from lazyplug.testing import plant
from tests.support.attempts import (
    ANSWER,
    Checks,
    attempt,
    call_in_fresh_process,
    count_checks,
)
from tests.support.fixtures import Count
from tests.support.fs import fs
from tests.support.users import ASKERS, MALLORY

INDEX = f"{'0' * 16}-{'0' * 16}.json"
# All functions that read, create or change something in the file system.
NAMES = [
    *("lstat", "stat", "fstat", "mkdir", "chmod", "fchmod", "open", "readlink"),
    *("listdir", "scandir", "unlink", "replace", "write", "urandom", "close"),
]
# The number of calls after which Mallory undoes an attack; 0: never.
PAUSES = (0, 1, 2, 3, 5, 8)
# A default run tries one of this many moments.
SAMPLE = 29


class Place:
    """A path for a cache directory, and files elsewhere that must not change.

    :param base: the directory for all of it, which every user may enter.
    :param asker: the user id of the process that writes.
    :param sticky: whether the directory that Mallory may write into is sticky.
    :param made: whether the cache directory exists already.
    """

    def __init__(self, base: Path, asker: int, sticky: bool, made: bool) -> None:
        self.base, self.asker, self.made = base, asker, made
        self.open = base / "open"
        self.home = self.open / "home"
        self.cache = self.home / "lazyplug"
        self.elsewhere = [base / name for name in ("roots", "askers", "mallorys")]
        self.bits = 0o1777 if sticky else 0o777
        for path, owner in zip(self.elsewhere, (0, asker, MALLORY), strict=True):
            plant(path, {"lazyplug": {"notes": "as it was"}, "notes": "as it was"})
            for each in (path, *path.rglob("*")):
                os.chown(each, owner, owner)
                each.chmod(0o755 if each.is_dir() else 0o644)

    def build(self) -> None:
        """Create anew the directories that Mallory may replace."""
        shutil.rmtree(self.open, ignore_errors=True)
        self.open.mkdir()
        self.open.chmod(self.bits)
        if self.made:
            self.make()

    def make(self) -> None:
        """Create the cache directory, as the asker would."""
        for path in (self.home, self.cache):
            path.mkdir(mode=0o700)
            os.chown(path, self.asker, self.asker)

    def read_elsewhere(self) -> list[Any]:
        """Return the paths, modes, owners and contents of the files elsewhere."""
        found = []
        for place in self.elsewhere:
            for path in (place, *sorted(place.rglob("*"))):
                status = path.lstat()
                text = path.read_text() if path.is_file() else ""
                found.append([str(path), status.st_mode, status.st_uid, text])
        return found

    def write(self) -> None:
        """Write an index, as lazyplug does."""
        storage.store(str(self.cache), INDEX, b"written")


@contextmanager
def make_place(*arguments: Any) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Place(Path(name), *arguments)


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Act as another user within the context."""
    before = os.geteuid()
    os.seteuid(0)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.seteuid(before)


# ----------------------------------------------------- attacks before each system call

Put = Callable[[Place, Path], object]


def a_link_to(number: int) -> Put:
    return lambda place, path: path.symlink_to(place.elsewhere[number])


def a_link_inside(number: int) -> Put:
    """Put a directory of Mallory there, which contains a link."""

    def put(place: Place, path: Path) -> None:
        path.mkdir(mode=0o755)
        (path / "lazyplug").symlink_to(place.elsewhere[number] / "lazyplug")

    return put


def a_directory(_: Place, path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def nothing(_: Place, __: Path) -> None:
    """Put nothing there, so that the directory is missing."""


PUTS: list[Put] = [
    *map(a_link_to, range(3)),
    *map(a_link_inside, range(3)),
    a_directory,
    nothing,
]


class Attack:
    """Mallory replaces the home by something else, and undoes it later.

    :param put: puts something else there.
    :param at: the number of the call before which she attacks, from 1; 0: never.
    :param pause: how many calls later she undoes it; 0: never.
    """

    def __init__(self, place: Place, put: Put, at: int, pause: int) -> None:
        self.place, self.put = place, put
        self.moments = {at: self.exchange}
        if pause:
            self.moments[at + pause] = self.undo
        self.aside = place.open / "aside"
        self.calls = 0

    def exchange(self) -> None:
        if os.path.lexists(self.place.home):
            self.place.home.rename(self.aside)
        self.put(self.place, self.place.home)

    def undo(self) -> None:
        if os.path.lexists(self.place.home):
            self.place.home.rename(self.place.open / "other")
        self.aside.rename(self.place.home)


# The attack that is in progress, if any.
_attacks: list[Attack] = []


def before_a_call() -> None:
    """Attack, if this is the call for it."""
    if _attacks:
        attack = _attacks.pop()  # her own calls are not counted
        attack.calls += 1
        moment = attack.moments.get(attack.calls)
        if moment:
            with acting_as(MALLORY), suppress(OSError):
                moment()
        _attacks.append(attack)


def watch_calls() -> None:
    """Call `before_a_call` before each system call of this process."""

    def watch(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            before_a_call()
            return real(*arguments, **options)

        return call

    for module, name in product((os, fs), NAMES):
        setattr(module, name, watch(getattr(module, name)))


def write_under(attack: Attack) -> Any:
    """Write an index during an attack; return the files elsewhere."""
    there = attack.place
    there.build()
    with acting_as(there.asker):
        _attacks.append(attack)
        there.write()
        _attacks.pop()
    return there.read_elsewhere()


def try_attacks(asker: int, long: bool, by_path: bool = False) -> Any:
    """Write while Mallory attacks before each call in turn; return the checks.

    :param by_path: whether directories are checked, and then used, by their paths.
    """
    checks = Checks()
    watch_calls()
    if by_path:
        directory_module._HAS_DIR_FD = False
    chosen = random.Random(asker)  # noqa: S311
    for sticky, made in product((True, False), (True, False)):
        with make_place(asker, sticky, made) as there:
            truth = there.read_elsewhere()

            never = Attack(there, nothing, 0, 0)
            write_under(never)
            # Without an attack, the index is written if nobody could replace the home.
            assert os.path.lexists(there.cache / INDEX) == (sticky or by_path)
            several = product(PUTS, PAUSES, range(1, never.calls + 1))
            for put, pause, at in several:
                if not long and chosen.randrange(SAMPLE):
                    continue
                attack = Attack(there, put, at, pause)
                checks.check(partial(write_under, attack), truth.__eq__)
                if checks.faults:
                    return checks.result()  # the files elsewhere have changed
    return checks.result()


@pytest.mark.timeout(3600)
@ASKERS
def test_nothing_is_written_elsewhere_whenever_mallory_attacks(
    asker: int, long: bool, tally: Count
) -> None:
    fault = "another user replaces a directory of the path, at each call in turn"
    with tally(fault) as count:
        count_checks(
            count,
            (ANSWER, call_in_fresh_process(try_attacks, asker, long)),
            None,
            fault,
        )


@ASKERS
def test_with_checks_by_path_files_are_written_elsewhere(asker: int) -> None:
    # This proves that the attacks of the test above can succeed.
    _, faults = call_in_fresh_process(try_attacks, asker, False, True)
    assert faults


# -------------------------------------------------------------------- attacks in a race


def swap_repeatedly(place: Place) -> None:
    """Replace the home by links and directories, and restore it, until killed."""
    home, other = place.home, place.open / "other"
    renameat2 = ctypes.CDLL(None).renameat2
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE

    def exchange() -> None:
        renameat2(here, os.fsencode(other), here, os.fsencode(home), both)

    parent = os.getppid()
    for put in itertools.cycle(PUTS[:-1]):
        if os.getppid() != parent:
            return  # the parent was killed
        with suppress(OSError):
            put(place, other)
        for _ in range(20):
            with suppress(OSError):
                if not os.path.lexists(home):
                    other.rename(home)
                exchange()
                exchange()
                if home.lstat().st_uid == MALLORY:
                    home.rename(other)
        with suppress(OSError):
            other.unlink()
        shutil.rmtree(other, ignore_errors=True)


def become(user: int) -> None:
    """Become another user for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def write_in_race(asker: int, tries: int) -> Any:
    """Write repeatedly while Mallory replaces directories; return the checks."""
    found = []
    # In a sticky directory nobody can replace existing directories.
    for sticky, made in ((True, False), (False, False), (False, True)):
        with make_place(asker, sticky, made) as there:
            there.build()
            swapping = os.fork()
            if not swapping:
                with suppress(BaseException):
                    become(MALLORY)
                    swap_repeatedly(there)
                os._exit(1)
            found.append(attempt(partial(write_repeatedly, there, tries)))
            os.kill(swapping, signal.SIGKILL)
            os.waitpid(swapping, 0)
    return found


def write_repeatedly(place: Place, tries: int) -> Any:
    """Write as the asker; check the files elsewhere after each write."""
    checks = Checks()
    truth = place.read_elsewhere()
    become(place.asker)
    for _ in range(tries):
        place.write()
        checks.check(place.read_elsewhere, truth.__eq__)
        if checks.faults:
            break
        if not place.made:
            shutil.rmtree(place.home, ignore_errors=True)
    return checks.result()


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2")
@ASKERS
def test_nothing_is_written_elsewhere_in_a_race(
    asker: int, long: bool, tally: Count
) -> None:
    fault = "another user replaces directories while the cache is written"
    with tally(fault) as count:
        for _ in range(50 if long else 1):
            for outcome in call_in_fresh_process(write_in_race, asker, 200):
                count_checks(count, outcome, None, fault)
