"""The call behind `Extension.obj` belongs to one thread; the others wait for it."""

import os
from _thread import allocate_lock, get_ident
from time import perf_counter

from . import _cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manager import Extension


class _Call:
    """A call under way: whose it is, and a lock that is free when it is over."""

    __slots__ = ("extension", "lock", "process", "thread")

    def __init__(self, extension: "Extension[Any]") -> None:
        self.extension = extension
        self.thread = get_ident()
        # A call of the parent process is not under way in a forked child.
        self.process = os.getpid()
        self.lock = allocate_lock()
        self.lock.acquire()


# Guards the two below, never held while foreign code is run.
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

    Runs the plugin's code. Raises CircularLoad if the call waits for itself.
    """
    plugin = extension.plugin  # the import is over before a call begins
    which = "obj", _cache.generation
    while True:
        outcome = extension._outcomes.get(which)
        if outcome is None:
            mine = _Call(extension)
            with _guard:
                under_way = extension._call
                if under_way is not None and under_way.process != os.getpid():
                    under_way = None
                if under_way is None:
                    extension._call = mine
                else:
                    _refuse_circle(under_way)
                    _waiting[get_ident()] = under_way
            if under_way is not None:
                _wait(under_way)
                continue  # published, or the other gave up: then it is our turn
            try:
                # Another may have published between our look and our turn.
                outcome = extension._outcomes.get(which) or _run(
                    extension, which, plugin
                )
            finally:
                with _guard:
                    extension._call = None
                mine.lock.release()
        obj, failure, _ = outcome
        if failure is not None:
            raise failure[0].with_traceback(failure[1])
        extension.obj = obj
        return obj


def _wait(call: _Call) -> None:
    try:
        with call.lock:
            pass
    finally:
        with _guard:
            del _waiting[get_ident()]


def _run(extension: "Extension[Any]", which: "tuple[str, int]", plugin: "Any") -> "Any":
    args, kwds = extension._invoke or ((), {})
    began = perf_counter()
    try:
        obj = plugin(*args, **kwds)
        if extension._protocol is not None:
            from ._protocol import fit

            fit(extension, obj, extension._protocol)
    except Exception as error:
        from ._failure import failed

        return failed(extension, which, error)
    taken = perf_counter() - began
    return extension._outcomes.setdefault(which, (obj, None, taken))


def _refuse_circle(call: _Call) -> None:
    """Raise if the thread that runs this call waits, in the end, for this thread."""
    me = get_ident()
    names = []
    link: _Call | None = call
    while link is not None:
        names.append(link.extension.name)
        if link.thread == me:
            from ._exceptions import circular_load

            raise circular_load(call.extension, names)
        link = _waiting.get(link.thread)
