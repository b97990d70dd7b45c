"""How a volume is copied."""


class VolumeProtection:
    """Copies of volumes."""

    resource_type = "volume"

    def copy_of(self, resource: str) -> str:
        """Return a copy."""
        return f"a snapshot of {resource}"
