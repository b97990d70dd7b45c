"""A package whose modules are extensions: found by its folders, never imported."""

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
    """Return `rows` of `_environment`, with the modules of a package as well.

    Raises ModuleNotFoundError when it is called.
    """

    def both(group: str, names: "Collection[str] | None" = None) -> "Sequence[AnyPair]":
        return [*rows(group, names), *module_pairs(package, names)]

    return both


def module_pairs(
    package: str, names: "Collection[str] | None" = None
) -> "list[AnyPair]":
    """Return a row for each public module of a package, in the order of their names.

    A row has no owner: no distribution declares it. Raises ModuleNotFoundError.
    """
    found = sorted({info.name for info in iter_modules(_folders(package))})
    return [
        # Not parsed: the name of a file may be no identifier.
        ((name, f"{package}.{name}", f"{package}.{name}", None, 0), None)
        for name in found
        if name[0] != "_" and (names is None or name in names)
    ]


def _folders(package: str) -> "list[str]":
    """Return where the modules of a package are looked for.

    Its parents are asked of the finders, from the top; none is imported. One that
    is imported already may have another path by now, and that counts.
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
                    f"package={package!r}: there is no module {name!r};"
                    " is the distribution that it belongs to installed here?",
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
