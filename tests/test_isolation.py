"""Test that failures are recorded, are reported as wanted, and affect nothing else."""

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

pytestmark = pytest.mark.usefixtures("clean_sys_modules")


@pytest.fixture
def broken(site: PlantSite, prepend_path: SetPath) -> Path:
    """Install a valid plugin, one that fails to load, and one with an invalid value."""
    directory = site(
        {
            "plug_sound.py": "Sound = dict\n",
            "plug_broken.py": "raise OSError('broken on purpose')\n",
            **dist("sound", "1", "[g]\nsound = plug_sound:Sound\n"),
            **dist("faulty", "2", "[g]\nbad = plug_broken:B\nodd = not a reference\n"),
        }
    )
    prepend_path(directory)
    return directory


def load_all(manager: ExtensionManager[Any]) -> list[str]:
    return manager.map(lambda extension: extension.name)


def test_failures_are_logged_once_and_recorded_by_default(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        manager = ExtensionManager[Any]("g")
        assert load_all(manager) == ["sound"]
        assert load_all(manager) == ["sound"]
    reported = [record.message for record in caplog.records]
    assert sum("broken on purpose" in each for each in reported) == 1
    text = "'not a reference' is not a valid reference (expected `module:attr`). Its"
    assert sum(text in each for each in reported) == 1
    assert [failure.name for failure in manager.failures] == ["bad", "odd"]


@pytest.mark.parametrize(
    "method", ["__bool__(self): return False", "__len__(self): raise OSError"]
)
def test_a_failure_whose_error_is_false_or_has_no_truth_value_is_recorded(
    method: str, site: PlantSite, prepend_path: SetPath
) -> None:
    source = f"class Error(Exception):\n    def {method}\nraise Error('on purpose')\n"
    prepend_path(
        site({"plug_false.py": source, **dist("p", "1", "[g]\nbad = plug_false\n")})
    )
    manager = ExtensionManager[Any]("g")
    with pytest.raises(Exception, match="on purpose") as raised:
        manager["bad"].plugin  # noqa: B018
    assert [failure.error for failure in manager.failures] == [raised.value]


def test_an_ignored_failure_is_not_logged_but_recorded(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    assert load_all(manager) == ["sound"]
    assert caplog.messages == []
    assert [failure.name for failure in manager.failures] == ["bad", "odd"]


def test_a_failure_has_a_distribution_file_line_and_reason(broken: Path) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    # This failure is known before anything is imported.
    (odd,) = manager.failures
    assert odd.name == "odd"
    load_all(manager)
    bad, odd = manager.failures
    file = str(broken / "faulty-2.dist-info" / "entry_points.txt")
    assert bad[:6] == ("bad", "g", "plug_broken:B", "faulty 2", file, 2)
    assert bad.reason == "OSError: broken on purpose"
    assert isinstance(bad.error, OSError)
    assert odd[:6] == ("odd", "g", "not a reference", "faulty 2", file, 3)
    assert odd.reason.startswith("InvalidEntryPoint: entry point 'odd = not a ref")


def test_the_failure_of_a_registered_plugin_has_only_a_reason() -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    manager.register("mine", "no_such_module_anywhere:x")
    manager.map(print)
    (failure,) = manager.failures
    assert failure[:6] == ("mine", "g", "no_such_module_anywhere:x", "", "", 0)
    assert failure.reason.startswith("ModuleNotFoundError: No module named")


def test_errors_are_raised_if_the_host_wants_them(broken: Path) -> None:
    with pytest.raises(lazyplug.BrokenMetadata, match=r"line 3: 'not a reference' is"):
        ExtensionManager[Any]("g", on_failure="error")
    (broken / "faulty-2.dist-info" / "entry_points.txt").write_text(
        "[g]\nbad = plug_broken:B\n"
    )
    lazyplug.refresh()
    manager = ExtensionManager[Any]("g", on_failure="error")
    with pytest.raises(OSError, match="broken on purpose"):
        load_all(manager)
    with pytest.raises(OSError, match="broken on purpose"):
        load_all(manager)
    with pytest.raises(OSError, match="broken on purpose"):
        ExtensionManager[Any]("g", on_failure="error", lazy=False)


def test_an_invalid_reference_is_raised_as_broken_metadata_if_wanted(
    broken: Path,
) -> None:
    only_odd = lazyplug.Choice(allow=["sound"])
    with pytest.raises(lazyplug.BrokenMetadata) as caught:
        ExtensionManager[Any]("g", on_failure="error", choice=only_odd)
    assert [problem.line for problem in caught.value.problems] == [3]
    assert caught.value.problems == tuple(lazyplug.problems())


def test_broken_metadata_is_logged_once_by_the_process_that_scans_it(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ExtensionManager[Any]("g")
    ExtensionManager[Any]("g")
    (reported,) = caplog.messages
    assert reported.startswith("ignoring broken metadata: ")
    text = "'not a reference' is not a valid reference (expected `module:attr`)"
    assert text in reported
    assert caplog.records[0].levelno == logging.WARNING


def test_broken_metadata_is_not_logged_if_failures_are_ignored(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ExtensionManager[Any]("g", on_failure="ignore")
    assert caplog.messages == []
    assert len(lazyplug.problems()) == 1
    # Another manager in the process does log it.
    ExtensionManager[Any]("g")
    assert len(caplog.messages) == 1


def test_a_failed_check_is_recorded_too(broken: Path) -> None:
    def check(extension: Extension[Any]) -> bool:
        if extension.name == "sound":
            raise ValueError("cannot be judged")
        return False

    manager = EnabledExtensionManager[Any]("g", check, on_failure="ignore")
    assert manager.names() == []
    assert [failure.reason for failure in manager.failures] == [
        "ValueError: cannot be judged"
    ]


def test_failures_of_an_eager_manager_are_recorded(broken: Path) -> None:
    manager = ExtensionManager[Any]("g", lazy=False, on_failure="ignore")
    assert manager.names() == ["sound"]
    assert sorted(failure.name for failure in manager.failures) == ["bad", "odd"]


def test_refresh_forgets_failures(broken: Path) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    load_all(manager)
    (broken / "plug_broken.py").write_text("B = 1\n")
    manager.refresh()
    assert [failure.name for failure in manager.failures] == ["odd"]
    assert load_all(manager) == ["bad", "sound"]


def test_the_callback_is_called_instead_of_logging(
    broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[str] = []

    def callback(_: object, point: lazyplug.EntryPoint, error: Exception) -> None:
        reported.append(f"{point.name}: {type(error).__name__}")

    manager = ExtensionManager[Any]("g", on_load_failure_callback=callback)
    caplog.clear()
    load_all(manager)
    assert reported == ["bad: OSError", "odd: InvalidEntryPoint"]
    assert caplog.messages == []


def test_the_time_of_each_load_is_recorded(broken: Path) -> None:
    manager = ExtensionManager[Any]("g", on_failure="ignore")
    assert manager["sound"].load_seconds is None
    load_all(manager)
    assert manager["sound"].load_seconds > 0  # type: ignore[operator]


def test_an_unknown_policy_is_an_error_that_names_the_valid_ones() -> None:
    with pytest.raises(
        ValueError,
        match="'raise' is not a valid on_failure: expected 'warn', 'ignore', 'error'",
    ):
        DriverManager[Any]("g", "a", on_failure="raise")  # type: ignore[arg-type]
