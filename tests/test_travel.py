"""Extensions travel to other processes by reference, and load there."""

import os
from pathlib import Path

import pytest

from lazyplug.testing import dist
from tests.support.children import python
from tests.support.fixtures import PlantSite
from tests.support.travel import PLUGIN, POINTS

pytestmark = pytest.mark.slow

# Workers are processes of their own, which have imported nothing of ours.
PROGRAM = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from lazyplug import DriverManager

def call(extension, number):
    target = extension.plugin if extension._invoke is None else extension.obj
    return target(number), os.getpid()

def without(folder):
    sys.path.remove(folder)

def main():
    square = DriverManager("g", "square").extensions[0]
    thrice = DriverManager(
        "g", "thrice", invoke_on_load=True, invoke_args=(1,)
    ).extensions[0]
    context = multiprocessing.get_context(sys.argv[1])
    lacking = (without, (sys.argv[2],)) if sys.argv[3:] else (None, ())
    with ProcessPoolExecutor(2, context, *lacking) as pool:
        for extension, expected in ((square, 16), (thrice, 13)):
            (found, loaded_in), worker = pool.submit(call, extension, 4).result()
            assert (found, loaded_in) == (expected, worker), (found, loaded_in, worker)
            assert worker != os.getpid()
    assert "plug_square" not in sys.modules
    print("well")

if __name__ == "__main__":
    main()
"""


@pytest.fixture
def program(site: PlantSite, tmp_path: Path) -> tuple[Path, Path]:
    """Return a program that sends extensions to workers, and where the plugins are."""
    directory = site(
        {"plug_square.py": PLUGIN, **dist("shapes", "2.5", entry_points=POINTS)}
    )
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return file, directory


def path_with(directory: Path) -> dict[str, str]:
    known = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(directory), known]))}


@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_workers_load_what_is_sent_to_them(
    how: str, program: tuple[Path, Path]
) -> None:
    file, directory = program
    done = python(str(file), how, str(directory), env=path_with(directory))
    assert (done.stdout, done.stderr) == ("well\n", "")


def test_a_worker_that_lacks_a_plugin_says_which_distribution_is_missing(
    program: tuple[Path, Path],
) -> None:
    file, directory = program
    arguments = ("spawn", str(directory), "lacking")
    done = python(str(file), *arguments, env=path_with(directory), check=False)
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'plug_square'" in done.stderr
    assert "entry point 'square = plug_square:square' of group 'g'" in done.stderr
    assert "declared by shapes 2.5 in" in done.stderr
