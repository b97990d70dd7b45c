"""Compare files by content where their times do not show that they changed.

Not every file system has a change time. A squashfs image has only the modification
time, and another image mounted in its place may have the same one; so has exFAT, where
every program may set it.
"""

import os

from ._files import DIRECTORY, KIND, READ_FLAGS, REGULAR, Seam
from ._index import COARSE, digest, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import stat_result
    from typing import Any

_CHUNK = 1 << 20


def has_change_time(status: "stat_result") -> bool:
    """Return True if a file has a real change time, which any change would update.

    It differs from the modification time, or is finer than the clock of any file system
    without change times (exFAT's ticks are 10 ms).
    """
    changed = status.st_ctime_ns
    return changed != status.st_mtime_ns or changed % COARSE != 0


def signature(path: str, status: "stat_result", base: "int | None" = None) -> str:
    """Return the signature by which a change of a file or directory is noticed.

    That is its stat signature, followed by a checksum of its content if its times are
    not reliable. Take it before the content is used, so that a change in between is
    noticed.

    :param path: the file, relative to the descriptor `base` if there is one.
    :param status: its status.

    Raises OSError.
    """
    known = stamp(status)
    kind = status.st_mode & KIND
    if has_change_time(status) or kind not in (REGULAR, DIRECTORY):
        return known
    return f"{known} {checksum(path, base, kind == DIRECTORY)}"


def is_standard_library(path: str) -> bool:
    """Return True for the directories of Python's own modules.

    Nothing installs metadata there, so they are compared by their stat signature alone:
    to list them takes 500 instructions a name at each start, where an image has them.
    """
    own = os.path.dirname(os.__file__)
    return path in (own, os.path.join(own, "lib-dynload"))


def is_same(path: str, status: "stat_result", known: str) -> bool:
    """Return True if a file has this signature, and that includes a checksum.

    Raises OSError.
    """
    return known.startswith(stamp(status) + " ") and signature(path, status) == known


def with_content(number: int, checksum: str) -> int:
    """Return the stat hash of a file that is compared by content as well."""
    return hash((number, int(checksum, 16)))


def add_checksums(
    numbers: "list[int]", places: "list[int]", files: "list[Any]", base: "int | None"
) -> None:
    """Add the checksums of files that are compared by content to their stat hashes.

    `places` are the indexes of these files in `numbers` and `files`.

    Raises OSError.
    """
    for at in places:
        numbers[at] = with_content(numbers[at], checksum(files[at], base))


def checksum(
    path: "str | bytes", base: "int | None", is_directory: bool = False
) -> str:
    """Return a checksum of the content of a file, or of the names in a directory.

    Raises OSError.
    """
    if is_directory:
        names = "\0".join(sorted(Seam.listdir(path)))
        return digest(names.encode("utf-8", "surrogatepass"))
    descriptor = Seam.open(path, READ_FLAGS, dir_fd=base)
    try:
        status = Seam.fstat(descriptor)
        if status.st_mode & KIND != REGULAR:
            raise OSError("not a file any more")  # it may be a device without an end
        parts = []
        rest = status.st_size
        while rest > 0 and (chunk := Seam.read(descriptor, min(rest, _CHUNK))):
            parts.append(digest(chunk))
            rest -= len(chunk)
    finally:
        Seam.close(descriptor)
    return parts[0] if len(parts) == 1 else digest("".join(parts).encode())


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
