"""Test where the cache directory is, with platformdirs and without it."""

import ntpath
import os
import sys
import types
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from lazyplug import _cache_home, _settings
from lazyplug._cache_home import plain_cache_dir
from lazyplug._settings import default_cache_dir
from tests.support.users import posix

HOMES = [
    {"HOME": "/home/me"},
    {"HOME": "/home/me/"},
    {"HOME": "/home/m\u00e9 and you"},
    {"HOME": "/"},
    {"HOME": "//net/me"},
    {"HOME": "/home/me", "XDG_CACHE_HOME": ""},
    {"HOME": "/home/me", "XDG_CACHE_HOME": "/var/me"},
    {"HOME": "/home/me", "XDG_CACHE_HOME": "/var/me/"},
    {"HOME": "/home/me", "XDG_CACHE_HOME": "/"},
    {"HOME": "/home/me", "XDG_CACHE_HOME": "relative"},
    {"HOME": "/home/me", "XDG_CACHE_HOME": "~/cache"},
    {"HOME": "/home/me", "XDG_CACHE_HOME": " "},
    {"HOME": "relative"},
    {"HOME": ""},
    {"XDG_CACHE_HOME": "/var/me"},
    {},
]


@pytest.mark.parametrize("environ", HOMES, ids=str)
@pytest.mark.parametrize("platform", ["linux", "darwin"])
@posix
def test_the_default_cache_directory_is_that_of_platformdirs(
    platform: str, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from platformdirs import macos, unix

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    platform_class = {"linux": unix.Unix, "darwin": macos.MacOS}[platform]
    default = default_cache_dir(platform, environ)
    if default is not None:
        assert default == platform_class("lazyplug", appauthor=False).user_cache_dir
        assert default == plain_cache_dir(platform, environ, os.path.expanduser("~"))


def test_the_default_cache_directory_of_common_platforms_needs_no_platformdirs() -> (
    None
):
    home = {"HOME": "/home/me"}
    assert default_cache_dir("linux", home) == "/home/me/.cache/lazyplug"
    assert default_cache_dir("darwin", home) == "/home/me/Library/Caches/lazyplug"
    local = {"LOCALAPPDATA": "C:\\Users\\me\\AppData\\Local"}
    assert default_cache_dir("win32", local) is not None
    assert default_cache_dir("emscripten", home) is None


@pytest.mark.parametrize(
    "environ",
    [
        {"LOCALAPPDATA": "C:\\Users\\me\\AppData\\Local"},
        {"LOCALAPPDATA": "C:\\Users\\me\\AppData\\Local\\"},
        {"LOCALAPPDATA": "d:\\a\\..\\b"},
        {"LOCALAPPDATA": "C:/Users/me"},
        {"LOCALAPPDATA": "\\\\server\\share\\me"},
        {"LOCALAPPDATA": "C:relative"},
        {"LOCALAPPDATA": "relative"},
    ],
    ids=str,
)
def test_the_default_cache_directory_on_windows_is_that_of_platformdirs(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import platformdirs.windows as module

    windows: Any = module
    # On other systems: Windows' paths, and the variable, not the shell's answer.
    windows_os = SimpleNamespace(path=ntpath, environ=environ)
    monkeypatch.setattr(windows, "os", windows_os)
    monkeypatch.setattr(windows, "get_win_folder", windows.get_win_folder_from_env_vars)
    for ours in (_settings, _cache_home):
        monkeypatch.setattr(ours, "os", windows_os)
    default = default_cache_dir("win32", environ)
    if default is not None:
        assert default == plain_cache_dir("win32", environ, "C:\\Users\\you")
        assert default == windows.Windows("lazyplug", appauthor=False).user_cache_dir


@pytest.mark.parametrize(
    ("platform", "environ"),
    [
        ("win32", {}),
        ("win32", {"LOCALAPPDATA": "relative"}),
        (
            "win32",
            {"LOCALAPPDATA": "C:\\x", "WIN_PD_OVERRIDE_LOCAL_APPDATA": "D:\\y"},
        ),
        ("linux", {"HOME": "/data/me", "ANDROID_DATA": "/data"}),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "relative"}),
        ("darwin", {"HOME": "/home/me", "XDG_CACHE_HOME": "/var/me"}),
        ("darwin", {"HOME": "relative"}),
        ("ios", {"HOME": "/home/me"}),
        ("freebsd14", {}),
    ],
)
def test_platformdirs_is_used_in_an_unusual_environment(
    platform: str, environ: dict[str, str]
) -> None:
    assert default_cache_dir(platform, environ) is None


