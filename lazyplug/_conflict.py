"""What to do when one name stands several times in a group. Imports no plugin."""

from ._exceptions import multiple_matches, origin
from ._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from ._manager import Extension, Resolver

    T = TypeVar("T")

_PACKAGE = __package__ or ""


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

    What is taken, and instead of what, is logged. Imports no plugin.

    :param distributions: names of distributions, as shells match them: `acme-*`.
    :param otherwise: the resolver of names that none of them declares, or one of them
        more than once.

    Raises TypeError where there is no name of a distribution.
    """

    __module__ = _PACKAGE

    def __init__(
        self, *distributions: str, otherwise: "Resolver[Any]" = error_on_conflict
    ) -> None:
        given: tuple[object, ...] = distributions or ("",)
        for name in given:
            if not isinstance(name, str) or not name:
                raise TypeError(
                    "prefer() takes the names of distributions: prefer('acme-*'),"
                    f" not {name!r}"
                )
        self.distributions = distributions
        self.otherwise = otherwise

    def __call__(
        self, namespace: str, name: str, entrypoints: "list[Extension[T]]"
    ) -> "Extension[T]":
        """Choose one of the extensions of a name."""
        from ._choice import fits, key_pattern  # deferred: few conflicts need it

        for distribution in self.distributions:
            wanted = key_pattern(distribution)
            found = [e for e in entrypoints if e._owner and fits(e._owner[0], wanted)]
            if len(found) == 1:
                why = f"that of {distribution}"
                return _told(namespace, name, entrypoints, found[0], why)
            if found:
                entrypoints = found
                break
        chosen: Extension[T] = self.otherwise(namespace, name, entrypoints)
        return chosen


def _told(
    namespace: str,
    name: str,
    several: "list[Extension[T]]",
    taken: "Extension[T]",
    which: str,
) -> "Extension[T]":
    lines = "".join(f"\n  {origin(extension)}" for extension in several)
    report_once(
        f"{len(several)} extensions named {name!r} in group {namespace!r};"
        f" {which} is used:{lines}"
    )
    return taken
