"""What only other finders can see: archives, and distributions of foreign finders.

Cold, and the only room that imports importlib_metadata.
"""

import errno
import os
import zipfile

from importlib_metadata import Distribution as Opened
from importlib_metadata import DistributionFinder, PathDistribution

from ._record import Distribution, fragments
from ._scan import headers, is_metadata, normalise, parse, split_value, stem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ._index import Owner
    from ._record import Point, Trouble


def _in_archive(path: str, archive: zipfile.ZipFile) -> "Iterator[PathDistribution]":
    # The finder of importlib_metadata would keep the archive open, and takes one
    # that it cannot open for an empty one.
    for child in zipfile.Path(archive).iterdir():
        if is_metadata(child.name, path):
            # as importlib_metadata itself has it, whatever its annotations say
            yield PathDistribution(child)  # type: ignore[arg-type]


def scan_archive(path: str) -> "tuple[list[Distribution], list[Trouble], bool]":
    """Return the distributions in a zip or an egg, what is wrong, and if it was read.

    What the system would not read may be read the next time.
    """
    found = []
    problems: list[Trouble] = []
    was_read = True
    try:
        with zipfile.ZipFile(path) as archive:
            for opened in _in_archive(path, archive):
                distribution = _read(path, opened)
                was_read = was_read and distribution.settled
                if distribution.key:
                    found.append(distribution)
                else:
                    problems += distribution.problems
    except zipfile.BadZipFile as error:
        problems.append((path, 0, f"is neither a folder nor a zip archive: {error}"))
    except Exception as error:  # damage to a zip has many names
        was_read = _is_content(error)
        problems.append((path, 0, f"cannot be read: {error!r}"))
    return found, problems, was_read


def _read(path: str, opened: Opened) -> Distribution:
    problems: list[Trouble] = []
    points: list[Point] = []
    was_read = True

    def text_of(*files: str) -> "str | None":
        nonlocal was_read
        for file in files:
            try:
                text = opened.read_text(file)
            except Exception as error:  # damage to a zip has many names
                was_read = was_read and _is_content(error)
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
    name, _ = headers(metadata or "")
    key = _key(opened, name)
    if not key:
        problems.append((path, 0, "holds metadata that does not say its Name"))
    declared = fragments(name or key, key, points)
    return Distribution(
        name or key,
        key,
        stamp=None,
        settled=was_read,
        named=True,
        source="METADATA" if metadata is not None else None,
        source_stamp=None,
        groups=list(declared),
        problems=problems,
        fragments=declared,
    )


def _is_content(error: Exception) -> bool:
    """Is the archive at fault, not the system that would not read it?"""
    # Where a damaged archive points cannot always be sought.
    return not isinstance(error, OSError) or error.errno in (None, errno.EINVAL)


def _key(opened: Opened, name: str) -> str:
    # As importlib_metadata finds it; where it asks metadata that cannot be read, by
    # the name of the metadata folder.
    try:
        return getattr(opened, "_normalized_name", None) or normalise(name)
    except Exception:
        folder = str(getattr(opened, "_path", "")).rstrip("/")
        return normalise(name or stem(folder.rpartition("/")[2])[0])


def ask_finder(
    finder: "Any",
) -> "tuple[list[tuple[str, Any, list[Point]]], list[Trouble]]":
    """Return what a foreign finder tells of: key, object, points.

    The finder's code is run, and its distributions' own properties.
    """
    label = f"{type(finder).__module__}.{type(finder).__qualname__}"
    found = []
    problems: list[Trouble] = []
    try:
        context = DistributionFinder.Context()  # type: ignore[no-untyped-call]
        for opened in finder.find_distributions(context):
            try:
                key = getattr(opened, "_normalized_name", None)
                key = key or normalise(opened.metadata["Name"])
                points: list[Point] = []
                for line, point in enumerate(opened.entry_points, 1):
                    row = point.name, point.value, *split_value(point.value), line
                    points.append((point.group, row))
                found.append((key, opened, points))
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
    key, path, file, _ = owner
    if not isinstance(path, str):
        return path
    if not os.path.isfile(path):
        return Opened.at(os.path.join(path, file))
    # Left open: what it tells is read when it is asked for.
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile):
        return None
    for opened in _in_archive(path, archive):
        if _key(opened, "") == key:
            return opened
    return None


def names_of(owner: "Owner") -> "tuple[str, str]":
    """Return name and version of what lies in an archive, or a finder told of.

    The finder's code is run. What cannot be asked any more is called by its key.
    """
    try:
        opened = open_distribution(owner)
        return str(opened.metadata["Name"] or owner[0]), str(opened.version or "")
    except Exception:  # it is gone, or foreign code: its fault is its own
        return owner[0], ""
