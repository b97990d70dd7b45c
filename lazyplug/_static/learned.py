"""Recall facts that `learning` has learned from the sources of plugins.

Facts are advisory: a doubtful fact is ignored and learned again, which costs time but
never changes an answer. The file format is described in docs/index-format.md.
"""

import _imp
import os
import sys

from .. import __version__, _environment, _files, _settings
from .._files import fs
from .._index import (
    COARSE,
    DECODE_ERRORS,
    TITLE_LENGTH,
    digest,
    read_header,
    stat_signature,
)
from .._json_text import quote, scan_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .._entry_point import EntryPoint
    from .._environment import Environment
    from .._extension import Extension
    from .._types import Read
    from .source import Search

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
    # those path entries; their paths; and the paths of all others that are stable
    Changes = tuple[list[ChangedEntry], set[str], set[str]]

# The answer of `recall` if the fact was not learned, or is no longer valid.
UNKNOWN: "Any" = object()
# The modules of Python's own finders, frozen or not; and of setuptools' finder, which
# knows only distutils.
_PYTHON_FINDERS = {
    *("_frozen_importlib", "_frozen_importlib_external", "importlib._bootstrap"),
    *("importlib._bootstrap_external", "zipimport", "_distutils_hack"),
}
SCHEMA = 4
# The first word of the kinds of facts about hooks; the others are the project of the
# host, and the hook if the fact is about the groups that it is given.
HOOKS = "pluggy"
# The key of a fact about the whole environment.
WHOLE = "", ""


def _has_only_python_finders() -> bool:
    """Return True if all finders and path hooks are Python's own."""
    return all(map(_is_python_finder, sys.meta_path)) and all(
        map(_is_python_finder, sys.path_hooks)
    )


def _is_python_finder(finder: "Any") -> bool:
    """Return True if a finder or a path hook need not be asked."""
    is_own = getattr(finder, "__module__", "") in _PYTHON_FINDERS
    return is_own and not _has_other_loaders(finder)


def _has_other_loaders(finder: "Any") -> bool:
    """Return True if a FileFinder, or a path hook that makes one, has other loaders."""
    loaders = [*getattr(finder, "_loaders", ())]
    for cell in getattr(finder, "__closure__", None) or ():  # FileFinder.path_hook()
        if cell.cell_contents.__class__ is tuple:
            loaders += cell.cell_contents
    return any(
        isinstance(each, type) and each.__module__ not in _PYTHON_FINDERS
        for pair in loaders
        if isinstance(pair, tuple)
        for each in pair
    )


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
    # deferred: few have any
    from .._import_hooks import spec_of
    from .finders import EntryFinders, finders
    from .imported import is_plain

    try:
        asked = finders(_is_python_finder)
        places = [at for at, each in enumerate(asked) if isinstance(each, EntryFinders)]
        if places and stage < 2:
            # Finders with other loaders serve directories in the place of Python's own.
            early = stage == 0 and any(map(_has_other_loaders, sys.path_hooks))
            asked = asked[: places[0] + (stage or early)]
        spec = spec_of(asked, name, path)
        if spec is None:
            return []
        file, directories = spec.origin, spec.submodule_search_locations
        if spec.loader is not None and not is_plain(spec.loader, file):
            file = ""  # it may make another module of this file
        return [
            None if file is None else os.fsdecode(file),
            None if directories is None else list(map(os.fsdecode, directories)),
        ]
    except Exception:  # third-party code
        return None


