"""Find out which names a module binds and uses, and follow them through imports.

This is stricter than `source`: a name counts only if a single, unconditional statement
binds it, and if no code in its module may change it in another way.
"""

import _imp
import ast
import builtins
import os

from .._files import fs
from .source import HOPS, absolute, tree_of
from .variables import FUNCTIONS, bound_names, locals_in, new_in, nodes_outside, selves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container
    from typing import Any

    from .source import Search, Sources

_EXTENDS_PATH = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)"
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
# Of these, code may get the names of a module's own namespace only.
_OWN_NAMESPACE = {"globals", "locals"}
# Builtins that a string may be the name of, and what code needs to find them by it.
_BUILTINS = {"delattr", "eval", "exec", "globals", "locals", "setattr", "vars"}
_FINDS_BUILTINS = {
    *("__builtins__", "__import__", "__self__", "builtins", "f_builtins", "getmodule"),
    *("import_module", "importlib", "modules"),
}
# With these attributes of `sys`, code may change what an import returns.
_OF_SYS = {"__dict__", "modules", "path"}
# A module that binds these changes what its relative imports mean.
_IMPORTED_BY = {"__name__", "__package__", "__spec__"}
# These mean something else before a module binds them, or in the body of a class.
_BOUND_BEFORE = {
    *dir(builtins),
    *("__annotations__", "__builtins__", "__cached__", "__dict__", "__file__"),
    *("__firstlineno__", "__module__", "__path__", "__qualname__"),
    "__static_attributes__",
}
# By these, code may get its own module.
_OF_ITSELF = {"__import__", "getmodule", "import_module", "modules"}
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
        # by module and name: what `_exports` returned
        self._exported: dict[tuple[str, str], bool | None] = {}

    def names(self, module: str) -> "Names | None":
        """Return the names in the source of a module.

        None if it has no source, or code that may change names without binding them.
        """
        names = self._read(module)
        return None if names and names.may_change else names

    def _read(self, module: str) -> "Names | None":
        if module not in self._modules:
            file, directories = self._search.find(module, self._sources) or (None, None)
            names = None
            if file is not None:
                path, home = file, (module, directories is not None)

                def names_of(data: bytes) -> Names:
                    return Names(tree_of(data), home, path)

                names = self._search.parsed(path, home, names_of, self._sources)
            self._modules[module] = names
        return self._modules[module]

    def running(self, module: str) -> "list[Names] | None":
        """Return the names in the sources that run if a module is imported.

        They are those of its parent packages and its own. None if Python may run
        something else, such as a compiled module beside its source. The parents may
        change their own names: the module is not imported through them.
        """
        found: list[Names] = []
        parts = module.split(".")
        for length in range(1, len(parts) + 1):
            name = ".".join(parts[:length])
            names = self._read(name)
            file, _ = self._search.find(name, self._sources) or ("", None)
            may_change = names and (
                names.may_change if name == module else names.may_change_others
            )
            if names and not may_change and self._is_what_runs(names):
                found.append(names)
            elif file is not None or name == module:
                return None  # otherwise, it is a namespace package
        return found

    def _is_what_runs(self, names: "Names") -> bool:
        """Return True if an import of a module runs its source."""
        stem = os.path.splitext(names.file)[0]
        return not _imp.is_frozen(names.home[0]) and not any(
            # The signatures of directories show new ones.
            fs.access(stem + suffix, 0)
            for suffix in self._search.compiled_suffixes
        )

    def is_standard(self, module: str) -> bool:
        """Return True if a module is found in Python's standard library."""
        file, _ = self._search.find(module, self._sources) or ("", None)
        if not file:
            return False  # the directory of the library may be unknown, too
        return os.path.dirname(file) == self._search.library

    def resolve(
        self,
        module: str,
        parts: "list[str]",
        known: "Container[tuple[str, str]]" = (),
        is_complete: bool = False,
    ) -> "tuple[list[tuple[str, str]], ast.stmt | None]":
        """Follow a dotted name to the one unconditional statement that binds it.

        Return the modules that the name is imported through, with its name in each, and
        the statement; the statement is None if there is not exactly one.

        :param known: modules and names in them whose source need not be read: there is
            no statement, and they are the last of the modules.
        :param is_complete: True if the name is read after the import of the module.
            Otherwise, it must not mean anything else before the statement runs.
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
            is_early = len(steps) > 1 or not is_complete
            if is_early and (name in _BOUND_BEFORE or (steps[1:] and names.has_hooks)):
                break
            below = f"{module}.{name}"
            # An answer is worked out twice if it is asked for before bytecode is first
            # written to the directory.
            is_below = names.is_package and self._search.find(below, self._sources)
            star = self._star_import_of(names, name, is_early)
            match names.binding(name):
                case _ if star is None:
                    break
                case _ if star:
                    found = star
                case None if rest and is_below and names.has_only_submodule(name):
                    found, parts = below, rest
                case ast.ImportFrom() as statement, ast.alias(other):
                    found, parts = names.source_of(statement), [other, *rest]
                    # `from . import submodule`
                    if rest and is_below and f"{found}.{other}" == below:
                        found, parts = below, rest
                case ast.Import(), ast.alias(source, asname) if rest:
                    found, *below_it = source.split(".") if asname else [name]
                    parts = [*below_it, *rest]
                case statement, _ if not rest and not is_below:
                    return steps, statement
                case _:
                    break
            # An imported submodule with that name would replace the attribute.
            if is_below and found != below:
                break
            module = found
        return steps, None

    def submodule(self, names: "Names", variable: str) -> str:
        """Return the submodule that a variable of a package certainly is; "" if none.

        It is bound once, by `from . import submodule`.
        """
        match names.binding(variable):
            case ast.ImportFrom() as statement, ast.alias(name, None):
                below = f"{names.home[0]}.{name}"
                if (
                    names.source_of(statement) == names.home[0]
                    and self._star_import_of(names, variable) == ""
                    and self._search.find(below, self._sources)
                ):
                    return below
        return ""

    def means_builtin(self, names: "Names", name: str) -> bool:
        """Return True if the code at the top of a module certainly means a builtin."""
        return not {name, "*"} & names.bindings.keys() and all(
            self._exports(names.source_of(star), name, HOPS) is False
            for star in names.stars
        )

    def _star_import_of(
        self, names: "Names", name: str, is_early: bool = True
    ) -> "str | None":
        """Return the module from which a star import certainly binds a name.

        "" if none of them decides about the name; None if it is unknown.

        :param is_early: True if the name may be read before it is bound again.
        """
        binding = names.binding(name)
        found = ""
        if "*" in names.bindings:
            return None
        for star, place in names.stars.items():
            if not is_early and binding and place < names.tree.body.index(binding[0]):
                continue  # the name is bound again after it
            source = names.source_of(star)
            exports = self._exports(source, name, HOPS)
            if exports is False:
                continue
            # Of two, a cycle of imports may decide. One name in three is enough.
            if not exports or found or name in names.bindings:
                return None
            if star not in names.tree.body or names.has_hooks:
                return None
            found = source
        return found

    def _exports(self, module: str, name: str, hops: int) -> "bool | None":
        """Return True if a star import from a module binds a name; None if unknown."""
        key = module, name
        if key not in self._exported:
            self._exported[key] = None  # in a cycle, it is unknown
            names = self.names(module) if hops else None
            if (
                names
                and not names.may_set_own
                and "*" not in names.bindings
                and self._is_what_runs(names)
            ):
                self._exported[key] = self._has_public(names, name, hops)
        return self._exported[key]

    def _has_public(self, names: "Names", name: str, hops: int) -> "bool | None":
        """Return True if a name is public in a module; None if that is unknown.

        Where modules import each other, a star import binds fewer names, and no others.
        """
        exported = names.exported()
        if exported and name in exported:
            return True
        if exported == () and name.startswith("_") and not names.stars:
            return False  # there is no `__all__`
        below = f"{names.home[0]}.{name}"
        if names.has_hooks:
            return None
        if name not in names.bindings:
            if names.is_package and self._search.find(below, self._sources):
                return None
            answers = [
                self._exports(names.source_of(star), each, hops - 1)
                for star in names.stars
                for each in (name, "__all__")
            ]
            if not any(each is not False for each in answers):
                return False
            return None
        return True if exported == () and names.binding(name) else None


class Names:
    """The names that the source of a module binds and uses.

    :param tree: its syntax tree.
    :param home: the name of the module, and True if it is a package.
    :param file: its file.
    """

    def __init__(self, tree: ast.Module, home: "tuple[str, bool]", file: str) -> None:
        self.tree = tree
        self.home = home
        self.is_package = home[1]
        self.file = file
        # the nodes that bind or delete each name, anywhere in the file
        self.bound: dict[str, list[ast.AST]] = {}
        self.used: set[str] = set()
        # those of them that may bind an attribute of the module
        self.bindings: dict[str, list[ast.AST]] = {}
        self.parameters: set[str] = set()
        # the star imports, with their places in the body
        self.stars: dict[ast.ImportFrom, int] = {}
        # the names that may be attributes of the module
        self.own: set[str] = set()
        at_top = {*nodes_outside(FUNCTIONS | ast.ClassDef, tree)}
        for node in ast.walk(tree):
            # What else functions and classes bind is local to them.
            may_bind = node in at_top or isinstance(
                node, ast.Global | ast.Attribute | ast.Subscript
            )
            for name in bound_names(node):
                self.bound.setdefault(name, []).append(node)
                if may_bind and not (name == "*" and isinstance(node, ast.alias)):
                    self.bindings.setdefault(name, []).append(node)
            match node:
                case ast.Name(name, ast.Load()):
                    self.used.add(name)
                case ast.arg(name):
                    self.parameters.add(name)
                case ast.Global(names):
                    self.own.update(names)
        for place, statement in enumerate(tree.body):
            for node in ast.walk(statement):
                match node:
                    case ast.ImportFrom(names=[ast.alias("*")]):
                        self.stars[node] = place
        # the names of builtins that are only words where they are strings
        self.words = _only_words(tree)
        self._instances: tuple[set[ast.AST], set[ast.AST]] | None = None
        self.locals = {*locals_in(tree)}
        # Where a package has more directories, its own is still searched first.
        extends = (
            {*ast.walk(each)} if _extends_path(each) else set() for each in tree.body
        )
        harmless = set().union(*extends) if self.is_builtin("__import__") else set()
        everywhere = {
            word
            for node in ast.walk(tree)
            if node not in harmless
            for word in self.mentioned(node)
        }
        at_import = {
            word
            for node in nodes_outside(FUNCTIONS, tree)
            for word in self.mentioned(node)
        }
        for node in at_top:
            self.own.update(bound_names(node))
        # True if code may change what other names mean, or those of the module
        self.may_change_others = bool(
            (_CHANGES - _OWN_NAMESPACE) & everywhere
            or _changes_imports(tree)
            or any(
                not isinstance(node, ast.Attribute)
                for name in _IMPORTED_BY
                for node in self.bindings.get(name, ())
            )
        )
        self.may_change = self.may_change_others or bool(
            _CHANGES & everywhere or _CHANGES_AT_IMPORT & at_import
        )
        # True if functions may change the names of the module through itself
        self.may_set_own = bool(
            _CHANGES_AT_IMPORT & everywhere and _OF_ITSELF & everywhere
        )
        self.has_hooks = "__getattr__" in self.bindings

    def mentioned(self, node: ast.AST) -> "set[Any]":
        """Return the names that a node mentions.

        Local variables of these names, and strings that are only words, do not count.
        """
        found = set() if node in self.locals else {*mentioned(node)}
        return found - self.words if isinstance(node, ast.Constant) else found

    def instances(self) -> "tuple[set[ast.AST], set[ast.AST]]":
        """Return the names that mean `self` in methods, and those of new objects."""
        if self._instances is None:
            self._instances = {*selves(self.tree)}, {*new_in(self.tree)}
        return self._instances

    def is_builtin(self, name: str) -> bool:
        """Return True if a name certainly means a builtin wherever it is used."""
        return not (self.stars or name in self.bound or name in self.parameters)

    def is_bound_once(self, name: str) -> bool:
        """Return True if a name means the same wherever it is used."""
        return len(self.bound.get(name, ())) == 1 and name not in self.parameters

    def source_of(self, statement: ast.ImportFrom) -> str:
        """Return the module from which a statement imports."""
        return absolute(statement.level, statement.module or "", self.home) or ""

    def has_only_submodule(self, name: str) -> bool:
        """Return True if a name is not bound in a package, so it may be a submodule."""
        return not {name, "*", "__getattr__"} & self.bindings.keys()

    def exported(self) -> "tuple[Any, ...] | None":
        """Return the names in `__all__`; none if it is not bound, None if unknown."""
        if "__all__" not in self.bindings:
            return ()
        match self.binding("__all__"):
            case ast.Assign([ast.Name()], ast.List(items) | ast.Tuple(items)), _:
                names = [each.value for each in items if isinstance(each, ast.Constant)]
                if len(names) == len(items) > 0 and self._only_joins("__all__"):
                    return tuple(names)
        return None

    def _only_joins(self, name: str) -> bool:
        """Return True if a list is only read, to make a text of its items."""
        joined = 0
        for node in ast.walk(self.tree):
            match node:
                case (
                    ast.Name(word, ast.Load())
                    | ast.Attribute(attr=word, ctx=ast.Load())
                    | ast.Constant(word)
                ) if word == name:
                    joined -= 1
                case ast.Call(ast.Attribute(ast.Constant(str()), "join"), [argument]):
                    joined += isinstance(argument, ast.Name) and argument.id == name
        return joined == 0

    def binding(self, name: str) -> "tuple[ast.stmt, ast.AST] | None":
        """Return the one unconditional statement that binds a name, and the node.

        Star imports are not considered.
        """
        nodes = self.bindings.get(name, [])
        found = [
            (statement, node)
            for statement in self.tree.body
            for node in _binding_nodes(statement)
            if any(node is each for each in nodes)
        ]
        if not found or len(found) != len(nodes) or "*" in self.bindings:
            return None
        first, _ = found[0]
        # All targets of an assignment are the same.
        is_one = len(found) == 1 or isinstance(first, ast.Assign)
        if is_one and all(statement is first for statement, _ in found):
            return found[-1]
        for each in found:
            match each:
                case ast.Import(), ast.alias(asname=None):
                    continue  # `import a.b` and `import a.c` bind the same package
            return None
        return found[0]


def _extends_path(statement: ast.stmt) -> bool:
    """Return True if a statement adds directories to those of its package."""
    match statement:
        case ast.Assign([ast.Name("__path__")]):
            return ast.unparse(statement) == _EXTENDS_PATH
    return False


def _only_words(tree: ast.Module) -> "set[str]":
    """Return the names of builtins that no string in the code can mean.

    They are no arguments or keys, and the code has nothing to find builtins by a name.
    """
    found: set[Any] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Constant():
                continue
            case ast.Call(args=[*values], keywords=keywords):
                values += [each.value for each in keywords]
            case ast.Subscript(slice=value):
                values = [value]
            case _:
                values = []
        found.update(mentioned(node))
        found.update(each.value for each in values if isinstance(each, ast.Constant))
    return set() if _FINDS_BUILTINS & found else _BUILTINS - found


def _changes_imports(tree: ast.AST) -> bool:
    """Return True if code may change sys.modules or sys.path."""
    aliases = {"sys"}  # a star import may bind it
    read: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom("sys", [ast.alias("*" | "path")], 0):
                return True
            case ast.alias("modules"):
                return True
            case ast.alias("sys", str(name)):  # as from os import sys
                aliases.add(name)
            case ast.Attribute(attr="sys") | ast.keyword("__path__"):  # as os.sys
                return True
            case ast.Constant("sys"):  # as import_module("sys")
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
                if attr in _OF_SYS and (node not in read or attr == "__dict__"):
                    return True
            case ast.Attribute(value, "modules") if node not in read:
                if not isinstance(value, ast.Name) or value.id != "self":
                    return True  # it may be sys by another name
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


def mentioned(node: ast.AST) -> "list[Any]":
    """Return the names that a node mentions, as a name or as a string."""
    match node:
        case ast.Name(name) | ast.Attribute(attr=name) | ast.Constant(name):
            return [name]
        case ast.alias(name, asname):
            return [name, asname]
    return []
