"""The type names of stevedore, for annotations."""

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

    # Of the entry point: hosts annotate it with importlib.metadata's class, of which
    # lazyplug's has the shape only.
    OnLoadFailureCallbackT = Callable[[ExtensionManager[T], Any, BaseException], None]
    ConflictResolverT = Callable[[str, str, list[Extension[T]]], Extension[T]]


def named(name: str, extension: "Any", manager: "Any") -> object:
    """Return what a type name means at run time.

    :param extension: the class Extension, which is above this module.
    :param manager: the class ExtensionManager.
    """
    if name == "OnLoadFailureCallbackT":
        return Callable[[manager[T], Any, BaseException], None]
    if name == "ConflictResolverT":
        return Callable[[str, str, list[extension[T]]], extension[T]]
    return globals()[name]
