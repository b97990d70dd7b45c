"""Test that nothing is printed by default, and warnings concern the group in use."""

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pytest

import lazyplug
from lazyplug import (
    DriverManager,
    Extension,
    ExtensionManager,
    first_on_conflict,
    prefer,
)
from lazyplug.testing import Tree, dist, plant
from tests.support.children import ask, python
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("clean_sys_modules")

ESC, BIDI = "\x1b[2J", "\u202e"
BROKEN: dict[str, Tree] = {
    "a line": dist("bad", "1", "[its]\nno equals\n"),
    "an invalid reference": dist("bad", "1", "[its]\nodd = no reference\n"),
    "not UTF-8": {
        "bad-1.dist-info": {"entry_points.txt": b"[its]\na = b:c\nb = \xe4:d\n"}
    },
    "no name": {
        "-1.dist-info": {"METADATA": "\n", "entry_points.txt": "[its]\na = b:c\n"}
    },
    "no metadata": {"bad-1.dist-info": {"entry_points.txt": "[its]\na = b:c\n"}},
    "left behind": {
        "~ad-1.dist-info": {
            "METADATA": "Name: bad\nVersion: 1\n",
            "entry_points.txt": "[its]\na = b:c\n",
        }
    },
}
# Problems that may concern any group.
UNKNOWN: dict[str, Tree] = {
    "no group": dist("bad", "1", "a = b:c\n[its]\n"),
    "like a group": dist("bad", "1", "[its]\na = b:c\n[other\nd = e:f\n"),
    "not text": {"bad-1.dist-info": {"entry_points.txt": b"\0\xff\xff\0"}},
    "a group that is not UTF-8": {
        "bad-1.dist-info": {"entry_points.txt": b"[its]\na = b:c\n[\xe4]\nd = e:f\n"}
    },
    "a directory": {"bad-1.dist-info": {"entry_points.txt": {"file": ""}}},
}


def messages_of(level: int, caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == level]


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_metadata_is_a_warning_only_for_its_own_groups(
    broken: str,
    site: PlantSite,
    prepend_path: SetPath,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "lazyplug")
    prepend_path(site({**BROKEN[broken], **dist("good", "1", "[g]\na = os:sep\n")}))
    for _ in range(2):
        ExtensionManager[Any]("g")
        ExtensionManager[Any]("i.*")
    assert messages_of(logging.WARNING, caplog) == []
    (message,) = [
        t for t in messages_of(logging.DEBUG, caplog) if "broken metadata" in t
    ]
    caplog.clear()
    for _ in range(2):
        ExtensionManager[Any]("its")
    assert messages_of(logging.WARNING, caplog) == [message]


