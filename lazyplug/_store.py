"""How an index gets on disk and off it: whole or not at all, by many processes.

A fault here costs time, never an answer, and is told at debug level only.
"""

import os
import time

from ._cache import HAS_USERS, SIZE_CAP, index_file, trusted_folder
from ._index import Index
from ._record import from_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from ._index import Read

# Indexes kept, the newest ones.
MOST = 64
# Temporary files of writers that were killed: kept an hour in case one still
# lives, and never more than this many.
MOST_TEMPORARY = 32
OLD = 3600.0
# Facts lie beside their index, with the same name but for the suffix: see `_learned`.
SUFFIX, FACTS, TEMPORARY = ".json", ".facts", ".tmp"
# What files of ours are called, once each hexadecimal digit is made 0: others may
# lie in the same folder.
_DIGITS = str.maketrans("123456789abcdef", "0" * 15)
_STEM = f"{'0' * 16}-{'0' * 16}"
_INDEX, _FACTS = _STEM + SUFFIX, _STEM + FACTS.translate(_DIGITS)
_UNFINISHED = {f".{name}.{'0' * 24}{TEMPORARY}" for name in (_INDEX, _FACTS)}


def _make(folder: str) -> bool:
    """Make the cache folder, 0700; false if it is not ours to make or to use."""
    if os.path.lexists(folder):
        return trusted_folder(folder)
    parent = os.path.dirname(folder)
    while not os.path.lexists(parent) and os.path.dirname(parent) != parent:
        parent = os.path.dirname(parent)
    # Under sudo, HOME may be another user's: nothing is left behind there, nor where
    # a link of theirs leads.
    if HAS_USERS:
        owners = {os.lstat(parent).st_uid, os.stat(parent).st_uid}
        if not owners <= {os.geteuid(), 0}:
            return False
    try:
        _make_missing(folder)
    except FileExistsError:
        return trusted_folder(folder)  # another process was quicker
    return True


def _make_missing(folder: str) -> None:
    """Make a folder, and those above it that are missing, 0700 whatever the umask."""
    try:
        os.mkdir(folder, 0o700)
    except FileNotFoundError:
        try:
            _make_missing(os.path.dirname(folder))
        except FileExistsError:
            pass  # another process was quicker
        os.mkdir(folder, 0o700)
    os.chmod(folder, 0o700)  # the umask may have taken the owner's rights


def store(folder: str, name: str, content: bytes) -> None:
    """Write an index, or its facts, by a temporary file and a rename.

    Every failure is survived. Removes what is no longer needed there.
    """
    try:
        if not _make(folder):
            _tell(f"{folder} is not used: others could write there")
            return
        new = not os.path.lexists(os.path.join(folder, name))
        write(folder, name, content, gap=True)
        prune(folder, keep=name, thorough=new)
    except (OSError, ValueError, RecursionError) as error:
        # ValueError: no path; RecursionError: far too many folders deep
        _tell(f"{name} was not written: {error}")


def _tell(message: str) -> None:
    from ._report import debug  # deferred: seldom

    debug(message)


def write(
    folder: str, name: str, content: bytes, mode: int = 0o600, gap: bool = False
) -> None:
    """Write a file by a temporary one and a rename. Raises OSError.

    `gap`: may there be none for a moment, where one is replaced?
    """
    path = os.path.join(folder, name)
    temporary = os.path.join(folder, f".{name}.{os.urandom(12).hex()}{TEMPORARY}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    for more in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, more, 0)
    descriptor = os.open(temporary, flags, mode)
    try:
        try:
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)
        if gap:
            # A file that is renamed over another is written out to the disk at once
            # by ext4 and others: 0.8 ms. Who looks in between scans.
            try:
                os.unlink(path)
            except OSError:
                pass  # there is none, or it is open elsewhere
        os.replace(temporary, path)
    except BaseException:
        try:
            os.unlink(temporary)
        except FileNotFoundError:
            pass  # another process has tidied up
        raise


def _by_age(folder: str, called: "Container[str]") -> "list[tuple[float, str]]":
    """Return the files that are called so, the newest first, with their mtimes."""
    found = []
    with os.scandir(folder) as files:
        for file in files:
            if file.name.translate(_DIGITS) in called:
                try:
                    status = file.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if status.st_mode & 0o170000 != 0o040000:  # a folder is not ours
                    found.append((status.st_mtime, file.path))
    return sorted(found, reverse=True)


def prune(folder: str, keep: str = "", thorough: bool = True) -> "list[str]":
    """Remove what is no longer needed from the cache folder; return the paths.

    That is temporary files of writers that died, the oldest indexes beyond 64, and if
    thorough indexes of environments that are gone, with their facts; never `keep`, nor
    the index that it belongs to. Facts of what a frozen index answers for have no index
    beside them, and count as one.
    """
    gone = [
        path
        for number, (mtime, path) in enumerate(_by_age(folder, _UNFINISHED))
        if number >= MOST_TEMPORARY or mtime < time.time() - OLD
    ]
    # The paths that are kept, without the suffix: facts and their index differ in that.
    stems = {os.path.join(folder, keep.rpartition(".")[0])} if keep else set()
    files = [path for _, path in _by_age(folder, {_INDEX, _FACTS})]
    indexed = {os.path.splitext(path)[0] for path in files if path.endswith(SUFFIX)}
    for path in files:
        stem, suffix = os.path.splitext(path)
        if stem in stems or (suffix == FACTS and stem in indexed):
            continue
        if len(stems) < MOST and not (thorough and suffix == SUFFIX and _is_gone(path)):
            stems.add(stem)
    gone += [path for path in files if os.path.splitext(path)[0] not in stems]
    for path in gone:
        try:
            os.unlink(path)
        except OSError:
            pass  # another process was quicker, or it is not ours to remove
    return gone


def ours(folder: str) -> "list[str]":
    """Return the paths of all files in the cache folder that lazyplug has written."""
    return [path for _, path in _by_age(folder, {_INDEX, _FACTS, *_UNFINISHED})]


def _is_gone(path: str) -> bool:
    """Was the environment of this index removed?"""
    index = _opened(path, Index)
    return index is not None and not os.path.isdir(index.key[0])


def _opened(path: str, decode: "Callable[[Read], Index]") -> "Index | None":
    """Return the index in a file; None if it is not to be believed."""
    read, close = index_file(path)
    try:
        return decode(read)
    except (OSError, ValueError):
        return None
    finally:
        close()


def donors(folder: str, name: str, prefix: str) -> "Iterator[Index]":
    """Yield the other indexes of a prefix, the newest first."""
    if not trusted_folder(folder):
        return
    for _, path in _by_age(folder, {_INDEX}):
        file = os.path.basename(path)
        if file != name and file[:16] == name[:16]:
            # In memory, so that no descriptor is left open.
            index = _opened(path, lambda read: from_bytes(read(0, SIZE_CAP)))
            if index is not None and index.key[0] == prefix:
                yield index
