"""Test that a process that cannot read files any more still handles plugins."""

import ast
import copy
import os
import pickle
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import lazyplug
from lazyplug._tuples import Named
from lazyplug.testing import dist, plant
from tests.support.checkout import SOURCES
from tests.support.children import ask, python

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no chroot, no limits")

# Makes all managers, loads one plugin, then uses each attribute of each object, in a
# forked process for each; prints what failed because a file could not be read.
PROGRAM = '''
import os, sys
import lazyplug
from lazyplug import *

def conflict(namespace, name, found):
    return error_on_conflict(namespace, name, found)

known = dict(conflict_resolver=conflict)
managers = [
    ExtensionManager("g", **known),
    ExtensionManager("g", on_failure="ignore", conflict_resolver=prefer("gone")),
    ExtensionManager("g", invoke_on_load=True, protocol=dict, **known),
    NamedExtensionManager("g", ["sound", "broken", "twice"], name_order=True, **known),
    EnabledExtensionManager("g", lambda extension: True, **known),
    DispatchExtensionManager("g", lambda extension: True, **known),
    NameDispatchExtensionManager("g", lambda extension: True, **known),
    HookManager("g", "sound"),
    DriverManager("g", "sound"),
    DriverManager("g", "sound", invoke_on_load=True),
    DriverManager("g", "broken"),
]
everyone = [sound, *_] = [
    next(e for e in managers[0] if e.value.startswith(value))
    for value in ("dict_of", "kept", "no ref", "dict_of:y", "dict_of:z", "dict_of:w")
]
assert managers[0]["sound"].plugin
RESTRICTION

def refer(extension):
    return extension.name

def arguments(thing, name):
    """Return the lists of arguments with which a method is called."""
    dispatch = isinstance(thing, DispatchExtensionManager)
    by_name = isinstance(thing, NameDispatchExtensionManager)
    names = ["sound", "broken", "twice", "missing"]
    if name in ("map", "map_method"):
        what = refer if name == "map" else "keys"
        fails = (lambda extension: 1 / 0) if name == "map" else "missing"
        first = [lambda *_: True] if dispatch else [names] if by_name else []
        return [[*first, what], [*first, fails]]
    return {
        "__call__": [[refer]],
        "__contains__": [["sound"], ["missing"]],
        "__getitem__": [[each] for each in names],
        "register": [["sound", "dict_of:D"], ["sound", dict], ["new", "no reference"]],
        "check_func": [[sound]],
        "make_test_instance": [[[sound]], [sound]],
        "warning_on_missing_entrypoint": [[["missing"]]],
    }.get(name, [[]])

SPECIAL = ["__iter__", "__len__", "__contains__", "__getitem__", "__call__"]
SPECIAL += ["__repr__", "__reduce__", "__hash__"]
count = 0
for thing in [*managers, *everyone, lazyplug]:
    names = [n for n in dir(thing) if n[0] != "_" and n != "dist"] + [*FIELDS]
    names += [n for n in SPECIAL if hasattr(type(thing), n)]
    if thing is lazyplug:
        names = ["problems", "warning_on_missing_entrypoint", "entry_points", "refresh"]
    elif thing in managers:
        names = [n for n in names if n not in FIELDS]
    count += len(names)
    sys.stdout.flush()
    if os.fork():
        os.wait()
        continue
    # `refresh` is last, since it replaces the extensions.
    for name in sorted(names, key="refresh".__eq__):
        for case in arguments(thing, name):
            try:
                found = getattr(thing, name)
                if callable(found) and name not in ("plugin", "obj", "driver"):
                    found = found(*case)
                if name == "failures" or name == "refresh":
                    repr(found)
                if name == "__iter__":
                    list(found)
            except BaseException as error:
                while error is not None:
                    # A failed import of the plugin itself does not count.
                    text = f"{error} {getattr(error, 'filename', '')}"
                    counts = "kept_broken" not in text
                    kinds = (ImportError, OSError, NameError)
                    if counts and isinstance(error, kinds) or (
                        isinstance(error, TypeError) and "argument" in str(error)
                    ):
                        print(type(thing).__name__, name, case, repr(error))
                        break
                    error = error.__cause__
    sys.stdout.flush()
    os._exit(0)
print("count", count > 100)
'''
CHROOT = "os.chroot(EMPTY); os.chdir('/')"
NO_DESCRIPTORS = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))"


