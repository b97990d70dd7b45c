"""What changed is seen; what did not is neither looked at again nor written."""

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
from tests.support.index_format import stat_signature
from tests.support.scans import note_scans
from tests.support.seam import fs


@pytest.fixture
def clockwork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Clockwork]:
    """Return a function that puts time that stands still into the seam."""

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
    """What is written to the cache folder."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory

    def state(self) -> list[tuple[str, int, int]]:
        """Return name, inode and mtime of each index: a new one has others."""
        return sorted(
            (file.name, file.stat().st_ino, file.stat().st_mtime_ns)
            for file in self._folder.glob("*")
        )


@pytest.fixture
def disk(isolated: Path) -> Disk:
    return Disk(isolated)


def look(group: str = "g") -> list[str]:
    """Return the values of a group as a new process finds them."""
    lazyplug.invalidate_caches()
    return sorted(f"{e.name}={e.value}" for e in lazyplug.entry_points(group=group))


def points(value: str = "m:f") -> str:
    return f"[g]\na = {value}\n"


def file_of(directory: Path, name: str = "foo") -> Path:
    return directory / f"{name}-1.0.dist-info" / "entry_points.txt"


# ------------------------------------------------------------------ the racy rule


def _rewritten(site: Path) -> Path:
    file_of(site).write_text(points("m:g"))
    return file_of(site)


def _rewritten_and_dated_back(site: Path) -> Path:
    before = os.stat(file_of(site))
    file_of(site).write_text(points("m:g"))
    os.utime(file_of(site), ns=(before.st_atime_ns, before.st_mtime_ns))
    return file_of(site)


def _distribution_added(site: Path) -> Path:
    plant(site, dist("bar", entry_points=points("m:g")))
    return site


def _named(name: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"


def _renamed_in_its_metadata(site: Path) -> Path:
    file = site / "-1.0.dist-info" / "METADATA"
    file.write_text(_named("baz"))
    return file


def _archive_rewritten(site: Path) -> Path:
    return _archive(site / "all.zip", "m:g")


def _archive(path: Path, value: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for directory, files in dist("foo", entry_points=points(value)).items():
            for name, content in files.items():
                archive.writestr(f"{directory}/{name}", content)
    return path


PLAIN = dist("foo", entry_points=points())
# Shadowed by foo, until its METADATA says another name.
NAMELESS = {
    "-1.0.dist-info": {"METADATA": _named("foo"), "entry_points.txt": points("n:f")}
}
Change = tuple[dict[str, Any], Callable[[Path], Path], list[str], list[str]]
CHANGES: dict[str, Change] = {
    "rewritten": ({**PLAIN}, _rewritten, ["a=m:f"], ["a=m:g"]),
    "dated back": ({**PLAIN}, _rewritten_and_dated_back, ["a=m:f"], ["a=m:g"]),
    "added": ({**PLAIN}, _distribution_added, ["a=m:f"], ["a=m:f", "a=m:g"]),
    "renamed": (
        {**dist("foo", "2.0", points()), **NAMELESS},
        _renamed_in_its_metadata,
        ["a=m:f"],
        ["a=m:f", "a=n:f"],
    ),
    "archive": ({}, _archive_rewritten, ["a=m:f"], ["a=m:g"]),
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
    only: SetPath,
) -> tuple[list[str], list[str]]:
    """Change something in the tick in which it was looked at.

    Returns the right answers before and after; the stamps are equal.
    """
    tree, change, before, after = CHANGES[request.param]
    seam = clockwork(tick)
    directory = site(tree)
    only(_archive(directory / "all.zip", "m:f") if not tree else directory)
    seam.move(tick // 3)
    assert look() == before
    seam.move(tick // 3)
    known = {path: seam.stat(str(path)) for path in [directory, *directory.rglob("*")]}
    changed = change(directory)
    assert stat_signature(seam.stat(str(changed))) == stat_signature(known[changed])
    return before, after


@pytest.fixture
def archives(tmp_path: Path) -> None:
    # importlib_metadata imports what it reads archives with when it meets the
    # first one, and finds it only while sys.path is whole.
    from lazyplug._indexing.archives import scan_archive

    found, _, _ = scan_archive(str(_archive(tmp_path / "any.zip", "m:f")))
    assert found


@pytest.mark.usefixtures("archives")
def test_a_change_in_the_tick_of_the_look_is_seen(
    hidden_change: tuple[list[str], list[str]],
) -> None:
    assert look() == hidden_change[1]


@pytest.fixture
def no_racy_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believe every stamp, however young."""
    monkeypatch.setattr(reading, "RACY", -(10**20))


