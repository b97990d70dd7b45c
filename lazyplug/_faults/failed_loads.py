"""What becomes of a load that failed: is it tried again, told, remembered?"""

import _thread
import sys

from .._exceptions import CircularLoad, LazyplugError
from .._import_target import import_module
from .._printable import CAUSE, CONTEXT, TRACEBACK, TYPE_NAME
from .messages import origin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._extension import Extension


# Threads that fail to import a module at the same time, one after the other, are few.
_MOST_IMPORTS = 8
# Python's own attributes: an exception class may define others of these names.
_ARGS: "Any" = BaseException.args
_DICT: "Any" = BaseException.__dict__["__dict__"]
_NAME: "Any" = ImportError.name
_OBJECT: "Any" = AttributeError.obj
_SPEC: "Any" = type(__spec__)


def imported_again(
    extension: "Extension[Any]", which: "tuple[str, int]", module: "Any"
) -> "tuple[Any, bool]":
    """Return the module of an extension, imported anew, and whether it is unfinished.

    `module` is what an import returned that is not in `sys.modules` any more: another
    thread imported it and failed, which Python does not say. So the import is done
    again, for the same error, unless that is published meanwhile.
    """
    name: Any = extension._module
    for _ in range(_MOST_IMPORTS):
        if which in extension._outcomes:
            break
        module = import_module(name)
        if is_unfinished(module):
            return module, True
        if sys.modules.get(name) is module:
            break
    return module, False


def failed(
    extension: "Extension[Any]",
    which: "tuple[str, int]",
    error: Exception,
    unfinished: bool = False,
) -> "Any":
    """Return the outcome that wins: this failure, unless another was first.

    The error keeps its type and gets one note, unless it says all of it itself. It
    is not remembered if the module was unfinished, or the same load may succeed a
    moment later.
    """
    if not issubclass(type(error), LazyplugError):
        try:
            note = f"lazyplug: while loading {origin(extension)}"
        except (ImportError, OSError):  # no file can be read any more
            note = f"lazyplug: while loading {extension!r}"
        # Not by `add_note`, which the class may define, or refuse as frozen dataclasses
        # do: another exception would be raised in place of this one.
        notes = _DICT.__get__(error).setdefault("__notes__", [])
        if type(notes) is list and not any(type(n) is str and n == note for n in notes):
            notes.append(note)
    outcome = None, (error, TRACEBACK.__get__(error)), None
    if unfinished or is_passing(error):
        return outcome
    return extension._outcomes.setdefault(which, outcome)


def is_passing(error: BaseException) -> bool:
    """May the same load succeed a moment later?

    So it may when memory or stack were short, when it reached itself, or when it
    met a module that was still being initialised. Only Python's own attributes and
    types are compared, since those of a plugin may raise anything.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        kind = type(link)
        if issubclass(kind, (MemoryError, RecursionError, CircularLoad)):
            return True
        # What the import system said when it was so: by now another thread may have
        # finished the module. The second is for two threads that import in a circle.
        args = _ARGS.__get__(link)
        words = args[0] if args else None
        if type(words) is str and "partially initialized module" in words:
            return True
        if TYPE_NAME.__get__(kind) == "_DeadlockError":
            return True
        # Python 3.11 raises this if a signal handler imports during an import.
        if kind is KeyError and type(words) is int and words == _thread.get_ident():
            return True
        met: object = None
        if issubclass(kind, ImportError):
            name = _NAME.__get__(link)
            met = sys.modules.get(name) if type(name) is str else None
        elif issubclass(kind, AttributeError):
            met = _OBJECT.__get__(link)
        if is_unfinished(met):
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
        return says_nothing(module, error)


def says_nothing(module: object, error: BaseException) -> bool:
    """Return False for what a module raised when it was asked for its spec.

    Raise the error if it came from a signal handler instead: asking a plain module runs
    no code of a plugin.
    """
    if type(module) is type(sys) and type(module.__dict__.get("__spec__")) is _SPEC:
        raise error
    if issubclass(type(error), KeyboardInterrupt):
        raise error
    return False
