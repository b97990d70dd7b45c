"""Find the blocks of code in the documents, with a Markdown parser."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "examples/README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
# How a block of each language is tested.
LANGUAGES = {
    "python": "run by Python, all of a document as one script",
    "toml": "parsed; a project that it is a part of is built and installed",
    "json": "parsed",
    "sh": "run by a shell, all of a document as one script; none of it may fail",
    "console": "commands after `$` are run there, and must print what is shown",
    "dockerfile": "commands of RUN are run there",
    "text": "the output of the block before it",
    "rst": "written to its file, on which Sphinx is run",
    "{eval-rst}": "run by the build of the site",
}
# Blocks that are not run, by document and first line, with the reason.
TOX = "python3 -m venv .venv && .venv/bin/pip install tox && .venv/bin/tox run"
LOOKUP = "manager(namespace) → index of this sys.path → is it fresh?"
IMPORTED = "AssertionError: imported: texts_upper"
NOT_RUN = {
    ("README.md", f"{TOX} -e demo"): "installs 250 distributions",
    ("README.md", TOX): "runs the tests, this one too; CI does it",
    ("docs/declared-facts.md", 'value  = module ":" file'): "a grammar",
    (
        "docs/frozen-index.md",
        "# Nuitka, with the metadata of plugins:",
    ): "compiles for minutes",
    (
        "docs/index-format.md",
        '["SHADOWED","PATH-ENTRY","DIRECTORY","KEY","NAME","VALUE","MODULE","ATTR","LINE",…]',
    ): "the form of a line, not a line",
    (
        "docs/lost.md",
        "no extension named 'yaml' in group 'myapp.loaders'. Available: 'json'.",
    ): "printed where a plugin was lost; tests/test_lost.py compares it",
    ("docs/lookup.md", f"{LOOKUP} → rows of that one group"): "a picture",
    (
        "docs/moving.md",
        "# before, up to setuptools 81, which is the last one to have it",
    ): "setuptools no longer has it",
    (
        "docs/programs.md",
        "$ lazyplug bench --program openstack server list --help",
    ): "takes minutes, and has the figures of another environment",
    (
        "docs/testing.md",
        f"{IMPORTED}; the first was texts_upper, by /src/texts/cli.py:33",
    ): "printed by a test that fails",
    (
        "docs/workers.md",
        "ModuleNotFoundError: No module named 'myapp_yaml'",
    ): "printed by another process; a test of its own compares it",
}


class Block(NamedTuple):
    """A block of code in a document.

    `line` is the line of its fence, from 0. `file` is the file to which a reader writes
    it: the paragraph before it ends in that name and a colon.
    """

    document: str
    line: int
    language: str
    text: str
    file: str | None

    @property
    def name(self) -> tuple[str, str]:
        """The document and the first line, which stay when the document grows."""
        return self.document, self.text.partition("\n")[0]


def blocks(document: str) -> list[Block]:
    """Return the blocks of a document, in order."""
    tokens = MarkdownIt().parse((ROOT / document).read_text(encoding="utf-8"))
    return [
        Block(document, token.map[0], token.info, token.content, _file(tokens[:place]))
        for place, token in enumerate(tokens)
        if token.type == "fence" and token.map is not None
    ]


def run_here(document: str) -> list[Block]:
    """Return the blocks of a document that are run."""
    return [block for block in blocks(document) if block.name not in NOT_RUN]


def _file(before: list[Token]) -> str | None:
    words = before[-2].children if len(before) > 1 else None
    if not words or len(words) < 2:
        return None
    name, colon = words[-2:]
    named = name.type == "code_inline" and colon.content == ":"
    return name.content if named and PurePath(name.content).suffix else None


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block, and the output that it shows."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def differs(shown: str, printed: str) -> bool:
    r"""Return True if the output differs from what is shown; `…` matches anything.

    >>> differs("took … ms", "took 12 ms\n"), differs("…", "1\n2"), differs("a", "b")
    (False, False, True)
    """
    pattern = ".*".join(map(re.escape, _stripped(shown).split("…")))
    return re.fullmatch(pattern, _stripped(printed), re.DOTALL) is None


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
