"""A frozen index is written, compared with what is there, removed."""

import os
import sys
import sysconfig

from .._environment import split_path
from .._exceptions import LazyplugError
from .._frozen_index import opened, own_file
from .._indexing.directory import Directory
from .._indexing.freeze import anchored, differences, frozen_at, frozen_index
from .._indexing.layout import decode, from_bytes
from .._indexing.storage import write
from .output import add_json, clean, complain, print_json, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from .._frozen_index import Frozen

    # of each path entry its anchored name, and where it is
    Named = list[tuple[str, str]]


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    add_json(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        default=own_file(),
        help="where it lies; by default in the environment: %(default)s",
    )
    if name == "thaw":
        parser.set_defaults(command=thaw)
        return
    parser.add_argument(
        "--path",
        action="append",
        metavar="FOLDER",
        help="instead of sys.path; it is moved together with FILE",
    )
    for option, about in (
        ("--trust", "believe it without a look at the folders that it is of"),
        (
            "--flat",
            "all will lie in the folder of FILE, as PyInstaller has it; trusted",
        ),
        ("--check", "write nothing; is what was written still true?"),
    ):
        parser.add_argument(option, action="store_true", help=about)
    parser.set_defaults(command=freeze)


def freeze(options: "argparse.Namespace") -> int:
    """Write what is installed into a file, or compare it; 1 if that is not possible."""
    file = os.path.abspath(options.output)
    if options.check and (options.trust or options.flat):
        complain("lazyplug freeze --check: FILE says --trust and --flat itself")
        return 2
    for folder in options.path or ():
        if not os.path.exists(folder):
            return refuse(
                options.json, file, f"{folder} is not there: nothing was frozen"
            )
    if type(sys.modules["os"]) is not type(sys):
        return refuse(
            options.json,
            file,
            "os is replaced (a fake file system): nothing was frozen",
        )
    try:
        return _check(options, file) if options.check else _write(options, file)
    except OSError as error:
        # That of a temporary file beside it says nothing to anybody.
        fault = f"{file}: {error.strerror or error}"
        if not options.check:
            fault += ". Name another one with --output, and that one in LAZYPLUG_INDEX"
        return refuse(options.json, file, fault)
    except (ValueError, LazyplugError) as error:
        return refuse(options.json, file, str(error))


def _named(paths: "list[str] | None", folder: str) -> "Named":
    """Return the path entries to be frozen: those given, or those of this process."""
    if paths is None:
        return [(anchored(path, folder, staged=False), path) for path in _own_path()]
    whole = dict.fromkeys(map(os.path.abspath, paths))
    return [(anchored(path, folder, staged=True), path) for path in whole]


def _write(options: "argparse.Namespace", file: str) -> int:
    content = frozen_index(
        _named(options.path, os.path.dirname(file)),
        frozen_at(),
        trusted=options.trust,
        flat=options.flat,
    )
    folder, name = os.path.split(file)
    write(Directory(folder), name, content, 0o644)
    index = from_bytes(content)
    entries = decode(index)
    distributions = sum(len(entry.files()) for entry in entries)
    declared = index.front.count(b"\n") - 5
    trusted = options.trust or options.flat
    if options.json:
        found = {
            "path": file,
            "path_entries": len(entries),
            "distributions": distributions,
            "groups": declared,
            "trusted": trusted,
            "bytes": len(content),
        }
        print_json(found)
    else:
        how = "believed without a look" if trusted else "checked"
        print(
            clean(
                f"{file}: {distributions} distributions of {len(entries)} path entries,"
                f" {declared} groups, {how}"
            )
        )
    if not distributions:
        complain("nothing is installed there")
    return 0


def _check(options: "argparse.Namespace", file: str) -> int:
    try:
        frozen = opened(file)
    except FileNotFoundError:
        raise LazyplugError(f"{file} is not there: see lazyplug freeze") from None
    named = None
    if options.path or frozen.flat:
        named = _named(options.path, os.path.dirname(file))
    found = untrue(frozen, named)
    if options.json:
        print_json({"path": file, "differences": found})
        return 1 if found else 0
    for each in found:
        print(clean(each))
    print(clean(f"{file} is {'not true any more' if found else 'true'}"))
    return 1 if found else 0


def untrue(frozen: "Frozen", named: "Named | None" = None) -> "list[str]":
    """Say in what a frozen index is not what is there now; all is read anew.

    `named` are the path entries to be read, by default those that it is of. Raises
    ValueError if it is damaged.
    """
    if named is None:
        named = list(zip(frozen.anchored, frozen.index.key[1:]))
    content = frozen_index(
        named,
        frozen.since,
        trusted=frozen.trusted,
        flat=frozen.flat,
    )
    now = from_bytes(content)
    found = [*differences(frozen, now)]
    if not found and now.front != frozen.index.front:
        # Which path entries there are, or what is wrong in them.
        return ["what it says beside the plugins is not what freeze would write now"]
    return found


def thaw(options: "argparse.Namespace") -> int:
    """Remove a frozen index; 1 if there is none, or it is something else."""
    file = os.path.abspath(options.output)
    try:
        opened(file)
        os.unlink(file)
    except FileNotFoundError:
        return refuse(options.json, file, f"{file} is not there: nothing is frozen")
    except OSError as error:
        return refuse(options.json, file, f"{file} cannot be removed: {error.strerror}")
    except ValueError as error:
        return refuse(options.json, file, f"{error}: it is left there")
    if options.json:
        print_json({"removed": file})
    else:
        print(clean(f"{file} is removed"))
    return 0


def _own_path() -> "list[str]":
    """Return the path entries to be frozen by default: those that are stable.

    The folder of the scripts is among them: a script that is run has it on `sys.path`,
    and `python -m` has not.
    """
    entries, volatile = split_path(sys.path, None)
    inside = sys.prefix + os.sep, sys.base_prefix + os.sep
    scripts = sysconfig.get_path("scripts")
    found = [
        entry
        for at, entry in enumerate(entries)
        # The folder of the environment that one stands in is not left out.
        if (at not in volatile or entry.startswith(inside)) and entry != scripts
    ]
    return [*found, scripts]
