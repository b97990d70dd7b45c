"""Give every group the same extension points for the duration of a block."""

from collections.abc import Iterable
from contextlib import ExitStack
from unittest.mock import patch

from colcon_core import plugin_system  # type: ignore[import-not-found]


class ExtensionPointContext:
    """Let plugin_system load these extension points, and create new instances."""

    def __init__(self, **types: type) -> None:
        self._types = types
        self._stack = ExitStack()

    def _load(
        self, group: str, *, excludes: Iterable[str] | None = None
    ) -> dict[str, type]:
        excluded = {*(excludes or ())}
        return {n: kind for n, kind in self._types.items() if n not in excluded}

    def __enter__(self) -> None:
        enter = self._stack.enter_context
        enter(patch.object(plugin_system, "load_extension_points", self._load))
        enter(patch.dict(plugin_system._extension_instances, clear=True))

    def __exit__(self, *error: object) -> None:
        self._stack.close()
