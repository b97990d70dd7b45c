"""Whatever another user exchanges while the cache is written, nothing lands elsewhere.

Mallory, who has a user id of her own, may write into a directory above the cache
directory: a sticky one, as /tmp is, or one that is open to all. The truth is what lay
elsewhere before.
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
from tests.support.apart import ANSWER, Seen, apart, attempt, count_seen
from tests.support.fixtures import Count
from tests.support.seam import fs
from tests.support.users import ASKERS, MALLORY

INDEX = f"{'0' * 16}-{'0' * 16}.json"
# All calls by which anything is looked at, made or changed, whoever makes them.
NAMES = [
    *("lstat", "stat", "fstat", "mkdir", "chmod", "fchmod", "open", "readlink"),
    *("listdir", "scandir", "unlink", "replace", "write", "urandom", "close"),
]
# So many calls later she undoes what she did; 0: never.
PAUSES = (0, 1, 2, 3, 5, 8)
# A default run tries one of so many moments.
SAMPLE = 29


class Place:
    """Where the cache is to be, and what lies elsewhere.

    :param base: where all lies; every user may enter it.
    :param asker: the user id of who writes.
    :param sticky: is the directory that Mallory may write into sticky?
    :param made: is the cache directory there already?
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
        """Build anew what Mallory may exchange."""
        shutil.rmtree(self.open, ignore_errors=True)
        self.open.mkdir()
        self.open.chmod(self.bits)
        if self.made:
            self.make()

    def make(self) -> None:
        """Make the cache directory, as the asker would."""
        for path in (self.home, self.cache):
            path.mkdir(mode=0o700)
            os.chown(path, self.asker, self.asker)

    def seen_elsewhere(self) -> list[Any]:
        """Return what lies elsewhere: paths, modes, owners and contents."""
        found = []
        for place in self.elsewhere:
            for path in (place, *sorted(place.rglob("*"))):
                status = path.lstat()
                text = path.read_text() if path.is_file() else ""
                found.append([str(path), status.st_mode, status.st_uid, text])
        return found

    def write(self) -> None:
        """Write an index, as the engine does."""
        storage.store(str(self.cache), INDEX, b"written")


@contextmanager
def place(*arguments: Any) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Place(Path(name), *arguments)


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    """Let what is done be done by another user."""
    before = os.geteuid()
    os.seteuid(0)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.seteuid(before)


# -------------------------------------------------------------- at each call in turn

Put = Callable[[Place, Path], object]


def a_link_to(number: int) -> Put:
    return lambda place, path: path.symlink_to(place.elsewhere[number])


def a_link_inside(number: int) -> Put:
    """Put a directory of hers there, in which a link lies."""

    def put(place: Place, path: Path) -> None:
        path.mkdir(mode=0o755)
        (path / "lazyplug").symlink_to(place.elsewhere[number] / "lazyplug")

    return put


