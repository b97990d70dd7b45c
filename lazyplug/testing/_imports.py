"""Was anything imported? Every import that finds a module is noted while it is made."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .._static.finders import spec_of
from ._places import OwnPatch, take_out

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import FrameType

# lazyplug, also a vendored copy, and the modules that it imports itself where it looks
# again, or compares versions.
_OWN = __name__.rpartition(".testing.")[0]
_OURS = {"importlib_metadata", "orjson", "packaging", "platformdirs", "zipp"}


@contextmanager
def nothing_imported(*names: str) -> Iterator[None]:
    """Fail if anything is imported in the block.

    A module counts as soon as its code is about to be run: also if that fails, also if
    it is removed from `sys.modules` again, and in whichever thread. Who only looks if
    there is a module, as importlib.util.find_spec does, imports nothing. Processes that
    are started in the block are not watched.

    :param names: modules, or packages with all that is below them. They count as not
        imported when the block begins, whatever was imported before; that is put back
        at its end. Without names, all modules count that are not imported by then, but
        for those of the standard library, of lazyplug, and what it needs.

    Raises AssertionError at the end of the block, which tells the modules, which was
    the first, and which line imported it; TypeError or ValueError of what cannot be the
    name of a module.
    """
    for name in names:
        if not all(map(str.isidentifier, str.split(name, "."))):
            raise ValueError(f"{name!r} is not the name of a module")
    watch = _Watch(names)
    with OwnPatch() as patch:
        for name in names:
            take_out(patch, name)
        before = set(sys.modules)
        finders = sys.meta_path  # the block may put another list in its place
        finders.insert(0, watch)
        patch.callback(finders.remove, watch)
        yield
        # What was put there by other ways than import.
        for name in sys.modules:
            if name not in before and watch.wants(name):
                watch.found.setdefault(name, "which was put into sys.modules")
    if watch.found:
        first, where = next(iter(watch.found.items()))
        raise AssertionError(
            f"imported: {', '.join(watch.found)}; the first was {first}, {where}"
        )


class _Watch:
    """A finder that finds what the others do, and notes what is imported.

    :param names: the modules and packages that are noted; none: those of others.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        # what was imported, in order, and by which line
        self.found: dict[str, str] = {}

    def wants(self, name: str) -> bool:
        """Is it a module of which there is to be told?"""
        if self._names:
            return any(f"{name}.".startswith(f"{each}.") for each in self._names)
        top = name.partition(".")[0]
        known = top in _OURS or top in sys.stdlib_module_names
        return not known and not _is_own(name)

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> "ModuleSpec | None":
        """Return what the other finders find; note it if that is for an import."""
        asking = sys._getframe(2)
        is_import = asking.f_code.co_name == "_find_and_load_unlocked"
        if not is_import or not self.wants(name):
            return None
        others = [each for each in sys.meta_path if each is not self]
        spec = spec_of(others, name, path, target)
        if spec is not None:
            self.found.setdefault(name, _line(asking))
        return spec


def _line(frame: "FrameType") -> str:
    """Return which line of a program imports, as a frame of its import has it."""
    while frame.f_back is not None and _is_machinery(frame):
        frame = frame.f_back
    return f"by {frame.f_code.co_filename}:{frame.f_lineno}"


def _is_machinery(frame: "FrameType") -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] == "importlib" or _is_own(name)


def _is_own(name: str) -> bool:
    return f"{name}.".startswith(f"{_OWN}.")
