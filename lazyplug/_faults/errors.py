"""Build the errors about plugins, and log failures: what, where, and what to do."""

import os
import sys

from .. import _messages as messages
from .._distribution import identify
from .._environment import current, rows
from .._exceptions import (
    BrokenMetadata,
    CircularLoad,
    InvalidChoice,
    InvalidEntryPoint,
    InvalidFacts,
    LazyplugError,
    MultipleMatches,
    NoMatches,
    ProtocolMismatch,
)
from .._inventory import groups_of, is_left_over, rows_by_group, rows_of_namespace
from .._log import ERROR, debug, log, log_once, logs_debug, report_once
from .._printable import clean, describe_error, list_words, repr_of, sentence
from .lost import missing_plugins
from .origin import origin, origin_of
from .problems import count_problems, problems

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .._extension import Extension
    from .problems import Problem


def near_misses(word: str, words: "Iterable[str]") -> "tuple[str, ...]":
    """Return the words that are similar to a misspelled one, the nearest first.

    Upper and lower case do not matter.

    >>> near_misses("jsno", ["json", "yaml"]), near_misses("JSON", ["json", "yaml"])
    (('json',), ('json',))
    """
    try:
        from difflib import get_close_matches  # deferred: only on failure
    except (ImportError, OSError):
        return ()  # files can no longer be read: no hint
    folded: dict[str, list[str]] = {}
    for each in sorted(set(words)):
        folded.setdefault(each.casefold(), []).append(each)
    near = get_close_matches(word.casefold(), folded, n=3)
    return tuple(each for key in near for each in folded[key])[:3]


def did_you_mean(near: "Iterable[str]", kind: str = "") -> str:
    """Return the end of a message that suggests similar words; "" if there are none.

    >>> did_you_mean(["json", "jsonl"]), did_you_mean(["app"], "the group ")
    ("; did you mean 'json' or 'jsonl'?", "; did you mean the group 'app'?")
    """
    words = " or ".join(map(repr, near))
    return messages.DID_YOU_MEAN.format(names=f"{kind}{words}") if words else ""


def describe_missing(namespace: str, name: "str | None") -> str:
    """Return what is missing: the extension of a name, or any if the name is None."""
    what = messages.NO_EXTENSION
    if name is not None:
        what = messages.NO_EXTENSION_NAMED.format(name=name)
    return messages.IN_GROUP.format(what=what, namespace=namespace)


