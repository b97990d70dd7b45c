"""How an index is frozen, whether it still says what is there, and how it is told.

Cold: what a start needs of a frozen index is in `_frozen_index`.
"""

import os
import sys
import time

from .. import _files
from .._exceptions import LazyplugError
from .._frozen_index import (
    ALL,
    BASE,
    CHECKED,
    FLAT,
    HERE,
    PREFIX,
    SPREAD,
    TRUSTED,
    UNLISTED,
    checksum_of,
    names_in,
)
from .._index import texts
from .._printable import quoted
from .layout import assemble, decode, group_text, groups_of, regroup
from .reading import find_metadata
from .rebuild import settle_repeated
from .records import LENT, Distribution, PathEntry
from .scan import list_metadata, scan_path_entry
from .shadowing import repeated, shadowed

# Longer times no calendar has.
_DIGITS = 11

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._environment import Snapshot
    from .._frozen_index import Frozen
    from .._index import Index
    from .records import Trouble


def frozen_at() -> int:
    """Return the time to be written down, in seconds since 1970.

    It is that of `SOURCE_DATE_EPOCH`, if there is one, so that a build can be repeated
    byte for byte (https://reproducible-builds.org/specs/source-date-epoch/). Raises
    LazyplugError if that is no time.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not given:
        return int(time.time())
    if not given.isdecimal() or len(given) > _DIGITS:
        raise LazyplugError(
            f"SOURCE_DATE_EPOCH={given[:40]!r} is no time in seconds since 1970"
        )
    return int(given)


def anchored(path: str, folder: str, staged: bool) -> str:
    """Return a path entry as a frozen index in this folder names it.

    What is `staged` will be moved together with the folder. What is neither in the
    environment nor in the folder stays where it is.

    >>> anchored("/srv/build", "/srv/build/app", True)
    '{here}/..'
    >>> anchored("/srv/build", "/srv/build", True), anchored("/opt/p", "/srv", False)
    ('{here}', '/opt/p')
    """
    if staged:
        try:
            relative = os.path.relpath(path, folder)
        except ValueError:
            return path  # on another drive
        return HERE if relative == os.curdir else HERE + os.sep + relative
    for anchor, root in ((PREFIX, sys.prefix), (BASE, sys.base_prefix), (HERE, folder)):
        if path == root or path.startswith(root.rstrip(os.sep) + os.sep):
            return anchor + path[len(root.rstrip(os.sep)) :]
    return path


def frozen_index(
    named: "Iterable[tuple[str, str]]",
    since: int,
    *,
    trusted: bool = False,
    flat: bool = False,
) -> bytes:
    """Return the frozen index of path entries; each is read anew. Imports no plugin.

    :param named: of each its anchored name and its path.
    :param since: the time that is written down, in seconds since 1970.
    :param trusted: whether it is to be believed without a look.
    :param flat: whether all will lie in the one folder that holds the index.
    """
    pairs = list(named)
    clock = _files.Seam.clock()
    entries = [scan_path_entry(path, None, clock, thorough=True) for _, path in pairs]
    settle_repeated(entries, clock)
    kept = [_lasting(entry) for entry in entries]
    names = [_checksum(entry) for entry in kept]
    keys = [name for name, _ in pairs]
    if flat:
        kept = [_together(kept)]
        names, keys = [_checksum(kept[0])], [HERE]
    found = regroup(kept, [], {})
    about = [
        TRUSTED if trusted or flat else CHECKED,
        ALL,
        FLAT if flat else SPREAD,
        str(since),
    ]
    return assemble(
        [" ".join(about), *keys],
        names,
        [],
        True,
        {},
        found,
        "".join([entry.text() for entry in kept]),
    )


def _checksum(entry: PathEntry) -> "str | None":
    files = entry.files()
    return UNLISTED if entry.archive and files else checksum_of(files, entry.path)


def _lasting(entry: PathEntry) -> PathEntry:
    """Return the record of a path entry without what will not be so elsewhere."""
    plain: dict[str, str] = {}
    distributions: list[Distribution] = []
    for file, key in entry.plain.items():
        source = find_metadata(os.path.join(entry.path, file))[0]
        if source is None:
            distributions.append(
                Distribution(file, key, stamp="", source=None, fragments={})
            )
        else:
            plain[file] = key
    distributions += [
        Distribution(
            known.file,
            known.key,
            stamp="",
            named=known.named,
            source=known.source,
            problems=_from_entry(entry.path, known.problems),
            fragments=known.fragments or {},
        )
        for known in entry.distributions
    ]
    # What is plain has metadata, as in all that a frozen index lends.
    return PathEntry(
        entry.path,
        LENT,
        True,
        entry.archive,
        _from_entry(entry.path, entry.problems),
        plain,
        distributions,
    )


def _from_entry(root: str, problems: "Iterable[Trouble]") -> "list[Trouble]":
    """Return problems with their paths as seen from a path entry.

    >>> _from_entry("/s", [("/s/a/METADATA", 0, "?"), ("/s", 0, "?"), ("/t", 1, "!")])
    [('a/METADATA', 0, '?'), ('', 0, '?'), ('/t', 1, '!')]
    """
    found = []
    for path, line, reason in problems:
        if path == root:
            path = ""
        elif path.startswith(root + os.sep):
            path = path[len(root) + 1 :]
        found.append((path, line, reason))
    return found


def _together(entries: "list[PathEntry]") -> PathEntry:
    """Return one record of all that is not shadowed."""
    lost = shadowed(entries, repeated(entries))
    plain: dict[str, str] = {}
    distributions: list[Distribution] = []
    problems: list[Trouble] = []
    for place, entry in enumerate(entries):
        problems += entry.problems
        plain |= {f: key for f, key in entry.plain.items() if (place, f) not in lost}
        distributions += [d for d in entry.distributions if (place, d.file) not in lost]
    distributions.sort(key=lambda known: known.key)
    return PathEntry(HERE, LENT, True, False, problems, plain, distributions)


def differences(frozen: "Frozen", now: "Index") -> "Iterator[str]":
    """Say in what a frozen index is not what was frozen now.

    Raises ValueError if it is damaged.
    """
    was = _declared(frozen.index, frozen.anchored)
    is_ = _declared(now, now.key[1:])
    for place in sorted(was.keys() | is_.keys()):
        where = f"{place[1]} in {place[0]}"
        if place not in is_:
            yield f"{where} is gone"
        elif place not in was:
            yield f"{where} came"
        elif was[place] != is_[place]:
            groups = {
                group
                for group in was[place].keys() | is_[place].keys()
                if was[place].get(group) != is_[place].get(group)
            }
            yield f"{where} declares something else in {quoted(sorted(groups))}"


def _declared(
    index: "Index", paths: "list[str]"
) -> "dict[tuple[str, str], dict[str, list[str]]]":
    """Return by path entry and metadata folder what is declared, by group."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for path, entry in zip(paths, decode(index)):
        for file in entry.files():
            found[path, file] = {}
    groups = groups_of(index)
    for name in groups:
        for line in group_text(groups, name).split("\n")[1:-1]:
            hidden, place, file, _, *rest = texts(line)
            own = found.setdefault((paths[int(place)], file), {})
            own[texts(f"[{name}]")[0]] = [hidden, *rest]
    return found


