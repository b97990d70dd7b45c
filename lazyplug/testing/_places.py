"""Isolate a test: give it an index, site directories and the modules in them.

All changes are made through a `Patch`, pytest's or our own, which undoes them at the
end. Under pytest it must be pytest's, so that the patches of the test itself are undone
first.
"""

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from .. import _environment, _log, _settings
from .. import _messages as messages
from .._static import learning
from ._trees import Tree, plant

K = TypeVar("K")
V = TypeVar("V")
_ABSENT: Any = object()
_CACHE_DIR = "LAZYPLUG_CACHE_DIR"


class Patch(Protocol):
    """The methods of pytest.MonkeyPatch that are used here."""

    def setitem(self, dic: Mapping[K, V], name: K, value: V) -> None:
        """Set an item until the patch is undone."""

    def syspath_prepend(self, path: str) -> None:
        """Put a directory first in `sys.path` until the patch is undone."""


class OwnPatch(ExitStack):
    """A Patch without pytest, undone at the end of its `with` block."""

    def setitem(self, dic: Mapping[K, V], name: K, value: V) -> None:
        """Set an item until the patch is undone."""
        changed: Any = dic
        self.callback(_put_back, changed, name, changed.get(name, _ABSENT))
        changed[name] = value

    def syspath_prepend(self, path: str) -> None:
        """Put a directory first in `sys.path` until the patch is undone."""
        self.callback(sys.path.__setitem__, slice(None), sys.path[:])
        sys.path.insert(0, path)


def _put_back(changed: "MutableMapping[K, V]", name: K, value: V) -> None:
    if value is _ABSENT:
        changed.pop(name, None)
    else:
        changed[name] = value


def remove_item(patch: Patch, changed: "MutableMapping[K, Any]", name: K) -> None:
    """Remove an item from a mapping until the patch is undone."""
    patch.setitem(changed, name, "")
    del changed[name]


def take_out(patch: Patch, module: str) -> None:
    """Treat a module and its submodules as not imported until the patch is undone."""
    package = _package_of(module)
    if package is not None:
        remove_item(patch, package, module.rpartition(".")[2])
    for name in list(sys.modules):
        if f"{name}.".startswith(f"{module}."):
            remove_item(patch, sys.modules, name)


def _package_of(module: str) -> "dict[str, Any] | None":
    """Return the namespace of a module's package, if it contains the module.

    `from package import module` would find the module there.
    """
    above, _, name = module.rpartition(".")
    loaded, package = sys.modules.get(module), sys.modules.get(above)
    if loaded is None or package is None or vars(package).get(name) is not loaded:
        return None
    return vars(package)


# --------------------------------------------------------------------------- an index


def isolate(patch: Patch, directory: Path) -> None:
    """Keep indexes in this directory; forget earlier settings and cached answers.

    Raises RuntimeError if environment variables are ignored, and with them
    `LAZYPLUG_CACHE_DIR`.
    """
    for name in list(os.environ):
        if name.startswith("LAZYPLUG_"):
            remove_item(patch, os.environ, name)
    patch.setitem(os.environ, _CACHE_DIR, str(directory))
    patch.setitem(vars(_settings), "index_override", None)
    forget(directory)
    if _settings.get_cache_directory() != str(directory):
        raise RuntimeError(messages.NOT_ISOLATED)


def forget(directory: Path) -> None:
    """Forget cached answers, and data that is not yet written to the directory."""
    _environment.invalidate_caches()
    _settings.forget_problems()
    _log.forget()
    learning.forget(str(directory))


@contextmanager
def isolated_index() -> Iterator[Path]:
    """Give the block an index of its own in a temporary directory; yield its path.

    `LAZYPLUG_CACHE_DIR` names that directory, all other `LAZYPLUG_*` are unset, and an
    index that was set by `use_index` is not used. Child processes that are started in
    the block inherit the variables. This process forgets what it knows of its
    environment when the block begins and when it ends. Everything is restored at the
    end.

    Raises RuntimeError if environment variables are ignored: under `python -E` and
    `-I`, and if the real and the effective user or group differ.
    """
    with _temporary_directory() as (directory, patch):
        isolate(patch, directory)
        yield directory


@contextmanager
def _temporary_directory() -> Iterator[tuple[Path, OwnPatch]]:
    with TemporaryDirectory(prefix="lazyplug-") as name:
        directory = Path(name)
        try:
            with OwnPatch() as patch:
                yield directory, patch
        finally:
            forget(directory)


# -------------------------------------------------------------------- site directories


def install(patch: Patch, directory: Path, tree: Tree) -> Path:
    """Write a site directory; put it first in `sys.path` and in `PYTHONPATH`."""
    plant(directory, tree)
    for module in _modules(tree):
        take_out(patch, module)
    paths = [str(directory), os.environ.get("PYTHONPATH")]
    patch.setitem(os.environ, "PYTHONPATH", os.pathsep.join(filter(None, paths)))
    patch.syspath_prepend(str(directory))
    return directory


def _modules(tree: Tree, above: str = "") -> Iterator[str]:
    """Yield the modules in a tree; for a namespace package, the modules inside it."""
    for name, content in tree.items():
        module = above + name.removesuffix(".py")
        if not isinstance(content, Mapping):
            if name.endswith(".py"):
                yield module
        elif "__init__.py" in content:
            yield module
        else:
            yield from _modules(content, f"{module}.")


def uninstall(directory: Path) -> None:
    """Remove the modules that were imported from a directory from `sys.modules`."""
    inside = os.path.join(directory, "")
    for name, module in list(sys.modules.items()):
        # Not with getattr: access to an attribute makes some modules import others.
        namespace = getattr(module, "__dict__", {})
        files = [namespace.get("__file__"), *(namespace.get("__path__") or ())]
        found = [str(file).startswith(inside) for file in files if file]
        if found and all(found):
            package = _package_of(name)
            if package is not None:
                del package[name.rpartition(".")[2]]
            del sys.modules[name]
    for path in list(sys.path_importer_cache):
        if os.path.join(path, "").startswith(inside):
            del sys.path_importer_cache[path]


@contextmanager
def site_directory(tree: Tree) -> Iterator[Path]:
    """Install a tree in a temporary site directory for the block; yield its path.

    The directory is first in `sys.path`, and in `PYTHONPATH` for child processes that
    are started in the block. Its modules are not yet imported, even if others with
    the same names are; those are restored at the end, when the modules that were
    imported from the directory are removed from `sys.modules`.

    Existing managers find the distributions after their `refresh()`. If
    `LAZYPLUG_CACHE_DIR` is not set, the index is kept in a temporary directory as well.
    Imports no plugin.

    :param tree: the files, as for `plant`; `dist` makes distributions.
    """
    with temporary_site() as (directory, patch):
        yield install(patch, directory, tree)


@contextmanager
def temporary_site() -> Iterator[tuple[Path, OwnPatch]]:
    """Yield the path for a site directory, and a patch; undo the patch at the end."""
    with _temporary_directory() as (directory, patch):
        site = directory / "site"
        if not _settings.get_setting(_CACHE_DIR):
            patch.setitem(os.environ, _CACHE_DIR, str(directory / "cache"))
        patch.callback(uninstall, site)
        yield site, patch
