"""Load all extensions of a namespace, and keep those that pass a test."""

from ._log import getLogger
from .extension import Extension, ExtensionManager, ignore_conflicts, type_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from lazyplug._entry_point import EntryPoint

    from ._types import ConflictResolverT, OnLoadFailureCallbackT, T
else:
    __getattr__ = type_names(__name__)

__all__ = [
    "LOG",
    "ConflictResolverT",
    "EnabledExtensionManager",
    "Extension",
    "ExtensionManager",
    "OnLoadFailureCallbackT",
    "ignore_conflicts",
]

LOG = getLogger("stevedore.enabled")


class EnabledExtensionManager(ExtensionManager["T"]):
    """A manager of the extensions that pass a test.

    The constructor imports all plugins, and with `invoke_on_load` calls them, before
    it tests them.

    :param check_func: called with each loaded extension; returns True to keep it. If
        it raises an exception, the extension counts as failed to load.

    The other parameters are those of ExtensionManager.
    """

    def __init__(
        self,
        namespace: str,
        check_func: "Callable[[Extension[T]], bool]",
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailureCallbackT[T] | None" = None,
        verify_requirements: "bool | None" = None,
        *,
        conflict_resolver: "ConflictResolverT[T]" = ignore_conflicts,
    ) -> None:
        self.check_func = check_func
        super().__init__(
            namespace, invoke_on_load, invoke_args, invoke_kwds,
            propagate_map_exceptions, on_load_failure_callback, verify_requirements,
            conflict_resolver=conflict_resolver,
        )  # fmt: skip

    def _load_one_plugin(
        self,
        ep: "EntryPoint",
        invoke_on_load: bool,
        invoke_args: "Sequence[Any]",
        invoke_kwds: "dict[str, Any]",
    ) -> "Extension[T] | None":
        extension = super()._load_one_plugin(
            ep, invoke_on_load, invoke_args, invoke_kwds
        )
        if extension and not self.check_func(extension):
            LOG.debug("ignoring extension %r", ep.name)
            return None
        return extension
