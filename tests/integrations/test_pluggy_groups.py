"""Test that the commands which hooks add to click groups are lazy commands."""

import sys
import textwrap
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import click
import pluggy
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from lazyplug.integrations import _filled_groups, _learned_additions
from lazyplug.integrations import pluggy as integration
from lazyplug.integrations._filled_groups import HookCall
from lazyplug.integrations.click import LazyGroup
from lazyplug.integrations.pluggy import load_entrypoints
from lazyplug.testing import dist, plant
from tests.support.clock import rewrite
from tests.support.commands import Run
from tests.support.fixtures import PlantSite, SetPath
from tests.support.learned_facts import forget_plugins, imported
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
    "plug_forms": f"""
import plug_below.commands
from plug_below import commands as others
made = click.Group("made", help="Made by a call.")
{HOOK}
    "Add commands in all ways."
    import plug_below.commands as below
    from plug_below import commands
    cli.add_command(made)
    cli.add_command(cmd=below.below, name="below-1")
    cli.add_command(commands.below, "below-2")
    cli.add_command(plug_below.commands.below, name="below-3")
    cli.add_command(others.below, "below-4")
    if not cli.commands or "made" in cli.commands.keys():
        pass
    elif ("own", "sub") == ():
        return
    @click.command()
    def inner(): "Added by its name."
    cli.add_command(inner)
    async def nothing(): pass
    return None
""",
    "plug_other": "@hookimpl\ndef register_models(register): register('model')\n",
}
BELOW = {
    "__init__.py": "",
    "commands.py": "import click\n@click.command()\n"
    "def below(): 'Of another module.'\n",
}
# Plugins that are imported, by a part of the reason.
COMMANDS_OUTSIDE = """
@click.command()
def one(): 'One.'
@click.command()
def two(): 'Two.'
"""
EAGER = {
    "does something other than add commands, or may add different ones": {
        "if": f"{HOOK}    if ON: cli.command()(print)\n",
        "call": f"{HOOK}    add(cli)\ndef add(group): pass\n",
        "try": f"{HOOK}    try: pass\n    finally: pass\n",
        "name": f"{HOOK}    cli.name\n",
        "keep": f"{HOOK}    global G\n    G = cli\n",
        "decorator": "def my_command(function): function()\n"
        f"{COMMANDS_OUTSIDE}{HOOK}    @my_command\n    def add():\n"
        "        if ON: cli.add_command(one)\n",
        "inner": COMMANDS_OUTSIDE
        + f"{HOOK}    def add(): cli.add_command(one)\n    add()\n",
        "condition": f"{HOOK}    if 'x' in cli.commands or ON:\n"
        "        @cli.command()\n        def extra(): 'More.'\n",
        "variable": COMMANDS_OUTSIDE
        + f"{HOOK}    it = one if ON else two\n    cli.add_command(it)\n",
        "below": f"{HOOK}    sub = cli.commands['sub']\n"
        "    @sub.command()\n    def new(): 'New.'\n",
        "returns": f"{HOOK}    return 1\n",
        "star": f"{HOOK}    cli.add_command(*[one])\n{COMMANDS_OUTSIDE}",
        "computes": f"{HOOK}    cli.add_command(one, 'x' if ON else 'y')\n"
        f"{COMMANDS_OUTSIDE}",
        "adds": f"{HOOK}    made.add_command(one)\n"
        f"made = click.Group('made')\n{COMMANDS_OUTSIDE}",
        "decorates": f"{HOOK}    @made.command()\n    def more(): 'More.'\n"
        "    cli.add_command(made)\nmade = click.Group('made')\n",
        "finds": f"{HOOK}    from plug_finds import made as found\n"
        "    @found.command()\n    def more(): 'More.'\nmade = click.Group('made')\n",
        "binds": f"{HOOK}    made = cli\n    made.command()(print)\n",
        "rebinds": f"{HOOK}    if 'x' in cli.commands:\n        cli = None\n"
        "    else:\n        cli.add_command(one)\n"
        f"{COMMANDS_OUTSIDE}",
        "passes": f"{HOOK}    own = cli.commands['own']\n    copy = [own]\n",
        "walrus": f"{HOOK}    x = (y := 1)\n",
    },
    "the hook does something, but adds no command": {
        "only_calls": f"{HOOK}    x = os.getcwd()\n",
        "only_imports": f"{HOOK}    import string\n",
        "only_makes": f"{HOOK}    @click.group()\n    def it(): 'Not added.'\n",
    },
    "the source does not show plainly how the hook is defined": {
        "async": "@hookimpl\nasync def register_commands(cli): pass\n",
    },
    "the source does not show plainly that the hook adds the command": {
        "choice": f"{COMMANDS_OUTSIDE}if ON:\n    one = two\n"
        f"{HOOK}    cli.add_command(one)\n",
        "duck": "class Duck:\n    name, help, short_help = 'duck', 'Quack.', None\n"
        "    hidden = deprecated = False\n"
        "    def get_short_help_str(self, limit): return 'Quack.'\nduck = Duck()\n"
        f"{HOOK}    cli.add_command(duck)\n",
        "wrapped": f"{HOOK}    @cli.command()\n    @loud\n    def wrapped(): 'X.'\n"
        "def loud(function):\n    def wrapper(): 'Y.'\n    return wrapper\n",
        "called": f"{HOOK}    @cli.command('on' if ON else 'off')\n"
        "    def called(): 'X.'\n",
    },
    "what the help screen shows of the command": {
        "computed": f"{HOOK}    @cli.command(help=f'Is {{ON}}.')\n"
        "    def computed(): pass\n",
        "aliases": "class WithAliases(click.Command):\n"
        "    def __init__(self, *args, aliases, **kwds):\n"
        "        super().__init__(*args, **kwds)\n"
        "        self.aliases = aliases\n"
        f"{HOOK}    @cli.command(cls=WithAliases, aliases=[str(ON)])\n"
        "    def one(): 'One.'\n",
        "hides": f"{HOOK}    @cli.command(hidden=ON)\n    def hides(): 'Hides.'\n",
    },
    "the hook replaces the command 'own'": {
        "replaces": f"{HOOK}    @cli.command()\n    def own(): 'Another one.'\n",
    },
    "the hook changes something in the group other than its new commands": {
        "changes": f"{HOOK}    sub = cli.commands['sub']\n"
        "    it = sub.params.append(click.Option(['--more']))\n",
    },
    "importing the plugin adds the command 'early'": {
        "imports": "import host_app\n@host_app.cli.command()\ndef early(): 'Early.'\n"
        f"{HOOK}    @cli.command()\n    def late(): 'Late.'\n",
    },
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


def group_of_host(cls: type[click.Group] = click.Group, **options: Any) -> click.Group:
    cli = cls("main", **options)

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


def filled_before(**options: Any) -> click.Group:
    """Return a group that is filled after a process has learned what is added."""
    fill(**options)
    forget_plugins()
    return fill(**options)


def invoke(cli: click.Group, *arguments: str) -> Result:
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
    forget_plugins()
    assert state_of(fill(**options)) == expected
    forget_plugins()
    lazy = fill(**options)
    assert imported() == set()
    assert state_of(lazy) == expected
    assert imported() == set()
    with click.Context(lazy) as context:
        assert lazy.to_info_dict(context) == more


class Aliased(click.Group):
    """A group that notes the aliases of its commands when they are made."""

    def __init__(self, *args: Any, **kwds: Any) -> None:
        super().__init__(*args, **kwds)
        self.aliases: dict[str, list[str]] = {}

    def command(self, *args: Any, aliases: Iterable[str] = (), **kwds: Any) -> Any:
        self.aliases.setdefault("", []).extend(aliases)
        return super().command(*args, **kwds)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *self.aliases.get("", ())]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return super().get_command(ctx, name if name in self.commands else "greet")


