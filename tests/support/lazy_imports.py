"""Create modules with lazily imported names, as in Python 3.15 (PEP 810)."""

import sys

_SIMULATION = '''
import importlib
import sys
import types


class LazyImportType:
    """Stands for a name that is not imported yet."""

    def __init__(self, module, name):
        self._module, self._name = module, name

    def resolve(self):
        return getattr(importlib.import_module(self._module), self._name)


class LazyModule(types.ModuleType):
    """A module that resolves a name on access, but not in its dictionary."""

    def __getattribute__(self, name):
        value = super().__getattribute__(name)
        if type(value) is LazyImportType:
            value = self.__dict__[name] = value.resolve()
        return value


sys.modules[__name__].__class__ = LazyModule
'''


def lazy_module(*names: str) -> str:
    """Return the source of a module that imports `module:name` references lazily.

    From Python 3.15 by the statement, before that by a simulation of it.
    """
    pairs = [name.split(":") for name in names]
    if sys.version_info >= (3, 15):
        return "".join(f"lazy from {module} import {name}\n" for module, name in pairs)
    lines = [f"{name} = LazyImportType({module!r}, {name!r})" for module, name in pairs]
    return "\n".join([_SIMULATION, *lines, ""])
