"""Test that the projects in `examples` can be installed, and do what READMEs say."""

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
# Prints at its end which plugins it has imported.
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
    """Run the program; return its exit code, stdout and stderr."""
    root = str(Path(lazyplug.__file__).parents[1])
    done = python(
        *("-c", RUN, *arguments),
        env={"PYTHONPATH": os.pathsep.join([str(site), root])},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_help_screen_lists_all_formats_and_imports_none(site: Path) -> None:
    code, out, err = texts(site, "--help")
    assert code == 0
    assert out.endswith(
        "formats:\n"
        "  numbered   Add line numbers.\n"
        "  plain      Leave the text unchanged.\n"
        "  upper      Convert the text to capitals.\n"
    )
    assert err == "[]\n"


def test_only_the_selected_format_is_imported(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one\ntwo\n", encoding="utf-8")
    for name, expected, imported in (
        ("plain", "one\ntwo\n", "[]"),
        ("upper", "ONE\nTWO\n", "['texts_upper']"),
        ("numbered", "   1  one\n   2  two\n", "['texts_numbered']"),
    ):
        assert texts(site, name, str(file)) == (0, expected, f"{imported}\n")


def test_the_error_for_a_misspelled_format_suggests_the_nearest(site: Path) -> None:
    code, _, err = texts(site, "uper", str(EXAMPLES / "README.md"))
    assert code == 2
    assert "no extension named 'uper' in group 'texts.formats'; did you mean" in err
    assert "'upper'" in err
