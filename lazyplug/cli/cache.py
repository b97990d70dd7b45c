"""Show, check, prune and clear the cache directory; rescan and rewrite the index."""

import os
import sys
import time

from .. import _environment, _files
from .. import _messages as messages
from .._faults.problems import problems
from .._files import is_trusted_directory
from .._index import DECODE_ERRORS, Index
from .._indexing.cache_directory import open_cache_directory
from .._indexing.layout import table_of
from .._indexing.storage import FACTS, LOST, SUFFIX, list_files, prune
from .._inventory import all_rows, metadata_directories
from .._printable import counted
from .._settings import get_cache_directory
from .._static.learned import read_head
from .output import (
    add_json,
    clean,
    complain,
    print_json,
    print_table,
    reason_of,
    refuse,
)
from .verifying import damages, is_of_other_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    if name == "refresh":
        add_json(parser)
        parser.set_defaults(command=refresh)
        return
    parser.set_defaults(command=_show_help)
    own = parser.add_subparsers(metavar="COMMAND")
    for word, command, about in (
        ("path", path, "print the path of the cache directory"),
        ("show", show, "list the indexes, each with its environment"),
        ("verify", verify, "read every file completely, and list the damaged ones"),
        (
            "prune",
            prune_directory,
            "remove the files that no environment needs any more",
        ),
        ("clear", clear, "remove all files that lazyplug has written there"),
    ):
        command_parser = own.add_parser(
            word, help=about, description=f"{about[0].upper()}{about[1:]}."
        )
        add_json(command_parser)
        command_parser.set_defaults(command=command)


def _show_help(options: "argparse.Namespace") -> int:
    """Print the help of `lazyplug cache`, and return 2, as without any command."""
    options.parser.print_help(sys.stderr)
    return 2


def path(options: "argparse.Namespace") -> int:
    """Print the path of the cache directory; return 1 if there is none."""
    directory = get_cache_directory()
    if options.json:
        print_json({"path": directory})
    elif directory is None:
        complain(_no_directory())
    else:
        print(clean(directory))
    return 1 if directory is None else 0


def _no_directory() -> str:
    # deferred: only on failure
    from .diagnosis.directory import as_sentences, no_directory

    return as_sentences(no_directory())


def _own_files() -> "tuple[str, list[str], str]":
    """Return the cache directory, our files in it, and why it is not used, or ""."""
    directory = get_cache_directory()
    if directory is None:
        return "", [], _no_directory()
    if not os.path.lexists(directory):
        return directory, [], ""
    if is_trusted_directory(directory):
        try:
            return directory, sorted(list_files(directory)), ""
        except OSError as error:
            return directory, [], _fault(directory, error)
    return directory, [], _fault(directory)


def _fault(directory: str, error: OSError | None = None) -> str:
    """Return why the cache directory is not used or, with an error, not readable."""
    # deferred: only on failure
    from .diagnosis.directory import as_sentences, not_readable, not_trusted

    found = not_readable(directory, error) if error else not_trusted(directory)
    return as_sentences(found)


def show(options: "argparse.Namespace") -> int:
    """Print the indexes in the cache directory; return 1 if it cannot be used."""
    directory, files, fault = _own_files()
    if fault:
        return refuse(options.json, directory, fault)
    indexed = {file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX)}
    rows = [row for file in sorted(indexed) if (row := _row(file + SUFFIX))]
    for file in files:
        if file.endswith(FACTS) and file.removesuffix(FACTS) not in indexed:
            rows += _rows_of_frozen(file)
    if options.json:
        print_json({"path": directory, "indexes": rows})
    elif rows:
        print_table(rows)
    else:
        print(clean(_no_index(directory)))
    return 0


def _no_index(directory: str) -> str:
    return f"No index in {directory}"


def _row(file: str) -> "dict[str, Any] | None":
    facts = file.removesuffix(SUFFIX) + FACTS
    try:
        status = os.stat(file)
        learned = os.path.getsize(facts) if os.path.exists(facts) else 0
    except FileNotFoundError:
        return None  # another process has pruned it
    row = _row_of(os.path.basename(file), status.st_mtime)
    row |= {"bytes": status.st_size, "facts": learned}
    read, close = _files.index_reader(file)
    try:
        index = Index(read)
        row["groups"] = len(table_of(index))
        row["path_entries"] = len(index.key) - 1
        row["environment"] = index.key[0]
    except (OSError, ValueError):
        # Otherwise the row already says that it is damaged.
        if is_of_other_version(file):
            row["environment"] = "(another version of lazyplug)"
    finally:
        close()
    return row


def _rows_of_frozen(file: str) -> "list[dict[str, Any]]":
    """Return the row of facts without an index file: a frozen index answers instead."""
    read, close = _files.index_reader(file)
    try:
        (_, key, _), _, _ = read_head(read)
    except DECODE_ERRORS:
        return []  # pruned by another process, or damaged: `verify` reports that
    finally:
        close()
    status = os.stat(file)
    row = _row_of("(frozen)", status.st_mtime)
    return [row | {"environment": key[0], "facts": status.st_size}]


