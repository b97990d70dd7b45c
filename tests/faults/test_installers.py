"""Change an environment with installers and by hand: the next process answers right.

The oracle is importlib_metadata in a fresh process of the same environment. In a long
run the cache of stevedore is queried as well, and compared with importlib.metadata of
the standard library, from which it gets its answers.
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
from tests.support.environments import (
    RACY_SECONDS,
    Environment,
    forget_settings,
    vendor,
)
from tests.support.fixtures import Count
from tests.support.oracle import NEWEST_ORACLE
from tests.support.tally import LONG, RIVAL, Tally

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="links, and the layout of POSIX"),
]

# The names of the faults in the report.
BY_PIP = "installed, upgraded, removed by pip"
BY_UV = "installed, upgraded, removed by uv, {}"
EDITABLE = "installed as editable by {}"
SOURCE_TREE = "an egg-info in a source tree"
OWN_DIRECTORY = "installed by --target, --prefix or --user"
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


# Some versions of importlib_metadata raise an error if there is no metadata. Results
# are printed by repr, since the import of json takes as long as a start.
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
# Prints whether the index was updated, and the entry points.
START = f"""
import sys, time
import lazyplug._files

ahead, with_owners, *groups = sys.argv[1:]
if int(ahead):
    clock = staticmethod(lambda: time.time_ns() + int(ahead))
    lazyplug._files.fs.clock = clock
queries = [{{"group": group}} for group in groups] or [{{}}]
points = [point for query in queries for point in lazyplug.entry_points(**query)]
updated = "lazyplug._indexing.update" in sys.modules
{DESCRIBE}
if with_owners:
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
# stevedore keeps an entry point only once if several distributions declare it.
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
    """Return an entry_points.txt that declares these values."""
    return f"[{group}]\n" + "".join(f"{name} = {demo[name]}\n" for name in demo)


@pytest.fixture(scope="module")
def outside() -> Iterator[Path]:
    """Make a directory outside /tmp, below which stevedore has no cache."""
    parent = "/var/tmp"  # noqa: S108 - names in it cannot be guessed
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
    """The base Python of this one, with a site directory of the user.

    :param site: the site directory of the user.
    :param engine: a directory that contains lazyplug and its requirements.
    """

    def __init__(self, site: Path, engine: Path) -> None:
        self.site = plant(site, {"engine.pth": f"{engine}\n"})
        self.executable: str = vars(sys)["_base_executable"]


class Query(NamedTuple):
    """How a program queries; each query has a cache of its own."""

    level: str
    # Nanoseconds to add to the clock. If it is far ahead, no stat signature is racy. By
    # the real clock all are, which would hide faults in their comparison.
    ahead: int
    # Empty: all groups in one query.
    groups: tuple[str, ...] = ()
    # Whether to return distributions too. Opening them takes longer than all else.
    with_owners: bool = False


NOW = Query("full", 0, GROUPS)
AT_FULL = (NOW, Query("full", LATER, with_owners=True), Query("full", LATER, GROUPS))
AT_DIRS = (Query("dirs", 0, GROUPS), Query("dirs", LATER, GROUPS, with_owners=True))


class Start(NamedTuple):
    """The answer of one process, and what it did to the cache."""

    # Whether the index was updated, and whether it was written.
    updated: bool
    written: bool
    rows: list[Row]


