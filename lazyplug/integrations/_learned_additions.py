"""Call a hook that adds commands to groups, and learn which."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click
import click.decorators

from .. import _messages as messages
from .._static.learned import learned_facts
from .._static.learning import learn
from .._static.source import Sources
from ._lazy_commands import LazyCommand
from ._plain_additions import NotPlain, PlainAdditions
from ._watched_groups import WatchedGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._filled_groups import Filled, HookCall

# For how many calls with different groups it is remembered what a hook adds.
_MAX_CALLS = 8
# A source that changed after this time may differ from the imported module.
_BEGAN = time.time_ns()


def learn_additions(call: HookCall, function: Callable[..., Any]) -> Any:
    """Call a hook, and learn what it adds, or why that cannot be remembered.

    Raises what the hook raises; then nothing is learned.
    """
    sources = _sources(call)
    try:
        plain = _plain(call, sources)
        watched = {name: WatchedGroup(each) for name, each in call.groups.items()}
    except NotPlain as reason:
        # It is called as pluggy calls it: it may do anything with the groups.
        result = call.call(function)
        _learn(call, str(reason), sources)
        return result
    except RecursionError:  # called near the recursion limit
        return call.call(function)
    result = call.call(function, watched)
    try:
        for param, each in watched.items():
            if each.fault or each.is_changed():
                raise NotPlain(each.fault or messages.CHANGES_GROUP)
            _check_import(call, each)
            for name, command in each.added.items():
                plain.check(param, name, command)
        if plain.does_more and not any(each.added for each in watched.values()):
            # No command would ever be used, so it would never be called.
            raise NotPlain(messages.ADDS_NOTHING)
        known = call.recall()
        others = known[1 - _MAX_CALLS :] if isinstance(known, list) else []
        _learn(call, [*others, _filled(call, watched)], sources)
    except NotPlain as reason:
        _learn(call, str(reason), sources)
    except RecursionError:
        pass  # as above
    return result


def forget_additions(call: HookCall) -> None:
    """Remember that a hook has added other commands than its source shows."""
    from .._faults.origin import origin  # deferred: only on failure
    from .._log import report_once

    text = messages.NOT_LAZY_ANY_MORE.format(
        extension=origin(call.hook.extension),
        hook=call.hook.name,
        reason=messages.ADDS_OTHER_COMMANDS,
    )
    report_once(text)
    sources = _sources(call)
    try:
        _plain(call, sources)
    except NotPlain:
        pass  # the sources are known
    except RecursionError:
        return  # as above
    _learn(call, messages.ADDS_OTHER_COMMANDS, sources)


def _plain(call: HookCall, sources: Sources) -> PlainAdditions:
    module = call.hook.extension.module_name
    search = learned_facts().search()
    return PlainAdditions(module, call.hook.name, call.groups, search, sources)


def _sources(call: HookCall) -> Sources:
    """Return the sources of the classes of the groups, and of click's decorators.

    They decide what a group makes of a function.
    """
    sources = Sources(_BEGAN)
    kinds = [kind for group in call.groups.values() for kind in type(group).__mro__]
    for name in (click.decorators.__name__, *(kind.__module__ for kind in kinds)):
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str):
            sources.files[file] = True
    return sources


def _learn(call: HookCall, answer: Any, sources: Sources) -> None:
    learn(learned_facts(), call.hook.extension, call.hook.kind, answer, sources)


def _filled(call: HookCall, watched: dict[str, WatchedGroup]) -> list[Filled]:
    return [
        [
            param,
            call.classes[param],
            call.before[param] if each.reads_names else None,
            each.facts(),
        ]
        for param, each in watched.items()
    ]


def _check_import(call: HookCall, watched: WatchedGroup) -> None:
    """Check that the import of the plugin has not added commands itself.

    They may be of any module of its package, unless the group is of that package, too.
    """
    module = call.hook.extension.module_name
    package = module.rpartition(".")[0] or module
    if _is_in(watched.group, package):
        package = module
    for name, command in watched.commands.items():
        if (
            name not in watched.added
            and type(command) is not LazyCommand
            and id(command) not in call.added
            and _is_in(command, package)
        ):
            raise NotPlain(messages.ADDS_AT_IMPORT.format(name=name))


def _is_in(command: click.Command, package: str) -> bool:
    home = getattr(getattr(command, "callback", None), "__module__", None)
    return isinstance(home, str) and f"{home}.".startswith(f"{package}.")
