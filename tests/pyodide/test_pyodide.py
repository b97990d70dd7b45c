"""What is promised is true on Emscripten: CPython in Pyodide, in node.

`tox run -e pyodide` installs both, and says with PYODIDE where Pyodide lies. The wheel
and its pure dependencies are mounted; orjson has no wheel there that may be mounted.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uv

from lazyplug.testing import dist, plant
from tests.support.checkout import CHECKOUT

HEAD = "import sys\nsys.path.append({site!r})\nsys.argv[:] = ['lazyplug']\n"
PLUGINS = {
    "plug_app.py": '"""Plugins of app."""\n\n\n'
    'def one(*args):\n    """Do one."""\n    return ["one", *args]\n\n\n'
    "def two(*args):\n    return ['two', *args]\n",
    "plug_bad.py": "raise OSError('broken on purpose')\n",
    "plug_leaves.py": "raise SystemExit('leave me alone')\n",
    **dist(
        "plug", "1.5",
        "[app]\none = plug_app:one\ntwo = plug_app:two\n"
        "[faulty]\nbad = plug_bad:x\nodd = no reference\n"
        "gone = plug_app:three\nwell = plug_app:one\n"
        "[leaving]\nleaves = plug_leaves:x\n",
    ),
}  # fmt: skip


class Place(NamedTuple):
    """What is mounted: the same directories for as many processes as a test wants."""

    site: Path
    cache: Path

    def start(
        self, code: str, environment: "dict[str, str] | None" = None
    ) -> subprocess.CompletedProcess[str]:
        """Run code in a new Pyodide."""
        asked = {
            "pyodide": os.environ["PYODIDE"],
            "environment": {"HOME": "/home/me", "LAZYPLUG_CACHE_DIR": "/cache"}
            if environment is None
            else environment,
            "mounted": {"/site": str(self.site), "/cache": str(self.cache)},
            "code": HEAD.format(site="/site") + code,
        }
        return subprocess.run(
            ["node", Path(__file__).with_name("run.mjs")],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def ask(self, code: str, environment: "dict[str, str] | None" = None) -> Any:
        """Return what code prints in a new Pyodide, as JSON."""
        return answer(self.start(code, environment))

    def ask_here(self, code: str) -> Any:
        """Return what the same code prints in this Python."""
        done = subprocess.run(
            [sys.executable, "-S", "-P", "-c", HEAD.format(site=str(self.site)) + code],
            env={"LAZYPLUG_CACHE_DIR": str(self.cache.with_name("here"))},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return answer(done)


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheel and what it needs but orjson."""
    root = tmp_path_factory.mktemp("installed")
    (root / "without").write_text("orjson ; python_version < '3'\n")
    subprocess.run(
        [
            *(uv.find_uv_bin(), "pip", "install", "--quiet", "--target", root / "site"),
            *("--python", sys.executable, "--override", root / "without"),
            *(CHECKOUT, "stevedore"),
        ],
        check=True,
        timeout=240,
    )
    assert not list(root.glob("site/orjson*"))
    assert not list(root.glob("site/**/*.so"))
    return root / "site"


@pytest.fixture
def place(installed: Path, tmp_path: Path) -> Place:
    site = tmp_path / "site"
    shutil.copytree(installed, site)
    plant(site, PLUGINS)
    (tmp_path / "cache").mkdir(mode=0o700)
    time.sleep(2.1)  # else it is looked at again: it could still change unseen
    return Place(site, tmp_path / "cache")


STARTS = """
import json, os, time

# Pyodide has just made its own files, and what is younger than two seconds is racy.
time.sleep(2.1)

def start(*arguments):
    for name in [name for name in sys.modules if name.split(".")[0] == "lazyplug"]:
        del sys.modules[name]
    import lazyplug
    found = lazyplug.DriverManager("app", "one").driver(*arguments)
    names = lazyplug.ExtensionManager("app").names()
    is_cold = "lazyplug._indexing.update" in sys.modules
    return [found, names, "cold" if is_cold else "warm"]

told = [start(1), start(2)]
os.mkdir("/site/more-1.dist-info")
with open("/site/more-1.dist-info/METADATA", "w") as file:
    file.write("Name: more\\nVersion: 1\\n")
with open("/site/more-1.dist-info/entry_points.txt", "w") as file:
    file.write("[app]\\nthree = plug_app:two\\n")
told.append(start(3))
print(json.dumps([sys.platform, hasattr(os, "geteuid"), *told]))
"""


