"""Test that results of mocked or failing system functions are not remembered."""

import os
import subprocess
import sys
import textwrap
import zipfile
from itertools import permutations
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import lazyplug
from lazyplug import _settings
from lazyplug.testing import dist, plant
from tests.support.calls import NAMES
from tests.support.children import ask, python
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs

POINTS = "[g]\na = m:f\n"


def query() -> list[str]:
    lazyplug.invalidate_caches()
    return sorted(point.value for point in lazyplug.entry_points(group="g"))


def query_in_new_process(*directories: Path) -> list[str]:
    found: list[str] = ask(
        f"""
        import json, sys
        sys.path[:0] = {[*map(str, directories)]!r}
        import lazyplug
        points = lazyplug.entry_points(group="g")
        print(json.dumps(sorted(point.value for point in points)))
        """
    )
    return found


def write_archive(directory: Path) -> Path:
    path = directory / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zipped-1.dist-info/METADATA", "Name: zipped\nVersion: 1\n")
        archive.writestr("zipped-1.dist-info/entry_points.txt", "[g]\nz = m:z\n")
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [[], ["b", "a"], b"", False, OSError(5, "no")])
def test_a_mocked_function_changes_no_answer_and_is_not_remembered(
    name: str, value: Any, site: PlantSite, set_path: SetPath
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    set_path(directory, write_archive(directory))
    behavior = {"side_effect" if isinstance(value, OSError) else "return_value": value}
    with mock.patch(name, **behavior):
        found = query()
    assert found == ["m:f", "m:z"]
    assert query() == ["m:f", "m:z"]
    with mock.patch(name, **behavior):
        assert query() == ["m:f", "m:z"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        SystemError("<module 'encodings.cp437'> returned NULL"),
        LookupError("unknown encoding: cp437"),
        ImportError("no more"),
        RecursionError("too deep"),
        OSError(24, "Too many open files"),
        RuntimeError("can't start new thread"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("level", _settings.LEVELS)
@pytest.mark.parametrize("where", ["ZipFile", "Path"])
def test_an_archive_that_could_not_be_read_is_read_next_time(
    where: str,
    level: str,
    error: Exception,
    site: PlantSite,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    late_clock: object,
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    set_path(directory, write_archive(directory))

    def fail(*_: Any, **__: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(zipfile, where, fail)
        assert query() == ["m:f"]
    monkeypatch.setenv("LAZYPLUG_CHECK", level)
    assert query() == ["m:f", "m:z"]


def test_a_system_error_at_the_end_of_an_archive_is_not_mistaken_for_damage(
    site: PlantSite,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
    late_clock: object,
) -> None:
    # In this case zipfile reports "File is not a zip file".
    directory = site(dist("foo", entry_points=POINTS))
    archive = write_archive(directory)
    set_path(directory, archive)
    real_open, real_read = fs.open, fs.read
    opened: list[int] = []

    def note_open(path: Any, *rest: Any, **named: Any) -> int:
        descriptor: int = real_open(path, *rest, **named)
        if path == str(archive):
            opened.append(descriptor)
        return descriptor

    def fail(descriptor: int, length: int) -> Any:
        if descriptor in opened:
            raise OSError(5, "Input/output error")
        return real_read(descriptor, length)

    with monkeypatch.context() as patch:
        patch.setattr(fs, "open", note_open)
        patch.setattr(fs, "read", fail)
        assert query() == ["m:f"]
    assert query() == ["m:f", "m:z"]


def test_that_an_archive_is_damaged_is_remembered(
    site: PlantSite, set_path: SetPath, late_clock: Any
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    (directory / "all.zip").write_bytes(b"PK\3\4 and nothing else")
    set_path(directory, directory / "all.zip")
    assert query() == ["m:f"]
    with mock.patch(
        "lazyplug._indexing.archives.scan_archive", side_effect=AssertionError
    ):
        assert query() == ["m:f"]


MOCKED_ZIP = [
    ("zipfile.ZipFile", {"side_effect": zipfile.BadZipFile}),
    ("zipfile.ZipFile", {"side_effect": ValueError}),
    ("zipfile.ZipFile", {}),
    ("zipfile.ZipFile.open", {"side_effect": KeyError}),
    ("zipfile.ZipFile.namelist", {"return_value": []}),
    ("zipfile.Path", {}),
    ("zipfile._EndRecData", {"return_value": None}),
    ("zipfile.crc32", {"return_value": 0}),
    ("zlib.decompressobj", {"side_effect": ValueError}),
    ("struct.unpack", {"side_effect": ValueError}),
    ("importlib_metadata.PathDistribution.read_text", {"return_value": None}),
]


@pytest.mark.parametrize(("name", "behavior"), MOCKED_ZIP)
def test_mocked_results_about_an_archive_are_not_remembered(
    name: str,
    behavior: dict[str, Any],
    site: PlantSite,
    set_path: SetPath,
    late_clock: object,
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    set_path(directory, write_archive(directory))
    with mock.patch(name, **behavior):
        assert "m:f" in query()
    assert query() == ["m:f", "m:z"]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by RLIMIT_AS")
def test_an_archive_that_was_read_without_memory_is_read_next_time(
    site: PlantSite,
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    with zipfile.ZipFile(directory / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zipped-1.dist-info/METADATA", "Name: zipped\nVersion: 1\n")
        text = "[g]\nz = m:z\n" + "# none\n" * (1 << 22)
        archive.writestr("zipped-1.dist-info/entry_points.txt", text)
    code = f"""
        import resource, sys
        sys.path[:0] = [{str(directory)!r}, {str(directory / "all.zip")!r}]
        import lazyplug, lazyplug._indexing.archives, lazyplug._indexing.rebuild
        pages = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        limit = pages + (8 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        try:
            found = [p.value for p in lazyplug.entry_points(group="g")]
        except MemoryError:
            found = ["no memory"]
        assert "m:z" not in found, found
        """
    python("-c", textwrap.dedent(code))
    assert query_in_new_process(directory, directory / "all.zip") == ["m:f", "m:z"]


@pytest.mark.skipif(sys.platform != "linux", reason="a directory in use is removed")
def test_an_archive_that_was_scanned_from_a_removed_directory_is_read_next_time(
    site: PlantSite, tmp_path: Path
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    archive = write_archive(directory)
    code = f"""
        import os, sys
        os.mkdir({str(tmp_path / "gone")!r})
        os.chdir({str(tmp_path / "gone")!r})
        os.rmdir({str(tmp_path / "gone")!r})
        sys.path[:0] = [{str(directory)!r}, {str(archive)!r}]
        import lazyplug
        print(sorted(point.value for point in lazyplug.entry_points(group="g")))
        """
    python("-c", textwrap.dedent(code))
    assert query_in_new_process(directory, archive) == ["m:f", "m:z"]


def test_an_audit_hook_that_forbids_access_to_the_cache_affects_only_the_cache(
    site: PlantSite, isolated: Path
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    assert query_in_new_process(directory) == ["m:f"]
    code = f"""
        import sys
        def forbid(event, args):
            if any({str(isolated)!r} in str(arg) for arg in args):
                raise RuntimeError(f"{{event}} is forbidden")
        sys.addaudithook(forbid)
        sys.path.insert(0, {str(directory)!r})
        import lazyplug
        print([point.value for point in lazyplug.entry_points(group="g")])
        MORE
        manager = lazyplug.ExtensionManager("g")
        print(manager.names(), [e.summary for e in manager], lazyplug.problems())
        lazyplug.refresh()
        """
    for more in ("", f"open({str(directory / 'new')!r}, 'w').close()"):
        done = python("-c", textwrap.dedent(code.replace("MORE", more)))
        assert done.stdout.startswith("['m:f']\n['a'] [None] []")
        assert done.stderr == ""


# ---------------------------------------------------------------------- the clock


def test_if_the_clock_is_mocked_at_the_first_import_all_stat_data_is_racy(
    site: PlantSite,
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    code = f"""
        import sys
        from unittest import mock
        sys.path.insert(0, {str(directory)!r})
        with mock.patch("time.time_ns"):
            import lazyplug
            print([point.value for point in lazyplug.entry_points(group="g")])
        from lazyplug import _environment, _settings
        print(_environment.current().index.racy != [])
        """
    assert python("-c", textwrap.dedent(code)).stdout == "['m:f']\nTrue\n"


# ------------------------------------------------------------- fake file systems


class FakeOs:
    """A replacement of the module `os`, like that of pyfakefs."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def test_if_os_is_not_a_module_importlib_metadata_answers_each_query(
    site: PlantSite,
    set_path: SetPath,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    set_path(directory)
    monkeypatch.setitem(sys.modules, "os", FakeOs())
    for value in ("m:f", "m:x"):
        (directory / "foo-1.0.dist-info" / "entry_points.txt").write_text(
            f"[g]\na={value}"
        )
        assert [p.value for p in lazyplug.entry_points(group="g")] == [value]
        assert [p.value for p in lazyplug.entry_points()] == [value]
        (extension,) = lazyplug.ExtensionManager[Any]("g")
        assert extension.value == value
        assert extension.dist.version == "1.0"  # type: ignore[union-attr]
        assert extension.summary is None
        assert lazyplug.problems() == []
    assert not isolated.exists()


def test_nothing_is_frozen_in_a_fake_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lazyplug.cli import main

    monkeypatch.setitem(sys.modules, "os", FakeOs())
    assert main(["freeze", "--output", str(tmp_path / "frozen")]) == 1
    assert "a fake file system" in capsys.readouterr().err
    assert not (tmp_path / "frozen").exists()


FAKE_FILES = "pyfakefs.pytest_plugin"
HOST = """
import lazyplug
from importlib import metadata

def names():
    with lazyplug.accelerate():
        accelerated = metadata.entry_points(group="g")
    found = {
        "accelerated": sorted(point.name for point in accelerated),
        "managers": sorted(lazyplug.ExtensionManager("g").names()),
        "points": sorted(point.name for point in lazyplug.entry_points(group="g")),
        "all": sorted(p.name for p in lazyplug.entry_points() if p.group == "g"),
        "families": sorted(lazyplug.ExtensionManager("g.*").names()),
    }
    lazyplug.problems()
    lazyplug.refresh()
    return found
"""
TESTS = """
import sys, host

def all_are(name):
    kinds = ["accelerated", "managers", "points", "all", "families"]
    family = [f"{name}.f"]
    return {kind: family if kind == "families" else [name] for kind in kinds}

SITE = [path for path in sys.path if path.endswith("planted")][0]

def test_a(fs):
    fs.add_real_directory(SITE)
    assert host.names() == all_are("foo")

def test_b(fs):
    info = "/fake/site/x-1.dist-info/"
    fs.create_file(info + "METADATA", contents="Name: x\\nVersion: 1\\n")
    text = "[g]\\nx = os:getcwd\\n[g.one]\\nx.f = os:getcwd\\n"
    fs.create_file(info + "entry_points.txt", contents=text)
    sys.path.insert(0, "/fake/site")
    try:
        assert host.names() == all_are("x")
    finally:
        sys.path.remove("/fake/site")

def test_c():
    assert host.names() == all_are("foo")
"""


@pytest.mark.slow
@pytest.mark.parametrize("order", [*permutations("abc")], ids="".join)
def test_in_a_fake_file_system_the_answers_are_those_of_importlib_metadata(
    order: tuple[str, ...], tmp_path: Path, isolated: Path
) -> None:
    pytest.importorskip("pyfakefs", reason="pyfakefs is not installed")
    text = "[g]\nfoo = os:getcwd\n[g.one]\nfoo.f = os:getcwd\n"
    planted = plant(tmp_path / "planted", dist("foo", entry_points=text))
    tests = plant(tmp_path / "tests", {"host.py": HOST, "test_host.py": TESTS})
    names = [f"test_host.py::test_{letter}" for letter in order]
    # Load only the plugin that is needed, of all that are installed for pytest.
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", FAKE_FILES]
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, *command, *names],
            cwd=tests,
            env={
                **os.environ,
                "PYTHONPATH": str(planted),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert "3 passed" in done.stdout, done.stdout[-3000:]
        assert done.stderr == ""
    for file in isolated.glob("*.json"):
        assert b"/fake/site" not in file.read_bytes()
