"""Return the finders that an import asks, without those that need the parent module."""

import os
import sys

from .._import_hooks import spec_of

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


def ask_third_party_finders(
    name: str,
    path: "list[str] | None",
    stage: int,
    is_python_finder: "Callable[[Any], bool]",
    has_other_loaders: "Callable[[Any], bool]",
) -> "list[Any] | None":
    """Return the location of a module according to third-party finders.

    The location is a list: the file ("": it cannot be read; None: a namespace package),
    and the directories of the submodules (None: the module is not a package). The list
    is empty if no finder knows the module. The result is None if a finder raised an
    exception: an import would fail, too. The finders are asked in the order of an
    import. Those of editable installations know where the source is.

    :param path: the path of the parent package; None for a top-level module.
    :param stage: which finders are asked: BEFORE, AMONG or BEHIND of `source`.
    :param is_python_finder: returns True for finders that need not be asked.
    :param has_other_loaders: returns True for path hooks whose finders have loaders
        that are not Python's own.
    """
    from .imported import is_plain  # deferred: few modules have such finders

    try:
        asked = finders(is_python_finder)
        places = [at for at, each in enumerate(asked) if isinstance(each, EntryFinders)]
        if places and stage < 2:
            # Finders with other loaders serve directories in the place of Python's own.
            early = stage == 0 and any(map(has_other_loaders, sys.path_hooks))
            asked = asked[: places[0] + (stage or early)]
        spec = spec_of(asked, name, path)
        if spec is None:
            return []
        file, directories = spec.origin, spec.submodule_search_locations
        if spec.loader is not None and not is_plain(spec.loader, file):
            file = ""  # it may make another module of this file
        return [
            None if file is None else os.fsdecode(file),
            None if directories is None else list(map(os.fsdecode, directories)),
        ]
    except Exception:  # third-party code
        return None


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
