"""Follow docs/frozen-index.md with the real tools, and run the result.

The program is a host with two plugins of its own and one of another distribution. It
prints the same however it is packed.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipapp
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import uv

from lazyplug.testing import plant
from tests.support.checkout import CHECKOUT

HOSTS = CHECKOUT / "tests" / "hosts"
GROUPS = ("tinynova.compute.monitors.cpu", "tinynova.compute.monitors.ipmi")
NOBODY = 65534
EMPTY: Mapping[str, str] = {}
# No home directory, and no place for a cache.
HOMELESS = {"HOME": "/nonexistent", "XDG_CACHE_HOME": "", "LAZYPLUG_CACHE_DIR": ""}


def run(
    *command: "str | Path",
    code: int = 0,
    user: "int | None" = None,
    variables: "Mapping[str, str]" = EMPTY,
) -> subprocess.CompletedProcess[str]:
    """Run a program; fail if it ends with another code."""
    unwanted = ("PYTHON", "LAZYPLUG_", "VIRTUAL_ENV", "HOST_ENGINE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    done = subprocess.run(
        [str(word) for word in command],
        env={**kept, **variables},
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
    return done


class Environment:
    """A virtual environment.

    :param directory: where it is, or will be created.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.python = directory / "bin" / "python"
        self.cache = directory.parent / "cache"

    def create(
        self, *projects: "str | Path", interpreter: "str | None" = None
    ) -> "Environment":
        """Create it, and install lazyplug and these projects."""
        chosen = interpreter or sys.executable
        run(uv.find_uv_bin(), "venv", "--quiet", "--python", chosen, self.directory)
        self.install(CHECKOUT, *projects)
        return self

    def install(self, *projects: "str | Path") -> None:
        python = str(self.python)
        tool = (uv.find_uv_bin(), "pip", "install", "--quiet", "--python", python)
        run(*tool, *projects)

    @property
    def site(self) -> Path:
        (found,) = self.directory.glob("lib/*/site-packages")
        return found

    def ask(self, *arguments: str, **variables: str) -> Any:
        """Return the report of the host, run as a module."""
        cache = {"LAZYPLUG_CACHE_DIR": str(self.cache)}
        wanted = {**cache, **variables}
        done = run(self.python, "-m", "tinynova", *arguments, variables=wanted)
        return json.loads(done.stdout)

    def lazyplug(self, *arguments: "str | Path", code: int = 0) -> str:
        """Return what the command `lazyplug` prints."""
        cache = {"LAZYPLUG_CACHE_DIR": str(self.cache)}
        script = self.directory / "bin" / "lazyplug"
        done = run(self.python, script, *arguments, code=code, variables=cache)
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the projects, since a build leaves files next to its sources."""
    directory = tmp_path_factory.mktemp("sources")
    return Path(shutil.copytree(HOSTS, directory / "hosts"))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, sources: Path) -> Environment:
    """Return an environment with the host and its plugins."""
    directory = tmp_path_factory.mktemp("built")
    return Environment(directory / "venv").create(
        sources / "tiny-nova", sources / "tiny-nova-ipmi"
    )


@pytest.fixture
def environment(built: Environment, tmp_path: Path) -> Environment:
    """Return a copy of that environment, which a test may change."""
    return copy(built, tmp_path / "venv")


def copy(environment: Environment, directory: Path) -> Environment:
    """Copy an environment as an image does: with other inodes and constant times."""
    shutil.copytree(environment.directory, directory, symlinks=True)
    for where, _, files in os.walk(directory):
        for file in ("", *files):
            os.utime(os.path.join(where, file), (1, 1), follow_symlinks=False)
    return Environment(directory)


@pytest.fixture(scope="session")
def expected(built: Environment) -> Any:
    """Return the report of the host without any index."""
    found = built.ask("all", LAZYPLUG_CACHE="off")
    assert len(found["reports"]) > 2
    return found


# ------------------------------------------------------------------------- images


@pytest.mark.parametrize("options", [(), ("--trust",)], ids=["checked", "trusted"])
def test_an_image_answers_from_its_frozen_index_at_its_first_start(
    options: tuple[str, ...], environment: Environment, expected: Any, tmp_path: Path
) -> None:
    environment.lazyplug("freeze", *options)
    image = copy(environment, tmp_path / "image")
    shutil.rmtree(environment.directory)
    for _ in range(2):
        assert image.ask("all") == expected
    assert not image.cache.exists()
    assert image.lazyplug("freeze", "--check").endswith(" is up to date\n")
    assert "is used, and up to date" in image.lazyplug("doctor")


def test_an_image_with_a_trusted_index_needs_no_metadata(
    environment: Environment, expected: Any
) -> None:
    environment.lazyplug("freeze", "--trust")
    for directory in environment.site.glob("*.dist-info"):
        shutil.rmtree(directory)
    assert environment.ask("all") == expected
    environment.lazyplug("thaw")
    error = run(
        environment.python, "-m", "tinynova", "one", "cpu", "proc_stat", code=1
    ).stderr
    assert "no entry points found on sys.path: is the metadata" in error
    assert "`lazyplug freeze --trust` where the distributions are installed" in error


def test_a_plugin_that_is_installed_into_an_image_is_found_or_the_error_says_why(
    tmp_path: Path, sources: Path, expected: Any
) -> None:
    environment = Environment(tmp_path / "venv").create(sources / "tiny-nova")
    one = ("-m", "tinynova", "one", "ipmi", "sensors")
    environment.lazyplug("freeze")
    error = run(environment.python, *one, code=1).stderr
    assert "no installed distribution declares that group" in error
    assert "lazyplug.index" not in error
    environment.install(sources / "tiny-nova-ipmi")
    assert environment.ask("all") == expected
    run(uv.find_uv_bin(), "pip", "uninstall", "--quiet", "--python",
        environment.python, "tiny-nova-ipmi")  # fmt: skip
    run(environment.python, *one, code=1)

    environment.lazyplug("freeze", "--trust")
    environment.install(sources / "tiny-nova-ipmi")
    error = run(environment.python, *one, code=1).stderr
    assert "no installed distribution declares that group" in error
    assert "is trusted without checking, but has become stale: " in error
    assert f"{environment.site}: 1 added, 0 removed" in error
    assert "tiny_nova_ipmi-2.0.dist-info in" in environment.lazyplug(
        "freeze", "--check", code=1
    )
    assert environment.ask("all", LAZYPLUG_INDEX="off") == expected
    environment.lazyplug("freeze", "--trust")
    assert environment.ask("all") == expected


def find_shared_python() -> "str | None":
    """Return an interpreter that every user may run, if there is one."""
    for name in (sys.executable, "/usr/bin/python3"):
        file = Path(name).resolve()
        if file.exists() and all(
            p.stat().st_mode & 0o005 == 0o005 for p in file.parents
        ):
            version = run(file, "-c", "import sys; print(sys.version_info >= (3, 11))")
            if version.stdout == "True\n":
                return name
    return None


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="not root")
@pytest.mark.skipif(
    find_shared_python() is None, reason="no Python that every user may run"
)
def test_every_user_can_run_an_image_that_cannot_be_written(
    sources: Path, expected: Any
) -> None:
    with tempfile.TemporaryDirectory(dir="/opt") as directory:
        run("chmod", "755", directory)
        image = Environment(Path(directory) / "image")
        projects = (sources / "tiny-nova", sources / "tiny-nova-ipmi")
        image.create(*projects, interpreter=find_shared_python())
        image.lazyplug("freeze")
        run("chmod", "-R", "a-w,a+rX", image.directory)
        command = (image.python, "-m", "tinynova", "all")
        done = run(*command, user=NOBODY, variables=HOMELESS)
        assert json.loads(done.stdout) == expected
        run("chmod", "-R", "u+w", image.directory)


# ------------------------------------------------------------------------- Lambda

HANDLER = """
import json
from tinynova.__main__ import main
print(json.dumps(main(*sys.argv[1:])))
"""


def stage(environment: Environment, sources: Path, build: Path) -> None:
    """Install lazyplug, the host and its plugins into a directory to be moved."""
    tool = (uv.find_uv_bin(), "pip", "install", "--quiet", "--python")
    projects = (CHECKOUT, sources / "tiny-nova", sources / "tiny-nova-ipmi")
    run(*tool, environment.python, "--target", build, *projects)


def test_a_function_without_metadata_finds_its_plugins(
    environment: Environment, sources: Path, expected: Any, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    stage(environment, sources, build)
    output = build / "lazyplug.index"
    environment.lazyplug("freeze", "--trust", "--path", build, "--output", output)
    for directory in build.glob("*.dist-info"):
        shutil.rmtree(directory)
    task = Path(shutil.move(build, tmp_path / "task"))
    # As in Lambda: its directory is the current one, and the first on sys.path.
    code = f"import os, sys; os.chdir({str(task)!r}); sys.path.insert(0, os.getcwd())"
    variables = {"LAZYPLUG_INDEX": str(task / "lazyplug.index"), **HOMELESS}
    done = run(
        sys.executable, "-P", "-S", "-c", code + HANDLER, "all", variables=variables
    )
    assert json.loads(done.stdout) == expected


# ---------------------------------------------------------------- zip applications

LAUNCH = """
import json, sys
import lazyplug

