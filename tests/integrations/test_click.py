"""Test that help and completion of a click group import no plugin."""

import copy
import pickle
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import click
import click.shell_completion
import pytest
import typer
import typer.main
from click.testing import CliRunner, Result

import lazyplug
from lazyplug import (
    Choice,
    ExtensionManager,
    Facts,
    _description,
    _environment,
    error_on_conflict,
    prefer,
)
from lazyplug._faults.origin import origin
from lazyplug._static import learning, targets
from lazyplug.integrations import _command_facts
from lazyplug.integrations.click import LazyGroup, describe_command
from lazyplug.testing import dist, plant
from tests.support.children import python
from tests.support.clock import Ticking
from tests.support.fixtures import PlantSite, SetPath
from tests.support.learned_facts import end, forget_facts

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")

COMMANDS = {
    "plug_plain": '''
        import click

        @click.command()
        @click.option("--loud", is_flag=True)
        def run(loud):
            """Run it now.

            And say what came of it.
            """
            click.echo("RAN" if loud else "ran")
        ''',
    "plug_words": """
        import click

        @click.command("other", short_help="Short words.", epilog="End.")
        def words():
            '''Long words that nobody sees in a list.'''
        """,
    "plug_long": '''
        import click

        @click.command()
        def long():
            """Do something that takes very many words to explain, so many that no line
            of a terminal can hold them all. This is the second sentence of it."""
        ''',
    "plug_hidden": """
        import click

        @click.command(hidden=True, help="Nobody sees it.")
        def hidden(): pass
        """,
    "plug_old": """
        import click

        @click.command(deprecated=True)
        def old():
            "Was there."
        """,
    "plug_bare": """
        import click

        @click.command()
        def bare(): pass
        """,
    "plug_nested": """
        import click

        @click.group()
        def nested():
            "Has more."

        @nested.command()
        def inner():
            "Inside."
            click.echo("inner")
        """,
    "plug_typed": """
        import typer

        app = typer.Typer(help="Typed one.")

        @app.command()
        def run(name: str):
            typer.echo(f"hello {name}")
        """,
}
POINTS = """
    [app.commands]
    plain = plug_plain:run
    words = plug_words:words
    long = plug_long:long
    hidden = plug_hidden:hidden
    old = plug_old:old
    bare = plug_bare:bare
    nested = plug_nested:nested
    typed = plug_typed:app
    """
# For these, the source says what click prints once they are loaded.
PLAIN = ("plain", "words", "long", "hidden", "old", "nested")


@pytest.fixture(autouse=True)
def began_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands be older than this process: tests have just written them."""
    monkeypatch.setattr(_command_facts, "_BEGAN", 1 << 62)


@pytest.fixture
def plugs(site: PlantSite, prepend_path: SetPath) -> Path:
    """Return a site directory with commands of all kinds."""
    directory = site({f"{name}.py": source for name, source in COMMANDS.items()})
    # What is learned is not written where a path entry changed meanwhile, as it would
    # by the first bytecode in it.
    plant(directory, {"__pycache__": {}, **dist("commands", entry_points=POINTS)})
    prepend_path(directory)
    return directory


def host(**attrs: Any) -> LazyGroup:
    attrs.setdefault("plugins", "app.commands")
    group = LazyGroup("host", help="The host.", **attrs)

    @group.command()
    def own() -> None:
        """The host's own."""  # noqa: D401 - a help text
        click.echo("own")

    return group


def run(group: click.Group, *arguments: str) -> Result:
    return CliRunner().invoke(group, arguments, terminal_width=80)


def eager() -> click.Group:
    """Return the same host, with everything loaded, as click itself has it."""
    group = click.Group("host", help="The host.")
    for extension in ExtensionManager[Any]("app.commands"):
        plugin = extension.plugin
        if isinstance(plugin, typer.Typer):
            plugin = typer.main.get_command(plugin)
        group.add_command(plugin, extension.name)
    group.add_command(click.Command("own", help="The host's own."))
    return group


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("plug_")}


def completed(group: click.Group, *words: str) -> dict[str, str | None]:
    """Return what completes the last word, with the help of each."""
    complete = click.shell_completion.ShellComplete(group, {}, "host", "_HOST")
    found = complete.get_completions([*words[:-1]], words[-1])
    return {item.value: item.help for item in found}


# --------------------------------------------------------------- nothing is imported


def test_the_help_screen_and_completion_import_no_plugin(plugs: Path) -> None:
    assert run(host(), "--help").exit_code == 0
    assert set(completed(host(), "")) == {
        *("plain", "words", "long", "old", "bare", "nested", "typed", "own")
    }
    assert set(completed(host(), "o")) == {"old", "own"}
    assert imported() == set()


def test_only_the_invoked_command_is_imported(plugs: Path) -> None:
    result = run(host(), "plain", "--loud")
    assert (result.exit_code, result.output) == (0, "RAN\n")
    assert imported() == {"plug_plain"}
    assert "Long words" in run(host(), "words", "--help").output
    assert imported() == {"plug_plain", "plug_words"}


def test_a_plugin_that_is_a_group_runs_and_completes_its_subcommands(
    plugs: Path,
) -> None:
    assert run(host(), "nested", "inner").output == "inner\n"
    assert completed(host(), "nested", "") == {"inner": "Inside."}
    assert imported() == {"plug_nested"}


def test_a_typer_app_is_a_command(plugs: Path) -> None:
    assert run(host(), "typed", "you").output == "hello you\n"


