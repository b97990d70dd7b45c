"""What finders know of a module: they are asked as an import would ask them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any


def spec_of(
    finders: "Iterable[Any]",
    name: str,
    path: "Sequence[str] | None" = None,
    target: "ModuleType | None" = None,
) -> "ModuleSpec | None":
    """Return what the first of some finders that knows a module tells of it.

    None if no finder does. Imports nothing; what a finder raises is raised.
    """
    for finder in finders:
        # Those of old Pythons have none, and are passed by, as an import does.
        find_spec = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find_spec and find_spec(name, path, target)
        if spec is not None:
            return spec
    return None
