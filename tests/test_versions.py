"""Test that a plugin for another version of the host is listed, not imported."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from lazyplug import Choice, DriverManager, ExtensionManager
from lazyplug.testing import dist
from tests.support.children import ask
from tests.support.fixtures import PlantSite, SetPath

TRAP = "raise AssertionError('this plugin must not be imported')\n"
Install = Callable[..., None]


def tree_requiring(name: str, *requires: str, version: str = "1.0") -> dict[str, Any]:
    """Return the tree of a distribution that requires others and has one plugin."""
    tree = dict(dist(name, version, f"[g]\n{name} = plug:P\n"))
    (directory,) = tree
    lines = "".join(f"Requires-Dist: {each}\n" for each in requires)
    summary = "Classifier: x\n" * 200
    readme = "\nRequires-Dist: myapp<1\n"
    metadata = f"{tree[directory]['METADATA']}{summary}{lines}{readme}"
    tree[directory] = {**tree[directory], "METADATA": metadata}
    return tree


@pytest.fixture
def install(site: PlantSite, prepend_path: SetPath) -> Install:
    def make(*trees: dict[str, Any]) -> None:
        files: dict[str, Any] = {"plug.py": TRAP}
        for tree in trees:
            files |= tree
        prepend_path(site(files))

    return make


def reasons(choice: Choice) -> dict[str, str]:
    manager = ExtensionManager[Any]("g", choice=choice)
    return {extension.name: reason for extension, reason in manager.excluded.items()}


HOST = Choice(host="MyApp", api="2.3")


@pytest.mark.parametrize(
    "requirement",
    [
        "myapp",
        "myapp>=2",
        "My_App.x>=9",
        "MYAPP (>=2,<3)",
        "myapp[extra]~=2.0",
        "myapp<1; python_version<'3'",
        "myapp<1; extra == 'old'",
        "other<1",
        "myapp @ https://example.org/myapp.whl",
        "myapp >>> nonsense",
    ],
)
def test_a_plugin_whose_requirement_allows_the_host_is_enabled(
    requirement: str, install: Install
) -> None:
    install(tree_requiring("one", requirement))
    assert reasons(HOST) == {}


@pytest.mark.parametrize(
    "requirement",
    [
        "myapp<2",
        "My.App>=3",
        "myapp[extra]==2.4.*",
        "myapp<1; python_version>'3'",
        "MYAPP (>=3)",
    ],
)
def test_a_plugin_that_requires_another_host_is_excluded_with_the_reason(
    requirement: str, install: Install
) -> None:
    install(
        tree_requiring("one", "other", requirement, version="0.7"),
        tree_requiring("two"),
    )
    host = Choice(host="my-app" if requirement[2] == "." else "myapp", api="2.3")
    assert reasons(host) == {
        "one": f"excluded by version: one 0.7 requires {requirement!r}, but this is"
        f" {host.host} 2.3"
    }


def test_one_of_the_versions_that_a_host_supports_is_enough(install: Install) -> None:
    install(tree_requiring("one", "myapp==1.*"), tree_requiring("two", "myapp>=3"))
    assert reasons(Choice(host="myapp", api=["1.4", "2.0"])) == {
        "two": "excluded by version: two 1.0 requires 'myapp>=3', but this is myapp"
        " 1.4, 2.0"
    }


def test_a_host_in_development_counts_as_the_release_that_it_becomes(
    install: Install,
) -> None:
    install(tree_requiring("one", "myapp>=2"), tree_requiring("two", "myapp<2"))
    assert list(reasons(Choice(host="myapp", api="2.1.dev3"))) == ["two"]


def test_the_host_itself_is_never_excluded(install: Install) -> None:
    install(tree_requiring("myapp", "myapp[all]<1"))
    assert reasons(HOST) == {}


def test_a_range_is_compared_with_the_installed_version(
    install: Install,
) -> None:
    install(
        tree_requiring("acme-one", version="1.2"),
        tree_requiring("acme-two", version="0.9"),
        tree_requiring("other", version="0.1"),
    )
    assert reasons(Choice(versions={"Acme.*": ">=1,<2"})) == {
        "acme-two": "excluded by version: acme-two 0.9 is not >=1,<2 (code)"
    }
    by_file = Choice().configured({"versions": {"other": ">=1"}}, "app.toml")
    assert reasons(by_file) == {
        "other": "excluded by version: other 0.1 is not >=1 (app.toml)"
    }


def test_an_invalid_version_is_outside_of_every_range(
    install: Install,
) -> None:
    install(tree_requiring("one", version="what"))
    assert reasons(Choice(versions={"one": ">=1"})) == {
        "one": "excluded by version: one what is not >=1 (code)"
    }


def test_the_requirements_of_an_egg_are_read_too(
    site: PlantSite, prepend_path: SetPath
) -> None:
    files = {
        "PKG-INFO": "Name: one\nVersion: 1\n",
        "requires.txt": "myapp<2\n",
        "entry_points.txt": "[g]\none = plug:P\n",
    }
    prepend_path(site({"plug.py": TRAP, "one-1.egg-info": files}))
    assert reasons(HOST) == {
        "one": "excluded by version: one 1 requires 'myapp<2', but this is MyApp 2.3"
    }


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"METADATA": {}},
        {"METADATA": b"Name: bad\nVersion: 1\nAuthor: \xe9\nRequires-Dist: myapp>=2\n"},
        {"METADATA": b"\x00" * 50},
    ],
    ids=["none", "a directory", "another encoding", "zeros"],
)
def test_broken_metadata_affects_no_other_plugin(
    files: dict[str, Any], site: PlantSite, prepend_path: SetPath
) -> None:
    bad = {"bad-1.dist-info": {"entry_points.txt": "[g]\nbad = plug:P\n", **files}}
    prepend_path(site({"plug.py": TRAP, **bad, **tree_requiring("one", "myapp<2")}))
    assert list(reasons(HOST)) == ["one"]
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'oen'"):
        DriverManager[Any]("g", "oen", choice=HOST)


def test_an_author_in_another_encoding_does_not_prevent_the_check(
    site: PlantSite, prepend_path: SetPath
) -> None:
    metadata = b"Name: one\nVersion: 1\nAuthor: \xe9\nRequires-Dist: myapp<2\n"
    files = {"entry_points.txt": "[g]\none = plug:P\n", "METADATA": metadata}
    prepend_path(site({"plug.py": TRAP, "one-1.dist-info": files}))
    assert list(reasons(HOST)) == ["one"]


def test_a_requirement_over_several_lines_after_a_byte_order_mark_is_read(
    site: PlantSite, prepend_path: SetPath
) -> None:
    metadata = "\ufeffRequires-Dist: myapp\r\n  <2\r\nName: one\r\nVersion: 1\r\n"
    files = {"entry_points.txt": "[g]\none = plug:P\n", "METADATA": metadata.encode()}
    prepend_path(site({"plug.py": TRAP, "one-1.dist-info": files}))
    assert list(reasons(HOST)) == ["one"]


def test_one_version_has_to_satisfy_all_requirements(install: Install) -> None:
    install(
        tree_requiring("one", "myapp>=2", "myapp<2"), tree_requiring("two", "myapp>=2")
    )
    assert reasons(Choice(host="myapp", api=["1.0", "2.0"])) == {
        "one": "excluded by version: one 1.0 requires 'myapp>=2' and 'myapp<2',"
        " but this is myapp 1.0, 2.0"
    }


def test_a_failure_of_a_third_party_finder_excludes_nothing(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tree_requiring("one", "myapp<2"))
    points = [SimpleNamespace(name="external", value="plug:L", group="g")]

    class FakeDistribution:
        metadata = {"Name": "external"}  # noqa: RUF012
        version = "1"
        entry_points = points

        @property
        def requires(self) -> list[str]:
            raise OSError("the finder failed")

    class Finder:
        @staticmethod
        def find_distributions(_: object) -> list[FakeDistribution]:
            return [FakeDistribution()]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    manager = ExtensionManager[Any]("g", choice=HOST)
    assert manager.names() == ["external"]


def test_the_reason_says_that_the_version_is_missing(
    site: PlantSite, prepend_path: SetPath
) -> None:
    points = {"entry_points.txt": "[g]\none = plug:P\n"}
    prepend_path(site({"plug.py": TRAP, "one.egg-info": points}))
    assert reasons(Choice(versions={"one": ">=2"})) == {
        "one": "excluded by version: one, without a version, is not >=2 (code)"
    }


def test_a_range_that_matches_no_installed_plugin_is_logged(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(tree_requiring("acme-one"))
    ExtensionManager[Any]("g", choice=Choice(versions={"acmee-*": ">=1"}))
    assert caplog.messages == ["'@acmee_*' in code matches no installed plugin"]


def test_a_range_may_have_a_pattern_with_a_character_class(install: Install) -> None:
    install(
        tree_requiring("acme-a"), tree_requiring("acme-b"), tree_requiring("acme-d")
    )
    choice = Choice(versions={"acme-[a-c]": ">=2"})
    assert list(reasons(choice)) == ["acme-a", "acme-b"]


def test_an_incompatible_driver_is_reported_with_the_reason(install: Install) -> None:
    install(tree_requiring("one", "myapp<2"))
    with pytest.raises(
        lazyplug.NoMatches, match=r"requires .myapp<2., but this is MyApp 2\.3"
    ):
        DriverManager[Any]("g", "one", choice=HOST)


def test_an_invalid_range_or_version_is_reported_with_its_source(
    install: Install,
) -> None:
    install(tree_requiring("one", "myapp>=2"))
    with pytest.raises(
        lazyplug.InvalidChoice, match=r"^app.toml: '=>1' is not a valid"
    ):
        Choice().configured({"versions": {"one": "=>1"}}, "app.toml")
    # An error that only packaging finds is raised when versions are compared.
    choice = Choice().configured({"versions": {"one": ">=1.x.y"}}, "app.toml")
    with pytest.raises(lazyplug.InvalidChoice, match=r"^app.toml: .*1.x.y"):
        ExtensionManager[Any]("g", choice=choice)
    with pytest.raises(
        lazyplug.InvalidChoice, match=r"^code: 'two' is not a valid api: expected"
    ):
        ExtensionManager[Any]("g", choice=Choice(host="myapp", api="two"))


CHECK_IMPORT = """
    import json, sys
    sys.path[:0] = sys.argv[1:]
    import lazyplug
    lazyplug.ExtensionManager("g", choice=lazyplug.Choice(host="myapp", api="2.3"))
    print(json.dumps("packaging" in sys.modules))
"""


def test_packaging_is_imported_only_if_versions_are_compared(
    site: PlantSite,
) -> None:
    needs = site({"plug.py": TRAP, **tree_requiring("one", "myapp>=2")}, "needs")
    needs_none = site({"plug.py": TRAP, **tree_requiring("one", "other")}, "needs-not")
    for directory, compared in ((needs, True), (needs_none, False)):
        code = CHECK_IMPORT.replace("sys.argv[1:]", repr([str(directory)]))
        assert ask(code) is compared


def test_without_packaging_the_error_says_what_to_install(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tree_requiring("one", "myapp>=2"))
    for name in [name for name in sys.modules if name.startswith("packaging")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "packaging", None)
    with pytest.raises(
        lazyplug.LazyplugError, match=r"pip install lazyplug\[versions\]"
    ):
        ExtensionManager[Any]("g", choice=HOST)


def test_the_extra_is_declared() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert '\nversions = ["packaging' in text
