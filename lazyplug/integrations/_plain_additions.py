"""Prove from the source of a hook which commands it always adds to its groups."""

from __future__ import annotations

import ast
from inspect import unwrap
from itertools import starmap
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import _messages as messages
from .._static.names import Modules
from .._static.source import absolute, dotted
from .._static.variables import FUNCTIONS
from ._command_facts import extras, printed
from ._plain_texts import PlainTexts, first_line, line_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from .._static.source import Search, Sources

    Function = ast.FunctionDef | ast.AsyncFunctionDef

# The methods of a group that decorate the function of a new command, and click's own
# decorators.
_DECORATORS = ("command", "group")
# Nodes of a condition that depend on nothing but the names that it reads.
_OPERATORS = ast.boolop | ast.unaryop | ast.cmpop | ast.expr_context


class NotPlain(Exception):
    """The source does not show what a hook adds; the text is the reason."""


class PlainAdditions:
    """Prove from the source of a hook which commands it always adds to its groups.

    It does if its statements add commands with literal names to a group, without a
    condition, or with one that depends only on the names in the group. Each command is
    a function that is decorated there, or one at the top level of a module.

    Raises NotPlain otherwise.

    :param module: the module of the plugin.
    :param hook: the name of the hook in it.
    :param groups: the parameters of the hook that are groups.
    :param search: finds and reads the sources.
    :param sources: records what was accessed.
    """

    def __init__(
        self,
        module: str,
        hook: str,
        groups: Container[str],
        search: Search,
        sources: Sources,
    ) -> None:
        self._groups = groups
        self._sources = sources
        self._modules = Modules(search, sources)
        steps, statement = self._modules.resolve(module, [hook], is_complete=True)
        self._module, _ = steps[-1]
        names = self._modules.names(self._module)
        if names is None or not isinstance(statement, ast.FunctionDef):
            raise NotPlain(messages.HOOK_IS_NOT_PLAIN)
        self._file, self._home = names.file, names.home
        # the functions in the hook, each with the group to which it is added, or None
        self._functions: dict[Function, str | None] = {}
        # the names that it binds
        self._bound: set[str] = set()
        # those that mean commands that were in a group before
        self._read_commands: set[str] = set()
        # those that it imports, each with the module, and the parts of the name
        self._imports: dict[str, tuple[str, list[str]]] = {}
        # the groups to which it adds commands that it has, with the parts of their
        # names, and the names in the group, "" if these are their own
        self._added: list[tuple[str, list[str], str]] = []
        # the names that mean modules where they are imported
        self._module_names = {
            alias.asname or alias.name.partition(".")[0]
            for node in ast.walk(names.tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        # True if it calls something else, which may matter even if it adds nothing
        self.does_more = False
        self._read(statement.body)

    # The statements of the hook.

    def _read(self, body: Iterable[ast.stmt]) -> None:
        for node in body:
            match node:
                case (
                    ast.Pass()
                    | ast.Return(None | ast.Constant(None))
                    | ast.Expr(ast.Constant())
                ):
                    pass
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._read_function(node)
                case ast.Import(names):
                    self.does_more = True
                    for alias in names:
                        top, *_ = alias.name.split(".")
                        self._bind(node, alias.asname or top)
                        module = alias.name if alias.asname else top
                        self._imports[alias.asname or top] = module, []
                case ast.ImportFrom(names=names):
                    self.does_more = True
                    source = absolute(node.level, node.module or "", self._home)
                    for alias in names:
                        self._bind(node, alias.asname or alias.name)
                        found = source or "", [alias.name]
                        self._imports[alias.asname or alias.name] = found
                case ast.Expr(
                    ast.Call(ast.Attribute(ast.Name(name), "add_command")) as call
                ):
                    self._read_addition(call, name)
                case ast.If(test, then, otherwise) if self._reads_names(test):
                    self._read(then)
                    self._read(otherwise)
                case ast.For(
                    ast.Name(variable),
                    ast.Tuple(items) | ast.List(items),
                    [ast.Expr(ast.Call(func, [ast.Name(used)], []))],
                    [],
                ) if variable == used:
                    self._bind(node, variable)
                    # as if there were a statement for each
                    calls = [
                        ast.Call(func, [each], [], **_place(node)) for each in items
                    ]
                    self._read([ast.Expr(each, **_place(node)) for each in calls])
                case ast.Assign([ast.Name(variable)], value) if self._is_command(value):
                    self._bind(node, variable)
                    self._read_commands.add(variable)
                case ast.Assign(targets, value):
                    self.does_more |= any(
                        isinstance(each, ast.Call) for each in ast.walk(value)
                    )
                    for target in targets:
                        self._bind(node, *(dotted(target) or [""]))
                    self._check_other(value)
                case _:
                    self._refuse(node)

    def _refuse(self, node: ast.AST) -> NoReturn:
        line = getattr(node, "lineno", 0)
        raise NotPlain(messages.LINE_IS_NOT_PLAIN.format(file=self._file, line=line))

    def _bind(self, node: ast.AST, *parts: str) -> None:
        """Check that a statement binds a name, once, and that it is not a group."""
        name, *attributes = parts
        if attributes or name in self._groups or name in self._bound | {"", "*"}:
            self._refuse(node)
        self._bound.add(name)

    def _read_function(self, node: Function) -> None:
        self._bind(node, node.name)
        first = node.decorator_list[0] if node.decorator_list else None
        call = first if isinstance(first, ast.Call) else None
        maker = call.func if call else first
        evaluated = [first] if first else []
        self._functions[node] = None
        match maker:
            case ast.Attribute(ast.Name(name), method) if (
                name in self._groups and method in _DECORATORS
            ):
                self._functions[node] = name
                evaluated = _arguments(call) if call else []
            case ast.Attribute(value, method) if method in _DECORATORS:
                if not self._is_module_or_own(value):
                    self._refuse(node)  # it may add to a group of another plugin
        self.does_more |= bool(first) and self._functions[node] is None
        parts = dotted(maker) if maker else None
        makes = parts is not None and parts[-1] in _DECORATORS  # which do not call it
        defaults = *node.args.defaults, *node.args.kw_defaults
        for each in (*evaluated, *node.decorator_list[1:], *defaults):
            self._check_other(each)
        for statement in () if makes else node.body:
            self._check_other(statement, runs=False)

    def _is_module_or_own(self, node: ast.expr) -> bool:
        """Return True if an expression is a module, or a group that the hook made."""
        match node:
            case ast.Name(name) if name in self._bound:
                own = any(name == each.name for each in self._functions)
                return own or self._imports.get(name, ("", [""]))[1] == []
            case ast.Name(name):
                return name in self._module_names
        return False

    def _read_addition(self, call: ast.Call, name: str) -> None:
        """Read the statement `group.add_command(command)`."""
        if name not in self._groups:
            # It is a group among the functions in the hook.
            if not any(name == each.name for each in self._functions):
                self._refuse(call)
            for each in _arguments(call):
                self._check_other(each)
            return
        given = dict(zip(("cmd", "name"), call.args))
        given |= {word.arg: word.value for word in call.keywords if word.arg}
        match given:
            case {"cmd": command, "name": ast.Constant(str(key))}:
                pass
            case {"cmd": command} if len(given) == 1:
                key = ""
            case _:
                self._refuse(call)
        parts = dotted(command) or [""]
        known = {*self._imports, *(each.name for each in self._functions)}
        if len(given) != len(_arguments(call)) or parts[0] in {
            *("", *self._bound - known),
        }:
            self._refuse(call)
        self._added.append((name, parts, key))

    def _check_other(self, node: ast.AST | None, runs: bool = True) -> None:
        """Check that code does nothing with a group, and only reads its commands.

        :param runs: False if the code does not run before a command is used.
        """
        allowed: set[ast.AST] = set()
        called: set[ast.AST] = set()
        for each in ast.walk(node) if node else ():  # from the top to the bottom
            match each:
                case ast.Name(name) | ast.arg(name) if name in self._groups:
                    self._refuse(each)
                case ast.NamedExpr() | ast.Await() | ast.Yield() | ast.YieldFrom():
                    if runs:
                        self._refuse(each)
                case ast.Call(func):
                    called.add(func)
                case ast.Attribute(ast.Name() as command, _, ast.Load()):
                    allowed.update(() if each in called else (command,))
                case ast.Name(name) if name in self._read_commands:
                    if runs and each not in allowed:
                        self._refuse(each)

    def _is_command(self, node: ast.expr) -> bool:
        """Return True if an expression means a command that is in a group."""
        match node:
            case ast.Subscript(value, ast.Constant()) | ast.Call(
                ast.Attribute(value, "get"), [ast.Constant()], []
            ):
                return isinstance(value, ast.Attribute) and self._reads_names(value)
        return False

    def _reads_names(self, node: ast.expr) -> bool:
        """Return True if a condition depends only on the names in a group."""
        match node:
            case ast.Constant():
                return True
            case ast.Attribute(ast.Name(name), "commands"):
                return name in self._groups
            case ast.Call(ast.Attribute(value, "get" | "keys"), args, []):
                return all(map(self._reads_names, [value, *args]))
            case (
                ast.BoolOp() | ast.UnaryOp() | ast.Compare() | ast.Tuple() | ast.List()
            ):
                below = ast.iter_child_nodes(node)
                return all(
                    isinstance(each, _OPERATORS)
                    or (isinstance(each, ast.expr) and self._reads_names(each))
                    for each in below
                )
        return False

    # The commands that it has added.

    def check(self, group: str, name: str, command: click.Command) -> None:
        """Check that the source accounts for a command, and what is printed of it.

        Raises NotPlain otherwise.

        :param group: the parameter of the hook.
        :param name: the name in the group.
        :param command: the command that the hook has added.
        """
        reason = messages.COMMAND_IS_NOT_PLAIN.format(name=name)
        if not isinstance(command, click.Command):
            raise NotPlain(reason)
        for key, plain in self._origins(group, command):
            if name != (key or command.name) or not plain.is_named(command.name):
                continue
            known = {**printed(command), **extras(command)}
            if all(starmap(plain.is_literal, known.items())):
                return
            reason = messages.TEXT_IS_NOT_PLAIN.format(name=name)
        raise NotPlain(reason)

    def _origins(
        self, group: str, command: click.Command
    ) -> Iterable[tuple[str, PlainTexts]]:
        """Yield each name by which the hook may add a command, and its texts.

        The name is "" if it is that of the command.
        """
        definition = _definition(command.callback)
        found: list[tuple[str, str, ast.stmt, bool]] = [
            ("", self._file, function, True)
            for function, to in self._functions.items()
            if to == group
        ]
        for to, parts, key in self._added:
            if to != group:
                continue
            local = [each for each in self._functions if [each.name] == parts]
            found += [(key, self._file, function, True) for function in local]
            if not local:
                module, first = self._imports.get(parts[0], (self._module, parts[:1]))
                steps, statement = self._modules.resolve(
                    module, [*first, *parts[1:]], is_complete=True
                )
                names = self._modules.names(steps[-1][0]) if statement else None
                if names and statement:
                    found.append((key, names.file, statement, False))
        for key, file, statement, is_local in found:
            if not isinstance(statement, FUNCTIONS) or definition == (
                file,
                statement.name,
                first_line(statement),
            ):
                place = file, line_of(statement)
                body = [statement] if is_local else None
                yield key, PlainTexts(place, command.callback, self._sources, body)


def _place(node: ast.stmt) -> dict[str, int]:
    return {"lineno": node.lineno, "col_offset": node.col_offset}


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(word.value for word in call.keywords)]


def _definition(callback: Any) -> tuple[str, str, int] | None:
    """Return the file, the name and the first line of a function; None if unknown."""
    try:
        code = unwrap(callback).__code__
        return code.co_filename, code.co_name, code.co_firstlineno
    except Exception:  # a plugin may have any object there
        return None
