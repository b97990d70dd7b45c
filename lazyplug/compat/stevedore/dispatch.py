"""The managers that choose anew, at each call, which extensions are called."""

from ._log import getLogger
from .enabled import EnabledExtensionManager
from .exception import NoMatches
from .extension import Extension, type_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Concatenate

    from ._types import OnLoadFailureCallbackT, P, Q, T, U
else:
    __getattr__ = type_names(__name__)

__all__ = [
    "LOG",
    "DispatchExtensionManager",
    "EnabledExtensionManager",
    "Extension",
    "NameDispatchExtensionManager",
    "NoMatches",
    "OnLoadFailureCallbackT",
]

LOG = getLogger("stevedore.dispatch")

# In stevedore `map()` and `map_method()` take one more argument here, before those of
# the other managers: the classes are not substitutable, and the checkers are told so.


class DispatchExtensionManager(EnabledExtensionManager["T"]):
    """The extensions that pass a test when it is made, and another at each call."""

    def map(  # type: ignore[override]
        self,
        filter_func: "Callable[Concatenate[Extension[T], P], bool]",
        func: "Callable[Concatenate[Extension[T], Q], U]",
        *args: "Any",
        **kwds: "Any",
    ) -> "list[U]":
        """Call func(extension, *args, **kwds) where filter_func says so of the same.

        What func raises is logged and its answer left out, unless
        `propagate_map_exceptions`; what filter_func raises is raised. Raises NoMatches
        if there are no extensions.
        """
        answers: list[U] = []
        for extension in self._callable():
            if filter_func(extension, *args, **kwds):
                answers += self._answers([extension], func, *args, **kwds)
        return answers

    def map_method(  # type: ignore[override]
        self,
        filter_func: "Callable[Concatenate[Extension[T], P], bool]",
        method_name: str,
        *args: "Any",
        **kwds: "Any",
    ) -> "Any":
        """Call a method of `.obj` where filter_func says so, as `map()` does.

        Both filter_func and the call get the name of the method before the arguments.
        """
        func = self._call_extension_method
        return self.map(filter_func, func, method_name, *args, **kwds)


class NameDispatchExtensionManager(DispatchExtensionManager["T"]):
    """The extensions that pass a test when it is made, called by their names.

    `by_name` has one extension for each name, conflicts resolved.
    """

    def _init_plugins(self, extensions: "list[Extension[T]]") -> None:
        super()._init_plugins(extensions)
        self.by_name = self._resolved()

    def map(  # type: ignore[override]
        self,
        names: "Iterable[str]",
        func: "Callable[Concatenate[Extension[T], P], U]",
        *args: "P.args",
        **kwds: "P.kwargs",
    ) -> "list[U]":
        """Call func(extension, *args, **kwds) for these names, in their order.

        A name that there is not is left out. What func raises is logged and its answer
        left out, unless `propagate_map_exceptions`.
        """
        return self._answers(self._named(names), func, *args, **kwds)

    def map_method(  # type: ignore[override]
        self, names: "Iterable[str]", method_name: str, *args: "Any", **kwds: "Any"
    ) -> "Any":
        """Call a method of `.obj` for these names, as `map()` does."""
        return self.map(names, self._call_extension_method, method_name, *args, **kwds)

    def _named(self, names: "Iterable[str]") -> "Iterator[Extension[T]]":
        for name in names:
            if name in self.by_name:
                yield self.by_name[name]
            else:
                LOG.debug("Missing extension %r being ignored", name)
