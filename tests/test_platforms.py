"""Test the rules for Windows, on any system: its paths and calls replace Python's.

Where the cache directory is on Windows and macOS, is tested in `test_cache_home`.
"""

import errno
import logging
import ntpath
import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from lazyplug import _environment, _files, _frozen_index
from lazyplug._frozen_index import expand_anchor
from lazyplug._indexing import cache_directory as directory_module
from lazyplug._indexing import freeze, storage
from lazyplug._indexing.freeze import anchor_path
from lazyplug._indexing.reading import find_metadata, read_file
from lazyplug._indexing.scan import scan_path_entry
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs

NAME = f"{'0' * 16}-{'0' * 16}.json"
WINDOWS = SimpleNamespace(
    path=ntpath, sep="\\", curdir=".", fspath=os.fspath, environ={"PWD": "/here"}
)


@pytest.fixture
def windows_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the modules that classify and name path entries see Windows' paths."""
    for module in (_environment, _frozen_index, freeze):
        monkeypatch.setattr(module, "os", WINDOWS)
    monkeypatch.setattr(_environment, "_ROOT", None)
    monkeypatch.setattr(sys, "prefix", "C:\\Venv")
    monkeypatch.setattr(sys, "base_prefix", "C:\\Python313")


# -------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    ("entry", "expected", "volatile"),
    [
        ("C:\\site", "C:\\site", False),
        ("c:/site", "c:/site", False),
        ("\\\\server\\share\\site", "\\\\server\\share\\site", False),
        ("\\\\?\\C:\\long", "\\\\?\\C:\\long", False),
        ("C:\\here", "C:\\here", True),
        ("", "C:\\here", True),
        ("site", "C:\\here\\site", True),
        # relative to the current drive, or to the current directory of a drive
        ("\\site", "C:\\site", True),
        ("/site", "C:/site", True),
        ("C:site", "C:\\here\\site", True),
        ("D:site", "D:site", True),
    ],
)
@pytest.mark.usefixtures("windows_paths")
def test_a_path_entry_of_windows_is_stable_if_it_has_a_drive_and_a_root(
    entry: str, expected: str, volatile: bool
) -> None:
    found = _environment.classify_path(["C:\\first", entry], "C:\\here")
    assert found == (("C:\\first", expected), frozenset({1} if volatile else ()))


@pytest.mark.parametrize(
    ("path", "staged", "name"),
    [
        ("C:\\Venv\\Lib\\site-packages", False, "{prefix}\\Lib\\site-packages"),
        ("c:\\venv\\Lib\\site-packages", False, "{prefix}\\Lib\\site-packages"),
        ("C:\\Venv", False, "{prefix}"),
        ("C:\\Venv2\\Lib", False, "C:\\Venv2\\Lib"),
        ("C:\\Python313\\DLLs", False, "{base}\\DLLs"),
        ("D:\\app\\lib", False, "{here}\\lib"),
        ("D:\\build", True, "{here}\\..\\build"),
        ("E:\\app", True, "E:\\app"),
    ],
)
@pytest.mark.usefixtures("windows_paths")
def test_paths_of_windows_are_anchored_and_expanded_whatever_their_case(
    path: str, staged: bool, name: str
) -> None:
    assert anchor_path(path, "D:\\app", staged) == name
    expanded = expand_anchor(name, "D:\\app")
    assert ntpath.normcase(expanded) == ntpath.normcase(path)


# ------------------------------------------------------------------ system calls


def test_a_device_is_never_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    # "CON" and "NUL" are devices in every directory: to read CON would wait for a key.
    device = SimpleNamespace(
        st_mode=stat.S_IFCHR | 0o666, st_size=0, st_ino=0, st_uid=0, st_dev=0,
        st_mtime_ns=0, st_ctime_ns=0,
    )  # fmt: skip
    monkeypatch.setattr(fs, "stat", lambda path, **_: device)
    monkeypatch.setattr(fs, "open", None)
    found = scan_path_entry("C:\\site\\CON", None, 0, thorough=True)
    assert (found.files(), found.archive) == ([], False)
    assert [reason for _, _, reason in found.problems] == [
        "is neither a directory nor a zip archive"
    ]


