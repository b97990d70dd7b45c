"""Test that commands show the facts of plugins, and compare them with plugins."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import cli
from lazyplug.cli import (
    checking,
    comparing,
    completing,
    doctor,
    host_facts,
    listing,
)
from lazyplug.testing import dist, plant
from tests.support.commands import Run, run_json
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")
TRAP = "raise AssertionError('this plugin must not be imported')\n"
HOST = """
from lazyplug import Facts

def schema(*, kind="", **others):
    if kind == "refused":
        raise ValueError("no kind of the host")
    return others

class Names:
    FACTS = Facts(declared=["APP_FACTS", "app.facts"], static=["kind", "suffixes"])

STRICT = Facts(static=["kind"], schema=schema)
OTHER = 3
"""
# Imported here, for tests that replace `sys.path`.
FILES = checking, comparing, completing, doctor, host_facts, listing


@pytest.fixture
def plugins(site: PlantSite, prepend_path: SetPath) -> Path:
    """Install a host, and plugins that declare facts; none may be imported."""
    directory = site(
        {
            "plug_host.py": HOST,
            "plug_one.py": f"""
                class One:
                    kind = "text"
                    suffixes = (".a", ".b")
                {TRAP}
                """,
            "plug_two": {
                "__init__.py": f"APP_FACTS = {{'title': 'No', 'no': None}}\n{TRAP}",
                "facts.toml": 'title = "The\\u001b[2J two."\nsizes = [1, 2]\n',
            },
            "plug_bad.py": f"APP_FACTS = dict(title='x')\n{TRAP}",
            **dist("one", "1", "[app]\none = plug_one:One\n"),
            **dist(
                "two",
                "2",
                "[app]\ntwo = plug_two\n[app.facts]\ntwo = plug_two:facts.toml\n",
            ),
            **dist("bad", "3", "[app]\nbad = plug_bad\nodd = no reference\n"),
        }
    )
    prepend_path(directory)
    return directory


NAMES = ("--facts", "plug_host:Names.FACTS")


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("plug_")}


# --------------------------------------------------------------------- list and show


@pytest.mark.usefixtures("plugins")
def test_list_shows_facts_and_imports_the_module_of_the_host_only(run: Run) -> None:
    rows = {row["name"]: row for row in run_json(run, "list", "app", *NAMES)}
    assert rows["one"]["facts"] == {
        "kind": {"value": "text", "kind": "static"},
        "suffixes": {"value": [".a", ".b"], "kind": "static"},
    }
    assert rows["two"]["facts"] == {
        "title": {"value": "The\x1b[2J two.", "kind": "declared"},
        "no": {"value": None, "kind": "declared"},
        "sizes": {"value": [1, 2], "kind": "declared"},
    }
    assert rows["bad"]["facts"] == rows["odd"]["facts"] == {}
    assert "plug_bad.py:1: APP_FACTS is not a valid declaration" in rows["bad"]["note"]
    assert rows["odd"]["note"].startswith("not a valid reference")
    assert imported() == {"plug_host"}


@pytest.mark.usefixtures("plugins")
def test_a_table_has_a_column_for_each_fact_and_shows_what_is_none(run: Run) -> None:
    code, out, err = run("list", "app", *NAMES)
    assert (code, err) == (0, "")
    header, *lines = out.splitlines()
    two = next(line for line in lines if line.startswith("two"))
    assert two[header.index("fact no") :].split()[0] == "None"
    assert "'The\\x1b[2J two.'" in two
    one = next(line for line in lines if line.startswith("one"))
    assert "'text'" in one
    assert "['.a', '.b']" in one
    # Without the option, nothing of it is shown.
    assert "fact" not in run("list", "app")[1]
    assert imported() == {"plug_host"}


@pytest.mark.usefixtures("plugins")
def test_show_prints_each_fact_with_its_kind_and_place(run: Run) -> None:
    _, out, _ = run("show", "app", "one", *NAMES)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    (line,) = (each for each in lines if each.startswith("fact kind: 'text'"))
    assert re.fullmatch(r".* \(static, \S+plug_one.py:\d+\)", line)
    assert any(each.startswith("fact suffixes: ['.a', '.b'] (static") for each in lines)
    (row,) = run_json(run, "show", "app", "two", *NAMES)
    place = row["facts"]["sizes"].pop("place")
    assert row["facts"]["sizes"] == {"value": [1, 2], "kind": "declared"}
    assert re.search(r"plug_two\S*facts.toml$", place)
    (row,) = run_json(run, "show", "app", "bad", *NAMES)
    assert "is not a valid declaration" in row["note"]
    assert "facts" not in run_json(run, "show", "app", "one")[0]
    assert imported() == {"plug_host"}


def test_the_name_of_a_fact_cannot_control_the_terminal(
    plugins: Path, run: Run
) -> None:
    text = '{"a\\u001b[2J": {"x": [1, {"y": 2}]}}'
    plant(plugins, {"plug_three": {"__init__.py": TRAP, "facts.json": text}})
    points = "[app]\nthree = plug_three\n[app.facts]\nthree = plug_three:facts.json\n"
    plant(plugins, dist("three", entry_points=points))
    lazyplug.invalidate_caches()
    for command in (("list", "app"), ("show", "app", "three")):
        _, out, _ = run(*command, *NAMES)
        assert "fact a\\x1b[2J" in out
        assert "\x1b" not in out


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("plug_nothing:FACTS", "cannot be imported: ModuleNotFoundError: No module"),
        ("plug_host:NOTHING", "cannot be imported: AttributeError: module 'plug_host'"),
        (
            "plug_host:OTHER",
            "is not a valid argument: expected a reference to a lazyplug",
        ),
    ],
)
@pytest.mark.parametrize("command", [("list", "app"), ("show", "app", "one")])
@pytest.mark.usefixtures("plugins")
def test_a_reference_to_no_facts_is_an_error(
    command: tuple[str, ...], reference: str, problem: str, run: Run
) -> None:
    code, out, err = run(*command, "--facts", reference)
    assert (code, out) == (1, "")
    assert err.startswith(f"lazyplug: --facts {reference} {problem}")


@pytest.mark.parametrize("reference", ["plug_host", "a b:c", "", ":FACTS"])
def test_an_invalid_reference_to_facts_is_an_invalid_command_line(
    reference: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        run("list", "app", "--facts", reference)
    assert raised.value.code == 2
    assert "is not a valid reference: expected MODULE:ATTR" in capsys.readouterr().err


# ---------------------------------------------------------------------------- check

# Each plugin, and its rows: state, fact, kind, expected, actual.
CHECKED: dict[str, tuple[str, list[tuple[str, ...]]]] = {
    "right": (
        """
        class Plugin:
            kind = "text"
            suffixes = (".a", [".b"], {1: 2})
        """,
        [],
    ),
    # Another module, which is outside of the proof, changes the class.
    "changed": (
        """
        class Plugin:
            kind = "text"
            suffixes = [1]
        import plug_changes_changed
        """,
        [("kind", "static", "'text'", "7"), ("suffixes", "static", "[1]", "(1,)")],
    ),
    "bools": (
        """
        class Plugin:
            kind = [1, 2]
        import plug_changes_bools
        """,
        [("kind", "static", "[1, 2]", "[True, 2]")],
    ),
    "longer": (
        """
        class Plugin:
            kind = {"a": 1}
            suffixes = (1, 2)
        import plug_changes_longer
        """,
        [
            ("kind", "static", "{'a': 1}", "{'a': 1, 'b': 2}"),
            ("suffixes", "static", "(1, 2)", "(1,)"),
        ],
    ),
    "removed": (
        """
        class Plugin:
            kind = "text"
        import plug_changes_removed
        """,
        [("kind", "static", "'text'", "no such attribute")],
    ),
    "raises": (
        """
        class Plugin:
            kind = "text"
        import plug_changes_raises
        """,
        [("kind", "static", "'text'", "OSError")],
    ),
    # A file has no tuples and sets, and properties say nothing about a class.
    "declares": (
        """
        APP_FACTS = {
            "title": "One", "sizes": [1, 2], "set": ["a"], "deep": {"a": [1]},
            "name": "x", "absent": 1, "call": 2,
        }
        class Plugin:
            title = str("One")
            sizes = (1, 2)
            set = {"a"}
            deep = {"a": (1,)}
            name = property(lambda self: "y")
            def call(self): pass
        """,
        [],
    ),
    "lies": (
        """
        APP_FACTS = {"title": "One", "set": ["a"], "deep": {"a": [1]}}
        class Plugin:
            title = str("Two")
            set = {"b"}
            deep = dict(a=[2])
        """,
        [
            ("title", "declared", "'One'", "'Two'"),
            ("set", "declared", "['a']", "{'b'}"),
            ("deep", "declared", "{'a': [1]}", "{'a': [2]}"),
        ],
    ),
}
CHANGES = {
    "changed": "plug_changed.Plugin.kind = 7\nplug_changed.Plugin.suffixes = (1,)\n",
    "bools": "plug_bools.Plugin.kind[0] = True\n",
    "longer": "plug_longer.Plugin.kind['b'] = 2\nplug_longer.Plugin.suffixes = (1,)\n",
    "removed": "del plug_removed.Plugin.kind\n",
    "raises": "class Odd:\n    def __get__(self, *_): raise OSError\n"
    "plug_raises.Plugin.kind = Odd()\n",
}


@pytest.fixture
def checked(site: PlantSite, prepend_path: SetPath) -> Path:
    """Install a host, and plugins that agree with their facts, or do not."""
    tree: dict[str, Any] = {"plug_host.py": HOST}
    points = "[app]\n"
    for name, (source, _) in CHECKED.items():
        tree[f"plug_{name}.py"] = source
        points += f"{name} = plug_{name}:Plugin\n"
    for name, source in CHANGES.items():
        tree[f"plug_changes_{name}.py"] = f"import plug_{name}\n{source}"
    directory = site(tree)
    plant(directory, dist("checked", entry_points=points))
    prepend_path(directory)
    return directory


@pytest.fixture(params=["processes", "no processes"])
def anywhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let plugins be loaded in processes of their own, or in this one."""
    monkeypatch.setattr(checking, "HAS_PROCESSES", request.param == "processes")
    return str(request.param)


