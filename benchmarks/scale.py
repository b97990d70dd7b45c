"""How does a start grow with the number of distributions, and with a change?

Run as `python -m benchmarks.scale [--rounds N]`.
"""

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.environment import ROOT
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
from benchmarks.trees import distribution, plant

SIZES = (10, 1_000, 10_000)
LAZYPLUG = "import lazyplug; lazyplug.DriverManager('asked', 'name').driver"
METADATA = "from importlib.metadata import entry_points; entry_points(group='asked')"
# More milliseconds that 10,000 distributions may cost than 10, by `dirs`.
GROWTH = 3.0

BOUNDS = [Bound("1,000: one changed", "1,000: cold", 1 / 4)]


def environment(scratch: Path, size: int) -> tuple[Path, Path]:
    """Make an environment of `size` distributions; return its python and site."""
    folder = scratch / f"of-{size}"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    shutil.copytree(
        ROOT / "lazyplug",
        site / "lazyplug",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "compileall", "-q", site], check=True)
    plant(site, size)
    return python, site


def changing(site: Path) -> Callable[[], None]:
    """Return a function that changes one distribution, each time otherwise."""
    numbers = itertools.count(1)

    def change() -> None:
        (old,) = site.glob("distribution_5-*.dist-info")
        shutil.rmtree(old)
        distribution(site, 5, f"1.{next(numbers)}")

    return change


def measure(scratch: Path, size: int, rounds: int) -> dict[str, Figure]:
    """Measure cold, warm, changed and importlib.metadata at one size."""
    python, site = environment(scratch, size)
    caches = {name: scratch / f"{name}-{size}" for name in ("warm", "cold", "changed")}
    variables = {n: {"LAZYPLUG_CACHE_DIR": str(c)} for n, c in caches.items()}
    found = {
        f"{size:,}: dirs": Case(
            LAZYPLUG, variables["warm"] | {"LAZYPLUG_CHECK": "dirs"}
        ),
        f"{size:,}: full": Case(LAZYPLUG, variables["warm"]),
        f"{size:,}: cold": Case(
            LAZYPLUG,
            variables["cold"],
            lambda: shutil.rmtree(caches["cold"], ignore_errors=True),
        ),
        f"{size:,}: importlib.metadata": Case(METADATA),
    }
    warm = found[f"{size:,}: full"]
    time.sleep(2.1)
    for _ in range(2):
        once(python, warm, scratch)
    figures = side_by_side(python, found, scratch, rounds)
    if size == 1_000:
        # Apart, because it changes what the others look at.
        case = Case(LAZYPLUG, variables["changed"], changing(site))
        once(python, case, scratch)
        figures |= side_by_side(
            python, {f"{size:,}: one changed": case}, scratch, rounds
        )
    return figures


def main() -> None:
    """Make the environments, measure, print a table and judge the bounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    (ROOT / ".environments").mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="scale-", dir=ROOT / ".environments"))
    figures: dict[str, Figure] = {}
    try:
        for size in SIZES:
            figures |= measure(scratch, size, options.rounds)
    finally:
        shutil.rmtree(scratch)
    keep("scale", Path(sys.executable), options.rounds, figures)
    print(table(figures, "1,000: importlib.metadata"), "\n")
    small, large = figures["10: dirs"], figures["10,000: dirs"]
    more = large.milliseconds - small.milliseconds
    word = "holds" if more <= GROWTH + large.spread else "MISSED"
    growth = f"{word}: dirs, 10,000 over 10 = {more:.2f} ms more, bound {GROWTH:.1f}"
    conclude([*judge(figures, BOUNDS), growth])


if __name__ == "__main__":
    main()
