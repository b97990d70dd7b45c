"""Read the texts that click prints about a command from its source."""

from __future__ import annotations

import ast
import textwrap
from inspect import cleandoc, unwrap
from typing import TYPE_CHECKING, Any

from .._static.source import dotted, has_several_arguments, read, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._static.source import Sources

    # the values of each keyword; "doc": the docstring; "**": unpacked keywords
    Values = dict[str, list[Any]]

# Classes and decorators that make a command, and suffixes of the names that hosts and
# plugins give to classes and decorators derived from these.
_MAKERS = ("Typer", "Command", "Group", "CommandCollection", "group", "command")
_SUFFIXES = ("Typer", "Command", "Group", "_group", "_command")
_TEXTS = ("help", "short_help", "doc")
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# Functions that return the same text at each import, and functions that translate a
# text, of which the text in the source is used.
_TEXT_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "dedent": textwrap.dedent,
    "cleandoc": cleandoc,
    **dict.fromkeys(("_", "gettext", "lazy_gettext", "gettext_lazy"), str),
}
# The types of values that may be literals.
_LITERALS = {type(None), str, bool, list}
# The value of an expression that is computed at import.
_COMPUTED = object()


class PlainTexts:
    """The literals in the source of a command that click prints.

    Only statements at the top level of a module count: a command that is made under a
    condition, in a loop or by a function may differ in the next process.

    :param place: the file and the line of the target of the entry point.
    :param callback: the function that the command calls; None if the command is not
        loaded, or calls none.
    :param sources: records the files that are read.
    :param body: the statements that define the command; None: those at the top level.
    """

    def __init__(
        self,
        place: tuple[str, int],
        callback: Callable[..., Any] | None,
        sources: Sources,
        body: list[ast.stmt] | None = None,
    ) -> None:
        self._sources = sources
        self._body = body
        self._trees: dict[str, ast.Module] = {}
        # keywords and docstrings of the target, and those of the callback
        self._target_values: Values = {}
        self._callback_values: Values = {}
        file, line = place
        self._is_found = self._collect(
            file, lambda node: line_of(node) == line, self._target_values
        )
        if self._is_found and callback is not None:
            self._is_found = self._collect_function(callback)

    def literal(self, name: str) -> Any:
        """Return the literal value of a keyword of the target; None if it has none."""
        values = self._target_values.get(name, [])
        found = values[0] if len(values) == 1 else None
        return None if found is _COMPUTED else found

    def sets(self, name: str) -> bool:
        """Return True if the target may be made with a keyword."""
        return not {name, "**"}.isdisjoint(self._target_values)

    def is_computed(self, name: str) -> bool:
        """Return True if the target may have a keyword whose value is not a literal."""
        values = self._target_values
        return "**" in values or _COMPUTED in values.get(name, ())

    def is_literal(self, name: str, value: Any) -> bool:
        """Return True if the source of a command accounts for one of its values.

        The value is a literal there, or it is empty and the source does not set it. So
        it is the same in each process until a source changes.
        """
        if not self._is_found or type(value) not in _LITERALS:
            return False
        values = self._values(*(_TEXTS if name in _TEXTS else (name,)))
        if value or (value == "" and "" in values):
            return _clean(value) in map(_clean, values)
        # A Typer app may have a help text that its only command does not have.
        part = self._callback_values or self._target_values
        own = [*part.get(name, ()), *(part.get("doc", ()) if name == "help" else ())]
        return (
            not any(own) and _COMPUTED not in values and "**" not in self._target_values
        )

    def is_named(self, name: str | None) -> bool:
        """Return True if the source of a command accounts for its own name.

        It is a literal there, or click makes it of the name of the function.
        """
        is_known = self._is_found and "**" not in self._target_values
        return is_known and {*self._values("name")} <= {name}

    def _values(self, *names: str) -> list[Any]:
        parts = self._target_values, self._callback_values
        return [each for part in parts for name in names for each in part.get(name, ())]

    def _collect_function(self, callback: Callable[..., Any]) -> bool:
        try:
            code = unwrap(callback).__code__
        except Exception:  # a plugin may have any object there
            return False
        return self._collect(
            code.co_filename,
            lambda node: (
                isinstance(node, _FUNCTIONS)
                and (node.name, first_line(node)) == (code.co_name, code.co_firstlineno)
            ),
            self._callback_values,
        )

    def _collect(
        self, file: str, matches: Callable[[ast.stmt], bool], values: Values
    ) -> bool:
        """Collect the texts of the command in a file; return False if there is none."""
        tree = self._tree(file)
        for node in filter(matches, tree.body if self._body is None else self._body):
            makers = _makers(node)
            constants = _constants(tree)
            for maker in makers:
                if not isinstance(maker, ast.Call):
                    continue
                if has_several_arguments(maker):
                    values["cls"] = [_COMPUTED]  # it may be the second argument
                for argument in maker.args[:1]:
                    values.setdefault("name", []).append(_literal(argument, constants))
                for each in maker.keywords:
                    value = _literal(each.value, constants) if each.arg else _COMPUTED
                    values.setdefault(each.arg or "**", []).append(value)
            if isinstance(node, _FUNCTIONS):
                values["doc"] = [ast.get_docstring(node, clean=False)]
            return bool(makers)
        return False

    def _tree(self, file: str) -> ast.Module:
        if file not in self._trees:
            tree, reliable = read(file, tree_of)
            self._sources.reliable &= reliable
            self._sources.files[file] = True
            self._trees[file] = tree or ast.Module([], [])
        return self._trees[file]


