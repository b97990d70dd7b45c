"""What is remembered, in full: the records of an environment, and their layout.

Pure, without file access. `_index` reads what is assembled here; the format is
described in docs/index-format.md.
"""

import os

from .. import _files
from .._content import with_content
from .._index import (
    ABSENT,
    DOUBT,
    Index,
    digest,
    quote,
    texts,
    title,
    together,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .._types import Block, Row

    # a row with the group that it stands in
    Point = tuple[str, Row]
    # path of the file, line in it (0: the whole file), reason
    Trouble = tuple[str, int, str]
    # number of a path entry, name of a metadata folder in it
    Place = tuple[int, str]
    # what a path entry's own line says: is it an archive, problems, plain ones
    Own = tuple[bool, list[Trouble], dict[str, str]]
    # the groups as they are written, by their quoted names: text and its checksum
    Groups = dict[str, tuple[bytes | memoryview, str]]


# The files of a path entry that has no more are accessed by absolute paths, together
# with those of other such path entries: to open and close a directory costs 30,000
# instructions, a file 10,000.
FEW = 8
_SEPARATOR = quote(os.sep)[1:-1]
# What begins that which stands for the stamp of a path entry whose record a frozen
# index has lent.
LENT = "@"


def to_line(texts: "list[str]") -> str:
    r"""Return some texts as JSON: most are plain, and need not be looked at each.

    >>> to_line(["a", "b c"]), to_line(["\xe4"]), to_line(['"'])
    ('["a","b c"]', '["\\u00e4"]', '["\\""]')
    """
    line = '","'.join(texts)
    # What ascii() would escape, and the quotes, are what JSON escapes.
    if len(ascii(line)) == len(line) + 2 and line.count('"') == 2 * len(texts) - 2:
        return f'["{line}"]'
    from .. import _json_text  # deferred: most are plain

    return _json_text.to_json(texts)


def quoted(texts: "list[str]") -> "list[str]":
    r"""Return texts as JSON has them between quotes; most are plain, as they are.

    >>> quoted(["a", "b c"]), quoted(["\xe4", '"'])
    (['a', 'b c'], ['\\u00e4', '\\"'])
    """
    whole = "".join(texts)
    if len(quote(whole)) == len(whole) + 2:
        return texts
    return [quote(text)[1:-1] for text in texts]


def _flat(problems: "list[Trouble]") -> "list[str]":
    """Return problems as they stand in a line: how many, then three texts of each.

    >>> _flat([("/s/a", 2, "why")]), _flat([])
    (['1', '/s/a', '2', 'why'], ['0'])
    """
    if not problems:
        return ["0"]  # as nearly all
    told = [text for path, at, why in problems for text in (path, str(at), why)]
    return [str(len(problems)), *told]


def _problems(flat: "list[str]") -> "tuple[list[Trouble], list[str]]":
    """Return the problems that stand in a line from here on, and what follows them.

    >>> _problems(["1", "/s/a", "2", "why", "g"]), _problems(["0", "g"])
    (([('/s/a', 2, 'why')], ['g']), ([], ['g']))
    """
    end = 1 + 3 * int(flat[0])
    found = [
        (flat[at], int(flat[at + 1]), flat[at + 2])  # LookupError: some are missing
        for at in range(1, end, 3)
    ]
    return found, flat[max(end, 1) :]


class Distribution:
    """What is remembered of a distribution that is more than a name.

    Most distributions declare nothing and are a name only: see PathEntry.plain.
    """

    __slots__ = (
        "_text",
        "file",
        "fragments",
        "groups",
        "key",
        "named",
        "number",
        "problems",
        "settled",
        "source",
        "source_stamp",
        "stamp",
    )
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
        # what `numbers` has for its stamp, where that was just taken
        number: int | None

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
        number: "int | None" = None,
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
        self.number = number

    @classmethod
    def read(cls, text: str) -> "Distribution":
        """Return a distribution from its line in an index; ValueError if it is none."""
        try:
            file, key, own, settled, named, source, known, *rest = texts(text)
            problems, groups = _problems(rest)
        except DOUBT as error:
            raise ValueError("record") from error
        found = cls(
            file,
            key,
            None if own == ABSENT else own,
            settled == "1",
            named == "1",
            None if source == ABSENT else source,
            None if known == ABSENT else known,
            groups,
            problems,
        )
        found._text = text
        return found

    def stamp_of(self, file: str) -> "str | None":
        """Return the stamp of a file in its folder; "" is metadata that is a file."""
        return self.stamp if file == "entry_points.txt" else self.source_stamp

    def line(self) -> str:
        """Return what the index keeps: the line that it was read from, if any."""
        return self._text or to_line(
            [
                self.file,
                self.key,
                ABSENT if self.stamp is None else self.stamp,
                "01"[self.settled],
                "01"[self.named],
                ABSENT if self.source is None else self.source,
                ABSENT if self.source_stamp is None else self.source_stamp,
                *_flat(self.problems),
                *self.groups,
            ]
        )


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

    def files(self) -> "list[str]":
        """Return the names of all metadata folders in it."""
        return [*self.plain, *[d.file for d in self.distributions]]

    def text(self) -> str:
        """Return what the index keeps: the entry's own line, one a distribution."""
        own = own_line(self.archive, self.problems, self.plain)
        return "\n".join([own, *[d.line() for d in self.distributions], ""])


def is_lent(stamp: "str | None") -> bool:
    """Does this stand for a stamp in a record that a frozen index has lent?

    >>> is_lent("@0123456789abcdef"), is_lent("1 2 3 4"), is_lent(None)
    (True, False, False)
    """
    return stamp is not None and stamp[:1] == LENT


def own_of(line: str) -> "Own":
    """Return what a path entry's own line says; ValueError or LookupError if nothing.

    >>> own_of(own_line(False, [("/s", 0, "why")], {"a-1.dist-info": "a"}))
    (False, [('/s', 0, 'why')], {'a-1.dist-info': 'a'})
    """
    none, archive, *rest = texts(line)
    problems, plain = _problems(rest)
    if none or archive not in {"0", "1"}:
        raise ValueError("own line")
    return archive == "1", problems, dict(zip(plain[::2], plain[1::2], strict=True))


def own_line(archive: bool, problems: "list[Trouble]", plain: "dict[str, str]") -> str:
    """Return the line that a path entry has in the index for itself.

    It begins with a text that is empty: those of distributions do not.
    """
    pairs = [text for pair in sorted(plain.items()) for text in pair]
    return to_line(["", str(int(archive)), *_flat(problems), *pairs])


def fragments(file: str, key: str, points: "Iterable[Point]") -> "dict[str, str]":
    """Return a distribution's part of each group, as JSON text without its first two.

    These are whether it is shadowed, and the number of its path entry: both may
    change while the rest stands.
    """
    flat: dict[str, list[str]] = {}
    for group, (point, value, module, attr, line) in points:
        if group not in flat:
            flat[group] = [file, key]
        flat[group] += point, value, module or "", attr or "", str(line)
    return {group: to_line(found)[1:] for group, found in flat.items()}


def table_of(index: Index) -> "list[tuple[str, int, int, str]]":
    """Return of each group its name, offset, length and checksum.

    Raises ValueError if that is not how it was written.
    """
    found: list[tuple[str, int, int, str]] = []
    try:
        *lines, rest = index.front.decode().split("\n")[5:]
        for line in lines:
            group, offset, length, checksum = texts(line)
            if line != f'[{quote(group)},"{int(offset)}","{int(length)}","{checksum}"]':
                raise ValueError(line)
            found.append((group, int(offset), int(length), checksum))
        if rest:
            raise ValueError(rest)
    except DOUBT as error:
        raise ValueError("table") from error
    return found


def groups_of(index: Index) -> "Groups":
    """Return the groups as an index has them, not yet verified. Raises ValueError."""
    found: Groups = {}
    try:
        total, _, _ = index.detail
        # Most are written again as they are: views save copying them.
        data = memoryview(index.read(index.after_watch, total))
        for line in index.front.decode().split("\n")[5:-1]:
            name, offset, length, checksum = line[1:-2].rsplit(',"', 3)
            at = int(offset[:-1])
            found[name] = data[at : at + int(length[:-1])], checksum
    except DOUBT as error:
        raise ValueError("groups") from error
    return found


def group_text(groups: "Groups", name: str) -> str:
    """Return a group: its quoted name, then a line for each distribution.

    It may be a new one. Raises ValueError if it is damaged.
    """
    if name not in groups:
        return f"[{name}]\n"
    part, checksum = groups[name]
    if digest(part) != checksum:
        raise ValueError(name)
    return str(part, "ascii") + "\n"


def set_group(groups: "Groups", name: str, text: str) -> None:
    """Set the text of a group; without a distribution it goes."""
    if len(text) > len(name) + 3:
        part = text[:-1].encode()
        groups[name] = part, digest(part)
    else:
        groups.pop(name, None)


def detail_text(index: Index) -> str:
    """Return the lines of the records; ValueError if they are damaged."""
    try:
        offset, length, wanted = index.detail
        data = index.read(index.after_watch + offset, length)
        if len(data) != length or digest(data) != wanted:
            raise ValueError("detail")
        return data.decode()
    except DOUBT as error:
        raise ValueError("detail") from error


def texts_line(quoted: "list[str]") -> bytes:
    r"""Return a line of an index; the texts are such as JSON has between quotes.

    >>> texts_line(["1 2 3 4", "5 6 7 8"]), texts_line([])
    (b'["1 2 3 4","5 6 7 8"]\n', b'[]\n')
    """
    joined = '","'.join(quoted)
    return f'["{joined}"]\n'.encode() if quoted else b"[]\n"


def number(stamp: str) -> int:
    """Return the stat hash of a stat signature; ValueError if it is not valid.

    It is that of `numbers`; with a checksum in the signature, that of `with_content`.
    """
    modified, changed, size, inode, *checksum = stamp.split(" ")
    found = hash((int(modified, 16), int(changed, 16), int(size, 16), int(inode, 16)))
    for each in checksum:
        found = with_content(found, each)
    return found


def is_by_content(stamp: "str | None") -> bool:
    """Return True if a file with this signature is compared by content as well.

    >>> is_by_content("1 1 3 4 0123456789abcdef"), is_by_content("1 2 3 4")
    (True, False)
    """
    return stamp is not None and stamp.count(" ") > 3


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


def _blocks(
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
    numbers = places_of(place, len(whole))
    for at, (number, path) in enumerate(zip(numbers, whole, strict=True)):
        name = path.removeprefix(_inside(quote(key[number + 1])[1:-1]))
        gone, there, known, special = parts.setdefault(number, ([], [], [], set()))
        if at < start:
            gone.append(name)
        else:
            there.append(name)
            known += hashes[at - start : at - start + 1]
            if at - start in by_content:
                special.add(name)
    return {
        number: Watch(texts_line(gone), texts_line(there), known, special)
        for number, (gone, there, known, special) in parts.items()
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


def assemble(
    key: "list[str]",
    stamps: "list[str | None]",
    young: "list[int]",
    settled: bool,
    watch: "Mapping[int, Watch]",
    groups: "Groups",
    detail: str,
) -> bytes:
    """Return an index as it is written.

    `young` are the numbers of path entries whose stamps are not to be believed,
    `settled` says if those of all distributions are. `watch` has the watched files by
    the number of their path entry; `detail` is the text of the records.
    """
    paths = quoted(key)
    blocks, lines = _blocks(paths[1:], watch)
    table: list[str] = []
    written: list[bytes | memoryview] = []
    offset = 0
    for name in sorted(groups):
        part, checksum = groups[name]
        table.append(f'[{name},"{offset}","{len(part)}","{checksum}"]\n')
        written += part, b"\n"
        offset += len(part) + 1
    records = detail.encode()
    head = [
        texts_line(paths),
        texts_line([ABSENT if known is None else known for known in stamps]),
        texts_line([str(place) for place in young]),
        texts_line(
            [str(int(settled)), str(offset), str(len(records)), digest(records)]
        ),
        texts_line([digest(b"".join(lines)), *blocks]),
    ]
    front = b"".join([*head, "".join(table).encode()])
    return b"".join([title(front), front, *lines, *written, records])


def from_bytes(data: bytes) -> Index:
    """Return the index that these bytes are."""
    return Index(lambda offset, length: data[offset : offset + length])


def decode(index: Index) -> "list[PathEntry]":
    """Return the records of the path entries; ValueError if they are damaged."""
    detail = detail_text(index)
    try:
        entries: list[PathEntry] = []
        for line in detail.split("\n")[:-1]:
            if line[2] == '"':
                archive, problems, plain = own_of(line)
                place = len(entries)
                entries.append(
                    PathEntry(
                        index.key[place + 1],
                        index.stamps[place],
                        place not in index.young,
                        archive,
                        problems,
                        plain,
                        [],
                    )
                )
            else:
                entries[-1].distributions.append(Distribution.read(line))
        if len(entries) != len(index.stamps):
            raise ValueError("detail")
    except DOUBT as error:
        raise ValueError("detail") from error
    return entries
