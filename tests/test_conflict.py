"""Test that a duplicate name is resolved and logged, and affects no other name."""

import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    DispatchExtensionManager,
    DriverManager,
    Extension,
    ExtensionManager,
    NamedExtensionManager,
    NameDispatchExtensionManager,
    error_on_conflict,
    first_on_conflict,
    ignore_conflicts,
    prefer,
    prefer_highest,
)
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath
from tests.support.fs import fs

pytestmark = pytest.mark.usefixtures("clean_sys_modules")
TRAP = "raise AssertionError('this plugin must not be imported')\n"
Resolver = Callable[[str, str, list[Extension[Any]]], Extension[Any]]


@pytest.fixture(autouse=True)
def two(site: PlantSite, prepend_path: SetPath) -> None:
    """Install two plugins of one name, and one with a unique name."""
    prepend_path(
        site(
            {
                "plug.py": TRAP,
                **dist("zeta", "1", "[g]\nabfs = plug:Z\n"),
                **dist("acme-fs", "2", "[g]\nabfs = plug:A\nalone = plug:L\n"),
            }
        )
    )


def keys(extensions: list[Extension[Any]]) -> list[str]:
    return [str(extension.value) for extension in extensions]


@pytest.mark.parametrize(
    ("resolver", "taken"),
    [
        (ignore_conflicts, "plug:Z"),
        (first_on_conflict, "plug:A"),
        (prefer("acme-fs"), "plug:A"),
        (prefer("Acme.FS", "zeta"), "plug:A"),
        (prefer("zeta", "acme-fs"), "plug:Z"),
        (prefer("none", "z*"), "plug:Z"),
        (prefer("none", otherwise=first_on_conflict), "plug:A"),
        (lambda _namespace, _name, found: found[1], "plug:Z"),
    ],
)
def test_a_resolver_chooses_before_any_import(resolver: Resolver, taken: str) -> None:
    manager = ExtensionManager[Any]("g", conflict_resolver=resolver)
    assert manager["abfs"].value == taken
    assert dict(manager.items())["abfs"].value == taken
    driver = DriverManager[Any]("g", "abfs", conflict_resolver=resolver)
    assert keys(driver.extensions) == [taken]


