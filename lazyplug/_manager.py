"""The managers that select by name: ordered, keyed selections of extensions."""

from . import _cache
from ._extension import Extension, Generic, T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterable, Iterator, Sequence
    from typing import Any, Concatenate, ParamSpec, Self, TypedDict, Unpack

    from typing_extensions import TypeVar

    from ._cache import Pair
    from ._entry_point import EntryPoint

    P = ParamSpec("P")
    U = TypeVar("U")
    # what `manager[name]` gives
    Found = TypeVar("Found", default=Extension[T])
    OnLoadFailure = Callable[
        ["ExtensionManager[Any, Any]", EntryPoint, Exception], object
    ]
    OnMissing = Callable[[set[str]], object]
    Resolver = Callable[[str, str, list[Extension[T]]], Extension[T]]

    class Options(TypedDict, total=False):
        """The options of every manager, passed on to ExtensionManager."""

        propagate_map_exceptions: bool
        on_load_failure_callback: "OnLoadFailure | None"
        verify_requirements: "bool | None"
        conflict_resolver: "Resolver[Any] | None"
        protocol: "type | None"
        lazy: "bool | None"
else:
    Found = None


def warning_on_missing_entrypoint(missing_names: "Iterable[str]") -> None:
    """Log which of the asked names are missing."""
    from logging import getLogger  # deferred: 10 ms, only where there is a fault

    getLogger("lazyplug").warning("Could not find %s", ", ".join(sorted(missing_names)))


