"""List groups and plugins, and show one plugin. Imports no plugin."""

import os

from .. import _environment
from .. import _messages as messages
from .._distribution import identify
from .._distribution import label as label_of
from .._extension import Extension
from .._faults.errors import no_matches
from .._inventory import groups_of, is_left_over, rows_by_group
from .._manager import ExtensionManager
from .._printable import sentence
from .._static import targets
from .host_facts import add_facts, import_facts, json_facts
from .output import add_json, clean, complain, print_fields, print_json, print_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from .._facts import Facts
    from .._types import Owner


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    add_json(parser)
    if name == "groups":
        parser.set_defaults(command=groups)
        return
    parser.add_argument(
        "group",
        metavar="GROUP",
        help="the group, or a family of groups such as 'myapp.*'",
    )
    if name == "list":
        parser.add_argument(
            "--summary",
            action="store_true",
            help="show their summaries, and check that their modules exist",
        )
        parser.set_defaults(command=list_plugins)
    else:
        parser.add_argument("name", metavar="NAME", help="the name of the plugin")
        parser.set_defaults(command=show)
    add_facts(parser, "show the facts that this Facts object of the host asks for")


def groups(options: "argparse.Namespace") -> int:
    """Print all groups, with the number of plugins and distributions in each."""
    found = [
        {
            "group": group,
            "plugins": len(pairs),
            "distributions": len({owner[0] for _, owner in pairs}),
        }
        for group, pairs in sorted(rows_by_group(_environment.current()).items())
    ]
    if options.json:
        print_json(found)
    elif found:
        print_table(found)
    else:
        print(NO_ENTRY_POINTS)
    return 0


def list_plugins(options: "argparse.Namespace") -> int:
    """Print the plugins of a group; return 1 if there are none."""
    wanted = options.facts and import_facts(options.facts)
    found = list_extensions(options.group, thorough=options.summary)
    rows: list[dict[str, Any]] = []
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
        if wanted is not None:
            row |= _facts(extension, note, wanted)
        rows.append(row)
    if options.json:
        print_json(rows)
    elif rows:
        print_table(_with_columns(rows) if wanted is not None else rows)
    else:
        complain(str(no_matches(options.group, None, ())))
    return 0 if rows else 1


def _facts(extension: "Extension[Any]", note: str, wanted: "Facts") -> "dict[str, Any]":
    """Return the facts of an extension as JSON, with a note if they are not valid."""
    from .._facts import find_facts  # deferred: few lists show facts

    found, fault = find_facts(extension, wanted)
    return {"note": note or fault, "facts": json_facts(found)}


def _with_columns(rows: "list[dict[str, Any]]") -> "list[dict[str, Any]]":
    """Return rows with a column for each fact; it is empty where it is not known."""
    names = dict.fromkeys(name for row in rows for name in row["facts"])
    return [
        {key: value for key, value in row.items() if key != "facts"}
        | {f"fact {clean(name)}": _value(row["facts"].get(name)) for name in names}
        for row in rows
    ]


def _value(fact: "dict[str, Any] | None") -> str:
    return "" if fact is None else repr(fact["value"])


def show(options: "argparse.Namespace") -> int:
    """Print all details of the plugins with one name; return 1 if there are none."""
    wanted = options.facts and import_facts(options.facts)
    found = list_extensions(options.group)
    rows = [
        _fields(extension, note)
        | ({} if wanted is None else _facts(extension, note, wanted))
        for extension, note in found.items()
        if extension.name == options.name
    ]
    if options.json:
        print_json(rows)
    for number, row in enumerate(() if options.json else rows):
        if number:
            print()
        print_fields(_printed_fields(row))
    if not rows:
        names = [extension.name for extension in found]
        complain(str(no_matches(options.group, options.name, names)))
    return 0 if rows else 1


def list_extensions(group: str, thorough: bool = True) -> "dict[Extension[Any], str]":
    """Return all extensions of a group, each with a note or "".

    Imports no plugin.

    :param thorough: whether to check that their modules exist, which takes longer.
    """
    manager: ExtensionManager[Any] = ExtensionManager(
        group, lazy=True, on_failure="ignore"
    )
    counts: dict[str, int] = {}
    for extension in manager:
        counts[extension.name] = counts.get(extension.name, 0) + 1
    found = {}
    for extension in manager:
        count = counts[extension.name]
        note = messages.ONE_OF.format(count=count) if count > 1 else ""
        if extension._module is None:
            note = messages.INVALID_REFERENCE
        elif thorough and targets.is_missing(extension):
            note = targets.missing_module(extension)
        found[extension] = note
    excluded = {
        extension: reason if reason.startswith(EXCLUDED) else f"{EXCLUDED}: {reason}"
        for extension, reason in manager.excluded.items()
    }
    return found | excluded | dict(_left_overs(group))


def _left_overs(namespace: str) -> "Iterator[tuple[Extension[Any], str]]":
    for group in groups_of(namespace):
        for row, owner in _environment.rows(group):
            if is_left_over(owner):
                extension: Extension[Any] = Extension.__new__(Extension)
                extension._fill(group, row, owner, None, None)
                _, path, file, _ = owner
                # For a third-party finder, the path is not a string.
                where = os.path.join(path, file) if isinstance(path, str) else file
                yield extension, f"{EXCLUDED}: {where} {messages.LEFT_BEHIND}"


# The first words of the note of an excluded extension, and of one that shares its name.
EXCLUDED, ONE_OF = "excluded", "one of"
NO_ENTRY_POINTS = sentence(messages.NO_ENTRY_POINTS)
_labels: "dict[Owner, str]" = {}


def label(extension: "Extension[Any]") -> str:
    """Return the name and version of the distribution that declares an extension."""
    owner = extension._owner
    if owner is None:
        return ""
    try:
        if owner not in _labels:
            _labels[owner] = label_of(owner)
        return _labels[owner]
    except TypeError:  # an unhashable object of a third-party finder
        return label_of(owner)


def _fields(extension: "Extension[Any]", note: str) -> "dict[str, Any]":
    name = version = file = ""
    if extension._owner is not None:
        name, version, file = identify(extension._owner)
    target_file, target_line = targets.place(extension) or ("", 0)
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


def _printed_fields(fields: "dict[str, Any]") -> "dict[str, Any]":
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
        **{
            f"fact {clean(name)}": f"{_value(fact)} ({fact['kind']})"
            for name, fact in fields.get("facts", {}).items()
        },
    }


def _place(file: str, line: int) -> str:
    """Return a location in the form that editors and terminals understand.

    >>> _place("/a/b.py", 3), _place("/a/b.py", 0)
    ('/a/b.py:3', '/a/b.py')
    """
    return f"{file}:{line}" if line else file
