"""Test facts: what plugins declare of themselves, and what their source proves."""

import dataclasses
import json
import logging
import os
import pickle
import re
import sys
import threading
import zipfile
from collections import Counter
from collections.abc import Callable
from enum import Enum
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypedDict

import pytest

import lazyplug
from lazyplug import (
    DriverManager,
    EnabledExtensionManager,
    Extension,
    ExtensionManager,
    Facts,
    HookManager,
    InvalidFacts,
    NamedExtensionManager,
)
from lazyplug._files import fs
from lazyplug._static import source as source_module
from lazyplug.testing import Tree, dist, plant
from tests.support.children import ask
from tests.support.clock import Ticking, after_last_change, rewrite
from tests.support.fixtures import PlantSite, SetPath
from tests.support.learned_facts import end, forget_facts

ROOT = Path(lazyplug.__file__).parent.parent
TRAP = "raise AssertionError('this must not be imported')\n"
STATIC = Facts(static=["title", "extensions"])
TREE: Tree = {
    "plug_one.py": f"class One:\n    title = 'One'\n    extensions = ['.a']\n{TRAP}",
    "plug_two": {
        "__init__.py": TRAP,
        "impl.py": f"from plug_base import Base\nclass Two(Base):\n    pass\n{TRAP}",
    },
    "plug_base.py": f"class Base:\n    title = 'Base'\n{TRAP}",
    **dist("one", entry_points="[g]\none = plug_one:One\n"),
    **dist("two", entry_points="[g]\ntwo = plug_two.impl:Two\n"),
}
FOUND = {"one": {"title": "One", "extensions": [".a"]}, "two": {"title": "Base"}}


pytestmark = pytest.mark.usefixtures("clear_facts", "parsed")


@pytest.fixture
def plugs(late_clock: Ticking, site: PlantSite, set_path: SetPath) -> Path:
    """Return a site directory of two plugins, the only entry of `sys.path`."""
    directory = site(TREE)
    set_path(directory)
    return directory


def facts(wanted: Facts = STATIC, group: str = "g") -> dict[str, Any]:
    """Return the facts that a new process finds in a group, and end it."""
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any](group, facts=wanted)
    found = {each.name: each.facts for each in manager}
    assert not any(each.loaded for each in manager)
    end()
    return {
        name: dict(each) if hasattr(each, "keys") else each
        for name, each in found.items()
    }


