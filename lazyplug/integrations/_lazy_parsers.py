"""Define LazyParser, the parser of an argparse subcommand, created when it is used."""

import argparse
from _thread import get_ident

from .._exceptions import LazyplugError, MultipleMatches, NoMatches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    from .. import Extension, ExtensionManager


class LazyParser(argparse.ArgumentParser):
    """The parser of a subcommand whose plugin is imported when the parser is used.

    To read or to set any attribute creates the parser, and all is done with that one.

    :param subcommand: creates the parser.
    """

    _subcommand: "Subcommand"

    def __init__(self, subcommand: "Subcommand") -> None:
        object.__setattr__(self, "_subcommand", subcommand)

    def __getattribute__(self, name: str) -> "Any":
        own = object.__getattribute__
        if name in _OWN:
            return own(self, name)
        return getattr(own(self, "_subcommand").parser, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._subcommand.parser, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._subcommand.parser, name)

    def __repr__(self) -> str:
        return f"<LazyParser {self._subcommand.name}>"

    def _check_help(self, action: argparse.Action) -> None:
        """Do nothing; from 3.14 on, argparse tries a help text when it is added."""


# The attributes that do not create the parser.
_OWN = {"_check_help", "_subcommand"}


class _BrokenParser(argparse.ArgumentParser):
    """The parser of a plugin that cannot be used: it says why, and exits with 1.

    :param prog: the program and the subcommand.
    :param message: why; the description in the help.
    :param error: the exception of the plugin, if there is one.
    """

    def __init__(self, prog: str, message: str, error: Exception | None = None) -> None:
        super().__init__(prog, description=_literal(message))
        self._message, self._error = message, error

    def parse_known_args(  # type: ignore[override]
        self, args: "Sequence[str] | None" = None, namespace: "Any" = None
    ) -> "NoReturn":
        """Print the reason and exit; with LAZYPLUG_TRACEBACK=1, raise the error."""
        from ._unusable import end_of  # deferred: only on failure

        try:
            text = end_of(self._message, self._error)
        except argparse.ArgumentError as error:
            # argparse would print this error as a mistake of the user.
            raise LazyplugError(self._message) from error
        self.exit(1, f"{self.prog}: error: {text}\n")


class _HelpLine(argparse._SubParsersAction._ChoicesPseudoAction):  # type: ignore[misc]
    """The line of a subcommand in the help; its text is looked up when it is shown."""

    def __getattribute__(self, name: str) -> "Any":
        value = super().__getattribute__(name)
        if name == "help" and isinstance(value, Subcommand):
            self.help = value = value.help_line
        return value


class Plugins:
    """The plugins of a manager as subcommands of a parser.

    :param manager: the manager.
    :param commands: the subcommands of the parser.
    :param adapter: makes a plugin a subcommand, as in `add_plugins`.
    :param help_fact: the name of the fact that is the help text.
    :param options: what is passed to `add_parser`, by keyword.
    """

    def __init__(
        self,
        manager: "ExtensionManager[Any]",
        commands: "Any",
        adapter: "Callable[[Extension[Any], argparse.ArgumentParser], object]",
        help_fact: "str | None",
        options: "dict[str, Any]",
    ) -> None:
        self.manager = manager
        self.adapter = adapter
        self.help_fact = help_fact
        self.parser_class = commands._parser_class
        self._options = options
        self._added: set[str] = set()
        # Adds to the same subcommands, by the same method, but lazy parsers.
        self._commands = object.__new__(type(commands))
        vars(self._commands).update(vars(commands))
        self._commands._ChoicesPseudoAction = _HelpLine

    def add(self, name: str, aliases: "Sequence[str]" = ()) -> None:
        """Add a plugin as a subcommand. Imports nothing of it."""
        subcommand = Subcommand(self, name)
        self._commands._parser_class = subcommand.lazy_parser
        options = {"help": subcommand, **self._options}
        if options["help"] is argparse.SUPPRESS:
            del options["help"]
        self._commands.add_parser(name, aliases=aliases, **options)
        self._added.add(name)

    def add_new(self, name: str) -> bool:
        """Add a plugin that an incomplete check did not find; return False if none."""
        if name in self._added:
            return False  # the host removed it
        try:
            self.manager[name]
        except (MultipleMatches, NoMatches):
            return False
        self.add(name)
        return True


