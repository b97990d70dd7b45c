"""Test how long descriptions of plugins are remembered, and that none is wrong."""

import importlib
import importlib.util
import logging
import os
import pickle
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyplug
from lazyplug import DriverManager, Extension, ExtensionManager, Facts, _description
from lazyplug._static import source as source  # noqa: PLC0414 - see World
from lazyplug._static.learned import LearnedFacts
from lazyplug.testing import dist, plant
from tests.support.children import python
from tests.support.clock import Ticking, after_last_change
from tests.support.learned_facts import end, unwritten
from tests.support.properties import examples

HOST = """
    import os
    TEXT = "first"
    def read(path):
        try:
            with open(path) as file:
                return file.read()
        except OSError:
            return None
    def describe(plugin):
        if os.environ.get("ACME_OTHER") == "fail":
            raise KeyError("x")
        return {
            "title": plugin.title,
            "base": plugin.base,
            "text": TEXT,
            "variable": os.environ.get("ACME_DECLARED"),
            "other": os.environ.get("ACME_OTHER"),
            "language": os.environ.get("LANG"),
            "file": read(FILE),
        }
"""
IMPL = "from plug_base import Base\nclass Plugin(Base):\n  title = 'one'\n"
SITE = {
    "plug_entry.py": "from plug_impl import Plugin\n",
    "plug_impl.py": IMPL,
    "plug_other.py": "class Plugin:\n  title, base = 'other', 'none'\n",
    **dist("plug", entry_points="[g]\none = plug_entry:Plugin\n"),
}
BASE = {"plug_base.py": "class Base:\n  base = 'old'\n", **dist("base")}
DESCRIBED = {
    "title": "one",
    "base": "old",
    "text": "first",
    "variable": None,
    "other": None,
    "language": None,
    "file": None,
}
VARIABLES = ["ACME_DECLARED", "ACME_OTHER", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"]


def forget_plugins() -> None:
    """Forget what the import system knows, as a new process does."""
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]
    importlib.invalidate_caches()


def imported() -> list[str]:
    return sorted(name for name in sys.modules if name.startswith("plug_"))


class World:
    """A host and its plugins, in simulated processes that follow each other."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.site = plant(directory / "site", SITE)
        self.base = plant(directory / "base", BASE)
        self.host = plant(directory / "host", {"plug_host.py": ""})
        self.file = directory / "file"
        lines = HOST.replace("FILE", repr(str(self.file))).split("\n")
        self.edit(self.host / "plug_host.py", "\n".join(line[4:] for line in lines))
        self.depends: dict[str, Any] = {
            "files": [self.file],
            "variables": ["ACME_DECLARED"],
            "distributions": ["base"],
            "language": True,
        }
        # Nothing else can be imported: lazyplug needs `ast`, which is imported above.
        sys.path[:] = [str(self.site), str(self.base), str(self.host)]
        lazyplug.invalidate_caches()

    def edit(self, file: Path, text: str) -> None:
        """Write a file in a later tick, so that its stat signature changes."""
        after_last_change(self.directory / "probe")
        file.write_text(text)

    def change(self, file: Path, old: str, new: str) -> None:
        self.edit(file, file.read_text().replace(old, new))

    def facts(self) -> Facts:
        describe = importlib.import_module("plug_host").describe
        return Facts(describe=describe, depends=self.depends)

    def start(self, **options: Any) -> Extension[Any]:
        """Return the extension in a new process; the last one ends."""
        end()
        forget_plugins()
        return ExtensionManager[Any]("g", facts=self.facts(), **options)["one"]

    def load(self) -> Any:
        """Return how a new process that loads the plugin describes it, and end it."""
        extension = self.start()
        assert extension.plugin
        found = extension.remembered
        end()
        return found

    def remembered(self) -> Any:
        """Return what is remembered in a new process, which imports no plugin."""
        found = self.start().remembered
        assert imported() == ["plug_host"]
        return found

    def truth(self) -> Any:
        """Return how a new process describes the plugin; remember nothing."""
        plugin = self.start().entry_point.load()
        return importlib.import_module("plug_host").describe(plugin)


@pytest.fixture(autouse=True)
def as_if_just_begun(
    late_clock: Ticking, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let no source be newer than the process, and end with no facts or plugins."""
    monkeypatch.setattr(_description, "_BEGAN", 1 << 62)
    # Python may take bytecode for that of a source that changed within a second.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    unwritten().clear()
    yield
    unwritten().clear()
    forget_plugins()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# -------------------------------------------------------------------------- the answer


