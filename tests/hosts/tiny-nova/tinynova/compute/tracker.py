"""What a compute node knows of itself; monitors are given it, and ask it."""


class ResourceTracker:
    """The resources of one node.

    :param node: its name.
    """

    def __init__(self, node: str) -> None:
        self.node = node
        self.cpu_seconds = {"user": 60, "kernel": 40, "idle": 900}
        self.sensors = {"inlet": 21, "outlet": 0, "fan": 5400}
