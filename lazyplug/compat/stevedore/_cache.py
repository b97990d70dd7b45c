"""Where stevedore's managers ask for entry points: here, lazyplug's index answers."""

from lazyplug import _environment
from lazyplug._entry_point import EntryPoint, entry_points

from ._log import getLogger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazyplug._indexing.overlay import Overlay

log = getLogger("stevedore._cache")


class _OtherPath(_environment.Snapshot):
    """What is installed on a path other than `sys.path`."""

    def overlay(self) -> "Overlay | None":
        """Return what volatile folders lay over the index.

        Foreign finders are not asked: what they tell is not of this path.
        """
        return self._overlay


def _on_path(group: str, path: "Iterable[str]") -> "list[EntryPoint]":
    here = _environment.current_folder()
    snapshot = _OtherPath(*_environment.split_path(list(path), here), "full")
    return [EntryPoint._of(group, *pair) for pair in snapshot.rows(group)]


def get_group_all(
    group: str, path: "tuple[str, ...] | None" = None
) -> "list[EntryPoint]":
    """Return the entry points of a group. Imports no plugin.

    What several distributions declare in the same words stands there once.

    :param path: the folders to look in; by default those of `sys.path`.
    """
    found = entry_points(group=group) if path is None else _on_path(group, path)
    return list(dict.fromkeys(found))


def get_group_named(
    group: str, path: "tuple[str, ...] | None" = None
) -> "dict[str, EntryPoint]":
    """Return the first entry point of each name of a group. Imports no plugin."""
    found: dict[str, EntryPoint] = {}
    for entry_point in get_group_all(group, path):
        found.setdefault(entry_point.name, entry_point)
    return found


def get_single(
    group: str, name: str, path: "tuple[str, ...] | None" = None
) -> EntryPoint:
    """Return the first entry point of a name; ValueError if there is none."""
    for entry_point in get_group_all(group, path):
        if entry_point.name == name:
            return entry_point
    raise ValueError(f"No entrypoint {name!r} in group {group!r}")
