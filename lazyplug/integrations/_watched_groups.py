"""Watch what a hook does with the groups that it is given."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any

import click

from .. import _messages as messages
from ._command_facts import NAME, kind_of, printed

if TYPE_CHECKING:
    from collections.abc import Callable

# The methods of a group that a hook may call.
_METHODS = ("add_command", "command", "group")


class WatchedGroup:
    """A group that a hook is given, with what the hook does with it.

    :param group: the group.
    :param commands: the commands that the hook sees, to which it adds its own; None:
        those of the group itself.
    """

    def __init__(
        self, group: click.Group, commands: dict[str, click.Command] | None = None
    ) -> None:
        self.group = group
        self._is_copy = commands is not None
        self.commands = group.commands if commands is None else commands
        # what the hook has added
        self.added: dict[str, click.Command] = {}
        # True if it has read names of commands
        self.reads_names = False
        # what it has done otherwise, at first
        self.fault = ""
        # how many methods of the group are being called
        self.depth = 0
        # True if the call of the hook has returned
        self.is_over = False
        # what the hook is given in place of the group
        self.view: click.Group = object.__new__(_class_of_view(self))

    def facts(self) -> list[list[Any]]:
        """Return the names of the added commands, with the facts about each."""
        return [
            [name, {NAME: each.name, **printed(each), **kind_of(each)}]
            for name, each in self.added.items()
        ]

    def note(self, fault: str) -> None:
        """Note what a hook does, unless a method of the group does it."""
        if not (self.fault or self.depth or self.is_over):
            self.fault = fault

    def call(self, method: Callable[..., Any], *args: Any, **kwds: Any) -> Any:
        """Call a method of the group, whose actions are not those of the hook."""
        self.depth += 1
        try:
            return method(self.view, *args, **kwds)
        finally:
            self.depth -= 1

    def add_command(
        self, cmd: click.Command, name: str | None = None, *args: Any, **kwds: Any
    ) -> None:
        """Add a command, as the method of the group does."""
        key = name or cmd.name
        if not self.fault and (args or kwds):
            self.fault = messages.USES_GROUP.format(name="add_command")
        if not self.fault and key in self.commands:
            self.fault = messages.REPLACES_COMMAND.format(name=key)
        if self._is_copy and key is not None:
            self.commands[key] = cmd
        else:
            self.group.add_command(cmd, name, *args, **kwds)
        if key is not None:
            self.added[key] = cmd


def _class_of_view(watched: WatchedGroup) -> type[click.Group]:
    """Return the class of a view: of that of the group, and like the group itself.

    What the hook does with it is noted, until the call of the hook has returned.
    """
    kind: Any = type(watched.group)

    def get(view: Any, name: str) -> Any:
        group = watched.group
        if watched.is_over:
            return getattr(group, name)
        if name == "commands":
            return _WatchedCommands(watched)
        if name == "add_command":
            return watched.add_command
        if name in _METHODS:
            method = getattr(kind, name)
            return lambda *args, **kwds: watched.call(method, *args, **kwds)
        if name == "__class__":
            return kind
        watched.note(messages.USES_GROUP.format(name=name))
        value = getattr(group, name)
        # A group whose subgroups are of its own class would make a view.
        return kind if name == "group_class" and value is type else value

    def set_(view: Any, name: str, value: Any) -> None:
        watched.note(messages.USES_GROUP.format(name=name))
        setattr(watched.group, name, value)

    def delete(view: Any, name: str) -> None:
        watched.note(messages.USES_GROUP.format(name=name))
        delattr(watched.group, name)

    members = {"__getattribute__": get, "__setattr__": set_, "__delattr__": delete}
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    view: type[click.Group] = type(kind)(kind.__name__, (kind,), {**names, **members})
    return view


class _WatchedCommands(MutableMapping[str, click.Command]):
    """The commands of a watched group."""

    def __init__(self, watched: WatchedGroup) -> None:
        self._watched = watched

    def _read(self) -> Any:
        self._watched.reads_names |= not self._watched.depth
        return self._watched.commands

    def __contains__(self, name: object) -> bool:
        return name in self._read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __getitem__(self, name: str) -> click.Command:
        command: click.Command = self._read()[name]
        return command

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._watched.note(messages.USES_GROUP.format(name="commands"))
        self._watched.commands[name] = command

    def __delitem__(self, name: str) -> None:
        self._watched.note(messages.USES_GROUP.format(name="commands"))
        del self._watched.commands[name]
