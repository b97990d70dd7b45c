"""What changed is scanned again, alone; what did not is kept."""

import os

from ._cache import Seam, index_name
from ._index import Index, stamp
from ._record import Distribution, PathEntry, decode, encode, from_bytes
from ._scan import (
    list_folder,
    scan_distribution,
    settled,
    sort_distributions,
)
from ._store import donors, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._record import Trouble


def update(
    key: "list[str]", index: "Index | None", level: str, mode: str, folder: "str | None"
) -> Index:
    """Return an index of what is there now, and write it where that is allowed.

    `index` is what was believed so far. Without one, the unchanged path entries
    of another index of the same prefix are taken over. Nothing is written if
    nothing changed.
    """
    clock = Seam.clock()
    name = index_name(key)
    known: dict[str, PathEntry] = {}
    if index is not None:
        try:
            known = {entry.path: entry for entry in decode(index)}
        except ValueError:
            index = None
    if not known and folder is not None:
        known = _donated(key, folder, name)
    entries = [
        look(path, known.get(path), clock, thorough=level == "full") for path in key[1:]
    ]
    _confirm(entries, clock)
    content = encode(key[0], entries)
    fresh = from_bytes(content)
    # The front holds a checksum of every part.
    if mode == "on" and folder and not (index and index.front == fresh.front):
        store(folder, name, content)
    return fresh


def _donated(key: "list[str]", folder: str, name: str) -> "dict[str, PathEntry]":
    try:
        for donor in donors(folder, name, key[0]):
            try:
                return {entry.path: entry for entry in decode(donor)}
            except ValueError:
                continue
    except OSError:
        pass  # the folder went away, or another process removed a file
    return {}


def look(path: str, known: "PathEntry | None", clock: int, thorough: bool) -> PathEntry:
    """Return the record of a path entry as it is now, reusing what still holds.

    Unless `thorough`, the distributions in a folder that did not change are not
    looked at.
    """
    try:
        status = Seam.stat(path)
    except (OSError, ValueError):
        return PathEntry(path, None, True, False, [], [])
    now = stamp(status)
    same = known is not None and known.settled and known.stamp == now
    calm = settled(now, known.stamp if known else None, clock)
    if known is not None and same and (known.archive or not thorough):
        return known
    if status.st_mode & 0o170000 == 0o100000:
        from ._foreign import scan_archive  # deferred: imports importlib_metadata

        found, problems = scan_archive(path)
        return PathEntry(path, now, calm, True, problems, found)
    old = {d.file: d for d in known.distributions} if known is not None else {}
    if same:
        files, reason = list(old), ""
    else:
        files, reason = list_folder(path)
    problems = [(path, 0, reason)] if reason else []
    found = []
    for file in files:
        before = old.get(file)
        if before is None or not _unchanged(path, before):
            before = scan_distribution(path, file, Seam, clock, before)
        found.append(before)
    return _arranged(path, now, calm, problems, found)


def _arranged(
    path: str,
    now: str,
    calm: bool,
    problems: "list[Trouble]",
    found: "list[Distribution]",
) -> PathEntry:
    ordered, doubled = sort_distributions(path, found)
    return PathEntry(path, now, calm, False, problems + doubled, ordered)


def _unchanged(path: str, known: Distribution) -> bool:
    if not known.settled:
        return False
    file = os.path.join(path, known.file, "entry_points.txt")
    if known.stamp is None:
        return not os.access(file, os.F_OK)
    return _stamp_of(file) == known.stamp


def _stamp_of(file: str) -> "str | None":
    try:
        return stamp(Seam.stat(file))
    except (OSError, ValueError):
        return None


def _confirm(entries: "list[PathEntry]", clock: int) -> None:
    """Look at the metadata of those for which it decides who wins.

    These are the distributions that stand more than once, and those whose key
    is not in their folder's name. A new look may bring a new key, so it is
    repeated until nothing changes.
    """
    changed = True
    while changed:
        changed = False
        times: dict[str, int] = {}
        for entry in entries:
            for distribution in entry.distributions:
                times[distribution.key] = times.get(distribution.key, 0) + 1
        for place, entry in enumerate(entries):
            if entry.archive:
                continue
            found = list(entry.distributions)
            for at, known in enumerate(found):
                if (times[known.key] > 1 or not known.named) and not _same_metadata(
                    entry.path, known
                ):
                    found[at] = scan_distribution(
                        entry.path, known.file, Seam, clock, known
                    )
                    changed = True
            if changed:
                problems = [p for p in entry.problems if p[0] == entry.path]
                entries[place] = _arranged(
                    entry.path, entry.stamp or "", entry.settled, problems, found
                )


def _same_metadata(path: str, known: Distribution) -> bool:
    folder = os.path.join(path, known.file)
    for source in ("METADATA", "PKG-INFO"):
        if source == known.source:
            break
        if os.access(os.path.join(folder, source), os.F_OK):
            return False
    if known.source is None:
        return True
    file = os.path.join(folder, known.source) if known.source else folder
    return _stamp_of(file) == known.source_stamp
