"""List the problems of the metadata; define Problem and Failure."""

import os
import sys

from .. import _environment
from .._inventory import raw_problems
from .._printable import clean, counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sized
    from typing import NamedTuple
else:
    from .._tuples import Named as NamedTuple

_PACKAGE = (__package__ or "").rpartition(".")[0]


class Problem(NamedTuple):
    """A problem in the metadata, which affects no other line, file or distribution.

    `path` is the file or directory. `line` is the number of the line, or 0 for the
    whole file or directory. `reason` is a description.
    """

    path: str
    line: int
    reason: str

    def __str__(self) -> str:
        place = f"{self.path}, line {self.line}" if self.line else self.path
        return clean(f"{place}: {self.reason}")


class Failure(NamedTuple):
    """An extension that could not be used, and the reason.

    `distribution` is "name version" of the distribution that declares it in `file`, at
    `line`. They are "", "" and 0 if no distribution declares it. `reason` is the type
    and the text of `error`.
    """

    name: str
    group: str
    value: str
    distribution: str
    file: str
    line: int
    reason: str
    error: Exception


# NamedTuple ignores `__module__` in the body of a class.
Problem.__module__ = Failure.__module__ = _PACKAGE


def problems() -> "list[Problem]":
    """Return the problems of the metadata on `sys.path`, in its order.

    Entries of `sys.path` that are not paths come first; problems of volatile path
    entries and of third-party finders come last. Imports no plugin. lazyplug ignores
    what is broken: the other lines, files and distributions are not affected.
    """
    environment = _environment.current()
    found = [
        Problem(f"sys.path[{place}]", 0, _not_a_path(entry))
        for place, entry in enumerate(sys.path)
        if environment.installation is None and not _is_path(entry)
    ]
    return found + [Problem(*problem) for problem in raw_problems(environment)]


def count_problems(problems: "Sized") -> str:
    """Return how many problems were found, as text.

    >>> count_problems([1]), count_problems([1, 2])
    ('1 problem found', '2 problems found')
    """
    return f"{counted(len(problems), 'problem')} found"


def _not_a_path(entry: object) -> str:
    from .. import _messages as messages  # deferred: only on failure

    return messages.NOT_A_PATH.format(entry=entry)


def _is_path(entry: object) -> bool:
    try:
        text = os.fspath(entry)  # type: ignore[call-overload]
    except TypeError:
        return False
    return isinstance(text, str) and "\0" not in text
