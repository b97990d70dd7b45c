"""What was learned of plugins from their sources, remembered beside the index.

Advisory: what is doubtful here was not learned, which costs time, never an answer.
The format is described in docs/index-format.md.
"""

import os
import sys

from .. import _environment, _files, _settings
from .._files import Seam
from .._index import COARSE, DOUBT, TITLE_LENGTH, digest, front_of, stamp, title
from .._json_text import quote, scan_once, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._environment import Snapshot
    from .._extension import Extension
    from .._types import Read
    from .source import Scope, Search, Sources

    # kind and group
    Part = tuple[str, str]
    # key of the distribution, value of the entry point
    About = tuple[str, str]
    # of a name that was looked for: itself, how many stable path entries do not have
    # it, and the rest as in `_source`
    Way = list[Any]
    # the ways, the stamps of files and folders (None: it is not there), the answer
    Fact = tuple[list[Way], dict[str, str | None], Any]
    Learned = dict[About, Fact]
    # a path entry in which a top-level name may stand, and the number of the stable
    # one at which a way must have ended not to have passed it
    Doubt = tuple[int, str]

# What is asked was not learned, or does not hold.
UNKNOWN: "Any" = object()
# The modules of Python's own finders, frozen or not.
_OWN = ("_frozen_importlib", "importlib._bootstrap", "zipimport")
SCHEMA = 2
# The summaries of some seven thousand plugins. It is written whole, where a process
# that learned something ends.
SIZE_CAP = 1 << 22
# Programs that change sys.path again and again must not fill the memory.
_MOST = 16


def summary(extension: "Extension[Any]") -> "str | None":
    """Return the first line of the docstring of what an extension refers to.

    Taken from its source; None where there is none. Imports nothing of the plugin.
    """

    def first_line(doc: str) -> "str | None":
        from .source import first_line  # deferred: imports ast

        return first_line(doc)

    extension.summary = docstring(extension, "summary", first_line)
    return extension.summary


def docstring(
    extension: "Extension[Any]", kind: str, part: "Callable[[str], str | None]"
) -> "str | None":
    """Return a part of the docstring that the source says; None if it says none.

    :param kind: under which that part is remembered.
    :param part: takes it from the docstring. Not called where it is remembered.
    """
    known = facts()
    told: str | None = known.recall(extension, kind)
    if told is None or isinstance(told, str):
        return told
    found = source_of(extension)
    if found is None:
        return None
    scope, sources = found
    told = None if scope is None or scope.doc is None else part(scope.doc)
    # Parsing a source takes longer than its import: it is done once.
    known.learn(extension, kind, told, sources)
    return told


def source_of(extension: "Extension[Any]") -> "tuple[Scope | None, Sources] | None":
    """Return what the source says of what an extension refers to, and where it is.

    None if nothing is known of its module. Imports nothing of the plugin.
    """
    module, attr = _target(extension)
    return None if module is None else facts().search().target(module, attr)


def place(extension: "Extension[Any]") -> "tuple[str, int] | None":
    """Return the file and the line of what an extension refers to, as Search has it.

    None if nothing is known of its module. Imports nothing of the plugin.
    """
    module, attr = _target(extension)
    return None if module is None else facts().search().place(module, attr)


def is_missing(extension: "Extension[Any]") -> bool:
    """Is it sure that the module of an extension does not exist? Imports nothing."""
    module, _ = _target(extension)
    return module is not None and facts().search().is_missing(module)


def _target(extension: "Extension[Any]") -> "tuple[str | None, str | None]":
    if extension._module is None:
        from .._indexing.metadata import split_value  # deferred: rows are split

        return split_value(extension.value)
    return extension._module, extension.attr


def _are_own() -> bool:
    """Return True if all finders and path hooks are Python's own."""
    return all(map(_is_own, sys.meta_path)) and all(map(_is_own, sys.path_hooks))


def _is_own(finder: "Any") -> bool:
    """Return True if a finder, or a path hook, is one of Python's own."""
    return str(getattr(finder, "__module__", "")).startswith(_OWN)


