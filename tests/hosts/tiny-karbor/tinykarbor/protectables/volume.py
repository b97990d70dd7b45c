"""The volumes of a cloud."""

from .base import Protectable


class Volume(Protectable):
    """A volume."""

    resource_type = "volume"

    def resource(self) -> str:
        """Return the name of a volume."""
        return "volume-1"
