"""All records at once: who wins, what is watched, the groups, the whole index.

Pure, without file access. What is done when more has changed than lines.
"""

import os
from itertools import pairwise

from .._index import DOUBT, quote, texts
from .records import (
    Watch,
    assemble,
    group_text,
    is_by_content,
    is_lent,
    number,
    quoted,
    set_group,
    texts_line,
)
from .scan import ENTRY_POINTS, stem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .records import Distribution, Groups, PathEntry, Place, Trouble


def _owner_of(text: str) -> str:
    """Return the metadata folder that a fragment belongs to.

    >>> _owner_of('"a-1.dist-info","a","A","1"]')
    'a-1.dist-info'
    """
    if "\\" in text:
        return texts(f"[{text}")[0]
    return text[1 : text.index('"', 1)]


def winners(candidates: "Iterable[tuple[str, bool]]") -> "list[bool]":
    """Say of each candidate, a key and whether it has metadata, if it wins.

    The first with metadata wins; where none has any, the first does. A folder
    without metadata never shadows one that has it (importlib_metadata since 10.1).

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
    """Return a key by which versions sort well enough to choose the newer one.

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
) -> "tuple[list[Distribution], list[Trouble]]":
    """Return the distributions of one folder in order, and which stand twice.

    Of one key the first wins: with metadata before without, dist-info before
    egg-info, then the higher version. importlib_metadata leaves it to the order
    in which the file system lists them.
    """
    if len({d.key for d in found}) == len(found):
        return sorted(found, key=lambda d: d.key), []
    ordered = sorted(found, key=lambda d: d.file)
    ordered.sort(key=lambda d: version_order(stem(d.file)[1]), reverse=True)
    ordered.sort(
        key=lambda d: (d.key, d.source is None, d.file.lower().endswith("egg-info"))
    )
    problems: list[Trouble] = [
        (
            os.path.join(path, loser.file),
            0,
            f"is shadowed by {winner.file} in the same folder",
        )
        for winner, loser in pairwise(ordered)
        if winner.key == loser.key
    ]
    return ordered, problems


def repeated(entries: "Sequence[PathEntry]") -> "set[str]":
    """Return the keys that stand more than once."""
    keys = [key for entry in entries for key in entry.plain.values()]
    keys += [d.key for entry in entries for d in entry.distributions]
    if len(set(keys)) == len(keys):
        return set()
    keys.sort()
    return {key for key, following in pairwise(keys) if key == following}


def shadowed(entries: "Sequence[PathEntry]", several: "set[str]") -> "set[Place]":
    """Return the distributions that are shadowed by another of the same key.

    `several` are the keys that stand more than once. Distributions of these keys
    stand among those of their entry, never among the plain ones; but those of a frozen
    index, where the plain ones have metadata.
    """
    if not several:
        return set()
    candidates: list[tuple[int, str, str, bool]] = []
    for place, entry in enumerate(entries):
        if is_lent(entry.stamp):
            candidates += [(place, f, key, True) for f, key in entry.plain.items()]
        candidates += [
            (place, d.file, d.key, d.source is not None) for d in entry.distributions
        ]
    candidates = [each for each in candidates if each[2] in several]
    won = winners((key, has_metadata) for _, _, key, has_metadata in candidates)
    return {
        (place, file) for (place, file, _, _), wins in zip(candidates, won) if not wins
    }


def _watched(entries: "Sequence[PathEntry]", several: "set[str]") -> "dict[int, Watch]":
    """Return, by path entry, what is watched there."""
    watch: dict[int, Watch] = {}
    for place, entry in enumerate(entries):
        if entry.archive or is_lent(entry.stamp):
            continue  # its own stamp says it all
        absent = [file + ENTRY_POINTS for file in entry.plain]
        # of each existing file, its name and its stat signature
        present: list[tuple[str, str | None]] = []
        numbers: list[int | None] = []
        for distribution in entry.distributions:
            file = distribution.file + ENTRY_POINTS
            if distribution.stamp is None:
                absent.append(file)
            else:
                present.append((file, distribution.stamp))
                numbers.append(distribution.number or number(distribution.stamp))
            # Whether there is metadata decides only among several of one key, what
            # it says only where the folder's name does not. Where there is none, it
            # may be yet to come.
            source = distribution.source
            if distribution.key in several or not distribution.named or source is None:
                folder = distribution.file + os.sep
                if source != "METADATA":
                    absent.append(folder + "METADATA")
                if source is None:
                    absent.append(folder + "PKG-INFO")
                # If it is "", the metadata is a file itself; if there is none, a file
                # may replace the directory.
                file = folder + source if source else distribution.file
                known = distribution.source_stamp
                present.append((file, known))
                numbers.append(number(known) if known else None)
        files = sorted(zip(quoted([file for file, _ in present]), numbers, present))
        watch[place] = Watch(
            texts_line(sorted(quoted(absent))),
            texts_line([file for file, _, _ in files]),
            [each for _, each, _ in files],
            {file for file, _, (_, known) in files if is_by_content(known)},
        )
    return watch


def regroup(
    entries: "Sequence[PathEntry]", old: "Sequence[PathEntry]", known: "Groups"
) -> "Groups":
    """Return the groups of the records. Raises ValueError if `known` is damaged.

    `old` are the records that `known` was made of. What did not change is taken
    over as the text that it is.
    """
    hidden = shadowed(entries, repeated(entries))
    now_at = {entry.path: place for place, entry in enumerate(entries)}
    places = [now_at.get(entry.path, -1) for entry in old]
    # the fragments of those that are kept as text
    kept: dict[Place, dict[str, str]] = {
        (place, distribution.file): {}
        for place, entry in enumerate(entries)
        for distribution in entry.distributions
        if distribution.fragments is None
    }
    try:
        for quoted_name in known if kept else ():
            named, *lines = group_text(known, quoted_name).split("\n")[:-1]
            (name,) = texts(named)
            for line in lines:
                _, before, text = line[1:].split(",", 2)
                at = places[int(before[1:-1])], _owner_of(text)
                if at in kept:
                    kept[at][name] = text
    except DOUBT as error:
        raise ValueError("groups") from error
    found: dict[str, list[str]] = {}
    for place, entry in enumerate(entries):
        for distribution in entry.distributions:
            at = place, distribution.file
            begin = f'["{int(at in hidden)}","{place}",'
            declared = distribution.fragments
            for name, text in (kept[at] if declared is None else declared).items():
                found.setdefault(name, []).append(f"{begin}{text}\n")
    groups: Groups = {}
    for name, parts in found.items():
        quoted_name = quote(name)
        set_group(groups, quoted_name, "".join([f"[{quoted_name}]\n", *parts]))
    return groups


def encode(prefix: str, entries: "Sequence[PathEntry]", groups: "Groups") -> bytes:
    """Return the index of these path entries, and their groups, as it is written."""
    return assemble(
        [prefix, *[entry.path for entry in entries]],
        [entry.stamp for entry in entries],
        [place for place, entry in enumerate(entries) if not entry.settled],
        all(d.settled for entry in entries for d in entry.distributions),
        _watched(entries, repeated(entries)),
        groups,
        "".join([entry.text() for entry in entries]),
    )