@pytest.mark.parametrize("where", ["mounted", "virtual"])
def test_a_start_is_warm_after_the_first_and_sees_what_changes(
    place: Place, where: str
) -> None:
    code = STARTS
    if where == "virtual":
        # Files of Pyodide's own file system, with its own ideas of time.
        code = f"{COPYING}{STARTS.replace('/site/', '/own/')}"
    platform, has_users, *starts = place.ask(code)
    assert (platform, has_users) == ("emscripten", False)
    assert starts == [
        [["one", 1], ["one", "two"], "cold"],
        [["one", 2], ["one", "two"], "warm"],
        [["one", 3], ["three", "one", "two"], "cold"],
    ]
    if where == "mounted":
        # Pyodide's own files are new at each of its starts, and so are their stamps.
        again = place.ask(STARTS.replace("os.mkdir", "os.path.exists"))
        assert again[2] == [["one", 1], ["three", "one", "two"], "cold"]


COPYING = """
import shutil, time
shutil.copytree(sys.path.pop(), "/own")
sys.path.append("/own")
"""


SAME = {
    "managers": """
import json
import lazyplug
from lazyplug import *
errors = []
def failed(manager, point, error):
    errors.append(said_of(error, point.name))
def said_of(error, name):
    return [name, type(error).__name__, str(error).replace(sys.path[-1], "SITE")]
def name_of(extension, *_):
    return extension.name == "two"
driver = DriverManager("app", "two", invoke_on_load=True, invoke_args=(1,))
named = NamedExtensionManager("app", ["two", "one"], name_order=True)
hook = HookManager("app", "one")
enabled = EnabledExtensionManager("app", lambda each: each.name == "one")
dispatch = DispatchExtensionManager("app", lambda each: True)
by_name = NameDispatchExtensionManager("app", lambda each: True)
faulty = ExtensionManager("faulty", on_load_failure_callback=failed)
try:
    DriverManager("app", "tow")
except LazyplugError as error:
    missing = said_of(error, "tow")
print(json.dumps([
    driver.driver, named.names(), [each.plugin(1) for each in hook],
    enabled.names(), dispatch.map(name_of, lambda each, word: each.plugin(word), "w"),
    by_name.map(["one"], lambda each, word: each.plugin(word), "w"),
    faulty.map(lambda each: each.name), errors, missing,
    [each.summary for each in named], "none" in ExtensionManager("app"),
]))
""",
    "entry points": """
import importlib.metadata, importlib_metadata, json
import lazyplug
def told():
    return [
        [[p.name, p.value, p.group, p.dist.name] for p in sorted(asked(group="app"))]
        for asked in (lazyplug.entry_points, importlib.metadata.entry_points,
                      importlib_metadata.entry_points)
    ]
before = told()
acceleration = lazyplug.accelerate()
during = told()
acceleration.undo()
print(json.dumps([before, during, told(), before == during == told()]))
""",
    "the drop-in": """
import json
from lazyplug.compat.stevedore import install
install()
import stevedore
from stevedore import driver, named, hook, enabled, extension, dispatch
found = [
    stevedore.__name__,
    driver.DriverManager("app", "one").driver(2),
    named.NamedExtensionManager("app", ["two"]).names(),
    [each.plugin() for each in hook.HookManager("app", "two")],
    enabled.EnabledExtensionManager("app", lambda e: e.name == "one").names(),
    sorted(extension.ExtensionManager("stevedore.example.formatter").names()),
    dispatch.NameDispatchExtensionManager("app", lambda e: True).names(),
]
print(json.dumps(found))
""",
    "the command line": """
import contextlib, io, json
from lazyplug.cli import main
from lazyplug.cli.output import to_json
told = []
for command in (
    "groups --json", "list app --json", "list app", "why app one", "why app tow",
    "list faulty", "list nothing --json",
):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(command.split())
    told.append([command, code, out.getvalue().replace(sys.path[-1], "SITE")])
print(json.dumps(told))
""",
}


