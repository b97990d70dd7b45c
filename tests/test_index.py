"""Test that an index is read only in part, and that malformed parts are detected."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import lazyplug
from lazyplug import _environment
from lazyplug.testing import dist, plant
from tests.support.clock import Ticking
from tests.support.fixtures import PlantSite, SetPath
from tests.support.index_format import (
    CHUNK,
    SCHEMA,
    TITLE_LENGTH,
    Index,
    decode,
    digest,
    from_bytes,
    table_of,
    title,
)
from tests.support.index_heads import (
    HEAD,
    NO_JSON,
    STRANGE,
    head_of,
    headed,
    in_lines,
    places,
    replaced,
    strange_heads,
)

WriteIndex = Callable[..., bytes]


@pytest.fixture
def write_index(
    late_clock: Ticking, tmp_path: Path, set_path: SetPath, isolated: Path
) -> WriteIndex:
    """Return a function that plants distributions and returns their index."""

    def make(**texts: str) -> bytes:
        directory = tmp_path / "site"
        for name, text in texts.items():
            plant(directory, dist(name, entry_points=text))
        set_path(directory)
        _environment.current()
        (file,) = isolated.glob("*.json")
        return file.read_bytes()

    return make


class Bytes:
    """The bytes of an index, with a record of what was read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        found = self.data[offset : offset + length]
        self.reads.append((offset, len(found)))
        return found

    @property
    def total(self) -> int:
        return sum(length for _, length in self.reads)


def names(index: Index, group: str) -> list[str]:
    return [row[0] for row, _ in index.rows(group)]


# --------------------------------------------------------------- which parts are read


def test_a_query_of_one_group_reads_the_header_and_its_own_rows(
    write_index: WriteIndex,
) -> None:
    small = "[small]\na = m:f\n"
    large = "".join(f"[large{n}]\n" + "name = module:attr\n" * 50 for n in range(20))
    file = Bytes(write_index(foo=small, **{f"bar{n:02}": large for n in range(20)}))
    index = Index(file.read)
    assert names(index, "small") == ["a"]
    (_, length) = file.reads[-1]
    assert length < 200
    assert file.total <= max(CHUNK, TITLE_LENGTH + len(index.header)) + length
    assert file.total < len(file.data) / 10


def test_the_cost_of_one_group_does_not_grow_with_the_rows_of_others(
    write_index: WriteIndex,
) -> None:
    # Another distribution would add a stat signature, which a full check compares.
    few = Bytes(write_index(foo="[g]\na = m:f\n", bar="[h]\n" + "a = m:f\n" * 10))
    many = Bytes(write_index(foo="[g]\na = m:f\n", bar="[h]\n" + "a = m:f\n" * 10_000))
    for file in (few, many):
        names(Index(file.read), "g")
    assert len(many.data) > 50 * len(few.data)
    (_, (_, length)), (_, (_, same)) = few.reads, many.reads
    assert length == same < 200
    assert many.total <= CHUNK + length


def test_a_small_index_needs_two_reads(write_index: WriteIndex) -> None:
    file = Bytes(write_index(foo="[g]\na = m:f\n"))
    index = Index(file.read)
    index.watched()
    assert len(file.reads) == 1
    assert names(index, "g") == ["a"]
    assert len(file.reads) <= 2


def test_a_missing_group_is_empty_and_needs_no_read(write_index: WriteIndex) -> None:
    file = Bytes(write_index(foo="[g]\na = m:f\n"))
    index = Index(file.read)
    before = len(file.reads)
    for missing in ("h", "", "G", "g\n", "g,", '["g"', "key", "lazyplug"):
        assert index.rows(missing) == []
    assert len(file.reads) == before


def test_a_header_that_is_longer_than_the_first_read_is_read_completely(
    write_index: WriteIndex,
) -> None:
    text = "".join(f"[group-{n:05}]\na{n} = m:f\n" for n in range(2000))
    file = Bytes(write_index(foo=text))
    index = Index(file.read)
    assert len(index.header) > CHUNK
    assert [offset for offset, _ in file.reads] == [0, CHUNK]
    assert names(index, "group-01999") == ["a1999"]
    assert index.watched() == from_bytes(file.data).watched()


