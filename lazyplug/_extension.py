"""Define Extension, the lazy handle on one entry point, which imports the plugin."""

import sys
from time import perf_counter

from . import _environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Generic

    from typing_extensions import TypeVar

    from ._types import EntryPoint, Facts, Owner, Row

    T = TypeVar("T")
    # the type of `manager[name]`
    Found = TypeVar("Found", default="Extension[T]")
else:
    # Generic for type checkers only: importing typing costs 5 ms, and even an empty
    # class 70,000 instructions.
    T = Found = None
    Generic = {T: object, (T, T): object}

# The name of this package, which a vendored copy may change.
PACKAGE = __package__ or ""


class Extension(Generic[T]):
    """A lazy handle on one entry point.

    Creating one, and reading any attribute except `plugin` and `obj`, imports nothing
    of the plugin. T is the type of the object that the host uses: the plugin or, with
    `invoke_on_load`, the object that its call returned.

    :param name: the name of the entry point.
    :param entry_point: an EntryPoint of lazyplug or importlib.metadata; None for an
        extension that is not installed.
    :param plugin: the plugin, if it is already imported; otherwise it is imported on
        first access.
    :param obj: the object that the call of the plugin returned, if it was called.
    """

    __module__ = PACKAGE
    if TYPE_CHECKING:
        _entry_point: EntryPoint
        name: str
        """The name of the entry point."""
        group: str
        """The group of the entry point."""
        value: str
        """The `module:attr` reference, as the distribution declares it.

        See https://packaging.python.org/specifications/entry-points/#data-model.
        """
        attr: str | None
        """The attribute of the module; None if the reference names only a module."""
        plugin: T
        """The object that the entry point refers to; imported on first access.

        If the load fails, the exception of the import is raised, with a note that names
        the entry point and its distribution. It is raised again at every access until
        `refresh()`.
        """
        obj: T
        """The object that the plugin's call returned; None without `invoke_on_load`.

        The plugin is imported and called on first access, once, whatever the number of
        threads.
        """
        summary: str | None
        """The first line of the docstring of the plugin.

        It is read from the source; nothing of the plugin is imported. None if there is
        no source, or if the source does not show the docstring with certainty.
        """
        facts: Any
        """The facts that the plugin declares, or that its source proves: see Facts.

        A read-only mapping, or what the host's schema returned for it. A fact that is
        absent is unknown; all are, if the manager has no `facts=`. Nothing of the
        plugin is imported. Raises InvalidFacts if the schema raises an exception.
        """
        remembered: Any
        """What the host's `describe` returned when the plugin was last loaded.

        None if that is unknown, or if the manager has no `Facts(describe=...)`. This is
        a hint, which may be out of date: see Facts. Each access returns a new copy.
        Nothing of the plugin is imported.
        """
        _facts: Facts | None
        module_name: str
        """The module that the entry point refers to.

        Raises InvalidEntryPoint, a ValueError, if the value is not a valid reference
        (expected `module:attr`).
        """
        entry_point_target: str
        """The `module:attr` reference, as `value`."""
        extras: list[str]
        """The extras that the reference names."""
        dist: Any
        """The distribution, opened by importlib_metadata; None if it has none."""
        dist_name: str | None
        """The name of the distribution, as `dist.name`; None if it has none.

        It is read from the distribution's METADATA, once until `refresh()`, without the
        import of importlib.metadata; of an archive, by importlib_metadata.
        """
        dist_version: str | None
        """The version of the distribution, as `dist.version`; None if it has none."""
        load_error: Exception | None
        """The exception of the failed load or call, raised at each access; or None."""
        load_seconds: float | None
        """Seconds that the import took; None if this handle has not imported it."""

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameter):
            """Return the class, so that `Extension[T]` is valid at run time."""
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
            from ._indexing.metadata import row_of  # deferred: the index has rows

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
        """Set the fields of a row; `invoke` has the arguments of the call, if any."""
        self.name, self.value, self._module, self.attr, self._line, *_ = row
        self.group = group
        self._owner = owner
        self._invoke = invoke
        self._protocol = protocol
        self._entry_point = None  # type: ignore[assignment]
        # the outcomes of the load and the call, by kind and generation; setdefault()
        # makes the first one win
        self._outcomes: dict[Any, Any] = {}
        if invoke is None:
            self.obj = None  # type: ignore[assignment]
        return self

    def __getattr__(self, name: str) -> "Any":
        # Called only for attributes that are not set: those of a loaded extension cost
        # no more than any attribute.
        if name == "facts" and "_facts" in self.__dict__:
            # They do not need `_attributes`, which costs a start 0.4 million.
            return self.__dict__["_facts"]._of(self)
        from ._attributes import compute_attribute  # deferred: not for drivers

        # An import statement costs 9,000 instructions each time.
        Extension.__getattr__ = compute_attribute  # type: ignore[method-assign]
        return compute_attribute(self, name)

    @property
    def entry_point(self) -> "EntryPoint":
        """The entry point, with the attributes of importlib.metadata's EntryPoint."""
        if self._entry_point is None and self.value:
            from ._attributes import make_entry_point  # deferred: not for drivers

            make_entry_point(self)
        return self._entry_point

    def _load(self) -> "Any":
        # Hold and wait for no lock of this package while a plugin is imported: it would
        # deadlock with the import lock. Every thread calls the import system, which
        # avoids deadlocks of its own locks; the first outcome wins.
        key = "plugin", _environment.generation
        outcome = self._outcomes.get(key)
        if outcome is None:
            start = perf_counter()
            plugin: Any = None
            unfinished = False
            try:
                if self._module is None:
                    # deferred: only on failure
                    from ._faults.errors import invalid_entry_point

                    raise invalid_entry_point(self)
                # A copy of `_import_target.import_module`, to import one module less.
                name = self._module
                bootstrap: Any = sys.modules["_frozen_importlib"]
                plugin = bootstrap._gcd_import(name, None, name[:1] == ".")
                # Before attributes are read: another thread may finish the import.
                try:
                    spec = object.__getattribute__(plugin, "__spec__")
                    unfinished = getattr(spec, "_initializing", False) is True
                except BaseException as error:  # not a plain module
                    from ._faults.failed_loads import (
                        reraise_signal_error,  # deferred: rare
                    )

                    unfinished = reraise_signal_error(plugin, error)
                if not unfinished and sys.modules.get(self._module) is not plugin:
                    from ._faults.failed_loads import import_again  # deferred: rare

                    plugin, unfinished = import_again(self, key, plugin)
                if self.attr is not None:
                    for attr in self.attr.split("."):
                        if attr:
                            plugin = getattr(plugin, attr)
                if self._protocol is not None and self._invoke is None:
                    from ._protocol import fit  # deferred: few hosts use protocol=

                    fit(self, plugin, self._protocol)
            except Exception as error:
                from ._faults.failed_loads import (
                    store_failure,  # deferred: only on failure
                )

                outcome = store_failure(self, key, error, unfinished)
            else:
                if unfinished:
                    return plugin  # its module may still replace the attribute
                seconds = perf_counter() - start
                loaded = plugin, None, seconds
                outcome = self._outcomes.setdefault(key, loaded)
                wanted = self.__dict__.get("_facts")
                if wanted is not None and outcome is loaded and wanted.description:
                    # deferred: few hosts describe plugins
                    from ._description import describe_loaded

                    describe_loaded(self, plugin, wanted.description)
        plugin, failure, _ = outcome
        if failure is not None:
            raise BaseException.with_traceback(*failure)
        self.plugin = plugin
        return plugin

    @property
    def loaded(self) -> bool:
        """True if the plugin was imported through this handle. Imports nothing."""
        return "plugin" in self.__dict__

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r} = {self.value!r}"
            f" of group {self.group!r}>"
        )

    def __reduce__(self) -> "tuple[Any, ...]":
        from ._pickling import reduce_extension  # deferred: few are pickled

        return reduce_extension(self)