@pytest.mark.usefixtures("archives", "no_racy_rule")
def test_without_the_racy_rule_that_change_is_missed(
    hidden_change: tuple[list[str], list[str]],
) -> None:
    # This proves that the test above can fail.
    assert look() == hidden_change[0]


def test_a_change_is_seen_though_it_hides_two_seconds_long(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    only: SetPath,
) -> None:
    # FAT has ticks of two seconds: looked at when the tick is about to end.
    seam = clockwork(2 * SECOND)
    directory = site(PLAIN)
    only(directory)
    seam.move(2 * SECOND - 1 - seam.clock() % (2 * SECOND))
    assert look() == ["a=m:f"]
    _rewritten(directory)
    assert look() == ["a=m:g"]


# ------------------------------------------------------------------ stamps settle


def test_young_stamps_settle_and_are_written_exactly_once_more(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    only: SetPath,
    scanned: list[str],
    disk: Disk,
) -> None:
    seam = clockwork(4 * MILLISECOND)
    only(site(PLAIN))
    states = []
    for _ in range(3):
        look()
        states.append(disk.state())
    assert len(scanned) == 3  # young: read at each look
    seam.move(3 * SECOND)
    for _ in range(3):
        look()
        states.append(disk.state())
    assert len(scanned) == 4  # old: read once more, then believed
    assert states[0] == states[1] == states[2]
    assert states[2] != states[3]
    assert states[3] == states[4] == states[5]


@pytest.mark.usefixtures("reliable")
def test_nothing_is_written_when_nothing_changed(
    site: PlantSite, only: SetPath, scanned: list[str], disk: Disk
) -> None:
    only(site({**PLAIN, **dist("bar")}), site({}, "empty"), site({}).parent / "absent")
    look()
    state = disk.state()
    assert len(state) == 1
    scanned.clear()
    for _ in range(3):
        assert look() == ["a=m:f"]
        lazyplug.problems()
        lazyplug.refresh()
    assert disk.state() == state
    assert scanned == []


@pytest.mark.usefixtures("reliable")
def test_an_absent_path_entry_stays_remembered_as_absent(
    site: PlantSite, only: SetPath, disk: Disk
) -> None:
    one = site(dist("foo", "1.0", points()), "one")
    two = site(dist("foo", "2.0", points("m:g")), "two")
    only(one, two, one.parent / "absent")
    assert look() == ["a=m:f"]
    # Of two of one key the metadata decides, so it is looked at again.
    (one / "foo-1.0.dist-info" / "METADATA").write_text(_named("Foo"))
    look()
    state = disk.state()
    look()
    assert disk.state() == state


def test_an_mtime_in_the_future_settles_after_two_equal_looks(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    only: SetPath,
    scanned: list[str],
    disk: Disk,
) -> None:
    seam = clockwork(4 * MILLISECOND)
    directory = site(PLAIN)
    future = time.time_ns() + 24 * LATER
    for path in (file_of(directory), directory):
        os.utime(path, ns=(future, future))
    only(directory)
    seam.move(3 * SECOND)
    look()
    racy = disk.state()
    assert len(scanned) == 1
    look()
    calm = disk.state()
    assert len(scanned) == 2
    assert calm != racy
    look()
    assert len(scanned) == 2
    assert disk.state() == calm
    # Any later change moves ctime, even where mtime is set again.
    file_of(directory).write_text(points("m:g"))
    os.utime(file_of(directory), ns=(future, future))
    assert look() == ["a=m:g"]


def test_metadata_in_the_future_settles_though_it_decided_nothing_for_a_while(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    only: SetPath,
    scanned: list[str],
    disk: Disk,
) -> None:
    seam = clockwork(4 * MILLISECOND)
    directory = site({**dist("foo", "2.0", points()), **NAMELESS})
    metadata = directory / "foo-2.0.dist-info" / "METADATA"
    other = directory / "-1.0.dist-info" / "METADATA"
    future = time.time_ns() + 24 * LATER
    os.utime(metadata, ns=(future, future))
    only(directory)
    seam.move(3 * SECOND)
    look()
    assert look() == ["a=m:f"]
    # With another name there the first is the only one of its key, then not again.
    for name, seen in (("bar", ["a=m:f", "a=n:f"]), ("foo", ["a=m:f"])):
        other.write_text(_named(name))
        seam.move(3 * SECOND)
        assert look() == seen
    calm = disk.state()
    scanned.clear()
    look()
    assert scanned == []
    assert disk.state() == calm


