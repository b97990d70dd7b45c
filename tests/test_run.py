"""Test that a program cannot tell `lazyplug run` from being started directly.

What it sees is compared with what it sees when it is started by the system, by its
path, or by `python -m`, in an environment where lazyplug is installed.
"""

import ast
import os
import runpy
import shutil
import subprocess
import sys
import traceback
import types
import zipapp
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import lazyplug
from lazyplug._running import launch
from lazyplug.testing import dist, plant
from tests.support.children import python

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links, and scripts of POSIX")

# Prints all by which a program could tell how it was started.
SEEING = """
import sys

def see():
    main = sys.modules["__main__"]
    spec, loader = main.__spec__, main.__loader__
    seen = {name: getattr(main, name, "missing") for name in (
        "__name__", "__file__", "__cached__", "__doc__", "__package__",
        "__annotations__",
    )}
    seen["spec"] = spec and [spec.name, spec.origin, spec.cached, spec.parent]
    seen["loader"] = [
        type(loader).__name__, getattr(loader, "name", ""), getattr(loader, "path", ""),
    ]
    seen["globals"] = list(vars(main))
    seen["builtins"] = type(main.__builtins__).__name__
    seen["argv"], seen["path"] = sys.argv, sys.path
    seen["orig_argv"], seen["flags"] = sys.orig_argv, str(sys.flags)
    seen["argv while found"] = getattr(sys.modules.get("see_package"), "ARGV", None)
    seen["code"] = sys._getframe(1).f_code.co_filename
    import subprocess
    seen["options of children"] = subprocess._args_from_interpreter_flags()
    print(seen)
    return 3
"""
SEE = "from seeing import see\nsee()\n"
# As pip writes it, and as distlib does if the kernel cannot use the path.
SCRIPT = """\
#!{executable}
# -*- coding: utf-8 -*-
import re
import sys
from seeing import see
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(see())
"""
# The console script of lazyplug.
COMMAND = """\
#!{executable}
import sys
from lazyplug.__main__ import main
sys.exit(main())
"""
BY_SHELL = "/bin/sh\n'''exec' \"{executable}\" \"$0\" \"$@\"\n' '''"
BY_SHELL_RELATIVE = (
    "/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python'"
    " \"$0\" \"$@\"\n' '''"
)
UNDECLARED = (
    "and no distribution installed for {executable} declares a console script"
    " of that name"
)
# A stand-in for the installed stevedore, to be distinguished from the drop-in.
INSTALLED = {"__init__.py": "", "driver.py": "", "own.py": ""}
# What `bench` compares with.
INSTALLED |= {"_cache.py": "def get_group_all(group):\n    return []\n"}
DROP_IN = "lazyplug.compat.stevedore"


class Environment(NamedTuple):
    """A virtual environment in which lazyplug and a program are installed."""

    directory: Path
    site: Path
    # Where programs are started: not in the environment.
    here: Path

    @property
    def python(self) -> str:
        return str(self.directory / "bin" / "python")

    def start(
        self, *command: "str | Path", cwd: Path | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Start a command as a shell would."""
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.run(
            list(map(str, command)),
            cwd=cwd or self.here,
            text=True,
            check=False,
            timeout=60,
            **options,
        )

    def run(
        self, *arguments: "str | Path", flags: tuple[str, ...] = (), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Start a program through `run`."""
        command = (self.python, *flags, "-m", "lazyplug", "run", *arguments)
        return self.start(*command, **options)

    def trace(
        self, *arguments: "str | Path", flags: tuple[str, ...] = (), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Start a program through the command `trace`."""
        script = self.directory / "bin" / "lazyplug"
        command = (self.python, *flags, script, "trace", *arguments)
        return self.start(*command, **options)


def program(path: Path, text: str) -> Path:
    """Write a file that can be started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    root = tmp_path_factory.mktemp("run")
    directory = root / "environment"
    python("-m", "venv", "--without-pip", str(directory))
    site = next(directory.glob("lib/python*/site-packages"))
    shutil.copytree(
        Path(lazyplug.__file__).parent,
        site / "lazyplug",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    declared = "".join(
        f"{name} = {value}\n"
        for name, value in {
            "show": "seeing:see",
            "without-file": "seeing:see",
            "by-bash": "seeing:see",
            "other": "seeing:see",
            "a.b": "seeing:sys.stdout.flush",
            "no-function": "seeing",
            "no-reference": "see ing",
        }.items()
    )
    found = "import sys\nARGV = list(sys.argv)\n"
    module = {"__init__.py": found, "__main__.py": SEE, "part.py": SEE}
    plant(
        site,
        {
            "seeing.py": SEEING,
            "see_module.py": SEE,
            "see_package": module,
            "stevedore": INSTALLED,
            **dist("seeing", entry_points=f"[console_scripts]\n{declared}"),
        },
    )
    here = plant(root / "here", {"see_here.py": SEE, "directory": {"__main__.py": SEE}})
    made = Environment(directory, site, here)
    scripts = directory / "bin"
    program(scripts / "show", SCRIPT.format(executable=made.python))
    program(scripts / "lazyplug", COMMAND.format(executable=made.python))
    by_shell = SCRIPT.format(executable=BY_SHELL)
    program(scripts / "show-by-shell", by_shell.format(executable=made.python))
    program(scripts / "show-relative", SCRIPT.format(executable=BY_SHELL_RELATIVE))
    program(scripts / "by-bash", "#!/bin/sh\nexit 7\n")
    program(here / "shell-script", "#!/bin/sh\nexit 7\n")
    (here / "link").symlink_to(scripts / "show")
    (here / "scripts").symlink_to(scripts)
    links = plant(root / "links", {})
    (links / "show-linked").symlink_to(scripts / "show")
    zipapp.create_archive(here / "directory", here / "archive", made.python)
    return made


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, environment: Environment) -> None:
    """Start programs as from a shell in which the environment is activated."""
    for name in list(os.environ):
        if name.startswith("PYTHON"):
            monkeypatch.delenv(name)
    root = environment.directory
    path = [root / "bin", root.parent / "links", os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, path)))
    monkeypatch.setenv("PWD", str(environment.here))


