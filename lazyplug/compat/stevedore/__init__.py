"""The drop-in for stevedore: its names and its eager meaning, answered from the index.

A program imports from here as it would from stevedore, or calls `install()` first and
imports stevedore as ever.
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
_HOMES = {
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


# Which extensions the managers take, of those that are made from now on.
_choice: "Choice | None" = None


def install(choice: "Choice | None" = None) -> None:
    """Lead `import stevedore`, and of its modules, to this package.

    It makes no difference whether stevedore is installed. Where it was imported
    before, what was bound then stays stevedore's own, and a warning says so. A second
    call leads nothing anew. Imports no module of this package yet, and no plugin.

    :param choice: which extensions all managers take from now on; see
        `lazyplug.Choice`. What is left out is not imported, and stands in
        `manager.excluded` with the reason.
    """
    global _choice  # noqa: PLW0603
    from ._install import install as lead_here

    if choice is not None:
        _choice = choice
    lead_here()


if not TYPE_CHECKING:

    def __getattr__(name):
        if name in MODULES:
            return _module(f"{__name__}.{name}")
        if name in _HOMES:
            home = _module(f"{__name__}.{_HOMES[name]}")
            value = globals()[name] = getattr(home, name)
            return value
        if name[:1] != "_" and sys.modules.get("stevedore") is sys.modules[__name__]:
            # `from stevedore import tests` asks here for what only stevedore has.
            try:
                return _module(f"stevedore.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"stevedore.{name}":
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def _module(name):
        __import__(name)
        return sys.modules[name]


def __dir__() -> "list[str]":
    return sorted({*globals(), *_HOMES, *MODULES})
