"""Freeze an index, and compare a frozen index with what is installed now.

A start that uses a frozen index needs only `_frozen_index`.
"""

import os
import sys
import time

from .. import _files
from .. import _messages as messages
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
    metadata_checksum,
    names_checksum,
)
from .._index import texts
from .._printable import list_words
from .layout import assemble, decode, group_text, groups_of, regroup
from .reading import find_metadata
from .rebuild import read_deciding_metadata
from .records import BORROWED, Distribution, PathEntry
from .scan import list_metadata, scan_path_entry
from .shadowing import duplicate_keys, find_shadowed

# 11 digits of seconds reach beyond the year 5000.
_DIGITS = 11

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._environment import Environment
    from .._frozen_index import FrozenIndex
    from .._index import Index
    from .records import RawProblem


def freeze_time() -> int:
    """Return the time to write into a frozen index, in seconds since 1970.

    It is `SOURCE_DATE_EPOCH`, if that is set, so that a build can be repeated byte for
    byte (https://reproducible-builds.org/specs/source-date-epoch/). Raises
    LazyplugError if that is not a valid time.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return int(time.time())
    if not epoch.isdecimal() or len(epoch) > _DIGITS:
        raise LazyplugError(
            messages.NOT_VALID.format(
                value=f"SOURCE_DATE_EPOCH={epoch[:40]!r}",
                what="time",
                expected=messages.A_TIME,
            )
        )
    return int(epoch)


def anchor_path(path: str, directory: str, staged: bool) -> str:
    """Return the anchored name of a path entry in a frozen index in this directory.

    A `staged` path entry will be moved together with the directory. Any other path
    entry outside of the directory, `sys.prefix` and `sys.base_prefix` has no anchor.

    >>> anchor_path("/srv/build", "/srv/build/app", True)
    '{here}/..'
    >>> anchor_path("/srv/build", "/srv/build", True)
    '{here}'
    >>> anchor_path("/opt/p", "/srv", False)
    '/opt/p'
    """
    if staged:
        try:
            relative = os.path.relpath(path, directory)
        except ValueError:
            return path  # on another drive
        return HERE if relative == os.curdir else HERE + os.sep + relative
    for anchor, root in (
        (PREFIX, sys.prefix),
        (BASE, sys.base_prefix),
        (HERE, directory),
    ):
        # On Windows, the drive may be spelled in upper or in lower case.
        top = os.path.normcase(root).rstrip(os.sep)
        if f"{os.path.normcase(path)}{os.sep}".startswith(top + os.sep):
            return anchor + path[len(top) :]
    return path


def freeze_index(
    named: "Iterable[tuple[str, str]]",
    since: int,
    *,
    trusted: bool = False,
    flat: bool = False,
) -> bytes:
    """Scan path entries and return their frozen index. Imports no plugin.

    :param named: the anchored name and the path of each path entry.
    :param since: the time of freezing, in seconds since 1970.
    :param trusted: whether to trust the index without checking it.
    :param flat: whether all plugins will be in the directory that contains the index.
    """
    pairs = list(named)
    clock = _files.fs.clock()
    entries = [scan_path_entry(path, None, clock, thorough=True) for _, path in pairs]
    read_deciding_metadata(entries, clock)
    portable = [_make_portable(entry) for entry in entries]
    names = [_checksum(entry) for entry in portable]
    keys = [name for name, _ in pairs]
    if flat:
        portable = [_merge(portable)]
        names, keys = [_checksum(portable[0])], [HERE]
    found = regroup(portable, [], {})
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
        "".join([entry.text() for entry in portable]),
    )


def _checksum(entry: PathEntry) -> "str | None":
    files = entry.files()
    return UNLISTED if entry.archive and files else metadata_checksum(files, entry.path)


def _make_portable(entry: PathEntry) -> PathEntry:
    """Return the record of a path entry without what depends on this machine."""
    plain: dict[str, str] = {}
    distributions: list[Distribution] = []
    for file, key in entry.plain.items():
        source = find_metadata(os.path.join(entry.path, file))[0]
        if source is None:
            distributions.append(
                Distribution(file, key, stat_signature="", source=None, fragments={})
            )
        else:
            plain[file] = key
    distributions += [
        Distribution(
            known.file,
            known.key,
            stat_signature="",
            named=known.named,
            source=known.source,
            problems=_relativize(entry.path, known.problems),
            fragments=known.fragments or {},
        )
        for known in entry.distributions
    ]
    # In the records of a frozen index, each plain distribution has metadata.
    return PathEntry(
        entry.path,
        BORROWED,
        True,
        entry.archive,
        _relativize(entry.path, entry.problems),
        plain,
        distributions,
    )


def _relativize(root: str, problems: "Iterable[RawProblem]") -> "list[RawProblem]":
    """Return problems with their paths relative to a path entry.

    >>> _relativize("/s", [("/s/a/METADATA", 0, "?"), ("/s", 0, "?"), ("/t", 1, "!")])
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


