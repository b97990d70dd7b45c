"""Test plugins, hosts and libraries whose modules have lazily imported names.

Their dictionaries have objects that are not resolved; access to the attribute resolves
them.
"""

import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pluggy
import pytest

import lazyplug
from lazyplug import DriverManager, ExtensionManager, _description, accelerate
from lazyplug.integrations.pluggy import load_entrypoints
from lazyplug.testing import dist, plant, site_directory
from tests.support.children import python
from tests.support.lazy_imports import lazy_module

pytestmark = pytest.mark.usefixtures("late_clock")
TREE = {
    "lazy_plug.py": lazy_module("lazy_impl:Loader", "lazy_broken:Broken"),
    "lazy_impl.py": 'class Loader:\n    """Load."""\n\n    kind = "yaml"\n',
    "lazy_broken.py": "raise OSError('broken on purpose')\n",
    **dist(
        "lazy-plug",
        entry_points="[app]\nloader = lazy_plug:Loader\n[bad]\nx = lazy_plug:Broken\n",
    ),
}
IMPLEMENTATIONS = "lazy_impl", "lazy_broken"


@pytest.fixture(autouse=True)
def plugins(isolated: Path) -> Iterator[Path]:
    with site_directory(TREE) as directory:
        yield directory


def raw(name: str) -> Any:
    """Return what the dictionary of a module has, not resolved."""
    return vars(sys.modules["lazy_plug"])[name]


def imported() -> list[str]:
    return [name for name in IMPLEMENTATIONS if name in sys.modules]


def test_the_dictionary_of_a_module_has_unresolved_objects() -> None:
    module = __import__("lazy_plug")
    assert imported() == []
    assert hasattr(raw("Loader"), "resolve")
    assert module.Loader.kind == "yaml"
    assert raw("Loader") is module.Loader


@pytest.mark.parametrize(
    "load",
    [
        lambda: ExtensionManager[Any]("app")["loader"].plugin,
        lambda: DriverManager[Any]("app", "loader").driver,
        lambda: type(DriverManager[Any]("app", "loader", True).driver),
        lambda: ExtensionManager[Any]("app").map(lambda each: each.plugin)[0],
        lambda: ExtensionManager[Any]("app").objects()["loader"],
        lambda: ExtensionManager[Any]("app", lazy=False)["loader"].plugin,
        lambda: ExtensionManager[Any]("app", protocol=object)["loader"].plugin,
        # Not the bound method: it would be found before the plugin is installed.
        lambda: lazyplug.entry_points(group="app")["loader"].load(),  # noqa: PLW0108
        lambda: lazyplug.load("app", "loader"),
        lambda: lazyplug.load("app", "lazy_plug:Loader"),
        lambda: (
            pickle.loads(  # noqa: S301
                pickle.dumps(ExtensionManager[Any]("app")["loader"])
            ).plugin
        ),
    ],
)
def test_every_way_to_load_returns_the_object_and_resolves_no_other(load: Any) -> None:
    plugin = load()
    assert imported() == ["lazy_impl"]
    assert plugin is sys.modules["lazy_impl"].Loader
    assert raw("Loader") is plugin


def test_what_is_known_before_a_load_imports_neither_module() -> None:
    extension = ExtensionManager[Any]("app")["loader"]
    assert (extension.name, extension.value) == ("loader", "lazy_plug:Loader")
    assert (extension.dist_name, extension.dist_version) == ("lazy-plug", "1.0")
    assert extension.summary in {"Load.", None}
    assert not {"lazy_plug", *IMPLEMENTATIONS} & {*sys.modules}


def test_a_summary_is_known_if_the_module_declares_an_import_lazy() -> None:
    text = "__lazy_modules__ = {'lazy_impl'}\nfrom lazy_impl import Loader\n"
    points = "[app]\ndeclared = lazy_declared:Loader\n"
    tree = {"lazy_declared.py": text, **dist("more", entry_points=points)}
    with site_directory(tree):
        lazyplug.invalidate_caches()
        facts = lazyplug.Facts(static=["kind"])
        extension = ExtensionManager[Any]("app", facts=facts)["declared"]
        assert (extension.summary, extension.facts["kind"]) == ("Load.", "yaml")
        assert not {"lazy_declared", *IMPLEMENTATIONS} & {*sys.modules}


def test_an_error_of_a_lazy_import_is_raised_when_its_extension_is_loaded() -> None:
    extension = ExtensionManager[Any]("bad")["x"]
    __import__("lazy_plug")
    with pytest.raises(OSError, match="broken on purpose") as failure:
        extension.plugin  # noqa: B018
    assert any("declared by lazy-plug 1.0" in note for note in failure.value.__notes__)
    with pytest.raises(OSError, match="broken on purpose") as again:
        extension.plugin  # noqa: B018
    assert again.value is failure.value


def test_a_hint_describes_the_object_and_is_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Let no source be newer than the process.
    monkeypatch.setattr(_description, "_BEGAN", 1 << 62)
    facts = lazyplug.Facts(describe=describe)
    assert ExtensionManager[Any]("app", facts=facts)["loader"].plugin.kind == "yaml"
    assert ExtensionManager[Any]("app", facts=facts)["loader"].remembered == {
        "kind": "yaml"
    }


