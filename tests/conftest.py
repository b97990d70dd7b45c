"""Create site directories, isolate the cache, and set `sys.path` and the clock."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import lazyplug
from lazyplug.testing import Tree, dist, plant
from lazyplug.testing._places import forget, isolate
from tests.support.clock import LATER, Ticking
from tests.support.commands import Run
from tests.support.dependencies import absent_dependency
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs
from tests.support.users import POINTS

with contextlib.suppress(ImportError):
    import importlib_metadata as importlib_metadata  # noqa: PLC0414 - see `set_path`


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Skip a test module that imports a dependency that is not installed."""
    report = yield
    call = getattr(report, "call", None)
    name = absent_dependency(call.excinfo.value) if call and call.excinfo else None
    if name is not None:
        report.outcome = "skipped"
        report.longrepr = (report.nodeid, 0, f"Skipped: {name} is not installed")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Skip a test that imports a dependency that is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = absent_dependency(error)
        if name is None:
            raise
        pytest.skip(f"{name} is not installed")


# `pytest -m hypothesis --hypothesis-profile long`; see `tox run -e laws`.
settings.register_profile("long", max_examples=20 * settings().max_examples)
# A tenth of the examples, on all Python versions but one.
settings.register_profile("sample", max_examples=settings().max_examples // 10)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the number of cores, since many tests wait for processes."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def site(tmp_path: Path) -> PlantSite:
    """Return a function that creates a site directory; its second argument names it."""

    def make(tree: Tree, name: str = "site") -> Path:
        return plant(tmp_path / name, tree)

    return make


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test its own cache directory, and forget what is in memory."""
    directory = tmp_path / "cache"
    isolate(monkeypatch, directory)
    yield directory
    forget(directory)


@pytest.fixture
def clean_sys_modules() -> Iterator[None]:
    """Remove the plugins of a test from `sys.modules` at its end."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("plug"):
            del sys.modules[name]


@pytest.fixture
def set_path(monkeypatch: pytest.MonkeyPatch) -> SetPath:
    """Return a function that replaces `sys.path` by the given directories.

    Afterwards nothing else can be imported, so importlib_metadata is imported above.
    """

    def replace(*directories: "Path | str") -> None:
        monkeypatch.setattr(sys, "path", [str(directory) for directory in directories])
        lazyplug.invalidate_caches()

    return replace


@pytest.fixture
def prepend_path(monkeypatch: pytest.MonkeyPatch) -> SetPath:
    """Return a function that puts the given directories first on `sys.path`."""

    def prepend(*directories: "Path | str") -> None:
        monkeypatch.setattr(sys, "path", [*map(str, directories), *sys.path])
        lazyplug.invalidate_caches()

    return prepend


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Ticking]:
    """Return a function that makes file times and the clock advance in ticks."""

    def install(tick: int = 1) -> Ticking:
        ticks = Ticking(tick)
        for name in ("stat", "fstat", "clock"):
            monkeypatch.setattr(fs, name, staticmethod(getattr(ticks, name)))
        return ticks

    return install


@pytest.fixture
def late_clock(ticking: Callable[[int], Ticking]) -> Ticking:
    """Set the clock an hour ahead, so that no stat signature is racy."""
    ticks = ticking(1)
    ticks.ahead = LATER
    return ticks


@pytest.fixture
def public() -> Iterator[Path]:
    """Return a directory that every user may enter, unlike those of pytest."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def installed(public: Path) -> Path:
    site = plant(public / "site", dist("foo", entry_points=POINTS))
    for path in [site, *site.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return site


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command: exit code, stdout, stderr."""
    from lazyplug.cli import main  # deferred: few tests run commands

    def run_it(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, *capsys.readouterr()

    return run_it


@pytest.fixture
def clear_facts() -> Iterator[None]:
    """Clear the unwritten facts, and test that no plugin was imported."""
    from tests.support.learned_facts import unwritten  # deferred: few tests have facts

    unwritten().clear()
    before = set(sys.modules)
    yield
    unwritten().clear()
    assert not [new for new in set(sys.modules) - before if new.startswith("plug")]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the files that are read from here on, in their order."""
    from lazyplug._static import source  # deferred: as above

    found: list[str] = []
    read = source.read

    def noted(file: str, of: Any) -> Any:
        found.append(os.path.basename(file))
        return read(file, of)

    for module in ("source", "declared"):
        monkeypatch.setattr(f"lazyplug._static.{module}.read", noted)
    return found
