"""Make `import stevedore` return the drop-in: one module object under two names."""

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
# Modules that stevedore does not have. If the import system searched this directory for
# them under stevedore's name, it would create a second object of each.
PRIVATE = ("_choosing", "_errors", "_generic", "_install", "_listed", "_log", "_types")


class _SameModule:
    """A loader that gives a module of the drop-in a second name."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> "ModuleType":
        name = _PACKAGE + spec.name[len(_NAME) :]
        __import__(name)
        module = sys.modules[name]
        spec.loader_state = module.__spec__
        return module

    @staticmethod
    def exec_module(module: "ModuleType") -> None:
        # The import system has set the spec of the second name. With it, relative
        # imports in the module would warn that `__package__` differs.
        second_spec: Any = module.__spec__
        module.__spec__ = second_spec.loader_state


class _Finder:
    """A finder of the drop-in's modules, and of those that only stevedore has.

    It has no `find_distributions`: other finders find the distributions.
    """

    def find_spec(
        self,
        fullname: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Return the spec of a module of stevedore, or None for other modules."""
        package, _, name = fullname.partition(".")
        if package != _NAME or "." in name:
            return None
        if not name or name in MODULES or name in PRIVATE:
            return self._drop_in_spec(fullname, name)
        stevedore = self._other_spec(_NAME, None)
        if stevedore is None or stevedore.submodule_search_locations is None:
            return None
        return self._other_spec(fullname, stevedore.submodule_search_locations)

    @staticmethod
    def _drop_in_spec(fullname: str, name: str) -> ModuleSpec:
        package: Any = sys.modules[_PACKAGE]
        origin = package.__file__
        if name and origin:
            origin = f"{origin.rpartition('__init__')[0]}{name}.py"
        loader: Any = _SameModule
        spec = ModuleSpec(fullname, loader, origin=origin, is_package=not name)
        if not name:
            spec.submodule_search_locations = list(package.__path__)
        return spec

    def _other_spec(
        self, fullname: str, path: "Sequence[str] | None"
    ) -> "ModuleSpec | None":
        """Return the spec that the other finders find. Imports nothing of stevedore."""
        from lazyplug._import_hooks import spec_of  # deferred: seldom needed

        others = [each for each in sys.meta_path if not isinstance(each, _Finder)]
        return spec_of(others, fullname, path)


def _finders() -> "list[_Finder]":
    return [finder for finder in [*sys.meta_path] if isinstance(finder, _Finder)]


def install() -> None:
    """Insert the finder first, and replace stevedore's modules in `sys.modules`."""
    # No lock: a signal handler that calls this would wait for it forever.
    if not _finders():
        sys.meta_path.insert(0, _Finder())
    for finder in _finders()[1:]:
        try:
            sys.meta_path.remove(finder)
        except ValueError:
            pass  # another thread has removed it
    before = []
    for name in MODULES:
        there = sys.modules.get(f"{_NAME}.{name}")
        if there is not sys.modules.get(f"{_PACKAGE}.{name}"):
            before.append(sys.modules.pop(f"{_NAME}.{name}", None))
    before.append(sys.modules.get(_NAME))
    package = sys.modules[_NAME] = sys.modules[_PACKAGE]
    stevedore = before.pop()
    if stevedore not in (None, package) or any(before):
        from lazyplug import _messages as messages  # deferred: only on failure
        from lazyplug._log import report_once

        file = getattr(stevedore, "__file__", None)
        report_once(
            messages.IMPORTED_BEFORE_INSTALL.format(file=file, package=_PACKAGE)
        )
