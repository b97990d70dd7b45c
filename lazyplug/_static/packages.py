"""Find the modules of a package as extensions, without importing the package."""

import sys
from pkgutil import iter_modules

from .._environment import rows
from .finders import finders, spec_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import Any

    from .._types import AnyPair


def with_modules(package: str) -> "Callable[..., Sequence[AnyPair]]":
    """Return a function like `_environment.rows` that adds the modules of a package.

    That function raises ModuleNotFoundError if there is no such package.
    """

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
    path: Any = None
    name = ""
    for part in package.split("."):
        name = f"{name}.{part}" if name else part
        module = sys.modules.get(name)
        if module is None:
            spec = spec_of(finders(), name, path)
            if spec is None:
                raise ModuleNotFoundError(
                    f"package={package!r}: no module named {name!r}."
                    " Install the distribution that contains it.",
                    name=name,
                )
            path = spec.submodule_search_locations
        else:
            path = getattr(module, "__path__", None)
        if path is None:
            raise ModuleNotFoundError(
                f"package={package!r}: {name!r} is a module, not a package", name=name
            )
    return list(path)
