"""The whole environment at once: all groups, problems, distributions."""

import os

from ._cache import Snapshot
from ._index import scan_once
from ._record import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._index import Pair
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
    table = snapshot.index.front.splitlines()[1:]
    names = {scan_once(line.decode(), 0)[0][0] for line in table}
    overlay = snapshot.overlay()
    if overlay is not None:
        names |= overlay.groups()
    found = {name: snapshot.rows(name) for name in sorted(names)}
    return {name: pairs for name, pairs in found.items() if pairs}


def troubles(snapshot: Snapshot) -> "list[Trouble]":
    """Return what is wrong with the metadata, in the order of `sys.path`."""
    found: list[Trouble] = []
    for entry in _records(snapshot):
        found += entry.problems
        for distribution in entry.distributions:
            found += distribution.problems
    overlay = snapshot.overlay()
    return found if overlay is None else found + overlay.problems


def metadata_folders(snapshot: Snapshot) -> "set[str]":
    """Return the paths of the metadata folders of all distributions in folders."""
    return {
        os.path.join(entry.path, file)
        for entry in _records(snapshot)
        for file in (*entry.plain, *(d.file for d in entry.distributions))
        if not entry.archive
    }
