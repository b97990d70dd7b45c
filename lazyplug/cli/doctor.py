"""What is wrong in this environment? Everything is looked at, no plugin is imported."""

import os
import sys
from itertools import zip_longest

from .. import _environment, _files
from .._content import is_by_content, signature
from .._exceptions import InvalidChoice
from .._extension import Extension
from .._faults.problems import problems
from .._files import Seam
from .._frozen_index import OFF, names_in, opened, own_file
from .._index import Index, stamp
from .._indexing.directory import cache_directory
from .._indexing.layout import assemble, decode, from_bytes
from .._indexing.metadata import headers
from .._indexing.reading import find_metadata
from .._indexing.storage import ours
from .._indexing.watch import watched_files
from .._inventory import served_groups
from .._selection.choice import parse_pattern, split
from .._settings import LEVELS, MODES, cache_folder, setting
from .._static import facts
from .freezing import untrue
from .listing import label
from .output import add_json, clean, print_json
from .verifying import damages

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .._frozen_index import Frozen

    # how it is, and what is to be said of it
    Finding = tuple[str, str]

# Well; to be known; wrong.
_OK, _NOTE, _BAD = "ok", "note", "wrong"
_PARTS = ("mtime", "ctime", "size", "inode", "content")
_VALUES = {
    "LAZYPLUG_CACHE": MODES,
    "LAZYPLUG_CHECK": LEVELS,
    "LAZYPLUG_EAGER": ("1",),
}
_PREFIX = "LAZYPLUG_"
_LISTS = ("LAZYPLUG_ALLOW", "LAZYPLUG_DENY")
# Scripts of several distributions may well be called alike: an installer lets the last
# one have the name.
_SCRIPTS = {"console_scripts", "gui_scripts"}


