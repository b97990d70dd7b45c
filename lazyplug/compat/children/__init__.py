"""A directory for PYTHONPATH: child processes that import stevedore get the drop-in."""