def test_nothing_is_remembered_of_a_plugin_that_was_never_loaded(world: World) -> None:
    assert world.remembered() is None


def test_the_description_of_the_last_load_is_remembered_without_an_import(
    world: World,
) -> None:
    assert world.load() == DESCRIBED
    assert world.remembered() == DESCRIBED
    assert world.remembered() == DESCRIBED


def test_each_access_returns_a_new_copy(world: World) -> None:
    world.load()
    for extension in (world.start(), world.start()):
        extension.remembered.clear()
        assert extension.remembered == DESCRIBED
        assert extension.plugin
        extension.remembered.clear()
        assert extension.remembered == DESCRIBED


def test_without_facts_or_their_function_nothing_is_remembered(world: World) -> None:
    for facts in (None, Facts(), Facts(static=["title"])):
        extension = ExtensionManager[Any]("g", facts=facts)["one"]
        assert extension.remembered is None
        assert extension.plugin
        assert extension.remembered is None
    assert "plug_host" not in sys.modules


def test_a_called_plugin_is_described_itself_and_not_what_its_call_returned(
    world: World,
) -> None:
    world.edit(world.host / "plug_host.py", "def describe(p): return str(type(p))\n")
    extension = world.start(invoke_on_load=True)
    assert type(extension.obj) is extension.plugin
    assert extension.remembered == "<class 'type'>"


def test_a_driver_is_described(world: World) -> None:
    manager = DriverManager[Any]("g", "one", facts=world.facts())
    assert manager.driver.title == "one"
    assert world.remembered() == DESCRIBED


def test_eager_managers_describe_what_they_load(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.start(lazy=False).__dict__["plugin"]
    assert world.remembered() == DESCRIBED
    world.change(world.site / "plug_impl.py", "'one'", "'two'")
    monkeypatch.setenv("LAZYPLUG_EAGER", "1")
    assert world.start().remembered == DESCRIBED | {"title": "two"}


def test_a_listed_plugin_keeps_its_hint(world: World) -> None:
    world.start(lazy="known")
    extension = world.start(lazy="known")
    assert imported() == ["plug_host"]
    assert extension.remembered == DESCRIBED


def test_a_failed_load_is_not_described(world: World) -> None:
    world.load()
    world.edit(world.site / "plug_impl.py", "1 / 0\n")
    extension = world.start()
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        extension.plugin  # noqa: B018
    assert extension.remembered is None


def test_a_load_after_refresh_is_described_once_more(world: World) -> None:
    world.edit(world.site / "plug_impl.py", "1 / 0\n")
    world.start()
    manager = ExtensionManager[Any]("g", facts=world.facts())
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        manager["one"].plugin  # noqa: B018
    world.edit(world.site / "plug_impl.py", IMPL)
    manager.refresh()
    assert manager["one"].plugin.title == "one"
    manager.refresh()
    assert manager["one"].remembered == DESCRIBED


@pytest.mark.parametrize(
    "value",
    [0, "", False, [], {}, 1.5, "\ud800\u00e9\0", [None, {"a": [True, {}]}], -(2**70)],
)
def test_any_json_is_remembered(world: World, value: Any) -> None:
    world.edit(world.host / "plug_host.py", f"def describe(p): return {value!r}\n")
    assert world.load() == value
    found = world.remembered()
    assert (found, type(found)) == (value, type(value))


def test_a_registered_plugin_is_described_on_access(world: World) -> None:
    manager = ExtensionManager[Any]("g", facts=world.facts())
    described = manager.register("own", type("Own", (), {"title": 1, "base": 2}))
    assert described.remembered == DESCRIBED | {"title": 1, "base": 2}
    by_reference = manager.register("two", "plug_other:Plugin")
    assert by_reference.remembered is None
    assert "plug_other" not in sys.modules
    assert by_reference.plugin
    assert by_reference.remembered == DESCRIBED | {"title": "other", "base": "none"}


# --------------------------------------------------------------------- failures of it


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("raise KeyError('x')", r"raised KeyError: 'x'"),
        (r"raise OSError('a\nb')", r"raised OSError: a\\nb"),
        ("return {plugin}", r"returned {<class 'plug_impl.Plugin'>} \(expected None, "),
        ("return float('nan')", r"returned nan \(expected "),
        ("return {'a': plugin}", r"returned {'a': <class 'plug_impl.Plugin'>} "),
        ("a = []; a.append(a); return a", r"returned \[\[\.\.\.\]\] "),
    ],
)
def test_a_failure_to_describe_is_logged_once_and_the_plugin_loads(
    world: World, caplog: pytest.LogCaptureFixture, code: str, failure: str
) -> None:
    world.edit(world.host / "plug_host.py", f"def describe(plugin): {code}\n")
    for _ in range(2):
        world.start()
        manager = ExtensionManager[Any]("g", facts=world.facts())
        manager.register("two", "plug_other:Plugin")
        assert [each.plugin.title for each in manager] == ["one", "other"]
        assert [each.remembered for each in manager] == [None, None]
        assert world.remembered() is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    pattern = (
        rf"plug_host\.describe\(\) {failure}.*for entry point"
        r" 'one = plug_entry:Plugin' of group 'g', declared by .*: nothing is"
    )
    assert re.match(pattern, record.getMessage())


