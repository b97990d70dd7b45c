"""An index is brought up to date: lines are exchanged, the rest stays as it is.

By far the most changes are a few distributions installed, upgraded, removed or
edited. What is exchanged for them equals, byte for byte, what `rebuild` would
write, which is left to do where more has changed.
"""

import os

from .._content import checksum, is_standard_library, signature, with_content
from .._files import DIRECTORY, KIND, SIZE_CAP, Seam, looked_from
from .._index import (
    DOUBT,
    NOTHING,
    Index,
    numbers,
    quote,
    stamp,
    texts,
    together,
)
from .._settings import news
from .records import (
    Distribution,
    assemble,
    detail_text,
    from_bytes,
    group_text,
    groups_of,
    is_by_content,
    is_lent,
    number,
    own_line,
    own_of,
    set_group,
    texts_line,
)
from .scan import ENTRY_POINTS, list_folder, scan_distribution, settled
from .storage import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, TypeVar

    from .._environment import Snapshot
    from .records import Place

    T = TypeVar("T")

    # what came, went or changed: is it there?
    Touched = dict[Place, bool]


_QUOTED = quote(ENTRY_POINTS)[1:-1]
# Where more distributions changed, `rebuild` is no slower.
_MOST = 32
# While path entries change, so many more looks are taken for an answer that was true
# at one moment; after that it may be of several.
_MORE_LOOKS = 9


class _TakesMoreError(Exception):
    """An exchange of lines will not do."""


def update(
    snapshot: "Snapshot",
    index: "Index | None",
    mode: str,
    folder: "str | None",
    close: "Callable[[], object]",
    scan: bool = False,
) -> Index:
    """Return an index of what is there now, and write it where that is allowed.

    `index` is what was believed so far; `close` closes its file. Nothing is written
    if nothing changed; nothing is taken over from any other index if `scan`.
    """
    clock = Seam.clock()
    # Read before anything else is opened: that may take the last descriptor.
    try:
        if index is not None:
            index = from_bytes(index.read(0, SIZE_CAP))
    except (OSError, ValueError):
        index = None  # it went away, or was damaged meanwhile
    finally:
        close()
    known = index.front if index else b""
    donors = None if scan else folder
    content = _look(snapshot, index, donors, clock)
    fresh = from_bytes(content)
    for _ in range(_MORE_LOOKS):
        if not _moved(fresh, snapshot.covered):
            break
        # What came or went in the meantime was seen in part, maybe.
        content = _look(snapshot, fresh, donors, clock)
        fresh = from_bytes(content)
    # The front holds a checksum of every part.
    if mode == "on" and folder and fresh.front != known:
        store(folder, snapshot.file, content)
    return fresh


def _look(
    snapshot: "Snapshot", index: "Index | None", folder: "str | None", clock: int
) -> bytes:
    covered = snapshot.covered
    if index is not None:
        try:
            return _Lines(index, covered).exchanged(clock)
        except _TakesMoreError:
            pass
        except DOUBT:
            index = None  # damaged where it was not read before
    from .rebuild import rescan  # deferred: seldom

    frozen = snapshot.frozen
    thorough = snapshot.checked == "full"
    lender = None if frozen is None else frozen.index
    try:
        return rescan(snapshot.key, index, thorough, folder, clock, covered, lender)
    except ValueError:
        if frozen is None:
            raise
        frozen.give_up(snapshot)
        return _look(snapshot, None, folder, clock)


def _moved(index: Index, covered: "Mapping[str, str]") -> bool:
    """Did a path entry change since it was looked at for this index?"""
    for path, known in zip(index.key[1:], index.stamps):
        if path in covered:
            continue
        try:
            status = Seam.stat(path)
            now = signature(path, status) if is_by_content(known) else stamp(status)
        except (OSError, ValueError):
            now = None
        if now != known:
            return True
    return False


def read_anew(
    snapshot: "Snapshot", damaged: Index, part: "Callable[..., T]", *arguments: str
) -> "T":
    """Return a part of the index of a snapshot, where that was damaged or replaced.

    Another thread, or process, may have mended it by now. What is damaged once more
    is scanned.
    """
    if snapshot.index is damaged:
        frozen = snapshot.frozen
        if frozen is not None and damaged is frozen.index:
            frozen.give_up(snapshot)
        snapshot.index = snapshot.true_index(damaged.front)
    index = snapshot.index
    try:
        return part(index, *arguments)
    except ValueError:
        pass
    finally:
        index.close()
    snapshot.index = index = snapshot.true_index(scan=True)
    return part(index, *arguments)


