"""Test `bench --python`, which measures in another environment."""

import json
import os
import sys
import zipfile
from pathlib import Path

import pytest

from lazyplug.cli import interpreters, main, measuring
from lazyplug.cli.interpreters import interpreter_of
from lazyplug.testing import Tree, dist, plant
from tests.support.children import python

ROOT = Path(__file__).parents[1]
POSIX = pytest.mark.skipif(os.name != "posix", reason="the interpreters are scripts")
DECLARED = "[app]\none = other_tool:one\ntwo = other_tool:two\n"
TOOL = "import sys\nfrom importlib.metadata import entry_points\n"
TOOL += "print(sys.prefix, [*entry_points(group='app')])\n"


class Other:
    """An environment without lazyplug, which declares two plugins."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        python("-m", "venv", "--without-pip", str(directory))
        (self.site,) = directory.glob("[Ll]ib/**/site-packages")
        tree = {"other_tool.py": TOOL, **dist("other", entry_points=DECLARED)}
        plant(self.site, tree)

    def status(self) -> dict[str, tuple[int, int]]:
        """Return the size and the time of each file and directory."""
        return {
            str(path): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in [self.directory, *self.directory.rglob("*")]
        }


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Other:
    # What belongs to this Python is not for the other one.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return Other(tmp_path / "other")


def script(path: Path, text: str) -> str:
    """Write an executable script; return its path."""
    plant(path.parent, {path.name: f"#!/bin/sh\n{text}\n"})
    path.chmod(0o755)
    return str(path)


@pytest.mark.once
def test_an_environment_without_lazyplug_is_measured_and_unchanged(
    other: Other, capfd: pytest.CaptureFixture[str]
) -> None:
    before = other.status()
    path = str(other.directory)
    assert main(["bench", "--python", path, "--rounds", "2", "--json", "app"]) == 0
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert (found["group"], found["rounds"]) == ("app", 2)
    assert [row["start"] for row in found["starts"]][-1] == "importlib.metadata"
    assert all(row["milliseconds"] < 10_000 for row in found["starts"])
    message = "Using a temporary copy of this lazyplug, since none is installed in"
    assert err == f"{message} {path}.\n"
    assert other.status() == before


def test_a_group_that_the_environment_lacks_is_reported(
    other: Other,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    # Modules of the current directory are not imported.
    names = ("argparse", "json", "lazyplug", "linecache")
    tree = {f"{name}.py": "raise SystemExit('imported')\n" for name in names}
    monkeypatch.chdir(plant(tmp_path / "here", tree))
    before = other.status()
    assert main(["bench", "--python", str(other.directory), "aps"]) == 1
    assert "did you mean the group 'app'" in capfd.readouterr().err
    assert other.status() == before


@pytest.mark.once
def test_a_program_of_the_environment_is_measured(
    other: Other, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--program", "-m", "other_tool", "--help"]
    before = other.status()
    directory = str(other.directory)
    assert (
        main(["bench", "--python", directory, "--rounds", "2", "--json", *words]) == 0
    )
    out, err = capfd.readouterr()
    found = json.loads(out)
    assert found["program"] == ["-m", "other_tool", "--help"]
    assert found["exit_code"] == 0
    assert [start["output"] for start in found["starts"]] == ["", "same"]
    assert found["parts"][0]["milliseconds"] > 0
    assert "Running `python -m other_tool --help`" in err
    assert other.status() == before


@pytest.mark.parametrize(
    ("end", "code"), [("sys.exit(5)", 5), ("os.kill(os.getpid(), 9)", 1)]
)
def test_the_lazyplug_of_the_environment_is_used(
    other: Other, capfd: pytest.CaptureFixture[str], end: str, code: int
) -> None:
    text = f"import os, sys\ndef main(words):\n    print(words, flush=True); {end}\n"
    package: Tree = {"__init__.py": "", "cli.py": text}
    plant(other.site, {"lazyplug": package})
    words = ["--json", "--yes", "--rounds", "3"]
    program = ["--program", "x", "--json"]
    path = str(other.directory)
    assert main(["bench", "--python", path, *words, *program]) == code
    out, err = capfd.readouterr()
    assert out == f"{['bench', *words, *program]}\n"
    first, *rest = err.splitlines()
    file = other.site / "lazyplug" / "__init__.py"
    assert first == f"Using the lazyplug that is installed there: {file}"
    assert rest == (
        [] if code == 5 else ["lazyplug bench: its process was killed by SIGKILL"]
    )


# -------------------------------------------------------------------- the interpreter


def test_the_interpreter_of_an_environment_is_found(tmp_path: Path) -> None:
    packages: Tree = {f"lib/python3.{sys.version_info[1]}/site-packages": {}}
    tree = {"pyvenv.cfg": "home = /usr/bin\n", "bin": {"python3": ""}, **packages}
    plant(tmp_path / "project" / ".venv", tree)
    for place in ("project", "project/.venv", "project/.venv/bin/python3"):
        found = interpreter_of(str(tmp_path / place))
        assert found == str(tmp_path / "project" / ".venv" / "bin" / "python3")
    assert interpreter_of(sys.executable) == sys.executable


def test_a_program_that_runs_as_an_interpreter_is_one(tmp_path: Path) -> None:
    shim = tmp_path / "python"
    shim.touch()
    assert interpreter_of(str(shim)) == str(shim)


@POSIX
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'echo \'[[3, 10], "/v", ""]\'',
            "is Python 3.10: lazyplug needs 3.11 or newer",
        ),
        ("echo 5", "interpreter does (its process exited with code 0)"),
        ("echo bad >&2", "it does not answer as an interpreter does (bad)"),
        ("exec sleep 60", "cannot be run: it did not answer within 0.2 seconds"),
    ],
)
def test_what_is_not_an_interpreter_of_a_usable_version_is_refused(
    text: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "sleep" in text:
        monkeypatch.setattr(interpreters, "_LIMIT", 0.2)
    file = script(tmp_path / "python", text)
    assert main(["bench", "--python", file]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"lazyplug bench: {file} ")
    assert message in err


@POSIX
def test_an_absent_interpreter_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--python", str(tmp_path)]) == 2
    message = f"lazyplug bench: {tmp_path} is not a valid environment: expected"
    assert message in capsys.readouterr().err
    packages: Tree = {f"lib/python3.{sys.version_info[1]}/site-packages": {}}
    plant(tmp_path, {"pyvenv.cfg": "home = /usr/bin\n", "bin": {}, **packages})
    link = tmp_path / "bin" / "python"
    link.symlink_to(tmp_path / "gone")
    assert main(["bench", "--python", str(tmp_path)]) == 2
    message = f"{link} cannot be run: {tmp_path / 'gone'} does not exist\n"
    assert message in capsys.readouterr().err
    assert main(["bench", "--python", str(tmp_path / "none")]) == 2
    assert f"{tmp_path / 'none'} does not exist\n" in capsys.readouterr().err


def test_a_picture_and_another_environment_cannot_be_combined(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--python", "v", "--svg", "x.svg", "--program", "x", "--help"]
    assert main(["bench", *words]) == 2
    message = "lazyplug bench: --python and --svg cannot be used together\n"
    assert capsys.readouterr().err == message
    monkeypatch.setattr(measuring, "HAS_PROCESSES", False)
    assert main(["bench", "--python", "v"]) == 1
    assert "cannot start processes" in capsys.readouterr().err


def test_the_copy_may_come_from_an_archive_and_has_no_bytecode(tmp_path: Path) -> None:
    archive = tmp_path / "a.whl"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("a/b.py", "a/c/d.py", "a/__pycache__/b.pyc"):
            file.writestr(name, name)
    interpreters._copy(zipfile.Path(archive) / "a", str(tmp_path / "copy"))
    copied = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    texts = {str(path.relative_to(tmp_path)): path.read_text() for path in copied}
    assert texts == {
        os.path.join("copy", "b.py"): "a/b.py",
        os.path.join("copy", "c", "d.py"): "a/c/d.py",
    }
