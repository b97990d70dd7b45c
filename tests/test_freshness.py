"""Test that changes are found, and unchanged files neither read nor written again."""

import os
import shutil
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import _settings
from lazyplug._indexing import reading, storage
from lazyplug.testing import dist, plant
from tests.support.clock import LATER, MILLISECOND, SECOND, TICKS, Clockwork, Ticking
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs
from tests.support.index_format import stat_signature
from tests.support.scans import note_scans


@pytest.fixture
def clockwork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Clockwork]:
    """Return a function that stops the time of files and of the clock."""

    def install(tick: int = 1) -> Clockwork:
        ticks = Clockwork(tmp_path / "probe", tick)
        for name in ("stat", "fstat", "clock"):
            monkeypatch.setattr(fs, name, getattr(ticks, name))
        return ticks

    return install


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return note_scans(monkeypatch)


class Disk:
    """The files in the cache directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def state(self) -> list[tuple[str, int, int]]:
        """Return name, inode and mtime of each index: a new one has others."""
        return sorted(
            (file.name, file.stat().st_ino, file.stat().st_mtime_ns)
            for file in self._directory.glob("*")
        )


@pytest.fixture
def disk(isolated: Path) -> Disk:
    return Disk(isolated)


def query(group: str = "g") -> list[str]:
    """Return the values of a group as a new process finds them."""
    lazyplug.invalidate_caches()
    return sorted(f"{e.name}={e.value}" for e in lazyplug.entry_points(group=group))


def points(value: str = "m:f") -> str:
    return f"[g]\na = {value}\n"


def file_of(directory: Path, name: str = "foo") -> Path:
    return directory / f"{name}-1.0.dist-info" / "entry_points.txt"


# ------------------------------------------------------------------ the racy rule


def _rewrite(site: Path) -> Path:
    file_of(site).write_text(points("m:g"))
    return file_of(site)


def _rewrite_and_restore_mtime(site: Path) -> Path:
    before = os.stat(file_of(site))
    file_of(site).write_text(points("m:g"))
    os.utime(file_of(site), ns=(before.st_atime_ns, before.st_mtime_ns))
    return file_of(site)


def _add_distribution(site: Path) -> Path:
    plant(site, dist("bar", entry_points=points("m:g")))
    return site


def _metadata_of(name: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


def _rename_in_metadata(site: Path) -> Path:
    file = site / "-1.0.dist-info" / "METADATA"
    file.write_text(_metadata_of("baz"))
    return file


def _rewrite_archive(site: Path) -> Path:
    return _write_archive(site / "all.zip", "m:g")


def _write_archive(path: Path, value: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for directory, files in dist("foo", entry_points=points(value)).items():
            for name, content in files.items():
                archive.writestr(f"{directory}/{name}", content)
    return path


PLAIN = dist("foo", entry_points=points())
# Shadowed by foo, until its METADATA has another name.
NAMELESS = {
    "-1.0.dist-info": {
        "METADATA": _metadata_of("foo"),
        "entry_points.txt": points("n:f"),
    }
}
Change = tuple[dict[str, Any], Callable[[Path], Path], list[str], list[str]]
CHANGES: dict[str, Change] = {
    "rewritten": ({**PLAIN}, _rewrite, ["a=m:f"], ["a=m:g"]),
    "dated back": ({**PLAIN}, _rewrite_and_restore_mtime, ["a=m:f"], ["a=m:g"]),
    "added": ({**PLAIN}, _add_distribution, ["a=m:f"], ["a=m:f", "a=m:g"]),
    "renamed": (
        {**dist("foo", "2.0", points()), **NAMELESS},
        _rename_in_metadata,
        ["a=m:f"],
        ["a=m:f", "a=n:f"],
    ),
    "archive": ({}, _rewrite_archive, ["a=m:f"], ["a=m:g"]),
}


@pytest.fixture(params=list(TICKS.values()), ids=list(TICKS))
def tick(request: pytest.FixtureRequest) -> int:
    length: int = request.param
    return length


@pytest.fixture(params=list(CHANGES))
def hidden_change(
    request: pytest.FixtureRequest,
    tick: int,
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    set_path: SetPath,
) -> tuple[list[str], list[str]]:
    """Change something in the tick in which it was scanned.

    Return the right answers before and after; the stat signatures are equal.
    """
    tree, change, before, after = CHANGES[request.param]
    clock = clockwork(tick)
    directory = site(tree)
    set_path(_write_archive(directory / "all.zip", "m:f") if not tree else directory)
    clock.move(tick // 3)
    assert query() == before
    clock.move(tick // 3)
    known = {path: clock.stat(str(path)) for path in [directory, *directory.rglob("*")]}
    changed = change(directory)
    assert stat_signature(clock.stat(str(changed))) == stat_signature(known[changed])
    return before, after


@pytest.fixture
def archives(tmp_path: Path) -> None:
    # importlib_metadata imports the modules that read archives when it finds the
    # first one, which fails if sys.path was replaced.
    from lazyplug._indexing.archives import scan_archive

    found, _, _ = scan_archive(str(_write_archive(tmp_path / "any.zip", "m:f")))
    assert found


@pytest.mark.usefixtures("archives")
def test_a_change_in_the_tick_of_the_scan_is_found(
    hidden_change: tuple[list[str], list[str]],
) -> None:
    assert query() == hidden_change[1]


@pytest.fixture
def no_racy_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat no stat data as racy."""
    monkeypatch.setattr(reading, "RACY", -(10**20))


