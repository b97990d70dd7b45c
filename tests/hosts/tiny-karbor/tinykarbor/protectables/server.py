"""The servers of a cloud."""

from .base import Protectable


class Server(Protectable):
    """A server."""

    resource_type = "server"

    def resource(self) -> str:
        """Return the name of a server."""
        return "server-1"
