"""What is there: groups, the plugins of one, all about one. No plugin is imported."""

from lazyplug import _cache, _learned
from lazyplug._exceptions import no_matches
from lazyplug._manager import ExtensionManager
from lazyplug._scan import identify
from lazyplug._whole import everything

from .output import add_json, complain, print_fields, print_json, print_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from lazyplug._manager import Extension


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
        for group, pairs in sorted(everything(_cache.current()).items())
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
    found = every(options.group)
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


def every(group: str) -> "dict[Extension[Any], str]":
    """Return all extensions of a group with what is to be said of each, or ""."""
    manager: ExtensionManager[Any] = ExtensionManager(
        group, lazy=True, on_failure="ignore"
    )
    found = dict.fromkeys(manager, "")
    found |= {
        extension: f"left out: {why}" for extension, why in manager.excluded.items()
    }
    names = [extension.name for extension in found]
    for extension, note in found.items():
        several = names.count(extension.name)
        if note:
            continue
        if extension._module is None:
            found[extension] = "no object reference"
        elif several > 1:
            found[extension] = f"one of {several} of this name"
    return found


def label(extension: "Extension[Any]") -> str:
    """Return name and version of the distribution that declares an extension."""
    if extension._owner is None:
        return ""
    return " ".join(identify(extension._owner)[:2]).rstrip()


def _fields(extension: "Extension[Any]", note: str) -> "dict[str, Any]":
    name, version, file = identify(extension._owner) if extension._owner else [""] * 3
    target_file, target_line = _learned.place(extension) or ("", 0)
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
    target = _place(fields["target_file"], fields["target_line"])
    missing = "" if target else "not found: its module is not on sys.path"
    return {
        "name": fields["name"],
        "group": fields["group"],
        "value": fields["value"],
        "distribution": f"{fields['distribution']} {fields['version']}".rstrip(),
        "declared in": _place(fields["file"], fields["line"]),
        "target": target or missing,
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
