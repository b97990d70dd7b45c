"""Remember facts that were learned from the sources of plugins, next to the index.

Facts are advisory: a doubtful fact is ignored and learned again, which costs time but
never changes an answer. The file format is described in docs/index-format.md.
"""

import os
import sys

from .. import _environment, _files, _settings
from .._files import fs
from .._index import (
    COARSE,
    DECODE_ERRORS,
    TITLE_LENGTH,
    digest,
    read_header,
    stat_signature,
    title,
)
from .._json_text import quote, scan_once, to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .._entry_point import EntryPoint
    from .._environment import Environment
    from .._extension import Extension
    from .._types import Read
    from .source import Scope, Search, Sources

    # What a fact is about: an entry point, or None for the whole environment.
    Handle = Extension[Any] | EntryPoint | None
    # the kind of the facts, and the group
    Part = tuple[str, str]
    # the key of the distribution, and the value of the entry point
    FactKey = tuple[str, str]
    # the name of a module, how many stable path entries do not have it, and the rest
    # as in `source`
    Lookup = list[Any]
    # the lookups, the signatures of files and directories (None: missing), the answer
    Fact = tuple[list[Lookup], dict[str, str | None], Any]
    FactTable = dict[FactKey, Fact]
    # A number, and a path entry that may contain new modules. A lookup has passed this
    # entry if it passed more stable entries than that number.
    ChangedEntry = tuple[int, str]

# The answer of `recall` if the fact was not learned, or is no longer valid.
UNKNOWN: "Any" = object()
# The modules of Python's own finders, frozen or not.
_PYTHON_FINDERS = ("_frozen_importlib", "importlib._bootstrap", "zipimport")
SCHEMA = 2
# The key of a fact about the whole environment.
_WHOLE = "", ""
# Room for the summaries of some seven thousand plugins. A process that learned
# something rewrites the whole file when it ends.
SIZE_CAP = 1 << 22
# A limit for programs that change sys.path again and again.
_MAX_UNWRITTEN = 16


def missing_module(extension: "Extension[Any]") -> str:
    """Return the reason why an extension whose module is missing cannot be loaded."""
    from .. import _messages as messages  # deferred: only on failure

    return messages.NO_MODULE.format(name=extension._module)


def summary(extension: "Extension[Any]") -> "str | None":
    """Return the first line of the docstring of the target of an extension.

    It is read from the source; None if the source shows no docstring. Imports nothing
    of the plugin.
    """

    def first_line(doc: str) -> "str | None":
        from .source import first_line  # deferred: imports ast

        return first_line(doc)

    extension.summary = docstring(extension, "summary", first_line)
    return extension.summary


def docstring(
    extension: "Extension[Any]", kind: str, part: "Callable[[str], str | None]"
) -> "str | None":
    """Return a part of the docstring in the source; None if there is no docstring.

    :param kind: the kind of fact as which the part is remembered.
    :param part: returns the part of a docstring. It is not called if the part is
        remembered.
    """
    known = facts()
    text: str | None = known.recall(extension, kind)
    if text is None or isinstance(text, str):
        return text
    found = source_of(extension)
    if found is None:
        return None
    scope, sources = found
    text = None if scope is None or scope.doc is None else part(scope.doc)
    # Parsing a source takes longer than importing it, so it is done once.
    known.learn(extension, kind, text, sources)
    return text


def source_of(extension: "Extension[Any]") -> "tuple[Scope | None, Sources] | None":
    """Return the scope of the target of an extension, and the sources it comes from.

    The scope is None if the source does not show it. The result is None if the entry
    point is not a valid reference. Imports nothing of the plugin.
    """
    module, attr = _target(extension)
    return None if module is None else facts().search().target(module, attr)


def place(extension: "Extension[Any]") -> "tuple[str, int] | None":
    """Return the file and the line of the target of an extension, as Search.place does.

    None if its module has no file, or the entry point is not a valid reference.
    Imports nothing of the plugin.
    """
    module, attr = _target(extension)
    return None if module is None else facts().search().place(module, attr)


