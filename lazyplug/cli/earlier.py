"""Remember which plugins an earlier check has loaded.

Only success is remembered. It counts until a path entry changes, as when anything is
installed; until a file of the plugin's own package changes; or until Python is another
one, or runs with other options or environment variables or in another directory. A
change of a system library, or an edit in another package, is not noticed.
"""

import os
import sys
from importlib.util import find_spec

from .._content import signature
from .._files import fs
from .._index import digest
from .._indexing.reading import is_reliable
from .._running.command import options_of
from .._static.known_loads import environment_state
from .._static.learned import learned_facts
from .._static.learning import add

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._extension import Extension

_KIND = "checked"
# The variables that shells set for themselves.
_OF_SHELLS = {"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL"}


class EarlierChecks:
    """What earlier checks have found in this environment. Imports no plugin."""

    def __init__(self) -> None:
        self._facts = learned_facts()
        self._clock = fs.clock()
        self._state = self._state_of_process()
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

    def _state_of_process(self) -> str:
        """Return a text that changes with this process; "" if it may not."""
        environment = self._facts.environment
        state = environment_state(self._facts)
        if state is None:
            return ""
        lines = [state, *options_of(sys.orig_argv)]
        lines += sorted(
            f"{name}={value}"
            for name, value in os.environ.items()
            if name not in _OF_SHELLS
        )
        try:
            lines.append(os.getcwd())
            for place in sorted(environment.volatile):
                path = environment.entries[place]
                lines.append(self._signature(path) if os.path.lexists(path) else path)
        except (OSError, ValueError):
            return ""
        return digest("\n".join(lines).encode("utf-8", "surrogateescape"))

    def _signature(self, path: str) -> str:
        """Return the signature of a file; raise ValueError if it is racy."""
        status = os.stat(path)
        if not is_reliable(status, False, self._clock):
            raise ValueError(path)
        return f"{path}\n{signature(path, status)}"

    def _state_of(self, extension: "Extension[Any]") -> str:
        """Return a text that changes with what is remembered; "" if it may not."""
        package = (extension._module or "").partition(".")[0]
        if not self._state or not package:
            return ""
        if package not in self._packages:
            self._packages[package] = self._package_state(package)
        own = self._packages[package]
        return digest(f"{self._state}\n{own}".encode()) if own else ""

    def _package_state(self, package: str) -> "str | None":
        """Return the signatures of all files of a package; None if one is racy."""
        try:
            lines = sorted(map(self._signature, _files(package)))
            return digest("\n".join(lines).encode("utf-8", "surrogateescape"))
        except Exception:  # a finder failed, or a file is gone or racy
            return None


def _files(package: str) -> "Iterator[str]":
    """Yield the files of a package or module, which may be a namespace."""
    spec = find_spec(package)
    if spec is None:
        return
    if spec.has_location and spec.origin:
        yield spec.origin
    done = set()
    for directory in spec.submodule_search_locations or ():
        for where, directories, names in os.walk(directory, followlinks=True):
            status = os.stat(where)
            identity = status.st_dev, status.st_ino
            if identity in done:
                directories.clear()  # a link to it
                continue
            done.add(identity)
            if "__pycache__" in directories:
                directories.remove("__pycache__")
            for name in names:
                yield os.path.join(where, name)
