"""A format of texts: capitals."""


def upper(text: str) -> str:
    """In capitals."""
    return text.upper()
