"""The slow truth, read from the file system, one distribution or folder at a time.

Tolerant: what cannot be read costs itself, is recorded with its path and the
reason, and harms nothing else.
"""

import os

from .._content import signature
from .._files import KIND, READ_FLAGS, REGULAR, Seam
from .._index import numbers, stamp
from .records import Distribution, fragments, is_by_content

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from .records import Point, Trouble


# Stamps younger than this against the clock, in nanoseconds, are not believed:
# another change within the file system's tick would look the same. FAT has the
# coarsest tick in use.
RACY = 2_000_000_000
# Longer than any entry_points.txt or METADATA that was ever released.
_FILE_CAP = 1 << 26
# What stands behind the path of a metadata folder in that of its file.
ENTRY_POINTS = os.sep + "entry_points.txt"
METADATA = os.sep + "METADATA"
# METADATA begins with its headers; what follows is a README, which may be long.
_HEAD = 1024
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


def is_metadata(file: str, folder: str) -> bool:
    """Is this the name of a metadata folder, in a folder of this path?

    >>> is_metadata("a-1.dist-info", "/s"), is_metadata("EGG-INFO", "/s")
    (True, False)
    >>> is_metadata("EGG-INFO", "/s/a-1.0.egg")
    True
    """
    low = file.lower()
    return low.endswith((".dist-info", ".egg-info")) or (
        low == "egg-info" and os.path.basename(folder).lower().endswith(".egg")
    )


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
        name = name.strip()
        value = value.strip()
        module, attr = split_value(value)
        if module is None:
            problems.append((path, number, f"{value!r} is not of the form module:attr"))
        points.append((group, (name, value, module, attr, number)))
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


def settled(status: os.stat_result, seen: bool, clock: int) -> bool:
    """Is the stamp of this status to be believed, by a clock read before it was taken?

    It is, if the file was last changed clearly before. An mtime in the future is
    believed when it was the same at two looks, so that it was `seen`, and ctime lies
    in the past: any later change would move ctime.

    >>> past = os.stat_result([0] * 10, {"st_mtime_ns": 5, "st_ctime_ns": 5})
    >>> settled(past, False, 5 + RACY), settled(past, False, 6 + RACY)
    (False, True)
    >>> future = os.stat_result([0] * 10, {"st_mtime_ns": 9 * RACY, "st_ctime_ns": 5})
    >>> settled(future, False, 2 * RACY), settled(future, True, 2 * RACY)
    (False, True)
    """
    limit = clock - RACY
    return status.st_ctime_ns < limit and (status.st_mtime_ns < limit or seen)


def read(
    path: str,
    *,
    metadata: bool = False,
    errors: str = "strict",
    base: "int | None" = None,
) -> "tuple[str | None, os.stat_result | None, str]":
    """Return a file's text, its status, and why it has no text.

    The status is taken before the text. All are none if there is no such file. With
    a status, the file's content is at fault; without, the system would not read it,
    which says nothing about the next time. Of `metadata` only the beginning is read
    where that has what `headers` looks for. `errors` is as of bytes.decode, `base` is
    the dir_fd of os.open.
    """
    try:
        descriptor = Seam.open(path, READ_FLAGS, dir_fd=base)
    except FileNotFoundError:
        return None, None, ""  # as most
    except (OSError, ValueError) as error:
        return None, None, reason_of(error)
    status = None
    try:
        status = Seam.fstat(descriptor)
        size = status.st_size
        if status.st_mode & KIND != REGULAR:
            return None, status, "is not a file"
        if size > _FILE_CAP:
            return None, status, f"is too large ({size} bytes)"
        data = b""
        if metadata and size > _HEAD:
            data = Seam.read(descriptor, _HEAD)
            text = data[: data.rfind(b"\n") + 1].decode()
            if all(headers(text)):
                return text, status, ""
        # With one byte more than there should be, one read tells that it was all.
        while chunk := Seam.read(descriptor, max(size - len(data), _HEAD) + 1):
            data += chunk
            if len(data) == size:
                break
        return data.decode(errors=errors), status, ""
    except UnicodeDecodeError as error:
        return None, status, f"is not UTF-8: {error}"
    except OSError as error:
        return None, None, reason_of(error)
    finally:
        Seam.close(descriptor)


def is_file(path: str) -> bool:
    """Return True if this is a file, or a link to one."""
    status = _status_of(path)
    return status is not None and status.st_mode & KIND == REGULAR


