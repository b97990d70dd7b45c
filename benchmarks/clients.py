"""What do real programs gain on the drop-in, beside stock stevedore?

That none is slower is judged on instructions where valgrind is installed: these
programs take seconds, whose spread is wider than what there is to tell apart.

Run as `python -m benchmarks.clients [--rounds N]`; builds the environment first.
"""

import argparse
import re
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.environment import ROOT, build, default_folder
from benchmarks.processes import (
    Bound,
    Case,
    Figure,
    conclude,
    judge,
    keep,
    once,
    side_by_side,
    table,
    variables_of,
)

CLIFF = """from cliff.app import App
from cliff.commandmanager import CommandManager
sys.exit(App("demo", "1", CommandManager("cliff.demo")).run(sys.argv[1:]))"""
# What a console script does, and its arguments.
PROGRAMS = {
    "bandit": ("from bandit.cli.main import main; main()", ["-q", "insecure.py"]),
    "a cliff application's help": (CLIFF, ["help"]),
    "openstack --help": (
        "from openstackclient.shell import main; main()",
        ["--help"],
    ),
    "openstack command list": (
        "from openstackclient.shell import main; main()",
        ["command", "list"],
    ),
}
INSTALL = "import lazyplug.compat.stevedore; lazyplug.compat.stevedore.install()\n"
# What stock stevedore needs to find entry points: all that a drop-in can save.
FINDING = """
import time
began = time.perf_counter()
import stevedore._cache
spent = time.perf_counter() - began
ask = stevedore._cache.get_group_all
def asked(*arguments, **named):
    global spent
    began = time.perf_counter()
    try:
        return ask(*arguments, **named)
    finally:
        spent += time.perf_counter() - began
stevedore._cache.get_group_all = asked
"""


def code(program: str, arguments: list[str], before: str = "", after: str = "") -> str:
    """Return a program that starts another as its console script would."""
    body = program.replace("\n", "\n    ")
    return f"""{before}
import sys
sys.argv = {["program", *arguments]!r}
try:
    {body}
except SystemExit:
    pass
{after}"""


def cases(scratch: Path, program: str, arguments: list[str]) -> dict[str, Case]:
    """Return a program on stock stevedore and on the drop-in, cold and warm."""
    stock, ours = code(program, arguments), code(program, arguments, INSTALL)

    def cold(text: str, variable: str, folder: Path) -> Case:
        return Case(
            text,
            {variable: str(folder)},
            lambda: shutil.rmtree(folder, ignore_errors=True),
        )

    return {
        "stevedore, warm": Case(stock, {"XDG_CACHE_HOME": str(scratch / "theirs")}),
        "drop-in, warm": Case(ours, {"LAZYPLUG_CACHE_DIR": str(scratch / "ours")}),
        "stevedore, cold": cold(stock, "XDG_CACHE_HOME", scratch / "their-cold"),
        "drop-in, cold": cold(ours, "LAZYPLUG_CACHE_DIR", scratch / "our-cold"),
    }


def finding(python: Path, scratch: Path, program: str, arguments: list[str]) -> float:
    """Return the milliseconds that stock stevedore, warm, spends on finding."""
    text = code(program, arguments, FINDING, "print('spent', spent, file=sys.stderr)")
    found = []
    for _ in range(5):
        done = subprocess.run(
            [python, "-c", text],
            env=variables_of(Case(text, {"XDG_CACHE_HOME": str(scratch / "theirs")})),
            cwd=scratch,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(float(done.stderr.rpartition("spent ")[2]) * 1e3)
    return statistics.median(found)


def instructions(python: Path, scratch: Path, cases: list[Case]) -> list[Figure]:
    """Return the million instructions of each, run side by side under valgrind."""
    running = [
        subprocess.Popen(
            [
                "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                python, "-c", case.code,
            ],
            env=variables_of(case) | {"PYTHONHASHSEED": "0"},
            cwd=scratch,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for case in cases
    ]  # fmt: skip
    told = [process.communicate()[1] for process in running]
    counts = [re.search(r"Collected : (\d+)", text) for text in told]
    return [Figure(int(count[1]) / 1e6, 0) for count in counts if count]


def main() -> None:
    """Build the environment, measure, print tables and judge that none is slower."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    python = build(default_folder())
    scratch = Path(tempfile.mkdtemp(prefix="clients-", dir=ROOT / ".environments"))
    (scratch / "insecure.py").write_text("import pickle\n", encoding="utf-8")
    kept: dict[str, Figure] = {}
    verdicts = []
    try:
        for name, (program, arguments) in PROGRAMS.items():
            found = cases(scratch, program, arguments)
            once(python, found["drop-in, warm"], scratch)
            time.sleep(2.1)
            figures = side_by_side(python, found, scratch, options.rounds)
            print(f"## {name}\n\n{table(figures, 'stevedore, warm')}\n")
            most = finding(python, scratch, program, arguments)
            print(
                f"Stock stevedore, warm, finds entry points for {most:.1f} ms of it.\n"
            )
            bounds = [Bound("drop-in, cold", "stevedore, cold", 1.0)]
            if shutil.which("valgrind"):
                warm = [found["drop-in, warm"], found["stevedore, warm"]]
                counted = instructions(python, scratch, warm)
                for case, figure in zip(("drop-in", "stevedore"), counted, strict=True):
                    figures[f"{case}, million instructions"] = figure
                    print(
                        f"{case}, warm: {figure.milliseconds:.0f} million instructions"
                    )
                print()
                measured = "million instructions"
            else:
                measured = "warm"
            bounds.append(Bound(f"drop-in, {measured}", f"stevedore, {measured}", 1.0))
            verdicts += [f"{verdict} ({name})" for verdict in judge(figures, bounds)]
            kept |= {f"{name}: {case}": figure for case, figure in figures.items()}
            kept[f"{name}: stevedore, finding"] = Figure(most, 0)
    finally:
        shutil.rmtree(scratch)
    keep("clients", python, options.rounds, kept)
    conclude(verdicts)


if __name__ == "__main__":
    main()
