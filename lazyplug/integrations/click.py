"""Define a click group whose commands are plugins, imported only when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .. import ExtensionManager
from ._command_facts import TEXTS, printed
from ._lazy_commands import Commands, as_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping

    Plugins = str | ExtensionManager[Any] | Callable[[], ExtensionManager[Any]]


class LazyGroup(click.Group):
    """A click group with its own commands, and with plugins as further commands.

    A plugin is a click command, a click group, or a Typer app. `commands` has the
    plugins as lazy commands: the module of one is imported when its command is run, or
    when its help, parameters or subcommands are requested. The help screen of the
    group, and the completion of the names of commands, import no plugin.

    The texts of a command are read from its source: the keywords of its decorator, and
    its docstring. Other literals in its source are learned when the command is first
    loaded, and remembered until the source changes. Values that are computed at import
    (a version) may differ each time, and are not shown, unless the manager's Facts has
    `describe_command` as its `describe`, and declares what they depend on.

    If a plugin cannot be loaded, its command says so and fails; it affects no other.

    With a group of another package, this class comes first: `class Host(LazyGroup,
    cloup.Group)`.

    :param plugins: the namespace of the plugins, or a family (`myapp.*`); or a manager;
        or a function that returns a manager, for example one with a choice or a
        conflict resolver. The function is called when the manager is first needed.
    :param aliases: alternative names, each with the name of its command.
    :param help_fact: the name of a fact that is the help line of a command, if it is a
        known text; the manager needs `facts=`.
    :param override: true if a plugin takes precedence over a command of the group with
        the same name. By default the command of the group does, and the plugin is
        reported.

    All other parameters are those of click.Group.
    """

    def __init__(
        self,
        *args: Any,
        plugins: Plugins,
        aliases: Mapping[str, str] | None = None,
        help_fact: str | None = None,
        override: bool = False,
        **attrs: Any,
    ) -> None:
        super().__init__(*args, **attrs)
        self._plugins = plugins
        self.help_fact = help_fact
        self.override = override
        self.commands: MutableMapping[str, click.Command] = Commands(
            self, self.commands
        )
        self.aliases: dict[str, str] = dict(aliases or {})

    @property
    def manager(self) -> ExtensionManager[Any]:
        """The manager of the plugins, created on first access."""
        plugins = self._plugins
        if isinstance(plugins, str):
            plugins = ExtensionManager[Any](plugins)
        elif not isinstance(plugins, ExtensionManager):
            plugins = plugins()
        self._plugins = plugins
        return plugins

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with a name or an alias; None if there is none.

        A plugin is returned as a lazy command: it is not imported.
        """
        return super().get_command(ctx, self.aliases.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name. Imports no plugin.

        Raises click.UsageError if there is no such command, with the most similar names
        in its message.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            # Since 8.4, click suggests names itself, but no aliases.
            kind: Any = getattr(click, "NoSuchCommand", None)
            if kind is not None and isinstance(error, kind):
                names = [*self.commands, *self.aliases]
                raise kind(args[0], None, names, ctx) from error
            # deferred: only for a command that does not exist
            from .. import _messages as messages
            from .._faults.errors import did_you_mean, near_misses

            names = [*self.list_commands(ctx), *self.aliases]
            near = near_misses(args[0], names)
            if args[0] in names or not near:
                raise
            text = messages.NO_SUCH_COMMAND.format(name=args[0]) + did_you_mean(near)
            raise click.UsageError(text, ctx) from error

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the list of commands into a help screen. Imports no plugin."""
        len(self.commands)  # groups of cloup list only what was added
        super().format_commands(ctx, formatter)


def describe_command(plugin: Any) -> dict[str, str | None] | None:
    """Return the texts that click prints about a plugin in a list of commands.

    For `Facts(describe=describe_command, depends=...)`: a LazyGroup whose manager has
    these facts shows the texts of the last load, computed ones included, until
    something changes on which they depend. None if the plugin is not a command.
    """
    command = as_command(plugin)
    if command is None:
        return None
    now = printed(command)
    # A translation may be an object that is converted to text when it is printed.
    return {name: now[name] and str(now[name]) for name in TEXTS}
