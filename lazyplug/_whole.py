"""The whole environment at once: all groups, problems, distributions."""

import os

from ._cache import Snapshot, current
from ._record import decode, table_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._index import Index, Pair
    from ._manager import Manager
    from ._record import Trouble


def everything(snapshot: Snapshot) -> "dict[str, list[Pair]]":
    """Return the rows of all groups that have any, shadowed ones left out."""
    found = snapshot.read(_rows)
    overlay = snapshot.overlay()
    if overlay is not None:
        names = sorted(overlay.groups().union(found))
        found = {name: overlay.rows(name, found.get(name, [])) for name in names}
    return {name: pairs for name, pairs in found.items() if pairs}


def groups_of(manager: "Manager[Any, Any]") -> "list[str]":
    """Return the groups of a manager's namespace: one, or those of `myapp.*`.

    Of a family, those in which anything is declared. Raises ValueError if it has a
    package, whose modules can be of one group only.
    """
    namespace = manager.namespace
    if namespace[-2:] != ".*":
        return [namespace]
    if manager._package is not None:
        raise ValueError(f"package= needs one group, not {namespace!r}")
    begin = namespace[:-1]
    return [group for group in everything(current()) if group.startswith(begin)]


def _rows(index: "Index") -> "dict[str, list[Pair]]":
    return {group: index.rows(group) for group, *_ in sorted(table_of(index))}


def troubles(snapshot: Snapshot) -> "list[Trouble]":
    """Return what is wrong with the metadata, in the order of `sys.path`."""
    found = snapshot.read(_told)
    overlay = snapshot.overlay()
    return found if overlay is None else found + overlay.problems


def _told(index: "Index") -> "list[Trouble]":
    found: list[Trouble] = []
    for entry in decode(index):
        found += entry.problems
        for distribution in entry.distributions:
            found += distribution.problems
    return found


def metadata_folders(snapshot: Snapshot) -> "set[str]":
    """Return the paths of the metadata folders of all distributions in folders."""
    return {
        os.path.join(entry.path, file)
        for entry in snapshot.read(decode)
        for file in (*entry.plain, *(d.file for d in entry.distributions))
        if not entry.archive
    }
