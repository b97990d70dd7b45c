"""Return the finders that an import asks, without those that need the parent module."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


def finders(skip: "Callable[[Any], bool] | None" = None) -> "list[Any]":
    """Return the finders that an import asks, in order.

    Python's PathFinder is replaced by an EntryFinders, so that the parents of the
    module need not be imported.

    :param skip: returns True for finders, and finders of path entries, to be skipped.
    """
    # It is importlib.machinery.PathFinder, without that import in help screens.
    path_finder = sys.modules["_frozen_importlib_external"].PathFinder
    found: list[Any] = []
    for finder in sys.meta_path:
        if finder is path_finder:
            found.append(EntryFinders(skip))
        elif skip is None or not skip(finder):
            found.append(finder)
    return found


class EntryFinders:
    """Ask the finders of path entries, as PathFinder does.

    The namespace packages that PathFinder returns look for their parent in
    sys.modules, and raise KeyError if it is not imported.

    :param skip: returns True for finders to be skipped.
    """

    def __init__(self, skip: "Callable[[Any], bool] | None" = None) -> None:
        self._skip = skip

    def find_spec(
        self,
        name: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Return the spec of a module; None if no path entry has it."""
        skip = self._skip
        if skip is not None and all(map(skip, sys.path_hooks)):
            return None  # in nearly all programs
        from importlib.machinery import ModuleSpec, PathFinder  # deferred: seldom used
        from pkgutil import get_importer

        if skip is None and path is None:
            return PathFinder.find_spec(name, None, target)

        directories: list[str] = []
        for entry in sys.path if path is None else path:
            # The current directory, "", has no third-party finder.
            finder = get_importer(entry) if entry and isinstance(entry, str) else None
            if finder is None or (skip is not None and skip(finder)):
                continue
            spec = finder.find_spec(name, target)
            if spec is not None and spec.loader is not None:
                return spec
            directories += (spec and spec.submodule_search_locations) or ()
        if not directories:
            return None
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = directories
        return spec
