"""Answer `entry_points()` from the index, with the API of importlib.metadata."""

from . import _environment
from ._import_target import load_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._types import Owner, Row

_PACKAGE = __package__ or ""


# Attributes that are strings and whose access never raises.
_TEXTS = frozenset(("name", "value", "group"))


class EntryPoint:
    """One entry point of a distribution; immutable.

    As in importlib.metadata, two entry points are equal if name, value and group are
    equal. `module`, `attr` and `extras` are parsed from the value, and raise
    InvalidEntryPoint, a ValueError, if the value is not a valid reference
    (https://packaging.python.org/specifications/entry-points/#data-model).

    :param name: the name.
    :param value: the reference, `module:attr [extras]`.
    :param group: the group in which it is declared.
    """

    __module__ = _PACKAGE
    __slots__ = ("_line", "_owner", "_target", "group", "name", "value")

    if TYPE_CHECKING:
        name: str
        value: str
        group: str
        _target: tuple[str | None, str | None]
        _owner: Owner | None
        _line: int

    def __init__(self, name: str, value: str, group: str) -> None:
        from ._indexing.metadata import row_of  # deferred: rows are ready

        self._fill(group, row_of(name, value), None)

    def _fill(self, group: str, row: "Row", owner: "Owner | None") -> "EntryPoint":
        name, value, module, attr, line, *_ = row
        fields = name, value, group, (module, attr), owner, line
        slots = ("name", "value", "group", "_target", "_owner", "_line")
        for slot, field in zip(slots, fields):
            object.__setattr__(self, slot, field)
        return self

    @classmethod
    def _of(cls, group: str, row: "Row", owner: "Owner | None") -> "EntryPoint":
        return cls.__new__(cls)._fill(group, row, owner)

    def load(self) -> "Any":
        """Import the module and return the object that the value refers to.

        Imports the plugin. Raises InvalidEntryPoint, a ValueError, if the value is not
        a valid reference, AttributeError if the module lacks the attribute, and
        otherwise what the import raises.
        """
        module, attr = self._target
        # The property only where it raises: a call costs 1,000 instructions.
        return load_target(self.module if module is None else module, attr)

    @property
    def module(self) -> str:
        """The module that the value refers to."""
        if self._target[0] is None:
            from ._faults.errors import invalid_entry_point  # deferred: on failure

            raise invalid_entry_point(self)
        return self._target[0]

    @property
    def attr(self) -> "str | None":
        """The attribute of the module; None if the value refers to the module."""
        self.module  # noqa: B018 - raises where there is neither
        return self._target[1]

    @property
    def extras(self) -> "list[str]":
        """The extras that the value names.

        >>> EntryPoint("a", "m:f [x, y]", "g").extras
        ['x', 'y']
        """
        self.module  # noqa: B018 - raises where there are none
        # Like re.findall(r"\w+"), but after a chroot `re` could not be imported.
        extras = self.value.partition("[")[2]
        return "".join(c if c.isalnum() or c == "_" else " " for c in extras).split()

    @property
    def dist(self) -> "Any":
        """The distribution that declares the entry point; None if there is none.

        It is opened by importlib_metadata (by importlib.metadata where that is not
        installed), or is the object of a third-party finder.
        """
        if self._owner is None:
            return None
        if not isinstance(self._owner[1], str):
            return self._owner[1]  # the object of a third-party finder
        from ._indexing.archives import open_distribution  # deferred: 30 ms

        return open_distribution(self._owner)

    def matches(self, **params: "Any") -> bool:
        """Return True if the entry point has all of these attributes.

        :param params: names of attributes with the values that they must have.

        Raises ValueError for `dist`, since distributions cannot be compared, and
        AttributeError for an unknown attribute.
        """
        if "dist" in params:
            from . import _messages as messages  # deferred: only on failure

            raise ValueError(messages.DIST_NOT_COMPARED)
        # The parameter is the left operand, since its type may define __eq__.
        return all(value == getattr(self, name) for name, value in params.items())

    def _key(self) -> "tuple[str, str, str]":
        return self.name, self.value, self.group

    def __lt__(self, other: object) -> bool:
        if isinstance(other, EntryPoint):
            return self._key() < other._key()
        return NotImplemented

    def __eq__(self, other: object) -> bool:
        if isinstance(other, EntryPoint):
            return self._key() == other._key()
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __setattr__(self, name: str, value: object = None) -> None:
        from . import _messages as messages  # deferred: only on failure

        raise AttributeError(messages.IMMUTABLE.format(kind="EntryPoint", name=name))

    if not TYPE_CHECKING:
        __delattr__ = __setattr__

    def __repr__(self) -> str:
        return (
            f"EntryPoint(name={self.name!r}, value={self.value!r},"
            f" group={self.group!r})"
        )

    def __reduce__(self) -> "tuple[Any, ...]":
        row = self.name, self.value, *self._target, self._line
        return self._of, (self.group, row, portable(self._owner))


