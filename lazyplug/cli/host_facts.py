"""Find the Facts object of a host, and read the facts of its plugins.

Imports the module of the host, which the user names, and no plugin.
"""

import argparse

from .. import _messages as messages
from .._files import fs
from .._indexing.metadata import split_value
from .._printable import describe_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._extension import Extension
    from .._facts import Facts, Found

# The largest integer of JSON that all readers understand, and orjson writes.
_LARGEST = 1 << 63


def add_facts(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option `--facts` to the parser of a command."""
    parser.add_argument("--facts", type=_reference, metavar="MODULE:ATTR", help=about)


def _reference(text: str) -> "tuple[str, str]":
    module, attr = split_value(text)
    if module is None or attr is None:
        raise argparse.ArgumentTypeError(
            messages.NOT_VALID.format(
                value=repr(text), what="reference", expected=messages.A_REFERENCE
            )
        )
    return module, attr


def add_group_facts(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option `--facts` with a group, which may be repeated, to a parser."""
    parser.add_argument(
        "--facts",
        type=_group_reference,
        action="append",
        metavar="GROUP=MODULE:ATTR",
        help=about,
    )


def _group_reference(text: str) -> "tuple[str, tuple[str, str]]":
    group, equals, reference = text.partition("=")
    if not group or not equals:
        raise argparse.ArgumentTypeError(
            messages.NOT_VALID.format(
                value=repr(text), what="argument", expected=messages.A_GROUP_REFERENCE
            )
        )
    return group, _reference(reference)


def import_facts(reference: "tuple[str, str]") -> "Facts":
    """Return the Facts object that `--facts` names.

    Imports the module. Raises LazyplugError if that fails, or if it is another object.
    """
    # deferred: commands with the option seldom get it, and Facts imports ast
    from .._exceptions import LazyplugError
    from .._facts import Facts
    from .._import_target import import_module

    module, attr = reference
    option = f"--facts {module}:{attr}"
    try:
        found: Any = import_module(module)
        for name in attr.split("."):
            found = getattr(found, name)
    except Exception as error:  # code of the host
        reason = messages.CANNOT_BE.format(
            done="imported", reason=describe_error(error)
        )
        text = f"{option} {reason}"
        raise LazyplugError(text) from error
    if not isinstance(found, Facts):
        raise LazyplugError(
            messages.NOT_VALID.format(
                value=option, what="argument", expected=messages.A_FACTS_OBJECT
            )
        )
    return found


def json_facts(found: "Found") -> "dict[str, dict[str, Any]]":
    """Return facts as JSON: by name, the value and the kind."""
    return {name: {"value": _json(value), "kind": kind} for name, value, kind in found}


def _json(value: "Any") -> "Any":
    r"""Return a literal value as JSON, which has only lists, and texts as keys.

    >>> _json({1: ("a", b"b\xff"), "c": {3, 2}, "d": 1 << 63})
    {'1': ['a', 'b\\xff'], 'c': [2, 3], 'd': '9223372036854775808'}
    """
    match value:
        case list() | tuple():
            return list(map(_json, value))
        case set():
            return sorted(map(_json, value), key=repr)
        case dict():
            return {str(_json(key)): _json(each) for key, each in value.items()}
        case bytes():
            return value.decode("ascii", "backslashreplace")
        case int() if not -_LARGEST <= value < _LARGEST:
            return str(value)
    return value


def is_companion(extension: "Extension[Any]") -> bool:
    """Return True if an entry point names a file of facts, and nothing to import."""
    file = (extension.attr or "").endswith((".toml", ".json"))
    return file and extension.group.endswith(".facts")


def companion_fault(extension: "Extension[Any]") -> str:
    """Return what is wrong with the file of facts of a companion entry point, or ""."""
    from .._static.declared import in_file  # deferred: they import ast
    from .._static.learned import learned_facts
    from .._static.source import Sources

    search = learned_facts().search()
    return in_file(search, Sources(fs.clock()), extension.value)[2]