@pytest.mark.parametrize(
    ("resolver", "which"),
    [
        (ignore_conflicts, "the last one"),
        (first_on_conflict, "the first one"),
        (prefer("z*"), "the one of z*"),
    ],
)
def test_the_choice_of_a_resolver_is_logged_once_with_both_distributions(
    resolver: Resolver, which: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lazyplug")
    for _ in range(2):
        manager = ExtensionManager[Any]("g", conflict_resolver=resolver)
        assert manager["abfs"] is manager["abfs"]
    (message,) = [each for each in caplog.messages if "'abfs'" in each]
    assert message.startswith(
        f"'abfs' is declared more than once in group 'g'; {which} is used:\n"
    )
    assert "declared by acme-fs 2 in " in message
    assert "declared by zeta 1 in " in message


@pytest.mark.parametrize("resolver", [error_on_conflict, prefer("none"), prefer("*")])
def test_the_error_for_an_unresolved_conflict_names_both_distributions(
    resolver: Resolver,
) -> None:
    with pytest.raises(lazyplug.MultipleMatches) as caught:
        DriverManager[Any]("g", "abfs", conflict_resolver=resolver)
    assert "declared by acme-fs 2 in " in str(caught.value)
    assert "declared by zeta 1 in " in str(caught.value)


@pytest.mark.parametrize("names", [(), ("",), (["a", "b"],)])
def test_prefer_requires_the_name_of_a_distribution(names: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"^prefer\(\): .* is not a valid arg"):
        prefer(*names)


@pytest.mark.parametrize(
    ("make", "name"), [(prefer, "acme-fs"), (prefer_highest, "priority")]
)
def test_a_resolver_is_shown_as_its_call_and_requires_another_one(
    make: Any, name: str
) -> None:
    assert repr(make(name)) == f"{make.__name__}({name!r})"
    text = rf"^{make.__name__}\(\): 3 is not a valid otherwise argument: expected"
    with pytest.raises(TypeError, match=text):
        make(name, otherwise=3)


def test_a_preference_can_be_pickled() -> None:
    resolver = pickle.loads(pickle.dumps(prefer("zeta")))  # noqa: S301
    manager = ExtensionManager[Any]("g", conflict_resolver=resolver)
    assert manager["abfs"].value == "plug:Z"


def test_a_name_is_skipped_if_a_custom_resolver_raises_multiple_matches() -> None:
    def resolver(*_: object) -> Any:
        raise lazyplug.MultipleMatches("decide yourself")

    manager = ExtensionManager[Any](
        "g", conflict_resolver=resolver, on_failure="ignore"
    )
    assert list(dict(manager.items())) == ["alone"]
    assert [failure.name for failure in manager.failures] == ["abfs", "abfs"]


def test_a_resolver_that_returns_no_extension_is_an_error() -> None:
    nothing: Any = lambda *_: None  # noqa: E731
    with pytest.raises(TypeError, match="conflict_resolver returned None for 'abfs'"):
        DriverManager[Any]("g", "abfs", conflict_resolver=nothing)


def test_a_conflict_in_a_lookup_is_recorded_as_failures() -> None:
    manager = ExtensionManager[Any]("g", conflict_resolver=error_on_conflict)
    with pytest.raises(lazyplug.MultipleMatches, match="'abfs' is declared more than"):
        manager["abfs"]
    assert len(manager.failures) == 2


def test_a_preference_may_have_a_character_class() -> None:
    resolver = prefer("acme-[e-g]s")
    manager = ExtensionManager[Any]("g", conflict_resolver=resolver)
    assert manager["abfs"].value == "plug:A"


def test_a_conflict_affects_no_other_name(caplog: pytest.LogCaptureFixture) -> None:
    manager = ExtensionManager[Any]("g", conflict_resolver=error_on_conflict)
    assert manager["alone"].value == "plug:L"
    assert list(dict(manager.items())) == ["alone"]
    with pytest.raises(lazyplug.MultipleMatches, match="'abfs' is declared more than"):
        manager["abfs"]
    named = NamedExtensionManager[Any](
        "g", ["alone", "abfs"], name_order=True, conflict_resolver=error_on_conflict
    )
    assert named.names() == ["alone"]
    assert [failure.name for failure in named.failures] == ["abfs", "abfs"]
    by_name = NameDispatchExtensionManager[Any](
        "g", lambda _: True, conflict_resolver=error_on_conflict
    )
    assert list(by_name.by_name) == ["alone"]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith(
        "'abfs' is declared more than once in group 'g':\n"
    )


def test_a_conflict_is_recorded_as_a_failure_of_each_extension() -> None:
    manager = ExtensionManager[Any]("g", conflict_resolver=error_on_conflict)
    assert manager.failures == []
    manager.items()
    found = manager.failures
    assert [(each.name, each.value) for each in found] == [
        ("abfs", "plug:A"),
        ("abfs", "plug:Z"),
    ]
    assert [each.distribution for each in found] == ["acme-fs 2", "zeta 1"]
    assert all(each.reason.startswith("MultipleMatches: ") for each in found)


def test_a_conflict_is_raised_if_failures_are_errors() -> None:
    manager = ExtensionManager[Any](
        "g", conflict_resolver=error_on_conflict, on_failure="error"
    )
    with pytest.raises(lazyplug.MultipleMatches, match="'abfs' is declared more"):
        manager.items()
    assert manager["alone"].value == "plug:L"


def test_dispatch_by_name_skips_a_conflict_and_calls_the_others(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site({"plug.py": "A = Z = L = 1\n"}, "sound"))
    manager = NameDispatchExtensionManager[Any](
        "g", lambda _: True, conflict_resolver=error_on_conflict, on_failure="ignore"
    )
    names = ["abfs", "alone", "gone", "alone"]
    assert manager.map(names, lambda extension: extension.name) == ["alone", "alone"]
    every = DispatchExtensionManager[Any]("g", lambda _: True)
    assert len(every.map(lambda _: True, lambda extension: extension.name)) == 3


@pytest.mark.parametrize("order", [sorted, lambda names: sorted(names, reverse=True)])
def test_the_chosen_extension_does_not_depend_on_the_order_of_directory_listings(
    order: Callable[[list[str]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = fs.listdir
    monkeypatch.setattr(fs, "listdir", lambda path: order(listed(path)))
    monkeypatch.setenv("LAZYPLUG_CACHE", "off")
    manager = ExtensionManager[Any]("g", conflict_resolver=first_on_conflict)
    assert manager["abfs"].value == "plug:A"
    assert keys(manager.extensions) == ["plug:A", "plug:L", "plug:Z"]


def test_the_repr_of_a_preference_shows_what_else_decides() -> None:
    assert repr(prefer("a", "b-*")) == "prefer('a', 'b-*')"
    other = prefer("a", otherwise=ignore_conflicts)
    assert repr(other) == "prefer('a', otherwise=ignore_conflicts)"
    assert repr(prefer("b", otherwise=other)) == f"prefer('b', otherwise={other})"
