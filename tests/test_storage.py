"""Test that an index is written completely and privately, and read with distrust."""

import errno
import json
import logging
import os
import shutil
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import _environment, _files, _settings
from lazyplug._indexing import cache_directory as directory_module
from lazyplug._indexing import storage
from lazyplug._indexing.cache_directory import open_cache_directory
from lazyplug.testing import dist, plant
from tests.support.children import ask, python
from tests.support.clock import Ticking
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs
from tests.support.index_format import TITLE_LENGTH, assemble, from_bytes, title
from tests.support.index_heads import poison
from tests.support.users import (
    AS_NOBODY,
    POINTS,
    RIGHT,
    ROOT,
    index_in,
    posix,
    query_as_nobody,
)

needs_root = pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="needs the rights of root"
)


@posix
def test_without_effective_user_ids_files_belong_to_the_user(
    tmp_path: Path,
) -> None:
    plant(tmp_path / "site", dist("foo", entry_points=POINTS))
    above = tmp_path / "as the root of Emscripten"
    above.mkdir()
    above.chmod(0o777)
    cache = above / "cache"
    code = """
        import json, os, posix, sys, time
        for name in ("geteuid", "getegid"):
            delattr(posix, name)
            delattr(os, name)
        time.sleep(2.1)  # a racy entry would be scanned again
        import lazyplug
        from lazyplug import _environment, _files, _settings
        found = lazyplug.ExtensionManager("g").names()
        _environment.invalidate_caches()
        del sys.modules["lazyplug._indexing.update"]
        again = lazyplug.ExtensionManager("g").names()
        print(json.dumps([found, again, "lazyplug._indexing.update" in sys.modules]))
    """
    env = {
        "LAZYPLUG_CACHE_DIR": str(cache),
        "PYTHONPATH": f"{ROOT}:{tmp_path / 'site'}",
    }
    assert ask(code, env=env) == [["a"], ["a"], False]
    # If files have modes, they are private nevertheless.
    assert [file.stat().st_mode & 0o777 for file in cache.iterdir()] == [0o600]


@pytest.fixture
def query(
    late_clock: Ticking, site: PlantSite, set_path: SetPath
) -> Callable[[], list[str]]:
    """Return a function that returns the values of group g as a new process does."""
    set_path(site(dist("foo", entry_points=POINTS)))

    def query_values() -> list[str]:
        lazyplug.invalidate_caches()
        return [point.value for point in lazyplug.entry_points(group="g")]

    return query_values


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# ---------------------------------------------------------------------------- writing


@posix
@pytest.mark.parametrize("umask", [0, 0o022, 0o027, 0o077, 0o777])
def test_file_and_directory_are_private_whatever_the_umask(
    umask: int, query: Callable[[], list[str]], isolated: Path
) -> None:
    before = os.umask(umask)
    try:
        assert query() == ["m:f"]
    finally:
        os.umask(before)
    assert mode(isolated) == 0o700
    assert mode(index_in(isolated)) == 0o600


