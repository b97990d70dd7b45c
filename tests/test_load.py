"""Test that `load` loads a plugin by the name of an entry point, or by a reference."""

import os.path
import sys

import pytest

import lazyplug
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")
MODULE = """
class Registry:
    class Inner: pass
"""


@pytest.fixture(autouse=True)
def installed(site: PlantSite, prepend_path: SetPath) -> None:
    points = "[g]\nreal = plug_pack.sub:Registry\nplug_pack.sub.Registry = os:sep\n"
    points += "twice = os:sep\n[h]\nbroken = plug_broken\n"
    prepend_path(
        site(
            {
                "plug_pack": {
                    "__init__.py": "",
                    "sub.py": MODULE,
                    "lacks.py": "import plug_missing_inside\n",
                },
                "plug_broken.py": "1 / 0\n",
                **dist("plug", "1", points),
                **dist("other", "1", "[g]\ntwice = os:sep\n"),
            }
        )
    )


def test_an_entry_point_is_loaded_by_its_name() -> None:
    assert lazyplug.load("g", "real").__name__ == "Registry"


def test_an_entry_point_takes_precedence_over_a_reference_of_the_same_spelling() -> (
    None
):
    assert lazyplug.load("g", "plug_pack.sub.Registry") == os.sep


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("plug_pack.sub:Registry", "Registry"),
        ("plug_pack.sub:Registry.Inner", "Inner"),
        ("plug_pack.sub.Registry.Inner", "Inner"),
        ("plug_pack.sub", "plug_pack.sub"),
        ("os.path.join", "join"),
        ("plug_pack.sub : Registry", "Registry"),
    ],
)
def test_a_name_that_is_not_an_entry_point_is_loaded_as_a_reference(
    reference: str, name: str
) -> None:
    assert lazyplug.load("h", reference).__name__ == name


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("plug_nowhere.sub:X", "no module named 'plug_nowhere'"),
        ("plug_nowhere.X", "no module named 'plug_nowhere'"),
        ("plug_pack.nothing:X", r"no module named 'plug_pack\.nothing'"),
        ("plug_pack.sub:Missing", "has no attribute 'Missing'"),
        ("plug_pack.sub.Missing", "has no attribute 'Missing'"),
        ("plug_pack.submarine.X", r"'plug_pack\.submarine', and .* no attribute"),
        ("plug_pack.sub.Registry.Missing", "has no attribute 'Missing'"),
    ],
)
def test_the_error_describes_both_failed_attempts(reference: str, words: str) -> None:
    with pytest.raises(lazyplug.NoMatches, match=words) as caught:
        lazyplug.load("g", reference)
    assert f"no extension named {reference!r} in group 'g'" in str(caught.value)
    assert caught.value.name == reference
    assert set(caught.value.available) == {"real", "plug_pack.sub.Registry", "twice"}
    assert isinstance(caught.value.__cause__, ImportError | AttributeError)


@pytest.mark.parametrize("name", ["reel", "not one!", ""])
def test_a_plain_name_is_not_tried_as_a_reference(name: str) -> None:
    with pytest.raises(lazyplug.NoMatches, match="no extension named") as caught:
        lazyplug.load("g", name)
    assert "reference" not in str(caught.value)


def test_a_missing_import_inside_a_module_is_not_hidden() -> None:
    with pytest.raises(ModuleNotFoundError, match="plug_missing_inside"):
        lazyplug.load("h", "plug_pack.lacks:X")
    with pytest.raises(ModuleNotFoundError, match="plug_missing_inside"):
        lazyplug.load("h", "plug_pack.lacks.X")


def test_a_broken_entry_point_raises_the_exception_of_its_import() -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        lazyplug.load("h", "broken")


def test_a_name_that_is_declared_twice_is_an_error() -> None:
    with pytest.raises(lazyplug.MultipleMatches, match="'twice' is declared more than"):
        lazyplug.load("g", "twice")


def test_only_the_loaded_target_is_imported() -> None:
    lazyplug.load("h", "os:sep")
    assert not [name for name in sys.modules if name.startswith("plug_")]
