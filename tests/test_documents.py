"""Test that each block of code in the documents is run, or says why it is not.

These are Python and TOML; shells in `tests/documents`, by `tox run -e docs`.
"""

import ast
import json
import os
import re
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

import lazyplug
from lazyplug import testing
from lazyplug.testing import plant
from tests.documents.blocks import (
    DOCUMENTS,
    LANGUAGES,
    NOT_RUN,
    ROOT,
    Block,
    blocks,
    differs,
    run_here,
)
from tests.documents.world import WORLD
from tests.support.checkout import CHECKOUT
from tests.support.children import python

PACKAGE = Path(lazyplug.__file__).parent
# What docs/testing.md tests.
TEXTS = ROOT / "examples" / "texts"
ALL = [block for document in DOCUMENTS for block in blocks(document)]
WITH_PYTHON = sorted({block.document for block in ALL if block.language == "python"})
# Printed where a block begins.
MARK = "\x1e"


class Situation(NamedTuple):
    """What a document assumes: names of the host, arguments, variables."""

    names: str = ""
    arguments: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()


SITUATIONS = {
    "docs/choosing.md": Situation(variables=(("MYAPP_PLUGINS_DENY", "json"),)),
    "docs/commands.md": Situation(arguments=("greet", "reader")),
    "docs/environments.md": Situation("import sys; place = sys.prefix"),
    "docs/moving.md": Situation('settings, path, report = {}, "settings.yaml", []'),
}


def test_every_block_is_in_a_known_language() -> None:
    assert {block.language for block in ALL} <= set(LANGUAGES)


def test_each_block_that_is_not_run_exists_once() -> None:
    names = Counter(block.name for block in ALL)
    assert {name: names[name] for name in NOT_RUN} == dict.fromkeys(NOT_RUN, 1)


def test_a_console_block_begins_with_a_command() -> None:
    consoles = [block for block in ALL if block.language == "console"]
    assert [block for block in consoles if not block.text.startswith("$ ")] == []


def test_each_situation_belongs_to_a_document_with_python() -> None:
    assert set(SITUATIONS) <= set(WITH_PYTHON)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a site directory with all that the documents mention."""
    directory = tmp_path_factory.mktemp("world")
    for tree in WORLD.values():
        plant(directory, tree)
    # As docs/frozen-index.md has it packed into an application.
    output = str(directory / "myapp" / "lazyplug.index")
    freeze = ("freeze", "--trust", "--path", str(directory), "--output", output)
    python("-m", "lazyplug", *freeze, env={"PYTHONPATH": str(PACKAGE.parent)})
    return directory


def script(found: list[Block], names: str) -> str:
    """Return the Python of a document as one program, each line at its place."""
    lines = {0: names}
    for block in found:
        lines[block.line] = f"if __name__ == '__main__': print({MARK!r})"
        lines.update(enumerate(block.text.splitlines(), block.line + 1))
    return "\n".join(lines.get(line, "") for line in range(max(lines) + 1))


@pytest.mark.parametrize("document", WITH_PYTHON)
def test_python_blocks_run_and_print_what_is_shown(
    document: str, world: Path, tmp_path: Path
) -> None:
    names, arguments, variables = SITUATIONS.get(document, Situation())
    found = run_here(document)
    for block in found:
        if block.file is not None:
            file = tmp_path / block.file
            plant(file.parent, {file.name: block.text})
    run = [each for each in found if each.language == "python" and each.file is None]
    program = tmp_path / "reader.py"
    program.write_text(script(run, names), encoding="utf-8")
    path = os.pathsep.join([str(world), str(PACKAGE.parent), str(TEXTS)])
    done = python(
        *(str(program), *arguments),
        cwd=tmp_path,
        env={"PYTHONPATH": path, **dict(variables)},
    )
    assert done.stderr == ""
    printed = dict(zip(run, done.stdout.split(MARK)[1:], strict=True))
    for block, after in pairwise(found):
        if after.language == "text":
            assert not differs(after.text, printed[block]), printed[block]


def test_the_tutorial_contains_the_examples() -> None:
    written = {
        block.file: block.text
        for block in reversed(blocks("docs/tutorial.md"))
        if block.file is not None
    }
    examples = ROOT / "examples"
    # Not those of `leaving` and `hosts`, which are other examples.
    files = [*examples.glob("texts*/**/*.py"), *examples.glob("texts*/**/*.toml")]
    assert written == {
        file.relative_to(examples).as_posix(): file.read_text(encoding="utf-8")
        for file in files
    }


def test_a_worker_without_the_plugin_raises_the_error_that_is_shown(
    world: Path,
) -> None:
    (shown,) = [
        each.text for each in blocks("docs/workers.md") if each.language == "text"
    ]
    send = (
        "import pickle; from lazyplug import ExtensionManager;"
        "print(pickle.dumps(ExtensionManager('myapp.loaders')['yaml']).hex())"
    )
    path = str(PACKAGE.parent)
    sent = python("-c", send, env={"PYTHONPATH": f"{world}{os.pathsep}{path}"}).stdout
    load = f"import pickle; pickle.loads(bytes.fromhex({sent.strip()!r})).plugin"
    done = python("-c", load, env={"PYTHONPATH": path}, check=False)
    assert not differs(f"…{shown}", done.stderr), done.stderr


@pytest.mark.parametrize(
    "block",
    [block for block in ALL if block.language == "toml"],
    ids=lambda block: f"{block.document}:{block.line}",
)
def test_toml_blocks_are_valid_and_declare_valid_references(block: Block) -> None:
    project = tomllib.loads(block.text).get("project", {})
    for group, points in project.get("entry-points", {}).items():
        for name, value in points.items():
            assert lazyplug.EntryPoint(name, value, group).module


def test_the_specification_declares_the_same_facts_in_each_form() -> None:
    found = blocks("docs/declared-facts.md")
    forms = {each.language: each.text for each in reversed(found)}
    variable = forms["python"].removeprefix("MYAPP_FACTS = ")
    facts = tomllib.loads(forms["toml"])
    assert facts == json.loads(forms["json"]) == ast.literal_eval(variable)
    (json_block,) = [each for each in ALL if each.language == "json"]
    assert json_block.document == "docs/declared-facts.md"


# ----------------------------------------------------------------------- the reference


def documented(directive: str, package: str) -> list[str]:
    """Return the names of a package that the reference documents."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    return sorted(
        re.findall(rf"^\.\. {directive}:: {package}\.(\w+)$", text, re.MULTILINE)
    )


