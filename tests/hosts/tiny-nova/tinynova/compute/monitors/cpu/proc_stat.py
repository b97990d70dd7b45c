"""What the kernel counted."""

from tinynova.compute.monitors import base


class Monitor(base.Monitor):
    """Ticks, of which there are a hundred in a second."""

    source = "cpu.proc_stat"

    def metrics(self) -> dict[str, int]:
        """Return ticks by kind."""
        seconds = self.tracker.cpu_seconds
        return {f"cpu.{kind}.ticks": 100 * seconds[kind] for kind in seconds}
