"""Select the extensions to call, again at each call."""

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

# As in stevedore, `map()` and `map_method()` take one more argument here, before those
# of the other managers. The classes are not substitutable: hence the `type: ignore`.


class DispatchExtensionManager(EnabledExtensionManager["T"]):
    """A manager that tests its extensions at creation, and again at each call."""

    def map(  # type: ignore[override]
        self,
        filter_func: "Callable[Concatenate[Extension[T], P], bool]",
        func: "Callable[Concatenate[Extension[T], Q], U]",
        *args: "Any",
        **kwds: "Any",
    ) -> "list[U]":
        """Call func for each extension that passes filter_func; return the results.

        Both are called with (extension, *args, **kwds). An exception of func is logged
        and its result omitted, unless `propagate_map_exceptions` is true; an exception
        of filter_func is raised. Raises NoMatches if there are no extensions.
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
        """Call a method of `.obj` for each extension that passes filter_func.

        filter_func receives the name of the method before the arguments.
        """
        func = self._call_extension_method
        return self.map(filter_func, func, method_name, *args, **kwds)


class NameDispatchExtensionManager(DispatchExtensionManager["T"]):
    """A manager that tests its extensions at creation, and calls them by name.

    `by_name` maps each name to one extension, with conflicts resolved.
    """

    def _init_plugins(self, extensions: "list[Extension[T]]") -> None:
        super()._init_plugins(extensions)
        self.by_name: dict[str, Extension[T]] = self._resolved()

    def map(  # type: ignore[override]
        self,
        names: "Iterable[str]",
        func: "Callable[Concatenate[Extension[T], P], U]",
        *args: "P.args",
        **kwds: "P.kwargs",
    ) -> "list[U]":
        """Call func(extension, *args, **kwds) for these names, in their order.

        Names without an extension are ignored. An exception of func is logged and its
        result omitted, unless `propagate_map_exceptions` is true.
        """
        return self._answers(self._named(names), func, *args, **kwds)

    def map_method(  # type: ignore[override]
        self, names: "Iterable[str]", method_name: str, *args: "Any", **kwds: "Any"
    ) -> "Any":
        """Call a method of `.obj` of the named extensions, like `map()`."""
        return self.map(names, self._call_extension_method, method_name, *args, **kwds)

    def _named(self, names: "Iterable[str]") -> "Iterator[Extension[T]]":
        for name in names:
            if name in self.by_name:
                yield self.by_name[name]
            else:
                LOG.debug("Missing extension %r being ignored", name)
