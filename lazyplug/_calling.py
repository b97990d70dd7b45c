"""Run the call behind `Extension.obj` in one thread; let other threads wait for it.

A signal handler that accesses an extension may run between any two lines, so a call is
claimed by one dictionary operation, and no lock is held but the call's own. Locks and
thread identities are looked up in `_thread` each time: gevent replaces them, and then
its greenlets count as threads.
"""

import _thread
import os
import sys
import time
from time import perf_counter

from . import _environment, _files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._extension import Extension

# Seconds after which a waiting thread checks again if the calls wait for each other.
_POLL_SECONDS = 0.05


class _Call:
    """A call of a plugin, which belongs to one thread and is under way or over.

    Both locks are held only by `with`, so that they are released when the call ends,
    whatever is raised: a signal may arrive between any two lines.
    """

    __slots__ = ("extension", "following", "forks", "gate", "lock", "process", "thread")

    def __init__(self, extension: "Extension[Any]") -> None:
        self.extension = extension
        self.thread = _thread.get_ident()
        self.process = _files.fs.getpid()
        # how many `_forks` there were before the call
        self.forks = len(_forks)
        # only the call's own thread holds it
        self.lock = _thread.allocate_lock()
        # what other threads wait for
        self.gate = _thread.allocate_lock()
        # the next call of this extension, which a thread claims when this one ends
        self.following: dict[None, _Call] = {}

    def under_way(self) -> bool:
        if not self.lock.locked():
            return False
        # A call of the parent process is under way in a forked child only if its own
        # thread forked: the other threads are not there.
        return self.process == _files.fs.getpid() or (
            {*_forks[self.forks :]} == {self.thread}
        )


# the call that each thread waits for
_waiting: "dict[int, _Call]" = {}

# the thread that forked, for each fork between the first process and this one
_forks: "list[int]" = []


def _after_fork() -> None:
    _forks.append(_thread.get_ident())
    _waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def call(extension: "Extension[Any]") -> "Any":
    """Return the object that the call of the plugin returned; call it on first use.

    Runs the plugin's code. Raises CircularLoad if the call waits for itself, or for the
    import of the plugin that requests it.
    """
    if "plugin" not in extension.__dict__:
        extension._load()  # the import finishes before a call begins
    if "plugin" not in extension.__dict__:
        from ._faults.errors import unfinished  # deferred: only on failure

        raise unfinished(extension)
    key = "obj", _environment.generation
    outcome = None
    while outcome is None:
        outcome = extension._outcomes.get(key) or _take_turn(extension, key)
    obj, failure, _ = outcome
    if failure is not None:
        raise BaseException.with_traceback(*failure)
    extension.obj = obj
    return obj


def _take_turn(extension: "Extension[Any]", key: "tuple[str, int]") -> "Any":
    """Call the plugin and return the outcome; or wait for another call, return None."""
    mine = _Call(extension)
    # In this order: a thread that gets through the gate finds the call over.
    with mine.gate, mine.lock:
        # A finished call never starts again. The first thread to see that claims the
        # following call.
        turn: _Call = extension.__dict__.setdefault("_call", mine)
        while turn is not mine and not turn.under_way():
            turn = turn.following.setdefault(None, mine)
        if turn is mine:
            # From here on, the earlier calls are not needed.
            extension.__dict__["_call"] = mine
            # Another thread may have stored an outcome in the meantime.
            return extension._outcomes.get(key) or _run(extension, key)
    _wait(turn)
    return None


def _run(extension: "Extension[Any]", key: "tuple[str, int]") -> "Any":
    args, kwds = extension._invoke or ((), {})
    start = perf_counter()
    try:
        obj = extension.plugin(*args, **kwds)
        if extension._protocol is not None:
            from ._protocol import fit  # deferred: few hosts use protocol=

            fit(extension, obj, extension._protocol)
    except Exception as error:
        from ._faults.failed_loads import store_failure  # deferred: only on failure

        return store_failure(extension, key, error)
    seconds = perf_counter() - start
    return extension._outcomes.setdefault(key, (obj, None, seconds))


def _wait(other: _Call) -> None:
    """Wait until a call ends. Raises CircularLoad if it waits for this thread."""
    me = _thread.get_ident()
    try:
        while other.under_way():
            # Before the search: of threads that begin to wait for each other at the
            # same time, the last one sees all. Each time: a signal handler may have
            # waited.
            _waiting[me] = other
            circle = _circle(other, me)
            # Searched twice, since calls may end during a search: one that both
            # searches find was under way throughout.
            if circle and circle == _circle(other, me):
                waiting = [t for t, step in circle.items() if isinstance(step, _Call)]
                # One thread gives up, so that the others can go on.
                if me == max(waiting):
                    from ._faults.errors import circular_load  # deferred: rare

                    raise circular_load(other.extension, map(_name, circle.values()))
            # A thread that is interrupted here leaves the gate shut; threads that wait
            # for it check the call again.
            if other.gate.acquire(timeout=_POLL_SECONDS):
                other.gate.release()
            else:
                # Lets greenlets run, even if gevent patched after the gate was made.
                time.sleep(0)
    finally:
        _waiting.pop(me, None)


def _name(step: "_Call | str") -> str:
    if isinstance(step, _Call):
        return step.extension.name
    from . import _messages as messages  # deferred: only on failure

    return messages.IMPORT_OF.format(module=step)


def _circle(call: _Call, me: int) -> "dict[int, _Call | str]":
    """Return the circle of waiting threads that a call closes; empty if there is none.

    It maps each thread to what it waits for: a call, or a module that another thread
    imports.
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
            step, owner = _awaited_import(thread)
        elif link.under_way():
            step, owner = link, link.thread
        else:
            break
    return {}


def _awaited_import(thread: int) -> "tuple[str, int]":
    """Return the module that a thread waits for, and the thread that imports it.

    If it waits for no module, return "" and the thread itself. The import system has no
    public name for this; in an interpreter without the private ones, circles through
    imports are not found.
    """
    system = sys.modules.get("_frozen_importlib")
    locks: Any = getattr(system, "_blocking_on", {}).get(thread)
    # Python 3.11 has one lock here, later versions have a list.
    for lock in locks if isinstance(locks, list) else [locks]:
        owner = getattr(lock, "owner", None)
        if owner is not None and owner != thread:
            return lock.name, owner
    return "", thread
