"""Test that a choice excludes plugins before any import, and that errors are logged."""

import importlib.metadata
import logging
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    Choice,
    DispatchExtensionManager,
    DriverManager,
    EnabledExtensionManager,
    ExtensionManager,
    HookManager,
    NamedExtensionManager,
    NameDispatchExtensionManager,
    _inventory,
)
from lazyplug.compat import stevedore
from lazyplug.compat.stevedore._choosing import excluded_entry_points
from lazyplug.testing import dist
from tests.support.children import ask, python
from tests.support.fixtures import PlantSite, SetPath

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("clean_sys_modules")
TRAP = "raise AssertionError('this plugin must not be imported')\n"


@pytest.fixture(autouse=True)
def trapped(site: PlantSite, prepend_path: SetPath) -> None:
    """Install plugins that fail the test when they are imported."""
    prepend_path(
        site(
            {
                "plug.py": TRAP,
                **dist("MyApp", "3.0", "[app.loaders]\nini = plug:I\n"),
                **dist("acme-json", "1.0", "[app.loaders]\njson = plug:J\n"),
                **dist(
                    "acme-yaml",
                    "2.0",
                    "[app.loaders]\nyaml = plug:Y\n[app.checks]\nyaml = plug:C\n",
                ),
            }
        )
    )


def taken(choice: Choice | None, group: str = "app.loaders") -> list[str]:
    return sorted(ExtensionManager[Any](group, choice=choice).names())


def reasons(choice: Choice | None, group: str = "app.loaders") -> dict[str, str]:
    manager = ExtensionManager[Any](group, choice=choice)
    return {extension.name: why for extension, why in manager.excluded.items()}


ALL = ["ini", "json", "yaml"]


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("json", ["json"]),
        ("*", ALL),
        ("?[sn]*", ["ini", "json"]),
        ("@acme-[i-k]*", ["json"]),
        ("app.loaders=json", ["json"]),
        ("app.*=json", ["json"]),
        ("app.*=*", ALL),
        ("@acme-json", ["json"]),
        ("@Acme.JSON", ["json"]),
        ("@acme-*", ["json", "yaml"]),
        ("yaml@acme-*", ["yaml"]),
        ("app.loaders=@acme-*", ["json", "yaml"]),
        (" app.loaders = y* @ acme_* ", ["yaml"]),
    ],
)
def test_a_pattern_matches_extensions_by_group_name_and_distribution(
    pattern: str, named: list[str]
) -> None:
    assert taken(Choice(allow=[pattern])) == named
    assert taken(Choice(deny=[pattern])) == sorted(set(ALL) - set(named))


def test_an_empty_allow_list_allows_nothing_and_no_list_allows_everything() -> None:
    assert taken(Choice(allow=[])) == []
    assert taken(Choice()) == ALL
    assert taken(None) == ALL


def test_deny_patterns_override_allow_lists() -> None:
    choice = Choice(allow=["json", "yaml"], deny=["json"])
    assert taken(choice) == ["yaml"]
    assert reasons(choice) == {
        "ini": "excluded by the allow list in code",
        "json": "excluded by the deny pattern 'json' in code",
    }


def test_the_last_allow_list_counts_and_deny_lists_accumulate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = Choice(allow=["json"], deny=["ini"])
    assert taken(code) == ["json"]
    file = code.configured({"allow": ["ini", "json", "yaml"]}, "app.toml")
    assert taken(file) == ["json", "yaml"]
    monkeypatch.setenv("APP_DENY", "yaml")
    assert taken(file.environment("APP")) == ["json"]
    monkeypatch.setenv("APP_ALLOW", "yaml,ini")
    assert reasons(file.environment("APP")) == {
        "ini": "excluded by the deny pattern 'ini' in code",
        "json": "excluded by the allow list in APP_ALLOW",
        "yaml": "excluded by the deny pattern 'yaml' in APP_DENY",
    }
    # A choice is not changed by those that are made from it.
    assert taken(code) == ["json"]


