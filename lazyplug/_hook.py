"""Define HookManager, the manager of all extensions that share one name."""

from ._extension import Extension, T
from ._named import NamedExtensionManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Unpack

    from ._types import OnMissingEntrypointsCallback, Options

_PACKAGE = __package__ or ""


class HookManager(NamedExtensionManager[T]):
    """One name and many extensions, called together.

    :param name: the name of the hooks.
    :param on_missing_entrypoints_callback: as of NamedExtensionManager; but by default,
        a missing name is not logged, since a hook need not have extensions.
    :param options: the options of Manager.
    """

    __module__ = _PACKAGE

    def __init__(
        self,
        namespace: str,
        name: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        on_missing_entrypoints_callback: "OnMissingEntrypointsCallback | None" = None,
        **options: "Unpack[Options[T]]",
    ) -> None:
        super().__init__(
            namespace, (name,), invoke_on_load, invoke_args, invoke_kwds,
            on_missing_entrypoints_callback=on_missing_entrypoints_callback, **options,
        )  # fmt: skip

    def __getitem__(self, name: str) -> "list[Extension[T]]":  # type: ignore[override]
        """Return all extensions of the hook. Imports no plugin.

        Raises NoMatches, a KeyError, if the hook has another name.
        """
        if name not in self._names:
            from ._faults.errors import no_matches  # deferred: only on failure

            raise no_matches(self.namespace, name, self._names)
        return self.extensions