class Sections(click.Group):
    """A group that always passes its own arguments to `add_command`, as cloup does."""

    def add_command(
        self, cmd: click.Command, name: str | None = None, section: str = ""
    ) -> None:
        super().add_command(cmd, name)
        vars(self).setdefault("sections", []).append((section, name or cmd.name))

    def command(self, *args: Any, section: str = "", **kwds: Any) -> Any:
        def decorate(function: Any) -> click.Command:
            command: click.Command = click.command(*args, **kwds)(function)
            self.add_command(command, section=section)
            self.note(command)
            return command

        return decorate

    def note(self, command: click.Command) -> None:
        """Do nothing, as rich-click does without a panel or aliases."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for _, name in sorted(vars(self)["sections"])]


@pytest.mark.parametrize(
    ("cls", "options", "lazily"),
    [
        (Aliased, "", True),
        (Aliased, "aliases=['hello']", False),
        (Sections, "", True),
        (Sections, "section='Mine'", False),
    ],
)
def test_a_group_of_another_class_is_filled_lazily_if_commands_are_all_that_changes(
    install: Callable[..., Path], cls: Any, options: str, lazily: bool
) -> None:
    install({"plug_a": GREET.replace("command()", f"command({options})")})
    expected = state_of(fill(lazy=False, cls=cls))
    forget_plugins()
    assert state_of(filled_before(cls=cls)) == expected
    assert (imported() == set()) == lazily


def test_a_group_whose_own_method_the_host_replaced_is_filled_by_that(
    install: Callable[..., Path],
) -> None:
    install({"plug_greet": GREET})

    def filled(lazy: bool) -> dict[str, Any]:
        cli: Any = group_of_host()
        cli.command = partial(cli.command, hidden=True)
        host(lazy).hook.register_commands(cli=cli, more="")
        forget_plugins()
        return state_of(cli)

    assert filled(True) == filled(False) == filled(True)


def test_a_hook_that_is_not_named_is_called(install: Callable[..., Path]) -> None:
    install(PLUGINS, plug_below=BELOW)
    filled_before()
    models: list[str] = []
    host().hook.register_models(register=models.append)
    assert models == ["model"]
    assert imported() == {"plug_other"}
    forget_plugins()
    host(groups=["began"]).hook.register_commands(cli=group_of_host(), more="")
    assert "plug_greet" in imported()


def test_a_command_that_is_used_imports_its_plugin_only(
    install: Callable[..., Path],
) -> None:
    install(PLUGINS, plug_below=BELOW)
    cli = filled_before()
    names = sorted(cli.commands)
    assert invoke(cli, "greet", "--loud").output == f"main {names} True\n"
    assert imported() == {"plug_greet"}
    assert invoke(cli, "tools", "inner").output == "inner\n"
    assert invoke(cli, "tools", "made").output == "made\n"
    assert imported() == {"plug_greet", "plug_group"}
    assert invoke(cli, "outside").output == "outside\n"
    assert "plug_below.commands" in imported()
    assert "plug_first" not in imported()


def test_a_group_may_be_given_to_a_hook_twice(install: Callable[..., Path]) -> None:
    install({"plug_greet": GREET})

    def filled() -> list[str]:
        forget_plugins()
        pm, cli = host(), group_of_host()
        for group in (cli, cli, group_of_host()):
            pm.hook.register_commands(cli=group, more="")
        return [*cli.commands]

    assert filled() == filled() == ["own", "sub", "greet"]
    forget_plugins()
    fill()
    assert imported() == set()


def test_commands_that_are_added_by_another_module_at_import_are_noticed(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    early = (
        "import click\nfrom host_app import cli\n@cli.command()\ndef early(): pass\n"
    )
    modules = {
        "__init__.py": "",
        "early.py": early,
        "a.py": f"{HEAD}from . import early\n{GREET}",
        "b.py": HEAD + GREET.replace("greet", "other"),
        "c.py": HEAD + GREET.replace("greet", "third"),
    }
    points = "[host]\na = plug_pack.a\n"
    directory = install({}, plug_pack=modules, **dist("one", entry_points=points))

    def filled() -> list[str]:
        forget_plugins()
        app: Any = type(sys)("host_app")
        app.cli = group_of_host()
        monkeypatch.setitem(sys.modules, "host_app", app)
        host().hook.register_commands(cli=app.cli, more="")
        return [*app.cli.commands]

    assert filled() == filled() == ["own", "sub", "early", "greet"]
    # Those that a hook adds are none of them.
    points = "[host]\nb = plug_pack.b\nc = plug_pack.c\n"
    plant(directory, dist("one", entry_points=points))
    assert filled() == filled() == ["own", "sub", "third", "other"]
    assert imported() == set()


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
    assert [invoke(cli, name).output for name in ("one", "two", "one")] == [
        "1\n",
        "2\n",
        "1\n",
    ]
    assert sys.plug_calls == [1, 1]  # type: ignore[attr-defined]
    del sys.plug_calls  # type: ignore[attr-defined]


def test_threads_that_use_commands_at_once_get_them_from_one_call_of_the_hook(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"""{HOOK}
    call = sys.plug_call()
    @cli.command()
    def one(): click.echo(call)
    @cli.command()
    def two(): click.echo(call)
