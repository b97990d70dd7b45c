"""Test that the directive documents plugins, and imports as few as possible."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lazyplug.testing import dist, plant
from tests.support.children import python
from tests.support.fixtures import PlantSite, SetPath

# Sphinx takes a second to start.
pytestmark = pytest.mark.once

PLUGINS = {
    "plug_shown.py": '''
        class Shown:
            """A plugin that is *shown*.

            With more to say.
            """

        raise SystemExit("imported")
        ''',
    "plug_package": {
        "__init__.py": "from .below import run\nraise SystemExit('imported')\n",
        "below.py": "def run():\n    '''It runs.'''\n",
    },
    # The source has no literal docstring.
    "plug_made.py": "def run(): ...\nrun.__doc__ = 'Made ' + 'here.'\n",
    "plug_base.py": "class A:\n    '''Of its base.'''\nclass B(A):\n    pass\n",
    "plug_silent.py": "def run(): pass\n",
}
POINTS = """
    [host.plugins]
    shown = plug_shown:Shown
    below = plug_package:run
    made = plug_made:run
    base = plug_base:B
    silent = plug_silent:run
    """
DOCUMENT = """
Plugins
#######

.. list-plugins:: host.plugins

.. list-plugins:: host.plugins
   :detailed:
   :titlecase:
   :overline-style: =
   :underline-style: =
"""
BUILD = """
import sys
from sphinx.cmd.build import main
code = main(["-q", "-b", "text", *sys.argv[1:]])
print("imported", *sorted(name for name in sys.modules if name[:5] == "plug_"))
sys.exit(code)
"""


@pytest.fixture
def build(tmp_path: Path, site: PlantSite) -> Callable[..., tuple[str, ...]]:
    """Return a function that builds the document: its text, the log, the imports."""
    directory = site({**PLUGINS, **dist("plugs", entry_points=POINTS)})
    extension = "lazyplug.integrations.sphinx"
    source = {"conf.py": f"extensions = [{extension!r}]", "index.rst": DOCUMENT}
    plant(tmp_path / "source", source)

    def run(*options: str) -> tuple[str, ...]:
        env = {"PYTHONPATH": ":".join([str(directory), *sys.path])}
        paths = str(tmp_path / "source"), str(tmp_path / "built")
        done = python("-c", BUILD, *options, *paths, env=env)
        text = (tmp_path / "built" / "index.txt").read_text(encoding="utf-8")
        return text, done.stderr, done.stdout

    return run


def test_plugins_are_documented_from_their_source_without_import(
    build: Callable[..., tuple[str, ...]],
) -> None:
    text, log, imported = build("-W")
    assert log == ""
    assert "* shown -- A plugin that is *shown*." in text
    assert "* below -- It runs." in text
    assert "* made -- Made here." in text
    assert "* base -- Of its base." in text
    assert "With more to say." in text
    assert "No documentation found for silent in plug_silent:run" in text
    assert text.index("base --") < text.index("below --") < text.index("made --")
    assert "Shown\n" in text
    assert imported.split() == ["imported", "plug_base", "plug_made", "plug_silent"]
    assert build("-W", "-E", "-j", "2")[:2] == (text, "")


def test_a_broken_plugin_is_a_warning_and_affects_no_other(
    build: Callable[..., tuple[str, ...]], site: PlantSite
) -> None:
    points = "[host.plugins]\nbroken = plug_broken:run\ngone = plug_gone\nbad = !\n"
    site(
        {
            "plug_broken.py": "raise ZeroDivisionError('oh')",
            **dist("b", entry_points=points),
        }
    )
    text, log, _ = build()
    assert "broken" not in text
    assert "shown -- " in text
    for name, reason in (
        ("broken = plug_broken:run", "ZeroDivisionError: oh"),
        ("gone = plug_gone", "No module named 'plug_gone'"),
        ("bad = !", "not a valid reference (expected `module:attr`)"),
    ):
        assert f"WARNING: entry point '{name}' of group 'host.plugins'" in log
        assert reason in log
    # Two of them, each in two lists.
    assert log.count(" could not be loaded: ") == 4
    assert "declared by b 1.0" in log


def test_a_duplicate_name_is_listed_once_and_underlines_match_wide_names(
    build: Callable[..., tuple[str, ...]], site: PlantSite
) -> None:
    points = "[host.plugins]\nshown = plug_twice\n日本 = plug_twice\n"
    site({"plug_twice.py": "'Later.'\n", **dist("z", entry_points=points)})
    text, log, _ = build()
    assert "'shown' is declared more than once" in log
    assert text.count("shown -- Later.") == 1
    assert "shown -- A plugin" not in text
    assert "\n日本\n====\n" in text


def test_a_rebuilt_page_follows_installed_and_edited_plugins(
    build: Callable[..., tuple[str, ...]], site: PlantSite, tmp_path: Path
) -> None:
    before, _, _ = build()
    later = {"plug_later.py": "'''Came later.'''\n"}
    site(
        {**later, **dist("later", entry_points="[host.plugins]\nlater = plug_later\n")}
    )
    source = tmp_path / "site" / "plug_shown.py"
    text = source.read_text(encoding="utf-8").replace("is *shown*", "was edited")
    source.write_text(text, encoding="utf-8")
    after, _, _ = build()
    assert "later" not in before
    assert "shown -- A plugin that was edited." in after
    assert "later -- Came later." in after


@pytest.mark.usefixtures("clean_sys_modules")
def test_the_directive_works_in_this_process_and_does_not_import_plugins(
    site: PlantSite, prepend_path: SetPath, tmp_path: Path
) -> None:
    from sphinx.cmd.build import main

    broken = {"plug_broken.py": "raise ZeroDivisionError('oh')"}
    declared = f"{POINTS}\n    broken = plug_broken:run\n    empty = !\n"
    prepend_path(site({**PLUGINS, **broken, **dist("plugs", "1.0", declared)}))
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]
    conf = "extensions = ['lazyplug.integrations.sphinx']"
    source = plant(tmp_path / "source", {"conf.py": conf, "index.rst": DOCUMENT})
    assert main(["-Q", "-b", "text", str(source), str(tmp_path / "built")]) == 0
    text = (tmp_path / "built" / "index.txt").read_text(encoding="utf-8")
    assert "* shown -- A plugin that is *shown*." in text
    assert "* base -- Of its base." in text
    assert "broken" not in text
    assert "plug_shown" not in sys.modules
