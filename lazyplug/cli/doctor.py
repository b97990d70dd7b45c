"""Check the environment for problems. Imports no plugin."""

import os
import sys
from itertools import zip_longest

from .. import _environment, _files
from .._content import is_by_content, signature
from .._exceptions import InvalidChoice
from .._extension import Extension
from .._faults.problems import problems
from .._files import fs
from .._frozen_index import OFF, default_path, names_checksum, open_frozen_index
from .._index import Index, stat_signature
from .._indexing.cache_directory import open_cache_directory
from .._indexing.layout import assemble, decode, from_bytes
from .._indexing.metadata import headers
from .._indexing.reading import find_metadata
from .._indexing.storage import list_files
from .._indexing.watch import watched_files
from .._inventory import rows_by_group
from .._selection.choice import parse_pattern, split
from .._settings import LEVELS, MODES, get_cache_directory, get_setting
from .._static import facts
from .freezing import differences_now
from .listing import label
from .output import add_json, clean, print_json
from .verifying import damages

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .._frozen_index import FrozenIndex

    # the state, and the text that describes it
    Finding = tuple[str, str]

# "note" is for information; only "wrong" makes the command fail.
_OK, _NOTE, _BAD = "ok", "note", "wrong"
_PARTS = ("mtime", "ctime", "size", "inode", "content")
_VALUES = {
    "LAZYPLUG_CACHE": MODES,
    "LAZYPLUG_CHECK": LEVELS,
    "LAZYPLUG_EAGER": ("1",),
}
_PREFIX = "LAZYPLUG_"
_LISTS = ("LAZYPLUG_ALLOW", "LAZYPLUG_DENY")
# Several distributions may declare a script of the same name: the one that is installed
# last gets the name.
_SCRIPTS = {"console_scripts", "gui_scripts"}


