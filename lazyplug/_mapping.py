"""What runs the plugins of a manager: loading them all, and calling them all."""

from . import _cache
from ._exceptions import MultipleMatches, no_matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from ._manager import Extension, Manager


def loaded(
    manager: "Manager[Any, Any]", extensions: "Iterable[Extension[Any]]"
) -> "Iterator[Extension[Any]]":
    """Yield the extensions, each loaded; what fails is told and left out."""
    for extension in extensions:
        try:
            extension.plugin  # noqa: B018
            extension.obj  # noqa: B018
        except Exception as error:
            manager._tell(extension, error)
        else:
            yield extension


def tell(
    manager: "Manager[Any, Any]",
    extension: "Extension[Any]",
    error: Exception,
    name: "str | None" = None,
) -> None:
    """Give a failure to the manager's callback, or log it; once, or raise it.

    It is the extension's, or that of a name that several have.
    """
    told = extension if name is None else name, _cache.generation
    if told not in manager._told:
        manager._told[told] = error
        if manager._on_load_failure_callback is not None:
            manager._on_load_failure_callback(manager, extension.entry_point, error)
        elif manager._on_failure == "warn":
            from ._report import report_failure

            report_failure(extension, error)
    if manager._on_failure == "error":
        raise error


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
            from ._report import report_call

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
            tell(manager, error.extensions[0], error, name)
        else:
            yield name, extension


def check_any(manager: "Manager[Any, Any]") -> None:
    """Raise NoMatches if a manager has no extensions to call."""
    if not manager.extensions:
        raise no_matches(manager.namespace, None, (), manager.excluded)


def look_again(manager: "Manager[Any, Any]", name: str) -> "Extension[Any]":
    """Return the extension of a name that is missing, or raise NoMatches.

    It may have come unnoticed where only folders are looked at. A manager of given
    names has had that done for all of them at once.
    """
    if manager._asked is None and _cache.current().checked == "dirs":
        came = manager._chosen(manager._extensions((name,)))
        if came:
            manager._adopt([*manager.extensions, *came])
            found: Extension[Any] = manager[name]
            return found
    raise no_matches(manager.namespace, name, manager.names(), manager.excluded)
