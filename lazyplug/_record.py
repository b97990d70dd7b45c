"""What is remembered, in full: the records of an environment, and their encoding.

Pure, without file access. `_index` reads what is encoded here; the format is
described in docs/index-format.md.
"""

import os
from itertools import pairwise

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

    from ._index import Row

    # a row with the group that it stands in
    Point = tuple[str, Row]
    # path of the file, line in it (0: the whole file), reason
    Trouble = tuple[str, int, str]
    # number of a path entry, name of a metadata folder in it
    Place = tuple[int, str]


def to_json(value: "Any") -> str:
    r"""Return value as JSON text, ASCII only.

    >>> to_json(["a", None, True, 1, "\xe4"])
    '["a",null,true,1,"\\u00e4"]'
    """
    return "".join(_chunks(value, 0))


class Distribution:
    """What is remembered of a distribution that is more than a name.

    Most distributions declare nothing and are a name only: see PathEntry.plain.
    """

    __slots__ = (
        "file",
        "fragments",
        "groups",
        "key",
        "named",
        "problems",
        "settled",
        "source",
        "source_stamp",
        "stamp",
    )

    def __init__(
        self,
        file: str,
        key: str,
        named: bool,
        stamp: "str | None",
        settled: bool,
        source: "str | None",
        source_stamp: "str | None",
        groups: "list[str]",
        problems: "list[Trouble]",
        fragments: "dict[str, str] | None" = None,
    ) -> None:
        # the name of its metadata folder (or file) in the path entry
        self.file = file
        # the normalised name: equal keys are the same distribution
        self.key = key
        # did the key come from the name of the folder?
        self.named = named
        # of entry_points.txt; None: there is none
        self.stamp = stamp
        # were the stamps old enough to be believed?
        self.settled = settled
        # which file is its metadata: "METADATA", "PKG-INFO", "" (the file itself),
        # None (it has none). Looked at where it decides something.
        self.source = source
        self.source_stamp = source_stamp
        self.groups = groups
        self.problems = problems
        # of each group: what `fragment` returns; None: as the index has it
        self.fragments = fragments

    def fields(self) -> "list[Any]":
        """Return what the index keeps, in the order of the constructor."""
        return [
            self.file,
            self.key,
            self.named,
            self.stamp,
            self.settled,
            self.source,
            self.source_stamp,
            self.groups,
            self.problems,
        ]


class PathEntry:
    """What is remembered of one stable entry of `sys.path`."""

    __slots__ = (
        "archive",
        "distributions",
        "path",
        "plain",
        "problems",
        "settled",
        "stamp",
    )

    def __init__(
        self,
        path: str,
        stamp: "str | None",
        settled: bool,
        archive: bool,
        problems: "list[Trouble]",
        plain: "dict[str, str]",
        distributions: "list[Distribution]",
    ) -> None:
        self.path = path
        # None: it is not there
        self.stamp = stamp
        self.settled = settled
        # a zip or an egg, which importlib_metadata reads
        self.archive = archive
        self.problems = problems
        # the key of each metadata folder without entry_points.txt
        self.plain = plain
        # the others, in the order in which one wins over another of the same key
        self.distributions = distributions

    def fields(self) -> "list[Any]":
        """Return what the index keeps, in the order of the constructor."""
        return [
            self.path,
            self.stamp,
            self.settled,
            self.archive,
            self.problems,
            self.plain,
            [d.fields() for d in self.distributions],
        ]


def fragment(
    file: str,
    key: str,
    name: str,
    version: str,
    source_stamp: "str | None",
    rows: "list[Row]",
) -> str:
    """Return a distribution's part of a group, as JSON text without its first two.

    These are whether it is shadowed, and the number of its path entry: both may
    change while the rest stands.
    """
    return to_json([file, key, name, version, source_stamp, rows])[1:]


def _owner_of(text: str) -> str:
    """Return the metadata folder that a fragment belongs to.

    >>> _owner_of('"a-1.dist-info","a","A","1",null,[]]')
    'a-1.dist-info'
    """
    if "\\" in text:
        file: str = scan_once(text, 0)[0]
        return file
    return text[1 : text.index('"', 1)]


