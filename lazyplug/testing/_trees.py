"""Write directories and installed distributions from dict literals."""

import os  # noqa: TC003 - for typing.get_type_hints()
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeAlias

from .. import _messages as messages
from .._indexing.metadata import parse

# The contents of a directory by name: a mapping is a directory, str and bytes files.
Tree: TypeAlias = Mapping[str, Any]


def plant(directory: "str | os.PathLike[str]", tree: Tree) -> Path:
    """Write a tree into a directory, which is created if missing; return its path.

    :param directory: the directory.
    :param tree: its contents by name: a dict is a directory, str and bytes are files.
        Text is dedented, and written as UTF-8.

    Raises TypeError for contents of any other type.
    """
    path = Path(directory)
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
                text = messages.NOT_VALID.format(
                    value=repr(content),
                    what="tree",
                    expected=messages.A_DIRECTORY_OR_FILE,
                )
                text = f"{path / name}: {text}"
                raise TypeError(text)
    return path


def dist(
    name: str,
    version: str = "1.0",
    entry_points: "Mapping[str, Mapping[str, str]] | str | None" = None,
) -> Tree:
    r"""Return the tree of an installed distribution, `{"foo-1.0.dist-info": …}`.

    :param name: the name of the distribution.
    :param version: the version.
    :param entry_points: its entry points, `{"group": {"name": "module:attr"}}`; or the
        text of its entry_points.txt, which is not checked.

    Raises TypeError if a group is not such a mapping, and ValueError if a group, a name
    or a value is not valid in the file.

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
            text = messages.NOT_VALID.format(
                value=repr(points),
                what="group",
                expected=messages.A_DICT_OF_ENTRY_POINTS,
            )
            text = f"{group!r}: {text}"
            raise TypeError(text)
        head = f"[{group}]\n"
        lines.append(head)
        for name, value in points.items():
            line = f"{name} = {value}\n"
            found = [(read, *row[:2]) for read, row in parse(head + line, "")[0]]
            if found != [(group, name, value)]:
                raise ValueError(
                    messages.NOT_IN_A_FILE.format(name=name, value=value, group=group)
                )
            lines.append(line)
    return "".join(lines)
