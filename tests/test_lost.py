"""Test that lost plugins are remembered, and named where they are missing."""

import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    DriverManager,
    ExtensionManager,
    NamedExtensionManager,
    NoMatches,
)
from lazyplug._faults import installer
from lazyplug._index import index_name
from lazyplug._indexing import losses, storage
from lazyplug._indexing.losses import Loss, decode, encode
from lazyplug.testing import Tree, dist, plant
from tests.support.clock import Ticking
from tests.support.commands import Run, run_json
from tests.support.fixtures import SetPath
from tests.support.fs import fs
from tests.support.users import posix

GROUP = "acme.loaders"
PYTHON = "lib/python3.12/site-packages"
DAY = 86400


def points(*names: str, group: str = GROUP) -> str:
    return f"[{group}]\n" + "".join(f"{name} = plug_acme:{name}\n" for name in names)


HOST = dist("acme-host", entry_points=points("json"))
LOADERS = dist("acme-loaders", "1.4", points("yaml"))


class Prefix:
    """An environment whose Python is this one."""

    def __init__(self, directory: Path, cache: Path, set_path: SetPath) -> None:
        self.directory = directory
        self.cache = cache
        self.set_path = set_path
        self.site = directory / PYTHON

    def install(self, *trees: Tree) -> None:
        for tree in trees:
            plant(self.site, tree)
        self.start()

    def uninstall(self, name: str) -> None:
        (found,) = self.site.glob(f"{name}-*-info")
        shutil.rmtree(found)
        self.start()

    def start(self, *paths: Path | str) -> list[str]:
        """Return the plugins that a new process finds, with this `sys.path`."""
        self.set_path(*(paths or (self.site,)))
        return ExtensionManager[Any](GROUP).names()

    def file(self) -> Path:
        return self.cache / f"{index_name([str(self.directory)])[:16]}.lost"

    def lost(self) -> list[str]:
        """Return the names in the file."""
        if not self.file().exists():
            return []
        prefix, losses = decode(self.file().read_bytes())
        assert prefix == str(self.directory)
        return sorted(loss.name for loss in losses)


@pytest.fixture
def prefix(
    tmp_path: Path,
    isolated: Path,
    set_path: SetPath,
    late_clock: Ticking,
    monkeypatch: pytest.MonkeyPatch,
) -> Prefix:
    """Return an environment of a host and two plugins, with its index."""
    directory = tmp_path / "venv"
    monkeypatch.setattr(sys, "prefix", str(directory))
    monkeypatch.setattr(sys, "executable", str(directory / "bin" / "python"))
    made = Prefix(directory, isolated, set_path)
    made.install(HOST, LOADERS)
    assert late_clock.ahead
    return made


def error(name: str = "yaml", **options: Any) -> NoMatches:
    with pytest.raises(NoMatches) as caught:
        DriverManager[Any](GROUP, name, **options)
    return caught.value


