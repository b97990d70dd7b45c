"""The commands of `python -m lazyplug`, one file for those of one subject.

No plugin is imported here. `run` is not: see `__main__`.
"""

import argparse

from . import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: "Sequence[str]") -> int:
    """Do what a command line asks for; return the exit code of the process.

    It is 0 if all is well, 1 if something was found to be wrong, 2 if the command
    line is not understood.
    """
    parser = argparse.ArgumentParser(
        prog="python -m lazyplug",
        description="Look after the index of the plugins that are installed.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    # Only to be listed: it takes arguments as no parser does.
    commands.add_parser("run", help="run an installed program; see `run --help`")
    cache.add_to(commands)
    options = parser.parse_args(arguments)
    code: int = options.command(options)
    return code
