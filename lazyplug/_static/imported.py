"""Compare the modules in sys.modules with the sources that were found for them.

An import of a module that is in sys.modules returns it, whatever the directories have.
Any object may be there, so that every exception counts as a difference.
"""

import os
import sys

from .._files import fs
from .._index import ABSENT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# The modules of Python's own loaders, frozen or not.
LOADERS = ("_frozen_importlib_external", "importlib._bootstrap_external")
_FROZEN = "frozen"


def is_plain(loader: "Any", file: "str | None") -> bool:
    """Return True if a loader is one of Python's own that loads this very file."""
    kind = type(loader)
    return kind.__module__ in LOADERS and getattr(loader, "path", file) == file


def is_at(module: "Any", file: str) -> bool:
    """Return True if an imported module is the one whose file was found.

    Its own file may be another form of it: compiled, or below another path.
    """
    try:
        origin = _origin(module)
        if origin == file:
            return True
        (home, name), (other_home, other) = map(os.path.split, (file, origin))
        return name.partition(".")[0] == other.partition(".")[0] and os.path.samestat(
            fs.stat(home), fs.stat(other_home)
        )
    except Exception:
        return False


def is_as_found(
    name: str, path: "list[str] | None", signatures: "Mapping[str, str]"
) -> bool:
    """Return True if an import would still find a module where it was found.

    :param path: the directories that were searched for it; None: the path entries.
    :param signatures: those of files and directories, ABSENT if one was missing.
    """
    parent = sys.modules.get(name.rpartition(".")[0])
    if path is not None and parent is not None and search_path(parent) != path:
        return False
    return name not in sys.modules or _is_among(sys.modules[name], signatures)


def _is_among(module: "Any", signatures: "Mapping[str, str]") -> bool:
    """Return True if an imported module is certainly from one of these files."""
    try:
        origin = _origin(module)
        if origin is None:  # a namespace package
            return all(signatures.get(p, ABSENT) != ABSENT for p in module.__path__)
        places = origin, os.path.dirname(origin)
        return any(signatures.get(each, ABSENT) != ABSENT for each in places)
    except Exception:
        return False


def search_path(module: "Any") -> "list[str] | None":
    """Return the directories that an import searches for the submodules of a module.

    None if it is not a package.
    """
    try:
        return list(map(os.fsdecode, module.__path__))
    except Exception:
        return None


def _origin(module: "Any") -> "Any":
    """Return the file that Python's own loader loaded a module from, None if none.

    Raises an exception if another loader did.
    """
    spec = module.__spec__
    if spec.origin == _FROZEN:
        return module.__file__
    if spec.loader is not None and not is_plain(spec.loader, spec.origin):
        raise ImportError(spec.loader)
    return spec.origin
