"""Access the file system: system calls, whom to trust, and how to open an index."""

import os
import sys
from _thread import get_ident
from time import time_ns

from ._index import stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import Any

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
# Whether files can be accessed relative to a descriptor; with O_PATH, a directory need
# not be readable.
HAS_DIR_FD = os.access in os.supports_dir_fd
_ENTER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_CLOEXEC", 0)


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


class IndexFile:
    """An index file, opened with the first read.

    It is judged by its owner and mode, unless it is to be trusted as it is. After it
    was closed, it is opened again only if it is still the same file.
    """

    def __init__(self, path: str, judged: bool = True) -> None:
        self._path = path
        self._judged = judged
        # Of each thread its descriptor and the size: what one has closed, another must
        # not read from, nor close again when it is somebody else's.
        self._files: dict[int, tuple[int, int] | None] = {}
        # its stat signature
        self._known = ""
        self._opened = 0
        # all of it, for a program that has asked for many groups
        self._whole = b""

    def read(self, offset: int, length: int) -> bytes:
        """Return a part of the file. Raises OSError or ValueError."""
        data: bytes
        if self._whole:
            return self._whole[offset : offset + length]
        me = get_ident()
        # Removed while in use: a signal handler that reads meanwhile opens and closes
        # its own descriptor.
        descriptor, size = self._files.pop(me, None) or (-1, -1)
        if size < 0:
            try:
                flags = READ_FLAGS | _NOFOLLOW * self._judged
                descriptor = Seam.open(self._path, flags)
            except OSError:
                raise
            except Exception as error:
                raise ValueError("an audit hook refused to open it") from error
        try:
            if size < 0:
                status = Seam.fstat(descriptor)
                size = status.st_size
                if size > SIZE_CAP or not (
                    trusted(status, REGULAR)
                    if self._judged
                    else status.st_mode & KIND == REGULAR
                ):
                    reason = "not a file, or one that others could have written"
                    raise ValueError(reason)
                now = stamp(status)
                if self._known not in ("", now):
                    raise ValueError("replaced meanwhile")
                self._known = now
                self._opened += 1
                if self._opened == MANY:
                    data = Seam.read(descriptor, size)
                    self._whole = data
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
            self._files[me] = descriptor, size

    def close(self) -> None:
        """Close the descriptor of this thread, if it has one."""
        file = self._files.pop(get_ident(), None)
        if file is not None:
            Seam.close(file[0])


def open_directory(path: str) -> int:
    """Open a directory, to access its files relative to it; return the descriptor.

    The kernel then need not walk the same path again for each file. Raises OSError,
    always where the system has no such calls.
    """
    if not HAS_DIR_FD:
        raise OSError("no dir_fd")
    return Seam.open(path, _ENTER)  # type: ignore[no-any-return]


def metadata_names(names: "list[str]", directory: str) -> "list[str]":
    """Return those of the names in a directory that metadata directories have.

    As importlib.metadata has it: in any case, and EGG-INFO in an egg only.

    >>> metadata_names(["a.py", "a-1.dist-info", "B.EGG-INFO", "EGG-INFO"], "/s")
    ['a-1.dist-info', 'B.EGG-INFO']
    >>> metadata_names(["a.py", "egg-info", "EGG-INFO", "an-info"], "/s/a-1.0.egg")
    ['egg-info', 'EGG-INFO']
    """
    ends = (".dist-info", ".egg-info")
    in_egg = directory.lower().endswith(".egg")
    # Slicing costs half of what lower() does, and few others have the dash there.
    return [
        name
        for name in names
        if name[-5:-4] == "-"
        and ((low := name.lower()).endswith(ends) or (in_egg and low == "egg-info"))
    ]
