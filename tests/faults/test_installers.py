"""What an installer or a hand did to an environment, the next process answers.

The oracle is importlib_metadata in a fresh process of the same environment. In the
long run stevedore's cache is asked beside us, and held against Python's own
importlib.metadata, from which it takes its answers.
"""

import ast
import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipapp
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uv

from lazyplug.testing import Tree, dist, plant
from tests.support.children import python
from tests.support.clock import LATER
from tests.support.environments import RACY, Environment, forget_settings, vendor
from tests.support.fixtures import Count
from tests.support.oracle import NEWEST_ORACLE
from tests.support.tally import RIVAL, Tally

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="links, and the layout of POSIX"),
]

LONG = pytest.mark.skipif(
    "not config.getoption('--long', default=False)", reason="only in the long run"
)

# The faults, as the report has them.
BY_PIP = "installed, upgraded, removed by pip"
BY_UV = "installed, upgraded, removed by uv, {}"
EDITABLE = "installed as editable by {}"
SOURCE_TREE = "an egg-info in a source tree"
OWN_FOLDER = "installed by --target, --prefix or --user"
NAMESPACE = "a namespace package in several distributions"
ARCHIVE = "a zip, an egg or a wheel on sys.path"
SHADOWED = "shadowed, then visible again"
BY_HAND = "edited by hand"

# The values of the group "demo", by name.
Demo = Mapping[str, str]
# Group, name, value, and name and version of the distribution.
Row = tuple[str | None, ...]
OLD: Demo = {"a": "m:old"}
NEW: Demo = {"a": "m:new"}
NOTHING: Demo = {}


# Some versions of importlib_metadata raise where there is no metadata. All is
# printed by repr, since the import of json takes as long as a start.
DESCRIBE = """
def describe(points):
    rows = []
    for point in points:
        try:
            distribution = point.dist.name, point.dist.version
        except Exception:
            distribution = None, None
        rows.append((point.group, point.name, point.value, *distribution))
    return sorted(rows, key=repr)
"""
# Prints if the index had to be brought up to date, and what was found.
START = f"""
import sys, time
import lazyplug._files

ahead, opening, *groups = sys.argv[1:]
if int(ahead):
    clock = staticmethod(lambda: time.time_ns() + int(ahead))
    lazyplug._files.fs.clock = clock
queries = [{{"group": group}} for group in groups] or [{{}}]
points = [point for query in queries for point in lazyplug.entry_points(**query)]
updated = "lazyplug._indexing.update" in sys.modules
{DESCRIBE}
if opening:
    rows = describe(points)
else:
    rows = sorted((point.group, point.name, point.value) for point in points)
print((updated, rows))
"""
ORACLE = f"""
import importlib_metadata
{DESCRIBE}
print(describe(importlib_metadata.entry_points()))
"""
GROUPS = ("demo", "other")
# stevedore keeps an entry point once, whoever declares it.
OF_RIVAL = """
import importlib.metadata, stevedore._cache

def rows(select):
    points = [point for group in {groups} for point in select(group)]
    return sorted({{(point.group, point.name, point.value) for point in points}})

print(rows({select}))
"""
ASK_RIVAL = OF_RIVAL.format(groups=GROUPS, select="stevedore._cache.get_group_all")
TRUTH_OF_RIVAL = OF_RIVAL.format(
    groups=GROUPS, select="lambda group: importlib.metadata.entry_points(group=group)"
)


def points(demo: Demo, group: str = "demo") -> str:
    """Return an entry_points.txt that declares these."""
    return f"[{group}]\n" + "".join(f"{name} = {demo[name]}\n" for name in demo)


@pytest.fixture(scope="module")
def outside() -> Iterator[Path]:
    """Make a folder that is not below /tmp: there stevedore has its cache off."""
    parent = "/var/tmp"  # noqa: S108 - what is made in it is not to be guessed
    if not os.path.isdir(parent):
        parent = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        yield Path(directory).resolve()


@pytest.fixture
def tmp_path(outside: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=outside))


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "store"))


@pytest.fixture(scope="module")
def engine(outside: Path) -> Path:
    return vendor(plant(outside / "engine", {}))


class System(Environment):
    """The Python behind this one, where a user installs beside what is there.

    :param site: the user's folder.
    :param engine: a folder that holds lazyplug and what it needs.
    """

    def __init__(self, site: Path, engine: Path) -> None:
        self.site = plant(site, {"engine.pth": f"{engine}\n"})
        self.executable: str = vars(sys)["_base_executable"]


class Way(NamedTuple):
    """How a program asks: each has a cache of its own."""

    level: str
    # What is added to the clock. Far ahead, every stamp is old enough to be
    # believed; by the real one all are too young, so that a fault in how they are
    # compared would not show.
    ahead: int
    # Empty: all at once.
    groups: tuple[str, ...] = ()
    # Are the distributions asked for too? Opening them takes longer than all else.
    opening: bool = False


NOW = Way("full", 0, GROUPS)
AT_FULL = (NOW, Way("full", LATER, opening=True), Way("full", LATER, GROUPS))
AT_DIRS = (Way("dirs", 0, GROUPS), Way("dirs", LATER, GROUPS, opening=True))


class Start(NamedTuple):
    """What one process found, and what it did to the cache."""

    # Was the index brought up to date? Was it written?
    updated: bool
    written: bool
    rows: list[Row]


