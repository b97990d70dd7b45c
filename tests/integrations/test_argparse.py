"""Test that plugins are subcommands, and only the selected one is imported."""

import argparse
import contextlib
import copy
import functools
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lazyplug
from lazyplug import Choice, ExtensionManager, Facts, _description, error_on_conflict
from lazyplug.integrations.argparse import (
    add_plugins,
    call_with_parser,
    run_with_arguments,
    run_with_options,
    use_command,
    use_get_parser,
)
from lazyplug.testing import dist, plant
from tests.support.fixtures import PlantSite, SetPath
from tests.support.properties import examples

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")

GREET = '''
def add(parser):
    """Greet 100 % of %(prog)s."""
    parser.add_argument("who")
    parser.set_defaults(func=lambda options: f"hello {options.who}")
'''
CLASSES = '''
class Verb:
    """Does it with `main`."""

    def add_arguments(self, parser):
        parser.add_argument("--times", type=int, default=1)

    def main(self):
        return "main"


class Command(Verb):
    """Does it with `run`."""

    def run(self, args):
        return args.times


class Conflicting(Verb):
    """Adds an option that every parser has."""

    def add_arguments(self, parser):
        parser.add_argument("-h")


class Short:
    """Has no arguments."""

    def main(self):
        return "short"


class Lost:
    """Has neither."""


class Failing(Verb):
    """Fails."""

    def __init__(self):
        raise OSError("no such device")


class Leaving(Verb):
    """Exits."""

    def add_arguments(self, parser):
        raise SystemExit("install more")
'''
PARSERS = '''
"""Build it."""
import argparse


class Parser(argparse.ArgumentParser):
    """A class of its own."""


def get_parser(parents=()):
    """Return a parser."""
    parser = Parser("build", description="Builds.", parents=parents)
    parser.add_argument("--jobs", type=int)
    return parser


def main(args):
    return args.jobs


class Show:
    """Show it."""

    def get_parser(self, prog_name="show"):
        parser = argparse.ArgumentParser(prog=prog_name)
        nested = parser.add_subparsers()
        nested.add_parser("all").set_defaults(what="all")
        return parser

    def run(self, parsed_args):
        return parsed_args.what
'''
NESTED = """
import argparse


def get_parser(**options):
    parser = argparse.ArgumentParser(**options)
    parser.add_subparsers().add_parser("all").set_defaults(func=len)
    return parser
"""
POINTS = """
[app.commands]
greet = plug_greet:add
bare = plug_bare:add
bad = plug_bad
gone = plug_nowhere:x
no = not a reference
own = plug_bad

[app.functions]
run = plug_functions:run

[app.classes]
verb = plug_classes:Verb
command = plug_classes:Command
short = plug_classes:Short
lost = plug_classes:Lost
failing = plug_classes:Failing
leaving = plug_classes:Leaving
conflicting = plug_classes:Conflicting

[app.parsers]
build = plug_parsers
function = plug_parsers:get_parser
show = plug_parsers:Show
nested = plug_nested
text = plug_greet:GREETING
"""


@pytest.fixture
def plugs(site: PlantSite, prepend_path: SetPath) -> Path:
    """Return a site directory with commands, of which some are broken."""
    directory = site(
        {
            "plug_greet.py": f"{GREET}GREETING = 'hello'\n",
            "plug_bare.py": "add = lambda parser: parser.add_argument('--x')\n",
            "plug_bad.py": "'''Is bad.'''\nraise OSError('on purpose')\n",
            "plug_functions.py": "def run(options):\n    'Run.'\n    return options\n",
            "plug_classes.py": CLASSES,
            "plug_parsers.py": PARSERS,
            "plug_nested.py": NESTED,
            "commands-1.0.dist-info": {
                "METADATA": "Name: commands\nVersion: 1.0\nSummary: What it is for.\n",
                "entry_points.txt": POINTS,
            },
        }
    )
    prepend_path(directory)
    return directory


def host(plugins: Any = "app.commands", **options: Any) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="host")
    commands = parser.add_subparsers()
    commands.add_parser("own", help="The host's own.").set_defaults(own=True)
    add_plugins(parser, plugins, **options)
    return parser


