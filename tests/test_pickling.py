"""Test that extensions are pickled by reference, and load in other processes."""

import os
from pathlib import Path

import pytest

from lazyplug.testing import dist
from tests.support.children import python
from tests.support.fixtures import PlantSite
from tests.support.pickling import PLUGIN, POINTS

pytestmark = pytest.mark.slow

# Workers are separate processes, which have imported no plugin.
PROGRAM = """
import multiprocessing, os, sys
from concurrent.futures import ProcessPoolExecutor
from lazyplug import DriverManager

def call(extension, number):
    target = extension.plugin if extension._invoke is None else extension.obj
    return target(number), os.getpid()

def remove_from_path(directory):
    sys.path.remove(directory)

def main():
    square = DriverManager("g", "square").extensions[0]
    thrice = DriverManager(
        "g", "thrice", invoke_on_load=True, invoke_args=(1,)
    ).extensions[0]
    context = multiprocessing.get_context(sys.argv[1])
    lacking = (remove_from_path, (sys.argv[2],)) if sys.argv[3:] else (None, ())
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
    """Return a program that sends extensions to workers, and the plugins' directory."""
    directory = site(
        {"plug_square.py": PLUGIN, **dist("shapes", "2.5", entry_points=POINTS)}
    )
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return file, directory


def environment_with(directory: Path) -> dict[str, str]:
    current = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(directory), current]))}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_load_the_extensions_that_are_sent_to_them(
    method: str, program: tuple[Path, Path]
) -> None:
    file, directory = program
    done = python(str(file), method, str(directory), env=environment_with(directory))
    assert (done.stdout, done.stderr) == ("well\n", "")


def test_the_error_of_a_worker_without_a_plugin_names_the_distribution(
    program: tuple[Path, Path],
) -> None:
    file, directory = program
    arguments = ("spawn", str(directory), "lacking")
    done = python(str(file), *arguments, env=environment_with(directory), check=False)
    assert done.returncode == 1
    assert "ModuleNotFoundError: No module named 'plug_square'" in done.stderr
    assert "entry point 'square = plug_square:square' of group 'g'" in done.stderr
    assert "declared by shapes 2.5 in" in done.stderr
