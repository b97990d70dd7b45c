"""Define a click group whose commands are plugins, imported only when they are used."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .. import ExtensionManager, MultipleMatches, NoMatches
from .._distribution import summary_of
from .._facts import text_fact
from .._printable import repr_of
from .._static import learned, targets
from .._static.learning import learn
from .._static.source import first_paragraph, kind_of, read
from ._plain_texts import PlainTexts, makes_command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from click.shell_completion import CompletionItem

    from .. import Extension
    from .._static.source import Sources

    Plugins = str | ExtensionManager[Any] | Callable[[], ExtensionManager[Any]]

# The kind of the learned facts: what click prints about a command in a list.
_KIND = "click"
_TEXTS = ("short_help", "help")
_FLAGS = ("hidden", "deprecated")
# The key in a learned fact that is true if the command was loaded.
_IS_LOADED = "loaded"
# A source that changed after this time may differ from the imported module.
_BEGAN = time.time_ns()
# The key in ctx.meta that is true while commands are only listed. Contexts of other
# threads have another meta.
_IS_LISTING = f"{__name__}.listed"


class LazyGroup(click.Group):
    """A click group with its own commands, and with plugins as further commands.

    A plugin is a click command, a click group, or a Typer app. Its module is imported
    when its command is run, when the help of that command is requested, or when its
    arguments are completed. The help screen of the group, and the completion of the
    names of commands, import no plugin.

    The texts of a command are read from its source: the keywords of its decorator, and
    its docstring; else the summary of its distribution. Other literals in its source
    are learned when the command is first loaded, and remembered until the source
    changes. Values that are computed at import (a translation, a version) may differ
    each time, and are not shown, unless the manager's Facts has `describe_command` as
    its `describe`, and declares what they depend on.

    The group's own commands take precedence over plugins of the same name. If a plugin
    cannot be loaded, only its own command fails.

    :param plugins: the namespace of the plugins, or a family (`myapp.*`); or a manager;
        or a function that returns a manager, for example one with a choice or a
        conflict resolver. The function is called when the manager is first needed.
    :param aliases: alternative names, each with the name of its command.
    :param help_fact: the name of a fact that is the help line of a command, if it is a
        known text; the manager needs `facts=`. Only the help screen of the group shows
        it.

    All other parameters are those of click.Group.
    """

    def __init__(
        self,
        *args: Any,
        plugins: Plugins,
        aliases: Mapping[str, str] | None = None,
        help_fact: str | None = None,
        **attrs: Any,
    ) -> None:
        super().__init__(*args, **attrs)
        self._plugins = plugins
        self._help_fact = help_fact
        self.aliases = dict(aliases or {})

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

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted. Imports no plugin."""
        return sorted({*super().list_commands(ctx), *self.manager.names()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command with a name or an alias; None if there is none.

        The plugin is imported, unless the commands are only listed for a help screen or
        a completion. Raises click.ClickException if the plugin cannot be loaded or is
        not a command, or if the conflict resolver refuses to choose between several
        plugins with this name.
        """
        name = self.aliases.get(cmd_name, cmd_name)
        own = super().get_command(ctx, name)
        if own is not None:
            return own
        is_listing = bool(ctx.meta.get(_IS_LISTING))
        try:
            extension = self.manager[name]
        except MultipleMatches as error:
            if is_listing:
                from .. import _messages as messages  # deferred: few have conflicts

                reason = messages.ONE_OF.format(count=len(error.extensions))
                return _broken_command(name, reason)
            raise click.ClickException(str(error)) from error
        except NoMatches:
            return None
        if not is_listing:
            return _load_command(extension)
        return _listed_command(extension, text_fact(extension, self._help_fact))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name.

        Imports its plugin. Raises click.UsageError if there is no such command, with
        the most similar names in its message.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
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
        with _listing(ctx):
            super().format_commands(ctx, formatter)

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        """Return the completions of the name of a command. Imports no plugin."""
        with _listing(ctx):
            return super().shell_complete(ctx, incomplete)


@contextmanager
def _listing(ctx: click.Context) -> Iterator[None]:
    before = ctx.meta.get(_IS_LISTING)
    ctx.meta[_IS_LISTING] = True
    try:
        yield
    finally:
        ctx.meta[_IS_LISTING] = before


def _load_command(extension: Extension[Any]) -> click.Command:
    try:
        plugin = extension.plugin
    except Exception as error:
        from .._faults.errors import failed_load  # deferred: only on failure

        raise click.ClickException(failed_load(extension, error)) from error
    command = _as_command(plugin)
    if command is None:
        from .. import _messages as messages  # deferred: only on failure
        from .._faults.errors import origin

        text = messages.NOT_A_COMMAND.format(
            extension=origin(extension), plugin=repr_of(plugin)
        )
        raise click.ClickException(text)
    _learn(extension, command)
    return command


def _as_command(plugin: object) -> click.Command | None:
    if isinstance(plugin, click.Command):
        return plugin
    # A plugin that is a Typer app has already imported typer.
    if type(plugin).__module__.partition(".")[0] == "typer":
        import typer.main

        if isinstance(plugin, typer.Typer):
            command: Any = typer.main.get_command(plugin)
            return command  # type: ignore[no-any-return]
    return None


def _learn(extension: Extension[Any], command: click.Command) -> None:
    """Remember the texts that click prints about a command, if they are literals.

    They are remembered until the source changes. Computed values may differ in the next
    process: instead of these, the texts in the source are still shown.
    """
    known = learned.learned_facts()
    before = known.recall(extension, _KIND)
    if isinstance(before, dict) and before.get(_IS_LOADED):
        return
    texts, sources = _texts_in_source(extension)
    if sources is None:
        return
    now = _printed(command)
    plain = PlainTexts(targets.place(extension) or ("", 0), command.callback, sources)
    texts |= {
        name: value for name, value in now.items() if plain.is_literal(name, value)
    }
    sources.clock = min(sources.clock, _BEGAN)
    learn(known, extension, _KIND, {**texts, _IS_LOADED: True}, sources)


def _printed(command: click.Command) -> dict[str, Any]:
    """Return the texts and flags from which click prints a command in a list."""
    printed = {name: getattr(command, name, None) for name in (*_TEXTS, *_FLAGS)}
    # click's own method derives the text as a placeholder does. Typer may have a copy.
    own = click.Command.get_short_help_str.__qualname__
    if type(command).get_short_help_str.__qualname__ != own:
        printed["short_help"] = command.get_short_help_str(1000)
    return printed


def describe_command(plugin: Any) -> dict[str, str | None] | None:
    """Return the texts that click prints about a plugin in a list of commands.

    For `Facts(describe=describe_command, depends=...)`: a LazyGroup whose manager has
    these facts shows the texts of the last load, computed ones included, until
    something changes on which they depend. None if the plugin is not a command.
    """
    command = _as_command(plugin)
    if command is None:
        return None
    printed = _printed(command)
    # A translation may be an object that is converted to text when it is printed.
    return {
        name: text and str(text) for name, text in printed.items() if name in _TEXTS
    }


def _listed_command(extension: Extension[Any], help_line: str | None) -> click.Command:
    """Return a placeholder for a command that is only listed. Imports no plugin.

    :param help_line: the help line that the plugin declares; None: that of its source.
    """
    if extension._module is None:
        from .. import _messages as messages  # deferred: few are invalid

        return _broken_command(extension.name, messages.INVALID_REFERENCE)
    texts = learned.learned_facts().recall(extension, _KIND)
    if not isinstance(texts, dict):
        texts = _read(extension)
    if not texts:
        return _broken_command(extension.name, targets.missing_module(extension))
    hint = extension.remembered
    if not isinstance(hint, dict) or not hint.keys() >= {*_TEXTS}:
        hint = texts
    attrs: dict[str, Any] = {name: hint.get(name) for name in _TEXTS}
    attrs["short_help"] = help_line or attrs["short_help"]
    attrs |= {name: texts.get(name) or False for name in _FLAGS}
    return click.Command(extension.name, **attrs)


def _read(extension: Extension[Any]) -> dict[str, Any]:
    """Return the texts of a command in its source; none if it has no module."""
    texts, sources = _texts_in_source(extension)
    if sources is not None:
        learn(learned.learned_facts(), extension, _KIND, texts, sources)
    return texts


def _texts_in_source(
    extension: Extension[Any],
) -> tuple[dict[str, Any], Sources | None]:
    """Return the texts of a command in its source, and the sources.

    If the module does not exist, there are no texts, and the sources are None.
    """
    found = targets.source_of(extension)
    if found is None:
        return {}, None
    scope, sources = found
    if scope is None and targets.is_missing(extension):
        return {}, None
    texts: dict[str, Any] = {}
    if scope is not None:
        for call, keywords in scope.calls.items():
            texts |= keywords if makes_command(call) else {}
        if "" in texts:
            # Not all of its keywords are constants.
            plain = PlainTexts(targets.place(extension) or ("", 0), None, sources)
            for name in _TEXTS:
                texts[name] = texts.get(name) or plain.literal(name)
        texts["help"] = texts.get("help") or first_paragraph(scope.doc)
    if not texts.get("help") and not texts.get("short_help"):
        texts["help"], file = summary_of(extension._owner)
        if file:
            sources.files[file] = kind_of(file, sources) != 0
        if texts["help"] is None and sources.files.get(file):
            # There is no summary, or the file could not be read.
            data, reliable = read(file, lambda data: data.lower().split(b"\n\n")[0])
            sources.reliable &= reliable and b"summary:" not in (data or b"")
    return {name: texts.get(name) for name in (*_TEXTS, *_FLAGS)}, sources


def _broken_command(name: str, reason: str) -> click.Command:
    from .. import _messages as messages  # deferred: few are broken

    text = messages.CANNOT_BE.format(done="used", reason=reason)
    return click.Command(name, short_help=f"({text})")
