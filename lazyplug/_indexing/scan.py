"""Scan one path entry, and each distribution in it.

What cannot be read costs itself, is recorded with its path and the reason, and
harms nothing else.
"""

import os

from .._content import is_by_content
from .._files import DIRECTORY, KIND, REGULAR, Seam, metadata_names
from .._index import numbers
from .._settings import note_problem
from .metadata import (
    ENTRY_POINTS,
    METADATA,
    headers,
    normalise,
    parse,
    stem,
)
from .reading import (
    base_of,
    find_metadata,
    is_equal,
    is_unchanged,
    read,
    reason_of,
    settled,
    signed,
    stamp_of_directory,
    stat_and_sign,
    status_of,
)
from .records import Distribution, PathEntry, fragments
from .shadowing import sort_distributions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .records import Point, Trouble


def scan_path_entry(
    path: str, known: "PathEntry | None", clock: int, thorough: bool
) -> PathEntry:
    """Return the record of a path entry as it is now, reusing what is still valid.

    :param known: the record so far.
    :param clock: the time before anything was read, in nanoseconds.
    :param thorough: whether to check the distributions in a directory that did not
        change itself.
    """
    try:
        status, whole = stat_and_sign(path)
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        problems = [(path, 0, reason)] if reason else []
        # What the system refused to read is tried again each time.
        return PathEntry(path, None, not reason, False, problems, {}, [])
    kind = status.st_mode & KIND
    if known is None or known.archive != (kind == REGULAR):
        # New; or a directory became an archive, or the other way round.
        known = PathEntry(path, None, False, False, [], {}, [])
    equal = is_equal(known.stamp, whole, status)
    same = equal and known.settled
    if same and (known.archive or not thorough):
        return known
    reliable = settled(status, equal, clock)
    if kind == REGULAR:
        from .archives import scan_archive  # deferred: imports importlib_metadata

        distributions, problems, was_read = scan_archive(path)
        reliable = reliable and was_read
        return PathEntry(path, whole, reliable, True, problems, {}, distributions)
    if kind != DIRECTORY:
        problems = [(path, 0, "is neither a folder nor a zip archive")]
        return PathEntry(path, whole, reliable, False, problems, {}, [])
    if same:
        files, now = known.files(), known.stamp
        problems = known.own_problems()
    else:
        files, _, reason = list_metadata(path)
        now = stamp_of_directory(path, whole, status, bool(files))
        problems = [(path, 0, reason)] if reason else []
        # What the system would not list is listed again each time.
        reliable = reliable and not reason
    plain, distributions = _scan_distributions(path, files, known, clock)
    distributions, shadowed = sort_distributions(path, distributions)
    problems += shadowed
    return PathEntry(path, now, reliable, False, problems, plain, distributions)


def list_metadata(
    path: str, known: "Collection[str]" = ()
) -> "tuple[list[str], set[str], str]":
    """Return which metadata directories came, which are gone, why it cannot be listed.

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
    return metadata_names(names, path), gone, ""


def _scan_distributions(
    path: str, files: "list[str]", known: PathEntry, clock: int
) -> "tuple[dict[str, str], list[Distribution]]":
    """Return the keys of plain distributions by file, and the records of the others.

    `files` are the names of all metadata directories in the path entry. Those that did
    not change since they were `known` are not read again.
    """
    records = {distribution.file: distribution for distribution in known.distributions}
    plain: dict[str, str] = {}
    distributions: list[Distribution] = []
    base = base_of(path)
    try:
        for file in files:
            before = records.get(file)
            if before is None:
                key = known.plain.get(file)
                if key is not None and is_unchanged(path, file, None, base):
                    plain[file] = key
                    continue
            elif before.settled and is_unchanged(path, file, before.stamp, base):
                distributions.append(before)
                continue
            fresh = scan_distribution(path, file, clock, before, base)
            if isinstance(fresh, str):
                plain[file] = fresh
            else:
                distributions.append(fresh)
                note_new_problems(before, fresh)
    finally:
        if base is not None:
            Seam.close(base)
    return plain, distributions


def note_new_problems(before: "Distribution | None", fresh: Distribution) -> None:
    """Leave a mark for the log if a distribution has other problems than before."""
    if fresh.problems and fresh.problems != (before and before.problems):
        note_problem(fresh.file)


def scan_distribution(
    path: str,
    file: str,
    clock: int,
    known: "Distribution | None" = None,
    base: "int | None" = None,
    several: bool = False,
) -> "Distribution | str":
    """Return the record of a distribution, read anew; its key alone if it is plain.

    It is plain if it declares nothing, and nothing else is to be said of it.

    :param path: its path entry.
    :param file: the name of its metadata directory there.
    :param clock: the time before anything was read, in nanoseconds.
    :param known: the record so far: an mtime in the future is reliable only if it was
        the same then.
    :param base: a descriptor of the path entry, if there is one: from there the system
        has not so far to go.
    :param several: whether the key is declared more than once, so that it matters
        whether there is metadata.
    """
    directory = path + os.sep + file
    start = directory if base is None else file
    name, _ = stem(file)
    key, named = normalise(name), bool(name)
    text, status, reason = read(start + ENTRY_POINTS, base=base)
    left_behind = file[0] == "~"
    if status is None and named and not (reason or left_behind or several):
        return key  # as most
    own = None
    # Of what the system would not read, no stamp is to be believed.
    reliable = not reason
    number = None
    if status is not None:
        own, text = signed(start + ENTRY_POINTS, status, text, base)
        # With a checksum of the content, the number is another one.
        number = None if is_by_content(own) else numbers([status])[0]
        reliable = settled(status, known is not None and known.stamp == own, clock)
    points: list[Point] = []
    problems: list[Trouble] = []
    if reason:
        problems.append((directory + ENTRY_POINTS, 0, reason))
    if text is not None:
        points, bad = parse(text, directory + ENTRY_POINTS)
        problems += bad
    if left_behind:
        problems.append(
            (
                directory,
                0,
                "was left behind by an interrupted pip: delete this directory",
            )
        )
    # What it says is read where it is asked; here only where it decides something. Its
    # stamp is kept for then: one in the future is believed when it was seen twice.
    source: str | None = "METADATA"
    source_stamp = before = known.source_stamp if known else None
    if not named or several or not Seam.access(start + METADATA, 0, dir_fd=base):
        source, found, text, reason = find_metadata(directory)
        if source is None and not reason:
            # Metadata may appear in the directory, or a file replace it.
            found = status_of(directory)
        source_stamp = None
        if found is not None:
            file_of_it = os.path.join(directory, source) if source else directory
            source_stamp, text = signed(file_of_it, found, text, metadata=True)
            reliable = reliable and settled(found, source_stamp == before, clock)
        elif reason:
            reliable = False
        if text is not None:
            name = headers(text)[0] or name
        elif reason:
            problems.append((directory + os.sep + (source or ""), 0, reason))
        elif points:
            problems.append((directory, 0, "has no metadata"))
    if not named:
        key = normalise(name)
        if not key:
            points.clear()
            problems.append((directory, 0, "has no name: what it declares is left out"))
    return Distribution(
        file,
        key,
        stamp=own,
        settled=reliable,
        named=named,
        source=source,
        source_stamp=source_stamp,
        problems=problems,
        fragments=fragments(file, key, points),
        number=number,
    )
