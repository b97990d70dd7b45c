"""The call behind `Extension.obj` belongs to one thread; the others wait for it.

A signal handler may run between any two lines and access an extension, too, so a call
is claimed by one operation of a dictionary, and no lock is held but the call's own.
Locks and identities of threads are looked up in `_thread` each time: gevent and its
like exchange them, and its greenlets are threads then.
"""

import _thread
import os
import sys
import time
from time import perf_counter

from . import _cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manager import Extension

# Seconds between two looks of a thread that waits for a call: does that wait for it?
_LOOK = 0.05


class _Call:
    """A call, the thread that it belongs to, and whether it is under way.

    Both locks are held by `with` and nothing else, so that they are free when it is
    over, whatever was raised and wherever: a signal may come between any two lines.
    """

    __slots__ = ("extension", "following", "gate", "lock", "process", "thread")

    def __init__(self, extension: "Extension[Any]") -> None:
        self.extension = extension
        self.thread = _thread.get_ident()
        # A call of the parent process is not under way in a forked child.
        self.process = _cache.Seam.getpid()
        # held by its own thread alone
        self.lock = _thread.allocate_lock()
        # what the others wait for
        self.gate = _thread.allocate_lock()
        # the call that was claimed when this one was over, if any
        self.following: dict[None, _Call] = {}

    def under_way(self) -> bool:
        return self.lock.locked() and self.process == _cache.Seam.getpid()


# which call a thread waits for
_waiting: "dict[int, _Call]" = {}

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_waiting.clear)


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
        raise BaseException.with_traceback(*failure)
    extension.obj = obj
    return obj


def _take_turn(extension: "Extension[Any]", which: "tuple[str, int]") -> "Any":
    """Call the plugin and return the outcome, or wait for another; None: look again."""
    mine = _Call(extension)
    # In this order: who comes through the gate finds the call over.
    with mine.gate, mine.lock:
        # A call that is over never gets under way again. The first to see that claims
        # the following one.
        turn: _Call = extension.__dict__.setdefault("_call", mine)
        while turn is not mine and not turn.under_way():
            turn = turn.following.setdefault(None, mine)
        if turn is mine:
            # From here on, nobody needs those before.
            extension.__dict__["_call"] = mine
            # Another may have published between our look and our turn.
            return extension._outcomes.get(which) or _run(extension, which)
    _wait(turn)
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
    me = _thread.get_ident()
    try:
        while other.under_way():
            # Before it looks: of threads that begin to wait for each other at the same
            # time, the last one sees all. Each time: a signal handler may have waited.
            _waiting[me] = other
            circle = _circle(other, me)
            # Looked at twice, since all of it moves: calls that are still under way at
            # the second look were so throughout.
            if circle and circle == _circle(other, me):
                waiting = [t for t, step in circle.items() if isinstance(step, _Call)]
                # One of them gives up, and so lets the others go on.
                if me == max(waiting):
                    from ._exceptions import circular_load

                    raise circular_load(other.extension, map(_name, circle.values()))
            # A thread that is interrupted here leaves the gate shut; who waits for
            # it looks at the call again.
            if other.gate.acquire(timeout=_LOOK):
                other.gate.release()
            else:
                # Lets greenlets run, also if the gate was made before gevent patched.
                time.sleep(0)
    finally:
        _waiting.pop(me, None)


def _name(step: "_Call | str") -> str:
    return step if isinstance(step, str) else step.extension.name


def _circle(call: _Call, me: int) -> "dict[int, _Call | str]":
    """Return the circle from this thread over a call to itself; empty if it has none.

    By thread it has what that waits for: a call, or in the import system for a module
    that another imports.
    """
    circle: dict[int, _Call | str] = {}
    thread, owner = me, call.thread
    step: _Call | str = call
    while thread not in circle:
        circle[thread] = step
        if owner == me:
            return circle
        thread = owner
        link = _waiting.get(thread)
        if link is None:
            module, owner = _awaited_import(thread)
            step = f"the import of {module}"
        elif link.under_way():
            step, owner = link, link.thread
        else:
            break
    return {}


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
