"""Add plugins to argparse as subcommands, and import only the one that is used."""

import argparse
from typing import TYPE_CHECKING, Any

from .. import ExtensionManager
from .._distribution import summary_of
from .._facts import text_fact
from .._static import targets

if TYPE_CHECKING:
    from .. import Extension


class PluginParser(argparse.ArgumentParser):
    """The parser of a subcommand, to which a plugin adds arguments when it is used.

    If the plugin cannot be imported then, the parser prints the reason and exits with
    the code 1.

    :param plugin: the extension whose plugin adds the arguments; None: an ordinary
        parser.

    All other parameters are those of argparse.ArgumentParser.
    """

    def __init__(
        self, *args: Any, plugin: "Extension[Any] | None" = None, **attrs: Any
    ) -> None:
        super().__init__(*args, **attrs)
        self._plugin = plugin

    def parse_known_args(self, *args: Any, **kwds: Any) -> Any:
        """Import and call the plugin, then parse arguments as argparse does."""
        self._fill()
        return super().parse_known_args(*args, **kwds)

    def format_help(self) -> str:
        """Import and call the plugin, then return the help screen."""
        self._fill()
        return super().format_help()

    def _fill(self) -> None:
        extension, self._plugin = self._plugin, None
        if extension is None:
            return
        try:
            add_to = extension.plugin
        except Exception as error:
            from .._faults.errors import failed_load  # deferred: only on failure

            self.exit(1, f"{self.prog}: error: {failed_load(extension, error)}\n")
        add_to(self)


def add_plugins(
    commands: "argparse._SubParsersAction[PluginParser]",
    plugins: "str | ExtensionManager[Any]",
    *,
    help_fact: "str | None" = None,
) -> None:
    """Add the plugins of a namespace as subcommands. Imports no plugin.

    A plugin is a function that takes the parser of its subcommand and adds its
    arguments and defaults. It is imported and called when the subcommand is used, or
    when its help is requested. If that fails, only its own subcommand fails.

    Existing subcommands take precedence over plugins of the same name.

    :param commands: the result of `add_subparsers(parser_class=PluginParser)`.
    :param plugins: the namespace of the plugins, or a manager.
    :param help_fact: the name of a fact that is the help text of a subcommand, if it is
        a known text; the manager needs `facts=`.
    """
    if isinstance(plugins, str):
        plugins = ExtensionManager[Any](plugins)
    for name in sorted(plugins.names()):
        if name not in commands.choices:
            extension = plugins[name]
            text = _help_text(extension, help_fact)
            # argparse formats this text with `%`.
            escaped = text.replace("%", "%%")
            commands.add_parser(name, help=escaped, description=text, plugin=extension)


def _help_text(extension: "Extension[Any]", help_fact: "str | None") -> str:
    if extension._module is None:
        from .. import _messages as messages  # deferred: few cannot be used

        return _unusable(messages.INVALID_REFERENCE)
    text = text_fact(extension, help_fact) or extension.summary
    if text is None and targets.is_missing(extension):
        return _unusable(targets.missing_module(extension))
    return text or summary_of(extension._owner)[0] or ""


def _unusable(reason: str) -> str:
    from .. import _messages as messages  # deferred: few cannot be used

    return f"({messages.CANNOT_BE.format(done='used', reason=reason)})"
