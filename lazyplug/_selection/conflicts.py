"""Resolve names that are declared more than once in a group. Imports no plugin."""

from .. import _messages as messages
from .._faults.errors import advice, did_you_mean, multiple_matches, near_misses
from .._faults.origin import origin
from .._log import report_once
from .._printable import repr_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from .._extension import Extension
    from .._types import ConflictResolver

    T = TypeVar("T")


def ignore_conflicts(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Return the last extension, as stevedore does, and log a warning with all of them.

    Imports no plugin.

    :param namespace: the group, or the family of groups, of the manager.
    :param name: the name that is declared more than once.
    :param entrypoints: the extensions with that name, in the order of the manager.
    """
    return _report(namespace, name, entrypoints, entrypoints[-1], "last one")


def first_on_conflict(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Return the first extension on `sys.path`, and log a warning with all of them.

    The parameters are those of ignore_conflicts. Imports no plugin.
    """
    return _report(namespace, name, entrypoints, entrypoints[0], "first one")


def error_on_conflict(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Raise MultipleMatches, which lists all extensions of the name.

    The parameters are those of ignore_conflicts. Imports no plugin.
    """
    raise multiple_matches(namespace, name, entrypoints)


def prefer(
    *distributions: str, otherwise: "ConflictResolver" = error_on_conflict
) -> "ConflictResolver":
    """Return a resolver that takes the extension of a preferred distribution.

    The choice and its alternatives are logged at debug level, since the host has
    decided. A preferred distribution that is not installed is logged as a warning if no
    other one decides, or if a similar name is installed; otherwise at debug level.
    Imports no plugin.

    :param distributions: names of distributions in order of preference, as shell-style
        patterns: `acme-*`.
    :param otherwise: the resolver for a name that none of them declares, or that one of
        them declares more than once.

    Raises TypeError if there is no name of a distribution or `otherwise` cannot be
    called, and ValueError if a pattern is not valid.
    """
    from .choice import fault_of, key_pattern  # deferred: few hosts use prefer

    names: tuple[object, ...] = distributions or ("",)
    for name in names:
        if not isinstance(name, str) or not name:
            raise _refused("prefer", "argument", name, messages.A_DISTRIBUTION)
        fault = fault_of(key_pattern(name))
        if fault:
            text = messages.INVALID_PATTERN.format(pattern=name, fault=fault)
            text = f"prefer(): {text}"
            raise ValueError(text)
    if not callable(otherwise):
        raise _refused("prefer", "otherwise argument", otherwise, messages.A_CALLABLE)
    return _Preference(distributions, otherwise)


def prefer_highest(
    fact: str,
    *,
    unknown: "Any" = None,
    otherwise: "ConflictResolver" = error_on_conflict,
) -> "ConflictResolver":
    """Return a resolver that takes the extension with the highest value of a fact.

    An extension whose value is unknown may have the highest one. So `otherwise` decides
    between such extensions and those with the highest known value. The choice is logged
    at debug level. Imports no plugin.

    :param fact: the name of the fact, such as `priority`. The manager needs `facts=`.
        The value is the one before `Facts.schema` is applied.
    :param unknown: the value of extensions whose fact is unknown; with None, it stays
        unknown.
    :param otherwise: the resolver for names that this one does not decide: several
        extensions have the highest value or may have it, or values cannot be compared.

    Raises TypeError if `fact` is not a string or `otherwise` cannot be called. The
    resolver raises ValueError if the manager has no `facts=`.
    """
    name: object = fact
    if not isinstance(name, str) or not name:
        raise _refused("prefer_highest", "argument", name, messages.A_FACT)
    if not callable(otherwise):
        what = "otherwise argument"
        raise _refused("prefer_highest", what, otherwise, messages.A_CALLABLE)
    return _Highest(fact, unknown, otherwise)


def _refused(function: str, what: str, value: object, expected: str) -> TypeError:
    """Return the error for an argument of a function that is not valid."""
    text = messages.NOT_VALID.format(value=repr_of(value), what=what, expected=expected)
    return TypeError(f"{function}(): {text}")


class _Highest:
    """The resolver that `prefer_highest` returns; a class, to be pickled."""

    def __init__(
        self, fact: str, unknown: "Any", otherwise: "ConflictResolver"
    ) -> None:
        self.fact = fact
        self.unknown = unknown
        self.otherwise = otherwise

    def __repr__(self) -> str:
        return f"prefer_highest({self.fact!r})"

    def __call__(
        self, namespace: str, name: str, entrypoints: "list[Extension[T]]"
    ) -> "Extension[T]":
        """Return one of the extensions with a name; raise what `otherwise` raises."""
        from .._facts import known_facts  # deferred: few hosts compare facts

        option = repr(self)
        values: list[tuple[Extension[T], Any]] = []
        for extension in entrypoints:
            facts = known_facts(extension, option)
            if self.fact in facts or self.unknown is not None:
                values.append((extension, facts.get(self.fact, self.unknown)))
        try:
            # Not max(), which returns any of several, and of those without an order.
            best = [
                e for e, value in values if all(value >= each for _, each in values)
            ]
        except TypeError:
            best = []
        lower = [e for e, _ in values if best and e not in best]
        left = [e for e in entrypoints if e not in lower]
        if len(left) == 1:
            which = f"one with the highest {self.fact!r}"
            return _report(namespace, name, entrypoints, best[0], which, quiet=True)
        chosen: Extension[T] = self.otherwise(namespace, name, left)
        return chosen


class _Preference:
    """The resolver that `prefer` returns; a class, so that it can be pickled."""

    def __init__(
        self, distributions: "tuple[str, ...]", otherwise: "ConflictResolver"
    ) -> None:
        self.distributions = distributions
        self.otherwise = otherwise

    def __repr__(self) -> str:
        words = [*map(repr, self.distributions)]
        if self.otherwise is not error_on_conflict:
            name = getattr(self.otherwise, "__qualname__", "")
            words.append(f"otherwise={name or repr_of(self.otherwise)}")
        return f"prefer({', '.join(words)})"

    def __call__(
        self, namespace: str, name: str, entrypoints: "list[Extension[T]]"
    ) -> "Extension[T]":
        """Return one of the extensions with a name; raise what `otherwise` raises."""
        from .choice import fits, key_pattern  # deferred: few conflicts need it

        missing: list[str] = []
        for distribution in self.distributions:
            wanted = key_pattern(distribution)
            found = [e for e in entrypoints if e._owner and fits(e._owner[0], wanted)]
            if len(found) == 1:
                _report_missing(missing, quiet=True)
                which = f"one of {distribution}"
                return _report(
                    namespace, name, entrypoints, found[0], which, quiet=True
                )
            if found:
                entrypoints = found
                break
            missing.append(distribution)
        _report_missing(missing)
        chosen: Extension[T] = self.otherwise(namespace, name, entrypoints)
        return chosen


def _report(
    namespace: str,
    name: str,
    several: "list[Extension[T]]",
    chosen: "Extension[T]",
    which: str,
    quiet: bool = False,
) -> "Extension[T]":
    text = messages.DECLARED_TWICE.format(name=name, namespace=namespace)
    lines = "".join(f"\n  {origin(extension)}" for extension in several)
    # If the host has decided, nobody needs to do anything.
    remedy = "" if quiet else f"\n{advice(several)}"
    used = messages.IS_USED.format(which=which)
    report_once(f"{text}; {used}:{lines}{remedy}", quiet=quiet)
    return chosen


def _report_missing(preferred: "list[str]", quiet: bool = False) -> None:
    """Log the preferred distributions that are not installed.

    With `quiet`, which means that another distribution decides, log a warning only if a
    similar name is installed.
    """
    if not preferred:
        return
    from .._environment import current
    from .._inventory import distributions
    from .choice import fits, key_pattern  # deferred: as above

    keys = distributions(current())
    for name in preferred:
        wanted = key_pattern(name)
        if not any(fits(key, wanted) for key in keys):
            near = [key.replace("_", "-") for key in near_misses(wanted, keys)]
            text = messages.PREFERRED_MISSING.format(name=name)
            report_once(f"{text}{did_you_mean(near)}", quiet=quiet and not near)
