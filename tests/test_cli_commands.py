"""Test each command in a good, an empty and a broken environment."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import cli
from lazyplug.cli import (
    COMMANDS,
    cache,
    checking,
    children,
    doctor,
    listing,
    main,
    measuring,
    output,
    reasons,
)
from lazyplug.cli.examples import EXAMPLES
from lazyplug.testing import Tree, dist, plant
from tests.support.children import ask, python
from tests.support.commands import Run, run_json
from tests.support.environments import BROKEN
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("late_clock")
ROOT = Path(__file__).parents[1]
# An import writes to this file, even if the error is caught.
TRAP = """
import os
open(os.environ.get("TRAPPED", os.devnull), "a").write("imported ")
raise AssertionError("this plugin must not be imported")
"""
# Imported here, since `set_path` hides the standard library.
FILES = cache, checking, doctor, listing, measuring, output, reasons

GOOD: Tree = {
    "plug_good.py": f'"""All of it."""\n{TRAP}\n\ndef one():\n    """Do one."""\n',
    "plug_other.py": TRAP,
    **dist("alpha", "1.5", "[app]\none = plug_good:one\nall = plug_good [more]\n"),
    **dist(
        "beta", "2", "[app]\ntwo = plug_other:Two\n[app.more]\none = plug_other:x\n"
    ),
}


@pytest.fixture
def good(site: PlantSite, set_path: SetPath) -> Path:
    directory = site(GOOD)
    set_path(directory)
    return directory


@pytest.fixture
def broken(site: PlantSite, set_path: SetPath) -> Path:
    directory = site(BROKEN)
    set_path(directory)
    return directory


@pytest.fixture
def empty(site: PlantSite, set_path: SetPath) -> None:
    set_path(site({}))


# --------------------------------------------------------------------------- groups


def test_groups_are_listed_with_the_numbers_of_plugins_and_distributions(
    good: Path, run: Run
) -> None:
    assert run("list") == (
        0,
        (
            "group     plugins  distributions\n"
            "app             3              2\n"
            "app.more        1              1\n"
        ),
        "",
    )
    assert run_json(run, "list")[1] == {
        "group": "app.more",
        "plugins": 1,
        "distributions": 1,
    }


def test_commands_say_so_if_the_environment_is_empty(empty: None, run: Run) -> None:
    message = "No entry points found on sys.path.\n"
    assert run("list") == (0, message, "")
    assert run("check") == (0, message, "")
    assert run_json(run, "list") == []
    assert run_json(run, "check") == []
    code, out, err = run("list", "app")
    assert (code, out) == (1, "")
    assert "no entry points found on sys.path: is the metadata" in err
    assert run("bench") == (1, "", message)


# ----------------------------------------------------------------------- list, show


def test_list_shows_names_values_and_distributions(good: Path, run: Run) -> None:
    assert run("list", "app") == (
        0,
        (
            "name  value             distribution\n"
            "one   plug_good:one     alpha 1.5\n"
            "all   plug_good [more]  alpha 1.5\n"
            "two   plug_other:Two    beta 2\n"
        ),
        "",
    )
    rows = run_json(run, "list", "app", "--summary")
    assert [row["summary"] for row in rows] == ["Do one.", "All of it.", ""]
    assert [row["group"] for row in run_json(run, "list", "app.*")] == ["app.more"]


def test_list_shows_the_plugins_of_a_distribution(good: Path, run: Run) -> None:
    assert run("list", "--distribution", "Beta")[1] == (
        "group     name  value           distribution\n"
        "app       two   plug_other:Two  beta 2\n"
        "app.more  one   plug_other:x    beta 2\n"
    )
    rows = run_json(run, "list", "app", "--distribution", "beta")
    assert [(row["group"], row["name"]) for row in rows] == [("app", "two")]
    assert run_json(run, "list", "app.more", "--distribution", "alpha") == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--distribution", "betta"],
            "No distribution named 'betta' is installed; did you mean 'beta'?",
        ),
        (
            ["app.more", "--distribution", "alpha"],
            "The distribution 'alpha' declares no entry point in group 'app.more'.",
        ),
        (["App"], "declares that group; did you mean the group 'app'?"),
    ],
)
def test_list_says_why_it_finds_nothing(
    arguments: list[str], message: str, good: Path, run: Run
) -> None:
    code, out, err = run("list", *arguments)
    assert (code, out) == (1, "")
    assert message in err


@pytest.mark.parametrize("option", [["--summary"], ["--facts", "a:b"]])
def test_options_about_plugins_need_a_group(option: list[str], run: Run) -> None:
    code, _, err = run("list", *option)
    assert (code, err) == (
        2,
        f"lazyplug list: {option[0]} can only be used with GROUP\n",
    )


def test_list_has_a_note_for_each_unusable_or_ambiguous_plugin(
    broken: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_DENY", "app=gone")
    notes = {(r["name"], r["value"]): r["note"] for r in run_json(run, "list", "app")}
    assert notes == {
        ("bad", "plug_bad:x"): "one of 2 plugins with this name",
        ("bad", "plug_bad:y"): "one of 2 plugins with this name",
        ("odd", "no reference"): "not a valid reference (expected `module:attr`)",
        ("gone", "nomodule:x"): (
            "excluded by the deny pattern 'app=gone' in LAZYPLUG_DENY"
        ),
    }


def test_show_prints_all_that_is_known_about_a_plugin(good: Path, run: Run) -> None:
    file = good / "alpha-1.5.dist-info" / "entry_points.txt"
    source = (good / "plug_good.py").read_text().splitlines()
    line = source.index("def one():") + 1
    assert run("show", "app", "one") == (
        0,
        (
            "name:         one\n"
            "group:        app\n"
            "value:        plug_good:one\n"
            "distribution: alpha 1.5\n"
            f"declared in:  {file}:2\n"
            f"target:       {good / 'plug_good.py'}:{line}\n"
            "summary:      Do one.\n"
        ),
        "",
    )
    (row,) = run_json(run, "show", "app", "all")
    assert (row["extras"], row["target_line"]) == (["more"], 1)
    assert (row["file"], row["line"]) == (str(file), 3)
    (row,) = run_json(run, "show", "app", "two")
    assert (row["target_file"], row["target_line"]) == (str(good / "plug_other.py"), 0)


def test_show_handles_duplicate_names_missing_modules_and_unknown_names(
    broken: Path, run: Run
) -> None:
    code, out, _ = run("show", "app", "bad")
    assert code == 0
    assert out.count("note:         one of 2 plugins with this name\n") == 2
    _, out, _ = run("show", "app", "gone")
    assert "note:         no module named 'nomodule'\n" in out
    code, out, err = run("show", "app", "gnoe")
    assert (code, out) == (1, "")
    assert err.startswith("No extension named 'gnoe' in group 'app'; did you")


# ------------------------------------------------------------------------------ why


def test_why_says_that_a_plugin_is_available(good: Path, run: Run) -> None:
    code, out, _ = run("why", "app", "one")
    assert code == 0
    assert out.startswith("Available: entry point 'one = plug_good:one' of group")
    assert "declared by alpha 1.5 in " in out


@pytest.mark.parametrize(
    ("group", "name", "reason"),
    [
        ("app", "oen", r"declares 'oen' in 'app'; did you mean 'one'\?"),
        ("ap", "one", r"declares the group 'ap'; did you mean 'app'"),
        ("app", "nothing_like_it", r"declares 'nothing_like_it' in 'app'\.$"),
        ("other", "two", r"A plugin with that name is in 'app'\.$"),
    ],
)
def test_why_says_why_a_plugin_is_not_found(
    group: str, name: str, reason: str, good: Path, run: Run
) -> None:
    code, out, _ = run("why", group, name)
    assert code == 1
    assert re.search(reason, out, re.MULTILINE)


def test_why_says_that_a_plugin_is_excluded_invalid_or_lacks_its_module(
    broken: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run("why", "app", "odd")
    assert code == 1
    assert (
        "Cannot be used: not a valid reference (expected `module:attr`); entry point"
        in out
    )
    code, out, _ = run("why", "app", "gone")
    assert code == 1
    assert "Cannot be used: no module named 'nomodule'; entry point " in out
    assert run("why", "app", "bad")[0] == 0
    monkeypatch.setenv("LAZYPLUG_DENY", "app=odd")
    code, out, _ = run("why", "app", "odd")
    assert code == 1
    assert "Excluded by the deny pattern 'app=odd' in LAZYPLUG_DENY; entry point" in out
    assert run_json(run, "why", "app", "odd")["usable"] is False


LOADS: Tree = {
    "plug_loads.py": "def fine():\n    pass\n\nglobals()['made'] = 1\n",
    "plug_lacks.py": "import module_that_is_not_installed\nx = 1\n",
    "plug_ends.py": "import os; os._exit(3)\nx = 1\n",
    "plug_dies.py": "import os; os.kill(os.getpid(), 9)\nx = 1\n",
    **dist(
        "some",
        entry_points="[app]\nfine = plug_loads:fine\nmade = plug_loads:made\n"
        "lacks = plug_lacks:x\nends = plug_ends:x\ndies = plug_dies:x\nbuilt = sys\n",
    ),
}


def test_why_ends_with_what_the_source_shows(
    site: PlantSite, prepend_path: SetPath, run: Run
) -> None:
    directory = site(LOADS)
    prepend_path(directory)
    for name, verdict in {
        "fine": f"Expected to load: {directory / 'plug_loads.py'}:1 defines it. With",
        "made": f"May load or not: {directory / 'plug_loads.py'} does not show plainly",
        "built": "May load or not: its module has no source file. With --load, it is",
    }.items():
        code, out, _ = run("why", "app", name)
        assert code == 0
        assert out.splitlines()[-1].startswith(verdict)
        (found,) = run_json(run, "why", "app", name)["plugins"]
        assert (found["state"], found["loads"]) == ("available", None)


def test_why_ends_with_whether_the_plugin_loads_if_requested(
    site: PlantSite, prepend_path: SetPath, run: Run
) -> None:
    prepend_path(site(LOADS))
    code, out, _ = run("why", "app", "fine", "--load")
    assert code == 0
    assert re.search(
        r"\nLoads: it took \d+\.\d\d seconds in its own process\.$", out[:-1]
    )
    missing = "No module named 'module_that_is_not_installed'"
    for name, error in {
        "lacks": f"ModuleNotFoundError: {missing}",
        "ends": "its process exited with code 3",
        "dies": "its process was killed by SIGKILL",
    }.items():
        code, out, _ = run("why", "app", name, "--load")
        assert (code, out.splitlines()[-1]) == (1, f"Does not load: {error}.")
    found = run_json(run, "why", "app", "lacks", "--load")
    assert found["usable"] is False
    assert found["plugins"][0]["loads"] is False
    assert found["plugins"][0]["error"] == f"ModuleNotFoundError: {missing}"
    assert not {"plug_loads", "plug_lacks"} & {*sys.modules}


def test_a_plugin_that_ends_the_process_is_reported_with_its_last_words(
    site: PlantSite, prepend_path: SetPath, run: Run
) -> None:
    code = "import os\nprint('out of memory', flush=True)\nos._exit(3)\n"
    points = dist("ends", entry_points="[app]\nends = plug_ends\n")
    prepend_path(site({"plug_ends.py": code, **points}))
    _, out, _ = run("why", "app", "ends", "--load")
    error = "its process exited with code 3: out of memory"
    assert out.splitlines()[-1] == f"Does not load: {error}."


def test_the_groups_are_counted_as_their_plugins_are_listed(
    site: PlantSite, set_path: SetPath, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = '[app]\none = a:b\n"t\\w,o" = x"," y\n[gone]\na = b\n'
    first = site(dist("one", entry_points="[app]\nx = y:z\n"), "first")
    tree = {
        **dist("one", "2", entry_points=points),
        **dist("two", entry_points=points.partition("[gone]")[0]),
        **dist("~hree", entry_points="[app]\na = b\n[left]\na = b\n"),
    }
    second = site(tree, "second")
    set_path(first, second)
    expected = [{"group": "app", "plugins": 3, "distributions": 2}]
    assert run_json(run, "list") == expected
    assert len(run_json(run, "list", "app")) == 4  # with a left-over of pip
    monkeypatch.chdir(first)
    set_path("", second)  # the current directory is scanned at each start
    assert run_json(run, "list") == expected


def test_why_colors_its_answers(
    good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    first, last = run("why", "app", "one")[1].splitlines()
    assert first.startswith("\x1b[32mAvailable\x1b[0m: entry point ")
    assert last.startswith("\x1b[32mExpected to load\x1b[0m: ")


def test_why_suggests_names_that_differ_in_case(good: Path, run: Run) -> None:
    assert "did you mean 'one'?" in run("why", "app", "ONE")[1]
    found = run_json(run, "why", "APP", "one")["missing"]
    assert (found["group_declared"], found["near_groups"]) == (False, ["app"])
    assert found["other_groups"] == ["app", "app.more"]


def test_why_says_that_a_distribution_is_shadowed(
    site: PlantSite, set_path: SetPath, run: Run
) -> None:
    set_path(
        site(dist("foo", "2", "[app]\nnew = os\n"), "first"),
        site(dist("foo", "1", "[app]\nold = os\n"), "second"),
    )
    code, out, _ = run("why", "app", "old")
    assert code == 1
    assert (
        "Shadowed by another distribution named 'foo', which takes precedence; entry"
        " point 'old = os' of group 'app', declared by foo 1" in out
    )


def test_why_shows_problems_in_the_metadata(broken: Path, run: Run) -> None:
    _, out, _ = run("why", "app", "lost")
    assert " problems found in the metadata, which may hide it:\n" in out
    assert "has no Name: ignoring its entry points" in out


# ---------------------------------------------------------------------------- check


@pytest.mark.once
def test_check_loads_each_plugin_in_its_own_process(
    site: PlantSite, prepend_path: SetPath, run: Run
) -> None:
    directory = site(
        {
            "plug_a.py": "import sys\nprint('chatter'); big = 'x' * 30_000_000\n",
            "plug_b.py": "import os; os._exit(3)\n",
            "plug_c.py": "import time; time.sleep(60)\n",
            "plug_d.py": "raise SystemExit('leave me alone')\n",
            **dist(
                "some",
                entry_points="[app]\na = plug_a:big\nb = plug_b:x\nc = plug_c:x\n"
                "d = plug_d:x\ne = no reference\nf = plug_a:nothing\n",
            ),
        }
    )
    prepend_path(directory)
    code, _, _ = run("check", "app", "--timeout", "3")
    assert code == 1
    rows = {row["name"]: row for row in run_json(run, "check", "app", "--timeout", "3")}
    assert {name: row["state"] for name, row in rows.items()} == {
        "a": "ok",
        "b": "crashed",
        "c": "timeout",
        "d": "failed",
        "e": "invalid",
        "f": "failed",
    }
    assert rows["a"]["mib"] > 20
    assert rows["a"]["seconds"] > 0
    assert rows["b"]["error"] == "its process exited with code 3"
    assert rows["c"]["error"] == "did not load within 3 s"
    assert rows["d"]["error"] == "SystemExit: leave me alone"
    assert (
        rows["e"]["error"]
        == "'no reference' is not a valid reference (expected `module:attr`)"
    )
    assert rows["f"]["error"].startswith("AttributeError: module 'plug_a' has no attr")
    assert not {"plug_a", "plug_b", "plug_c", "plug_d"} & set(sys.modules)


def test_check_reports_the_type_of_an_error_that_cannot_be_described(
    site: PlantSite, prepend_path: SetPath, run: Run
) -> None:
    directory = site(
        {
            "plug_odd.py": (
                "import json, os, sys\ndef no(*_): raise OSError\n"
                "json.dumps = os.write = os._exit = no\n"
                "class Odd(Exception):\n    def __str__(self): sys.exit('odd')\n"
                "raise Odd\n"
            ),
            **dist("some", entry_points="[app]\nodd = plug_odd:x\n"),
        }
    )
    prepend_path(directory)
    (row,) = run_json(run, "check", "app")
    assert (row["state"], row["error"]) == ("failed", "Odd")


def test_check_uses_the_options_of_the_running_interpreter(
    site: PlantSite,
) -> None:
    directory = site(
        {
            "plug_dev.py": "import sys\nassert sys.flags.dev_mode, 'no -X dev'\n",
            **dist("dev", entry_points="[app]\nd = plug_dev\n"),
        }
    )
    path = os.pathsep.join(filter(None, [str(directory), os.environ.get("PYTHONPATH")]))
    command = ("-m", "lazyplug", "check", "app")
    env = {"PYTHONPATH": path}
    assert python(*command, env=env, check=False).returncode == 1
    assert python("-X", "dev", *command, env=env, check=False).returncode == 0


def test_check_loads_a_plugin_that_starts_processes(
    site: PlantSite, prepend_path: SetPath, run: Run
) -> None:
    directory = site(
        {
            "plug_spawns.py": "import multiprocessing, subprocess, sys\n"
            "spawning = multiprocessing.get_context('spawn')\n"
            "with spawning.Pool(1) as pool:\n"
            "    assert pool.apply_async(abs, [-1]).get(20) == 1\n"
            "assert not sys.flags.safe_path\n"
            "assert '-P' not in subprocess._args_from_interpreter_flags()\n",
            **dist("spawns", entry_points="[app]\ns = plug_spawns\n"),
        }
    )
    prepend_path(directory)
    code, out, err = run("check", "app", "--jobs", "1")
    assert (code, err) == (0, ""), out


def test_check_of_working_plugins_succeeds(
    site: PlantSite, prepend_path: SetPath, run: Run
) -> None:
    prepend_path(
        site(
            {
                "plug_a.py": "x = 1\n",
                **dist("some", entry_points="[app]\na = plug_a:x\n"),
            }
        )
    )
    code, out, err = run("check", "app", "--jobs", "1")
    assert (code, out, err) == (0, "1 plugin checked, 0 failed\n", "")
    code, out, err = run("check", "app", "--all", "--again")
    assert (code, err) == (0, "")
    header, row, count = out.splitlines()
    assert header.split() == [
        "group",
        "name",
        "state",
        "seconds",
        "mib",
        "distribution",
    ]
    assert row.startswith("app    a     ok")
    assert count == "1 plugin checked, 0 failed"
    code, out, err = run("check", "nothing")
    assert (code, out) == (1, "")
    assert "no installed distribution declares that group" in err


# ---------------------------------------------------------------------------- cache


def test_the_cache_directory_is_shown_and_cleared(
    good: Path, run: Run, isolated: Path
) -> None:
    assert run("cache", "show") == (0, f"No index in {isolated}\n", "")
    assert run("cache", "path") == (0, f"{isolated}\n", "")
    assert run_json(run, "cache", "path") == {"path": str(isolated)}
    run("list")
    run("list", "app", "--summary")
    (row,) = run_json(run, "cache", "show")["indexes"]
    assert (row["environment"], row["path_entries"]) == (sys.prefix, 1)
    assert row["groups"] == 2
    assert run("cache", "prune") == (0, f"0 files removed from {isolated}\n", "")
    (isolated / "mine.txt").write_text("not theirs")
    code, out, _ = run("cache", "clear")
    assert code == 0
    assert out.endswith(f"\n1 file removed from {isolated}\n")
    assert [file.name for file in isolated.iterdir()] == ["mine.txt"]


def test_a_damaged_index_is_shown_as_damaged(
    good: Path, run: Run, isolated: Path
) -> None:
    run("list")
    (file,) = isolated.glob("*.json")
    file.write_bytes(b"{}")
    (row,) = run_json(run, "cache", "show")["indexes"]
    assert row["environment"] == "(damaged, or not trusted)"
    assert run_json(run, "cache", "verify")["damages"][file.name]


@pytest.mark.parametrize("command", ["show", "verify", "prune", "clear"])
def test_commands_do_not_change_a_cache_directory_that_others_could_write(
    command: str, good: Path, run: Run, isolated: Path
) -> None:
    isolated.mkdir()
    isolated.chmod(0o777)
    (isolated / f"{'0' * 16}-{'0' * 16}.json").write_text("planted")
    code, out, err = run("cache", command)
    assert (code, out) == (1, "")
    assert " is not used: other users can write to it: it has the mode 0777" in err
    assert len(list(isolated.iterdir())) == 1


def test_refresh_reports_added_distributions(good: Path, run: Run) -> None:
    code, out, _ = run("refresh")
    assert (code, out) == (0, "2 groups, 0 problems in the metadata\n")
    plant(good, dist("gamma", entry_points="[new]\na = os\n"))
    changes = run_json(run, "refresh")
    assert changes["added"] == [str(good / "gamma-1.0.dist-info")]
    assert (changes["removed"], changes["groups"]) == ([], 3)


# ---------------------------------------------------------------------------- bench


@pytest.mark.once
def test_bench_compares_with_importlib_metadata(run: Run) -> None:
    found = run_json(run, "bench", "--rounds", "3")
    assert faults_of(found, SCHEMA["bench"]) == []
    ratios = {row["start"]: row["ratio"] for row in found["starts"]}
    assert [*ratios][:4] == [
        "lazyplug, warm",
        "lazyplug, warm, dirs",
        "lazyplug, cold",
        "importlib.metadata",
    ]
    assert ratios["importlib.metadata"] == 1.0
    assert all(0 <= row["milliseconds"] < 10_000 for row in found["starts"])
    code, out, _ = run("bench", "pytest11", "--rounds", "2")
    assert code == 0
    assert "plugins of 'pytest11'" in out


@pytest.mark.once
def test_bench_lists_a_family_of_groups(
    good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "RACY_SECONDS", 0.0)
    code, out, _ = run("bench", "app.*", "--rounds", "2")
    assert code == 0
    assert out.startswith("Listing 1 plugin of 'app.*', Python ")


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("_METADATA", ["three", "two"]),
        ("_METADATA_OF_FAMILY", ["one", "three", "two"]),
        ("_LAZYPLUG", ["one", "three", "two"]),
    ],
)
def test_a_measured_process_lists_all_plugins(
    template: str, names: list[str], site: PlantSite
) -> None:
    declared = "[app.a]\none = os\n[app.b]\ntwo = os\nthree = os\n[apple]\nno = os\n"
    directory = site(dist("alpha", entry_points=declared))
    group = "app.b" if template == "_METADATA" else "app.*"
    code = getattr(measuring, template).format(group=group, groups=["app.a", "app.b"])
    before, _, listing = code.rpartition(";")
    path = os.pathsep.join([str(ROOT), str(directory)])
    code = f"{before}; import json; print(json.dumps(sorted({listing})))"
    assert ask(code, env={"PYTHONPATH": path}) == names


@pytest.mark.parametrize(
    ("group", "hint"),
    [
        ("APP", "; did you mean the group 'app'"),
        ("ap", "; did you mean the group 'app'"),
        ("zzz.*", "; is the distribution that declares it installed?"),
    ],
)
def test_bench_measures_nothing_without_the_group(
    group: str, hint: str, good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_measure", None)
    code, out, err = run("bench", group)
    assert (code, out) == (1, "")
    assert err.startswith(f"no extension in group {group!r}: ")
    assert hint in err
    code, out, _ = run("bench", group, "--json")
    assert (code, json.loads(out)) == (1, {"starts": []})


def test_bench_says_what_figures_in_the_noise_are_less_than(
    good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {
        "lazyplug, warm": (-0.3, 0.256),
        "lazyplug, cold": (-0.1, 0.1),
        "importlib.metadata": (20.0, 1.0),
    }
    monkeypatch.setattr(measuring, "_measure", lambda *_: figures)
    _, out, _ = run("bench", "app")
    assert out.splitlines()[1:] == [
        "start               milliseconds  spread   ratio",
        "lazyplug, warm            < 0.26    0.26  < 0.02",
        "lazyplug, cold            < 0.10    0.10  < 0.01",
        "importlib.metadata         20.00    1.00    1.00",
    ]
    found = run_json(run, "bench", "app")
    assert faults_of(found, SCHEMA["bench"]) == []
    assert [row["milliseconds"] for row in found["starts"]] == [0.0, 0.0, 20.0]
    assert [row["ratio"] for row in found["starts"]] == [0.0, 0.0, 1.0]


def test_nothing_is_compared_with_a_figure_in_the_noise(
    good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"lazyplug, warm": (1.0, 2.0), "importlib.metadata": (-1.0, 2.0)}
    monkeypatch.setattr(measuring, "_measure", lambda *_: figures)
    _, out, _ = run("bench", "app")
    assert out.splitlines()[1:] == [
        "start               milliseconds  spread",
        "lazyplug, warm              1.00    2.00",
        "importlib.metadata        < 2.00    2.00",
    ]
    found = run_json(run, "bench", "app")
    assert faults_of(found, SCHEMA["bench"]) == []
    assert [row["ratio"] for row in found["starts"]] == [None, None]


def test_what_is_measured_is_not_switched_on() -> None:
    _, environ = children.measured_command("pass", {})
    assert environ["LAZYPLUG_SWITCH"] == "off"


# -------------------------------------------------------------------- all of them


@pytest.mark.once
def test_no_command_but_check_imports_a_plugin(good: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import lazyplug; lazyplug.ExtensionManager('app').names()\n")
    path = f"import sys; sys.path.insert(0, {str(good)!r})\n"
    trapped = tmp_path / "trapped"
    env = {"PYTHONPATH": str(ROOT), "TRAPPED": str(trapped), "LAZYPLUG_EAGER": "1"}
    for arguments in (
        ["list"],
        ["list", "app", "--summary"],
        ["show", "app", "one"],
        ["why", "app", "two"],
        ["doctor"],
        ["refresh"],
        ["bench", "app", "--rounds", "2"],
        *(["cache", name] for name in ("path", "show", "verify", "prune", "clear")),
    ):
        code = f"{path}from lazyplug.cli import main; main({arguments!r})"
        python("-c", code, env=env)
        assert not trapped.exists(), arguments
    # The trap does catch what is imported.
    code = f"{path}from lazyplug.cli import main; main(['check', '--isolate', 'app'])"
    python("-c", code, env=env)
    assert trapped.read_text() == "imported " * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show"], "the following arguments are required: GROUP, NAME"),
        (
            ["check", "--timeout", "0"],
            "'0' is not a valid timeout: expected a number of seconds > 0",
        ),
        (
            ["check", "--timeout", "inf"],
            "'inf' is not a valid timeout: expected",
        ),
        (
            ["check", "--timeout", "x"],
            "'x' is not a valid timeout: expected a number of seconds > 0",
        ),
        (
            ["check", "--jobs", "0"],
            "'0' is not a valid number: expected an integer >= 1",
        ),
        (
            ["bench", "--rounds", "1"],
            "'1' is not a valid number: expected an integer >= 2",
        ),
    ],
)
def test_an_invalid_command_line_is_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err


def test_a_command_line_without_a_command_gets_the_help(run: Run) -> None:
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err.startswith("usage: ")
    assert all(f"\n    {command} " in err for command in COMMANDS)


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("lst", "; did you mean 'lost' or 'list'?"),
        ("WHY", "; did you mean 'why'?"),
        ("zzz", "."),
    ],
)
def test_an_unknown_command_is_reported_with_similar_ones(
    command: str, hint: str, run: Run
) -> None:
    message = f"lazyplug: No such command {command!r}{hint} Run `lazyplug --help`"
    assert run(command) == (2, "", f"{message} for a list.\n")


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"run"}))
def test_the_help_of_each_command_has_valid_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    out = capsys.readouterr().out
    assert EXAMPLES[command]
    for example in EXAMPLES[command]:
        assert f"\n  {example}\n" in out
        program, *words = shlex.split(example)
        assert (program, words[0]) == ("lazyplug", command)
        words, _ = cli._split_program(words)
        assert cli._parser(words).parse_args(words).command


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"run"}))
def test_each_command_has_help(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert COMMANDS[command][1][1:] in " ".join(capsys.readouterr().out.split())


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    import lazyplug

    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"lazyplug {lazyplug.__version__}\n"


def test_a_closed_pipe_ends_a_command_silently(good: Path) -> None:
    path = f"import sys; sys.path.insert(0, {str(good)!r})\n"
    code = f"{path}from lazyplug.cli import main; sys.exit(main(['list']))"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command, env=environ, stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_control_characters_in_metadata_are_printed_escaped(
    site: PlantSite, set_path: SetPath, run: Run
) -> None:
    set_path(site(dist("evil", entry_points="[g\x1b[2J]\na\x1b[31m = m:f\n")))
    for arguments in (
        ["list"],
        ["list", "g\x1b[2J"],
        ["show", "g\x1b[2J", "a\x1b[31m"],
    ):
        _, out, err = run(*arguments)
        assert "\x1b" not in out + err
    assert "\\x1b[2J" in run("list")[1]


def test_names_that_cannot_be_encoded_are_printed_escaped(
    site: PlantSite, set_path: SetPath, run: Run
) -> None:
    directory = site({}, os.fsdecode(b"s\xff"))
    set_path(plant(directory, dist("foo", entry_points="[g]\na = m:f\n")))
    assert "s\\udcff" in run("show", "g", "a")[1]
    (row,) = run_json(run, "show", "g", "a")
    assert "s\\udcff" in row["file"]


def on_a_terminal(code: str, **variables: str) -> str:
    """Run code on a terminal, and return what it shows there."""
    ours, theirs = os.openpty()
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **variables}
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environ, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        shown = b""
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            shown += chunk
    os.close(ours)
    return shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pty")
def test_a_terminal_gets_colors_unless_disabled(good: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(good)!r})\n"
        "from lazyplug.cli import main; main(['list', 'app'])"
    )
    headings = "name  value             distribution"
    shown = on_a_terminal(code, TERM="xterm-256color", NO_COLOR="")
    assert shown.startswith(f"\x1b[1m{headings}\x1b[0m")
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        variables = {"TERM": "xterm-256color", **variables}
        assert on_a_terminal(code, **variables).startswith(headings)


def test_a_table_omits_empty_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows: list[dict[str, Any]] = [
        {"a": 1, "b": "", "c": True, "d": 0.5},
        {"a": 20, "b": None, "c": False, "d": 2.0},
    ]
    output.print_table(rows)
    assert capsys.readouterr().out == " a  c       d\n 1  yes  0.50\n20       2.00\n"


def test_listing_imports_few_modules(good: Path) -> None:
    code = f"""
        import json, sys
        sys.path.insert(0, {str(good)!r})
        import argparse
        before = set(sys.modules)
        from lazyplug.cli import main
        sys.stdout = sys.stderr
        main(["list", "app"])
        sys.stdout = sys.__stdout__
        new = {{name.partition(".")[0] for name in set(sys.modules) - before}}
        print(json.dumps(sorted(new - {{"lazyplug"}})))
    """
    # Apart from lazyplug, only what argparse imports for its messages.
    assert set(ask(code)) <= {"_json", "_locale", "errno", "locale"}


def test_help_has_the_colors_that_argparse_has_since_3_14() -> None:
    env = {"PYTHONPATH": str(ROOT), "FORCE_COLOR": "1", "NO_COLOR": ""}
    done = python("-m", "lazyplug", "list", "--help", env=env)
    assert ("\x1b[" in done.stdout) == (sys.version_info >= (3, 14))


def test_completion_offers_groups_and_names_and_imports_no_plugin(
    good: Path, tmp_path: Path
) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(good)!r}); sys.argv[0] = 'lazyplug'\n"
        "from lazyplug.cli import main; main()"
    )

    def completed(line: str) -> list[str]:
        out = tmp_path / "completions"
        env = {
            "PYTHONPATH": str(ROOT),
            "TRAPPED": str(tmp_path / "trapped"),
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(out),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
        }
        done = python("-c", code, env=env)
        assert done.stderr == ""
        return [word.strip() for word in out.read_text().split("\n") if word]

    assert completed("lazyplug li") == ["list"]
    assert set(completed("lazyplug list app")) >= {"app", "app.more"}
    assert completed("lazyplug show app t") == ["two"]
    assert completed("lazyplug run --as") == ["--as-stevedore"]
    assert "pytest" in completed("lazyplug run --lazy pyte")
    assert not (tmp_path / "trapped").exists()


def test_the_console_script_runs_programs_too(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import sys; print(__name__, sys.argv[1:])\n")
    code = "import sys; from lazyplug.__main__ import main; sys.exit(main())"
    env = {"PYTHONPATH": str(ROOT)}
    done = python("-c", code, "run", str(program), "--json", env=env)
    assert done.stdout == "__main__ ['--json']\n"


SCHEMA = json.loads((ROOT / "docs" / "command-line.schema.json").read_text())["$defs"]
TYPES: dict[str, Any] = {
    "array": list,
    "boolean": bool,
    "integer": int,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}


def faults_of(value: Any, schema: dict[str, Any], place: str = "$") -> list[str]:
    """Return where a value differs from a schema, which may use a few keywords only."""
    if "$ref" in schema:
        schema = SCHEMA[schema["$ref"].rpartition("/")[2]]
    known = {"type", "properties", "required", "additionalProperties", "items"}
    assert {*schema} <= known | {"enum", "description"}
    kinds = schema.get("type", [])
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        is_number = kind in {"integer", "number"} and isinstance(value, bool)
        if isinstance(value, TYPES[kind]) and not is_number:
            break
    else:
        if kinds:
            return [f"{place}: {value!r} is not of type {kinds}"]
    if value not in schema.get("enum", [value]):
        return [f"{place}: {value!r} is not in {schema['enum']}"]
    found: list[str] = []
    if isinstance(value, list):
        for number, each in enumerate(value):
            found += faults_of(each, schema.get("items", {}), f"{place}[{number}]")
    elif isinstance(value, dict):
        found += [
            f"{place}: no {key}"
            for key in schema.get("required", ())
            if key not in value
        ]
        others = schema.get("additionalProperties", True)
        for key, each in value.items():
            if key in schema.get("properties", {}):
                found += faults_of(each, schema["properties"][key], f"{place}.{key}")
            elif others is False:
                found.append(f"{place}: {key} is not in the schema")
            elif others is not True:
                found += faults_of(each, others, f"{place}.{key}")
    return found


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([{"group": "g", "plugins": 1}], "$[0]: no distributions"),
        ([{"group": 1, "plugins": 1, "distributions": 1}], "$[0].group: 1 is not of"),
        ([{"group": "", "plugins": True, "distributions": 1}], "$[0].plugins: True is"),
        (
            [{"group": "", "plugins": 1, "distributions": 1, "x": 1}],
            "$[0]: x is not in the schema",
        ),
    ],
)
def test_the_check_of_the_schema_finds_faults(value: Any, fault: str) -> None:
    (found,) = faults_of(value, SCHEMA["list groups"])
    assert found.startswith(fault)


@pytest.mark.parametrize("environment", ["good", "broken", "empty"])
def test_the_json_of_each_command_has_the_published_fields(
    environment: str,
    request: pytest.FixtureRequest,
    run: Run,
    tmp_path: Path,
) -> None:
    request.getfixturevalue(environment)
    file = str(tmp_path / "frozen")
    for schema, arguments in (
        ("list groups", ["list"]),
        ("list", ["list", "app", "--summary"]),
        ("list", ["list", "--distribution", "beta"]),
        ("show", ["show", "app", "one"]),
        ("show", ["show", "app", "bad"]),
        ("why", ["why", "app", "one"]),
        ("why", ["why", "app", "bad"]),
        ("why", ["why", "app", "odd"]),
        ("why", ["why", "app", "gone"]),
        ("why", ["why", "appp", "one"]),
        ("lost", ["lost"]),
        ("doctor", ["doctor"]),
        ("refresh", ["refresh"]),
        ("cache path", ["cache", "path"]),
        ("cache show", ["cache", "show"]),
        ("cache verify", ["cache", "verify"]),
        ("cache prune", ["cache", "prune"]),
        ("cache clear", ["cache", "clear"]),
        ("check", ["check", "app"]),
        ("status", ["status"]),
        ("freeze", ["freeze", "--output", file]),
        ("freeze --check", ["freeze", "--check", "--output", file]),
        ("thaw", ["thaw", "--output", file]),
        ("fault", ["thaw", "--output", file]),
    ):
        _, out, _ = run(*arguments, "--json")
        assert faults_of(json.loads(out), SCHEMA[schema]) == [], arguments


def test_the_schema_describes_every_command_that_prints_json() -> None:
    parts = {"fact", "fault", "finding"}
    described = {name.partition(" ")[0] for name in SCHEMA} - parts
    assert described == {*COMMANDS} - {"on", "off", "run", "trace"}


# ---------------------------------------------------------------------------- trace


TRACED = """
import sys, lazyplug
manager = lazyplug.ExtensionManager("app", invoke_on_load=True)
manager.map(lambda extension: extension.obj)
print("done", sys.argv[1:])
sys.exit(7)
"""


@pytest.fixture
def traced(site: PlantSite, tmp_path: Path) -> Callable[..., Any]:
    """Return a function that traces a program with two plugins, one of them broken."""
    directory = site(
        {
            "plug_a.py": "def a(): return 1\n",
            "plug_b.py": "raise OSError('broken on purpose')\n",
            **dist("some", entry_points="[app]\na = plug_a:a\nb = plug_b:b\n"),
        }
    )
    program = tmp_path / "program.py"
    program.write_text(TRACED)

    def trace(*options: str) -> subprocess.CompletedProcess[str]:
        env = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(directory)])}
        command = ["-m", "lazyplug", "trace", *options, str(program), "--json"]
        return python(*command, env=env, cwd=tmp_path, check=False)

    return trace


def test_a_trace_is_printed_as_a_table_on_stderr(
    traced: Callable[..., Any],
) -> None:
    done = traced()
    assert (done.returncode, done.stdout) == (7, "done ['--json']\n")
    table = done.stderr[done.stderr.index("at ms") :].splitlines()
    assert table[0].split() == ["at", "ms", "took", "ms", "event", "about", "error"]
    rows = [line.split("  ") for line in table[1:]]
    text = "\n".join(table)
    assert len(rows) >= 6
    for what in (
        " index +read it, check for changes",
        "   scan +what changed, or everything",
        "     write +[0-9a-f]",
        " group +app",
        " import +a = plug_a:a, of app",
        " call +a = plug_a:a, of app",
        "OSError: broken on purpose",
    ):
        assert re.search(what, text), what


def test_a_trace_can_be_written_as_json_or_svg(
    traced: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "trace.json"
    done = traced("--json", str(file))
    assert (done.returncode, done.stdout) == (7, "done ['--json']\n")
    events = json.loads(file.read_bytes())
    assert [event["event"] for event in events][:1] == ["index"]
    assert {"index", "group", "import", "call"} <= {e["event"] for e in events}
    assert all(event["seconds"] >= 0 for event in events)
    begun = [event["begin"] for event in events]
    assert begun == sorted(begun)
    picture = tmp_path / "trace.svg"
    assert traced("--svg", str(picture)).returncode == 7
    assert "<svg" in picture.read_text()
    assert "plug_a:a" in picture.read_text()


def test_if_the_trace_cannot_be_written_no_program_runs(
    traced: Callable[..., Any], tmp_path: Path
) -> None:
    for option in ("--json", "--svg"):
        done = traced(option, str(tmp_path / "none" / "file"))
        assert (done.returncode, done.stdout) == (2, "")
        assert "No such file or directory" in done.stderr
    env = {"PYTHONPATH": str(ROOT)}
    command = ["-m", "lazyplug", "run", "--trace", str(tmp_path / "none" / "x"), "x.py"]
    done = python(*command, env=env, check=False, cwd=tmp_path)
    assert done.returncode == 2


def test_a_traced_program_may_close_and_reuse_all_descriptors(
    site: PlantSite, tmp_path: Path
) -> None:
    directory = site(
        {"plug_a.py": "a = 1\n", **dist("some", entry_points="[app]\na = plug_a:a\n")}
    )
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, lazyplug\n"
        "os.closerange(3, 100)\n"
        "own = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "print(lazyplug.ExtensionManager('app')['a'].plugin, os.read(own, 100))\n"
    )
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(directory)])}
    command = ["-m", "lazyplug", "trace", str(program), str(tmp_path / "own")]
    done = python(*command, env=env)
    assert done.stdout == "1 b''\n"
    assert "a = plug_a:a, of app" in done.stderr


def test_an_interrupt_goes_to_the_traced_program(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import time, lazyplug\n"
        "lazyplug.ExtensionManager('app').names()\n"
        "try:\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.5); print('ended in order')\n"
    )
    # SIGINT is ignored if the tests run in the background, and in what they start.
    interruptible = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        " os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    trace = ["-m", "lazyplug", "trace", str(program)]
    with subprocess.Popen(
        [sys.executable, "-c", interruptible, *trace],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)
        try:
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out) == (0, b"ended in order\n")
    assert b"group" in err
    assert b"Traceback" not in err


def test_a_trace_without_events_says_so(tmp_path: Path) -> None:
    env = {"PYTHONPATH": str(ROOT)}
    done = python("-m", "lazyplug", "trace", "-m", "this", "--", "-q", env=env)
    assert "Beautiful is better than ugly." in done.stdout
    assert done.stderr == "The program did not use lazyplug.\n"
    done = python("-m", "lazyplug", "trace", env=env, check=False)
    message = "lazyplug trace: PROGRAM is missing. Run `lazyplug trace --help`.\n"
    assert (done.returncode, done.stderr) == (2, message)


# ----------------------------------------------------------------- found in reviews


def test_check_does_not_load_excluded_plugins(
    good: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_DENY", "app=*,app.more=*")
    monkeypatch.setenv("TRAPPED", str(tmp_path / "trapped"))
    code, out, _ = run("check", "--all")
    assert code == 0
    assert out.count("excluded by the deny pattern 'app=*' in LAZYPLUG_DENY") == 3
    assert out.endswith("0 plugins checked, 0 failed, 4 excluded\n")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.skipif(os.name != "posix", reason="processes have no groups")
@pytest.mark.once
def test_check_kills_processes_that_a_plugin_started_and_does_not_wait_for_them(
    site: PlantSite, prepend_path: SetPath, run: Run, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    late = tmp_path / "late.py"
    late.write_text(f"import time; time.sleep(3); open({str(mark)!r}, 'w')\n")
    starts = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, {str(late)!r}])\n"
    )
    flood = "import sys\nwhile True: sys.stdout.write('x' * 100_000)\n"
    fork = "import os\nos.fork()\n"
    directory = site(
        {
            "plug_starts.py": starts,
            "plug_flood.py": flood,
            "plug_fork.py": fork,
            **dist(
                "some",
                entry_points="[app]\nstarts = plug_starts\nflood = plug_flood\n"
                "fork = plug_fork\n",
            ),
        }
    )
    prepend_path(directory)
    began = time.monotonic()
    rows = {r["name"]: r for r in run_json(run, "check", "app", "--timeout", "2")}
    assert time.monotonic() - began < 20
    assert {name: row["state"] for name, row in rows.items()} == {
        "starts": "ok",
        "flood": "timeout",
        "fork": "ok",
    }
    time.sleep(3.5)
    assert not mark.exists()


@pytest.mark.once
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_check_can_be_interrupted(name: str, site: PlantSite, tmp_path: Path) -> None:
    if not hasattr(signal, name) or (os.name != "posix" and name == "SIGTERM"):
        pytest.skip("a signal of POSIX")
    points = "".join(f"s{n} = plug_slow:x\n" for n in range(40))
    child = tmp_path / "child"
    handler = "default_int_handler" if name == "SIGINT" else "SIG_DFL"
    directory = site(
        {
            "plug_slow.py": "import os, time\n"
            f"with open({str(child)!r}, 'w') as file: print(os.getpid(), file=file)\n"
            "time.sleep(30)\n",
            **dist("slow", entry_points=f"[app]\n{points}"),
        }
    )
    code = (
        f"import sys; sys.path.insert(0, {str(directory)!r})\n"
        # It is ignored if the tests run in the background, or under nohup.
        f"import signal; signal.signal(signal.{name}, signal.{handler})\n"
        "from lazyplug.cli import main, checking\n"
        "print('ready', flush=True); sys.exit(main(['check', 'app']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not (child.exists() and child.read_text().endswith("\n")):
            time.sleep(0.01)
        number = getattr(signal, name)
        process.send_signal(number)
        try:
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, err) == (128 + number, b"")
    if os.name == "posix":
        with pytest.raises(ProcessLookupError):
            os.kill(int(child.read_text()), 0)


def test_unusual_path_entries_do_not_stop_check(
    site: PlantSite,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
) -> None:
    directory = site(
        {"plug_a.py": "x = 1\n", **dist("some", entry_points="[app]\na = plug_a:x\n")}
    )
    monkeypatch.setattr(sys, "path", [directory, None, b"bytes", *sys.path])
    lazyplug.invalidate_caches()
    (row,) = run_json(run, "check", "app")
    assert row["state"] == "ok"


def test_modules_that_only_an_import_can_find_are_not_reported_as_missing(
    site: PlantSite, set_path: SetPath, run: Run, tmp_path: Path
) -> None:
    directory = site(
        {
            "plug_pack": {
                "__init__.py": "import sys\n__path__ = [*__path__, '/else']\n"
            },
            "plug_plain": {"__init__.py": ""},
            **dist(
                "some",
                entry_points="[app]\npath = os.path:join\nbuilt = sys:exit\n"
                "made = plug_pack.made:x\narchived = plug_zipped.deep:x\n"
                "gone = plug_plain.gone:x\nnowhere = plug_nowhere:x\n",
            ),
        }
    )
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("plug_zipped/__init__.py", "")
        file.writestr("plug_zipped/deep.py", "x = 1\n")
    set_path(directory, archive, os.path.dirname(os.__file__))
    notes = {r["name"]: r["note"] for r in run_json(run, "list", "app", "--summary")}
    assert notes == {
        "path": "",
        "built": "",
        "made": "",
        "archived": "",
        "gone": "no module named 'plug_plain.gone'",
        "nowhere": "no module named 'plug_nowhere'",
    }
    assert run("why", "app", "path")[0] == 0
    out = run("doctor")[1]
    assert "some 1.0 refers to modules that do not exist: plug_nowhere, plug" in out


def test_why_accepts_families_of_groups(good: Path, run: Run) -> None:
    assert run("why", "app.*", "one")[0] == 0
    code, out, _ = run("why", "app.*", "two")
    assert code == 1
    assert "No installed distribution declares 'two' in 'app.*'." in out
    assert "A plugin with that name is in 'app'." in out


def test_why_says_what_the_current_directory_shadows(
    good: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = plant(tmp_path / "here", dist("beta", "3", "[app]\nother = os\n"))
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    lazyplug.invalidate_caches()
    code, out, _ = run("why", "app", "two")
    assert code == 1
    assert "precedence; entry point 'two = plug_other:Two' of group 'app'" in out


def test_an_invalid_setting_is_reported_without_a_traceback(
    good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_DENY", "g=")
    code, out, err = run("list", "app")
    assert (code, out) == (1, "")
    assert err.startswith(
        "lazyplug: LAZYPLUG_DENY: 'g=' is not a valid pattern: expected NAME"
    )


def test_a_cache_directory_that_cannot_be_encoded_is_printed_escaped(
    good: Path, tmp_path: Path
) -> None:
    directory = os.path.join(tmp_path, os.fsdecode(b"c\xff"))
    env = {
        "PYTHONPATH": str(ROOT),
        "LAZYPLUG_CACHE_DIR": directory,
        "LC_ALL": "C.UTF-8",
    }
    for command in ("path", "show", "verify", "prune", "clear"):
        done = python("-m", "lazyplug", "cache", command, env=env)
        assert done.stderr == ""
        assert "c\\udcff" in done.stdout


def test_json_is_printed_as_utf_8_whatever_the_encoding_of_the_terminal(
    good: Path, tmp_path: Path
) -> None:
    directory = plant(
        tmp_path / "odd", dist("odd", entry_points="[g]\nn\u00e4me = m:f\n")
    )
    code = (
        f"import sys; sys.path.insert(0, {str(directory)!r})\n"
        "from lazyplug.cli import main; main(['list', 'g', *sys.argv[1:]])"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    for option, wanted in ((["--json"], "n\u00e4me".encode()), ([], b"n\\xe4me")):
        done = subprocess.run(
            [sys.executable, "-c", code, *option],
            env=environ,
            capture_output=True,
            check=True,
        )
        assert wanted in done.stdout


@pytest.mark.parametrize("mode", ["off", "readonly"])
def test_refresh_says_if_the_index_could_not_be_written(
    mode: str, good: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_CACHE", mode)
    code, out, err = run("refresh")
    assert code == 1
    assert out.endswith("0 problems in the metadata\n")
    assert err == "The index could not be written. Run `lazyplug doctor`.\n"


def test_json_is_printed_if_a_cache_command_fails(
    good: Path, run: Run, isolated: Path
) -> None:
    isolated.mkdir()
    isolated.chmod(0o777)
    for command in ("show", "verify", "prune", "clear"):
        code, out, err = run("cache", command, "--json")
        assert (code, err) == (1, "")
        assert f"Run `chmod go-w {isolated}`" in json.loads(out)["fault"]
