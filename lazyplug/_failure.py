"""What becomes of a load that failed: is it tried again, told, remembered?"""

import _thread
import sys

from ._exceptions import CircularLoad, LazyplugError, origin
from ._target import import_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manager import Extension


# Threads that fail to import a module at the same time, one after the other, are few.
_MOST_IMPORTS = 8
# Python's own attributes: an exception class may define others of these names.
_ARGS: "Any" = BaseException.args
_NAME: "Any" = ImportError.name
_OBJECT: "Any" = AttributeError.obj


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
    if not isinstance(error, LazyplugError):
        try:
            note = f"lazyplug: while loading {origin(extension)}"
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        except Exception:  # noqa: S110
            # The plugin's exception may refuse notes, as a frozen dataclass does: it is
            # raised without one, instead of another exception.
            pass
    outcome = None, (error, error.__traceback__), None
    if unfinished or is_passing(error):
        return outcome
    return extension._outcomes.setdefault(which, outcome)


def is_passing(error: BaseException) -> bool:
    """May the same load succeed a moment later?

    So it may when memory or stack were short, when it reached itself, or when it
    met a module that was still being initialised.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, MemoryError | RecursionError | CircularLoad):
            return True
        # What the import system said when it was so: by now another thread may have
        # finished the module. The second is for two threads that import in a circle.
        args = _ARGS.__get__(link)
        words = args[0] if args else None
        if isinstance(words, str) and "partially initialized module" in words:
            return True
        if type(link).__name__ == "_DeadlockError":
            return True
        # Python 3.11 raises this if a signal handler imports during an import.
        if type(link) is KeyError and words == _thread.get_ident():
            return True
        met: object = None
        if isinstance(link, ImportError):
            name = _NAME.__get__(link)
            met = sys.modules.get(name) if isinstance(name, str) else None
        elif isinstance(link, AttributeError):
            met = _OBJECT.__get__(link)
        if is_unfinished(met):
            return True
        link = link.__context__ if link.__cause__ is None else link.__cause__
    return False


def is_unfinished(module: object) -> bool:
    """Return True if a module is being imported, by this thread or another one.

    Only the value True counts, which the import system sets: an object that replaces a
    module may have any attributes, or raise anything on access.
    """
    try:
        spec = getattr(module, "__spec__", None)
        return getattr(spec, "_initializing", False) is True
    except Exception:
        return False
