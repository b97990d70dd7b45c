"""Bring an index up to date by exchanging the lines of what has changed.

By far the most changes are a few distributions installed, upgraded, removed or edited.
The result equals, byte for byte, what `rebuild` would write; where more has changed,
that has to be done.
"""

import os

from .._content import (
    checksum,
    is_by_content,
    number,
    with_content,
)
from .._files import DIRECTORY, KIND, Seam, open_directory
from .._index import (
    DOUBT,
    NOTHING,
    Index,
    numbers,
    paths,
    quote,
    texts,
    together,
)
from .layout import assemble, detail_text, group_text, groups_of, set_group
from .metadata import ENTRY_POINTS
from .reading import is_equal, settled, stamp_of_directory, stat_and_sign
from .records import Distribution, is_lent, own_line, own_of, texts_line
from .scan import (
    list_metadata,
    note_new_problems,
    scan_distribution,
)
from .watch import Watch, names_in_line, places_of, watch_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .._types import Block
    from .records import Place

    # what came, went or changed: is it there?
    Touched = dict[Place, bool]


_QUOTED = quote(ENTRY_POINTS)[1:-1]
# Where more distributions changed, `rebuild` is no slower.
_MOST = 32


class _TakesMoreError(Exception):
    """An exchange of lines will not do."""


def patched(
    index: Index, clock: int, covered: "Mapping[str, str]" = NOTHING
) -> "bytes | None":
    """Return the content of an index brought up to date; None if that takes a rebuild.

    `covered` are the path entries that a frozen index covers, with what stands for
    their stamps. Raises one of DOUBT if the index is damaged.
    """
    try:
        return _Lines(index, covered).exchanged(clock)
    except _TakesMoreError:
        return None


