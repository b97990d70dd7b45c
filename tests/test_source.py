"""Test that the docstring of a target is read from its source, which is not run."""

import ast
import errno
import importlib
import inspect
import io
import itertools
import os
import sys
import textwrap
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazyplug._static import imported
from lazyplug._static import source as source_module
from lazyplug._static.source import (
    AMONG,
    BEFORE,
    BEHIND,
    Scope,
    Search,
    Sources,
    first_line,
)
from lazyplug.testing import Tree, plant
from tests.support.children import python
from tests.support.fixtures import PlantSite
from tests.support.fs import fs
from tests.support.properties import examples

TRAP = "\nraise AssertionError('this must not be imported')\n"
COMPILED = EXTENSION_SUFFIXES[0]


def make_search(
    *entries: Path, volatile: tuple[int, ...] = (), **options: Any
) -> Search:
    """Return a search along these path entries."""
    ask_finders = options.get("ask_finders", lambda *_: [])
    path = tuple(map(str, entries))
    return Search(path, frozenset(volatile), time.time_ns, ask_finders)


def line_of(
    search: Search, module: str, attr: str | None
) -> tuple[str | None, Sources]:
    """Return the first line of a target's docstring, and its sources."""
    scope, sources = search.target(module, attr)
    return None if scope is None else first_line(scope.doc), sources


def query(value: str, *entries: Path, **options: Any) -> tuple[str | None, Sources]:
    """Return the first line of the docstring of a value's target, and its sources."""
    module, _, attr = value.partition(":")
    return line_of(make_search(*entries, **options), module, attr or None)


def query_line(value: str, *entries: Path, **options: Any) -> str | None:
    return query(value, *entries, **options)[0]


@pytest.fixture(autouse=True)
def nothing_imported() -> Iterator[None]:
    before = set(sys.modules)
    yield
    assert not [new for new in set(sys.modules) - before if new.startswith("plug")]


@pytest.fixture
def module(site: PlantSite) -> Callable[..., str | None]:
    """Return a function that writes a module with a trap, and queries it."""

    def write_and_query(source: str, attr: str = "X", **others: Any) -> str | None:
        text = source + TRAP
        tree = {f"{name}.py": TRAP + others[name] for name in others}
        return query_line(f"plug:{attr}", site({"plug.py": text, **tree}))

    return write_and_query


# ----------------------------------------------------------------------- docstrings


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plug", "The module."),
        ("plug:Class", "The class."),
        ("plug:Class.method", "The method."),
        ("plug:Class.Inner.method", "The inner method."),
        ("plug:function", "The function."),
        ("plug:coroutine", "The coroutine."),
        ("plug:decorated", "The decorated."),
        ("plug:Silent", None),
        ("plug:Silent.method", "Not silent."),
        ("plug:instance", None),
        ("plug:nothing", None),
        ("plug:Class.nothing", None),
        ("plug:Class.constant", None),
        ("plug:Class.alias", None),
        ("plug:function.inner", None),
        ("plug:Class..method", None),
        ("plug:.Class", None),
        ("plug.Class", None),
        ("plug..Class", None),
        (".plug", None),
        ("", None),
        ("plug.nothing:x", None),
        ("nothing", None),
        ("sys", None),
        ("sys:exit", None),
        ("__main__:main", None),
    ],
)
def test_the_first_line_is_that_of_the_docstring_of_the_target(
    value: str, line: str | None, site: PlantSite
) -> None:
    source = '''
        """The module."""
        class Class:
            """The class."""
            constant = 1
            def method(self):
                """The method."""
            alias = method
            class Inner:
                def method(self): "The inner method."
        def function():
            """The function."""
            def inner(): "Nobody gets here."
        async def coroutine():
            """The coroutine."""
        @Class.method
        @property
        def decorated(): "The decorated."
        class Silent(Class):
            def method(self): "Not silent."
        instance = Class()
    '''
    assert query_line(value, site({"plug.py": textwrap.dedent(source) + TRAP})) == line


@pytest.mark.parametrize(
    ("literal", "line"),
    [
        ('""" Blanks.  """', "Blanks."),
        ('"""\n\n    Later.\n    More."""', "Later."),
        ('"Joined" " together."', "Joined together."),
        ('r"Raw \\d."', "Raw \\d."),
        ('"A\\ttab."', "A       tab."),
        ('"\\ud800 and \\0."', "\ud800 and \0."),
        ('""', None),
        ('"  \\n \\t "', None),
        ('b"Bytes."', None),
        ('f"Made."', None),
        ('"Made" + "."', None),
        ("1", None),
    ],
)
def test_the_line_is_cleaned_as_inspect_does(
    literal: str, line: str | None, module: Callable[..., str | None]
) -> None:
    assert module(f"class X:\n    {literal}\n") == line
    if line:
        assert inspect.cleandoc(ast.literal_eval(literal)).strip().startswith(line)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ("", "utf-8-sig"),
        ("# -*- coding: latin-1 -*-\n", "latin-1"),
        ("#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n", "cp1252"),
    ],
)
def test_a_source_is_read_in_the_encoding_that_it_declares(
    head: str, encoding: str, site: PlantSite
) -> None:
    source = f"{head}'''Grüße.'''\r\n{TRAP}".encode(encoding)
    assert query_line("plug", site({"plug.py": source})) == "Grüße."


# ------------------------------------------------------------------------- bindings


