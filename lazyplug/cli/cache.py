"""`python -m lazyplug cache`: what lies in the cache folder."""

import os
import sys

from lazyplug._cache import cache_folder, trusted_folder
from lazyplug._store import FACTS, SUFFIX
from lazyplug._verify import damages

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any


def add_to(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add the command and its own commands to the parser of a command line."""
    parser = commands.add_parser("cache", help="look after the cache folder")
    own = parser.add_subparsers(metavar="COMMAND", required=True)
    verify_parser = own.add_parser(
        "verify",
        help="read every file whole, and say what is damaged",
        description="Read every index, and what was learned of its plugins, whole,"
        " and say what is damaged. A damaged part"
        " does no harm: it is replaced as soon as a program needs it.",
    )
    verify_parser.set_defaults(command=verify)


def verify(_: "argparse.Namespace") -> int:
    """Print what is damaged in the cache folder; return 1 if anything is."""
    folder = cache_folder()
    if folder is None:
        print("No place for a cache folder: there is no home.", file=sys.stderr)
        return 1
    if not os.path.lexists(folder):
        print(f"Nothing is remembered: there is no {folder}")
        return 0
    if not trusted_folder(folder):
        print(
            f"Not used: {folder} is not a folder, or one that others could write to."
            " Remove it, or take these rights away.",
            file=sys.stderr,
        )
        return 1
    try:
        names = sorted(n for n in os.listdir(folder) if n.endswith((SUFFIX, FACTS)))
    except OSError as error:
        print(f"Cannot be read: {error}", file=sys.stderr)
        return 1
    sound = harmed = 0
    for name in names:
        try:
            found = damages(os.path.join(folder, name))
        except FileNotFoundError:
            continue  # it was pruned meanwhile
        if found:
            harmed += 1
            print(f"damaged  {name}: {'; '.join(found)}")
        else:
            sound += 1
            print(f"sound    {name}")
    print(f"{sound + harmed} in {folder}, {harmed} damaged")
    return min(harmed, 1)
