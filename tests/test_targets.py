"""Test that all loaders load the same as importlib.metadata, and raise the same."""

import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import DriverManager, Extension, ExtensionManager
from lazyplug._faults.failed_loads import reraise_signal_error
from lazyplug.testing import dist
from tests.support.children import ask, python
from tests.support.fixtures import PlantSite, SetPath
from tests.support.libraries import newest

pytestmark = pytest.mark.usefixtures("clean_sys_modules")

# Modules, and objects in place of modules, with unusual attributes.
GETATTR = "def __getattr__(name):\n    raise {}(name)\n"
REPLACED = """
import sys
class Odd:
    f = 7
    {}
sys.modules[__name__] = Odd()
"""
FROZEN = """
import dataclasses
@dataclasses.dataclass(frozen=True)
class Error({base}):
    {field}: object = 7
raise Error()
"""
DEFERRED = """
import importlib.util, sys
spec = importlib.util.find_spec("plug_{name}")
loader = importlib.util.LazyLoader(spec.loader)
spec.loader = loader
module = importlib.util.module_from_spec(spec)
sys.modules["plug_deferred"] = module
loader.exec_module(module)
"""
FILES = {
    "plug": {"__init__.py": "g = 8\n", "m.py": "class f:\n    h = 9\n"},
    "plug_key.py": "f = 7\n" + GETATTR.format("KeyError"),
    "plug_type.py": "f = 7\n" + GETATTR.format("TypeError"),
    "plug_bare.py": "f = 7\ndel __spec__\n" + GETATTR.format("KeyError"),
    "plug_none.py": "f = 7\n__spec__ = None\n",
    "plug_path.py": "f = 7\n__path__ = 3\n",
    "plug_all.py": REPLACED.format("def __getattr__(self, name): return self"),
    "plug_lost.py": REPLACED.format("def __getattr__(self, name): raise KeyError"),
    "plug_mock.py": "import sys\nfrom unittest.mock import MagicMock\n"
    "sys.modules[__name__] = MagicMock(f=7)\n",
    "plug_truth.py": REPLACED.format(
        "class __spec__:\n        class _initializing:\n            pass"
    ),
    "plug_spec.py": REPLACED.format("__spec__ = property(lambda self: 1 / 0)"),
    "plug_slots.py": REPLACED.format("__slots__ = ()"),
    "plug_false.py": REPLACED.format("def __bool__(self): raise KeyError"),
    "plug_equal.py": REPLACED.format("def __eq__(self, other): raise KeyError"),
    "plug_number.py": "import sys\nsys.modules[__name__] = 7\n",
    "plug_gone.py": "import sys\nsys.modules[__name__] = None\n",
    "plug_deferring.py": DEFERRED.format(name="fine"),
    "plug_deferring_bad.py": DEFERRED.format(name="bad"),
    "plug_fine.py": "f = 7\n",
    "plug_bad.py": "f = 7\nraise OSError('no device')\n",
    "plug_frozen.py": FROZEN.format(base="Exception", field="code"),
    "plug_frozen_os.py": FROZEN.format(base="OSError", field="args"),
    "plug_note.py": "class Error(Exception):\n"
    "    def add_note(self, note): raise KeyError(note)\nraise Error\n",
    "plug_note_exit.py": "class Error(Exception):\n"
    "    def add_note(self, note): raise SystemExit(note)\nraise Error\n",
    "plug_class.py": "class Error(Exception):\n"
    "    __class__ = property(lambda self: 1 / 0)\nraise Error\n",
    "plug_attribute.py": "class Error(Exception):\n"
    "    def __getattribute__(self, name): raise OSError(name)\nraise Error\n",
    "plug_cause.py": "class Error(Exception):\n"
    "    __cause__ = __context__ = __traceback__ = 5\nraise Error\n",
    "plug_context.py": "class Error(Exception):\n    __cause__ = __context__"
    " = __traceback__ = property(lambda self: 1 / 0)\nraise Error\n",
    "plug_equal_key.py": "class Key:\n    def __eq__(self, other): raise OSError\n"
    "raise KeyError(Key())\n",
    "plug_words.py": "class Words(str):\n"
    "    def __contains__(self, other): raise OSError\nraise ValueError(Words())\n",
    "plug_hash.py": "class Name(str):\n    def __hash__(self): raise OSError\n"
    "raise ImportError(name=Name())\n",
}
# Modules that other programs cannot name, or that make them crash.
WORSE = {
    "plug_meta.py": "class Meta(type):\n    __name__ = property(lambda cls: 1 / 0)\n"
    "class Error(Exception, metaclass=Meta):\n    pass\nraise Error\n",
    # like pytest's Skipped and gevent's Timeout, which are not Exceptions
    "plug_base.py": "f = 7\ndel __spec__\n" + GETATTR.format("GeneratorExit"),
    "plug_lost_base.py": REPLACED.format(
        "def __getattr__(self, name): raise GeneratorExit"
    ),
    "plug_spec_base.py": REPLACED.format(
        "@property\n    def __spec__(self): raise GeneratorExit"
    ),
    "plug_initializing.py": "f = 7\nclass Spec:\n    @property\n"
    "    def _initializing(self): raise GeneratorExit\n__spec__ = Spec()\n",
    "plug_met_base.py": "class Odd:\n    def __getattr__(self, name):\n"
    "        if name == 'gone': raise AttributeError(name, obj=self)\n"
    "        raise GeneratorExit\nOdd().gone\n",
    "plug_notes.py": "class Error(Exception):\n    __notes__ = 7\nraise Error\n",
    "plug_notes_raise.py": "class Error(Exception):\n"
    "    __notes__ = property(lambda self: 1 / 0)\nraise Error\n",
    "plug_set.py": "class Error(Exception):\n    __slots__ = ()\n"
    "    def __setattr__(self, *_): raise OSError\nraise Error\n",
    "plug_args.py": "class Error(Exception):\n"
    "    args = property(lambda self: 1 / 0)\nraise Error\n",
    "plug_mapping.py": "class Error(Exception):\n    args = {'a': 1}\nraise Error\n",
    "plug_length.py": "class Error(Exception):\n"
    "    def __bool__(self): raise OSError\n"
    "try:\n    raise Error\nexcept Error:\n    raise Error from Error()\n",
    "plug_traceback.py": "class Error(Exception):\n"
    "    def with_traceback(self, _): raise OSError\nraise Error\n",
    "plug_named.py": "class Error(ImportError):\n    name = ['a']\nraise Error\n",
    "plug_unhashable.py": "raise ImportError(name=['a'])\n",
    "plug_met.py": "class Odd:\n"
    "    def __getattr__(self, name):\n        if name == 'gone':\n"
    "            raise AttributeError(name, obj=self)\n        raise KeyError(name)\n"
    "Odd().gone\n",
    "plug_mocked.py": "from unittest.mock import MagicMock\nMagicMock(spec=[]).gone\n",
    "plug_true.py": "class Odd:\n    def __getattr__(self, name):\n"
    "        if name == 'gone': raise AttributeError(name, obj=self)\n"
    "        return 'odd'\nOdd().gone\n",
}
ODD = [name.removesuffix(".py") for name in FILES if name != "plug"]
TARGETS = [
    *["plug.m", "plug.m:f", "plug.m:f.h", "plug:g", "plug:m", "plug : g [x]"],
    *["plug.m:f.", "plug.m:.f", "plug.m:f..h", "plug.m:.", "plug.m:..."],
    *[".plug:g", ".plug", "..plug:g", ".", ".:f", "plug.:g", "plug..m:f", "plug.m."],
    *["plug.nothing:f", "plug_nothing:f", "plug:nothing", "plug.m:f.nothing.h"],
    *["plug.m.f:h", "plug_number:real", "plug_fine.f:real", "os.path:sep", "sys"],
    *["sys:path", "builtins:print.__name__", "__main__", "plug:__name__", "plug:1"],
    *ODD,
    *[f"{name}:f" for name in ODD],
    *[f"{name}:nothing" for name in ODD],
]
INVALID = ["plug:", "pk-x:f", "", ":f", "plug:f:g", "plug m:f", "plug:g [x", "plug/m"]
INVALID += ["plug.m: f ."]
# Each of these is loaded in a separate process.
FEW = [
    value for value in TARGETS if value.endswith((".", "key:f", "lost:f", "g", "met"))
]


