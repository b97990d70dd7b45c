"""Test what `bench --program` measures, refuses and advises."""

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lazyplug._running import observer
from lazyplug.cli import gains, main, output, starts
from lazyplug.cli.starts import RELEASED, Observation, ProgramError, Start
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
Gain = Callable[..., Any]

FINDS = """
import sys
from importlib.metadata import entry_points
for point in sorted(entry_points(group="app"), key=lambda point: point.name):
    print(point.name, point.load())
"""
# Prints which stevedore it gets.
WITH_STEVEDORE = """
import stevedore
print([*stevedore.ExtensionManager("app")])
print(stevedore.__name__)
"""
STEVEDORE = {
    "__init__.py": "from stevedore.extension import ExtensionManager\n",
    "_cache.py": (
        "from importlib.metadata import entry_points\n"
        "def get_group_all(group): return list(entry_points(group=group))\n"
    ),
    "extension.py": (
        "from stevedore import _cache\n"
        "class ExtensionManager:\n"
        "    def __init__(self, group):\n"
        "        self.found = _cache.get_group_all(group)\n"
        "    def __iter__(self):\n"
        "        return (each.load() for each in self.found)\n"
    ),
}


@pytest.fixture
def site_directory(site: PlantSite, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a site directory for the programs, with a slow and a fast plugin."""
    declared = "[app]\nfast = plug_fast:a\nslow = plug_slow:a\n"
    directory = site(
        {
            "plug_fast.py": "a = 1\n",
            "plug_slow.py": "import time; time.sleep(0.05); a = 2\n",
            **dist("some", entry_points=declared),
        }
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(directory)]))
    monkeypatch.setattr(starts, "RACY_SECONDS", 0.0)
    return directory


@pytest.fixture
def bench(
    site_directory: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that measures a program: exit code, stdout, stderr."""

    def run(code: str, *options: str) -> tuple[int, str, str]:
        program = tmp_path / "program.py"
        program.write_text(code)
        command = ["bench", "--rounds", "2", "--yes", *options]
        exit_code = main([*command, "--program", str(program)])
        return exit_code, *capfd.readouterr()

    return run


@pytest.fixture
def gain(bench: Callable[..., tuple[int, str, str]]) -> Gain:
    """Return a function that measures a program and returns the JSON of its figures."""

    def run(code: str) -> Any:
        exit_code, out, _ = bench(code, "--json")
        assert exit_code == 0
        return json.loads(out)

    return run


def started(code: int = 0, out: bytes = b"", milliseconds: float = 100.0) -> Start:
    return Start(milliseconds, code, (out, b""))


def outputs(found: Any) -> list[str]:
    return [start["output"] for start in found["starts"]]


# ------------------------------------------------------------------ what is measured


def test_a_start_is_divided_into_finding_importing_and_the_rest(gain: Gain) -> None:
    found = gain(FINDS)
    parts = {part["part"]: part for part in found["parts"]}
    assert [*parts] == ["finding plugins", "importing plugins", "rest"]
    assert parts["finding plugins"]["milliseconds"] > 0
    assert 50 < parts["importing plugins"]["milliseconds"] < 1000
    slow, fast = found["plugins"]
    assert slow.pop("milliseconds") > 50 > fast["milliseconds"]
    assert slow == {"plugin": "slow", "value": "plug_slow:a", "group": "app"}
    assert [start["start"] for start in found["starts"]] == [
        "as released",
        "run --accelerate",
    ]
    assert outputs(found) == ["", "same"]
    assert (found["exit_code"], found["rounds"]) == (0, 2)


def test_a_program_without_plugins_spends_nothing_on_them(
    bench: Callable[..., tuple[int, str, str]],
) -> None:
    exit_code, out, err = bench("print('hello')")
    lines = out.splitlines()
    assert exit_code == 0
    assert lines[0].endswith(f"exit code 0, Python {sys.version.split()[0]}.")
    assert lines[4].split() == ["finding", "plugins", "0.00", "0.00", "0.00"]
    assert "hello" not in out
    assert lines[-1].startswith("Nothing to gain: no option with the same")
    assert "Running `" in err
    assert "program.py` up to 19 times.\n" in err
    assert len(err.splitlines()) == 1


@pytest.mark.once
def test_the_drop_in_is_tried_with_programs_that_import_stevedore(
    gain: Gain, site: PlantSite
) -> None:
    site({"stevedore": STEVEDORE})
    found = gain(WITH_STEVEDORE)
    assert [start["start"] for start in found["starts"]] == [*starts.WAYS]
    # The program prints which stevedore it got.
    assert outputs(found) == ["", "same", "different", "different"]
    assert [plugin["plugin"] for plugin in found["plugins"]] == ["slow", "fast"]


@pytest.mark.once
def test_a_program_is_measured_with_the_installed_stevedore(gain: Gain) -> None:
    pytest.importorskip("stevedore")
    code = "from stevedore import ExtensionManager as M; print(M('app').names())"
    found = gain(code)
    assert outputs(found) == ["", "same", "same", "same"]
    assert found["parts"][0]["milliseconds"] > 0
    assert len(found["plugins"]) == 2


def test_a_program_that_always_fails_is_measured(gain: Gain) -> None:
    found = gain(FINDS + "sys.exit('no luck')")
    assert found["exit_code"] == 1
    assert outputs(found) == ["", "same"]


def test_outputs_that_always_differ_are_not_comparable(gain: Gain) -> None:
    found = gain("import time; print(time.perf_counter_ns())")
    assert outputs(found) == ["", "not comparable"]


@pytest.mark.parametrize(
    "end",
    [
        "import os; os._exit(3)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os; os.execv(sys.executable, [sys.executable, '-c', 'print(5)'])",
        "import os; os.closerange(3, 256)",
        "import os\nif os.fork(): os.wait()\nelse: [p.load() for p in points]",
        "import threading; t = threading.Thread(target=points[0].load); t.start()",
        "sys.addaudithook(lambda e, a: 1 / ('events' not in str(a))); points[0].load()",
    ],
    ids=["exit", "kill", "exec", "close", "fork", "thread", "audit"],
)
def test_what_was_observed_is_kept_however_the_program_ends(
    gain: Gain, end: str
) -> None:
    find = (
        "import sys, importlib.metadata as m\npoints = [*m.entry_points(group='app')]"
    )
    found = gain(f"{find}\nprint(points[1].load(), flush=True)\n{end}")
    assert found["plugins"][0]["plugin"] == "slow"
    assert len(found["plugins"]) == (2 if "thread" in end else 1)


def test_a_program_that_replaces_the_finders_is_observed(gain: Gain) -> None:
    replace = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if type(f) is type]"
    )
    found = gain(f"{replace}\n{FINDS}")
    assert [plugin["plugin"] for plugin in found["plugins"]] == ["slow", "fast"]


