"""Check the exact cost of a start: modules, system calls, bytes, instructions.

The bounds are in benchmarks/bounds.toml, for 250 distributions of which 100 declare
entry points. Milliseconds are checked by the benchmarks, not here.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import NamedTuple

import click
import pluggy
import pytest

import lazyplug
from lazyplug._running import switch
from lazyplug.testing import dist, plant
from tests.support.checkout import is_built
from tests.support.children import ask, python

pytestmark = pytest.mark.budget

ROOT = Path(__file__).parents[1]
BOUNDS = tomllib.loads((ROOT / "benchmarks" / "bounds.toml").read_text())["counts"]
BOUNDS |= BOUNDS["wheel" if is_built() else "sources"]
FORBIDDEN = {
    *("importlib.metadata", "importlib_metadata", "platformdirs", "orjson", "json"),
    *("re", "typing", "logging", "pathlib", "dataclasses", "functools", "inspect"),
    *("hashlib", "_json"),
}
VERSION = "{}.{}".format(*sys.version_info)
# How the dynamic loader reads them: 56 bytes each, from offset 64 on.
_PROGRAM_HEADERS = re.compile(r", (?:616|672|728|784|840), 64\) = ").search

DRIVER = "import lazyplug; lazyplug.DriverManager('budget.group', 'plain').driver"
MANAGER = "import lazyplug; lazyplug.DriverManager('budget.group', 'plain')"
HANDLE = "import lazyplug; lazyplug.ExtensionManager('budget.group')['plain'].plugin"


# Makes stat data reliable at once: ctime cannot be set, but the clock can.
AHEAD = """
import time, lazyplug._files as files
files.fs.clock = lambda: time.time_ns() + 3600 * 10**9
"""


class Environment(NamedTuple):
    """A virtual environment, and the variables with which it is run."""

    python: str
    variables: dict[str, str]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment of 250 distributions whose index is written."""
    directory = tmp_path_factory.mktemp("budget")
    tree: dict[str, object] = {"plain_plugin.py": "Plain = object()\n"}
    for number in range(250):
        name = f"distribution_number_{number}"
        files = {"METADATA": f"Name: {name}\nVersion: 1.{number}\n"}
        if number % 5 < 2:
            files["entry_points.txt"] = (
                f"[console_scripts]\ncommand-{number} = {name}.cli:main\n\n"
                f"[group.{number % 20}]\na = {name}:A\nb = {name}.b:B\nc = {name}:C\n"
            )
        tree[f"{name}-1.{number}.dist-info"] = files
    tree["budget-1.0.dist-info"] = {
        "METADATA": "Name: budget\nVersion: 1.0\n",
        "entry_points.txt": "[budget.group]\nplain = plain_plugin:Plain\n",
    }
    # The environment of the tests is not measured, since its distributions vary.
    python("-m", "venv", "--without-pip", str(directory / "venv"))
    executable = str(directory / "venv" / "bin" / "python")
    site = Path(
        ask(
            "import json, site; print(json.dumps(site.getsitepackages()[0]))",
            executable=executable,
        )
    )
    plant(site, tree)
    shutil.copytree(Path(lazyplug.__file__).parent, site / "lazyplug")
    variables = {
        "PYTHONPATH": "",
        "LAZYPLUG_CACHE_DIR": str(directory / "cache"),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    # As installers do: of a module without bytecode, its source is kept in memory too.
    python("-m", "compileall", "-q", str(site / "lazyplug"), executable=executable)
    for code in (DRIVER, DRIVER, HANDLE):
        # In a checkout, its lazyplug would be imported, and the copy not be compiled.
        python("-c", AHEAD + code, env=variables, executable=executable, cwd=directory)
    return Environment(executable, variables)


def test_a_warm_driver_imports_few_modules_and_none_that_is_costly(
    environment: Environment,
) -> None:
    loaded: list[str] = ask(
        f"""
        import sys
        before = set(sys.modules)
        {DRIVER}
        new = sorted(set(sys.modules) - before - {{'plain_plugin'}})
        import json
        print(json.dumps(new))
        """,
        env=environment.variables,
        executable=environment.python,
    )
    assert len(loaded) <= BOUNDS["modules"]
    builtin = set(sys.builtin_module_names)
    assert not [m for m in loaded if m.split(".")[0] != "lazyplug" and m not in builtin]
    assert not FORBIDDEN & set(loaded)


def test_a_warm_start_imports_no_module_that_scans(
    environment: Environment,
) -> None:
    scanning = ask(
        f"{DRIVER}\nimport json, sys\n"
        "print(json.dumps([m for m in sys.modules if"
        " m.startswith('lazyplug._indexing')]))",
        env=environment.variables,
        executable=environment.python,
    )
    assert scanning == []


def _trace(
    environment: Environment, code: str, tmp_path: Path, **more: str
) -> list[str]:
    """Return the file system calls of a run of code."""
    log = tmp_path / "strace"
    subprocess.run(
        [
            "strace", "-f", "-o", str(log),
            "-e", "trace=%file,read,pread64,close,getdents64,fstat",
            environment.python, "-c", code,
        ],
        env={**os.environ, **environment.variables, **more},
        check=True,
        capture_output=True,
    )  # fmt: skip
    return [line for line in log.read_text().splitlines() if "exited with" not in line]


needs_strace = pytest.mark.skipif(
    not shutil.which("strace"), reason="strace is not installed"
)


def test_preloading_the_modules_that_handle_plugins_imports_nothing_costly(
    environment: Environment,
) -> None:
    loaded: list[str] = ask(
        f"import sys\n{HANDLE}\nnew = [*sys.modules]\n"
        "import json\nprint(json.dumps(new))",
        env=environment.variables,
        executable=environment.python,
    )
    assert "lazyplug._preload" in loaded
    assert not FORBIDDEN.intersection(loaded)


@needs_strace
@pytest.mark.parametrize(("level", "count"), [("full", 251), ("dirs", 0), ("none", 0)])
def test_a_warm_start_checks_each_distribution_once_or_not_at_all(
    environment: Environment, level: str, count: int, tmp_path: Path
) -> None:
    calls = _trace(environment, DRIVER, tmp_path, LAZYPLUG_CHECK=level)
    file_calls = [
        line for line in calls if "entry_points.txt" in line and "pread64" not in line
    ]
    if level != "full":
        assert file_calls == []
    assert len(set(file_calls)) == len(file_calls)
    assert len(file_calls) == count
    baseline = _trace(environment, "import plain_plugin", tmp_path)
    others = len(calls) - len(file_calls) - len(baseline)
    print(f"{level}: {others} other calls")
    # Python looks for the package with each suffix of extension modules, of which 3.15
    # has more.
    assert others - len(EXTENSION_SUFFIXES) + 3 <= BOUNDS["calls"]
    listings = [line for line in calls if "getdents64" in line]
    assert len(listings) <= len([line for line in baseline if "getdents64" in line]) + 8


@needs_strace
def test_a_warm_start_reads_the_header_and_one_group_and_writes_nothing(
    environment: Environment, tmp_path: Path
) -> None:
    calls = _trace(environment, DRIVER, tmp_path)
    # The dynamic loader reads the headers of libraries in this way too.
    reads = [
        int(line.rpartition("= ")[2])
        for line in calls
        if "pread64" in line and "ELF" not in line and not _PROGRAM_HEADERS(line)
    ]
    (index,) = Path(environment.variables["LAZYPLUG_CACHE_DIR"]).glob("*.json")
    assert len(reads) <= 3
    assert sum(reads) < index.stat().st_size * 0.6
    assert not [line for line in calls if "O_CREAT" in line or "rename" in line]


MARKED = f"""
import os, sys

class Mark:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "plain_plugin":
            os.access("/marked", 0)

import lazyplug, lazyplug._environment, lazyplug._frozen_index, lazyplug._named
sys.meta_path.insert(0, Mark)
os.access("/marked", 0)
{DRIVER}
"""


@needs_strace
@pytest.mark.parametrize("many", [True, False])
@pytest.mark.parametrize("script", ["", "bin/program", "program.py"])
def test_a_trusted_frozen_start_makes_a_dozen_calls_whatever_is_installed(
    environment: Environment, many: bool, script: str, tmp_path: Path
) -> None:
    directory = tmp_path / "venv"
    shutil.copytree(Path(environment.python).parents[1], directory, symlinks=True)
    executable = str(directory / "bin" / "python")
    if not many:
        for number in range(1, 250):
            (dist_info,) = directory.glob(f"lib/*/*/distribution_number_{number}-*")
            shutil.rmtree(dist_info)
    frozen = environment._replace(python=executable)
    env = {**environment.variables, "LAZYPLUG_CACHE_DIR": str(tmp_path / "cache")}
    python("-m", "lazyplug", "freeze", "--trust", env=env, executable=executable)
    code = MARKED
    if script:
        (directory / script).write_text(MARKED)
        command = [executable, str(directory / script)]
        code = f"import os, sys; os.execv({executable!r}, {command})"
    calls = _trace(frozen, code, tmp_path, LAZYPLUG_CACHE_DIR=str(tmp_path / "cache"))
    begin, end = [n for n, line in enumerate(calls) if "/marked" in line]
    print(*calls[begin + 1 : end], sep="\n")
    assert end - begin - 1 <= BOUNDS["frozen_calls"]
    assert not (tmp_path / "cache").exists()


def _instructions(environment: Environment, code: str) -> int:
    return _instructions_of(environment, "-c", code)


def _instructions_of(environment: Environment, *arguments: str) -> int:
    done = subprocess.run(
        [
            "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
            environment.python, *arguments,
        ],
        env={**os.environ, **environment.variables},
        # a directory without another lazyplug
        cwd=Path(environment.python).parent,
        check=True,
        capture_output=True,
        text=True,
    )  # fmt: skip
    found = re.search(r"Collected : (\d+)", done.stderr)
    assert found
    return int(found[1])


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(
    VERSION not in BOUNDS["million_instructions"], reason="no figure was recorded"
)
def test_a_warm_driver_stays_within_its_instructions(
    environment: Environment, record_property: Callable[[str, object], None]
) -> None:
    baseline = _instructions(environment, "import plain_plugin")
    taken = (_instructions(environment, DRIVER) - baseline) / 1e6
    record_property("million_instructions", taken)
    print(f"{taken:.2f} million instructions")
    assert taken <= BOUNDS["million_instructions"][VERSION]


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_preloading_the_modules_that_handle_plugins_stays_within_its_instructions(
    environment: Environment, record_property: Callable[[str, object], None]
) -> None:
    driver = _instructions(environment, DRIVER)
    taken = (_instructions(environment, HANDLE) - driver) / 1e6
    record_property("million_instructions", taken)
    print(f"{taken:.2f} million instructions")
    assert taken <= BOUNDS["handling"]


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_many_path_entries_stay_within_their_instructions(
    environment: Environment,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    entries = [tmp_path / f"entry-{number}" for number in range(250)]
    for number, entry in enumerate(entries):
        points = f"[single.{number % 7}]\nx = single_{number}:X\n"
        plant(entry, dist(f"single-{number}", entry_points=points))
    variables = {
        **environment.variables,
        "PYTHONPATH": os.pathsep.join(map(str, entries)),
        "LAZYPLUG_CACHE_DIR": str(tmp_path / "cache"),
    }
    spread = environment._replace(variables=variables)
    for _ in range(2):
        python(
            "-c", AHEAD + MANAGER, env=variables, executable=spread.python, cwd=tmp_path
        )
    # An import searches the whole path once, as that of lazyplug does.
    baseline = _instructions(spread, "import plain_plugin")
    taken = (_instructions(spread, MANAGER) - baseline) / 1e6
    record_property("million_instructions", taken)
    print(f"{taken:.2f} million instructions")
    assert taken <= BOUNDS["path_entries"]


NAMES = "import lazyplug; lazyplug.ExtensionManager('fact.group').names()"
FACTS = """
import lazyplug
wanted = lazyplug.Facts(static=["title"])
for each in lazyplug.ExtensionManager("fact.group", facts=wanted):
    assert each.facts["title"] == each.name
"""


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_facts_of_fifty_plugins_cost_little_more_than_their_names(
    environment: Environment,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    for number in range(50):
        name = f"fact_{number}"
        points = f"[fact.group]\n{name} = {name}:Plugin\n"
        plant(
            tmp_path / "facts",
            {
                f"{name}.py": f"class Plugin:\n    title = {name!r}\n",
                **dist(name, entry_points=points),
            },
        )
    variables = {
        **environment.variables,
        "PYTHONPATH": str(tmp_path / "facts"),
        "LAZYPLUG_CACHE_DIR": str(tmp_path / "cache"),
    }
    with_facts = environment._replace(variables=variables)
    for code in (FACTS, FACTS, NAMES):
        python(
            "-c",
            AHEAD + code,
            env=variables,
            executable=with_facts.python,
            cwd=tmp_path,
        )
    baseline = _instructions(with_facts, "pass")
    names, facts = (
        _instructions(with_facts, code) - baseline for code in (NAMES, FACTS)
    )
    record_property("facts", facts / names)
    print(f"{names / 1e6:.2f} and {facts / 1e6:.2f} million instructions")
    assert facts <= BOUNDS["facts"][VERSION] * names


SUBCOMMANDS = """
import argparse
from lazyplug.integrations.argparse import add_plugins
parser = argparse.ArgumentParser()
parser.add_subparsers()
add_plugins(parser, {0!r})
"""


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.once
def test_a_plugin_that_is_a_subcommand_costs_few_instructions(
    environment: Environment,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    points = "[one.group]\ncommand = module:add\n[many.group]\n"
    points += "".join(f"command-{n} = module_{n}:add\n" for n in range(101))
    plant(tmp_path / "subcommands", dist("subcommands", entry_points=points))
    variables = {
        **environment.variables,
        "PYTHONPATH": str(tmp_path / "subcommands"),
        "LAZYPLUG_CACHE_DIR": str(tmp_path / "cache"),
    }
    with_plugins = environment._replace(variables=variables)
    codes = [SUBCOMMANDS.format(group) for group in ("one.group", "many.group")]
    executable = with_plugins.python
    for code in codes * 2:
        # In the directory in which they are measured: there is no other lazyplug.
        cwd = Path(executable).parent
        python("-c", AHEAD + code, env=variables, executable=executable, cwd=cwd)
    one, many = (_instructions(with_plugins, code) for code in codes)
    record_property("instructions", (many - one) / 100)
    print(f"{(many - one) / 100:.0f} instructions")
    assert (many - one) / 100 <= BOUNDS["subcommand"]


# A host whose plugins add commands to its group, and one that has them itself.
HOST = """
import click, pluggy, sys
hookspec = pluggy.HookspecMarker("budget")
class Specs:
    @hookspec
    def register_commands(self, cli): ...
manager = pluggy.PluginManager("budget")
manager.add_hookspecs(Specs)
cli = click.Group("host")
{0}
cli(["--help"], standalone_mode=False)
"""
OWN = HOST.format("""
for number in range(20):
    command = click.Command(f"command{number}", help="Do it.", callback=print)
    cli.add_command(command)
""")
FROM_PLUGINS = HOST.format("""
from lazyplug.integrations.pluggy import load_entrypoints
load_entrypoints(manager, "hook.group", lazy=True, groups=["register_commands"])
manager.hook.register_commands(cli=cli)
assert ONCE or "hook_0" not in sys.modules
""")
HOOK = """
import click, pluggy
hookimpl = pluggy.HookimplMarker("budget")
@hookimpl
def register_commands(cli):
    @cli.command()
    def command{0}():
        "Do it."
"""


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.once
def test_twenty_plugins_that_add_commands_to_a_group_take_few_instructions(
    environment: Environment,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    libraries = tmp_path / "libraries"
    for file in (click.__file__, pluggy.__file__):
        assert file
        shutil.copytree(Path(file).parent, libraries / Path(file).parent.name)
    points = "".join(f"hook_{number} = hook_{number}\n" for number in range(20))
    tree = {f"hook_{number}.py": HOOK.format(number) for number in range(20)}
    plant(libraries, {**tree, **dist("hooks", entry_points=f"[hook.group]\n{points}")})
    variables = {
        **environment.variables,
        "PYTHONPATH": str(libraries),
        "LAZYPLUG_CACHE_DIR": str(tmp_path / "cache"),
    }
    with_hooks = environment._replace(variables=variables)
    run = f"ONCE = True{FROM_PLUGINS}"
    # writes bytecode
    python("-c", run, env=variables, executable=with_hooks.python, cwd=tmp_path)
    time.sleep(2.1)  # what changed in the last two seconds is not remembered
    for code in (run, OWN, run):
        python("-c", code, env=variables, executable=with_hooks.python, cwd=tmp_path)
    own, taken = (
        _instructions(with_hooks, f"ONCE = False{code}") / 1e6
        for code in (OWN, FROM_PLUGINS)
    )
    record_property("million_instructions", taken - own)
    print(f"{taken - own:.2f} million instructions, to {own:.2f}")
    assert taken - own <= BOUNDS["hooks"]


SCRIPT = "import sys\nfrom {0} import main\nif __name__ == '__main__':\n"
SCRIPT += "    sys.exit(main())\n"


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(VERSION not in BOUNDS["run"], reason="no figure was recorded")
def test_run_adds_few_instructions_to_a_program(environment: Environment) -> None:
    scripts = Path(environment.python).parent
    shebang = f"#!{environment.python}\n"
    plant(
        scripts,
        {
            "trivial": shebang + SCRIPT.format("trivial_program"),
            "lazyplug": shebang + SCRIPT.format("lazyplug.__main__"),
        },
    )
    (scripts / "trivial").chmod(0o755)
    plant(_site(environment), {"trivial_program.py": "def main(): pass\n"})
    script = str(scripts / "lazyplug")
    for command in ([script], ["-m", "lazyplug"]):
        python(
            *command,
            *("run", "trivial"),
            env=environment.variables,
            executable=environment.python,
        )
    direct = _instructions_of(environment, str(scripts / "trivial"))
    for command, bound in (([script], "run"), (["-m", "lazyplug"], "run_module")):
        run = _instructions_of(environment, *command, "run", "trivial")
        print(f"{(run - direct) / 1e6:.2f} million instructions")
        assert (run - direct) / 1e6 <= BOUNDS[bound][VERSION]


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.once
def test_commands_that_list_take_little_more_than_the_import_of_argparse(
    environment: Environment,
) -> None:
    script = Path(environment.python).parent / "lazyplug"
    script.write_text(f"#!{environment.python}\n{SCRIPT.format('lazyplug.__main__')}")
    commands = [
        [str(script), *words]
        for words in (
            ["list"],
            ["list", "budget.group"],
            ["show", "budget.group", "plain"],
            ["why", "budget.group", "plain"],
        )
    ]
    time.sleep(2.1)  # what changed in the last two seconds is not remembered
    for words in commands * 2:  # writes bytecode, the index, and what the source shows
        python(
            *words,
            cwd=script.parent,
            env=environment.variables,
            executable=environment.python,
        )
    imported = _instructions(environment, "import argparse")
    print(f"{imported / 1e6:.1f} million instructions to import argparse")
    for words in commands:
        times = _instructions_of(environment, *words) / imported
        print(f"{times:.2f} times as many for {' '.join(words[1:])}")
        assert times <= BOUNDS["commands"]


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
@pytest.mark.skipif(VERSION not in BOUNDS["run"], reason="no figure was recorded")
def test_a_switch_adds_few_instructions_to_each_start(environment: Environment) -> None:
    site = _site(environment)
    plant(site, {"another.pth": "import another\n", "another.py": ""})
    files = {switch.PTH: switch.LINE}
    files[f"{switch.MODULE}.py"] = switch.source({})
    taken = []
    try:
        for tree in ({}, files):
            plant(site, tree)
            _instructions(environment, "pass")  # writes the bytecode
            taken.append(_instructions(environment, "pass"))
    finally:
        for name in (*files, "another.pth"):
            (site / name).unlink()
    print(f"{(taken[1] - taken[0]) / 1e6:.2f} million instructions")
    assert (taken[1] - taken[0]) / 1e6 <= BOUNDS["switch"][VERSION]


def _site(environment: Environment) -> Path:
    """Return the site directory of the environment."""
    (site,) = Path(environment.python).parents[1].glob("lib/python*/site-packages")
    return site
