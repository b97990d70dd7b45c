"""Lay out the watch list: the files that a full check compares, by path entry.

Pure, without file access.
"""

import os

from .. import _files
from .._content import is_by_content, number
from .._index import DOUBT, Index, quote, texts, together
from .metadata import ENTRY_POINTS
from .records import is_lent, quoted, texts_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .._types import Block
    from .records import PathEntry

# The files of a path entry that has no more are accessed by absolute paths, together
# with those of other such path entries: to open and close a directory costs 30,000
# instructions, a file 10,000.
FEW = 8
_SEPARATOR = quote(os.sep)[1:-1]


def together_of(numbers: "Sequence[int | None]") -> str:
    """Return what files that have these numbers, in this order, are compared by.

    None: one could not be read. It equals nothing, and so does what has one.
    """
    found = [each for each in numbers if each is not None]
    return together(found) if len(found) == len(numbers) else ""


class Watch:
    """The watched files of one path entry.

    Files are named relative to it, as JSON has them between quotes.
    """

    __slots__ = ("absent", "by_content", "hashes", "present")

    def __init__(
        self,
        absent: bytes,
        present: bytes,
        hashes: "list[int | None]",
        by_content: "set[str]",
    ) -> None:
        # the line of the files that must stay absent, and that of the others, in order
        self.absent = absent
        self.present = present
        # the stat hashes of the present files; None: one could not be read
        self.hashes = hashes
        # which of the present files are compared by content
        self.by_content = by_content

    def places_by_content(self) -> "list[int]":
        """Return the places of the files that are compared by content."""
        if not self.by_content:
            return []
        names = names_in_line(self.present)
        return [at for at, name in enumerate(names) if name in self.by_content]

    def counts(self) -> "tuple[int, int]":
        """Return how many files are absent, and how many are present."""
        nothing = len(self.absent) == _EMPTY
        return 0 if nothing else self.absent.count(b'","') + 1, len(self.hashes)


# the length of a line without texts
_EMPTY = len(b"[]\n")


def names_in_line(line: bytes) -> "list[str]":
    r"""Return the texts of a line of the watch list, as JSON has them between quotes.

    >>> names_in_line(b'["/a","/b\\\\c"]\n'), names_in_line(b'[]\n')
    (['/a', '/b\\\\c'], [])
    """
    return line.decode()[2:-3].split('","') if len(line) > _EMPTY else []


def places_of(place: str, count: int) -> "list[int]":
    """Return the number of the path entry of each of the files in a block.

    >>> places_of("3", 2), places_of("3,4,", 2)
    ([3, 3], [3, 4])
    """
    if place[-1] != ",":
        return [int(place)] * count
    return [int(number) for number in place.split(",")[:-1]]


def _inside(path: str) -> str:
    """Return how the absolute paths of files in a path entry begin.

    Both are as JSON has them between quotes.

    >>> _inside(f"{os.sep}a") == _inside(f"{os.sep}a{os.sep}")
    True
    """
    return path.removesuffix(_SEPARATOR) + _SEPARATOR


def watch_of(
    key: "list[str]", block: "Block", hashes: "list[int]"
) -> "dict[int, Watch]":
    """Return the watched files in a block of an index with this key, by path entry.

    `hashes` are the stat hashes of the present files, if they are needed. Raises
    ValueError if the block is damaged.
    """
    place, absent, present, _, by_content = block
    try:
        names = names_in_line(present) if by_content else []
        if place[-1] != ",":
            key[int(place) + 1]  # there is such a path entry
            found = Watch(absent, present, [*hashes], {names[at] for at in by_content})
            return {int(place): found}
        return _apart(key, block, hashes)
    except DOUBT as error:
        raise ValueError("watch") from error


