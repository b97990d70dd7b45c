"""What does other people's code gain by `accelerate()`, beside itself without?

xarray asks for the entry points of one group; OpenTelemetry asks for those of all, and
keeps them. Both as they were released, in the real environment.
"""

from pathlib import Path

from benchmarks.environment import build, default_folder
from benchmarks.pictures import bars
from benchmarks.processes import Case, output_of, settle, side_by_side
from benchmarks.report import Options, Table, main

PINS = Path(__file__).with_name("accelerate.txt")
# What asks for entry points, and what is imported before; that takes its time anyway,
# more than there is to tell.
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


def told(python: Path, case: Case, cwd: Path) -> float:
    """Return the milliseconds that a case measures in itself."""
    return float(output_of(python, case, cwd)[0])


def measure(options: Options) -> list[Table]:
    """Measure what asks, with and without the index."""
    python = build(default_folder().with_name("accelerate"), pins=PINS)
    variables = {"LAZYPLUG_CACHE_DIR": str(options.scratch / "cache")}
    nothing = Case(CODE.format("", "", ""))
    tables = []
    for title, (imports, asks) in PROGRAMS.items():
        found = {
            f"{title}: {name}": Case(CODE.format(before, imports, asks), variables)
            for name, before in (("accelerated", ACCELERATE), ("as released", ""))
        }
        settle(python, found[f"{title}: accelerated"], options.scratch)
        figures = side_by_side(
            python, found, options.scratch, options.rounds, nothing, told
        )
        tables.append(Table(f"entry points asked by {title}", "ms", figures))
    return tables


if __name__ == "__main__":
    main("accelerate", __doc__, measure, 25, bars)
