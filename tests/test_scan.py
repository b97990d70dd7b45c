"""Test that a bad line, file or directory is reported, and affects nothing else."""

import email
import gc
import os
import re
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import _environment
from lazyplug._distribution import identify
from lazyplug._indexing import metadata, reading, scan
from lazyplug._indexing.metadata import parse
from lazyplug._indexing.scan import scan_distribution
from lazyplug._indexing.shadowing import version_order
from lazyplug.testing import Tree, dist, plant
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs
from tests.support.index_format import Distribution, stat_signature

POINTS = "[g]\na = m:f\n"
needs_modes = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="no file mode keeps root from reading",
)


def names(group: str = "g") -> list[str]:
    return [point.name for point in lazyplug.entry_points(group=group)]


def owners(group: str = "g") -> list[tuple[str, str]]:
    """Return name and version of the distributions that declare a group."""
    found = _environment.current().rows(group)
    return [identify(owner)[:2] for _, owner in found]


def reasons() -> list[tuple[str, int, str]]:
    """Return the problems, each with the last part of its path."""
    return [(Path(p.path).name, p.line, p.reason) for p in lazyplug.problems()]


# ----------------------------------------------------------------------- the grammar

A = ("a", "m:f", "m", "f")


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("", [], []),
        ("\n \n\t\n", [], []),
        ("[g]\na = m:f", [("g", (*A, 2))], []),
        ("  [g]  \n  a=m:f  \n", [("g", (*A, 2))], []),
        ("[g]\r\na = m:f\r\n", [("g", (*A, 2))], []),
        ("[g]\ra = m:f\r", [("g", (*A, 2))], []),
        ("# a comment\n[g]\n# b = m:f\na = m:f\n", [("g", (*A, 4))], []),
        ("[g]\na = m:f\n[h]\n[g]\na = m:f\n", [("g", (*A, 2)), ("g", (*A, 5))], []),
        ("[[g]]\na = m:f\n", [("g", (*A, 2))], []),
        ("[]\na = m:f\n", [("", (*A, 2))], []),
        ("[ g ]\na = m:f\n", [(" g ", (*A, 2))], []),
        (
            "[g]\na = m:f=x\n",
            [("g", ("a", "m:f=x", None, None, 2))],
            "(expected `module:attr`)",
        ),
        ("[g]\n= m:f\n", [("g", ("", "m:f", "m", "f", 2))], []),
        ("[g]\na =\n", [("g", ("a", "", None, None, 2))], "(expected `module:attr`)"),
        ("[g]\na = m-n:f\n", [("g", ("a", "m-n:f", None, None, 2))], "module:attr"),
        ("[g]\na = m:f # c\n", [("g", ("a", "m:f # c", None, None, 2))], "module:attr"),
        ("[g]\nno equals\na = m:f\n", [("g", (*A, 3))], "no '=' in 'no equals'"),
        (
            "a = m:f\n[g]\na = m:f\n",
            [("g", (*A, 3))],
            "'a = m:f' is before the first [group]",
        ),
        ("\ufeff[g]\na = m:f\n", [], "is before the first [group]"),
        ("[g\na = m:f\n", [], "is before the first [group]"),
        ("[g]\n[h\na = m:f\n", [("g", (*A, 3))], "no '=' in '[h'"),
        ("[g]\na: m:f\n", [], "no '=' in 'a: m:f'"),
        ("[g]\na = m:f\n   b\n", [("g", (*A, 2))], "no '=' in 'b'"),
        ("[g]\n\0 = \0\n", [("g", ("\0", "\0", None, None, 2))], "`module:attr`)"),
    ],
)
def test_a_bad_line_is_reported_and_affects_no_other(
    text: str, declared: list[Any], expected: Any
) -> None:
    points, problems = parse(text, "file")
    assert points == declared
    if expected:
        assert all(expected in reason for _, _, reason in problems)
        assert all(path == "file" and line > 0 for path, line, _ in problems)
    assert bool(problems) == bool(expected)


