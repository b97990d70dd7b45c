"""What is remembered, in full: the records of an environment, and their encoding.

Pure, without file access. `_index` reads what is encoded here; the format is
described in docs/index-format.md.
"""

import os

from ._index import DOUBT, Index, digest, quote, scan_once, stamps_line, title

try:
    from _json import make_encoder

    # What json.dumps is by default, but for the separators; without importing it.
    _chunks: "Any" = make_encoder(
        None,
        None,  # type: ignore[arg-type]
        quote,
        None,
        ":",
        ",",
        False,
        False,
        False,
    )
except ImportError:  # not CPython
    from json.encoder import JSONEncoder

    def _chunks(value: "Any", _: int) -> "Any":
        return JSONEncoder(separators=(",", ":")).iterencode(value)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    # group, name, value, module, attr, line in the file
    Point = tuple[str, str, str, str | None, str | None, int]
    # path of the file, line in it (0: the whole file), reason
    Trouble = tuple[str, int, str]


def to_json(value: "Any") -> str:
    r"""Return value as JSON text, ASCII only.

    >>> to_json(["a", None, True, 1, "\xe4"])
    '["a",null,true,1,"\\u00e4"]'
    """
    return "".join(_chunks(value, 0))


class Distribution:
    """What is remembered of one distribution in one path entry."""

    __slots__ = (
        "file",
        "key",
        "name",
        "named",
        "points",
        "problems",
        "settled",
        "source",
        "source_stamp",
        "stamp",
        "version",
    )

    def __init__(
        self,
        file: str,
        key: str,
        named: bool,
        name: str,
        version: str,
        source: "str | None",
        source_stamp: "str | None",
        stamp: "str | None",
        settled: bool,
        points: "list[Point]",
        problems: "list[Trouble]",
    ) -> None:
        # the name of its metadata folder (or file) in the path entry
        self.file = file
        # the normalised name: equal keys are the same distribution
        self.key = key
        # did the key come from the name of the folder?
        self.named = named
        # from METADATA or PKG-INFO; read only where there are entry points
        self.name = name
        self.version = version
        # which of the two it has: "METADATA", "PKG-INFO", "" (the file is itself
        # the metadata), None (it has none)
        self.source = source
        self.source_stamp = source_stamp
        # of entry_points.txt; None: there is none
        self.stamp = stamp
        # were both stamps old enough to be believed?
        self.settled = settled
        self.points = points
        self.problems = problems

    def fields(self) -> "list[Any]":
        """Return the fields in the order of the constructor."""
        return [
            self.file,
            self.key,
            self.named,
            self.name,
            self.version,
            self.source,
            self.source_stamp,
            self.stamp,
            self.settled,
            self.points,
            self.problems,
        ]


class PathEntry:
    """What is remembered of one stable entry of `sys.path`."""

    __slots__ = ("archive", "distributions", "path", "problems", "settled", "stamp")

    def __init__(
        self,
        path: str,
        stamp: "str | None",
        settled: bool,
        archive: bool,
        problems: "list[Trouble]",
        distributions: "list[Distribution]",
    ) -> None:
        self.path = path
        # None: it is not there
        self.stamp = stamp
        self.settled = settled
        # a zip or an egg, which importlib_metadata reads
        self.archive = archive
        self.problems = problems
        # in the order in which one of them wins over another of the same key
        self.distributions = distributions

    def fields(self) -> "list[Any]":
        """Return the fields in the order of the constructor."""
        return [
            self.path,
            self.stamp,
            self.settled,
            self.archive,
            self.problems,
            [d.fields() for d in self.distributions],
        ]


def winners(candidates: "Iterable[tuple[str, bool]]") -> "list[bool]":
    """Say of each candidate, a key and whether it has metadata, if it wins.

    The first with metadata wins; where none has any, the first does. A folder
    without metadata never shadows one that has it (importlib_metadata since
    python/importlib_metadata#489).

    >>> winners([("a", False), ("a", True), ("b", True), ("a", True), ("c", False)])
    [False, True, True, False, True]
    """
    candidates = list(candidates)
    first: dict[str, int] = {}
    for place, (key, has_metadata) in enumerate(candidates):
        if key not in first or (has_metadata and not candidates[first[key]][1]):
            first[key] = place
    won = set(first.values())
    return [place in won for place in range(len(candidates))]


