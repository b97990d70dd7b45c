"""Measure what lazy loading saves a small host with 20 heavy plugins.

The host runs one command, and prints a help screen with a line for each plugin. It
exists for lazyplug and stevedore, and twice for click, argparse, pluggy, and for hooks
of pluggy that add commands to a click group: with all plugins loaded at the start, and
with plugins that are imported when they are used. Finally, a document that lists the
plugins is built with Sphinx.
"""

import compileall
from pathlib import Path

from benchmarks.environment import build, default_directory
from benchmarks.pictures import bars
from benchmarks.processes import Case, output_of, run_until_reliable, side_by_side
from benchmarks.report import Figure, Options, Table, main

GROUP, CLICK = "benchmark.commands", "benchmark.click"
HOOKS, ADDING = "benchmark.hooks", "benchmark.adding"
NUMBER = 20
# Makes a plugin heavy, by some ten milliseconds: classes, as the libraries of a real
# plugin define.
HEAVY = "".join(
    f"class Class{n}:\n"
    f"    '''The class {n}.'''\n"
    f"    def one(self, value): return value + {n}\n"
    f"    def two(self, *values, **more): return [self.one(v) for v in values]\n"
    for n in range(500)
)
HOOK = "import pluggy\nhookimpl = pluggy.HookimplMarker('benchmark')\n@hookimpl\n"
# The function of each plugin, after its classes.
PLUGINS = {
    # The argument is the parser of argparse, to which it adds nothing.
    GROUP: "def command(parser=None):\n    {doc}",
    CLICK: "import click\n@click.command()\ndef command():\n    {doc}",
    HOOKS: f"{HOOK}def command{{n}}():\n    {{doc}}",
    ADDING: f"{HOOK}def add_commands(cli):\n    @cli.command()\n"
    "    def command{n}():\n        {doc}",
}
LAZYPLUG = f"""
from lazyplug import DriverManager, ExtensionManager
def run(): DriverManager({GROUP!r}, "command7").driver()
def show():
    for each in ExtensionManager({GROUP!r}): print(each.name, each.summary)
"""
STEVEDORE = f"""
from stevedore import DriverManager, ExtensionManager
def run(): DriverManager({GROUP!r}, "command7").driver()
def show():
    for each in ExtensionManager({GROUP!r}): print(each.name, each.plugin.__doc__)
"""
PLUGGY = f"""
import pluggy
manager = pluggy.PluginManager("benchmark")
manager.load_setuptools_entrypoints({HOOKS!r})
"""
LAZY_PLUGGY = f"""
import pluggy
from lazyplug.integrations.pluggy import load_entrypoints
manager = pluggy.PluginManager("benchmark")
load_entrypoints(manager, {HOOKS!r}, lazy=True)
"""
HOOK_CALLS = """
def run(): manager.hook.command7()
def show():
    for name, plugin in manager.list_name_plugin(): print(name, plugin.__doc__)
"""
ADDING_HOST = """
import click, pluggy
class Specs:
    @pluggy.HookspecMarker("benchmark")
    def add_commands(self, cli): pass
manager = pluggy.PluginManager("benchmark")
manager.add_hookspecs(Specs)
{}
host = click.Group("host")
manager.hook.add_commands(cli=host)
"""
EAGER_ADDING = ADDING_HOST.format(f"manager.load_setuptools_entrypoints({ADDING!r})")
LAZY_ADDING = ADDING_HOST.format(f"""
from lazyplug.integrations.pluggy import load_entrypoints
load_entrypoints(manager, {ADDING!r}, lazy=True, groups=["add_commands"])
""")
EAGER_CLICK = f"""
import click
from importlib.metadata import entry_points
host = click.Group("host")
for point in entry_points(group={CLICK!r}):
    host.add_command(point.load(), point.name)
"""
LAZY_CLICK = f"""
from lazyplug.integrations.click import LazyGroup
host = LazyGroup("host", plugins={CLICK!r})
"""
CALLS = """
def run(): host(["command7"], standalone_mode=False)
def show(): host(["--help"], standalone_mode=False)
"""
PARSER = """
import argparse
host = argparse.ArgumentParser("host")
"""
EAGER_ARGPARSE = f"""{PARSER}
from importlib.metadata import entry_points
commands = host.add_subparsers()
for point in entry_points(group={GROUP!r}):
    add = point.load()
    add(commands.add_parser(point.name, help=add.__doc__))
"""
LAZY_ARGPARSE = f"""{PARSER}
from lazyplug.integrations.argparse import add_plugins
host.add_subparsers()
add_plugins(host, {GROUP!r})
"""
PARSES = """
def run(): host.parse_args(["command7"])
def show(): host.print_help()
"""
HOSTS = {
    "lazyplug": LAZYPLUG,
    "stevedore": STEVEDORE,
    "lazyplug, pluggy": LAZY_PLUGGY + HOOK_CALLS,
    "pluggy": PLUGGY + HOOK_CALLS,
    "lazyplug, hooks": LAZY_ADDING + CALLS,
    "hooks": EAGER_ADDING + CALLS,
    "lazyplug, click": LAZY_CLICK + CALLS,
    "click": EAGER_CLICK + CALLS,
    "lazyplug, argparse": LAZY_ARGPARSE + PARSES,
    "argparse": EAGER_ARGPARSE + PARSES,
}
# Builds a document that lists the plugins, each time in a new directory.
SPHINX = """
import tempfile
from sphinx.cmd.build import main
with tempfile.TemporaryDirectory() as directory:
    main(["-q", "-b", "text", "-D", "extensions={0}", {1!r}, directory])
"""
EXTENSIONS = {
    "lazyplug, Sphinx": "lazyplug.integrations.sphinx",
    "stevedore, Sphinx": "stevedore.sphinxext",
}
MODULES = "\nimport sys; print('modules', len(sys.modules))"