class Observer:
    """Query an environment repeatedly, in several ways, in fresh processes.

    :param environment: the environment.
    :param directory: for the caches.
    :param count: counts the answers of lazyplug.
    :param rival: counts the answers of the rival; None: it is not queried.
    :param queries: the ways to query.
    :param path: the directories on PYTHONPATH.
    :param here: the directory in which programs start; None: an empty one.
    """

    def __init__(
        self,
        environment: Environment,
        directory: Path,
        count: Tally,
        rival: Tally | None,
        queries: tuple[Query, ...] = AT_FULL,
        path: tuple[Path, ...] = (),
        here: Path | None = None,
    ) -> None:
        self.environment = environment
        self.directory = directory
        self.count = count
        self.rival = rival
        self.here = here or plant(directory / "here", {})
        self.path = os.pathsep.join(map(str, path))
        self.queries = queries
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

    def _files(self, query: Query) -> dict[str, tuple[int, int]]:
        """Return the files in a cache, with what changes if one is replaced."""
        status = {file.name: file.stat() for file in self._cache(query).glob("*")}
        return {name: (s.st_ino, s.st_mtime_ns) for name, s in status.items()}

    def _cache(self, query: Query) -> Path:
        return self.directory / f"cache-{self.queries.index(query)}"

    def _start(self, query: Query, with_owners: bool) -> Start:
        before = self._files(query)
        updated, rows = self._run(
            START,
            str(query.ahead),
            "with_owners" if with_owners else "",
            *query.groups,
            LAZYPLUG_CHECK=query.level,
            LAZYPLUG_CACHE_DIR=str(self._cache(query)),
        )
        return Start(updated, self._files(query) != before, rows)

    def _check(
        self, query: Query, with_owners: bool, started: "Future[Start]"
    ) -> Start:
        """Count the answer of a start, which must be right."""
        truth = [row for row in self.truth if row[0] in (query.groups or (row[0],))]
        if not with_owners:
            truth = sorted(row[:3] for row in truth)
        label = f"step {self.steps}, {query}"
        self.count.check(lambda: started.result().rows, truth, label)
        assert not self.count.examples, "\n".join(self.count.examples)
        start = started.result()
        assert start.updated or not start.written, label
        return start

    def _query_again(
        self, pool: ThreadPoolExecutor, queries: list[Query]
    ) -> list[bool]:
        """Query once more; return for each query whether the index was fresh."""
        started = [pool.submit(self._start, query, False) for query in queries]
        return [
            not self._check(query, False, start).updated
            for query, start in zip(queries, started)
        ]

    def expect(
        self,
        demo: Demo | None,
        *,
        changed: bool | None = True,
        starts: int = 1,
        truth: list[Row] | None = None,
    ) -> None:
        """Check the answers to all queries.

        :param demo: the expected group "demo"; None: as the oracle answers.
        :param changed: whether the index must be updated; None: it may be.
        :param starts: how many starts it takes until the index is fresh, if the clock
            is ahead.
        :param truth: the right answer, where the oracle has none, or one that depends
            on the order in which the file system lists a directory.
        """
        self.steps += 1
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            oracle = None if truth is not None else pool.submit(self._run, ORACLE)
            started = [
                pool.submit(self._start, query, query.with_owners)
                for query in self.queries
            ]
            self.truth = oracle.result() if oracle else truth or []
            declared = {row[1]: row[2] for row in self.truth if row[0] == "demo"}
            assert demo in (None, declared)
            ahead = [query for query in self.queries if query.ahead]
            for query, future in zip(self.queries, started):
                start = self._check(query, query.with_owners, future)
                assert changed in (None, start.updated) or query not in ahead, query
            for number in range(1, starts + 1):
                fresh = self._query_again(pool, ahead)
                assert fresh == [number == starts] * len(ahead)
        if self.rival:
            self._ask_rival(self.rival)

    def _ask_rival(self, rival: Tally) -> None:
        try:
            truth = self._run(TRUTH_OF_RIVAL)
        except AssertionError:
            return  # Python's own importlib.metadata has no answer
        # The places of its cache, on each system.
        home = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), str(self.directory / "rival"))
        rival.check(lambda: self._run(ASK_RIVAL, **home), truth)

    def expect_clean(self) -> None:
        """Query when nothing is racy any more: the index is written once, then used."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self._query_again(pool, list(self.queries))
            assert all(self._query_again(pool, list(self.queries)))

    def with_demo(self, demo: Demo, version: str) -> list[Row]:
        """Return the right answer if this version of `Demo.Plugin` declares these."""
        rows = [row for row in self.truth if row[3] != "Demo.Plugin"]
        more = [("demo", name, demo[name], "Demo.Plugin", version) for name in demo]
        return sorted([*rows, *more], key=repr)


# Creates an Observer of an environment, for a fault. In a long run it queries the rival
# as well, if `with_rival`.
Observe = Callable[..., contextlib.AbstractContextManager[Observer]]


@pytest.fixture
def observe(tally: Count, long: bool, tmp_path: Path) -> Observe:
    @contextlib.contextmanager
    def make_observer(
        fault: str,
        environment: Environment,
        directory: Path = tmp_path,
        *,
        with_rival: bool = False,
        **options: Any,
    ) -> Iterator[Observer]:
        with contextlib.ExitStack() as stack:
            count = stack.enter_context(tally(fault))
            rival = None
            if with_rival and long:
                rival = stack.enter_context(tally(fault, RIVAL))
            yield Observer(environment, directory, count, rival, **options)

    return make_observer


def wheel(
    directory: Path,
    demo: Demo | str | bytes | None,
    version: str = "1.0",
    name: str = "Demo.Plugin",
    code: Tree | None = None,
    stem: str | None = None,
) -> Path:
    """Build a wheel of a distribution that declares these values.

    :param demo: None for no entry_points.txt; a text for its whole content.
    :param code: files apart from the metadata, by path.
    :param stem: the name of the distribution as it is spelled in file names.
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


# A build backend for the editable project below, without requirements.
BACKEND = """
import os, zipfile

def build_editable(directory, config_settings=None, metadata_directory=None):
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
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel
"""


