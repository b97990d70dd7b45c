"""What is wrong: problems of the metadata; and how failures of plugins are told."""

import os
import sys

from .. import _environment
from .._inventory import troubles
from .._printable import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from .._tuples import Named as NamedTuple

_PACKAGE = (__package__ or "").rpartition(".")[0]


class Problem(NamedTuple):
    """Something in the metadata that costs itself, but harms nothing else.

    `line` is 0 where the whole file or folder is meant.
    """

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.path}, line {self.line}" if self.line else self.path
        return clean(f"{place}: {self.reason}")


class Failure(NamedTuple):
    """An extension that could not be used, and why.

    `distribution` is "name version" of what declares it in `file`, in `line`; they are
    "", "" and 0 of what no distribution declares. `reason` is the error in words.
    """

    name: str
    group: str
    value: str
    distribution: str
    file: str
    line: int
    reason: str
    error: Exception


# A NamedTuple takes no notice of it in its body.
Problem.__module__ = Failure.__module__ = _PACKAGE


def problems() -> "list[Problem]":
    """Return what is wrong with the metadata on `sys.path`, in its order.

    Imports no plugin. What is told here was survived: the other lines, files and
    distributions are unharmed.
    """
    found = [
        Problem(f"sys.path[{place}]", 0, f"{entry!r} is no path and is skipped")
        for place, entry in enumerate(sys.path)
        if not _is_path(entry)
    ]
    return found + [Problem(*problem) for problem in troubles(_environment.current())]


def _is_path(entry: object) -> bool:
    try:
        text = os.fspath(entry)  # type: ignore[call-overload]
    except TypeError:
        return False
    return isinstance(text, str) and "\0" not in text