class Subcommand:
    """A plugin as a subcommand: its help line, and its parser when it is used.

    :param plugins: the plugins to which it belongs.
    :param name: its name.
    """

    def __init__(self, plugins: Plugins, name: str) -> None:
        self._plugins = plugins
        self.name = name
        self._created: dict[str | int, argparse.ArgumentParser] = {}

    def lazy_parser(self, **options: "Any") -> LazyParser:
        """Return the lazy parser, with the options with which it will be created."""
        self._options = options
        return LazyParser(self)

    @property
    def help_line(self) -> str:
        """The text in the list of subcommands. Imports no plugin."""
        try:
            extension = self._find()
        except (MultipleMatches, NoMatches) as error:
            from ._unusable import in_a_list, reason_of  # deferred: few are unusable

            text: str | None = in_a_list(reason_of(error))
        else:
            text = self._text(extension) or _fault(extension)
        # argparse formats this text with `%`.
        return (text or "").replace("%", "%%")

    @property
    def parser(self) -> argparse.ArgumentParser:
        """The parser, created on first access: the plugin is imported, and adapted."""
        for key in ("parser", get_ident()):
            if key in self._created:
                return self._created[key]
        # No lock is held while a plugin is imported: the first parser wins.
        return self._created.setdefault("parser", self._create())

    def _find(self) -> "Extension[Any]":
        """Return the extension. Raises NoMatches or MultipleMatches."""
        found: Extension[Any] = self._plugins.manager[self.name]
        return found

    def _text(self, extension: "Extension[Any]") -> "str | None":
        """Return what is known of the help text: a fact, a hint, or the summary."""
        if self._plugins.help_fact is not None:
            from .._facts import text_fact  # deferred: few hosts show facts

            text = text_fact(extension, self._plugins.help_fact)
            if text:
                return text
        hint = extension.remembered
        text = hint.get("help") if isinstance(hint, dict) else None
        return text if text and isinstance(text, str) else extension.summary

    def _create(self) -> argparse.ArgumentParser:
        plugins, options = self._plugins, dict(self._options)
        prog: str = options["prog"]
        try:
            extension = self._find()
        except (MultipleMatches, NoMatches) as error:
            return _BrokenParser(prog, str(error))
        if "description" not in options:
            options["description"] = _literal(self._text(extension))
        parser: argparse.ArgumentParser = plugins.parser_class(**options)
        # A plugin that looks at all subcommands meanwhile finds its unfinished parser.
        self._created[get_ident()] = parser
        done = "loaded"
        try:
            extension.plugin  # noqa: B018
            extension.obj  # noqa: B018
            done = "used"
            own = plugins.adapter(extension, parser)
        except (Exception, SystemExit) as error:  # a script may be run by its import
            from ._unusable import failure  # deferred: only on failure

            message, _, raised = failure(extension, error, done)
            return _BrokenParser(prog, message, raised)
        finally:
            del self._created[get_ident()]
        return own if isinstance(own, argparse.ArgumentParser) else parser


def _literal(text: "str | None") -> "str | None":
    """Return a description from which argparse prints this text.

    >>> _literal("50 % of %(prog)s"), _literal("50 %")
    ('50 %% of %%(prog)s', '50 %')
    """
    return text.replace("%", "%%") if text and "%(prog)" in text else text


def _fault(extension: "Extension[Any]") -> "str | None":
    """Return why a plugin certainly cannot be used, for a list; None if it may be.

    Imports nothing of the plugin.
    """
    # deferred: most have a help text
    from .. import _messages as messages
    from .._static.targets import is_missing, missing_module
    from ._unusable import in_a_list

    if extension._module is None:
        return in_a_list(messages.INVALID_REFERENCE)
    if is_missing(extension):
        return in_a_list(missing_module(extension))
    return None