def test_of_what_a_program_prints_only_digests_are_kept(
    gain: Gain, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Start] = []
    compare = gains.compare

    def see(released: list[Start], others: list[Start]) -> str:
        seen.extend(others)
        return compare(released, others)

    monkeypatch.setattr(gains, "compare", see)
    assert outputs(gain("print('a' * 1_000_000)")) == ["", "same"]
    assert {len(text) for start in seen for text in start.printed} == {32}


@pytest.mark.parametrize("option", ["-E", "-I"])
def test_a_script_that_ignores_its_variables_is_measured_without_the_switch(
    gain: Gain, tmp_path: Path, option: str
) -> None:
    log = tmp_path / "log"
    gain(
        f"#!python3 {option}\nimport os, sys\n"
        "seen = sys.flags.ignore_environment, os.environ['LAZYPLUG_SWITCH']\n"
        f"print(*seen, sys.flags.safe_path, file=open({str(log)!r}, 'a'))\n"
    )
    lines = log.read_text().splitlines()
    as_released = f"0 off {option == '-I'}"
    assert lines.count(as_released) >= 3
    assert {*lines} <= {as_released, "0 off False"}


def test_the_program_is_started_directly_with_its_own_environment(
    gain: Gain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("LAZYPLUG_DENY", "*")
    log = tmp_path / "log"
    gain(
        "import json, os, sys\n"
        "seen = {k: v for k, v in os.environ.items()"
        " if k.startswith(('LAZYPLUG', 'PYTHOND'))}\n"
        f"file = open({str(log)!r}, 'a')\n"
        "lazy = 'lazyplug' in sys.modules\n"
        "print(json.dumps([sys.orig_argv, seen, sys.stdin.read(), lazy]), file=file)\n"
    )
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    commands, variables, texts, lazy = zip(*lines)
    directly = [sys.executable, str(tmp_path / "program.py")]
    assert all([each[0], each[-1]] == directly for each in commands)
    assert all(
        each.keys() == {"LAZYPLUG_CACHE_DIR", "LAZYPLUG_SWITCH"} for each in variables
    )
    assert {each["LAZYPLUG_SWITCH"] for each in variables} == {"off"}
    assert not Path(variables[0]["LAZYPLUG_CACHE_DIR"]).exists()
    assert {*texts} == {""}
    # Two counted rounds, and the first, as released; the others are under `run`.
    assert [*lazy].count(False) == 3
    assert len(lazy) == starts.count_starts(2, 2)


def test_all_after_program_belongs_to_it(
    site_directory: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (site_directory / "plug_main.py").write_text(
        f"import sys; print(sys.argv[1:], file=open({str(tmp_path / 'log')!r}, 'a'))\n"
    )
    words = ["-m", "plug_main", "--", "--json", "--rounds", "--help"]
    assert main(["bench", "--rounds", "2", "--yes", "--program", *words]) == 0
    title = "python -m plug_main -- --json --rounds --help: exit code 0"
    assert capfd.readouterr().out.startswith(title)
    printed = {*(tmp_path / "log").read_text().splitlines()}
    assert printed == {"['--', '--json', '--rounds', '--help']"}


def test_a_console_script_without_a_file_is_measured(
    site: PlantSite, site_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    declared = "[console_scripts]\nplug-tool = plug_tool:main\n"
    site({"plug_tool.py": "def main(): return 4\n", **dist("t", entry_points=declared)})
    words = ["--program", "plug-tool", "--help"]
    assert main(["bench", "--rounds", "2", *words]) == 0
    assert capfd.readouterr().out.startswith("plug-tool --help: exit code 4")


def test_a_part_in_the_noise_is_less_than_its_spread(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # While it is observed, a program may take longer than as released.
    seen = [Observation(finding, {}, False) for finding in (120.0, 110.0, 96.0)]
    released = [started()] * 3
    found = gains.report(["x"], {RELEASED: released}, seen)
    assert found["parts"][2]["milliseconds"] == 0.0
    gains._print(found)
    rest = capsys.readouterr().out.splitlines()[6]
    assert rest.split("  ")[0] == "rest"
    assert rest.split() == ["rest", "<", "2.00", "2.00", "<", "0.02"]
    picture = tmp_path / "picture.svg"
    gains._draw(found, str(picture))
    assert "&lt;&#160;2.0" in picture.read_text()


# ------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--program", "pytest", "tests"],
            "this runs `pytest tests` up to 34 times. If that does no harm, add --yes",
        ),
        (["--rounds", "3", "--program", "x"], "this runs `x` up to 24 times."),
        (["--program", "--help"], "this runs `--help`"),
        (["--program", "x", "rm", "--", "--help"], "this runs `x rm -- --help`"),
        (["--yes", "--program", "-m"], "MODULE is missing."),
        (["--yes", "--program", "--"], "PROGRAM is missing."),
        (["--svg", "", "--program", "x", "--help"], " cannot be written: "),
        (["app", "--program", "x", "--help"], "GROUP and --program cannot be used"),
        (["--program"], "PROGRAM is missing. Run `lazyplug bench --help`."),
        (
            ["--svg", "none/x.svg", "--program", "x", "--help"],
            "none/x.svg cannot be written: No such file or directory",
        ),
        (["--svg", "x.svg", "app"], "--svg can only be used with --program"),
        (["--yes"], "--yes can only be used with --program"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_runs(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
    assert main(["bench", *arguments]) == 2
    assert f"lazyplug bench: {message}" in capsys.readouterr().err


def test_a_picture_needs_rich_and_all_of_it_processes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gains, "HAS_PROCESSES", False)
    assert main(["bench", "--program", "x", "--help"]) == 1
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["bench", "--svg", "x.svg", "--program", "x", "--help"]) == 2
    err = capsys.readouterr().err
    assert f"{sys.platform} cannot start processes" in err
    assert "--svg needs rich. Run `pip install lazyplug[cli]`." in err


def test_an_unknown_program_is_reported_as_by_run(
    site_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--program", "pytes", "--help"]) == 2
    err = capfd.readouterr().err
    assert "no program 'pytes' was found in" in err
    assert "did you mean 'pytest'" in err
    assert "Running" not in err


def is_running(process: int) -> bool:
    """Return True if a process runs, and not only waits to be reaped."""
    try:
        os.kill(process, 0)
        status = Path(f"/proc/{process}/stat")
        return (
            not status.exists()
            or status.read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def wait_until_ended(process: int) -> bool:
    for _ in range(100):
        if not is_running(process):
            return True
        time.sleep(0.05)
    return False


def test_a_program_that_does_not_end_is_killed_with_its_children(
    bench: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starts, "_LIMIT", 1.0)
    file = tmp_path / "process"
    exit_code, out, err = bench(
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "child = subprocess.Popen(sleep)\n"
        f"open({str(file)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    assert (exit_code, out) == (1, "")
    assert "did not end within 1 seconds, and was killed (as released)\n" in err
    assert wait_until_ended(int(file.read_text()))


def test_exit_codes_that_differ_as_released_are_an_error(
    bench: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    file = str(tmp_path / "count")
    exit_code, _, err = bench(
        f"import os, sys; file = open({file!r}, 'a'); file.write('x'); file.flush()\n"
        "size = os.fstat(file.fileno()).st_size\n"
        "sys.exit(0 if 'lazyplug' in sys.modules else size)\n"
    )
    assert exit_code == 1
    assert "differ from start to start (" in err
    assert "its starts cannot be compared\n" in err


def test_a_program_that_deletes_temporary_files_is_not_measured(
    bench: Callable[..., tuple[int, str, str]],
) -> None:
    exit_code, out, err = bench(
        "import os, shutil\n"
        "shutil.rmtree(os.path.dirname(os.environ['LAZYPLUG_CACHE_DIR']))\n"
    )
    assert (exit_code, out) == (1, "")
    last = err.splitlines()[-1]
    assert last.startswith("lazyplug: ")
    assert last.endswith("events: No such file or directory")


def test_figures_are_printed_even_if_temporary_files_cannot_be_removed(
    bench: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "rmdir", fail)
    exit_code, out, _ = bench("")
    assert exit_code == 0
    assert "Nothing to gain" in out


def test_figures_are_printed_even_if_the_picture_cannot_be_written(
    bench: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("rich")

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gains, "save_picture", fail)
    file = tmp_path / "x.svg"
    exit_code, out, err = bench("", "--svg", str(file))
    assert exit_code == 1
    assert "Nothing to gain" in out
    assert f"bench: {file} cannot be written: No space left on device\n" in err


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    file = tmp_path / "process"
    program.write_text(
        f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = (
        # SIGINT is ignored if the tests run in the background.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from lazyplug.cli import main\n"
        f"sys.exit(main(['bench', '--yes', '--program', {str(program)!r}]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            for _ in range(400):
                if file.exists() and file.read_text():
                    break
                time.sleep(0.05)
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, b"")
    assert err.startswith(b"Running `")
    assert err.count(b"\n") == 1
    assert [*temporary.iterdir()] == []
    assert wait_until_ended(int(file.read_text()))


# ------------------------------------------------------------------- what is advised


def figures(
    released: float,
    accelerated: float,
    out: bytes = b"",
    finding: float = 20.0,
    words: tuple[str, ...] = ("/v/bin/tool", "--help"),
    has_file: bool = True,
) -> Any:
    """Return a report of three starts, each with these milliseconds."""
    return gains.report(
        [*words],
        {
            RELEASED: [started(milliseconds=released)] * 3,
            "run --accelerate": [started(out=out, milliseconds=accelerated)] * 3,
        },
        [Observation(finding, {("a", "plug:a", "app"): 30.0}, False)] * 3,
        has_file,
    )


def test_what_gains_is_advised_as_the_command_to_type(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = figures(200.0, 150.0)
    assert (found["command"], found["gain"]) == ("lazyplug on --for tool", 50.0)
    assert [part["share"] for part in found["parts"]] == [0.1, 0.15, 0.75]
    gains._print(found)
    printed = capsys.readouterr().out
    advice = "This saves 50 ms of each start (25%):\nlazyplug on --for tool\n"
    assert printed.endswith(f"\n\n{advice}")
    assert max(map(len, printed.splitlines())) <= 80


@pytest.mark.parametrize(
    "found",
    [
        figures(200.0, 199.0),
        figures(200.0, 230.0),
        figures(200.0, 100.0, b"other"),
        figures(2000.0, 1900.0, finding=0.0),
    ],
    ids=["little", "slower", "another output", "more than plugins take"],
)
def test_what_does_not_gain_is_not_advised(found: Any) -> None:
    assert (found["command"], found["gain"]) == ("", 0.0)
    expected = (
        "Nothing to gain: no option with the same output is faster by more than the"
        " spread and 2%."
    )
    assert gains._advice(found) == expected


def test_if_the_starts_vary_much_more_rounds_are_advised() -> None:
    found = figures(200.0, 199.0)
    found["starts"][0]["spread"] = 30.0
    expected = "the spread, which is large: try again with more --rounds."
    assert gains._advice(found).endswith(expected)
    # Not if there is nothing that more rounds could show.
    for part in found["parts"][:2]:
        part["share"] = 0.0
    assert gains._advice(found).startswith("Nothing to gain: ")


def test_a_console_script_without_a_file_gains_only_under_run() -> None:
    found = figures(200.0, 150.0, words=("tool", "--help"), has_file=False)
    assert found["command"] == "lazyplug run --accelerate tool --help"


def test_advice_about_outputs_that_cannot_be_compared_says_so() -> None:
    found = figures(200.0, 150.0)
    found["starts"][1]["output"] = gains.NOT_COMPARABLE
    expected = "since it differs from start to start: check it."
    assert gains._advice(found).endswith(expected)


def test_control_characters_in_the_name_of_a_program_are_escaped() -> None:
    found = figures(200.0, 150.0, words=("a\x1b[2J",))
    assert gains._advice(found).endswith("--for 'a\\x1b[2J'")


def test_threads_find_and_import_no_longer_than_the_start_takes() -> None:
    found = figures(40.0, 40.0, finding=30.0)
    assert [part["share"] for part in found["parts"]] == [0.75, 0.25, 0.0]
    found = figures(20.0, 20.0, finding=30.0)
    assert [part["share"] for part in found["parts"]] == [1.0, 0.0, 0.0]


def test_a_program_that_fails_only_when_it_is_observed_has_no_figures() -> None:
    found = {RELEASED: [started(0)] * 2}
    observed = [Observation(0.0, {}, False, 3)] * 2
    message = "`tool` ends with exit code 3 instead of 0 while it is observed"
    with pytest.raises(ProgramError, match=message):
        gains.report(["tool"], found, observed)


def test_a_program_with_several_exit_codes_has_no_figures() -> None:
    found = {RELEASED: [started(0), started(2)]}
    with pytest.raises(ProgramError, match=r"exit codes of `tool` differ .*\(0, 2\)"):
        gains.report(["tool"], found, [])


def test_the_figures_are_drawn(
    bench: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    pytest.importorskip("rich")
    picture = tmp_path / "gain.svg"
    exit_code, out, _ = bench(FINDS, "--svg", str(picture))
    assert (exit_code, "finding plugins" in out) == (0, True)
    text = picture.read_text()
    assert "<svg" in text
    assert "as&#160;released" in text


def test_a_file_that_can_be_written_is_not_changed_by_the_check(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert output.unwritable(str(file)) == ""
    assert not file.exists()
    file.write_text("kept")
    assert output.unwritable(str(file)) == ""
    assert file.read_text() == "kept"
    fault = output.unwritable(str(tmp_path))
    assert fault == f"{tmp_path} cannot be written: Is a directory"


# ----------------------------------------------------------------- how it is observed


LIBRARY = """
class EntryPoint:
    def __init__(self, name): self.name, self.value, self.group = name, "v", "g"
    def load(self):
        return [*distributions()] if self.name == "finds" else self.name
class Distribution:
    @property
    def entry_points(self): return [EntryPoint("a")]
def distributions():
    yield Distribution()
def entry_points(**params):
    return [point for dist in distributions() for point in dist.entry_points]
"""


@pytest.fixture
def library(
    site: PlantSite, prepend_path: SetPath, tmp_path: Path
) -> Iterator[tuple[Any, Callable[[], list[Any]]]]:
    """Yield an observed importlib_metadata, and a function that reads the events."""
    prepend_path(site({"importlib_metadata.py": LIBRARY}, "library"))
    names = [
        name for name in sys.modules if name.partition(".")[0] == "importlib_metadata"
    ]
    before = {name: sys.modules.pop(name) for name in names}
    finders = list(sys.meta_path)
    file = tmp_path / "events"

    def events() -> list[Any]:
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [json.loads(line)[:2] for line in lines]

    class Finder(PathFinder):
        pass

    observer._Observer(str(file)).wrap_finder(Finder)
    sys.meta_path.insert(0, Finder)
    try:
        import importlib_metadata

        yield importlib_metadata, events
    finally:
        sys.meta_path[:] = finders
        del sys.modules["importlib_metadata"]
        sys.modules.update(before)


def test_finding_is_written_once_and_loading_apart_from_it(
    library: tuple[Any, Callable[[], list[Any]]],
) -> None:
    module, events = library
    assert events() == [["library", ["importlib_metadata"]]]
    (point,) = module.entry_points(group="g")
    assert events() == [["finding", []]]
    (found,) = module.distributions()
    assert [point.name for point in found.entry_points] == ["a"]
    # the call, each step of the iteration, and the property
    assert events() == [["finding", []]] * 4
    assert point.load() == "a"
    assert events() == [["importing", ["a", "v", "g"]]]
    assert len(module.EntryPoint("finds").load()) == 1
    assert events() == [["finding", []]] * 3 + [["importing", ["finds", "v", "g"]]]


def test_an_entry_point_that_cannot_be_described_is_loaded(
    library: tuple[Any, Callable[[], list[Any]]],
) -> None:
    module, events = library
    events()
    point = module.EntryPoint("a")
    del point.value
    assert point.load() == "a"
    assert events() == [["importing", ["", "", ""]]]


def test_what_cannot_be_written_or_wrapped_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = observer._Observer(str(tmp_path / "none" / "events"))
    assert lost._wrap(len, observer.FINDING)("ab") == 2
    # a module that only has the name of the library
    lost.wrap_functions(ModuleType("importlib_metadata"))
    file = tmp_path / "events"
    forked = observer._Observer(str(file))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert forked._wrap(len, observer.FINDING)("ab") == 2
    assert not file.exists()


def test_a_library_that_was_imported_before_is_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer, "PathFinder", type("Finder", (PathFinder,), {}))
    module: Any = ModuleType("stevedore._cache")
    module.get_group_all = lambda group: [group]
    for name in observer._LIBRARIES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "stevedore._cache", module)
    file = tmp_path / "events"
    observer.observe(str(file))
    assert module.get_group_all("g") == ["g"]
    events = [json.loads(line)[:2] for line in file.read_text().splitlines()]
    assert events == [["library", ["stevedore._cache"]], ["finding", []]]
