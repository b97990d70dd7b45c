"""Whatever is wrong outside, the answer is right, and errors say what to do next."""

import json
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug.testing import Tree, dist, plant
from tests.support.children import python
from tests.support.fixtures import PlantSite, SetPath

ROOT = Path(lazyplug.__file__).parent.parent
POINTS = "[g]\na = os:sep\n"


def names(group: str = "g") -> list[str]:
    return [point.name for point in lazyplug.entry_points(group=group)]


# -------------------------------------------------------------------------- sys.path


class Hostile(os.PathLike[str]):
    """A path object of somebody who did not read the protocol."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __fspath__(self) -> str:
        answer: str = self._answer
        return answer


NO_PATHS: dict[str, Any] = {
    "None": None,
    "a number": 1,
    "a fraction": 1.5,
    "bytes": b"/usr",
    "a list": ["/usr"],
    "a dict": {},
    "an object": object(),
    "a class": Path,
    "a path object of bytes": Hostile(b"/usr"),
    "a path object of nothing": Hostile(None),
    "an embedded NUL": "/usr/\0",
}


@pytest.mark.parametrize("entry", NO_PATHS.values(), ids=list(NO_PATHS))
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.odd_path
def test_what_is_no_path_is_skipped_and_told(
    entry: Any, place: int, site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    path: list[Any] = [str(site(dist("foo", entry_points=POINTS)))]
    path.insert(place, entry)
    monkeypatch.setattr(sys, "path", path)
    for _ in range(2):
        lazyplug.invalidate_caches()
        assert names() == ["a"]
        (problem,) = lazyplug.problems()
        assert problem.path == f"sys.path[{place}]"
        assert problem.reason == f"{entry!r} is no path and is skipped"


STRANGE_PATHS: dict[str, str] = {
    "absent": "/no/such/folder",
    "a lone surrogate": "/no/\ud800/folder",
    "an escaped byte": "/no/\udcff/folder",
    "far too long": "/" + "x" * 5000,
    "deeper than the system allows": "/x" * 5000,
    "a newline": "/no/such\nfolder",
    "a quote": '/no/"such"\\folder',
    "a device": os.devnull,
    "an interpreter": sys.executable,
}


@pytest.mark.parametrize("entry", STRANGE_PATHS.values(), ids=list(STRANGE_PATHS))
@pytest.mark.odd_path
def test_a_path_that_leads_nowhere_harms_no_other(
    entry: str, site: PlantSite, only: SetPath
) -> None:
    only(entry, site(dist("foo", entry_points=POINTS)), entry)
    for _ in range(3):
        lazyplug.invalidate_caches()
        assert names() == ["a"]
        lazyplug.problems()


@pytest.mark.odd_path
def test_path_objects_are_paths(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = site(dist("one", entry_points=POINTS), "one"), site(dist("two"), "two")
    path: list[Any] = [pathlib.PurePath(one), Hostile(str(two)), str(one)]
    monkeypatch.setattr(sys, "path", path)
    lazyplug.invalidate_caches()
    assert names() == ["a"]
    assert lazyplug.problems() == []


@pytest.mark.odd_path
def test_a_string_of_ones_own_class_is_a_path(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Text(str):
        __slots__ = ()

    directory = Text(site(dist("foo", entry_points=POINTS)))
    monkeypatch.setattr(sys, "path", [directory])
    for _ in range(2):
        lazyplug.invalidate_caches()
        assert names() == ["a"]


def test_an_entry_that_vanishes_and_comes_back_takes_its_extensions_along(
    site: PlantSite, only: SetPath
) -> None:
    one, two = site(dist("one", entry_points=POINTS), "one"), site(dist("two"), "two")
    only(one, two)
    assert names() == ["a"]
    one.rename(one.parent / "aside")
    assert names() == ["a"]  # until this process looks again
    lazyplug.refresh()
    assert names() == []
    (one.parent / "aside").rename(one)
    lazyplug.refresh()
    assert names() == ["a"]


def test_a_current_folder_that_was_removed_is_survived(
    site: PlantSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    shutil.rmtree(gone)
    monkeypatch.setattr(
        sys, "path", ["", "relative", str(site(dist("a", entry_points=POINTS)))]
    )
    lazyplug.invalidate_caches()
    assert names() == ["a"]


@pytest.mark.parametrize("group", ["", "\0", "\ud800", "g\n", "x" * 100_000, '"'])
def test_any_text_may_be_asked_for(group: str, site: PlantSite, only: SetPath) -> None:
    only(site(dist("foo", entry_points=POINTS)))
    assert lazyplug.entry_points(group=group) == ()
    assert lazyplug.ExtensionManager[Any](group).names() == []
    with pytest.raises(lazyplug.NoMatches, match="no extension named"):
        lazyplug.DriverManager[Any](group, group)


# -------------------------------------------------------------------------- metadata

MALFORMED: dict[str, Any] = {
    "junk": bytes(range(256)),
    "UTF-16": "[g]\nb = os:sep\n".encode("utf-16"),
    "no equals": "[g]\nb\n",
    "no group": "b = os:sep\n",
    "a folder": {},
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_file_harms_no_other_and_is_told(
    content: Any, site: PlantSite, only: SetPath
) -> None:
    bad: Tree = {
        "bad-1.0.dist-info": {"METADATA": "Name: bad\n", "entry_points.txt": content}
    }
    directory = site({**bad, **dist("foo", entry_points=POINTS)})
    only(directory)
    assert lazyplug.DriverManager[str]("g", "a").driver == os.sep
    (problem,) = lazyplug.problems()
    assert problem.path == str(directory / "bad-1.0.dist-info" / "entry_points.txt")
    assert str(problem).startswith(problem.path)
    assert problem.reason


def test_a_problem_says_the_line_where_there_is_one(
    site: PlantSite, only: SetPath
) -> None:
    directory = site(dist("bad", entry_points="[g]\na = os:sep\nb\n"))
    only(directory)
    (problem,) = lazyplug.problems()
    file = directory / "bad-1.0.dist-info" / "entry_points.txt"
    assert str(problem) == f"{file}, line 3: no '=' in 'b'"


# ---------------------------------------------------------------------- not one match


def test_an_unknown_name_names_the_group_what_is_near_and_what_there_is(
    site: PlantSite, only: SetPath
) -> None:
    only(site(dist("foo", entry_points="[codecs]\njson = os:sep\nyaml = os:sep\n")))
    text = (
        "no extension named 'jsno' in group 'codecs'; did you mean 'json'?"
        " Available: 'json', 'yaml'."
    )
    with pytest.raises(lazyplug.NoMatches, match=f"^{re.escape(text)}$") as caught:
        lazyplug.DriverManager[str]("codecs", "jsno")
    error = caught.value
    assert (error.namespace, error.name) == ("codecs", "jsno")
    assert error.near == ("json",)
    assert sorted(error.available) == ["json", "yaml"]
    assert isinstance(error, KeyError)
    assert isinstance(error, RuntimeError)
    manager = lazyplug.ExtensionManager[str]("codecs")
    with pytest.raises(KeyError, match=re.escape(text)):
        _ = manager["jsno"]


def test_an_unknown_group_names_the_groups_that_are_near(
    site: PlantSite, only: SetPath
) -> None:
    only(site(dist("foo", entry_points="[my.codecs]\njson = os:sep\n")))
    text = "did you mean the group 'my.codecs'"
    with pytest.raises(lazyplug.NoMatches, match=text) as caught:
        lazyplug.DriverManager[str]("my.codec", "json")
    assert caught.value.near == ("my.codecs",)
    with pytest.raises(lazyplug.NoMatches, match=r"is the distribution .* installed"):
        lazyplug.DriverManager[str]("something else", "json")


def test_an_environment_with_nothing_in_it_says_so(only: SetPath) -> None:
    only()
    assert lazyplug.entry_points() == ()
    assert lazyplug.problems() == []
    assert list(lazyplug.ExtensionManager[Any]("g")) == []
    with pytest.raises(lazyplug.NoMatches, match="no entry points at all are visible"):
        lazyplug.DriverManager[Any]("g", "a")


def test_an_error_mentions_what_is_wrong_with_the_metadata(
    site: PlantSite, only: SetPath
) -> None:
    directory = site(
        {**dist("one", entry_points="[g]\na\n"), **dist("two", entry_points="[g]\nb\n")}
    )
    only(directory)
    text = "Note: metadata with problems, 2: .*no '=' in 'a'; all: lazyplug.problems"
    with pytest.raises(lazyplug.NoMatches, match=text):
        lazyplug.DriverManager[Any]("g", "a")


def test_two_distributions_for_one_driver_are_both_named(
    site: PlantSite, only: SetPath
) -> None:
    one = dist("Foo.One", "1.0", POINTS)
    directory = site({**one, **dist("two", "2.0", POINTS)})
    only(directory)
    with pytest.raises(
        lazyplug.MultipleMatches, match="2 extensions named 'a'"
    ) as caught:
        lazyplug.DriverManager[str]("g", "a")
    text = str(caught.value)
    for said in (
        "Foo.One 1.0",
        "two 2.0",
        "entry_points.txt, line 2",
        "conflict_resolver=",
    ):
        assert said in text
    assert [found.name for found in caught.value.extensions] == ["a", "a"]
    assert (caught.value.namespace, caught.value.name) == ("g", "a")


def test_an_error_says_the_version_that_is_installed_now(
    site: PlantSite, only: SetPath
) -> None:
    directory = site(
        {**dist("one", entry_points=POINTS), **dist("two", entry_points=POINTS)}
    )
    only(directory)
    names()
    (directory / "two-1.0.dist-info" / "METADATA").write_text(
        "Name: Two\nVersion: 1.0.1\n"
    )
    lazyplug.invalidate_caches()
    with pytest.raises(lazyplug.MultipleMatches, match=r"declared by Two 1\.0\.1 in"):
        lazyplug.DriverManager[str]("g", "a")


# ------------------------------------------------------------- as a user's program


PROGRAM = f"""
import sys
sys.path[:] = [*sys.argv[1:], {str(ROOT)!r}, *sys.path]
import json, lazyplug
print(json.dumps([
    lazyplug.DriverManager("g", "a").driver,
    lazyplug.ExtensionManager("g").names(),
    len(lazyplug.entry_points(group="g")),
]))
"""
SAID = [os.sep, ["a"], 1]


def run(site: Path, *options: str, **env: str) -> Any:
    """Run a program that is strict about itself; it must not say a word."""
    done = python("-W", "error", *options, "-c", PROGRAM, str(site), env=env)
    assert done.stderr == ""
    return json.loads(done.stdout)


def _cut(cache: Path) -> None:
    (file,) = cache.glob("*.json")
    file.write_bytes(file.read_bytes()[:-20])


def _junk(cache: Path) -> None:
    (file,) = cache.glob("*.json")
    file.write_bytes(b"\0\xff" * 1000)


def _emptied(cache: Path) -> None:
    (file,) = cache.glob("*.json")
    file.write_bytes(b"")


def _flipped(cache: Path) -> None:
    (file,) = cache.glob("*.json")
    data = bytearray(file.read_bytes())
    for at in range(60, len(data), 50):
        data[at] ^= 1
    file.write_bytes(data)


def _of_others(cache: Path) -> None:
    cache.chmod(0o777)


def _a_file(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.write_text("mine")


def _a_link_to_itself(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.symlink_to(cache)


def _gone(cache: Path) -> None:
    shutil.rmtree(cache)


@pytest.mark.parametrize(
    "harm",
    [_cut, _junk, _emptied, _flipped, _of_others, _a_file, _a_link_to_itself, _gone],
)
def test_a_broken_cache_changes_no_word_of_a_program(
    harm: Callable[[Path], None], site: PlantSite, isolated: Path
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    assert run(directory) == SAID
    assert isolated.is_dir()
    harm(isolated)
    assert run(directory) == SAID
    assert run(directory) == SAID


@pytest.mark.parametrize(
    "env",
    [
        {"LAZYPLUG_CACHE_DIR": "/proc/1/no"},
        {"LAZYPLUG_CACHE_DIR": "/dev/null/no"},
        {"LAZYPLUG_CACHE_DIR": "", "HOME": "/dev/null", "XDG_CACHE_HOME": ""},
        {"LAZYPLUG_CACHE_DIR": "", "HOME": "/proc/1/no", "XDG_CACHE_HOME": "/dev/null"},
        {"LAZYPLUG_CACHE": "off"},
        {"LAZYPLUG_CACHE": "readonly"},
        {"LAZYPLUG_CHECK": "dirs"},
        {"LAZYPLUG_CHECK": "none"},
        {"LAZYPLUG_CACHE_DIR": "x" * 300},
    ],
    ids=str,
)
def test_an_odd_environment_changes_no_word_of_a_program(
    env: dict[str, str], site: PlantSite
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    assert run(directory, **env) == SAID
    assert run(directory, **env) == SAID


@pytest.mark.parametrize(
    "options", [["-I"], ["-E"], ["-P"], ["-B"], ["-OO"], ["-bb"]], ids=str
)
def test_an_odd_interpreter_changes_no_word_of_a_program(
    options: list[str], site: PlantSite, tmp_path: Path
) -> None:
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    directory = site(dist("foo", entry_points=POINTS))
    assert run(directory, *options, **env) == SAID
    assert run(directory, *options, **env) == SAID


def test_a_broken_environment_is_told_where_it_is_scanned_and_changes_no_answer(
    site: PlantSite, tmp_path: Path
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    plant(
        directory,
        {
            f"bad{number}-1.0.dist-info": {"METADATA": b"\xff", "entry_points.txt": bad}
            for number, bad in enumerate(MALFORMED.values())
        },
    )
    plant(
        directory,
        {"-1.dist-info": {"entry_points.txt": "[g]\nb = os:sep\n"}, "~x.egg-info": ""},
    )
    done = python("-W", "error", "-c", PROGRAM, str(directory))
    assert json.loads(done.stdout) == SAID
    assert done.stderr == ""
    logged = f"import logging\nlogging.basicConfig(format='%(message)s')\n{PROGRAM}"
    env = {"LAZYPLUG_CACHE_DIR": str(tmp_path / "another")}
    done = python("-W", "error", "-c", logged, str(directory), env=env)
    assert json.loads(done.stdout) == SAID
    (told,) = done.stderr.splitlines()
    assert told.startswith("ignoring broken metadata: ")
    assert told.endswith(" in all; lazyplug.problems() lists them")
    # From then on it is known.
    assert run(directory) == SAID