"""
    calls: list[int] = []

    def call() -> int:
        calls.append(len(calls))
        if calls == [0, 1]:  # another thread is faster
            with ThreadPoolExecutor(1) as pool:
                pool.submit(getattr, cli.commands["two"], "params").result(60)
        return len(calls)

    monkeypatch.setattr(sys, "plug_call", call, raising=False)
    install({"plug_calls": source})
    cli = filled_before()
    assert invoke(cli, "one").output == invoke(cli, "two").output
    assert calls == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:coroutine 'register_commands' was never awaited")
@pytest.mark.parametrize(
    ("name", "reason"),
    [(name, reason) for reason, sources in EAGER.items() for name in sources],
)
def test_a_plugin_whose_commands_may_differ_is_imported_and_why_says_so(
    install: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    name: str,
    reason: str,
) -> None:
    install({f"plug_{name}": EAGER[reason][name]})

    def seen(lazy: bool) -> dict[str, Any]:
        forget_plugins()
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
    assert imported() == {f"plug_{name}"}
    forget_plugins()
    code, output, _ = run("why", "host", name)
    assert code == 0
    assert "Imported when the hook 'register_commands' of 'host' is called" in output
    assert reason in output


def test_why_says_nothing_of_a_plugin_whose_commands_are_lazy(
    install: Callable[..., Path], run: Run
) -> None:
    install({"plug_greet": GREET, "plug_if": "if ON:\n    greet = hookimpl(print)\n"})
    filled_before()
    forget_plugins()
    assert "Imported" not in run("why", "host", "greet")[1]
    assert "Imported by load_entrypoints() for 'host'" in run("why", "host", "if")[1]


sub = click.Command("sub-command")


class Odd(click.Group):
    """A group that does more with the functions that it decorates."""

    group_class = type

    @staticmethod
    def act(group: Any, command: click.Command) -> None:
        """Do what a test sets."""

    def add_command(
        self, cmd: click.Command, name: str | None = None, section: str = ""
    ) -> None:
        super().add_command(cmd, name)

    def command(self, *args: Any, **kwds: Any) -> Any:
        decorator = super().command(*args, **kwds)

        def decorate(function: Any) -> click.Command:
            command: click.Command = decorator(function)
            if command.name == "greet":
                type(self).act(self, command)
            return command

        return decorate


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda group, _: setattr(group, "default", 1), "changes something in the gr"),
        (lambda group, _: delattr(group, "default"), "changes something in the group"),
        (lambda group, _: group.more.append(1), "changes something in the group"),
        (lambda group, _: group.texts.update(x=1), "changes something in the group"),
        (lambda group, _: group.name, ""),
        (lambda group, _: len(group.commands) == len([*group.commands]), ""),
        (lambda group, each: group.commands.update(x=each), "changes something in"),
        (lambda group, _: group.commands.pop("own"), "changes something in the group"),
        (lambda group, _: group.commands.pop("greet"), "changes something in the grou"),
        (lambda group, each: group.add_command(each, "own"), "replaces the command"),
        (lambda group, each: group.add_command(each, "x", "section"), "more arguments"),
        (lambda group, _: group.commands["sub"].add_command(sub), "changes something"),
        (lambda group, _: setattr(group.commands["own"], "help", "X."), "changes some"),
        (lambda group, each: setattr(each, "help", "Text."), "is not all literal in"),
        (lambda group, each: group.add_command(each, "x"), "the command 'x'"),
        (lambda group, each: isinstance(group, str) or 1 / isinstance(group, Odd), ""),
    ],
)
def test_what_the_class_of_a_group_does_is_the_same_as_without_laziness(
    install: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    act: Callable[[Any, click.Command], object],
    reason: str,
) -> None:
    install({"plug_greet": GREET})
    monkeypatch.setattr(Odd, "act", staticmethod(act))

    def seen(lazy: bool) -> Any:
        cli = group_of_host(Odd)
        vars(cli).update(default=0, more=[], texts={})
        host(lazy).hook.register_commands(cli=cli, more="")
        found = state_of(cli), vars(cli).get("default"), imported() == set()
        forget_plugins()
        return found

    expected = seen(False)
    assert seen(True) == expected
    assert seen(True) == (*expected[:2], not reason)
    assert reason in run("why", "host", "greet")[1]


def test_a_group_that_makes_groups_of_its_own_class_still_does(
    install: Callable[..., Path],
) -> None:
    install({"plug_group": PLUGINS["plug_group"]})
    for _ in range(2):
        cli = fill(cls=Odd)
        lazy = imported() == set()
        assert cli.commands["tools"].callback is not None
        assert invoke(cli, "tools", "inner").output == "inner\n"
        with click.Context(cli) as context:
            sub = cli.commands["tools"].make_context("tools", ["inner"]).command
            assert type(sub) is Odd, context
        forget_plugins()
    assert lazy


# --------------------------------------------------------------- any hook, as a law

PLAINLY = [
    "@cli.command()\ndef one(): 'First.'\n",
    "@cli.command('two', help='Second.')\ndef second(): 'Not shown.'\n",
    "@cli.group(name='three', short_help='Third.')\n@kept\ndef group(): 'Long.'\n",
    "@cli.group()\ndef outer(): 'Has one.'\n@outer.command()\ndef x(): 'In it.'\n",
    "cli.add_command(outside)\n",
    "cli.add_command(outside, 'five')\n",
    "cli.add_command(made, name='six')\n",
    "@click.command()\ndef eight(): 'Eighth.'\ncli.add_command(eight)\n",
    "for each in (outside, made): cli.add_command(each)\n",
    "own = cli.commands['own']\nparams = [*own.params]\n",
    "@cli.command\ndef ten(): 'Tenth.'\n",
    "import click as c\n@c.group()\ndef nine(): 'Ninth.'\ncli.add_command(nine)\n",
    "return\n",
]
STATEMENTS = [
    "@cli.group(hidden=ON)\ndef three(): 'Third.'\n",
    "@cli.command(short_help=f'Short {ON}.')\ndef four(): 'Fourth.'\n",
    "cli.add_command(outside, name='six' if ON else 'seven')\n",
    "cli.add_command(at_random)\n",
    "cli.commands['own'].help = 'Changed.'\n",
    "own = cli.commands.pop('own', None)\n",
    "add = cli.add_command\nadd(outside, 'nine')\n",
    "add_more(cli)\n",
    "for each in COMMANDS: cli.add_command(each)\n",
    "cli = click.Group('another')\n",
    "@changed\n@cli.command()\ndef eleven(): 'Eleventh.'\n",
    "del cli.commands['own']\n",
    "cli.help = 'Changed.'\n",
    "one = cli.command('twelve')(print)\n",
    "cli.commands['thirteen'] = outside\n",
    "@cli.command()\nclass fourteen(str): 'Fourteenth.'\n",
    "sub = cli.commands.get('sub')\n@sub.command()\ndef fifteen(): 'Fifteenth.'\n",
    "own = cli.commands['own']\nown.hidden = True\n",
    "@made.command()\ndef sixteen(): 'In another group.'\n",
    "kinds = [type(each) for each in cli.commands.values()]\n",
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
made = click.Group("made", help="Made by a call.")
def kept(function):
    function.kept = True
    return function
def add_more(group):
    if ON: group.add_command(outside, 'more')
def changed(command):
    if ON: command.help = 'Changed.'
    return command
"""
ANY = st.sampled_from(STATEMENTS)
# More often than others, those that can be remembered.
PART = st.tuples(
    st.sampled_from(PLAINLY) | st.sampled_from(PLAINLY) | ANY,
    st.just("{0}") | st.just("{0}") | st.sampled_from(CONTEXTS),
)


