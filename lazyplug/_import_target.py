"""Import the target of an entry point, exactly as importlib.metadata does.

`Extension._load` has a copy of this code, so that a driver imports one module less.
"""

from _frozen_importlib import _gcd_import  # type: ignore[attr-defined]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


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
        from . import _preload  # noqa: F401
    except (ImportError, OSError):
        pass  # the modules of the plugin may be in memory


def load_target(module: str, attr: "str | None") -> "Any":
    """Import a module and return its attribute at a dotted path.

    >>> load_target("os.path", "join.__name__."), load_target("sys", ".").__name__
    ('join', 'sys')
    """
    found = import_module(module)
    if attr is not None:
        for name in filter(None, attr.split(".")):
            found = getattr(found, name)
    return found