def no_matches(
    namespace: str,
    name: "str | None",
    available: "Iterable[str]",
    excluded: "Mapping[Extension[Any], str] | None" = None,
    known: "Mapping[str, str] | None" = None,
) -> NoMatches:
    """Return the error for a name that is not in the group, or for an empty group.

    :param name: the requested name; None if any would do.
    :param available: the names of the extensions that can be requested.
    :param excluded: the extensions that the host's choice excludes, with the reasons.
    :param known: the distributions that declare plugins which the host knows, by name.
    """
    names = tuple(dict.fromkeys(available))
    out = excluded or {}
    text = describe_missing(namespace, name)
    near: tuple[str, ...] = ()
    reasons = [
        f"\n  {origin(extension)}: {reason}"
        for extension, reason in out.items()
        if name in (None, extension.name)
    ]
    if name is not None and name in names:
        text += f" {messages.FAILED_TO_LOAD.format(group=_argument(namespace))}"
    elif name is None and names and not reasons:
        text += f" {messages.NONE_LEFT.format(group=_argument(namespace))}"
    elif reasons:
        text += f" {messages.NONE_ENABLED.format(reasons=''.join(reasons))}\n"
        if names:
            text += messages.AVAILABLE.format(names=list_words(sorted(names)))
    elif names or out:
        near = near_misses(name or "", [*names, *(each.name for each in out)])
        text += did_you_mean(near) or "."
        if names:
            text += f" {messages.AVAILABLE.format(names=list_words(sorted(names)))}"
        if out:
            excluded_names = list_words(sorted({each.name for each in out}))
            text += f" {messages.EXCLUDED.format(names=excluded_names)}"
    elif rows_of_namespace(namespace):
        text += "."  # the host asked for none of them
    else:
        environment = current()
        groups = list(rows_by_group(environment))
        text += f": {messages.NOT_DECLARED.format(what='that group')}"
        near = near_misses(namespace, groups)
        if near:
            text += did_you_mean(near, "the group ")
        elif not groups:
            text += f"; {messages.NO_ENTRY_POINTS}: {messages.IS_METADATA_MISSING}"
        else:
            text += f"; {messages.IS_IT_INSTALLED}"
        if environment.frozen is None and (not groups or hasattr(sys, "frozen")):
            text += f" {messages.NEEDS_FROZEN_INDEX}"
    left_overs = _left_overs(namespace, name)
    missing: list[str] = []
    install = ""
    if name is None or name not in names:
        missing, install = missing_plugins(namespace, name, known)
    found = "".join(f"\n{line}" for line in missing)
    rest = found + left_overs + _frozen_note() + _problems_note()
    error = NoMatches((text + rest).rstrip())
    error.namespace, error.name, error.install = namespace, name, install
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
        f"\n  {origin_of(group, row[0], row[1], owner, row[4])}"
        for group in groups_of(namespace)
        for row, owner in rows(group)
        if is_left_over(owner) and name in (None, row[0])
    ]
    if not found:
        return ""
    return f"\n{messages.LEFT_BEHIND_BY_PIP.format(lines=''.join(found))}"


def _frozen_note() -> str:
    environment = current()
    if environment.frozen is None:
        return ""
    from .._indexing.freeze import staleness_note  # deferred: few environments have one

    note = staleness_note(environment)
    return f" {messages.NOTE.format(text=note)}" if note else ""


def _problems_note() -> str:
    found = problems()
    if not found:
        return ""
    count = count_problems(found)
    if len(found) == 1:
        text = f"{messages.ONE_PROBLEM.format(count=count, problem=found[0])}."
    else:
        text = messages.MANY_PROBLEMS.format(count=count, problem=found[0])
        text += f". {messages.SEE_PROBLEMS}"
    return f" {messages.NOTE.format(text=text)}"


def multiple_matches(
    namespace: str, name: str, extensions: "Iterable[Extension[Any]]"
) -> MultipleMatches:
    """Return the error for a name that is declared more than once."""
    found = tuple(extensions)
    text = messages.DECLARED_TWICE.format(name=name, namespace=namespace)
    lines = "".join(f"\n  {origin(extension)}" for extension in found)
    error = MultipleMatches(f"{text}:{lines}\n{advice(found)}")
    error.namespace, error.name, error.extensions = namespace, name, found
    return error


def advice(extensions: "Iterable[Extension[Any]]") -> str:
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
            steps.append(
                messages.UNINSTALL.format(names=" or ".join(names), first=names[0])
            )
        key, (first, _) = next(iter(owned.items()))
        if _is_plain(f"{first.group}{first.name}{key}"):
            pattern = f"{first.group}={first.name}@{key.replace('_', '-')}"
            steps.append(messages.SET_DENY.format(pattern=pattern))
    return sentence(", or ".join([*steps, messages.USE_RESOLVER]))


def _can_be_uninstalled(owner: "Any") -> bool:
    _, path, file, _ = owner
    if not isinstance(path, str) or file[:1] == "~":
        return False
    python = current().installation or sys
    is_base = python.prefix == python.base_prefix
    inside = is_base or path.startswith(python.prefix + os.sep)
    return inside and os.access(os.path.join(path, file, "RECORD"), os.F_OK)