def test_a_clock_that_was_set_back_settles_nothing_and_writes_once(
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    only: SetPath,
    scanned: list[str],
    disk: Disk,
) -> None:
    seam = clockwork(4 * MILLISECOND)
    directory = site(PLAIN)
    only(directory)
    seam.set_back = LATER
    look()
    state = disk.state()
    for looks in range(2, 6):
        seam.move(3 * SECOND)
        assert look() == ["a=m:f"]
        assert len(scanned) == looks
        assert disk.state() == state
    _rewritten(directory)
    assert look() == ["a=m:g"]


def _readonly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", "readonly")


def _unwritable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(storage, "write", refuse)


@pytest.mark.parametrize("forbid", [_readonly, _unwritable])
def test_where_nothing_can_be_written_only_the_racy_ones_are_read_again(
    forbid: Callable[[pytest.MonkeyPatch], None],
    clockwork: Callable[..., Clockwork],
    site: PlantSite,
    only: SetPath,
    scanned: list[str],
    disk: Disk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seam = clockwork(4 * MILLISECOND)
    directory = site(
        {**dist("old", entry_points=points()), **dist("older", entry_points=points())}
    )
    only(directory)
    seam.move(3 * SECOND)
    plant(directory, dist("young", entry_points=points()))
    look()
    state = disk.state()
    forbid(monkeypatch)
    scanned.clear()
    for _ in range(2):
        assert look() == ["a=m:f"] * 3
    seam.move(3 * SECOND)
    for _ in range(2):
        assert look() == ["a=m:f"] * 3
    assert scanned == ["young-1.0.dist-info"] * 4
    assert disk.state() == state


# ------------------------------------------------------- what changed is scanned alone


MANY = [f"many{number:02}" for number in range(50)]


@pytest.fixture
def many(reliable: Ticking, site: PlantSite, only: SetPath) -> Path:
    """Return a site folder of many distributions that was looked at."""
    directory = site({})
    for name in MANY:
        plant(directory, dist(name, entry_points=points() if name < "many25" else None))
    only(directory)
    look()
    return directory


def test_one_changed_distribution_of_many_is_read_alone(
    many: Path, scanned: list[str]
) -> None:
    file_of(many, "many07").write_text(points("changed:f"))
    assert look().count("a=changed:f") == 1
    assert scanned == ["many07-1.0.dist-info"]
    look()
    assert len(scanned) == 1


def test_one_new_distribution_is_read_alone(many: Path, scanned: list[str]) -> None:
    plant(many, dist("new", entry_points=points("new:f")))
    assert look().count("a=new:f") == 1
    assert scanned == ["new-1.0.dist-info"]


def test_entry_points_that_come_and_go_in_a_known_distribution_are_seen(
    many: Path, scanned: list[str]
) -> None:
    file_of(many, "many30").write_text(points("new:f"))
    assert look().count("a=new:f") == 1
    file_of(many, "many30").unlink()
    assert look().count("a=new:f") == 0
    assert scanned == ["many30-1.0.dist-info"] * 2


def test_a_distribution_that_went_has_no_other_read(
    many: Path, scanned: list[str]
) -> None:
    shutil.rmtree(many / "many07-1.0.dist-info")
    assert len(look()) == 24
    assert scanned == []


def test_a_difference_in_ctime_alone_is_read_once_and_remembered(
    many: Path, scanned: list[str]
) -> None:
    # As of hard links from an installer's store.
    before = look()
    os.link(file_of(many, "many07"), many / "link")
    assert look() == look() == before
    assert scanned == ["many07-1.0.dist-info"]


def test_another_order_of_the_path_takes_all_over(
    many: Path, site: PlantSite, only: SetPath, scanned: list[str]
) -> None:
    other = site(dist("many07", "2.0", points("other:f")), "other")
    only(many, other)
    assert "a=other:f" not in look()
    assert scanned[0] == "many07-2.0.dist-info"
    read_for_the_first_time = set(scanned)
    scanned.clear()
    only(other, many)
    assert "a=other:f" in look()
    # Who wins is decided by metadata: that of the two may be looked at, no other.
    assert set(scanned) <= read_for_the_first_time
    assert read_for_the_first_time <= {"many07-1.0.dist-info", "many07-2.0.dist-info"}


def test_an_added_folder_alone_is_read(
    many: Path, site: PlantSite, only: SetPath, scanned: list[str]
) -> None:
    other = site(
        {**dist("new", entry_points=points("new:f")), **dist("quiet")}, "other"
    )
    only(many, other)
    assert "a=new:f" in look()
    assert sorted(scanned) == ["new-1.0.dist-info", "quiet-1.0.dist-info"]
    scanned.clear()
    only(many, other.parent / "absent")
    assert len(look()) == 25
    assert scanned == []


def test_what_is_taken_over_is_checked_first(
    many: Path, only: SetPath, scanned: list[str]
) -> None:
    file_of(many, "many07").write_text(points("changed:f"))
    only(many, many.parent / "absent")
    assert look().count("a=changed:f") == 1
    assert scanned == ["many07-1.0.dist-info"]


def test_nothing_is_taken_over_from_another_prefix(
    many: Path, scanned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(many.parent))
    assert len(look()) == 25
    assert len(scanned) == len(MANY)


def test_nothing_is_taken_over_from_a_damaged_index(
    many: Path, only: SetPath, scanned: list[str], isolated: Path
) -> None:
    (file,) = isolated.glob("*.json")
    file.write_bytes(file.read_bytes()[:-10])
    only(many, many.parent / "absent")
    assert len(look()) == 25
    assert len(scanned) == len(MANY)


# ---------------------------------------------------------------- levels of checking


@pytest.fixture
def asked(many: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the paths that are looked at, by stat or by access."""
    found: list[str] = []
    stat = fs.stat
    access: Callable[..., bool] = fs.access

    def whole(path: str, dir_fd: int | None) -> str:
        root = "" if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
        return os.path.join(root, os.fsdecode(path))

    def watched_stat(path: str, dir_fd: int | None = None) -> Any:
        found.append(whole(path, dir_fd))
        return stat(path, dir_fd=dir_fd)

    def watched_access(path: str, mode: int, dir_fd: int | None = None) -> bool:
        # If there is a frozen index is no question of what is installed.
        if path != os.path.join(sys.prefix, _settings.FROZEN):
            found.append(whole(path, dir_fd))
        return access(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(fs, "stat", watched_stat)
    monkeypatch.setattr(fs, "access", watched_access)
    return found


def test_full_looks_at_one_file_of_every_distribution(
    many: Path, asked: list[str]
) -> None:
    look()
    assert sorted(asked) == sorted([str(many), *(str(file_of(many, n)) for n in MANY)])


def test_dirs_looks_at_no_distribution(
    many: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    assert len(look()) == 25
    assert asked == [str(many)]


def test_dirs_sees_what_comes_into_a_folder_but_not_what_changes_in_a_file(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    file_of(many, "many07").write_text(points("changed:f"))
    assert "a=changed:f" not in look()
    plant(many, dist("new", entry_points=points("new:f")))
    assert "a=new:f" in look()


def test_before_dirs_says_that_a_name_is_missing_all_is_checked_once(
    many: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    file_of(many, "many30").write_text("[g]\nunseen = os:sep\n[h]\nb = m:f\n")
    assert len(look()) == 25
    del asked[:]
    manager = lazyplug.DriverManager[str]("g", "unseen")
    assert manager.driver == os.sep
    assert len(asked) > len(MANY)
    del asked[:]
    for _ in range(2):
        with pytest.raises(lazyplug.NoMatches, match="no extension named 'missing'"):
            lazyplug.DriverManager[str]("g", "missing")
    assert lazyplug.entry_points(group="h").names == {"b"}
    assert lazyplug.entry_points(group="no such group") == ()
    assert asked == []  # once a process


@pytest.mark.parametrize("name", ["unseen", "missing"])
def test_a_missing_name_gets_its_full_check_from_every_kind_of_question(
    name: str, many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    file_of(many, "many30").write_text("[g]\nunseen = os:sep\n")
    there = name == "unseen"
    look()
    assert bool(lazyplug.entry_points(group="g", name=name)) == there
    look()
    manager = lazyplug.NamedExtensionManager[str](
        "g", [name], on_missing_entrypoints_callback=None
    )
    assert bool(manager.names()) == there
    look()
    everything = lazyplug.ExtensionManager[str]("g", conflict_resolver=_first)
    if there:
        assert everything[name].plugin == os.sep
    else:
        with pytest.raises(lazyplug.NoMatches, match="no extension named 'missing'"):
            _ = everything[name]


def _first(namespace: str, name: str, found: list[Any]) -> Any:
    return found[0]


def test_none_trusts_and_looks_at_nothing(
    many: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "none")
    shutil.rmtree(many)
    assert len(look()) == 25
    assert asked == []


def test_refresh_checks_everything_at_every_level(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "none")
    look()
    plant(many, dist("new", entry_points=points("new:f")))
    assert "a=new:f" not in look()
    assert lazyplug.refresh().added == ("new 1.0",)
    assert "new:f" in [e.value for e in lazyplug.entry_points(group="g")]
