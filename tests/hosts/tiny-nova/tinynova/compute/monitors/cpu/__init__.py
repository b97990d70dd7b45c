"""The monitors of a node's processors."""
