"""Load the single extension with a given name."""

from ._log import getLogger
from .exception import NoMatches
from .extension import Extension, ExtensionManager, error_on_conflict, type_names
from .named import NamedExtensionManager, warning_on_missing_entrypoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Concatenate, NoReturn, Self

    from lazyplug._entry_point import EntryPoint

    from ._types import (
        ConflictResolverT,
        OnLoadFailureCallbackT,
        OnMissingEntrypointsCallbackT,
        P,
        T,
        U,
    )
else:
    __getattr__ = type_names(__name__)

__all__ = [
    "LOG",
    "ConflictResolverT",
    "DriverManager",
    "Extension",
    "ExtensionManager",
    "NamedExtensionManager",
    "NoMatches",
    "OnLoadFailureCallbackT",
    "OnMissingEntrypointsCallbackT",
    "error_on_conflict",
    "warning_on_missing_entrypoint",
]

LOG = getLogger("stevedore.driver")


class DriverManager(NamedExtensionManager["T"]):
    """A manager of the single extension with a given name, which it imports at once.

    Raises NoMatches if there is no extension. If its import or call fails, raises that
    exception, unless there is an `on_load_failure_callback`. If there are several
    extensions, `conflict_resolver` chooses one; by default it raises MultipleMatches.

    :param name: the name of the driver.

    The other parameters are those of NamedExtensionManager.
    """

    _may_list = False

    def __init__(
        self,
        namespace: str,
        name: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        on_load_failure_callback: "OnLoadFailureCallbackT[T] | None" = None,
        on_missing_entrypoints_callback: "OnMissingEntrypointsCallbackT | None" = (
            warning_on_missing_entrypoint
        ),
        verify_requirements: "bool | None" = None,
        warn_on_missing_entrypoint: "bool | None" = None,
        *,
        conflict_resolver: "ConflictResolverT[T]" = error_on_conflict,
    ) -> None:
        super().__init__(
            namespace, [name], invoke_on_load, invoke_args, invoke_kwds, False, False,
            on_load_failure_callback or self._default_on_load_failure,
            on_missing_entrypoints_callback, verify_requirements,
            warn_on_missing_entrypoint, conflict_resolver=conflict_resolver,
        )  # fmt: skip

    @staticmethod
    def _default_on_load_failure(
        manager: "ExtensionManager[Any]", ep: "EntryPoint", err: BaseException
    ) -> "NoReturn":
        raise err

    # stevedore takes one extension here and a list in the base class. No type checker
    # accepts that override.
    @classmethod
    def make_test_instance(  # type: ignore[override]
        cls,
        extension: "Extension[T]",
        namespace: str = "TESTING",
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailureCallbackT[T] | None" = None,
        verify_requirements: "bool | None" = None,
        *,
        conflict_resolver: "ConflictResolverT[T]" = error_on_conflict,
    ) -> "Self":
        """Return a manager of this extension instead of an installed extension."""
        return super().make_test_instance(
            [extension], namespace, propagate_map_exceptions,
            on_load_failure_callback, verify_requirements,
            conflict_resolver=conflict_resolver,
        )  # fmt: skip

    def _init_plugins(self, extensions: "list[Extension[T]]") -> None:
        super()._init_plugins(extensions)
        name = self._names[0]
        if not self.extensions:
            from ._errors import no_driver  # deferred: only on failure

            names = self.entry_points_names()
            raise no_driver(self.namespace, name, names, self.excluded)
        if len(self.extensions) > 1:
            chosen = self._conflict_resolver(self.namespace, name, self.extensions)
            self.extensions: list[Extension[T]] = [chosen]

    def __call__(
        self,
        func: "Callable[Concatenate[Extension[T], P], U]",
        *args: "P.args",
        **kwds: "P.kwargs",
    ) -> "U | None":
        """Return func(extension, *args, **kwds) of the driver, or None if it fails.

        The exception is logged, or raised if `propagate_map_exceptions` is true.
        """
        answers = self.map(func, *args, **kwds)
        return answers[0] if answers else None

    @property
    def driver(self) -> "T | Callable[..., T]":
        """The plugin or, with `invoke_on_load`, its return value."""
        extension = self.extensions[0]
        return extension.plugin if extension.obj is None else extension.obj