def project(directory: Path, demo: Demo) -> Path:
    """Write a project with its own build backend and its code in `src`."""
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
    """An installer, and the environment into which it installs.

    :param environment: the environment.
    :param link_mode: of uv; None: pip.
    """

    def __init__(self, environment: Environment, link_mode: str | None) -> None:
        self.environment = environment
        self.link_mode = link_mode
        self.fault = BY_UV.format(LINKS[link_mode]) if link_mode else BY_PIP

    def _run(self, verb: str, *arguments: str, check: bool = True) -> None:
        command = ("pip", verb, "--quiet", *arguments)
        if self.link_mode is None:
            self.environment.run("-m", *command, check=check)
        else:
            python(*command, executable=uv.find_uv_bin(), check=check)

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
def restore(directory: Path) -> Iterator[None]:
    """Remove at the end what was added to a directory."""
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
    """Make an environment with pip, once per module, since that takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch)
        return Environment(outside / "with_pip", engine)


@pytest.fixture
def pip(with_pip: Environment) -> Iterator[Tool]:
    """Return pip; remove at the end what it installed."""
    with restore(with_pip.site):
        yield Tool(with_pip, None)


@pytest.fixture
def environment(engine: Path, tmp_path: Path) -> Environment:
    return Environment(tmp_path / "environment", engine, "--without-pip")


@pytest.fixture(
    params=[
        *("pip", "uv hardlink"),
        *(pytest.param(f"uv {mode}", marks=LONG) for mode in ("copy", "symlink")),
    ]
)
def tool(request: pytest.FixtureRequest) -> Tool:
    """Return each installer in turn."""
    name, _, link_mode = request.param.partition(" ")
    if name == "pip":
        found: Tool = request.getfixturevalue("pip")
        return found
    return Tool(request.getfixturevalue("environment"), link_mode)


# uv in one link mode, for tests that do not depend on it. The second mark runs pip,
# which takes seconds, only in a long run.
PIP_AND_UV = pytest.mark.parametrize("tool", ["pip", "uv hardlink"], indirect=True)
UV_AND_LATER_PIP = pytest.mark.parametrize(
    "tool", [pytest.param("pip", marks=LONG), "uv hardlink"], indirect=True
)
# At both levels that check anything, and with the rival.
EVERY: Mapping[str, Any] = {"queries": AT_FULL + AT_DIRS, "with_rival": True}


def test_an_install_is_seen(tool: Tool, observe: Observe, tmp_path: Path) -> None:
    with observe(tool.fault, tool.environment, **EVERY) as observer:
        observer.expect(NOTHING)
        tool.install(wheel(tmp_path / "wheels", NEW))
        observer.expect(NEW)


def test_an_uninstall_is_seen(tool: Tool, observe: Observe, tmp_path: Path) -> None:
    tool.install(wheel(tmp_path / "wheels", OLD))
    with observe(tool.fault, tool.environment, **EVERY) as observer:
        observer.expect(OLD)
        tool.uninstall("demo-plugin")
        observer.expect(NOTHING)


def test_an_upgrade_is_seen(tool: Tool, observe: Observe, tmp_path: Path) -> None:
    tool.install(wheel(tmp_path / "wheels", OLD))
    with observe(tool.fault, tool.environment, **EVERY) as observer:
        observer.expect(OLD)
        # The version changes, but not the entry points.
        tool.install(wheel(tmp_path / "wheels", OLD, version="2.0"))
        observer.expect(OLD)
        tool.install(wheel(tmp_path / "wheels", NEW, version="3.0"))
        observer.expect(NEW)


@pytest.mark.many_starts
def test_a_reinstall_of_the_same_version_is_seen(
    tool: Tool, observe: Observe, tmp_path: Path
) -> None:
    tool.install(wheel(tmp_path / "old", OLD))
    with observe(tool.fault, tool.environment, **EVERY) as observer:
        observer.expect(OLD)
        tool.reinstall(wheel(tmp_path / "new", NEW))
        observer.expect(NEW)
        # New files with the same content.
        tool.reinstall(wheel(tmp_path / "new", NEW))
        observer.expect(NEW)


@UV_AND_LATER_PIP
def test_entry_points_that_a_distribution_loses_and_gains_are_seen(
    tool: Tool, observe: Observe, tmp_path: Path
) -> None:
    tool.install(wheel(tmp_path / "wheels", OLD))
    with observe(tool.fault, tool.environment, **EVERY) as observer:
        observer.expect(OLD)
        tool.install(wheel(tmp_path / "wheels", None, version="2.0"))
        observer.expect(NOTHING)
        tool.install(wheel(tmp_path / "wheels", NEW, version="3.0"))
        observer.expect(NEW)
        tool.reinstall(wheel(tmp_path / "lost", None, version="3.0"))
        observer.expect(NOTHING)
        tool.reinstall(wheel(tmp_path / "gained", OLD, version="3.0"))
        observer.expect(OLD)


@PIP_AND_UV
def test_an_editable_install_and_its_changes_are_seen(
    tool: Tool, observe: Observe, tmp_path: Path
) -> None:
    with observe(tool.fault, tool.environment, **EVERY) as observer:
        observer.expect(NOTHING)
        source = project(tmp_path / "project", OLD)
        tool.install("--editable", source)
        observer.expect(OLD)
        plant(source, {"entry_points.txt": points(NEW)})
        observer.expect(OLD, changed=False)
        tool.reinstall("--editable", source)
        observer.expect(NEW)
        tool.uninstall("demo-plugin")
        observer.expect(NOTHING)


def test_a_shadowed_distribution_is_seen_when_the_other_is_removed(
    tool: Tool, observe: Observe, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    with observe(SHADOWED, tool.environment, path=(target,), **EVERY) as observer:
        tool.install(wheel(tmp_path / "wheels", OLD))
        observer.expect(OLD)
        tool.install("--target", target, wheel(tmp_path / "wheels", NEW, version="2.0"))
        observer.expect(NEW)
        if tool.link_mode is None:
            # pip does not uninstall from a target.
            shutil.rmtree(target / "demo_plugin-2.0.dist-info")
        else:
            tool.uninstall("--target", target, "demo-plugin")
        observer.expect(OLD)


@PIP_AND_UV
@pytest.mark.many_starts
def test_a_reinstall_is_seen_after_signatures_are_no_longer_racy(
    tool: Tool, observe: Observe, tmp_path: Path
) -> None:
    tool.install(wheel(tmp_path / "old", OLD))
    with observe(tool.fault, tool.environment, queries=(NOW, AT_DIRS[0])) as observer:
        observer.expect(OLD)
        time.sleep(RACY_SECONDS)
        observer.expect_clean()
        tool.reinstall(wheel(tmp_path / "new", NEW))
        observer.expect(NEW)


def test_a_link_that_uv_makes_for_another_environment_costs_one_scan(
    environment: Environment, engine: Path, observe: Observe, tmp_path: Path
) -> None:
    # A hard link moves the ctime of what it links to, and nothing else.
    path = wheel(tmp_path / "wheels", OLD)
    tool = Tool(environment, "hardlink")
    tool.install(path)
    with observe(tool.fault, environment) as observer:
        observer.expect(OLD)
        other = Environment(tmp_path / "other", engine, "--without-pip")
        Tool(other, "hardlink").install(path)
        observer.expect(OLD)


@pytest.mark.parametrize("link_mode", ["hardlink", "symlink"])
def test_an_edit_in_another_environment_with_the_same_file_of_uv_is_seen(
    link_mode: str,
    environment: Environment,
    engine: Path,
    observe: Observe,
    tmp_path: Path,
) -> None:
    path = wheel(tmp_path / "wheels", OLD)
    other = Environment(tmp_path / "other", engine, "--without-pip")
    tool = Tool(environment, link_mode)
    for each in (tool, Tool(other, link_mode)):
        each.install(path)
    with observe(tool.fault, environment, with_rival=True) as observer:
        observer.expect(OLD)
        rewrite(other.site / "demo_plugin-1.0.dist-info" / "entry_points.txt", NEW)
        observer.expect(NEW)


def test_files_that_are_removed_with_the_cache_of_uv_are_not_seen(
    environment: Environment, observe: Observe, tmp_path: Path
) -> None:
    tool = Tool(environment, "symlink")
    tool.install(wheel(tmp_path / "wheels", OLD))
    with observe(tool.fault, environment) as observer:
        observer.expect(OLD)
        shutil.rmtree(tmp_path / "store")
        observer.expect(NOTHING)


# The text, the values that it declares, and whether the oracle can read it. pip refuses
# texts that the oracle cannot read. uv refuses more, but leaves the files there.
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
def test_valid_lines_of_malformed_entry_points_are_seen(
    text: bytes,
    demo: Demo,
    readable: bool,
    tool: Tool,
    observe: Observe,
    tmp_path: Path,
) -> None:
    path = wheel(tmp_path / "wheels", text)
    with observe(tool.fault, tool.environment, queries=AT_FULL + AT_DIRS) as observer:
        observer.expect(NOTHING)
        tool.install(path, check=False)
        file = tool.environment.site / "demo_plugin-1.0.dist-info" / "entry_points.txt"
        there = file.exists()
        # If the oracle cannot read the text, it has no answer at all.
        truth = None if readable or not there else observer.with_demo(demo, "1.0")
        observer.expect(demo if there else NOTHING, changed=there, truth=truth)
        tool.reinstall(wheel(tmp_path / "repaired", OLD))
        observer.expect(OLD)


# Runs pip until it would delete the uninstalled files, or write one file more.
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
    """Run pip, and interrupt it when it has written this many files."""
    options = ["--yes"] if verb == "uninstall" else ["--no-index", "--no-deps"]
    everything = [str(files), verb, "--quiet", *options, *map(str, arguments)]
    done = python(
        *("-c", INTERRUPTED, *everything),
        executable=pip.environment.executable,
        check=False,
    )
    assert done.returncode == 99, done.stderr


@LONG
def test_files_that_an_interrupted_pip_leaves_are_seen(
    pip: Tool, observe: Observe, tmp_path: Path
) -> None:
    pip.install(wheel(tmp_path / "old", OLD))
    with observe(pip.fault, pip.environment, **EVERY) as observer:
        observer.expect(OLD)
        interrupt(pip, "uninstall", "demo-plugin")
        (left,) = pip.environment.site.glob("~*.dist-info")
        observer.expect(OLD)
        shutil.rmtree(left)
        observer.expect(NOTHING)
        pip.install(wheel(tmp_path / "old", OLD))
        observer.expect(OLD)
        # Both declare entry points: the leftover directory has a name of its own.
        upgrade = wheel(tmp_path / "new", {"b": "m:new"}, version="2.0")
        interrupt(pip, "install", upgrade)
        observer.expect({"a": "m:old", "b": "m:new"})
        (left,) = pip.environment.site.glob("~*.dist-info")
        shutil.rmtree(left)
        observer.expect({"b": "m:new"})


@LONG
def test_an_interruption_of_pip_before_each_file_is_seen(
    pip: Tool, observe: Observe, tmp_path: Path
) -> None:
    path, site = wheel(tmp_path / "wheels", NEW), pip.environment.site
    with zipfile.ZipFile(path) as archive:
        files = archive.namelist()
    with observe(pip.fault, pip.environment, **EVERY) as observer:
        observer.expect(NOTHING)
        for number in range(len(files)):
            with restore(site):
                interrupt(pip, "install", path, files=number)
                there = [(site / file).exists() for file in files]
                assert there == [True] * number + [False] * (len(files) - number)
                declared = files.index("demo_plugin-1.0.dist-info/entry_points.txt")
                observer.expect(
                    NEW if number > declared else NOTHING, changed=number > 0
                )
                pip.install("--ignore-installed", path)
                observer.expect(NEW)
            observer.expect(NOTHING)


@LONG
@pytest.mark.parametrize(("first", "then"), [("1.0", "2.0"), ("2.0", "1.0")])
def test_of_two_versions_in_one_directory_the_higher_is_seen(
    first: str, then: str, pip: Tool, observe: Observe, tmp_path: Path
) -> None:
    demos = {"1.0": OLD, "2.0": NEW}
    with observe(pip.fault, pip.environment, **EVERY) as observer:
        pip.install(wheel(tmp_path / "wheels", demos[first], first))
        observer.expect(demos[first])
        path = wheel(tmp_path / "wheels", demos[then], then)
        pip.install("--ignore-installed", path)
        # The answer of the oracle depends on the order of the directory listing.
        observer.expect(NEW, truth=observer.with_demo(NEW, "2.0"))
        pip.uninstall("demo-plugin")
        (info,) = pip.environment.site.glob("demo_plugin-*.dist-info")
        observer.expect(demos[info.name.split("-")[1].removesuffix(".dist")])
        pip.uninstall("demo-plugin")
        observer.expect(NOTHING)


# ------------------------------------------------------------------ other directories


@UV_AND_LATER_PIP
@pytest.mark.parametrize("option", [pytest.param("--target", marks=LONG), "--prefix"])
def test_an_install_into_a_separate_directory_is_seen(
    option: str, tool: Tool, observe: Observe, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    names = {"base": str(own), "platbase": str(own)}
    in_prefix = Path(sysconfig.get_path("purelib", "venv", names))
    site = own if option == "--target" else in_prefix
    with observe(OWN_DIRECTORY, tool.environment, path=(site,), **EVERY) as observer:

        def expect(demo: Demo) -> None:
            # pip does not remove the metadata of the old version.
            several = len(list(site.glob("*.dist-info"))) > 1
            observer.expect(
                demo, truth=observer.with_demo(demo, "2.0") if several else None
            )

        observer.expect(NOTHING)
        tool.install(option, own, wheel(tmp_path / "wheels", OLD))
        expect(OLD)
        upgrade = wheel(tmp_path / "wheels", NEW, version="2.0")
        tool.install("--upgrade", option, own, upgrade)
        expect(NEW)
        again = wheel(tmp_path / "again", OLD, version="2.0")
        tool.reinstall("--upgrade", option, own, again)
        expect(OLD)
        for info in site.glob("*.dist-info"):
            shutil.rmtree(info)
        observer.expect(NOTHING)
        shutil.rmtree(own)
        observer.expect(NOTHING)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty user site directory."""
    base = str(tmp_path / "user")
    monkeypatch.setenv("PYTHONUSERBASE", base)
    # The base Python may be managed by the system, but nothing is installed into it.
    monkeypatch.setenv("PIP_BREAK_SYSTEM_PACKAGES", "1")
    scheme = sysconfig.get_preferred_scheme("user")
    return Path(sysconfig.get_path("purelib", scheme, {"userbase": base}))