def today() -> str:
    return time.strftime("%Y-%m-%d", time.localtime(fs.clock() // 10**9))


# --------------------------------------------------------------- what is remembered


def test_a_driver_that_was_uninstalled_is_named_with_distribution_day_and_command(
    prefix: Prefix, run: Run
) -> None:
    prefix.uninstall("acme_loaders")
    command = f"uv pip install --python {prefix.directory} acme-loaders"
    assert str(error()) == (
        "no extension named 'yaml' in group 'acme.loaders'. Available: 'json'.\n"
        f"'yaml' was declared by acme-loaders 1.4 until {today()}.\n"
        f"To install what is missing, run `{command}`."
    )
    assert error().install == command
    assert "was declared by" not in str(error("toml"))
    assert error("toml").install == ""
    code, out, _ = run("why", GROUP, "yaml")
    assert code == 1
    assert f"'yaml' was declared by acme-loaders 1.4 until {today()}.\n" in out
    assert f"To install what is missing, run `{command}`.\n" in out


def test_the_command_lists_what_was_lost_and_one_command_that_installs_all(
    prefix: Prefix, run: Run
) -> None:
    prefix.install(dist("acme-more", "2", points("toml", group="acme.others")))
    assert run("lost") == (
        0,
        "No plugin that is known to have been installed here is missing.\n",
        "",
    )
    prefix.uninstall("acme_loaders")
    prefix.uninstall("acme_more")
    code, out, err = run("lost")
    command = f"uv pip install --python {prefix.directory} acme-loaders acme-more"
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "group         name  distribution      until",
        f"acme.loaders  yaml  acme-loaders 1.4  {today()}",
        f"acme.others   toml  acme-more 2       {today()}",
        f"To install what is missing, run `{command}`.",
    ]
    text = "No distribution named 'acme-more' is installed. It was until"
    for command in ("list", "check"):
        err = run(command, "--distribution", "acme-more")[2]
        assert err == f"{text} {today()}: run `lazyplug lost`.\n"
    text = "No plugin that is known to have been installed here is missing in group"
    expected = f"{text} 'Acme.others'; did you mean 'acme.others' or 'acme.loaders'?\n"
    assert run("lost", "Acme.others")[1] == expected
    found = run_json(run, "lost", "acme.others")
    assert found == {
        "lost": [
            {
                "group": "acme.others",
                "name": "toml",
                "value": "plug_acme:toml",
                "distribution": "acme-more 2",
                "until": today(),
                "note": "",
                "requirement": "acme-more",
            }
        ],
        "install": f"uv pip install --python {prefix.directory} acme-more",
    }
    assert [row["name"] for row in run_json(run, "lost", "acme.*")["lost"]] == [
        "yaml",
        "toml",
    ]


def test_an_empty_group_names_the_plugins_that_it_had(prefix: Prefix) -> None:
    prefix.install(dist("acme-many", "1", points(*"abcdefg", group="acme.many")))
    prefix.uninstall("acme_many")
    with pytest.raises(NoMatches, match="declared by acme-many 1 until") as caught:
        ExtensionManager[Any]("acme.many").map(print)
    text = str(caught.value)
    assert text.count("was declared by") == 5
    assert "\nAnd 2 more: run `lazyplug lost`.\n" in text
    assert caught.value.install.endswith(" acme-many")


def test_nothing_is_remembered_while_nothing_is_lost(prefix: Prefix) -> None:
    prefix.install(dist("acme-more", "2", points("toml")))
    prefix.uninstall("acme_loaders")
    assert prefix.lost() == ["yaml"]
    shutil.rmtree(prefix.cache)
    prefix.start()
    assert not prefix.file().exists()


def test_a_plugin_that_came_back_from_any_distribution_is_not_lost(
    prefix: Prefix, run: Run
) -> None:
    prefix.uninstall("acme_loaders")
    prefix.install(dist("acme-fork", "0.1", points("yaml")))
    assert prefix.lost() == []
    prefix.uninstall("acme_fork")
    assert run_json(run, "lost")["lost"][0]["distribution"] == "acme-fork 0.1"


def test_an_upgrade_that_keeps_the_entry_point_loses_nothing(prefix: Prefix) -> None:
    shutil.rmtree(prefix.site / "acme_loaders-1.4.dist-info")
    prefix.install(dist("acme-loaders", "2.0", points("yaml")))
    assert not prefix.file().exists()


def test_an_upgrade_that_dropped_the_entry_point_is_reported_as_that(
    prefix: Prefix,
) -> None:
    shutil.rmtree(prefix.site / "acme_loaders-1.4.dist-info")
    prefix.install(dist("acme-loaders", "2.0", points("toml")))
    assert (
        f"'yaml' was declared by acme-loaders 1.4 until {today()};"
        " acme-loaders 2.0 is installed, and no longer declares it.\n"
    ) in str(error())
    assert error().install.endswith(" acme-loaders==1.4")


def test_an_upgrade_that_renamed_the_entry_point_names_it_and_installs_nothing(
    prefix: Prefix,
) -> None:
    shutil.rmtree(prefix.site / "acme_loaders-1.4.dist-info")
    renamed = "[acme.loaders]\nyml = plug_acme:yaml\n"
    prefix.install(dist("acme-loaders", "2.0", renamed))
    assert str(error()).endswith(
        f"\n'yaml' was declared by acme-loaders 1.4 until {today()};"
        " acme-loaders 2.0 declares it as 'yml' in group 'acme.loaders'."
    )
    assert error().install == ""


def test_an_entry_point_that_was_edited_away_is_lost(prefix: Prefix) -> None:
    file = prefix.site / "acme_loaders-1.4.dist-info" / "entry_points.txt"
    file.write_text(points("toml"))
    assert prefix.start() == ["json", "toml"]
    assert prefix.lost() == ["yaml"]


def test_an_environment_that_another_python_version_recreated_still_knows(
    prefix: Prefix, run: Run
) -> None:
    shutil.rmtree(prefix.directory)
    new = plant(prefix.directory / "lib/python3.13/site-packages", HOST)
    assert prefix.start(new) == ["json"]
    assert "'yaml' was declared by acme-loaders 1.4 until" in str(error())
    assert [row["name"] for row in run_json(run, "lost")["lost"]] == ["yaml"]
    plant(new, LOADERS)
    assert prefix.start(new) == ["json", "yaml"]
    assert prefix.lost() == []


def test_programs_are_no_lost_plugins(prefix: Prefix) -> None:
    scripts = points("acme", group="console_scripts") + points(
        "gui", group="gui_scripts"
    )
    prefix.install(dist("acme-tool", entry_points=scripts))
    prefix.uninstall("acme_tool")
    assert not prefix.file().exists()


# ------------------------------------------- what another `sys.path` has is not lost


def test_what_only_another_python_version_of_the_prefix_has_is_not_lost(
    prefix: Prefix, run: Run
) -> None:
    other = plant(prefix.directory / "lib/python3.13/site-packages", HOST)
    assert prefix.start(other) == ["json"]
    assert prefix.start() == ["json", "yaml"]
    assert not prefix.file().exists()
    prefix.uninstall("acme_loaders")
    assert prefix.lost() == ["yaml"]
    prefix.start(other)
    assert run_json(run, "lost")["lost"] == []


@pytest.mark.parametrize("inside", ["extra", "venv/src", "venv/extra/site-packages"])
def test_a_plugin_that_was_seen_only_with_pythonpath_is_not_lost_without_it(
    inside: str, prefix: Prefix, tmp_path: Path
) -> None:
    extra = plant(tmp_path / inside, dist("acme-extra", entry_points=points("extra")))
    prefix.start()
    for _ in range(2):
        assert prefix.start(extra, prefix.site) == ["extra", "json", "yaml"]
        assert prefix.start() == ["json", "yaml"]
    prefix.install(dist("acme-more", "2", points("toml")))
    assert prefix.start(extra, prefix.site) == ["extra", "json", "yaml", "toml"]
    assert not prefix.file().exists()


def test_what_went_from_a_directory_outside_the_prefix_is_not_lost(
    prefix: Prefix, tmp_path: Path
) -> None:
    user = plant(
        tmp_path / "user" / "site-packages",
        dist("acme-user", entry_points=points("me")),
    )
    assert prefix.start(prefix.site, user) == ["json", "yaml", "me"]
    shutil.rmtree(user / "acme_user-1.0.dist-info")
    assert prefix.start(prefix.site, user) == ["json", "yaml"]
    assert not prefix.file().exists()


def test_an_older_index_of_another_view_hides_no_loss(
    prefix: Prefix, tmp_path: Path
) -> None:
    extra = plant(tmp_path / "extra", {})
    prefix.start(extra, prefix.site)
    prefix.install(dist("acme-more", "2", points("toml")))
    prefix.uninstall("acme_more")
    assert prefix.lost() == ["toml"]


def test_a_plugin_that_pythonpath_shadows_is_not_lost(
    prefix: Prefix, tmp_path: Path
) -> None:
    extra = plant(tmp_path / "extra", dist("acme-loaders", "9", points("xml")))
    assert prefix.start(extra, prefix.site) == ["xml", "json"]
    assert prefix.start() == ["json", "yaml"]
    assert not prefix.file().exists()


def test_each_view_of_a_prefix_reports_the_day_on_which_the_first_noticed(
    prefix: Prefix, tmp_path: Path, late_clock: Ticking
) -> None:
    extra = plant(tmp_path / "extra", {})
    prefix.start(extra, prefix.site)
    prefix.start()
    first = today()
    prefix.uninstall("acme_loaders")
    late_clock.ahead += 9 * DAY * 10**9
    assert prefix.start(extra, prefix.site) == ["json"]
    assert f"until {first}" in str(error())


def test_a_plugin_is_lost_if_its_path_entry_goes_with_it(
    prefix: Prefix, tmp_path: Path
) -> None:
    # An editable install adds a path entry: the index before it is older.
    source = plant(tmp_path / "source", {})
    prefix.install(dist("acme-editable", entry_points=points("edit")))
    shutil.rmtree(prefix.site / "acme_editable-1.0.dist-info")
    prefix.start()
    shutil.rmtree(prefix.cache)
    prefix.start()
    prefix.install(dist("acme-editable", entry_points=points("edit")))
    (index,) = prefix.cache.glob("*.json")
    old = index.read_bytes()
    prefix.start(source, prefix.site)
    index.write_bytes(old)
    os.utime(index, (1, 1))
    shutil.rmtree(prefix.site / "acme_editable-1.0.dist-info")
    assert prefix.start() == ["json", "yaml"]
    assert prefix.lost() == ["edit"]


# ----------------------------------------------------- what a failure shows is no loss


def test_a_directory_that_cannot_be_listed_has_lost_nothing(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fs.listdir

    def refuse(path: Any = ".") -> list[str]:
        if path == str(prefix.site):
            raise PermissionError(13, "Permission denied", path)
        return real(path)  # type: ignore[no-any-return]

    with monkeypatch.context() as patch:
        patch.setattr(fs, "listdir", refuse)
        os.utime(prefix.site, (5, 5))
        assert prefix.start() == []
    assert prefix.start() == ["json", "yaml"]
    assert not prefix.file().exists()


def test_a_file_that_cannot_be_read_has_lost_nothing(prefix: Prefix) -> None:
    file = prefix.site / "acme_loaders-1.4.dist-info" / "entry_points.txt"
    file.write_bytes(b"\xff\xff")
    assert prefix.start() == ["json"]
    assert not prefix.file().exists()


def test_an_upgrade_that_a_start_saw_half_finished_loses_nothing(
    prefix: Prefix, run: Run
) -> None:
    shutil.rmtree(prefix.site / "acme_loaders-1.4.dist-info")
    assert prefix.start() == ["json"]
    prefix.install(dist("acme-loaders", "2.0", points("yaml")))
    assert prefix.lost() == []
    assert run_json(run, "lost") == {"lost": [], "install": ""}


def test_what_an_interrupted_pip_left_behind_is_not_reported_as_lost(
    prefix: Prefix, run: Run
) -> None:
    directory = prefix.site / "acme_loaders-1.4.dist-info"
    directory.rename(prefix.site / "~cme_loaders-1.4.dist-info")
    assert prefix.start() == ["json"]
    assert "An interrupted pip left these entry points behind" in str(error())
    assert "was declared by" not in str(error())
    shutil.rmtree(prefix.site / "~cme_loaders-1.4.dist-info")
    prefix.start()
    assert run_json(run, "lost")["lost"][0]["distribution"] == "acme-loaders 1.4"


def test_what_a_frozen_index_answers_for_is_not_lost(prefix: Prefix, run: Run) -> None:
    assert run("freeze", "--output", str(prefix.directory / "lazyplug.index"))[0] == 0
    assert prefix.start() == ["json", "yaml"]
    prefix.install(dist("acme-more", "2", points("toml")))
    prefix.uninstall("acme_more")
    assert prefix.start() == ["json", "yaml"]
    assert "yaml" not in prefix.lost()


# ----------------------------------------------------------------------- the cache


@pytest.mark.parametrize("mode", ["off", "readonly"])
def test_without_a_cache_to_write_nothing_is_remembered(
    mode: str, prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("LAZYPLUG_CACHE", mode)
        prefix.uninstall("acme_loaders")
        assert "was declared by" not in str(error())
        assert not prefix.file().exists()
    prefix.start()
    assert prefix.lost() == ["yaml"]
    monkeypatch.setenv("LAZYPLUG_CACHE", mode)
    assert ("was declared by" in str(error())) == (mode == "readonly")


def test_a_failure_to_write_is_logged_at_debug_level(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = fs.open

    def refuse(path: Any, *rest: Any, **named: Any) -> Any:
        if ".lost." in os.fsdecode(path):
            raise OSError(28, "No space left on device")
        return real(path, *rest, **named)

    monkeypatch.setattr(fs, "open", refuse)
    with caplog.at_level(logging.DEBUG, "lazyplug"):
        prefix.uninstall("acme_loaders")
    assert prefix.start() == ["json"]
    assert "was declared by" not in str(error())
    assert f"{prefix.file().name} cannot be written: [Errno 28]" in caplog.text
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_a_warm_start_does_not_open_the_file(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix.uninstall("acme_loaders")
    opened: list[str] = []
    real = fs.open

    def note(path: Any, *rest: Any, **named: Any) -> Any:
        opened.append(os.fsdecode(path))
        return real(path, *rest, **named)

    monkeypatch.setattr(fs, "open", note)
    assert prefix.start() == ["json"]
    assert [os.path.splitext(path)[1] for path in opened if "cache" in path] == [
        ".json"
    ]
    error()
    assert str(prefix.file()) in opened


def test_losses_that_another_process_writes_at_the_same_time_are_kept(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Loss(
        int(time.time()), str(prefix.site), "b-1.dist-info", "b", "other", "b", "m:x"
    )
    before: list[bool] = []
    real, replace = losses._is_gone, fs.replace

    def write_another(index: Any, loss: Loss) -> bool:
        prefix.file().write_bytes(encode(str(prefix.directory), [other]))
        return real(index, loss)

    def note(old: Any, new: Any, **named: Any) -> None:
        before.append(prefix.file().exists())
        replace(old, new, **named)

    monkeypatch.setattr(losses, "_is_gone", write_another)
    monkeypatch.setattr(fs, "replace", note)
    prefix.uninstall("acme_loaders")
    assert prefix.lost() == ["b", "yaml"]
    assert before[0]  # a process that found no file would write only its own losses


@posix
def test_the_file_is_private(prefix: Prefix) -> None:
    prefix.uninstall("acme_loaders")
    assert prefix.file().stat().st_mode & 0o777 == 0o600


@posix
def test_a_file_that_others_can_write_is_ignored(prefix: Prefix) -> None:
    prefix.uninstall("acme_loaders")
    prefix.file().chmod(0o666)
    assert "was declared by" not in str(error())


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda content: content[:-9],
    "a byte": lambda content: content.replace(b"1.4", b"1.5"),
    "no title": lambda content: content.partition(b"\n")[2],
    "a line with few fields": lambda _: encode("/p", []) + b"\n[]",
    "another prefix": lambda _: encode(
        "/p", [Loss(9**10, "/p/s", "f", "k", GROUP, "yaml", "m")]
    ),
    "no JSON": lambda _: b"\xff\0{",
    "a list": lambda _: b"[]\n[]",
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_ignored_and_replaced(
    name: str, prefix: Prefix, run: Run
) -> None:
    prefix.uninstall("acme_loaders")
    prefix.file().write_bytes(DAMAGES[name](prefix.file().read_bytes()))
    assert "was declared by" not in str(error())
    code, out, _ = run("cache", "verify")
    assert code == 1
    assert f"damaged  {prefix.file().name}: " in out
    prefix.uninstall("acme_host")
    assert prefix.lost() == ["json"]
    assert run("cache", "verify")[0] == 0


def test_cache_commands_know_the_file(prefix: Prefix, run: Run) -> None:
    prefix.uninstall("acme_loaders")
    name = prefix.file().name
    assert f"ok       {name}" in run("cache", "verify")[1]
    assert run_json(run, "cache", "prune")["removed"] == []
    prefix.file().write_bytes(b"")
    assert run_json(run, "cache", "prune")["removed"] == [name]
    prefix.uninstall("acme_host")
    assert name in run_json(run, "cache", "clear")["removed"]
    assert not prefix.file().exists()


def test_prune_removes_the_file_of_an_environment_that_was_removed(
    prefix: Prefix, run: Run
) -> None:
    prefix.uninstall("acme_loaders")
    shutil.rmtree(prefix.directory)
    assert prefix.file().name in run_json(run, "cache", "prune")["removed"]


def test_losses_expire_after_half_a_year(
    prefix: Prefix, late_clock: Ticking, run: Run
) -> None:
    prefix.uninstall("acme_loaders")
    late_clock.ahead += 179 * DAY * 10**9
    assert run_json(run, "lost")["lost"]
    late_clock.ahead += 2 * DAY * 10**9
    assert run_json(run, "lost")["lost"] == []
    prefix.uninstall("acme_host")
    assert prefix.lost() == ["json"]
    old = time.time() - storage.LOST_MAX_AGE - DAY
    os.utime(prefix.file(), (old, old))
    assert run_json(run, "cache", "prune")["removed"] == [prefix.file().name]


def test_the_file_keeps_a_thousand_losses_the_newest_and_none_of_excessive_size() -> (
    None
):
    losses = [Loss(when, "/s", "f", "k", "g", str(when), "v") for when in range(1500)]
    losses.append(Loss(9999, "/s", "f", "k", "g", "n" * 5000, "v"))
    _, kept = decode(encode("/p", losses))
    assert [loss.when for loss in kept] == list(range(1499, 499, -1))
    longest = [Loss(n, "p", "f", "k", "g", "n" * 1900, "v") for n in range(1500)]
    assert len(encode("/p", longest)) < 2_100_000


@pytest.mark.once
def test_processes_that_notice_at_the_same_time_leave_one_valid_file(
    prefix: Prefix,
) -> None:
    shutil.rmtree(prefix.site / "acme_loaders-1.4.dist-info")
    code = (
        "import sys; prefix, site = sys.argv[1:]; sys.prefix = prefix;"
        "import lazyplug, time; sys.path.insert(0, site);"
        "[lazyplug.ExtensionManager('acme.loaders') for _ in range(20)]"
    )
    command = [sys.orig_argv[0], "-c", code, str(prefix.directory), str(prefix.site)]
    root = str(Path(lazyplug.__file__).parents[1])
    environ = {**os.environ, "PYTHONPATH": root}
    running = [subprocess.Popen(command, env=environ) for _ in range(8)]
    assert [process.wait(60) for process in running] == [0] * 8
    assert prefix.lost() == ["yaml"]
    assert not list(prefix.cache.glob(".*"))


# -------------------------------------------------------------- plugins that are known


def test_a_known_plugin_that_is_missing_is_named_with_its_distribution(
    prefix: Prefix, caplog: pytest.LogCaptureFixture
) -> None:
    known = {"toml": "acme-toml>=2", "json": "acme-host"}
    command = f"uv pip install --python {prefix.directory} 'acme-toml>=2'"
    text = (
        "'toml' is declared by acme-toml>=2, which is not installed.",
        f"To install what is missing, run `{command}`.",
    )
    assert str(error("toml", known=known)).endswith("\n".join(["", *text]))
    assert error("toml", known=known).install == command
    with pytest.raises(NoMatches, match="acme-toml>=2, which is not installed"):
        ExtensionManager[Any](GROUP, known=known)["toml"]
    assert not caplog.records
    NamedExtensionManager[Any](GROUP, ["toml", "xml", "json"], known=known)
    assert [record.message for record in caplog.records] == [
        "Could not find toml, xml. Run `lazyplug why GROUP NAME`.",
        " ".join(text),
    ]
    caplog.clear()
    NamedExtensionManager[Any](
        GROUP, ["toml"], known=known, on_missing_entrypoints_callback=None
    )
    assert not caplog.records


def test_a_known_distribution_that_is_installed_is_not_named(prefix: Prefix) -> None:
    assert prefix.start()
    assert "declared by" not in str(error("xml", known={"xml": "acme_Host[x]"}))


def test_what_was_lost_says_more_than_what_is_known(prefix: Prefix) -> None:
    prefix.uninstall("acme_loaders")
    text = str(error(known={"yaml": "acme-loaders"}))
    assert "was declared by acme-loaders 1.4" in text
    assert "is declared by" not in text


# ------------------------------------------------------------- how to install it


RECEIPT = """
[tool]
requirements = [
    {{ name = "venv", specifier = ">=1" }},
    {{ name = "acme-more", extras = ["x"] }},
    {{ name = "acme-loaders" }},
    {{ name = "acme-local", editable = "/src/local" }},
]
{python}
"""
INSTALLERS: list[tuple[Tree, str]] = [
    ({}, "uv pip install --python PREFIX acme-loaders"),
    (
        {PYTHON: dist("pip", "26.0")},
        "PREFIX/bin/python -m pip install acme-loaders",
    ),
    (
        {"uv-receipt.toml": RECEIPT.format(python='python = "3.12"')},
        (
            "uv tool install --python 3.12 'venv>=1' --with 'acme-more[x]'"
            " --with-editable /src/local --with acme-loaders"
        ),
    ),
    (
        {"uv-receipt.toml": "[tool]\nrequirements = 3"},
        "uv tool install venv --with acme-loaders",
    ),
    ({"uv-receipt.toml": "\0"}, "uv tool install venv --with acme-loaders"),
    ({"pipx_metadata.json": "{}"}, "pipx inject venv acme-loaders"),
    (
        {
            "conda-meta": {
                "history": "==> now <==\n+forge/noarch::acme-loaders-1.4-py_0\n"
            }
        },
        "conda install --prefix PREFIX acme-loaders",
    ),
    (
        {"conda-meta": {"history": "+main/noarch::acme-1.4-py_0\n"}},
        "uv pip install --python PREFIX acme-loaders",
    ),
]


@posix
@pytest.mark.parametrize(("tree", "command"), INSTALLERS)
def test_the_command_is_that_of_the_installer_of_the_environment(
    tree: Tree, command: str, prefix: Prefix
) -> None:
    plant(prefix.directory, tree)
    prefix.uninstall("acme_loaders")
    assert error().install == command.replace("PREFIX", str(prefix.directory))


def test_a_python_that_the_system_manages_has_no_command(
    prefix: Prefix, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prefix.uninstall("acme_loaders")
    plant(tmp_path / "library", {"EXTERNALLY-MANAGED": "[externally-managed]\n"})
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    monkeypatch.setattr(os, "__file__", str(tmp_path / "library" / "os.py"))
    text = str(error())
    assert "was declared by acme-loaders 1.4" in text
    assert "To install" not in text


@pytest.mark.usefixtures("prefix")
@pytest.mark.parametrize("name", ["--index-url=https://host", "a\nb", "", "\x1b[2J"])
def test_text_that_is_no_requirement_is_not_put_into_a_command(name: str) -> None:
    assert installer.install_command([name]) == ""


@posix
@pytest.mark.usefixtures("prefix")
def test_the_words_of_a_command_are_quoted() -> None:
    assert installer.install_command(["a; rm b"]).endswith(" 'a; rm b'")


def test_the_error_can_be_pickled(prefix: Prefix) -> None:
    prefix.uninstall("acme_loaders")
    copy = pickle.loads(pickle.dumps(error()))  # noqa: S301
    assert copy.install.endswith(" acme-loaders")
    assert json.dumps(copy.install)
