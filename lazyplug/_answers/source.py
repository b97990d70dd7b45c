"""Read entry points from the index, as objects of a library."""

import os
import sys

from .._environment import Environment, classify_path, current_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._types import Pair


def fresh_environment() -> "Environment | None":
    """Return a new environment, with a full check; None if the library must answer.

    A new one for each call, since the library would also read the current files.
    """
    if type(os) is not type(sys):
        return None  # a fake file system: see `current` in `_environment`
    environment = Environment(*classify_path(sys.path, current_directory()), "full")
    return environment if environment.frozen is None else None


class Source:
    """The entry points of an environment, as objects of a library, read on demand."""

    def __init__(self, library: "Any", environment: Environment) -> None:
        self.library = library
        self._environment = environment
        self._dists: dict[tuple[str, str], Any] = {}
        # the entry points of each group that was accessed, with their rows
        self._groups: dict[str, list[tuple[Pair, Any]]] = {}

    def select(self, params: "dict[str, Any]") -> "Any":
        """Return what the library selects with parameters that include a group."""
        points = [point for _, point in self._group(params["group"])]
        return self.library.EntryPoints(points).select(**params)

    def group(self, name: str) -> "Any":
        """Return the entry points of a group; empty if nothing declares it."""
        return self.library.EntryPoints(point for _, point in self._group(name))

    def group_names(self) -> "list[str]":
        """Return the names of all groups, even if all in a group are shadowed."""
        from .._inventory import group_names  # deferred: few need all

        return sorted(group_names(self._environment))

    def all(self) -> "list[Any]":
        """Return all entry points: by path entry, then distribution, then line."""
        places = {path: at for at, path in enumerate(self._environment.entries)}
        found = []
        for name in self.group_names():
            for ((*_, line), (key, path, _, _)), point in self._group(name):
                found.append((places[path], key, line, point))
        return [point for *_, point in sorted(found, key=lambda each: each[:3])]

    def _group(self, name: str) -> "list[tuple[Pair, Any]]":
        found = self._groups.get(name)
        if found is None:
            pairs = self._environment.rows(name)
            found = [(pair, self._point(name, pair)) for pair in pairs]
            # The first one wins: the same entry point is always the same object.
            found = self._groups.setdefault(name, found)
        return found

    def _point(self, group: str, pair: "Pair") -> "Any":
        (name, value, *_), (_, path, file, _) = pair
        dist = self._dists.get((path, file))
        if dist is None:
            dist = self.library.Distribution.at(os.path.join(path, file))
            dist = self._dists.setdefault((path, file), dist)
        return self.library.EntryPoint(name, value, group)._for(dist)