@pytest.fixture(autouse=True)
def installed(site: PlantSite, prepend_path: SetPath) -> Path:
    lines = [f"{number} = {value}" for number, value in enumerate(TARGETS)]
    lines += [f"invalid{number} = {value}" for number, value in enumerate(INVALID)]
    few = [f"{TARGETS.index(value)} = {value}" for value in FEW]
    text = "\n".join(["[g]", *lines, "[few]", *few, ""])
    directory = site({**FILES, **WORSE, **dist("plug", "1", text)})
    prepend_path(directory)
    return directory


def outcome(load: Callable[[], Any]) -> tuple[str, str, str]:
    """Load three times, with nothing imported before; return comparable outcomes.

    A load must not change the outcome of the next one, except for what the import
    system itself does differently with a module that is imported already.
    """
    found = []
    for name in [name for name in sys.modules if name.startswith("plug")]:
        del sys.modules[name]
    for _ in range(3):
        try:
            plugin = load()
        except (Exception, GeneratorExit) as error:
            kind = type(error)
            found.append(f"raises {kind.__module__}.{kind.__qualname__}")
        else:
            home = object.__getattribute__(plugin, "__class__").__name__
            names = [n for n in sys.modules if sys.modules[n] is plugin]
            found.append(f"{home} {names} {plugin if home in 'int str' else ''}")
    first, second, third = found
    return first, second, third


