"""Define Manager, the base class of all managers, and ExtensionManager."""

from . import _environment, _settings
from ._extension import PACKAGE, Computed, Extension, ManagerAttributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import *


class Manager(ManagerAttributes["T", "Bool"]):
    """The extensions of a namespace, in order and by name; the base of all managers.

    Extensions are in the order of `sys.path`, then of distributions, then of lines in
    `entry_points.txt`. Creating a manager imports no plugin, nor do `names()`, `in`,
    `len`, iteration and listing: the code of a plugin runs on first access to its
    extension's `.plugin` or `.obj`, or when `map()` or a similar method needs it.
    Extensions are found, and conflicts resolved, by the metadata of distributions.

    :param namespace: the group of the entry points; or a family of groups, `myapp.*`,
        in the order of their names.
    :param invoke_on_load: if true, the plugin is called on first access to `.obj`,
        which is then the object that the call returns.
    :param invoke_args: positional arguments of that call.
    :param invoke_kwds: keyword arguments of that call.
    :param propagate_map_exceptions: if true, `map()` raises the exceptions of the
        function that it calls; otherwise it logs them and continues.
    :param on_load_failure_callback: called with the manager, the entry point and the
        exception when an extension that `map()` needs fails to load, once for each
        extension. Without a callback, the failure is logged.
    :param conflict_resolver: called with the namespace, the name and the extensions
        when a requested name is declared more than once; returns one of them. By
        default, the last one is used and the conflict is logged.
    :param protocol: a class or a runtime-checkable Protocol that a plugin (with
        `invoke_on_load`, the object that its call returns) must fit; otherwise its
        load raises ProtocolMismatch.
    :param lazy: if false, all extensions are loaded, and called, when the manager is
        created, as by stevedore, and those that fail are removed. By default true,
        unless `LAZYPLUG_EAGER` is 1. If "known", those that an earlier start loaded in
        this environment are listed, and the others are loaded at once; one that was
        listed may still fail later. With `invoke_on_load` or `protocol`, and with
        `LAZYPLUG_EAGER=1`, "known" has the effect of false.
    :param package: a package whose modules are also extensions of the namespace, after
        the installed ones: each module is a plugin with the module's name. Modules with
        a leading underscore are ignored. Neither the modules nor the package are
        imported to find them. Not allowed with a family.
    :param choice: which extensions are enabled: see Choice. None enables all that
        `LAZYPLUG_ALLOW` and `LAZYPLUG_DENY` do not filter out.
    :param facts: which facts and hints `extension.facts` and `extension.remembered`
        have: see Facts.
    :param on_failure: how to handle failed loads, entry points whose value is not a
        valid reference (expected `module:attr`), and broken metadata: "warn" logs each
        once per process; "ignore" does not; "error" raises, for the last two when the
        manager is created. In each case they are recorded in `failures` and
        `lazyplug.problems()`.
    :param skip: an exception class, or a tuple of them. A plugin raises it when it is
        imported or called, to say that it is not to be used, for example on another
        system. The plugin is skipped like one that fails, but recorded in `excluded`,
        not in `failures`, and neither reported nor raised, whatever `on_failure` is.
    :param known: the distributions that declare plugins which the host knows, by the
        names of the plugins: `{"yaml": "acme-loaders"}`. If a plugin of that name is
        missing, the error or the log says how to install it.
    :param environment: another environment, by its directory or its interpreter, which
        may be of any Python 3. The manager finds, filters and describes the extensions
        that are installed there, without running any code of that environment. Access
        to `.plugin`, and every call that would load an extension, raises ImportError;
        pass these extensions to a process of that interpreter instead.

    Raises ModuleNotFoundError if `package` does not exist; TypeError or ValueError if
    an argument is not valid; and with `on_failure="error"` also BrokenMetadata and
    InvalidEntryPoint.
    """

    __module__ = PACKAGE
    _on_failure = "warn"  # for test instances
    _default_resolver = "ignore_conflicts"
    # True if a failed load raises when there is no callback
    _raises = False
    if not TYPE_CHECKING:
        # Annotations of values would cost each start 3,000 instructions.
        _requested_names = _package = _choice = _facts = _known = None
        _registered = _skip = ()
        failures = Computed()
        # with the options of all managers
        __signature__ = Computed()
        __class_getitem__ = Extension.__dict__["__class_getitem__"]

    def __init__(
        self,
        namespace: str,
        invoke_on_load: "Bool" = False,  # type: ignore[assignment]
        invoke_args: "Sequence[Any] | None" = None,
        invoke_kwds: "dict[str, Any] | None" = None,
        *,
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailureCallback | None" = None,
        conflict_resolver: "ConflictResolver | None" = None,
        protocol: "Callable[..., T] | None" = None,
        lazy: "bool | Literal['known'] | None" = None,
        package: "str | None" = None,
        choice: "Choice | None" = None,
        facts: "Facts | None" = None,
        on_failure: "OnFailure" = "warn",
        skip: "type[Exception] | tuple[type[Exception], ...]" = (),
        known: "Mapping[str, str] | None" = None,
        environment: "str | PathLike[str] | None" = None,
    ) -> None:
        if environment is not None:
            from ._other_extensions import initialize  # deferred: few look elsewhere

            initialize(self, locals())
            return
        if protocol is not None:
            from ._protocol import check_usable  # deferred: few hosts use protocol=

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
        self._load_options = invoke, protocol
        if skip != ():
            from ._mapping import check_skip  # deferred: few plugins decline

            self._skip = check_skip(skip)
        if known:
            self._known = known
        self._package = package
        self._choice = choice
        if facts is not None:
            from ._facts import check_usable as check_facts  # deferred: as above

            check_facts(facts)
            self._facts = facts
        get_setting = _settings.get_setting
        if lazy is None:
            lazy = get_setting("LAZYPLUG_EAGER") != "1"
        self._lazy = lazy
        # all extensions, enabled or not
        self._candidates = self._extensions(self._requested_names)
        enabled = self._candidates
        if (
            choice is not None
            or get_setting("LAZYPLUG_ALLOW")
            or get_setting("LAZYPLUG_DENY")
        ):
            from ._selection.judging import apply_choice  # deferred: few filter

            enabled = apply_choice(self, enabled)
        self._set_extensions(enabled)
        self._on_failure = on_failure
        if on_failure != "warn" or _settings.unreported:
            from ._faults.policy import set_policy  # deferred: few starts need it

            set_policy(self, on_failure)
        if not lazy or lazy == "known":
            from ._mapping import keep_loaded  # deferred: few managers are eager

            keep_loaded(self)
        self._arrange()

    def _configure(
        self,
        namespace: str,
        propagate_map_exceptions: bool,
        on_load_failure_callback: "OnLoadFailureCallback | None",
        conflict_resolver: "ConflictResolver | None",
    ) -> None:
        self.namespace = namespace
        self.propagate_map_exceptions = propagate_map_exceptions
        self._on_load_failure_callback = on_load_failure_callback
        self._conflict_resolver = conflict_resolver
        self.excluded: dict[Extension[T, Bool], str] = {}
        # the failure logs, by generation
        self._failure_logs: dict[int, FailureLog] = {}

    def _set_extensions(self, extensions: "list[Extension[T, Bool]]") -> None:
        self.extensions: list[Extension[T, Bool]] = extensions
        # the extension of each name that was requested, conflicts resolved
        self._resolved: dict[str, Extension[T, Bool]] = {}
        # all extensions of each name; empty until a name is requested
        self._by_name: dict[str, list[Extension[T, Bool]]] = {}

    def _extensions(self, names: "Sequence[str] | None") -> "list[Extension[T, Bool]]":
        """Return all extensions, or those whose name is in `names`, enabled or not."""
        new, load_options = Extension.__new__, self._load_options
        groups: Sequence[str] = (self.namespace,)
        rows: Callable[..., Sequence[AnyPair]] = _environment.rows
        if self._package is not None:
            from ._static.packages import with_modules  # deferred: few hosts use it

            rows = with_modules(self._package, self.namespace)
        if self.namespace[-2:] == ".*":
            from ._inventory import groups_of  # deferred: few hosts use families

            groups = groups_of(self.namespace)
        found: list[Any] = [
            new(Extension)._fill(group, *pair, *load_options)
            for group in groups
            for pair in rows(group, names)
            # Metadata that an interrupted pip left behind is a problem, not a plugin.
            if pair[1] is None or pair[1][2][:1] != "~"
        ]
        if self._facts is not None:
            for extension in found:
                extension._facts = self._facts
        return found

    def _arrange(self, report_missing: bool = True) -> None:
        """Resolve conflicts, or sort the extensions. Subclasses override this.

        With `report_missing`, also log the names that are missing.
        """

    @classmethod
    def make_test_instance(
        cls,
        extensions: "Sequence[Extension[T, Bool]] | Extension[T, Bool]",
        namespace: str = "TESTING",
        propagate_map_exceptions: bool = False,
        on_load_failure_callback: "OnLoadFailureCallback | None" = None,
        *,
        conflict_resolver: "ConflictResolver | None" = None,
    ) -> "Self":
        """Return a manager of these extensions instead of installed ones.

        Imports no plugin.

        :param extensions: its extensions, in order, or a single one.
        :param namespace: as of Manager, like all other parameters.
        """
        from ._registration import make_test_instance  # deferred: only in tests

        return make_test_instance(
            cls,
            extensions,
            namespace,
            propagate_map_exceptions,
            on_load_failure_callback,
            conflict_resolver,
        )

    def _get(self, name: str) -> "Extension[T, Bool] | None":
        """Return the extension with a name; None if there is none. Imports no plugin.

        Names are resolved one by one: a conflict affects no other name.
        """
        # Before `self.extensions` is read: an extension may be newer than the
        # dictionary that caches it, never older.
        resolved, by_name = self._resolved, self._by_name
        found = resolved.get(name)
        if found is None:
            if not by_name:
                complete: dict[str, list[Extension[T, Bool]]] = {}
                for extension in self.extensions:
                    complete.setdefault(extension.name, []).append(extension)
                # In one step: other threads read this dictionary.
                by_name.update(complete)
            several = by_name.get(name)
            if several is None:
                return None
            found = several[0]
            if len(several) > 1:
                from ._mapping import resolve  # deferred: few names have conflicts

                found = resolve(self, name, several)
            resolved[name] = found
        return found

    def names(self) -> "list[str]":
        """Return the names of the extensions, in order. Imports no plugin."""
        return [extension.name for extension in self.extensions]

    def items(self) -> "ItemsView[str, Extension[T, Bool]]":
        """Return the names with their extensions, conflicts resolved.

        If `conflict_resolver` raises MultipleMatches for a name, that is reported as a
        failure and the name is skipped; with `on_failure="error"`, it is raised.
        Imports no plugin.
        """
        from ._mapping import resolve_names  # deferred: few hosts list items

        names = dict.fromkeys(self.names())
        return {
            name: e for name, e in resolve_names(self, names) if e is not None
        }.items()

    def objects(
        self, *, key: "Callable[[Extension[T, Bool]], Any] | None" = None
    ) -> "Mapping[str, T]":
        """Return a lazy mapping of the names to the objects that the host uses.

        The value of a name is the plugin or, with `invoke_on_load`, the object that its
        call returned. Creating the mapping imports no plugin. Access by a name, and
        `in`, load that extension. Iteration loads the extensions one by one, until the
        loop ends; `len()` loads all. Those that fail to load are reported, as by
        `map()`, and are not in the mapping. Iteration resolves conflicts as `items()`
        does.

        :param key: called with each extension to sort them for iteration, as by
            `sorted()`. By default, they are in the order of the manager.

        Access by a name raises NoMatches, a KeyError, if there is no such extension, or
        from the exception of its load; and whatever `conflict_resolver` raises. With
        `on_failure="error"`, access, `in` and iteration raise the exception itself.
        """
        from ._objects import Objects  # deferred: to load plugins

        return Objects(self, key)

    def register(
        self, name: str, plugin: "Any", group: "str | None" = None
    ) -> "Extension[T, Bool]":
        """Register an extension in code, after the installed ones; return its handle.

        It is filtered, checked and called like installed extensions, and `refresh()`
        keeps it.

        :param name: the name of the extension.
        :param plugin: the plugin; or, as a string, a `module:attr` reference, which is
            imported on first access.
        :param group: the group of the extension; required if the namespace is a family.

        Raises ValueError if the string is not a valid reference, or if the manager has
        no such name or group; TypeError if the name is not a string; ProtocolMismatch
        if the plugin does not fit; and whatever creating the manager would raise. The
        manager is then unchanged.
        """
        from ._registration import register  # deferred: few hosts register

        return register(self, name, plugin, group)

    def refresh(self) -> "Changes":
        """Rescan as `lazyplug.refresh()` does, and select the extensions again.

        New extensions are added and uninstalled ones are removed; the handles of all
        others are kept, and loaded plugins stay loaded. Returns the distributions that
        were added and removed. Imports no plugin, unless the manager was created with
        `lazy=False`. Raises whatever creating the manager would raise; the manager is
        then unchanged.
        """
        from ._registration import refresh  # deferred: few hosts refresh

        return refresh(self)

    def list_entry_points(self) -> "list[EntryPoint]":
        """Return all installed entry points of the namespace, selected or not.

        Imports no plugin.
        """
        from ._entry_point import EntryPoint  # deferred: few hosts list entry points
        from ._inventory import rows_of_namespace

        return [
            EntryPoint._of(group, *pair)
            for group, pair in rows_of_namespace(self.namespace)
        ]

    def entry_points_names(self) -> "list[str]":
        """Return the names of all installed entry points of the namespace.

        Imports no plugin.
        """
        return [entry_point.name for entry_point in self.list_entry_points()]

    def __iter__(self) -> "Iterator[Extension[T, Bool]]":
        return iter(self.extensions)

    def __len__(self) -> int:
        return len(self.extensions)

    def __contains__(self, name: object) -> bool:
        return name in [extension.name for extension in self.extensions]

    def __getitem__(self, name: str) -> "Extension[T, Bool]":
        """Return the extension with a name, conflicts resolved. Imports no plugin.

        Raises NoMatches, a KeyError, if there is none, and whatever `conflict_resolver`
        raises.
        """
        found = self._resolved.get(name) or self._get(name)
        if found is None:
            from ._registration import find_new  # deferred: only if a name is missing

            found = find_new(self, name)
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.namespace!r}: {self.names()}>"


class ExtensionManager(Manager["T", "Bool"]):
    """All extensions of a namespace, called one after the other."""

    __module__ = PACKAGE

    def map(
        self, func: "Callable[Concatenate[Extension[T, Bool], P], U]", /,
        *args: "P.args", **kwds: "P.kwargs",
    ) -> "list[U]":  # fmt: skip
        """Call `func(extension, *args, **kwds)` for each extension; return the results.

        Loads the extensions; those that fail to load are reported and skipped. An
        exception of func is logged and its result omitted, unless
        `propagate_map_exceptions` is true. Raises NoMatches if there are no extensions.
        """
        from ._mapping import check_any, map_extensions  # deferred: to load plugins

        check_any(self)
        return map_extensions(self, self.extensions, func, args, kwds)

    def map_method(
        self, method_name: str, /, *args: "Any", **kwds: "Any"
    ) -> "list[Any]":
        """Call a method of each extension's `.obj`; return the results, like `map()`.

        :param method_name: the name of the method; it gets all other arguments.

        Raises also ValueError if the manager was created without `invoke_on_load`.
        """
        from ._mapping import method_caller  # deferred: to load plugins

        return self.map(method_caller(self), method_name, *args, **kwds)
