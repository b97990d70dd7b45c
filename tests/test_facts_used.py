"""Test that facts choose plugins, and resolve conflicts, before any is imported."""

import logging
import pickle
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    Choice,
    DriverManager,
    ExtensionManager,
    Facts,
    InvalidChoice,
    MultipleMatches,
    error_on_conflict,
    first_on_conflict,
    ignore_conflicts,
    prefer,
    prefer_highest,
)
from lazyplug._selection.judging import judge
from lazyplug.compat.stevedore._choosing import excluded_entry_points
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")
TRAP = "raise AssertionError('this plugin must not be imported')\n"


def reader(facts: str, declared: str = "") -> str:
    """Return the source of a plugin with these attributes, and declared facts."""
    body = facts or "pass"
    return f"APP_FACTS = {{{declared}}}\nclass Reader:\n    {body}\n{TRAP}"


FACTS = Facts(declared="APP_FACTS", static=["kind", "priority"])


@pytest.fixture(autouse=True)
def readers(site: PlantSite, prepend_path: SetPath) -> None:
    """Install readers of which some facts are known; none may be imported."""
    prepend_path(
        site(
            {
                "plug_text.py": reader("kind = 'text'; priority = 5"),
                "plug_image.py": reader("kind = 'image'", "'priority': 20"),
                "plug_other.py": reader("kind = str()"),
                **dist("text", "1", "[app]\ntext = plug_text:Reader\n"),
                **dist("image", "2", "[app]\nimage = plug_image:Reader\n"),
                **dist("other", "3", "[app]\nother = plug_other:Reader\n"),
            }
        )
    )


def is_text(facts: Mapping[str, Any]) -> bool:
    return bool(facts["kind"] == "text")


def has_text_or_a_name(name: str, facts: Mapping[str, Any]) -> bool:
    return name in facts or is_text(facts)


def manager(choice: Choice | None, **options: Any) -> ExtensionManager[Any]:
    options.setdefault("facts", FACTS)
    return ExtensionManager[Any]("app", choice=choice, **options)


def reasons(choice: Choice, **options: Any) -> dict[str, str]:
    excluded = manager(choice, **options).excluded
    return {extension.name: reason for extension, reason in excluded.items()}


# --------------------------------------------------------------------------- choice


def test_a_rule_on_facts_excludes_before_any_import_and_keeps_the_unknown() -> None:
    choice = Choice(facts=is_text)
    assert sorted(manager(choice).names()) == ["other", "text"]
    assert reasons(choice) == {
        "image": "excluded by its facts: the rule is_text in code returned false"
    }


def test_the_rule_gets_the_mapping_even_if_the_facts_have_a_schema() -> None:
    def schema(**_: Any) -> Any:
        raise AssertionError("a choice needs no value of the host")

    facts = Facts(static=["kind"], schema=schema)
    seen: list[Any] = []

    def sees(facts: Mapping[str, Any]) -> bool:
        seen.append(facts)
        return True

    choice = Choice(facts=sees)
    assert len(manager(choice, facts=facts).names()) == 3
    assert sorted(map(dict, seen), key=str) == [
        {"kind": "image"},
        {"kind": "text"},
        {},
    ]
    with pytest.raises(TypeError, match="does not support item assignment"):
        seen[0]["kind"] = "changed"


def test_a_host_may_exclude_what_is_unknown() -> None:
    choice = Choice(facts=lambda facts: "kind" in facts)
    (reason,) = reasons(choice).values()
    assert reason.endswith("<lambda> in code returned false")
    assert sorted(manager(choice).names()) == ["image", "text"]


def test_the_other_rules_are_applied_first() -> None:
    seen: list[Any] = []
    choice = Choice(deny=["text"], versions={"image": ">1"}, facts=seen.append)
    assert reasons(choice) == {
        "text": "excluded by the deny pattern 'text' in code",
        "image": reasons(choice)["image"],
        "other": reasons(choice)["other"],
    }
    assert {facts.get("kind", "unknown") for facts in seen} == {"image", "unknown"}


