"""Test that another environment is read without running any of its code."""

import logging
import os
import pickle
import shutil
import site as python_site
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import lazyplug
from lazyplug import (
    DriverManager,
    EnabledExtensionManager,
    ExtensionManager,
    Facts,
    HookManager,
    NamedExtensionManager,
    NameDispatchExtensionManager,
    NoMatches,
    _environment,
    cli,
)
from lazyplug import _site_path as site_path
from lazyplug._other_environment import OtherEnvironment, Selection
from lazyplug._site_path import Installation, find_installation
from lazyplug._startup_files import directories_in
from lazyplug._static.learned import LearnedFacts
from lazyplug.cli import completing
from lazyplug.testing import Tree, dist, plant
from tests.support.children import ask, python
from tests.support.commands import Run, run_json
from tests.support.fixtures import PlantSite, SetPath

VERSION = "{}.{}".format(*sys.version_info)
LIBRARY = f"lib/python{VERSION}/site-packages"
BASE = Path(sys.base_prefix)
GROUP = "acme.loaders"
HOME = os.path.dirname(os.path.dirname(lazyplug.__file__))
NO_PATH = {"PYTHONPATH": ""}
PATH = "import json, sys; print(json.dumps(sys.path[1:]))"
# What fails where any of it runs.
TRAP = "raise SystemExit('code of the other environment has run')\n"

PLUGINS: Tree = {
    "acme_yaml.py": f'"""Read YAML."""\n{TRAP}',
    "acme_json.py": f'class Json:\n    """Read JSON."""\n    title = "JSON"\n{TRAP}',
    **dist(
        "acme-loaders",
        "1.4",
        {GROUP: {"yaml": "acme_yaml", "json": "acme_json:Json"}},
    ),
    **dist("acme-more", "2", {GROUP: {"xml": "acme_gone:Xml"}}),
}


ALONE = {"include-system-site-packages": "false"}


def make(prefix: Path, tree: Tree = PLUGINS, **fields: str) -> Path:
    """Make a virtual environment of this Python, as `venv` does."""
    lines = {"home": str(BASE / "bin"), "version": VERSION, **(fields or ALONE)}
    text = "".join(f"{name} = {value}\n" for name, value in lines.items())
    plant(prefix, {"pyvenv.cfg": text, "bin": {}, LIBRARY: tree})
    (prefix / "bin" / "python").symlink_to(BASE / "bin" / f"python{VERSION}")
    return prefix


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """Return an environment with plugins, none of which this process has."""
    return make(tmp_path / "elsewhere")


def path_of(executable: Path | str, **options: Any) -> list[str]:
    """Return the `sys.path` of an interpreter, as itself prints it."""
    found: list[str] = ask(PATH, executable=str(executable), cwd=Path("/"), **options)
    return found


# Finding an environment.

EXTRA = {
    "b.pth": "src\nmissing\n# comment\n\nimport os\n../src\nsrc/  \n",
    ".hidden.pth": "hidden\n",
    "src": {},
    "hidden": {},
}


@pytest.mark.parametrize(
    "fields",
    [{}, {"include-system-site-packages": "True"}, {"include-system-sites": "false"}],
)
def test_the_path_of_an_environment_is_that_which_its_interpreter_has(
    tmp_path: Path, fields: dict[str, str]
) -> None:
    prefix = make(tmp_path / "env", {**PLUGINS, **EXTRA}, **fields)
    found = find_installation(str(prefix))
    assert [*found.path] == path_of(prefix / "bin" / "python", env=NO_PATH)
    assert found.prefix == str(prefix)
    assert found.base_prefix == str(BASE)
    assert found.version[:2] == sys.version_info[:2]
    assert found.executable == str(prefix / "bin" / "python")


@pytest.mark.parametrize("executable", ["/usr/bin/python3", sys.executable])
def test_the_path_of_an_interpreter_is_that_which_it_has(executable: str) -> None:
    if not os.path.exists(executable):
        pytest.skip("not installed")
    found = find_installation(executable)
    assert [*found.path] == path_of(executable, env=NO_PATH)


