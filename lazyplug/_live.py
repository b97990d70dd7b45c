"""What is looked at live: volatile path entries and the finders of others.

What they hold overlays the stable index: who wins is decided anew, by the order
in which Python itself would look.
"""

import sys

from ._record import decode, owner, winners
from ._update import look

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._cache import Pair
    from ._index import Index, Owner
    from ._record import Trouble


class Overlay:
    """The rows of the live path entries and finders, and what they hide."""

    def __init__(
        self,
        entries: "tuple[str, ...]",
        volatile: "frozenset[int]",
        index: "Index",
        finders: "list[tuple[int, Any]]",
    ) -> None:
        self.problems: list[Trouble] = []
        # of the stable path entries: their places in sys.path
        self._places = [at for at in range(len(entries)) if at not in volatile]
        self._finder = _path_finder_place()
        live = []
        for at in sorted(volatile):
            entry = look(entries[at], None, 0, thorough=True)
            self.problems += entry.problems
            for distribution in entry.distributions:
                own = owner(entry, distribution, at, False)
                live.append(((self._finder, at), distribution, own))
        if finders:
            from ._foreign import scan_finder  # deferred: imports importlib_metadata

            for place, finder in finders:
                found, problems = scan_finder(finder)
                self.problems += problems
                for distribution, opened in found:
                    key, name, version = (
                        distribution.key,
                        distribution.name,
                        distribution.version,
                    )
                    own = [key, name, version, opened, None, -1, False]
                    live.append(((place, -1), distribution, own))
        for _, distribution, _ in live:
            self.problems += distribution.problems
        self._decide(index, live)

    def _decide(self, index: "Index", live: "list[Any]") -> None:
        keys = {distribution.key for _, distribution, _ in live}
        stable = [
            ((self._finder, self._places[number]), distribution, None)
            for number, entry in enumerate(decode(index))
            for distribution in entry.distributions
            if distribution.key in keys
        ]
        candidates = sorted(stable + live, key=lambda candidate: candidate[0])
        won = winners((d.key, d.source is not None) for _, d, _ in candidates)
        self._hidden = set(keys)
        self._groups: dict[str, list[tuple[tuple[int, int], Pair]]] = {}
        for (rank, distribution, own), wins in zip(candidates, won):
            if not wins:
                continue
            if own is None:
                self._hidden.discard(distribution.key)
                continue
            for group, *row in distribution.points:
                self._groups.setdefault(group, []).append((rank, (tuple(row), own)))

    def _rank(self, own: "Owner") -> "tuple[int, int]":
        return self._finder, self._places[own[5]]

    def rows(self, group: str, stable: "list[Pair]") -> "list[Pair]":
        """Return the rows of a group, the stable ones and the live ones in order."""
        ranked = [
            (self._rank(pair[1]), pair)
            for pair in stable
            if not pair[1][6] and pair[1][0] not in self._hidden
        ]
        ranked += self._groups.get(group, ())
        ranked.sort(key=lambda ranked: ranked[0])
        return [pair for _, pair in ranked]

    def groups(self) -> "set[str]":
        """Return the names of the groups that have live rows."""
        return set(self._groups)


def _path_finder_place() -> int:
    for place, finder in enumerate(sys.meta_path):
        if getattr(finder, "__name__", "") == "PathFinder":
            return place
    return len(sys.meta_path)
