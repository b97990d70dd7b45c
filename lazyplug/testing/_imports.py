"""Check that a block of code imports nothing, with a finder that records imports."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import _messages as messages
from .._import_hooks import spec_of
from ._places import OwnPatch, take_out

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import FrameType

# The name of lazyplug, or of a vendored copy, and the modules that it imports when it
# rescans, or compares versions.
_PACKAGE = __name__.rpartition(".testing.")[0]
_DEPENDENCIES = {
    *("importlib_metadata", "lazy_importer", "zipp", "orjson", "platformdirs"),
    "packaging",
}


@contextmanager
def nothing_imported(*names: str) -> Iterator[None]:
    """Fail if anything is imported in the block.

    A module counts as imported as soon as its code is about to be run, in any thread,
    even if that fails, or if the module is removed from `sys.modules` again. A search
    for a module, as by importlib.util.find_spec, is not an import. Child processes are
    not watched.

    :param names: modules, or packages with all of their submodules. They count as not
        imported when the block begins, even if they were; the previous modules are
        restored at its end. Without names, all modules that are not imported when the
        block begins count, except those of the standard library, of lazyplug and of its
        dependencies.

    Raises AssertionError at the end of the block, with the names of the modules, and
    the line that imported the first one. Raises TypeError or ValueError for a name that
    cannot be the name of a module.
    """
    for name in names:
        if not all(map(str.isidentifier, str.split(name, "."))):
            raise ValueError(
                messages.NOT_VALID.format(
                    value=repr(name), what="module name", expected=messages.A_MODULE
                )
            )
    watch = _Watch(names)
    with OwnPatch() as patch:
        for name in names:
            take_out(patch, name)
        before = set(sys.modules)
        finders = sys.meta_path  # the block may replace the list
        finders.insert(0, watch)
        patch.callback(finders.remove, watch)
        yield
        # Modules that were put there without an import.
        for name in sys.modules:
            if name not in before and watch.wants(name):
                watch.found.setdefault(name, messages.PUT_INTO_MODULES)
    if watch.found:
        first, where = next(iter(watch.found.items()))
        raise AssertionError(
            messages.IMPORTED.format(
                names=", ".join(watch.found), first=first, where=where
            )
        )


class _Watch:
    """A finder that finds what the other finders find, and records imports.

    :param names: the modules and packages to record; empty: all third-party ones.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        # the imported modules in order, each with the line that imported it
        self.found: dict[str, str] = {}

    def wants(self, name: str) -> bool:
        """Return True if an import of this module is recorded."""
        if self._names:
            return any(f"{name}.".startswith(f"{each}.") for each in self._names)
        top = name.partition(".")[0]
        known = top in _DEPENDENCIES or top in sys.stdlib_module_names
        return not known and not _is_own(name)

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> "ModuleSpec | None":
        """Return the spec of the other finders; record it if it is for an import."""
        caller = sys._getframe(2)
        is_import = caller.f_code.co_name == "_find_and_load_unlocked"
        if not is_import or not self.wants(name):
            return None
        others = [each for each in sys.meta_path if each is not self]
        spec = spec_of(others, name, path, target)
        if spec is not None:
            self.found.setdefault(name, _line(caller))
        return spec


def _line(frame: "FrameType") -> str:
    """Return "by FILE:LINE" for the code that imports, given a frame of the import."""
    while frame.f_back is not None and _is_machinery(frame):
        frame = frame.f_back
    return f"by {frame.f_code.co_filename}:{frame.f_lineno}"


def _is_machinery(frame: "FrameType") -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] == "importlib" or _is_own(name)


def _is_own(name: str) -> bool:
    return f"{name}.".startswith(f"{_PACKAGE}.")
