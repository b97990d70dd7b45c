"""Measure what released programs gain by `accelerate()`, compared with without it.

xarray asks for the entry points of one group; OpenTelemetry asks for all, and keeps
them. Both are unchanged releases, in the real environment.
"""

from pathlib import Path

from benchmarks.environment import build, default_directory
from benchmarks.pictures import bars
from benchmarks.processes import Case, output_of, run_until_reliable, side_by_side
from benchmarks.report import Options, Table, main

PINS = Path(__file__).with_name("accelerate.txt")
# The imports of each program, and the code that asks for entry points. The imports are
# not measured: they take longer than the difference.
PROGRAMS = {
    "xarray": ("import xarray.backends.plugins as plugins", "plugins.list_engines()"),
    "opentelemetry": (
        "import importlib.metadata, importlib_metadata",
        "import opentelemetry.trace, opentelemetry.propagate",
    ),
}
CODE = """
import time
began = time.perf_counter()
{0}
spent = time.perf_counter() - began
{1}
began = time.perf_counter()
{2}
print((time.perf_counter() - began + spent) * 1e3)
"""
ACCELERATE = "import lazyplug; lazyplug.accelerate()"


def read_milliseconds(python: Path, case: Case, cwd: Path) -> float:
    """Return the milliseconds that a case measures and prints itself."""
    return float(output_of(python, case, cwd)[0])


def measure(options: Options) -> list[Table]:
    """Measure each program with and without `accelerate()`."""
    python = build(default_directory().with_name("accelerate"), pins=PINS)
    variables = {"LAZYPLUG_CACHE_DIR": str(options.scratch / "cache")}
    nothing = Case(CODE.format("", "", ""))
    tables = []
    for title, (imports, asks) in PROGRAMS.items():
        found = {
            f"{title}: {name}": Case(CODE.format(before, imports, asks), variables)
            for name, before in (("accelerated", ACCELERATE), ("as released", ""))
        }
        run_until_reliable(python, found[f"{title}: accelerated"], options.scratch)
        figures = side_by_side(
            python, found, options.scratch, options.rounds, nothing, read_milliseconds
        )
        tables.append(Table(f"entry points requested by {title}", "ms", figures))
    return tables


if __name__ == "__main__":
    main("accelerate", __doc__, measure, 25, bars)
