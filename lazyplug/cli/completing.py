"""Complete command lines in bash, zsh and fish with argcomplete.

The extra `cli` installs argcomplete.
"""

from .. import _environment
from .._inventory import rows_by_group, rows_of_namespace
from .._running.launch import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any


def complete(parser: "argparse.ArgumentParser") -> None:
    """Print the completions and exit; return if no shell asks, or without argcomplete.

    Imports no plugin.
    """
    try:
        import argcomplete  # deferred: only in shell completion
    except ModuleNotFoundError:
        return
    for action in _actions(parser):
        if action.metavar == "GROUP":
            action.completer = lambda **_: sorted(rows_by_group(_environment.current()))
        elif action.metavar == "NAME":
            action.completer = _names
        elif action.metavar == "DISTRIBUTION":
            action.completer = _distributions
        elif action.metavar == "PROGRAM":
            action.completer = _programs
    argcomplete.autocomplete(parser)


def _names(parsed_args: "argparse.Namespace", **_: object) -> "list[str]":
    return sorted({row[0] for _, (row, _) in rows_of_namespace(parsed_args.group)})


def _distributions(**_: object) -> "list[str]":
    return sorted(
        {
            owner[0].replace("_", "-")
            for pairs in rows_by_group(_environment.current()).values()
            for _, owner in pairs
        }
    )


def _programs(**_: object) -> "list[str]":
    return sorted({row[0] for _, (row, _) in rows_of_namespace("console_scripts")})


def add_run_arguments(parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of `run`, which parses them itself, to its parser."""
    for option, (value, about) in OPTIONS.items():
        if value:
            parser.add_argument(option, metavar=value, help=about)
        else:
            parser.add_argument(option, action="store_true", help=about)
    parser.add_argument("-m", metavar="MODULE", help="run a module")
    parser.add_argument("program", metavar="PROGRAM", nargs="*")


def _actions(parser: "argparse.ArgumentParser") -> "Any":
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for own in action.choices.values():
                yield from _actions(own)
