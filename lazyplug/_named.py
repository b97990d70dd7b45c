"""Define the managers that select extensions by name: some names, or one."""

from ._extension import PACKAGE, Found, T
from ._manager import ExtensionManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import (
        Any,
        Callable,
        Concatenate,
        Extension,
        Iterable,
        OnMissing,
        Options,
        P,
        Sequence,
        U,
        Unpack,
    )


def warning_on_missing_entrypoint(missing_names: "Iterable[str]") -> None:
    """Log which of the asked names are missing."""
    from ._log import report
    from ._printable import clean  # deferred: only where there is a fault

    report(f"Could not find {clean(', '.join(sorted(missing_names)))}")


class NamedExtensionManager(ExtensionManager[T, Found]):
    """The extensions of the given names.

    :param names: the names of the extensions.
    :param name_order: should they come in the order of `names`, one for each, or
        as they are installed?
    :param on_missing_entrypoints_callback: called with the set of names that are
        missing; by default they are logged. None keeps quiet.
    :param options: as of Manager.
    """

    __module__ = PACKAGE
    _names: "Sequence[str]" = ()
    _name_order = False
    _on_missing: "OnMissing | None" = None

    def __init__(
        self,
        namespace: str,
        names: "Sequence[str]",
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        name_order: bool = False,
        on_missing_entrypoints_callback: "OnMissing | None" = (
            warning_on_missing_entrypoint
        ),
        **options: "Unpack[Options]",
    ) -> None:
        self._names = self._asked = names
        self._name_order = name_order
        self._on_missing = on_missing_entrypoints_callback
        super().__init__(namespace, invoke_on_load, invoke_args, invoke_kwds, **options)

    def _arrange(self, whole: bool = True) -> None:
        missing = set(self._names).difference(self.names()) if whole else None
        if missing and self.excluded:
            # They are there, and not wanted.
            missing.difference_update([e.name for e in self.excluded])
        if missing and self._on_missing is not None:
            self._on_missing(missing)
        if self._name_order:
            from ._mapping import of_names  # deferred: few ask for it

            found = of_names(self, self._names)
            self.extensions = [e for _, e in found if e is not None]


class DriverManager(NamedExtensionManager[T]):
    """One name and exactly one extension.

    Raises NoMatches if no installed distribution declares the name, and what
    `conflict_resolver` raises if several do: by default MultipleMatches.

    :param name: the name of the driver.
    :param options: as of Manager. A driver that fails to load raises what
        its import raised, where it is touched; with `on_load_failure_callback`,
        NoMatches after the callback was called.
    """

    __module__ = PACKAGE
    _default_resolver = "error_on_conflict"
    _raises = True

    def __init__(
        self,
        namespace: str,
        name: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        on_missing_entrypoints_callback: "OnMissing | None" = None,
        **options: "Unpack[Options]",
    ) -> None:
        super().__init__(
            namespace, (name,), invoke_on_load, invoke_args, invoke_kwds,
            on_missing_entrypoints_callback=on_missing_entrypoints_callback, **options,
        )  # fmt: skip

    def _arrange(self, whole: bool = True) -> None:
        super()._arrange(whole)
        if not self.extensions:
            from ._mapping import no_driver

            raise no_driver(self)
        if len(self.extensions) > 1:
            from ._mapping import resolved  # deferred: few names stand twice

            self.extensions = [resolved(self, self._names[0], self.extensions)]

    @property
    def driver(self) -> "T":
        """The plugin or, with `invoke_on_load`, what its call returned.

        Imports, and calls, the plugin on first touch.
        """
        extension = self.extensions[0]
        known = extension.__dict__
        try:
            # Not by the attributes, which load `_preload` as well.
            if extension._invoke is None and extension.obj is None:
                if "plugin" not in known:
                    return extension._load()  # type: ignore[no-any-return]
                return extension.plugin
            if "obj" not in known:
                from ._calling import call  # deferred: most plugins are not called

                return call(extension)  # type: ignore[no-any-return]
            return extension.obj
        except Exception as error:
            if self._on_load_failure_callback is None:
                raise
            from ._faults.messages import failed_driver
            from ._mapping import tell

            tell(self, extension, error)
            raise failed_driver(extension) from error

    def __call__(
        self, func: "Callable[Concatenate[Extension[T], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "U | None":  # fmt: skip
        """Call `func(extension, *args, **kwds)` of the driver; None if it failed."""
        answers = self.map(func, *args, **kwds)
        return answers[0] if answers else None