def changed(snapshot: "Snapshot") -> "Iterator[tuple[str, set[str], set[str]]]":
    """Yield of each folder of the frozen index what came and what went since then.

    Folders from which all metadata was left out are not among them. Raises ValueError
    if it is damaged.
    """
    frozen = snapshot.frozen
    if frozen is None:
        return
    for entry, names in zip(decode(frozen.index), frozen.names):
        if entry.path in snapshot.entries and names_in(entry.path) != names:
            known = set(entry.files())
            came, gone, _ = list_metadata(entry.path, known)
            if came or gone != known:
                yield entry.path, set(came), gone


def told(snapshot: "Snapshot") -> str:
    """Return what to say of the frozen index where something was not found."""
    frozen = snapshot.frozen
    if frozen is None:
        return ""
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(frozen.since))
    again = f"`lazyplug freeze{frozen.options} --output {frozen.label}`"
    try:
        changes = [
            f"{path}: {len(came)} came, {len(gone)} went"
            for path, came, gone in changed(snapshot)
        ]
        stripped = [
            path
            for path, names in zip(frozen.index.key[1:], frozen.names)
            if names and path in snapshot.entries and names_in(path) is None
        ]
    except ValueError:
        return f" Note: {frozen.label} is damaged. Freeze again: {again}."
    said = f" Note: {frozen.label}, frozen {when}"
    if frozen.trusted:
        if not changes:
            return ""
        return (
            f"{said}, is believed without a look, and since then something changed in"
            f" {'; '.join(changes)}. Freeze again: {again}, or set LAZYPLUG_INDEX=off."
        )
    if changes:
        return f"{said}, is not used for {'; '.join(changes)}. Freeze again: {again}."
    if stripped:
        return (
            f"{said}, is not used for {'; '.join(stripped)}: was metadata left out?"
            " Freeze with --trust then."
        )
    return ""
