"""Load each plugin in its own process, with a time limit."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Event, Thread
from time import perf_counter
from typing import IO, Any

from .. import _environment
from .. import _messages as messages
from .._exceptions import InvalidFacts
from .._facts import Facts, find_facts
from .._faults.errors import no_matches
from .._inventory import all_rows
from .._printable import counted, describe_error
from .children import HAS_PROCESSES, child_command, kill, no_processes
from .comparing import comparison, differences
from .host_facts import add_facts, companion_fault, import_facts, is_companion
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
from marshal import loads
# A plugin may replace what is in other modules.
dumps, write, leave = json.dumps, os.write, os._exit
asked = json.loads(sys.stdin.buffer.read())
compare, facts = loads(bytes.fromhex(asked["comparison"]))
compare = type(lambda: 0)(compare, {})
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
said["differences"] = [] if error else compare(found, facts)
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
    add_facts(
        parser,
        "compare the facts that this Facts object of the host asks for with what is"
        " loaded (with GROUP)",
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
    if options.facts and not options.group:
        text = messages.ONLY_WITH.format(option="--facts", other="GROUP")
        complain(f"lazyplug check: {text}")
        return 2
    wanted = options.facts and import_facts(options.facts)
    groups = (
        [options.group] if options.group else sorted(all_rows(_environment.current()))
    )
    found = [each for group in groups for each in list_extensions(group).items()]
    if not found and options.group:
        if options.json:
            print_json([])
        complain(str(no_matches(options.group, None, ())))
        return 1
    plugins = [_Plugin(extension, note, wanted) for extension, note in found]
    if wanted is not None:
        lost = {plugin.key: plugin for plugin in _without_plugin(wanted)}
        # A family of groups may have its companion groups among them.
        plugins = [each for each in plugins if each.key not in lost]
        plugins += lost.values()
    loaded = [plugin for plugin in plugins if plugin.is_loaded]
    if HAS_PROCESSES:
        _in_processes(loaded, options)
    else:
        _in_this_process(loaded)
    rows = [row for plugin in plugins for row in plugin.rows()]
    failed = [plugin for plugin in plugins if plugin.has_failed()]
    if options.json:
        print_json(rows)
    elif rows:
        print_table(rows)
        excluded = [row for row in rows if row["state"] == "excluded"]
        checked = counted(len(plugins) - len(excluded), "plugin")
        summary = f"{checked} checked, {len(failed)} failed"
        print(summary + (f", {len(excluded)} excluded" if excluded else ""))
    else:
        print(NO_ENTRY_POINTS)
    return 1 if failed else 0


def _without_plugin(wanted: Facts) -> "Iterator[_Plugin]":
    """Yield the companion entry points whose distribution has no plugin of their name.

    Managers cannot notice that facts are lost because of a misspelled name: they look
    for the companions of their plugins only.
    """
    plugins = {
        (row[0], owner[0])
        for group, pairs in all_rows(_environment.current()).items()
        if not group.endswith(".facts")
        for row, owner in pairs
    }
    for group in wanted.companions:
        for extension, note in list_extensions(group, thorough=False).items():
            owner = extension._owner
            if owner is None or note.startswith(EXCLUDED):
                continue
            if is_companion(extension) and (extension.name, owner[0]) not in plugins:
                plugin = _Plugin(extension, note, wanted)
                error = messages.FACTS_WITHOUT_PLUGIN.format(
                    distribution=label(extension), name=extension.name
                )
                plugin.row |= {"state": "invalid", "error": error}
                yield plugin


class _Plugin:
    """A plugin to be checked.

    :param extension: its handle.
    :param note: why it cannot be loaded, or "".
    :param wanted: the facts to be compared; None: none.
    """

    def __init__(self, extension: Any, note: str, wanted: Facts | None) -> None:
        self.extension = extension
        self.is_loaded = False
        self.row = {
            "group": extension.group,
            "name": extension.name,
            "state": "ok",
            "seconds": 0.0,
            "mib": 0.0,
            "distribution": label(extension),
            "error": "",
        }
        self.key = extension.group, extension.name, self.row["distribution"]
        self.facts: list[tuple[str, Any, str]] = []
        # what is wrong with the facts, before anything is loaded
        self._faults: list[str] = []
        self._has_facts = wanted is not None
        # the names of the facts that the loaded object contradicts, with what it has
        self.differences: list[tuple[str, str]] = []
        if note.startswith(EXCLUDED):
            self.row |= {"state": "excluded", "error": note}
        elif extension._module is None:
            error = f"{extension.value!r} is {messages.INVALID_REFERENCE}"
            self.row |= {"state": "invalid", "error": error}
        elif is_companion(extension):
            error = companion_fault(extension)
            self.row |= {"state": "invalid" if error else "ok", "error": error}
        else:
            self.is_loaded = True
            if wanted is not None:
                self._read_facts(wanted)

    def _read_facts(self, wanted: Facts) -> None:
        self.facts, fault = find_facts(self.extension, wanted)
        self._faults += [fault] if fault else []
        try:
            self.extension._facts = wanted
            wanted._of(self.extension)
        except InvalidFacts as error:
            self._faults.append(str(error))

    def has_failed(self) -> bool:
        """Return True if the plugin cannot be used, or if one of its facts is wrong."""
        return any(row["state"] not in {"ok", "excluded"} for row in self.rows())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the row of this plugin, and one for each failure of its facts."""
        fields = ("fact", "kind", "expected", "actual") if self._has_facts else ()
        yield self.row | dict.fromkeys(fields, "")
        own = self.row | {"seconds": 0.0, "mib": 0.0, "error": ""}
        for fault in self._faults:
            row = {"state": "invalid", "error": fault}
            yield own | dict.fromkeys(fields, "") | row
        expected = {name: (kind, repr(value)) for name, value, kind in self.facts}
        for name, actual in self.differences:
            values = name, *expected[name], actual
            yield own | {"state": "differs"} | dict(zip(fields, values))