names = st.sampled_from(["a", "b", "sub/c", "missing", "../sideways", "/", "a/../b"])
lines = st.one_of(
    names,
    st.builds("{}{}".format, names, st.sampled_from([" ", "\t", "\r"])),
    st.sampled_from(["", "  ", "# a", " # b", "import os", "import\tos", " a"]),
)
files = st.dictionaries(
    st.sampled_from(["x.pth", "y.pth", ".z.pth", "pth", "w.PTH"]),
    st.lists(lines, max_size=5).map("\n".join),
    max_size=4,
)


@example(files={"x.pth": "b\n a\n  import os\n # c"})
@given(files=files)
def test_pth_files_add_the_directories_that_site_adds(
    files: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("site") / "here"
    plant(directory, {"a": {}, "b": {}, "sub": {"c": {}}, **files})
    plant(directory.parent / "sideways", {})
    before = sys.path[:]
    try:
        sys.path[:] = []
        python_site.addsitedir(str(directory), set())
        added = sys.path[1:]
    finally:
        sys.path[:] = before
    found = directories_in(str(directory), sys.version_info[:3])
    assert [*dict.fromkeys(found)] == [each for each in added if each != str(directory)]


def links(prefix: Path, tmp_path: Path) -> dict[str, Path]:
    """Return the places by which people name an environment."""
    program = prefix / "bin" / "acme"
    program.write_text(f"#!{prefix}/bin/python\n")
    shortcut = tmp_path / "bin" / "acme"
    shortcut.parent.mkdir()
    shortcut.symlink_to(program)
    again = tmp_path / "bin" / "again"
    again.symlink_to("acme")
    project = tmp_path / "project"
    project.mkdir()
    (project / ".venv").symlink_to(prefix)
    return {
        "directory": prefix,
        "interpreter": prefix / "bin" / "python",
        "program": program,
        "link to a program": shortcut,
        "link to a link": again,
    }


def test_an_environment_is_found_by_each_name_that_people_have_for_it(
    prefix: Path, tmp_path: Path
) -> None:
    for name, place in links(prefix, tmp_path).items():
        assert find_installation(str(place)).prefix == str(prefix), name
    found = find_installation(str(tmp_path / "project"))
    assert found.prefix == str(tmp_path / "project" / ".venv")


def test_an_environment_whose_interpreter_is_gone_can_still_be_read(
    prefix: Path,
) -> None:
    (prefix / "bin" / "python").unlink()
    (prefix / "bin" / "python").symlink_to("/nonexistent/python")
    for place in (prefix, prefix / "bin" / "python"):
        assert ExtensionManager[Any](GROUP, environment=place).names() == [
            *("yaml", "json", "xml")
        ]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("missing", "missing does not exist"),
        ("empty", "empty is not a valid environment: expected the directory of an"),
        ("dangling", "gone does not exist"),
        ("two", "two is not a valid environment"),
        ("bin/tool", "tool is not a valid environment"),
    ],
)
def test_a_place_without_an_environment_is_refused(
    place: str, reason: str, tmp_path: Path
) -> None:
    plant(
        tmp_path,
        {
            "empty": {},
            "bin": {"tool": ""},
            "two": {f"lib/python3.{each}": {"os.py": ""} for each in (11, 12)},
        },
    )
    (tmp_path / "dangling").symlink_to("gone")
    with pytest.raises(ValueError, match=reason):
        ExtensionManager[Any](GROUP, environment=tmp_path / place)


