"""Bring an index up to date by replacing the lines of changed distributions.

Most often a few distributions were installed, upgraded, removed or edited. The result
equals, byte for byte, what `rebuild` would write. If more has changed, `rebuild` is
needed.
"""

import os

from .._content import (
    checksum,
    is_by_content,
    stat_hash,
    with_content,
)
from .._files import DIRECTORY, KIND, fs, open_directory
from .._index import (
    DECODE_ERRORS,
    NO_FROZEN_ENTRIES,
    Index,
    fingerprint,
    paths,
    quote,
    stat_hashes,
    texts,
)
from .layout import assemble, group_text, groups_of, records_text, set_group
from .metadata import ENTRY_POINTS
from .reading import is_equal, is_reliable, signature_to_keep, stat_and_sign
from .records import Distribution, entry_line, is_borrowed, parse_entry_line, texts_line
from .scan import (
    list_metadata,
    note_new_problems,
    scan_distribution,
)
from .watch import WatchList, decode_block, names_in_line, places_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .._types import Block
    from .records import Place

    # added, removed and changed distributions: True if it exists
    Changes = dict[Place, bool]


_QUOTED = quote(ENTRY_POINTS)[1:-1]
# If more distributions changed, `rebuild` is no slower.
_MAX_CHANGES = 32


class _RebuildNeededError(Exception):
    """Replacing lines is not enough: the index must be rebuilt."""


def patch_index(
    index: Index, clock: int, frozen_entries: "Mapping[str, str]" = NO_FROZEN_ENTRIES
) -> "bytes | None":
    """Return the content of the updated index, or None if a rebuild is needed.

    `frozen_entries` are the path entries that a frozen index covers, with the texts
    that replace their stat signatures. Raises one of DECODE_ERRORS if the index is
    damaged.
    """
    try:
        return _Lines(index, frozen_entries).patch(clock)
    except _RebuildNeededError:
        return None