def test_an_invalid_reference_is_kept_and_reported_when_it_is_loaded(
    site: PlantSite, set_path: SetPath
) -> None:
    set_path(site(dist("foo", entry_points="[g]\nbad = m-n:f\ngood = os:sep\n")))
    bad, good = lazyplug.ExtensionManager[Any]("g")
    assert good.plugin == os.sep
    with pytest.raises(lazyplug.InvalidEntryPoint, match=r"'m-n:f' is not a valid re"):
        _ = bad.plugin


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("Name: foo\nVersion: 1\n", "foo", "1"),
        ("name:foo\nVERSION:1\n", "foo", "1"),
        ("Metadata-Version: 2.4\r\nName: foo\r\nVersion: 1\r\n\r\n", "foo", "1"),
        ("Summary: Name: no\n  Version: 0\nName: foo\nVersion: 1\n", "foo", "1"),
        ("Name: foo\n\nVersion: 1\n", "foo", ""),
        ("Name: foo\nName: bar\nVersion: 1\nVersion: 2\n", "foo", "1"),
        ("Summary: a\u2028Name: no\nName: foo\nVersion: 1\n", "foo", "1"),
        ("Author: a\fVersion: 0\nName: foo\nVersion: 1\n", "foo", "1"),
        ("Metadata-Version: 2.4\n  \nName: foo\nVersion: 1\n", "foo", "1"),
        ("\nName: foo\n", "", ""),
        ("", "", ""),
    ],
)
def test_metadata_is_parsed_as_email_headers(
    text: str, name: str, version: str
) -> None:
    message = email.message_from_string(text)
    assert (message["Name"] or "", message["Version"] or "") == (name, version)
    assert metadata.headers(text) == (name, version)


LONG = "x" * 5_000
HEADERS = "Name: foo\nVersion: 1\n"


@pytest.mark.parametrize(
    ("text", "completely"),
    [
        (f"{HEADERS}\n{LONG}", False),
        (f"{HEADERS}Summary: {LONG}\n", False),
        # cut within a character; what follows does not matter
        (f"{HEADERS}\nx" + "\xe9" * 5_000, False),
        (f"{HEADERS}\n{LONG}".encode() + b"\xff", False),
        (f"Summary: {LONG}\n{HEADERS}", True),
        (f"Name: foo\n{'Summary: x' * 500}\nVersion: 1\n", True),
        (f"Summary: {LONG}\n{HEADERS}".replace("\n", "\r\n"), True),
        (f"{HEADERS}Summary: {LONG}".replace("\n", "\r"), True),
        (HEADERS, True),
    ],
)
def test_only_the_headers_of_metadata_are_read(
    text: str | bytes, completely: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, {"METADATA": text})
    size, lengths, read = (tmp_path / "METADATA").stat().st_size, [], fs.read

    def read_and_note(descriptor: int, length: int) -> bytes:
        data: bytes = read(descriptor, length)
        lengths.append(len(data))
        return data

    monkeypatch.setattr(fs, "read", read_and_note)
    source, status, found, reason = reading.find_metadata(str(tmp_path))
    assert (source, reason, metadata.headers(found or "")) == (
        "METADATA",
        "",
        ("foo", "1"),
    )
    assert status is not None
    assert stat_signature(status) == stat_signature((tmp_path / "METADATA").stat())
    assert (sum(lengths) == size) == completely
    assert len(lengths) <= 2


def test_a_file_that_grows_while_it_is_read_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, read = tmp_path / "file", fs.read
    file.write_text("a")

    def grow_and_read(descriptor: int, length: int) -> bytes:
        with file.open("a") as more:
            if file.stat().st_size < 4:
                more.write("b" * 2)
        data: bytes = read(descriptor, length)
        return data

    monkeypatch.setattr(fs, "read", grow_and_read)
    text, status, _ = reading.read_file(str(file))
    assert text == "abbbb"
    # It was taken before, so that it shows that the file has changed since.
    assert status is not None
    assert stat_signature(status) != stat_signature(file.stat())


@pytest.mark.parametrize(
    "version", ["", "1", "1.0.dev1+x", "\u0661.\u00b2", "9" * 5000]
)
def test_distributions_of_any_versions_can_be_ordered(version: str) -> None:
    assert sorted(["0", version, "2"], key=version_order)


# --------------------------------------------------------- damage to one distribution