def fields() -> list[str]:
    """Return the public attributes of Extension that are declared for type checkers."""
    tree = ast.parse((SOURCES / "_declared.py").read_text(encoding="utf-8"))
    (extension,) = (
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.ClassDef) and n.name == "ExtensionAttributes"
    )
    found = [
        n.target.id
        for n in ast.walk(extension)
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    ]
    # Not `dist`, which reads files with importlib_metadata.
    return [name for name in found if name[0] != "_" and name != "dist"]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "restriction",
    [
        pytest.param(
            CHROOT,
            marks=pytest.mark.skipif(
                os.name != "posix" or os.geteuid() != 0, reason="needs root"
            ),
        ),
        NO_DESCRIPTORS,
    ],
)
def test_all_attributes_of_managers_and_extensions_work_if_no_file_can_be_read(
    restriction: str, compiled: bool, tmp_path: Path
) -> None:
    site = plant(
        tmp_path / "site",
        {
            "dict_of.py": "D = y = z = w = dict\n",
            "kept_broken.py": "raise RuntimeError('on purpose')\n",
            **dist("one", "1", "[g]\nsound = dict_of:D\nbroken = kept_broken:x\n"),
            **dist("two", "1", "[g]\nodd = no ref\nmore = dict_of:y [a,b_2]\n"),
            **dist("three", "1", "[g]\ntwice = dict_of:z\n"),
            **dist("four", "1", "[g]\ntwice = dict_of:w\n"),
        },
    )
    (tmp_path / "empty").mkdir()
    program = tmp_path / "program.py"
    program.write_text(
        PROGRAM.replace("RESTRICTION", restriction)
        .replace("EMPTY", repr(str(tmp_path / "empty")))
        .replace("FIELDS", repr(fields()))
    )
    env = {
        "PYTHONPATH": f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PYTHONPYCACHEPREFIX": str(tmp_path / "bytecode"),
        "PYTHONDONTWRITEBYTECODE": "" if compiled else "1",
    }
    if compiled:
        package = Path(str(lazyplug.__file__)).parent
        python("-m", "compileall", "-q", str(package), env=env)
    for _ in range(2):  # a cold start, and a warm one
        done = python(str(program), env=env)
        assert done.stdout == "count True\n"
        assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("option", ["", ", invoke_on_load=True"])
def test_a_driver_does_not_import_the_modules_that_handle_plugins(
    option: str, tmp_path: Path
) -> None:
    site = plant(tmp_path / "site", dist("one", "1", "[g]\nsound = builtins:dict\n"))
    code = f"""
        import json, sys
        sys.path.insert(0, {str(site)!r})
        import lazyplug
        lazyplug.DriverManager("g", "sound"{option}).driver
        modules = ["lazyplug._preload", "lazyplug._attributes", "lazyplug._mapping"]
        print(json.dumps([name for name in modules if name in sys.modules]))
    """
    assert ask(code) == []


class Typed(NamedTuple):
    """A named tuple of typing."""

    path: str
    line: int = 0


class Ours(Named):
    """A named tuple of lazyplug."""

    path: str
    line: int


def test_a_named_tuple_without_typing_equals_one_of_typing() -> None:
    ours: Any = Ours("a", line=2)
    typed: Any = Typed("a", line=2)
    assert ours == typed == ("a", 2)
    assert repr(ours) == repr(typed).replace("Typed", "Ours")
    assert ours._asdict() == typed._asdict()
    assert ours._replace(path="b") == typed._replace(path="b") == Ours._make(["b", 2])
    assert Ours._fields == Typed._fields == Ours.__match_args__
    assert (ours.path, ours.line, hash(ours)) == ("a", 2, hash(typed))
    assert copy.copy(ours) == ours
    assert type(pickle.loads(pickle.dumps(ours))) is Ours  # noqa: S301
    with pytest.raises(AttributeError):
        ours.path = "b"


@pytest.mark.parametrize(
    ("fields", "named"), [(("a",), {}), (("a", 1, 2), {}), (("a",), {"lin": 1})]
)
def test_a_named_tuple_accepts_its_fields_and_no_others(
    fields: tuple[object, ...], named: dict[str, object]
) -> None:
    with pytest.raises(TypeError, match=r"Ours\(\) takes path, line; it got"):
        Ours(*fields, **named)


def test_loading_by_an_entry_point_first_preloads_the_modules_too(
    tmp_path: Path,
) -> None:
    site = plant(
        tmp_path / "site",
        {"dict_of.py": "D = dict\n", **dist("one", "1", "[g]\nsound = dict_of:D\n")},
    )
    code = f"""
        import lazyplug
        manager = lazyplug.ExtensionManager("g")
        lazyplug.entry_points(group="g")["sound"].load()
        {NO_DESCRIPTORS}
        assert manager["sound"].summary is None
        manager.register("more", dict)
        print(manager.failures, manager["sound"].plugin, lazyplug.refresh().added)
    """
    done = python("-c", textwrap.dedent(code), env={"PYTHONPATH": str(site)})
    assert done.stdout == "[] <class 'dict'> ()\n"
