"""A protectable whose import fails: it needs what is not installed."""

raise ImportError("no glance to take images from")
