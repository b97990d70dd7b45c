"""Import all modules that define public names, for tools that search for imports.

`__init__` has a table of the names and loads their modules by name, which PyInstaller
and similar tools do not detect. No program imports this module.
"""

from . import (  # noqa: F401
    _accelerate,
    _entry_point,
    _environment,
    _exceptions,
    _extension,
    _facts,
    _filtered,
    _hook,
    _inventory,
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
