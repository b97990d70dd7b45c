"""Measure real programs on the drop-in, compared with stevedore.

Whether a warm program is slower is judged by its instructions: these programs take
seconds, and the spread is wider than the difference. They are counted without the
garbage collector: one object more can move one of its runs, of 30 million instructions.
"""

from pathlib import Path

from benchmarks.calls import instructions
from benchmarks.environment import build, default_directory
from benchmarks.pictures import bars
from benchmarks.processes import (
    Case,
    emptied,
    figure,
    output_of,
    run_until_reliable,
    side_by_side,
)
from benchmarks.report import Figure, Options, Table, main, require

CLIFF = """from cliff.app import App
from cliff.commandmanager import CommandManager
sys.exit(App("demo", "1", CommandManager("cliff.demo")).run(sys.argv[1:]))"""
OPENSTACK = "from openstackclient.shell import main; main()"
# The code of each console script, and its arguments.
PROGRAMS = {
    "bandit": ("from bandit.cli.main import main; main()", ["-q", "insecure.py"]),
    "cliff help": (CLIFF, ["help"]),
    "openstack --help": (OPENSTACK, ["--help"]),
    "openstack command list": (OPENSTACK, ["command", "list"]),
}
INSTALL = "import lazyplug.compat.stevedore; lazyplug.compat.stevedore.install()\n"
# Measures the time that stevedore takes to find entry points: all that a drop-in can
# save.
FINDING = """
import os, time
# A program may close what it prints to.
output = os.dup(1)
began = time.perf_counter()
import stevedore._cache
spent = time.perf_counter() - began
ask = stevedore._cache.get_group_all
def timed(*arguments, **named):
    global spent
    began = time.perf_counter()
    try:
        return ask(*arguments, **named)
    finally:
        spent += time.perf_counter() - began
stevedore._cache.get_group_all = timed
"""


def code(program: str, arguments: list[str], before: str = "", after: str = "") -> str:
    """Return code that starts a program as its console script does."""
    body = program.replace("\n", "\n    ")
    return f"""{before}
import sys
sys.argv = {["program", *arguments]!r}
try:
    {body}
except SystemExit:
    pass
{after}"""


def cases(
    scratch: Path, name: str, program: str, arguments: list[str]
) -> dict[str, Case]:
    """Return the cases of a program on the drop-in and on stevedore, warm and cold."""
    stock, ours = code(program, arguments), code(program, arguments, INSTALL)

    def warm(text: str, variable: str, directory: Path) -> Case:
        return Case(text, {variable: str(directory)})

    def cold(text: str, variable: str, directory: Path) -> Case:
        return warm(text, variable, directory)._replace(before=emptied(directory))

    variable, theirs = "LAZYPLUG_CACHE_DIR", "XDG_CACHE_HOME"
    return {
        f"{name}: drop-in, warm": warm(ours, variable, scratch / "ours"),
        f"{name}: stevedore, warm": warm(stock, theirs, scratch / "theirs"),
        f"{name}: drop-in, cold": cold(ours, variable, scratch / "our-cold"),
        f"{name}: stevedore, cold": cold(stock, theirs, scratch / "their-cold"),
    }


def finding(python: Path, scratch: Path, program: str, arguments: list[str]) -> Figure:
    """Return the milliseconds that stevedore, warm, takes to find entry points."""
    report = "os.write(output, f'spent {spent}'.encode())"
    text = code(program, arguments, FINDING, report)
    case = Case(text, {"XDG_CACHE_HOME": str(scratch / "theirs")})
    outputs = [output_of(python, case, scratch)[0] for _ in range(5)]
    return figure([float(each.rpartition("spent ")[2]) * 1e3 for each in outputs])


def without_collector(case: Case) -> Case:
    """Return a case that runs without the garbage collector."""
    return case._replace(code=f"import gc; gc.disable()\n{case.code}")


def measure(options: Options) -> list[Table]:
    """Measure each program on both libraries, and count its instructions."""
    require("valgrind")
    python, scratch = build(default_directory()), options.scratch
    (scratch / "insecure.py").write_text("import pickle\n", encoding="utf-8")
    times: dict[str, Figure] = {}
    counts: dict[str, Figure] = {}
    for name, (program, arguments) in PROGRAMS.items():
        found = cases(scratch, name, program, arguments)
        run_until_reliable(python, found[f"{name}: drop-in, warm"], scratch)
        times |= side_by_side(python, found, scratch, options.rounds)
        times[f"{name}: stevedore, warm, finding entry points only"] = finding(
            python, scratch, program, arguments
        )
        counts |= {
            each.replace("warm", "instructions"): Figure(
                instructions(python, without_collector(case), scratch)
            )
            for each, case in found.items()
            if each.endswith("warm")
        }
    return [
        Table("real programs", "ms on top of `python -c pass`", times),
        Table("real programs, warm", "million instructions", counts),
    ]


if __name__ == "__main__":
    main("clients", __doc__, measure, 25, bars)
