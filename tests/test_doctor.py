"""Test what `lazyplug doctor` finds, how it is printed, and with which exit code."""

import ast
import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import _environment, _settings
from lazyplug._indexing import storage
from lazyplug._indexing.watch import WatchList
from lazyplug.cli import cache as cache_command
from lazyplug.cli import doctor, listing, main, output, variables
from lazyplug.cli.diagnosis import cache, findings, index, mounts
from lazyplug.testing import Tree, dist, plant
from tests.support.children import python
from tests.support.commands import Run, run_json
from tests.support.environments import BROKEN
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs
from tests.support.index_format import assemble, from_bytes
from tests.support.users import posix

# the module that says why the cache directory cannot be used
EXPLAINED = "lazyplug.cli.diagnosis.directory"

pytestmark = pytest.mark.usefixtures("late_clock")
ROOT = Path(__file__).parents[1]
# Imported here, since `set_path` hides the standard library.
FILES = cache_command, doctor, listing

GOOD: Tree = {
    "plug_good.py": "def one():\n    pass\n",
    **dist("alpha", "1.5", "[app]\none = plug_good:one\nall = plug_good [more]\n"),
    **dist("beta", "2", "[app]\ntwo = plug_good\n[app.more]\none = plug_good:one\n"),
    **dist("gamma"),
}


@pytest.fixture
def good(site: PlantSite, set_path: SetPath) -> Path:
    directory = site(GOOD)
    set_path(directory)
    return directory


@pytest.fixture
def broken(site: PlantSite, set_path: SetPath) -> Path:
    directory = site(BROKEN)
    set_path(directory)
    return directory


@pytest.fixture
def app(site: PlantSite, prepend_path: SetPath) -> Path:
    directory = site(dist("some", entry_points="[app]\na = os\n"))
    prepend_path(directory)
    return directory


@pytest.fixture
def ignore_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / findings.IGNORE_FILE
    monkeypatch.setattr(doctor, "ignore_file", lambda: str(file))
    return file


def found(run: Run, *options: str) -> dict[str, dict[str, Any]]:
    """Return the last finding of each code."""
    return {
        each["code"]: each for each in run_json(run, "doctor", *options)["findings"]
    }


# ---------------------------------------------------------- output and exit codes


def test_it_succeeds_in_an_intact_environment(good: Path, run: Run) -> None:
    code, out, _ = run("doctor")
    assert code == 0
    notes = out.count("\nnote ")
    assert out.splitlines()[-1] == f"no errors found, 0 warnings, {notes} notes"
    assert "note    index: none for this sys.path yet [index-missing]" in out
    assert "ok      metadata: 3 distributions, 2 of them with entry points" in out
    lazyplug.invalidate_caches()
    assert "ok      index: up to date: " in run("doctor")[1]
    assert run("doctor", "--strict")[0] == 0


def test_metadata_of_others_is_a_warning_which_fails_only_if_strict(
    broken: Path, run: Run
) -> None:
    code, out, _ = run("doctor")
    assert code == 0
    names = "names: 1 name declared more than once in 'app', by again 1.0, bad 1.0: bad"
    targets = "targets: bad 1.0 refers to modules that do not exist: nomodule"
    for each in (
        "entry_points.txt, line 3: no '=' in 'no equals sign' [metadata-broken]",
        "line 3: 'no reference' is not a valid reference (expected `module:attr`)",
        "has no Name: ignoring its entry points",
        "nameless-1.dist-info: the metadata has no Name [metadata-incomplete]",
        "nameless-1.dist-info: the metadata has no Version [metadata-incomplete]",
        f"note    {names} [name-shared]",
        f"warning {targets} [module-missing]",
    ):
        assert each in out
    count = out.count("\nwarning ")
    assert out.splitlines()[-1].startswith(f"no errors found, {count} warnings, ")
    assert run("doctor", "--strict")[0] == 1


def test_an_error_fails_and_is_printed_last(
    broken: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "ful")
    code, out, _ = run("doctor")
    assert code == 1
    *_, error, advice, summary = out.splitlines()
    assert error.startswith("error   settings: ignoring LAZYPLUG_CHECK='ful'")
    assert error.endswith("[setting-invalid]")
    assert advice == "        Correct the variable, or unset it."
    assert summary.startswith("1 error found, ")


