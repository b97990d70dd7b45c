"""Observe how long a program takes to find plugins and to import them.

For `lazyplug bench --program`. The functions that find and load are wrapped when the
program has imported their library: it imports nothing that it would not import without
this.
"""

import _thread
import os
import sys
from _frozen_importlib_external import PathFinder
from time import perf_counter

from .._import_hooks import call_after_import
from .._json_text import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from importlib.machinery import ModuleSpec
    from typing import Any

# The kinds of events.
FINDING = "finding"
IMPORTING = "importing"
LIBRARY = "library"

_METADATA = ("entry_points", "distributions", "packages_distributions")
# The libraries, each with its functions that find plugins. pluggy calls those of
# importlib.metadata.
_LIBRARIES = {
    "importlib.metadata": _METADATA,
    "importlib_metadata": _METADATA,
    "stevedore": (),
    "stevedore._cache": ("get_group_all", "get_group_named", "get_single"),
}


def observe(file: str) -> None:
    """Observe the libraries that are imported, now or later; write to a file."""
    observer = _Observer(file)
    observer.wrap_finder(PathFinder)
    for name in _LIBRARIES:
        if name in sys.modules:
            observer.wrap_functions(sys.modules[name])


class _Observer:
    """Write each operation to a file, as a line of JSON: kind, about, seconds.

    Each line is written when the operation ends, so nothing is lost if the program is
    killed, or replaces itself. The seconds exclude those of nested operations.
    """

    def __init__(self, file: str) -> None:
        self._file = os.path.abspath(file)
        self._process = os.getpid()
        # By thread: for each running operation, its kind, and the seconds to be
        # subtracted from its own.
        self._running: dict[int, list[tuple[str, list[float]]]] = {}

    def wrap_finder(self, finder: "Any") -> None:
        """Let a class of finders, Python's PathFinder, patch the loaders of libraries.

        Programs may replace sys.meta_path, or look at it: it is not changed.
        """
        find = finder.find_spec.__func__

        def find_spec(
            cls: "Any", name: str, path: "Any" = None, target: "Any" = None
        ) -> "ModuleSpec | None":
            spec: ModuleSpec | None = find(cls, name, path, target)
            if spec is not None and name in _LIBRARIES:
                call_after_import(spec, self.wrap_functions)
            return spec

        finder.find_spec = classmethod(find_spec)

    def wrap_functions(self, library: "Any") -> None:
        """Wrap the functions of a library that find and load plugins."""
        names = _LIBRARIES[library.__name__]
        self._write(LIBRARY, [library.__name__], 0.0)
        try:
            if names is _METADATA:
                point, kind = library.EntryPoint, library.Distribution
                point.load = self._wrap(point.load, IMPORTING)
                read = self._wrap(kind.entry_points.fget, FINDING)
                kind.entry_points = property(read)
                library.distributions = self._wrap_results(library.distributions)
            for name in names:
                setattr(library, name, self._wrap(getattr(library, name), FINDING))
        except AttributeError:
            pass  # another version, or a module that only has the name of the library

    def _wrap(self, function: "Callable[..., Any]", kind: str) -> "Any":
        """Return a function that calls another one, and writes how long that takes."""
        from functools import wraps  # free: all libraries have imported it

        @wraps(function)
        def observed(*args: "Any", **kwds: "Any") -> "Any":
            thread = _thread.get_ident()
            running = self._running.setdefault(thread, [])
            if running and running[-1][0] == kind == FINDING:
                return function(*args, **kwds)  # a part of finding
            nested: list[float] = []
            running.append((kind, nested))
            began = perf_counter()
            try:
                return function(*args, **kwds)
            finally:
                seconds = perf_counter() - began - sum(nested)
                running.pop()
                about = _describe(args) if kind == IMPORTING else []
                self._write(kind, about, seconds)
                if running:
                    running[-1][1].append(perf_counter() - began)

        return observed

    def _wrap_results(
        self, function: "Callable[..., Iterable[Any]]"
    ) -> "Callable[..., Iterator[Any]]":
        """Return a function whose results are observed: each is read on demand."""
        from functools import wraps  # free: all libraries have imported it

        @wraps(function)
        def observed(*args: "Any", **kwds: "Any") -> "Iterator[Any]":
            return self._each(iter(function(*args, **kwds)))

        return observed

    def _each(self, found: "Iterator[Any]") -> "Iterator[Any]":
        end = object()
        read = self._wrap(next, FINDING)
        while (each := read(found, end)) is not end:
            yield each

    def _write(self, kind: str, about: "list[str]", seconds: float) -> None:
        if os.getpid() != self._process:
            return  # after a fork: only the start of the program itself is observed
        try:
            line = f"{to_json([kind, about, seconds])}\n".encode()
            # Opened for each line: programs close descriptors that they did not open.
            file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line)
            finally:
                os.close(file)
        except Exception:  # noqa: S110 - what is observed must not suffer
            pass  # no more descriptors, or the program's audit hook refuses this file


def _describe(arguments: "tuple[Any, ...]") -> "list[str]":
    """Return the name, value and group of an entry point, the first argument."""
    try:
        point = arguments[0]
        return [f"{point.name}", f"{point.value}", f"{point.group}"]
    except Exception:
        return ["", "", ""]
