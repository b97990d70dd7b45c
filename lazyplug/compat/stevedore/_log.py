"""The loggers, which have stevedore's names: programs configure them by those.

Importing logging costs 10 ms; a process that imports no manager does without.
"""

from logging import DEBUG, NullHandler, getLogger

__all__ = ["DEBUG", "LOG", "getLogger"]

LOG = getLogger("stevedore")
# A program that sets up no logging is not told of it on its error output.
LOG.addHandler(NullHandler())
