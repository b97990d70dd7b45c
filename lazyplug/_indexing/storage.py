"""Write index files atomically, read those of other keys, and remove old ones.

Many processes may do so at the same time. A failure costs time, never a correct answer,
and is logged at debug level only.
"""

import os
import time

from .._files import DIRECTORY, KIND, SIZE_CAP, fs, index_reader, is_trusted_directory
from .._index import SCHEMA, TITLE_LENGTH, Index, texts
from .cache_directory import Directory, flags_of, open_cache_directory
from .layout import from_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from .._types import Read

# How many indexes to keep, the newest ones.
MAX_INDEXES = 64
# Temporary files of writers that were killed: kept for OLD seconds, in case the writer
# is still running, and never more than this many.
MAX_TEMPORARY = 32
TEMPORARY_MAX_AGE = 3600.0
# For how many seconds lost entry points are remembered.
LOST_MAX_AGE = 180 * 86400
# Learned facts are next to their index, with the same name except the suffix. The
# losses of a prefix are named by the first half of that.
SUFFIX, FACTS, LOST, TEMPORARY = ".json", ".facts", ".lost", ".tmp"
# The names of lazyplug's files, with each hexadecimal digit replaced by 0. Other files
# in the same directory are ignored.
_DIGITS = str.maketrans("123456789abcdef", "0" * 15)
_STEM = f"{'0' * 16}-{'0' * 16}"
_INDEX, _FACTS = _STEM + SUFFIX, _STEM + FACTS.translate(_DIGITS)
_LOSSES = "0" * 16 + LOST
_UNFINISHED = {f".{name}.{'0' * 24}{TEMPORARY}" for name in (_INDEX, _FACTS, _LOSSES)}
_NEW = flags_of("O_WRONLY", "O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")


def store(directory: str, name: str, content: bytes) -> None:
    """Write an index, its facts, or losses, and prune the cache directory.

    Every failure is logged at debug level and ignored.
    """
    try:
        if len(content) > SIZE_CAP:
            from .. import _messages as messages  # deferred: few are that large

            reason = messages.TOO_LARGE.format(size=len(content), limit=SIZE_CAP)
            raise ValueError(reason)
        with open_cache_directory(directory) as cache:
            new = not cache.has(name)
            # A process that found no losses would write only its own.
            write(cache, name, content, gap=not name.endswith(LOST))
            _prune(cache, keep=name, thorough=new)
    except Exception as error:  # an audit hook may raise any exception
        _log_failure(name, error)


def _log_failure(name: str, error: Exception) -> None:
    from .. import _messages as messages  # deferred: only on failure
    from .._log import debug

    debug(f"{name} {messages.CANNOT_BE.format(done='written', reason=error)}")


def write(
    cache: Directory,
    name: str,
    content: bytes,
    mode: int = 0o600,
    gap: bool = False,
) -> None:
    """Write a file atomically: a temporary file, then a rename. Raises OSError.

    If `gap`, the old file may be missing for a moment, which is faster.
    """
    temporary = f".{name}.{fs.urandom(12).hex()}{TEMPORARY}"
    descriptor = cache.open(temporary, _NEW, mode)
    try:
        try:
            if hasattr(fs, "fchmod"):
                fs.fchmod(descriptor, mode)
            rest = memoryview(content)
            while rest:
                rest = rest[fs.write(descriptor, rest) :]
        finally:
            fs.close(descriptor)
        if gap:
            # ext4 and others write a file to the disk at once if it is renamed over
            # another one: 0.8 ms. A process that finds no file in between scans.
            try:
                cache.unlink(name)
            except OSError:
                pass  # there is no old file, or another process has it open
        cache.replace(temporary, name)
    except BaseException:
        try:
            cache.unlink(temporary)
        except FileNotFoundError:
            pass  # another process has pruned it
        raise


def _newest_first(
    cache: Directory, patterns: "Container[str]"
) -> "list[tuple[float, str]]":
    """Return the files with such names and their mtimes, the newest first."""
    found = []
    for name in cache.names():
        if name.translate(_DIGITS) in patterns:
            try:
                status = cache.lstat(name)
            except FileNotFoundError:
                continue
            if status.st_mode & KIND != DIRECTORY:  # lazyplug writes files only
                found.append((status.st_mtime, name))
    return sorted(found, reverse=True)


def prune(directory: str, keep: str = "") -> "list[str]":
    """Remove unneeded files from the cache directory; return their paths.

    Raises OSError if it cannot be opened, or if others could replace it.
    """
    with open_cache_directory(directory, make=False) as cache:
        return [os.path.join(directory, name) for name in _prune(cache, keep)]


