"""Every path entry looked at again: what did not change is kept, by its record.

What is left when `patch` cannot exchange lines: no index of this key, names that
stand twice, archives, path entries that came or went.
"""

import os

from .._content import is_standard_library, signature
from .._files import DIRECTORY, KIND, REGULAR, Seam, open_directory
from .._index import NOTHING, index_name, stamp
from .._settings import news
from .layout import encode, regroup, repeated, sort_distributions
from .records import (
    Distribution,
    PathEntry,
    decode,
    groups_of,
    is_by_content,
    is_lent,
)
from .scan import (
    ENTRY_POINTS,
    list_folder,
    reason_of,
    scan_distribution,
    settled,
)
from .storage import donors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._index import Index


def rescan(
    key: "list[str]",
    index: "Index | None",
    thorough: bool,
    folder: "str | None",
    clock: int,
    covered: "Mapping[str, str]" = NOTHING,
    frozen: "Index | None" = None,
) -> bytes:
    """Return the content of an index of what is there now.

    `index` is what was believed so far. Without one, the unchanged path entries
    of another index of the same prefix are taken over, if `folder` has any. Those that
    a frozen index covers are taken over from that. Raises ValueError if that one is
    damaged.
    """
    bases: Iterable[Index] = () if index is None else (index,)
    if frozen is not None and covered:
        bases = [frozen]
        if index is not None:
            stamps = dict(zip(index.key[1:], index.stamps))
            if covered.items() <= stamps.items():
                bases.insert(0, index)
    elif index is None and folder is not None:
        bases = donors(folder, index_name(key), key[0])
    try:
        for base in bases:
            try:
                return _updated(key, base, thorough, clock, covered)
            except ValueError:
                if base is frozen:
                    raise
                # damaged where it was not read before
    except OSError:
        pass  # the cache folder went away meanwhile
    return _updated(key, None, thorough, clock, covered)


def _updated(
    key: "list[str]",
    base: "Index | None",
    thorough: bool,
    clock: int,
    covered: "Mapping[str, str]",
) -> bytes:
    old = [] if base is None else decode(base)
    known = {entry.path: entry for entry in old}
    entries = [
        known[path]
        if path in covered and path in known
        else look(path, known.get(path), clock, thorough)
        for path in key[1:]
    ]
    settle_repeated(entries, clock)
    groups = regroup(entries, old, {} if base is None else groups_of(base))
    return encode(key[0], entries, groups)


def look(path: str, known: "PathEntry | None", clock: int, thorough: bool) -> PathEntry:
    """Return the record of a path entry as it is now, reusing what still holds.

    Unless `thorough`, the distributions in a folder that did not change are not
    looked at.
    """
    try:
        status = Seam.stat(path)
        # Before anything in it is read.
        whole = signature(path, status)
    except (OSError, ValueError) as error:
        # Whatever the reason: as soon as it can be looked at, the index is not true.
        reason = reason_of(error)
        problems = [(path, 0, reason)] if reason else []
        # What the system refused to look at is looked at each time.
        return PathEntry(path, None, not reason, False, problems, {}, [])
    if known is not None and known.archive != (status.st_mode & KIND == REGULAR):
        known = None  # a folder became an archive, or the other way round
    by_content = known is not None and is_by_content(known.stamp)
    now = whole if by_content else stamp(status)
    equal = known is not None and known.stamp == now
    same = known is not None and known.settled and equal
    if known is not None and same and (known.archive or not thorough):
        return known
    calm = settled(status, equal, clock)
    if status.st_mode & KIND == REGULAR:
        from .archives import scan_archive  # deferred: imports importlib_metadata

        found, problems, was_read = scan_archive(path)
        return PathEntry(path, whole, calm and was_read, True, problems, {}, found)
    if status.st_mode & KIND != DIRECTORY:
        problems = [(path, 0, "is neither a folder nor a zip archive")]
        return PathEntry(path, now, calm, False, problems, {}, [])
    if known is None:
        known = PathEntry(path, None, False, False, [], {}, [])
    old = {d.file: d for d in known.distributions}
    problems = known.problems
    if same:
        files = [*known.plain, *old]
    else:
        files, _, reason = list_folder(path)
        problems = [(path, 0, reason)] if reason else []
        now = stamp(status) if not files and is_standard_library(path) else whole
        # What the system would not list is looked at again each time.
        calm = calm and not reason
    plain: dict[str, str] = {}
    distributions: list[Distribution] = []
    base = _start(path)
    try:
        for file in files:
            before = old.get(file)
            if before is None:
                key = known.plain.get(file)
                if key is not None and _holds(path, file, None, base):
                    plain[file] = key
                    continue
            elif before.settled and _holds(path, file, before.stamp, base):
                distributions.append(before)
                continue
            fresh = scan_distribution(path, file, clock, before, base)
            if isinstance(fresh, str):
                plain[file] = fresh
            else:
                distributions.append(fresh)
                if fresh.problems and fresh.problems != (before and before.problems):
                    news.append(file)
    finally:
        if base is not None:
            Seam.close(base)
    if not same or distributions != known.distributions:
        distributions, doubled = sort_distributions(path, distributions)
        if same:
            problems = [problem for problem in problems if problem[0] == path]
        problems = problems + doubled
    return PathEntry(path, now, calm, False, problems, plain, distributions)


