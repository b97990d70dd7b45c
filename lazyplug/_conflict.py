"""What to do when one name stands several times in a group."""

from ._exceptions import multiple_matches, origin
from ._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from ._manager import Extension

    T = TypeVar("T")


def ignore_conflicts(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Take the last one, as stevedore does, and log it. Imports no plugin."""
    lines = "".join(f"\n  {origin(extension)}" for extension in entrypoints)
    report_once(
        f"{len(entrypoints)} extensions named {name!r} in group {namespace!r};"
        f" the last one is used:{lines}"
    )
    return entrypoints[-1]


def error_on_conflict(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Raise MultipleMatches, which names all distributions. Imports no plugin."""
    raise multiple_matches(namespace, name, entrypoints)
