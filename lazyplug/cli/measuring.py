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
from .._inventory import groups_of, rows_by_group
from .._printable import counted
from .children import (
    HAS_PROCESSES,
    RACY_SECONDS,
    measured_command,
    no_processes,
)
from .figures import columns, median_and_spread, printed_row
from .listing import NO_ENTRY_POINTS
from .output import (
    PYTHON,
    add_json,
    at_least,
    complain,
    print_json,
    print_sentence,
    print_table,
)

_LAZYPLUG = (
    f"import {__name__.rpartition('.cli.')[0]} as lazyplug;"
    " lazyplug.ExtensionManager({group!r}, lazy=True).names()"
)
_STEVEDORE = (
    "from stevedore import _cache;"
    " [p.name for g in {groups!r} for p in _cache.get_group_all(g)]"
)
_METADATA = (
    "from importlib.metadata import entry_points;"
    " [p.name for p in entry_points(group={group!r})]"
)
# Each call of entry_points() scans.
_METADATA_OF_FAMILY = (
    "from importlib.metadata import entry_points; found = entry_points();"
    " [p.name for g in {groups!r} for p in found.select(group=g)]"
)
_ROUNDS = 25


class _StartError(Exception):
    """A measured process failed; the message says which one, and why."""


def add_to(_: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.usage = (
        "%(prog)s [-h] [--json] [--python PATH] [--rounds N] [GROUP]\n"
        "       %(prog)s [-h] [--json] [--python PATH] [--rounds N]\n"
        "           [--svg FILE] [--yes] --program (PROGRAM | -m MODULE) [ARGS...]"
    )
    add_json(parser)
    parser.add_argument("--python", metavar="PATH", help=PYTHON)
    parser.add_argument(
        "group",
        metavar="GROUP",
        nargs="?",
        help="the group to list, or a family such as 'myapp.*' (default: the largest"
        " group)",
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
    if options.python is not None:
        return _bench_elsewhere(options)
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
    groups = rows_by_group(_environment.current())
    group = options.group or max(groups, key=lambda name: len(groups[name]), default="")
    selected = [name for name in groups_of(group) if name in groups]
    if not selected:
        if options.json:
            print_json({"starts": []})
        complain(_nothing_found(options.group))
        return 1
    with tempfile.TemporaryDirectory(prefix="lazyplug-bench-") as directory:
        try:
            figures = _measure(group, selected, directory, rounds)
        except _StartError as error:
            complain(f"lazyplug bench: {error}")
            return 1
    total = figures["importlib.metadata"][0]
    rows = [
        {"start": name, **columns(figure, total, "ratio")}
        for name, figure in figures.items()
    ]
    python = sys.version.partition(" ")[0]
    if options.json:
        print_json({"group": group, "python": python, "rounds": rounds, "starts": rows})
        return 0
    plugins = counted(sum(len(groups[name]) for name in selected), "plugin")
    print_sentence(
        f"Listing {plugins} of {group!r}, Python {python}: milliseconds on top of"
        f" `python -c pass`, medians of {rounds} interleaved rounds, ± half the"
        " interquartile range. The ratio is to importlib.metadata."
    )
    print_table([printed_row(row, total, "ratio") for row in rows])
    return 0


def _bench_elsewhere(options: argparse.Namespace) -> int:
    """Measure in the environment that an option names; return the exit code."""
    # deferred: only with that option
    from .interpreters import InterpreterError, run_elsewhere
    from .loading import how_ended

    arguments = ["bench"]
    for option in ("json", "yes"):
        arguments += [f"--{option}"] * getattr(options, option)
    if options.rounds:
        arguments += ["--rounds", str(options.rounds)]
    if options.group is not None:
        arguments += ["--", options.group]
    if options.program is not None:
        arguments += ["--program", *options.program]
    if options.svg is not None:  # rich, which draws it, may not be installed there
        fault = messages.NOT_BOTH.format(one="--python", other="--svg")
        complain(f"lazyplug bench: {fault}")
        return 2
    if not HAS_PROCESSES:
        complain(messages.NO_BENCH.format(reason=no_processes()))
        return 1
    try:
        code = run_elsewhere(options.python, arguments)
    except InterpreterError as error:
        complain(f"lazyplug bench: {error}")
        return 2
    if code < 0:
        complain(f"lazyplug bench: {how_ended(code)}")
        return 1
    return code


def _nothing_found(group: "str | None") -> str:
    if group is None:
        return NO_ENTRY_POINTS
    from .._faults.errors import no_matches  # deferred: only on failure

    return str(no_matches(group, None, ()))


def _measure(
    group: str, selected: "list[str]", directory: str, rounds: int
) -> "dict[str, tuple[float, float]]":
    cold = os.path.join(directory, "cold")
    warm = {"LAZYPLUG_CACHE_DIR": os.path.join(directory, "warm")}
    lazyplug = _LAZYPLUG.format(group=group)
    metadata = _METADATA if selected == [group] else _METADATA_OF_FAMILY
    cases: dict[str, tuple[str, dict[str, str]]] = {
        "": ("pass", {}),
        "lazyplug, warm": (lazyplug, warm),
        "lazyplug, warm, dirs": (lazyplug, {**warm, "LAZYPLUG_CHECK": "dirs"}),
        "lazyplug, cold": (lazyplug, {"LAZYPLUG_CACHE_DIR": cold}),
        "importlib.metadata": (metadata.format(group=group, groups=selected), {}),
    }
    if find_spec("stevedore") is not None:
        cases["stevedore, warm"] = (_STEVEDORE.format(groups=selected), {})
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