def cold_facts(wanted: Facts = STATIC, group: str = "g") -> dict[str, Any]:
    """Return the facts that a process without a cache finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAZYPLUG_CACHE", "off")
        return facts(wanted, group)


def declaring(body: str, *files: tuple[str, str | bytes], **more: Any) -> Tree:
    """Return a plugin `plug_d` that declares facts in its module, or in files."""
    return {
        "plug_d": {"__init__.py": body + "\n" + TRAP, **dict(files)},
        **dist("d", "1.0", entry_points="[g]\nd = plug_d:D\n" + more.get("points", "")),
    }


COMPANION = "[g.facts]\nd = plug_d:facts.toml\n"


# ------------------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"declared": "a b"}, ValueError, "Facts(): 'a b' is not a valid declared"),
        ({"declared": [".facts"]}, ValueError, "a group that ends with '.facts'"),
        ({"declared": ["X", 5]}, TypeError, "Facts(): 5 is not a valid declared"),
        ({"declared": 5}, TypeError, "Facts(): 5 is not a valid declared argument"),
        ({"static": "title"}, ValueError, "expected a list or tuple of strings"),
        ({"static": b"title"}, TypeError, "expected a list or tuple of strings"),
        ({"static": ["_title"]}, ValueError, "without leading underscores"),
        ({"static": ["__doc__"]}, ValueError, "without leading underscores"),
        ({"static": ["a.b"]}, ValueError, "'a.b' is not a valid static argument"),
        ({"static": [None]}, TypeError, "None is not a valid static argument"),
        ({"vouched": "acme"}, ValueError, "expected a list or tuple of strings"),
        ({"vouched": ["acme:x"]}, ValueError, "a name such as 'json.decoder'"),
        ({"vouched": [""]}, ValueError, "'' is not a valid vouched argument"),
        ({"schema": 5}, TypeError, "5 is not a valid schema argument: expected a call"),
    ],
)
def test_an_argument_that_is_not_valid_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Facts(**arguments)


def test_facts_named_by_members_of_an_enum_are_asked_for_by_their_values() -> None:
    def member(value: str) -> Any:
        make: Any = Enum
        return make("Attributes", {"TITLE": value}, type=str).TITLE

    kinds = [Facts(static=[member(name)]).kind for name in ("title", "other")]
    assert kinds == [Facts(static=[name]).kind for name in ("title", "other")]


def test_facts_show_their_arguments() -> None:
    wanted = Facts(declared=("X", "g.facts"), static=["title"], vouched=["acme.base"])
    assert repr(wanted) == (
        "Facts(declared=('X', 'g.facts'), static=('title',), vouched=('acme.base',))"
    )
    assert repr(Facts(declared="X", schema=dict)) == (
        "Facts(declared=('X',), schema=<class 'dict'>)"
    )
    assert repr(Facts()) == "Facts()"


@pytest.mark.parametrize("wrong", [{"title": 1}, "title", ["title"], Facts])
def test_a_manager_refuses_what_is_not_a_facts_object(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"expected a lazyplug\.Facts"):
        ExtensionManager[Any]("g", facts=wrong)


# --------------------------------------------------------------------------- mapping


def test_static_facts_are_found_without_an_import(plugs: Path) -> None:
    assert facts() == FOUND


def test_the_mapping_is_read_only_and_what_is_absent_is_unknown(plugs: Path) -> None:
    (one, two) = ExtensionManager[Any]("g", facts=STATIC)
    with pytest.raises(TypeError, match="does not support item assignment"):
        one.facts["title"] = "Other"
    assert not hasattr(one.facts, "pop")
    assert "extensions" not in two.facts
    assert one.facts is one.facts


def test_a_list_that_is_changed_is_not_that_of_another_handle(plugs: Path) -> None:
    for _ in range(2):
        one = ExtensionManager[Any]("g", facts=STATIC)["one"]
        assert one.facts["extensions"] == [".a"]
        one.facts["extensions"].append(".b")
    end()
    assert facts() == FOUND


def test_extensions_of_managers_without_facts_have_none(
    plugs: Path, parsed: list[str]
) -> None:
    assert [dict(each.facts) for each in ExtensionManager[Any]("g")] == [{}, {}]
    assert dict(Extension[Any]("x", None, plugin=object()).facts) == {}
    assert parsed == []


@pytest.mark.parametrize(
    "value", ["plug_one", "plug_one:One.title", "not a reference", "plug_none:X", "os"]
)
def test_an_entry_point_that_names_no_class_has_no_static_facts(
    value: str, plugs: Path
) -> None:
    plant(plugs, dist("three", entry_points=f"[h]\nthree = {value}\n"))
    assert facts(group="h") == {"three": {}}


# -------------------------------------------------------------------------- declared


def test_a_variable_declares_facts_of_every_kind_of_value(
    plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "{'a': 1, 'b': [1.5, None], 'c': (True, b'x'), 'd': {1: {2}}, 'e f': 1e999,"
        " 'g': '\\ud83d\\ude00', 'h': -0.0}"
    )
    plant(plugs, declaring(f"ACME: dict = {text}\ndef D(): pass"))
    wanted = Facts(declared="ACME")
    expected = eval(text)  # noqa: S307
    for _ in range(2):
        assert repr(facts(wanted)["d"]) == repr(expected)
    assert facts(wanted)["one"] == {}
    assert cold_facts(wanted)["d"] == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("facts.toml", "title = 'D'\n[nested]\nextensions = ['.d', '.e']\n"),
        ("facts.json", '{"title": "D", "nested": {"extensions": [".d", ".e"]}}'),
    ],
)
def test_a_companion_entry_point_names_a_file_of_facts(
    name: str, text: str, plugs: Path
) -> None:
    points = f"[g.facts]\nd = plug_d:{name}\n"
    plant(plugs, declaring("", (name, text), points=points))
    wanted = Facts(declared="g.facts")
    expected = {"title": "D", "nested": {"extensions": [".d", ".e"]}}
    assert facts(wanted)["d"] == facts(wanted)["d"] == expected
    after_last_change(plugs.parent / "probe")
    rewrite(plugs / "plug_d" / name, '{"a": 1}' if name == "facts.json" else "a = 1")
    assert facts(wanted)["d"] == {"a": 1}


def test_a_file_goes_before_a_variable_and_both_before_the_source(plugs: Path) -> None:
    body = "ACME = {'b': 'variable', 'c': 'variable'}\nclass D:\n    a = b = 'x'\n"
    body += "    b = 'class'\n    c = 'class'\n    d = 'class'\n"
    plant(plugs, declaring(body, ("facts.toml", "c = 'file'\n"), points=COMPANION))
    for order in (["ACME", "g.facts"], ["g.facts", "ACME"]):
        wanted = Facts(declared=order, static=["c", "d"])
        assert facts(wanted)["d"] == {"b": "variable", "c": "file", "d": "class"}


def test_a_companion_of_another_distribution_is_not_taken(plugs: Path) -> None:
    plant(plugs, declaring("", ("facts.toml", "title = 'D'\n")))
    plant(plugs, dist("other", entry_points=COMPANION))
    assert facts(Facts(declared="g.facts"))["d"] == {}


def test_a_new_companion_is_found_by_the_next_process(plugs: Path) -> None:
    plant(plugs, declaring("", ("facts.toml", "title = 'D'\n")))
    wanted = Facts(declared="g.facts")
    assert facts(wanted)["d"] == {}
    after_last_change(plugs.parent / "probe")
    file = plugs / "d-1.0.dist-info" / "entry_points.txt"
    rewrite(file, file.read_text() + COMPANION)
    assert facts(wanted)["d"] == {"title": "D"}


FAULTS: dict[str, tuple[str, str | bytes | None, str, str]] = {
    "computed": ("ACME = dict(a=1)", None, "", "one dict literal"),
    "twice": ("ACME = {}\nACME = {}", None, "", "one dict literal"),
    "conditional": ("if 1:\n    ACME = {}", None, "", "one dict literal"),
    "keys": ("ACME = {1: 2}", None, "", "one dict literal with strings as keys"),
    "deleted": ("ACME = {}\ndel ACME", None, "", "one dict literal"),
    "TOML": ("", "a = ", "facts.toml", "cannot be read: TOMLDecodeError"),
    "dates": (
        "",
        "a = 2020-01-01",
        "facts.toml",
        "lists and tables of them, but no dates",
    ),
    "JSON": ("", "[1]", "facts.json", "one dict literal"),
    "damaged JSON": ("", '{"a"', "facts.json", "cannot be read: JSONDecodeError"),
    "a long integer": ("", f"a = {1 << 63}", "facts.toml", "of more than 64 bits"),
    "NaN in JSON": ("", '{"a": NaN}', "facts.json", "cannot be read: ValueError"),
    "BOM": ("", b'\xef\xbb\xbf{"a": 1}', "facts.json", "JSONDecodeError"),
    "encoding": ("", b"a = '\xff'", "facts.toml", "cannot be read: UnicodeDecodeError"),
    "deep": (
        "",
        '{"a":' + "[" * 100_000,
        "facts.json",
        "it is too large, or the system",
    ),
    "large": ("", "#" * (1 << 20) + "\n", "facts.toml", "it is too large"),
    "missing": ("", None, "facts.toml", "plug_d:facts.toml does not exist"),
    "format": (
        "",
        "a = 1",
        "facts.yaml",
        "PACKAGE:FILE, where FILE is an identifier and",
    ),
    "suffix": (
        "",
        "a = 1",
        "a.b.toml",
        "PACKAGE:FILE, where FILE is an identifier and",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_reported_once_with_its_place(
    fault: str, plugs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    body, text, name, message = FAULTS[fault]
    points = f"[g.facts]\nd = plug_d:{name}\n" if name else ""
    files = [] if text is None else [(name, text)]
    plant(plugs, declaring(body + "\nclass D:\n    title = 'D'", *files, points=points))
    wanted = Facts(declared=["ACME", "g.facts"], static=["title"])
    for _ in range(3):
        assert facts(wanted)["d"] == {"title": "D"}
    (record,) = [each for each in caplog.records if "declared facts" in each.message]
    assert (record.name, record.levelno) == ("lazyplug", logging.WARNING)
    assert message in record.message
    assert "ignoring declared facts of entry point 'd = plug_d:D'" in record.message
    assert "declared by d 1.0" in record.message
    assert "Correct them, or upgrade the distribution." in record.message
    if name and text is not None and message != FAULTS["format"][3]:
        assert str(plugs / "plug_d" / name) in record.message
    elif body:
        assert f"{plugs / 'plug_d' / '__init__.py'}:" in record.message


def test_one_fault_leaves_the_facts_that_are_declared_elsewhere(plugs: Path) -> None:
    body = "ACME = {'a': 1}\nOTHER = dict(b=2)"
    plant(plugs, declaring(body, ("facts.toml", "a = "), points=COMPANION))
    wanted = Facts(declared=["OTHER", "ACME", "g.facts"])
    assert facts(wanted)["d"] == {"a": 1}


# ---------------------------------------------------------------------------- schema


@dataclasses.dataclass
class Card:
    """What a host wants to know."""

    title: str
    extensions: list[str] = dataclasses.field(default_factory=list)


class Table(TypedDict, total=False):
    """The same as a dict."""

    title: str
    extensions: list[str]


def joined(title: str, **others: Any) -> str:
    """Return the facts as text."""
    return f"{title} {sorted(others)}"


def test_a_schema_makes_a_value_of_the_facts(plugs: Path) -> None:
    def values(schema: Any) -> list[Any]:
        return list(facts(Facts(static=STATIC.static, schema=schema)).values())

    assert values(Card) == values(Card) == [Card("One", [".a"]), Card("Base")]
    assert values(Table) == [{"title": "One", "extensions": [".a"]}, {"title": "Base"}]
    assert values(joined) == ["One ['extensions']", "Base []"]
    (one, _) = ExtensionManager[Any]("g", facts=Facts(static=["title"], schema=Card))
    assert one.facts is one.facts


def test_an_error_of_a_schema_names_distribution_file_and_line(plugs: Path) -> None:
    body = "\nACME = {'nothing': 1}"
    plant(plugs, declaring(body, ("facts.toml", "title = 1\n"), points=COMPANION))
    wanted = Facts(declared=["ACME", "g.facts"], schema=Card)
    extension = ExtensionManager[Any]("g", facts=wanted)["d"]
    with pytest.raises(
        InvalidFacts, match="host's schema refuses the facts of entry point"
    ) as caught:
        _ = extension.facts
    text = str(caught.value)
    assert "entry point 'd = plug_d:D' of group 'g', declared by d 1.0" in text
    assert "TypeError: Card.__init__() got an unexpected keyword" in text
    assert f"{plugs / 'plug_d' / '__init__.py'}:2" in text
    assert str(plugs / "plug_d" / "facts.toml") in text
    assert isinstance(caught.value, ValueError)
    assert caught.value.extension is extension
    assert isinstance(caught.value.__cause__, TypeError)


def test_an_error_of_a_schema_about_static_facts_names_the_line_of_the_class(
    plugs: Path,
) -> None:
    def refuse(**_: Any) -> None:
        raise ValueError("no\x1b[2J")

    (_, two) = ExtensionManager[Any]("g", facts=Facts(static=["title"], schema=refuse))
    with pytest.raises(InvalidFacts, match=r"ValueError: no\\x1b") as caught:
        _ = two.facts
    assert f"(the facts come from {plugs / 'plug_base.py'}:2)" in str(caught.value)


def test_a_schema_is_called_without_facts_where_none_are_known(plugs: Path) -> None:
    (one, _) = ExtensionManager[Any]("g", facts=Facts(static=["no"], schema=Card))
    with pytest.raises(InvalidFacts, match="missing 1 required positional") as caught:
        _ = one.facts
    assert "the facts come from" not in str(caught.value)
    assert facts(Facts(static=["no"], schema=Table)) == {"one": {}, "two": {}}


# -------------------------------------------------------------------------- managers


def refuse(_: Extension[Any]) -> bool:
    return False


MANAGERS: dict[str, Callable[[], Any]] = {
    "extension": lambda: ExtensionManager[Any]("g", facts=STATIC)["one"],
    "named": lambda: NamedExtensionManager[Any]("g", ["one"], facts=STATIC)["one"],
    "driver": lambda: DriverManager[Any]("g", "one", facts=STATIC).extensions[0],
    "hook": lambda: HookManager[Any]("g", "one", facts=STATIC).extensions[0],
    "enabled": lambda: EnabledExtensionManager[Any](
        "g", lambda each: each.facts["title"] == "One", facts=STATIC
    )["one"],
    "dispatch": lambda: lazyplug.DispatchExtensionManager[Any](
        "g", lambda each: each.facts["title"] == "One", facts=STATIC
    )["one"],
    "name dispatch": lambda: lazyplug.NameDispatchExtensionManager[Any](
        "g", lambda each: each.facts["title"] == "One", facts=STATIC
    )["one"],
    "family": lambda: ExtensionManager[Any]("g.*", facts=STATIC)["one"],
}


@pytest.mark.parametrize("kind", MANAGERS)
def test_every_manager_takes_facts(kind: str, plugs: Path) -> None:
    if kind == "family":
        rewrite(
            plugs / "one-1.0.dist-info" / "entry_points.txt",
            "[g.sub]\none = plug_one:One\n",
        )
        lazyplug.invalidate_caches()
    assert MANAGERS[kind]().facts == FOUND["one"]


def test_registered_extensions_have_the_facts_of_their_manager(plugs: Path) -> None:
    manager = ExtensionManager[Any]("g", facts=STATIC)
    manager.register("again", "plug_one:One")
    manager.register("object", plugin := SimpleNamespace(title="x"))
    assert manager["again"].facts == FOUND["one"]
    assert manager["object"].facts == {}
    assert manager["object"].plugin is plugin


def test_modules_of_a_package_have_facts(plugs: Path) -> None:
    plant(plugs, {"plug_host": {"__init__.py": TRAP, "mod.py": "ACME = {'a': 1}"}})
    manager = ExtensionManager[Any](
        "none", package="plug_host", facts=Facts(declared="ACME")
    )
    assert {each.name: dict(each.facts) for each in manager} == {"mod": {"a": 1}}


def test_an_extension_of_a_test_has_no_facts_or_those_that_the_test_sets() -> None:
    extension = Extension[Any]("x", None, plugin=object())
    manager = ExtensionManager[Any].make_test_instance([extension])
    assert [dict(each.facts) for each in manager] == [{}]
    extension.facts = {"title": "X"}
    assert [each.facts for each in manager] == [{"title": "X"}]


def test_a_comprehension_chooses_extensions_by_their_facts(plugs: Path) -> None:
    manager = ExtensionManager[Any]("g", facts=STATIC)
    assert [e.name for e in manager if ".a" in e.facts.get("extensions", ())] == ["one"]


# ----------------------------------------------------------------------------- memory


def test_facts_are_worked_out_once_and_then_remembered(
    plugs: Path, parsed: list[str], isolated: Path
) -> None:
    assert facts() == FOUND
    assert "plug_one.py" in parsed
    parsed.clear()
    assert facts() == facts() == FOUND
    assert parsed == []


def test_a_warm_process_reads_no_source_and_imports_no_parser(plugs: Path) -> None:
    code = """
        import json, sys
        import lazyplug, lazyplug._files as files
        files.fs.clock = lambda: __import__("time").time_ns() + 3600 * 10**9
        wanted = lazyplug.Facts(static=["title"], declared=["ACME", "g.facts"])
        manager = lazyplug.ExtensionManager("g", facts=wanted)
        found = {each.name: dict(each.facts) for each in manager}
        modules = "ast", "lazyplug._json_text", "lazyplug._attributes"
        print(json.dumps([found, [name in sys.modules for name in modules],
            sorted(name for name in sys.modules if name.startswith("plug"))]))
    """
    variables = {"PYTHONPATH": os.pathsep.join([str(plugs), str(ROOT)])}
    expected = {"one": {"title": "One"}, "two": {"title": "Base"}}
    assert ask(code, env=variables) == [expected, [True, True, False], []]
    # Nor is the scanner of json imported, since all facts are texts.
    assert ask(code, env=variables) == [expected, [False, False, False], []]


# ------------------------------------------------------------ sources that are shared

CHAIN = {
    "host_a.py": "from host_b import B\nclass A(B):\n    title = 'A'\n",
    "host_b.py": "class B:\n    extensions = ['.b']\n",
}
FIFTY = [f"plug_{number}" for number in range(50)]


@pytest.fixture
def fifty(late_clock: Ticking, site: PlantSite, set_path: SetPath) -> Path:
    """Return a site directory of fifty plugins with the same chain of base classes."""
    tree: dict[str, Any] = {**CHAIN}
    for name in FIFTY:
        source = f"import host_a\nclass Plugin(host_a.A):\n    pass\n{TRAP}"
        tree[f"{name}.py"] = source
        tree |= dist(name, entry_points=f"[g]\n{name} = {name}:Plugin\n")
    directory = site(tree)
    set_path(directory)
    return directory


def test_the_base_classes_of_fifty_plugins_are_parsed_once(
    fifty: Path, parsed: list[str]
) -> None:
    expected = {"title": "A", "extensions": [".b"]}
    assert cold_facts() == dict.fromkeys(FIFTY, expected)
    assert Counter(parsed) == {f"{name}.py": 1 for name in (*FIFTY, "host_a", "host_b")}


@pytest.mark.parametrize("file", sorted(CHAIN))
def test_a_change_of_a_shared_base_class_renews_the_facts_of_each_plugin(
    fifty: Path, file: str
) -> None:
    facts()
    text = CHAIN[file].replace("'A'", "'New'").replace("'.b'", "'.new'")
    rewrite(fifty / file, text)
    title = "New" if file == "host_a.py" else "A"
    expected = {"title": title, "extensions": [".new" if title == "A" else ".b"]}
    assert facts() == dict.fromkeys(FIFTY, expected)


def test_a_base_class_that_changes_during_a_look_up_is_parsed_again(
    fifty: Path, parsed: list[str]
) -> None:
    first, second, *_ = ExtensionManager[Any]("g", facts=STATIC)
    assert first.facts["title"] == "A"
    rewrite(fifty / "host_a.py", CHAIN["host_a.py"].replace("'A'", "'Other'"))
    assert second.facts["title"] == "Other"
    assert parsed.count("host_a.py") == 2
    assert parsed.count("host_b.py") == 1


def test_a_base_class_whose_signature_is_racy_is_parsed_each_time(
    fifty: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = (fifty / "host_b.py").stat().st_ctime_ns
    monkeypatch.setattr(fs, "clock", lambda: changed)
    for extension in [*ExtensionManager[Any]("g", facts=STATIC)][:3]:
        assert extension.facts == {"title": "A", "extensions": [".b"]}
    assert parsed.count("host_b.py") == 3


def test_few_sources_are_kept_in_memory(
    fifty: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    size = sum((fifty / file).stat().st_size for file in CHAIN)
    monkeypatch.setattr(source_module, "KEPT_SIZE", size - 1)
    cold_facts()
    assert parsed.count("host_a.py") == parsed.count("host_b.py") == len(FIFTY)


@pytest.mark.parametrize("content", [b"", b"garbage", b"{}\n"])
def test_a_broken_cache_changes_no_fact(
    content: bytes, plugs: Path, isolated: Path
) -> None:
    assert facts() == FOUND
    (file,) = isolated.glob("*.facts")
    file.write_bytes(content)
    assert facts() == facts() == FOUND


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"static"', '{"static":1}'),
        ('"One"', '{"tuple":5}'),
        ('"One"', '{"dict":[[[],1]]}'),
        ('"One"', '{"unknown":[]}'),
        ('"One"', '{"float":"x"}'),
        ('"One"', "{}"),
    ],
)
def test_a_remembered_fact_that_cannot_be_decoded_is_worked_out_again(
    old: str, new: str, plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert facts() == FOUND
    recall = lazyplug._static.learned.LearnedFacts.recall

    def damaged(*arguments: Any) -> Any:
        answer = recall(*arguments)
        if not isinstance(answer, list):
            return answer
        return json.loads(json.dumps(answer).replace(old, new))

    monkeypatch.setattr("lazyplug._static.learned.LearnedFacts.recall", damaged)
    found = facts()
    assert found["one"].keys() == {"title", "extensions"}
    assert found["two"] == FOUND["two"]


def test_facts_that_another_version_has_learned_are_worked_out_again(
    plugs: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its rules may have proven something else from the same sources.
    assert facts() == FOUND
    for module in ("learned", "learning"):
        monkeypatch.setattr(f"lazyplug._static.{module}.__version__", "0.0.1")
    parsed.clear()
    assert facts() == FOUND
    assert "plug_one.py" in parsed
    parsed.clear()
    assert facts() == FOUND
    assert parsed == []


def test_a_fact_is_remembered_for_each_question(plugs: Path) -> None:
    assert facts(Facts(static=["title"]))["one"] == {"title": "One"}
    assert facts(Facts(static=["extensions"]))["one"] == {"extensions": [".a"]}
    assert facts(Facts(static=["title"]))["one"] == {"title": "One"}


def test_refresh_renews_facts(plugs: Path) -> None:
    one = ExtensionManager[Any]("g", facts=STATIC)["one"]
    assert one.facts["title"] == "One"
    after_last_change(plugs.parent / "probe")
    rewrite(plugs / "plug_one.py", "class One:\n    title = 'New'\n")
    assert one.facts["title"] == "One"
    lazyplug.refresh()
    assert one.facts == {"title": "New"}


def link(file: Path, text: str) -> None:
    """Replace a file by a symbolic link to another one."""
    other = file.with_name("other.py")
    other.write_text(text)
    file.unlink()
    file.symlink_to(other)


CHANGES: dict[str, tuple[Callable[[Path], object], dict[str, Any] | None]] = {
    "the source": (
        lambda site: rewrite(site / "plug_two" / "impl.py", "class Two:\n  title = 1"),
        {"title": 1},
    ),
    "the base class": (
        lambda site: rewrite(site / "plug_base.py", "class Base:\n  title = 'New'"),
        {"title": "New"},
    ),
    "the base class moves": (
        lambda site: plant(
            site,
            {
                "plug_base.py": "from plug_new import Base",
                "plug_new.py": "class Base:\n  title = 'New'",
            },
        ),
        {"title": "New"},
    ),
    "the base class gets a metaclass": (
        lambda site: rewrite(
            site / "plug_base.py",
            "class M(type): pass\nclass Base(metaclass=M):\n  title = 'New'",
        ),
        {},
    ),
    "a parent package writes": (
        lambda site: rewrite(
            site / "plug_two" / "__init__.py",
            "from .impl import Two\nTwo.title = 5",
        ),
        {},
    ),
    "an earlier path entry has the base": (
        lambda site: plant(
            site.parent / "before", {"plug_base.py": "class Base:\n  title = 'New'"}
        ),
        {"title": "New"},
    ),
    "a package hides the base": (
        lambda site: plant(
            site, {"plug_base": {"__init__.py": "class Base:\n  title = 'New'"}}
        ),
        {"title": "New"},
    ),
    "a package hides the module": (
        lambda site: plant(
            site, {"plug_two": {"impl": {"__init__.py": "class Two:\n  title = 2"}}}
        ),
        {"title": 2},
    ),
    "a compiled module beside the base": (
        lambda site: plant(site, {f"plug_base{EXTENSION_SUFFIXES[-1]}": ""}),
        {},
    ),
    "a compiled module beside the source": (
        lambda site: plant(site, {"plug_two": {f"impl{EXTENSION_SUFFIXES[0]}": ""}}),
        {},
    ),
    "a compiled parent": (
        lambda site: plant(
            site, {"plug_two": {f"__init__{EXTENSION_SUFFIXES[0]}": ""}}
        ),
        {},
    ),
    "the base is removed": (lambda site: (site / "plug_base.py").unlink(), {}),
    "the parent becomes a namespace": (
        lambda site: (site / "plug_two" / "__init__.py").unlink(),
        {"title": "Base"},
    ),
    "a symbolic link replaces the base": (
        lambda site: link(site / "plug_base.py", "class Base:\n  title = 'New'"),
        {"title": "New"},
    ),
    "the distribution is upgraded": (
        lambda site: (site / "two-1.0.dist-info").rename(site / "two-2.0.dist-info"),
        {"title": "Base"},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_the_next_process_finds_the_new_facts(
    change: str, plugs: Path, site: PlantSite, set_path: SetPath
) -> None:
    set_path(site({}, "before"), plugs)
    assert facts() == facts() == FOUND
    after_last_change(plugs.parent / "probe")
    act, expected = CHANGES[change]
    act(plugs)
    assert cold_facts()["two"] == expected
    assert facts()["two"] == facts()["two"] == expected


def test_a_new_submodule_may_hide_a_class(plugs: Path) -> None:
    plant(
        plugs,
        {
            "plug_s": {
                "__init__.py": "class T:\n  title = 'T'\n"
                "try:\n  import plug_s.T\nexcept ImportError:\n  pass\n"
            },
            **dist("s", entry_points="[h]\ns = plug_s:T\n"),
        },
    )
    assert facts(group="h") == facts(group="h") == {"s": {"title": "T"}}
    after_last_change(plugs.parent / "probe")
    plant(plugs, {"plug_s": {"T.py": ""}})
    assert facts(group="h") == facts(group="h") == {"s": {}}


@pytest.mark.parametrize("name", ["plug_base", "plug_two", "plug_two.impl"])
@pytest.mark.parametrize("warm", [False, True])
def test_a_module_from_elsewhere_in_sys_modules_has_no_facts(
    name: str, warm: bool, plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if warm:
        assert facts() == FOUND
    other = ModuleType(name)
    other.__spec__ = ModuleSpec(name, None, origin="/elsewhere.py")
    monkeypatch.setitem(sys.modules, name, other)
    assert facts()["two"] == {}
    monkeypatch.delitem(sys.modules, name)
    assert facts() == FOUND


@pytest.mark.parametrize("warm", [False, True])
def test_a_package_that_searches_elsewhere_now_has_other_facts(
    warm: bool, plugs: Path, site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    if warm:
        assert facts() == FOUND
    other = site({"impl.py": "class Two:\n  title = 'Other'\n"}, "other")
    package = ModuleType("plug_two")
    file = str(plugs / "plug_two" / "__init__.py")
    loader = SourceFileLoader("plug_two", file)
    package.__spec__ = ModuleSpec("plug_two", loader, origin=file, is_package=True)
    package.__path__ = [str(other)]
    monkeypatch.setitem(sys.modules, "plug_two", package)
    assert facts()["two"] == {"title": "Other"}
    monkeypatch.delitem(sys.modules, "plug_two")
    assert facts() == FOUND


class Loader(SourceFileLoader):
    """A loader that is not Python's own."""