def told(name: str, path: "list[str] | None", stage: int) -> "list[Any] | None":
    """Return what third-party finders say of a module.

    That is its file ("": one that cannot be read, None: a namespace package), and the
    directories of its submodules (None: it is not a package); [] if no finder knows it.
    None if a finder failed: the import would, too. The finders are asked as an import
    asks them: those of editable installations know where the source is.

    :param path: the path of its parent package; None for a top-level module.
    :param stage: which finders are asked: BEFORE, AMONG or BEHIND of `_source`.
    """
    from .finders import EntryFinders, finders, spec_of  # deferred: few have any

    try:
        asked = finders(_is_own)
        places = [at for at, each in enumerate(asked) if isinstance(each, EntryFinders)]
        if places and stage < 2:
            asked = asked[: places[0] + stage]
        spec = spec_of(asked, name, path)
        if spec is None:
            return []
        file, folders = spec.origin, spec.submodule_search_locations
        if file is None and spec.loader is not None:
            file = ""
        return [
            None if file is None else os.fsdecode(file),
            None if folders is None else list(map(os.fsdecode, folders)),
        ]
    except Exception:  # third-party code
        return None


class Facts:
    """The learned facts of one snapshot: those of the file, and those of this process.

    :param snapshot: the environment that they are about.
    """

    def __init__(self, snapshot: "Snapshot") -> None:
        self.snapshot = snapshot
        # Not what may be put in its place: what is learned belongs to its stamps.
        self.index = snapshot.index
        self.key = snapshot.key
        # Of the path entries in this order: a frozen index may have another.
        known = dict(zip(self.index.key[1:], self.index.stamps))
        self.stamps = [known.get(path) for path in self.key[1:]]
        mode = _settings.one_of("LAZYPLUG_CACHE", _settings.MODES)
        self._folder = None if mode == "off" else _settings.cache_folder()
        self._name = snapshot.file[: -len("json")] + "facts"
        self._writes = mode == "on" and self._folder is not None
        self._parts: dict[Part, tuple[list[Doubt], Learned]] = {}
        self._new: dict[Part, Learned] = {}
        self._path = os.path.join(self._folder or "", self._name)
        before = _unwritten.get(self._path)
        if before is not None and before.stamps == self.stamps:
            self._new = before._new
        # What was looked at counts as long as the snapshot does.
        self._stamps: dict[str, str | None] = {}
        self._names: dict[str, set[str] | None] = {}
        self._told: dict[tuple[Any, ...], list[Any] | None] = {}
        # the finders at the last query; whether any of them are third-party finders
        self._finders: list[int] = []
        self._asks = True
        self._search: Search | None = None

    def recall(self, extension: "Extension[Any]", kind: str) -> "Any":
        """Return what was learned of an extension if it still holds; else UNKNOWN."""
        about = self._about(extension)
        if about is None:
            return UNKNOWN
        part = kind, extension.group
        fact = self._new.get(part, {}).get(about)
        if fact is not None and self._holds(fact, self._doubts(self.stamps)):
            return fact[2]
        if part not in self._parts:
            self._parts[part] = self._read(part)
        doubts, learned = self._parts[part]
        fact = learned.get(about)
        if fact is not None and self._holds(fact, doubts):
            return fact[2]
        return UNKNOWN

    def learn(
        self, extension: "Extension[Any]", kind: str, answer: "Any", sources: "Sources"
    ) -> None:
        """Remember an answer, as JSON has it, for as long as its sources are the same.

        It is not remembered where stamps would not tell that it changed. Raises
        TypeError if it is nothing that JSON has.
        """
        about = self._about(extension)
        if about is None or not sources.firm:
            return
        from .._content import signature
        from .._indexing.reading import settled

        stamps: dict[str, str | None] = {}
        for path, was_there in sources.files.items():
            now: str | None = None
            try:
                status = Seam.stat(path)
                now = signature(path, status)
            except (FileNotFoundError, NotADirectoryError, ValueError):
                status = None
            except OSError:
                return  # a temporary failure: the next time it may differ
            if (status is not None) != was_there:
                return  # it changed meanwhile
            if status is not None and not settled(status, False, sources.clock):
                return  # it may change, and the stamp stay the same
            stamps[path] = self._stamps[path] = now
        ways = []
        for name, (place, *rest) in sources.ways.items():
            volatile = [at for at in self.snapshot.volatile if at < place]
            ways.append([name, place - len(volatile), *rest])
        line = scan_once(to_json([*about, ways, stamps, answer]), 0)[0]
        part = kind, extension.group
        self._new.setdefault(part, {}).update([_fact(line)])
        if self._writes:
            _remember(self._path, self)

    def search(self) -> "Search":
        """Return where the modules of this `sys.path` are looked for."""
        if self._search is None:
            from .source import Search  # deferred: imports ast

            seen = self.snapshot.entries, self.snapshot.volatile
            self._search = Search(*seen, Seam.clock, self._tell)
        return self._search

    def _about(self, extension: "Extension[Any]") -> "About | None":
        """Return what facts of an extension are kept under; None: none are kept.

        So it is with what no distribution declares, and with distributions of
        volatile path entries and of foreign finders.
        """
        owner = extension._owner
        if owner is None or not isinstance(owner[1], str):
            return None
        if owner[1] not in self.key[1:]:
            return None
        # Without the version: the stamps tell if another one has other sources.
        return owner[0], extension.value

    # Does it still hold?

    def _doubts(self, stamps: "list[str | None]") -> "list[Doubt]":
        """Return the path entries that may have got another module since then.

        The stable ones had these stamps; the index is true, so its own are those of
        now. Volatile ones may be others in every process.
        """
        doubts: list[Doubt] = []
        is_frozen = self._is_frozen()
        young = {self.index.key[place + 1] for place in self.index.young}
        number = 0
        for place, entry in enumerate(self.snapshot.entries):
            if place in self.snapshot.volatile:
                doubts.append((number - 1, entry))
            else:
                now = self.stamps[number]
                # With a frozen index, or in a path entry whose times are not reliable,
                # new modules may be missed.
                unseen = entry in young or entry in self.snapshot.covered or is_frozen
                if stamps[number] != now or unseen or not _tells_changes(now):
                    doubts.append((number, entry))
                number += 1
        return doubts

    def _is_frozen(self) -> bool:
        frozen = self.snapshot.frozen
        return frozen is not None and frozen.answers

    def _passes(self, ways: "list[Way]", doubts: "list[Doubt]") -> bool:
        """Would names be looked for in vain where they were not found?"""
        return not any(
            number < passed and self._may_have(entry, name)
            for name, passed, *_ in ways
            for number, entry in doubts
        )

    def _may_have(self, entry: str, name: str) -> bool:
        if entry not in self._names:
            self._names[entry] = _names_in(entry)
        names = self._names[entry]
        return names is None or name in names

    def _holds(self, fact: "Fact", doubts: "list[Doubt]") -> bool:
        ways, stamps, _ = fact
        if not self._passes(ways, doubts):
            return False
        for name, _, path, stage, answered in ways:
            if answered != self._tell(name, path, stage):
                return False
        if self.snapshot.checked not in _settings.CHECKS_ENTRIES:
            return True
        for path, known in stamps.items():
            if path not in self._stamps:
                self._stamps[path] = _stamp_of(path, known)
            if self._stamps[path] != known:
                return False
        return True

    def _tell(
        self, name: str, path: "list[str] | None", stage: int
    ) -> "list[Any] | None":
        finders = [*map(id, sys.meta_path), *map(id, sys.path_hooks)]
        if finders != self._finders:
            self._finders = finders
            self._told.clear()
            self._asks = not _are_own()
        if not self._asks:
            return []
        key = name, stage, *(path or ())
        if key not in self._told:
            self._told[key] = told(name, path, stage)
        return self._told[key]

    # The file.

    def _read(self, part: "Part") -> "tuple[list[Doubt], Learned]":
        """Return a part of the file, and what is to be doubted of it."""
        if self._folder is None or not _files.trusted_folder(self._folder):
            return [], {}
        index_file = _files.IndexFile(self._path)
        try:
            _, stamps, front, chunk = opened(index_file.read, self.key)
            # A newline never stands inside JSON text: as in an index.
            at = front.find(f"\n[{quote(part[0])},{quote(part[1])},".encode())
            if at < 0:
                return [], {}
            line = front[at + 1 : front.index(b"\n", at + 1)]
            learned = part_of(line, index_file.read, chunk, len(front))[1]
            return self._doubts(stamps), learned
        except DOUBT:
            return [], {}
        finally:
            index_file.close()

    def _kept(self) -> "tuple[bytes, dict[Part, Learned]]":
        """Return the front of the file, if all in it is whole, and what may hold."""
        found: dict[Part, Learned] = {}
        front, whole = b"", True
        index_file = _files.IndexFile(self._path)
        try:
            _, stamps, front, chunk = opened(index_file.read, self.key)
            # Nothing that is learned depends on what is volatile.
            stable = self.key[1:]
            doubts = [doubt for doubt in self._doubts(stamps) if doubt[1] in stable]
            for line in front.split(b"\n")[1:-1]:
                try:
                    part, learned = part_of(line, index_file.read, chunk, len(front))
                except DOUBT:
                    whole = False
                    continue
                found[part] = {
                    about: fact
                    for about, fact in learned.items()
                    if self._passes(fact[0], doubts)
                }
        except DOUBT:
            whole = False
        finally:
            index_file.close()
        return front if whole else b"", found

    def write(self) -> None:
        """Write what was learned here, with what the file has by now.

        Nothing is written if the environment changed: who looks next learns better.
        What no distribution declares any more is left out.
        """
        from .._indexing.storage import store  # deferred: if something was learned

        covered = self.snapshot.covered
        if self._folder is None or not (
            self._is_frozen() or _environment.still_true(self.index, "dirs", covered)
        ):
            return
        front, found = self._kept()
        for part, learned in self._new.items():
            known = found.setdefault(part, {})
            for about, fact in learned.items():
                if about not in known or _changed(known[about]) <= _changed(fact):
                    known[about] = fact
        try:
            for (_, group), learned in found.items():
                rows = self.index.rows(group)
                declared = {(owner[0], row[1]) for row, owner in rows}
                for about in learned.keys() - declared:
                    del learned[about]
        finally:
            self.index.close()
        content = encode(self.key, self.stamps, found)
        # It has a checksum of every part.
        if not content.startswith(title(front) + front):
            store(self._folder, self._name, content)


