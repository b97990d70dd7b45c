"""A plugin that does not fit the host is listed with the reason, not imported."""

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


def requiring(name: str, *requires: str, version: str = "1.0") -> dict[str, Any]:
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
def install(site: PlantSite, first: SetPath) -> Install:
    def make(*trees: dict[str, Any]) -> None:
        whole: dict[str, Any] = {"plug.py": TRAP}
        for tree in trees:
            whole |= tree
        first(site(whole))

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
def test_a_plugin_whose_requirement_admits_the_host_is_taken(
    requirement: str, install: Install
) -> None:
    install(requiring("one", requirement))
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
def test_a_plugin_that_requires_another_host_is_left_out_with_the_reason(
    requirement: str, install: Install
) -> None:
    install(requiring("one", "other", requirement, version="0.7"), requiring("two"))
    host = Choice(host="my-app" if requirement[2] == "." else "myapp", api="2.3")
    assert reasons(host) == {
        "one": f"incompatible: one 0.7 requires {requirement!r}, and this is 2.3"
    }


def test_of_the_versions_that_a_host_speaks_one_is_enough(install: Install) -> None:
    install(requiring("one", "myapp==1.*"), requiring("two", "myapp>=3"))
    assert reasons(Choice(host="myapp", api=["1.4", "2.0"])) == {
        "two": "incompatible: two 1.0 requires 'myapp>=3', and this is 1.4, 2.0"
    }


def test_a_host_in_development_counts_as_the_release_that_it_becomes(
    install: Install,
) -> None:
    install(requiring("one", "myapp>=2"), requiring("two", "myapp<2"))
    assert list(reasons(Choice(host="myapp", api="2.1.dev3"))) == ["two"]


def test_the_host_itself_is_never_judged(install: Install) -> None:
    install(requiring("myapp", "myapp[all]<1"))
    assert reasons(HOST) == {}


def test_a_declared_range_is_judged_by_the_version_that_is_installed(
    install: Install,
) -> None:
    install(
        requiring("acme-one", version="1.2"),
        requiring("acme-two", version="0.9"),
        requiring("other", version="0.1"),
    )
    assert reasons(Choice(versions={"Acme.*": ">=1,<2"})) == {
        "acme-two": "incompatible: acme-two 0.9 is not >=1,<2 (code)"
    }
    by_file = Choice().configured({"versions": {"other": ">=1"}}, "app.toml")
    assert reasons(by_file) == {
        "other": "incompatible: other 0.1 is not >=1 (app.toml)"
    }


def test_a_version_that_nobody_can_compare_is_outside_of_every_range(
    install: Install,
) -> None:
    install(requiring("one", version="what"))
    assert reasons(Choice(versions={"one": ">=1"})) == {
        "one": "incompatible: one what is not >=1 (code)"
    }


def test_an_egg_says_what_it_requires_too(site: PlantSite, first: SetPath) -> None:
    files = {
        "PKG-INFO": "Name: one\nVersion: 1\n",
        "requires.txt": "myapp<2\n",
        "entry_points.txt": "[g]\none = plug:P\n",
    }
    first(site({"plug.py": TRAP, "one-1.egg-info": files}))
    assert reasons(HOST) == {
        "one": "incompatible: one 1 requires 'myapp<2', and this is 2.3"
    }


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"METADATA": {}},
        {"METADATA": b"Name: bad\nVersion: 1\nAuthor: \xe9\nRequires-Dist: myapp>=2\n"},
        {"METADATA": b"\x00" * 50},
    ],
    ids=["none", "a folder", "another encoding", "zeros"],
)
def test_broken_metadata_costs_itself(
    files: dict[str, Any], site: PlantSite, first: SetPath
) -> None:
    bad = {"bad-1.dist-info": {"entry_points.txt": "[g]\nbad = plug:P\n", **files}}
    first(site({"plug.py": TRAP, **bad, **requiring("one", "myapp<2")}))
    assert list(reasons(HOST)) == ["one"]
    with pytest.raises(lazyplug.NoMatches, match="no extension named 'oen'"):
        DriverManager[Any]("g", "oen", choice=HOST)


def test_an_author_in_another_encoding_does_not_switch_the_judgement_off(
    site: PlantSite, first: SetPath
) -> None:
    metadata = b"Name: one\nVersion: 1\nAuthor: \xe9\nRequires-Dist: myapp<2\n"
    files = {"entry_points.txt": "[g]\none = plug:P\n", "METADATA": metadata}
    first(site({"plug.py": TRAP, "one-1.dist-info": files}))
    assert list(reasons(HOST)) == ["one"]