class _Lines:
    """The lines of an index, which can be found and replaced.

    Raises ValueError if the index is damaged.
    """

    def __init__(self, index: Index, frozen_entries: "Mapping[str, str]") -> None:
        self.key = index.key
        self.signatures = list(index.signatures)
        self.frozen_entries = frozen_entries
        self.reliable = index.reliable
        self.groups = groups_of(index)
        # the texts of changed groups, by their quoted names
        self.texts: dict[str, str] = {}
        self.records = records_text(index)
        self.watched = index.watched()
        # the watched files of each path entry, once they were compared
        self.watch: dict[int, WatchList] = {}
        try:
            # other numbers would never be removed
            self.racy = set(range(len(self.signatures))).intersection(index.racy)
            # For each path entry, the text of its lines. Its own line begins with an
            # empty string, the lines of distributions do not.
            self.blocks: list[str] = []
            start = 0
            for _ in self.signatures:
                end = self.records.find('\n["",', start) + 1 or len(self.records)
                self.blocks.append(self.records[start:end])
                start = end
        except DECODE_ERRORS as error:
            raise ValueError("records") from error

    def patch(self, clock: int) -> bytes:
        """Return the content of the updated index. Raises _RebuildNeededError."""
        changes = self._changed_files() | self._changed_entries(clock)
        if len(changes) > _MAX_CHANGES:
            raise _RebuildNeededError
        self.reliable = True
        # for each key, how many distributions were added, minus those removed
        keys: dict[str, int] = {}
        for (place, file), exists in changes.items():
            old = self._remove(place, file, keys)
            if exists:
                self._add(place, file, old, clock, keys)
        for key, more in keys.items():
            name = quote(key)
            # This may count too many: a group may have the same name as a key.
            count = self.records.count(f",{name},") + self.records.count(f",{name}]")
            if count > 1 or count + more > 1:
                raise _RebuildNeededError
        for name, text in self.texts.items():
            set_group(self.groups, name, text)
        return assemble(
            self.key,
            self.signatures,
            sorted(self.racy),
            self.reliable,
            self.watch,
            self.groups,
            "".join(self.blocks),
        )

    def _remove(
        self, place: int, file: str, keys: "dict[str, int]"
    ) -> "Distribution | None":
        """Remove all lines of a distribution; return its old record, if it had one."""
        self._unwatch(place, quote(file + ENTRY_POINTS)[1:-1])
        old = None
        key = self._set_plain(place, file, None)
        if key is None:
            self.blocks[place], line = _cut_line(self.blocks[place], f"[{quote(file)},")
            if not line:
                return None  # it is new
            old = Distribution.read(line)
            key = old.key
            if not old.named or old.source is None:
                raise _RebuildNeededError
            for group in map(quote, old.groups):
                text, line = _cut_line(
                    self._group(group), f'["0","{place}",{quote(file)},'
                )
                if not line:
                    raise _RebuildNeededError  # it was shadowed
                self.texts[group] = text
        keys[key] = keys.get(key, 0) - 1
        return old

    def _add(
        self,
        place: int,
        file: str,
        old: "Distribution | None",
        clock: int,
        keys: "dict[str, int]",
    ) -> None:
        """Scan a distribution and insert its lines."""
        new = scan_distribution(self.key[place + 1], file, clock, old)
        name = quote(file + ENTRY_POINTS)[1:-1]
        if isinstance(new, str):
            keys[new] = keys.get(new, 0) + 1
            self._set_plain(place, file, new)
            self._watch(place, name, None)
            return
        if not new.named or new.source is None:
            raise _RebuildNeededError
        note_new_problems(old, new)
        keys[new.key] = keys.get(new.key, 0) + 1
        self.blocks[place] = _insert_line(self.blocks[place], new.line())
        self._watch(place, name, new.stat_signature)
        for group, text in (new.fragments or {}).items():
            name = quote(group)
            self.texts[name] = _insert_line(self._group(name), f'["0","{place}",{text}')
        self.reliable &= new.reliable

    def _unwatch(self, place: int, name: str) -> None:
        """Remove a file from the watch list. `name` is escaped as in JSON."""
        watch = self.watch.get(place)
        if watch is None:
            nothing = texts_line([])
            self.watch[place] = WatchList(nothing, nothing, [], set())
            return
        quoted = f'"{name}"'.encode()
        if quoted in watch.present:
            names = names_in_line(watch.present)
            at = names.index(name)
            del names[at], watch.hashes[at]
            watch.present = texts_line(names)
            watch.by_content.discard(name)
        if quoted in watch.absent:
            names = names_in_line(watch.absent)
            names.remove(name)
            watch.absent = texts_line(names)

    def _watch(self, place: int, name: str, stat_signature: "str | None") -> None:
        """Add a file to the watch list; None: it must stay absent."""
        watch = self.watch[place]
        if stat_signature is None:
            watch.absent = texts_line(sorted([*names_in_line(watch.absent), name]))
            return
        names = sorted([*names_in_line(watch.present), name])
        watch.hashes.insert(names.index(name), stat_hash(stat_signature))
        if is_by_content(stat_signature):
            watch.by_content.add(name)
        watch.present = texts_line(names)

    def _own(self, place: int) -> str:
        return self.blocks[place][: self.blocks[place].index("\n")]

    def _set_plain(self, place: int, file: str, key: "str | None") -> "str | None":
        """Set the key of a plain distribution; return its previous key.

        The key is None for a distribution that does not exist or is not plain.
        """
        line = self._own(place)
        if key is None and f",{quote(file)}," not in line:
            return None
        archive, problems, plain = parse_entry_line(line)
        before = plain.pop(file, None)
        if key is not None:
            plain[file] = key
        rest = self.blocks[place][len(line) :]
        self.blocks[place] = entry_line(archive, problems, plain) + rest
        return before

    def _group(self, name: str) -> str:
        if name in self.texts:
            return self.texts[name]
        try:
            return group_text(self.groups, name)
        except ValueError as error:
            raise _RebuildNeededError from error

    def _changed_entries(self, clock: int) -> "Changes":
        """Return the added and removed distributions of changed directories."""
        changes: Changes = {}
        for place, known in enumerate(self.signatures):
            path = self.key[place + 1]
            borrowed = self.frozen_entries.get(path)
            if borrowed is not None and known == borrowed:
                continue
            if borrowed is not None or is_borrowed(known):
                raise _RebuildNeededError
            try:
                status, whole = stat_and_sign(path)
            except (OSError, ValueError):
                if known is None:
                    continue
                raise _RebuildNeededError from None
            equal = is_equal(known, whole, status)
            if equal and place not in self.racy:
                continue
            if known is None or status.st_mode & KIND != DIRECTORY:
                raise _RebuildNeededError
            own = self._own(place)
            # It was an archive, or it could not be listed.
            if not own.startswith('["","0"') or f",{quote(path)}," in own:
                raise _RebuildNeededError
            watch = self.watch.get(place)
            lines = (watch.absent, watch.present) if watch is not None else ()
            directories = [
                directory for line in lines for directory in _directories_in(line)
            ]
            added, removed, reason = list_metadata(path, directories)
            if reason:
                raise _RebuildNeededError
            for file in added:
                changes[place, file] = True
            for file in removed:
                changes[place, file] = False
            has_metadata = bool(added) or not removed.issuperset(directories)
            self.signatures[place] = signature_to_keep(
                path, whole, status, has_metadata
            )
            if is_reliable(status, equal, clock):
                self.racy.discard(place)
            else:
                self.racy.add(place)
        return changes

    def _changed_files(self) -> "Changes":
        """Return the distributions with an added, removed, changed or racy file."""
        changes: Changes = {}
        for block in self.watched:
            try:
                changes |= self._changed_in_block(block)
            except OSError:
                raise _RebuildNeededError from None
        if not self.reliable:
            for place in range(len(self.blocks)):
                for line in self._lines(place):
                    # Most lines show it without being decoded.
                    if ',"1","1",' not in line and not Distribution.read(line).reliable:
                        changes[place, _file_and_key(line)[0]] = True
        return changes

    def _changed_in_block(self, block: "Block") -> "Changes":
        """Return the distributions of added, removed and changed files in a block."""
        place, absent_line, present_line, known, by_content = block
        if not known:
            raise _RebuildNeededError  # a file in it could not be read
        absent, present = paths(absent_line), paths(present_line)
        start = len(absent)
        files = [*absent, *present]
        places = places_of(place, len(files))
        base = None
        if place[-1] != ",":
            base = open_directory(self.key[places[0] + 1])
        try:
            added = [at for at, f in enumerate(absent) if fs.access(f, 0, dir_fd=base)]
            hashes, missing = _hashes(present, by_content, base)
        finally:
            if base is not None:
                fs.close(base)

        def directory_of(at: int) -> "tuple[str, str]":
            root = os.path.join(self.key[places[at] + 1], "") if base is None else ""
            name, _, file = os.fsdecode(files[at])[len(root) :].partition(os.sep)
            return name, file

        changes = {at: directory_of(at) for at in added}
        for at in missing:
            changes[start + at] = name, file = directory_of(start + at)
            record = self._record(places[start + at], name)
            hashes[at] = stat_hash(record.signature_of(file) or "")
        if fingerprint(hashes) != known:
            # Some have changed, or the stored fingerprint was wrong.
            records = {
                (at, record.file): record
                for at in set(places)
                for record in map(Distribution.read, self._lines(at))
            }
            for at, found in enumerate(hashes, start):
                name, file = directory_of(at)
                if found != stat_hash(
                    records[places[at], name].signature_of(file) or ""
                ):
                    changes[at] = name, file
        self.watch |= decode_block(self.key, block, hashes)
        if any(file != ENTRY_POINTS[1:] for _, file in changes.values()):
            raise _RebuildNeededError  # metadata decides which distribution wins
        return {(places[at], name): True for at, (name, _) in changes.items()}

    def _lines(self, place: int) -> "list[str]":
        """Return the lines of the distributions of a path entry."""
        return self.blocks[place].split("\n")[1:-1]

    def _record(self, place: int, file: str) -> Distribution:
        _, line = _cut_line(self.blocks[place], f"[{quote(file)},")
        return Distribution.read(line)