@pytest.mark.parametrize("code", SAME.values(), ids=SAME)
def test_it_answers_there_as_it_does_here(place: Place, code: str) -> None:
    here = place.ask_here(code)
    assert place.ask(code) == here
    assert place.ask(code) == here  # warm


COMMANDS = """
import contextlib, io, json, os
from lazyplug.cli import main
told = {}
for command in %r:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(command.split())
        except SystemExit as end:
            code = end.code
    told[command] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(told))
"""


def test_commands_say_what_cannot_be_had_without_processes(place: Place) -> None:
    commands = ["check faulty --json", "check leaving", "bench", "trace x"]
    told = place.ask(COMMANDS % (commands,))
    code, out, err = told["check faulty --json"]
    rows = {row["name"]: (row["state"], row["error"]) for row in json.loads(out)}
    assert code == 1
    assert rows == {
        "bad": ("failed", "OSError: broken on purpose"),
        "odd": ("invalid", "'no reference' is no object reference"),
        "gone": ("failed", rows["gone"][1]),
        "well": ("ok", ""),
    }
    assert rows["gone"][1].startswith("AttributeError: module 'plug_app' has no")
    said = "emscripten has no processes: each plugin is loaded in this one, without"
    assert err == f"{said} a time limit.\n"
    assert "SystemExit: leave me alone" in told["check leaving"][1]
    for command in ("bench", "trace x"):
        code, out, err = told[command]
        assert (code, out) == (1, "")
        assert "emscripten has no processes" in err


def test_commands_look_after_the_cache_and_the_frozen_index(place: Place) -> None:
    commands = ["refresh", "cache show", "cache verify", "doctor --json"]
    commands += ["freeze --output /tmp/lazyplug.index", "cache clear", "check app"]
    told = place.ask(COMMANDS % (commands,))
    assert {command: told[command][0] for command in commands if told[command][0]} == {
        "doctor --json": 1  # of `faulty`
    }
    assert "0 damaged" in told["cache verify"][1]
    doctor = json.loads(told["doctor --json"][1])
    for part in ("cache", "index", "frozen", "sys.path"):
        assert [row["state"] for row in doctor[part]] == ["ok"], doctor[part]


RUNS = """
import json, os
with open("/tmp/program.py", "w") as file:
    file.write(
        "import json, os, sys, lazyplug\\n"
        "names = lazyplug.ExtensionManager('app').names()\\n"
        "lazyplug.DriverManager('app', 'one').driver()\\n"
        "with open('/tmp/events') as events:\\n"
        "    kinds = sorted({json.loads(line)['event'] for line in events})\\n"
        "print(json.dumps([sys.argv, names, kinds]))\\n"
    )
from lazyplug.cli import main
main(["run", "--trace", "/tmp/events", "/tmp/program.py", "a"])
"""


def test_a_program_is_run_and_traced_in_the_only_process(place: Place) -> None:
    argv, names, kinds = place.ask(RUNS)
    assert (argv, names) == (["/tmp/program.py", "a"], ["one", "two"])  # noqa: S108
    assert kinds == ["group", "import", "index", "scan", "write"]


HOMES = """
import json, os
import lazyplug
found = lazyplug.ExtensionManager("app").names()
folder = os.path.expanduser("~/.cache/lazyplug")
(file,) = os.listdir(folder)
modes = [oct(os.stat(each).st_mode) for each in (folder, os.path.join(folder, file))]
print(json.dumps([found, modes]))
"""


def test_the_cache_lies_in_the_home_that_pyodide_has(place: Place) -> None:
    found = place.ask(HOMES, {"HOME": "/home/pyodide"})
    assert found == [["one", "two"], ["0o40700", "0o100600"]]
