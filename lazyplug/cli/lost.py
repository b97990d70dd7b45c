"""List the plugins that were installed in this environment before."""

from .. import _environment
from .. import _messages as messages
from .._faults.installer import install_command
from .._faults.lost import lost_plugins
from .._inventory import all_rows
from .._printable import sentence
from .output import add_json, add_python, print_json, print_sentence, print_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_COLUMNS = ("group", "name", "distribution", "until", "note")


def add_to(_: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    add_python(parser)
    parser.add_argument(
        "group",
        metavar="GROUP",
        nargs="?",
        default="",
        help="the group, or a family of groups such as 'myapp.*'; by default all",
    )
    parser.set_defaults(command=lost)


def lost(options: "argparse.Namespace") -> int:
    """Print the lost plugins, and how to install them; return 0."""
    plugins = lost_plugins(options.group)
    command = install_command(plugin.requirement for plugin in plugins)
    rows = [plugin._asdict() for plugin in plugins]
    if options.json:
        print_json({"lost": rows, "install": command})
    elif rows:
        print_table([{name: row[name] for name in _COLUMNS} for row in rows])
    else:
        print_sentence(_nothing_lost(options.group))
    if command and not options.json:
        print_sentence(messages.TO_INSTALL.format(command=command))
    return 0


def _nothing_lost(group: str) -> str:
    """Return a sentence that says so; suggest groups like one that is not known."""
    if not group:
        return sentence(messages.NOTHING_LOST)
    # deferred: only if nothing is found
    from .._faults.errors import did_you_mean, near_misses

    known = {
        *all_rows(_environment.current()),
        *(each.group for each in lost_plugins()),
    }
    near = () if group in known else near_misses(group, known)
    text = messages.IN_GROUP.format(what=messages.NOTHING_LOST, namespace=group)
    return sentence(text).removesuffix(".") + (did_you_mean(near) or ".")
