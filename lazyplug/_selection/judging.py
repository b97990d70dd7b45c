"""Apply a choice to the declared extensions, before any is imported."""

from .. import _messages as messages
from .._entry_point import EntryPoint
from .._environment import current, rows
from .._faults.errors import bad_choice, did_you_mean, near_misses
from .._faults.origin import origin
from .._index import quote
from .._indexing.metadata import normalize
from .._inventory import group_names, groups_of, mentions
from .._printable import repr_of
from .._settings import get_setting
from .choice import Choice, classes, fits, parse_pattern, split, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias, TypeVar

    from .._extension import Extension
    from .._facts import Facts
    from .._manager import Manager
    from .._types import AnyPair, Owner
    from .choice import Pattern, Rule

    Declared: TypeAlias = "Extension[Any] | EntryPoint"
    E = TypeVar("E", bound=Declared)

# The rule on facts, for errors.
_FACTS = "Choice(facts=...)"


def _owner(declared: "Declared") -> "Owner | None":
    if hasattr(declared, "_owner"):
        return declared._owner
    # An entry point that the program provides may be of importlib.metadata.
    dist = getattr(declared, "dist", None)
    return None if dist is None else (normalize(dist.name), dist, "", 0)


def _match(rule: "Rule", extension: "Declared") -> "Pattern | None":
    """Return the first pattern of a rule that an extension or entry point matches."""
    owner = _owner(extension)
    key = "" if owner is None else owner[0]
    for pattern in rule[1]:
        _, group, name, distribution = pattern
        if (
            fits(extension.group, group)
            and fits(extension.name, name)
            and (distribution is None or fits(key, distribution))
        ):
            return pattern
    return None


def _global_rule(name: str, group: str) -> "Rule":
    """Return the patterns of `LAZYPLUG_ALLOW` or `LAZYPLUG_DENY` for a group.

    Both variables apply to all programs. A pattern without a group is ignored, since it
    would affect other programs than the intended one.
    """
    found = []
    for text in split(get_setting(name)):
        pattern = parse_pattern(text, name)
        if pattern[1] is None:
            warn(messages.PATTERN_WITHOUT_GROUP.format(pattern=text, source=name))
        elif fits(group, pattern[1]):
            found.append(pattern)
    return name, tuple(found)


def apply_choice(
    manager: "Manager[Any]", extensions: "list[Extension[Any, Any]]"
) -> "list[Extension[Any, Any]]":
    """Return the enabled extensions; add the others to the manager's `excluded`."""
    if not isinstance(manager._choice, Choice | None):
        raise TypeError(
            messages.NOT_VALID.format(
                value=repr(manager._choice), what="choice", expected=messages.A_CHOICE
            )
        )
    groups = groups_of(manager.namespace)
    pairs: Callable[[str], Iterable[AnyPair]] = rows
    if manager._package is not None:
        from .._static.packages import with_modules  # deferred: few hosts have one

        pairs = with_modules(manager._package, manager.namespace)
    kept, excluded = judge(manager._choice, groups, extensions, pairs, manager._facts)
    manager.excluded.update(excluded)
    return kept


def judge(
    choice: "Choice | None",
    groups: "Iterable[str]",
    declared: "Iterable[E]",
    pairs: "Callable[[str], Iterable[AnyPair]]",
    facts: "Facts | None" = None,
) -> "tuple[list[E], dict[E, str]]":
    """Return what is enabled, and the reasons why the rest is excluded.

    Log a warning for each pattern that matches nothing, with its source.

    :param groups: the groups of the extensions.
    :param declared: extensions, or entry points.
    :param pairs: returns all rows of a group.
    :param facts: what the facts of the extensions are. Raises InvalidChoice if it is
        None, and the choice has a rule on facts.
    """
    choice = choice or Choice()
    if choice.facts is not None and facts is None:
        raise bad_choice("code", messages.NEEDS_FACTS.format(option=_FACTS))
    declared = list(declared)
    groups = {*groups, *(each.group for each in declared)}
    rules = {group: _rules(choice, group) for group in groups}
    matched: set[Pattern] = set()
    kept: list[E] = []
    excluded: dict[E, str] = {}
    for each in declared:
        reason = _reason(choice, *rules[each.group], each, matched)
        if reason:
            excluded[each] = reason
        else:
            kept.append(each)
    lists = {rule for allowed, denied in rules.values() for rule in (allowed, *denied)}
    lists |= {choice._allowed, *choice._version_rules()}
    unmatched = {
        (rule[0], pattern)
        for rule in lists
        if rule is not None
        for pattern in rule[1]
        if pattern not in matched
    }
    if unmatched:
        entry_points = [
            EntryPoint._of(group, *pair) for group in groups for pair in pairs(group)
        ]
        _report_unmatched(unmatched, entry_points)
    return kept, excluded


