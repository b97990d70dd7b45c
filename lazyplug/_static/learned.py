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
    ABSENT,
    COARSE,
    DECODE_ERRORS,
    TITLE_LENGTH,
    digest,
    quote,
    read_header,
    stat_signature,
    texts,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from .._entry_point import EntryPoint
    from .._environment import Environment
    from .._extension import Extension
    from .._types import Read
    from .source import Search

    # What a fact is about: an entry point, or None for the whole environment.
    Handle: TypeAlias = Extension[Any] | EntryPoint | None
    # the kind of the facts, and the group
    Part = tuple[str, str]
    # the key of the distribution, and the value of the entry point
    FactKey = tuple[str, str]
    # the path, the stage and the answer, as in `source`
    Place = tuple[list[str] | None, int, Any]
    # The name of a module, and its state: how many stable path entries do not have it,
    # followed by a space and the place, if it is not `_USUAL`. Or a file or directory,
    # and its state: the stat signature or ABSENT.
    Pair = tuple[str, str]
    # the line of each fact
    FactTable = dict[FactKey, str]
    # the version of lazyplug, the key, and the signatures of the path entries
    Head = tuple[str, list[str], list[str | None]]
    # A number, and a path entry that may contain new modules. A lookup has passed this
    # entry if it passed more stable entries than that number.
    ChangedEntry = tuple[int, str]
    # those path entries; their paths, as a set and to compare the beginnings of paths
    # with; and the paths of all others that are stable
    Changes = tuple[list[ChangedEntry], set[str], tuple[str, ...], set[str]]

# The answer of `recall` if the fact was not learned, or is no longer valid.
UNKNOWN: "Any" = object()
# The modules of Python's own finders, frozen or not; and of setuptools' finder, which
# knows only distutils.
_PYTHON_FINDERS = {
    *("_frozen_importlib", "_frozen_importlib_external", "importlib._bootstrap"),
    *("importlib._bootstrap_external", "zipimport", "_distutils_hack"),
}
# The first text of a file of facts, with the schema version.
MARK = "facts 5"
# The first word of the kinds of facts about hooks; the others are the project of the
# host, and the hook if the fact is about the groups that it is given.
HOOKS = "pluggy"
# The stage of a lookup that asks the finders behind Python's own, as in `source`.
_BEHIND = 2
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
        # the Python whose modules they are; None: this process
        self._python = environment.installation
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
        python = self._python
        if python is not None and python.version[:2] != sys.version_info[:2]:
            # It parses some sources in another way than this one, and shares the file.
            self.may_write = False
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
        self.file_signatures: dict[str, str] = {}
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
        try:
            if self._covered and extension is not None:
                owner: Any = extension._owner
                if owner[1] in self._covered:
                    fact = self._read_frozen(part).get(fact_key)
                    if fact is not None:
                        return read_fact(fact)[1]
            if self.new:
                fact = self.new.get(part, {}).get(fact_key)
                if fact is not None:
                    texts, answer = read_fact(fact)
                    if self._is_valid(texts, self.changes_since(self.signatures)):
                        return answer
            found = self._parts.get(part)
            if found is None:
                found = self._parts[part] = self._read(part)
            changes, learned = found
            fact = learned.get(fact_key)
            if fact is not None:
                texts, answer = read_fact(fact)
                if self._is_valid(texts, changes):
                    return answer
        except DECODE_ERRORS:
            pass  # damaged
        return UNKNOWN

    def proves(self) -> bool:
        """Return False if code that is not known may change what an import gives."""
        return self._python is None or not self._python.has_unknown_code

    def is_racy(self) -> bool:
        """Return True if the signature of a path entry may not show a change."""
        return bool(self.index.racy)

    def search(self) -> "Search":
        """Return the Search that finds the modules of this `sys.path`."""
        if self._search is None:
            from .source import Search  # deferred: imports ast

            seen = self.environment.entries, self.environment.volatile
            self._search = Search(*seen, fs.clock, self._ask_finders, self._python)
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
        return changed, paths, tuple(paths), self._stable - paths

    def may_contain(self, entry: str, name: str) -> bool:
        """Return True if a path entry may contain a module of this name."""
        if entry not in self._names:
            self._names[entry] = _module_names(entry)
        names = self._names[entry]
        return names is None or name in names

    def _is_valid(self, texts: "list[str]", changes: "Changes") -> bool:
        """Return True if nothing that a fact depends on has changed.

        Raises one of DECODE_ERRORS if the fact is damaged.

        :param texts: what it depends on; see `dependencies`.
        """
        changed, changed_paths, beginnings, unchanged = changes
        modules: Mapping[str, Any] = sys.modules if self._python is None else {}
        if len(texts) % 2:
            raise ValueError(texts)
        each = iter(texts)
        pairs = zip(each, each)
        for name, state in pairs:
            if not state:
                break  # the signatures follow
            before, _, place = state.partition(" ")
            passed = int(before)
            for number, entry in changed:
                if number < passed and self.may_contain(entry, name):
                    return False
            path, stage, answer = place_of(place) if place else _USUAL
            if answer != self._ask_finders(name, path, stage):
                return False
            if name in modules or (path and name.rpartition(".")[0] in modules):
                from .imported import is_as_found  # deferred: few are imported

                if not is_as_found(name, path, dict(dependencies(texts)[1])):
                    return False
        else:
            raise ValueError(texts)
        if self.environment.checked not in _settings.CHECKS_ENTRIES:
            return True
        seen = self.file_signatures
        for file, known in pairs:
            # Few files are below a changed path entry; to split a path costs much more.
            if known == ABSENT or file.startswith(beginnings):
                directory = file.rpartition(os.sep)[0]
                # The signature of a path entry shows that nothing was added to it.
                if known == ABSENT and directory in unchanged:
                    continue
                if directory in changed_paths and self.is_compiled(file):
                    return False
            if file not in seen:
                seen[file] = _signature_of(file, known)
            if seen[file] != known:
                return False
        return True

    def is_compiled(self, path: str) -> bool:
        """Return True if a source has a compiled module beside it."""
        stem, dot, _ = path.rpartition(".py")
        python = self._python
        suffixes = (
            _imp.extension_suffixes() if python is None else python.compiled_suffixes()
        )
        return bool(dot) and any(fs.access(stem + suffix, 0) for suffix in suffixes)

    def _ask_finders(
        self, name: str, path: "list[str] | None", stage: int
    ) -> "list[Any] | None":
        if self._python is not None:
            # What is found nowhere else may be known to a finder there, or built in.
            is_known = self._python.may_have_finders or name in sys.stdlib_module_names
            return None if stage == _BEHIND and is_known else []
        if [sys.meta_path, sys.path_hooks] != self._finders:
            self._finders = [[*sys.meta_path], [*sys.path_hooks]]
            self._finder_answers.clear()
            self._has_third_party_finders = not _has_only_python_finders()
        if not self._has_third_party_finders:
            return []
        key = name, stage, *(path or ())
        if key not in self._finder_answers:
            from .finders import ask_third_party_finders  # deferred: few have any

            self._finder_answers[key] = ask_third_party_finders(
                name, path, stage, _is_python_finder, _has_other_loaders
            )
        return self._finder_answers[key]

    # The file.

    def _read(self, part: "Part") -> "tuple[Changes, FactTable]":
        """Return a part of the file, and the path entries that may have changed."""
        none: tuple[Changes, FactTable] = ([], set(), (), set()), {}
        if self.directory is None or not _files.is_trusted_directory(self.directory):
            return none
        read, close = _files.index_reader(self.path)
        try:
            signatures, learned = _read_part(read, part, self.key)
            return (self.changes_since(signatures), learned) if learned else none
        except DECODE_ERRORS:
            return none
        finally:
            close()


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


