"""Register the plugins of a pluggy host, and import each when a hook is called."""

from __future__ import annotations

import os
import sys
import time
from functools import cached_property
from inspect import isgeneratorfunction
from keyword import iskeyword
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Literal

from pluggy import HookImpl, PluginManager

from .. import ExtensionManager
from .._static import learned

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from .. import Choice, Extension

    # the name, the arguments without and with a default, the options of the marker
    Hook = tuple[str, list[str], list[str], dict[str, Any]]
    # the hooks of a plugin, and its other names, which may be hooks in a later process;
    # False: the plugin is imported at once
    Known = tuple[list[Hook], list[str]] | Literal[False]

# The options of pluggy's marker that are texts or flags.
_OPTIONS = ("wrapper", "hookwrapper", "optionalhook", "tryfirst", "trylast", "specname")
# A host that overrides one of these inspects plugins itself.
_REGISTRATION_METHODS = ("register", "parse_hookimpl_opts")
# A source that changed after this time may differ from the imported module.
_BEGAN = time.time_ns()
# The default of a stand-in's argument, which means the default in the plugin.
_PLUGIN_DEFAULT: Any = type("_PluginDefault", (), {"__repr__": lambda _: "..."})()


def load_entrypoints(
    pm: PluginManager,
    group: str,
    name: str | None = None,
    *,
    lazy: bool = False,
    groups: Iterable[str] = (),
    choice: Choice | None = None,
    on_failure: Literal["warn", "ignore", "error"] | None = None,
) -> int:
    """Register the plugins of a group with a plugin manager; return their number.

    They are the plugins of `PluginManager.load_setuptools_entrypoints`, under the same
    names, without those that are blocked or already registered. But they are found in
    the index; plugins of shadowed distributions are skipped; and the order is the same
    on every machine: by path entry, by distribution, by line.

    Without `lazy`, each plugin is imported here. With `lazy`, the module of a plugin is
    imported when one of its hooks is first called, or on another access to the plugin.
    Its hooks are learned when it is first loaded, and remembered until its sources
    change. A stand-in is registered in place of the module, and `get_plugin` and
    similar methods return it. The stand-in is equal to the module, but is another
    object. It imports the module on access to an attribute other than `__name__` and
    the hooks. If the import fails, the host continues: the plugin is not registered, or
    its hooks answer as if it were not.

    A hook in `groups` is one to which the host passes click groups, to which plugins
    add commands. With `lazy`, it is learned which commands a plugin adds when its hook
    is first called. Later calls add lazy commands to the groups, without an import. If
    one of them is used, the plugin is imported, and its hook is called with a view of
    the group, to which it adds the command.

    Even with `lazy`, a plugin is imported here if a stand-in could make a difference:
    if the plugin is not a module, if it has no hooks, if one of its hooks depends on a
    condition or is not plain in the source, or if the host warns about a hook or
    refuses it.

    :param pm: the plugin manager of the host.
    :param group: the group of the entry points.
    :param name: the name of the only plugin to register; None: all.
    :param lazy: True to import plugins when they are first used.
    :param groups: the names of the hooks that add commands to groups; see
        docs/pluggy.md. Without `lazy`, it has no effect.
    :param choice: which plugins are enabled, decided before any is imported. None: all,
        except those that `LAZYPLUG_ALLOW` and `LAZYPLUG_DENY` exclude.
    :param on_failure: what happens if a plugin cannot be imported, here or when one of
        its hooks is called. "warn" skips the plugin and logs that once per process;
        "ignore" skips it; "error" raises the exception of the import. None: "warn" if
        `lazy`, else "error", as pluggy does. Entry points that are not valid references
        and broken metadata are handled as by Manager, with "warn" as the default.

    Raises TypeError if `lazy` is true and the plugin manager inspects plugins itself,
    as that of pytest does; or if `groups` is a text. Raises ValueError if it names a
    hook that the host does not have.
    """
    fills = _check_groups(pm, groups)
    if lazy:
        _check_manager(type(pm))
    manager = ExtensionManager[Any](
        group, choice=choice, on_failure=on_failure or "warn"
    )
    policy = on_failure or ("warn" if lazy else "error")
    count = 0
    for extension in manager:
        if name not in {None, extension.name}:
            continue
        if pm.has_plugin(extension.name) or pm.is_blocked(extension.name):
            continue
        try:
            if lazy:
                plugin = _make_plugin(pm, extension, fills, policy)
            else:
                plugin = _load_plugin(extension, policy)
        except _PluginSkipped:
            continue
        pm.register(plugin, name=extension.name)
        _add_distribution(pm, plugin, extension)
        count += 1
    return count


