"""Count what can be known of released plugins without importing them.

For each group of facts.toml: of the attributes that its host reads of plugin classes,
those that are known, without and with the host's own modules vouched for. Each is
compared with the class that another process imports. The counts are exact.
"""

import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import orjson

from benchmarks.environment import build, default_directory
from benchmarks.pictures import shares_known
from benchmarks.processes import UNWANTED
from benchmarks.report import Figure, Options, Table, head, main, number

HERE = Path(__file__).resolve().parent
# Prints the attributes of each plugin class as {GROUP: {PLUGIN: {NAME: TEXT}}}.
COMMON = """
import contextlib, io, json, os, sys, warnings
from lazyplug import ExtensionManager, Facts

def as_text(value):
    items = sorted(value) if isinstance(value, set) else value
    return f"{type(value).__name__} {items!r}"

def key_of(extension):
    return f"{extension.group} {extension.name} {extension.value}"

groups, found = json.loads(sys.argv[1]), {}
"""
# What is no class has no attributes to read; None: it cannot be imported here.
IMPORTED = """
for index, group in enumerate(groups):
    found[index] = each = {}
    for extension in ExtensionManager(group["name"]):
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
                warnings.catch_warnings(action="ignore"),
            ):
                plugin = extension.plugin
        except BaseException:
            each[key_of(extension)] = None
            continue
        names = group["attributes"] if isinstance(plugin, type) else ()
        each[key_of(extension)] = {
            name: as_text(getattr(plugin, name))
            for name in names
            if hasattr(plugin, name)
        }
print(json.dumps(found), flush=True)
os._exit(0)  # some plugins start threads
"""
KNOWN = """
for vouches in False, True:
    for index, group in enumerate(groups):
        vouched = group.get("vouched", ()) if vouches else ()
        wanted = Facts(static=group["attributes"], vouched=vouched)
        found[f"{index} {vouches}"] = {
            key_of(extension): {k: as_text(v) for k, v in extension.facts.items()}
            for extension in ExtensionManager(group["name"], facts=wanted)
        }
print(json.dumps(found))
"""


def groups() -> list[dict[str, Any]]:
    """Return what facts.toml asks of each group."""
    with (HERE / "facts.toml").open("rb") as file:
        found: list[dict[str, Any]] = tomllib.load(file)["group"]
    return found


def title(group: dict[str, Any]) -> str:
    """Return what the figures of a group begin with."""
    return f"{group['name']}: {', '.join(group['attributes'])}"


def measure(options: Options) -> list[Table]:
    """Count the known and the wrong attributes of each group."""
    python = build(default_directory().with_name("facts"), pins=HERE / "facts.txt")
    asked = groups()
    imported = _run(python, IMPORTED, options.scratch)
    known = _run(python, KNOWN, options.scratch)
    tables, wrong = [], 0
    for index, group in enumerate(asked):
        actual = {k: v for k, v in imported[str(index)].items() if v is not None}
        values = {
            (k, name): v for k, each in actual.items() for name, v in each.items()
        }
        counts = {
            "plugins": len(actual),
            "classes": sum(map(bool, actual.values())),
            "not importable here": len(imported[str(index)]) - len(actual),
            "values": len(values),
        }
        for vouches in False, True:
            facts = {
                (k, name): v
                for k, each in known[f"{index} {vouches}"].items()
                for name, v in each.items()
                if k in actual
            }
            right = facts.items() & values.items()
            wrong += len(facts) - len(right)
            counts["known, vouched" if vouches else "known"] = len(right)
        counts["unknown"] = counts["values"] - counts["known, vouched"]
        figures = {f"{title(group)}, {k}": Figure(n) for k, n in counts.items()}
        tables.append(Table(title(group), "attributes", figures))
    return [*tables, Table("all groups", "attributes", {"wrong": Figure(wrong)})]


def _run(python: Path, code: str, scratch: Path) -> dict[str, dict[str, Any]]:
    """Return what a new process prints as JSON."""
    variables = {k: v for k, v in os.environ.items() if k not in UNWANTED}
    done = subprocess.run(
        [str(python), "-c", COMMON + code, orjson.dumps(groups()).decode()],
        env={
            **variables,
            "HOME": str(scratch),
            "LAZYPLUG_CACHE": "off",
            "DO_NOT_TRACK": "1",
        },
        cwd=scratch,
        capture_output=True,
        check=True,
    )
    found: dict[str, dict[str, Any]] = orjson.loads(done.stdout)
    return found


def show(name: str, tables: list[Table], rounds: int) -> str:
    """Return one row for each group."""
    columns = (
        "group | attributes that its host reads | classes | values | known | vouched"
    )
    lines = [head(name, rounds), "", f"| {columns} |", "|---|---|---:|---:|---:|---:|"]
    for group, table in zip(groups(), tables, strict=False):
        count = {
            k.rpartition(f"{table.title}, ")[2]: f for k, f in table.figures.items()
        }
        values = count["values"].median
        shares = [
            f"{round(100 * count[each].median / values)} %" if values else ""
            for each in ("known", "known, vouched")
        ]
        if "vouched" not in group:
            shares[1] = ""
        attributes = ", ".join(f"`{each}`" for each in group["attributes"])
        cells = [number(count[each].median) for each in ("classes", "values")]
        note = f" ({group['unknown']})" if "unknown" in group else ""
        row = [f"`{group['name']}`", f"{attributes}{note}", *cells, *shares]
        lines.append(f"| {' | '.join(row)} |")
    wrong = tables[-1].figures["wrong"].median
    return "\n".join([*lines, "", f"Wrong: {number(wrong)}.", ""])


if __name__ == "__main__":
    main("facts", __doc__, measure, 0, shares_known, show)