def parsers_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the subcommands of a parser, as tools find them."""
    (found,) = [
        each.choices for each in parser._actions if isinstance(each.choices, dict)
    ]
    return found


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("plug_")}


class Outcome(NamedTuple):
    """What came of parsing a command line."""

    result: Any
    out: str
    err: str


Capture = pytest.CaptureFixture[str]


def outcome(parse: Callable[[], Any], capsys: Capture) -> Outcome:
    try:
        result = parse()
    except SystemExit as exited:
        result = f"exit {exited.code}"
    except (argparse.ArgumentError, TypeError) as error:
        result = f"{type(error).__name__}: {error}"
    return Outcome(result, *capsys.readouterr())


def printed(capsys: Capture, parser: argparse.ArgumentParser, *words: str) -> str:
    """Return the exit code and what a command line prints, with single spaces."""
    found = outcome(lambda: parser.parse_args(words), capsys)
    return " ".join(f"{found.result} {found.out} {found.err}".split())


def test_the_help_screen_describes_each_plugin_and_imports_none(
    plugs: Path, capsys: Capture
) -> None:
    output = printed(capsys, host(), "--help")
    assert output.startswith("exit 0 usage: host [-h] {own,bad,bare,gone,greet,no} ...")
    assert (
        "own The host's own. bad Is bad. bare"
        " gone (cannot be used: no module named 'plug_nowhere')"
        " greet Greet 100 % of %(prog)s."
        " no (cannot be used: not a valid reference (expected `module:attr`))"
    ) in output
    assert imported() == set()


def test_the_summary_of_a_distribution_is_not_shown_as_the_help_of_its_command(
    plugs: Path, capsys: Capture
) -> None:
    assert "What it is for." not in printed(capsys, host(), "--help")
    assert printed(capsys, host(), "bare", "--help") == (
        "exit 0 usage: host bare [-h] [--x X]"
        " options: -h, --help show this help message and exit --x X"
    )


def test_only_the_selected_plugin_is_imported(plugs: Path, capsys: Capture) -> None:
    parser = host()
    options = parser.parse_args(["greet", "you"])
    assert options.func(options) == "hello you"
    assert imported() == {"plug_greet"}
    output = printed(capsys, parser, "greet", "--help")
    assert "usage: host greet [-h] who Greet 100 % of %(prog)s." in output
    assert imported() == {"plug_greet"}
    assert "unrecognized arguments: --y" in printed(capsys, parser, "bare", "--y")


def test_only_the_parser_of_the_selected_plugin_is_created(plugs: Path) -> None:
    created: list[str] = []

    class Parser(argparse.ArgumentParser):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            created.append(self.prog)

    parser = Parser(prog="host")
    parser.add_subparsers()
    add_plugins(parser, "app.commands")
    parser.format_help()
    assert created == ["host"]
    parser.parse_args(["bare"])
    parser.parse_args(["bare"])
    assert created == ["host", "host bare"]


def test_a_function_is_run_with_the_parsed_options(plugs: Path) -> None:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--loud", action="store_true")
    parser = host("app.functions", adapter=run_with_options, parents=[common])
    options = parser.parse_args(["run", "--loud"])
    assert options.func(options).loud is True
    assert options.func is sys.modules["plug_functions"].run


@pytest.mark.parametrize("words", [[], ["--help", "-1", ""], ["a", "--", "-b", "--"]])
def test_a_function_that_parses_its_arguments_itself_gets_all_of_them(
    words: list[str], plugs: Path
) -> None:
    parser = host("app.functions", adapter=run_with_arguments)
    options = parser.parse_args(["run", *words])
    assert (options.func(options.arguments), options.arguments) == (words, words)
    assert parsers_of(parser)["run"].format_usage() == "usage: host run ...\n"


def test_a_class_with_add_arguments_is_a_subcommand(
    plugs: Path, capsys: Capture
) -> None:
    parser = host("app.classes", adapter=use_command)
    options = parser.parse_args(["command", "--times", "3"])
    assert options.func(options) == 3
    assert parser.parse_args(["verb"]).func() == "main"
    assert parser.parse_args(["short"]).func() == "short"
    output = printed(capsys, parser, "command", "--help")
    assert "usage: host command [-h] [--times TIMES] Does it with `run`." in output


def test_an_object_that_the_manager_makes_is_a_subcommand(plugs: Path) -> None:
    manager = ExtensionManager[Any]("app.classes", invoke_on_load=True)
    parser = host(manager, adapter=use_command)
    options = parser.parse_args(["command"])
    assert options.func.__self__ is manager["command"].obj


def test_the_parser_that_a_plugin_returns_is_the_parser_of_its_subcommand(
    plugs: Path, capsys: Capture
) -> None:
    parser = host("app.parsers", adapter=use_get_parser)
    options = parser.parse_args(["build", "--jobs", "3"])
    assert options.func(options) == 3
    options = parser.parse_args(["show", "all"])
    assert options.func(options) == "all"
    assert "usage: host build [-h] [--jobs" in printed(capsys, parser, "build", "-h")
    assert "usage: host show all" in printed(capsys, parser, "show", "all", "-h")
    assert parser.parse_args(["function", "--jobs", "4"]) == argparse.Namespace(jobs=4)
    assert parser.parse_args(["nested", "all"]).func is len
    kind = sys.modules["plug_parsers"].Parser
    assert isinstance(parsers_of(parser)["function"], kind)
    expected = "could not be used: TypeError: 'hello' is not a callable object"
    assert expected in printed(capsys, parser, "text")


def test_a_host_has_an_adapter_of_its_own(plugs: Path, capsys: Capture) -> None:
    def adapter(extension: Any, parser: argparse.ArgumentParser) -> None:
        verb = extension.plugin()
        parser.epilog = f"See {extension.name}."
        parser.set_defaults(verb_parser=parser, main=verb.main)
        verb.add_arguments(parser=parser)

    parser = host("app.classes", adapter=adapter)
    options = parser.parse_args(["verb"])
    assert options.main() == "main"
    assert options.verb_parser.format_help() == parsers_of(parser)["verb"].format_help()
    assert printed(capsys, parser, "verb", "--help").endswith("See verb.")


BROKEN = [
    ("app.commands", "bad", "could not be loaded: OSError: on purpose. Set"),
    ("app.commands", "gone", "Error: No module named 'plug_nowhere'. Set"),
    ("app.commands", "no", "is not a valid reference (expected `module:attr`). Its"),
    ("app.classes", "lost", "could not be used: AttributeError: 'Lost' object has no"),
    ("app.classes", "failing", "could not be used: OSError: no such device. Set"),
    ("app.classes", "leaving", "could not be used: SystemExit: install more"),
]


@pytest.mark.parametrize(("group", "name", "reason"), BROKEN)
def test_the_error_for_an_unusable_plugin_names_its_distribution_and_the_traceback(
    group: str, name: str, reason: str, plugs: Path, capsys: Capture
) -> None:
    adapter = use_command if group == "app.classes" else call_with_parser
    parser = host(group, adapter=adapter)
    output = printed(capsys, parser, name, "--unknown")
    assert output.startswith(f"exit 1 host {name}: error: entry point '{name} = ")
    assert reason in output
    assert "declared by commands 1.0 in" in output
    seen = "Set LAZYPLUG_TRACEBACK=1 to see the traceback." in output
    assert seen == (name != "leaving")
    # It affects no other, and its help is the reason.
    assert parser.parse_args(["own"]).own is True
    assert reason.partition(". Set")[0] in " ".join(
        parsers_of(parser)[name].format_help().split()
    )


def test_with_a_variable_the_exception_of_a_broken_plugin_is_raised(
    plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_TRACEBACK", "1")
    with pytest.raises(OSError, match="on purpose"):
        host().parse_args(["bad"])
    # argparse prints an ArgumentError as a mistake of the user, and raises nothing.
    text = (
        "'conflicting = .* could not be used: ArgumentError: argument -h: conflicting"
    )
    with pytest.raises(lazyplug.LazyplugError, match=text) as raised:
        host("app.classes", adapter=use_command).parse_args(["conflicting"])
    assert isinstance(raised.value.__cause__, argparse.ArgumentError)


def test_control_characters_in_the_exception_of_a_plugin_are_escaped(
    plugs: Path, capsys: Capture
) -> None:
    plant(plugs, {"plug_bad.py": r"raise OSError('two\nlines \x1b[2J')" + "\n"})
    output = printed(capsys, host(), "bad")
    assert "loaded: OSError: two lines \\x1b[2J. Set LAZYPLUG" in output
    assert "lines \\x1b[2J" in printed(capsys, host(), "bad", "--help")
    assert "\x1b" not in parsers_of(host())["bad"].format_help()


def test_the_hosts_own_mistake_in_the_options_is_raised(plugs: Path) -> None:
    parser = host(font="bold")
    with pytest.raises(TypeError, match="unexpected keyword argument 'font'"):
        parser.parse_args(["greet", "you"])


def test_a_plugin_that_the_host_shadows_is_reported(
    plugs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert host().parse_args(["own"]).own is True
    (message,) = [each for each in caplog.messages if "metadata" not in each]
    assert message.startswith("ignoring entry point 'own = plug_bad' of group 'app.")
    assert message.endswith("or set LAZYPLUG_DENY=app.commands=own.")
    assert imported() == set()


def test_a_subcommand_that_the_host_removes_stays_removed(
    plugs: Path, capsys: Capture
) -> None:
    parser = host()
    del parsers_of(parser)["greet"]
    assert "invalid choice: 'greet'" in printed(capsys, parser, "greet", "you")


def test_a_plugin_can_look_at_all_subcommands_while_its_own_is_created(
    plugs: Path,
) -> None:
    def adapter(extension: Any, subparser: argparse.ArgumentParser) -> None:
        progs = [each.prog for each in parsers_of(parser).values()]
        subparser.set_defaults(progs=progs)

    parser = host("app.functions", adapter=adapter)
    assert parser.parse_args(["run"]).progs == ["host own", "host run"]


def test_two_plugins_with_one_name_are_unusable_unless_a_resolver_chooses(
    plugs: Path, capsys: Capture
) -> None:
    plant(plugs, dist("zweit", entry_points="[app.commands]\ngreet = plug_bare:add\n"))
    lazyplug.invalidate_caches()
    resolver = error_on_conflict
    parser = host(ExtensionManager[Any]("app.commands", conflict_resolver=resolver))
    reason = "greet (cannot be used: one of 2 plugins with this name)"
    assert reason in printed(capsys, parser, "--help")
    error = printed(capsys, parser, "greet")
    assert error.startswith("exit 1 host greet: error: 'greet' is declared more than")
    assert "usage: host bare" in printed(capsys, parser, "bare", "--help")


def test_a_manager_selects_the_subcommands(plugs: Path) -> None:
    manager = ExtensionManager[Any]("app.commands", choice=Choice(allow=["greet"]))
    assert list(parsers_of(host(manager))) == ["own", "greet"]


@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("gret", "; did you mean 'greet'?"),
        ("xyzzy", ""),
        ("hallo", "; did you mean 'hall'?"),
    ],
)
def test_a_misspelled_subcommand_gets_the_most_similar_names(
    word: str, advice: str, plugs: Path, capsys: Capture
) -> None:
    parser = host(aliases={"hall": "greet"})
    output = printed(capsys, parser, word)
    assert output.startswith("exit 2 usage: host [-h]")
    assert "host: error: argument {own,bad,bare,gone,greet,hall,no}: invalid" in output
    if advice and getattr(parser, "suggest_on_error", False):  # the default since 3.15
        similar = advice.removeprefix("; did you mean ").removesuffix("?")
        assert f", maybe you meant {similar}? (choose from " in output
    else:
        assert output.endswith(advice or ")")
    assert imported() == set()


def test_an_excluded_subcommand_says_why(
    plugs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAZYPLUG_DENY", "app.commands=greet")
    output = printed(capsys, host(), "greet", "you")
    assert output.startswith("exit 2 ")
    assert "); entry point 'greet = plug_greet:add' of group" in output
    assert "excluded by the deny pattern 'app.commands=greet' in LAZYPLUG_" in output


def test_a_subcommand_that_an_incomplete_check_does_not_see_is_found(
    plugs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host()
    file = plugs / "commands-1.0.dist-info" / "entry_points.txt"
    changed = POINTS.replace("greet = ", "hello = plug_greet:add\ngreet = ")
    before = os.stat(file.parent)
    file.write_text(changed)
    os.utime(file.parent, ns=(before.st_atime_ns, before.st_mtime_ns))
    monkeypatch.setenv("LAZYPLUG_CHECK", "dirs")
    lazyplug.invalidate_caches()
    parser = host()
    assert "hello" not in parsers_of(parser)
    assert parser.parse_args(["hello", "you"]).who == "you"


def test_plugins_of_two_groups_share_a_parser(plugs: Path, capsys: Capture) -> None:
    parser = host()
    add_plugins(parser, "app.functions", adapter=run_with_options)
    assert "func" in parser.parse_args(["run"])
    error = printed(capsys, parser, "rum")
    # Since 3.15, argparse suggests names itself.
    assert error.count("did you mean 'run'?") + error.count("you meant 'run'?") == 1


def test_a_fact_is_the_help_text_of_a_subcommand_and_imports_nothing(
    plugs: Path,
) -> None:
    (plugs / "plug_titled.py").write_text(
        "APP = {'title': '50 % nicer', 'aliases': ['good', 'greet', 'own', 3]}\n"
        "raise AssertionError('not to be imported')\n"
    )
    plant(plugs, dist("titled", entry_points="[app.commands]\nnice = plug_titled\n"))
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any]("app.commands", facts=Facts(declared="APP"))
    parser = host(manager, help_fact="title", aliases_fact="aliases")
    output = " ".join(parser.format_help().split())
    # Names that are already used are no aliases.
    assert "nice (good) 50 % nicer" in output
    # Of the others no title is known: their help is that of their source.
    assert "greet Greet 100 %" in output
    assert imported() == set()


@pytest.mark.parametrize("option", ["help_fact", "aliases_fact"])
def test_a_fact_needs_a_manager_with_facts(option: str, plugs: Path) -> None:
    text = f"^{option}='title' needs facts: pass facts= to the manager$"
    with pytest.raises(ValueError, match=text):
        host(**{option: "title"})


def help_of(plugin: Any) -> dict[str, str] | None:
    return {"help": f"{plugin.__name__}, {6 * 7} times"} if callable(plugin) else None


def test_a_hint_is_the_help_text_of_a_subcommand(
    plugs: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_description, "_BEGAN", 1 << 62)  # the plugin is older
    manager = ExtensionManager[Any]("app.commands", facts=Facts(describe=help_of))
    host(manager).parse_args(["greet", "you"])
    del sys.modules["plug_greet"]
    again = ExtensionManager[Any]("app.commands", facts=Facts(describe=help_of))
    output = printed(capsys, host(again), "--help")
    assert "greet add, 42 times" in output
    assert "bad Is bad." in output
    assert imported() == set()


def test_a_parser_without_subcommands_is_refused(plugs: Path) -> None:
    text = "^add_plugins.. needs an ArgumentParser with subcommands: call its add_sub"
    parser = argparse.ArgumentParser()
    with pytest.raises(ValueError, match=text):
        add_plugins(parser, "app.commands")
    commands: Any = parser.add_subparsers()
    with pytest.raises(ValueError, match=text):
        add_plugins(commands, "app.commands")


def test_plugins_that_are_neither_a_name_nor_a_manager_are_refused() -> None:
    text = r"^\['x'\] is not a valid plugins argument: expected the name of a group, su"
    with pytest.raises(TypeError, match=text):
        host(["x"])


def test_a_program_that_lists_its_plugins_itself_leaves_them_out_of_the_help(
    plugs: Path,
) -> None:
    output = host(help=argparse.SUPPRESS).format_help()
    assert " ".join(output.split()) == (
        "usage: host [-h] {own,bad,bare,gone,greet,no} ..."
        " positional arguments: {own,bad,bare,gone,greet,no} own The host's own."
        " options: -h, --help show this help message and exit"
    )


def test_a_lazy_parser_is_shown_and_compared_without_an_import(plugs: Path) -> None:
    parsers = parsers_of(host())
    assert repr(parsers["greet"]) == "<LazyParser greet>"
    assert {parsers["greet"]: 1}[parsers["greet"]] == 1
    assert isinstance(parsers["greet"], argparse.ArgumentParser)
    assert imported() == set()


def test_what_a_host_does_to_a_lazy_parser_is_done_to_the_parser(plugs: Path) -> None:
    parser = host()
    greet = parsers_of(parser)["greet"]
    greet.epilog = "The end."
    greet.add_argument("--more")
    del greet.usage
    greet.usage = "greet MORE"
    assert vars(greet)["epilog"] == "The end."
    for each in (parser, copy.deepcopy(parser)):
        assert each.parse_args(["greet", "you", "--more", "x"]).more == "x"
        assert parsers_of(each)["greet"].format_usage() == "usage: greet MORE\n"
    parsers = parsers_of(copy.deepcopy(parser))
    assert type(parsers["greet"]) is argparse.ArgumentParser


# ---- The same as a program that adds all subcommands itself ----

LAW_GROUP = "law.commands"
LAW = {
    f"plug_law_{name}.py": f'''
def add(parser):
    """{about}"""
    parser.add_argument("--{name}", choices=["a", "b"])
    parser.add_argument("rest", nargs="{nargs}")
    parser.set_defaults(name="{name}")
'''
    for name, about, nargs in (
        ("alpha", "Do it.", "?"),
        ("beta", "Do 50 % of it, and say at great length what was done, and why.", "*"),
        ("betamax", "", "+"),
    )
}
WORDS = [
    *("alpha", "beta", "betamax", "own", "b", "nope", "bet", "--", "-h", "--help"),
    *("--alpha", "--al", "a", "c", "--beta=b", "--loud", "--lo", "-v", "", "-1"),
]
PARSES = [
    *("parse_args", "parse_known_args", "parse_intermixed_args"),
    "parse_known_intermixed_args",
]


class Shouting(argparse.ArgumentParser):
    """A parser class of the host."""

    def error(self, message: str) -> Any:
        super().error(message.upper())


def common() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--loud", action="store_true", help="Be loud.")
    return parser


SUBPARSERS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.just("Commands"),
        "description": st.just("All of them."),
        "metavar": st.sampled_from(["COMMAND", None]),
        "dest": st.just("command"),
        "required": st.booleans(),
        "help": st.just("one of these"),
        "prog": st.just("other"),
        "parser_class": st.sampled_from(
            [Shouting, functools.partial(argparse.ArgumentParser, epilog="Partial.")]
        ),
    },
)
PARSER = st.fixed_dictionaries(
    {"prog": st.just("host")},
    optional={
        "usage": st.just("%(prog)s [options]"),
        "formatter_class": st.sampled_from(
            [argparse.RawTextHelpFormatter, argparse.ArgumentDefaultsHelpFormatter]
        ),
        "allow_abbrev": st.booleans(),
        "exit_on_error": st.booleans(),
        "parents": st.builds(lambda: [common()]),
        "prefix_chars": st.just("-+"),
        **({"suggest_on_error": st.booleans()} if sys.version_info >= (3, 14) else {}),
    },
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "formatter_class": st.just(argparse.RawDescriptionHelpFormatter),
        "parents": st.builds(lambda: [common()]),
        "allow_abbrev": st.booleans(),
        "exit_on_error": st.booleans(),
        "add_help": st.booleans(),
        "epilog": st.just("The end of %(prog)s."),
        "description": st.just("Described by the host."),
        "prog": st.just("subprogram"),
        **({"deprecated": st.booleans()} if sys.version_info >= (3, 13) else {}),
    },
)


def program(
    parser_options: dict[str, Any],
    subparsers_options: dict[str, Any],
    options: dict[str, Any],
    lazy: bool,
) -> argparse.ArgumentParser:
    """Return a program with subcommands that are plugins, nested in another one."""
    top = argparse.ArgumentParser(**parser_options)
    top.add_argument("-v", action="count")
    group = top.add_subparsers(**subparsers_options)
    parser = group.add_parser("deep", help="Go deeper.")
    for each in (top, parser):
        commands: Any = group if each is top else parser.add_subparsers()
        commands.add_parser("own", help="The host's own.")
        if lazy:
            add_plugins(each, LAW_GROUP, aliases={"b": "beta"}, **options)
            continue
        for extension in ExtensionManager[Any](LAW_GROUP):
            add = extension.plugin
            text = add.__doc__
            kwds = {"help": text.replace("%", "%%"), "description": text or None}
            aliases = ["b"] if extension.name == "beta" else []
            add(commands.add_parser(extension.name, aliases=aliases, **kwds | options))
    return top


@pytest.fixture(scope="module")
def law(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site directory with subcommands."""
    directory = tmp_path_factory.mktemp("law")
    points = "".join(f"{name[9:-3]} = {name[:-3]}:add\n" for name in LAW)
    tree = dist("law", entry_points=f"[{LAW_GROUP}]\n{points}")
    plant(directory, {**LAW, **tree})
    return directory


