"""Prove from source which attributes of a class are literals.

A fact is given only if an import would certainly give the same. The chain of a class
are the modules through which it is imported, and those of all its base classes. What is
not seen there is outside of the proof: another module may write the attribute.
"""

import ast

from .literals import NOT_LITERAL, is_mutable, literal
from .names import Modules, Names
from .source import dotted
from .variables import FUNCTIONS, bound_names, nodes_outside
from .writes import leaves_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    # the module and the name of a class that need not be read
    _Known = tuple[str, str]

# Base classes that need not be read, and the metaclass of one of them. They bind no
# names but those with underscores.
_METACLASS = "abc", "ABCMeta"
_BASES = {("abc", "ABC"), ("typing", "Generic")}
_KNOWN = {*_BASES, _METACLASS}
_DEDENT = {("textwrap", "dedent"), ("inspect", "cleandoc")}
# How many classes a class may inherit from. Nobody writes more.
_MOST_BASES = 50
# In a class body, these may bind names that are not seen.
_DYNAMIC = {"exec", "eval", "locals", "vars", "globals", "__dict__", "f_locals"}


class _Unproven(Exception):
    """A class is not seen as a whole, so that nothing is known of it."""


class _Class:
    """A class statement at the top level of a module.

    :param home: the name of its module.
    :param node: the statement.
    :param names: the names in its module.
    """

    def __init__(self, home: str, node: ast.ClassDef, names: Names) -> None:
        self.home = home
        self.node = node
        # the number of bindings of each name in the body
        self.bound: dict[str, int] = {}
        # the values of the names that a statement of the body itself binds
        self.values: dict[str, ast.expr] = {}
        self.read: list[str] = []
        for each in _body_nodes(node):
            for name in bound_names(each):
                self.bound[name] = self.bound.get(name, 0) + 1
            match each:
                case ast.Name(name, ast.Load()):
                    self.read.append(name)
                case ast.AnnAssign(ast.Name(name), value=None):
                    # An annotation alone binds nothing.
                    self.bound[name] = self.bound.get(name, 0) - 1
        self.is_dynamic = self.bound.get("*", 0) > 0 or any(
            _DYNAMIC & names.mentioned(each) for each in _body_nodes(node)
        )
        for statement in node.body:
            match statement:
                case ast.Assign([ast.Name(name)], value):
                    self.values[name] = value
                case ast.AnnAssign(ast.Name(name), value=ast.expr() as value):
                    self.values[name] = value


def _body_nodes(node: ast.ClassDef) -> "Iterator[ast.AST]":
    """Yield the nodes of a class body that run in its namespace."""
    for statement in node.body:
        yield from nodes_outside(FUNCTIONS | ast.ClassDef | ast.Lambda, statement)


def _is_mangled(name: str) -> bool:
    """Return True if a name means another one in the body of a class."""
    return name.startswith("__") and not name.endswith("__")


