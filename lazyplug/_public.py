"""Import all modules that define public names, for tools that look for imports.

The names are listed in `__init__`. The package loads them by name, which PyInstaller
and its like do not see. No program imports this module.
"""

from . import (  # noqa: F401
    _accelerate,
    _entry_point,
    _environment,
    _exceptions,
    _extension,
    _filtered,
    _hook,
    _load_by_reference,
    _manager,
    _named,
    _refresh,
    _use_index,
)
from ._faults import (  # noqa: F401
    problems,
)
from ._selection import (  # noqa: F401
    choice,
    conflicts,
)