def test_a_directory_that_cannot_be_read_is_refused_with_the_reason(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(ValueError, match="elsewhere cannot be read: Permission denied"):
        find_installation(str(prefix))


@pytest.mark.parametrize("place", ["", b"/usr"])
def test_a_place_that_is_not_a_path_is_refused(place: Any) -> None:
    reason = f"{place!r} is not a valid environment: expected the directory"
    with pytest.raises(ValueError, match=reason):
        ExtensionManager[Any](GROUP, environment=place)


def test_few_environments_are_kept_in_memory(tmp_path: Path) -> None:
    for number in range(40):
        make(tmp_path / str(number))
        ExtensionManager(GROUP, environment=tmp_path / str(number))
    assert len(_environment.memo) < 20


def test_of_two_pythons_in_one_prefix_the_interpreter_shows_which_is_meant(
    tmp_path: Path,
) -> None:
    tree: dict[str, Any] = {}
    for number in (11, 12):
        library = f"lib/python3.{number}"
        tree |= {library: {"os.py": "", "site-packages": {}}}
        tree |= {f"bin/python3.{number}": {}}
    plant(tmp_path, tree)
    for number in (11, 12):
        executable = tmp_path / "bin" / f"python3.{number}"
        executable.rmdir()
        executable.touch()
        found = find_installation(str(executable))
        assert found.version == (3, number)
        assert found.sites == (str(tmp_path / f"lib/python3.{number}/site-packages"),)


def planted(root: Path, *directories: str) -> None:
    for each in directories:
        (root / each).mkdir(parents=True, exist_ok=True)


def test_debian_has_packages_in_three_directories(tmp_path: Path) -> None:
    sites = [
        *("local/lib/python3.13/dist-packages", "lib/python3/dist-packages"),
        "lib/python3.13/dist-packages",
    ]
    planted(tmp_path, *sites)
    plant(tmp_path, {"lib/python3.13": {"os.py": ""}, "bin": {"python3.13": ""}})
    found = find_installation(str(tmp_path / "bin" / "python3.13"))
    assert found.sites == tuple(str(tmp_path / each) for each in sites)


def test_fedora_has_packages_in_lib64_too(tmp_path: Path) -> None:
    sites = ["lib64/python3.13/site-packages", "lib/python3.13/site-packages"]
    planted(tmp_path, *sites)
    plant(tmp_path, {"lib64/python3.13": {"os.py": ""}, "bin": {"python3.13": ""}})
    found = find_installation(str(tmp_path))
    assert found.sites == tuple(str(tmp_path / each) for each in sites)
    assert found.path[0] == str(tmp_path / "lib64/python313.zip")


def test_windows_has_other_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site_path, "_IS_WINDOWS", True)
    home, env = tmp_path / "Python313", tmp_path / "env"
    planted(home, "Lib/site-packages", "DLLs")
    plant(home, {"Lib": {"os.py": ""}, "python.exe": ""})
    planted(env, "Lib/site-packages")
    config = f"home = {home}\nversion_info = 3.13.1.final.0\n"
    config += "include-system-site-packages = false\n"
    plant(env, {"pyvenv.cfg": config, "Scripts": {"python.exe": ""}})
    standard = [str(home / each) for each in ("python313.zip", "Lib", "DLLs")]
    found = find_installation(str(env / "Scripts" / "python.exe"))
    assert [*found.path] == [*standard, str(env / "Lib" / "site-packages")]
    assert find_installation(str(env)).executable == str(env / "Scripts/python.exe")
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "user"))
    base = find_installation(str(home / "python.exe"))
    assert base.sites == (str(home), str(home / "Lib" / "site-packages"))
    assert base.executable == str(home / "python.exe")


def test_compiled_modules_of_another_version_have_other_suffixes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    suffixes = [f".cpython-{VERSION.replace('.', '')}-x86_64-linux-gnu.so", ".so"]
    monkeypatch.setattr(site_path, "EXTENSION_SUFFIXES", suffixes)
    for version, library, tag in (
        ((3, 14, 1), "/l/python3.14", "314"),
        ((3, 13), "/l/python3.13t", "313t"),
        ((3, 7, 16), "/l/python3.7", "37m"),
    ):
        found = Installation("", "", "", version, library, (), (), False, False)
        assert found.compiled_suffixes() == [
            *(f".cpython-{tag}-x86_64-linux-gnu.so", ".so")
        ]


# Managers.