def makes_command(name: str) -> bool:
    """Return True if a decorator or a class with this name makes a command."""
    # cloup's `option_group` makes none.
    return name in _MAKERS or (name.endswith(_SUFFIXES) and name != "option_group")


def _makers(node: ast.stmt) -> list[ast.expr]:
    """Return the nodes that make a command: decorators, or the assigned call."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            # Typer takes the texts of a group from its `callback`.
            names = map(_last, node.decorator_list)
            pairs = zip(names, node.decorator_list)
            return [
                each
                for name, each in pairs
                if makes_command(name) or name == "callback"
            ]
        case (
            ast.Assign(value=ast.Call() as value)
            | ast.AnnAssign(value=ast.Call() as value)
        ):
            name = _last(value)
            # A function may return anything; a class returns its instance.
            is_class = name[:1].isupper() or name in _MAKERS
            return [value] if makes_command(name) and is_class else []
    return []


def _last(node: ast.expr) -> str:
    """Return the last part of a dotted name, called or not."""
    return (dotted(node.func if isinstance(node, ast.Call) else node) or [""])[-1]


def line_of(node: ast.stmt) -> int:
    """Return the line by which Search.place identifies a statement."""
    value: ast.expr | None = getattr(node, "value", None)
    return (value or node).lineno


def first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the line by which a code object identifies a function."""
    return node.decorator_list[0].lineno if node.decorator_list else node.lineno


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the names that a module binds once, to a literal text, with the texts."""
    times: dict[str, int] = {}
    for each in ast.walk(tree):
        match each:
            case ast.Name(name, ast.Store() | ast.Del()):
                times[name] = times.get(name, 0) + 1
            case (
                ast.FunctionDef(name) | ast.AsyncFunctionDef(name) | ast.ClassDef(name)
            ):
                times[name] = times.get(name, 0) + 1
            case ast.Global(names):
                times |= dict.fromkeys(names, 2)  # more than once
            case ast.alias(name, asname):
                bound = asname or name.partition(".")[0]
                times[bound] = times.get(bound, 0) + 1
    found: dict[str, str] = {}
    for each in tree.body:
        match each:
            case ast.Assign([ast.Name(name)], ast.expr() as value):
                text = _literal(value, {})
                if times[name] == 1 and isinstance(text, str):
                    found[name] = text
    return found


def _literal(node: ast.expr, constants: dict[str, str]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return constants.get(name, _COMPUTED)
        case ast.List(items) | ast.Tuple(items):
            values = [_literal(each, constants) for each in items]
            return _COMPUTED if _COMPUTED in values else values
        case ast.Call(func, [argument], []):
            make = _TEXT_FUNCTIONS.get(_last(func))
            text = _literal(argument, constants)
            if make is not None and isinstance(text, str):
                return make(text)
    return _COMPUTED


def _clean(value: Any) -> Any:
    """Return a text as click prints it; anything else as it is."""
    return (
        cleandoc(value).partition("\f")[0].strip() if isinstance(value, str) else value
    )
