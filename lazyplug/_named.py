"""Define the managers that select extensions by name: several names, or one."""

from ._manager import ExtensionManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import *


def warning_on_missing_entrypoint(missing_names: "Iterable[str]") -> None:
    """Log a warning that names the missing extensions.

    :param missing_names: the requested names that no extension has.
    """
    from ._log import report_missing  # deferred: only if a name is missing

    report_missing(missing_names)


class NamedExtensionManager(ExtensionManager["T", "Bool"]):
    """The extensions of a namespace that have one of several names.

    :param names: the names of the extensions.
    :param name_order: if true, extensions are in the order of `names`, one for each
        name; otherwise in the order of Manager.
    :param on_missing_entrypoints_callback: called with the set of names that are
        missing; by default, they are logged. None ignores them.
    :param options: the options of Manager.
    """

    # Importing PACKAGE would cost each start 8,000 instructions.
    __module__ = ExtensionManager.__module__
    _name_order = False
    if not TYPE_CHECKING:
        _names = ()
        _on_missing = None

    def __init__(
        self,
        namespace: str,
        names: "Sequence[str]",
        invoke_on_load: "Bool" = False,  # type: ignore[assignment]
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        name_order: bool = False,
        on_missing_entrypoints_callback: "OnMissingEntrypointsCallback | None" = (
            warning_on_missing_entrypoint
        ),
        **options: "Unpack[Options[T]]",
    ) -> None:
        self._names = self._requested_names = names
        self._name_order = name_order
        self._on_missing = on_missing_entrypoints_callback
        super().__init__(
            namespace, invoke_on_load, invoke_args, invoke_kwds, **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def _arrange(self, report_missing: bool = True) -> None:
        missing = set(self._names).difference(self.names()) if report_missing else None
        if missing and self.excluded:
            # The names of excluded extensions are not missing.
            missing.difference_update([e.name for e in self.excluded])
        if missing and self._on_missing is not None:
            self._on_missing(missing)
            if self._known and self._on_missing is warning_on_missing_entrypoint:
                from ._faults.lost import report_known  # deferred: as above

                report_known(self.namespace, missing, self._known)
        if self._name_order:
            from ._mapping import resolve_names  # deferred: few use name_order=

            found = resolve_names(self, self._names)
            self.extensions: list[Extension[T, Bool]] = [
                e for _, e in found if e is not None
            ]


class DriverManager(NamedExtensionManager["T", "Bool"]):
    """One name and exactly one extension.

    :param name: the name of the driver.
    :param options: the options of Manager. If the driver fails to load, access to it
        raises the exception of its import; with `on_load_failure_callback`, NoMatches
        after the call of the callback.

    Raises NoMatches if no enabled extension has the name, and whatever
    `conflict_resolver` raises if several have it: by default MultipleMatches.
    """

    __module__ = ExtensionManager.__module__
    _default_resolver = "error_on_conflict"
    _raises = True

    def __init__(
        self,
        namespace: str,
        name: str,
        invoke_on_load: "Bool" = False,  # type: ignore[assignment]
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        on_missing_entrypoints_callback: "OnMissingEntrypointsCallback | None" = None,
        **options: "Unpack[Options[T]]",
    ) -> None:
        super().__init__(
            namespace, (name,), invoke_on_load, invoke_args, invoke_kwds,  # type: ignore[arg-type]
            on_missing_entrypoints_callback=on_missing_entrypoints_callback, **options,
        )  # fmt: skip

    def _arrange(self, report_missing: bool = True) -> None:
        super()._arrange(report_missing)
        if not self.extensions:
            from ._mapping import nothing_found  # deferred: only on failure

            raise nothing_found(self)
        if len(self.extensions) > 1:
            from ._mapping import resolve  # deferred: few names have conflicts

            chosen = resolve(self, self._names[0], self.extensions)
            self.extensions: list[Extension[T, Bool]] = [chosen]

    @property
    def driver(self) -> "T":
        """The plugin or, with `invoke_on_load`, the object that its call returned.

        Imports, and calls, the plugin on first access. Raises the exception of a failed
        import or call; NoMatches with `on_load_failure_callback`.
        """
        extension = self.extensions[0]
        attributes = extension.__dict__
        try:
            # Not through `__getattr__`, which also imports `_preload`.
            if extension._invoke is None and extension.obj is None:
                if "plugin" not in attributes:
                    return extension._load()  # type: ignore[no-any-return]
                return extension.plugin
            if "obj" not in attributes:
                from ._calling import call  # deferred: most plugins are not called

                return call(extension)  # type: ignore[no-any-return]
            return extension.obj  # type: ignore[no-any-return, return-value]
        except Exception as error:
            if self._on_load_failure_callback is None:
                raise
            from ._faults.errors import failed_driver  # deferred: only on failure
            from ._mapping import report_load_failure

            report_load_failure(self, extension, error)
            raise failed_driver(extension, error) from error

    def __call__(
        self, func: "Callable[Concatenate[Extension[T, Bool], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "U | None":  # fmt: skip
        """Call `func(extension, *args, **kwds)` with the driver; return the result.

        Loads the driver. Returns None if the load or the call failed, and that was
        reported instead of raised: see `map()`.
        """
        results = self.map(func, *args, **kwds)
        return results[0] if results else None
