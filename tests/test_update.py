"""Test that patching an index writes the same bytes as a complete scan."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyplug import _content, _environment, _files
from lazyplug._index import quote
from lazyplug._indexing import layout, rebuild, records
from lazyplug._indexing import watch as watch_module
from lazyplug._indexing.patch import patch_index
from lazyplug.testing import dist, plant
from tests.support.clock import Ticking
from tests.support.fs import fs
from tests.support.index_format import Index, from_bytes
from tests.support.properties import examples

# With a clock that is so far ahead of all changes, no stat data is racy.
LATER = 3600 * 10**9


def key_of(root: Path) -> list[str]:
    return ["/prefix", str(root / "a"), str(root / "absent"), str(root / "b")]


def scan_completely(root: Path, clock: int) -> bytes:
    return rebuild.rebuild(key_of(root), None, True, clock)


class Step(NamedTuple):
    """An installation or a removal of a distribution."""

    site: str
    name: str
    version: str | None  # None: it is removed
    points: str | None
    without_metadata: bool = False  # it has no metadata file


names = st.sampled_from(
    ["foo", "Foo-Bar", "foo_", "zed", "a.b", "\u00e4", "g", "h", "quo'te"]
)
texts = st.sampled_from(
    [
        None,
        "",
        "[g]\na = m:f\n",
        "[g]\na = m:f\nb = m:g\n[h]\na = m:f\n",
        '[i "]\na = m:f\n[g]\nc = \u00e4:b\n',
        "[g]\nno equals\nx = not a reference!\n[foo]\nd = m:f\n",
    ]
)
versions = st.sampled_from(["1.0", "2.0", None])
# Each name in one site only, so that no key is declared twice; none names a group.
single = st.builds(
    lambda name, version, points: Step("ab"[len(name) % 2], name, version, points),
    names.filter(lambda name: name not in ("g", "h", "foo")),
    versions,
    texts,
)
several = st.builds(Step, st.sampled_from("ab"), names, versions, texts, st.booleans())


def apply_step(root: Path, step: Step, alone: bool) -> None:
    """Do as an installer does; if `alone`, remove the previous version first."""
    site = root / step.site
    tree = dist(step.name, step.version or "1.0", step.points)
    ((directory, files),) = tree.items()
    if step.without_metadata:
        del files["METADATA"]
    for old in site.glob("*.dist-info"):
        stem = old.name.partition("-")[0]
        if stem == directory.partition("-")[0] and (alone or step.version is None):
            shutil.rmtree(old)
    if step.version is not None:
        shutil.rmtree(site / directory, ignore_errors=True)
        plant(site, tree)


def make_index(root: Path, steps: list[Step], alone: bool, ahead: int = LATER) -> Index:
    for site in "ab":
        (root / site).mkdir()
    for step in steps:
        apply_step(root, step, alone)
    return from_bytes(scan_completely(root, time.time_ns() + ahead))


@contextlib.contextmanager
def files_by_path(few: int) -> Iterator[None]:
    """Access the files of path entries that have so few of them by their full paths."""
    before, watch_module.SHARED_BLOCK_MAX = watch_module.SHARED_BLOCK_MAX, few
    try:
        yield
    finally:
        watch_module.SHARED_BLOCK_MAX = before


@examples(150)
@given(
    before=st.lists(single, max_size=6),
    after=st.lists(single, min_size=1, max_size=4),
    ahead=st.sampled_from([0, LATER]),
    few=st.sampled_from([0, 1, 8]),
)
def test_changes_of_names_that_are_declared_once_are_patched(
    before: list[Step], after: list[Step], ahead: int, few: int
) -> None:
    with tempfile.TemporaryDirectory() as directory, files_by_path(few):
        root = Path(directory)
        index = make_index(root, before, True, ahead)
        for step in after:
            apply_step(root, step, alone=True)
            clock = time.time_ns() + ahead
            content = patch_index(index, clock)
            assert content is not None
            assert content.decode() == scan_completely(root, clock).decode()
            index = from_bytes(content)
        # Racy stat data becomes reliable later, in the same way.
        clock = time.time_ns() + LATER
        assert patch_index(index, clock) == scan_completely(root, clock)


@examples(150)
@given(
    before=st.lists(several, max_size=8),
    after=st.lists(several, min_size=1, max_size=4),
    few=st.sampled_from([0, 1, 8]),
)
def test_after_any_changes_a_patch_is_correct_or_not_made(
    before: list[Step], after: list[Step], few: int
) -> None:
    with tempfile.TemporaryDirectory() as directory, files_by_path(few):
        root = Path(directory)
        index = make_index(root, before, alone=False)
        for step in after:
            apply_step(root, step, alone=False)
            clock = time.time_ns() + LATER
            expected = scan_completely(root, clock)
            content = patch_index(index, clock)
            if content is not None:
                assert content.decode() == expected.decode()
            else:
                # Metadata that was read because a key was declared twice is kept.
                updated = from_bytes(rebuild.rebuild(key_of(root), index, True, clock))
                complete = from_bytes(expected)
                for group in ("g", "h", 'i "', "foo"):
                    assert updated.rows(group) == complete.rows(group)
            index = from_bytes(expected)


def replace_with_a_file(root: Path) -> None:
    (root / "b").rmdir()
    (root / "b").write_text("text")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a name is declared twice": lambda root: plant(root / "b", dist("one")),
    "a directory was removed": lambda root: shutil.rmtree(root / "b"),
    "a directory was added": lambda root: (root / "absent").mkdir(),
    "a directory became a file": replace_with_a_file,
    "a distribution without metadata was added": lambda root: plant(
        root / "a", {"bare-1.dist-info": {"entry_points.txt": "[g]\nb = m:f\n"}}
    ),
    "a name is in its metadata only": lambda root: plant(
        root / "a", {".dist-info": {"METADATA": "Name: bare\n"}}
    ),
    "many distributions changed": lambda root: [
        plant(root / "a", dist(f"many{n}")) for n in range(40)
    ],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_that_cannot_be_patched_is_left_to_a_rescan(
    change: str, tmp_path: Path
) -> None:
    index = make_index(
        tmp_path, [Step("a", "one", "1.0", "[g]\na = m:f\n")], alone=True
    )
    CHANGES[change](tmp_path)
    assert patch_index(index, time.time_ns() + LATER) is None


@pytest.mark.parametrize("shadowed", [True, False])
def test_a_change_of_a_name_that_is_declared_once_among_others_is_patched(
    shadowed: bool, tmp_path: Path
) -> None:
    twice = [Step(site, "twin", "1.0", "[g]\na = m:f\n") for site in "ab"]
    other = Step("b", "other", "1.0", "[g]\nb = m:f\n")
    index = make_index(tmp_path, [*twice, other], alone=True)
    changed = twice[1] if shadowed else other
    apply_step(tmp_path, changed._replace(points="[g]\nc = m:f\n"), alone=True)
    clock = time.time_ns() + LATER
    if shadowed:
        assert patch_index(index, clock) is None
    else:
        assert patch_index(index, clock) == scan_completely(tmp_path, clock)


@pytest.mark.parametrize("part", ["records", "watch list"])
def test_a_damaged_part_is_not_mistaken_for_a_change(part: str, tmp_path: Path) -> None:
    index = make_index(
        tmp_path, [Step("a", "one", "1.0", "[g]\na = m:f\n")], alone=True
    )
    data = scan_completely(tmp_path, time.time_ns() + LATER)
    at = len(data) - 3 if part == "records" else index.after_watch - 3
    damaged = from_bytes(data[:at] + b"X" + data[at + 1 :])
    with pytest.raises(ValueError, match=part):
        patch_index(damaged, time.time_ns() + LATER)


def test_a_damaged_group_is_not_patched(tmp_path: Path) -> None:
    one = Step("a", "one", "1.0", "[g]\na = m:f\n")
    index = make_index(tmp_path, [one], alone=True)
    data = scan_completely(tmp_path, time.time_ns() + LATER)
    damaged = from_bytes(data.replace(b'"m:f"', b'"m:X"'))
    assert damaged.header == index.header
    apply_step(tmp_path, one._replace(version="2.0"), alone=True)
    assert patch_index(damaged, time.time_ns() + LATER) is None


def test_without_directory_descriptors_files_are_checked_by_full_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late_clock: Ticking
) -> None:
    # More files than are checked by full paths on other systems.
    steps = [Step("a", f"d{n}", "1.0", "[g]\na = m:f\n") for n in range(20)]
    with_descriptors = make_index(tmp_path, steps, alone=True)
    monkeypatch.setattr(_files, "HAS_DIR_FD", False)
    assert not _environment.is_fresh(with_descriptors, "full")
    index = from_bytes(scan_completely(tmp_path, time.time_ns() + LATER))
    before = late_clock.stat_calls
    monkeypatch.setattr(fs, "open", None)
    assert _environment.is_fresh(index, "full")
    assert late_clock.stat_calls > before
    (tmp_path / "a" / "d7-1.0.dist-info" / "entry_points.txt").unlink()
    assert not _environment.is_fresh(index, "full")


stat_signatures = st.sampled_from(["1 2 3 4", "5 6 7 8", "1 1 3 4 0123456789abcdef"])
file_names = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=4)


@examples(200)
@given(
    entries=st.dictionaries(
        st.sampled_from(["/", "/a", "/a/", "/a/b", '/"', "/\u00e4", "/\ud800"]),
        st.tuples(st.sets(file_names), st.dictionaries(file_names, stat_signatures)),
        min_size=1,
    ),
    few=st.integers(0, 6),
)
def test_decoding_the_watch_lists_gives_what_was_encoded(
    entries: dict[str, tuple[set[str], dict[str, str]]], few: int
) -> None:
    watch = {}
    for place, (absent, present) in enumerate(entries.values()):
        names = dict(
            sorted(
                (quote(name)[1:-1], signature) for name, signature in present.items()
            )
        )
        watch[place] = watch_module.WatchList(
            records.texts_line(sorted(quote(name)[1:-1] for name in absent)),
            records.texts_line([*names]),
            [_content.stat_hash(signature) for signature in names.values()],
            {
                name
                for name, signature in names.items()
                if _content.is_by_content(signature)
            },
        )
    key = ["/prefix", *entries]
    with files_by_path(few):
        data = layout.assemble(key, [None] * len(entries), [], True, watch, {}, "")
    found: dict[int, watch_module.WatchList] = {}
    for block in from_bytes(data).watched():
        decoded = watch_module.decode_block(key, block, [])
        assert block[0].endswith(",") == all(
            sum(each.counts()) <= few for each in map(watch.get, decoded) if each
        )
        found |= decoded
    for place, each in watch.items():
        if sum(each.counts()):
            list_found = found.pop(place)
            assert (list_found.absent, list_found.present) == (
                each.absent,
                each.present,
            )
            assert list_found.by_content == each.by_content
    assert not found
