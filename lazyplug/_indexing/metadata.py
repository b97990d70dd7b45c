"""Parse what a metadata directory says: its name, entry_points.txt, its headers.

Pure, without file access.
"""

import os

from .._files import metadata_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._types import Row
    from .records import Point, Trouble
# What stands behind the path of a metadata folder in that of its file.
ENTRY_POINTS = os.sep + "entry_points.txt"
METADATA = os.sep + "METADATA"
# The characters of most modules and attributes.
_WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."


def normalise(name: str) -> str:
    """Return the key of a distribution's name (PEP 503, dashes as underscores).

    >>> normalise("Sphinx.Ext--tabs"), normalise("-a")
    ('sphinx_ext_tabs', '_a')
    """
    name = name.replace("-", "_").replace(".", "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name.lower()


def stem(file: str) -> "tuple[str, str]":
    """Return name and version as a metadata folder's name has them.

    The name is "" where the folder's name does not say it.

    >>> stem("Foo_Bar-1.0.dist-info"), stem("foo.egg-info"), stem("EGG-INFO")
    (('Foo_Bar', '1.0'), ('foo', ''), ('', ''))
    >>> stem("foo-1.0-py3.11.egg-info"), stem("..dist-info")
    (('foo', '1.0'), ('', ''))
    """
    if file.endswith(".dist-info"):
        base = file[:-10]
    elif file.endswith(".egg-info"):
        base = file[:-9]
    else:
        return "", ""
    if not base.strip("."):
        return "", ""  # leading dots are no part of an extension
    name, _, rest = base.partition("-")
    return name, rest.partition("-")[0]


def _is_word(text: str) -> bool:
    # the [\w.]+ of the entry points specification, without a look at each character
    rest = text.replace("_", "").replace(".", "")
    return rest.isalnum() or (not rest and bool(text))


def split_value(value: str) -> "tuple[str | None, str | None]":
    """Return the module and the attribute of an object reference.

    The module is None where the value is no object reference; the attribute is
    None where the module itself is meant. Follows
    https://packaging.python.org/specifications/entry-points/#data-model as
    importlib.metadata reads it.

    >>> split_value("a.b:c.d"), split_value("a.b"), split_value("a : b [x, y]")
    (('a.b', 'c.d'), ('a.b', None), ('a', 'b'))
    >>> split_value("a-b:c"), split_value(""), split_value("a:b]")
    ((None, None), (None, None), (None, None))
    """
    if value.encode(errors="replace").translate(None, _WORD) in (b":", b""):
        # As in nearly all, there is nothing to strip: what is left is to divide it.
        module, colon, attr = value.partition(":")
        if module and (attr or not colon):
            return module, attr or None
        return None, None
    target = value
    bracket = value.find("[")
    if bracket >= 0:
        extras = value[bracket:].rstrip()
        if not extras.endswith("]") or "\n" in extras:
            return None, None
        target = value[:bracket]
    module, colon, attr = target.partition(":")
    module = module.rstrip()
    if not _is_word(module):
        return None, None
    if not colon:
        return module, None
    attr = attr.strip()
    return (module, attr) if _is_word(attr) else (None, None)


def row_of(name: str, value: str, line: int = 0) -> "Row":
    """Return the row of an entry point that stands in a line of its file.

    >>> row_of("a", "m:x", 2), row_of("a", "?")
    (('a', 'm:x', 'm', 'x', 2), ('a', '?', None, None, 0))
    """
    return name, value, *split_value(value), line


def parse(text: str, path: str) -> "tuple[list[Point], list[Trouble]]":
    r"""Return the entry points of an entry_points.txt, and what is wrong with it.

    A bad line costs itself. A value that is no object reference is kept, since
    importlib.metadata keeps it: it is told when it is loaded.

    >>> parse("[g]\na = m:x\nb\n", "f")
    ([('g', ('a', 'm:x', 'm', 'x', 2))], [('f', 3, "no '=' in 'b'")])
    """
    points: list[Point] = []
    problems: list[Trouble] = []
    group = None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] == "#":
            continue
        if line[0] == "[" and line[-1] == "]":
            group = line.strip("[]")
            continue
        if group is None:
            problems.append((path, number, f"{line!r} stands before any [group]"))
            continue
        name, equals, value = line.partition("=")
        if not equals:
            problems.append((path, number, f"no '=' in {line!r}"))
            continue
        row = row_of(name.strip(), value.strip(), number)
        if row[2] is None:
            reason = f"{row[1]!r} is not of the form module:attr"
            problems.append((path, number, reason))
        points.append((group, row))
    return points, problems


def headers(text: str) -> "tuple[str, str]":
    r"""Return the Name and the Version of METADATA or PKG-INFO; "" if not there.

    >>> headers("Metadata-Version: 2.1\nname: Foo\nVersion: 1.0\n\nName: Bar")
    ('Foo', '1.0')
    """
    name = version = ""
    # Mail headers end at an empty line, and know no other line ends than these.
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not line:
            break
        low = line[:8].lower()
        if low.startswith("name:") and not name:
            name = line[5:].strip()
        elif low == "version:" and not version:
            version = line[8:].strip()
        else:
            continue
        if name and version:
            break
    return name, version


def left_over_name(opened: "Any") -> str:
    """Return the name of a distribution's metadata directory if pip left it behind.

    "" for all other distributions, and if it is not known where the metadata lies.
    """
    path = str(getattr(opened, "_path", "")).rstrip("/" + os.sep)
    name = os.path.basename(path)
    return name if name[:1] == "~" and metadata_names([name], path) else ""
