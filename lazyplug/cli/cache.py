"""What lies in the cache folder, and looking at everything anew."""

import os
import time

from .. import _environment, _files
from .._faults.problems import problems
from .._files import trusted_folder
from .._index import DOUBT, Index
from .._indexing.directory import cache_directory
from .._indexing.layout import table_of
from .._indexing.storage import FACTS, SUFFIX, ours, prune
from .._inventory import everything, metadata_folders
from .._settings import cache_folder
from .._static.facts import opened
from .output import add_json, clean, complain, print_json, print_table, refuse
from .verifying import damages

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    if name == "refresh":
        add_json(parser)
        parser.set_defaults(command=refresh)
        return
    own = parser.add_subparsers(metavar="COMMAND", required=True)
    for word, command, about in (
        ("path", path, "print where it is"),
        ("show", show, "tell what lies there, and of which environment it is"),
        ("verify", verify, "read every file whole, and say what is damaged"),
        ("prune", prune_folder, "remove what no environment needs any more"),
        ("clear", clear, "remove all that lazyplug has written there"),
    ):
        one = own.add_parser(
            word, help=about, description=f"{about[0].upper()}{about[1:]}."
        )
        add_json(one)
        one.set_defaults(command=command)


def path(options: "argparse.Namespace") -> int:
    """Print the path of the cache folder; 1 if there is no place for one."""
    folder = cache_folder()
    if options.json:
        print_json({"path": folder})
    elif folder is None:
        complain(_NO_PLACE)
    else:
        print(clean(folder))
    return 1 if folder is None else 0


_NO_PLACE = "There is no place for a cache folder: no home. Set LAZYPLUG_CACHE_DIR."


def _own_files() -> "tuple[str, list[str], str]":
    """Return the cache folder, our files in it, and why nothing in it is used."""
    folder = cache_folder()
    if folder is None:
        return "", [], _NO_PLACE
    if not os.path.lexists(folder):
        return folder, [], ""
    if not trusted_folder(folder):
        fault = (
            f"Not used: {folder} is not a folder, or one that others could write to."
            " Remove it, or take these rights away."
        )
        return folder, [], fault
    try:
        return folder, sorted(ours(folder)), ""
    except OSError as error:
        return folder, [], f"Cannot be read: {error}"


def show(options: "argparse.Namespace") -> int:
    """Print what lies in the cache folder; 1 if it cannot be used."""
    folder, files, fault = _own_files()
    if fault:
        return refuse(options.json, folder, fault)
    indexed = {file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX)}
    rows = [row for file in sorted(indexed) if (row := _row(file + SUFFIX))]
    for file in files:
        if file.endswith(FACTS) and file.removesuffix(FACTS) not in indexed:
            rows += _beside_frozen(file)
    if options.json:
        print_json({"path": folder, "indexes": rows})
    elif rows:
        print_table(rows)
    else:
        print(clean(f"Nothing is remembered in {folder}"))
    return 0


def _row(file: str) -> "dict[str, Any] | None":
    facts = file.removesuffix(SUFFIX) + FACTS
    try:
        status = os.stat(file)
        learned = os.path.getsize(facts) if os.path.exists(facts) else 0
    except FileNotFoundError:
        return None  # it was pruned meanwhile
    row = _row_of(os.path.basename(file), status.st_mtime)
    row |= {"bytes": status.st_size, "facts": learned}
    index_file = _files.IndexFile(file)
    try:
        index = Index(index_file.read)
        row["groups"] = len(table_of(index))
        row["path_entries"] = len(index.key) - 1
        row["environment"] = index.key[0]
    except (OSError, ValueError):
        pass  # which the row says
    finally:
        index_file.close()
    return row


def _beside_frozen(file: str) -> "list[dict[str, Any]]":
    """Return a row for facts that have no index: a frozen one answers instead."""
    index_file = _files.IndexFile(file)
    try:
        key = opened(index_file.read)[0]
    except DOUBT:
        return []  # it was pruned meanwhile, or it is damaged, which `verify` says
    finally:
        index_file.close()
    status = os.stat(file)
    row = _row_of("(frozen)", status.st_mtime)
    return [row | {"environment": key[0], "facts": status.st_size}]


def _row_of(name: str, written: float) -> "dict[str, Any]":
    return {
        "index": name,
        "environment": "damaged, or not to be believed",
        "path_entries": 0,
        "groups": 0,
        "bytes": 0,
        "facts": 0,
        "written": time.strftime("%Y-%m-%d %H:%M", time.localtime(written)),
    }