def _check_manager(manager: type[PluginManager]) -> None:
    for method in _REGISTRATION_METHODS:
        if getattr(manager, method) is not getattr(PluginManager, method):
            from .. import _messages as messages  # deferred: only on failure

            name = f"{manager.__module__}.{manager.__qualname__}"
            text = messages.INSPECTS_PLUGINS.format(manager=name, method=method)
            raise TypeError(text)


def _check_groups(pm: PluginManager, groups: Iterable[str]) -> frozenset[str]:
    """Return the names of hooks as a set. Raises TypeError or ValueError."""
    if isinstance(groups, str):
        from .. import _messages as messages  # deferred: only on failure

        text = messages.NOT_VALID.format(
            value=repr(groups), what="groups argument", expected=messages.HOOK_NAMES
        )
        raise TypeError(text)
    names = frozenset(groups)
    for name in names:
        if not hasattr(pm.hook, name):
            # deferred: only on failure
            from .. import _messages as messages
            from .._faults.errors import did_you_mean, near_misses

            near = did_you_mean(near_misses(name, vars(pm.hook)))
            raise ValueError(messages.NO_HOOK.format(name=name) + near)
    return names


class _PluginSkipped(Exception):
    """A plugin cannot be imported, and the host continues without it."""


def _load_plugin(extension: Extension[Any], policy: str) -> Any:
    """Import and return a plugin.

    Raises the exception of the import if the policy is "error", else _PluginSkipped.
    """
    try:
        return extension.plugin
    except Exception as error:
        if policy == "error":
            raise
        if policy == "warn":
            from .._faults.errors import report_failure  # deferred: few fail

            report_failure(extension, error)
        raise _PluginSkipped from error


class _Distribution:
    """The distribution of an extension, opened on first access."""

    def __init__(self, extension: Extension[Any]) -> None:
        self._extension = extension

    @cached_property
    def _opened(self) -> Any:
        from importlib.metadata import Distribution  # deferred: many never ask

        owner = self._extension._owner
        if owner is not None and isinstance(owner[1], str):
            directory = os.path.join(owner[1], owner[2])
            if os.path.isdir(directory):
                return Distribution.at(directory)
        return self._extension.dist  # in an archive, or from a third-party finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)

    if not TYPE_CHECKING:

        @property
        def __class__(self):  # for isinstance
            return type(self._opened)


def _add_distribution(
    pm: PluginManager, plugin: object, extension: Extension[Any]
) -> None:
    distinfo: Any = pm._plugin_distinfo
    dist: Any = _Distribution(extension)
    distinfo.append((plugin, dist))
    if pm.list_plugin_distinfo()[-1][1] is dist:
        # Before 1.7, pluggy stored the facade that it now makes on access.
        from pluggy import _manager  # deferred: only for these versions

        distinfo[-1] = plugin, _manager.DistFacade(distinfo[-1][1])  # type: ignore[attr-defined]


def _make_plugin(
    pm: PluginManager, extension: Extension[Any], fills: frozenset[str], policy: str
) -> Any:
    """Return a stand-in for a plugin, or the plugin if no stand-in is possible."""
    if extension._module is None or extension.attr is not None:
        return _load_plugin(extension, policy)
    known = _decode(learned.learned_facts().recall(extension, _kind(pm)))
    if known is None:
        plugin = _load_plugin(extension, policy)
        if not extension.loaded:
            return plugin  # it is still being imported, and may lack hooks
        known = _learn(pm, extension, _hooks(pm, plugin))
    if known:
        hooks, others = known
        seen = any(hasattr(pm.hook, name) for name in others)
        if not seen and not _would_warn(pm, hooks):
            return _Plugin(pm, extension, hooks, fills, policy)
    return _load_plugin(extension, policy)


