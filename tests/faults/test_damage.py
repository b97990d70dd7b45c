"""Damage the files of lazyplug in every way: answers stay right, the file is repaired.

The index is that of the environment that runs the tests. The same damage to the cache
of stevedore is counted for comparison.
"""

import json
import logging
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
from stevedore._cache import Cache

import lazyplug
from lazyplug.testing import Tree, dist, plant
from tests.support.clock import Ticking, after_last_change
from tests.support.damage import (
    BYTES,
    INDEX,
    PARTS,
    SAMPLE,
    THINGS,
    Damaged,
    beyond,
    compact,
    descriptors,
    difference,
    fault_of,
    junk,
    picked,
)
from tests.support.fixtures import Count, SetPath
from tests.support.index_format import SCHEMA, TITLE_LENGTH, from_bytes, table_of, title
from tests.support.index_heads import (
    NO_JSON,
    STRANGE,
    head_of,
    headed,
    in_lines,
    places,
    replaced,
    strange_heads,
)
from tests.support.owners import row_of
from tests.support.tally import LONG
from tests.support.users import RIGHT, index_in, posix, query_as_nobody

# The environment in which pytest is installed.
SITE = Path(pytest.__file__).parent.parent
# Distributions that a real environment may lack: a shadowed one, and a broken one.
MORE: Tree = {
    **dist("pytest", "0.1", "[console_scripts]\nshadowed = m:f\n[shadowed]\na = m:f\n"),
    "odd-1.0.dist-info": {
        "METADATA": "Name: odd\n",
        "entry_points.txt": "[caf\u00e9]\na = m:f [x]\n[console_scripts]\nodd = m-m\n",
    },
}


def plant_real(directory: Path) -> list[str]:
    """Copy the installed metadata, add `MORE` after it; return the path entries."""
    for found in [*SITE.glob("*.dist-info"), *SITE.glob("*.egg-info")]:
        for name in ("METADATA", "PKG-INFO", "entry_points.txt"):
            if (found / name).is_file():
                (directory / "real" / found.name).mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found / name, directory / "real" / found.name / name)
    plant(directory / "more", MORE)
    return [str(directory / "real"), str(directory / "more"), str(directory / "absent")]


def other_indexes(
    path: list[str], cache: Path, set_path: SetPath, query: Callable[[], Any]
) -> Iterator[bytes]:
    """Yield an index of another `sys.path`, and one of an earlier state."""
    before = plant(
        Path(path[1]), dist("before", entry_points="[console_scripts]\nb = m\n")
    )
    for entries in (path[::-1], path):
        set_path(*entries)
        query()
        (file,) = cache.iterdir()
        yield file.read_bytes()
        file.unlink()
    after_last_change(cache.parent / "probe")
    shutil.rmtree(before / "before-1.0.dist-info")


class Ours(Damaged):
    """lazyplug in a real environment, with a fresh index."""

    what, sample = INDEX, SAMPLE

    def __init__(self, directory: Path, cache: Path, set_path: SetPath) -> None:
        self.path = plant_real(directory)
        self.cache = cache
        self.set_path = set_path
        self.others = list(other_indexes(self.path, cache, set_path, self.query))
        self.prepare(cache, ".json")
        self.parts = parts_of(self.intact)
        self.read = [slice(part.start, part.stop) for part in self.parts.values()]

    def query(self) -> tuple[Any, ...]:
        """Return all that a new process finds when it reads the whole index."""
        lazyplug.invalidate_caches()
        points = lazyplug.entry_points()
        rows = [row_of(p) for p in points]
        return (*rows, *lazyplug.problems())

    def query_group(self, group: str) -> tuple[Any, ...]:
        """Return the rows of one group, which is the smallest read."""
        return tuple(row_of(p) for p in lazyplug.entry_points(group=group))

    def truth_of(self, group: str) -> tuple[Any, ...]:
        return tuple(row for row in self.truth if len(row) == 6 and row[0] == group)

    def put(self, data: bytes) -> None:
        """Write these bytes into the index."""
        self.file.write_bytes(data)


@pytest.fixture
def ours(
    late_clock: Ticking,
    tmp_path: Path,
    isolated: Path,
    set_path: SetPath,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Ours]:
    """Return lazyplug; check that it logs no warning and leaves no file open."""
    found = Ours(tmp_path / "environment", isolated, set_path)
    before = descriptors()
    yield found
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert descriptors() == before
    assert len(os.listdir(isolated)) == 1