def verify(options: "argparse.Namespace") -> int:
    """Print what is damaged in the cache folder; 1 if anything is."""
    folder, files, fault = _own_files()
    if fault:
        return refuse(options.json, folder, fault)
    found: dict[str, list[str]] = {}
    for file in files:
        if file.endswith((SUFFIX, FACTS)):
            try:
                found[os.path.basename(file)] = damages(file)
            except FileNotFoundError:
                continue  # it was pruned meanwhile
    harmed = sum(map(bool, found.values()))
    if options.json:
        print_json({"path": folder, "damages": found})
        return min(harmed, 1)
    for name, damage in found.items():
        said = f"damaged  {name}: {'; '.join(damage)}" if damage else f"sound    {name}"
        print(clean(said))
    if found:
        print(clean(f"{len(found)} in {folder}, {harmed} damaged"))
    else:
        print(clean(f"Nothing is remembered in {folder}"))
    return min(harmed, 1)


def prune_folder(options: "argparse.Namespace") -> int:
    """Remove what no environment needs any more, and print it."""
    folder, files, fault = _own_files()
    if fault:
        return refuse(options.json, folder, fault)
    try:
        return _removed(options, folder, prune(folder) if files else [])
    except OSError as error:
        return refuse(options.json, folder, f"Cannot be changed: {error}")


def clear(options: "argparse.Namespace") -> int:
    """Remove all that lazyplug has written into the cache folder, and print it.

    What others have put there stays.
    """
    folder, files, fault = _own_files()
    if fault:
        return refuse(options.json, folder, fault)
    if not files:
        return _removed(options, folder, files)
    try:
        directory = cache_directory(folder, make=False)
    except OSError as error:
        return refuse(options.json, folder, f"Cannot be changed: {error}")
    with directory:
        for file in files:
            try:
                directory.unlink(os.path.basename(file))
            except FileNotFoundError:
                pass  # another process was quicker
            except OSError as error:
                complain(f"{file} cannot be removed: {error}")
    return _removed(options, folder, files)


def _removed(options: "argparse.Namespace", folder: str, files: "list[str]") -> int:
    """Print which of these files are gone; 1 if one is not."""
    left = [file for file in files if os.path.lexists(file)]
    gone = [os.path.basename(file) for file in files if file not in left]
    if options.json:
        print_json({"path": folder, "removed": gone})
    else:
        for name in gone:
            print(f"removed  {name}")
        print(clean(f"{len(gone)} removed from {folder}"))
    return 1 if left else 0


def refresh(options: "argparse.Namespace") -> int:
    """Look at everything again, write it down, and print what came and went.

    1 if it could not be written down.
    """
    before = metadata_folders(_environment.current("none"))
    _environment.invalidate_caches()
    snapshot = _environment.current("full")
    # All of it is read again, whatever the stamps say.
    snapshot.index = snapshot.true_index(scan=True)
    after = metadata_folders(snapshot)
    frozen = snapshot.frozen
    is_frozen = frozen is not None and frozen.answers
    changes: dict[str, Any] = {
        "added": sorted(after - before),
        "removed": sorted(before - after),
        "groups": len(everything(snapshot)),
        "problems": len(problems()),
        "remembered": is_frozen or _is_remembered(snapshot),
    }
    if options.json:
        print_json(changes)
    else:
        for word in ("added", "removed"):
            for folder in changes[word]:
                print(clean(f"{word:8} {folder}"))
        of = f"{changes['groups']} groups"
        print(f"{of}, {changes['problems']} problems in the metadata")
    if frozen is not None and is_frozen:
        complain(f"{frozen.label} answers for it. To write that: lazyplug freeze")
    if not changes["remembered"]:
        complain("It could not be written down. See: lazyplug doctor")
    return 0 if changes["remembered"] else 1


def _is_remembered(snapshot: "_environment.Snapshot") -> bool:
    """Does the file of an index say what this one says?"""
    folder = cache_folder()
    if folder is None or not trusted_folder(folder):
        return False
    file = os.path.join(folder, snapshot.file)
    index_file = _files.IndexFile(file)
    try:
        return Index(index_file.read).front == snapshot.index.front
    except (OSError, ValueError):
        return False
    finally:
        index_file.close()
