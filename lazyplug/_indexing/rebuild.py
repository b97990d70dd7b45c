"""Scan all path entries; copy the records of those that have not changed.

This is needed if `patch` cannot replace lines: without an index of this key, for
distributions that are installed more than once, for archives, and for path entries that
were added or removed.
"""

from .._index import NO_FROZEN_ENTRIES
from .layout import decode, encode, groups_of, regroup
from .reading import has_same_metadata
from .records import Distribution, PathEntry, is_borrowed
from .scan import scan_distribution, scan_path_entry
from .shadowing import duplicate_keys, sort_distributions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._index import Index


def rebuild(
    key: "list[str]",
    base: "Index | None",
    thorough: bool,
    clock: int,
    frozen_entries: "Mapping[str, str]" = NO_FROZEN_ENTRIES,
) -> bytes:
    """Return the content of an index of what is installed now.

    :param key: the prefix and the path entries.
    :param base: the index with the records so far, if any: an index of the same key,
        an index of another key, or a frozen index.
    :param thorough: whether to check distributions in directories that did not change.
    :param clock: the time before anything was read, in nanoseconds.
    :param frozen_entries: the path entries that a frozen index covers. Their records
        are copied from `base`.

    Raises ValueError if `base` is damaged.
    """
    old = [] if base is None else decode(base)
    known = {entry.path: entry for entry in old}
    entries = [
        known[path]
        if path in frozen_entries and path in known
        else scan_path_entry(path, known.get(path), clock, thorough)
        for path in key[1:]
    ]
    read_deciding_metadata(entries, clock)
    groups = regroup(entries, old, {} if base is None else groups_of(base))
    return encode(key[0], entries, groups)


def read_deciding_metadata(entries: "list[PathEntry]", clock: int) -> None:
    """Read the metadata of distributions for which it decides which one wins.

    These are distributions whose key occurs more than once, whose directory's name does
    not contain the key, or that had no metadata. Reading one may give a new key, so
    this is repeated until nothing changes.
    """
    done: set[tuple[int, str]] = set()
    while True:
        several = duplicate_keys(entries)
        found = [
            (place, file, known)
            for place, entry in enumerate(entries)
            if not entry.archive and not is_borrowed(entry.stat_signature)
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
            new = scan_distribution(entry.path, file, clock, known, several=True)
            if isinstance(new, str):
                continue
            rest = [d for d in entry.distributions if d.file != file]
            distributions, shadowed = sort_distributions(entry.path, [*rest, new])
            # A new record, since the old one is compared with it later.
            entries[place] = PathEntry(
                entry.path,
                entry.stat_signature,
                entry.reliable,
                False,
                entry.own_problems() + shadowed,
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