class LearnedFacts:
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
        self._stable = {*self.key[1:]}
        frozen = environment.frozen
        self.is_frozen = frozen is not None and frozen.answers_alone
        # the path entries for which a frozen index answers without a check
        self._covered: Mapping[str, str] = {}
        if frozen is not None and frozen.trusted:
            self._covered = environment.frozen_entries
        mode = _settings.get_choice("LAZYPLUG_CACHE", _settings.MODES)
        self.directory = None if mode == "off" else _settings.get_cache_directory()
        self.may_write = mode == "on" and self.directory is not None
        name = environment.file[: -len("json")] + "facts"
        self.path = os.path.join(self.directory or "", name)
        self._parts: dict[Part, tuple[Changes, FactTable]] = {}
        # the parts of the facts in the frozen index
        self._frozen_parts: dict[Part, FactTable] = {}
        # what was learned in this process
        self.new: dict[Part, FactTable] = {}
        before = unwritten.get(self.path)
        if before is not None and before.signatures == self.signatures:
            self.new = before.new
        # Files and finders are asked once for each environment.
        self.file_signatures: dict[str, str | None] = {}
        self._names: dict[str, set[str] | None] = {}
        self._finder_answers: dict[tuple[Any, ...], list[Any] | None] = {}
        # the finders at the last query; whether any is a third-party finder
        self._finders: list[list[Any]] = []
        self._has_third_party_finders = True
        self._search: Search | None = None

    def recall(self, extension: "Handle", kind: str) -> "Any":
        """Return the fact of a kind about an extension; UNKNOWN if none is valid."""
        fact_key = self.fact_key(extension)
        if fact_key is None:
            return UNKNOWN
        part = kind, group_of(extension)
        if self._covered and extension is not None:
            owner: Any = extension._owner
            if owner[1] in self._covered:
                fact = self._read_frozen(part).get(fact_key)
                if fact is not None:
                    return fact[2]
        if self.new:
            fact = self.new.get(part, {}).get(fact_key)
            if fact is not None and self._is_valid(
                fact, self.changes_since(self.signatures)
            ):
                return fact[2]
        if part not in self._parts:
            self._parts[part] = self._read(part)
        changes, learned = self._parts[part]
        fact = learned.get(fact_key)
        if fact is not None and self._is_valid(fact, changes):
            return fact[2]
        return UNKNOWN

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

    def fact_key(self, extension: "Handle") -> "FactKey | None":
        """Return the key of the facts about an extension; None if none are kept.

        None are kept if no distribution declares the extension, or if its distribution
        is in a volatile path entry or comes from a third-party finder.
        """
        if extension is None:
            return WHOLE
        # A host may use entry points of importlib.metadata, which have no owner.
        owner = getattr(extension, "_owner", None)
        if not isinstance(owner, tuple) or not isinstance(owner[1], str):
            return None
        if owner[1] not in self._stable:
            return None
        # Without the version: signatures show whether another one has other sources.
        return owner[0], extension.value

    # The facts in a frozen index, which are valid as long as it is.

    def _read_frozen(self, part: "Part") -> "FactTable":
        """Return a part of the facts in the frozen index; empty if it has none."""
        if part not in self._frozen_parts:
            self._frozen_parts[part] = {}
            frozen = self.environment.frozen
            try:
                if frozen is not None:
                    _, learned = _read_part(frozen.read_facts, part, [])
                    self._frozen_parts[part] = learned
            except DECODE_ERRORS:
                pass  # it has no facts, or they are damaged: read the sources
        return self._frozen_parts[part]

    # Validity.

    def changes_since(self, signatures: "list[str | None]") -> "Changes":
        """Return the path entries that may have new modules since a fact was learned.

        :param signatures: those of the stable path entries at that time. The index is
            fresh, so the signatures in it are the current ones. Volatile path entries
            may differ in every process, so all of them are returned.
        """
        changed: list[ChangedEntry] = []
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
                    or self.is_frozen
                )
                if signatures[number] != now or unreliable or not _shows_changes(now):
                    changed.append((number, entry))
                number += 1
        paths = {entry for _, entry in changed}
        return changed, paths, self._stable - paths

    def are_still_missing(
        self, lookups: "list[Lookup]", changed: "list[ChangedEntry]"
    ) -> bool:
        """Return True if all names that were missing from these entries still are."""
        for name, passed, *_ in lookups:
            for number, entry in changed:
                if number < passed and self._may_contain(entry, name):
                    return False
        return True

    def _may_contain(self, entry: str, name: str) -> bool:
        if entry not in self._names:
            self._names[entry] = _module_names(entry)
        names = self._names[entry]
        return names is None or name in names

    def _is_valid(self, fact: "Fact", changes: "Changes") -> bool:
        try:
            check(fact)
            lookups, signatures, _ = fact
            changed, changed_paths, unchanged = changes
            if not self.are_still_missing(lookups, changed):
                return False
            modules = sys.modules
            for name, _, path, stage, answer in lookups:
                if answer != self._ask_finders(name, path, stage):
                    return False
                if name in modules or (path and name.rpartition(".")[0] in modules):
                    from .imported import is_as_found  # deferred: few are imported

                    if not is_as_found(name, path, signatures):
                        return False
            if self.environment.checked not in _settings.CHECKS_ENTRIES:
                return True
            seen = self.file_signatures
            for path, known in signatures.items():
                directory = path.rpartition(os.sep)[0]
                # The signature of a path entry shows that nothing was added to it.
                if known is None and directory in unchanged:
                    continue
                if directory in changed_paths and _is_compiled(path):
                    return False
                if path not in seen:
                    seen[path] = _signature_of(path, known)
                if seen[path] != known:
                    return False
        except DECODE_ERRORS:
            return False  # damaged
        return True

    def _ask_finders(
        self, name: str, path: "list[str] | None", stage: int
    ) -> "list[Any] | None":
        if [sys.meta_path, sys.path_hooks] != self._finders:
            self._finders = [[*sys.meta_path], [*sys.path_hooks]]
            self._finder_answers.clear()
            self._has_third_party_finders = not _has_only_python_finders()
        if not self._has_third_party_finders:
            return []
        key = name, stage, *(path or ())
        if key not in self._finder_answers:
            self._finder_answers[key] = ask_third_party_finders(name, path, stage)
        return self._finder_answers[key]

    # The file.

    def _read(self, part: "Part") -> "tuple[Changes, FactTable]":
        """Return a part of the file, and the path entries that may have changed."""
        none: tuple[Changes, FactTable] = ([], set(), set()), {}
        if self.directory is None or not _files.is_trusted_directory(self.directory):
            return none
        index_file = _files.IndexFile(self.path)
        try:
            signatures, learned = _read_part(index_file.read, part, self.key)
            return (self.changes_since(signatures), learned) if learned else none
        except DECODE_ERRORS:
            return none
        finally:
            index_file.close()


