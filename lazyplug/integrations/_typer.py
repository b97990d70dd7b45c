"""Make a click command of a Typer app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import typer.core
import typer.main

if TYPE_CHECKING:
    from collections.abc import Iterable


class _App(click.Command):
    """A Typer app that has its own copy of click, as Typer has since 0.26.

    It runs with all arguments that follow its name, prints its own help and errors, and
    ends with its own exit code.

    :param app: the command of the app.
    """

    allow_interspersed_args = False
    ignore_unknown_options = True

    def __init__(self, app: Any) -> None:
        super().__init__(
            app.name,
            callback=app.callback,
            params=[click.Argument(["args"], nargs=-1, type=click.UNPROCESSED)],
            help=app.help,
            short_help=app.short_help,
            hidden=app.hidden,
            deprecated=app.deprecated,
            epilog=app.epilog,
            options_metavar=None,
            add_help_option=False,
        )
        self._app = app

    def invoke(self, ctx: click.Context) -> None:
        """Run the app; the exit code of its failure is that of the program."""
        try:
            self._app.main(ctx.params["args"], ctx.command_path, obj=ctx.obj)
        except SystemExit as stop:
            if not isinstance(stop.code, int | None):
                raise  # Python prints it
            if stop.code:
                ctx.exit(stop.code)


def as_command(plugin: object) -> click.Command | None:
    """Return the command of a Typer app; None if this is none."""
    if isinstance(plugin, typer.Typer):
        plugin = typer.main.get_command(plugin)
    if isinstance(plugin, click.Command):
        return plugin
    kinds: Iterable[type] = typer.core.TyperCommand, typer.core.TyperGroup
    return _App(plugin) if isinstance(plugin, tuple(kinds)) else None
