"""What is remembered: the read side of the index, pure, without file access.

The format is described in docs/index-format.md and written by `_record`.
"""

import sys

try:
    from _imp import source_hash
except ImportError:  # not CPython
    from zlib import crc32

    def source_hash(key: int, source: bytes) -> bytes:  # type: ignore[misc]
        return crc32(source, key).to_bytes(8, "big")


try:
    # The C scanner that json itself uses: `import json` costs 6 ms, this 0.2.
    from _json import encode_basestring_ascii, make_scanner

    # What json.JSONDecoder shows of itself to the scanner; a class of our own
    # would cost fifteen times as much.
    _Namespace: "Any" = type(sys.implementation)
    _context = _Namespace(
        strict=True,
        object_hook=None,
        object_pairs_hook=None,
        parse_float=float,
        parse_int=int,
        parse_constant=float,
    )
    scan_once: "Scan" = make_scanner(_context)
except ImportError:  # not CPython
    from json.decoder import JSONDecoder
    from json.encoder import encode_basestring_ascii

    scan_once = JSONDecoder().raw_decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from os import stat_result
    from typing import Any

    # name, value, module (None: the value is no reference), attr, line in the file
    Row = tuple[str, str, str | None, str | None, int]
    # Who declares it: key, name, version, path entry (or the object of a foreign
    # finder), metadata folder in it, number of the path entry
    Owner = tuple[str, str, str, Any, str, int]
    Pair = tuple[Row, Owner]
    Read = Callable[[int, int], bytes]
    Scan = Callable[[str, int], tuple[Any, int]]

quote = encode_basestring_ascii
SCHEMA = 1
# As much as one read is sure to bring: the whole front and more of an
# environment of a few hundred distributions.
CHUNK = 1 << 15
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
    """Return what is remembered of a file or folder: four integers as text.

    They are mtime and ctime in nanoseconds, size in bytes and inode.
    """
    return f"{status.st_mtime_ns} {status.st_ctime_ns} {status.st_size} {status.st_ino}"


def texts_line(texts: "list[str]") -> bytes:
    r"""Return a line of the watch; the texts are such as JSON has between quotes.

    The line of the stamps is compared as a whole, never decoded.

    >>> texts_line(["1 2 3 4", "5 6 7 8"])
    b'["1 2 3 4","5 6 7 8"]\n'
    """
    joined = '","'.join(texts)
    return f'["{joined}"]\n'.encode()


def paths(line: bytes) -> "list[Any]":
    """Return the paths in a line of the watch, as bytes where that saves decoding.

    ASCII without escapes stands in the line as the file system takes it; on
    Windows there is always a backslash. Raises ValueError if they are no texts.
    """
    if b"\\" in line:
        try:
            found: list[Any] = scan_once(line.decode(), 0)[0]
            "".join(found)  # all of it is text
        except DOUBT as error:
            raise ValueError("watch") from error
        return found
    return line[2:-3].split(b'","') if len(line) > 5 else []


def title(front: bytes) -> bytes:
    """Return the first line of the index whose front this is."""
    return (_TITLE % (SCHEMA, digest(front), len(front))).encode()


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
            chunk = read(0, CHUNK)
            length = int(chunk[TITLE_LENGTH - 12 : TITLE_LENGTH - 2])
            after = TITLE_LENGTH + length
            if after > len(chunk):
                chunk += read(len(chunk), after - len(chunk))
            front = chunk[TITLE_LENGTH:after]
            if chunk[:TITLE_LENGTH] != title(front):
                raise ValueError("front")
            head = scan_once(front[: front.index(b"\n")].decode(), 0)[0]
            # the prefix, then the stable path entries in their order
            self.key: list[str] = head["key"]
            # of each path entry; None: it was not there
            self.stamps: list[str | None] = head["stamps"]
            # the numbers of path entries whose stamps are too young to be believed
            self.young: list[int] = head["young"]
            # are the stamps of all distributions to be believed?
            self.settled: bool = head["settled"]
            # of each path entry with files: its number, the lengths of its three
            # lines; then the checksum of all lines
            *blocks, wanted = head["watch"]
            self.after_watch = after
            for _, *lengths in blocks:
                self.after_watch += sum(lengths)
            self._watch = (chunk[after : self.after_watch], after, blocks, wanted)
            # where the records begin after the watch, their length and checksum
            self.detail: tuple[int, int, str] = head["detail"]
            "".join(self.key)  # all of it is text
            if (
                self.key.__class__ is not list
                or len(self.stamps) != len(self.key) - 1
                or self.young.__class__ is not list
                or self.settled.__class__ is not bool
            ):
                raise ValueError("head")
        except DOUBT as error:
            raise ValueError("front") from error
        self.front = front

    def watched(self) -> "list[tuple[int, bytes, bytes, bytes]]":
        """Return the watch: of each path entry with files its number and its lines.

        They are the files that are absent, those that have stamps, the stamps.
        """
        data, start, blocks, wanted = self._watch
        try:
            missing = self.after_watch - start - len(data)
            if missing:
                data += self.read(self.after_watch - missing, missing)
            if digest(data) != wanted:
                raise ValueError("watch")
            found = []
            at = 0
            for place, one, two, three in blocks:
                self.stamps[place]  # there is such a path entry
                two += one + at
                three += two
                found.append(
                    (place, data[at : at + one], data[at + one : two], data[two:three])
                )
                at = three
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
        at = self.front.find(f"\n[{quote(group)},".encode())
        if at < 0:
            return []
        found: list[Pair] = []
        try:
            line = self.front[at + 1 : self.front.index(b"\n", at + 1)]
            _, offset, length, wanted = scan_once(line.decode(), 0)[0]
            data = self.read(self.after_watch + offset, length)
            if digest(data) != wanted:
                raise ValueError(group)
            # One line after the other, made into one list.
            named, *fragments = scan_once(
                "[" + data.decode().replace("\n", ",") + "]", 0
            )[0]
            if named != group:
                raise ValueError(group)
            for hidden, place, file, key, name, version, rows in fragments:
                if not hidden:
                    "".join((key, name, version, file))  # all of it is text
                    if place < 0:
                        raise ValueError(group)
                    path = self.key[place + 1]
                    owner = key, name, version, path, file, place
                    for point, value, module, attr, number in rows:
                        if point.__class__ is not str or value.__class__ is not str:
                            raise ValueError(group)
                        found.append(((point, value, module, attr, number), owner))
        except DOUBT as error:
            raise ValueError(group) from error
        return found
