"""Compare files by content where their times do not show that they changed.

Some file systems have no change time. squashfs has only a modification time, and
another image mounted in its place may have the same one. exFAT has only a modification
time, too, and any program may set it.
"""

import os

from ._files import DIRECTORY, KIND, READ_FLAGS, REGULAR, fs
from ._index import COARSE, digest, stat_signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import stat_result
    from typing import Any

_CHUNK = 1 << 20


def has_change_time(status: "stat_result") -> bool:
    """Return True if a file has a real change time, which every change updates.

    A real change time differs from the modification time, or is finer than the clock of
    any file system without change times (exFAT's ticks are 10 ms).
    """
    changed = status.st_ctime_ns
    return changed != status.st_mtime_ns or changed % COARSE != 0


def signature(path: str, status: "stat_result", base: "int | None" = None) -> str:
    """Return the signature that changes whenever a file or directory changes.

    It is the stat signature, followed by a checksum of the content if the file has no
    real change time. Take it before the content is used, so that a change in between is
    noticed.

    :param path: the path, relative to the descriptor `base` if there is one.
    :param status: the status of the file.

    Raises OSError if the content cannot be read.
    """
    known = stat_signature(status)
    kind = status.st_mode & KIND
    if has_change_time(status) or kind not in (REGULAR, DIRECTORY):
        return known
    return f"{known} {checksum(path, base, kind == DIRECTORY)}"


def is_standard_library(path: str) -> bool:
    """Return True if this is a directory of Python's own modules.

    Nothing installs metadata there, so these directories are compared by their stat
    signature alone. In an image without change times, listing them would cost each
    start 500 instructions per name.
    """
    own = os.path.dirname(os.__file__)
    return path in (own, os.path.join(own, "lib-dynload"))


def is_same(path: str, status: "stat_result", known: str) -> bool:
    """Return True if a file has this signature, and the signature has a checksum.

    Raises OSError if the content cannot be read.
    """
    return (
        known.startswith(stat_signature(status) + " ")
        and signature(path, status) == known
    )


def with_content(stat_hash: int, checksum: str) -> int:
    """Combine the stat hash of a file with the checksum of its content."""
    return hash((stat_hash, int(checksum, 16)))


def add_checksums(
    stat_hashes: "list[int]",
    places: "list[int]",
    files: "list[Any]",
    base: "int | None",
) -> None:
    """Add the checksums of files that are compared by content to their stat hashes.

    `places` are the positions of these files in `stat_hashes` and `files`.

    Raises OSError if one cannot be read.
    """
    for at in places:
        stat_hashes[at] = with_content(stat_hashes[at], checksum(files[at], base))


def checksum(
    path: "str | bytes", base: "int | None", is_directory: bool = False
) -> str:
    """Return a checksum of the content of a file, or of the names in a directory.

    Raises OSError if it cannot be read.
    """
    if is_directory:
        names = "\0".join(sorted(fs.listdir(path)))
        return digest(names.encode("utf-8", "surrogatepass"))
    descriptor = fs.open(path, READ_FLAGS, dir_fd=base)
    try:
        status = fs.fstat(descriptor)
        if status.st_mode & KIND != REGULAR:
            from . import _messages as messages  # deferred: only on failure

            # A device may have no end.
            raise OSError(messages.NOT_A_REGULAR_FILE)
        parts = []
        rest = status.st_size
        while rest > 0 and (chunk := fs.read(descriptor, min(rest, _CHUNK))):
            parts.append(digest(chunk))
            rest -= len(chunk)
    finally:
        fs.close(descriptor)
    return parts[0] if len(parts) == 1 else digest("".join(parts).encode())


def stat_hash(stat_signature: str) -> int:
    """Return the stat hash of a stat signature. Raises ValueError if it is not valid.

    It equals the result of `stat_hashes`, or, if the signature has a checksum, the
    result of `with_content`.
    """
    modified, changed, size, inode, *checksum = stat_signature.split(" ")
    found = hash((int(modified, 16), int(changed, 16), int(size, 16), int(inode, 16)))
    for each in checksum:
        found = with_content(found, each)
    return found


def is_by_content(stat_signature: "str | None") -> bool:
    """Return True if files with this signature are compared by content as well.

    >>> is_by_content("1 1 3 4 0123456789abcdef"), is_by_content("1 2 3 4")
    (True, False)
    """
    return stat_signature is not None and stat_signature.count(" ") > 3
