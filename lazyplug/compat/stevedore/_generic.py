"""What makes managers generic and gives type names, without typing at run time.

Importing typing costs 5 ms; whoever touches a type name pays for it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Generic

    from ._types import T

    class OfT(Generic[T]):
        """The base of what is generic in T."""

else:

    class OfT:
        """The base of what is generic in T."""

        __class_getitem__ = classmethod(type(list[int]))


_TYPE_NAMES = {
    "ConflictResolverT",
    "OnLoadFailureCallbackT",
    "OnMissingEntrypointsCallbackT",
    "P",
    "Q",
    "T",
    "U",
}


def type_names(module: str) -> "Callable[[str], object]":
    """Return the `__getattr__` of a module that has type names."""

    def find(name: str) -> object:
        if name not in _TYPE_NAMES:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        from . import _types  # deferred: imports typing

        return getattr(_types, name)

    return find
