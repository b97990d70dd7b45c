"""Measure how a start grows with the number of distributions and of path entries."""

from pathlib import Path

from benchmarks.pictures import lines
from benchmarks.processes import Case, emptied, run_until_reliable, side_by_side
from benchmarks.report import Options, Table, main
from benchmarks.trees import LAZYPLUG, METADATA, distribution, environment, plant

SIZES = (10, 100, 1_000, 10_000)
ENTRIES = (5, 50, 250)
# How many distributions all path entries together have; the environment has as many.
SHARED = 250


def cases(label: str, caches: Path, before: str = "") -> dict[str, Case]:
    """Return the cases of one environment; all of them run `before` first."""
    warm = {"LAZYPLUG_CACHE_DIR": str(caches / "warm")}
    cold = caches / "cold"
    return {
        f"{label}: lazyplug": Case(before + LAZYPLUG, warm),
        f"{label}: lazyplug, dirs": Case(
            before + LAZYPLUG, {**warm, "LAZYPLUG_CHECK": "dirs"}
        ),
        f"{label}: lazyplug, none": Case(
            before + LAZYPLUG, {**warm, "LAZYPLUG_CHECK": "none"}
        ),
        f"{label}: lazyplug, cold": Case(
            before + LAZYPLUG, {"LAZYPLUG_CACHE_DIR": str(cold)}, emptied(cold)
        ),
        f"{label}: importlib.metadata": Case(before + METADATA),
    }


def of_distributions(options: Options, size: int) -> Table:
    """Measure in an environment of `size` distributions."""
    directory = options.scratch / f"of-{size}"
    python, site = environment(directory)
    plant(site, range(size))
    found = cases(f"{size:,} distributions", directory / "caches")
    run_until_reliable(python, next(iter(found.values())), directory)
    figures = side_by_side(python, found, directory, options.rounds)
    return Table("distributions", "ms on top of `python -c pass`", figures)


def of_entries(options: Options, number: int) -> Table:
    """Measure with this number of path entries, with 250 distributions in total."""
    directory = options.scratch / f"on-{number}"
    python, site = environment(directory)
    plant(site, range(SHARED))
    entries = [directory / "entries" / str(place) for place in range(number)]
    each = SHARED // number
    for place, entry in enumerate(entries):
        entry.mkdir(parents=True)
        for at in range(place * each, place * each + each):
            distribution(entry, SHARED + at)
    (site / "entries.pth").write_text("\n".join(map(str, entries)), encoding="utf-8")
    found = cases(f"{number} path entries", directory / "caches")
    run_until_reliable(python, next(iter(found.values())), directory)
    figures = side_by_side(python, found, directory, options.rounds)
    return Table("path entries", "ms on top of `python -c pass`", figures)


def measure(options: Options) -> list[Table]:
    """Measure at each size; return one table by distributions, one by path entries."""
    sizes = [of_distributions(options, size) for size in SIZES]
    entries = [of_entries(options, number) for number in ENTRIES]
    return [
        Table(several[0].title, several[0].unit, figures)
        for several in (sizes, entries)
        if (figures := {n: f for table in several for n, f in table.figures.items()})
    ]


if __name__ == "__main__":
    main("scale", __doc__, measure, 25, lines)