def is_missing(extension: "Extension[Any]") -> bool:
    """Return True if the module of an extension certainly does not exist.

    Imports nothing of the plugin.
    """
    module, _ = _target(extension)
    return module is not None and facts().search().is_missing(module)


def _target(extension: "Extension[Any]") -> "tuple[str | None, str | None]":
    if extension._module is None:
        from .._indexing.metadata import split_value  # deferred: rows are already split

        return split_value(extension.value)
    return extension._module, extension.attr


def _has_only_python_finders() -> bool:
    """Return True if all finders and path hooks are Python's own."""
    return all(map(_is_python_finder, sys.meta_path)) and all(
        map(_is_python_finder, sys.path_hooks)
    )


def _is_python_finder(finder: "Any") -> bool:
    """Return True if a finder or a path hook is Python's own."""
    return str(getattr(finder, "__module__", "")).startswith(_PYTHON_FINDERS)


def ask_third_party_finders(
    name: str, path: "list[str] | None", stage: int
) -> "list[Any] | None":
    """Return the location of a module according to third-party finders.

    The location is a list: the file ("": it cannot be read; None: a namespace package),
    and the directories of the submodules (None: the module is not a package). The list
    is empty if no finder knows the module. The result is None if a finder raised an
    exception: an import would fail, too. The finders are asked in the order of an
    import. Those of editable installations know where the source is.

    :param path: the path of the parent package; None for a top-level module.
    :param stage: which finders are asked: BEFORE, AMONG or BEHIND of `source`.
    """
    from .._import_hooks import spec_of  # deferred: few have any
    from .finders import EntryFinders, finders

    try:
        asked = finders(_is_python_finder)
        places = [at for at, each in enumerate(asked) if isinstance(each, EntryFinders)]
        if places and stage < 2:
            asked = asked[: places[0] + stage]
        spec = spec_of(asked, name, path)
        if spec is None:
            return []
        file, directories = spec.origin, spec.submodule_search_locations
        if file is None and spec.loader is not None:
            file = ""
        return [
            None if file is None else os.fsdecode(file),
            None if directories is None else list(map(os.fsdecode, directories)),
        ]
    except Exception:  # third-party code
        return None


