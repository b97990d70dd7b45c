"""Test that two small hosts, built and installed, do the same with each engine.

They use plugins as OpenStack's Nova and Karbor do. The same code runs with lazyplug,
with the drop-in replacement for stevedore, and with stevedore as the reference.
"""

import importlib.metadata
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uv

from lazyplug.testing import plant
from tests.support.children import python

pytestmark = pytest.mark.slow

HOSTS = Path(__file__).with_name("hosts")
PROJECTS = ("tiny-nova", "tiny-nova-ipmi", "tiny-karbor")
MONITORS = str(HOSTS / "tiny-nova" / "etc" / "tinynova.ini")
PROVIDERS = str(HOSTS / "tiny-karbor" / "etc" / "providers.d")
ENGINES = ("lazyplug", "drop-in", "stevedore")

# Runs a host, and writes a report of the files that Python ran and of the module that
# `import stevedore` gave. sys.modules would not show a failed import.
RUN = """
import json, runpy, sys

ran = []
sys.addaudithook(
    lambda event, args: event == "exec" and ran.append(args[0].co_filename)
)
report, engine, host, *sys.argv[1:] = sys.argv[1:]
try:
    if engine == "drop-in":
        import lazyplug.compat.stevedore

        lazyplug.compat.stevedore.install()
    runpy.run_module(host, run_name="__main__", alter_sys=True)
finally:
    manager = getattr(sys.modules.get("stevedore"), "ExtensionManager", None)
    with open(report, "w", encoding="utf-8") as file:
        json.dump({"ran": ran, "stevedore": getattr(manager, "__module__", None)}, file)
"""


class Run(NamedTuple):
    """The result of one run of a host."""

    status: int
    # The decoded output; None if it failed.
    answer: Any
    stderr: str
    # The files of the hosts that Python ran, relative to the site directory.
    ran: frozenset[str]
    # The module of stevedore's managers, if stevedore was imported.
    stevedore: "str | None"