@given(
    hooks=st.lists(st.lists(PART, max_size=3), min_size=1, max_size=2), on=st.booleans()
)
@examples(40)
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
        forget_plugins()
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


# ------------------------------------------------------------------ what is remembered


def test_a_plugin_is_imported_again_when_a_source_of_its_commands_changes(
    install: Callable[..., Path],
) -> None:
    directory = install(PLUGINS, plug_below=BELOW)
    below = directory / "plug_below" / "commands.py"
    for file, old, new in (
        (directory / "plug_greet.py", "Greet somebody.", "Greet everybody."),
        (directory / "plug_greet.py", "def greet(", "def welcome("),
        (below, "Of another module.", "Of another file."),
        (below, "'Of another file.'", "str()"),
    ):
        filled_before()
        assert imported() == set()
        rewrite(file, file.read_text().replace(old, new))
        forget_plugins()
        assert state_of(fill()) == state_of(fill(lazy=False))
        assert imported()
        forget_plugins()


def test_commands_depend_on_the_commands_of_the_host_if_the_hook_reads_them(
    install: Callable[..., Path],
) -> None:
    install({"plug_names": PLUGINS["plug_names"], "plug_greet": GREET})
    filled_before()
    assert imported() == set()
    forget_plugins()

    def filled(lazy: bool) -> list[str]:
        cli = group_of_host()
        cli.add_command(click.Command("greet"))
        cli.add_command(click.Command("absent"))
        host(lazy).hook.register_commands(cli=cli, more="")
        return [*cli.commands]

    # "greet" is replaced, and "alias" is not added.
    for names in (filled(False), filled(True), filled(True)):
        assert names == ["own", "sub", "greet", "absent"]
        forget_plugins()


