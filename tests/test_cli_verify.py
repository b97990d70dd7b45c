"""Test `lazyplug cache verify`, its exit codes, and its messages."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug._static import learning
from lazyplug.cli import COMMANDS, main
from lazyplug.cli.verifying import damages
from lazyplug.testing import dist
from tests.support.children import python
from tests.support.clock import Ticking
from tests.support.fixtures import PlantSite, SetPath
from tests.support.users import index_in

# the module that says why the cache directory cannot be used
EXPLAINED = "lazyplug.cli.diagnosis.directory"

Verify = Callable[[], tuple[int, str, str]]
POINTS = "[g]\na = m:f\n[h]\nb = m:f\n"


@pytest.fixture
def index(
    late_clock: Ticking,
    site: PlantSite,
    set_path: SetPath,
    isolated: Path,
) -> Path:
    """Return an index on disk."""
    set_path(site({**dist("foo", entry_points=POINTS), **dist("bar")}))
    lazyplug.entry_points()
    return index_in(isolated)


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, str, str]]:
    """Return a function that verifies: exit code, stdout, stderr."""

    def run() -> tuple[int, str, str]:
        code = main(["cache", "verify"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_the_command_line_can_be_run_with_python_m(index: Path, tmp_path: Path) -> None:
    done = python("-m", "lazyplug", "cache", "verify", cwd=tmp_path)
    assert done.stdout.startswith(f"ok       {index.name}\n")


def test_an_intact_index_is_reported_as_ok(index: Path, verify: Verify) -> None:
    assert damages(str(index)) == []
    code, out, err = verify()
    assert (code, err) == (0, "")
    assert out == (f"ok       {index.name}\n1 file in {index.parent}, 0 damaged\n")


@pytest.mark.parametrize(
    ("part", "what"),
    [
        (b"/site", "the whole file: header"),
        (b"foo-1.0.dist-info/", "the watch list"),
        (b'["h"]\n', "the group 'h'"),
        (b'"METADATA"', "the records of the distributions"),
    ],
)
def test_the_report_names_each_damaged_part(
    part: bytes, what: str, index: Path, verify: Verify
) -> None:
    data = index.read_bytes()
    assert part in data
    index.write_bytes(data.replace(part, part.swapcase()))
    code, out, _ = verify()
    assert code == 1
    assert out.startswith(f"damaged  {index.name}: {what}\n")


def test_unexpected_data_between_the_parts_is_damage(index: Path) -> None:
    data = index.read_bytes()
    index.write_bytes(data + b"\n")
    assert damages(str(index)) == ["unexpected data between its parts"]
    at = data.index(b'\n["h"]\n')
    index.write_bytes(data[:at] + b" " + data[at + 1 :])
    assert damages(str(index)) == ["unexpected data between its parts"]


def test_learned_facts_are_verified_too(
    late_clock: Ticking,
    site: PlantSite,
    set_path: SetPath,
    isolated: Path,
    verify: Verify,
) -> None:
    set_path(
        site(
            {"plug.py": "'A plugin.'\n", **dist("foo", entry_points="[g]\na = plug\n")}
        )
    )
    assert lazyplug.ExtensionManager[Any]("g")["a"].summary == "A plugin."
    learning.write_all()
    (file,) = isolated.glob("*.facts")
    data = file.read_bytes()
    assert f"ok       {file.name}\n" in verify()[1]
    for part, changed, what in (
        (b'"facts 5"', b'"FACTS 5"', "the whole file: header"),
        (b"A plugin.", b"A PLUGIN.", 'the learned facts "summary","g"'),
        (b'"A plugin."]', b'"A plugin."]\n', "unexpected data between its parts"),
    ):
        file.write_bytes(data.replace(part, changed))
        code, out, _ = verify()
        assert code == 1
        assert f"damaged  {file.name}: {what}\n" in out
    # A file of another version is not used, and it is not damaged.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "__version__", "0.0.1")
        lazyplug.invalidate_caches()
        file.unlink()
        assert lazyplug.ExtensionManager[Any]("g")["a"].summary == "A plugin."
        learning.write_all()
    assert b'"0.0.1"]' in file.read_bytes()
    assert f"ok       {file.name}\n" in verify()[1]
    file.write_bytes(data)
    other = file.with_name("0" * 16 + "-" + "0" * 16 + ".facts")
    file.rename(other)
    assert damages(str(other)) == ["its file name, which does not match its content"]


@pytest.mark.skipif(os.name != "posix", reason="file modes of POSIX")
def test_files_and_directories_that_others_could_write_are_reported(
    index: Path, verify: Verify
) -> None:
    index.chmod(0o666)
    code, out, _ = verify()
    assert code == 1
    assert "a regular file, too large, or other users can write to it\n" in out
    index.parent.chmod(0o777)
    code, out, err = verify()
    assert (code, out) == (1, "")
    assert " is not used: other users can write to it: it has the mode 0777. " in err
    assert f" Run `chmod go-w {index.parent}`" in err


def test_a_missing_cache_directory_is_not_an_error(
    isolated: Path, verify: Verify
) -> None:
    out = f"No index in {isolated}\n"
    assert verify() == (0, out, "")


def test_a_cache_directory_that_is_a_file_is_reported(
    isolated: Path, verify: Verify
) -> None:
    isolated.write_text("mine")
    code, out, err = verify()
    assert (code, out) == (1, "")
    assert err.startswith(f"{isolated} (from LAZYPLUG_CACHE_DIR) is not used: it is n")


@pytest.mark.parametrize("arguments", [[], ["cache"], ["nothing"], ["cache", "x"]])
def test_an_invalid_command_line_shows_the_usage_or_the_error(
    arguments: list[str],
) -> None:
    done = python("-m", "lazyplug", *arguments, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    if arguments == ["cache"]:
        assert "list the indexes, each with its environment" in done.stderr
    if arguments == ["nothing"]:
        assert done.stderr.startswith("lazyplug: No such command 'nothing'.")
    else:
        assert done.stderr.startswith("usage: python -m lazyplug")


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["check", "--al"], "check [-h] [--json"),
        (["cache", "path", "more"], "cache [-h] COMMAND"),
        (["--al", "list"], "[-h] [--version] COMMAND"),
    ],
)
def test_an_unknown_argument_shows_the_usage_of_its_command(
    arguments: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "--bogus"])
    err = capsys.readouterr().err
    assert f" {usage}" in err.splitlines()[0]
    assert "unrecognized arguments: " in err


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_prune_says_which_file_it_cannot_remove(
    index: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    index.write_bytes(b"damaged")
    monkeypatch.setattr("lazyplug._files.fs.unlink", refuse)
    assert main(["cache", "prune"]) == 1
    captured = capsys.readouterr()
    assert captured.out == f"0 files removed from {index.parent}\n"
    assert captured.err == f"{index} cannot be removed: Permission denied\n"


def test_help_lists_commands_and_subcommands() -> None:
    out = python("-m", "lazyplug", "--help").stdout
    assert [name for name in COMMANDS if f" {name} " not in out] == []
    assert "verify" in python("-m", "lazyplug", "cache", "--help").stdout


def test_without_a_home_verify_says_how_to_set_a_cache_directory(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazyplug.cli.cache.get_cache_directory", lambda: None)
    monkeypatch.delenv("HOME", raising=False)
    code, out, err = verify()
    assert (code, out) == (1, "")
    assert err.startswith("There is no cache directory: HOME is not set, and ")
    assert err.endswith(
        " Set LAZYPLUG_CACHE_DIR to a directory that this user can write to.\n"
    )


def test_with_the_privileges_of_another_user_verify_says_that_there_is_no_cache(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazyplug.cli.cache.get_cache_directory", lambda: None)
    monkeypatch.setattr(f"{EXPLAINED}.has_elevated_privileges", lambda: True)
    message = "There is no cache directory: this process runs with the privileges of"
    advice = "(setuid or setgid). Run the program as one user."
    assert verify()[::2] == (1, f"{message} another user {advice}\n")


def test_a_cache_directory_that_cannot_be_listed_is_reported(
    index: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("lazyplug._files.fs.listdir", refuse)
    code, out, err = verify()
    assert (code, out) == (1, "")
    assert err.startswith(f"{index.parent} cannot be read: Permission denied. Set LAZY")


def test_an_index_that_is_removed_meanwhile_is_skipped(
    index: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [index.name, "0" * 16 + "-" + "0" * 16 + ".json"]
    there = [str(index.parent / name) for name in names]
    monkeypatch.setattr("lazyplug.cli.cache.list_files", lambda _: there)
    code, out, _ = verify()
    assert code == 0
    assert out.startswith(f"ok       {index.name}\n")