def _merge(entries: "list[PathEntry]") -> PathEntry:
    """Merge path entries into one record, without shadowed distributions."""
    hidden = find_shadowed(entries, duplicate_keys(entries))
    plain: dict[str, str] = {}
    distributions: list[Distribution] = []
    problems: list[RawProblem] = []
    for place, entry in enumerate(entries):
        problems += entry.problems
        plain |= {f: key for f, key in entry.plain.items() if (place, f) not in hidden}
        distributions += [
            d for d in entry.distributions if (place, d.file) not in hidden
        ]
    distributions.sort(key=lambda known: known.key)
    return PathEntry(HERE, BORROWED, True, False, problems, plain, distributions)


def differences(frozen: "FrozenIndex", now: "Index") -> "Iterator[str]":
    """Yield a message for each difference between a frozen index and one frozen now.

    Raises ValueError if the frozen index is damaged.
    """
    old = _declarations(frozen.index, frozen.anchored)
    new = _declarations(now, now.key[1:])
    paths = dict(zip(frozen.anchored, frozen.index.key[1:]))
    for place in sorted(old.keys() | new.keys()):
        where = f"{place[1]} in {paths.get(place[0], place[0])}"
        if place not in new:
            yield f"{where} was removed"
        elif place not in old:
            yield f"{where} was added"
        elif old[place] != new[place]:
            groups = {
                group
                for group in old[place].keys() | new[place].keys()
                if old[place].get(group) != new[place].get(group)
            }
            yield (
                f"{where} declares other entry points in {list_words(sorted(groups))}"
            )


def _declarations(
    index: "Index", paths: "list[str]"
) -> "dict[tuple[str, str], dict[str, list[str]]]":
    """Return what each metadata directory of each path entry declares, by group."""
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


def changed_directories(
    environment: "Environment",
) -> "Iterator[tuple[str, set[str], set[str]]]":
    """Yield each changed path entry of a frozen index, with added and removed names.

    The names are those of metadata directories. Path entries from which all metadata
    was deleted are not yielded. Raises ValueError if the frozen index is damaged.
    """
    frozen = environment.frozen
    if frozen is None:
        return
    for entry, names in zip(decode(frozen.index), frozen.names):
        if entry.path in environment.entries and names_checksum(entry.path) != names:
            known = set(entry.files())
            added, removed, _ = list_metadata(entry.path, known)
            if added or removed != known:
                yield entry.path, set(added), removed


def staleness_note(environment: "Environment") -> str:
    """Return a note on a stale frozen index, for messages that a name is not found."""
    frozen = environment.frozen
    if frozen is None:
        return ""
    frozen_time = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(frozen.since))
    try:
        changes = [
            messages.ADDED_AND_REMOVED.format(
                path=path, added=len(added), removed=len(removed)
            )
            for path, added, removed in changed_directories(environment)
        ]
        stripped = [
            path
            for path, names in zip(frozen.index.key[1:], frozen.names)
            if names and path in environment.entries and names_checksum(path) is None
        ]
    except ValueError:
        return messages.FREEZE_AGAIN.format(
            reason=messages.DAMAGED.format(file=frozen.label),
            options=frozen.options,
            file=frozen.label,
        )
    if changes and frozen.trusted:
        return messages.STALE_BUT_USED.format(
            file=frozen.label,
            time=frozen_time,
            changes="; ".join(changes),
            options=frozen.options,
        )
    if changes:
        return messages.FREEZE_AGAIN.format(
            reason=messages.STALE.format(
                file=frozen.label, time=frozen_time, changes="; ".join(changes)
            ),
            options=frozen.options,
            file=frozen.label,
        )
    if stripped and not frozen.trusted:
        return messages.STRIPPED.format(
            file=frozen.label, time=frozen_time, paths="; ".join(stripped)
        )
    return ""