class Facts:
    """The learned facts of an environment, from its file and from this process.

    :param environment: the environment of the extensions.
    """

    def __init__(self, environment: "Environment") -> None:
        self.environment = environment
        # The environment may replace its index; the facts belong to this one, and to
        # its signatures.
        self.index = environment.index
        self.key = environment.key
        # In the order of `key`: a frozen index may have another order.
        known = dict(zip(self.index.key[1:], self.index.signatures))
        self.signatures = [known.get(path) for path in self.key[1:]]
        mode = _settings.get_choice("LAZYPLUG_CACHE", _settings.MODES)
        self._directory = None if mode == "off" else _settings.get_cache_directory()
        self._name = environment.file[: -len("json")] + "facts"
        self.may_write = mode == "on" and self._directory is not None
        self._parts: dict[Part, tuple[list[ChangedEntry], FactTable]] = {}
        self._new: dict[Part, FactTable] = {}
        self._path = os.path.join(self._directory or "", self._name)
        before = _unwritten.get(self._path)
        if before is not None and before.signatures == self.signatures:
            self._new = before._new
        # Files and finders are asked once for each environment.
        self._file_signatures: dict[str, str | None] = {}
        self._names: dict[str, set[str] | None] = {}
        self._finder_answers: dict[tuple[Any, ...], list[Any] | None] = {}
        # the ids of the finders at the last query; whether any is a third-party finder
        self._finders: list[int] = []
        self._has_third_party_finders = True
        self._search: Search | None = None

    def recall(self, extension: "Handle", kind: str) -> "Any":
        """Return the fact of a kind about an extension; UNKNOWN if none is valid."""
        fact_key = self._fact_key(extension)
        if fact_key is None:
            return UNKNOWN
        part = kind, _group(extension)
        fact = self._new.get(part, {}).get(fact_key)
        if fact is not None and self._is_valid(
            fact, self._changed_entries(self.signatures)
        ):
            return fact[2]
        if part not in self._parts:
            self._parts[part] = self._read(part)
        changed, learned = self._parts[part]
        fact = learned.get(fact_key)
        if fact is not None and self._is_valid(fact, changed):
            return fact[2]
        return UNKNOWN

    def learn(
        self, extension: "Extension[Any]", kind: str, answer: "Any", sources: "Sources"
    ) -> None:
        """Remember an answer, as JSON, for as long as its sources do not change.

        It is not remembered if signatures would not show a change. Raises TypeError if
        it cannot be converted to JSON.
        """
        if self._fact_key(extension) is None or not sources.reliable:
            return
        from .._content import signature  # deferred: most processes learn nothing
        from .._indexing.reading import is_reliable

        signatures: dict[str, str | None] = {}
        for path, was_there in sources.files.items():
            now: str | None = None
            try:
                status = fs.stat(path)
                now = signature(path, status)
            except (FileNotFoundError, NotADirectoryError, ValueError):
                status = None
            except OSError:
                return  # a temporary failure: the next attempt may succeed
            if (status is not None) != was_there:
                return  # it changed in the meantime
            if status is not None and not is_reliable(status, False, sources.clock):
                return  # racy: a change may leave the signature the same
            signatures[path] = self._file_signatures[path] = now
        lookups = []
        for name, (place, *rest) in sources.lookups.items():
            volatile = [at for at in self.environment.volatile if at < place]
            lookups.append([name, place - len(volatile), *rest])
        self.add(extension, kind, answer, lookups, signatures)

    def add(
        self,
        extension: "Handle",
        kind: str,
        answer: "Any",
        lookups: "Sequence[Lookup]" = (),
        signatures: "Mapping[str, str | None] | None" = None,
    ) -> None:
        """Remember an answer, as JSON, while these lookups and signatures are valid.

        Raises TypeError if it cannot be converted to JSON.
        """
        fact_key = self._fact_key(extension)
        if fact_key is None:
            return
        fact = [*fact_key, list(lookups), dict(signatures or {}), answer]
        part = kind, _group(extension)
        self._new.setdefault(part, {}).update([_fact(scan_once(to_json(fact), 0)[0])])
        if self.may_write:
            _write_at_exit(self._path, self)

    def is_racy(self) -> bool:
        """Return True if the signature of a path entry may not show a change."""
        return bool(self.index.racy)

    def search(self) -> "Search":
        """Return the Search that finds the modules of this `sys.path`."""
        if self._search is None:
            from .source import Search  # deferred: imports ast

            seen = self.environment.entries, self.environment.volatile
            self._search = Search(*seen, fs.clock, self._ask_finders)
        return self._search

    def _fact_key(self, extension: "Handle") -> "FactKey | None":
        """Return the key of the facts about an extension; None if none are kept.

        None are kept if no distribution declares the extension, or if its distribution
        is in a volatile path entry or comes from a third-party finder.
        """
        if extension is None:
            return _WHOLE
        # A host may use entry points of importlib.metadata, which have no owner.
        owner = getattr(extension, "_owner", None)
        if not isinstance(owner, tuple) or not isinstance(owner[1], str):
            return None
        if owner[1] not in self.key[1:]:
            return None
        # Without the version: signatures show whether another one has other sources.
        return owner[0], extension.value

    # Validity.

    def _changed_entries(self, signatures: "list[str | None]") -> "list[ChangedEntry]":
        """Return the path entries that may have new modules since a fact was learned.

        :param signatures: those of the stable path entries at that time. The index is
            fresh, so the signatures in it are the current ones. Volatile path entries
            may differ in every process, so all of them are returned.
        """
        changed: list[ChangedEntry] = []
        is_frozen = self._is_frozen()
        racy = {self.index.key[place + 1] for place in self.index.racy}
        number = 0
        for place, entry in enumerate(self.environment.entries):
            if place in self.environment.volatile:
                changed.append((number - 1, entry))
            else:
                now = self.signatures[number]
                # Racy or frozen signatures, and times that are not reliable, may not
                # show new modules.
                unreliable = (
                    entry in racy
                    or entry in self.environment.frozen_entries
                    or is_frozen
                )
                if signatures[number] != now or unreliable or not _shows_changes(now):
                    changed.append((number, entry))
                number += 1
        return changed

    def _is_frozen(self) -> bool:
        frozen = self.environment.frozen
        return frozen is not None and frozen.answers_alone

    def _are_still_missing(
        self, lookups: "list[Lookup]", changed: "list[ChangedEntry]"
    ) -> bool:
        """Return True if all names that were missing from these entries still are."""
        return not any(
            number < passed and self._may_contain(entry, name)
            for name, passed, *_ in lookups
            for number, entry in changed
        )

    def _may_contain(self, entry: str, name: str) -> bool:
        if entry not in self._names:
            self._names[entry] = _module_names(entry)
        names = self._names[entry]
        return names is None or name in names

    def _is_valid(self, fact: "Fact", changed: "list[ChangedEntry]") -> bool:
        lookups, signatures, _ = fact
        if not self._are_still_missing(lookups, changed):
            return False
        for name, _, path, stage, answer in lookups:
            if answer != self._ask_finders(name, path, stage):
                return False
        if self.environment.checked not in _settings.CHECKS_ENTRIES:
            return True
        for path, known in signatures.items():
            if path not in self._file_signatures:
                self._file_signatures[path] = _signature_of(path, known)
            if self._file_signatures[path] != known:
                return False
        return True

    def _ask_finders(
        self, name: str, path: "list[str] | None", stage: int
    ) -> "list[Any] | None":
        finders = [*map(id, sys.meta_path), *map(id, sys.path_hooks)]
        if finders != self._finders:
            self._finders = finders
            self._finder_answers.clear()
            self._has_third_party_finders = not _has_only_python_finders()
        if not self._has_third_party_finders:
            return []
        key = name, stage, *(path or ())
        if key not in self._finder_answers:
            self._finder_answers[key] = ask_third_party_finders(name, path, stage)
        return self._finder_answers[key]

    # The file.

    def _read(self, part: "Part") -> "tuple[list[ChangedEntry], FactTable]":
        """Return a part of the file, and the path entries that may have changed."""
        if self._directory is None or not _files.is_trusted_directory(self._directory):
            return [], {}
        index_file = _files.IndexFile(self._path)
        try:
            _, signatures, header, chunk = read_facts(index_file.read, self.key)
            # JSON text contains no newline, so this is the beginning of a line.
            at = header.find(f"\n[{quote(part[0])},{quote(part[1])},".encode())
            if at < 0:
                return [], {}
            line = header[at + 1 : header.index(b"\n", at + 1)]
            learned = part_of(line, index_file.read, chunk, len(header))[1]
            return self._changed_entries(signatures), learned
        except DECODE_ERRORS:
            return [], {}
        finally:
            index_file.close()

    def _read_all(self) -> "tuple[bytes, dict[Part, FactTable]]":
        """Return the header of the file, and the facts that may still be valid.

        The header is empty if any part of the file is damaged.
        """
        found: dict[Part, FactTable] = {}
        header, intact = b"", True
        index_file = _files.IndexFile(self._path)
        try:
            _, signatures, header, chunk = read_facts(index_file.read, self.key)
            # A module in a volatile path entry may be missing in the next process.
            stable = self.key[1:]
            changed = [
                entry
                for entry in self._changed_entries(signatures)
                if entry[1] in stable
            ]
            for line in header.split(b"\n")[1:-1]:
                try:
                    part, learned = part_of(line, index_file.read, chunk, len(header))
                except DECODE_ERRORS:
                    intact = False
                    continue
                found[part] = {
                    fact_key: fact
                    for fact_key, fact in learned.items()
                    if self._are_still_missing(fact[0], changed)
                }
        except DECODE_ERRORS:
            intact = False
        finally:
            index_file.close()
        return header if intact else b"", found

    def write(self) -> None:
        """Write the new facts, merged with those in the file.

        Nothing is written if the environment has changed, since the facts would be
        about the old one. Facts that no distribution declares any more are removed.
        """
        from .._indexing.storage import store  # deferred: if something was learned

        frozen_entries = self.environment.frozen_entries
        if self._directory is None or not (
            self._is_frozen()
            or _environment.is_fresh(self.index, "dirs", frozen_entries)
        ):
            return
        header, found = self._read_all()
        for part, learned in self._new.items():
            known = found.setdefault(part, {})
            for fact_key, fact in learned.items():
                if fact_key not in known or _newest_change(
                    known[fact_key]
                ) <= _newest_change(fact):
                    known[fact_key] = fact
        try:
            for (_, group), learned in found.items():
                rows = self.index.rows(group)
                declared = {(owner[0], row[1]) for row, owner in rows}
                for fact_key in learned.keys() - declared - {_WHOLE}:
                    del learned[fact_key]
        finally:
            self.index.close()
        content = encode(self.key, self.signatures, found)
        # The header has a checksum of every part: if it is equal, all is equal.
        if not content.startswith(title(header) + header):
            store(self._directory, self._name, content)


