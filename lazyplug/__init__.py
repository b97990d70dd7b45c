"""Provide the public names of lazyplug, each loaded from its module on first access.

Type checkers and editors read `__init__.pyi` instead.
PYTEST_DONT_REWRITE: otherwise pytest warns if this is imported before pytest starts.
"""

__version__ = "0.1.0.dev0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import _public as _public  # for PyInstaller and similar tools

# Each public name with its module. A dictionary, and imports for type checkers, would
# cost 90,000 more instructions at each start.
_MODULES = """
BrokenMetadata _exceptions
Changes _refresh
Choice _selection.choice
CircularLoad _exceptions
DispatchExtensionManager _filtered
DriverManager _named
EnabledExtensionManager _filtered
EntryPoint _entry_point
EntryPoints _entry_point
Extension _extension
ExtensionManager _manager
Facts _facts
Failure _faults.problems
HookManager _hook
InvalidChoice _exceptions
InvalidEntryPoint _exceptions
InvalidFacts _exceptions
LazyplugError _exceptions
Manager _manager
MultipleMatches _exceptions
NameDispatchExtensionManager _filtered
NamedExtensionManager _named
NoMatches _exceptions
NoUniqueMatch _exceptions
Problem _faults.problems
ProtocolMismatch _exceptions
accelerate _accelerate
entry_points _entry_point
error_on_conflict _selection.conflicts
first_on_conflict _selection.conflicts
ignore_conflicts _selection.conflicts
invalidate_caches _environment
load _load_by_reference
prefer _selection.conflicts
prefer_highest _selection.conflicts
problems _faults.problems
refresh _refresh
subscribe _refresh
use_index _use_index
version _inventory
warning_on_missing_entrypoint _named
"""


def _public_names() -> "list[str]":
    return [line.split()[0] for line in _MODULES.strip().splitlines()]


def __getattr__(name: str) -> object:
    at = _MODULES.find(f"\n{name} ") if name.isidentifier() else -1
    if at < 0:
        if name == "__all__":
            return _public_names()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")  # noqa: EM102 - Python's words
    line = _MODULES[at + 1 : _MODULES.index("\n", at + 1)]
    module = __import__(f"{__name__}.{line.split()[1]}", fromlist=(name,))
    value = getattr(module, name)
    if value.__class__ is __getattr__.__class__:
        value.__module__ = __name__  # as of classes: pickles name no private module
    # In a fake file system, a module imported now has a fake `os`: do not keep it.
    if __import__("os").__class__ is module.__class__:
        globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted({*globals(), *_public_names()})
