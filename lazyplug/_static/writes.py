"""Check whether the code of a module may change attributes of classes.

The names of the functions that change attributes are searched for, wherever they are.
Code that computes these names as well is not understood.
"""

import ast

from .literals import is_mutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .names import Names

# These change attributes: harmless in a call that names another attribute.
_WRITERS = {"setattr", "delattr", "__setattr__", "__delattr__"}
# Where the name of the attribute is: for these, it depends on the number of arguments.
_METHODS = {"__setattr__": 3, "__delattr__": 2, "__getattribute__": 2}
# Code that mentions these may change attributes unseen.
_UNSEEN = {
    *("__build_class__", "_getframe", "currentframe", "eval", "f_locals"),
    *("get_referents", "pythonapi"),
}
# These return the namespace of a module, so that a class may be replaced.
_NAMESPACES = {"__dict__", "vars"}
# These return attributes, so that a list may be changed.
_GETTERS = {
    *("__getattribute__", "attrgetter", "getattr", "getattr_static", "getmembers"),
    *("methodcaller", "__reduce__", "__reduce_ex__", "__getstate__"),
}
_CLASS_WRITES = {
    *("__bases__", "__class__", "__init_subclass__", "__qualname__", "__import__"),
    "__set_name__",
}
_READS = {"copy", "count", "get", "index", "items", "keys", "values"}
# Functions that do not change their arguments.
_READERS = {
    *("all", "any", "dict", "enumerate", "frozenset", "len", "list", "max", "min"),
    *("print", "repr", "set", "sorted", "str", "sum", "tuple"),
}


def leaves_alone(
    names: "Names", name: str, value: "Any", path: "Iterable[str]"
) -> bool:
    """Return True if a module certainly does not change an attribute of a class.

    :param name: the name of the attribute.
    :param value: its value, which may be changed in place if it is mutable.
    :param path: the names through which modules refer to the class and its bases.
    """
    mutable = is_mutable(value)
    kept = {name, *path, *_CLASS_WRITES, *_NAMESPACES}
    harmless = {*_named(names.tree, kept), *_read(names, kept, value)}
    for node in ast.walk(names.tree):
        match node:
            case ast.Attribute(attr=word, ctx=ast.Store() | ast.Del()):
                if word in kept:
                    return False
            case ast.MatchClass(kwd_attrs=words) if mutable and name in words:
                return False
            case ast.Name(word) | ast.Attribute(attr=word) | ast.alias(word):
                pass
            case ast.Constant(value=str() as word):
                pass
            case _:
                continue
        if node in harmless:
            continue
        if word in _UNSEEN or word in _WRITERS or word in _NAMESPACES:
            return False
        # A variable of that name is another thing; in the class body, it was checked.
        is_read = word == name and not isinstance(node, ast.Name)
        if mutable and (is_read or word in _GETTERS):
            return False
    return True


def _named(tree: ast.AST, kept: "set[str]") -> "Iterator[ast.AST]":
    """Yield the functions that read or write attributes, where another one is named."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Name(word) | ast.Attribute(attr=word) as func, arguments):
                keys = arguments[:2]
                if word in _METHODS:
                    keys = keys[len(arguments) == _METHODS[word] :]
                elif word in _WRITERS | _GETTERS:
                    keys = keys[1:]
                else:
                    continue
                match keys:
                    case [ast.Constant(value=str() as key), *_] if key not in kept:
                        if not any(isinstance(each, ast.Starred) for each in arguments):
                            yield func


def _read(names: "Names", kept: "set[str]", value: "Any") -> "Iterator[ast.AST]":
    """Yield the nodes that only read a namespace, or a list without changing it."""
    mutable = is_mutable(value)
    nested = mutable and any(
        map(is_mutable, value.values() if isinstance(value, dict) else value)
    )
    for node in ast.walk(names.tree):
        read: list[ast.expr] = []
        match node:
            case ast.Compare(left, _, others):
                read = [left, *others]
            case ast.Call(ast.Attribute(found, "get"), [ast.Constant(key), *_]) if (
                key not in kept
            ):
                read = [found] if not nested else []
            # What is nested may be changed in turn.
            case _ if nested:
                continue
            case ast.For(iter=found) | ast.comprehension(iter=found):
                read = [found]
            case ast.Call(ast.Name(function), arguments) if (
                function in _READERS and function not in names.bound
            ):
                read = arguments
            case ast.Call(ast.Attribute(found, method)) if method in _READS:
                read = [found]
            case ast.Call(ast.Attribute(ast.Constant(str()), "join"), arguments):
                read = arguments
            case ast.Subscript(found, ctx=ast.Load()):
                read = [found]
            case ast.keyword(None, found) if not mutable:
                read = [found]
        is_safe = not mutable or isinstance(node, ast.Compare)
        for each in read:
            match each:
                case ast.Call(ast.Name("vars") as found) if is_safe:
                    yield found
                case ast.Attribute(attr="__dict__"):
                    # The values of a namespace may be the list itself.
                    match node:
                        case (
                            ast.Call(args=[ast.Constant()])
                            | ast.Call(args=[ast.Constant(), _])
                        ):
                            yield each
                        case _ if is_safe:
                            yield each
                case _:
                    yield each
