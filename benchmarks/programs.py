"""Survey what released programs gain by lazyplug while nobody changes them.

Each command of programs.toml is run as released, then under each means: by `lazyplug
run`, with an empty cache and with a full one, and with the environment switched on. Its
exit code and its words must be the same each time. Then its instructions are counted,
as released and with the environment switched on. Takes an hour and valgrind.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.calls import VALGRIND
from benchmarks.environment import build, default_directory, summary
from benchmarks.pictures import shares
from benchmarks.processes import RACY_SECONDS, UNWANTED
from benchmarks.report import (
    RESULTS,
    Figure,
    Table,
    compare,
    judge,
    keep,
    machine,
    number,
    require,
    scratch_directory,
)

HERE = Path(__file__).resolve().parent
RELEASED = "as released"
# The options of `lazyplug run` and of `lazyplug on`.
MEANS = {
    "accelerate": (["--accelerate"], []),
    "drop-in": (["--as-stevedore"], ["--as-stevedore"]),
    "lazy drop-in": (["--as-stevedore", "--lazy"], ["--as-stevedore", "--lazy"]),
}
UNIT = "million instructions"
# What no program may exceed, compared with its instructions as released.
MOST = 1.02
# A program gains if it needs less than this.
GAIN = 0.98
# An hour, under valgrind on a busy machine.
SECONDS = 3600
# Where and when a program runs; how long it took.
_CHANGING = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d[.,\d]*\S*)?"
    r"|\d+(\.\d+)? ?(s|ms|seconds?)\b|0x[0-9a-f]{6,}|\d\d:\d\d:\d\d"
)


class Outcome(NamedTuple):
    """The exit code of a program, and the lines that it prints."""

    code: int
    lines: tuple[str, ...]

    def words(self) -> tuple[int, list[str]]:
        """Return what is compared: lazyplug lists plugins in an order of its own."""
        return self.code, sorted(" ".join(self.lines).split())


class Site:
    """An environment with the commands that are run in it."""

    def __init__(self, name: str, about: Mapping[str, Any], scratch: Path) -> None:
        self.name = name
        requirements = about.get("requirements", [])
        directory = default_directory().with_name(f"programs-{name}")
        self._python = build(directory, pins=HERE / "programs.txt", only=requirements)
        self.summary = summary(self._python)
        self.commands: list[str] = [*about["stevedore"], *about["commands"]]
        self._on_stevedore = set(about["stevedore"])
        self._files: dict[str, str] = about["files"]
        self._scratch = scratch / name
        self._home = self._scratch / "home"
        self._home.mkdir(parents=True)

    def means_of(self, command: str) -> list[str]:
        """Return the means that may speed up a command."""
        return [*MEANS] if command in self._on_stevedore else ["accelerate"]

    def switch(self, *arguments: str) -> None:
        """Call lazyplug in this environment."""
        # Elsewhere, a checkout in the current directory would be imported.
        subprocess.run(
            [self._python, "-m", "lazyplug", *arguments],
            cwd=self._scratch,
            check=True,
            capture_output=True,
        )

    def start(self, command: str, cache: str, options: list[str] | None) -> Outcome:
        """Run a command: with options of `lazyplug run`, or directly if they are None.

        :param cache: the name of lazyplug's cache directory.
        """
        words = self._script(command)
        if options is not None:
            words = [str(self._python.with_name("lazyplug")), "run", *options, *words]
        return self._run([str(self._python), *words], command, cache)

    def count(self, command: str, cache: str) -> float:
        """Return how many million instructions a direct start takes in its process."""
        log = self._scratch / f"valgrind-{self.commands.index(command)}.log"
        start = [*VALGRIND, f"--log-file={log}", str(self._python)]
        self._run([*start, *self._script(command)], command, cache)
        # A child that does not execute another program writes to the same file.
        counts = re.findall(r"Collected : (\d+)", log.read_text(encoding="utf-8"))
        return max(map(int, counts)) / 1e6

    def cache(self, name: str) -> Path:
        """Return the directory of a cache of lazyplug."""
        return self._scratch / f"cache-{name}"

    def _script(self, command: str) -> list[str]:
        program, *arguments = shlex.split(command)
        if program == "python":
            return [f"./{arguments[0]}", *arguments[1:]]
        return [str(self._python.with_name(program)), *arguments]

    def _run(self, start: list[str], command: str, cache: str) -> Outcome:
        # Always the same path, since some programs print it.
        cwd = self._scratch / f"files-{self.commands.index(command)}"
        shutil.rmtree(cwd, ignore_errors=True)
        for name, text in self._files.items():
            (cwd / name).parent.mkdir(parents=True, exist_ok=True)
            (cwd / name).write_text(text.lstrip(), encoding="utf-8")
        variables = {k: v for k, v in os.environ.items() if k not in UNWANTED}
        variables |= {
            "PATH": f"{self._python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self._home),
            "LAZYPLUG_CACHE_DIR": str(self.cache(cache)),
            # No telemetry, and help texts as wide as on any terminal.
            "DO_NOT_TRACK": "1",
            "COLUMNS": "100",
            # With a fixed hash seed, the order of sets is fixed, and so is the count.
            "PYTHONHASHSEED": "0",
        }
        done = subprocess.run(
            start,
            env=variables,
            cwd=cwd,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
        )
        text = _CHANGING.sub("…", f"{done.stdout}\n{done.stderr}")
        return Outcome(done.returncode, tuple(text.splitlines()))


class Survey:
    """The answers and the figures of one environment."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.figures: dict[str, Figure] = {}
        self.notes: dict[str, str] = {}
        self.different: list[str] = []
        self._expected: dict[str, Outcome] = {}

    def run(self) -> None:
        """Run everything; the environment is switched off before and after."""
        self.site.switch("off")
        try:
            self._run_as_released()
            for means, (by_run, by_switch) in MEANS.items():
                self._run_under(means, by_run, by_switch)
        finally:
            self.site.switch("off")

    def _run_as_released(self) -> None:
        for command in self.site.commands:
            # The first run writes bytecode and settings.
            self.site.start(command, "none", None)
            self._expected[command] = self.site.start(command, "none", None)
            again = self.site.start(command, "none", None)
            if again.words() != self._expected[command].words():
                self.notes[command] = "two runs as released differ"
        self._count(RELEASED, self.site.commands)

    def _run_under(self, means: str, by_run: list[str], by_switch: list[str]) -> None:
        commands = [
            each for each in self.site.commands if means in self.site.means_of(each)
        ]
        for command in commands:
            shutil.rmtree(self.site.cache("cold"), ignore_errors=True)
            for _ in range(2):
                self._compare(means, command, self.site.start(command, "cold", by_run))
        self.site.switch("on", *by_switch)
        for _ in range(2):
            for command in commands:
                self._compare(means, command, self.site.start(command, means, None))
            # Records of files that were just written are read again.
            time.sleep(RACY_SECONDS)
        self._count(means, commands)
        self.site.switch("off")

    def _compare(self, means: str, command: str, found: Outcome) -> None:
        if command in self.notes:
            same = found.code == self._expected[command].code
        else:
            same = found.words() == self._expected[command].words()
        if not same:
            self.different.append(f"{self.site.name}: {command}, {means}")

    def _count(self, means: str, commands: Iterable[str]) -> None:
        # Counts do not depend on what else the machine does.
        def count(command: str) -> float:
            return self.site.count(command, means)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for command, millions in zip(
                commands, pool.map(count, commands), strict=True
            ):
                self.figures[f"{self.site.name}: {command}, {means}"] = Figure(millions)