def behavior(build: Callable[[], argparse.ArgumentParser], parse: Any) -> list[Any]:
    """Return what a program returns, prints and raises."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            result: Any = parse(build())
        except SystemExit as exited:
            result = f"exit {exited.code}"
        except (argparse.ArgumentError, TypeError) as error:
            result = f"{type(error).__name__}: {error}"
    return [result, out.getvalue(), err.getvalue()]


SUGGESTION = re.compile(r"; did you mean [^?]*\?", re.IGNORECASE)


@given(
    parser=PARSER,
    subparsers=SUBPARSERS,
    options=OPTIONS,
    words=st.lists(st.sampled_from(WORDS), max_size=4),
    deep=st.booleans(),
    name=st.sampled_from(PARSES),
)
@examples(200)
def test_a_program_prints_and_parses_as_if_it_had_added_all_subcommands(
    parser: dict[str, Any],
    subparsers: dict[str, Any],
    options: dict[str, Any],
    words: list[str],
    deep: bool,
    name: str,
    law: Path,
) -> None:
    lazy, eager = (
        functools.partial(program, parser, subparsers, options, is_lazy)
        for is_lazy in (True, False)
    )
    words = ["deep"] * deep + words
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(law))
        for parse in (
            lambda parser: getattr(parser, name)(words),
            lambda parser: parser.format_help(),
            lambda parser: {
                name: each.format_help() for name, each in parsers_of(parser).items()
            },
        ):
            found, expected = behavior(lazy, parse), behavior(eager, parse)
            if "invalid choice" in str(expected).lower():
                found = [
                    SUGGESTION.sub("", each) if isinstance(each, str) else each
                    for each in found
                ]
            assert found == expected


def completed(parser: argparse.ArgumentParser, line: str) -> str:
    """Return what a shell gets that asks argcomplete."""
    argcomplete = pytest.importorskip("argcomplete")
    output = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(SystemExit):
        patch.setenv("_ARGCOMPLETE", "1")
        patch.setenv("_ARGCOMPLETE_IFS", " ")
        patch.setenv("COMP_LINE", line)
        patch.setenv("COMP_POINT", str(len(line)))
        # It would close the descriptor 9, which may be one of pytest.
        patch.setattr(os, "fdopen", lambda *_: io.StringIO())
        argcomplete.autocomplete(parser, exit_method=sys.exit, output_stream=output)
    return output.getvalue()


TOOLS: dict[str, Callable[[argparse.ArgumentParser], object]] = {
    "names": lambda parser: completed(parser, "host be"),
    "options": lambda parser: completed(parser, "host beta --b"),
    "deep": lambda parser: completed(parser, "host deep alpha --"),
    "shtab": lambda parser: pytest.importorskip("shtab").complete(parser, "zsh"),
    "argparse-manpage": lambda parser: str(
        pytest.importorskip("argparse_manpage.manpage").Manpage(parser)
    ),
    "sphinx-argparse": lambda parser: pytest.importorskip(
        "sphinxarg.parser"
    ).parse_parser(parser),
}


@pytest.mark.parametrize(
    ("tool", "modules"),
    [*zip(TOOLS, (0, 1, 1, 3, 3, 3))],
)
def test_tools_see_what_they_see_in_a_program_that_adds_all_subcommands(
    tool: str, modules: int, law: Path, prepend_path: SetPath
) -> None:
    prepend_path(law)
    found = TOOLS[tool](program({"prog": "host"}, {}, {}, True))
    assert len(imported()) == modules
    assert found == TOOLS[tool](program({"prog": "host"}, {}, {}, False))
    assert "beta" in str(found) or tool == "deep"