# What a program sees

BY_NAME = ["show", "show-by-shell", "show-relative", "show-linked"]
BY_PATH = ["{bin}/show", "./link", "scripts/show", "directory/../see_here.py"]
BY_PATH += ["./directory", "./archive"]
MODULES = ["see_here", "see_module", "see_package", "see_package.part", "directory"]
ARGUMENTS = ("one", "--as-stevedore", "-m", "--", "")
NOTHING_TRACED = "The program did not use lazyplug.\n"


def same(
    direct: subprocess.CompletedProcess[str],
    run: subprocess.CompletedProcess[str],
    *differing: str,
) -> dict[str, Any]:
    """Return what a program saw: the same both ways, except what `differing` names."""
    assert run.returncode == direct.returncode
    assert run.stderr.removesuffix(NOTHING_TRACED) == direct.stderr
    # Versions of Python may differ in whether they leave "./" in `__file__`.
    seen: dict[str, Any] = ast.literal_eval(run.stdout.replace("/./", "/"))
    expected: dict[str, Any] = ast.literal_eval(direct.stdout.replace("/./", "/"))
    for name in differing:
        assert seen[name] != expected.pop(name)
    assert {name: seen[name] for name in seen if name not in differing} == expected
    return seen


@pytest.mark.parametrize("name", BY_NAME)
def test_a_script_found_by_name_sees_the_same_as_from_the_shell(
    environment: Environment, name: str
) -> None:
    seen = same(environment.start(name, *ARGUMENTS), environment.run(name, *ARGUMENTS))
    assert os.path.isabs(seen["argv"][0])
    assert seen["path"][0] == str(environment.directory / "bin")


FLAGS = [(), ("-P",), ("-I",), ("-W", "error"), ("-E", "-O")]


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
@pytest.mark.parametrize("path", BY_PATH)
def test_a_script_found_by_path_sees_the_same_as_from_python(
    environment: Environment, path: str, flags: tuple[str, ...]
) -> None:
    path = path.format(bin=environment.directory / "bin")
    direct = environment.start(environment.python, *flags, path, *ARGUMENTS)
    seen = same(direct, environment.run(path, *ARGUMENTS, flags=flags))
    assert seen["argv"] == [path, *ARGUMENTS]


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
@pytest.mark.parametrize("name", MODULES)
def test_a_module_sees_the_same_as_from_python(
    environment: Environment, name: str, flags: tuple[str, ...]
) -> None:
    direct = environment.start(environment.python, *flags, "-m", name, *ARGUMENTS)
    run = environment.run("-m", name, *ARGUMENTS, flags=flags)
    if direct.returncode == 1:  # not found, if the current directory is not searched
        assert name in ("see_here", "directory")
        assert (run.returncode, run.stderr) == (1, direct.stderr)
    else:
        same(direct, run)


def test_options_about_sys_path_in_the_first_line_of_a_script_are_followed(
    environment: Environment,
) -> None:
    text = SCRIPT.format(executable=f"{environment.python} -sP")
    path = program(environment.here / "safe", text)
    direct, run = environment.start(path), environment.run(path)
    # The options themselves are not followed, unless it starts itself again.
    seen = same(direct, run, "flags", "options of children")
    assert str(environment.here) not in seen["path"]
    assert seen["orig_argv"] == [environment.python, "-sP", str(path)]
    assert (
        str(environment.here)
        in same(
            environment.start(environment.python, path.with_name("see_here.py")),
            environment.run(path.with_name("see_here.py")),
        )["path"]
    )


