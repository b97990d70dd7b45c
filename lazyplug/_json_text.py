"""Read and write JSON text with the C scanner and encoder that Python's json uses.

`import json` costs 6 ms, these cost 0.2 ms. A warm start imports neither, unless a line
has escaped characters.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Scan = Callable[[str, int], tuple[Any, int]]

scan_once: "Scan"
quote: "Callable[[str], str]"
_chunks: "Callable[[Any, Any], Iterable[str]]"
try:
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    # The attributes of json.JSONDecoder that the scanner reads; a class statement would
    # cost fifteen times as much.
    _namespace: "Any" = type(sys.implementation)
    _context = _namespace(
        strict=True,
        object_hook=None,
        object_pairs_hook=None,
        parse_float=float,
        parse_int=int,
        parse_constant=float,
        array_hook=None,  # since Python 3.15
    )
    scan_once = make_scanner(_context)
    # Like json.dumps, but compact, without NaN, and without a check for cycles.
    _make: "Any" = make_encoder
    _chunks = _make(
        None, None, encode_basestring_ascii, None, ":", ",", False, False, False
    )
    quote = encode_basestring_ascii
except (ImportError, AttributeError, TypeError):
    # PyPy has no `_json`, and a later CPython may change it, since it is private.
    import json

    scan_once = json.JSONDecoder().raw_decode
    _chunks = json.JSONEncoder(
        check_circular=False, allow_nan=False, separators=(",", ":")
    ).iterencode
    quote = json.encoder.encode_basestring_ascii


def to_json(value: "Any") -> str:
    r"""Return a value as JSON text, ASCII only.

    >>> to_json(["a", None, True, 1, "\xe4"])
    '["a",null,true,1,"\\u00e4"]'
    """
    return "".join(_chunks(value, 0))


def texts(line: str) -> "list[str]":
    r"""Return the strings in a JSON array. Raises ValueError if it has anything else.

    >>> texts(r'["a\\\\b"]')
    ['a\\\\b']
    """
    try:
        found: list[str] = scan_once(line, 0)[0]
        "".join(found)  # raises TypeError if one is not a string
    except (TypeError, StopIteration, RecursionError) as error:
        raise ValueError(line) from error
    if found.__class__ is not list:
        raise ValueError(line)
    return found
