"""The lazy handle on a plugin, and the managers that select handles by name.

One room for both: another module would add a twentieth to a warm start.
"""

import sys
from time import perf_counter

from . import _cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterable, Iterator, Sequence
    from typing import Any, Concatenate, Generic, ParamSpec, Self, TypedDict, Unpack

    from typing_extensions import TypeVar

    from ._entry_point import EntryPoint
    from ._faults.problems import Failure
    from ._index import Owner, Row
    from ._mapping import Told
    from ._refresh import Changes
    from ._selection.choice import Choice

    P = ParamSpec("P")
    T = TypeVar("T")
    U = TypeVar("U")
    # what `manager[name]` gives
    Found = TypeVar("Found", default="Extension[T]")
    OnLoadFailure = Callable[["Manager[Any, Any]", EntryPoint, Exception], object]
    # a module of a package has no owner
    AnyPair = tuple[Row, Owner | None]
    OnMissing = Callable[[set[str]], object]
    Resolver = Callable[[str, str, list["Extension[T]"]], "Extension[T]"]

    class Options(TypedDict, total=False):
        """The options of every manager, passed on to Manager."""

        propagate_map_exceptions: bool
        on_load_failure_callback: "OnLoadFailure | None"
        verify_requirements: "bool | None"
        conflict_resolver: "Resolver[Any] | None"
        protocol: "type | None"
        lazy: "bool | None"
        package: "str | None"
        choice: "Choice | None"
        on_failure: str
else:
    # Generic to the type checker only: importing typing costs 5 ms, and even an
    # empty class 70,000 instructions.
    T = Found = None
    Generic = {T: object, (T, T): object}

# The name of this package, which a vendored copy may change.
_PACKAGE = __package__ or ""


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

    __module__ = _PACKAGE
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
            from ._indexing.scan import split_value  # deferred: rows come already split

            row = (name, value, *split_value(value), 0)
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
        self.name, self.value, self._module, self.attr, self._line = row
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

    def _load(self) -> "Any":
        # No lock of ours is held or waited for while foreign code is imported: it
        # would dead-lock against the import lock. Every thread asks the import
        # system, which knows how to avoid its own; the first outcome wins.
        which = "plugin", _cache.generation
        outcome = self._outcomes.get(which)
        if outcome is None:
            began = perf_counter()
            plugin: Any = None
            unfinished = False
            try:
                if self._module is None:
                    from ._faults.messages import invalid_entry_point

                    raise invalid_entry_point(self)
                # Inlined from `_target`, to import one module less.
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
    def entry_point(self) -> "EntryPoint":
        """The entry point, in importlib.metadata's shape."""
        if self._entry_point is None and self.value:
            from ._entry_point import EntryPoint

            row = self.name, self.value, self._module, self.attr, self._line
            self._entry_point = EntryPoint._of(self.group, row, self._owner)
        return self._entry_point

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


def warning_on_missing_entrypoint(missing_names: "Iterable[str]") -> None:
    """Log which of the asked names are missing."""
    from ._log import report
    from ._printable import clean  # deferred: only where there is a fault

    report(f"Could not find {clean(', '.join(sorted(missing_names)))}")