_latest: "Facts | None" = None
# those that have something to write, by the paths of their files
_unwritten: "dict[str, Facts]" = {}


def facts() -> Facts:
    """Return the learned facts of this `sys.path`."""
    global _latest  # noqa: PLW0603
    snapshot = _environment.current()
    if (
        _latest is None
        or _latest.snapshot is not snapshot
        or _latest.index is not snapshot.index
    ):
        _latest = Facts(snapshot)
    return _latest


def _remember(path: str, known: Facts) -> None:
    """See to it that these facts are written when the process ends."""
    if len(_unwritten) >= _MOST:
        _unwritten.clear()
    if not _unwritten:
        import atexit

        atexit.unregister(write)
        atexit.register(write)
    _unwritten[path] = known


def write() -> None:
    """Write all that was learned and is not yet written."""
    while _unwritten:
        _, known = _unwritten.popitem()
        try:
            known.write()
        except Exception as error:  # at the end of a process it would be printed
            from .._log import debug

            debug(f"what was learned was not written: {error!r}")


def forget(folder: str) -> None:
    """Give up what is not yet written to a cache directory."""
    for path in list(_unwritten):
        if path.startswith(os.path.join(folder, "")):
            _unwritten.pop(path, None)


if hasattr(os, "register_at_fork"):
    # What the parent learned the parent writes.
    os.register_at_fork(after_in_child=_unwritten.clear)