ODD_GROUPS = [
    "",
    " ",
    "a b",
    '"',
    '"]',
    '",0,1,"',
    "\\",
    '\\"',
    "\\n",
    "\\u0067",
    "[",
    "a[b",
    "a]b",
    "\t",
    "\x00",
    "\x7f",
    "\u00e9",
    "e\u0301",
    "\u540d\u524d",
    "\U0001f40d",
    "null",
    "=",
]


def test_any_group_name_is_found_and_none_is_mistaken_for_another(
    write_index: WriteIndex, tmp_path: Path
) -> None:
    # surrounded by letters, since the grammar strips spaces and brackets
    odd = [f"x{group}x" for group in ODD_GROUPS]
    text = "".join(f"[{group}]\nname{n} = m:f\n" for n, group in enumerate(odd))
    index = from_bytes(write_index(foo=text))
    for number, group in [*enumerate(odd)] * 2:  # many are found in another way
        assert names(index, group) == [f"name{number}"]
        assert names(index, f"{group}?") == []
        lazyplug.invalidate_caches()
        assert lazyplug.entry_points(group=group).names == {f"name{number}"}
    assert lazyplug.entry_points().groups == set(odd)


@pytest.mark.skipif(sys.platform != "linux", reason="paths are text elsewhere")
def test_paths_that_cannot_be_encoded_are_found_again(
    late_clock: Ticking, tmp_path: Path, set_path: SetPath
) -> None:
    directory = tmp_path / os.fsdecode(b"\xff\xfe site")
    plant(directory, dist("foo", entry_points="[g]\na = m:f\n"))
    (directory / os.fsdecode(b"b\xe4r-1.0.dist-info")).mkdir()
    set_path(directory)
    before = lazyplug.entry_points(group="g")
    before_second = late_clock.stat_calls
    lazyplug.invalidate_caches()
    assert lazyplug.entry_points(group="g") == before
    # The index, the path entry and one file are checked; nothing is scanned again.
    assert late_clock.stat_calls == before_second + 3
    assert before["a"].dist.version == "1.0"


# ------------------------------------------------------ malformed, with valid checksums


QUERIES: list[Callable[[Index], object]] = [
    lambda index: index.watched(),
    lambda index: index.rows("g"),
    decode,
]


def query_all(data: bytes) -> None:
    """Query all parts of an index; fail if that raises anything but ValueError."""
    try:
        index = from_bytes(data)
    except ValueError:
        return
    for query in QUERIES:
        try:
            query(index)
        except ValueError:
            continue


def test_a_malformed_value_anywhere_in_the_head_is_damage(
    write_index: WriteIndex,
) -> None:
    data = write_index(foo="[g]\na = m:f\n", bar="[h]\na = m:f\n")
    tried = 0
    for label, malformed in strange_heads(data):
        try:
            query_all(malformed)
        except Exception as error:
            pytest.fail(f"{label}: {error!r}")
        tried += 1
    assert tried > 200


def test_a_malformed_head_changes_no_answer(
    write_index: WriteIndex, isolated: Path
) -> None:
    data = write_index(foo="[g]\na = m:f\n", bar="[h]\na = m:f\n")
    (file,) = isolated.glob("*.json")
    for label, malformed in strange_heads(data):
        file.write_bytes(malformed)
        lazyplug.invalidate_caches()
        try:
            found = [point.name for point in lazyplug.entry_points(group="g")]
            problems = lazyplug.problems()
        except Exception as error:
            pytest.fail(f"{label}: {error!r}")
        assert (label, found, problems) == (label, ["a"], [])


@pytest.mark.parametrize("head", NO_JSON.values(), ids=list(NO_JSON))
def test_a_head_that_is_not_json_is_damage(
    head: bytes, write_index: WriteIndex
) -> None:
    data = write_index(foo="[g]\na = m:f\n")
    lines = from_bytes(data).header.split(b"\n")[:HEAD]
    for place in range(HEAD):
        changed = b"\n".join([*lines[:place], head, *lines[place + 1 :]])
        if head == NO_JSON["a lone surrogate"]:
            query_all(headed(data, changed))  # a text like any other
        else:
            with pytest.raises(ValueError, match="header"):
                from_bytes(headed(data, changed))


