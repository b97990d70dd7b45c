"""Test that files whose times do not show a change are compared by content."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from lazyplug import _content
from lazyplug._content import has_change_time
from lazyplug.testing import Tree, dist, plant
from tests.support.children import ask
from tests.support.environments import TIMES, Image
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs
from tests.support.index_format import stat_signature

ONE = dist("foo", entry_points="[g]\na = m:one\n")
TWO = dist("foo", entry_points="[g]\na = m:two\n")


@pytest.fixture(params=[*TIMES.values()], ids=[*TIMES])
def image(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Tree], list[str]]:
    """Return a function that mounts another image, and returns the values in it."""
    fake = Image(request.param)
    for name in ("stat", "fstat"):
        monkeypatch.setattr(fs, name, getattr(fake, name))
    site = tmp_path / "site"

    def mount(tree: Tree) -> list[str]:
        shutil.rmtree(site, ignore_errors=True)
        plant(site, tree)
        set_path(site)
        return sorted(point.value for point in lazyplug.entry_points(group="g"))

    return mount


@pytest.mark.parametrize("level", ["full", "dirs"])
def test_another_image_at_the_same_path_is_detected(
    level: str,
    image: Callable[[Tree], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", level)
    assert image(ONE) == ["m:one"]
    other = dist("bar", entry_points="[g]\nb = m:bar\n")
    assert image({**ONE, **other}) == ["m:bar", "m:one"]
    assert image(other) == ["m:bar"]


@pytest.mark.parametrize("level", ["full", "dirs"])
def test_an_image_with_metadata_in_place_of_one_without_is_detected(
    level: str,
    image: Callable[[Tree], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", level)
    # The names have one length, so that the directories have the same size.
    module: Tree = {"modul-0.dist.info": {}}
    assert len("modul-0.dist.info") == len(next(iter(ONE)))
    assert image(module) == []
    assert image({**module, **ONE}) == ["m:one"]
    assert image(module) == []


def test_another_file_of_the_same_size_and_times_is_detected(
    image: Callable[[Tree], list[str]],
) -> None:
    for tree, found in ((ONE, "m:one"), (TWO, "m:two"), (ONE, "m:one")):
        assert image(tree) == [found]


@pytest.mark.parametrize("first", [True, False], ids=["the first", "the last"])
def test_among_many_files_the_one_that_changed_is_detected(
    first: bool, image: Callable[[Tree], list[str]]
) -> None:
    many: dict[str, Any] = {}
    for number in range(5):
        many.update(dist(f"p{number}", entry_points=f"[g]\nx = m:p{number}\n"))
    changed = "p0" if first else "p4"
    assert image(many) == [f"m:p{number}" for number in range(5)]
    many.update(dist(changed, entry_points="[g]\nx = m:z9\n"))
    assert "m:z9" in image(many)
    # Files that were compared by content still are.
    many.update(dist(changed, entry_points=f"[g]\nx = m:{changed}\n"))
    assert image(many) == [f"m:p{number}" for number in range(5)]


def test_another_archive_of_the_same_size_and_times_is_detected(
    image: Callable[[Tree], list[str]], tmp_path: Path, set_path: SetPath
) -> None:
    import zipfile

    def query(value: str) -> list[str]:
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            for name in ("METADATA", "entry_points.txt"):
                info = zipfile.ZipInfo(f"foo-1.0.dist-info/{name}")
                text = f"[g]\na = {value}\n" if "points" in name else "Name: foo\n"
                archive.writestr(info, text)
        set_path(tmp_path / "all.zip")
        return [point.value for point in lazyplug.entry_points(group="g")]

    for value in ("m:one", "m:two", "m:one"):
        assert query(value) == [value]


def test_metadata_that_decides_which_distribution_wins_is_compared_by_content(
    image: Callable[[Tree], list[str]],
) -> None:
    def tree_named(name: str) -> Tree:
        return {
            "-1.0.dist-info": {
                "METADATA": f"Name: {name}\nVersion: 1.0\n",
                "entry_points.txt": "[g]\na = m:nameless\n",
            },
            **dist("foo", "2.0", entry_points="[g]\na = m:two\n"),
        }

    assert image(tree_named("foo")) == ["m:two"]
    assert image(tree_named("bar")) == ["m:nameless", "m:two"]
    assert image(tree_named("foo")) == ["m:two"]


def test_a_summary_is_that_of_the_current_source(
    image: Callable[[Tree], list[str]], old_image_times: None
) -> None:
    for text in ("One.", "Two.", "One."):
        tree = {**dist("foo", entry_points="[g]\na = plug_c\n")}
        tree["plug_c.py"] = f'"""{text}"""\n'
        image(tree)
        (extension,) = lazyplug.ExtensionManager[Any]("g")
        assert extension.summary == text


@pytest.fixture
def old_image_times() -> None:
    """Check that the image's times are old enough for learned facts to be stored."""
    assert max(TIMES.values()) < fs.clock() - 3 * 10**9


