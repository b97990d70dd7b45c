"""A run of a program, and what it did for its plugins: a table, JSON, or a picture."""

import argparse
import json
import os
import subprocess
import sys
import tempfile

from .output import complain, is_drawn, print_json, print_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def add_to(_: str, parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--json", action="store_true", help="print JSON instead")
    how.add_argument("--svg", metavar="FILE", help="draw it into a file (needs rich)")
    parser.add_argument(
        "--as-stevedore", action="store_true", help="run it on the drop-in"
    )
    parser.add_argument(
        "-m",
        dest="module",
        metavar="MODULE",
        nargs=argparse.REMAINDER,
        help="a module, with its arguments, as `python -m` runs it",
    )
    parser.add_argument(
        "program",
        metavar="PROGRAM",
        nargs=argparse.REMAINDER,
        help="what `run` would run, with its arguments",
    )
    parser.set_defaults(command=trace)


def trace(options: argparse.Namespace) -> int:
    """Run a program, then print what it did; return the program's exit code.

    What the program prints is passed on; the table goes to standard error, lest it be
    taken for that.
    """
    program = ["-m", *options.module] if options.module else options.program
    if not program:
        complain("lazyplug trace: which program?")
        return 2
    with tempfile.TemporaryDirectory(prefix="lazyplug-trace-") as folder:
        file = os.path.join(folder, "events")
        command = [sys.executable, "-m", "lazyplug", "run", "--trace", file]
        command += ["--as-stevedore"] * options.as_stevedore
        code = subprocess.run([*command, *program], check=False).returncode
        events = _events(file)
    if options.svg and not _draw(events, options.svg):
        complain("A picture needs rich: pip install lazyplug[cli]")
        return 1
    if options.json:
        print_json(events)
    elif not options.svg and events:
        print_table([_row(event) for event in events], sys.stderr)
    elif not options.svg:
        complain("It asked lazyplug for nothing.")
    # As a shell tells that a signal ended it.
    return code if code >= 0 else 128 - code


def _events(file: str) -> "list[dict[str, Any]]":
    """Return what was written, in the order in which it began."""
    try:
        with open(file, encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []  # it did not come to that
    return sorted(found, key=lambda event: (event["begin"], event["depth"]))


def _row(event: "dict[str, Any]") -> "dict[str, Any]":
    return {
        "at ms": round(event["begin"] * 1e3, 2),
        "took ms": round(event["seconds"] * 1e3, 2),
        "what": "  " * event["depth"] + event["event"],
        "of": event["about"],
        "error": event["error"],
    }


def _draw(events: "list[dict[str, Any]]", file: str) -> bool:
    """Draw when each event began and how long it took; False if rich is missing."""
    if not is_drawn():
        return False
    from rich.bar import Bar
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    end = max((event["begin"] + event["seconds"] for event in events), default=0.0)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("at ms", "took ms", "what", "of", f"0 to {end * 1e3:.1f} ms"):
        table.add_column(name, justify="right" if "ms" in name[-2:] else "left")
    for event in events:
        words = [str(word) for word in _row(event).values()][:4]
        bar = Bar(
            end or 1.0, event["begin"], event["begin"] + event["seconds"], width=40
        )
        table.add_row(*map(Text, words), bar)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=160, file=nowhere)
        console.print(table)
    console.save_svg(file, title="lazyplug trace")
    return True