def _hashes(
    files: "list[Any]", by_content: "list[int]", base: "int | None"
) -> "tuple[list[int], list[int]]":
    """Return the stat hashes of files, and the places of files without a status."""
    missing: list[int] = []

    def statuses() -> "Iterator[os.stat_result]":
        for at, file in enumerate(files):
            try:
                yield fs.stat(file, dir_fd=base)
            except (OSError, ValueError):
                missing.append(at)

    found = stat_hashes(statuses())
    for at in missing:
        found.insert(at, 0)
    for at in by_content:
        try:
            found[at] = with_content(found[at], checksum(files[at], base))
        except OSError:
            pass  # without a checksum, the hash differs from the stored one
    return found, missing


def _directories_in(line: bytes) -> "list[str]":
    r"""Return the metadata directories of the entry_points.txt files in a watch line.

    >>> _directories_in(b'["a-1.dist-info/METADATA","b.egg-info/entry_points.txt"]\n')
    ['b.egg-info']
    """
    # Nearly all lines have no other files and no escapes: then one split is enough.
    *names, rest = f'{line.decode()[2:-3]}","'.split(_QUOTED + '","')
    whole = "".join(names)
    if rest or '"' in whole or "\\" in whole:
        names, end = texts(line.decode()[:-1]), ENTRY_POINTS
        return [name.removesuffix(end) for name in names if name.endswith(end)]
    return names


