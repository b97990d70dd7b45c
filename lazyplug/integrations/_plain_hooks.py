"""Prove from the source of a plugin which hooks it always has."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from .._static.source import HOPS, Sources, absolute, calls_of, dotted, read, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FunctionType, ModuleType, UnionType

    from .._static.source import Search

_MARKER = "HookimplMarker"
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# A module that binds one of these may have other names than its source shows.
_DYNAMIC_NAMES = {"*", "__dir__", "__name__"}
# Code that mentions these may change names without binding them: the first anywhere,
# the others only if the code runs at import.
_CHANGES = {"__globals__", "__path__", "exec", "f_globals", "globals"}
_CHANGES_AT_IMPORT = {
    *("__delattr__", "__dict__", "__setattr__", "delattr", "eval", "f_locals"),
    *("locals", "setattr", "vars"),
}


class PlainHooks:
    """Prove from the source of a module which hooks it has.

    A hook is plain if its only decorator is the marker, if the marker is used for
    nothing else, and if each module through which the function is imported mentions its
    name once: in a `def` or in an import from another module, without a condition.

    :param project: the project name of the host, which is also that of its marker.
    :param search: finds and reads the sources.
    :param sources: records what was accessed.
    """

    def __init__(self, project: str, search: Search, sources: Sources) -> None:
        self._search = search
        self._sources = sources
        # the names of markers, of their class, and of the attribute that they set
        self._marks = {_MARKER, f"{project}_impl"}
        self._modules: dict[str, _Names | None] = {}

    def other_names(
        self, name: str, module: ModuleType, hooks: dict[str, dict[str, Any]]
    ) -> list[str] | None:
        """Return the other names that a module binds, which may become hooks later.

        None if not all hooks of the module are plain.

        :param name: the name by which the module is imported.
        :param hooks: the options of its current hooks, by their names.
        """
        names = self._names(name)
        if names is None or _DYNAMIC_NAMES & names.bound.keys():
            return None
        passed = {name}
        for hook, options in hooks.items():
            modules = self._modules_of(name, hook, getattr(module, hook), options)
            if modules is None:
                return None
            passed.update(modules)
        if not all(map(self._only_marks_hooks, passed)):
            return None
        return sorted(names.own - hooks.keys())

    def _modules_of(
        self, module: str, name: str, function: FunctionType, options: dict[str, Any]
    ) -> list[str] | None:
        """Return the modules that a hook passes through; None if it is not plain."""
        steps, statement = self._resolve(module, [name])
        home, _ = steps[-1]
        match statement:
            case ast.FunctionDef(name, decorator_list=[mark]) | ast.AsyncFunctionDef(
                name, decorator_list=[mark]
            ):
                found = function.__module__, function.__code__.co_qualname
                if found == (home, name) and self._is_marked(home, mark, options):
                    used = [self._is_used(*step) for step in steps]
                    return None if any(used) else [step for step, _ in steps]
        return None

    def _is_used(self, module: str, name: str) -> bool:
        names = self._names(module)
        return names is None or name in names.used

    def _is_marked(self, home: str, node: ast.expr, options: dict[str, Any]) -> bool:
        """Return True if a decorator is the marker, with exactly these options."""
        call = node if isinstance(node, ast.Call) else None
        parts = dotted(call.func if call else node)
        if parts is None or (call is not None and call.args):
            return False
        _, statement = self._resolve(home, parts)
        match statement:
            case (
                ast.Assign(value=ast.Call(args=[ast.Constant() | ast.Name()]) as maker)
                | ast.AnnAssign(
                    value=ast.Call(args=[ast.Constant() | ast.Name()]) as maker
                )
            ) if [*calls_of([maker])] == [_MARKER]:
                pass
            case _:
                return False
        ((mark, keywords),) = calls_of([node]).items()
        self._marks.add(mark)
        return {
            **dict.fromkeys(options, False),
            "specname": None,
            **keywords,
        } == options

    def _only_marks_hooks(self, module: str) -> bool:
        """Return True if a module does nothing else with the marker than mark hooks."""
        names = self._names(module)
        if names is None:
            return False
        plain: list[ast.AST] = []
        for node in names.tree.body:
            match node:
                case ast.Import() | ast.ImportFrom():
                    plain.append(node)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    plain += node.decorator_list
                case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                    if [*calls_of([value])] == [_MARKER]:
                        plain.append(node)
        return self._count_marks(names.tree) == sum(map(self._count_marks, plain))

    def _count_marks(self, node: ast.AST) -> int:
        return sum(
            bool(self._marks & {*_mentioned(each), *_bound_names(each)})
            for each in ast.walk(node)
        )

    def _resolve(
        self, module: str, parts: list[str]
    ) -> tuple[list[tuple[str, str]], ast.stmt | None]:
        """Follow a dotted name to the one unconditional statement that binds it.

        Return the modules that the name is imported through, with its name in each, and
        the statement; the statement is None if there is no such one.
        """
        steps: list[tuple[str, str]] = []
        for _ in range(HOPS + 1):
            name, *rest = parts
            steps.append((module, name))
            names = self._names(module)
            if names is None:
                break
            below = f"{module}.{name}"
            # Not recorded: the directory changes when bytecode is first written to it.
            is_below = names.is_package and self._search.find(below, Sources(0))
            overriding = {name, "*", "__getattr__"}
            match names.binding(name):
                case None if rest and is_below and not overriding & names.bound.keys():
                    found, parts = below, rest
                case ast.ImportFrom(source, _, level), ast.alias(name):
                    here = module, names.is_package
                    found = absolute(level, source or "", here) or ""
                    parts = [name, *rest]
                case ast.Import(), ast.alias(source, asname) if rest:
                    found, parts = source if asname else name, rest
                case statement, _ if not rest and not is_below:
                    return steps, statement
                case _:
                    break
            # An imported submodule with that name would replace the attribute.
            if is_below and found != below:
                break
            module = found
        return steps, None

    def _names(self, module: str) -> _Names | None:
        """Return the names in the source of a module.

        None if it has no source, or code that may change names without binding them.
        """
        if module not in self._modules:
            file, directories = self._search.find(module, self._sources) or (None, None)
            tree = None
            if file is not None:
                self._sources.files[file] = True
                tree, reliable = read(file, tree_of)
                self._sources.reliable &= reliable
            names = None if tree is None else _Names(tree, directories is not None)
            self._modules[module] = None if names and names.may_change else names
        return self._modules[module]


class _Names:
    """The names that the source of a module binds and uses.

    :param tree: its syntax tree.
    :param is_package: True if the module is a package.
    """

    def __init__(self, tree: ast.Module, is_package: bool) -> None:
        self.tree = tree
        self.is_package = is_package
        # the nodes that bind or delete each name, anywhere in the file
        self.bound: dict[str, list[ast.AST]] = {}
        self.used: set[str] = set()
        mentioned: set[Any] = set()
        # the names that may be attributes of the module
        self.own: set[str] = set()
        for node in ast.walk(tree):
            mentioned.update(_mentioned(node))
            for name in _bound_names(node):
                self.bound.setdefault(name, []).append(node)
            match node:
                case ast.Name(name, ast.Load()):
                    self.used.add(name)
                case ast.Global(names):
                    self.own.update(names)
        mentioned_at_import: set[Any] = set()
        for node in _nodes_outside(_FUNCTIONS, tree):
            mentioned_at_import.update(_mentioned(node))
        for node in _nodes_outside(_FUNCTIONS | ast.ClassDef, tree):
            self.own.update(_bound_names(node))
        self.may_change = bool(
            _CHANGES & mentioned or _CHANGES_AT_IMPORT & mentioned_at_import
        )

    def binding(self, name: str) -> tuple[ast.stmt, ast.AST] | None:
        """Return the one unconditional statement that binds a name, and the node."""
        match self.bound.get(name):
            case [node] if "*" not in self.bound:
                for statement in self.tree.body:
                    if any(node is each for each in _binding_nodes(statement)):
                        return statement, node
        return None


def _nodes_outside(kinds: UnionType, tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree that are outside the bodies of the given kinds.

    Code outside the bodies of functions runs when the module is imported.
    """
    nodes = [tree]
    for node in nodes:  # the list grows; recursion could exceed the stack
        yield node
        for field, value in ast.iter_fields(node):
            if field != "body" or not isinstance(node, kinds):
                below = value if isinstance(value, list) else [value]
                nodes += [each for each in below if isinstance(each, ast.AST)]


