"""Test that the commands which hooks add to click groups are lazy commands."""

import sys
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import pluggy
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

import lazyplug
from lazyplug._static import learning
from lazyplug.integrations import _learned_additions, pluggy as integration
from lazyplug.integrations.click import LazyGroup
from lazyplug.integrations.pluggy import load_entrypoints
from lazyplug.testing import dist, plant
from tests.support.clock import rewrite
from tests.support.commands import Run
from tests.support.fixtures import PlantSite, SetPath
from tests.support.properties import examples

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")

hookspec = pluggy.HookspecMarker("host")
HEAD = (
    "import os, sys\nimport click, pluggy\nhookimpl = pluggy.HookimplMarker('host')\n"
    "ON = 'PLUG_ON' in os.environ\n"
)
HOOK = "@hookimpl\ndef register_commands(cli):\n"
GREET = f"""{HOOK}
    @cli.command()
    @click.option("--loud", is_flag=True)
    @click.pass_context
    def greet(ctx, loud):
        '''Greet somebody.

        And say more.
        '''
        click.echo(f"{{cli.name}} {{sorted(cli.commands)}} {{loud}}")
"""
PLUGINS = {
    "plug_greet": GREET,
    "plug_group": f"""{HOOK}
    @cli.group(name="tools", short_help="Short words.")
    def group():
        "Long words."

    @group.command()
    def inner():
        "Inside."
        click.echo("inner")

    group.add_command(click.Command("made", callback=lambda: click.echo("made")))
""",
    "plug_first": """
@hookimpl(tryfirst=True)
def register_commands(cli):
    @cli.command(hidden=True)
    def hidden(): "Nobody sees it."
    @cli.command("old", deprecated=True)
    def other(): "Was there."
""",
    "plug_last": """
@click.command()
def outside():
    "Defined outside."
    click.echo("outside")

TEXT = "A constant."

@hookimpl(trylast=True)
def register_commands(cli):
    from plug_below.commands import below
    cli.add_command(outside)
    cli.add_command(below, "renamed")
    @cli.command(help=TEXT)
    def constant(): pass
""",
    "plug_names": f"""{HOOK}
    own = cli.commands["own"]
    if "greet" in cli.commands and not cli.commands.get("absent"):
        cli.add_command(click_alias)
    params = [each for each in own.params]
@click.command("alias", params=[])
def click_alias(): "After greet."
""",
    "plug_loop": f"""
@click.command()
def one(): "The first."
@click.command()
def two(): "The second."
{HOOK}
    for each in (two, one):
        cli.add_command(each)
""",
    "plug_other": "@hookimpl\ndef register_models(register): register('model')\n",
}
BELOW = {
    "__init__.py": "",
    "commands.py": "import click\n@click.command()\ndef below(): 'Of another module.'\n",
}
# Plugins that are imported, with a part of the reason.
EAGER = {
    "plug_if": (f"{HOOK}    if ON: cli.command()(print)\n", "something else than to"),
    "plug_call": (f"{HOOK}    add(cli)\ndef add(group): pass\n", "something else"),
    "plug_try": (f"{HOOK}    try: pass\n    finally: pass\n", "something else"),
    "plug_name": (f"{HOOK}    cli.name\n", "something else"),
    "plug_keep": (f"{HOOK}    global G\n    G = cli\n", "something else"),
    "plug_inner": (
        f"{HOOK}    def add(): cli.add_command(outside)\n    add()\n"
        "@click.command()\ndef outside(): 'Out.'\n",
        "something else",
    ),
    "plug_condition": (
        f"{HOOK}    if 'x' in cli.commands or ON:\n"
        "        @cli.command()\n        def extra(): 'More.'\n",
        "something else",
    ),
    "plug_variable": (
        f"{HOOK}    it = one if ON else two\n    cli.add_command(it)\n"
        "@click.command()\ndef one(): '1'\n@click.command()\ndef two(): '2'\n",
        "something else",
    ),
    "plug_choice": (
        f"if ON:\n    @click.command()\n    def one(): '1'\n"
        f"else:\n    @click.command()\n    def one(): '2'\n"
        f"{HOOK}    cli.add_command(one)\n",
        "does not show plainly that the hook adds the command 'one'",
    ),
    "plug_computed": (
        f"{HOOK}    @cli.command(help=f'Is {{ON}}.')\n    def computed(): pass\n",
        "printed of the command 'computed' in a list is literal",
    ),
    "plug_hides": (
        f"{HOOK}    @cli.command(hidden=ON)\n    def hides(): 'Hides.'\n",
        "of the command 'hides' in a list is literal",
    ),
    "plug_called": (
        f"{HOOK}    @cli.command('on' if ON else 'off')\n    def called(): 'X.'\n",
        "plainly that the hook adds the command 'off'",
    ),
    "plug_replaces": (
        f"{HOOK}    @cli.command()\n    def own(): 'Another one.'\n",
        "replaces the command 'own'",
    ),
    "plug_below_host": (
        f"{HOOK}    sub = cli.commands['sub']\n    @sub.command()\n    def new(): 'N.'\n",
        "something else",
    ),
    "plug_changes": (
        f"{HOOK}    sub = cli.commands['sub']\n"
        "    it = sub.params.append(click.Option(['--more']))\n",
        "changes more of the group",
    ),
    "plug_returns": (f"{HOOK}    return 1\n", "something else"),
    "plug_imports": (
        f"import host_app\n@host_app.cli.command()\ndef early(): 'Early.'\n{HOOK}"
        "    @cli.command()\n    def late(): 'Late.'\n",
        "import of the plugin adds the command 'early'",
    ),
}


