"""The plugins of a pluggy host, imported when one of their hooks is called."""

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
from .._static import facts
from .._static.source import Sources
from ._plain_hooks import PlainHooks

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from .. import Choice, Extension

    # name, positional arguments, those with a default, options of its marker
    Hook = tuple[str, list[str], list[str], dict[str, Any]]
    # the hooks of a plugin, and what it binds beside them that may be one another time;
    # False: it is imported at once
    Known = tuple[list[Hook], list[str]] | Literal[False]

# The options of a hook that are texts or flags, as pluggy's marker has them.
_OPTIONS = ("wrapper", "hookwrapper", "optionalhook", "tryfirst", "trylast", "specname")
# The overriding of these means that the host looks at plugins by itself.
_LOOKS = ("register", "parse_hookimpl_opts")
# Modules that were imported before this one may have been changed since.
_BEGAN = time.time_ns()
# The default of an argument that has one in the plugin.
_THEIRS: Any = type("_Theirs", (), {"__repr__": lambda _: "..."})()


def load_entrypoints(
    pm: PluginManager,
    group: str,
    name: str | None = None,
    *,
    lazy: bool = False,
    choice: Choice | None = None,
    on_failure: str | None = None,
) -> int:
    """Register the plugins of a group with a plugin manager; return how many.

    They are those of `PluginManager.load_setuptools_entrypoints`, under the same names,
    without those that are blocked or registered already; but they are found by the
    index, those of shadowed distributions are left out, and they come in the same order
    on every machine: by path entry, by distribution, by line.

    Each plugin is imported here, and what its import raises is raised, unless `lazy`:
    then the module of a plugin is imported when one of its hooks is first called, or
    the plugin is otherwise touched. Which hooks it has is learned when it is first
    loaded, and remembered for as long as its sources stay as they are. What
    `get_plugin` and its kin return then stands for the module: it equals it, but is
    another object, and imports it when an attribute other than `__name__` and the hooks
    is accessed. A plugin that cannot be imported then does not stop the host: it is not
    registered, or its hooks answer as if it were not.

    A plugin is imported here all the same where it could make a difference: if it is no
    module, if it has no hook, if one of its hooks depends on a condition or is not
    plainly seen in the source, or if the host warns of one or refuses it.

    :param pm: the plugin manager of the host.
    :param group: the group of the entry points.
    :param name: the name of the only plugin that is wanted; None: all.
    :param lazy: should modules be imported when they are called? Raises TypeError for
        a plugin manager that looks at plugins by itself, as pytest's.
    :param choice: which plugins are taken, decided before any is imported. None: all of
        them, but for what `LAZYPLUG_ALLOW` and `LAZYPLUG_DENY` say.
    :param on_failure: what happens if a plugin cannot be imported, here or when one of
        its hooks is called: "warn" logs it, once a process, and "ignore" does not; both
        skip the plugin. "error" raises the exception of the import. None: "warn" if
        `lazy`, else "error", as pluggy does. Entry points that are not valid references
        and broken metadata are treated as by Manager, with "warn" as its default.
    """
    if lazy:
        _refuse_to_hide_plugins_from(type(pm))
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
                plugin = _lazily(pm, extension, policy)
            else:
                plugin = _load_plugin(extension, policy)
        except _LeftOut:
            continue
        pm.register(plugin, name=extension.name)
        _add_distribution(pm, plugin, extension)
        count += 1
    return count


def _refuse_to_hide_plugins_from(manager: type[PluginManager]) -> None:
    for method in _LOOKS:
        if getattr(manager, method) is not getattr(PluginManager, method):
            raise TypeError(
                f"{manager.__module__}.{manager.__qualname__} has a {method}() of its"
                " own, which looks at each plugin when it is registered: nothing can"
                " stand for one; leave out lazy=True"
            )


class _LeftOut(Exception):
    """A plugin cannot be imported, and the host goes on without it."""


def _load_plugin(extension: Extension[Any], policy: str) -> Any:
    """Import and return a plugin.

    Raises the exception of the import if the policy is "error", else _LeftOut.
    """
    try:
        return extension.plugin
    except Exception as error:
        if policy == "error":
            raise
        if policy == "warn":
            from .._faults.messages import report_failure  # deferred: few fail

            report_failure(extension, error)
        raise _LeftOut from error


