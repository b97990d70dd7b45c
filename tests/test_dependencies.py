"""Test which dependencies are declared, for which platforms, and what works without."""

import json
import re
import textwrap
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

import lazyplug
from lazyplug.testing import dist, plant
from lazyplug.testing._imports import _DEPENDENCIES
from tests.support import dependencies
from tests.support.checkout import CHECKOUT
from tests.support.children import python
from tests.support.environments import requirements

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
DECLARED = {found.name: found for found in map(Requirement, PROJECT["dependencies"])}


def orjson_marker() -> Marker:
    marker = DECLARED["orjson"].marker
    assert marker is not None
    return marker


def test_the_dependencies_are_these_three_and_only_orjson_depends_on_the_platform() -> (
    None
):
    assert set(DECLARED) == {"importlib_metadata", "orjson", "platformdirs"}
    assert [name for name, found in DECLARED.items() if found.marker] == ["orjson"]


# implementation_name, sys_platform, platform_machine, and whether orjson is wanted.
PLATFORMS = [
    ("cpython", "linux", "x86_64", True),
    ("cpython", "linux", "aarch64", True),
    ("cpython", "linux", "i686", True),
    ("cpython", "linux", "armv7l", True),
    ("cpython", "darwin", "x86_64", True),
    ("cpython", "darwin", "arm64", True),
    ("cpython", "win32", "AMD64", True),
    ("cpython", "win32", "ARM64", True),
    # without wheels
    ("cpython", "linux", "riscv64", False),
    ("cpython", "linux", "s390x", False),
    ("cpython", "linux", "ppc64le", False),
    ("cpython", "linux", "loongarch64", False),
    ("cpython", "linux", "armv6l", False),
    ("cpython", "win32", "x86", False),
    ("cpython", "emscripten", "wasm32", False),
    ("cpython", "wasi", "wasm32", False),
    ("cpython", "android", "aarch64", False),
    ("cpython", "ios", "arm64", False),
    ("cpython", "freebsd14", "amd64", False),
    ("cpython", "cygwin", "x86_64", False),
    ("cpython", "sunos5", "i86pc", False),
    ("cpython", "aix", "00C8", False),
    ("pypy", "linux", "x86_64", False),
    ("graalpy", "linux", "x86_64", False),
    # parts of the names above
    ("python", "linux", "x86_64", False),
    ("cpython", "win", "AMD64", False),
    ("cpython", "", "x86_64", False),
    ("cpython", "linux", "x86", False),
    ("cpython", "linux", "64", False),
    ("cpython", "linux", "arm", False),
    ("cpython", "linux", "", False),
]


@pytest.mark.parametrize(("implementation", "system", "machine", "wanted"), PLATFORMS)
def test_orjson_is_required_where_it_has_wheels(
    implementation: str, system: str, machine: str, wanted: bool
) -> None:
    environment = {
        "implementation_name": implementation,
        "sys_platform": system,
        "platform_machine": machine,
    }
    assert orjson_marker().evaluate(environment) is wanted


def test_the_marker_of_orjson_consists_of_equalities() -> None:
    without_texts = re.sub(r"'[^']*'|\"[^\"]*\"", "", str(orjson_marker()))
    variables = {"implementation_name", "sys_platform", "platform_machine"}
    assert {*re.findall(r"[^\s()]+", without_texts)} == {"==", "and", "or", *variables}


# -------------------------------------------------------- without the dependencies

TREE = dist("plug", "1.5", "[g]\na = plug_soft:run\n")
# Hides the modules that its first argument names.
ANSWERS = """
    import json, sys
    _, hidden, directory, archive = sys.argv
    sys.modules.update(dict.fromkeys(hidden.split(",")))
    import lazyplug
    from lazyplug import _settings
    from lazyplug.cli.output import to_json

    class Finder:
        def find_spec(self, name, path=None, target=None):
            return None

        def find_distributions(self, context):
            from importlib.metadata import Distribution
            return [Distribution.at(directory + "/found-2.dist-info")]

    def describe(path, finders=()):
        sys.path[1:] = [path, *standard]
        sys.meta_path[:] = [*meta_path, *finders]
        lazyplug.invalidate_caches()
        found = lazyplug.ExtensionManager("g")
        return [[e.name, e.plugin(), e.dist.name, e.dist.version] for e in found]

    standard, meta_path = sys.path[1:], sys.meta_path[:]
    answers = [describe(directory), describe(archive), describe(archive, [Finder()])]
    answers.append(to_json({"\\udcff": 1.5, "list": [None, True]}).decode())
    print(json.dumps([answers, _settings.get_cache_directory()]))
"""


def ask_without(hidden: str, *arguments: str) -> Any:
    """Return the answers of a process in which these modules cannot be imported."""
    code = textwrap.dedent(ANSWERS)
    return json.loads(python("-c", code, hidden, *arguments).stdout)


