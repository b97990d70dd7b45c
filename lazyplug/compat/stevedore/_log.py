"""Provide the loggers under stevedore's names, by which programs configure them.

Importing logging takes 10 ms; a process that imports no manager does not import it.
"""

from logging import DEBUG, NullHandler, getLogger

__all__ = ["DEBUG", "LOG", "getLogger"]

LOG = getLogger("stevedore")
# Without a handler, Python prints warnings to standard error if a program configures no
# logging.
LOG.addHandler(NullHandler())
