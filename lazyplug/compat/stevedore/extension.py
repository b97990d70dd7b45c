"""Load all extensions of a namespace when the manager is created."""

import lazyplug.compat.stevedore as package
from lazyplug import _settings

from . import _cache
from ._generic import OfT
from ._log import DEBUG, getLogger
from .exception import MultipleMatches, NoMatches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        ItemsView,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )
    from typing import Any, Concatenate, Self

    from lazyplug._entry_point import EntryPoint
    from lazyplug._static.known_loads import KnownLoads

    from ._types import ConflictResolverT, OnLoadFailureCallbackT, P, T, U

__all__ = [
    "LOG",
    "ConflictResolverT",
    "Extension",
    "ExtensionManager",
    "MultipleMatches",
    "NoMatches",
    "OnLoadFailureCallbackT",
    "error_on_conflict",
    "ignore_conflicts",
]

LOG = getLogger("stevedore.extension")


class Extension(OfT["T"]):
    """A loaded extension.

    :param name: the name of the entry point.
    :param entry_point: the entry point, with the attributes of importlib.metadata's.
    :param plugin: the object that the entry point refers to.
    :param obj: the return value of the plugin; None if it was not called.
    """

    def __init__(
        self, name: str, entry_point: "EntryPoint", plugin: "type[T]", obj: "T | None"
    ) -> None:
        self.name = name
        self.entry_point = entry_point
        self.plugin = plugin
        self.obj = obj

    @classmethod
    def _listed(cls, entry_point: "EntryPoint") -> "Extension[Any]":
        """Return an extension that is known to load, without its plugin."""
        extension = cls.__new__(cls)
        extension.name, extension.entry_point = entry_point.name, entry_point
        extension.obj = None
        return extension

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            # Called only for an attribute that is not set: the plugin of an extension
            # that was listed, or one that does not exist.
            if name != "plugin" or "entry_point" not in self.__dict__:
                # Raises AttributeError as for any object.
                return object.__getattribute__(self, name)
            from ._listed import load  # deferred: only with LAZYPLUG_LAZY

            return self.__dict__.setdefault("plugin", load(self.entry_point))

    @property
    def module_name(self) -> str:
        """The module that the entry point refers to."""
        return self.entry_point.module

    @property
    def attr(self) -> "str | None":
        """The attribute of the module; None if the entry point refers to the module."""
        return self.entry_point.attr

    @property
    def entry_point_target(self) -> str:
        """The value of the entry point, `module:attr [extras]`."""
        return self.entry_point.value


