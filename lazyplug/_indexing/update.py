"""Bring the index of an environment up to date, and write it.

First by exchanging lines (`patch`), and where that will not do by scanning what is no
longer known (`rebuild`).
"""

from .._content import is_by_content, signature
from .._files import SIZE_CAP, Seam
from .._index import DOUBT, Index
from .._settings import CHECKS_FILES
from .layout import from_bytes
from .patch import patched
from .reading import is_equal
from .storage import donors, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from .._environment import Snapshot

    T = TypeVar("T")

# While path entries change, so many more looks are taken for an answer that was true
# at one moment; after that it may be of several.
_MORE_LOOKS = 9


def update(
    snapshot: "Snapshot",
    index: "Index | None",
    mode: str,
    folder: "str | None",
    close: "Callable[[], object]",
    scan: bool = False,
) -> Index:
    """Return an index of what is there now, and write it where that is allowed.

    `index` is what was believed so far; `close` closes its file. Nothing is written
    if nothing changed; nothing is taken over from any other index if `scan`.
    """
    clock = Seam.clock()
    # Read before anything else is opened: that may take the last descriptor.
    try:
        if index is not None:
            index = from_bytes(index.read(0, SIZE_CAP))
    except (OSError, ValueError):
        index = None  # it went away, or was damaged meanwhile
    finally:
        close()
    known = index.front if index else b""
    source = None if scan else folder
    content = _content_now(snapshot, index, source, clock)
    fresh = from_bytes(content)
    for _ in range(_MORE_LOOKS):
        if not _has_moved(fresh, snapshot.covered):
            break
        # What came or went in the meantime was seen in part, maybe.
        content = _content_now(snapshot, fresh, source, clock)
        fresh = from_bytes(content)
    # The front holds a checksum of every part.
    if mode == "on" and folder and fresh.front != known:
        store(folder, snapshot.file, content)
    return fresh


def _content_now(
    snapshot: "Snapshot", index: "Index | None", folder: "str | None", clock: int
) -> bytes:
    """Return the content of an index of what is there now, made from the last one."""
    if index is not None:
        try:
            content = patched(index, clock, snapshot.covered)
        except DOUBT:
            index = None  # damaged where it was not read before
        else:
            if content is not None:
                return content
    from .rebuild import rebuild  # deferred: seldom

    key, thorough = snapshot.key, snapshot.checked in CHECKS_FILES
    frozen = snapshot.frozen
    try:
        for base in _bases(snapshot, index, folder):
            try:
                return rebuild(key, base, thorough, clock, snapshot.covered)
            except ValueError:  # damaged where it was not read before
                if frozen is not None and base is frozen.index:
                    frozen.give_up(snapshot)
                    return _content_now(snapshot, None, folder, clock)
    except OSError:
        pass  # the cache directory went away meanwhile
    return rebuild(key, None, thorough, clock, snapshot.covered)


def _bases(
    snapshot: "Snapshot", index: "Index | None", folder: "str | None"
) -> "Iterable[Index]":
    """Return the indexes that have the records so far, the best one first.

    It is the last index; without one, others of the same prefix have records of
    unchanged path entries, if the cache directory has any. What a frozen index covers
    is in that one, and in an index that was made from it.
    """
    frozen = snapshot.frozen
    if frozen is not None and snapshot.covered:
        if index is not None:
            stamps = dict(zip(index.key[1:], index.stamps))
            if snapshot.covered.items() <= stamps.items():
                return (index, frozen.index)
        return (frozen.index,)
    if index is not None:
        return (index,)
    return () if folder is None else donors(folder, snapshot.file, snapshot.key[0])


def _has_moved(index: Index, covered: "Mapping[str, str]") -> bool:
    """Return True if a path entry changed since it was scanned for this index."""
    for path, known in zip(index.key[1:], index.stamps):
        if path in covered:
            continue
        try:
            status = Seam.stat(path)
            whole = signature(path, status) if is_by_content(known) else ""
        except (OSError, ValueError):
            if known is not None:
                return True
        else:
            if not is_equal(known, whole, status):
                return True
    return False


def read_anew(
    snapshot: "Snapshot", damaged: Index, part: "Callable[..., T]", *arguments: str
) -> "T":
    """Return a part of the index of a snapshot, where that was damaged or replaced.

    Another thread, or process, may have mended it by now. What is damaged once more
    is scanned.
    """
    if snapshot.index is damaged:
        frozen = snapshot.frozen
        if frozen is not None and damaged is frozen.index:
            frozen.give_up(snapshot)
        snapshot.index = snapshot.true_index(damaged.front)
    index = snapshot.index
    try:
        return part(index, *arguments)
    except ValueError:
        pass
    finally:
        index.close()
    snapshot.index = index = snapshot.true_index(scan=True)
    return part(index, *arguments)