def _prune(cache: Directory, keep: str = "", thorough: bool = True) -> "list[str]":
    """Remove unneeded files from the cache directory; return their names.

    Unneeded are temporary files of writers that died, and the oldest indexes beyond 64,
    with their facts. If `thorough`, so are indexes whose environment was removed or
    that are damaged. `keep` is never removed, nor is the index that it belongs to. If a
    frozen index answers, its facts have no index in the directory, and count as one.
    Losses are kept as indexes are, and no longer than the newest of them counts.
    """
    unneeded = [
        name
        for number, (mtime, name) in enumerate(_newest_first(cache, _UNFINISHED))
        if number >= MAX_TEMPORARY or mtime < time.time() - TEMPORARY_MAX_AGE
    ]
    # The names to keep, without the suffix: an index and its facts have different ones.
    stems = {keep.rpartition(".")[0]} if keep else set()
    found = _newest_first(cache, {_INDEX, _FACTS, _LOSSES})
    files = [name for _, name in found if not name.endswith(LOST)]
    indexed = {os.path.splitext(name)[0] for name in files if name.endswith(SUFFIX)}
    for name in files:
        stem, suffix = os.path.splitext(name)
        if stem in stems or (suffix == FACTS and stem in indexed):
            continue
        if len(stems) < MAX_INDEXES and not (
            thorough
            and suffix == SUFFIX
            and _is_useless(os.path.join(cache.path, name))
        ):
            stems.add(stem)
    unneeded += [name for name in files if os.path.splitext(name)[0] not in stems]
    losses = [each for each in found if each[1].endswith(LOST) and each[1] != keep]
    unneeded += [
        name
        for number, (mtime, name) in enumerate(losses)
        if number >= MAX_INDEXES
        or mtime < time.time() - LOST_MAX_AGE
        or (thorough and _is_useless(os.path.join(cache.path, name)))
    ]
    for name in unneeded:
        try:
            cache.unlink(name)
        except OSError:
            pass  # another process removed it, or this one has no permission
    return unneeded


def list_files(directory: str) -> "list[str]":
    """Return the paths of all files that lazyplug has written to a cache directory."""
    found = _newest_first(Directory(directory), {_INDEX, _FACTS, _LOSSES, *_UNFINISHED})
    return [os.path.join(directory, name) for _, name in found]


def _is_useless(path: str) -> bool:
    """Return True if a file is damaged, or its environment was removed."""
    read, close = index_reader(path)
    try:
        try:
            prefix = _prefix_in(path, read)
        except ValueError:
            # Raises if the file cannot be read at all. Two versions that removed each
            # other's indexes would rescan at each start.
            return not has_other_schema(read)
        mode: int = fs.stat(prefix).st_mode
        return mode & KIND != DIRECTORY
    except (FileNotFoundError, NotADirectoryError):
        return True
    except Exception:  # an audit hook may raise any exception
        return False  # it may be needed
    finally:
        close()


def _prefix_in(path: str, read: "Read") -> str:
    """Return the prefix of an index or of losses. Raises ValueError if damaged."""
    if not path.endswith(LOST):
        return Index(read).key[0]
    _, line, *_ = read(0, SIZE_CAP).split(b"\n", 2)
    (prefix,) = texts(line.decode())
    return prefix


def has_other_schema(read: "Read") -> bool:
    """Return True if the title is that of another schema version of an index.

    >>> has_other_schema(lambda *_: b'["lazyplug",99,"')
    True
    """
    mark, _, rest = read(0, TITLE_LENGTH).partition(b",")
    schema = rest.partition(b",")[0]
    return mark == b'["lazyplug"' and schema.isdigit() and int(schema) != SCHEMA


def _open_index(path: str, decode: "Callable[[Read], Index]") -> "Index | None":
    """Return the index in a file, or None if it is damaged or not trusted."""
    read, close = index_reader(path)
    try:
        return decode(read)
    except Exception:  # an audit hook may raise any exception
        return None
    finally:
        close()


def sibling_indexes(
    directory: str, name: str, prefix: str, newer: bool = False
) -> "Iterator[Index]":
    """Yield the other indexes of a prefix, the newest first.

    If `newer`, only those that are newer than the index with this name.
    """
    if not is_trusted_directory(directory):
        return
    try:
        found = _newest_first(Directory(directory), {_INDEX})
    except Exception:  # an audit hook may raise any exception
        return
    for _, file in found:
        if file == name and newer:
            return
        if file != name and file[:16] == name[:16]:
            # In memory, so that no descriptor is left open.
            path = os.path.join(directory, file)
            index = _open_index(path, lambda read: from_bytes(read(0, SIZE_CAP)))
            if index is not None and index.key[0] == prefix:
                yield index
