"""Call functions in processes of their own, where a hang is killed and counted."""

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
# The directories of the standard library: importlib_metadata and stevedore import some
# of its modules late.
LIBRARY = [
    entry
    for entry in sys.path
    if entry.startswith(sys.base_prefix) and "site-packages" not in entry
]
ANSWER, CRASH, HANG = "answer", "crash", "hang"
# The result of a try: one of these kinds, then the answer or an error message.
Outcome = tuple[str, Any]
# True in a child process that has a time limit. Its own children cannot have one, since
# the timer is a thread, which a fork does not copy.
_has_limit = False


def call_in_fresh_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a test file in a fresh process, which has no threads.

    Arguments and result are passed as JSON. The function must not print anything.
    """
    code = f"import sys; sys.path[:0] = [{ROOT!r}]; from {__name__} import main; main()"
    encoded = json.dumps(arguments)
    done = python("-c", code, function.__module__, function.__name__, encoded)
    assert done.stderr == "", done.stderr
    return json.loads(done.stdout)


def main() -> None:
    """Call the function that the command line names, and print what it returns."""
    module, name, encoded = sys.argv[1:]
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(*json.loads(encoded))))


class Checks:
    """Count the checks that a child process makes, and keep those that failed."""

    def __init__(self) -> None:
        self.tries = 0
        self.faults: list[Outcome] = []

    def check(self, ask: Callable[[], Any], is_right: Callable[[Any], bool]) -> None:
        """Ask once, and keep the answer if it is not right."""
        self.tries += 1
        try:
            found = ask()
        except Exception:
            self.faults.append((CRASH, traceback.format_exc()))
        else:
            if not is_right(found):
                self.faults.append((ANSWER, found))

    def result(self) -> tuple[int, list[Outcome]]:
        """Return what a child process reports: the number of checks, and the faults."""
        return self.tries, self.faults


def attempt_all(functions: list[Callable[[], Any]], seconds: float) -> list[Outcome]:
    """Call each function in a forked child of its own; kill those that hang.

    This process must have no threads.
    """
    children = [_start(function, seconds) for function in functions]
    until = time.monotonic() + seconds + 5
    return [_finish(child, read, until) for child, read in children]


def attempt(function: Callable[[], Any], seconds: float = LIMIT) -> Outcome:
    """Call a function in a forked child; kill it if it hangs."""
    (outcome,) = attempt_all([function], seconds)
    return outcome


def _start(function: Callable[[], Any], seconds: float) -> tuple[int, int]:
    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return child, read
    global _has_limit  # noqa: PLW0603
    if not _has_limit:
        # Writes the stacks of all threads, and ends the process, whatever is locked.
        faulthandler.dump_traceback_later(seconds, exit=True, file=write)
        _has_limit = True
    try:
        report = json.dumps([ANSWER, function()])
    except BaseException:
        report = json.dumps([CRASH, traceback.format_exc()])
    with os.fdopen(write, "w") as file:
        file.write(report)
    os._exit(0)


def _finish(child: int, read: int, until: float) -> Outcome:
    report = b""
    while select([read], [], [], max(0, until - time.monotonic()))[0]:
        more = os.read(read, 1 << 16)
        if not more:
            break
        report += more
    else:
        report = b"hangs, and reports nothing"
    os.close(read)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if report.startswith(b"["):
        kind, answer = json.loads(report)
        return kind, answer
    return (HANG, report.decode()) if report else (CRASH, f"ended with status {status}")


def count_outcome(count: Tally, outcome: Outcome, truth: Any, label: object) -> None:
    """Count the outcome of one try."""
    kind, answer = outcome

    def ask() -> Any:
        if kind == HANG:
            raise subprocess.TimeoutExpired(answer, LIMIT)
        if kind == CRASH:
            raise RuntimeError(answer)
        return answer

    count.check(ask, truth, f"{label}\n{answer}" if kind == HANG else label)


def count_checks(count: Tally, outcome: Outcome, truth: Any, label: object) -> None:
    """Count the checks that a child process made; see `Checks`."""
    if outcome[0] != ANSWER:
        count_outcome(count, outcome, truth, label)
        return
    tries, faults = outcome[1]
    count.tries += tries - len(faults)
    for fault in faults:
        count_outcome(count, fault, truth, label)
