"""Does each plugin load? Each is loaded in a process of its own, with a time limit."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from threading import Event, Thread
from time import perf_counter
from typing import IO, Any

from .. import _environment
from .._faults.messages import no_matches
from .._inventory import everything
from .._printable import words_of
from .children import HAS_PROCESSES, child
from .listing import LEFT_OUT, every, label
from .output import (
    add_json,
    complain,
    is_drawn,
    is_terminal,
    print_json,
    print_table,
)

# Run by the child. It is told on standard input what to load, and where to write what
# came of it: what the plugin prints must not be taken for that.
_CHILD = """
import json, os, sys
# A plugin may replace what is in other modules.
dumps, write, leave = json.dumps, os.write, os._exit
asked = json.loads(sys.stdin.buffer.read())
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
before = memory()
from time import perf_counter
sys.path[:] = asked["path"]
began = perf_counter()
error = ""
try:
    # as importlib.metadata loads
    found = import_module(asked["module"])
    for name in filter(None, (asked["attr"] or "").split(".")):
        found = getattr(found, name)
except BaseException as raised:
    error = type(raised).__name__
    try:
        error += ": " + str(raised)
    except BaseException:
        pass  # its class is the plugin's
seconds = perf_counter() - began
said = {"seconds": seconds, "mib": max(0.0, memory() - before), "error": error}
# Not if the plugin has forked, and the other of the two was first.
answer = os.open(asked["answer"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
write(answer, dumps(said).encode())
leave(0)
"""
# Of what a plugin prints, so much is kept.
_TAIL = 4096
_DAY = 86_400.0


def add_to(_: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    parser.add_argument(
        "group", metavar="GROUP", nargs="?", help="a group; by default each of them"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="how long a plugin may take (30)",
    )
    parser.add_argument(
        "--jobs",
        type=_jobs,
        default=_processors(),
        metavar="N",
        help="how many are loaded at the same time (as there are processors)",
    )
    parser.set_defaults(command=check)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _DAY:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 0 and a day")
    return seconds


def _jobs(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def check(options: argparse.Namespace) -> int:
    """Load each plugin and print the result; return 1 if one fails.

    Runs the plugins' code, each in its own process if the platform has processes;
    excluded plugins are not run.
    """
    groups = (
        [options.group] if options.group else sorted(everything(_environment.current()))
    )
    found = [each for group in groups for each in every(group).items()]
    if not found and options.group:
        if options.json:
            print_json([])
        complain(str(no_matches(options.group, None, ())))
        return 1
    rows = _in_processes(found, options) if HAS_PROCESSES else _in_this_process(found)
    failed = [row for row in rows if row["state"] not in {"ok", "left out"}]
    if options.json:
        print_json(rows)
    elif rows:
        print_table(rows)
        out = [row for row in rows if row["state"] == "left out"]
        said = f"{len(rows) - len(out)} plugins, {len(failed)} of them failed"
        print(said + (f"; {len(out)} are left out" if out else ""))
    else:
        print("No entry points are visible on sys.path.")
    return 1 if failed else 0


def _in_this_process(found: list[tuple[Any, str]]) -> list[dict[str, Any]]:
    """Load plugins one by one in this process; return their rows."""
    complain(
        f"{sys.platform} has no processes: each plugin is loaded in this one, without"
        " a time limit."
    )
    rows = []
    for extension, note in found:
        row = _row(extension, note)
        began = perf_counter()
        if row["state"] == "ok":
            try:
                _ = extension.plugin
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                row |= {"state": "failed", "error": words_of(error)}
            row["seconds"] = perf_counter() - began
        rows.append(row)
    return rows


def _in_processes(
    found: list[tuple[Any, str]], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Load each plugin in its own process; return their rows."""
    rows: list[dict[str, Any]] = [{}] * len(found)
    running: set[subprocess.Popen[bytes]] = set()
    over = Event()
    pool = ThreadPoolExecutor(options.jobs)
    try:
        with tempfile.TemporaryDirectory(prefix="lazyplug-check-") as folder:
            command = child(folder, _CHILD)
            waiting = {}
            for place, (extension, note) in enumerate(found):
                answer = os.path.join(folder, str(place))
                asked = extension, note, answer, options.timeout, running, over
                waiting[pool.submit(_load, command, *asked)] = place
            with _progress(len(found)) as step:
                for done in as_completed(waiting):
                    rows[waiting[done]] = done.result()
                    step()
    finally:
        # Where somebody has interrupted it, nothing more is begun, and all is ended.
        over.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in tuple(running):
            _end(process)
    return rows


def _row(extension: Any, note: str) -> dict[str, Any]:
    """Return the row of a plugin that loads, is invalid, or is excluded."""
    row = {
        "group": extension.group,
        "name": extension.name,
        "state": "ok",
        "seconds": 0.0,
        "mib": 0.0,
        "distribution": label(extension),
        "error": "",
    }
    if note.startswith(LEFT_OUT):
        row |= {"state": "left out", "error": note.removeprefix(LEFT_OUT)}
    elif extension._module is None:
        error = f"{extension.value!r} is no object reference"
        row |= {"state": "invalid", "error": error}
    return row


def _load(
    command: list[str],
    extension: Any,
    note: str,
    answer: str,
    timeout: float,
    running: "set[subprocess.Popen[bytes]]",
    over: Event,
) -> dict[str, Any]:
    row = _row(extension, note)
    if row["state"] != "ok":
        return row
    asked = {
        "path": list(_environment.current().entries),
        "module": extension._module,
        "attr": extension.attr,
        "answer": answer,
    }
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as fault:
        return row | {"state": "crashed", "error": f"cannot be started: {fault}"}
    running.add(process)
    if over.is_set():
        _end(process)  # it came after all others were ended
    printed = bytearray()
    reader = Thread(target=_keep_tail, args=(process.stdout, printed), daemon=True)
    reader.start()
    try:
        code = _ended(process, json.dumps(asked).encode(), timeout)
    finally:
        _end(process)
        running.discard(process)
        # All that could hold the other end has been ended.
        reader.join(1.0)
    try:
        with open(answer, encoding="utf-8") as file:
            row |= json.load(file)
    except (OSError, ValueError):
        if code is None:
            error = f"did not finish in {timeout:g} seconds"
            return row | {"state": "timeout", "seconds": timeout, "error": error}
        last = printed.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        said = f"its process ended {_how(code)}" + (f": {last}" if last else "")
        return row | {"state": "crashed", "error": said}
    return row | {"state": "failed"} if row["error"] else row


def _ended(
    process: "subprocess.Popen[bytes]", asked: bytes, timeout: float
) -> "int | None":
    """Wait until a process has ended; return how, None if it took too long."""
    try:
        if process.stdin is not None:
            with process.stdin as file:
                file.write(asked)
    except BrokenPipeError:
        pass  # it was quicker to end
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process, and all that it has started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except (ProcessLookupError, PermissionError):
        pass  # nothing of it is left
    process.wait()


def _keep_tail(stream: "IO[bytes] | None", printed: bytearray) -> None:
    if stream is not None:
        with stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                printed += chunk
                del printed[:-_TAIL]


def _how(code: int) -> str:
    """Say how a process ended.

    >>> _how(3), _how(-9)
    ('with 3', 'by SIGKILL')
    """
    if code >= 0:
        return f"with {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    """Show how far it is, on a terminal, where rich is installed."""
    if not (is_terminal(sys.stdout) and is_drawn()):
        yield lambda: None
        return
    from rich.progress import Progress

    with Progress(transient=True) as progress:
        task = progress.add_task("loading", total=total)
        yield lambda: progress.advance(task)
