"""Load all extensions that share one name."""

from ._log import getLogger
from .extension import Extension, ignore_conflicts, type_names
from .named import NamedExtensionManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

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
    "HookManager",
    "NamedExtensionManager",
    "OnLoadFailureCallbackT",
    "OnMissingEntrypointsCallbackT",
    "ignore_conflicts",
]

LOG = getLogger("stevedore.hook")


class HookManager(NamedExtensionManager["T"]):
    """A manager of all extensions that share one name, which it imports at once.

    :param name: the name of the hook. By default a missing name is not logged, because
        a hook need not have extensions.

    The other parameters are those of NamedExtensionManager.
    """

    def __init__(
        self,
        namespace: str,
        name: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        on_load_failure_callback: "OnLoadFailureCallbackT[T] | None" = None,
        on_missing_entrypoints_callback: "OnMissingEntrypointsCallbackT | None" = None,
        verify_requirements: "bool | None" = None,
        warn_on_missing_entrypoint: "bool | None" = None,
        *,
        conflict_resolver: "ConflictResolverT[T]" = ignore_conflicts,
    ) -> None:
        super().__init__(
            namespace, [name], invoke_on_load, invoke_args, invoke_kwds, False, False,
            on_load_failure_callback, on_missing_entrypoints_callback,
            verify_requirements, warn_on_missing_entrypoint,
            conflict_resolver=conflict_resolver,
        )  # fmt: skip

    @property
    def _name(self) -> str:
        return self._names[0]

    # As in stevedore, this returns a list, unlike the other managers.
    def __getitem__(  # type: ignore[override]
        self, name: str
    ) -> "list[Extension[T]]":
        """Return all extensions of the hook. Raises KeyError for any other name."""
        if name != self._name:
            raise KeyError(name)
        return self.extensions
