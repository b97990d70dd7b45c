"""Find the entry points that went since the last index, and remember them as losses.

Only the site directories of the prefix count: what a program adds to `sys.path` is its
own. An entry point is lost if the directory that declared it was read and no longer
declares it; one that cannot be read has lost nothing. The losses of an installation
that is not finished disappear: the next index that has the entry point removes them.
"""

import os

from .._files import fs
from .._index import quote, texts
from .layout import decode, group_text, groups_of
from .losses import Loss, encode, read_losses
from .records import is_borrowed
from .storage import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .._index import Index
    from .layout import Groups
    from .records import PathEntry

# The groups of programs, which are no plugins.
_PROGRAMS = {quote("console_scripts"), quote("gui_scripts")}


def remember_losses(
    directory: str, name: str, old: "Iterable[Index]", new: "Index", clock: int
) -> None:
    """Write what an environment has lost; forget what has come back.

    :param directory: the cache directory.
    :param name: the name of the file with the losses.
    :param old: the last indexes of the same prefix, the newest first.
    :param new: the index that is about to be written.
    :param clock: the time before anything was read, in nanoseconds.

    Raises one of DECODE_ERRORS if an index is damaged.
    """
    prefix, now = new.key[0], clock // 1_000_000_000
    known = read_losses(directory, name, prefix, now)
    groups = groups_of(new)
    names: dict[str, set[str]] = {}

    def is_declared(loss: Loss) -> bool:
        if loss.group not in names:
            lines = _lines(new, groups, quote(loss.group))
            names[loss.group] = {point for _, _, _, point, _ in lines}
        return loss.name in names[loss.group]

    losses = {loss[3:6]: loss for loss in known if not is_declared(loss)}
    gone = [loss for loss in _removed(old, new, groups, now) if not is_declared(loss)]
    entries = {entry.path: entry for entry in decode(new)} if gone else {}
    for loss in gone:
        before = losses.get(loss[3:6])
        # Another index of this prefix may have noticed it earlier.
        is_new = before is None or before.file != loss.file
        if is_new and _is_gone(entries.get(loss.path), loss):
            losses[loss[3:6]] = loss
    if [*losses.values()] != known:
        store(directory, name, encode(prefix, [*losses.values()]))


def _removed(
    old: "Iterable[Index]", new: "Index", groups: "Groups", now: int
) -> "Iterator[Loss]":
    """Yield the entry points of older indexes in the groups that are not the same now.

    The newest index that has a site directory speaks for it.
    """
    done: set[str] = set()
    for index in old:
        before = groups_of(index)
        for group, (_, checksum) in before.items():
            if group in _PROGRAMS:
                continue
            if index.key == new.key and groups.get(group, (b"", ""))[1] == checksum:
                continue
            for path, file, key, name, value in _lines(index, before, group):
                if path not in done:
                    yield Loss(
                        now, path, file, key, texts(f"[{group}]")[0], name, value
                    )
        done.update(index.key[1:])


def _lines(
    index: "Index", groups: "Groups", group: str
) -> "Iterator[tuple[str, str, str, str, str]]":
    """Yield what site directories declare in a group: path, file, key, name, value.

    Shadowed distributions are included: another program may not see what shadows them.
    """
    for line in group_text(groups, group).split("\n")[1:-1]:
        _, place, file, key, *rest = texts(line)
        path = index.key[int(place) + 1]
        # Names that begin with "~" were left behind by pip.
        if _is_site_directory(path, index.key[0]) and file[:1] != "~":
            for name, value in zip(rest[::5], rest[1::5]):
                yield path, file, key, name, value


def _is_site_directory(path: str, prefix: str) -> bool:
    return path.startswith(prefix + os.sep) and path.endswith(
        (f"{os.sep}site-packages", f"{os.sep}dist-packages")
    )


def _is_gone(entry: "PathEntry | None", loss: Loss) -> bool:
    """Return True if a site directory no longer declares an entry point.

    :param entry: the record of the directory now, if `sys.path` still has it.
    """
    if entry is None or is_borrowed(entry.stat_signature):
        return is_missing(os.path.join(loss.path, loss.file))
    return not entry.own_problems() and not any(
        d.problems for d in entry.distributions if d.file == loss.file
    )


def is_missing(path: str) -> bool:
    """Return True if a file does not exist; False if that cannot be determined."""
    try:
        fs.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