def _tells_changes(known: "str | None") -> bool:
    """Return False if a signature has no checksum, and its times are not reliable.

    >>> _tells_changes("0 0 3 4"), _tells_changes("0 0 3 4 0123456789abcdef")
    (False, True)
    >>> _tells_changes("0 1 3 4"), _tells_changes(None)
    (True, True)
    """
    if known is None or known.count(" ") != 3:
        return True
    modified, changed, *_ = known.split(" ")
    return changed != modified or int(changed, 16) % COARSE != 0


def _names_in(folder: str) -> "set[str] | None":
    """Return the names of what may be modules in a folder; None: nobody knows."""
    try:
        return {file.partition(".")[0] for file in Seam.listdir(folder)}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError):
        return None  # a zip, or one that may be read in the next moment


def _stamp_of(path: str, known: "str | None") -> "str | None":
    try:
        # access says no without raising, at a quarter of the price.
        if known is None and not Seam.access(path, 0):
            return None
        now = stamp(Seam.stat(path))
        if known is not None and known.count(" ") > 3:
            from .._content import signature  # deferred: few file systems need it

            now = signature(path, Seam.stat(path))
        return now
    except (OSError, ValueError):
        return None


def _changed(fact: "Fact") -> int:
    """Return when what a fact came from changed last."""
    times = [0]
    for known in fact[1].values():
        try:
            times.append(int((known or "").split(" ")[1], 16))
        except (LookupError, ValueError):
            continue  # it was not there, or its stamp is damaged: it orders nothing
    return max(times)


