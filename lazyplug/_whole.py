"""The whole environment at once: all groups, problems, distributions."""

import os

from ._cache import Snapshot
from ._record import by_group, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._cache import Pair
    from ._record import PathEntry, Trouble


def _records(snapshot: Snapshot) -> "list[PathEntry]":
    try:
        return decode(snapshot.index)
    except ValueError:
        snapshot.mend()
        return decode(snapshot.index)
    finally:
        snapshot.close()


def everything(snapshot: Snapshot) -> "dict[str, list[Pair]]":
    """Return the rows of all groups that have any, shadowed ones left out."""
    grouped = by_group(_records(snapshot))
    overlay = snapshot.overlay()
    names = set(grouped)
    if overlay is not None:
        names |= overlay.groups()
    found = {}
    for name in sorted(names):
        owners, rows = grouped.get(name, ((), ()))
        pairs: list[Pair] = [(tuple(row[:5]), owners[row[5]]) for row in rows]
        if overlay is not None:
            pairs = overlay.rows(name, pairs)
        else:
            pairs = [pair for pair in pairs if not pair[1][6]]
        if pairs:
            found[name] = pairs
    return found


def troubles(snapshot: Snapshot) -> "list[Trouble]":
    """Return what is wrong with the metadata, in the order of `sys.path`."""
    found: list[Trouble] = []
    for entry in _records(snapshot):
        found += entry.problems
        for distribution in entry.distributions:
            found += distribution.problems
    overlay = snapshot.overlay()
    return found if overlay is None else found + overlay.problems


def distributions(snapshot: Snapshot) -> "dict[str, str]":
    """Return "name version" of each distribution in folders, and where it lies."""
    return {
        f"{distribution.name} {distribution.version}": os.path.join(
            entry.path, distribution.file
        )
        for entry in _records(snapshot)
        for distribution in entry.distributions
        if not entry.archive
    }
