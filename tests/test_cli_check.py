"""Test what `lazyplug check` loads, remembers, skips and prints."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

import lazyplug
from lazyplug.cli import checking, output
from lazyplug.cli.missing import need
from lazyplug.testing import Tree, dist, plant
from tests.support.commands import Run, run_json
from tests.support.fixtures import PlantSite, SetPath
from tests.support.users import posix

pytestmark = pytest.mark.usefixtures("late_clock")

# Each load of a plugin is a line in this file.
COUNTS = """
import os
with open(os.environ["LOADS"], "a") as file:
    file.write(f"{__name__} {os.getpid()}\\n")
"""


@pytest.fixture
def loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "loads"
    file.touch()
    monkeypatch.setenv("LOADS", str(file))
    return file


def loaded(file: Path) -> list[str]:
    """Return the modules that were loaded since the last call."""
    lines = file.read_text().splitlines()
    file.write_text("")
    return sorted(line.split()[0] for line in lines)


def requirements(name: str, *lines: str) -> Tree:
    text = "".join(f"Requires-Dist: {line}\n" for line in lines)
    return {
        f"{name}-1.0.dist-info": {
            "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{text}"
        }
    }


def plant_with(site: PlantSite, tree: Tree, points: str, *lines: str) -> Path:
    """Plant a distribution `some` with entry points and requirements."""
    directory = site({**tree, **dist("some", entry_points=points)})
    plant(directory, requirements("some", *lines))
    return directory


# --------------------------------------------------------------------- child processes


def test_plugins_of_a_distribution_are_loaded_in_turn_and_others_are_not(
    site: PlantSite, prepend_path: SetPath, run: Run, loads: Path
) -> None:
    prepend_path(
        site(
            {
                **{f"plug_{each}.py": COUNTS for each in "abc"},
                **dist("one", entry_points="[app]\na = plug_a\nb = plug_b\n"),
                **dist("two", entry_points="[app]\nc = plug_c\n"),
            }
        )
    )
    code, out, _ = run("check", "app")
    assert code == 0, out
    processes = dict(line.split() for line in loads.read_text().splitlines())
    assert processes["plug_a"] == processes["plug_b"] != processes["plug_c"]
    loads.write_text("")
    assert run("check", "app", "--isolate")[0] == 0
    processes = dict(line.split() for line in loads.read_text().splitlines())
    assert len(set(processes.values())) == 3


def test_a_plugin_that_fails_after_another_is_loaded_once_more_alone(
    site: PlantSite, prepend_path: SetPath, run: Run
) -> None:
    prepend_path(
        site(
            {
                "plug_first.py": "import sys\nsys.spoiled = True\n",
                "plug_spoiled.py": "import sys\nassert not hasattr(sys, 'spoiled')\n",
                "plug_ends.py": "import os, sys\nhasattr(sys, 'spoiled') and"
                " os._exit(3)\n",
                "plug_blind.py": "import sys\nsys.meta_path.clear()\n",
                "plug_last.py": "",
                **dist(
                    "some",
                    entry_points="[app]\nfirst = plug_first\nspoiled = plug_spoiled\n"
                    "ends = plug_ends\nblind = plug_blind\nlast = plug_last\n",
                ),
            }
        )
    )
    rows = run_json(run, "check", "app")
    names = ("first", "spoiled", "ends", "blind", "last")
    states = {row["name"]: row["state"] for row in rows}
    assert states == dict.fromkeys(names, "ok")


# ---------------------------------------------------------------------------- memory


def test_what_was_loaded_is_remembered_until_its_package_or_environment_changes(
    site: PlantSite, prepend_path: SetPath, run: Run, loads: Path
) -> None:
    directory = site(
        {
            "plug_pack": {"__init__.py": "", "a.py": COUNTS, "helper.py": ""},
            "plug_bad.py": f"{COUNTS}\nraise OSError\n",
            **dist("some", entry_points="[app]\na = plug_pack.a\nbad = plug_bad\n"),
        }
    )
    prepend_path(directory)
    assert run("check", "app")[0] == 1
    assert loaded(loads) == ["plug_bad", "plug_bad", "plug_pack.a"]
    code, out, _ = run("check", "app")
    assert (code, out.splitlines()[-1]) == (
        1,
        "2 plugins checked, 1 failed, 1 loaded before",
    )
    # What failed is never remembered.
    assert loaded(loads) == ["plug_bad"]
    rows = {row["name"]: row for row in run_json(run, "check", "app")}
    assert rows["a"]["remembered"]
    assert not rows["bad"]["remembered"]
    assert loaded(loads) == ["plug_bad"]
    for option in ("--again", "--isolate"):
        run("check", "app", option)
        assert "plug_pack.a" in loaded(loads)
    (directory / "plug_pack" / "helper.py").write_text("changed = 1\n")
    run("check", "app")
    assert "plug_pack.a" in loaded(loads)
    plant(directory, dist("new", entry_points="[other]\nx = json\n"))
    lazyplug.invalidate_caches()
    run("check", "app")
    assert "plug_pack.a" in loaded(loads)


# What a plugin needs, as the body of its package, and what takes that away.
LOSSES: dict[str, tuple[str, Callable[[Path, pytest.MonkeyPatch], object]]] = {
    "a variable": (
        "import os; os.environ['NEEDED']",
        lambda _, patch: patch.delenv("NEEDED"),
    ),
    "an option of the interpreter": (
        "",
        lambda _, patch: patch.setattr(sys, "orig_argv", ["py", "-X", "dev", "x.py"]),
    ),
    "a version of Python": (
        "",
        lambda _, patch: patch.setattr(sys, "version", "3.99"),
    ),
    "a file in the current directory": (
        "open('needed')",
        lambda _, patch: patch.chdir("/"),
    ),
    "a data file": (
        "open(__path__[0] + '/data.json')",
        lambda site, _: (site / "plug_pack" / "data.json").unlink(),
    ),
    "a file in a linked directory": (
        "import plug_pack.linked.x",
        lambda site, _: (site / "elsewhere" / "x.py").unlink(),
    ),
    "another distribution": (
        "import plug_needed",
        lambda site, _: (site / "plug_needed.py").unlink(),
    ),
    "the attribute": (
        "x = 1",
        lambda site, _: plant(
            site, dist("some", entry_points="[app]\na = plug_pack:y")
        ),
    ),
}


@posix
@pytest.mark.parametrize("what", LOSSES)
def test_what_was_remembered_never_hides_that_something_is_missing(
    what: str,
    site: PlantSite,
    prepend_path: SetPath,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, lose = LOSSES[what]
    attr = ":x" if what == "the attribute" else ""
    points = dist("some", entry_points=f"[app]\na = plug_pack{attr}\n")
    package = {"__init__.py": source, "data.json": "{}"}
    directory = site(
        {
            "plug_pack": package,
            "plug_needed.py": "",
            "elsewhere": {"x.py": ""},
            **points,
        }
    )
    (directory / "plug_pack" / "linked").symlink_to(directory / "elsewhere")
    (directory.parent / "needed").touch()
    monkeypatch.chdir(directory.parent)
    monkeypatch.setenv("NEEDED", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    prepend_path(directory)
    for expected in ("1 plugin checked, 0 failed\n", ", 1 loaded before\n"):
        assert run("check", "app")[1].endswith(expected)
        lazyplug.invalidate_caches()
    lose(directory, monkeypatch)
    code, out, _ = run("check", "app")
    assert "loaded before" not in out
    assert code == (1 if source else 0)
    # A failure is not remembered, and what was remembered before is gone.
    assert "loaded before" not in run("check", "app")[1] or not source


def test_what_was_loaded_is_remembered_if_a_volatile_path_entry_does_not_exist(
    site: PlantSite, set_path: SetPath, run: Run
) -> None:
    points = dist("some", entry_points="[app]\na = json\n")
    set_path(site(points), "absent", os.path.dirname(os.__file__))
    assert run("check", "app")[0] == 0
    assert run("check", "app")[1].endswith(", 1 loaded before\n")


@posix
def test_a_file_that_is_replaced_with_the_same_size_and_time_is_noticed(
    site: PlantSite, prepend_path: SetPath, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python itself would run the bytecode of the file that was replaced.
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    points = dist("some", entry_points="[app]\na = plug_same\n")
    directory = site({"plug_same.py": "x = 1", **points})
    prepend_path(directory)
    file = directory / "plug_same.py"
    before = file.stat()
    assert run("check", "app")[0] == run("check", "app")[0] == 0
    file.write_text("1 / 0")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert run("check", "app")[0] == 1


# ----------------------------------------------------------------------------- skipped


@pytest.mark.parametrize(
    ("group", "source", "lines", "reason"),
    [
        ("nohost11", "import nohost", (), "needs nohost, which is not installed"),
        ("nohost.plugins", "import nohost.x", (), "needs nohost, which is not"),
        (
            "app",
            "import noextra",
            ("pynoextra>=1; extra == 'more'",),
            "needs noextra of the extra 'more', which is not installed",
        ),
        (
            "app",
            "try:\n import noextra\nexcept ImportError:\n raise ImportError('no')",
            ("noextra; python_version > '3' and extra=='x'",),
            "needs noextra of the extra 'x'",
        ),
    ],
)
def test_a_plugin_whose_host_or_extra_is_not_installed_is_skipped(
    site: PlantSite,
    prepend_path: SetPath,
    run: Run,
    group: str,
    source: str,
    lines: tuple[str, ...],
    reason: str,
) -> None:
    tree: Tree = {"plug_needs.py": f"{source}\n"}
    prepend_path(plant_with(site, tree, f"[{group}]\na = plug_needs\n", *lines))
    code, out, _ = run("check", group)
    assert (code, out) == (0, "1 plugin checked, 0 failed, 1 skipped\n")
    (row,) = run_json(run, "check", group)
    assert row["state"] == "skipped"
    assert row["error"].startswith(reason)
    assert "ModuleNotFoundError: No module named" in row["traceback"]


@pytest.mark.parametrize(
    ("group", "source", "lines"),
    [
        ("app", "import nohost", ()),
        ("nohost", "import nohost", ("nohost>=2",)),
        ("app", "import noextra", ("noextra", "noextra[more]; extra == 'more'")),
        ("app", "import noextra", ("other; extra == 'more'",)),
        ("some.plugins", "import some", ()),
        ("plug_needs", "import plug_needs.gone", ()),
        ("nohost", "raise RuntimeError('nohost')", ()),
    ],
)
def test_a_plugin_that_lacks_a_requirement_or_a_module_of_its_own_fails(
    site: PlantSite,
    prepend_path: SetPath,
    run: Run,
    group: str,
    source: str,
    lines: tuple[str, ...],
) -> None:
    tree: Tree = {"plug_needs.py": f"{source}\n"}
    prepend_path(plant_with(site, tree, f"[{group}]\na = plug_needs\n", *lines))
    (row,) = run_json(run, "check", group)
    assert row["state"] == "failed"


@pytest.mark.parametrize(
    ("extras", "lines", "state"),
    [
        (" [Html]", ("noproject; extra == 'html'",), "skipped"),
        (" [html]", ("some; extra == 'html'",), "failed"),  # it is installed
        (" [other]", ("noproject; extra == 'html'",), "failed"),
        ("", ("noproject; extra == 'html'",), "failed"),
    ],
)
def test_an_entry_point_may_name_the_extra_that_it_needs(
    site: PlantSite,
    prepend_path: SetPath,
    run: Run,
    extras: str,
    lines: tuple[str, ...],
    state: str,
) -> None:
    tree: Tree = {"plug_needs.py": "import unlike\n"}
    points = f"[app]\na = plug_needs{extras}\n"
    prepend_path(plant_with(site, tree, points, *lines))
    (row,) = run_json(run, "check", "app")
    assert row["state"] == state
    error = "needs unlike of the extra 'html', which is not installed"
    assert (row["error"] == error) is (state == "skipped")


def test_an_extension_without_a_distribution_needs_nothing() -> None:
    manager: lazyplug.ExtensionManager[object] = lazyplug.ExtensionManager(
        "no.such.group"
    )
    extension = manager.register("here", object())
    assert need(extension, "json") == ""


# --------------------------------------------------------------------------- selection

GROUPS = """
[console_scripts]
some = plug_x:a
[distutils.commands]
some = plug_x:b
[hatch]
some = plug_x:c
[app]
a = plug_x:d
[app.more]
b = plug_x:e
"""


@pytest.fixture
def several(site: PlantSite, set_path: SetPath) -> None:
    directory = site(
        {**dist("some", entry_points=GROUPS), **dist("Other.One", "2", "[app]\nc = os")}
    )
    set_path(directory)


@pytest.mark.usefixtures("several")
def test_groups_of_programs_and_build_backends_are_checked_if_they_are_named(
    run: Run,
) -> None:
    _, out, _ = run("check")
    assert out.splitlines()[-2].startswith("3 plugins checked, ")
    assert out.splitlines()[-1] == (
        "Not checked, unless a GROUP names them: console_scripts, distutils.commands,"
        " hatch."
    )
    rows = run_json(run, "check", "hatch", "distutils.*")
    assert {row["group"] for row in rows} == {"hatch", "distutils.commands"}


@pytest.mark.usefixtures("several")
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "app a, app c, app.more b"),
        ("--exclude app", "app.more b"),
        ("--exclude app*", ""),
        ("app app.*", "app a, app c, app.more b"),
        ("app.* app --exclude *.more", "app a, app c"),
        ("--distribution other-one", "app c"),
        ("--exclude-distribution other_one", "app a, app.more b"),
    ],
)
def test_options_select_groups_and_distributions(
    run: Run, arguments: str, expected: str
) -> None:
    _, out, _ = run("check", *arguments.split(), "--json")
    rows = [f"{row['group']} {row['name']}" for row in json.loads(out)]
    assert ", ".join(sorted(rows)) == expected


@pytest.mark.usefixtures("several")
def test_a_selection_of_nothing_is_an_error(run: Run) -> None:
    code, _, err = run("check", "--distribution", "absent")
    assert (code, err) == (1, "No distribution named 'absent' is installed.\n")
    code, _, err = run("check", "app.more", "--distribution", "other-one")
    message = "The distribution 'other-one' declares no entry point in group 'app.more'"
    assert (code, err) == (1, f"{message}.\n")
    names = ["--distribution", "other-one", "--distribution", "oth"]
    code, out, err = run("check", *names)
    assert (code, err) == (1, "No distribution named 'oth' is installed.\n")
    assert "1 plugin checked" in out
    code, out, err = run("check", "app", "absent")
    assert code == 1
    assert "2 plugins checked" in out
    assert "no installed distribution declares that group" in err


def test_what_is_left_out_on_request_is_not_an_error(
    run: Run, site: PlantSite, set_path: SetPath
) -> None:
    points = "[console_scripts]\na = plug_x:a\n"
    other = dist("b", entry_points="[g]\nb = os\n")
    set_path(site({**dist("tool", entry_points=points), **other}))
    text = "Not checked, unless a GROUP names them: console_scripts.\n"
    expected = 0, f"0 plugins checked, 0 failed\n{text}", ""
    assert run("check", "--distribution", "tool") == expected
    for option, value in (("--exclude", "g"), ("--exclude-distribution", "b")):
        expected = 0, "0 plugins checked, 0 failed\n", ""
        assert run("check", "g", option, value) == expected


# ---------------------------------------------------------------------------- output


@pytest.fixture
def failing(site: PlantSite, prepend_path: SetPath) -> None:
    points = "".join(f"n{number} = plug_gone:x\n" for number in range(7))
    prepend_path(
        site(
            {
                "plug_bad.py": "raise OSError('one\\n\\ntwo\\nthree\\n\\x1bfour')\n",
                "plug_good.py": "",
                **dist("many", "3", f"[app]\n{points}"),
                **dist("some", entry_points="[app]\nbad = plug_bad\ng = plug_good\n"),
            }
        )
    )


@pytest.mark.usefixtures("failing")
def test_failures_with_the_same_error_are_printed_together(run: Run) -> None:
    code, out, err = run("check", "app")
    assert (code, err) == (1, "")
    assert sorted(out.splitlines()[:-1]) == sorted(
        [
            "failed   app: n0, n1, n2, n3, n4 and 2 more (many 3)",
            "         ModuleNotFoundError: No module named 'plug_gone'",
            "failed   app: bad (some 1.0)",
            "         OSError: one",
            "         two",
            "         three",
            "         …",
        ]
    )
    assert out.splitlines()[-1] == "9 plugins checked, 8 failed"


@pytest.mark.usefixtures("failing")
def test_tracebacks_begin_in_the_plugin(run: Run) -> None:
    _, out, _ = run("check", "app", "--traceback")
    assert "         Traceback (most recent call last):\n" in out
    assert 'plug_bad.py", line 1, in <module>\n' in out
    assert "         \\x1bfour\n" in out
    assert "child.py" not in out
    assert "importlib" not in out
    rows = {row["name"]: row for row in run_json(run, "check", "app")}
    assert rows["bad"]["traceback"].startswith("Traceback (most recent call last):\n")
    assert rows["g"]["traceback"] == ""


@pytest.mark.usefixtures("failing")
def test_junit_xml_has_a_test_case_for_each_plugin(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "check.xml"
    assert run("check", "app", "--junit", str(file))[0] == 1
    suite = ElementTree.parse(file).getroot()  # noqa: S314 - our own
    numbers = [suite.get(name) for name in ("tests", "failures", "skipped")]
    assert (suite.tag, numbers) == ("testsuite", ["9", "8", "0"])
    cases = {case.get("name"): case for case in suite}
    assert len(cases["g"]) == 0
    assert cases["bad"].get("classname") == "app"
    (failure,) = cases["bad"]
    assert (failure.tag, failure.get("type")) == ("failure", "failed")
    assert str(failure.get("message")).startswith("some 1.0: OSError: one")
    assert "\\x1bfour" in str(failure.text)
    code, _, err = run("check", "app", "--junit", str(tmp_path / "absent" / "x.xml"))
    assert code == 2
    assert "x.xml cannot be written: No such file or directory" in err


@pytest.mark.usefixtures("failing")
def test_failures_are_printed_as_annotations_of_github_actions(run: Run) -> None:
    _, out, _ = run("check", "app", "--github")
    start = "::error title=lazyplug check::failed app: "
    error = "ModuleNotFoundError: No module named 'plug_gone'"
    assert sorted(out.splitlines()[:-1]) == [
        f"{start}bad (some 1.0)%0AOSError: one%0Atwo%0Athree%0A…",
        f"{start}n0, n1, n2, n3, n4 and 2 more (many 3)%0A{error}",
    ]
    assert out.splitlines()[-1] == "9 plugins checked, 8 failed"


@pytest.mark.usefixtures("failing")
def test_states_are_colored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31mfailed   \x1b[0mapp: bad (some 1.0)\n" in run("check", "app")[1]
    assert "\x1b[33mnote    \x1b[0msettings: LAZYPLUG_" in run("doctor")[1]


@pytest.mark.usefixtures("failing")
def test_progress_names_the_plugin_that_takes_longest(
    run: Run, monkeypatch: pytest.MonkeyPatch, site: PlantSite, prepend_path: SetPath
) -> None:
    slow = "import time\ntime.sleep(0.6)\n"
    points = dist("slow", entry_points="[slow]\na = plug_slow\n")
    prepend_path(site({"plug_slow.py": slow, **points}, "slow"))
    monkeypatch.setattr(output, "is_terminal", lambda file: file is sys.stderr)
    monkeypatch.setitem(sys.modules, "rich", None)
    _, out, err = run("check", "slow")
    assert out == "1 plugin checked, 0 failed\n"
    assert "\rloading 0/1: plug_slow" in err
    assert err.endswith("\r")


def test_no_group_of_plugins_is_left_out_by_default() -> None:
    for group in ("pytest11", "mkdocs.plugins", "setuptools_scm.version_scheme"):
        assert not checking._matches(group, checking._NOT_BY_DEFAULT)
