"""Load the extensions with the requested names."""

from ._log import getLogger
from .extension import Extension, ExtensionManager, ignore_conflicts, type_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from lazyplug._entry_point import EntryPoint

    from ._types import (
        ConflictResolverT,
        OnLoadFailureCallbackT,
        OnMissingEntrypointsCallbackT,
        T,
    )
else:
    __getattr__ = type_names(__name__)

__all__ = [
    "LOG",
    "ConflictResolverT",
    "Extension",
    "ExtensionManager",
    "NamedExtensionManager",
    "OnLoadFailureCallbackT",
    "OnMissingEntrypointsCallbackT",
    "ignore_conflicts",
    "warning_on_missing_entrypoint",
]

LOG = getLogger("stevedore.named")


def warning_on_missing_entrypoint(missing_names: "Iterable[str]") -> None:
    """Log a warning with the requested names that are missing."""
    LOG.warning("Could not load %s", ", ".join(missing_names))


class NamedExtensionManager(ExtensionManager["T"]):
    """A manager of the extensions with the requested names; imports no other plugin.

    :param names: the names of the extensions.
    :param name_order: whether the extensions come in the order of `names`, one for
        each; otherwise they come in the order of discovery.
    :param on_missing_entrypoints_callback: called with the set of names that are
        absent or failed to load; by default a warning is logged. None disables it.
    :param warn_on_missing_entrypoint: deprecated; instead of False, pass
        `on_missing_entrypoints_callback=None`.

    The other parameters are those of ExtensionManager.
    """

    _on_missing_entrypoints_callback: "OnMissingEntrypointsCallbackT | None" = None

    def __init__(
        self,
        namespace: str,
        names: "Sequence[str]",
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        name_order: bool = False,
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailureCallbackT[T] | None" = None,
        on_missing_entrypoints_callback: "OnMissingEntrypointsCallbackT | None" = (
            warning_on_missing_entrypoint
        ),
        verify_requirements: "bool | None" = None,
        warn_on_missing_entrypoint: "bool | None" = None,
        *,
        conflict_resolver: "ConflictResolverT[T]" = ignore_conflicts,
    ) -> None:
        self._ask(names, name_order)
        if warn_on_missing_entrypoint is not None:
            from lazyplug._log import deprecated  # deferred: few pass it

            deprecated(
                "The warn_on_missing_entrypoint option",
                "pass on_missing_entrypoints_callback=None to keep quiet",
            )
            if not warn_on_missing_entrypoint:
                on_missing_entrypoints_callback = None
        self._on_missing_entrypoints_callback = on_missing_entrypoints_callback
        super().__init__(
            namespace, invoke_on_load, invoke_args, invoke_kwds,
            propagate_map_exceptions, on_load_failure_callback, verify_requirements,
            conflict_resolver=conflict_resolver,
        )  # fmt: skip

    def _ask(self, names: "Sequence[str]", name_order: bool) -> None:
        self._names = names
        self._missing_names: set[str] = set()
        self._name_order = name_order

    def _name_after(self, extensions: "list[Extension[T]]") -> None:
        self._ask([extension.name for extension in extensions], False)

    def _init_plugins(self, extensions: "list[Extension[T]]") -> None:
        super()._init_plugins(extensions)
        if self._name_order:
            self.extensions: list[Extension[T]] = [
                self[name] for name in self._names if name in self
            ]

    def _load_plugins(
        self,
        invoke_on_load: bool,
        invoke_args: "Sequence[Any]",
        invoke_kwds: "dict[str, Any]",
    ) -> "list[Extension[T]]":
        loaded = super()._load_plugins(invoke_on_load, invoke_args, invoke_kwds)
        self._missing_names = set(self._names).difference(
            extension.name for extension in loaded
        )
        # Excluded names are declared, so they are not missing.
        self._missing_names.difference_update([ep.name for ep in self.excluded])
        if self._missing_names and self._on_missing_entrypoints_callback:
            self._on_missing_entrypoints_callback(self._missing_names)
        return loaded

    def _asks(self, entry_point: "EntryPoint") -> bool:
        return entry_point.name in self._names

    def _load_one_plugin(
        self,
        ep: "EntryPoint",
        invoke_on_load: bool,
        invoke_args: "Sequence[Any]",
        invoke_kwds: "dict[str, Any]",
    ) -> "Extension[T] | None":
        if ep.name not in self._names:
            return None
        return super()._load_one_plugin(ep, invoke_on_load, invoke_args, invoke_kwds)
