"""Define LazyCommand, a click command whose plugin is imported when it is used."""

from __future__ import annotations

import os
from _thread import RLock
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

import click

from .. import MultipleMatches, NoMatches, _environment
from .._facts import text_fact
from .._printable import repr_of
from .._static import targets
from ._command_facts import (
    EXTRAS,
    FLAGS,
    FUNCTION,
    IS_GROUP,
    TEXTS,
    facts_of,
    learn_command,
)

if TYPE_CHECKING:
    from .. import Extension
    from .click import LazyGroup

# While one thread adds the plugins to a group, others wait until it has them all.
_adding = RLock()


def _renew_after_fork() -> None:
    global _adding  # noqa: PLW0603
    _adding = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


class LazyCommand(click.Command):
    """A command that is a plugin, imported when more of it is used than a list prints.

    `name` is the name of the plugin. `help`, `short_help`, `hidden` and `deprecated`
    are as far as they are known until it is loaded. Everything else is of the loaded
    command: what is no attribute of its own is looked up there. It is an instance of
    click.Group, too, if that command is one.

    If the plugin cannot be loaded, it is a command whose help is the reason, and which
    fails when it is run.

    :param plugin: the plugin, not loaded yet.
    """

    _plugin: CommandLoader

    def __init__(self, plugin: CommandLoader) -> None:
        object.__setattr__(self, "_plugin", plugin)

    def __getattribute__(self, name: str) -> Any:
        own = super().__getattribute__
        return own(name) if name in _OWN else own("_plugin").attribute(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "name":
            self._plugin.command_name = value
        setattr(self._plugin.command, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._plugin.command, name)

    def __repr__(self) -> str:
        return f"<LazyCommand {self.name}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Let a copy be one of the loaded command."""
        return self._plugin.command.__reduce_ex__(protocol)

    def get_short_help_str(self, limit: int = 45) -> str:
        """Return the text of a list of commands. Imports no plugin."""
        command = self._plugin.loaded
        if command is None or "short_help" in self._plugin.known:
            return super().get_short_help_str(limit)
        return command.get_short_help_str(limit)


# The attributes of a lazy command that are not of the loaded command.
_OWN = {"_plugin", "get_short_help_str"}


class _Callback:
    """The function that a command calls, imported when it is used.

    :param name: its name, for which rich-click asks in a list.
    """

    def __init__(self, plugin: CommandLoader, name: str) -> None:
        self.__name__ = name
        self._plugin = plugin
        # The function. None: not loaded yet. A host may give the command another one
        # that calls this one.
        self.function: Any = None

    def __call__(self, *args: Any, **kwds: Any) -> Any:
        return self._load()(*args, **kwds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)

    def _load(self) -> Any:
        command = self._plugin.command
        return self.function or command.callback


class CommandLoader:
    """Load the command of a lazy command, and know some of it before.

    :param name: the name of the lazy command in its group.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        # another one if the host has set it
        self.command_name = name
        self.forget()

    def forget(self) -> None:
        """Forget what may have changed: the manager was refreshed."""
        # the command; None: not loaded yet
        self.loaded: click.Command | None = None
        self._known: dict[str, Any] | None = None

    @property
    def command(self) -> click.Command:
        """The command of the plugin, loaded on first access."""
        if self.loaded is None:
            loaded = self._load()
            callback = (self._known or {}).get("callback")
            if callback is not None:
                callback.function = loaded.callback
            self.loaded = loaded
            self._known = None
            return loaded
        return self.loaded

    @property
    def known(self) -> dict[str, Any]:
        """The attributes that are not looked up in the loaded command."""
        known = self._known
        if known is None:
            self._known = known = self._find_known()
        return known

    def attribute(self, name: str) -> Any:
        """Return an attribute of the lazy command."""
        known = self.known
        if name in known:
            return known[name]
        if name in EXTRAS and self.loaded is None:
            raise AttributeError(name)
        return getattr(self.command, name)

    def is_of(self, group: click.Group, name: str) -> bool:
        """Return True if this is the plugin of a lazy group with a name."""
        return False

    def _load(self) -> click.Command:
        """Return the command, or one that fails with the reason."""
        raise NotImplementedError

    def _find_known(self) -> dict[str, Any]:
        """Return the attributes that are not looked up in the loaded command."""
        raise NotImplementedError

    def _attributes_of(self, facts: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes of a command, except for its texts, from its facts."""
        known = {name: facts[name] for name in EXTRAS if name in facts}
        known |= {name: facts.get(name) or False for name in FLAGS}
        if IS_GROUP in facts:
            known["__class__"] = click.Group if facts[IS_GROUP] else LazyCommand
        if FUNCTION in facts:
            name = facts[FUNCTION]
            known["callback"] = None if name is None else _Callback(self, name)
        return known


class Plugin(CommandLoader):
    """A plugin of a lazy group, with what is known about its command.

    :param group: the group, whose manager has the plugin.
    :param name: its name.
    """

    def __init__(self, group: LazyGroup, name: str) -> None:
        super().__init__(name)
        self._group = group

    def is_of(self, group: click.Group, name: str) -> bool:
        """Return True if this is the plugin of a group with a name."""
        return self._group is group and self.name == name

    def find(self) -> Extension[Any]:
        """Return the extension. Raises NoMatches or MultipleMatches."""
        found: Extension[Any] = self._group.manager[self.name]
        return found

    def _find_known(self) -> dict[str, Any]:
        known: dict[str, Any] = {"name": self.command_name}
        try:
            extension = self.find()
        except (MultipleMatches, NoMatches) as error:
            if self.loaded is not None:
                return known
            from ._unusable import reason_of  # deferred: few are unusable

            return known | self._unusable(reason_of(error))
        line = text_fact(extension, self._group.help_fact)
        if line:
            known["short_help"] = line
        if self.loaded is not None:
            return known
        if extension._module is None:
            from .. import _messages as messages  # deferred: few are invalid

            return known | self._unusable(messages.INVALID_REFERENCE)
        facts = facts_of(extension)
        if not facts:
            return known | self._unusable(targets.missing_module(extension))
        hint = extension.remembered
        if not isinstance(hint, dict) or not hint.keys() >= {*TEXTS}:
            hint = facts
        known |= self._attributes_of(facts)
        return {name: hint.get(name) for name in TEXTS} | known

    def _unusable(self, reason: str) -> dict[str, Any]:
        """Return what is known about a command that certainly cannot be used."""
        from ._unusable import in_a_list  # deferred: few are unusable

        text = in_a_list(reason)
        known = {"help": text, "short_help": text, "__class__": LazyCommand}
        known["callback"] = _Callback(self, self.name)
        return known | dict.fromkeys(FLAGS, False)

    def _load(self) -> click.Command:
        """Return the command that the plugin is, or one that fails with the reason."""
        try:
            extension = self.find()
        except (MultipleMatches, NoMatches) as error:
            from ._unusable import reason_of  # deferred: only on failure

            return BrokenCommand(self.name, str(error), reason_of(error))
        try:
            loaded = extension.plugin
            command = as_command(loaded)
            if command is not None:
                learn_command(extension, command)
                return command
        except (Exception, SystemExit) as error:  # a script may be run by its import
            return broken_command(extension, self.name, error)
        # deferred: only on failure
        from .. import _messages as messages
        from .._faults.origin import origin

        message = messages.NOT_A_COMMAND.format(
            extension=origin(extension), plugin=repr_of(loaded)
        )
        reason = messages.NO_COMMAND.format(plugin=repr_of(loaded))
        return BrokenCommand(self.name, message, reason)


class Commands(MutableMapping[str, click.Command]):
    """The commands of a group: its own, and its plugins as lazy commands.

    Adding a command does not search for plugins.

    :param own: the commands of the group itself.
    """

    def __init__(self, group: LazyGroup, own: MutableMapping[str, click.Command]):
        self._group = group
        self._own = own
        self._lazy: dict[str, LazyCommand] = {}
        # identifies the state of the manager from which they are
        self._state: tuple[Any, int] = None, 0
        # the names of the plugins that the host has removed
        self._removed: set[str] = set()

    def __getstate__(self) -> dict[str, Any]:
        """Let a copy have lazy commands of its own."""
        return {**self.__dict__, "_lazy": {}, "_state": (None, 0)}

    def update_plugins(self) -> None:
        """Add and remove plugins as the manager has them. Imports no plugin."""
        with _adding:
            self._update()

    def _update(self) -> None:
        group, manager = self._group, self._group.manager
        # Each change of a manager replaces this list.
        state = manager._candidates, _environment.generation
        if state[0] is self._state[0] and state[1] == self._state[1]:
            return
        names = dict.fromkeys(n for n in manager.names() if n not in self._removed)
        self._state = state
        for name in self._lazy.keys() - names.keys():
            del self._lazy[name]
        for name in names:
            if name in self._lazy:
                self._lazy[name]._plugin.forget()
            else:
                lazy = LazyCommand(Plugin(group, name))
                if name in self._own or group.chain:
                    # In chain mode, click would look at the kind of each command.
                    self._lazy[name] = lazy
                else:
                    # Groups of cloup list what was added.
                    group.add_command(lazy, name)
            self._report_shadowed(name)

    def _report_shadowed(self, name: str) -> None:
        if self._group.override or name not in self._own or name not in self._lazy:
            return
        # deferred: few are shadowed
        from .. import _messages as messages
        from ._unusable import report_shadowed

        for extension in self._group.manager:
            if extension.name == name:
                report_shadowed(extension, messages.USE_OVERRIDE)

    def _parts(self) -> list[MutableMapping[str, Any]]:
        """Return both parts, the one that takes precedence first."""
        self.update_plugins()
        parts: list[MutableMapping[str, Any]] = [self._own, self._lazy]
        return parts[:: -1 if self._group.override else 1]

    def __contains__(self, name: object) -> bool:
        return any(name in part for part in self._parts())

    def __getitem__(self, name: str) -> click.Command:
        for part in self._parts():
            if name in part:
                command: click.Command = part[name]
                return command
        self._group.manager[name]  # searches again; raises NoMatches, a KeyError
        self.update_plugins()
        return self._lazy[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        # `isinstance` would ask the lazy command for its kind.
        if type(command) is LazyCommand and command._plugin.is_of(self._group, name):
            self._lazy[name] = command
            self._removed.discard(name)
        else:
            self._own[name] = command
            self._report_shadowed(name)

    def __delitem__(self, name: str) -> None:
        parts = [part for part in self._parts() if name in part]
        if not parts:
            raise KeyError(name)
        if self._lazy in parts:
            self._removed.add(name)
        for part in parts:
            del part[name]

    def __iter__(self) -> Iterator[str]:
        self.update_plugins()
        return iter({**self._own, **self._lazy})

    def __len__(self) -> int:
        self.update_plugins()
        return len({**self._own, **self._lazy})

    def __repr__(self) -> str:
        return repr(dict(self))


class BrokenCommand(click.Command):
    """The command of a plugin that cannot be used: it says why, and fails.

    :param message: the message of the error; the help of the command.
    :param reason: the short reason, for a list of commands.
    :param error: the exception of the load, if there is one.
    """

    allow_extra_args = True
    ignore_unknown_options = True

    def __init__(
        self, name: str, message: str, reason: str, error: Exception | None = None
    ) -> None:
        from ._unusable import in_a_list  # deferred: few are unusable

        super().__init__(
            name, callback=self._fail, help=message, short_help=in_a_list(reason)
        )
        self._message, self._error = message, error

    def _fail(self, *args: Any, **kwds: Any) -> None:
        """Raise click.ClickException, or with LAZYPLUG_TRACEBACK=1 the error."""
        from ._unusable import end_of  # deferred: only on failure

        text = end_of(self._message, self._error)
        raise click.ClickException(text) from self._error


def broken_command(
    extension: Extension[Any], name: str, error: BaseException
) -> click.Command:
    """Return the command of a plugin that raised an exception: it says so and fails."""
    from ._unusable import failure  # deferred: only on failure

    return BrokenCommand(name, *failure(extension, error))


def as_command(plugin: object) -> click.Command | None:
    """Return a plugin as a click command; None if it is none."""
    if isinstance(plugin, click.Command):
        return plugin
    # A plugin of Typer has already imported typer.
    if type(plugin).__module__.partition(".")[0] == "typer":
        from ._typer import as_command as typer_command  # deferred: few are apps

        return typer_command(plugin)
    return None