@pytest.mark.usefixtures("archives", "no_racy_rule")
def test_without_the_racy_rule_that_change_is_missed(
    hidden_change: tuple[list[str], list[str]],
) -> None:
    # This proves that the test above can fail.
    assert query() == hidden_change[0]


def test_a_change_within_a_tick_of_two_seconds_is_found(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    set_path: SetPath,
) -> None:
    # FAT has ticks of two seconds; the scan is at the end of one.
    clock = clockwork(2 * SECOND)
    directory = site(PLAIN)
    set_path(directory)
    clock.move(2 * SECOND - 1 - clock.clock() % (2 * SECOND))
    assert query() == ["a=m:f"]
    _rewrite(directory)
    assert query() == ["a=m:g"]


# ----------------------------------------------------------------- racy stat data


def test_racy_stat_data_becomes_reliable_and_is_written_exactly_once_more(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    set_path: SetPath,
    scanned: list[str],
    disk: Disk,
) -> None:
    clock = clockwork(4 * MILLISECOND)
    set_path(site(PLAIN))
    states = []
    for _ in range(3):
        query()
        states.append(disk.state())
    assert len(scanned) == 3  # racy: read by each process
    clock.move(3 * SECOND)
    for _ in range(3):
        query()
        states.append(disk.state())
    assert len(scanned) == 4  # reliable: read once more, then trusted
    assert states[0] == states[1] == states[2]
    assert states[2] != states[3]
    assert states[3] == states[4] == states[5]


@pytest.mark.usefixtures("late_clock")
def test_nothing_is_written_when_nothing_changed(
    site: PlantSite, set_path: SetPath, scanned: list[str], disk: Disk
) -> None:
    set_path(
        site({**PLAIN, **dist("bar")}), site({}, "empty"), site({}).parent / "absent"
    )
    query()
    state = disk.state()
    assert len(state) == 1
    scanned.clear()
    for _ in range(3):
        assert query() == ["a=m:f"]
        lazyplug.problems()
        lazyplug.refresh()
    assert disk.state() == state
    assert scanned == []