_latest: "Facts | None" = None
# the facts that are not yet written, by the path of their file
_unwritten: "dict[str, Facts]" = {}


def facts() -> Facts:
    """Return the learned facts of this `sys.path`."""
    global _latest  # noqa: PLW0603
    environment = _environment.current()
    if (
        _latest is None
        or _latest.environment is not environment
        or _latest.index is not environment.index
    ):
        _latest = Facts(environment)
    return _latest


def _write_at_exit(path: str, known: Facts) -> None:
    """Write these facts when the process ends."""
    if len(_unwritten) >= _MAX_UNWRITTEN:
        _unwritten.clear()
    if not _unwritten:
        import atexit  # deferred: most processes learn nothing

        atexit.unregister(write)
        atexit.register(write)
    _unwritten[path] = known


def write() -> None:
    """Write all facts that are not yet written."""
    while _unwritten:
        _, known = _unwritten.popitem()
        try:
            known.write()
        except Exception as error:  # Python would print it at exit
            from .. import _messages as messages  # deferred: only on failure
            from .._log import debug

            reason = messages.CANNOT_BE.format(done="written", reason=repr(error))
            debug(f"{messages.LEARNED_FACTS} {reason}")


def forget(directory: str) -> None:
    """Discard the facts that are not yet written to a cache directory."""
    for path in list(_unwritten):
        if path.startswith(os.path.join(directory, "")):
            _unwritten.pop(path, None)