def by_manager(number: int, value: str) -> Callable[[], Any]:
    extension = ExtensionManager[Any]("g")[str(number)]
    return lambda: extension.plugin


def by_new_manager(number: int, value: str) -> Callable[[], Any]:
    return lambda: DriverManager[Any]("g", str(number)).driver


def by_registered(number: int, value: str) -> Callable[[], Any]:
    return lambda: ExtensionManager[Any]("h").register("x", value).plugin


def by_handle(number: int, value: str) -> Callable[[], Any]:
    point = importlib.metadata.EntryPoint("x", value, "g")
    return lambda: Extension[Any]("x", point).plugin


def by_entry_point(number: int, value: str) -> Callable[[], Any]:
    return lazyplug.entry_points(group="g")[str(number)].load


def by_name(number: int, value: str) -> Callable[[], Any]:
    return lambda: lazyplug.load("g", str(number))


LOADERS = [
    by_manager, by_new_manager, by_registered, by_handle, by_entry_point, by_name,
]  # fmt: skip


@pytest.mark.parametrize("load", LOADERS)
def test_each_target_is_loaded_as_importlib_metadata_loads_it(
    load: Callable[[int, str], Callable[[], Any]],
) -> None:
    differences: list[Any] = []
    for number, value in enumerate(TARGETS):
        expected = outcome(importlib.metadata.EntryPoint("x", value, "g").load)
        assert expected == outcome(newest.EntryPoint("x", value, "g").load)
        found = outcome(load(number, value))
        # A handle keeps its first outcome; a new handle may have another.
        wanted = expected if load is by_entry_point else expected[:1]
        if found[: len(wanted)] != wanted:
            differences.append((value, found, expected))
        if load is by_manager and len({*found}) > 1:
            differences.append((value, found, "the first each time"))
    assert differences == []