def owner(
    entry: PathEntry, distribution: Distribution, place: int, shadowed: bool
) -> "list[Any]":
    """Return a distribution as the index's rows show it.

    Where its metadata lies is a path, or an archive and a name in it.
    """
    return [
        distribution.key,
        distribution.name,
        distribution.version,
        [entry.path, distribution.name]
        if entry.archive
        else os.path.join(entry.path, distribution.file),
        distribution.source_stamp,
        place,
        shadowed,
    ]


def by_group(
    entries: "Sequence[PathEntry]",
) -> "dict[str, tuple[list[Any], list[Any]]]":
    """Return the owners and the rows of every group, losers included."""
    won = iter(
        winners((d.key, d.source is not None) for e in entries for d in e.distributions)
    )
    groups: dict[str, tuple[list[Any], list[Any]]] = {}
    for place, entry in enumerate(entries):
        for distribution in entry.distributions:
            shadowed = not next(won)
            own = owner(entry, distribution, place, shadowed)
            for group, name, value, module, attr, line in distribution.points:
                owners, rows = groups.setdefault(group, ([], []))
                if not owners or owners[-1] is not own:
                    owners.append(own)
                rows.append((name, value, module, attr, line, len(owners) - 1))
    return groups


def _watched(
    entries: "Iterable[PathEntry]",
) -> "tuple[list[str], list[str], list[str]]":
    present: list[str] = []
    absent: list[str] = []
    stamps: list[str] = []
    seen: dict[str, int] = {}
    for entry in entries:
        for distribution in entry.distributions:
            seen[distribution.key] = seen.get(distribution.key, 0) + 1
    for entry in entries:
        if entry.archive:
            continue  # its own stamp says it all
        for distribution in entry.distributions:
            folder = os.path.join(entry.path, distribution.file)
            file = os.path.join(folder, "entry_points.txt")
            if distribution.stamp is None:
                absent.append(file)
            else:
                present.append(file)
                stamps.append(distribution.stamp)
            # Whether there is metadata decides only among several of one key, what
            # it says only where the folder's name does not.
            if seen[distribution.key] > 1 or not distribution.named:
                source = distribution.source
                if source != "METADATA":
                    absent.append(os.path.join(folder, "METADATA"))
                if source is None:
                    absent.append(os.path.join(folder, "PKG-INFO"))
                else:
                    present.append(os.path.join(folder, source) if source else folder)
                    stamps.append(distribution.source_stamp or "")
    return present, absent, stamps


def encode(prefix: str, entries: "Sequence[PathEntry]") -> bytes:
    """Return the index of these path entries as it is written.

    It holds the path entries' records, and beside them, derived from them, what
    a warm start needs.
    """
    present, absent, stamps = _watched(entries)
    watch = [
        f"{to_json(present)}\n".encode(),
        f"{to_json(absent)}\n".encode(),
        stamps_line(stamps),
    ]
    table: list[str] = []
    parts: list[bytes] = []
    offset = 0
    for group, (owners, rows) in sorted(by_group(entries).items()):
        part = to_json([group, owners, rows]).encode()
        table.append(f'[{quote(group)},{offset},{len(part)},"{digest(part)}"]\n')
        parts.append(part)
        parts.append(b"\n")
        offset += len(part) + 1
    detail = "".join([to_json(e.fields()) + "\n" for e in entries]).encode()
    calm = all(e.settled for e in entries)
    head = {
        "key": [prefix, *[e.path for e in entries]],
        "stamps": [e.stamp for e in entries],
        "settled": [
            calm,
            calm and all(d.settled for e in entries for d in e.distributions),
        ],
        "watch": [*map(len, watch), digest(b"".join(watch))],
        "detail": [offset, len(detail), digest(detail)],
    }
    front = f"{to_json(head)}\n{''.join(table)}".encode()
    return b"".join([title(front), front, *watch, *parts, detail])


def from_bytes(data: bytes) -> Index:
    """Return the index that these bytes are."""
    return Index(lambda offset, length: data[offset : offset + length])


def decode(index: Index) -> "list[PathEntry]":
    """Return the records of the path entries; ValueError if they are damaged."""
    try:
        offset, length, wanted = index.detail
        data = index.read(index.after_watch + offset, length)
        if digest(data) != wanted:
            raise ValueError("detail")
        return [_entry(scan_once(line.decode(), 0)[0]) for line in data.splitlines()]
    except DOUBT as error:
        raise ValueError("detail") from error


def _entry(fields: "list[Any]") -> PathEntry:
    path, stamp, settled, archive, problems, distributions = fields
    return PathEntry(
        path,
        stamp,
        settled,
        archive,
        [tuple(problem) for problem in problems],
        [Distribution(*d) for d in distributions],
    )
