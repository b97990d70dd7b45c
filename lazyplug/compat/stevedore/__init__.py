"""Replace stevedore: the same names and eager semantics, answered from the index.

A program imports from this package as it would from stevedore, or it calls `install()`
and then imports stevedore as usual.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lazyplug import Choice

    from . import _cache as _cache
    from . import dispatch as dispatch
    from . import driver as driver
    from . import enabled as enabled
    from . import exception as exception
    from . import extension as extension
    from . import hook as hook
    from . import named as named
    from . import sphinxext as sphinxext
    from ._log import LOG as LOG
    from .driver import DriverManager as DriverManager
    from .enabled import EnabledExtensionManager as EnabledExtensionManager
    from .extension import ExtensionManager as ExtensionManager
    from .hook import HookManager as HookManager
    from .named import NamedExtensionManager as NamedExtensionManager

MODULES = (
    "_cache",
    "dispatch",
    "driver",
    "enabled",
    "exception",
    "extension",
    "hook",
    "named",
    "sphinxext",
)
_MODULE_OF = {
    "DriverManager": "driver",
    "EnabledExtensionManager": "enabled",
    "ExtensionManager": "extension",
    "HookManager": "hook",
    "LOG": "_log",
    "NamedExtensionManager": "named",
}

__all__ = [
    "DriverManager",
    "EnabledExtensionManager",
    "ExtensionManager",
    "HookManager",
    "NamedExtensionManager",
]


# Which extensions the managers load that are created from now on.
_choice: "Choice | None" = None
# True if they list what was loaded before without loading it.
_lazy = False


def install(choice: "Choice | None" = None, *, lazy: bool = False) -> None:
    """Make `import stevedore`, and imports of its modules, return this package.

    stevedore need not be installed. If stevedore was imported before, the names bound
    by then stay stevedore's own, and a warning is logged. A second call does not
    install the finder again. Imports no plugin, and none of the modules yet.

    :param choice: which extensions all managers load from now on; see
        `lazyplug.Choice`. An excluded extension is not imported; `manager.excluded`
        gives the reason.
    :param lazy: whether all managers from now on list an extension that was loaded by
        an earlier start without importing it; it is imported on first access. So does
        `LAZYPLUG_LAZY=1`. `LAZYPLUG_EAGER=1` overrides both.
    """
    global _choice, _lazy  # noqa: PLW0603
    from ._install import install as install_finder  # deferred: used once

    if choice is not None:
        _choice = choice
    _lazy = _lazy or lazy
    install_finder()


if not TYPE_CHECKING:

    def __getattr__(name):
        if name in MODULES:
            return _module(f"{__name__}.{name}")
        if name in _MODULE_OF:
            module = _module(f"{__name__}.{_MODULE_OF[name]}")
            value = globals()[name] = getattr(module, name)
            return value
        if name[:1] != "_" and sys.modules.get("stevedore") is sys.modules[__name__]:
            # `from stevedore import tests` asks here for a module that only stevedore
            # has.
            try:
                return _module(f"stevedore.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"stevedore.{name}":
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")  # noqa: EM102 - Python's words

    def _module(name):
        __import__(name)
        return sys.modules[name]


def __dir__() -> "list[str]":
    return sorted({*globals(), *_MODULE_OF, *MODULES})