def parts_of(data: bytes) -> dict[str, range]:
    """Return the positions of the parts of an index, by name."""
    index = from_bytes(data)
    start = index.after_watch
    found = {
        "header": range(TITLE_LENGTH + len(index.header)),
        "watch list": range(TITLE_LENGTH + len(index.header), start),
    }
    for group, offset, length, _ in table_of(index):
        found[f"group {group}"] = range(start + offset, start + offset + length)
    offset, length, _ = index.detail
    found["records"] = range(start + offset, start + offset + length)
    return found


class Stevedore:
    """stevedore in the same environment, with its own cache."""

    def __init__(self, directory: Path, cache: Path, set_path: SetPath) -> None:
        self.cache = cache
        path = plant_real(directory)
        self.groups = sorted(
            {
                p.group
                for p in importlib_metadata.distributions(path=path)
                for p in p.entry_points
            }
        )
        self.others = list(other_indexes(path, cache, set_path, self.query))
        self.truth = self.query()
        (self.file,) = cache.iterdir()
        self.intact = self.file.read_bytes()

    def query(self) -> tuple[Any, ...]:
        cache = Cache(str(self.cache))
        return tuple(
            (group, point.name, point.value)
            for group in self.groups
            for point in cache.get_group_all(group)
        )

    def harm(self, data: bytes) -> list[str]:
        self.file.write_bytes(data)
        return list(filter(None, [difference(self.query(), self.truth)]))


@pytest.fixture
def rival(tmp_path: Path, set_path: SetPath) -> Stevedore:
    if Cache(str(tmp_path))._disable_caching:
        pytest.skip("stevedore keeps no cache for an interpreter under /tmp")
    return Stevedore(tmp_path / "environment", tmp_path / "rival", set_path)


def test_the_right_answer_is_that_of_importlib_metadata(ours: Ours) -> None:
    found = sorted((row[0], row[1], row[2], row[5][0]) for row in ours.truth[:-1])
    assert found == sorted(
        (point.group, point.name, point.value, point.dist._normalized_name)
        for point in importlib_metadata.entry_points()
    )
    assert len({key for *_, key in found}) > 5
    (problem,) = [row for row in ours.truth if isinstance(row, lazyplug.Problem)]
    assert "is not a valid reference (expected `module:attr`)" in problem.reason
    assert b'"shadowed"' in ours.intact


# -------------------------------------------------------------- damage to the bytes


@pytest.fixture(params=["ours", "learned"], ids=["index", "facts"])
def damaged(request: pytest.FixtureRequest) -> Damaged:
    """Return an index, then learned facts."""
    found: Damaged = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("fault", BYTES)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(1800)
def test_damage_to_the_bytes_changes_no_answer_and_is_repaired(
    fault: str, part: int, damaged: Damaged, long: bool, tally: Count
) -> None:
    picks = picked(part, long, damaged.sample)
    with tally(fault_of(fault, damaged.what)) as count:
        for label, data in BYTES[fault](damaged.intact, damaged.others, picks):
            if data != damaged.intact:
                # The older file is intact, but stale.
                reported = data != damaged.others[1]
                count.check(partial(damaged.harm, data, reported), [], label)


@LONG
@pytest.mark.parametrize("fault", BYTES)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(1800)
def test_damage_to_the_bytes_of_the_cache_of_stevedore_is_counted(
    fault: str, part: int, rival: Stevedore, long: bool, tally: Count
) -> None:
    with tally(fault, "stevedore") as count:
        for label, data in BYTES[fault](rival.intact, rival.others, picked(part, long)):
            if data != rival.intact:
                count.check(partial(rival.harm, data), [], label)


# --------------------------------------------- other JSON values with valid checksums

SHAPE = "an invalid value in the index"
LIMITS = "nesting and numbers beyond Python's limits in the index"
FUTURE = "an index written by a future version"


@pytest.mark.timeout(1800)
@pytest.mark.covers
def test_a_head_of_a_wrong_shape_changes_no_answer_and_is_repaired(
    ours: Ours, long: bool, tally: Count
) -> None:
    # If one of these heads were accepted, nothing would ever replace it.
    always = {"['7'] at (2,)", f"{'9' * 30!r} at (3, 2)", "'-1' at (4, 6)"}
    heads = [*enumerate(strange_heads(ours.intact))]
    assert always <= {label for _, (label, _) in heads}
    with tally(SHAPE) as count:
        for number, (label, data) in heads:
            if not long and number % 5 and label not in always:
                continue
            if data != ours.intact:
                # This head is valid, but stale: it has a missing path entry.
                reported = not label.startswith("'-' at (1, ")
                count.check(partial(ours.harm, data, reported), [], label)


