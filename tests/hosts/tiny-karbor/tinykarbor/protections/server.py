"""How a server is copied."""


class ServerProtection:
    """Copies of servers."""

    resource_type = "server"

    def copy_of(self, resource: str) -> str:
        """Return a copy."""
        return f"an image of {resource}"
