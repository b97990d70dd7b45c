"""Know what click prints about a command before its plugin is imported.

It is read from the source of the plugin, and learned when the plugin is first loaded.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from .._static import targets
from .._static.learned import learned_facts
from .._static.learning import learn

if TYPE_CHECKING:
    from .. import Extension
    from .._static.source import Sources

# The kind of the learned facts: what click prints about a command in a list.
_KIND = "click command"
NAME = "name"
TEXTS = ("short_help", "help")
FLAGS = ("hidden", "deprecated")
# What cloup and rich-click ask of each command in a list.
EXTRAS = ("aliases", "panel")
# The keys of facts that are no attributes: true if the command was loaded; true if it
# is a group; the name of the function that it calls, None if it calls none.
_IS_LOADED, IS_GROUP, FUNCTION = "loaded", "group", "function"
# The last parts of names that make a command, and of those that make a group.
_MAKERS = {"command": False, "Command": False, "group": True, "Group": True}
# A source that changed after this time may differ from the imported module.
_BEGAN = time.time_ns()


def facts_of(extension: Extension[Any]) -> dict[str, Any]:
    """Return what is known about a command; nothing if its module does not exist.

    A text that is computed at import is not known. Imports nothing of the plugin.
    """
    facts = learned_facts().recall(extension, _KIND)
    return facts if isinstance(facts, dict) else _read(extension)


def learn_command(extension: Extension[Any], command: click.Command) -> None:
    """Remember what click prints about a command, if it is a literal in the source.

    It is remembered until the source changes. Computed texts may differ in the next
    process: instead of these, the texts in the source are still shown.
    """
    known = learned_facts()
    before = known.recall(extension, _KIND)
    if isinstance(before, dict) and before.get(_IS_LOADED):
        return
    facts, sources = _facts_in_source(extension)
    if sources is None:
        return
    from ._plain_texts import PlainTexts  # deferred: most commands are known

    now = printed(command)
    plain = PlainTexts(targets.place(extension) or ("", 0), command.callback, sources)
    facts |= {
        name: value for name, value in now.items() if plain.is_literal(name, value)
    }
    facts.pop(FUNCTION, None)
    facts |= kind_of(command)
    sources.clock = min(sources.clock, _BEGAN)
    learn(known, extension, _KIND, {**facts, _IS_LOADED: True}, sources)


def printed(command: click.Command) -> dict[str, Any]:
    """Return the texts and flags from which click prints a command in a list."""
    found = {name: getattr(command, name, None) for name in (*TEXTS, *FLAGS)}
    # click's own method derives the text as a lazy command does. Typer may have a copy.
    own = click.Command.get_short_help_str.__qualname__
    if type(command).get_short_help_str.__qualname__ != own:
        found["short_help"] = command.get_short_help_str(1000)
    return found


def kind_of(command: click.Command) -> dict[str, Any]:
    """Return the facts about a loaded command that its texts and flags are not."""
    facts = {**extras(command), IS_GROUP: isinstance(command, click.Group)}
    name = getattr(command.callback, "__name__", None)
    if command.callback is None or type(name) is str:
        facts[FUNCTION] = name  # otherwise, it is no function
    return facts


def extras(command: click.Command) -> dict[str, Any]:
    """Return what cloup and rich-click print of a command in a list."""
    values = {name: getattr(command, name, None) for name in EXTRAS}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if isinstance(value, (str, list, tuple)) and all(type(v) is str for v in value)
    }


def _compiled(doc: str | None) -> str | None:
    """Return a docstring as Python compiles it: since 3.13, without indentation."""
    # without optimization: `python -OO` removes docstrings
    return doc and compile(repr(doc), "", "exec", optimize=0).co_consts[0]


def _read(extension: Extension[Any]) -> dict[str, Any]:
    """Return the facts in the source of a command; none if it has no module."""
    facts, sources = _facts_in_source(extension)
    if sources is not None:
        learn(learned_facts(), extension, _KIND, facts, sources)
    return facts


def _facts_in_source(
    extension: Extension[Any],
) -> tuple[dict[str, Any], Sources | None]:
    """Return the facts in the source of a command, and the sources.

    If the module does not exist, there are no facts, and the sources are None.
    """
    # deferred: it parses, and most commands are known
    from ._plain_texts import PlainTexts, makes_command

    found = targets.source_of(extension)
    if found is None:
        return {}, None
    scope, sources = found
    facts: dict[str, Any] = dict.fromkeys((*TEXTS, *FLAGS))
    if scope is None:
        return ({}, None) if targets.is_missing(extension) else (facts, sources)
    makers = {
        name: keywords for name, keywords in scope.calls.items() if makes_command(name)
    }
    for keywords in makers.values():
        facts |= {name: keywords[name] for name in facts if name in keywords}
    plain = None
    if any("" in keywords for keywords in makers.values()):
        # Not all of its keywords are constants.
        plain = PlainTexts(targets.place(extension) or ("", 0), None, sources)
        for name in TEXTS:
            if facts[name] is None:
                facts[name] = plain.literal(name)
    if plain is None or not any(map(plain.is_computed, TEXTS)):
        if facts["help"] is None:
            facts["help"] = _compiled(scope.doc)
    elif plain.is_computed("short_help"):
        facts["help"] = None  # it would not be printed in a list
    names = [*makers]
    if len(names) == 1 and names[0] in _MAKERS:
        if "cls" not in makers[names[0]] and not (plain and plain.sets("cls")):
            facts[IS_GROUP] = _MAKERS[names[0]]
        if names[0].islower() and extension.attr:
            facts[FUNCTION] = extension.attr.rpartition(".")[2]
    return facts, sources
