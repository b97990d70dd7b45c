"""Change a manager that is in use: register, refresh.

A change is made to a copy, and applied when all of it has succeeded: another thread
never sees an extension that has not passed the test yet, and a failure changes nothing.
Code of plugins and hosts runs before that, and once. No lock is held meanwhile, so
other threads, or that code itself, may change the manager. Their changes are kept: only
the last step, which merges both, is repeated on a new copy.
"""

import os
from _thread import RLock

from . import _environment, _settings
from ._attributes import take_place
from ._extension import Extension
from ._faults.messages import no_matches
from ._indexing.metadata import row_of
from ._mapping import identity, keep_loaded, loaded
from ._refresh import refresh as refresh_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from ._manager import Manager
    from ._refresh import Changes

    Made = TypeVar("Made", bound=Manager[Any, Any])

# Held for one comparison and one update of a dictionary. Reentrant: the thread that
# holds it may run a signal handler.
_merging = RLock()


def _renew_after_fork() -> None:
    global _merging  # noqa: PLW0603
    _merging = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def _draft(manager: "Made") -> "Made":
    """Return a copy of a manager, which no other thread sees."""
    draft = manager.__class__.__new__(manager.__class__)
    draft.__dict__.update(manager.__dict__)
    draft.excluded = dict(draft.excluded)
    callback = draft._on_load_failure_callback
    if callback is not None:
        # The host's callback gets the host's manager, not the copy.
        draft._on_load_failure_callback = lambda _, *failure: callback(
            manager, *failure
        )
    return draft


def _change(
    manager: "Manager[Any, Any]", change: "Callable[[Manager[Any, Any]], bool]"
) -> bool:
    """Let a function change a copy of a manager, and apply its changes.

    It is called again, with a new copy, if the manager was changed meanwhile. Returns
    False if the function does.
    """
    state = manager.__dict__
    update = state.update
    while True:
        draft = _draft(manager)
        before = draft.__dict__.copy()
        # Each change replaces this list, so it identifies the state.
        made = before["_made"]
        if not change(draft):
            return False
        # Attributes that the host set meanwhile stay.
        changed = {
            name: value
            for name, value in draft.__dict__.items()
            if name not in before or before[name] is not value
        }
        changed["excluded"] = draft.excluded
        with _merging:
            # No signal handler can run between these two lines.
            if state["_made"] is made:
                update(changed)
                return True


def join(
    manager: "Manager[Any, Any]",
    extensions: "list[Extension[Any]]",
    registered: bool = False,
) -> bool:
    """Add extensions to a manager; choose, load and check them like all others.

    Returns False if they are installed ones, and the manager has them by now.
    """
    judge = _draft(manager)
    judge.excluded = {}
    kept = judge._chosen(extensions)
    if not manager._lazy:
        kept = list(loaded(manager, kept))
    checked = getattr(manager, "_checked", None)
    if checked is not None:
        kept = checked(kept)

    def change(draft: "Manager[Any, Any]") -> bool:
        if registered:
            draft._registered = (*draft._registered, *extensions)
        else:
            there = set(map(identity, draft._made))
            if not there.isdisjoint(map(identity, extensions)):
                return False
            _count_selection(draft)
        draft._made = [*draft._made, *extensions]
        draft.excluded.update(judge.excluded)
        _pass(draft, kept)
        _adopt(draft, [*draft.extensions, *kept])
        draft._arrange(whole=False)
        return True

    return _change(manager, change)


def find_new(manager: "Manager[Any, Any]", name: str) -> "Extension[Any]":
    """Return the extension of a name that is missing, or raise NoMatches.

    It may have come unnoticed where only folders are looked at. A manager of given
    names has had that done for all of them at once.
    """
    level = _settings.one_of("LAZYPLUG_CHECK", _settings.LEVELS)
    if manager._asked is None and level in _settings.CHECKS_MISSING:
        _environment.current("full")
        known = set(map(identity, manager._made))
        came = [
            extension
            for extension in manager._extensions(None)
            if extension.name == name and identity(extension) not in known
        ]
        if came:
            join(manager, came)
        # Even if nothing was found: another thread may have added it.
        found = manager._named(name)
        if found is not None:
            return found
    raise no_matches(manager.namespace, name, manager.names(), manager.excluded)


