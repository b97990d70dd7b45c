"""Test that the switch speeds up an environment's programs, and can be removed."""

import importlib.util
import json
import os
import shutil
import site
import sys
import time
from collections.abc import Callable, Iterator
from importlib.machinery import SourcelessFileLoader
from pathlib import Path
from typing import Any

import pluggy
import pytest

import lazyplug
from lazyplug._indexing import storage
from lazyplug._running import switch
from lazyplug._running.activation import activate
from lazyplug.cli import main, switching
from lazyplug.cli.diagnosis import paths
from lazyplug.testing import dist, plant
from tests.support.children import python
from tests.support.environments import RACY_SECONDS, Environment, vendor

Start = Callable[..., str]

SHOW = """\
import importlib.metadata, sys
try:
    import stevedore
    name = stevedore.__name__
except ModuleNotFoundError:
    name = ""
function = importlib.metadata.entry_points
print(hasattr(function, "__wrapped__"), name == "lazyplug.compat.stevedore")
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a site directory that the commands change instead of the real one."""
    made = tmp_path / "site-packages"
    made.mkdir()
    monkeypatch.setattr(switching, "site_directory", lambda: str(made))
    return made


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return what a command prints as JSON."""
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_on_and_off_write_and_remove_two_files(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(capsys, "status")["state"] == "off"
    found = report(capsys, "on", "--as-stevedore", "--lazy", "--for", "a", "b")
    names = ["_lazyplug_switch.py", "lazyplug_switch.pth"]
    assert sorted(os.listdir(directory)) == ["__pycache__", *names]
    assert found == {
        "state": "on",
        "environment": sys.prefix,
        "problem": "",
        "as_stevedore": True,
        "lazy": True,
        "programs": ["a", "b"],
        "files": [str(directory / name) for name in names],
        "inherited": [],
    }
    main(["status"])
    assert "\nas-stevedore: yes\n" in capsys.readouterr().out
    assert report(capsys, "on")["programs"] == []
    plant(directory, {"__pycache__": {"_lazyplug_switch.cpython-39.pyc": ""}})
    assert report(capsys, "off")["state"] == "off"
    assert os.listdir(directory) == ["__pycache__"]
    assert os.listdir(directory / "__pycache__") == []
    assert main(["off"]) == 0


def test_on_writes_the_bytecode_that_others_could_not_write(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = directory / "_lazyplug_switch.py"
    for program in "a", "b":  # as large, and in the same second
        assert main(["on", "--for", program]) == 0
        file = importlib.util.cache_from_source(str(module))
        code = SourcelessFileLoader("module", file).get_code("module")
        assert code is not None
        assert program in code.co_consts


def test_lazy_requires_as_stevedore(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["on", "--lazy"]) == 2
    assert "--lazy can only be used with --as-stevedore" in capsys.readouterr().err
    assert os.listdir(directory) == []


def test_an_environment_of_another_user_is_not_changed(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345, raising=False)
    assert main(["on"]) == 1
    assert capsys.readouterr().err == (
        f"{directory} belongs to another user: nothing was written. Create a virtual"
        " environment, or use `lazyplug run`.\n"
    )
    assert os.listdir(directory) == []


def test_a_read_only_environment_is_not_changed(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert main(["on"]) == 1
    assert f"{directory} is read-only: nothing was written" in capsys.readouterr().err


def test_an_externally_managed_environment_is_not_changed(
    directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    monkeypatch.setattr(
        "lazyplug.cli.switching.sysconfig.get_path", lambda _: str(tmp_path)
    )
    assert main(["on"]) == 1
    assert f"{sys.prefix} is managed by the system" in capsys.readouterr().err


def test_a_lazyplug_of_the_current_directory_is_not_switched_on(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = str(Path(str(lazyplug.__file__)).parents[1])
    others = [each for each in sys.path if each != home]
    monkeypatch.setattr(sys, "path", [home, *others])
    assert main(["on"]) == 1
    assert capsys.readouterr().err == (
        f"lazyplug is imported from {home}, where programs would not find it: nothing"
        " was written. Install it into the environment, or use another current"
        " directory.\n"
    )
    assert os.listdir(directory) == []
    monkeypatch.setattr(sys, "path", [*others, home])
    assert main(["on"]) == 0


def test_a_missing_site_directory_is_reported(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory.rmdir()
    assert main(["on"]) == 1
    assert f"{directory} cannot be read: No such file" in capsys.readouterr().err


def test_a_failing_write_is_reported(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    def refuse_line(place: Any, name: str, *rest: Any) -> None:
        if name == switch.PTH:
            refuse()
        storage.write(place, name, *rest)

    monkeypatch.setattr(switching, "write", refuse_line)
    assert main(["on"]) == 1
    assert os.listdir(directory) == ["__pycache__"]
    message = f"{directory} cannot be written: No space left on device"
    assert message in capsys.readouterr().err
    monkeypatch.setattr(os, "remove", refuse)
    assert main(["off"]) == 1
    assert message in capsys.readouterr().err


def test_a_module_of_that_name_that_is_not_ours_is_a_problem(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(directory, {"_lazyplug_switch.py": "print('other')\n"})
    found = report(capsys, "status")
    message = "_lazyplug_switch.py was not written by lazyplug. Remove it."
    assert (found["state"], found["problem"]) == ("off", message)
    for command in ("on", "off"):
        assert main([command]) == 1
        assert capsys.readouterr().err == f"{message}\n"
    assert os.listdir(directory) == ["_lazyplug_switch.py"]


@pytest.mark.parametrize("options", ["{", "{[]: 1}", "{'state': 1}", "3", "x"])
def test_damaged_options_are_a_problem(
    directory: Path, capsys: pytest.CaptureFixture[str], options: str
) -> None:
    plant(directory, {"_lazyplug_switch.py": f"\nOPTIONS = {options}\n"})
    assert "was not written by lazyplug" in report(capsys, "status")["problem"]


def test_programs_are_named_without_directory_and_suffix(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = report(capsys, "on", "--for", "/v/bin/openstack", "tool.py")
    assert found["programs"] == ["openstack", "tool"]
    assert main(["on", "--for", ""]) == 2
    assert "PROGRAM is missing" in capsys.readouterr().err


def found_by_doctor() -> list[tuple[str, str]]:
    """Return what `lazyplug doctor` finds about the switch: codes and messages."""
    return [(each.code, each.message) for each in paths.check_switch()]


def test_doctor_shows_the_switch(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "site_directory", lambda: str(directory))
    assert found_by_doctor() == [("", "off")]
    main(["on", "--as-stevedore", "--for", "a"])
    assert found_by_doctor() == [("switch-on", "on for a: accelerate, as-stevedore")]
    main(["on"])
    assert found_by_doctor() == [("switch-on", "on for all programs: accelerate")]
    (directory / "_lazyplug_switch.py").write_text("other")
    assert [code for code, _ in found_by_doctor()] == ["switch-not-ours"]


def test_status_and_doctor_show_a_switch_that_is_inherited(
    directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = plant(tmp_path / "base", {switch.PTH: switch.LINE})
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(directory), str(base)])
    monkeypatch.setattr(paths, "site_directory", lambda: str(directory))
    found = report(capsys, "status")
    assert (found["state"], found["inherited"]) == ("off", [str(base)])
    inherited = ("switch-inherited", f"on in {base}, too")
    assert found_by_doctor() == [("", "off"), inherited]


# ------------------------------------------------------------------- in a real start
# What a host finds in each way there is: it drops what fails to load.
FIND = """\
import importlib.metadata, sys
import pluggy, stevedore