@LONG
def test_an_install_for_the_user_is_seen(
    user: Path, engine: Path, observe: Observe, tmp_path: Path
) -> None:
    # In a virtual environment, pip can install for the user, but not uninstall.
    system = System(user, engine)
    pip = Tool(system, None)
    options: dict[str, Any] = {"executable": system.executable, "check": False}
    if python("-c", "import pip", **options).returncode:
        pytest.skip("the Python of the system has no pip")
    with observe(OWN_DIRECTORY, system, **EVERY) as observer:
        observer.expect(NOTHING)
        pip.install("--user", wheel(tmp_path / "wheels", OLD))
        observer.expect(OLD)
        pip.install("--user", wheel(tmp_path / "wheels", NEW, version="2.0"))
        observer.expect(NEW)
        pip.reinstall("--user", wheel(tmp_path / "again", OLD, version="2.0"))
        observer.expect(OLD)
        pip.uninstall("demo-plugin")
        observer.expect(NOTHING)


@LONG
def test_of_three_directories_the_first_on_the_path_is_seen(
    user: Path, engine: Path, observe: Observe, tmp_path: Path
) -> None:
    options = (tmp_path / "environment", engine, "--system-site-packages")
    pip, target = Tool(Environment(*options), None), tmp_path / "target"

    def install(demo: Demo, *options: "str | Path") -> None:
        path = wheel(tmp_path / "wheels", demo)
        pip.install("--ignore-installed", *options, path)

    paths = {"path": (target,), "with_rival": True}
    with observe(SHADOWED, pip.environment, **paths) as observer:
        install({"a": "m:user"}, "--user")
        observer.expect({"a": "m:user"})
        install({"b": "m:site"})
        observer.expect({"b": "m:site"})
        install({"c": "m:path"}, "--target", target)
        observer.expect({"c": "m:path"})
        # The shadowed one changes; then the one that shadows it declares nothing.
        install({"d": "m:site"})
        observer.expect({"c": "m:path"})
        (target / "demo_plugin-1.0.dist-info" / "entry_points.txt").unlink()
        observer.expect(NOTHING)
        shutil.rmtree(target)
        observer.expect({"d": "m:site"})
        pip.uninstall("demo-plugin")
        observer.expect({"a": "m:user"})
        shutil.rmtree(user)
        observer.expect(NOTHING)


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
def test_all_distributions_of_a_namespace_package_are_seen(
    style: str, tool: Tool, observe: Observe, tmp_path: Path
) -> None:
    def build(name: str, value: str, version: str = "1.0", **options: Any) -> Path:
        code = {f"ns/{name}.py": "", **STYLES[style](name)}
        options |= {"name": f"ns.{name}", "code": code}
        return wheel(tmp_path / "wheels", {name: value}, version, **options)

    with observe(NAMESPACE, tool.environment, **EVERY) as observer:
        tool.install(build("one", "ns.one:x"))
        observer.expect({"one": "ns.one:x"})
        tool.install(build("two", "ns.two:x"))
        observer.expect({"one": "ns.one:x", "two": "ns.two:x"})
        tool.environment.run("-c", "import ns.one, ns.two")
        # Spelled as in wheels before their names were normalized.
        tool.install(build("one", "ns.one:y", "2.0", stem="ns.one"))
        observer.expect({"one": "ns.one:y", "two": "ns.two:x"})
        tool.uninstall("ns-two")
        observer.expect({"one": "ns.one:y"})