def portable(owner: "Owner | None") -> "Owner | None":
    """Return an owner that can be pickled: without the object of a third-party finder.

    >>> portable(("foo", object(), "", 0)), portable(("foo", "/s", "foo.dist-info", 0))
    (('foo', None, '', 0), ('foo', '/s', 'foo.dist-info', 0))
    """
    if owner is None or isinstance(owner[1], str):
        return owner
    return (owner[0], None, *owner[2:])


class EntryPoints(tuple["EntryPoint", ...]):
    """An immutable collection of entry points, which `select()` filters."""

    __module__ = _PACKAGE
    __slots__ = ()

    def __getitem__(self, name: str) -> EntryPoint:  # type: ignore[override]
        """Return the first entry point with a name; raise KeyError if there is none."""
        for entry_point in self:
            if entry_point.name == name:
                return entry_point
        raise KeyError(name)

    def __repr__(self) -> str:
        return f"EntryPoints({tuple(self)!r})"

    def select(self, **params: "Any") -> "EntryPoints":
        """Return the entry points that have all of these attributes.

        :param params: names of attributes with their values, usually name or group.

        Raises what `EntryPoint.matches` raises.
        """
        return EntryPoints(point for point in self if point.matches(**params))

    @property
    def names(self) -> "set[str]":
        """The names of all entry points."""
        return {entry_point.name for entry_point in self}

    @property
    def groups(self) -> "set[str]":
        """The groups of all entry points."""
        return {entry_point.group for entry_point in self}


def selects_group(params: "dict[str, Any]") -> bool:
    """Return True if parameters select by a group, so that its rows are enough.

    An object other than a string may equal any group. A parameter before the group is
    compared with all entry points, and that may raise; `dist` always raises.
    """
    return params.get("group").__class__ is str and (
        _TEXTS.issuperset(params)
        or (next(iter(params)) == "group" and "dist" not in params)
    )


def entry_points(**params: "Any") -> EntryPoints:
    """Return the entry points of the installed distributions, from the index.

    Imports no plugin. The order is that of `sys.path`, then of distributions, then of
    lines in the file; without a group, group by group.

    :param params: the attributes to select by, as for EntryPoints.select.

    Raises what EntryPoints.select raises.
    """
    group: Any = params.get("group")
    name: Any = params.get("name")
    # Other queries need all entry points, for the same answer and the same errors as
    # in importlib.metadata.
    if selects_group(params):
        del params["group"]
        wanted = (name,) if name.__class__ is str else None
        found = {group: _environment.rows(group, wanted)}
    else:
        from ._inventory import all_rows  # deferred: few programs ask for all groups

        found = all_rows(_environment.current())
    points = EntryPoints(
        EntryPoint._of(name, *pair) for name, pairs in found.items() for pair in pairs
    )
    return points.select(**params) if params else points
