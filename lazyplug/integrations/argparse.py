"""Add plugins to argparse as subcommands, and import only the one that is used."""

import argparse

from .. import ExtensionManager, Manager
from ._lazy_parsers import Plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .. import Extension


def call_with_parser(
    extension: "Extension[Any]", parser: argparse.ArgumentParser
) -> None:
    """Call the plugin, a function, with the parser to which it adds its arguments.

    The default adapter of `add_plugins`.
    """
    _used(extension)(parser)


def run_with_options(
    extension: "Extension[Any]", parser: argparse.ArgumentParser
) -> None:
    """Set `func` to the plugin, a function that is run with the parsed options.

    An adapter for `add_plugins`. The subcommand has no arguments other than those of
    `parents=`.
    """
    parser.set_defaults(func=_used(extension))


def run_with_arguments(
    extension: "Extension[Any]", parser: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Set `func` to the plugin, a function that parses its arguments itself.

    An adapter for `add_plugins`. In the parsed options, `arguments` is the list of
    everything that follows the name of the subcommand, including options and `--help`.
    """
    own = argparse.ArgumentParser(
        parser.prog,
        description=parser.description,
        formatter_class=parser.formatter_class,
        add_help=False,
        prefix_chars="\0",  # nothing is an option
    )
    own.add_argument("arguments", nargs=argparse.REMAINDER)
    own.set_defaults(func=_used(extension))
    return own


def use_command(extension: "Extension[Any]", parser: argparse.ArgumentParser) -> None:
    """Use a plugin that is a command: a class, or an object.

    An adapter for `add_plugins`. A class is called without arguments. The command may
    have a method `add_arguments(parser)`. `func` is set to its method `run`, or else to
    its method `main`.
    """
    command = _instance(extension)
    parser.set_defaults(func=_main_of(command))
    if hasattr(command, "add_arguments"):
        command.add_arguments(parser)


def use_get_parser(
    extension: "Extension[Any]", parser: argparse.ArgumentParser
) -> argparse.ArgumentParser:
    """Use the parser that `get_parser()` of the plugin returns.

    An adapter for `add_plugins`. The plugin has a function `get_parser`, or is such a
    function itself; a class is called without arguments first. If the first parameter
    of the function is required, or its name begins with `prog`, the name of the program
    is passed. `func` is what the parser has as its default, or else the method `run` or
    `main` of the plugin, if it has one.
    """
    from inspect import signature  # deferred: few programs use it

    command = _instance(extension)
    get_parser = getattr(command, "get_parser", command)
    arguments = [
        parser.prog
        for each in [*signature(get_parser).parameters.values()][:1]
        if each.kind < each.VAR_POSITIONAL
        and (each.default is each.empty or each.name.startswith("prog"))
    ]
    own: argparse.ArgumentParser = get_parser(*arguments)
    own.prog = parser.prog
    has_main = hasattr(command, "run") or hasattr(command, "main")
    if has_main and own.get_default("func") is None:
        own.set_defaults(func=_main_of(command))
    return own


def _used(extension: "Extension[Any]") -> "Any":
    """Return the plugin or, with `invoke_on_load`, what its call returned."""
    return extension.plugin if extension.obj is None else extension.obj


def _instance(extension: "Extension[Any]") -> "Any":
    plugin = _used(extension)
    return plugin() if isinstance(plugin, type) else plugin


def _main_of(command: "Any") -> "Any":
    run = getattr(command, "run", None)
    return command.main if run is None else run


class _NameCheck:
    """Check the name of a subcommand as a parser does, and suggest similar names.

    :param parser: the parser.
    :param commands: its subcommands.
    """

    def __init__(self, parser: argparse.ArgumentParser, commands: "Any") -> None:
        self._check_value = parser._check_value
        self._parser, self._commands = parser, commands
        self.plugins: list[Plugins] = []

    def __call__(self, action: argparse.Action, value: "Any") -> None:
        try:
            self._check_value(action, value)
        except argparse.ArgumentError as error:
            if action is not self._commands:
                raise
            if any(each.add_new(value) for each in self.plugins):
                return
            error.message += self._advice(value)
            raise

    def _advice(self, name: str) -> str:
        """Return why there is no such subcommand, or which names are similar."""
        # deferred: only on failure
        from .._faults.errors import did_you_mean, near_misses
        from .._faults.origin import origin

        for plugins in self.plugins:
            for extension, reason in plugins.manager.excluded.items():
                if extension.name == name:
                    return f"; {origin(extension)}: {reason}"
        if getattr(self._parser, "suggest_on_error", False):
            return ""  # since 3.14, argparse may suggest names itself
        return did_you_mean(near_misses(name, self._commands.choices))


def add_plugins(
    parser: argparse.ArgumentParser,
    plugins: "str | ExtensionManager[Any]",
    *,
    adapter: "Callable[[Extension[Any], argparse.ArgumentParser], object]" = (
        call_with_parser
    ),
    aliases: "Mapping[str, str] | None" = None,
    aliases_fact: "str | None" = None,
    help_fact: "str | None" = None,
    **options: "Any",
) -> None:
    """Add the plugins of a namespace to a parser as subcommands. Imports no plugin.

    Call `parser.add_subparsers()` first. The subcommands are sorted by name. When a
    subcommand is used, or its help is requested, its plugin is imported and its parser
    created. If that fails, only this subcommand fails: it prints the reason and exits
    with the code 1.

    A subcommand that the parser already has takes precedence over a plugin of the same
    name, which is reported. If the user misspells a subcommand, the message contains
    the most similar names.

    :param parser: the parser.
    :param plugins: the namespace of the plugins, or a manager.
    :param adapter: the function that turns a plugin into a subcommand:
        `call_with_parser`, `run_with_options`, `run_with_arguments`, `use_command`,
        `use_get_parser`, or a function of the host. It is called with the extension,
        which is already loaded, and the parser of the subcommand, to which it adds
        arguments and defaults. If it returns a parser, that one is used instead.
    :param aliases: alternative names, each with the name of its subcommand.
    :param aliases_fact: the name of a fact that is a list of alternative names; the
        manager needs `facts=`. Names that are already used are ignored.
    :param help_fact: the name of a fact that is the help text of a subcommand, if it is
        known and a string; the manager needs `facts=`.

    All other parameters are passed to `add_parser`, for each subcommand. By default,
    `help` and `description` are the help text, if it is known. With
    `help=argparse.SUPPRESS`, the help of the program does not list the plugins one by
    one.

    Raises ValueError if `add_subparsers()` was not called, or the manager has no
    `facts=` that a parameter needs. Raises TypeError if `plugins` is neither a string
    nor a manager.
    """
    commands = _commands_of(parser)
    manager = _manager_of(plugins)
    _check_facts(manager, aliases_fact=aliases_fact, help_fact=help_fact)
    added = Plugins(manager, commands, adapter, help_fact, options)
    names = sorted({*manager.names()})
    taken = {*commands.choices}
    for name in names:
        if name in taken:
            _report_shadowed(manager, name)
            continue
        others: list[str] = []
        if aliases:
            others += [each for each, target in aliases.items() if target == name]
        if aliases_fact is not None:
            others += _aliases_of(manager, name, aliases_fact)
        if others:
            used = {*commands.choices, *names}
            others = [each for each in dict.fromkeys(others) if each not in used]
        added.add(name, others)
    if not isinstance(vars(parser).get("_check_value"), _NameCheck):
        parser._check_value = _NameCheck(parser, commands)  # type: ignore[method-assign]
    parser._check_value.plugins.append(added)  # type: ignore[attr-defined]


def _commands_of(parser: argparse.ArgumentParser) -> "Any":
    """Return the subcommands of a parser; raise ValueError if it has none."""
    for each in getattr(parser, "_actions", ()):
        if isinstance(each, argparse._SubParsersAction):
            return each
    from .. import _messages as messages  # deferred: only on failure

    raise ValueError(messages.NO_SUBPARSERS)


def _manager_of(plugins: "Any") -> "ExtensionManager[Any]":
    """Return the manager of the plugins; raise TypeError if there is none."""
    if isinstance(plugins, str):
        return ExtensionManager(plugins)
    if isinstance(plugins, Manager):
        return plugins  # type: ignore[return-value]
    # deferred: only on failure
    from .. import _messages as messages
    from .._printable import repr_of

    text = messages.NOT_VALID.format(
        value=repr_of(plugins), what="plugins argument", expected=messages.A_NAMESPACE
    )
    raise TypeError(text)


def _report_shadowed(manager: "ExtensionManager[Any]", name: str) -> None:
    from ._unusable import report_shadowed  # deferred: few are shadowed

    for extension in manager:
        if extension.name == name:
            report_shadowed(extension)


def _check_facts(manager: "ExtensionManager[Any]", **facts: "str | None") -> None:
    """Raise ValueError if a fact is requested, and the manager has no `facts=`."""
    for option, name in facts.items():
        if name is not None and manager._facts is None:
            from .. import _messages as messages  # deferred: only on failure

            text = messages.NEEDS_FACTS.format(option=f"{option}={name!r}")
            raise ValueError(text)


def _aliases_of(
    manager: "ExtensionManager[Any]", name: str, aliases_fact: str
) -> "Sequence[str]":
    """Return the aliases that a plugin has according to its facts."""
    # deferred: few hosts read them
    from .. import MultipleMatches
    from .._facts import known_facts

    try:
        found = known_facts(manager[name], aliases_fact).get(aliases_fact)
    except MultipleMatches:
        return ()
    if not isinstance(found, (list, tuple)):
        return ()
    return [each for each in found if isinstance(each, str)]