def _module_names(directory: str) -> "set[str] | None":
    """Return the names of possible modules in a directory; None if it is unreadable."""
    try:
        return {file.partition(".")[0] for file in fs.listdir(directory)}
    except FileNotFoundError:
        return set()
    except (OSError, ValueError):
        return None  # an archive, or a temporary failure


def _signature_of(path: str, known: str) -> str:
    try:
        # access() reports a missing file without raising, at a quarter of the cost.
        if known == ABSENT and not fs.access(path, 0):
            return ABSENT
        now = stat_signature(fs.stat(path))
        if known.count(" ") > 3:
            from .._content import signature  # deferred: few file systems need it

            now = signature(path, fs.stat(path))
        return now
    except (OSError, ValueError):
        return ABSENT


# The place of a top-level module, if no third-party finder knows it.
_USUAL: "Place" = (None, 0, [])


def read_fact(line: str) -> "tuple[list[str], Any]":
    r"""Return what a fact depends on, and the answer; see `dependencies`.

    The scanner of json is needed only for escapes, and for answers that are not texts.
    Raises one of DECODE_ERRORS if the line is damaged.

    >>> read_fact('[["a","0","",""],"b"]'), read_fact('[["",""],["a","b"]]')
    ((['a', '0', '', ''], 'b'), (['', ''], ['a', 'b']))
    >>> read_fact('[["\\u00e4","0","",""],[1]]'), read_fact('[["",""],null]')
    ((['ä', '0', '', ''], [1]), (['', ''], None))
    """
    head, _, rest = line.partition('"],')
    # Without escapes, this is the end of the inner array.
    if "\\" not in head and head[:3] == '[["' and rest[-1:] == "]":
        return head[3:].split('","'), _decode(rest[:-1])
    texts, answer = _scan(line)
    "".join(texts)  # raises TypeError if one is not a string
    return texts, answer


