"""What a protectable is."""

from abc import ABC, abstractmethod


class Protectable(ABC):
    """A type of resource."""

    resource_type = ""

    @abstractmethod
    def resource(self) -> str:
        """Return the name of a resource."""
