"""Test that only what loaded before is listed without a load."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import ExtensionManager, _messages
from lazyplug._static import learned, learning
from lazyplug.compat import stevedore
from lazyplug.testing import dist, plant
from tests.support.children import python
from tests.support.fixtures import PlantSite, SetPath

POINTS = "[g]\none = plug_one:One\ntwo = plug_two:Two\ngone = plug_gone:Gone\n"
TREE = {
    "plug_one.py": "class One: pass\n",
    "plug_two.py": "class Two: pass\n",
    # Otherwise the first import would create it, which changes the path entry.
    "__pycache__": {},
    **dist("plug", entry_points=POINTS),
}
# A host on the drop-in, and a native one: prints the names of its extensions, the
# failures, and the plugins that it imported; then accesses those that are named.
HOSTS = {
    "drop-in": """
        import lazyplug.compat.stevedore
        lazyplug.compat.stevedore.install(lazy=True)
        from stevedore import ExtensionManager
        def make(group):
            return ExtensionManager(group, on_load_failure_callback=failed)
    """,
    "native": """
        from lazyplug import ExtensionManager
        def make(group):
            return ExtensionManager(
                group, lazy="known", on_load_failure_callback=failed
            )
    """,
}
CODE = """
import json, sys
failures = []
def failed(manager, entry_point, error):
    failures.append(entry_point.name)
{host}
manager = make("g")
imported = sorted(name for name in sys.modules if name.startswith("plug_"))
notes = []
for name in sys.argv[1:]:
    try:
        manager[name].plugin
    except Exception as error:
        notes.append([type(error).__name__, *error.__notes__])
