"""What the virtualization driver counted."""

from tinynova.compute.monitors import base


class Monitor(base.Monitor):
    """Seconds, and the share of them that the processors worked."""

    source = "cpu.virt_driver"

    def metrics(self) -> dict[str, int]:
        """Return seconds by kind, and the work in percent."""
        seconds = self.tracker.cpu_seconds
        worked = seconds["user"] + seconds["kernel"]
        metrics = {f"cpu.{kind}.time": seconds[kind] for kind in seconds}
        return {**metrics, "cpu.percent": 100 * worked // sum(seconds.values())}
