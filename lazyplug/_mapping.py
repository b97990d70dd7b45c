"""Load the extensions of a manager, resolve their names, and call them."""

from . import _settings
from ._exceptions import MultipleMatches
from ._faults.failure_log import failure_log
from ._printable import repr_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ._extension import Extension
    from ._manager import Manager


def load_each(
    manager: "Manager[Any]", extensions: "Iterable[Extension[Any]]"
) -> "Iterator[Extension[Any]]":
    """Load and yield extensions; report and skip those that fail."""
    for extension in extensions:
        try:
            extension.plugin  # noqa: B018
            extension.obj  # noqa: B018
        except Exception as error:
            report_load_failure(manager, extension, error)
        else:
            yield extension


def check_skip(skip: "Any") -> "Any":
    """Return the exceptions of `skip=`; raise TypeError for anything else."""
    kinds = skip if isinstance(skip, tuple) else (skip,)
    if all(isinstance(kind, type) and issubclass(kind, Exception) for kind in kinds):
        return skip
    from . import _messages as messages  # deferred: only on failure

    raise TypeError(
        messages.NOT_VALID.format(
            value=repr_of(skip), what="skip", expected=messages.EXCEPTION_CLASSES
        )
    )


def loads_at_creation(manager: "Manager[Any]") -> bool:
    """Return True if a manager loads extensions when it is created or refreshed."""
    return not manager._lazy or manager._lazy == "known"


def keep_loaded(manager: "Manager[Any]") -> None:
    """Load the extensions of a manager, and remove those that fail.

    With `lazy="known"`, those that are known to load are not loaded.
    """
    extensions = dict.fromkeys(manager.extensions)
    if manager._lazy == "known" and _may_list(manager):
        from ._static.known_loads import KnownLoads  # deferred: only with that option

        known = KnownLoads(extensions)
        for extension in manager.extensions:
            if extension in known:
                del extensions[extension]
                extension._outcomes["known"] = True
        loaded = []
        for extension in load_each(manager, extensions):
            loaded.append(extension)
            known.remember(extension)
    else:
        loaded = [*load_each(manager, extensions)]
    failed = extensions.keys() - loaded
    # The host's callback may have registered other extensions in the meantime.
    manager.extensions = [each for each in manager.extensions if each not in failed]


def _may_list(manager: "Manager[Any]") -> bool:
    """Return True if a manager may list extensions that are known to load.

    Not if it calls them, since a call depends on its arguments, or checks that they fit
    a protocol.
    """
    is_eager = _settings.get_setting("LAZYPLUG_EAGER") == "1"
    return manager._load_options == (None, None) and not is_eager


def object_of(extension: "Extension[Any]") -> "Any":
    """Return the plugin or, if it is called, the object that its call returned."""
    if extension._invoke is None and extension.obj is None:
        return extension.plugin
    return extension.obj


def report_load_failure(
    manager: "Manager[Any]", extension: "Extension[Any]", error: Exception
) -> None:
    """Pass a failed load or check to the manager's callback, or log it, once.

    An exception by which a plugin declines is recorded in `excluded` instead. Raises
    the error with the policy "error", and for a driver without a callback.
    """
    if manager._raises and manager._on_load_failure_callback is None:
        raise error
    if issubclass(type(error), manager._skip):
        if extension not in manager.excluded:
            from ._faults.errors import skipped  # deferred: few plugins decline

            manager.excluded[extension] = skipped(extension, error)
        return
    errors = failure_log(manager).errors
    if extension not in errors:
        _report(manager, extension, error)
        errors[extension] = error
    if manager._on_failure == "error":
        raise error


def _report(
    manager: "Manager[Any]", extension: "Extension[Any]", error: Exception
) -> None:
    if manager._on_load_failure_callback is not None:
        manager._on_load_failure_callback(manager, extension.entry_point, error)
    elif manager._on_failure == "warn":
        from ._faults.errors import report_failure  # deferred: only on failure

        report_failure(extension, error)


