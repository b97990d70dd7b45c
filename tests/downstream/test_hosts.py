"""Run released hosts that are patched to use lazyplug, and the tests of their plugins.

Each patch in examples/hosts is applied to a copy of the package that is installed. The
file hosts.txt next to this module lists the tests that are skipped, with reasons.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.downstream.suite import (
    Outcome,
    outcome,
    pytest_options,
    read_skipped,
    unpack_source,
)
from tests.support.checkout import CHECKOUT

PATCHES = CHECKOUT / "examples" / "hosts"
SKIPPED = read_skipped(Path(__file__).with_name("hosts.txt"))
SCRIPTS = Path(sys.executable).parent


class Host(NamedTuple):
    """A released host: its package, the tests of its plugins, and its commands.

    A command that begins with a file of Python code is run by Python.
    """

    package: str
    tests: list[str]
    commands: list[list[str]]
    # the directory of the tests in the source distribution, if they are not installed
    source: str = ""
    # the modules of the tests that the source distribution lacks
    support: Path | None = None


HOSTS = {
    "cliff": Host(
        "cliff",
        ["cliff/tests"],
        [
            ["openstack", "--help"],
            ["openstack", "server", "list", "--help"],
            ["openstack", "stack", "list", "--help"],
            ["openstack", "help", "image", "show"],
            ["openstack", "command", "list"],
            ["openstack", "complete"],
            ["openstack", "no", "such", "command"],
        ],
    ),
    "colcon-core": Host(
        "colcon_core",
        [
            f"test/test_{name}.py"
            for name in (
                *("argument_parser", "command", "environment", "environment_variable"),
                *("event_handler", "extension_point", "output_style"),
                *("package_augmentation", "package_discovery"),
                *("package_identification", "package_selection", "plugin_system"),
                *("prefix_path", "verb"),
            )
        ],
        [
            ["colcon"],
            ["colcon", "--help"],
            ["colcon", "build", "--help"],
            ["colcon", "extensions"],
            ["colcon", "extension-points"],
            ["colcon", "list"],
            ["colcon", "no-such-verb"],
        ],
        "test",
        Path(__file__).with_name("colcon"),
    ),
    "dask": Host(
        "dask",
        [
            *("dask/tests/test_cli.py", "dask/tests/test_sizeof.py"),
            "dask/tests/test_backends.py",
        ],
        [["dask", "--help"], ["dask", "worker", "--help"], ["dask", "config", "list"]],
    ),
    "llm": Host(
        "llm",
        [],  # its releases contain no tests
        [
            ["llm", "--help"],
            ["llm", "jq", "--help"],
            ["llm", "anthropic", "count", "--help"],
            ["llm", "plugins"],
            ["llm", "models", "list"],
            ["llm", "tools", "list"],
            ["llm", "fragments", "loaders"],
            ["llm", "templates", "loaders"],
            ["llm", "-m", "echo", "hello"],
            ["llm", "no-such-command"],
        ],
    ),
    "sqlite-utils": Host(
        "sqlite_utils",
        ["tests/test_plugins.py"],
        [
            ["sqlite-utils", "--help"],
            ["sqlite-utils", "litecli", "--help"],
            ["sqlite-utils", "move-tables", "--help"],
            ["sqlite-utils", "plugins"],
            ["sqlite-utils", "memory", "select dateutil_easter('2026')"],
            ["sqlite-utils", "no-such-command"],
        ],
        "tests",
    ),
    "xarray": Host(
        "xarray",
        ["xarray/tests/test_plugins.py", "xarray/tests/test_backends_api.py"],
        [["open.py"]],
    ),
}
# Those of the environment: that of `pluggy` has other versions of click.
INSTALLED = [name for name in HOSTS if importlib.util.find_spec(HOSTS[name].package)]
# The order of these options and plugins is that of a set or, with pluggy, that of the
# files in a directory.
UNORDERED = [
    ["openstack", "--help"],
    *(["llm", *words.split()] for words in ("plugins", "models list", "tools list")),
    *(["llm", kind, "loaders"] for kind in ("fragments", "templates")),
    ["sqlite-utils", "plugins"],
]
CODE = {
    "open.py": """
import numpy, xarray
xarray.Dataset({"a": ("x", numpy.arange(3))}).to_netcdf("made.nc", engine="scipy")
print(xarray.open_dataset("made.nc").a.values, list(xarray.backends.list_engines()))
"""
}


def path_with(directory: Path) -> str:
    """Return a PYTHONPATH that begins with a directory."""
    rest = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(filter(None, [str(directory), rest]))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for name, text in CODE.items():
        (home / name).write_text(text)
    return home


@pytest.fixture(scope="module", params=INSTALLED)
def patched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Host, Path]:
    """Return a host, and a directory that has the patched copy of its package."""
    host = HOSTS[request.param]
    directory = tmp_path_factory.mktemp(request.param)
    spec = importlib.util.find_spec(host.package)
    assert spec is not None
    assert spec.origin is not None
    ignored = shutil.ignore_patterns("__pycache__")
    target = directory / host.package
    shutil.copytree(Path(spec.origin).parent, target, ignore=ignored)
    if host.source:
        source = unpack_source(request.param, tmp_path_factory.mktemp("source"))
        shutil.copytree(source / host.source, directory / host.source)
    if host.support is not None:
        shutil.copytree(host.support, directory / host.source, dirs_exist_ok=True)
    patch = PATCHES / f"{request.param}.patch"
    subprocess.run(
        ["git", "apply", "--whitespace=nowarn", str(patch)],
        cwd=directory,
        # The directory may be inside of a repository.
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(directory.parent)},
        check=True,
    )
    return host, directory


def test_each_patch_belongs_to_a_host_that_is_run() -> None:
    assert {path.stem for path in PATCHES.glob("*.patch")} == {*HOSTS}


@pytest.mark.parametrize("name", INSTALLED)
def test_a_patch_names_the_release_that_is_installed(name: str) -> None:
    lines = (PATCHES / f"{name}.patch").read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"{name} {version(name)}"
    assert version(name) in lines[1]
    assert re.fullmatch("sha256 [0-9a-f]{64}", lines[2])


def test_the_host_passes_its_own_tests_of_plugins(
    patched: tuple[Host, Path], home: Path
) -> None:
    host, directory = patched
    if not host.tests:
        pytest.skip("the releases contain no tests")
    tests = [str(directory / test) for test in host.tests]
    options = ["-q", "-p", "no:lazyplug", *pytest_options(directory, SKIPPED)]
    command = [sys.executable, "-m", "pytest", *options, *tests]
    # Some tests compare help texts, which they expect to be this wide.
    done = outcome(command, home, COLUMNS="80", PYTHONPATH=path_with(directory))
    assert done.code == 0, done.out + done.err
    assert re.search(r"[1-9]\d* passed", done.out)


def test_the_host_prints_what_it_prints_as_released(
    patched: tuple[Host, Path], home: Path
) -> None:
    host, directory = patched

    def run(arguments: list[str], **variables: str) -> Outcome:
        place = home if arguments[0] in CODE else SCRIPTS
        program = str(place / arguments[0])
        done = outcome([sys.executable, program, *arguments[1:]], home, **variables)
        if arguments in UNORDERED:
            return done._replace(out=" ".join(sorted(done.out.split())))
        return done

    for command in host.commands:
        released = run(command)
        for _ in range(2):  # cold, then warm
            assert run(command, PYTHONPATH=path_with(directory)) == released, command
