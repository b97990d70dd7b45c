"""Make the errors and log messages about plugins: what, where, and what to do."""

import os
import sys

from .._distribution import identify
from .._environment import current, rows
from .._exceptions import (
    BrokenMetadata,
    CircularLoad,
    InvalidChoice,
    InvalidEntryPoint,
    LazyplugError,
    MultipleMatches,
    NoMatches,
    ProtocolMismatch,
)
from .._indexing.metadata import INVALID_REFERENCE
from .._inventory import groups_of, is_left_over, rows_by_group
from .._log import ERROR, log, log_once, logs_debug
from .._printable import clean, describe_error, list_words, repr_of
from .problems import count_problems, problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .._extension import Extension
    from .._types import Owner
    from .problems import Problem


def declared(owner: "Any", line: int) -> str:
    """Return the distribution, file and line that declare an entry point, as text.

    The metadata is read, so that name and version are current.
    """
    name, version, file = identify(owner)
    text = f"declared by {name} {version}".rstrip()
    if file:
        text += f" in {file}"
    return clean(text) + (f", line {line}" if line else "")


def origin(extension: "Any") -> str:
    """Return a description of an entry point, with its distribution, file and line."""
    owner = getattr(extension, "_owner", None)
    line = 0 if owner is None else extension._line
    return _origin(extension.group, extension.name, extension.value, owner, line)


def _origin(group: str, name: str, value: str, owner: "Owner | None", line: int) -> str:
    text = f"entry point '{clean(name)} = {clean(value)}' of group {group!r}"
    return text if owner is None else f"{text}, {declared(owner, line)}"


def near_misses(word: str, words: "Iterable[str]") -> "tuple[str, ...]":
    """Return the words that are similar to a misspelled one, the nearest first.

    >>> near_misses("jsno", ["json", "yaml"])
    ('json',)
    """
    try:
        from difflib import get_close_matches  # deferred: only on failure
    except (ImportError, OSError):
        return ()  # files can no longer be read: no hint
    return tuple(get_close_matches(word, sorted(set(words)), n=3))


def no_matches(
    namespace: str,
    name: "str | None",
    available: "Iterable[str]",
    excluded: "Mapping[Extension[Any], str] | None" = None,
) -> NoMatches:
    """Return the error for a name that is not in the group, or for an empty group.

    :param name: the requested name; None if any would do.
    :param available: the names of the extensions that can be requested.
    :param excluded: the extensions that the host's choice excludes, with the reasons.
    """
    names = tuple(dict.fromkeys(available))
    out = excluded or {}
    missing = "no extension" if name is None else f"no extension named {name!r}"
    text = f"{missing} in group {namespace!r}"
    near: tuple[str, ...] = ()
    reasons = [
        f"\n  {origin(extension)}: {reason}"
        for extension, reason in out.items()
        if name in (None, extension.name)
    ]
    if name is not None and name in names:
        text += (
            " could be loaded: it is declared, but failed to load."
            f" Run `lazyplug check {_argument(namespace)}`."
        )
    elif reasons:
        text += f" is enabled:{''.join(reasons)}\n"
        if names:
            text += f"Available: {list_words(sorted(names))}."
    elif names or out:
        near = near_misses(name or "", [*names, *(each.name for each in out)])
        text += f"; did you mean {list_words(near)}?" if near else "."
        if names:
            text += f" Available: {list_words(sorted(names))}."
        if out:
            text += f" Excluded: {list_words(sorted({each.name for each in out}))}."
    else:
        environment = current()
        groups = list(rows_by_group(environment))
        text += ": no installed distribution declares that group"
        near = near_misses(namespace, groups)
        if near:
            text += f"; did you mean the group {list_words(near)}?"
        elif not groups:
            text += (
                "; no entry points found on sys.path: is the metadata of the"
                " distributions missing?"
            )
        else:
            text += "; is the distribution that declares it installed?"
        if environment.frozen is None and (not groups or hasattr(sys, "frozen")):
            text += (
                " A program without metadata, as PyInstaller builds it, needs a frozen"
                " index: run `lazyplug freeze --trust` where the distributions are"
                " installed, and ship the file."
            )
    left_overs = _left_overs(namespace, name)
    error = NoMatches((text + left_overs + _frozen_note() + _problems_note()).rstrip())
    error.namespace, error.name = namespace, name
    error.available, error.near = names, near
    return error