APP = """
import click, sys, typer
app = typer.Typer(help="Typed things.")
@app.command()
def one(ctx: typer.Context, x: int):
    "One."
    print("one", x, ctx.command_path, click.get_current_context().obj)
@app.command()
def fail(): raise typer.Exit(3)
@app.command()
def leave(): sys.exit("left")
command = typer.main.get_command(app)
"""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ("one 3", 0, "one 3 host typer one "),
        ("one three", 2, "Invalid value"),
        ("one --help", 0, "Usage: host typer one [OPTIONS] "),
        ("--help", 0, "Usage: host typer [OPTIONS] COMMAND"),
        ("onn", 2, "No such command 'onn'"),
        ("fail", 3, ""),
        ("leave", 1, "left"),
    ],
)
@pytest.mark.parametrize("name", ["app", "command"])
def test_a_typer_app_runs_as_it_does_alone(
    name: str, arguments: str, code: int, text: str, plugs: Path
) -> None:
    """Typer has a click of its own since 0.26."""
    plant(plugs, {"plug_typer.py": APP})
    plant(plugs, dist("t", entry_points=f"[app.commands]\ntyper = plug_typer:{name}\n"))
    lazyplug.invalidate_caches()
    result = run(host(), "typer", *arguments.split())
    assert (result.exit_code, text in result.output) == (code, True)
    assert "Traceback" not in result.output
    assert run(host(), "--help").exit_code == 0


def test_creating_a_group_does_not_search_for_plugins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_environment, "current", None)
    host()


# ------------------------------------------------------------------- what help says


def test_before_plugins_are_loaded_help_shows_the_same_lines_as_click(
    plugs: Path,
) -> None:
    before = run(host(), "--help").output
    assert imported() == set()
    after = run(eager(), "--help").output
    for name in PLAIN:
        lines = [line for line in after.splitlines() if line.startswith(f"  {name} ")]
        assert lines == [
            line for line in before.splitlines() if line.startswith(f"  {name} ")
        ]
    assert ("  hidden" in before, "  typed   Typed one." in before) == (False, True)


def test_after_plugins_were_loaded_once_the_help_screen_equals_that_of_click(
    plugs: Path,
) -> None:
    group = host()
    for name in group.manager.names():
        run(group, name, "--help")
    learning.write_all()
    for name in imported():
        del sys.modules[name]
    lazyplug.invalidate_caches()
    found = run(host(), "--help").output
    assert imported() == set()
    assert found == run(eager(), "--help").output


def test_help_that_only_a_loaded_command_has_is_remembered_if_it_is_a_literal(
    plugs: Path, isolated: Path
) -> None:
    made = """
        from plug_app import app

        @app.command()
        def run():
            "Made by hand."
        """
    plant(
        plugs,
        {
            "plug_app.py": "import typer\napp = typer.Typer()\nimport plug_made\n",
            "plug_made.py": made,
            **dist("made", entry_points="[app.commands]\nmade = plug_app:app\n"),
        },
    )
    lazyplug.invalidate_caches()
    assert "Made by" not in run(host(), "--help").output
    run(host(), "made")
    assert "  made    Made by hand." in run(host(), "--help").output
    another_process()
    assert "  made    Made by hand." in run(host(), "--help").output
    assert "plug_made" not in sys.modules
    # After a change, help is read from the source until the command is loaded.
    plant(plugs, {"plug_made.py": made.replace("hand", "machine")})
    lazyplug.invalidate_caches()
    assert "Made by" not in run(host(), "--help").output
    run(host(), "made")
    assert "Made by machine." in run(host(), "--help").output


def another_process() -> None:
    """Act as another process: keep only what is on disk."""
    learning.write_all()
    for name in imported():
        del sys.modules[name]
    forget_facts()
    lazyplug.invalidate_caches()


def line_of(group: click.Group, name: str = "made") -> str:
    """Return the line of the help screen about a command; "" if it has none."""
    lines = run(group, "--help").output.splitlines()
    found = [line.split(maxsplit=1) for line in lines if line.split()[:1] == [name]]
    return " ".join(found[0][1:]) if found else "(hidden)"


def planted(directory: Path, source: str) -> None:
    """Plant the command `made`, whose source may use the names below."""
    head = """
import functools, os, textwrap
from inspect import cleandoc
import click, typer
import plug_else
TEXT = os.environ["PLUG_TEXT"]
ONE = TEXT == "First."
def _(text): return TEXT
def choose(one, two): return one if ONE else two
"""
    elsewhere = """
import functools, os
import click
TEXT = os.environ["PLUG_TEXT"]
hidden_command = functools.partial(click.command, hidden=TEXT == "First.")
def documented(function):
    function.__doc__ = TEXT
    return function
"""
    points = "[app.commands]\nmade = plug_made:made\n"
    plant(
        directory,
        {
            "plug_made.py": head + textwrap.dedent(source),
            "plug_else.py": elsewhere,
            **dist("made", entry_points=points),
        },
    )
    lazyplug.invalidate_caches()


