"""Test what commands do in this process, if no other process is needed or available."""

import argparse
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from lazyplug import _calling, _environment, cli
from lazyplug.__main__ import main as run_module
from lazyplug._entry_point import EntryPoint
from lazyplug._extension import Extension
from lazyplug._indexing import storage, update
from lazyplug._running import launch, recorder
from lazyplug.cli import (
    cache,
    checking,
    completing,
    doctor,
    listing,
    loading,
    main,
    measuring,
    output,
    reasons,
    tracing,
)
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs
from tests.support.index_format import Index

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")
FILES = cache, checking, doctor, listing, measuring, output, reasons, tracing
ROOT = Path(__file__).parents[1]


@pytest.fixture
def app(site: PlantSite, prepend_path: SetPath) -> Path:
    directory = site(
        {
            "plug_a.py": "def a(): return 1\n",
            "plug_b.py": "raise OSError('broken on purpose')\n",
            **dist("some", entry_points="[app]\na = plug_a:a\nb = plug_b:b\n"),
        }
    )
    prepend_path(directory)
    return directory


# ---------------------------------------------------------------------------- trace


@pytest.fixture
def restored_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Restore the functions that a trace wraps, when the test is over."""
    environment: Any = _environment.Environment
    for home, name in (
        (environment, "load_index"),
        (update, "update"),
        (update, "store"),
        (storage, "store"),
        (Index, "rows"),
        (Extension, "_load"),
        (_calling, "call"),
        (EntryPoint, "load"),
    ):
        monkeypatch.setattr(home, name, getattr(home, name))


def test_events_are_recorded_when_they_end(
    app: Path, restored_functions: None, tmp_path: Path
) -> None:
    file = tmp_path / "events"
    recorder.record(str(file))
    manager = lazyplug.ExtensionManager[Any]("app", invoke_on_load=True)
    assert manager["a"].obj == 1
    manager.map(lambda extension: extension.obj)
    lazyplug.entry_points(group="app")["a"].load()
    file_events = [json.loads(line) for line in file.read_text().splitlines()]
    kinds = [event["event"] for event in file_events]
    assert kinds[:4] == ["write", "scan", "index", "group"]
    assert {"import", "call"} <= set(kinds)
    depths = [event["depth"] for event in file_events[:4]]
    assert depths == [2, 1, 0, 0]
    errors = [event["error"] for event in file_events if event["error"]]
    assert errors == ["OSError: broken on purpose"]
    # A failure to write events is ignored.
    file.unlink()
    lazyplug.invalidate_caches()
    assert lazyplug.ExtensionManager[Any]("app").names() == ["a", "b"]


PROGRAM = """
import sys, lazyplug
print(lazyplug.ExtensionManager("app", invoke_on_load=True)["a"].obj)
sys.exit(7)
"""


@pytest.fixture
def traced(
    app: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(app)]))
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    return lambda *options: main(["trace", *options, str(program)])


def test_trace_exits_with_the_code_of_the_program(
    traced: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert traced() == 7
    captured = capfd.readouterr()
    assert captured.out == "1\n"
    assert "import" in captured.err
    assert "a = plug_a:a, of app" in captured.err


def test_a_trace_is_written_to_a_file(
    traced: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert traced("--json", "out.json") == 7
    events = json.loads((tmp_path / "out.json").read_text())
    assert {"index", "group", "import", "call"} <= {e["event"] for e in events}
    assert traced("--svg", "out.svg") == 7
    assert "<svg" in (tmp_path / "out.svg").read_text()
    assert capfd.readouterr().err == ""


def test_trace_starts_nothing_if_its_output_cannot_be_written(
    traced: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert traced("--json", "none/out.json") == 2
    assert main(["trace"]) == 2
    monkeypatch.setitem(sys.modules, "rich", None)
    assert traced("--svg", "out.svg") == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "No such file or directory" in captured.err
    assert "PROGRAM is missing. Run `lazyplug trace --help`." in captured.err
    assert "--svg needs rich. Run `pip install lazyplug[cli]`." in captured.err


def test_a_trace_without_events_says_so(
    app: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert main(["trace", "-m", "this"]) == 0
    assert capfd.readouterr().err == "The program did not use lazyplug.\n"
    # If the program was not found, there is no second message.
    assert main(["trace", "no_such_program_anywhere"]) == 2
    assert "did not use lazyplug" not in capfd.readouterr().err


def test_a_truncated_line_of_events_is_skipped(tmp_path: Path) -> None:
    file = tmp_path / "events"
    line = json.dumps({"begin": 1.0, "depth": 0})
    file.write_text(f"{line}\n{line[:-3]}\n")
    assert tracing._events(str(file)) == [{"begin": 1.0, "depth": 0}]
    assert tracing._events(str(tmp_path / "none")) is None


# ----------------------------------------------------------------------- completion


def test_groups_and_names_are_completed(app: Path) -> None:
    parser = cli._parser([])
    own = cli._parser(["show"])
    for each in (parser, own):
        completing.complete(each)  # no shell asks
    completers = {
        action.metavar: action.completer
        for action in completing._actions(own)
        if hasattr(action, "completer")
    }
    words = SimpleNamespace(group="app")
    assert "app" in completers["GROUP"](parsed_args=words)
    assert completers["NAME"](parsed_args=words) == ["a", "b"]


def test_without_argcomplete_nothing_is_completed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "argcomplete", None)
    parser = cli._parser(["list"])
    completing.complete(parser)
    actions = list(completing._actions(parser))
    assert not any(hasattr(action, "completer") for action in actions)


def test_completion_uses_the_parser_of_the_current_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[Any] = []
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setenv("COMP_LINE", "lazyplug show app ")
    monkeypatch.setattr(completing, "complete", calls.append)
    (parser,) = [cli._parser([])]
    assert calls == [parser]
    metavars = [action.metavar for action in completing._actions(parser)]
    assert "NAME" in metavars
    assert "PROGRAM" not in metavars


def test_completion_knows_the_options_and_programs_of_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("_ARGCOMPLETE", "1")
    monkeypatch.setenv("COMP_LINE", "lazyplug run --")
    monkeypatch.setattr(completing, "complete", lambda _: None)
    actions = [*completing._actions(cli._parser([]))]
    assert {"PROGRAM", "MODULE", "FILE"} <= {action.metavar for action in actions}
    assert "pytest" in completing._programs(argparse.Namespace())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--trace"], "--trace needs a FILE"),
        (["--lazy", "x"], "--lazy can only be used with --as-stevedore"),
        (["--nothing"], "--nothing is not a valid option"),
        ([], "PROGRAM is missing"),
    ],
)
def test_invalid_options_of_run_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        launch._parse_arguments(arguments)
    assert message in capsys.readouterr().err


# ---------------------------------------------------------------------- the command


def test_run_passes_its_arguments_to_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(launch, "run", calls.append)
    monkeypatch.setattr(sys, "argv", ["lazyplug", "run", "--", "x"])
    assert run_module() == 0
    assert calls == [["--", "x"]]


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 1, ""),
        (OSError(28, "No space"), 1, "lazyplug: No space\n"),
        (OSError(13, "Refused", "/a"), 1, "lazyplug: /a: Refused\n"),
    ],
)
def test_an_interrupt_or_a_failed_write_determines_the_exit_code(
    raised: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def stop(_: object) -> int:
        raise raised

    monkeypatch.setattr(listing, "list_plugins", stop)
    kept = os.dup(1)
    try:
        assert main(["list"]) == code
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert capfd.readouterr().err == message


def test_standard_output_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["list"]) == 0
    sys.stdout.close()
    sys.stderr.close()


def test_lines_are_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    assert cli.terminal_width() == 50
    monkeypatch.setenv("COLUMNS", "wide")
    monkeypatch.setattr(os, "get_terminal_size", lambda: SimpleNamespace(columns=70))
    assert cli.terminal_width() == 70

    def none() -> Any:
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", none)
    assert cli.terminal_width() == 80
    monkeypatch.setattr(sys, "argv", ["/x/lazyplug/__main__.py"])
    assert cli._parser([]).prog == "python -m lazyplug"


# --------------------------------------------------------------------------- output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ROWS = [
    {"name": "json", "value": "acme.formats:Json", "note": "one two three", "n": 1},
    {"name": "yaml", "value": "acme.formats:Yaml", "note": "", "n": 20},
]
WORDS = {"json", "yaml", "acme.formats:Json", "acme.formats:Yaml", "one", "two"}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that prints rows on a terminal, and returns what it shows."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")

    def show(rows: list[dict[str, Any]], width: int) -> str:
        shown = Terminal()
        monkeypatch.setenv("COLUMNS", str(width))
        output.print_table(rows, shown)
        return shown.getvalue()

    return show


@pytest.mark.parametrize("width", range(20, 201, 4))
def test_a_table_breaks_no_word_at_any_width(
    width: int, terminal: Callable[..., str]
) -> None:
    for rows in (ROWS, [{"n": row["n"], **row} for row in ROWS]):
        shown = terminal(rows, width)
        assert {*shown.split()} >= WORDS
        too_long = [line for line in shown.splitlines() if len(line) > width]
        assert all(len(line.split(":", 1)[-1].split()) == 1 for line in too_long)


def test_a_few_long_first_cells_have_lines_of_their_own(
    terminal: Callable[..., str],
) -> None:
    rows = [{"group": name, "plugins": 1} for name in ("a", "b", "c", "a.long.name")]
    assert terminal(rows, 16) == (
        "group    plugins\n"
        "a              1\n"
        "b              1\n"
        "c              1\n"
        "a.long.name\n"
        "               1\n"
    )


def test_the_last_column_is_folded_and_a_narrower_table_becomes_blocks(
    terminal: Callable[..., str],
) -> None:
    rows = [{key: row[key] for key in ("name", "value", "note")} for row in ROWS]
    assert terminal(rows, 33) == (
        "name  value              note\n"
        "json  acme.formats:Json  one two\n"
        "                         three\n"
        "yaml  acme.formats:Yaml\n"
    )
    assert terminal(rows, 26) == (
        "name:  json\n"
        "value: acme.formats:Json\n"
        "note:  one two three\n"
        "\n"
        "name:  yaml\n"
        "value: acme.formats:Yaml\n"
    )
    wide = [{"name": "\u63d2\u4ef6", "n": 1}, {"name": "abcd", "n": 2}]
    assert terminal(wide, 80) == "name  n\n\u63d2\u4ef6  1\nabcd  2\n"


@pytest.mark.parametrize(
    ("variables", "on_a_terminal", "elsewhere"),
    [
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, True, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"CLICOLOR_FORCE": "1"}, True, True),
        ({"CLICOLOR_FORCE": "0"}, True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_variables_decide_about_colors(
    variables: dict[str, str],
    on_a_terminal: bool,
    elsewhere: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert output.is_colored(Terminal()) is on_a_terminal
    assert output.is_colored(io.StringIO()) is elsewhere


def test_states_and_notes_are_colored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = io.StringIO()
    rows = [{"name": "a", "state": "ok"}, {"name": "b", "state": "failed"}]
    output.print_table([{**row, "note": "odd"} for row in rows], shown)
    heading, first, second = shown.getvalue().splitlines()
    assert heading == "\x1b[1mname  state   note\x1b[0m"
    assert first == "a     \x1b[32mok    \x1b[0m  \x1b[33modd \x1b[0m"
    assert "\x1b[31mfailed\x1b[0m" in second
    assert output.painted("x", "unknown") == "x"


@pytest.mark.parametrize(
    "found", [[], {"a": ["\u00e9", "\udcff", 1, 0.5, None, True], "b": {}}, [{"c": []}]]
)
def test_json_is_the_same_without_orjson(
    found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_it = output.to_json(found)
    monkeypatch.setitem(sys.modules, "orjson", None)
    assert output.to_json(found) == with_it


def test_json_is_printed_to_a_stream_that_accepts_only_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdout", shown)
    output.print_json({"a": ["\udcff"]})
    assert json.loads(shown.getvalue()) == {"a": ["\\udcff"]}


# ---------------------------------------------------------------------------- check


def test_check_reports_a_process_that_cannot_be_started(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert main(["check", "app"]) == 1
    assert "its process cannot be started: [Errno 2]" in capsys.readouterr().out
    assert main(["check", "no.such.group", "--json"]) == 1
    assert capsys.readouterr().out == "[]\n"


def test_check_loads_plugins_in_this_process_if_none_can_be_started(
    site: PlantSite,
    prepend_path: SetPath,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    declared = "a = plug_here:a\nb = plug_gone:b\nc = plug_leaves:c\nd = no reference\n"
    prepend_path(
        site(
            {
                "plug_here.py": "a = 1\n",
                "plug_leaves.py": "raise SystemExit('leave me alone')\n",
                "plug_stops.py": "raise KeyboardInterrupt\n",
                **dist("some", entry_points=f"[app]\n{declared}"),
                **dist("stop", entry_points="[stop]\ns = plug_stops:s\n"),
            }
        )
    )
    for each in (checking, measuring, tracing):
        monkeypatch.setattr(each, "HAS_PROCESSES", False)
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr(threading.Thread, "start", None)
    assert main(["check", "app", "--json"]) == 1
    out, err = capsys.readouterr()
    assert {row["name"]: (row["state"], row["error"]) for row in json.loads(out)} == {
        "a": ("ok", ""),
        "b": ("failed", "ModuleNotFoundError: No module named 'plug_gone'"),
        "c": ("failed", "SystemExit: leave me alone"),
        "d": (
            "invalid",
            "'no reference' is not a valid reference (expected `module:attr`)",
        ),
    }
    message = "cannot start processes: each plugin is loaded in this process, without a"
    assert f"{sys.platform} {message} time limit\n" in err
    assert main(["check", "stop"]) == 130
    for command in (["bench"], ["trace", "nothing"]):
        assert main(command) == 1
        assert f"{sys.platform} cannot start processes" in capsys.readouterr().err


def test_check_describes_how_a_process_ended_and_counts_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert loading.how_ended(-250) == "its process was killed by signal 250"
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert checking._processors() == (os.cpu_count() or 1)


def test_progress_is_shown_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda _: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with output.progress("loading", 2, sys.stdout) as step:
        step()
        step()
    assert "loading" in capsys.readouterr().out
    # Without rich, it is a line that is rewritten, and erased at the end.
    monkeypatch.setitem(sys.modules, "rich", None)
    with output.progress("running", 2, sys.stderr) as step:
        step()
    printed = capsys.readouterr().err
    assert printed == "\rrunning 0/2\rrunning 1/2\r           \r"
    monkeypatch.setattr(output, "is_terminal", lambda _: False)
    with output.progress("running", 2, sys.stderr) as step:
        step()
    assert capsys.readouterr().err == ""


# ---------------------------------------------------------------------------- cache


def test_clear_reports_files_that_cannot_be_removed(
    app: Path,
    isolated: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lazyplug.refresh()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fs, "unlink", refuse)
    assert main(["cache", "clear"]) == 1
    captured = capsys.readouterr()
    assert "0 files removed from" in captured.out
    assert "cannot be removed: Permission denied\n" in captured.err


def test_files_that_vanish_meanwhile_are_skipped(
    app: Path,
    isolated: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    isolated.mkdir(mode=0o700)
    absent = str(isolated / f"{'0' * 16}-{'0' * 16}.json")
    monkeypatch.setattr(cache, "list_files", lambda _: [absent])
    assert main(["cache", "show"]) == 0
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(cache, "get_cache_directory", lambda: None)
    for command in (["cache", "path"], ["cache", "show"], ["refresh"]):
        assert main(command) == 1


@pytest.mark.once
def test_bench_reports_a_failed_process(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_METADATA", "raise SystemExit('no luck')")
    assert main(["bench", "app", "--rounds", "2"]) == 1
    message = "lazyplug bench: the process of importlib.metadata failed: no luck"
    assert message in capsys.readouterr().err