def _is_plain(text: str) -> bool:
    """Return True if a text has no characters that shells or patterns interpret."""
    return all(char.isalnum() or char in ".-_" for char in text)


def _argument(text: str) -> str:
    """Return a text as an argument on a command line, quoted if necessary.

    >>> _argument("app.loaders"), _argument("app.*")
    ('app.loaders', "'app.*'")
    """
    return text if _is_plain(text) else repr(text)


def _left_overs(namespace: str, name: "str | None") -> str:
    """Return a message about missing extensions that an interrupted pip left behind."""
    found = [
        f"\n  {_origin(group, row[0], row[1], owner, row[4])}"
        for group in groups_of(namespace)
        for row, owner in rows(group)
        if is_left_over(owner) and name in (None, row[0])
    ]
    if not found:
        return ""
    return (
        f"\nAn interrupted pip left these entry points behind:{''.join(found)}\n"
        "Delete that directory, and reinstall the distribution."
    )


def _frozen_note() -> str:
    environment = current()
    if environment.frozen is None:
        return ""
    from .._indexing.freeze import staleness_note  # deferred: few environments have one

    return staleness_note(environment)


def _problems_note() -> str:
    found = problems()
    if not found:
        return ""
    text = f" Note: {count_problems(found)} in the metadata"
    if len(found) == 1:
        return f"{text}: {found[0]}."
    advice = "Run `lazyplug doctor`, or call lazyplug.problems()."
    return f"{text}, such as {found[0]}. {advice}"


def multiple_matches(
    namespace: str, name: str, extensions: "Iterable[Extension[Any]]"
) -> MultipleMatches:
    """Return the error for a name that is declared more than once."""
    found = tuple(extensions)
    lines = "".join(f"\n  {origin(extension)}" for extension in found)
    error = MultipleMatches(
        f"{name!r} is declared more than once in group {namespace!r}:{lines}\n"
        f"{_advice(found)}"
    )
    error.namespace, error.name, error.extensions = namespace, name, found
    return error


def _advice(extensions: "Iterable[Extension[Any]]") -> str:
    """Return the advice for a name that is declared more than once.

    It advises to uninstall only distributions that pip can uninstall: they are in this
    environment and have a RECORD.
    """
    owned = {e._owner[0]: (e, e._owner) for e in extensions if e._owner is not None}
    removable = [owner for _, owner in owned.values() if _can_be_uninstalled(owner)]
    names = [clean(identify(owner)[0]) for owner in removable]
    steps = []
    if len(owned) > 1:
        if names:
            steps.append(f"uninstall {' or '.join(names)} (pip uninstall {names[0]})")
        key, (first, _) = next(iter(owned.items()))
        if _is_plain(f"{first.group}{first.name}{key}"):
            pattern = f"{first.group}={first.name}@{key.replace('_', '-')}"
            steps.append(f"set LAZYPLUG_DENY={pattern}")
    advice = ", or ".join([*steps, "pass conflict_resolver= to choose"])
    return f"{advice[0].upper()}{advice[1:]}."


def _can_be_uninstalled(owner: "Any") -> bool:
    _, path, file, _ = owner
    if not isinstance(path, str) or file[:1] == "~":
        return False
    inside = sys.prefix == sys.base_prefix or path.startswith(sys.prefix + os.sep)
    return inside and os.access(os.path.join(path, file, "RECORD"), os.F_OK)