class Specs:
    """The hooks of the host."""

    @hookspec
    def register_commands(self, cli: click.Group, more: str) -> None:
        """Add commands to a group."""

    @hookspec
    def register_models(self, register: Callable[[str], None]) -> None:
        """Register models."""

    @hookspec(historic=True)
    def began(self, cli: click.Group) -> None:
        """Add commands to a group, at any time."""


@pytest.fixture(autouse=True)
def began_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plugins be older than this process: tests have just written them."""
    monkeypatch.setattr(integration, "_BEGAN", 1 << 62)
    monkeypatch.setattr(_learned_additions, "_BEGAN", 1 << 62)


@pytest.fixture
def install(site: PlantSite, prepend_path: SetPath) -> Callable[..., Path]:
    """Return a function that installs plugins, whose modules are these."""

    def make(modules: dict[str, Any], **others: Any) -> Path:
        tree = {f"{name}.py": HEAD + source for name, source in modules.items()}
        directory = site({**tree, **others})
        points = "".join(f"{n.removeprefix('plug_')} = {n}\n" for n in modules)
        # What is learned is not written where a path entry changed meanwhile, as it
        # would by the first bytecode in it.
        declared = dist("plugs", entry_points=f"[host]\n{points}")
        plant(directory, {"__pycache__": {}, **declared})
        prepend_path(directory)
        return directory

    return make


def forget() -> None:
    """Act as a process that has neither imported nor queried plugins."""
    learning.write_all()
    for name in imported():
        del sys.modules[name]
    lazyplug.invalidate_caches()


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("plug_")}


def group_of_host(**options: Any) -> click.Group:
    cli = options.pop("cls", click.Group)("main", **options)

    @cli.command()
    @click.option("--option")
    def own(option: str) -> None:
        """Do what the host does."""
        click.echo(f"own {option}")

    @cli.group()
    def sub() -> None:
        """Have commands."""

    return cli


def host(lazy: bool = True, **options: Any) -> Any:
    pm = pluggy.PluginManager("host")
    pm.add_hookspecs(Specs)
    if lazy:
        options = {"groups": ["register_commands", "began"], **options}
        load_entrypoints(pm, "host", lazy=True, **options)
    else:
        load_entrypoints(pm, "host")
    return pm


def fill(lazy: bool = True, **options: Any) -> click.Group:
    """Return a group that the plugins have filled."""
    cli = group_of_host(**options)
    host(lazy).hook.register_commands(cli=cli, more="more")
    return cli


def filled_before() -> click.Group:
    """Return a group that is filled after a process has learned what is added."""
    fill()
    forget()
    return fill()


def run(cli: click.Group, *arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def state_of(cli: click.Group) -> dict[str, Any]:
    """Return what a host shows of a group."""
    with click.Context(cli, info_name="main") as context:
        found: dict[str, Any] = {"help": cli.get_help(context)}
        found["names"] = [*cli.commands]
        found["texts"] = [
            (each.name, each.help, each.short_help, each.hidden, each.deprecated)
            for each in cli.commands.values()
        ]
        groups = [isinstance(each, click.Group) for each in cli.commands.values()]
        found["groups"] = groups
    return found


# ------------------------------------------------------------------ the same commands


@pytest.mark.parametrize("cls", [click.Group, LazyGroup])
def test_a_group_has_the_same_commands_as_without_laziness(
    install: Callable[..., Path], cls: Any
) -> None:
    install(PLUGINS, plug_below=BELOW)
    options = {"cls": cls, **({"plugins": "none"} if cls is LazyGroup else {})}
    eager = fill(lazy=False, **options)
    expected = state_of(eager)
    with click.Context(eager) as context:
        more = eager.to_info_dict(context)
    forget()
    assert state_of(fill(**options)) == expected
    forget()
    lazy = fill(**options)
    assert imported() == set()
    assert state_of(lazy) == expected
    assert imported() == set()
    with click.Context(lazy) as context:
        assert lazy.to_info_dict(context) == more


def test_a_hook_that_is_not_named_is_called(install: Callable[..., Path]) -> None:
    install(PLUGINS, plug_below=BELOW)
    filled_before()
    models: list[str] = []
    host().hook.register_models(register=models.append)
    assert models == ["model"]
    assert imported() == {"plug_other"}
    forget()
    host(groups=["began"]).hook.register_commands(cli=group_of_host(), more="")
    assert "plug_greet" in imported()


def test_a_command_that_is_used_imports_its_plugin_only(
    install: Callable[..., Path],
) -> None:
    install(PLUGINS, plug_below=BELOW)
    cli = filled_before()
    names = sorted(cli.commands)
    assert run(cli, "greet", "--loud").output == f"main {names} True\n"
    assert imported() == {"plug_greet"}
    assert run(cli, "tools", "inner").output == "inner\n"
    assert run(cli, "tools", "made").output == "made\n"
    assert imported() == {"plug_greet", "plug_group"}
    assert run(cli, "outside").output == "outside\n"
    assert "plug_below.commands" in imported()
    assert "plug_first" not in imported()


def test_a_hook_is_called_once_for_all_its_commands(
    install: Callable[..., Path],
) -> None:
    source = f"""{HOOK}
    @cli.command()
    def one(): click.echo("1")
    @cli.command()
    def two(): click.echo("2")
    calls = sys.plug_calls.append(1)