def _in_this_process(plugins: list[_Plugin]) -> None:
    """Load plugins one by one in this process, and complete their rows."""
    complain(messages.CHECKED_IN_THIS_PROCESS.format(reason=no_processes()))
    for plugin in plugins:
        began = perf_counter()
        try:
            loaded = plugin.extension.plugin
            plugin.row["seconds"] = perf_counter() - began
            plugin.differences = differences(loaded, plugin.facts)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            plugin.row |= {
                "state": "failed",
                "seconds": perf_counter() - began,
                "error": describe_error(error),
            }


def _in_processes(plugins: list[_Plugin], options: argparse.Namespace) -> None:
    """Load each plugin in its own process, and complete its row."""
    running: set[subprocess.Popen[bytes]] = set()
    stopped = Event()
    pool = ThreadPoolExecutor(options.jobs)
    try:
        with tempfile.TemporaryDirectory(prefix="lazyplug-check-") as directory:
            command = child_command(directory, _CHILD)
            waiting = {}
            for place, plugin in enumerate(plugins):
                answer = os.path.join(directory, str(place))
                job = plugin, answer, options.timeout, running, stopped
                waiting[pool.submit(_load, command, *job)] = plugin
            with progress("loading", len(plugins), sys.stdout) as step:
                for done in as_completed(waiting):
                    found = done.result()
                    plugin = waiting[done]
                    plugin.differences = found.pop("differences", [])
                    plugin.row |= found
                    step()
    finally:
        # After an interrupt no process is started, and the running ones are killed.
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
        for process in tuple(running):
            kill(process)


def _load(
    command: list[str],
    plugin: _Plugin,
    answer: str,
    timeout: float,
    running: "set[subprocess.Popen[bytes]]",
    stopped: Event,
) -> dict[str, Any]:
    """Load a plugin in a process; return the fields of its row, and `differences`."""
    request = {
        "path": list(_environment.current().entries),
        "module": plugin.extension._module,
        "attr": plugin.extension.attr,
        "comparison": comparison(plugin.facts),
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
        return {"state": "crashed", "error": f"its process {reason}"}
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
            row: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        if code is None:
            error = messages.TIMED_OUT.format(timeout=timeout)
            return {"state": "timeout", "seconds": timeout, "error": error}
        last = printed.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        error = _how(code) + (f": {last}" if last else "")
        return {"state": "crashed", "error": error}
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
