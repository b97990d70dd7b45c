# The public names, for type checkers and editors; at run time, see `__init__.py`.

from ._accelerate import accelerate as accelerate
from ._entry_point import EntryPoint as EntryPoint
from ._entry_point import EntryPoints as EntryPoints
from ._entry_point import entry_points as entry_points
from ._environment import invalidate_caches as invalidate_caches
from ._exceptions import BrokenMetadata as BrokenMetadata
from ._exceptions import CircularLoad as CircularLoad
from ._exceptions import InvalidChoice as InvalidChoice
from ._exceptions import InvalidEntryPoint as InvalidEntryPoint
from ._exceptions import InvalidFacts as InvalidFacts
from ._exceptions import LazyplugError as LazyplugError
from ._exceptions import MultipleMatches as MultipleMatches
from ._exceptions import NoMatches as NoMatches
from ._exceptions import NoUniqueMatch as NoUniqueMatch
from ._exceptions import ProtocolMismatch as ProtocolMismatch
from ._extension import Extension as Extension
from ._facts import Facts as Facts
from ._faults.problems import Failure as Failure
from ._faults.problems import Problem as Problem
from ._faults.problems import problems as problems
from ._filtered import DispatchExtensionManager as DispatchExtensionManager
from ._filtered import EnabledExtensionManager as EnabledExtensionManager
from ._filtered import NameDispatchExtensionManager as NameDispatchExtensionManager
from ._hook import HookManager as HookManager
from ._load_by_reference import load as load
from ._manager import ExtensionManager as ExtensionManager
from ._manager import Manager as Manager
from ._named import DriverManager as DriverManager
from ._named import NamedExtensionManager as NamedExtensionManager
from ._named import warning_on_missing_entrypoint as warning_on_missing_entrypoint
from ._refresh import Changes as Changes
from ._refresh import refresh as refresh
from ._refresh import subscribe as subscribe
from ._selection.choice import Choice as Choice
from ._selection.conflicts import error_on_conflict as error_on_conflict
from ._selection.conflicts import first_on_conflict as first_on_conflict
from ._selection.conflicts import ignore_conflicts as ignore_conflicts
from ._selection.conflicts import prefer as prefer
from ._selection.conflicts import prefer_highest as prefer_highest
from ._use_index import use_index as use_index

__version__: str
__all__ = [
    "BrokenMetadata",
    "Changes",
    "Choice",
    "CircularLoad",
    "DispatchExtensionManager",
    "DriverManager",
    "EnabledExtensionManager",
    "EntryPoint",
    "EntryPoints",
    "Extension",
    "ExtensionManager",
    "Facts",
    "Failure",
    "HookManager",
    "InvalidChoice",
    "InvalidEntryPoint",
    "InvalidFacts",
    "LazyplugError",
    "Manager",
    "MultipleMatches",
    "NameDispatchExtensionManager",
    "NamedExtensionManager",
    "NoMatches",
    "NoUniqueMatch",
    "Problem",
    "ProtocolMismatch",
    "accelerate",
    "entry_points",
    "error_on_conflict",
    "first_on_conflict",
    "ignore_conflicts",
    "invalidate_caches",
    "load",
    "prefer",
    "prefer_highest",
    "problems",
    "refresh",
    "subscribe",
    "use_index",
    "warning_on_missing_entrypoint",
]
