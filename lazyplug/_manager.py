"""Define what all managers have, and the manager of all extensions of a namespace."""

from . import _environment, _settings
from ._extension import PACKAGE, Extension

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import (
        Any,
        AnyPair,
        Callable,
        Changes,
        Choice,
        Concatenate,
        EntryPoint,
        Failure,
        FailureLog,
        Found,
        Generic,
        ItemsView,
        Iterator,
        OnLoadFailure,
        P,
        Resolver,
        Self,
        Sequence,
        T,
        U,
    )
else:
    from ._extension import Found, Generic, T


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

    __module__ = PACKAGE
    # the names that are asked for; None: all
    _asked: "Sequence[str] | None" = None
    _package: "str | None" = None
    _choice: "Choice | None" = None
    _on_failure = "warn"  # of test instances
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
        __class_getitem__ = Extension.__dict__["__class_getitem__"]

    def __init__(
        self,
        namespace: str,
        invoke_on_load: bool = False,
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailure | None" = None,
        conflict_resolver: "Resolver[Any] | None" = None,
        protocol: "type | None" = None,
        lazy: "bool | None" = None,
        package: "str | None" = None,
        choice: "Choice | None" = None,
        on_failure: str = "warn",
    ) -> None:
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
            lazy = _settings.setting("LAZYPLUG_EAGER") != "1"
        self._lazy = lazy
        # whether chosen or not
        self._made = self._extensions(self._asked)
        self._adopt(self._chosen(self._made))
        self._on_failure = on_failure
        if on_failure != "warn" or _settings.unreported:
            from ._faults.policy import set_policy  # deferred: seldom

            set_policy(self, on_failure)
        if not lazy:
            from ._mapping import keep_loaded

            keep_loaded(self)
        self._arrange()

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
        self._told: dict[int, FailureLog] = {}

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
        rows: Callable[..., Sequence[AnyPair]] = _environment.rows
        if self._package is not None:
            from ._static.packages import with_modules  # deferred: few hosts have one

            rows = with_modules(self._package)
        if self.namespace[-2:] == ".*":
            from ._inventory import groups_of  # deferred: few hosts have a family

            if self._package is not None:
                raise ValueError(f"package= needs one group, not {self.namespace!r}")
            groups = groups_of(self.namespace)
        return [
            new(Extension)._fill(group, *pair, *make)
            for group in groups
            for pair in rows(group, names)
            # What an interrupted pip left behind is a problem, not a plugin.
            if pair[1] is None or pair[1][2][:1] != "~"
        ]

    def _chosen(self, extensions: "list[Extension[T]]") -> "list[Extension[T]]":
        """Return those that are taken; the others are excluded."""
        setting = _settings.setting
        if (
            self._choice is not None
            or setting("LAZYPLUG_ALLOW")
            or setting("LAZYPLUG_DENY")
        ):
            from ._selection.judging import chosen  # deferred: few choose

            return chosen(self, extensions)
        return extensions

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
        *,
        conflict_resolver: "Resolver[Any] | None" = None,
    ) -> "Self":
        """Return a manager of the given extensions instead of installed ones."""
        from ._registration import of_given

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
        return name in [extension.name for extension in self.extensions]

    def __getitem__(self, name: str) -> "Found":
        """Return the extension of a name; NoMatches, a KeyError, if there is none."""
        found = self._resolved.get(name) or self._named(name)
        if found is None:
            from ._registration import find_new

            found = find_new(self, name)
        return found  # type: ignore[return-value]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.namespace!r}: {self.names()}>"


class ExtensionManager(Manager[T, Found]):
    """All extensions of a namespace, called one after the other."""

    __module__ = PACKAGE

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