PLAIN_DEF = "\ndef made(): pass\n"
COMPUTED = {
    "gettext": "@click.command(help=_('Says.'))" + PLAIN_DEF,
    "gettext and a docstring": "@click.command(help=_('Says.'))\n"
    "def made(): 'Says it.'\n",
    "f-string": "@click.command(help=f'Says {TEXT}')" + PLAIN_DEF,
    "gettext of what is no literal": "@click.command(help=_(f'Says {TEXT}'))"
    + PLAIN_DEF,
    "percent": "@click.command(help='Says %s' % TEXT)" + PLAIN_DEF,
    "format": "@click.command(short_help='Says {}'.format(TEXT))" + PLAIN_DEF,
    "plus": "@click.command(help='Says ' + TEXT)" + PLAIN_DEF,
    "another module": "@click.command(help=plug_else.TEXT)" + PLAIN_DEF,
    "one of two literals": "@click.command(help='One.' if ONE else 'Two.')" + PLAIN_DEF,
    "one of many": "@click.command(help={True: 'One.', False: 'Two.'}[ONE])"
    + PLAIN_DEF,
    "a keyword of another call": "@click.command(help=dict(help='One.', x='Two.')"
    "['help' if ONE else 'x'])" + PLAIN_DEF,
    "a name bound twice": "HELP = 'One.'\nif not ONE:\n  HELP = 'Two.'\n"
    "@click.command(help=HELP)" + PLAIN_DEF,
    "a name bound by a condition": "if ONE: HELP = 'One.'\nelse: HELP = 'Two.'\n"
    "@click.command(help=HELP)" + PLAIN_DEF,
    "dedent of what is computed": "@click.command(help=textwrap.dedent(TEXT))"
    + PLAIN_DEF,
    "keywords": "@click.command(**{'help': TEXT, 'hidden': ONE})" + PLAIN_DEF,
    "set after": "@click.command()\ndef made(): 'Says it.'\nmade.help = TEXT\n",
    "short help set after": "@click.command()\ndef made(): 'Says it.'\n"
    "if ONE: made.short_help = 'One.'\n",
    "a docstring set": "def f(): 'Says it.'\nf.__doc__ = TEXT\n"
    "made = click.command()(f)\n",
    "a docstring set by a decorator": "@click.command()\n@plug_else.documented\n"
    "def made(): 'Says it.'\n",
    "one of two functions": "@click.command()\ndef one(): 'One.'\n"
    "@click.command()\ndef two(): 'Two.'\nmade = one if ONE else two\n",
    "one of two functions, by a call": "def one(): 'One.'\ndef two(): 'Two.'\n"
    "made = click.command()(choose(one, two))\n",
    "one of two callbacks": "@click.command()\ndef one(): 'One.'\n"
    "@click.command()\ndef two(): 'Two.'\nmade = choose(one, two)\n",
    "one of two, by a function of any name": "@click.command()\ndef one(): 'One.'\n"
    "@click.command()\ndef two(): 'Two.'\nfind_command = choose\n"
    "made = find_command(one, two)\n",
    "a factory": "def make():\n  @click.command()\n  def one(): 'One.'\n"
    "  @click.command()\n  def two(): 'Two.'\n  return one if ONE else two\n"
    "made = make()\n",
    "defined by a condition": "if ONE:\n  @click.command()\n  def made(): 'One.'\n"
    "else:\n  @click.command()\n  def made(): 'Two.'\n",
    "a loop": "for name, text in {'made': TEXT}.items():\n"
    "  globals()[name] = click.Command(name, help=text)\n",
    "a class": "class Own(click.Command):\n"
    "  def get_short_help_str(self, limit=45): return TEXT\n"
    "@click.command(cls=Own)\ndef made(): 'Says it.'\n",
    "a group": "@click.group(help=TEXT)" + PLAIN_DEF,
    "Typer": "made = typer.Typer(help=TEXT)\n@made.command()\ndef f(): pass\n"
    "@made.command()\ndef g(): pass\n",
    "Typer's command": "made = typer.Typer()\n@made.command(help=TEXT)\n"
    "def f(): pass\n",
    "Typer's callback": "made = typer.Typer()\n@made.callback()\n"
    "@plug_else.documented\ndef f(): pass\n@made.command()\ndef g(): pass\n",
    "Typer's one of two": "made = typer.Typer()\ndef one(): 'One.'\n"
    "def two(): 'Two.'\nmade.command()(choose(one, two))\n",
    "hidden": "@click.command(hidden=ONE, help='Says it.')" + PLAIN_DEF,
    "hidden set after": "@click.command(help='Says it.')"
    + PLAIN_DEF
    + "made.hidden = ONE\n",
    "hidden by another module": "@plug_else.hidden_command(help='Says it.')"
    + PLAIN_DEF,
    "hidden, as an option of it": "@plug_else.hidden_command()\n"
    "@click.option('--x', hidden=True)\ndef made(x): pass\n",
    "deprecated": "@click.command(deprecated=ONE, help='Says it.')" + PLAIN_DEF,
    "deprecated, with a text": "@click.command(deprecated=TEXT, help='Says it.')"
    + PLAIN_DEF,
}