def broken_metadata(problems: "Iterable[Problem]") -> BrokenMetadata:
    """Return the error for metadata that has problems."""
    found = tuple(problems)
    lines = "".join(f"\n  {problem}" for problem in found)
    error = BrokenMetadata(
        messages.BROKEN_METADATA.format(count=count_problems(found), lines=lines)
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
        messages.INVALID_ENTRY_POINT.format(
            extension=origin(entry_point),
            reason=f"{entry_point.value!r} is {messages.INVALID_REFERENCE}",
        )
    )
    error.extension = entry_point
    return error


def invalid_facts(
    extension: "Extension[Any]", error: Exception, places: "Iterable[str]"
) -> InvalidFacts:
    """Return the error for facts that the host's schema has refused.

    :param places: the files and lines that the facts come from.
    """
    text = messages.INVALID_FACTS.format(
        extension=origin(extension), error=clean(describe_error(error))
    )
    files = ", ".join(map(clean, dict.fromkeys(places)))
    found = InvalidFacts(
        messages.FACTS_FROM.format(text=text, files=files) if files else text
    )
    found.extension = extension
    return found


def report_facts(extension: "Extension[Any]", problem: str) -> None:
    """Log what is wrong with the declared facts of an extension, once."""
    report_once(
        messages.IGNORING_FACTS.format(extension=origin(extension), problem=problem)
    )


def circular_load(extension: "Any", names: "Iterable[str]") -> CircularLoad:
    """Return the error for a call that waits for itself."""
    cycle = (*names, extension.name)
    error = CircularLoad(
        messages.WAITS_FOR_ITSELF.format(
            extension=origin(extension), cycle=clean(" -> ".join(cycle))
        )
    )
    error.names = cycle
    return error


def unfinished(extension: "Any") -> CircularLoad:
    """Return the error for a call of a plugin whose module is still being imported."""
    name = extension.module_name
    error = CircularLoad(
        messages.STILL_IMPORTED.format(extension=origin(extension), module=name)
    )
    error.names = extension.name, extension.name
    return error


def protocol_mismatch(
    extension: "Any", plugin: object, protocol: type, lacking: "Iterable[str]"
) -> ProtocolMismatch:
    """Return the error for a plugin that does not fit `protocol=`."""
    missing = tuple(lacking)
    lacks = messages.LACKS.format(names=list_words(missing)) if missing else ""
    error = ProtocolMismatch(
        messages.DOES_NOT_FIT.format(
            extension=origin(extension),
            plugin=repr_of(plugin),
            protocol=protocol.__qualname__ + lacks,
        )
    )
    error.extension, error.missing = extension, missing
    return error


def failed_load(extension: "Any", error: BaseException, failed: str = "loaded") -> str:
    """Return the message for a plugin that could not be loaded, or otherwise failed.

    A LazyplugError that already names the entry point is returned as it is.
    """
    subject = origin(extension)
    # isinstance() would read the error's `__class__`, which may run plugin code.
    if issubclass(type(error), LazyplugError):
        text = describe_error(error, named=False)
        if subject in text:
            return text
    return messages.COULD_NOT_BE.format(
        extension=subject, done=failed, error=describe_error(error)
    )


def failed_driver(extension: "Any", error: Exception) -> NoMatches:
    """Return the error for a driver whose failure was passed to the host's callback."""
    failure = NoMatches(failed_load(extension, error))
    failure.namespace, failure.name = extension.group, extension.name
    return failure


def skipped(extension: "Extension[Any]", error: Exception) -> str:
    """Return why an extension is excluded that declined to be used; log that."""
    reason = messages.EXCLUDED_BY_ITSELF.format(error=clean(describe_error(error)))
    debug(f"{origin(extension)}: {reason}")
    return reason


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
    message = messages.ERROR_CALLING.format(
        extension=origin(extension), error=clean(describe_error(error))
    )
    log(ERROR, message, error)


def report_subscriber(subscriber: object, error: Exception) -> None:
    """Log the exception of a function that subscribed to changes."""
    message = messages.ERROR_IN_SUBSCRIBER.format(
        subscriber=repr_of(subscriber), error=clean(describe_error(error))
    )
    log(ERROR, message, error)