class _Distribution:
    """The distribution of an extension; opened when it is asked for anything."""

    def __init__(self, extension: Extension[Any]) -> None:
        self._extension = extension

    @cached_property
    def _opened(self) -> Any:
        from importlib.metadata import Distribution  # deferred: many never ask

        owner = self._extension._owner
        if owner is not None and isinstance(owner[1], str):
            folder = os.path.join(owner[1], owner[2])
            if os.path.isdir(folder):
                return Distribution.at(folder)
        return self._extension.dist  # it is in an archive, or of a foreign finder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)

    if not TYPE_CHECKING:

        @property
        def __class__(self):  # for isinstance
            return type(self._opened)


def _add_distribution(
    pm: PluginManager, plugin: object, extension: Extension[Any]
) -> None:
    told: Any = pm._plugin_distinfo
    dist: Any = _Distribution(extension)
    told.append((plugin, dist))
    if pm.list_plugin_distinfo()[-1][1] is dist:
        # Before 1.7, pluggy kept what it now makes when it is asked.
        from pluggy import _manager

        told[-1] = plugin, _manager.DistFacade(told[-1][1])  # type: ignore[attr-defined]


def _lazily(pm: PluginManager, extension: Extension[Any], policy: str) -> Any:
    """Return what stands for a plugin, or the plugin where nothing can."""
    if extension._module is None or extension.attr is not None:
        return _load_plugin(extension, policy)
    known = _read(facts.facts().recall(extension, _kind(pm)))
    if known is None:
        plugin = _load_plugin(extension, policy)
        if not extension.loaded:
            return plugin  # it is being imported, and has not all of its hooks yet
        known = _learn(pm, extension, _hooks(pm, plugin))
    if known:
        hooks, others = known
        seen = any(hasattr(pm.hook, name) for name in others)
        if not seen and not _is_told(pm, hooks):
            return _Plugin(pm, extension, hooks, policy)
    return _load_plugin(extension, policy)


def _kind(pm: PluginManager) -> str:
    # The marker of a hook has the project's name.
    return f"pluggy {pm.project_name}"


def _is_told(pm: PluginManager, hooks: Iterable[Hook]) -> bool:
    """Would the host warn of a hook, or refuse it? It would name the function."""
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


# What is learned.


def _read(known: Any) -> Known | None:
    """Return what was remembered of a plugin; None if it is nothing of that kind."""
    if known is False:
        return False
    try:
        hooks, others = known
        "".join(others)  # all of them are text
        found = [_read_hook(*hook) for hook in hooks]
    except (TypeError, ValueError):
        return None
    return found, [*others]


def _read_hook(
    name: str, args: list[str], kwargs: list[str], options: dict[str, Any]
) -> Hook:
    """Return a hook; ValueError or TypeError if its names cannot be those of one."""
    names = [name, *args, *kwargs]
    if not all(str.isidentifier(each) and not iskeyword(each) for each in names):
        raise ValueError(names)
    if len({*args, *kwargs}) < len(names) - 1 or tuple(options) != _OPTIONS:
        raise ValueError(names)
    return name, list(args), list(kwargs), options


def _learn(
    pm: PluginManager, extension: Extension[Any], hooks: list[Hook] | None
) -> Known:
    """Return what the source shows of the hooks of a loaded plugin; remember it."""
    known = facts.facts()
    sources = Sources(_BEGAN)
    found: Known = False
    options = {name: options for name, _, _, options in hooks or ()}
    others = PlainHooks(pm.project_name, known.search(), sources).others(
        extension.module_name, extension.plugin, options
    )
    if hooks and others is not None:
        found = hooks, others
    known.learn(extension, _kind(pm), found, sources)
    return found


def _hooks(pm: PluginManager, plugin: object) -> list[Hook] | None:
    """Return the hooks of a plugin as pluggy sees them.

    None if one is no function, or a wrapper that pluggy refuses.
    """
    found: list[Hook] = []
    for name in dir(plugin):
        said: Any = pm.parse_hookimpl_opts(plugin, name)
        if said is None:
            continue
        function = getattr(plugin, name)
        if not isinstance(function, FunctionType):
            return None
        options: Any = {option: said.get(option) or False for option in _OPTIONS}
        options["specname"] = said.get("specname")
        wraps = options["wrapper"] or options["hookwrapper"]
        if wraps and not isgeneratorfunction(function):
            return None
        seen = HookImpl(plugin, "", function, options)
        found.append((name, list(seen.argnames), list(seen.kwargnames), options))
    return found


