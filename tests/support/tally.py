"""Count the outcomes of the tries of a fault: wrong answers, crashes, hangs."""

import contextlib
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Seconds after which a try counts as a hang. No answer takes a tenth of that, even on a
# busy machine.
LIMIT = 30


OURS, RIVAL = "lazyplug", "stevedore"
LONG = pytest.mark.skipif(
    "not config.getoption('--long', default=False)", reason="only in the long run"
)

# The number of failed tries that a test shows.
SHOWN = 5


class TookTooLong(BaseException):
    """A try hangs. Not an Exception, since the tested code may catch those."""


@contextlib.contextmanager
def time_limit(seconds: float = LIMIT) -> Iterator[None]:
    """Raise TookTooLong in the main thread after so many seconds."""
    if not hasattr(signal, "setitimer"):
        yield  # only pytest's own time limit is in effect
        return

    def stop(*_: object) -> None:
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, stop)
    # The timer of pytest-timeout is restored afterwards.
    remaining, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, remaining)
        signal.signal(signal.SIGALRM, before)


class Tally:
    """The outcomes of the tries of one fault.

    :param fault: its name in the report.
    :param subject: the library that is tested.
    """

    def __init__(self, fault: str, subject: str = OURS) -> None:
        self.fault = fault
        self.subject = subject
        self.tries = self.wrong = self.crashes = self.hangs = 0
        self.examples: list[str] = []

    def check(self, ask: Callable[[], Any], truth: Any, label: object = "") -> None:
        """Ask once, and count the outcome: right, wrong, a crash or a hang."""
        self.tries += 1
        try:
            with time_limit():
                found = ask()
        except (TookTooLong, subprocess.TimeoutExpired):
            self.hangs += 1
            self._show(f"{label}: hangs")
        except Exception as error:  # any exception counts as a crash
            self.crashes += 1
            self._show(f"{label}: {error!r}")
        else:
            self.compare(found, truth, label)

    def compare(self, found: Any, truth: Any, label: object = "") -> None:
        """Count an answer as wrong unless it is the right one."""
        if found != truth:
            self.wrong += 1
            self._show(f"{label}: {found!r:.500} instead of {truth!r:.500}")

    def _show(self, example: str) -> None:
        if len(self.examples) < SHOWN:
            self.examples.append(example)

    def counts(self) -> dict[str, Any]:
        """Return the counts, for the report."""
        names = ("fault", "subject", "tries", "wrong", "crashes", "hangs")
        return {name: getattr(self, name) for name in names}