# ------------------------------------------------------ editable, with build backends


def with_packages(environment: Environment, *names: str) -> Environment:
    """Install from the configured registry, or skip the test."""
    options = ["--quiet", "--retries", "1", "--disable-pip-version-check"]
    try:
        environment.run("-m", "pip", "install", "--upgrade", *options, *names)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"the registry cannot be reached: {str(error)[-200:]}")
    return environment


@pytest.fixture(scope="module")
def with_backends(engine: Path, outside: Path) -> Environment:
    return with_packages(
        Environment(outside / "with_backends", engine),
        *("setuptools", "wheel", "hatchling", "editables", "flit-core", "poetry-core"),
    )


@pytest.fixture(scope="module")
def with_old_setuptools(engine: Path, outside: Path) -> Environment:
    """Make an environment with the last setuptools that installs projects itself."""
    old = Environment(outside / "with_old_setuptools", engine)
    return with_packages(old, "setuptools<80", "wheel")


class Build(NamedTuple):
    """A project with one of the common build backends.

    :param name: the name of the backend.
    :param requires: the requirement of the project.
    :param backend: the module of the backend.
    :param package: the directory of the code.
    :param option: a setting for the installer's command line.
    :param setting: more lines for pyproject.toml.
    """

    name: str
    requires: str
    backend: str
    package: str
    option: str = ""
    setting: str = ""

    def write(self, directory: Path, demo: Demo, version: str = "1.0") -> Path:
        """Write the project, or overwrite it."""
        text = (
            f'[build-system]\nrequires = ["{self.requires}"]\n'
            f'build-backend = "{self.backend}"\n{self.setting}[project]\n'
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
    # A .pth file, modules that find the code, a directory of links.
    *(
        Build(*SETUPTOOLS, "src/demo_plugin", f"editable_mode={m}")
        for m in ("strict", "compat")
    ),
    *(
        Build(*SETUPTOOLS, "demo_plugin", f"editable_mode={m}")
        for m in ("strict", "compat")
    ),
    # Puts an entry on sys.path that is not a directory.
    Build(*SETUPTOOLS, "demo_space/demo_plugin"),
    Build(*HATCHLING, "demo_plugin", setting=EXACT),
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
    observe: Observe,
    tmp_path: Path,
) -> None:
    environment, source = with_backends, build.write(tmp_path / "project", OLD)
    tool = Tool(environment, link_mode)
    arguments = ["--editable", str(source)]
    if build.option:
        arguments += ["--config-settings", build.option]
    module = build.package.removeprefix("src/").replace("/", ".")
    with (
        restore(environment.site),
        observe(EDITABLE.format(build.name), environment, **EVERY) as observer,
    ):
        observer.expect(NOTHING)
        tool.install(*arguments)
        file = environment.run("-c", f"import {module} as m; print(m.__file__)")
        assert file.startswith(str(source))
        observer.expect(OLD)
        build.write(source, NEW)
        observer.expect(OLD, changed=False)
        tool.reinstall(*arguments)
        observer.expect(NEW)
        build.write(source, {**OLD, "b": "m:more"}, version="2.0")
        tool.install(*arguments)
        observer.expect({**OLD, "b": "m:more"})
        tool.uninstall("demo-plugin")
        observer.expect(NOTHING)


