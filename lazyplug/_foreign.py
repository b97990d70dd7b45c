"""What only other finders can see: archives, and distributions of foreign finders.

Cold, and the only room that imports importlib_metadata.
"""

import zipfile

from importlib_metadata import Distribution as Opened
from importlib_metadata import DistributionFinder, MetadataPathFinder

from ._record import Distribution
from ._scan import headers, normalise, parse, split_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._record import Point, Trouble


def _context(**asked: "Any") -> DistributionFinder.Context:
    return DistributionFinder.Context(**asked)  # type: ignore[no-untyped-call]


def _in_archive(path: str, name: "str | None" = None) -> "Iterator[Opened]":
    MetadataPathFinder().invalidate_caches()
    yield from MetadataPathFinder.find_distributions(_context(path=[path], name=name))


def scan_archive(path: str) -> "tuple[list[Distribution], list[Trouble]]":
    """Return the distributions in a zip or an egg, and what is wrong with it."""
    try:
        if not zipfile.is_zipfile(path):
            return [], [(path, 0, "is neither a folder nor a zip archive")]
        found = []
        problems: list[Trouble] = []
        for opened in _in_archive(path):
            distribution = _read(path, opened)
            if distribution.key:
                found.append(distribution)
            else:
                problems += distribution.problems
    except (OSError, ValueError, zipfile.BadZipFile, KeyError) as error:
        return [], [(path, 0, f"cannot be read: {error}")]
    return found, problems


def _read(path: str, opened: Opened) -> Distribution:
    problems: list[Trouble] = []
    points: list[Point] = []
    try:
        text = opened.read_text("entry_points.txt")
    except (UnicodeDecodeError, OSError) as error:
        problems.append((path, 0, f"holds an entry_points.txt that fails: {error}"))
        text = None
    if text:
        points, problems = parse(text, path)
    try:
        metadata = opened.read_text("METADATA") or opened.read_text("PKG-INFO")
    except (UnicodeDecodeError, OSError) as error:
        problems.append((path, 0, f"holds metadata that fails: {error}"))
        metadata = None
    name, version = headers(metadata or "")
    # As importlib_metadata finds it: by the name of the metadata folder.
    try:
        key = getattr(opened, "_normalized_name", None) or normalise(name)
    except (KeyError, AttributeError, TypeError, FileNotFoundError):
        key = normalise(name)
    if not key:
        problems.append((path, 0, "holds metadata that does not say its Name"))
    source = None if metadata is None else "METADATA"
    return Distribution(
        name or key, key, True, name or key, version, source, None, None, True,
        points, problems,
    )  # fmt: skip


def scan_finder(
    finder: "Any",
) -> "tuple[list[tuple[Distribution, Any]], list[Trouble]]":
    """Return the distributions that a foreign finder tells of, each with its object.

    The finder's code is run, and its distributions' own properties.
    """
    label = f"{type(finder).__module__}.{type(finder).__qualname__}"
    found: list[tuple[Distribution, Any]] = []
    problems: list[Trouble] = []
    try:
        for opened in finder.find_distributions(_context()):
            try:
                found.append((_ask(opened), opened))
            except Exception as error:  # foreign code: its fault is its own
                problems.append((label, 0, f"a distribution of it fails: {error!r}"))
    except Exception as error:  # foreign code: its fault is its own
        problems.append((label, 0, f"find_distributions fails: {error!r}"))
    return found, problems


def _ask(opened: "Any") -> Distribution:
    name = opened.metadata["Name"]
    key = getattr(opened, "_normalized_name", None) or normalise(name)
    points: list[Point] = []
    for line, point in enumerate(opened.entry_points, 1):
        module, attr = split_value(point.value)
        points.append((point.group, point.name, point.value, module, attr, line))
    return Distribution(
        name, key, True, name, opened.version or "", "METADATA", None, None, True,
        points, [],
    )  # fmt: skip


def open_distribution(where: "Any") -> "Any":
    """Return the importlib_metadata distribution for where its metadata lies.

    A path, or an archive and a name in it, or the object of a foreign finder.
    None if an archive holds it no longer.
    """
    if isinstance(where, str):
        return Opened.at(where)
    if isinstance(where, list):
        return next(_in_archive(*where), None)
    return where