def add_to(_: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    parser.set_defaults(command=doctor)


def doctor(options: "argparse.Namespace") -> int:
    """Print what was checked and what is wrong; return 1 if anything is.

    Imports no plugin.
    """
    # First: the other checks may rewrite the index.
    index = [*_freshness()]
    extensions = _extensions()
    found = {
        "settings": [*_settings()],
        "cache": [*_cache_directory()],
        "index": index,
        "frozen": [*_frozen()],
        "sys.path": [*_path()],
        "metadata": [*_metadata(extensions)],
        "names": [*_names(extensions)],
        "targets": [*_targets(extensions)],
    }
    wrong = sum(state == _BAD for each in found.values() for state, _ in each)
    if options.json:
        print_json(
            {
                subject: [{"state": state, "text": text} for state, text in findings]
                for subject, findings in found.items()
            }
        )
        return min(wrong, 1)
    for subject, findings in found.items():
        for state, text in findings:
            print(f"{state:6}{subject}: {clean(text)}")
    print(f"{wrong} wrong" if wrong else "all is well")
    return min(wrong, 1)


def _settings() -> "Iterator[Finding]":
    names = sorted(name for name in os.environ if name.startswith(_PREFIX))
    for name in names:
        value = os.environ[name]
        setting = f"{name}={value}"
        if value and not get_setting(name):
            yield (
                _NOTE,
                f"{setting}, which is ignored: -E, -I, or rights of another user",
            )
        elif value and value not in _VALUES.get(name, (value,)):
            yield _BAD, f"{setting}: it may be one of {', '.join(_VALUES[name])}"
        else:
            fault = _fault(name, value)
            yield (_BAD, f"{setting}: {fault}") if fault else (_NOTE, setting)
    if not names:
        yield _OK, "none; see README for what LAZYPLUG_* variables do"


def _fault(name: str, value: str) -> str:
    for text in split(value) if name in _LISTS else ():
        try:
            if parse_pattern(text, name)[1] is None:
                return f"{text!r} does not say for which group, as in 'GROUP={text}'"
        except InvalidChoice as error:
            return str(error)
    return ""


def _cache_directory() -> "Iterator[Finding]":
    directory = get_cache_directory()
    if directory is None:
        yield _BAD, "there is no place for it: no home. Set LAZYPLUG_CACHE_DIR"
        return
    fault = _write_fault(directory)
    if not os.path.lexists(directory):
        if fault:
            yield _NOTE, f"{directory} will not be made: {fault}"
        else:
            yield _OK, f"{directory} will be made by the first start"
        return
    if not _files.is_trusted_directory(directory):
        text = f"{directory} is not used: others could write to it, or it is no folder"
        yield _BAD, f"{text}. Remove it, or take these rights away"
        return
    try:
        files = list_files(directory)
    except OSError as error:
        yield _BAD, f"{directory} cannot be read: {error}"
        return
    damaged_count = 0
    for file in files:
        try:
            damaged_count += not file.endswith(".tmp") and bool(damages(file))
        except FileNotFoundError:
            continue  # another process has pruned it
    if damaged_count:
        text = (
            f"{damaged_count} of {len(files)} files are damaged, and mended when needed"
        )
        yield _BAD, f"{text}: see lazyplug cache verify"
    if fault or not os.access(directory, os.W_OK):
        text = f"{directory} cannot be written to: what changed is read at each start"
        yield _NOTE, f"{text} ({fault})" if fault else text
    yield _OK, f"{directory} has {len(files)} files"


def _write_fault(directory: str) -> str:
    """Return why the cache directory cannot be written to, or "" if it can."""
    try:
        with open_cache_directory(directory, make=False):
            return ""
    except FileNotFoundError:
        return ""  # it does not exist yet, and can be created
    except OSError as error:
        return f"{error.filename}: {error.strerror}"


class _UnreadEnvironment(_environment.Environment):
    """An environment that neither reads nor writes its index."""

    def load_index(self, distrusted: bytes = b"", scan: bool = False) -> Index:
        """Return an empty index."""
        return from_bytes(assemble([""], [], [], True, {}, {}, ""))


def _freshness() -> "Iterator[Finding]":
    environment = _UnreadEnvironment(
        *_environment.classify_path(sys.path, _environment.current_directory()), "full"
    )
    frozen = environment.frozen
    if frozen is not None and frozen.answers:
        yield _OK, "is not needed: see frozen"
        return
    directory = get_cache_directory()
    mode = get_setting("LAZYPLUG_CACHE", "on")
    if mode == "off":
        yield _NOTE, "none is read or written: LAZYPLUG_CACHE=off"
        return
    if directory is None or (
        os.path.lexists(directory) and not _files.is_trusted_directory(directory)
    ):
        yield _NOTE, "none is read or written: see cache"
        return
    file = os.path.join(directory, environment.file)
    if not os.path.exists(file):
        yield _NOTE, "there was none for this sys.path"
        return
    index_file = _files.IndexFile(file)
    try:
        index = Index(index_file.read)
        differences = [*_differences(index, environment.frozen_entries)]
    except (OSError, ValueError):
        yield _NOTE, f"{file} could not be read, so all was scanned"
        return
    finally:
        index_file.close()
    for each in differences[:5]:
        yield _NOTE, each
    if len(differences) > 5:
        yield _NOTE, f"{len(differences) - 5} more differed"
    if differences:
        yield _NOTE, "so it was not true any more, and what changed was scanned"
    elif index.racy or not index.reliable:
        yield _OK, "is true; some stamps are too young to be believed yet"
    else:
        yield _OK, f"is true: {file}"


def _differences(index: Index, frozen_entries: "Mapping[str, str]") -> "Iterator[str]":
    """Yield a text for each file or directory that has changed since the index."""
    for entry, known in zip(index.key[1:], index.signatures):
        if entry in frozen_entries:
            text = "" if frozen_entries[entry] == known else f"{entry} was frozen anew"
        else:
            text = _difference(entry, known)
        if text:
            yield text
    records = decode(index)
    for place, absent, present in watched_files(index):
        record = records[place]
        found = {each.file: each for each in record.distributions}
        known_stamps: list[tuple[str, str | None]] = [(file, None) for file in absent]
        for each in present:
            directory, _, file = each.partition(os.sep)
            # A valid index may lack the record of a watched file.
            own = found.get(directory)
            known_stamps.append((each, None if own is None else own.signature_of(file)))
        for file, known in known_stamps:
            text = _difference(os.path.join(record.path, file), known)
            if text:
                yield text


def _difference(path: str, known: "str | None") -> str:
    try:
        status = fs.stat(path)
        now = (
            signature(path, status) if is_by_content(known) else stat_signature(status)
        )
    except (OSError, ValueError):
        now = None
    if now == known:
        return ""
    if known is None:
        return f"{path} came"
    if now is None:
        return f"{path} went"
    parts = zip_longest(_PARTS, known.split(" "), now.split(" "), fillvalue="")
    return f"{path} has another {', '.join(n for n, was, is_ in parts if was != is_)}"


def _frozen() -> "Iterator[Finding]":
    named = get_setting("LAZYPLUG_INDEX")
    environment = _environment.current("full")
    frozen = environment.frozen
    if frozen is None:
        path = named or default_path()
        try:
            if named != OFF and (named or os.path.lexists(path)):
                open_frozen_index(path)
        except OSError as error:
            yield _BAD, f"{path} is not used: {error.strerror}. See lazyplug freeze"
        except ValueError as error:
            yield _BAD, f"{error}: it is not used. See lazyplug freeze, and thaw"
        else:
            yield _OK, "there is none" if named != OFF else "none is used"
        return
    label = frozen.label
    if not frozen.answers:
        does = "lends its records" if environment.borrowed else "is not used"
        gaps = [*_gaps(environment.key[1:], frozen)] or [
            "path entries stand in another order"
        ]
        yield _NOTE, f"{label} {does}: {'; '.join(gaps)}"
        return
    answers = f"{label} answers"
    declaring = _entries_with_distributions(frozen)
    if frozen.trusted and declaring and not any(map(names_checksum, declaring)):
        yield (
            _NOTE,
            f"{answers}; metadata is left out, so nobody can tell if it is true",
        )
        return
    try:
        found = differences_now(frozen)
    except ValueError:
        found = ["it is damaged"]
    if found:
        text = f"{answers}, and is not true any more: {found[0]}; {len(found)} in all"
        yield _BAD, f"{text}. See lazyplug freeze --check"
    else:
        yield _OK, f"{answers}, and is true"


def _entries_with_distributions(frozen: "FrozenIndex") -> "list[str]":
    """Return the path entries for which a frozen index has distributions."""
    pairs = zip(frozen.index.key[1:], frozen.names)
    return [path for path, names in pairs if names is not None]


def _gaps(stable: "list[str]", frozen: "FrozenIndex") -> "Iterator[str]":
    """Yield the reasons why a frozen index does not answer all queries."""
    declaring = _entries_with_distributions(frozen)
    for path in declaring:
        if path not in stable:
            yield f"{path} is not on sys.path"
        elif path not in frozen.frozen_entries:
            yield f"what is in {path} is not what was frozen, by its names"
    for entry in stable:
        if entry not in declaring and names_checksum(entry) is not None:
            yield f"{entry} is not in it"


def _path() -> "Iterator[Finding]":
    environment = _environment.current("full")
    for at, entry in enumerate(environment.entries):
        if at in environment.volatile and _environment.may_contain_distributions(entry):
            yield _NOTE, f"{entry} declares distributions: it is looked at each time"
        elif not os.path.exists(entry) and not entry.endswith(".zip"):
            yield _NOTE, f"{entry} is not there"
    for _, finder in _environment.third_party_finders():
        kind = finder if isinstance(finder, type) else type(finder)
        of = f"{kind.__module__}.{kind.__qualname__}"
        yield _NOTE, f"{of} is asked at each look-up, and imports importlib_metadata"
    yield _OK, f"{len(environment.entries)} entries"


def _metadata(extensions: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    for problem in problems():
        yield _BAD, str(problem)
    directories = set()
    for extension in (each for several in extensions.values() for each in several):
        if extension._owner is not None:
            _, path, file, _ = extension._owner
            # importlib_metadata reads archives, and what third-party finders find.
            if isinstance(path, str) and not os.path.isfile(path):
                directories.add(os.path.join(path, file))
    for directory in sorted(directories):
        values = headers(find_metadata(directory)[2] or "")
        for field, value in zip(("Name", "Version"), values):
            if not value:
                yield _BAD, f"{directory}: its metadata does not say its {field}"
    yield _OK, f"{len(directories)} distributions in folders declare something"


def _names(groups: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    for group, extensions in groups.items():
        by_name: dict[str, list[Extension[Any]]] = {}
        for extension in extensions:
            by_name.setdefault(extension.name, []).append(extension)
        several = {name for name, found in by_name.items() if len(found) > 1}
        if several and group not in _SCRIPTS:
            owners = {label(each) for name in several for each in by_name[name]}
            of = f"{group!r}, from {', '.join(sorted(owners))}"
            yield (
                _NOTE,
                f"{len(several)} stand several times in {of}: {_first_names(several)}",
            )
    yield _OK, f"{sum(map(len, groups.values()))} in {len(groups)} groups"


def _targets(groups: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    modules: dict[str, bool] = {}
    missing: dict[str, set[str]] = {}
    for extension in (each for several in groups.values() for each in several):
        module = extension._module
        if module is None:
            continue  # reported as a problem of the metadata
        if module not in modules:
            modules[module] = facts.is_missing(extension)
        if modules[module]:
            missing.setdefault(label(extension), set()).add(module)
    for owner, names in sorted(missing.items()):
        yield (
            _BAD,
            f"{owner} declares what is not there, of modules: {_first_names(names)}",
        )
    yield _OK, f"{len(modules)} modules are referred to"


def _first_names(names: "set[str]") -> str:
    """Return the first five names, sorted, and how many more there are.

    >>> _first_names({"b", "a"}), _first_names(set("abcdefgh"))
    ('a, b', 'a, b, c, d, e and 3 more')
    """
    first = ", ".join(sorted(names)[:5])
    return first + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _extensions() -> "dict[str, list[Extension[Any]]]":
    found: dict[str, list[Extension[Any]]] = {}
    for group, pairs in rows_by_group(_environment.current("full")).items():
        for row, owner in pairs:
            extension: Extension[Any] = Extension.__new__(Extension)
            found.setdefault(group, []).append(
                extension._fill(group, row, owner, None, None)
            )
    return found
