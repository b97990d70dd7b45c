"""What could not be used harms nothing else: it is counted, and told or raised."""

import os

from .. import _environment, _settings
from .._files import metadata_names
from .._indexing.metadata import ENTRY_POINTS
from .._indexing.reading import read
from .._log import report_once
from .._printable import quoted, words_of
from .failure_log import failure_log
from .messages import broken_metadata, invalid_entry_point
from .problems import Failure, problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._extension import Extension
    from .._manager import Manager
    from .problems import Problem

_POLICIES = ("warn", "ignore", "error")
# From what this was computed: the environment, and the names of the metadata; then the
# new problems, with the groups that each may concern.
_found: "tuple[Any, list[tuple[Problem, set[str] | None]]]" = None, []


def set_policy(manager: "Manager[Any, Any]", policy: str) -> None:
    """Let a manager that is being made treat failures so; metadata comes first."""
    if policy not in _POLICIES:
        raise ValueError(
            f"on_failure is {policy!r}; it may be one of {quoted(_POLICIES)}"
        )
    if policy == "ignore":
        return
    if policy == "warn":
        _report_news(manager.namespace)
    else:
        found = problems()
        if found:
            raise broken_metadata(found)
        for extension in manager.extensions:
            if _is_invalid(extension):
                raise invalid_entry_point(extension)


def _report_news(namespace: str) -> None:
    """Log what a scan of this process found broken.

    It is a warning if it may concern the requested namespace, else it is logged at
    debug level.
    """
    global _found  # noqa: PLW0603
    new = _settings.unreported.copy()
    asked = _environment.current(), *sorted(new)
    if asked != _found[0]:
        _found = (
            asked,
            [
                (problem, _groups_of(problem))
                for problem in problems()
                if not new.isdisjoint(problem.path.split(os.sep))
            ],
        )
    own: list[Problem] = []
    others: list[Problem] = []
    for problem, groups in _found[1]:
        concerned = groups is None or any(_is_of(each, namespace) for each in groups)
        (own if concerned else others).append(problem)
    for several in filter(None, (own, others)):
        more = f", {len(several)} in all" if len(several) > 1 else ""
        report_once(
            f"ignoring broken metadata: {several[0]}{more};"
            " lazyplug.problems() lists them",
            quiet=several is others,
        )


def _is_of(group: str, namespace: str) -> bool:
    """Return True if a group is the namespace, or belongs to that family."""
    return group == namespace or (
        namespace[-2:] == ".*" and group.startswith(namespace[:-1])
    )


def _groups_of(problem: "Problem") -> "set[str] | None":
    """Return the groups that a problem of a distribution may concern; None: any."""
    folder, name = os.path.split(problem.path)
    metadata = problem.path if metadata_names([name], folder) else folder
    file = metadata + ENTRY_POINTS
    text, _, reason = read(file, errors="replace")
    if text is None:
        return None if reason else set()
    groups = set()
    last = None
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line[:1] == "[" and line[-1:] == "]":
            last = line.strip("[]")
            groups.add(last)
        if number == problem.line:
            # A line before any group, or one like a group header, may concern any.
            return None if last is None or line[:1] == "[" else {last}
    if problem.path == file and (not groups or any("\ufffd" in g for g in groups)):
        return None  # what can be read does not say which
    return groups


def _is_invalid(extension: "Extension[Any]") -> bool:
    # What is given by its object needs no reference.
    return extension._module is None and not extension.loaded


def failures(manager: "Manager[Any, Any]") -> "list[Failure]":
    """Return what failed in a manager since the last `refresh()`."""
    told = failure_log(manager)
    # Copied at once: another thread may be loading.
    errors = dict(told.errors)
    found: dict[Extension[Any], Exception] = {}
    for extension in manager.extensions:
        told_error = errors.pop(extension, None)
        # An exception may be false, or raise when asked whether it is true.
        error = extension.load_error
        if error is None:
            error = told_error
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
    label = file = ""
    if extension._owner is not None:
        from .._distribution import identify

        name, version, file = identify(extension._owner)
        label = f"{name} {version}".rstrip()
    reason = words_of(error)
    fields = extension.name, extension.group, extension.value, label, file
    return Failure(*fields, extension._line, reason, error)