def test_an_ordinary_file_is_compared_by_its_stat_signature_alone(
    tmp_path: Path,
) -> None:
    file = tmp_path / "file"
    file.write_text("a")
    os.utime(file, ns=(5, 5))  # ctime is now, which shows the change
    status = file.stat()
    assert has_change_time(status)
    assert _content.signature(str(file), status) == stat_signature(status)


@pytest.mark.parametrize(
    ("modified", "changed", "expected"),
    [
        (0, 0, False),
        (10**7, 10**7, False),
        (10**7 + 1, 10**7 + 1, True),
        (0, 10**7, True),
        (1, 1, True),
    ],
)
def test_a_change_time_differs_from_mtime_or_is_finer_than_ten_milliseconds(
    modified: int, changed: int, expected: bool
) -> None:
    status: Any = SimpleNamespace(st_mtime_ns=modified, st_ctime_ns=changed)
    assert has_change_time(status) is expected


def test_a_file_that_is_removed_while_it_is_compared_is_scanned_again(
    image: Callable[[Tree], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert image(ONE) == ["m:one"]
    real = fs.open

    def raise_for_points(path: Any, *rest: Any, **tree_named: Any) -> int:
        if os.fsdecode(path).endswith("entry_points.txt"):
            raise FileNotFoundError(2, "gone", path)
        descriptor: int = real(path, *rest, **tree_named)
        return descriptor

    with monkeypatch.context() as patch:
        patch.setattr(fs, "open", raise_for_points)
        lazyplug.invalidate_caches()
        assert [*lazyplug.entry_points(group="g")] == []
    lazyplug.invalidate_caches()
    assert [point.value for point in lazyplug.entry_points(group="g")] == ["m:one"]


MOUNTS = shutil.which("mksquashfs") and sys.platform == "linux"


@pytest.mark.skipif(not MOUNTS, reason="mksquashfs is not installed")
def test_an_image_that_is_mounted_in_place_of_another_is_detected(
    tmp_path: Path, isolated: Path
) -> None:
    site = tmp_path / "mounted"
    site.mkdir()
    found: list[list[str]] = []
    for number, tree in enumerate((ONE, TWO, ONE)):
        source = plant(tmp_path / f"tree{number}", tree)
        image_file = tmp_path / f"{number}.squashfs"
        options = ["-quiet", "-no-progress", "-all-time", "0", "-mkfs-time", "0"]
        subprocess.run(
            ["mksquashfs", str(source), str(image_file), *options], check=True
        )
        mount = ["mount", "-t", "squashfs", "-o", "loop,ro", str(image_file), str(site)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("nothing may be mounted here")
        try:
            found.extend(
                ask(
                    f"""
                        import json, sys
                        sys.path.insert(0, {str(site)!r})
                        import lazyplug
                        points = lazyplug.entry_points(group="g")
                        print(json.dumps([point.value for point in points]))
                        """,
                    env={"LAZYPLUG_CACHE_DIR": str(isolated)},
                )
                for _ in range(2)
            )
        finally:
            subprocess.run(["umount", str(site)], check=True)
    assert [*isolated.glob("*.json")]
    assert found == [
        [f"m:{name}"] for name in ("one", "one", "two", "two", "one", "one")
    ]


def test_a_file_in_place_of_a_directory_without_metadata_is_detected(
    site: PlantSite, set_path: SetPath
) -> None:
    points = {"entry_points.txt": "[g]\na = m:two\n"}
    first = site({"foo-1.0-py3.11.egg-info": {}}, "first")
    set_path(first, site({"foo-2.0.egg-info": {"PKG-INFO": "Name: foo\n", **points}}))

    def query() -> list[str]:
        lazyplug.invalidate_caches()
        return [point.value for point in lazyplug.entry_points(group="g")]

    assert query() == ["m:two"]
    (first / "foo-1.0-py3.11.egg-info").rmdir()
    (first / "foo-1.0-py3.11.egg-info").write_text("Name: foo\nVersion: 1.0\n")
    # As distutils installs it: it has metadata but no entry points, and comes first.
    assert query() == []
    (first / "foo-1.0-py3.11.egg-info").unlink()
    (first / "foo-1.0-py3.11.egg-info").mkdir()
    assert query() == ["m:two"]
