"""Subcommands of argparse that are plugins: what is not asked for is not imported."""

import argparse
from typing import TYPE_CHECKING, Any

from .. import ExtensionManager
from .._distribution import summary_of
from .._faults.messages import failed_load
from .._static import facts

if TYPE_CHECKING:
    from .. import Extension


class PluginParser(argparse.ArgumentParser):
    """The parser of a subcommand; that of a plugin is filled when it is used.

    :param plugin: the extension whose plugin adds the arguments; None: an ordinary one.

    All others are those of argparse.ArgumentParser.
    """

    def __init__(
        self, *args: Any, plugin: "Extension[Any] | None" = None, **attrs: Any
    ) -> None:
        super().__init__(*args, **attrs)
        self._plugin = plugin

    def parse_known_args(self, *args: Any, **kwds: Any) -> Any:
        """Parse, as argparse does; the plugin is loaded before."""
        self._fill()
        return super().parse_known_args(*args, **kwds)

    def format_help(self) -> str:
        """Return the help screen; the plugin is loaded before."""
        self._fill()
        return super().format_help()

    def _fill(self) -> None:
        extension, self._plugin = self._plugin, None
        if extension is None:
            return
        try:
            add_to = extension.plugin
        except Exception as error:
            self.exit(1, f"{self.prog}: error: {failed_load(extension, error)}\n")
        add_to(self)


def add_plugins(
    commands: "argparse._SubParsersAction[PluginParser]",
    plugins: "str | ExtensionManager[Any]",
) -> None:
    """Add the plugins of a namespace as subcommands. Imports none of them.

    A plugin is a function that takes the parser of its subcommand and adds its
    arguments and defaults; it is imported and called when the subcommand is used, or
    asked for its help. One that cannot be loaded is an error of its own subcommand.

    Subcommands that are there already come before plugins of the same name.

    :param commands: what `add_subparsers(parser_class=PluginParser)` returned.
    :param plugins: the namespace of the plugins, or a manager.
    """
    if isinstance(plugins, str):
        plugins = ExtensionManager[Any](plugins)
    for name in sorted(plugins.names()):
        if name not in commands.choices:
            extension = plugins[name]
            about = _about(extension)
            # A percent sign would begin one of argparse's own words there.
            shown = about.replace("%", "%%")
            commands.add_parser(name, help=shown, description=about, plugin=extension)


def _about(extension: "Extension[Any]") -> str:
    if extension._module is None:
        return "(cannot be used: no object reference)"
    about = extension.summary
    if about is None and facts.is_missing(extension):
        return f"(cannot be used: there is no module {extension.module_name!r})"
    return about or summary_of(extension._owner)[0] or ""