class _Lines:
    """The lines of an index, found by what they are about.

    Raises ValueError if the index is damaged.
    """

    def __init__(self, index: Index, covered: "Mapping[str, str]") -> None:
        self.key = index.key
        self.stamps = list(index.stamps)
        self.covered = covered
        self.settled = index.settled
        self.groups = groups_of(index)
        # those that are exchanged, by their quoted names
        self.texts: dict[str, str] = {}
        self.detail = detail_text(index)
        self.watched = index.watched()
        # the watched files of each path entry, as soon as they were looked at
        self.watch: dict[int, Watch] = {}
        try:
            # others than these would stay for ever
            self.young = set(range(len(self.stamps))).intersection(index.young)
            # Of each path entry the text of its lines: its own begins with a text that
            # is empty, those of distributions do not.
            self.blocks: list[str] = []
            start = 0
            for _ in self.stamps:
                end = self.detail.find('\n["",', start) + 1 or len(self.detail)
                self.blocks.append(self.detail[start:end])
                start = end
        except DOUBT as error:
            raise ValueError("detail") from error

    def exchanged(self, clock: int) -> bytes:
        """Return the index brought up to date. Raises _TakesMoreError."""
        touched = self._touched_files() | self._touched_entries(clock)
        if len(touched) > _MOST:
            raise _TakesMoreError
        self.settled = True
        # of each key, how many more times it stands than before
        keys: dict[str, int] = {}
        for (place, file), there in touched.items():
            old = self._remove(place, file, keys)
            if there:
                self._add(place, file, old, clock, keys)
        for key, more in keys.items():
            name = quote(key)
            # Rather too many: a group may be called like a key.
            stood = self.detail.count(f",{name},") + self.detail.count(f",{name}]")
            if stood > 1 or stood + more > 1:
                raise _TakesMoreError
        for name, text in self.texts.items():
            set_group(self.groups, name, text)
        return assemble(
            self.key,
            self.stamps,
            sorted(self.young),
            self.settled,
            self.watch,
            self.groups,
            "".join(self.blocks),
        )

    def _remove(
        self, place: int, file: str, keys: "dict[str, int]"
    ) -> "Distribution | None":
        """Take out all lines of a distribution; return it if it had any."""
        self._unwatch(place, quote(file + ENTRY_POINTS)[1:-1])
        old = None
        key = self._set_plain(place, file, None)
        if key is None:
            self.blocks[place], line = _without(self.blocks[place], f"[{quote(file)},")
            if not line:
                return None  # it came
            old = Distribution.read(line)
            key = old.key
            if not old.named or old.source is None:
                raise _TakesMoreError
            for group in map(quote, old.groups):
                text, line = _without(
                    self._group(group), f'["0","{place}",{quote(file)},'
                )
                if not line:
                    raise _TakesMoreError  # it was shadowed
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
        """Scan a distribution and put its lines in."""
        fresh = scan_distribution(self.key[place + 1], file, clock, old)
        name = quote(file + ENTRY_POINTS)[1:-1]
        if isinstance(fresh, str):
            keys[fresh] = keys.get(fresh, 0) + 1
            self._set_plain(place, file, fresh)
            self._watch(place, name, None)
            return
        if not fresh.named or fresh.source is None:
            raise _TakesMoreError
        note_new_problems(old, fresh)
        keys[fresh.key] = keys.get(fresh.key, 0) + 1
        self.blocks[place] = _with(self.blocks[place], fresh.line())
        self._watch(place, name, fresh.stamp)
        for group, text in (fresh.fragments or {}).items():
            name = quote(group)
            self.texts[name] = _with(self._group(name), f'["0","{place}",{text}')
        self.settled &= fresh.settled

    def _unwatch(self, place: int, name: str) -> None:
        """Look at a file no more. Its name is as JSON has it between quotes."""
        watch = self.watch.get(place)
        if watch is None:
            nothing = texts_line([])
            self.watch[place] = Watch(nothing, nothing, [], set())
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

    def _watch(self, place: int, name: str, stamp: "str | None") -> None:
        """Look at a file from now on: it has this stamp, or must not come."""
        watch = self.watch[place]
        if stamp is None:
            watch.absent = texts_line(sorted([*names_in_line(watch.absent), name]))
            return
        names = sorted([*names_in_line(watch.present), name])
        watch.hashes.insert(names.index(name), number(stamp))
        if is_by_content(stamp):
            watch.by_content.add(name)
        watch.present = texts_line(names)

    def _own(self, place: int) -> str:
        return self.blocks[place][: self.blocks[place].index("\n")]

    def _set_plain(self, place: int, file: str, key: "str | None") -> "str | None":
        """Let a distribution that declares nothing have this key; return that before.

        None: it is not there, or is more than a name.
        """
        line = self._own(place)
        if key is None and f",{quote(file)}," not in line:
            return None
        archive, problems, plain = own_of(line)
        before = plain.pop(file, None)
        if key is not None:
            plain[file] = key
        rest = self.blocks[place][len(line) :]
        self.blocks[place] = own_line(archive, problems, plain) + rest
        return before

    def _group(self, name: str) -> str:
        if name in self.texts:
            return self.texts[name]
        try:
            return group_text(self.groups, name)
        except ValueError as error:
            raise _TakesMoreError from error

    def _touched_entries(self, clock: int) -> "Touched":
        """Return what came or went in folders that changed."""
        touched: Touched = {}
        for place, known in enumerate(self.stamps):
            path = self.key[place + 1]
            lent = self.covered.get(path)
            if lent is not None and known == lent:
                continue
            if lent is not None or is_lent(known):
                raise _TakesMoreError
            try:
                status, whole = stat_and_sign(path)
            except (OSError, ValueError):
                if known is None:
                    continue
                raise _TakesMoreError from None
            equal = is_equal(known, whole, status)
            if equal and place not in self.young:
                continue
            if known is None or status.st_mode & KIND != DIRECTORY:
                raise _TakesMoreError
            own = self._own(place)
            # It is an archive; or it could not be listed the last time.
            if not own.startswith('["","0"') or f",{quote(path)}," in own:
                raise _TakesMoreError
            watch = self.watch.get(place)
            lines = (watch.absent, watch.present) if watch is not None else ()
            folders = [folder for line in lines for folder in _folders(line)]
            came, gone, reason = list_metadata(path, folders)
            if reason:
                raise _TakesMoreError
            for file in came:
                touched[place, file] = True
            for file in gone:
                touched[place, file] = False
            has_metadata = bool(came) or not gone.issuperset(folders)
            self.stamps[place] = stamp_of_directory(path, whole, status, has_metadata)
            if settled(status, equal, clock):
                self.young.discard(place)
            else:
                self.young.add(place)
        return touched

    def _touched_files(self) -> "Touched":
        """Return the distributions of which a file came, went, changed or is young."""
        touched: Touched = {}
        for block in self.watched:
            try:
                touched |= self._touched_in(block)
            except OSError:
                raise _TakesMoreError from None
        if not self.settled:
            for place in range(len(self.blocks)):
                for line in self._lines(place):
                    # Of most it is plain to see.
                    if ',"1","1",' not in line and not Distribution.read(line).settled:
                        touched[place, _words(line)[0]] = True
        return touched

    def _touched_in(self, block: "Block") -> "Touched":
        """Return the distributions of which a file in a block came, went or changed."""
        place, absent_line, present_line, known, by_content = block
        if not known:
            raise _TakesMoreError  # something there could not be read
        absent, present = paths(absent_line), paths(present_line)
        start = len(absent)
        files = [*absent, *present]
        places = places_of(place, len(files))
        base = None
        if place[-1] != ",":
            base = open_directory(self.key[places[0] + 1])
        try:
            came = [at for at, f in enumerate(absent) if Seam.access(f, 0, dir_fd=base)]
            hashes, went = _hashes(present, by_content, base)
        finally:
            if base is not None:
                Seam.close(base)

        def directory_of(at: int) -> "tuple[str, str]":
            root = os.path.join(self.key[places[at] + 1], "") if base is None else ""
            name, _, file = os.fsdecode(files[at])[len(root) :].partition(os.sep)
            return name, file

        touched = {at: directory_of(at) for at in came}
        for at in went:
            touched[start + at] = name, file = directory_of(start + at)
            record = self._record(places[start + at], name)
            hashes[at] = number(record.stamp_of(file) or "")
        if together(hashes) != known:
            # Some have changed; or the fingerprint was never right.
            records = {
                (at, record.file): record
                for at in set(places)
                for record in map(Distribution.read, self._lines(at))
            }
            for at, found in enumerate(hashes, start):
                name, file = directory_of(at)
                if found != number(records[places[at], name].stamp_of(file) or ""):
                    touched[at] = name, file
        self.watch |= watch_of(self.key, block, hashes)
        if any(file != ENTRY_POINTS[1:] for _, file in touched.values()):
            raise _TakesMoreError  # metadata decides
        return {(places[at], name): True for at, (name, _) in touched.items()}

    def _lines(self, place: int) -> "list[str]":
        """Return the lines of the distributions of a path entry."""
        return self.blocks[place].split("\n")[1:-1]

    def _record(self, place: int, file: str) -> Distribution:
        _, line = _without(self.blocks[place], f"[{quote(file)},")
        return Distribution.read(line)