@pytest.mark.parametrize("kind", COMPUTED)
def test_a_help_text_that_is_computed_at_import_is_not_remembered(
    kind: str, plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUG_TEXT", "First.")
    planted(plugs, COMPUTED[kind])
    before = line_of(host())
    assert "made" in run(host(), "made", "--help").output
    loaded = "plug_made" in sys.modules
    another_process()
    monkeypatch.setenv("PLUG_TEXT", "Second.")
    assert (loaded, line_of(host())) == (True, before)
    assert imported() == set()
    assert not any(text in before for text in ("First", "Second", "One.", "Two."))


@pytest.mark.parametrize("kind", COMPUTED)
def test_a_command_with_computed_help_is_not_parsed_each_time_it_runs(
    kind: str, plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUG_TEXT", "First.")
    planted(plugs, COMPUTED[kind])
    run(host(), "made", "--help")
    another_process()
    monkeypatch.setenv("PLUG_TEXT", "Second.")
    monkeypatch.setattr(targets, "source_of", None)
    assert not isinstance(run(host(), "made", "--help").exception, TypeError)


LITERAL = {
    "a docstring": "@click.command()\n"
    "def made():\n  '''Says it,\n  and more.\n\n  End.'''",
    "a docstring after empty lines": "@click.command()\n"
    "def made():\n  '''\n\n  Says it.\n\n  End.\n  '''",
    "a keyword": "@click.command(help='Says it.')" + PLAIN_DEF,
    "an empty keyword": "@click.command(help='')\ndef made(): 'Not.'\n",
    "several literals": "@click.command(help='Says ' 'it.')" + PLAIN_DEF,
    "a name": "HELP = 'Says it.'\n@click.command(help=HELP)" + PLAIN_DEF,
    "dedent": "@click.command(help=textwrap.dedent('''\n   Says it.'''))" + PLAIN_DEF,
    "cleandoc": "HELP = cleandoc('''\n  Says it.\n  ''')\n"
    "@click.command(short_help=HELP)" + PLAIN_DEF,
    "a marker": "@click.command()\ndef made():\n  '''\\b\n  Says it.\f\n  Not.\n  '''",
    "without a word": "@click.command()\ndef made(): pass\n",
    "without a call": "@click.command\ndef made(): 'Says it.'\n",
    "hidden": "@click.command(hidden=True)\ndef made(): 'Says it.'\n",
    "an option that is hidden": "@click.command()\n"
    "@click.option('--x', hidden=True, help='No.')\ndef made(x): 'Says it.'\n",
    "a command": "made = click.Command('made', help='Says it.', deprecated=True)\n",
    "Typer without a word": "made = typer.Typer(help='Not.')\n"
    "@made.command()\ndef f(): pass\n",
    "a collection": "made = click.CommandCollection('made', help='Says it.')\n",
    "a class of its own": "class OwnGroup(click.Group): pass\n"
    "made = OwnGroup('made', short_help='Says it.')\n",
    "a decorator of its own": "def own_command(**k): return click.command(**k)\n"
    "@own_command(help='Says it.')" + PLAIN_DEF,
    "a group": "@click.group()\ndef made(): 'Says it.'\n"
    "@made.command(help=TEXT)\ndef below(): pass\n",
    "Typer": "made = typer.Typer(help='Says it.')\n@made.command()\ndef f(): 'F.'\n"
    "@made.command()\ndef g(): pass\n",
    "Typer's command": "made = typer.Typer(help='Not.')\n@made.command()\n"
    "def f(): 'Says it.'\n",
    "Typer's long docstring": "made = typer.Typer()\n@made.command()\n"
    "def f():\n  '''Says it" + ", over and over again" * 8 + ".\n\n  End.'''\n",
    "Typer's callback": "made = typer.Typer()\n@made.callback()\n"
    "def f(): 'Says it.'\n@made.command()\ndef g(): pass\n",
    "Typer, hidden": "made = typer.Typer()\n@made.command(hidden=True)\n"
    "def f(): 'Says it.'\n",
}


@pytest.mark.parametrize("kind", LITERAL)
def test_a_literal_help_text_is_shown_as_click_shows_it(
    kind: str, plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUG_TEXT", "First.")
    planted(plugs, LITERAL[kind])
    line_of(host())
    run(host(), "made", "--help")
    expected = line_of(eager())
    another_process()
    assert line_of(host()) == expected
    assert imported() == set()


@pytest.mark.parametrize("word", ["_", "gettext.gettext", "click.lazy_gettext"])
def test_a_translated_help_text_is_shown_as_written_in_the_source(
    word: str, plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUG_TEXT", "Sagt es.")
    head = "gettext = click\nclick.gettext = click.lazy_gettext = _\n"
    planted(
        plugs, f"{head}@click.command(help={word}('Says it.'))\ndef made(): 'Not.'\n"
    )
    assert line_of(host()) == "Says it."
    assert "Sagt es." in run(host(), "made", "--help").output
    another_process()
    assert line_of(host()) == "Says it."


def test_a_lazy_string_is_shown_as_written_in_the_source(
    plugs: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the lazy translations of Babel and Django are."""
    monkeypatch.setenv("PLUG_TEXT", "First.")
    source = """
        class Lazy(str):
            def __eq__(self, other): return True
            __hash__ = str.__hash__

        @click.command(help=Lazy("First."), short_help="Says it.")
        def made(): pass
        """
    planted(plugs, source)
    assert run(host(), "made", "--help").exception is None
    another_process()
    assert line_of(host()) == "Says it."


def test_nothing_is_learned_from_a_source_that_changed_after_the_process_started(
    plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_command_facts, "_BEGAN", time.time_ns())
    plant(plugs, {"plug_bare.py": COMMANDS["plug_words"].replace("words(", "bare(")})
    monkeypatch.setattr(_command_facts, "_read", lambda _: {"help": "As read."})
    run(host(), "bare")
    assert "  bare    As read." in run(host(), "--help").output


def test_the_summary_of_a_distribution_is_not_shown_as_the_help_of_its_command(
    plugs: Path,
) -> None:
    plant(
        plugs,
        {
            "plug_mute.py": "import click\nmute = click.command()(lambda: None)\n",
            "mute-1.dist-info": {
                "METADATA": "Name: mute\nVersion: 1\nSummary: What it is for.\n\nx\n",
                "entry_points.txt": "[app.commands]\nmute = plug_mute:mute\n",
            },
        },
    )
    lazyplug.invalidate_caches()
    assert line_of(host(), "mute") == line_of(eager(), "mute") == ""


def test_help_and_commands_parse_no_source_the_second_time(
    plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(host(), "--help").output, run(host(), "plain").output
    learning.write_all()
    lazyplug.invalidate_caches()
    monkeypatch.setattr(targets, "source_of", None)
    assert (run(host(), "--help").output, run(host(), "plain").output) == first


# -------------------------------------------------------------------- broken plugins


@pytest.fixture
def broken(plugs: Path) -> Path:
    plant(
        plugs,
        {
            "plug_bad.py": "'''Is bad.'''\nraise OSError('on purpose')\n",
            "plug_odd.py": "odd = 'no command'\n",
            "plug_exit.py": "raise SystemExit('run as a script')\n",
            "plug_evil.py": """
                import click

                class Evil(click.Command):
                    hidden = property(lambda self: 1 / 0, lambda self, value: None)

                evil = Evil("evil")
                """,
            **dist(
                "broken",
                entry_points="[app.commands]\nbad = plug_bad\nodd = plug_odd:odd\n"
                "gone = plug_nowhere:x\nno = not a reference\n"
                "exit = plug_exit:run\nevil = plug_evil:evil\n",
            ),
        },
    )
    lazyplug.invalidate_caches()
    return plugs


def test_a_broken_plugin_takes_one_line_of_help_and_affects_no_other(
    broken: Path,
) -> None:
    result = run(host(), "--help")
    assert result.exit_code == 0
    for line in (
        "  bad     Is bad.",
        "  gone    (cannot be used: no module named 'plug_nowhere')",
        "  no      (cannot be used: not a valid reference (expected `module:attr`))",
        "  plain   Run it now.",
    ):
        assert line in result.output.splitlines()
    assert run(host(), "plain").output == "ran\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bad", "could not be loaded: OSError: on purpose"),
        ("gone", "ModuleNotFoundError: No module named 'plug_nowhere'"),
        ("no", "'not a reference' is not a valid reference (expected `module:attr`)"),
        ("exit", "could not be loaded: SystemExit: run as a script"),
        ("evil", "could not be loaded: ZeroDivisionError: division by zero"),
        ("odd", "'no command' is not a click command or a Typer app. Its author must"),
    ],
)
def test_the_error_for_an_unusable_plugin_names_its_distribution(
    name: str, message: str, broken: Path
) -> None:
    result = run(host(), name)
    assert result.exit_code == 1
    assert result.output.startswith("Error: entry point ")
    assert message in result.output
    assert "declared by broken 1.0 in" in result.output


def test_the_help_of_an_unusable_plugin_is_the_reason(broken: Path) -> None:
    group = host()
    for name in ("bad", "gone", "no", "odd", "exit", "evil"):
        result = run(group, name, "--help")
        assert result.exit_code == 0
        assert "declared by broken 1.0" in " ".join(result.output.split())
    lines = run(group, "--help").output.splitlines()
    assert "  bad     (cannot be used: OSError: on purpose)" in lines
    assert "  odd     (cannot be used: 'no command' is not a command)" in lines


def test_control_characters_in_the_exception_of_a_plugin_are_escaped(
    broken: Path,
) -> None:
    plant(broken, {"plug_bad.py": r"raise OSError('two\nlines \x1b[2J')" + "\n"})
    group = host()
    output = run(group, "bad").output
    assert "loaded: OSError: two\nlines \\x1b[2J. Set LAZYPLUG" in output
    line = "  bad     (cannot be used: OSError: two)"
    assert line in run(group, "--help").output.splitlines()
    assert "lines \\x1b[2J" in run(group, "bad", "--help").output


def test_the_error_for_an_unusable_plugin_that_another_command_invokes_is_the_same(
    broken: Path,
) -> None:
    group = host()

    @group.command()
    @click.argument("name")
    @click.pass_context
    def other(ctx: click.Context, name: str) -> None:
        ctx.invoke(group.commands[name])

    plant(broken, {"plug_bad.py": COMMANDS["plug_plain"] + "        1 / 0\n"})
    plant(broken, dist("late", entry_points="[app.commands]\nlate = plug_bad:run\n"))
    lazyplug.invalidate_caches()
    for name in ("late", "gone", "odd"):
        assert run(group, "other", name).output == run(group, name).output
        assert "declared by" in run(group, name).output


def test_the_traceback_of_an_unusable_plugin_is_a_variable_away(
    broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(host(), "bad", "--option", "argument")
    assert result.output.endswith("Set LAZYPLUG_TRACEBACK=1 to see the traceback.\n")
    for name in ("odd", "exit"):
        assert "LAZYPLUG_TRACEBACK" not in run(host(), name).output
    monkeypatch.setenv("LAZYPLUG_TRACEBACK", "1")
    error = run(host(), "bad").exception
    assert isinstance(error, OSError)
    assert error.__notes__ == [
        f"lazyplug: while loading {origin(host().manager['bad'])}"
    ]


def test_two_plugins_with_one_name_are_reported_unless_a_resolver_chooses(
    plugs: Path,
) -> None:
    plant(
        plugs, dist("rival", entry_points="[app.commands]\nplain = plug_words:words\n")
    )
    lazyplug.invalidate_caches()

    def resolved(resolver: Any) -> LazyGroup:
        manager = ExtensionManager[Any]("app.commands", conflict_resolver=resolver)
        return host(plugins=lambda: manager)

    strict = resolved(error_on_conflict)
    line = "  plain   (cannot be used: one of 2 plugins with this name)"
    assert line in run(strict, "--help").output.splitlines()
    result = run(strict, "plain")
    assert result.exit_code == 1
    assert "'plain' is declared more than once" in result.output
    assert run(strict, "words").exit_code == 0
    assert run(resolved(prefer("commands")), "plain").output == "ran\n"


# ---------------------------------------------------------------------- names, choice


def test_a_misspelled_name_gets_a_hint(plugs: Path) -> None:
    result = run(host(aliases={"begin": "plain"}), "plian")
    assert result.exit_code == 2
    # Since click 8.4, it is click's own hint.
    assert "Error: No such command 'plian'" in result.output
    assert "id you mean 'plain'" in result.output
    output = run(host(aliases={"begin": "plain"}), "begn").output
    assert "id you mean 'begin'?" in output
    assert "id you mean" not in run(host(), "xyz").output
    assert imported() == set()


def test_the_error_for_a_misspelled_name_is_of_the_type_that_click_raises(
    plugs: Path,
) -> None:
    errors = []
    for group in (host(), eager()):
        with pytest.raises(click.UsageError, match="No such command 'plian'") as error:
            group.main(["plian"], standalone_mode=False)
        errors.append(error.value)
    assert type(errors[0]) is type(errors[1])
    if hasattr(click, "NoSuchCommand"):
        assert errors[0].format_message() == errors[1].format_message()


def test_an_alias_runs_its_command_and_is_not_listed(plugs: Path) -> None:
    group = host(aliases={"begin": "plain", "mine": "own"})
    assert run(group, "begin").output == "ran\n"
    assert run(group, "mine").output == "own\n"
    assert "begin" not in run(group, "--help").output


def test_a_command_of_the_host_takes_precedence_over_a_plugin_of_the_same_name(
    plugs: Path,
) -> None:
    plant(plugs, dist("thief", entry_points="[app.commands]\nown = plug_words:words\n"))
    lazyplug.invalidate_caches()
    assert run(host(), "own").output == "own\n"
    assert "  own     The host's own." in run(host(), "--help").output


def test_a_choice_excludes_plugins(plugs: Path) -> None:
    manager = ExtensionManager[Any]("app.commands", choice=Choice(allow=["plain"]))
    group = host(plugins=manager)
    assert group.list_commands(click.Context(group)) == ["own", "plain"]
    assert run(group, "words").exit_code == 2


def test_a_lazy_group_works_inside_another_group(plugs: Path) -> None:
    top = click.Group("top")
    top.add_command(host())
    assert run(top, "host", "plain").output == "ran\n"
    assert "  plain   Run it now." in run(top, "host", "--help").output


def test_a_misspelled_option_is_reported_as_click_reports_it(plugs: Path) -> None:
    result = run(host(), "--halp")
    assert result.exit_code == 2
    assert "No such option" in result.output
    assert "--halp" in result.output


def test_importing_lazyplug_does_not_import_click() -> None:
    code = (
        "import sys, lazyplug; lazyplug.ExtensionManager; print('click' in sys.modules)"
    )
    assert python("-c", code).stdout == "False\n"


# ------------------------------------------------------------------- lazy commands


def test_the_commands_of_a_group_have_its_plugins_and_its_own(plugs: Path) -> None:
    group = host()
    names = ["own", *group.manager.names()]
    assert list(group.commands) == names
    assert len(group.commands) == len(names)
    assert ("plain" in group.commands, "nothing" in group.commands) == (True, False)
    assert [command.name for command in group.commands.values()] == names
    assert repr(group.commands["plain"]) == "<LazyCommand plain>"
    assert group.commands.get("nothing") is None
    assert imported() == set()
    del group.commands["plain"]
    assert run(group, "plain").exit_code == 2
    with pytest.raises(KeyError, match="nothing"):
        del group.commands["nothing"]
    group.commands["plain"] = group.commands["own"]
    assert run(group, "plain").output == "own\n"


def test_a_removed_plugin_stays_removed_until_the_host_adds_it(plugs: Path) -> None:
    group = host()
    plain = group.commands.pop("plain")
    assert group.commands.get("nothing") is None  # searches again
    group.manager.refresh()
    assert "plain" not in group.commands
    group.add_command(plain)
    group.manager.refresh()
    assert group.commands["plain"] is plain
    assert run(group, "plain").output == "ran\n"


def test_adding_a_plugin_of_the_group_again_shadows_nothing(
    plugs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    group = host()
    for command in list(group.commands.values()):
        group.add_command(command)
    assert (caplog.messages, imported()) == ([], set())


def test_a_copy_of_a_group_has_lazy_commands_of_its_own(plugs: Path) -> None:
    group = LazyGroup("host", plugins="app.commands")
    before = group.commands["plain"]
    for copied in (copy.deepcopy(group), pickle.loads(pickle.dumps(group))):  # noqa: S301
        assert list(copied.commands) == list(group.commands)
        assert copied.commands["plain"] is not before
        assert imported() == set()
        copied.manager.refresh()
        assert list(copied.commands) == list(group.commands)


def test_a_thread_that_asks_while_another_adds_the_plugins_sees_them_all(
    plugs: Path,
) -> None:
    others: list[threading.Thread] = []
    seen: list[list[str]] = []

    class Slow(LazyGroup):
        def add_command(self, cmd: click.Command, name: str | None = None) -> None:
            if not others:
                others.append(
                    threading.Thread(target=lambda: seen.append([*self.commands]))
                )
                others[0].start()
                others[0].join(0.1)
            super().add_command(cmd, name)

    group = Slow("host", plugins="app.commands")
    names = [*group.commands]
    others[0].join()
    assert seen == [names]
    assert len(names) == 8


def test_plugins_are_searched_again_if_the_search_failed(
    plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("for a moment")

    group = host()
    with monkeypatch.context() as patch:
        patch.setattr(group.manager, "names", fail)
        with pytest.raises(OSError, match="for a moment"):
            list(group.commands)
    assert "plain" in group.commands


def test_a_lazy_command_is_a_group_if_its_source_or_its_last_load_says_so(
    plugs: Path, isolated: Path
) -> None:
    def kinds(group: LazyGroup) -> dict[str, bool]:
        commands = group.commands.items()
        return {name: isinstance(each, click.Group) for name, each in commands}

    group = host()
    assert all(isinstance(each, click.Command) for each in group.commands.values())
    assert imported() == set()
    found = kinds(group)
    assert imported() == {"plug_typed"}  # Typer decides when it is called
    assert [name for name, is_group in found.items() if is_group] == ["nested"]
    another_process()
    assert kinds(host()) == found
    assert imported() == set()


def test_a_lazy_command_has_the_attributes_of_the_loaded_one(plugs: Path) -> None:
    group = host()
    words, plain = group.commands["words"], group.commands["plain"]
    assert (words.name, words.short_help) == ("words", "Short words.")
    assert (words.help, words.hidden) == ("Long words that nobody sees in a list.", 0)
    assert plain.callback.__name__ == "run"  # type: ignore[union-attr]
    assert not hasattr(plain, "aliases")
    assert imported() == set()
    assert words.epilog == "End."
    assert imported() == {"plug_words"}
    plugin = group.manager["plain"].plugin
    assert plain.params is plugin.params
    assert plain.callback(loud=True) is None  # type: ignore[misc]
    assert copy.copy(plain).params is plugin.params
    plain.hidden = True
    assert plugin.hidden
    assert "  plain" not in run(group, "--help").output
    del plain.hidden
    assert "hidden" not in vars(plugin)
    plain.hidden = False
    assert group.commands["nested"].commands.keys() == {"inner"}  # type: ignore[attr-defined]


def test_a_function_of_the_host_can_call_the_function_that_it_replaces(
    plugs: Path,
) -> None:
    group = host()
    for command in (group.commands["plain"], group.commands["own"]):
        command.callback = _announced(command.callback)
    group.manager.refresh()
    assert run(group, "plain").output == "before\nran\n"
    assert run(group, "own").output == "before\nown\n"


def _announced(function: Any) -> Any:
    def announced(**keywords: Any) -> None:
        click.echo("before")
        function(**keywords)

    return announced


def test_a_lazy_command_that_the_host_renames_has_its_new_name(plugs: Path) -> None:
    group = host()
    plain = group.commands["plain"]
    plain.name = "simple"
    group.add_command(plain)
    assert (plain.name, run(group, "simple").output) == ("simple", "ran\n")
    assert run(group, "plain").output == "ran\n"


def test_a_lazy_command_can_be_invoked_by_another_command(plugs: Path) -> None:
    group = host()

    @group.command()
    @click.pass_context
    def other(ctx: click.Context) -> None:
        ctx.invoke(group.commands["plain"], loud=True)

    assert run(group, "other").output == "RAN\n"


def test_the_kind_of_a_command_with_another_class_is_not_taken_from_its_decorator(
    plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUG_TEXT", "First.")
    for made in ("cls=click.Group", "'made', click.Group", "*('made', click.Group)"):
        planted(plugs, f"@click.command({made})" + PLAIN_DEF)
        assert isinstance(host().commands["made"], click.Group)
        del sys.modules["plug_made"]


def test_a_refresh_of_the_manager_is_seen_by_the_group(plugs: Path) -> None:
    group = host()
    before = group.commands["words"]
    assert "late" not in group.commands
    plant(plugs, {"plug_words.py": COMMANDS["plug_words"].replace("Short", "New")})
    plant(plugs, dist("late", entry_points="[app.commands]\nlate = plug_words:words\n"))
    (plugs / "commands-1.0.dist-info" / "entry_points.txt").write_text(
        "[app.commands]\nwords = plug_words:words\n"
    )
    group.manager.refresh()
    assert {*group.commands} == {"own", "words", "late"}
    assert group.commands["words"] is before
    assert "words  New words." in run(group, "--help").output


def test_a_plugin_that_is_repaired_runs_after_a_refresh(plugs: Path) -> None:
    plant(plugs, {"plug_bad.py": "raise OSError('on purpose')\n"})
    plant(plugs, dist("broken", entry_points="[app.commands]\nbad = plug_bad:run\n"))
    lazyplug.invalidate_caches()
    group = host()
    assert run(group, "bad").exit_code == 1
    plant(plugs, {"plug_bad.py": COMMANDS["plug_plain"]})
    group.manager.refresh()
    assert run(group, "bad").output == "ran\n"


@pytest.mark.parametrize("chain", [False, True])
def test_a_shadowed_plugin_is_reported_once_unless_it_may_override(
    chain: bool, plugs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(plugs, dist("thief", entry_points="[app.commands]\nown = plug_plain:run\n"))
    lazyplug.invalidate_caches()
    for _ in range(2):
        assert run(host(chain=chain), "own").output == "own\n"
    (message,) = caplog.messages
    assert "the program already has a command 'own'" in message
    assert "declared by thief 1.0" in message
    assert "LAZYPLUG_DENY=app.commands=own. With LazyGroup" in message
    caplog.clear()
    group = host(chain=chain, override=True)
    assert run(group, "own").output == "ran\n"
    assert "  own     Run it now." in run(group, "--help").output
    assert not caplog.messages


def test_a_group_of_commands_in_chain_mode_runs_several_plugins(plugs: Path) -> None:
    assert run(host(chain=True), "plain", "own", "plain").output == "ran\nown\nran\n"
    assert imported() == {"plug_plain"}


# ---------------------------------------------------------------------------- facts


def test_a_fact_is_the_help_line_of_a_command_and_imports_nothing(plugs: Path) -> None:
    trap = "raise AssertionError('this must not be imported')"
    sources = {
        "plug_titled.py": f"""
            import click
            APP = {{"title": "The title. All of it."}}

            @click.command(short_help="Not this.", deprecated=True)
            def run(): "Nor this."
            {trap}
            """,
        "plug_odd.py": f"'''Odd.'''\nAPP = {{'title': 7}}\n{trap}\n",
        "plug_blank.py": f"'''Blank.'''\nAPP = {{'title': ' '}}\n{trap}\n",
    }
    points = "titled = plug_titled:run\nodd = plug_odd\nblank = plug_blank\n"
    plant(plugs, sources)
    plant(plugs, dist("titled", entry_points=f"[app.commands]\n{points}"))
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any]("app.commands", facts=Facts(declared="APP"))
    group = host(plugins=manager, help_fact="title")
    lines = [" ".join(line.split()) for line in run(group, "--help").output.split("\n")]
    title = click.Command("titled", short_help="The title. All of it.", deprecated=True)
    assert f"titled {title.get_short_help_str()}" in lines
    assert "The title. All of it." in str(completed(group, "titl")["titled"])
    # Without a text, the help is that of the source.
    assert {"blank Blank.", "odd Odd."} <= set(lines)
    assert imported() == set()


def test_a_help_fact_needs_a_manager_with_facts(plugs: Path) -> None:
    result = run(host(help_fact="title"), "--help")
    assert isinstance(result.exception, ValueError)
    text = "help_fact='title' needs facts: pass facts= to the manager"
    assert str(result.exception) == text


# ---------------------------------------------------------------------------- hints


def test_computed_texts_are_hints_if_the_host_declares_what_they_depend_on(
    plugs: Path, late_clock: Ticking, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
        import os
        import click
        LANG = os.environ.get("ACME_LANG", "en")

        @click.command(help=f"In {LANG}.", hidden=LANG == "xx")
        def run(): "In the source."
        """
    plant(plugs, {"plug_lang.py": source})
    plant(plugs, dist("lang", entry_points="[app.commands]\nlang = plug_lang:run\n"))
    monkeypatch.setattr(_description, "_BEGAN", 1 << 62)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    facts = Facts(describe=describe_command, depends={"variables": ["ACME_LANG"]})

    def start(facts: Facts, *arguments: str) -> str:
        end()
        for name in imported():
            del sys.modules[name]
        manager = ExtensionManager[Any]("app.commands", facts=facts)
        return run(host(plugins=manager), *arguments).output

    for language in ("en", "de", "xx"):
        monkeypatch.setenv("ACME_LANG", language)
        assert "\n  lang\n" in start(facts, "--help")
        assert f"In {language}." in start(facts, "lang", "--help")
        # Not hidden: nothing is excluded by a hint.
        assert f"lang    In {language}." in start(facts, "--help")
        assert not imported()
    monkeypatch.setenv("ACME_LANG", "de")
    assert "lang    In de." in start(facts, "--help")
    assert "\n  lang\n" in start(Facts(), "--help")


def test_described_commands_are_listed_as_click_lists_them(plugs: Path) -> None:
    facts = Facts(describe=describe_command)
    manager = ExtensionManager[Any]("app.commands", facts=facts)
    assert len(manager.map(lambda extension: extension.remembered)) == 8
    listed = run(host(plugins=manager), "--help").output
    assert listed == run(eager(), "--help").output


def test_a_plugin_that_is_no_command_and_other_hints_show_nothing(plugs: Path) -> None:
    assert describe_command(3) is None
    facts = Facts(describe=_other_hint)
    manager = ExtensionManager[Any]("app.commands", facts=facts)
    assert manager["plain"].plugin
    assert manager["plain"].remembered == {"help": "of another meaning"}
    assert "of another meaning" not in run(host(plugins=manager), "--help").output


def _other_hint(plugin: object) -> dict[str, str]:
    return {"help": "of another meaning"}


def test_an_older_click_suggests_names_and_aliases_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(self: click.Group, ctx: click.Context, args: list[str]) -> None:
        raise click.UsageError(f"No such command {args[0]!r}.", ctx)

    monkeypatch.setattr(click.Group, "resolve_command", refuse)
    group = host(aliases={"mine": "own"})
    assert "No such command 'ownn'; did you mean 'own'?" in run(group, "ownn").output
    assert "did you mean 'mine'?" in run(group, "mined").output
    assert run(group, "own").output.endswith("No such command 'own'.\n")
