"""Test that the start directory needs no index of its own, and is always scanned.

Python puts the directory in which a program starts, or that of the script, first on
the path; developers put `.` on PYTHONPATH. If that made another index, a program would
start cold in every directory.
"""

import ast
import os
import shutil
import time
import zipapp
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from lazyplug.testing import Tree, dist, plant
from tests.support.clock import LATER
from tests.support.environments import (
    RACY_SECONDS,
    Environment,
    forget_settings,
    vendor,
)
from tests.support.oracle import NEWEST_ORACLE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.many_starts,
    pytest.mark.skipif(os.name == "nt", reason="links, and the layout of POSIX"),
]

# Prints the entry points that are found, and whether a module was imported that only a
# cold start imports. With ASK=counting it imports these modules itself, to print
# whether the index was updated and which distributions were read.
PROBE = """
import os, sys, time

def main():
    directory = os.environ.get("GO_TO")
    if directory:
        os.chdir(directory)
    if os.environ.get("LEAVE"):
        os.rmdir(os.getcwd())
    asked = os.environ.get("ASK", "")
    ahead = int(os.environ.get("AHEAD", "0"))
    updates, read = [], []
    if asked == "oracle":
        from importlib_metadata import entry_points
    else:
        from lazyplug import _files, entry_points
        if ahead:
            _files.fs.clock = staticmethod(lambda: time.time_ns() + ahead)
    if asked == "counting":
        from lazyplug._indexing import patch, rebuild, scan
        from lazyplug._indexing import update as update_module
        update, scan_distribution = update_module.update, scan.scan_distribution
        update_module.update = lambda *a: updates.append(a) or update(*a)
        def note_scan(*a, **k):
            read.append(os.path.join(*a[:2]))
            return scan_distribution(*a, **k)
        for module in patch, rebuild, scan:
            module.scan_distribution = note_scan
    rows = [(point.name, point.value) for point in entry_points(group="demo")]
    updated = bool(updates) if asked else "lazyplug._indexing.update" in sys.modules
    everything = [(p.name, p.value) for p in entry_points() if p.group == "demo"]
    assert sorted(rows) == sorted(everything), everything
    print((updated, rows, read))

if __name__ == "__main__":
    main()
"""


class Answer(NamedTuple):
    """What one process found and read."""

    # True if the index was updated.
    updated: bool
    rows: list[tuple[str, str]]
    # The metadata directories that were read, with ASK=counting.
    read: list[str]


class Place:
    """An environment without racy stat data, and the ways to start a program in it.

    :param directory: where it is made.
    """

    def __init__(self, directory: Path) -> None:
        code = vendor(plant(directory / "code", {"probe.py": PROBE}))
        self.environment = Environment(directory / "environment", code, "--without-pip")
        for name in ("plain", "stable"):
            points = f"[demo]\n{name} = m:stable\n"
            plant(self.environment.site, dist(name, entry_points=points))
        self.bin = Path(self.environment.executable).parent
        scripts = plant(directory / "scripts", {"tool.py": PROBE})
        plant(self.bin, {"tool": PROBE})
        self.ways: dict[str, tuple[str, ...]] = {
            "-c": ("-c", "import probe; probe.main()"),
            "-m": ("-m", "probe"),
            "script": (str(scripts / "tool.py"),),
            "console script": (str(self.bin / "tool"),),
        }
        # The first import writes compiled files, into new directories.
        for mode in ("counting", "oracle"):
            self.start("-c", directory, mode, LAZYPLUG_CACHE="off")
        time.sleep(RACY_SECONDS)

    def start(self, way: str, directory: Path, mode: str = "", **env: str) -> Answer:
        """Start in a directory; lazyplug answers, or what is asked instead."""
        # As a shell sets it.
        env |= {"ASK": mode, "PWD": str(directory)}
        output = self.environment.run(
            *self.ways.get(way, (way,)), cwd=directory, env=env
        )
        return Answer(*ast.literal_eval(output))

    def start_and_check(self, way: str, directory: Path, **env: str) -> Answer:
        """Start and count; check that the oracle finds the same."""
        answer = self.start(way, directory, "counting", **env)
        oracle = self.start(way, directory, "oracle", **env)
        assert sorted(answer.rows) == sorted(oracle.rows)
        return answer


STABLE = {"plain": "m:stable", "stable": "m:stable"}
# The ways that find plugins in the current directory.
SEARCHING = [
    pytest.param("-c", "", id="-c"),
    pytest.param("-m", "", id="-m"),
    pytest.param("script", ".", id="script and PYTHONPATH=."),
    pytest.param("console script", ".", id="console script and PYTHONPATH=."),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch)
        yield Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)