"""
    sys.plug_calls = []  # type: ignore[attr-defined]
    install({"plug_calls": source})
    cli = filled_before()
    assert [run(cli, name).output for name in ("one", "two", "one")] == [
        "1\n",
        "2\n",
        "1\n",
    ]
    assert sys.plug_calls == [1, 1]  # type: ignore[attr-defined]
    del sys.plug_calls  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(EAGER))
def test_a_plugin_whose_commands_may_differ_is_imported_and_why_says_so(
    install: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    name: str,
) -> None:
    source, reason = EAGER[name]
    install({name: source})

    def seen(lazy: bool) -> dict[str, Any]:
        forget()
        app: Any = type(sys)("host_app")
        app.cli = group_of_host()
        monkeypatch.setitem(sys.modules, "host_app", app)
        pm = host(lazy)
        pm.hook.register_commands(cli=app.cli, more="")
        return state_of(app.cli)

    for on in (False, True, False):
        if on:
            monkeypatch.setenv("PLUG_ON", "1")
        else:
            monkeypatch.delenv("PLUG_ON", raising=False)
        assert seen(True) == seen(False)
    seen(True)
    assert name in imported()
    forget()
    code, output, _ = run("why", "host", name.removeprefix("plug_"))
    assert code == 0
    assert "Imported when the hook 'register_commands' of 'host' is called" in output
    assert reason in output


def test_why_says_nothing_of_a_plugin_whose_commands_are_lazy(
    install: Callable[..., Path], run: Run
) -> None:
    install({"plug_greet": GREET, "plug_if": "if ON:\n    greet = hookimpl(print)\n"})
    filled_before()
    forget()
    assert "Imported" not in run("why", "host", "greet")[1]
    assert "Imported by load_entrypoints() for 'host'" in run("why", "host", "if")[1]


# --------------------------------------------------------------- any hook, as a law

STATEMENTS = [
    "@cli.command()\ndef one(): 'First.'\n",
    "@cli.command('two', help='Second.')\ndef second(): 'Not shown.'\n",
    "@cli.group(hidden=ON)\ndef three(): 'Third.'\n",
    "@cli.command(short_help=f'Short {ON}.')\ndef four(): 'Fourth.'\n",
    "cli.add_command(outside)\n",
    "cli.add_command(outside, 'five')\n",
    "cli.add_command(outside, name='six' if ON else 'seven')\n",
    "cli.add_command(at_random)\n",
    "@click.command()\ndef eight(): 'Eighth.'\ncli.add_command(eight)\n",
    "cli.commands['own'].help = 'Changed.'\n",
    "own = cli.commands['own']\n",
    "own = cli.commands.pop('own', None)\n",
    "add = cli.add_command\nadd(outside, 'nine')\n",
    "add_more(cli)\n",
    "for each in (outside, at_random): cli.add_command(each)\n",
    "for each in COMMANDS: cli.add_command(each)\n",
    "return\n",
    "cli = click.Group('another')\n",
    "@cli.command\ndef ten(): 'Tenth.'\n",
    "@changed\n@cli.command()\ndef eleven(): 'Eleventh.'\n",
    "del cli.commands['own']\n",
    "cli.help = 'Changed.'\n",
    "one = cli.command('twelve')(print)\n",
    "cli.commands['thirteen'] = outside\n",
    "@cli.command()\nclass fourteen(str): 'Fourteenth.'\n",
    "sub = cli.commands.get('sub')\n@sub.command()\ndef fifteen(): 'Fifteenth.'\n",
]
CONTEXTS = [
    "{0}",
    "if ON:\n{1}",
    "if 'one' in cli.commands:\n{1}",
    "if 'own' not in cli.commands:\n{1}else:\n    pass\n",
    "try:\n{1}except (KeyError, UnboundLocalError): pass\n",
    "def inside():\n{1}",
    "def inside():\n{1}inside()\n",
    "with open(os.devnull):\n{1}",
]
AROUND = """
@click.command()
def outside(): 'Outside.'
if ON:
    @click.command()
    def at_random(): 'On.'