@pytest.fixture
def temporaries(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Return the names and flags with which temporary files are opened."""
    found: list[tuple[str, int]] = []
    real_open = fs.open

    def noted(path: Any, flags: int, *rest: Any, **named: Any) -> Any:
        if os.fsdecode(path).endswith(".tmp"):
            found.append((os.path.basename(path), flags))
        return real_open(path, flags, *rest, **named)

    monkeypatch.setattr(fs, "open", noted)
    return found


def test_the_temporary_name_is_unpredictable_and_the_file_is_new(
    temporaries: list[tuple[str, int]], isolated: Path
) -> None:
    for _ in range(3):
        storage.store(str(isolated), "index.json", b"content")
    assert len(temporaries) == 3
    assert len({name for name, _ in temporaries}) == 3
    for name, flags in temporaries:
        unpredictable = name.removeprefix(".index.json.").removesuffix(".tmp")
        assert len(bytes.fromhex(unpredictable)) >= 12
        assert flags & os.O_EXCL
        assert flags & os.O_CREAT
    assert (isolated / "index.json").read_bytes() == b"content"
    assert os.listdir(isolated) == ["index.json"]


FAILING = ["write", "replace", "fchmod", "close"]


@posix
@pytest.mark.parametrize("call", FAILING)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS])
def test_a_failed_write_raises_nothing_and_leaves_no_file(
    call: str,
    error: int,
    query: Callable[[], list[str]],
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = 0
    real_close = fs.close

    def fail(*arguments: Any, **_: Any) -> None:
        nonlocal calls
        calls += 1
        if call == "close":
            real_close(arguments[0])
        raise OSError(error, os.strerror(error))

    isolated.mkdir(mode=0o700)
    with monkeypatch.context() as patch:
        patch.setattr(fs, call, fail)
        storage.store(str(isolated), "index.json", b"content")
    assert calls
    assert os.listdir(isolated) == []
    assert query() == ["m:f"]


@posix
def test_an_interrupt_during_a_write_is_raised_and_leaves_no_file(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt("here")

    isolated.mkdir(mode=0o700)
    with monkeypatch.context() as patch:
        patch.setattr(fs, "write", interrupt)
        with pytest.raises(KeyboardInterrupt, match="here"):
            storage.store(str(isolated), "index.json", b"content")
    assert os.listdir(isolated) == []


def test_a_file_is_complete_even_if_each_write_accepts_a_few_bytes(
    isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_write = fs.write
    with monkeypatch.context() as patch:
        patch.setattr(fs, "write", lambda to, data: real_write(to, bytes(data)[:3]))
        storage.store(str(isolated), "index.json", b"0123456789")
    assert (isolated / "index.json").read_bytes() == b"0123456789"


def test_many_processes_that_write_at_once_leave_one_complete_index(
    site: PlantSite, isolated: Path
) -> None:
    directory = site(
        {k: v for n in range(30) for k, v in dist(f"d{n}", entry_points=POINTS).items()}
    )
    code = f"""
        import multiprocessing, sys
        sys.path[:0] = [{str(ROOT)!r}]
        import lazyplug
        from lazyplug import _environment, _files, _settings
        from lazyplug._indexing import update as update_module

        def query(_):
            sys.path[:] = [{str(directory)!r}]
            found = set()
            for _ in range(20):
                _environment.invalidate_caches()
                found.add(len(lazyplug.entry_points(group="g")))
            return found

        context = multiprocessing.get_context("fork")
        with context.Pool(8) as pool:
            found = pool.map(query, range(8))
        print(repr([sorted(each) for each in found]).replace("'", '"'))
    """
    assert ask(code) == [[30]] * 8
    assert [file.name for file in isolated.iterdir()] == [index_in(isolated).name]
    assert from_bytes(index_in(isolated).read_bytes()).key[1:] == [str(directory)]


# ------------------------------------- cache directories that cannot be written


@posix
def test_an_unwritable_cache_directory_is_ignored(
    public: Path, installed: Path
) -> None:
    directory = public / "cache"
    directory.mkdir()
    directory.chmod(0o555)
    assert query_as_nobody(installed, LAZYPLUG_CACHE_DIR=str(directory)) == RIGHT
    assert os.listdir(directory) == []
    directory.chmod(0o755)


@posix
def test_an_unreadable_cache_directory_is_ignored(
    public: Path, installed: Path
) -> None:
    directory = public / "cache"
    directory.mkdir()
    directory.chmod(0)
    assert query_as_nobody(installed, LAZYPLUG_CACHE_DIR=str(directory)) == RIGHT
    directory.chmod(0o755)


@posix
def test_a_file_in_place_of_the_cache_directory_is_ignored(
    public: Path, installed: Path
) -> None:
    (public / "cache").write_text("mine")
    for directory in ("cache", "cache/inside"):
        path = str(public / directory)
        assert query_as_nobody(installed, LAZYPLUG_CACHE_DIR=path) == RIGHT
    assert (public / "cache").read_text() == "mine"


@posix
@pytest.mark.parametrize(
    "directory", ["x" * 300, "a/" * 3000, "nowhere/\udcff", "~nobody~/x"]
)
def test_an_impossible_cache_directory_is_ignored(
    directory: str, public: Path, installed: Path
) -> None:
    path = directory if directory[0] == "~" else f"{public}/{directory}"
    assert query_as_nobody(installed, LAZYPLUG_CACHE_DIR=path) == RIGHT


# Without this, the user database would give the real home directory.
NO_OTHER_HOME = """
import pwd, types
pwd.getpwuid = lambda _: types.SimpleNamespace(pw_dir="/nonexistent/home")
"""
NO_HOME = """
import os, pwd
del os.environ["HOME"]
def unknown(_):
    raise KeyError("uid not found")
pwd.getpwuid = unknown
"""


@posix
@pytest.mark.parametrize(
    "home", ["", "file", "file/inside", "relative", "\udcff", "//"]
)
def test_an_invalid_home_is_ignored(home: str, public: Path, installed: Path) -> None:
    (public / "file").write_text("mine")
    path = str(public / home) if home.startswith("file") else home
    env = {"HOME": path, "XDG_CACHE_HOME": ""}
    assert query_as_nobody(installed, NO_OTHER_HOME, **env) == RIGHT
    assert (public / "file").read_text() == "mine"
    assert sorted(os.listdir(public)) == ["file", "site"]


@posix
def test_a_missing_home_raises_nothing(installed: Path) -> None:
    assert query_as_nobody(installed, NO_HOME, XDG_CACHE_HOME="") == RIGHT


@posix
def test_a_full_disk_raises_nothing(installed: Path, public: Path) -> None:
    directory = public / "cache"
    full = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
"""
    directory.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(directory, 65534, 65534)
    found = query_as_nobody(installed, before=full, LAZYPLUG_CACHE_DIR=str(directory))
    assert found == RIGHT
    assert os.listdir(directory) == []


# ------------------------------------------------------ indexes that are not trusted


def test_an_index_of_the_current_user_is_trusted(
    query: Callable[[], list[str]], isolated: Path
) -> None:
    # This proves that the poisoned indexes of the tests below would be used.
    query()
    poison(index_in(isolated))
    assert query() == ["n:f"]


@posix
@pytest.mark.parametrize("bits", [0o620, 0o602, 0o666, 0o777])
def test_a_file_that_others_could_write_is_not_trusted_and_is_replaced(
    bits: int, query: Callable[[], list[str]], isolated: Path
) -> None:
    query()
    poison(index_in(isolated))
    index_in(isolated).chmod(bits)
    assert query() == ["m:f"]
    assert mode(index_in(isolated)) == 0o600
    assert query() == ["m:f"]


@posix
@pytest.mark.parametrize("bits", [0o720, 0o702, 0o777, 0o1777])
def test_a_directory_that_others_could_write_is_neither_read_nor_written(
    bits: int, query: Callable[[], list[str]], isolated: Path
) -> None:
    query()
    poisoned = poison(index_in(isolated))
    isolated.chmod(bits)
    assert query() == ["m:f"]
    assert index_in(isolated).read_bytes() == poisoned
    assert mode(isolated) == bits
    assert len(os.listdir(isolated)) == 1


@posix
def test_an_index_that_others_could_write_is_not_reused_for_another_path(
    query: Callable[[], list[str]],
    isolated: Path,
    site: PlantSite,
    set_path: SetPath,
) -> None:
    # A new index reuses records only from indexes that are trusted as well.
    query()
    poison(index_in(isolated))
    index_in(isolated).chmod(0o666)
    set_path(*sys.path, site({}, "empty"))
    assert query() == ["m:f"]


@needs_root
def test_an_index_of_another_user_is_not_trusted(
    query: Callable[[], list[str]], isolated: Path
) -> None:
    query()
    poison(index_in(isolated))
    os.chown(index_in(isolated), 12345, 12345)
    assert query() == ["m:f"]
    assert index_in(isolated).stat().st_uid == 0


@needs_root
def test_a_directory_of_another_user_is_neither_read_nor_written(
    query: Callable[[], list[str]], isolated: Path
) -> None:
    query()
    poisoned = poison(index_in(isolated))
    os.chown(isolated, 12345, 12345)
    assert query() == ["m:f"]
    assert index_in(isolated).read_bytes() == poisoned


@needs_root
def test_nothing_is_left_in_the_home_of_another_user(
    query: Callable[[], list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As under sudo, which may keep HOME.
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 12345, 12345)
    monkeypatch.delenv("LAZYPLUG_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    assert query() == query() == ["m:f"]
    assert os.listdir(home) == []


@needs_root
def test_an_index_of_root_is_trusted_by_other_users(
    public: Path, installed: Path
) -> None:
    # An administrator may prepare an index that nobody else can write.
    directory = public / "cache"
    env = {"LAZYPLUG_CACHE_DIR": str(directory)}
    code = AS_NOBODY.replace("os.geteuid() == 0", "0")
    # Only an index that is not racy is trusted without checking.
    ahead = "import time; lazyplug._files.fs.clock = lambda: time.time_ns() + 10**12"
    python(
        "-c", code.replace("def query", f"{ahead}\ndef query"), str(installed), env=env
    )
    directory.chmod(0o755)
    poison(index_in(directory))
    index_in(directory).chmod(0o644)
    trust = {**env, "LAZYPLUG_CHECK": "none"}
    assert query_as_nobody(installed, **trust) == [["n:f"], ["n:f"]]


@posix
def test_a_link_in_place_of_the_index_is_not_followed(
    query: Callable[[], list[str]], isolated: Path, tmp_path: Path
) -> None:
    query()
    file = index_in(isolated)
    target = tmp_path / "target.json"
    poisoned = poison(file)
    file.rename(target)
    file.symlink_to(target)
    assert query() == ["m:f"]
    assert not file.is_symlink()
    assert target.read_bytes() == poisoned


@posix
@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "loop", "nothing"])
def test_anything_but_a_regular_file_in_place_of_the_index_is_ignored(
    kind: str, query: Callable[[], list[str]], isolated: Path
) -> None:
    query()
    file = index_in(isolated)
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file, 0o600)
    elif kind == "directory":
        (file / "inside").mkdir(parents=True)
    else:
        links: dict[str, Any] = {
            "device": "/dev/zero",
            "loop": file,
            "nothing": "/no/such/file",
        }
        file.symlink_to(links[kind])
    before = time.monotonic()
    assert query() == ["m:f"]
    assert time.monotonic() - before < 10
    assert [left.name for left in isolated.iterdir()] == [file.name]
    if kind != "directory":
        assert stat.S_ISREG(file.lstat().st_mode)


