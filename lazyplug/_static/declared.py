"""Read the facts that a plugin declares: a literal in its module, or a file.

The form is specified in docs/declared-facts.md. Imports nothing of the plugin.
"""

import ast
import os

from .. import _messages as messages
from .._files import REGULAR
from .._printable import describe_error
from .literals import LARGEST, NOT_LITERAL, literal
from .source import kind_of, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .names import Modules
    from .source import Search, Sources

    # the facts by name, where they are declared, and what is wrong with them, or ""
    Declared = tuple[dict[str, Any], str, str]

_FORMATS = (".toml", ".json")


def in_module(modules: "Modules", module: str, variable: str) -> "Declared":
    """Return the facts in a variable of a module; none if it does not bind it.

    The variable must be bound once, to a dict literal, at the top level.
    """
    names = modules.names(module)
    if names is None or variable not in names.bindings:
        return {}, "", ""
    value = NOT_LITERAL
    match names.binding(variable):
        case (
            ast.Assign([ast.Name()], value=node)
            | ast.AnnAssign(value=ast.expr() as node),
            _,
        ) if not names.stars:
            value = literal(node)
    line = getattr(names.bindings[variable][0], "lineno", 0)
    return _checked(value, variable, f"{names.file}:{line}")


def in_file(search: "Search", sources: "Sources", value: str) -> "Declared":
    """Return the facts in the file that the value of a companion entry point names."""
    module, _, name = value.replace(" ", "").partition(":")
    stem, dot, _ = name.partition(".")
    if dot + name[len(stem) + 1 :] not in _FORMATS or not stem.isidentifier():
        fault = messages.NOT_VALID.format(
            value=repr(value), what="reference", expected=messages.A_FACTS_FILE
        )
        return {}, "", fault
    _, directories = search.find(module, sources) or (None, None)
    for directory in directories or ():
        path = os.path.join(directory, name)
        is_file = kind_of(path, sources) == REGULAR
        sources.files[path] = is_file
        if is_file:
            found, reliable = read(path, lambda data: [_parse(name, data)])
            sources.reliable &= reliable
            match found:
                case [Exception() as error]:
                    reason = describe_error(error)
                case [facts]:
                    return _checked(facts, name, path)
                case _:
                    reason = messages.UNREADABLE
            fault = messages.CANNOT_BE.format(done="read", reason=reason)
            return {}, path, f"{path} {fault}"
    return {}, "", messages.DOES_NOT_EXIST.format(path=value)


def _parse(name: str, data: bytes) -> "Any":
    """Return the content of a TOML or JSON file, or the exception if it is damaged."""
    try:
        if name.endswith(".json"):
            from json import loads  # deferred: once for each file that changed

            return loads(data.decode(), parse_constant=_refuse)
        from tomllib import loads as loads_toml  # deferred: as above

        return loads_toml(data.decode())
    except ValueError as error:
        return error


def _refuse(word: str) -> "Any":
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(word)


def _checked(facts: "Any", name: str, where: str) -> "Declared":
    """Return declared facts if they are valid, else what is wrong with them."""
    expected = ""
    if not isinstance(facts, dict) or not all(isinstance(each, str) for each in facts):
        expected = messages.A_DICT_OF_FACTS
    elif not _is_plain(facts):
        expected = messages.PLAIN_VALUES
    if not expected:
        return facts, where, ""
    fault = messages.NOT_VALID.format(value=name, what="declaration", expected=expected)
    return {}, where, f"{where}: {fault}"


def _is_plain(value: "Any") -> bool:
    """Return True if a value is a fact; TOML has dates, and long integers, as well."""
    if isinstance(value, list | tuple | set):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(_is_plain(each) for item in value.items() for each in item)
    if isinstance(value, int):
        return abs(value) < LARGEST
    return value is None or isinstance(value, str | bytes | float)
