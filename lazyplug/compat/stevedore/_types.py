"""Define the type names of stevedore, for annotations."""

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")
Q = ParamSpec("Q")

OnMissingEntrypointsCallbackT = Callable[[Iterable[str]], None]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .extension import Extension, ExtensionManager

    # Any for the entry point: hosts annotate it with importlib.metadata's class, from
    # which lazyplug's is not derived.
    OnLoadFailureCallbackT = Callable[[ExtensionManager[T], Any, BaseException], None]
    ConflictResolverT = Callable[[str, str, list[Extension[T]]], Extension[T]]


def named(name: str, extension: "Any", manager: "Any") -> object:
    """Return the run-time value of a type name.

    :param extension: the class Extension, which this module cannot import.
    :param manager: the class ExtensionManager.
    """
    if name == "OnLoadFailureCallbackT":
        return Callable[[manager[T], Any, BaseException], None]
    if name == "ConflictResolverT":
        return Callable[[str, str, list[extension[T]]], extension[T]]
    return globals()[name]