def test_an_empty_allow_variable_allows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APP_ALLOW", "")
    assert taken(Choice(allow=["json"]).environment("APP")) == []


def test_an_unset_variable_changes_nothing() -> None:
    choice = Choice(allow=["json"], deny=["ini"])
    assert choice.environment("APP") == choice


@pytest.mark.parametrize("options", [["-E"], ["-I"]])
def test_variables_are_ignored_if_python_ignores_its_own_variables(
    options: list[str],
) -> None:
    code = f"""if True:
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from lazyplug import Choice
        print(Choice().environment("APP") == Choice())
    """
    env = {"APP_ALLOW": "", "APP_DENY": "a", "APP_SAFE_MODE": "1"}
    assert python(*options, "-c", code, env=env).stdout == "True\n"
    assert python("-c", code, env={"APP_ALLOW": ""}).stdout == "False\n"


# ------------------------------------------------------------------------ safe mode


def test_safe_mode_keeps_only_plugins_of_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choice = Choice(host="my.app")
    assert taken(choice) == ALL
    choice = Choice(host="myapp")
    by_code = Choice(host="myapp", safe_mode=True)
    assert reasons(by_code)["json"] == (
        "excluded by safe mode (code), which enables only plugins of myapp"
    )
    assert taken(by_code) == ["ini"]
    assert taken(choice.configured({"safe_mode": True})) == ["ini"]
    monkeypatch.setenv("APP_SAFE_MODE", "1")
    assert taken(choice.environment("APP")) == ["ini"]
    monkeypatch.setenv("APP_SAFE_MODE", "0")
    assert taken(by_code.environment("APP")) == ALL


def test_safe_mode_keeps_modules_and_registered_objects(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site({"own": {"__init__.py": TRAP, "csv.py": TRAP}}, "host"))
    manager = ExtensionManager[Any](
        "app.loaders", package="own", choice=Choice(host="myapp", safe_mode=True)
    )
    manager.register("txt", object())
    assert manager.names() == ["ini", "csv", "txt"]


# --------------------------------------------------------------- for all programs


