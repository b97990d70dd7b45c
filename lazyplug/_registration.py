"""Change a manager that is in use: register and refresh extensions.

A change is made to a copy, and applied when all of it has succeeded: another thread
never sees an extension that has not passed the check yet, and a failure changes
nothing. Code of plugins and hosts runs before that, and once. No lock is held
while it runs, so other threads, or that code itself, may change the manager. Their
changes are kept: only the last step, which merges both, is repeated on a new copy.
"""

import os
from _thread import RLock

from . import _environment, _settings
from ._attributes import update_declaration
from ._extension import Extension
from ._indexing.metadata import row_of
from ._mapping import identity, keep_loaded, load_each, loads_at_creation
from ._refresh import refresh as refresh_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from ._manager import Manager
    from ._refresh import Changes

    Made = TypeVar("Made", bound=Manager[Any])

# Held for one comparison and one update of a dictionary. Reentrant: the thread that
# holds it may run a signal handler.
_merging = RLock()


def _renew_after_fork() -> None:
    global _merging  # noqa: PLW0603
    _merging = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def _draft(manager: "Made") -> "Made":
    """Return a copy of a manager that no other thread sees."""
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


def _change(manager: "Manager[Any]", change: "Callable[[Manager[Any]], bool]") -> bool:
    """Let a function change a copy of a manager, and apply the changes.

    The function is called again, with a new copy, if the manager was changed in the
    meantime. Returns False if the function does.
    """
    state = manager.__dict__
    update = state.update
    while True:
        draft = _draft(manager)
        before = draft.__dict__.copy()
        # Each change replaces this list, so it identifies the state.
        marker = before["_candidates"]
        if not change(draft):
            return False
        # Attributes that the host set in the meantime stay.
        changed = {
            name: value
            for name, value in draft.__dict__.items()
            if name not in before or before[name] is not value
        }
        changed["excluded"] = draft.excluded
        with _merging:
            # No signal handler can run between these two lines.
            if state["_candidates"] is marker:
                update(changed)
                return True


def join(
    manager: "Manager[Any]",
    extensions: "list[Extension[Any]]",
    registered: bool = False,
) -> bool:
    """Add extensions to a manager; filter, load and check them like all others.

    Returns False if they are installed, and the manager has them already.
    """
    trial = _draft(manager)
    trial.excluded = {}
    enabled = _enabled(trial, extensions)
    if loads_at_creation(manager):
        enabled = list(load_each(manager, enabled))
    check = getattr(manager, "_checked", None)
    if check is not None:
        enabled = check(enabled)

    def change(draft: "Manager[Any]") -> bool:
        if registered:
            draft._registered = (*draft._registered, *extensions)
        else:
            present = set(map(identity, draft._candidates))
            if not present.isdisjoint(map(identity, extensions)):
                return False
            _count_selection(draft)
        draft._candidates = [*draft._candidates, *extensions]
        draft.excluded.update(trial.excluded)
        _record_passed(draft, enabled)
        _set_extensions(draft, [*draft.extensions, *enabled])
        draft._arrange(report_missing=False)
        return True

    return _change(manager, change)


def find_new(manager: "Manager[Any]", name: str) -> "Extension[Any, Any]":
    """Return the extension of a missing name after a full check, or raise NoMatches.

    The level `dirs` may have missed the extension. A manager of several names already
    made a full check for all of them at once.
    """
    level = _settings.get_choice("LAZYPLUG_CHECK", _settings.LEVELS)
    if manager._requested_names is None and level in _settings.CHECKS_MISSING:
        _environment.current("full")
        known = set(map(identity, manager._candidates))
        new = [
            extension
            for extension in manager._extensions(None)
            if extension.name == name and identity(extension) not in known
        ]
        if new:
            join(manager, new)
        # Even if there is nothing new: another thread may have added it.
        found = manager._get(name)
        if found is not None:
            return found
    from ._faults.errors import no_matches  # deferred: only on failure

    raise no_matches(
        manager.namespace, name, manager.names(), manager.excluded, manager._known
    )


def _record_passed(
    draft: "Any", extensions: "Sequence[Extension[Any]]", replace: bool = False
) -> None:
    """Record that extensions have passed the manager's check, if it has one.

    With `replace`, forget all extensions that have passed before.
    """
    if hasattr(draft, "_note_passed"):
        if replace:
            draft._forget_passed()
        draft._note_passed(extensions)


def _selection(manager: "Manager[Any]") -> int:
    """Return how often the installed extensions of a manager were selected again."""
    number: int = manager.__dict__.get("_selected", 0)
    return number


def _count_selection(draft: "Manager[Any]") -> None:
    draft.__dict__["_selected"] = _selection(draft) + 1


def register(
    manager: "Manager[Any]", name: str, plugin: "Any", group: "str | None"
) -> "Extension[Any, Any]":
    """Add an extension to a manager; return it, even if the manager excludes it."""
    if not isinstance(name, str):
        from . import _messages as messages  # deferred: only on failure

        raise TypeError(
            messages.NOT_VALID.format(
                value=repr(name), what="extension name", expected="a string"
            )
        )
    names = getattr(manager, "_names", None)
    if names is not None and name not in names:
        from . import _messages as messages  # deferred: only on failure
        from ._printable import list_words

        reason = messages.OTHER_NAMES.format(names=list_words(names))
        raise _not_registered(name, reason)
    row = row_of(name, plugin if isinstance(plugin, str) else "")
    if isinstance(plugin, str) and row[2] is None:
        from . import _messages as messages  # deferred: only on failure

        reason = f"{plugin!r} is {messages.INVALID_REFERENCE}"
        raise _not_registered(name, reason)
    extension: Extension[Any] = Extension.__new__(Extension)
    extension._fill(_group(manager, group), row, None, *manager._load_options)
    if manager._facts is not None:
        extension._facts = manager._facts
    if not isinstance(plugin, str):
        invoke, protocol = manager._load_options
        if protocol is not None and invoke is None:
            from ._protocol import fit  # deferred: few hosts use protocol=

            fit(extension, plugin, protocol)
        extension.plugin = plugin

    join(manager, [extension], registered=True)
    return extension


