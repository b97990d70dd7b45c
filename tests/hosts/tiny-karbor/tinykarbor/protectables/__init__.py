"""What can be protected."""

from typing import Any

from tinykarbor.engine import extensions

NAMESPACE = "tinykarbor.protectables"


class ProtectableRegistry:
    """All that can be protected, by type; what cannot be loaded is kept apart."""

    def __init__(self) -> None:
        self.plugins: dict[str, Any] = {}
        self.failed: list[dict[str, str]] = []
        for extension in extensions(NAMESPACE, self._fail):
            self.plugins[extension.obj.resource_type] = extension.obj

    def _fail(self, manager: Any, entry_point: Any, error: Exception) -> None:
        failure = {
            "namespace": manager.namespace,
            "name": entry_point.name,
            "value": entry_point.value,
            "error": f"{type(error).__name__}: {error}",
        }
        self.failed.append(failure)

    def resources(self) -> dict[str, str]:
        """Return one resource of each type."""
        return {kind: self.plugins[kind].resource() for kind in self.plugins}