# the facts that are not yet written, by the path of their file
unwritten: "dict[str, LearnedFacts]" = {}
_latest: "LearnedFacts | None" = None


def learned_facts() -> LearnedFacts:
    """Return the learned facts of this `sys.path`."""
    global _latest  # noqa: PLW0603
    environment = _environment.current()
    if (
        _latest is None
        or _latest.environment is not environment
        or _latest.index is not environment.index
    ):
        _latest = LearnedFacts(environment)
    return _latest


def group_of(extension: "Handle") -> str:
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


def check(fact: "Fact") -> None:
    """Raise ValueError, TypeError or AttributeError if a fact is damaged."""
    lookups, signatures, _ = fact
    for name, passed, path, stage, _ in lookups:
        if (name.__class__, passed.__class__, stage.__class__) != (str, int, int):
            raise ValueError("way")
        if path:
            "".join(path)  # raises TypeError if one is not a string
    "".join(filter(None, signatures.values()))  # likewise


def _is_compiled(path: str) -> bool:
    """Return True if a source has a compiled module beside it."""
    stem, dot, _ = path.rpartition(".py")
    return bool(dot) and any(
        fs.access(stem + suffix, 0) for suffix in _imp.extension_suffixes()
    )


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


def read_head(
    read: "Read", wanted: "list[str] | None" = None
) -> "tuple[dict[str, Any], bytes, bytes]":
    """Return the first line of the header of a file of facts, decoded, and the header.

    The last item is what was read behind the header.

    :param read: reads a part of the file.
    :param wanted: the key that the file must have, and it must be written by this
        version of lazyplug, since others may have learned something else; None: any.

    Raises one of DECODE_ERRORS if the file is damaged, or is another one.
    """
    header, chunk, after = read_header(read)
    head: dict[str, Any] = scan_once(header[: header.index(b"\n")].decode(), 0)[0]
    is_wanted = head["version"] == __version__ and head["key"] == wanted
    if head["facts"] != SCHEMA or not (is_wanted or wanted is None):
        raise ValueError("header")
    return head, header, chunk[after:]


def _read_part(
    read: "Read", part: "Part", wanted: "list[str]"
) -> "tuple[list[str | None], FactTable]":
    """Return the signatures in a file of facts, and a part of it, which may be empty.

    The parameters are those of `read_head`, which may raise.
    """
    head, header, chunk = read_head(read, wanted)
    # JSON text contains no newline, so this is the beginning of a line.
    at = header.find(f"\n[{quote(part[0])},{quote(part[1])},".encode())
    if at < 0:
        return head["signatures"], {}
    line = header[at + 1 : header.index(b"\n", at + 1)]
    return head["signatures"], part_of(line, read, chunk, len(header))[1]


def part_of(
    line: bytes, read: "Read", chunk: bytes, length: int
) -> "tuple[Part, FactTable]":
    """Return the part that a line of the header describes, and its facts.

    :param chunk: what was already read behind the header.
    :param length: the length of the header.

    Raises one of DECODE_ERRORS if the part is damaged. The facts are not checked, which
    would take longer than to decode them: a recall uses few of them.
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
    return (kind, group), {
        (key, value): (lookups, signatures, answer)
        for key, value, lookups, signatures, answer in lines
    }
