"""Answer by importlib.metadata, without an index, where the module `os` was replaced.

A test in a fake file system (pyfakefs) replaces the module `os` by an object, also in
importlib.metadata. The index describes the real file system.
"""

import importlib.metadata
import sys

from ._cache import NOTHING, Snapshot, foreign_finders, index_name
from ._indexing.overlay import Overlay, path_finder_place
from ._indexing.records import assemble, from_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._index import Index


class Fallback(Snapshot):
    """The environment as importlib.metadata sees it; made anew for each query.

    Its index is empty and is not stored: all its rows come from an overlay.
    """

    def __init__(self) -> None:
        # Imports are not faked: modules are where they are.
        path: list[Any] = sys.path
        self.entries = tuple(entry for entry in path if isinstance(entry, str))
        self.volatile = frozenset()
        self.checked = "full"
        self.frozen = None
        self.covered = NOTHING
        self.lent = ()
        self.key = [sys.prefix]
        self.file = index_name(self.key)
        self.index = self.true_index()
        own = path_finder_place(), importlib.metadata.MetadataPathFinder
        finders = [*foreign_finders(), own]
        self._overlay = Overlay((), self.volatile, self.index, finders)

    def true_index(self, distrusted: bytes = b"", scan: bool = False) -> "Index":
        """Return an empty index."""
        return from_bytes(assemble(self.key, [], [], True, {}, {}, ""))

    def overlay(self) -> "Overlay | None":
        """Return the overlay, which has all distributions."""
        return self._overlay
