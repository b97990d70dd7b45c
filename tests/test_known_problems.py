"""Test that problems which users of other plugin systems had do not occur.

Each test has a small host that does what the program in the thread does.
"""

import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import Choice, DriverManager, ExtensionManager, NamedExtensionManager
from lazyplug.testing import Tree, dist, plant
from tests.support.children import python
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")
ROOT = Path(__file__).parents[1]
TRAP = "raise AssertionError('this plugin must not be imported')\n"
COMMANDS = """
def build(): "Build the project."; return "built"
def clean(): "Remove what was built."; return "cleaned"
"""
Install = Callable[[Tree], Path]


@pytest.fixture
def install(site: PlantSite, prepend_path: SetPath) -> Install:
    """Return a function that installs a tree, and the plugins of the host itself."""

    def make(tree: Tree) -> Path:
        own = dist(
            "host", "1", "[host]\nbuild = plug_own:build\nclean = plug_own:clean\n"
        )
        directory = site({"plug_own.py": COMMANDS, **own, **tree})
        prepend_path(directory)
        return directory

    return make


def run_host(code: str, directory: Path, **variables: str) -> tuple[str, str]:
    """Run a host; return what it wrote to stdout and stderr."""
    path = f"import sys; sys.path[:0] = [{str(directory)!r}, {str(ROOT)!r}]\n"
    done = python("-c", path + code, env=variables)
    return done.stdout, done.stderr


# -------------------------------------------- 4: one broken plugin stops the program


def test_a_broken_plugin_does_not_prevent_its_own_removal(install: Install) -> None:
    """See conda/conda#12149."""
    directory = install(
        {
            "plug_bad.py": "import no_such_module_anywhere\n",
            **dist("bad", entry_points="[host]\nbad = plug_bad:run\n"),
        }
    )
    manager = ExtensionManager[Any]("host")
    answers = manager.map(lambda extension: extension.plugin())
    assert answers == ["built", "cleaned"]
    (failure,) = manager.failures
    assert failure.distribution == "bad 1.0"
    # The message says what to remove, and removing it works.
    shutil.rmtree(directory / "bad-1.0.dist-info")
    assert manager.refresh().removed == ("bad 1.0",)
    assert manager.failures == []


def test_two_plugins_for_one_command_do_not_break_the_help(
    install: Install,
) -> None:
    """See python-poetry/poetry#6456."""
    install(
        {
            "plug_bad.py": TRAP,
            **dist("a-export", entry_points="[host]\nexport = plug_bad:run\n"),
            **dist("b-export", entry_points="[host]\nexport = plug_bad:other\n"),
        }
    )
    manager = ExtensionManager[Any](
        "host", conflict_resolver=lazyplug.error_on_conflict
    )
    shown = {name: extension.summary for name, extension in manager.items()}
    assert shown == {"build": "Build the project.", "clean": "Remove what was built."}
    assert manager["build"].plugin() == "built"
    assert [each.distribution for each in manager.failures] == [
        "a-export 1.0",
        "b-export 1.0",
    ]


def test_a_backend_that_cannot_be_imported_leaves_the_others_usable(
    install: Install,
) -> None:
    """See pydata/xarray#5136."""
    install(
        {
            "plug_bad.py": "raise ImportError('libfoo.so: cannot open')\n",
            **dist("aaa", entry_points="[host]\naaa = plug_bad:Backend\n"),
        }
    )
    manager = ExtensionManager[Any]("host")
    assert manager["clean"].plugin() == "cleaned"
    assert manager.map(lambda extension: extension.name) == ["build", "clean"]


@pytest.mark.parametrize(
    "broken",
    [
        {"broken-1.dist-info": {}},
        {
            "broken-1.dist-info": {
                "METADATA": "",
                "entry_points.txt": "[host]\nno equals\n",
            }
        },
        {"-1.dist-info": {"entry_points.txt": "[host]\nx = y:z\n"}},
        {"broken-1.dist-info": {"entry_points.txt": b"\xff\xfe[host]"}},
        {"broken-1.egg-info": "", "~roken-1.dist-info": {"METADATA": "Name: roken"}},
    ],
)
def test_broken_metadata_of_a_distribution_affects_no_other(
    broken: Mapping[str, Any], install: Install
) -> None:
    """See python/cpython#100455 and saulpw/visidata#1529."""
    directory = install(broken)
    code = "import lazyplug; print(*lazyplug.ExtensionManager('host').names())"
    output, _ = run_host(code, directory)
    assert output == "build clean\n"


# ------------------------------------------------------------ 5: failures are hidden