def _pass(
    draft: "Any", extensions: "Sequence[Extension[Any]]", anew: bool = False
) -> None:
    """Record that extensions have passed the manager's test, if it has one.

    With `anew` they are the only ones.
    """
    if hasattr(draft, "_note_passed"):
        if anew:
            draft._forget_passed()
        draft._note_passed(extensions)


def _selection(manager: "Manager[Any, Any]") -> int:
    """Return how often the installed extensions of a manager were selected anew."""
    number: int = manager.__dict__.get("_selected", 0)
    return number


def _count_selection(draft: "Manager[Any, Any]") -> None:
    draft.__dict__["_selected"] = _selection(draft) + 1


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
    row = row_of(name, plugin if isinstance(plugin, str) else "")
    if isinstance(plugin, str) and row[2] is None:
        raise ValueError(
            f"{plugin!r} is not an object reference of the form 'module:attr';"
            f" {name!r} was not registered"
        )
    extension: Extension[Any] = Extension.__new__(Extension)
    extension._fill(_group(manager, group), row, None, *manager._make)
    if not isinstance(plugin, str):
        invoke, protocol = manager._make
        if protocol is not None and invoke is None:
            from ._protocol import fit

            fit(extension, plugin, protocol)
        extension.plugin = plugin

    join(manager, [extension], registered=True)
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
    _adopt(manager, list(extensions))
    return manager


def _adopt(manager: "Any", extensions: "list[Extension[Any]]") -> None:
    """Give a manager these extensions; a test instance is made for their names."""
    manager._adopt(extensions)
    if manager._asked is None and hasattr(manager, "_names"):
        manager._names = manager.names()


def refresh(manager: "Manager[Any, Any]") -> "Changes":
    """Select anew what is there now; the handles of what stayed stay."""
    changes = refresh_all()
    made: list[Extension[Any]] = []
    while not _select_anew(manager, made):
        pass  # another thread did, maybe from an older scan than this one
    return changes


def _select_anew(manager: "Manager[Any, Any]", made: "list[Extension[Any]]") -> bool:
    """Select anew; return False if another thread did so meanwhile.

    `made` has the handles that this thread made, and maybe loaded, for the next try.
    """
    draft: Any = _draft(manager)
    selection, registered = _selection(draft), draft._registered
    known: dict[Any, list[Extension[Any]]] = {}
    for extension in dict.fromkeys([*draft._made, *made]):
        if extension not in registered:
            known.setdefault(identity(extension), []).append(extension)
    made[:] = [
        _kept(known.get(identity(extension)), extension)
        for extension in draft._extensions(draft._asked)
    ]
    draft.excluded = {}
    _adopt(draft, draft._chosen([*made, *registered]))
    if draft._on_failure != "warn" or _settings.unreported:
        from ._faults.policy import set_policy

        set_policy(draft, draft._on_failure)
    if not draft._lazy:
        keep_loaded(draft)
    if hasattr(draft, "_checked"):
        draft._forget_passed()
        draft.extensions = draft._checked(draft.extensions)
    whole = True

    def change(current: "Any") -> bool:
        nonlocal whole
        if _selection(current) != selection:
            return False
        # Those that were registered, and tested, meanwhile.
        came = current._registered[len(registered) :]
        kept = [extension for extension in current.extensions if extension in came]
        reasons = current.excluded.items()
        current._made = [*made, *registered, *came]
        current.excluded = draft.excluded | {e: why for e, why in reasons if e in came}
        _pass(current, [*draft.extensions, *kept], anew=True)
        _adopt(current, [*draft.extensions, *kept])
        _count_selection(current)
        current._arrange(whole)
        whole = False  # missing names were reported
        return True

    return _change(manager, change)


def _kept(
    old: "list[Extension[Any]] | None", new: "Extension[Any]"
) -> "Extension[Any]":
    """Return the handle that stood for an extension, if any, with where it lies now."""
    if not old:
        return new
    extension = old.pop(0)
    take_place(extension, new)
    return extension
