"""Add the commands that a hook adds to its groups as lazy commands, if they are known.

They are known once the hook was called for real; see `_learned_additions`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple
from weakref import WeakValueDictionary

import click

from .._index import DECODE_ERRORS
from .._static.learned import learned_facts
from ._command_facts import NAME, TEXTS
from ._lazy_commands import BrokenCommand, CommandLoader, LazyCommand, broken_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .. import Extension
    from ._watched_groups import WatchedGroup

    # What a hook adds to a group: the parameter of the hook; the class of the group;
    # the names in the group before, None if they do not matter; the names of the new
    # commands, with the facts about each. As JSON, which has no tuples.
    Filled = list[Any]


class Hook(NamedTuple):
    """A hook of a plugin that is given groups.

    :param extension: the plugin.
    :param kind: the kind of the learned facts about the hook.
    :param name: the name of the hook in the module of the plugin.
    :param load: imports the plugin, and returns the function of the hook.
    """

    extension: Extension[Any]
    kind: str
    name: str
    load: Callable[[], Callable[..., Any]]


class HookCall:
    """A call of a hook that is given groups, to which it adds commands.

    :param hook: the hook.
    :param positional: the positional arguments of the call, by name.
    :param keywords: its keyword arguments.
    """

    # the commands that hooks have added when they were called, by their ids
    added: ClassVar[WeakValueDictionary[int, click.Command]] = WeakValueDictionary()

    def __init__(
        self, hook: Hook, positional: dict[str, Any], keywords: dict[str, Any]
    ) -> None:
        self.hook = hook
        self._positional = positional
        self._keywords = keywords
        self.groups: dict[str, click.Group] = {
            name: value
            for name, value in {**positional, **keywords}.items()
            if issubclass(type(value), click.Group)  # a lazy command only looks like it
        }
        # of each group: its class, and the names of its commands before the call
        self.classes = {name: _class_of(each) for name, each in self.groups.items()}
        self.before = {name: [*each.commands] for name, each in self.groups.items()}
        # what the lazy commands were added for
        self.expected: list[Filled] = []
        # the commands that the hook adds, by parameter and name; None: not called yet
        self._commands: dict[str, dict[str, click.Command]] | None = None

    def add_lazily(self) -> bool:
        """Add lazy commands to the groups; return False if they are not known."""
        found = self._find_known(self.recall())
        if found is None or any(each.name in self.before[p] for p, each in found[1]):
            return False
        self.expected, commands = found
        for param, command in commands:
            self.groups[param].add_command(LazyCommand(command), command.name)
        return True

    def run(self, function: Callable[..., Any]) -> Any:
        """Call the function of the hook, and learn what it adds if that is unknown."""
        known = self.recall()
        if (
            not self.groups
            or isinstance(known, str)
            or self._find_known(known)
            or learned_facts().fact_key(self.hook.extension) is None
        ):
            result = self.call(function)
        else:
            from ._learned_additions import learn_additions  # deferred: most are known

            result = learn_additions(self, function)
        for name, group in self.groups.items():
            before = {*self.before[name]}
            new = [each for key, each in group.commands.items() if key not in before]
            self.added.update({id(each): each for each in new})
        return result

    def call(
        self,
        function: Callable[..., Any],
        watched: Mapping[str, WatchedGroup] | None = None,
    ) -> Any:
        """Call the function of the hook.

        :param watched: by parameter, the groups that replace those of the call.
        """
        given = {**self._positional, **self._keywords}
        given |= {name: each.view for name, each in (watched or {}).items()}
        try:
            return function(
                *(given[name] for name in self._positional),
                **{name: given[name] for name in self._keywords},
            )
        finally:
            for each in (watched or {}).values():
                each.is_over = True

    def command(self, param: str, name: str) -> click.Command:
        """Return a command that the hook adds, for which it is called, once.

        Threads that ask at the same time may each call it, and get the same commands.

        Raises what the import of the plugin or the hook raises.
        """
        if self._commands is None:
            commands = self._call_again()
            if self._commands is None:  # otherwise, another thread was faster
                self._commands = commands
        found = self._commands[param].get(name)
        return self._no_command(name) if found is None else found

    def _call_again(self) -> dict[str, dict[str, click.Command]]:
        """Call the hook with the commands that were in the groups before.

        Return the commands that it adds. If these are others than the lazy ones, they
        are not remembered any more.
        """
        from ._watched_groups import WatchedGroup  # deferred: until a command is used

        function = self.hook.load()
        watched = {
            param: WatchedGroup(
                group,
                {n: group.commands[n] for n in names if n in group.commands},
            )
            for (param, names), group in zip(self.before.items(), self.groups.values())
        }
        self.call(function, watched)
        if any(each.fault for each in watched.values()) or (
            [each.facts() for each in watched.values()]
            != [added for *_, added in self.expected]
        ):
            from ._learned_additions import forget_additions  # deferred: few differ

            forget_additions(self)
        return {param: each.added for param, each in watched.items()}

    def recall(self) -> Any:
        """Return what was learned about the hook.

        It is a list of what it adds, for calls with different groups, or the reason why
        that is not remembered.
        """
        return learned_facts().recall(self.hook.extension, self.hook.kind)

    def _find_known(
        self, known: Any
    ) -> tuple[list[Filled], list[tuple[str, AddedCommand]]] | None:
        """Return what the hook adds to groups like these, with the lazy commands."""
        try:
            for filled in known if isinstance(known, list) else ():
                if [param for param, *_ in filled] == [*self.groups] and all(
                    self._matches(*each) for each in filled
                ):
                    return filled, [
                        (param, AddedCommand(self, param, name, facts))
                        for param, _, _, added in filled
                        for name, facts in added
                    ]
        except DECODE_ERRORS:
            pass  # damaged
        return None

    def _matches(
        self, param: str, kind: str, names: list[str] | None, added: list[Any]
    ) -> bool:
        """Return True if a hook that added commands to a group adds them to this one.

        It is of the same class, and has the same commands, as far as that matters.
        """
        return kind == self.classes[param] and names in (None, self.before[param])

    def _no_command(self, name: str) -> click.Command:
        # deferred: only on failure
        from .. import _messages as messages
        from .._faults.origin import origin

        hook = self.hook
        message = messages.HOOK_ADDS_NO_COMMAND.format(
            extension=origin(hook.extension), hook=hook.name, name=name
        )
        return BrokenCommand(name, message, messages.NOT_ADDED.format(hook=hook.name))


class AddedCommand(CommandLoader):
    """Load a command that a hook adds to a group.

    :param call: the call of the hook.
    :param param: the parameter of the hook that is the group.
    :param name: the name of the command in the group.
    :param facts: what is known about the command.
    """

    def __init__(
        self, call: HookCall, param: str, name: str, facts: dict[str, Any]
    ) -> None:
        super().__init__(name)
        self._call = call
        self._param = param
        self._facts = facts
        self.command_name = facts[NAME]
        self._texts = {text: facts[text] for text in TEXTS}

    def _find_known(self) -> dict[str, Any]:
        if self.loaded is not None:
            return {}
        own = self._attributes_of(self._facts)
        return {NAME: self.command_name, **self._texts, **own}

    def _load(self) -> click.Command:
        try:
            return self._call.command(self._param, self.name)
        except (Exception, SystemExit) as error:  # a script may be run by its import
            return broken_command(self._call.hook.extension, self.name, error)


def _class_of(group: click.Group) -> str:
    """Return a name of the class of a group, which is another one in another script."""
    kind = type(group)
    file = getattr(sys.modules.get(kind.__module__), "__file__", kind.__module__)
    return f"{file}:{kind.__qualname__}"
