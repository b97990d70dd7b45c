"""Test that the distributions of a release can be uploaded, rebuilt and tested."""

import json
import os
import re
import runpy
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from readme_renderer import markdown

import lazyplug
from lazyplug.cli import COMMANDS
from tests.support.checkout import CHECKOUT
from tests.support.distributions import Distributions, build

VERSION = lazyplug.__version__
# Modules of tests that read other files than the package.
READ_FILES = ("test_built", "test_documents", "test_examples", "test_modules")


def passes(*command: str | Path, **options: Path) -> str:
    """Run a tool of this environment; return its output, or fail with it."""
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout
    return str(done.stdout)


def content(wheel: Path, name: str) -> bytes:
    """Return a file in the metadata directory of the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(f"lazyplug-{VERSION}.dist-info/{name}")


def test_the_version_of_the_files_is_that_of_the_package(built: Distributions) -> None:
    assert built.sdist.name == f"lazyplug-{VERSION}.tar.gz"
    assert built.wheel.name == f"lazyplug-{VERSION}-py3-none-any.whl"


def test_twine_accepts_both(built: Distributions) -> None:
    passes("twine", "check", "--strict", *built)


def test_the_wheel_contains_the_package_and_nothing_else(built: Distributions) -> None:
    assert "OK" in passes("check_wheel_contents", built.wheel, cwd=CHECKOUT)
    with zipfile.ZipFile(built.wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
    assert tops == {"lazyplug", f"lazyplug-{VERSION}.dist-info"}


def test_pyroma_gives_ten_of_ten(unpacked: Path) -> None:
    assert "10/10" in passes("pyroma", "--min=10", unpacked)


def test_every_link_of_the_rendered_description_leads_to_a_file(
    built: Distributions,
) -> None:
    metadata = message_from_bytes(content(built.wheel, "METADATA"))
    rendered = markdown.render(metadata.get_payload())
    assert rendered is not None
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL", ()))
    own = re.compile(rf"{urls['Repository']}/(?:blob|raw)/v{VERSION}/([^#]*)")
    links = re.findall(r'(?:href|src)="([^"#][^"]*)"', rendered)
    assert len(links) > 50
    for link in links:
        assert link.startswith("https://"), link
        found = own.match(link)
        assert found is None or (CHECKOUT / found[1]).exists(), link


def test_the_bill_of_materials_is_valid_and_true(built: Distributions) -> None:
    text = content(built.wheel, "sboms/lazyplug.cdx.json").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    component = bill["metadata"]["component"]
    metadata = message_from_bytes(content(built.wheel, "METADATA"))
    assert component["version"] == metadata["Version"]
    assert component["licenses"] == [{"expression": metadata["License-Expression"]}]
    # No file is somebody else's: `test_the_wheel_contains_the_package_…`.
    assert bill["components"] == []


def test_a_second_build_elsewhere_gives_the_same_bytes(
    built: Distributions, unpacked: Path, tmp_path: Path
) -> None:
    for path in unpacked.rglob("*"):
        os.utime(path, (1, 1))
    unpacked.chmod(0o700)
    again = build(unpacked, tmp_path)
    for first, second in zip(built, again, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


@pytest.mark.timeout(600)
def test_the_sdist_contains_what_its_tests_read(unpacked: Path) -> None:
    modules = [f"tests/{name}.py" for name in READ_FILES]
    # Without those that build and install with pip: the others need no network.
    marks = "not slow and not once"
    options = ("-q", "-m", marks, "--override-ini", "pythonpath=.")
    passes("pytest", *options, *modules, cwd=unpacked)
    # All others can be imported.
    passes("pytest", *options, "--collect-only", cwd=unpacked)


def test_every_action_of_a_workflow_is_pinned_by_its_commit() -> None:
    for file in (CHECKOUT / ".github" / "workflows").glob("*.yml"):
        text = file.read_text(encoding="utf-8")
        actions = re.findall(r"uses: (\S+)(.*)", text)
        assert actions == re.findall(r"uses: (\S+@[0-9a-f]{40})( # v\S+)", text)


def test_workflows_templates_and_recipes_are_valid_yaml() -> None:
    directories = [CHECKOUT / ".github", CHECKOUT / "packaging"]
    files = [file for each in directories for file in each.rglob("*.y*ml")]
    assert len(files) > 4
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text(encoding="utf-8")), dict)


def test_the_recipes_require_what_the_project_requires() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {
        requirement.name.replace("_", "-"): next(iter(requirement.specifier)).version
        for text in project["project"]["dependencies"]
        + project["build-system"]["requires"]
        for requirement in [Requirement(text)]
    }
    packaging = CHECKOUT / "packaging"
    conda = (packaging / "conda-forge" / "recipe.yaml").read_text(encoding="utf-8")
    debian = (packaging / "debian" / "control").read_text(encoding="utf-8")
    assert wanted
    for name, version in wanted.items():
        assert f"- {name} >={version}\n" in conda
        assert f" python3-{name} (>= {version}),\n" in debian


def test_the_manual_page_describes_every_command() -> None:
    script = runpy.run_path(str(CHECKOUT / "packaging" / "manpage.py"))
    commands = script["_commands"](script["get_parser"]())
    assert {*commands} == {*COMMANDS}
    for parser in commands.values():
        assert len(parser._actions) > 1  # more than --help
        assert "\n\nexamples:\n  lazyplug " in parser.description
