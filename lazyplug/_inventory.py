"""Query the whole environment: all groups, problems, distributions, versions."""

import os

from ._distribution import identify
from ._environment import Environment, current, rows, third_party_finders
from ._index import quote, rows_of, texts
from ._indexing.layout import decode, group_text, table_of
from ._indexing.layout import groups_of as groups_of_index
from ._indexing.metadata import normalize, stem
from ._indexing.reading import find_metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from re import Pattern

    from ._index import Index
    from ._indexing.records import RawProblem
    from ._types import Owner, Pair


def all_rows(environment: Environment) -> "dict[str, list[Pair]]":
    """Return the rows of all groups that have any, without shadowed rows."""
    found = environment.read(_rows)
    overlay = environment.overlay()
    if overlay is not None:
        names = sorted(overlay.groups().union(found))
        found = {name: overlay.rows(name, found.get(name, [])) for name in names}
    return {name: pairs for name, pairs in found.items() if pairs}


def is_left_over(owner: "Owner | None") -> bool:
    """Return True if an interrupted pip left this metadata directory behind.

    While it uninstalls, pip renames directories to names that begin with `~`, and
    deletes them at the end.
    """
    return owner is not None and owner[2][:1] == "~"


def rows_of_namespace(
    namespace: str, names: "Collection[str] | None" = None
) -> "list[tuple[str, Pair]]":
    """Return the rows of a namespace with their groups, without pip's left-overs."""
    return [
        (group, pair)
        for group in groups_of(namespace)
        for pair in rows(group, names)
        if not is_left_over(pair[1])
    ]


def rows_by_group(environment: Environment) -> "dict[str, list[Pair]]":
    """Return the rows of all groups that have any, without pip's left-overs."""
    found = {
        name: [pair for pair in pairs if not is_left_over(pair[1])]
        for name, pairs in all_rows(environment).items()
    }
    return {name: pairs for name, pairs in found.items() if pairs}


def count_by_group(environment: Environment) -> "dict[str, tuple[int, int]]":
    """Return the numbers of plugins and distributions of each group in `rows_by_group`.

    Most rows of the index are counted in its text: to decode them takes four times as
    long.
    """
    if environment.overlay() is None:
        return environment.read(_counts)
    return {n: _numbers(pairs) for n, pairs in rows_by_group(environment).items()}


def groups_of(namespace: str) -> "list[str]":
    """Return the groups of a namespace: the group itself, or those of a family.

    The groups of a family, `myapp.*`, are those in which anything is declared.
    """
    if namespace[-2:] != ".*":
        return [namespace]
    prefix = namespace[:-1]
    return [group for group in all_rows(current()) if group.startswith(prefix)]


def group_names(environment: Environment) -> "set[str]":
    """Return the names of all groups, even if all rows of a group are shadowed."""
    overlay = environment.overlay()
    live = set() if overlay is None else overlay.groups()
    return live.union(name for name, *_ in environment.read(table_of))


def mentions(environment: Environment, word: "bytes | Pattern[bytes]") -> bool:
    """Return True if the text of any group may contain a word.

    :param word: the word as JSON, or a pattern of it. It is searched in the text of
        the index, where it may also be part of something else.
    """

    def read(index: "Index") -> bool:
        total, _, _ = index.detail
        data = index.read(index.after_watch, total)
        if isinstance(word, bytes):
            return word in data
        return word.search(data) is not None

    # The index does not contain live rows: they may contain any word.
    return environment.read(read) or environment.overlay() is not None


def _rows(index: "Index") -> "dict[str, list[Pair]]":
    return {group: index.rows(group) for group, *_ in sorted(table_of(index))}


# One is in the text of each group with escapes, shadowed rows, or left-overs of pip.
_SPECIAL = "\\", '["1",', "~"


