"""On lazyplug."""

from collections.abc import Callable, Iterable
from typing import Any

from lazyplug import ExtensionManager, load

CLIENTS = f"{__package__.rpartition('.')[0]}.clients"

load_plugin = load


def extensions(
    namespace: str, on_failure: Callable[[Any, Any, Any], None]
) -> Iterable[Any]:
    """Return the extensions of a group; those that fail are logged and skipped."""
    return ExtensionManager[Any](
        namespace,
        invoke_on_load=True,
        on_load_failure_callback=on_failure,
        lazy=False,
    )


def _clients() -> ExtensionManager[Any]:
    return ExtensionManager(CLIENTS, package=CLIENTS)


def client_names() -> list[str]:
    """Return the names of the clients, in order."""
    return _clients().names()


def client(name: str) -> Any:
    """Return the client of that name: a module."""
    return _clients()[name].plugin