def resolve(
    manager: "Manager[Any]", name: str, several: "list[Extension[Any, Any]]"
) -> "Extension[Any, Any]":
    """Return the extension that the manager's resolver selects for a name.

    Raises whatever the resolver raises; TypeError if it does not return an extension.
    """
    resolver = manager._conflict_resolver
    if resolver is None:
        from ._selection import conflicts  # deferred: the host may have a resolver

        resolver = getattr(conflicts, manager._default_resolver)
    try:
        found = resolver(manager.namespace, name, several)
    except MultipleMatches as error:
        failure_log(manager).conflicts[name] = error
        raise
    # The extensions of another environment have another class.
    if not any(isinstance(found, type(each)) for each in several):
        from . import _messages as messages  # deferred: only on failure

        raise TypeError(
            messages.RESOLVER_RETURNED.format(found=repr_of(found), name=name)
        )
    if not is_own(resolver):
        from . import _messages as messages  # deferred: few hosts have a resolver
        from ._log import debug

        # Not a warning: the host decided. The resolvers of lazyplug log themselves.
        debug(
            messages.RESOLVER_CHOSE.format(
                found=repr_of(found),
                name=name,
                count=len(several),
                namespace=manager.namespace,
            )
        )
    return found


def is_own(function: "Any") -> bool:
    """Return True if lazyplug defines a function, and not the host."""
    return f"{getattr(function, '__module__', '')}.".startswith(f"{__package__}.")


def map_extensions(
    manager: "Manager[Any]",
    extensions: "Iterable[Extension[Any]]",
    func: "Callable[..., Any]",
    args: "tuple[Any, ...]",
    kwds: "dict[str, Any]",
) -> "list[Any]":
    """Call func with each of these extensions, loaded, and return the results."""
    results = []
    for extension in load_each(manager, extensions):
        try:
            results.append(func(extension, *args, **kwds))
        except Exception as error:
            if manager.propagate_map_exceptions:
                raise
            from ._faults.errors import report_call  # deferred: only on failure

            report_call(extension, error)
    return results


def method_caller(manager: "Manager[Any]") -> "Callable[..., Any]":
    """Return the function by which `map()` calls a method of each extension's `.obj`.

    Raises ValueError if no extension has an `.obj`: the manager calls no plugin.
    """
    extensions = manager.extensions
    if extensions and all(e._invoke is None and e.obj is None for e in extensions):
        from . import _messages as messages  # deferred: only on failure

        raise ValueError(messages.NOTHING_CALLED.format(namespace=manager.namespace))
    return _call_method


def _call_method(
    extension: "Extension[Any]", method_name: str, *args: "Any", **kwds: "Any"
) -> "Any":
    return getattr(extension.obj, method_name)(*args, **kwds)


def resolve_names(
    manager: "Manager[Any]", names: "Iterable[str]"
) -> "Iterator[tuple[str, Extension[Any, Any] | None]]":
    """Yield each name with its extension, or None if there is none.

    A name is reported and skipped if its conflict is not resolved.
    """
    for name in names:
        try:
            extension = manager._get(name)
        except MultipleMatches as error:
            reported = failure_log(manager).reported
            if name not in reported:
                # Another thread may have changed the manager since.
                several = *error.extensions, *manager._candidates
                _report(manager, next(e for e in several if e.name == name), error)
                reported.add(name)
            if manager._on_failure == "error":
                raise
        else:
            yield name, extension


def check_any(manager: "Manager[Any]") -> None:
    """Raise NoMatches if a manager has no extensions to call."""
    if not manager.extensions:
        raise nothing_found(manager)


def identity(extension: "Extension[Any]") -> "tuple[Any, ...]":
    """Return the key by which a rescan recognizes an extension."""
    owner = extension._owner
    return extension.group, extension.name, extension.value, owner and owner[0]


def nothing_found(manager: "Any") -> Exception:
    """Return the error for a manager without extensions."""
    # deferred: only on failure
    from ._faults.errors import no_matches
    from ._selection.judging import apply_choice

    excluded = dict(manager.excluded)
    names = [each.name for each in apply_choice(manager, manager._extensions(None))]
    # Restored, since the choice was applied to other names only for this message.
    manager.excluded = excluded
    requested = manager._requested_names
    if requested is not None and not requested:
        names = []  # they are not missed
    name = requested[0] if requested else None
    return no_matches(manager.namespace, name, names, excluded, manager._known)
