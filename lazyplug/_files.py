"""Access the file system: system calls, whom to trust, and how to open an index."""

import os
import sys
from _thread import get_ident
from time import time_ns

from ._index import paths, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._index import Read

# The only access to the system: the interpreter's own system calls, and the clock.
# Functions that a program or a test replaces in `os` are neither called nor remembered.
# Tests of the engine replace these. On Windows some are missing.
_Namespace: "Any" = type(sys.implementation)
Seam = _Namespace()
Seam.__dict__.update(sys.modules[os.name].__dict__, clock=time_ns)
if type(Seam.clock) is not type(Seam.stat):
    # Somebody else's clock: by one that stands at 0, no stat signature is believed.
    Seam.clock = int

# Windows and Emscripten have no user ids: no file there belongs to another user.
HAS_USERS = hasattr(Seam, "geteuid")
# A program that asks for more groups than this gets all in one piece.
MANY = 8
# No index of a real environment comes near it: 10,000 distributions take 4 MiB.
SIZE_CAP = 1 << 26
# The type of a file in its mode, as in `stat`, which is not imported by itself.
KIND, REGULAR, DIRECTORY, LINK = 0o170000, 0o100000, 0o040000, 0o120000
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
# Without O_NONBLOCK a pipe would be waited for.
READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
# To look at what is in a folder, it need not be readable.
_HAS_DIR_FD = os.access in os.supports_dir_fd
_FROM = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_CLOEXEC", 0)


def elevated() -> bool:
    """Has this process other rights than who started it, whose environment it has?"""
    return HAS_USERS and (
        Seam.getuid() != Seam.geteuid() or Seam.getgid() != Seam.getegid()
    )


def trusted(status: os.stat_result, kind: int) -> bool:
    """Could nobody but this user, or root, have written what has this status?

    Windows keeps LOCALAPPDATA private by itself; Emscripten has a single user.
    """
    if status.st_mode & KIND != kind:
        return False
    return not HAS_USERS or (
        status.st_uid in (Seam.geteuid(), 0)
        and (kind == LINK or not status.st_mode & 0o022)
    )


def trusted_folder(folder: str) -> bool:
    """Is this our cache folder as we made it? Ancestors are not judged.

    A link to it must be of ours or root's: another's leads where they like.
    """
    try:
        status = Seam.lstat(folder)
        if trusted(status, LINK):
            status = Seam.stat(folder)
        return trusted(status, DIRECTORY)
    except (OSError, ValueError):
        return False


def index_file(path: str, judged: bool = True) -> "tuple[Read, Callable[[], None]]":
    """Return how to read an index file, and how to close it.

    It is opened with the first read, judged unless it is to be trusted as it is, and
    after it was closed opened again only if it is still the same file. Raises OSError
    or ValueError.
    """
    # Of each thread its descriptor and the size: what one has closed, another must
    # not read from, nor close again when it is somebody else's.
    files: dict[int, tuple[int, int] | None] = {}
    known = ""
    opened = 0
    whole = b""

    def read(offset: int, length: int) -> bytes:
        nonlocal known, opened, whole
        data: bytes
        if whole:
            return whole[offset : offset + length]
        me = get_ident()
        # Removed while in use: a signal handler that reads meanwhile opens and closes
        # its own descriptor.
        descriptor, size = files.pop(me, None) or (-1, -1)
        if size < 0:
            try:
                descriptor = Seam.open(path, READ_FLAGS | _NOFOLLOW * judged)
            except OSError:
                raise
            except Exception as error:
                raise ValueError("an audit hook refused to open it") from error
        try:
            if size < 0:
                status = Seam.fstat(descriptor)
                if status.st_size > SIZE_CAP or not (
                    trusted(status, REGULAR)
                    if judged
                    else status.st_mode & KIND == REGULAR
                ):
                    raise ValueError(
                        "not a file, or one that others could have written"
                    )
                now = stamp(status)
                if known not in ("", now):
                    raise ValueError("replaced meanwhile")
                known = now
                size = status.st_size
                opened += 1
                if opened == MANY:
                    data = Seam.read(descriptor, size)
                    whole = data
                    return data[offset : offset + length]
            # A damaged length must not allocate that much memory.
            length = min(length, size - offset)
            if hasattr(Seam, "pread"):
                data = Seam.pread(descriptor, length, offset)
            else:
                Seam.lseek(descriptor, offset, 0)
                data = Seam.read(descriptor, length)
            return data
        finally:
            files[me] = descriptor, size

    def close() -> None:
        file = files.pop(get_ident(), None)
        if file is not None:
            Seam.close(file[0])

    return read, close


def looked_from(entry: str, *lines: bytes) -> "list[Any]":
    """Return from where files in a path entry are looked at, and these by line.

    Where the system can, that is the folder's descriptor, which is the caller's to
    close: so the kernel need not walk the same path again for each file.
    """
    files = [paths(line) for line in lines]
    if _HAS_DIR_FD:
        return [Seam.open(entry, _FROM), *files]
    root = os.path.join(entry, "")
    return [None, *[[root + os.fsdecode(file) for file in each] for each in files]]