def test_in_an_unusual_environment_the_answer_of_platformdirs_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from platformdirs import PlatformDirs

    monkeypatch.delenv("LAZYPLUG_CACHE_DIR")
    monkeypatch.setattr(_settings, "default_cache_dir", lambda *_: None)
    expected = PlatformDirs("lazyplug", appauthor=False).user_cache_dir
    assert _settings.get_cache_directory() == expected


def test_platformdirs_is_used_for_an_unusual_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from platformdirs import PlatformDirs

    monkeypatch.delenv("LAZYPLUG_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    expected = PlatformDirs("lazyplug", appauthor=False).user_cache_dir
    # Older versions use the relative path.
    known = expected if os.path.isabs(expected) else None
    assert _settings.get_cache_directory() == known

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no home")

    monkeypatch.setattr(
        "platformdirs.PlatformDirs",
        lambda *_, **__: types.SimpleNamespace(user_cache_dir="relative/lazyplug"),
    )
    assert _settings.get_cache_directory() is None
    monkeypatch.setattr("platformdirs.PlatformDirs", fail)
    assert _settings.get_cache_directory() is None
    # Without a place for the index, each process scans; the answer is the same.
    assert lazyplug.entry_points(group="console_scripts")


# ----------------------------------------------------------------- without platformdirs


@pytest.mark.parametrize(
    ("platform", "environ", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/me/.cache/lazyplug"),
        ("linux", {"ANDROID_DATA": "/data"}, "/home/me/.cache/lazyplug"),
        ("darwin", {"XDG_CACHE_HOME": "/var/me"}, "/var/me/lazyplug"),
        ("darwin", {"XDG_CACHE_HOME": "x"}, "/home/me/Library/Caches/lazyplug"),
        ("emscripten", {}, "/home/me/.cache/lazyplug"),
        ("freebsd14", {"XDG_CACHE_HOME": "/var/me"}, "/var/me/lazyplug"),
        ("freebsd14", {"LOCALAPPDATA": "C:\\me"}, "/home/me/.cache/lazyplug"),
    ],
)
@posix
def test_without_platformdirs_an_unusual_environment_has_the_usual_directory(
    platform: str,
    environ: dict[str, str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("LAZYPLUG_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **environ}.items():
        monkeypatch.setenv(name, value)
    assert default_cache_dir(platform, os.environ) is None
    assert _settings.get_cache_directory() == expected


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("", "C:\\Users\\me\\AppData\\Local\\lazyplug\\Cache"),
        ("relative", "C:\\Users\\me\\AppData\\Local\\lazyplug\\Cache"),
        ("C:relative", "C:\\Users\\me\\AppData\\Local\\lazyplug\\Cache"),
        ("\\\\server\\share\\me", "\\\\server\\share\\me\\lazyplug\\Cache"),
        ("D:/me/../you", "D:\\you\\lazyplug\\Cache"),
    ],
)
def test_without_platformdirs_windows_has_the_usual_directory(
    local: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache_home, "os", SimpleNamespace(path=ntpath))
    environ = {"LOCALAPPDATA": local}
    assert plain_cache_dir("win32", environ, "C:\\Users\\me") == expected


@posix
def test_without_platformdirs_a_relative_home_has_no_cache_directory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    for name in ("LAZYPLUG_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "relative")
    assert _settings.get_cache_directory() is None
    assert lazyplug.entry_points(group="console_scripts")