def test_after_a_failure_to_describe_the_earlier_answer_is_not_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.load() == DESCRIBED
    monkeypatch.setenv("ACME_OTHER", "fail")
    assert world.load() is None
    monkeypatch.delenv("ACME_OTHER")
    assert world.remembered() is None


def test_what_is_not_an_exception_is_raised(world: World) -> None:
    code = "def describe(plugin): raise KeyboardInterrupt('now')\n"
    world.edit(world.host / "plug_host.py", code)
    extension = world.start()
    with pytest.raises(KeyboardInterrupt, match="now"):
        extension.plugin  # noqa: B018
    assert extension.plugin.title == "one"


def test_the_function_may_use_the_extension_that_is_loaded(world: World) -> None:
    code = "MANAGERS = []\ndef describe(p): return MANAGERS[0]['one'].plugin is p\n"
    world.edit(world.host / "plug_host.py", code)
    world.start()
    manager = ExtensionManager[Any]("g", facts=world.facts())
    sys.modules["plug_host"].MANAGERS.append(manager)
    assert manager["one"].plugin
    assert manager["one"].remembered is True


def test_plugins_with_strange_classes_load_and_are_described(world: World) -> None:
    world.edit(
        world.site / "plug_impl.py",
        """
class Meta(type):
    def __getattribute__(cls, name):
        if name in ("title", "base"):
            return name
        raise OSError(name)
    __mro__ = __dict__ = property(lambda self: 1 / 0)
class Plugin(metaclass=Meta):
    __module__ = 3
    def __eq__(self, other):
        raise OSError
""",
    )
    assert world.load() == DESCRIBED | {"title": "title", "base": "base"}
    assert world.remembered() is None  # 3 is no module


# ------------------------------------------------------------------------------ the key


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("site/plug_impl.py", "'one'", "'two'"),
        ("site/plug_entry.py", "plug_impl", "plug_other"),
        ("base/plug_base.py", "'old'", "'new'"),
        ("host/plug_host.py", "first", "second"),
    ],
)
def test_a_change_of_a_source_makes_the_answer_unknown(
    world: World, file: str, old: str, new: str
) -> None:
    before = world.load()
    world.change(world.directory / file, old, new)
    assert world.remembered() is None
    after = world.load()
    assert after == world.truth() != before
    assert world.remembered() == after


def test_a_module_that_only_passes_the_plugin_on_is_a_source(world: World) -> None:
    plant(world.base, {"plug_middle.py": "from plug_impl import Plugin\n"})
    world.edit(world.site / "plug_entry.py", "from plug_middle import Plugin\n")
    world.load()
    assert world.remembered() == DESCRIBED
    world.edit(world.base / "plug_middle.py", "from plug_other import Plugin\n")
    assert world.remembered() is None


@pytest.mark.parametrize("file", ["__init__.py", "inner.py"])
def test_the_package_of_a_base_class_is_a_source_like_its_module(
    world: World, file: str
) -> None:
    base = {"__init__.py": "BASE = 'old'\n", "inner.py": "class Base: base = 'old'\n"}
    plant(world.base, {"plug_pkg": base})
    world.edit(world.site / "plug_impl.py", IMPL.replace("plug_base", "plug_pkg.inner"))
    world.load()
    assert world.remembered() == DESCRIBED
    world.change(world.base / "plug_pkg" / file, "old", "new")
    assert world.remembered() is None


