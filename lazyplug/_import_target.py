"""Import the target of an entry point, exactly as importlib.metadata does.

`Extension._load` has a copy of this code, so that a driver imports one module less.
"""

import sys
from _frozen_importlib import _gcd_import  # type: ignore[attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_PRELOAD = f"{__package__}._preload"


def import_module(name: str) -> "Any":
    """Import a module as importlib.import_module does, without importing importlib.

    `__import__` is not equivalent: with a `fromlist` it reads attributes of the
    module, and without one it returns the top-level package.
    Raises TypeError for a relative name.
    """
    return _gcd_import(name, None, name[:1] == ".")


def keep_modules() -> None:
    """Keep the modules of this package in memory, if files can still be read."""
    try:
        __import__(_PRELOAD)
    except (ImportError, OSError):
        pass  # the modules of the plugin may be in memory


def load_target(module: str, attr: "str | None") -> "Any":
    """Import a module and return its attribute at a dotted path.

    >>> load_target("os.path", "join.__name__."), load_target("sys", ".").__name__
    ('join', 'sys')
    """
    # Some programs load 6,000 entry points: an import statement would cost each 10,000
    # instructions, and a call, as of `import_module`, 1,000.
    if _PRELOAD not in sys.modules:
        keep_modules()
    found = _gcd_import(module, None, module[:1] == ".")
    if attr is not None:
        for name in attr.split("."):
            if name:
                found = getattr(found, name)
    return found