def test_every_public_name_is_in_the_reference() -> None:
    assert (
        documented(r"auto(?:class|exception|function)", "lazyplug") == lazyplug.__all__
    )


def test_every_name_of_lazyplug_testing_is_in_the_reference() -> None:
    names = sorted(name for name in vars(testing) if name[0].isalpha())
    assert documented("auto(?:data|function)", "lazyplug.testing") == names


def test_every_integration_is_in_the_reference() -> None:
    files = (PACKAGE / "integrations").glob("[!_]*.py")
    assert documented("automodule", "lazyplug.integrations") == sorted(
        file.stem for file in files
    )


# The pages for contributors, which have no blocks that are run.
OTHERS = ("CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "SECURITY.md", "packaging/README.md")
PROSE = {
    document: re.sub(r"```.*?```", "", (ROOT / document).read_text(), flags=re.DOTALL)
    for document in [*DOCUMENTS, *OTHERS]
}


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings in a document, as GitHub and MyST make them.

    >>> anchors("# How a lookup works: `rows()`, and more")
    {'how-a-lookup-works-rows-and-more'}
    """
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("document", PROSE)
def test_each_link_to_another_document_leads_to_a_file_and_a_heading(
    document: str,
) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", PROSE[document]):
        if not link.startswith(("https://", "http://")):
            path, _, anchor = link.partition("#")
            target = (ROOT / document).parent / path if path else ROOT / document
            assert target.exists(), link
            assert not anchor or anchor in anchors(target.read_text()), link


@pytest.fixture(scope="module")
def described() -> Any:
    """Return the metadata of the distribution, as a build computes it."""
    return ProjectMetadata(str(CHECKOUT), PluginManager()).core


def test_the_description_in_a_package_index_links_to_files_of_the_repository(
    described: Any,
) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", described.readme)
    own = re.findall(r"\]\((?!https?:)([^)\s]+)\)", (ROOT / "README.md").read_text())
    repository = described.urls["Repository"]
    version = rf"/(?:blob|raw)/v{re.escape(lazyplug.__version__)}/"
    assert [
        re.sub(f"^{repository}{version}", "", link)
        for link in links
        if link.startswith(repository)
    ] == own
    assert all(link.startswith("https://") for link in links)


def test_the_urls_of_the_project_lead_to_its_repository(described: Any) -> None:
    repository = described.urls["Repository"]
    files = f"{repository}/blob/v{lazyplug.__version__}/"
    for url in described.urls.values():
        assert url.startswith(repository)
        if url.startswith(files):
            assert (ROOT / url.removeprefix(files)).is_file()


# Version 0.1.0.dev0 is not on a package index, and has no owner yet.
IS_RELEASE = "dev" not in lazyplug.__version__


def test_a_release_names_its_owner(described: Any) -> None:
    described_as = f"{described.urls} {described.authors_data} {described.readme}"
    assert ("OWNER" in described_as) != IS_RELEASE


@pytest.mark.parametrize("document", PROSE)
def test_no_page_installs_lazyplug_from_an_index_before_it_is_there(
    document: str,
) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    # `./lazyplug` is a checkout; the command of that name comes from there.
    text = re.sub(r"(--(?:from|spec|with) \./lazyplug) lazyplug\b", r"\1", text)
    command = r"(?:(?:pip|pipx|uv)(?: [\w.-]+)* (?:install|add|inject|run)|uvx)"
    promises = re.findall(
        rf"\b{command} [^\n`&|;]*?(?<![\w/.-])lazyplug\b(?!/|\.\w)", text
    )
    assert not promises or IS_RELEASE


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("CHANGELOG.md", "\n## Unreleased\n"),
        ("README.md", "not on a package index yet"),
        ("SECURITY.md", "Before the first release"),
    ],
)
def test_pages_say_whether_there_is_a_release(document: str, text: str) -> None:
    assert (text in (ROOT / document).read_text(encoding="utf-8")) != IS_RELEASE
