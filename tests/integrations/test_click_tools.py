"""Test that tools for click show a lazy group as they show one that imports all."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import click.shell_completion
import pytest
from click.testing import CliRunner

import lazyplug
from lazyplug import ExtensionManager
from lazyplug._static import learning
from lazyplug.integrations import _command_facts
from lazyplug.integrations.click import LazyGroup
from lazyplug.testing import dist, plant
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")

PLUGINS = {
    "plug_plain.py": '''
        import click

        @click.command(epilog="The end.")
        @click.argument("who", envvar="PLUG_WHO")
        @click.option("--loud", is_flag=True, help="Shout.")
        def plain(who, loud):
            """Run it now.

            And say what came of it.
            """
            click.echo(f"ran {who}")
        ''',
    "plug_words.py": """
        import click

        @click.command(short_help="Short words.", context_settings=dict(obj=1))
        def words():
            '''Long words that nobody sees in a list.'''
        """,
    "plug_hidden.py": """
        import click

        @click.command(hidden=True, help="Nobody sees it.")
        def hidden(): pass
        """,
    "plug_old.py": """
        import click

        @click.command(deprecated=True)
        def old():
            "Was there."
        """,
    "plug_nested.py": """
        import click

        @click.group()
        def nested():
            "Has more."

        @nested.command()
        @click.option("--deep", default=3, help="How deep.")
        def inner(deep):
            "Inside."
            click.echo("inner")

        @nested.group()
        def lower():
            "Lower."

        @lower.command()
        def lowest():
            "Lowest."
        """,
}
POINTS = "[app.commands]\n" + "".join(
    f"{name} = plug_{name}:{name}\n"
    for name in ("words", "plain", "hidden", "old", "nested")
)


@pytest.fixture(autouse=True)
def plugs(site: PlantSite, prepend_path: SetPath, monkeypatch: Any) -> Path:
    """Return a site directory with commands that are older than this process."""
    monkeypatch.setattr(_command_facts, "_BEGAN", 1 << 62)
    directory = site({"__pycache__": {}, **PLUGINS})
    plant(directory, dist("commands", entry_points=POINTS))
    prepend_path(directory)
    return directory


def add_own(group: click.Group) -> click.Group:
    @group.command(name="own")
    def own() -> None:
        """The host's own."""  # noqa: D401 - a help text

    return group


def lazy(base: type[click.Group] = click.Group, **attrs: Any) -> click.Group:
    kind = type("Host", () if base is click.Group else (LazyGroup, base), {})
    kind = LazyGroup if base is click.Group else kind
    group = kind("host", help="The host.", plugins="app.commands", **attrs)
    return add_own(group)


def eager(base: type[click.Group] = click.Group, **attrs: Any) -> click.Group:
    group = add_own(base("host", help="The host.", **attrs))
    for extension in ExtensionManager[Any]("app.commands"):
        group.add_command(extension.plugin, extension.name)
    return group


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("plug_")}


def another_process() -> None:
    """Act as another process: keep only what is on disk."""
    learning.write_all()
    for name in imported():
        del sys.modules[name]
    lazyplug.invalidate_caches()


def help_screens(group: click.Group, *more: str) -> str:
    """Return the help screens of a group and of commands in it."""
    calls: list[tuple[str, ...]] = [(), ("plain",), ("nested",), ("nested", "lower")]
    calls += [(name,) for name in (*more, "words", "hidden", "old")]
    runner = CliRunner()
    return "".join(
        runner.invoke(group, [*call, "--help"], terminal_width=80).output
        for call in calls
    )


def info_dict(group: click.Group) -> str:
    context = click.Context(group, info_name="host")
    return json.dumps(group.to_info_dict(context), indent=1, default=str)


def completions(group: click.Group) -> str:
    complete = click.shell_completion.ShellComplete(group, {}, "host", "_HOST")
    words = [("", ()), ("n", ()), ("", ("nested",)), ("--", ("plain",)), ("--", ("a",))]
    return "".join(
        f"{item.value} {item.help}\n"
        for word, before in words
        for item in complete.get_completions([*before], word)
    )


def collection(group: click.Group) -> str:
    return help_screens(click.CommandCollection("host", sources=[group]))


def sphinx_click(group: click.Group, directory: Path) -> str:
    pytest.importorskip("sphinx_click")
    from sphinx.cmd.build import main

    sys.modules["plug_host"] = module = type(sys)("plug_host")
    module.__dict__["group"] = group
    source = directory / "source"
    text = ".. click:: plug_host:group\n   :prog: host\n   :nested: full\n"
    short = "\nShort\n=====\n\n.. click:: plug_host:group\n   :prog: short\n"
    plant(source, {"conf.py": "", "index.rst": f"Host\n====\n\n{text}{short}"})
    options = ["-q", "-E", "-b", "text", "-D", "extensions=sphinx_click"]
    assert main([*options, str(source), str(directory / "built")]) == 0
    return (directory / "built" / "index.txt").read_text()


