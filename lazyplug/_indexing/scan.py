"""Scan one path entry, and each distribution in it.

What cannot be read is recorded as a problem, with its path and the reason, and affects
nothing else.
"""

import os

from .._content import is_by_content
from .._files import DIRECTORY, KIND, REGULAR, fs, metadata_names
from .._index import stat_hashes
from .._settings import note_problem
from .metadata import ENTRY_POINTS, METADATA, headers, normalize, parse, stem
from .reading import (
    base_of,
    failure_reason,
    find_metadata,
    get_status,
    is_equal,
    is_reliable,
    is_unchanged,
    read_file,
    sign_file,
    signature_to_keep,
    stat_and_sign,
)
from .records import Distribution, PathEntry, fragments
from .shadowing import sort_distributions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from .records import Point, RawProblem


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
        reason = failure_reason(error)
        problems = [(path, 0, reason)] if reason else []
        # What the system failed to read is tried again at each start.
        return PathEntry(path, None, not reason, False, problems, {}, [])
    kind = status.st_mode & KIND
    if known is None or known.archive != (kind == REGULAR):
        # It is new, or a directory became an archive, or an archive a directory.
        known = PathEntry(path, None, False, False, [], {}, [])
    equal = is_equal(known.stat_signature, whole, status)
    same = equal and known.reliable
    if same and (known.archive or not thorough):
        return known
    reliable = is_reliable(status, equal, clock)
    if kind == REGULAR:
        from .archives import scan_archive  # deferred: imports importlib_metadata

        distributions, problems, was_read = scan_archive(path)
        reliable = reliable and was_read
        return PathEntry(path, whole, reliable, True, problems, {}, distributions)
    if kind != DIRECTORY:
        from .. import _messages as messages  # deferred: only on failure

        problems = [(path, 0, messages.NOT_AN_ARCHIVE)]
        return PathEntry(path, whole, reliable, False, problems, {}, [])
    if same:
        files, now = known.files(), known.stat_signature
        problems = known.own_problems()
    else:
        files, _, reason = list_metadata(path)
        now = signature_to_keep(path, whole, status, bool(files))
        problems = [(path, 0, reason)] if reason else []
        # What the system failed to list is listed again at each start.
        reliable = reliable and not reason
    plain, distributions = _scan_distributions(path, files, known, clock)
    distributions, shadowed = sort_distributions(path, distributions)
    problems += shadowed
    return PathEntry(path, now, reliable, False, problems, plain, distributions)


def list_metadata(
    path: str, known: "Collection[str]" = ()
) -> "tuple[list[str], set[str], str]":
    """Return the added and the removed metadata directories, and a reason for failure.

    `known` are the names of the metadata directories at the last scan.
    """
    try:
        names = fs.listdir(path)
    except (OSError, ValueError) as error:
        reason = failure_reason(error)
        if not reason:
            from .. import _messages as messages  # deferred: rare

            reason = messages.REMOVED_MEANWHILE
        return [], set(), reason
    removed: set[str] = set()
    if known:
        current, before = set(names), set(known)
        removed = before - current
        names = [*(current - before)]
    return metadata_names(names, path), removed, ""


def _scan_distributions(
    path: str, files: "list[str]", known: PathEntry, clock: int
) -> "tuple[dict[str, str], list[Distribution]]":
    """Return a dict from file to key of plain distributions, and the other records.

    `files` are the names of all metadata directories in the path entry. Directories
    that have not changed since the record `known` are not read again.
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
            elif before.reliable and is_unchanged(
                path, file, before.stat_signature, base
            ):
                distributions.append(before)
                continue
            new = scan_distribution(path, file, clock, before, base)
            if isinstance(new, str):
                plain[file] = new
            else:
                distributions.append(new)
                note_new_problems(before, new)
    finally:
        if base is not None:
            fs.close(base)
    return plain, distributions


def note_new_problems(before: "Distribution | None", new: Distribution) -> None:
    """Note, for the log, that a distribution has other problems than before."""
    if new.problems and new.problems != (before and before.problems):
        note_problem(new.file)


def scan_distribution(
    path: str,
    file: str,
    clock: int,
    known: "Distribution | None" = None,
    base: "int | None" = None,
    several: bool = False,
) -> "Distribution | str":
    """Read a distribution; return its record, or only its key if it is plain.

    It is plain if it declares no entry points and has nothing else to record.

    :param path: its path entry.
    :param file: the name of its metadata directory in the path entry.
    :param clock: the time before anything was read, in nanoseconds.
    :param known: the record so far. An mtime in the future is reliable only if it was
        the same then.
    :param base: a descriptor of the path entry, if any: it shortens the paths that the
        kernel walks.
    :param several: whether the key occurs more than once, so that it matters
        whether there is metadata.
    """
    start = path + os.sep + file if base is None else file
    name, _ = stem(file)
    key, named = normalize(name), bool(name)
    text, status, reason = read_file(start + ENTRY_POINTS, base=base)
    is_leftover = file[0] == "~"
    if status is None and named and not (reason or is_leftover or several):
        return key  # as most are
    directory = path + os.sep + file
    own = None
    # Nothing that the system failed to read is reliable.
    reliable = not reason
    number = None
    if status is not None:
        own, text = sign_file(start + ENTRY_POINTS, status, text, base)
        # A signature with a checksum has another hash.
        number = None if is_by_content(own) else stat_hashes([status])[0]
        reliable = is_reliable(
            status, known is not None and known.stat_signature == own, clock
        )
    points: list[Point] = []
    problems: list[RawProblem] = []
    if reason:
        problems.append((directory + ENTRY_POINTS, 0, reason))
    if text is not None:
        points, bad = parse(text, directory + ENTRY_POINTS)
        problems += bad
    if is_leftover:
        from .. import _messages as messages  # deferred: few are left behind

        problems.append((directory, 0, messages.LEFT_BEHIND))
    # Metadata is read on access, and here only if it decides something. Its signature
    # is kept: one in the future is reliable once two scans have seen it.
    source: str | None = "METADATA"
    source_signature = before = known.source_signature if known else None
    if not named or several or not fs.access(start + METADATA, 0, dir_fd=base):
        source, found, text, reason = find_metadata(directory)
        if source is None and not reason:
            # Metadata may appear in the directory, or a file may replace the directory.
            found = get_status(directory)
        source_signature = None
        if found is not None:
            file_of_it = os.path.join(directory, source) if source else directory
            source_signature, text = sign_file(file_of_it, found, text, metadata=True)
            reliable = reliable and is_reliable(
                found, source_signature == before, clock
            )
        elif reason:
            reliable = False
        if text is not None:
            name = headers(text)[0] or name
        elif reason:
            problems.append((directory + os.sep + (source or ""), 0, reason))
        elif points:
            from .. import _messages as messages  # deferred: few have no metadata

            problems.append((directory, 0, messages.NO_METADATA))
    if not named:
        key = normalize(name)
        if not key:
            points.clear()
            from .. import _messages as messages  # deferred: few have no Name

            problems.append((directory, 0, messages.NO_NAME))
    return Distribution(
        file,
        key,
        stat_signature=own,
        reliable=reliable,
        named=named,
        source=source,
        source_signature=source_signature,
        problems=problems,
        fragments=fragments(file, key, points),
        number=number,
    )
