"""Find the modules of a package as extensions, without importing the package."""

import sys
from pkgutil import iter_modules

from .._environment import current, rows
from .._files import fs
from .._import_hooks import spec_of
from .finders import finders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from .._types import AnyPair


def with_modules(package: str, namespace: str) -> "Callable[..., Sequence[AnyPair]]":
    """Return a function like `_environment.rows` that adds the modules of a package.

    That function raises ModuleNotFoundError if there is no such package. Raises
    ValueError if the namespace is a family of groups.
    """
    if namespace[-2:] == ".*":
        from .. import _messages as messages  # deferred: only on failure

        raise ValueError(messages.ONE_GROUP.format(namespace=namespace))

    def all_rows(
        group: str, names: "Collection[str] | None" = None
    ) -> "Sequence[AnyPair]":
        return [*rows(group, names), *rows_of_modules(package, names)]

    return all_rows


def rows_of_modules(
    package: str, names: "Collection[str] | None" = None
) -> "list[AnyPair]":
    """Return a row for each public module of a package, in the order of their names.

    The rows have no owner: no distribution declares them. Raises ModuleNotFoundError
    if there is no such package.
    """
    found = sorted({info.name for info in iter_modules(_package_path(package))})
    return [
        # Not parsed: the name of a file may be no identifier.
        ((name, f"{package}.{name}", f"{package}.{name}", None, 0), None)
        for name in found
        if name[0] != "_" and (names is None or name in names)
    ]


def _package_path(package: str) -> "list[str]":
    """Return the directories of a package, without importing it or its parents.

    The finders are asked for each parent, from the top. A package that is already
    imported may have changed its path, so its `__path__` is used.
    """
    if current().installation is not None:
        return _package_path_elsewhere(package)
    path: Any = None
    name = ""
    for part in package.split("."):
        name = f"{name}.{part}" if name else part
        module = sys.modules.get(name)
        if module is None:
            spec = spec_of(finders(), name, path)
            if spec is None:
                raise _no_package(package, name)
            path = spec.submodule_search_locations
        else:
            path = getattr(module, "__path__", None)
        if path is None:
            from .. import _messages as messages  # deferred: only on failure

            text = messages.NOT_A_PACKAGE.format(package=package, name=name)
            raise ModuleNotFoundError(text, name=name)
    return list(path)


def _package_path_elsewhere(package: str) -> "list[str]":
    """Return the directories of a package of another environment."""
    # deferred: few hosts look elsewhere
    from .learned import learned_facts
    from .source import Sources

    found = learned_facts().search().find(package, Sources(fs.clock()))
    if found is None or found[1] is None:
        raise _no_package(package, package)
    return found[1]


def _no_package(package: str, name: str) -> ModuleNotFoundError:
    from .. import _messages as messages  # deferred: only on failure

    reason = messages.NO_MODULE.format(name=name)
    text = messages.NO_PACKAGE.format(package=package, reason=reason)
    return ModuleNotFoundError(text, name=name)
