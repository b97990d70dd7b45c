"""Open the cache directory by descriptor, so that nobody can replace it while in use.

A user who may rename a directory above it could redirect a write by path, between the
check and the write. So each directory from the root down is opened, checked by its
descriptor, and only then entered. All operations are relative to the last descriptor.
"""

import os

from .._files import (
    DIRECTORY,
    HAS_USERS,
    KIND,
    LINK,
    fs,
    is_trusted,
    is_trusted_directory,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_STICKY, _OTHERS_MAY_WRITE = 0o1000, 0o002
# The same number on every system; importing `errno` would cost each start that writes.
_EPERM = 1
# Linux follows at most 40 symbolic links.
_MAX_LINKS = 40
# Windows has no dir_fd: it uses paths, and keeps LOCALAPPDATA private.
_HAS_DIR_FD = fs.open in os.supports_dir_fd


def flags_of(*names: str) -> int:
    """Return these flags of `open`, except those that the system does not have."""
    flags = 0
    for name in names:
        flags |= getattr(fs, name, 0)
    return flags


_LIST = flags_of("O_RDONLY", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC")
# With O_PATH, a directory need not be readable to be entered.
_ENTER = _LIST | flags_of("O_PATH")


class Directory:
    """A directory, and operations on the files in it.

    :param path: its path.
    :param descriptor: its open descriptor, if any, which replaces the path.
    """

    def __init__(self, path: str, descriptor: "int | None" = None) -> None:
        self.path = path
        self._descriptor = descriptor

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor is not None:
            fs.close(self._descriptor)

    def _at(self, name: str) -> str:
        return os.path.join("" if self._descriptor is not None else self.path, name)

    def open(self, name: str, flags: int, mode: int) -> int:
        """Open a file; return its descriptor."""
        descriptor: int = fs.open(self._at(name), flags, mode, dir_fd=self._descriptor)
        return descriptor

    def lstat(self, name: str) -> os.stat_result:
        """Return the status of a file; a symbolic link is not followed."""
        status: os.stat_result = fs.lstat(self._at(name), dir_fd=self._descriptor)
        return status

    def has(self, name: str) -> bool:
        """Return True if a file of any type has this name."""
        try:
            self.lstat(name)
        except FileNotFoundError:
            return False
        return True

    def unlink(self, name: str) -> None:
        """Remove a file."""
        fs.unlink(self._at(name), dir_fd=self._descriptor)

    def replace(self, old: str, new: str) -> None:
        """Rename a file; replace an existing one."""
        here = self._descriptor
        fs.replace(self._at(old), self._at(new), src_dir_fd=here, dst_dir_fd=here)

    def names(self) -> "list[str]":
        """Return the names of all files."""
        found: list[str]
        if self._descriptor is None:
            found = fs.listdir(self.path)
            return found
        descriptor = fs.open(".", _LIST, dir_fd=self._descriptor)
        try:
            found = fs.listdir(descriptor)
        finally:
            fs.close(descriptor)
        return found


def open_cache_directory(path: str, make: bool = True) -> Directory:
    """Open the cache directory to write into it, and close it as a context manager.

    If `make`, create it and the missing directories above it. Raises OSError if it
    cannot be opened, or if anybody but the current user or root could replace it.
    """
    if _HAS_DIR_FD:
        return Directory(path, _walk(path, make))
    if make:
        _make_by_path(path)
    if not is_trusted_directory(path):
        raise _permission_error(path)
    return Directory(path)


def _walk(path: str, make: bool) -> int:
    """Return a descriptor of the cache directory; check each directory on the way."""
    try:
        fs.lstat(path)  # raises if the path is too long: reads use the whole path
    except FileNotFoundError:
        pass
    # The remaining names of the path, and of a symbolic link; the next one is last.
    rest: list[str] = [*path.split("/")[::-1], "/"]
    linked: list[str] = []
    links = 0
    at = ""
    here: Any = None  # a descriptor
    try:
        while linked or rest:
            # The target of a link is not created.
            may_make = make and not linked
            name = (linked or rest).pop()
            if name in ("", "."):
                continue
            child = os.path.join(at, name)
            try:
                status = fs.lstat(name, dir_fd=here)
            except FileNotFoundError:
                if not may_make:
                    raise
                _make(name, here)
            else:
                if status.st_mode & KIND == LINK:
                    _check(status, child)
                    links += 1
                    if links > _MAX_LINKS:
                        from errno import ELOOP  # deferred: only on failure

                        raise OSError(ELOOP, os.strerror(ELOOP), child)
                    # Only its owner can have replaced it since: see `_check`.
                    target = fs.readlink(name, dir_fd=here)
                    linked += target.split("/")[::-1]
                    if target.startswith("/"):
                        linked.append("/")
                    continue
            above, here = here, fs.open(name, _ENTER, dir_fd=here)
            if above is not None:
                fs.close(above)
            at, status = child, fs.fstat(here)
            _check(status, at)
        if not is_trusted(fs.fstat(here), DIRECTORY):
            raise _permission_error(at)
    except BaseException:
        if here is not None:
            fs.close(here)
        raise
    descriptor: int = here
    return descriptor


def _check(status: os.stat_result, path: str) -> None:
    """Raise PermissionError if others could replace this file, or a file in it.

    In a sticky directory, others can replace only files of their own, which are refused
    in turn. The group is not checked: with umask 002, it is the user's private group.
    """
    if not HAS_USERS:
        return  # on Emscripten, `/` has the mode 0777
    mode = status.st_mode
    if status.st_uid not in (fs.geteuid(), 0) or (
        mode & KIND != LINK and mode & _OTHERS_MAY_WRITE and not mode & _STICKY
    ):
        raise _permission_error(path)


def _permission_error(path: str) -> PermissionError:
    from .. import _messages as messages  # deferred: only on failure

    return PermissionError(_EPERM, messages.OTHERS_CAN_WRITE, path)


def _make(name: str, parent: "int | None") -> None:
    """Create a directory with mode 0700, whatever the umask."""
    try:
        fs.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return  # another process created it
    if fs.lstat(name, dir_fd=parent).st_mode & 0o700 != 0o700:
        fs.chmod(name, 0o700, dir_fd=parent, follow_symlinks=False)


def _make_by_path(path: str) -> None:
    """Create a directory, and the missing directories above it."""
    try:
        fs.mkdir(path, 0o700)
    except FileExistsError:
        pass  # it exists, or another process created it
    except FileNotFoundError:
        parent = os.path.dirname(path)
        if parent == path:
            raise  # there is no such drive
        _make_by_path(parent)
        try:
            fs.mkdir(path, 0o700)  # raises again if the path is too long for Windows
        except FileExistsError:
            pass  # as above
