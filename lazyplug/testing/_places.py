"""What a test has to itself for a while: an index, site folders, the modules in them.

All of it is changed through a `Patch`, pytest's or our own, which undoes it at the end.
Under pytest it must be pytest's: what a test patches itself has to be undone before.
"""

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

from .. import _environment, _log, _settings
from .._static import facts
from ._trees import Tree, plant

K = TypeVar("K")
V = TypeVar("V")
_ABSENT: Any = object()
_CACHE_DIR = "LAZYPLUG_CACHE_DIR"


class Patch(Protocol):
    """What is needed of pytest.MonkeyPatch."""

    def setitem(self, dic: Mapping[K, V], name: K, value: V) -> None:
        """Set an item, until that is undone."""

    def syspath_prepend(self, path: str) -> None:
        """Put a folder first in `sys.path`, until that is undone."""


class OwnPatch(ExitStack):
    """The same without pytest: undone where its block ends."""

    def setitem(self, dic: Mapping[K, V], name: K, value: V) -> None:
        """Set an item, until that is undone."""
        changed: Any = dic
        self.callback(_put_back, changed, name, changed.get(name, _ABSENT))
        changed[name] = value

    def syspath_prepend(self, path: str) -> None:
        """Put a folder first in `sys.path`, until that is undone."""
        self.callback(sys.path.__setitem__, slice(None), sys.path[:])
        sys.path.insert(0, path)


def _put_back(changed: "MutableMapping[K, V]", name: K, value: V) -> None:
    if value is _ABSENT:
        changed.pop(name, None)
    else:
        changed[name] = value


def leave_out(patch: Patch, changed: "MutableMapping[K, Any]", name: K) -> None:
    """Let a mapping be without an item, until that is undone."""
    patch.setitem(changed, name, "")
    del changed[name]


def take_out(patch: Patch, module: str) -> None:
    """Let a module, and what is below it, be not imported, until that is undone."""
    package = _package_of(module)
    if package is not None:
        leave_out(patch, package, module.rpartition(".")[2])
    for name in list(sys.modules):
        if f"{name}.".startswith(f"{module}."):
            leave_out(patch, sys.modules, name)


def _package_of(module: str) -> "dict[str, Any] | None":
    """Return the names in the package of a module, if the module is one of them.

    `from package import module` would find it there.
    """
    above, _, name = module.rpartition(".")
    loaded, package = sys.modules.get(module), sys.modules.get(above)
    if loaded is None or package is None or vars(package).get(name) is not loaded:
        return None
    return vars(package)


# --------------------------------------------------------------------------- an index


def isolate(patch: Patch, folder: Path) -> None:
    """Keep indexes in this folder, and forget what was seen and set before.

    Raises RuntimeError where the environment is ignored, and so would be that.
    """
    for name in list(os.environ):
        if name.startswith("LAZYPLUG_"):
            leave_out(patch, os.environ, name)
    patch.setitem(os.environ, _CACHE_DIR, str(folder))
    patch.setitem(vars(_settings), "index_override", None)
    forget(folder)
    if _settings.cache_folder() != str(folder):
        raise RuntimeError(
            "the index cannot be isolated: LAZYPLUG_* are ignored in this process. Was"
            " it started with -E or -I, or has it another user's rights?"
        )


def forget(folder: Path) -> None:
    """Let this process forget what it has seen, and what it would write to a folder."""
    _environment.invalidate_caches()
    _settings.forget_problems()
    _log.forget()
    facts.forget(str(folder))


@contextmanager
def isolated_index() -> Iterator[Path]:
    """Give the block an index of its own, in a temporary folder; give its path.

    `LAZYPLUG_CACHE_DIR` names that folder, all other `LAZYPLUG_*` are not set, and what
    `use_index` was given is put aside; processes that are started in the block inherit
    that. This one forgets what it has seen of its environment, when the block begins
    and when it ends. All is put back at the end.

    Raises RuntimeError where Python was told to ignore the environment.
    """
    with _place() as (folder, patch):
        isolate(patch, folder)
        yield folder


@contextmanager
def _place() -> Iterator[tuple[Path, OwnPatch]]:
    with TemporaryDirectory(prefix="lazyplug-") as name:
        folder = Path(name)
        try:
            with OwnPatch() as patch:
                yield folder, patch
        finally:
            forget(folder)


# ------------------------------------------------------------------------ site folders


def install(patch: Patch, folder: Path, tree: Tree) -> Path:
    """Plant a site folder and put it first on the path, here and for new processes."""
    plant(folder, tree)
    for module in _modules(tree):
        take_out(patch, module)
    paths = [str(folder), os.environ.get("PYTHONPATH")]
    patch.setitem(os.environ, "PYTHONPATH", os.pathsep.join(filter(None, paths)))
    patch.syspath_prepend(str(folder))
    return folder


def _modules(tree: Tree, above: str = "") -> Iterator[str]:
    """Yield the modules in a tree; of a namespace package those that are in it."""
    for name, content in tree.items():
        module = above + name.removesuffix(".py")
        if not isinstance(content, Mapping):
            if name.endswith(".py"):
                yield module
        elif "__init__.py" in content:
            yield module
        else:
            yield from _modules(content, f"{module}.")


def uninstall(folder: Path) -> None:
    """Remove what was imported from a folder from `sys.modules`."""
    inside = os.path.join(folder, "")
    for name, module in list(sys.modules.items()):
        # Not by getattr: there are modules that import others then.
        said = getattr(module, "__dict__", {})
        files = [said.get("__file__"), *(said.get("__path__") or ())]
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
def site_folder(tree: Tree) -> Iterator[Path]:
    """Install what a tree says, for the length of the block; give the site folder.

    It is a temporary folder, first in `sys.path`, and in `PYTHONPATH` for processes
    that are started in the block. Its modules are not yet imported, even if others of
    the same names are; those are put back at the end, where what was imported from the
    folder is removed from `sys.modules`.

    Managers that stand already see it after their `refresh()`. Where
    `LAZYPLUG_CACHE_DIR` is not set, the index is kept in a temporary folder as well.

    :param tree: as of `plant`; distributions are made by `dist`.

    No plugin is imported.
    """
    with temporary_site() as (folder, patch):
        yield install(patch, folder, tree)


@contextmanager
def temporary_site() -> Iterator[tuple[Path, OwnPatch]]:
    """Give a folder for a site, and a patch; undo what is changed by it."""
    with _place() as (folder, patch):
        site = folder / "site"
        if not _settings.setting(_CACHE_DIR):
            patch.setitem(os.environ, _CACHE_DIR, str(folder / "cache"))
        patch.callback(uninstall, site)
        yield site, patch