@pytest.mark.parametrize(
    "source",
    [
        "class X: 'No.'\nclass X: 'Yes.'",
        "X = 1\ndef X(): 'Yes.'",
        "class A: 'Yes.'\nX = A",
        "class A: 'Yes.'\nX: type = A",
        "class X: 'Yes.'\nX: type",
        "class A: 'Yes.'\nB = X = C = A",
        "class A: 'Yes.'\nX = A\nclass A: 'No.'",
        "class A:\n  class B: 'Yes.'\nX = A.B",
        "try:\n  class X: 'Yes.'\nexcept ImportError:\n  X = None",
        "X = None\ntry:\n  class X: 'Yes.'\nexcept ImportError:\n  pass",
        "try:\n  import nothing\nexcept ImportError:\n  class X: 'Yes.'",
        "try:\n  pass\nexcept* OSError:\n  pass\nelse:\n  class X: 'Yes.'",
        "try:\n  class X: 'No.'\nfinally:\n  class X: 'Yes.'",
        "if sys.platform == 'win32':\n  class X: 'Yes.'",
        "if a:\n  pass\nelif b:\n  class X: 'Yes.'",
        "class X: 'Yes.'\nif TYPE_CHECKING:\n  class X: 'No.'",
        "class X: 'Yes.'\nif typing.TYPE_CHECKING:\n  class X: 'No.'",
        "if TYPE_CHECKING:\n  X = int\nelse:\n  class X: 'Yes.'",
        "X = 1\nif not TYPE_CHECKING:\n  class X: 'Yes.'",
        "class X: 'Yes.'\nif False:\n  class X: 'No.'",
        "class X: 'No.'\nif True:\n  class X: 'Yes.'\nelse:\n  X = 1",
        "class X: 'Yes.'\nif __name__ == '__main__':\n  X = 1",
        "with suppress(ImportError):\n  class X: 'Yes.'",
        "async def f():\n  global Y\nclass X: 'Yes.'",
        "class X: 'Yes.'\nY = 1\nX.y = 2\nX.z[0] = 3\nprint(X)",
        "from __future__ import annotations\nclass X: 'Yes.'",
    ],
)
def test_the_binding_that_counts_at_run_time_is_found(
    source: str, module: Callable[..., str | None]
) -> None:
    assert module(source) == "Yes."


@pytest.mark.parametrize(
    "after",
    [
        "X = f()",
        "X = 1",
        "X = nothing",
        "X = f().x",
        "X, Y = f()",
        "[X, *Y] = f()",
        "*X, Y = f()",
        "X += 1",
        "del X",
        "(X := f())",
        "y = [X := f()]",
        "y: int = (X := f())",
        "if (X := f()): pass",
        "for X in f(): pass",
        "for y in f():\n  class X: 'No.'",
        "for y in f():\n  from a import X",
        "for y in f():\n  import X.y",
        "while f():\n  def X(): 'No.'",
        "with f() as X: pass",
        "with f() as (X, y): pass",
        "match f():\n  case X: pass",
        "match f():\n  case [*X]: pass",
        "match f():\n  case {**X}: pass",
        "if f():\n  X = 1",
        "if f():\n  class X: 'No.'",
        "if f():\n  pass\nelse:\n  class X: 'No.'",
        "if f():\n  class X: 'No.'\nelse:\n  class X: 'Nor.'",
        "try:\n  pass\nexcept f:\n  class X: 'No.'",
        "for y in f():\n  from a import *",
        "from nothing import *",
        "from . import *",
    ],
)
def test_a_binding_that_cannot_be_determined_is_not_guessed(
    after: str, module: Callable[..., str | None]
) -> None:
    assert module("class X: 'Yes.'") == "Yes."
    assert module(f"class X: 'Yes.'\n{after}") is None


def test_a_name_that_two_branches_bind_has_no_docstring(
    module: Callable[..., str | None],
) -> None:
    assert module("if f():\n  class X: 'A.'\nelse:\n  class X: 'B.'") is None


# ---------------------------------------------------------------------- re-exports

PACKAGE: Tree = {
    "plug": {
        "__init__.py": """
            from .impl import Plugin, Plugin as Renamed
            from .impl import deep
            from . import impl, impl as module
            from .sub import inner
            import plug.sub.inner as long
            import plug.sub.inner
            import plug_other
            from plug_other import far
            from .sub.inner import *
            alias = impl.Plugin
        """,
        "impl.py": """
            '''Impl.'''
            from .sub.inner import Deep as deep
            class Plugin:
                '''Plugin.'''
                def run(self): '''Run.'''
        """,
        "unbound.py": "'''Unbound.'''\nclass Y: '''Y.'''",
        "sub": {
            "__init__.py": "from .. import impl as up\nfrom ..impl import Plugin as P",
            "inner.py": "'''Inner.'''\nclass Deep: '''Deep.'''\nclass _Hidden: 'No.'\n",
        },
    },
    "plug_other.py": "'''Other.'''\ndef far(): '''Far.'''\n",
}


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("plug:Plugin", "Plugin."),
        ("plug:Renamed", "Plugin."),
        ("plug:Plugin.run", "Run."),
        ("plug:deep", "Deep."),
        ("plug:impl", "Impl."),
        ("plug:module", "Impl."),
        ("plug:impl.Plugin.run", "Run."),
        ("plug:alias", "Plugin."),
        ("plug:alias.run", "Run."),
        ("plug:inner", "Inner."),
        ("plug:long.Deep", "Deep."),
        ("plug:plug.sub.inner.Deep", "Deep."),
        ("plug:plug_other.far", "Far."),
        ("plug:far", "Far."),
        ("plug:Deep", "Deep."),
        ("plug:_Hidden", None),
        ("plug:unbound", "Unbound."),
        ("plug:unbound.Y", "Y."),
        ("plug.sub:up", "Impl."),
        ("plug.sub:P", "Plugin."),
        ("plug.sub.inner:Deep", "Deep."),
        ("plug.sub.inner.none:Deep", None),
    ],
)
def test_static_re_exports_are_followed(
    value: str, line: str | None, tmp_path: Path
) -> None:
    site = plant(tmp_path / "site", PACKAGE)
    for file in site.rglob("*.py"):
        file.write_text(file.read_text() + TRAP)
    assert query_line(value, site) == line


