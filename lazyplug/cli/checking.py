"""Does each plugin load? Each is loaded in a process of its own, with a time limit."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from lazyplug import _cache
from lazyplug._exceptions import no_matches
from lazyplug._whole import everything

from .listing import every, label
from .output import (
    add_json,
    complain,
    is_drawn,
    is_terminal,
    print_json,
    print_table,
)

# Run by the child. What the plugin prints must not be taken for what we ask: the answer
# goes to a descriptor of its own.
_CHILD = """
import json, os, sys
asked = json.loads(sys.argv.pop())
answer = os.dup(1)
os.dup2(2, 1)
sys.path[:] = asked["path"]
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
before = memory()
from time import perf_counter
began = perf_counter()
error = ""
try:
    found = __import__(asked["module"], None, None, ("__name__",))
    for name in filter(None, (asked["attr"] or "").split(".")):
        found = getattr(found, name)
except BaseException as raised:
    error = f"{type(raised).__name__}: {raised}"
seconds = perf_counter() - began
said = {"seconds": seconds, "mib": max(0.0, memory() - before), "error": error}
os.write(answer, json.dumps(said).encode())
os._exit(0)
"""


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
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="how many are loaded at the same time (as there are processors)",
    )
    parser.set_defaults(command=check)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError("it must be more than 0")
    return seconds


def check(options: argparse.Namespace) -> int:
    """Load each plugin and print what came of it; 1 if one fails.

    Runs the plugins' code, in processes of their own.
    """
    groups = [options.group] if options.group else sorted(everything(_cache.current()))
    found = [extension for group in groups for extension in every(group)]
    if not found and options.group:
        complain(str(no_matches(options.group, None, ())))
        return 1
    rows: list[dict[str, Any]] = [{}] * len(found)
    with (
        ThreadPoolExecutor(max(1, options.jobs)) as pool,
        _progress(len(found)) as step,
    ):
        waiting = {
            pool.submit(_load, extension, options.timeout): place
            for place, extension in enumerate(found)
        }
        for done in as_completed(waiting):
            rows[waiting[done]] = done.result()
            step()
    failed = [row for row in rows if row["state"] != "ok"]
    if options.json:
        print_json(rows)
    elif rows:
        print_table(rows)
        print(f"{len(rows)} loaded, {len(failed)} of them failed")
    else:
        print("No entry points are visible on sys.path.")
    return 1 if failed else 0


def _load(extension: Any, timeout: float) -> dict[str, Any]:
    row = {
        "group": extension.group,
        "name": extension.name,
        "state": "ok",
        "seconds": 0.0,
        "mib": 0.0,
        "distribution": label(extension),
        "error": "",
    }
    if extension._module is None:
        error = f"{extension.value!r} is no object reference"
        return row | {"state": "invalid", "error": error}
    asked = {"path": sys.path, "module": extension._module, "attr": extension.attr}
    # -P: what `sys.path` begins with is asked for, and not where the child is started.
    command = [sys.executable, "-P", "-c", _CHILD, json.dumps(asked)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        error = f"did not finish in {timeout:g} seconds"
        return row | {"state": "timeout", "seconds": timeout, "error": error}
    if not done.stdout:
        said = done.stderr.decode(errors="backslashreplace").strip().rpartition("\n")[2]
        error = f"its process ended with {done.returncode}" + (f": {said}" * bool(said))
        return row | {"state": "crashed", "error": error}
    row |= json.loads(done.stdout)
    return row | {"state": "failed"} if row["error"] else row


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
