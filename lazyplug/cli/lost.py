"""List the plugins that were installed in this environment before."""

from .. import _messages as messages
from .._faults.installer import install_command
from .._faults.lost import lost_plugins
from .output import add_json, add_python, clean, print_json, print_table

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
        print(messages.NOTHING_LOST)
    if command and not options.json:
        print(clean(messages.TO_INSTALL.format(command=command)))
    return 0
