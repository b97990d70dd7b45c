"""Read the metadata of a distribution: name, version, requirements.

The index does not contain them, so they are read on request.
"""

import os

from ._indexing.metadata import headers, stem
from ._indexing.reading import find_metadata, is_file, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._types import Owner


def identify(owner: "Owner") -> "tuple[str, str, str]":
    """Return the current name and version of an owner, and its entry_points.txt.

    A name or version that METADATA lacks is taken from the name of the metadata
    directory. Instead of the file, return the path of an archive, or str() of the
    object of a third-party finder ("" if the object is in another process).
    """
    key, path, file, _ = owner
    if not isinstance(path, str):
        return *_read_distribution(path, key), "" if path is None else str(path)
    if is_file(path):
        return *_read_archive(owner), path
    name, version = stem(file)
    directory = os.path.join(path, file)
    _, _, text, _ = find_metadata(directory)
    if text is not None:
        known_name, known_version = headers(text)
        name, version = known_name or name, known_version or version
    return name or key, version, os.path.join(directory, "entry_points.txt")


def label(owner: "Owner") -> str:
    """Return the current "name version" of an owner; only the name without version."""
    return " ".join(identify(owner)[:2]).rstrip()


def _read_distribution(opened: "Any", key: str) -> "tuple[str, str]":
    """Return name and version of an importlib.metadata distribution.

    Runs the code of its finder. If it fails, the name is the key.
    """
    try:
        return str(opened.metadata["Name"] or key), str(opened.version or "")
    except Exception:  # it was deleted, or third-party code failed
        return key, ""


def _read_archive(owner: "Owner") -> "tuple[str, str]":
    """Return name and version of a distribution in an archive.

    If the archive can no longer be read, the name is the key.
    """
    from ._indexing.archives import open_distribution  # deferred: 30 ms

    try:
        return _read_distribution(open_distribution(owner), owner[0])
    except Exception:  # it was deleted, or is damaged
        return owner[0], ""


def requirements_of(owner: "Owner") -> "list[str]":
    """Return the requirements of a distribution, as its metadata states them.

    Return an empty list if the metadata cannot be read.
    """
    _, path, file, _ = owner
    if isinstance(path, str) and file.endswith(".dist-info"):
        # An author's name in another encoding does not affect the requirements.
        metadata = os.path.join(path, file, "METADATA")
        text, _, _ = read_file(metadata, errors="replace")
        return _parse_requirements(text or "")
    from ._indexing.archives import open_distribution  # deferred: 30 ms

    try:
        opened = open_distribution(owner)
        return list((opened and opened.requires) or ())
    except Exception:  # broken metadata, or third-party code failed
        return []


def _parse_requirements(text: str) -> "list[str]":
    r"""Return the Requires-Dist fields of METADATA; indented lines continue a field.

    >>> _parse_requirements("Name: a\r\nRequires-Dist: b\r\n  <2\n\nRequires-Dist: c")
    ['b <2']
    """
    fields: list[str] = []
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for line in text.partition("\n\n")[0].split("\n"):
        if fields and line[:1] in {" ", "\t"}:
            fields[-1] += f" {line.strip()}"
        else:
            fields.append(line)
    return [
        line[14:].strip() for line in fields if line[:14].lower() == "requires-dist:"
    ]