@pytest.fixture
def closed_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to open directories, as Windows does."""
    open_before = fs.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> Any:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return open_before(path, *arguments, **options)

    monkeypatch.setattr(_files, "HAS_DIR_FD", False)
    monkeypatch.setattr(directory_module, "_HAS_DIR_FD", False)
    monkeypatch.setattr(fs, "open", refuse)


@pytest.mark.usefixtures("closed_directories")
def test_a_directory_in_place_of_a_file_is_no_temporary_failure(tmp_path: Path) -> None:
    text, status, reason = read_file(str(tmp_path))
    assert (text, reason) == (None, "cannot be read: not a regular file")
    assert status is not None
    (tmp_path / "METADATA").mkdir()
    source, status, text, reason = find_metadata(str(tmp_path))
    assert (source, text, reason) == (
        "METADATA", None, "cannot be read: not a regular file",
    )  # fmt: skip
    assert status is not None


@pytest.mark.usefixtures("closed_directories", "late_clock")
def test_without_directory_descriptors_a_start_finds_an_index_that_is_fresh(
    site: PlantSite, set_path: SetPath, isolated: Path
) -> None:
    tree: dict[str, Any] = {"odd-1.dist-info": {"entry_points.txt": {}}}
    set_path(site({**dist("one", entry_points="[g]\na = m\n"), **tree}))
    assert [point.name for point in lazyplug.entry_points(group="g")] == ["a"]
    (file,) = isolated.glob("*.json")
    before = file.stat()
    lazyplug.invalidate_caches()
    assert [point.name for point in lazyplug.entry_points(group="g")] == ["a"]
    assert file.stat() == before
    assert _environment.current("full").index.reliable


@pytest.mark.parametrize("kind", [stat.S_IFDIR, stat.S_IFLNK])
def test_a_junction_or_a_link_to_the_cache_directory_is_followed(
    kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The mode of a junction is that of a directory. All files belong to the user 0.
    monkeypatch.setattr(_files, "HAS_USERS", False)
    status = SimpleNamespace(st_mode=kind | 0o777, st_uid=0)
    target = SimpleNamespace(st_mode=stat.S_IFDIR | 0o777, st_uid=0)
    monkeypatch.setattr(fs, "lstat", lambda path: status)
    monkeypatch.setattr(fs, "stat", lambda path: target)
    assert _files.is_trusted_directory("C:\\cache")
    target.st_mode = stat.S_IFREG | 0o666
    assert _files.is_trusted_directory("C:\\cache") is (kind == stat.S_IFDIR)


@pytest.mark.parametrize("longest", [0, 60])
@pytest.mark.usefixtures("closed_directories")
def test_a_cache_directory_on_no_drive_or_with_too_long_a_path_is_not_written(
    longest: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Windows finds neither a drive that does not exist, nor a path that is too long.
    made: list[str] = []

    def mkdir(path: str, mode: int) -> None:
        made.append(path)
        if len(path) > longest + len(str(tmp_path)) or not longest:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        os.mkdir(path, mode)

    monkeypatch.setattr(fs, "mkdir", mkdir)
    directory = tmp_path / ("x" * 50) / ("y" * 50)
    with caplog.at_level(logging.DEBUG, "lazyplug"):
        storage.store(str(directory), NAME, b"content")
    assert "cannot be written: [Errno 2] No such file or directory" in caplog.text
    assert len(made) <= len(directory.parts)
    assert not directory.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="lists the descriptors")
@pytest.mark.usefixtures("closed_directories")
def test_an_index_is_not_replaced_while_this_process_has_it_open(
    monkeypatch: pytest.MonkeyPatch, site: PlantSite, set_path: SetPath, isolated: Path
) -> None:
    # Windows refuses to remove or replace an open file.
    def is_open(path: str) -> bool:
        links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return path in [os.readlink(link) for link in links if os.path.islink(link)]

    def guarded(act: Any) -> Any:
        def checked(*paths: Any, **options: Any) -> Any:
            assert not any(is_open(os.path.realpath(path)) for path in paths)
            done.append(act.__name__)
            return act(*paths, **options)

        return checked

    done: list[str] = []
    for name in ("replace", "unlink"):
        monkeypatch.setattr(fs, name, guarded(getattr(fs, name)))
    directory = site(dist("one", entry_points="[g]\na = m\n"))
    set_path(directory)
    assert len(lazyplug.entry_points(group="g")) == 1
    site(dist("two", entry_points="[g]\nb = m\n"))
    lazyplug.invalidate_caches()
    assert len(lazyplug.entry_points(group="g")) == 2
    assert not lazyplug.refresh().added
    assert done.count("replace") >= 2
    assert len(list(isolated.glob("*.json"))) == 1
