"""The whole environment at once: all groups, problems, distributions."""

import os

from ._environment import Snapshot, current, rows
from ._index import quote, rows_of, texts
from ._indexing.layout import decode, group_text, table_of
from ._indexing.layout import groups_of as groups_of_index
from ._indexing.metadata import normalise, stem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from re import Pattern

    from ._index import Index
    from ._indexing.records import Trouble
    from ._types import Owner, Pair


def everything(snapshot: Snapshot) -> "dict[str, list[Pair]]":
    """Return the rows of all groups that have any, shadowed ones left out."""
    found = snapshot.read(_rows)
    overlay = snapshot.overlay()
    if overlay is not None:
        names = sorted(overlay.groups().union(found))
        found = {name: overlay.rows(name, found.get(name, [])) for name in names}
    return {name: pairs for name, pairs in found.items() if pairs}


def is_left_over(owner: "Owner | None") -> bool:
    """Return True if an interrupted pip left this metadata directory behind.

    pip renames directories so while it uninstalls, and removes them at the end.
    """
    return owner is not None and owner[2][:1] == "~"


def served(
    namespace: str, names: "Collection[str] | None" = None
) -> "list[tuple[str, Pair]]":
    """Return the rows of a namespace that managers serve, each with its group."""
    return [
        (group, pair)
        for group in groups_of(namespace)
        for pair in rows(group, names)
        if not is_left_over(pair[1])
    ]


def served_groups(snapshot: Snapshot) -> "dict[str, list[Pair]]":
    """Return the rows that managers serve, by group, without empty groups."""
    found = {
        name: [pair for pair in pairs if not is_left_over(pair[1])]
        for name, pairs in everything(snapshot).items()
    }
    return {name: pairs for name, pairs in found.items() if pairs}


def groups_of(namespace: str) -> "list[str]":
    """Return the groups of a namespace: one, or those of `myapp.*`.

    Of a family, those in which anything is declared.
    """
    if namespace[-2:] != ".*":
        return [namespace]
    begin = namespace[:-1]
    return [group for group in everything(current()) if group.startswith(begin)]


def group_names(snapshot: Snapshot) -> "set[str]":
    """Return the names of all groups; of some, all that is declared may be shadowed."""
    overlay = snapshot.overlay()
    live = set() if overlay is None else overlay.groups()
    return live.union(name for name, *_ in snapshot.read(table_of))


def mentions(snapshot: Snapshot, word: "bytes | Pattern[bytes]") -> bool:
    """Does the word, as JSON has it, stand anywhere in the groups?

    It may stand there as something else: who asks wants to know if it is worth a look.
    """

    def read(index: "Index") -> bool:
        total, _, _ = index.detail
        data = index.read(index.after_watch, total)
        if isinstance(word, bytes):
            return word in data
        return word.search(data) is not None

    # What is live is not in the index.
    return snapshot.read(read) or snapshot.overlay() is not None


def _rows(index: "Index") -> "dict[str, list[Pair]]":
    return {group: index.rows(group) for group, *_ in sorted(table_of(index))}


def shadowed_rows(snapshot: Snapshot, group: str) -> "list[Pair]":
    """Return the rows of a group that distributions declare which are shadowed.

    What is live is left out: nothing that it shadows is in it.
    """

    def read(index: "Index") -> "list[Pair]":
        found: list[Pair] = []
        for line in group_text(groups_of_index(index), quote(group)).split("\n")[1:-1]:
            hidden, number, file, key, *rest = texts(line)
            if hidden == "1":
                place = int(number)
                owner = key, index.key[place + 1], file, place
                found += [(row, owner) for row in rows_of(rest)]
        return found

    return snapshot.read(read)


def troubles(snapshot: Snapshot) -> "list[Trouble]":
    """Return what is wrong with the metadata, in the order of `sys.path`."""
    found = snapshot.read(_told)
    overlay = snapshot.overlay()
    return found if overlay is None else found + overlay.problems


def _told(index: "Index") -> "list[Trouble]":
    found: list[Trouble] = []
    for entry in decode(index):
        for told in (entry.problems, *(d.problems for d in entry.distributions)):
            # Those of a frozen index are told as paths from the entry.
            found += [
                (os.path.join(entry.path, path) if path else entry.path, line, reason)
                for path, line, reason in told
            ]
    return found


def distributions(snapshot: Snapshot) -> "set[str]":
    """Return the keys of all distributions, except those that pip left behind."""
    # Distributions of finders are among the owners; all others have directories.
    owners = [owner for pairs in everything(snapshot).values() for _, owner in pairs]
    folders = map(os.path.basename, metadata_folders(snapshot))
    keys = {normalise(stem(folder)[0]) for folder in folders if folder[:1] != "~"}
    return keys.union(owner[0] for owner in owners if not is_left_over(owner)) - {""}


def metadata_folders(snapshot: Snapshot) -> "set[str]":
    """Return the paths of the metadata folders of all distributions in folders."""
    overlay = snapshot.overlay()
    live = set() if overlay is None else overlay.folders
    return live | {
        os.path.join(entry.path, file)
        for entry in snapshot.read(decode)
        for file in entry.files()
        if not entry.archive
    }
