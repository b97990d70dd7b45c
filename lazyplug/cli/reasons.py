"""Explain why a plugin is available, or why it is not. Imports no plugin."""

from .. import _environment
from .. import _messages as messages
from .._distribution import identify
from .._entry_point import EntryPoint
from .._faults.errors import did_you_mean, near_misses, origin
from .._faults.lost import missing_plugins
from .._faults.problems import count_problems, problems
from .._index import Index
from .._indexing.freeze import staleness_note
from .._inventory import groups_of, rows_by_group, shadowed_rows
from .._printable import list_words, sentence
from .._static.learned import HOOKS, learned_facts
from .._static.learning import kinds_of
from .listing import EXCLUDED, ONE_OF, list_extensions
from .output import add_json, clean, print_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .._extension import Extension
    from .._types import Pair


def add_to(_: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    parser.add_argument("group", metavar="GROUP", help="the group of the plugin")
    parser.add_argument("name", metavar="NAME", help="the name of the plugin")
    parser.set_defaults(command=why)


def why(options: "argparse.Namespace") -> int:
    """Print why a plugin is available or not; return 1 if none with the name is."""
    found = list_extensions(options.group).items()
    named = {each: note for each, note in found if each.name == options.name}
    usable = [
        each for each, note in named.items() if not note or note.startswith(ONE_OF)
    ]
    reasons = [
        *_reasons_of_declared(named),
        *_reasons_of_shadowed(options.group, options.name),
    ]
    if not named:
        reasons += _reasons_of_missing(options.group, options.name)
    if options.json:
        print_json({"usable": bool(usable), "reasons": reasons})
    else:
        for reason in reasons:
            print(clean(reason))
    return 0 if usable else 1


def _reasons_of_declared(named: "dict[Extension[Any], str]") -> "Iterator[str]":
    for extension, note in named.items():
        if note.startswith(EXCLUDED):
            yield sentence(f"{note}; {origin(extension)}")
        elif note.startswith(ONE_OF):
            yield f"Available: {note}; {origin(extension)}."
        elif note:
            reason = messages.CANNOT_BE.format(done="used", reason=note)
            yield sentence(f"{reason}; {origin(extension)}")
        else:
            yield f"Available: {origin(extension)}."
            yield from _reasons_of_hooks(extension)


def _reasons_of_hooks(extension: "Extension[Any]") -> "Iterator[str]":
    """Yield why a plugin of pluggy is imported at each start, if it is known to be."""
    known = learned_facts()
    for kind in kinds_of(known, extension.group):
        word, _, project = kind.partition(" ")
        project, _, hook = project.partition(" ")
        learned = known.recall(extension, kind) if word == HOOKS else None
        if hook and isinstance(learned, str):
            yield messages.IMPORTED_FOR_HOOK.format(
                hook=hook, project=project, reason=learned
            )
        elif learned is False:
            yield messages.IMPORTED_AT_ONCE.format(project=project)


def _reasons_of_shadowed(namespace: str, name: str) -> "Iterator[str]":
    environment = _environment.current()
    for group in groups_of(namespace):
        for row, owner in _shadowed_pairs(environment, group):
            if row[0] == name:
                loser = EntryPoint._of(group, row, owner)
                yield (
                    f"Shadowed by another distribution named {identify(owner)[0]!r},"
                    f" which takes precedence; {origin(loser)}."
                )


def _shadowed_pairs(
    environment: "_environment.Environment", group: str
) -> "Iterable[Pair]":
    """Yield the shadowed rows of a group, also those that a volatile entry shadows."""
    yield from shadowed_rows(environment, group)
    shown = environment.rows(group)
    yield from (
        pair for pair in environment.read(Index.rows, group) if pair not in shown
    )


def _reasons_of_missing(namespace: str, name: str) -> "Iterator[str]":
    groups = rows_by_group(_environment.current())
    names = [row[0] for g in groups_of(namespace) for row, _ in groups.get(g, ())]
    if not names:
        near = near_misses(namespace, groups)
        what = f"the group {namespace!r}"
    else:
        near = near_misses(name, names)
        what = f"{name!r} in {namespace!r}"
    text = sentence(messages.NOT_DECLARED.format(what=what))
    yield f"{text.removesuffix('.')}{did_you_mean(near) or '.'}"
    elsewhere = [
        other
        for other, pairs in groups.items()
        if other != namespace and any(row[0] == name for row, _ in pairs)
    ]
    if elsewhere:
        yield f"A plugin with that name is in {list_words(sorted(elsewhere))}."
    yield from missing_plugins(namespace, name)[0]
    note = staleness_note(_environment.current())
    if note:
        yield messages.NOTE.format(text=note)
    found = problems()
    if found:
        yield f"{count_problems(found)} in the metadata, which may hide it:"
        yield from (f"  {problem}" for problem in found)
