"""What does it cost to get one driver, in the real environment?

Run as `python -m benchmarks.startup [--rounds N]`; builds the environment first.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from benchmarks.environment import ROOT, build, default_folder, summary
from benchmarks.processes import (
    Bound,
    Case,
    Figure,
    conclude,
    judge,
    keep,
    once,
    side_by_side,
    table,
)

# A plugin whose own import is next to nothing, so that it hides no difference.
GROUP, NAME = "opentelemetry_environment_variables", "api"
LAZYPLUG = f"import lazyplug; lazyplug.DriverManager({GROUP!r}, {NAME!r}).driver"
STEVEDORE = (
    "from stevedore.driver import DriverManager;"
    f" DriverManager({GROUP!r}, {NAME!r}).driver"
)
METADATA = f"[p.load() for p in entry_points(group={GROUP!r}) if p.name == {NAME!r}]"
# The plugin itself is everybody's: what is left is the price of finding it.
BARE = "import opentelemetry.environment_variables"

BOUNDS = [
    Bound("lazyplug warm", "stevedore warm", 1 / 25),
    Bound("lazyplug cold", "importlib.metadata", 1 / 2),
]


def cases(scratch: Path) -> dict[str, Case]:
    """Return what is measured; caches are kept in `scratch`."""
    ours, theirs = scratch / "lazyplug", scratch / "xdg"

    def empty(folder: Path) -> Case:
        variable = "LAZYPLUG_CACHE_DIR" if folder.name == "cold" else "XDG_CACHE_HOME"
        code = LAZYPLUG if folder.name == "cold" else STEVEDORE
        return Case(
            code,
            {variable: str(folder)},
            lambda: shutil.rmtree(folder, ignore_errors=True),
        )

    def warm(**variables: str) -> Case:
        return Case(LAZYPLUG, {"LAZYPLUG_CACHE_DIR": str(ours), **variables})

    small = scratch / "small"
    small.write_text("x" * 4096, encoding="utf-8")
    return {
        "one small file read": Case(f"{BARE}\nopen({str(small)!r}).read()"),
        "lazyplug warm, none": warm(LAZYPLUG_CHECK="none"),
        "lazyplug warm, dirs": warm(LAZYPLUG_CHECK="dirs"),
        "lazyplug warm": warm(),
        "lazyplug cold": empty(scratch / "cold"),
        "stevedore warm": Case(STEVEDORE, {"XDG_CACHE_HOME": str(theirs)}),
        "stevedore cold": empty(scratch / "stevedore"),
        "importlib.metadata": Case(
            f"from importlib.metadata import entry_points; {METADATA}"
        ),
        "importlib_metadata": Case(
            f"from importlib_metadata import entry_points; {METADATA}"
        ),
    }


def measure(python: Path, rounds: int, scratch: Path) -> dict[str, Figure]:
    """Measure all cases in an environment, over a process that has the plugin."""
    found = cases(scratch)
    warm = found["lazyplug warm"]
    once(python, warm, scratch)
    # The index settles once the files of the environment are two seconds old.
    time.sleep(2.1)
    once(python, warm, scratch)
    return side_by_side(python, found, scratch, rounds, floor=Case(BARE))


def main() -> None:
    """Build the environment, measure, print a table and judge the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    options = parser.parse_args()
    python = build(default_folder())
    print(summary(python), "\n")
    # Not in the temporary folder: stevedore keeps no cache for what lies there.
    scratch = Path(tempfile.mkdtemp(prefix="startup-", dir=ROOT / ".environments"))
    try:
        figures = measure(python, options.rounds, scratch)
    finally:
        shutil.rmtree(scratch)
    keep("startup", python, options.rounds, figures)
    print(table(figures, "stevedore warm"), "\n")
    conclude(judge(figures, BOUNDS))


if __name__ == "__main__":
    main()
