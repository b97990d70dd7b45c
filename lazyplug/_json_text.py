"""JSON text, by the scanner and the encoder that Python's own json uses.

Cold: `import json` costs 6 ms, these 0.2, and a warm start has plain lines only.
"""

import sys
from _json import encode_basestring_ascii, make_encoder, make_scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Scan = Callable[[str, int], tuple[Any, int]]

# What json.JSONDecoder shows of itself to the scanner; a class of our own
# would cost fifteen times as much.
_Namespace: "Any" = type(sys.implementation)
_context = _Namespace(
    strict=True,
    object_hook=None,
    object_pairs_hook=None,
    parse_float=float,
    parse_int=int,
    parse_constant=float,
)
scan_once: "Scan" = make_scanner(_context)
# What json.dumps is by default, but for the separators.
_make: "Any" = make_encoder
_chunks: "Any" = _make(
    None, None, encode_basestring_ascii, None, ":", ",", False, False, False
)
quote = encode_basestring_ascii


def to_json(value: "Any") -> str:
    r"""Return value as JSON text, ASCII only.

    >>> to_json(["a", None, True, 1, "\xe4"])
    '["a",null,true,1,"\\u00e4"]'
    """
    return "".join(_chunks(value, 0))


def texts(line: str) -> "list[str]":
    r"""Return the texts in a JSON array of nothing else; ValueError if it is none.

    >>> texts(r'["a\\\\b"]')
    ['a\\\\b']
    """
    try:
        found: list[str] = scan_once(line, 0)[0]
        "".join(found)  # all of it is text
    except (TypeError, StopIteration, RecursionError) as error:
        raise ValueError(line) from error
    if found.__class__ is not list:
        raise ValueError(line)
    return found
