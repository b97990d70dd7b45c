"""How an index gets on disk and off it: whole or not at all, by many processes.

A fault here costs time, never an answer, and is told at debug level only.
"""

import os
import time

from .._files import DIRECTORY, KIND, SIZE_CAP, IndexFile, Seam, trusted_folder
from .._index import Index
from .directory import Directory, cache_directory, flags_of
from .layout import from_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from .._types import Read

# Indexes kept, the newest ones.
MOST = 64
# Temporary files of writers that were killed: kept an hour in case one still
# lives, and never more than this many.
MOST_TEMPORARY = 32
OLD = 3600.0
# Facts (`_static.facts`) lie beside their index, under its name but for the suffix.
SUFFIX, FACTS, TEMPORARY = ".json", ".facts", ".tmp"
# What files of ours are called, once each hexadecimal digit is made 0: others may
# lie in the same folder.
_DIGITS = str.maketrans("123456789abcdef", "0" * 15)
_STEM = f"{'0' * 16}-{'0' * 16}"
_INDEX, _FACTS = _STEM + SUFFIX, _STEM + FACTS.translate(_DIGITS)
_UNFINISHED = {f".{name}.{'0' * 24}{TEMPORARY}" for name in (_INDEX, _FACTS)}
_NEW = flags_of("O_WRONLY", "O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")


def store(folder: str, name: str, content: bytes) -> None:
    """Write an index, or its facts, by a temporary file and a rename.

    Every failure is survived. Removes what is no longer needed there.
    """
    try:
        if len(content) > SIZE_CAP:
            raise ValueError(f"its {len(content)} bytes exceed the limit")
        with cache_directory(folder) as directory:
            new = not directory.has(name)
            write(directory, name, content, gap=True)
            _prune(directory, keep=name, thorough=new)
    except Exception as error:  # an audit hook may raise any
        _tell(f"{name} was not written: {error}")


def _tell(message: str) -> None:
    from .._log import debug  # deferred: seldom

    debug(message)


def write(
    directory: Directory,
    name: str,
    content: bytes,
    mode: int = 0o600,
    gap: bool = False,
) -> None:
    """Write a file by a temporary one and a rename. Raises OSError.

    `gap`: may there be none for a moment, where one is replaced?
    """
    temporary = f".{name}.{Seam.urandom(12).hex()}{TEMPORARY}"
    descriptor = directory.open(temporary, _NEW, mode)
    try:
        try:
            if hasattr(Seam, "fchmod"):
                Seam.fchmod(descriptor, mode)
            rest = memoryview(content)
            while rest:
                rest = rest[Seam.write(descriptor, rest) :]
        finally:
            Seam.close(descriptor)
        if gap:
            # A file that is renamed over another is written out to the disk at once
            # by ext4 and others: 0.8 ms. Who looks in between scans.
            try:
                directory.unlink(name)
            except OSError:
                pass  # there is none, or it is open elsewhere
        directory.replace(temporary, name)
    except BaseException:
        try:
            directory.unlink(temporary)
        except FileNotFoundError:
            pass  # another process has tidied up
        raise


def _by_age(
    directory: Directory, called: "Container[str]"
) -> "list[tuple[float, str]]":
    """Return the files that are called so, the newest first, with their mtimes."""
    found = []
    for name in directory.names():
        if name.translate(_DIGITS) in called:
            try:
                status = directory.lstat(name)
            except FileNotFoundError:
                continue
            if status.st_mode & KIND != DIRECTORY:  # a folder is not ours
                found.append((status.st_mtime, name))
    return sorted(found, reverse=True)


def prune(folder: str, keep: str = "") -> "list[str]":
    """Remove what is no longer needed from the cache directory; return the paths.

    Raises OSError if it cannot be opened, or if others could exchange it.
    """
    with cache_directory(folder, make=False) as directory:
        return [os.path.join(folder, name) for name in _prune(directory, keep)]


def _prune(directory: Directory, keep: str = "", thorough: bool = True) -> "list[str]":
    """Remove what is no longer needed from the cache directory; return the names.

    That is temporary files of writers that died, the oldest indexes beyond 64, and if
    thorough indexes of environments that are gone, or that cannot be decoded, as of
    another version, with their facts; never `keep`, nor
    the index that it belongs to. Facts of what a frozen index answers for have no index
    beside them, and count as one.
    """
    gone = [
        name
        for number, (mtime, name) in enumerate(_by_age(directory, _UNFINISHED))
        if number >= MOST_TEMPORARY or mtime < time.time() - OLD
    ]
    # The names that are kept, without suffix, which differs for an index and its facts.
    stems = {keep.rpartition(".")[0]} if keep else set()
    files = [name for _, name in _by_age(directory, {_INDEX, _FACTS})]
    indexed = {os.path.splitext(name)[0] for name in files if name.endswith(SUFFIX)}
    for name in files:
        stem, suffix = os.path.splitext(name)
        if stem in stems or (suffix == FACTS and stem in indexed):
            continue
        if len(stems) < MOST and not (
            thorough
            and suffix == SUFFIX
            and _is_useless(os.path.join(directory.path, name))
        ):
            stems.add(stem)
    gone += [name for name in files if os.path.splitext(name)[0] not in stems]
    for name in gone:
        try:
            directory.unlink(name)
        except OSError:
            pass  # another process was quicker, or it is not ours to remove
    return gone


def ours(folder: str) -> "list[str]":
    """Return the paths of all files in the cache folder that lazyplug has written."""
    found = _by_age(Directory(folder), {_INDEX, _FACTS, *_UNFINISHED})
    return [os.path.join(folder, name) for _, name in found]


def _is_useless(path: str) -> bool:
    """Return True if an index cannot be decoded, or its environment was removed."""
    index_file = IndexFile(path)
    try:
        try:
            prefix = Index(index_file.read).key[0]
        except ValueError:
            index_file.read(0, 1)  # which fails if that was the reason
            return True
        mode: int = Seam.stat(prefix).st_mode
        return mode & KIND != DIRECTORY
    except (FileNotFoundError, NotADirectoryError):
        return True
    except Exception:  # an audit hook may raise any
        return False  # nobody can tell
    finally:
        index_file.close()


def _opened(path: str, decode: "Callable[[Read], Index]") -> "Index | None":
    """Return the index in a file; None if it is not to be believed."""
    index_file = IndexFile(path)
    try:
        return decode(index_file.read)
    except Exception:  # an audit hook may raise any
        return None
    finally:
        index_file.close()


def donors(folder: str, name: str, prefix: str) -> "Iterator[Index]":
    """Yield the other indexes of a prefix, the newest first."""
    if not trusted_folder(folder):
        return
    try:
        found = _by_age(Directory(folder), {_INDEX})
    except Exception:  # an audit hook may raise any
        return
    for _, file in found:
        if file != name and file[:16] == name[:16]:
            # In memory, so that no descriptor is left open.
            path = os.path.join(folder, file)
            index = _opened(path, lambda read: from_bytes(read(0, SIZE_CAP)))
            if index is not None and index.key[0] == prefix:
                yield index
