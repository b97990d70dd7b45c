"""What an installer or a hand did to an environment, the next process answers.

The oracle is importlib_metadata in a fresh process of the same environment.
"""

import ast
import contextlib
import importlib.util
import os
import re
import shutil
import sysconfig
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import importlib_metadata
import pytest
import uv

from tests.conftest import LATER, Tree, dist, plant, python

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="links, and the layout of POSIX"),
]

# The values of the group "demo", by name.
Demo = Mapping[str, str]
# Group, name, value, and name and version of the distribution.
Row = tuple[str | None, ...]
OLD: Demo = {"a": "m:old"}
NEW: Demo = {"a": "m:new"}
NOTHING: Demo = {}

# Younger stamps are not believed, in seconds; a tenth more, for ticks and kernels.
RACY = 2.1

# From this version on entry_points() itself holds that what has no metadata
# shadows nothing that has some.
NEWEST_ORACLE = tuple(
    int(number)
    for number in importlib_metadata.version("importlib_metadata").split(".")[:2]
) >= (10, 1)

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
import lazyplug._cache

ahead, opening, *groups = sys.argv[1:]
if int(ahead):
    clock = staticmethod(lambda: time.time_ns() + int(ahead))
    lazyplug._cache.Seam.clock = clock
queries = [{{"group": group}} for group in groups] or [{{}}]
points = [point for query in queries for point in lazyplug.entry_points(**query)]
updated = "lazyplug._update" in sys.modules
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


def points(demo: Demo, group: str = "demo") -> str:
    """Return an entry_points.txt that declares these."""
    return f"[{group}]\n" + "".join(f"{name} = {demo[name]}\n" for name in demo)


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Keep what is set for this run of Python, pip and uv from child processes."""
    for name in list(os.environ):
        if name.startswith(("PYTHON", "PIP_", "UV_")) or name == "VIRTUAL_ENV":
            patch.delenv(name)
    patch.setenv("PIP_CONFIG_FILE", os.devnull)
    patch.setenv("UV_NO_CONFIG", "1")


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "store"))


def requirements(*names: str) -> list[str]:
    """Return the modules of these distributions and of what they require."""
    wanted = list(names)
    for name in wanted:
        with contextlib.suppress(importlib_metadata.PackageNotFoundError):
            for line in importlib_metadata.requires(name) or ():
                required = re.split(r"[^\w.-]", line)[0].replace("-", "_")
                if "extra ==" not in line and required not in wanted:
                    wanted.append(required)
    return wanted


def vendor(folder: Path) -> Path:
    """Copy lazyplug and what it needs into a folder, without their metadata.

    As distributions they would be in the way, and the folders in which they lie
    hold a hundred others.
    """
    wanted = requirements("importlib_metadata", "platformdirs", "orjson")
    for name in ["lazyplug", *wanted]:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue  # required by other versions of Python
        if spec.submodule_search_locations:
            ignore = shutil.ignore_patterns("__pycache__")
            source = Path(spec.origin).parent
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            shutil.copy(spec.origin, folder)
    return folder


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vendor(tmp_path_factory.mktemp("engine"))


class Environment:
    """A virtual environment that can import lazyplug, where nothing is installed.

    :param folder: where it is made.
    :param engine: a folder that holds lazyplug and what it needs.
    :param options: of venv.
    """

    def __init__(self, folder: Path, engine: Path, *options: str) -> None:
        python("-m", "venv", *options, str(folder))
        base = {"base": str(folder), "platbase": str(folder)}
        self.site = Path(sysconfig.get_path("purelib", "venv", base))
        scripts = sysconfig.get_path("scripts", "venv", base)
        self.executable = os.path.join(scripts, "python")
        plant(self.site, {"engine.pth": f"{engine}\n"})

    def run(self, *arguments: str, **options: Any) -> str:
        return python(*arguments, executable=self.executable, **options).stdout


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


GROUPS = ("demo", "other")
NOW = Way("full", 0, GROUPS)
AT_FULL = (NOW, Way("full", LATER, opening=True), Way("full", LATER, GROUPS))
AT_DIRS = (Way("dirs", 0, GROUPS), Way("dirs", LATER, GROUPS, opening=True))


class Watch:
    """An environment, asked again and again in several ways.

    :param environment: which.
    :param folder: where the caches lie, and the folder in which programs start.
    :param ways: how it is asked.
    :param path: the folders on PYTHONPATH.
    """

    def __init__(
        self,
        environment: Environment,
        folder: Path,
        ways: tuple[Way, ...] = AT_FULL,
        path: tuple[Path, ...] = (),
    ) -> None:
        self.environment = environment
        self.folder = folder
        self.here = plant(folder / "here", {})
        self.path = os.pathsep.join(map(str, path))
        self.ways = ways
        self.truth: list[Row] = []

    def _run(self, code: str, *arguments: str, **env: str) -> Any:
        env["PYTHONPATH"] = self.path
        return ast.literal_eval(
            self.environment.run("-c", code, *arguments, cwd=self.here, env=env)
        )

    def _cache(self, way: Way) -> Path:
        return self.folder / f"cache-{self.ways.index(way)}"

    def _start(self, way: Way, opening: bool) -> tuple[bool, list[Row]]:
        updated, rows = self._run(
            START,
            str(way.ahead),
            "opening" if opening else "",
            *way.groups,
            LAZYPLUG_CHECK=way.level,
            LAZYPLUG_CACHE_DIR=str(self._cache(way)),
        )
        return updated, rows

    def _told(self, way: Way, opening: bool) -> list[Row]:
        """Return the truth of what is asked."""
        rows = [row for row in self.truth if row[0] in (way.groups or (row[0],))]
        return rows if opening else sorted(row[:3] for row in rows)

    def _files(self, way: Way) -> dict[str, tuple[int, int]]:
        """Return the files in a cache, and what tells that one was not replaced."""
        with os.scandir(self._cache(way)) as entries:
            status = {entry.name: entry.stat() for entry in entries}
        return {name: (s.st_ino, s.st_mtime_ns) for name, s in status.items()}

    def _believes(self, way: Way) -> bool:
        """Does the next start leave the index as it is? It must answer right."""
        before = self._files(way)
        updated, rows = self._start(way, False)
        assert rows == self._told(way, False), way
        assert updated or self._files(way) == before, way
        return not updated

    def see(self, demo: Demo, *, changed: bool = True, looks: int = 1) -> None:
        """Hold what is found against the truth, in every way, in fresh processes.

        :param demo: what the group "demo" must hold now.
        :param changed: must the index be brought up to date for it?
        :param looks: how many are needed until the index is believed, if the clock
            is ahead.
        """
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            truth = pool.submit(self._run, ORACLE)
            started = pool.map(lambda way: self._start(way, way.opening), self.ways)
            self.truth = truth.result()
            assert {row[1]: row[2] for row in self.truth if row[0] == "demo"} == demo
            ahead = [way for way in self.ways if way.ahead]
            for way, (updated, rows) in zip(self.ways, started):
                assert rows == self._told(way, way.opening), way
                assert updated == changed or way not in ahead, way
            for look in range(1, looks + 1):
                believed = list(pool.map(self._believes, ahead))
                assert believed == [look == looks] * len(ahead)

    def settle(self) -> None:
        """Start when all stamps are old enough: it is written once, then read."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(self._believes, self.ways))
            assert all(pool.map(self._believes, self.ways))