# ------------------------------------------------------ an egg-info in a source tree


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
    # setup.py warns that it is deprecated.
    environment.run("-W", "ignore", "setup.py", "--quiet", *arguments, cwd=tree)


# How a source tree gets on the path: the files in site-packages for it.
LINKED: Mapping[str, Callable[[Path], Tree]] = {
    "current directory": lambda tree: {},
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
    observe: Observe,
    tree: Path,
) -> None:
    """Check that each edit of an egg-info is seen at once."""
    is_volatile = linked == "current directory"
    options: dict[str, Any] = {"with_rival": True, "queries": AT_FULL}
    if linked == "PYTHONPATH":
        options["path"] = (tree,)
    elif is_volatile:
        # Scanned at each start, at every level.
        options |= {"here": tree, "queries": AT_FULL + AT_DIRS}
    with (
        restore(environment.site),
        observe(SOURCE_TREE, environment, **options) as observer,
    ):
        plant(environment.site, LINKED[linked](plant(tree, {})))
        observer.expect(NOTHING)
        write(tree, OLD, "1.0")
        observer.expect(OLD, changed=not is_volatile)
        write(tree, NEW, "1.0")
        observer.expect(NEW, changed=not is_volatile)
        # The version is in PKG-INFO, which is read when the version is requested.
        write(tree, NEW, "2.0")
        observer.expect(NEW, changed=None)
        shutil.rmtree(tree / "Demo.Plugin.egg-info")
        observer.expect(NOTHING, changed=not is_volatile)


@pytest.mark.parametrize(
    "linked",
    [
        "current directory",
        pytest.param("PYTHONPATH", marks=LONG),
        pytest.param(".pth", marks=LONG),
        "egg-link",
    ],
)
def test_an_egg_info_in_a_source_tree_is_seen_at_once(
    linked: str, environment: Environment, observe: Observe, tmp_path: Path
) -> None:
    def write(tree: Path, demo: Demo, version: str) -> None:
        headers = f"Metadata-Version: 2.1\nName: Demo.Plugin\nVersion: {version}\n"
        info = {"PKG-INFO": headers, "entry_points.txt": points(demo)}
        plant(tree, {"Demo.Plugin.egg-info": info})

    follow_egg_info(write, linked, environment, observe, tmp_path / "tree")


@LONG
@pytest.mark.parametrize("linked", LINKED)
def test_an_egg_info_that_setup_py_writes_is_seen_at_once(
    linked: str, with_old_setuptools: Environment, observe: Observe, tmp_path: Path
) -> None:
    def write(tree: Path, demo: Demo, version: str) -> None:
        run_setup(with_old_setuptools, setup(tree, demo, version), "egg_info")

    follow_egg_info(write, linked, with_old_setuptools, observe, tmp_path / "tree")


@LONG
def test_changes_by_setup_py_develop_are_seen(
    with_old_setuptools: Environment, observe: Observe, tmp_path: Path
) -> None:
    environment, tree = with_old_setuptools, setup(tmp_path / "tree", OLD)
    with (
        restore(environment.site),
        observe(SOURCE_TREE, environment, with_rival=True) as observer,
    ):
        observer.expect(NOTHING)
        run_setup(environment, tree, "develop")
        assert list(environment.site.glob("*.egg-link"))
        observer.expect(OLD)
        run_setup(environment, setup(tree, NEW), "egg_info")
        observer.expect(NEW)
        # An install shadows the tree. Without it, the tree is seen again.
        pip = Tool(environment, None)
        pip.install("--ignore-installed", wheel(tmp_path / "wheels", OLD))
        observer.expect(OLD)
        shutil.rmtree(environment.site / "demo_plugin-1.0.dist-info")
        observer.expect(NEW)
        run_setup(environment, tree, "develop", "--uninstall")
        # It may leave the tree on the path.
        (environment.site / "easy-install.pth").unlink()
        observer.expect(NOTHING)


@LONG
@pytest.mark.parametrize("zip_safe", [True, False], ids=["zipped", "unpacked"])
def test_an_egg_that_setup_py_installs_is_seen(
    zip_safe: bool, with_old_setuptools: Environment, observe: Observe, tmp_path: Path
) -> None:
    environment, tree = with_old_setuptools, tmp_path / "tree"

    def install(demo: Demo, version: str) -> None:
        run_setup(environment, setup(tree, demo, version, zip_safe), "install")
        (egg,) = environment.site.glob(f"*-{version}-*.egg")
        assert egg.is_file() == zip_safe

    with restore(environment.site), observe(ARCHIVE, environment, **EVERY) as observer:
        observer.expect(NOTHING)
        install(OLD, "1.0")
        observer.expect(OLD)
        install(NEW, "1.0")
        observer.expect(NEW)
        # The order of the two in easy-install.pth differs.
        install(OLD, "2.0")
        observer.expect(None)
        links = environment.site / "easy-install.pth"
        for left in (["2.0"], ["1.0", "2.0"], ["1.0"]):
            eggs = [next(environment.site.glob(f"*-{each}-*.egg")) for each in left]
            links.write_text("".join(f"./{egg.name}\n" for egg in eggs))
            # The index of an earlier path is found again, and may be fresh.
            observer.expect(NEW if "1.0" in left else OLD, changed=None)
        links.unlink()
        observer.expect(NOTHING)