def test_configuration_and_environment_keep_the_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APP_DENY", "other")
    choice = Choice(facts=is_text).configured({"deny": ["nothing*"]}).environment("APP")
    assert choice.facts is is_text
    assert manager(choice).names() == ["text"]


def test_a_choice_with_a_rule_is_compared_hashed_and_pickled() -> None:
    one, two = Choice(facts=is_text), Choice(facts=is_text)
    assert one == two != Choice()
    assert hash(one) == hash(two)
    assert "facts=<function is_text" in repr(one)
    again = pickle.loads(pickle.dumps(one))  # noqa: S301
    assert again == one
    assert sorted(manager(again).names()) == ["other", "text"]


def test_a_rule_without_a_name_is_named_by_its_repr() -> None:
    choice = Choice(facts=partial(has_text_or_a_name, "priority"))
    assert sorted(manager(choice).names()) == ["image", "other", "text"]
    choice = Choice(facts=partial(has_text_or_a_name, "nothing"))
    (reason,) = reasons(choice).values()
    assert "functools.partial(<function has_text_or_a_name" in reason


def test_another_exception_of_a_rule_names_the_extension_and_propagates() -> None:
    def compares(facts: Mapping[str, Any]) -> bool:
        return bool(facts["priority"] < "10")

    with pytest.raises(TypeError, match="not supported") as raised:
        manager(Choice(facts=compares))
    (note,) = raised.value.__notes__
    assert "compares chose entry point" in note
    assert "of group 'app', declared by " in note


def test_a_rule_needs_a_manager_with_facts() -> None:
    text = r"^code: Choice\(facts=\.\.\.\) needs facts: pass facts= to the manager$"
    choice = Choice(facts=is_text)
    with pytest.raises(InvalidChoice, match=text):
        ExtensionManager[Any]("app", choice=choice)
    with pytest.raises(InvalidChoice, match=text):
        excluded_entry_points(choice, "app", [])
    with pytest.raises(InvalidChoice, match=text):
        judge(choice, ["app"], [], lambda _: [])
    with pytest.raises(InvalidChoice, match=text):
        lazyplug.load("app", "text", choice=choice)


def test_a_rule_is_a_callable() -> None:
    with pytest.raises(
        InvalidChoice, match="'text' is not a valid facts argument: expected a"
    ):
        Choice(facts="text")  # type: ignore[arg-type]


def test_registered_extensions_are_chosen_by_their_facts_too() -> None:
    found = manager(Choice(facts=is_text))
    assert found.register("again", "plug_text:Reader").facts["kind"] == "text"
    refused = found.register("picture", "plug_image:Reader")
    assert refused in found.excluded
    # Nothing is known of an object that is not installed.
    assert found.register("object", object()).facts == {}
    assert sorted(found.names()) == ["again", "object", "other", "text"]
    found.refresh()
    assert sorted(found.names()) == ["again", "object", "other", "text"]


# ----------------------------------------------------------------------- conflicts


@pytest.fixture
def conflict(site: PlantSite, prepend_path: SetPath) -> None:
    """Install plugins with one name, and known, equal, unknown or odd priorities."""
    values = {"low": "1", "high": "9", "same": "9", "odd": "'9'", "unknown": "int()"}
    values |= {"set": "{1}", "other_set": "{2}"}
    prepend_path(
        site(
            {
                f"plug_{name}.py": reader(f"priority = {value}")
                for name, value in values.items()
            },
            "conflicts",
        )
    )


def declare(site: PlantSite, prepend_path: SetPath, *names: str) -> None:
    """Declare one name several times, each by a distribution of its own."""
    tree: dict[str, Any] = {}
    for number, plugin in enumerate(names):
        points = f"[app]\nx = plug_{plugin}:Reader\n"
        tree |= dist(f"dist-{number}", entry_points=points)
    prepend_path(site(tree, "declared"))


def taken(resolver: Any, **options: Any) -> str:
    options.setdefault("facts", FACTS)
    found = ExtensionManager[Any]("app", conflict_resolver=resolver, **options)
    return found["x"].value.removesuffix(":Reader").removeprefix("plug_")


