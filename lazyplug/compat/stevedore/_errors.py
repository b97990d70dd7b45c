"""What is said where no extension, or more than one, was found.

The texts begin as stevedore's do, since programs compare them; what they lack there
stands behind it, in a note, or in the attributes that lazyplug's errors have.
"""

from lazyplug._entry_point import EntryPoint
from lazyplug._faults.messages import declared
from lazyplug._printable import clean

from .exception import MultipleMatches, NoMatches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .extension import Extension


def no_extensions(namespace: str, excluded: "Mapping[EntryPoint, str]") -> NoMatches:
    """Return the error for a manager that has nothing to call."""
    error = NoMatches(f"No {namespace} extensions found")
    error.namespace = namespace
    _note(error, excluded)
    return error


def _note(error: NoMatches, excluded: "Mapping[EntryPoint, str]") -> None:
    for entry_point, reason in excluded.items():
        error.add_note(f"{entry_point.value!r} is left out: {reason}.")


def no_driver(
    namespace: str,
    name: str,
    available: "Iterable[str]",
    excluded: "Mapping[EntryPoint, str]",
) -> NoMatches:
    """Return the error for a driver that is not there; `available` are declared."""
    error = NoMatches(f"No {namespace!r} driver found, looking for {name!r}")
    error.namespace, error.name = namespace, name
    error.available = tuple(dict.fromkeys(available))
    if name in error.available:
        error.add_note("It is declared, but was not loaded.")
    elif error.available:
        error.add_note(f"Available: {', '.join(map(repr, sorted(error.available)))}.")
    else:
        error.add_note("No installed distribution declares that namespace.")
    _note(error, excluded)
    return error


def several(
    namespace: str, name: str, extensions: "Iterable[Extension[Any]]"
) -> MultipleMatches:
    """Return the error for a name that stands several times."""
    found = tuple(extensions)
    error = MultipleMatches(conflict("command", namespace, name, found))
    error.namespace, error.name = namespace, name
    error.extensions = found  # type: ignore[assignment]  # the drop-in's own kind
    return error


def conflict(
    kind: str, namespace: str, name: str, extensions: "Iterable[Extension[Any]]"
) -> str:
    """Return which extensions share a name, and which distributions declare them."""
    told = ", ".join(map(_identity, extensions))
    return (
        f"multiple implementations found for the {name!r} {kind}"
        f" in {namespace} namespace: {told}"
    )


def _identity(extension: "Extension[Any]") -> str:
    # Modules and instances have no __qualname__; a plugin may have any attribute.
    said = getattr(extension.plugin, "__qualname__", None)
    point: Any = extension.entry_point
    value = getattr(point, "value", None)
    if not isinstance(said, str):
        said = value if isinstance(value, str) else type(extension.plugin).__qualname__
    about = [value] if isinstance(value, str) and value != said else []
    if isinstance(point, EntryPoint) and point._owner is not None:
        about.append(declared(point._owner, point._line))
    else:
        distribution = getattr(point, "dist", None)
        if distribution is not None:
            about.append(f"declared by {distribution.name} {distribution.version}")
    return clean(f"{said} ({', '.join(about)})" if about else said)
