"""Find the index for the current `sys.path`, check that it is fresh, answer from it.

What has to be looked at again is left to `_indexing`, which is imported only then.
"""

import os
import sys

from . import _settings
from ._files import (
    IndexFile,
    Seam,
    metadata_names,
    open_directory,
    trusted_folder,
)
from ._index import NOTHING, Index, index_name, numbers, paths, stamp, together
from ._settings import (
    CHECKS_ENTRIES,
    CHECKS_FILES,
    CHECKS_MISSING,
    FROZEN,
    LEVELS,
    MODES,
    cache_folder,
    one_of,
    setting,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import (
        Any,
        Callable,
        Collection,
        Frozen,
        Mapping,
        Overlay,
        Pair,
        U,
    )

# Python's own path finder, frozen or not, and importlib_metadata's, which appears
# after any import of that package, vendored copies included.
_KNOWN = {
    ("PathFinder", "_frozen_importlib_external"),
    ("PathFinder", "_bootstrap_external"),
    ("MetadataPathFinder", "importlib_metadata"),
}

# A failed load is remembered until this number changes.
generation = 0


def forget_failures(new_generation: int) -> None:
    """Let failed loads be tried again."""
    global generation  # noqa: PLW0603
    generation = new_generation


# How an absolute path begins, where that alone tells.
_ROOT = "/" if os.sep == "/" else None


def split_path(
    path: "list[Any]", here: "str | None"
) -> "tuple[tuple[str, ...], frozenset[int]]":
    """Return the path entries as absolute paths, and which of them are volatile.

    What is not a string or a path object is skipped. Volatile is what is
    relative, or the current folder, or the folder of the script that Python put
    first for this run; it is looked at live and never stored.
    """
    entries: dict[str, None] = {}
    volatile = []
    folders = here, os.environ.get("PWD")
    inside = sys.prefix + os.sep, sys.base_prefix + os.sep
    for place, given in enumerate(path):
        entry: str = given
        if given.__class__ is not str:
            try:
                entry = os.fspath(given)
            except TypeError:
                continue
            if not isinstance(entry, str):
                continue
        if "\0" in entry:
            continue
        # Most begin so; a call of isabs costs 1,000 instructions.
        if entry[:1] != _ROOT and not os.path.isabs(entry):
            if here is None:
                continue
            entry = os.path.join(here, entry) if entry else str(here)
            moving = True
        else:
            # PWD: a program may have changed its folder before it asks.
            moving = entry in folders
            # A folder of console scripts inside the prefix is as stable as the prefix.
            if not (moving or place or sys.flags.safe_path or entry.startswith(inside)):
                from ._script_directory import is_script_directory  # deferred: few are

                moving = is_script_directory(entry)
        if entry not in entries:
            if moving:
                volatile.append(len(entries))
            entries[entry] = None
    return tuple(entries), frozenset(volatile)


def declares(entry: str) -> bool:
    """May this volatile path entry hold distributions? One listing tells."""
    try:
        return bool(metadata_names(Seam.listdir(entry), entry))
    except NotADirectoryError:
        from ._indexing.reading import is_file  # deferred: few are files

        return is_file(entry)  # maybe a zip
    except (OSError, ValueError):
        return False


# What sys.meta_path was when it was looked at last, and what was found.
_looked_at: "tuple[list[Any], list[tuple[int, Any]]]" = [], []


def foreign_finders() -> "list[tuple[int, Any]]":
    """Return the finders of distributions that are nobody's we know, with places."""
    global _looked_at  # noqa: PLW0603
    before, found = _looked_at
    # Programs may ask for a thousand groups, and seldom change who finds modules.
    if before == sys.meta_path:
        return found
    found = []
    for place, finder in enumerate(sys.meta_path):
        if hasattr(finder, "find_distributions"):
            kind = finder if isinstance(finder, type) else type(finder)
            if (kind.__name__, kind.__module__.rpartition(".")[2]) not in _KNOWN:
                found.append((place, finder))
    _looked_at = sys.meta_path[:], found
    return found


def still_true(
    index: Index, level: str, covered: "Mapping[str, str]" = NOTHING
) -> bool:
    """Do the stamps of the index equal what is there now?

    `covered` are the path entries that a frozen index covers, with what stands for
    their stamps: they are not looked at here. `full` looks at every path entry and at
    one file of every distribution, `dirs` at the path entries, `none` at nothing.
    Stamps that were too young to be believed when they were taken are never equal.
    Raises ValueError if the index is damaged.
    """
    if level not in CHECKS_ENTRIES:
        # Even so, rescan if something could not be read, or was racy: it would be
        # wrong for good.
        return index.settled and not index.young
    if index.young or (level in CHECKS_FILES and not index.settled):
        return False
    stat, access = Seam.stat, Seam.access
    try:
        for entry, known in zip(index.key[1:], index.stamps):
            # access says no without raising, at a quarter of the price.
            if entry in covered:
                if known != covered[entry]:
                    return False
            elif known is None:
                if access(entry, 0):
                    return False
            elif stamp(status := stat(entry)) != known:
                if known.count(" ") < 4:
                    return False
                from ._content import is_same  # deferred: few file systems need it

                if not is_same(entry, status, known):
                    return False
    except (OSError, ValueError, TypeError):
        return False
    if level not in CHECKS_FILES:
        return True
    # Not inside of what follows: if it is damaged, the index must be replaced.
    for place, absent, present, known, by_content in index.watched():
        base = None
        try:
            if place[-1] != ",":
                base = open_directory(index.key[int(place) + 1])
            for file in paths(absent):
                if access(file, 0, dir_fd=base):
                    return False
            files = paths(present)
            # One after the other: to keep all statuses costs 1,300 instructions each.
            found = numbers(stat(file, dir_fd=base) for file in files)
            if by_content:
                from ._content import add_checksums  # deferred: as above

                add_checksums(found, by_content, files, base)
            if together(found) != known:
                return False
        except (OSError, ValueError, TypeError, IndexError):
            return False
        finally:
            if base is not None:
                Seam.close(base)
    return True


class Snapshot:
    """The environment of one sys.path, as this process sees it."""

    asks_finders = True

    def __init__(
        self, entries: "tuple[str, ...]", volatile: "frozenset[int]", level: str
    ) -> None:
        self.entries = entries
        self.volatile = volatile
        # the level at which the index was found true
        self.checked = level
        # the frozen index that was found, whether it answers or not
        self.frozen: Frozen | None = None
        # The path entries for which it answers, with what stands for their stamps in
        # an index that took its records over; that alone, if there are any.
        self.covered = NOTHING
        self.lent: tuple[str, ...] = ()
        if (
            _settings.index_override is not None
            or Seam.access(f"{sys.prefix}{os.sep}{FROZEN}", 0)
            or setting("LAZYPLUG_INDEX")
        ):
            from ._frozen_index import lay_under  # deferred: few environments have one

            lay_under(self)
        self.key = [sys.prefix]
        self.key += [e for at, e in enumerate(entries) if at not in self.volatile]
        # Of the file that the index has, or would have.
        self.file = index_name([*self.key, *self.lent])
        self.index = self.true_index()
        self._overlay: Overlay | None = None
        for at in self.volatile:
            if declares(entries[at]):
                from ._indexing.overlay import overlaid  # deferred: seldom

                self._overlay = overlaid(self, [])
                break

    def true_index(self, distrusted: bytes = b"", scan: bool = False) -> Index:
        """Return the index of this environment, its file open; or scan, and write it.

        What is read from the file is not believed if its front is the distrusted one.
        """
        frozen = self.frozen
        if frozen is not None and frozen.answers:
            return frozen.index
        key = self.key
        mode = one_of("LAZYPLUG_CACHE", MODES)
        folder = None if mode == "off" else cache_folder()
        index: Index | None = None
        close: Callable[[], object] = int
        if folder is not None and not scan and trusted_folder(folder):
            index_file = IndexFile(os.path.join(folder, self.file))
            close = index_file.close
            try:
                index = Index(index_file.read, close)
                if index.key != key or index.front == distrusted:
                    index = None
                elif still_true(index, self.checked, self.covered):
                    return index
            except (OSError, ValueError):
                index = None  # what follows replaces it
        from ._indexing.update import update  # deferred: something has changed

        return update(self, index, mode, folder, close, scan)

    def read(self, part: "Callable[..., U]", *arguments: str) -> "U":
        """Return a part of the index: what a function of it returns.

        The index is replaced if it is damaged, or its file was replaced.
        """
        index = self.index  # another thread may replace it meanwhile
        try:
            return part(index, *arguments)
        except ValueError:
            from ._indexing.update import read_anew  # deferred: seldom
        finally:
            index.close()
        return read_anew(self, index, part, *arguments)

    def overlay(self) -> "Overlay | None":
        """Return what is laid over the index now, if anything.

        Foreign finders are asked anew each time: nothing tells when they change.
        """
        finders = self.asks_finders and foreign_finders()
        if not finders:
            return self._overlay
        from ._indexing.overlay import overlaid

        return overlaid(self, finders)

    def rows(self, group: str) -> "list[Pair]":
        """Return the rows of a group with their owners, what is live included."""
        rows = self.read(Index.rows, group)
        overlay = self.overlay()
        return rows if overlay is None else overlay.rows(group, rows)


def _after_fork() -> None:
    import sys

    if getattr(sys.modules.get("_frozen_importlib"), "_module_locks", None):
        from ._fork import give_up_imports  # deferred: seldom

        give_up_imports()


if hasattr(os, "register_at_fork"):
    # Without our globals, which would live until the process ends: that costs half a
    # million instructions there.
    _Function: "Any" = type(_after_fork)
    os.register_at_fork(
        after_in_child=_Function(_after_fork.__code__, {"__package__": __package__})
    )

_memo: "dict[Any, Snapshot]" = {}
# Programs that change sys.path again and again must not fill the memory.
_MEMO_CAP = 16


def current_folder() -> "str | None":
    """Return the current folder; None if it was removed."""
    try:
        return Seam.getcwd()  # type: ignore[no-any-return]
    except OSError:
        return None


def current(level: str = "") -> Snapshot:
    """Return the environment of this `sys.path`, checked once a process.

    `level` asks for a check at that level at least. If `os` is not a module (in a fake
    file system), importlib.metadata answers each query anew.
    """
    if type(os) is not type(sys) or type(sys.modules["os"]) is not type(sys):
        from ._fallback import fallback  # deferred: in fake file systems only

        replaced = Snapshot.__new__(Snapshot)
        replaced.__dict__.update(fallback(foreign_finders()))
        return replaced
    here = current_folder()
    key: Any = here, *sys.path
    try:
        snapshot = _memo.get(key)
    except TypeError:
        key = repr(key)  # something on it is neither a path nor hashable
        snapshot = _memo.get(key)
    if snapshot is None or (level and snapshot.checked != level):
        asked = level or one_of("LAZYPLUG_CHECK", LEVELS)
        snapshot = Snapshot(*split_path(sys.path, here), asked)
        if len(_memo) >= _MEMO_CAP:
            _memo.clear()
        _memo[key] = snapshot
    return snapshot


def rows(group: str, names: "Collection[str] | None" = None) -> "list[Pair]":
    """Return the rows of a group, those of some names only, with their owners.

    Where only folders are looked at, all is looked at once before anything is
    said to be missing.
    """
    snapshot = current()
    found = snapshot.rows(group)
    if snapshot.checked in CHECKS_MISSING and not (
        found and {row[0] for row, _ in found}.issuperset(names or ())
    ):
        found = current("full").rows(group)
    if names is None:
        return found
    return [pair for pair in found if pair[0][0] in names]


def invalidate_caches() -> None:
    """Forget what this process has seen: the next question looks at the files."""
    _memo.clear()
