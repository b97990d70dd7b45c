"""A frozen index is written, compared with what is there, removed."""

import os
import sys

from lazyplug import _cache
from lazyplug._exceptions import quoted
from lazyplug._freeze import anchored, differences, frozen_at, frozen_index, own_path
from lazyplug._frozen import opened
from lazyplug._record import decode, from_bytes, table_of
from lazyplug._store import write

from .output import add_json, clean, complain, print_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from lazyplug._frozen import Frozen


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    add_json(parser)
    parser.add_argument(
        "--output",
        metavar="FILE",
        help=f"where it lies; by default in the environment: {_default()}",
    )
    if name == "thaw":
        parser.set_defaults(command=thaw)
        return
    for option, metavar, about in (
        ("--group", "GROUP", "only this group; again for another one"),
        ("--path", "FOLDER", "instead of sys.path; it is moved together with FILE"),
    ):
        parser.add_argument(option, action="append", metavar=metavar, help=about)
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


def _default() -> str:
    return os.path.join(sys.prefix, _cache.FROZEN)


def freeze(options: "argparse.Namespace") -> int:
    """Write what is installed into a file, or compare it; 1 if that is not possible."""
    file = os.path.abspath(options.output or _default())
    for folder in options.path or ():
        if not os.path.exists(folder):
            complain(f"{folder} is not there: nothing was frozen")
            return 1
    if options.check:
        return _check(options, file)
    groups = options.group or ()
    content = frozen_index(
        _named(options, os.path.dirname(file)),
        frozen_at(),
        trusted=options.trust,
        groups=groups,
        flat=options.flat,
    )
    try:
        write(*os.path.split(file), content, 0o644)
    except OSError as error:
        complain(
            f"{file} cannot be written: {error.strerror}. Name another one with"
            " --output, and that one in LAZYPLUG_INDEX"
        )
        return 1
    index = from_bytes(content)
    entries = decode(index)
    distributions = sum(len(e.plain) + len(e.distributions) for e in entries)
    declared = [group for group, _, length, _ in table_of(index) if length > 0]
    unknown = sorted(group for group in groups if not index.rows(group))
    if options.json:
        found = {
            "path": file,
            "path_entries": len(entries),
            "distributions": distributions,
            "groups": len(declared),
            "trusted": bool(options.trust or options.flat),
            "bytes": len(content),
        }
        print_json(found)
    else:
        how = "believed without a look" if options.trust or options.flat else "checked"
        print(
            clean(
                f"{file}: {distributions} distributions of {len(entries)} path entries,"
                f" {len(declared)} groups, {how}"
            )
        )
    if unknown:
        complain(f"nothing is declared in {quoted(unknown)}: frozen as empty")
    return 0


def _named(options: "argparse.Namespace", folder: str) -> "list[tuple[str, str]]":
    """Return the path entries that are to be frozen, by their anchored names."""
    staged = options.path is not None
    paths = map(os.path.abspath, options.path) if staged else own_path()
    return [(anchored(path, folder, staged), path) for path in paths]


def _check(options: "argparse.Namespace", file: str) -> int:
    try:
        frozen = opened(file)
    except FileNotFoundError:
        fault = f"{file} is not there: see lazyplug freeze"
    except (OSError, ValueError) as error:
        fault = str(error)
    else:
        named = None
        if options.path or options.flat:
            named = _named(options, os.path.dirname(file))
        try:
            found = untrue(frozen, named, options.flat)
        finally:
            frozen.index.close()
        if options.json:
            print_json({"path": file, "differences": found})
        else:
            for each in found:
                print(clean(each))
            true = f"not true any more: {len(found)} differences" if found else "true"
            print(clean(f"{file} is {true}"))
        return 1 if found else 0
    if options.json:
        print_json({"path": file, "fault": fault})
    else:
        complain(fault)
    return 1


def untrue(
    frozen: "Frozen",
    named: "list[tuple[str, str]] | None" = None,
    flat: bool = False,
) -> "list[str]":
    """Say in what a frozen index is not what is there now; all is read anew.

    `named` are the path entries to be read, by their anchored names; by default those
    that it is of. Of one that is damaged it says that.
    """
    if named is None:
        named = list(zip(frozen.anchored, frozen.index.key[1:]))
    content = frozen_index(
        named,
        frozen.since,
        trusted=frozen.trusted,
        groups=[group for group, *_ in table_of(frozen.index)] if frozen.some else (),
        flat=flat,
    )
    now = from_bytes(content)
    try:
        found = [*differences(frozen, now)]
    except ValueError:
        return ["it is damaged"]
    if now.front == frozen.index.front:
        return []
    return found or ["something that no plugin is: freeze it again"]


def thaw(options: "argparse.Namespace") -> int:
    """Remove a frozen index; 1 if there is none, or it is something else."""
    file = os.path.abspath(options.output or _default())
    try:
        opened(file).index.close()
        os.unlink(file)
    except FileNotFoundError:
        fault = f"{file} is not there: nothing is frozen"
    except OSError as error:
        fault = f"{file} cannot be removed: {error.strerror}"
    except ValueError as error:
        fault = f"{error}: it is left there"
    else:
        if options.json:
            print_json({"removed": file})
        else:
            print(clean(f"{file} is removed"))
        return 0
    if options.json:
        print_json({"path": file, "fault": fault})
    else:
        complain(fault)
    return 1
