"""Check all parts of a file in the cache directory; a start reads only a few."""

import os

from .._content import is_by_content
from .._files import SIZE_CAP, index_reader
from .._index import DECODE_ERRORS, Index, index_name
from .._indexing import losses
from .._indexing.layout import decode, encode, groups_of, regroup, table_of
from .._indexing.records import is_borrowed
from .._indexing.storage import FACTS, LOST, SUFFIX, has_other_schema
from .._indexing.watch import watched_files
from .._static.learned import parts_in, read_head
from .._static.learning import checked_part
from .._static.learning import encode as encode_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._static.learned import FactTable, Part
    from .._types import Read

    # the text that names a part, and the function that checks it
    Check = tuple[str, Callable[[], object]]


def is_of_other_version(file: str) -> bool:
    """Return True if this version of lazyplug does not know the schema of a file."""
    read, close = index_reader(file)
    try:
        return has_other_schema(read)
    except (OSError, ValueError):
        return False  # there is no file, or another user could have written it
    finally:
        close()


def damages(path: str) -> "list[str]":
    """Return the names of the damaged parts of an index, its facts, or losses.

    A file that another user could have written counts as damaged as a whole. Raises
    FileNotFoundError if there is no file.
    """
    read, close = index_reader(path)
    try:
        checks = {FACTS: _facts, LOST: _losses}
        check = checks.get(os.path.splitext(path)[1], _index)
        return check(path, read)
    except DECODE_ERRORS as error:
        reason = error.__cause__ or error
        if isinstance(reason, FileNotFoundError):
            raise reason from None
        return [f"the whole file: {str(reason)[:80]}"]  # may quote a line of the file
    finally:
        close()


def _failing(checks: "Iterable[Check]") -> "list[str]":
    """Return the names of the checks that raise one of DECODE_ERRORS."""
    found = []
    for what, check in checks:
        try:
            check()
        except DECODE_ERRORS:
            found.append(what)
    return found


def _index(path: str, read: "Read") -> "list[str]":
    index = Index(read)
    checks: list[Check] = [
        (
            "the stat signatures of the path entries",
            lambda: _check_signatures(index.signatures),
        ),
        ("the racy path entries", lambda: _check_racy(index)),
        ("the watch list", lambda: [*watched_files(index)]),
        ("the records of the distributions", lambda: decode(index)),
        ("unexpected data between its parts", lambda: _check_layout(index)),
        (
            "its file name, which does not match its content",
            lambda: _check_name(index.key, index.signatures, path),
        ),
        *[
            (f"the group {group!r}", lambda group=group: index.rows(group))
            for group, *_ in table_of(index)
        ],
    ]
    found = _failing(checks)
    if not found and not _matches_records(index):
        found.append("its parts, which contradict each other")
    return found


def _facts(path: str, read: "Read") -> "list[str]":
    (version, key, signatures), header, chunk = read_head(read)
    parts: dict[Part, FactTable] = {}

    def check_of(line: bytes) -> "Check":
        kind_and_group = b",".join(line[1:].split(b",")[:2]).decode("ascii", "replace")
        return f"the learned facts {kind_and_group}", lambda: parts.update(
            [checked_part(line, read, chunk, len(header))]
        )

    checks: list[Check] = [
        ("the version of lazyplug", lambda: _check_version(version)),
        (
            "the stat signatures of the path entries",
            lambda: _check_signatures(signatures),
        ),
        (
            "its file name, which does not match its content",
            lambda: _check_name(key, signatures, path),
        ),
        *map(check_of, parts_in(header)),
    ]
    found = _failing(checks)
    if found:
        return found
    if encode_facts(key, signatures, parts, version) != read(0, SIZE_CAP):
        found.append("unexpected data between its parts")
    return found


def _losses(path: str, read: "Read") -> "list[str]":
    prefix, _ = losses.decode(read(0, SIZE_CAP))
    name = index_name([prefix])[:16] + LOST
    return [] if os.path.basename(path) == name else ["its file name"]


def _check_signatures(signatures: "list[str | None]") -> None:
    """Raise one of DECODE_ERRORS if one is neither a stat signature nor borrowed."""
    for known in signatures:
        if is_borrowed(known):
            continue
        parts = 4 + is_by_content(known)
        if known is not None and len([int(n, 16) for n in known.split(" ")]) != parts:
            raise ValueError(known)


def _check_version(version: str) -> None:
    """Raise one of DECODE_ERRORS if this is not like a version, of whatever release."""
    if not (version.isascii() and version.isprintable() and version.strip()):
        raise ValueError(version)


def _check_racy(index: Index) -> None:
    """Raise ValueError unless the racy places are path entries in their order."""
    places = range(len(index.signatures))
    if index.racy != [place for place in places if place in index.racy]:
        raise ValueError(index.racy)


def _check_layout(index: Index) -> None:
    """Raise one of DECODE_ERRORS unless the parts follow each other without a gap."""
    at = index.after_watch
    for _, offset, length, _ in table_of(index):
        end = at + length
        if index.after_watch + offset != at or index.read(end, 1) != b"\n":
            raise ValueError(at)
        at = end + 1
    offset, length, _ = index.detail
    if index.after_watch + offset != at or index.read(at + length, 1) != b"":
        raise ValueError(at)


def _matches_records(index: Index) -> bool:
    """Return True if writing the records again gives the same index."""
    entries = decode(index)
    groups = regroup(entries, entries, groups_of(index))
    whole = encode(index.key[0], entries, groups)
    return whole == index.read(0, len(whole))


def _check_name(key: "list[str]", signatures: "list[str | None]", path: str) -> None:
    """Raise ValueError unless the name of the file, without suffix, fits the key."""
    stem = os.path.basename(path).rpartition(".")[0]
    borrowed = [known for known in signatures if known and is_borrowed(known)]
    if stem + SUFFIX != index_name([*key, *borrowed[:1]]):
        raise ValueError(path)