@pytest.mark.usefixtures("checked")
def test_check_reports_each_fact_that_the_loaded_object_contradicts(
    anywhere: str, run: Run
) -> None:
    code, out, err = run("check", "app", *NAMES, "--json")
    assert code == 1
    assert ("each plugin is loaded in this process" in err) == (anywhere != "processes")
    found: dict[str, list[tuple[str, ...]]] = {}
    for row in json.loads(out):
        own = found.setdefault(row["name"], [])
        if row["fact"]:
            assert (row["state"], row["error"]) == ("differs", "")
            own.append(tuple(row[k] for k in ("fact", "kind", "expected", "actual")))
        else:
            assert row["state"] == "ok", row
    assert found == {name: rows for name, (_, rows) in CHECKED.items()}
    if anywhere == "processes":
        assert imported() == {"plug_host"}


@pytest.mark.usefixtures("checked")
def test_check_prints_differences_and_counts_the_plugins_that_have_any(
    run: Run,
) -> None:
    code, out, _ = run("check", "app", *NAMES, "--all")
    assert code == 1
    header, *lines, summary = out.splitlines()
    assert header.split()[-4:] == ["fact", "kind", "expected", "actual"]
    count = sum(1 for _, rows in CHECKED.values() if rows)
    assert 0 < count < sum(len(rows) for _, rows in CHECKED.values())
    assert summary == f"{len(CHECKED)} plugins checked, {count} failed"
    (line,) = [line for line in lines if line.endswith("no such attribute")]
    assert line.split()[:3] == ["app", "removed", "differs"]
    assert run("check", "app", *NAMES)[1].splitlines()[-1] == summary
    _, out, _ = run("check", "app", *NAMES)
    (place,) = [n for n, line in enumerate(out.splitlines()) if "removed" in line]
    failure, difference = out.splitlines()[place : place + 2]
    assert failure.startswith("differs  app: removed (checked")
    assert difference.startswith("         fact ")
    assert difference.endswith(", found no such attribute")