def load(points):
    found = []
    for point in points:
        try:
            found.append((point.name, point.load()))
        except ImportError as error:
            found.append((point.name, str(error)))
    return sorted(found)

print(load(importlib.metadata.entry_points(group="show.demo")))
print(load(importlib.metadata.entry_points().select(group="show.demo")))
manager = stevedore.ExtensionManager("show.demo")
print(sorted((each.name, each.plugin) for each in manager))
try:
    plugins = pluggy.PluginManager("show")
    plugins.load_setuptools_entrypoints("show.demo")
    print(sorted(name for name, _ in plugins.list_name_plugin()))
except ImportError as error:
    print(error)
print("acme" in importlib.metadata.packages_distributions())
"""
# Fails without a variable, or without a module of another distribution.
ACME = """\
import os
import acme_extra
if not os.environ.get("ACME_KEY"):
    raise ImportError("ACME_KEY is not set")
PLUGIN = "acme"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with lazyplug and stevedore, and programs."""
    root = tmp_path_factory.mktemp("switched")
    engine = vendor(root / "engine")
    (source,) = pluggy.__path__
    shutil.copytree(source, engine / "pluggy")
    environment = Environment(root / "environment", engine, "--without-pip")
    plant(root, {"show.py": SHOW, "other.py": SHOW, "find.py": FIND})
    return environment


@pytest.fixture
def start(environment: Environment, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts Python with a switch, and returns its output."""
    root = environment.site.parents[3]

    def run(options: Any, *arguments: str, **variables: str) -> str:
        # As `lazyplug on` of that environment writes it.
        own = str(root / "engine" / "lazyplug" / "__init__.py")
        text = switch.source(options).replace(str(lazyplug.__file__), own)
        module = {f"{switch.MODULE}.py": text}
        plant(environment.site, {**module, switch.PTH: switch.LINE})
        cache = str(tmp_path / "cache")
        env = {"LAZYPLUG_CACHE_DIR": cache, "PYTHONPATH": "", **variables}
        done = python(*arguments, executable=environment.executable, cwd=root, env=env)
        assert done.stderr == ""
        return done.stdout.strip()

    yield run
    for name in (f"{switch.MODULE}.py", switch.PTH):
        (environment.site / name).unlink(missing_ok=True)