def _kind(pm: PluginManager, hook: str = "") -> str:
    # Each project has its own marker.
    return " ".join(filter(None, (learned.HOOKS, pm.project_name, hook)))


def _would_warn(pm: PluginManager, hooks: Iterable[Hook]) -> bool:
    """Return True if the host would warn about a hook, or refuse it.

    The message would name the function of the stand-in.
    """
    for name, args, kwargs, options in hooks:
        spec = getattr(
            getattr(pm.hook, options["specname"] or name, None), "spec", None
        )
        if spec is not None and (
            spec.warn_on_impl
            or {*args, *kwargs} & {*(spec.warn_on_impl_args or ())}
            or {*args} - {*spec.argnames, *spec.kwargnames}
        ):
            return True
    return False


# The learned facts.


def _decode(known: Any) -> Known | None:
    """Return the remembered hooks of a plugin; None if they are not valid."""
    if known is False:
        return False
    try:
        hooks, others = known
        "".join(others)  # raises TypeError if one is not a string
        found = [_read_hook(*hook) for hook in hooks]
    except (TypeError, ValueError):
        return None
    return found, [*others]


def _read_hook(
    name: str, args: list[str], kwargs: list[str], options: dict[str, Any]
) -> Hook:
    """Return a hook. Raises ValueError or TypeError if its names are not valid."""
    names = [name, *args, *kwargs]
    if not all(str.isidentifier(each) and not iskeyword(each) for each in names):
        raise ValueError(names)
    if len({*args, *kwargs}) < len(names) - 1 or tuple(options) != _OPTIONS:
        raise ValueError(names)
    return name, list(args), list(kwargs), options


def _learn(
    pm: PluginManager, extension: Extension[Any], hooks: list[Hook] | None
) -> Known:
    """Remember and return what the source shows about the hooks of a loaded plugin."""
    # deferred: they import ast, and most plugins are known
    from .._static.learning import learn
    from .._static.source import Sources
    from ._plain_hooks import PlainHooks

    known = learned.learned_facts()
    sources = Sources(_BEGAN)
    found: Known = False
    options = {name: options for name, _, _, options in hooks or ()}
    others = PlainHooks(pm.project_name, known.search(), sources).other_names(
        extension.module_name, extension.plugin, options
    )
    if hooks and others is not None:
        found = hooks, others
    learn(known, extension, _kind(pm), found, sources)
    return found


def _hooks(pm: PluginManager, plugin: object) -> list[Hook] | None:
    """Return the hooks of a plugin as pluggy sees them.

    None if one is not a function, or is a wrapper that pluggy refuses.
    """
    found: list[Hook] = []
    for name in dir(plugin):
        opts: Any = pm.parse_hookimpl_opts(plugin, name)
        if opts is None:
            continue
        function = getattr(plugin, name)
        if not isinstance(function, FunctionType):
            return None
        options: Any = {option: opts.get(option) or False for option in _OPTIONS}
        options["specname"] = opts.get("specname")
        wraps = options["wrapper"] or options["hookwrapper"]
        if wraps and not isgeneratorfunction(function):
            return None
        seen = HookImpl(plugin, "", function, options)
        found.append((name, list(seen.argnames), list(seen.kwargnames), options))
    return found


# The stand-in.


