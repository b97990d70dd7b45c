"""The call behind `Extension.obj` belongs to one thread; the others wait for it."""

import os
import sys
from _thread import allocate_lock, get_ident
from time import perf_counter

from . import _cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manager import Extension

# Seconds between two looks of a thread that waits for a call: does that wait for it?
_LOOK = 0.05


class _Call:
    """A call, whose it is, and whether it is under way.

    Both locks are held by `with` and nothing else, so that they are free when it is
    over, whatever was raised and wherever: a signal may come between any two lines.
    """

    __slots__ = ("extension", "gate", "lock", "process", "thread")

    def __init__(self, extension: "Extension[Any]") -> None:
        self.extension = extension
        self.thread = get_ident()
        # A call of the parent process is not under way in a forked child.
        self.process = os.getpid()
        # held by its own thread alone
        self.lock = allocate_lock()
        # what the others wait for
        self.gate = allocate_lock()

    def under_way(self) -> bool:
        return self.lock.locked() and self.process == os.getpid()


# Guards whose turn it is and who waits, never held while foreign code is run.
_guard = allocate_lock()
# which call a thread waits for
_waiting: "dict[int, _Call]" = {}


def _renew_after_fork() -> None:
    global _guard  # noqa: PLW0603
    _guard = allocate_lock()
    _waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def call(extension: "Extension[Any]") -> "Any":
    """Return what the call of the plugin returned; call it if nobody has.

    Runs the plugin's code. Raises CircularLoad if the call waits for itself, or for
    the import of the plugin that asks for it.
    """
    if "plugin" not in extension.__dict__:
        extension._load()  # the import is over before a call begins
    if "plugin" not in extension.__dict__:
        from ._exceptions import unfinished

        raise unfinished(extension)
    which = "obj", _cache.generation
    outcome = None
    while outcome is None:
        outcome = extension._outcomes.get(which) or _take_turn(extension, which)
    obj, failure, _ = outcome
    if failure is not None:
        raise failure[0].with_traceback(failure[1])
    extension.obj = obj
    return obj


def _take_turn(extension: "Extension[Any]", which: "tuple[str, int]") -> "Any":
    """Call the plugin and return the outcome, or wait for another; None: look again."""
    mine = _Call(extension)
    # In this order: who comes through the gate finds the call over.
    with mine.gate, mine.lock:
        with _guard:
            other = extension._call
            if other is None or not other.under_way():
                extension._call = mine
                other = None
        if other is None:
            # Another may have published between our look and our turn.
            return extension._outcomes.get(which) or _run(extension, which)
    _wait(other)
    return None


def _run(extension: "Extension[Any]", which: "tuple[str, int]") -> "Any":
    args, kwds = extension._invoke or ((), {})
    began = perf_counter()
    try:
        obj = extension.plugin(*args, **kwds)
        if extension._protocol is not None:
            from ._protocol import fit

            fit(extension, obj, extension._protocol)
    except Exception as error:
        from ._failure import failed

        return failed(extension, which, error)
    taken = perf_counter() - began
    return extension._outcomes.setdefault(which, (obj, None, taken))


def _wait(other: _Call) -> None:
    """Wait until a call is over, or gave up. Raises CircularLoad."""
    me = get_ident()
    try:
        while other.under_way():
            with _guard:
                names = _circle(other, me)
                # Looked at twice: what waits for an import moves without our guard.
                names = names and _circle(other, me)
                _waiting[me] = other
            if names:
                from ._exceptions import circular_load

                raise circular_load(other.extension, names)
            # A thread that is interrupted here leaves the gate shut; who waits for
            # it looks at the call again.
            if other.gate.acquire(timeout=_LOOK):
                other.gate.release()
    finally:
        _waiting.pop(me, None)


def _circle(call: _Call, me: int) -> "list[str]":
    """Return the way from this call to this thread, if its thread waits for this one.

    A thread waits for a call, or in the import system for a module that another
    imports.
    """
    names = [call.extension.name]
    thread = call.thread
    seen = {thread}
    while thread != me:
        link = _waiting.get(thread)
        if link is not None:
            if not link.under_way():
                return []
            names.append(link.extension.name)
            thread = link.thread
        else:
            module, thread = _awaited_import(thread)
            names.append(f"the import of {module}")
        if thread in seen:
            return []
        seen.add(thread)
    return names


def _awaited_import(thread: int) -> "tuple[str, int]":
    """Return which module a thread waits for, and the thread that imports it.

    It is the thread itself if it waits for none. The import system tells it nowhere
    else; an interpreter without these names has no circles through imports found.
    """
    system = sys.modules.get("_frozen_importlib")
    locks: Any = getattr(system, "_blocking_on", {}).get(thread)
    # Python 3.11 has one lock here, later ones a list.
    for lock in locks if isinstance(locks, list) else [locks]:
        owner = getattr(lock, "owner", None)
        if owner is not None and owner != thread:
            return lock.name, owner
    return "", thread
