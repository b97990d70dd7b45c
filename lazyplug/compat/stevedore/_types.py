"""The type names of stevedore, for annotations."""

from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeAlias, TypeVar

from .extension import Extension, ExtensionManager

T = TypeVar("T")
U = TypeVar("U")
P = ParamSpec("P")
Q = ParamSpec("Q")

# Of the entry point: hosts annotate it with importlib.metadata's class, of which
# lazyplug's has the shape only.
OnLoadFailureCallbackT: TypeAlias = Callable[
    [ExtensionManager[T], Any, BaseException], None
]
ConflictResolverT: TypeAlias = Callable[[str, str, list[Extension[T]]], Extension[T]]
OnMissingEntrypointsCallbackT: TypeAlias = Callable[[Iterable[str]], None]