class Site:
    """A directory in which the hosts are installed, and one for their files.

    :param directory: the site directory.
    :param scratch: the directory for the caches, and for the start directory.
    """

    def __init__(self, directory: Path, scratch: Path) -> None:
        self.directory = directory
        self.scratch = scratch
        self.here = plant(scratch / "here", {})

    def run(self, engine: str, host: str, *arguments: str) -> Run:
        report = self.scratch / "report.json"
        path = [str(self.directory), *filter(None, [os.environ.get("PYTHONPATH")])]
        env = {
            "PYTHONPATH": os.pathsep.join(path),
            "XDG_CACHE_HOME": str(self.scratch / "cache of stevedore"),
            "HOST_ENGINE": "lazyplug" if engine == "lazyplug" else "stevedore",
        }
        done = python(
            *("-c", RUN, str(report), engine, host, *arguments),
            cwd=self.here,
            env=env,
            check=False,
        )
        content = json.loads(report.read_text(encoding="utf-8"))
        ran = {
            Path(file).relative_to(self.directory).as_posix()
            for file in content["ran"]
            if Path(file).is_relative_to(self.directory)
        }
        answer = json.loads(done.stdout) if done.returncode == 0 else None
        return Run(
            done.returncode, answer, done.stderr, frozenset(ran), content["stevedore"]
        )

    def answer(self, engine: str, host: str, *arguments: str) -> Any:
        run = self.run(engine, host, *arguments)
        assert run.status == 0, run.stderr
        return run.answer


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the projects, and install their wheels."""
    directory = tmp_path_factory.mktemp("hosts")
    # A build writes files into the directory of the sources.
    shutil.copytree(HOSTS, directory / "source")
    wheels, site = directory / "wheels", directory / "site"
    tool = uv.find_uv_bin()

    def build(project: str) -> None:
        options = ("--quiet", "--wheel", "--python", sys.executable)
        where = ("--out-dir", str(wheels), str(directory / "source" / project))
        python("build", *options, *where, executable=tool)

    with ThreadPoolExecutor(len(PROJECTS)) as pool:
        list(pool.map(build, PROJECTS))
    options = ("--quiet", "--no-deps", "--no-index", "--python", sys.executable)
    files = map(str, sorted(wheels.glob("*.whl")))
    python("pip", "install", *options, "--target", str(site), *files, executable=tool)
    return site


@pytest.fixture
def site(installed: Path, tmp_path: Path) -> Site:
    return Site(installed, tmp_path)


@pytest.fixture
def own_site(installed: Path, tmp_path: Path) -> Site:
    """Return a copy of the site, which the test may change."""
    return Site(shutil.copytree(installed, tmp_path / "site"), tmp_path)


ONE = ("tinynova", "one", "cpu", "virt_driver")
ALL = ("tinynova", "all")
ENABLED = ("tinynova", "enabled", MONITORS)
NAMED = ("tinynova", "named", "cpu", "virt_driver", "perf", "proc_stat")
SERVICE = ("tinykarbor", PROVIDERS)
REHEARSAL = (*SERVICE, "--registry", "tinykarbor.rehearsal.RehearsalRegistry")
OTHER_CLIENT = (*SERVICE, "--client", "cinder")
PROGRAMS = {
    "one monitor": ONE,
    "all monitors": ALL,
    "enabled monitors": ENABLED,
    "named monitors": NAMED,
    "service": SERVICE,
    "rehearsal": REHEARSAL,
    "service with another client": OTHER_CLIENT,
}


def test_each_build_file_declares_what_is_installed(installed: Path) -> None:
    found = {
        (distribution.name, distribution.version): {
            point.group for point in distribution.entry_points
        }
        for distribution in importlib.metadata.distributions(path=[str(installed)])
    }
    assert found == {
        ("tiny-nova", "1.0"): {"tinynova.compute.monitors.cpu"},
        ("tiny-nova-ipmi", "2.0"): {"tinynova.compute.monitors.ipmi"},
        ("tiny-karbor", "3.0"): {
            f"tinykarbor.{group}"
            for group in ("provider", "protections", "protectables")
        },
    }


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_host_does_the_same_with_each_engine(
    program: tuple[str, ...], site: Site
) -> None:
    expected = site.run("stevedore", *program)
    assert expected.status == 0, expected.stderr
    assert site.answer("lazyplug", *program) == expected.answer, "without an index"
    assert site.answer("lazyplug", *program) == expected.answer, "with an index"
    # The drop-in also imports and logs the same.
    drop_in = site.run("drop-in", *program)
    assert drop_in._replace(stevedore=expected.stevedore) == expected


def test_each_engine_has_its_own_managers(site: Site) -> None:
    modules = {engine: site.run(engine, *ONE).stevedore for engine in ENGINES}
    assert modules["lazyplug"] is None
    assert modules["stevedore"] == "stevedore.extension"
    assert str(modules["drop-in"]).startswith("lazyplug.")


# The directories whose modules are plugins.
PLUGINS = ("cpu", "tinynova_ipmi", "banks", "protections", "protectables", "clients")


def plugins(run: Run) -> set[str]:
    """Return the plugins that were imported, as "directory/module"."""
    files = [Path(file) for file in run.ran]
    return {
        f"{file.parent.name}/{file.stem}"
        for file in files
        if file.parent.name in PLUGINS and file.stem not in {"__init__", "base"}
    }


USED = {
    "one monitor": {"cpu/virt_driver"},
    "enabled monitors": {"cpu/virt_driver", "tinynova_ipmi/sensors"},
    "named monitors": {"cpu/virt_driver", "cpu/proc_stat"},
    "service": {
        *("banks/memory", "banks/journal"),
        *("protections/server", "protections/volume"),
        # The service asks each of them what it can protect.
        *(f"protectables/{name}" for name in ("image", "server", "share", "volume")),
        *("clients/nova", "clients/_session"),
    },
}


@pytest.mark.parametrize("program", USED)
def test_lazyplug_imports_only_the_plugins_that_are_used(
    program: str, site: Site
) -> None:
    for _ in ("without an index", "with an index"):
        assert plugins(site.run("lazyplug", *PROGRAMS[program])) == USED[program]


def test_a_monitor_that_is_not_enabled_is_imported_by_stevedore_not_by_lazyplug(
    site: Site,
) -> None:
    # stevedore, and the drop-in as well, loads and creates each monitor before it calls
    # check_func: the log shows the failure of a monitor that was not enabled.
    for engine in ("stevedore", "drop-in"):
        eager = site.run(engine, *ENABLED)
        assert plugins(eager) == {
            *USED["enabled monitors"],
            "cpu/proc_stat",
            "cpu/msr",
        }
        assert "stevedore.extension:Could not load 'msr'" in eager.stderr
    lazy = site.run("lazyplug", *ENABLED)
    assert plugins(lazy) == USED["enabled monitors"]
    assert lazy.stderr == ""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_monitors_that_a_configuration_file_enables_report(
    engine: str, site: Site
) -> None:
    assert site.answer(engine, *ENABLED)["reports"] == [
        {
            "node": "node-1",
            "source": "cpu.virt_driver",
            "metrics": {
                "cpu.user.time": 60,
                "cpu.kernel.time": 40,
                "cpu.idle.time": 900,
                "cpu.percent": 10,
            },
        },
        {
            "node": "node-1",
            "source": "ipmi.sensors",
            "metrics": {"ipmi.inlet": 21, "ipmi.fan": 5400},
        },
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_of_two_enabled_monitors_of_one_type_the_first_reports(
    engine: str, site: Site, tmp_path: Path
) -> None:
    both = "[compute]\nenabled_monitors = cpu.virt_driver, cpu.proc_stat\n"
    plant(tmp_path, {"both.ini": both})
    answer = site.answer(engine, "tinynova", "enabled", str(tmp_path / "both.ini"))
    assert [report["source"] for report in answer["reports"]] == ["cpu.proc_stat"]


@pytest.mark.parametrize("engine", ENGINES)
def test_named_monitors_report_in_the_order_of_their_names(
    engine: str, site: Site
) -> None:
    for names in (["virt_driver", "proc_stat"], ["proc_stat", "virt_driver"]):
        answer = site.answer(engine, "tinynova", "named", "cpu", *names, "perf")
        sources = [report["source"] for report in answer["reports"]]
        assert sources == [f"cpu.{name}" for name in names]
        assert answer["missing"] == ["perf"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_monitor_that_fails_is_excluded_from_all(engine: str, site: Site) -> None:
    answer = site.answer(engine, *ALL)
    assert answer["failed"] == ["msr"]
    assert sorted(report["source"] for report in answer["reports"]) == [
        "cpu.proc_stat",
        "cpu.virt_driver",
        "ipmi.sensors",
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_broken_protectables_reach_the_callback_and_affect_nothing_else(
    engine: str, site: Site
) -> None:
    run = site.run(engine, *SERVICE)
    image, share = run.answer["failed"]
    assert image == {
        "namespace": "tinykarbor.protectables",
        "name": "image",
        "value": "tinykarbor.protectables.image:Image",
        "error": "ImportError: no glance to take images from",
    }
    assert share["name"] == "share"
    assert share["error"].startswith("TypeError: Can't instantiate abstract class")
    assert run.answer["protected"] == {
        "1": {
            "name": "Infrastructure",
            "kept": {
                "server": "an image of server-1",
                "volume": "a snapshot of volume-1",
            },
        },
        "2": {"name": "Journal", "kept": ["volume: a snapshot of volume-1"]},
    }
    assert run.answer["rejected"] == ["lost.conf"]
    # The callback got them, so the log has only the provider without a bank.
    assert "provider lost.conf is rejected" in run.stderr
    assert "glance" not in run.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_registry_is_named_by_an_entry_point_or_by_the_path_of_a_class(
    engine: str, site: Site
) -> None:
    registries = {
        name: site.answer(engine, *SERVICE, "--registry", name)["registry"]
        for name in (
            "provider-registry",
            "tinykarbor.provider.ProviderRegistry",
            "tinykarbor.rehearsal.RehearsalRegistry",
        )
    }
    assert list(registries.values()) == [
        "ProviderRegistry",
        "ProviderRegistry",
        "RehearsalRegistry",
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("name", "attempt"),
    [
        ("tinykarbor.provider.Registry", "no attribute 'Registry'"),
        ("registries.Registry", "no module named 'registries'"),
    ],
)
def test_the_error_for_an_unknown_registry_shows_both_attempts(
    name: str, attempt: str, engine: str, site: Site
) -> None:
    run = site.run(engine, *SERVICE, "--registry", name)
    assert run.status == 1
    last = run.stderr[
        run.stderr.rindex("NoMatches" if engine == "lazyplug" else "Import") :
    ]
    assert f"'{name}'" in last
    assert "'tinykarbor.provider'" in last
    assert attempt in last.replace("No module", "no module")
    if engine == "lazyplug":
        assert "lazyplug.NoMatches: no extension named" in run.stderr
        assert "Available: 'provider-registry'" in run.stderr


CLIENT = """
def create(user):
    return {"service": "object-storage", "user": user}