print(json.dumps([manager.names(), failures, imported, notes]))
"""


class Host:
    """A host whose distributions are older than two seconds, in fresh processes."""

    def __init__(self, kind: str, site: Path, cache: Path) -> None:
        lines = HOSTS[kind].split("\n")
        self._code = CODE.format(host="\n".join(line[8:] for line in lines))
        self._site, self._cache = site, cache
        # more path entries
        self.more: list[Path] = []

    def start(self, *names: str, **variables: str) -> list[Any]:
        """Return the names, the failures, the imported plugins, and the notes."""
        # Without site-packages and the checkout: a file that another test writes there
        # would make all entry points unknown.
        engine = plant(self._cache.parent / "engine", {})
        if not (engine / "lazyplug").exists():
            (engine / "lazyplug").symlink_to(Path(lazyplug.__file__).parent)
        path = [self._site, *self.more, engine]
        env = {
            "PYTHONPATH": os.pathsep.join(filter(None, map(str, path))),
            "LAZYPLUG_CACHE_DIR": str(self._cache),
            "PYTHONDONTWRITEBYTECODE": "1",
            **variables,
        }
        done = python("-S", "-P", "-c", CLOCK + self._code, *names, env=env)
        found: list[Any] = json.loads(done.stdout)
        return found


# An hour later, no stat signature is racy.
CLOCK = """
from lazyplug._files import fs
import time
fs.clock = lambda: time.time_ns() + 3_600_000_000_000
"""
ALL = [["one", "two"], ["gone"], ["plug_one", "plug_two"], []]
LISTED = [["one", "two"], ["gone"], [], []]


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(request.param, plant(tmp_path / "site", TREE), tmp_path / "cache")


def test_the_second_start_lists_what_loaded_and_tries_what_failed(host: Host) -> None:
    assert host.start() == ALL
    assert host.start() == LISTED
    assert host.start() == LISTED


def test_access_imports_only_that_plugin(host: Host) -> None:
    host.start()
    assert host.start("two") == [*LISTED[:2], [], []]


def test_a_plugin_that_loads_by_now_is_listed(host: Host, tmp_path: Path) -> None:
    host.start()
    # A variable or a file elsewhere may be the reason: no path entry changes.
    modules = plant(tmp_path / "more", {"plug_gone.py": "class Gone: pass\n"})
    host.more = [modules]
    assert host.start()[0] == ["one", "two", "gone"]


def test_an_installed_distribution_makes_all_unknown(
    host: Host, tmp_path: Path
) -> None:
    host.start()
    plant(tmp_path / "site", dist("other", entry_points="[h]\na = b\n"))
    assert host.start() == ALL
    assert host.start() == LISTED


def test_a_known_plugin_that_fails_says_so_and_is_loaded_at_the_next_start(
    host: Host, tmp_path: Path
) -> None:
    host.start()
    (tmp_path / "site" / "plug_one.py").write_text("raise OSError('broken')\n")
    names, failures, imported, [(kind, *notes)] = host.start("one")
    assert (names, failures, imported, kind) == (*LISTED[:3], "OSError")
    assert notes[-1] == (
        "lazyplug: it was listed without being loaded, because an earlier start had"
        " loaded it. The next start loads it at once."
    )
    assert host.start() == [["two"], ["one", "gone"], [], []]


def test_an_upgraded_distribution_is_loaded_again(host: Host, tmp_path: Path) -> None:
    host.start()
    site = tmp_path / "site"
    (site / "plug-1.0.dist-info").rename(site / "plug-2.0.dist-info")
    assert host.start() == ALL


def test_lazyplug_eager_loads_everything(host: Host) -> None:
    host.start()
    assert host.start(LAZYPLUG_EAGER="1") == ALL


@pytest.mark.parametrize("mode", ["off", "readonly"])
def test_each_start_is_eager_where_nothing_is_written(host: Host, mode: str) -> None:
    assert host.start(LAZYPLUG_CACHE=mode) == ALL
    assert host.start(LAZYPLUG_CACHE=mode) == ALL


def test_damaged_memory_is_ignored(host: Host, tmp_path: Path) -> None:
    host.start()
    (facts,) = (tmp_path / "cache").glob("*.facts")
    data = facts.read_bytes()
    facts.write_bytes(data.replace(b'"loaded"', b'"loadex"'))
    assert host.start() == ALL


def test_a_volatile_directory_is_not_remembered(tmp_path: Path) -> None:
    plant(tmp_path / "here", TREE)
    host = Host("drop-in", tmp_path, tmp_path / "cache")
    enter = f"os.chdir({str(tmp_path / 'here')!r}); sys.path.insert(0, '')"
    host._code = f"import os, sys; {enter}\n{host._code}"
    assert [host.start() for _ in range(2)] == [ALL, ALL]


def test_a_variable_makes_the_drop_in_lazy(tmp_path: Path) -> None:
    host = Host("drop-in", plant(tmp_path / "site", TREE), tmp_path / "cache")
    host._code = host._code.replace("install(lazy=True)", "install()")
    assert [host.start() for _ in range(2)] == [ALL, ALL]
    assert host.start(LAZYPLUG_LAZY="1") == ALL
    assert host.start(LAZYPLUG_LAZY="1") == LISTED
    assert host.start(LAZYPLUG_LAZY="1", LAZYPLUG_EAGER="1") == ALL


def test_what_a_program_put_into_the_cache_of_entry_points_is_loaded(
    tmp_path: Path,
) -> None:
    host = Host("drop-in", plant(tmp_path / "site", TREE), tmp_path / "cache")
    host._code = host._code.replace(
        'manager = make("g")',
        "from types import SimpleNamespace\nfrom unittest import mock\n"
        "one = SimpleNamespace(name='one', value='m', load=dict)\n"
        "two = mock.Mock(load=list)\ntwo.name = 'two'\n"
        "ExtensionManager.ENTRY_POINT_CACHE['g'] = [one, two]\n"
        'manager = make("g")',
    )
    assert [host.start()[:2] for _ in range(2)] == [[["one", "two"], []]] * 2


# A resolver of the host may read the plugins; those of stevedore do not.
@pytest.mark.parametrize(
    ("resolver", "imported"),
    [
        ("lambda namespace, name, extensions: extensions[0]", ["plug_one", "plug_two"]),
        ("extension.error_on_conflict", []),
        ("extension.ignore_conflicts", []),
    ],
)
def test_extensions_that_share_a_name_are_loaded_at_once_for_the_hosts_resolver(
    resolver: str, imported: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = plant(tmp_path / "site", TREE)
    plant(site, dist("more", entry_points="[g]\none = plug_two:Two\n"))
    code = HOSTS["drop-in"].replace("import Ext", "import extension, Ext")
    code = code.replace("failed)", f"failed, conflict_resolver={resolver})")
    monkeypatch.setitem(HOSTS, "resolving", code)
    host = Host("resolving", site, tmp_path / "cache")
    names = ["one", "one", "two"]
    assert host.start() == [names, ["gone"], ["plug_one", "plug_two"], []]
    assert host.start() == [names, ["gone"], imported, []]


@pytest.mark.parametrize("mode", ["off", "readonly"])
def test_memory_is_not_used_where_nothing_is_written(host: Host, mode: str) -> None:
    host.start()
    assert host.start(LAZYPLUG_CACHE=mode) == ALL


def test_a_failure_counts_even_if_the_process_ends_at_once(
    tmp_path: Path,
) -> None:
    site = plant(tmp_path / "site", TREE)
    host = Host("drop-in", site, tmp_path / "cache")
    host.start()
    (site / "plug_one.py").write_text("raise SystemExit\n")
    code = host._code
    host._code = code.replace("except Exception", "except BaseException")
    host._code += "\nsys.stdout.flush()\nimport os\nos._exit(0)\n"
    assert host.start("one")[3][0][0] == "SystemExit"
    (site / "plug_one.py").write_text("raise OSError('broken')\n")
    host._code = code
    assert host.start()[:2] == [["two"], ["one", "gone"]]


def test_a_subclass_that_calls_plugins_loads_them(tmp_path: Path) -> None:
    host = Host("drop-in", plant(tmp_path / "site", TREE), tmp_path / "cache")
    host.start()
    host._code = host._code.replace(
        "def make(group):",
        "class Calling(ExtensionManager):\n"
        "    def _load_one_plugin(self, ep, *args):\n"
        "        return super()._load_one_plugin(ep, True, (), {})\n"
        "ExtensionManager = Calling\n"
        "def make(group):",
    )
    assert host.start() == ALL


# ---- The rows of the table in docs/stevedore-drop-in.md, but the first, which is above


def drop_in_in(tmp_path: Path, more: str) -> Host:
    """Return a host on the drop-in that prints the result of more code."""
    host = Host("drop-in", plant(tmp_path / "site", TREE), tmp_path / "cache")
    head, _, _ = host._code.partition("print(json.dumps(")
    host._code = f"{head}{more}\n"
    return host


def test_side_effects_of_an_import_happen_on_first_access(tmp_path: Path) -> None:
    more = "before = 'plug_one' in sys.modules; manager['one'].plugin\n"
    more += "print(json.dumps([before, 'plug_one' in sys.modules]))"
    host = drop_in_in(tmp_path, more)
    assert [host.start() for _ in range(2)] == [[True, True], [False, True]]


def test_a_listed_extension_has_no_plugin_in_its_variables(tmp_path: Path) -> None:
    more = "found = ['plugin' in vars(manager['one'])]; manager['one'].plugin\n"
    more += "print(json.dumps([*found, 'plugin' in vars(manager['one'])]))"
    host = drop_in_in(tmp_path, more)
    assert [host.start() for _ in range(2)] == [[True, True], [False, True]]


def test_hasattr_is_false_if_access_raises_attribute_error(tmp_path: Path) -> None:
    host = drop_in_in(
        tmp_path, "print(json.dumps([hasattr(manager['one'], 'plugin')]))"
    )
    assert host.start() == [True]
    (tmp_path / "site" / "plug_one.py").write_text("One = object.nothing\n")
    assert host.start() == [False]


def test_a_module_of_the_current_directory_makes_a_plugin_known(tmp_path: Path) -> None:
    site = plant(tmp_path / "site", TREE)
    (site / "plug_one.py").write_text("import plug_here\nOne = plug_here\n")
    here = plant(tmp_path / "here", {"plug_here.py": ""})
    host = Host("drop-in", site, tmp_path / "cache")
    code = host._code
    host._code = f"import os, sys; os.chdir({str(here)!r})\nsys.path[:0] = ['']\n{code}"
    assert host.start()[0] == ["one", "two"]
    host._code = code
    names, _, _, [(kind, *_)] = host.start("one")
    assert (names, kind) == (["one", "two"], "ModuleNotFoundError")
    assert host.start()[0] == ["two"]


# ------------------------------------------------------------------- in this process


@pytest.fixture
def installed(
    site: PlantSite,
    set_path: SetPath,
    late_clock: object,
    clean_sys_modules: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Install the distribution, the only one on `sys.path`, for a lazy drop-in."""
    directory = site(TREE)
    set_path(directory)
    monkeypatch.setattr(stevedore, "_lazy", True)
    monkeypatch.setattr(stevedore.extension, "_user", None)
    monkeypatch.setattr(stevedore.ExtensionManager, "ENTRY_POINT_CACHE", {})
    return directory