class _Lines:
    """The lines of an index, found by what they are about.

    `covered` are the path entries that a frozen index covers, with what stands for
    their stamps. Raises ValueError if the index is damaged.
    """

    def __init__(self, index: Index, covered: "Mapping[str, str]" = NOTHING) -> None:
        self.key = index.key
        self.stamps = list(index.stamps)
        self.covered = covered
        self.settled = index.settled
        self.groups = groups_of(index)
        # those that are exchanged, by their quoted names
        self.texts: dict[str, str] = {}
        self.detail = detail_text(index)
        # Of each path entry the line of the files that are absent, that of those that
        # have stamps, and what these were together.
        self.watch: dict[int, tuple[bytes, bytes]] = {}
        self.known: dict[int, str] = {}
        # the numbers of these stamps, as soon as they were looked at
        self.numbers: dict[int, list[int]] = {}
        # the names of the files that are compared by content, as in JSON
        self.by_content: dict[int, set[str]] = {}
        watched = index.watched()
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
            for place, absent, present, known, by_content in watched:
                self.watch[place] = absent, present
                self.known[place] = known
                if by_content:
                    names = _names(present)
                    self.by_content[place] = {names[at] for at in by_content}
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
            {
                place: (*lines, together(self.numbers[place]), self._places(place))
                for place, lines in self.watch.items()
            },
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
        if fresh.problems and fresh.problems != (old and old.problems):
            news.append(file)
        keys[fresh.key] = keys.get(fresh.key, 0) + 1
        self.blocks[place] = _with(self.blocks[place], fresh.line())
        self._watch(place, name, fresh.stamp)
        for group, text in (fresh.fragments or {}).items():
            name = quote(group)
            self.texts[name] = _with(self._group(name), f'["0","{place}",{text}')
        self.settled &= fresh.settled

    def _unwatch(self, place: int, name: str) -> None:
        """Look at a file no more. Its name is as JSON has it between quotes."""
        nothing = texts_line([])
        absent, present = self.watch.setdefault(place, (nothing, nothing))
        known = self.numbers.setdefault(place, [])
        quoted = f'"{name}"'.encode()
        if quoted in present:
            names = _names(present)
            at = names.index(name)
            del names[at], known[at]
            present = texts_line(names)
            self.by_content.get(place, set()).discard(name)
        if quoted in absent:
            names = _names(absent)
            names.remove(name)
            absent = texts_line(names)
        self.watch[place] = absent, present

    def _watch(self, place: int, name: str, stamp: "str | None") -> None:
        """Look at a file from now on: it has this stamp, or must not come."""
        absent, present = self.watch[place]
        if stamp is None:
            absent = texts_line(sorted([*_names(absent), name]))
        else:
            names = sorted([*_names(present), name])
            self.numbers[place].insert(names.index(name), number(stamp))
            if is_by_content(stamp):
                self.by_content.setdefault(place, set()).add(name)
            present = texts_line(names)
        self.watch[place] = absent, present

    def _places(self, place: int) -> "list[int]":
        """Return the places of the files that are compared by content."""
        found = self.by_content.get(place)
        if not found:
            return []
        names = _names(self.watch[place][1])
        return [at for at, name in enumerate(names) if name in found]

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
                status = Seam.stat(path)
                # Before it is listed.
                whole = signature(path, status)
            except (OSError, ValueError):
                if known is None:
                    continue
                raise _TakesMoreError from None
            now = whole if is_by_content(known) else stamp(status)
            if now == known and place not in self.young:
                continue
            if known is None or status.st_mode & KIND != DIRECTORY:
                raise _TakesMoreError
            own = self._own(place)
            # It is an archive; or it could not be listed the last time.
            if not own.startswith('["","0"') or f",{quote(path)}," in own:
                raise _TakesMoreError
            folders = [f for line in self.watch.get(place, ()) for f in _folders(line)]
            came, gone, reason = list_folder(path, folders)
            if reason:
                raise _TakesMoreError
            for file in came:
                touched[place, file] = True
            for file in gone:
                touched[place, file] = False
            # As `look` of `rebuild` has it.
            holds_metadata = came or not gone.issuperset(folders)
            listed = holds_metadata or not is_standard_library(path)
            now = whole if listed else stamp(status)
            self.stamps[place] = now
            if settled(status, now == known, clock):
                self.young.discard(place)
            else:
                self.young.add(place)
        return touched

    def _touched_files(self) -> "Touched":
        """Return the distributions of which a file came, went, changed or is young."""
        touched: Touched = {}
        for place, lines in self.watch.items():
            try:
                base, absent, present = looked_from(self.key[place + 1], *lines)
            except OSError:
                raise _TakesMoreError from None
            try:
                folders = self._touched_in(place, base, absent, present)
            finally:
                if base is not None:
                    Seam.close(base)
            for folder in folders:
                touched[place, folder] = True
        if not self.settled:
            for place, block in enumerate(self.blocks):
                for line in block.split("\n")[1:-1]:
                    # Of most it is plain to see.
                    if ',"1","1",' not in line and not Distribution.read(line).settled:
                        touched[place, _words(line)[0]] = True
        return touched

    def _touched_in(
        self, place: int, base: "int | None", absent: "list[Any]", present: "list[Any]"
    ) -> "list[str]":
        """Return the metadata folders in which a file came, went or changed."""
        known = self.known[place]
        if not known:
            raise _TakesMoreError  # something there could not be read
        access = Seam.access
        skip = 0 if base is not None else len(os.path.join(self.key[place + 1], ""))
        touched = [_folder(f, skip) for f in absent if access(f, 0, dir_fd=base)]
        # the places of those that have no status
        went: list[int] = []
        found = numbers(_statuses(present, base, went))
        for at in went:
            folder = _folder(present[at], skip)
            _, line = _without(self.blocks[place], f"[{quote(folder)},")
            found.insert(at, number(Distribution.read(line).stamp or ""))
            touched.append(folder)
        for at in self._places(place):
            try:
                found[at] = with_content(found[at], checksum(present[at], base))
            except OSError:
                pass  # then it is another than it was
        self.numbers[place] = found
        if together(found) != known:
            # Some have changed; or what they were together was never true.
            lines = self.blocks[place].split("\n")[1:-1]
            records = {each.file: each for each in map(Distribution.read, lines)}
            for at, file in enumerate(present):
                folder, inside = _split(file, skip)
                wanted = number(records[folder].stamp_of(inside) or "")
                if found[at] != wanted:
                    found[at] = wanted
                    touched.append(_folder(file, skip))
        return touched


