"""Build the errors for no extension, or for several, where one was expected.

The messages begin as stevedore's do, because programs compare them: these words are
here. Further details, in the words of `_messages`, follow, or are in a note, or in the
attributes of lazyplug's errors.
"""

from lazyplug import _messages as messages
from lazyplug._entry_point import EntryPoint
from lazyplug._faults.origin import declared
from lazyplug._printable import clean, list_words, sentence

from .exception import MultipleMatches, NoMatches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .extension import Extension


def no_extensions(namespace: str, excluded: "Mapping[EntryPoint, str]") -> NoMatches:
    """Return the error for a manager without extensions."""
    error = NoMatches(f"No {namespace} extensions found")
    error.namespace = namespace
    _note(error, excluded)
    return error


def _note(error: NoMatches, excluded: "Mapping[EntryPoint, str]") -> None:
    for entry_point, reason in excluded.items():
        error.add_note(f"{entry_point.value!r} is {reason}.")


def no_driver(
    namespace: str,
    name: str,
    available: "Iterable[str]",
    excluded: "Mapping[EntryPoint, str]",
) -> NoMatches:
    """Return the error for a missing driver.

    :param available: the names that are declared in the namespace.
    """
    error = NoMatches(f"No {namespace!r} driver found, looking for {name!r}")
    error.namespace, error.name = namespace, name
    error.available = tuple(dict.fromkeys(available))
    if name in error.available:
        error.add_note(messages.NOT_LOADED)
    elif error.available:
        names = list_words(sorted(error.available))
        error.add_note(messages.AVAILABLE.format(names=names))
    else:
        error.add_note(sentence(messages.NOT_DECLARED.format(what="that namespace")))
    _note(error, excluded)
    return error


def multiple_matches(
    namespace: str, name: str, extensions: "Iterable[Extension[Any]]"
) -> MultipleMatches:
    """Return the error for a name that is declared more than once."""
    found = tuple(extensions)
    error = MultipleMatches(conflict("command", namespace, name, found))
    error.namespace, error.name = namespace, name
    error.extensions = found  # type: ignore[assignment]  # the drop-in's own kind
    return error


def conflict(
    kind: str, namespace: str, name: str, extensions: "Iterable[Extension[Any]]"
) -> str:
    """Return the message that lists all extensions with one name and their sources."""
    identities = ", ".join(map(_identity, extensions))
    return (
        f"multiple implementations found for the {name!r} {kind}"
        f" in {namespace} namespace: {identities}"
    )


def _identity(extension: "Extension[Any]") -> str:
    # Modules and instances have no `__qualname__`, and a plugin may set one that is not
    # a string.
    label = getattr(extension.plugin, "__qualname__", None)
    point: Any = extension.entry_point
    value = getattr(point, "value", None)
    if not isinstance(label, str):
        label = value if isinstance(value, str) else type(extension.plugin).__qualname__
    about = [value] if isinstance(value, str) and value != label else []
    if isinstance(point, EntryPoint) and point._owner is not None:
        about.append(declared(point._owner, point._line))
    else:
        distribution = getattr(point, "dist", None)
        if distribution is not None:
            name = f"{distribution.name} {distribution.version}"
            about.append(messages.DECLARED_BY.format(distribution=name))
    return clean(f"{label} ({', '.join(about)})" if about else label)