def wheel(folder: Path, demo: Demo, version: str = "1.0") -> Path:
    """Build a wheel of the distribution `Demo.Plugin` that declares these."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"demo_plugin-{version}.dist-info"
    files = {
        "demo_plugin.py": "",
        f"{info}/METADATA": (
            f"Metadata-Version: 2.1\nName: Demo.Plugin\nVersion: {version}\n"
        ),
        f"{info}/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n"
        ),
        f"{info}/entry_points.txt": points(demo),
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in files)
    path = folder / f"demo_plugin-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
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


def project(folder: Path, demo: Demo) -> Path:
    """Write a project that builds itself, whose code lies in `src`."""
    system = 'requires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    tree: Tree = {
        "pyproject.toml": f"[build-system]\n{system}",
        "backend.py": BACKEND,
        "entry_points.txt": points(demo),
        "src": {"demo_plugin.py": ""},
    }
    return plant(folder, tree)


class Tool:
    """An installer, and the environment that it works in.

    :param environment: which.
    :param link_mode: of uv; None: pip.
    """

    def __init__(self, environment: Environment, link_mode: str | None) -> None:
        self.environment = environment
        self.link_mode = link_mode

    def _run(self, verb: str, *arguments: str) -> None:
        if self.link_mode is None:
            self.environment.run("-m", "pip", verb, "--quiet", *arguments)
        else:
            python("pip", verb, "--quiet", *arguments, executable=uv.find_uv_bin())

    def install(self, *arguments: "str | Path") -> None:
        more = ["--no-index", "--no-deps", "--no-build-isolation"]
        if self.link_mode is None:
            more += ["--disable-pip-version-check", "--no-warn-script-location"]
        else:
            more += ["--python", self.environment.executable, "--offline"]
            more += ["--link-mode", self.link_mode]
        self._run("install", *more, *map(str, arguments))

    def reinstall(self, *arguments: "str | Path") -> None:
        again = "--force-reinstall" if self.link_mode is None else "--reinstall"
        self.install(again, *arguments)

    def uninstall(self, *arguments: "str | Path") -> None:
        if self.link_mode is None:
            more = ["--yes", "--disable-pip-version-check"]
        else:
            more = ["--python", self.environment.executable]
        self._run("uninstall", *more, *map(str, arguments))


@pytest.fixture(scope="module")
def with_pip(
    engine: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """Make an environment with a pip of its own: it takes seconds, so once."""
    with pytest.MonkeyPatch.context() as patch:
        forget_settings(patch)
        yield Environment(tmp_path_factory.mktemp("with_pip"), engine)


@pytest.fixture
def pip(with_pip: Environment) -> Iterator[Tool]:
    """Return pip; what it installed is removed behind it."""
    before = set(os.listdir(with_pip.site))
    yield Tool(with_pip, None)
    for name in set(os.listdir(with_pip.site)) - before:
        path = with_pip.site / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


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


@pytest.fixture
def watch(tool: Tool, tmp_path: Path) -> Watch:
    """Watch the tool's environment, at both levels that look at anything."""
    return Watch(tool.environment, tmp_path, AT_FULL + AT_DIRS)