def test_commands_are_remembered_for_several_groups(
    install: Callable[..., Path],
) -> None:
    # Of two plugins, the last is called first.
    install({"plug_names": PLUGINS["plug_names"], "plug_greet": GREET})

    class Other(click.Group):
        pass

    def fill_several() -> list[list[str]]:
        pm = host()
        groups = [group_of_host(), group_of_host(), group_of_host(cls=Other)]
        groups[1].add_command(click.Command("more"))
        for each in groups:
            pm.hook.register_commands(cli=each, more="")
        return [[*each.commands] for each in groups]

    expected = [["own", "sub", *more, "greet", "alias"] for more in ([], ["more"], [])]
    assert fill_several() == expected
    forget_plugins()
    assert fill_several() == expected
    assert imported() == set()


def test_a_hook_may_be_given_several_groups_and_defaults(
    install: Callable[..., Path],
) -> None:
    class Several:
        @hookspec
        def register_commands(
            self, cli: click.Group, admin: click.Group, more: str = "default"
        ) -> None: ...

    source = """
@hookimpl
def register_commands(admin, cli, more="mine"):
    @cli.command()
    def one(): click.echo(more)
    @admin.command()
    def two(): click.echo(f"{more} {cli.name} {admin.name}")
"""
    install({"plug_several": source})

    def filled(lazy: bool) -> list[str]:
        pm = pluggy.PluginManager("host")
        pm.add_hookspecs(Several)
        if lazy:
            load_entrypoints(pm, "host", lazy=True, groups=["register_commands"])
        else:
            load_entrypoints(pm, "host")
        cli, admin = click.Group("cli"), click.Group("admin")
        pm.hook.register_commands(cli=cli, admin=admin, more="given")
        assert lazily == (imported() == set())
        return [invoke(cli, "one").output, invoke(admin, "two").output]

    lazily = False
    expected = filled(False)
    forget_plugins()
    assert filled(True) == expected
    forget_plugins()
    lazily = True
    assert filled(True) == expected


