"""The managers that select by a test: when they are made, or at each call."""

from ._extension import T
from ._manager import ExtensionManager, Manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Concatenate, Unpack

    from ._extension import Extension
    from ._types import Options, P, U

_PACKAGE = __package__ or ""


class _CheckedManager(Manager[T]):
    """The extensions of which `check_func` says yes."""

    # those of which it has
    _passed: "frozenset[Extension[T]]" = frozenset()

    def __init__(
        self,
        namespace: str,
        check_func: "Callable[[Extension[T]], bool]",
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        **options: "Unpack[Options]",
    ) -> None:
        self.check_func = check_func
        super().__init__(namespace, invoke_on_load, invoke_args, invoke_kwds, **options)

    def _checked(self, extensions: "list[Extension[T]]") -> "list[Extension[T]]":
        """Return the extensions that pass the test."""
        passed = []
        # A test instance has no test.
        check = getattr(self, "check_func", None)
        for extension in extensions:
            try:
                if check is None or extension in self._passed or check(extension):
                    passed.append(extension)
            except Exception as error:
                from ._mapping import tell

                tell(self, extension, error)
        return passed

    def _note_passed(self, extensions: "Iterable[Extension[T]]") -> None:
        self._passed = self._passed.union(extensions)

    def _forget_passed(self) -> None:
        self._passed = frozenset()

    def _arrange(self, whole: bool = True) -> None:
        failed = {*self.extensions}.difference(self._checked(self.extensions))
        # The host may have registered other extensions meanwhile.
        self._adopt([each for each in self.extensions if each not in failed])
        self._passed = frozenset(self.extensions)


class EnabledExtensionManager(_CheckedManager[T], ExtensionManager[T]):
    """The extensions that a test enables, called one after the other.

    :param check_func: called with each extension when the manager is made. What it
        reads of the name, the entry point or the distribution imports nothing;
        `.plugin` and `.obj` load. An extension for which it raises is left out,
        and told as one that fails to load is.
    :param options: as of Manager.
    """

    __module__ = _PACKAGE


class DispatchExtensionManager(_CheckedManager[T]):
    """The extensions that a test chooses anew at each call.

    :param check_func: as of EnabledExtensionManager.
    :param options: as of Manager.
    """

    __module__ = _PACKAGE

    def map(
        self, filter_func: "Callable[Concatenate[Extension[T], P], bool]",
        func: "Callable[Concatenate[Extension[T], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "list[U]":  # fmt: skip
        """Call `func(extension, *args, **kwds)` for each that the filter passes.

        `filter_func` is called with the same arguments, before the extension is
        loaded: what it rejects is not imported, unless it touches `.plugin` or
        `.obj` itself. What func raises is logged and its answer left out, unless
        `propagate_map_exceptions`. Raises NoMatches if there are no extensions.
        """
        from ._mapping import check_any, map_extensions  # deferred: it loads anyway

        check_any(self)
        passing = self._passing(filter_func, args, kwds)
        return map_extensions(self, passing, func, args, kwds)

    def map_method(
        self,
        filter_func: "Callable[..., bool]",
        method_name: str,
        /,
        *args: "Any",
        **kwds: "Any",
    ) -> "list[Any]":
        """Call a method of the `.obj` of each extension that the filter passes.

        `filter_func` is called with the extension, the method's name, and the
        arguments.
        """
        from ._mapping import call_method

        return self.map(filter_func, call_method, method_name, *args, **kwds)

    def _passing(
        self,
        filter_func: "Callable[..., bool]",
        args: "tuple[Any, ...]",
        kwds: "dict[str, Any]",
    ) -> "Iterator[Extension[T]]":
        for extension in self.extensions:
            try:
                passes = filter_func(extension, *args, **kwds)
            except Exception as error:
                if extension.load_error is not error:
                    raise  # the host's own
                from ._mapping import tell

                tell(self, extension, error)
            else:
                if passes:
                    yield extension


class NameDispatchExtensionManager(_CheckedManager[T]):
    """The extensions whose names are given at each call.

    :param check_func: as of EnabledExtensionManager.
    :param options: as of Manager.
    """

    __module__ = _PACKAGE

    @property
    def by_name(self) -> "dict[str, Extension[T]]":
        """The extensions by their names, conflicts resolved."""
        return dict(self.items())

    def map(
        self, names: "Iterable[str]",
        func: "Callable[Concatenate[Extension[T], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "list[U]":  # fmt: skip
        """Call `func(extension, *args, **kwds)` for each of the names, in order.

        Loads these extensions and no others. A name that is missing is passed over,
        and told to the logger at debug level. What func raises is logged and its
        answer left out, unless `propagate_map_exceptions`.
        """
        from ._mapping import map_extensions  # deferred: it loads plugins anyway

        return map_extensions(self, self._of_names(names), func, args, kwds)

    def map_method(
        self, names: "Iterable[str]", method_name: str, /, *args: "Any", **kwds: "Any"
    ) -> "list[Any]":
        """Call a method of the `.obj` of each extension of these names."""
        from ._mapping import call_method

        return self.map(names, call_method, method_name, *args, **kwds)

    def _of_names(self, names: "Iterable[str]") -> "Iterator[Extension[T]]":
        from ._mapping import of_names

        for name, extension in of_names(self, names):
            if extension is not None:
                yield extension
            else:
                from ._log import debug

                debug(f"no extension named {name!r} in group {self.namespace!r}")