@pytest.mark.usefixtures("conflict")
@pytest.mark.parametrize(
    ("names", "resolver", "expected"),
    [
        (["high", "low"], prefer_highest("priority"), "high"),
        (["low", "high"], prefer_highest("priority"), "high"),
        # several with the highest value
        (
            ["low", "high", "same"],
            prefer_highest("priority", otherwise=first_on_conflict),
            "high",
        ),
        (
            ["high", "same", "low"],
            prefer_highest("priority", otherwise=ignore_conflicts),
            "same",
        ),
        # an unknown value may be higher or lower
        (
            ["unknown", "high", "low"],
            prefer_highest("priority", otherwise=first_on_conflict),
            "unknown",
        ),
        (
            ["high", "low", "unknown"],
            prefer_highest("priority", otherwise=first_on_conflict),
            "high",
        ),
        (["unknown", "high"], prefer_highest("priority", unknown=5), "high"),
        (["unknown", "low"], prefer_highest("priority", unknown=5), "unknown"),
        (["low", "unknown"], prefer_highest("priority", unknown=0), "low"),
        # values that cannot be compared
        (
            ["low", "odd", "high"],
            prefer_highest("priority", otherwise=first_on_conflict),
            "low",
        ),
        (
            ["high", "low"],
            prefer("dist-1", otherwise=prefer_highest("priority")),
            "low",
        ),
        (["high", "low"], prefer("z", otherwise=prefer_highest("priority")), "high"),
        (
            ["high", "unknown"],
            prefer_highest("priority", otherwise=prefer("dist-1")),
            "unknown",
        ),
    ],
)
def test_the_highest_value_wins_unless_it_is_unknown_which_one_that_is(
    names: list[str],
    resolver: Any,
    expected: str,
    site: PlantSite,
    prepend_path: SetPath,
) -> None:
    declare(site, prepend_path, *names)
    assert taken(resolver) == expected
    assert taken(pickle.loads(pickle.dumps(resolver))) == expected  # noqa: S301


@pytest.mark.usefixtures("conflict")
def test_only_those_that_may_have_the_highest_value_are_left_to_the_other_resolver(
    site: PlantSite, prepend_path: SetPath
) -> None:
    declare(site, prepend_path, "unknown", "low", "high", "same")
    with pytest.raises(MultipleMatches) as raised:
        DriverManager[Any](
            "app", "x", facts=FACTS, conflict_resolver=prefer_highest("priority")
        )
    values = [extension.value for extension in raised.value.extensions]
    assert values == [f"plug_{n}:Reader" for n in ("unknown", "high", "same")]


@pytest.mark.usefixtures("conflict")
def test_the_choice_by_a_fact_is_logged_at_debug_level_with_all_distributions(
    site: PlantSite, prepend_path: SetPath, caplog: pytest.LogCaptureFixture
) -> None:
    declare(site, prepend_path, "low", "high")
    caplog.set_level(logging.DEBUG, "lazyplug")
    assert taken(prefer_highest("priority")) == "high"
    (record,) = [each for each in caplog.records if "'x'" in each.getMessage()]
    assert record.levelno == logging.DEBUG
    assert record.getMessage().startswith(
        "'x' is declared more than once in group 'app'; the one with the highest"
        " 'priority' is used:\n"
    )
    assert "declared by dist-0" in record.getMessage()
    assert "declared by dist-1" in record.getMessage()


@pytest.mark.usefixtures("conflict")
def test_a_resolver_by_a_fact_needs_a_manager_with_facts(
    site: PlantSite, prepend_path: SetPath
) -> None:
    declare(site, prepend_path, "low", "high")
    text = r"^prefer_highest\('priority'\) needs facts: pass facts= to the manager$"
    with pytest.raises(ValueError, match=text):
        taken(prefer_highest("priority"), facts=None)


@pytest.mark.parametrize("fact", ["", None, 3])
def test_a_resolver_by_a_fact_requires_the_name_of_one(fact: Any) -> None:
    with pytest.raises(TypeError, match=r"^prefer_highest\(\): .* is not a valid arg"):
        prefer_highest(fact, otherwise=error_on_conflict)
