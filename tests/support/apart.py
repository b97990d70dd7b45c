"""Runs what is tried in processes of its own, where a hang is killed and counted."""

import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from select import select
from typing import Any

from tests.support.children import python
from tests.support.tally import LIMIT, Tally

ROOT = str(Path(__file__).parents[2])
# Where Python's own library is, which oracle and rival import late.
LIBRARY = [
    entry
    for entry in sys.path
    if entry.startswith(sys.base_prefix) and "site-packages" not in entry
]
ANSWER, CRASH, HANG = "answer", "crash", "hang"
# What became of a try: one of these, then the answer, or what there is to tell.
Outcome = tuple[str, Any]
# Is this a child that is watched? Its own children cannot be: the watch is a thread,
# which is lost in a fork.
_watched = False


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a test file in a fresh process, which has no threads.

    What goes there and what comes back are JSON. Nothing must be printed there.
    """
    code = f"import sys; sys.path[:0] = [{ROOT!r}]; from {__name__} import main; main()"
    given = json.dumps(arguments)
    done = python("-c", code, function.__module__, function.__name__, given)
    assert done.stderr == "", done.stderr
    return json.loads(done.stdout)


def main() -> None:
    """Call the function that the command line names, and print what it returns."""
    module, name, given = sys.argv[1:]
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(*json.loads(given))))


class Seen:
    """What a child sees at many looks; only what is wrong is told."""

    def __init__(self) -> None:
        self.tries = 0
        self.faults: list[Outcome] = []

    def look(self, ask: Callable[[], Any], is_right: Callable[[Any], bool]) -> None:
        """Look once."""
        self.tries += 1
        try:
            found = ask()
        except Exception:
            self.faults.append((CRASH, traceback.format_exc()))
        else:
            if not is_right(found):
                self.faults.append((ANSWER, found))

    def told(self) -> tuple[int, list[Outcome]]:
        """Return what the child returns."""
        return self.tries, self.faults


def fingerprint(functions: list[Callable[[], Any]], seconds: float) -> list[Outcome]:
    """Call each function in a forked child of its own; kill those that hang.

    This process must have no threads.
    """
    children = [_begun(function, seconds) for function in functions]
    until = time.monotonic() + seconds + 5
    return [_ended(child, read, until) for child, read in children]


def attempt(function: Callable[[], Any], seconds: float = LIMIT) -> Outcome:
    """Call a function in a forked child; kill it if it hangs."""
    (outcome,) = fingerprint([function], seconds)
    return outcome


def _begun(function: Callable[[], Any], seconds: float) -> tuple[int, int]:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    global _watched  # noqa: PLW0603
    if not _watched:
        # Tells where all threads are, and ends the process, whatever is locked.
        faulthandler.dump_traceback_later(seconds, exit=True, file=write)
        _watched = True
    try:
        said = json.dumps([ANSWER, function()])
    except BaseException:
        said = json.dumps([CRASH, traceback.format_exc()])
    with os.fdopen(write, "w") as file:
        file.write(said)
    os._exit(0)


def _ended(child: int, read: int, until: float) -> Outcome:
    said = b""
    while select([read], [], [], max(0, until - time.monotonic()))[0]:
        more = os.read(read, 1 << 16)
        if not more:
            break
        said += more
    else:
        said = b"hangs without a word"
    os.close(read)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if said.startswith(b"["):
        kind, answer = json.loads(said)
        return kind, answer
    return (HANG, said.decode()) if said else (CRASH, f"ended with status {status}")


def count_outcome(count: Tally, outcome: Outcome, truth: Any, label: object) -> None:
    """Count what became of a try."""
    kind, said = outcome

    def ask() -> Any:
        if kind == HANG:
            raise subprocess.TimeoutExpired(said, LIMIT)
        if kind == CRASH:
            raise RuntimeError(said)
        return said

    count.hold(ask, truth, f"{label}\n{said}" if kind == HANG else label)


def count_seen(count: Tally, outcome: Outcome, truth: Any, label: object) -> None:
    """Count what a child saw that looked many times."""
    if outcome[0] != ANSWER:
        count_outcome(count, outcome, truth, label)
        return
    tries, faults = outcome[1]
    count.tries += tries - len(faults)
    for fault in faults:
        count_outcome(count, fault, truth, label)
