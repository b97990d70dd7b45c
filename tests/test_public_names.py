"""Test that public names are imported on first access, and from which modules."""

import ast
import pickle
import runpy
import subprocess
import sys
from collections.abc import Iterator

import pytest

import lazyplug
from tests.support.checkout import CHECKOUT, SOURCES
from tests.support.children import ask
from tests.support.stub import STUB, modules_of_names, stub


def test_importing_the_package_imports_none_of_its_modules() -> None:
    code = """
        import json, sys
        before = set(sys.modules)
        import lazyplug
        print(json.dumps(sorted(set(sys.modules) - before)))
    """
    assert ask(code) == ["lazyplug"]


def test_accessing_a_name_imports_its_module_once() -> None:
    code = """
        import json, sys
        import lazyplug
        before = "NoMatches" in vars(lazyplug)
        first = lazyplug.NoMatches
        modules = sorted(name for name in sys.modules if name.startswith("lazyplug."))
        print(json.dumps([before, vars(lazyplug)["NoMatches"] is first, modules]))
    """
    assert ask(code) == [False, True, ["lazyplug._exceptions"]]


@pytest.mark.parametrize("name", lazyplug.__all__)
def test_every_public_name_can_be_accessed(name: str) -> None:
    found = getattr(lazyplug, name)
    assert found is getattr(lazyplug, name)
    assert callable(found)
    assert found.__doc__


@pytest.mark.parametrize("name", lazyplug.__all__)
def test_every_public_name_has_lazyplug_as_its_module(name: str) -> None:
    found = getattr(lazyplug, name)
    # Tracebacks are short, and pickles stay valid if a module is renamed.
    assert (found.__module__, found.__qualname__) == ("lazyplug", name)
    data = pickle.dumps(found)
    assert b"lazyplug." not in data
    assert pickle.loads(data) is found  # noqa: S301


@pytest.mark.parametrize(
    "name", ["nothing", "_nothing", "driver_manager", "__path", ""]
)
def test_an_unknown_name_is_an_attribute_error(name: str) -> None:
    text = f"^module 'lazyplug' has no attribute {name!r}$"
    with pytest.raises(AttributeError, match=text):
        getattr(lazyplug, name)
    assert not hasattr(lazyplug, name)


def test_an_unknown_name_cannot_be_imported() -> None:
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from lazyplug import nothing")  # noqa: S102


def test_dir_lists_every_name_without_importing_any() -> None:
    code = """
        import json, sys
        import lazyplug
        names = dir(lazyplug)
        modules = [name for name in sys.modules if name.startswith("lazyplug.")]
        print(json.dumps([names, modules]))
    """
    names, modules = ask(code)
    assert set(lazyplug.__all__) < set(names)
    assert "__version__" in names
    assert names == sorted(set(names))
    assert modules == []


def test_a_star_import_binds_all_public_names() -> None:
    found: dict[str, object] = {}
    exec("from lazyplug import *", found)  # noqa: S102
    assert set(lazyplug.__all__) <= found.keys()


def test_public_names_are_unique_and_sorted() -> None:
    assert lazyplug.__all__ == sorted(set(lazyplug.__all__))


def parse_module(module: str) -> ast.Module:
    path = SOURCES.joinpath(*module.split(".")).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def test_type_checkers_see_the_modules_that_names_are_imported_from() -> None:
    # If this fails: python -m tests.support.stub
    assert STUB.read_text(encoding="utf-8") == stub()


def test_tools_that_search_for_imports_find_the_module_of_each_public_name() -> None:
    named = {
        ".".join(filter(None, (node.module, alias.name)))
        for node in ast.walk(parse_module("_public"))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert named == {*modules_of_names().values()}
    (statement,) = filter(is_for_checkers, parse_module("__init__").body)
    assert "_public" in ast.unparse(statement)


def is_for_checkers(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported."""
    for node in body:
        yield node
        if is_for_checkers(node):
            assert isinstance(node, ast.If)
            yield from statements_at_import(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from statements_at_import(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from statements_at_import(handler.body)


def modules_imported(module: str) -> set[str]:
    """Return the modules of lazyplug that a module imports at its top level."""
    found: set[str] = set()
    for node in statements_at_import(parse_module(module).body):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            if node.module is None:
                found.update(alias.name for alias in node.names)
            else:
                found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [alias.name for alias in node.names]
            names.append(getattr(node, "module", None) or "")
            assert not [n for n in names if n.split(".")[0] == "lazyplug"], module
    return found


PRIVATE_MODULES = sorted(
    ".".join(path.relative_to(SOURCES).with_suffix("").parts)
    for path in [*SOURCES.glob("_*.py"), *SOURCES.glob("_*/*.py")]
    if not path.stem.startswith("__")
)
# What a start of every program imports.
HOT = runpy.run_path(str(CHECKOUT / "hatch_build.py"))["HOT"]


@pytest.mark.parametrize("module", HOT)
def test_a_hot_module_imports_only_hot_modules_when_it_is_imported(module: str) -> None:
    assert modules_imported(module) <= {*HOT, "_json_text"}


@pytest.mark.parametrize("module", PRIVATE_MODULES)
def test_each_module_can_be_imported_first(module: str) -> None:
    code = f"import lazyplug.{module}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize("module", ["__init__", *PRIVATE_MODULES])
def test_each_module_has_a_docstring_with_a_short_first_sentence(module: str) -> None:
    docstring = ast.get_docstring(parse_module(module))
    assert docstring
    first = docstring.partition("\n\n")[0]
    assert first.endswith((".", "?"))
    assert len(first) <= 100