def test_an_install_is_seen(tool: Tool, watch: Watch, tmp_path: Path) -> None:
    watch.see(NOTHING)
    tool.install(wheel(tmp_path / "wheels", NEW))
    watch.see(NEW)


def test_an_uninstall_is_seen(tool: Tool, watch: Watch, tmp_path: Path) -> None:
    tool.install(wheel(tmp_path / "wheels", OLD))
    watch.see(OLD)
    tool.uninstall("demo-plugin")
    watch.see(NOTHING)


def test_an_upgrade_is_seen(tool: Tool, watch: Watch, tmp_path: Path) -> None:
    tool.install(wheel(tmp_path / "wheels", OLD))
    watch.see(OLD)
    # What it declares stays the same, the version does not.
    tool.install(wheel(tmp_path / "wheels", OLD, version="2.0"))
    watch.see(OLD)
    tool.install(wheel(tmp_path / "wheels", NEW, version="3.0"))
    watch.see(NEW)


def test_a_reinstall_of_the_same_version_is_seen(
    tool: Tool, watch: Watch, tmp_path: Path
) -> None:
    tool.install(wheel(tmp_path / "old", OLD))
    watch.see(OLD)
    tool.reinstall(wheel(tmp_path / "new", NEW))
    watch.see(NEW)
    # New files, though nothing in them has changed.
    tool.reinstall(wheel(tmp_path / "new", NEW))
    watch.see(NEW)


# How uv links files makes no difference to what an editable install is.
@pytest.mark.parametrize("tool", ["pip", "uv hardlink"], indirect=True)
def test_an_editable_install_and_what_becomes_of_it_are_seen(
    tool: Tool, watch: Watch, tmp_path: Path
) -> None:
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
    tool: Tool, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    watch = Watch(tool.environment, tmp_path, AT_FULL + AT_DIRS, (target,))
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


@pytest.mark.parametrize("tool", ["pip", "uv hardlink"], indirect=True)
def test_a_reinstall_is_seen_by_an_index_that_settled_by_waiting(
    tool: Tool, tmp_path: Path
) -> None:
    tool.install(wheel(tmp_path / "old", OLD))
    watch = Watch(tool.environment, tmp_path, (NOW, AT_DIRS[0]))
    watch.see(OLD)
    time.sleep(RACY)
    watch.settle()
    tool.reinstall(wheel(tmp_path / "new", NEW))
    watch.see(NEW)


def test_a_link_made_elsewhere_from_the_store_of_uv_costs_one_look(
    environment: Environment, engine: Path, tmp_path: Path
) -> None:
    # A hard link moves the ctime of what it links to, and nothing else.
    path = wheel(tmp_path / "wheels", OLD)
    Tool(environment, "hardlink").install(path)
    watch = Watch(environment, tmp_path)
    watch.see(OLD)
    other = Environment(tmp_path / "other", engine, "--without-pip")
    Tool(other, "hardlink").install(path)
    watch.see(OLD)


