"""List groups and plugins, and show one plugin. Imports no plugin."""

import os

from .. import _environment, _settings
from .. import _messages as messages
from .._distribution import identify
from .._indexing.metadata import normalize
from .._inventory import (
    all_rows,
    count_by_group,
    distributions,
    groups_of,
    is_left_over,
)
from .._printable import sentence
from .output import (
    add_json,
    add_python,
    clean,
    complain,
    print_fields,
    print_json,
    print_table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from typing import Any, Literal

    from .._entry_point import EntryPoint
    from .._extension import Extension
    from .._facts import Facts
    from .._types import Owner


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    add_json(parser)
    add_python(parser)
    if name == "list":
        parser.add_argument(
            "group",
            metavar="GROUP",
            nargs="?",
            help="a group, or a family such as 'myapp.*'; without it, list the groups",
        )
        parser.add_argument(
            "--distribution",
            metavar="DISTRIBUTION",
            help="only the plugins of this distribution, of all groups without GROUP",
        )
        parser.add_argument(
            "--summary",
            action="store_true",
            help="show their summaries, and check that their modules exist",
        )
        parser.set_defaults(command=list_plugins)
    else:
        add_group_and_name(parser)
        parser.set_defaults(command=show)
    from .host_facts import add_facts  # deferred: `why` uses this module, too

    add_facts(parser, "show the facts that this Facts object of the host asks for")


def add_group_and_name(parser: "argparse.ArgumentParser") -> None:
    """Add the arguments that name one plugin to the parser of a command."""
    parser.add_argument(
        "group", metavar="GROUP", help="a group, or a family such as 'myapp.*'"
    )
    parser.add_argument("name", metavar="NAME", help="the name of the plugin")


def list_plugins(options: "argparse.Namespace") -> int:
    """Print the plugins of a group or distribution; return 1 if there are none.

    Without either, print the groups.
    """
    group: str | None = options.group
    if group is None and options.distribution is None:
        for option in ("summary", "facts"):
            if getattr(options, option):
                text = messages.ONLY_WITH.format(option=f"--{option}", other="GROUP")
                complain(f"lazyplug list: {text}")
                return 2
        return _list_groups(options)
    wanted = options.facts and _facts_object(options.facts)
    rows: list[dict[str, Any]] = []
    for extension, note in _selected(options).items():
        name, version, _ = _identify(extension)
        row = {
            "group": extension.group,
            "name": extension.name,
            "value": extension.value,
            "distribution": name,
            "version": version,
            "state": state_of(extension, note),
            "note": note,
        }
        if options.summary:
            row["summary"] = extension.summary or ""
        if wanted is not None:
            row |= _facts(extension, note, wanted)
        rows.append(row)
    if options.json:
        print_json(rows)
    elif rows:
        print_table([*_printed_rows(rows, group)])
    elif group is None or options.distribution is not None:
        complain(nothing_of(options.distribution, group))
    else:
        complain(no_such_plugin(group))
    return 0 if rows else 1


def _facts_object(reference: "tuple[str, str]") -> "Facts":
    from .host_facts import import_facts  # deferred: as above

    return import_facts(reference)


def _list_groups(options: "argparse.Namespace") -> int:
    """Print all groups, with the number of plugins and distributions in each."""
    counts = sorted(count_by_group(_environment.current()).items())
    found = [
        {"group": group, "plugins": plugins, "distributions": distributions}
        for group, (plugins, distributions) in counts
    ]
    if options.json:
        print_json(found)
    elif found:
        print_table(found)
    else:
        print(NO_ENTRY_POINTS)
    return 0


def _selected(options: "argparse.Namespace") -> "dict[Extension[Any], str]":
    """Return the extensions that the options select, each with a note or ""."""
    wanted, group = options.distribution, options.group
    if wanted is None:
        return list_extensions(group, thorough=options.summary)
    key = normalize(wanted)
    groups = [
        name
        for name, pairs in all_rows(_environment.current()).items()
        if any(owner[0] == key for _, owner in pairs)
    ]
    if group is not None:
        groups = [name for name in groups_of(group) if name in groups]
    return {
        extension: note
        for name in groups
        for extension, note in list_extensions(name, options.summary).items()
        if extension._owner is not None and extension._owner[0] == key
    }


def no_such_plugin(
    group: str, name: "str | None" = None, names: "Iterable[str]" = ()
) -> str:
    """Return why no plugin of a group, or none with this name, is found."""
    from .._faults.errors import no_matches  # deferred: only on failure

    text = str(no_matches(group, name, names))
    return f"{text[0].upper()}{text[1:]}"


def nothing_of(distribution: str, group: "str | None") -> str:
    """Return why no plugin of a distribution is found."""
    # deferred: only on failure
    from .._faults.errors import did_you_mean, near_misses
    from .._faults.lost import lost_plugins

    installed = distributions(_environment.current())
    key = normalize(distribution)
    if key in installed:
        text = messages.DECLARES_NOTHING.format(name=distribution)
        if group is not None:
            text = messages.IN_GROUP.format(what=text, namespace=group)
        return sentence(text)
    text = sentence(messages.NO_DISTRIBUTION_NAMED.format(name=distribution))
    for lost in lost_plugins():
        if normalize(lost.distribution.partition(" ")[0]) == key:
            return f"{text} {messages.WAS_INSTALLED.format(date=lost.until)}"
    near = [each.replace("_", "-") for each in near_misses(key, installed)]
    return f"{text.removesuffix('.')}{did_you_mean(near) or '.'}"


def _printed_rows(
    rows: "list[dict[str, Any]]", group: "str | None"
) -> "Iterator[dict[str, Any]]":
    """Yield rows as they are printed, with a column for each fact.

    The group is shown if it is not the one that was asked for. The column of a fact is
    empty where it is not known.
    """
    names = dict.fromkeys(name for row in rows for name in row.get("facts", ()))
    for row in rows:
        label = f"{row['distribution']} {row['version']}".rstrip()
        facts = row.get("facts", {})
        yield (
            ({} if row["group"] == group else {"group": row["group"]})
            | {"name": row["name"], "value": row["value"], "distribution": label}
            | {"note": row["note"], "summary": row.get("summary", "")}
            | {f"fact {clean(name)}": _value(facts.get(name)) for name in names}
        )


def _facts(
    extension: "Extension[Any]", note: str, wanted: "Facts", placed: bool = False
) -> "dict[str, Any]":
    """Return the facts of an extension as JSON, with a note if they are not valid.

    :param placed: whether to add the file and the line that each comes from.
    """
    # deferred: few lists show facts
    from .._facts import companions_of, find_facts
    from .._static.plugin_facts import places_of
    from .host_facts import json_facts

    found, fault = find_facts(extension, wanted)
    facts = json_facts(found)
    if placed:
        places = places_of(extension, wanted, companions_of(extension, wanted))
        for name, fact in facts.items():
            fact["place"] = places.get(name, "")
    return {"note": note or fault, "facts": facts}


def _value(fact: "dict[str, Any] | None") -> str:
    return "" if fact is None else repr(fact["value"])


def show(options: "argparse.Namespace") -> int:
    """Print all details of the plugins with one name; return 1 if there are none."""
    wanted = options.facts and _facts_object(options.facts)
    found = list_extensions(options.group, name=options.name)
    rows = [
        _fields(extension, note)
        | ({} if wanted is None else _facts(extension, note, wanted, placed=True))
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
        complain(no_such_plugin(options.group, options.name, names))
    return 0 if rows else 1


def list_extensions(
    group: str, thorough: bool = True, name: "str | None" = None
) -> "dict[Extension[Any], str]":
    """Return all extensions of a group, each with a note or "".

    Imports no plugin.

    :param thorough: whether to check that their modules exist, which takes longer.
    :param name: the only name for which that is checked; None: all.
    """
    from .._manager import ExtensionManager  # deferred: the groups need none

    _environment.current().overlay()  # what is scanned may have problems
    # Nothing is reported here. If there is nothing to report, the default imports less.
    on_failure: Literal["ignore", "warn"]
    on_failure = "ignore" if _settings.unreported else "warn"
    manager: ExtensionManager[Any] = ExtensionManager(
        group, lazy=True, on_failure=on_failure
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
        elif thorough and name in {None, extension.name}:
            note = _missing_module(extension) or note
        found[extension] = note
    excluded = {
        extension: reason if reason.startswith(EXCLUDED) else f"{EXCLUDED}: {reason}"
        for extension, reason in manager.excluded.items()
    }
    return found | excluded | dict(_left_overs(group))


def _missing_module(extension: "Extension[Any]") -> str:
    """Return why the module of an extension cannot be found; "" if it may be found."""
    from .._static import targets  # deferred: not to list names

    # A remembered place is found without parsing.
    if targets.known_place(extension) is None and targets.is_missing(extension):
        return targets.missing_module(extension)
    return ""


def state_of(extension: "Extension[Any]", note: str) -> str:
    """Return the state that a note describes, as a word."""
    if note.startswith(EXCLUDED):
        return "excluded"
    if extension._module is None:
        return "invalid"
    if note.startswith(ONE_OF):
        return "duplicate"
    return "missing" if note else "available"


def _left_overs(namespace: str) -> "Iterator[tuple[Extension[Any], str]]":
    from .._extension import Extension  # deferred: as above

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
_identities: "dict[Owner, tuple[str, str, str]]" = {}


def label(extension: "Extension[Any]") -> str:
    """Return the name and version of the distribution that declares an extension."""
    return " ".join(_identify(extension)[:2]).rstrip()


def _identify(extension: "Extension[Any] | EntryPoint") -> "tuple[str, str, str]":
    """Return the name, version and file that declare an entry point, read once."""
    owner = extension._owner
    if owner is None:
        return "", "", ""
    try:
        if owner not in _identities:
            _identities[owner] = identify(owner)
        return _identities[owner]
    except TypeError:  # an unhashable object of a third-party finder
        return identify(owner)


def declaration(extension: "Extension[Any] | EntryPoint") -> "dict[str, Any]":
    """Return what declares an entry point, as fields."""
    name, version, file = _identify(extension)
    return {
        "group": extension.group,
        "name": extension.name,
        "value": extension.value,
        "distribution": name,
        "version": version,
        "file": file,
        "line": extension._line,
    }


def _fields(extension: "Extension[Any]", note: str) -> "dict[str, Any]":
    from .._static import targets  # deferred: not to list names

    target_file, target_line = targets.place(extension) or ("", 0)
    return declaration(extension) | {
        "target_file": target_file,
        "target_line": target_line,
        "summary": extension.summary or "",
        "extras": extension.extras if extension._module is not None else [],
        "state": state_of(extension, note),
        "note": note,
    }


def _printed_fields(fields: "dict[str, Any]") -> "dict[str, Any]":
    return {
        "name": fields["name"],
        "group": fields["group"],
        "value": fields["value"],
        "distribution": f"{fields['distribution']} {fields['version']}".rstrip(),
        "declared in": place_of(fields["file"], fields["line"]),
        "target": place_of(fields["target_file"], fields["target_line"]),
        "summary": fields["summary"],
        "extras": fields["extras"],
        "note": fields["note"],
        **{
            f"fact {clean(name)}": f"{_value(fact)} ({fact['kind']}, {fact['place']})"
            for name, fact in fields.get("facts", {}).items()
        },
    }


def place_of(file: str, line: int) -> str:
    """Return a location in the form that editors and terminals understand.

    >>> place_of("/a/b.py", 3), place_of("/a/b.py", 0)
    ('/a/b.py:3', '/a/b.py')
    """
    return f"{file}:{line}" if line else file
