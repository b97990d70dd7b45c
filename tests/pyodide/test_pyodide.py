"""Run lazyplug on Emscripten: in Pyodide, a CPython that runs in node.

`tox run -e pyodide` installs both, and sets PYODIDE to the directory of Pyodide. The
wheel and its pure Python dependencies are mounted. orjson has no wheel for Emscripten.
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


class Mounts(NamedTuple):
    """The mounted directories, the same for all processes of a test."""

    site: Path
    cache: Path

    def start(
        self, code: str, environment: "dict[str, str] | None" = None
    ) -> subprocess.CompletedProcess[str]:
        """Run code in a new Pyodide."""
        request = {
            "pyodide": os.environ["PYODIDE"],
            "environment": {"HOME": "/home/me", "LAZYPLUG_CACHE_DIR": "/cache"}
            if environment is None
            else environment,
            "mounted": {"/site": str(self.site), "/cache": str(self.cache)},
            "code": HEAD.format(site="/site") + code,
        }
        return subprocess.run(
            ["node", Path(__file__).with_name("run.mjs")],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def ask(self, code: str, environment: "dict[str, str] | None" = None) -> Any:
        """Return the JSON that code prints in a new Pyodide."""
        return parse(self.start(code, environment))

    def ask_here(self, code: str) -> Any:
        """Return the JSON that the same code prints in this Python."""
        done = subprocess.run(
            [sys.executable, "-S", "-P", "-c", HEAD.format(site=str(self.site)) + code],
            env={"LAZYPLUG_CACHE_DIR": str(self.cache.with_name("here"))},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return parse(done)


def parse(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the wheel and its requirements except orjson."""
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
def mounts(installed: Path, tmp_path: Path) -> Mounts:
    site = tmp_path / "site"
    shutil.copytree(installed, site)
    plant(site, PLUGINS)
    (tmp_path / "cache").mkdir(mode=0o700)
    time.sleep(2.1)  # until the stat signatures are no longer racy
    return Mounts(site, tmp_path / "cache")


STARTS = """
import json, os, time

# Pyodide has just created its own files, and files of the last two seconds are racy.
time.sleep(2.1)

def start(*arguments):
    for name in [name for name in sys.modules if name.split(".")[0] == "lazyplug"]:
        del sys.modules[name]
    import lazyplug
    found = lazyplug.DriverManager("app", "one").driver(*arguments)
    names = lazyplug.ExtensionManager("app").names()
    is_cold = "lazyplug._indexing.update" in sys.modules
    return [found, names, "cold" if is_cold else "warm"]

starts = [start(1), start(2)]
os.mkdir("/site/more-1.dist-info")
with open("/site/more-1.dist-info/METADATA", "w") as file:
    file.write("Name: more\\nVersion: 1\\n")
with open("/site/more-1.dist-info/entry_points.txt", "w") as file:
    file.write("[app]\\nthree = plug_app:two\\n")
starts.append(start(3))
print(json.dumps([sys.platform, hasattr(os, "geteuid"), *starts]))
"""


@pytest.mark.parametrize("where", ["mounted", "virtual"])
def test_the_second_start_is_warm_and_sees_changes(mounts: Mounts, where: str) -> None:
    code = STARTS
    if where == "virtual":
        # Files of Pyodide's own file system, which has its own file times.
        code = f"{COPYING}{STARTS.replace('/site/', '/own/')}"
    platform, has_users, *starts = mounts.ask(code)
    assert (platform, has_users) == ("emscripten", False)
    assert starts == [
        [["one", 1], ["one", "two"], "cold"],
        [["one", 2], ["one", "two"], "warm"],
        [["one", 3], ["three", "one", "two"], "cold"],
    ]
    if where == "mounted":
        # Pyodide creates its own files anew at each start, so their signatures change.
        again = mounts.ask(STARTS.replace("os.mkdir", "os.path.exists"))
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
    errors.append(describe(error, point.name))
def describe(error, name):
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
    missing = describe(error, "tow")
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
def query():
    return [
        [[p.name, p.value, p.group, p.dist.name] for p in sorted(find(group="app"))]
        for find in (lazyplug.entry_points, importlib.metadata.entry_points,
                      importlib_metadata.entry_points)
    ]
before = query()
acceleration = lazyplug.accelerate()
during = query()
acceleration.undo()
print(json.dumps([before, during, query(), before == during == query()]))
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
results = []
for command in (
    "groups --json", "list app --json", "list app", "why app one", "why app tow",
    "list faulty", "list nothing --json",
):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(command.split())
    results.append([command, code, out.getvalue().replace(sys.path[-1], "SITE")])