def test_patterns_in_the_general_variables_need_a_group(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LAZYPLUG_DENY", "app.loaders=json, yaml")
    assert taken(None) == ["ini", "yaml"]
    assert taken(None, "app.checks") == ["yaml"]
    assert caplog.messages == [
        (
            "ignoring 'yaml' in LAZYPLUG_DENY: expected a pattern with a group, as in"
            " 'GROUP=yaml'"
        )
    ]


def test_the_general_allow_list_applies_only_to_the_groups_that_it_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAZYPLUG_ALLOW", "app.loaders=json,other.group=none")
    assert taken(None) == ["json"]
    assert taken(Choice(allow=["ini"])) == ["json"]
    assert taken(Choice(deny=["json"])) == []
    assert taken(None, "app.checks") == ["yaml"]


def test_a_pattern_for_a_group_of_another_program_is_not_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LAZYPLUG_DENY", "other.group=json")
    assert taken(None) == ALL
    assert caplog.messages == []


def test_entry_points_are_not_filtered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAZYPLUG_DENY", "app.loaders=*")
    assert lazyplug.entry_points(group="app.loaders").names == set(ALL)
    manager = ExtensionManager[Any]("app.loaders", choice=Choice(allow=[]))
    assert sorted(manager.entry_points_names()) == ALL
    assert len(manager.list_entry_points()) == 3


# --------------------------------------------------------------------- each manager


MANAGERS: dict[str, Callable[[Choice], Any]] = {
    "all": lambda choice: ExtensionManager[Any]("app.loaders", choice=choice),
    "named": lambda choice: NamedExtensionManager[Any](
        "app.loaders", ["json", "yaml"], choice=choice
    ),
    "enabled": lambda choice: EnabledExtensionManager[Any](
        "app.loaders", lambda _: True, choice=choice
    ),
    "dispatch": lambda choice: DispatchExtensionManager[Any](
        "app.loaders", lambda _: True, choice=choice
    ),
    "names": lambda choice: NameDispatchExtensionManager[Any](
        "app.loaders", lambda _: True, choice=choice
    ),
    "hook": lambda choice: HookManager[Any]("app.loaders", "json", choice=choice),
    "driver": lambda choice: DriverManager[Any]("app.loaders", "json", choice=choice),
    "eager": lambda choice: ExtensionManager[Any](
        "app.loaders", lazy=False, on_failure="error", choice=choice
    ),
}


@pytest.mark.parametrize("kind", sorted(set(MANAGERS) - {"eager", "driver"}))
def test_every_manager_accepts_a_choice(kind: str) -> None:
    assert MANAGERS[kind](Choice(allow=["json"])).names() == ["json"]
    assert MANAGERS[kind](Choice(allow=[])).names() == []


def test_an_eager_manager_does_not_import_excluded_plugins() -> None:
    assert MANAGERS["eager"](Choice(allow=[])).names() == []
    with pytest.raises(AssertionError, match="must not be imported"):
        MANAGERS["eager"](Choice(allow=["json"]))


def test_the_error_for_an_excluded_driver_gives_the_reason() -> None:
    assert MANAGERS["driver"](Choice(allow=["json"])).names() == ["json"]
    with pytest.raises(lazyplug.NoMatches) as caught:
        MANAGERS["driver"](Choice(deny=["@acme-json"]))
    text = str(caught.value)
    assert "no extension named 'json' in group 'app.loaders' is enabled:\n" in text
    assert "declared by acme-json 1.0 in " in text
    assert ": excluded by the deny pattern '@acme-json' in code" in text
    assert "Available: 'ini', 'yaml'." in text


def test_load_does_not_load_excluded_plugins() -> None:
    choice = Choice(deny=["json"])
    reason = "excluded by the deny pattern 'json' in code"
    with pytest.raises(lazyplug.NoMatches, match=reason):
        lazyplug.load("app.loaders", "json", choice=choice)
    assert lazyplug.load("app.loaders", "os:sep", choice=choice) == os.sep


def test_errors_of_lookup_and_map_say_why_a_name_is_excluded() -> None:
    manager = ExtensionManager[Any]("app.loaders", choice=Choice(allow=[]))
    with pytest.raises(lazyplug.NoMatches, match="excluded by the allow list in code"):
        manager["json"]
    with pytest.raises(lazyplug.NoMatches, match="excluded by the allow list in code"):
        manager.map(print)


def test_excluded_names_are_not_reported_as_missing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    missing: list[set[str]] = []
    NamedExtensionManager[Any](
        "app.loaders",
        ["json", "yaml", "gone"],
        on_missing_entrypoints_callback=missing.append,
        choice=Choice(deny=["json"]),
        name_order=True,
    )
    assert missing == [{"gone"}]
    assert caplog.messages == []


# ------------------------------------------------------------- mistakes are reported


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            Choice(allow=["jsno", "ini"]),
            "'jsno' in code matches no installed plugin; did you mean 'json'?",
        ),
        (
            Choice().configured({"deny": ["@acme-xml"]}, "app.toml"),
            "'@acme-xml' in app.toml matches no installed plugin",
        ),
        (
            Choice(deny=["app.loadrs=*"]),
            "'app.loadrs=*' in code matches no installed plugin",
        ),
    ],
    ids=["name", "distribution", "group"],
)
def test_a_pattern_that_matches_nothing_is_logged_once_with_its_source(
    choice: Choice, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    taken(choice)
    taken(choice)
    assert caplog.messages == [message]


def test_a_variable_whose_pattern_matches_nothing_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("APP_DENY", "jsn")
    monkeypatch.setenv("LAZYPLUG_DENY", "app.loaders=jsn")
    taken(Choice().environment("APP"))
    assert sorted(caplog.messages) == [
        (
            "'app.loaders=jsn' in LAZYPLUG_DENY matches no installed plugin;"
            " did you mean 'json'?"
        ),
        "'jsn' in APP_DENY matches no installed plugin; did you mean 'json'?",
    ]


def test_a_pattern_for_another_group_or_an_unselected_name_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    choice = Choice(allow=["json", "yaml", "app.checks=yaml"])
    assert taken(choice, "app.checks") == ["yaml"]
    assert DriverManager[Any]("app.loaders", "json", choice=choice).names() == ["json"]
    assert caplog.messages == []


def test_allowing_and_denying_the_same_pattern_in_one_place_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Choice().configured({"allow": ["json"], "deny": ["json"]}, "app.toml")
    assert caplog.messages == [
        "app.toml both allows and denies 'json': the deny list wins"
    ]
    # In two places it is not: a user may disable what a host allows by default.
    caplog.clear()
    Choice(allow=["json"]).configured({"deny": ["json"]})
    assert caplog.messages == []


def _configured(**settings: Any) -> Callable[[], Choice]:
    return lambda: Choice(host="myapp").configured(settings, "app.toml")


PATTERN = "is not a valid pattern: expected NAME, GROUP=NAME, @DISTRIBUTION, or"


@pytest.mark.parametrize(
    ("make", "source", "message"),
    [
        (
            lambda: Choice(allow="json"),
            "code",
            "'json' is not a valid allow list: expected a list",
        ),
        (
            lambda: Choice(deny=3),  # type: ignore[arg-type]
            "code",
            "3 is not a valid deny list: expected a list of patterns",
        ),
        (lambda: Choice(deny=[""]), "code", f"'' {PATTERN}"),
        (lambda: Choice(deny=["g="]), "code", f"'g=' {PATTERN}"),
        (lambda: Choice(deny=["=a"]), "code", f"'=a' {PATTERN}"),
        (lambda: Choice(deny=["a@"]), "code", f"'a@' {PATTERN}"),
        (lambda: Choice(safe_mode=True), "code", "safe_mode also needs host=, the"),
        (lambda: Choice(api="1"), "code", "api= also needs host=, the name"),
        (
            lambda: Choice(host="h", api=2.3),  # type: ignore[arg-type]
            "code",
            "2.3 is not a valid api: expected a version such as '2.3'",
        ),
        (
            lambda: Choice(host="h", api=[2]),  # type: ignore[list-item]
            "code",
            "2 is not a valid api: expected a version such as '2.3'",
        ),
        (lambda: Choice(host=3), "code", "3 is not a valid host: expected a string"),  # type: ignore[arg-type]
        (lambda: Choice(deny=["a@b@c"]), "code", f"'a@b@c' {PATTERN}"),
        (
            _configured(versions={"a": ">>>"}),
            "app.toml",
            "'>>>' is not a valid version specifier for 'a': expected '>=1.2,<2'",
        ),
        (
            lambda: Choice().configured([]),  # type: ignore[arg-type]
            "the configuration",
            "[] is not a valid configuration: expected a table",
        ),
        (_configured(deny=[3]), "app.toml", "3 is not a valid pattern: expected a"),
        (
            _configured(deny="a"),
            "app.toml",
            "'a' is not a valid deny list: expected a list of patterns",
        ),
        (
            _configured(safe_mode="on"),
            "app.toml",
            "safe_mode: 'on' is not a valid value: expected true or false",
        ),
        (
            _configured(alow=[]),
            "app.toml",
            "'alow' is not a valid option: expected 'allow', 'deny',",
        ),
        (
            _configured(xyz=[]),
            "app.toml",
            "'xyz' is not a valid option: expected 'allow', 'deny',",
        ),
        (
            _configured(versions=[]),
            "app.toml",
            "versions: [] is not a valid table: expected a table of version",
        ),
        (
            _configured(versions={"a": 1}),
            "app.toml",
            "versions: {'a': 1} is not a valid table: expected a table of",
        ),
    ],
)
def test_the_error_for_an_invalid_choice_says_where_it_is_and_what_to_write(
    make: Callable[[], Choice], source: str, message: str
) -> None:
    with pytest.raises(lazyplug.InvalidChoice) as caught:
        make()
    assert str(caught.value).startswith(f"{source}: {message}")
    assert caught.value.source == source
    assert isinstance(caught.value, ValueError)


def test_the_error_for_an_invalid_variable_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("APP_SAFE_MODE", "yes")
    with pytest.raises(lazyplug.InvalidChoice, match=r"^APP_SAFE_MODE: 'yes' is not"):
        Choice(host="myapp").environment("APP")


# ------------------------------------------------------------------------ the value


def test_a_choice_is_an_immutable_value() -> None:
    choice = Choice(allow=["a"], deny=["b"], host="h", api=["1", "2"])
    same = Choice(allow=["a"], deny=["b"], host="h", api=["1", "2"])
    assert choice == same
    assert hash(choice) == hash(same)
    assert choice != Choice()
    assert choice != "choice"
    assert pickle.loads(pickle.dumps(choice)) == choice  # noqa: S301
    assert repr(Choice(deny=["b"])).startswith("<Choice allowed=None denied=(('code',")
    with pytest.raises(AttributeError, match="Choice objects are immutable: 'host'"):
        choice.host = "other"
    with pytest.raises(AttributeError, match="Choice objects are immutable: 'host'"):
        del choice.host


def test_without_a_choice_no_selection_module_is_imported() -> None:
    code = """
        import json, sys
        import lazyplug
        lazyplug.ExtensionManager("none")
        print(json.dumps([m for m in sys.modules if m.startswith("lazyplug._sel")]))
    """
    assert ask(code) == []


def test_an_ordinary_choice_does_not_import_re_or_fnmatch() -> None:
    code = """
        import json, sys
        import lazyplug
        before = set(sys.modules)
        lazyplug.ExtensionManager("none", choice=lazyplug.Choice())
        new = set(sys.modules) - before
        print(json.dumps(sorted({"re", "fnmatch", "logging", "typing"} & new)))
    """
    assert ask(code) == []


def test_messages_about_a_choice_are_logged_as_warnings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    taken(Choice(deny=["gone"]))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


# -------------------------------------------------------------------- the drop-in


DROP_IN = """if True:
    import logging, lazyplug, lazyplug.compat.stevedore as drop_in
    logging.basicConfig(format="%(name)s %(message)s")
    drop_in.install(CHOICE)
    from stevedore import ExtensionManager, NamedExtensionManager, driver
    manager = ExtensionManager("app.loaders")
    print(manager.names(), {p.name: why for p, why in manager.excluded.items()})
    print(sorted(manager.entry_points_names()))
    names = ["ini", "json", "gone"]
    print(NamedExtensionManager("app.loaders", names, name_order=True).names())
    try:
        driver.DriverManager("app.loaders", "json")
    except driver.NoMatches as error:
        print(error, *error.__notes__)
"""


@pytest.mark.parametrize(
    ("choice", "env", "reason"),
    [
        (
            'lazyplug.Choice(allow=["ini"])',
            {},
            "excluded by the allow list in code",
        ),
        (
            "None",
            {"LAZYPLUG_DENY": "app.loaders=*@acme-*"},
            "excluded by the deny pattern 'app.loaders=*@acme-*' in LAZYPLUG_DENY",
        ),
    ],
)
def test_the_drop_in_does_not_import_excluded_plugins(
    choice: str, env: dict[str, str], reason: str, site: PlantSite
) -> None:
    sound = site({"sound.py": "class I: pass\n"}, "sound")
    points = sound.parent / "site" / "MyApp-3.0.dist-info" / "entry_points.txt"
    points.write_text("[app.loaders]\nini = sound:I\n")
    directories = [str(sound), str(points.parents[1]), str(ROOT)]
    drop_in = DROP_IN.replace("CHOICE", choice)
    code = f"import sys; sys.path[:0] = {directories!r}\n{drop_in}"
    done = python("-c", code, env=env)
    out = {"json": reason, "yaml": reason}
    assert done.stdout.splitlines() == [
        f"['ini'] {out}",
        str(ALL),
        "['ini']",
        (
            "No 'app.loaders' driver found, looking for 'json' It is declared, but was"
            f" not loaded. 'plug:J' is {reason}."
        ),
    ]
    # Excluded plugins are not missing.
    assert done.stderr == "stevedore.named Could not load gone\n"


DROP_IN_TWINS = """if True:
    import lazyplug, lazyplug.compat.stevedore as drop_in
    drop_in.install(lazyplug.Choice(deny=["@one"]))
    from stevedore import ExtensionManager, NamedExtensionManager
    manager = ExtensionManager("twins")
    print(manager.names(), list(manager.excluded))
    print(NamedExtensionManager("twins", ["x"]).names())
"""


def test_the_drop_in_uses_an_identical_entry_point_of_an_allowed_distribution(
    site: PlantSite,
) -> None:
    directory = site(
        {
            **dist("one", entry_points="[twins]\nx = os:sep\n"),
            **dist("two", entry_points="[twins]\nx = os:sep\n"),
        },
        "twins",
    )
    code = (
        f"import sys; sys.path[:0] = {[str(directory), str(ROOT)]!r}\n{DROP_IN_TWINS}"
    )
    assert python("-c", code).stdout == "['x'] []\n['x']\n"


def test_entry_points_that_a_subclass_lists_are_judged_by_their_distributions() -> None:
    class Brings(stevedore.ExtensionManager[Any]):
        def list_entry_points(self) -> Any:
            return list(importlib.metadata.entry_points(group=self.namespace))

    choice = Choice(host="myapp", deny=["@acme-*"])
    points = Brings.list_entry_points(SimpleNamespace(namespace="app.loaders"))  # type: ignore[arg-type]
    out = excluded_entry_points(choice, "app.loaders", points)
    reason = "excluded by the deny pattern '@acme-*' in code"
    assert {each.name: why for each, why in out.items()} == {
        "json": reason,
        "yaml": reason,
    }


# ------------------------------------------------------------------------ the cost


def test_a_choice_whose_patterns_all_match_does_not_read_the_full_index(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("all of it was read")

    monkeypatch.setattr(_inventory, "_rows", refuse)
    choice = Choice(
        allow=["json", "yaml", "app.checks=*", "@acme-*", "i??", "[a-z]*@MyApp"],
        deny=["app.checks=yaml"],
    )
    assert DriverManager[Any]("app.loaders", "json", choice=choice).names() == ["json"]
    assert taken(choice) == ALL
    assert caplog.messages == []


def test_a_pattern_that_matches_nothing_is_logged_once_for_all_groups(
    caplog: pytest.LogCaptureFixture,
) -> None:
    choice = Choice(deny=["jsno"])
    taken(choice)
    taken(choice, "app.checks")
    assert len(caplog.messages) == 1


def test_if_everything_is_excluded_an_unknown_name_is_not_an_unknown_group() -> None:
    manager = ExtensionManager[Any]("app.loaders", choice=Choice(allow=[]))
    with pytest.raises(lazyplug.NoMatches) as caught:
        manager["jsno"]
    assert str(caught.value) == (
        "no extension named 'jsno' in group 'app.loaders'; did you mean 'json'?"
        " Excluded: 'ini', 'json', 'yaml'."
    )


def test_the_error_for_an_excluded_driver_gives_the_reason_once() -> None:
    with pytest.raises(lazyplug.NoMatches) as caught:
        MANAGERS["driver"](Choice(deny=["json"]))
    assert str(caught.value).count("excluded by the deny pattern 'json' in code") == 1


def test_an_excluded_plugin_is_not_a_failure(
    site: PlantSite, prepend_path: SetPath
) -> None:
    prepend_path(site(dist("odd", entry_points="[odd]\nx = no reference\n"), "odd"))
    manager = ExtensionManager[Any]("odd", choice=Choice(deny=["x"]))
    assert manager.failures == []


@pytest.mark.parametrize("choice", [{}, {"deny": ["json"]}, "json"])
def test_anything_but_a_choice_is_rejected(choice: Any) -> None:
    with pytest.raises(TypeError, match=r"not a valid choice: expected a lazyplug\.Ch"):
        ExtensionManager[Any]("app.loaders", choice=choice)


def test_the_error_for_a_driver_that_failed_to_load_says_so() -> None:
    with pytest.raises(lazyplug.NoMatches, match="it is declared, but failed to load"):
        DriverManager[Any](
            "app.loaders",
            "json",
            lazy=False,
            on_load_failure_callback=lambda *_: None,
        )


UNREADABLE = ["[a", "a[b", "[!", "[]", "[!]", "[z-a]", "x[!b-a]*", "[a-bd-c]", "a[b]c["]
PLACES = ["{}", "g={}", "{}=n", "@{}", "g=n@{}", "app.loaders={}", "app.loaders=*@{}"]


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("pattern", UNREADABLE)
def test_the_error_for_a_malformed_pattern_names_its_source(
    pattern: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_pattern = where.format(pattern)
    text = f"{full_pattern!r} is not a valid pattern: "
    attempts: list[Callable[[], Choice]] = [
        lambda: Choice(deny=[full_pattern]),
        lambda: Choice(allow=[full_pattern]),
        lambda: Choice().configured({"deny": [full_pattern]}, "a file"),
    ]
    for make in attempts:
        with pytest.raises(lazyplug.InvalidChoice, match=r"closed|empty") as caught:
            make()
        assert text in str(caught.value)
    for name in ("LAZYPLUG_DENY", "LAZYPLUG_ALLOW"):
        monkeypatch.setenv(name, full_pattern)
        with pytest.raises(lazyplug.InvalidChoice, match=rf"^{name}: ") as caught:
            ExtensionManager("app.loaders")
        assert caught.value.source == name
        monkeypatch.delenv(name)
    monkeypatch.setenv("MYAPP_DENY", full_pattern)
    with pytest.raises(lazyplug.InvalidChoice, match=r"^MYAPP_DENY: "):
        Choice().environment("MYAPP")


@pytest.mark.parametrize("pattern", UNREADABLE)
def test_a_malformed_distribution_pattern_is_an_error(
    pattern: str,
) -> None:
    with pytest.raises(
        lazyplug.InvalidChoice, match=r"^code: versions: '.*' is not a v"
    ):
        Choice(versions={pattern: ">=1"})
    with pytest.raises(ValueError, match=r"^prefer\(\): '.*' is not a valid pat"):
        lazyplug.prefer(pattern)


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("[j]son", ["ini", "yaml"]),
        ("[]j]son", ["ini", "yaml"]),
        ("[!]]son", ["ini", "yaml"]),
        ("[!j-]son", ["ini", "json", "yaml"]),
        ("[i-j][!a-m]*", ["yaml"]),
        ("@acme[-_.][J]son", ["ini", "yaml"]),
        ("@ACME[.]json", ["ini", "yaml"]),
        ("@acme[!a-z]*", ["ini"]),
        ("@*[!]]*", []),
        ("[[]json", ["ini", "json", "yaml"]),
    ],
)
def test_a_character_class_means_what_it_means_in_shells(
    pattern: str, left: list[str]
) -> None:
    assert taken(Choice(deny=[pattern])) == left


@pytest.mark.parametrize(
    "pattern", ['["]*', "[\\]*", "[ä]*", "[&&a]*", "[^a]*", "a{2}[x]"]
)
def test_an_unusual_pattern_that_matches_nothing_is_logged(
    pattern: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert taken(Choice(deny=[f"none={pattern}"])) == ["ini", "json", "yaml"]
    (message,) = caplog.messages
    assert "matches no installed plugin" in message


@pytest.mark.parametrize("command", ["list app.loaders", "doctor", "why app.loaders a"])
def test_commands_name_the_malformed_pattern(command: str) -> None:
    env = {"LAZYPLUG_DENY": "app.loaders=[a"}
    done = python("-m", "lazyplug", *command.split(), env=env, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    text = "LAZYPLUG_DENY: 'app.loaders=[a' is not a valid pattern: '[' is never closed"
    assert text in done.stdout + done.stderr
