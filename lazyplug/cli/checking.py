"""Load each plugin in its own process, with a time limit."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event, Thread
from time import perf_counter
from typing import IO, Any

from .. import _environment
from .. import _messages as messages
from .._faults.errors import no_matches
from .._inventory import all_rows
from .._printable import counted, describe_error
from .children import HAS_PROCESSES, child_command, kill, no_processes
from .listing import EXCLUDED, NO_ENTRY_POINTS, label, list_extensions
from .output import (
    add_json,
    at_least,
    complain,
    print_json,
    print_table,
    progress,
)

# Run by the child. It reads from standard input what to load, and which file to write
# the result to. Standard output belongs to the plugin.
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
# How many of the last bytes that a plugin prints are kept.
_TAIL = 4096
_DAY = 86_400.0


def add_to(_: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    add_json(parser)
    parser.add_argument(
        "group", metavar="GROUP", nargs="?", help="the group (default: all groups)"
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="the time limit for each plugin (default: 30)",
    )
    parser.add_argument(
        "--jobs",
        type=at_least(1),
        default=_processors(),
        metavar="N",
        help="how many are loaded at the same time (default: one per processor)",
    )
    parser.set_defaults(command=check)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _DAY:
        raise argparse.ArgumentTypeError(
            messages.NOT_VALID.format(
                value=repr(text),
                what="timeout",
                expected=messages.A_TIMEOUT.format(limit=_DAY),
            )
        )
    return seconds


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
        [options.group] if options.group else sorted(all_rows(_environment.current()))
    )
    found = [each for group in groups for each in list_extensions(group).items()]
    if not found and options.group:
        if options.json:
            print_json([])
        complain(str(no_matches(options.group, None, ())))
        return 1
    rows = _in_processes(found, options) if HAS_PROCESSES else _in_this_process(found)
    failed = [row for row in rows if row["state"] not in {"ok", "excluded"}]
    if options.json:
        print_json(rows)
    elif rows:
        print_table(rows)
        excluded = [row for row in rows if row["state"] == "excluded"]
        checked = counted(len(rows) - len(excluded), "plugin")
        summary = f"{checked} checked, {len(failed)} failed"
        print(summary + (f", {len(excluded)} excluded" if excluded else ""))
    else:
        print(NO_ENTRY_POINTS)
    return 1 if failed else 0


def _in_this_process(found: list[tuple[Any, str]]) -> list[dict[str, Any]]:
    """Load plugins one by one in this process; return their rows."""
    complain(messages.CHECKED_IN_THIS_PROCESS.format(reason=no_processes()))
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
                row |= {"state": "failed", "error": describe_error(error)}
            row["seconds"] = perf_counter() - began
        rows.append(row)
    return rows


def _in_processes(
    found: list[tuple[Any, str]], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Load each plugin in its own process; return their rows."""
    rows: list[dict[str, Any]] = [{}] * len(found)
    running: set[subprocess.Popen[bytes]] = set()
    stopped = Event()
    pool = ThreadPoolExecutor(options.jobs)
    try:
        with tempfile.TemporaryDirectory(prefix="lazyplug-check-") as directory:
            command = child_command(directory, _CHILD)
            waiting = {}
            for place, (extension, note) in enumerate(found):
                answer = os.path.join(directory, str(place))
                job = extension, note, answer, options.timeout, running, stopped
                waiting[pool.submit(_load, command, *job)] = place
            with progress("loading", len(found), sys.stdout) as step:
                for done in as_completed(waiting):
                    rows[waiting[done]] = done.result()
                    step()
    finally:
        # After an interrupt no process is started, and the running ones are killed.
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in tuple(running):
            kill(process)
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
    if note.startswith(EXCLUDED):
        row |= {"state": "excluded", "error": note}
    elif extension._module is None:
        error = f"{extension.value!r} is {messages.INVALID_REFERENCE}"
        row |= {"state": "invalid", "error": error}
    return row


def _load(
    command: list[str],
    extension: Any,
    note: str,
    answer: str,
    timeout: float,
    running: "set[subprocess.Popen[bytes]]",
    stopped: Event,
) -> dict[str, Any]:
    row = _row(extension, note)
    if row["state"] != "ok":
        return row
    request = {
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
        reason = messages.CANNOT_BE.format(done="started", reason=fault)
        return row | {"state": "crashed", "error": f"its process {reason}"}
    running.add(process)
    if stopped.is_set():
        kill(process)  # started after the others were killed
    printed = bytearray()
    reader = Thread(target=_keep_tail, args=(process.stdout, printed), daemon=True)
    reader.start()
    try:
        code = _wait(process, json.dumps(request).encode(), timeout)
    finally:
        kill(process)
        running.discard(process)
        # The processes that could hold the other end of the pipe have been killed.
        reader.join(1.0)
    try:
        with open(answer, encoding="utf-8") as file:
            row |= json.load(file)
    except (OSError, ValueError):
        if code is None:
            error = messages.TIMED_OUT.format(timeout=timeout)
            return row | {"state": "timeout", "seconds": timeout, "error": error}
        last = printed.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        error = _how(code) + (f": {last}" if last else "")
        return row | {"state": "crashed", "error": error}
    return row | {"state": "failed"} if row["error"] else row


def _wait(
    process: "subprocess.Popen[bytes]", request: bytes, timeout: float
) -> "int | None":
    """Wait until a process ends; return its exit code, or None after the timeout."""
    try:
        if process.stdin is not None:
            with process.stdin as file:
                file.write(request)
    except BrokenPipeError:
        pass  # it ended before it read its input
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None


def _keep_tail(stream: "IO[bytes] | None", printed: bytearray) -> None:
    if stream is not None:
        with stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                printed += chunk
                del printed[:-_TAIL]


def _how(code: int) -> str:
    """Return in words how a process ended.

    >>> _how(3), _how(-9)
    ('its process exited with code 3', 'its process was killed by SIGKILL')
    """
    if code >= 0:
        return messages.PROCESS_EXITED.format(code=code)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return messages.PROCESS_KILLED.format(signal=name)