class WatchList:
    """An environment, asked again and again in several ways, in fresh processes.

    :param environment: which.
    :param folder: where the caches lie.
    :param count: what is told is counted here.
    :param rival: and here what the rival tells, if it is to be asked.
    :param ways: how it is asked.
    :param path: the folders on PYTHONPATH.
    :param here: the folder in which programs start; None: an empty one.
    """

    def __init__(
        self,
        environment: Environment,
        directory: Path,
        count: Tally,
        rival: Tally | None,
        ways: tuple[Way, ...] = AT_FULL,
        path: tuple[Path, ...] = (),
        here: Path | None = None,
    ) -> None:
        self.environment = environment
        self.directory = directory
        self.count = count
        self.rival = rival
        self.here = here or plant(directory / "here", {})
        self.path = os.pathsep.join(map(str, path))
        self.ways = ways
        self.truth: list[Row] = []
        self.steps = 0

    def _run(self, code: str, *arguments: str, **env: str) -> Any:
        env["PYTHONPATH"] = self.path
        done = python(
            *("-c", code, *arguments),
            executable=self.environment.executable,
            cwd=self.here,
            env=env,
        )
        assert not done.stderr
        return ast.literal_eval(done.stdout)

    def _files(self, way: Way) -> dict[str, tuple[int, int]]:
        """Return the files in a cache, and what tells that one was not replaced."""
        status = {file.name: file.stat() for file in self._cache(way).glob("*")}
        return {name: (s.st_ino, s.st_mtime_ns) for name, s in status.items()}

    def _cache(self, way: Way) -> Path:
        return self.directory / f"cache-{self.ways.index(way)}"

    def _start(self, way: Way, opening: bool) -> Start:
        before = self._files(way)
        updated, rows = self._run(
            START,
            str(way.ahead),
            "opening" if opening else "",
            *way.groups,
            LAZYPLUG_CHECK=way.level,
            LAZYPLUG_CACHE_DIR=str(self._cache(way)),
        )
        return Start(updated, self._files(way) != before, rows)

    def _hold(self, way: Way, opening: bool, started: "Future[Start]") -> Start:
        """Count what a start tells; it must be the truth."""
        truth = [row for row in self.truth if row[0] in (way.groups or (row[0],))]
        if not opening:
            truth = sorted(row[:3] for row in truth)
        label = f"step {self.steps}, {way}"
        self.count.hold(lambda: started.result().rows, truth, label)
        assert not self.count.examples, "\n".join(self.count.examples)
        start = started.result()
        assert start.updated or not start.written, label
        return start

    def _look_again(self, pool: ThreadPoolExecutor, ways: list[Way]) -> list[bool]:
        """Start once more; return of each way whether the index was believed."""
        started = [pool.submit(self._start, way, False) for way in ways]
        return [
            not self._hold(way, False, start).updated
            for way, start in zip(ways, started)
        ]

    def see(
        self,
        demo: Demo | None,
        *,
        changed: bool | None = True,
        looks: int = 1,
        truth: list[Row] | None = None,
    ) -> None:
        """Hold what is found against the truth, in every way.

        :param demo: what the group "demo" must hold now; None: what the oracle says.
        :param changed: must the index be brought up to date for it? None: it may.
        :param looks: how many are needed until the index is believed, if the clock
            is ahead.
        :param truth: what must be found, where the oracle has no answer, or one that
            depends on how the file system lists a folder.
        """
        self.steps += 1
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            oracle = None if truth is not None else pool.submit(self._run, ORACLE)
            started = [pool.submit(self._start, way, way.opening) for way in self.ways]
            self.truth = oracle.result() if oracle else truth or []
            told = {row[1]: row[2] for row in self.truth if row[0] == "demo"}
            assert demo in (None, told)
            ahead = [way for way in self.ways if way.ahead]
            for way, future in zip(self.ways, started):
                start = self._hold(way, way.opening, future)
                assert changed in (None, start.updated) or way not in ahead, way
            for look in range(1, looks + 1):
                believed = self._look_again(pool, ahead)
                assert believed == [look == looks] * len(ahead)
        if self.rival:
            self._ask_rival(self.rival)

    def _ask_rival(self, rival: Tally) -> None:
        try:
            truth = self._run(TRUTH_OF_RIVAL)
        except AssertionError:
            return  # Python's own importlib.metadata has no answer
        # Where it has its cache, by the system.
        home = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), str(self.directory / "rival"))
        rival.hold(lambda: self._run(ASK_RIVAL, **home), truth)

    def settle(self) -> None:
        """Start when all stamps are old enough: it is written once, then read."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self._look_again(pool, list(self.ways))
            assert all(self._look_again(pool, list(self.ways)))

    def with_demo(self, demo: Demo, version: str) -> list[Row]:
        """Return the truth if `Demo.Plugin` of this version declared these."""
        rows = [row for row in self.truth if row[3] != "Demo.Plugin"]
        more = [("demo", name, demo[name], "Demo.Plugin", version) for name in demo]
        return sorted([*rows, *more], key=repr)


# Opens a Watch whose looks are counted: the fault, the environment, and in the long
# run the rival beside us, if it is `beside`.
Watching = Callable[..., contextlib.AbstractContextManager[WatchList]]


@pytest.fixture
def watching(tally: Count, long: bool, tmp_path: Path) -> Watching:
    @contextlib.contextmanager
    def watched(
        fault: str,
        environment: Environment,
        directory: Path = tmp_path,
        *,
        beside: bool = False,
        **options: Any,
    ) -> Iterator[WatchList]:
        with contextlib.ExitStack() as stack:
            count = stack.enter_context(tally(fault))
            rival = None
            if beside and long:
                rival = stack.enter_context(tally(fault, RIVAL))
            yield WatchList(environment, directory, count, rival, **options)

    return watched


def wheel(
    directory: Path,
    demo: Demo | str | bytes | None,
    version: str = "1.0",
    name: str = "Demo.Plugin",
    code: Tree | None = None,
    stem: str | None = None,
) -> Path:
    """Build a wheel of a distribution that declares these.

    :param demo: None: it has no entry_points.txt; a text: it has that one.
    :param code: what it holds beside its metadata, by path.
    :param stem: how its name stands in the names of files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    stem = stem or name.lower().replace(".", "_")
    info = f"{stem}-{version}.dist-info"
    files = {
        **({f"{stem}.py": ""} if code is None else code),
        f"{info}/METADATA": (
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        ),
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n"
        ),
    }
    if demo is not None:
        text = demo if isinstance(demo, (str, bytes)) else points(demo)
        files[f"{info}/entry_points.txt"] = text
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in files)
    path = directory / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


# What builds the editable project below: needs nothing that would be fetched.
BACKEND = """
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "demo_plugin-1.0.dist-info"
    with open("entry_points.txt", encoding="utf-8") as file:
        points = file.read()
    files = {
        "demo_plugin.pth": os.path.abspath("src") + "\\n",
        f"{info}/METADATA":
            "Metadata-Version: 2.1\\nName: demo-plugin\\nVersion: 1.0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nGenerator: hand\\n"
            "Root-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": points,
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\\n" for name in files)
    wheel = "demo_plugin-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, wheel), "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel
"""


def project(directory: Path, demo: Demo) -> Path:
    """Write a project that builds itself, whose code lies in `src`."""
    system = 'requires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    tree: Tree = {
        "pyproject.toml": f"[build-system]\n{system}",
        "backend.py": BACKEND,
        "entry_points.txt": points(demo),
        "src": {"demo_plugin.py": ""},
    }
    return plant(directory, tree)


LINKS = {"hardlink": "hard links", "copy": "copies", "symlink": "symbolic links"}


class Tool:
    """An installer, and the environment that it works in.

    :param environment: which.
    :param link_mode: of uv; None: pip.
    """

    def __init__(self, environment: Environment, link_mode: str | None) -> None:
        self.environment = environment
        self.link_mode = link_mode
        self.fault = BY_UV.format(LINKS[link_mode]) if link_mode else BY_PIP

    def _run(self, verb: str, *arguments: str, check: bool = True) -> None:
        whole = ("pip", verb, "--quiet", *arguments)
        if self.link_mode is None:
            self.environment.run("-m", *whole, check=check)
        else:
            python(*whole, executable=uv.find_uv_bin(), check=check)

    def install(self, *arguments: "str | Path", check: bool = True) -> None:
        more = ["--no-index", "--no-deps", "--no-build-isolation"]
        if self.link_mode is None:
            more += ["--disable-pip-version-check", "--no-warn-script-location"]
        else:
            more += ["--python", self.environment.executable, "--offline"]
            more += ["--link-mode", self.link_mode]
        self._run("install", *more, *map(str, arguments), check=check)

    def reinstall(self, *arguments: "str | Path") -> None:
        again = "--force-reinstall" if self.link_mode is None else "--reinstall"
        self.install(again, *arguments)

    def uninstall(self, *arguments: "str | Path") -> None:
        if self.link_mode is None:
            more = ["--yes", "--disable-pip-version-check"]
        else:
            more = ["--python", self.environment.executable]
        self._run("uninstall", *more, *map(str, arguments))


@contextlib.contextmanager
def put_back(directory: Path) -> Iterator[None]:
    """Remove what has come into a folder."""
    before = set(os.listdir(directory))
    try:
        yield
    finally:
        for name in set(os.listdir(directory)) - before:
            path = directory / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


@pytest.fixture(scope="module")
def with_pip(engine: Path, outside: Path) -> Environment:
    """Make an environment with a pip of its own: it takes seconds, so once."""
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch)
        return Environment(outside / "with_pip", engine)


@pytest.fixture
def pip(with_pip: Environment) -> Iterator[Tool]:
    """Return pip; what it installed is removed behind it."""
    with put_back(with_pip.site):
        yield Tool(with_pip, None)