@pytest.mark.parametrize("value", [f"{n.removesuffix('.py')}:f" for n in WORSE])
def test_errors_of_attributes_of_modules_and_exceptions_replace_no_outcome(
    value: str,
) -> None:
    expected = outcome(importlib.metadata.EntryPoint("x", value, "g").load)
    for load in by_registered, by_handle:
        assert outcome(load(0, value))[0] == expected[0]


def test_errors_of_a_signal_handler_during_an_attribute_access_are_raised() -> None:
    assert not reraise_signal_error(object(), SystemExit())
    for module, error in (
        (json, SystemExit("now")),
        (object(), KeyboardInterrupt("now")),
    ):
        with pytest.raises(type(error), match="now"):
            reraise_signal_error(module, error)


def test_an_invalid_reference_raises_invalid_entry_point() -> None:
    manager = ExtensionManager[Any]("g")
    for number, value in enumerate(INVALID):
        text = r"is not a valid reference \(expected `module:attr`\)"
        with pytest.raises(lazyplug.InvalidEntryPoint, match=text):
            manager[f"invalid{number}"].plugin  # noqa: B018
        with pytest.raises(lazyplug.InvalidEntryPoint, match=text):
            lazyplug.EntryPoint("x", value, "g").load()


@pytest.mark.parametrize("value", [value for value in TARGETS if ":" in value])
def test_a_reference_loads_the_same_as_an_entry_point(value: str) -> None:
    expected, *_ = outcome(importlib.metadata.EntryPoint("x", value, "g").load)
    found, *_ = outcome(lambda: lazyplug.load("h", value))
    assert found in {expected, "raises lazyplug.NoMatches"}
    # They differ only if there is no such module or attribute.
    nothing = {"ModuleNotFoundError", "AttributeError", "TypeError"}
    assert found == expected or expected.removeprefix("raises builtins.") in nothing


@pytest.mark.parametrize("word", [".m", "..", ".", "plug.", "plug..m"])
def test_a_dotted_name_with_an_empty_part_is_not_a_reference(word: str) -> None:
    with pytest.raises(lazyplug.NoMatches, match="It cannot be imported as a refer"):
        lazyplug.load("h", word)


def test_the_child_processes_of_check_and_the_drop_in_load_the_same(
    installed: Path,
) -> None:
    # Python 3.15's entry_points() raises for the invalid ones.
    points = [(str(number), value, "g") for number, value in enumerate(TARGETS)]
    code = f"""
        import json, sys
        from importlib.metadata import EntryPoint
        from lazyplug.compat.stevedore import ExtensionManager
        def failed(_, point, error):
            found[point.name] = type(error).__name__
        found = {{}}
        ExtensionManager("g", on_load_failure_callback=failed)
        expected = {{}}
        for name in [name for name in sys.modules if name.startswith("plug")]:
            del sys.modules[name]
        for point in [EntryPoint(*point) for point in {points}]:
            try:
                point.load()
            except Exception as error:
                expected[point.name] = type(error).__name__
        print(json.dumps([found, expected]))
    """
    variables = {"PYTHONPATH": str(installed)}
    found, expected = ask(code, env=variables)
    invalid = {name for name in found if name.startswith("invalid")}
    assert len(invalid) == len(INVALID)
    assert {name: found[name] for name in found.keys() - invalid} == expected
    args = "-m", "lazyplug", "check", "few", "--json"
    done = python(*args, env=variables, check=False)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    # Each is loaded in a separate process, in which nothing was imported before.
    alone = {
        name: row["error"].partition(":")[0]
        for name, row in rows.items()
        if row["state"] == "failed"
    }
    expected_errors = {}
    for value in FEW:
        text, *_ = outcome(importlib.metadata.EntryPoint("x", value, "g").load)
        if text.startswith("raises"):
            expected_errors[str(TARGETS.index(value))] = text.rpartition(".")[2]
    assert alone == expected_errors
