"""Does the source of a plugin show plainly which hooks it has, whatever happens?"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from .._source import Scope, calls_of, dotted, read, tree_of

if TYPE_CHECKING:
    from types import FunctionType, ModuleType

    from .._source import Search, Sources, Target

_MARKER = "HookimplMarker"
_FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# With these in it, a module has other names than its source says.
_UNTOLD = {"*", "__dir__", "__name__"}


class PlainHooks:
    """Proves from the source that a module has certain hooks.

    A hook is plain if it is a function of a module, bound once and under no condition,
    with the marker as its only decorator; and if the marker is used for nothing else.

    :param project: the project's name of the host, which its marker has.
    :param search: finds and reads the source.
    :param sources: notes what was looked at.
    """

    def __init__(self, project: str, search: Search, sources: Sources) -> None:
        self._search = search
        self._sources = sources
        # the names of what makes a hook of a function
        self._marks = {_MARKER, f"{project}_impl"}
        # the trees of the modules in which hooks may be made
        self._trees: dict[str, ast.Module | None] = {}

    def others(
        self, name: str, module: ModuleType, hooks: dict[str, dict[str, Any]]
    ) -> list[str] | None:
        """Return what else a module binds that may be a hook another time.

        None if not all its hooks are plain.

        :param name: the name by which the module is imported.
        :param hooks: the options of the hooks that it has now, by their names.
        """
        scope = self._target(name, None)
        if scope is None or _UNTOLD & {bound for bound, *_ in scope.bindings}:
            return None
        for hook, options in hooks.items():
            if not self._is_plain(name, hook, getattr(module, hook), options):
                return None
        self._tree(name)
        if not all(map(self._only_marks, self._trees.values())):
            return None
        found = {bound for bound, target, _ in scope.bindings if _may_be_hook(target)}
        return sorted(found - hooks.keys())

    def _is_plain(
        self, module: str, name: str, function: FunctionType, options: dict[str, Any]
    ) -> bool:
        """Is this name bound to this function, by a plain `def`?"""
        home, defined = function.__module__, function.__code__.co_qualname
        there = self._target(home, defined)
        tree = self._tree(home)
        if there is None or tree is None or self._target(module, name) is not there:
            return False
        decorators = [
            node.decorator_list
            for node in tree.body
            if isinstance(node, _FUNCTIONS) and node.name == defined
        ]
        match decorators:
            case [[decorator]]:
                return self._marks_it(home, decorator, options)
        return False

    def _marks_it(self, home: str, node: ast.expr, options: dict[str, Any]) -> bool:
        """Is this decorator the marker, with these options and no others?"""
        parts = dotted(node.func if isinstance(node, ast.Call) else node)
        made = self._target(home, ".".join(parts)) if parts else None
        if made is None or [*made.calls] != [_MARKER]:
            return False
        ((mark, said),) = calls_of([node]).items()
        self._marks.add(mark)
        return {**dict.fromkeys(options, False), "specname": None, **said} == options

    def _only_marks(self, tree: ast.Module | None) -> bool:
        """Does a module import or make the marker, decorate with it, and no more?"""
        if tree is None:
            return False
        plain: list[ast.AST] = []
        for node in tree.body:
            match node:
                case ast.Import() | ast.ImportFrom():
                    plain.append(node)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    plain += node.decorator_list
                case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
                    if [*calls_of([value])] == [_MARKER]:
                        plain.append(node)
        return self._uses(tree) == sum(map(self._uses, plain))

    def _uses(self, node: ast.AST) -> int:
        return sum(
            bool(self._marks & {*map(str, _names(each))}) for each in ast.walk(node)
        )

    def _target(self, module: str, attr: str | None) -> Scope | None:
        return self._search.target(module, attr, self._sources)[0]

    def _tree(self, module: str) -> ast.Module | None:
        """Return the tree of a module; None if it has no source."""
        if module not in self._trees:
            file, _ = self._search.find(module, self._sources) or (None, None)
            tree, believed = read(file, tree_of) if file else (None, True)
            self._sources.firm &= believed
            self._trees[module] = tree
        return self._trees[module]


def _names(node: ast.AST) -> list[Any]:
    """Return the names that a node says, as a name or as a text."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name) | ast.Constant(name):
            return [name]
        case ast.alias(name, asname):
            return [name, asname]
    return []


def _may_be_hook(target: Target) -> bool:
    """May what a name is bound to be a hook? A plain function, class or module not."""
    if isinstance(target, Scope):
        return bool(target.calls)
    return not (isinstance(target, tuple) and target[2] is None)
