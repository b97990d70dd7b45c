"""Read the head of an index, the first lines of its header, and replace it."""

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


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths to all values inside a JSON value: their keys and positions."""
    yield path
    keys: Any = ()
    if isinstance(value, dict):
        keys = value.keys()
    elif isinstance(value, list):
        keys = range(len(value))
    for key in keys:
        yield from places(value[key], (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return a JSON value with another value at a path inside."""
    if not path:
        return other
    changed = value.copy()
    changed[path[0]] = replaced(value[path[0]], path[1:], other)
    return changed


def without(value: Any, path: tuple[Any, ...]) -> Any:
    """Return a JSON value without the value at a path inside."""
    changed = value.copy()
    if len(path) == 1:
        del changed[path[0]]
    else:
        changed[path[0]] = without(value[path[0]], path[1:])
    return changed


# The number of lines of the head; the rest of the header is the table of groups.
HEAD = 5


def head_of(data: bytes) -> list[list[str]]:
    """Return the head of an index: its lines, decoded."""
    return [json.loads(line) for line in from_bytes(data).header.split(b"\n")[:HEAD]]


def headed(data: bytes, head: Any) -> bytes:
    """Return an index with another head and valid checksums."""
    header = from_bytes(data).header
    _, *table = header.split(b"\n", HEAD)[HEAD - 1 :]
    changed = in_lines(head) + b"\n" + b"".join(table)
    return title(changed) + changed + data[TITLE_LENGTH + len(header) :]


def in_lines(values: Any) -> bytes:
    """Return the items of a list as JSON lines; a single value as one line."""
    if isinstance(values, bytes):
        return values
    each = values if isinstance(values, list) else [values]
    return "\n".join([json.dumps(v, separators=(",", ":")) for v in each]).encode()


def strange_heads(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the index with each value of its head replaced by each strange one."""
    head = head_of(data)
    for path in places(head):
        for other in STRANGE:
            label = f"{other!r} at {path}"
            yield label, headed(data, replaced(head, path, other))
        if path:
            yield f"nothing at {path}", headed(data, without(head, path))


NO_JSON = {
    "nothing": b"",
    "half": b'["/prefix"',
    "not texts": b"[1,2]",
    "an object": b'{"key":["/prefix"]}',
    "nested too deep": b"[" * 100_000,
    "a number that is too long": b"9" * 10_000,
    "not UTF-8": b"\xff\xfe",
    "a lone surrogate": b'["\\ud800"]',
    "an invalid escape": b'["\\x"]',
    "only a text": b'"key"',
}


def poison(file: Path) -> bytes:
    """Make an index name another module, with valid checksums; return its bytes."""
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
