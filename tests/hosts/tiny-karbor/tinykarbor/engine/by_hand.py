"""On stevedore, and by hand where it has nothing to offer."""

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from stevedore import DriverManager, ExtensionManager

from tinykarbor import clients


def load_plugin(namespace: str, name: str) -> Any:
    """Return the driver of that name, else the class of that dotted path."""
    try:
        return DriverManager(namespace, name).driver
    except RuntimeError as no_driver:
        module, _, attr = name.rpartition(".")
        try:
            return getattr(import_module(module), attr)
        except (ImportError, AttributeError, ValueError) as no_class:
            raise ImportError(f"{no_driver}; nor a class: {no_class}") from no_class


def extensions(
    namespace: str, on_failure: Callable[[Any, Any, Any], None]
) -> Iterable[Any]:
    """Return the extensions of a group; those that fail are logged and skipped."""
    manager: Iterable[Any] = ExtensionManager(
        namespace, invoke_on_load=True, on_load_failure_callback=on_failure
    )
    return manager


def _clients() -> dict[str, Any]:
    files = [file for directory in clients.__path__ for file in os.listdir(directory)]
    names = sorted(file.removesuffix(".py") for file in files if file.endswith(".py"))
    return {
        name: import_module(f"{clients.__name__}.{name}")
        for name in names
        if not name.startswith("_")
    }


def client_names() -> list[str]:
    """Return the names of the clients, in order."""
    return list(_clients())


def client(name: str) -> Any:
    """Return the client of that name: a module."""
    return _clients()[name]