def test_a_requirement_over_several_lines_behind_a_byte_order_mark_is_read(
    site: PlantSite, first: SetPath
) -> None:
    metadata = "\ufeffRequires-Dist: myapp\r\n  <2\r\nName: one\r\nVersion: 1\r\n"
    files = {"entry_points.txt": "[g]\none = plug:P\n", "METADATA": metadata.encode()}
    first(site({"plug.py": TRAP, "one-1.dist-info": files}))
    assert list(reasons(HOST)) == ["one"]


def test_one_version_has_to_satisfy_all_requirements(install: Install) -> None:
    install(requiring("one", "myapp>=2", "myapp<2"), requiring("two", "myapp>=2"))
    assert reasons(Choice(host="myapp", api=["1.0", "2.0"])) == {
        "one": "incompatible: one 1.0 requires 'myapp>=2' and 'myapp<2',"
        " and this is 1.0, 2.0"
    }


def test_a_finder_that_fails_costs_itself(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(requiring("one", "myapp<2"))
    points = [SimpleNamespace(name="live", value="plug:L", group="g")]

    class Told:
        metadata = {"Name": "live"}  # noqa: RUF012
        version = "1"
        entry_points = points

        @property
        def requires(self) -> list[str]:
            raise OSError("foreign fault")

    class Finder:
        @staticmethod
        def find_distributions(_: object) -> list[Told]:
            return [Told()]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    manager = ExtensionManager[Any]("g", choice=HOST)
    assert manager.names() == ["live"]


def test_the_version_that_is_missing_is_said(site: PlantSite, first: SetPath) -> None:
    points = {"entry_points.txt": "[g]\none = plug:P\n"}
    first(site({"plug.py": TRAP, "one.egg-info": points}))
    assert reasons(Choice(versions={"one": ">=2"})) == {
        "one": "incompatible: one, without a version, is not >=2 (code)"
    }


def test_a_range_for_what_is_not_installed_is_told(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(requiring("acme-one"))
    ExtensionManager[Any]("g", choice=Choice(versions={"acmee-*": ">=1"}))
    assert caplog.messages == ["'@acmee_*' in code matches no plugin that is installed"]


def test_a_class_of_characters_in_a_range_is_one(install: Install) -> None:
    install(requiring("acme-a"), requiring("acme-b"), requiring("acme-d"))
    choice = Choice(versions={"acme-[a-c]": ">=2"})
    assert list(reasons(choice)) == ["acme-a", "acme-b"]


def test_an_incompatible_driver_is_told_with_the_reason(install: Install) -> None:
    install(requiring("one", "myapp<2"))
    with pytest.raises(
        lazyplug.NoMatches, match=r"requires .myapp<2., and this is 2\.3"
    ):
        DriverManager[Any]("g", "one", choice=HOST)


def test_a_range_or_a_version_that_cannot_be_read_is_named_with_its_source(
    install: Install,
) -> None:
    install(requiring("one", "myapp>=2"))
    with pytest.raises(lazyplug.InvalidChoice, match=r"^app.toml: versions has 'one'"):
        Choice().configured({"versions": {"one": "=>1"}}, "app.toml")
    # What only packaging can tell is told where it is compared.
    choice = Choice().configured({"versions": {"one": ">=1.x.y"}}, "app.toml")
    with pytest.raises(lazyplug.InvalidChoice, match=r"^app.toml: versions: .*1.x.y"):
        ExtensionManager[Any]("g", choice=choice)
    with pytest.raises(lazyplug.InvalidChoice, match=r"^code: api: .*two.*; say '2.3'"):
        ExtensionManager[Any]("g", choice=Choice(host="myapp", api="two"))


COMPARED = """
    import json, sys
    sys.path[:0] = sys.argv[1:]
    import lazyplug
    lazyplug.ExtensionManager("g", choice=lazyplug.Choice(host="myapp", api="2.3"))
    print(json.dumps("packaging" in sys.modules))
"""


def test_packaging_is_imported_where_versions_are_compared_and_nowhere_else(
    site: PlantSite,
) -> None:
    needs = site({"plug.py": TRAP, **requiring("one", "myapp>=2")}, "needs")
    needs_not = site({"plug.py": TRAP, **requiring("one", "other")}, "needs-not")
    for directory, compared in ((needs, True), (needs_not, False)):
        code = COMPARED.replace("sys.argv[1:]", repr([str(directory)]))
        assert ask(code) is compared


def test_without_packaging_the_error_says_what_to_install(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(requiring("one", "myapp>=2"))
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
