"""Test that all entry points are a lazy collection that behaves like the library's."""

import copy
import functools
import importlib.metadata
import operator
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazyplug import accelerate
from lazyplug._answers import lazy_collection
from lazyplug.testing import dist
from tests.support.fixtures import PlantSite, SetPath
from tests.support.libraries import LIBRARIES, needs_importlib_metadata, newest

# Import what email needs for its first message, before sys.path is replaced.
importlib.metadata.metadata("pytest")
# One distribution: the order of several is that of the directory in the libraries.
POINTS = "[g]\nb = m:b\na = m:a [x]\n[h]\nc = m\n[g.more]\na = m:z\n"


@pytest.fixture(params=LIBRARIES, ids=lambda library: library.__name__)
def pair(
    request: pytest.FixtureRequest, site: PlantSite, set_path: SetPath
) -> Iterator[tuple[Any, Any]]:
    """Return all entry points as a lazy collection, and as the library's own."""
    library = request.param
    set_path(site({**dist("one", "2.0", POINTS), **dist("plain")}))
    with accelerate():
        own = library.entry_points.__wrapped__()
        # After an import of importlib_metadata, both libraries return its entry points.
        points = [
            library.EntryPoint(point.name, point.value, point.group)._for(point.dist)
            for point in (own if isinstance(own, tuple) else own._all)
        ]
        yield library.entry_points(), getattr(type(own), "load", type(own))(points)


def is_built(found: Any) -> bool:
    return lazy_collection._lazy_of(found).is_built()


