"""Keep the modules of this package in memory, for when no file can be read any more.

A server loads its plugins, then changes its root directory, gives up privileges or uses
its last descriptor. Most modules of this package are imported when first needed, which
may be after that: without them, a failure could not be handled. So their bytecode is
read when the first plugin is loaded, at a tenth of the cost of importing them.
Nothing is kept of a package in a zip archive.
"""

import os
import sys
from _frozen_importlib_external import (
    FileFinder,
    SourceFileLoader,
    cache_from_source,
    spec_from_file_location,
)

from ._files import READ_FLAGS, Seam

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

# the contents of the files, by their paths
_data: "dict[str, bytes]" = {}
# of each source file, the mtime and size that its bytecode must have to be used
_stats: "dict[str, dict[str, int]]" = {}


class _Loader(SourceFileLoader):
    """A source file loader that reads from memory."""

    def path_stats(self, path: "Any") -> "Mapping[str, Any]":
        """Return the mtime and size that a source file had when it was kept."""
        return _stats[path]

    def get_data(self, path: str) -> bytes:
        """Return the kept content of a file; read any other file."""
        return _data[path] if path in _data else super().get_data(path)


class _Finder(FileFinder):
    """The finder of this package's directory, which finds the kept modules first."""

    def find_spec(
        self,
        fullname: str,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Return the spec of a kept module, else look in the directory."""
        name = os.path.join(self.path, fullname.rpartition(".")[2])
        for path in (name + ".py", os.path.join(name, "__init__.py")):
            if path in _stats:
                loader = _Loader(fullname, path)
                return spec_from_file_location(fullname, path, loader=loader)
        return super().find_spec(fullname, target)


def _read(path: str) -> bytes:
    descriptor = Seam.open(path, READ_FLAGS)
    try:
        data: bytes = Seam.read(descriptor, Seam.fstat(descriptor).st_size)
        return data
    finally:
        Seam.close(descriptor)


def _keep(package: str, folder: str, finder: FileFinder) -> None:
    """Keep the modules of a package, and of the private packages in it."""
    # The same directory and tag as the bytecode of this module.
    own = __spec__.cached and cache_from_source(os.path.join(folder, "_preload.py"))
    for file in Seam.listdir(folder):
        name, suffix = os.path.splitext(file)
        path = os.path.join(folder, file)
        module = package if name == "__init__" else f"{package}.{name}"
        if name[:1] == "_" and not suffix and name != "__pycache__":
            _keep(module, path, finder)
        if suffix != ".py" or module in sys.modules:
            continue
        status = Seam.stat(path)
        known = b""
        if own:
            bytecode = name.join(own.rsplit("_preload", 1))
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
    if folder != finder.path:
        kept.__dict__.update(_NEW, path=folder)
    sys.path_importer_cache[folder] = kept


# what a finder knows of a directory that it has not listed
_NEW: "Mapping[str, Any]" = {
    "_path_mtime": -1,
    "_path_cache": set(),
    "_relaxed_path_cache": set(),
}
_folder = os.path.dirname(__file__)
_finder: "Any" = sys.path_importer_cache.get(_folder)
if isinstance(_finder, FileFinder):
    _keep(__spec__.parent or "", _folder, _finder)