def _start(path: str) -> "int | None":
    """Return a descriptor of a folder, to read the files in it from; None: do without.

    It is the caller's to close.
    """
    base: int | None = None
    try:
        base = open_directory(path)
        Seam.close(Seam.dup(base))  # the last one is needed for the files
    except OSError:
        if base is not None:
            Seam.close(base)
        return None
    return base


def _holds(path: str, file: str, known: "str | None", base: "int | None") -> bool:
    """Has the entry_points.txt of a metadata folder still this stamp, or is none there?

    `base` is as for scan_distribution.
    """
    own = (file if base is not None else os.path.join(path, file)) + ENTRY_POINTS
    if known is not None:
        return _stamp_of(own, base) == known
    try:
        return not Seam.access(own, 0, dir_fd=base)
    except (OSError, ValueError):
        return False


def _stamp_of(file: str, base: "int | None" = None) -> "str | None":
    try:
        return signature(file, Seam.stat(file, dir_fd=base), base)
    except (OSError, ValueError):
        return None


def settle_repeated(entries: "list[PathEntry]", clock: int) -> None:
    """Look at the metadata of those for which it decides who wins.

    These are the distributions whose key stands more than once, those whose key is
    not in their folder's name, and those that had no metadata. A new look may bring
    a new key, so it is repeated until nothing changes.
    """
    done: set[tuple[int, str]] = set()
    while True:
        several = repeated(entries)
        found = [
            (place, file, known)
            for place, entry in enumerate(entries)
            if not entry.archive and not is_lent(entry.stamp)
            for file, known in _deciding(entry, several)
            if (place, file) not in done
        ]
        if not found:
            return
        for place, file, known in found:
            done.add((place, file))
            entry = entries[place]
            if known is not None and _same_metadata(entry.path, known):
                continue
            fresh = scan_distribution(entry.path, file, clock, known, several=True)
            if isinstance(fresh, str):
                continue
            rest = [d for d in entry.distributions if d.file != file]
            distributions, doubled = sort_distributions(entry.path, [*rest, fresh])
            # A new record: the old one is compared with it later.
            entries[place] = PathEntry(
                entry.path,
                entry.stamp,
                entry.settled,
                False,
                [p for p in entry.problems if p[0] == entry.path] + doubled,
                {f: key for f, key in entry.plain.items() if f != file},
                distributions,
            )


def _deciding(
    entry: PathEntry, several: "set[str]"
) -> "Iterable[tuple[str, Distribution | None]]":
    for distribution in entry.distributions:
        if (
            distribution.key in several
            or not distribution.named
            or distribution.source is None
        ):
            yield distribution.file, distribution
    if several:
        for file, key in list(entry.plain.items()):
            if key in several:
                yield file, None


def _same_metadata(path: str, known: Distribution) -> bool:
    """Is which file is the metadata, and its stamp, still as remembered?"""
    folder = os.path.join(path, known.file)
    for source in ("METADATA", "PKG-INFO"):
        if source == known.source:
            break
        if Seam.access(os.path.join(folder, source), 0):
            return False
    file = os.path.join(folder, known.source) if known.source else folder
    now = _stamp_of(file)
    # What decided nothing so far was not read.
    return now is not None and now == known.source_stamp