def click_man(group: click.Group, directory: Path) -> str:
    core = pytest.importorskip("click_man.core")
    (directory / "man").mkdir(parents=True)
    core.write_man_pages("host", group, target_dir=directory / "man", date="2026-01-01")
    files = sorted((directory / "man").iterdir())
    return "".join(f"{file.name}\n{file.read_text()}" for file in files)


def mkdocs_click(group: click.Group) -> str:
    docs = pytest.importorskip("mkdocs_click._docs")
    more: list[dict[str, Any]] = [{}, {"style": "table", "show_hidden": True}]
    return "\n".join(
        line
        for options in more
        for line in docs.make_command_docs(
            "host", group, list_subcommands=True, **options
        )
    )


def trogon(group: click.Group) -> str:
    introspect = pytest.importorskip("trogon.introspect").introspect_click_app

    def lines(schema: Any, indent: str = "") -> list[str]:
        options = [(o.name, o.help, o.default) for o in schema.options]
        arguments = [(a.name, a.required) for a in schema.arguments]
        function = getattr(schema.function, "__name__", None)
        about = schema.name, schema.docstring, schema.is_group, function
        found = [f"{indent}{about} {options} {arguments}"]
        for each in schema.subcommands.values():
            found += lines(each, f"{indent}  ")
        return found

    group.callback = help_screens  # as the function of a decorated group
    return "\n".join(lines(introspect(group)["root"]))


def click_extra_tree(group: click.Group) -> str:
    tree = pytest.importorskip("click_extra.tree")
    return str(tree.render_command_tree(group))


TOOLS: dict[str, Callable[..., str]] = {
    "help": help_screens,
    "to_info_dict": info_dict,
    "completion": completions,
    "CommandCollection": collection,
    "sphinx-click": sphinx_click,
    "click-man": click_man,
    "mkdocs-click": mkdocs_click,
    "trogon": trogon,
    "click-extra": click_extra_tree,
}


def shown(tool: str, group: click.Group, directory: Path) -> str:
    show = TOOLS[tool]
    directories = [directory] if show in (sphinx_click, click_man) else []
    return show(group, *directories)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_tool_shows_a_lazy_group_as_it_shows_an_eager_one(
    tool: str, tmp_path: Path
) -> None:
    before = shown(tool, lazy(), tmp_path / "before")
    another_process()
    after = shown(tool, lazy(), tmp_path / "after")
    expected = shown(tool, eager(), tmp_path / "expected")
    assert "nested" in expected
    assert before == expected
    assert after == expected


def bases() -> dict[str, Callable[[], type[click.Group]]]:
    return {
        "click": lambda: click.Group,
        "cloup": lambda: pytest.importorskip("cloup").Group,
        "rich-click": lambda: pytest.importorskip("rich_click").RichGroup,
        "click-extra": lambda: pytest.importorskip("click_extra").Group,
        "click-default-group": lambda: (
            pytest.importorskip("click_default_group").DefaultGroup
        ),
    }


@pytest.mark.parametrize("package", bases())
def test_the_help_of_a_lazy_group_of_another_package_equals_that_of_an_eager_one(
    package: str,
) -> None:
    base = bases()[package]()
    screens = [help_screens(lazy(base), "own")]
    another_process()
    screens.append(CliRunner().invoke(lazy(base), ["--help"]).output)
    # For the colors, click-extra asks each command for its options.
    assert (imported() == set()) == (package != "click-extra")
    assert screens[0] == help_screens(eager(base), "own")
    assert screens[1] == CliRunner().invoke(eager(base), ["--help"]).output
    assert "Short words." in screens[1]
    assert "Nobody sees it." not in screens[1]


@pytest.mark.parametrize("package", bases())
def test_a_lazy_group_of_another_package_runs_only_the_plugin_that_is_named(
    package: str,
) -> None:
    group = lazy(bases()[package]())
    assert CliRunner().invoke(group, ["plain", "you"]).output == "ran you\n"
    assert imported() == {"plug_plain"}
    assert CliRunner().invoke(group, ["nested", "inner"]).output == "inner\n"


def test_a_plugin_can_be_the_default_command_of_a_group() -> None:
    base = pytest.importorskip("click_default_group").DefaultGroup
    group = lazy(base, default="plain")
    assert CliRunner().invoke(group, ["you"]).output == "ran you\n"
    assert imported() == {"plug_plain"}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_a_broken_plugin_affects_nothing_else_that_a_tool_shows(
    tool: str, tmp_path: Path, plugs: Path
) -> None:
    expected = shown(tool, eager(), tmp_path / "expected")
    another_process()
    plant(plugs, {"plug_bad.py": "raise OSError('on purpose')\n"})
    points = "[app.commands]\nbad = plug_bad:bad\ngone = plug_nowhere:gone\n"
    plant(plugs, dist("broken", entry_points=points))
    lazyplug.invalidate_caches()
    found = shown(tool, lazy(), tmp_path / "found")
    missing = set(map(str.strip, expected.splitlines())) - set(
        map(str.strip, found.splitlines())
    )
    assert missing <= {line for line in missing if "own" in line and "plain" in line}
    assert "nowhere" in found
    # These ask for no more than the texts, or for the texts first.
    knows = tool not in ("help", "completion", "CommandCollection", "trogon")
    assert ("on purpose" in found) == knows
