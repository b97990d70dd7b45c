"""How extensions travel to other processes: by reference, to load there."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._entry_point import EntryPoint
    from ._extension import Extension


def _portable(owner: "Any") -> "Any":
    """Return an owner without the object of a foreign finder, which cannot travel."""
    if owner is None or isinstance(owner[1], str):
        return owner
    return (owner[0], None, *owner[2:])


def reduce_extension(extension: "Extension[Any]") -> "tuple[Any, ...]":
    """Return how to make an extension anew: not loaded, with its arguments.

    One that no reference leads to travels with its plugin. Imports and calls none.
    """
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
        # What was given as an object, or as what its call returned, is nowhere else.
        {
            name: extension.__dict__[name]
            for name in ("plugin", "obj", "_entry_point")
            if extension._module is None and name in extension.__dict__
        },
    )


def open_extension(kind: "type[Extension[Any]]", *fields: "Any") -> "Extension[Any]":
    """Make an extension from what `reduce_extension` took apart."""
    *filled, given = fields
    extension: Extension[Any] = kind.__new__(kind)._fill(*filled)
    extension.__dict__.update(given)
    return extension


def reduce_entry_point(entry_point: "EntryPoint") -> "tuple[Any, ...]":
    """Return how to make an entry point anew."""
    row = (
        entry_point.name,
        entry_point.value,
        *entry_point._target,
        entry_point._line,
    )
    return entry_point._of, (entry_point.group, row, _portable(entry_point._owner))