def plant_plugins(directory: Path) -> None:
    """Write a distribution of heavy plugins, and compile it."""
    metadata = directory / "benchmark_commands-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: benchmark-commands\nVersion: 1.0\n",
        encoding="utf-8",
    )
    lines = []
    for group, kind in (
        (GROUP, "command"),
        (CLICK, "click"),
        (HOOKS, "hook"),
        (ADDING, "adding"),
    ):
        lines.append(f"[{group}]")
        for n in range(NUMBER):
            name = f"benchmark_{kind}_{n}"
            # For pluggy, the plugin is the module.
            target = name if group in (HOOKS, ADDING) else f"{name}:command"
            lines.append(f"command{n} = {target}")
            doc = f"'''Do the thing number {n}.'''\n"
            source = f"{doc}{HEAVY}{PLUGINS[group].format(n=n, doc=doc)}"
            (directory / f"{name}.py").write_text(source, encoding="utf-8")
    (metadata / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    compileall.compile_dir(directory, quiet=1)


def plant_document(directory: Path) -> Path:
    """Write the source of a document that lists the plugins."""
    directory.mkdir()
    (directory / "conf.py").touch()
    text = f"Plugins\n#######\n\n.. list-plugins:: {GROUP}\n"
    (directory / "index.rst").write_text(text, encoding="utf-8")
    return directory


def measure(options: Options) -> list[Table]:
    """Measure one command, the help screen and the document, on each library."""
    python = build(default_directory())
    plugins, scratch = options.scratch / "plugins", options.scratch
    plant_plugins(plugins)
    variables = {
        "PYTHONPATH": str(plugins),
        "LAZYPLUG_CACHE_DIR": str(scratch / "ours"),
        "XDG_CACHE_HOME": str(scratch / "theirs"),
    }
    document = plant_document(scratch / "document")
    codes_of = {
        "one command": {f"{name}: run": f"{HOSTS[name]}run()" for name in HOSTS},
        "the help screen": {f"{name}: show": f"{HOSTS[name]}show()" for name in HOSTS},
        "a document": {
            f"{name}: build": SPHINX.format(extension, str(document))
            for name, extension in EXTENSIONS.items()
        },
    }
    tables = []
    modules = {}
    for what, codes in codes_of.items():
        found = {name: Case(code, variables) for name, code in codes.items()}
        for name, case in found.items():
            if name.startswith("lazyplug"):
                run_until_reliable(python, case, scratch)
        baseline, _ = output_of(python, Case(MODULES), scratch)
        for name, case in found.items():
            output, _ = output_of(
                python, case._replace(code=case.code + MODULES), scratch
            )
            modules[f"{name}, modules"] = Figure(
                _module_count(output) - _module_count(baseline)
            )
        figures = side_by_side(python, found, scratch, options.rounds)
        tables.append(
            Table(
                f"{what} of a host with {NUMBER} plugins",
                "ms on top of `python -c pass`",
                figures,
            )
        )
    return [
        *tables,
        Table("modules imported", "modules on top of `python -c pass`", modules),
    ]


def _module_count(output: str) -> int:
    return int(output.rpartition("modules ")[2])


if __name__ == "__main__":
    main("hosts", __doc__, measure, 25, bars)