class ClassFacts:
    """Prove which attributes of classes are literals.

    :param modules: reads the sources.
    :param vouched: modules and packages whose metaclasses, `__init_subclass__`,
        decorators and computed names are harmless, as the host says.
    """

    def __init__(self, modules: Modules, vouched: "tuple[str, ...]" = ()) -> None:
        self._modules = modules
        self._vouched = vouched
        # the modules of the chain, and what was followed through them
        self._chain: set[str] = set()
        self._path: set[str] = set()
        self._steps: set[tuple[str, str]] = set()
        self._classes: dict[tuple[str, str], _Class] = {}
        self._orders: dict[_Class, list[_Class | _Known]] = {}
        # the file and line of each attribute that was proven
        self.places: dict[str, str] = {}

    def prove(self, module: str, attr: str, names: "Iterable[str]") -> "dict[str, Any]":
        """Return the literals that these attributes of a class certainly are.

        :param module: the module of the target.
        :param attr: the name of the class in it.
        :param names: the names of the attributes.
        """
        try:
            order = self._mro(self._class(module, [attr], is_complete=True))
            values = {name: self._value(order, name) for name in names}
            # Nothing is known of what else runs if the modules are imported.
            chain = self._running()
        except _Unproven:
            return {}
        # What star imports bind, lists decide, which may be changed like others.
        followed = [self._modules.names(each) for each in self._chain]
        if any(each and each.stars for each in followed) and not all(
            self._leaves_alone(each, "__all__", []) for each in chain
        ):
            return {}
        return {
            name: value
            for name, value in values.items()
            if value is not NOT_LITERAL
            and all(self._leaves_alone(each, name, value) for each in chain)
        }

    def _leaves_alone(self, names: Names, name: str, value: "Any") -> bool:
        """Return True if a module certainly does not change an attribute of a class."""
        return leaves_alone(
            names,
            name,
            value,
            self._path,
            self._elsewhere(names),
            self._is_vouched(names.home[0]),
        )

    def _elsewhere(self, names: Names) -> "set[ast.AST]":
        """Return the nodes that write attributes of modules outside of the chain."""
        found: set[ast.AST] = set()
        for name in self._path:
            for node in names.bindings.get(name, ()):
                match node:
                    case ast.Attribute(ast.Name(variable), attr) if names.is_bound_once(
                        variable
                    ):
                        module = self._modules.submodule(names, variable)
                        if module and (module, attr) not in self._steps:
                            found.add(node)
        return found

    def _running(self) -> "set[Names]":
        """Return the sources that certainly run if the class is imported.

        Raises _Unproven if one of them is not seen.
        """
        found: set[Names] = set()
        for module in self._chain:
            names = self._modules.running(module)
            if names is None:
                raise _Unproven
            found.update(names)
        return found

    def _resolve(
        self,
        module: str,
        parts: "list[str]",
        known: "set[_Known]",
        is_complete: bool = False,
    ) -> "tuple[_Known, ast.stmt | None]":
        """Return the module and the name that a name refers to, and its statement.

        The statement is None if it is known, or not a single one.
        """
        steps, statement = self._modules.resolve(module, parts, known, is_complete)
        self._path.update(parts, [name for _, name in steps])
        self._steps.update(steps)
        *through, last = steps
        for step, _ in through if last in known else steps:
            self._chain.add(step)
        if last in known and not self._modules.is_standard(last[0]):
            raise _Unproven
        return last, statement

    def _class(
        self, module: str, parts: "list[str]", is_complete: bool = False
    ) -> "_Class | _Known":
        """Return the class that a name refers to.

        Raises _Unproven if it is anything else.
        """
        key = module, ""
        for _ in range(_MOST_BASES):
            key, statement = self._resolve(module, parts, _KNOWN, is_complete)
            is_complete = False
            match statement:
                case ast.ClassDef():
                    if key not in self._classes:
                        names = self._modules.names(key[0])
                        if names is None:
                            raise _Unproven
                        found = _Class(key[0], statement, names)
                        self._classes[key] = self._checked(found)
                    return self._classes[key]
                case ast.Assign(_, ast.Name() | ast.Attribute() as value):
                    module, parts = key[0], dotted(value) or [""]
                case _:
                    break
        if key in _BASES:
            return key
        raise _Unproven

    def _checked(self, found: _Class) -> _Class:
        """Return a class whose statement is harmless; raise _Unproven otherwise."""
        node = found.node
        has_parameters = bool(getattr(node, "type_params", None))  # from Python 3.12 on
        if found.is_dynamic or has_parameters:
            raise _Unproven
        if not all(self._is_from_vouched(found.home, d) for d in node.decorator_list):
            raise _Unproven
        if not self._is_vouched(found.home):
            if "__init_subclass__" in found.bound or "__class_getitem__" in found.bound:
                raise _Unproven
            for keyword in node.keywords:
                parts = dotted(keyword.value)
                if keyword.arg != "metaclass" or parts is None:
                    raise _Unproven
                key, _ = self._resolve(found.home, parts, _KNOWN)
                if key != _METACLASS:
                    raise _Unproven
        return found

    def _is_vouched(self, module: str) -> bool:
        return any(f"{module}.".startswith(f"{each}.") for each in self._vouched)

    def _is_from_vouched(self, module: str, node: ast.expr) -> bool:
        """Return True if a decorator is imported from a vouched module."""
        parts = dotted(node.func if isinstance(node, ast.Call) else node)
        names = self._modules.names(module)
        match names and names.binding((parts or [""])[0]):
            case ast.ImportFrom() as statement, _ if names:
                source = names.source_of(statement)
                self._path.add((parts or [""])[0])
                return self._is_vouched(source) and not names.stars
        return False

    def _bases(self, found: _Class) -> "list[_Class | _Known]":
        """Return the base classes of a class, without `object`."""
        names = self._modules.names(found.home)
        bases: list[_Class | _Known] = []
        for node in found.node.bases:
            parts = dotted(node.value if isinstance(node, ast.Subscript) else node)
            if parts is None or names is None:
                raise _Unproven
            if parts == ["object"] and self._modules.means_builtin(names, "object"):
                self._path.add("object")
                continue
            bases.append(self._class(found.home, parts))
        return bases

    def _mro(self, found: "_Class | _Known", depth: int = 0) -> "list[_Class | _Known]":
        """Return a class and its bases in Python's method resolution order.

        See https://docs.python.org/3/howto/mro.html. Raises _Unproven if there is none.
        """
        if not isinstance(found, _Class):
            return [found]
        if found in self._orders:
            return self._orders[found]
        if depth > _MOST_BASES:
            raise _Unproven
        bases = self._bases(found)
        lists = [self._mro(base, depth + 1) for base in bases] + [bases]
        order: list[_Class | _Known] = [found]
        while lists := [each for each in lists if each]:
            for candidate, *_ in lists:
                if not any(candidate in rest for _, *rest in lists):
                    break
            else:
                raise _Unproven
            order.append(candidate)
            lists = [each[1:] if each[0] == candidate else each for each in lists]
        self._orders[found] = order
        return order

    def _value(
        self, order: "list[_Class | _Known]", name: str, depth: int = 0
    ) -> "Any":
        """Return the literal that the first class binds to a name, else NOT_LITERAL."""
        if name.startswith("_"):
            return NOT_LITERAL  # mangled, or special to Python or to known classes
        for each in order:
            if not isinstance(each, _Class):
                continue
            if not self._has_no_slot(each, name):
                return NOT_LITERAL
            times = each.bound.get(name, 0)
            if not times:
                continue
            if times > 1 or name not in each.values:
                return NOT_LITERAL
            node = each.values[name]
            value = self._evaluate(each, node, name, depth + 1)
            if is_mutable(value) and name in each.read:
                return NOT_LITERAL
            names = self._modules.names(each.home)
            self.places[name] = f"{names and names.file}:{node.lineno}"
            return value
        return NOT_LITERAL

    def _has_no_slot(self, found: _Class, name: str) -> bool:
        """Return True if a class certainly does not make a slot of this name."""
        if not found.bound.get("__slots__"):
            return True
        if found.bound["__slots__"] > 1 or "__slots__" in found.read:
            return False
        slots = literal(found.values.get("__slots__") or ast.Name(""))
        if isinstance(slots, str):
            return slots != name
        return isinstance(slots, tuple | list | set | dict) and name not in slots

    def _evaluate(self, found: _Class, node: ast.expr, name: str, depth: int) -> "Any":
        match node:
            case ast.Call(func, [argument], []):
                parts, text = dotted(func), literal(argument)
                if (
                    parts is None
                    or not isinstance(text, str)
                    or parts[0] in found.bound
                ):
                    return NOT_LITERAL
                key, _ = self._resolve(found.home, parts, _DEDENT)
                if key == ("textwrap", "dedent"):
                    from textwrap import dedent  # deferred: few are indented

                    return dedent(text)
                if key == ("inspect", "cleandoc"):
                    from inspect import cleandoc  # deferred: as above

                    return cleandoc(text)
            case ast.Name() | ast.Attribute() if depth < _MOST_BASES:
                before = {*self._chain}, {*self._path}, {*self._steps}
                seen = {**self._classes}, {**self._orders}
                try:
                    value = self._constant(found, node, name, depth)
                except _Unproven:
                    value = NOT_LITERAL
                more = self._chain - before[0]
                if value is not NOT_LITERAL and all(map(self._modules.running, more)):
                    return NOT_LITERAL if is_mutable(value) else value
                # Other attributes do not depend on these modules.
                self._chain, self._path, self._steps = before
                self._classes, self._orders = seen
        return literal(node)

    def _constant(self, found: _Class, node: ast.expr, name: str, depth: int) -> "Any":
        """Return the literal that a name is bound to in a module, else NOT_LITERAL.

        It may be the same attribute of another class.
        """
        home, parts = found.home, dotted(node)
        if parts is None or parts[0] in found.bound or any(map(_is_mangled, parts)):
            return NOT_LITERAL
        if parts[1:] and parts[-1] == name:
            return self._value(self._mro(self._class(home, parts[:-1])), name, depth)
        for _ in range(_MOST_BASES):
            (home, _), statement = self._resolve(home, parts, set())
            match statement:
                case ast.Assign(_, value) | ast.AnnAssign(value=ast.expr() as value):
                    parts = dotted(value)
                    if parts is None:
                        return literal(value)
                case _:
                    break
        return NOT_LITERAL