def test_a_manager_describes_what_is_installed_elsewhere(prefix: Path) -> None:
    manager = ExtensionManager[Any](
        GROUP, environment=prefix, facts=Facts(static=["title"])
    )
    assert manager.names() == ["yaml", "json", "xml"]
    found = {each.name: each for each in manager}
    assert found["yaml"].summary == "Read YAML."
    assert found["json"].summary == "Read JSON."
    assert found["xml"].summary is None
    assert dict(found["json"].facts) == {"title": "JSON"}
    assert found["json"].dist_name == "acme-loaders"
    assert found["json"].dist_version == "1.4"
    assert found["json"].dist is not None
    assert found["json"].dist.metadata["Name"] == "acme-loaders"
    assert found["json"].module_name == "acme_json"
    assert not found["json"].loaded
    assert manager.entry_points_names() == ["yaml", "json", "xml"]
    assert [each.name for each in manager.list_entry_points()] == manager.names()
    assert not [name for name in sys.modules if name.startswith("acme")]


def test_what_is_known_elsewhere_is_what_a_process_there_knows(prefix: Path) -> None:
    code = f"""
        import json, lazyplug
        manager = lazyplug.ExtensionManager({GROUP!r})
        print(json.dumps([[e.name, e.value, e.summary, e.dist_name] for e in manager]))
    """
    own = ask(
        code,
        executable=str(prefix / "bin" / "python"),
        env={"PYTHONPATH": HOME},
        cwd=prefix,
    )
    manager = ExtensionManager[Any](GROUP, environment=prefix)
    assert [[e.name, e.value, e.summary, e.dist_name] for e in manager] == own


def refusal(prefix: Path, name: str) -> str:
    return (
        f"entry point '{name} = .*' of group '{GROUP}', declared by acme-.*: this"
        " process cannot import a plugin of another environment; run"
        f" {prefix}/bin/python"
    )


