"""Code of third parties is answered from the index: their `entry_points`, exchanged."""

import os
import sys

from ._environment import Snapshot, current_folder, foreign_finders, split_path
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
    """Let `entry_points(group=…)` of both libraries be answered from the index.

    Third-party code asks importlib.metadata, or importlib_metadata, which read all
    metadata at each call. From here on they answer with their own types, from an
    index that is checked at each call as at a full start; neither is imported for it.
    They answer themselves where no group is asked for, since the index has nothing to
    spare there; where a frozen index is used, which may be older than what is
    installed; and where something is declared in an archive or by a foreign finder.

    Call it before others do `from importlib.metadata import entry_points`: what they
    hold already stays as it is. Use it for the programs of your own: what it exchanges
    is of the whole process.

    Returns what undoes it: a context manager that does so at its end, or by `undo()`.

    >>> with accelerate():
    ...     from importlib.metadata import entry_points
    ...     len(entry_points(group="nobody.declares.this"))
    0
    """
    return Acceleration()


# The accelerations in effect; they may overlap, and end in any order. As long as there
# are any, each library has one function of ours.
_active: "dict[Acceleration, None]" = {}
# the libraries whose function was ever replaced
_exchanged: "dict[ModuleType, None]" = {}


class Acceleration:
    """An acceleration in effect, until `undo()` or the end of its context."""

    def __init__(self) -> None:
        _active[self] = None
        self._missing = set(_LIBRARIES)
        sys.meta_path.insert(0, self)
        for name in _LIBRARIES:
            if sys.modules.get(name) is not None:
                __import__(name)  # another thread may not have finished
                self._exchange(sys.modules[name])

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.undo()

    def undo(self) -> None:
        """Put back what was there, unless another acceleration is in effect.

        A function of ours that was kept calls the library's own from then on.
        """
        _active.pop(self, None)
        self._stop_waiting()
        for library in tuple(_exchanged):
            _settle(library)

    def find_spec(
        self, name: str, path: "Any" = None, target: "Any" = None
    ) -> "ModuleSpec | None":
        """Find nothing, but see when one of the libraries is imported."""
        if name not in self._missing:
            return None
        finders = iter([*sys.meta_path])
        # Those behind this one, which may be other accelerations.
        for finder in finders:
            if finder is self:
                break
        spec = spec_of(finders, name, path, target)
        if spec is not None:
            self._follow(spec)
        return spec

    def _follow(self, spec: "ModuleSpec") -> None:
        """Exchange the function of a module as soon as it was run."""
        loader: Any = spec.loader
        run = getattr(loader, "exec_module", None)
        if run is None:
            return  # a folder of this name, or what cannot be followed

        def exec_module(module: "ModuleType") -> None:
            # An archive has one loader for all of its modules.
            if module.__name__ == spec.name:
                loader.__dict__.pop("exec_module", None)
            run(module)
            if module.__name__ == spec.name and self in _active:
                self._exchange(module)

        try:
            loader.exec_module = exec_module
        except AttributeError:
            pass  # it takes no attributes: this library answers for itself

    def _exchange(self, library: "ModuleType") -> None:
        if library.__name__ not in self._missing:
            return
        self._missing.discard(library.__name__)
        if not self._missing:
            self._stop_waiting()
        _settle(library)

    def _stop_waiting(self) -> None:
        try:
            sys.meta_path.remove(self)
        except ValueError:
            pass  # it was removed before


def _settle(library: "ModuleType") -> None:
    """Let a library have our function if an acceleration is in effect, else its own.

    Each thread that changes `_active` calls this afterwards: the last one finds the
    function that belongs to the final state, or sets it.
    """
    while True:
        current: Any = library.__dict__.get("entry_points")
        # An attribute would not do as a mark: a decorator may have copied it.
        is_ours = getattr(current, "__globals__", None) is globals()
        if current is None or is_ours == bool(_active):
            break
        if is_ours:
            library.entry_points = current.__wrapped__  # type: ignore[attr-defined]
        else:
            _exchanged[library] = None
            library.entry_points = _answering(library, current)  # type: ignore[attr-defined]


def _answering(library: "ModuleType", theirs: "Callable[..., Any]") -> "Any":
    """Return a function that replaces a library's `entry_points`."""
    from functools import wraps  # deferred: both libraries import it

    @wraps(theirs)
    def entry_points(**params: "Any") -> "Any":
        if _active:
            found = _answer(library, params)
            if found is not None:
                return found
        return theirs(**params)

    return entry_points


def _answer(library: "Any", params: "dict[str, Any]") -> "Any":
    """Return the entry points that are asked for, as a library has them.

    None if that should answer by itself. What it would raise for wrong parameters is
    raised here as well: its own types select among them.
    """
    group: Any = params.get("group")
    # Anything but a string may equal any group; a parameter before the group is
    # compared with all entry points, and that may raise.
    if group.__class__ is not str or foreign_finders():
        return None
    if type(os) is not type(sys):
        return None  # in a fake file system, see `current` of `_environment`
    if not _TEXTS.issuperset(params) and (
        next(iter(params)) != "group" or "dist" in params
    ):
        return None
    # A new one each time: nothing is older than what the library would read now.
    snapshot = Snapshot(*split_path(sys.path, current_folder()), "full")
    if snapshot.frozen is not None:
        return None
    from ._indexing.reading import is_file  # deferred: finding the library needs none

    opened: dict[tuple[str, str], Any] = {}
    points = []
    for (name, value, *_), (_, path, file, _) in snapshot.rows(group):
        dist = opened.get((path, file))
        if dist is None:
            folder = os.path.join(path, file)
            if is_file(path):
                return None  # in an archive
            dist = opened[path, file] = library.Distribution.at(folder)
        points.append(library.EntryPoint(name, value, group)._for(dist))
    return library.EntryPoints(points).select(**params)