class ExtensionManager(Generic[T, Found]):
    """All extensions of a namespace, in the order in which they are installed.

    Nothing of a plugin is imported here, nor by `names()`, `in`, `len`, iteration
    or listing: its code is run when its extension is touched, or by `map()` and
    its kin. Extensions are found, and conflicts decided, on what distributions
    declare.

    :param namespace: the group of the entry points.
    :param invoke_on_load: should the plugin be called, and `.obj` be what that
        call returns? It is called when `.obj` is first touched.
    :param invoke_args: positional arguments of that call.
    :param invoke_kwds: named arguments of that call.
    :param propagate_map_exceptions: should `map()` raise what a function raises,
        or log it and go on?
    :param on_load_failure_callback: called with the manager, the entry point and
        the exception when an extension that `map()` needs fails to load; it is
        logged otherwise. Called once for each extension.
    :param verify_requirements: deprecated, without effect.
    :param conflict_resolver: called with the namespace, the name and the extensions
        when a name that is asked for stands several times; returns one of them.
        By default the last one is taken, and logged.
    :param protocol: a class or a runtime-checkable Protocol that a plugin must fit
        when it is loaded (what its call returns, with `invoke_on_load`); else its
        load raises ProtocolMismatch.
    :param lazy: False loads, and calls, everything here and now, as stevedore does,
        and leaves out what fails. By default true, unless `LAZYPLUG_EAGER` is 1.
    """

    __module__ = "lazyplug"
    _default_resolver = "ignore_conflicts"

    def __init__(
        self,
        namespace: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailure | None" = None,
        verify_requirements: "bool | None" = None,
        conflict_resolver: "Resolver[Any] | None" = None,
        protocol: "type | None" = None,
        lazy: "bool | None" = None,
    ) -> None:
        if verify_requirements is not None:
            deprecated("verify_requirements", "it has no effect; remove it")
        if protocol is not None:
            from ._protocol import check_usable

            check_usable(protocol)
        self._configure(
            namespace,
            propagate_map_exceptions,
            on_load_failure_callback,
            conflict_resolver,
        )
        invoke = None
        if invoke_on_load:
            invoke = (tuple(invoke_args or ()), dict(invoke_kwds or {}))
        self._make = invoke, protocol
        self._adopt([self._extension(pair) for pair in self._pairs()])
        if lazy is None:
            lazy = _cache.setting("LAZYPLUG_EAGER") != "1"
        if not lazy:
            self.extensions = list(self._loaded())
        self._selected()

    def _configure(
        self,
        namespace: str,
        propagate_map_exceptions: bool,
        on_load_failure_callback: "OnLoadFailure | None",
        conflict_resolver: "Resolver[Any] | None",
    ) -> None:
        self.namespace = namespace
        self.propagate_map_exceptions = propagate_map_exceptions
        self._on_load_failure_callback = on_load_failure_callback
        self._conflict_resolver = conflict_resolver
        self._told: set[tuple[Extension[T], int]] = set()

    def _adopt(self, extensions: "list[Extension[T]]") -> None:
        self.extensions = extensions
        self._by_name_cache: dict[str, Extension[T]] | None = None

    def _extension(self, pair: "Pair") -> "Extension[T]":
        extension: Extension[T] = Extension.__new__(Extension)
        return extension._fill(self.namespace, *pair, *self._make)

    def _pairs(self) -> "list[Pair]":
        """Return the rows that this manager selects, with their owners."""
        return _cache.current().rows(self.namespace)

    def _selected(self) -> None:
        """Judge the selection once it stands."""

    @classmethod
    def make_test_instance(
        cls,
        extensions: "Sequence[Extension[T]] | Extension[T]",
        namespace: str = "TESTING",
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailure | None" = None,
        verify_requirements: "bool | None" = None,
        *,
        conflict_resolver: "Resolver[Any] | None" = None,
    ) -> "Self":
        """Return a manager of the given extensions instead of installed ones."""
        if verify_requirements is not None:
            deprecated("verify_requirements", "it has no effect; remove it")
        manager = cls.__new__(cls)
        manager._configure(
            namespace,
            propagate_map_exceptions,
            on_load_failure_callback,
            conflict_resolver,
        )
        manager._make = None, None
        if isinstance(extensions, Extension):
            extensions = [extensions]
        manager._adopt(list(extensions))
        return manager

    # What is there: nothing below imports a plugin.

    @property
    def _by_name(self) -> "dict[str, Extension[T]]":
        if self._by_name_cache is None:
            together: dict[str, list[Extension[T]]] = {}
            for extension in self.extensions:
                together.setdefault(extension.name, []).append(extension)
            self._by_name_cache = {
                name: found[0] if len(found) == 1 else self._resolve(name, found)
                for name, found in together.items()
            }
        return self._by_name_cache

    def _resolve(self, name: str, found: "list[Extension[T]]") -> "Extension[T]":
        resolver = self._conflict_resolver
        if resolver is None:
            from . import _conflict  # deferred: few names stand twice

            resolver = getattr(_conflict, self._default_resolver)
        return resolver(self.namespace, name, found)

    def _look_again(self, name: str) -> bool:
        """Find a name that came since the folders were looked at, if it may have."""
        if _cache.current().checked != "dirs":
            return False
        came = [
            p for p in _cache.current("full").rows(self.namespace) if p[0][0] == name
        ]
        if came:
            self._adopt([*self.extensions, *map(self._extension, came)])
        return bool(came)

    def names(self) -> "list[str]":
        """Return the names of the extensions, in order."""
        return [extension.name for extension in self.extensions]

    def items(self) -> "ItemsView[str, Extension[T]]":
        """Return the names with their extensions, conflicts resolved."""
        return self._by_name.items()

    def list_entry_points(self) -> "list[EntryPoint]":
        """Return all entry points of the namespace, selected or not."""
        from ._entry_point import entry_points

        return list(entry_points(group=self.namespace))

    def entry_points_names(self) -> "list[str]":
        """Return the names of all entry points of the namespace, selected or not."""
        return [pair[0][0] for pair in _cache.current().rows(self.namespace)]

    def __iter__(self) -> "Iterator[Extension[T]]":
        return iter(self.extensions)

    def __len__(self) -> int:
        return len(self.extensions)

    def __contains__(self, name: object) -> bool:
        return any(extension.name == name for extension in self.extensions)

    def __getitem__(self, name: str) -> "Found":
        """Return the extension of a name; NoMatches, a KeyError, if there is none."""
        found = self._by_name.get(name)
        if found is None and self._look_again(name):
            found = self._by_name.get(name)
        if found is None:
            from ._exceptions import no_matches

            raise no_matches(self.namespace, name, self.names())
        return found  # type: ignore[return-value]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.namespace!r}: {self.names()}>"

    # What runs plugins.

    def _loaded(self) -> "Iterator[Extension[T]]":
        """Yield the extensions, each loaded; what fails is told and left out."""
        for extension in self.extensions:
            try:
                extension.plugin  # noqa: B018
                extension.obj  # noqa: B018
            except Exception as error:
                self._tell(extension, error)
            else:
                yield extension

    def _tell(self, extension: "Extension[T]", error: Exception) -> None:
        told = extension, _cache.generation
        if told in self._told:
            return
        self._told.add(told)
        if self._on_load_failure_callback is not None:
            self._on_load_failure_callback(self, extension.entry_point, error)
        else:
            from ._report import report_failure

            report_failure(extension, error)

    def map(
        self, func: "Callable[Concatenate[Extension[T], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "list[U]":  # fmt: skip
        """Call func(extension, *args, **kwds) for each, and return the answers.

        Loads the extensions. What func raises is logged and its answer left out,
        unless `propagate_map_exceptions`. Raises NoMatches if there are none.
        """
        if not self.extensions:
            from ._exceptions import no_matches

            raise no_matches(self.namespace, None, ())
        answers: list[U] = []
        for extension in self._loaded():
            try:
                answers.append(func(extension, *args, **kwds))
            except Exception as error:
                if self.propagate_map_exceptions:
                    raise
                from ._report import report_call

                report_call(extension, error)
        return answers

    def map_method(
        self, method_name: str, /, *args: "Any", **kwds: "Any"
    ) -> "list[Any]":
        """Call a method of each extension's `.obj`, and return the answers."""
        return self.map(
            lambda extension: getattr(extension.obj, method_name)(*args, **kwds)
        )


class NamedExtensionManager(ExtensionManager[T, Found]):
    """The extensions of the given names.

    :param names: the names of the extensions.
    :param name_order: should they come in the order of `names`, one for each, or
        as they are installed?
    :param on_missing_entrypoints_callback: called with the set of names that are
        missing; by default they are logged. None keeps quiet.
    :param warn_on_missing_entrypoint: deprecated; pass None as
        `on_missing_entrypoints_callback` instead.
    :param options: as of ExtensionManager.
    """

    __module__ = "lazyplug"
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
        warn_on_missing_entrypoint: "bool | None" = None,
        **options: "Unpack[Options]",
    ) -> None:
        if warn_on_missing_entrypoint is not None:
            deprecated(
                "warn_on_missing_entrypoint",
                "pass on_missing_entrypoints_callback=None to keep quiet",
            )
            if not warn_on_missing_entrypoint:
                on_missing_entrypoints_callback = None
        self._names = names
        self._name_order = name_order
        self._on_missing = on_missing_entrypoints_callback
        super().__init__(namespace, invoke_on_load, invoke_args, invoke_kwds, **options)

    def _pairs(self) -> "list[Pair]":
        snapshot = _cache.current()
        names = self._names
        found = [p for p in snapshot.rows(self.namespace) if p[0][0] in names]
        if snapshot.checked == "dirs" and not {p[0][0] for p in found}.issuperset(
            names
        ):
            # Before a program is told that something is missing, look everywhere.
            rows = _cache.current("full").rows(self.namespace)
            found = [p for p in rows if p[0][0] in names]
        return found

    def _selected(self) -> None:
        missing = set(self._names).difference(self.names())
        if missing and self._on_missing is not None:
            self._on_missing(missing)
        if self._name_order:
            self.extensions = [
                self._by_name[name] for name in self._names if name not in missing
            ]

    def _look_again(self, name: str) -> bool:
        return False  # it was done for all names at once


