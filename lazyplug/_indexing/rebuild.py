"""Scan all path entries; what did not change is taken from the records of an index.

This is done where `patch` cannot exchange lines: without an index of this key, with
distributions declared more than once, archives, path entries that came or went.
"""

from .._index import NOTHING
from .layout import decode, encode, groups_of, regroup
from .reading import has_same_metadata
from .records import Distribution, PathEntry, is_lent
from .scan import scan_distribution, scan_path_entry
from .shadowing import repeated, sort_distributions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._index import Index


def rebuild(
    key: "list[str]",
    base: "Index | None",
    thorough: bool,
    clock: int,
    covered: "Mapping[str, str]" = NOTHING,
) -> bytes:
    """Return the content of an index of what is there now.

    :param key: the prefix and the path entries.
    :param base: the index that has the records so far, if any: of the same key, of
        another one, or a frozen index.
    :param thorough: whether to check distributions in directories that did not change.
    :param clock: the time before anything was read, in nanoseconds.
    :param covered: the path entries that a frozen index covers. They are taken from
        `base` as they are.

    Raises ValueError if `base` is damaged.
    """
    old = [] if base is None else decode(base)
    known = {entry.path: entry for entry in old}
    entries = [
        known[path]
        if path in covered and path in known
        else scan_path_entry(path, known.get(path), clock, thorough)
        for path in key[1:]
    ]
    settle_repeated(entries, clock)
    groups = regroup(entries, old, {} if base is None else groups_of(base))
    return encode(key[0], entries, groups)


def settle_repeated(entries: "list[PathEntry]", clock: int) -> None:
    """Look at the metadata of those for which it decides who wins.

    These are the distributions whose key stands more than once, those whose key is
    not in their folder's name, and those that had no metadata. A new look may bring
    a new key, so it is repeated until nothing changes.
    """
    done: set[tuple[int, str]] = set()
    while True:
        several = repeated(entries)
        found = [
            (place, file, known)
            for place, entry in enumerate(entries)
            if not entry.archive and not is_lent(entry.stamp)
            for file, known in _deciding(entry, several)
            if (place, file) not in done
        ]
        if not found:
            return
        for place, file, known in found:
            done.add((place, file))
            entry = entries[place]
            if known is not None and has_same_metadata(entry.path, known):
                continue
            fresh = scan_distribution(entry.path, file, clock, known, several=True)
            if isinstance(fresh, str):
                continue
            rest = [d for d in entry.distributions if d.file != file]
            distributions, lost = sort_distributions(entry.path, [*rest, fresh])
            # A new record: the old one is compared with it later.
            entries[place] = PathEntry(
                entry.path,
                entry.stamp,
                entry.settled,
                False,
                entry.own_problems() + lost,
                {f: key for f, key in entry.plain.items() if f != file},
                distributions,
            )


def _deciding(
    entry: PathEntry, several: "set[str]"
) -> "Iterable[tuple[str, Distribution | None]]":
    for distribution in entry.distributions:
        if (
            distribution.key in several
            or not distribution.named
            or distribution.source is None
        ):
            yield distribution.file, distribution
    if several:
        for file, key in list(entry.plain.items()):
            if key in several:
                yield file, None
