"""Test that the annotations of public names can be read when a program runs."""

import inspect
import shutil
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import lazyplug
import lazyplug.annotations
import lazyplug.testing
from lazyplug import DriverManager, Manager, MultipleMatches, Problem
from tests.support.build_hook import hatch_build
from tests.support.checkout import CHECKOUT, SOURCES
from tests.support.children import ask

PUBLIC = [getattr(lazyplug, name) for name in lazyplug.__all__]
HELPERS = [vars(lazyplug.testing)[name] for name in dir(lazyplug.testing)]


def functions(kind: type) -> Iterator[object]:
    """Yield the public methods and the functions of properties of a class."""
    for name in dir(kind):
        if name[0] != "_" or name[:2] == "__":
            value = getattr(kind, name)
            value = getattr(value, "fget", value)
            value = getattr(value, "__func__", value)
            if inspect.isfunction(value):
                yield value


def annotated() -> Iterator[object]:
    for found in [*PUBLIC, *filter(inspect.isfunction, HELPERS)]:
        yield found
        if isinstance(found, type):
            yield from functions(found)


def unresolved(found: object) -> list[object]:
    """Return the annotations that are still strings; raise NameError for a name."""
    kinds = [*typing.get_type_hints(found).values()]
    if inspect.isroutine(found) or type(found) is type:
        try:
            signature = inspect.signature(found, eval_str=True)
        except ValueError:
            pass  # a built-in one
        else:
            kinds += [each.annotation for each in signature.parameters.values()]
            kinds.append(signature.return_annotation)
    return [kind for kind in kinds if isinstance(kind, str)]


def test_all_annotations_of_public_names_can_be_evaluated() -> None:
    everything = [*annotated()]
    assert len(everything) > 250
    assert [each for each in everything if unresolved(each)] == []


def test_hints_are_the_types_that_checkers_see() -> None:
    assert typing.get_type_hints(Problem)["line"] is int
    assert typing.get_type_hints(MultipleMatches)["name"] == str | None
    hints = typing.get_type_hints(Manager.__init__)
    assert hints["on_failure"] == typing.Literal["warn", "ignore", "error"]
    for name in ("on_load_failure_callback", "conflict_resolver", "on_failure"):
        declared = typing.get_type_hints(lazyplug.annotations.Options)[name]
        assert declared == hints[name]
    signature = inspect.signature(DriverManager, eval_str=True)
    assert signature.parameters["lazy"].annotation == hints["lazy"]


READ = """
    import inspect, json, lazyplug, typing
    import lazyplug._named as module
    import lazyplug.annotations
    count = 0
    for name in lazyplug.__all__:
        found = getattr(lazyplug, name)
        for each in [found, *vars(found).values()]:
            if inspect.isclass(each) or inspect.isfunction(each):
                if each.__name__[0] != "_" or each.__name__ == "__init__":
                    typing.get_type_hints(each)
                    count += 1
    print(json.dumps([module.__name__, count, lazyplug.__file__]))
"""


@pytest.mark.parametrize("built", [False, True], ids=["sources", "wheel"])
def test_annotations_can_be_evaluated_in_the_sources_and_in_the_wheel(
    built: bool, tmp_path: Path
) -> None:
    package = tmp_path / "lazyplug"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(SOURCES, package, ignore=ignored)
    for name, text in hatch_build.built_files(SOURCES).items() if built else ():
        (package / name).write_text(text, encoding="utf-8")
    module, count, file = ask(READ, env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)
    assert module == ("lazyplug._hot" if built else "lazyplug._named")
    assert count > 60
    assert Path(file).parent == package


def test_annotations_are_strings_until_the_module_is_imported() -> None:
    code = """
        import json, sys, lazyplug
        lazyplug.DriverManager, lazyplug.ExtensionManager.map
        imported = "typing" in sys.modules
        names = dir(lazyplug)
        import inspect
        first = str(inspect.signature(lazyplug.Manager))
        import lazyplug.annotations
        second = str(inspect.signature(lazyplug.Manager))
        names = [name for name in dir(lazyplug) if name not in names]
        print(json.dumps([imported, first, second, names]))
    """
    imported, first, second, names = ask(code)
    assert not imported
    assert "'Sequence[Any] | None'" in first
    assert inspect.formatannotation(Sequence[Any] | None) in second
    assert [name for name in names if name[0] != "_"] == ["annotations"]


def test_the_reference_names_all_of_them() -> None:
    text = (CHECKOUT / "docs" / "reference.md").read_text(encoding="utf-8")
    for name in lazyplug.annotations.__all__:
        assert f"| `{name}` |" in text
