"""The handle that loads its plugin on first touch."""

import sys
from time import perf_counter

from . import _cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Generic

    from typing_extensions import TypeVar

    from ._entry_point import EntryPoint
    from ._index import Owner, Row

    T = TypeVar("T")
else:
    T = None

    class Generic:
        """What `typing.Generic` is to the type checker; importing it costs 5 ms."""

        __slots__ = ()

        def __class_getitem__(cls, parameter):
            return cls


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

    __module__ = "lazyplug"
    __slots__ = (
        "__weakref__",
        "_attr",
        "_call",
        "_entry_point",
        "_invoke",
        "_line",
        "_module",
        "_outcomes",
        "_owner",
        "_protocol",
        "group",
        "name",
        # Empty until first touch, so that a loaded extension is read at the price
        # of an attribute.
        "obj",
        "plugin",
        "value",
    )

    if TYPE_CHECKING:
        _entry_point: Any
        name: str
        """The name of the entry point."""
        group: str
        """The group that it stands in."""
        value: str
        """The object reference, as the distribution declares it."""
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
            from ._scan import split_value  # deferred: rows come already split

            row = (name, value, *split_value(value), 0)
        self._fill(getattr(entry_point, "group", ""), row, None, None, None)
        self._entry_point = entry_point
        self.obj = obj
        if plugin is not None or entry_point is None:
            self.plugin = plugin

    def _fill(
        self,
        group: str,
        row: "Row",
        owner: "Owner | None",
        invoke: "tuple[tuple[Any, ...], dict[str, Any]] | None",
        protocol: "type | None",
    ) -> "Extension[T]":
        """Set what the index knows; `invoke` are the arguments of the call."""
        self.name, self.value, self._module, self._attr, self._line = row
        self.group = group
        self._owner = owner
        self._invoke = invoke
        self._protocol = protocol
        self._entry_point = None
        # the outcome of loading and of calling, each with the generation that it
        # belongs to; setdefault is what makes the first one win
        self._outcomes: dict[Any, Any] = {}
        self._call: Any = None
        if invoke is None:
            self.obj = None  # type: ignore[assignment]
        return self

    def __getattr__(self, name: str) -> "Any":
        # Reached for slots that are still empty, and for what does not exist.
        if name == "plugin":
            return self._load()
        if name == "obj":
            from ._calling import call  # deferred: most plugins are not called

            return call(self)
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}",
            name=name,
            obj=self,
        )

    def _load(self) -> "Any":
        # No lock of ours is held or waited for while foreign code is imported: it
        # would dead-lock against the import lock. Every thread asks the import
        # system, which knows how to avoid its own; the first outcome wins.
        which = "plugin", _cache.generation
        outcome = self._outcomes.get(which)
        if outcome is None:
            began = perf_counter()
            try:
                if self._module is None:
                    from ._exceptions import invalid_entry_point

                    raise invalid_entry_point(self)
                __import__(self._module)
                module = plugin = sys.modules[self._module]
                if self._attr is not None:
                    for attr in self._attr.split("."):
                        plugin = getattr(plugin, attr)
                if self._protocol is not None and self._invoke is None:
                    from ._protocol import fit

                    fit(self, plugin, self._protocol)
            except Exception as error:
                from ._failure import failed

                outcome = failed(self, which, error)
            else:
                spec = getattr(module, "__spec__", None)
                if getattr(spec, "_initializing", False):
                    return plugin  # its module may yet change its mind
                taken = perf_counter() - began
                outcome = self._outcomes.setdefault(which, (plugin, None, taken))
        plugin, failure, _ = outcome
        if failure is not None:
            raise failure[0].with_traceback(failure[1])
        self.plugin = plugin
        return plugin

    @property
    def module_name(self) -> str:
        """The module that the entry point refers to; ValueError if it is invalid."""
        if self._module is None:
            from ._exceptions import invalid_entry_point

            raise invalid_entry_point(self)
        return self._module

    @property
    def attr(self) -> "str | None":
        """The attribute of the module; None where the module itself is meant."""
        return self._attr

    @property
    def extras(self) -> "list[str]":
        """The extras that the object reference names."""
        return self.entry_point.extras

    @property
    def entry_point(self) -> "EntryPoint":
        """The entry point, in importlib.metadata's shape."""
        if self._entry_point is None and self._owner is not None:
            from ._entry_point import EntryPoint

            row = self.name, self.value, self._module, self._attr, self._line
            self._entry_point = EntryPoint._of(self.group, row, self._owner)
        found: EntryPoint = self._entry_point
        return found

    @property
    def entry_point_target(self) -> str:
        """The object reference, `module:attr`."""
        return self.value

    @property
    def dist(self) -> "Any":
        """The distribution, opened by importlib_metadata; None if it has none."""
        return getattr(self.entry_point, "dist", None)

    def _outcome(self, what: str) -> "Any":
        return self._outcomes.get((what, _cache.generation))

    @property
    def loaded(self) -> bool:
        """Was the plugin imported through this handle? Imports nothing."""
        try:
            object.__getattribute__(self, "plugin")
        except AttributeError:
            return False
        return True

    @property
    def load_error(self) -> "Exception | None":
        """What the load, or the call, raised and would raise again; else None."""
        for what in ("plugin", "obj"):
            outcome = self._outcome(what)
            if outcome is not None and outcome[1] is not None:
                error: Exception = outcome[1][0]
                return error
        return None

    @property
    def load_seconds(self) -> "float | None":
        """Seconds that the import took here; None if it was not loaded here."""
        outcome = self._outcome("plugin")
        return None if outcome is None else outcome[2]

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r} = {self.value!r}"
            f" of group {self.group!r}>"
        )

    def __reduce__(self) -> "tuple[Any, ...]":
        from ._pickling import reduce_extension  # deferred: few extensions travel

        return reduce_extension(self)
