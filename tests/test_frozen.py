"""Test that a frozen index answers elsewhere, and that its faults are reported."""

import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyplug
from lazyplug import (
    DriverManager,
    ExtensionManager,
    NoMatches,
    _environment,
    _frozen_index,
    _settings,
)
from lazyplug._indexing.freeze import anchor_path, freeze_index
from lazyplug.cli import doctor as doctor  # noqa: PLC0414 - for another sys.path
from lazyplug.cli import main
from lazyplug.cli.diagnosis import cache as diagnosis_cache
from lazyplug.testing import dist, plant
from tests.support.children import ask, python
from tests.support.clock import Ticking, hour_ahead_clock, process
from tests.support.environments import plant_raw
from tests.support.fixtures import PlantSite
from tests.support.frozen import Environment
from tests.support.index_format import TITLE_LENGTH, from_bytes, title
from tests.support.oracle import answer, trees
from tests.support.owners import owner_of
from tests.support.properties import examples
from tests.support.scans import note_scans

CHECKED, TRUSTED = False, True


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Return an environment with two plugins in group g."""
    env = Environment(tmp_path, monkeypatch)
    plant(
        env.site,
        {
            "plug.py": "one = 'one'\ntwo = 'two'\n",
            **dist("first", entry_points="[g]\none = plug:one\n[h]\nx = plug:one\n"),
            **dist("second", entry_points="[g]\ntwo = plug:two\n"),
            **dist("nothing"),
        },
    )
    return env


def names(group: str = "g") -> list[str]:
    return sorted(point.name for point in lazyplug.entry_points(group=group))


def problems_but_of_metadata() -> list[lazyplug.Problem]:
    # METADATA is read if it decides something, which other directories may change.
    return sorted(
        problem
        for problem in lazyplug.problems()
        if os.path.basename(problem.path) not in ("METADATA", "PKG-INFO")
    )


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return note_scans(monkeypatch)


# ------------------------------------------------------ answers of a frozen index


@pytest.mark.parametrize("options", [(), ("--trust",)])
@pytest.mark.usefixtures("clean_sys_modules")
def test_a_copy_of_the_environment_is_answered_from_the_frozen_index(
    options: tuple[str, ...], env: Environment, scans: list[str], isolated: Path
) -> None:
    env.freeze(*options)
    env.copied("image")
    scans.clear()
    assert names() == ["one", "two"]
    assert DriverManager[Any]("g", "two").driver == "two"
    (point,) = lazyplug.entry_points(group="h")
    assert point.dist is not None
    assert point.dist.name == "first"
    assert owner_of(point)[1] == str(env.site)
    assert scans == []
    assert not isolated.exists()


def test_queries_and_refresh_do_not_write_the_frozen_index(env: Environment) -> None:
    env.freeze()
    before = env.file.read_bytes(), env.file.stat().st_mtime_ns
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    lazyplug.invalidate_caches()
    assert names() == ["one", "three", "two"]
    lazyplug.refresh()
    assert main(["refresh"]) == 0
    assert (env.file.read_bytes(), env.file.stat().st_mtime_ns) == before


def test_a_frozen_index_is_reproducible_with_source_date_epoch(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    env.freeze()
    before = env.file.read_bytes()
    env.copied("elsewhere")
    env.freeze()
    assert env.file.read_bytes() == before
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    env.freeze()
    assert env.file.read_bytes() != before


def test_a_frozen_index_is_readable_by_every_user_whatever_the_umask(
    env: Environment,
) -> None:
    before = os.umask(0o077)
    try:
        env.freeze()
    finally:
        os.umask(before)
    assert env.file.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("level", "seen"), [("full", 3), ("dirs", 3), ("none", 2)])
def test_new_distributions_are_found_unless_the_check_level_is_none(
    level: str, seen: int, env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.freeze()
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    monkeypatch.setenv("LAZYPLUG_CHECK", level)
    lazyplug.invalidate_caches()
    assert len(names()) == seen


def test_an_upgrade_and_a_removal_are_detected_by_directory_names(
    env: Environment,
) -> None:
    env.freeze()
    (env.site / "first-1.0.dist-info").rename(env.site / "first-2.0.dist-info")
    lazyplug.invalidate_caches()
    (point,) = lazyplug.entry_points(group="h")
    assert point.dist is not None
    assert owner_of(point)[2] == "first-2.0.dist-info"
    shutil.rmtree(env.site / "first-2.0.dist-info")
    lazyplug.invalidate_caches()
    assert names() == ["two"]


def test_an_empty_environment_can_be_frozen(
    env: Environment,
) -> None:
    shutil.rmtree(env.site)
    env.freeze()
    assert names() == []
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    lazyplug.invalidate_caches()
    assert names() == ["three"]


def test_families_and_all_groups_are_answered_from_a_frozen_index(
    env: Environment,
) -> None:
    plant(
        env.site, dist("family", entry_points="[app.a]\nx = plug\n[app.b]\ny = plug\n")
    )
    env.freeze("--trust")
    found = ExtensionManager[Any]("app.*")
    assert [extension.name for extension in found] == ["x", "y"]
    assert lazyplug.entry_points().groups == {"g", "h", "app.a", "app.b"}


def test_problems_have_the_paths_of_the_copied_environment(
    env: Environment,
) -> None:
    plant(env.site, dist("bad", entry_points="[g]\nno equals\n"))
    plant(env.site, {"~left-1.dist-info": {"METADATA": "Name: left\n"}})
    env.freeze()
    env.copied("image")
    found = {(problem.path, problem.line) for problem in lazyplug.problems()}
    assert found == {
        (str(env.site / "bad-1.0.dist-info" / "entry_points.txt"), 2),
        (str(env.site / "~left-1.dist-info"), 0),
    }


# ------------------------------------------------------- with other path entries


@pytest.mark.parametrize("trust", [CHECKED, TRUSTED])
@examples(100)
@given(tree=trees(), data=st.data())
def test_with_any_other_path_entries_the_answer_equals_that_of_a_scan(
    trust: bool,
    tmp_path_factory: pytest.TempPathFactory,
    tree: dict[str, dict[str, Any]],
    data: st.DataObject,
) -> None:
    root = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    built = root / "built"
    for site, content in tree.items():
        plant_raw(built / site, content)
    some = data.draw(st.lists(st.sampled_from(sorted(tree)), unique=True), "frozen")
    order = data.draw(st.permutations(sorted(tree)), "sys.path")
    with process([], root / "cache", hour_ahead_clock()):
        frozen = freeze_index(
            [
                (anchor_path(str(built / s), str(built), True), str(built / s))
                for s in some
            ],
            0,
            trusted=trust,
        )
    (built / "x.index").write_bytes(frozen)
    built.rename(root / "moved")
    path = [str(root / "moved" / site) for site in order]
    with process(path, root / "cache", hour_ahead_clock()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "off")
            expected = answer()
            problems = problems_but_of_metadata()
            patch.setenv("LAZYPLUG_INDEX", str(root / "moved" / "x.index"))
            for mode in ("off", "on", "on", "readonly"):
                patch.setenv("LAZYPLUG_CACHE", mode)
                lazyplug.invalidate_caches()
                assert answer() == expected
                assert problems_but_of_metadata() == problems
        lazyplug.invalidate_caches()
        assert answer() == expected  # and without it again
    shutil.rmtree(root)


def test_only_path_entries_that_are_not_frozen_are_scanned(
    env: Environment, site: PlantSite, scans: list[str]
) -> None:
    env.freeze("--trust")
    other = site(dist("third", entry_points="[g]\nthree = plug:one\n"))
    env.path(other, env.site)
    scans.clear()
    assert names() == ["one", "three", "two"]
    assert set(scans) == {"third-1.0.dist-info"}
    lazyplug.invalidate_caches()
    scans.clear()
    assert names() == ["one", "three", "two"]


def test_the_cached_index_of_a_replaced_frozen_index_is_not_used(
    env: Environment, site: PlantSite, late_clock: Ticking
) -> None:
    other = site(dist("third", entry_points="[g]\nthree = plug:one\n"))
    env.freeze("--trust")
    env.path(other, env.site)
    assert names() == ["one", "three", "two"]
    shutil.rmtree(env.site / "first-1.0.dist-info")
    lazyplug.invalidate_caches()
    assert names() == ["one", "three", "two"]
    env.path(env.site)
    env.freeze("--trust")
    env.path(other, env.site)
    assert names() == ["three", "two"]
    assert main(["cache", "verify"]) == 0


def test_a_rewritten_frozen_index_is_in_effect_at_once(
    env: Environment, site: PlantSite, late_clock: Ticking
) -> None:
    other = site(dist("third", entry_points="[g]\nthree = plug:one\n"))
    for options in ((), ("--trust",)):
        points = env.site / "first-1.0.dist-info" / "entry_points.txt"
        points.write_text("[g]\none = plug:one\n")
        env.path(env.site)
        env.freeze(*options)
        env.path(other, env.site)
        assert names() == ["one", "three", "two"]
        # Of the same version: neither names nor records differ.
        points.write_text("[g]\nnew = plug:one\n")
        env.path(env.site)
        env.freeze(*options)
        env.path(other, env.site)
        assert names() == ["new", "three", "two"]


def test_path_entries_without_metadata_need_not_be_frozen(
    env: Environment, isolated: Path
) -> None:
    env.freeze("--trust", "--path", str(env.site))
    empty = plant(env.root / "empty", {"module.py": ""})
    env.path(empty, env.root / "absent", env.site)
    assert names() == ["one", "two"]
    assert not isolated.exists()
    plant(empty, dist("first", "9"))
    lazyplug.invalidate_caches()
    assert names() == ["two"]


@pytest.mark.parametrize("spelling", ["{}/", "{}/.", "{}/../site-packages"])
def test_path_entries_may_be_spelled_differently_than_in_the_frozen_index(
    spelling: str, env: Environment, isolated: Path
) -> None:
    env.freeze("--trust")
    entry = spelling.format(env.site)
    env.path(entry)
    (point,) = lazyplug.entry_points(group="h")
    assert owner_of(point)[1] == entry
    assert not isolated.exists()


def test_an_addition_to_another_path_entry_is_patched_into_the_index(
    env: Environment, site: PlantSite, late_clock: Ticking
) -> None:
    from lazyplug._indexing import rebuild

    env.freeze("--trust")
    other = site(dist("third", entry_points="[g]\nthree = plug:one\n"))
    env.path(other, env.site)
    assert names() == ["one", "three", "two"]
    plant(other, dist("fourth", entry_points="[g]\nfour = plug:one\n"))
    lazyplug.invalidate_caches()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rebuild, "rebuild", None)
        assert names() == ["four", "one", "three", "two"]


def test_a_path_entry_before_the_frozen_one_shadows_its_distributions(
    env: Environment, site: PlantSite
) -> None:
    env.freeze("--trust")
    before = site(
        {**dist("first", "9"), **dist("nothing", entry_points="[g]\nno = plug\n")}
    )
    env.path(before, env.site)
    assert names() == ["no", "two"]
    env.path(env.site, before)
    # `nothing` declares nothing in the frozen one, which is first.
    assert names() == ["one", "two"]


def test_distributions_in_the_current_directory_take_precedence_over_frozen_ones(
    env: Environment, site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.freeze("--trust")
    here = site(dist("second", entry_points="[g]\nhere = plug:one\n"))
    monkeypatch.chdir(here)
    env.path("", env.site)
    assert names() == ["here", "one"]


def test_a_frozen_current_directory_is_not_scanned(
    env: Environment, monkeypatch: pytest.MonkeyPatch, scans: list[str]
) -> None:
    # As in Lambda, where the task's directory is the current one.
    env.freeze("--trust")
    monkeypatch.chdir(env.site)
    env.path(env.site)
    scans.clear()
    assert names() == ["one", "two"]
    assert scans == []


def test_third_party_finders_are_asked_despite_a_frozen_index(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib_metadata

    env.freeze("--trust")

    class Finder(importlib_metadata.DistributionFinder):
        def find_distributions(self, context: Any = None) -> Any:
            directory = env.root / "elsewhere" / "third-1.0.dist-info"
            return [importlib_metadata.Distribution.at(directory)]

    plant(env.root / "elsewhere", dist("third", entry_points="[g]\nthree = plug:one\n"))
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    assert names() == ["one", "three", "two"]


def zipped(archive: Path, version: str, name: str) -> None:
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(f"first-{version}.dist-info/METADATA", "Name: first\n")
        points = f"[g]\n{name} = plug:one\n"
        file.writestr(f"first-{version}.dist-info/entry_points.txt", points)


def test_an_archive_is_read_only_if_the_frozen_index_is_not_trusted(
    env: Environment,
) -> None:
    archive = env.root / "some.zip"
    for options, later in (((), "after"), (("--trust",), "before")):
        zipped(archive, "1", "before")
        env.path(archive, env.site)
        env.freeze(*options)
        assert names() == ["before", "two"]
        zipped(archive, "1", "after")
        lazyplug.invalidate_caches()
        assert names() == [later, "two"]
        # Where it is not on the path, or behind, it shadows nothing.
        env.path(env.site)
        assert names() == ["one", "two"]
        env.path(env.site, archive)
        assert names() == ["one", "two"]


# ------------------------------------------------------ stale or without metadata


def test_the_error_of_a_stale_trusted_index_says_which_directory_changed(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(86400 * 365))
    env.freeze("--trust")
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    with pytest.raises(NoMatches, match="named 'three'") as raised:
        DriverManager[Any]("g", "three")
    message = str(raised.value)
    frozen = f"{env.file}, frozen 1971-01-01 00:00 UTC"
    assert f"{frozen}, is trusted without checking, but has become stale: " in message
    assert f"{env.site}: 1 added, 0 removed" in message
    assert f"`lazyplug freeze --trust --output {env.file}`" in message
    monkeypatch.setenv("LAZYPLUG_INDEX", "off")
    lazyplug.invalidate_caches()
    assert DriverManager[Any]("g", "three").names() == ["three"]


def test_the_error_of_a_fresh_trusted_index_does_not_mention_it(
    env: Environment,
) -> None:
    env.freeze("--trust")
    with pytest.raises(NoMatches, match="named 'three'") as raised:
        DriverManager[Any]("g", "three")
    assert "frozen" not in str(raised.value)


@pytest.mark.usefixtures("clean_sys_modules")
def test_a_trusted_index_works_without_the_metadata(
    env: Environment,
) -> None:
    env.freeze("--trust")
    for directory in env.site.glob("*.dist-info"):
        shutil.rmtree(directory)
    lazyplug.invalidate_caches()
    assert DriverManager[Any]("g", "two").driver == "two"
    (extension,) = ExtensionManager[Any]("h")
    assert lazyplug.problems() == []
    with pytest.raises(NoMatches, match="named 'three'") as raised:
        DriverManager[Any]("g", "three")
    assert "frozen" not in str(raised.value)
    assert extension.dist is not None


def test_the_error_of_an_untrusted_index_says_that_the_metadata_is_missing(
    env: Environment,
) -> None:
    env.freeze()
    for directory in env.site.glob("*.dist-info"):
        shutil.rmtree(directory)
    lazyplug.invalidate_caches()
    message = f"is not used for {env.site}: the metadata is missing.*freeze --trust`"
    with pytest.raises(NoMatches, match=message):
        DriverManager[Any]("g", "two")


def test_without_metadata_and_frozen_index_the_error_says_what_to_do(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for directory in env.site.glob("*.dist-info"):
        shutil.rmtree(directory)
    text = "is the metadata of the distributions missing"
    with pytest.raises(NoMatches, match=text) as raised:
        DriverManager[Any]("g", "two")
    assert "`lazyplug freeze --trust` where the distri" in str(raised.value)
    # PyInstaller and similar tools set sys.frozen.
    plant(env.site, dist("other", entry_points="[other]\nx = plug\n"))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    lazyplug.invalidate_caches()
    with pytest.raises(NoMatches, match="lazyplug freeze --trust"):
        DriverManager[Any]("g", "two")


# --------------------------------------------------------------- which one is used


def test_the_variable_overrides_use_index_which_overrides_the_environment(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.freeze("--trust")
    others = {}
    for name in ("code", "variable"):
        plant(env.site, dist(name, entry_points=f"[g]\n{name} = plug:one\n"))
        others[name] = str(env.root / name)
        env.freeze("--trust", "--output", others[name])
        assert names() == ["one", "two"]
    monkeypatch.setattr(_settings, "index_override", None)
    lazyplug.use_index(others["code"])
    assert names() == ["code", "one", "two"]
    monkeypatch.setenv("LAZYPLUG_INDEX", others["variable"])
    lazyplug.invalidate_caches()
    assert names() == ["code", "one", "two", "variable"]
    monkeypatch.delenv("LAZYPLUG_INDEX")
    shutil.rmtree(env.site / "first-1.0.dist-info")
    lazyplug.use_index(None)
    assert names() == ["code", "two", "variable"]


@pytest.mark.parametrize("archived", [False, True])
@pytest.mark.usefixtures("clean_sys_modules")
def test_a_frozen_index_in_a_package_is_read_from_the_package(
    archived: bool, env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_settings, "index_override", None)
    staged = env.root / "staged"
    shutil.copytree(env.site, staged)
    plant(staged / "plug_app", {"__init__.py": ""})
    output = str(staged / "plug_app" / "shipped.index")
    env.freeze("--trust", "--path", str(staged), "--output", output)
    moved = env.root / "app"
    if archived:
        moved = Path(shutil.make_archive(str(env.root / "app"), "zip", staged))
    else:
        staged.rename(moved)
    shutil.rmtree(env.site)
    env.path(moved)
    monkeypatch.setattr(sys, "path_importer_cache", {})
    lazyplug.use_index("shipped.index", package="plug_app")
    assert names() == ["one", "two"]
    assert DriverManager[Any]("g", "two").driver == "two"


def test_use_index_raises_if_the_index_cannot_be_used(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_settings, "index_override", None)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        lazyplug.use_index(env.root / "nowhere")
    (env.root / "damaged").write_bytes(b"{}")
    with pytest.raises(ValueError, match="damaged is damaged, or another version"):
        lazyplug.use_index(env.root / "damaged")
    assert _settings.index_override is None


BAD: dict[str, Callable[[Path], object]] = {
    "No such file": lambda file: None,
    "is damaged": lambda file: file.write_bytes(b""),
    "damaged, or another": lambda file: file.write_bytes(b'["lazyplug",2,"x"]\n'),
    "cannot be used: not a regular file": lambda file: file.mkdir(),
    "regular file, too large, or other users": os.mkfifo,
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_frozen_index_is_logged_and_the_environment_is_scanned(
    reason: str,
    env: Environment,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = env.root / "bad"
    BAD[reason](file)
    monkeypatch.setenv("LAZYPLUG_INDEX", str(file))
    for _ in range(2):
        lazyplug.invalidate_caches()
        assert names() == ["one", "two"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("ignoring the frozen index: ")
    assert str(file) in record.message
    assert reason in record.message
    assert "lazyplug freeze" in record.message


def test_a_frozen_index_with_only_some_groups_is_rejected(
    env: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    env.freeze()
    # As an earlier version wrote it, which could leave groups out.
    data = env.file.read_bytes()
    full_header = from_bytes(data).header
    header = full_header.replace(b" all ", b" some ", 1)
    data = title(header) + header + data[TITLE_LENGTH + len(full_header) :]
    env.file.write_bytes(data)
    lazyplug.invalidate_caches()
    assert names() == ["one", "two"]
    assert "contains only some groups, which is not supported" in caplog.text
    assert "Run `lazyplug freeze" in caplog.text


def test_the_index_of_a_cache_is_not_a_frozen_index(
    env: Environment,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert names() == ["one", "two"]
    (file,) = isolated.glob("*.json")
    monkeypatch.setenv("LAZYPLUG_INDEX", str(file))
    lazyplug.invalidate_caches()
    assert names() == ["one", "two"]
    assert "is not a frozen index, but the index of a cache" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="it has other rights there")
def test_an_index_outside_the_environment_that_others_can_write_is_not_trusted(
    env: Environment,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = env.root / "open"
    env.freeze("--trust", "--output", str(file))
    shutil.rmtree(env.site / "first-1.0.dist-info")
    file.chmod(0o666)
    monkeypatch.setenv("LAZYPLUG_INDEX", str(file))
    lazyplug.invalidate_caches()
    assert names() == ["two"]
    assert "other users can write to it" in caplog.text
    file.replace(env.prefix / "other.index")
    monkeypatch.setenv("LAZYPLUG_INDEX", str(env.prefix / "other.index"))
    lazyplug.invalidate_caches()
    assert names() == ["two"]
    # The index in the environment is trusted like its code, whatever its mode.
    monkeypatch.delenv("LAZYPLUG_INDEX")
    (env.prefix / "other.index").rename(env.file)
    lazyplug.invalidate_caches()
    assert names() == ["one", "two"]


def test_damage_that_is_found_later_is_logged_and_the_environment_is_scanned(
    env: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    env.freeze("--trust")
    intact = env.file.read_bytes()
    at = intact.index(b"plug:two")
    env.file.write_bytes(intact[:at] + b"evil:two" + intact[at + 8 :])
    env.path(env.site)
    assert names() == ["one", "two"]
    assert {p.value for p in lazyplug.entry_points(group="g")} == {
        "plug:one",
        "plug:two",
    }
    assert f"{env.file} is damaged" in caplog.text


def test_damage_to_any_byte_changes_no_answer(
    env: Environment, site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.freeze()
    intact = env.file.read_bytes()
    other = site(dist("third", entry_points="[g]\nthree = plug:one\n"))
    monkeypatch.setenv("LAZYPLUG_CACHE", "off")
    for path, expected in (
        ([env.site], ["one", "two"]),
        ([other, env.site], ["one", "three", "two"]),
    ):
        for at in range(0, len(intact), 3):
            env.file.write_bytes(
                intact[:at] + bytes([intact[at] ^ 1]) + intact[at + 1 :]
            )
            env.path(*path)
            assert names() == expected
            assert names("h") == ["x"]


def test_a_damaged_frozen_index_does_not_affect_the_cached_index(
    env: Environment,
    site: PlantSite,
    late_clock: Ticking,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = site(dist("third", entry_points="[g]\nthree = plug:one\n"))
    env.freeze("--trust")
    intact = env.file.read_bytes()
    for directory in env.site.glob("*.dist-info"):
        shutil.rmtree(directory)
    env.file.write_bytes(intact[:-5] + b"?" + intact[-4:])
    for _ in range(2):
        env.path(other, env.site)
        assert names() == ["three"]
        assert f"ignoring the frozen index: {env.file} is damaged" in caplog.text
    env.file.write_bytes(intact)
    env.path(other, env.site)
    assert names() == ["one", "three", "two"]


def test_a_frozen_index_may_be_replaced_while_a_process_runs(
    env: Environment, caplog: pytest.LogCaptureFixture
) -> None:
    env.freeze("--trust")
    assert names("g") == ["one", "two"]
    before = _environment.current()
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    env.freeze("--trust")
    _environment.memo[os.getcwd(), *sys.path] = before
    assert names("h") == ["x"]
    assert names("g") == ["one", "two"]
    changes = lazyplug.refresh()
    assert changes.added == ("third 1.0",)
    assert names("g") == ["one", "three", "two"]
    env.file.unlink()
    assert names("h") == ["x"]
    assert caplog.text == ""


@pytest.mark.parametrize("options", [(), ("--trust",)])
def test_no_descriptor_is_left_open(options: tuple[str, ...], env: Environment) -> None:
    env.freeze(*options)
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        lazyplug.refresh()
        names("h")
        with pytest.raises(NoMatches, match="four"):
            DriverManager[Any]("g", "four")
    assert len(os.listdir("/proc/self/fd")) == before


# --------------------------------------------------------------------- the commands


def test_freeze_describes_the_index_and_thaw_removes_it(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["freeze"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{env.file}: 3 distributions in ")
    assert out.endswith(" path entries, 2 groups, checked at each start\n")
    assert main(["freeze", "--json", "--trust"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["path"], summary["trusted"]) == (str(env.file), True)
    assert main(["thaw"]) == 0
    assert capsys.readouterr().out == f"removed {env.file}\n"
    assert not env.file.exists()
    assert main(["thaw"]) == 1
    assert "does not exist: nothing was removed" in capsys.readouterr().err


def test_thaw_removes_only_frozen_indexes(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    other = env.root / "letter"
    other.write_text("dear")
    assert main(["thaw", "--output", str(other)]) == 1
    assert ": nothing was removed" in capsys.readouterr().err
    assert main(["thaw", "--json", "--output", str(other)]) == 1
    assert "nothing was removed" in json.loads(capsys.readouterr().out)["fault"]
    assert other.read_text() == "dear"
    env.freeze()
    capsys.readouterr()
    assert main(["thaw", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"removed": str(env.file)}


def test_freeze_check_says_whether_the_index_is_fresh_and_what_differs(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["freeze", "--check"]) == 1
    assert "does not exist. Run `lazyplug freeze`" in capsys.readouterr().err
    env.freeze("--trust")
    capsys.readouterr()
    assert main(["freeze", "--check"]) == 0
    assert capsys.readouterr().out == f"{env.file} is up to date\n"
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    shutil.rmtree(env.site / "second-1.0.dist-info")
    points = env.site / "first-1.0.dist-info" / "entry_points.txt"
    points.write_text("[g]\none = plug:two\n[h]\nx = plug:one\n")
    assert main(["freeze", "--check"]) == 1
    lib = env.site
    assert capsys.readouterr().out.splitlines() == [
        f"first-1.0.dist-info in {lib} declares other entry points in 'g'",
        f"second-1.0.dist-info in {lib} was removed",
        f"third-1.0.dist-info in {lib} was added",
        f"{env.file} is stale",
    ]
    assert main(["freeze", "--check", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["differences"]) == 3
    env.file.write_bytes(b"")
    assert main(["freeze", "--check", "--json"]) == 1
    assert "is damaged" in json.loads(capsys.readouterr().out)["fault"]


def test_if_the_index_cannot_be_written_freeze_says_what_to_do(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(env.root / "no" / "such" / "directory")
    assert main(["freeze", "--output", output]) == 1
    err = capsys.readouterr().err
    fault = f"{output} cannot be written: No such file or directory."
    assert f"{fault} Use another file with --output" in err
    assert "set LAZYPLUG_INDEX to its path" in err
    assert main(["freeze", "--path", str(env.root / "none")]) == 1
    assert "none does not exist: nothing was frozen" in capsys.readouterr().err


def test_errors_of_freeze_are_json_if_requested(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, message in (
        (("--output", str(env.root / "no" / "directory")), "No such file or directory"),
        (("--output", str(env.site)), "Is a directory"),
        (("--path", str(env.root / "none")), "does not exist: nothing was frozen"),
        (("--path", str(env.root / "none"), "--check"), "does not exist"),
        (("--check",), "does not exist. Run `lazyplug freeze`"),
    ):
        assert main(["freeze", "--json", *arguments]) == 1
        assert message in json.loads(capsys.readouterr().out)["fault"]


def test_freeze_check_rejects_trust_and_flat(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    env.freeze()
    for option in ("--trust", "--flat"):
        assert main(["freeze", "--check", option]) == 2
        assert (
            "--trust and --flat cannot be used with --check" in capsys.readouterr().err
        )


@pytest.mark.parametrize("value", ["soon", "-1", "1.5", "9" * 12, "9" * 5000])
def test_freeze_rejects_an_invalid_source_date_epoch(
    value: str,
    env: Environment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    assert main(["freeze"]) == 1
    assert "is not a valid time: expected seconds since 1970" in capsys.readouterr().err
    assert not env.file.exists()


def test_a_frozen_index_does_not_depend_on_the_current_directory(
    env: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    scripts = plant(env.prefix / "bin", {})
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(scripts))
    found = set()
    for path in ((env.site,), (scripts, env.site), (env.site, scripts)):
        for directory in (tmp_path, env.site, scripts):
            monkeypatch.chdir(directory)
            monkeypatch.setenv("PWD", str(directory))
            env.path(*path)
            env.freeze()
            found.add(env.file.read_bytes())
    assert len(found) == 1
    env.path("", env.site)
    assert names() == ["one", "two"]


def test_files_that_are_not_metadata_do_not_make_a_frozen_index_stale(
    env: Environment, isolated: Path
) -> None:
    plant(env.site, {"my-info": {}, "EGG-INFO": {}})
    env.freeze()
    plant(env.site, {"your-info": {}, "a.egg": {}})
    assert names() == ["one", "two"]
    assert not isolated.exists()


def test_a_flat_index_answers_for_the_directory_that_contains_it(
    env: Environment, site: PlantSite, isolated: Path
) -> None:
    other = site(dist("second", "9", entry_points="[g]\nnine = plug:one\n"))
    env.path(other, env.site)
    bundle = env.root / "bundle"
    bundle.mkdir()
    output = str(bundle / "lazyplug.index")
    env.freeze("--flat", "--output", output)
    assert main(["freeze", "--check", "--output", output]) == 0
    plant(bundle, {"plug.py": "one = 'one'\n"})
    zipfile.ZipFile(bundle / "base_library.zip", "w").close()
    bundle.rename(env.root / "there")
    env.enter("there")
    env.path(env.root / "there" / "base_library.zip", env.root / "there")
    assert names() == ["nine", "one"]
    assert not isolated.exists()
    (point,) = lazyplug.entry_points(group="h")
    assert owner_of(point)[1] == str(env.root / "there")


def test_doctor_says_whether_a_frozen_index_is_used_and_fresh(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    def findings() -> list[tuple[str | None, str]]:
        capsys.readouterr()
        main(["doctor", "--json"])
        report = json.loads(capsys.readouterr().out)
        return [
            (each["code"], each["message"])
            for each in report["findings"] + report["passed"]
            if each["subject"] == "frozen index"
        ]

    assert findings() == [(None, "none")]
    env.freeze("--trust")
    assert findings() == [(None, f"{env.file} is used, and up to date")]
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    ((code, text),) = findings()
    assert code == "frozen-stale"
    assert text.startswith(f"{env.file} is used, but is stale: third-1.0")
    env.freeze("--trust")
    shutil.rmtree(env.site / "third-1.0.dist-info")
    main(["doctor"])
    assert "third-1.0.dist-info: the metadata has no" not in capsys.readouterr().out
    plant(env.site, dist("third", entry_points="[g]\nthree = plug:one\n"))
    env.freeze()
    shutil.rmtree(env.site / "third-1.0.dist-info")
    lazyplug.invalidate_caches()
    changed = f"{env.site} has other distributions than when it was frozen"
    assert findings() == [("frozen-in-part", f"{env.file} is not used: {changed}")]
    other = plant(env.root / "other", dist("other"))
    env.freeze()
    env.path(env.site, other)
    part = f"{env.file} is used in part"
    assert findings() == [
        ("frozen-in-part", f"{part}: {other} is not in the frozen index")
    ]
    env.freeze("--trust")
    env.path(env.site)
    assert findings() == [("frozen-in-part", f"{part}: {other} is not on sys.path")]
    env.freeze("--trust")
    for directory in env.site.glob("*.dist-info"):
        shutil.rmtree(directory)
    lazyplug.invalidate_caches()
    ((code, text),) = findings()
    assert (code, text.partition(";")[0]) == (
        "frozen-not-checked",
        f"{env.file} is used",
    )
    assert "the metadata is missing, so it cannot be checked" in text
    env.file.write_bytes(b"")
    lazyplug.invalidate_caches()
    ((code, text),) = findings()
    assert code == "frozen-not-usable"
    assert "is damaged" in text


def test_doctor_does_not_call_an_unwritable_cache_an_error_if_it_is_not_needed(
    env: Environment,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(diagnosis_cache, "write", refuse)
    assert main(["doctor"]) == 1
    assert "[cache-not-writable]" in capsys.readouterr().out
    env.freeze("--trust")
    capsys.readouterr()
    assert main(["doctor"]) == 0
    assert "[cache-not-needed]" in capsys.readouterr().out


def test_refresh_says_that_a_frozen_index_is_in_effect(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    env.freeze("--trust")
    assert main(["refresh"]) == 0
    message = f"the frozen index {env.file} is in effect, and was not rewritten. Run"
    assert f"{message} `lazyplug freeze --trust --output" in capsys.readouterr().err


# ------------------------------------------------------------------- learned facts


@pytest.mark.usefixtures("clean_sys_modules")
def test_learned_facts_are_kept_with_a_frozen_index(
    env: Environment,
    late_clock: Ticking,
    isolated: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from lazyplug._static import learning, source

    plant(env.site, {"plug_doc.py": "'''What it does.'''\n"})
    plant(env.site, dist("documented", entry_points="[g]\ndoc = plug_doc\n"))
    env.freeze("--trust")
    assert ExtensionManager[Any]("g")["doc"].summary == "What it does."
    learning.write_all()
    assert [file.suffix for file in isolated.iterdir()] == [".facts"]
    # A write for another environment removes old files.
    env.path(env.site, plant(env.root / "other", dist("third")))
    names()
    assert len(list(isolated.glob("*.facts"))) == 1
    env.path(env.site)
    monkeypatch.setattr(source, "Search", None)
    assert ExtensionManager[Any]("g")["doc"].summary == "What it does."
    assert main(["cache", "verify"]) == 0
    assert main(["cache", "show"]) == 0
    (row,) = [r for r in capsys.readouterr().out.splitlines() if "(frozen)" in r]
    assert str(env.prefix) in row


# ------------------------------------------------------------------- in a process


def test_expanding_an_anchor_returns_the_path(tmp_path: Path) -> None:
    for path in (sys.prefix, f"{sys.prefix}{os.sep}lib", f"{tmp_path}{os.sep}a"):
        directory = str(tmp_path)
        assert (
            _frozen_index.expand_anchor(anchor_path(path, directory, False), directory)
            == path
        )
    inside = str(tmp_path / "a" / "b")
    assert anchor_path(str(tmp_path), inside, True) == "{here}/../.."
    assert _frozen_index.expand_anchor("{here}/../..", "/x/y/z") == "/x"


def test_a_process_that_ignores_variables_ignores_lazyplug_index(
    env: Environment,
) -> None:
    file = env.root / "x.index"
    env.freeze("--trust", "--output", str(file))
    code = """
        import sys
        sys.path.insert(0, sys.argv[1])
        sys.path.append(sys.argv[2])
        import lazyplug, json
        from lazyplug import _environment, _settings
        found = _environment.current().frozen
        print(json.dumps(found and found.label))
    """
    import textwrap

    root = str(Path(lazyplug.__file__).parents[1])
    for flags, expected in (((), str(file)), (("-E",), None), (("-I",), None)):
        done = python(
            *flags,
            "-c",
            textwrap.dedent(code),
            root,
            str(env.site),
            env={"LAZYPLUG_INDEX": str(file)},
        )
        assert json.loads(done.stdout) == expected


def test_a_start_without_a_frozen_index_does_not_import_its_modules() -> None:
    loaded = ask(
        """
        import sys, json, lazyplug
        lazyplug.entry_points(group="g")
        print(json.dumps([m for m in sys.modules if m.startswith("lazyplug")]))
        """
    )
    assert {"lazyplug._environment", "lazyplug._hot"}.intersection(loaded)
    assert not {"lazyplug._frozen_index", "lazyplug._indexing.freeze"} & set(loaded)
