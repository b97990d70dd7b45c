"""Find out what the variables of functions and methods certainly are."""

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import UnionType
    from typing import Any

FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = FUNCTIONS | ast.ClassDef | ast.Lambda
# Methods that get the class, not an instance.
_ON_CLASS = {"__class_getitem__", "__init_subclass__", "__new__"}


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


def locals_in(tree: ast.Module) -> "Iterator[ast.Name]":
    """Yield the names that mean local variables of functions."""
    for function in ast.walk(tree):
        if not isinstance(function, FUNCTIONS):
            continue
        nodes = [
            each for part in function.body for each in nodes_outside(_SCOPES, part)
        ]
        bound, others = set(), set()
        for node in nodes:
            match node:
                case ast.Name(name, ast.Store()):
                    bound.add(name)
                case ast.Global(names) | ast.Nonlocal(names):
                    others.update(names)
                case ast.comprehension(target):  # has variables of its own
                    others |= {
                        n.id for n in ast.walk(target) if isinstance(n, ast.Name)
                    }
        for node in nodes:
            if isinstance(node, ast.Name) and node.id in bound - others:
                yield node


def _is_metaclass(base: ast.expr) -> bool:
    """Return True if a base class is a metaclass by its name: instances are classes."""
    match base:
        case ast.Name(name) | ast.Attribute(attr=name):
            return name == "type" or name.endswith("Meta")
    return False


def selves(tree: ast.AST) -> "Iterator[ast.AST]":
    """Yield the names by which plain methods refer to their instance."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or any(map(_is_metaclass, node.bases)):
            continue
        # A method that the class body binds again, or reads, may get the class.
        body = [each for part in node.body for each in nodes_outside(_SCOPES, part)]
        used = [name for each in body for name in bound_names(each)]
        used += [each.id for each in body if isinstance(each, ast.Name)]
        for method in node.body:
            if isinstance(method, FUNCTIONS) and not method.decorator_list:
                first = [*method.args.posonlyargs, *method.args.args][:1]
                is_plain = method.name not in _ON_CLASS and used.count(method.name) == 1
                # Another name is a sign that the method gets a class.
                if is_plain and [each.arg for each in first] == ["self"]:
                    yield from _uses_of(method, "self")


def new_in(tree: ast.AST) -> "Iterator[ast.AST]":
    """Yield the variables of functions that are bound once, to a new object."""
    for function in ast.walk(tree):
        if isinstance(function, FUNCTIONS):
            for statement in function.body:
                match statement:
                    case ast.Assign(
                        [ast.Name(name)], ast.Call(ast.Attribute(_, "__new__"))
                    ):
                        yield from _uses_of(function, name)


def _uses_of(function: "Any", name: str) -> "list[ast.AST]":
    """Return the uses of a variable in a function; none if it is bound twice."""
    times = 0
    for node in ast.walk(function):
        match node:
            case ast.Attribute():
                continue
            case ast.arg(arg):
                times += arg == name
            case ast.Nonlocal(words):
                times += name in words
        times += bound_names(node).count(name)
    return [
        node
        for part in function.body
        for node in nodes_outside(_SCOPES, part)
        if times == 1 and isinstance(node, ast.Name) and node.id == name
    ]
