"""Provide the loggers under stevedore's names, by which programs configure them.

What is logged with them, and the first sentence of each error, is in stevedore's own
words, which programs compare. So these words are where they are used; all others are in
`lazyplug._messages`.

Importing logging takes 10 ms; a process that imports no manager does not import it.
"""

from logging import DEBUG, NullHandler, getLogger

__all__ = ["DEBUG", "LOG", "getLogger"]

LOG = getLogger("stevedore")
# Without a handler, Python prints warnings to standard error if a program configures no
# logging.
LOG.addHandler(NullHandler())
