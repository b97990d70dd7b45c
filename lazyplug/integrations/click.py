"""A click group whose commands are plugins: what is not asked for is not imported."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from .. import ExtensionManager, MultipleMatches, NoMatches
from .._distribution import summary_of
from .._faults.messages import failed_load, near_misses, origin
from .._static import facts as facts_module
from .._static.source import first_paragraph, kind_of, read
from ._plain_texts import PlainTexts, makes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from click.shell_completion import CompletionItem

    from .. import Extension
    from .._static.source import Sources

    Plugins = str | ExtensionManager[Any] | Callable[[], ExtensionManager[Any]]

# The kind of the learned facts: what click prints of a command among others.
_KIND = "click"
_TEXTS = ("short_help", "help")
_FLAGS = ("hidden", "deprecated")
# The key in a learned fact that says that the command was loaded.
_IS_LOADED = "loaded"
# Modules that were imported before this one may have been changed since.
_BEGAN = time.time_ns()
# Where the commands are only listed; contexts of other threads have another meta.
_LISTED = f"{__name__}.listed"


class LazyGroup(click.Group):
    """A click group whose commands are the entry points of a group, beside its own.

    A plugin is a click command, a group of commands, or a Typer app. Its module is
    imported when its command is run, asked for its own help, or completed; the help
    screen of the group, and the completion of its commands' names, import nothing.

    The texts of a command are read from its source: the keywords of its decorator, its
    docstring; else the summary of its distribution. Other literals in its source are
    learned when the command is first loaded, and remembered until the source changes.
    Values that are computed at import (a translation, a version) may differ each time,
    and are not shown.

    Commands that were added to the group itself come before plugins of the same name. A
    plugin that cannot be loaded is an error of its own command, and harms no other.

    :param plugins: the namespace of the plugins, or a family (`myapp.*`); or a manager,
        or a function that returns one when it is first needed, with a choice or a
        conflict resolver of the host's own.
    :param aliases: other names of commands, each with the name that it stands for.

    All others are those of click.Group.
    """

    def __init__(
        self,
        *args: Any,
        plugins: Plugins,
        aliases: Mapping[str, str] | None = None,
        **attrs: Any,
    ) -> None:
        super().__init__(*args, **attrs)
        self._plugins = plugins
        self.aliases = dict(aliases or {})

    @property
    def manager(self) -> ExtensionManager[Any]:
        """The manager of the plugins; made when it is first asked for."""
        plugins = self._plugins
        if isinstance(plugins, str):
            plugins = ExtensionManager[Any](plugins)
        elif not isinstance(plugins, ExtensionManager):
            plugins = plugins()
        self._plugins = plugins
        return plugins

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in order. Imports no plugin."""
        return sorted({*super().list_commands(ctx), *self.manager.names()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a name or an alias; None if there is none.

        A plugin is loaded, unless the commands are only listed. What cannot be loaded
        is a click.ClickException.
        """
        name = self.aliases.get(cmd_name, cmd_name)
        own = super().get_command(ctx, name)
        if own is not None:
            return own
        listed = bool(ctx.meta.get(_LISTED))
        try:
            extension = self.manager[name]
        except MultipleMatches as error:
            if listed:
                return _broken(name, f"{len(error.extensions)} plugins of this name")
            raise click.ClickException(str(error)) from error
        except NoMatches:
            return None
        return _listed(extension) if listed else _loaded(extension)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is asked for; with hints if there is none."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            names = [*self.list_commands(ctx), *self.aliases]
            near = near_misses(args[0], names)
            if args[0] in names or not near:
                raise
            text = f"No such command {args[0]!r}. Did you mean {_or(near)}?"
            raise click.UsageError(text, ctx) from error

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """Write the commands into a help screen. Imports no plugin."""
        with _listing(ctx):
            super().format_commands(ctx, formatter)

    def shell_complete(
        self, ctx: click.Context, incomplete: str
    ) -> list[CompletionItem]:
        """Return the completions of a command's name. Imports no plugin."""
        with _listing(ctx):
            return super().shell_complete(ctx, incomplete)


@contextmanager
def _listing(ctx: click.Context) -> Iterator[None]:
    before = ctx.meta.get(_LISTED)
    ctx.meta[_LISTED] = True
    try:
        yield
    finally:
        ctx.meta[_LISTED] = before


def _or(words: Iterable[str]) -> str:
    return " or ".join(map(repr, words))


def _loaded(extension: Extension[Any]) -> click.Command:
    try:
        plugin = extension.plugin
    except Exception as error:
        raise click.ClickException(failed_load(extension, error)) from error
    command = _as_command(plugin)
    if command is None:
        raise click.ClickException(
            f"{origin(extension)}: {plugin!r} is no click command; its author has to"
            " declare one, or a Typer app"
        )
    _learn(extension, command)
    return command


def _as_command(plugin: object) -> click.Command | None:
    if isinstance(plugin, click.Command):
        return plugin
    # Who declares a Typer app has imported typer.
    if type(plugin).__module__.partition(".")[0] == "typer":
        import typer.main

        if isinstance(plugin, typer.Typer):
            command: Any = typer.main.get_command(plugin)
            return command  # type: ignore[no-any-return]
    return None


def _learn(extension: Extension[Any], command: click.Command) -> None:
    """Remember the texts that click prints of a command, if they are literals.

    They are remembered until the source changes. Computed values may differ in the next
    process: for these, the source is shown, as before.
    """
    known = facts_module.facts()
    before = known.recall(extension, _KIND)
    if isinstance(before, dict) and before.get(_IS_LOADED):
        return
    said, sources = _said_by_source(extension)
    if sources is None:
        return
    now = {name: getattr(command, name, None) for name in (*_TEXTS, *_FLAGS)}
    # click's own method, of which Typer may have a copy, derives it as we do.
    own = click.Command.get_short_help_str.__qualname__
    if type(command).get_short_help_str.__qualname__ != own:
        now["short_help"] = command.get_short_help_str(1000)
    plain = PlainTexts(
        facts_module.place(extension) or ("", 0), command.callback, sources
    )
    said |= {name: value for name, value in now.items() if plain.keeps(name, value)}
    sources.clock = min(sources.clock, _BEGAN)
    known.learn(extension, _KIND, {**said, _IS_LOADED: True}, sources)


def _listed(extension: Extension[Any]) -> click.Command:
    """Return what stands for a command where it is only listed. Imports nothing."""
    if extension._module is None:
        return _broken(extension.name, "no object reference")
    said = facts_module.facts().recall(extension, _KIND)
    if not isinstance(said, dict):
        said = _read(extension)
    if not said:
        return _broken(extension.name, f"there is no module {extension.module_name!r}")
    attrs: dict[str, Any] = {name: said.get(name) for name in _TEXTS}
    attrs |= {name: said.get(name) or False for name in _FLAGS}
    return click.Command(extension.name, **attrs)


def _read(extension: Extension[Any]) -> dict[str, Any]:
    """Return what the source says of a command; nothing if it has no module."""
    said, sources = _said_by_source(extension)
    if sources is not None:
        facts_module.facts().learn(extension, _KIND, said, sources)
    return said


def _said_by_source(
    extension: Extension[Any],
) -> tuple[dict[str, Any], Sources | None]:
    """Return the texts of a command in its source, and the sources.

    The texts are empty if the module does not exist.
    """
    found = facts_module.source_of(extension)
    if found is None:
        return {}, None
    scope, sources = found
    if scope is None and facts_module.is_missing(extension):
        return {}, None
    said: dict[str, Any] = {}
    if scope is not None:
        for call, keywords in scope.calls.items():
            said |= keywords if makes(call) else {}
        if "" in said:
            # Not all of its keywords are constants.
            plain = PlainTexts(facts_module.place(extension) or ("", 0), None, sources)
            for name in _TEXTS:
                said[name] = said.get(name) or plain.literal(name)
        said["help"] = said.get("help") or first_paragraph(scope.doc)
    if not said.get("help") and not said.get("short_help"):
        said["help"], file = summary_of(extension._owner)
        if file:
            sources.files[file] = kind_of(file, sources) != 0
        if said["help"] is None and sources.files.get(file):
            # There is no summary, or the file could not be read.
            data, believed = read(file, lambda data: data.lower().split(b"\n\n")[0])
            sources.firm &= believed and b"summary:" not in (data or b"")
    return {name: said.get(name) for name in (*_TEXTS, *_FLAGS)}, sources


def _broken(name: str, reason: str) -> click.Command:
    return click.Command(name, short_help=f"(cannot be used: {reason})")
