"""Return the distribution of an entry point, and where it was found."""

from typing import Any

from lazyplug import EntryPoint


def owner_of(point: EntryPoint) -> tuple[Any, ...]:
    """Return the key, the path entry, the metadata directory, and more."""
    owner = point._owner
    assert owner is not None
    return owner


def row_of(point: EntryPoint) -> tuple[Any, ...]:
    """Return everything that an index contains about an entry point."""
    target = point._target, point._line, point._owner
    return (point.group, point.name, point.value, *target)
