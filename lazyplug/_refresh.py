"""Looking again, in a process that goes on while distributions come and go."""

import itertools
import os
import sys

from . import _environment
from ._distribution import label
from ._faults.messages import report_subscriber
from ._indexing.reading import read
from ._inventory import metadata_folders
from ._log import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NamedTuple
else:
    from ._tuples import Named as NamedTuple

_PACKAGE = __package__ or ""


class Changes(NamedTuple):
    """What came and went since this process looked last, as "name version".

    Of what went these are read off the name of its metadata folder, which is all that
    is left of it.

    `restart_needed` are those that came, but which only a `.pth` file makes
    importable: Python reads those when it starts.
    """

    added: "tuple[str, ...]"
    removed: "tuple[str, ...]"
    restart_needed: "tuple[str, ...]"


# A NamedTuple takes no notice of it in its body.
Changes.__module__ = _PACKAGE

# No two refreshes get the same number, in any threads.
_generations = itertools.count(1)
# Few threads rescan at the same time.
_MOST_TRIES = 100
_subscribers: "dict[object, Callable[[Changes], object]]" = {}


def subscribe(subscriber: "Callable[[Changes], object]") -> "Callable[[], None]":
    """Let a function be told what came and went; return what ends that.

    It is called at the end of each `refresh()` that found a change, with the Changes,
    in the thread that looked. What it raises is logged, and harms no other.
    """
    token = object()
    _subscribers[token] = subscriber

    def unsubscribe() -> None:
        _subscribers.pop(token, None)

    return unsubscribe


def refresh() -> Changes:
    """Look at all path entries and distributions again, now.

    New managers and `entry_points()` see what is there; extensions that are
    loaded stay as they are, and failed loads are tried again. Managers that stand
    are not changed: they have their own `refresh()`. Imports no plugin. Who
    subscribed is told if there are changes.
    """
    before = metadata_folders(_environment.current())
    _environment.invalidate_caches()
    _environment.forget_failures(next(_generations))
    _invalidate_finders()
    after = metadata_folders(_environment.current("full"))
    added = sorted(after - before)
    restart = [_label(folder) for folder in added if _needs_restart(folder)]
    for name in restart:
        report_once(
            f"{name} was installed while this process runs, and is importable only"
            " through a .pth file: restart needed"
        )
    removed = sorted(before - after)
    changes = Changes(
        tuple(map(_label, added)), tuple(map(_label, removed)), tuple(restart)
    )
    if added or removed:
        for subscriber in tuple(_subscribers.values()):
            try:
                subscriber(changes)
            except Exception as error:  # the host's: the others are told all the same
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
                # Python's path finder imports importlib.metadata since 3.13. Where no
                # file can be read any more, there is nothing new to be found either.
                pass
            except KeyError:
                # Python deletes entries of sys.path_importer_cache, which another
                # thread may have deleted meanwhile: the next try finds fewer.
                continue
            break
        else:
            finder.invalidate_caches()  # may raise: an error of the finder


def _label(folder: str) -> str:
    """Return "name version" of a distribution, as its metadata says it now."""
    site, file = os.path.split(folder)
    return label(("", site, file, 0))


def _needs_restart(where: str) -> bool:
    """Does the distribution whose metadata lies here rely on a .pth not yet read?"""
    site = os.path.dirname(where)
    return any(_is_unread(os.path.join(site, file), site) for file in _pth_files(where))


def _lines(path: str) -> "list[str]":
    text, _, _ = read(path, errors="surrogateescape")
    # None: an egg-info has no RECORD, some installers write none; or it is not a file.
    return (text or "").splitlines()


def _pth_files(where: str) -> "Iterator[str]":
    for line in _lines(os.path.join(where, "RECORD")):
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
            folder = os.path.join(site, line)
            if os.path.isdir(folder) and folder not in sys.path:
                return True
    return False