def broken_metadata(problems: "Iterable[Problem]") -> BrokenMetadata:
    """Return the error for metadata that has problems."""
    found = tuple(problems)
    lines = "".join(f"\n  {problem}" for problem in found)
    error = BrokenMetadata(
        f"{count_problems(found)} in the metadata on sys.path:{lines}\n"
        "Reinstall these distributions, or remove them."
    )
    error.problems = found
    return error


def bad_choice(source: str, text: str) -> InvalidChoice:
    """Return the error for a choice that is not valid."""
    error = InvalidChoice(f"{clean(source)}: {text}")
    error.source = source
    return error


def invalid_entry_point(entry_point: "Any") -> InvalidEntryPoint:
    """Return the error for an entry point whose value is not a valid reference."""
    error = InvalidEntryPoint(
        f"{origin(entry_point)}: {entry_point.value!r} is {INVALID_REFERENCE}."
        " Its author must correct it:"
        " https://packaging.python.org/specifications/entry-points/#data-model"
    )
    error.extension = entry_point
    return error


def circular_load(extension: "Any", names: "Iterable[str]") -> CircularLoad:
    """Return the error for a call that waits for itself."""
    cycle = (*names, extension.name)
    error = CircularLoad(
        f"{origin(extension)}: its call waits for itself: {clean(' -> '.join(cycle))}."
        " One of them must not access `.obj` of the next one during its own call."
    )
    error.names = cycle
    return error


def unfinished(extension: "Any") -> CircularLoad:
    """Return the error for a call of a plugin whose module is still being imported."""
    name = extension.module_name
    error = CircularLoad(
        f"{origin(extension)} cannot be called while its module {name} is still being"
        f" imported. Neither {name} nor a module that it imports may access its `.obj`."
    )
    error.names = extension.name, extension.name
    return error


def protocol_mismatch(
    extension: "Any", plugin: object, protocol: type, lacking: "Iterable[str]"
) -> ProtocolMismatch:
    """Return the error for a plugin that does not fit `protocol=`."""
    missing = tuple(lacking)
    error = ProtocolMismatch(
        f"{origin(extension)}: {repr_of(plugin)} does not fit {protocol.__qualname__}"
        + (f": it lacks {list_words(missing)}" if missing else "")
        + ". Its author must follow the host's plugin interface."
    )
    error.extension, error.missing = extension, missing
    return error


def failed_load(extension: "Any", error: Exception, failed: str = "loaded") -> str:
    """Return the message for a plugin that could not be loaded, or otherwise failed.

    A LazyplugError that already names the entry point is returned as it is.
    """
    subject = origin(extension)
    # isinstance() would read the error's `__class__`, which may run plugin code.
    if issubclass(type(error), LazyplugError):
        text = describe_error(error, named=False)
        if subject in text:
            return text
    return f"{subject} could not be {failed}: {describe_error(error)}"


def failed_driver(extension: "Any", error: Exception) -> NoMatches:
    """Return the error for a driver whose failure was passed to the host's callback."""
    failure = NoMatches(failed_load(extension, error))
    failure.namespace, failure.name = extension.group, extension.name
    return failure


def report_failure(extension: "Extension[Any]", error: Exception) -> None:
    """Log, once per process, that an extension could not be loaded or checked."""
    if issubclass(type(error), MultipleMatches) and extension.load_error is not error:
        failed = "selected"
    else:
        failed = "checked" if extension.load_error is None else "loaded"
    message = failed_load(extension, error, failed)
    if failed != "selected":
        message = clean(message)  # a plugin may have raised the error
    log_once(ERROR, message, error if logs_debug() else None)


def report_call(extension: "Extension[Any]", error: Exception) -> None:
    """Log the exception of a function that was mapped over extensions."""
    where = f"{extension.name!r} of group {extension.group!r}"
    log(ERROR, f"error calling {where}: {clean(describe_error(error))}", error)


def report_subscriber(subscriber: object, error: Exception) -> None:
    """Log the exception of a function that subscribed to changes."""
    reason = clean(describe_error(error))
    log(ERROR, f"error in subscriber {repr_of(subscriber)}: {reason}", error)
