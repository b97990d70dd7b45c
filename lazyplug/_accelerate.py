"""Answer what third-party code asks importlib.metadata from the index."""

import atexit
import sys

from ._import_hooks import call_after_import, spec_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Self

_PACKAGE = __package__ or ""
# The functions that are replaced, each with the module of `_answers` that answers it.
_ANSWERS = {
    "distributions": "pluggy",
    "entry_points": "entry_points",
    "load_setuptools_entrypoints": "pluggy",
    "packages_distributions": "packages",
}
# The libraries whose functions are replaced, each with the name of the class that has
# them, if it is not the module.
_LIBRARIES = {
    "importlib.metadata": "",
    "importlib_metadata": "",
    "pluggy": "PluginManager",
}


def accelerate() -> "Acceleration":
    """Answer what third-party code asks importlib.metadata from the index.

    importlib.metadata and importlib_metadata read all metadata at each call of
    `entry_points()` and `packages_distributions()`. From here on, both return their own
    types from an index, which gets a full check at each call. pluggy's
    `load_setuptools_entrypoints()` reads only the distributions that declare its group.
    None of these libraries is imported for this. Imports no plugin.

    The library itself answers if a frozen index is used, since it may be older than the
    installed distributions; if the entry points are declared in an archive; and if
    there is a third-party finder.

    Call it before other code runs `from importlib.metadata import entry_points`: a
    function that was imported before is not replaced. Use it in your own programs only,
    since it affects the whole process.

    Returns a context manager that undoes this at its end, or by its method `undo()`.

    >>> with accelerate():
    ...     from importlib.metadata import entry_points
    ...     len(entry_points(group="nobody.declares.this"))
    0
    """
    return Acceleration()


# The accelerations in effect; they may overlap, and end in any order. While there is
# one, each function has a single replacement.
_active: "dict[Acceleration, None]" = {}
# the modules and classes whose functions were replaced at least once
_patched: "dict[Any, None]" = {}


class Acceleration:
    """An acceleration, in effect until `undo()` or the end of its `with` block."""

    def __init__(self) -> None:
        _active[self] = None
        self._missing = set(_LIBRARIES)
        sys.meta_path.insert(0, self)
        for name in _LIBRARIES:
            if sys.modules.get(name) is not None:
                __import__(name)  # another thread may be importing it
                self._accelerate(sys.modules[name])

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def undo(self) -> None:
        """Restore the functions, unless another acceleration is in effect.

        From then on, a replacement that other code still holds calls the original.
        """
        _active.pop(self, None)
        self._stop_watching()
        for holder in tuple(_patched):
            _replace(holder)

    def find_spec(
        self, name: str, path: "Any" = None, target: "Any" = None
    ) -> "ModuleSpec | None":
        """Return the spec of a library, with its loader patched; None for others."""
        if name not in self._missing:
            return None
        finders = iter([*sys.meta_path])
        # Ask the finders after this one, which may be other accelerations.
        for finder in finders:
            if finder is self:
                break
        spec = spec_of(finders, name, path, target)
        if spec is not None:
            call_after_import(spec, self._accelerate)
        return spec

    def _accelerate(self, library: "ModuleType") -> None:
        if self not in _active or library.__name__ not in self._missing:
            return
        self._missing.discard(library.__name__)
        if not self._missing:
            self._stop_watching()
        holder_name = _LIBRARIES[library.__name__]
        holder = getattr(library, holder_name, None) if holder_name else library
        if holder is not None:
            _replace(holder)

    def _stop_watching(self) -> None:
        try:
            sys.meta_path.remove(self)
        except ValueError:
            pass  # it was removed before


@atexit.register
def _stop_watching_at_exit() -> None:
    """Remove what Python would finalize slowly: that takes 3 million instructions."""
    for acceleration in tuple(_active):
        acceleration._stop_watching()


def _replace(holder: "Any") -> None:
    """Set the replacements if an acceleration is in effect, else the originals.

    Each thread that changes `_active` calls this afterwards: the last one finds or sets
    the functions that belong to the final state.

    :param holder: a library, or the class of one.
    """
    for name in _ANSWERS:
        while True:
            # From `__dict__`, what is imported lazily (PEP 810) would not be resolved.
            current: Any = getattr(holder, name, None)
            # An attribute could not mark it: a decorator may have copied the attribute.
            is_ours = getattr(current, "__globals__", None) is globals()
            if current is None or is_ours == bool(_active):
                break
            if is_ours:
                setattr(holder, name, current.__wrapped__)
            else:
                _patched[holder] = None
                setattr(holder, name, _replacement(holder, name, current))


def _replacement(holder: "Any", name: str, original: "Callable[..., Any]") -> "Any":
    """Return the replacement for a function of a library."""
    from functools import wraps  # deferred: all libraries import it

    @wraps(original)
    def replacement(*args: "Any", **kwds: "Any") -> "Any":
        if not _active:
            return original(*args, **kwds)
        module = f"{_PACKAGE}._answers.{_ANSWERS[name]}"
        answer = getattr(__import__(module, fromlist=(name,)), name)
        return answer(holder, original, *args, **kwds)

    return replacement