if hasattr(os, "register_at_fork"):
    # The parent process writes its own facts.
    os.register_at_fork(after_in_child=_unwritten.clear)


def _group(extension: "Handle") -> str:
    """Return the group of the part that contains the facts about an extension."""
    return "" if extension is None else extension.group


def _shows_changes(known: "str | None") -> bool:
    """Return False if a signature has neither a checksum nor reliable times.

    >>> _shows_changes("0 0 3 4"), _shows_changes("0 0 3 4 0123456789abcdef")
    (False, True)
    >>> _shows_changes("0 1 3 4"), _shows_changes(None)
    (True, True)
    """
    if known is None or known.count(" ") != 3:
        return True
    modified, changed, *_ = known.split(" ")
    return changed != modified or int(changed, 16) % COARSE != 0


def _module_names(directory: str) -> "set[str] | None":
    """Return the names of possible modules in a directory; None if it is unreadable."""
    try:
        return {file.partition(".")[0] for file in fs.listdir(directory)}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError):
        return None  # an archive, or a temporary failure


def _signature_of(path: str, known: "str | None") -> "str | None":
    try:
        # access() reports a missing file without raising, at a quarter of the cost.
        if known is None and not fs.access(path, 0):
            return None
        now = stat_signature(fs.stat(path))
        if known is not None and known.count(" ") > 3:
            from .._content import signature  # deferred: few file systems need it

            now = signature(path, fs.stat(path))
        return now
    except (OSError, ValueError):
        return None


