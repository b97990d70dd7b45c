"""Read what the metadata says of a distribution: name, version, summary, requirements.

It is read when somebody asks, since the index does not have it.
"""

import os

from ._indexing.metadata import METADATA, headers, stem
from ._indexing.reading import find_metadata, is_file, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._types import Owner


def identify(owner: "Owner") -> "tuple[str, str, str]":
    """Return name, version and entry_points.txt of an owner as they are now.

    They are read here, where they are used. What METADATA does not say, the name of
    the metadata folder does. Of what a finder told of, the last is its object in
    words, or "" if that is in another process.
    """
    key, path, file, _ = owner
    if not isinstance(path, str):
        return *_said_by(path, key), "" if path is None else str(path)
    if is_file(path):
        return *_said_by_archive(owner), path
    name, version = stem(file)
    folder = os.path.join(path, file)
    _, _, text, _ = find_metadata(folder)
    if text is not None:
        said, version_said = headers(text)
        name, version = said or name, version_said or version
    return name or key, version, os.path.join(folder, "entry_points.txt")


def label(owner: "Owner") -> str:
    """Return "name version" of an owner as they are now, the name where that is all."""
    return " ".join(identify(owner)[:2]).rstrip()


def _said_by(opened: "Any", key: str) -> "tuple[str, str]":
    """Return name and version of an importlib.metadata distribution.

    Runs the code of its finder. If that fails, the name is the key.
    """
    try:
        return str(opened.metadata["Name"] or key), str(opened.version or "")
    except Exception:  # it is gone, or third-party code failed
        return key, ""


def _said_by_archive(owner: "Owner") -> "tuple[str, str]":
    """Return name and version of a distribution in an archive.

    If it can no longer be read, the name is its key.
    """
    from ._indexing.archives import open_distribution  # deferred: 30 ms

    try:
        return _said_by(open_distribution(owner), owner[0])
    except Exception:  # it is gone, or damaged
        return owner[0], ""


def summary_of(owner: "Owner | None") -> "tuple[str | None, str]":
    """Return what the metadata of an owner says in one line, if it does, and its file.

    Of what lies in archives, and what finders told of, nothing is said.
    """
    if owner is None or not isinstance(owner[1], str):
        return None, ""
    file = os.path.join(owner[1], owner[2]) + METADATA
    text, _, _ = read(file, errors="replace")
    for line in (text or "").splitlines():
        if line[:8].lower() == "summary:":
            return line[8:].strip() or None, file
        if not line:
            break
    return None, file


def requirements_of(owner: "Owner") -> "list[str]":
    """Return what a distribution requires, as its metadata has it.

    Of one whose metadata cannot be read, that is nothing: it costs itself.
    """
    _, path, file, _ = owner
    if isinstance(path, str) and file.endswith(".dist-info"):
        # An author's name in another encoding says nothing about what is required.
        metadata = os.path.join(path, file, "METADATA")
        text, _, _ = read(metadata, errors="replace")
        return _required(text or "")
    from ._indexing.archives import open_distribution  # deferred: 30 ms

    try:
        opened = open_distribution(owner)
        return list((opened and opened.requires) or ())
    except Exception:  # it is broken, or foreign code: its fault is its own
        return []


def _required(text: str) -> "list[str]":
    r"""Return what METADATA says is required; long headers go on behind blanks.

    >>> _required("Name: a\r\nRequires-Dist: b\r\n  <2\n\nRequires-Dist: c")
    ['b <2']
    """
    headers: list[str] = []
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for line in text.partition("\n\n")[0].split("\n"):
        if headers and line[:1] in {" ", "\t"}:
            headers[-1] += f" {line.strip()}"
        else:
            headers.append(line)
    return [
        line[14:].strip() for line in headers if line[:14].lower() == "requires-dist:"
    ]
