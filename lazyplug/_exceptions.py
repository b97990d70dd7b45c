"""Define the errors that lazyplug raises; each carries its data.

The messages about plugins are in `_faults.messages`; those about wrong arguments
stand where they are raised.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._extension import Extension
    from ._faults.problems import Problem

_PACKAGE = __package__ or ""


class LazyplugError(Exception):
    """Whatever lazyplug raises by itself; a plugin's own errors keep their type."""

    __module__ = _PACKAGE


class NoUniqueMatch(LazyplugError, RuntimeError):
    """None, or more than one, where exactly one was asked for.

    `namespace` and `name` are what was asked for.
    """

    __module__ = _PACKAGE
    namespace: "str | None" = None
    name: "str | None" = None


class NoMatches(NoUniqueMatch, KeyError):
    """No extension of that name, or none at all.

    `available` are the names that there are, `near` those that look alike.
    """

    __module__ = _PACKAGE
    available: "tuple[str, ...]" = ()
    near: "tuple[str, ...]" = ()
    # KeyError shows its argument quoted
    __str__ = Exception.__str__


class MultipleMatches(NoUniqueMatch):
    """Several extensions of one name. `extensions` are they."""

    __module__ = _PACKAGE
    extensions: "tuple[Extension[Any], ...]" = ()


class InvalidEntryPoint(LazyplugError, ValueError):
    """The value of an entry point is no object reference."""

    __module__ = _PACKAGE
    extension: "Any" = None


class ProtocolMismatch(LazyplugError, TypeError):
    """A plugin does not fit what the host asked for with `protocol=`."""

    __module__ = _PACKAGE
    extension: "Any" = None
    missing: "tuple[str, ...]" = ()


class CircularLoad(LazyplugError, RuntimeError):
    """The call of a plugin waits for itself. `names` is the way it took."""

    __module__ = _PACKAGE
    names: "tuple[str, ...]" = ()


class BrokenMetadata(LazyplugError):
    """Metadata on `sys.path` has problems, where the host wants none.

    `problems` are they.
    """

    __module__ = _PACKAGE
    problems: "tuple[Problem, ...]" = ()


class InvalidChoice(LazyplugError, ValueError):
    """What a host, its configuration or its user chose is not understood.

    `source` is where it was said: code, a file, a variable.
    """

    __module__ = _PACKAGE
    source: str = ""
