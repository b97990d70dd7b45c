"""Import all modules that define public names, for tools that look for imports.

The package loads them by name, which PyInstaller and its like do not see. No program
imports this module.
"""

from . import (  # noqa: F401
    _accelerate,
    _cache,
    _choice,
    _conflict,
    _entry_point,
    _exceptions,
    _filtered,
    _frozen,
    _hook,
    _load,
    _manager,
    _problem,
    _refresh,
)
