"""Find the entry points that went since the last index, and remember them as losses.

Only the site directories of the prefix count: what a program adds to `sys.path` is its
own. An entry point is lost if the directory that declared it was read and no longer
declares it; one that cannot be read has lost nothing. The losses of an installation
that is not finished disappear: the next index that has the entry point removes them.
"""

import os

from .._files import fs
from .._index import digest, quote, texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._index import Index
    from .losses import Declared

# The groups of programs, which are no plugins.
_PROGRAMS = {"console_scripts", "gui_scripts"}
# The length of the checksum at the end of a line of the table.
_CHECKSUM = len('"0123456789abcdef"]')


def remember_losses(
    directory: str, name: str, old: "Iterable[Index]", new: "Index", clock: int
) -> None:
    """Write what an environment has lost; remove what has come back.

    :param directory: the cache directory.
    :param name: the name of the file with the losses.
    :param old: the last indexes of the same prefix, the newest first.
    :param new: the index that is about to be written.
    :param clock: the time before anything was read, in nanoseconds.

    Raises one of DECODE_ERRORS if an index is damaged.
    """
    names: dict[str, set[str]] = {}

    def is_declared(group: str, name: str) -> bool:
        if group not in names:
            lines = _read(new, _find(new, group))[1]
            names[group] = {found[4] for found in _declared(new, group, lines)}
        return name in names[group]

    gone = [found for found in _removed(old, new) if not is_declared(*found[3:5])]
    if gone or fs.access(os.path.join(directory, name), 0):
        from .losses import update_losses  # deferred: few changes are losses

        update_losses(directory, name, new, gone, is_declared, clock)


def _removed(old: "Iterable[Index]", new: "Index") -> "Iterator[Declared]":
    """Yield the entry points of older indexes in the groups that are not the same now.

    The newest index that has a site directory speaks for it. Most often a few lines of
    one group differ, and only these are decoded.
    """
    # The checksum is that of the whole group, with its name.
    same = {line[-_CHECKSUM:] for line in _table(new)}
    done: set[str] = set()
    for index in old:
        for line in _table(index):
            # Lines have the position of a path entry, so those of other keys differ.
            has_same_key = index.key == new.key
            if line[-_CHECKSUM:] in same and has_same_key:
                continue
            group, lines = _read(index, line)
            now = _read(new, _find(new, group))[1] if has_same_key else []
            kept = {
                found[4] for found in _declared(new, group, set(now).difference(lines))
            }
            for found in _declared(index, group, set(lines).difference(now)):
                if found[0] not in done and found[4] not in kept:
                    yield found
        done.update(index.key[1:])


def _table(index: "Index") -> "list[bytes]":
    """Return the lines of the table of groups."""
    return index.header.split(b"\n")[5:-1]


def _find(index: "Index", group: str) -> bytes:
    """Return the line of a group in the table; b"" if nothing is declared in it."""
    at = index.header.find(f"\n[{quote(group)},".encode())
    return index.header[at + 1 : index.header.index(b"\n", at + 1)] if at > 0 else b""


def _read(index: "Index", line: bytes) -> "tuple[str, list[str]]":
    """Return the name and the lines of a group, by its line in the table.

    Programs count as a group without lines. Raises ValueError if the group is damaged.
    """
    if not line:
        return "", []
    group, offset, length, checksum = texts(line.decode())
    if group in _PROGRAMS:
        return group, []
    data = index.read(index.after_watch + int(offset), int(length))
    if digest(data) != checksum:
        raise ValueError(group)
    return group, data.decode().split("\n")[1:]


def _declared(
    index: "Index", group: str, lines: "Iterable[str]"
) -> "Iterator[Declared]":
    """Yield what site directories declare in these lines of a group.

    Shadowed distributions are included: another program may not see what shadows them.
    """
    for line in lines:
        _, place, file, key, *rest = texts(line)
        path = index.key[int(place) + 1]
        # Names that begin with "~" were left behind by pip.
        if _is_site_directory(path, index.key[0]) and file[:1] != "~":
            for name, value in zip(rest[::5], rest[1::5]):
                yield path, file, key, group, name, value


def _is_site_directory(path: str, prefix: str) -> bool:
    return path.startswith(prefix + os.sep) and path.endswith(
        (f"{os.sep}site-packages", f"{os.sep}dist-packages")
    )