def main():
    lazyplug.use_index("lazyplug.index", package="launch")
    from tinynova.__main__ import main
    print(json.dumps(main(*sys.argv[1:])))
    print("importlib_metadata" in sys.modules, file=sys.stderr)
"""


def test_a_zip_application_answers_from_the_index_in_it(
    environment: Environment, sources: Path, expected: Any, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    stage(environment, sources, build)
    plant(build / "launch", {"__init__.py": LAUNCH})
    output = build / "launch" / "lazyplug.index"
    environment.lazyplug("freeze", "--trust", "--path", build, "--output", output)
    archive = tmp_path / "app.pyz"
    zipapp.create_archive(build, archive, main="launch:main")
    shutil.rmtree(build)
    assert json.loads(run(environment.python, "-I", archive, "all").stdout) == expected
    cache = {"LAZYPLUG_CACHE_DIR": str(tmp_path / "own-cache")}
    command = (environment.python, archive, "named", "cpu", "proc_stat")
    done = run(*command, variables=cache)
    assert done.stderr == "False\n"
    spelled = f"{tmp_path}/./{archive.name}"
    done = run(environment.python, spelled, *command[2:], variables=cache)
    assert done.stderr == "False\n"
    # Without the index, the archive itself is read.
    other = run(*command, variables={"LAZYPLUG_INDEX": "off"})
    assert other.stdout == done.stdout
    assert other.stderr == "True\n"


# --------------------------------------------------------------------- PyInstaller

MAIN = """
import json, logging, sys
from tinynova.__main__ import main

