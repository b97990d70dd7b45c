"""Check that temporary faults are not remembered: mocks, lack of memory, images."""

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
from tests.support.attempts import ANSWER, attempt, count_outcome
from tests.support.calls import NAMES
from tests.support.clock import LATER
from tests.support.environments import TIMES, Image
from tests.support.fixtures import Count, PlantSite, SetPath
from tests.support.fs import fs

MOCKED = "functions of os, io and pathlib are mocked"
MEMORY = "memory is short while an archive is read"
IMAGES = "an image is mounted in place of another one"


def query() -> list[str]:
    """Return all entry points, as a new process."""
    lazyplug.invalidate_caches()
    return sorted(f"{p.group} {p.name} {p.value}" for p in lazyplug.entry_points())


# ---------------------------------------------------------------------------- mocks

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
    set_path: SetPath,
    isolated: Path,
    long: bool,
    tally: Count,
) -> None:
    directory = site({**dist("a", entry_points="[g]\na = m:a\n"), **dist("b")})
    with zipfile.ZipFile(directory / "all.zip", "w") as archive:
        archive.writestr("z-1.dist-info/METADATA", "Name: z\nVersion: 1\n")
        archive.writestr("z-1.dist-info/entry_points.txt", "[g]\nz = m:z\n")
    set_path(directory, directory / "all.zip")
    truth = query()
    assert len(truth) == 2
    with tally(MOCKED) as count:
        for number, name in enumerate(NAMES):
            for how in VALUES if long else VALUES[number % 5 :: 5]:
                if not warm:
                    for file in isolated.iterdir():
                        file.unlink()
                label = f"{name} {how}"
                with mock.patch(name, **how):
                    count.check(query, truth, label)
                count.check(query, truth, f"{label}, next query")


# --------------------------------------------------------------------------- memory


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited by RLIMIT_AS")
def test_an_archive_is_read_again_after_a_lack_of_memory(
    site: PlantSite,
    set_path: SetPath,
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
    set_path(directory, directory / "all.zip")
    truth = query()
    assert len(truth) == 5
    clock = fs.clock

    def with_memory(spare: int) -> Callable[[], list[str]]:
        def ask() -> list[str]:
            fs.clock = lambda: clock() + LATER
            with open("/proc/self/statm", encoding="ascii") as file:
                pages = int(file.read().split()[0])
            limit = pages * resource.getpagesize() + spare
            if spare:
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            try:
                return query()
            except MemoryError:
                return []

        return ask

    step = 1 << (16 if long else 19)
    with tally(MEMORY) as count:
        for spare in range(step, 1 << 23, step):
            for file in isolated.iterdir():
                file.unlink()
            kind, found = attempt(with_memory(spare))
            # An incomplete answer is not wrong here: only this process has it.
            known = kind == ANSWER and {*truth}.issuperset(found)
            outcome = kind, truth if known else found
            count_outcome(count, outcome, truth, f"{spare} bytes")
            count_outcome(
                count, attempt(with_memory(0)), truth, f"{spare} bytes, next query"
            )


# --------------------------------------------------------------------------- images


def trees() -> Iterator[Tree]:
    """Yield images, pairs of which have files of the same names or the same sizes."""
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
def test_the_index_of_one_image_never_answers_for_another_image(
    time: int,
    tmp_path: Path,
    set_path: SetPath,
    long: bool,
    tally: Count,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = [plant(tmp_path / str(at), tree) for at, tree in enumerate(trees())]
    mounted = tmp_path / "mounted"
    set_path(mounted)
    truths = []
    for image in images:
        image.rename(mounted)
        with monkeypatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "off")
            truths.append(query())
        mounted.rename(image)
    system = Image(time)
    for name in ("stat", "fstat"):
        monkeypatch.setattr(fs, name, getattr(system, name))
    pairs = [*permutations(range(len(images)), 2)]
    with tally(IMAGES) as count:
        for pair in pairs if long else pairs[::7]:
            for at in (*pair, *pair):
                images[at].rename(mounted)
                count.check(query, truths[at], f"{pair} at {time}")
                mounted.rename(images[at])