@pytest.mark.usefixtures("app")
def test_an_unknown_code_to_ignore_is_invalid_and_gets_a_suggestion(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["doctor", "--ignore", "module-mising"])
    assert raised.value.code == 2
    message = "'module-mising' is not a code; did you mean 'module-missing'"
    assert message in capsys.readouterr().err


def test_ignored_findings_are_counted_but_neither_printed_nor_fail(
    broken: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", "ful")
    code, out, _ = run("doctor", "--ignore", "setting-invalid")
    assert code == 0
    assert "setting-invalid" not in out
    assert out.endswith(", 1 ignored\n")
    each = found(run, "--ignore", "setting-invalid=LAZYPLUG_CHECK")["setting-invalid"]
    assert each["ignored"] is True
    assert run("doctor", "--ignore", "setting-invalid=LAZYPLUG_CACHE")[0] == 1


def test_one_distribution_can_be_ignored_however_its_name_is_written(
    site: PlantSite, set_path: SetPath, run: Run
) -> None:
    set_path(site(dist("Acme_X", entry_points="[app]\na = nomodule\n")))
    assert run("doctor", "--strict")[0] == 1
    ignored = ("--strict", "--ignore", "module-missing=acme-x")
    assert run("doctor", *ignored)[0] == 0
    assert run("doctor", *ignored[:2], "module-missing=other")[0] == 1


def test_a_file_in_the_environment_lists_what_to_ignore(
    broken: Path, run: Run, ignore_file: Path
) -> None:
    codes = "# known\n\nmetadata-broken\nmetadata-incomplete # reported\n"
    ignore_file.write_text(f"{codes}module-missing=bad\n")
    code, out, _ = run("doctor", "--strict")
    assert code == 0
    assert "no errors found, 0 warnings" in out
    ignore_file.write_text("metadata-brokn\n")
    each = found(run)["ignore-unknown"]
    message = f"{ignore_file}, line 1: 'metadata-brokn' is not a code"
    assert each["message"].startswith(message)
    assert (each["path"], each["line"]) == (str(ignore_file), 1)


def test_the_file_of_what_to_ignore_is_next_to_the_frozen_index() -> None:
    assert findings.ignore_file() == os.path.join(sys.prefix, "lazyplug.ignore")


def test_counts_agree_with_those_of_other_commands(broken: Path, run: Run) -> None:
    report = run_json(run, "doctor")
    groups = run_json(run, "list")
    summary = report["summary"]
    assert summary["groups"] == len(groups)
    assert summary["entry_points"] == sum(each["plugins"] for each in groups)
    rows = [row for each in groups for row in run_json(run, "list", each["group"])]
    assert summary["entry_points"] == len(rows)
    problems = lazyplug.problems()
    assert summary["problems"] == len(problems)
    codes = {"metadata-broken", "path-invalid", "pip-left-over"}
    assert [e["message"] for e in report["findings"] if e["code"] in codes] == [
        *map(str, problems)
    ]
    for severity in ("error", "warning", "note"):
        count = sum(each["severity"] == severity for each in report["findings"])
        assert summary[f"{severity}s"] == count


def test_only_the_first_findings_of_a_code_are_printed(
    site: PlantSite, set_path: SetPath, run: Run
) -> None:
    trees = [dist(f"some{n}", entry_points=f"[app]\na{n} = no{n}\n") for n in range(13)]
    set_path(site({name: each for tree in trees for name, each in tree.items()}))
    out = run("doctor")[1]
    assert out.count("[module-missing]") == 10
    assert "        and 3 more: see --json\n        Reinstall the dist" in out
    assert "no errors found, 13 warnings" in out


def test_lines_are_broken_between_words_only_on_a_terminal(
    good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LAZYPLUG_CHECK", "ful")
    piped = run("doctor")[1]
    assert any(len(line) > 60 for line in piped.splitlines())
    monkeypatch.setattr(output, "is_terminal", lambda _: True)
    monkeypatch.setenv("NO_COLOR", "1")
    lazyplug.invalidate_caches()
    out = run("doctor")[1]
    assert "expected\n        'full', 'dirs', 'none'" in out
    assert all(
        len(line) <= 60 or len(line.split()[-1]) > 40 for line in out.splitlines()
    )


# --------------------------------------------------------------------------- JSON

FIELDS = {"code", "severity", "subject", "message", "advice", *findings.FIELDS}


def test_json_has_the_same_fields_for_each_finding(broken: Path, run: Run) -> None:
    report = run_json(run, "doctor")
    assert report.keys() == {"summary", "findings", "passed"}
    assert {frozenset(each) for each in report["findings"]} == {
        frozenset({*FIELDS, "ignored"})
    }
    assert {frozenset(each) for each in report["passed"]} == {frozenset(FIELDS)}
    assert {each["severity"] for each in report["passed"]} == {"ok"}
    by_code = {each["code"]: each for each in report["findings"]}
    for code, each in by_code.items():
        assert each["severity"] == findings.CODES[code].severity
    missing = by_code["module-missing"]
    assert (missing["distribution"], missing["names"]) == ("bad", ["nomodule"])
    shared = by_code["name-shared"]
    assert (shared["group"], shared["names"]) == ("app", ["bad"])
    lines = [e["line"] for e in report["findings"] if e["code"] == "metadata-broken"]
    assert sorted(map(str, lines)) == ["3", "3", "None", "None"]


def table(text: str, *headings: str) -> list[list[str]]:
    """Return the rows of the table of a document with these headings."""
    lines = text.partition(f"\n| {' | '.join(headings)} |")[2].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def test_the_document_lists_each_code_and_each_field() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert table(text, "code", "severity", "meaning") == [
        [f"`{code}`", each.severity, each.meaning]
        for code, each in findings.CODES.items()
    ]
    fields = {row[0].strip("`"): row[1] for row in table(text, "field", "meaning")}
    assert fields.keys() == {*FIELDS, "ignored"}
    assert findings.FIELDS.items() <= fields.items()


def test_each_code_is_found_by_one_of_the_checks() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in Path(doctor.__file__).parent.rglob("*.py")
        if path.name != "findings.py"
    )
    assert [code for code in findings.CODES if f'"{code}"' not in sources] == []


# ----------------------------------------------------------------------- settings


@pytest.mark.once
def test_the_list_of_variables_is_that_of_the_sources_and_of_the_readme() -> None:
    package = Path(lazyplug.__file__).parent
    used = {
        node.value
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"LAZYPLUG_[A-Z_]+", node.value)
    }
    assert used - {variables.PREFIX} == {*variables.VARIABLES}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = {
        name: tuple(re.findall(r"`([^`]+)`", row[1]))
        for row in table(readme, "variable", "values", "meaning")
        for name in re.findall(r"`([^`]+)`", row[0])
    }
    assert listed.keys() == variables.VARIABLES.keys()
    for name, values in variables.VARIABLES.items():
        assert not values or {*listed[name]} == {*values}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "LAZYPLUG_DENY",
            "g=",
            "LAZYPLUG_DENY: 'g=' is not a valid pattern",
        ),
        (
            "LAZYPLUG_DENY",
            "json",
            "ignoring 'json' in LAZYPLUG_DENY: expected a pattern with a group",
        ),
        (
            "LAZYPLUG_CHECK",
            "ful",
            "ignoring LAZYPLUG_CHECK='ful': expected 'full', 'dirs', 'none'; using",
        ),
        (
            "LAZYPLUG_CACHE",
            "of",
            "ignoring LAZYPLUG_CACHE='of': expected 'on', 'readonly', 'off'; using",
        ),
        (
            "LAZYPLUG_EAGER",
            "yes",
            "ignoring LAZYPLUG_EAGER='yes': expected '1'; using '0' [setting-invalid]",
        ),
        (
            "LAZYPLUG_SWITCH",
            "0",
            "ignoring LAZYPLUG_SWITCH='0': expected 'off'; using 'on'",
        ),
    ],
)
def test_invalid_settings_are_errors(
    name: str,
    value: str,
    message: str,
    good: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(name, value)
    code, out, _ = run("doctor")
    assert code == 1
    assert f"error   settings: {message}" in out


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("LAZYPLUG_CACH_DIR", "; did you mean 'LAZYPLUG_CACHE_DIR'? [setting-unknown]"),
        ("lazyplug_check", "; did you mean 'LAZYPLUG_CHECK'? [setting-unknown]"),
        ("LAZYPLUG_XYZ", " [setting-unknown]"),
    ],
)
@posix
def test_unknown_variables_are_errors_with_the_nearest_name(
    name: str, hint: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "dirs")
    code, out, _ = run("doctor")
    assert code == 1
    assert f"{name} is not a variable of lazyplug{hint}\n" in out


