"""What runs the plugins of a manager: loading them all, and calling them all."""

from . import _cache

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
    manager: "Manager[Any, Any]", extension: "Extension[Any]", error: Exception
) -> None:
    """Give a failed load, or check, to the manager's callback, or log it; once."""
    told = extension, _cache.generation
    if told in manager._told:
        return
    manager._told.add(told)
    if manager._on_load_failure_callback is not None:
        manager._on_load_failure_callback(manager, extension.entry_point, error)
    else:
        from ._report import report_failure

        report_failure(extension, error)


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


def check_any(manager: "Manager[Any, Any]") -> None:
    """Raise NoMatches if a manager has no extensions to call."""
    if not manager.extensions:
        from ._exceptions import no_matches

        raise no_matches(manager.namespace, None, ())


def look_again(manager: "Manager[Any, Any]", name: str) -> "Extension[Any]":
    """Return the extension of a name that is missing, or raise NoMatches.

    It may have come unnoticed where only folders are looked at. A manager of given
    names has had that done for all of them at once.
    """
    if manager._asked is None and _cache.current().checked == "dirs":
        came = manager._extensions((name,))
        if came:
            manager._adopt([*manager.extensions, *came])
            return manager._by_name[name]
    from ._exceptions import no_matches

    raise no_matches(manager.namespace, name, manager.names())