def test_a_historic_hook_adds_lazy_commands_when_a_plugin_is_registered(
    install: Callable[..., Path],
) -> None:
    install({"plug_hist": GREET.replace("register_commands", "began")})
    for _ in range(2):
        forget_plugins()
        pm = pluggy.PluginManager("host")
        pm.add_hookspecs(Specs)
        cli = group_of_host()
        pm.hook.began.call_historic(kwargs={"cli": cli})
        load_entrypoints(pm, "host", lazy=True, groups=["began"])
        assert [*cli.commands] == ["own", "sub", "greet"]
    assert imported() == set()
    assert "True" in invoke(cli, "greet", "--loud").output


def test_wrappers_of_the_hook_are_called(install: Callable[..., Path]) -> None:
    source = """
@hookimpl(wrapper=True)
def register_commands(cli):
    before = [*cli.commands]
    result = yield
    cli.commands["own"].help = f"{before} {[*cli.commands]}"
    return result
"""
    install({"plug_wraps": source, "plug_greet": GREET})
    expected = state_of(fill(lazy=False))
    forget_plugins()
    assert state_of(filled_before()) == expected
    assert imported() == {"plug_wraps"}


def test_the_result_of_a_hook_that_adds_commands_is_that_of_pluggy(
    install: Callable[..., Path],
) -> None:
    install({"plug_greet": GREET})
    for _ in range(2):
        assert host().hook.register_commands(cli=group_of_host(), more="") == []
        forget_plugins()


