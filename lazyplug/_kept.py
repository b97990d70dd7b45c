"""Keep the modules of this package in memory, for when no file can be read any more.

A server loads its plugins, then changes its root directory, gives up rights or uses its
last descriptor. Most modules here are imported when they are first needed, which may be
after that: handling a failure must not fail for want of the code that handles it. So
their bytecode is read when the first plugin is loaded, which costs a tenth of importing
them. Where this package is no directory of files (a zip), nothing is kept.
"""

import os
import sys
from _frozen_importlib_external import (
    FileFinder,
    SourceFileLoader,
    spec_from_file_location,
)

from ._cache import Seam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# what lies in the files, by their paths
_data: "dict[str, bytes]" = {}
# of each module's source, what its bytecode must name to be used
_stats: "dict[str, dict[str, int]]" = {}


class _Loader(SourceFileLoader):
    """The loader of a source file, which reads from memory."""

    def path_stats(self, path: "Any") -> "Mapping[str, Any]":
        """Return mtime and size of a source file, as they were."""
        return _stats[path]

    def get_data(self, path: str) -> bytes:
        """Return what lay in a file."""
        return _data[path] if path in _data else super().get_data(path)


class _Finder(FileFinder):
    """The finder of this package's directory, which knows what is in memory."""

    def find_spec(
        self,
        fullname: str,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Return the spec of a module that is kept, else what the directory has."""
        path = os.path.join(self.path, fullname.rpartition(".")[2] + ".py")
        if path not in _stats:
            return super().find_spec(fullname, target)
        loader = _Loader(fullname, path)
        return spec_from_file_location(fullname, path, loader=loader)


def _read(path: str) -> bytes:
    descriptor = Seam.open(path, _READ)
    try:
        data: bytes = Seam.read(descriptor, Seam.fstat(descriptor).st_size)
        return data
    finally:
        Seam.close(descriptor)


def _keep(folder: str, finder: FileFinder, cached: "str | None") -> None:
    for file in Seam.listdir(folder):
        name, suffix = os.path.splitext(file)
        if suffix != ".py" or f"{__package__}.{name}" in sys.modules:
            continue
        path = os.path.join(folder, file)
        status = Seam.stat(path)
        known = b""
        if cached:
            # Whatever the interpreter calls it, and wherever it keeps it.
            bytecode = name.join(cached.rsplit("_kept", 1))
            try:
                known = _data[bytecode] = _read(bytecode)
            except OSError:
                pass  # it was not compiled yet
        modified, size = status.st_mtime_ns // 1_000_000_000, status.st_size
        if known[8:16] != b"".join(
            (number & 0xFFFFFFFF).to_bytes(4, "little") for number in (modified, size)
        ):
            _data[path] = _read(path)  # not compiled, or not from this source
        _stats[path] = {"mtime": modified, "size": size}
    kept: Any = _Finder.__new__(_Finder)
    kept.__dict__.update(finder.__dict__)
    sys.path_importer_cache[folder] = kept


_folder = os.path.dirname(__file__)
_finder: "Any" = sys.path_importer_cache.get(_folder)
if isinstance(_finder, FileFinder):
    _keep(_folder, _finder, __spec__.cached)
