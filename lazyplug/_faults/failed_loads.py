"""Handle a failed load: repeat its import, add a note, remember the failure."""

import _thread
import sys

from .. import _messages as messages
from .._exceptions import CircularLoad, LazyplugError
from .._import_target import import_module
from .._printable import CAUSE, CONTEXT, TRACEBACK, TYPE_NAME
from .origin import origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._extension import Extension
    from .._static.learned import Handle


# Few threads fail to import the same module at the same time.
_MAX_IMPORTS = 8
# Python's own attributes: an exception class may define others with these names.
_ARGS: "Any" = BaseException.args
_DICT: "Any" = BaseException.__dict__["__dict__"]
_NAME: "Any" = ImportError.name
_OBJECT: "Any" = AttributeError.obj
_SPEC: "Any" = type(__spec__)


def import_again(
    extension: "Extension[Any]", key: "tuple[str, int]", module: "Any"
) -> "tuple[Any, bool]":
    """Import the module of an extension again; return it, and True if unfinished.

    `module` is the result of an import, but is no longer in `sys.modules`: another
    thread imported it and failed, which Python does not report. A new import raises the
    same error. It is not needed if the other thread has published the outcome.
    """
    name: Any = extension._module
    for _ in range(_MAX_IMPORTS):
        if key in extension._outcomes:
            break
        module = import_module(name)
        if is_unfinished(module):
            return module, True
        if sys.modules.get(name) is module:
            break
    return module, False


def store_failure(
    extension: "Extension[Any]",
    key: "tuple[str, int]",
    error: Exception,
    unfinished: bool = False,
) -> "Any":
    """Return the outcome of a load: this failure, or an outcome that was stored first.

    The error keeps its type. It gets one note (PEP 678) unless it is a LazyplugError,
    whose message has the same information. It is not remembered if the module was
    unfinished, or if the same load may succeed a moment later.
    """
    if not issubclass(type(error), LazyplugError):
        try:
            subject = origin(extension)
        except (ImportError, OSError):  # files can no longer be read
            subject = repr(extension)
        _add_note(error, messages.WHILE_LOADING.format(extension=subject))
    if "known" in extension._outcomes:
        note_known(extension, error)
    outcome = None, (error, TRACEBACK.__get__(error)), None
    if unfinished or is_transient(error):
        return outcome
    return extension._outcomes.setdefault(key, outcome)


def note_known(handle: "Handle", error: BaseException) -> None:
    """Forget that an entry point is known to load, and add a note to its error."""
    try:
        from .._static import known_loads  # deferred: few failures concern it

        known_loads.forget(handle)
    except (ImportError, OSError):
        pass  # files can no longer be read
    _add_note(error, messages.LISTED_AS_KNOWN)


def _add_note(error: BaseException, note: str) -> None:
    """Add a note (PEP 678) to an error, once.

    Not with `add_note`, which the class may override, or refuse as frozen dataclasses
    do: another exception would replace this one.
    """
    notes = _DICT.__get__(error).setdefault("__notes__", [])
    if type(notes) is list and not any(type(n) is str and n == note for n in notes):
        notes.append(note)


def is_transient(error: BaseException) -> bool:
    """Return True if the same load may succeed a moment later.

    It may after a lack of memory or stack, after the load reached itself, and after it
    used a module that was still being initialized. Only Python's own attributes and
    types are compared, since those of a plugin may raise anything.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        kind = type(link)
        if issubclass(kind, (MemoryError, RecursionError, CircularLoad)):
            return True
        # The message of the import system, since another thread may have finished the
        # module by now. _DeadlockError: two threads import in a circle.
        # ImportCycleError: a lazy import of Python 3.15 does.
        args = _ARGS.__get__(link)
        message = args[0] if args else None
        if type(message) is str and "partially initialized module" in message:
            return True
        if TYPE_NAME.__get__(kind) in {"_DeadlockError", "ImportCycleError"}:
            return True
        # Python 3.11 raises this if a signal handler imports during an import.
        if kind is KeyError and type(message) is int and message == _thread.get_ident():
            return True
        module: object = None
        if issubclass(kind, ImportError):
            name = _NAME.__get__(link)
            module = sys.modules.get(name) if type(name) is str else None
        elif issubclass(kind, AttributeError):
            module = _OBJECT.__get__(link)
        if is_unfinished(module):
            return True
        cause = CAUSE.__get__(link)
        link = CONTEXT.__get__(link) if cause is None else cause
    return False


def is_unfinished(module: object) -> bool:
    """Return True if a module is being imported, by this thread or another one.

    Only the value True counts, which the import system sets: an object that replaces a
    module may have any attributes, or raise anything on access. Its `__getattr__` is
    not called.
    """
    try:
        spec = object.__getattribute__(module, "__spec__")
        return getattr(spec, "_initializing", False) is True
    except BaseException as error:
        return reraise_signal_error(module, error)


def reraise_signal_error(module: object, error: BaseException) -> bool:
    """Return False for an error that a module itself raised on access to its spec.

    Raise the error if it came from a signal handler instead: access to the spec of a
    plain module runs no plugin code. A KeyboardInterrupt is always raised.
    """
    if type(module) is type(sys) and type(module.__dict__.get("__spec__")) is _SPEC:
        raise error
    if issubclass(type(error), KeyboardInterrupt):
        raise error
    return False
