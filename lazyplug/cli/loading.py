"""Load plugins in child processes, several of one distribution in turn in each."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread, current_thread, main_thread
from time import monotonic
from typing import IO, Any, Protocol, Self

from .. import _environment
from .. import _messages as messages
from .children import child_command, kill
from .comparing import differences, to_text
from .failure import describe

# Run by the child. It reads from standard input what to load, and which file to write
# the answers to. Standard output belongs to the plugins.
_CHILD = """
import json, os, sys
from marshal import loads
# A plugin may replace what is in other modules.
dumps, write, leave, getpid = json.dumps, os.write, os._exit, os.getpid
open_file, close_file = os.open, os.close
asked = json.loads(sys.stdin.buffer.read())
compare, describe = [
    type(lambda: 0)(loads(bytes.fromhex(asked[name])), {"__builtins__": __builtins__})
    for name in ("compare", "describe")
]
def memory():
    # What getrusage tells begins, on Linux, with the peak of who started this.
    try:
        with open("/proc/self/status") as status:
            (peak,) = [line for line in status if line.startswith("VmHWM")]
        return int(peak.split()[1]) / 1024
    except (OSError, ValueError):
        pass
    try:
        from resource import RUSAGE_SELF, getrusage
    except ImportError:
        return 0.0
    # in KiB, but on macOS
    unit = 1 << (20 if sys.platform == "darwin" else 10)
    return getrusage(RUSAGE_SELF).ru_maxrss / unit
