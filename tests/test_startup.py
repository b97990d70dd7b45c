"""Test that `lazyplug doctor` lists the code that Python runs before a program."""

import site
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lazyplug._startup_files import code_in
from lazyplug.cli import main, startup
from lazyplug.cli.diagnosis import paths
from lazyplug.testing import plant

RUN = "import startup_log; startup_log.ran.append({!r})"
FILES = {
    "a.pth": f"# import a comment\n{RUN.format('a')}\nsub\n\nimports\n",
    "b.pth": f"\ufeffsub\nimport\tstartup_log; {RUN.format('b')}",
    "b.start": "\ufeff# comment\n startup_log:start \nimport os\nstartup_log\n:x\n",
    "c.start": "startup_log:start\nstartup_log:start\n",
    ".hidden.pth": RUN.format("hidden"),
    "d.pth.txt": RUN.format("d"),
    "bad.pth": b"\xff\xfe\n",
    "sub": {},
}


def listed(directory: Path, version: tuple[int, ...]) -> list[tuple[str, str]]:
    """Return the names of the files that are listed, and their code."""
    found = code_in(str(directory), version)
    return [(Path(file).name, code) for file, code in found]


def test_import_lines_are_listed_and_comments_and_paths_are_not(tmp_path: Path) -> None:
    plant(tmp_path, FILES)
    assert listed(tmp_path, (3, 14)) == [
        ("a.pth", RUN.format("a")),
        ("b.pth", f"import\tstartup_log; {RUN.format('b')}"),
    ]


def test_from_3_15_start_files_replace_the_import_lines_of_their_pth_files(
    tmp_path: Path,
) -> None:
    plant(tmp_path, FILES)
    assert listed(tmp_path, (3, 15)) == [
        ("a.pth", RUN.format("a")),
        ("b.start", "startup_log:start"),
        ("c.start", "startup_log:start"),
        ("c.start", "startup_log:start"),
    ]


def test_what_is_listed_is_what_this_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {name: text for name, text in FILES.items() if name != "bad.pth"}
    plant(tmp_path, files)
    ran: list[str] = []
    log = SimpleNamespace(ran=ran, start=lambda: ran.append("start"))
    monkeypatch.setitem(sys.modules, "startup_log", log)
    monkeypatch.setattr(sys, "path", [*sys.path])
    site.addsitedir(str(tmp_path))
    assert len(ran) == len(listed(tmp_path, sys.version_info[:3]))


@pytest.mark.parametrize(
    ("version", "runs"),
    [((3, 11, 7), 1), ((3, 11, 8), 0), ((3, 12, 1), 1), ((3, 12, 2), 0), ((3, 13), 0)],
)
def test_hidden_files_are_listed_for_versions_that_run_them(
    version: tuple[int, ...], runs: int, tmp_path: Path
) -> None:
    plant(tmp_path, {".hidden.pth": RUN.format("hidden")})
    assert len(listed(tmp_path, version)) == runs


def test_nothing_is_listed_for_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    assert listed(tmp_path / "absent", (3, 15)) == []


def test_doctor_lists_the_files_of_all_site_directories_and_sitecustomize(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = plant(tmp_path / "own", {"a.pth": f"import os; {'x' * 200}\n"})
    user = plant(tmp_path / "user", {"b.pth": "import sys\n"})
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(own)])
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(user))
    custom = SimpleNamespace(__file__="/c.py")
    monkeypatch.setitem(sys.modules, "sitecustomize", custom)
    monkeypatch.delitem(sys.modules, "usercustomize", raising=False)

    def printed(is_enabled: bool) -> list[str]:
        monkeypatch.setattr(site, "ENABLE_USER_SITE", is_enabled)
        main(["doctor"])
        lines = capsys.readouterr().out.splitlines()
        return [line for line in lines if line[8:].startswith("startup: ")]

    first = f"{'import os; ' + 'x' * 86}..."
    runs = "note    startup: each start of Python runs code from"
    code = "[startup-code]"
    without_user = [
        f"{runs} {own}/a.pth: {first} {code}",
        f"{runs} /c.py: import sitecustomize {code}",
    ]
    assert printed(False) == [
        "ok      startup: Python runs 2 lines of code before each program",
        *without_user,
    ]
    assert printed(True) == [
        "ok      startup: Python runs 3 lines of code before each program",
        f"{runs} {user}/b.pth: import sys {code}",
        *without_user,
    ]
    flags = SimpleNamespace(no_site=1)
    monkeypatch.setattr(startup, "sys", SimpleNamespace(flags=flags))
    (none,) = paths.check_startup()
    assert none.message == "Python runs 0 lines of code before each program"
