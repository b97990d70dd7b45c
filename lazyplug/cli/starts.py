"""Start a program as released and with the options of `run`, and time it."""

import hashlib
import json
import os
import random
import re
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from threading import Event, Timer
from typing import Any, NamedTuple

from .. import _messages as messages
from .._running.command import options_of
from .._running.observer import FINDING, IMPORTING
from .children import (
    RACY_SECONDS,
    kill,
    launch_command,
    measured_environment,
    measured_options,
)

RELEASED = "as released"
# The ways to start a program, each with its options of `run`; the simplest first.
# `lazyplug on` does what --accelerate does, too, so each of them includes it.
WAYS: dict[str, tuple[str, ...]] = {
    RELEASED: (),
    "run --accelerate": ("--accelerate",),
    "run --accelerate --as-stevedore": ("--accelerate", "--as-stevedore"),
    "run --as-stevedore --lazy": ("--as-stevedore", "--lazy"),
}
# Seconds after which a program is killed.
_LIMIT = 60.0
# What replaces the flags that make a process ignore its variables.
_HEEDING = str.maketrans({"E": "", "I": "sP"})


class ProgramError(Exception):
    """A program cannot be measured; the message says why."""


class Start(NamedTuple):
    """A start: how long it took, its exit code, and digests of what it printed."""

    milliseconds: float
    exit_code: int
    printed: tuple[bytes, bytes]


class Observation(NamedTuple):
    """The milliseconds of a start that finding plugins, and importing each, took."""

    finding: float
    plugins: dict[tuple[str, ...], float]  # by name, value and group
    has_stevedore: bool
    exit_code: int = 0


def title(words: list[str]) -> str:
    """Return a program and its arguments as they are typed.

    >>> title(["-m", "flake8", "a b"])
    "python -m flake8 'a b'"
    """
    return shlex.join(["python", *words] if words[0] == "-m" else words)


def count_starts(rounds: int, ways: int = len(WAYS)) -> int:
    """Return how often a program is started to compare so many ways."""
    # An observed start, one of each way but the first, and the rounds: the first one is
    # not counted, and each has an observed start.
    return ways + (rounds + 1) * (ways + 1)


