"""The client of the compute service."""

from ._session import connect


def create(user: str) -> dict[str, str]:
    """Return a session with that service."""
    return connect("compute", user)