def _binding_nodes(statement: ast.stmt) -> list[Any]:
    """Return the nodes that bind names in a statement itself, not in its body."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [statement]
        case ast.Import(nodes) | ast.ImportFrom(names=nodes) | ast.Assign(nodes):
            return nodes
        case ast.AnnAssign(target, value=ast.expr()):
            return [target]
    return []


def _bound_names(node: ast.AST) -> list[str]:
    """Return the names that a single node binds, deletes or declares global."""
    match node:
        case (
            ast.Name(name, ast.Store() | ast.Del())
            | ast.Attribute(attr=name, ctx=ast.Store() | ast.Del())
            | ast.FunctionDef(name)
            | ast.AsyncFunctionDef(name)
            | ast.ClassDef(name)
            | ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
            | ast.MatchMapping(rest=str(name))
        ):
            return [name]
        case ast.alias(name, asname):
            return [asname or name.partition(".")[0]]
        case ast.Subscript(ast.Attribute(attr="modules"), ctx=ast.Store() | ast.Del()):
            return ["*"]  # the module itself is replaced
        case ast.Global(names):
            return names
    return []


def _mentioned(node: ast.AST) -> list[Any]:
    """Return the names that a node mentions, as a name or as a string."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name) | ast.Constant(name):
            return [name]
        case ast.alias(name, asname):
            return [name, asname]
    return []
