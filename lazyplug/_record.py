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
    _chunks = make_encoder(
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

    def _chunks(value: "Any", _: int) -> "Any":  # type: ignore[misc]
        return JSONEncoder(separators=(",", ":")).iterencode(value)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def _troubles(read: "Iterable[Any]") -> "list[Trouble]":
    return [(path, line, reason) for path, line, reason in read]


class Distribution:
    """What is remembered of a distribution that is more than a name.

    Most distributions declare nothing and are a name only: see PathEntry.plain.
    Of one that was read from an index, the first five fields are known at once; the
    rest is decoded when it is asked for, and written again as it was.
    """

    # As the constructor takes them and the index keeps them.
    _FIELDS = (
        "file",
        "key",
        "stamp",
        "settled",
        "named",
        "source",
        "source_stamp",
        "groups",
        "problems",
    )
    __slots__ = (*_FIELDS, "_text", "fragments")
    if TYPE_CHECKING:
        # the name of its metadata folder (or file) in the path entry
        file: str
        # the normalised name: equal keys are the same distribution
        key: str
        # of entry_points.txt; None: there is none
        stamp: str | None
        # were the stamps old enough to be believed?
        settled: bool
        # did the key come from the name of the folder?
        named: bool
        # which file is its metadata: "METADATA", "PKG-INFO", "" (the file itself),
        # None (it has none). Looked at where it decides something.
        source: str | None
        source_stamp: str | None
        groups: list[str]
        problems: list[Trouble]
        # what `fragments` returns; None: as the index has it
        fragments: dict[str, str] | None

    def __init__(
        self,
        file: str,
        key: str,
        stamp: "str | None",
        settled: bool,
        named: bool,
        source: "str | None",
        source_stamp: "str | None",
        groups: "list[str]",
        problems: "list[Trouble]",
        fragments: "dict[str, str] | None" = None,
    ) -> None:
        self._text = ""
        self.file = file
        self.key = key
        self.stamp = stamp
        self.named = named
        self.settled = settled
        self.source = source
        self.source_stamp = source_stamp
        self.groups = groups
        self.problems = problems
        self.fragments = fragments

    @classmethod
    def read(cls, text: str) -> "Distribution":
        """Return a distribution from its line in an index."""
        found = cls.__new__(cls)
        found._text = text
        found.fragments = None
        parts = text.split('"', 6)
        if "\\" in text or len(parts) < 7 or parts[4] != ",":
            found._decode()
        else:
            _, found.file, _, found.key, _, found.stamp, rest = parts
            found.settled = rest.startswith(",true")
            found.named = rest.startswith((",true,true", ",false,true"))
        return found

    def _decode(self) -> None:
        values = scan_once(self._text, 0)[0]
        for field, value in zip(self._FIELDS, values, strict=True):
            setattr(self, field, value)
        self.problems = _troubles(self.problems)

    def __getattr__(self, name: str) -> "Any":
        # Reached for slots that are still empty.
        if name not in self._FIELDS or not self._text:
            raise AttributeError(name)
        self._decode()
        return getattr(self, name)

    def line(self) -> str:
        """Return what the index keeps: the line that it was read from, if any."""
        return self._text or to_json([getattr(self, field) for field in self._FIELDS])


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

    def lines(self) -> "list[str]":
        """Return what the index keeps: the entry's own line, one a distribution."""
        own = [
            self.path,
            self.stamp,
            self.settled,
            self.archive,
            self.problems,
            self.plain,
            len(self.distributions),
        ]
        return [to_json(own), *[d.line() for d in self.distributions]]


def fragments(
    file: str,
    key: str,
    name: str,
    version: str,
    source_stamp: "str | None",
    points: "Iterable[Point]",
) -> "dict[str, str]":
    """Return a distribution's part of each group, as JSON text without its first two.

    These are whether it is shadowed, and the number of its path entry: both may
    change while the rest stands.
    """
    rows: dict[str, list[Row]] = {}
    for group, row in points:
        rows.setdefault(group, []).append(row)
    return {
        group: to_json([file, key, name, version, source_stamp, found])[1:]
        for group, found in rows.items()
    }


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
    without metadata never shadows one that has it (importlib_metadata since 10.1).

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


def shadowed(entries: "Sequence[PathEntry]", several: "set[str]") -> "set[Place]":
    """Return the distributions that are shadowed by another of the same key.

    `several` are the keys that stand more than once. Distributions of these keys
    stand among those of their entry, never among the plain ones.
    """
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
    entries: "Sequence[PathEntry]", several: "set[str]"
) -> "tuple[list[str], list[str], list[str]]":
    """Return files with stamps, files that are absent, the stamps."""
    present: list[str] = []
    absent: list[str] = []
    stamps: list[str] = []
    for entry in entries:
        if entry.archive:
            continue  # its own stamp says it all
        root = os.path.join(entry.path, "")
        end = os.sep + "entry_points.txt"
        absent += [root + file + end for file in entry.plain]
        for distribution in entry.distributions:
            known = distribution.stamp
            if known is None:
                absent.append(root + distribution.file + end)
            else:
                present.append(root + distribution.file + end)
                stamps.append(known)
        # Whether there is metadata decides only among several of one key, what it
        # says only where the folder's name does not.
        for distribution in entry.distributions:
            if distribution.key in several or not distribution.named:
                folder = root + distribution.file
                source = distribution.source
                if source != "METADATA":
                    absent.append(os.path.join(folder, "METADATA"))
                if source is None:
                    absent.append(os.path.join(folder, "PKG-INFO"))
                else:
                    present.append(os.path.join(folder, source) if source else folder)
                    stamps.append(distribution.source_stamp or "")
    return present, absent, stamps


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

    def replace(self, group: str, places: "Mapping[Place, tuple[Place, str]]") -> bool:
        """Put fragments where others of the same key stood; false if one did not."""
        text = self.groups.get(group, (b"", ""))[0].decode()
        for old, (new, fragment_) in places.items():
            at = text.find(f"\n[0,{old[0]},{quote(old[1])},")
            if at < 0:
                return False
            end = text.index("\n", at + 1)
            comma = "," * (text[end - 1] == ",")
            text = f"{text[:at]}\n[0,{new[0]},{fragment_}{comma}{text[end:]}"
        self._set(group, text)
        return True

    def compose(
        self, group: str, found: "Iterable[tuple[Place, str]]", hidden: "set[Place]"
    ) -> None:
        """Set the text of a group: its fragments in order; without any it goes."""
        lines = [f"[{int(at in hidden)},{at[0]},{text}" for at, text in found]
        if lines:
            text = ",\n".join(lines)
            self._set(group, f"[{quote(group)},[\n{text}\n]]")
        else:
            self.groups.pop(group, None)

    def _set(self, group: str, text: str) -> None:
        part = text.encode()
        self.groups[group] = part, digest(part)


