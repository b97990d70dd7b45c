"""What only other finders can see: archives, and distributions of foreign finders.

Cold, and the only room that imports importlib_metadata.
"""

import os
import zipfile

from importlib_metadata import Distribution as Opened
from importlib_metadata import DistributionFinder, MetadataPathFinder

from ._record import Distribution, fragments
from ._scan import headers, normalise, parse, split_value, stem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._index import Owner
    from ._record import Point, Trouble


def _context(**asked: "Any") -> DistributionFinder.Context:
    return DistributionFinder.Context(**asked)  # type: ignore[no-untyped-call]


def _in_archive(path: str, name: "str | None" = None) -> "Iterator[Opened]":
    # An instance: in importlib_metadata 6.0 these are no class methods.
    finder = MetadataPathFinder()
    finder.invalidate_caches()
    yield from finder.find_distributions(_context(path=[path], name=name))


def scan_archive(path: str) -> "tuple[list[Distribution], list[Trouble]]":
    """Return the distributions in a zip or an egg, and what is wrong with it."""
    found = []
    problems: list[Trouble] = []
    try:
        if not zipfile.is_zipfile(path):
            return [], [(path, 0, "is neither a folder nor a zip archive")]
        # importlib_metadata takes an archive that it cannot open for an empty one.
        with zipfile.ZipFile(path):
            pass
        for opened in _in_archive(path):
            distribution = _read(path, opened)
            if distribution.key:
                found.append(distribution)
            else:
                problems += distribution.problems
    except Exception as error:  # damage to a zip has many names
        problems.append((path, 0, f"cannot be read: {error!r}"))
    return found, problems


def _read(path: str, opened: Opened) -> Distribution:
    problems: list[Trouble] = []
    points: list[Point] = []

    def text_of(*files: str) -> "str | None":
        for file in files:
            try:
                text = opened.read_text(file)
            except Exception as error:  # damage to a zip has many names
                problems.append((path, 0, f"{opened}: {file} fails: {error!r}"))
                continue
            if text:
                return text
        return None

    text = text_of("entry_points.txt")
    if text:
        points, bad = parse(text, path)
        problems += bad
    metadata = text_of("METADATA", "PKG-INFO")
    name, version = headers(metadata or "")
    # As importlib_metadata finds it; where it asks metadata that cannot be read, by
    # the name of the metadata folder.
    try:
        key = getattr(opened, "_normalized_name", None) or normalise(name)
    except Exception:
        folder = str(getattr(opened, "_path", "")).rstrip("/")
        key = normalise(name or stem(folder.rpartition("/")[2])[0])
    if not key:
        problems.append((path, 0, "holds metadata that does not say its Name"))
    return _record(key, name or key, version, metadata is not None, points, problems)


def _record(
    key: str,
    name: str,
    version: str,
    has_metadata: bool,
    points: "list[Point]",
    problems: "list[Trouble]",
) -> Distribution:
    declared = fragments(name, key, name, version, None, points)
    return Distribution(
        name,
        key,
        stamp=None,
        settled=True,
        named=True,
        source="METADATA" if has_metadata else None,
        source_stamp=None,
        groups=list(declared),
        problems=problems,
        fragments=declared,
    )


def ask_finder(
    finder: "Any",
) -> "tuple[list[tuple[str, str, str, Any, list[Point]]], list[Trouble]]":
    """Return what a foreign finder tells of: key, name, version, object, points.

    The finder's code is run, and its distributions' own properties.
    """
    label = f"{type(finder).__module__}.{type(finder).__qualname__}"
    found = []
    problems: list[Trouble] = []
    try:
        for opened in finder.find_distributions(_context()):
            try:
                name = opened.metadata["Name"]
                key = getattr(opened, "_normalized_name", None) or normalise(name)
                points: list[Point] = []
                for line, point in enumerate(opened.entry_points, 1):
                    row = point.name, point.value, *split_value(point.value), line
                    points.append((point.group, row))
                found.append((key, name, opened.version or "", opened, points))
            except Exception as error:  # foreign code: its fault is its own
                problems.append((label, 0, f"a distribution of it fails: {error!r}"))
    except Exception as error:  # foreign code: its fault is its own
        problems.append((label, 0, f"find_distributions fails: {error!r}"))
    return found, problems


def open_distribution(owner: "Owner") -> "Any":
    """Return the importlib_metadata distribution of an owner.

    It is opened where its metadata lies, or is the object of a foreign finder.
    None if an archive holds it no longer, or the finder was in another process.
    """
    _, name, _, path, file, _, _ = owner
    if not isinstance(path, str):
        return path
    if os.path.isfile(path):
        return next(_in_archive(path, name), None)
    return Opened.at(os.path.join(path, file))