@pytest.fixture
def arguments(tmp_path: Path) -> tuple[str, str]:
    """Return a site directory and an archive of it, as arguments of `ANSWERS`."""
    module = {"plug_soft.py": "def run():\n    return 'ran'\n"}
    directory = plant(tmp_path / "site", {**TREE, **module})
    archive = tmp_path / "site.zip"
    with zipfile.ZipFile(archive, "w") as written:
        for path in directory.rglob("*"):
            written.write(path, path.relative_to(directory).as_posix())
    plant(directory, dist("found", "2", "[g]\nb = plug_soft:run\n"))
    (directory / "found-2.dist-info" / "METADATA").write_text(
        "Name: found\nVersion: 2\n"
    )
    return str(directory), str(archive)


def test_without_dependencies_the_answers_are_the_same(
    arguments: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LAZYPLUG_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # needs platformdirs
    monkeypatch.setenv("LOCALAPPDATA", "relative")
    names = [*DECLARED]
    found = []
    for hidden in ("none", *names, ",".join(names)):
        answers, directory = ask_without(hidden, *arguments)
        assert "platformdirs" not in hidden or directory.startswith(str(tmp_path))
        found.append(answers)
    plug = ["a", "ran", "plug", "1.5"]
    json_text = '{\n  "\\\\udcff": 1.5,\n  "list": [\n    null,\n    true\n  ]\n}\n'
    both = [plug, ["b", "ran", "found", "2"]]
    assert sorted(found[0][0]) == both
    assert found[0][1] == [plug]
    assert sorted(found[0][2]) == both
    assert found[0][3] == json_text
    assert all(answers == found[0] for answers in found)


def test_all_that_the_dependencies_import_counts_as_imported_by_lazyplug() -> None:
    assert {*requirements(*DECLARED)} <= _DEPENDENCIES


@pytest.mark.parametrize(
    ("importer", "skipped"),
    [("tests/test_some.py", True), ("lazyplug/cli/some.py", False)],
)
def test_a_test_is_skipped_if_it_imports_what_is_not_installed_not_if_lazyplug_does(
    importer: str, skipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dependencies, "ABSENT", {"no_such_dependency"})
    file = Path(lazyplug.__file__).parents[1] / importer
    code = compile("import no_such_dependency", file, "exec")
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency") as caught:
        exec(code, {})  # noqa: S102
    found = dependencies.absent_dependency(caught.value)
    assert found == ("no_such_dependency" if skipped else None)
    assert dependencies.absent_dependency(ModuleNotFoundError(name="other")) is None


# ------------------------------------------------------------------ without its C code

JSON_TEXT = """
import sys
import _json as own
@staticmethod
def make_scanner(context):
    return context.memo or own.make_scanner(context)
sys.modules["_json"] = {module}
from lazyplug._json_text import quote, scan_once, texts, to_json
assert ("json" in sys.modules) == {imports_json}
value = ["a\\n", None, True, 1, 0.5, "\\xe4\\u2028\\udcff", {{"k": []}}]
found = [to_json(value), quote(value[5]), scan_once(to_json(value), 0)[0] == value]
for text in ("", "[", "[1]", '["a",]', '"a"', "[" * 100000):
    try:
        found.append(texts(text))
    except ValueError as error:
        found.append("ValueError")
try:
    to_json(object())
except TypeError:
    found.append("TypeError")
print(found)
"""


@pytest.mark.parametrize(
    "module",
    [
        "None",  # as on PyPy
        "type(sys)('_json')",
        "type('', (), dict(vars(own), make_scanner=make_scanner))",  # as a later one
    ],
)
def test_without_the_c_functions_of_json_the_texts_are_the_same(module: str) -> None:
    pytest.importorskip("_json")
    own = JSON_TEXT.format(module="own", imports_json=False)
    expected = python("-c", own)
    found = python("-c", JSON_TEXT.format(module=module, imports_json=True))
    assert found.stdout == expected.stdout


# ------------------------------------------------------------------------ classifiers


def test_the_classifiers_name_the_versions_and_systems_that_were_tried() -> None:
    text = (CHECKOUT / "docs" / "platforms.md").read_text("utf-8")
    tried = text.partition("## Tried on")[2].partition("## Not tried")[0]
    classifiers = PROJECT["classifiers"]
    versions = {each.rpartition(" ")[2] for each in classifiers if " 3." in each}
    assert versions == set(re.findall(r"\b3\.\d+(?=\.\d)", tried))
    systems = {
        e.rpartition(" ")[2] for e in classifiers if e[:6] in ("Operat", "Enviro")
    }
    assert systems == set(re.findall(r"^\| (\w+)", tried, re.MULTILINE)) - {"system"}