"""


@pytest.mark.parametrize("engine", ENGINES)
def test_an_added_client_appears_in_the_next_process(
    engine: str, own_site: Site
) -> None:
    assert own_site.answer(engine, *SERVICE)["clients"] == ["cinder", "nova"]
    clients = own_site.directory / "tinykarbor" / "clients"
    plant(clients, {"swift.py": CLIENT})
    answer = own_site.answer(engine, *SERVICE, "--client", "swift")
    assert answer["clients"] == ["cinder", "nova", "swift"]
    assert answer["session"] == {"service": "object-storage", "user": "admin"}
    (clients / "swift.py").unlink()
    assert own_site.answer(engine, *SERVICE)["clients"] == ["cinder", "nova"]


def test_a_broken_client_that_is_not_used_affects_nothing_with_lazyplug(
    own_site: Site,
) -> None:
    # Without lazyplug, the host imports every module of the directory to list them.
    clients = own_site.directory / "tinykarbor" / "clients"
    plant(clients, {"swift.py": "raise ImportError('no swift')\n"})
    eager = own_site.run("stevedore", *SERVICE)
    assert eager.status == 1
    assert "ImportError: no swift" in eager.stderr
    lazy = own_site.run("lazyplug", *SERVICE)
    assert lazy.answer["clients"] == ["cinder", "nova", "swift"]
    assert "clients/swift" not in plugins(lazy)
