"""Answer by importlib.metadata, without an index, where the module `os` was replaced.

A test in a fake file system (pyfakefs) replaces the module `os` by an object, also in
importlib.metadata. The index describes the real file system.
"""

import importlib.metadata
import sys

from ._index import NOTHING, index_name
from ._indexing.layout import assemble, from_bytes
from ._indexing.overlay import Overlay, path_finder_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def fallback(finders: "list[tuple[int, Any]]") -> "dict[str, Any]":
    """Return the attributes of an environment as importlib.metadata sees it now.

    Its index is empty and is not stored: all its rows come from an overlay.

    :param finders: the third-party finders, with their places in `sys.meta_path`.
    """
    # Imports are not faked: modules are where they are.
    path: list[Any] = sys.path
    key = [sys.prefix]
    index = from_bytes(assemble(key, [], [], True, {}, {}, ""))
    own = path_finder_place(), importlib.metadata.MetadataPathFinder
    return {
        "entries": tuple(entry for entry in path if isinstance(entry, str)),
        "volatile": frozenset(),
        "checked": "full",
        "frozen": None,
        "covered": NOTHING,
        "lent": (),
        "key": key,
        "file": index_name(key),
        "index": index,
        "asks_finders": False,
        "_overlay": Overlay((), frozenset(), index, [*finders, own]),
    }
