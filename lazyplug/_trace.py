"""What a process does for its plugins, written down while it runs: for `trace`.

Nothing of it is there unless somebody asks: the functions are wrapped here.
"""

import os
from time import perf_counter

from . import _cache, _calling, _update
from ._entry_point import EntryPoint
from ._index import Index
from ._manager import Extension

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    # what was done, to what, beginning and length in seconds, how deep, by whom
    Event = dict[str, "str | float | int"]


def record(path: str) -> None:
    """Write each event that follows to a file, as a line of JSON, when it is over.

    So that nothing is lost where a process is killed, or has children. Raises OSError
    if the file cannot be written.
    """
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    _Recorder(file).wrap()


class _Recorder:
    def __init__(self, file: int) -> None:
        self._file = file
        self._began = perf_counter()
        self._depth = 0

    def wrap(self) -> None:
        """Wrap what is worth a line."""
        snapshot: Any = _cache.Snapshot
        self._wrap(snapshot, "true_index", "index", lambda *_: "look, is it still true")
        self._wrap(_update, "update", "scan", lambda *_: "what changed, or all of it")
        self._wrap(_update, "store", "write", lambda folder, name, _: name)
        self._wrap(Index, "rows", "group", lambda _, group: group)
        self._wrap(Extension, "_load", "import", _of_extension)
        self._wrap(_calling, "call", "call", _of_extension)
        # of the drop-in
        self._wrap(EntryPoint, "load", "import", _of_entry_point)

    def _wrap(
        self, home: "Any", name: str, what: str, about: "Callable[..., str]"
    ) -> None:
        function = getattr(home, name)

        def traced(*args: "Any", **kwds: "Any") -> "Any":
            began = perf_counter()
            depth, self._depth = self._depth, self._depth + 1
            error = ""
            try:
                return function(*args, **kwds)
            except BaseException as raised:
                error = f"{type(raised).__name__}: {raised}"
                raise
            finally:
                self._depth = depth
                self._write(what, about(*args), began, error)

        setattr(home, name, traced)

    def _write(self, what: str, about: str, began: float, error: str) -> None:
        from ._text import to_json

        event: Event = {
            "event": what,
            "about": about,
            "begin": began - self._began,
            "seconds": perf_counter() - began,
            "depth": self._depth,
            "process": os.getpid(),
            "error": error,
        }
        os.write(self._file, f"{to_json(event)}\n".encode())


def _of_extension(extension: "Extension[Any]") -> str:
    return f"{extension.name} = {extension.value}, of {extension.group}"


def _of_entry_point(point: EntryPoint) -> str:
    return f"{point.name} = {point.value}, of {point.group}"
