"""Lay out the watch list: the files that a full check compares, by path entry.

Pure, without file access.
"""

import os

from .. import _files
from .._content import is_by_content, stat_hash
from .._index import DECODE_ERRORS, Index, fingerprint, quote, texts
from .metadata import ENTRY_POINTS
from .records import is_borrowed, quote_each, texts_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .._types import Block
    from .records import PathEntry

# A path entry with at most this many files has no block of its own: its files share a
# block with those of other such path entries, by absolute paths. To open and close a
# directory costs 30,000 instructions, to access a file 10,000.
SHARED_BLOCK_MAX = 8
_SEPARATOR = quote(os.sep)[1:-1]


def fingerprint_of(stat_hashes: "Sequence[int | None]") -> str:
    """Return one fingerprint for files with these stat hashes, in this order.

    A stat hash is None if the file could not be read: the fingerprint is "", which
    equals no other.
    """
    found = [each for each in stat_hashes if each is not None]
    return fingerprint(found) if len(found) == len(stat_hashes) else ""


class WatchList:
    """The watched files of one path entry.

    Files are named relative to the path entry, escaped as in JSON.
    """

    __slots__ = ("absent", "by_content", "hashes", "present")

    def __init__(
        self,
        absent: bytes,
        present: bytes,
        hashes: "list[int | None]",
        by_content: "set[str]",
    ) -> None:
        # the line of the files that must stay absent, and the line of present files,
        # sorted
        self.absent = absent
        self.present = present
        # the stat hashes of the present files; None if one could not be read
        self.hashes = hashes
        # the present files that are compared by content as well
        self.by_content = by_content

    def places_by_content(self) -> "list[int]":
        """Return the positions of the files that are compared by content as well."""
        if not self.by_content:
            return []
        names = names_in_line(self.present)
        return [at for at, name in enumerate(names) if name in self.by_content]

    def counts(self) -> "tuple[int, int]":
        """Return the number of absent files and the number of present files."""
        is_empty = len(self.absent) == _EMPTY
        return 0 if is_empty else self.absent.count(b'","') + 1, len(self.hashes)


# the length of a line without texts
_EMPTY = len(b"[]\n")


def names_in_line(line: bytes) -> "list[str]":
    r"""Return the texts in a line of the watch list, still escaped as in JSON.

    >>> names_in_line(b'["/a","/b\\\\c"]\n'), names_in_line(b'[]\n')
    (['/a', '/b\\\\c'], [])
    """
    return line.decode()[2:-3].split('","') if len(line) > _EMPTY else []


def places_of(place: str, count: int) -> "list[int]":
    """Return the number of the path entry for each file in a block.

    Raises ValueError if one is not valid.

    >>> places_of("3", 2), places_of("3,4,", 2)
    ([3, 3], [3, 4])
    """
    if "-" in place:
        raise ValueError(place)
    if place[-1] != ",":
        return [int(place)] * count
    return [int(number) for number in place.split(",")[:-1]]


def _with_separator(path: str) -> str:
    """Return the path of a path entry with one separator at its end.

    Both are escaped as in JSON.

    >>> _with_separator(f"{os.sep}a") == _with_separator(f"{os.sep}a{os.sep}")
    True
    """
    return path.removesuffix(_SEPARATOR) + _SEPARATOR


def decode_block(
    key: "list[str]", block: "Block", hashes: "list[int]"
) -> "dict[int, WatchList]":
    """Return the watched files in a block of an index with this key, by path entry.

    `hashes` are the stat hashes of the present files, if the caller needs them. Raises
    ValueError if the block is damaged.
    """
    place, absent, present, _, by_content = block
    try:
        names = names_in_line(present) if by_content else []
        if place[-1] != ",":
            (number,) = places_of(place, 1)
            key[number + 1]  # raises if there is no such path entry
            found = WatchList(
                absent, present, [*hashes], {names[at] for at in by_content}
            )
            return {number: found}
        return _split_block(key, block, hashes)
    except DECODE_ERRORS as error:
        raise ValueError("watch list") from error


