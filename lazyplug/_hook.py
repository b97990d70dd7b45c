"""Define HookManager, the manager of all extensions that share one name."""

from ._extension import PACKAGE, Extension
from ._named import NamedExtensionManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Unpack

    from ._types import Bool, OnMissingEntrypointsCallback, Options, T


class HookManager(NamedExtensionManager["T", "Bool"]):
    """One name and many extensions, called together.

    :param name: the name of the hooks.
    :param on_missing_entrypoints_callback: as of NamedExtensionManager; but by default,
        a missing name is not logged, since a hook need not have extensions.
    :param options: the options of Manager.
    """

    __module__ = PACKAGE

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

    def __getitem__(self, name: str) -> "list[Extension[T, Bool]]":  # type: ignore[override]
        """Return all extensions of the hook. Imports no plugin.

        Raises NoMatches, a KeyError, if the hook has another name.
        """
        if name not in self._names:
            from ._faults.errors import no_matches  # deferred: only on failure

            raise no_matches(self.namespace, name, self._names)
        return self.extensions