def test_check_succeeds_if_all_facts_are_as_proven_and_declared(
    checked: Path, run: Run
) -> None:
    points = "[app]\nright = plug_right:Plugin\ndeclares = plug_declares:Plugin\n"
    (file,) = checked.glob("checked-*/entry_points.txt")
    file.write_text(points)
    lazyplug.invalidate_caches()
    code, out, _ = run("check", "app", *NAMES)
    assert code == 0
    assert out.splitlines()[-1] == "2 plugins checked, 0 failed"
    # Columns without content are not printed.
    assert "expected" not in out


def test_check_reports_invalid_declarations_and_facts_that_the_schema_refuses(
    plugins: Path, run: Run
) -> None:
    rows = run_json(run, "check", "app", *NAMES)
    invalid = [(row["name"], row["error"]) for row in rows if row["state"] == "invalid"]
    (name, fault), (odd, reason) = invalid
    assert (name, odd) == ("bad", "odd")
    assert "plug_bad.py:1: APP_FACTS is not a valid declaration" in fault
    assert reason.startswith("'no reference' is not a valid reference")
    source = "class One:\n    kind = 'refused'\n"
    (plugins / "plug_one.py").write_text(source)
    lazyplug.invalidate_caches()
    rows = run_json(run, "check", "app", "--facts", "plug_host:STRICT")
    ok, refused = [row for row in rows if row["name"] == "one"]
    assert (ok["state"], refused["state"], refused["fact"]) == ("ok", "invalid", "")
    assert refused["error"].startswith(
        "the host's schema refuses the facts of entry point"
    )
    assert "line 2: ValueError: no kind of the host (the facts" in refused["error"]