class _Plugin(ModuleType):
    # A stand-in for a module. It has the hooks of the module, and imports the module on
    # access to anything else. This is not a docstring: `__doc__` is that of the module.

    __slots__ = ("_extension", "_fills", "_hooks", "_pm", "_policy")

    def __init__(
        self,
        pm: PluginManager,
        extension: Extension[Any],
        hooks: list[Hook],
        fills: frozenset[str],
        policy: str,
    ) -> None:
        super().__init__(extension.module_name)
        # `__getattr__` gets all other attributes from the module itself.
        for name in self.__dict__.keys() - {"__name__"}:
            del self.__dict__[name]
        for slot, value in zip(self.__slots__, (extension, fills, hooks, pm, policy)):
            object.__setattr__(self, slot, value)
        for hook in hooks:
            self.__dict__[hook[0]] = _stand_in(self, hook, f"{pm.project_name}_impl")

    if not TYPE_CHECKING:

        @property
        def __doc__(self):
            return _load(self).__doc__

    def __dir__(self) -> Iterable[str]:
        # pluggy calls it when a plugin is registered, which must not import the module.
        loaded = self._extension.loaded
        return dir(self._extension.plugin) if loaded else super().__dir__()

    def __getattr__(self, name: str) -> Any:
        return getattr(_load(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_load(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_load(self), name)

    # It equals the module, so that pluggy refuses to register the module as well.

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Plugin):
            return self.__name__ == other.__name__
        return isinstance(other, ModuleType) and other is sys.modules.get(self.__name__)

    def __hash__(self) -> int:
        return hash(self.__name__)

    def __repr__(self) -> str:
        if self._extension.loaded:
            return repr(self._extension.plugin)
        return f"<module {self.__name__!r}, not imported yet>"


def _load(plugin: _Plugin, policy: str = "error") -> Any:
    """Return the module of a stand-in; import it, and check its hooks, if needed."""
    extension = plugin._extension
    if extension.loaded:
        return extension.plugin
    module = _load_plugin(extension, policy)
    # A module that is still being imported may lack hooks.
    if extension.loaded and _hooks(plugin._pm, module) != plugin._hooks:
        from .. import _messages as messages  # deferred: only on failure
        from .._log import report

        _learn(plugin._pm, extension, None)
        report(messages.OTHER_HOOKS.format(plugin=plugin.__name__))
    return module


def _stand_in(plugin: _Plugin, hook: Hook, marker: str) -> Callable[..., Any]:
    """Return a function with the arguments of a hook that calls the plugin's own."""
    name, args, kwargs, options = hook
    wraps = options["wrapper"] or options["hookwrapper"]
    fills = not wraps and (options["specname"] or name) in plugin._fills

    def load(policy: str = "error") -> Callable[..., Any]:
        module = _load(plugin, policy)
        if not plugin._extension.loaded:
            # A hook that the import of the plugin calls skips the plugin: pluggy
            # registers a plugin only after its import.
            raise _PluginSkipped
        return getattr(module, name)  # type: ignore[no-any-return]

    def call(positional: list[Any], keywords: dict[str, Any]) -> Any:
        passed = {
            key: value
            for key, value in keywords.items()
            if value is not _PLUGIN_DEFAULT
        }
        filling = None
        if fills and "click" in sys.modules:
            from ._filled_groups import Hook, HookCall  # deferred: few hosts have it

            of_plugin = Hook(plugin._extension, _kind(plugin._pm, name), name, load)
            filling = HookCall(of_plugin, dict(zip(args, positional)), passed)
            if not plugin._extension.loaded and filling.add_lazily():
                return None
        try:
            function = load(plugin._policy)
        except _PluginSkipped:
            return _pass_through() if wraps else None
        if filling is not None:
            return filling.run(function)
        return function(*positional, **passed)

    # pluggy reads the names of the arguments from the code object, and checks that a
    # wrapper is a generator function. All names are identifiers, as Python and
    # `_read_hook` ensure; the name of `call` is longer than any of them.
    call_name = "_" * (1 + max(map(len, (name, *args, *kwargs))))
    items = ", ".join(f"{each!r}: {each}" for each in kwargs)
    expression = f"{call_name}([{', '.join(args)}], {{{items}}})"
    if wraps:
        expression = f"(yield from {expression})"
    text = f"def {name}({', '.join([*args, *kwargs])}):\n    return {expression}\n"
    scope: dict[str, Any] = {call_name: call}
    exec(compile(text, f"<lazy {plugin.__name__}>", "exec"), scope)  # noqa: S102
    function = scope[name]
    function.__defaults__ = (_PLUGIN_DEFAULT,) * len(kwargs)
    function.__module__ = plugin.__name__
    setattr(function, marker, options)
    return function  # type: ignore[no-any-return]


def _pass_through() -> Generator[None, Any, Any]:
    return (yield)
