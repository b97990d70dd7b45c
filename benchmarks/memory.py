"""Measure the peak memory of getting one driver in the real environment.

Resident memory on top of a process that imports the plugin only. Linux only.
"""

from pathlib import Path

from benchmarks.pictures import bars
from benchmarks.processes import Case, output_of, side_by_side
from benchmarks.report import Options, Table, main
from benchmarks.startup import BASELINE_CODE, environment

# Not by getrusage, whose figure starts with the peak of the parent process.
PEAK = """
with open("/proc/self/status") as status:
    (peak,) = [line.split()[1] for line in status if line.startswith("VmHWM")]
print("peak", peak)
"""


def mebibytes(python: Path, case: Case, cwd: Path) -> float:
    """Return the peak resident memory of a case in a fresh process."""
    output, _ = output_of(python, case._replace(code=f"{case.code}\n{PEAK}"), cwd)
    return int(output.rpartition("peak ")[2]) / 1024


def measure(options: Options) -> list[Table]:
    """Measure the cases of `startup`."""
    python, found = environment(options.scratch)
    figures = side_by_side(
        python,
        found,
        options.scratch,
        options.rounds,
        floor=Case(BASELINE_CODE),
        take=mebibytes,
    )
    return [
        Table(
            "peak memory of getting one driver",
            "MiB on top of an import of the plugin",
            figures,
        )
    ]


if __name__ == "__main__":
    main("memory", __doc__, measure, 25, bars)
