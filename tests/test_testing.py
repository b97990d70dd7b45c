"""Test what `lazyplug.testing` plants, fakes and isolates, and that it cleans up."""

import importlib
import importlib.metadata
import json
import os
import pickle
import sys
import tomllib
import unittest
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytest

import lazyplug
from lazyplug import (
    Choice,
    DriverManager,
    EnabledExtensionManager,
    ExtensionManager,
    MultipleMatches,
    NamedExtensionManager,
    NoMatches,
    ProtocolMismatch,
    _settings,
    entry_points,
)
from lazyplug._static import learning
from lazyplug.testing import (
    dist,
    fake_extensions,
    isolated_index,
    manager_of,
    nothing_imported,
    plant,
    site_directory,
)
from lazyplug.testing._places import OwnPatch, take_out
from tests.support.children import ask, python
from tests.support.clock import Ticking
from tests.support.fixtures import PlantSite
from tests.support.learned_facts import unwritten

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[1]
PLUG = {
    "plug.py": "class One: 'The one.'\n",
    **dist("plug", "1", {"g": {"a": "plug:One"}}),
}
# The prefixes of the modules that are planted here.
PLANTED = ("plug", "pack", "space", "lazyplug_fakes")
DRIVER = "import lazyplug; print(lazyplug.DriverManager('g', 'a').driver)"


class Fake:
    """Is a fake.

    In more than one line.
    """


def state() -> tuple[object, ...]:
    """Return what the kit changes: it must be the same before and after."""
    names = [name for name in os.environ if name.startswith(("LAZYPLUG", "PYTHON"))]
    return (
        sys.path[:],
        sys.meta_path[:],
        {name: os.environ[name] for name in names},
        _settings.index_override,
        [path for path in sys.path_importer_cache if "lazyplug-" in path],
        [name for name in sys.modules if name.startswith(PLANTED)],
    )


@pytest.fixture(autouse=True)
def unchanged(isolated: Path) -> Iterator[None]:
    """Check that each test leaves this process unchanged."""
    before, modules = state(), dict(sys.modules)
    yield
    assert state() == before
    for name, module in modules.items():
        assert sys.modules[name] is module


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Return a patch that is undone before that check."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


# ------------------------------------------------------------------------------ trees


def test_plant_writes_a_tree(tmp_path: Path) -> None:
    tree = {"a": {"b.py": "\n  x = 1\n  y = 2\n", "empty": {}}, "c": b"\xff", "d": ""}
    assert plant(str(tmp_path / "new" / "site"), tree) == tmp_path / "new" / "site"
    site = tmp_path / "new" / "site"
    assert (site / "a" / "b.py").read_text() == "\nx = 1\ny = 2\n"
    assert list((site / "a" / "empty").iterdir()) == []
    assert (site / "c").read_bytes() == b"\xff"
    plant(site, {"a": {"more.py": ""}})
    assert sorted(os.listdir(site / "a")) == ["b.py", "empty", "more.py"]


def test_the_error_for_invalid_tree_content_says_where(tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match=r"a.b: \['c'\] is not a valid tree: expected a d"
    ):
        plant(tmp_path, {"a": {"b": ["c"]}})


def test_a_distribution_declares_the_entry_points_of_a_mapping() -> None:
    points = {"g": {"a b": "m:x", "c": "not a reference"}, "h.i": {"d": "m.n"}}
    tree = {**dist("Foo-Bar", "2.1", points), **dist("empty")}
    with site_directory(tree):
        found = [(p.group, p.name, p.value) for p in entry_points(group="g")]
        assert found == [("g", "a b", "m:x"), ("g", "c", "not a reference")]
        assert ExtensionManager[Any]("h.i")["d"].dist.version == "2.1"  # type: ignore[union-attr]
        assert importlib.metadata.version("foo-bar") == "2.1"
        assert importlib.metadata.version("empty") == "1.0"


def test_the_text_of_entry_points_may_be_invalid(tmp_path: Path) -> None:
    with site_directory(dist("foo", entry_points="a = m:x\n[g]\nb\nc = m:y\n")) as site:
        assert ExtensionManager[Any]("g").names() == ["c"]
        problems = [p for p in lazyplug.problems() if str(site) in str(p.path)]
        assert len(problems) == 2