class Program:
    """A program that is started in several ways. The user's cache is not used.

    :param words: the program and its arguments, as for `run`.
    :param directory: for temporary files.
    """

    def __init__(self, words: list[str], directory: str) -> None:
        # Before anything else but these, options of `run` would be recognized.
        self._words = words if words[0] in {"-m", "--"} else ["--", *words]
        self._title = title(words)
        self._directory = directory
        self._events = os.path.join(directory, "events")
        self._environ = measured_environment(
            {"LAZYPLUG_CACHE_DIR": os.path.join(directory, "cache")}
        )
        self._run = self._launch("run")
        self._observe = self._launch("observe", ("observer", "observe", self._events))
        self._released: list[str] = []
        # False for a console script without a file, which only `run` can start.
        self.has_file: bool = True

    def _launch(self, name: str, *ready: tuple[str, str, str]) -> list[str]:
        directory = os.path.join(self._directory, name)
        os.mkdir(directory)
        return launch_command(directory, measured_options(), *ready)

    def find(self) -> bool:
        """Find the program; return False if `run` refuses it, and has said why."""
        file = os.path.join(self._directory, "command")
        find = self._launch("find", ("command", "write_command", file)) + self._words
        # In a session of its own: an interrupt ends this process, without a traceback.
        done = subprocess.run(
            find, env=self._environ, check=False, start_new_session=True
        )
        if done.returncode:
            return False
        with open(file, encoding="utf-8") as written:
            command = json.load(written)
        self.has_file = command != find
        self._released = (
            _with_variables(command) if self.has_file else self._run + self._words
        )
        return True

    def observe(self) -> Observation:
        """Start the program as released, and observe what it does for its plugins."""
        open(self._events, "w", encoding="utf-8").close()
        start = self._time(RELEASED, self._observe + self._words)
        with open(self._events, encoding="utf-8") as lines:
            return observation(lines)._replace(exit_code=start.exit_code)

    def compare(
        self, ways: list[str], rounds: int, step: Callable[[], None]
    ) -> tuple[dict[str, list[Start]], list[Observation]]:
        """Start the program in these ways, interleaved, and observe it in each round.

        :param step: called after each start.
        """
        for way in ways:
            if way != RELEASED:
                self._start(way)  # fills the cache
                step()
        time.sleep(RACY_SECONDS)
        starts: dict[str, list[Start]] = {way: [] for way in ways}
        observations = []
        # The first round warms up and is not counted.
        for number in range(rounds + 1):
            for way in random.Random(number).sample(ways, len(ways)):  # noqa: S311
                start = self._start(way)
                step()
                if number:
                    starts[way].append(start)
            observed = self.observe()
            step()
            if number:
                observations.append(observed)
        return starts, observations

    def _start(self, way: str) -> Start:
        if way == RELEASED:
            return self._time(way, self._released)
        return self._time(way, [*self._run, *WAYS[way], *self._words])

    def _time(self, way: str, command: list[str]) -> Start:
        """Run a command until it ends. Raises ProgramError after the time limit."""
        expired = Event()
        # To files: a process that the program leaves behind could hold a pipe open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            began = time.perf_counter()
            process = subprocess.Popen(
                command,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

            def expire() -> None:
                expired.set()
                kill(process)

            # Popen.wait(timeout) would look only every 50 ms.
            timer = Timer(_LIMIT, expire)
            timer.start()
            try:
                exit_code = process.wait()
                seconds = time.perf_counter() - began
            finally:
                timer.cancel()
                kill(process)  # and what it has started
            if expired.is_set():
                raise ProgramError(
                    messages.DID_NOT_END.format(
                        program=self._title, limit=_LIMIT, way=way
                    )
                )
            return Start(seconds * 1e3, exit_code, (_digest(out), _digest(err)))


def _digest(file: Any) -> bytes:
    # Not the text itself: the outputs of all starts are kept until the end.
    file.seek(0)
    return hashlib.file_digest(file, "sha256").digest()


def _with_variables(command: list[str]) -> list[str]:
    """Return a command whose process heeds its variables: without -E, and -sP for -I.

    Otherwise it would use the cache of the user, and an environment switched on.

    >>> _with_variables(["python", "-EI", "-WIgnore", "-E", "tool", "-E"])
    ['python', '-sP', '-WIgnore', 'tool', '-E']
    """
    options = options_of(command)
    heeding = [
        re.sub("^-[^-WX]+", lambda flags: flags[0].translate(_HEEDING), option)
        for option in options
    ]
    words = command[1 + len(options) :]
    return [command[0], *(option for option in heeding if option != "-"), *words]


def observation(lines: Iterable[str]) -> Observation:
    """Return the sums of the events that an observed program has written.

    >>> observation(['["library", ["stevedore"], 0]', '["finding", [], 0.25]', '["fi'])
    Observation(finding=250.0, plugins={}, has_stevedore=True, exit_code=0)
    >>> observation(2 * ['["importing", ["a", "plug:a", "app"], 0.5]']).plugins
    {('a', 'plug:a', 'app'): 1000.0}
    """
    finding = 0.0
    plugins: dict[tuple[str, ...], float] = {}
    has_stevedore = False
    for line in lines:
        try:
            kind, words, seconds = json.loads(line)
        except ValueError:
            continue  # incomplete: the program was killed
        if kind == FINDING:
            finding += seconds * 1e3
        elif kind == IMPORTING:
            plugins[*words] = plugins.get((*words,), 0.0) + seconds * 1e3
        else:
            has_stevedore |= words == ["stevedore"]
    return Observation(finding, plugins, has_stevedore)
