"""Folders and installed distributions, as dict literals."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, TypeAlias

from .._indexing.metadata import parse

if TYPE_CHECKING:
    import os

# What stands in a folder, by name: a mapping is a folder, str and bytes are files.
Tree: TypeAlias = Mapping[str, Any]


def plant(folder: "str | os.PathLike[str]", tree: Tree) -> Path:
    """Write a tree into a folder, which is made where it is missing; return its path.

    :param folder: where to.
    :param tree: what stands in it, by name: a dict is a folder, str and bytes are
        files. Text is dedented, and written as UTF-8.

    Raises TypeError of what is none of these.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        match content:
            case Mapping():
                plant(path / name, content)
            case bytes():
                (path / name).write_bytes(content)
            case str():
                (path / name).write_text(dedent(content), encoding="utf-8")
            case _:
                raise TypeError(
                    f"{path / name} cannot be planted of {content!r}: say a dict for a"
                    " folder, text or bytes for a file"
                )
    return path


def dist(
    name: str,
    version: str = "1.0",
    entry_points: "Mapping[str, Mapping[str, str]] | str | None" = None,
) -> Tree:
    r"""Return the tree of an installed distribution, `{"foo-1.0.dist-info": …}`.

    :param name: its name.
    :param version: its version.
    :param entry_points: what it declares, `{"group": {"name": "module:attr"}}`; or the
        text of its entry_points.txt, which may be wrong in any way.

    Raises TypeError or ValueError if that is no such mapping, or nothing that can stand
    in the file.

    >>> dist("foo", "2", {"g": {"a": "foo:A"}})["foo-2.dist-info"]["entry_points.txt"]
    '[g]\na = foo:A\n'
    """
    files = {"METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}
    if entry_points is not None:
        if not isinstance(entry_points, str):
            entry_points = _text(entry_points)
        files["entry_points.txt"] = entry_points
    return {f"{name.replace('-', '_')}-{version}.dist-info": files}


def _text(entry_points: "Mapping[str, Mapping[str, str]]") -> str:
    lines = []
    for group, points in entry_points.items():
        if not isinstance(points, Mapping):
            raise TypeError(
                f"{group!r}: {points!r} is no group of entry points: say"
                " {'group': {'name': 'module:attr'}}"
            )
        head = f"[{group}]\n"
        lines.append(head)
        for name, value in points.items():
            line = f"{name} = {value}\n"
            found = [(read, *row[:2]) for read, row in parse(head + line, "")[0]]
            if found != [(group, name, value)]:
                raise ValueError(
                    f"{name!r}: {value!r} of group {group!r} cannot stand in an"
                    " entry_points.txt"
                )
            lines.append(line)
    return "".join(lines)