def test_a_start_that_finds_no_plugins_does_not_import_lazyplug(start: Start) -> None:
    code = "import json, sys; print([m for m in sys.modules if 'lazyplug' in m])"
    assert start({}, "-c", code) == "['_lazyplug_switch']"


@pytest.mark.parametrize("flags", [(), ("-I",), ("-E",), ("-P",)], ids=" ".join)
def test_libraries_are_replaced_when_they_are_imported(
    start: Start, flags: tuple[str, ...]
) -> None:
    assert start({}, *flags, "show.py") == "True False"
    assert start({"as_stevedore": True}, *flags, "show.py") == "True True"


def test_only_the_named_programs_are_switched_on(start: Start) -> None:
    options = {"as_stevedore": True, "programs": ["show"]}
    assert start(options, "show.py") == "True True"
    assert start(options, "-m", "show") == "True True"
    assert start(options, "other.py") == "False False"
    assert start(options, "-m", "other") == "False False"
    assert start(options, "-c", SHOW, "show") == "False False"


def test_a_variable_turns_it_off_for_one_start(start: Start) -> None:
    options = {"as_stevedore": True}
    assert start(options, "show.py", LAZYPLUG_SWITCH="off") == "False False"
    # With -I and -E, no variable is read.
    assert start(options, "-E", "show.py", LAZYPLUG_SWITCH="off") == "True True"


def test_a_library_that_was_imported_before_is_replaced(
    start: Start, environment: Environment
) -> None:
    early = environment.site / "early.pth"  # before lazyplug_switch.pth
    early.write_text("import importlib.metadata\n")
    try:
        assert start({}, "show.py") == "True False"
    finally:
        early.unlink()


