"""Take the head of an index apart, and write others in its place."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.index_format import TITLE_LENGTH, from_bytes, table_of, title

STRANGE: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    float("nan"),
    10**30,
    "",
    "text",
    "-",
    "-1",
    "7",
    "9" * 30,
    "9" * 10_000,
    "\u0669\u0669\u0669",
    "\ud800",
    '"',
    [],
    [None],
    ["7"],
    [[]],
    [0] * 100,
    {},
    {"key": {}},
    {"0": 1, "1": 2},
]


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the ways to all values inside a JSON value."""
    yield way
    keys: Any = ()
    if isinstance(value, dict):
        keys = value.keys()
    elif isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        yield from places(value[key], (*way, key))


def replaced(value: Any, way: tuple[Any, ...], other: Any) -> Any:
    """Return a JSON value with another value at a place inside."""
    if not way:
        return other
    changed = value.copy()
    changed[way[0]] = replaced(value[way[0]], way[1:], other)
    return changed


def without(value: Any, way: tuple[Any, ...]) -> Any:
    """Return a JSON value without the value at a place inside."""
    changed = value.copy()
    if len(way) == 1:
        del changed[way[0]]
    else:
        changed[way[0]] = without(value[way[0]], way[1:])
    return changed


# The lines of the head in the front; behind them stands the table.
HEAD = 5


def head_of(data: bytes) -> list[list[str]]:
    """Return the head of an index."""
    return [json.loads(line) for line in from_bytes(data).header.split(b"\n")[:HEAD]]


def headed(data: bytes, head: Any) -> bytes:
    """Return an index with another head, checksums right."""
    header = from_bytes(data).header
    _, *table = header.split(b"\n", HEAD)[HEAD - 1 :]
    changed = in_lines(head) + b"\n" + b"".join(table)
    return title(changed) + changed + data[TITLE_LENGTH + len(header) :]


def in_lines(values: Any) -> bytes:
    """Return a JSON value a line, or what is no list as it is."""
    if isinstance(values, bytes):
        return values
    each = values if isinstance(values, list) else [values]
    return "\n".join([json.dumps(v, separators=(",", ":")) for v in each]).encode()


def strange_heads(data: bytes) -> Iterator[tuple[str, bytes]]:
    head = head_of(data)
    for way in places(head):
        for other in STRANGE:
            label = f"{other!r} at {way}"
            yield label, headed(data, replaced(head, way, other))
        if way:
            yield f"nothing at {way}", headed(data, without(head, way))


NO_JSON = {
    "nothing": b"",
    "half": b'["/prefix"',
    "no texts": b"[1,2]",
    "another thing": b'{"key":["/prefix"]}',
    "nested too deep": b"[" * 100_000,
    "a number that is too long": b"9" * 10_000,
    "no text": b"\xff\xfe",
    "a lone surrogate": b'["\\ud800"]',
    "an escape that is none": b'["\\x"]',
    "a text alone": b'"key"',
}


def poison(file: Path) -> bytes:
    """Make an index say something else, with right checksums; return its bytes."""
    data = file.read_bytes()
    index = from_bytes(data)
    ((_, offset, length, wanted),) = table_of(index)
    start = index.after_watch + offset
    part = data[start : start + length].replace(b'"m', b'"n')
    header = index.header.replace(wanted.encode(), _store_digest(part).encode())
    evil = title(header) + header + data[TITLE_LENGTH + len(header) : start] + part
    evil += data[start + length :]
    file.write_bytes(evil)
    return evil


def _store_digest(part: bytes) -> str:
    from tests.support.index_format import digest

    return digest(part)
