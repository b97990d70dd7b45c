"""Hold the records of path entries and distributions, and their lines in an index.

Pure, without file access. The format is described in docs/index-format.md.
"""

from .._index import ABSENT, DECODE_ERRORS, quote, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._types import Row

    # a row with its group
    Point = tuple[str, Row]
    # path of the file, line in it (0: the whole file), reason
    RawProblem = tuple[str, int, str]
    # number of a path entry, name of a metadata directory in it
    Place = tuple[int, str]
    # a path entry's own line: whether it is an archive, its problems, the keys of its
    # plain distributions by metadata directory
    Own = tuple[bool, list[RawProblem], dict[str, str]]


# Marks the text that replaces the stat signature of a path entry whose record was
# borrowed from a frozen index instead of being scanned.
BORROWED = "@"
# The characters that JSON does not escape, but for the quotes between texts.
_PLAIN = bytes(code for code in range(32, 127) if chr(code) not in '"\\')


def to_line(texts: "list[str]") -> str:
    r"""Return texts as a JSON array; most need no escapes, and one test shows it.

    >>> to_line(["a", "b c"]), to_line(["\xe4"]), to_line(['"'])
    ('["a","b c"]', '["\\u00e4"]', '["\\""]')
    """
    line = '","'.join(texts)
    # All in one pass, which saves 3 % of a cold start with many distributions.
    if line.isascii() and len(line.encode().translate(None, _PLAIN)) == (
        2 * len(texts) - 2
    ):
        return f'["{line}"]'
    from .. import _json_text  # deferred: few texts need escapes

    return _json_text.to_json(texts)


def quote_each(texts: "list[str]") -> "list[str]":
    r"""Return texts escaped as in JSON, without quotes; most need no escapes.

    >>> quote_each(["a", "b c"]), quote_each(["\xe4", '"'])
    (['a', 'b c'], ['\\u00e4', '\\"'])
    """
    whole = "".join(texts)
    if len(quote(whole)) == len(whole) + 2:
        return texts
    return [quote(text)[1:-1] for text in texts]


def _flatten(problems: "list[RawProblem]") -> "list[str]":
    """Return problems as a line has them: their number, then three texts for each.

    >>> _flatten([("/s/a", 2, "reason")]), _flatten([])
    (['1', '/s/a', '2', 'reason'], ['0'])
    """
    if not problems:
        return ["0"]  # nearly always
    fields = [text for path, at, reason in problems for text in (path, str(at), reason)]
    return [str(len(problems)), *fields]


def _parse_problems(flat: "list[str]") -> "tuple[list[RawProblem], list[str]]":
    """Return the problems at the beginning of these texts, and the texts after them.

    >>> _parse_problems(["1", "/s/a", "2", "reason", "g"]), _parse_problems(["0", "g"])
    (([('/s/a', 2, 'reason')], ['g']), ([], ['g']))
    """
    end = 1 + 3 * int(flat[0])
    found = [
        (flat[at], int(flat[at + 1]), flat[at + 2])  # LookupError if some are missing
        for at in range(1, end, 3)
    ]
    return found, flat[max(end, 1) :]