@pytest.mark.parametrize("steps", range(8))
def test_five_hops_are_followed_and_no_more(steps: int, site: PlantSite) -> None:
    tree = {f"plug{n}.py": f"from plug{n + 1} import X\n" for n in range(steps)}
    directory = site({**tree, f"plug{steps}.py": "class X: 'End.'"})
    assert query_line("plug0:X", directory) == ("End." if steps <= 5 else None)


@pytest.mark.parametrize("steps", range(8))
def test_aliases_count_as_hops(steps: int, module: Callable[..., str | None]) -> None:
    aliases = "".join(f"X{n + 1} = X{n}\n" for n in range(steps))
    line = module(f"class X0: 'End.'\n{aliases}", f"X{steps}")
    assert line == ("End." if steps <= 5 else None)


@pytest.mark.parametrize("steps", range(8))
def test_star_imports_count_as_hops(steps: int, site: PlantSite) -> None:
    tree = {f"plug{n}.py": f"from plug{n + 1} import *\n" for n in range(steps)}
    directory = site({**tree, f"plug{steps}.py": "class X: 'End.'"})
    assert query_line("plug0:X", directory) == ("End." if steps <= 5 else None)


@pytest.mark.parametrize(
    ("source", "there", "line"),
    [
        ("from there import *", "class X: 'Yes.'", "Yes."),
        ("X = 1\nfrom there import *", "class X: 'Yes.'", "Yes."),
        ("class X: 'Yes.'\nfrom there import *", "class Y: 'No.'", "Yes."),
        ("from there import *\nclass X: 'Yes.'", "class X: 'No.'", "Yes."),
        ("class X: 'Yes.'\nfrom there import *", "__all__ = ['Y']\nX = 1", "Yes."),
        ("class X: 'Yes.'\nfrom there import *", "__all__ = ['Y']\nY = 1", "Yes."),
        ("from there import *", "__all__ = ['X']\nclass X: 'Yes.'", "Yes."),
        ("from there import *", "__all__ = ('X', f())\nclass X: 'Yes.'", "Yes."),
        ("from there import *", "__all__ = ['X']\n__all__ += f()\nclass X: 'Yes.'",
         "Yes."),
        ("from there import *", "__all__ = ['Y']\nclass X: 'No.'", None),
        ("from there import *", "__all__ = f()\nclass X: 'No.'", None),
        ("from there import *", "__all__ = []\n__all__ += f()\nclass X: 'No.'", None),
        ("from there import *", "__all__ = []\n__all__.append('X')\nclass X: 'No.'",
         None),
        ("class X: 'No.'\nfrom there import *", "__all__ = ['X']", None),
        ("class X: 'No.'\nfrom there import *", "class X: 1 +", None),
        ("from there import *", "if f():\n  class X: 'Maybe.'", "Maybe."),
        ("class X: 'No.'\nif f():\n  from there import *", "class X: 'No.'", None),
        ("from there import *", "from plug import *", None),
    ],
)  # fmt: skip
def test_a_star_import_binds_the_names_that_its_module_exports(
    source: str, there: str, line: str | None, module: Callable[..., str | None]
) -> None:
    assert module(source, there=there) == line


def test_circular_imports_are_not_followed_forever(
    site: PlantSite,
) -> None:
    stars = "".join(f"from plug{n} import *\n" for n in range(12))
    assert (
        query_line("plug0:X", site({f"plug{n}.py": stars for n in range(12)})) is None
    )
    tree = {"plug": {"__init__.py": "from .a import X", "a.py": "from . import X"}}
    assert query_line("plug:X", site(tree, "two")) is None