@pytest.mark.usefixtures("late_clock")
def test_an_absent_path_entry_stays_remembered_as_absent(
    site: PlantSite, set_path: SetPath, disk: Disk
) -> None:
    one = site(dist("foo", "1.0", points()), "one")
    two = site(dist("foo", "2.0", points("m:g")), "two")
    set_path(one, two, one.parent / "absent")
    assert query() == ["a=m:f"]
    # Between two of one key the metadata decides, so it is checked too.
    (one / "foo-1.0.dist-info" / "METADATA").write_text(_metadata_of("Foo"))
    query()
    state = disk.state()
    query()
    assert disk.state() == state


def test_an_mtime_in_the_future_is_reliable_after_two_equal_scans(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    set_path: SetPath,
    scanned: list[str],
    disk: Disk,
) -> None:
    clock = clockwork(4 * MILLISECOND)
    directory = site(PLAIN)
    future = time.time_ns() + 24 * LATER
    for path in (file_of(directory), directory):
        os.utime(path, ns=(future, future))
    set_path(directory)
    clock.move(3 * SECOND)
    query()
    racy = disk.state()
    assert len(scanned) == 1
    query()
    reliable = disk.state()
    assert len(scanned) == 2
    assert reliable != racy
    query()
    assert len(scanned) == 2
    assert disk.state() == reliable
    # Any later change moves ctime, even where mtime is set again.
    file_of(directory).write_text(points("m:g"))
    os.utime(file_of(directory), ns=(future, future))
    assert query() == ["a=m:g"]


def test_metadata_with_a_future_mtime_becomes_reliable_even_if_unused_before(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    set_path: SetPath,
    scanned: list[str],
    disk: Disk,
) -> None:
    clock = clockwork(4 * MILLISECOND)
    directory = site({**dist("foo", "2.0", points()), **NAMELESS})
    metadata = directory / "foo-2.0.dist-info" / "METADATA"
    other = directory / "-1.0.dist-info" / "METADATA"
    future = time.time_ns() + 24 * LATER
    os.utime(metadata, ns=(future, future))
    set_path(directory)
    clock.move(3 * SECOND)
    query()
    assert query() == ["a=m:f"]
    # With another name the first is the only one of its key; with `foo` it is not.
    for name, expected in (("bar", ["a=m:f", "a=n:f"]), ("foo", ["a=m:f"])):
        other.write_text(_metadata_of(name))
        clock.move(3 * SECOND)
        assert query() == expected
    state = disk.state()
    scanned.clear()
    query()
    assert scanned == []
    assert disk.state() == state


def test_if_the_clock_was_set_back_all_stays_racy_and_is_written_once(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    set_path: SetPath,
    scanned: list[str],
    disk: Disk,
) -> None:
    clock = clockwork(4 * MILLISECOND)
    directory = site(PLAIN)
    set_path(directory)
    clock.set_back = LATER
    query()
    state = disk.state()
    for count in range(2, 6):
        clock.move(3 * SECOND)
        assert query() == ["a=m:f"]
        assert len(scanned) == count
        assert disk.state() == state
    _rewrite(directory)
    assert query() == ["a=m:g"]


def _make_readonly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", "readonly")


def _make_unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage, "write", refuse)


