"""Compare the output of released programs with and without lazy plugins."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.children import python

# Replaces the call that loads the plugins, as a host would.
OURS = """
import pluggy
from lazyplug.integrations.pluggy import load_entrypoints
pluggy.PluginManager.load_setuptools_entrypoints = (
    lambda pm, group, name=None: load_entrypoints(pm, group, name, lazy={})
)
"""
EAGER, LAZY = OURS.format(False), OURS.format(True)
GROUPS = OURS.format("True, groups=['register_commands']")
CALL = """
import sys
from {0}.cli import cli
try:
    cli({1!r}, prog_name={0!r})
finally:
    names = sorted(n for n in sys.modules if n.startswith("{0}_") and "." not in n)
    print("imported", *names, file=sys.stderr)
"""
LLM = [
    "llm --help",
    "llm plugins",
    "llm plugins --hook register_tools",
    "llm models list",
    "llm tools list",
    "llm fragments loaders",
    "llm templates loaders",
    "llm jq --help",
    "llm gemini --help",
    "llm anthropic count --help",
    "llm no-such-command",
    "llm -m echo hello",
]
SQLITE_UTILS = [
    "sqlite_utils --help",
    "sqlite_utils litecli --help",
    "sqlite_utils no-such-command",
]
DATASETTE = [
    "datasette --help",
    "datasette plugins",
    "datasette serve --get /-/plugins.json",
    "datasette serve --get /",
]


def run(before: str, words: Sequence[str], home: Path) -> tuple[int, str, set[str]]:
    """Return exit code and output of a program, and which plugins it imported."""
    code = before + CALL.format(words[0], list(words[1:]))
    env = {"LLM_USER_PATH": str(home), "COLUMNS": "80"}
    done = python("-c", code, env=env, cwd=home, check=False)
    errors, _, names = done.stderr.rpartition("imported")
    return done.returncode, done.stdout + errors, set(names.split())


def is_same(one: str, other: str) -> bool:
    """Return True if two texts are equal but for the order of the plugins in them.

    pluggy orders plugins as the directory lists them, and `get_plugins` is a set.
    """
    try:
        texts = [sorted(json.dumps(e) for e in json.loads(t)) for t in (one, other)]
    except ValueError:
        texts = [sorted(text.split()) for text in (one, other)]
    return texts[0] == texts[1]


@pytest.mark.parametrize("command", LLM + SQLITE_UTILS + DATASETTE)
def test_a_program_prints_the_same_with_eager_and_with_lazy_plugins(
    command: str, tmp_path: Path
) -> None:
    words = command.split()
    stock = run("", words, tmp_path)
    assert len(stock[2]) > 3
    eager = run(EAGER, words, tmp_path)
    assert (eager[0], eager[2]) == (stock[0], stock[2])
    assert is_same(eager[1], stock[1])
    for lazy in (LAZY, LAZY, GROUPS, GROUPS):
        code, text, plugins = run(lazy, words, tmp_path)
        assert code == stock[0]
        assert is_same(text, stock[1])
        assert plugins <= stock[2]
        if lazy is not GROUPS:
            time.sleep(2.1)  # new files are no longer racy then


def test_a_plugin_that_implements_no_called_hook_is_not_imported(
    tmp_path: Path,
) -> None:
    for _ in range(2):
        _, _, of_llm = run(LAZY, ["llm", "plugins"], tmp_path)
        _, _, of_datasette = run(LAZY, ["datasette", "--help"], tmp_path)
        time.sleep(2.1)
    assert "llm_jq" in of_llm  # it has a command
    assert not {"llm_tools_sqlite", "llm_templates_github"} & of_llm
    assert of_datasette == set()
    _, _, plugins = run(LAZY, ["llm", "templates", "loaders"], tmp_path)
    assert "llm_templates_github" in plugins


def test_a_plugin_is_imported_when_a_command_that_it_adds_is_used(
    tmp_path: Path,
) -> None:
    for command, expected in {
        "llm --help": set(),
        "sqlite_utils --help": set(),
        "datasette --help": set(),
        "llm jq --help": {"llm_jq"},
        "llm anthropic count --help": {"llm_anthropic"},
        "sqlite_utils move-tables --help": {"sqlite_utils_move_tables"},
    }.items():
        words = command.split()
        run(GROUPS, words, tmp_path)
        time.sleep(2.1)
        run(GROUPS, words, tmp_path)
        _, _, plugins = run(GROUPS, words, tmp_path)
        assert plugins == expected, command
