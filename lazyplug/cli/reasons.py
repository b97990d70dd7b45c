"""Why is a plugin there, or why is it not? No plugin is imported."""

from lazyplug import _cache, _learned
from lazyplug._exceptions import near_misses, origin
from lazyplug._manager import Extension
from lazyplug._problem import problems
from lazyplug._scan import identify
from lazyplug._whole import everything, shadowed_rows

from .listing import every
from .output import add_json, clean, print_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any


def add_to(_: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    parser.add_argument("group", metavar="GROUP", help="the group it should be in")
    parser.add_argument("name", metavar="NAME", help="the name it should have")
    parser.set_defaults(command=why)


def why(options: "argparse.Namespace") -> int:
    """Print why a plugin is there, or is not; 1 if none of that name is taken."""
    named = {
        e: note for e, note in every(options.group).items() if e.name == options.name
    }
    taken = [e for e, note in named.items() if not note.startswith("left out")]
    reasons = [*_of_named(named), *_of_shadowed(options.group, options.name)]
    if not named:
        reasons += _of_missing(options.group, options.name)
    if options.json:
        print_json({"taken": bool(taken), "reasons": reasons})
    else:
        for reason in reasons:
            print(clean(reason))
    return 0 if taken else 1


def _of_named(named: "dict[Extension[Any], str]") -> "Iterator[str]":
    for extension, note in named.items():
        if note:
            yield f"It is there, but {note}: {origin(extension)}."
        else:
            yield f"It is there: {origin(extension)}."
        if extension._module is not None and _learned.place(extension) is None:
            yield (
                f"It cannot be loaded: there is no module {extension._module!r} on"
                " sys.path."
            )


def _of_shadowed(group: str, name: str) -> "Iterator[str]":
    for row, owner in shadowed_rows(_cache.current(), group):
        if row[0] == name:
            loser: Extension[Any] = Extension.__new__(Extension)
            loser._fill(group, row, owner, None, None)
            yield (
                f"It is shadowed: {origin(loser)}; another distribution called"
                f" {identify(owner)[0]} stands before it on sys.path."
            )


def _of_missing(group: str, name: str) -> "Iterator[str]":
    groups = everything(_cache.current())
    names = [row[0] for row, _ in groups.get(group, [])]
    if not names:
        near = near_misses(group, groups)
        yield f"No installed distribution declares the group {group!r}." + (
            f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        )
    else:
        near = near_misses(name, names)
        yield f"No installed distribution declares {name!r} in {group!r}." + (
            f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        )
    elsewhere = [
        other
        for other, pairs in groups.items()
        if other != group and any(row[0] == name for row, _ in pairs)
    ]
    if elsewhere:
        yield f"A plugin of that name is in {', '.join(map(repr, sorted(elsewhere)))}."
    found = problems()
    if found:
        yield f"What may hide it, {len(found)} in the metadata:"
        yield from (f"  {problem}" for problem in found)
