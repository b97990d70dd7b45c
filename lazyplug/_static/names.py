"""Find out which names a module binds and uses, and follow them through imports.

This is stricter than `source`: a name counts only if a single, unconditional statement
binds it, and if no code in its module may change it in another way.
"""

import _imp
import ast
import os

from .._files import fs
from .source import HOPS, absolute, tree_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from types import UnionType
    from typing import Any

    from .source import Search, Sources

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
# Code that mentions these may change names without binding them: the first anywhere,
# the others only if the code runs at import.
_CHANGES = {
    *("__builtins__", "__globals__", "__path__", "addsitedir", "exec", "f_globals"),
    *("globals", "meta_path", "path_hooks", "path_importer_cache"),
}
_CHANGES_AT_IMPORT = {
    *("__delattr__", "__dict__", "__setattr__", "delattr", "eval", "f_locals"),
    *("locals", "setattr", "vars"),
}
# With these attributes of `sys`, code may change what an import returns.
_OF_SYS = {"modules", "path"}
_READS = {"copy", "get", "items", "keys", "values"}


class Modules:
    """Read modules by name, and follow names through their imports.

    :param search: finds and reads the sources.
    :param sources: records what was accessed.
    """

    def __init__(self, search: "Search", sources: "Sources") -> None:
        self._search = search
        self._sources = sources
        self._modules: dict[str, Names | None] = {}

    def names(self, module: str) -> "Names | None":
        """Return the names in the source of a module.

        None if it has no source, or code that may change names without binding them.
        """
        if module not in self._modules:
            file, directories = self._search.find(module, self._sources) or (None, None)
            names = None
            if file is not None:
                path, is_package = file, directories is not None

                def names_of(data: bytes) -> Names:
                    return Names(tree_of(data), is_package, path)

                names = self._search.parsed(path, is_package, names_of, self._sources)
            self._modules[module] = None if names and names.may_change else names
        return self._modules[module]

    def running(self, module: str) -> "list[Names] | None":
        """Return the names in the sources that run if a module is imported.

        They are those of its parent packages and its own. None if Python may run
        something else, such as a compiled module beside its source.
        """
        found: list[Names] = []
        parts = module.split(".")
        for length in range(1, len(parts) + 1):
            name = ".".join(parts[:length])
            names = self.names(name)
            file, _ = self._search.find(name, self._sources) or ("", None)
            if names is not None and self._is_what_runs(name, names.file):
                found.append(names)
            elif file is not None or name == module:
                return None  # otherwise, it is a namespace package
        return found

    def _is_what_runs(self, module: str, file: str) -> bool:
        """Return True if an import of a module runs its source."""
        stem = os.path.splitext(file)[0]
        return not _imp.is_frozen(module) and not any(
            # The signatures of directories show new ones.
            fs.access(stem + suffix, 0)
            for suffix in _imp.extension_suffixes()
        )

    def is_standard(self, module: str) -> bool:
        """Return True if a module is found in Python's standard library."""
        file, _ = self._search.find(module, self._sources) or ("", None)
        return os.path.dirname(file or "") == os.path.dirname(os.__file__)

    def resolve(
        self, module: str, parts: "list[str]", known: "Container[tuple[str, str]]" = ()
    ) -> "tuple[list[tuple[str, str]], ast.stmt | None]":
        """Follow a dotted name to the one unconditional statement that binds it.

        Return the modules that the name is imported through, with its name in each, and
        the statement; the statement is None if there is no such one.

        :param known: modules and names in them whose source need not be read: there is
            no statement, and they are the last of the modules.
        """
        steps: list[tuple[str, str]] = []
        for _ in range(HOPS + 1):
            name, *rest = parts
            steps.append((module, name))
            if not rest and steps[-1] in known:
                break
            names = self.names(module)
            if names is None:
                break
            below = f"{module}.{name}"
            # An answer is worked out twice if it is asked for before bytecode is first
            # written to the directory.
            is_below = names.is_package and self._search.find(below, self._sources)
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


class Names:
    """The names that the source of a module binds and uses.

    :param tree: its syntax tree.
    :param is_package: True if the module is a package.
    :param file: its file.
    """

    def __init__(self, tree: ast.Module, is_package: bool, file: str) -> None:
        self.tree = tree
        self.is_package = is_package
        self.file = file
        # the nodes that bind or delete each name, anywhere in the file
        self.bound: dict[str, list[ast.AST]] = {}
        self.used: set[str] = set()
        everywhere: set[Any] = set()
        # the names that may be attributes of the module
        self.own: set[str] = set()
        for node in ast.walk(tree):
            everywhere.update(mentioned(node))
            for name in bound_names(node):
                self.bound.setdefault(name, []).append(node)
            match node:
                case ast.Name(name, ast.Load()):
                    self.used.add(name)
                case ast.Global(names):
                    self.own.update(names)
        at_import: set[Any] = set()
        for node in nodes_outside(FUNCTIONS, tree):
            at_import.update(mentioned(node))
        for node in nodes_outside(FUNCTIONS | ast.ClassDef, tree):
            self.own.update(bound_names(node))
        self.may_change = bool(
            _CHANGES & everywhere
            or _CHANGES_AT_IMPORT & at_import
            or _changes_imports(tree)
        )

    def binding(self, name: str) -> "tuple[ast.stmt, ast.AST] | None":
        """Return the one unconditional statement that binds a name, and the node."""
        match self.bound.get(name):
            case [node] if "*" not in self.bound:
                for statement in self.tree.body:
                    if any(node is each for each in _binding_nodes(statement)):
                        return statement, node
        return None


def nodes_outside(kinds: "UnionType", tree: ast.AST) -> "Iterator[ast.AST]":
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


def _changes_imports(tree: ast.AST) -> bool:
    """Return True if code may change sys.modules or sys.path."""
    aliases = set()
    read: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                aliases |= {
                    each.asname or "sys" for each in names if each.name == "sys"
                }
            case ast.ImportFrom("sys", names, 0):
                if {"*", *_OF_SYS} & {each.name for each in names}:
                    return True
            case ast.Attribute(attr="sys"):  # as os.sys
                return True
            case ast.Call(args=[ast.Constant("sys"), *_]):  # as import_module("sys")
                return True
            case ast.Call(
                ast.Name("getattr" | "hasattr"), [module, ast.Constant(key), *_]
            ):
                read.update([] if key in _OF_SYS else [module])
            case ast.Call(ast.Attribute(value, attr)) if attr in _READS:
                read.add(value)
            case ast.Compare(_, _, others):
                read.update(others)
            case ast.Subscript(value, ctx=ast.Load()):
                read.add(value)
            case ast.For(iter=value) | ast.comprehension(iter=value):
                read.add(value)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(ast.Name(name) as value, attr) if name in aliases:
                read.add(value)
                if attr in _OF_SYS and node not in read:
                    return True
    return any(
        isinstance(node, ast.Name) and node.id in aliases and node not in read
        for node in ast.walk(tree)
    )


def _binding_nodes(statement: ast.stmt) -> "list[Any]":
    """Return the nodes that bind names in a statement itself, not in its body."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement]
        case ast.Import(nodes) | ast.ImportFrom(names=nodes) | ast.Assign(nodes):
            return nodes
        case ast.AnnAssign(target, value=ast.expr()):
            return [target]
    return []


def bound_names(node: ast.AST) -> "list[str]":
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


def mentioned(node: ast.AST) -> "list[Any]":
    """Return the names that a node mentions, as a name or as a string."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name) | ast.Constant(name):
            return [name]
        case ast.alias(name, asname):
            return [name, asname]
    return []
