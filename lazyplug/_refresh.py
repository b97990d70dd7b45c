"""Rescan in a long-running process, after distributions were added or removed."""

import itertools
import os
import sys

from . import _environment
from ._distribution import label
from ._indexing.reading import read_file
from ._inventory import metadata_directories
from ._log import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NamedTuple
else:
    from ._tuples import Named as NamedTuple

_PACKAGE = __package__ or ""


class Changes(NamedTuple):
    """The distributions that were added and removed, each as "name version".

    For removed ones, that is taken from the name of the metadata directory, which is
    all that is left.

    `restart_needed` has the added ones that only a `.pth` file makes importable: Python
    reads such files only when it starts.
    """

    added: "tuple[str, ...]"
    removed: "tuple[str, ...]"
    restart_needed: "tuple[str, ...]"


# A NamedTuple ignores this in the body of the class.
Changes.__module__ = _PACKAGE

# No two refreshes get the same number, not even in different threads.
_generations = itertools.count(1)
# More than the number of threads that rescan at the same time.
_MOST_TRIES = 100
_subscribers: "dict[object, Callable[[Changes], object]]" = {}


def subscribe(subscriber: "Callable[[Changes], object]") -> "Callable[[], None]":
    """Call a function after each `refresh()` that finds a change.

    :param subscriber: called with the Changes, at the end of `lazyplug.refresh()` or of
        a manager's `refresh()`, in the same thread. An exception that it raises is
        logged and does not affect other subscribers.

    Returns a function that ends the subscription.
    """
    token = object()
    _subscribers[token] = subscriber

    def unsubscribe() -> None:
        _subscribers.pop(token, None)

    return unsubscribe


def refresh() -> Changes:
    """Rescan all path entries and distributions; return the Changes.

    New managers and `entry_points()` use the new state. Loaded extensions stay as they
    are, and failed loads are tried again on the next access. Existing managers are not
    changed: they have their own `refresh()`. Imports no plugin. Logs the distributions
    that need a restart, and calls the subscribers if there are changes.
    """
    environment = _environment.current()
    is_here = environment.installation is None
    before = metadata_directories(environment)
    if is_here:
        _environment.invalidate_caches()
        _invalidate_finders()
    else:
        from ._other_environment import forget  # deferred: few look elsewhere

        forget()
    _environment.generation = next(_generations)
    after = metadata_directories(_environment.current("full"))
    added = sorted(after - before)
    restart = [
        _label(directory)
        for directory in added
        if is_here and _needs_restart(directory)
    ]
    for name in restart:
        from . import _messages as messages  # deferred: few distributions need it

        report_once(messages.RESTART_NEEDED.format(distribution=name))
    removed = sorted(before - after)
    changes = Changes(
        tuple(map(_label, added)), tuple(map(_label, removed)), tuple(restart)
    )
    if is_here and (added or removed):
        for subscriber in tuple(_subscribers.values()):
            try:
                subscriber(changes)
            except Exception as error:  # the other subscribers are still called
                from ._faults.errors import report_subscriber  # deferred: on failure

                report_subscriber(subscriber, error)
    return changes


def _invalidate_finders() -> None:
    """Invalidate the caches of finders, as importlib does, without importing it."""
    finders: list[Any] = [*sys.meta_path]
    for finder in finders:
        for _ in range(_MOST_TRIES):
            try:
                getattr(finder, "invalidate_caches", int)()
            except (ImportError, OSError):
                # Since 3.13, Python's path finder imports importlib.metadata. A process
                # that can read no more files finds no new ones either.
                pass
            except KeyError:
                # Python deletes entries of sys.path_importer_cache, which another
                # thread may have deleted meanwhile: the next try finds fewer.
                continue
            break
        else:
            finder.invalidate_caches()  # may raise: an error of the finder


def _label(directory: str) -> str:
    """Return "name version" of a distribution, read from its metadata now."""
    site, file = os.path.split(directory)
    return label(("", site, file, 0))


def _needs_restart(directory: str) -> bool:
    """Return True if a distribution has a `.pth` file that Python has not read yet."""
    site = os.path.dirname(directory)
    return any(
        _is_unread(os.path.join(site, file), site) for file in _pth_files(directory)
    )


def _lines(path: str) -> "list[str]":
    text, _, _ = read_file(path, errors="surrogateescape")
    # None: no file. An egg-info has no RECORD, and some installers write none.
    return (text or "").splitlines()


def _pth_files(directory: str) -> "Iterator[str]":
    for line in _lines(os.path.join(directory, "RECORD")):
        file = line.split(",")[0].strip('"')
        if file.endswith(".pth") and "/" not in file:
            yield file


def _is_unread(path: str, site: str) -> bool:
    for line in map(str.strip, _lines(path)):
        if line.startswith(("import ", "import\t")):
            module = line[6:].split(";")[0].split(",")[0].strip().partition(".")[0]
            if module not in sys.modules:
                return True
        elif line and not line.startswith("#"):
            directory = os.path.join(site, line)
            if os.path.isdir(directory) and directory not in sys.path:
                return True
    return False
