"""Pickle extensions by reference, so that they load in the process that unpickles."""

from ._attributes import row_of_extension
from ._entry_point import portable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._extension import Extension


def reduce_extension(extension: "Extension[Any]") -> "tuple[Any, ...]":
    """Return the `__reduce__` tuple of an extension, without its plugin.

    An extension without a `module:attr` reference is pickled with its plugin. Imports
    and calls no plugin.
    """
    return rebuild_extension, (
        type(extension),
        extension.group,
        row_of_extension(extension),
        portable(extension._owner),
        extension._invoke,
        extension._protocol,
        # Without a reference, the other process could not find the plugin.
        {
            name: extension.__dict__[name]
            for name in ("_facts", "plugin", "obj", "_entry_point")
            if (name == "_facts" or extension._module is None)
            and name in extension.__dict__
        },
    )


def rebuild_extension(kind: "type[Extension[Any]]", *fields: "Any") -> "Extension[Any]":
    """Return the extension that `reduce_extension` pickled."""
    *arguments, attributes = fields
    extension: Extension[Any] = kind.__new__(kind)._fill(*arguments)
    extension.__dict__.update(attributes)
    return extension