class Manager(Generic[T, Found]):
    """What all managers have: the extensions of a namespace, in order and by name.

    They come in the order in which they are installed. Nothing of a plugin is
    imported here, nor by `names()`, `in`, `len`, iteration or listing: its code is
    run when its extension is touched, or by `map()` and its kin. They are found,
    and conflicts decided, on what distributions declare.

    :param namespace: the group of the entry points; or all groups of a family,
        `myapp.*`, in the order of their names.
    :param invoke_on_load: should the plugin be called, and `.obj` be what that
        call returns? It is called when `.obj` is first touched.
    :param invoke_args: positional arguments of that call.
    :param invoke_kwds: named arguments of that call.
    :param propagate_map_exceptions: should `map()` raise what a function raises,
        or log it and go on?
    :param on_load_failure_callback: called with the manager, the entry point and
        the exception when an extension that `map()` needs fails to load; it is
        logged otherwise. Called once for each extension.
    :param verify_requirements: deprecated, without effect.
    :param conflict_resolver: called with the namespace, the name and the extensions
        when a name that is asked for stands several times; returns one of them.
        By default the last one is taken, and logged.
    :param protocol: a class or a runtime-checkable Protocol that a plugin must fit
        when it is loaded (what its call returns, with `invoke_on_load`); else its
        load raises ProtocolMismatch.
    :param lazy: False loads, and calls, everything here and now, as stevedore does,
        and leaves out what fails. By default true, unless `LAZYPLUG_EAGER` is 1.
    :param package: a package whose modules are extensions of the namespace as well,
        behind the installed ones: each is the plugin that its own name says. Those
        that begin with an underscore are not. None of them is imported to find
        them, nor is the package. Raises ModuleNotFoundError if there is none.
    :param choice: which extensions are taken: see Choice. None: all of them, but for
        what `LAZYPLUG_ALLOW` and `LAZYPLUG_DENY` say.
    :param on_failure: what becomes of failed loads, entry points that are no object
        references, and broken metadata: "warn" logs each, once a process; "ignore" does
        not; "error" raises, of the last two when the manager is made. Whichever, they
        are counted in `failures` and `lazyplug.problems()`.
    """

    __module__ = _PACKAGE
    # the names that are asked for; None: all
    _asked: "Sequence[str] | None" = None
    _package: "str | None" = None
    _choice: "Choice | None" = None
    _on_failure = "warn"
    # what was registered in code, whether chosen or not
    _registered: "tuple[Extension[T], ...]" = ()
    _default_resolver = "ignore_conflicts"
    # True if a failed load raises where there is no callback for it
    _raises = False
    if TYPE_CHECKING:
        extensions: list[Extension[T]]
        """The extensions, in order."""
        excluded: dict[Extension[T], str]
        """The extensions that `choice` leaves out, with the reasons."""

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameter):
            """Make `ExtensionManager[T]`, or of another, mean something at run time."""
            return cls

    def __init__(
        self,
        namespace: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailure | None" = None,
        verify_requirements: "bool | None" = None,
        conflict_resolver: "Resolver[Any] | None" = None,
        protocol: "type | None" = None,
        lazy: "bool | None" = None,
        package: "str | None" = None,
        choice: "Choice | None" = None,
        on_failure: str = "warn",
    ) -> None:
        if verify_requirements is not None:
            from ._log import deprecated

            deprecated("verify_requirements", "it has no effect; remove it")
        if protocol is not None:
            from ._protocol import check_usable

            check_usable(protocol)
        self._configure(
            namespace,
            propagate_map_exceptions,
            on_load_failure_callback,
            conflict_resolver,
        )
        invoke = None
        if invoke_on_load:
            invoke = (tuple(invoke_args or ()), dict(invoke_kwds or {}))
        self._make = invoke, protocol
        self._package = package
        self._choice = choice
        if lazy is None:
            lazy = _cache.setting("LAZYPLUG_EAGER") != "1"
        self._lazy = lazy
        # whether chosen or not
        self._made = self._extensions(self._asked)
        self._adopt(self._chosen(self._made))
        if on_failure != "warn" or _cache.news:
            from ._faults.policy import set_policy  # deferred: seldom

            set_policy(self, on_failure)
        self._settle()

    def _configure(
        self,
        namespace: str,
        propagate_map_exceptions: bool,
        on_load_failure_callback: "OnLoadFailure | None",
        conflict_resolver: "Resolver[Any] | None",
    ) -> None:
        self.namespace = namespace
        self.propagate_map_exceptions = propagate_map_exceptions
        self._on_load_failure_callback = on_load_failure_callback
        self._conflict_resolver = conflict_resolver
        self.excluded = {}
        # what failed, by generation
        self._told: dict[int, Told] = {}

    def _adopt(self, extensions: "list[Extension[T]]") -> None:
        self.extensions = extensions
        # by name: the one that was chosen for it when it was asked for
        self._resolved: dict[str, Extension[T]] = {}
        # by name: all of them; empty until a name is asked for
        self._several: dict[str, list[Extension[T]]] = {}

    def _extensions(self, names: "Sequence[str] | None") -> "list[Extension[T]]":
        """Return the extensions of the namespace, of some names only, chosen or not."""
        new, make = Extension.__new__, self._make
        groups: Sequence[str] = (self.namespace,)
        if self.namespace[-2:] == ".*":
            from ._inventory import groups_of  # deferred: few hosts have a family

            if self._package is not None:
                raise ValueError(f"package= needs one group, not {self.namespace!r}")
            groups = groups_of(self.namespace)
        return [
            new(Extension)._fill(group, *pair, *make)
            for group in groups
            for pair in self._pairs(group, names)
            # What an interrupted pip left behind is a problem, not a plugin.
            if pair[1] is None or pair[1][2][:1] != "~"
        ]

    def _chosen(self, extensions: "list[Extension[T]]") -> "list[Extension[T]]":
        """Return those that are taken; the others are excluded."""
        setting = _cache.setting
        if (
            self._choice is not None
            or setting("LAZYPLUG_ALLOW")
            or setting("LAZYPLUG_DENY")
        ):
            from ._selection.judging import (
                chosen,  # deferred: few hosts, or users, choose
            )

            return chosen(self, extensions)
        return extensions

    def _pairs(
        self, group: str, names: "Sequence[str] | None" = None
    ) -> "list[AnyPair]":
        """Return the rows of a group, those of some names only, with owners."""
        pairs: list[AnyPair] = _cache.rows(group, names)  # type: ignore[assignment]
        if self._package is not None:
            from ._static.packages import module_pairs  # deferred: few hosts have one

            pairs = pairs + module_pairs(self._package, names)
        return pairs

    def _settle(self) -> None:
        """Judge the selection once it stands, loaded first if it is not lazy."""
        if not self._lazy:
            from ._mapping import keep_loaded

            keep_loaded(self)
        self._arrange()

    def _arrange(self, whole: bool = True) -> None:
        """Choose between the extensions, or put them in order.

        Tell what is missing, or raise, if that is the `whole` of them.
        """

    @classmethod
    def make_test_instance(
        cls,
        extensions: "Sequence[Extension[T]] | Extension[T]",
        namespace: str = "TESTING",
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailure | None" = None,
        verify_requirements: "bool | None" = None,
        *,
        conflict_resolver: "Resolver[Any] | None" = None,
    ) -> "Self":
        """Return a manager of the given extensions instead of installed ones."""
        from ._registration import of_given

        if verify_requirements is not None:
            from ._log import deprecated

            deprecated("verify_requirements", "it has no effect; remove it")
        return of_given(
            cls,
            extensions,
            namespace,
            propagate_map_exceptions,
            on_load_failure_callback,
            conflict_resolver,
        )

    # What is there: nothing below imports a plugin.

    def _named(self, name: str) -> "Extension[T] | None":
        """Return the extension of a name; None if there is none.

        Names are resolved one by one: a conflict harms no other name.
        """
        # In this order: the extension may be newer than the dictionary that caches it,
        # never older.
        known, together = self._resolved, self._several
        found = known.get(name)
        if found is None:
            if not together:
                whole: dict[str, list[Extension[T]]] = {}
                for extension in self.extensions:
                    whole.setdefault(extension.name, []).append(extension)
                # Not before it is whole: other threads look here.
                together.update(whole)
            several = together.get(name)
            if several is None:
                return None
            found = several[0]
            if len(several) > 1:
                from ._mapping import resolved  # deferred: few names stand twice

                found = resolved(self, name, several)
            known[name] = found
        return found

    def names(self) -> "list[str]":
        """Return the names of the extensions, in order."""
        return [extension.name for extension in self.extensions]

    def items(self) -> "ItemsView[str, Extension[T]]":
        """Return the names with their extensions, conflicts resolved.

        A name that several have, between which `conflict_resolver` does not decide, is
        told as a failure and left out.
        """
        from ._mapping import of_names

        names = dict.fromkeys(self.names())
        return {name: e for name, e in of_names(self, names) if e is not None}.items()

    @property
    def failures(self) -> "list[Failure]":
        """What failed so far: loads, checks, conflicts, and what is no reference.

        Imports no plugin.
        """
        from ._faults.policy import failures

        return failures(self)

    def register(
        self, name: str, plugin: "Any", group: "str | None" = None
    ) -> "Extension[T]":
        """Add an extension in code, behind the installed ones; return its handle.

        It is called, judged and chosen as they are, and stays through `refresh()`.

        :param name: its name.
        :param plugin: the plugin, or, as text, an object reference `module:attr`,
            which is imported on first touch.
        :param group: which group of a family it belongs to.

        Raises ValueError if the text is no object reference, or if the manager has no
        such name or group; ProtocolMismatch of an object that does not fit; and what
        making the manager would. It stays as it was then.
        """
        from ._registration import register

        return register(self, name, plugin, group)

    def refresh(self) -> "Changes":
        """Look again, as `lazyplug.refresh()`, and select anew from what is there.

        What came is here then, and what went is not; the handles of all others stay,
        and what is loaded stays loaded. Returns which distributions came and went.
        Imports no plugin, unless the manager was made with `lazy=False`. Raises what
        making the manager would; it stays as it was then.
        """
        from ._registration import refresh

        return refresh(self)

    def list_entry_points(self) -> "list[EntryPoint]":
        """Return all entry points of the namespace, selected or not."""
        from ._entry_point import EntryPoint
        from ._inventory import served

        return [EntryPoint._of(group, *pair) for group, pair in served(self.namespace)]

    def entry_points_names(self) -> "list[str]":
        """Return the names of all entry points of the namespace, selected or not."""
        from ._inventory import served

        return [pair[0][0] for _, pair in served(self.namespace)]

    def __iter__(self) -> "Iterator[Extension[T]]":
        return iter(self.extensions)

    def __len__(self) -> int:
        return len(self.extensions)

    def __contains__(self, name: object) -> bool:
        return any(extension.name == name for extension in self.extensions)

    def __getitem__(self, name: str) -> "Found":
        """Return the extension of a name; NoMatches, a KeyError, if there is none."""
        found = self._resolved.get(name) or self._named(name)
        if found is None:
            from ._mapping import look_again

            found = look_again(self, name)
        return found  # type: ignore[return-value]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.namespace!r}: {self.names()}>"