def _apart(key: "list[str]", block: "Block", hashes: "list[int]") -> "dict[int, Watch]":
    """Return the watched files in a block of several path entries."""
    place, absent, present, _, by_content = block
    missing = names_in_line(absent)
    whole = [*missing, *names_in_line(present)]
    start = len(missing)
    parts: dict[int, tuple[list[str], list[str], list[int | None], set[str]]] = {}
    places = places_of(place, len(whole))
    for at, (each, path) in enumerate(zip(places, whole, strict=True)):
        name = path.removeprefix(_inside(quote(key[each + 1])[1:-1]))
        gone, there, known, special = parts.setdefault(each, ([], [], [], set()))
        if at < start:
            gone.append(name)
        else:
            there.append(name)
            known += hashes[at - start : at - start + 1]
            if at - start in by_content:
                special.add(name)
    return {
        each: Watch(texts_line(gone), texts_line(there), known, special)
        for each, (gone, there, known, special) in parts.items()
    }


def watched_files(index: Index) -> "Iterator[tuple[int, list[str], list[str]]]":
    """Yield of each path entry its number, the files that must stay absent, the others.

    They are named relative to it. Raises ValueError if the index is damaged.
    """
    for block in index.watched():
        for place, watch in watch_of(index.key, block, []).items():
            lines = watch.absent, watch.present
            absent, present = [texts(line.decode()[:-1]) for line in lines]
            yield place, absent, present


def watched(entries: "Sequence[PathEntry]", several: "set[str]") -> "dict[int, Watch]":
    """Return, by path entry, what is watched there."""
    watch: dict[int, Watch] = {}
    for place, entry in enumerate(entries):
        if entry.archive or is_lent(entry.stamp):
            continue  # its own stamp says it all
        absent = [file + ENTRY_POINTS for file in entry.plain]
        # of each existing file, its name and its stat signature
        present: list[tuple[str, str | None]] = []
        numbers: list[int | None] = []
        for distribution in entry.distributions:
            file = distribution.file + ENTRY_POINTS
            if distribution.stamp is None:
                absent.append(file)
            else:
                present.append((file, distribution.stamp))
                numbers.append(distribution.number or number(distribution.stamp))
            # Whether there is metadata decides only among several of one key, what
            # it says only where the folder's name does not. Where there is none, it
            # may be yet to come.
            source = distribution.source
            if distribution.key in several or not distribution.named or source is None:
                folder = distribution.file + os.sep
                if source != "METADATA":
                    absent.append(folder + "METADATA")
                if source is None:
                    absent.append(folder + "PKG-INFO")
                # If it is "", the metadata is a file itself; if there is none, a file
                # may replace the directory.
                file = folder + source if source else distribution.file
                known = distribution.source_stamp
                present.append((file, known))
                numbers.append(number(known) if known else None)
        files = sorted(zip(quoted([file for file, _ in present]), numbers, present))
        watch[place] = Watch(
            texts_line(sorted(quoted(absent))),
            texts_line([file for file, _, _ in files]),
            [each for _, each, _ in files],
            {file for file, _, (_, known) in files if is_by_content(known)},
        )
    return watch


def blocks_of(
    paths: "list[str]", watch: "Mapping[int, Watch]"
) -> "tuple[list[str], list[bytes]]":
    """Return the blocks of the watch list as the head has them, and their lines.

    `paths` are the path entries, as JSON has them between quotes.
    """
    blocks: list[str] = []
    lines: list[bytes] = []

    def add(place: str, each: Watch) -> None:
        blocks.extend(
            [
                place,
                str(len(each.absent)),
                str(len(each.present)),
                together_of(each.hashes),
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
        if sum(counts) > FEW and _files.HAS_DIR_FD:
            add(str(place), each)
            continue
        root = _inside(paths[place])
        absent += [root + name for name in names_in_line(each.absent)]
        present += [root + name for name in names_in_line(each.present)]
        hashes += each.hashes
        by_content.update([root + name for name in each.by_content])
        for of_kind, count in zip(places, counts):
            of_kind += [f"{place},"] * count
    if absent or present:
        few = Watch(texts_line(absent), texts_line(present), hashes, by_content)
        add("".join([*places[0], *places[1]]), few)
    return blocks, lines
