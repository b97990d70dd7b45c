"""Write, check or remove a frozen index. Imports no plugin."""

import os
import sys
import sysconfig

from .. import _messages as messages
from .._environment import classify_path
from .._exceptions import LazyplugError
from .._files import SIZE_CAP, fs
from .._frozen_index import default_path, open_frozen_index, unreadable
from .._indexing.cache_directory import Directory
from .._indexing.freeze import anchor_path, differences, freeze_index, freeze_time
from .._indexing.layout import decode, from_bytes
from .._indexing.storage import write
from .._inventory import distribution_keys
from .._printable import counted
from .host_facts import add_group_facts, import_facts
from .output import add_json, clean, complain, print_json, reason_of, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from .._facts import Facts
    from .._frozen_index import FrozenIndex
    from .._index import Index

    # the anchored name and the path of each path entry
    Named = list[tuple[str, str]]


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    add_json(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        default=default_path(),
        help="the path of the frozen index (default: %(default)s)",
    )
    if name == "thaw":
        parser.set_defaults(command=thaw)
        return
    parser.add_argument(
        "--path",
        action="append",
        metavar="DIRECTORY",
        help="freeze it instead of sys.path; it will be moved together with FILE",
    )
    for option, about in (
        ("--trust", "use the frozen index without checking that it is up to date"),
        (
            "--flat",
            "as --trust; all plugins will be in the directory of FILE (PyInstaller)",
        ),
        ("--check", "write nothing; list what has changed since FILE was written"),
    ):
        parser.add_argument(option, action="store_true", help=about)
    add_group_facts(
        parser,
        "with --trust or --flat: also freeze the facts of the plugins of a group that"
        " this Facts object of its host asks for",
    )
    parser.set_defaults(command=freeze)


def freeze(options: "argparse.Namespace") -> int:
    """Write a frozen index, or check one; return 1 if it fails or is stale.

    Returns 2 for options that exclude each other.
    """
    file = os.path.abspath(options.output)
    if options.check and (options.trust or options.flat):
        complain(f"lazyplug freeze: {messages.OPTIONS_OF_FILE}")
        return 2
    if options.facts and not (options.check or options.trust or options.flat):
        text = messages.ONLY_WITH.format(option="--facts", other="--trust or --flat")
        complain(f"lazyplug freeze: {text}")
        return 2
    for directory in options.path or ():
        if not os.path.exists(directory):
            missing = messages.DOES_NOT_EXIST.format(path=directory)
            return refuse(options.json, file, _nothing_done("frozen", missing))
    if type(sys.modules["os"]) is not type(sys):
        fault = _nothing_done("frozen", messages.OS_REPLACED)
        return refuse(options.json, file, fault)
    try:
        return _check(options, file) if options.check else _write(options, file)
    except OSError as error:
        # Not the path of the error: it may be that of the temporary file.
        if options.check:
            fault = unreadable(file, error)
        else:
            reason = messages.CANNOT_BE.format(done="written", reason=reason_of(error))
            fault = messages.USE_ANOTHER_FILE.format(reason=f"{file} {reason}")
        return refuse(options.json, file, fault)
    except (ValueError, LazyplugError) as error:
        return refuse(options.json, file, str(error))


def _nothing_done(done: str, reason: object) -> str:
    return messages.NOTHING_DONE.format(reason=reason, done=done)


def _anchored_entries(paths: "list[str] | None", directory: str) -> "Named":
    """Return the path entries to freeze: the given ones, or those of this process."""
    if paths is None:
        return [
            (anchor_path(path, directory, staged=False), path) for path in _own_path()
        ]
    whole = dict.fromkeys(map(os.path.abspath, paths))
    return [(anchor_path(path, directory, staged=True), path) for path in whole]


def _write(options: "argparse.Namespace", file: str) -> int:
    content = freeze_index(
        _anchored_entries(options.path, os.path.dirname(file)),
        freeze_time(),
        trusted=options.trust,
        flat=options.flat,
    )
    index = from_bytes(content)
    facts = _facts(options, index)
    directory, name = os.path.split(file)
    write(Directory(directory), name, content + facts, 0o644)
    entries = decode(index)
    files = (file for entry in entries for file in entry.files())
    distributions = len(distribution_keys(files))
    declared = index.header.count(b"\n") - 5
    trusted = options.trust or options.flat
    if options.json:
        found = {
            "path": file,
            "path_entries": len(entries),
            "distributions": distributions,
            "groups": declared,
            "trusted": trusted,
            "bytes": len(content) + len(facts),
        }
        print_json(found)
    else:
        how = "trusted without checking" if trusted else "checked at each start"
        content_summary = (
            f"{counted(distributions, 'distribution')} in"
            f" {counted(len(entries), 'path entry', 'path entries')},"
            f" {counted(declared, 'group')}, {how}"
        )
        print(clean(f"{file}: {content_summary}"))
    if not distributions:
        complain(messages.NO_DISTRIBUTIONS)
    return 0


