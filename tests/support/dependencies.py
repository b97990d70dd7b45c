"""Find out which dependencies of lazyplug are not installed: see `tox run -e soft`."""

import traceback
from importlib.util import find_spec
from pathlib import Path

import pytest

import lazyplug

ABSENT = {
    name
    for name in ("importlib_metadata", "orjson", "platformdirs")
    if find_spec(name) is None
}


def absent_dependency(error: "BaseException | None") -> "str | None":
    """Return the absent dependency that a test imports, if that is the error.

    It is not a reason to skip the test if lazyplug imports it, which must do without.
    """
    if isinstance(error, pytest.Collector.CollectError):
        error = error.__cause__
    if not isinstance(error, ModuleNotFoundError) or error.name not in ABSENT:
        return None
    importer = traceback.extract_tb(error.__traceback__)[-1].filename
    is_ours = Path(importer).is_relative_to(Path(lazyplug.__file__).parent)
    return None if is_ours else error.name