@pytest.mark.usefixtures("app")
def test_settings_that_are_set_ignored_or_without_effect_are_notes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_settings, "has_elevated_privileges", lambda: True)
    message = "ignoring LAZYPLUG_CACHE_DIR="
    assert message in found(run)["setting-ignored"]["message"]
    monkeypatch.setattr(_settings, "has_elevated_privileges", lambda: False)
    assert found(run)["setting-set"]["variable"] == "LAZYPLUG_CACHE_DIR"
    monkeypatch.setenv("LAZYPLUG_LAZY", "1")
    monkeypatch.setenv("LAZYPLUG_CACHE", "readonly")
    assert "setting-without-effect" in found(run)
    for name in ("LAZYPLUG_CACHE_DIR", "LAZYPLUG_LAZY", "LAZYPLUG_CACHE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    out = run("doctor")[1]
    assert "ok      settings: no LAZYPLUG_* variable is set\n" in out


# ---------------------------------------------------------------- cache directory


def test_it_writes_to_the_cache_directory_and_leaves_nothing(
    good: Path, run: Run, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("list")
    before = {*os.listdir(isolated)}
    written: list[int] = []

    def write(place: Any, name: str, content: bytes) -> None:
        storage.write(place, name, content)
        written.append(len(content))

    monkeypatch.setattr(cache, "write", write)
    assert f"{isolated} can be written, and has 1 file\n" in run("doctor")[1]
    (file,) = isolated.glob("*.json")
    assert written[0] >= file.stat().st_size
    assert {*os.listdir(isolated)} == before


@pytest.mark.parametrize(
    ("number", "cause", "words"),
    [
        (errno.EROFS, "read-only", "is mounted read-only"),
        (errno.ENOSPC, "full", "is full"),
        (errno.EDQUOT, "quota", "the disk quota of"),
        (errno.EACCES, "permission", "this process runs as"),
        (errno.ENOTDIR, "not-a-directory", "is not a directory"),
        (errno.EIO, "other", os.strerror(errno.EIO)),
    ],
)
@posix
def test_a_failed_write_is_an_error_with_its_cause(
    number: int,
    cause: str,
    words: str,
    good: Path,
    run: Run,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number), ".name.tmp")

    monkeypatch.setattr(cache, "write", refuse)
    code, out, _ = run("doctor")
    assert code == 1
    assert f"error   cache: {isolated} (from LAZYPLUG_CACHE_DIR) cannot be wr" in out
    assert "; without a fresh index there, each start scans again [cache-not-w" in out
    each = found(run)["cache-not-writable"]
    assert each["cause"] == cause
    assert words in each["message"]
    assert each["variable"] == "LAZYPLUG_CACHE_DIR"
    assert each["path"] == str(isolated)
    assert "LAZYPLUG_CACHE_DIR" in each["advice"]
    assert (isolated / cache._PROBE).exists() is False


@posix
def test_a_file_system_without_inodes_is_not_called_full(
    good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "")

    real = os.statvfs

    def statvfs(path: str) -> Any:
        status = [*real(path)]
        status[5], status[7] = 100, 0  # all inodes, and the free ones
        return os.statvfs_result(status)

    monkeypatch.setattr(cache, "write", refuse)
    monkeypatch.setattr(os, "statvfs", statvfs)
    each = found(run)["cache-not-writable"]
    assert each["cause"] == "no-inodes"
    assert "has no free inodes" in each["message"]


@posix
def test_a_directory_that_others_can_replace_is_not_written(
    good: Path, run: Run, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = isolated.parent / "above"
    above.mkdir()
    above.chmod(0o777)
    directory = above / "home" / "lazyplug"
    monkeypatch.setenv("LAZYPLUG_CACHE_DIR", str(directory))
    source = f"{directory} (from LAZYPLUG_CACHE_DIR)"
    message = f"{source} cannot be created: other users can write to it: {above} has"
    assert f"{message} the mode 0777" in run("doctor")[1]
    assert found(run)["cache-not-writable"]["cause"] == "others"
    assert os.listdir(above) == []
    above.chmod(0o755)
    lazyplug.invalidate_caches()
    run("list")
    above.chmod(0o777)
    message = f"{source} cannot be written: other users can write to it: {above} has"
    assert message in run("doctor")[1]
    advice = f"Run `chmod go-w {above}`, or set LAZYPLUG_CACHE_DIR."
    for command in ("prune", "clear"):
        code, _, err = run("cache", command)
        assert code == 1
        assert err == f"{message} the mode 0777. {advice}\n"
    assert len(os.listdir(directory)) == 1


@posix
def test_a_directory_that_is_not_trusted_is_an_error(
    good: Path, run: Run, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolated.mkdir()
    isolated.chmod(0o775)
    code, out, _ = run("doctor")
    assert code == 1
    assert f"{isolated} (from LAZYPLUG_CACHE_DIR) is not used: other users can" in out
    assert "index: not used: the cache directory cannot be used (see cache)" in out
    assert f"        Run `chmod go-w {isolated}`" in out
    isolated.rmdir()
    isolated.write_text("")
    assert "is not used: it is not a directory" in run("doctor")[1]
    isolated.unlink()
    isolated.mkdir()
    monkeypatch.setattr(fs, "geteuid", lambda: 54321)
    monkeypatch.setattr(fs, "getuid", lambda: 54321)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    os.chown(isolated, os.getuid() or 12345, -1)
    assert "not used: it belongs to " in found(run)["cache-not-trusted"]["message"]
    assert "the user 54321" in found(run)["cache-not-trusted"]["advice"]


def test_damaged_files_are_a_warning(good: Path, run: Run, isolated: Path) -> None:
    run("list")
    (file,) = isolated.glob("*.json")
    file.write_bytes(file.read_bytes()[:-9])
    code, out, _ = run("doctor")
    assert code == 0
    assert "warning cache: 1 of 1 file damaged, to be rewritten when needed [" in out


def test_unrelated_files_are_not_reported_as_damaged(
    good: Path, run: Run, isolated: Path
) -> None:
    run("list")
    (isolated / "settings.json").write_text("{}")
    code, out, _ = run("doctor")
    assert code == 0
    assert "has 1 file\n" in out


@pytest.mark.parametrize(
    ("home", "reason"),
    [(None, "HOME is not set"), ("rel", "HOME=rel is not an absolute path")],
)
def test_a_missing_home_is_an_error(
    home: str | None,
    reason: str,
    good: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache, "get_cache_directory", lambda: None)
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
    else:
        monkeypatch.setenv("HOME", home)
    code, out, _ = run("doctor")
    assert code == 1
    assert f"error   cache: there is no cache directory: {reason}, and " in out
    monkeypatch.setattr(f"{EXPLAINED}.has_elevated_privileges", lambda: True)
    assert "runs with the privileges of another user (setuid" in run("doctor")[1]


@pytest.mark.usefixtures("app")
def test_the_variable_that_the_cache_directory_comes_from_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sys.platform != "linux":
        pytest.skip("the variables of Linux")
    (tmp_path / ".cache").write_text("")
    monkeypatch.delenv("LAZYPLUG_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    each = found(run)["cache-not-writable"]
    assert f"(from HOME={tmp_path}) cannot be created: {tmp_path}" in each["message"]
    assert (each["cause"], each["variable"]) == ("not-a-directory", "HOME")
    assert each["advice"].endswith(", or remove this file.")
    monkeypatch.setenv("HOME", str(tmp_path / ".cache" / "me"))
    message = found(run)["cache-not-writable"]["message"]
    assert "which does not exist) cannot be created: " in message
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    each = found(run)["cache-not-writable"]
    assert (each["cause"], each["variable"]) == ("not-a-directory", "XDG_CACHE_HOME")
    assert "cache-in-memory" not in found(run)
    assert each["advice"] == findings.SET_CACHE_DIR


def test_a_relative_cache_directory_is_a_warning(
    good: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAZYPLUG_CACHE_DIR", "own")
    each = found(run)["cache-dir-relative"]
    assert "LAZYPLUG_CACHE_DIR=own is relative, so each current d" in each["message"]


def test_a_cache_that_is_not_to_be_written_is_not_written(
    good: Path, run: Run, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", "off")
    code, out, _ = run("doctor")
    assert code == 0
    assert "note    cache: nothing is written: LAZYPLUG_CACHE=off [cache-not-wri" in out
    assert "note    index: not used: LAZYPLUG_CACHE=off [index-not-used]\n" in out
    assert f"ok      cache: {isolated} does not exist\n" in out
    assert not isolated.exists()


def test_files_that_vanish_or_cannot_be_listed_are_no_traceback(
    app: Path, run: Run, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazyplug.refresh()
    (file,) = isolated.glob("*.json")
    monkeypatch.setattr(cache, "list_files", lambda _: [str(file), f"{file}.json"])
    assert run("doctor")[0] == 0

    def refuse(_: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cache, "list_files", refuse)
    code, out, _ = run("doctor")
    assert code == 1
    assert "cannot be read: Permission denied [cache-not-readable]\n" in out


# ------------------------------------------------------------------- file systems

MOUNTS = r"""21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /net rw - nfs4 host:/home rw,vers=4.2
23 21 0:6 / /ram\040disk rw - tmpfs none rw
24 23 0:7 / /ram\040disk rw - tmpfs none ro
not a mount
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/me", ("/", "ext4", False)),
        ("/net", ("/net", "nfs4", False)),
        ("/network", ("/", "ext4", False)),
        ("/ram disk/x", ("/ram disk", "tmpfs", True)),
    ],
)
def test_the_nearest_and_latest_mount_is_found(path: str, expected: Any) -> None:
    assert mounts.find_mount(path, MOUNTS.splitlines()) == expected


def test_file_systems_of_a_network_and_in_memory_are_notes(
    good: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table_of_mounts = tmp_path / "mountinfo"
    monkeypatch.setattr(mounts, "_TABLE", str(table_of_mounts))
    assert not [e for e in run_json(run, "doctor")["passed"] if e["file_system"]]
    for kind, code in (("nfs4", "network-file-system"), ("tmpfs", "cache-in-memory")):
        table_of_mounts.write_text(f"21 1 8:1 / / rw - {kind} x rw\n")
        each = found(run)[code]
        assert (each["mount"], each["file_system"]) == ("/", kind)
    table_of_mounts.write_text("21 1 8:1 / / rw - ext4 x rw\n")
    out = run("doctor")[1]
    assert "ok      file systems: the cache directory is on ext4 at /\n" in out
    assert f"ok      file systems: {good} is on ext4 at /\n" in out


MOUNT = """
set -e
mount -t tmpfs -o {options} none {directory}
cd {directory}
{prepare}
exec {python} -m lazyplug doctor --json
"""


@pytest.mark.once
@pytest.mark.parametrize(
    ("cause", "options", "prepare"),
    [
        ("read-only", "size=64k", "mount -o remount,ro $PWD"),
        ("full", "size=64k", "dd if=/dev/zero of=x bs=1k count=64 2>/dev/null"),
        ("no-inodes", "nr_inodes=2", "touch x"),
    ],
    ids=["read-only", "full", "no-inodes"],
)
def test_a_real_file_system_that_cannot_be_written_is_explained(
    cause: str, options: str, prepare: str, tmp_path: Path
) -> None:
    unshare = shutil.which("unshare")
    command = [unshare or "", "-rm", "sh", "-c"]
    if not unshare or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("no user may mount here")
    text = MOUNT.format(
        options=options, directory=tmp_path, prepare=prepare, python=sys.executable
    )
    variables_of = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    for name in ("LAZYPLUG_CACHE_DIR", "XDG_CACHE_HOME"):
        variables_of.pop(name, None)
    done = subprocess.run(
        [*command, text], env=variables_of, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, b"")
    errors = [
        each
        for each in json.loads(done.stdout)["findings"]
        if each["severity"] == "error"
    ]
    assert [each["code"] for each in errors] == ["cache-not-writable"]
    assert errors[0]["cause"] == cause
    assert (errors[0]["file_system"], errors[0]["variable"]) == ("tmpfs", "HOME")
    assert errors[0]["mount"] == str(tmp_path)


# -------------------------------------------------------------------------- index


def test_it_says_which_stat_signature_differs(good: Path, run: Run) -> None:
    run("list")
    file = good / "beta-2.dist-info" / "entry_points.txt"
    file.write_text("[app]\ntwo = plug_good:Changed\n")
    (good / "alpha-1.5.dist-info" / "entry_points.txt").unlink()
    plant(good, dist("delta"))
    lazyplug.invalidate_caches()
    _, out, _ = run("doctor")
    assert re.search(r"index: \S+site has a different mtime, ctime", out)
    assert re.search(
        r"index: \S+beta-2.dist-info/entry_points.txt has a different m", out
    )
    assert re.search(r"index: \S+alpha-1.5.dist-info/entry_points.txt was removed", out)
    message = "note    index: stale (3 differences), so what changed was rescanned ["
    assert message in out


def test_only_some_of_many_differences_are_shown(app: Path, run: Run) -> None:
    for number in range(9):
        plant(app, dist(f"many{number}", entry_points="[g]\na = os\n"))
    lazyplug.refresh()
    for number in range(9):
        file = app / f"many{number}-1.0.dist-info" / "entry_points.txt"
        file.write_text("[g]\nother = os\n")
    lazyplug.invalidate_caches()
    out = run("doctor")[1]
    assert out.count("[index-changed]") == 5
    assert "index: stale (9 differences)" in out


def test_an_index_that_cannot_be_read_is_a_note(
    app: Path, run: Run, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazyplug.refresh()
    (file,) = isolated.glob("*.json")
    file.write_bytes(b"{}")
    message = f"index: {file} cannot be read, so everything was rescanned ["
    assert message in run("doctor")[1]

    def gone() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(fs, "getcwd", gone)
    assert _environment.current_directory() is None
    line = b'["a-1.dist-info/entry_points.txt"]\n'
    watch = {0: WatchList(b"[]\n", line, [0], set())}
    recordless = assemble(["/p", "/s"], [None], [], True, watch, {}, '["","0","0"]\n')
    assert [*index._differences(from_bytes(recordless), {})] == []
    assert index._difference("\0", None) == ""


# ----------------------------------------------------------------------- sys.path


def test_path_entries_and_finders_that_are_scanned_each_time_are_notes(
    app: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        @staticmethod
        def find_distributions(_: object) -> list[Any]:
            return []

    here = plant(tmp_path / "here", dist("here", entry_points="[g]\na = os\n"))
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "absent"), *sys.path, 5])
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    lazyplug.invalidate_caches()
    out = run("doctor")[1]
    assert "contains distributions, so it is scanned at each start [path-v" in out
    assert f"{tmp_path / 'absent'} does not exist [path-missing]\n" in out
    assert "Finder is asked at each lookup, which imports importlib.metadata [" in out
    assert "ignoring 5, which is not a path [path-invalid]" in out


# ------------------------------------------------------------- a real environment


def test_it_runs_with_the_home_of_a_new_user(tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "LAZYPLUG_CACHE_DIR": ""}
    done = python("-m", "lazyplug", "doctor", env=env, check=False)
    assert "Traceback" not in done.stderr
    assert "no errors found" in done.stdout
