"""Answer from importlib.metadata, without an index, if the module `os` was replaced.

A test with a fake file system (pyfakefs) replaces the module `os` by an object, also in
importlib.metadata. The index describes the real file system.
"""

import importlib.metadata
import sys

from ._index import NO_FROZEN_ENTRIES, index_name
from ._indexing.layout import assemble, from_bytes
from ._indexing.overlay import Overlay, path_finder_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def fallback(finders: "list[tuple[int, Any]]") -> "dict[str, Any]":
    """Return the attributes of an `Environment` as importlib.metadata sees it now.

    Its index is empty and is not stored: all its rows come from an overlay.

    :param finders: the third-party finders, with their places in `sys.meta_path`.
    """
    # Imports use the real file system, so `sys.path` is used as it is.
    path: list[Any] = sys.path
    key = [sys.prefix]
    index = from_bytes(assemble(key, [], [], True, {}, {}, ""))
    own = path_finder_place(), importlib.metadata.MetadataPathFinder
    return {
        "installation": None,
        "entries": tuple(entry for entry in path if isinstance(entry, str)),
        "volatile": frozenset(),
        "checked": "full",
        "frozen": None,
        "frozen_entries": NO_FROZEN_ENTRIES,
        "borrowed": (),
        "key": key,
        "file": index_name(key),
        "index": index,
        "asks_finders": False,
        "_overlay": Overlay((), frozenset(), index, [*finders, own]),
    }
