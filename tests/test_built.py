"""Test that the wheel has one module with all modules that every start imports."""

import ast
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import uv

import lazyplug
from lazyplug import _named
from tests.support.build_hook import hatch_build
from tests.support.checkout import CHECKOUT, SOURCES, is_built
from tests.support.children import ask, python

needs_built = pytest.mark.skipif(not is_built(), reason="the sources are tested")
BUILT = hatch_build.built_files(SOURCES)


def test_the_built_module_has_few_code_objects_for_annotations() -> None:
    # Since Python 3.14, each annotated function has another code object (PEP 649). 78
    # of 166 were counted in 3.14 and 3.15, none of 88 in 3.12 and 3.13, none of 105 in
    # 3.11. Without those of private functions, importing lazyplug would take 4 % less
    # time: not enough for a wheel whose functions differ.
    found = [compile(BUILT["_hot.py"], "_hot.py", "exec")]
    for code in found:
        found += [each for each in code.co_consts if isinstance(each, type(code))]
    names = [code.co_name for code in found]
    annotations = names.count("__annotate__")
    assert (annotations > 0) == (sys.version_info >= (3, 14))
    assert annotations <= 85
    assert len(names) - annotations <= 110


def test_children_import_the_file_that_their_parent_imports() -> None:
    code = "import json, lazyplug; print(json.dumps(lazyplug.__file__))"
    assert ask(code) == lazyplug.__file__
    found = python("-m", "lazyplug", "--version").stdout
    assert found.split()[-1] == lazyplug.__version__


def test_a_checkout_runs_the_sources_and_a_wheel_the_built_module() -> None:
    is_checkout = Path(lazyplug.__file__).parent == SOURCES
    assert is_built() != is_checkout
    assert _named.__name__ == ("lazyplug._hot" if is_built() else "lazyplug._named")


# Eight threads import the modules by all names, each in another order.
IMPORT_IN_THREADS = """
import importlib, json, random, sys, threading
sys.setswitchinterval(1e-5)
names = json.loads(sys.argv[1])
found = set()
for _ in range(100):
    for name in [name for name in sys.modules if name.split(".")[0] == "lazyplug"]:
        del sys.modules[name]
    barrier = threading.Barrier(8)
    modules = []
    def work(own):
        barrier.wait()
        modules.extend([importlib.import_module(name) for name in own])
    threads = [
        threading.Thread(target=work, args=(random.sample(names, len(names)),))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.add((len(modules), len({id(module) for module in modules})))
print(json.dumps(sorted(found)))
"""


@needs_built
def test_threads_that_import_it_by_any_of_its_names_get_one_module() -> None:
    names = [f"lazyplug.{name}" for name in (hatch_build.BUILT, *hatch_build.HOT)]
    found = json.loads(python("-c", IMPORT_IN_THREADS, json.dumps(names)).stdout)
    assert found == [[8 * len(names), 1]]


def test_the_built_module_has_all_names_of_its_parts_and_no_type_checking_code() -> (
    None
):
    text = BUILT["_hot.py"]
    assert "TYPE_CHECKING" not in text
    defined = {
        name for node in ast.parse(text).body for name in hatch_build._bound(node)
    }
    for name in hatch_build.HOT:
        tree = ast.parse((SOURCES / f"{name}.py").read_text(encoding="utf-8"))
        own = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        assert own <= defined
        assert f"\n# {'-' * 20} {name}.py\n" in text


def test_in_the_wheel_each_hot_module_replaces_only_itself_and_has_a_stub() -> None:
    for name in hatch_build.HOT:
        assert BUILT[f"{name}.py"].count("sys.modules[") == 1
        assert "sys.modules[__name__] = _hot" in BUILT[f"{name}.py"]
        source = (SOURCES / f"{name}.py").read_text(encoding="utf-8")
        constant = "TYPE_CHECKING = False"
        assert source.count(f"\n{constant}\n") == 1
        # jedi would believe the constant.
        stub = source.replace(constant, "from typing import TYPE_CHECKING")
        assert BUILT[f"{name}.pyi"] == stub


def test_in_the_wheel_all_other_modules_import_the_built_one_on_the_same_lines() -> (
    None
):
    for path in SOURCES.rglob("*.py"):
        name = path.relative_to(SOURCES).as_posix()
        if name.removesuffix(".py") in hatch_build.HOT:
            continue
        source = path.read_text(encoding="utf-8")
        text = BUILT.get(name, source)
        assert len(text.splitlines()) == len(source.splitlines())
        for node in hatch_build._statements(ast.parse(text).body):
            if isinstance(node, ast.ImportFrom):
                last = (node.module or "").rpartition(".")[2]
                assert last not in hatch_build.HOT, f"{name}, line {node.lineno}"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"_a": "x = 1\n", "_b": "def x():\n    pass\n"}, "_b and _a both define x"),
        (
            {"_a": "x = 1\n", "_b": "from ._a import x as y\n"},
            "_b: from ._a import x as y: expected an import of hot modules",
        ),
        (
            {"_a": "x = 1\n", "_b": "from ._cold import y\n"},
            "_b: from ._cold import y: exp",
        ),
        (
            {"_a": 'if not TYPE_CHECKING:\n    x = """\n"""\n'},
            "string of several lines",
        ),
    ],
)
def test_hot_modules_that_cannot_be_combined_stop_the_build(
    parts: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        hatch_build.fingerprint(parts)


@pytest.mark.slow
def test_the_wheel_is_the_same_from_the_tree_and_from_the_source_distribution(
    tmp_path: Path,
) -> None:
    def build(kind: str, source: Path) -> Path:
        directory = tmp_path / f"{kind} of {source.name}"
        command = [uv.find_uv_bin(), "build", "--quiet", f"--{kind}", str(source)]
        subprocess.run([*command, "--out-dir", str(directory)], check=True, timeout=240)
        (file,) = directory.glob("lazyplug-*")
        return file

    wheel = build("wheel", CHECKOUT)
    assert "lazyplug/_hot.py" in zipfile.ZipFile(wheel).namelist()
    rebuilt = build("wheel", build("sdist", CHECKOUT))
    assert rebuilt.read_bytes() == wheel.read_bytes()
    assert not (SOURCES / "_hot.py").exists()