class Distribution:
    """The record of a distribution that is not plain.

    Most distributions declare no entry points and are plain: see PathEntry.plain.
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
        "reliable",
        "source",
        "source_signature",
        "stat_signature",
    )
    if TYPE_CHECKING:
        # the name of its metadata directory (or file) in the path entry
        file: str
        # the normalized name: equal keys mean the same distribution
        key: str
        # the stat signature of entry_points.txt; None if it does not exist
        stat_signature: str | None
        # whether its stat signatures are reliable, not racy
        reliable: bool
        # whether the key came from the name of the metadata directory
        named: bool
        # which file is its metadata: "METADATA", "PKG-INFO", "" (`file` itself), None
        # (no metadata). Determined only if the metadata decides something.
        source: str | None
        source_signature: str | None
        groups: list[str]
        problems: list[RawProblem]
        # the result of `fragments`; None: unchanged, the index has them
        fragments: dict[str, str] | None
        # the stat hash of entry_points.txt, if it was just computed
        number: int | None

    def __init__(
        self,
        file: str,
        key: str,
        stat_signature: "str | None" = None,
        reliable: bool = True,
        named: bool = True,
        source: "str | None" = "METADATA",
        source_signature: "str | None" = None,
        groups: "Iterable[str]" = (),
        problems: "Iterable[RawProblem]" = (),
        fragments: "dict[str, str] | None" = None,
        number: "int | None" = None,
    ) -> None:
        self._text = ""
        self.file = file
        self.key = key
        self.stat_signature = stat_signature
        self.named = named
        self.reliable = reliable
        self.source = source
        self.source_signature = source_signature
        self.groups = [*(groups if fragments is None else fragments)]
        self.problems = [*problems]
        self.fragments = fragments
        self.number = number

    @classmethod
    def read(cls, text: str) -> "Distribution":
        """Parse the line of a distribution. Raises ValueError if it is not valid."""
        try:
            file, key, own, reliable, named, source, known, *rest = texts(text)
            problems, groups = _parse_problems(rest)
        except DECODE_ERRORS as error:
            raise ValueError("record") from error
        found = cls(
            file,
            key,
            None if own == ABSENT else own,
            reliable == "1",
            named == "1",
            None if source == ABSENT else source,
            None if known == ABSENT else known,
            groups,
            problems,
        )
        found._text = text
        return found

    def signature_of(self, file: str) -> "str | None":
        """Return the signature of entry_points.txt, or else that of the metadata."""
        return (
            self.stat_signature if file == "entry_points.txt" else self.source_signature
        )

    def line(self) -> str:
        """Return its line in the index: the line that it was read from, if any."""
        return self._text or to_line(
            [
                self.file,
                self.key,
                ABSENT if self.stat_signature is None else self.stat_signature,
                "01"[self.reliable],
                "01"[self.named],
                ABSENT if self.source is None else self.source,
                ABSENT if self.source_signature is None else self.source_signature,
                *_flatten(self.problems),
                *self.groups,
            ]
        )


class PathEntry:
    """The record of one stable entry of `sys.path`."""

    __slots__ = (
        "archive",
        "distributions",
        "path",
        "plain",
        "problems",
        "reliable",
        "stat_signature",
    )

    def __init__(
        self,
        path: str,
        stat_signature: "str | None",
        reliable: bool,
        archive: bool,
        problems: "list[RawProblem]",
        plain: "dict[str, str]",
        distributions: "list[Distribution]",
    ) -> None:
        self.path = path
        # None if it does not exist
        self.stat_signature = stat_signature
        self.reliable = reliable
        # a zip or an egg, which importlib_metadata reads
        self.archive = archive
        self.problems = problems
        # the keys of plain distributions (those without entry_points.txt), by metadata
        # directory
        self.plain = plain
        # the others, in order: the first of one key wins
        self.distributions = distributions

    def files(self) -> "list[str]":
        """Return the names of all its metadata directories."""
        return [*self.plain, *[d.file for d in self.distributions]]

    def own_problems(self) -> "list[RawProblem]":
        """Return the problems of the path entry itself, such as failing to list it."""
        return [problem for problem in self.problems if problem[0] == self.path]

    def text(self) -> str:
        """Return its lines in the index: its own line, then one per distribution."""
        own = entry_line(self.archive, self.problems, self.plain)
        return "\n".join([own, *[d.line() for d in self.distributions], ""])


def is_borrowed(stat_signature: "str | None") -> bool:
    """Return True if this text replaces the stat signature of a borrowed record.

    >>> is_borrowed("@0123456789abcdef"), is_borrowed("1 2 3 4"), is_borrowed(None)
    (True, False, False)
    """
    return stat_signature is not None and stat_signature[:1] == BORROWED


def parse_entry_line(line: str) -> "Own":
    """Parse a path entry's own line. Raises ValueError or LookupError if not valid.

    >>> parse_entry_line(entry_line(False, [("/s", 0, "why")], {"a-1.dist-info": "a"}))
    (False, [('/s', 0, 'why')], {'a-1.dist-info': 'a'})
    """
    empty, archive, *rest = texts(line)
    problems, plain = _parse_problems(rest)
    if empty or archive not in {"0", "1"}:
        raise ValueError("own line")
    return archive == "1", problems, dict(zip(plain[::2], plain[1::2], strict=True))


def entry_line(
    archive: bool, problems: "list[RawProblem]", plain: "dict[str, str]"
) -> str:
    """Return the line of the index for a path entry itself.

    It begins with an empty string, unlike the lines of distributions.
    """
    pairs = [text for pair in sorted(plain.items()) for text in pair]
    return to_line(["", str(int(archive)), *_flatten(problems), *pairs])


def fragments(file: str, key: str, points: "Iterable[Point]") -> "dict[str, str]":
    """Return a distribution's line in each group, without the first two texts.

    The first two texts (whether it is shadowed, and the number of its path entry) can
    change while the rest stays the same.
    """
    flat: dict[str, list[str]] = {}
    for group, (point, value, module, attr, line) in points:
        found = flat.get(group)
        if found is None:
            found = flat[group] = [file, key]
        found += (point, value, module or "", attr or "", str(line))
    return {group: to_line(texts)[1:] for group, texts in flat.items()}


def texts_line(quote_each: "list[str]") -> bytes:
    r"""Return a line of an index from texts that are already escaped as in JSON.

    >>> texts_line(["1 2 3 4", "5 6 7 8"]), texts_line([])
    (b'["1 2 3 4","5 6 7 8"]\n', b'[]\n')
    """
    joined = '","'.join(quote_each)
    return f'["{joined}"]\n'.encode() if quote_each else b"[]\n"
