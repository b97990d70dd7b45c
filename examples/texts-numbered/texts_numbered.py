"""A format of texts: numbers before the lines."""


def numbered(text: str) -> str:
    """With the number of each line before it."""
    lines = text.splitlines(keepends=True)
    return "".join(f"{number:4}  {line}" for number, line in enumerate(lines, 1))
