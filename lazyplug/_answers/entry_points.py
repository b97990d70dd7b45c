"""Answer `entry_points()` in the types of a library."""

from .._entry_point import selects_group
from .._environment import third_party_finders
from .._indexing.reading import is_file
from .source import Source, fresh_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def entry_points(
    library: "Any", original: "Callable[..., Any]", *args: "Any", **params: "Any"
) -> "Any":
    """Return the requested entry points, in the types of a library.

    Without parameters, they are read from the index when they are accessed. The library
    itself answers where the index could be wrong. Wrong parameters raise the exceptions
    of the library, since its own types make the selection.
    """
    found = None if args else _answer(library, params)
    return original(*args, **params) if found is None else found


def _answer(library: "Any", params: "dict[str, Any]") -> "Any":
    """Return the requested entry points; None: the library itself must answer."""
    if params and not selects_group(params):
        return None
    # importlib_metadata before 3.6 has other types.
    if not hasattr(library, "EntryPoints") or not hasattr(library.EntryPoint, "_for"):
        return None
    environment = fresh_environment()
    if environment is None or third_party_finders():
        return None
    source = Source(library, environment)
    if not params:
        if any(map(is_file, environment.entries)):
            return None  # the library itself reads archives
        from .lazy_collection import lazy_collection  # deferred: few calls are bare

        return lazy_collection(source)
    pairs = environment.rows(params["group"])
    if any(map(is_file, {owner[1] for _, owner in pairs})):
        return None
    return source.select(params)
