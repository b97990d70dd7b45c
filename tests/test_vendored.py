"""Test that a copy of the package under another name never imports the original."""

import ast
import os
import shutil
from pathlib import Path

import pytest

import lazyplug
from lazyplug.testing import dist, plant
from tests.support.children import python

PACKAGE = Path(str(lazyplug.__file__)).parent
COPY = "myapp._vendor.lazyplug"
# Makes each import of the original fail, in any process.
BLOCK = """
import sys
class Blocked:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "lazyplug":
            raise AssertionError(f"{name} was imported")
sys.meta_path.insert(0, Blocked)
"""
PROGRAM = """
import os, pickle, subprocess, sys, threading, warnings
import myapp._vendor.lazyplug as lazyplug
from myapp._vendor.lazyplug import *
from myapp._vendor.lazyplug._faults.errors import multiple_matches

every = [
    ExtensionManager("g"), NamedExtensionManager("g", ["sound"]), HookManager("g", "a"),
    EnabledExtensionManager("g", lambda _: True), DriverManager("g", "sound"),
    DispatchExtensionManager("g", lambda _: True),
    NameDispatchExtensionManager("g", lambda _: True),
]
manager = every[0]
assert manager["sound"].plugin is dict and every[4].driver is dict
manager.map(lambda extension: None)
assert load("g", "sound") is dict
def raised(call):
    try:
        call()
    except LazyplugError as error:
        return error

things = [
    manager["sound"], manager["sound"].entry_point, entry_points(group="g"), Choice(),
    problems()[0], manager.failures[0], refresh(), prefer("one"),
    raised(lambda: manager["missing"]), raised(lambda: manager["odd"].plugin),
    raised(lambda: Choice(allow=["="])), multiple_matches("g", "a", manager),
    raised(lambda: ExtensionManager("g", on_failure="error")),
]
# Python 3.12 and later warn about a fork in a process with threads.
warnings.simplefilter("ignore", DeprecationWarning)
child = "import pickle, sys; print(repr(pickle.load(sys.stdin.buffer)))"
for thing in things:
    data = pickle.dumps(thing)
    assert b"myapp._vendor.lazyplug" in data, thing
    command = [sys.executable, "-c", child]
    done = subprocess.run(command, input=data, capture_output=True)
    both = done.stdout.decode().strip(), repr(thing)
    assert len({text.partition(" at 0x")[0] for text in both}) == 1, (both, done.stderr)
for name in lazyplug.__all__:
    found = getattr(lazyplug, name)
    if isinstance(found, type):
        assert found.__module__ == lazyplug.__name__, found

# Fork while a thread imports, so that the child gives up this import.
thread = threading.Thread(target=__import__, args=("slow",))
thread.start()
while "slow" not in sys.modules:
    pass
process = os.fork()
if not process:
    import slow
    sys.stdout.flush()
    os._exit(0)
os.waitpid(process, 0)
thread.join()
assert "lazyplug" not in sys.modules
print("well")
"""


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Vendor a copy of the package; return the variables with which it is run."""
    site = plant(
        tmp_path / "site",
        {
            "sitecustomize.py": BLOCK,
            "slow.py": "import time\ntime.sleep(1)\n",
            "myapp": {"__init__.py": "", "_vendor": {"__init__.py": ""}},
            **dist(
                "one", "1", "[g]\nsound = builtins:dict\nodd = no ref\nno = nowhere:x\n"
            ),
        },
    )
    copy = site / "myapp" / "_vendor" / "lazyplug"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return {"PYTHONPATH": str(site)}


@pytest.mark.once
def test_a_vendored_copy_works_without_the_original(
    variables: dict[str, str], tmp_path: Path
) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("no forks")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    for _ in range(2):  # cold and warm
        done = python(str(program), env=variables)
        assert done.stdout == "well\n"
        assert done.stderr == ""


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "list g",
        "show g sound",
        "why g sound",
        "doctor",
        "cache show",
        "check g",
    ],
)
def test_the_commands_of_a_vendored_copy_work(
    command: str, variables: dict[str, str]
) -> None:
    done = python("-m", COPY, *command.split(), env=variables, check=False)
    assert done.returncode in {0, 1}
    assert done.stderr == ""
    assert done.stdout


def names_itself(node: ast.AST) -> bool:
    """Return True if an import names the package absolutely."""
    if isinstance(node, ast.ImportFrom):
        return not node.level and str(node.module).split(".")[0] == "lazyplug"
    return isinstance(node, ast.Import) and any(
        alias.name.split(".")[0] == "lazyplug" for alias in node.names
    )


@pytest.mark.parametrize(
    "module",
    [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        # It replaces stevedore, in child processes too, under one name only.
        if "compat" not in path.parts
    ],
)
def test_no_module_imports_the_package_by_name(module: str) -> None:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    assert [ast.unparse(node) for node in ast.walk(tree) if names_itself(node)] == []
