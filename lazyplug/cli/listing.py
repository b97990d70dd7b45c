"""What is there: groups, the plugins of one, all about one. No plugin is imported."""

import os

from .. import _environment
from .._distribution import identify
from .._distribution import label as label_of
from .._extension import Extension
from .._faults.messages import no_matches
from .._inventory import groups_of, is_left_over, served_groups
from .._manager import ExtensionManager
from .._static import facts
from .output import add_json, complain, print_fields, print_json, print_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from .._types import Owner


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    add_json(parser)
    if name == "groups":
        parser.set_defaults(command=groups)
        return
    parser.add_argument(
        "group", metavar="GROUP", help="a group, or a family: 'myapp.*'"
    )
    if name == "list":
        parser.add_argument(
            "--summary", action="store_true", help="tell what each says of itself"
        )
        parser.set_defaults(command=list_plugins)
    else:
        parser.add_argument("name", metavar="NAME", help="the name of a plugin in it")
        parser.set_defaults(command=show)


def groups(options: "argparse.Namespace") -> int:
    """Print the groups that anything is declared in."""
    found = [
        {
            "group": group,
            "plugins": len(pairs),
            "distributions": len({owner[0] for _, owner in pairs}),
        }
        for group, pairs in sorted(served_groups(_environment.current()).items())
    ]
    if options.json:
        print_json(found)
    elif found:
        print_table(found)
    else:
        print("No entry points are visible on sys.path.")
    return 0


def list_plugins(options: "argparse.Namespace") -> int:
    """Print the plugins of a group; 1 if there are none."""
    found = every(options.group, thorough=options.summary)
    rows = []
    for extension, note in found.items():
        row = {
            "name": extension.name,
            "value": extension.value,
            "distribution": label(extension),
            "note": note,
        }
        if options.group != extension.group:
            row = {"group": extension.group, **row}
        if options.summary:
            row["summary"] = extension.summary or ""
        rows.append(row)
    if options.json:
        print_json(rows)
    elif rows:
        print_table(rows)
    else:
        complain(str(no_matches(options.group, None, ())))
    return 0 if rows else 1


def show(options: "argparse.Namespace") -> int:
    """Print all that is known of the plugins of a name; 1 if there are none."""
    found = every(options.group)
    rows = [
        _fields(extension, note)
        for extension, note in found.items()
        if extension.name == options.name
    ]
    if options.json:
        print_json(rows)
    for number, row in enumerate(() if options.json else rows):
        if number:
            print()
        print_fields(_in_words(row))
    if not rows:
        names = [extension.name for extension in found]
        complain(str(no_matches(options.group, options.name, names)))
    return 0 if rows else 1


def every(group: str, thorough: bool = True) -> "dict[Extension[Any], str]":
    """Return all extensions of a group with what is to be said of each, or "".

    If thorough, it is found out whether their modules exist, which takes some time.
    """
    manager: ExtensionManager[Any] = ExtensionManager(
        group, lazy=True, on_failure="ignore"
    )
    together: dict[str, int] = {}
    for extension in manager:
        together[extension.name] = together.get(extension.name, 0) + 1
    found = {}
    for extension in manager:
        several = together[extension.name]
        note = f"one of {several} of this name" if several > 1 else ""
        if extension._module is None:
            note = "no object reference"
        elif thorough and facts.is_missing(extension):
            note = f"there is no module {extension._module!r}"
        found[extension] = note
    out = {extension: f"{LEFT_OUT}{why}" for extension, why in manager.excluded.items()}
    return found | out | dict(_left_overs(group))


def _left_overs(namespace: str) -> "Iterator[tuple[Extension[Any], str]]":
    for group in groups_of(namespace):
        for row, owner in _environment.rows(group):
            if is_left_over(owner):
                extension: Extension[Any] = Extension.__new__(Extension)
                extension._fill(group, row, owner, None, None)
                _, path, file, _ = owner
                # The path of what a finder tells of is not text.
                where = os.path.join(path, file) if isinstance(path, str) else file
                note = f"left behind by an interrupted pip, delete {where}"
                yield extension, f"{LEFT_OUT}{note}"


# How the note of an extension begins that the choice of a user leaves out.
LEFT_OUT = "left out: "
_labels: "dict[Owner, str]" = {}


def label(extension: "Extension[Any]") -> str:
    """Return name and version of the distribution that declares an extension."""
    owner = extension._owner
    if owner is None:
        return ""
    try:
        if owner not in _labels:
            _labels[owner] = label_of(owner)
        return _labels[owner]
    except TypeError:  # the object of a foreign finder that cannot be hashed
        return label_of(owner)


def _fields(extension: "Extension[Any]", note: str) -> "dict[str, Any]":
    name = version = file = ""
    if extension._owner is not None:
        name, version, file = identify(extension._owner)
    target_file, target_line = facts.place(extension) or ("", 0)
    return {
        "name": extension.name,
        "group": extension.group,
        "value": extension.value,
        "distribution": name,
        "version": version,
        "file": file,
        "line": extension._line,
        "target_file": target_file,
        "target_line": target_line,
        "summary": extension.summary,
        "extras": extension.extras if extension._module is not None else [],
        "note": note,
    }


def _in_words(fields: "dict[str, Any]") -> "dict[str, Any]":
    return {
        "name": fields["name"],
        "group": fields["group"],
        "value": fields["value"],
        "distribution": f"{fields['distribution']} {fields['version']}".rstrip(),
        "declared in": _place(fields["file"], fields["line"]),
        "target": _place(fields["target_file"], fields["target_line"]),
        "summary": fields["summary"],
        "extras": fields["extras"],
        "note": fields["note"],
    }


def _place(file: str, line: int) -> str:
    """Return a place as editors and terminals understand it.

    >>> _place("/a/b.py", 3), _place("/a/b.py", 0)
    ('/a/b.py:3', '/a/b.py')
    """
    return f"{file}:{line}" if line else file