class DriverManager(NamedExtensionManager[T]):
    """One name and exactly one extension.

    Raises NoMatches if no installed distribution declares the name, and what
    `conflict_resolver` raises if several do: by default MultipleMatches.

    :param name: the name of the driver.
    :param options: as of ExtensionManager. A driver that fails to load raises what
        its import raised, where it is touched; with `on_load_failure_callback`,
        NoMatches after the callback was called.
    """

    __module__ = "lazyplug"
    _default_resolver = "error_on_conflict"

    def __init__(
        self,
        namespace: str,
        name: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        on_missing_entrypoints_callback: "OnMissing | None" = None,
        warn_on_missing_entrypoint: "bool | None" = None,
        **options: "Unpack[Options]",
    ) -> None:
        super().__init__(
            namespace, (name,), invoke_on_load, invoke_args, invoke_kwds,
            on_missing_entrypoints_callback=on_missing_entrypoints_callback,
            warn_on_missing_entrypoint=warn_on_missing_entrypoint, **options,
        )  # fmt: skip

    def _selected(self) -> None:
        super()._selected()
        if not self.extensions:
            from ._exceptions import no_matches

            raise no_matches(self.namespace, self._names[0], self.entry_points_names())
        if len(self.extensions) > 1:
            self.extensions = [self._resolve(self._names[0], self.extensions)]

    def _tell(self, extension: "Extension[T]", error: Exception) -> None:
        if self._on_load_failure_callback is None:
            raise error
        super()._tell(extension, error)

    @property
    def driver(self) -> T:
        """The plugin or, with `invoke_on_load`, what its call returned.

        Imports, and calls, the plugin on first touch.
        """
        extension = self.extensions[0]
        try:
            if extension._invoke is None and extension.obj is None:
                return extension.plugin
            return extension.obj
        except Exception as error:
            if self._on_load_failure_callback is None:
                raise
            self._tell(extension, error)
            from ._exceptions import failed_driver

            raise failed_driver(extension) from error

    def __call__(
        self, func: "Callable[Concatenate[Extension[T], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "U | None":  # fmt: skip
        """Call func(extension, *args, **kwds) for the driver; None if that failed."""
        answers = self.map(func, *args, **kwds)
        return answers[0] if answers else None


class HookManager(NamedExtensionManager[T, "list[Extension[T]]"]):
    """One name and many extensions, called together.

    :param name: the name of the hooks.
    :param options: as of NamedExtensionManager; a name that is missing is not told
        by default, since a hook need not have extensions.
    """

    __module__ = "lazyplug"

    def __init__(
        self,
        namespace: str,
        name: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        on_missing_entrypoints_callback: "OnMissing | None" = None,
        warn_on_missing_entrypoint: "bool | None" = None,
        **options: "Unpack[Options]",
    ) -> None:
        super().__init__(
            namespace, (name,), invoke_on_load, invoke_args, invoke_kwds,
            on_missing_entrypoints_callback=on_missing_entrypoints_callback,
            warn_on_missing_entrypoint=warn_on_missing_entrypoint, **options,
        )  # fmt: skip

    def __getitem__(self, name: str) -> "list[Extension[T]]":
        """Return all extensions of the hook; NoMatches if it has another name."""
        if name != self._names[0]:
            from ._exceptions import no_matches

            raise no_matches(self.namespace, name, self._names)
        return self.extensions


def deprecated(parameter: str, instead: str) -> None:
    """Warn of a parameter that stevedore has deprecated too."""
    from warnings import warn

    warn(f"{parameter} is deprecated: {instead}", DeprecationWarning, stacklevel=4)