def test_a_plugin_that_failed_is_visible_and_can_be_counted(install: Install) -> None:
    """See colcon/colcon-core#637 and mlflow/mlflow#2445."""
    directory = install(
        {
            "plug_bad.py": "1 / 0\n",
            **dist("bad", "0.3", "[host]\nbad = plug_bad:run\n"),
        }
    )
    code = """if True:
        import lazyplug
        manager = lazyplug.ExtensionManager("host")
        manager.map(lambda extension: None)
        for failure in manager.failures:
            print(failure.name, failure.distribution, failure.reason)
    """
    output, errors = run_host(code, directory)
    assert output == "bad bad 0.3 ZeroDivisionError: division by zero\n"
    # A failure is not printed, unless the program sets up logging.
    assert errors == ""
    setup = "import logging; logging.basicConfig(format='%(message)s')\n"
    _, errors = run_host(setup + code, directory)
    file = directory / "bad-0.3.dist-info" / "entry_points.txt"
    assert errors == (
        "entry point 'bad = plug_bad:run' of group 'host', declared by bad 0.3 in"
        f" {file}, line 2 could not be loaded: ZeroDivisionError: division by zero\n"
    )


# ------------------------------------------------------------ 6: turning plugins off


TURNED_OFF = """if True:
    import lazyplug
    choice = lazyplug.Choice(host="host").environment("HOST_PLUGINS")
    manager = lazyplug.ExtensionManager("host", choice=choice, lazy=False)
    print(*manager.names())
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"HOST_PLUGINS_DENY": "heavy"}, "build clean"),
        ({"HOST_PLUGINS_DENY": "@heavy-*"}, "build clean"),
        ({"HOST_PLUGINS_SAFE_MODE": "1"}, "build clean"),
        ({"HOST_PLUGINS_ALLOW": "build"}, "build"),
        ({"HOST_PLUGINS_ALLOW": ""}, ""),
        ({"LAZYPLUG_DENY": "host=heavy"}, "build clean"),
    ],
    ids=str,
)
def test_plugins_are_turned_off_before_any_import_and_none_means_none(
    variables: dict[str, str], expected: str, install: Install
) -> None:
    """See pytest-dev/pytest#3784, conda/conda#12903, simonw/llm#922."""
    directory = install(
        {
            "plug_trap.py": TRAP,
            **dist("heavy-x", entry_points="[host]\nheavy = plug_trap:r\n"),
        }
    )
    assert run_host(TURNED_OFF, directory, **variables) == (f"{expected}\n", "")


# ----------------------------------------------------------- 7: two plugins, one name


def test_a_company_overrides_a_public_plugin_by_name(install: Install) -> None:
    """See fsspec/adlfs#302 and python/importlib_metadata#280."""
    install(
        {
            "plug_public.py": TRAP,
            "plug_acme.py": "class FileSystem: pass\n",
            **dist("adlfs", "2024.4", "[host.fs]\nabfs = plug_public:FileSystem\n"),
            **dist("acme-adlfs", "1", "[host.fs]\nabfs = plug_acme:FileSystem\n"),
        }
    )
    resolver = lazyplug.prefer("acme-*", otherwise=lazyplug.first_on_conflict)
    driver = DriverManager[Any]("host.fs", "abfs", conflict_resolver=resolver)
    assert driver.driver.__module__ == "plug_acme"
    assert "plug_public" not in sys.modules


# ----------------------------------------------------------- 8: help without imports


def test_help_names_and_describes_each_command_and_imports_none(
    install: Install,
) -> None:
    """See globus/globus-cli#673, apache/airflow#46789, azure-cli#27444."""
    heavy = f'"""Heavy."""\n{TRAP}def run():\n    """Run it."""\n'
    directory = install(
        {
            "plug_heavy.py": heavy,
            **dist("heavy", entry_points="[host]\nrun = plug_heavy:run\n"),
        }
    )
    code = """if True:
        import lazyplug, sys
        for extension in lazyplug.ExtensionManager("host"):
            print(f"{extension.name:8}{extension.summary}")
        print([name for name in sys.modules if name.startswith("plug_")])
    """
    output, errors = run_host(code, directory)
    assert output.splitlines() == [
        "run     Run it.",
        "build   Build the project.",
        "clean   Remove what was built.",
        "[]",
    ]
    assert errors == ""


# -------------------------------------------------------- 12: long-running processes


def test_a_plugin_installed_from_a_notebook_is_found(install: Install) -> None:
    """See pydata/xarray#7478."""
    directory = install({})
    engines = ExtensionManager[Any]("host")
    build = engines["build"].plugin
    notified: list[lazyplug.Changes] = []
    unsubscribe = lazyplug.subscribe(notified.append)
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'zarr'"):
        engines["zarr"]
    plant(
        directory,
        {
            "plug_zarr.py": "Engine = dict\n",
            **dist("zarr", "3", "[host]\nzarr = plug_zarr:Engine\n"),
        },
    )
    engines.refresh()
    unsubscribe()
    assert engines["zarr"].plugin is dict
    assert engines["build"].plugin is build
    assert [changes.added for changes in notified] == [("zarr 3",)]
    named = NamedExtensionManager[Any]("host", ["zarr"], choice=Choice(allow=["zarr"]))
    assert named.names() == ["zarr"]
