"""What is remembered: the read side of the index, pure, without file access.

The format is described in docs/index-format.md and written by `_indexing.layout`.
"""

from _imp import source_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import (
        Any,
        Block,
        Callable,
        Iterable,
        Mapping,
        Pair,
        Read,
        Row,
        stat_result,
    )

SCHEMA = 2
# As much as one read is sure to bring: the whole front and more of an
# environment of a few hundred distributions.
CHUNK = 1 << 15
# The coarsest tick, in nanoseconds, of a file system that has no change time: exFAT's.
COARSE = 10_000_000
# The stamp of what is not there.
ABSENT = "-"
# What a frozen index covers where there is none.
NOTHING: "Mapping[str, str]" = {}
_TITLE = '["lazyplug",%d,"%s",%10d]\n'
TITLE_LENGTH = len(_TITLE % (SCHEMA, "0" * 16, 0))

# What reading, decoding, or walking what was decoded may raise when the text is
# not what we wrote. Caught here, and where the rest is decoded or exchanged.
DOUBT = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    StopIteration,
    RecursionError,
    OverflowError,
    OSError,
)


def digest(data: "bytes | memoryview") -> str:
    """Return the checksum of data: against damage, not against an adversary.

    >>> digest(b"") == digest(b""), digest(b"a") == digest(b"b"), len(digest(b""))
    (True, False, 16)
    """
    # It takes any buffer, whatever typeshed says.
    return source_hash(SCHEMA, data).hex()  # pyright: ignore[reportArgumentType]


def stamp(status: "stat_result") -> str:
    """Return what is remembered of a file or folder: four integers, hexadecimal.

    They are mtime and ctime in nanoseconds, size in bytes and inode.
    """
    # Hexadecimal, and by the old operator: decimals cost 1,400 instructions more.
    return "%x %x %x %x" % (  # noqa: UP031
        status.st_mtime_ns,
        status.st_ctime_ns,
        status.st_size,
        status.st_ino,
    )


def numbers(statuses: "Iterable[stat_result]") -> "list[int]":
    """Return a number for the stamp of each file: a hash of its four integers."""
    # No text is made of each: that would take two thirds of what a file costs.
    return [
        hash((each.st_mtime_ns, each.st_ctime_ns, each.st_size, each.st_ino))
        for each in statuses
    ]


def together(numbers: "list[int]") -> str:
    """Return what the stamps of files in this order are compared by, as a whole."""
    return "%x" % hash(tuple(numbers))  # noqa: UP031 - as above


def quote(text: str) -> str:
    r"""Return text as JSON has it.

    >>> quote("a b"), quote("\xe4")
    ('"a b"', '"\\u00e4"')
    """
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    from . import _json_text  # deferred: most names are plain

    return _json_text.quote(text)


def texts(line: str) -> "list[str]":
    r"""Return the texts in a line of an index, a JSON array of nothing else.

    Where no character is escaped, they are what stands between the quotes: the
    scanner of json need not be imported. Raises ValueError if it is no such line.

    >>> texts('["a","b c"]'), texts('["\\u00e4"]'), texts("[]")
    (['a', 'b c'], ['ä'], [])
    """
    if "\\" in line:
        from . import _json_text  # deferred: escapes are few, but on Windows

        return _json_text.texts(line)
    if line[:2] != '["' or line[-2:] != '"]':
        if line == "[]":
            return []
        raise ValueError(line)
    return line[2:-2].split('","')


def paths(line: bytes) -> "list[Any]":
    """Return the paths in a line of the watch, as bytes where that saves decoding.

    ASCII without escapes stands in the line as the file system takes it; on
    Windows there is always a backslash. Raises ValueError if they are no texts.
    """
    if b"\\" in line:
        return texts(line.decode()[:-1])
    return line[2:-3].split(b'","') if len(line) > 3 else []


def title(front: bytes) -> bytes:
    """Return the first line of the index whose front this is."""
    return (_TITLE % (SCHEMA, digest(front), len(front))).encode()


def front_of(read: "Read") -> "tuple[bytes, bytes, int]":
    """Return the front of a file of ours, what was read, where the front ends there.

    Raises ValueError, or what `read` raises, if its title does not fit.
    """
    chunk = read(0, CHUNK)
    after = TITLE_LENGTH + int(chunk[TITLE_LENGTH - 12 : TITLE_LENGTH - 2])
    if after > len(chunk):
        chunk += read(len(chunk), after - len(chunk))
    front = chunk[TITLE_LENGTH:after]
    if chunk[:TITLE_LENGTH] != title(front):
        raise ValueError("front")
    return front, chunk, after