print(json.dumps(results))
""",
}


@pytest.mark.parametrize("code", SAME.values(), ids=SAME)
def test_answers_in_pyodide_are_those_of_this_python(mounts: Mounts, code: str) -> None:
    here = mounts.ask_here(code)
    assert mounts.ask(code) == here
    assert mounts.ask(code) == here  # warm


COMMANDS = """
import contextlib, io, json, os
from lazyplug.cli import main
results = {}
for command in %r:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(command.split())
        except SystemExit as end:
            code = end.code
    results[command] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(results))
"""


def test_commands_report_that_other_processes_cannot_be_started(mounts: Mounts) -> None:
    commands = ["check faulty --json", "check leaving", "bench", "trace x"]
    results = mounts.ask(COMMANDS % (commands,))
    code, out, err = results["check faulty --json"]
    rows = {row["name"]: (row["state"], row["error"]) for row in json.loads(out)}
    assert code == 1
    assert rows == {
        "bad": ("failed", "OSError: broken on purpose"),
        "odd": (
            "invalid",
            "'no reference' is not a valid reference (expected `module:attr`)",
        ),
        "gone": ("failed", rows["gone"][1]),
        "well": ("ok", ""),
    }
    assert rows["gone"][1].startswith("AttributeError: module 'plug_app' has no")
    message = "emscripten cannot start processes: each plugin is loaded in this process"
    assert err == f"{message}, without a time limit\n"
    assert "SystemExit: leave me alone" in results["check leaving"][1]
    for command in ("bench", "trace x"):
        code, out, err = results[command]
        assert (code, out) == (1, "")
        assert "emscripten cannot start processes" in err


def test_commands_manage_the_cache_and_the_frozen_index(mounts: Mounts) -> None:
    commands = ["refresh", "cache show", "cache verify", "doctor --json"]
    commands += ["freeze --output /tmp/lazyplug.index", "cache clear", "check app"]
    results = mounts.ask(COMMANDS % (commands,))
    # The problems of `faulty` are warnings.
    assert [each for each in commands if results[each][0]] == []
    assert "0 damaged" in results["cache verify"][1]
    doctor = json.loads(results["doctor --json"][1])
    assert doctor["summary"]["errors"] == 0
    assert doctor["summary"]["warnings"] > 0
    subjects = {row["subject"] for row in doctor["findings"]}
    assert subjects.isdisjoint({"cache", "index", "startup", "sys.path"}), doctor


RUNS = """
import json, os, sys
with open("/tmp/program.py", "w") as file:
    file.write(
        "import json, os, sys, lazyplug\\n"
        "names = lazyplug.ExtensionManager('app').names()\\n"
        "lazyplug.DriverManager('app', 'one').driver()\\n"
        "with open('/tmp/events') as events:\\n"
        "    kinds = sorted({json.loads(line)['event'] for line in events})\\n"
        "print(json.dumps([sys.argv, names, kinds]))\\n"
    )
from lazyplug.__main__ import main
sys.argv = ["lazyplug", "run", "--trace", "/tmp/events", "/tmp/program.py", "a"]
main()
"""


def test_a_program_is_run_and_traced_in_the_only_process(mounts: Mounts) -> None:
    argv, names, kinds = mounts.ask(RUNS)
    assert (argv, names) == (["/tmp/program.py", "a"], ["one", "two"])  # noqa: S108
    assert kinds == ["group", "import", "index", "scan", "write"]


CODE_OBJECTS = """
import json
with open("/site/lazyplug/_hot.py") as file:
    found = [compile(file.read(), "_hot.py", "exec")]
for code in found:
    found += [each for each in code.co_consts if type(each) is type(code)]
names = [code.co_name for code in found]
print(json.dumps([len(names), names.count("__annotate__")]))
"""


def test_the_built_module_has_few_code_objects_for_annotations(mounts: Mounts) -> None:
    # The same as in tests/test_built.py, which says why, where CPython 3.14 is absent.
    total, annotations = mounts.ask(CODE_OBJECTS)
    assert 0 < annotations <= 90
    assert total - annotations <= 95


HOMES = """
import json, os
import lazyplug
found = lazyplug.ExtensionManager("app").names()
directory = os.path.expanduser("~/.cache/lazyplug")
(file,) = os.listdir(directory)
paths = [directory, os.path.join(directory, file)]
modes = [oct(os.stat(path).st_mode) for path in paths]
print(json.dumps([found, modes]))
"""


def test_the_cache_is_in_the_home_directory_of_pyodide(mounts: Mounts) -> None:
    found = mounts.ask(HOMES, {"HOME": "/home/pyodide"})
    assert found == [["one", "two"], ["0o40700", "0o100600"]]
