"""Measure a lookup in a process that has discovered all plugins already.

Nanoseconds, all in one process of the real environment.
"""

import json

from benchmarks.environment import build, default_directory
from benchmarks.pictures import bars
from benchmarks.processes import Case, figure, output_of
from benchmarks.report import Options, Table, main

# A group with several plugins that the other libraries can load completely.
GROUP, NAME = "cliff.formatter.list", "csv"
SETUP = {
    "lazyplug": "import lazyplug; manager = lazyplug.ExtensionManager(GROUP);"
    " manager[NAME].plugin",
    "stevedore": "from stevedore import ExtensionManager;"
    " manager = ExtensionManager(GROUP)",
    "pluggy": "import pluggy; manager = pluggy.PluginManager('benchmark');"
    " manager.load_setuptools_entrypoints(GROUP)",
    "importlib.metadata": "import importlib.metadata as metadata",
}
ASKED = {
    "lazyplug: manager[name]": "manager[NAME]",
    "lazyplug: manager[name].plugin": "manager[NAME].plugin",
    "lazyplug: entry_points(group=…)": "lazyplug.entry_points(group=GROUP)",
    "stevedore: manager[name]": "manager[NAME]",
    "stevedore: manager[name].plugin": "manager[NAME].plugin",
    "pluggy: manager.get_plugin(name)": "manager.get_plugin(NAME)",
    "importlib.metadata: entry_points(group=…)": "metadata.entry_points(group=GROUP)",
}
MEASURE = """
import json
from timeit import Timer
timers = {}
for name, statement in ASKED.items():
    known = {"GROUP": GROUP, "NAME": NAME}
    exec(SETUP[name.partition(": ")[0]], known)
    timer = Timer(statement, globals=known)
    timers[name] = timer, timer.autorange()[0] // 10 or 1
found = {name: [] for name in ASKED}
for _ in range(ROUNDS):
    for name, (timer, number) in timers.items():
        found[name].append(timer.timeit(number) / number * 1e9)
print(json.dumps(found))
"""


def measure(options: Options) -> list[Table]:
    """Measure all lookups in one process."""
    python = build(default_directory())
    known = {
        "GROUP": GROUP,
        "NAME": NAME,
        "SETUP": SETUP,
        "ASKED": ASKED,
        "ROUNDS": options.rounds,
    }
    code = "\n".join(f"{name} = {value!r}" for name, value in known.items())
    output, _ = output_of(python, Case(code + MEASURE), options.scratch)
    figures = {name: figure(times) for name, times in json.loads(output).items()}
    return [Table(f"a lookup in the group {GROUP}", "ns", figures)]


if __name__ == "__main__":
    main("lookup", __doc__, measure, 51, bars)