@pytest.mark.timeout(1800)
def test_a_head_that_python_cannot_decode_changes_no_answer_and_is_repaired(
    ours: Ours, long: bool, tally: Count
) -> None:
    with tally(LIMITS) as count:
        for label, text in [*beyond(head_of(ours.intact), in_lines)][
            :: 1 if long else 5
        ]:
            count.check(partial(ours.harm, headed(ours.intact, text)), [], label)
        for label, text in NO_JSON.items():
            count.check(partial(ours.harm, headed(ours.intact, text)), [], label)


@LONG
@pytest.mark.timeout(1800)
def test_values_of_a_wrong_shape_in_the_cache_of_stevedore_are_counted(
    rival: Stevedore, long: bool, tally: Count
) -> None:
    document = json.loads(rival.intact)
    with tally(SHAPE, "stevedore") as count:
        paths = [*places(document)][:: 1 if long else 53]
        for number, path in enumerate(paths):
            for other in STRANGE[number % 4 :: 4]:
                data = json.dumps(replaced(document, path, other)).encode()
                count.check(partial(rival.harm, data), [], f"{other!r} at {path}")
    with tally(LIMITS, "stevedore") as count:
        # Each place in the whole document would take an hour.
        document["groups"] = {group: [] for group in rival.groups[:3]}
        for label, text in [*beyond(document, compact)][::7]:
            count.check(partial(rival.harm, text), [], label)


@pytest.mark.parametrize("schema", [0, 1, 3, 10, 99, 2**31, 2**64, -1, '"2"', "null"])
def test_an_index_of_another_schema_version_is_not_read_and_is_replaced(
    schema: Any, ours: Ours, tally: Count
) -> None:
    mark = f'["lazyplug",{SCHEMA},'.encode()
    assert ours.intact.startswith(mark)
    with tally(FUTURE) as count:
        count.check(
            lambda: ours.harm(
                ours.intact.replace(mark, f'["lazyplug",{schema},'.encode(), 1)
            ),
            [],
        )


@pytest.mark.covers
def test_an_index_of_another_layout_is_not_read_and_is_replaced(
    ours: Ours, tally: Count
) -> None:
    header = from_bytes(ours.intact).header
    rest = ours.intact[TITLE_LENGTH + len(header) :]
    layouts = [
        b'{"lazyplug":2}\n',
        b"SQLite format 3\0" + junk(0, 4096),
        b"\x28\xb5\x2f\xfd" + junk(1, 4096),
        # A head with one line more, a head with other line breaks.
        headed(ours.intact, [*head_of(ours.intact), ["more"]]),
        headed(ours.intact, json.dumps(head_of(ours.intact), indent=1).encode()),
        title(header + b'["lazyplug"]\n') + header + b'["lazyplug"]\n' + rest,
        title(header + b"\n") + header + b"\n" + rest,
        title(b"\n" + header) + b"\n" + header + rest,
    ]
    with tally(FUTURE) as count:
        for number, data in enumerate(layouts):
            count.check(partial(ours.harm, data), [], f"layout {number}")


# --------------------------------------------------- damage to parts that are not read


def test_damage_to_a_part_is_repaired_when_the_part_is_requested(
    ours: Ours, long: bool, tally: Count
) -> None:
    groups = [name[6:] for name in ours.parts if name.startswith("group ")]

    def harm(part: str, at: int, new_process: bool) -> list[str]:
        byte = bytes([ours.intact[at] ^ 1])
        damaged = ours.intact[:at] + byte + ours.intact[at + 1 :]
        ours.put(damaged)
        lazyplug.invalidate_caches()
        faults = [
            difference(ours.query_group(group), ours.truth_of(group))
            for group in groups
            if part != f"group {group}"
        ]
        if ours.file.read_bytes() != damaged:
            faults.append("written")
        if new_process:
            lazyplug.invalidate_caches()
        if part == "records":
            problems = tuple(lazyplug.problems())
            faults.append(difference(problems, ours.truth[-len(problems) :]))
        else:
            group = part[6:]
            faults.append(difference(ours.query_group(group), ours.truth_of(group)))
        if ours.file.read_bytes() != ours.intact:
            faults.append("not repaired")
        return [fault for fault in faults if fault]

    with tally("damage to a part of the index that is not requested") as count:
        for part, where in ours.parts.items():
            if part in ("header", "watch list"):
                continue  # each query reads these
            for at in where[:: 7 if long else 499]:
                for new_process in (True, False):
                    label = f"{part} at {at}, new process: {new_process}"
                    count.check(partial(harm, part, at, new_process), [], label)


