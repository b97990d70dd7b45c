"""What fails harms nothing else, is counted, and is told as the host wants it."""

import logging
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    DriverManager,
    EnabledExtensionManager,
    Extension,
    ExtensionManager,
)
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath

pytestmark = pytest.mark.usefixtures("forgotten")


@pytest.fixture
def broken(site: PlantSite, first: SetPath) -> Path:
    """Install a sound plugin, one that fails to load, and one that is no reference."""
    directory = site(
        {
            "plug_sound.py": "Sound = dict\n",
            "plug_broken.py": "raise OSError('broken on purpose')\n",
            **dist("sound", "1", "[g]\nsound = plug_sound:Sound\n"),
            **dist("faulty", "2", "[g]\nbad = plug_broken:B\nodd = not a reference\n"),
        }
    )
    first(directory)
    return directory


def loads(manager: ExtensionManager[Any]) -> list[str]:
    return manager.map(lambda extension: extension.name)


def test_failures_are_logged_once_and_counted_by_default(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        manager = ExtensionManager[Any]("g")
        assert loads(manager) == ["sound"]
        assert loads(manager) == ["sound"]
    told = [record.message for record in caplog.records]
    assert sum("broken on purpose" in each for each in told) == 1
    assert sum("'not a reference' is not an object ref" in each for each in told) == 1
    assert [failure.name for failure in manager.failures] == ["bad", "odd"]


@pytest.mark.parametrize(
    "method", ["__bool__(self): return False", "__len__(self): raise OSError"]
)
def test_a_failure_whose_error_is_false_or_has_no_truth_is_counted(
    method: str, site: PlantSite, first: SetPath
) -> None:
    source = f"class Error(Exception):\n    def {method}\nraise Error('on purpose')\n"
    first(site({"plug_false.py": source, **dist("p", "1", "[g]\nbad = plug_false\n")}))
    manager = ExtensionManager[Any]("g")
    with pytest.raises(Exception, match="on purpose") as raised:
        manager["bad"].plugin  # noqa: B018
    assert [failure.error for failure in manager.failures] == [raised.value]


def test_what_is_ignored_is_not_logged_but_counted(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    assert loads(manager) == ["sound"]
    assert caplog.messages == []
    assert [failure.name for failure in manager.failures] == ["bad", "odd"]


def test_a_failure_says_distribution_file_line_and_reason(broken: Path) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    # Known before anything is imported.
    (odd,) = manager.failures
    assert odd.name == "odd"
    loads(manager)
    bad, odd = manager.failures
    file = str(broken / "faulty-2.dist-info" / "entry_points.txt")
    assert bad[:6] == ("bad", "g", "plug_broken:B", "faulty 2", file, 2)
    assert bad.reason == "OSError: broken on purpose"
    assert isinstance(bad.error, OSError)
    assert odd[:6] == ("odd", "g", "not a reference", "faulty 2", file, 3)
    assert odd.reason.startswith("InvalidEntryPoint: entry point 'odd = not a ref")


def test_what_no_distribution_declares_fails_with_its_reason_alone() -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    manager.register("mine", "no_such_module_anywhere:x")
    manager.map(print)
    (failure,) = manager.failures
    assert failure[:6] == ("mine", "g", "no_such_module_anywhere:x", "", "", 0)
    assert failure.reason.startswith("ModuleNotFoundError: No module named")


def test_errors_are_raised_where_the_host_wants_them(broken: Path) -> None:
    with pytest.raises(lazyplug.BrokenMetadata, match=r"line 3: 'not a reference' is"):
        ExtensionManager[Any]("g", on_failure="error")
    (broken / "faulty-2.dist-info" / "entry_points.txt").write_text(
        "[g]\nbad = plug_broken:B\n"
    )
    lazyplug.refresh()
    manager = ExtensionManager[Any]("g", on_failure="error")
    with pytest.raises(OSError, match="broken on purpose"):
        loads(manager)
    with pytest.raises(OSError, match="broken on purpose"):
        loads(manager)
    with pytest.raises(OSError, match="broken on purpose"):
        ExtensionManager[Any]("g", on_failure="error", lazy=False)


def test_an_entry_point_that_is_no_reference_is_an_error_of_its_own_where_wanted(
    broken: Path,
) -> None:
    only_odd = lazyplug.Choice(allow=["sound"])
    with pytest.raises(lazyplug.BrokenMetadata) as caught:
        ExtensionManager[Any]("g", on_failure="error", choice=only_odd)
    assert [problem.line for problem in caught.value.problems] == [3]
    assert caught.value.problems == tuple(lazyplug.problems())


def test_broken_metadata_is_told_by_the_process_that_scans_it_once(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ExtensionManager[Any]("g")
    ExtensionManager[Any]("g")
    (told,) = caplog.messages
    assert told.startswith("ignoring broken metadata: ")
    assert "'not a reference' is not of the form module:attr" in told
    assert caplog.records[0].levelno == logging.WARNING


def test_broken_metadata_is_not_told_where_failures_are_ignored(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ExtensionManager[Any]("g", on_failure="ignore")
    assert caplog.messages == []
    assert len(lazyplug.problems()) == 1
    # Somebody else in the process does want to know.
    ExtensionManager[Any]("g")
    assert len(caplog.messages) == 1


def test_a_check_that_fails_is_counted_too(broken: Path) -> None:
    def check(extension: Extension[Any]) -> bool:
        if extension.name == "sound":
            raise ValueError("cannot be judged")
        return False

    manager = EnabledExtensionManager[Any]("g", check, on_failure="ignore")
    assert manager.names() == []
    assert [failure.reason for failure in manager.failures] == [
        "ValueError: cannot be judged"
    ]


def test_failures_of_an_eager_manager_are_counted(broken: Path) -> None:
    manager = ExtensionManager[Any]("g", lazy=False, on_failure="ignore")
    assert manager.names() == ["sound"]
    assert sorted(failure.name for failure in manager.failures) == ["bad", "odd"]


def test_refresh_forgets_failures(broken: Path) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    loads(manager)
    (broken / "plug_broken.py").write_text("B = 1\n")
    manager.refresh()
    assert [failure.name for failure in manager.failures] == ["odd"]
    assert loads(manager) == ["bad", "sound"]


def test_the_callback_is_asked_instead_of_the_log(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def callback(_: object, point: lazyplug.EntryPoint, error: Exception) -> None:
        told.append(f"{point.name}: {type(error).__name__}")

    manager = ExtensionManager[Any]("g", on_load_failure_callback=callback)
    caplog.clear()
    loads(manager)
    assert told == ["bad: OSError", "odd: InvalidEntryPoint"]
    assert caplog.messages == []


def test_the_time_of_each_load_is_kept(broken: Path) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    assert manager["sound"].load_seconds is None
    loads(manager)
    assert manager["sound"].load_seconds > 0  # type: ignore[operator]


def test_an_unknown_policy_is_an_error_that_names_the_others() -> None:
    with pytest.raises(
        ValueError,
        match="on_failure is 'raise'; it may be one of 'warn', 'ignore', 'error'",
    ):
        DriverManager[Any]("g", "a", on_failure="raise")
