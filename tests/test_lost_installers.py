"""Test with real installers that lost plugins are found, and that the command works."""

import json
import os
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import uv

import lazyplug
from tests.support.children import ask
from tests.support.environments import forget_settings

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(os.name == "nt", reason="the paths are those of POSIX"),
]
UV = uv.find_uv_bin()
WHEELS = {
    ("acme-host", "1.0"): "[console_scripts]\nacme = acme_host:main\n",
    ("acme-loaders", "1.4"): "[acme.loaders]\nyaml = acme_loaders:yaml\n",
}
NAMES = """
    import json, lazyplug
    print(json.dumps(lazyplug.ExtensionManager("acme.loaders").names()))
"""
ERROR = """
    import json, lazyplug
    try:
        lazyplug.DriverManager("acme.loaders", "yaml")
    except lazyplug.NoMatches as error:
        print(json.dumps([str(error), error.install]))
"""


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip and uv find the wheels of this test, and nothing else."""
    forget_settings(monkeypatch)
    directory = tmp_path / "wheels"
    directory.mkdir()
    for (name, version), points in WHEELS.items():
        module = name.replace("-", "_")
        metadata = f"{module}-{version}.dist-info"
        files = {
            f"{module}.py": "main = print\n",
            f"{metadata}/METADATA": (
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            ),
            f"{metadata}/WHEEL": (
                "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            ),
            f"{metadata}/entry_points.txt": points,
        }
        record = "".join(f"{file},,\n" for file in [*files, f"{metadata}/RECORD"])
        wheel = directory / f"{module}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for file, text in {**files, f"{metadata}/RECORD": record}.items():
                archive.writestr(file, text)
    for variable, value in {
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(directory),
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_PYTHON_PREFERENCE": "only-system",
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(directory),
        "PATH": f"{Path(UV).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(lazyplug.__file__).parents[1]),
    }.items():
        monkeypatch.setenv(variable, value)


def do(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(python: Path) -> list[str]:
    found: list[str] = ask(NAMES, executable=str(python))
    return found


def bring_back(python: Path, expected: str) -> None:
    """Run the command that the error gives, and test that the plugin is back."""
    text, command = ask(ERROR, executable=str(python))
    assert "\n'yaml' was declared by acme-loaders 1.4 until 20" in text
    assert f"To install what is missing, run `{command}`." in text
    assert command == expected
    do(*shlex.split(command))
    assert names(python) == ["yaml"]
    lost = do(str(python), "-m", "lazyplug", "lost", "--json")
    assert json.loads(lost) == {"lost": [], "install": ""}


def another_python() -> str:
    """Return the path of another Python version, or skip the test."""
    for minor in range(11, 16):
        if minor != sys.version_info.minor:
            command = [UV, "python", "find", "--no-project", f"3.{minor}"]
            found = subprocess.run(command, capture_output=True, text=True, check=False)
            if found.returncode == 0:
                return found.stdout.strip()
    pytest.skip("no other Python version is installed")


def test_pip_uninstall_loses_a_plugin_and_the_command_is_that_of_pip(
    tmp_path: Path,
) -> None:
    do(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    python = tmp_path / "venv" / "bin" / "python"
    do(str(python), "-m", "pip", "install", "--quiet", "acme-loaders")
    assert names(python) == ["yaml"]
    do(str(python), "-m", "pip", "uninstall", "--quiet", "--yes", "acme-loaders")
    assert names(python) == []
    bring_back(python, f"{python} -m pip install acme-loaders")


def test_an_environment_that_uv_created_again_with_another_python_knows_what_it_had(
    tmp_path: Path,
) -> None:
    venv = str(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    for version in (sys.executable, another_python()):
        do(UV, "venv", "--quiet", "--clear", "--python", version, venv)
        if version == sys.executable:
            do(UV, "pip", "install", "--quiet", "--python", venv, "acme-loaders")
            assert names(python) == ["yaml"]
        else:
            assert names(python) == []
    bring_back(python, f"uv pip install --python {venv} acme-loaders")
    do(UV, "pip", "uninstall", "--quiet", "--python", venv, "acme-loaders")
    assert names(python) == []
    bring_back(python, f"uv pip install --python {venv} acme-loaders")


def test_a_tool_of_uv_that_was_upgraded_gets_its_plugin_back_for_good(
    tmp_path: Path,
) -> None:
    do(UV, "tool", "install", "--quiet", "--python", sys.executable, "acme-host")
    tool = tmp_path / "tools" / "acme-host"
    python = tool / "bin" / "python"
    # As the command `install` of a host does: uv does not know of it.
    do(UV, "pip", "install", "--quiet", "--python", str(tool), "acme-loaders")
    assert names(python) == ["yaml"]
    do(UV, "tool", "upgrade", "--quiet", "--python", another_python(), "acme-host")
    assert names(python) == []
    version = ask(
        "import json, sys; print(json.dumps(sys.version_info.minor))",
        executable=str(python),
    )
    assert version != sys.version_info.minor
    text, command = ask(ERROR, executable=str(python))
    assert "acme-loaders 1.4" in text
    words = shlex.split(command)
    assert words[:4] == ["uv", "tool", "install", "--python"]
    bring_back(python, command)
    do(UV, "tool", "upgrade", "--quiet", "--reinstall", "acme-host")
    assert names(python) == ["yaml"]