def test_facts_of_a_plugin_that_cannot_be_loaded_are_not_compared(
    plugins: Path, run: Run
) -> None:
    rows = run_json(run, "check", "app", *NAMES)
    assert [row["state"] for row in rows if row["name"] == "one"] == ["failed"]


def test_check_compares_facts_of_one_group_only(run: Run) -> None:
    text = "lazyplug check: --facts can only be used with one GROUP\n"
    for groups in ((), ("app", "app.more")):
        assert run("check", *groups, "--facts", "plug_host:FACTS") == (2, "", text)


# ----------------------------------------------------------------- companion groups

FILES_OF_FACTS = {
    "good.toml": "title = 'One'\n",
    "good.json": '{"title": "One"}\n',
    "bad.toml": "title =\n",
    "list.json": "[1]\n",
}


@pytest.fixture
def companions(site: PlantSite, prepend_path: SetPath) -> Path:
    """Install companion entry points of files, and one that can be imported."""
    names = [*FILES_OF_FACTS, "missing.toml", "a.b.toml"]
    points = [f"{name} = plug_data:{name}" for name in names]
    directory = site(
        {
            "plug_data": {"__init__.py": TRAP, **FILES_OF_FACTS},
            "plug_code.py": "FACTS = {}\n",
            **dist(
                "data",
                entry_points="\n".join(["[app.facts]", *points, "x = plug_code:FACTS"]),
            ),
        }
    )
    prepend_path(directory)
    return directory


@pytest.mark.usefixtures("companions")
def test_check_reads_the_files_of_companion_groups_and_imports_nothing_for_them(
    anywhere: str, run: Run
) -> None:
    code, out, _ = run("check", "app.facts", "--json")
    assert code == 1
    rows = {row["name"]: (row["state"], row["error"]) for row in json.loads(out)}
    assert rows.pop("good.toml") == rows.pop("good.json") == ("ok", "")
    # It names an object: that is loaded.
    assert rows.pop("x") == ("ok", "")
    assert {state for state, _ in rows.values()} == {"invalid"}
    assert "bad.toml cannot be read: TOMLDecodeError" in rows["bad.toml"][1]
    assert "list.json is not a valid declaration" in rows["list.json"][1]
    assert rows["missing.toml"][1] == "plug_data:missing.toml does not exist"
    assert "'plug_data:a.b.toml' is not a valid reference" in rows["a.b.toml"][1]
    assert "plug_data" not in imported()


def test_check_reports_facts_whose_entry_point_has_the_name_of_no_plugin(
    plugins: Path, run: Run
) -> None:
    plant(plugins, {"plug_data": {"__init__.py": TRAP, **FILES_OF_FACTS}})
    # A group may have companions in common with another; a distribution can only
    # declare facts of its own plugins.
    points = (
        "[app]\nright = json\n[app.other]\nelse = json\n[app.facts]\n"
        "right = plug_data:good.toml\nelse = plug_data:good.toml\n"
        "wrong = plug_data:good.toml\none = plug_data:good.toml\n"
    )
    plant(plugins, dist("named", "7", points))
    lazyplug.invalidate_caches()
    lost = {
        name: f"the facts belong to no plugin: named 7 declares none named {name!r}."
        " Give this entry point the name of the plugin's entry point."
        for name in ("one", "wrong")
    }
    # The last two also list the companions that have a plugin.
    for group, others in (
        ("app", {}),
        ("app.facts", {"right": "", "else": "", "two": ""}),
        ("app.*", {"right": "", "else": "", "two": ""}),
    ):
        rows = run_json(run, "check", group, *NAMES)
        found = [(row["name"], row) for row in rows if row["group"] == "app.facts"]
        assert {name: row["error"] for name, row in found} == lost | others
        assert len(found) == len(lost | others)
        assert {row["state"] for name, row in found if name in lost} == {"invalid"}


@pytest.mark.usefixtures("companions")
def test_no_command_fails_because_of_companion_groups(run: Run) -> None:
    rows = run_json(run, "list", "app.facts", "--summary")
    assert {row["note"] for row in rows} == {""}
    assert run("show", "app.facts", "good.toml")[0] == 0
    assert run("why", "app.facts", "good.toml")[0] == 0
    findings = run_json(run, "doctor")["findings"]
    subjects = ("names", "targets")
    found = [each for each in findings if each["subject"] in subjects]
    assert "plug_data" not in str(found)
    assert "plug_data" not in imported()


@pytest.mark.parametrize("command", ["list", "show", "check"])
def test_the_option_is_completed(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setenv("COMP_LINE", f"lazyplug {command} --fac")
    monkeypatch.setattr(completing, "complete", lambda _: None)
    actions = completing._actions(cli._parser([]))
    assert "--facts" in {option for each in actions for option in each.option_strings}