# Edits by hand. Each one creates `first` and `second`, which are on PYTHONPATH in this
# order, before `packed.zip`, a wheel and an egg. It yields the expected group "demo",
# makes an edit, yields the expected group after it, and so on.
Edit = Callable[[Path], Iterator[Demo]]
WHEEL, EGG = "demo_plugin-1.0-py3-none-any.whl", "one-1.0-py3.egg"


def site(directory: Path, demo: Demo | None = OLD, name: str = "one") -> Path:
    """Create a distribution among others; return its entry_points.txt."""
    text = None if demo is None else points(demo)
    plant(
        directory, {**dist("bare"), **dist("other", entry_points=points(OLD, "other"))}
    )
    plant(directory, dist(name, entry_points=text))
    return directory / f"{name}-1.0.dist-info" / "entry_points.txt"


def rewrite(file: Path, demo: Demo, times: os.stat_result | None = None) -> None:
    """Write into a file in place; set these times."""
    with file.open("r+", encoding="utf-8") as opened:
        opened.truncate()
        opened.write(points(demo))
    if times is not None:
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def make_twin(file: Path, demo: Demo) -> Path:
    """Create another file with the same times."""
    twin = file.parent.parent.parent / "twin"
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


def edit_of_the_same_size_with_its_mtime_restored(root: Path) -> Iterator[Demo]:
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
    make_twin(file, NEW).replace(file)
    yield NEW


def replacement_that_reuses_the_inode(root: Path) -> Iterator[Demo]:
    # The file system may use the inode of the removed file for the next one.
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
    twin = make_twin(file, NEW)
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
    twin = make_twin(file, NEW)
    file.unlink()
    file.symlink_to(twin)
    yield NEW


def edit_of_the_target_of_a_symbolic_link(root: Path) -> Iterator[Demo]:
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


def metadata_directory_switched_by_a_symbolic_link(root: Path) -> Iterator[Demo]:
    # Nothing of this is visible in the directory on sys.path.
    for name, demo in (("old", OLD), ("new", NEW)):
        plant(
            root / name,
            {"info": dist("one", entry_points=points(demo))["one-1.0.dist-info"]},
        )
    (root / "switch").symlink_to("old")
    plant(root / "first", {})
    (root / "first" / "one-1.0.dist-info").symlink_to(root / "switch" / "info")
    yield OLD
    (root / "switch").unlink()
    (root / "switch").symlink_to("new")
    yield NEW


