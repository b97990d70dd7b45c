"""Read literal values from syntax trees."""

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Integers beyond this are not facts, and Python limits their conversion.
LARGEST = 1 << 63
# Returned for an expression that is not a literal.
NOT_LITERAL: "Any" = object()


def literal(node: ast.expr) -> "Any":
    """Return the value of a literal; NOT_LITERAL if the expression is not one.

    >>> def value(text):
    ...     return literal(ast.parse(text, mode="eval").body)
    >>> value("{'a': (-1, 2.5), b'b': {True}, 'c': None}")
    {'a': (-1, 2.5), b'b': {True}, 'c': None}
    >>> value("f'a' 'b'")
    'ab'
    >>> others = "a", "[1, *b]", "{**a}", "-True", "{[]}"
    >>> {value(text) is NOT_LITERAL for text in others}
    {True}
    """
    match node:
        case ast.Constant(str() | bytes() | float() | bool() | None as value):
            return value
        case ast.Constant(int() as value):
            return value if value < LARGEST else NOT_LITERAL
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value)):
            is_small = not isinstance(value, bool) and value < LARGEST
            return -value if is_small or isinstance(value, float) else NOT_LITERAL
        case ast.JoinedStr(values):  # an f-string without fields
            parts = list(map(literal, values))
            return "".join(parts) if _all_literal(parts) else NOT_LITERAL
        case ast.List(values) | ast.Tuple(values) | ast.Set(values):
            items = list(map(literal, values))
            kinds = {ast.List: list, ast.Tuple: tuple, ast.Set: set}
            return _made(kinds[type(node)], items)
        case ast.Dict(keys, values):
            names = [NOT_LITERAL if key is None else literal(key) for key in keys]
            items = list(map(literal, values))
            return _made(dict, [*zip(names, items)], names + items)
    return NOT_LITERAL


def _all_literal(values: "list[Any]") -> bool:
    return all(value is not NOT_LITERAL for value in values)


def _made(kind: "Any", items: "list[Any]", values: "list[Any] | None" = None) -> "Any":
    if not _all_literal(items if values is None else values):
        return NOT_LITERAL
    try:
        return kind(items)
    except TypeError:  # an item cannot be hashed: the import fails
        return NOT_LITERAL


def is_mutable(value: "Any") -> bool:
    """Return True if a literal value, or one in it, may be changed in place.

    >>> is_mutable(("a", 1)), is_mutable(({1},)), is_mutable({})
    (False, True, True)
    """
    if isinstance(value, tuple):
        return any(map(is_mutable, value))
    return isinstance(value, list | set | dict)
