"""Define the types of rows, options and callbacks, and name those of annotations.

Only `types` imports this module when a program runs. The hot modules import all names
in their annotations from here for checkers, those of `typing` included: one more
statement in each hot module would cost every program that runs from the sources 40,000
instructions. Where they need many, they import `*`, since each name costs 1,000.
"""

from collections.abc import Callable as Callable
from collections.abc import Collection as Collection
from collections.abc import ItemsView as ItemsView
from collections.abc import Iterable as Iterable
from collections.abc import Iterator as Iterator
from collections.abc import Mapping as Mapping
from collections.abc import Sequence as Sequence
from importlib.machinery import ModuleSpec as ModuleSpec
from importlib.metadata import Distribution as Distribution
from os import stat_result as stat_result
from types import ModuleType as ModuleType
from typing import TYPE_CHECKING, ParamSpec, TypedDict
from typing import Any as Any
from typing import Concatenate as Concatenate
from typing import Generic as Generic
from typing import Literal as Literal
from typing import Self as Self
from typing import Unpack as Unpack

if TYPE_CHECKING:
    from typing import Protocol, overload

    from typing_extensions import TypeVar
else:
    from typing import TypeVar as _TypeVar

    def TypeVar(name, *constraints, **_):  # noqa: N802
        """Return a type variable; only Python 3.13 knows their defaults."""
        return _TypeVar(name, *constraints)


from ._entry_point import EntryPoint as EntryPoint
from ._extension import Extension as Extension
from ._facts import Facts as Facts
from ._faults.failure_log import FailureLog as FailureLog
from ._faults.problems import Failure as Failure
from ._faults.problems import Problem as Problem
from ._frozen_index import FrozenIndex as FrozenIndex
from ._indexing.overlay import Overlay as Overlay
from ._manager import Manager
from ._refresh import Changes as Changes
from ._selection.choice import Choice as Choice

P = ParamSpec("P")
U = TypeVar("U")
# the type of the object that the host uses: the plugin or, with `invoke_on_load`, the
# object that its call returned
T = TypeVar("T", default=Any)
# The type of `invoke_on_load`, by which checkers know what `.obj` is: see CallResult.
# Not overloads of `__init__`: those would cost each start from the sources 63,000
# instructions. Constraints, since checkers infer no literal for a bound.
Bool = TypeVar(
    "Bool", Literal[True], Literal[False], bool, default=bool, covariant=True
)

if TYPE_CHECKING:

    class CallResult(Protocol):
        """The type of `.obj`: T if plugins are called, None if not."""

        @overload
        def __get__(self, extension: Extension[T, Literal[True]], owner: Any) -> T: ...
        @overload
        def __get__(
            self, extension: Extension[T, Literal[False]], owner: Any
        ) -> None: ...
        @overload
        def __get__(self, extension: Extension[T, bool], owner: Any) -> T | None: ...
        def __set__(self, extension: Extension[T, bool], value: T | None) -> None: ...
else:
    CallResult = T | None

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

# public: see `types`
OnFailure = Literal["warn", "ignore", "error"]
OnLoadFailureCallback = Callable[[Manager[Any], EntryPoint, Exception], object]
OnMissingEntrypointsCallback = Callable[[set[str]], object]
ConflictResolver = Callable[[str, str, list[Extension[Any]]], Extension[Any]]


class Options(TypedDict, Generic[T], total=False):
    """The options of all managers, which they pass to Manager."""

    propagate_map_exceptions: bool
    on_load_failure_callback: "OnLoadFailureCallback | None"
    conflict_resolver: "ConflictResolver | None"
    protocol: "Callable[..., T] | None"
    lazy: "bool | Literal['known'] | None"
    package: "str | None"
    choice: Choice | None
    facts: Facts | None
    on_failure: OnFailure
    skip: "type[Exception] | tuple[type[Exception], ...]"
    known: "Mapping[str, str] | None"
