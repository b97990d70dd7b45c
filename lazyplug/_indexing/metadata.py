"""Parse the name of a metadata directory, entry_points.txt and metadata headers.

Pure, without file access.
"""

import os

from .._files import metadata_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._types import Row
    from .records import Point, RawProblem
# What to append to the path of a metadata directory to get the path of its file.
ENTRY_POINTS = os.sep + "entry_points.txt"
METADATA = os.sep + "METADATA"
# The characters of most modules and attributes.
_WORD = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."


def normalize(name: str) -> str:
    """Return the key of a distribution's name (PEP 503, with underscores for dashes).

    >>> normalize("Sphinx.Ext--tabs"), normalize("-a")
    ('sphinx_ext_tabs', '_a')
    """
    name = name.replace("-", "_").replace(".", "_")
    while "__" in name:
        name = name.replace("__", "_")
    return name.lower()


def stem(file: str) -> "tuple[str, str]":
    """Return the name and the version in the name of a metadata directory.

    Either is "" if the directory's name does not contain it.

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
        return "", ""  # leading dots are not part of an extension
    name, _, rest = base.partition("-")
    return name, rest.partition("-")[0]


def _is_word(text: str) -> bool:
    # [\w.]+ in the entry points specification, without a loop over the characters
    rest = text.replace("_", "").replace(".", "")
    return rest.isalnum() or (not rest and bool(text))


def split_value(value: str) -> "tuple[str | None, str | None]":
    """Return the module and the attribute of a `module:attr` reference.

    The module is None if the value is not a valid reference. The attribute is None if
    the value refers to the module itself. Follows
    https://packaging.python.org/specifications/entry-points/#data-model as
    importlib.metadata reads it.

    >>> split_value("a.b:c.d"), split_value("a.b"), split_value("a : b [x, y]")
    (('a.b', 'c.d'), ('a.b', None), ('a', 'b'))
    >>> split_value("a-b:c"), split_value(""), split_value("a:b]")
    ((None, None), (None, None), (None, None))
    """
    if value.encode(errors="replace").translate(None, _WORD) in (b":", b""):
        # Nearly all values have no blanks and no extras: only split them.
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
    """Return the row of an entry point that is declared in a line of its file.

    >>> row_of("a", "m:x", 2), row_of("a", "?")
    (('a', 'm:x', 'm', 'x', 2), ('a', '?', None, None, 0))
    """
    return name, value, *split_value(value), line


def parse(text: str, path: str) -> "tuple[list[Point], list[RawProblem]]":
    r"""Return the entry points of an entry_points.txt, and the problems in it.

    An invalid line is ignored. A value that is not a valid reference is kept, since
    importlib.metadata keeps it: loading it raises an exception.

    >>> parse("[g]\na = m:x\nb\n", "f")
    ([('g', ('a', 'm:x', 'm', 'x', 2))], [('f', 3, "no '=' in 'b'")])
    """
    points: list[Point] = []
    problems: list[RawProblem] = []
    group = None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] == "#":
            continue
        if line[0] == "[" and line[-1] == "]":
            group = line.strip("[]")
            continue
        if group is None:
            from .. import _messages as messages  # deferred: few files have problems

            reason = messages.BEFORE_FIRST_GROUP.format(line=line)
            problems.append((path, number, reason))
            continue
        name, equals, value = line.partition("=")
        if not equals:
            from .. import _messages as messages  # deferred: few files have problems

            reason = messages.NO_EQUALS_SIGN.format(line=line)
            problems.append((path, number, reason))
            continue
        # As row_of does: the call would add 1 % to a cold start.
        name = name.strip()
        value = value.strip()
        module, attr = split_value(value)
        if module is None:
            from .. import _messages as messages  # deferred: few files have problems

            reason = f"{value!r} is {messages.INVALID_REFERENCE}"
            problems.append((path, number, reason))
        points.append((group, (name, value, module, attr, number)))
    return points, problems


def headers(text: str) -> "tuple[str, str]":
    r"""Return the Name and the Version in METADATA or PKG-INFO; "" if missing.

    >>> headers("Metadata-Version: 2.1\nname: Foo\nVersion: 1.0\n\nName: Bar")
    ('Foo', '1.0')
    """
    name = version = ""
    # Mail headers end at an empty line, and have no other line ends than these.
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


def leftover_name(dist: "Any") -> str:
    """Return the name of a distribution's metadata directory if pip left it behind.

    Return "" for all other distributions, and if the path of the metadata is unknown.
    """
    path = str(getattr(dist, "_path", "")).rstrip("/" + os.sep)
    name = os.path.basename(path)
    return name if name[:1] == "~" and metadata_names([name], path) else ""