@pytest.mark.parametrize(
    "code",
    [
        "class H:\n  @classmethod\n  def d(cls, p): return 1\ndescribe = H.d\n",
        "import plug_deco\n@plug_deco.wrapped\ndef describe(plugin): return 1\n",
    ],
)
def test_the_module_of_any_function_is_a_source_and_so_is_its_decorator(
    world: World, code: str
) -> None:
    deco = (
        "import functools\ndef wrapped(function):\n"
        "  return functools.wraps(function)(lambda plugin: function(plugin))\n"
    )
    plant(world.host, {"plug_deco.py": deco})
    world.edit(world.host / "plug_host.py", code)
    names = ["plug_deco.py"] if "plug_deco" in code else []
    for name in ("plug_host.py", *names):
        world.load()
        assert world.start().remembered == 1
        world.edit(world.host / name, (world.host / name).read_text() + "\n")
        assert world.start().remembered is None


def test_metaclasses_and_their_bases_are_sources(world: World) -> None:
    plant(
        world.base,
        {
            "plug_meta.py": "from plug_metabase import B\nclass Meta(B): pass\n",
            "plug_metabase.py": "class B(type):\n  title = property(lambda c: 'm1')\n",
        },
    )
    world.edit(
        world.site / "plug_impl.py",
        "from plug_meta import Meta\nclass Plugin(metaclass=Meta):\n  base = 0\n",
    )
    assert world.load()["title"] == "m1"
    assert world.remembered()["title"] == "m1"
    world.change(world.base / "plug_metabase.py", "m1", "m2")
    assert world.remembered() is None


def test_the_class_of_an_object_is_a_source(world: World) -> None:
    world.edit(
        world.site / "plug_impl.py",
        "from plug_base import Base\nPlugin = Base()\nPlugin.title = 'object'\n",
    )
    assert world.load()["base"] == "old"
    assert world.remembered()["base"] == "old"
    world.change(world.base / "plug_base.py", "'old'", "'new'")
    assert world.remembered() is None


def test_a_module_that_is_the_plugin_is_its_source(world: World) -> None:
    metadata = world.site / "plug-1.0.dist-info" / "entry_points.txt"
    world.change(metadata, "plug_entry:Plugin", "plug_whole")
    plant(world.site, {"plug_whole.py": "title, base = 1, 2\n"})
    assert world.load()["title"] == 1
    assert world.remembered()["title"] == 1
    world.change(world.site / "plug_whole.py", "1", "3")
    assert world.remembered() is None


def test_a_class_that_names_another_module_has_its_functions_as_sources(
    world: World,
) -> None:
    world.edit(world.base / "plug_base.py", "from plug_real import Base\n")
    real = "class Base:\n  base = 'old'\n  def run(self): pass\n"
    plant(world.base, {"plug_real.py": f"{real}  __module__ = 'plug_base'\n"})
    assert world.load() == DESCRIBED
    assert world.remembered() == DESCRIBED
    world.change(world.base / "plug_real.py", "'old'", "'new'")
    assert world.remembered() is None


def test_a_package_in_place_of_a_module_makes_the_answer_unknown(world: World) -> None:
    plant(world.site, {"plug_pkg": {"__init__.py": "", "impl.py": IMPL}})
    world.edit(world.site / "plug_entry.py", "from plug_pkg.impl import Plugin\n")
    world.load()
    assert world.remembered() == DESCRIBED
    after_last_change(world.directory / "probe")
    plant(
        world.site, {"plug_pkg": {"impl": {"__init__.py": IMPL.replace("one", "two")}}}
    )
    assert world.remembered() is None
    assert world.load()["title"] == "two"


def test_a_source_that_shadows_another_in_a_volatile_directory_counts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load()
    here = plant(tmp_path / "here", {"plug_base.py": "class Base:\n  base = 'here'\n"})
    monkeypatch.chdir(here)
    sys.path.insert(0, "")
    assert world.remembered() is None
    assert world.load()["base"] == "here"
    sys.path.remove("")
    assert world.remembered() == DESCRIBED


@pytest.mark.parametrize("event", ["installed", "upgraded", "removed"])
def test_any_other_distribution_makes_the_answer_unknown(
    world: World, event: str
) -> None:
    world.load()
    after_last_change(world.directory / "probe")
    if event == "installed":
        plant(world.host, dist("new"))
    elif event == "upgraded":
        (world.base / "base-1.0.dist-info").rename(world.base / "base-2.0.dist-info")
    else:
        for file in (world.base / "base-1.0.dist-info").iterdir():
            file.unlink()
        (world.base / "base-1.0.dist-info").rmdir()
    assert world.remembered() is None
    world.load()
    assert world.remembered() == DESCRIBED


