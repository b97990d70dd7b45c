"""Measure a start after a change among 1,000 distributions.

Each change is made to an environment whose index has no racy entries. It is judged by
its instructions, counted by valgrind on top of `python -c pass`.
The last table counts the files that a hundred current directories leave in the cache.
"""

import itertools
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.calls import instructions
from benchmarks.pictures import bars
from benchmarks.processes import (
    BASELINE,
    RACY_SECONDS,
    Case,
    emptied,
    milliseconds,
    side_by_side,
)
from benchmarks.report import Figure, Options, Table, main, require
from benchmarks.trees import LAZYPLUG, distribution, environment, plant

SIZE, DIRECTORIES = 1_000, 100


class Changing:
    """An environment in which distributions are installed, upgraded and removed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.python, self.site = environment(directory)
        plant(self.site, range(SIZE))
        self.versions = itertools.count(1)

    def case(self, change: Callable[[int], object]) -> Case:
        """Return the case of a start after a change of distribution 5."""
        warm = Case(LAZYPLUG, {"LAZYPLUG_CACHE_DIR": str(self.directory / "cache")})

        def before() -> None:
            self.remove()
            if change != self.install:
                self.install(0)
            time.sleep(RACY_SECONDS)
            milliseconds(self.python, warm, self.directory)
            change(next(self.versions))

        return warm._replace(before=before, python=self.python)

    def install(self, number: int) -> None:
        """Install distribution 5 in the version with this number."""
        distribution(self.site, 5, f"1.{number}")

    def remove(self, _: int = 0) -> None:
        """Remove distribution 5, if it is installed."""
        for old in self.site.glob("distribution_5-*.dist-info"):
            shutil.rmtree(old)

    def upgrade(self, number: int) -> None:
        """Replace distribution 5 by another version."""
        self.remove()
        self.install(number)


class Wandering:
    """A symbolic link that points to another current directory before each start."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.link = directory, directory / "here"
        self.numbers = itertools.cycle(range(DIRECTORIES))

    def move(self) -> None:
        """Point the link to the next directory."""
        target = self.directory / str(next(self.numbers))
        target.mkdir(exist_ok=True)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(target)


def measure(options: Options) -> list[Table]:
    """Measure warm and cold starts, and starts after changes."""
    require("valgrind")
    scratch = options.scratch
    python, site = environment(scratch / "still")
    plant(site, range(SIZE))
    changing = Changing(scratch / "changing")
    here, cold = scratch / "here", scratch / "cold"
    here.mkdir()
    wandering = Wandering(scratch / "wandering")
    wandering.directory.mkdir()
    wandering.move()
    warm = Case(LAZYPLUG, {"LAZYPLUG_CACHE_DIR": str(scratch / "warm")}, cwd=here)
    found = {
        "lazyplug, warm": warm,
        "lazyplug, a file changed in the current directory": warm._replace(
            before=(here / "touched.py").touch
        ),
        "lazyplug, in another current directory": warm._replace(
            before=wandering.move, cwd=wandering.link
        ),
        "lazyplug, one installed": changing.case(changing.install),
        "lazyplug, one upgraded": changing.case(changing.upgrade),
        "lazyplug, one removed": changing.case(changing.remove),
        "lazyplug, cold": Case(
            LAZYPLUG, {"LAZYPLUG_CACHE_DIR": str(cold)}, emptied(cold)
        ),
    }
    for _ in range(2):
        time.sleep(RACY_SECONDS)
        milliseconds(python, warm, scratch)
    figures = side_by_side(python, found, scratch, options.rounds)
    for _ in range(DIRECTORIES):
        milliseconds(python, found["lazyplug, in another current directory"], scratch)
    files = len(list((scratch / "warm").iterdir()))
    baseline = instructions(python, BASELINE, scratch)
    counts = {
        f"{name}, instructions": Figure(
            instructions(case.python or python, case, scratch) - baseline
        )
        for name, case in found.items()
        if name.endswith(("installed", "upgraded", "removed", "cold"))
    }
    return [
        Table(
            f"one driver among {SIZE:,} distributions",
            "ms on top of `python -c pass`",
            figures,
        ),
        Table(
            "instructions for one driver", "million on top of `python -c pass`", counts
        ),
        Table(
            f"after starts in {DIRECTORIES} current directories",
            "number",
            {"files in the cache directory": Figure(files)},
        ),
    ]


if __name__ == "__main__":
    main("change", __doc__, measure, 25, bars)
