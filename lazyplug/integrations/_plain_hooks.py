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
# With these in it, a module has other names than its source says.
_UNTOLD = {"*", "__dir__", "__name__"}
# With these, code changes names without binding them: with the first, any code; with
# the others, code that runs at import.
_CHANGES = {"__globals__", "__path__", "exec", "f_globals", "globals"}
_CHANGES_AT_IMPORT = {
    *("__delattr__", "__dict__", "__setattr__", "delattr", "eval", "f_locals"),
    *("locals", "setattr", "vars"),
}


class PlainHooks:
    """Proves from the source that a module has certain hooks.

    A hook is plain if it is a function of a module with the marker as its only
    decorator, if the marker is used for nothing else, and if each module that its name
    passes through mentions that name once: in a `def` or in an import from another
    module, under no condition.

    :param project: the project's name of the host, which its marker has.
    :param search: finds and reads the source.
    :param sources: notes what was looked at.
    """

    def __init__(self, project: str, search: Search, sources: Sources) -> None:
        self._search = search
        self._sources = sources
        # the names of what makes a hook of a function
        self._marks = {_MARKER, f"{project}_impl"}
        self._modules: dict[str, _Names | None] = {}

    def others(
        self, name: str, module: ModuleType, hooks: dict[str, dict[str, Any]]
    ) -> list[str] | None:
        """Return what else a module binds that may be a hook another time.

        None if not all its hooks are plain.

        :param name: the name by which the module is imported.
        :param hooks: the options of the hooks that it has now, by their names.
        """
        names = self._names(name)
        if names is None or _UNTOLD & names.bound.keys():
            return None
        passed = {name}
        for hook, options in hooks.items():
            way = self._way(name, hook, getattr(module, hook), options)
            if way is None:
                return None
            passed.update(way)
        if not all(map(self._only_marks, passed)):
            return None
        return sorted(names.own - hooks.keys())

    def _way(
        self, module: str, name: str, function: FunctionType, options: dict[str, Any]
    ) -> list[str] | None:
        """Return the modules that a hook passes through; None if it is not plain."""
        way, made = self._made(module, [name])
        home, _ = way[-1]
        match made:
            case ast.FunctionDef(name, decorator_list=[mark]) | ast.AsyncFunctionDef(
                name, decorator_list=[mark]
            ):
                found = function.__module__, function.__code__.co_qualname
                if found == (home, name) and self._marks_it(home, mark, options):
                    used = [self._used(*step) for step in way]
                    return None if any(used) else [step for step, _ in way]
        return None

    def _used(self, module: str, name: str) -> bool:
        names = self._names(module)
        return names is None or name in names.used

    def _marks_it(self, home: str, node: ast.expr, options: dict[str, Any]) -> bool:
        """Is this decorator the marker, with these options and no others?"""
        call = node if isinstance(node, ast.Call) else None
        parts = dotted(call.func if call else node)
        if parts is None or (call is not None and call.args):
            return False
        _, made = self._made(home, parts)
        match made:
            case (
                ast.Assign(value=ast.Call(args=[ast.Constant() | ast.Name()]) as maker)
                | ast.AnnAssign(
                    value=ast.Call(args=[ast.Constant() | ast.Name()]) as maker
                )
            ) if [*calls_of([maker])] == [_MARKER]:
                pass
            case _:
                return False
        ((mark, said),) = calls_of([node]).items()
        self._marks.add(mark)
        return {**dict.fromkeys(options, False), "specname": None, **said} == options

    def _only_marks(self, module: str) -> bool:
        """Does a module import or make the marker, decorate with it, and no more?"""
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
        return self._uses(names.tree) == sum(map(self._uses, plain))

    def _uses(self, node: ast.AST) -> int:
        return sum(
            bool(self._marks & {*_said(each), *_bound(each)}) for each in ast.walk(node)
        )

    def _made(
        self, module: str, parts: list[str]
    ) -> tuple[list[tuple[str, str]], ast.stmt | None]:
        """Follow a dotted name to the one unconditional statement that binds it.

        Return the modules that it passes through, with its name in each, and the
        statement; None if there is no such statement.
        """
        way: list[tuple[str, str]] = []
        for _ in range(HOPS + 1):
            name, *rest = parts
            way.append((module, name))
            names = self._names(module)
            if names is None:
                break
            below = f"{module}.{name}"
            # Not noted: the folder changes when bytecode first comes there.
            is_below = names.is_package and self._search.find(below, Sources(0))
            unseen = {name, "*", "__getattr__"}
            match names.binding(name):
                case None if rest and is_below and not unseen & names.bound.keys():
                    found, parts = below, rest
                case ast.ImportFrom(source, _, level), ast.alias(name):
                    here = module, names.is_package
                    found = absolute(level, source or "", here) or ""
                    parts = [name, *rest]
                case ast.Import(), ast.alias(source, asname) if rest:
                    found, parts = source if asname else name, rest
                case statement, _ if not rest and not is_below:
                    return way, statement
                case _:
                    break
            # An imported submodule of that name would replace the attribute.
            if is_below and found != below:
                break
            module = found
        return way, None

    def _names(self, module: str) -> _Names | None:
        """Return the names in the source of a module.

        None if it has no source, or code that may change names unseen.
        """
        if module not in self._modules:
            file, folders = self._search.find(module, self._sources) or (None, None)
            tree = None
            if file is not None:
                self._sources.files[file] = True
                tree, believed = read(file, tree_of)
                self._sources.firm &= believed
            names = None if tree is None else _Names(tree, folders is not None)
            self._modules[module] = None if names and names.change else names
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
        said: set[Any] = set()
        # the names that may be attributes of the module
        self.own: set[str] = set()
        for node in ast.walk(tree):
            said.update(_said(node))
            for name in _bound(node):
                self.bound.setdefault(name, []).append(node)
            match node:
                case ast.Name(name, ast.Load()):
                    self.used.add(name)
                case ast.Global(names):
                    self.own.update(names)
        said_at_import: set[Any] = set()
        for node in _outside(_FUNCTIONS, tree):
            said_at_import.update(_said(node))
        for node in _outside(_FUNCTIONS | ast.ClassDef, tree):
            self.own.update(_bound(node))
        self.change = bool(_CHANGES & said or _CHANGES_AT_IMPORT & said_at_import)

    def binding(self, name: str) -> tuple[ast.stmt, ast.AST] | None:
        """Return the one unconditional statement that binds a name, and the node."""
        match self.bound.get(name):
            case [node] if "*" not in self.bound:
                for statement in self.tree.body:
                    if any(node is each for each in _binds(statement)):
                        return statement, node
        return None


def _outside(kinds: UnionType, tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, except for the bodies of statements of some kinds.

    Code outside the bodies of functions runs when the module is imported.
    """
    nodes = [tree]
    for node in nodes:  # it grows: a tree may be deeper than the stack
        yield node
        for field, value in ast.iter_fields(node):
            if field != "body" or not isinstance(node, kinds):
                below = value if isinstance(value, list) else [value]
                nodes += [each for each in below if isinstance(each, ast.AST)]


def _binds(statement: ast.stmt) -> list[Any]:
    """Return the nodes that bind names in a statement itself, not in its body."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [statement]
        case ast.Import(nodes) | ast.ImportFrom(names=nodes) | ast.Assign(nodes):
            return nodes
        case ast.AnnAssign(target, value=ast.expr()):
            return [target]
    return []


def _bound(node: ast.AST) -> list[str]:
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


def _said(node: ast.AST) -> list[Any]:
    """Return the names that a node mentions, as a name or as a string."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name) | ast.Constant(name):
            return [name]
        case ast.alias(name, asname):
            return [name, asname]
    return []