def index_name(key: "list[str]") -> str:
    """Return the name of the file for a key: the prefix's hash, the key's hash.

    >>> one, two = index_name(["/usr", "/a"]), index_name(["/usr", "/b"])
    >>> one[:16] == two[:16], one == two, one[-5:]
    (True, False, '.json')
    """
    # surrogatepass: a path may hold what no encoding can say
    whole = "\0".join(key).encode("utf-8", "surrogatepass")
    prefix = key[0].encode("utf-8", "surrogatepass")
    return f"{digest(prefix)}-{digest(whole)}.json"


class Index:
    """One index, its parts read and decoded when they are asked for.

    `read(offset, length)` returns bytes of the index. Raises ValueError if the
    index, or the part that was asked for, is not what was written.
    """

    def __init__(self, read: "Read", close: "Callable[[], object]" = int) -> None:
        self.read = read
        # lets go what `read` holds, if anything; it is taken again where it is needed
        self.close = close
        try:
            front, chunk, after = front_of(read)
            *lines, table = front.split(b"\n", 5)
            # where in the front the table begins, with the newline before it
            self._table = after - TITLE_LENGTH - len(table) - 1
            key, stamps, young, about, watch = [texts(line.decode()) for line in lines]
            # the prefix, then the stable path entries in their order
            self.key = key
            # of each path entry; None: it was not there
            self.stamps = [None if known == ABSENT else known for known in stamps]
            # the numbers of path entries whose stamps are too young to be believed
            self.young = [int(place) for place in young]
            settled, *detail, checksum = about
            # are the stamps of all distributions to be believed?
            self.settled = settled == "1"
            # where the records begin after the watch, their length and checksum
            offset, length = map(int, detail)
            self.detail = offset, length, checksum
            # The checksum of all lines; then of each block its path entry, the lengths
            # of its two lines, its fingerprint, the places of the files that are
            # compared by content.
            wanted, *blocks = watch
            lengths = map(int, blocks[1::5] + blocks[2::5])
            self.after_watch = after + sum(lengths)
            self._watch = (chunk[after : self.after_watch], after, blocks, wanted)
            if len(stamps) != len(key) - 1 or len(blocks) % 5:
                raise ValueError("head")
        except DOUBT as error:
            raise ValueError("front") from error
        self.front = front

    def watched(self) -> "list[Block]":
        """Return the blocks of the watch list, which a full check compares.

        Of each block: the number of the path entry that its files are relative to;
        the lines of the absent and of the present files; the fingerprint of the present
        ones; the places among them of those that are compared by content. In a block of
        several path entries the paths are absolute, and the number is the list of their
        path entries, each followed by a comma.
        """
        data, start, blocks, wanted = self._watch
        try:
            missing = self.after_watch - start - len(data)
            if missing:
                data += self.read(self.after_watch - missing, missing)
            if digest(data) != wanted:
                raise ValueError("watch")
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
        except DOUBT as error:
            raise ValueError("watch") from error

    def rows(self, group: str) -> "list[Pair]":
        """Return the rows of one group with their owners, shadowed ones left out.

        They stand in the order of the path entries, the distributions and the
        lines in the file.
        """
        # A newline never stands inside JSON text, so this finds the group's own
        # line of the table or nothing.
        quoted = quote(group)
        begin = f"\n[{quoted},".encode()
        at = self.front.find(begin, self._table)
        if at < 0:
            return []
        found: list[Pair] = []
        try:
            line = self.front[at + 1 : self.front.index(b"\n", at + 1)]
            _, offset, length, wanted = texts(line.decode())
            data = self.read(self.after_watch + int(offset), int(length))
            if digest(data) != wanted:
                raise ValueError(group)
            named, *lines = data.decode().split("\n")
            if named != f"[{quoted}]":
                raise ValueError(group)
            for text in lines:
                hidden, number, file, key, *rest = texts(text)
                if hidden == "0":
                    place = int(number)
                    if place < 0:
                        raise ValueError(group)
                    owner = key, self.key[place + 1], file, place
                    found += [(row, owner) for row in rows_of(rest)]
        except DOUBT as error:
            raise ValueError(group) from error
        return found


def rows_of(flat: "list[str]") -> "list[Row]":
    """Return the rows that a line has in one piece; ValueError if one is not whole.

    >>> rows_of(["a", "m:f", "m", "f", "2", "b", "?", "", "", "3"])
    [('a', 'm:f', 'm', 'f', 2), ('b', '?', None, None, 3)]
    """
    found: list[Row] = []
    for at in range(0, len(flat), 5):
        name, value, module, attr, number = flat[at : at + 5]
        found.append((name, value, module or None, attr or None, int(number)))
    return found