@pytest.fixture
def environment(engine: Path, tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment", engine, "--without-pip")


@pytest.fixture(params=["pip", "uv hardlink", "uv copy", "uv symlink"])
def tool(request: pytest.FixtureRequest) -> Tool:
    """Return an installer, each that there is."""
    name, _, link_mode = request.param.partition(" ")
    if name == "pip":
        found: Tool = request.getfixturevalue("pip")
        return found
    return Tool(request.getfixturevalue("environment"), link_mode)


# uv in one of its ways: for what makes no difference to how it links files. One of
# its ways is enough where pip would take seconds.
PIP_AND_UV = pytest.mark.parametrize("tool", ["pip", "uv hardlink"], indirect=True)
UV_AND_LATER_PIP = pytest.mark.parametrize(
    "tool", [pytest.param("pip", marks=LONG), "uv hardlink"], indirect=True
)
# At both levels that look at anything, and beside the rival.
EVERY: Mapping[str, Any] = {"ways": AT_FULL + AT_DIRS, "beside": True}


def test_an_install_is_seen(tool: Tool, watching: Watching, tmp_path: Path) -> None:
    with watching(tool.fault, tool.environment, **EVERY) as watch:
        watch.see(NOTHING)
        tool.install(wheel(tmp_path / "wheels", NEW))
        watch.see(NEW)


def test_an_uninstall_is_seen(tool: Tool, watching: Watching, tmp_path: Path) -> None:
    tool.install(wheel(tmp_path / "wheels", OLD))
    with watching(tool.fault, tool.environment, **EVERY) as watch:
        watch.see(OLD)
        tool.uninstall("demo-plugin")
        watch.see(NOTHING)


def test_an_upgrade_is_seen(tool: Tool, watching: Watching, tmp_path: Path) -> None:
    tool.install(wheel(tmp_path / "wheels", OLD))
    with watching(tool.fault, tool.environment, **EVERY) as watch:
        watch.see(OLD)
        # What it declares stays the same, the version does not.
        tool.install(wheel(tmp_path / "wheels", OLD, version="2.0"))
        watch.see(OLD)
        tool.install(wheel(tmp_path / "wheels", NEW, version="3.0"))
        watch.see(NEW)


@pytest.mark.many_starts
def test_a_reinstall_of_the_same_version_is_seen(
    tool: Tool, watching: Watching, tmp_path: Path
) -> None:
    tool.install(wheel(tmp_path / "old", OLD))
    with watching(tool.fault, tool.environment, **EVERY) as watch:
        watch.see(OLD)
        tool.reinstall(wheel(tmp_path / "new", NEW))
        watch.see(NEW)
        # New files, though nothing in them has changed.
        tool.reinstall(wheel(tmp_path / "new", NEW))
        watch.see(NEW)


@UV_AND_LATER_PIP
def test_entry_points_that_a_distribution_loses_and_gains_are_seen(
    tool: Tool, watching: Watching, tmp_path: Path
) -> None:
    tool.install(wheel(tmp_path / "wheels", OLD))
    with watching(tool.fault, tool.environment, **EVERY) as watch:
        watch.see(OLD)
        tool.install(wheel(tmp_path / "wheels", None, version="2.0"))
        watch.see(NOTHING)
        tool.install(wheel(tmp_path / "wheels", NEW, version="3.0"))
        watch.see(NEW)
        tool.reinstall(wheel(tmp_path / "lost", None, version="3.0"))
        watch.see(NOTHING)
        tool.reinstall(wheel(tmp_path / "gained", OLD, version="3.0"))
        watch.see(OLD)


@PIP_AND_UV
def test_an_editable_install_and_what_becomes_of_it_are_seen(
    tool: Tool, watching: Watching, tmp_path: Path
) -> None:
    with watching(tool.fault, tool.environment, **EVERY) as watch:
        watch.see(NOTHING)
        source = project(tmp_path / "project", OLD)
        tool.install("--editable", source)
        watch.see(OLD)
        plant(source, {"entry_points.txt": points(NEW)})
        watch.see(OLD, changed=False)
        tool.reinstall("--editable", source)
        watch.see(NEW)
        tool.uninstall("demo-plugin")
        watch.see(NOTHING)


def test_what_a_removed_distribution_shadowed_is_seen_again(
    tool: Tool, watching: Watching, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    with watching(SHADOWED, tool.environment, path=(target,), **EVERY) as watch:
        tool.install(wheel(tmp_path / "wheels", OLD))
        watch.see(OLD)
        tool.install("--target", target, wheel(tmp_path / "wheels", NEW, version="2.0"))
        watch.see(NEW)
        if tool.link_mode is None:
            # pip does not uninstall from a target.
            shutil.rmtree(target / "demo_plugin-2.0.dist-info")
        else:
            tool.uninstall("--target", target, "demo-plugin")
        watch.see(OLD)


@PIP_AND_UV
@pytest.mark.many_starts
def test_a_reinstall_is_seen_by_an_index_that_settled_by_waiting(
    tool: Tool, watching: Watching, tmp_path: Path
) -> None:
    tool.install(wheel(tmp_path / "old", OLD))
    with watching(tool.fault, tool.environment, ways=(NOW, AT_DIRS[0])) as watch:
        watch.see(OLD)
        time.sleep(RACY)
        watch.settle()
        tool.reinstall(wheel(tmp_path / "new", NEW))
        watch.see(NEW)


def test_a_link_made_elsewhere_from_the_store_of_uv_costs_one_look(
    environment: Environment, engine: Path, watching: Watching, tmp_path: Path
) -> None:
    # A hard link moves the ctime of what it links to, and nothing else.
    path = wheel(tmp_path / "wheels", OLD)
    tool = Tool(environment, "hardlink")
    tool.install(path)
    with watching(tool.fault, environment) as watch:
        watch.see(OLD)
        other = Environment(tmp_path / "other", engine, "--without-pip")
        Tool(other, "hardlink").install(path)
        watch.see(OLD)


@pytest.mark.parametrize("link_mode", ["hardlink", "symlink"])
def test_an_edit_in_another_environment_of_what_the_store_of_uv_shares_is_seen(
    link_mode: str,
    environment: Environment,
    engine: Path,
    watching: Watching,
    tmp_path: Path,
) -> None:
    path = wheel(tmp_path / "wheels", OLD)
    other = Environment(tmp_path / "other", engine, "--without-pip")
    tool = Tool(environment, link_mode)
    for place in (tool, Tool(other, link_mode)):
        place.install(path)
    with watching(tool.fault, environment, beside=True) as watch:
        watch.see(OLD)
        rewrite(other.site / "demo_plugin-1.0.dist-info" / "entry_points.txt", NEW)
        watch.see(NEW)


def test_what_the_store_of_uv_took_along_when_it_was_removed_is_not_there(
    environment: Environment, watching: Watching, tmp_path: Path
) -> None:
    tool = Tool(environment, "symlink")
    tool.install(wheel(tmp_path / "wheels", OLD))
    with watching(tool.fault, environment) as watch:
        watch.see(OLD)
        shutil.rmtree(tmp_path / "store")
        watch.see(NOTHING)


# What is declared, if it is installed, and if the oracle can read it. pip refuses
# what the oracle cannot read. uv refuses more, but leaves it where it is.
MALFORMED = [
    (b"[demo]\na = m:new\nno equals sign\n", {"a": "m:new"}, False),
    (b"[demo]\na = m:new\xff\n", {}, False),
    (
        b"[demo]\na = m:new\na = m:new\nb = no reference\n",
        {"a": "m:new", "b": "no reference"},
        True,
    ),
    (
        b"x = before any group\n[demo\na = m:old\n[demo]\na = m:new\n",
        {"a": "m:new"},
        True,
    ),
]


@LONG
@UV_AND_LATER_PIP
@pytest.mark.parametrize(
    ("text", "demo", "readable"),
    MALFORMED,
    ids=["a line", "a byte", "a value", "a section"],
)
def test_malformed_entry_points_cost_themselves(
    text: bytes,
    demo: Demo,
    readable: bool,
    tool: Tool,
    watching: Watching,
    tmp_path: Path,
) -> None:
    path = wheel(tmp_path / "wheels", text)
    with watching(tool.fault, tool.environment, ways=AT_FULL + AT_DIRS) as watch:
        watch.see(NOTHING)
        tool.install(path, check=False)
        file = tool.environment.site / "demo_plugin-1.0.dist-info" / "entry_points.txt"
        there = file.exists()
        # The oracle cannot read it either, and then has no answer at all.
        truth = None if readable or not there else watch.with_demo(demo, "1.0")
        watch.see(demo if there else NOTHING, changed=there, truth=truth)
        tool.reinstall(wheel(tmp_path / "mended", OLD))
        watch.see(OLD)


# Runs pip until it would remove what it uninstalled, or write one file more.
INTERRUPTED = """
import os, sys
from pip._internal.cli.main import main
from pip._internal.operations.install import wheel
from pip._internal.req.req_uninstall import UninstallPathSet

left = int(sys.argv.pop(1))
save = wheel.ZipBackedFile.save

def save_one(file):
    global left
    left -= 1
    save(file) if left >= 0 else os._exit(99)

wheel.ZipBackedFile.save = save_one
UninstallPathSet.commit = lambda self: os._exit(99)
sys.exit(main(sys.argv[1:]))
"""


def interrupt(pip: Tool, verb: str, *arguments: "str | Path", files: int = 99) -> None:
    """Run pip, and interrupt it when it has written so many files."""
    options = ["--yes"] if verb == "uninstall" else ["--no-index", "--no-deps"]
    everything = [str(files), verb, "--quiet", *options, *map(str, arguments)]
    done = python(
        *("-c", INTERRUPTED, *everything),
        executable=pip.environment.executable,
        check=False,
    )
    assert done.returncode == 99, done.stderr


@LONG
def test_what_an_interrupted_pip_left_behind_is_seen(
    pip: Tool, watching: Watching, tmp_path: Path
) -> None:
    pip.install(wheel(tmp_path / "old", OLD))
    with watching(pip.fault, pip.environment, **EVERY) as watch:
        watch.see(OLD)
        interrupt(pip, "uninstall", "demo-plugin")
        (left,) = pip.environment.site.glob("~*.dist-info")
        watch.see(OLD)
        shutil.rmtree(left)
        watch.see(NOTHING)
        pip.install(wheel(tmp_path / "old", OLD))
        watch.see(OLD)
        # Both declare: the left-over has a name of its own.
        upgrade = wheel(tmp_path / "new", {"b": "m:new"}, version="2.0")
        interrupt(pip, "install", upgrade)
        watch.see({"a": "m:old", "b": "m:new"})
        (left,) = pip.environment.site.glob("~*.dist-info")
        shutil.rmtree(left)
        watch.see({"b": "m:new"})


@LONG
def test_each_file_by_which_pip_is_interrupted_is_seen(
    pip: Tool, watching: Watching, tmp_path: Path
) -> None:
    path, site = wheel(tmp_path / "wheels", NEW), pip.environment.site
    with zipfile.ZipFile(path) as archive:
        files = archive.namelist()
    with watching(pip.fault, pip.environment, **EVERY) as watch:
        watch.see(NOTHING)
        for number in range(len(files)):
            with put_back(site):
                interrupt(pip, "install", path, files=number)
                there = [(site / file).exists() for file in files]
                assert there == [True] * number + [False] * (len(files) - number)
                declared = files.index("demo_plugin-1.0.dist-info/entry_points.txt")
                watch.see(NEW if number > declared else NOTHING, changed=number > 0)
                pip.install("--ignore-installed", path)
                watch.see(NEW)
            watch.see(NOTHING)


@LONG
@pytest.mark.parametrize(("first", "then"), [("1.0", "2.0"), ("2.0", "1.0")])
def test_of_two_versions_in_one_folder_the_higher_is_seen(
    first: str, then: str, pip: Tool, watching: Watching, tmp_path: Path
) -> None:
    demos = {"1.0": OLD, "2.0": NEW}
    with watching(pip.fault, pip.environment, **EVERY) as watch:
        pip.install(wheel(tmp_path / "wheels", demos[first], first))
        watch.see(demos[first])
        path = wheel(tmp_path / "wheels", demos[then], then)
        pip.install("--ignore-installed", path)
        # What the oracle tells depends on how the folder is listed.
        watch.see(NEW, truth=watch.with_demo(NEW, "2.0"))
        pip.uninstall("demo-plugin")
        (info,) = pip.environment.site.glob("demo_plugin-*.dist-info")
        watch.see(demos[info.name.split("-")[1].removesuffix(".dist")])
        pip.uninstall("demo-plugin")
        watch.see(NOTHING)


# ------------------------------------------------------ folders beside site-packages


@UV_AND_LATER_PIP
@pytest.mark.parametrize("option", [pytest.param("--target", marks=LONG), "--prefix"])
def test_an_install_into_a_folder_of_its_own_is_seen(
    option: str, tool: Tool, watching: Watching, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    names = {"base": str(own), "platbase": str(own)}
    in_prefix = Path(sysconfig.get_path("purelib", "venv", names))
    site = own if option == "--target" else in_prefix
    with watching(OWN_FOLDER, tool.environment, path=(site,), **EVERY) as watch:

        def see(demo: Demo) -> None:
            # pip leaves the metadata of the old version where it is.
            several = len(list(site.glob("*.dist-info"))) > 1
            watch.see(demo, truth=watch.with_demo(demo, "2.0") if several else None)

        watch.see(NOTHING)
        tool.install(option, own, wheel(tmp_path / "wheels", OLD))
        see(OLD)
        upgrade = wheel(tmp_path / "wheels", NEW, version="2.0")
        tool.install("--upgrade", option, own, upgrade)
        see(NEW)
        again = wheel(tmp_path / "again", OLD, version="2.0")
        tool.reinstall("--upgrade", option, own, again)
        see(OLD)
        for info in site.glob("*.dist-info"):
            shutil.rmtree(info)
        watch.see(NOTHING)
        shutil.rmtree(own)
        watch.see(NOTHING)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the site-packages of a user at whose home nothing is installed."""
    base = str(tmp_path / "user")
    monkeypatch.setenv("PYTHONUSERBASE", base)
    # It may be another's Python; but nothing is installed there.
    monkeypatch.setenv("PIP_BREAK_SYSTEM_PACKAGES", "1")
    scheme = sysconfig.get_preferred_scheme("user")
    return Path(sysconfig.get_path("purelib", scheme, {"userbase": base}))


@LONG
def test_an_install_for_the_user_is_seen(
    user: Path, engine: Path, watching: Watching, tmp_path: Path
) -> None:
    # In a virtual environment pip would install for the user, but not uninstall.
    system = System(user, engine)
    pip = Tool(system, None)
    options: dict[str, Any] = {"executable": system.executable, "check": False}
    if python("-c", "import pip", **options).returncode:
        pytest.skip("the Python of the system has no pip")
    with watching(OWN_FOLDER, system, **EVERY) as watch:
        watch.see(NOTHING)
        pip.install("--user", wheel(tmp_path / "wheels", OLD))
        watch.see(OLD)
        pip.install("--user", wheel(tmp_path / "wheels", NEW, version="2.0"))
        watch.see(NEW)
        pip.reinstall("--user", wheel(tmp_path / "again", OLD, version="2.0"))
        watch.see(OLD)
        pip.uninstall("demo-plugin")
        watch.see(NOTHING)


@LONG
def test_of_three_folders_the_first_on_the_path_is_seen(
    user: Path, engine: Path, watching: Watching, tmp_path: Path
) -> None:
    options = (tmp_path / "environment", engine, "--system-site-packages")
    pip, target = Tool(Environment(*options), None), tmp_path / "target"

    def install(demo: Demo, *options: "str | Path") -> None:
        path = wheel(tmp_path / "wheels", demo)
        pip.install("--ignore-installed", *options, path)

    paths = {"path": (target,), "beside": True}
    with watching(SHADOWED, pip.environment, **paths) as watch:
        install({"a": "m:user"}, "--user")
        watch.see({"a": "m:user"})
        install({"b": "m:site"})
        watch.see({"b": "m:site"})
        install({"c": "m:path"}, "--target", target)
        watch.see({"c": "m:path"})
        # What is hidden changes; what hides it declares nothing any more.
        install({"d": "m:site"})
        watch.see({"c": "m:path"})
        (target / "demo_plugin-1.0.dist-info" / "entry_points.txt").unlink()
        watch.see(NOTHING)
        shutil.rmtree(target)
        watch.see({"d": "m:site"})
        pip.uninstall("demo-plugin")
        watch.see({"a": "m:user"})
        shutil.rmtree(user)
        watch.see(NOTHING)


# ------------------------------------------------------------------------ namespaces

# As setuptools wrote it for pkg_resources.declare_namespace("ns").
NAMESPACE_PTH = (
    "import sys, types, os;"
    "p = os.path.join(sys._getframe(1).f_locals['sitedir'], *('ns',));"
    "importlib = __import__('importlib.util');__import__('importlib.machinery');"
    "m = sys.modules.setdefault('ns', importlib.util.module_from_spec("
    "importlib.machinery.PathFinder.find_spec('ns', [os.path.dirname(p)])));"
    "mp = m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p)\n"
)
EXTEND_PATH = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
STYLES: Mapping[str, Callable[[str], Tree]] = {
    "PEP 420": lambda name: {},
    "pkgutil": lambda name: {"ns/__init__.py": EXTEND_PATH},
    "pkg_resources": lambda name: {f"ns.{name}-nspkg.pth": NAMESPACE_PTH},
}


@UV_AND_LATER_PIP
@pytest.mark.parametrize(
    "style",
    [
        pytest.param("PEP 420", marks=LONG),
        pytest.param("pkgutil", marks=LONG),
        "pkg_resources",
    ],
)
def test_distributions_that_share_a_namespace_are_seen_each(
    style: str, tool: Tool, watching: Watching, tmp_path: Path
) -> None:
    def build(name: str, value: str, version: str = "1.0", **options: Any) -> Path:
        code = {f"ns/{name}.py": "", **STYLES[style](name)}
        options |= {"name": f"ns.{name}", "code": code}
        return wheel(tmp_path / "wheels", {name: value}, version, **options)

    with watching(NAMESPACE, tool.environment, **EVERY) as watch:
        tool.install(build("one", "ns.one:x"))
        watch.see({"one": "ns.one:x"})
        tool.install(build("two", "ns.two:x"))
        watch.see({"one": "ns.one:x", "two": "ns.two:x"})
        tool.environment.run("-c", "import ns.one, ns.two")
        # Spelled as it was before names of wheels were normalized.
        tool.install(build("one", "ns.one:y", "2.0", stem="ns.one"))
        watch.see({"one": "ns.one:y", "two": "ns.two:x"})
        tool.uninstall("ns-two")
        watch.see({"one": "ns.one:y"})


# ---------------------------------------------------- editable, by those who build


def with_packages(environment: Environment, *names: str) -> Environment:
    """Install from the registry, as the user's settings have it; or skip the test."""
    options = ["--quiet", "--retries", "1", "--disable-pip-version-check"]
    try:
        environment.run("-m", "pip", "install", "--upgrade", *options, *names)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the registry could not be asked: {str(error)[-200:]}")
    return environment


@pytest.fixture(scope="module")
def with_backends(engine: Path, outside: Path) -> Environment:
    return with_packages(
        Environment(outside / "with_backends", engine),
        *("setuptools", "wheel", "hatchling", "editables", "flit-core", "poetry-core"),
    )


@pytest.fixture(scope="module")
def with_old_setuptools(engine: Path, outside: Path) -> Environment:
    """Make an environment with the last setuptools that installs by itself."""
    old = Environment(outside / "with_old_setuptools", engine)
    return with_packages(old, "setuptools<80", "wheel")


class Build(NamedTuple):
    """A project that is built by what is on the market.

    :param name: of who builds it.
    :param requires: what has to be installed for it.
    :param backend: its entry point.
    :param package: where the code lies.
    :param option: is handed to the installer.
    :param setting: stands in pyproject.toml.
    """

    name: str
    requires: str
    backend: str
    package: str
    option: str = ""
    get_setting: str = ""

    def write(self, directory: Path, demo: Demo, version: str = "1.0") -> Path:
        """Write the project, or write it anew."""
        text = (
            f'[build-system]\nrequires = ["{self.requires}"]\n'
            f'build-backend = "{self.backend}"\n{self.get_setting}[project]\n'
            f'name = "demo-plugin"\nversion = "{version}"\ndescription = "A demo."\n'
            "[project.entry-points.demo]\n"
            + "".join(f'{name} = "{value}"\n' for name, value in demo.items())
        )
        plant(directory / self.package, {"__init__.py": ""})
        return plant(directory, {"pyproject.toml": text})


SETUPTOOLS = ("setuptools", "setuptools", "setuptools.build_meta")
HATCHLING = ("hatchling", "hatchling", "hatchling.build")
FLIT = ("flit", "flit-core", "flit_core.buildapi")
POETRY = ("poetry-core", "poetry-core", "poetry.core.masonry.api")
EXACT = "[tool.hatch.build]\ndev-mode-exact = true\n"
BUILDS = [
    *(Build(*by, "src/demo_plugin") for by in (SETUPTOOLS, HATCHLING, FLIT, POETRY)),
    *(Build(*by, "demo_plugin") for by in (SETUPTOOLS, HATCHLING, FLIT, POETRY)),
    # A .pth, modules that find the code, a folder of links.
    *(
        Build(*SETUPTOOLS, "src/demo_plugin", f"editable_mode={m}")
        for m in ("strict", "compat")
    ),
    *(
        Build(*SETUPTOOLS, "demo_plugin", f"editable_mode={m}")
        for m in ("strict", "compat")
    ),
    # Puts on sys.path what is no folder.
    Build(*SETUPTOOLS, "demo_space/demo_plugin"),
    Build(*HATCHLING, "demo_plugin", get_setting=EXACT),
]


@LONG
@pytest.mark.parametrize("link_mode", [None, "hardlink"], ids=["pip", "uv"])
@pytest.mark.parametrize(
    "build",
    BUILDS,
    ids=lambda build: " ".join([build.name, build.package, build.option]),
)
def test_an_editable_install_by_a_real_backend_is_seen(
    build: Build,
    link_mode: str | None,
    with_backends: Environment,
    watching: Watching,
    tmp_path: Path,
) -> None:
    environment, source = with_backends, build.write(tmp_path / "project", OLD)
    tool = Tool(environment, link_mode)
    arguments = ["--editable", str(source)]
    if build.option:
        arguments += ["--config-settings", build.option]
    module = build.package.removeprefix("src/").replace("/", ".")
    with (
        put_back(environment.site),
        watching(EDITABLE.format(build.name), environment, **EVERY) as watch,
    ):
        watch.see(NOTHING)
        tool.install(*arguments)
        told = environment.run("-c", f"import {module} as m; print(m.__file__)")
        assert told.startswith(str(source))
        watch.see(OLD)
        build.write(source, NEW)
        watch.see(OLD, changed=False)
        tool.reinstall(*arguments)
        watch.see(NEW)
        build.write(source, {**OLD, "b": "m:more"}, version="2.0")
        tool.install(*arguments)
        watch.see({**OLD, "b": "m:more"})
        tool.uninstall("demo-plugin")
        watch.see(NOTHING)


# ----------------------------------------------------------- an egg-info in the source


def setup(
    directory: Path, demo: Demo, version: str = "1.0", zip_safe: bool = True
) -> Path:
    """Write a project as it was before pyproject.toml."""
    declared = [f"{name} = {value}" for name, value in demo.items()]
    text = (
        "from setuptools import setup\n"
        f"setup(name='Demo.Plugin', version={version!r}, packages=['demo_plugin'],"
        f" zip_safe={zip_safe}, entry_points={{'demo': {declared}}})\n"
    )
    return plant(directory, {"demo_plugin": {"__init__.py": ""}, "setup.py": text})


def run_setup(environment: Environment, tree: Path, *arguments: str) -> None:
    # For years it has warned of itself.
    environment.run("-W", "ignore", "setup.py", "--quiet", *arguments, cwd=tree)


# How a source tree gets on the path: what lies in site-packages for it.
LINKED: Mapping[str, Callable[[Path], Tree]] = {
    "current folder": lambda tree: {},
    "PYTHONPATH": lambda tree: {},
    ".pth": lambda tree: {"tree.pth": f"{tree}\n"},
    "egg-link": lambda tree: {
        "Demo.Plugin.egg-link": f"{tree}\n.",
        "easy-install.pth": f"{tree}\n",
    },
}


def follow_egg_info(
    write: Callable[[Path, Demo, str], object],
    linked: str,
    environment: Environment,
    watching: Watching,
    tree: Path,
) -> None:
    """Hold that each edit of an egg-info is seen at once."""
    live = linked == "current folder"
    options: dict[str, Any] = {"beside": True, "ways": AT_FULL}
    if linked == "PYTHONPATH":
        options["path"] = (tree,)
    elif live:
        # Looked at anew at each start, whatever the level.
        options |= {"here": tree, "ways": AT_FULL + AT_DIRS}
    with (
        put_back(environment.site),
        watching(SOURCE_TREE, environment, **options) as watch,
    ):
        plant(environment.site, LINKED[linked](plant(tree, {})))
        watch.see(NOTHING)
        write(tree, OLD, "1.0")
        watch.see(OLD, changed=not live)
        write(tree, NEW, "1.0")
        watch.see(NEW, changed=not live)
        # The version stands in PKG-INFO, which is read when it is asked for.
        write(tree, NEW, "2.0")
        watch.see(NEW, changed=None)
        shutil.rmtree(tree / "Demo.Plugin.egg-info")
        watch.see(NOTHING, changed=not live)


@pytest.mark.parametrize(
    "linked",
    [
        "current folder",
        pytest.param("PYTHONPATH", marks=LONG),
        pytest.param(".pth", marks=LONG),
        "egg-link",
    ],
)
def test_an_egg_info_in_a_source_tree_is_seen_at_once(
    linked: str, environment: Environment, watching: Watching, tmp_path: Path
) -> None:
    def write(tree: Path, demo: Demo, version: str) -> None:
        said = f"Metadata-Version: 2.1\nName: Demo.Plugin\nVersion: {version}\n"
        info = {"PKG-INFO": said, "entry_points.txt": points(demo)}
        plant(tree, {"Demo.Plugin.egg-info": info})

    follow_egg_info(write, linked, environment, watching, tmp_path / "tree")


@LONG
@pytest.mark.parametrize("linked", LINKED)
def test_an_egg_info_that_setup_py_writes_is_seen_at_once(
    linked: str, with_old_setuptools: Environment, watching: Watching, tmp_path: Path
) -> None:
    def write(tree: Path, demo: Demo, version: str) -> None:
        run_setup(with_old_setuptools, setup(tree, demo, version), "egg_info")

    follow_egg_info(write, linked, with_old_setuptools, watching, tmp_path / "tree")


@LONG
def test_what_setup_py_develop_does_is_seen(
    with_old_setuptools: Environment, watching: Watching, tmp_path: Path
) -> None:
    environment, tree = with_old_setuptools, setup(tmp_path / "tree", OLD)
    with (
        put_back(environment.site),
        watching(SOURCE_TREE, environment, beside=True) as watch,
    ):
        watch.see(NOTHING)
        run_setup(environment, tree, "develop")
        assert list(environment.site.glob("*.egg-link"))
        watch.see(OLD)
        run_setup(environment, setup(tree, NEW), "egg_info")
        watch.see(NEW)
        # Installed in earnest, it stands before the tree; then the tree is seen again.
        pip = Tool(environment, None)
        pip.install("--ignore-installed", wheel(tmp_path / "wheels", OLD))
        watch.see(OLD)
        shutil.rmtree(environment.site / "demo_plugin-1.0.dist-info")
        watch.see(NEW)
        run_setup(environment, tree, "develop", "--uninstall")
        # It may leave the tree on the path.
        (environment.site / "easy-install.pth").unlink()
        watch.see(NOTHING)


@LONG
@pytest.mark.parametrize("zip_safe", [True, False], ids=["zipped", "unpacked"])
def test_an_egg_that_setup_py_installs_is_seen(
    zip_safe: bool, with_old_setuptools: Environment, watching: Watching, tmp_path: Path
) -> None:
    environment, tree = with_old_setuptools, tmp_path / "tree"

    def install(demo: Demo, version: str) -> None:
        run_setup(environment, setup(tree, demo, version, zip_safe), "install")
        (egg,) = environment.site.glob(f"*-{version}-*.egg")
        assert egg.is_file() == zip_safe

    with put_back(environment.site), watching(ARCHIVE, environment, **EVERY) as watch:
        watch.see(NOTHING)
        install(OLD, "1.0")
        watch.see(OLD)
        install(NEW, "1.0")
        watch.see(NEW)
        # Which of the two stands first in easy-install.pth differs.
        install(OLD, "2.0")
        watch.see(None)
        links = environment.site / "easy-install.pth"
        for left in (["2.0"], ["1.0", "2.0"], ["1.0"]):
            eggs = [next(environment.site.glob(f"*-{each}-*.egg")) for each in left]
            links.write_text("".join(f"./{egg.name}\n" for egg in eggs))
            # The index of a path that was left is found again, and may be true.
            watch.see(NEW if "1.0" in left else OLD, changed=None)
        links.unlink()
        watch.see(NOTHING)


# Edits by hand. Each plants `first` and `second`, which stand on PYTHONPATH in
# this order, before `packed.zip`, a wheel and an egg; it yields what the group
# "demo" must hold, edits, yields what it must hold then, and so on.
Edit = Callable[[Path], Iterator[Demo]]
WHEEL, EGG = "demo_plugin-1.0-py3-none-any.whl", "one-1.0-py3.egg"


def site(directory: Path, demo: Demo | None = OLD, name: str = "one") -> Path:
    """Plant a distribution among others; return its entry_points.txt."""
    text = None if demo is None else points(demo)
    plant(
        directory, {**dist("bare"), **dist("other", entry_points=points(OLD, "other"))}
    )
    plant(directory, dist(name, entry_points=text))
    return directory / f"{name}-1.0.dist-info" / "entry_points.txt"


def rewrite(file: Path, demo: Demo, times: os.stat_result | None = None) -> None:
    """Write into a file in place; give it these times."""
    with file.open("r+", encoding="utf-8") as opened:
        opened.truncate()
        opened.write(points(demo))
    if times is not None:
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def lookalike(file: Path, demo: Demo) -> Path:
    """Return another file, which has the times of this one."""
    twin = file.parent.parent.parent / "lookalike"
    twin.write_text(points(demo), encoding="utf-8")
    times = file.stat()
    os.utime(twin, ns=(times.st_atime_ns, times.st_mtime_ns))
    return twin


def edit_of_the_same_size_in_the_same_second(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    second = file.stat().st_mtime_ns // 10**9 * 10**9
    os.utime(file, ns=(second, second + 1))
    yield OLD
    rewrite(file, NEW)
    os.utime(file, ns=(second, second + 2))
    yield NEW


def edit_of_the_same_size_with_its_mtime_put_back(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    rewrite(file, NEW, times=file.stat())
    yield NEW


def edit_with_a_constant_mtime(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    os.utime(file, (0, 0))
    yield OLD
    rewrite(file, NEW)
    os.utime(file, (0, 0))
    yield NEW


def replacement_of_the_same_size_and_mtime(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    lookalike(file, NEW).replace(file)
    yield NEW


def replacement_with_the_inode_given_anew(root: Path) -> Iterator[Demo]:
    # The file system may give the inode of the removed file to the next one.
    file = site(root / "first")
    times = file.stat()
    yield OLD
    file.unlink()
    file.write_text(points(NEW), encoding="utf-8")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    yield NEW


def replacement_by_a_hard_link(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    twin = lookalike(file, NEW)
    file.unlink()
    file.hardlink_to(twin)
    yield NEW


def edit_through_another_hard_link(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    twin = root / "twin"
    twin.hardlink_to(file)
    yield OLD
    rewrite(twin, NEW, times=twin.stat())
    yield NEW


def replacement_by_a_symbolic_link(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    twin = lookalike(file, NEW)
    file.unlink()
    file.symlink_to(twin)
    yield NEW


def edit_behind_a_symbolic_link(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    twin = file.rename(root / "twin")
    file.symlink_to(twin)
    yield OLD
    rewrite(twin, NEW, times=twin.stat())
    yield NEW
    twin.unlink()
    yield NOTHING
    twin.write_text(points(OLD), encoding="utf-8")
    yield OLD


def metadata_folder_turned_behind_a_symbolic_link(root: Path) -> Iterator[Demo]:
    # Nothing of this is to be seen in the folder on sys.path.
    for name, demo in (("old", OLD), ("new", NEW)):
        plant(
            root / name,
            {"info": dist("one", entry_points=points(demo))["one-1.0.dist-info"]},
        )
    (root / "turning").symlink_to("old")
    plant(root / "first", {})
    (root / "first" / "one-1.0.dist-info").symlink_to(root / "turning" / "info")
    yield OLD
    (root / "turning").unlink()
    (root / "turning").symlink_to("new")
    yield NEW


def removal_and_return(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    file.rename(root / "kept")
    yield NOTHING
    (root / "kept").rename(file)
    yield OLD


def emptying(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    os.truncate(file, 0)
    yield NOTHING


def addition_to_a_distribution_that_had_none(root: Path) -> Iterator[Demo]:
    file = site(root / "first", None)
    yield NOTHING
    file.write_text(points(NEW), encoding="utf-8")
    yield NEW


def addition_where_a_folder_was_in_the_way(root: Path) -> Iterator[Demo]:
    file = site(root / "first", None)
    file.mkdir()
    yield NOTHING
    file.rmdir()
    file.write_text(points(NEW), encoding="utf-8")
    yield NEW


def move_to_another_group(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    file.write_text(points(OLD, "other"), encoding="utf-8")
    yield NOTHING


def edit_in_an_egg_info(root: Path) -> Iterator[Demo]:
    info = {"PKG-INFO": "Name: one\nVersion: 1.0\n", "entry_points.txt": points(OLD)}
    plant(root / "first" / "one.egg-info", info)
    file = root / "first" / "one.egg-info" / "entry_points.txt"
    yield OLD
    rewrite(file, NEW, times=file.stat())
    yield NEW


def renaming_to_another_version(root: Path) -> Iterator[Demo]:
    info = site(root / "first").parent
    yield OLD
    info = info.rename(info.with_name("one-2.0.dist-info"))
    yield OLD
    (info / "METADATA").write_text("Name: one\nVersion: 2.0\n", encoding="utf-8")
    info.rename(info.with_name("one-3.0.dist-info"))
    yield OLD


def renaming_to_another_name(root: Path) -> Iterator[Demo]:
    info = site(root / "first").parent
    site(root / "second", {"b": "m:two"}, "two")
    yield {"a": "m:old", "b": "m:two"}
    # Its METADATA still has the old name; the name of the folder is what counts.
    info.rename(info.with_name("two-1.0.dist-info"))
    yield OLD


def exchange_of_two_metadata_folders(root: Path) -> Iterator[Demo]:
    info = site(root / "first").parent
    twin = site(root / "aside", NEW).parent
    yield OLD
    info.rename(root / "kept")
    twin.rename(info)
    yield NEW


def exchange_of_two_folders_on_the_path(root: Path) -> Iterator[Demo]:
    site(root / "first")
    site(root / "aside", NEW)
    yield OLD
    (root / "first").rename(root / "kept")
    (root / "aside").rename(root / "first")
    yield NEW


def turn_of_a_symbolic_link_on_the_path(root: Path) -> Iterator[Demo]:
    for name, demo in (("old", OLD), ("new", NEW)):
        site(root / name, demo)
    (root / "first").symlink_to("old")
    yield OLD
    (root / "first").unlink()
    (root / "first").symlink_to("new")
    yield NEW


def removal_and_return_of_a_folder_on_the_path(root: Path) -> Iterator[Demo]:
    site(root / "first")
    yield OLD
    (root / "first").rename(root / "kept")
    yield NOTHING
    (root / "kept").rename(root / "first")
    yield OLD


def addition_that_shadows_another(root: Path) -> Iterator[Demo]:
    site(root / "second")
    yield OLD
    info = site(root / "first", None).parent
    yield NOTHING
    shutil.rmtree(info)
    yield OLD


def edit_of_what_is_shadowed(root: Path) -> Iterator[Demo]:
    info = site(root / "first").parent
    file = site(root / "second")
    yield OLD
    rewrite(file, NEW, times=file.stat())
    yield OLD
    shutil.rmtree(info)
    yield NEW


def removal_of_the_metadata_of_one_that_shadows(root: Path) -> Iterator[Demo]:
    file = site(root / "first", NEW).with_name("METADATA")
    site(root / "second")
    yield NEW
    file.rename(root / "kept")
    yield OLD
    (root / "kept").rename(file)
    yield NEW


def removal_of_the_metadata_of_one_that_only_shadows(root: Path) -> Iterator[Demo]:
    file = site(root / "first", None).with_name("METADATA")
    site(root / "second")
    yield NOTHING
    file.rename(root / "kept")
    yield OLD
    (root / "kept").rename(file)
    yield NOTHING


def removal_of_all_metadata_of_two(root: Path) -> Iterator[Demo]:
    one = site(root / "first", NEW).with_name("METADATA")
    two = site(root / "second").with_name("METADATA")
    yield NEW
    one.unlink()
    yield OLD
    two.unlink()
    yield NEW
    two.with_name("PKG-INFO").write_text("Name: one\n", encoding="utf-8")
    yield OLD


def zipped(file: Path, demo: Demo, info: str = "one-1.0.dist-info") -> None:
    """Write a zip that holds a distribution; stored, so that sizes are equal."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{info}/"), "")
        for name, text in metadata(demo, info).items():
            archive.writestr(zipfile.ZipInfo(f"{info}/{name}"), text)


def metadata(demo: Demo, info: str) -> Tree:
    """Return what is in a metadata folder of this name."""
    said = "METADATA" if info.endswith(".dist-info") else "PKG-INFO"
    return {said: "Name: one\nVersion: 1.0\n", "entry_points.txt": points(demo)}


def change_of_a_zip(root: Path) -> Iterator[Demo]:
    file = root / "packed.zip"
    zipped(file, OLD)
    times = file.stat()
    yield OLD
    zipped(file, NEW)
    assert file.stat().st_size == times.st_size
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    yield NEW
    file.unlink()
    yield NOTHING
    site(file)
    yield OLD
    shutil.rmtree(file)
    zipped(file, NEW)
    yield NEW
    file.write_bytes(b"no zip")
    yield NOTHING


def change_of_a_wheel(root: Path) -> Iterator[Demo]:
    wheel(root, OLD)
    yield OLD
    wheel(root / "aside", NEW).replace(root / WHEEL)
    yield NEW
    (root / WHEEL).unlink()
    yield NOTHING


def change_of_a_zip_application(root: Path) -> Iterator[Demo]:
    source = root / "application"
    for demo in (OLD, NEW):
        site(source, demo)
        plant(source, {"__main__.py": ""})
        # A line for the shell stands before the archive.
        zipapp.create_archive(source, root / "packed.zip", sys.executable)
        yield demo
    shutil.rmtree(source / "one-1.0.dist-info")
    zipapp.create_archive(source, root / "packed.zip", compressed=True)
    yield NOTHING


def change_of_an_egg(root: Path) -> Iterator[Demo]:
    file = root / EGG
    zipped(file, OLD, "EGG-INFO")
    times = file.stat()
    yield OLD
    zipped(file, NEW, "EGG-INFO")
    assert file.stat().st_size == times.st_size
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    yield NEW
    # Unpacked, as easy_install did with those that do not run from a zip.
    file.unlink()
    plant(file, {"EGG-INFO": metadata(OLD, "EGG-INFO")})
    yield OLD
    rewrite(file / "EGG-INFO" / "entry_points.txt", NEW)
    yield NEW
    shutil.rmtree(file)
    yield NOTHING


def change_of_a_zip_that_is_shadowed(root: Path) -> Iterator[Demo]:
    zipped(root / "packed.zip", OLD)
    info = site(root / "second", NEW).parent
    yield NEW
    shutil.rmtree(info)
    yield OLD


def links_to_a_store_as_conda_makes_them(root: Path) -> Iterator[Demo]:
    # All files have the time at which they were built, which may be the same.
    builds = [("1.0", OLD), ("1.0", NEW), ("2.0", OLD), ("2.0", NOTHING)]
    for number, (version, demo) in enumerate(builds):
        tree = dist("one", version, points(demo) if demo else None)
        store = plant(root / "store" / str(number), tree)
        for old in (root / "first").glob("*/*"):
            old.unlink()
        for file in store.glob("*/*"):
            os.utime(file, (0, 0))
            new = root / "first" / file.relative_to(store)
            new.parent.mkdir(parents=True, exist_ok=True)
            new.hardlink_to(file)
        # Folders that are left empty go last.
        for directory in (root / "first").iterdir():
            if not list(directory.iterdir()):
                directory.rmdir()
        yield demo


EDITS: list[Edit] = [
    edit_of_the_same_size_in_the_same_second,
    edit_of_the_same_size_with_its_mtime_put_back,
    edit_with_a_constant_mtime,
    replacement_of_the_same_size_and_mtime,
    replacement_with_the_inode_given_anew,
    replacement_by_a_hard_link,
    edit_through_another_hard_link,
    replacement_by_a_symbolic_link,
    edit_behind_a_symbolic_link,
    metadata_folder_turned_behind_a_symbolic_link,
    # The above leave name, size and mostly mtime as they were.
    removal_and_return,
    emptying,
    addition_to_a_distribution_that_had_none,
    addition_where_a_folder_was_in_the_way,
    move_to_another_group,
    edit_in_an_egg_info,
    renaming_to_another_version,
    renaming_to_another_name,
    exchange_of_two_metadata_folders,
    exchange_of_two_folders_on_the_path,
    turn_of_a_symbolic_link_on_the_path,
    removal_and_return_of_a_folder_on_the_path,
    addition_that_shadows_another,
    edit_of_what_is_shadowed,
    change_of_a_zip,
    change_of_a_wheel,
    change_of_a_zip_application,
    change_of_an_egg,
    change_of_a_zip_that_is_shadowed,
    links_to_a_store_as_conda_makes_them,
]
SAME_FROM_AFAR = EDITS.index(removal_and_return)
if NEWEST_ORACLE:
    EDITS += [
        removal_of_the_metadata_of_one_that_shadows,
        removal_of_the_metadata_of_one_that_only_shadows,
        removal_of_all_metadata_of_two,
    ]


@pytest.fixture(scope="module")
def bare(engine: Path, outside: Path) -> Environment:
    """Make one environment for all edits, which are made outside it."""
    return Environment(outside / "bare", engine, "--without-pip")


# Where they do not count as edits by hand.
FAULTS: Mapping[Edit, str] = {
    change_of_a_zip: ARCHIVE,
    change_of_a_wheel: ARCHIVE,
    change_of_a_zip_application: ARCHIVE,
    change_of_an_egg: ARCHIVE,
    addition_that_shadows_another: SHADOWED,
    edit_of_what_is_shadowed: SHADOWED,
    removal_of_the_metadata_of_one_that_shadows: SHADOWED,
    removal_of_the_metadata_of_one_that_only_shadows: SHADOWED,
    removal_of_all_metadata_of_two: SHADOWED,
    change_of_a_zip_that_is_shadowed: SHADOWED,
}


def on_path(directory: Path) -> tuple[Path, ...]:
    """Return what an edit may write to."""
    names = ("first", "second", "packed.zip", WHEEL, EGG)
    return tuple(directory / name for name in names)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
@pytest.mark.many_starts
def test_an_edit_by_hand_is_seen(
    edit: Edit, bare: Environment, watching: Watching, tmp_path: Path
) -> None:
    fault, path = FAULTS.get(edit, BY_HAND), on_path(tmp_path)
    with watching(fault, bare, path=path, beside=True) as watch:
        for demo in edit(tmp_path):
            watch.see(demo)


@pytest.mark.many_starts
def test_edits_are_seen_by_an_index_that_settled_by_waiting(
    bare: Environment, watching: Watching, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        begun = []
        for edit in EDITS[:SAME_FROM_AFAR]:
            directory = plant(tmp_path / edit.__name__, {})
            steps = edit(directory)
            options = {"path": on_path(directory), "ways": (NOW,)}
            watch = stack.enter_context(watching(BY_HAND, bare, directory, **options))
            watch.see(next(steps))
            begun.append((watch, steps))
        time.sleep(RACY)
        for watch, steps in begun:
            watch.settle()
            watch.see(next(steps))


def test_an_edit_of_a_file_from_the_future_is_seen(
    bare: Environment, watching: Watching, tmp_path: Path
) -> None:
    # Its mtime is believed when it was the same at two looks.
    with watching(BY_HAND, bare, path=on_path(tmp_path), beside=True) as watch:
        file = site(tmp_path / "first")
        future = time.time_ns() + 3 * LATER
        os.utime(file, ns=(future, future))
        watch.see(OLD, looks=2)
        rewrite(file, NEW, times=file.stat())
        watch.see(NEW, looks=2)
