"""What changes in a manager that stands: what is registered, what came and went."""

from ._manager import Extension
from ._refresh import refresh as look_again
from ._scan import split_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manager import Manager
    from ._refresh import Changes


def register(
    manager: "Manager[Any, Any]", name: str, plugin: "Any"
) -> "Extension[Any]":
    """Add an extension to a manager; return it, also if the manager leaves it out."""
    asked = manager._asked
    if asked is not None and name not in asked:
        raise ValueError(
            f"{name!r} cannot be registered: this manager is made for {list(asked)!r}"
        )
    value, module, attr = "", None, None
    if isinstance(plugin, str):
        value = plugin
        module, attr = split_value(plugin)
        if module is None:
            raise ValueError(
                f"{plugin!r} is not an object reference of the form 'module:attr';"
                f" {name!r} was not registered"
            )
    extension: Extension[Any] = Extension.__new__(Extension)
    row = name, value, module, attr, 0
    extension._fill(manager.namespace, row, None, *manager._make)
    if not isinstance(plugin, str):
        extension.plugin = plugin
    manager._registered = (*manager._registered, extension)
    manager._adopt([*manager.extensions, *manager._chosen([extension])])
    manager._arrange(False)
    return extension


def refresh(manager: "Manager[Any, Any]") -> "Changes":
    """Select anew what is there now; the handles of what stayed stay."""
    changes = look_again()
    before = manager.__dict__.copy()
    known = {_identity(each): each for each in (*manager.extensions, *manager.excluded)}
    made = []
    for extension in manager._extensions(manager._asked):
        old = known.pop(_identity(extension), extension)
        made.append(old if old.loaded or _same(old, extension) else extension)
    try:
        manager.excluded = {}
        manager.__dict__.pop("_passed", None)  # what a test said before
        manager._adopt(manager._chosen([*made, *manager._registered]))
        manager._settle()
    except BaseException:
        manager.__dict__.clear()
        manager.__dict__.update(before)
        raise
    return changes


def _identity(extension: "Extension[Any]") -> "tuple[Any, ...]":
    owner = extension._owner
    return extension.group, extension.name, extension.value, owner and owner[0]


def _same(old: "Extension[Any]", new: "Extension[Any]") -> bool:
    """Are both declared in the same place?"""
    return old._owner == new._owner and old._line == new._line