def _newest_change(fact: "Fact") -> int:
    """Return the latest change time of the sources of a fact."""
    times = [0]
    for known in fact[1].values():
        try:
            times.append(int((known or "").split(" ")[1], 16))
        except (LookupError, ValueError):
            continue  # the file was missing, or its signature is damaged
    return max(times)


def read_facts(
    read: "Read", wanted: "list[str] | None" = None
) -> "tuple[list[str], list[str | None], bytes, bytes]":
    """Return the key, the signatures and the header of a file of facts.

    The last item is what was read behind the header.

    :param read: reads a part of the file.
    :param wanted: the key that the file must have; None: any.

    Raises one of DECODE_ERRORS if the file is damaged, or has another key or schema.
    """
    header, chunk, after = read_header(read)
    head = scan_once(header[: header.index(b"\n")].decode(), 0)[0]
    key: list[str] = head["key"]
    if head["facts"] != SCHEMA or wanted not in (None, key):
        raise ValueError("header")
    return key, head["signatures"], header, chunk[after:]


def part_of(
    line: bytes, read: "Read", chunk: bytes, length: int
) -> "tuple[Part, FactTable]":
    """Return the part that a line of the header describes, and its facts.

    :param chunk: what was already read behind the header.
    :param length: the length of the header.

    Raises one of DECODE_ERRORS if the part is damaged.
    """
    kind, group, offset, size, wanted = scan_once(line.decode(), 0)[0]
    data = chunk[offset : offset + size]
    if len(data) < size:
        data = read(TITLE_LENGTH + length + offset, size)
    if digest(data) != wanted:
        raise ValueError("part")
    # The lines are decoded at once, as one list.
    named, *lines = scan_once("[" + data.decode().replace("\n", ",") + "]", 0)[0]
    if named != [kind, group]:
        raise ValueError("part")
    return (kind, group), dict(map(_fact, lines))


def _fact(line: "list[Any]") -> "tuple[FactKey, Fact]":
    key, value, lookups, signatures, answer = line
    for name, passed, path, stage, _ in lookups:
        kinds = name.__class__, passed.__class__, stage.__class__
        if kinds != (str, int, int):
            raise ValueError("way")
        "".join(path or ())  # raises TypeError if one is not a string
    "".join(filter(None, signatures.values()))  # likewise
    return (key, value), (lookups, signatures, answer)


def encode(
    key: "list[str]", signatures: "list[str | None]", found: "dict[Part, FactTable]"
) -> bytes:
    """Encode facts as a file, without those that would make it too large."""
    remaining = SIZE_CAP
    lines: dict[Part, list[str]] = {}
    for part, learned in found.items():
        for fact_key, fact in learned.items():
            line = to_json([*fact_key, *fact])
            if len(line) < remaining:
                remaining -= len(line) + 1
                lines.setdefault(part, []).append(line)
    head = to_json({"facts": SCHEMA, "key": key, "signatures": signatures})
    table = [head]
    texts: list[str] = []
    offset = 0
    for part in sorted(lines):
        text = "\n".join([to_json(part), *sorted(lines[part])])
        texts.append(text)
        table.append(to_json([*part, offset, len(text), digest(text.encode())]))
        offset += len(text) + 1
    header = "".join([line + "\n" for line in table]).encode()
    return title(header) + header + "\n".join(texts).encode()
