"""Hold the records of path entries and distributions, and their lines in an index.

Pure, without file access. The format is described in docs/index-format.md.
"""

from .._index import ABSENT, DOUBT, quote, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._types import Row

    # a row with the group that it stands in
    Point = tuple[str, Row]
    # path of the file, line in it (0: the whole file), reason
    Trouble = tuple[str, int, str]
    # number of a path entry, name of a metadata folder in it
    Place = tuple[int, str]
    # what a path entry's own line says: is it an archive, problems, plain ones
    Own = tuple[bool, list[Trouble], dict[str, str]]


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
        stamp: "str | None" = None,
        settled: bool = True,
        named: bool = True,
        source: "str | None" = "METADATA",
        source_stamp: "str | None" = None,
        groups: "Iterable[str]" = (),
        problems: "Iterable[Trouble]" = (),
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
        self.groups = [*(groups if fragments is None else fragments)]
        self.problems = [*problems]
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

    def own_problems(self) -> "list[Trouble]":
        """Return the problems of the path entry itself: it could not be listed."""
        return [problem for problem in self.problems if problem[0] == self.path]

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


def texts_line(quoted: "list[str]") -> bytes:
    r"""Return a line of an index; the texts are such as JSON has between quotes.

    >>> texts_line(["1 2 3 4", "5 6 7 8"]), texts_line([])
    (b'["1 2 3 4","5 6 7 8"]\n', b'[]\n')
    """
    joined = '","'.join(quoted)
    return f'["{joined}"]\n'.encode() if quoted else b"[]\n"