@pytest.mark.parametrize("namespace", ["its", "it*"])
@pytest.mark.parametrize("broken", BROKEN)
def test_broken_metadata_is_a_warning_when_its_group_is_queried_later(
    broken: str,
    namespace: str,
    site: PlantSite,
    prepend_path: SetPath,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tree = BROKEN[broken]
    if namespace != "its":
        namespace = "its.*"
        tree = {
            name: {
                file: text.replace(b"[its]", b"[its.own]")
                if isinstance(text, bytes)
                else text.replace("[its]", "[its.own]")
                for file, text in files.items()
            }
            for name, files in tree.items()
        }
    prepend_path(site({**tree, **dist("good", "1", "[g]\na = os:sep\n")}))
    ExtensionManager[Any]("g")
    assert messages_of(logging.WARNING, caplog) == []
    ExtensionManager[Any](namespace)
    ExtensionManager[Any](namespace)
    (message,) = messages_of(logging.WARNING, caplog)
    assert message.startswith("ignoring broken metadata: ")


@pytest.mark.parametrize("broken", UNKNOWN)
def test_a_problem_that_may_concern_any_group_is_a_warning_for_all(
    broken: str,
    site: PlantSite,
    prepend_path: SetPath,
    caplog: pytest.LogCaptureFixture,
) -> None:
    prepend_path(site({**UNKNOWN[broken], **dist("good", "1", "[g]\na = os:sep\n")}))
    ExtensionManager[Any]("g")
    (message,) = messages_of(logging.WARNING, caplog)
    assert "bad-1.dist-info" in message


PROGRAM = """
import sys
sys.path.insert(0, {site!r})
{setup}
import lazyplug
manager = lazyplug.ExtensionManager("g")
manager.map(lambda extension: None)
lazyplug.NamedExtensionManager("g", ["missing"])
manager.refresh()
"""


@pytest.mark.parametrize("broken", [*BROKEN, *UNKNOWN])
def test_a_program_that_sets_up_no_logging_prints_nothing(
    broken: str, tmp_path: Path
) -> None:
    trees: dict[str, Tree] = {**BROKEN, **UNKNOWN}
    plugin = dist("extra", "1", "[g]\na = needs_extra:X\n")
    tree = {**trees[broken], **plugin}
    site = plant(tmp_path / "site", {**tree, "needs_extra.py": "import not_there\n"})
    code = PROGRAM.format(site=str(site), setup="")
    for _ in range(2):
        done = python("-W", "error", "-c", code)
        assert done.stdout + done.stderr == ""
    setup = "import logging; logging.basicConfig(level=logging.DEBUG)"
    done = python("-c", PROGRAM.format(site=str(site), setup=setup))
    failed = "ERROR:lazyplug:entry point 'a = needs_extra:X' of .* could not be loaded"
    assert re.search(failed, done.stderr)
    assert "WARNING:lazyplug:Could not find missing" in done.stderr


def test_the_null_handler_is_added_with_the_first_message() -> None:
    code = """
        import json, sys
        import lazyplug
        manager = lazyplug.ExtensionManager("nothing_of_the_kind")
        before = "logging" in sys.modules
        lazyplug.warning_on_missing_entrypoint(["b", "a"])
        lazyplug.warning_on_missing_entrypoint(["b", "a"])
        import logging
        handlers = logging.getLogger("lazyplug").handlers
        print(json.dumps([before, [type(each).__name__ for each in handlers]]))
    """
    assert ask(code) == [False, ["NullHandler"]]


@pytest.fixture
def conflict(site: PlantSite, prepend_path: SetPath) -> None:
    """Install two distributions that declare one name."""
    points = "[g]\nabfs = plug:Z\n"
    prepend_path(
        site({**dist("store-redis", "1", points), **dist("zeta", "1", points)})
    )


def resolve(namespace: str, name: str, found: list[Extension[Any]]) -> Extension[Any]:
    return found[0]


@pytest.mark.usefixtures("conflict")
@pytest.mark.parametrize("resolver", [prefer("zeta"), prefer("qqq", "zeta"), resolve])
def test_a_conflict_that_the_host_resolves_is_not_a_warning(
    resolver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lazyplug")
    assert ExtensionManager[Any]("g", conflict_resolver=resolver)["abfs"].value
    assert messages_of(logging.WARNING, caplog) == []
    assert [t for t in messages_of(logging.DEBUG, caplog) if "abfs" in t]


@pytest.mark.usefixtures("conflict")
@pytest.mark.parametrize("resolver", [None, first_on_conflict])
def test_a_conflict_that_the_host_does_not_resolve_is_a_warning(
    resolver: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert ExtensionManager[Any]("g", conflict_resolver=resolver)["abfs"].value
    (message,) = messages_of(logging.WARNING, caplog)
    assert "'abfs' is declared more than once" in message


@pytest.mark.usefixtures("conflict")
@pytest.mark.parametrize(
    ("preferred", "hint"),
    [
        (("stroe-redis",), "; did you mean 'store-redis'?"),
        (("Stroe.Redis", "zeta"), "; did you mean 'store-redis'?"),
        (("qqq",), ""),
        (("qqq-*",), ""),
    ],
)
def test_preferring_a_distribution_that_is_not_installed_is_a_warning(
    preferred: tuple[str, ...], hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    resolver = prefer(*preferred, otherwise=resolve)
    for _ in range(2):
        assert ExtensionManager[Any]("g", conflict_resolver=resolver)["abfs"].value
    assert messages_of(logging.WARNING, caplog) == [
        f"prefer({preferred[0]!r}): that distribution is not installed{hint}"
    ]


CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e-\u200f\u202a-\u202e]")


def test_control_characters_of_metadata_are_logged_escaped(
    tmp_path: Path, prepend_path: SetPath, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "lazyplug")
    points = (
        f"[g{ESC}]\na{ESC}\t{BIDI} = plug{ESC}:Z\nb{ESC} = nowhere:Z\nbad{ESC}{BIDI}\n"
        f"twice{BIDI} = os:sep\nboom{ESC} = plug_boom:x\n"
    )
    metadata = f"Name: a{ESC}b\nVersion: 1{BIDI}\n"
    tree: Tree = {
        "a-1.dist-info": {"METADATA": metadata, "entry_points.txt": points},
        f"b{ESC}{BIDI}-1.dist-info": {
            "METADATA": metadata,
            "entry_points.txt": f"[g{ESC}]\ntwice{BIDI} = os:path\nworse{ESC}\n",
        },
        "plug_boom.py": f"raise OSError({ESC!r} 'forged\\nERROR:root:line')\n",
    }
    prepend_path(plant(tmp_path / f"site{ESC}\nforged{BIDI}", tree))
    manager = ExtensionManager[Any](f"g{ESC}")
    manager.map(lambda extension: 1 / 0)
    manager.map(lambda extension: [][extension.name])  # type: ignore[call-overload]
    manager.items()
    with pytest.raises(lazyplug.NoMatches, match="no extension") as caught:
        DriverManager(f"g{ESC}", "missing")
    lazyplug.warning_on_missing_entrypoint([f"gone{ESC}"])
    assert len(caplog.records) > 5
    for text in (*[r.getMessage() for r in caplog.records], str(caught.value)):
        assert not CONTROLS.search(text)
        assert "\nforged" not in text
        assert "\nERROR" not in text
    for problem in lazyplug.problems():
        assert not CONTROLS.search(str(problem))
        assert "\n" not in str(problem)


HOSTILE = {
    "str raises": "def __str__(self): return 1 / 0",
    "str exits": "def __str__(self): raise SystemExit('from __str__')",
    "str returns a number": "def __str__(self): return 5",
    "repr raises": "def __repr__(self): return 1 / 0",
    "notes raise": "__notes__ = property(lambda self: 1 / 0)",
    "notes exit": "def add_note(self, note): raise SystemExit('from add_note')",
    "the cause raises": "__cause__ = __context__ = property(lambda self: 1 / 0)",
    "causes without end": "__cause__ = property(lambda self: type(self)())",
    "no traceback": "__traceback__ = 5",
    "the class raises": "__class__ = property(lambda self: 1 / 0)",
    "each attribute raises": "def __getattribute__(self, name): return 1 / 0",
    "it has no truth value": "def __bool__(self): return 1 / 0",
    "an error of lazyplug": "def __str__(self): return 1 / 0",
}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Return the log of a program that prints each record as `LEVEL message`."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("lazyplug")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_exception_that_cannot_be_described_stops_nothing(
    hostile: str,
    level: int,
    tmp_path: Path,
    prepend_path: SetPath,
    log: io.StringIO,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(level, "lazyplug")
    base = (
        "lazyplug.LazyplugError" if hostile == "an error of lazyplug" else "Exception"
    )
    code = f"import lazyplug\nclass Odd({base}):\n    {HOSTILE[hostile]}\n"
    name = f"plug_{hostile.replace(' ', '_')}_{level}"
    tree: Tree = {
        f"{name}.py": f"{code}raise Odd\n",
        **dist("a", "1", f"[g]\nodd = {name}:x\nfine = os:sep\n"),
    }
    directory = plant(tmp_path / "site", tree)
    prepend_path(directory)
    namespace: dict[str, Any] = {}
    exec(code, namespace)  # noqa: S102

    def fail(_: Any) -> None:
        raise namespace["Odd"]

    for lazy in (True, False):
        manager = ExtensionManager[Any]("g", lazy=lazy)
        assert manager.map(lambda extension: extension.name) == ["fine"]
    manager = ExtensionManager[Any]("g")
    assert manager.map(fail) == []
    (failure,) = manager.failures
    assert failure.reason.startswith("Odd")
    assert "Failure(name='odd'" in repr(failure)
    unsubscribe = lazyplug.subscribe(fail)
    try:
        plant(directory, dist("b", "1"))
        assert lazyplug.refresh().added == ("b 1",)
    finally:
        unsubscribe()
    assert "ERROR error calling entry point 'fine = os:sep' of" in log.getvalue()
    assert "ERROR error in subscriber" in log.getvalue()
    assert "Logging error" not in capsys.readouterr().err


class Forger:
    """An object whose repr and errors look like other lines of a log."""

    def __repr__(self) -> str:
        return f"odd\nERROR forged{ESC}"

    def __call__(self, *_: Any) -> None:
        error = ValueError(f"odd\nERROR forged{ESC}")
        error.__notes__ = [f"note\nERROR forged{ESC}"]
        raise error from KeyError(f"cause\nERROR forged{ESC}")


class Mute:
    """An object without a usable repr."""

    def __repr__(self) -> str:
        raise ZeroDivisionError("from __repr__")


@runtime_checkable
class Runs(Protocol):
    def run(self) -> None: ...


def test_no_value_or_traceback_forges_a_line_of_the_log(
    tmp_path: Path,
    prepend_path: SetPath,
    log: io.StringIO,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "lazyplug")
    directory = plant(tmp_path / "site", dist("a", "1", "[g]\na = os:sep\n"))
    prepend_path(directory)
    assert ExtensionManager[Any]("g").map(Forger()) == []
    manager = ExtensionManager[Any]("none", protocol=Runs)
    manager.register("forger", f"{__name__}:FORGER")
    assert manager.map(lambda _: 1) == []
    unsubscribe = lazyplug.subscribe(Forger())
    try:
        plant(directory, dist("b", "1"))
        lazyplug.refresh()
    finally:
        unsubscribe()
    lazyplug.warning_on_missing_entrypoint(["gone\nERROR forged"])
    text = log.getvalue()
    assert text.count("forged") > 8
    assert "  Traceback (most recent call last)" in text
    assert not CONTROLS.search(text)
    assert "\nERROR forged" not in text
    assert [r for r in caplog.records if r.exc_info]  # for tools that report exceptions
    with pytest.raises(lazyplug.InvalidChoice, match=r"file\\nERROR forged: 'odd'"):
        lazyplug.Choice().configured({"odd": 1}, "file\nERROR forged")


FORGER, MUTE = Forger(), Mute()


def test_a_plugin_without_a_repr_is_reported_by_its_type() -> None:
    manager = ExtensionManager[Any]("none", protocol=Runs)
    extension = manager.register("mute", f"{__name__}:MUTE")
    with pytest.raises(lazyplug.ProtocolMismatch, match="<Mute object> does not fit"):
        extension.plugin  # noqa: B018
    wrong: Any = lambda *_: MUTE  # noqa: E731
    manager = ExtensionManager[Any]("none", conflict_resolver=wrong)
    for value in ("os:sep", "os:path"):
        manager.register("one", value)
    with pytest.raises(TypeError, match="returned <Mute object> for 'one'"):
        manager["one"]
