"""Record the failures of a manager."""

from .. import _environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._exceptions import MultipleMatches
    from .._extension import Extension
    from .._manager import Manager


class FailureLog:
    """The failures of a manager since the last `refresh()`."""

    __slots__ = ("conflicts", "errors", "reported")

    def __init__(self) -> None:
        # the exceptions from loading or checking extensions
        self.errors: dict[Extension[Any], Exception] = {}
        # the conflicts that no resolver decided, by name
        self.conflicts: dict[str, MultipleMatches] = {}
        # the names whose conflict was reported
        self.reported: set[str] = set()

    def __reduce__(self) -> "tuple[Any, ...]":
        # A manager can be pickled even if its exceptions cannot.
        return FailureLog, ()


def failure_log(manager: "Manager[Any]") -> FailureLog:
    """Return the failures of a manager in the current generation."""
    generation = _environment.generation
    log = manager._failure_logs.get(generation)
    if log is None:
        for other in [*manager._failure_logs]:
            if other != generation:
                manager._failure_logs.pop(other, None)
        # If several threads do this at the same time, all get the same log.
        log = manager._failure_logs.setdefault(generation, FailureLog())
    return log