@pytest.mark.parametrize("forbid", [_make_readonly, _make_unwritable])
def test_if_nothing_can_be_written_only_racy_distributions_are_read_again(
    forbid: Callable[[pytest.MonkeyPatch], None],
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    set_path: SetPath,
    scanned: list[str],
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = clockwork(4 * MILLISECOND)
    directory = site(
        {**dist("old", entry_points=points()), **dist("older", entry_points=points())}
    )
    set_path(directory)
    clock.move(3 * SECOND)
    plant(directory, dist("racy", entry_points=points()))
    query()
    state = disk.state()
    forbid(monkeypatch)
    scanned.clear()
    for _ in range(2):
        assert query() == ["a=m:f"] * 3
    clock.move(3 * SECOND)
    for _ in range(2):
        assert query() == ["a=m:f"] * 3
    assert scanned == ["racy-1.0.dist-info"] * 4
    assert disk.state() == state


# ------------------------------------------------------------ only changes are scanned


MANY = [f"many{number:02}" for number in range(50)]


@pytest.fixture
def many(late_clock: Ticking, site: PlantSite, set_path: SetPath) -> Path:
    """Return a site directory of many distributions that was scanned before."""
    directory = site({})
    for name in MANY:
        plant(directory, dist(name, entry_points=points() if name < "many25" else None))
    set_path(directory)
    query()
    return directory


def test_only_the_changed_one_of_many_distributions_is_read(
    many: Path, scanned: list[str]
) -> None:
    file_of(many, "many07").write_text(points("changed:f"))
    assert query().count("a=changed:f") == 1
    assert scanned == ["many07-1.0.dist-info"]
    query()
    assert len(scanned) == 1


def test_only_the_new_one_of_many_distributions_is_read(
    many: Path, scanned: list[str]
) -> None:
    plant(many, dist("new", entry_points=points("new:f")))
    assert query().count("a=new:f") == 1
    assert scanned == ["new-1.0.dist-info"]


def test_entry_points_added_to_or_removed_from_a_known_distribution_are_found(
    many: Path, scanned: list[str]
) -> None:
    file_of(many, "many30").write_text(points("new:f"))
    assert query().count("a=new:f") == 1
    file_of(many, "many30").unlink()
    assert query().count("a=new:f") == 0
    assert scanned == ["many30-1.0.dist-info"] * 2


def test_no_distribution_is_read_because_another_was_removed(
    many: Path, scanned: list[str]
) -> None:
    shutil.rmtree(many / "many07-1.0.dist-info")
    assert len(query()) == 24
    assert scanned == []


def test_a_difference_in_ctime_alone_is_read_once_and_remembered(
    many: Path, scanned: list[str]
) -> None:
    # As with hard links from an installer's store.
    before = query()
    os.link(file_of(many, "many07"), many / "link")
    assert query() == query() == before
    assert scanned == ["many07-1.0.dist-info"]


def test_an_index_of_another_order_of_sys_path_is_reused(
    many: Path, site: PlantSite, set_path: SetPath, scanned: list[str]
) -> None:
    other = site(dist("many07", "2.0", points("other:f")), "other")
    set_path(many, other)
    assert "a=other:f" not in query()
    assert scanned[0] == "many07-2.0.dist-info"
    read_for_the_first_time = set(scanned)
    scanned.clear()
    set_path(other, many)
    assert "a=other:f" in query()
    # Metadata decides which one wins: that of the two may be read, but no other.
    assert set(scanned) <= read_for_the_first_time
    assert read_for_the_first_time <= {"many07-1.0.dist-info", "many07-2.0.dist-info"}


def test_only_an_added_directory_is_read(
    many: Path, site: PlantSite, set_path: SetPath, scanned: list[str]
) -> None:
    other = site(
        {**dist("new", entry_points=points("new:f")), **dist("quiet")}, "other"
    )
    set_path(many, other)
    assert "a=new:f" in query()
    assert sorted(scanned) == ["new-1.0.dist-info", "quiet-1.0.dist-info"]
    scanned.clear()
    set_path(many, other.parent / "absent")
    assert len(query()) == 25
    assert scanned == []


def test_reused_records_are_checked_first(
    many: Path, set_path: SetPath, scanned: list[str]
) -> None:
    file_of(many, "many07").write_text(points("changed:f"))
    set_path(many, many.parent / "absent")
    assert query().count("a=changed:f") == 1
    assert scanned == ["many07-1.0.dist-info"]


def test_no_record_of_another_prefix_is_reused(
    many: Path, scanned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(many.parent))
    assert len(query()) == 25
    assert len(scanned) == len(MANY)


def test_no_record_of_a_damaged_index_is_reused(
    many: Path, set_path: SetPath, scanned: list[str], isolated: Path
) -> None:
    (file,) = isolated.glob("*.json")
    file.write_bytes(file.read_bytes()[:-10])
    set_path(many, many.parent / "absent")
    assert len(query()) == 25
    assert len(scanned) == len(MANY)


# ---------------------------------------------------------------------- check levels


@pytest.fixture
def checked(many: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the paths that are checked, by stat or by access."""
    found: list[str] = []
    stat = fs.stat
    access: Callable[..., bool] = fs.access

    def full_path(path: str, dir_fd: int | None) -> str:
        root = "" if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
        return os.path.join(root, os.fsdecode(path))

    def note_stat(path: str, dir_fd: int | None = None) -> Any:
        found.append(full_path(path, dir_fd))
        return stat(path, dir_fd=dir_fd)

    def note_access(path: str, mode: int, dir_fd: int | None = None) -> bool:
        # The check for a frozen index does not count.
        if path != os.path.join(sys.prefix, _settings.FROZEN):
            found.append(full_path(path, dir_fd))
        return access(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(fs, "stat", note_stat)
    monkeypatch.setattr(fs, "access", note_access)
    return found


def test_full_checks_one_file_of_every_distribution(
    many: Path, checked: list[str]
) -> None:
    query()
    assert sorted(checked) == sorted(
        [str(many), *(str(file_of(many, n)) for n in MANY)]
    )


def test_dirs_checks_no_distribution(
    many: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    assert len(query()) == 25
    assert checked == [str(many)]


def test_dirs_finds_new_distributions_but_not_changed_files(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    file_of(many, "many07").write_text(points("changed:f"))
    assert "a=changed:f" not in query()
    plant(many, dist("new", entry_points=points("new:f")))
    assert "a=new:f" in query()


def test_dirs_checks_everything_once_before_it_reports_a_missing_name(
    many: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    file_of(many, "many30").write_text("[g]\nunseen = os:sep\n[h]\nb = m:f\n")
    assert len(query()) == 25
    del checked[:]
    manager = lazyplug.DriverManager[str]("g", "unseen")
    assert manager.driver == os.sep
    assert len(checked) > len(MANY)
    del checked[:]
    for _ in range(2):
        with pytest.raises(lazyplug.NoMatches, match="no extension named 'missing'"):
            lazyplug.DriverManager[str]("g", "missing")
    assert lazyplug.entry_points(group="h").names == {"b"}
    assert lazyplug.entry_points(group="no such group") == ()
    assert checked == []  # once per process


@pytest.mark.parametrize("name", ["unseen", "missing"])
def test_every_kind_of_query_for_a_missing_name_checks_everything(
    name: str, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    file_of(many, "many30").write_text("[g]\nunseen = os:sep\n")
    exists = name == "unseen"
    query()
    assert bool(lazyplug.entry_points(group="g", name=name)) == exists
    query()
    manager = lazyplug.NamedExtensionManager[str](
        "g", [name], on_missing_entrypoints_callback=None
    )
    assert bool(manager.names()) == exists
    query()
    everything = lazyplug.ExtensionManager[str]("g", conflict_resolver=_first)
    if exists:
        assert everything[name].plugin == os.sep
    else:
        with pytest.raises(lazyplug.NoMatches, match="no extension named 'missing'"):
            _ = everything[name]


def _first(namespace: str, name: str, found: list[Any]) -> Any:
    return found[0]


def test_none_checks_nothing(
    many: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "none")
    shutil.rmtree(many)
    assert len(query()) == 25
    assert checked == []


def test_refresh_checks_everything_at_every_level(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "none")
    query()
    plant(many, dist("new", entry_points=points("new:f")))
    assert "a=new:f" not in query()
    assert lazyplug.refresh().added == ("new 1.0",)
    assert "new:f" in [e.value for e in lazyplug.entry_points(group="g")]
