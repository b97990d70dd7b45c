"""How extensions travel to other processes: by reference, to load there."""

from ._entry_point import EntryPoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manager import Extension


def _portable(owner: "Any") -> "Any":
    """Return an owner without the object of a foreign finder, which cannot travel."""
    if owner is None or isinstance(owner[1], str):
        return owner
    return (owner[0], None, *owner[2:])


def reduce_extension(extension: "Extension[Any]") -> "tuple[Any, ...]":
    """Return how to make an extension anew: not loaded, with its arguments.

    One that was not made from an installed entry point travels with its plugin.
    """
    by_reference = extension._entry_point is None and extension._module is not None
    if extension._owner is None and not by_reference:
        value = extension.plugin, extension.obj
        return type(extension), (extension.name, extension._entry_point, *value)
    row = (
        extension.name,
        extension.value,
        extension._module,
        extension.attr,
        extension._line,
    )
    return open_extension, (
        type(extension),
        extension.group,
        row,
        _portable(extension._owner),
        extension._invoke,
        extension._protocol,
    )


def open_extension(kind: "type[Extension[Any]]", *fields: "Any") -> "Extension[Any]":
    """Make an extension from what `reduce_extension` took apart."""
    return kind.__new__(kind)._fill(*fields)


def reduce_entry_point(entry_point: EntryPoint) -> "tuple[Any, ...]":
    """Return how to make an entry point anew."""
    row = (
        entry_point.name,
        entry_point.value,
        *entry_point._target,
        entry_point._line,
    )
    return EntryPoint._of, (entry_point.group, row, _portable(entry_point._owner))