# What stands for a plugin.


class _Plugin(ModuleType):
    # A module that is imported when it is touched. Its hooks are there before. That it
    # is so is no docstring: the module's own is asked for here.

    __slots__ = ("_extension", "_hooks", "_pm", "_policy")

    def __init__(
        self,
        pm: PluginManager,
        extension: Extension[Any],
        hooks: list[Hook],
        policy: str,
    ) -> None:
        super().__init__(extension.module_name)
        # Anything else that a module has is its own.
        for name in self.__dict__.keys() - {"__name__"}:
            del self.__dict__[name]
        for slot, value in zip(self.__slots__, (extension, hooks, pm, policy)):
            object.__setattr__(self, slot, value)
        for hook in hooks:
            self.__dict__[hook[0]] = _stand_in(self, hook, f"{pm.project_name}_impl")

    if not TYPE_CHECKING:

        @property
        def __doc__(self):
            return _load(self).__doc__

    def __dir__(self) -> Iterable[str]:
        # pluggy asks for it when a plugin is registered: too early to import it.
        loaded = self._extension.loaded
        return dir(self._extension.plugin) if loaded else super().__dir__()

    def __getattr__(self, name: str) -> Any:
        return getattr(_load(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_load(self), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(_load(self), name)

    # As the module itself: it cannot be registered twice, whichever way.

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _Plugin):
            return self.__name__ == other.__name__
        return isinstance(other, ModuleType) and other is sys.modules.get(self.__name__)

    def __hash__(self) -> int:
        return hash(self.__name__)

    def __repr__(self) -> str:
        if self._extension.loaded:
            return repr(self._extension.plugin)
        return f"<module {self.__name__!r}, to be imported when it is called>"


def _load(plugin: _Plugin, policy: str = "error") -> Any:
    """Return the module, imported if it was not; learn if it has other hooks by now."""
    extension = plugin._extension
    if extension.loaded:
        return extension.plugin
    module = _load_plugin(extension, policy)
    # It may be under way, and not have all of them yet.
    if extension.loaded and _hooks(plugin._pm, module) != plugin._hooks:
        from .._log import report  # deferred: only where there is a fault

        _learn(plugin._pm, extension, None)
        report(
            f"{plugin.__name__} has other hooks than its source shows; it is imported"
            " at once from now on"
        )
    return module


def _stand_in(plugin: _Plugin, hook: Hook, marker: str) -> Callable[..., Any]:
    """Return a function of the same arguments that calls that of the plugin."""
    name, args, kwargs, options = hook
    wraps = options["wrapper"] or options["hookwrapper"]

    def call(given: list[Any], named: dict[str, Any]) -> Any:
        try:
            module = _load(plugin, plugin._policy)
        except _LeftOut:
            return _passed_by() if wraps else None
        if not plugin._extension.loaded:
            # What its own import calls goes past a plugin: it is not registered yet.
            return _passed_by() if wraps else None
        named = {key: value for key, value in named.items() if value is not _THEIRS}
        return getattr(module, name)(*given, **named)

    # pluggy reads the names of the arguments from the code, and asks if a wrapper is a
    # generator. All names are identifiers: `_read_hook` and Python have seen to that;
    # the name of `call` is longer than any of them.
    ours = "_" * (1 + max(map(len, (name, *args, *kwargs))))
    named = ", ".join(f"{each!r}: {each}" for each in kwargs)
    gives = f"{ours}([{', '.join(args)}], {{{named}}})"
    if wraps:
        gives = f"(yield from {gives})"
    text = f"def {name}({', '.join([*args, *kwargs])}):\n    return {gives}\n"
    scope: dict[str, Any] = {ours: call}
    exec(compile(text, f"<lazy {plugin.__name__}>", "exec"), scope)  # noqa: S102
    function = scope[name]
    function.__defaults__ = (_THEIRS,) * len(kwargs)
    function.__module__ = plugin.__name__
    setattr(function, marker, options)
    return function  # type: ignore[no-any-return]


def _passed_by() -> Generator[None, Any, Any]:
    return (yield)
