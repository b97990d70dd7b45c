"""Define the managers that filter by a check: once, or at each call."""

from ._manager import ExtensionManager, Manager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, Concatenate, Unpack

    from ._types import Bool, Extension, Options, P, T, U


class _CheckedManager(Manager["T", "Bool"]):
    """The extensions for which `check_func` returns true."""

    # the extensions that have passed the check
    _passed: "frozenset[Extension[T, Bool]]" = frozenset()

    def __init__(
        self,
        namespace: str,
        check_func: "Callable[[Extension[T, Bool]], bool]",
        invoke_on_load: "Bool" = False,  # type: ignore[assignment]
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        **options: "Unpack[Options[T]]",
    ) -> None:
        self.check_func: Callable[[Extension[T, Bool]], bool] = check_func
        super().__init__(
            namespace, invoke_on_load, invoke_args, invoke_kwds, **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def _checked(
        self, extensions: "list[Extension[T, Bool]]"
    ) -> "list[Extension[T, Bool]]":
        """Return the extensions that pass the check; report failures of it."""
        passed: list[Extension[T, Bool]] = []
        # A test instance has no check.
        check = getattr(self, "check_func", None)
        for extension in extensions:
            try:
                if check is None or extension in self._passed or check(extension):
                    passed.append(extension)
            except Exception as error:
                from ._mapping import report_load_failure  # deferred: only on failure

                report_load_failure(self, extension, error)
        return passed

    def _note_passed(self, extensions: "Iterable[Extension[T, Bool]]") -> None:
        self._passed = self._passed.union(extensions)

    def _forget_passed(self) -> None:
        self._passed = frozenset()

    def _arrange(self, report_missing: bool = True) -> None:
        failed = {*self.extensions}.difference(self._checked(self.extensions))
        # The host may have registered other extensions in the meantime.
        self._set_extensions([each for each in self.extensions if each not in failed])
        self._passed = frozenset(self.extensions)


class EnabledExtensionManager(
    _CheckedManager["T", "Bool"], ExtensionManager["T", "Bool"]
):
    """The extensions that a check enables, called one after the other.

    :param check_func: called with each extension when the manager is created; returns
        true to enable it. Access to the name, the entry point or the distribution
        imports nothing; access to `.plugin` and `.obj` loads the plugin. An extension
        for which it raises is skipped, and reported as a failed load is.
    :param options: the options of Manager.
    """

    __module__ = ExtensionManager.__module__


class DispatchExtensionManager(_CheckedManager["T", "Bool"]):
    """The extensions that a check enables, filtered again at each call.

    :param check_func: as of EnabledExtensionManager.
    :param options: the options of Manager.
    """

    __module__ = ExtensionManager.__module__

    def map(
        self, filter_func: "Callable[Concatenate[Extension[T, Bool], P], bool]",
        func: "Callable[Concatenate[Extension[T, Bool], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "list[U]":  # fmt: skip
        """Call `func(extension, *args, **kwds)` for each that the filter accepts.

        Returns the results. `filter_func` is called with the same arguments, before the
        extension is loaded: an extension that it rejects is not imported, unless
        `filter_func` accesses `.plugin` or `.obj`. Extensions that fail to load are
        reported and skipped. An exception of func is logged and its result omitted,
        unless `propagate_map_exceptions` is true. Raises NoMatches if there are no
        extensions.
        """
        from ._mapping import check_any, map_extensions  # deferred: to load plugins

        check_any(self)
        extensions = self._filter(filter_func, args, kwds)
        return map_extensions(self, extensions, func, args, kwds)

    def map_method(
        self,
        filter_func: "Callable[..., bool]",
        method_name: str,
        /,
        *args: "Any",
        **kwds: "Any",
    ) -> "list[Any]":
        """Call a method of the `.obj` of each extension that the filter accepts.

        Returns the results, like `map()`. `filter_func` is called with the extension,
        the name of the method, and the arguments.
        """
        from ._mapping import method_caller  # deferred: to load plugins

        return self.map(filter_func, method_caller(self), method_name, *args, **kwds)

    def _filter(
        self,
        filter_func: "Callable[..., bool]",
        args: "tuple[Any, ...]",
        kwds: "dict[str, Any]",
    ) -> "Iterator[Extension[T, Bool]]":
        for extension in self.extensions:
            try:
                accepts = filter_func(extension, *args, **kwds)
            except Exception as error:
                if extension.load_error is not error:
                    raise  # an error of the host's function
                from ._mapping import report_load_failure  # deferred: only on failure

                report_load_failure(self, extension, error)
            else:
                if accepts:
                    yield extension


class NameDispatchExtensionManager(_CheckedManager["T", "Bool"]):
    """The extensions that a check enables, selected by name at each call.

    :param check_func: as of EnabledExtensionManager.
    :param options: the options of Manager.
    """

    __module__ = ExtensionManager.__module__

    @property
    def by_name(self) -> "dict[str, Extension[T, Bool]]":
        """The extensions by name, conflicts resolved: see `items()`."""
        return dict(self.items())

    def map(
        self, names: "Iterable[str]",
        func: "Callable[Concatenate[Extension[T, Bool], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "list[U]":  # fmt: skip
        """Call `func(extension, *args, **kwds)` for each of the names, in order.

        Returns the results. Loads these extensions and no others; those that fail to
        load are reported and skipped. A missing name is skipped, and logged at debug
        level. An exception of func is logged and its result omitted, unless
        `propagate_map_exceptions` is true.
        """
        from ._mapping import map_extensions  # deferred: to load plugins

        return map_extensions(self, self._of_names(names), func, args, kwds)

    def map_method(
        self, names: "Iterable[str]", method_name: str, /, *args: "Any", **kwds: "Any"
    ) -> "list[Any]":
        """Call a method of the `.obj` of each extension whose name is in `names`.

        Returns the results, like `map()`.
        """
        from ._mapping import method_caller  # deferred: to load plugins

        return self.map(names, method_caller(self), method_name, *args, **kwds)

    def _of_names(self, names: "Iterable[str]") -> "Iterator[Extension[T, Bool]]":
        from ._mapping import resolve_names  # deferred: to load plugins

        for name, extension in resolve_names(self, names):
            if extension is not None:
                yield extension
            else:
                # deferred: only if a name is missing
                from ._faults.errors import describe_missing
                from ._log import debug

                debug(describe_missing(self.namespace, name))
