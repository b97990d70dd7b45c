"""Decide which of several distributions with the same key wins.

Pure, without file access.
"""

import os
from itertools import pairwise

from .metadata import stem
from .records import is_borrowed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .records import Distribution, PathEntry, Place, RawProblem


def winners(candidates: "Iterable[tuple[str, bool]]") -> "list[bool]":
    """Return, for each candidate (its key, whether it has metadata), if it wins.

    The first candidate with metadata wins; if none has metadata, the first one wins. A
    directory without metadata never shadows one with metadata (as in importlib_metadata
    since 10.1).

    >>> winners([("a", False), ("a", True), ("b", True), ("a", True), ("c", False)])
    [False, True, True, False, True]
    """
    candidates = list(candidates)
    first: dict[str, int] = {}
    for place, (key, has_metadata) in enumerate(candidates):
        if key not in first or (has_metadata and not candidates[first[key]][1]):
            first[key] = place
    won = set(first.values())
    return [place in won for place in range(len(candidates))]


def version_order(version: str) -> "list[tuple[int, int, str]]":
    """Return a sort key for versions, good enough to choose the newer one.

    >>> sorted(["1.10", "1.9", "1.10rc1", "2.0.post1", "2.0"], key=version_order)
    ['1.9', '1.10rc1', '1.10', '2.0', '2.0.post1']
    """
    order: list[tuple[int, int, str]] = []
    word = ""
    for char in version.lower() + " ":
        if word and (not char.isalnum() or char.isdigit() != word[-1].isdigit()):
            # A pre-release comes before its release, a post-release after it.
            if word.isdecimal():
                order.append((1, int(word[:18]), ""))
            else:
                order.append((2 if word in ("post", "r", "rev") else -1, 0, word))
            word = ""
        if char.isalnum():
            word += char
    return [*order, (0, 0, "")]


def sort_distributions(
    path: str, found: "Sequence[Distribution]"
) -> "tuple[list[Distribution], list[RawProblem]]":
    """Sort the distributions of a directory; report those that another one shadows.

    Of one key, the first one wins: one with metadata before one without, dist-info
    before egg-info, then the higher version. In importlib_metadata, it depends on the
    order in which the file system lists them.
    """
    if len({d.key for d in found}) == len(found):
        return sorted(found, key=lambda d: d.key), []
    ordered = sorted(found, key=lambda d: d.file)
    ordered.sort(key=lambda d: version_order(stem(d.file)[1]), reverse=True)
    ordered.sort(
        key=lambda d: (d.key, d.source is None, d.file.lower().endswith("egg-info"))
    )
    problems: list[RawProblem] = [
        (os.path.join(path, loser.file), 0, _shadowed(winner.file))
        for winner, loser in pairwise(ordered)
        if winner.key == loser.key
    ]
    return ordered, problems


def _shadowed(file: str) -> str:
    from .. import _messages as messages  # deferred: few are shadowed

    return messages.SHADOWED.format(file=file)


def duplicate_keys(entries: "Sequence[PathEntry]") -> "set[str]":
    """Return the keys that occur more than once."""
    keys = [key for entry in entries for key in entry.plain.values()]
    keys += [d.key for entry in entries for d in entry.distributions]
    if len(set(keys)) == len(keys):
        return set()
    keys.sort()
    return {key for key, following in pairwise(keys) if key == following}


def find_shadowed(entries: "Sequence[PathEntry]", several: "set[str]") -> "set[Place]":
    """Return the distributions that are shadowed by another one of the same key.

    `several` are the keys that occur more than once. Distributions with such keys are
    never plain, except in records borrowed from a frozen index, where plain
    distributions have metadata.
    """
    if not several:
        return set()
    candidates: list[tuple[int, str, str, bool]] = []
    for place, entry in enumerate(entries):
        if is_borrowed(entry.stat_signature):
            candidates += [(place, f, key, True) for f, key in entry.plain.items()]
        candidates += [
            (place, d.file, d.key, d.source is not None) for d in entry.distributions
        ]
    candidates = [each for each in candidates if each[2] in several]
    won = winners((key, has_metadata) for _, _, key, has_metadata in candidates)
    return {
        (place, file) for (place, file, _, _), wins in zip(candidates, won) if not wins
    }
