"""Answer the queries of stevedore's managers for entry points from lazyplug's index."""

from lazyplug import _environment
from lazyplug._entry_point import EntryPoint

from ._log import getLogger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lazyplug._indexing.overlay import Overlay
    from lazyplug._types import Pair

log = getLogger("stevedore._cache")


class _OtherPath(_environment.Environment):
    """The environment of a path other than `sys.path`."""

    def overlay(self) -> "Overlay | None":
        """Return the overlay of the volatile directories, or None.

        Third-party finders are not asked: their distributions are not on this path.
        """
        return self._overlay


def _rows_on_path(group: str, path: "Iterable[str]") -> "list[Pair]":
    here = _environment.current_directory()
    environment = _OtherPath(*_environment.classify_path(list(path), here), "full")
    return environment.rows(group)


def get_group_all(
    group: str, path: "tuple[str, ...] | None" = None
) -> "list[EntryPoint]":
    """Return the entry points of a group. Imports no plugin.

    Equal entry points of several distributions are returned once.

    :param path: the path entries to search; by default those of `sys.path`.
    """
    # Not through `entry_points()`: some programs query 1,200 groups, and each costs it
    # 8,000 instructions more.
    rows = _environment.rows(group) if path is None else _rows_on_path(group, path)
    if not rows:
        return []
    return list(dict.fromkeys([EntryPoint._of(group, *pair) for pair in rows]))


def get_group_named(
    group: str, path: "tuple[str, ...] | None" = None
) -> "dict[str, EntryPoint]":
    """Return the first entry point of each name in a group. Imports no plugin."""
    found: dict[str, EntryPoint] = {}
    for entry_point in get_group_all(group, path):
        found.setdefault(entry_point.name, entry_point)
    return found


def get_single(
    group: str, name: str, path: "tuple[str, ...] | None" = None
) -> EntryPoint:
    """Return the first entry point with a name. Raises ValueError if there is none.

    Imports no plugin.
    """
    for entry_point in get_group_all(group, path):
        if entry_point.name == name:
            return entry_point
    raise ValueError(f"No entrypoint {name!r} in group {group!r}")  # noqa: EM102 - stevedore's words