def begin_again() -> None:
    """Forget what this process knows, but not what it has written."""
    learning.write_all()
    learned._latest = None
    lazyplug.invalidate_caches()
    stevedore.ExtensionManager.ENTRY_POINT_CACHE.clear()
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]


def listed(manager: Any) -> list[str]:
    return [each.name for each in manager if "plugin" not in vars(each)]


def make_drop_in() -> Any:
    return stevedore.ExtensionManager("g", on_load_failure_callback=lambda *_: None)


def make_native() -> Any:
    ignore = lambda *_: None  # noqa: E731
    return ExtensionManager[Any]("g", lazy="known", on_load_failure_callback=ignore)


@pytest.mark.parametrize("make", [make_drop_in, make_native])
def test_a_manager_lists_what_an_earlier_one_loaded(
    installed: Path, make: Callable[[], Any]
) -> None:
    assert listed(make()) == []
    begin_again()
    manager = make()
    assert listed(manager) == manager.names() == ["one", "two"]
    assert manager["one"].plugin.__name__ == "One"
    assert listed(manager) == ["two"]
    begin_again()
    manager = make()
    (installed / "plug_two.py").write_text("raise OSError('broken')\n")
    with pytest.raises(OSError, match="broken") as raised:
        manager["two"].plugin  # noqa: B018
    assert raised.value.__notes__[-1] == _messages.LISTED_AS_KNOWN
    begin_again()
    assert make().names() == ["one"]


def test_another_attribute_of_a_listed_extension_does_not_exist(
    installed: Path,
) -> None:
    make_drop_in()
    begin_again()
    with pytest.raises(AttributeError, match="object has no attribute 'nothing'"):
        make_drop_in()["one"].nothing  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'plugin'"):
        stevedore.extension.Extension.__new__(stevedore.extension.Extension).plugin  # noqa: B018


@pytest.mark.parametrize(
    ("variables", "expected"),
    [({"LAZYPLUG_EAGER": "1"}, False), ({"LAZYPLUG_LAZY": "1"}, True), ({}, False)],
)
def test_variables_decide_over_the_program(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool
) -> None:
    monkeypatch.setattr(stevedore.extension, "_user", None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert stevedore.extension._is_lazy() is expected
    assert stevedore.extension._is_lazy() is expected
