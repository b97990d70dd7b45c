"""Is a file in the cache folder sound in all its parts? A start reads few of them."""

import os

from .._content import is_by_content
from .._files import SIZE_CAP, IndexFile
from .._index import DOUBT, Index, index_name
from .._indexing.layout import decode, encode, groups_of, regroup, table_of
from .._indexing.records import is_lent
from .._indexing.storage import FACTS, SUFFIX
from .._indexing.watch import watched_files
from .._static.facts import encode as encode_facts
from .._static.facts import opened, part_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._static.facts import Learned, Part
    from .._types import Read

    # what is checked, and how
    Check = tuple[str, Callable[[], object]]


def damages(path: str) -> "list[str]":
    """Say of each part of an index, or of its facts, that is damaged what it is.

    Nothing is said of what is sound. A file that is not to be believed, because others
    could have written it, is damaged as a whole. Raises FileNotFoundError if there is
    none.
    """
    index_file = IndexFile(path)
    try:
        check = _facts if path.endswith(FACTS) else _index
        return check(path, index_file.read)
    except DOUBT as error:
        reason = error.__cause__ or error
        if isinstance(reason, FileNotFoundError):
            raise reason from None
        return [f"all of it: {str(reason)[:80]}"]  # it may be a line of the file
    finally:
        index_file.close()


def _failing(checks: "Iterable[Check]") -> "list[str]":
    """Return what is checked by those that raise one of DOUBT."""
    found = []
    for what, check in checks:
        try:
            check()
        except DOUBT:
            found.append(what)
    return found


def _index(path: str, read: "Read") -> "list[str]":
    index = Index(read)
    checks: list[Check] = [
        ("the stamps of the path entries", lambda: _check_stamps(index.stamps)),
        ("which of them are young", lambda: _check_young(index)),
        ("the files that are watched", lambda: [*watched_files(index)]),
        ("the records of the distributions", lambda: decode(index)),
        ("what stands between its parts", lambda: _check_layout(index)),
        (
            "its name, which is that of another",
            lambda: _check_name(index.key, index.stamps, path),
        ),
        *[
            (f"the group {group!r}", lambda group=group: index.rows(group))
            for group, *_ in table_of(index)
        ],
    ]
    found = _failing(checks)
    if not found and not _says_all(index):
        found.append("its parts, which do not say the same")
    return found


def _facts(path: str, read: "Read") -> "list[str]":
    key, stamps, front, chunk = opened(read)
    parts: dict[Part, Learned] = {}

    def taken(line: bytes) -> "Check":
        kind_and_group = b",".join(line[1:].split(b",")[:2]).decode("ascii", "replace")
        return f"the facts {kind_and_group}", lambda: parts.update(
            [part_of(line, read, chunk, len(front))]
        )

    checks: list[Check] = [
        ("the stamps of the path entries", lambda: _check_stamps(stamps)),
        ("its name, which is that of another", lambda: _check_name(key, stamps, path)),
        *map(taken, front.split(b"\n")[1:-1]),
    ]
    found = _failing(checks)
    if not found and encode_facts(key, stamps, parts) != read(0, SIZE_CAP):
        found.append("what stands between its parts")
    return found


def _check_stamps(stamps: "list[str | None]") -> None:
    """Raise one of DOUBT unless they are stamps, or what stands for them."""
    for known in stamps:
        if is_lent(known):
            continue
        parts = 4 + is_by_content(known)
        if known is not None and len([int(n, 16) for n in known.split(" ")]) != parts:
            raise ValueError(known)


def _check_young(index: Index) -> None:
    """Raise ValueError unless they are path entries in their order."""
    places = range(len(index.stamps))
    if index.young != [place for place in places if place in index.young]:
        raise ValueError(index.young)


def _check_layout(index: Index) -> None:
    """Raise one of DOUBT unless the parts follow each other, with nothing else."""
    at = index.after_watch
    for _, offset, length, _ in table_of(index):
        end = at + length
        if index.after_watch + offset != at or index.read(end, 1) != b"\n":
            raise ValueError(at)
        at = end + 1
    offset, length, _ = index.detail
    if index.after_watch + offset != at or index.read(at + length, 1) != b"":
        raise ValueError(at)


def _says_all(index: Index) -> bool:
    """Is the index what would be written of its own records?"""
    entries = decode(index)
    groups = regroup(entries, entries, groups_of(index))
    whole = encode(index.key[0], entries, groups)
    return whole == index.read(0, len(whole))


def _check_name(key: "list[str]", stamps: "list[str | None]", path: str) -> None:
    """Raise ValueError unless the file has the name of the key, but for its suffix."""
    stem = os.path.basename(path).rpartition(".")[0]
    lent = [known for known in stamps if known and is_lent(known)]
    if stem + SUFFIX != index_name([*key, *lent[:1]]):
        raise ValueError(path)