def regroup(
    entries: "Sequence[PathEntry]", old: "Sequence[PathEntry]", parts: "Parts"
) -> None:
    """Bring the groups up to date with the records.

    `old` are the records that `parts` were made of. What did not change is taken
    over as the text that it is.
    """
    several = repeated(entries)
    hidden = shadowed(entries, several)
    if [entry.path for entry in old] != [entry.path for entry in entries]:
        changed = set(parts.groups).union(
            *(d.groups for entry in entries for d in entry.distributions)
        )
        _recompose(entries, old, parts, changed, hidden)
        return
    gone, came = _differences(old, entries)
    several_before = repeated(old)
    if several or several_before:
        # Who is shadowed may have changed, for others too.
        flipped = shadowed(old, several_before) ^ hidden
        changed = {g for d in (*gone.values(), *came.values()) for g in d.groups}
        for at, file in flipped:
            for entry in (old[at], entries[at]):
                for distribution in entry.distributions:
                    if distribution.file == file:
                        changed.update(distribution.groups)
        _recompose(entries, old, parts, changed, hidden)
        return
    # By far the most changes are these: a distribution was edited or upgraded.
    by_key = {(stood[0], d.key): stood for stood, d in gone.items()}
    swaps: dict[str, dict[Place, tuple[Place, str]]] = {}
    changed = {group for d in gone.values() for group in d.groups}
    for stands, distribution in came.items():
        stood = by_key.get((stands[0], distribution.key))
        for group, text in (distribution.fragments or {}).items():
            changed.add(group)
            if stood is not None:
                swaps.setdefault(group, {})[stood] = stands, text
    touched: dict[str, int] = {}
    for distribution in (*gone.values(), *came.values()):
        for group in distribution.groups:
            touched[group] = touched.get(group, 0) + 1
    for group, places in swaps.items():
        # Two for each swap: nothing but swaps happened in this group.
        if touched[group] == 2 * len(places) and parts.replace(group, places):
            changed.discard(group)
    _recompose(entries, old, parts, changed, hidden)


