"""Prove from the source of a plugin which hooks it always has."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from .._static.names import Modules, mentioned
from .._static.source import calls_of, dotted
from .._static.variables import bound_names

if TYPE_CHECKING:
    from types import FunctionType, ModuleType

    from .._static.source import Search, Sources

_MARKER = "HookimplMarker"
# A module that binds one of these may have other names than its source shows.
_DYNAMIC_NAMES = {"*", "__dir__", "__name__"}


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
        # the names of markers, of their class, and of the attribute that they set
        self._marks = {_MARKER, f"{project}_impl"}
        self._modules = Modules(search, sources)

    def other_names(
        self, name: str, module: ModuleType, hooks: dict[str, dict[str, Any]]
    ) -> list[str] | None:
        """Return the other names that a module binds, which may become hooks later.

        None if not all hooks of the module are plain.

        :param name: the name by which the module is imported.
        :param hooks: the options of its current hooks, by their names.
        """
        names = self._modules.names(name)
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
        # pluggy reads the hook after the import of the module.
        steps, statement = self._modules.resolve(module, [name], is_complete=True)
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
        names = self._modules.names(module)
        return names is None or name in names.used

    def _is_marked(self, home: str, node: ast.expr, options: dict[str, Any]) -> bool:
        """Return True if a decorator is the marker, with exactly these options."""
        keywords: dict[str, Any] = {}
        if isinstance(node, ast.Call) and not self._makes_marker(home, node):
            if node.args:
                return False
            ((_, keywords),) = calls_of([node]).items()
            node = node.func
        if not self._makes_marker(home, node):
            parts = dotted(node)
            if parts is None:
                return False
            steps, statement = self._modules.resolve(home, parts)
            match statement:
                case (
                    ast.Assign(value=ast.Call() as maker)
                    | ast.AnnAssign(value=ast.Call() as maker)
                ) if self._makes_marker(steps[-1][0], maker):
                    self._marks.add(parts[-1])
                case _:
                    return False
        return {
            **dict.fromkeys(options, False),
            "specname": None,
            **keywords,
        } == options

    def _makes_marker(self, home: str, node: ast.expr) -> bool:
        """Return True if an expression makes a marker, always of the same project."""
        match node:
            case ast.Call(_, [project], []) if [*calls_of([node])] == [_MARKER]:
                if isinstance(project, ast.Name):
                    _, statement = self._modules.resolve(home, [project.id])
                    project = getattr(statement, "value", project)
                return isinstance(project, ast.Constant)
        return False

    def _only_marks_hooks(self, module: str) -> bool:
        """Return True if a module does nothing else with the marker than mark hooks."""
        names = self._modules.names(module)
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
            bool(self._marks & {*mentioned(each), *bound_names(each)})
            for each in ast.walk(node)
        )
