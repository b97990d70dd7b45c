"""Completion in bash, zsh and fish, by argcomplete: the extra `cli` brings it."""

from .. import _environment
from .._inventory import served, served_groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any


def complete(parser: "argparse.ArgumentParser") -> None:
    """Answer what a shell asks for, and end; return if it asks for nothing.

    Imports no plugin.
    """
    try:
        import argcomplete
    except ModuleNotFoundError:
        return
    for action in _actions(parser):
        if action.metavar == "GROUP":
            action.completer = lambda **_: sorted(served_groups(_environment.current()))
        elif action.metavar == "NAME":
            action.completer = _names
    argcomplete.autocomplete(parser)


def _names(parsed_args: "argparse.Namespace", **_: object) -> "list[str]":
    return sorted({row[0] for _, (row, _) in served(parsed_args.group)})


def _actions(parser: "argparse.ArgumentParser") -> "Any":
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for own in action.choices.values():
                yield from _actions(own)
