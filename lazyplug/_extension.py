"""Define Extension, the lazy handle on one entry point."""

import sys
from time import perf_counter

from . import _environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Generic

    from typing_extensions import TypeVar

    from ._types import EntryPoint, Owner, Row

    T = TypeVar("T")
    # what `manager[name]` gives
    Found = TypeVar("Found", default="Extension[T]")
else:
    # Generic to the type checker only: importing typing costs 5 ms, and even an
    # empty class 70,000 instructions.
    T = Found = None
    Generic = {T: object, (T, T): object}

# The name of this package, which a vendored copy may change.
PACKAGE = __package__ or ""


class Extension(Generic[T]):
    """A lazy handle on one entry point.

    Making one, and reading anything but `plugin` and `obj`, imports nothing of
    the plugin. T is the type of what the host uses: of the plugin or, with
    `invoke_on_load`, of what its call returned.

    :param name: the name of the entry point.
    :param entry_point: an EntryPoint, ours or importlib.metadata's, or None for
        an extension that was not installed.
    :param plugin: the plugin, if it is at hand; else it is loaded on first touch.
    :param obj: what the call of the plugin returned, if it was called.
    """

    __module__ = PACKAGE
    if TYPE_CHECKING:
        _entry_point: EntryPoint
        name: str
        """The name of the entry point."""
        group: str
        """The group that it stands in."""
        value: str
        """The object reference, as the distribution declares it."""
        attr: str | None
        """The attribute of the module; None where the module itself is meant."""
        plugin: T
        """What the entry point refers to; imported on first touch.

        A failed load raises what the import raised, with a note that says which
        entry point of which distribution it was, and raises it again at every
        touch until `refresh()`.
        """
        obj: T
        """What the call of the plugin returned; None without `invoke_on_load`.

        The plugin is imported and called on first touch, once, whatever the
        number of threads.
        """
        summary: str | None
        """The first line of the docstring of what the entry point refers to.

        It is taken from the source, and nothing of the plugin is imported. None
        where there is no source, or none that says it plainly.
        """
        module_name: str
        """The module that the entry point refers to; ValueError if it is invalid."""
        entry_point_target: str
        """The object reference, `module:attr`."""
        extras: list[str]
        """The extras that the object reference names."""
        dist: Any
        """The distribution, opened by importlib_metadata; None if it has none."""
        load_error: Exception | None
        """What the load, or the call, raised and would raise again; else None."""
        load_seconds: float | None
        """Seconds that the import took here; None if it was not loaded here."""

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameter):
            """Make `Extension[T]` mean something at run time."""
            return cls

    def __init__(
        self,
        name: str,
        entry_point: "Any",
        plugin: "Any" = None,
        obj: "Any" = None,
    ) -> None:
        value = getattr(entry_point, "value", "")
        row: Row = (name, value, None, None, 0)
        if value and plugin is None:
            from ._indexing.metadata import row_of  # deferred: rows are ready

            row = row_of(name, value)
        self._fill(getattr(entry_point, "group", ""), row, None, None, None)
        self._entry_point = entry_point
        self.obj = obj
        if plugin is not None or entry_point is None:
            self.__dict__["plugin"] = plugin

    def _fill(
        self,
        group: str,
        row: "Row",
        owner: "Owner | None",
        invoke: "tuple[tuple[Any, ...], dict[str, Any]] | None",
        protocol: "type | None",
    ) -> "Extension[T]":
        """Set what the index knows; `invoke` are the arguments of the call."""
        self.name, self.value, self._module, self.attr, self._line, *_ = row
        self.group = group
        self._owner = owner
        self._invoke = invoke
        self._protocol = protocol
        self._entry_point = None  # type: ignore[assignment]
        # the outcome of loading and of calling, each with the generation that it
        # belongs to; setdefault is what makes the first one win
        self._outcomes: dict[Any, Any] = {}
        if invoke is None:
            self.obj = None  # type: ignore[assignment]
        return self

    def __getattr__(self, name: str) -> "Any":
        # Reached for what is not there yet, so that a loaded extension is read at
        # the price of an attribute, and for what does not exist.
        from ._attributes import detail  # deferred: a driver needs none of it

        return detail(self, name)

    @property
    def entry_point(self) -> "EntryPoint":
        """The entry point, in importlib.metadata's shape."""
        if self._entry_point is None and self.value:
            from ._attributes import make_entry_point  # deferred: a driver needs none

            make_entry_point(self)
        return self._entry_point

    def _load(self) -> "Any":
        # No lock of ours is held or waited for while foreign code is imported: it
        # would dead-lock against the import lock. Every thread asks the import
        # system, which knows how to avoid its own; the first outcome wins.
        which = "plugin", _environment.generation
        outcome = self._outcomes.get(which)
        if outcome is None:
            began = perf_counter()
            plugin: Any = None
            unfinished = False
            try:
                if self._module is None:
                    from ._faults.messages import invalid_entry_point

                    raise invalid_entry_point(self)
                # As `_import_target` has it; inlined, to import one module less.
                name = self._module
                system: Any = sys.modules["_frozen_importlib"]
                plugin = system._gcd_import(name, None, name[:1] == ".")
                # Asked before it is read: another thread may be about to finish.
                try:
                    spec = object.__getattribute__(plugin, "__spec__")
                    unfinished = getattr(spec, "_initializing", False) is True
                except BaseException as error:  # not a plain module
                    from ._faults.failed_loads import says_nothing

                    unfinished = says_nothing(plugin, error)
                if not unfinished and sys.modules.get(self._module) is not plugin:
                    from ._faults.failed_loads import imported_again

                    plugin, unfinished = imported_again(self, which, plugin)
                if self.attr is not None:
                    for attr in self.attr.split("."):
                        if attr:
                            plugin = getattr(plugin, attr)
                if self._protocol is not None and self._invoke is None:
                    from ._protocol import fit

                    fit(self, plugin, self._protocol)
            except Exception as error:
                from ._faults.failed_loads import failed

                outcome = failed(self, which, error, unfinished)
            else:
                if unfinished:
                    return plugin  # its module may yet change its mind
                taken = perf_counter() - began
                outcome = self._outcomes.setdefault(which, (plugin, None, taken))
        plugin, failure, _ = outcome
        if failure is not None:
            raise BaseException.with_traceback(*failure)
        self.plugin = plugin
        return plugin

    @property
    def loaded(self) -> bool:
        """Was the plugin imported through this handle? Imports nothing."""
        return "plugin" in self.__dict__

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r} = {self.value!r}"
            f" of group {self.group!r}>"
        )

    def __reduce__(self) -> "tuple[Any, ...]":
        from ._pickling import reduce_extension  # deferred: few extensions travel

        return reduce_extension(self)