def ignore_conflicts(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Return the last extension, and log all of them with their distributions."""
    from ._errors import conflict  # deferred: few names conflict

    LOG.warning("%s", conflict("extension", namespace, name, entrypoints))
    return entrypoints[-1]


def error_on_conflict(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Raise MultipleMatches, which names the extensions and their distributions."""
    from ._errors import multiple_matches  # deferred: few names conflict

    raise multiple_matches(namespace, name, entrypoints)


def _deprecated_requirements(verify_requirements: "bool | None") -> None:
    if verify_requirements is not None:
        from lazyplug._log import deprecated  # deferred: few pass it

        deprecated("The verify_requirements argument is now a no-op and", "remove it")


_user: "tuple[bool, bool | None] | None" = None


def _user_settings() -> "tuple[bool, bool | None]":
    """Return whether the user has set an allow or deny list, and wants laziness.

    The latter is None if the user has set neither LAZYPLUG_LAZY nor LAZYPLUG_EAGER. The
    environment is read once: some programs create 2,000 managers.
    """
    global _user  # noqa: PLW0603
    if _user is None:
        get_setting = _settings.get_setting
        lists = "LAZYPLUG_ALLOW", "LAZYPLUG_DENY"
        is_lazy = True if get_setting("LAZYPLUG_LAZY") == "1" else None
        if get_setting("LAZYPLUG_EAGER") == "1":
            is_lazy = False
        _user = any(map(get_setting, lists)), is_lazy
    return _user


def _is_lazy() -> bool:
    """Return True if extensions that are known to load are listed without a load."""
    wanted = _user_settings()[1]
    return package._lazy if wanted is None else wanted


class ExtensionManager(OfT["T"]):
    """A manager of all extensions of a namespace, which imports them at once.

    The constructor imports every plugin. A plugin that fails is reported and ignored.
    AssertionError, and exceptions that are not derived from Exception, such as
    KeyboardInterrupt, are raised.

    :param namespace: the group of the entry points.
    :param invoke_on_load: whether to call each plugin; `.obj` is the return value.
    :param invoke_args: positional arguments of that call.
    :param invoke_kwds: keyword arguments of that call.
    :param propagate_map_exceptions: whether `map()` raises the exceptions of the
        function that it calls; otherwise they are logged.
    :param on_load_failure_callback: called with the manager, the entry point and the
        exception of a plugin that fails; without it, the failure is logged.
    :param verify_requirements: deprecated, without effect.
    :param conflict_resolver: called with the namespace, the name and the extensions if
        a requested name is declared more than once; returns one of the extensions.
    """

    #: The entry points by namespace: filled at first use, shared by all managers, and
    #: used without a check if a program fills it.
    ENTRY_POINT_CACHE: "dict[str, list[EntryPoint]]" = {}  # noqa: RUF012
    #: The entry points that the choice of the host or the user excludes, with reasons.
    excluded: "Mapping[EntryPoint, str]" = {}  # noqa: RUF012
    #: Whether extensions that are known to load are listed without a load, if the
    #: program or the user wants that.
    _may_list = True
    #: The entry points to list without a load.
    _known: "KnownLoads | None" = None
    _extensions_by_name_cache: "dict[str, Extension[T]] | None"

    def __init__(
        self,
        namespace: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailureCallbackT[T] | None" = None,
        verify_requirements: "bool | None" = None,
        *,
        conflict_resolver: "ConflictResolverT[T]" = ignore_conflicts,
    ) -> None:
        _deprecated_requirements(verify_requirements)
        self._configure(
            namespace,
            propagate_map_exceptions,
            on_load_failure_callback,
            conflict_resolver,
        )
        loaded = self._load_plugins(
            invoke_on_load,
            () if invoke_args is None else invoke_args,
            {} if invoke_kwds is None else invoke_kwds,
        )
        self._init_plugins(loaded)

    @classmethod
    def make_test_instance(
        cls,
        extensions: "list[Extension[T]]",
        namespace: str = "TESTING",
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailureCallbackT[T] | None" = None,
        verify_requirements: "bool | None" = None,
        *,
        conflict_resolver: "ConflictResolverT[T]" = ignore_conflicts,
    ) -> "Self":
        """Return a manager of these extensions instead of installed ones."""
        _deprecated_requirements(verify_requirements)
        manager = cls.__new__(cls)
        manager._configure(
            namespace,
            propagate_map_exceptions,
            on_load_failure_callback,
            conflict_resolver,
        )
        manager._name_after(extensions)
        manager._init_plugins(extensions)
        return manager

    def _configure(
        self,
        namespace: str,
        propagate_map_exceptions: bool,
        on_load_failure_callback: "OnLoadFailureCallbackT[T] | None",
        conflict_resolver: "ConflictResolverT[T]",
    ) -> None:
        self.namespace = namespace
        self.propagate_map_exceptions = propagate_map_exceptions
        self._on_load_failure_callback = on_load_failure_callback
        self._conflict_resolver = conflict_resolver

    def _name_after(self, extensions: "list[Extension[T]]") -> None:
        """Request the names of these extensions, in a test manager of names."""

    def _init_plugins(self, extensions: "list[Extension[T]]") -> None:
        self.extensions = extensions
        self._extensions_by_name_cache = None

    # Finding and loading entry points.

    def list_entry_points(self) -> "list[EntryPoint]":
        """Return all entry points of the namespace. Imports no plugin."""
        known = self.ENTRY_POINT_CACHE
        if self.namespace not in known:
            known[self.namespace] = list(_cache.get_group_all(self.namespace))
        return known[self.namespace]

    def entry_points_names(self) -> "list[str]":
        """Return the names of all entry points of the namespace. Imports no plugin."""
        return [entry_point.name for entry_point in self.list_entry_points()]

    def _load_plugins(
        self,
        invoke_on_load: bool,
        invoke_args: "Sequence[Any]",
        invoke_kwds: "dict[str, Any]",
    ) -> "list[Extension[T]]":
        loaded = []
        points = self._taken()
        if self._may_list and not invoke_on_load and _is_lazy():
            from lazyplug._static.known_loads import (
                KnownLoads,  # deferred: only with that setting
            )

            count: dict[str, int] = {}
            if self._conflict_resolver not in (ignore_conflicts, error_on_conflict):
                # It may read the plugins that have the same name, and this would be
                # outside of the loop that skips what fails.
                for point in points:
                    count[point.name] = count.get(point.name, 0) + 1
            self._known = KnownLoads([p for p in points if count.get(p.name, 1) == 1])
        for entry_point in points:
            LOG.debug("found extension %r", entry_point)
            try:
                extension = self._load_one_plugin(
                    entry_point, invoke_on_load, invoke_args, invoke_kwds
                )
            except AssertionError:
                raise
            except Exception as error:
                self._failed(entry_point, error)
            else:
                if extension:
                    loaded.append(extension)
        return loaded

    def _taken(self) -> "list[EntryPoint]":
        """Return the entry points that neither the host nor the user excludes."""
        points = self.list_entry_points()
        if package._choice or _user_settings()[0]:
            from ._choosing import (
                excluded_entry_points,  # deferred: few hosts, or users, choose
            )

            requested = [point for point in points if self._asks(point)]
            self.excluded = excluded_entry_points(
                package._choice, self.namespace, requested
            )
            points = [point for point in points if point not in self.excluded]
            for entry_point, reason in self.excluded.items():
                LOG.debug("%r is %s", entry_point, reason)
        return points

    def _asks(self, entry_point: "EntryPoint") -> bool:
        """Return True if this manager wants an entry point with this name."""
        return True

    def _load_one_plugin(
        self,
        ep: "EntryPoint",
        invoke_on_load: bool,
        invoke_args: "Sequence[Any]",
        invoke_kwds: "dict[str, Any]",
    ) -> "Extension[T] | None":
        """Load one extension; return None to exclude it, in managers that select."""
        if self._known is not None and ep in self._known and not invoke_on_load:
            return Extension._listed(ep)
        plugin = ep.load()
        if self._known is not None:
            self._known.remember(ep)
        obj = plugin(*invoke_args, **invoke_kwds) if invoke_on_load else None
        return Extension(ep.name, ep, plugin, obj)

    def _failed(self, entry_point: "EntryPoint", error: Exception) -> None:
        # Called inside the `except` block, so that a callback can re-raise the error.
        if self._on_load_failure_callback is not None:
            self._on_load_failure_callback(self, entry_point, error)
        else:
            LOG.error(
                "Could not load %r: %s",
                entry_point.name,
                error,
                exc_info=LOG.isEnabledFor(DEBUG),
            )

    # Access to the loaded extensions. Nothing below imports a plugin.

    @property
    def _extensions_by_name(self) -> "dict[str, Extension[T]]":
        if self._extensions_by_name_cache is None:
            self._extensions_by_name_cache = self._resolved()
        return self._extensions_by_name_cache

    def _resolved(self) -> "dict[str, Extension[T]]":
        """Return one extension for each name; the resolver chooses among several."""
        by_name: dict[str, list[Extension[T]]] = {}
        for extension in self.extensions:
            by_name.setdefault(extension.name, []).append(extension)
        return {
            name: found[0]
            if len(found) == 1
            else self._conflict_resolver(self.namespace, name, found)
            for name, found in by_name.items()
        }

    def names(self) -> "list[str]":
        """Return the names of the extensions, in the order of `map()`."""
        return [extension.name for extension in self.extensions]

    def items(self) -> "ItemsView[str, Extension[T]]":
        """Return the names with their extensions, with conflicts resolved."""
        return self._extensions_by_name.items()

    def __iter__(self) -> "Iterator[Extension[T]]":
        return iter(self.extensions)

    def __getitem__(self, name: str) -> "Extension[T]":
        """Return the extension with a name. Raises KeyError if there is none."""
        return self._extensions_by_name[name]

    def __contains__(self, name: str) -> bool:
        return any(extension.name == name for extension in self.extensions)

    # Calling plugins.

    def map(
        self,
        func: "Callable[Concatenate[Extension[T], P], U]",
        *args: "P.args",
        **kwds: "P.kwargs",
    ) -> "list[U]":
        """Call func(extension, *args, **kwds) for each; return the list of results.

        An exception of func is logged and its result omitted, unless
        `propagate_map_exceptions` is true. Raises NoMatches if there are no extensions.
        """
        return self._answers(self._callable(), func, *args, **kwds)

    def map_method(self, method_name: str, *args: "Any", **kwds: "Any") -> "Any":
        """Call a method of each extension's `.obj`, like `map()` calls a function."""
        return self.map(self._call_extension_method, method_name, *args, **kwds)

    def _callable(self) -> "list[Extension[T]]":
        if not self.extensions:
            from ._errors import no_extensions  # deferred: only on failure

            raise no_extensions(self.namespace, self.excluded)
        return self.extensions

    def _answers(
        self,
        extensions: "Iterable[Extension[T]]",
        func: "Callable[Concatenate[Extension[T], P], U]",
        /,
        *args: "P.args",
        **kwds: "P.kwargs",
    ) -> "list[U]":
        answers: list[U] = []
        for extension in extensions:
            self._invoke_one_plugin(answers.append, func, extension, *args, **kwds)
        return answers

    @staticmethod
    def _call_extension_method(
        extension: "Extension[Any]", /, method_name: str, *args: "Any", **kwds: "Any"
    ) -> "Any":
        return getattr(extension.obj, method_name)(*args, **kwds)

    def _invoke_one_plugin(
        self,
        response_callback: "Callable[..., Any]",
        func: "Callable[Concatenate[Extension[T], P], U]",
        e: "Extension[T]",
        *args: "P.args",
        **kwds: "P.kwargs",
    ) -> None:
        try:
            response_callback(func(e, *args, **kwds))
        except Exception as error:
            if self.propagate_map_exceptions:
                raise
            LOG.error("error calling %r: %s", e.name, error)
            LOG.exception(error)


_TYPE_NAMES = {
    "ConflictResolverT",
    "OnLoadFailureCallbackT",
    "OnMissingEntrypointsCallbackT",
    "P",
    "Q",
    "T",
    "U",
}


def type_names(module: str) -> "Callable[[str], object]":
    """Return the `__getattr__` of a module that exports the type names."""

    def find(name: str) -> object:
        if name not in _TYPE_NAMES:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")  # noqa: EM102 - Python's words
        from ._types import named  # deferred: imports typing

        return named(name, Extension, ExtensionManager)

    return find


if not TYPE_CHECKING:
    __getattr__ = type_names(__name__)
