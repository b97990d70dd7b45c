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
    *("get_objects", "get_referents", "get_referrers", "pythonapi"),
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
# Functions that may return one of their arguments, if there are several.
_CHOOSERS = {"max", "min", "sum"}
# Functions that do not change their arguments.
_READERS = {
    *("all", "any", "dict", "enumerate", "frozenset", "len", "list", "max", "min"),
    *("print", "repr", "set", "sorted", "str", "sum", "tuple"),
}


def leaves_alone(
    names: "Names",
    name: str,
    value: "Any",
    path: "Iterable[str]",
    elsewhere: "Iterable[ast.AST]",
    is_vouched: bool,
) -> bool:
    """Return True if a module certainly does not change an attribute of a class.

    :param name: the name of the attribute.
    :param value: its value, which may be changed in place if it is mutable.
    :param path: the names through which modules refer to the class and its bases.
    :param elsewhere: nodes that write attributes of modules outside of the chain.
    :param is_vouched: True if only writes of these names count, as the host says.
    """
    mutable = is_mutable(value)
    kept = {name, *path, *_CLASS_WRITES, *_NAMESPACES}
    harmless = {*_named(names.tree, kept), *_read(names, kept, value), *elsewhere}
    harmless.update(_on_instances(names, name, mutable))
    if is_vouched:
        written = {node for node, word in _writes(names.tree) if word in {name, *path}}
        return written <= harmless
    for node in ast.walk(names.tree):
        match node:
            case ast.Attribute(attr=word, ctx=ast.Store() | ast.Del()):
                if word in kept and node not in harmless:
                    return False
            case ast.MatchClass(kwd_attrs=words) if mutable and name in words:
                return False
            case ast.Name(word) | ast.Attribute(attr=word) | ast.alias(word):
                pass
            case ast.Constant(value=str() as word):
                pass
            case _:
                continue
        if node in harmless or not names.mentioned(node):
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
            case ast.Subscript(
                ast.Attribute(attr="__dict__") as found, ast.Constant(str() as key)
            ) if key not in kept:
                yield found
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


def _on_instances(names: "Names", name: str, mutable: bool) -> "Iterator[ast.AST]":
    """Yield the nodes that write attributes of instances, or name their namespaces.

    The metaclasses of a class are known, so that no method of another class gets it as
    `self`. What `__new__` returns may be a class, but not a module of the path.
    """
    own, new = names.instances()
    in_place = {
        node.target for node in ast.walk(names.tree) if isinstance(node, ast.AugAssign)
    }
    for node in ast.walk(names.tree):
        match node:
            case ast.Attribute(value, "__dict__", ast.Load()):
                if value in own or (value in new and not mutable):
                    yield node
            case ast.Attribute(value, attr, ast.Store() | ast.Del()):
                # `self.tags += [1]` changes the list of the class
                is_changed = mutable and attr == name and node in in_place
                if (value in own and not is_changed) or (value in new and attr != name):
                    yield node
            case ast.Call(func, [value, *_]) if value in own:
                match func:
                    case ast.Name("setattr" | "delattr"):
                        yield func
                    case ast.Attribute(ast.Name("object"), attr) if attr in _WRITERS:
                        yield func


def _writes(tree: ast.AST) -> "Iterator[tuple[ast.AST, Any]]":
    """Yield what writes attributes, with the names that the attribute may have."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=word, ctx=ast.Store() | ast.Del()):
                yield node, word
            case ast.Call(ast.Name(word) | ast.Attribute(attr=word) as func, arguments):
                if word in _WRITERS:
                    for each in arguments:
                        if isinstance(each, ast.Constant):
                            yield func, each.value


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
                function in _READERS and names.is_builtin(function)
            ):
                if len(arguments) == 1 or function not in _CHOOSERS:
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
