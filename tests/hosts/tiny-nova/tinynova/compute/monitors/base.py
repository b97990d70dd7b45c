"""What a monitor is."""

from abc import ABC, abstractmethod
from typing import Any

from tinynova.compute.tracker import ResourceTracker


class Monitor(ABC):
    """A source of metrics; one is made for each node.

    :param tracker: what the node knows of itself.
    """

    source = ""

    def __init__(self, tracker: ResourceTracker) -> None:
        self.tracker = tracker

    @abstractmethod
    def metrics(self) -> dict[str, int]:
        """Return the metrics by their names."""

    def report(self) -> dict[str, Any]:
        """Return the metrics with their source, for the node's report."""
        return {
            "node": self.tracker.node,
            "source": self.source,
            "metrics": self.metrics(),
        }
