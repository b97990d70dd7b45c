"""Access the file system: make system calls, check owners, open an index file."""

import os
import sys
from _thread import get_ident
from time import time_ns

from ._index import stat_signature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import Any, Callable, Read

# The only access to the system: the interpreter's own system calls, and the clock.
# Functions that a program or a test replaces in `os` are neither called nor remembered.
# Tests of lazyplug replace attributes of this object. On Windows some are missing.
_Namespace: "Any" = type(sys.implementation)
fs = _Namespace()
fs.__dict__.update(sys.modules[os.name].__dict__, clock=time_ns)
if type(fs.clock) is not type(fs.stat):
    # A program has replaced the clock. At time 0, every stat signature is racy.
    fs.clock = int

# Windows and Emscripten have no user ids: no file there belongs to another user.
HAS_USERS = hasattr(fs, "geteuid")
# A program that opens an index this often reads many groups: it reads the whole file.
MAX_OPENS = 8
# Far more than any real index needs: 10,000 distributions take 4 MiB.
SIZE_CAP = 1 << 26
# The file type bits of a mode, as in `stat`, which is not imported just for them.
KIND, REGULAR, DIRECTORY, LINK = 0o170000, 0o100000, 0o040000, 0o120000
_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
# Without O_NONBLOCK, opening a pipe would block.
READ_FLAGS: int = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
# Whether files can be accessed relative to a descriptor; with O_PATH, a directory need
# not be readable.
HAS_DIR_FD = os.access in os.supports_dir_fd
_ENTER: int = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_CLOEXEC", 0)


def has_elevated_privileges() -> bool:
    """Return True if the effective user or group differs from the real one.

    In such a process (setuid, setgid), the real user has set the environment variables.
    """
    return HAS_USERS and (fs.getuid() != fs.geteuid() or fs.getgid() != fs.getegid())


def is_trusted(status: os.stat_result, kind: int) -> bool:
    """Return True if only the current user or root could have written this file.

    Its type must be `kind`. Windows itself keeps LOCALAPPDATA private; Emscripten has a
    single user.
    """
    if status.st_mode & KIND != kind:
        return False
    return not HAS_USERS or (
        status.st_uid in (fs.geteuid(), 0)
        and (kind == LINK or not status.st_mode & 0o022)
    )


def is_trusted_directory(directory: str) -> bool:
    """Return True if only the current user or root can write to a cache directory.

    A symbolic link must be owned by one of them too; otherwise its owner controls the
    target. Ancestors are not checked.
    """
    try:
        status = fs.lstat(directory)
        if is_trusted(status, LINK):
            status = fs.stat(directory)
        return is_trusted(status, DIRECTORY)
    except (OSError, ValueError):
        return False


def index_reader(
    path: str, check_owner: bool = True
) -> "tuple[Read, Callable[[], None]]":
    """Return the functions that read and close an index file, opened on the first read.

    Its owner and mode are checked, unless `check_owner` is false. After `close()`, it
    is opened again only if it is still the same file.
    """
    # Not a class: it would cost each start 60,000 more instructions.
    # Descriptor and size, by thread. A thread must not use a descriptor that another
    # one has closed, since its number may be in use for another file.
    descriptors: dict[int, tuple[int, int] | None] = {}
    known_signature = ""
    open_count = 0
    # the whole content, once a program has read many groups
    content = b""

    def read(offset: int, length: int) -> bytes:
        """Return a part of the file.

        Raises OSError, and ValueError if the file is not trusted or was replaced.
        """
        nonlocal known_signature, open_count, content
        data: bytes
        if content:
            return content[offset : offset + length]
        me = get_ident()
        # Removed while in use: a signal handler that reads it then opens and closes
        # its own descriptor.
        descriptor, size = descriptors.pop(me, None) or (-1, -1)
        if size < 0:
            try:
                flags: int = READ_FLAGS | _NOFOLLOW * check_owner
                descriptor = fs.open(path, flags)
            except OSError:
                raise
            except Exception as error:
                # Not from `_messages`: the hook may not let Python open that either.
                raise ValueError(
                    "an audit hook refused to open the file"  # noqa: EM101
                ) from error
        try:
            if size < 0:
                status = fs.fstat(descriptor)
                size = status.st_size
                fits = size <= SIZE_CAP and (
                    is_trusted(status, REGULAR)
                    if check_owner
                    else status.st_mode & KIND == REGULAR
                )
                signature = stat_signature(status)
                if not fits or known_signature not in ("", signature):
                    # deferred: only on failure
                    from . import _messages as messages

                    raise ValueError(
                        messages.REPLACED if fits else messages.FILE_NOT_TRUSTED
                    )
                known_signature = signature
                open_count += 1
                if open_count == MAX_OPENS:
                    data = fs.read(descriptor, size)
                    content = data
                    return data[offset : offset + length]
            # A damaged length must not allocate that much memory.
            length = min(length, size - offset)
            if hasattr(fs, "pread"):
                data = fs.pread(descriptor, length, offset)
            else:
                fs.lseek(descriptor, offset, 0)
                data = fs.read(descriptor, length)
            return data
        finally:
            descriptors[me] = descriptor, size

    def close() -> None:
        """Close the descriptor of this thread, if it has one."""
        file = descriptors.pop(get_ident(), None)
        if file is not None:
            fs.close(file[0])

    return read, close


def open_directory(path: str) -> int:
    """Open a directory to access files relative to it; return the descriptor.

    The kernel then need not walk the same path again for each file. Raises OSError,
    always if the system has no such calls.
    """
    if not HAS_DIR_FD:
        raise OSError("no dir_fd")
    return fs.open(path, _ENTER)  # type: ignore[no-any-return]


def metadata_names(names: "list[str]", directory: str) -> "list[str]":
    """Return the names in a directory that are names of metadata directories.

    As in importlib.metadata, case is ignored, and EGG-INFO counts only in an egg.

    >>> metadata_names(["a.py", "a-1.dist-info", "B.EGG-INFO", "EGG-INFO"], "/s")
    ['a-1.dist-info', 'B.EGG-INFO']
    >>> metadata_names(["a.py", "egg-info", "EGG-INFO", "an-info"], "/s/a-1.0.egg")
    ['egg-info', 'EGG-INFO']
    """
    ends = (".dist-info", ".egg-info")
    in_egg = directory.lower().endswith(".egg")
    # A slice costs half as much as lower(), and few other names have a dash there.
    return [
        name
        for name in names
        if name.endswith(ends)
        or (
            name[-5:-4] == "-"
            and ((low := name.lower()).endswith(ends) or (in_egg and low == "egg-info"))
        )
    ]
