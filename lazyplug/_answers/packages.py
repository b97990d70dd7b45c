"""Answer `packages_distributions()`, and remember the modules of each distribution.

The library reads METADATA, RECORD and top_level.txt of every distribution, and from
Python 3.12 checks that every file in RECORD exists. What it found is remembered for
each distribution while these three files are the same and a file of each of its modules
exists.
"""

import os
import sys
from types import FunctionType

from .._content import has_change_time
from .._files import fs
from .._index import fingerprint, stat_hashes, stat_signature
from .._indexing.reading import is_reliable
from .._static.learned import LearnedFacts, learned_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # the distributions of each top-level module
    Modules = dict[str, list[str]]
    # By metadata directory: the state of its files, its modules, and one file of each
    # module that RECORD lists.
    Remembered = dict[str, tuple[str, Modules, list[str]]]

_KIND = "packages"
_FILES = ("METADATA", "RECORD", "top_level.txt")


def packages_distributions(
    library: "Any", original: "Callable[..., Modules]", *args: "Any", **kwds: "Any"
) -> "Modules":
    """Return the names of the distributions of each top-level module."""
    ask = _for_one(original)
    if args or kwds or ask is None or type(os) is not type(sys):
        return original(*args, **kwds)  # os: see `current` in `_environment`
    known = learned_facts()
    version = _version_of(library)
    before = _recall(known, version)
    stable = {os.path.normpath(path) for path in known.key[1:]}
    clock = fs.clock()
    remembered: Remembered = {}
    found: Modules = {}
    for dist in library.distributions():
        metadata = _metadata_directory(dist)
        entry = os.path.dirname(metadata)
        # Taken before the files are read, so that a change in between is noticed.
        state = _state(metadata, clock) if entry in stable else ""
        last = before.get(metadata)
        files: list[str] | None
        if (
            state
            and last is not None
            and last[0] == state
            and all(fs.access(os.path.join(entry, file), 0) for file in last[2])
        ):
            modules, files = last[1:]
        else:
            modules = ask(dist)
            files = _file_of_each(dist, entry, modules) if state else None
        if files is not None:
            remembered[metadata] = state, modules, files
        for module, names in modules.items():
            found.setdefault(module, []).extend(names)
    if remembered != before:
        from .._static.learning import add  # deferred: most processes learn nothing

        add(known, None, _KIND, [version, remembered])
    return found


def _for_one(
    original: "Callable[..., Modules]",
) -> "Callable[[Any], Modules] | None":
    """Return the function of the library, for a single distribution.

    It is the library's own code, with other globals: it finds that distribution only.
    None if the function is not the library's own.
    """
    if type(original) is not FunctionType:
        return None
    if "distributions" not in original.__code__.co_names:
        return None
    space = dict(original.__globals__)
    function = FunctionType(original.__code__, space, None, None, original.__closure__)

    def ask(dist: "Any") -> "Modules":
        space["distributions"] = lambda: (dist,)
        found: Modules = function()
        return found

    return ask


def _version_of(library: "Any") -> "str":
    """Return a text that differs in another version of Python or of the library."""
    file = stat_signature(fs.stat(library.__file__))
    return f"{sys.version} {library.__name__} {file}"


def _recall(known: LearnedFacts, version: str) -> "Remembered":
    """Return what is remembered; empty if it is of another version, or damaged."""
    found: Remembered = {}
    match known.recall(None, _KIND):
        case [text, dict(remembered)] if text == version:
            for metadata, each in remembered.items():
                match each:
                    case [str(state), dict(modules), list(files)] if all(
                        isinstance(names, list) for names in modules.values()
                    ) and all(isinstance(file, str) for file in files):
                        found[metadata] = state, modules, files
    return found


def _file_of_each(dist: "Any", entry: str, modules: "Modules") -> "list[str] | None":
    """Return a file of each module that RECORD lists; none for top_level.txt.

    None: this is not to be remembered, since a file in RECORD is missing. It may come
    back, and no file that the library reads would show that.
    """
    if (dist.read_text("top_level.txt") or "").split():
        return []
    from csv import reader  # deferred: not if all distributions are remembered

    files: dict[str, str] = {}
    for row in reader((dist.read_text("RECORD") or "").splitlines()):
        file = row[0] if row else ""
        # Bytecode comes and goes; the library looks at sources as well.
        if file[-4:] != ".pyc" and not fs.access(os.path.join(entry, file), 0):
            return None
        top = file.partition("/")[0]
        if file[-4:] != ".pyc":
            files.setdefault(top if top in modules else top.partition(".")[0], file)
    found = [files.get(module, "") for module in modules]
    return found if all(found) else None


def _metadata_directory(dist: "Any") -> str:
    """Return the path of a .dist-info directory; "" for metadata of another kind."""
    try:
        path: str = os.fspath(dist._path)
    except (AttributeError, TypeError):
        return ""  # of a third-party finder, or in an archive
    return path if path.endswith(".dist-info") else ""


def _state(metadata: str, clock: int) -> str:
    """Return a fingerprint of the files that the library reads; "" if it is racy."""
    statuses = []
    names = ""
    for name in _FILES:
        try:
            status = fs.stat(f"{metadata}{os.sep}{name}")
        except FileNotFoundError:
            continue
        except OSError:
            return ""
        if not is_reliable(status, False, clock) or not has_change_time(status):
            return ""
        statuses.append(status)
        names += name[0]
    return names + fingerprint(stat_hashes(statuses))
