"""Provide a format: capitals."""


def upper(text: str) -> str:
    """Convert the text to capitals."""
    return text.upper()
