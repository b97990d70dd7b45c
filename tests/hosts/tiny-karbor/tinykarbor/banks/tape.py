"""A booby trap: no configuration file names this bank."""

raise RuntimeError("no tape drive: who imported this bank?")