def opened(
    read: "Read", wanted: "list[str] | None" = None
) -> "tuple[list[str], list[str | None], bytes, bytes]":
    """Return the key and stamps in a file of facts, its front, what else was read.

    Raises one of DOUBT if it is not such a file, of the key that is wanted if any is.
    """
    front, chunk, after = front_of(read)
    head = scan_once(front[: front.index(b"\n")].decode(), 0)[0]
    key: list[str] = head["key"]
    if head["facts"] != SCHEMA or wanted not in (None, key):
        raise ValueError("head")
    return key, head["stamps"], front, chunk[after:]


def part_of(
    line: bytes, read: "Read", chunk: bytes, length: int
) -> "tuple[Part, Learned]":
    """Return the part that a line of the table names, with its facts.

    `chunk` is what was read of the file behind its front, which has this length.
    Raises one of DOUBT if it is damaged.
    """
    kind, group, offset, size, wanted = scan_once(line.decode(), 0)[0]
    data = chunk[offset : offset + size]
    if len(data) < size:
        data = read(TITLE_LENGTH + length + offset, size)
    if digest(data) != wanted:
        raise ValueError("part")
    # One line after the other, made into one list.
    named, *lines = scan_once("[" + data.decode().replace("\n", ",") + "]", 0)[0]
    if named != [kind, group]:
        raise ValueError("part")
    return (kind, group), dict(map(_fact, lines))


def _fact(line: "list[Any]") -> "tuple[About, Fact]":
    key, value, ways, stamps, answer = line
    for name, passed, path, stage, _ in ways:
        kinds = name.__class__, passed.__class__, stage.__class__
        if kinds != (str, int, int):
            raise ValueError("way")
        "".join(path or ())  # all of them are text
    "".join(filter(None, stamps.values()))  # all of them are text
    return (key, value), (ways, stamps, answer)


def encode(
    key: "list[str]", stamps: "list[str | None]", found: "dict[Part, Learned]"
) -> bytes:
    """Return a file of facts as it is written; what would make it too large is left."""
    room = SIZE_CAP
    lines: dict[Part, list[str]] = {}
    for part, learned in found.items():
        for about, fact in learned.items():
            line = to_json([*about, *fact])
            if len(line) < room:
                room -= len(line) + 1
                lines.setdefault(part, []).append(line)
    head = to_json({"facts": SCHEMA, "key": key, "stamps": stamps})
    table = [head]
    texts: list[str] = []
    offset = 0
    for part in sorted(lines):
        text = "\n".join([to_json(part), *sorted(lines[part])])
        texts.append(text)
        table.append(to_json([*part, offset, len(text), digest(text.encode())]))
        offset += len(text) + 1
    front = "".join([line + "\n" for line in table]).encode()
    return title(front) + front + "\n".join(texts).encode()