def _facts(options: "argparse.Namespace", index: "Index") -> bytes:
    """Return the facts to be put into a frozen index; b"" if none are asked for.

    Raises LazyplugError if a module of a host cannot be imported, or if nothing
    declares a group.
    """
    if not options.facts:
        return b""
    from .._static.frozen_facts import freeze_facts  # deferred: imports ast
    from .._static.learned import learned_facts
    from .._static.source import Search

    asked: list[tuple[str, Facts]] = []
    for group, reference in options.facts:
        if not index.rows(group):
            what = f"the group {group!r}"
            missing = messages.NOT_DECLARED.format(what=what)
            raise LazyplugError(_nothing_done("frozen", missing))
        asked.append((group, import_facts(reference)))
    search = learned_facts().search()
    if options.path:
        # What is frozen will be moved: nothing else is certain to be there.
        paths = tuple(map(os.path.abspath, options.path))
        search = Search(paths, frozenset(), fs.clock, lambda *_: [])
    facts, faults = freeze_facts(index, asked, search)
    for extension, fault in faults:
        complain(messages.FROZEN_WITHOUT.format(extension=extension, problem=fault))
    return facts


def _check(options: "argparse.Namespace", file: str) -> int:
    try:
        frozen = open_frozen_index(file)
    except FileNotFoundError:
        raise LazyplugError(messages.NOTHING_TO_CHECK.format(path=file)) from None
    named = None
    if options.path or frozen.flat:
        named = _anchored_entries(options.path, os.path.dirname(file))
    found = differences_now(frozen, named)
    if options.facts and not found:
        facts = _facts(options, frozen.index)
        if facts != frozen.read_facts(0, SIZE_CAP):
            found = ["the facts have changed"]
    if options.json:
        print_json({"path": file, "differences": found})
        return 1 if found else 0
    for each in found:
        print(clean(each))
    print(clean(f"{file} is {'stale' if found else 'up to date'}"))
    return 1 if found else 0


def differences_now(frozen: "FrozenIndex", named: "Named | None" = None) -> "list[str]":
    """Rescan, and return the differences between a frozen index and the environment.

    Raises ValueError if the frozen index is damaged.

    :param named: the path entries to scan; by default those of the frozen index.
    """
    if named is None:
        named = list(zip(frozen.anchored, frozen.index.key[1:]))
    content = freeze_index(
        named,
        frozen.since,
        trusted=frozen.trusted,
        flat=frozen.flat,
    )
    now = from_bytes(content)
    found = [*differences(frozen, now)]
    if not found and now.header != frozen.index.header:
        # The path entries differ, or the problems in them.
        return ["the path entries, or the problems in them, have changed"]
    return found


def thaw(options: "argparse.Namespace") -> int:
    """Remove a frozen index; return 1 if the file is missing or not a frozen index."""
    file = os.path.abspath(options.output)
    try:
        open_frozen_index(file)
        os.unlink(file)
    except FileNotFoundError:
        missing = messages.DOES_NOT_EXIST.format(path=file)
        return refuse(options.json, file, _nothing_done("removed", missing))
    except OSError as error:
        reason = messages.CANNOT_BE.format(done="removed", reason=reason_of(error))
        return refuse(options.json, file, f"{file} {reason}")
    except ValueError as error:
        return refuse(options.json, file, _nothing_done("removed", error))
    if options.json:
        print_json({"removed": file})
    else:
        print(clean(f"removed {file}"))
    return 0


def _own_path() -> "list[str]":
    """Return the path entries to freeze by default: the stable ones.

    The scripts directory is always included: a console script has it on `sys.path`,
    `python -m` does not.
    """
    entries, volatile = classify_path(sys.path, None)
    inside = sys.prefix + os.sep, sys.base_prefix + os.sep
    scripts = sysconfig.get_path("scripts")
    found = [
        entry
        for at, entry in enumerate(entries)
        # A current directory inside the environment is volatile, but is frozen too.
        if (at not in volatile or entry.startswith(inside)) and entry != scripts
    ]
    return [*found, scripts]
