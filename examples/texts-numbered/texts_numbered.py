"""Provide a format: numbered lines."""


def numbered(text: str) -> str:
    """Add line numbers."""
    lines = text.splitlines(keepends=True)
    return "".join(f"{number:4}  {line}" for number, line in enumerate(lines, 1))
