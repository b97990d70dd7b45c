"""Watch which commands a hook adds to the groups that it is given."""

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
    from collections.abc import Callable, Container


class WatchedGroup:
    """A group that a hook is given, with the commands that the hook adds.

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
        # the commands that the hook has added
        self.added: dict[str, click.Command] = {}
        # why lazy commands cannot be added in the same way; "" if they can
        self.fault = ""
        # True if the hook has read names of commands
        self.reads_names = False
        # how many methods of the group are being called
        self._depth = 0
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

    def read_commands(self) -> MutableMapping[str, click.Command]:
        """Return the commands, which the hook or a method of the group reads."""
        self.reads_names |= not self._depth
        return self.commands

    def call(self, method: Callable[..., Any], *args: Any, **kwds: Any) -> Any:
        """Call a method of the group, or the decorator that it has returned."""
        self._depth += 1
        try:
            result = method(*args, **kwds)
        finally:
            self._depth -= 1
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
            self.fault = messages.ADDS_WITH_ARGUMENTS.format(name=key)
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


def _state(command: click.Command, added: Container[str] = ()) -> list[Any]:
    """Return what changes if a hook does more to a group than add these commands."""
    found: list[Any] = []
    kind = type(command)  # `isinstance` would ask a lazy command for its kind
    if kind is LazyCommand:
        return found  # to look into it would load it
    for name, value in getattr(command, "__dict__", {}).items():
        if name != "commands":
            found += name, _identity(value)
    if issubclass(kind, click.Group):
        for name, each in command.commands.items():  # type: ignore[attr-defined]
            found += name, id(each)
            found += () if name in added else _state(each)
    return found


def _identity(value: Any, depth: int = 3) -> Any:
    """Return what tells a value from others, and from itself if an item changes."""
    kind = type(value)  # as above
    if issubclass(kind, dict):
        value = [each for item in dict.items(value) for each in item]
    elif not issubclass(kind, (list, tuple, set)):
        return id(value)
    if depth:
        return [_identity(each, depth - 1) for each in value]
    return id(value)


def _class_of_view(watched: WatchedGroup) -> type[click.Group]:
    """Return the class of a view: of that of the group, and like the group itself.

    The commands that are added to it are recorded, until the call of the hook has
    returned.
    """
    kind: Any = type(watched.group)

    def get(view: Any, name: str) -> Any:
        group = watched.group
        if not watched.is_over:
            match name:
                case "commands":
                    return _WatchedCommands(watched)
                case "add_command":
                    return watched.add_command
                case "command" | "group" if name not in vars(group):
                    return partial(watched.call, getattr(kind, name), view)
                case "group_class" if group.group_class is type:
                    return kind  # a group whose subgroups are of its own class
        return getattr(group, name)

    members = {
        "__getattribute__": get,
        "__setattr__": lambda _, name, value: setattr(watched.group, name, value),
        "__delattr__": lambda _, name: delattr(watched.group, name),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
    }
    view: type[click.Group] = type(kind)(kind.__name__, (kind,), members)
    return view


class _WatchedCommands(MutableMapping[str, click.Command]):
    """The commands of a watched group."""

    def __init__(self, watched: WatchedGroup) -> None:
        self._watched = watched

    def __getitem__(self, name: str) -> click.Command:
        return self._watched.read_commands()[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._watched.commands[name] = command

    def __delitem__(self, name: str) -> None:
        del self._watched.commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._watched.read_commands())

    def __len__(self) -> int:
        return len(self._watched.read_commands())
