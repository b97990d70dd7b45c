"""Define the exceptions that lazyplug raises, with their data.

Their messages are in `_messages`; `_faults.errors` builds the errors about plugins.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._extension import Extension
    from ._faults.problems import Problem

_PACKAGE = __package__ or ""


class LazyplugError(Exception):
    """The base class of lazyplug's exceptions.

    An exception that a plugin raises keeps its own type.
    """

    __module__ = _PACKAGE


class NoUniqueMatch(LazyplugError, RuntimeError):
    """Exactly one extension was requested, and none or more than one was found.

    `namespace` and `name` are the requested ones.
    """

    __module__ = _PACKAGE
    namespace: "str | None" = None
    name: "str | None" = None


class NoMatches(NoUniqueMatch, KeyError):
    """No extension has the requested name, or there are no extensions.

    `available` are the names of the extensions that can be requested. `near` are
    similar names, or similar groups if no distribution declares the group. `install` is
    the command line that installs the distribution which declared the plugin before, or
    which declares it according to `known=`; "" if that is unknown.
    """

    __module__ = _PACKAGE
    available: "tuple[str, ...]" = ()
    near: "tuple[str, ...]" = ()
    install: str = ""
    if not TYPE_CHECKING:
        # KeyError.__str__ returns the repr of its argument.
        __str__ = Exception.__str__


class MultipleMatches(NoUniqueMatch):
    """Several extensions have the requested name; `extensions` are these."""

    __module__ = _PACKAGE
    extensions: "tuple[Extension[Any], ...]" = ()


class InvalidEntryPoint(LazyplugError, ValueError):
    """The value of an entry point is not a valid `module:attr` reference.

    `extension` is the Extension or the EntryPoint. The syntax is specified in
    https://packaging.python.org/specifications/entry-points/#data-model.
    """

    __module__ = _PACKAGE
    extension: "Any" = None


class ProtocolMismatch(LazyplugError, TypeError):
    """A plugin does not fit the `protocol=` of its manager.

    `extension` is its handle, `missing` are the names of the members that it lacks.
    """

    __module__ = _PACKAGE
    extension: "Any" = None
    missing: "tuple[str, ...]" = ()


class CircularLoad(LazyplugError, RuntimeError):
    """The call of a plugin waits for itself, or for the import of the plugin.

    `names` are the names of the extensions in the cycle, in order.
    """

    __module__ = _PACKAGE
    names: "tuple[str, ...]" = ()


class BrokenMetadata(LazyplugError):
    """The metadata on `sys.path` has problems, and the host uses `on_failure="error"`.

    `problems` are these problems.
    """

    __module__ = _PACKAGE
    problems: "tuple[Problem, ...]" = ()


class InvalidChoice(LazyplugError, ValueError):
    """A choice of a host, its configuration or its user is not valid.

    `source` is where it was specified: code, a file, a variable.
    """

    __module__ = _PACKAGE
    source: str = ""


class InvalidFacts(LazyplugError, ValueError):
    """The facts of a plugin do not fit the `schema=` of its host.

    `extension` is its handle; the exception of the schema is the cause.
    """

    __module__ = _PACKAGE
    extension: "Any" = None
