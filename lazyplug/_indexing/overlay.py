"""What is looked at live: volatile path entries and the finders of others.

What they hold overlays the stable index: who wins is decided anew, by the order
in which Python itself would look.
"""

import os
import sys

from .._files import Seam
from .._index import rows_of, texts
from .layout import decode
from .metadata import left_over_name, normalise, row_of
from .rebuild import settle_repeated
from .scan import scan_path_entry
from .shadowing import winners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._environment import Snapshot
    from .._index import Index
    from .._types import Pair
    from .records import PathEntry, Point, Trouble

    # place in sys.meta_path, place in sys.path
    Rank = tuple[int, int]
    # rank, key, has it metadata, rows by group (None: they are in the index)
    Candidate = tuple[Rank, str, bool, dict[str, list[Pair]] | None]


def overlaid(snapshot: "Snapshot", finders: "list[tuple[int, Any]]") -> "Overlay":
    """Return what the volatile folders and these finders lay over the index."""
    return snapshot.read(
        lambda index: Overlay(snapshot.entries, snapshot.volatile, index, finders)
    )


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
        # where the metadata of what is live lies
        self.folders: set[str] = set()
        # Of the index's path entries their places in sys.path. A frozen index has some
        # that are not on it; nothing is declared there.
        at_of = {entry: at for at, entry in enumerate(entries)}
        self._places = [at_of.get(entry, -1) for entry in index.key[1:]]
        self._finder = path_finder_place()
        places = sorted(volatile)
        clock = Seam.clock()
        live = [scan_path_entry(entries[at], None, clock, True) for at in places]
        stable = decode(index)
        both = [*stable, *live]
        settle_repeated(both, Seam.clock())
        stable, live = both[: len(stable)], both[len(stable) :]
        found: list[Candidate] = []
        for at, entry in zip(places, live):
            self.problems += entry.problems
            self.folders.update(os.path.join(entry.path, f) for f in entry.files())
            found += self._candidates(entry, at)
        for place, finder in finders:
            found += self._asked(place, finder)
        keys = {key for _, key, _, _ in found}
        for at, entry in zip(self._places, stable):
            found += [
                ((self._finder, at), key, has_metadata, None)
                for key, has_metadata in _keys(entry)
                if key in keys
            ]
        self._decide(found)

    def _candidates(self, entry: "PathEntry", at: int) -> "list[Candidate]":
        rank = self._finder, at
        found: list[Candidate] = [(rank, k, True, {}) for k in entry.plain.values()]
        for distribution in entry.distributions:
            self.problems += distribution.problems
            rows: dict[str, list[Pair]] = {}
            for group, text in (distribution.fragments or {}).items():
                file, key, *flat = texts("[" + text)
                owner = key, entry.path, file, at
                rows[group] = [(row, owner) for row in rows_of(flat)]
            has_metadata = distribution.source is not None
            found.append((rank, distribution.key, has_metadata, rows))
        return found

    def _asked(self, place: int, finder: "Any") -> "list[Candidate]":
        told, problems = ask_finder(finder)
        self.problems += problems
        found: list[Candidate] = []
        for key, opened, points in told:
            owner = key, opened, left_over_name(opened), -1
            rows: dict[str, list[Pair]] = {}
            for group, row in points:
                rows.setdefault(group, []).append((row, owner))
            found.append(((place, -1), key, True, rows))
        return found

    def _decide(self, found: "list[Candidate]") -> None:
        found.sort(key=lambda candidate: candidate[0])
        won = winners((key, has_metadata) for _, key, has_metadata, _ in found)
        # the keys whose rows in the index do not count
        self._hidden: set[str] = set()
        self._groups: dict[str, list[tuple[Rank, Pair]]] = {}
        for (rank, key, _, rows), wins in zip(found, won):
            if wins and rows is not None:
                self._hidden.add(key)
                for group, pairs in rows.items():
                    ranked = [(rank, pair) for pair in pairs]
                    self._groups.setdefault(group, []).extend(ranked)

    def rows(self, group: str, stable: "list[Pair]") -> "list[Pair]":
        """Return the rows of a group, the stable ones and the live ones in order."""
        ranked = [
            ((self._finder, self._places[pair[1][3]]), pair)
            for pair in stable
            if pair[1][0] not in self._hidden
        ]
        ranked += self._groups.get(group, ())
        ranked.sort(key=lambda item: item[0])
        return [pair for _, pair in ranked]

    def groups(self) -> "set[str]":
        """Return the names of the groups that have live rows."""
        return set(self._groups)


def _keys(entry: "PathEntry") -> "list[tuple[str, bool]]":
    found = [(key, True) for key in entry.plain.values()]
    return found + [(d.key, d.source is not None) for d in entry.distributions]


def ask_finder(
    finder: "Any",
) -> "tuple[list[tuple[str, Any, list[Point]]], list[Trouble]]":
    """Return what a third-party finder finds: key, object, points.

    Runs the code of the finder, and the properties of its distributions.
    """
    from importlib.metadata import DistributionFinder  # deferred: 25 ms

    label = f"{type(finder).__module__}.{type(finder).__qualname__}"
    found = []
    problems: list[Trouble] = []
    try:
        context = DistributionFinder.Context()
        for opened in finder.find_distributions(context):
            try:
                key = getattr(opened, "_normalized_name", None)
                key = key or normalise(opened.metadata["Name"])
                points: list[Point] = []
                for line, point in enumerate(opened.entry_points, 1):
                    row = row_of(point.name, point.value, line)
                    points.append((point.group, row))
                found.append((key, opened, points))
                left = left_over_name(opened)
                if left:
                    reason = f"tells of {left}, which an interrupted pip left behind"
                    problems.append((label, 0, f"{reason}: delete this directory"))
            except Exception as error:  # third-party code
                problems.append((label, 0, f"a distribution of it fails: {error!r}"))
    except Exception as error:  # third-party code
        problems.append((label, 0, f"find_distributions fails: {error!r}"))
    return found, problems


def path_finder_place() -> int:
    """Return the index of Python's own path finder in `sys.meta_path`."""
    for place, finder in enumerate(sys.meta_path):
        if getattr(finder, "__name__", "") == "PathFinder":
            return place
    return len(sys.meta_path)
