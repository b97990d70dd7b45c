"""Decode an index: its header, watch list and groups. Accesses no files.

The format is described in docs/index-format.md and written by `_indexing.layout`.
"""

from _imp import source_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import *

SCHEMA = 2
# The length of the first read. It contains the whole header, and more, for an
# environment of a few hundred distributions.
CHUNK = 1 << 15
# The tick of exFAT in nanoseconds, the coarsest of all file systems without ctime.
COARSE = 10_000_000
# Replaces the stat signature of a path entry or file that does not exist.
ABSENT = "-"
# The frozen entries of an environment that has no frozen index.
NO_FROZEN_ENTRIES: "Mapping[str, str]" = {}
_TITLE = '["lazyplug",%d,"%s",%10d]\n'
TITLE_LENGTH = len(_TITLE % (SCHEMA, "0" * 16, 0))

# All that reading or decoding a damaged index may raise. Caught here, and where
# `_indexing` decodes or replaces the other parts.
DECODE_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    StopIteration,
    RecursionError,
    OverflowError,
    OSError,
)


def digest(data: bytes) -> str:
    """Return a checksum of data, which detects damage but not an adversary.

    >>> digest(b"") == digest(b""), digest(b"a") == digest(b"b"), len(digest(b""))
    (True, False, 16)
    """
    return source_hash(SCHEMA, data).hex()


def stat_signature(status: "stat_result") -> str:
    """Return the stat signature of a file or directory: four hexadecimal integers.

    They are mtime and ctime in nanoseconds, size in bytes, and inode.
    """
    # Hexadecimal, with the % operator: decimals cost 1,400 instructions more.
    return "%x %x %x %x" % (  # noqa: UP031
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
        status.st_ino,
    )


def stat_hashes(statuses: "Iterable[stat_result]") -> "list[int]":
    """Return the stat hash of each file: a hash of mtime, ctime, size and inode."""
    # Not of stat signatures: formatting them would be two thirds of a file's cost.
    return [
        hash((each.st_mtime_ns, each.st_ctime_ns, each.st_size, each.st_ino))
        for each in statuses
    ]


def fingerprint(stat_hashes: "list[int]") -> str:
    """Return one fingerprint for an ordered list of stat hashes."""
    return "%x" % hash(tuple(stat_hashes))  # noqa: UP031 - as above


