"""Test that modules of a package are extensions, found without importing them."""

import pickle
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import DriverManager, ExtensionManager, NamedExtensionManager
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")
TRAP = "raise AssertionError('this must not be imported')\n"
TREE = {
    "plug_host": {
        "__init__.py": TRAP,
        "clients": {
            "__init__.py": TRAP,
            "nova.py": "SERVICE = 'compute'\n",
            "cinder": {"__init__.py": "SERVICE = 'volume'\n"},
            "_private.py": TRAP,
            "notes.txt": "no module",
        },
    },
    **dist("plug", "1", "[clients]\ninstalled = plug_client\n"),
    "plug_client.py": "SERVICE = 'installed'\n",
}
PACKAGE = "plug_host.clients"


@pytest.fixture
def clients(site: PlantSite, prepend_path: SetPath) -> Path:
    directory = site(TREE)
    prepend_path(directory)
    return directory


def test_modules_come_after_installed_plugins_and_are_not_imported(
    clients: Path,
) -> None:
    manager = ExtensionManager[Any]("clients", package=PACKAGE)
    assert manager.names() == ["installed", "cinder", "nova"]
    assert manager["nova"].value == "plug_host.clients.nova"
    assert not [name for name in sys.modules if name.startswith("plug_")]


def test_a_module_whose_file_name_is_not_an_identifier_is_an_extension(
    clients: Path,
) -> None:
    for init in clients.rglob("__init__.py"):
        init.write_text("")
    for name in ("foo-bar", "a b", "per\u00b7iod", "x[y]", "cc:dd"):
        (clients / "plug_host" / "clients" / f"{name}.py").write_text(
            f"SERVICE = {name!r}\n"
        )
        manager = ExtensionManager[Any](
            "clients", package=PACKAGE, on_failure="error", choice=None
        )
        assert name == manager[name].plugin.SERVICE
        assert manager.failures == []


def test_the_extension_of_a_module_loads_the_module(clients: Path) -> None:
    for init in clients.rglob("__init__.py"):
        init.write_text("SERVICE = 'volume'\n")
    manager = ExtensionManager[Any]("clients", package=PACKAGE)
    assert manager.map(lambda e: e.plugin.SERVICE) == ["installed", "volume", "compute"]
    nova = manager["nova"]
    assert nova.dist is None
    assert (nova.entry_point.name, nova.entry_point.load()) == ("nova", nova.plugin)


def test_drivers_and_named_managers_find_modules_of_a_package(clients: Path) -> None:
    for init in clients.rglob("__init__.py"):
        init.write_text("")
    driver = DriverManager[Any]("clients", "nova", package=PACKAGE)
    assert driver.driver.SERVICE == "compute"
    named = NamedExtensionManager[Any](
        "clients", ["nova", "installed"], name_order=True, package=PACKAGE
    )
    assert named.names() == ["nova", "installed"]
    with pytest.raises(lazyplug.NoMatches, match="did you mean 'nova'"):
        DriverManager[Any]("clients", "novo", package=PACKAGE)


def test_a_module_added_to_the_directory_is_found_by_the_next_manager(
    clients: Path,
) -> None:
    (clients / "plug_host" / "clients" / "swift.py").write_text("")
    assert "swift" in ExtensionManager[Any]("clients", package=PACKAGE)


def test_a_broken_module_is_logged_with_its_reference(
    clients: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for init in clients.rglob("__init__.py"):
        init.write_text("")
    (clients / "plug_host" / "clients" / "bad.py").write_text("1 / 0\n")
    manager = ExtensionManager[Any]("clients", package=PACKAGE)
    assert len(manager.map(lambda e: e.name)) == 3
    failed = "entry point 'bad = plug_host.clients.bad' of .* could not be loaded: "
    assert re.search(failed, caplog.text)


def test_modules_are_pickled_by_reference(clients: Path) -> None:
    manager = ExtensionManager[Any]("clients", package=PACKAGE)
    again = pickle.loads(pickle.dumps(manager["nova"]))  # noqa: S301
    assert (again.name, again.value) == ("nova", "plug_host.clients.nova")
    assert not [name for name in sys.modules if name.startswith("plug_")]


def test_modules_in_an_archive_are_found(tmp_path: Path, prepend_path: SetPath) -> None:
    archive = tmp_path / "host.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in ("__init__", "clients/__init__", "clients/nova"):
            packed.writestr(f"plug_host/{file}.py", "")
    prepend_path(archive)
    assert ExtensionManager[Any]("clients", package=PACKAGE).names() == ["nova"]


def test_a_namespace_package_in_two_directories_is_searched_completely(
    site: PlantSite, prepend_path: SetPath
) -> None:
    one = site({"plug_space": {"clients": {"a.py": ""}}}, "one")
    two = site({"plug_space": {"clients": {"b.py": ""}}}, "two")
    prepend_path(one, two)
    manager = ExtensionManager[Any]("clients", package="plug_space.clients")
    assert manager.names() == ["a", "b"]


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("plug_nowhere", "no module named 'plug_nowhere'"),
        ("plug_host.nothing.below", r"no module named 'plug_host\.nothing'"),
        ("plug_client", "'plug_client' is a module, not a package"),
        ("json.decoder", r"'json\.decoder' is a module, not a package"),
    ],
)
def test_the_error_for_a_missing_package_names_the_missing_part(
    package: str, words: str, clients: Path
) -> None:
    with pytest.raises(ModuleNotFoundError, match=words):
        ExtensionManager[Any]("clients", package=package)
