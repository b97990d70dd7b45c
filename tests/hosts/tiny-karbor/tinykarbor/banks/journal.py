"""A bank that forgets nothing."""


class JournalBank:
    """All copies, in order."""

    def __init__(self) -> None:
        self._kept: list[str] = []

    def keep(self, kind: str, copy: str) -> None:
        """Keep a copy."""
        self._kept.append(f"{kind}: {copy}")

    def content(self) -> list[str]:
        """Return what is kept."""
        return self._kept