class Cache:
    """The cache directory, after both indexes of an environment were written.

    :param directory: the cache directory.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.before = self.files()

    def files(self) -> dict[str, tuple[int, int]]:
        """Return the files, with inode and mtime to show if one was replaced."""
        status = {file.name: file.stat() for file in self.directory.iterdir()}
        return {name: (s.st_ino, s.st_mtime_ns) for name, s in status.items()}

    @property
    def unchanged(self) -> bool:
        return self.files() == self.before


@pytest.fixture
def cache(place: Place, isolated: Path, tmp_path: Path) -> Cache:
    """Start once in each way that has an index of its own."""
    for way in ("-c", "console script"):
        assert place.start(way, tmp_path).updated
    return Cache(isolated)


def egg_info(name: str, points: str | None = None) -> Tree:
    """Return the metadata directory that a build leaves in a source tree."""
    tree = {"PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    if points is not None:
        tree["entry_points.txt"] = points
    return {f"{name}.egg-info": tree}


def test_a_hundred_directories_make_two_cold_starts_and_two_files(
    place: Place, isolated: Path, tmp_path: Path
) -> None:
    directories = [plant(tmp_path / f"directory-{number}", {}) for number in range(100)]
    starts = [(way, dot) for way in place.ways for dot in ("", ".")]

    def updated(directory: Path, way: str, dot: str) -> bool:
        answer = place.start(way, directory, PYTHONPATH=dot)
        assert dict(answer.rows) == STABLE
        return answer.updated

    cold = [(way, dot) for way, dot in starts if updated(directories[0], way, dot)]
    # The directory of console scripts is inside the prefix, so that it is stable, and
    # first on their path, which has another key therefore. Any other entry that comes
    # first, or replaces the dot, is not part of an index's key.
    assert cold == [("-c", ""), ("console script", "")]
    before = Cache(isolated)
    assert len(before.files()) == 2
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rest = [
            pool.submit(updated, directory, way, dot)
            for directory in directories[1:]
            for way, dot in starts
        ]
        assert sum(start.result() for start in rest) == 0
    assert before.unchanged


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("-P", "-m", "probe"), id="the start directory not on the path"),
        pytest.param(
            ("-P", "{scripts}/tool.py"), id="the script's directory not on the path"
        ),
        pytest.param(("{scripts}",), id="a directory as program"),
        pytest.param(("{scripts}/link.py",), id="a symbolic link to a script"),
        pytest.param(("{scripts}/../linked/tool.py",), id="a symbolic link above it"),
    ],
)
def test_no_other_way_to_start_makes_an_index(
    arguments: tuple[str, ...], place: Place, cache: Cache, tmp_path: Path
) -> None:
    scripts = plant(tmp_path / "scripts", {"tool.py": PROBE, "__main__.py": PROBE})
    (tmp_path / "linked").symlink_to(scripts)
    (scripts / "link.py").symlink_to(place.ways["script"][0])
    place.environment.run(
        *[argument.format(scripts=scripts) for argument in arguments],
        cwd=tmp_path,
    )
    assert cache.unchanged


def test_a_zip_as_program_has_one_index_and_is_read_once(
    place: Place, cache: Cache, tmp_path: Path
) -> None:
    # A zip is one file with one stat signature. If it were volatile, each start would
    # import importlib_metadata.
    program = plant(tmp_path / "program", {"__main__.py": PROBE})
    zipapp.create_archive(program)
    time.sleep(2.1)  # until it is no longer racy
    updated = [
        Answer(
            *ast.literal_eval(place.environment.run(f"{program}.pyz", cwd=directory))
        )
        for directory in (tmp_path, program, tmp_path)
    ]
    assert [answer.updated for answer in updated] == [True, False, False]
    assert len(cache.files()) == len(cache.before) + 1


@pytest.mark.parametrize(("way", "dot"), SEARCHING)
def test_a_source_tree_is_found_from_its_directory_only(
    way: str, dot: str, place: Place, cache: Cache, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree", egg_info("mine", "[demo]\nmine = m:mine\n"))
    elsewhere = plant(tmp_path / "elsewhere", {})
    for directory, more in ((tree, {"mine": "m:mine"}), (elsewhere, {})) * 2:
        answer = place.start_and_check(way, directory, PYTHONPATH=dot)
        assert dict(answer.rows) == STABLE | more
        assert not answer.updated
        assert answer.read == [str(tree / "mine.egg-info")] * bool(more)
    assert cache.unchanged


def test_a_source_tree_is_found_by_its_own_script_wherever_that_is_started(
    place: Place, cache: Cache, tmp_path: Path
) -> None:
    tree = egg_info("mine", "[demo]\nmine = m:mine\n")
    script = str(plant(tmp_path / "tree", {"run.py": PROBE, **tree}) / "run.py")
    for directory in (tmp_path, tmp_path / "tree"):
        answer = place.start_and_check(script, directory)
        assert dict(answer.rows) == {**STABLE, "mine": "m:mine"}
        assert not answer.updated
    assert cache.unchanged


def edit_and_restore_the_mtime(tree: Path) -> None:
    file = tree / "mine.egg-info" / "entry_points.txt"
    times = file.stat()
    file.write_text("[demo]\nmine = m:next\n", encoding="utf-8")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def remove_the_file(tree: Path) -> None:
    (tree / "mine.egg-info" / "entry_points.txt").unlink()


def remove_the_egg_info(tree: Path) -> None:
    shutil.rmtree(tree / "mine.egg-info")


def add_another(tree: Path) -> None:
    plant(tree, dist("other", entry_points="[demo]\nother = m:other\n"))


@pytest.mark.parametrize(("way", "dot"), SEARCHING)
@pytest.mark.parametrize(
    ("change", "more"),
    [
        pytest.param(change, more, id=change.__name__)
        for change, more in (
            (edit_and_restore_the_mtime, {"mine": "m:next"}),
            (remove_the_file, {}),
            (remove_the_egg_info, {}),
            (add_another, {"mine": "m:mine", "other": "m:other"}),
        )
    ],
)
def test_a_change_in_a_source_tree_is_found_at_the_next_start(
    change: Callable[[Path], None],
    more: dict[str, str],
    way: str,
    dot: str,
    place: Place,
    cache: Cache,
    tmp_path: Path,
) -> None:
    tree = plant(tmp_path / "tree", egg_info("mine", "[demo]\nmine = m:mine\n"))
    place.start(way, tree, PYTHONPATH=dot)
    change(tree)
    answer = place.start_and_check(way, tree, PYTHONPATH=dot)
    assert dict(answer.rows) == STABLE | more
    assert not answer.updated
    assert cache.unchanged


@pytest.mark.parametrize(("way", "dot"), SEARCHING)
@pytest.mark.parametrize("tree", [{}, egg_info("mine")], ids=["empty", "egg-info"])
def test_a_new_file_in_the_current_directory_causes_no_rescan(
    tree: Tree,
    way: str,
    dot: str,
    place: Place,
    cache: Cache,
    tmp_path: Path,
) -> None:
    directory = plant(tmp_path / "tree", tree)
    for number in range(3):
        plant(directory, {f"file-{number}": ""})
        answer = place.start_and_check(way, directory, PYTHONPATH=dot)
        assert dict(answer.rows) == STABLE
        assert not answer.updated
        # Only what is volatile is read each time.
        assert answer.read == [str(directory / name) for name in tree]
    assert cache.unchanged


HIDING: list[tuple[str, Tree, dict[str, str]]] = [
    ("declares nothing", egg_info("plain"), {}),
    ("declares another", egg_info("plain", "[demo]\nb = m:b\n"), {"b": "m:b"}),
    ("declares it too", egg_info("plain", "[demo]\nplain = m:\n"), {"plain": "m:"}),
    ("declares one in another group", egg_info("plain", "[other]\nb = m:b\n"), {}),
    ("is spelled differently", egg_info("PLAIN"), {}),
    ("is a dist-info", dist("plain", "0.1"), {}),
    ("is one file", {"plain-1.0.egg-info": "Name: plain\nVersion: 1.0\n"}, {}),
]
if NEWEST_ORACLE:
    HIDING += [
        (
            "declares another, has no metadata, and hides nothing",
            {"plain-1.0.dist-info": {"entry_points.txt": "[demo]\nb = m:b\n"}},
            {"plain": "m:stable"},
        ),
        (
            "is an empty directory, and hides nothing",
            {"plain-1.0.dist-info": {}},
            {"plain": "m:stable"},
        ),
    ]


@pytest.mark.parametrize(("way", "dot"), SEARCHING)
@pytest.mark.parametrize(
    ("tree", "rest"),
    [pytest.param(tree, rest, id=name) for name, tree, rest in HIDING],
)
def test_a_distribution_in_the_current_directory_hides_a_stable_one_of_its_name(
    tree: Tree,
    rest: dict[str, str],
    way: str,
    dot: str,
    place: Place,
    cache: Cache,
    tmp_path: Path,
) -> None:
    directory = plant(tmp_path / "tree", tree)
    answer = place.start_and_check(way, directory, PYTHONPATH=dot)
    assert dict(answer.rows) == {"stable": "m:stable", **rest}
    assert not answer.updated
    assert dict(place.start_and_check(way, tmp_path, PYTHONPATH=dot).rows) == STABLE
    assert cache.unchanged


def test_of_two_volatile_directories_and_a_stable_one_the_first_on_the_path_wins(
    place: Place, tmp_path: Path
) -> None:
    for name in ("first", "second", "third"):
        plant(tmp_path / name, egg_info("mine", f"[demo]\nmine = m:{name}\n"))
    script = str(plant(tmp_path / "first", {"run.py": PROBE}) / "run.py")
    for path, winner in (
        (f".{os.pathsep}{tmp_path / 'third'}", "second"),
        (f"{tmp_path / 'third'}{os.pathsep}.", "third"),
    ):
        for way, wins in (("console script", winner), (script, "first")):
            answer = place.start_and_check(way, tmp_path / "second", PYTHONPATH=path)
            assert dict(answer.rows) == {**STABLE, "mine": f"m:{wins}"}


@pytest.mark.skipif(not NEWEST_ORACLE, reason="importlib_metadata differs before 10.1")
@pytest.mark.parametrize("declared", [{"mine": "m:site"}, {}], ids=["some", "nothing"])
def test_a_stable_distribution_that_lost_its_metadata_no_longer_hides_another(
    declared: dict[str, str], place: Place, tmp_path: Path
) -> None:
    # Its name is declared once in the index, so that its metadata was not needed.
    text = "[demo]\nmine = m:site\n" if declared else None
    stable = plant(tmp_path / "site", dist("mine", entry_points=text))
    tree = plant(tmp_path / "tree", egg_info("mine", "[demo]\nmine = m:tree\n"))
    path = f"{stable}{os.pathsep}."
    for wins in (declared, {"mine": "m:tree"}):
        answer = place.start_and_check(
            "console script", tree, PYTHONPATH=path, AHEAD=str(LATER)
        )
        assert dict(answer.rows) == STABLE | wins
        (stable / "mine-1.0.dist-info" / "METADATA").unlink(missing_ok=True)


@pytest.mark.parametrize(("way", "dot"), SEARCHING)
def test_a_removed_current_directory_is_ignored(
    way: str, dot: str, place: Place, cache: Cache, tmp_path: Path
) -> None:
    answers = [
        place.start(way, plant(tmp_path / "gone", {}), mode, PYTHONPATH=dot, LEAVE="1")
        for mode in ("", "oracle")
    ]
    assert [dict(answer.rows) for answer in answers] == [STABLE] * 2
    # Without a current directory, an entry that Python made absolute looks stable.
    if way == "-c":
        assert not answers[0].updated
        assert cache.unchanged


@pytest.mark.parametrize(
    ("way", "dot"),
    [
        ("-c", ""),
        ("script", ""),
        ("console script", ""),
        ("-m", ""),
        ("-c", "."),
    ],
)
def test_a_program_that_changes_its_directory_first_makes_no_index(
    way: str, dot: str, place: Place, cache: Cache, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree", egg_info("mine", "[demo]\nmine = m:mine\n"))
    for name in ("a", "b"):
        directory = plant(tmp_path / name, {})
        answer = place.start_and_check(way, directory, PYTHONPATH=dot, GO_TO=str(tree))
        # Only an empty path entry follows the change.
        more = {"mine": "m:mine"} if way == "-c" else {}
        assert dict(answer.rows) == STABLE | more
    assert cache.unchanged


@pytest.mark.parametrize("way", ["-c", "-m"])
def test_a_start_in_a_stable_directory_makes_one_more_index(
    way: str, place: Place, cache: Cache, tmp_path: Path
) -> None:
    # The current directory is volatile, so that the rest of the path has another key.
    site = place.environment.site
    for updated in (True, False):
        answer = place.start_and_check(way, site)
        assert dict(answer.rows) == STABLE
        assert answer.updated == updated
    assert len(cache.files()) == 3
    assert not place.start_and_check(way, tmp_path).updated


def test_a_damaged_index_is_ignored_in_a_source_tree(
    place: Place, cache: Cache, tmp_path: Path
) -> None:
    tree = plant(tmp_path / "tree", egg_info("mine", "[demo]\nmine = m:mine\n"))
    for file in cache.directory.iterdir():
        content = file.read_bytes()
        # The last line is read only to decide which distribution wins.
        file.write_bytes(content[:-20] + b"x" * 20)
    for way in ("-m", "console script"):
        answer = place.start_and_check(way, tree, PYTHONPATH=".")
        assert dict(answer.rows) == {**STABLE, "mine": "m:mine"}