class Finder:
    """A finder that serves another file, or the same by another loader."""

    def __init__(self, name: str, file: Path, loader: type = SourceFileLoader) -> None:
        self.spec = ModuleSpec(name, loader(name, str(file)), origin=str(file))

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        return self.spec if name == self.spec.name else None


@pytest.mark.parametrize("name", ["plug_base", "plug_two.impl"])
@pytest.mark.parametrize("warm", [False, True])
def test_a_new_finder_changes_facts(
    name: str, warm: bool, plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if warm:
        assert facts() == FOUND
    other = plugs / "other.py"
    other.write_text("class Two:\n  title = 'Other'\nBase = Two\n")
    monkeypatch.setattr(sys, "meta_path", [Finder(name, other), *sys.meta_path])
    assert facts()["two"] == {"title": "Other"}
    own = plugs / (name.replace(".", "/") + ".py")
    sys.meta_path[0] = Finder(name, own, Loader)
    assert facts()["two"] == {}


@pytest.mark.parametrize("warm", [False, True])
def test_a_path_hook_with_another_loader_leaves_no_facts(
    warm: bool, plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.machinery import FileFinder

    if warm:
        assert facts() == FOUND
    hook = FileFinder.path_hook((Loader, [".py"]))
    monkeypatch.setattr(sys, "path_hooks", [hook, *sys.path_hooks])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    assert facts() == {"one": {}, "two": {}}


def test_a_base_in_the_current_directory_is_looked_for_in_each_process(
    plugs: Path, site: PlantSite, set_path: SetPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = site({}, "here")
    monkeypatch.chdir(here)
    set_path("", plugs)
    assert facts() == facts() == FOUND
    plant(here, {"plug_base.py": "class Base:\n  title = 'Here'\n"})
    assert facts()["two"] == facts()["two"] == {"title": "Here"}
    rewrite(here / "plug_base.py", "class Base:\n  title = 'Anew'\n")
    assert facts()["two"] == {"title": "Anew"}
    (here / "plug_base.py").unlink()
    assert facts() == FOUND


def test_a_base_in_an_archive_leaves_no_facts(
    plugs: Path, site: PlantSite, set_path: SetPath
) -> None:
    archive = plugs.parent / "before.zip"
    set_path(archive, plugs)
    assert facts() == facts() == FOUND
    after_last_change(plugs.parent / "probe")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("plug_base.py", "class Base:\n  title = 'Zip'\n")
    assert facts()["two"] == facts()["two"] == {}


def test_an_editable_installation_has_facts_until_its_sources_change(
    plugs: Path, site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    (plugs / "plug_base.py").unlink()
    source = site({"plug_base.py": "class Base:\n  title = 'Edit'\n"}, "source")
    finder = Finder("plug_base", source / "plug_base.py")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, finder])
    assert facts()["two"] == facts()["two"] == {"title": "Edit"}
    after_last_change(plugs.parent / "probe")
    rewrite(source / "plug_base.py", "class Base:\n  title = 'Anew'\n")
    assert facts()["two"] == facts()["two"] == {"title": "Anew"}
    sys.meta_path.remove(finder)
    assert facts()["two"] == {}


@pytest.mark.parametrize("level", ["full", "dirs", "none"])
def test_the_check_level_decides_whether_sources_are_checked(
    level: str, plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CHECK", level)
    facts()
    rewrite(plugs / "plug_one.py", "class One:\n    title = 'Changed'\n")
    assert facts()["one"]["title"] == ("One" if level == "none" else "Changed")


def test_a_cache_that_is_only_read_has_right_facts(
    plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts()
    monkeypatch.setenv("LAZYPLUG_CACHE", "readonly")
    after_last_change(plugs.parent / "probe")
    rewrite(plugs / "plug_base.py", "class Base:\n  title = 'New'")
    assert facts()["two"] == facts()["two"] == {"title": "New"}


# ---------------------------------------------------------------------------- pickling


def test_extensions_and_managers_are_pickled_with_their_facts(plugs: Path) -> None:
    wanted = Facts(static=["title"], schema=Card)
    manager = ExtensionManager[Any]("g", facts=wanted)
    for _ in range(2):
        for copy in (
            pickle.loads(pickle.dumps(manager["one"])),  # noqa: S301
            pickle.loads(pickle.dumps(manager))["one"],  # noqa: S301
        ):
            assert copy.facts == Card("One")
            assert not copy.loaded
        _ = manager["one"].facts


# ----------------------------------------------------------------------------- threads


def test_all_threads_get_the_same_facts(plugs: Path) -> None:
    one = ExtensionManager[Any]("g", facts=STATIC)["one"]
    barrier = threading.Barrier(8)
    found: list[Any] = []

    def run() -> None:
        barrier.wait()
        found.append(one.facts)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 8
    assert {id(each) for each in found} == {id(one.facts)}


def test_facts_near_the_recursion_limit_are_right_or_unknown(plugs: Path) -> None:
    def deep(depth: int) -> Any:
        return deep(depth - 1) if depth else dict(manager["one"].facts)

    limit = sys.getrecursionlimit()
    for free in range(20, 300, 7):
        manager = ExtensionManager[Any]("g", facts=STATIC)
        forget_facts()
        try:
            found = deep(limit - free - len(__import__("inspect").stack()))
        except RecursionError:
            continue
        assert found in ({}, FOUND["one"])
    assert facts() == FOUND