def _differences(
    old: "Sequence[PathEntry]", new: "Sequence[PathEntry]"
) -> "tuple[dict[Place, Distribution], dict[Place, Distribution]]":
    """Return the distributions whose fragments no longer hold, and the new ones."""
    gone: dict[Place, Distribution] = {}
    came: dict[Place, Distribution] = {}
    for place, (before, after) in enumerate(zip(old, new)):
        if before is not after:
            kept = set()
            for distribution in after.distributions:
                if distribution.fragments is None:
                    kept.add(distribution.file)
                else:
                    came[place, distribution.file] = distribution
            for distribution in before.distributions:
                if distribution.file not in kept:
                    gone[place, distribution.file] = distribution
    return gone, came


def _recompose(
    entries: "Sequence[PathEntry]",
    old: "Sequence[PathEntry]",
    parts: "Parts",
    changed: "set[str]",
    hidden: "set[Place]",
) -> None:
    """Compose groups anew, of fragments that are kept as text and of fresh ones."""
    if not changed:
        return
    now_at = {entry.path: place for place, entry in enumerate(entries)}
    places = [now_at.get(entry.path, -1) for entry in old]
    # where the fragments of a distribution stand; those that are kept as text
    order: dict[Place, int] = {}
    kept: set[Place] = set()
    fresh: dict[str, list[tuple[Place, str]]] = {}
    for place, entry in enumerate(entries):
        for distribution in entry.distributions:
            at = place, distribution.file
            order[at] = len(order)
            if distribution.fragments is None:
                kept.add(at)
            else:
                for group, text in distribution.fragments.items():
                    fresh.setdefault(group, []).append((at, text))
    for group in changed:
        found = fresh.get(group, [])
        for before, text in parts.fragments(group):
            at = places[before], _owner_of(text)
            if at in kept:
                found.append((at, text))
        found.sort(key=lambda item: order[item[0]])
        parts.compose(group, found, hidden)


def _paths_line(paths: "list[str]") -> bytes:
    # to_json would do; joining what is all text takes half as long
    return f"[{','.join(map(quote, paths))}]\n".encode()


def encode(prefix: str, entries: "Sequence[PathEntry]", parts: "Parts") -> bytes:
    """Return the index of these path entries, and their groups, as it is written."""
    present, absent, stamps = _watched(entries, repeated(entries))
    watch = [_paths_line(present), _paths_line(absent), stamps_line(stamps)]
    table: list[str] = []
    written: list[bytes] = []
    offset = 0
    for group, (part, checksum) in sorted(parts.groups.items()):
        table.append(f'[{quote(group)},{offset},{len(part)},"{checksum}"]\n')
        written += part, b"\n"
        offset += len(part) + 1
    lines = [line for entry in entries for line in entry.lines()]
    detail = "".join([line + "\n" for line in lines]).encode()
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
        lines = iter(data.decode().splitlines())
        return [_entry(line, lines) for line in lines]
    except DOUBT as error:
        raise ValueError("detail") from error


def _entry(line: str, lines: "Iterator[str]") -> PathEntry:
    path, known, calm, archive, problems, plain, count = scan_once(line, 0)[0]
    return PathEntry(
        path,
        known,
        calm,
        archive,
        _troubles(problems),
        plain,
        [Distribution.read(next(lines)) for _ in range(count)],
    )
