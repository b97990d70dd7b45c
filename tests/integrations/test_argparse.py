"""Test that plugins are subcommands, and only the selected one is imported."""

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import Choice, ExtensionManager, Facts
from lazyplug.integrations.argparse import PluginParser, add_plugins
from lazyplug.testing import dist, plant
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")


@pytest.fixture
def plugs(site: PlantSite, prepend_path: SetPath) -> Path:
    """Return a site directory with commands, of which some are broken."""
    directory = site(
        {
            "plug_greet.py": '''
                def add(parser):
                    """Greet 100 % of them."""
                    parser.add_argument("who")
                    parser.set_defaults(run=lambda options: f"hello {options.who}")
                ''',
            "plug_bare.py": "add = lambda parser: parser.add_argument('--x')\n",
            "plug_bad.py": "'''Is bad.'''\nraise OSError('on purpose')\n",
            **dist(
                "commands",
                entry_points="[app.commands]\ngreet = plug_greet:add\nbad = plug_bad\n"
                "gone = plug_nowhere:x\nno = not a reference\nown = plug_bad\n",
            ),
            "bare-1.dist-info": {
                "METADATA": "Name: bare\nVersion: 1\nSummary: What it is for.\n",
                "entry_points.txt": "[app.commands]\nbare = plug_bare:add\n",
            },
        }
    )
    prepend_path(directory)
    return directory


def host(plugins: Any = "app.commands") -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="host")
    commands = parser.add_subparsers(parser_class=PluginParser)
    commands.add_parser("own", help="The host's own.").set_defaults(own=True)
    add_plugins(commands, plugins)
    return parser


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("plug_")}


def output_of(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    """Return what a command line prints that ends the program."""
    with pytest.raises(SystemExit) as raised:
        host().parse_args(arguments)
    assert raised.value.code == code
    found = capsys.readouterr()
    return " ".join((found.out + found.err).split())


def test_the_help_screen_describes_each_plugin_and_imports_none(
    plugs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = output_of(capsys, 0, "--help")
    for line in (
        "own The host's own.",
        "greet Greet 100 % of them.",
        "bare What it is for.",
        "bad Is bad.",
        "gone (cannot be used: no module named 'plug_nowhere')",
        "no (cannot be used: not a valid reference (expected `module:attr`))",
    ):
        assert line in output
    assert imported() == set()


def test_only_the_selected_plugin_is_imported(
    plugs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = host().parse_args(["greet", "you"])
    assert options.run(options) == "hello you"
    assert imported() == {"plug_greet"}
    output = output_of(capsys, 0, "greet", "--help")
    assert "usage: host greet [-h] who Greet 100 % of them." in output
    assert "usage: host bare [-h] [--x X]" in output_of(capsys, 0, "bare", "--help")
    assert "unrecognized arguments: --y" in output_of(capsys, 2, "bare", "--y")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad", "could not be loaded: OSError: on purpose"),
        ("gone", "ModuleNotFoundError: No module named 'plug_nowhere'"),
        ("no", "'not a reference' is not a valid reference (expected `module:attr`)"),
    ],
)
def test_the_error_for_an_unusable_plugin_names_its_distribution(
    name: str, reason: str, plugs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = output_of(capsys, 1, name)
    assert output.startswith(f"host {name}: error: entry point '{name} = ")
    assert reason in output
    assert "declared by commands 1.0 in" in output


def test_a_command_of_the_host_takes_precedence_over_a_plugin_of_the_same_name(
    plugs: Path,
) -> None:
    assert host().parse_args(["own"]).own is True
    assert imported() == set()


def test_a_manager_selects_the_subcommands(plugs: Path) -> None:
    manager = ExtensionManager[Any]("app.commands", choice=Choice(allow=["greet"]))
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(parser_class=PluginParser)
    add_plugins(commands, manager)
    assert list(commands.choices) == ["greet"]


def test_a_fact_is_the_help_text_of_a_subcommand_and_imports_nothing(
    plugs: Path,
) -> None:
    (plugs / "plug_titled.py").write_text(
        "APP = {'title': '50 % nicer'}\nraise AssertionError('not to be imported')\n"
    )
    plant(plugs, dist("titled", entry_points="[app.commands]\nnice = plug_titled\n"))
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any]("app.commands", facts=Facts(declared="APP"))
    parser = argparse.ArgumentParser(prog="host")
    commands = parser.add_subparsers(parser_class=PluginParser)
    add_plugins(commands, manager, help_fact="title")
    printed = " ".join(parser.format_help().split())
    assert "nice 50 % nicer" in printed
    # Of the others no title is known: their help is that of their source.
    assert "greet Greet 100 % of them." in printed
    assert imported() == set()


def test_a_help_fact_needs_a_manager_with_facts(plugs: Path) -> None:
    commands = argparse.ArgumentParser().add_subparsers(parser_class=PluginParser)
    text = "^help_fact='title' needs facts: pass facts= to the manager$"
    with pytest.raises(ValueError, match=text):
        add_plugins(commands, "app.commands", help_fact="title")