def outcome(call: Callable[[], Any]) -> tuple[Any, ...]:
    """Return what a call returns or raises, and the warnings at lines of this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found: Any = call()
        except Exception as error:
            # Python 3.15 adds the length of the tuple, which C code reads.
            found = type(error), str(error).partition(" (required ")[0]
    messages = [str(each.message) for each in caught if each.filename == __file__]
    return found, messages


def all_of(*found: Any) -> Any:
    return found


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "len": len,
    "bool": bool,
    "list": list,
    "tuple": tuple,
    "set": set,
    "sorted": sorted,
    "iter": lambda found: [*iter(found)],
    "unpacked": lambda found: [*found],
    "as arguments": lambda found: all_of(*found),
    "reversed": lambda found: [*reversed(found)],
    "max": max,
    "zip": lambda found: [*zip(found, found)],
    "repr": repr,
    "str": str,
    "format": lambda found: f"{found!r} {found}",
    "percent": lambda found: operator.mod("%s", found),
    "percent of a tuple": lambda found: operator.mod("%s", (found,)),
    "percent by name": lambda found: operator.mod("%(g)s", found),
    "hash": hash,
    "names": lambda found: found.names,
    "groups": lambda found: found.groups,
    "select nothing": lambda found: found.select(),
    "select a group": lambda found: found.select(group="g"),
    "select an empty group": lambda found: found.select(group="none"),
    "select a name": lambda found: found.select(name="a"),
    "select both": lambda found: found.select(group="g", name="a"),
    "select an attribute": lambda found: found.select(group="g", module="m"),
    "select what does not exist": lambda found: found.select(group="g", nothing=1),
    "get": lambda found: found.get("g"),
    "get what does not exist": lambda found: found.get("none", 1),
    "item of a group": lambda found: found["g"],
    "item of a name": lambda found: found["a"],
    "item by position": lambda found: found[0],
    "item that does not exist": lambda found: found["none"],
    "in": lambda found: "g" in found,
    "first in": lambda found: next(iter(found)) in found,
    "not in": lambda found: 3 in found,
    "keys": lambda found: [*found.keys()],
    "values": lambda found: [*found.values()],
    "items": lambda found: [*found.items()],
    "values of a dictionary": lambda found: [*map(list, dict.values(found))],
    "items of a dictionary": lambda found: [
        (name, list(points)) for name, points in dict.items(found)
    ],
    "get of a dictionary": lambda found: list(dict.get(found, "g", ())),
    "get of a dictionary, sorted": lambda found: sorted(dict.get(found, "g", ())),
    "get of a dictionary, added": lambda found: operator.add(
        [1], dict.get(found, "g", [])
    ),
    "get of a dictionary, first": lambda found: dict.get(found, "g", ())[0].name,
    "get of a dictionary, copied": lambda found: copy.copy(dict.get(found, "g")),
    "get of a dictionary, selected": lambda found: dict.get(found, "g", found).select(
        name="a"
    ),
    "get of a dictionary, none": lambda found: dict.get(found, "none", 1),
    "keys of a dictionary": lambda found: [*dict.keys(found)],
    "length of a dictionary": dict.__len__,
    "dict": dict,
    "merged": lambda found: {**found},
    "count": lambda found: found.count(next(iter(found))),
    "index": lambda found: found.index(next(iter(found))),
    "plus a tuple": lambda found: operator.add(found, (1,)),
    "a tuple plus": lambda found: operator.add((1,), found),
    "a list plus": lambda found: operator.add([1], found),
    "plus itself": lambda found: found + found,
    "plus a number": lambda found: found + 1,
    "times": lambda found: found * 2,
    "times reversed": lambda found: 2 * found,
    "or": lambda found: found | {"x": 1},
    "or reversed": lambda found: {"x": 1} | found,
    "equal to itself": lambda found: operator.eq(found, found),
    "equal to a tuple": lambda found: found == tuple(found),
    "less": lambda found: found < (),
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "pickle": lambda found: pickle.loads(pickle.dumps(found)),  # noqa: S301
    "an attribute that does not exist": lambda found: found.nothing,
    "is a tuple": lambda found: isinstance(found, tuple),
    "is a dictionary": lambda found: isinstance(found, dict),
    "class name": lambda found: type(found).__qualname__,
    "set an attribute": lambda found: setattr(found, "x", 1),
    "doc": lambda found: type(found).__doc__,
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_has_the_same_outcome_as_in_the_library(
    pair: tuple[Any, Any], operation: Callable[[Any], Any]
) -> None:
    lazy, own = pair
    found, warned = outcome(lambda: operation(lazy))
    expected, expected_warnings = outcome(lambda: operation(own))
    assert type(found) is type(expected) or found is lazy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # to compare lists of entry points warns
        assert found == expected
    assert warned == expected_warnings


@pytest.mark.parametrize(
    "compare",
    [operator.eq, operator.ne, operator.lt, operator.ge],
    ids=lambda f: f.__name__,
)
def test_a_lazy_collection_compares_like_that_of_the_library(
    pair: tuple[Any, Any], compare: Callable[[Any, Any], Any]
) -> None:
    lazy, own = pair
    for operands in ((lazy, own), (own, lazy), (lazy, lazy), (lazy, 3), ((), lazy)):
        plain = [own if each is lazy else each for each in operands]
        found = outcome(functools.partial(compare, *operands))
        assert found[0] == outcome(functools.partial(compare, *plain))[0]


@pytest.mark.parametrize(
    "access",
    [
        lambda found: found.select(group="g"),
        lambda found: found.select(group="none"),
        lambda found: found.select(group="g", name="a"),
    ],
)
def test_a_selected_group_is_read_alone(
    pair: tuple[Any, Any], access: Callable[[Any], Any]
) -> None:
    lazy, _ = pair
    access(lazy)
    assert not is_built(lazy)
    len(lazy)
    assert is_built(lazy)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="it is a tuple")
@pytest.mark.filterwarnings("ignore:SelectableGroups:DeprecationWarning")
def test_a_group_of_a_dictionary_is_read_alone_and_is_always_the_same_object(
    site: PlantSite, set_path: SetPath
) -> None:
    set_path(site(dist("one", "2.0", POINTS)))
    with accelerate():
        found: Any = importlib.metadata.entry_points()
    assert "g" in found
    assert "none" not in found
    assert found.get("none", 3) == 3
    assert not is_built(found)
    group = found["g"]
    assert found["g"] is found.get("g") is group
    assert len(found) == 3
    assert found["g"] is group


@needs_importlib_metadata  # which returns no dictionary
def test_the_order_is_that_of_path_entries_distributions_and_lines(
    site: PlantSite, set_path: SetPath
) -> None:
    first = site(dist("zeta", entry_points="[b]\nx = m\n[a]\ny = m\n"), "first")
    set_path(first, site(dist("alpha", entry_points="[a]\nz = m\n"), "second"))
    with accelerate():
        found = newest.entry_points()
    assert [point.name for point in found] == ["x", "y", "z"]


def test_a_collection_sees_what_was_installed_before_the_call(
    site: PlantSite, set_path: SetPath
) -> None:
    directory = site(dist("one", entry_points=POINTS))
    set_path(directory)
    with accelerate():
        assert newest.entry_points().groups == {"g", "h", "g.more"}
        site(dist("two", entry_points="[new]\na = m\n"))
        assert newest.entry_points().groups == {"g", "h", "g.more", "new"}


@needs_importlib_metadata  # which returns no dictionary
def test_the_library_reads_archives_itself(
    tmp_path: Path, site: PlantSite, set_path: SetPath
) -> None:
    directory = site(dist("one", entry_points=POINTS))
    archive = tmp_path / "one.zip"
    shutil.make_archive(str(archive.with_suffix("")), "zip", directory)
    set_path(archive)
    with accelerate():
        found = newest.entry_points()
    assert type(found) is newest.EntryPoints
    assert found.groups == {"g", "h", "g.more"}
