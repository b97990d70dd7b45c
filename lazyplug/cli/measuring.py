"""Measure how long whole processes take to list a group, with several libraries."""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec

from .. import _environment
from .. import _messages as messages
from .._inventory import all_rows
from .._printable import counted
from .children import (
    HAS_PROCESSES,
    RACY_SECONDS,
    measured_command,
    median_and_spread,
    no_processes,
)
from .listing import NO_ENTRY_POINTS
from .output import add_json, at_least, complain, print_json, print_table

_LAZYPLUG = (
    f"import {__name__.rpartition('.cli.')[0]} as lazyplug;"
    " lazyplug.ExtensionManager({group!r}, lazy=True).names()"
)
_STEVEDORE = (
    "from stevedore import _cache; [p.name for p in _cache.get_group_all({group!r})]"
)
_METADATA = (
    "from importlib.metadata import entry_points;"
    " [p.name for p in entry_points(group={group!r})]"
)
_ROUNDS = 25


class _StartError(Exception):
    """A measured process failed; the message says which one, and why."""


def add_to(_: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.usage = (
        "%(prog)s [-h] [--json] [--rounds N] [GROUP]\n"
        "       %(prog)s [-h] [--json] [--rounds N] [--svg FILE] [--yes]\n"
        "           --program (PROGRAM | -m MODULE) [ARGS...]"
    )
    add_json(parser)
    parser.add_argument(
        "group",
        metavar="GROUP",
        nargs="?",
        help="the group to list (default: the largest group)",
    )
    parser.add_argument(
        "--rounds",
        type=at_least(2),
        metavar="N",
        help="how often each is run, interleaved (default: 25; a program: 5)",
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="run a program whose last argument is neither --help nor --version",
    )
    parser.add_argument(
        "--svg", metavar="FILE", help="draw the figures of a program (needs rich)"
    )
    parser.add_argument(
        "--program",
        metavar="PROGRAM",
        nargs=argparse.REMAINDER,
        default=argparse.SUPPRESS,  # `main` has set it if it is given
        help="what PROGRAM, with the arguments after it, would gain from lazyplug",
    )
    parser.set_defaults(command=bench)


def bench(options: argparse.Namespace) -> int:
    """Print how many milliseconds it takes to list a group.

    The time of `python -c pass` is subtracted. The user's cache is not used. Imports no
    plugin. Returns 1 if nothing could be measured, and 2 if options do not fit.
    """
    if options.program is not None:
        from .gains import bench_program  # deferred: only with that option

        return bench_program(options)
    for option in ("svg", "yes"):
        if getattr(options, option):
            fault = messages.ONLY_WITH.format(option=f"--{option}", other="--program")
            complain(f"lazyplug bench: {fault}")
            return 2
    rounds = options.rounds or _ROUNDS
    if not HAS_PROCESSES:
        complain(messages.NO_BENCH.format(reason=no_processes()))
        return 1
    groups = all_rows(_environment.current())
    if not groups:
        if options.json:
            print_json({"starts": []})
        complain(NO_ENTRY_POINTS)
        return 1
    group = options.group or max(groups, key=lambda name: len(groups[name]))
    with tempfile.TemporaryDirectory(prefix="lazyplug-bench-") as directory:
        try:
            figures = _measure(group, directory, rounds)
        except _StartError as error:
            complain(f"lazyplug bench: {error}")
            return 1
    first = figures["importlib.metadata"][0]
    rows = [
        {
            "start": name,
            "milliseconds": round(median, 2),
            "spread": round(spread, 2),
            "of importlib.metadata": f"{median / first:.2f}" if first > 0 else "",
        }
        for name, (median, spread) in figures.items()
    ]
    if options.json:
        print_json({"group": group, "rounds": rounds, "starts": rows})
        return 0
    plugins = counted(len(groups.get(group, ())), "plugin")
    print(
        f"Listing {plugins} of {group!r}, Python {sys.version.partition(' ')[0]}:"
        " milliseconds on top of `python -c pass`,\nmedians of"
        f" {rounds} interleaved rounds, ± half the interquartile range."
    )
    print_table(rows)
    return 0


def _measure(
    group: str, directory: str, rounds: int
) -> "dict[str, tuple[float, float]]":
    cold = os.path.join(directory, "cold")
    warm = {"LAZYPLUG_CACHE_DIR": os.path.join(directory, "warm")}
    lazyplug = _LAZYPLUG.format(group=group)
    cases: dict[str, tuple[str, dict[str, str]]] = {
        "": ("pass", {}),
        "lazyplug, warm": (lazyplug, warm),
        "lazyplug, warm, dirs": (lazyplug, {**warm, "LAZYPLUG_CHECK": "dirs"}),
        "lazyplug, cold": (lazyplug, {"LAZYPLUG_CACHE_DIR": cold}),
        "importlib.metadata": (_METADATA.format(group=group), {}),
    }
    if find_spec("stevedore") is not None:
        cases["stevedore, warm"] = (_STEVEDORE.format(group=group), {})
    _run("lazyplug, warm", *cases["lazyplug, warm"])
    time.sleep(RACY_SECONDS)
    times: dict[str, list[float]] = {name: [] for name in cases if name}
    names = [*cases]
    # The first round warms up and is not counted.
    for number in range(rounds + 1):
        random.Random(number).shuffle(names)  # noqa: S311
        current = {}
        for name in names:
            shutil.rmtree(cold, ignore_errors=True)
            current[name] = _run(name, *cases[name])
        for name in times if number else ():
            times[name].append(current[name] - current[""])
    return {name: median_and_spread(values) for name, values in times.items()}


def _run(name: str, code: str, variables: "dict[str, str]") -> float:
    """Run a process with this sys.path; return how many milliseconds it takes."""
    path = os.pathsep.join(filter(None, _environment.current().entries))
    command, environ = measured_command(code, {**variables, "PYTHONPATH": path})
    began = time.perf_counter()
    done = subprocess.run(
        command,
        env=environ,
        capture_output=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise _StartError(
            messages.PROCESS_FAILED.format(name=name or "Python", error=last)
        )
    return seconds * 1e3
