"""Test that a host without lazyplug gets the same answers from the fallback."""

import logging
import sys
from importlib import import_module
from typing import Any

import pytest

from lazyplug.testing import dist, plant, site_directory
from tests.documents.blocks import ROOT

FALLBACK = ROOT / "examples" / "leaving" / "_plugins_fallback.py"
# What a host does with plugins, as values that can be compared.
HOST = '''
"""A host that works with lazyplug, and without."""

import sys

try:
    import lazyplug as plugins
except ImportError:
    from . import _plugins_fallback as plugins

def error_of(function, *args, **options):
    try:
        return function(*args, **options)
    except Exception as error:
        kinds = RuntimeError, KeyError
        known = [getattr(plugins, name) for name in ("NoMatches", "MultipleMatches")]
        return type(error).__name__, [isinstance(error, k) for k in (*kinds, *known)]


def call(extension, word):
    return extension.name, extension.plugin(word)


def handles(manager):
    rows = [(each.name, each.value) for each in manager]
    assert rows == [(each.entry_point.name, each.entry_point.value) for each in manager]
    return manager.names(), rows, len(manager), bool(manager), manager.namespace


def report():
    everything = plugins.ExtensionManager("host.plugins")
    yield handles(everything)
    yield "one" in everything, "none" in everything, everything["two"].value
    yield error_of(everything.__getitem__, "none")
    yield sorted(name for name in sys.modules if name.startswith("host_plug"))
    yield everything["one"].plugin(1), everything["one"].obj
    yield error_of(getattr, everything["broken"], "plugin")
    yield error_of(getattr, everything["absent"], "plugin")
    yield everything.map(call, 2)
    yield everything.map(lambda extension: 1 / (extension.name != "one"))
    yield error_of(plugins.ExtensionManager("host.none").map, call)
    yield handles(plugins.ExtensionManager("host.none"))

    called = plugins.ExtensionManager("host.plugins", True, (4,), {"more": 5})
    yield called.map(lambda extension: (extension.name, extension.obj))
    yield called["one"].obj is called["one"].obj

    named = plugins.NamedExtensionManager("host.plugins", ["two", "one"])
    yield handles(named), named.map(call, 6)
    yield plugins.NamedExtensionManager("host.plugins", []).names()

    driver = plugins.DriverManager("host.plugins", "one")
    yield handles(driver), driver.driver(7), driver.map(call, 8)
    driver = plugins.DriverManager("host.plugins", "two", True, (), {"more": 9})
    yield driver.driver, driver["two"].obj is driver.driver
    yield error_of(plugins.DriverManager, "host.plugins", "none")
    yield error_of(plugins.DriverManager, "host.twice", "same")
    twice = plugins.ExtensionManager("host.twice")
    yield handles(twice), twice["same"].value
    broken = plugins.DriverManager("host.plugins", "broken")
    yield error_of(getattr, broken, "driver")
'''
PLUGINS = {
    "host_plug.py": 'def one(*words, more=0):\n    """Do one.\n\n    And more."""\n'
    "    return ['one', *words, more]\n\n\n"
    "def two(*words, more=0):\n    return ['two', *words, more]\n",
    "host_plug_broken.py": "raise OSError('broken on purpose')\n",
    **dist(
        "host-plug", "1",
        "[host.plugins]\none = host_plug:one\nbroken = host_plug_broken:x\n"
        "two = host_plug:two\nabsent = host_plug:absent\n"
        "[host.twice]\nsame = host_plug:one\n",
    ),
}  # fmt: skip
SECOND = dist("second", "1", "[host.twice]\nsame = host_plug:two\n")


def answers(
    is_installed: bool, patch: pytest.MonkeyPatch, log: pytest.LogCaptureFixture
) -> tuple[str, list[Any], set[str]]:
    """Run the host; return the library that it used, its answers, and who is logged."""
    host = {"__init__.py": HOST, FALLBACK.name: FALLBACK.read_text(encoding="utf-8")}
    log.clear()
    with (
        site_directory({}) as later,
        site_directory({"the_host": host, **PLUGINS}),
        patch.context() as changed,
        log.at_level(logging.WARNING),
    ):
        plant(later, SECOND)
        if not is_installed:
            changed.setitem(sys.modules, "lazyplug", None)
        module = import_module("the_host")
        found = [*module.report()]
    about = ("host_plug_broken:x", "host_plug:absent", "host_plug:one")
    messages = [(each.levelname, each.getMessage()) for each in log.records]
    logged = {f"{level} {n}" for level, m in messages for n in about if n in m}
    return module.plugins.__name__, found, logged


def test_a_host_gets_the_same_answers_with_lazyplug_and_with_the_fallback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    name, with_lazyplug, logged = answers(True, monkeypatch, caplog)
    assert name == "lazyplug"
    name, without, also_logged = answers(False, monkeypatch, caplog)
    assert name == "the_host._plugins_fallback"
    for ours, theirs in zip(with_lazyplug, without, strict=True):
        assert ours == theirs
    # The fallback says nothing of a name that is declared twice.
    assert logged == {*also_logged, "WARNING host_plug:one"}