def test_a_declared_distribution_may_change_in_place(world: World) -> None:
    egg = world.base / "base-1.0.dist-info" / "METADATA"
    world.load()
    world.edit(egg, egg.read_text().replace("1.0", "1.1"))
    assert world.remembered() is None
    world.depends = {"distributions": ["other"]}
    world.load()
    world.edit(egg, egg.read_text().replace("1.1", "1.2"))
    assert world.remembered() == DESCRIBED


@pytest.mark.parametrize("name", ["ACME_DECLARED", *VARIABLES[2:]])
def test_answers_are_remembered_for_each_value_of_a_declared_variable(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    one = world.load()
    monkeypatch.setenv(name, "x")
    assert world.remembered() is None
    two = world.load()
    assert world.remembered() == two
    monkeypatch.delenv(name)
    assert world.remembered() == one


def test_the_language_is_asked_only_if_it_is_declared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.depends = {}
    world.load()
    monkeypatch.setenv("LANG", "de")
    assert world.remembered() == DESCRIBED


def test_a_declared_file_may_appear_change_and_disappear(world: World) -> None:
    assert world.load()["file"] is None
    for text in ("a", "b"):
        world.edit(world.file, text)
        assert world.remembered() is None
        assert world.load()["file"] == text
        assert world.remembered()["file"] == text
    world.file.unlink()
    assert world.remembered() is None


def test_another_version_of_python_has_other_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load()
    monkeypatch.setattr(sys, "version", "4.0")
    assert world.remembered() is None


def test_optimized_bytecode_has_other_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load()
    flags = {name: getattr(sys.flags, name) for name in dir(sys.flags)}
    monkeypatch.setattr(sys, "flags", SimpleNamespace(**flags | {"optimize": 2}))
    assert world.remembered() is None


@pytest.mark.parametrize(
    "depends", [{}, {"variables": ["ACME_2"]}, {"files": ["/x"]}, {"distributions": []}]
)
def test_with_other_dependencies_other_answers_are_remembered(
    world: World, depends: dict[str, Any]
) -> None:
    world.depends = {"variables": ["ACME_DECLARED"], "distributions": ["base"]}
    world.load()
    world.depends |= depends
    assert world.remembered() == (None if depends else DESCRIBED)


def test_two_functions_do_not_share_answers(world: World) -> None:
    world.change(
        world.host / "plug_host.py",
        "def describe",
        "def second(plugin): return 2\ndef describe",
    )
    world.load()
    world.start()
    facts = Facts(describe=sys.modules["plug_host"].second, depends=world.depends)
    assert ExtensionManager[Any]("g", facts=facts)["one"].remembered is None


def test_scripts_whose_modules_have_the_same_name_do_not_share_answers(
    world: World, tmp_path: Path
) -> None:
    scripts = [tmp_path / name / "plug_host.py" for name in ("one", "two")]
    for number, script in enumerate(scripts):
        plant(script.parent, {script.name: f"def describe(p): return {number}\n"})

    def start(script: Path) -> Extension[Any]:
        spec = importlib.util.spec_from_file_location("plug_host", script)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        world.start()
        sys.modules["plug_host"] = module
        facts = Facts(describe=module.describe)
        return ExtensionManager[Any]("g", facts=facts)["one"]

    for number, script in enumerate(scripts):
        extension = start(script)
        assert extension.remembered is None
        assert extension.plugin
        assert start(script).remembered == number
    assert start(scripts[0]).remembered == 0


# ----------------------------------------------------------- where it is not remembered


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("plug_impl", "class Plugin:\n  title, base = 'one', 'old'"),
        ("plug_entry", "from plug_impl import Plugin"),
        ("plug_base", "class Base:\n  base = 'old'"),
    ],
)
def test_a_plugin_without_a_source_is_described_in_its_process_only(
    world: World, monkeypatch: pytest.MonkeyPatch, module: str, code: str
) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            if name == module:
                return importlib.util.spec_from_loader(name, Finder)  # type: ignore[arg-type]
            return None

        @staticmethod
        def create_module(spec: Any) -> ModuleType | None:
            return None

        @staticmethod
        def exec_module(module: Any) -> None:
            exec(code, module.__dict__)  # noqa: S102

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    assert world.load() == DESCRIBED
    assert world.remembered() is None