def _split_block(
    key: "list[str]", block: "Block", hashes: "list[int]"
) -> "dict[int, WatchList]":
    """Return the watched files in a block of several path entries."""
    place, absent, present, _, by_content = block
    missing = names_in_line(absent)
    whole = [*missing, *names_in_line(present)]
    start = len(missing)
    parts: dict[int, tuple[list[str], list[str], list[int | None], set[str]]] = {}
    places = places_of(place, len(whole))
    for at, (each, path) in enumerate(zip(places, whole, strict=True)):
        name = path.removeprefix(_with_separator(quote(key[each + 1])[1:-1]))
        gone, there, known, special = parts.setdefault(each, ([], [], [], set()))
        if at < start:
            gone.append(name)
        else:
            there.append(name)
            known += hashes[at - start : at - start + 1]
            if at - start in by_content:
                special.add(name)
    return {
        each: WatchList(texts_line(gone), texts_line(there), known, special)
        for each, (gone, there, known, special) in parts.items()
    }


def watched_files(index: Index) -> "Iterator[tuple[int, list[str], list[str]]]":
    """Yield the number, the absent files and the present files of each path entry.

    Files are named relative to the path entry. Raises ValueError if the index is
    damaged.
    """
    for block in index.watched():
        for place, watch in decode_block(index.key, block, []).items():
            lines = watch.absent, watch.present
            absent, present = [texts(line.decode()[:-1]) for line in lines]
            yield place, absent, present


def build_watch_lists(
    entries: "Sequence[PathEntry]", several: "set[str]"
) -> "dict[int, WatchList]":
    """Return the watched files of each path entry.

    `several` are the keys that occur more than once.
    """
    watch: dict[int, WatchList] = {}
    for place, entry in enumerate(entries):
        if entry.archive or is_borrowed(entry.stat_signature):
            continue  # its own signature is enough
        absent = [file + ENTRY_POINTS for file in entry.plain]
        # the name and the stat signature of each existing file
        present: list[tuple[str, str | None]] = []
        stat_hashes: list[int | None] = []
        for distribution in entry.distributions:
            file = distribution.file + ENTRY_POINTS
            if distribution.stat_signature is None:
                absent.append(file)
            else:
                present.append((file, distribution.stat_signature))
                stat_hashes.append(
                    distribution.number or stat_hash(distribution.stat_signature)
                )
            # Watch the metadata if several distributions have the same key, since then
            # it matters which have metadata; if the directory's name does not contain
            # the key; and if there is none yet.
            source = distribution.source
            if distribution.key in several or not distribution.named or source is None:
                directory = distribution.file + os.sep
                if source != "METADATA":
                    absent.append(directory + "METADATA")
                if source is None:
                    absent.append(directory + "PKG-INFO")
                # With the source "", `file` is the metadata. Without metadata, a file
                # may replace the directory.
                file = directory + source if source else distribution.file
                known = distribution.source_signature
                present.append((file, known))
                stat_hashes.append(stat_hash(known) if known else None)
        files = sorted(
            zip(quote_each([file for file, _ in present]), stat_hashes, present)
        )
        watch[place] = WatchList(
            texts_line(sorted(quote_each(absent))),
            texts_line([file for file, _, _ in files]),
            [each for _, each, _ in files],
            {file for file, _, (_, known) in files if is_by_content(known)},
        )
    return watch


def blocks_of(
    paths: "list[str]", watch: "Mapping[int, WatchList]"
) -> "tuple[list[str], list[bytes]]":
    """Return the fields of the header for the blocks of a watch list, and their lines.

    `paths` are the path entries, escaped as in JSON.
    """
    blocks: list[str] = []
    lines: list[bytes] = []

    def add(place: str, each: WatchList) -> None:
        blocks.extend(
            [
                place,
                str(len(each.absent)),
                str(len(each.present)),
                fingerprint_of(each.hashes),
                " ".join(map(str, each.places_by_content())),
            ]
        )
        lines.extend([each.absent, each.present])

    absent: list[str] = []
    present: list[str] = []
    places: list[list[str]] = [[], []]
    hashes: list[int | None] = []
    by_content: set[str] = set()
    for place in sorted(watch):
        each = watch[place]
        counts = each.counts()
        if sum(counts) > SHARED_BLOCK_MAX and _files.HAS_DIR_FD:
            add(str(place), each)
            continue
        root = _with_separator(paths[place])
        absent += [root + name for name in names_in_line(each.absent)]
        present += [root + name for name in names_in_line(each.present)]
        hashes += each.hashes
        by_content.update([root + name for name in each.by_content])
        for of_kind, count in zip(places, counts):
            of_kind += [f"{place},"] * count
    if absent or present:
        few = WatchList(texts_line(absent), texts_line(present), hashes, by_content)
        add("".join([*places[0], *places[1]]), few)
    return blocks, lines
