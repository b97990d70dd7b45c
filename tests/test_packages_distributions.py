"""Test that the modules of distributions are remembered while they are the same."""

import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lazyplug
from lazyplug import accelerate
from lazyplug._answers import packages
from lazyplug._static import learned, learning
from lazyplug.testing import dist, plant
from tests.support.clock import Ticking
from tests.support.fixtures import PlantSite, SetPath
from tests.support.libraries import LIBRARIES, newest

pytestmark = pytest.mark.usefixtures("late_clock")

# Import what email needs for its first message, before sys.path is replaced.
importlib.metadata.metadata("pytest")


def wheel(name: str, *modules: str) -> dict[str, Any]:
    """Return the tree of a distribution with modules, as a wheel installs them."""
    record = "".join(f"{module},,\n" for module in modules)
    (metadata,) = dist(name).items()
    tree: dict[str, Any] = {metadata[0]: {**metadata[1], "RECORD": record}}
    for module in modules:
        place = tree
        *directories, file = module.split("/")
        for directory in directories:
            place = place.setdefault(directory, {})
        place[file] = ""
    return tree


FOUND = {"one": ["one"], "two": ["two-parts"], "shared": ["one", "two-parts"]}


@pytest.fixture
def directory(site: PlantSite, set_path: SetPath) -> Path:
    """Return a site directory with two distributions, the only one on sys.path."""
    made = site(wheel("one", "one/__init__.py", "one/more.py", "shared/a.py"))
    set_path(made)
    return plant(made, wheel("two-parts", "two.py", "shared/b.py"))


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def library(request: pytest.FixtureRequest) -> Iterator[Any]:
    with accelerate():
        yield request.param


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each distribution is added that the library reads."""
    found: list[str] = []
    for_one = packages._for_one

    def counted(original: Any) -> Any:
        ask = for_one(original)

        def counting(dist: Any) -> Any:
            found.append(dist._path.name)
            return ask(dist)  # type: ignore[misc]

        return None if ask is None else counting

    monkeypatch.setattr(packages, "_for_one", counted)
    return found


def later(library: Any) -> Any:
    """Return the answer of another process, to which the facts were written."""
    learning.write_all()
    lazyplug.invalidate_caches()
    learned._latest = None
    return normal(library.packages_distributions())


def normal(found: dict[str, list[str]]) -> dict[str, list[str]]:
    return {module: sorted(names) for module, names in found.items()}


def test_a_second_process_reads_no_distribution(
    directory: Path, library: Any, asked: list[str]
) -> None:
    own = library.packages_distributions.__wrapped__()
    assert normal(library.packages_distributions()) == normal(own)
    assert len(asked) == 2
    assert later(library) == normal(own)
    assert later(library) == normal(own)
    assert len(asked) == 2


def test_only_a_distribution_that_changed_is_read_again(
    directory: Path, library: Any, asked: list[str]
) -> None:
    library.packages_distributions()
    learning.write_all()
    del asked[:]
    plant(directory, wheel("three", "three.py"))
    record = directory / "one-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text() + "added/__init__.py,,\n")
    plant(directory, {"added": {"__init__.py": ""}})
    found = later(library)
    assert sorted(asked) == ["one-1.0.dist-info", "three-1.0.dist-info"]
    assert found == normal(library.packages_distributions.__wrapped__())
    assert found["added"] == ["one"]


def test_a_module_that_was_removed_is_noticed(
    directory: Path, library: Any, asked: list[str]
) -> None:
    library.packages_distributions()
    learning.write_all()
    del asked[:]
    (directory / "two.py").unlink()
    assert later(library) == normal(library.packages_distributions.__wrapped__())
    assert asked == ["two_parts-1.0.dist-info"]


def test_a_module_that_was_missing_for_a_moment_is_found_again(
    directory: Path, library: Any
) -> None:
    (directory / "one").rename(directory / "off")
    library.packages_distributions()
    learning.write_all()
    (directory / "off").rename(directory / "one")
    assert later(library) == FOUND


def test_a_module_whose_last_file_was_removed_is_not_found(
    directory: Path, library: Any
) -> None:
    library.packages_distributions()
    learning.write_all()
    (directory / "shared" / "a.py").unlink()
    assert later(library) == normal(library.packages_distributions.__wrapped__())


def test_a_removed_distribution_is_no_longer_found(
    directory: Path, library: Any
) -> None:
    library.packages_distributions()
    learning.write_all()
    (directory / "one-1.0.dist-info").rename(directory / "gone")
    assert later(library) == {"two": ["two-parts"], "shared": ["two-parts"]}


def test_modules_in_top_level_txt_need_no_file(
    site: PlantSite, set_path: SetPath, library: Any, asked: list[str]
) -> None:
    metadata = dict(next(iter(dist("some").values())))
    set_path(site({"some-1.0.dist-info": {**metadata, "top_level.txt": "a\nb\n"}}))
    for _ in range(2):
        assert later(library) == {"a": ["some"], "b": ["some"]}
    assert len(asked) == 1


def test_metadata_that_cannot_be_read_is_not_remembered(
    directory: Path, library: Any, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(packages, "fs", SimpleNamespace(stat=refuse, clock=lambda: 0))
    monkeypatch.setattr(packages, "_version_of", lambda _: "")
    for _ in range(2):
        assert normal(library.packages_distributions()) == FOUND
    assert len(asked) == 4


def test_egg_info_is_read_each_time(
    site: PlantSite, set_path: SetPath, library: Any, asked: list[str]
) -> None:
    egg = {"PKG-INFO": "Name: egg\nVersion: 1\n", "top_level.txt": "egg\n"}
    set_path(site({"egg.egg-info": egg}))
    assert later(library) == {"egg": ["egg"]}
    assert later(library) == {"egg": ["egg"]}
    assert asked == ["egg.egg-info"] * 2


@pytest.mark.parametrize(
    "damage", [[], [1, 2], ["state", {}], None, "x", {"a": 1}], ids=repr
)
def test_damaged_memory_is_ignored(
    directory: Path,
    library: Any,
    damage: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learned.LearnedFacts, "recall", lambda *_: damage)
    assert normal(library.packages_distributions()) == FOUND


@pytest.mark.parametrize(
    "entry", [None, [], ["f", 3, []], ["f", {"a": 3}, []], [3, {}, []]], ids=repr
)
def test_a_damaged_entry_is_ignored(
    directory: Path,
    library: Any,
    entry: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    metadata = str(directory / "one-1.0.dist-info")
    remembered = [packages._version_of(library), {metadata: entry}]
    monkeypatch.setattr(learned.LearnedFacts, "recall", lambda *_: remembered)
    assert normal(library.packages_distributions()) == FOUND


def test_nothing_is_remembered_of_racy_files(
    directory: Path, asked: list[str], ticking: Callable[[int], Ticking]
) -> None:
    ticking(1)
    (directory / "two.py").touch()
    with accelerate():
        for _ in range(2):
            assert later(newest) == FOUND
    assert len(asked) == 4


def test_another_function_of_the_name_answers_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(newest, "packages_distributions", lambda: {"other": ["x"]})
    with accelerate():
        assert newest.packages_distributions() == {"other": ["x"]}
