"""Measure what pluggy hosts gain if a plugin is imported when its hook is called.

llm, sqlite-utils and datasette with some of their plugins, compared with pluggy's own
`load_setuptools_entrypoints`. They are unchanged releases: only that method is
replaced, as a host would replace the line that calls it. With `groups`, the commands
that plugins add are lazy, too.
"""

from pathlib import Path

from benchmarks.environment import build, default_directory
from benchmarks.pictures import bars
from benchmarks.processes import Case, output_of, run_until_reliable, side_by_side
from benchmarks.report import Figure, Options, Table, main

PINS = Path(__file__).with_name("hooks.txt")
LAZY = """
import pluggy
from lazyplug.integrations.pluggy import load_entrypoints
pluggy.PluginManager.load_setuptools_entrypoints = (
    lambda pm, group, name=None: load_entrypoints(pm, group, name, lazy=True{0})
)
"""
GROUPS = ", groups=['register_commands']"
CALL = """
import sys
from {0}.cli import cli
try:
    cli({1!r}, standalone_mode=False)
except SystemExit:
    pass
"""
# Commands that need no model and no key.
PROGRAMS = {
    "llm --help": ("llm", ["--help"]),
    "llm plugins": ("llm", ["plugins"]),
    "llm fragments loaders": ("llm", ["fragments", "loaders"]),
    "sqlite_utils --help": ("sqlite_utils", ["--help"]),
    "datasette --help": ("datasette", ["--help"]),
    "datasette --get /": ("datasette", ["serve", "--get", "/"]),
}
COUNTS = """
found = [name for name in sys.modules if name.startswith({0!r}) and "." not in name]
print("counted", len(found), len(sys.modules))
"""


def measure(options: Options) -> list[Table]:
    """Measure each program with both loaders, and count the imported modules."""
    python = build(default_directory().with_name("hooks"), pins=PINS)
    scratch = options.scratch
    variables = {
        "LAZYPLUG_CACHE_DIR": str(scratch / "cache"),
        "LLM_USER_PATH": str(scratch / "llm"),
    }
    found, plugins, modules = {}, {}, {}
    for title, (program, arguments) in PROGRAMS.items():
        call = CALL.format(program, arguments)
        for name, more in (("lazyplug", ""), ("lazyplug, groups", GROUPS)):
            case = Case(LAZY.format(more) + call, variables)
            found[f"{title}: {name}"] = case
            run_until_reliable(python, case, scratch)
        found[f"{title}: pluggy"] = Case(call, variables)
    for name, case in found.items():
        counted = case.code + COUNTS.format(name.partition(" ")[0] + "_")
        output, _ = output_of(python, case._replace(code=counted), scratch)
        *_, few, all_of_them = output.split()
        plugins[f"{name}, plugins"] = Figure(int(few))
        modules[f"{name}, modules"] = Figure(int(all_of_them))
    return [
        Table(
            "programs with pluggy plugins",
            "ms on top of `python -c pass`",
            side_by_side(python, found, scratch, options.rounds),
        ),
        Table("plugins imported", "plugins", plugins),
        Table("modules imported", "modules", modules),
    ]


if __name__ == "__main__":
    main("hooks", __doc__, measure, 15, bars)
