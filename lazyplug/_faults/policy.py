"""Failure policy: a broken plugin is recorded, then logged, ignored or raised."""

import os

from .. import _environment, _settings
from .. import _messages as messages
from .._files import metadata_names
from .._indexing.metadata import ENTRY_POINTS
from .._indexing.reading import read_file
from .._log import report_once
from .._printable import describe_error, list_words
from .errors import broken_metadata, invalid_entry_point
from .failure_log import failure_log
from .problems import Failure, count_problems, problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._extension import Extension
    from .._manager import Manager
    from .problems import Problem

_POLICIES = ("warn", "ignore", "error")
# The new problems, each with the groups that it may concern; before them the key for
# which they were computed: the environment, and the names of metadata directories.
_cache: "tuple[Any, list[tuple[Problem, set[str] | None]]]" = None, []


def set_policy(manager: "Manager[Any]", policy: str) -> None:
    """Apply the policy of a manager that is being made; check the metadata first."""
    if policy not in _POLICIES:
        raise ValueError(
            messages.NOT_VALID.format(
                value=repr(policy), what="on_failure", expected=list_words(_POLICIES)
            )
        )
    if policy == "ignore":
        return
    if policy == "warn":
        _report_new_problems(manager.namespace)
    else:
        found = problems()
        if found:
            raise broken_metadata(found)
        for extension in manager.extensions:
            if _is_invalid(extension):
                raise invalid_entry_point(extension)


def _report_new_problems(namespace: str) -> None:
    """Log the problems that scans of this process have found.

    Log a warning for problems that may concern the requested namespace, and a debug
    message for others.
    """
    global _cache  # noqa: PLW0603
    new = _settings.unreported.copy()
    key = _environment.current(), *sorted(new)
    if key != _cache[0]:
        _cache = (
            key,
            [
                (problem, _groups_of(problem))
                for problem in problems()
                if not new.isdisjoint(problem.path.split(os.sep))
            ],
        )
    own: list[Problem] = []
    others: list[Problem] = []
    for problem, groups in _cache[1]:
        concerned = groups is None or any(_matches(each, namespace) for each in groups)
        (own if concerned else others).append(problem)
    for several in filter(None, (own, others)):
        more = f" ({count_problems(several)})" if len(several) > 1 else ""
        report_once(
            f"{messages.IGNORING_METADATA.format(problem=several[0])}{more}."
            f" {messages.SEE_PROBLEMS}",
            quiet=several is others,
        )


def _matches(group: str, namespace: str) -> bool:
    """Return True if a group is the namespace, or belongs to that family."""
    return group == namespace or (
        namespace[-2:] == ".*" and group.startswith(namespace[:-1])
    )


def _groups_of(problem: "Problem") -> "set[str] | None":
    """Return the groups that a problem of a distribution may concern; None if any."""
    directory, name = os.path.split(problem.path)
    metadata = problem.path if metadata_names([name], directory) else directory
    file = metadata + ENTRY_POINTS
    text, _, reason = read_file(file, errors="replace")
    if text is None:
        return None if reason else set()
    groups = set()
    last = None
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if line[:1] == "[" and line[-1:] == "]":
            last = line.strip("[]")
            groups.add(last)
        if number == problem.line:
            # A line before all groups, or one like a group header, may concern any.
            return None if last is None or line[:1] == "[" else {last}
    if problem.path == file and (not groups or any("\ufffd" in g for g in groups)):
        return None  # the readable text does not tell which groups
    return groups


def _is_invalid(extension: "Extension[Any]") -> bool:
    # A plugin that was given as an object needs no reference.
    return extension._module is None and not extension.loaded


def failures(manager: "Manager[Any]") -> "list[Failure]":
    """Return the failures of a manager since the last `refresh()`."""
    log = failure_log(manager)
    # A copy: another thread may be loading.
    errors = dict(log.errors)
    found: dict[Extension[Any], Exception] = {}
    for extension in manager.extensions:
        recorded_error = errors.pop(extension, None)
        # Compared with None: an exception may be false, or its `__bool__` may raise.
        error = extension.load_error
        if error is None:
            error = recorded_error
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
        for name, error in dict(log.conflicts).items()
        # Some managers do not have them in `extensions`.
        for extension in manager._candidates
        if extension.name == name and extension not in manager.excluded
    ]
    return [
        _failure(extension, error)
        for extension, error in failed
        if not issubclass(type(error), manager._skip)
    ]


def _failure(extension: "Extension[Any]", error: Exception) -> "Failure":
    label = file = ""
    if extension._owner is not None:
        from .._distribution import identify

        name, version, file = identify(extension._owner)
        label = f"{name} {version}".rstrip()
    reason = describe_error(error)
    fields = extension.name, extension.group, extension.value, label, file
    return Failure(*fields, extension._line, reason, error)
