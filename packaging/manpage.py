"""Provide the parser of the command line for argparse-manpage, with all commands.

`lazyplug.cli` adds only the arguments of the command that is used.
"""

import argparse

from lazyplug.cli import COMMANDS, _parser
from lazyplug.cli.examples import epilog


def get_parser() -> argparse.ArgumentParser:
    """Return the complete parser."""
    parser = _parser([])
    for name in COMMANDS:
        command = _commands(parser)[name] = _commands(_parser([name]))[name]
        # argparse-manpage ignores the epilog of a command.
        command.description = f"{command.description}\n\n{epilog(name)}"
    parser.epilog = epilog("")
    parser.prog = "lazyplug"
    return parser


def _commands(parser: argparse.ArgumentParser) -> "dict[str, argparse.ArgumentParser]":
    (found,) = (
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return found
