"""Count the file system calls of a thousand starts, as a shared file system sees them.

Each start is a process that gets one driver in the real environment. The calls of a
thousand processes that import the plugin only are subtracted. Counted by strace.
"""

import subprocess
from pathlib import Path

from benchmarks.environment import summary
from benchmarks.pictures import bars
from benchmarks.processes import Case, run_until_reliable, variables_of
from benchmarks.report import Figure, Options, Table, main, require
from benchmarks.startup import BASELINE_CODE, environment

STARTS = 1000
SHELL = 'i=0; while [ $i -lt "$1" ]; do "$2" -c "$3" || exit 1; i=$((i+1)); done'
NAMES = (
    "lazyplug, frozen and trusted",
    "lazyplug, frozen",
    "lazyplug, warm",
    "lazyplug, warm, dirs",
    "lazyplug, warm, none",
    "stevedore, warm",
    "importlib.metadata",
)


def calls(python: Path, case: Case, cwd: Path) -> int:
    """Return the number of file system calls of a thousand starts."""
    log = cwd / "strace.log"
    trace = ("strace", "-f", "-qq", "-c", "-e", "trace=%file,%desc", "-o", str(log))
    shell = ("sh", "-c", SHELL, "sh", str(STARTS), str(python), case.code)
    subprocess.run(
        [*trace, *shell],
        env=variables_of(case) | {"PYTHONHASHSEED": "0"},
        cwd=cwd,
        capture_output=True,
        check=True,
    )
    lines = log.read_text(encoding="utf-8").splitlines()
    (total,) = [line.split() for line in lines if line.endswith(" total")]
    return int(total[3])


def measure(options: Options) -> list[Table]:
    """Count the calls of each case."""
    require("strace")
    scratch = options.scratch
    python, cases = environment(scratch)
    baseline = calls(python, Case(BASELINE_CODE), scratch)
    figures = {}
    for name in NAMES:
        run_until_reliable(python, cases[name], scratch)
        figures[name] = Figure(calls(python, cases[name], scratch) - baseline)
    title = f"{STARTS:,} starts, where {summary(python).removesuffix('.')}"
    return [Table(title, "calls on top of an import of the plugin", figures)]


if __name__ == "__main__":
    main("starts", __doc__, measure, 0, bars)