def test_an_index_that_is_far_too_large_is_not_read(
    query: Callable[[], list[str]], isolated: Path
) -> None:
    query()
    poison(index_in(isolated))
    os.truncate(index_in(isolated), _files.SIZE_CAP + 1)  # sparse
    assert query() == ["m:f"]
    assert index_in(isolated).stat().st_size < 10_000


def test_an_index_that_is_replaced_while_it_is_read_changes_no_answer(
    query: Callable[[], list[str]], isolated: Path
) -> None:
    query()
    lazyplug.invalidate_caches()
    environment = _environment.current()
    environment.rows("h")  # the header is read, and the file is closed
    data = index_in(isolated).read_bytes()
    index_in(isolated).unlink()
    assert [row[1] for row, _ in environment.rows("g")] == ["m:f"]
    index_in(isolated).write_bytes(data[:-1])
    assert [row[1] for row, _ in environment.rows("g")] == ["m:f"]
    shutil.rmtree(isolated)
    assert [row[1] for row, _ in environment.rows("g")] == ["m:f"]


@pytest.mark.parametrize("gap", [True, False])
def test_a_query_while_an_index_is_replaced_is_answered(
    gap: bool,
    query: Callable[[], list[str]],
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query()
    name, data = index_in(isolated).name, index_in(isolated).read_bytes()
    seen: list[Any] = []
    replace = fs.replace

    def between(*paths: str, **directories: int) -> None:
        with monkeypatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "readonly")
            seen.append((os.path.lexists(isolated / name), query()))
        replace(*paths, **directories)

    monkeypatch.setattr(fs, "replace", between)
    with open_cache_directory(str(isolated)) as opened:
        storage.write(opened, name, data, gap=gap)
    # Without a gap, which a frozen index must not have, the old one is still there.
    assert seen == [(not gap, ["m:f"])]
    assert index_in(isolated).read_bytes() == data


