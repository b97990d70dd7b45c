"""Overlay the index with volatile path entries and third-party finders, read live.

Their distributions overlay the stable index. Which distribution wins is decided again,
in the order in which Python itself would search.
"""

import os
import sys

from .._files import fs
from .._index import rows_of, texts
from .layout import decode
from .metadata import leftover_name, normalize, row_of
from .reading import cannot_be_read
from .rebuild import read_deciding_metadata
from .scan import scan_path_entry
from .shadowing import winners

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._environment import Environment
    from .._index import Index
    from .._types import Pair
    from .records import PathEntry, Point, RawProblem

    # place in sys.meta_path, place in sys.path
    Rank = tuple[int, int]
    # rank, key, whether it has metadata, rows by group (None: they are in the index)
    Candidate = tuple[Rank, str, bool, dict[str, list[Pair]] | None]


def make_overlay(
    environment: "Environment", finders: "list[tuple[int, Any]]"
) -> "Overlay":
    """Return the overlay of the volatile path entries and of these finders."""
    return environment.read(
        lambda index: Overlay(environment.entries, environment.volatile, index, finders)
    )


class Overlay:
    """The rows of volatile path entries and finders, and the keys that they hide."""

    def __init__(
        self,
        entries: "tuple[str, ...]",
        volatile: "frozenset[int]",
        index: "Index",
        finders: "list[tuple[int, Any]]",
    ) -> None:
        self.problems: list[RawProblem] = []
        # the paths of the metadata directories in volatile path entries
        self.directories: set[str] = set()
        # For each path entry of the index, its place in sys.path. A frozen index has
        # some that are not on sys.path, without entry points.
        at_of = {entry: at for at, entry in enumerate(entries)}
        self._places = [at_of.get(entry, -1) for entry in index.key[1:]]
        self._finder = path_finder_place()
        places = sorted(volatile)
        clock = fs.clock()
        live = [scan_path_entry(entries[at], None, clock, True) for at in places]
        stable = decode(index)
        both = [*stable, *live]
        read_deciding_metadata(both, fs.clock())
        stable, live = both[: len(stable)], both[len(stable) :]
        found: list[Candidate] = []
        for at, entry in zip(places, live):
            self.problems += entry.problems
            self.directories.update(os.path.join(entry.path, f) for f in entry.files())
            found += self._candidates(entry, at)
        for place, finder in finders:
            found += self._ask(place, finder)
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

    def _ask(self, place: int, finder: "Any") -> "list[Candidate]":
        distributions, problems = ask_finder(finder)
        self.problems += problems
        found: list[Candidate] = []
        for key, dist, points in distributions:
            owner = key, dist, leftover_name(dist), -1
            rows: dict[str, list[Pair]] = {}
            for group, row in points:
                rows.setdefault(group, []).append((row, owner))
            found.append(((place, -1), key, True, rows))
        return found

    def _decide(self, found: "list[Candidate]") -> None:
        found.sort(key=lambda candidate: candidate[0])
        won = winners((key, has_metadata) for _, key, has_metadata, _ in found)
        # the keys whose rows in the index are ignored
        self._hidden: set[str] = set()
        self._groups: dict[str, list[tuple[Rank, Pair]]] = {}
        for (rank, key, _, rows), wins in zip(found, won):
            if wins and rows is not None:
                self._hidden.add(key)
                for group, pairs in rows.items():
                    ranked = [(rank, pair) for pair in pairs]
                    self._groups.setdefault(group, []).extend(ranked)

    def rows(self, group: str, stable: "list[Pair]") -> "list[Pair]":
        """Merge the stable rows of a group with its live rows, in order."""
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
) -> "tuple[list[tuple[str, Any, list[Point]]], list[RawProblem]]":
    """Return the key, object and entry points of each distribution of a finder.

    Runs the code of the third-party finder, and the properties of its distributions.
    """
    from importlib.metadata import DistributionFinder  # deferred: 25 ms

    label = f"{type(finder).__module__}.{type(finder).__qualname__}"
    found = []
    problems: list[RawProblem] = []
    try:
        context = DistributionFinder.Context()
        for dist in finder.find_distributions(context):
            try:
                key = getattr(dist, "_normalized_name", None)
                key = key or normalize(dist.metadata["Name"])
                points: list[Point] = []
                for line, point in enumerate(dist.entry_points, 1):
                    row = row_of(point.name, point.value, line)
                    points.append((point.group, row))
                found.append((key, dist, points))
                name = leftover_name(dist)
                if name:
                    # deferred: few are left behind
                    from .. import _messages as messages

                    problems.append((label, 0, f"{name} {messages.LEFT_BEHIND}"))
            except Exception as error:  # third-party code
                from .. import _messages as messages  # deferred: only on failure

                reason = cannot_be_read(repr(error))
                problems.append((label, 0, f"{messages.ITS_DISTRIBUTION} {reason}"))
    except Exception as error:  # third-party code
        from .. import _messages as messages  # deferred: only on failure

        problems.append((label, 0, messages.FINDER_FAILED.format(error=repr(error))))
    return found, problems


def path_finder_place() -> int:
    """Return the place of Python's own path finder in `sys.meta_path`."""
    for place, finder in enumerate(sys.meta_path):
        if getattr(finder, "__name__", "") == "PathFinder":
            return place
    return len(sys.meta_path)
