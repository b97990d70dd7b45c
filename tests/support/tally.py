"""Count what becomes of the tries of a fault: wrong answers, crashes, hangs."""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

# Seconds after which a try hangs: no answer takes a tenth of that, here or on a
# machine that is busy.
LIMIT = 30


OURS, RIVAL = "lazyplug", "stevedore"


# Of the faults of a test so many are shown.
SHOWN = 5


class TookTooLong(BaseException):
    """A try hangs. No Exception: what is tried may survive those."""


@contextlib.contextmanager
def time_limit(seconds: float = LIMIT) -> Iterator[None]:
    """Raise TookTooLong in the main thread after so many seconds."""
    if not hasattr(signal, "setitimer"):
        yield  # pytest's own time limit is left
        return

    def stop(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, stop)
    # pytest-timeout has its own timer, which is put back.
    remaining, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, remaining)
        signal.signal(signal.SIGALRM, before)


class Tally:
    """What became of the tries of one fault.

    :param fault: its name, as the report has it.
    :param subject: who was tried.
    """

    def __init__(self, fault: str, subject: str = OURS) -> None:
        self.fault = fault
        self.subject = subject
        self.tries = self.wrong = self.crashes = self.hangs = 0
        self.examples: list[str] = []

    def hold(self, ask: Callable[[], Any], truth: Any, label: object = "") -> None:
        """Ask once, and count what comes: the truth, another answer, or none."""
        self.tries += 1
        try:
            with time_limit():
                found = ask()
        except (TookTooLong, subprocess.TimeoutExpired):
            self.hangs += 1
            self._show(f"{label}: hangs")
        except Exception as error:  # whatever it is, it is counted
            self.crashes += 1
            self._show(f"{label}: {error!r}")
        else:
            self.compare(found, truth, label)

    def compare(self, found: Any, truth: Any, label: object = "") -> None:
        """Count an answer as wrong unless it is the truth."""
        if found != truth:
            self.wrong += 1
            self._show(f"{label}: {found!r:.500} instead of {truth!r:.500}")

    def _show(self, example: str) -> None:
        if len(self.examples) < SHOWN:
            self.examples.append(example)

    def counts(self) -> dict[str, Any]:
        """Return what is kept of it."""
        names = ("fault", "subject", "tries", "wrong", "crashes", "hangs")
        return {name: getattr(self, name) for name in names}
