"""Manage the extensions of another environment, which this process cannot load."""

import copy

from . import _environment
from ._attributes import compute_attribute, row_of_extension
from ._entry_point import EntryPoint
from ._extension import Computed, Extension
from ._inventory import rows_of_namespace
from ._mapping import is_own
from ._other_environment import Selection, outside, selected_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._types import Owner, Row

# by the class of the manager that the host has created
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

    _place: str
    if not TYPE_CHECKING:
        summary = _Computed()
        facts = _Computed()
        remembered = _Computed()

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


class _OtherManager:
    """What a manager of another environment does in its own way.

    It comes before the class of the manager, in a subclass of both.
    """

    _raises = True
    _selection: "Selection"

    def __init_subclass__(cls, **_: "Any") -> None:
        """Do without what the host does for each of its subclasses."""

    if not TYPE_CHECKING:  # the methods of Manager that query the environment

        def __getitem__(self, name):
            with self._selection:
                return super().__getitem__(name)

        def _get(self, name):
            with self._selection:
                return super()._get(name)

        def items(self):
            with self._selection:
                return super().items()

        def refresh(self):
            with self._selection:
                return super().refresh()

        def register(self, *arguments, **options):
            with self._selection:
                return super().register(*arguments, **options)

        def list_entry_points(self):
            """Return all entry points; their `load()` raises ImportError."""
            with self._selection:
                return [
                    OtherEntryPoint._of(group, *pair)
                    for group, pair in rows_of_namespace(self.namespace)
                ]

        def _extensions(self, names):
            found = super()._extensions(names)
            for extension in found:
                extension.__class__ = OtherExtension
                extension.__dict__["_place"] = self._selection.place
            return found

        def __reduce__(self):
            return _new, (type(self).__mro__[2],), self.__dict__


def _class_of(kind: "type[Any]") -> "type[Any]":
    """Return a subclass of a manager's class that queries the selected environment."""
    if kind not in _classes:
        own = {"__module__": kind.__module__, "__doc__": kind.__doc__}
        metaclass: Any = type(kind)
        _classes[kind] = metaclass(kind.__name__, (_OtherManager, kind), own)
    return _classes[kind]


def _new(kind: "type[Any]") -> "Any":
    """Return a manager that is not initialized."""
    return object.__new__(_class_of(kind))


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
    _run_outside(manager, options)
    # Manager: of all classes that configure, the last one.
    base: Any = next(
        each for each in type(manager).__mro__[::-1] if "_configure" in vars(each)
    )
    manager.__class__ = _class_of(type(manager))
    manager._selection = selection
    with selection:
        base.__init__(manager, **options)


def _run_outside(manager: "Any", options: "dict[str, Any]") -> None:
    """Let functions of the host find the environment of this process, as elsewhere."""
    own = vars(manager)
    if "check_func" in own:
        own["check_func"] = outside(own["check_func"])
    for name in ("conflict_resolver", "on_load_failure_callback"):
        if callable(options[name]) and not is_own(options[name]):
            options[name] = outside(options[name])
    schema = getattr(options["facts"], "schema", None)
    if schema is not None:
        options["facts"] = copy.copy(options["facts"])
        options["facts"].schema = outside(schema)
