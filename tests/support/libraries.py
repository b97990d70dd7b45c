"""List the installed libraries that answer entry_points(), Python's own first."""

import importlib.metadata
from typing import Any

import pytest

from lazyplug._indexing import archives

# importlib_metadata; importlib.metadata if it is not installed
newest: Any = archives.library  # type: ignore[attr-defined]
LIBRARIES: list[Any] = [importlib.metadata]
if newest is not importlib.metadata:
    LIBRARIES.append(newest)

needs_importlib_metadata = pytest.mark.skipif(
    len(LIBRARIES) == 1, reason="importlib_metadata is not installed"
)