def test_a_program_that_asks_for_many_groups_opens_the_file_a_few_times(
    query: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    query()
    lazyplug.invalidate_caches()
    environment = _environment.current()
    opened = []
    real: Callable[..., int] = fs.open

    def count(path: str, flags: int, mode: int = 0o777) -> int:
        opened.append(path)
        return real(path, flags, mode)

    monkeypatch.setattr(fs, "open", count)
    for _ in range(100):
        assert [row[1] for row, _ in environment.rows("g")] == ["m:f"]
    assert 0 < len(opened) < _files.MAX_OPENS


@pytest.mark.parametrize("kept", [True, False])
def test_a_setting_has_the_current_value_of_its_variable(
    kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kept:  # as other implementations of Python may do
        monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.delenv("LAZYPLUG_CHECK", raising=False)
    assert _settings.get_setting("LAZYPLUG_CHECK", "full") == "full"
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    assert _settings.get_setting("LAZYPLUG_CHECK", "full") == "dirs"
    monkeypatch.setenv("LAZYPLUG_CHECK", "")
    assert _settings.get_setting("LAZYPLUG_CHECK", "full") == "full"


# -------------------------------------------------------------------------- pruning


def write_aged(path: Path, seconds: float, data: bytes = b"x") -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def index_name(number: int) -> str:
    """Return the file name of an index."""
    return f"{number:016}-{0:016}.json"


def temporary_name(number: int) -> str:
    """Return the name of a temporary file."""
    return f".{index_name(number)}.{number:024x}.tmp"


def index_with_key(key: Any) -> bytes:
    """Return a valid index without path entries whose key is any JSON value."""
    sound = assemble(["prefix"], [], [], True, {}, {}, "")
    _, rest = sound[TITLE_LENGTH:].split(b"\n", 1)
    header = json.dumps(key, separators=(",", ":")).encode() + b"\n" + rest
    return title(header) + header


def test_the_newest_64_indexes_are_kept(
    query: Callable[[], list[str]], isolated: Path, tmp_path: Path
) -> None:
    isolated.mkdir(mode=0o700)
    sound = index_with_key([str(tmp_path)])
    others = [write_aged(isolated / index_name(n), 100 - n, sound) for n in range(80)]
    query()
    kept = set(isolated.iterdir())
    assert len(kept) == 64
    assert set(others) & kept == set(others[-63:])


def test_the_index_that_was_just_written_is_never_pruned(
    isolated: Path, tmp_path: Path
) -> None:
    isolated.mkdir(mode=0o700)
    sound = index_with_key([str(tmp_path)])
    for number in range(70):
        write_aged(isolated / index_name(number), -3600, sound)
    storage.store(str(isolated), "new.json", b"new")
    assert (isolated / "new.json").read_bytes() == b"new"
    assert len(list(isolated.iterdir())) == 64


def test_indexes_of_removed_environments_are_removed(
    query: Callable[[], list[str]], isolated: Path, tmp_path: Path
) -> None:
    isolated.mkdir(mode=0o700)
    gone = index_with_key([str(tmp_path / "gone")])
    gone_file = write_aged(isolated / index_name(1), 5, gone)
    used = write_aged(isolated / index_name(2), 5, index_with_key([str(tmp_path)]))
    query()
    assert not gone_file.exists()
    assert used.exists()


def test_damaged_indexes_are_removed_with_their_facts(
    query: Callable[[], list[str]], isolated: Path, tmp_path: Path
) -> None:
    isolated.mkdir(mode=0o700)
    sound = index_with_key([str(tmp_path)])
    removed = [
        write_aged(isolated / index_name(number), 5, data)
        for number, data in enumerate((sound[1:], sound[:-1], b"x", b""))
    ]
    kept = write_aged(isolated / index_name(4), 5, sound)
    removed.append(write_aged(removed[0].with_suffix(".facts"), 5))
    query()
    assert [file for file in removed if file.exists()] == []
    assert kept.exists()


def test_indexes_are_kept_if_it_is_unknown_whether_their_environment_exists(
    isolated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolated.mkdir(mode=0o700)
    file = write_aged(isolated / index_name(1), 5, index_with_key([str(tmp_path)]))
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    storage.prune(str(isolated))
    assert file.exists()

    def fail(_: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fs, "stat", fail)
    storage.prune(str(isolated))
    assert file.exists()


def test_temporary_files_of_dead_writers_are_removed_after_an_hour(
    query: Callable[[], list[str]], isolated: Path
) -> None:
    isolated.mkdir(mode=0o700)
    old = write_aged(isolated / temporary_name(1), 3700)
    recent = write_aged(isolated / temporary_name(2), 3500)
    query()
    assert not old.exists()
    assert recent.exists()


def test_no_more_than_32_temporary_files_are_kept(
    query: Callable[[], list[str]], isolated: Path
) -> None:
    isolated.mkdir(mode=0o700)
    files = [write_aged(isolated / temporary_name(n), 100 - n) for n in range(40)]
    query()
    assert [file for file in files if file.exists()] == files[-32:]


def test_other_files_in_the_cache_directory_are_never_removed(
    query: Callable[[], list[str]], isolated: Path
) -> None:
    isolated.mkdir(mode=0o700)
    # So many that some would be removed if they were mistaken for indexes.
    names = ["README", "x.jsonl", ".keep", "x.tmp", ".x.json.0123.tmp"]
    names += [f"{number:033}.json" for number in range(80)]
    others = [write_aged(isolated / name, 10**7) for name in names]
    query()
    assert all(other.exists() for other in others)


def test_a_directory_among_the_indexes_does_not_prevent_pruning(
    query: Callable[[], list[str]], isolated: Path, tmp_path: Path
) -> None:
    isolated.mkdir(mode=0o700)
    sound = index_with_key([str(tmp_path)])
    for number in range(80):
        write_aged(isolated / index_name(number), 100 - number, sound)
    for name in (index_name(100), temporary_name(100)):
        (isolated / name).mkdir()
        os.utime(isolated / name, (0, 0))
    query()
    assert len([path for path in isolated.iterdir() if path.is_file()]) <= 64


@pytest.mark.parametrize(
    "key", [[None], [1], [[]], [{}], {"0": "/"}, "/", ["\0"], [""]]
)
def test_an_index_with_a_malformed_key_raises_nothing(
    key: Any,
    query: Callable[[], list[str]],
    isolated: Path,
    site: PlantSite,
    set_path: SetPath,
) -> None:
    query()
    name = index_in(isolated).name
    # Its name says that it is of the same prefix, so that its records may be reused.
    write_aged(isolated / f"{name[:16]}-{0:016}.json", -5, index_with_key(key))
    set_path(*sys.path, site({}, "empty"))
    assert query() == ["m:f"]


def test_nothing_is_pruned_if_the_cache_is_readonly(
    query: Callable[[], list[str]], isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", "readonly")
    isolated.mkdir(mode=0o700)
    write_aged(isolated / temporary_name(1), 3700)
    query()
    assert len(os.listdir(isolated)) == 1


# -------------------------------------------------- the parents of the cache directory

NAME = f"{'0' * 16}-{'0' * 16}.json"


@pytest.fixture
def store_in(caplog: pytest.LogCaptureFixture) -> Callable[..., str]:
    """Return a function that stores an index, and returns what is logged."""

    def store(path: Path, content: bytes = b"content") -> str:
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "lazyplug"):
            storage.store(str(path), NAME, content)
        assert caplog.text or (path / NAME).read_bytes() == content
        return caplog.text

    return store


@pytest.fixture
def by_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write as on a system without calls that take a directory's descriptor."""
    if request.param:
        monkeypatch.setattr(directory_module, "_HAS_DIR_FD", False)


def descriptors() -> list[str]:
    return os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []


either_way = pytest.mark.parametrize("by_path", [False, True], indirect=True)


@either_way
@pytest.mark.usefixtures("by_path")
def test_missing_parents_of_the_cache_directory_are_created(
    store_in: Callable[..., str], tmp_path: Path
) -> None:
    before = descriptors()
    for _ in range(2):
        assert store_in(tmp_path / "a" / "b" / "c") == ""
    assert os.listdir(tmp_path / "a" / "b" / "c") == [NAME]
    if os.name == "posix":
        assert {mode(path) for path in tmp_path.rglob("?")} == {0o700}
    (tmp_path / "file").write_text("mine")
    too_long = ["x" * 300, "a/" * 3000] if os.name == "posix" else []
    for name in ("file", "file/inside", "\0", *too_long):
        assert store_in(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == ["a", "file"]
    assert descriptors() == before


@posix
@pytest.mark.parametrize("bits", [0o755, 0o775, 0o1777, 0o711, 0o2775])
def test_a_parent_in_which_others_cannot_replace_files_is_accepted(
    bits: int, store_in: Callable[..., str], tmp_path: Path
) -> None:
    # The group's bit is not checked: with the umask 002 all directories have it.
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(bits)
    assert store_in(above / "lazyplug") == store_in(above / "home" / "lazyplug") == ""


@posix
@pytest.mark.parametrize("bits", [0o777, 0o757, 0o703])
@pytest.mark.parametrize("made", [False, True])
def test_a_parent_that_others_may_write_into_is_rejected(
    bits: int, made: bool, store_in: Callable[..., str], tmp_path: Path
) -> None:
    above = tmp_path / "above"
    (above / "home" / "lazyplug" if made else above).mkdir(parents=True)
    for path in above.rglob("*"):
        path.chmod(0o700)
    above.chmod(bits)
    before = sorted(above.rglob("*"))
    for name in ("lazyplug", "home/lazyplug", "home/more/lazyplug"):
        assert f"other users can write to it: '{above}'" in store_in(above / name)
    assert sorted(above.rglob("*")) == before


@needs_root
@pytest.mark.parametrize("what", ["directory", "empty", "link"])
@pytest.mark.parametrize("bits", [0o755, 0o1777])
def test_a_parent_of_another_user_is_rejected_even_in_a_sticky_directory(
    what: str, bits: int, store_in: Callable[..., str], tmp_path: Path
) -> None:
    above, home, safe = (tmp_path / name for name in ("above", "above/home", "safe"))
    above.mkdir()
    above.chmod(bits)
    (safe / "lazyplug").mkdir(parents=True)
    safe.chmod(0o700)
    (safe / "lazyplug").chmod(0o700)
    if what == "link":
        home.symlink_to(safe)
    else:
        home.mkdir(mode=0o700)
    if what == "directory":
        (home / "lazyplug").mkdir(mode=0o700)
    os.chown(home, 12345, 12345, follow_symlinks=False)
    before = sorted(tmp_path.rglob("*"))
    for path in (home, home / "lazyplug", home / "more" / "lazyplug"):
        assert store_in(path)
    assert sorted(tmp_path.rglob("*")) == before


@posix
@pytest.mark.parametrize(
    "links",
    [
        {"home": "real"},
        {"home": "./deep/.././real/."},
        {"home": "one", "one": "two", "two": "real"},
        {"home": "deep/up", "deep/up": "../real"},
        {"home": "{0}/real"},
        {"home": "{0}/one/..//real/", "one": "{0}/deep/deeper/.."},
    ],
)
def test_links_of_the_current_user_are_followed(
    links: dict[str, str], store_in: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    for link, target in links.items():
        (tmp_path / link).symlink_to(target.format(tmp_path))
    assert store_in(tmp_path / "home" / "lazyplug") == ""
    assert store_in(tmp_path / "home" / ".." / "real" / "other") == ""
    assert os.listdir(tmp_path / "real" / "lazyplug") == [NAME]
    assert os.listdir(tmp_path / "real" / "other") == [NAME]


@posix
def test_dangling_and_circular_links_are_not_followed(
    store_in: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    (tmp_path / "circle").symlink_to("other")
    (tmp_path / "other").symlink_to("circle")
    before = descriptors()
    for link in ("nowhere", "circle"):
        assert store_in(tmp_path / link)
        assert store_in(tmp_path / link / "lazyplug")
    assert sorted(os.listdir(tmp_path)) == ["circle", "nowhere", "other"]
    assert descriptors() == before


@posix
def test_an_endless_chain_of_links_is_not_followed(
    store_in: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if another process had replaced them after the kernel followed them.
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real").mkdir()
    monkeypatch.setattr(fs, "readlink", lambda *_, **__: "link")
    assert os.strerror(errno.ELOOP) in store_in(tmp_path / "link" / "lazyplug")


@posix
def test_a_link_into_a_directory_that_others_may_write_into_is_rejected(
    store_in: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "open" / "inside").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "home").symlink_to("open/inside")
    assert "other users can write to it" in store_in(tmp_path / "home" / "lazyplug")
    assert os.listdir(tmp_path / "open" / "inside") == []


AS_OTHERS = """
import os, sys
sys.path[:0] = [{root!r}]
from lazyplug._indexing import storage
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
os.umask({umask})
storage.store({path!r}, {name!r}, b"content")
"""


@needs_root
@pytest.mark.parametrize("umask", [0, 0o022, 0o277, 0o777])
def test_a_parent_need_not_be_readable(umask: int, public: Path) -> None:
    # All is private whatever the umask, even below a directory of root.
    above, home = public / "above", public / "above" / "home"
    above.mkdir()
    above.chmod(0o711)
    home.mkdir()
    os.chown(home, 65534, 65534)
    home.chmod(0o300)
    path = home / "cache" / "lazyplug"
    code = AS_OTHERS.format(root=str(ROOT), umask=umask, path=str(path), name=NAME)
    assert python("-c", code).stderr == ""
    assert [mode(each) for each in (path.parent, path, path / NAME)] == [
        0o700,
        0o700,
        0o600,
    ]


HOOKED = f"""
import json, os, sys
sys.path[:0] = [{str(ROOT)!r}]
import lazyplug
event, directory = sys.argv[1:3]
raised = []
def refuse(name, arguments):
    writing = name != "open" or (arguments[2] or 0) & (os.O_WRONLY | os.O_DIRECTORY)
    if name == event and writing:
        raised.append(name)
        raise RuntimeError("refused")
sys.path[:] = [directory]
def query():
    lazyplug.invalidate_caches()
    return [point.value for point in lazyplug.entry_points(group="g")]
# before the hook, since imports open files and directories too
import lazyplug._indexing.update, lazyplug._indexing.rebuild
import lazyplug._log, lazyplug._messages
sys.addaudithook(refuse)
print(json.dumps([query(), query(), bool(raised)]))
"""


@posix
@pytest.mark.parametrize("event", ["open", "os.mkdir", "os.rename", "os.remove"])
def test_an_audit_hook_that_refuses_writes_affects_only_the_cache(
    event: str, site: PlantSite, isolated: Path
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    if event == "os.remove":
        isolated.mkdir(mode=0o700)
        write_aged(isolated / temporary_name(1), 3700)
    done = python("-c", HOOKED, event, str(directory))
    assert json.loads(done.stdout) == [["m:f"], ["m:f"], True]
    assert done.stderr == ""


def test_an_index_that_is_too_large_to_be_read_is_not_written(
    store_in: Callable[..., str], isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "SIZE_CAP", 1000)
    assert store_in(isolated, b"x" * 1000) == ""
    message = store_in(isolated / "b", b"x" * 1001)
    assert "1001 bytes exceed the limit of 1000" in message
    assert not (isolated / "b").exists()


# ------------------------------------------------------------------------- settings


@posix
def test_an_explicit_directory_is_made_absolute_and_its_tilde_expanded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    for value, expected in (("x", str(tmp_path / "x")), ("~/x", "/home/me/x")):
        monkeypatch.setenv("LAZYPLUG_CACHE_DIR", value)
        assert _settings.get_cache_directory() == expected


PRINT_SETTINGS = f"""
import json, os, sys
sys.path[:0] = [{str(ROOT)!r}]
from lazyplug import _environment, _files, _settings
print(json.dumps([
    _settings.get_setting("LAZYPLUG_CHECK"), _settings.get_cache_directory()
]))
"""


@posix
@pytest.mark.parametrize("flag", ["-E", "-I"])
def test_settings_are_ignored_if_python_ignores_its_own_variables(
    flag: str, tmp_path: Path
) -> None:
    env = {"LAZYPLUG_CHECK": "none", "HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    found = json.loads(python("-c", PRINT_SETTINGS, env=env).stdout)
    assert found == ["none", os.environ["LAZYPLUG_CACHE_DIR"]]
    found = json.loads(python(flag, "-c", PRINT_SETTINGS, env=env).stdout)
    assert found[0] == ""
    assert found[1] != os.environ["LAZYPLUG_CACHE_DIR"]


@needs_root
def test_settings_are_ignored_if_real_and_effective_user_differ() -> None:
    code = PRINT_SETTINGS.replace("print", "os.seteuid(65534)\nprint")
    found = json.loads(python("-c", code, env={"LAZYPLUG_CHECK": "none"}).stdout)
    assert found[0] == ""
    assert found[1] != os.environ["LAZYPLUG_CACHE_DIR"]


def test_off_neither_reads_nor_writes(
    query: Callable[[], list[str]], isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", "off")
    assert query() == ["m:f"]
    assert not isolated.exists()
    monkeypatch.setenv("LAZYPLUG_CACHE", "on")
    query()
    poisoned = poison(index_in(isolated))
    monkeypatch.setenv("LAZYPLUG_CACHE", "off")
    assert query() == ["m:f"]
    assert index_in(isolated).read_bytes() == poisoned


def test_readonly_reads_and_does_not_write(
    query: Callable[[], list[str]], isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", "readonly")
    assert query() == ["m:f"]
    assert not isolated.exists()
    monkeypatch.setenv("LAZYPLUG_CACHE", "on")
    query()
    poisoned = poison(index_in(isolated))
    monkeypatch.setenv("LAZYPLUG_CACHE", "readonly")
    assert query() == ["n:f"]
    plant(Path(sys.path[0]), dist("bar", entry_points="[g]\nb = n:f\n"))
    assert max(query()) == "n:f"
    assert index_in(isolated).read_bytes() == poisoned


@pytest.mark.parametrize(
    ("name", "value", "default"),
    [
        ("LAZYPLUG_CHECK", "ful", "full"),
        ("LAZYPLUG_CHECK", "NONE", "full"),
        ("LAZYPLUG_CACHE", "false", "on"),
        ("LAZYPLUG_CACHE", "0", "on"),
    ],
)
def test_an_invalid_setting_is_logged_once_and_means_the_default(
    name: str,
    value: str,
    default: str,
    query: Callable[[], list[str]],
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING, "lazyplug"):
        assert query() == query() == ["m:f"]
    (record,) = caplog.records
    assert record.name == "lazyplug"
    assert f"ignoring {name}={value!r}: expected '" in record.message
    assert record.message.endswith(f"; using {default!r}")
    assert index_in(isolated).exists()
    if name == "LAZYPLUG_CHECK":
        assert _environment.current().checked == default


@pytest.mark.parametrize("level", ["full", "dirs", "none"])
def test_a_valid_setting_is_not_logged(
    level: str,
    query: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", level)
    assert query() == ["m:f"]
    assert _environment.current().checked == level
    assert caplog.records == []