def _cut_line(text: str, begin: str) -> "tuple[str, str]":
    r"""Return a text without the line that begins with `begin`, and that line or "".

    >>> _cut_line("g\n[1]\n[2]\n", "[1")
    ('g\n[2]\n', '[1]')
    """
    at = text.find("\n" + begin)
    if at < 0:
        return text, ""
    end = text.index("\n", at + 1)
    return text[:at] + text[end:], text[at + 1 : end]


def _insert_line(text: str, line: str) -> str:
    r"""Insert a line in order, but never before the first line; return the text.

    >>> _insert_line('g\n["aa","k"]\n["bb","m"]\n', '["cc","l"]')
    'g\n["aa","k"]\n["cc","l"]\n["bb","m"]\n'
    """
    wanted = _sort_key(line)
    # Binary search: both are the positions of newlines; the line belongs after one
    # between them.
    low, high = text.index("\n"), len(text) - 1
    while low < high:
        middle = text.rindex("\n", low, (low + high) // 2 + 1)
        end = text.index("\n", middle + 1)
        if _sort_key(text[middle + 1 : end]) <= wanted:
            low = end
        else:
            high = middle
    return f"{text[: low + 1]}{line}\n{text[low + 1 :]}"


def _sort_key(line: str) -> "tuple[int, str]":
    """Return the number of the path entry (0 if the line has none), and the key.

    >>> _sort_key('["0","12","a-1.dist-info","a","A","1"]')
    (12, 'a')
    """
    place = int(line[6 : line.index('"', 6)]) if _is_of_group(line) else 0
    return place, _file_and_key(line)[1]


def _is_of_group(line: str) -> bool:
    # Its first text, "0" or "1", says if the distribution is shadowed. The name of a
    # metadata directory is longer.
    return line[3] == '"'


def _file_and_key(line: str) -> "tuple[str, str]":
    r"""Return the metadata directory and the key in the line of a distribution.

    >>> _file_and_key('["0","12","a-1.dist-info","a","A","1"]')
    ('a-1.dist-info', 'a')
    >>> _file_and_key(r'["\u00e4-1.dist-info","\u00e4","-","1"]')
    ('ä-1.dist-info', 'ä')
    """
    of_group = _is_of_group(line)
    if "\\" in line:
        values = texts(line)[2 if of_group else 0 :]
        return values[0], values[1]
    words = line.split('"', 8 if of_group else 4)[5 if of_group else 1 :: 2]
    return words[0], words[1]