def a_directory(_: Place, path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def nothing(_: Place, __: Path) -> None:
    """Only take away what was there."""


PUTS: list[Put] = [
    *map(a_link_to, range(3)),
    *map(a_link_inside, range(3)),
    a_directory,
    nothing,
]


class Strike:
    """Mallory exchanges the home for something else, and undoes it later.

    :param put: puts something else there.
    :param at: before which call of who writes she does so, from 1; 0: never.
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
            self.place.home.rename(self.place.open / "hers")
        self.aside.rename(self.place.home)


# The strike that is to come, if any.
_strikes: list[Strike] = []


def before_a_call() -> None:
    """Strike, if it is the moment."""
    if _strikes:
        strike = _strikes.pop()  # what she does herself is not counted
        strike.calls += 1
        moment = strike.moments.get(strike.calls)
        if moment:
            with acting_as(MALLORY), suppress(OSError):
                moment()
        _strikes.append(strike)


def watch_calls() -> None:
    """Let there be a moment before each call to the system, in all of this process."""

    def watched(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            before_a_call()
            return real(*arguments, **options)

        return call

    for module, name in product((os, fs), NAMES):
        setattr(module, name, watched(getattr(module, name)))


def look(strike: Strike) -> Any:
    """Return what lies elsewhere once something was written under a strike."""
    there = strike.place
    there.build()
    with acting_as(there.asker):
        _strikes.append(strike)
        there.write()
        _strikes.pop()
    return there.seen_elsewhere()


def struck(asker: int, long: bool, by_path: bool = False) -> Any:
    """Write while Mallory strikes before each call in turn; return what was seen.

    :param by_path: are directories judged, then used, by their paths?
    """
    seen = Seen()
    watch_calls()
    if by_path:
        directory_module._HAS_DIR_FD = False
    chosen = random.Random(asker)  # noqa: S311
    for sticky, made in product((True, False), (True, False)):
        with place(asker, sticky, made) as there:
            truth = there.seen_elsewhere()

            never = Strike(there, nothing, 0, 0)
            look(never)
            # Where she never comes, it is written if nobody could exchange it.
            assert os.path.lexists(there.cache / INDEX) == (sticky or by_path)
            several = product(PUTS, PAUSES, range(1, never.calls + 1))
            for put, pause, at in several:
                if not long and chosen.randrange(SAMPLE):
                    continue
                seen.look(partial(look, Strike(there, put, at, pause)), truth.__eq__)
                if seen.faults:
                    return seen.told()  # what lies elsewhere is not the truth any more
    return seen.told()


@pytest.mark.timeout(3600)
@ASKERS
def test_nothing_lands_elsewhere_whenever_mallory_strikes(
    asker: int, long: bool, tally: Count
) -> None:
    fault = "another user replaces a directory of the path, at each call in turn"
    with tally(fault) as count:
        count_seen(count, (ANSWER, apart(struck, asker, long)), None, fault)


@ASKERS
def test_what_is_judged_and_then_used_by_path_lands_elsewhere(asker: int) -> None:
    # This proves that the strikes of the test above are some.
    _, faults = apart(struck, asker, False, True)
    assert faults


# ------------------------------------------------------------------------- in a race


def exchange_on_and_on(place: Place) -> None:
    """Put links and other things in the place of the home, and back, until killed."""
    home, hers = place.home, place.open / "hers"
    renameat2 = ctypes.CDLL(None).renameat2
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE

    def exchange() -> None:
        renameat2(here, os.fsencode(hers), here, os.fsencode(home), both)

    parent = os.getppid()
    for put in itertools.cycle(PUTS[:-1]):
        if os.getppid() != parent:
            return  # that was killed
        with suppress(OSError):
            put(place, hers)
        for _ in range(20):
            with suppress(OSError):
                if not os.path.lexists(home):
                    hers.rename(home)
                exchange()
                exchange()
                if home.lstat().st_uid == MALLORY:
                    home.rename(hers)
        with suppress(OSError):
            hers.unlink()
        shutil.rmtree(hers, ignore_errors=True)


def become(user: int) -> None:
    """Become another user for good."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def raced(asker: int, tries: int) -> Any:
    """Write again and again while Mallory exchanges things; return what was seen."""
    found = []
    # In a sticky directory nobody can exchange what is there.
    for sticky, made in ((True, False), (False, False), (False, True)):
        with place(asker, sticky, made) as there:
            there.build()
            exchanging = os.fork()
            if not exchanging:
                with suppress(BaseException):
                    become(MALLORY)
                    exchange_on_and_on(there)
                os._exit(1)
            found.append(attempt(partial(raced_by, there, tries)))
            os.kill(exchanging, signal.SIGKILL)
            os.waitpid(exchanging, 0)
    return found


def raced_by(place: Place, tries: int) -> Any:
    """Be who writes."""
    seen = Seen()
    truth = place.seen_elsewhere()
    become(place.asker)
    for _ in range(tries):
        place.write()
        seen.look(place.seen_elsewhere, truth.__eq__)
        if seen.faults:
            break
        if not place.made:
            shutil.rmtree(place.home, ignore_errors=True)
    return seen.told()


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2")
@ASKERS
def test_nothing_lands_elsewhere_in_a_race(
    asker: int, long: bool, tally: Count
) -> None:
    fault = "another user replaces directories while the cache is written"
    with tally(fault) as count:
        for _ in range(50 if long else 1):
            for outcome in apart(raced, asker, 200):
                count_seen(count, outcome, None, fault)
