"""What is wrong in this environment? Everything is looked at, no plugin is imported."""

import os
import sys
from importlib.machinery import PathFinder
from zipimport import zipimporter

from lazyplug import _cache, _learned
from lazyplug._foreign import names_of
from lazyplug._index import Index, paths, stamp, texts
from lazyplug._manager import Extension
from lazyplug._problem import problems
from lazyplug._scan import find_metadata, headers
from lazyplug._store import FACTS, SUFFIX
from lazyplug._verify import damages
from lazyplug._whole import everything

from .listing import label
from .output import add_json, clean, print_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    # how it is, and what is to be said of it
    Finding = tuple[str, str]

# Well; to be known; wrong.
_OK, _NOTE, _BAD = "ok", "note", "wrong"
_PARTS = ("mtime", "ctime", "size", "inode")


def add_to(_: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    parser.set_defaults(command=doctor)


def doctor(options: "argparse.Namespace") -> int:
    """Print what was looked at and what is wrong; 1 if anything is."""
    # First, while the index lies there as it was left.
    stale = [*_freshness()]
    found = {
        "settings": [*_settings()],
        "cache": [*_folder()],
        "index": stale,
        "sys.path": [*_path()],
        "metadata": [*_metadata()],
        "names": [*_names()],
        "targets": [*_targets()],
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
    names = sorted(name for name in os.environ if name.startswith("LAZYPLUG_"))
    for name in names:
        said = f"{name}={os.environ[name]}"
        if _cache.setting(name) or not os.environ[name]:
            yield _NOTE, said
        else:
            yield _NOTE, f"{said}, which is ignored: -E, -I, or rights of another user"
    if not names:
        yield _OK, "none; see README for what LAZYPLUG_* variables do"


def _folder() -> "Iterator[Finding]":
    folder = _cache.cache_folder()
    if folder is None:
        yield _BAD, "there is no place for it: no home. Set LAZYPLUG_CACHE_DIR"
        return
    if not os.path.lexists(folder):
        yield _OK, f"{folder} will be made by the first start"
        return
    if not _cache.trusted_folder(folder):
        said = f"{folder} is not used: others could write to it, or it is no folder"
        yield _BAD, f"{said}. Remove it, or take these rights away"
        return
    try:
        files = [name for name in os.listdir(folder) if name.endswith((SUFFIX, FACTS))]
    except OSError as error:
        yield _BAD, f"{folder} cannot be read: {error}"
        return
    harmed = 0
    for name in files:
        try:
            harmed += bool(damages(os.path.join(folder, name)))
        except FileNotFoundError:
            continue  # it was pruned meanwhile
    if harmed:
        said = f"{harmed} of {len(files)} files are damaged, and mended when needed"
        yield _BAD, f"{said}: see lazyplug cache verify"
    if not os.access(folder, os.W_OK):
        yield (
            _NOTE,
            f"{folder} cannot be written to: what changed is read at each start",
        )
    yield _OK, f"{folder} has {len(files)} files"


def _freshness() -> "Iterator[Finding]":
    entries, volatile = _cache.split_path(sys.path, _here())
    key = [sys.prefix, *[e for at, e in enumerate(entries) if at not in volatile]]
    folder = _cache.cache_folder()
    file = folder and os.path.join(folder, _cache.index_name(key))
    if not file or not os.path.exists(file):
        yield _NOTE, "there was none for this sys.path: the next start will be warm"
        return
    read, close = _cache.index_file(file)
    try:
        index = Index(read)
        differences = [*_differences(index)]
    except (OSError, ValueError):
        yield _BAD, f"{file} could not be read; it was written anew"
        return
    finally:
        close()
    for each in differences[:5]:
        yield _NOTE, each
    if len(differences) > 5:
        yield _NOTE, f"{len(differences) - 5} more differed"
    if differences:
        yield _NOTE, "so it was not true any more, and was brought up to date"
    elif index.young or not index.settled:
        yield _OK, "is true; some stamps are too young to be believed yet"
    else:
        yield _OK, f"is true: {file}"


def _here() -> "str | None":
    try:
        return os.getcwd()
    except OSError:
        return None  # the current folder was removed


def _differences(index: Index) -> "Iterator[str]":
    """Say which of the stamps of an index are not those of what is there."""
    for entry, known in zip(index.key[1:], index.stamps):
        text = _difference(entry, known)
        if text:
            yield text
    for place, absent, present, stamps in index.watched():
        root = index.key[place + 1]
        known_stamps = dict(zip(paths(present), texts(stamps.decode()[:-1])))
        for each in (*paths(absent), *paths(present)):
            file = os.path.join(root, os.fsdecode(each).lstrip(os.sep))
            text = _difference(file, known_stamps.get(each))
            if text:
                yield text


def _difference(path: str, known: "str | None") -> str:
    try:
        now = stamp(os.stat(path))
    except OSError:
        now = None
    if now == known:
        return ""
    if known is None:
        return f"{path} came"
    if now is None:
        return f"{path} went"
    parts = zip(_PARTS, known.split(" "), now.split(" "))
    return f"{path} has another {', '.join(n for n, was, is_ in parts if was != is_)}"


def _path() -> "Iterator[Finding]":
    snapshot = _cache.current("full")
    for at, entry in enumerate(snapshot.entries):
        if at in snapshot.volatile and _cache.declares(entry):
            live = entry or "the current folder"
            yield _NOTE, f"{live} declares distributions: it is looked at each time"
        elif not os.path.exists(entry) and not entry.endswith(".zip"):
            yield _NOTE, f"{entry} is not there"
    for _, finder in _cache.foreign_finders():
        yield (
            _NOTE,
            f"{finder!r} is asked at each look-up, and imports importlib_metadata",
        )
    yield _OK, f"{len(snapshot.entries)} entries"


def _metadata() -> "Iterator[Finding]":
    found = problems()
    for problem in found:
        yield _BAD, str(problem)
    groups = everything(_cache.current())
    owners = {owner[:3]: owner for pairs in groups.values() for _, owner in pairs}
    for owner in owners.values():
        _, path, file, _ = owner
        if not isinstance(path, str) or os.path.isfile(path):
            name, version = names_of(owner)
            place = str(path)
        else:
            place = os.path.join(path, file)
            name, version = headers(find_metadata(place, os)[2] or "")
        for what, said in (("Name", name), ("Version", version)):
            if not said:
                yield _BAD, f"{place}: its metadata does not say its {what}"
    yield _OK, f"{len(owners)} distributions declare something"


def _names() -> "Iterator[Finding]":
    groups = _extensions()
    for group, extensions in groups.items():
        names = [extension.name for extension in extensions]
        several = {name for name in names if names.count(name) > 1}
        if several:
            owners = {label(each) for each in extensions if each.name in several}
            of = f"{group!r}, from {', '.join(sorted(owners))}"
            yield _NOTE, f"{len(several)} stand several times in {of}: {_some(several)}"
    yield _OK, f"{sum(map(len, groups.values()))} in {len(groups)} groups"


def _targets() -> "Iterator[Finding]":
    modules: dict[str, bool] = {}
    missing: dict[str, set[str]] = {}
    for extensions in _extensions().values():
        for extension in extensions:
            module = extension._module
            if module is None:
                continue  # told as a problem of the metadata
            if module not in modules:
                modules[module] = _is_there(extension, module)
            if not modules[module]:
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


def _is_there(extension: "Extension[Any]", module: str) -> bool:
    top = module.partition(".")[0]
    if _learned.place(extension) is not None or top in sys.builtin_module_names:
        return True
    # What lies deeper in an archive is left to the import.
    spec = PathFinder.find_spec(top)
    return spec is not None and isinstance(spec.loader, zipimporter)


def _extensions() -> "dict[str, list[Extension[Any]]]":
    found: dict[str, list[Extension[Any]]] = {}
    for group, pairs in everything(_cache.current()).items():
        for row, owner in pairs:
            extension: Extension[Any] = Extension.__new__(Extension)
            found.setdefault(group, []).append(
                extension._fill(group, row, owner, None, None)
            )
    return found