def add_to(_: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    parser.set_defaults(command=doctor)


def doctor(options: "argparse.Namespace") -> int:
    """Print what was looked at and what is wrong; 1 if anything is."""
    # First, while the index lies there as it was left.
    index = [*_freshness()]
    extensions = _extensions()
    found = {
        "settings": [*_settings()],
        "cache": [*_folder()],
        "index": index,
        "frozen": [*_frozen()],
        "sys.path": [*_path()],
        "metadata": [*_metadata(extensions)],
        "names": [*_names(extensions)],
        "targets": [*_targets(extensions)],
    }
    wrong = sum(how == _BAD for said in found.values() for how, _ in said)
    if options.json:
        print_json(
            {
                subject: [{"state": how, "text": text} for how, text in said]
                for subject, said in found.items()
            }
        )
        return min(wrong, 1)
    for subject, said in found.items():
        for how, text in said:
            print(f"{how:6}{subject}: {clean(text)}")
    print(f"{wrong} wrong" if wrong else "all is well")
    return min(wrong, 1)


def _settings() -> "Iterator[Finding]":
    names = sorted(name for name in os.environ if name.startswith(_PREFIX))
    for name in names:
        value = os.environ[name]
        said = f"{name}={value}"
        if value and not setting(name):
            yield _NOTE, f"{said}, which is ignored: -E, -I, or rights of another user"
        elif value and value not in _VALUES.get(name, (value,)):
            yield _BAD, f"{said}: it may be one of {', '.join(_VALUES[name])}"
        else:
            fault = _fault(name, value)
            yield (_BAD, f"{said}: {fault}") if fault else (_NOTE, said)
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


def _folder() -> "Iterator[Finding]":
    folder = cache_folder()
    if folder is None:
        yield _BAD, "there is no place for it: no home. Set LAZYPLUG_CACHE_DIR"
        return
    fault = _write_fault(folder)
    if not os.path.lexists(folder):
        if fault:
            yield _NOTE, f"{folder} will not be made: {fault}"
        else:
            yield _OK, f"{folder} will be made by the first start"
        return
    if not _files.trusted_folder(folder):
        said = f"{folder} is not used: others could write to it, or it is no folder"
        yield _BAD, f"{said}. Remove it, or take these rights away"
        return
    try:
        files = ours(folder)
    except OSError as error:
        yield _BAD, f"{folder} cannot be read: {error}"
        return
    harmed = 0
    for file in files:
        try:
            harmed += not file.endswith(".tmp") and bool(damages(file))
        except FileNotFoundError:
            continue  # it was pruned meanwhile
    if harmed:
        said = f"{harmed} of {len(files)} files are damaged, and mended when needed"
        yield _BAD, f"{said}: see lazyplug cache verify"
    if fault or not os.access(folder, os.W_OK):
        said = f"{folder} cannot be written to: what changed is read at each start"
        yield _NOTE, f"{said} ({fault})" if fault else said
    yield _OK, f"{folder} has {len(files)} files"


def _write_fault(folder: str) -> str:
    """Return why the cache directory cannot be written to, or "" if it can."""
    try:
        with cache_directory(folder, make=False):
            return ""
    except FileNotFoundError:
        return ""  # it does not exist yet, and can be created
    except OSError as error:
        return f"{error.filename}: {error.strerror}"


class _Unread(_environment.Snapshot):
    """What an index would be of, while the index lies as it was left."""

    def true_index(self, distrusted: bytes = b"", scan: bool = False) -> Index:
        """Return one of nothing."""
        return from_bytes(assemble([""], [], [], True, {}, {}, ""))


def _freshness() -> "Iterator[Finding]":
    snapshot = _Unread(
        *_environment.split_path(sys.path, _environment.current_folder()), "full"
    )
    frozen = snapshot.frozen
    if frozen is not None and frozen.answers:
        yield _OK, "is not needed: see frozen"
        return
    folder = cache_folder()
    mode = setting("LAZYPLUG_CACHE", "on")
    if mode == "off":
        yield _NOTE, "none is read or written: LAZYPLUG_CACHE=off"
        return
    if folder is None or (
        os.path.lexists(folder) and not _files.trusted_folder(folder)
    ):
        yield _NOTE, "none is read or written: see cache"
        return
    file = os.path.join(folder, snapshot.file)
    if not os.path.exists(file):
        yield _NOTE, "there was none for this sys.path"
        return
    index_file = _files.IndexFile(file)
    try:
        index = Index(index_file.read)
        differences = [*_differences(index, snapshot.covered)]
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
    elif index.young or not index.settled:
        yield _OK, "is true; some stamps are too young to be believed yet"
    else:
        yield _OK, f"is true: {file}"


def _differences(index: Index, covered: "Mapping[str, str]") -> "Iterator[str]":
    """Say which of the stamps of an index are not those of what is there."""
    for entry, known in zip(index.key[1:], index.stamps):
        if entry in covered:
            text = "" if covered[entry] == known else f"{entry} was frozen anew"
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
            folder, _, file = each.partition(os.sep)
            # An index may be sound, and have no record of it all the same.
            own = found.get(folder)
            known_stamps.append((each, None if own is None else own.stamp_of(file)))
        for file, known in known_stamps:
            text = _difference(os.path.join(record.path, file), known)
            if text:
                yield text


def _difference(path: str, known: "str | None") -> str:
    try:
        status = Seam.stat(path)
        now = signature(path, status) if is_by_content(known) else stamp(status)
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
    named = setting("LAZYPLUG_INDEX")
    snapshot = _environment.current("full")
    frozen = snapshot.frozen
    if frozen is None:
        path = named or own_file()
        try:
            if named != OFF and (named or os.path.lexists(path)):
                opened(path)
        except OSError as error:
            yield _BAD, f"{path} is not used: {error.strerror}. See lazyplug freeze"
        except ValueError as error:
            yield _BAD, f"{error}: it is not used. See lazyplug freeze, and thaw"
        else:
            yield _OK, "there is none" if named != OFF else "none is used"
        return
    label = frozen.label
    if not frozen.answers:
        does = "lends its records" if snapshot.lent else "is not used"
        gaps = [*_gaps(snapshot.key[1:], frozen)] or [
            "path entries stand in another order"
        ]
        yield _NOTE, f"{label} {does}: {'; '.join(gaps)}"
        return
    answers = f"{label} answers"
    holding = _holding(frozen)
    if frozen.trusted and holding and not any(map(names_in, holding)):
        yield (
            _NOTE,
            f"{answers}; metadata is left out, so nobody can tell if it is true",
        )
        return
    try:
        found = untrue(frozen)
    except ValueError:
        found = ["it is damaged"]
    if found:
        said = f"{answers}, and is not true any more: {found[0]}; {len(found)} in all"
        yield _BAD, f"{said}. See lazyplug freeze --check"
    else:
        yield _OK, f"{answers}, and is true"


def _holding(frozen: "Frozen") -> "list[str]":
    """Return the path entries in which a frozen index has distributions."""
    pairs = zip(frozen.index.key[1:], frozen.names)
    return [path for path, names in pairs if names is not None]


def _gaps(stable: "list[str]", frozen: "Frozen") -> "Iterator[str]":
    """Say why a frozen index does not answer alone."""
    holding = _holding(frozen)
    for path in holding:
        if path not in stable:
            yield f"{path} is not on sys.path"
        elif path not in frozen.covered:
            yield f"what is in {path} is not what was frozen, by its names"
    for entry in stable:
        if entry not in holding and names_in(entry) is not None:
            yield f"{entry} is not in it"


def _path() -> "Iterator[Finding]":
    snapshot = _environment.current("full")
    for at, entry in enumerate(snapshot.entries):
        if at in snapshot.volatile and _environment.declares(entry):
            yield _NOTE, f"{entry} declares distributions: it is looked at each time"
        elif not os.path.exists(entry) and not entry.endswith(".zip"):
            yield _NOTE, f"{entry} is not there"
    for _, finder in _environment.foreign_finders():
        kind = finder if isinstance(finder, type) else type(finder)
        of = f"{kind.__module__}.{kind.__qualname__}"
        yield _NOTE, f"{of} is asked at each look-up, and imports importlib_metadata"
    yield _OK, f"{len(snapshot.entries)} entries"


def _metadata(extensions: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    for problem in problems():
        yield _BAD, str(problem)
    folders = set()
    for extension in (each for several in extensions.values() for each in several):
        if extension._owner is not None:
            _, path, file, _ = extension._owner
            # What lies in archives, and what finders tell of, importlib_metadata reads.
            if isinstance(path, str) and not os.path.isfile(path):
                folders.add(os.path.join(path, file))
    for folder in sorted(folders):
        said = headers(find_metadata(folder)[2] or "")
        for what, there in zip(("Name", "Version"), said):
            if not there:
                yield _BAD, f"{folder}: its metadata does not say its {what}"
    yield _OK, f"{len(folders)} distributions in folders declare something"


def _names(groups: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    for group, extensions in groups.items():
        together: dict[str, list[Extension[Any]]] = {}
        for extension in extensions:
            together.setdefault(extension.name, []).append(extension)
        several = {name for name, found in together.items() if len(found) > 1}
        if several and group not in _SCRIPTS:
            owners = {label(each) for name in several for each in together[name]}
            of = f"{group!r}, from {', '.join(sorted(owners))}"
            yield _NOTE, f"{len(several)} stand several times in {of}: {_some(several)}"
    yield _OK, f"{sum(map(len, groups.values()))} in {len(groups)} groups"


def _targets(groups: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    modules: dict[str, bool] = {}
    missing: dict[str, set[str]] = {}
    for extension in (each for several in groups.values() for each in several):
        module = extension._module
        if module is None:
            continue  # told as a problem of the metadata
        if module not in modules:
            modules[module] = facts.is_missing(extension)
        if modules[module]:
            missing.setdefault(label(extension), set()).add(module)
    for owner, names in sorted(missing.items()):
        yield _BAD, f"{owner} declares what is not there, of modules: {_some(names)}"
    yield _OK, f"{len(modules)} modules are referred to"


def _some(names: "set[str]") -> str:
    """Return some names, in order.

    >>> _some({"b", "a"}), _some(set("abcdefgh"))
    ('a, b', 'a, b, c, d, e and 3 more')
    """
    first = ", ".join(sorted(names)[:5])
    return first + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _extensions() -> "dict[str, list[Extension[Any]]]":
    found: dict[str, list[Extension[Any]]] = {}
    for group, pairs in served_groups(_environment.current("full")).items():
        for row, owner in pairs:
            extension: Extension[Any] = Extension.__new__(Extension)
            found.setdefault(group, []).append(
                extension._fill(group, row, owner, None, None)
            )
    return found