def _row_of(name: str, written: float) -> "dict[str, Any]":
    return {
        "index": name,
        "environment": "(damaged, or not trusted)",
        "path_entries": 0,
        "groups": 0,
        "bytes": 0,
        "facts": 0,
        "written": time.strftime("%Y-%m-%d %H:%M", time.localtime(written)),
    }


def verify(options: "argparse.Namespace") -> int:
    """Print which files of the cache directory are damaged; return 1 if any is."""
    directory, files, fault = _own_files()
    if fault:
        return refuse(options.json, directory, fault)
    found: dict[str, list[str]] = {}
    for file in files:
        # Indexes of another version are not damaged, but only it can check them.
        if file.endswith((SUFFIX, FACTS, LOST)) and not is_of_other_version(file):
            try:
                found[os.path.basename(file)] = damages(file)
            except FileNotFoundError:
                continue  # another process has pruned it
    damaged_count = sum(map(bool, found.values()))
    if options.json:
        print_json({"path": directory, "damages": found})
        return min(damaged_count, 1)
    for name, damage in found.items():
        line = f"damaged  {name}: {'; '.join(damage)}" if damage else f"ok       {name}"
        print(clean(line))
    if found:
        checked = counted(len(found), "file")
        print(clean(f"{checked} in {directory}, {damaged_count} damaged"))
    else:
        print(clean(_no_index(directory)))
    return min(damaged_count, 1)


def prune_directory(options: "argparse.Namespace") -> int:
    """Remove the files that no environment needs any more, and print their names."""
    return _remove(options, prune)


def clear(options: "argparse.Namespace") -> int:
    """Remove all files of lazyplug from the cache directory, and print their names.

    Other files stay.
    """
    return _remove(options, list_files)


def _remove(options: "argparse.Namespace", choose: "Callable[[str], list[str]]") -> int:
    """Remove the files of the cache directory that a function chooses."""
    directory, files, fault = _own_files()
    if fault:
        return refuse(options.json, directory, fault)
    if not files:
        return _removed(options, directory, files)
    try:
        files = sorted(choose(directory))
        opened = open_cache_directory(directory, make=False)
    except OSError as error:
        # deferred: only on failure
        from .diagnosis.directory import as_sentences, not_writable

        fault = as_sentences(not_writable(directory, error))
        return refuse(options.json, directory, fault)
    with opened:
        for file in files:
            try:
                opened.unlink(os.path.basename(file))
            except FileNotFoundError:
                pass  # `prune` has removed it, or another process
            except OSError as error:
                reason = messages.CANNOT_BE.format(
                    done="removed", reason=reason_of(error)
                )
                complain(f"{file} {reason}")
    return _removed(options, directory, files)


def _removed(options: "argparse.Namespace", directory: str, files: "list[str]") -> int:
    """Print which of these files were removed; return 1 if a file is left."""
    left = [file for file in files if os.path.lexists(file)]
    gone = [os.path.basename(file) for file in files if file not in left]
    if options.json:
        print_json({"path": directory, "removed": gone})
    else:
        for name in gone:
            print(f"removed  {name}")
        print(clean(f"{counted(len(gone), 'file')} removed from {directory}"))
    return 1 if left else 0


def refresh(options: "argparse.Namespace") -> int:
    """Rescan the environment, write the index, and print what was added and removed.

    Returns 1 if the index could not be written.
    """
    before = metadata_directories(_environment.current("none"))
    _environment.invalidate_caches()
    environment = _environment.current("full")
    # Everything is read again, even where the stat signatures are equal.
    environment.index = environment.load_index(scan=True)
    after = metadata_directories(environment)
    frozen = environment.frozen
    is_frozen = frozen is not None and frozen.answers_alone
    changes: dict[str, Any] = {
        "added": sorted(after - before),
        "removed": sorted(before - after),
        "groups": len(all_rows(environment)),
        "problems": len(problems()),
        "remembered": is_frozen or _is_remembered(environment),
    }
    if options.json:
        print_json(changes)
    else:
        for word in ("added", "removed"):
            for directory in changes[word]:
                print(clean(f"{word:8} {directory}"))
        groups = counted(changes["groups"], "group")
        print(f"{groups}, {counted(changes['problems'], 'problem')} in the metadata")
    if frozen is not None and is_frozen:
        complain(
            messages.FREEZE_AGAIN.format(
                reason=messages.INDEX_IN_EFFECT.format(file=frozen.label),
                options=frozen.options,
                file=frozen.label,
            )
        )
    if not changes["remembered"]:
        complain(messages.INDEX_NOT_WRITTEN)
    return 0 if changes["remembered"] else 1


def _is_remembered(environment: "_environment.Environment") -> bool:
    """Return True if the index file has the same header as the index in memory."""
    directory = get_cache_directory()
    if directory is None or not is_trusted_directory(directory):
        return False
    file = os.path.join(directory, environment.file)
    read, close = _files.index_reader(file)
    try:
        return Index(read).header == environment.index.header
    except (OSError, ValueError):
        return False
    finally:
        close()
