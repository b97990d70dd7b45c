"""Run a program and show its plugin events as a table, as JSON or as an SVG picture."""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile

from .. import _messages as messages
from .children import HAS_PROCESSES, launch_command, no_processes
from .output import complain, has_rich, print_table, save_picture, to_json, unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def add_to(_: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.usage = (
        "%(prog)s [-h] [--json FILE | --svg FILE]\n"
        "           [--as-stevedore] (PROGRAM | -m MODULE) [ARGS...]"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--json", metavar="FILE", help="write the trace to a file, as JSON"
    )
    how.add_argument(
        "--svg", metavar="FILE", help="draw the trace into a file (needs rich)"
    )
    parser.add_argument(
        "--as-stevedore",
        action="store_true",
        help="replace stevedore by lazyplug's drop-in",
    )
    parser.add_argument(
        "-m", dest="is_module", action="store_true", help="PROGRAM is a module"
    )
    parser.add_argument(
        "program",
        metavar="PROGRAM",
        nargs=argparse.REMAINDER,
        help="the program and its arguments, as for `lazyplug run`",
    )
    parser.set_defaults(command=trace)


def trace(options: argparse.Namespace) -> int:
    """Run a program, then show its plugin events; return the program's exit code.

    The program keeps standard output; the table goes to standard error. Returns 2 if
    there is no program or a file cannot be written, and 1 if a trace is not possible.
    """
    if not options.program:
        missing = messages.MISSING.format(argument="PROGRAM")
        fault = messages.SEE_HELP.format(reason=missing, command="trace")
        complain(f"lazyplug trace: {fault}")
        return 2
    if not HAS_PROCESSES:
        complain(messages.NO_TRACE.format(reason=no_processes()))
        return 1
    if options.svg and not has_rich():
        complain(f"lazyplug trace: {messages.NEEDS_RICH}")
        return 1
    for file in (options.json, options.svg):
        # Fail before the program runs, not after it.
        fault = file and unwritable(file)
        if fault:
            complain(fault)
            return 2
    with tempfile.TemporaryDirectory(prefix="lazyplug-trace-") as directory:
        file = os.path.join(directory, "events")
        command = [*launch_command(directory), "--trace", file]
        command += ["--as-stevedore"] * options.as_stevedore
        command += ["-m"] * options.is_module
        exit_code = _run([*command, *options.program])
        events = _events(file)
    if options.svg:
        _draw(events or [], options.svg)
    elif options.json:
        with open(options.json, "wb") as written:
            written.write(to_json(events or []))
    elif events:
        print_table([_row(event) for event in events], sys.stderr)
    elif events is not None:
        complain(messages.NOT_TRACED)
    # For a program that a signal ended, return the exit code that a shell returns.
    return exit_code if exit_code >= 0 else 128 - exit_code


def _run(command: "list[str]") -> int:
    """Run a program and return its exit code; only the program handles SIGINT."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.Popen(command).wait()
    finally:
        signal.signal(signal.SIGINT, before)


def _events(file: str) -> "list[dict[str, Any]] | None":
    """Return the recorded events, sorted by start time; None if there are none."""
    found = []
    try:
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue  # incomplete: its process was killed
    except FileNotFoundError:
        return None
    return sorted(found, key=lambda event: (event["begin"], event["depth"]))


def _row(event: "dict[str, Any]") -> "dict[str, Any]":
    return {
        "at ms": round(event["begin"] * 1e3, 2),
        "took ms": round(event["seconds"] * 1e3, 2),
        "event": "  " * event["depth"] + event["event"],
        "about": event["about"],
        "error": event["error"],
    }


def _draw(events: "list[dict[str, Any]]", file: str) -> None:
    """Draw the start and the duration of each event into an SVG file."""
    # deferred: only for --svg
    from rich.bar import Bar
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    end = max((event["begin"] + event["seconds"] for event in events), default=0.0)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("at ms", "took ms", "event", "about", f"0 to {end * 1e3:.1f} ms"):
        table.add_column(name, justify="right" if name.endswith(" ms") else "left")
    for event in events:
        words = [str(word) for word in _row(event).values()][:4]
        last = event["begin"] + event["seconds"]
        table.add_row(
            *map(Text, words), Bar(end or 1.0, event["begin"], last, width=40)
        )
    save_picture([table], file, "lazyplug trace", 160)
