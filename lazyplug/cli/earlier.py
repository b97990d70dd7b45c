"""Remember which plugins an earlier check has loaded.

Only success is remembered. It counts until a path entry changes, as when anything is
installed; until a file of the plugin's own package changes; or until the version of
Python does. A change of an environment variable or of a system library, or an edit in
another package, is not noticed.
"""

import os
from importlib.util import find_spec

from .._content import signature
from .._files import fs
from .._index import digest
from .._indexing.reading import is_reliable
from .._static.known_loads import environment_state
from .._static.learned import learned_facts
from .._static.learning import add

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._extension import Extension

_KIND = "checked"
_SOURCES = (".py", ".so", ".pyd")


class EarlierChecks:
    """What earlier checks have found in this environment. Imports no plugin."""

    def __init__(self) -> None:
        self._facts = learned_facts()
        self._state = environment_state(self._facts)
        self._clock = fs.clock()
        self._packages: dict[str, str | None] = {}

    def recall(self, extension: "Extension[Any]") -> "tuple[float, float] | None":
        """Return seconds and memory of an earlier load; None if it must be loaded."""
        state = self._state_of(extension)
        found = self._facts.recall(extension, _KIND) if state else None
        if not isinstance(found, list) or len(found) != 3 or found[0] != state:
            return None
        return float(found[1]), float(found[2])

    def remember(self, extension: "Extension[Any]", seconds: float, mib: float) -> None:
        """Remember that a plugin was loaded."""
        state = self._state_of(extension)
        if state:
            add(self._facts, extension, _KIND, [state, seconds, mib])

    def forget(self, extension: "Extension[Any]") -> None:
        """Forget that a plugin was loaded, since it failed now."""
        if isinstance(self._facts.recall(extension, _KIND), list):
            add(self._facts, extension, _KIND, None)

    def _state_of(self, extension: "Extension[Any]") -> str:
        """Return a text that changes with what is remembered; "" if it may not."""
        package = (extension._module or "").partition(".")[0]
        if self._state is None or not package:
            return ""
        if package not in self._packages:
            self._packages[package] = self._package_state(package)
        own = self._packages[package]
        return digest(f"{self._state}\n{own}".encode()) if own else ""

    def _package_state(self, package: str) -> "str | None":
        """Return the signatures of all files of a package; None if one is racy."""
        lines = []
        try:
            for file in _files(package):
                status = os.stat(file)
                if not is_reliable(status, False, self._clock):
                    return None
                lines.append(f"{file}\n{signature(file, status)}")
        except Exception:  # a finder failed, or a file is gone
            return None
        return digest("\n".join(sorted(lines)).encode())


def _files(package: str) -> "Iterator[str]":
    """Yield the source files of a package or module, which may be a namespace."""
    spec = find_spec(package)
    if spec is None:
        return
    if spec.has_location and spec.origin:
        yield spec.origin
    for directory in spec.submodule_search_locations or ():
        for where, _, names in os.walk(directory):
            for name in names:
                if name.endswith(_SOURCES):
                    yield os.path.join(where, name)