BROKEN: dict[str, tuple[Tree, str]] = {
    "undecodable": (
        {"bad-1.0.dist-info": {"METADATA": "Name: bad\n", "entry_points.txt": b"\xff"}},
        "is not UTF-8",
    ),
    "a directory instead of a file": (
        {"bad-1.0.dist-info": {"METADATA": "Name: bad\n", "entry_points.txt": {}}},
        "cannot be read: not a regular file",
    ),
    "no equals": (dist("bad", entry_points="[g]\nb\n"), "no '=' in 'b'"),
    "no metadata": (
        {"bad-1.0.dist-info": {"entry_points.txt": "[h]\na = m:f\n"}},
        "has no metadata",
    ),
    "metadata that is undecodable": (
        {
            ".dist-info": {
                "METADATA": b"Name: \xff\n",
                "entry_points.txt": "[h]\na = m:f\n",
            }
        },
        "is not UTF-8",
    ),
    "nameless": (
        {"-1.0.dist-info": {"METADATA": "\n", "entry_points.txt": "[g]\nb = m:f\n"}},
        "has no Name: ignoring its entry points",
    ),
    "nameless, metadata missing": (
        {".dist-info": {"entry_points.txt": "[g]\nb = m:f\n"}},
        "has no Name: ignoring its entry points",
    ),
    "left behind by pip": (
        {"~ad-1.0.dist-info": {"METADATA": "Name: bad\nVersion: 1.0\n"}},
        "was left behind by an interrupted pip",
    ),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_distribution_is_reported_and_affects_no_other(
    damage: str, site: PlantSite, set_path: SetPath
) -> None:
    tree, reason = BROKEN[damage]
    (file,) = tree
    set_path(
        site(
            {
                **tree,
                **dist("aaa", entry_points=POINTS),
                **dist("zzz", entry_points=POINTS),
            }
        )
    )
    assert names() == ["a", "a"]
    assert [found for _, _, found in reasons() if reason in found]
    assert all(file in problem.path for problem in lazyplug.problems())
    lazyplug.invalidate_caches()  # now from the index
    assert [found for _, _, found in reasons() if reason in found]


@pytest.mark.parametrize("first", [{}, dist("other", entry_points="[h]\na = m:f\n")])
@pytest.mark.parametrize("late", ["METADATA", "PKG-INFO"])
@pytest.mark.usefixtures("late_clock")
def test_metadata_that_is_written_after_the_entry_points_is_found(
    first: Tree, late: str, site: PlantSite, set_path: SetPath
) -> None:
    # A program may start between two steps of an installer.
    directory = site(first)
    set_path(directory)
    assert names() == []
    points = {"entry_points.txt": POINTS}
    plant(directory, {"foo_bar-1.0.dist-info": points})
    lazyplug.invalidate_caches()
    assert owners() == [("foo_bar", "1.0")]
    lazyplug.invalidate_caches()
    metadata = "Name: Foo.Bar\nVersion: 1.0.post1\n"
    plant(directory, {"foo_bar-1.0.dist-info": {late: metadata}})
    lazyplug.invalidate_caches()
    assert owners() == [("Foo.Bar", "1.0.post1")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifo on this system")
@pytest.mark.parametrize("file", ["entry_points.txt", "METADATA", "PKG-INFO"])
def test_a_fifo_in_place_of_a_file_does_not_hang(
    file: str, site: PlantSite, set_path: SetPath
) -> None:
    directory = site({"bad-1.0.dist-info": {}, **dist("foo", entry_points=POINTS)})
    bad = directory / "bad-1.0.dist-info"
    os.mkfifo(bad / file)
    if file != "entry_points.txt":
        (bad / "entry_points.txt").write_text("[h]\nb = m:f\n")
    set_path(directory)
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(names()), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert found == ["a"]
    if file == "entry_points.txt":
        assert (
            "entry_points.txt",
            0,
            "cannot be read: not a regular file",
        ) in reasons()


@pytest.mark.parametrize("link", ["entry_points.txt", "nowhere", "/dev/null/no"])
def test_a_dangling_link_is_treated_as_an_absent_file(
    link: str, site: PlantSite, set_path: SetPath
) -> None:
    directory = site({**dist("bad"), **dist("foo", entry_points=POINTS)})
    (directory / "bad-1.0.dist-info" / "entry_points.txt").symlink_to(link)
    set_path(directory)
    assert names() == ["a"]
    lazyplug.invalidate_caches()
    assert names() == ["a"]


@needs_modes
def test_an_unreadable_file_affects_nothing_else(
    site: PlantSite, set_path: SetPath
) -> None:
    directory = site(
        {**dist("bad", entry_points=POINTS), **dist("foo", entry_points=POINTS)}
    )
    (directory / "bad-1.0.dist-info" / "entry_points.txt").chmod(0)
    set_path(directory)
    assert names() == ["a"]
    assert reasons() == [("entry_points.txt", 0, "cannot be read: Permission denied")]


@needs_modes
def test_an_unreadable_directory_affects_nothing_else(
    site: PlantSite, set_path: SetPath
) -> None:
    closed = site(dist("bad", entry_points=POINTS), "closed")
    closed.chmod(0)
    try:
        set_path(closed, site(dist("foo", entry_points=POINTS)))
        assert names() == ["a"]
        assert reasons() == [("closed", 0, "cannot be read: Permission denied")]
    finally:
        closed.chmod(0o700)


def test_an_unreadable_file_is_reported_with_the_reason_of_the_system(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = site(dist("bad", entry_points=POINTS))

    real: Callable[..., int] = fs.open

    def refuse(path: str, flags: int, **more: Any) -> int:
        if path.endswith("entry_points.txt"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, **more)

    with monkeypatch.context() as patch:
        patch.setattr(fs, "open", refuse)
        found = scan_distribution(str(directory), "bad-1.0.dist-info", 0)
    assert isinstance(found, Distribution)
    assert not found.reliable
    assert [each[2] for each in found.problems] == ["cannot be read: Permission denied"]


def test_a_file_that_is_far_too_large_is_not_read(
    site: PlantSite, set_path: SetPath
) -> None:
    directory = site(
        {**dist("bad", entry_points=POINTS), **dist("foo", entry_points=POINTS)}
    )
    # sparse: it takes no space
    os.truncate(directory / "bad-1.0.dist-info" / "entry_points.txt", (1 << 26) + 1)
    set_path(directory)
    assert names() == ["a"]
    assert reasons() == [
        (
            "entry_points.txt",
            0,
            "cannot be read: 67108865 bytes exceed the limit of 67108864",
        )
    ]


# ------------------------------------------------- several distributions of one name


def versions(group: str = "g") -> list[str]:
    found = lazyplug.ExtensionManager[Any](group)
    points = found.list_entry_points()
    return [identify(point._owner)[1] for point in points if point._owner]


EGG = {"PKG-INFO": "Name: foo\nVersion: 9.0\n", "entry_points.txt": POINTS}
NO_METADATA = {"entry_points.txt": POINTS}


@pytest.mark.parametrize(
    ("tree", "winner", "losers"),
    [
        (
            {**dist("foo", "1.9", POINTS), **dist("foo", "1.10", POINTS)},
            "1.10",
            ["foo-1.9.dist-info"],
        ),
        (
            {**dist("foo", "1.0rc1", POINTS), **dist("foo", "1.0", POINTS)},
            "1.0",
            ["foo-1.0rc1.dist-info"],
        ),
        (
            {**dist("foo", "1.0", POINTS), "foo-9.0.egg-info": EGG},
            "1.0",
            ["foo-9.0.egg-info"],
        ),
        (
            {"foo-8.0.dist-info": NO_METADATA, "foo-9.0.egg-info": EGG},
            "9.0",
            ["foo-8.0.dist-info"],
        ),
        (
            {"foo-8.0.dist-info": NO_METADATA, "foo-9.0.dist-info": NO_METADATA},
            "9.0",
            ["foo-8.0.dist-info"],
        ),
        (
            {**dist("foo", "1.0", POINTS), **dist("Foo", "2.0", POINTS)},
            "2.0",
            ["foo-1.0.dist-info"],
        ),
        (
            {
                **dist("foo", "1.0", POINTS),
                **dist("foo", "3.0", POINTS),
                **dist("foo", "2.0", POINTS),
            },
            "3.0",
            ["foo-2.0.dist-info", "foo-1.0.dist-info"],
        ),
    ],
)
def test_one_of_several_with_the_same_key_wins_and_the_others_are_reported(
    tree: Tree,
    winner: str,
    losers: list[str],
    site: PlantSite,
    set_path: SetPath,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed = fs.listdir
    for order in (sorted, lambda found: sorted(found, reverse=True)):
        # The file system determines the order of a listing; it must not matter.
        monkeypatch.setattr(fs, "listdir", lambda path, o=order: o(listed(path)))
        set_path(plant(site({}), tree))
        monkeypatch.setenv("LAZYPLUG_CACHE", "off")
        assert versions() == [winner]
        shadowed = [each for each in reasons() if "is shadowed by" in each[2]]
        assert [file for file, _, _ in shadowed] == losers


def test_the_first_distribution_with_metadata_on_the_path_wins(
    site: PlantSite, set_path: SetPath
) -> None:
    without_metadata = site({"foo-9.0.dist-info": NO_METADATA}, "bare")
    one = site(dist("foo", "1.0", POINTS), "one")
    two = site(dist("Foo", "2.0", POINTS), "two")
    set_path(without_metadata, one, two)
    assert versions() == ["1.0"]
    set_path(two, without_metadata, one)
    assert versions() == ["2.0"]
    set_path(without_metadata)
    assert versions() == ["9.0"]


@pytest.mark.parametrize("metadata", ["", {}])
def test_the_name_is_read_from_pkg_info_if_metadata_has_none(
    metadata: Any, site: PlantSite, set_path: SetPath
) -> None:
    files = {
        "METADATA": metadata,
        "PKG-INFO": "Name: Foo.Bar\nVersion: 1.0\n",
        **NO_METADATA,
    }
    directory = site({"foo_bar-0.dist-info": files})
    set_path(directory)
    (point,) = lazyplug.entry_points(group="g")
    assert (point.dist.name, point.dist.version) == ("Foo.Bar", "1.0")
    assert versions() == ["1.0"]


def test_a_distribution_that_declares_nothing_shadows_one_that_does(
    site: PlantSite, set_path: SetPath
) -> None:
    without_points, with_points = (
        site(dist("foo"), "silent"),
        site(dist("foo", "2", POINTS), "two"),
    )
    set_path(without_points, with_points)
    assert names() == []
    set_path(with_points, without_points)
    assert names() == ["a"]


# -------------------------------------------------------------------------- archives


def zip_tree(path: Path, tree: Tree, root: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for directory, files in tree.items():
            for name, content in files.items():
                archive.writestr(f"{root}{directory}/{name}", content)
    return path


def test_a_wheel_on_the_path_is_scanned_and_read_only_once(
    tmp_path: Path, set_path: SetPath, late_clock: Any
) -> None:
    wheel = zip_tree(
        tmp_path / "foo-1.0-py3-none-any.whl", dist("foo", entry_points=POINTS)
    )
    set_path(wheel)
    assert (names(), versions()) == (["a"], ["1.0"])
    for module in [
        module for module in sys.modules if module == "lazyplug._indexing.archives"
    ]:
        del sys.modules[module]
    lazyplug.invalidate_caches()
    assert names() == ["a"]
    assert "lazyplug._indexing.archives" not in sys.modules


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_an_archive_is_closed_after_it_was_read(
    tmp_path: Path, set_path: SetPath
) -> None:
    wheel = zip_tree(
        tmp_path / "foo-1.0-py3-none-any.whl", dist("foo", entry_points=POINTS)
    )
    gc.disable()  # so that the garbage collector closes nothing
    try:
        set_path(wheel)
        assert names() == ["a"]
        links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
        opened = {os.readlink(link) for link in links if os.path.lexists(link)}
    finally:
        gc.enable()
    assert str(wheel) not in opened


def test_a_zipped_egg_on_the_path_is_scanned(tmp_path: Path, set_path: SetPath) -> None:
    files = {"PKG-INFO": "Name: foo\nVersion: 1.0\n", "entry_points.txt": POINTS}
    set_path(zip_tree(tmp_path / "foo-1.0-py3.11.egg", {"EGG-INFO": files}))
    assert (names(), versions()) == (["a"], ["1.0"])
    (point,) = lazyplug.entry_points(group="g")
    assert point.dist.version == "1.0"


def test_a_distribution_in_an_archive_shadows_one_in_a_later_directory(
    tmp_path: Path, site: PlantSite, set_path: SetPath
) -> None:
    archive = zip_tree(tmp_path / "all.zip", dist("Foo.Bar", "1.0", POINTS))
    directory = site(dist("foo_bar", "2.0", POINTS))
    set_path(archive, directory)
    assert versions() == ["1.0"]
    set_path(directory, archive)
    assert versions() == ["2.0"]


def test_an_archive_that_changed_is_read_again(
    tmp_path: Path, set_path: SetPath
) -> None:
    set_path(zip_tree(tmp_path / "all.zip", dist("foo", entry_points=POINTS)))
    assert names() == ["a"]
    zip_tree(tmp_path / "all.zip", dist("foo", entry_points="[g]\nb = m:f\n"))
    lazyplug.invalidate_caches()
    assert names() == ["b"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is neither a directory nor a zip archive"),
        (b"#!/bin/sh\n", "is neither a directory nor a zip archive"),
        (b"PK\x05\x06" + b"\xff" * 18, "neither a directory nor a zip|cannot be read"),
        (b"PK\x05\x06" + b"\0" * 18, ""),  # a zip with nothing in it
    ],
)
def test_a_file_on_the_path_that_is_not_an_archive_affects_nothing_else(
    content: bytes,
    reason: str,
    tmp_path: Path,
    site: PlantSite,
    set_path: SetPath,
) -> None:
    (tmp_path / "file").write_bytes(content)
    set_path(tmp_path / "file", site(dist("foo", entry_points=POINTS)))
    assert names() == ["a"]
    found = reasons()
    assert bool(found) == bool(reason)
    if found:
        assert found[0][:2] == ("file", 0)
        assert any(
            found[0][2].startswith(each) or each in found[0][2]
            for each in reason.split("|")
        )


DAMAGED_ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "cut in its directory": lambda data: data[:-30],
    "its directory is junk": lambda data: data.replace(b"PK\x01\x02", b"junk"),
    "its first member is junk": lambda data: data.replace(b"PK\x03\x04", b"junk"),
    "compressed in an unknown way": lambda data: data.replace(
        b"PK\x03\x04\x14\x00\x00\x00\x00\x00", b"PK\x03\x04\x14\x00\x00\x00\x63\x00"
    ).replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x00\x00",
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00\x63\x00",
    ),
    "encrypted": lambda data: data.replace(
        b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00"
    ).replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
    ),
    "checksums are wrong": lambda data: data.replace(b"m:f", b"n:f"),
}


@pytest.mark.parametrize("damage", DAMAGED_ARCHIVES)
def test_a_broken_archive_is_reported_and_affects_nothing_else(
    damage: str, tmp_path: Path, site: PlantSite, set_path: SetPath
) -> None:
    archive = zip_tree(tmp_path / "all.zip", dist("bad", entry_points="[g]\nb = m:f\n"))
    archive.write_bytes(DAMAGED_ARCHIVES[damage](archive.read_bytes()))
    set_path(archive, site(dist("foo", entry_points=POINTS)))
    assert names() == ["a"]
    assert [found for found in reasons() if found[0] == "all.zip"]


def test_undecodable_files_in_an_archive_affect_nothing_else(
    tmp_path: Path, site: PlantSite, set_path: SetPath
) -> None:
    tree = {
        "one-1.0.dist-info": {"METADATA": "Name: one\n", "entry_points.txt": b"\xff"},
        "two-1.0.dist-info": {"METADATA": b"Name: \xff", "entry_points.txt": POINTS},
        **dist("three", entry_points=POINTS),
    }
    set_path(zip_tree(tmp_path / "all.zip", tree))
    assert names() == ["a", "a"]
    found = "".join(reason for _, _, reason in reasons())
    assert "entry_points.txt" in found
    assert "METADATA" in found
    assert found.count("invalid start byte") == 2


def test_a_directory_that_cannot_be_listed_has_a_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nothing: tuple[list[str], set[str]] = [], set()
    vanished = "was removed during the scan"
    assert scan.list_metadata(str(tmp_path / "no")) == (*nothing, vanished)
    *found, reason = scan.list_metadata("\0")
    assert found == [*nothing]
    assert re.match(
        "cannot be read: .*embedded null", reason
    )  # the rest depends on the version of Python
