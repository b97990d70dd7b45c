"""Test that a trusted frozen index knows the facts of plugins without their sources."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import ExtensionManager, Facts
from lazyplug._static import frozen_facts, source
from lazyplug._static.plugin_facts import work_out
from lazyplug._static.source import Sources
from lazyplug.cli import main
from lazyplug.testing import dist, plant
from tests.support.children import ask
from tests.support.frozen import Environment

# Imported here, since sys.path is another one in the tests.
FILES = (frozen_facts,)
pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")
TRAP = "raise AssertionError('this plugin must not be imported')\n"
FACTS = Facts(declared=["APP_FACTS", "app.facts"], static=["kind", "words"])
HOST = """
from lazyplug import Facts
FACTS = Facts(declared=["APP_FACTS", "app.facts"], static=["kind", "words"])
OTHER = Facts(static=["kind"])
"""
ONE = f"class One:\n    kind = 'text'\n    words = {{'b', 'a', 'c'}}\n{TRAP}"
KNOWN: dict[str, dict[str, Any]] = {
    "one": {"kind": "text", "words": {"a", "b", "c"}},
    "two": {"title": "The two.", "sizes": [1]},
    "three": {},
}
ASKED = ("--facts", "app=plug_host:FACTS")


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Return an environment with a host, and plugins with facts."""
    env = Environment(tmp_path, monkeypatch)
    plant(
        env.site,
        {
            "plug_host.py": HOST,
            "plug_one.py": ONE,
            "plug_two": {
                "__init__.py": f"APP_FACTS = {{'title': 'No.', 'sizes': [1]}}\n{TRAP}",
                "facts.toml": "title = 'The two.'\n",
            },
            "plug_three.py": f"class Three:\n    kind = str()\n{TRAP}",
            **dist("one", entry_points="[app]\none = plug_one:One\n"),
            **dist(
                "two",
                entry_points="[app]\ntwo = plug_two\nodd = no reference\n"
                "[app.facts]\nother = plug_two:none.toml\ntwo = plug_two:facts.toml\n",
            ),
            **dist("three", entry_points="[app]\nthree = plug_three:Three\n"),
        },
    )
    return env


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the sources that are parsed from here on."""
    found: list[str] = []
    tree_of = source.tree_of

    def noted(data: bytes) -> Any:
        found.append(data.decode())
        return tree_of(data)

    monkeypatch.setattr("lazyplug._static.names.tree_of", noted)
    return found


def known(facts: Facts = FACTS) -> dict[str, dict[str, Any]]:
    """Return all facts, as a new process that has no cache."""
    lazyplug.invalidate_caches()
    manager = ExtensionManager[Any]("app", facts=facts)
    return {e.name: dict(e.facts) for e in manager if e.name != "odd"}


def remove_sources(env: Environment) -> None:
    for path in env.site.glob("plug_*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def imported() -> set[str]:
    return {name for name in sys.modules if name.startswith("plug_")}


@pytest.mark.parametrize("option", ["--trust", "--flat"])
def test_facts_are_known_without_sources_and_without_a_cache(
    option: str, env: Environment, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert known() == KNOWN
    file = env.site / "lazyplug.index" if option == "--flat" else env.file
    env.freeze(option, *ASKED, "--output", str(file))
    assert imported() == {"plug_host"}
    remove_sources(env)
    shutil.rmtree(isolated)
    monkeypatch.setenv("LAZYPLUG_CACHE", "off")
    monkeypatch.setenv("LAZYPLUG_INDEX", str(file))
    assert known() == KNOWN
    # A copy knows them too.
    env.copied("image")
    file = env.prefix / file.relative_to(env.root / "env")
    monkeypatch.setenv("LAZYPLUG_INDEX", str(file))
    assert known() == KNOWN
    assert not isolated.exists()


def test_facts_in_a_frozen_index_read_no_source(
    env: Environment, parsed: list[str]
) -> None:
    env.freeze("--trust", *ASKED)
    assert parsed
    parsed.clear()
    assert known() == KNOWN
    assert parsed == []
    # A host that asks for others reads sources.
    assert known(Facts(static=["kind"]))["one"] == {"kind": "text"}
    assert parsed


def test_a_trusted_index_keeps_the_facts_of_the_time_when_it_was_frozen(
    env: Environment,
) -> None:
    env.freeze("--trust", *ASKED)
    (env.site / "plug_one.py").write_text("class One:\n    kind = 'changed'\n")
    assert known() == KNOWN
    # Another index, and none, know no facts: they are read from the sources.
    env.freeze("--trust")
    assert known()["one"] == {"kind": "changed"}
    env.file.unlink()
    assert known()["one"] == {"kind": "changed"}


def test_facts_that_another_version_has_frozen_are_read_from_the_sources(
    env: Environment, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    env.freeze("--trust", *ASKED)
    monkeypatch.setattr("lazyplug._static.learned.__version__", "0.0.1")
    parsed.clear()
    assert known() == KNOWN
    assert ONE in parsed


def test_facts_of_what_the_index_does_not_cover_are_read_from_sources(
    env: Environment,
) -> None:
    env.freeze("--trust", *ASKED)
    other = env.root / "other"
    plant(
        other,
        {
            "plug_one.py": f"class One:\n    kind = 'other'\n{TRAP}",
            **dist("one", "2", "[app]\none = plug_one:One\n"),
        },
    )
    env.path(other, env.site)
    assert known() == KNOWN | {"one": {"kind": "other"}}


def test_another_companion_than_in_the_index_is_read(env: Environment) -> None:
    env.freeze("--trust", *ASKED)
    other = env.root / "other"
    plant(other, dist("more", entry_points="[app.facts]\ntwo = plug_two:none.toml\n"))
    env.path(env.site, other)
    # It is of another distribution, and so is no companion.
    assert known() == KNOWN


def test_facts_of_a_directory_that_will_be_moved_are_found_in_it_only(
    env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = tmp_path / "build"
    base = "class Base:\n    kind = 'inherited'\n"
    plant(
        build,
        {
            "plug_in.py": f"from plug_base import Base\nclass In(Base): pass\n{TRAP}",
            "plug_base.py": base,
            "plug_out.py": "from plug_only_here import Base\nclass Out(Base): pass\n",
            **dist(
                "moved", entry_points="[app]\nin = plug_in:In\nout = plug_out:Out\n"
            ),
        },
    )
    # Not shipped, so that another one may be there.
    plant(env.site, {"plug_only_here.py": base})
    file = build / "lazyplug.index"
    env.freeze("--trust", "--path", str(build), "--output", str(file), *ASKED)
    build.rename(tmp_path / "task")
    for path in (tmp_path / "task").glob("plug_*"):
        path.unlink()
    monkeypatch.setenv("LAZYPLUG_INDEX", str(tmp_path / "task" / "lazyplug.index"))
    env.path(tmp_path / "task")
    assert known() == {"in": {"kind": "inherited"}, "out": {}}


def test_facts_in_a_frozen_index_are_reproducible(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(Path(lazyplug.__file__).parents[1])
    code = f"""
        import hashlib, json, sys
        sys.path[:0] = [{root!r}, {str(env.site)!r}]
        from lazyplug.cli import main
        sys.stdout = sys.stderr
        main(["freeze", "--flat", "--facts", "app=plug_host:FACTS", "--output", "x"])
        sys.stdout = sys.__stdout__
        print(json.dumps(open("x").read()))
    """
    monkeypatch.chdir(env.root)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    contents = set()
    for seed in ("1", "2", "3"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        contents.add(ask(code))
    (content,) = contents
    assert '{"set":["a","b","c"]}' in content


@pytest.mark.usefixtures("env")
def test_only_a_trusted_index_has_facts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["freeze", *ASKED]) == 2
    text = "lazyplug freeze: --facts can only be used with --trust or --flat\n"
    assert capsys.readouterr() == ("", text)


@pytest.mark.parametrize("text", ["app", "=plug_host:FACTS", "app=plug_host", "app="])
def test_the_facts_to_freeze_are_of_a_group(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["freeze", "--trust", "--facts", text])
    assert raised.value.code == 2
    assert "MODULE:ATTR" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (
            "nothing=plug_host:FACTS",
            "no installed distribution declares the group 'noth",
        ),
        ("app=plug_host:NOTHING", "--facts plug_host:NOTHING cannot be imported: Attr"),
    ],
)
def test_nothing_is_written_if_the_facts_cannot_be_asked_for(
    asked: str, problem: str, env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["freeze", "--trust", "--facts", asked]) == 1
    assert capsys.readouterr().err.startswith(problem)
    assert not env.file.exists()


def test_declarations_that_are_not_valid_are_reported_when_they_are_frozen(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    (env.site / "plug_two" / "facts.toml").write_text("title =\n")
    env.freeze("--trust", *ASKED)
    error = capsys.readouterr().err
    assert error.startswith("two (two): not freezing its declared facts: /")
    assert "facts.toml cannot be read: TOMLDecodeError" in error
    assert known()["two"] == {"title": "No.", "sizes": [1]}


def test_a_source_that_the_system_failed_to_read_is_not_frozen_as_unknown(
    env: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(
        search: Any, sources: Sources, wanted: Any, target: Any, files: Any
    ) -> Any:
        if target[0] == "plug_one":
            sources.mark_incomplete()
            return [], ""
        return work_out(search, sources, wanted, target, files)

    with monkeypatch.context() as patch:
        patch.setattr(frozen_facts, "work_out", fails)
        env.freeze("--trust", *ASKED)
    assert known() == KNOWN


def test_freeze_check_compares_the_facts_if_it_is_asked_to(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    env.freeze("--trust", *ASKED)
    assert main(["freeze", "--check", *ASKED]) == 0
    (env.site / "plug_one.py").write_text("class One:\n    kind = 'changed'\n")
    lazyplug.invalidate_caches()
    assert main(["freeze", "--check"]) == 0
    capsys.readouterr()
    assert main(["freeze", "--check", *ASKED]) == 1
    assert capsys.readouterr().out.startswith("the facts have changed\n")
    assert main(["freeze", "--check", "--facts", "app=plug_host:OTHER"]) == 1


def test_damaged_facts_in_a_frozen_index_are_read_from_the_sources(
    env: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["freeze", "--trust", *ASKED, "--json"]) == 0
    size = json.loads(capsys.readouterr().out)["bytes"]
    whole = env.file.read_bytes()
    assert len(whole) == size
    assert main(["freeze", "--trust"]) == 0
    start = env.file.stat().st_size
    (env.site / "plug_one.py").write_text("class One:\n    kind = 'changed'\n")
    for at in range(start, size, 7):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        for content in (bytes(damaged), whole[:at]):
            env.file.write_bytes(content)
            assert known() == KNOWN | {"one": {"kind": "changed"}}
