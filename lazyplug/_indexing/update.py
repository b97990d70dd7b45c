"""Bring the index of an environment up to date, and write it.

`patch` replaces the lines of changed distributions. If that is not enough, `rebuild`
scans what has changed.
"""

import os

from .._content import is_by_content, signature
from .._files import SIZE_CAP, fs
from .._index import DECODE_ERRORS, Index
from .._settings import CHECKS_FILES
from .layout import from_bytes
from .patch import patch_index
from .reading import is_equal
from .storage import LOST, sibling_indexes, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from .._environment import Environment

    T = TypeVar("T")

# While path entries keep changing, rescan at most this often for an index of a single
# moment. After that, the index may mix several moments.
_MAX_RESCANS = 9


def update(
    environment: "Environment",
    index: "Index | None",
    mode: str,
    directory: "str | None",
    close: "Callable[[], object]",
    scan: bool = False,
) -> Index:
    """Return an index of what is installed now, and write it if that is allowed.

    `index` is the last index, if any; `close` closes its file. Nothing is written if
    nothing changed. If `scan`, nothing is copied from indexes of other keys.
    """
    clock = fs.clock()
    # Read it first: opening anything else may take the last descriptor.
    try:
        if index is not None:
            index = from_bytes(index.read(0, SIZE_CAP))
    except (OSError, ValueError):
        index = None  # it was removed or damaged since
    finally:
        close()
    known = index.header if index else b""
    source = None if scan else directory
    content = _updated_content(environment, index, source, clock)
    new = from_bytes(content)
    for _ in range(_MAX_RESCANS):
        if not _has_changed(new, environment.frozen_entries):
            break
        # The scan may have seen a part of the changes made during it.
        content = _updated_content(environment, new, source, clock)
        new = from_bytes(content)
    # The header has a checksum of every part.
    if mode == "on" and directory and new.header != known:
        _remember_losses(directory, environment, index, new, clock)
        store(directory, environment.file, content)
    return new


def _remember_losses(
    directory: str,
    environment: "Environment",
    index: "Index | None",
    new: Index,
    clock: int,
) -> None:
    """Remember the entry points that went since the last index of the same prefix.

    That is the last index of this key, `index`, or a newer one of another key, since
    `sys.path` may have changed with the installed distributions.
    """
    file = environment.file
    name = file[:16] + LOST
    old = [*sibling_indexes(directory, file, new.key[0], newer=index is not None)]
    if index is not None:
        old.append(index)
    if old or fs.access(os.path.join(directory, name), 0):
        from .removals import remember_losses  # deferred: the first scan needs none

        try:
            remember_losses(directory, name, old, new, clock)
        except DECODE_ERRORS:
            pass  # a part that was not read before is damaged


def _updated_content(
    environment: "Environment",
    index: "Index | None",
    directory: "str | None",
    clock: int,
) -> bytes:
    """Update the content of the last index to what is installed now, and return it."""
    if index is not None:
        try:
            content = patch_index(index, clock, environment.frozen_entries)
        except DECODE_ERRORS:
            index = None  # a part that was not read before is damaged
        else:
            if content is not None:
                return content
    from .rebuild import rebuild  # deferred: few changes need it

    key, thorough = environment.key, environment.checked in CHECKS_FILES
    frozen = environment.frozen
    try:
        for base in _bases(environment, index, directory):
            try:
                return rebuild(key, base, thorough, clock, environment.frozen_entries)
            except ValueError:  # a part that was not read before is damaged
                if frozen is not None and base is frozen.index:
                    frozen.stop_using(environment)
                    return _updated_content(environment, None, directory, clock)
    except OSError:
        pass  # the cache directory was removed since
    return rebuild(key, None, thorough, clock, environment.frozen_entries)


def _bases(
    environment: "Environment", index: "Index | None", directory: "str | None"
) -> "Iterable[Index]":
    """Return the indexes to copy unchanged records from, the best one first.

    The best is the last index. Without one, the sibling indexes (same prefix, other
    key) in the cache directory may have records of the same path entries. The records
    of frozen entries are in the frozen index, and in an index that was made from it.
    """
    frozen = environment.frozen
    if frozen is not None and environment.frozen_entries:
        if index is not None:
            signatures = dict(zip(index.key[1:], index.signatures))
            if environment.frozen_entries.items() <= signatures.items():
                return (index, frozen.index)
        return (frozen.index,)
    if index is not None:
        return (index,)
    if directory is None:
        return ()
    return sibling_indexes(directory, environment.file, environment.key[0])


def _has_changed(index: Index, frozen_entries: "Mapping[str, str]") -> bool:
    """Return True if a path entry changed since it was scanned for this index."""
    for path, known in zip(index.key[1:], index.signatures):
        if path in frozen_entries:
            continue
        try:
            status = fs.stat(path)
            whole = signature(path, status) if is_by_content(known) else ""
        except (OSError, ValueError):
            if known is not None:
                return True
        else:
            if not is_equal(known, whole, status):
                return True
    return False


def reread(
    environment: "Environment",
    damaged: Index,
    part: "Callable[..., T]",
    *arguments: str,
) -> "T":
    """Return a part of an environment's index after the index was damaged or replaced.

    Another thread or process may have repaired it by now. If it is damaged again, the
    environment is rescanned.
    """
    if environment.index is damaged:
        frozen = environment.frozen
        if frozen is not None and damaged is frozen.index:
            frozen.stop_using(environment)
        environment.index = environment.load_index(damaged.header)
    index = environment.index
    try:
        return part(index, *arguments)
    except ValueError:
        pass
    finally:
        index.close()
    environment.index = index = environment.load_index(scan=True)
    return part(index, *arguments)
