"""Define the types of rows, options and callbacks, for type checkers only.

No program imports this module. The hot modules import all names in their annotations
from here, those of `typing` included: one more statement in each hot module would cost
every program that runs from the sources 40,000 instructions. Where they need many, they
import `*`, since each name costs 1,000.
"""

from collections.abc import Callable as Callable
from collections.abc import Collection as Collection
from collections.abc import ItemsView as ItemsView
from collections.abc import Iterable as Iterable
from collections.abc import Iterator as Iterator
from collections.abc import Mapping as Mapping
from collections.abc import Sequence as Sequence
from os import stat_result as stat_result
from typing import Any as Any
from typing import Concatenate as Concatenate
from typing import Generic as Generic
from typing import Literal as Literal
from typing import ParamSpec, TypedDict, TypeVar
from typing import Self as Self
from typing import Unpack as Unpack

from ._entry_point import EntryPoint as EntryPoint
from ._extension import Extension as Extension
from ._extension import Found as Found
from ._extension import T as T
from ._facts import Facts as Facts
from ._faults.failure_log import FailureLog as FailureLog
from ._faults.problems import Failure as Failure
from ._frozen_index import FrozenIndex as FrozenIndex
from ._indexing.overlay import Overlay as Overlay
from ._manager import Manager
from ._refresh import Changes as Changes
from ._selection.choice import Choice as Choice

P = ParamSpec("P")
U = TypeVar("U")

# name, value, module (None: the value is not a valid reference), attr, line in the file
Row = tuple[str, str, str | None, str | None, int]
# The distribution that declares a row: its key, path entry (or the object of a
# third-party finder), metadata directory in the path entry, position of the path entry.
# Name and version are read on demand: see `_distribution.identify`.
Owner = tuple[str, Any, str, int]
Pair = tuple[Row, Owner]
# a row and its owner; a module of a package has no owner
AnyPair = tuple[Row, Owner | None]
# returns a part of an index: offset, length
Read = Callable[[int, int], bytes]
# see `Index.watched`
Block = tuple[str, bytes, bytes, str, list[int]]

OnLoadFailure = Callable[[Manager[Any, Any], EntryPoint, Exception], object]
OnMissing = Callable[[set[str]], object]
Resolver = Callable[[str, str, list[Extension[T]]], Extension[T]]


class Options(TypedDict, total=False):
    """The options of all managers, which they pass to Manager."""

    propagate_map_exceptions: bool
    on_load_failure_callback: "OnLoadFailure | None"
    conflict_resolver: "Resolver[Any] | None"
    protocol: "type | None"
    lazy: "bool | Literal['known'] | None"
    package: "str | None"
    choice: Choice | None
    facts: Facts | None
    on_failure: str
    skip: "type[Exception] | tuple[type[Exception], ...]"
    known: "Mapping[str, str] | None"