@pytest.mark.parametrize(
    ("name", "value"), [("CHECK", "dirs"), ("CHECK", "none"), ("CACHE", "readonly")]
)
def test_damage_changes_no_answer_at_lower_check_levels_or_without_writing(
    name: str,
    value: str,
    ours: Ours,
    long: bool,
    tally: Count,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"LAZYPLUG_{name}", value)

    def harm(data: bytes) -> list[str]:
        ours.put(data)
        faults = [difference(ours.query(), ours.truth) for _ in range(2)]
        if name == "CACHE" and ours.file.read_bytes() != data:
            faults.append("written")
        return [fault for fault in faults if fault]

    picks = slice(None, None, 13 if long else 997)
    for fault in ("a byte of the index flipped", "the index cut short"):
        with tally(fault) as count:
            for label, data in BYTES[fault](ours.intact, ours.others, picks):
                count.check(partial(harm, data), [], label)


def test_damage_changes_no_answer_with_a_volatile_path_entry(
    ours: Ours, long: bool, tally: Count, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A source tree in the current directory is merged with the index: that reads the
    # records.
    tree = plant(
        ours.cache.parent / "tree", dist("odd", entry_points="[tree]\na = m:f\n")
    )
    monkeypatch.chdir(tree)
    ours.set_path("", *ours.path)
    intact = ours.intact
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAZYPLUG_CACHE", "off")
        ours.truth = ours.query()
    assert ("tree", "a") in [row[:2] for row in ours.truth if len(row) == 6]
    assert ours.query() == ours.truth
    assert ours.file.read_bytes() == intact
    picks = slice(None, None, 13 if long else 499)
    for fault in ("a byte of the index flipped", "the index cut short"):
        with tally(fault) as count:
            for label, data in BYTES[fault](intact, ours.others, picks):
                count.check(partial(ours.harm, data), [], label)


# --------------------------------------------------------- something else in its place

ELSE = "something else in place of the index"


@posix
@pytest.mark.parametrize("make", THINGS, ids=lambda make: make.__name__)
def test_something_else_in_place_of_the_file_changes_no_answer_and_is_replaced(
    make: Callable[[Path], None], damaged: Damaged, tally: Count
) -> None:
    with tally(fault_of(ELSE, damaged.what)) as count:
        count.check(partial(damaged.replace_by, make), [], make.__name__)


@posix
def test_an_index_that_cannot_be_read_changes_no_answer_and_is_replaced(
    public: Path, installed: Path, tally: Count
) -> None:
    cache = public / "cache"
    cache.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(cache, 65534, 65534)  # the user that queries
    env = {"LAZYPLUG_CACHE_DIR": str(cache)}
    with tally(ELSE) as count:
        count.check(lambda: query_as_nobody(installed, **env), RIGHT, "nothing")
        for mode in (0, 0o200, 0o100):
            index_in(cache).chmod(mode)
            label = f"mode {mode:o}"
            count.check(lambda: query_as_nobody(installed, **env), RIGHT, label)
            found = stat.S_IMODE(index_in(cache).stat().st_mode)
            count.compare(found, 0o600, label)


# With a memory limit, since stevedore reads any file to its end.
RIVAL = """
import json, os, resource, sys
from stevedore._cache import Cache
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
directory, groups, *sys.path[:] = sys.argv[1:]
cache = Cache(directory)
groups = json.loads(groups)
print(json.dumps(
    [(g, p.name, p.value) for g in groups for p in cache.get_group_all(g)]
))
"""


@LONG
@posix
@pytest.mark.timeout(600)
def test_something_else_in_place_of_the_cache_of_stevedore_is_counted(
    rival: Stevedore, long: bool, tally: Count
) -> None:
    aside = rival.cache.parent / "aside"

    def ask() -> tuple[Any, ...]:
        groups = json.dumps(rival.groups)
        done = subprocess.run(
            [sys.executable, "-c", RIVAL, str(rival.cache), groups, *sys.path],
            capture_output=True,
            check=True,
            timeout=10,
        )
        return tuple(map(tuple, json.loads(done.stdout)))

    with tally(ELSE, "stevedore") as count:
        assert ask() == rival.truth
        for make in THINGS[:: 1 if long else 5]:
            shutil.rmtree(rival.cache)
            rival.cache.mkdir()
            aside.write_bytes(rival.intact)
            make(rival.file)
            count.check(ask, rival.truth, make.__name__)
