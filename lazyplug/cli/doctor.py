"""Check the environment for problems. Imports no plugin."""

import os
import sys
from itertools import zip_longest

from .. import _environment, _files
from .. import _messages as messages
from .._content import is_by_content, signature
from .._exceptions import InvalidChoice
from .._extension import Extension
from .._faults.problems import problems
from .._files import fs
from .._frozen_index import (
    OFF,
    default_path,
    names_checksum,
    open_frozen_index,
    unreadable,
    unusable,
)
from .._index import Index, stat_signature
from .._indexing.cache_directory import open_cache_directory
from .._indexing.layout import assemble, decode, from_bytes
from .._indexing.metadata import headers
from .._indexing.reading import find_metadata
from .._indexing.storage import list_files
from .._indexing.watch import watched_files
from .._inventory import rows_by_group
from .._printable import counted, list_words
from .._selection.choice import parse_pattern, split
from .._settings import LEVELS, MODES, get_cache_directory, get_setting
from .._static import targets
from .freezing import differences_now
from .listing import label
from .output import add_json, clean, print_json
from .startup import startup_code
from .switching import site_directory, switch_state
from .verifying import (
    damages,
    is_of_other_version,
    no_cache_directory,
    untrusted,
    write_fault,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from typing import Any

    from .._frozen_index import FrozenIndex

    # the state, and the text that describes it
    Finding = tuple[str, str]

# "note" is for information; only "problem" makes the command fail.
_OK, _NOTE, _PROBLEM = "ok", "note", "problem"
_PARTS = ("mtime", "ctime", "size", "inode", "content")
_VALUES = {
    "LAZYPLUG_CACHE": MODES,
    "LAZYPLUG_CHECK": LEVELS,
    "LAZYPLUG_EAGER": ("1",),
    "LAZYPLUG_LAZY": ("1",),
    "LAZYPLUG_SWITCH": ("off",),
    "LAZYPLUG_TRACEBACK": ("1",),
}
_DEFAULTS = {name: values[0] for name, values in _VALUES.items()}
_DEFAULTS |= {"LAZYPLUG_SWITCH": "on"} | dict.fromkeys(
    ("LAZYPLUG_EAGER", "LAZYPLUG_LAZY", "LAZYPLUG_TRACEBACK"), "0"
)
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
    """Print what was checked and the problems found; return 1 if there are any.

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
        "switch": [*_switch()],
        "startup": [*_startup()],
        "sys.path": [*_path()],
        "metadata": [*_metadata(extensions)],
        "names": [*_names(extensions)],
        "targets": [*_targets(extensions)],
    }
    count = sum(state == _PROBLEM for each in found.values() for state, _ in each)
    if options.json:
        print_json(
            {
                subject: [{"state": state, "text": text} for state, text in findings]
                for subject, findings in found.items()
            }
        )
        return min(count, 1)
    for subject, findings in found.items():
        for state, text in findings:
            print(f"{state:8}{subject}: {clean(text)}")
    print(f"{counted(count, 'problem')} found" if count else "no problems found")
    return min(count, 1)


def _settings() -> "Iterator[Finding]":
    names = sorted(name for name in os.environ if name.startswith(_PREFIX))
    for name in names:
        value = os.environ[name]
        setting = f"{name}={value}"
        if value and not get_setting(name):
            reason = "Python runs with -E or -I, or with the privileges of another user"
            yield _NOTE, f"ignoring {setting}: {reason}"
        elif value and value not in _VALUES.get(name, (value,)):
            text = messages.IGNORING_SETTING.format(
                name=name,
                value=value,
                values=list_words(_VALUES[name]),
                default=_DEFAULTS[name],
            )
            yield _PROBLEM, text
        else:
            fault = _fault(name, value)
            yield (_PROBLEM, fault) if fault else (_NOTE, setting)
    if not names:
        yield _OK, "no LAZYPLUG_* variable is set"


def _fault(name: str, value: str) -> str:
    for text in split(value) if name in _LISTS else ():
        try:
            if parse_pattern(text, name)[1] is None:
                return messages.PATTERN_WITHOUT_GROUP.format(pattern=text, source=name)
        except InvalidChoice as error:
            return str(error)
    return ""


def _cache_directory() -> "Iterator[Finding]":
    directory = get_cache_directory()
    if directory is None:
        yield _PROBLEM, no_cache_directory()
        return
    fault = _write_fault(directory)
    if not os.path.lexists(directory):
        if fault:
            reason = messages.CANNOT_BE.format(done="created", reason=fault)
            yield _NOTE, f"{directory} {reason}"
        else:
            yield _OK, f"{directory} will be created when an index is first written"
        return
    if not _files.is_trusted_directory(directory):
        yield _PROBLEM, untrusted(directory)
        return
    try:
        files = list_files(directory)
    except OSError as error:
        yield _PROBLEM, unreadable(directory, error)
        return
    damaged_count = 0
    for file in files:
        if file.endswith(".tmp") or is_of_other_version(file):
            continue
        try:
            damaged_count += bool(damages(file))
        except FileNotFoundError:
            continue  # another process has pruned it
    if damaged_count:
        text = f"{damaged_count} of {counted(len(files), 'file')} damaged"
        yield (
            _PROBLEM,
            f"{text}, to be rewritten when needed. Run `lazyplug cache verify`.",
        )
    if fault or not os.access(directory, os.W_OK):
        reason = messages.CANNOT_BE.format(
            done="written", reason=fault or "no write access"
        )
        text = f"{directory} {reason}"
        yield _NOTE, f"{text}; changes are scanned again at each start"
    yield _OK, f"{directory} has {counted(len(files), 'file')}"
    if (
        get_setting("LAZYPLUG_LAZY") == "1"
        and get_setting("LAZYPLUG_CACHE", "on") != "on"
    ):
        yield _NOTE, "LAZYPLUG_LAZY has no effect, since nothing is written"


def _switch() -> "Iterator[Finding]":
    found = switch_state(site_directory())
    if found["problem"]:
        yield _PROBLEM, found["problem"]
    elif found["state"] == "off":
        yield _OK, "off"
    else:
        means = ["accelerate"]
        means += [name for name in ("as_stevedore", "lazy") if found[name]]
        programs = ", ".join(found["programs"]) or "all programs"
        yield _NOTE, f"on for {programs}: {', '.join(means)}"
    for other in found["inherited"]:
        yield _NOTE, f"on in {other}, too"


def _startup() -> "Iterator[Finding]":
    found = [*startup_code()]
    for file, code in found:
        # Lines of editable installs may be very long.
        begin = code if len(code) <= 100 else f"{code[:97]}..."
        yield _NOTE, f"each start of Python runs code from {file}: {begin}"
    yield _OK, f"Python runs {counted(len(found), 'line')} of code before each program"


def _write_fault(directory: str) -> str:
    """Return why the cache directory cannot be written to, or "" if it can."""
    try:
        with open_cache_directory(directory, make=False):
            return ""
    except FileNotFoundError:
        return ""  # it does not exist yet, and can be created
    except OSError as error:
        return write_fault(directory, error)


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
    if frozen is not None and frozen.answers_alone:
        yield _OK, "not used (a frozen index is in effect)"
        return
    directory = get_cache_directory()
    mode = get_setting("LAZYPLUG_CACHE", "on")
    if mode == "off":
        yield _NOTE, "not used: LAZYPLUG_CACHE=off"
        return
    if directory is None or (
        os.path.lexists(directory) and not _files.is_trusted_directory(directory)
    ):
        yield _NOTE, "not used: the cache directory cannot be used (see cache)"
        return
    file = os.path.join(directory, environment.file)
    if not os.path.exists(file):
        yield _NOTE, "none for this sys.path yet"
        return
    read, close = _files.index_reader(file)
    try:
        index = Index(read)
        differences = [*_differences(index, environment.frozen_entries)]
    except (OSError, ValueError):
        yield _NOTE, f"{file} cannot be read, so everything was rescanned"
        return
    finally:
        close()
    for each in differences[:5]:
        yield _NOTE, each
    if len(differences) > 5:
        yield _NOTE, counted(len(differences) - 5, "more difference")
    if differences:
        yield _NOTE, "stale, so what changed was rescanned"
    elif index.racy or not index.reliable:
        text = "part of it changed less than two seconds before the scan"
        yield _OK, f"up to date; {text}, so it is checked again at the next start"
    else:
        yield _OK, f"up to date: {file}"


def _differences(index: Index, frozen_entries: "Mapping[str, str]") -> "Iterator[str]":
    """Yield a text for each file or directory that has changed since the index."""
    for entry, known in zip(index.key[1:], index.signatures):
        if entry in frozen_entries:
            text = "" if frozen_entries[entry] == known else f"{entry} was frozen again"
        else:
            text = _difference(entry, known)
        if text:
            yield text
    records = decode(index)
    for place, absent, present in watched_files(index):
        record = records[place]
        found = {each.file: each for each in record.distributions}
        signatures: list[tuple[str, str | None]] = [(file, None) for file in absent]
        for each in present:
            directory, _, file = each.partition(os.sep)
            # A valid index may lack the record of a watched file.
            own = found.get(directory)
            signatures.append((each, None if own is None else own.signature_of(file)))
        for file, known in signatures:
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
        return f"{path} was added"
    if now is None:
        return f"{path} was removed"
    parts = zip_longest(_PARTS, known.split(" "), now.split(" "), fillvalue="")
    differing = ", ".join(part for part, was, is_ in parts if was != is_)
    return f"{path} has a different {differing}"


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
            yield _PROBLEM, unusable(unreadable(path, error), path)
        except ValueError as error:
            yield _PROBLEM, unusable(str(error), path)
        else:
            yield _OK, "none" if named != OFF else "not used: LAZYPLUG_INDEX=off"
        return
    label = frozen.label
    if not frozen.answers_alone:
        does = "is used in part" if environment.borrowed else "is not used"
        gaps = [*_gaps(environment.key[1:], frozen)] or [
            "the path entries are in another order"
        ]
        yield _NOTE, f"{label} {does}: {'; '.join(gaps)}"
        return
    declaring = _entries_with_distributions(frozen)
    if frozen.trusted and declaring and not any(map(names_checksum, declaring)):
        yield (
            _NOTE,
            f"{label} is used; the metadata is missing, so it cannot be checked",
        )
        return
    try:
        found = differences_now(frozen)
    except ValueError:
        found = ["it is damaged"]
    if found:
        count = counted(len(found), "difference")
        text = f"{label} is used, but is stale: {found[0]}; {count} in total"
        yield _PROBLEM, f"{text}. Run `lazyplug freeze --check --output {label}`."
    else:
        yield _OK, f"{label} is used, and up to date"


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
            yield f"{path} has other distributions than when it was frozen"
    for entry in stable:
        if entry not in declaring and names_checksum(entry) is not None:
            yield f"{entry} is not in the frozen index"


def _path() -> "Iterator[Finding]":
    environment = _environment.current("full")
    for at, entry in enumerate(environment.entries):
        if at in environment.volatile and _environment.may_contain_distributions(entry):
            yield (
                _NOTE,
                f"{entry} contains distributions, so it is scanned at each start",
            )
        elif not os.path.exists(entry) and not entry.endswith(".zip"):
            yield _NOTE, messages.DOES_NOT_EXIST.format(path=entry)
    for _, finder in _environment.third_party_finders():
        kind = finder if isinstance(finder, type) else type(finder)
        text = f"third-party finder {kind.__module__}.{kind.__qualname__}"
        yield _NOTE, f"{text} is asked at each lookup, which imports importlib.metadata"
    yield _OK, counted(len(environment.entries), "entry", "entries")


def _metadata(extensions: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    for problem in problems():
        yield _PROBLEM, str(problem)
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
                yield _PROBLEM, f"{directory}: the metadata has no {field}"
    count = counted(len(directories), "distribution")
    yield _OK, f"{count} in directories with entry points"


def _names(groups: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    for group, extensions in groups.items():
        by_name: dict[str, list[Extension[Any]]] = {}
        for extension in extensions:
            by_name.setdefault(extension.name, []).append(extension)
        several = {name for name, found in by_name.items() if len(found) > 1}
        if several and group not in _SCRIPTS:
            owners = {label(each) for name in several for each in by_name[name]}
            of = f"{group!r}, by {', '.join(sorted(owners))}"
            count = counted(len(several), "name")
            yield (
                _NOTE,
                f"{count} declared more than once in {of}: {_first_names(several)}",
            )
    points = counted(sum(map(len, groups.values())), "entry point")
    yield _OK, f"{points} in {counted(len(groups), 'group')}"


def _targets(groups: "dict[str, list[Extension[Any]]]") -> "Iterator[Finding]":
    modules: dict[str, bool] = {}
    missing: dict[str, set[str]] = {}
    for extension in (each for several in groups.values() for each in several):
        module = extension._module
        if module is None:
            continue  # reported as a problem of the metadata
        if module not in modules:
            modules[module] = targets.is_missing(extension)
        if modules[module]:
            missing.setdefault(label(extension), set()).add(module)
    for owner, names in sorted(missing.items()):
        yield (
            _PROBLEM,
            f"{owner} refers to modules that do not exist: {_first_names(names)}",
        )
    yield _OK, f"entry points refer to {counted(len(modules), 'module')}"


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
