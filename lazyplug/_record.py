"""What is remembered, in full: the records of an environment, and their layout.

Pure, without file access. `_index` reads what is assembled here; the format is
described in docs/index-format.md.
"""

from ._index import (
    ABSENT,
    DOUBT,
    Index,
    digest,
    texts,
    texts_line,
    title,
)
from ._text import quote, scan_once, to_json, to_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import Any

    from ._index import Row

    # a row with the group that it stands in
    Point = tuple[str, Row]
    # path of the file, line in it (0: the whole file), reason
    Trouble = tuple[str, int, str]
    # number of a path entry, name of a metadata folder in it
    Place = tuple[int, str]
    # the groups as they are written, by their quoted names: text and its checksum
    Groups = dict[str, tuple[bytes | memoryview, str]]


# What begins that which stands for the stamp of a path entry whose record a frozen
# index has lent.
LENT = "@"


def _troubles(read: "Iterable[Any]") -> "list[Trouble]":
    found: list[Trouble] = []
    for path, line, reason in read:
        if (path.__class__, line.__class__, reason.__class__) != (str, int, str):
            raise ValueError("problems")
        found.append((path, line, reason))
    return found


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
        try:
            values = scan_once(self._text, 0)[0]
            for field, value in zip(self._FIELDS, values, strict=True):
                setattr(self, field, value)
            self.problems = _troubles(self.problems)
            known = [self.stamp, self.source, self.source_stamp]
            texts = [text for text in known if text is not None]
            "".join([self.file, self.key, *texts, *self.groups])  # all of it is text
        except DOUBT as error:
            raise ValueError("record") from error

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

    def files(self) -> "list[str]":
        """Return the names of all metadata folders in it."""
        return [*self.plain, *[d.file for d in self.distributions]]

    def text(self) -> str:
        """Return what the index keeps: the entry's own line, one a distribution."""
        own = own_line(self.archive, self.problems, self.plain)
        lines = [own, *[d.line() for d in self.distributions]]
        return "".join([line + "\n" for line in lines])


def is_lent(stamp: "str | None") -> bool:
    """Does this stand for a stamp in a record that a frozen index has lent?

    >>> is_lent("@0123456789abcdef"), is_lent("1 2 3 4"), is_lent(None)
    (True, False, False)
    """
    return stamp is not None and stamp[:1] == LENT


def own_of(text: str, at: int = 0) -> "dict[str, Any]":
    """Return what a path entry's own line says, there in a text."""
    own: dict[str, Any] = scan_once(text, at)[0]
    own["problems"] = _troubles(own["problems"])
    "".join(own["plain"].values())  # all of it is text
    if own["archive"].__class__ is not bool:
        raise ValueError("archive")
    return own


def own_line(archive: bool, problems: "Any", plain: "dict[str, str]") -> str:
    """Return the line that a path entry has in the index for itself."""
    plain = dict(sorted(plain.items()))
    return to_json({"archive": archive, "problems": problems, "plain": plain})


def fragments(file: str, key: str, points: "Iterable[Point]") -> "dict[str, str]":
    """Return a distribution's part of each group, as JSON text without its first two.

    These are whether it is shadowed, and the number of its path entry: both may
    change while the rest stands.
    """
    flat: dict[str, list[str]] = {}
    for group, (point, value, module, attr, line) in points:
        row = point, value, module or "", attr or "", str(line)
        flat.setdefault(group, [file, key]).extend(row)
    return {group: to_line(found)[1:] for group, found in flat.items()}


def begins(front: bytes, table: int) -> "dict[bytes, int]":
    r"""Return where in a front the lines of its table begin, by what they begin with.

    It is the newline before the line, and the line up to the name's comma.

    >>> begins(b'[]\n["a","0","1","x"]\n["b","2","1","y"]\n', 2)
    {b'\n["a",': 2, b'\n["b",': 20}
    """
    found = {}
    at = table
    for line in front[table + 1 :].split(b"\n")[:-1]:
        found[b"\n" + line.rsplit(b'"', 6)[0]] = at
        at += len(line) + 1
    return found


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


def assemble(
    key: "list[str]",
    stamps: "list[str | None]",
    young: "list[int]",
    settled: bool,
    watch: "Mapping[int, tuple[Collection[str], Mapping[str, str]]]",
    groups: "Groups",
    detail: str,
) -> bytes:
    """Return an index as it is written.

    `young` are the numbers of path entries whose stamps are not to be believed,
    `settled` says if those of all distributions are.
    `watch` has, by the number of the path entry, the files in it that must not come
    and those that have stamps, with these, each as JSON has it between quotes;
    `detail` is the text of the records.
    """
    numbers: list[int] = []
    lines: list[bytes] = []
    for place in sorted(watch):
        absent, present = watch[place]
        files = sorted(present)
        if not absent and not files:
            continue
        three = [
            texts_line(sorted(absent)),
            texts_line(files),
            texts_line([present[file] for file in files]),
        ]
        numbers += place, *map(len, three)
        lines += three
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
        texts_line([quote(text)[1:-1] for text in key]),
        texts_line([ABSENT if known is None else known for known in stamps]),
        texts_line([str(place) for place in young]),
        texts_line(
            [str(int(settled)), str(offset), str(len(records)), digest(records)]
        ),
        texts_line([digest(b"".join(lines)), *map(str, numbers)]),
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
            if line[0] == "{":
                own = own_of(line)
                place = len(entries)
                entries.append(
                    PathEntry(
                        index.key[place + 1],
                        index.stamps[place],
                        place not in index.young,
                        own["archive"],
                        own["problems"],
                        own["plain"],
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