def _hashes(
    files: "list[Any]", by_content: "list[int]", base: "int | None"
) -> "tuple[list[int], list[int]]":
    """Return the stat hashes of files, and the places of those that have no status."""
    went: list[int] = []

    def statuses() -> "Iterator[os.stat_result]":
        for at, file in enumerate(files):
            try:
                yield Seam.stat(file, dir_fd=base)
            except (OSError, ValueError):
                went.append(at)

    found = numbers(statuses())
    for at in went:
        found.insert(at, 0)
    for at in by_content:
        try:
            found[at] = with_content(found[at], checksum(files[at], base))
        except OSError:
            pass  # then it is another than it was
    return found, went


def _folders(line: bytes) -> "list[str]":
    r"""Return of which metadata folders the entry_points.txt is in a line of the watch.

    >>> _folders(b'["a-1.dist-info/METADATA","b.egg-info/entry_points.txt"]\n')
    ['b.egg-info']
    """
    # Nearly all lines have nothing else, and no escapes: then one pass will do.
    *names, rest = f'{line.decode()[2:-3]}","'.split(_QUOTED + '","')
    whole = "".join(names)
    if rest or '"' in whole or "\\" in whole:
        names, end = texts(line.decode()[:-1]), ENTRY_POINTS
        return [name.removesuffix(end) for name in names if name.endswith(end)]
    return names


def _without(text: str, begin: str) -> "tuple[str, str]":
    r"""Return text without the line that begins so, and that line; "" if none does.

    >>> _without("g\n[1]\n[2]\n", "[1")
    ('g\n[2]\n', '[1]')
    """
    at = text.find("\n" + begin)
    if at < 0:
        return text, ""
    end = text.index("\n", at + 1)
    return text[:at] + text[end:], text[at + 1 : end]


def _with(text: str, line: str) -> str:
    r"""Return text with a line more, where the order wants it; the first stays first.

    >>> _with('g\n["aa","k"]\n["bb","m"]\n', '["cc","l"]')
    'g\n["aa","k"]\n["cc","l"]\n["bb","m"]\n'
    """
    wanted = _order(line)
    # Both stand on a newline; the line belongs behind one between them.
    low, high = text.index("\n"), len(text) - 1
    while low < high:
        middle = text.rindex("\n", low, (low + high) // 2 + 1)
        end = text.index("\n", middle + 1)
        if _order(text[middle + 1 : end]) <= wanted:
            low = end
        else:
            high = middle
    return f"{text[: low + 1]}{line}\n{text[low + 1 :]}"


def _order(line: str) -> "tuple[int, str]":
    """Return the number of the path entry, if the line says it, and the key.

    >>> _order('["0","12","a-1.dist-info","a","A","1"]')
    (12, 'a')
    """
    place = int(line[6 : line.index('"', 6)]) if _is_of_group(line) else 0
    return place, _words(line)[1]


def _is_of_group(line: str) -> bool:
    # It says first if it is shadowed: no metadata folder has one character.
    return line[3] == '"'


def _words(line: str) -> "tuple[str, str]":
    r"""Return the metadata folder and the key of the distribution of a line.

    >>> _words('["0","12","a-1.dist-info","a","A","1"]')
    ('a-1.dist-info', 'a')
    >>> _words(r'["\u00e4-1.dist-info","\u00e4","-","1"]')
    ('ä-1.dist-info', 'ä')
    """
    of_group = _is_of_group(line)
    if "\\" in line:
        values = texts(line)[2 if of_group else 0 :]
        return values[0], values[1]
    words = line.split('"', 8 if of_group else 4)[5 if of_group else 1 :: 2]
    return words[0], words[1]