@pytest.mark.parametrize(
    ("points", "error", "words"),
    [
        (
            {"a": "m:x"},
            TypeError,
            r"'a': 'm:x' is not a valid group: expected a dict of 'name'",
        ),
        ({"g": {"a=b": "m:x"}}, ValueError, "'a=b': 'm:x' of group 'g' is not valid"),
        ({"g": {"a\nb": "m:x"}}, ValueError, r"'a\\nb': 'm:x' of group 'g' is not"),
        ({"g": {"#a": "m:x"}}, ValueError, "'#a': 'm:x' of group 'g' is not valid"),
        ({"g": {"a": Fake}}, ValueError, "'a': <class .*Fake'> of group 'g' is not"),
        ({"g]\n[h": {"a": "m:x"}}, ValueError, "of group .* is not valid in an"),
    ],
)
def test_invalid_entry_points_of_a_mapping_are_an_error(
    points: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        dist("foo", "1", points)


# -------------------------------------------------------------------------- the index


def test_an_isolated_index_is_used_by_the_block_and_its_children(
    isolated: Path, patch: pytest.MonkeyPatch
) -> None:
    patch.setenv("LAZYPLUG_CACHE", "off")
    patch.setenv("LAZYPLUG_DENY", "g=*")
    code = """
        import json, os
        print(json.dumps([name for name in os.environ if name.startswith("LAZYPLUG_")]))
    """
    with isolated_index() as directory:
        assert list(directory.iterdir()) == []
        entry_points(group="g")
        assert [file.suffix for file in directory.iterdir()] == [".json"]
        assert ask(code) == ["LAZYPLUG_CACHE_DIR"]
        os.environ["LAZYPLUG_CHECK"] = "none"
        with isolated_index() as inner:
            assert "LAZYPLUG_CHECK" not in os.environ
            assert os.environ["LAZYPLUG_CACHE_DIR"] == str(inner) != str(directory)
        assert os.environ.pop("LAZYPLUG_CHECK") == "none"
        assert os.environ["LAZYPLUG_CACHE_DIR"] == str(directory)
    assert not directory.exists()
    assert os.environ["LAZYPLUG_DENY"] == "g=*"


def test_caches_are_invalidated_when_the_block_begins_and_ends(
    site: PlantSite, patch: pytest.MonkeyPatch
) -> None:
    directory = site(PLUG)
    patch.syspath_prepend(directory)
    file = directory / "plug-1.dist-info" / "entry_points.txt"
    assert ExtensionManager[Any]("g").names() == ["a"]
    file.write_text("[g]\nlonger = plug:One\n")
    assert ExtensionManager[Any]("g").names() == ["a"]
    with isolated_index():
        assert ExtensionManager[Any]("g").names() == ["longer"]
        file.write_text("[g]\nlongest = plug:One\n")
    assert ExtensionManager[Any]("g").names() == ["longest"]


def test_a_problem_that_was_logged_before_is_logged_again_in_the_block(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with site_directory({"plug-1.dist-info": {"entry_points.txt": "nonsense"}}):
        ExtensionManager[Any]("g")
        ExtensionManager[Any]("g")
        assert len(caplog.messages) == 1
        with isolated_index():
            ExtensionManager[Any]("g")
            assert len(caplog.messages) == 2
        with isolated_index():
            entry_points()
            assert _settings.unreported == {"plug-1.dist-info"}
        assert _settings.unreported == set()


def test_a_frozen_index_set_by_use_index_is_not_used_in_the_block(
    patch: pytest.MonkeyPatch,
) -> None:
    patch.setattr(lazyplug._settings, "index_override", "nowhere")
    with isolated_index():
        assert _settings.index_override is None
        lazyplug.use_index(None)
    assert _settings.index_override == "nowhere"


def test_facts_learned_in_the_block_are_not_written_after_it(
    site: PlantSite, patch: pytest.MonkeyPatch, late_clock: Ticking
) -> None:
    # A write at the end of the process would create the directory again.
    patch.syspath_prepend(site(PLUG))
    with isolated_index() as directory:
        assert ExtensionManager[Any]("g")["a"].summary == "The one."
        assert [Path(file).parent for file in unwritten()] == [directory]
    learning.write_all()
    assert not directory.exists()


def test_an_index_cannot_be_isolated_if_the_environment_is_ignored() -> None:
    code = f"""if True:
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from lazyplug.testing import isolated_index
        with isolated_index(): pass
    """
    done = python("-E", "-c", code, check=False)
    error = "RuntimeError: the index cannot be isolated: this process ignores LAZYPLUG_"
    assert error in done.stderr


# -------------------------------------------------------------------- site directories


def test_a_site_directory_is_installed_here_and_in_children_until_the_block_ends() -> (
    None
):
    with site_directory(PLUG) as directory:
        assert sys.path[0] == str(directory)
        extension = ExtensionManager[Any]("g")["a"]
        assert extension.summary == "The one."
        assert "plug" not in sys.modules
        assert extension.plugin.__module__ == "plug"
        assert python("-c", DRIVER).stdout == "<class 'plug.One'>\n"
        (point,) = importlib.metadata.entry_points(group="g")
        assert point.load() is extension.plugin
    assert not directory.exists()
    assert ExtensionManager[Any]("g").names() == []


def test_everything_is_restored_when_the_block_raises() -> None:
    with (  # noqa: PT012
        pytest.raises(OSError, match="on purpose"),
        site_directory(PLUG),
        fake_extensions("h", {"x": Fake}),
        isolated_index(),
    ):
        importlib.import_module("plug")
        raise OSError("on purpose")


def test_two_successive_sites_have_separate_modules() -> None:
    for number in (1, 2):
        with site_directory({"plug.py": f"NUMBER = {number}"}):
            assert vars(importlib.import_module("plug"))["NUMBER"] == number


def test_a_nested_site_takes_precedence() -> None:
    other = {**dist("plug", "2", {"g": {"b": "plug:Two"}}), "plug.py": "Two = 2"}
    with site_directory(PLUG):
        first = importlib.import_module("plug")
        with site_directory(other):
            assert ExtensionManager[Any]("g").names() == ["b"]
            assert ExtensionManager[Any]("g")["b"].plugin == 2
        assert ExtensionManager[Any]("g").names() == ["a"]
        assert importlib.import_module("plug") is first


def test_modules_that_are_planted_later_are_removed_as_well() -> None:
    with site_directory({}) as directory:
        manager = ExtensionManager[Any]("g")
        plant(directory, {**PLUG, "pack": {"__init__.py": "", "sub.py": ""}})
        manager.refresh()
        assert manager["a"].plugin
        importlib.import_module("pack.sub")
        assert {"plug", "pack", "pack.sub"} < set(sys.modules)
    assert not {"plug", "pack", "pack.sub"} & set(sys.modules)


def test_only_planted_parts_of_a_namespace_package_are_replaced() -> None:
    with site_directory({"space": {"a.py": "", "b.py": ""}}):
        import_module = importlib.import_module
        space, a, b = map(import_module, ("space", "space.a", "space.b"))
        with site_directory({"space": {"b.py": "MINE = 1", "c.py": ""}}):
            assert import_module("space.b").MINE == 1
            assert import_module("space.c").__name__ == "space.c"
            assert (import_module("space"), import_module("space.a")) == (space, a)
        assert import_module("space.b") is space.b is b
        assert not hasattr(space, "c")
        with pytest.raises(ModuleNotFoundError, match=r"space\.c"):
            import_module("space.c")
    with site_directory({"space": {"d.py": "MINE = 2"}}):
        assert importlib.import_module("space.d").MINE == 2


def test_without_a_cache_directory_that_of_the_user_is_not_used(
    tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    patch.delenv("LAZYPLUG_CACHE_DIR")
    home = tmp_path / "home"
    home.mkdir()
    for name in ("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"):
        patch.setenv(name, str(home))
    with site_directory(PLUG):
        assert ExtensionManager[Any]("g").names() == ["a"]
        python("-c", DRIVER)
    with fake_extensions("g", {"x": Fake}):
        assert ExtensionManager[Any]("g").names() == ["x"]
    assert list(home.iterdir()) == []


def test_variables_of_lazyplug_apply_in_a_site_directory(
    patch: pytest.MonkeyPatch,
) -> None:
    patch.setenv("LAZYPLUG_DENY", "g=a")
    with site_directory(PLUG), fake_extensions("g", {"b": Fake}, keep_installed=True):
        assert ExtensionManager[Any]("g").names() == ["b"]


# ------------------------------------------------------------------- fake extensions


def test_every_kind_of_query_finds_the_fakes_and_nothing_installed() -> None:
    with site_directory(PLUG), fake_extensions("g", {"x": Fake, "y": "json:loads"}):
        with nothing_imported():
            manager = ExtensionManager[Any]("g")
            assert manager.names() == ["x", "y"]
            assert manager["x"].summary == "Is a fake."
            assert [point.name for point in entry_points(group="g")] == ["x", "y"]
        assert manager["x"].plugin is Fake
        assert manager["y"].plugin is json.loads
        assert (
            DriverManager[Any]("g", "x", invoke_on_load=True).driver.__class__ is Fake
        )
        assert NamedExtensionManager[Any]("g", ["y"]).names() == ["y"]
        assert EnabledExtensionManager[Any]("g", lambda e: e.name == "x").names() == [
            "x"
        ]
        assert lazyplug.load("g", "x") is Fake
        assert ExtensionManager[Any]("g.*").names() == []
        with pytest.raises(NoMatches, match="no extension named 'a' in group 'g'"):
            DriverManager[Any]("g", "a")
        points = importlib.metadata.entry_points(group="g")
        assert {point.load() for point in points} == {Fake, json.loads}


def test_fake_extensions_are_filtered_and_checked_like_real_ones() -> None:
    @runtime_checkable
    class Closes(Protocol):
        def close(self) -> None: ...

    with fake_extensions("g", {"x": Fake, "y": Fake}):
        choice = Choice(deny=["x"])
        assert ExtensionManager[Any]("g", choice=choice).names() == ["y"]
        choice = Choice(allow=["@lazyplug-fakes-*"])
        assert ExtensionManager[Any]("g", choice=choice).names() == ["x", "y"]
        driver = DriverManager[Any]("g", "x", protocol=Closes, invoke_on_load=True)
        with pytest.raises(ProtocolMismatch, match="x"):
            driver.driver  # noqa: B018
        extension = ExtensionManager[Any]("g")["x"]
        copy = pickle.loads(pickle.dumps(extension))  # noqa: S301
        assert copy.plugin is Fake


class Strange:
    __doc__ = property(lambda _: "Computed.")


@pytest.mark.parametrize("plugin", [None, 0, [], ValueError("v"), object(), Strange])
def test_any_object_can_be_a_plugin(plugin: object) -> None:
    with fake_extensions("g", {"x": plugin}):
        extension = ExtensionManager[Any]("g")["x"]
        assert extension.plugin is plugin
        assert extension.summary is None


def test_a_reference_that_cannot_be_imported_is_a_broken_extension() -> None:
    with fake_extensions("g", {"x": "plug_nowhere:x", "y": "no reference"}):
        manager = ExtensionManager[Any]("g", on_failure="ignore")
        assert manager.map(lambda extension: extension.name) == []
        assert len(manager.failures) == 2


def test_installed_plugins_of_other_names_can_be_kept() -> None:
    points = {"g": {"a": "plug:One", "b": "plug:One"}, "h": {"c": "plug:One"}}
    with site_directory({**PLUG, **dist("plug", "1", points)}):
        with fake_extensions("g", {"a": Fake}, keep_installed=True):
            assert DriverManager[Any]("g", "a").driver is Fake
            assert ExtensionManager[Any]("g").names() == ["a", "b"]
            assert ExtensionManager[Any]("g")["b"].plugin.__name__ == "One"
        with fake_extensions("g", {"a": Fake}):
            assert ExtensionManager[Any]("g").names() == ["a"]
            kept = ExtensionManager[Any]("h")["c"]
            assert (kept.plugin.__name__, kept.dist.name) == ("One", "plug")  # type: ignore[union-attr]


def test_the_replacement_of_a_hidden_distribution_keeps_its_metadata() -> None:
    tree = {
        "plug-1.dist-info": {
            "METADATA": "Name: plug\nVersion: 1\nSummary: A plug.\nRequires-Dist: x\n",
            "entry_points.txt": "[g]\na = plug\n[h]\nb = plug\nb = plug:two\n",
        },
        "old-2.egg-info": {
            "PKG-INFO": "Name: Old\nVersion: 2\nSummary: An old one.\n",
            "entry_points.txt": "[g]\na = old\n[h]\nc = old\n",
        },
    }
    with site_directory(tree):
        with pytest.raises(MultipleMatches, match="a"):
            DriverManager[Any]("g", "a")
        with fake_extensions("g", {"a": Fake}):
            assert DriverManager[Any]("g", "a").driver is Fake
            points = entry_points(group="h")
            found = [(p.name, p.value, p.dist.metadata["Summary"]) for p in points]
            assert sorted(found) == [
                ("b", "plug", "A plug."),
                ("b", "plug:two", "A plug."),
                ("c", "old", "An old one."),
            ]
            assert importlib.metadata.requires("plug") == ["x"]
            assert importlib.metadata.version("old") == "2"


def test_plugins_declared_in_the_current_directory_are_hidden_as_well(
    tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    # As in a project under development, whose tests are run in its directory.
    plant(
        tmp_path,
        {
            "mine.egg-info": {
                "PKG-INFO": "Name: mine\nVersion: 1\n",
                "entry_points.txt": "[g]\na = m\n",
            }
        },
    )
    patch.chdir(tmp_path)
    patch.syspath_prepend("")
    assert ExtensionManager[Any]("g").names() == ["a"]
    with fake_extensions("g", {"x": Fake}):
        assert ExtensionManager[Any]("g").names() == ["x"]


def test_fake_extensions_can_be_nested() -> None:
    with fake_extensions("g", {"x": Fake}), fake_extensions("h", {"y": 1}):
        assert DriverManager[Any]("g", "x").driver is Fake
        assert DriverManager[Any]("h", "y").driver == 1
        with fake_extensions("g", {"x": 2}):
            assert ExtensionManager[Any]("g").names() == ["x"]
            assert DriverManager[Any]("g", "x").driver == 2
            assert DriverManager[Any]("h", "y").driver == 1
        with fake_extensions("g", {"z": 3}, keep_installed=True):
            assert ExtensionManager[Any]("g").names() == ["z", "x"]
            assert ExtensionManager[Any]("g")["x"].plugin is Fake
        assert ExtensionManager[Any]("g")["x"].plugin is Fake


def test_fake_modules_have_the_same_names_each_time() -> None:
    values = []
    for _ in range(2):
        with fake_extensions("g", {"x": Fake}):
            values.append(ExtensionManager[Any]("g")["x"].value)
    assert values == ["lazyplug_fakes_1:plugin_0"] * 2


def test_another_process_gets_an_error_for_a_fake_that_is_an_object() -> None:
    with fake_extensions("g", {"a": Fake}):
        done = python("-c", DRIVER, check=False)
    error = "ImportError: fake extensions that are objects exist only in the process"
    assert error in done.stderr
    with fake_extensions("g", {"a": "json:loads"}):
        assert python("-c", DRIVER).stdout.startswith("<function loads")


def test_fake_extensions_can_be_empty() -> None:
    with site_directory(PLUG), fake_extensions("g", {}):
        assert entry_points(group="g") == ()
        with pytest.raises(NoMatches, match="no extension named 'a' in group 'g'"):
            DriverManager[Any]("g", "a")


def test_a_family_cannot_be_faked() -> None:
    message = r"'g\.\*' is a family of groups: expected one"
    with pytest.raises(ValueError, match=message), fake_extensions("g.*", {"a": Fake}):
        pass


def test_a_name_that_cannot_be_declared_cannot_be_faked() -> None:
    message = "'a=b': 'json' of group 'g' is not valid in"
    with (
        pytest.raises(ValueError, match=message),
        fake_extensions("g", {"a=b": "json"}),
    ):
        pass


# ------------------------------------------------------------------------- managers


def test_manager_of_creates_a_manager_of_the_plugins() -> None:
    with nothing_imported("json"):
        manager = manager_of(ExtensionManager[Any], "g", {"x": Fake, "y": "json:loads"})
        assert manager.names() == ["x", "y"]
    assert manager.namespace == manager["x"].group == manager["y"].group == "g"
    assert manager.map(lambda extension: extension.plugin) == [Fake, json.loads]
    assert manager_of(DriverManager[Any], "g", {"x": 0}).driver == 0
    assert manager_of(DriverManager[Any], "g", {"x": None}).driver is None
    assert manager["x"].entry_point.group == "g"
    assert manager["y"].entry_point_target == "json:loads"


# -------------------------------------------------------------- nothing was imported


@pytest.fixture
def planted() -> Any:
    tree = {
        "plug.py": "import plug_more.deep\nclass One: 'The one.'\n",
        "plug_more": {"__init__.py": "", "deep.py": "", "other.py": ""},
        "plug_broken.py": "import plug_more\nraise OSError('broken on purpose')\n",
        **dist("plug", "1", {"g": {"a": "plug:One", "b": "plug_broken"}}),
    }
    with site_directory(tree) as directory:
        yield directory


def test_queries_and_summaries_import_nothing(planted: Path) -> None:
    with nothing_imported():
        manager = ExtensionManager[Any]("g")
        assert manager.names() == ["a", "b"]
        assert manager["a"].summary == "The one."
        assert importlib.util.find_spec("plug") is not None
        importlib.import_module("colorsys")
        with pytest.raises(ModuleNotFoundError, match="plug_nowhere"):
            importlib.import_module("plug_nowhere")


def test_nothing_imported_names_all_modules_and_the_first_with_its_line(
    planted: Path,
) -> None:
    manager = ExtensionManager[Any]("g")

    def access() -> object:
        return manager["a"].plugin

    with pytest.raises(AssertionError) as raised, nothing_imported():
        access()
    assert str(raised.value) == (
        "imported: plug, plug_more, plug_more.deep; the first was plug,"
        f" by {__file__}:{access.__code__.co_firstlineno + 1}"
    )


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["plug_more"], ["plug_more", "plug_more.deep"]),
        (["plug_more.deep"], ["plug_more.deep"]),
        (["plug_more.other", "plug_mor", "plug.One"], []),
        (["pl", "plug_broken"], []),
        (["colorsys"], ["colorsys"]),
    ],
)
def test_with_names_only_those_modules_count(
    names: list[str], expected: list[str], planted: Path
) -> None:
    with ExitStack() as stack:
        if expected:
            words = f"^imported: {', '.join(expected)}; "
            stack.enter_context(pytest.raises(AssertionError, match=words))
        stack.enter_context(nothing_imported(*names))
        importlib.import_module("plug")
        importlib.import_module("colorsys")


def test_a_named_module_counts_even_if_it_was_imported_before(planted: Path) -> None:
    before = importlib.import_module("plug_more.deep")
    with nothing_imported():
        importlib.import_module("plug_more.deep")
    package = sys.modules["plug_more"]
    for name in ("plug_more", "plug_more.deep"):
        with nothing_imported(name):
            assert name not in sys.modules
        assert sys.modules[name] in {package, before}
        raises = pytest.raises(AssertionError, match=f"imported: .*{name}")
        with raises, nothing_imported(name):
            exec("from plug_more import deep")  # noqa: S102
        assert sys.modules["plug_more.deep"] is before is vars(package)["deep"]


def test_a_failed_import_counts(planted: Path) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    manager.extensions.remove(manager["a"])
    words = "imported: plug_broken, plug_more; the first was plug_broken"
    with pytest.raises(AssertionError, match=words), nothing_imported():
        assert manager.map(lambda extension: extension.name) == []


def test_a_module_that_is_removed_again_counts() -> None:
    raises = pytest.raises(
        AssertionError, match="imported: plug; the first was plug, by"
    )
    with raises, nothing_imported(), site_directory({"plug.py": ""}):
        importlib.import_module("plug")
    raises = pytest.raises(
        AssertionError, match="imported: lazyplug_fakes_1; the first"
    )
    with raises, nothing_imported(), fake_extensions("g", {"x": Fake}):
        assert DriverManager[Any]("g", "x").driver is Fake


def test_a_module_that_is_put_into_sys_modules_directly_counts(planted: Path) -> None:
    spec = importlib.util.spec_from_file_location("plug_by_path", planted / "plug.py")
    assert spec is not None
    words = "plug_by_path; the first was plug_by_path, which was put into sys.modules"
    with pytest.raises(AssertionError, match=words), nothing_imported("plug_by_path"):
        sys.modules["plug_by_path"] = importlib.util.module_from_spec(spec)
    del sys.modules["plug_by_path"]


def test_old_style_finders_are_skipped(
    planted: Path, patch: pytest.MonkeyPatch
) -> None:
    class Old:
        def find_module(self, name: str, path: object = None) -> None:
            """Find nothing."""

    patch.setattr(sys, "meta_path", [Old(), *sys.meta_path])
    raises = pytest.raises(
        AssertionError, match=r"imported: plug_more\.other; the first"
    )
    with warnings.catch_warnings(), raises, nothing_imported("plug_more.other"):
        warnings.simplefilter("ignore", ImportWarning)
        importlib.import_module("plug_more.other")


def test_an_error_in_the_block_is_not_hidden(planted: Path) -> None:
    with pytest.raises(OSError, match="on purpose"), nothing_imported():  # noqa: PT012
        importlib.import_module("plug")
        raise OSError("on purpose")


@pytest.mark.parametrize("name", ["my-plugin", "", "a..b", "a.py:b", "*"])
def test_an_invalid_module_name_is_an_error(name: str) -> None:
    raises = pytest.raises(ValueError, match="is not a valid module name")
    with raises, nothing_imported(name):
        pass


def test_a_module_instead_of_its_name_is_an_error() -> None:
    with pytest.raises(TypeError, match="'str'"), nothing_imported(json):  # type: ignore[arg-type]
        pass


# ---------------------------------------------------------- where tests are written


def test_the_kit_works_in_a_unittest_case_and_in_an_async_one() -> None:
    class Case(unittest.TestCase):
        def setUp(self) -> None:
            self.directory = self.enterContext(site_directory(PLUG))
            self.enterContext(fake_extensions("h", {"x": Fake}))

        def test_it(self) -> None:
            self.assertEqual(ExtensionManager[Any]("g").names(), ["a"])  # noqa: PT009
            self.assertIs(DriverManager[Any]("h", "x").driver, Fake)  # noqa: PT009

    class AsyncCase(unittest.IsolatedAsyncioTestCase):
        async def asyncSetUp(self) -> None:
            self.enterContext(isolated_index())

        async def test_it(self) -> None:
            import asyncio

            with fake_extensions("h", {"x": Fake}), nothing_imported("plug"):
                await asyncio.sleep(0)
                driver: DriverManager[Any] = await asyncio.to_thread(
                    DriverManager[Any], "h", "x"
                )
                self.assertIs(driver.driver, Fake)  # noqa: PT009

    result = unittest.TestResult()
    for case in (Case("test_it"), AsyncCase("test_it")):
        case.run(result)
    assert (result.testsRun, result.failures, result.errors) == (2, [], [])


def test_the_kit_does_not_need_pytest() -> None:
    code = """
        import json, sys
        sys.modules["pytest"] = sys.modules["_pytest"] = None
        import lazyplug.testing as kit
        with kit.nothing_imported(), kit.isolated_index():
            import lazyplug
            lazyplug.ExtensionManager("g").names()  # which imports more of lazyplug
        with kit.fake_extensions("g", {"x": dict}):
            assert lazyplug.ExtensionManager("g").names() == ["x"]
        print(json.dumps(sorted(name for name in vars(kit) if name[0] != "_")))
    """
    kit = ["Tree", "dist", "fake_extensions", "isolated_index", "manager_of"]
    assert ask(code) == [*kit, "nothing_imported", "plant", "site_directory"]


# ---------------------------------------------------------------------- pytest plugin


@pytest.fixture
def project(pytester: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """Return a project whose tests have the plugin, declared as it is by lazyplug."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tree = dist("lazyplug", "1", settings["project"]["entry-points"])
    with OwnPatch() as patch, site_directory(tree) as directory:
        # pytest reads from RECORD whose assertions it rewrites.
        files = {"RECORD": "lazyplug/__init__.py,,\n"}
        plant(directory, {"lazyplug-1.dist-info": files})
        # As at the start of pytest.
        take_out(patch, "lazyplug.integrations.pytest")
        patch.setitem(os.environ, "PYTEST_ADDOPTS", "-p no:cacheprovider")
        yield pytester


def test_each_fixture_lasts_for_one_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import importlib, os, sys
        from lazyplug import DriverManager, ExtensionManager, _environment, _settings
        from lazyplug.testing import dist, nothing_imported

        # The first exists elsewhere as well, the second only where it is planted.
        PACKAGES = "pack", "space"
        before = (
            sys.path[:],
            os.environ.get("LAZYPLUG_CACHE_DIR"),
            _settings.index_override,
        )
        own = importlib.import_module("pack.own"), sys.modules["pack"]

        def test_index(lazyplug_index):
            assert os.environ["LAZYPLUG_CACHE_DIR"] == str(lazyplug_index)
            ExtensionManager("g")
            assert [file.suffix for file in lazyplug_index.iterdir()] == [".json"]

        def test_site(lazyplug_site, lazyplug_index):
            one = lazyplug_site({"plug.py": "", **dist("a", "1", {"g": {"a": "plug"}})})
            two = lazyplug_site(dist("b", "1", {"g": {"b": "plug"}}))
            assert (one / "plug.py").exists()
            with nothing_imported():
                manager = ExtensionManager("g")
                assert manager.names() == ["b", "a"]
            assert manager["a"].plugin is manager["b"].plugin
            assert sys.path[:2] == [str(two), str(one)]
            for name in ("a", "b"):
                lazyplug_site({package: {f"{name}.py": ""} for package in PACKAGES})
                for package in PACKAGES:
                    importlib.import_module(f"{package}.{name}")
            assert len(list(lazyplug_index.iterdir())) == 1

        def test_extensions(lazyplug_extensions, lazyplug_site):
            lazyplug_site(dist("a", "1", {"g": {"a": "json", "b": "json"}}))
            lazyplug_extensions("g", {"x": dict})
            assert ExtensionManager("g").names() == ["x"]
            assert DriverManager("g", "x", invoke_on_load=True).driver == {}
            lazyplug_extensions("g", {"y": list}, keep_installed=True)
            assert ExtensionManager("g").names() == ["y", "x"]
            assert DriverManager("g", "y").driver is list

        def test_patches_of_the_test_itself_do_not_outlast_it(
            monkeypatch, lazyplug_site, tmp_path
        ):
            lazyplug_site({"plug.py": ""})
            monkeypatch.syspath_prepend(tmp_path)
            monkeypatch.setenv("LAZYPLUG_CACHE_DIR", str(tmp_path))
            monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
            monkeypatch.setattr(_settings, "index_override", "off")
            importlib.import_module("plug")
            ExtensionManager("g")

        def test_nothing_is_left():
            cache = os.environ.get("LAZYPLUG_CACHE_DIR")
            now = sys.path, cache, _settings.index_override
            assert now == before
            assert "lazyplug_fakes_1" not in sys.modules
            assert not {"plug", "space", "pack.a", "pack.b"} & set(sys.modules)
            assert own == (sys.modules["pack.own"], sys.modules["pack"])
            assert _environment.memo == {}
        """
    )
    with site_directory({"pack": {"own.py": ""}}):
        project.runpytest_inprocess().assert_outcomes(passed=5)


@pytest.mark.once
def test_the_plugin_works_with_xdist_and_can_be_disabled(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import pytest
        from lazyplug import ExtensionManager

        @pytest.mark.parametrize("name", ["a", "b", "c", "d"])
        def test_it(lazyplug_extensions, name):
            lazyplug_extensions("g", {name: dict})
            assert ExtensionManager("g").names() == [name]
        """
    )
    strict = ("-W", "error", "--strict-markers", "--strict-config")
    project.runpytest_subprocess("-n", "2", *strict).assert_outcomes(passed=4)
    done = project.runpytest_subprocess("-p", "no:lazyplug")
    done.assert_outcomes(errors=4)
    done.stdout.fnmatch_lines(["*fixture 'lazyplug_extensions' not found"])


def test_pytest_gives_no_warning_if_lazyplug_is_imported_before_it(
    project: pytest.Pytester,
) -> None:
    project.makepyfile("def test_it(): assert True")
    python("-m", "lazyplug", "run", "-m", "pytest", "-W", "error")


# What the run of a test has imported, and what it has printed.
RUN = """
import contextlib, io, json, sys
import pytest
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    code = pytest.main(["-W", "error", *sys.argv[1:]])
lines = [line.partition(" in ")[0] for line in printed.getvalue().splitlines()]
lines = [line for line in lines if not line.startswith("plugins: ")]
print(json.dumps([int(code), sorted(sys.modules), lines]))
"""


def test_without_fixtures_the_plugin_imports_three_modules_and_prints_nothing(
    project: pytest.Pytester,
) -> None:
    project.makepyfile("def test_it(): assert True")
    code, modules, printed = json.loads(python("-c", RUN, "-pno:lazyplug").stdout)
    with_it = json.loads(python("-c", RUN).stdout)
    assert code == with_it[0] == 0
    assert sorted(set(with_it[1]) - set(modules)) == [
        "lazyplug",
        "lazyplug.integrations",
        "lazyplug.integrations.pytest",
    ]
    assert with_it[2] == printed


# ------------------------------------------------------------------------------- docs


def test_the_examples_in_the_docs_run(
    project: pytest.Pytester,
) -> None:
    examples = ROOT / "examples"
    tree: dict[str, Any] = {
        "texts": {"__init__.py": (examples / "texts/texts/__init__.py").read_bytes()},
        "texts_upper.py": (examples / "texts-upper/texts_upper.py").read_bytes(),
    }
    for name in ("texts", "texts-upper"):
        settings = (examples / name / "pyproject.toml").read_text(encoding="utf-8")
        tree.update(
            dist(name, "1.0", tomllib.loads(settings)["project"]["entry-points"])
        )
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    blocks = [each.partition("```")[0] for each in text.split("```python\n")[1:]]
    for number, block in enumerate(blocks):
        (project.path / f"test_{number}.py").write_text(block, encoding="utf-8")
    with site_directory(tree):
        done = project.runpytest_inprocess()
    done.assert_outcomes(passed=text.count("def test_"))