def removal_and_return(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    file.rename(root / "kept")
    yield NOTHING
    (root / "kept").rename(file)
    yield OLD


def truncation(root: Path) -> Iterator[Demo]:
    file = site(root / "first")
    yield OLD
    os.truncate(file, 0)
    yield NOTHING


def addition_to_a_distribution_that_had_none(root: Path) -> Iterator[Demo]:
    file = site(root / "first", None)
    yield NOTHING
    file.write_text(points(NEW), encoding="utf-8")
    yield NEW


def addition_in_place_of_a_directory(root: Path) -> Iterator[Demo]:
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
    # METADATA still has the old name, but the name of the directory counts.
    info.rename(info.with_name("two-1.0.dist-info"))
    yield OLD


def exchange_of_two_metadata_directories(root: Path) -> Iterator[Demo]:
    info = site(root / "first").parent
    twin = site(root / "aside", NEW).parent
    yield OLD
    info.rename(root / "kept")
    twin.rename(info)
    yield NEW


def exchange_of_two_directories_on_the_path(root: Path) -> Iterator[Demo]:
    site(root / "first")
    site(root / "aside", NEW)
    yield OLD
    (root / "first").rename(root / "kept")
    (root / "aside").rename(root / "first")
    yield NEW


def switch_of_a_symbolic_link_on_the_path(root: Path) -> Iterator[Demo]:
    for name, demo in (("old", OLD), ("new", NEW)):
        site(root / name, demo)
    (root / "first").symlink_to("old")
    yield OLD
    (root / "first").unlink()
    (root / "first").symlink_to("new")
    yield NEW


def removal_and_return_of_a_directory_on_the_path(root: Path) -> Iterator[Demo]:
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


def edit_of_a_shadowed_distribution(root: Path) -> Iterator[Demo]:
    info = site(root / "first").parent
    file = site(root / "second")
    yield OLD
    rewrite(file, NEW, times=file.stat())
    yield OLD
    shutil.rmtree(info)
    yield NEW


def removal_of_the_metadata_of_a_shadowing_distribution(root: Path) -> Iterator[Demo]:
    file = site(root / "first", NEW).with_name("METADATA")
    site(root / "second")
    yield NEW
    file.rename(root / "kept")
    yield OLD
    (root / "kept").rename(file)
    yield NEW


def removal_of_the_metadata_of_one_without_entry_points(root: Path) -> Iterator[Demo]:
    file = site(root / "first", None).with_name("METADATA")
    site(root / "second")
    yield NOTHING
    file.rename(root / "kept")
    yield OLD
    (root / "kept").rename(file)
    yield NOTHING


def removal_of_the_metadata_of_two_distributions(root: Path) -> Iterator[Demo]:
    one = site(root / "first", NEW).with_name("METADATA")
    two = site(root / "second").with_name("METADATA")
    yield NEW
    one.unlink()
    yield OLD
    two.unlink()
    yield NEW
    two.with_name("PKG-INFO").write_text("Name: one\n", encoding="utf-8")
    yield OLD


def write_zip(file: Path, demo: Demo, info: str = "one-1.0.dist-info") -> None:
    """Write a zip with a distribution, uncompressed, so that sizes are equal."""
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{info}/"), "")
        for name, text in metadata(demo, info).items():
            archive.writestr(zipfile.ZipInfo(f"{info}/{name}"), text)


def metadata(demo: Demo, info: str) -> Tree:
    """Return the content of a metadata directory of this name."""
    name = "METADATA" if info.endswith(".dist-info") else "PKG-INFO"
    return {name: "Name: one\nVersion: 1.0\n", "entry_points.txt": points(demo)}


def change_of_a_zip(root: Path) -> Iterator[Demo]:
    file = root / "packed.zip"
    write_zip(file, OLD)
    times = file.stat()
    yield OLD
    write_zip(file, NEW)
    assert file.stat().st_size == times.st_size
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    yield NEW
    file.unlink()
    yield NOTHING
    site(file)
    yield OLD
    shutil.rmtree(file)
    write_zip(file, NEW)
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
        # The archive begins with a line for the shell.
        zipapp.create_archive(source, root / "packed.zip", sys.executable)
        yield demo
    shutil.rmtree(source / "one-1.0.dist-info")
    zipapp.create_archive(source, root / "packed.zip", compressed=True)
    yield NOTHING


def change_of_an_egg(root: Path) -> Iterator[Demo]:
    file = root / EGG
    write_zip(file, OLD, "EGG-INFO")
    times = file.stat()
    yield OLD
    write_zip(file, NEW, "EGG-INFO")
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
    write_zip(root / "packed.zip", OLD)
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
        # Empty directories are removed last.
        for directory in (root / "first").iterdir():
            if not list(directory.iterdir()):
                directory.rmdir()
        yield demo


EDITS: list[Edit] = [
    edit_of_the_same_size_in_the_same_second,
    edit_of_the_same_size_with_its_mtime_restored,
    edit_with_a_constant_mtime,
    replacement_of_the_same_size_and_mtime,
    replacement_that_reuses_the_inode,
    replacement_by_a_hard_link,
    edit_through_another_hard_link,
    replacement_by_a_symbolic_link,
    edit_of_the_target_of_a_symbolic_link,
    metadata_directory_switched_by_a_symbolic_link,
    # The edits above keep the name, the size and mostly the mtime.
    removal_and_return,
    truncation,
    addition_to_a_distribution_that_had_none,
    addition_in_place_of_a_directory,
    move_to_another_group,
    edit_in_an_egg_info,
    renaming_to_another_version,
    renaming_to_another_name,
    exchange_of_two_metadata_directories,
    exchange_of_two_directories_on_the_path,
    switch_of_a_symbolic_link_on_the_path,
    removal_and_return_of_a_directory_on_the_path,
    addition_that_shadows_another,
    edit_of_a_shadowed_distribution,
    change_of_a_zip,
    change_of_a_wheel,
    change_of_a_zip_application,
    change_of_an_egg,
    change_of_a_zip_that_is_shadowed,
    links_to_a_store_as_conda_makes_them,
]
SAME_SIZE = EDITS.index(removal_and_return)
if NEWEST_ORACLE:
    EDITS += [
        removal_of_the_metadata_of_a_shadowing_distribution,
        removal_of_the_metadata_of_one_without_entry_points,
        removal_of_the_metadata_of_two_distributions,
    ]


@pytest.fixture(scope="module")
def empty_environment(engine: Path, outside: Path) -> Environment:
    """Make one environment for all edits, which are outside it."""
    return Environment(outside / "bare", engine, "--without-pip")


# Edits that count as another fault than edits by hand.
FAULTS: Mapping[Edit, str] = {
    change_of_a_zip: ARCHIVE,
    change_of_a_wheel: ARCHIVE,
    change_of_a_zip_application: ARCHIVE,
    change_of_an_egg: ARCHIVE,
    addition_that_shadows_another: SHADOWED,
    edit_of_a_shadowed_distribution: SHADOWED,
    removal_of_the_metadata_of_a_shadowing_distribution: SHADOWED,
    removal_of_the_metadata_of_one_without_entry_points: SHADOWED,
    removal_of_the_metadata_of_two_distributions: SHADOWED,
    change_of_a_zip_that_is_shadowed: SHADOWED,
}


def on_path(directory: Path) -> tuple[Path, ...]:
    """Return the path entries that an edit may write to."""
    names = ("first", "second", "packed.zip", WHEEL, EGG)
    return tuple(directory / name for name in names)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
@pytest.mark.many_starts
def test_an_edit_by_hand_is_seen(
    edit: Edit, empty_environment: Environment, observe: Observe, tmp_path: Path
) -> None:
    fault, path = FAULTS.get(edit, BY_HAND), on_path(tmp_path)
    with observe(fault, empty_environment, path=path, with_rival=True) as observer:
        for demo in edit(tmp_path):
            observer.expect(demo)


@pytest.mark.many_starts
def test_edits_are_seen_after_signatures_are_no_longer_racy(
    empty_environment: Environment, observe: Observe, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        begun = []
        for edit in EDITS[:SAME_SIZE]:
            directory = plant(tmp_path / edit.__name__, {})
            steps = edit(directory)
            options = {"path": on_path(directory), "queries": (NOW,)}
            observer = stack.enter_context(
                observe(BY_HAND, empty_environment, directory, **options)
            )
            observer.expect(next(steps))
            begun.append((observer, steps))
        time.sleep(RACY_SECONDS)
        for observer, steps in begun:
            observer.expect_clean()
            observer.expect(next(steps))


def test_an_edit_of_a_file_from_the_future_is_seen(
    empty_environment: Environment, observe: Observe, tmp_path: Path
) -> None:
    # Its mtime is trusted when two scans found the same one.
    with observe(
        BY_HAND, empty_environment, path=on_path(tmp_path), with_rival=True
    ) as observer:
        file = site(tmp_path / "first")
        future = time.time_ns() + 3 * LATER
        os.utime(file, ns=(future, future))
        observer.expect(OLD, starts=2)
        rewrite(file, NEW, times=file.stat())
        observer.expect(NEW, starts=2)
