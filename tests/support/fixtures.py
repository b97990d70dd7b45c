"""Declare the types of the functions that fixtures return."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from lazyplug.testing import Tree
from tests.support.tally import OURS, Tally


class PlantSite(Protocol):
    """Plant a site directory of this name, and return it: `site`."""

    def __call__(self, tree: Tree, name: str = "site") -> Path: ...


class SetPath(Protocol):
    """Set `sys.path` (`set_path`), or put directories first on it (`prepend_path`)."""

    def __call__(self, *directories: Path | str) -> None: ...


class Count(Protocol):
    """Count the tries of a fault, of lazyplug or of a rival: `tally`."""

    def __call__(
        self, fault: str, subject: str = OURS
    ) -> AbstractContextManager[Tally]: ...
