"""Is an index file sound in all its parts? A start reads only those that it needs."""

import os

from ._cache import index_file, index_name
from ._encoding import encode, regroup
from ._index import DOUBT, Index
from ._record import decode, groups_of, table_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def damages(path: str) -> "list[str]":
    """Say of each part of an index file that is damaged what it is; none: sound.

    A file that is not to be believed, because others could have written it, is
    damaged as a whole. Raises FileNotFoundError if there is none.
    """
    read, close = index_file(path)
    try:
        index = Index(read)
        found = []
        parts: list[tuple[str, Callable[[], object]]] = [
            ("the stamps of the path entries", lambda: _check_stamps(index)),
            ("the files that are watched", index.watched),
            ("the records of the distributions", lambda: decode(index)),
            ("what stands between its parts", lambda: _check_layout(index)),
            ("its name, which is that of another", lambda: _check_name(index, path)),
            *[
                (f"the group {group!r}", lambda group=group: index.rows(group))
                for group, *_ in table_of(index)
            ],
        ]
        for what, check in parts:
            try:
                check()
            except ValueError:
                found.append(what)
        if not found and not _says_all(index):
            found.append("its parts, which do not say the same")
        return found
    except (OSError, ValueError) as error:
        reason = error.__cause__ or error
        if isinstance(reason, FileNotFoundError):
            raise reason from None
        return [f"all of it: {reason}"]
    finally:
        close()


def _check_stamps(index: Index) -> None:
    """Raise ValueError unless they are stamps, and such as are young."""
    try:
        for known in index.stamps:
            if known is not None and len([int(n) for n in known.split(" ")]) != 4:
                raise ValueError(known)
        places = range(len(index.stamps))
        if index.young != [place for place in places if place in index.young]:
            raise ValueError(index.young)
    except DOUBT as error:
        raise ValueError("stamps") from error


def _check_layout(index: Index) -> None:
    """Raise ValueError unless the parts follow each other and nothing else is there."""
    try:
        at = index.after_watch
        for _, offset, length, _ in table_of(index):
            end = at + length
            if index.after_watch + offset != at or index.read(end, 1) != b"\n":
                raise ValueError(at)
            at = end + 1
        offset, length, _ = index.detail
        if index.after_watch + offset != at or index.read(at + length, 1) != b"":
            raise ValueError(at)
    except DOUBT as error:
        raise ValueError("layout") from error


def _says_all(index: Index) -> bool:
    """Is the index what would be written of its own records?"""
    entries = decode(index)
    groups = regroup(entries, entries, groups_of(index))
    whole = encode(index.key[0], entries, groups)
    return whole == index.read(0, len(whole))


def _check_name(index: Index, path: str) -> None:
    """Raise ValueError unless the file has the name of the key."""
    if os.path.basename(path) != index_name(index.key):
        raise ValueError(path)