def reason_of(error: Exception) -> str:
    """Return why the system would not read something; "" if it is not there."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ""
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def scan_distribution(
    folder: str,
    file: str,
    clock: int,
    known: "Distribution | None" = None,
    base: "int | None" = None,
    several: bool = False,
) -> "Distribution | str":
    """Return what the metadata folder `file` in `folder` declares, read anew.

    It is the key alone if it declares nothing and nothing else is to be said of
    it. `known` is what was remembered: an mtime in the future is believed only if it
    was the same then. `base` is a descriptor of the folder, if there is one: from there
    the system has not so far to go. `several` says that the key stands more than once,
    so that it matters whether there is metadata.
    """
    path = folder + os.sep + file
    start = path if base is None else file
    name, _ = stem(file)
    key, named = normalise(name), bool(name)
    text, status, reason = read(start + ENTRY_POINTS, base=base)
    left_behind = file[0] == "~"
    if status is None and named and not (reason or left_behind or several):
        return key  # as most
    own = None
    # Of what the system would not read, no stamp is to be believed.
    calm = not reason
    number = None
    if status is not None:
        own, text = _signed(start + ENTRY_POINTS, status, text, base)
        # With a checksum of the content, the number is another one.
        number = None if is_by_content(own) else numbers([status])[0]
        calm = settled(status, known is not None and known.stamp == own, clock)
    points: list[Point] = []
    problems: list[Trouble] = []
    if reason:
        problems.append((path + ENTRY_POINTS, 0, reason))
    if text is not None:
        points, bad = parse(text, path + ENTRY_POINTS)
        problems += bad
    if left_behind:
        problems.append(
            (path, 0, "was left behind by an interrupted pip: delete this directory")
        )
    # What it says is read where it is asked; here only where it decides something. Its
    # stamp is kept for then: one in the future is believed when it was seen twice.
    source: str | None = "METADATA"
    source_stamp = before = known.source_stamp if known else None
    if not named or several or not Seam.access(start + METADATA, 0, dir_fd=base):
        source, found, text, reason = find_metadata(path)
        if source is None and not reason:
            # Metadata may appear in the directory, or a file replace it.
            found = _status_of(path)
        source_stamp = None
        if found is not None:
            file_of_it = os.path.join(path, source) if source else path
            source_stamp, text = _signed(file_of_it, found, text, metadata=True)
            calm = calm and settled(found, source_stamp == before, clock)
        elif reason:
            calm = False
        if text is not None:
            name = headers(text)[0] or name
        elif reason:
            problems.append((path + os.sep + (source or ""), 0, reason))
        elif points:
            problems.append((path, 0, "has no metadata"))
    if not named:
        key = normalise(name)
        if not key:
            points.clear()
            problems.append((path, 0, "has no name: what it declares is left out"))
    declared = fragments(file, key, points)
    return Distribution(
        file,
        key,
        stamp=own,
        settled=calm,
        named=named,
        source=source,
        source_stamp=source_stamp,
        groups=list(declared),
        problems=problems,
        fragments=declared,
        number=number,
    )


def _signed(
    path: str,
    status: os.stat_result,
    text: "str | None",
    base: "int | None" = None,
    metadata: bool = False,
) -> "tuple[str, str | None]":
    """Return the signature of a file that was read, and the text that belongs to it."""
    try:
        found = signature(path, status, base)
    except OSError:
        return stamp(status), text  # it was removed, which will be noticed
    if is_by_content(found) and text is not None:
        # The text may be older than the checksum, which would not be noticed.
        text = read(path, metadata=metadata, base=base)[0]
    return found, text


def _status_of(path: str) -> "os.stat_result | None":
    try:
        status: os.stat_result = Seam.stat(path)
    except (OSError, ValueError):
        return None
    return status


def find_metadata(
    path: str,
) -> "tuple[str | None, os.stat_result | None, str | None, str]":
    """Return which file is the metadata, its status, its text, why it has no text.

    The first three are None if there is no metadata; for the others see `read`.
    """
    for source in ("METADATA", "PKG-INFO", ""):
        file = path + os.sep + source if source else path
        if not source and not is_file(file):
            continue  # a metadata folder is not itself metadata
        text, status, reason = read(file, metadata=True)
        if status is None and not reason:
            continue
        if not text and source == "METADATA":
            # Empty or unreadable, it is metadata, but what PKG-INFO says counts.
            text = read(path + os.sep + "PKG-INFO")[0] or text
        return source, status, text, reason
    return None, None, None, ""


def list_folder(
    path: str, known: "Collection[str]" = ()
) -> "tuple[list[str], set[str], str]":
    """Return which metadata folders came, which are gone, why it cannot be listed.

    `known` are the names of those that were there before.
    """
    try:
        names = Seam.listdir(path)
    except (OSError, ValueError) as error:
        return [], set(), reason_of(error) or "vanished while it was looked at"
    gone: set[str] = set()
    if known:
        there, before = set(names), set(known)
        gone = before - there
        names = [*(there - before)]
    if os.path.basename(path).lower().endswith(".egg"):
        return [name for name in names if is_metadata(name, path)], gone, ""
    ends = (".dist-info", ".egg-info")
    # Slicing costs half of what lower() does, and few others have the dash there.
    came = [
        name
        for name in names
        if name.endswith(ends) or (name[-5:-4] == "-" and name.lower().endswith(ends))
    ]
    return came, gone, ""


def left_over_name(opened: "Any") -> str:
    """Return the name of a distribution's metadata directory if pip left it behind.

    "" for all other distributions, and if it is not known where the metadata lies.
    """
    path = str(getattr(opened, "_path", "")).rstrip("/" + os.sep)
    name = os.path.basename(path)
    return name if name[:1] == "~" and is_metadata(name, path) else ""
