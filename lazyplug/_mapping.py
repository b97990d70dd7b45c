"""What runs the plugins of a manager: loading them all, and calling them all."""

from ._exceptions import MultipleMatches
from ._faults.failure_log import failure_log
from ._faults.messages import no_matches
from ._printable import repr_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ._extension import Extension
    from ._manager import Manager


def loaded(
    manager: "Manager[Any, Any]", extensions: "Iterable[Extension[Any]]"
) -> "Iterator[Extension[Any]]":
    """Yield the extensions, each loaded; what fails is told and left out."""
    for extension in extensions:
        try:
            extension.plugin  # noqa: B018
            extension.obj  # noqa: B018
        except Exception as error:
            tell(manager, extension, error)
        else:
            yield extension


def keep_loaded(manager: "Manager[Any, Any]") -> None:
    """Load the extensions of a manager, and leave out those that fail."""
    failed = {*manager.extensions}.difference(loaded(manager, manager.extensions))
    # The host's callback may have registered other extensions meanwhile.
    manager.extensions = [each for each in manager.extensions if each not in failed]


def tell(
    manager: "Manager[Any, Any]", extension: "Extension[Any]", error: Exception
) -> None:
    """Give a failed load, or check, to the manager's callback, or log it; once.

    Raises it with the policy "error", and for a driver without a callback.
    """
    if manager._raises and manager._on_load_failure_callback is None:
        raise error
    errors = failure_log(manager).errors
    if extension not in errors:
        _say(manager, extension, error)
        errors[extension] = error
    if manager._on_failure == "error":
        raise error


def _say(
    manager: "Manager[Any, Any]", extension: "Extension[Any]", error: Exception
) -> None:
    if manager._on_load_failure_callback is not None:
        manager._on_load_failure_callback(manager, extension.entry_point, error)
    elif manager._on_failure == "warn":
        from ._faults.messages import report_failure

        report_failure(extension, error)


def resolved(
    manager: "Manager[Any, Any]", name: str, several: "list[Extension[Any]]"
) -> "Extension[Any]":
    """Return the extension that the resolver takes of those of a name."""
    resolver = manager._conflict_resolver
    if resolver is None:
        from ._selection import conflicts

        resolver = getattr(conflicts, manager._default_resolver)
    try:
        found = resolver(manager.namespace, name, several)
    except MultipleMatches as error:
        failure_log(manager).conflicts[name] = error
        raise
    if not isinstance(found, type(several[0])):
        raise TypeError(
            f"conflict_resolver returned {repr_of(found)} for {name!r}; it has to"
            " return one of the extensions that it is given"
        )
    own = f"{getattr(resolver, '__module__', '')}.".startswith(f"{__package__}.")
    if not own:
        from ._log import debug

        # Not a warning, since the host decided; our own resolvers log by themselves.
        which = f"{name!r} of {len(several)} in group {manager.namespace!r}"
        debug(f"{which} is {repr_of(found)}")
    return found


def map_extensions(
    manager: "Manager[Any, Any]",
    extensions: "Iterable[Extension[Any]]",
    func: "Callable[..., Any]",
    args: "tuple[Any, ...]",
    kwds: "dict[str, Any]",
) -> "list[Any]":
    """Call func with each of these extensions, loaded, and return the answers."""
    answers = []
    for extension in loaded(manager, extensions):
        try:
            answers.append(func(extension, *args, **kwds))
        except Exception as error:
            if manager.propagate_map_exceptions:
                raise
            from ._faults.messages import report_call

            report_call(extension, error)
    return answers


def call_method(
    extension: "Extension[Any]", method_name: str, *args: "Any", **kwds: "Any"
) -> "Any":
    """Call a method of an extension's `.obj`."""
    return getattr(extension.obj, method_name)(*args, **kwds)


def of_names(
    manager: "Manager[Any, Any]", names: "Iterable[str]"
) -> "Iterator[tuple[str, Extension[Any] | None]]":
    """Yield each name with its extension, None if there is none.

    A name that several have and none gets is told, and left out.
    """
    for name in names:
        try:
            extension = manager._named(name)
        except MultipleMatches as error:
            said = failure_log(manager).said
            if name not in said:
                # Another thread may have changed the manager since.
                several = *error.extensions, *manager._made
                _say(manager, next(e for e in several if e.name == name), error)
                said.add(name)
            if manager._on_failure == "error":
                raise
        else:
            yield name, extension


def check_any(manager: "Manager[Any, Any]") -> None:
    """Raise NoMatches if a manager has no extensions to call."""
    if not manager.extensions:
        raise no_matches(manager.namespace, None, (), manager.excluded)


def identity(extension: "Extension[Any]") -> "tuple[Any, ...]":
    """Return what makes an extension the same one when it is found again."""
    owner = extension._owner
    return extension.group, extension.name, extension.value, owner and owner[0]


def no_driver(manager: "Any") -> Exception:
    """Return the error for a driver that there is not."""
    excluded = dict(manager.excluded)
    names = [each.name for each in manager._chosen(manager._extensions(None))]
    # What was judged for this text only is not excluded from this manager.
    manager.excluded = excluded
    name = manager._names[0] if manager._names else None
    return no_matches(manager.namespace, name, names, excluded)