def test_a_hook_that_is_given_no_group_is_called(
    install: Callable[..., Path],
) -> None:
    source = "@hookimpl\ndef register_commands(cli): return cli\n"
    install({"plug_plain": source})
    filled_before()
    for _ in range(2):
        assert host().hook.register_commands(cli="text", more="") == ["text"]
        assert imported() == {"plug_plain"}
        forget_plugins()


# ---------------------------------------------------------------------------- failures


def test_an_exception_of_a_hook_is_raised_as_in_pluggy_and_not_remembered(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = f"{HOOK}    @cli.command()\n    def one(): 'One.'\n    x = 1 / int(ON)\n"
    install({"plug_raises": source})
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fill()
        forget_plugins()
    monkeypatch.setenv("PLUG_ON", "1")
    assert [*filled_before().commands] == ["own", "sub", "one"]
    assert imported() == set()
    # A later failure is one of the command, and the next start is not affected.
    for on in (False, True):
        monkeypatch.delenv("PLUG_ON", raising=False)
        if on:
            monkeypatch.setenv("PLUG_ON", "1")
        forget_plugins()
        cli = fill()
        result = invoke(cli, "one")
        assert result.exit_code == (0 if on else 1)
        if not on:
            assert "could not be loaded: ZeroDivisionError" in result.output
            assert "declared by plugs 1.0" in result.output
            assert "LAZYPLUG_TRACEBACK=1" in result.output
            assert "could not be loaded" in invoke(cli, "one", "--help").output


def test_a_command_whose_plugin_can_no_longer_be_imported_says_so(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    install({"plug_needs": f"import plug_needed\n{GREET}", "plug_needed": ""})
    filled_before()
    monkeypatch.setitem(sys.modules, "plug_needed", None)
    cli = fill()
    assert "Greet somebody." in invoke(cli, "--help").output
    result = invoke(cli, "greet")
    assert result.exit_code == 1
    assert "import of plug_needed halted" in result.output
    monkeypatch.delitem(sys.modules, "plug_needed")
    forget_plugins()
    assert invoke(fill(), "greet").exit_code == 0


def test_a_hook_that_adds_other_commands_is_reported_and_called_from_then_on(
    install: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    run: Run,
) -> None:
    # A decorator may do anything with a function, which its source does not show.
    source = f"""
def another(): click.echo("another")
def changed(function): return another if ON else function

{HOOK}
    @cli.command()
    @changed
    def one(): click.echo("one")
"""
    install({"plug_changes": source})
    filled_before()
    monkeypatch.setenv("PLUG_ON", "1")
    forget_plugins()
    cli = fill()
    result = invoke(cli, "one")
    assert result.exit_code == 1
    assert "its hook 'register_commands' no longer adds the command 'one'" in (
        result.output
    )
    assert "the hook added commands other than those its source shows" in caplog.text
    forget_plugins()
    assert [*fill().commands] == ["own", "sub", "another"]
    forget_plugins()
    assert "added commands other than" in run("why", "host", "changes")[1]


def test_a_hook_may_be_edited_before_its_command_is_used(
    install: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    directory = install({"plug_greet": GREET})
    filled_before()
    forget_plugins()
    cli = fill()
    text = HEAD + GREET.replace("def greet(", "def welcome(") + "    cli.name\n"
    rewrite(directory / "plug_greet.py", text)
    assert "no longer adds the command 'greet'" in invoke(cli, "greet").output
    assert "commands other than those its source shows" in caplog.text
    forget_plugins()
    assert state_of(fill()) == state_of(fill(lazy=False))


@pytest.mark.parametrize(
    "damaged",
    [
        [1],
        [[["cli"]]],
        [[["cli", "class", None, [["x", {}]]]]],
        [[["other", "class", None, []]]],
        [[]],
        {"cli": []},
        None,
    ],
)
def test_damaged_facts_about_a_hook_are_ignored(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, damaged: Any
) -> None:
    install({"plug_greet": GREET})
    filled_before()
    forget_plugins()
    monkeypatch.setattr(HookCall, "recall", lambda _: damaged)
    monkeypatch.setattr(_filled_groups, "_class_of", lambda _: "class")
    assert [*fill().commands] == ["own", "sub", "greet"]
    assert imported() == {"plug_greet"}


def test_a_hook_whose_code_is_deeper_than_the_stack_is_called(
    install: Callable[..., Path],
) -> None:
    condition = f"{'not ' * 1200}'own' in cli.commands"
    source = f"    if {condition}: pass\n    cli.command()(one)\ndef one(): pass\n"
    install({"plug_deep": HOOK + source})
    for _ in range(2):
        assert [*fill().commands] == ["own", "sub", "one"]
        forget_plugins()


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ("register_commands", TypeError, "not a valid groups argument: expected a"),
        (["register_command"], ValueError, "no hook with that name.*did you mean"),
        (["x"], ValueError, r"groups=\['x'\]: the host has no hook with that name"),
    ],
)
def test_the_names_of_hooks_are_checked(
    groups: Iterable[str], error: type[Exception], message: str
) -> None:
    for lazy in (False, True):
        pm = pluggy.PluginManager("host")
        pm.add_hookspecs(Specs)
        with pytest.raises(error, match=message):
            load_entrypoints(pm, "host", lazy=lazy, groups=groups)


def test_a_host_that_has_not_imported_click_calls_the_hook(
    install: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "@hookimpl\ndef register_commands(cli): return cli\n"
    install({"plug_plain": source})
    monkeypatch.delitem(sys.modules, "click")
    assert host().hook.register_commands(cli=1, more="") == [1]
