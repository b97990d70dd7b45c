"""Let pluggy read only the distributions that declare the group that it loads."""

import _thread
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

# By thread: the group of a running load_setuptools_entrypoints() that has not yet
# called distributions(). It calls it once, before it loads any plugin.
_groups: "dict[int, str]" = {}


def load_setuptools_entrypoints(
    _: type, original: "Callable[..., Any]", *args: "Any", **kwds: "Any"
) -> "Any":
    """Run pluggy's own function, and filter the distributions that it lists."""
    group = args[1] if len(args) > 1 else kwds.get("group")
    thread = _thread.get_ident()
    if type(group) is str:
        _groups[thread] = group
    try:
        return original(*args, **kwds)
    finally:
        _groups.pop(thread, None)


def distributions(
    _: "Any", original: "Callable[..., Any]", *args: "Any", **kwds: "Any"
) -> "Iterable[Any]":
    """Return the distributions of a library; for pluggy, those that declare its group.

    The order is that of the library. Only what the index knows is filtered out: not a
    distribution of a third-party finder, in an archive or in a volatile path entry.
    """
    group = _groups.pop(_thread.get_ident(), None)
    found: Iterable[Any] = original(*args, **kwds)
    if group is None or args or kwds:
        return found
    # deferred: others who loop over all distributions do not need it (flake8: 2 %)
    from .._index import Index
    from .._inventory import shadowed_rows
    from .source import fresh_environment

    environment = fresh_environment()
    if environment is None:
        return found
    pairs = environment.read(Index.rows, group) + shadowed_rows(environment, group)
    declaring = {os.path.join(path, file) for _, (_, path, file, _) in pairs}
    known = {os.path.normpath(path) for path in environment.key[1:]}
    declaring = set(map(os.path.normpath, declaring))

    def may_declare(dist: "Any") -> bool:
        try:
            path = os.fspath(dist._path)
        except (AttributeError, TypeError):
            return True  # of a third-party finder, or in an archive
        return path in declaring or os.path.dirname(path) not in known

    return filter(may_declare, found)
