"""Read the texts that click prints of a command from the literals in its source."""

from __future__ import annotations

import ast
import textwrap
from inspect import cleandoc, unwrap
from typing import TYPE_CHECKING, Any

from .._static.source import dotted, read, tree_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._static.source import Sources

    # the values of each keyword; "doc": the docstring; "**": unpacked keywords
    Said = dict[str, list[Any]]

# Classes and decorators that make a command, and endings of the names that hosts and
# plugins give to classes and decorators derived from these.
_MAKERS = ("Typer", "Command", "Group", "group", "command")
_ENDS = ("Typer", "Command", "Group", "_group", "_command")
_TEXTS = ("help", "short_help", "doc")
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# Calls that return the same text at each import; of a translation, the text in the
# source is taken.
_MADE_BY: dict[str, Callable[[str], str]] = {
    "dedent": textwrap.dedent,
    "cleandoc": cleandoc,
    **dict.fromkeys(("_", "gettext", "lazy_gettext", "gettext_lazy"), str),
}
# Stands for a value that is computed at import.
_COMPUTED = object()


class PlainTexts:
    """The literals in the source of a command that click prints.

    Only statements at the top level of a module count: what is made under a condition,
    in a loop or by a function may differ the next time.

    :param place: the file and the line of the target of the entry point.
    :param callback: the function that the command calls; None where it is not loaded,
        or calls none.
    :param sources: notes what was read.
    """

    def __init__(
        self,
        place: tuple[str, int],
        callback: Callable[..., Any] | None,
        sources: Sources,
    ) -> None:
        self._sources = sources
        self._trees: dict[str, ast.Module] = {}
        # keywords and docstrings of the target, and those of the callback
        self._made: Said = {}
        self._called: Said = {}
        file, line = place
        self._found = self._note(file, lambda node: _line(node) == line, self._made)
        if self._found and callback is not None:
            self._found = self._note_function(callback)

    def literal(self, name: str) -> Any:
        """Return the literal value of a keyword of the target; None if it has none."""
        values = self._made.get(name, [])
        found = values[0] if len(values) == 1 else None
        return None if found is _COMPUTED else found

    def keeps(self, name: str, value: Any) -> bool:
        """Return True if a value is a literal, or None and no source sets it.

        Then it is the same in each process, as long as the sources are the same.
        """
        if not self._found or not (value is None or type(value) in (str, bool)):
            return False
        said = self._said(*(_TEXTS if name in _TEXTS else (name,)))
        if value:
            return _clean(value) in map(_clean, said)
        # A Typer app may have a help text that its only command does not have.
        part = self._called or self._made
        own = [*part.get(name, ()), *(part.get("doc", ()) if name == "help" else ())]
        return not any(own) and _COMPUTED not in said and "**" not in self._made

    def _said(self, *names: str) -> list[Any]:
        parts = self._made, self._called
        return [each for part in parts for name in names for each in part.get(name, ())]

    def _note_function(self, callback: Callable[..., Any]) -> bool:
        try:
            code = unwrap(callback).__code__
        except Exception:  # a plugin may have any object there
            return False
        return self._note(
            code.co_filename,
            lambda node: (
                isinstance(node, _FUNCTIONS)
                and (node.name, _first_line(node))
                == (code.co_name, code.co_firstlineno)
            ),
            self._called,
        )

    def _note(self, file: str, is_it: Callable[[ast.stmt], bool], said: Said) -> bool:
        """Collect the texts of the command in a file; return False if there is none."""
        tree = self._tree(file)
        for node in filter(is_it, tree.body):
            makers = _makers(node)
            constants = _constants(tree)
            for maker in makers:
                for each in maker.keywords if isinstance(maker, ast.Call) else ():
                    value = _literal(each.value, constants) if each.arg else _COMPUTED
                    said.setdefault(each.arg or "**", []).append(value)
            if isinstance(node, _FUNCTIONS):
                said["doc"] = [ast.get_docstring(node, clean=False)]
            return bool(makers)
        return False

    def _tree(self, file: str) -> ast.Module:
        if file not in self._trees:
            tree, believed = read(file, tree_of)
            self._sources.firm &= believed
            self._sources.files[file] = True
            self._trees[file] = tree or ast.Module([], [])
        return self._trees[file]


def makes(name: str) -> bool:
    """Return True if a decorator or a class of this name makes a command."""
    return name in _MAKERS or name.endswith(_ENDS)


def _makers(node: ast.stmt) -> list[ast.expr]:
    """Return the nodes that make a command: decorators, or the assigned call."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            # Typer takes the texts of a group from its `callback`.
            names = map(_last, node.decorator_list)
            pairs = zip(names, node.decorator_list)
            return [each for name, each in pairs if makes(name) or name == "callback"]
        case (
            ast.Assign(value=ast.Call() as value)
            | ast.AnnAssign(value=ast.Call() as value)
        ):
            name = _last(value)
            # A function may return anything, a class makes its instance.
            is_class = name[:1].isupper() or name in _MAKERS
            return [value] if makes(name) and is_class else []
    return []


def _last(node: ast.expr) -> str:
    """Return the last part of a dotted name, called or not."""
    return (dotted(node.func if isinstance(node, ast.Call) else node) or [""])[-1]


def _line(node: ast.stmt) -> int:
    """Return the line by which Search.place identifies a statement."""
    value: ast.expr | None = getattr(node, "value", None)
    return (value or node).lineno


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
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
        case ast.Call(func, [argument], []):
            make = _MADE_BY.get(_last(func))
            text = _literal(argument, constants)
            if make is not None and isinstance(text, str):
                return make(text)
    return _COMPUTED


def _clean(value: Any) -> Any:
    """Return a text as click prints it; anything else as it is."""
    return (
        cleandoc(value).partition("\f")[0].strip() if isinstance(value, str) else value
    )
