"""Scan one path entry, and each distribution in it.

What cannot be read costs itself, is recorded with its path and the reason, and
harms nothing else.
"""

import os

from .._content import is_by_content, is_standard_library, signature
from .._files import DIRECTORY, KIND, REGULAR, Seam, open_directory
from .._index import numbers, stamp
from .._settings import news
from .metadata import (
    ENTRY_POINTS,
    METADATA,
    headers,
    is_metadata,
    normalise,
    parse,
    stem,
)
from .reading import (
    find_metadata,
    read,
    reason_of,
    settled,
    signature_now,
    signed,
    status_of,
)
from .records import Distribution, PathEntry, fragments
from .shadowing import sort_distributions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .records import Point, Trouble


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
        return signature_now(own, base) == known
    try:
        return not Seam.access(own, 0, dir_fd=base)
    except (OSError, ValueError):
        return False


def list_folder(
    path: str, known: "Collection[str]" = ()
) -> "tuple[list[str], set[str], str]":
    """Return which metadata folders came, which are gone, why it cannot be listed.

    `known` are the names of those that were there before.
    """
    try:
        names = Seam.listdir(path)
    except (OSError, ValueError) as error:
        return [], set(), reason_of(error) or "vanished while it was looked at"
    gone: set[str] = set()
    if known:
        there, before = set(names), set(known)
        gone = before - there
        names = [*(there - before)]
    if os.path.basename(path).lower().endswith(".egg"):
        return [name for name in names if is_metadata(name, path)], gone, ""
    ends = (".dist-info", ".egg-info")
    # Slicing costs half of what lower() does, and few others have the dash there.
    came = [
        name
        for name in names
        if name.endswith(ends) or (name[-5:-4] == "-" and name.lower().endswith(ends))
    ]
    return came, gone, ""


def scan_distribution(
    folder: str,
    file: str,
    clock: int,
    known: "Distribution | None" = None,
    base: "int | None" = None,
    several: bool = False,
) -> "Distribution | str":
    """Return what the metadata folder `file` in `folder` declares, read anew.

    It is the key alone if it declares nothing and nothing else is to be said of
    it. `known` is what was remembered: an mtime in the future is believed only if it
    was the same then. `base` is a descriptor of the folder, if there is one: from there
    the system has not so far to go. `several` says that the key stands more than once,
    so that it matters whether there is metadata.
    """
    path = folder + os.sep + file
    start = path if base is None else file
    name, _ = stem(file)
    key, named = normalise(name), bool(name)
    text, status, reason = read(start + ENTRY_POINTS, base=base)
    left_behind = file[0] == "~"
    if status is None and named and not (reason or left_behind or several):
        return key  # as most
    own = None
    # Of what the system would not read, no stamp is to be believed.
    calm = not reason
    number = None
    if status is not None:
        own, text = signed(start + ENTRY_POINTS, status, text, base)
        # With a checksum of the content, the number is another one.
        number = None if is_by_content(own) else numbers([status])[0]
        calm = settled(status, known is not None and known.stamp == own, clock)
    points: list[Point] = []
    problems: list[Trouble] = []
    if reason:
        problems.append((path + ENTRY_POINTS, 0, reason))
    if text is not None:
        points, bad = parse(text, path + ENTRY_POINTS)
        problems += bad
    if left_behind:
        problems.append(
            (path, 0, "was left behind by an interrupted pip: delete this directory")
        )
    # What it says is read where it is asked; here only where it decides something. Its
    # stamp is kept for then: one in the future is believed when it was seen twice.
    source: str | None = "METADATA"
    source_stamp = before = known.source_stamp if known else None
    if not named or several or not Seam.access(start + METADATA, 0, dir_fd=base):
        source, found, text, reason = find_metadata(path)
        if source is None and not reason:
            # Metadata may appear in the directory, or a file replace it.
            found = status_of(path)
        source_stamp = None
        if found is not None:
            file_of_it = os.path.join(path, source) if source else path
            source_stamp, text = signed(file_of_it, found, text, metadata=True)
            calm = calm and settled(found, source_stamp == before, clock)
        elif reason:
            calm = False
        if text is not None:
            name = headers(text)[0] or name
        elif reason:
            problems.append((path + os.sep + (source or ""), 0, reason))
        elif points:
            problems.append((path, 0, "has no metadata"))
    if not named:
        key = normalise(name)
        if not key:
            points.clear()
            problems.append((path, 0, "has no name: what it declares is left out"))
    declared = fragments(file, key, points)
    return Distribution(
        file,
        key,
        stamp=own,
        settled=calm,
        named=named,
        source=source,
        source_stamp=source_stamp,
        groups=list(declared),
        problems=problems,
        fragments=declared,
        number=number,
    )