def quote(text: str) -> str:
    r"""Return text as a JSON string.

    >>> quote("a b"), quote("\xe4")
    ('"a b"', '"\\u00e4"')
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'  # not formatted: it may be a member of an enum
    from . import _json_text  # deferred: few names need escapes

    return _json_text.quote(text)


def texts(line: str) -> "list[str]":
    r"""Return the strings in a line of an index, a JSON array of strings.

    A line without escapes is split at the quotes, so that the scanner of json need
    not be imported. Raises ValueError if the line is not such an array.

    >>> texts('["a","b c"]'), texts('["\\u00e4"]'), texts("[]")
    (['a', 'b c'], ['ä'], [])
    """
    if "\\" in line:
        from . import _json_text  # deferred: escapes are rare, except on Windows

        return _json_text.texts(line)
    if line[:2] != '["' or line[-2:] != '"]':
        if line == "[]":
            return []
        raise ValueError(line)
    return line[2:-2].split('","')


def paths(line: bytes) -> "list[Any]":
    """Return the paths in a line of the watch list, as bytes if they have no escapes.

    The file system accepts ASCII bytes without escapes as they are, which saves
    decoding them; on Windows there is always a backslash. Raises ValueError if a line
    with escapes is not an array of strings.
    """
    if b"\\" in line:
        return texts(line.decode()[:-1])
    return line[2:-3].split(b'","') if len(line) > 3 else []


def title(header: bytes) -> bytes:
    """Return the title, the first line, of the index with this header."""
    return (_TITLE % (SCHEMA, digest(header), len(header))).encode()


def read_header(read: "Read") -> "tuple[bytes, bytes, int]":
    """Return the header of an index, the bytes read, and where the header ends in them.

    Raises ValueError if the title does not match, and whatever `read` raises.
    """
    chunk = read(0, CHUNK)
    after = TITLE_LENGTH + int(chunk[TITLE_LENGTH - 12 : TITLE_LENGTH - 2])
    if after > len(chunk):
        chunk += read(len(chunk), after - len(chunk))
    header = chunk[TITLE_LENGTH:after]
    if chunk[:TITLE_LENGTH] != title(header):
        raise ValueError("header")
    return header, chunk, after


def index_name(key: "list[str]") -> str:
    """Return the file name of the index for a key: hash of the prefix, hash of the key.

    >>> one, two = index_name(["/usr", "/a"]), index_name(["/usr", "/b"])
    >>> one[:16] == two[:16], one == two, one[-5:]
    (True, False, '.json')
    """
    # surrogatepass: a path may contain surrogates, which UTF-8 cannot encode
    key_bytes = "\0".join(key).encode("utf-8", "surrogatepass")
    prefix = key[0].encode("utf-8", "surrogatepass")
    return f"{digest(prefix)}-{digest(key_bytes)}.json"


class Index:
    """An index, whose parts are read and decoded on demand.

    `read(offset, length)` returns bytes of the index; `close()` closes the file that
    it reads. Raises ValueError if the index, or the requested part, is damaged.
    """

    def __init__(self, read: "Read", close: "Callable[[], object]" = int) -> None:
        self.read = read
        # closes the file that `read` has open, if any; `read` opens it again
        self.close = close
        try:
            header, chunk, after = read_header(read)
            *lines, table = header.split(b"\n", 5)
            # the offset of the table in the header, with the newline before it
            self._table = after - TITLE_LENGTH - len(table) - 1
            key, signatures, racy, about, watch = [
                texts(line.decode()) for line in lines
            ]
            # the prefix, then the stable path entries in order
            self.key: list[str] = key
            # the stat signatures of the path entries; None: it did not exist
            self.signatures: list[str | None] = [
                None if each == ABSENT else each for each in signatures
            ]
            # the positions of path entries whose stat signatures are racy
            self.racy: list[int] = [int(place) for place in racy]
            reliable, *extent, checksum = about
            # True if the stat signatures of all distributions are reliable
            self.reliable: bool = reliable == "1"
            # the records: offset from the end of the watch list, length, checksum
            offset, length = map(int, extent)
            self.detail: tuple[int, int, str] = offset, length, checksum
            # The checksum of all lines; then, for each block, its path entry, the
            # lengths of its two lines, its fingerprint, and the positions of the files
            # that are compared by content.
            watch_sum, *blocks = watch
            lengths = map(int, blocks[1::5] + blocks[2::5])
            self.after_watch: int = after + sum(lengths)
            self._watch = (chunk[after : self.after_watch], after, blocks, watch_sum)
            if len(signatures) != len(key) - 1 or len(blocks) % 5:
                raise ValueError("blocks")
        except DECODE_ERRORS as error:
            raise ValueError("header") from error
        self.header: bytes = header

    def watched(self) -> "list[Block]":
        """Return the blocks of the watch list, which a full check compares.

        A block has the position of the path entry that its files are relative to; the
        lines of the absent and of the present files; the fingerprint of the present
        files; and the positions of those that are compared by content. In a block of
        several path entries, paths are absolute, and the first item has the position of
        the path entry of each file, first of the absent ones, each followed by a comma.
        """
        data, start, blocks, checksum = self._watch
        try:
            rest = self.after_watch - start - len(data)
            if rest:
                data += self.read(self.after_watch - rest, rest)
            if digest(data) != checksum:
                raise ValueError("watch list")
            found = []
            start = 0
            for at in range(0, len(blocks), 5):
                place, one, two, known, by_content = blocks[at : at + 5]
                middle = start + int(one)
                end = middle + int(two)
                places = [*map(int, by_content.split())] if by_content else []
                lines = data[start:middle], data[middle:end]
                found.append((place, *lines, known, places))
                start = end
            return found
        except DECODE_ERRORS as error:
            raise ValueError("watch list") from error

    def rows(self, group: str) -> "list[Pair]":
        """Return the rows of a group with their owners, except shadowed ones.

        The order is that of path entries, then of distributions, then of lines in the
        file.
        """
        # JSON text never contains a newline, so this finds the line of the group in the
        # table, or nothing.
        quoted = quote(group)
        line_start = f"\n[{quoted},".encode()
        at = self.header.find(line_start, self._table)
        if at < 0:
            return []
        found: list[Pair] = []
        try:
            line = self.header[at + 1 : self.header.index(b"\n", at + 1)]
            _, offset, length, checksum = texts(line.decode())
            data = self.read(self.after_watch + int(offset), int(length))
            if digest(data) != checksum:
                raise ValueError(group)
            first, *lines = data.decode().split("\n")
            if first != f"[{quoted}]":
                raise ValueError(group)
            for text in lines:
                hidden, number, file, key, *rest = texts(text)
                if hidden == "0":
                    place = int(number)
                    if place < 0:
                        raise ValueError(group)
                    owner = key, self.key[place + 1], file, place
                    found += [(row, owner) for row in rows_of(rest)]
        except DECODE_ERRORS as error:
            raise ValueError(group) from error
        return found


def rows_of(flat: "list[str]") -> "list[Row]":
    """Return the rows of a flat list of fields; raise ValueError if one is incomplete.

    >>> rows_of(["a", "m:f", "m", "f", "2", "b", "?", "", "", "3"])
    [('a', 'm:f', 'm', 'f', 2), ('b', '?', None, None, 3)]
    """
    found: list[Row] = []
    for at in range(0, len(flat), 5):
        name, value, module, attr, number = flat[at : at + 5]
        found.append((name, value, module or None, attr or None, int(number)))
    return found
