"""What is in `examples` is installed as its README says, and does what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import uv

import lazyplug
from tests.support.children import python

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[1] / "examples"
PROJECTS = ("texts", "texts-upper", "texts-numbered")
# Says at its end which of the plugins it has imported.
RUN = """
import atexit, sys
names = ("texts_upper", "texts_numbered")
atexit.register(lambda: print([n for n in names if n in sys.modules], file=sys.stderr))
from texts import main
main()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory in which the examples are installed."""
    directory = tmp_path_factory.mktemp("examples")
    tool = (uv.find_uv_bin(), "pip", "install", "--quiet", "--no-deps")
    where = ("--python", sys.executable, "--target", str(directory))
    projects = [str(EXAMPLES / project) for project in PROJECTS]
    done = subprocess.run(
        [*tool, *where, *projects], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return directory


def texts(site: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the program; return its exit code, and what it printed and told."""
    root = str(Path(lazyplug.__file__).parents[1])
    done = python(
        *("-c", RUN, *arguments),
        env={"PYTHONPATH": os.pathsep.join([str(site), root])},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_help_screen_tells_all_formats_and_imports_none(site: Path) -> None:
    code, printed, told = texts(site, "--help")
    assert code == 0
    assert printed.endswith(
        "formats:\n"
        "  numbered   Add line numbers.\n"
        "  plain      Leave the text unchanged.\n"
        "  upper      Convert the text to capitals.\n"
    )
    assert told == "[]\n"


def test_the_format_that_is_asked_for_is_imported_and_no_other(
    site: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("one\ntwo\n", encoding="utf-8")
    for name, expected, imported in (
        ("plain", "one\ntwo\n", "[]"),
        ("upper", "ONE\nTWO\n", "['texts_upper']"),
        ("numbered", "   1  one\n   2  two\n", "['texts_numbered']"),
    ):
        assert texts(site, name, str(file)) == (0, expected, f"{imported}\n")


def test_a_format_that_is_misspelt_is_an_error_with_the_nearest(site: Path) -> None:
    code, _, told = texts(site, "uper", str(EXAMPLES / "README.md"))
    assert code == 2
    assert "no extension named 'uper' in group 'texts.formats'; did you mean" in told
    assert "'upper'" in told
