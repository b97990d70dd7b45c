"""What passes is not remembered: mocks, a lack of memory, images that are exchanged."""

import resource
import sys
import zipfile
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import lazyplug
from lazyplug.testing import Tree, dist, plant
from tests.support.apart import ANSWER, attempt, count_outcome
from tests.support.calls import NAMES
from tests.support.clock import LATER
from tests.support.environments import TIMES, Image
from tests.support.fixtures import Count, PlantSite, SetPath
from tests.support.seam import fs

MOCKED = "functions of os, io and pathlib are mocked"
MEMORY = "memory is short while an archive is read"
IMAGES = "an image is mounted in place of another one"


def look() -> list[str]:
    """Look as a new process does."""
    lazyplug.invalidate_caches()
    return sorted(f"{p.group} {p.name} {p.value}" for p in lazyplug.entry_points())


# --------------------------------------------------------------------------- mocked

VALUES: list[dict[str, Any]] = [
    {"return_value": []},
    {"return_value": ["b", "a"]},
    {"return_value": ""},
    {"return_value": b""},
    {"return_value": False},
    {"return_value": True},
    {"return_value": -1},
    {"side_effect": OSError(2, "mocked")},
    {"side_effect": PermissionError(13, "mocked")},
    {"side_effect": RuntimeError("mocked")},
]


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_no_mocked_function_changes_an_answer_or_is_remembered(
    warm: bool,
    site: PlantSite,
    only: SetPath,
    isolated: Path,
    long: bool,
    tally: Count,
) -> None:
    directory = site({**dist("a", entry_points="[g]\na = m:a\n"), **dist("b")})
    with zipfile.ZipFile(directory / "all.zip", "w") as archive:
        archive.writestr("z-1.dist-info/METADATA", "Name: z\nVersion: 1\n")
        archive.writestr("z-1.dist-info/entry_points.txt", "[g]\nz = m:z\n")
    only(directory, directory / "all.zip")
    truth = look()
    assert len(truth) == 2
    with tally(MOCKED) as count:
        for number, name in enumerate(NAMES):
            for how in VALUES if long else VALUES[number % 5 :: 5]:
                if not warm:
                    for file in isolated.iterdir():
                        file.unlink()
                label = f"{name} {how}"
                with mock.patch(name, **how):
                    count.hold(look, truth, label)
                count.hold(look, truth, f"{label}, next look")


# --------------------------------------------------------------------------- memory


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by RLIMIT_AS")
def test_an_archive_is_read_again_after_memory_was_short(
    site: PlantSite,
    only: SetPath,
    isolated: Path,
    long: bool,
    tally: Count,
) -> None:
    directory = site(dist("a", entry_points="[g]\na = m:a\n"))
    with zipfile.ZipFile(directory / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            info = f"z{number}-1.dist-info"
            archive.writestr(f"{info}/METADATA", f"Name: z{number}\nVersion: 1\n")
            text = f"[g]\nz{number} = m:z\n" + "# nothing\n" * 200_000
            archive.writestr(f"{info}/entry_points.txt", text)
    only(directory, directory / "all.zip")
    truth = look()
    assert len(truth) == 5
    clock = fs.clock

    def asked(spare: int) -> Callable[[], list[str]]:
        def ask() -> list[str]:
            fs.clock = lambda: clock() + LATER
            with open("/proc/self/statm", encoding="ascii") as file:
                pages = int(file.read().split()[0])
            limit = pages * resource.getpagesize() + spare
            if spare:
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            try:
                return look()
            except MemoryError:
                return []

        return ask

    step = 1 << (16 if long else 19)
    with tally(MEMORY) as count:
        for spare in range(step, 1 << 23, step):
            for file in isolated.iterdir():
                file.unlink()
            kind, found = attempt(asked(spare))
            # What it found without memory is of this process alone.
            known = kind == ANSWER and {*truth}.issuperset(found)
            outcome = kind, truth if known else found
            count_outcome(count, outcome, truth, f"{spare} bytes")
            count_outcome(count, attempt(asked(0)), truth, f"{spare} bytes, next look")


# --------------------------------------------------------------------------- images


def trees() -> Iterator[Tree]:
    """Yield images whose files have pairwise the same names, or the same sizes."""
    for value in ("one", "two"):
        yield dist("foo", entry_points=f"[g]\na = m:{value}\n")
        yield dist("foo", "2.0", entry_points=f"[g]\na = m:{value}\n")
        yield dist("bar", entry_points=f"[h]\na = m:{value}\n")
    yield {}
    yield dist("foo")
    yield {"foo-1.0.dist-info": {"entry_points.txt": "[g]\na = m:bare\n"}}
    for name in ("foo", "bar"):
        files = {"METADATA": f"Name: {name}\n", "entry_points.txt": "[g]\nx = y\n"}
        yield {"-1.dist-info": files}


@pytest.mark.parametrize("time", [*TIMES.values()], ids=[*TIMES])
def test_another_image_is_never_answered_from_the_index_of_the_first(
    time: int,
    tmp_path: Path,
    only: SetPath,
    long: bool,
    tally: Count,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = [plant(tmp_path / str(at), tree) for at, tree in enumerate(trees())]
    place = tmp_path / "mounted"
    only(place)
    truths = []
    for image in images:
        image.rename(place)
        with monkeypatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "off")
            truths.append(look())
        place.rename(image)
    seen = Image(time)
    for name in ("stat", "fstat"):
        monkeypatch.setattr(fs, name, getattr(seen, name))
    pairs = [*permutations(range(len(images)), 2)]
    with tally(IMAGES) as count:
        for pair in pairs if long else pairs[::7]:
            for at in (*pair, *pair):
                images[at].rename(place)
                count.hold(look, truths[at], f"{pair} at {time}")
                place.rename(images[at])