def winners(candidates: "Iterable[tuple[str, bool]]") -> "list[bool]":
    """Say of each candidate, a key and whether it has metadata, if it wins.

    The first with metadata wins; where none has any, the first does. A folder
    without metadata never shadows one that has it (importlib_metadata since
    python/importlib_resources#489).

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


def repeated(entries: "Sequence[PathEntry]") -> "set[str]":
    """Return the keys that stand more than once."""
    keys = [key for entry in entries for key in entry.plain.values()]
    keys += [d.key for entry in entries for d in entry.distributions]
    if len(set(keys)) == len(keys):
        return set()
    keys.sort()
    return {key for key, following in pairwise(keys) if key == following}


def shadowed(entries: "Sequence[PathEntry]") -> "set[Place]":
    """Return the distributions that are shadowed by another of the same key.

    Those that may be stand among the distributions of their entry, never plain.
    """
    several = repeated(entries)
    if not several:
        return set()
    candidates = [
        (place, distribution)
        for place, entry in enumerate(entries)
        for distribution in entry.distributions
        if distribution.key in several
    ]
    won = winners((d.key, d.source is not None) for _, d in candidates)
    return {
        (place, distribution.file)
        for (place, distribution), wins in zip(candidates, won)
        if not wins
    }


def _watched(
    entries: "Sequence[PathEntry]",
) -> "tuple[list[str], list[str], list[str]]":
    """Return files with stamps, files that are absent, the stamps."""
    present: list[str] = []
    absent: list[str] = []
    stamps: list[str] = []
    several = repeated(entries)
    for entry in entries:
        if entry.archive:
            continue  # its own stamp says it all
        root = os.path.join(entry.path, "")
        end = os.sep + "entry_points.txt"
        absent += [root + file + end for file in entry.plain]
        for distribution in entry.distributions:
            folder = root + distribution.file
            if distribution.stamp is None:
                absent.append(folder + end)
            else:
                present.append(folder + end)
                stamps.append(distribution.stamp)
            # Whether there is metadata decides only among several of one key, what
            # it says only where the folder's name does not.
            if distribution.key in several or not distribution.named:
                source = distribution.source
                if source != "METADATA":
                    absent.append(os.path.join(folder, "METADATA"))
                if source is None:
                    absent.append(os.path.join(folder, "PKG-INFO"))
                else:
                    present.append(os.path.join(folder, source) if source else folder)
                    stamps.append(distribution.source_stamp or "")
    return present, absent, stamps


def changed_groups(
    old: "Sequence[PathEntry]", new: "Sequence[PathEntry]"
) -> "set[str] | None":
    """Return the groups in which the new records differ; None: maybe in all."""
    if [entry.path for entry in old] != [entry.path for entry in new]:
        return None
    flipped = shadowed(old) ^ shadowed(new)
    changed: set[str] = set()
    for place, (before, after) in enumerate(zip(old, new)):
        kept = {d.file for d in after.distributions if d.fragments is None}
        kept -= {file for at, file in flipped if at == place}
        for distribution in (*before.distributions, *after.distributions):
            if distribution.file not in kept:
                changed.update(distribution.groups)
    return changed


class Parts:
    """The groups of an index, each as the text that it is written as."""

    def __init__(self) -> None:
        # of each group: its text and the checksum of that
        self.groups: dict[str, tuple[bytes, str]] = {}

    @classmethod
    def of(cls, index: Index) -> "Parts":
        """Return the groups as an index has them. Raises ValueError."""
        parts = cls()
        try:
            lines = index.front.split(b"\n")[1:-1]
            total, _, _ = index.detail
            data = index.read(index.after_watch, total)
            for line in lines:
                group, offset, length, wanted = scan_once(line.decode(), 0)[0]
                part = data[offset : offset + length]
                if digest(part) != wanted:
                    raise ValueError(group)
                parts.groups[group] = part, wanted
        except DOUBT as error:
            raise ValueError("groups") from error
        return parts

    def fragments(self, group: str) -> "list[tuple[int, str]]":
        """Return the fragments of a group, each with the number of its path entry."""
        found = []
        if group in self.groups:
            text = self.groups[group][0].decode()
            for line in text.split("\n")[1:-1]:
                _, place, rest = line[1:].rstrip(",").split(",", 2)
                found.append((int(place), rest))
        return found

    def compose(
        self, group: str, found: "Iterable[tuple[Place, str]]", hidden: "set[Place]"
    ) -> None:
        """Set the text of a group: its fragments in order; without any it goes."""
        lines = [f"[{int(at in hidden)},{at[0]},{text}" for at, text in found]
        if not lines:
            self.groups.pop(group, None)
            return
        text = ",\n".join(lines)
        part = f"[{quote(group)},[\n{text}\n]]".encode()
        self.groups[group] = part, digest(part)


def regroup(
    entries: "Sequence[PathEntry]", old: "Sequence[PathEntry]", parts: "Parts"
) -> None:
    """Bring the groups up to date with the records.

    `old` are the records that `parts` were made of. What did not change is taken
    over as the text that it is.
    """
    changed = changed_groups(old, entries)
    if changed is None:
        changed = set(parts.groups).union(
            *(d.groups for entry in entries for d in entry.distributions)
        )
    hidden = shadowed(entries)
    now_at = {entry.path: place for place, entry in enumerate(entries)}
    order: dict[Place, int] = {}
    fresh: dict[str, list[tuple[Place, str]]] = {}
    for place, entry in enumerate(entries):
        for distribution in entry.distributions:
            order[place, distribution.file] = len(order)
            if distribution.fragments is not None:
                for group, text in distribution.fragments.items():
                    fresh.setdefault(group, []).append(
                        (
                            (place, distribution.file),
                            text,
                        )
                    )
    kept = {
        (place, d.file)
        for place, entry in enumerate(entries)
        for d in entry.distributions
        if d.fragments is None
    }
    for group in changed:
        found = fresh.get(group, [])
        for before, text in parts.fragments(group):
            at = now_at.get(old[before].path, -1), _owner_of(text)
            if at in kept:
                found.append((at, text))
        found.sort(key=lambda item: order[item[0]])
        parts.compose(group, found, hidden)


def encode(prefix: str, entries: "Sequence[PathEntry]", parts: "Parts") -> bytes:
    """Return the index of these path entries, and their groups, as it is written."""
    present, absent, stamps = _watched(entries)
    watch = [
        f"{to_json(present)}\n".encode(),
        f"{to_json(absent)}\n".encode(),
        stamps_line(stamps),
    ]
    table: list[str] = []
    written: list[bytes] = []
    offset = 0
    for group, (part, checksum) in sorted(parts.groups.items()):
        table.append(f'[{quote(group)},{offset},{len(part)},"{checksum}"]\n')
        written += part, b"\n"
        offset += len(part) + 1
    detail = "".join([to_json(entry.fields()) + "\n" for entry in entries]).encode()
    calm = all(entry.settled for entry in entries)
    head = {
        "key": [prefix, *[entry.path for entry in entries]],
        "stamps": [entry.stamp for entry in entries],
        "settled": [
            calm,
            calm and all(d.settled for entry in entries for d in entry.distributions),
        ],
        "watch": [*map(len, watch), digest(b"".join(watch))],
        "detail": [offset, len(detail), digest(detail)],
    }
    front = f"{to_json(head)}\n{''.join(table)}".encode()
    return b"".join([title(front), front, *watch, *written, detail])


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
        return [_entry(*scan_once(line.decode(), 0)[0]) for line in data.splitlines()]
    except DOUBT as error:
        raise ValueError("detail") from error


def _entry(*fields: "Any") -> PathEntry:
    path, known, calm, archive, problems, plain, distributions = fields
    return PathEntry(
        path,
        known,
        calm,
        archive,
        [tuple(problem) for problem in problems],
        plain,
        [Distribution(*d) for d in distributions],
    )
