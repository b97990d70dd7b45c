"""Test that checkers, editors and help() see what lazyplug offers.

The README, the tutorial, the examples and a host are checked by mypy, as it is and
strict, and by pyright, strict. They run in the tox environment `types`.
"""

import ast
import inspect
import json
import os
import pydoc
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import jedi
import pytest

import lazyplug
from lazyplug import DriverManager, Extension, ExtensionManager, HookManager, Manager
from tests.support.checkout import CHECKOUT

# typeshed does not know it
PLAIN = vars(pydoc)["plaintext"]
COMPUTED = [
    *("plugin", "obj", "summary", "facts", "remembered", "module_name"),
    *("entry_point_target", "extras", "dist", "dist_name", "dist_version"),
    *("load_error", "load_seconds"),
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the programs of the documents and examples."""
    directory = tmp_path_factory.mktemp("programs")
    for name in ("README.md", "docs/tutorial.md"):
        text = (CHECKOUT / name).read_text(encoding="utf-8")
        blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        # The tutorial has a broken plugin, which imports what does not exist.
        blocks = [block for block in blocks if "no_such_module" not in block]
        assert blocks
        # The blocks of the README are one program.
        parts = ["\n".join(blocks)] if name == "README.md" else blocks
        for number, part in enumerate(parts):
            (directory / f"{Path(name).stem}_{number}.py").write_text(part)
    for file in (CHECKOUT / "examples").glob("texts*/**/*.py"):
        if file.name == "__init__.py":
            shutil.copytree(file.parent, directory / file.parent.name)
        else:
            shutil.copy(file, directory)
    shutil.copy(Path(__file__).with_name("host.py"), directory)
    return directory


def check(programs: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=programs,
        check=False,
        capture_output=True,
        text=True,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(
    "options", [(), ("--strict", "--warn-unused-ignores")], ids=["default", "strict"]
)
def test_mypy_accepts_documents_examples_and_hosts(
    options: tuple[str, ...], programs: Path
) -> None:
    config = programs / "mypy.ini"
    # mypy finds what is installed by itself, and refuses its directory here.
    place = Path(lazyplug.__file__).parents[1]
    config.write_text(f"[mypy]\nmypy_path = {place if place == CHECKOUT else ''}\n")
    cache = CHECKOUT / ".mypy_cache" / "programs"
    command = ("mypy", "--config-file", str(config), "--cache-dir", str(cache))
    assert check(programs, *command, *options, ".") == ""


def test_strict_pyright_accepts_documents_examples_and_hosts(programs: Path) -> None:
    settings = {
        "include": ["."],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "extraPaths": [str(Path(lazyplug.__file__).parents[1])],
        # For mypy, next to those for pyright.
        "enableTypeIgnoreComments": False,
        "reportUnnecessaryTypeIgnoreComment": True,
        # argparse.FileType, from Python 3.14
        "reportDeprecated": False,
    }
    (programs / "pyrightconfig.json").write_text(json.dumps(settings))
    assert check(programs, "pyright", "--pythonpath", sys.executable) == ""


either = pytest.mark.parametrize(
    "directory",
    [Path(lazyplug.__file__).parents[1], CHECKOUT],
    ids=["installed", "checkout"],
)
# pyright resolves this with the first python of PATH, which need not be this one.
FIRST = str(Path(sys.executable).parent)


@either
def test_pyright_knows_the_types_of_all_public_names(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", FIRST, prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(directory))
    options = ("--verifytypes", "lazyplug", "--ignoreexternal", "--outputjson")
    command = [sys.executable, "-m", "pyright", *options]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True)
    found = json.loads(done.stdout)["typeCompleteness"]
    assert Path(found["packageRootDirectory"]) == directory / "lazyplug"
    assert [s for s in found["symbols"] if not s["isTypeKnown"]] == []
    assert found["exportedSymbolCounts"]["withKnownType"] > 300
    assert found["completenessScore"] == 1


def bound(node: ast.stmt) -> str:
    """Return the name of the class or the type that a statement defines, if any."""
    match node:
        case ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""


def names_for_checkers() -> Iterator[str]:
    """Yield the names that modules define for type checkers only."""
    for path in (CHECKOUT / "lazyplug").rglob("*.py"):
        module = ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)
        for block in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test):
                for name in filter(None, map(bound, block.body)):
                    yield f"{module}.{name}"


@either
def test_what_checkers_see_is_what_is_there(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(directory))
    # mypy finds what is installed by itself, and refuses its directory here.
    monkeypatch.setenv("MYPYPATH", str(CHECKOUT) if directory == CHECKOUT else "")
    (tmp_path / "for_checkers.txt").write_text("\n".join(names_for_checkers()))
    allowed = [
        tmp_path / "for_checkers.txt",
        Path(__file__).with_name("differences.txt"),
    ]
    options = [f"--allowlist={file}" for file in allowed]
    # Some of the names are also there when a program runs.
    options.append("--ignore-unused-allowlist")
    if directory != CHECKOUT:
        # In the wheel, each hot module has the names of all of them.
        options.append("--ignore-missing-stub")
    config = f"--mypy-config-file={CHECKOUT / 'pyproject.toml'}"
    command = ("mypy.stubtest", "lazyplug", "--concise", config, *options)
    assert check(tmp_path, *command) == ""


def completions(code: str) -> set[str]:
    """Return what an editor offers at the end of code that begins with lazyplug."""
    code = f"import lazyplug\n{code}"
    line = code.splitlines()[-1]
    project = jedi.Project(Path(lazyplug.__file__).parents[1])
    script = jedi.Script(code, project=project)
    found = script.complete(code.count("\n") + 1, len(line))
    return {each.name for each in found}


def test_jedi_completes_all_public_names() -> None:
    assert completions("lazyplug.") >= set(lazyplug.__all__)


@pytest.mark.parametrize(
    "code",
    [
        "lazyplug.ExtensionManager('g')['x'].",
        "lazyplug.DriverManager('g', 'x')['x'].",
        "lazyplug.HookManager('g', 'x')['x'][0].",
        "for each in lazyplug.ExtensionManager('g'):\n    each.",
    ],
)
def test_jedi_completes_the_attributes_of_extensions(code: str) -> None:
    assert completions(code) >= {*COMPUTED, "name", "value", "group", "entry_point"}


@pytest.mark.parametrize("kind", ["DriverManager", "HookManager", "ExtensionManager"])
def test_jedi_shows_all_options_of_a_manager(kind: str) -> None:
    project = jedi.Project(Path(lazyplug.__file__).parents[1])
    code = f"import lazyplug\nlazyplug.{kind}("
    (signature,) = jedi.Script(code, project=project).get_signatures()
    names = {parameter.name for parameter in signature.params}
    assert names >= {*inspect.signature(Manager).parameters}


def test_computed_attributes_are_visible_before_they_are_accessed() -> None:
    extension = Extension("x", None)
    assert {*COMPUTED} <= {*dir(extension)} & {*dir(Extension)}
    assert not {*COMPUTED} - {"plugin", "obj"} & vars(extension).keys()
    assert Mock(spec=Extension).summary
    with pytest.raises(AttributeError, match="no attribute 'pugin'"):
        extension.pugin  # type: ignore[attr-defined] # noqa: B018


def test_help_describes_the_computed_attributes() -> None:
    text = pydoc.render_doc(Extension, renderer=PLAIN)
    for name in COMPUTED:
        described = getattr(Extension, name)
        assert isinstance(described, property)
        assert described.__doc__
        assert described.__doc__.splitlines()[0] in text
        assert described.fget
        assert described.fget.__annotations__["return"]


@pytest.mark.parametrize("kind", [DriverManager, HookManager, ExtensionManager])
def test_help_shows_all_options_of_a_manager(kind: type) -> None:
    parameters = inspect.signature(kind, eval_str=True).parameters
    assert "options" not in parameters
    assert parameters.keys() >= inspect.signature(Manager).parameters.keys()
    first = pydoc.render_doc(kind, renderer=PLAIN).split("\n\n")[1]
    assert "on_failure" in first.partition("Method resolution")[0]


def test_the_signature_of_a_subclass_is_its_own() -> None:
    class Host(DriverManager[object]):
        def __init__(self, name: str) -> None:
            super().__init__("host", name)

    assert [*inspect.signature(Host).parameters] == ["name"]
    with pytest.raises(AttributeError, match="no attribute '__signature__'"):
        ExtensionManager[object]("no.such.group").__signature__  # type: ignore[attr-defined] # noqa: B018
