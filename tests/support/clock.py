"""Replace the file times and the clock that `lazyplug._files.fs` reports."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from tests.support.fs import fs

# Nanoseconds by which a clock is ahead of every file that a test writes, so that no
# stat signature is racy.
LATER = 3_600 * 10**9


def with_times(status: os.stat_result, modified: int, changed: int) -> Any:
    """Return a stat result with these times, in nanoseconds."""
    return SimpleNamespace(
        st_mode=status.st_mode,
        st_size=status.st_size,
        st_ino=status.st_ino,
        st_uid=status.st_uid,
        st_dev=status.st_dev,
        st_mtime_ns=modified,
        st_ctime_ns=changed,
    )


class Ticking:
    """File times and a clock in coarse ticks, for `lazyplug._files.fs`.

    The times are not round, so that files are not compared by content.

    :param tick: the file system's tick, in nanoseconds.
    """

    def __init__(self, tick: int = 1) -> None:
        self.tick = tick
        self.ahead = 0
        self.stat_calls = 0

    def _coarse(self, status: os.stat_result) -> Any:
        self.stat_calls += 1
        return with_times(
            status,
            (status.st_mtime_ns - 1) // self.tick * self.tick + 1,
            (status.st_ctime_ns - 1) // self.tick * self.tick + 1,
        )

    def stat(self, path: str, dir_fd: int | None = None) -> Any:
        return self._coarse(os.stat(path, dir_fd=dir_fd))

    def fstat(self, descriptor: int) -> Any:
        return self._coarse(os.fstat(descriptor))

    def clock(self) -> int:
        import time

        return time.time_ns() + self.ahead


MILLISECOND = 10**6
SECOND = 10**9
TICKS = {"1 s": SECOND, "10 ms": 10 * MILLISECOND, "4 ms": 4 * MILLISECOND}


class Clockwork(Ticking):
    """Time that stands still, for files and for the clock, until `move` is called.

    With the fine timestamps of a kernel, no two changes would have the same time. Here
    a test can make any number of changes within one tick. The clock is finer than the
    tick, as the real one is.

    :param probe: a file that is written to read the kernel's own time.
    :param tick: the file system's tick, in nanoseconds.
    """

    def __init__(self, probe: Path, tick: int = 1) -> None:
        super().__init__(tick)
        self._probe = probe
        self._start = after_last_change(probe)
        # the begin of a tick of any length: one nanosecond after a whole second
        begin = (self._start // SECOND + 1) * SECOND + 1
        # (real time, virtual time since then)
        self._moves = [(self._start, begin)]
        self.set_back = 0

    def move(self, nanoseconds: int) -> None:
        """Let time pass, after all earlier changes and before all later ones."""
        now = after_last_change(self._probe)
        self._moves.append((now, self._moves[-1][1] + nanoseconds))

    def _virtual(self, real: int) -> int:
        if not self._start <= real <= time.time_ns():
            return real  # an mtime that was set explicitly
        return [now for since, now in self._moves if since <= real][-1]

    def _coarse(self, status: os.stat_result) -> Any:
        seen = super()._coarse(status)
        for name in ("st_mtime_ns", "st_ctime_ns"):
            now = self._virtual(getattr(status, name)) - 1
            setattr(seen, name, now // self.tick * self.tick + 1)
        return seen

    def clock(self) -> int:
        return self._moves[-1][1] - self.set_back


def after_last_change(probe: Path) -> int:
    """Wait until a change gets a later time than all changes before; return that time.

    A tick of the kernel is up to 10 ms long.
    """
    probe.write_bytes(b"")
    last = now = os.stat(probe).st_mtime_ns
    while now == last:
        probe.write_bytes(b"")
        now = os.stat(probe).st_mtime_ns
    return now


@contextmanager
def process(path: list[str], cache: Path, ticks: Ticking) -> Iterator[None]:
    """Act as a process with this `sys.path`, cache directory and clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", path)
        patch.setenv("LAZYPLUG_CACHE_DIR", str(cache))
        for name in ("stat", "fstat", "clock"):
            patch.setattr(fs, name, staticmethod(getattr(ticks, name)))
        lazyplug.invalidate_caches()
        yield
    lazyplug.invalidate_caches()


def hour_ahead_clock() -> Ticking:
    """Return a clock that is an hour ahead, so that no stat signature is racy."""
    ticks = Ticking(1)
    ticks.ahead = LATER
    return ticks


def rewrite(file: Path, text: str) -> None:
    """Write a file in a later tick, so that its stat signature changes."""
    after_last_change(file.parents[1] / "probe")
    file.write_text(text)
