"""What changes in a manager that stands: what is registered, what came and went.

A change is made to a copy, and taken over when all of it has succeeded: another thread
never sees what a test has not passed yet, and a failure leaves all as it was.
"""

from . import _cache
from ._manager import Extension
from ._mapping import identity, loaded
from ._refresh import refresh as look_again
from ._scan import split_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from ._manager import Manager
    from ._refresh import Changes

    Made = TypeVar("Made", bound=Manager[Any, Any])


def _change(
    manager: "Manager[Any, Any]", change: "Callable[[Manager[Any, Any]], object]"
) -> None:
    draft = manager.__class__.__new__(manager.__class__)
    draft.__dict__.update(manager.__dict__)
    draft.excluded = dict(manager.excluded)
    change(draft)
    manager.__dict__.update(draft.__dict__)


def join(manager: "Manager[Any, Any]", extensions: "list[Extension[Any]]") -> None:
    """Add extensions to a manager, which are chosen, loaded and checked as others."""

    def change(draft: "Manager[Any, Any]") -> None:
        draft._made = [*draft._made, *extensions]
        kept = draft._chosen(extensions)
        if not draft._lazy:
            kept = list(loaded(draft, kept))
        draft._adopt([*draft.extensions, *kept])
        draft._arrange(whole=False)

    _change(manager, change)


def register(
    manager: "Manager[Any, Any]", name: str, plugin: "Any", group: "str | None"
) -> "Extension[Any]":
    """Add an extension to a manager; return it, also if the manager leaves it out."""
    if not isinstance(name, str):
        raise TypeError(f"the name of an extension is text, not {name!r}")
    names = getattr(manager, "_names", None)
    if names is not None and name not in names:
        raise ValueError(
            f"{name!r} cannot be registered: this manager is made for {list(names)!r}"
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
    extension._fill(_group(manager, group), row, None, *manager._make)
    if not isinstance(plugin, str):
        invoke, protocol = manager._make
        if protocol is not None and invoke is None:
            from ._protocol import fit

            fit(extension, plugin, protocol)
        extension.plugin = plugin

    join(manager, [extension])
    manager._registered = (*manager._registered, extension)
    return extension


def _group(manager: "Manager[Any, Any]", group: "str | None") -> str:
    namespace = manager.namespace
    is_family = namespace[-2:] == ".*"
    if group is None and not is_family:
        return namespace
    if group is None:
        raise ValueError(f"say group=: which one of {namespace!r} is it for?")
    if group != namespace and not (is_family and group.startswith(namespace[:-1])):
        raise ValueError(f"{group!r} is no group of {namespace!r}")
    return group


def of_given(
    kind: "type[Made]",
    extensions: "Sequence[Extension[Any]] | Extension[Any]",
    *settings: "Any",
) -> "Made":
    """Return a manager of given extensions instead of installed ones.

    The settings are those of `Manager._configure`.
    """
    manager = kind.__new__(kind)
    manager._configure(*settings)
    manager._make = None, None
    manager._lazy = True
    if isinstance(extensions, Extension):
        extensions = [extensions]
    manager._made = list(extensions)
    manager._registered = tuple(extensions)
    manager._adopt(list(extensions))
    return manager


def refresh(manager: "Manager[Any, Any]") -> "Changes":
    """Select anew what is there now; the handles of what stayed stay."""
    changes = look_again()
    known: dict[Any, list[Extension[Any]]] = {}
    for extension in manager._made:
        if extension not in manager._registered:
            known.setdefault(identity(extension), []).append(extension)

    def change(draft: "Manager[Any, Any]") -> None:
        made = [
            _kept(known.get(identity(extension)), extension)
            for extension in draft._extensions(draft._asked)
        ]
        draft.excluded = {}
        draft._made = [*made, *draft._registered]
        draft._adopt(draft._chosen(draft._made))
        vars(draft).pop("_passed", None)  # what a test said before
        if draft._on_failure != "warn" or _cache.news:
            from ._isolation import set_policy

            set_policy(draft, draft._on_failure)
        draft._settle()

    _change(manager, change)
    return changes


def _kept(
    old: "list[Extension[Any]] | None", new: "Extension[Any]"
) -> "Extension[Any]":
    """Return the handle that stood for an extension, if any, with where it lies now."""
    if not old:
        return new
    extension = old.pop(0)
    extension._owner, extension._line = new._owner, new._line
    if extension._module is not None:
        extension._entry_point = None  # type: ignore[assignment]
    return extension
