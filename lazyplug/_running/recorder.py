"""Record what a process does for its plugins, for `lazyplug trace`.

The recorded functions are wrapped here, so that they cost nothing without a trace.
"""

import _thread
import os
from time import perf_counter

from .. import _calling, _environment
from .._entry_point import EntryPoint
from .._extension import Extension
from .._index import Index
from .._indexing import storage, update
from .._json_text import to_json
from .._printable import describe_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def record(path: str) -> None:
    """Write each following event to a new file, as a line of JSON, when it ends.

    So nothing is lost if a process is killed or has children. Raises OSError if the
    file cannot be created.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    _Recorder(os.path.abspath(path)).wrap()


class _Recorder:
    def __init__(self, path: str) -> None:
        self._path = path
        self._began = perf_counter()
        # by thread or greenlet: the nesting depth of recorded operations
        self._depth: dict[int, int] = {}

    def wrap(self) -> None:
        """Wrap the functions whose calls are recorded."""
        environment: Any = _environment.Environment
        self._wrap(
            environment, "load_index", "index", lambda *_: "read it, check for changes"
        )
        self._wrap(update, "update", "scan", lambda *_: "what changed, or everything")
        for module in (storage, update):
            self._wrap(module, "store", "write", lambda directory, name, _: name)
        self._wrap(Index, "rows", "group", lambda _, group: group)
        self._wrap(Extension, "_load", "import", _describe_extension)
        self._wrap(_calling, "call", "call", _describe_extension)
        # called by the drop-in
        self._wrap(EntryPoint, "load", "import", _describe_entry_point)

    def _wrap(
        self, owner: "Any", name: str, kind: str, about: "Callable[..., str]"
    ) -> None:
        function = getattr(owner, name)

        def traced(*args: "Any", **kwds: "Any") -> "Any":
            thread = _thread.get_ident()
            depth = self._depth.get(thread, 0)
            self._depth[thread] = depth + 1
            began = perf_counter()
            raised = None
            try:
                return function(*args, **kwds)
            except BaseException as error:
                raised = error
                raise
            finally:
                taken = perf_counter() - began
                if depth:
                    self._depth[thread] = depth
                else:
                    self._depth.pop(thread, None)
                try:
                    self._write(kind, about(*args), began, taken, depth, raised)
                except Exception:  # noqa: S110 - what is watched must not suffer
                    pass

        setattr(owner, name, traced)

    def _write(
        self,
        kind: str,
        about: str,
        began: float,
        taken: float,
        depth: int,
        raised: "BaseException | None",
    ) -> None:
        event = {
            "event": kind,
            "about": about,
            "begin": began - self._began,
            "seconds": taken,
            "depth": depth,
            "process": os.getpid(),
            "error": "" if raised is None else describe_error(raised),
        }
        # Opened for each event: a program may close descriptors that it did not open.
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, f"{to_json(event)}\n".encode())
        finally:
            os.close(file)


def _describe_extension(extension: "Extension[Any]") -> str:
    return f"{extension.name} = {extension.value}, of {extension.group}"


def _describe_entry_point(point: EntryPoint) -> str:
    return f"{point.name} = {point.value}, of {point.group}"
