"""Compare files by content where their times do not tell that they changed.

Not every file system has a change time. A squashfs image has one time for both, and
another image mounted in its place may have the same; exFAT has the modification time
for both, which every program may set.
"""

from ._cache import READ_FLAGS, Seam
from ._index import COARSE, digest, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import stat_result
    from typing import Any

_TYPE, _REGULAR, _DIRECTORY = 0o170000, 0o100000, 0o040000
_CHUNK = 1 << 20


def has_change_time(status: "stat_result") -> bool:
    """Return True if the change time of a file is one: any change would move it.

    It is another than the modification time, or finer than any clock of a file system
    that has no change time of its own (exFAT's ticks are 10 ms).
    """
    changed = status.st_ctime_ns
    return changed != status.st_mtime_ns or changed % COARSE != 0


def signature(path: str, status: "stat_result", base: "int | None" = None) -> str:
    """Return what is remembered of a file or directory to tell that it changed.

    That is its stat signature, with a checksum of its content behind it where its
    times do not tell. Take it before the content is used: a change in between is
    noticed then.

    :param path: the file, from the descriptor `base` if there is one.
    :param status: its status.

    Raises OSError.
    """
    known = stamp(status)
    kind = status.st_mode & _TYPE
    if has_change_time(status) or kind not in (_REGULAR, _DIRECTORY):
        return known
    return f"{known} {checksum(path, base, kind == _DIRECTORY)}"


def is_same(path: str, status: "stat_result", known: str) -> bool:
    """Return True if a file has this signature, which is not its stat signature alone.

    Raises OSError.
    """
    return known.startswith(stamp(status) + " ") and signature(path, status) == known


def with_content(number: int, checksum: str) -> int:
    """Return the number of a file that is compared by content as well."""
    return hash((number, int(checksum, 16)))


def add_checksums(
    numbers: "list[int]", places: "list[int]", files: "list[Any]", base: "int | None"
) -> None:
    """Let the numbers of some files be those of files that are compared by content.

    Raises OSError.
    """
    for at in places:
        numbers[at] = with_content(numbers[at], checksum(files[at], base))


def checksum(
    path: "str | bytes", base: "int | None", is_directory: bool = False
) -> str:
    """Return a checksum of what a file holds, or of the names in a directory.

    Raises OSError.
    """
    if is_directory:
        names = "\0".join(sorted(Seam.listdir(path)))
        return digest(names.encode("utf-8", "surrogatepass"))
    descriptor = Seam.open(path, READ_FLAGS, dir_fd=base)
    try:
        parts = []
        while chunk := Seam.read(descriptor, _CHUNK):
            parts.append(digest(chunk))
    finally:
        Seam.close(descriptor)
    return parts[0] if len(parts) == 1 else digest("".join(parts).encode())