@pytest.mark.parametrize("link_mode", ["hardlink", "symlink"])
def test_an_edit_in_another_environment_of_what_the_store_of_uv_shares_is_seen(
    link_mode: str, environment: Environment, engine: Path, tmp_path: Path
) -> None:
    path = wheel(tmp_path / "wheels", OLD)
    other = Environment(tmp_path / "other", engine, "--without-pip")
    for place in (environment, other):
        Tool(place, link_mode).install(path)
    watch = Watch(environment, tmp_path)
    watch.see(OLD)
    rewrite(other.site / "demo_plugin-1.0.dist-info" / "entry_points.txt", NEW)
    watch.see(NEW)


def test_what_the_store_of_uv_took_along_when_it_was_removed_is_not_there(
    environment: Environment, tmp_path: Path
) -> None:
    Tool(environment, "symlink").install(wheel(tmp_path / "wheels", OLD))
    watch = Watch(environment, tmp_path)
    watch.see(OLD)
    shutil.rmtree(tmp_path / "store")
    watch.see(NOTHING)


# Edits by hand. Each plants `first` and `second`, which stand on PYTHONPATH in
# this order, before `packed.zip` and a wheel; it yields what the group "demo" must
# hold, edits, yields what it must hold then, and so on.
Edit = Callable[[Path], Iterator[Demo]]
WHEEL = "demo_plugin-1.0-py3-none-any.whl"


def site(folder: Path, demo: Demo | None = OLD, name: str = "one") -> Path:
    """Plant a distribution among others; return its entry_points.txt."""
    text = None if demo is None else points(demo)
    plant(folder, {**dist("bare"), **dist("other", points=points(OLD, "other"))})
    plant(folder, dist(name, points=text))
    return folder / f"{name}-1.0.dist-info" / "entry_points.txt"


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
            root / name, {"info": dist("one", points=points(demo))["one-1.0.dist-info"]}
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


def zipped(file: Path, demo: Demo) -> None:
    """Write a zip that holds a distribution; stored, so that sizes are equal."""
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("one-1.0.dist-info/")
        archive.writestr(info, "")
        for name, text in dist("one", points=points(demo))["one-1.0.dist-info"].items():
            archive.writestr(zipfile.ZipInfo(info.filename + name), text)


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


def change_of_a_zip_that_is_shadowed(root: Path) -> Iterator[Demo]:
    zipped(root / "packed.zip", OLD)
    info = site(root / "second", NEW).parent
    yield NEW
    shutil.rmtree(info)
    yield OLD


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
    change_of_a_zip_that_is_shadowed,
]
SAME_FROM_AFAR = EDITS.index(removal_and_return)
if NEWEST_ORACLE:
    EDITS += [
        removal_of_the_metadata_of_one_that_shadows,
        removal_of_the_metadata_of_one_that_only_shadows,
        removal_of_all_metadata_of_two,
    ]


@pytest.fixture(scope="module")
def bare(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Make one environment for all edits, which are made outside it."""
    return Environment(tmp_path_factory.mktemp("bare"), engine, "--without-pip")


def watch_edits(
    environment: Environment, folder: Path, ways: tuple[Way, ...] = AT_FULL
) -> Watch:
    names = ("first", "second", "packed.zip", WHEEL)
    return Watch(environment, folder, ways, tuple(folder / name for name in names))


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edit_by_hand_is_seen(edit: Edit, bare: Environment, tmp_path: Path) -> None:
    watch = watch_edits(bare, tmp_path)
    for demo in edit(tmp_path):
        watch.see(demo)


def test_edits_are_seen_by_an_index_that_settled_by_waiting(
    bare: Environment, tmp_path: Path
) -> None:
    def begin(edit: Edit) -> tuple[Watch, Iterator[Demo]]:
        folder = plant(tmp_path / edit.__name__, {})
        watch, steps = watch_edits(bare, folder, (NOW,)), edit(folder)
        watch.see(next(steps))
        return watch, steps

    def go_on(watch: Watch, steps: Iterator[Demo]) -> None:
        watch.settle()
        watch.see(next(steps))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        begun = list(pool.map(begin, EDITS[:SAME_FROM_AFAR]))
        time.sleep(RACY)
        list(pool.map(go_on, *zip(*begun)))


def test_an_edit_of_a_file_from_the_future_is_seen(
    bare: Environment, tmp_path: Path
) -> None:
    # Its mtime is believed when it was the same at two looks.
    watch = watch_edits(bare, tmp_path)
    file = site(tmp_path / "first")
    future = time.time_ns() + 3 * LATER
    os.utime(file, ns=(future, future))
    watch.see(OLD, looks=2)
    rewrite(file, NEW, times=file.stat())
    watch.see(NEW, looks=2)
