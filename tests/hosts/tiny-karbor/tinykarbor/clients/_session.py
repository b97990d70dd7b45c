"""What clients share; it is none itself."""


def connect(service: str, user: str) -> dict[str, str]:
    """Return a session."""
    return {"service": service, "user": user}