def _not_registered(name: str, reason: str) -> ValueError:
    from . import _messages as messages  # deferred: only on failure

    text = messages.CANNOT_BE.format(done="registered", reason=reason)
    return ValueError(f"{name!r} {text}")


def _group(manager: "Manager[Any]", group: "str | None") -> str:
    namespace = manager.namespace
    is_family = namespace[-2:] == ".*"
    if group is None and not is_family:
        return namespace
    if group is None:
        from . import _messages as messages  # deferred: only on failure

        raise ValueError(messages.GROUP_REQUIRED.format(namespace=namespace))
    if group != namespace and not (is_family and group.startswith(namespace[:-1])):
        from . import _messages as messages  # deferred: only on failure

        raise ValueError(messages.NOT_A_GROUP.format(group=group, namespace=namespace))
    return group


def make_test_instance(
    kind: "type[Made]",
    extensions: "Sequence[Extension[Any]] | Extension[Any]",
    *settings: "Any",
) -> "Made":
    """Return a manager of these extensions instead of installed ones.

    The settings are the arguments of `Manager._configure`.
    """
    manager = kind.__new__(kind)
    manager._configure(*settings)
    manager._load_options = None, None
    manager._lazy = True
    if isinstance(extensions, Extension):
        extensions = [extensions]
    manager._candidates = list(extensions)
    manager._registered = tuple(extensions)
    _set_extensions(manager, list(extensions))
    return manager


def _enabled(
    manager: "Manager[Any]", extensions: "list[Extension[Any]]"
) -> "list[Extension[Any]]":
    """Return the enabled extensions; add the others to the manager's `excluded`."""
    get_setting = _settings.get_setting
    if (
        manager._choice is None
        and not get_setting("LAZYPLUG_ALLOW")
        and not get_setting("LAZYPLUG_DENY")
    ):
        return extensions
    from ._selection.judging import apply_choice  # deferred: few filter

    return apply_choice(manager, extensions)


def _set_extensions(manager: "Any", extensions: "list[Extension[Any]]") -> None:
    """Set the extensions of a manager, and the names of a test instance."""
    manager._set_extensions(extensions)
    if manager._requested_names is None and hasattr(manager, "_names"):
        manager._names = manager.names()


def refresh(manager: "Manager[Any]") -> "Changes":
    """Rescan, and select the extensions again; keep the handles that still apply."""
    changes = refresh_all()
    handles: list[Extension[Any]] = []
    while not _select_again(manager, handles):
        pass  # another thread did, perhaps from an older scan than this one
    return changes


def _select_again(manager: "Manager[Any]", handles: "list[Extension[Any]]") -> bool:
    """Select the extensions again; return False if another thread did so first.

    `handles` has those that this thread made, and may have loaded, in the last attempt,
    and gets those of this attempt.
    """
    draft: Any = _draft(manager)
    selection, registered = _selection(draft), draft._registered
    known: dict[Any, list[Extension[Any]]] = {}
    for extension in dict.fromkeys([*draft._candidates, *handles]):
        if extension not in registered:
            known.setdefault(identity(extension), []).append(extension)
    handles[:] = [
        _known_or_new(known.get(identity(extension)), extension)
        for extension in draft._extensions(draft._requested_names)
    ]
    draft.excluded = {}
    _set_extensions(draft, _enabled(draft, [*handles, *registered]))
    if draft._on_failure != "warn" or _settings.unreported:
        from ._faults.policy import set_policy  # deferred: few refreshes need it

        set_policy(draft, draft._on_failure)
    if loads_at_creation(draft):
        keep_loaded(draft)
    if hasattr(draft, "_checked"):
        draft._forget_passed()
        draft.extensions = draft._checked(draft.extensions)
    report_missing = True

    def change(current: "Any") -> bool:
        nonlocal report_missing
        if _selection(current) != selection:
            return False
        # The extensions that were registered, and checked, in the meantime.
        new = current._registered[len(registered) :]
        enabled = [extension for extension in current.extensions if extension in new]
        reasons = current.excluded.items()
        current._candidates = [*handles, *registered, *new]
        current.excluded = draft.excluded | {e: r for e, r in reasons if e in new}
        _record_passed(current, [*draft.extensions, *enabled], replace=True)
        _set_extensions(current, [*draft.extensions, *enabled])
        _count_selection(current)
        current._arrange(report_missing)
        report_missing = False  # they were reported
        return True

    return _change(manager, change)


def _known_or_new(
    old: "list[Extension[Any]] | None", new: "Extension[Any]"
) -> "Extension[Any]":
    """Return the old handle of an extension, updated; the new one if there is none."""
    if not old:
        return new
    extension = old.pop(0)
    update_declaration(extension, new)
    return extension
