"""Complete command lines in bash, zsh and fish with argcomplete.

The extra `cli` installs argcomplete.
"""

from .. import _environment
from .._inventory import rows_by_group, rows_of_namespace
from .._running.launch import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
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
        if action.metavar in _FINDERS:
            action.completer = _completer(_FINDERS[action.metavar])
    argcomplete.autocomplete(parser)


def _completer(find: "Callable[[argparse.Namespace], list[str]]") -> "Any":
    """Return a completer that looks into the environment that `--python` names."""

    def complete(parsed_args: "argparse.Namespace", **_: object) -> "list[str]":
        place = getattr(parsed_args, "environment", None)
        if place is None:
            return find(parsed_args)
        from .elsewhere import in_environment  # deferred: few look elsewhere

        try:
            return in_environment(place, find)(parsed_args)
        except ValueError:
            return []  # the command will say why

    return complete


def _groups(_: "argparse.Namespace") -> "list[str]":
    return sorted(rows_by_group(_environment.current()))


def _names(options: "argparse.Namespace") -> "list[str]":
    return sorted({row[0] for _, (row, _) in rows_of_namespace(options.group)})


def _distributions(_: "argparse.Namespace") -> "list[str]":
    return sorted(
        {
            owner[0].replace("_", "-")
            for pairs in rows_by_group(_environment.current()).values()
            for _, owner in pairs
        }
    )


def _programs(_: "argparse.Namespace") -> "list[str]":
    return sorted({row[0] for _, (row, _) in rows_of_namespace("console_scripts")})


# by the metavar of the argument
_FINDERS = {
    "GROUP": _groups,
    "NAME": _names,
    "DISTRIBUTION": _distributions,
    "PROGRAM": _programs,
}


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