def ratios(figures: Mapping[str, Figure]) -> dict[str, dict[str, float]]:
    """Return for each command and each means the ratio to as released.

    >>> ratios({"a: b, as released": Figure(4), "a: b, accelerate": Figure(3)})
    {'a: b': {'accelerate': 0.75}}
    """
    found: dict[str, dict[str, float]] = {}
    for name, (millions, _) in figures.items():
        command, _, means = name.rpartition(", ")
        released = figures[f"{command}, {RELEASED}"].median
        if means != RELEASED:
            found.setdefault(command, {})[means] = millions / released
    return found


def table(survey: Survey) -> str:
    """Return the figures of one environment as a table, the largest gain first."""
    site = survey.site
    lines = [
        f"**{site.name}**: {site.summary}",
        "",
        f"| command | {RELEASED} | {' | '.join(MEANS)} | remark |",
        f"|---|{'---:|' * (1 + len(MEANS))}---|",
    ]
    found = ratios(survey.figures)
    for name in sorted(found, key=lambda name: min(found[name].values())):
        command = name.partition(": ")[2]
        millions = number(round(survey.figures[f"{name}, {RELEASED}"].median))
        cells = [
            f"{found[name][each]:.2f}" if each in found[name] else "" for each in MEANS
        ]
        note = survey.notes.get(command, "")
        lines.append(f"| `{command}` | {millions} | {' | '.join(cells)} | {note} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the survey; fail if an answer differs or a bound is missed."""
    require("valgrind")
    with (HERE / "programs.toml").open("rb") as file:
        about: dict[str, Any] = tomllib.load(file)
    files = about.pop("files")
    named = [each for each in sys.argv[1:] if each in about]
    surveys = []
    with scratch_directory("programs") as scratch:
        for name in named or about:
            surveys.append(Survey(Site(name, about[name] | {"files": files}, scratch)))
            surveys[-1].run()
            print(table(surveys[-1]), flush=True)
    figures = {k: v for each in surveys for k, v in each.figures.items()}
    best = {name: min(each.values()) for name, each in ratios(figures).items()}
    gaining = sum(ratio < GAIN for ratio in best.values())
    head = (
        f"{machine()}; million instructions of the process as released, and with the"
        f" environment switched on the ratio to that. {gaining} of {len(best)} commands"
        " gain. Repeat it with `tox run -e programs`.\n"
    )
    print(head, *compare("programs", figures), sep="\n")
    if "--keep" in sys.argv:
        text = "\n".join([head, *map(table, surveys)])
        tables = [Table(each.site.name, UNIT, each.figures) for each in surveys]
        keep("programs", tables, 0, text)
        shares(best, RESULTS / "programs.svg")
    verdicts = [] if named else judge("programs", figures)
    different = [each for survey in surveys for each in survey.different]
    print(*verdicts, *(f"DIFFERS {each}" for each in different), sep="\n")
    more = [
        f"MISSED {name}, {means} = {ratio:.3f}, bound {MOST}"
        for name, each in ratios(figures).items()
        for means, ratio in each.items()
        if ratio > MOST
    ]
    print(*more, sep="\n")
    if different or more or any(each.startswith("MISSED") for each in verdicts):
        sys.exit("an answer differs, or a bound is missed")


if __name__ == "__main__":
    main()
