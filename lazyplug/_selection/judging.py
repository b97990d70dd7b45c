"""What a choice takes: judged on what is declared, before any import."""

from .._entry_point import EntryPoint
from .._environment import current, rows
from .._faults.messages import near_misses
from .._index import quote
from .._indexing.metadata import normalise
from .._inventory import group_names, groups_of, mentions
from .._printable import quoted
from .._settings import setting
from .choice import Choice, classes, fits, parse_pattern, split, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias, TypeVar

    from .._extension import Extension
    from .._manager import Manager
    from .._types import AnyPair, Owner
    from .choice import Pattern, Said

    Declared: TypeAlias = "Extension[Any] | EntryPoint"
    E = TypeVar("E", bound=Declared)


def _owner(declared: "Declared") -> "Owner | None":
    if hasattr(declared, "_owner"):
        return declared._owner
    # An entry point that a program brings itself may be importlib.metadata's.
    dist = getattr(declared, "dist", None)
    return None if dist is None else (normalise(dist.name), dist, "", 0)


def _match(said: "Said", extension: "Declared") -> "Pattern | None":
    """Return the first pattern that an extension, or entry point, matches."""
    owner = _owner(extension)
    key = "" if owner is None else owner[0]
    for pattern in said[1]:
        _, group, name, distribution = pattern
        if (
            fits(extension.group, group)
            and fits(extension.name, name)
            and (distribution is None or fits(key, distribution))
        ):
            return pattern
    return None


def _general(name: str, group: str) -> "Said":
    """Return what `LAZYPLUG_ALLOW` or `LAZYPLUG_DENY` says of a group.

    Both are for all programs, so that a pattern without a group is passed over: it
    would harm those that it was not meant for.
    """
    found = []
    for text in split(setting(name)):
        pattern = parse_pattern(text, name)
        if pattern[1] is None:
            warn(
                f"{text!r} in {name} is passed over: it has to say for which group,"
                f" as in 'GROUP={text}'"
            )
        elif fits(group, pattern[1]):
            found.append(pattern)
    return name, tuple(found)


def chosen(
    manager: "Manager[Any, Any]", extensions: "list[Extension[Any]]"
) -> "list[Extension[Any]]":
    """Return those that the choice of a manager takes; the others are its excluded."""
    if not isinstance(manager._choice, Choice | None):
        raise TypeError(f"choice= takes a lazyplug.Choice, not {manager._choice!r}")
    groups = groups_of(manager.namespace)
    pairs: Callable[[str], Iterable[AnyPair]] = rows
    if manager._package is not None:
        from .._static.packages import with_modules  # deferred: few hosts have one

        pairs = with_modules(manager._package)
    kept, out = judged(manager._choice, groups, extensions, pairs)
    manager.excluded.update(out)
    return kept


def judged(
    choice: "Choice | None",
    groups: "Iterable[str]",
    declared: "Iterable[E]",
    pairs: "Callable[[str], Iterable[AnyPair]]",
) -> "tuple[list[E], dict[E, str]]":
    """Return what is taken, and why the others are not, of these groups.

    What a choice says and nothing matches is told, with where it was said; `pairs`
    returns all that there is in a group.
    """
    choice = choice or Choice()
    declared = list(declared)
    groups = {*groups, *(each.group for each in declared)}
    rules = {group: _rules(choice, group) for group in groups}
    matched: set[Pattern] = set()
    kept: list[E] = []
    out: dict[E, str] = {}
    for each in declared:
        reason = _reason(choice, *rules[each.group], each, matched)
        if reason:
            out[each] = reason
        else:
            kept.append(each)
    lists = {
        known for allowed, denied in rules.values() for known in (allowed, *denied)
    }
    lists |= {choice._allowed, *choice._of_versions()}
    missing = {
        (known[0], pattern)
        for known in lists
        if known is not None
        for pattern in known[1]
        if pattern not in matched
    }
    if missing:
        own = [
            EntryPoint._of(group, *pair) for group in groups for pair in pairs(group)
        ]
        _tell_unmatched(missing, own)
    return kept, out


def _rules(choice: Choice, group: str) -> "tuple[Said | None, tuple[Said, ...]]":
    """Return what is allowed, and what is denied, in a group."""
    allowed = _general("LAZYPLUG_ALLOW", group)
    denied = _general("LAZYPLUG_DENY", group)
    return (
        allowed if allowed[1] else choice._allowed,
        (*choice._denied, denied),
    )


def _reason(
    choice: Choice,
    allowed: "Said | None",
    denied: "tuple[Said, ...]",
    extension: "Declared",
    matched: "set[Pattern]",
) -> str:
    """Say why an extension is left out; "" if it is not."""
    owner = _owner(extension)
    reason = ""
    if choice._safe and owner is not None and owner[0] != normalise(choice.host):
        reason = f"safe mode ({choice._safe}) leaves only plugins of {choice.host}"
    # All lists are asked whatever comes of it: what matches nothing is told.
    for said in denied:
        pattern = _match(said, extension)
        if pattern is not None:
            matched.add(pattern)
            reason = reason or f"denied by {pattern[0]!r} in {said[0]}"
    if allowed is not None:
        pattern = _match(allowed, extension)
        if pattern is not None:
            matched.add(pattern)
        else:
            reason = reason or f"not in the allow list of {allowed[0]}"
    for said in choice._of_versions():
        matched.update(said[1] if _match(said, extension) else ())
    if not reason and owner is not None and (choice.api or choice._versions):
        from .versions import incompatible  # deferred: few hosts compare versions

        reason = incompatible(choice, owner)
    return reason


def _tell_unmatched(
    missing: "set[tuple[str, Pattern]]", own: "list[EntryPoint]"
) -> None:
    """Warn of patterns that match nothing at all: they are misspelt, or too late.

    What may match in another group is right: a host may have one choice for several.
    `own` are all entry points of the groups that were asked for.
    """
    names = {each.name for each in own}
    for source, pattern in sorted(missing, key=str):
        if any(_match((source, (pattern,)), each) for each in own):
            continue
        if _may_match(pattern):
            continue
        near = near_misses(pattern[2] or "", names)
        hint = f"; did you mean {quoted(sorted(near))}?" if near else ""
        message = (
            f"{pattern[0]!r} in {source} matches no plugin that is installed{hint}"
        )
        warn(message, f"{pattern[0]!r} in {source}")


def _may_match(pattern: "Pattern") -> bool:
    """May a pattern match anything in the whole environment?

    A look at the text of the index, which costs less than reading it.
    """
    snapshot = current()
    _, group, name, distribution = pattern
    if group is not None and not any(
        fits(each, group) for each in group_names(snapshot)
    ):
        return False
    return all(
        word is None or mentions(snapshot, _as_written(word))
        for word in (name, distribution)
    )


def _as_written(wanted: str) -> "bytes | re.Pattern[bytes]":
    r"""Return what to search an index for: each word that fits matches, others may.

    >>> _as_written("a b"), _as_written('x[!"]y*').search(b'"xcyz"') is not None
    (b'"a b"', True)
    """
    if not {"*", "?", "["}.intersection(wanted):
        return quote(wanted).encode()
    import re

    # A wildcard or class matches any text, since JSON escapes some characters.
    parts = []
    for literal, _, _ in classes(wanted):
        words = literal.replace("?", "*").split("*")
        parts += [re.escape(quote(word)[1:-1]) for word in words]
    inside = r'(?:[^"\\]|\\.)*'.join(parts)
    return re.compile(f'"{inside}"'.encode())
