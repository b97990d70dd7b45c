"""What to do when one name stands several times in a group. Imports no plugin."""

from .._faults.messages import multiple_matches, near_misses, origin
from .._log import report_once
from .._printable import quoted, repr_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from .._extension import Extension
    from .._types import Resolver

    T = TypeVar("T")

_PACKAGE = (__package__ or "").rpartition(".")[0]


def ignore_conflicts(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Take the last one, as stevedore does, and log all. Imports no plugin."""
    return _told(namespace, name, entrypoints, entrypoints[-1], "the last one")


def first_on_conflict(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Take the first one on `sys.path`, and log all. Imports no plugin."""
    return _told(namespace, name, entrypoints, entrypoints[0], "the first one")


def error_on_conflict(
    namespace: str, name: str, entrypoints: "list[Extension[T]]"
) -> "Extension[T]":
    """Raise MultipleMatches, which names all distributions. Imports no plugin."""
    raise multiple_matches(namespace, name, entrypoints)


class prefer:  # noqa: N801 - called as the functions beside it are
    """A resolver that takes what the first of some distributions declares.

    What is taken, and instead of what, is logged at debug level, since the host has
    decided it; a distribution that is not installed is logged as a warning. Imports no
    plugin.

    :param distributions: names of distributions, as shells match them: `acme-*`.
    :param otherwise: the resolver of names that none of them declares, or one of them
        more than once.

    Raises TypeError without the name of a distribution, ValueError for a pattern that
    is not valid.
    """

    __module__ = _PACKAGE

    def __init__(
        self, *distributions: str, otherwise: "Resolver[Any]" = error_on_conflict
    ) -> None:
        from .choice import fault_of, key_pattern

        given: tuple[object, ...] = distributions or ("",)
        for name in given:
            if not isinstance(name, str) or not name:
                raise TypeError(
                    "prefer() takes the names of distributions: prefer('acme-*'),"
                    f" not {repr_of(name)}"
                )
            fault = fault_of(key_pattern(name))
            if fault:
                raise ValueError(f"prefer({name!r}): {fault}")
        self.distributions = distributions
        self.otherwise = otherwise

    def __call__(
        self, namespace: str, name: str, entrypoints: "list[Extension[T]]"
    ) -> "Extension[T]":
        """Choose one of the extensions of a name."""
        from .choice import fits, key_pattern  # deferred: few conflicts need it

        missed: list[str] = []
        for distribution in self.distributions:
            wanted = key_pattern(distribution)
            found = [e for e in entrypoints if e._owner and fits(e._owner[0], wanted)]
            if len(found) == 1:
                _report_missing(missed, quiet=True)
                why = f"that of {distribution}"
                return _told(namespace, name, entrypoints, found[0], why, quiet=True)
            if found:
                entrypoints = found
                break
            missed.append(distribution)
        _report_missing(missed)
        chosen: Extension[T] = self.otherwise(namespace, name, entrypoints)
        return chosen


def _told(
    namespace: str,
    name: str,
    several: "list[Extension[T]]",
    taken: "Extension[T]",
    which: str,
    quiet: bool = False,
) -> "Extension[T]":
    lines = "".join(f"\n  {origin(extension)}" for extension in several)
    report_once(
        f"{len(several)} extensions named {name!r} in group {namespace!r};"
        f" {which} is used:{lines}",
        quiet=quiet,
    )
    return taken


def _report_missing(preferred: "list[str]", quiet: bool = False) -> None:
    """Log which of the distributions that are preferred are not installed.

    With `quiet`, since another one has decided, it is a warning only if a similar name
    is installed.
    """
    if not preferred:
        return
    from .._environment import current
    from .._inventory import distributions
    from .choice import fits, key_pattern

    keys = distributions(current())
    for name in preferred:
        wanted = key_pattern(name)
        if not any(fits(key, wanted) for key in keys):
            near = [key.replace("_", "-") for key in near_misses(wanted, keys)]
            hint = f"; did you mean {quoted(near)}?" if near else ""
            report_once(
                f"prefer({name!r}): no distribution of that name is installed{hint}",
                quiet=quiet and not near,
            )
