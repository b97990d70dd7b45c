"""Explain why a plugin is available, or why it is not, and whether it loads.

Imports no plugin, except with `--load`: in a child process.
"""

from .. import _environment
from .. import _messages as messages
from .._faults.origin import origin
from .._files import index_reader
from .._index import DECODE_ERRORS, Index, texts
from .._inventory import groups_of, rows_by_group, shadowed_rows
from .._printable import list_words, sentence
from .._static import targets
from .._static.learned import HOOKS, LearnedFacts, learned_facts, parts_in, read_head
from .listing import (
    EXCLUDED,
    ONE_OF,
    add_group_and_name,
    declaration,
    list_extensions,
    place_of,
    state_of,
)
from .output import add_json, add_python, complain, print_json, print_sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .._entry_point import EntryPoint
    from .._extension import Extension
    from .._types import Pair

# Seconds that a plugin may take to load.
_LIMIT = 30.0


def add_to(_: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    add_python(parser)
    parser.add_argument(
        "--load", action="store_true", help="also load the plugin, in its own process"
    )
    add_group_and_name(parser)
    parser.set_defaults(command=why)


def why(options: "argparse.Namespace") -> int:
    """Print why a plugin is available or not; return 1 if none with the name is.

    Returns 2 for options that exclude each other. Runs plugin code only with `--load`:
    in a child process.
    """
    if options.load and options.environment:
        text = messages.NOT_OF_ANOTHER.format(option="--load", other="--python")
        complain(f"lazyplug why: {text}")
        return 2
    notes = list_extensions(options.group, name=options.name)
    named = {each: note for each, note in notes.items() if each.name == options.name}
    plugins = [_fields(each, note, options.load) for each, note in named.items()]
    usable = any(each["loads"] is not False for each in plugins)
    shadowed = [*_shadowed(options.group, options.name)]
    missing = None if named else _missing(options.group, options.name)
    if options.json:
        print_json(
            {
                "group": options.group,
                "name": options.name,
                "usable": usable,
                "plugins": plugins,
                "shadowed": [*map(declaration, shadowed)],
                "missing": missing,
            }
        )
        return 0 if usable else 1
    reasons = [
        reason
        for (extension, note), fields in zip(named.items(), plugins)
        for reason in _reasons_of_declared(extension, note, fields, options)
    ]
    reasons += map(_reason_of_shadowed, shadowed)
    if missing:
        reasons += _reasons_of_missing(options.group, options.name, missing)
    for reason in reasons:
        print_sentence(reason, _STATES)
    return 0 if usable else 1


# The states of which the first words of reasons have the color.
_STATES = {
    **dict.fromkeys(("Available", "Expected to load", "Loads"), "ok"),
    **dict.fromkeys(("May load or not", "Note"), "note"),
    **dict.fromkeys(("Cannot be used", "Does not load"), "problem"),
}


def _fields(extension: "Extension[Any]", note: str, load: bool) -> "dict[str, Any]":
    """Return what is known about a plugin, and whether it loads, as fields."""
    state = state_of(extension, note)
    is_usable = state in {"available", "duplicate"}
    file, line = (is_usable and targets.place(extension)) or ("", 0)
    fields = declaration(extension) | {
        "state": state,
        "note": note,
        "target_file": file,
        "target_line": line,
        "hooks": [*_hooks(extension)] if is_usable else [],
        "loads": None if is_usable else False,
        "seconds": None,
        "error": "",
    }
    return fields | (_load(extension) if is_usable and load else {})


def _load(extension: "Extension[Any]") -> "dict[str, Any]":
    """Load an extension in a child process; return the fields about that."""
    # deferred: only with --load
    from .children import HAS_PROCESSES, no_processes
    from .loading import load_all

    if not HAS_PROCESSES:
        return {"error": no_processes()}
    plugin = _Loaded(extension)
    load_all([[plugin]], 1, _LIMIT, lambda done, slowest: None)
    return plugin.fields


class _Loaded:
    """A plugin, and the fields about its load in a child process."""

    def __init__(self, extension: "Extension[Any]") -> None:
        self._extension = extension
        self.fields: dict[str, Any] = {}

    def request(self) -> "tuple[str, str | None, str]":
        return self._extension._module or "", self._extension.attr, ""

    def complete(self, found: "dict[str, Any]") -> None:
        self.fields = {
            "loads": found["state"] == "ok",
            "seconds": found.get("seconds"),
            "error": found["error"],
        }


def _reasons_of_declared(
    extension: "Extension[Any]",
    note: str,
    fields: "dict[str, Any]",
    options: "argparse.Namespace",
) -> "Iterator[str]":
    if note.startswith(EXCLUDED):
        yield sentence(f"{note}; {origin(extension)}")
    elif note.startswith(ONE_OF):
        yield f"Available: {note}; {origin(extension)}."
    elif note:
        reason = messages.CANNOT_BE.format(done="used", reason=note)
        yield sentence(f"{reason}; {origin(extension)}")
    else:
        yield f"Available: {origin(extension)}."
    for each in fields["hooks"]:
        if each["hook"]:
            yield messages.IMPORTED_FOR_HOOK.format(
                hook=each["hook"], project=each["project"], reason=each["reason"]
            )
        else:
            yield messages.IMPORTED_AT_ONCE.format(project=each["project"])
    if fields["state"] in {"available", "duplicate"}:
        verdict = _verdict(fields)
        is_untried = fields["loads"] is None and not fields["error"]
        may_try = is_untried and options.environment is None
        yield f"{verdict} {messages.WITH_LOAD}" if may_try else verdict


def _verdict(fields: "dict[str, Any]") -> str:
    """Return the sentence that says whether a usable plugin loads."""
    if fields["loads"]:
        return messages.LOADS.format(seconds=fields["seconds"])
    if fields["loads"] is False:
        error = fields["error"].removesuffix(".")
        return sentence(messages.DOES_NOT_LOAD.format(error=error))
    if fields["error"]:
        return sentence(fields["error"])
    if fields["target_line"]:
        place = place_of(fields["target_file"], fields["target_line"])
        return messages.DEFINED_AT.format(place=place)
    if fields["target_file"]:
        return messages.NOT_SHOWN.format(file=fields["target_file"])
    return messages.NO_SOURCE


def _hooks(extension: "Extension[Any]") -> "Iterator[dict[str, str]]":
    """Yield why a plugin of pluggy is imported at each start, if it is known to be.

    The hook is "" if the plugin is imported before any hook is called.
    """
    known = learned_facts()
    for kind in _kinds_of(known, extension.group):
        word, _, project = kind.partition(" ")
        project, _, hook = project.partition(" ")
        learned = known.recall(extension, kind) if word == HOOKS else None
        if hook and isinstance(learned, str):
            yield {"project": project, "hook": hook, "reason": learned}
        elif learned is False:
            yield {"project": project, "hook": "", "reason": ""}


def _kinds_of(known: LearnedFacts, group: str) -> "list[str]":
    """Return the kinds of the facts that were learned about extensions of a group."""
    parts = {*known.new}
    if known.directory is not None:
        read, close = index_reader(known.path)
        try:
            _, header, _ = read_head(read, known.key)
            for line in parts_in(header):
                kind, name, *_ = texts(line.decode())
                parts.add((kind, name))
        except DECODE_ERRORS:
            pass  # damaged: nothing is known
        finally:
            close()
    return sorted(kind for kind, name in parts if name == group)


def _shadowed(namespace: str, name: str) -> "Iterator[EntryPoint]":
    environment = _environment.current()
    for group in groups_of(namespace):
        for row, owner in _shadowed_pairs(environment, group):
            if row[0] == name:
                from .._entry_point import EntryPoint  # deferred: few are shadowed

                yield EntryPoint._of(group, row, owner)


def _reason_of_shadowed(loser: "EntryPoint") -> str:
    return messages.SHADOWED_DISTRIBUTION.format(
        name=declaration(loser)["distribution"], entry_point=origin(loser)
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


def _missing(namespace: str, name: str) -> "dict[str, Any]":
    """Return what is known about a name that is not declared, as fields."""
    # deferred: only for missing names
    from .._faults.errors import near_misses
    from .._faults.lost import missing_plugins
    from .._faults.problems import problems
    from .._indexing.freeze import staleness_note

    environment = _environment.current()
    groups = rows_by_group(environment)
    names = [row[0] for g in groups_of(namespace) for row, _ in groups.get(g, ())]
    elsewhere = [
        other
        for other, pairs in groups.items()
        if other != namespace and any(row[0] == name for row, _ in pairs)
    ]
    return {
        "group_declared": bool(names),
        "near_groups": [] if names else [*near_misses(namespace, groups)],
        "near_names": [*near_misses(name, names)] if names else [],
        "other_groups": sorted(elsewhere),
        "lost": [*missing_plugins(namespace, name)[0]],
        "stale": staleness_note(environment),
        "problems": [problem._asdict() for problem in problems()],
    }


def _reasons_of_missing(
    namespace: str, name: str, missing: "dict[str, Any]"
) -> "Iterator[str]":
    # deferred: as above
    from .._faults.errors import did_you_mean
    from .._faults.problems import count_problems, problems

    what = f"{name!r} in {namespace!r}"
    near = missing["near_names"]
    if not missing["group_declared"]:
        what, near = f"the group {namespace!r}", missing["near_groups"]
    text = sentence(messages.NOT_DECLARED.format(what=what))
    yield f"{text.removesuffix('.')}{did_you_mean(near) or '.'}"
    if missing["other_groups"]:
        yield f"A plugin with that name is in {list_words(missing['other_groups'])}."
    yield from missing["lost"]
    if missing["stale"]:
        yield messages.NOTE.format(text=missing["stale"])
    found = problems()
    if found:
        yield f"{count_problems(found)} in the metadata, which may hide it:"
        yield from (f"  {problem}" for problem in found)
