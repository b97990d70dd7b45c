"""Show what lazyplug does in a real environment with one real plugin, cold and warm.

Run as `tox run -e demo`. All printed figures are measured in this run.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.environment import build, default_directory
from benchmarks.processes import UNWANTED, Case, side_by_side
from benchmarks.report import scratch_directory

GROUP, NAME = "cliff.formatter.list", "csv"
ROUNDS = 9

COUNT = """
import importlib.metadata, json, lazyplug
points = lazyplug.entry_points()
print(json.dumps({
    "distributions": len(list(importlib.metadata.distributions())),
    "groups": len(points.groups),
    "points": len(points),
    "largest": sorted(
        ((len(points.select(group=g)), g) for g in points.groups), reverse=True
    )[:5],
    "problems": [str(p) for p in lazyplug.problems()],
}))
"""
LOAD = f"""
import sys
before = set(sys.modules)
import lazyplug
manager = lazyplug.DriverManager({GROUP!r}, {NAME!r})
found = set(sys.modules) - before
driver = manager.driver
loaded = set(sys.modules) - before - found
import importlib.metadata, json
others = {{
    point.value.partition(":")[0].strip()
    for point in lazyplug.entry_points()
}} - {{manager.extensions[0].module_name}}
print(json.dumps({{
    "found": sorted(found),
    "driver": f"{{driver.__module__}}.{{driver.__qualname__}}",
    "distribution": str(manager.extensions[0].dist.name),
    "version": str(manager.extensions[0].dist.version),
    "seconds": manager.extensions[0].load_seconds,
    "modules": len(loaded),
    "others": sorted(others & (found | loaded)),
    "available": lazyplug.ExtensionManager({GROUP!r}).names(),
}}))
"""
PLACE = """
import json, os
from lazyplug import _environment, _index, _settings
index = _environment.current().index
directory = _settings.get_cache_directory()
name = _index.index_name(index.key)
path = os.path.join(directory, name) if directory else "no cache directory"
there = os.path.exists(path)
print(json.dumps({"path": path, "size": os.path.getsize(path) if there else 0}))
"""
FIND = f"import lazyplug; lazyplug.DriverManager({GROUP!r}, {NAME!r})"
METADATA = (
    "from importlib.metadata import entry_points;"
    f" [p for p in entry_points(group={GROUP!r}) if p.name == {NAME!r}]"
)
STEVEDORE = (
    "from stevedore._cache import get_group_all;"
    f" [p for p in get_group_all({GROUP!r}) if p.name == {NAME!r}]"
)


def ask(python: Path, code: str) -> dict[str, Any]:
    """Run code in a fresh process of the environment; return the JSON it prints."""
    environ = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    done = subprocess.run(
        [python, "-c", code],
        env=environ,
        cwd=python.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"the demo failed:\n{done.stdout}{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Build the environment and show what lazyplug does in it."""
    print("Installing about 250 released distributions (once; a minute or two) ...")
    python = build(default_directory())
    with scratch_directory("demo") as scratch:
        show(python, scratch)


def show(python: Path, scratch: Path) -> None:
    """Print which distributions are found, what is loaded, and what it costs."""
    counted = ask(python, COUNT)
    print(
        f"\nFound {counted['distributions']} distributions, which declare"
        f" {counted['points']} entry points in {counted['groups']} groups."
    )
    print("The largest groups:")
    for number, group in counted["largest"]:
        print(f"  {number:5}  {group}")
    problems = counted["problems"]
    print(f"Metadata with problems: {len(problems) or 'none'}")
    for problem in problems:
        print(f"  {problem}")

    time.sleep(2.1)  # files just written are racy for 2 seconds
    ask(python, PLACE)
    loaded = ask(python, LOAD)
    found, others = loaded["found"], loaded["others"]
    print(f"\nDriverManager({GROUP!r}, {NAME!r}) imported, to find the plugin:")
    print(f"  {', '.join(found)}")
    print(
        f"Then .driver imported {loaded['driver']} (of {loaded['distribution']}"
        f" {loaded['version']}):\n  {loaded['modules']} modules,"
        f" {loaded['seconds'] * 1e3:.1f} ms."
    )
    print(
        "Modules of other plugins that were imported:"
        f" {', '.join(others) if others else 'none'}"
    )
    names = ", ".join(loaded["available"])
    print(f"All names of the group, known without importing them: {names}")

    def forget() -> None:
        shutil.rmtree(scratch / "cold", ignore_errors=True)

    cold = {"LAZYPLUG_CACHE_DIR": str(scratch / "cold")}
    figures = side_by_side(
        python,
        {
            "lazyplug, warm": Case(FIND),
            "lazyplug, cold": Case(FIND, cold, forget),
            "stevedore's cache, warm": Case(
                STEVEDORE, {"XDG_CACHE_HOME": str(scratch / "xdg")}
            ),
            "importlib.metadata": Case(METADATA),
        },
        scratch,
        ROUNDS,
    )
    print(f"\nFinding that plugin, on top of `python -c pass`, {ROUNDS} runs each:")
    warm = figures["lazyplug, warm"].median
    for name, figure in figures.items():
        print(
            f"  {name:24} {figure.median:7.1f} ms"
            f"  ± {figure.spread:.1f}   {figure.median / warm:5.1f} x"
        )
    place = ask(python, PLACE)
    if place["size"]:
        print(f"\nThe index: {place['size'] / 1024:.0f} KiB of JSON, in")
    else:
        print("\nThe index could not be written; each start was cold:")
    print(f"  {place['path']}")


if __name__ == "__main__":
    main()
