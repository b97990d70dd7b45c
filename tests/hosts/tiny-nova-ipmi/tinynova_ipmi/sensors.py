"""Temperatures and fans."""

from tinynova.compute.monitors import base


class Monitor(base.Monitor):
    """What the sensors show."""

    source = "ipmi.sensors"

    def metrics(self) -> dict[str, int]:
        """Return each sensor that shows anything."""
        sensors = self.tracker.sensors
        return {f"ipmi.{name}": sensors[name] for name in sensors if sensors[name]}
