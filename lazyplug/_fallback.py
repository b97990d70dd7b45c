"""Answer as importlib.metadata does, from nothing remembered, where `os` was replaced.

A test that runs in a fake file system (pyfakefs) puts objects of its own in the place
of the module `os`, in importlib.metadata too. The index is about the real one.
"""

import importlib.metadata
import sys

from ._cache import NOTHING, Snapshot, foreign_finders, index_name
from ._live import Overlay, path_finder_place
from ._record import assemble, from_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._index import Index


class Fallback(Snapshot):
    """The environment as importlib.metadata sees it; made anew for each question.

    Its index is empty and lies on no disk: all that it has is an overlay.
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
        """Return an index of nothing."""
        return from_bytes(assemble(self.key, [], [], True, {}, {}, ""))

    def overlay(self) -> "Overlay | None":
        """Return all that there is."""
        return self._overlay