@pytest.mark.parametrize(
    "line", [*NO_JSON.values(), b'["g",', b'["g"]', b'["g",0,0,0]']
)
def test_a_malformed_line_of_the_table_is_damage(
    line: bytes, write_index: WriteIndex
) -> None:
    data = write_index(foo="[g]\na = m:f\n")
    header = from_bytes(data).header
    for changed in (header + line, header + line + b"\n", b'["g",' + line):
        index = title(changed) + changed + data[TITLE_LENGTH + len(header) :]
        query_all(index)
    head = b"\n".join(header.split(b"\n")[:HEAD])
    changed = head + b'\n["g",' + line + b"\n"
    index = title(changed) + changed + data[TITLE_LENGTH + len(header) :]
    with pytest.raises(ValueError, match=r"^g$"):
        from_bytes(index).rows("g")


def with_rows(data: bytes, part: bytes) -> bytes:
    """Return an index with other rows of its only group, and valid checksums."""
    index = from_bytes(data)
    head = head_of(data)
    head[3][1] = str(len(part) + 1)
    header = in_lines(head)
    header += f'\n["g","0","{len(part)}","{digest(part)}"]\n'.encode()
    watch = data[TITLE_LENGTH + len(index.header) : index.after_watch]
    return title(header) + header + watch + part + b"\n" + data[-index.detail[1] :]


def test_malformed_rows_are_damage_or_are_returned(write_index: WriteIndex) -> None:
    data = write_index(foo="[g]\na = m:f\n")
    ((_, offset, length, _),) = table_of(from_bytes(data))
    start = from_bytes(data).after_watch + offset
    rows = [json.loads(line) for line in data[start : start + length].splitlines()]
    assert names(from_bytes(with_rows(data, in_lines(rows))), "g") == ["a"]
    for path in places(rows):
        for other in STRANGE:
            malformed = with_rows(data, in_lines(replaced(rows, path, other)))
            try:
                query_all(malformed)
            except Exception as error:
                pytest.fail(f"{other!r} at {path}: {error!r}")
    for part in NO_JSON.values():
        with pytest.raises(ValueError, match=r"^g$"):
            from_bytes(with_rows(data, part)).rows("g")


def test_rows_of_another_group_are_damage(write_index: WriteIndex) -> None:
    data = write_index(foo="[g]\na = m:f\n[h]\na = m:g\n")
    header = from_bytes(data).header
    changed = header.replace(b'\n["g"', b'\n["i"').replace(b'\n["h"', b'\n["g"')
    index = from_bytes(title(changed) + changed + data[TITLE_LENGTH + len(header) :])
    with pytest.raises(ValueError, match=r"^g$"):
        index.rows("g")


@pytest.mark.parametrize("version", [SCHEMA + 1, SCHEMA - 1, 99])
def test_an_index_of_another_version_is_not_read_and_is_replaced(
    version: int, write_index: WriteIndex, isolated: Path
) -> None:
    data = write_index(foo="[g]\na = m:f\n")
    mark = f'["lazyplug",{SCHEMA},'.encode()
    assert data.startswith(mark)
    other = data.replace(mark, f'["lazyplug",{version},'.encode(), 1)
    with pytest.raises(ValueError, match="header"):
        from_bytes(other)
    (file,) = isolated.glob("*.json")
    file.write_bytes(other)
    lazyplug.invalidate_caches()
    assert lazyplug.entry_points(group="g").names == {"a"}
    assert file.read_bytes() == data


def test_an_index_of_another_key_in_its_place_is_not_used(
    write_index: WriteIndex, isolated: Path, set_path: SetPath, site: PlantSite
) -> None:
    # As if the hashes of two keys were equal.
    write_index(foo="[g]\na = m:f\n")
    (first,) = isolated.glob("*.json")
    other = site(dist("foo", entry_points="[g]\nother = m:f\n"), "other")
    set_path(other)
    assert lazyplug.entry_points(group="g").names == {"other"}
    (second,) = set(isolated.glob("*.json")) - {first}
    second.write_bytes(first.read_bytes())
    lazyplug.invalidate_caches()
    assert lazyplug.entry_points(group="g").names == {"other"}


@pytest.mark.parametrize(
    "length", ["0", "-1", "9999999999", "1_000", " 12", "1e3", "x"]
)
def test_a_wrong_length_is_damage(length: str, write_index: WriteIndex) -> None:
    data = write_index(foo="[g]\na = m:f\n")
    wrong = (
        data[: TITLE_LENGTH - 12] + f"{length:>10}".encode() + data[TITLE_LENGTH - 2 :]
    )
    with pytest.raises(ValueError, match="header"):
        from_bytes(wrong)