logging.basicConfig()
print(json.dumps(main(*sys.argv[1:])))
"""


def bundle(
    environment: Environment, directory: Path, options: "tuple[str, ...]"
) -> Path:
    """Build a one-directory bundle; return its program."""
    plant(directory, {"program.py": MAIN})
    run(
        environment.python, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR",
        "--distpath", directory / "dist", "--workpath", directory / "work",
        "--specpath", directory, *options, directory / "program.py",
        variables={"PYINSTALLER_CONFIG_DIR": str(directory / "config")},
    )  # fmt: skip
    return directory / "dist" / "program" / "program"


def test_a_bundle_of_pyinstaller_finds_its_plugins(
    environment: Environment, expected: Any, tmp_path: Path
) -> None:
    environment.install("pyinstaller")
    modules = {
        plugin["value"].partition(":")[0]
        for group in GROUPS
        for plugin in json.loads(environment.lazyplug("list", group, "--json"))
    }
    hidden = tuple(f"--hidden-import={module}" for module in sorted(modules))

    program = bundle(environment, tmp_path / "without", hidden)
    error = run(program, "one", "cpu", "proc_stat", code=1, variables=HOMELESS).stderr
    assert "no extension named 'proc_stat'" in error
    assert "as PyInstaller builds it, needs a frozen index: run `lazyplug" in error

    output = tmp_path / "lazyplug.index"
    environment.lazyplug("freeze", "--flat", "--output", output)
    data = f"--add-data={output}:."
    program = bundle(environment, tmp_path / "with", (data, *hidden))
    # The bundle needs neither the environment nor a cache.
    shutil.rmtree(environment.directory)
    moved = shutil.move(program.parent, tmp_path / "elsewhere")
    done = run(Path(moved) / "program", "all", variables=HOMELESS)
    assert json.loads(done.stdout) == expected


# ------------------------------------------------------------------- pex and shiv


@pytest.mark.parametrize("tool", ["pex", "shiv"])
def test_an_application_of_pex_or_shiv_is_an_environment_like_any_other(
    tool: str, environment: Environment, sources: Path, expected: Any, tmp_path: Path
) -> None:
    environment.install(tool)
    plant(tmp_path, {"program.py": MAIN, "home": {}})
    archive = tmp_path / f"app.{tool}"
    # Built first: the pip that is a part of pex cannot parse all of a pyproject.toml.
    for project in (CHECKOUT, sources / "tiny-nova", sources / "tiny-nova-ipmi"):
        command = (uv.find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir")
        run(*command, tmp_path / "wheels", project)
    wheels = (tmp_path / "wheels").glob("*.whl")
    # Both unpack the application into a directory below HOME at its first start.
    home = str(tmp_path / "home")
    variables = {**HOMELESS, "HOME": home, "PEX_ROOT": f"{home}/pex"}
    script = environment.directory / "bin" / tool
    run(environment.python, script, "-o", archive, *wheels, variables=variables)
    for _ in range(2):
        start = environment.python, archive, tmp_path / "program.py", "all"
        assert json.loads(run(*start, variables=variables).stdout) == expected
        (index,) = (tmp_path / "home" / ".cache" / "lazyplug").glob("*.json")
        assert f"{tmp_path}/home/" in index.read_text(encoding="utf-8")
