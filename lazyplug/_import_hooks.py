"""Ask finders for the spec of a module, and call a function after its import."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


def spec_of(
    finders: "Iterable[Any]",
    name: str,
    path: "Sequence[str] | None" = None,
    target: "ModuleType | None" = None,
) -> "ModuleSpec | None":
    """Return the spec of a module from the first finder that has one; else None.

    Imports nothing. An exception of a finder is not caught.
    """
    for finder in finders:
        find_spec = getattr(finder, "find_spec", None)
        if find_spec is None:
            spec = _legacy_spec(finder, name, path)
        else:
            spec = find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


def _legacy_spec(
    finder: "Any", name: str, path: "Sequence[str] | None"
) -> "ModuleSpec | None":
    """Return the spec from a finder that has no `find_spec`, as Python 3.11 does."""
    find_module = getattr(finder, "find_module", None)
    if find_module is None or sys.version_info >= (3, 12):
        return None
    from importlib.util import spec_from_loader  # deferred: few finders are that old

    loader = find_module(name, path)
    return None if loader is None else spec_from_loader(name, loader)


def call_after_import(
    spec: "ModuleSpec", action: "Callable[[ModuleType], object]"
) -> None:
    """Let the loader of a module call a function once the module has run.

    Nothing is changed for a directory of that name, a loader of the old kind, and one
    whose attributes cannot be set.
    """
    loader: Any = spec.loader
    run = getattr(loader, "exec_module", None)
    if run is None:
        return

    def exec_module(module: "ModuleType") -> None:
        # A zip archive has one loader for all of its modules.
        if module.__name__ == spec.name:
            loader.__dict__.pop("exec_module", None)
        run(module)
        if module.__name__ == spec.name:
            action(module)

    try:
        loader.exec_module = exec_module
    except AttributeError:
        pass
