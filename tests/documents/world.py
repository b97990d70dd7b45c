"""Create the distributions that the documents mention: `myapp` and its plugins."""

import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lazyplug.testing import Tree, dist

from .blocks import blocks

LOADER = '''
class Loader:
    """Load settings."""

    def __init__(self, settings=None):
        self.settings = settings

    def load(self, path):
        return {"path": path}
'''
MAIN = '''
from lazyplug import ExtensionManager

def main():
    """Say which loaders there are."""
    for extension in ExtensionManager("myapp.loaders"):
        print(f"{extension.name:12} {extension.summary}")
'''
FACTS = """
from lazyplug import Facts

FACTS = Facts(declared="MYAPP_FACTS", static=["kind", "priority"])
"""
CHECKS = '''
def links(report=None):
    """Look for links that lead nowhere."""

def spelling(report=None):
    """Look for words that nobody knows."""
'''
FORMATS = '''
class Csv:
    """Read and write CSV."""

    title = "Comma-separated values"
    patterns = ["*.csv", "*.tsv"]
'''
MONITORS = '''
class Processors:
    """How busy the processors are."""

    def poll(self):
        return 0.5
'''


def project(name: str, version: str, document: str) -> str:
    """Return a `pyproject.toml` that contains the TOML of a document."""
    (part, *_) = [each.text for each in blocks(document) if each.language == "toml"]
    return f"""
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"

{part}"""


def shown(document: str, file: str) -> str:
    """Return the content of a file as a document shows it."""
    (block,) = [each for each in blocks(document) if each.file == file]
    return block.text


ACME = tomllib.loads(
    next(
        block.text
        for block in blocks("docs/plugin-facts.md")
        if block.text.startswith("[project")
    )
)
README = tomllib.loads(project("myapp-yaml", "1.2", "README.md"))
WORLD: Mapping[str, Tree] = {
    "myapp": {
        "myapp": {
            "__init__.py": "",
            "main.py": MAIN,
            "plugins.py": FACTS,
            "loaders": {"__init__.py": "", "csv.py": LOADER},
        },
        **dist("myapp", "2.3", {"console_scripts": {"myapp": "myapp.main:main"}}),
    },
    "myapp-yaml": {
        "myapp_yaml.py": LOADER,
        **dist("myapp-yaml", "1.2", README["project"]["entry-points"]),
    },
    "myapp-json": {
        "myapp_json.py": LOADER,
        **dist("myapp-json", "1.0", {"myapp.loaders": {"json": "myapp_json:Loader"}}),
    },
    "legacy-ini": {
        "legacy_ini.py": LOADER,
        **dist(
            "legacy-ini", "0.3", {"myapp.loaders": {"legacy-ini": "legacy_ini:Loader"}}
        ),
    },
    "acme-formats": {
        "acme_formats": {
            "__init__.py": "class Acme:\n    pass\n",
            "facts.toml": shown("docs/plugin-facts.md", "acme_formats/facts.toml"),
        },
        **dist("acme-formats", "1.0", ACME["project"]["entry-points"]),
    },
    "myapp-csv": {
        "myapp_csv.py": FORMATS,
        **dist("myapp-csv", "1.0", {"myapp.formats": {"csv": "myapp_csv:Csv"}}),
    },
    "myapp-checks": {
        "myapp_checks.py": CHECKS,
        **dist(
            "myapp-checks",
            entry_points={
                "myapp.checks": {
                    "links": "myapp_checks:links",
                    "spelling": "myapp_checks:spelling",
                }
            },
        ),
    },
    "myapp-greet": {
        "myapp_greet.py": shown("docs/commands.md", "myapp_greet.py"),
        **dist(
            "myapp-greet", entry_points={"myapp.commands": {"greet": "myapp_greet:add"}}
        ),
    },
    "myapp-plugins": {
        "myplugin.py": MONITORS,
        **dist(
            "myapp-plugins",
            entry_points={"myapp.monitors": {"cpu": "myplugin:Processors"}},
        ),
    },
}


def wheels(directory: Path) -> None:
    """Write a wheel of each distribution into a directory."""
    directory.mkdir(exist_ok=True)
    for tree in WORLD.values():
        files = dict(_files(tree))
        (metadata,) = {name.partition("/")[0] for name in files if "dist-info" in name}
        wheel = directory / f"{metadata.removesuffix('.dist-info')}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
            tag = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            archive.writestr(f"{metadata}/WHEEL", tag)
            archive.writestr(f"{metadata}/RECORD", "")


def _files(tree: Tree, directory: str = "") -> Iterator[tuple[str, str]]:
    for name, content in tree.items():
        if isinstance(content, Mapping):
            yield from _files(content, f"{directory}{name}/")
        else:
            yield f"{directory}{name}", content
