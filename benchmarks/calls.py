"""Count the instructions and file system calls of getting one driver.

Exact counts by valgrind and strace, on top of a process that imports the plugin only.
"""

import re
import subprocess
from pathlib import Path

from benchmarks.pictures import bars
from benchmarks.processes import Case, variables_of
from benchmarks.report import Figure, Options, Table, main, require
from benchmarks.startup import BASELINE_CODE, environment

STRACE = ("strace", "-f", "-qq", "-e", "trace=%file,%desc", "-o")
VALGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")


def calls(python: Path, case: Case, cwd: Path) -> int:
    """Return the number of file system calls of a case."""
    log = cwd / "strace.log"
    _run([*STRACE, str(log), str(python), "-c", case.code], case, cwd)
    return len(log.read_text(encoding="utf-8", errors="replace").splitlines())


def instructions(python: Path, case: Case, cwd: Path) -> float:
    """Return how many million instructions a case takes."""
    output = _run([*VALGRIND, str(python), "-c", case.code], case, cwd)
    (count,) = re.findall(r"Collected : (\d+)", output)
    return int(count) / 1e6


def _run(command: list[str], case: Case, cwd: Path) -> str:
    if case.before is not None:
        case.before()
    done = subprocess.run(
        command,
        # With a fixed hash seed, the order of sets is fixed, and so is the count.
        env=variables_of(case) | {"PYTHONHASHSEED": "0"},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{case.code!r} failed:\n{done.stderr}")
    return done.stderr


def measure(options: Options) -> list[Table]:
    """Count the cases of `startup`."""
    require("strace", "valgrind")
    python, found = environment(options.scratch)
    tables = []
    for what, unit, count in (
        ("instructions", "million on top of an import of the plugin", instructions),
        ("calls", "calls on top of an import of the plugin", calls),
    ):
        baseline = count(python, Case(BASELINE_CODE), options.scratch)
        figures = {}
        for name, case in found.items():
            count(python, case, options.scratch)  # warms the cache
            more = count(python, case, options.scratch) - baseline
            figures[f"{name}, {what}"] = Figure(more)
        tables.append(Table(f"{what} of getting one driver", unit, figures))
    return tables


if __name__ == "__main__":
    main("calls", __doc__, measure, 0, bars)
