"""Manage the extensions of another environment, which this process cannot load."""

import functools

from . import _environment
from ._attributes import compute_attribute, row_of_extension
from ._entry_point import EntryPoint
from ._extension import Computed, Extension
from ._inventory import rows_of_namespace
from ._other_environment import Selection, selected_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._types import Owner, Row

# The methods of managers that query the environment.
_QUERIES = ("__getitem__", "_get", "items", "refresh", "register")
# by the class of the manager
_classes: "dict[type[Any], type[Any]]" = {}


class _Computed(Computed):
    """An attribute that is computed while the other environment is selected."""

    def __get__(self, extension: "Any", owner: "Any") -> "Any":
        if extension is None:
            return compute_attribute(self, extension, owner)
        with Selection(extension._place):
            return compute_attribute(self, extension, owner)


class OtherExtension(Extension["Any"]):
    """An extension of another environment, whose plugin cannot be imported here."""

    if not TYPE_CHECKING:
        summary = _Computed()
        facts = _Computed()
        remembered = _Computed()

    _place: str

    if not TYPE_CHECKING:

        @property
        def entry_point(self):
            """The entry point; its `load()` raises ImportError."""
            if self._entry_point is None:
                row = row_of_extension(self)
                with Selection(self._place):
                    point = OtherEntryPoint._of(self.group, row, self._owner)
                self._entry_point = point
            return self._entry_point

    def _load(self) -> "Any":
        raise _refusal(self)

    def __reduce__(self) -> "tuple[Any, ...]":
        return _rebuild, (self._place, *super().__reduce__())


class OtherEntryPoint(EntryPoint):
    """An entry point of another environment."""

    __slots__ = ("_place",)
    _place: str

    def _fill(self, group: str, row: "Row", owner: "Owner | None") -> EntryPoint:
        object.__setattr__(self, "_place", selected_place())
        return super()._fill(group, row, owner)

    def load(self) -> "Any":
        """Raise ImportError: this process cannot import the plugin."""
        raise _refusal(self)

    def __reduce__(self) -> "tuple[Any, ...]":
        return _rebuild, (self._place, *super().__reduce__())


def _rebuild(place: str, function: "Callable[..., Any]", fields: "Any") -> "Any":
    """Return the handle that was pickled."""
    with Selection(place):
        found = function(*fields)
    if isinstance(found, OtherExtension):
        found._place = place
    return found


def _refusal(handle: "Any") -> ImportError:
    """Return the error for a plugin that is to be imported here."""
    # deferred: only on failure
    from . import _messages as messages
    from ._faults.origin import origin

    with Selection(handle._place):
        python = _environment.current().installation
    text = messages.IS_ELSEWHERE.format(
        extension=origin(handle),
        interpreter="its interpreter" if python is None else python.executable,
    )
    return ImportError(text, name=handle.value.partition(":")[0].strip())


def initialize(manager: "Any", options: "dict[str, Any]") -> None:
    """Initialize a manager of the extensions of another environment.

    :param options: the local variables of `Manager.__init__` at its beginning.

    Raises ValueError if there is no environment, or if the extensions are to be loaded.
    """
    del options["self"], options["initialize"]
    place = options.pop("environment")
    if options["lazy"] is None:
        options["lazy"] = True
    if options["lazy"] is not True:
        from . import _messages as messages  # deferred: only on failure

        lazy = f"lazy={options['lazy']!r}"
        raise ValueError(
            messages.NOT_OF_ANOTHER.format(option=lazy, other="environment=")
        )
    selection = Selection(place)
    manager.__class__ = _class_of(type(manager))
    manager._selection = selection
    with selection:
        # That of Manager, which is the last class but `object`.
        base: Any = type(manager).__mro__[-2]
        base.__init__(manager, **options)


def _class_of(kind: "type[Any]") -> "type[Any]":
    """Return a subclass of a manager's class that queries the selected environment."""
    if kind not in _classes:
        methods = {name: _selecting(getattr(kind, name)) for name in _QUERIES}
        methods["_extensions"] = _refusing(kind._extensions)
        methods["list_entry_points"] = _list_entry_points
        own = {"_raises": True, "__module__": kind.__module__}
        metaclass: Any = type(kind)
        _classes[kind] = metaclass(kind.__name__, (kind,), own | methods)
    return _classes[kind]


def _selecting(method: "Callable[..., Any]") -> "Callable[..., Any]":
    @functools.wraps(method)
    def select(manager: "Any", *arguments: "Any", **options: "Any") -> "Any":
        with manager._selection:
            return method(manager, *arguments, **options)

    return select


def _refusing(find: "Callable[..., list[Extension[Any]]]") -> "Callable[..., Any]":
    @functools.wraps(find)
    def extensions(manager: "Any", *arguments: "Any") -> "list[Extension[Any]]":
        found = find(manager, *arguments)
        for extension in found:
            extension.__class__ = OtherExtension
            extension.__dict__["_place"] = manager._selection.place
        return found

    return extensions


def _list_entry_points(manager: "Any") -> "list[EntryPoint]":
    """Return all entry points of the namespace; their `load()` raises ImportError."""
    with manager._selection:
        return [
            OtherEntryPoint._of(group, *pair)
            for group, pair in rows_of_namespace(manager.namespace)
        ]
