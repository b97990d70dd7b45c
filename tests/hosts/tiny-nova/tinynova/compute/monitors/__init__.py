"""Which monitors there are, and which of them a node runs."""

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tinynova.compute.tracker import ResourceTracker
from tinynova.engine import (
    DriverManager,
    EnabledExtensionManager,
    ExtensionManager,
    NamedExtensionManager,
)

if TYPE_CHECKING:
    from lazyplug import Extension

    from .base import Monitor

NAMESPACE = "tinynova.compute.monitors."
# What a monitor can watch; each has a group of its own.
TYPES = ("cpu", "ipmi")


class MonitorHandler:
    """The monitors that are enabled, at most one of a type.

    :param tracker: what the node knows of itself.
    :param enabled: types and names, such as "cpu.virt_driver".
    """

    def __init__(self, tracker: ResourceTracker, enabled: Collection[str]) -> None:
        self.enabled = enabled
        self.chosen: dict[str, str] = {}
        self.monitors: list[Monitor] = []
        for kind in TYPES:
            manager: EnabledExtensionManager[Monitor, Literal[True]]
            manager = EnabledExtensionManager(
                namespace=NAMESPACE + kind,
                check_func=self.check_enabled,
                invoke_on_load=True,
                invoke_args=(tracker,),
            )
            self.monitors += [extension.obj for extension in manager]

    def check_enabled(self, extension: "Extension[Monitor]") -> bool:
        """Is it enabled, and the first of its type? Two would count the same twice."""
        kind = extension.entry_point.group.removeprefix(NAMESPACE)
        if kind in self.chosen or f"{kind}.{extension.name}" not in self.enabled:
            return False
        self.chosen[kind] = extension.name
        return True


def one(tracker: ResourceTracker, kind: str, name: str) -> "Monitor":
    """Return the monitor of that type and name."""
    manager: DriverManager[Monitor] = DriverManager(
        NAMESPACE + kind, name, invoke_on_load=True, invoke_args=(tracker,)
    )
    return manager.driver


def in_order(
    tracker: ResourceTracker,
    kind: str,
    names: Sequence[str],
    on_missing: Callable[[set[str]], object],
) -> "list[Monitor]":
    """Return the monitors of these names, in their order."""
    manager: NamedExtensionManager[Monitor, Literal[True]] = NamedExtensionManager(
        NAMESPACE + kind,
        names,
        invoke_on_load=True,
        invoke_args=(tracker,),
        name_order=True,
        on_missing_entrypoints_callback=on_missing,
    )
    return [extension.obj for extension in manager]


def reports_of_all(
    tracker: ResourceTracker, on_failure: Callable[[Any, Any, Any], None]
) -> list[dict[str, Any]]:
    """Return what every monitor reports that there is, those left out that fail."""
    reports = []
    for kind in TYPES:
        manager: ExtensionManager[Monitor] = ExtensionManager(
            NAMESPACE + kind,
            invoke_on_load=True,
            invoke_args=(tracker,),
            on_load_failure_callback=on_failure,
        )
        reports += manager.map_method("report")
    return reports