from importlib import import_module
from time import perf_counter
own = getpid()
for module, attr, facts in asked["plugins"]:
    before = memory()
    sys.path[:] = asked["path"]
    began = perf_counter()
    said = {"error": "", "missing": "", "traceback": ""}
    try:
        # as importlib.metadata loads
        found = import_module(module)
        for name in filter(None, (attr or "").split(".")):
            found = getattr(found, name)
    except BaseException as raised:
        said = describe(raised)
    if getpid() != own:
        leave(0)  # the plugin has forked: the other of the two answers
    said["seconds"] = perf_counter() - began
    said["mib"] = max(0.0, memory() - before)
    said["differences"] = []
    if facts and not said["error"]:
        said["differences"] = compare(found, loads(bytes.fromhex(facts)))
    # A plugin may close all files: the file is opened for each answer.
    answers = open_file(asked["answers"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    write(answers, dumps(said).encode() + b"\\n")
    close_file(answers)
leave(0)
"""
# How many of the last bytes that plugins print are kept.
_TAIL = 4096
# How often answers are read, and how often the progress is shown, in seconds.
_POLL, _SHOWN = 0.02, 0.2


class Loadable(Protocol):
    """A plugin that can be loaded in a child process."""

    def request(self) -> "tuple[str, str | None, str]":
        """Return its module, its attribute, and the facts to be compared as text."""
        ...

    def complete(self, found: "dict[str, Any]") -> None:
        """Take what the child has found: fields of its row, and `differences`."""


class Progress(Protocol):
    """Shows how many plugins are done, and which of the others takes longest."""

    def __call__(self, done: int, slowest: "Loadable | None") -> None:
        """Show it."""


def load_all(
    batches: "Sequence[Sequence[Loadable]]", jobs: int, timeout: float, show: Progress
) -> None:
    """Load each batch of plugins in a process, and complete each plugin.

    The plugins of a batch are loaded in turn, so what several of them import is
    imported once. An earlier plugin may be the reason why one fails, so those that
    failed are loaded once more, together. The first of them has a process of its own
    up to then, so its result counts, and those of others with the same error. All the
    rest are loaded again. The opposite, a plugin that loads only after another one, is
    not noticed.

    :param jobs: how many processes run at the same time.
    :param timeout: how many seconds each plugin may take.
    """
    with _exiting(), _Processes(timeout) as processes, _pool(jobs) as pool:
        waiting: set[Future[list[Sequence[Loadable]]]] = set()
        ready = list(batches)
        while ready or waiting:
            waiting |= {pool.submit(processes.load, batch) for batch in ready}
            ended, waiting = wait(waiting, _SHOWN, FIRST_COMPLETED)
            ready = [batch for each in ended for batch in each.result()]
            show(processes.done, processes.slowest())


@contextmanager
def _exiting() -> Iterator[None]:
    """Let signals that end this process raise SystemExit, so that children are killed.

    They have sessions of their own, so nobody else would end them.
    """
    if current_thread() is not main_thread():
        yield  # only the main thread may change this
        return

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {
        number: signal.signal(number, leave)
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
        # a program under nohup ignores the end of its terminal
        if signal.getsignal(number) is signal.SIG_DFL
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _pool(jobs: int) -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(jobs)
    try:
        yield pool
    finally:
        # After an interrupt, no process is started.
        pool.shutdown(wait=False, cancel_futures=True)


class _Processes:
    """The running child processes; all are killed at the end."""

    def __init__(self, timeout: float) -> None:
        self.done = 0
        self._timeout = timeout
        self._running: set[subprocess.Popen[bytes]] = set()
        # since when each process loads which plugin
        self._loading: dict[int, tuple[float, Loadable]] = {}
        self._stopped = Event()
        self._numbers = count()
        self._directory = tempfile.TemporaryDirectory(prefix="lazyplug-check-")
        self._command = child_command(self._directory.name, _CHILD)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for process in tuple(self._running):
            kill(process)
        self._directory.cleanup()

    def slowest(self) -> "Loadable | None":
        """Return the plugin whose load has taken longest up to now."""
        loading = list(self._loading.values())  # other threads change it
        return min(loading, key=lambda pair: pair[0])[1] if loading else None

    def load(self, batch: "Sequence[Loadable]") -> "list[Sequence[Loadable]]":
        """Load plugins in turn; return the batches that are still to be loaded."""
        number = next(self._numbers)
        path = os.path.join(self._directory.name, f"answers-{number}")
        request = {
            "path": list(_environment.current().entries),
            "plugins": [plugin.request() for plugin in batch],
            "compare": to_text(differences.__code__),
            "describe": to_text(describe.__code__),
            "answers": path,
        }
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as fault:
            reason = messages.CANNOT_BE.format(done="started", reason=fault)
            for plugin in batch:
                error = f"its process {reason}"
                self._complete(plugin, {"state": "crashed", "error": error})
            return []
        self._running.add(process)
        if self._stopped.is_set():
            kill(process)  # started after the others were killed
        printed = bytearray()
        reader = Thread(target=_keep_tail, args=(process.stdout, printed), daemon=True)
        reader.start()
        answers = _Answers(path)
        again: list[Loadable] = []
        first = ""
        place = 0
        code: int | None = None
        try:
            _send(process, json.dumps(request).encode())
            began = monotonic()
            ended = False
            while not ended and place < len(batch):
                self._loading[number] = began, batch[place]
                code = _wait(process)
                ended = code is not None or monotonic() - began > self._timeout
                for found in answers.read():
                    began = monotonic()
                    ended = code is not None
                    if place == 0:
                        first = found["error"]
                    if found["error"] not in {"", first}:
                        again.append(batch[place])
                    else:
                        state = "failed" if found["error"] else "ok"
                        self._complete(batch[place], {"state": state, **found})
                    place += 1
        finally:
            self._loading.pop(number, None)
            kill(process)
            self._running.discard(process)
            # The processes that could hold the other end of the pipe have been killed.
            reader.join(1.0)
        left = self._unanswered(batch, place, code, printed)
        return [again, *left] if again else left

    def _unanswered(
        self,
        batch: "Sequence[Loadable]",
        place: int,
        code: "int | None",
        printed: bytearray,
    ) -> "list[Sequence[Loadable]]":
        """Complete the plugin that ended a process; return what is to be loaded."""
        culprit, rest = batch[place : place + 1], batch[place + 1 :]
        again = [each for each in (culprit if place else (), rest) if each]
        if culprit and not place:
            if code is None:
                error = messages.TIMED_OUT.format(timeout=self._timeout)
                found = {"state": "timeout", "seconds": self._timeout, "error": error}
            else:
                last = printed.decode(errors="backslashreplace").strip()
                last = last.rpartition("\n")[2]
                error = how_ended(code) + (f": {last}" if last else "")
                found = {"state": "crashed", "error": error}
            self._complete(culprit[0], found)
        return again

    def _complete(self, plugin: Loadable, found: "dict[str, Any]") -> None:
        plugin.complete(found)
        self.done += 1


class _Answers:
    """The lines that a child process appends to a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._position = 0

    def read(self) -> "list[dict[str, Any]]":
        """Return the answers that are new and complete."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._position)
                data = file.read()
        except OSError:
            return []  # there is none yet
        data = data[: data.rfind(b"\n") + 1]
        self._position += len(data)
        try:
            return [json.loads(line) for line in data.splitlines()]
        except ValueError:
            return []  # a plugin has written to the file


def _send(process: "subprocess.Popen[bytes]", request: bytes) -> None:
    try:
        if process.stdin is not None:
            with process.stdin as file:
                file.write(request)
    except BrokenPipeError:
        pass  # it ended before it read its input


def _wait(process: "subprocess.Popen[bytes]") -> "int | None":
    """Wait a moment for the end of a process; return its exit code, or None."""
    try:
        return process.wait(_POLL)
    except subprocess.TimeoutExpired:
        return None


def _keep_tail(stream: "IO[bytes] | None", printed: bytearray) -> None:
    if stream is not None:
        with stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                printed += chunk
                del printed[:-_TAIL]


def how_ended(code: int) -> str:
    """Return in words how a process ended.

    >>> how_ended(3), how_ended(-9)
    ('its process exited with code 3', 'its process was killed by SIGKILL')
    """
    if code >= 0:
        return messages.PROCESS_EXITED.format(code=code)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return messages.PROCESS_KILLED.format(signal=name)