def _counts(index: "Index") -> "dict[str, tuple[int, int]]":
    found = {}
    groups = groups_of_index(index)
    for quoted_name in groups:
        text = group_text(groups, quoted_name)
        (name,) = texts(f"[{quoted_name}]")
        if any(special in text for special in _SPECIAL):
            found[name] = _numbers(index.rows(name))
        else:
            # Each line has four strings about a distribution, and five about a plugin.
            lines = text.count('["0",')
            found[name] = (text.count('","') - 3 * lines) // 5, lines
    return {name: numbers for name, numbers in found.items() if numbers[0]}


def _numbers(pairs: "list[Pair]") -> "tuple[int, int]":
    """Return the numbers of plugins and distributions, without pip's left-overs."""
    owners = [owner for _, owner in pairs if not is_left_over(owner)]
    return len(owners), len({owner[0] for owner in owners})


def shadowed_rows(environment: Environment, group: str) -> "list[Pair]":
    """Return the rows of a group that another distribution in the index shadows.

    Rows that only the overlay shadows are not included.
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

    return environment.read(read)


def raw_problems(environment: Environment) -> "list[RawProblem]":
    """Return the problems of the metadata: of the index, then of the overlay."""
    found = environment.read(_recorded_problems)
    overlay = environment.overlay()
    return found if overlay is None else found + overlay.problems


def _recorded_problems(index: "Index") -> "list[RawProblem]":
    found: list[RawProblem] = []
    for entry in decode(index):
        for problems in (entry.problems, *(d.problems for d in entry.distributions)):
            # The paths in a frozen index are relative to the entry.
            found += [
                (os.path.join(entry.path, path) if path else entry.path, line, reason)
                for path, line, reason in problems
            ]
    return found


def distributions(environment: Environment) -> "set[str]":
    """Return the keys of all distributions, without pip's left-overs."""
    # Distributions of finders and in archives are known only as owners of rows.
    owners = [owner for pairs in all_rows(environment).values() for _, owner in pairs]
    keys = distribution_keys(map(os.path.basename, metadata_directories(environment)))
    return keys.union(owner[0] for owner in owners if not is_left_over(owner)) - {""}


def distribution_keys(files: "Iterable[str]") -> "set[str]":
    """Return the keys of the distributions of metadata directories, by their names."""
    return {normalize(stem(file)[0]) for file in files if file[:1] != "~"} - {""}


def metadata_directories(environment: Environment) -> "set[str]":
    """Return the metadata directories of all distributions outside of archives."""
    overlay = environment.overlay()
    live = set() if overlay is None else overlay.directories
    return live | {
        os.path.join(entry.path, file)
        for entry in environment.read(decode)
        for file in entry.files()
        if not entry.archive
    }


def version(distribution: str) -> str:
    """Return the version of an installed distribution, as importlib.metadata does.

    The index says where its metadata is, which is read at each call: the version is
    that of now. For what only importlib.metadata can answer, that is imported: for a
    distribution in an archive or of a third-party finder. Imports no plugin.

    :param distribution: the name of the distribution; case does not matter, nor whether
        it has dashes, dots or underscores.

    Raises importlib.metadata.PackageNotFoundError, a ModuleNotFoundError, if it is not
    installed.
    """
    found = _version_of(distribution)
    if found:
        return found
    from importlib import metadata  # deferred: 30 ms

    return metadata.version(distribution)


def _version_of(name: str) -> str:
    """Return the version of the first distribution with a name; "" if unknown."""
    environment = current()
    if not name or (environment.asks_finders and third_party_finders()):
        return ""  # it may be first
    key = normalize(name)
    found = []
    for directory in metadata_directories(environment):
        entry, file = os.path.split(directory)
        if normalize(stem(file)[0]) == key and entry in environment.entries:
            found.append((environment.entries.index(entry), file, entry))
    # Several in one path entry depend on the order of a listing.
    if len({place for place, *_ in found}) < len(found):
        return ""
    for place, file, entry in sorted(found):
        if find_metadata(os.path.join(entry, file))[2] is not None:
            return identify((key, entry, file, place))[1]
    return ""
