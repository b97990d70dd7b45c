"""Watch what a hook does with the groups that it is given."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, MutableMapping
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any

import click

from .. import _messages as messages
from ._command_facts import NAME, kind_of, printed
from ._lazy_commands import LazyCommand

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
        # what the group is like, but for what its own `add_command` does
        self._state = [] if self._is_copy else _state(group, self.added)

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
        """Call a method of the group, whose actions are not those of the hook.

        The same is true of the decorator that it may return.
        """
        self.depth += 1
        try:
            result = method(*args, **kwds)
        finally:
            self.depth -= 1
        is_decorator = isinstance(result, FunctionType)
        return partial(self.call, result) if is_decorator else result

    def is_changed(self) -> bool:
        """Return True if the hook has done more than add commands to the group."""
        return self._state != _state(self.group, self.added)

    def add_command(
        self, cmd: click.Command, name: str | None = None, *args: Any, **kwds: Any
    ) -> None:
        """Add a command, as the method of the group does."""
        key = name or cmd.name
        if not self.fault and (args or not self._are_defaults(kwds)):
            self.fault = messages.USES_GROUP.format(name="add_command")
        if not self.fault and key in self.commands:
            self.fault = messages.REPLACES_COMMAND.format(name=key)
        if self._is_copy and key is not None:
            self.commands[key] = cmd
            self.added[key] = cmd
            return
        changed = self.is_changed()
        self.group.add_command(cmd, name, *args, **kwds)
        if key is not None:
            self.added[key] = cmd
        if not changed:
            # A later start calls the method of the group, too.
            self._state = _state(self.group, self.added)

    def _are_defaults(self, kwds: dict[str, Any]) -> bool:
        """Return True if arguments of `add_command` are what the group has by default.

        A group of cloup always passes them.
        """
        if not kwds:
            return True
        parameters = inspect.signature(self.group.add_command).parameters
        return all(
            name in parameters and value is parameters[name].default
            for name, value in kwds.items()
        )


def _state(group: click.Group, added: Mapping[str, click.Command]) -> list[Any]:
    """Return what changes if a hook does more than add commands to a group."""
    found: list[Any] = [
        (name, _identity(each))
        for name, each in vars(group).items()
        if name != "commands"
    ]
    for name, command in group.commands.items():
        if name not in added:
            found += name, id(command)
            kind: Any = type(command)
            if kind is not LazyCommand:  # which these would load
                found += map(id, getattr(command, "params", ()))
                found += _state(command, {}) if issubclass(kind, click.Group) else ()  # type: ignore[arg-type]
    return found


def _identity(value: Any, depth: int = 3) -> Any:
    """Return what tells a value from others, and from itself if an item changes."""
    kind = type(value)  # `isinstance` would ask a lazy command for its kind
    if issubclass(kind, dict):
        value = [each for item in dict.items(value) for each in item]
    elif not issubclass(kind, (list, tuple, set)):
        return id(value)
    if depth:
        return [_identity(each, depth - 1) for each in value]
    return id(value)


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
        if name in _METHODS and name not in vars(group):
            method = getattr(kind, name)
            return partial(watched.call, method, view)
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