def test_a_function_without_a_file_describes_in_its_process_only(world: World) -> None:
    def start() -> Extension[Any]:
        world.start()
        module = sys.modules["plug_host"]
        del module.__file__
        return ExtensionManager[Any]("g", facts=world.facts())["one"]

    extension = start()
    assert extension.plugin
    assert extension.remembered == DESCRIBED
    assert start().remembered is None


def test_a_source_that_changed_since_the_process_began_is_not_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = os.stat(world.site / "plug_impl.py").st_mtime_ns
    monkeypatch.setattr(_description, "_BEGAN", now)
    assert world.load() == DESCRIBED
    assert world.remembered() is None


def test_racy_sources_are_not_remembered(world: World, late_clock: Ticking) -> None:
    late_clock.ahead = 0
    assert world.load() == DESCRIBED
    assert world.remembered() is None


@pytest.mark.parametrize("mode", ["readonly", "off"])
def test_where_nothing_is_written_it_is_known_in_its_process_only(
    world: World, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", mode)
    assert world.start().plugin
    manager = ExtensionManager[Any]("g", facts=world.facts())
    assert manager["one"].remembered == DESCRIBED
    assert world.remembered() is None


def test_where_sources_are_not_checked_nothing_is_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load()
    monkeypatch.setenv("LAZYPLUG_CHECK", "none")
    assert world.remembered() is None


def test_in_a_racy_environment_nothing_is_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(LearnedFacts, "is_racy", lambda self: True)
        assert world.load() == DESCRIBED
        end()
    assert world.remembered() is None


def test_a_plugin_in_a_volatile_directory_is_not_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.site)
    assert world.load() == DESCRIBED
    assert world.remembered() is None


def test_declared_distributions_are_not_remembered_if_there_are_volatile_ones(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plant(tmp_path / "here", dist("base", "9")))
    sys.path.insert(0, "")
    world.load()
    assert world.remembered() is None
    world.depends = {}
    world.load()
    assert world.remembered() == DESCRIBED


def test_damaged_facts_are_unknown(world: World, isolated: Path) -> None:
    world.load()
    end()
    (file,) = isolated.glob("*.facts")
    file.write_bytes(file.read_bytes().replace(b"title", b"title"[::-1]))
    assert world.remembered() is None


# -------------------------------------------------------------------------- differences


