"""What could not be used harms nothing else: it is counted, and told or raised."""

from . import _cache
from ._exceptions import broken_metadata, invalid_entry_point, quoted
from ._mapping import told_of
from ._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manager import Extension, Manager
    from ._problem import Failure

_POLICIES = ("warn", "ignore", "error")


def set_policy(manager: "Manager[Any, Any]", policy: str) -> None:
    """Let a manager that is being made treat failures so; metadata comes first."""
    if policy not in _POLICIES:
        raise ValueError(
            f"on_failure is {policy!r}; it may be one of {quoted(_POLICIES)}"
        )
    manager._on_failure = policy
    if policy == "ignore":
        return
    from ._problem import problems  # deferred: imports typing

    if policy == "warn":
        if _cache.news:
            _cache.news.clear()
            found = problems()
            if found:
                more = f", {len(found)} in all" if len(found) > 1 else ""
                report_once(
                    f"broken metadata, survived: {found[0]}{more};"
                    " lazyplug.problems() has them"
                )
    else:
        found = problems()
        if found:
            raise broken_metadata(found)
        for extension in manager.extensions:
            if _is_invalid(extension):
                raise invalid_entry_point(extension)


def _is_invalid(extension: "Extension[Any]") -> bool:
    # What is given by its object needs no reference.
    return extension._module is None and not extension.loaded


def failures(manager: "Manager[Any, Any]") -> "list[Failure]":
    """Return what failed in a manager since the last `refresh()`."""
    told = told_of(manager)
    # Copied at once: another thread may be loading.
    errors = dict(told.errors)
    found: dict[Extension[Any], Exception] = {}
    for extension in manager.extensions:
        error = extension.load_error or errors.pop(extension, None)
        if error is None and _is_invalid(extension):
            error = invalid_entry_point(extension)
        if error is not None:
            found[extension] = error
    failed = [
        *found.items(),
        *(each for each in errors.items() if each[0] not in found),
    ]
    failed += [
        (extension, error)
        for name, error in dict(told.conflicts).items()
        # Some managers leave them out of their extensions.
        for extension in manager._made
        if extension.name == name and extension not in manager.excluded
    ]
    return [_failure(extension, error) for extension, error in failed]


def _failure(extension: "Extension[Any]", error: Exception) -> "Failure":
    from ._problem import Failure  # deferred: imports typing

    label = file = ""
    if extension._owner is not None:
        from ._scan import identify

        name, version, file = identify(extension._owner)
        label = f"{name} {version}".rstrip()
    reason = f"{type(error).__name__}: {error}"
    fields = extension.name, extension.group, extension.value, label, file
    return Failure(*fields, extension._line, reason, error)
