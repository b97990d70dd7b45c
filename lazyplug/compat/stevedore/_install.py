"""How `import stevedore` is led to the drop-in: one module object under two names."""

import sys
from _frozen_importlib import ModuleSpec

from . import MODULES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

_NAME = "stevedore"
_PACKAGE = "lazyplug.compat.stevedore"
# Modules that stevedore does not have: our own folder must not be searched for them,
# which would make a second object of each.
PRIVATE = ("_choosing", "_errors", "_generic", "_install", "_log", "_types")


class _SameModule:
    """The loader that gives a module of the drop-in a second name."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> "ModuleType":
        name = _PACKAGE + spec.name[len(_NAME) :]
        __import__(name)
        module = sys.modules[name]
        spec.loader_state = module.__spec__
        return module

    @staticmethod
    def exec_module(module: "ModuleType") -> None:
        # It was given the spec of its second name. Relative imports inside of it
        # would warn that this is not of its package.
        given: Any = module.__spec__
        module.__spec__ = given.loader_state


class _Finder:
    """The finder of what the drop-in has, and of what only stevedore itself has.

    It has no find_distributions: what is installed, others say.
    """

    def find_spec(
        self,
        fullname: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Return the spec of a module of stevedore; None if it is another's."""
        package, _, name = fullname.partition(".")
        if package != _NAME or "." in name:
            return None
        if not name or name in MODULES or name in PRIVATE:
            return self._ours(fullname, name)
        stevedore = self._elsewhere(_NAME, None)
        if stevedore is None or stevedore.submodule_search_locations is None:
            return None
        return self._elsewhere(fullname, stevedore.submodule_search_locations)

    @staticmethod
    def _ours(fullname: str, name: str) -> ModuleSpec:
        package: Any = sys.modules[_PACKAGE]
        origin = package.__file__
        if name and origin:
            origin = f"{origin.rpartition('__init__')[0]}{name}.py"
        loader: Any = _SameModule
        spec = ModuleSpec(fullname, loader, origin=origin, is_package=not name)
        if not name:
            spec.submodule_search_locations = list(package.__path__)
        return spec

    def _elsewhere(
        self, fullname: str, path: "Sequence[str] | None"
    ) -> "ModuleSpec | None":
        """Return what the other finders find; this imports nothing."""
        from lazyplug._static.finders import spec_of  # deferred: few ask for more

        others = [each for each in sys.meta_path if not isinstance(each, _Finder)]
        return spec_of(others, fullname, path)


def _finders() -> "list[_Finder]":
    return [finder for finder in [*sys.meta_path] if isinstance(finder, _Finder)]


def install() -> None:
    """Put the finder first, and the drop-in into the place of what is imported."""
    # Without a lock, in which a signal handler that calls this would wait for ever.
    if not _finders():
        sys.meta_path.insert(0, _Finder())
    for finder in _finders()[1:]:
        try:
            sys.meta_path.remove(finder)
        except ValueError:
            pass  # another thread, which inserted its own, was first
    before = []
    for name in MODULES:
        there = sys.modules.get(f"{_NAME}.{name}")
        if there is not sys.modules.get(f"{_PACKAGE}.{name}"):
            before.append(sys.modules.pop(f"{_NAME}.{name}", None))
    before.append(sys.modules.get(_NAME))
    package = sys.modules[_NAME] = sys.modules[_PACKAGE]
    stevedore = before.pop()
    if stevedore not in (None, package) or any(before):
        from lazyplug._log import report_once  # deferred: where there is a fault

        where = getattr(stevedore, "__file__", None)
        report_once(
            f"stevedore ({where}) was imported before"
            f" {_PACKAGE}.install() was called: what was bound by then stays its own,"
            " and its classes and the drop-in's are not the same; call it earlier"
        )