def _rules(choice: Choice, group: str) -> "tuple[Rule | None, tuple[Rule, ...]]":
    """Return the allow list, or None, and the deny lists for a group."""
    allowed = _global_rule("LAZYPLUG_ALLOW", group)
    denied = _global_rule("LAZYPLUG_DENY", group)
    return (
        allowed if allowed[1] else choice._allowed,
        (*choice._denied, denied),
    )


def _reason(
    choice: Choice,
    allowed: "Rule | None",
    denied: "tuple[Rule, ...]",
    extension: "Declared",
    matched: "set[Pattern]",
) -> str:
    """Return why an extension is excluded; "" if it is enabled."""
    owner = _owner(extension)
    reason = ""
    if choice._safe and owner is not None and owner[0] != normalize(choice.host):
        reason = messages.EXCLUDED_BY_SAFE_MODE.format(
            source=choice._safe, host=choice.host
        )
    # Match all lists, even with a reason: patterns that match nothing are reported.
    for rule in denied:
        pattern = _match(rule, extension)
        if pattern is not None:
            matched.add(pattern)
            reason = reason or messages.EXCLUDED_BY_DENY.format(
                pattern=pattern[0], source=rule[0]
            )
    if allowed is not None:
        pattern = _match(allowed, extension)
        if pattern is not None:
            matched.add(pattern)
        else:
            reason = reason or messages.EXCLUDED_BY_ALLOW.format(source=allowed[0])
    for rule in choice._version_rules():
        matched.update(rule[1] if _match(rule, extension) else ())
    if not reason and owner is not None and (choice.api or choice._versions):
        from .versions import incompatible  # deferred: few hosts compare versions

        reason = incompatible(choice, owner)
    if not reason and choice.facts is not None:
        reason = _refused(choice.facts, extension)
    return reason


def _refused(
    predicate: "Callable[[Mapping[str, Any]], object]", extension: "Any"
) -> str:
    """Return why an extension is excluded by its facts; "" if it is enabled.

    What is unknown excludes nothing. Reads sources; imports no plugin.
    """
    from .._facts import known_facts  # deferred: few hosts choose by facts

    facts = known_facts(extension, _FACTS)
    name = getattr(predicate, "__qualname__", None) or repr_of(predicate)
    try:
        if predicate(facts):
            return ""
    except LookupError:
        return ""
    except Exception as error:  # code of the host
        error.add_note(
            messages.WHILE_CHOOSING.format(predicate=name, extension=origin(extension))
        )
        raise
    return messages.EXCLUDED_BY_FACTS.format(predicate=name, source="code")


def _report_unmatched(
    unmatched: "set[tuple[str, Pattern]]", entry_points: "list[EntryPoint]"
) -> None:
    """Log a warning for each pattern that matches nothing in the environment.

    It is misspelled, or concerns an extension that is registered later. A pattern that
    may match in another group is valid: a host may have one choice for several groups.
    `entry_points` are those of the requested groups.
    """
    names = {each.name for each in entry_points}
    for source, pattern in sorted(unmatched, key=str):
        if any(_match((source, (pattern,)), each) for each in entry_points):
            continue
        if _may_match(pattern):
            continue
        near = near_misses(pattern[2] or "", names)
        message = messages.UNMATCHED.format(pattern=pattern[0], source=source)
        warn(f"{message}{did_you_mean(sorted(near))}", f"{pattern[0]!r} in {source}")


def _may_match(pattern: "Pattern") -> bool:
    """Return True if a pattern may match anything in the environment.

    Search the text of the index, which costs less than decoding it.
    """
    environment = current()
    _, group, name, distribution = pattern
    if group is not None and not any(
        fits(each, group) for each in group_names(environment)
    ):
        return False
    return all(
        word is None or mentions(environment, _json_pattern(word))
        for word in (name, distribution)
    )


def _json_pattern(wanted: str) -> "bytes | re.Pattern[bytes]":
    r"""Return what to search an index for; it finds all matches, and maybe other text.

    >>> _json_pattern("a b"), _json_pattern('x[!"]y*').search(b'"xcyz"') is not None
    (b'"a b"', True)
    """
    if not {"*", "?", "["}.intersection(wanted):
        return quote(wanted).encode()
    import re  # deferred: 5 ms

    # A wildcard or class matches any text, since JSON escapes some characters.
    parts = []
    for literal, _, _ in classes(wanted):
        words = literal.replace("?", "*").split("*")
        parts += [re.escape(quote(word)[1:-1]) for word in words]
    inside = r'(?:[^"\\]|\\.)*'.join(parts)
    return re.compile(f'"{inside}"'.encode())
