"""How extensions travel to other processes: by reference, to load there."""

from ._attributes import row_of_extension
from ._entry_point import portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._extension import Extension


def reduce_extension(extension: "Extension[Any]") -> "tuple[Any, ...]":
    """Return how to make an extension anew: not loaded, with its arguments.

    One that no reference leads to travels with its plugin. Imports and calls none.
    """
    return open_extension, (
        type(extension),
        extension.group,
        row_of_extension(extension),
        portable(extension._owner),
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