else:
    @click.command()
    def at_random(): 'Off.'
COMMANDS = [outside, at_random][ON:]
def add_more(group):
    if ON: group.add_command(outside, 'more')
def changed(command):
    if ON: command.help = 'Changed.'
    return command
"""
PART = st.tuples(st.sampled_from(STATEMENTS), st.sampled_from(["{0}", *CONTEXTS]))


@given(
    hooks=st.lists(st.lists(PART, max_size=3), min_size=1, max_size=2), on=st.booleans()
)
@examples(100)
def test_any_hook_adds_the_same_commands_as_without_laziness(
    hooks: list[list[tuple[str, str]]],
    on: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def indented(text: str) -> str:
        return textwrap.indent(text, "    ")

    tree: dict[str, Any] = {"__pycache__": {}}
    for number, parts in enumerate(hooks):
        body = "".join(around.format(it, indented(it)) for it, around in parts)
        tree[f"plug_{number}.py"] = HEAD + AROUND + HOOK + indented(body + "pass\n")
    points = "".join(f"{n} = plug_{n}\n" for n in range(len(hooks)))
    directory = plant(tmp_path_factory.mktemp("any"), tree)
    plant(directory, dist("any", entry_points=f"[host]\n{points}"))

    def seen(lazy: bool, on: bool) -> Any:
        forget()
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(directory))
            if on:
                patch.setenv("PLUG_ON", "1")
            try:
                cli = fill(lazy)
            except Exception as error:
                return repr(error)
            found = state_of(cli)
            with click.Context(cli) as context:
                return found, cli.to_info_dict(context)

    for is_on in (on, not on, on):
        expected = seen(False, is_on)
        assert seen(True, is_on) == expected
        assert seen(True, is_on) == expected