def describe(plugin: Any) -> dict[str, str]:
    return {"kind": plugin.kind}


def test_accelerate_replaces_a_function_that_a_library_has_imported_lazily() -> None:
    own = "def entry_points(**parameters):\n    return ['its own', *parameters]\n"
    library = lazy_module("lazy_library:entry_points")
    tree = {"importlib_metadata.py": library, "lazy_library.py": own}
    with site_directory(tree):
        found: Any = __import__("importlib_metadata")
        with accelerate():
            original = sys.modules["lazy_library"].entry_points
            assert found.entry_points is not original
            assert found.entry_points.__wrapped__ is original
            # Neither a group nor nothing: the library itself answers.
            assert found.entry_points(a=1) == ["its own", "a"]
        assert found.entry_points is original
        assert found.entry_points(a=1) == ["its own", "a"]


def test_a_lazy_pluggy_plugin_has_the_hooks_that_pluggy_finds() -> None:
    mark = pluggy.HookspecMarker("lazyhost")

    class Specs:
        @mark
        def say(self) -> str: ...  # type: ignore[empty-body]
        @mark
        def other(self) -> str: ...  # type: ignore[empty-body]

    hooks = (
        "import pluggy\nhook = pluggy.HookimplMarker('lazyhost')\n"
        "@hook\ndef say():\n    return 'said'\n"
    )
    other = hooks.replace("say", "other")
    names = "lazy_impl:Loader", "lazy_other:other"
    tree = {
        "lazy_hooks.py": lazy_module(*names) + hooks,
        "lazy_other.py": other,
        **dist("lazy-hooks", entry_points="[lazyhost]\nx = lazy_hooks\n"),
    }
    found = []
    # First as pluggy itself, then before and after the hooks are learned.
    for is_lazy in (False, True, True):
        with site_directory(tree):
            pm = pluggy.PluginManager("lazyhost")
            pm.add_hookspecs(Specs)
            assert load_entrypoints(pm, "lazyhost", lazy=is_lazy) == 1
            assert pm.hook.say() == ["said"]
            found.append([pm.hook.other(), "lazy_impl" in sys.modules])
    assert found[0] == found[1] == found[2]


def test_the_kit_for_tests_removes_a_package_with_lazily_imported_submodules() -> None:
    tree = {
        "lazy_package": {
            "__init__.py": lazy_module("lazy_package.part:Part"),
            "part.py": "class Part:\n    pass\n",
        }
    }
    for _ in range(2):
        with site_directory(tree) as directory:
            part = __import__("lazy_package").Part
            assert str(sys.modules[part.__module__].__file__).startswith(str(directory))
        assert not [name for name in sys.modules if name.startswith("lazy_package")]


def test_check_loads_plugins_that_are_lazily_imported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lazyplug.cli import main

    assert main(["check", "app", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["state"]) == ("loader", "ok")
    assert main(["check", "bad", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["error"]) == ("failed", "OSError: broken on purpose")


needs_lazy_imports = pytest.mark.skipif(
    sys.version_info < (3, 15), reason="has no lazy imports"
)


@needs_lazy_imports
def test_a_circle_of_lazy_imports_is_not_remembered_as_a_failed_load(
    plugins: Path,
) -> None:
    tree = {
        "lazy_plug.py": "lazy import lazy_impl\nLoader = lazy_impl.Loader\n",
        "lazy_impl.py": "import lazy_plug\nLoader = lazy_plug.lazy_impl.Loader\n",
    }
    plant(plugins, tree)
    extension = ExtensionManager[Any]("app")["loader"]
    errors = []
    for _ in range(2):
        with pytest.raises(ImportError, match="circular import") as caught:
            extension.plugin  # noqa: B018
        errors.append(caught.value)
    assert type(errors[0]).__name__ == "ImportCycleError"
    assert errors[0] is not errors[1]


@needs_lazy_imports
def test_managers_and_commands_work_where_all_imports_are_lazy(plugins: Path) -> None:
    all_lazy = ("-X", "lazy_imports=all", "-W", "error")
    text = "from lazy_impl import Loader\nfrom lazy_broken import Broken\n"
    plant(plugins, {"lazy_plug.py": text})
    variables = {"PYTHONPATH": str(plugins)}
    code = """
        import sys, lazyplug
        print(sys.get_lazy_imports())
        manager = lazyplug.ExtensionManager("app", invoke_on_load=True)
        extension = manager["loader"]
        print(extension.summary, "lazy_plug" in sys.modules)
        print(extension.obj.kind, "lazy_broken" in sys.modules)
        try:
            lazyplug.ExtensionManager("bad")["x"].plugin
        except OSError as error:
            print(error)
    """
    done = python(*all_lazy, "-c", dedent(code), env=variables)
    assert done.stdout.splitlines() == [
        "all",
        "Load. False",
        "yaml False",
        "broken on purpose",
    ]
    for words in ("list app", "why app loader", "check app", "trace -m lazy_plug"):
        python(*all_lazy, "-m", "lazyplug", *words.split(), env=variables)
