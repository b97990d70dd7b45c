"""Test that invalid input changes no answer, and that errors say what to do."""

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
    """A path object that may violate the protocol of `os.PathLike`."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __fspath__(self) -> str:
        answer: str = self._answer
        return answer


NOT_PATHS: dict[str, Any] = {
    "None": None,
    "a number": 1,
    "a fraction": 1.5,
    "bytes": b"/usr",
    "a list": ["/usr"],
    "a dict": {},
    "an object": object(),
    "a class": Path,
    "a path object of bytes": Hostile(b"/usr"),
    "a path object of None": Hostile(None),
    "an embedded NUL": "/usr/\0",
}


@pytest.mark.parametrize("entry", NOT_PATHS.values(), ids=list(NOT_PATHS))
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.odd_path
def test_an_entry_that_is_not_a_path_is_ignored_and_reported(
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
        assert problem.reason == f"ignoring {entry!r}, which is not a path"


UNUSABLE_PATHS: dict[str, str] = {
    "absent": "/no/such/directory",
    "a lone surrogate": "/no/\ud800/directory",
    "an escaped byte": "/no/\udcff/directory",
    "far too long": "/" + "x" * 5000,
    "deeper than the system allows": "/x" * 5000,
    "a newline": "/no/such\ndirectory",
    "a quote": '/no/"such"\\directory',
    "a device": os.devnull,
    "an interpreter": sys.executable,
}


@pytest.mark.parametrize("entry", UNUSABLE_PATHS.values(), ids=list(UNUSABLE_PATHS))
@pytest.mark.odd_path
def test_an_unusable_path_affects_no_other(
    entry: str, site: PlantSite, set_path: SetPath
) -> None:
    set_path(entry, site(dist("foo", entry_points=POINTS)), entry)
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
def test_a_string_of_a_subclass_is_a_path(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Text(str):
        __slots__ = ()

    directory = Text(site(dist("foo", entry_points=POINTS)))
    monkeypatch.setattr(sys, "path", [directory])
    for _ in range(2):
        lazyplug.invalidate_caches()
        assert names() == ["a"]


def test_extensions_of_a_path_entry_disappear_and_return_with_it(
    site: PlantSite, set_path: SetPath
) -> None:
    one, two = site(dist("one", entry_points=POINTS), "one"), site(dist("two"), "two")
    set_path(one, two)
    assert names() == ["a"]
    one.rename(one.parent / "aside")
    assert names() == ["a"]  # until this process rescans
    lazyplug.refresh()
    assert names() == []
    (one.parent / "aside").rename(one)
    lazyplug.refresh()
    assert names() == ["a"]


def test_a_removed_current_directory_is_ignored(
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
def test_any_text_may_be_queried(
    group: str, site: PlantSite, set_path: SetPath
) -> None:
    set_path(site(dist("foo", entry_points=POINTS)))
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
    "a directory": {},
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=list(MALFORMED))
def test_a_malformed_file_is_reported_and_affects_no_other(
    content: Any, site: PlantSite, set_path: SetPath
) -> None:
    bad: Tree = {
        "bad-1.0.dist-info": {"METADATA": "Name: bad\n", "entry_points.txt": content}
    }
    directory = site({**bad, **dist("foo", entry_points=POINTS)})
    set_path(directory)
    assert lazyplug.DriverManager[str]("g", "a").driver == os.sep
    (problem,) = lazyplug.problems()
    assert problem.path == str(directory / "bad-1.0.dist-info" / "entry_points.txt")
    assert str(problem).startswith(problem.path)
    assert problem.reason


def test_a_problem_names_the_line_if_there_is_one(
    site: PlantSite, set_path: SetPath
) -> None:
    directory = site(dist("bad", entry_points="[g]\na = os:sep\nb\n"))
    set_path(directory)
    (problem,) = lazyplug.problems()
    file = directory / "bad-1.0.dist-info" / "entry_points.txt"
    assert str(problem) == f"{file}, line 3: no '=' in 'b'"


# ------------------------------------------------------------------ errors of lookups


def test_the_error_for_an_unknown_name_lists_the_group_similar_and_all_names(
    site: PlantSite, set_path: SetPath
) -> None:
    set_path(site(dist("foo", entry_points="[codecs]\njson = os:sep\nyaml = os:sep\n")))
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


def test_the_error_for_an_unknown_group_lists_similar_groups(
    site: PlantSite, set_path: SetPath
) -> None:
    set_path(site(dist("foo", entry_points="[my.codecs]\njson = os:sep\n")))
    text = "did you mean the group 'my.codecs'"
    with pytest.raises(lazyplug.NoMatches, match=text) as caught:
        lazyplug.DriverManager[str]("my.codec", "json")
    assert caught.value.near == ("my.codecs",)
    with pytest.raises(lazyplug.NoMatches, match=r"is the distribution .* installed"):
        lazyplug.DriverManager[str]("something else", "json")


def test_the_error_in_an_empty_environment_says_so(set_path: SetPath) -> None:
    set_path()
    assert lazyplug.entry_points() == ()
    assert lazyplug.problems() == []
    assert list(lazyplug.ExtensionManager[Any]("g")) == []
    text = r"no entry points found on sys\.path: is the metadata"
    with pytest.raises(lazyplug.NoMatches, match=text):
        lazyplug.DriverManager[Any]("g", "a")


def test_an_error_mentions_problems_in_the_metadata(
    site: PlantSite, set_path: SetPath
) -> None:
    directory = site(
        {**dist("one", entry_points="[g]\na\n"), **dist("two", entry_points="[g]\nb\n")}
    )
    set_path(directory)
    text = r"Note: 2 problems found in the metadata, such as .*no '=' in 'a'\. Run `l"
    with pytest.raises(lazyplug.NoMatches, match=text):
        lazyplug.DriverManager[Any]("g", "a")


def test_two_distributions_for_one_driver_are_both_named(
    site: PlantSite, set_path: SetPath
) -> None:
    one = dist("Foo.One", "1.0", POINTS)
    directory = site({**one, **dist("two", "2.0", POINTS)})
    set_path(directory)
    with pytest.raises(
        lazyplug.MultipleMatches, match="'a' is declared more than once"
    ) as caught:
        lazyplug.DriverManager[str]("g", "a")
    text = str(caught.value)
    for part in (
        "Foo.One 1.0",
        "two 2.0",
        "entry_points.txt, line 2",
        "conflict_resolver=",
    ):
        assert part in text
    assert [found.name for found in caught.value.extensions] == ["a", "a"]
    assert (caught.value.namespace, caught.value.name) == ("g", "a")


def test_an_error_names_the_version_that_is_installed_now(
    site: PlantSite, set_path: SetPath
) -> None:
    directory = site(
        {**dist("one", entry_points=POINTS), **dist("two", entry_points=POINTS)}
    )
    set_path(directory)
    names()
    (directory / "two-1.0.dist-info" / "METADATA").write_text(
        "Name: Two\nVersion: 1.0.1\n"
    )
    lazyplug.invalidate_caches()
    with pytest.raises(lazyplug.MultipleMatches, match=r"declared by Two 1\.0\.1 in"):
        lazyplug.DriverManager[str]("g", "a")


# ------------------------------------------------------------- in a user's program


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
EXPECTED = [os.sep, ["a"], 1]


def run(site: Path, *options: str, **env: str) -> Any:
    """Run a program with warnings as errors; check that it writes nothing to stderr."""
    done = python("-W", "error", *options, "-c", PROGRAM, str(site), env=env)
    assert done.stderr == ""
    return json.loads(done.stdout)


def _truncate(cache: Path) -> None:
    (file,) = cache.glob("*.json")
    file.write_bytes(file.read_bytes()[:-20])


def _overwrite(cache: Path) -> None:
    (file,) = cache.glob("*.json")
    file.write_bytes(b"\0\xff" * 1000)


def _empty(cache: Path) -> None:
    (file,) = cache.glob("*.json")
    file.write_bytes(b"")


def _flip_bits(cache: Path) -> None:
    (file,) = cache.glob("*.json")
    data = bytearray(file.read_bytes())
    for at in range(60, len(data), 50):
        data[at] ^= 1
    file.write_bytes(data)


def _open_to_others(cache: Path) -> None:
    cache.chmod(0o777)


def _replace_with_a_file(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.write_text("mine")


def _replace_with_a_loop(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.symlink_to(cache)


def _remove(cache: Path) -> None:
    shutil.rmtree(cache)


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _overwrite,
        _empty,
        _flip_bits,
        _open_to_others,
        _replace_with_a_file,
        _replace_with_a_loop,
        _remove,
    ],
)
def test_a_broken_cache_does_not_change_the_output_of_a_program(
    damage: Callable[[Path], None], site: PlantSite, isolated: Path
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    assert run(directory) == EXPECTED
    assert isolated.is_dir()
    damage(isolated)
    assert run(directory) == EXPECTED
    assert run(directory) == EXPECTED


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
def test_unusual_variables_do_not_change_the_output_of_a_program(
    env: dict[str, str], site: PlantSite
) -> None:
    directory = site(dist("foo", entry_points=POINTS))
    assert run(directory, **env) == EXPECTED
    assert run(directory, **env) == EXPECTED


@pytest.mark.parametrize(
    "options", [["-I"], ["-E"], ["-P"], ["-B"], ["-OO"], ["-bb"]], ids=str
)
def test_unusual_options_of_python_do_not_change_the_output_of_a_program(
    options: list[str], site: PlantSite, tmp_path: Path
) -> None:
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": ""}
    directory = site(dist("foo", entry_points=POINTS))
    assert run(directory, *options, **env) == EXPECTED
    assert run(directory, *options, **env) == EXPECTED


def test_broken_metadata_is_logged_when_it_is_scanned_and_changes_no_answer(
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
    assert json.loads(done.stdout) == EXPECTED
    assert done.stderr == ""
    with_logging = (
        f"import logging\nlogging.basicConfig(format='%(message)s')\n{PROGRAM}"
    )
    env = {"LAZYPLUG_CACHE_DIR": str(tmp_path / "another")}
    done = python("-W", "error", "-c", with_logging, str(directory), env=env)
    assert json.loads(done.stdout) == EXPECTED
    (message,) = done.stderr.splitlines()
    assert message.startswith("ignoring broken metadata: ")
    assert message.endswith(
        " problems found). Run `lazyplug doctor`, or call lazyplug.problems()."
    )
    # Later starts use the index.
    assert run(directory) == EXPECTED