def _decode(line: str) -> "Any":
    """Return a value from its JSON.

    >>> _decode('["a",["b"]]'), _decode('[["a"],"b"]'), _decode('[1,"a"]')
    (['a', ['b']], [['a'], 'b'], [1, 'a'])
    """
    if "\\" not in line:
        if line[:2] == '["' and line[-2:] == '"]':
            found = line[2:-2].split('","')
            if line.count('"') == 2 * len(found):  # no other quotes than around texts
                return found
        elif line[:1] == '"' and line.find('"', 1) == len(line) - 1:
            return line[1:-1]
        elif line == "null":
            return None
    return _scan(line)


def _scan(line: str) -> "Any":
    from .._json_text import scan_once  # deferred: most facts are texts

    value, end = scan_once(line, 0)
    if end != len(line):
        raise ValueError(line)
    return value


def dependencies(texts: "list[str]") -> "tuple[list[Pair], list[Pair]]":
    """Return the lookups and the signatures of a fact.

    Raises ValueError if they are damaged.

    >>> dependencies(["a.b", "0 /s/a", "", "", "/s/a", "-"])
    ([('a.b', '0 /s/a')], [('/s/a', '-')])
    """
    pairs = [*zip(texts[::2], texts[1::2], strict=True)]
    end = [state for _, state in pairs].index("")
    return pairs[:end], pairs[end + 1 :]


def place_of(text: str) -> "Place":
    """Return the path that a module was looked for in, the stage, and what was found.

    The text is the directory of the parent package, if no third-party finder knows the
    module; or JSON, which begins with "[".

    >>> place_of("/s/a"), place_of('[["/s","/t"],2,["/t/a.py",null]]')
    ((['/s/a'], 0, []), (['/s', '/t'], 2, ['/t/a.py', None]))
    """
    if text[0] != "[":
        return [text], 0, []
    path, stage, answer = _scan(text)
    "".join(path or ())  # raises TypeError if one is not a string
    return path, stage + 0, answer


# The file.


def read_head(
    read: "Read", wanted: "list[str] | None" = None
) -> "tuple[Head, bytes, bytes]":
    """Return the first lines of the header of a file of facts, decoded, and the header.

    The last item is what was read behind the header.

    :param read: reads a part of the file.
    :param wanted: the key that the file must have, and it must be written by this
        version of lazyplug, since others may have learned something else; None: any.

    Raises one of DECODE_ERRORS if the file is damaged, or is another one.
    """
    header, chunk, after = read_header(read)
    *lines, _ = header.split(b"\n", 3)
    (mark, version), key, signatures = [texts(line.decode()) for line in lines]
    is_wanted = version == __version__ and key == wanted
    if mark != MARK or not (is_wanted or wanted is None):
        raise ValueError("header")
    known = [None if each == ABSENT else each for each in signatures]
    return (version, key, known), header, chunk[after:]


def parts_in(header: bytes) -> "list[bytes]":
    """Return the lines of a header that describe the parts of a file of facts."""
    return header.split(b"\n")[3:-1]


def _read_part(
    read: "Read", part: "Part", wanted: "list[str]"
) -> "tuple[list[str | None], FactTable]":
    """Return the signatures in a file of facts, and a part of it, which may be empty.

    The parameters are those of `read_head`, which may raise.
    """
    (_, _, signatures), header, chunk = read_head(read, wanted)
    # JSON text contains no newline, so this is the beginning of a line.
    at = header.find(f"\n[{quote(part[0])},{quote(part[1])},".encode())
    if at < 0:
        return signatures, {}
    line = header[at + 1 : header.index(b"\n", at + 1)]
    return signatures, part_of(line, read, chunk, len(header))[1]


def part_of(
    line: bytes, read: "Read", chunk: bytes, length: int
) -> "tuple[Part, FactTable]":
    """Return the part that a line of the header describes, and its facts.

    :param chunk: what was already read behind the header.
    :param length: the length of the header.

    Raises one of DECODE_ERRORS if the part is damaged. The answers are not decoded, nor
    are the facts checked: a recall uses few of them.
    """
    kind, group, offset, size, wanted = texts(line.decode())
    start, end = int(offset), int(offset) + int(size)
    data = chunk[start:end]
    if len(data) < end - start:
        data = read(TITLE_LENGTH + length + start, end - start)
    if digest(data) != wanted:
        raise ValueError("part")
    named, keys, *lines = data.decode().split("\n")
    each = iter(texts(keys))
    learned = dict(zip(zip(each, each), lines))
    if named != f"[{quote(kind)},{quote(group)}]" or len(learned) != len(lines):
        raise ValueError("part")
    return (kind, group), learned
