"""Keep the modules of this package in memory, in case files can no longer be read.

A server may load its plugins and then change its root directory, give up privileges or
run out of descriptors. Most modules of this package are imported on first use, which
may be later: without them, a failure could not be handled. Therefore their bytecode is
read when the first plugin is loaded, at a tenth of the cost of importing them. If the
package is in a zip archive, nothing is kept.
"""

import os
import sys
from _frozen_importlib_external import (
    FileFinder,
    SourceFileLoader,
    cache_from_source,
    spec_from_file_location,
)

from ._files import READ_FLAGS, fs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

# What only tools import, or starts programs; the hot modules, which are imported by
# now, or replaced in a wheel; what a host with facts has imported before it loads a
# plugin; and what reads sources, or another environment, which is of no use without
# files.
_SKIPPED = {
    *("__main__", "__pycache__", "_declared", "_public", "_running", "_types"),
    *("annotations", "_cache_home"),
    *("_index", "_files", "_settings", "_environment", "_extension", "_manager"),
    "_named",
    *("_arguments", "_description", "_facts", "_use_index"),
    *("_other_environment", "_other_extensions", "_site_path", "_startup_files"),
    *("class_facts", "declared", "frozen_facts", "hints", "imported", "literals"),
    *("names", "packages", "plugin_facts", "source", "targets", "variables", "writes"),
}
# the contents of the files, by path
_data: "dict[str, bytes]" = {}
# for each source file, the mtime and size that its bytecode must record to be used
_stats: "dict[str, dict[str, int]]" = {}


class _Loader(SourceFileLoader):
    """A source file loader that reads from memory."""

    def path_stats(self, path: "Any") -> "Mapping[str, Any]":
        """Return the mtime and size that a source file had when it was read."""
        return _stats[path]

    def get_data(self, path: str) -> bytes:
        """Return the kept content of a file; read any other file."""
        return _data[path] if path in _data else super().get_data(path)


class _Finder(FileFinder):
    """A finder for a directory of this package, which finds the kept modules first."""

    def find_spec(
        self,
        fullname: str,
        target: "ModuleType | None" = None,
    ) -> "ModuleSpec | None":
        """Return the spec of a kept module; search the directory for any other."""
        name = os.path.join(self.path, fullname.rpartition(".")[2])
        for path in (name + ".py", os.path.join(name, "__init__.py")):
            if path in _stats:
                loader = _Loader(fullname, path)
                return spec_from_file_location(fullname, path, loader=loader)
        return super().find_spec(fullname, target)


def _read(path: str) -> bytes:
    descriptor = fs.open(path, READ_FLAGS)
    try:
        data: bytes = fs.read(descriptor, fs.fstat(descriptor).st_size)
        return data
    finally:
        fs.close(descriptor)


def _keep(package: str, directory: str, finder: FileFinder) -> None:
    """Keep the modules of a package and of its private subpackages."""
    # The bytecode of this module; that of the others has the same directory and tag.
    own = __spec__.cached and cache_from_source(os.path.join(directory, "_preload.py"))
    for file in fs.listdir(directory):
        name, suffix = os.path.splitext(file)
        path = os.path.join(directory, file)
        module = package if name == "__init__" else f"{package}.{name}"
        if name[:1] == "_" and not suffix and name not in _SKIPPED:
            _keep(module, path, finder)
        if suffix != ".py" or module in sys.modules or name in _SKIPPED:
            continue
        status = fs.stat(path)
        content = b""
        if own:
            bytecode = name.join(own.rsplit("_preload", 1))
            try:
                content = _data[bytecode] = _read(bytecode)
            except OSError:
                pass  # it was not compiled yet
        modified, size = status.st_mtime_ns // 1_000_000_000, status.st_size
        if content[8:16] != b"".join(
            (number & 0xFFFFFFFF).to_bytes(4, "little") for number in (modified, size)
        ):
            _data[path] = _read(path)  # no bytecode, or not of this source
        _stats[path] = {"mtime": modified, "size": size}
    replacement: Any = _Finder.__new__(_Finder)
    replacement.__dict__.update(finder.__dict__)
    if directory != finder.path:
        replacement.__dict__.update(_NOT_LISTED, path=directory)
    sys.path_importer_cache[directory] = replacement


# the state of a finder that has not listed its directory
_NOT_LISTED: "Mapping[str, Any]" = {
    "_path_mtime": -1,
    "_path_cache": set(),
    "_relaxed_path_cache": set(),
}
_directory = os.path.dirname(__file__)
_finder: "Any" = sys.path_importer_cache.get(_directory)
if isinstance(_finder, FileFinder):
    _keep(__spec__.parent or "", _directory, _finder)
