"""A bank that forgets what is kept twice."""


class MemoryBank:
    """The last copy of each resource."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}

    def keep(self, kind: str, copy: str) -> None:
        """Keep a copy."""
        self._kept[kind] = copy

    def content(self) -> dict[str, str]:
        """Return what is kept."""
        return self._kept