def test_each_module_of_a_star_import_is_searched_once(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    # There are 12 ** 5 ways from the first module to those of the last layer.
    tree = {
        f"plug{layer}_{n}.py": "".join(
            f"from plug{layer + 1}_{m} import *\n" for m in range(12 * (layer < 5))
        )
        for layer in range(1, 6)
        for n in range(12)
    }
    stars = "".join(f"from plug1_{n} import *\n" for n in range(12))
    directory = site({**tree, "plug.py": f"class X: 'Yes.'\n{stars}"})
    searched: list[str] = []
    find = Search.find

    def noted(search: Search, module: str, sources: Sources) -> Any:
        searched.append(module)
        return find(search, module, sources)

    monkeypatch.setattr(Search, "find", noted)
    assert query_line("plug:X", directory) == "Yes."
    assert len(searched) == 1 + 5 * 12


@pytest.mark.parametrize(
    ("imported", "line"),
    [
        ("from . import sub as X", "Sub."),
        ("from .. import sub as X", None),
        ("from ... import X", None),
        ("from .sub import nothing as X", None),
        ("from .nothing import X", None),
        ("from . import nothing as X", None),
        ("from .sub import X", None),
        ("sub = X = 1\nfrom . import sub as X", None),
        ("def __getattr__(name): ...", None),
        ("import plug.sub as X", "Sub."),
        ("import plug_space.part as X", "Part."),
        ("from plug_space import part as X", "Part."),
        ("import plug_space as X", None),
        ("from plug_space import X", None),
        ("from plug_space import *", None),
        ("from plug_compiled import X", None),
        ("from plug_compiled import *", None),
        ("from .compiled import X", None),
    ],
)
def test_a_name_that_a_package_does_not_bind_may_be_a_submodule(
    imported: str, line: str | None, site: PlantSite
) -> None:
    tree = {
        "plug": {
            "__init__.py": imported + TRAP,
            "sub.py": "'''Sub.'''",
            f"compiled{COMPILED}": "",
        },
        "plug_space": {"part.py": "'''Part.'''"},
        f"plug_compiled{COMPILED}": "",
    }
    assert query_line("plug:X", site(tree)) == line


def test_a_submodule_is_not_assumed_if_its_package_defines_getattr(
    site: PlantSite,
) -> None:
    tree: Tree = {"__init__.py": "def __getattr__(name): ...", "x.py": "'''Not it.'''"}
    directory = site({"plug": tree})
    assert query_line("plug:x", directory) is None
    assert query_line("plug.x", directory) == "Not it."


# --------------------------------------------------- sources that cannot be parsed


@pytest.mark.parametrize(
    "source",
    [
        b"'''Says.'''\nprint 'of old'\n",
        b"'''Says.'''\n\0\n",
        b"'''\xff'''\n",
        b"# coding: nonesuch\n'''Says.'''\n",
        b"\xff\xfe'\0S\0'\0",
        b"'''Says.'''\nif 1:\n\tx\n        y\n",
        b"'''Says.''' # " + b"x" * source_module.SIZE_CAP,
        b"'''Says.",
        b"",
    ],
)
def test_a_source_that_cannot_be_parsed_has_no_docstring_and_may_be_remembered(
    source: bytes, site: PlantSite
) -> None:
    line, sources = query("plug", site({"plug.py": source}))
    assert line is None
    assert sources.reliable
    assert str(site({}) / "plug.py") in sources.files


@pytest.mark.parametrize("deep", ["(" * 100_000, "-" * 200_000, "x." * 100_000 + "x"])
def test_a_source_that_is_nested_too_deeply_raises_nothing(
    deep: str, site: PlantSite
) -> None:
    # In a separate process, since the parsers of other versions may crash.
    directory = site({"plug.py": f"'''Says.'''\n{deep}1\n"})
    code = (
        "import sys, time\nfrom lazyplug._static.source import Search\n"
        "search = Search((sys.argv[1],), frozenset(), time.time_ns, lambda *_: [])\n"
        "scope, _ = search.target('plug', None)\n"
        "assert scope is None or scope.doc == 'Says.'\nprint('survived')"
    )
    done = python(
        "-c", code, str(directory), cwd=Path(source_module.__file__).parents[1]
    )
    assert (done.stdout, done.stderr) == ("survived\n", "")


@pytest.mark.parametrize(
    "line",
    [
        f"import {'a.' * 400_000}a",
        f"import {'a.' * 400_000}a as b",
        f"from {'a.' * 400_000}a import b",
        f"import a{' . a' * 200_000}",
        "import a" + ".a\\\n" * 200_000 + ".a",
        "import a" + ".a\\\r\n" * 200_000 + ".a",
        f"import a{'.b' * 900}, c{'.d' * 80}\n" * 100,
        f"from {'.' * 900_000} import b",
    ],
    ids=range(8),
)
def test_an_import_with_any_number_of_parts_is_parsed_or_rejected_quickly(
    line: str, site: PlantSite
) -> None:
    directory = site({"plug.py": f"'''Says.'''\n{line}\nclass X: 'X.'\n".encode()})
    began = time.process_time()
    found, sources = query("plug:X", directory)
    assert time.process_time() - began < 2  # it used to take a minute
    assert found in ("X.", None)
    assert sources.reliable


@pytest.mark.parametrize("parts", [400_000, 900])
def test_a_target_with_any_number_of_parts_is_searched_for_quickly(
    parts: int, site: PlantSite
) -> None:
    directory = site({"plug": {"a": {"a": {}}}, "plug_x.py": "class a: pass"})
    search = make_search(directory)
    began = time.process_time()
    assert search.is_missing("plug" + ".a" * parts)
    for module, attr in (("plug" + ".a" * parts, "x"), ("plug_x", "a" + ".a" * parts)):
        assert search.target(module, attr)[0] is None
    assert time.process_time() - began < 2


def failing(name: str, function: Callable[..., Any], error: int) -> Any:
    """Return a system call that fails for all paths that end with a name."""

    def fail_for_name(path: Any, *rest: Any, **named: Any) -> Any:
        if str(path).endswith(name):
            raise OSError(error, os.strerror(error), path)
        return function(path, *rest, **named)

    return staticmethod(fail_for_name)


def test_a_failure_to_read_a_source_is_not_remembered(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = site({"plug.py": "'''Says.'''", "plug_folder.py": {}})
    with monkeypatch.context() as patch:
        patch.setattr(fs, "open", failing("plug.py", fs.open, errno.EACCES))
        line, sources = query("plug", directory)
    assert (line, sources.reliable) == (None, False)
    assert source_module.read(str(directory / "nothing.py"), source_module.parse) == (
        None,
        False,
    )
    assert source_module.read(
        str(directory / "plug_folder.py"), source_module.parse
    ) == (
        None,
        False,
    )


@pytest.mark.parametrize("error", [errno.EIO, errno.EACCES, errno.ENOMEM, errno.ESTALE])
@pytest.mark.parametrize(
    "path", ["one", "one/plug", "one/plug/__init__.py", "one/plug.py", "one/plug/a.py"]
)
def test_after_a_failure_of_stat_no_module_that_may_be_hidden_is_remembered(
    path: str, error: int, site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"plug": {"__init__.py": "'''One.'''", "a.py": ""}, "plug.py": "'''File.'''"}
    entries = site(one, "one"), site({"plug.py": "'''Two.'''"}, "two")
    monkeypatch.setattr(fs, "stat", failing(path, fs.stat, error))
    value = "plug.a" if path.endswith("a.py") else "plug"
    search = make_search(*entries)
    line, sources = line_of(search, value, None)
    is_needed = path != "one/plug.py"  # the package comes first
    assert (line != "One.", sources.reliable) == (is_needed, not is_needed)
    assert search.is_missing(f"{value}.nothing") is not is_needed


def test_functions_that_a_program_replaces_in_os_are_not_called(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = site({"plug": {"__init__.py": "'''One.'''"}})
    for name in ("stat", "open", "read", "fstat", "close", "listdir", "access"):
        monkeypatch.setattr(os, name, None)
    for name in ("isfile", "isdir", "exists"):
        monkeypatch.setattr(os.path, name, lambda _: False)
    monkeypatch.setattr("builtins.open", None)
    line, sources = query("plug", directory)
    missing = make_search(directory).is_missing("plug.nothing")
    monkeypatch.undo()
    assert (line, sources.reliable, missing) == ("One.", True, True)


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_running_out_of_memory_or_stack_is_not_remembered(
    error: type[BaseException],
    site: PlantSite,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise error

    directory = site({"plug.py": "'''Says.'''"})
    monkeypatch.setattr(ast, "parse", fail)
    line, sources = query("plug", directory)
    assert (line, sources.reliable) == (None, False)


def test_at_the_recursion_limit_there_is_no_docstring(
    site: PlantSite,
) -> None:
    directory = site({"plug.py": "'''Says.'''"})
    search = make_search(directory)
    found: list[tuple[str | None, bool]] = []

    def recurse() -> None:
        line, sources = line_of(search, "plug", None)
        found.append((line, sources.reliable))
        recurse()

    with pytest.raises(RecursionError, match="recursion"):
        recurse()
    assert found[0] == ("Says.", True)
    assert set(found) <= {("Says.", True), (None, False), ("Says.", False)}


@pytest.mark.filterwarnings("error")
def test_warnings_about_a_source_are_not_shown_and_filters_are_unchanged(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "'''Says \\d.'''\nx = 1 is 1\nassert (x, '')\n"
    directory = site({f"plug{n}.py": source for n in range(40)})
    before = list(warnings.filters)
    found: list[str | None] = []
    parse = ast.parse

    def parse_slowly(data: bytes) -> ast.Module:
        time.sleep(0.001)  # another thread may run now
        return parse(data)

    monkeypatch.setattr(ast, "parse", parse_slowly)

    def query_every_fourth(first: int) -> None:
        found.extend(query_line(f"plug{n}", directory) for n in range(first, 40, 4))

    threads = [threading.Thread(target=query_every_fourth, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["Says \\d."] * 40
    assert list(warnings.filters) == before


def test_a_forked_child_does_not_wait_for_a_parser_of_its_parent() -> None:
    code = """
        import os, threading
        from lazyplug._static import source as source_module
        held, done = threading.Event(), threading.Event()
        def hold():
            with source_module._parsing:
                held.set()
                done.wait()
        threading.Thread(target=hold).start()
        held.wait()
        child = os.fork()
        if not child:
            os._exit(len(source_module.parse(b"'''Says.'''").doc))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        done.set()
    """
    options = ["-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)]
    assert python(*options, cwd=Path(source_module.__file__).parents[1]).stdout == "5\n"


@pytest.mark.parametrize(
    ("source", "attr"),
    [
        ("'Says.'\n__doc__ = f()\n", None),
        ("'Says.'\n__doc__ += f()\n", None),
        ("'Says.'\nif f(): __doc__ %= 1\n", None),
        ("'Says.'\nfrom elsewhere import __doc__\n", None),
        ("class X:\n  'Says.'\n  __doc__ = f()\n", "X"),
        ("class X: 'Says.'\nX.__doc__ = f()\n", "X"),
        ("class X: 'Says.'\nX.__doc__ += f()\n", "X"),
        ("def X(): 'Says.'\nX.__doc__ = X.__doc__ % 1\n", "X"),
        ("def X(): 'Says.'\ndef Y(): 'Y.'\nX.__doc__, Y.__doc__ = f()\n", "X"),
        ("def X(): 'Says.'\nif f():\n  X.__doc__ = f()\n", "X"),
        ("def X(): 'Says.'\nsetattr(X, '__doc__', f())\n", "X"),
        ("def X(): 'Says.'\nfor y in (X, 1): y.__doc__ = f()\n", "X"),
        ("def X(): 'Says.'\nfor y in globals().values(): y.__doc__ = f()\n", "X"),
        ("class X:\n  def m(self): 'Says.'\n  m.__doc__ = f()\n", "X.m"),
        ("class X:\n  def m(self): 'Says.'\nX.m.__doc__ = f()\n", "X.m"),
    ],
)
def test_the_literal_docstring_is_not_used_if_another_is_assigned(
    source: str, attr: str | None, site: PlantSite
) -> None:
    target = f"plug:{attr}" if attr else "plug"
    line, sources = query(target, site({"plug.py": source}))
    assert (line, sources.reliable) == (None, True)


def test_an_assigned_docstring_does_not_affect_those_of_other_objects(
    site: PlantSite,
) -> None:
    source = "'Says.'\nclass X: 'X.'\nclass Y: 'Y.'\nY.__doc__ = f(X.__doc__)\n"
    directory = site({"plug.py": source})
    assert [query_line(value, directory) for value in ("plug", "plug:X")] == [
        "Says.",
        "X.",
    ]


# ---------------------------------------------------------------------- locations


def test_parent_packages_are_searched_and_not_imported(site: PlantSite) -> None:
    tree = {"__init__.py": TRAP, "b": {"__init__.py": TRAP, "c.py": "'''C.'''" + TRAP}}
    line, sources = query("plug.b.c", site({"plug": tree}))
    assert line == "C."
    directory = site({})
    assert sources.lookups == {
        "plug": (0, None, 0, []),
        "plug.b": (0, [str(directory / "plug")], 0, []),
        "plug.b.c": (0, [str(directory / "plug" / "b")], 0, []),
    }
    assert set(sources.files) == {
        str(directory / path) for path in ("plug", "plug/b", "plug/b/c.py")
    }


@pytest.mark.parametrize(
    ("one", "two", "value", "line"),
    [
        ({}, {"plug.py": "'''Two.'''"}, "plug", "Two."),
        ({"plug.py": "'''One.'''"}, {"plug.py": "'''Two.'''"}, "plug", "One."),
        ({"plug": {}}, {"plug.py": "'''Two.'''"}, "plug", "Two."),
        ({"plug": {}, "plug.py": "'''One.'''"}, {}, "plug", "One."),
        ({"plug": {"__init__.py": "'''One.'''"}, "plug.py": TRAP}, {}, "plug", "One."),
        ({"plug": {"a.py": ""}}, {"plug": {"b.py": "'''B.'''"}}, "plug.b", "B."),
        (
            {"plug": {"in": {"a.py": ""}}},
            {"plug": {"in": {"b.py": "'''B.'''"}}},
            "plug.in.b",
            "B.",
        ),
        ({"plug": {"in": {}}}, {"plug": {"in.py": "'''In.'''"}}, "plug.in", "In."),
        (
            {"plug": {"__init__.py": ""}},
            {"plug": {"b.py": "'''B.'''"}},
            "plug.b",
            None,
        ),
        ({"plug": {}}, {"plug": {}}, "plug", None),
        ({"plug": {}}, {"plug": {}}, "plug.nothing", None),
        ({"plug.py": "'''One.'''"}, {"plug": {"b.py": "'''B.'''"}}, "plug.b", None),
        ({f"plug{COMPILED}": ""}, {"plug.py": "'''Two.'''"}, "plug", None),
        ({f"plug{COMPILED}": "", "plug.py": "'''Beside.'''"}, {}, "plug", "Beside."),
        ({"plug": {f"__init__{COMPILED}": ""}}, {"plug.py": "'''2'''"}, "plug", None),
        (
            {"plug": {f"__init__{COMPILED}": "", "b.py": "'''B.'''"}},
            {},
            "plug.b",
            "B.",
        ),
        ({"plug": {"__init__.py": "", f"b{COMPILED}": ""}}, {}, "plug.b", None),
        ({"plug.pyc": b""}, {"plug.py": "'''Two.'''"}, "plug", None),
    ],
)
def test_modules_are_found_where_python_finds_them(
    one: Tree, two: Tree, value: str, line: str | None, site: PlantSite
) -> None:
    assert query_line(value, site(one, "one"), site(two, "two")) == line


def test_the_source_of_a_module_in_an_archive_is_not_read(
    tmp_path: Path, site: PlantSite
) -> None:
    archive = tmp_path / "plugs.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("plug_packed.py", "'''Packed.'''")
    directory = site(dict.fromkeys(("plug_packed.py", "plug.py"), "'''Beside.'''"))
    line, sources = query("plug_packed", archive, directory)
    assert (line, sources.lookups) == (None, {"plug_packed": (1, None, 0, [])})
    assert sources.reliable
    assert query_line("plug", archive, directory) == "Beside."
    (tmp_path / "no.zip").write_bytes(b"no archive")
    assert query_line("plug", tmp_path / "no.zip", directory) == "Beside."


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EMFILE, "no descriptor"), MemoryError(), SystemError("codec")],
)
def test_a_failure_to_read_an_archive_is_not_remembered(
    error: BaseException,
    tmp_path: Path,
    site: PlantSite,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = tmp_path / "plugs.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("plug_packed.py", "'''Packed.'''")
    directory = site({"plug.py": "'''Beside.'''"})
    (tmp_path / "no.zip").write_bytes(b"no archive")
    assert query("plug", tmp_path / "no.zip", directory)[1].reliable
    assert query("plug", tmp_path / "nothing.zip", directory)[1].reliable

    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(io, "open_code", fail)
    monkeypatch.setattr("_io.open_code", fail)
    monkeypatch.setattr("zipimport._zip_directory_cache", {})
    search = make_search(archive, directory)
    line, sources = line_of(search, "plug", None)
    assert (line, sources.reliable) == ("Beside.", False)
    assert not search.is_missing("plug_packed")
    assert not search.is_missing("plug_none")


def test_a_module_in_a_directory_of_an_archive_is_not_missing(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "plugs.zip", "w") as packed:
        packed.writestr("lib/plug_packed/__init__.py", "")
    search = make_search(tmp_path / "plugs.zip" / "lib")
    assert not search.is_missing("plug_packed.x")
    assert search.is_missing("plug_none")


def test_a_module_in_a_volatile_path_entry_is_not_remembered(
    tmp_path: Path, site: PlantSite
) -> None:
    here = site({"plug.py": "'''Here.'''", "plug_part": {}}, "here")
    site_ = site({"plug.py": "''", "plug_b.py": "'''B.'''", "plug_part": {}})
    line, sources = query("plug", here, site_, volatile=(0,))
    assert (line, sources.reliable) == ("Here.", False)
    line, sources = query("plug_b", here, site_, volatile=(0,))
    assert (line, sources.reliable) == ("B.", True)
    assert sources.lookups == {"plug_b": (1, None, 0, [])}
    assert not query("plug_part.x", here, site_, volatile=(0,))[1].reliable
    packed = tmp_path / "here.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("plug_b.py", "")
    assert not query("plug_b", packed, site_, volatile=(0,))[1].reliable


def test_finders_are_asked_when_an_import_would_ask_them(
    tmp_path: Path, site: PlantSite
) -> None:
    source = plant(
        tmp_path / "src",
        {"plug_e": {"__init__.py": "'''E.'''" + TRAP, "sub.py": "'''Sub.'''"}},
    )
    file, directory = source / "plug_e" / "__init__.py", source / "plug_e"
    queries: list[tuple[str, int]] = []

    def ask_finders(name: str, _: Any, stage: int) -> list[Any]:
        queries.append((name, stage))
        return (
            [str(file), [str(directory)]] if (name, stage) == ("plug_e", BEHIND) else []
        )

    entry = site({"plug.py": "'''Plain.'''", "plug_n": {"a.py": "'''A.'''"}})
    assert query_line("plug", entry, ask_finders=ask_finders) == "Plain."
    # A finder before the path finder could hide any module, and one after it none.
    assert queries == [("plug", BEFORE)]
    queries.clear()
    assert query_line("plug_n.a", entry, ask_finders=ask_finders) == "A."
    assert queries == [("plug_n", BEFORE), ("plug_n", AMONG), ("plug_n.a", BEFORE)]
    queries.clear()
    line, sources = query("plug_e.sub", entry, ask_finders=ask_finders)
    assert line == "Sub."
    assert queries == [("plug_e", BEFORE), ("plug_e", BEHIND), ("plug_e.sub", BEFORE)]
    answer = [str(file), [str(directory)]]
    assert sources.lookups == {
        "plug_e": (1, None, BEHIND, answer),
        "plug_e.sub": (0, [str(directory)], BEFORE, []),
    }
    assert query_line("plug_e", entry, ask_finders=ask_finders) == "E."
    assert query_line("plug_none.sub", entry, ask_finders=ask_finders) is None
    assert queries[-1] == ("plug_none", BEHIND)
    assert query_line("plug_x", entry, ask_finders=lambda *_: ["/x.so", None]) is None
    assert query_line("plug_x.y", entry, ask_finders=lambda *_: [None, None]) is None


def test_a_failure_of_a_finder_is_not_remembered(
    site: PlantSite,
) -> None:
    entry = site({"plug.py": "'''Plain.'''", "plug_n": {}})
    for value in ("plug", "plug_n.a", "plug_none"):
        search = make_search(entry, ask_finders=lambda *_: None)
        line, sources = line_of(search, value, None)
        assert (line, sources.reliable) == (None, False)
        assert not search.is_missing(value)


def test_paths_that_would_take_precedence_are_recorded_as_sources(
    site: PlantSite,
) -> None:
    directory = site(
        {
            "plug.py": "",
            "plug_f": {},
            "plug_f.py": "",
            f"plug_c{COMPILED}": "",
            "plug_d": {f"__init__{COMPILED}": ""},
            "plug_p": {"__init__.py": "", "m": {}, "m.py": "", "n.py": ""},
        }
    )

    def files(value: str) -> dict[str, bool]:
        return {
            Path(path).relative_to(directory).as_posix(): exists
            for path, exists in query(value, directory)[1].files.items()
        }

    assert files("plug") == {"plug": False, "plug.py": True}
    assert files("plug_f") == {"plug_f": True, "plug_f.py": True}
    assert files("plug_c") == {
        "plug_c": False,
        "plug_c.py": False,
        f"plug_c{COMPILED}": True,
    }
    assert files("plug_d") == {"plug_d": True}
    assert files("plug_p") == {"plug_p/__init__.py": True}
    assert files("plug_p.n") == {"plug_p": True, "plug_p/n.py": True}
    assert files("plug_p.m") == {
        "plug_p": True,
        "plug_p/m": True,
        "plug_p/m.py": True,
    }
    assert files("plug_p.nothing") == {"plug_p": True}


def test_a_file_is_read_once_for_many_names_and_its_age_is_that_of_the_reading(
    site: PlantSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = site({"plug.py": "class A: 'A.'\nclass B: 'B.'\n"})
    times = iter(range(100, 200))
    search = Search((str(directory),), frozenset(), lambda: next(times), lambda *_: [])
    parsed: list[bytes] = []
    parse = source_module.parse

    def noted(data: bytes) -> Scope:
        parsed.append(data)
        return parse(data)

    monkeypatch.setattr(source_module, "parse", noted)
    line, sources = line_of(search, "plug", "A")
    assert (line, sources.clock) == ("A.", 100)
    line, sources = line_of(search, "plug", "B")
    assert (line, sources.clock) == ("B.", 101)  # when it was read for A
    assert len(parsed) == 1


# -------------------------------------------------------------------- properties

KINDS = ["nothing", "module", "package", "directory", "compiled", "compiled package"]


@st.composite
def layouts(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """Draw the content of a directory: modules and packages called a and b."""
    tree: dict[str, Any] = {}
    for name in ("a", "b"):
        kinds = draw(st.sets(st.sampled_from(KINDS), max_size=2))
        below = draw(layouts(depth - 1)) if depth else {}
        if "module" in kinds:
            tree[f"{name}.py"] = ""
        elif "compiled" in kinds:
            tree[f"{name}{COMPILED}"] = ""
        if "package" in kinds:
            tree[name] = {**below, "__init__.py": ""}
        elif "compiled package" in kinds:
            tree[name] = {**below, f"__init__{COMPILED}": ""}
        elif "directory" in kinds:
            tree[name] = below
    return tree


def find_with_python(module: str, path: list[str]) -> Any:
    """Return what Python's path finder finds, level by level, without an import."""
    name, spec = "", None
    where: list[str] | None = path
    for part in module.split("."):
        if where is None:
            return None
        name = f"{name}.{part}" if name else part
        # A namespace package would ask sys.modules for its parent.
        spec = PathFinder.find_spec(part, where)
        if spec is None:
            return None
        found = spec.submodule_search_locations
        where = None if found is None else list(getattr(found, "_path", found))
    assert spec is not None
    return (spec.origin if spec.has_location else None), where


@examples(150)
@given(trees=st.lists(layouts(), min_size=1, max_size=3))
def test_any_module_is_found_where_python_finds_it(
    trees: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("layout")
    path = [str(plant(root / str(n), tree)) for n, tree in enumerate(trees)]
    importlib.invalidate_caches()
    search = make_search(*map(Path, path))
    for names in itertools.chain(
        itertools.product("ab"),
        itertools.product("ab", repeat=2),
        itertools.product("ab", repeat=3),
    ):
        module = ".".join(names)
        found = search.find(module, Sources(0))
        assert found == find_with_python(module, path), module


NAMES = ["A", "B", "_C"]
_numbers = itertools.count()


@st.composite
def packages(draw: st.DrawFn) -> tuple[dict[str, str], list[dict[str, int]]]:
    """Draw the modules m0, m1, … of a package, and the hops to each of their names.

    A module imports only from modules with a higher number.
    """
    count = draw(st.integers(1, 4))
    sources: dict[str, str] = {}
    hops: list[dict[str, int]] = [{} for _ in range(count)]
    exported: list[set[str] | None] = [None] * count
    for number in reversed(range(count)):
        lines = [f"'''Module {number}.'''", "TYPE_CHECKING = False"]
        own = hops[number]
        for step in range(draw(st.integers(1, 6))):
            name = draw(st.sampled_from(NAMES))
            from_ = draw(st.integers(number, count - 1))
            text = f"{number}.{step}"
            kind = draw(st.sampled_from(STEPS))
            other = draw(st.sampled_from(sorted(hops[from_]))) if hops[from_] else ""
            if kind == "class":
                lines += [f"class {name}:", f"  '''Class {text}.'''"]
                own[name] = 0
            elif kind == "function":
                lines += [f"def {name}():", f"  '''\n  Function {text}.\n\n  More.'''"]
                own[name] = 0
            elif kind == "silent":
                lines.append(f"class {name}: pass")
                own[name] = 0
            elif kind == "checked":
                lines += ["if TYPE_CHECKING:", f"  class {name}: 'Not there.'"]
            elif kind == "alias" and own:
                other = draw(st.sampled_from(sorted(own)))
                lines.append(f"{name} = {other}")
                own[name] = own[other] + 1
            elif from_ == number:
                continue
            elif kind == "from" and other:
                lines.append(f"from .m{from_} import {other} as {name}")
                own[name] = hops[from_][other] + 1
            elif kind == "try" and other:
                lines += ["try:", f"  from .m{from_} import {other} as {name}"]
                lines += ["except ImportError:", f"  {name} = None"]
                own[name] = hops[from_][other] + 1
            elif kind == "module":
                lines.append(f"from . import m{from_} as {name}")
                own[name] = 1
            elif kind == "dotted" and other:
                lines += [
                    f"import PACKAGE.m{from_}",
                    f"{name} = PACKAGE.m{from_}.{other}",
                ]
                # the alias, the import of the package, and the hops in the module
                own[name] = hops[from_][other] + 2
            elif kind == "star":
                lines.append(f"from .m{from_} import *")
                names_in_all = exported[from_]
                for each, distance in hops[from_].items():
                    if (
                        each in names_in_all
                        if names_in_all is not None
                        else each[0] != "_"
                    ):
                        own[each] = distance + 1
        if draw(st.booleans()) and own:
            chosen = sorted(draw(st.sets(st.sampled_from(sorted(own)))))
            exported[number] = set(chosen)
            lines.append(f"__all__ = {chosen!r}")
        sources[f"m{number}.py"] = "\n".join(lines) + "\n"
    return sources, hops


STEPS = [
    *("class", "function", "silent", "checked", "alias", "from", "try", "module"),
    *("dotted", "star"),
]


@examples(200)
@given(drawn=packages())
def test_the_line_is_that_of_the_docstring_after_a_real_import(
    drawn: tuple[dict[str, str], list[dict[str, int]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    sources, hops = drawn
    root = tmp_path_factory.mktemp("reexports")
    package = f"really_imported_{next(_numbers)}"
    tree = {name: text.replace("PACKAGE", package) for name, text in sources.items()}
    plant(root, {package: {"__init__.py": "", **tree}})
    search = make_search(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root))
        for number, names in enumerate(hops):
            module = importlib.import_module(f"{package}.m{number}")
            for name, distance in names.items():
                doc = getattr(module, name).__doc__
                line = inspect.cleandoc(doc).strip().split("\n")[0] if doc else None
                found, _ = line_of(search, module.__name__, name)
                if distance <= source_module.HOPS:
                    assert found == line, (number, name)
                else:
                    assert found in (line, None), (number, name)
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]


@examples(300)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_can_be_read(
    data: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "plug_bytes.py"
    file.write_bytes(data)
    scope, reliable = source_module.read(str(file), source_module.parse)
    assert scope is None or isinstance(scope, Scope)
    assert reliable


@pytest.mark.parametrize(
    "name",
    [
        *("argparse", "json", "json.decoder", "logging", "email.mime.text", "ast"),
        *("collections", "unittest", "os", "asyncio", "enum"),
    ],
)
def test_docstrings_in_the_standard_library_equal_those_after_an_import(
    name: str,
) -> None:
    search = make_search(*map(Path, filter(None, sys.path)))
    module = importlib.import_module(name)
    compared = 0
    for attr in [None, *[attr for attr in dir(module) if attr[0] != "_"]]:
        line, _ = line_of(search, name, attr)
        if line is not None:
            doc = (module if attr is None else getattr(module, attr)).__doc__
            assert doc is not None, attr
            assert line == inspect.cleandoc(doc).strip().split("\n")[0].rstrip(), attr
            compared += 1
    assert compared


class Unusual:
    """What may be in sys.modules: each attribute raises an exception."""

    def __getattr__(self, name: str) -> object:
        raise OSError(name)


def test_an_unusual_object_in_sys_modules_is_not_where_its_source_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "unusual_module", Unusual())
    file = str(tmp_path / "unusual_module.py")
    assert imported.search_path(Unusual()) is None
    assert not imported.is_at(Unusual(), file)
    assert not imported.is_as_found("unusual_module", None, {file: "1 2 3 4"})


def test_a_frozen_module_is_where_its_file_is(tmp_path: Path) -> None:
    assert imported.is_at(os, os.__file__)
    assert not imported.is_at(os, str(tmp_path / "os.py"))