@pytest.mark.parametrize(
    "options",
    [{}, {"as_stevedore": True}, {"as_stevedore": True, "lazy": True}],
    ids=["accelerated", "drop-in", "lazy drop-in"],
)
@pytest.mark.once
def test_while_switched_on_the_next_start_sees_each_change(
    start: Start, environment: Environment, options: dict[str, bool]
) -> None:
    def remove(*names: str) -> None:
        for name in names:
            path = environment.site / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def found(**variables: str) -> str:
        released = start({}, "find.py", LAZYPLUG_SWITCH="off", **variables)
        for _ in range(2):  # cold, then warm
            assert start(options, "find.py", **variables) == released
        return released

    key = {"ACME_KEY": "1"}
    nothing = found()
    points = {"show.demo": {"acme": "acme:PLUGIN"}}
    plant(environment.site, {"acme.py": ACME, **dist("acme", entry_points=points)})
    record = environment.site / "acme-1.0.dist-info" / "RECORD"
    record.write_text("acme.py,,\nacme-1.0.dist-info/RECORD,,\n")
    assert "No module named 'acme_extra'" in found(**key)
    plant(environment.site, {"acme_extra.py": "", **dist("acme-extra")})
    assert "ACME_KEY is not set" in found()
    assert "[('acme', 'acme')]" in found(**key)
    # Only what no racy file could change is remembered.
    time.sleep(RACY_SECONDS)
    assert "[('acme', 'acme')]" in found(**key)
    remove("acme_extra.py", "acme_extra-1.0.dist-info")
    assert "No module named 'acme_extra'" in found(**key)
    remove("acme.py", "acme-1.0.dist-info")
    assert found(**key) == nothing


@pytest.mark.parametrize(
    ("asks", "more"),
    [
        ("pass", []),
        # As flake8 does: all distributions, so that there is nothing to filter.
        ("list(m.distributions())", ["lazyplug._answers", "lazyplug._answers.pluggy"]),
    ],
)
def test_a_program_that_asks_for_no_group_imports_little(
    start: Start, asks: str, more: list[str]
) -> None:
    code = f"import sys, importlib.metadata as m; {asks}; print(*sys.modules)"
    modules = start({}, "-c", code).split()
    assert {each for each in modules if "lazyplug" in each} == {
        "_lazyplug_switch",
        "lazyplug",
        "lazyplug._accelerate",
        "lazyplug._import_hooks",
        "lazyplug._running",
        "lazyplug._running.activation",
        *more,
    }


@pytest.mark.parametrize("missing", ["lazyplug", "lazyplug._running.activation"])
def test_without_lazyplug_the_switch_is_silent(
    start: Start, environment: Environment, missing: str
) -> None:
    block = environment.site / "block.pth"
    block.write_text(f"import sys; sys.modules[{missing!r}] = None\n")
    try:
        assert start({"as_stevedore": True}, "show.py") == "False False"
    finally:
        block.unlink()


def test_options_of_another_version_are_ignored_in_silence(start: Start) -> None:
    assert start({"as_stevedore": True, "newer": 1}, "show.py") == "False False"


@pytest.mark.parametrize("text", ["", "def", None])
def test_a_damaged_switch_is_silent(
    start: Start, environment: Environment, text: str | None
) -> None:
    start({}, "-c", "")
    module = environment.site / f"{switch.MODULE}.py"
    if text is None:
        module.unlink()
    else:
        module.write_text(text)
    done = python("-c", "print(1)", executable=environment.executable)
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_a_program_of_the_name_of_lazyplug_is_not_imported(
    start: Start, tmp_path: Path
) -> None:
    plant(tmp_path, {"lazyplug.py": "print('own')\n" + SHOW, "tool.py": SHOW})
    options = {"as_stevedore": True}
    assert start(options, str(tmp_path / "lazyplug.py")) == "own\nFalse False"
    assert start(options, str(tmp_path / "tool.py")) == "False False"


def test_a_program_is_speeded_up_if_it_is_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []
    monkeypatch.setattr("lazyplug._accelerate.accelerate", lambda: calls.append("acc"))

    def install(lazy: bool) -> None:
        calls.append(lazy)

    monkeypatch.setattr("lazyplug.compat.stevedore.install", install)
    monkeypatch.setattr(sys, "orig_argv", ["python", "/bin/tool"])
    activate(programs=["other"])
    assert calls == []
    activate(as_stevedore=True, lazy=True, programs=["tool"])
    assert calls == [True, "acc"]
    monkeypatch.setenv("LAZYPLUG_SWITCH", "off")
    activate()
    assert calls == [True, "acc"]