LOADS: dict[str, Callable[[ExtensionManager[Any]], object]] = {
    "plugin": lambda manager: manager["yaml"].plugin,
    "map": lambda manager: manager.map(lambda extension: extension),
    "objects": lambda manager: [*manager.objects()],
    "load": lambda manager: manager["yaml"].entry_point.load(),
    "listed": lambda manager: manager.list_entry_points()[0].load(),
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_a_plugin_of_another_environment_cannot_be_loaded_here(
    load: Callable[[ExtensionManager[Any]], object], prefix: Path
) -> None:
    manager = ExtensionManager[Any](GROUP, environment=prefix)
    for _ in range(2):
        with pytest.raises(ImportError, match=refusal(prefix, "yaml")) as caught:
            load(manager)
        assert caught.value.name == "acme_yaml"


def test_an_object_of_another_environment_cannot_be_made_here(prefix: Path) -> None:
    manager = ExtensionManager[Any](GROUP, invoke_on_load=True, environment=prefix)
    with pytest.raises(ImportError, match=refusal(prefix, "yaml")):
        manager["yaml"].obj  # noqa: B018


@pytest.mark.parametrize("lazy", [False, "known"])
def test_loading_at_creation_is_refused(lazy: Any, prefix: Path) -> None:
    with pytest.raises(ValueError, match=f"lazy={lazy!r} cannot be used with environ"):
        ExtensionManager[Any](GROUP, lazy=lazy, environment=prefix)


def test_the_variable_for_eager_loading_does_not_concern_other_environments(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_EAGER", "1")
    assert len(ExtensionManager[Any](GROUP, environment=prefix)) == 3


def test_every_manager_reads_another_environment(prefix: Path) -> None:
    named = NamedExtensionManager[Any](
        GROUP, ["json", "yaml"], name_order=True, environment=prefix
    )
    assert named.names() == ["json", "yaml"]
    assert HookManager[Any](GROUP, "xml", environment=prefix)["xml"][0].name == "xml"
    enabled = EnabledExtensionManager[Any](
        GROUP, lambda each: each.name != "xml", environment=prefix
    )
    assert enabled.names() == ["yaml", "json"]
    dispatch = NameDispatchExtensionManager[Any](
        GROUP, lambda _: True, environment=prefix
    )
    assert [*dispatch.by_name] == ["yaml", "json", "xml"]
    driver = DriverManager[Any](GROUP, "json", environment=prefix)
    with pytest.raises(ImportError, match=refusal(prefix, "json")):
        driver.driver  # noqa: B018
    with pytest.raises(NoMatches, match="did you mean 'json'"):
        DriverManager(GROUP, "jsn", environment=prefix)


def test_a_subclass_of_a_host_reads_another_environment(prefix: Path) -> None:
    class Loaders(ExtensionManager[Any]):
        def __init__(self, **options: Any) -> None:
            super().__init__(GROUP, **options)

        def titles(self) -> list[str]:
            return [each.name.upper() for each in self]

    manager = Loaders(environment=prefix)
    assert manager.titles() == ["YAML", "JSON", "XML"]
    assert isinstance(manager, Loaders)
    assert repr(manager) == f"<Loaders of '{GROUP}': ['yaml', 'json', 'xml']>"


def test_modules_of_a_package_elsewhere_are_extensions(tmp_path: Path) -> None:
    package = {"__init__.py": TRAP, "one.py": TRAP, "_hidden.py": TRAP}
    prefix = make(tmp_path / "env", {**PLUGINS, "acme_builtin": package})
    manager = ExtensionManager[Any](GROUP, package="acme_builtin", environment=prefix)
    assert manager.names() == ["yaml", "json", "xml", "one"]
    with pytest.raises(ModuleNotFoundError, match="acme_none"):
        ExtensionManager(GROUP, package="acme_none", environment=prefix)


def test_a_manager_of_another_environment_is_refreshed(
    prefix: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ExtensionManager[Any](GROUP, environment=prefix)
    yaml = manager["yaml"]
    seen: list[object] = []
    unsubscribe = lazyplug.subscribe(seen.append)
    new = dist("acme-new", "1", {GROUP: {"toml": "acme_toml"}})
    (info,) = new
    new = {info: {**new[info], "RECORD": "new.pth,,\n"}, "new.pth": "import acme_new\n"}
    plant(prefix / LIBRARY, new)
    shutil.rmtree(prefix / LIBRARY / "acme_more-2.dist-info")
    with caplog.at_level(logging.DEBUG):
        changes = manager.refresh()
    unsubscribe()
    assert changes == (("acme-new 1",), ("acme_more 2",), ())
    assert manager.names() == ["yaml", "json", "toml"]
    assert manager["yaml"] is yaml
    assert seen == []
    assert "restart" not in caplog.text.lower()


def test_this_process_keeps_its_own_environment(
    prefix: Path, site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site(dist("own", "1", {GROUP: {"own": "os"}})))
    manager = ExtensionManager[Any](GROUP, environment=prefix)
    assert ExtensionManager[Any](GROUP).names() == ["own"]
    assert [each.name for each in lazyplug.entry_points(group=GROUP)] == ["own"]
    assert manager["yaml"].summary == "Read YAML."
    assert ExtensionManager[Any](GROUP)["own"].plugin is os
    with pytest.raises(NoMatches, match=f"in group '{GROUP}'") as caught:
        manager["own"]
    assert "own 1" not in str(caught.value)


def test_another_environment_is_selected_in_one_thread_only(
    prefix: Path, tmp_path: Path
) -> None:
    inner = make(tmp_path / "inner", dist("inner", "1", {GROUP: {"inner": "m"}}))
    found: list[list[str]] = []
    with Selection(prefix):
        thread = threading.Thread(
            target=lambda: found.append(ExtensionManager[Any](GROUP).names())
        )
        thread.start()
        thread.join()
        with Selection(inner):
            assert ExtensionManager[Any](GROUP).names() == ["inner"]
        assert len(ExtensionManager[Any](GROUP)) == 3
    assert ExtensionManager[Any](GROUP).names() == []
    assert found == [[]]


def repickled(handle: Any) -> Any:
    return pickle.loads(pickle.dumps(handle))  # noqa: S301


def test_handles_of_another_environment_are_pickled(prefix: Path) -> None:
    manager = ExtensionManager[Any](GROUP, environment=prefix)
    extension = repickled(manager["yaml"])
    assert extension.summary == "Read YAML."
    point = repickled(manager["yaml"].entry_point)
    for load in (lambda: extension.plugin, point.load):
        with pytest.raises(ImportError, match=refusal(prefix, "yaml")):
            load()


def test_the_index_of_another_environment_is_that_which_its_own_processes_use(
    prefix: Path, isolated: Path
) -> None:
    ExtensionManager(GROUP, environment=prefix)
    (before,) = isolated.glob("*.json")
    code = f"""
import sys
path = sys.path[:]
sys.path.append({HOME!r})
from lazyplug import ExtensionManager
sys.path[:] = path
assert len(ExtensionManager({GROUP!r})) == 3
"""
    python("-P", "-c", code, executable=str(prefix / "bin" / "python"), env=NO_PATH)
    assert [*isolated.glob("*.json")] == [before]


# Startup code, which is not run.

FINDERS = {
    "__editable___acme_finder.pth": "import __editable___acme_finder",
    "_acme_editable.pth": "import _acme_editable; _acme_editable.install()",
}


@pytest.mark.parametrize("name", FINDERS)
def test_a_module_that_a_finder_may_know_is_not_called_missing(
    name: str, tmp_path: Path, run: Run
) -> None:
    prefix = make(tmp_path / "env", {**PLUGINS, name: f"{FINDERS[name]}\n"})
    rows = run_json(run, "list", GROUP, "--summary", "--python", str(prefix))
    assert {row["name"]: row["state"] for row in rows} == dict.fromkeys(
        ("yaml", "json", "xml"), "available"
    )
    without = make(tmp_path / "without")
    rows = run_json(run, "list", GROUP, "--summary", "--python", str(without))
    assert [row["state"] for row in rows] == ["available", "available", "missing"]


UNKNOWN: dict[str, Tree] = {
    "pth": {"acme.pth": "import acme_hooks\n"},
    # A distribution of Python may have a sitecustomize, which comes first.
    "usercustomize": {"usercustomize.py": "import acme_hooks\n"},
}


@pytest.mark.parametrize("tree", UNKNOWN.values(), ids=UNKNOWN)
def test_nothing_is_proven_where_unknown_code_runs_at_startup(
    tree: Tree, tmp_path: Path
) -> None:
    wanted = Facts(static=["title"], declared="FACTS")
    json_plugin = f'FACTS = {{"kind": "text"}}\n{PLUGINS["acme_json.py"]}'
    tree = {**PLUGINS, "acme_json.py": json_plugin, **tree}
    prefix = make(tmp_path / "env", tree)
    manager = ExtensionManager[Any](GROUP, environment=prefix, facts=wanted)
    assert dict(manager["json"].facts) == {"kind": "text"}
    assert manager["json"].summary == "Read JSON."


@pytest.mark.parametrize(
    "name", ["distutils-precedence.pth", "_virtualenv.pth", "x-nspkg.pth"]
)
def test_startup_code_that_replaces_no_plugin_is_known(
    name: str, tmp_path: Path
) -> None:
    prefix = make(tmp_path / "env", {**PLUGINS, name: "import os\n"})
    manager = ExtensionManager[Any](
        GROUP, environment=prefix, facts=Facts(static=["title"])
    )
    assert dict(manager["json"].facts) == {"title": "JSON"}


# The command line.


def test_commands_that_only_read_look_at_another_environment(
    prefix: Path, run: Run
) -> None:
    where = ("--python", str(prefix))
    rows = run_json(run, "list", GROUP, *where)
    assert [row["name"] for row in rows] == ["yaml", "json", "xml"]
    assert run_json(run, "list", *where) == [
        {"group": GROUP, "plugins": 3, "distributions": 2}
    ]
    (shown,) = run_json(run, "show", GROUP, "json", *where)
    assert shown["target_file"] == str(prefix / LIBRARY / "acme_json.py")
    assert shown["summary"] == "Read JSON."
    reasons = run_json(run, "why", GROUP, "json", *where)
    assert reasons["plugins"][0]["state"] == "available"
    assert run_json(run, "status", *where)["environment"] == str(prefix)
    assert run_json(run, "lost", *where) == {"lost": [], "install": ""}
    found = run_json(run, "doctor", *where)
    assert found["summary"]["distributions"] == 2
    assert "module-missing" in [each["code"] for each in found["findings"]]
    run("list", GROUP)  # in this process, nothing else is selected
    assert ExtensionManager[Any](GROUP).names() == []


def test_what_went_from_another_environment_is_lost_there(
    prefix: Path, run: Run
) -> None:
    where = ("--python", str(prefix))
    run("list", *where)
    shutil.rmtree(prefix / LIBRARY / "acme_more-2.dist-info")
    lazyplug.invalidate_caches()
    (lost,) = run_json(run, "lost", *where)["lost"]
    assert lost["name"] == "xml"
    _, out, _ = run("lost", *where)
    assert f"uv pip install --python {prefix} acme-more" in out


def test_what_is_installed_elsewhere_is_completed(prefix: Path) -> None:
    parser = cli._parser(["show"])
    completing.complete(parser)  # no shell asks
    (name,) = [e for e in completing._actions(parser) if e.metavar == "NAME"]
    words = SimpleNamespace(environment=str(prefix), group=GROUP)
    assert name.completer(parsed_args=words) == ["json", "xml", "yaml"]
    words.environment = str(prefix / "missing")
    assert name.completer(parsed_args=words) == []


def test_an_interpreter_on_the_path_is_found_by_its_name(
    prefix: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(prefix / "bin"))
    rows = run_json(run, "list", GROUP, "--python", "python")
    assert len(rows) == 3


def test_the_command_line_refuses_a_place_without_an_environment(
    run: Run, tmp_path: Path
) -> None:
    code, out, err = run("list", "--python", str(tmp_path))
    assert (code, out) == (2, "")
    assert err.startswith(f"lazyplug list: --python: {tmp_path} is not a valid")


def test_a_plugin_of_another_environment_is_not_tried(prefix: Path, run: Run) -> None:
    code, _, err = run("why", "--load", GROUP, "yaml", "--python", str(prefix))
    assert code == 2
    assert err.startswith("lazyplug why: --load cannot be used with --python: this")
    _, out, _ = run("why", GROUP, "yaml", "--python", str(prefix))
    assert "--load" not in out


# What other environments could do to each other, and to this process.


def test_the_prefix_of_an_interpreter_is_found_behind_a_link_to_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / f"python{VERSION}"
    link.symlink_to(BASE / "bin" / f"python{VERSION}")
    for name, target in (("linked", link), ("copied", "/gone/bin/python")):
        prefix = make(tmp_path / name, home=str(link.parent))
        (prefix / "bin" / "python").unlink()
        (prefix / "bin" / "python").symlink_to(target)
        found = find_installation(str(prefix))
        assert found.base_prefix == str(BASE)
        assert found.library == os.path.dirname(os.__file__)


def test_nothing_is_proven_or_missing_without_the_standard_library(
    tmp_path: Path,
) -> None:
    prefix = make(tmp_path / "env", home="/gone/bin")
    (prefix / "bin" / "python").unlink()
    found = find_installation(str(prefix))
    assert found.library == ""
    assert found.has_unknown_code
    assert found.may_have_finders


def test_a_module_may_be_built_into_another_interpreter(
    tmp_path: Path, run: Run
) -> None:
    tree = dist("acme", "1", {GROUP: {"own": "_winapi", "none": "acme_none"}})
    prefix = make(tmp_path / "env", tree)
    rows = run_json(run, "list", GROUP, "--summary", "--python", str(prefix))
    assert [row["state"] for row in rows] == ["available", "missing"]


def test_pypy_has_neither_an_archive_nor_a_directory_of_compiled_modules(
    tmp_path: Path,
) -> None:
    packages = "lib/pypy3.11/site-packages"
    planted(tmp_path, packages)
    plant(tmp_path, {"lib/pypy3.11": {"os.py": ""}, "bin": {"pypy3.11": ""}})
    found = find_installation(str(tmp_path / "bin" / "pypy3.11"))
    library = tmp_path / "lib/pypy3.11"
    assert [*found.path] == [str(library), str(library / "site-packages")]
    assert found.has_unknown_code


def test_virtual_environments_of_fedora_have_two_site_directories(
    tmp_path: Path,
) -> None:
    plant(tmp_path / "usr", {"lib64/python3.13": {"os.py": ""}, "bin": {}})
    home = str(tmp_path / "usr" / "bin")
    config = f"home = {home}\ninclude-system-site-packages = false\n"
    plant(tmp_path / "env", {"pyvenv.cfg": config, "bin": {}})
    planted(tmp_path / "env", "lib/python3.13/site-packages")
    (tmp_path / "env" / "lib64").symlink_to("lib")
    assert find_installation(str(tmp_path / "env")).sites == tuple(
        str(tmp_path / "env" / lib / "python3.13/site-packages")
        for lib in ("lib64", "lib")
    )


def test_facts_of_another_version_are_not_shared_with_its_processes(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", "on")
    for version, is_shared in (((3, 99), False), (sys.version_info[:2], True)):
        other = find_installation(str(prefix))._replace(version=version)
        facts = LearnedFacts(OtherEnvironment(other))
        assert facts.may_write is is_shared


class Mixin:
    def __init__(self, *_: Any, **options: Any) -> None:
        raise AssertionError


class Registered(ExtensionManager[Any], Mixin):
    """A manager with other bases, and a register of its subclasses."""

    subclasses: list[str] = []  # noqa: RUF012

    def __init_subclass__(cls, *, tag: str) -> None:
        cls.subclasses.append(tag)


def test_classes_of_hosts_may_have_other_bases_and_know_their_subclasses(
    prefix: Path,
) -> None:
    manager = Registered(GROUP, environment=prefix)
    assert manager.names() == ["yaml", "json", "xml"]
    assert Registered.subclasses == []
    assert repickled(manager)["yaml"].summary == "Read YAML."


def test_functions_of_hosts_find_the_environment_of_this_process(
    prefix: Path, site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site(dist("own", "1", {GROUP: {"own": "os"}})))
    again = dist("acme-again", "1", {GROUP: {"json": "acme_json"}})
    plant(prefix / LIBRARY, again)
    seen = []

    def look(result: Any) -> Any:
        seen.append(ExtensionManager[Any](GROUP).names())
        return result

    manager = EnabledExtensionManager[Any](
        GROUP,
        lambda extension: look(extension.summary) or True,
        facts=Facts(static=["title"], schema=lambda **facts: look(facts)),
        conflict_resolver=lambda _, __, several: look(several[-1]),
        environment=prefix,
    )
    assert len(seen) == 4
    assert manager["json"].facts == {"title": "JSON"}
    assert seen == [["own"]] * 6


def test_a_resolver_may_choose_a_registered_plugin(prefix: Path) -> None:
    manager = ExtensionManager[Any](
        GROUP, conflict_resolver=lambda _, __, several: several[-1], environment=prefix
    )
    manager.register("yaml", os)
    assert manager["yaml"].plugin is os


def test_refreshing_another_environment_refreshes_no_other(
    prefix: Path, site: PlantSite, prepend_path: SetPath
) -> None:
    directory = site(dist("own", "1", {GROUP: {"own": "os"}}))
    prepend_path(directory)
    own = ExtensionManager[Any](GROUP)
    plant(Path(directory), dist("own-more", "1", {GROUP: {"more": "os"}}))
    ExtensionManager[Any](GROUP, environment=prefix).refresh()
    assert ExtensionManager[Any](GROUP).names() == ["own"]
    assert own.refresh().added == ("own-more 1",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_after_a_fork_a_new_thread_has_selected_nothing(prefix: Path) -> None:
    code = f"""
        import os, sys, threading
        sys.path.insert(0, {HOME!r})
        from lazyplug._other_environment import Selection, selected_place
        selected, forked = threading.Event(), threading.Event()
        def select():
            with Selection({str(prefix)!r}):
                selected.set()
                forked.wait()
        threading.Thread(target=select).start()
        selected.wait()
        child = os.fork()
        forked.set()
        if child:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        else:
            found = []
            thread = threading.Thread(target=lambda: found.append(selected_place()))
            thread.start()
            thread.join()
            os._exit(found != [""])
    """
    assert ask(code) == 0
