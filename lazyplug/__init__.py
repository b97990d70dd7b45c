"""The door: every public name and the room that it is opened from on first touch.

PYTEST_DONT_REWRITE, or pytest warns where it is imported before pytest begins.
"""

__version__ = "0.1.0.dev0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._accelerate import accelerate as accelerate
    from ._cache import invalidate_caches as invalidate_caches
    from ._choice import Choice as Choice
    from ._conflict import error_on_conflict as error_on_conflict
    from ._conflict import first_on_conflict as first_on_conflict
    from ._conflict import ignore_conflicts as ignore_conflicts
    from ._conflict import prefer as prefer
    from ._entry_point import EntryPoint as EntryPoint
    from ._entry_point import EntryPoints as EntryPoints
    from ._entry_point import entry_points as entry_points
    from ._exceptions import BrokenMetadata as BrokenMetadata
    from ._exceptions import CircularLoad as CircularLoad
    from ._exceptions import InvalidChoice as InvalidChoice
    from ._exceptions import InvalidEntryPoint as InvalidEntryPoint
    from ._exceptions import LazyplugError as LazyplugError
    from ._exceptions import MultipleMatches as MultipleMatches
    from ._exceptions import NoMatches as NoMatches
    from ._exceptions import NoUniqueMatch as NoUniqueMatch
    from ._exceptions import ProtocolMismatch as ProtocolMismatch
    from ._filtered import DispatchExtensionManager as DispatchExtensionManager
    from ._filtered import EnabledExtensionManager as EnabledExtensionManager
    from ._filtered import NameDispatchExtensionManager as NameDispatchExtensionManager
    from ._frozen import use_index as use_index
    from ._hook import HookManager as HookManager
    from ._load import load as load
    from ._manager import DriverManager as DriverManager
    from ._manager import Extension as Extension
    from ._manager import ExtensionManager as ExtensionManager
    from ._manager import Manager as Manager
    from ._manager import NamedExtensionManager as NamedExtensionManager
    from ._manager import warning_on_missing_entrypoint as warning_on_missing_entrypoint
    from ._problem import Failure as Failure
    from ._problem import Problem as Problem
    from ._problem import problems as problems
    from ._refresh import Changes as Changes
    from ._refresh import refresh as refresh
    from ._refresh import subscribe as subscribe

_ROOMS = {
    "BrokenMetadata": "_exceptions",
    "Changes": "_refresh",
    "Choice": "_choice",
    "CircularLoad": "_exceptions",
    "DispatchExtensionManager": "_filtered",
    "DriverManager": "_manager",
    "EnabledExtensionManager": "_filtered",
    "EntryPoint": "_entry_point",
    "EntryPoints": "_entry_point",
    "Extension": "_manager",
    "ExtensionManager": "_manager",
    "Failure": "_problem",
    "HookManager": "_hook",
    "InvalidChoice": "_exceptions",
    "InvalidEntryPoint": "_exceptions",
    "LazyplugError": "_exceptions",
    "Manager": "_manager",
    "MultipleMatches": "_exceptions",
    "NameDispatchExtensionManager": "_filtered",
    "NamedExtensionManager": "_manager",
    "NoMatches": "_exceptions",
    "NoUniqueMatch": "_exceptions",
    "Problem": "_problem",
    "ProtocolMismatch": "_exceptions",
    "accelerate": "_accelerate",
    "entry_points": "_entry_point",
    "error_on_conflict": "_conflict",
    "first_on_conflict": "_conflict",
    "ignore_conflicts": "_conflict",
    "invalidate_caches": "_cache",
    "load": "_load",
    "prefer": "_conflict",
    "problems": "_problem",
    "refresh": "_refresh",
    "subscribe": "_refresh",
    "use_index": "_frozen",
    "warning_on_missing_entrypoint": "_manager",
}

__all__ = list(_ROOMS)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = __import__(f"{__name__}.{room}", fromlist=(name,))
    value = getattr(module, name)
    # In a fake file system, what is imported now has a fake `os`, and is not kept.
    if __import__("os").__class__ is module.__class__:
        globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *_ROOMS})