def test_what_differs_under_an_equal_key_is_logged_and_never_remembered_again(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.load()
    caplog.set_level(logging.DEBUG, "lazyplug")
    monkeypatch.setenv("ACME_OTHER", "x")
    caplog.clear()
    assert world.load() == DESCRIBED | {"other": "x"}
    assert (
        "plug_host.describe() described entry point 'one = plug_entry:Plugin' of group"
        ' \'g\' as {"other":null}, and now as {"other":"x"}, though nothing in depends='
        " has changed: not remembered any more"
    ) in caplog.messages
    caplog.clear()
    for _ in range(3):
        assert world.remembered() is None
        assert world.load() == DESCRIBED | {"other": "x"}
    assert not [text for text in caplog.messages if "plug_host" in text]
    monkeypatch.setenv("ACME_DECLARED", "x")
    assert world.load() == world.remembered()
    monkeypatch.delenv("ACME_DECLARED")
    assert world.load() == DESCRIBED | {"other": "x"}
    assert world.remembered() is None


def test_with_another_key_an_answer_is_remembered_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.load()
    monkeypatch.setenv("ACME_OTHER", "x")
    world.load()
    world.change(world.site / "plug_impl.py", "'one'", "'two'")
    assert world.load() == world.remembered() == world.truth()


def test_the_order_of_keys_is_no_difference(world: World) -> None:
    code = "ORDER = 1\ndef describe(p): return dict([*zip('ab', 'cd')][::ORDER])\n"
    world.edit(world.host / "plug_host.py", code)
    world.load()
    extension = world.start()
    setattr(sys.modules["plug_host"], "ORDER", -1)  # noqa: B010
    assert extension.plugin
    assert [*extension.remembered] == ["b", "a"]
    assert world.remembered() == {"a": "c", "b": "d"}


@pytest.mark.parametrize(("one", "other"), [("1", "True"), ("1", "1.0"), ("0", "None")])
def test_equal_values_of_other_types_are_a_difference(
    world: World, one: str, other: str
) -> None:
    code = f"VALUE = {one}\ndef describe(p): return [VALUE]\n"
    world.edit(world.host / "plug_host.py", code)
    world.load()
    extension = world.start()
    setattr(sys.modules["plug_host"], "VALUE", eval(other))  # noqa: B010, S307
    assert extension.plugin
    assert world.remembered() is None


def test_a_base_class_chosen_by_an_undeclared_variable_is_a_source_from_then_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(world.base, {"plug_third.py": "class Base:\n  base = 'old'\n"})
    world.edit(
        world.site / "plug_impl.py",
        "import os, importlib\n"
        "name = os.environ.get('ACME_BASE', 'plug_base')\n"
        "class Plugin(importlib.import_module(name).Base):\n  title = 'one'\n",
    )
    assert world.load() == DESCRIBED
    monkeypatch.setenv("ACME_BASE", "plug_third")
    assert world.load() == DESCRIBED
    assert world.remembered() == DESCRIBED
    world.change(world.base / "plug_third.py", "'old'", "'new'")
    assert world.remembered() is None


def test_a_base_class_chosen_by_a_declared_variable_has_its_own_sources(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(world.base, {"plug_third.py": "class Base:\n  base = 'third'\n"})
    world.edit(
        world.site / "plug_impl.py",
        "import os, importlib\n"
        "name = os.environ.get('ACME_DECLARED', 'plug_base')\n"
        "class Plugin(importlib.import_module(name).Base):\n  title = 'one'\n",
    )
    world.load()
    monkeypatch.setenv("ACME_DECLARED", "plug_third")
    third = world.load()
    assert world.remembered() == third
    world.change(world.base / "plug_base.py", "'old'", "'new'")
    assert world.remembered() == third
    monkeypatch.delenv("ACME_DECLARED")
    assert world.remembered() is None


# ------------------------------------------------------------ threads, forks, processes


def test_threads_that_load_at_once_describe_once(world: World) -> None:
    code = "CALLS = []\ndef describe(p): CALLS.append(p); return len(CALLS)\n"
    world.edit(world.host / "plug_host.py", code)
    extension = world.start()
    barrier = threading.Barrier(8)
    found = []

    def load() -> None:
        barrier.wait()
        found.append(extension.plugin)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert extension.remembered == 1


def test_a_pickled_extension_has_the_hint_of_its_environment(world: World) -> None:
    world.load()
    data = pickle.dumps(world.start())
    extension: Extension[Any] = pickle.loads(data)  # noqa: S301
    assert imported() == ["plug_host"]
    assert extension.remembered == DESCRIBED
    assert extension.plugin.title == "one"
    assert extension.remembered == DESCRIBED


# pytest-xdist has threads, and Python 3.15 makes the warning an error if others are.
@pytest.mark.filterwarnings("ignore:.* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_describes_on_its_own(world: World) -> None:
    extension = world.start()
    child = os.fork()
    if not child:
        status = 1
        try:
            if extension.plugin and extension.remembered == DESCRIBED:
                end()
                status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert not unwritten()
    assert world.remembered() == DESCRIBED


def test_of_two_processes_at_the_same_time_the_last_to_end_is_remembered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.start()
    assert first.plugin
    kept = dict(unwritten())
    unwritten().clear()
    monkeypatch.setenv("ACME_DECLARED", "x")
    second = world.load()
    end()
    unwritten().update(kept)
    monkeypatch.delenv("ACME_DECLARED")
    assert world.remembered() == first.remembered != second
    assert world.load() == DESCRIBED


def test_in_real_processes_a_script_remembers_its_description(tmp_path: Path) -> None:
    site = plant(tmp_path / "site", SITE | BASE | {"__pycache__": {}})
    script = """
import lazyplug, sys
from lazyplug._files import fs
import time
fs.clock = lambda: time.time_ns() + 3_600_000_000_000
def describe(plugin):
    return plugin.title
facts = lazyplug.Facts(describe=describe)
extension = lazyplug.ExtensionManager("g", facts=facts)["one"]
print(extension.remembered)
assert not [name for name in sys.modules if name.startswith("plug_")]
if len(sys.argv) > 1:
    extension.plugin
    print(extension.remembered)
"""
    plant(tmp_path / "bin", {"acme.py": script})
    env = {
        "PYTHONPATH": os.pathsep.join([str(site), *sys.path]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*arguments: str) -> str:
        return python(str(tmp_path / "bin" / "acme.py"), *arguments, env=env).stdout

    assert run("load") == "None\none\n"
    assert run() == "one\n"
    assert run("load") == "one\none\n"


# ---------------------------------------------------------------------------- arguments


class Example:
    def method(self, plugin: Any) -> Any:
        return plugin

    @classmethod
    def described(cls, plugin: Any) -> Any:
        return plugin


@pytest.mark.parametrize(
    "describe", [lambda plugin: plugin, Example().method, "describe", Example(), 3]
)
def test_only_a_function_that_other_processes_find_can_describe(describe: Any) -> None:
    expected = (
        r"is not a valid describe argument: expected a function at the top level of a"
        r" module or class, not a lambda"
    )
    with pytest.raises((TypeError, ValueError), match=rf"^Facts\(\): .* {expected}"):
        Facts(describe=describe)
    facts = Facts(describe=Example.described)
    assert facts.description is not None


@pytest.mark.parametrize(
    ("depends", "fault"),
    [
        ([], r"\[\] is not a valid depends argument: expected a dict"),
        ({"file": []}, r"{'file': \[\]} is not a valid depends argument: .* 'files'"),
        (
            {"files": "/a"},
            r"'/a' is not a valid depends\['files'\] argument: expected a l",
        ),
        ({"files": ["a"]}, r"'a' is not a valid .*: expected an absolute path"),
        ({"files": [b"/a"]}, r"b'/a' is not a valid .*: expected an absolute path"),
        (
            {"variables": ["A=B"]},
            r"'A=B' is not .*: expected the name of an environment",
        ),
        ({"variables": [3]}, r"3 is not a valid depends\['variables'\] argument"),
        ({"distributions": [""]}, r"'' is not .*: expected the name of a distribution"),
        ({"language": "de"}, r"'de' is not a valid .*: expected true or false"),
    ],
)
def test_what_the_function_depends_on_is_checked(depends: Any, fault: str) -> None:
    with pytest.raises((TypeError, ValueError), match=rf"^Facts\(\): {fault}"):
        Facts(describe=Example.described, depends=depends)


def test_dependencies_without_a_function_are_refused() -> None:
    with pytest.raises(ValueError, match=r"depends= can only be used with describe="):
        Facts(depends={})


def test_the_repr_names_the_function() -> None:
    assert "describe=<bound method Example.described" in repr(
        Facts(describe=Example.described)
    )


# ------------------------------------------------------------------------------ the law


CHANGES = ["impl", "entry", "base", "host", "file", "variable", "upgrade", "install"]
STEPS = [*CHANGES, *["load"] * 4, "list", "undeclared"]


@pytest.mark.hypothesis
@examples(40)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=4, max_size=14))
def test_a_hint_is_never_wrong_unless_something_undeclared_has_changed(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        directory = tmp_path_factory.mktemp("world")
        patch.setenv("LAZYPLUG_CACHE_DIR", str(directory / "cache"))
        world = World(directory)
        is_declared = True
        is_known = False
        for number, step in enumerate(steps):
            files = {"impl": world.site, "base": world.base, "host": world.host}
            if step in files:
                file = files[step] / f"plug_{step}.py"
                pattern = r"(title =|base =|TEXT =) .*"
                world.edit(
                    file, re.sub(pattern, rf"\1 '{number}'", file.read_text(), count=1)
                )
            elif step == "entry":
                modules = "plug_impl", "plug_other"
                world.edit(
                    world.site / "plug_entry.py",
                    f"from {modules[number % 2]} import Plugin\n",
                )
            elif step == "file":
                world.edit(world.file, f"{number}")
            elif step == "variable":
                patch.setenv("ACME_DECLARED", f"{number % 3}")
            elif step == "undeclared":
                patch.setenv("ACME_OTHER", f"{number}")
                is_declared = False
            elif step == "upgrade":
                after_last_change(world.directory / "probe")
                (metadata,) = world.base.glob("base-*.dist-info")
                metadata.rename(world.base / f"base-{number}.dist-info")
            elif step == "install":
                after_last_change(world.directory / "probe")
                plant(world.base, dist(f"new_{number}"))
            truth = world.truth()
            found = world.remembered()
            if is_declared:
                assert found in (None, truth)
            if is_known and step in ("load", "list"):
                assert found == truth
            if step == "load":
                assert world.load() == truth
            is_known = is_declared and (step == "load" or (is_known and step == "list"))
