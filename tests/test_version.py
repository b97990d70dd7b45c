"""Test that `version()` answers as importlib.metadata does, without importing it."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

import lazyplug
from lazyplug.testing import dist, isolated_index, plant
from tests.support.children import ask


@pytest.mark.parametrize("name", ["my-app", "My.App", "my_app", "MY--APP"])
def test_the_version_is_that_of_importlib_metadata(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = plant(tmp_path / "site", dist("my_app", "2.3"))
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    with isolated_index():
        assert lazyplug.version(name) == "2.3" == importlib.metadata.version(name)


def test_the_first_path_entry_that_has_the_distribution_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = plant(tmp_path / "b", dist("app", "2"))
    old = plant(tmp_path / "a", dist("app", "1"))
    # A directory without metadata is not a distribution.
    empty = plant(tmp_path / "c", {"app-0.dist-info": {"RECORD": ""}})
    monkeypatch.setattr(sys, "path", [str(empty), str(new), str(old), *sys.path])
    with isolated_index():
        assert lazyplug.version("app") == "2"


def test_several_in_one_directory_are_left_to_importlib_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = plant(tmp_path / "site", {**dist("app", "1"), **dist("app", "2")})
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    with isolated_index():
        assert lazyplug.version("app") == importlib.metadata.version("app")


@pytest.mark.parametrize("name", ["no-such-distribution", "~pp"])
def test_an_unknown_distribution_raises_what_importlib_metadata_raises(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(plant(tmp_path / "s", {})), *sys.path])
    with (
        isolated_index(),
        pytest.raises(importlib.metadata.PackageNotFoundError, match=name),
    ):
        lazyplug.version(name)


def test_an_empty_name_is_an_error_as_in_importlib_metadata() -> None:
    with isolated_index(), pytest.raises(ValueError, match="name is required"):
        lazyplug.version("")


def test_a_finder_of_the_host_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distribution(importlib.metadata.Distribution):
        def read_text(self, filename: str) -> str | None:
            return "Name: found\nVersion: 9\n" if filename == "METADATA" else None

        def locate_file(self, path: object) -> Path:
            raise NotImplementedError

    class Finder:
        @staticmethod
        def find_spec(*_: object) -> None: ...

        @staticmethod
        def find_distributions(context: object) -> list[Distribution]:
            return [Distribution()]

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with isolated_index():
        assert lazyplug.version("found") == "9"


def test_the_version_of_an_installed_distribution_needs_no_importlib_metadata() -> None:
    code = """
        import json, sys
        import lazyplug
        lazyplug.version("pytest")
        print(json.dumps(["importlib.metadata" in sys.modules, "email" in sys.modules]))
    """
    assert ask(code) == [False, False]
