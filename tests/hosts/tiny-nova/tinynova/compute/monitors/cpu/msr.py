"""A booby trap: a monitor for a machine that this one is not."""

raise RuntimeError("no machine with such registers: who imported this monitor?")
