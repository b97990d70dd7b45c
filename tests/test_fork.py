"""Test that a forked child gives up the imports of other threads."""

import _thread
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from lazyplug import _environment, _fork, _frozen_index, _preload
from lazyplug._import_target import keep_modules
from lazyplug.testing import dist
from tests.support.fixtures import SetPath


class Unexpected:
    """An object in `sys.modules` that raises what no import expects."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(name)


def make_module(initializing: object) -> Any:
    return SimpleNamespace(__spec__=SimpleNamespace(_initializing=initializing))


def make_lock(owner: object) -> Any:
    return lambda: None if owner is None else SimpleNamespace(owner=owner)


def test_locks_and_unfinished_imports_of_other_threads_are_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, other = _thread.get_ident(), _thread.get_ident() + 1
    locks = {
        "fork_mine": make_lock(own),
        "fork_odd": make_lock(other),
        "fork_begun": make_lock(other),
        "fork_done": make_lock(other),
        "fork_gone": make_lock(None),
    }
    monkeypatch.setitem(
        sys.modules, "_frozen_importlib", SimpleNamespace(_module_locks=locks)
    )
    unfinished = {"fork_mine": make_module(True), "fork_begun": make_module(True)}
    for name, found in {
        **unfinished,
        "fork_odd": Unexpected(),
        "fork_done": make_module(False),
    }.items():
        monkeypatch.setitem(sys.modules, name, found)
    _fork.give_up_imports()
    assert list(locks) == ["fork_mine"]
    assert "fork_begun" not in sys.modules
    assert {"fork_mine", "fork_odd", "fork_done"} <= sys.modules.keys()


def test_a_script_that_is_a_link_is_followed_to_its_target(tmp_path: Path) -> None:
    for name, target in (("one", "two"), ("two", "deep/three"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
    assert _frozen_index.follow_links(str(tmp_path / "one")) == str(
        tmp_path / "deep/three"
    )
    assert _frozen_index.follow_links(str(tmp_path / "file")) == str(tmp_path / "file")
    _frozen_index.follow_links(str(tmp_path / "loop"))  # ends


def test_the_directory_of_the_target_of_a_linked_script_is_volatile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "prog.py").write_text("")
    (tmp_path / "prog").symlink_to("real/prog.py")
    (tmp_path / "linked").symlink_to("real")
    here = str(tmp_path / "real")
    for script in ("prog", "linked/prog.py", "real/prog.py"):
        main = SimpleNamespace(__file__=str(tmp_path / script))
        monkeypatch.setitem(sys.modules, "__main__", main)
        assert _environment.classify_path([here], "/") == ((here,), frozenset({0}))
    for script in ("elsewhere.py", "gone/prog.py"):
        main = SimpleNamespace(__file__=str(tmp_path / script))
        monkeypatch.setitem(sys.modules, "__main__", main)
        assert _environment.classify_path([here], "/") == ((here,), frozenset())


def test_keeping_modules_does_not_fail_if_one_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, _preload.__name__, None)
    monkeypatch.delattr(lazyplug, "_preload", raising=False)
    keep_modules()  # the import of `_preload` fails, which is ignored


def test_a_distribution_in_a_damaged_archive_is_none(
    tmp_path: Path, set_path: SetPath
) -> None:
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in dict(dist("foo", entry_points="[g]\na = m:f\n"))[
            "foo-1.0.dist-info"
        ].items():
            archive.writestr(f"foo-1.0.dist-info/{name}", text)
    set_path(path)
    (point,) = lazyplug.entry_points(group="g")
    assert point.dist.version == "1.0"
    path.write_bytes(b"no archive any more")
    assert point.dist is None
