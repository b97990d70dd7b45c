"""Answer the `entry_points()` calls of third-party code from the index."""

import os
import sys

from ._environment import (
    Environment,
    classify_path,
    current_directory,
    third_party_finders,
)
from ._static.finders import spec_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Self

# Attributes of an entry point that are strings and whose access never raises.
_TEXTS = frozenset(("name", "value", "group"))
_LIBRARIES = ("importlib.metadata", "importlib_metadata")


def accelerate() -> "Acceleration":
    """Answer `entry_points(group=…)` calls of third-party code from the index.

    importlib.metadata and importlib_metadata read all metadata at each call. From here
    on, both return their own types from an index, which gets a full check at each call.
    Neither is imported for this. Imports no plugin.

    The library itself answers if no group is requested, since the index would save
    nothing; if a frozen index is used, since it may be older than the installed
    distributions; if the group is declared in an archive; and if there is a third-party
    finder.

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
# one, each library has a single replacement of its function.
_active: "dict[Acceleration, None]" = {}
# the libraries whose function was replaced at least once
_patched_libraries: "dict[ModuleType, None]" = {}


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
        for library in tuple(_patched_libraries):
            _update_function(library)

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
            self._patch_loader(spec)
        return spec

    def _patch_loader(self, spec: "ModuleSpec") -> None:
        """Make the loader of a library replace its function once the module has run."""
        loader: Any = spec.loader
        run = getattr(loader, "exec_module", None)
        if run is None:
            return  # a directory with this name, or a loader of the old kind

        def exec_module(module: "ModuleType") -> None:
            # A zip archive has one loader for all of its modules.
            if module.__name__ == spec.name:
                loader.__dict__.pop("exec_module", None)
            run(module)
            if module.__name__ == spec.name and self in _active:
                self._accelerate(module)

        try:
            loader.exec_module = exec_module
        except AttributeError:
            pass  # attributes cannot be set: this library is not accelerated

    def _accelerate(self, library: "ModuleType") -> None:
        if library.__name__ not in self._missing:
            return
        self._missing.discard(library.__name__)
        if not self._missing:
            self._stop_watching()
        _update_function(library)

    def _stop_watching(self) -> None:
        try:
            sys.meta_path.remove(self)
        except ValueError:
            pass  # it was removed before


def _update_function(library: "ModuleType") -> None:
    """Set the replacement if an acceleration is in effect, else the original function.

    Each thread that changes `_active` calls this afterwards: the last one finds or sets
    the function that belongs to the final state.
    """
    while True:
        current: Any = library.__dict__.get("entry_points")
        # An attribute could not mark it: a decorator may have copied the attribute.
        is_ours = getattr(current, "__globals__", None) is globals()
        if current is None or is_ours == bool(_active):
            break
        if is_ours:
            library.entry_points = current.__wrapped__  # type: ignore[attr-defined]
        else:
            _patched_libraries[library] = None
            library.entry_points = _replacement(library, current)  # type: ignore[attr-defined]


def _replacement(library: "ModuleType", original: "Callable[..., Any]") -> "Any":
    """Return the replacement for a library's `entry_points`."""
    from functools import wraps  # deferred: both libraries import it

    @wraps(original)
    def entry_points(**params: "Any") -> "Any":
        if _active:
            found = _answer(library, params)
            if found is not None:
                return found
        return original(**params)

    return entry_points


def _answer(library: "Any", params: "dict[str, Any]") -> "Any":
    """Return the requested entry points, in the types of a library.

    None: the library itself must answer. Wrong parameters raise the exceptions of the
    library, since its own types make the selection.
    """
    group: Any = params.get("group")
    # An object other than a string may equal any group; a parameter before the group is
    # compared with all entry points, and that may raise.
    if group.__class__ is not str or third_party_finders():
        return None
    if type(os) is not type(sys):
        return None  # a fake file system: see `current` in `_environment`
    if not _TEXTS.issuperset(params) and (
        next(iter(params)) != "group" or "dist" in params
    ):
        return None
    # A new one for each call: the library would also read the current files.
    environment = Environment(*classify_path(sys.path, current_directory()), "full")
    if environment.frozen is not None:
        return None
    from ._indexing.reading import is_file  # deferred: not needed before a call

    opened: dict[tuple[str, str], Any] = {}
    points = []
    for (name, value, *_), (_, path, file, _) in environment.rows(group):
        dist = opened.get((path, file))
        if dist is None:
            directory = os.path.join(path, file)
            if is_file(path):
                return None  # the library itself reads archives
            dist = opened[path, file] = library.Distribution.at(directory)
        points.append(library.EntryPoint(name, value, group)._for(dist))
    return library.EntryPoints(points).select(**params)