def _statuses(
    files: "list[Any]", base: "int | None", went: "list[int]"
) -> "Iterator[os.stat_result]":
    """Yield the statuses of files; the places of those that have none join `went`."""
    stat = Seam.stat
    for at, file in enumerate(files):
        try:
            yield stat(file, dir_fd=base)
        except (OSError, ValueError):
            went.append(at)


def _split(file: "str | bytes", skip: int) -> "tuple[str, str]":
    """Return the metadata folder of a file that is watched, and its name in there.

    `skip` is the length of what stands before them.

    >>> _split(b"a-1.dist-info/METADATA", 0), _split("/s/a-1.egg-info", 3)
    (('a-1.dist-info', 'METADATA'), ('a-1.egg-info', ''))
    """
    folder, _, name = os.fsdecode(file)[skip:].partition(os.sep)
    return folder, name


def _folder(file: "str | bytes", skip: int) -> str:
    """Return the metadata folder of a file that is watched; it is touched.

    Raises _TakesMoreError unless that is entry_points.txt: metadata decides.
    """
    folder, name = _split(file, skip)
    if name != ENTRY_POINTS[1:]:
        raise _TakesMoreError
    return folder


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


def _names(line: bytes) -> "list[str]":
    r"""Return the texts of a line of the watch, as JSON has them between quotes.

    >>> _names(b'["/a","/b\\\\c"]\n'), _names(b'[]\n')
    (['/a', '/b\\\\c'], [])
    """
    return line.decode()[2:-3].split('","') if len(line) > 3 else []


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
