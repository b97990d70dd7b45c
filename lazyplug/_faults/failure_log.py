"""Record what failed in a manager."""

from .. import _environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._exceptions import MultipleMatches
    from .._extension import Extension
    from .._manager import Manager


class FailureLog:
    """What failed in a manager since the last `refresh()`."""

    __slots__ = ("conflicts", "errors", "said")

    def __init__(self) -> None:
        # what loading, or checking, an extension raised
        self.errors: dict[Extension[Any], Exception] = {}
        # of a name that several have and none gets
        self.conflicts: dict[str, MultipleMatches] = {}
        # the names of which that was told
        self.said: set[str] = set()

    def __reduce__(self) -> "tuple[Any, ...]":
        # An exception that cannot travel must not keep its manager here.
        return FailureLog, ()


def failure_log(manager: "Manager[Any, Any]") -> FailureLog:
    """Return what failed in a manager so far."""
    generation = _environment.generation
    told = manager._told.get(generation)
    if told is None:
        for before in [*manager._told]:
            if before != generation:
                manager._told.pop(before, None)
        # Of several threads that come here, one wins.
        told = manager._told.setdefault(generation, FailureLog())
    return told
