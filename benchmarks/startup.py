"""Measure the time to get one driver in the real environment.

Milliseconds on top of a process that imports the plugin only: the cost of finding it.
"""

import subprocess
from pathlib import Path

from benchmarks.environment import build, default_directory, summary
from benchmarks.pictures import bars
from benchmarks.processes import Case, emptied, run_until_reliable, side_by_side
from benchmarks.report import Options, Table, main

# A plugin whose own import takes almost no time, so that it hides no difference.
GROUP, NAME = "opentelemetry_environment_variables", "api"
BASELINE_CODE = "import opentelemetry.environment_variables"
LAZYPLUG = f"import lazyplug; lazyplug.DriverManager({GROUP!r}, {NAME!r}).driver"
STEVEDORE = (
    "from stevedore.driver import DriverManager;"
    f" DriverManager({GROUP!r}, {NAME!r}).driver"
)
PLUX = (
    "from plux.runtime.cache import EntryPointsCache;"
    " found = EntryPointsCache.instance().get_entry_points();"
    f" [p.load() for p in found[{GROUP!r}] if p.name == {NAME!r}]"
)
PLUGGY = (
    "import pluggy; pluggy.PluginManager('benchmark')"
    f".load_setuptools_entrypoints({GROUP!r}, {NAME!r})"
)
CATALOGUE = (
    f"import catalogue; catalogue.create({GROUP!r}, entry_points=True).get({NAME!r})"
)
METADATA = (
    "from %s import entry_points;"
    f" [p.load() for p in entry_points(group={GROUP!r}) if p.name == {NAME!r}]"
)


def cases(scratch: Path) -> dict[str, Case]:
    """Return the cases by name; their caches are in `scratch`."""

    def ours(**variables: str) -> Case:
        return Case(
            LAZYPLUG, {"LAZYPLUG_CACHE_DIR": str(scratch / "ours"), **variables}
        )

    def cold(code: str, variable: str, directory: Path) -> Case:
        return Case(code, {variable: str(directory)}, emptied(directory))

    (scratch / "empty_module.py").touch()
    small = scratch / "small"
    small.write_text("x" * 4096, encoding="utf-8")
    theirs = {"XDG_CACHE_HOME": str(scratch / "theirs")}
    return {
        "lazyplug, warm": ours(),
        "lazyplug, warm, dirs": ours(LAZYPLUG_CHECK="dirs"),
        "lazyplug, warm, none": ours(LAZYPLUG_CHECK="none"),
        "lazyplug, cold": cold(LAZYPLUG, "LAZYPLUG_CACHE_DIR", scratch / "our-cold"),
        "stevedore, warm": Case(STEVEDORE, theirs),
        "stevedore, cold": cold(STEVEDORE, "XDG_CACHE_HOME", scratch / "their-cold"),
        "plux, warm": Case(PLUX, theirs),
        "plux, cold": cold(PLUX, "XDG_CACHE_HOME", scratch / "plux-cold"),
        "importlib.metadata": Case(METADATA % "importlib.metadata"),
        "importlib_metadata": Case(METADATA % "importlib_metadata"),
        "pluggy": Case(PLUGGY),
        "catalogue": Case(CATALOGUE),
        "an empty module and a small file": Case(
            f"import empty_module; open({str(small)!r}).read()"
        ),
    }


def frozen(python: Path, scratch: Path, *options: str) -> Case:
    """Freeze an environment; return the case that uses its frozen index."""
    file = scratch / f"frozen{''.join(options)}.index"
    freeze = (str(python), "-m", "lazyplug", "freeze", "--output", str(file))
    subprocess.run([*freeze, *options], check=True, cwd=scratch, capture_output=True)
    # An index would be written here only if the frozen one did not answer.
    nowhere = str(scratch / "never-written")
    return Case(LAZYPLUG, {"LAZYPLUG_INDEX": str(file), "LAZYPLUG_CACHE_DIR": nowhere})


def environment(scratch: Path) -> tuple[Path, dict[str, Case]]:
    """Build the real environment; return its python and the cases, warmed up."""
    python = build(default_directory())
    all_cases = {
        **cases(scratch),
        "lazyplug, frozen": frozen(python, scratch),
        "lazyplug, frozen and trusted": frozen(python, scratch, "--trust"),
    }
    found = {
        name: case._replace(code=f"{BASELINE_CODE}\n{case.code}")
        for name, case in all_cases.items()
    }
    run_until_reliable(python, found["lazyplug, warm"], scratch)
    return python, found


def measure(options: Options) -> list[Table]:
    """Measure all cases in the real environment."""
    python, found = environment(options.scratch)
    figures = side_by_side(
        python, found, options.scratch, options.rounds, floor=Case(BASELINE_CODE)
    )
    title = f"one driver, where {summary(python).removesuffix('.')}"
    return [Table(title, "ms on top of an import of the plugin", figures)]


if __name__ == "__main__":
    main("startup", __doc__, measure, 75, bars)