def test_a_program_runs_in_a_removed_current_directory(
    environment: Environment, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    leave = f"mkdir {gone} && cd {gone} && rmdir {gone} && exec {environment.python}"
    show = environment.directory / "bin" / "show"
    same(
        environment.start("sh", "-c", f"{leave} {show}"),
        environment.start("sh", "-c", f"{leave} -m lazyplug run show"),
    )


# Tracing, and what must not be imported


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
@pytest.mark.parametrize("how", ["./see_here.py", "./archive", "see_module"])
def test_a_traced_program_sees_the_same_as_from_python(
    environment: Environment, how: str, flags: tuple[str, ...]
) -> None:
    program = ("-m", how) if how == "see_module" else (how,)
    direct = environment.start(environment.python, *flags, *program, *ARGUMENTS)
    same(direct, environment.trace(*program, *ARGUMENTS, flags=flags))
    traced_too = environment.trace("--as-stevedore", *program, *ARGUMENTS, flags=flags)
    same(direct, traced_too)


@pytest.mark.parametrize("safe", ["", "1"])
def test_a_program_follows_pythonsafepath(
    environment: Environment, safe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", safe)
    script = environment.directory / "bin" / "lazyplug"
    for program in (("./see_here.py",), ("show",), ("-m", "see_here")):
        python = () if program == ("show",) else (environment.python,)
        direct = environment.start(*python, *program)
        if safe and program[0] == "-m":
            assert "No module named see_here" in direct.stderr
            assert "No module named see_here" in environment.trace(*program).stderr
            continue
        same(direct, environment.run(*program))
        same(direct, environment.trace(*program))
        same(direct, environment.start(script, "run", *program))


def test_a_traced_program_runs_in_a_removed_current_directory(
    environment: Environment, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    leave = f"mkdir {gone} && cd {gone} && rmdir {gone} && exec"
    for program in ("show", "-m see_module"):
        started = program.replace("-m", f"{environment.python} -m")
        direct = environment.start("sh", "-c", f"{leave} {started}")
        for command in ("run", "trace"):
            script = environment.directory / "bin" / f"lazyplug {command} {program}"
            same(direct, environment.start("sh", "-c", f"{leave} {script}"))


def test_lazyplug_in_an_archive_runs_and_traces_programs(
    environment: Environment, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    shutil.copytree(Path(lazyplug.__file__).parent, build / "lazyplug")
    archive = tmp_path / "lazyplug.pyz"
    zipapp.create_archive(
        build, archive, main="lazyplug.__main__:main", compressed=True
    )
    plain = environment._replace(directory=tmp_path / "plain")
    python("-m", "venv", "--without-pip", str(plain.directory))
    for flags in ((), ("-P",), ("-I",)):
        command = (plain.python, *flags, archive)
        for program in (("./see_alone.py",), ("-m", "see_alone")):
            shutil.copy(environment.site / "seeing.py", environment.here)
            text = f"import sys\nsys.path.append({str(environment.site)!r})\n{SEE}"
            (environment.here / "see_alone.py").write_text(text, encoding="utf-8")
            direct = environment.start(plain.python, *flags, *program)
            for name in ("run", "trace"):
                done = environment.start(*command, name, *program)
                if direct.returncode == 1:  # not found
                    assert flags
                    assert "No module named see_alone" in done.stderr
                else:
                    same(direct, done)


HOSTILE = """
import os
with open({log!r}, "a") as log:
    log.write(__name__ + "\\n")
raise ImportError("of the current directory")
"""


@pytest.fixture
def hostile(environment: Environment, tmp_path: Path) -> Environment:
    """Return the environment, in a directory that has a module of every name."""
    text = HOSTILE.format(log=str(tmp_path / "imports"))
    names = {*sys.stdlib_module_names, "importlib_metadata", "orjson", "platformdirs"}
    names |= {"rich", "seeing", "see_module", "sitecustomize", "stevedore", "zipp"}
    here = plant(tmp_path / "here", {f"{name}.py": text for name in sorted(names)})
    running = {"__init__.py": text, "launch.py": text}
    tree = {"__init__.py": text, "__main__.py": text, "_running": running}
    plant(here, {"lazyplug": tree})
    return environment._replace(here=here)


@pytest.mark.parametrize(
    "arguments",
    [
        ["trace", "show"],
        ["trace", "--as-stevedore", "show"],
        ["trace", "without-file"],
        ["trace", "-m", "quiet"],
        ["trace", "--as-stevedore", "-m", "quiet"],
        ["run", "-m", "quiet"],
        ["run", "--as-stevedore", "--children", "show"],
        ["check"],
        ["bench", "--rounds", "2"],
        ["bench", "--rounds", "2", "--yes", "--program", "show"],
        ["doctor"],
        ["list", "console_scripts"],
        ["why", "console_scripts", "show"],
    ],
    ids=" ".join,
)
@pytest.mark.once
def test_nothing_is_imported_from_the_current_directory(
    hostile: Environment, arguments: list[str], tmp_path: Path
) -> None:
    plant(hostile.site, {"quiet.py": "print('quiet')\n"})
    done = hostile.start(hostile.directory / "bin" / "lazyplug", *arguments)
    assert not (tmp_path / "imports").exists(), done.stderr
    assert "Traceback" not in done.stderr
    if arguments[0] == "bench" and sys.version_info >= (3, 15):
        # importlib.metadata raises for the invalid entry points of this environment.
        assert done.stdout or "of importlib.metadata failed: ValueE" in done.stderr
    else:
        assert done.stdout


@pytest.mark.once
def test_children_ignore_the_environment_if_their_parent_does(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = environment.directory / "bin" / "lazyplug"
    monkeypatch.setenv("PYTHONHOME", "/nowhere")  # no Python starts with it
    commands = (["check"], ["bench", "--rounds", "2"], ["trace", "./see_here.py"])
    for flags in (["-I", script], ["-Im", "lazyplug"], ["-E", "-P", script]):
        for command in commands:
            done = environment.start(environment.python, *flags, *command)
            assert "PYTHONHOME" not in done.stdout + done.stderr
            assert done.stdout, done.stderr


# Imports


def modules_of(environment: Environment, *arguments: str) -> set[str]:
    done = environment.start(environment.python, *arguments)
    assert done.stderr == ""
    found: set[str] = set(ast.literal_eval(done.stdout))
    return found


LAUNCH = {
    "lazyplug._running",
    "lazyplug._running.command",
    "lazyplug._running.launch",
}


def test_run_imports_only_the_package_and_its_own_modules(
    environment: Environment,
) -> None:
    listing = "import sys\nprint(list(sys.modules))\n"
    plant(environment.here, {"listing.py": listing})
    program(
        environment.directory / "bin" / "listing", f"#!{environment.python}\n{listing}"
    )
    baseline = modules_of(environment, "-m", "listing")
    ours = {"lazyplug", *LAUNCH}
    command = ("-m", "lazyplug", "run")
    assert modules_of(environment, *command, "-m", "listing") == baseline | ours
    assert modules_of(environment, *command, "./listing.py") == baseline | ours
    assert modules_of(environment, *command, "listing") == baseline | ours


def test_as_stevedore_additionally_imports_the_drop_in(
    environment: Environment,
) -> None:
    listing = "import sys\nprint(list(sys.modules))\n"
    installing = f"from {DROP_IN} import install\ninstall()\n"
    plant(environment.here, {"list1.py": listing, "list2.py": installing + listing})
    command = ("-m", "lazyplug", "run", "--as-stevedore", "./list1.py")
    expected = modules_of(environment, "-m", "list2") | LAUNCH
    assert modules_of(environment, *command) == expected


# Endings

ENDINGS = {
    "at its end": "print('out')",
    "exit": "import sys\nprint('out')\nsys.exit()",
    "exit 3": "raise SystemExit(3)",
    "exit with a text": "import sys\nprint('out')\nsys.exit('message')",
    "exit with an object": "raise SystemExit([])",
    "an error": (
        "def fail():\n    raise ValueError('first')\n"
        "try:\n    print('out')\n    fail()\n"
        "except ValueError as error:\n    raise KeyError('second') from error"
    ),
    "no syntax": "print('never')\nx = = 1",
    "an error that is no Exception": "class E(BaseException): pass\nraise E",
    "an interrupt": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)",
    "a warning": "import warnings\nwarnings.warn('careful')\nprint('out')",
    "a hook of its own": (
        "import sys, traceback\n"
        "def hook(kind, value, trace):\n"
        "    print(sys.excepthook is hook, value.__traceback__ is trace)\n"
        "    traceback.print_exception(value)\n"
        "sys.excepthook = hook\nraise ValueError"
    ),
    "what handlers see at its end": (
        "import atexit, sys\n"
        "def handle():\n"
        "    print('__file__' in globals(), '__cached__' in globals(), NAME)\n"
        "    print(sys.argv[0], sys.modules['__main__'].__dict__ is globals())\n"
        "atexit.register(handle)\nNAME = 'name'"
    ),
    "what handlers see after an exit": (
        "import atexit, sys\n"
        "atexit.register(lambda: print('__file__' in globals()))\nsys.exit(1)"
    ),
    "what handlers see after an error": (
        "import atexit, sys, traceback\n"
        "def handle():\n"
        "    print('__file__' in globals(), sys.excepthook is sys.__excepthook__)\n"
        "    print(len(traceback.extract_tb(sys.last_traceback)))\n"
        "    print(len(traceback.extract_tb(sys.last_value.__traceback__)))\n"
        "atexit.register(handle)\n1 / 0"
    ),
    "a thread that is still at work": (
        "import atexit, threading, time\n"
        "def work():\n    time.sleep(0.1)\n    print(NAME)\n"
        "atexit.register(print, 'exit')\n"
        "threading.Thread(target=work).start()\nNAME = 'name'\nprint('out')"
    ),
    "an error in a thread": (
        "import threading\n"
        "def work():\n    raise ValueError\n"
        "threading.Thread(target=work).start()"
    ),
    "output that was not flushed": (
        "import atexit, os\natexit.register(os.write, 1, b'second\\n')\nprint('first')"
    ),
    "no output": "import sys\nsys.stdout.close()",
    "pickles": (
        "import pickle\nclass C: pass\n"
        "print(type(pickle.loads(pickle.dumps(C()))) is C, C.__module__)"
    ),
}


@pytest.mark.parametrize("text", ENDINGS.values(), ids=ENDINGS)
def test_a_program_ends_as_if_started_directly(
    environment: Environment, text: str
) -> None:
    path = program(environment.here / "ending.py", text)
    for how in ([path], ["-m", "ending"]):
        # What is written to one file shows what comes first.
        direct = environment.start(environment.python, *how, stderr=subprocess.STDOUT)
        run = environment.run(*how, stderr=subprocess.STDOUT)
        assert (run.returncode, run.stdout) == (direct.returncode, direct.stdout)
        assert "lazyplug" not in run.stdout


def test_a_closed_pipe_is_handled_as_if_started_directly(
    environment: Environment,
) -> None:
    path = environment.here / "writing.py"
    path.write_text("print('out')\n", encoding="utf-8")
    ends = []
    for start in (environment.start, environment.run):
        reader, writer = os.pipe()
        os.close(reader)
        command = (path,) if start == environment.run else (environment.python, path)
        done = start(*command, stdout=writer)
        os.close(writer)
        ends.append((done.returncode, done.stderr))
    assert ends[0] == ends[1]
    assert ends[0][0] == 120


def test_an_error_is_printed_if_the_program_deleted_the_excepthook(
    environment: Environment,
) -> None:
    path = environment.here / "unhooked.py"
    path.write_text("import sys\ndel sys.excepthook\n1 / 0\n", encoding="utf-8")
    done = environment.run(path)
    assert done.returncode == 1
    assert done.stderr.startswith("sys.excepthook is missing\n")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("text", ["NAME = 1", "NAME = 1\n1 / 0", "NAME = 1\nexit(1)"])
def test_the_globals_of_a_program_can_be_inspected_with_the_option_i(
    environment: Environment, text: str
) -> None:
    path = environment.here / "inspected.py"
    path.write_text(text, encoding="utf-8")
    statements = "print(NAME, sorted(globals()))\n"
    direct = environment.start(environment.python, "-i", path, input=statements)
    run = environment.run(path, flags=("-i",), input=statements)
    assert "__builtins__" in direct.stdout
    assert (run.stdout, run.stderr) == (direct.stdout, direct.stderr)


SPAWNING = """\
import multiprocessing, os, sys

class Made:
    pass

def made(number):
    main = sys.modules["__main__"]
    return number * 2, Made(), main.__name__, os.path.basename(main.__file__)

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result = pool.map(made, [1])[0]
    print(result[0], type(result[1]) is Made, *result[2:])
"""


@pytest.mark.parametrize("how", [["./spawning"], ["-m", "spawning"], ["spawn-script"]])
def test_multiprocessing_workers_find_definitions_of_the_program(
    environment: Environment, how: list[str]
) -> None:
    plant(environment.here, {"spawning": SPAWNING, "spawning.py": SPAWNING})
    script = f"#!{environment.python}\n{SPAWNING}"
    program(environment.directory / "bin" / "spawn-script", script)
    done = environment.run(*how)
    assert done.stderr == ""
    assert done.stdout.startswith("2 True __mp_main__ spawn")


# Finding the program


class Main(types.ModuleType):
    """Takes the place of `__main__` while a program runs in this process."""

    def __init__(self) -> None:
        super().__init__("__main__")
        vars(self).update(__file__="of lazyplug", __cached__=None, left="of lazyplug")
        vars(self).update(__builtins__=__builtins__, __annotations__={})


@pytest.fixture
def inside(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, clean_sys_modules: None
) -> Environment:
    """Make this process look as if it were the environment's Python."""
    monkeypatch.chdir(environment.here)
    monkeypatch.setattr(sys, "path", [str(environment.here), str(environment.site)])
    monkeypatch.setattr(sys, "argv", ["-m", "run"])
    monkeypatch.setattr(sys, "orig_argv", [environment.python, "-m", "run"])
    monkeypatch.setattr(sys, "path_importer_cache", dict(sys.path_importer_cache))
    monkeypatch.setitem(os.environ, "PYTHONPATH", "")
    monkeypatch.setattr(sys, "prefix", str(environment.directory))
    monkeypatch.setattr(sys, "executable", environment.python)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    # pytest finds the modules of its plugins itself, but cannot run them.
    finders = [each for each in sys.meta_path if "pytest" not in type(each).__module__]
    monkeypatch.setattr(sys, "meta_path", finders)
    monkeypatch.setitem(sys.modules, "__main__", Main())
    monkeypatch.delitem(sys.modules, "seeing", raising=False)
    return environment


def saw(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    seen: dict[str, Any] = ast.literal_eval(capsys.readouterr().out)
    return seen


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the error message for arguments with which nothing is run."""
    with pytest.raises(SystemExit) as stopped:
        launch.run(list(arguments))
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lazyplug run: ")
    assert err.endswith("\n")
    message: str = err
    return message


@pytest.mark.parametrize("name", BY_NAME)
def test_a_program_is_found_next_to_python_and_on_path(
    inside: Environment, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^3$"):
        launch.run([name, "a", "--", "-x"])
    seen = saw(capsys)
    assert seen["argv"][1:] == ["a", "--", "-x"]
    assert "see" in seen["globals"]
    assert "left" not in seen["globals"]
    assert seen["path"][1:] == [str(inside.site)]


def test_a_script_next_to_python_takes_precedence_over_one_on_path(
    inside: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program(tmp_path / "show", f"#!{inside.python}\nprint('of path')")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"^3$"):
        launch.run(["show"])
    assert saw(capsys)["argv"] == [str(inside.directory / "bin" / "show")]


def test_scripts_of_the_user_site_are_found(
    inside: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program(tmp_path / "bin" / "mine", "#!/usr/bin/env python3\nprint('mine')")
    site = types.SimpleNamespace(ENABLE_USER_SITE=True, USER_BASE=str(tmp_path))
    site.USER_SITE = str(tmp_path / "lib")
    monkeypatch.setitem(sys.modules, "site", site)
    launch.run(["mine"])
    assert capsys.readouterr().out == "mine\n"
    site.ENABLE_USER_SITE = False
    assert "no program 'mine' was found" in refused("mine", capsys=capsys)


def test_a_file_that_is_not_executable_is_not_found_by_name(
    inside: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}")
    (tmp_path / "there").mkdir()
    program(inside.here / "there", "#!/usr/bin/env python\nprint('found')")
    launch.run(["there"])  # an empty entry is the current directory
    assert capsys.readouterr().out == "found\n"
    assert sys.argv == [str(inside.here / "there")]
    (inside.here / "there").chmod(0o644)
    assert "no program 'there'" in refused("there", capsys=capsys)


@pytest.mark.parametrize("name", ["without-file", "by-bash", "other"])
def test_a_console_script_without_a_python_file_is_called_by_its_entry_point(
    inside: Environment,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # That of another environment, by a link to the same Python.
    other = plant(tmp_path / "other", {"pyvenv.cfg": "", "bin": {}}) / "bin"
    (other / "python").symlink_to(os.path.realpath(inside.python))
    program(other / "other", f"#!{other / 'python'}\nprint('of another')")
    monkeypatch.setenv("PATH", str(other))
    with pytest.raises(SystemExit, match=r"^3$"):
        launch.run([name, "a"])
    seen = saw(capsys)
    scripts = inside.directory / "bin"
    assert seen["argv"] == [str(scripts / name), "a"]
    assert seen["path"] == [str(scripts), str(inside.site)]
    assert seen["__name__"] == "__main__"
    # No process of multiprocessing tries to run a file that is not there.
    assert seen["__file__"] == "missing"
    assert seen["spec"] is None
    assert seen["loader"] == ["type", "", ""]  # the class BuiltinImporter
    assert "see" in seen["globals"]
    assert "left" not in seen["globals"]


@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_a_console_script_without_a_file_sees_the_sys_path_of_an_installed_one(
    environment: Environment, flags: tuple[str, ...]
) -> None:
    show = environment.directory / "bin" / "show"
    direct = environment.start(environment.python, *flags, show, "a")
    run = environment.run("without-file", "a", flags=flags)
    assert (run.returncode, run.stderr) == (3, "")
    expected, seen = ast.literal_eval(direct.stdout), ast.literal_eval(run.stdout)
    assert seen["path"] == expected["path"]
    assert seen["argv"] == [str(show.with_name("without-file")), "a"]


def test_links_to_the_scripts_directory_are_resolved_only_in_sys_path(
    inside: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    linked = tmp_path / "linked"
    linked.symlink_to(inside.directory)
    monkeypatch.setattr(sys, "prefix", str(linked))
    with pytest.raises(SystemExit, match=r"^3$"):
        launch.run(["without-file"])
    seen = saw(capsys)
    assert seen["argv"] == [str(linked / "bin" / "without-file")]
    assert seen["path"][0] == str(inside.directory / "bin")


def test_scripts_of_the_prefix_are_found_if_python_is_elsewhere(
    inside: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program(inside.directory / "bin" / "inner", "#!/usr/bin/env python\nprint('found')")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    launch.run(["inner"])
    assert capsys.readouterr().out == "found\n"


def test_a_wrapper_that_is_run_by_path_is_called_by_its_entry_point(
    inside: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^3$"):
        launch.run([str(inside.directory / "bin" / "by-bash")])
    assert saw(capsys)["argv"] == [str(inside.directory / "bin" / "by-bash")]


def test_a_nested_function_of_a_module_is_called(inside: Environment) -> None:
    with pytest.raises(SystemExit) as stopped:
        launch.run(["a.b"])
    assert stopped.value.code is None


def test_a_file_that_is_run_by_path_runs_whatever_python_it_names(
    inside: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    path = program(inside.here / "old", "#!/nowhere/python2.7\nprint('run')")
    launch.run(["./old"])
    assert capsys.readouterr().out == "run\n"
    assert sys.argv == ["./old"]
    assert sys.path == [str(path.parent), str(inside.site)]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shw", f"no program 'shw' was found in {{scripts}} or on PATH, {UNDECLARED}"),
        (
            "shw",
            "; did you mean 'show'? Install it for this Python, or use `-m MODULE`",
        ),
        ("see_here.py", "; did you mean './see_here.py'?"),
        ("sh", f"sh is not a Python program, {UNDECLARED}"),
        ("other-python", f"belongs to another Python (/nowhere/python3), {UNDECLARED}"),
        ("python9", f"python9 belongs to another Python (python9), {UNDECLARED}"),
        ("pypy3", f"pypy3 belongs to another Python (pypy3), {UNDECLARED}"),
        ("perl5", f"is a program for /usr/bin/perl, not for Python, {UNDECLARED}"),
        (
            "unnamed",
            f"does not name a Python interpreter in its first line, {UNDECLARED}",
        ),
        ("", "no program '' was found in"),
        ("./nothing", "./nothing cannot be read: No such file or directory"),
        ("./shell-script", "./shell-script is a program for /bin/sh, not for Python:"),
        (
            "./binary",
            "./binary is not a Python program: it cannot be run in this process",
        ),
        (
            "no-function",
            "'no-function = seeing' of group 'console_scripts', declared by ",
        ),
        ("no-reference", "'see ing' is not a valid reference (expected"),
    ],
)
def test_the_error_for_a_program_that_cannot_run_says_what_to_do(
    inside: Environment,
    name: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    program(tmp_path / "other-python", "#!/nowhere/python3\n")
    program(tmp_path / "python9", "#!/usr/bin/env python9\n")
    program(tmp_path / "pypy3", "#!/usr/bin/env -S LANG=C pypy3 -s\n")
    program(tmp_path / "perl5", "#!/usr/bin/perl\n")
    program(tmp_path / "unnamed", "print()\n")
    (inside.here / "binary").write_bytes(b"\x7fELF\0")
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    text = refused(name, capsys=capsys)
    names = {"scripts": inside.directory / "bin", "executable": inside.python}
    assert message.format(**names) in text


def test_another_name_or_a_copy_of_this_python_is_recognized(
    inside: Environment, tmp_path: Path
) -> None:
    assert launch._is_this_python(str(inside.directory / "bin" / "python3"))
    copy = inside.directory / "bin" / "copy"  # as venv makes it without links
    shutil.copy(os.path.realpath(inside.python), copy)
    assert launch._is_this_python(str(copy))
    assert not launch._is_this_python(str(inside.directory / "bin" / "python9"))
    # The Python that the environment was made from is not the environment.
    assert not launch._is_this_python(os.path.realpath(inside.python))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "PROGRAM is missing\nusage: lazyplug run"),
        (["--as-stevedore"], "PROGRAM is missing\nusage"),
        (["-m"], "MODULE is missing\nusage"),
        (["--"], "PROGRAM is missing\nusage"),
        (["--nothing", "show"], "--nothing is not a valid option\nusage"),
        (["-mshow"], "-mshow is not a valid option\nusage"),
        (["--children", "show"], "--children can only be used with --as-stevedore\n"),
        (["--", "-m", "show"], "no program '-m' was found"),
    ],
)
def test_invalid_options_are_reported(
    inside: Environment,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in refused(*arguments, capsys=capsys)


def test_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        launch.run(["--help"])
    assert capsys.readouterr().out == launch.usage()


def test_importing_the_main_module_runs_nothing(
    inside: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __import__("lazyplug.__main__").__name__ == "lazyplug"
    del sys.modules["lazyplug.__main__"]
    sys.argv[1:] = ["run", "./see_here.py", "a"]
    runpy.run_module("lazyplug", run_name="__main__")
    assert saw(capsys)["argv"] == ["./see_here.py", "a"]
    sys.argv[1:] = ["walk"]
    with pytest.raises(SystemExit, match=r"^2$"):
        runpy.run_module("lazyplug", run_name="__main__")


def test_modules_and_archives_run_in_this_process_too(
    inside: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    launch.run(["-m", "see_package", "a"])
    seen = saw(capsys)
    assert seen["argv"] == [str(inside.site / "see_package" / "__main__.py"), "a"]
    assert seen["path"] == [str(inside.here), str(inside.site)]
    launch.run(["./archive", "a"])
    seen = saw(capsys)
    assert seen["argv"] == ["./archive", "a"]
    assert [os.path.normpath(entry) for entry in seen["path"]] == [
        str(inside.here / "archive"),
        str(inside.site),
    ]


def test_the_excepthook_of_the_program_is_restored_after_an_error(
    inside: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *arguments: called.append(arguments))
    monkeypatch.setattr(sys, "last_traceback", None, raising=False)
    hook = sys.excepthook
    path = program(inside.here / "wrong", "def fail():\n    1 / 0\nfail()\n")
    with pytest.raises(ZeroDivisionError, match="division") as caught:
        launch.run([str(path)])
    # As Python does when the error has reached the end.
    sys.excepthook(caught.type, caught.value, caught.tb)
    assert sys.excepthook is hook
    [(_, error, trace)] = called
    assert error.__traceback__ is trace is sys.last_traceback
    frames = [(line.filename, line.name) for line in traceback.extract_tb(trace)]
    assert frames == [(str(path), "<module>"), (str(path), "fail")]


# With the drop-in

# Prints which stevedore this process gets, and how the import was begun.
IMPORTS = [
    "import stevedore",
    "import stevedore.driver",
    "from stevedore import extension",
    "from stevedore.named import NamedExtensionManager",
]
WHICH = "import sys; print(sys.modules['stevedore'].__name__)"


def test_the_drop_in_is_installed_after_everything_else_is_prepared(
    inside: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lazyplug.compat.stevedore as drop_in

    calls: list[Any] = []

    def install(lazy: bool) -> None:
        main = sys.modules["__main__"]
        calls.append((list(sys.argv), list(sys.path), main.__file__))

    monkeypatch.setattr(drop_in, "install", install)
    path = program(inside.here / "asks", "import sys\nsys.asked = True\n")
    monkeypatch.setattr(sys, "asked", False, raising=False)
    launch.run(["--as-stevedore", str(path), "a"])
    # The drop-in imports nothing from the program's directory.
    assert calls == [([str(path), "a"], [str(inside.site)], str(path))]
    launch.run(["--", str(path)])
    assert len(calls) == 1


def test_a_program_is_accelerated_and_an_unwritable_trace_is_refused(
    inside: Environment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("lazyplug._accelerate.accelerate", lambda: calls.append("yes"))
    path = program(inside.here / "asks", "import sys\nsys.asked = True\n")
    monkeypatch.setattr(sys, "asked", False, raising=False)
    launch.run(["--accelerate", str(path)])
    assert calls == ["yes"]
    with pytest.raises(SystemExit):
        launch.run(["--trace", str(inside.here / "none" / "file"), str(path)])
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_the_directory_for_children_is_added_where_python_puts_pythonpath(
    inside: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{DROP_IN}.install", lambda **_: None)
    directory = str(Path(launch.__file__).parents[1] / "compat" / "children")
    path = program(inside.here / "nothing.py", "")
    for before, after in [
        (None, directory),
        ("/a", f"{directory}{os.pathsep}/a"),
        (f"/a{os.pathsep}{directory}", f"/a{os.pathsep}{directory}"),
    ]:
        if before is not None:
            monkeypatch.setenv("PYTHONPATH", before)
        launch.run(["--children", "--as-stevedore", str(path)])
        assert os.environ["PYTHONPATH"] == after
        assert sys.path == [str(inside.here), directory, str(inside.site)]


@pytest.mark.parametrize("statement", IMPORTS)
def test_a_program_gets_the_drop_in_only_with_as_stevedore(
    environment: Environment, statement: str
) -> None:
    path = environment.here / "importing.py"
    path.write_text(f"import stevedore\n{WHICH}\n", encoding="utf-8")
    assert environment.run(path).stdout == "stevedore\n"
    path.write_text(f"{statement}\n{WHICH}\n", encoding="utf-8")
    done = environment.run("--as-stevedore", path, flags=("-W", "error"))
    assert (done.stdout, done.stderr) == (f"{DROP_IN}\n", "")


@pytest.mark.parametrize("statement", IMPORTS)
def test_children_get_the_drop_in_whatever_they_import_first(
    environment: Environment, statement: str
) -> None:
    code = f"{statement}; {WHICH}"
    path = environment.here / "parent.py"
    path.write_text(
        "import subprocess, sys\n"
        f"command = [sys.executable, '-W', 'error', '-c', {code!r}]\n"
        "sys.exit(subprocess.run(command).returncode)\n",
        encoding="utf-8",
    )
    done = environment.run("--as-stevedore", "--children", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{DROP_IN}\n", "")


def test_children_get_the_installed_stevedore_without_the_option_children(
    environment: Environment,
) -> None:
    path = environment.here / "parent.py"
    path.write_text(
        "import os, subprocess, sys\n"
        "print('PYTHONPATH' in os.environ, flush=True)\n"
        f"subprocess.run([sys.executable, '-c', {'import stevedore; ' + WHICH!r}])\n",
        encoding="utf-8",
    )
    for options in ([], ["--as-stevedore"]):
        assert environment.run(*options, path).stdout == "False\nstevedore\n"


@pytest.mark.parametrize("again", ["sys.orig_argv", "[sys.executable, *sys.argv]"])
def test_a_program_that_restarts_itself_is_a_child_of_itself(
    environment: Environment, again: str
) -> None:
    text = (
        "import os, sys, stevedore\n"
        "print(stevedore.__name__, sys.argv[1:], flush=True)\n"
        "if 'AGAIN' not in os.environ:\n"
        f"    os.execve(sys.executable, {again}, {{**os.environ, 'AGAIN': '1'}})\n"
    )
    path = program(environment.here / "again.py", text)
    direct = environment.run(path, "a").stdout
    assert direct == "stevedore ['a']\nstevedore ['a']\n"
    once = environment.run("--as-stevedore", path, "a").stdout
    assert once == f"{DROP_IN} ['a']\nstevedore ['a']\n"
    both = environment.run("--as-stevedore", "--children", path, "a").stdout
    assert both == f"{DROP_IN} ['a']\n" * 2
    # As a trace is of the process that was started, nothing of it is lost.
    traced = environment.trace("--as-stevedore", path, "a")
    assert traced.stdout == once


def children_directory(environment: Environment) -> str:
    return str(environment.site / "lazyplug" / "compat" / "children")


@pytest.mark.parametrize("there", ["", "/nowhere", "/nowhere::/x", None, "again"])
def test_with_children_a_program_sees_the_same_sys_path_as_its_children(
    environment: Environment, there: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = children_directory(environment)
    added = directory
    if there == "again":
        there = directory
    elif there:
        added = f"{directory}:{there}"
    if there is not None:
        monkeypatch.setenv("PYTHONPATH", there)
    text = "import os, sys\nprint(sys.path, os.environ['PYTHONPATH'])\n"
    path = program(environment.here / "path.py", text)
    run = environment.run("--as-stevedore", "--children", path)
    as_module = environment.run("--as-stevedore", "--children", "-m", "path")
    monkeypatch.setenv("PYTHONPATH", added)
    direct = environment.start(environment.python, path)
    assert direct.stdout.endswith(f"{added}\n")
    assert (run.stdout, as_module.stdout) == (direct.stdout, direct.stdout)


@pytest.mark.parametrize("flags", [(), ("-I",)])
def test_multiprocessing_workers_are_children_too(
    environment: Environment, flags: tuple[str, ...]
) -> None:
    text = SPAWNING.replace("main.__name__", "__import__('stevedore').__name__")
    path = program(environment.here / "spawning_children.py", text)
    done = environment.run("--as-stevedore", "--children", path, flags=flags)
    assert done.stderr == ""
    assert done.stdout.startswith(f"2 True {DROP_IN} ")


def test_modules_that_only_the_installed_stevedore_has_are_found_with_children(
    environment: Environment,
) -> None:
    asks = "import importlib, stevedore; importlib.invalidate_caches()"
    asks += "; import stevedore.own as own; print(own.__file__)"
    path = program(
        environment.here / "asking.py",
        f"import subprocess, sys\n{asks}\nsys.stdout.flush()\n"
        f"sys.exit(subprocess.call([sys.executable, '-c', {asks!r}]))\n",
    )
    own = environment.site / "stevedore" / "own.py"
    done = environment.run("--as-stevedore", "--children", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{own}\n" * 2, "")


def test_children_that_do_not_import_stevedore_do_not_import_lazyplug(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = ("-c", "import sys; print(list(sys.modules))")
    baseline = modules_of(environment, *listing)
    monkeypatch.setenv("PYTHONPATH", children_directory(environment))
    assert modules_of(environment, *listing) == baseline


def test_a_python_without_lazyplug_uses_its_own_stevedore(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = plant(tmp_path, {"stevedore": INSTALLED})
    code = f"import stevedore.driver as d; {WHICH}; print(d.__file__); print(sys.path)"
    monkeypatch.setenv("PYTHONPATH", f"{children_directory(environment)}:{own}")
    done = environment.start(environment.python, "-S", "-W", "error", "-c", code)
    assert done.stderr == ""
    name, file, path = done.stdout.splitlines()
    assert (name, file) == ("stevedore", str(own / "stevedore" / "driver.py"))
    assert children_directory(environment) not in path
    monkeypatch.setenv("PYTHONPATH", children_directory(environment))
    code = (
        "import sys\ntry:\n    import stevedore\nexcept ModuleNotFoundError as error:\n"
        "    print(error.name, 'stevedore' in sys.modules)"
    )
    done = environment.start(environment.python, "-S", "-c", code)
    assert (done.stdout, done.stderr) == ("stevedore False\n", "")


def test_importing_the_children_package_by_its_full_name_changes_nothing() -> None:
    before = sys.modules.get("stevedore")
    name = "lazyplug.compat.children.stevedore"
    sys.modules.pop(name, None)
    assert __import__(name, fromlist=["os"]).__name__ == name
    assert sys.modules.get("stevedore") is before