class ExtensionManager(Manager[T, Found]):
    """All extensions of a namespace, called one after the other."""

    __module__ = _PACKAGE

    def map(
        self, func: "Callable[Concatenate[Extension[T], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "list[U]":  # fmt: skip
        """Call `func(extension, *args, **kwds)` for each; return the answers.

        Loads the extensions. What func raises is logged and its answer left out,
        unless `propagate_map_exceptions`. Raises NoMatches if there are none.
        """
        from ._mapping import check_any, map_extensions  # deferred: it loads anyway

        check_any(self)
        return map_extensions(self, self.extensions, func, args, kwds)

    def map_method(
        self, method_name: str, /, *args: "Any", **kwds: "Any"
    ) -> "list[Any]":
        """Call a method of each extension's `.obj`, and return the answers."""
        from ._mapping import call_method

        return self.map(call_method, method_name, *args, **kwds)


class NamedExtensionManager(ExtensionManager[T, Found]):
    """The extensions of the given names.

    :param names: the names of the extensions.
    :param name_order: should they come in the order of `names`, one for each, or
        as they are installed?
    :param on_missing_entrypoints_callback: called with the set of names that are
        missing; by default they are logged. None keeps quiet.
    :param warn_on_missing_entrypoint: deprecated; pass None as
        `on_missing_entrypoints_callback` instead.
    :param options: as of Manager.
    """

    __module__ = _PACKAGE
    _names: "Sequence[str]" = ()
    _name_order = False
    _on_missing: "OnMissing | None" = None

    def __init__(
        self,
        namespace: str,
        names: "Sequence[str]",
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        name_order: bool = False,
        on_missing_entrypoints_callback: "OnMissing | None" = (
            warning_on_missing_entrypoint
        ),
        warn_on_missing_entrypoint: "bool | None" = None,
        **options: "Unpack[Options]",
    ) -> None:
        if warn_on_missing_entrypoint is not None:
            from ._log import deprecated

            deprecated(
                "warn_on_missing_entrypoint",
                "pass on_missing_entrypoints_callback=None to keep quiet",
            )
            if not warn_on_missing_entrypoint:
                on_missing_entrypoints_callback = None
        self._names = self._asked = names
        self._name_order = name_order
        self._on_missing = on_missing_entrypoints_callback
        super().__init__(namespace, invoke_on_load, invoke_args, invoke_kwds, **options)

    def _adopt(self, extensions: "list[Extension[T]]") -> None:
        super()._adopt(extensions)
        if self._asked is None:
            self._names = self.names()  # of a test instance

    def _arrange(self, whole: bool = True) -> None:
        missing = set(self._names).difference(self.names()) if whole else None
        if missing and self.excluded:
            # They are there, and not wanted.
            missing.difference_update([e.name for e in self.excluded])
        if missing and self._on_missing is not None:
            self._on_missing(missing)
        if self._name_order:
            from ._mapping import of_names  # deferred: few ask for it

            found = of_names(self, self._names)
            self.extensions = [e for _, e in found if e is not None]


class DriverManager(NamedExtensionManager[T]):
    """One name and exactly one extension.

    Raises NoMatches if no installed distribution declares the name, and what
    `conflict_resolver` raises if several do: by default MultipleMatches.

    :param name: the name of the driver.
    :param options: as of Manager. A driver that fails to load raises what
        its import raised, where it is touched; with `on_load_failure_callback`,
        NoMatches after the callback was called.
    """

    __module__ = _PACKAGE
    _default_resolver = "error_on_conflict"
    _raises = True

    def __init__(
        self,
        namespace: str,
        name: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        on_missing_entrypoints_callback: "OnMissing | None" = None,
        warn_on_missing_entrypoint: "bool | None" = None,
        **options: "Unpack[Options]",
    ) -> None:
        super().__init__(
            namespace, (name,), invoke_on_load, invoke_args, invoke_kwds,
            on_missing_entrypoints_callback=on_missing_entrypoints_callback,
            warn_on_missing_entrypoint=warn_on_missing_entrypoint, **options,
        )  # fmt: skip

    def _arrange(self, whole: bool = True) -> None:
        super()._arrange(whole)
        if not self.extensions:
            from ._mapping import no_driver

            raise no_driver(self)
        if len(self.extensions) > 1:
            from ._mapping import resolved  # deferred: few names stand twice

            self.extensions = [resolved(self, self._names[0], self.extensions)]

    @property
    def driver(self) -> "T":
        """The plugin or, with `invoke_on_load`, what its call returned.

        Imports, and calls, the plugin on first touch.
        """
        extension = self.extensions[0]
        known = extension.__dict__
        try:
            # Not by the attributes, which load `_preload` as well.
            if extension._invoke is None and extension.obj is None:
                if "plugin" not in known:
                    return extension._load()  # type: ignore[no-any-return]
                return extension.plugin
            if "obj" not in known:
                from ._calling import call  # deferred: most plugins are not called

                return call(extension)  # type: ignore[no-any-return]
            return extension.obj
        except Exception as error:
            if self._on_load_failure_callback is None:
                raise
            from ._faults.messages import failed_driver
            from ._mapping import tell

            tell(self, extension, error)
            raise failed_driver(extension) from error

    def __call__(
        self, func: "Callable[Concatenate[Extension[T], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "U | None":  # fmt: skip
        """Call `func(extension, *args, **kwds)` of the driver; None if it failed."""
        answers = self.map(func, *args, **kwds)
        return answers[0] if answers else None
