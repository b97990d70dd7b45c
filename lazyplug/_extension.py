"""Define Extension, the lazy handle on one entry point, which imports the plugin."""

import sys
from time import perf_counter

from . import _environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._declared import *
else:
    # Generic for type checkers only: importing typing costs 5 ms, and even an empty
    # class 70,000 instructions. The type variables are strings, imported nowhere.
    ExtensionAttributes = ManagerAttributes = {("T", "Bool"): object}


# The name of this package, which a vendored copy may change.
PACKAGE = __package__ or ""


class Computed:
    """An attribute that is computed on first access.

    A non-data descriptor, so that access to an attribute that is set costs no more, and
    that `dir()` shows it. `_declared` has the types and descriptions.
    """

    def __get__(self, extension: "Any", owner: "Any") -> "Any":
        """Return the attribute of an extension; of the class, what describes it."""
        if (
            extension is not None
            and "_facts" in extension.__dict__
            and self is Extension.__dict__["facts"]
        ):
            # They do not need `_attributes`, which costs a start 0.4 million.
            return extension.__dict__["_facts"]._of(extension)
        from ._attributes import compute_attribute  # deferred: not for drivers

        # An import statement costs 9,000 instructions each time.
        Computed.__get__ = compute_attribute  # type: ignore[assignment, method-assign]
        return compute_attribute(self, extension, owner)


class Extension(ExtensionAttributes["T", "Bool"]):
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
    if not TYPE_CHECKING:
        plugin = Computed()
        obj = Computed()
        summary = Computed()
        facts = Computed()
        remembered = Computed()
        module_name = Computed()
        entry_point_target = Computed()
        extras = Computed()
        dist = Computed()
        dist_name = Computed()
        dist_version = Computed()
        load_error = Computed()
        load_seconds = Computed()

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
        # declared for checkers: `_fill` sets them all at once
        self.name: str
        self.value: str
        self.attr: str | None
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
        protocol: "Any",
    ) -> "Extension[T, Bool]":
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
            self.obj = None
        return self

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
