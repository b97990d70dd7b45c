"""Site folders, an isolated cache, a clock of our own, and fresh processes."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import importlib_metadata as importlib_metadata  # noqa: PLC0414 - see `only`
import pytest
from hypothesis import settings

from lazyplug import _environment, _files
from lazyplug.testing import Tree, plant
from lazyplug.testing._places import forget, isolate

# A clock far ahead of every file that a test writes: stamps are old enough.
LATER = 3_600 * 10**9

# `pytest -m hypothesis --hypothesis-profile long`; see `tox run -e laws`.
settings.register_profile("long", max_examples=20 * settings().max_examples)
# A tenth of them: on all but one Python.
settings.register_profile("sample", max_examples=settings().max_examples // 10)


def examples(number: int) -> settings:
    """Return the settings that try a property on this many examples.

    The profile `long` tries twenty times as many, `sample` a tenth.
    """
    # Without a profile, hypothesis tries 100.
    return settings(
        max_examples=max(1, number * settings().max_examples // 100), deadline=None
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are cores: many tests wait for processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that plants a site folder; its second argument names it."""

    def make(tree: Tree, name: str = "site") -> Path:
        return plant(tmp_path / name, tree)

    return make


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test a cache folder of its own, and a process that knows nothing."""
    folder = tmp_path / "cache"
    isolate(monkeypatch, folder)
    yield folder
    forget(folder)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Let no plugin of one test be imported already in the next."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("plug"):
            del sys.modules[name]


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that makes the given folders the whole of `sys.path`.

    What is not imported by then cannot be: importlib_metadata is, above.
    """

    def set_path(*folders: "Path | str") -> None:
        monkeypatch.setattr(sys, "path", [str(folder) for folder in folders])
        _environment.invalidate_caches()

    return set_path


@pytest.fixture
def first(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that puts the given folders before all of `sys.path`."""

    def set_path(*folders: "Path | str") -> None:
        monkeypatch.setattr(sys, "path", [*map(str, folders), *sys.path])
        _environment.invalidate_caches()

    return set_path


class Ticking:
    """File times and a clock in coarse ticks, through the one seam of `_files`.

    They are no round times, so that files are not compared by content.

    :param tick: the file system's tick, in nanoseconds.
    """

    def __init__(self, tick: int = 1) -> None:
        self.tick = tick
        self.ahead = 0
        self.looks = 0

    def _coarse(self, status: os.stat_result) -> Any:
        self.looks += 1
        return SimpleNamespace(
            st_mode=status.st_mode,
            st_size=status.st_size,
            st_ino=status.st_ino,
            st_uid=status.st_uid,
            st_dev=status.st_dev,
            st_mtime_ns=(status.st_mtime_ns - 1) // self.tick * self.tick + 1,
            st_ctime_ns=(status.st_ctime_ns - 1) // self.tick * self.tick + 1,
        )

    def stat(self, path: str, dir_fd: int | None = None) -> Any:
        return self._coarse(os.stat(path, dir_fd=dir_fd))

    def fstat(self, descriptor: int) -> Any:
        return self._coarse(os.fstat(descriptor))

    def clock(self) -> int:
        import time

        return time.time_ns() + self.ahead


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Ticking]:
    """Return a function that puts coarse ticks into the seam."""

    def install(tick: int = 1) -> Ticking:
        ticks = Ticking(tick)
        for name in ("stat", "fstat", "clock"):
            monkeypatch.setattr(_files.Seam, name, staticmethod(getattr(ticks, name)))
        return ticks

    return install


@pytest.fixture
def settled(ticking: Callable[[int], Ticking]) -> Ticking:
    """Put the clock an hour ahead, so that every stamp is old enough at once."""
    ticks = ticking(1)
    ticks.ahead = LATER
    return ticks


def python(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    executable: str = sys.executable,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run Python in a fresh process, in the environment of this one and `env`."""
    done = subprocess.run(
        [executable, *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if check and done.returncode:
        raise AssertionError(f"{arguments} failed:\n{done.stdout}{done.stderr}")
    return done


def ask(code: str, **options: Any) -> Any:
    """Run code in a fresh process; it prints JSON, which is returned."""
    return json.loads(python("-c", textwrap.dedent(code), **options).stdout)
