"""Find the index for the current `sys.path`, check that it is fresh, answer from it.

A stale index is updated by `_indexing`, which is imported only then.
"""

import os
import sys

from . import _settings
from ._files import (
    KIND,
    LINK,
    REGULAR,
    fs,
    index_reader,
    is_trusted_directory,
    metadata_names,
    open_directory,
)
from ._index import (
    NO_FROZEN_ENTRIES,
    Index,
    fingerprint,
    index_name,
    paths,
    stat_hashes,
    stat_signature,
)

# By name: pyfakefs imports modules again, and the package keeps the old ones.
from ._settings import get_cache_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import *

# Python's own path finder, frozen or not, and importlib_metadata's, which appears
# after any import of that package, vendored copies included.
_OWN_FINDERS = {
    ("PathFinder", "_frozen_importlib_external"),
    ("PathFinder", "_bootstrap_external"),
    ("MetadataPathFinder", "importlib_metadata"),
}

# A failed load is remembered until this number changes.
generation = 0


# The first character of an absolute path; None if that alone does not decide.
_ROOT = "/" if os.sep == "/" else None


def classify_path(
    path: "list[Any]", here: "str | None"
) -> "tuple[tuple[str, ...], frozenset[int]]":
    """Return the path entries as absolute paths, and the positions of volatile ones.

    An entry that is neither a string nor a path object is skipped. An entry is volatile
    if it is relative, or the current directory, or the directory of a script outside
    the prefix, which Python puts first for this run. A volatile entry is scanned at
    each start and never stored.
    """
    entries: dict[str, None] = {}
    volatile = []
    directories = here, os.environ.get("PWD")
    for place, item in enumerate(path):
        entry: str = item
        if item.__class__ is not str:
            try:
                entry = os.fspath(item)
            except TypeError:
                continue
            if not isinstance(entry, str):
                continue
        if "\0" in entry:
            continue
        # Most entries begin with the root; a call of isabs costs 1,000 instructions.
        # On Windows, "\x" is relative to the current drive, as isabs says from 3.13.
        if entry[:1] != _ROOT and not (
            os.path.isabs(entry) and os.path.splitdrive(entry)[0]
        ):
            if here is None:
                continue
            entry = os.path.join(here, entry) if entry else str(here)
            is_volatile = True
        else:
            # PWD: the program may have changed its directory before this call.
            is_volatile = entry in directories
            if not (is_volatile or place or sys.flags.safe_path):
                is_volatile = _is_script_directory(entry)
        if entry not in entries:
            if is_volatile:
                volatile.append(len(entries))
            entries[entry] = None
    return tuple(entries), frozenset(volatile)


def _is_script_directory(entry: str) -> bool:
    # A directory of console scripts inside the prefix is as stable as the prefix.
    if entry.startswith((sys.prefix + os.sep, sys.base_prefix + os.sep)):
        return False
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(script, str):
        return False
    try:
        status = fs.stat(entry)
        if entry != os.path.dirname(script):
            # Python resolves links in the script's path for sys.path, but not in
            # `__file__`.
            if fs.lstat(script).st_mode & KIND == LINK:
                from ._frozen_index import follow_links  # deferred: few are links

                script = follow_links(script)
            home = fs.stat(os.path.dirname(script))
            if (status.st_dev, status.st_ino) != (home.st_dev, home.st_ino):
                return False
    except (OSError, ValueError):
        return entry == os.path.dirname(script)
    # A zip archive that is run as a script has one stat signature, so it is stable.
    return not script.endswith("__main__.py") or status.st_mode & KIND != REGULAR


def may_contain_distributions(entry: str) -> bool:
    """Return True if a path entry may contain distributions, according to a listing."""
    try:
        return bool(metadata_names(fs.listdir(entry), entry))
    except NotADirectoryError:
        from ._indexing.reading import is_file  # deferred: few are files

        return is_file(entry)  # possibly a zip archive
    except (OSError, ValueError):
        return False


# `sys.meta_path` at the last call of `third_party_finders`, and what that returned.
_last_finders: "tuple[list[Any], list[tuple[int, Any]]]" = [], []


def third_party_finders() -> "list[tuple[int, Any]]":
    """Return the third-party finders of distributions, with their positions."""
    global _last_finders  # noqa: PLW0603
    meta_path, found = _last_finders
    # A program may query a thousand groups, and seldom changes its finders.
    if meta_path == sys.meta_path:
        return found
    found = []
    for place, finder in enumerate(sys.meta_path):
        if hasattr(finder, "find_distributions"):
            kind = finder if isinstance(finder, type) else type(finder)
            if (kind.__name__, kind.__module__.rpartition(".")[2]) not in _OWN_FINDERS:
                found.append((place, finder))
    _last_finders = sys.meta_path[:], found
    return found


def is_fresh(
    index: Index, level: str, frozen_entries: "Mapping[str, str]" = NO_FROZEN_ENTRIES
) -> bool:
    """Return True if the stat signatures of the index equal the current ones.

    The level `full` checks every path entry and one file of every distribution, `dirs`
    the path entries, `none` nothing. Racy signatures are never equal. `frozen_entries`
    maps the path entries that a frozen index answers for, which are not checked here,
    to the mark that an index has in place of their stat signatures. Raises ValueError
    if the index is damaged.
    """
    if level not in _settings.CHECKS_ENTRIES:
        # Not even then if a file was racy or could not be read: without a rescan, the
        # index would stay wrong.
        return index.reliable and not index.racy
    if index.racy or (level in _settings.CHECKS_FILES and not index.reliable):
        return False
    stat, access = fs.stat, fs.access
    try:
        for entry, signature in zip(index.key[1:], index.signatures):
            # access() does not raise if there is no file: a quarter of the cost.
            if entry in frozen_entries:
                if signature != frozen_entries[entry]:
                    return False
            elif signature is None:
                if access(entry, 0):
                    return False
            elif stat_signature(status := stat(entry)) != signature:
                if signature.count(" ") < 4:
                    return False
                from ._content import is_same  # deferred: few file systems need it

                if not is_same(entry, status, signature):
                    return False
    except (OSError, ValueError, TypeError):
        return False
    if level not in _settings.CHECKS_FILES:
        return True
    # Outside the try statement: a damaged watch list must raise ValueError.
    for place, absent, present, expected, by_content in index.watched():
        base = None
        try:
            if place[-1] != ",":
                if place[0] == "-":
                    return False  # no path entry has such a number
                base = open_directory(index.key[int(place) + 1])
            for file in paths(absent):
                if access(file, 0, dir_fd=base):
                    return False
            files = paths(present)
            # A generator: a list of stat results costs 1,300 more instructions each.
            hashes = stat_hashes(stat(file, dir_fd=base) for file in files)
            if by_content:
                from ._content import add_checksums  # deferred: as above

                add_checksums(hashes, by_content, files, base)
            if fingerprint(hashes) != expected:
                return False
        except (OSError, ValueError, TypeError, IndexError):
            return False
        finally:
            if base is not None:
                fs.close(base)
    return True


class Environment:
    """The environment of one `sys.path`: its path entries, index and overlay."""

    asks_finders = True

    def __init__(
        self, entries: "tuple[str, ...]", volatile: "frozenset[int]", level: str
    ) -> None:
        # the other Python whose environment this is, see `_other_environment`
        self.installation: Installation | None = None
        self.entries = entries
        self.volatile = volatile
        # the level at which the index was checked
        self.checked = level
        # the frozen index that was found, even if it answers no query
        self.frozen: FrozenIndex | None = None
        # The path entries that the frozen index answers for, each with the mark that
        # replaces its stat signature where the records are borrowed; and that mark.
        self.frozen_entries = NO_FROZEN_ENTRIES
        self.borrowed: tuple[str, ...] = ()
        if (
            _settings.index_override is not None
            or fs.access(f"{sys.prefix}{os.sep}{_settings.FROZEN}", 0)
            or _settings.get_setting("LAZYPLUG_INDEX")
        ):
            from ._frozen_index import (
                apply_frozen_index,  # deferred: few environments have one
            )

            apply_frozen_index(self)
        self.key: list[str] = [sys.prefix]
        self.key += [e for at, e in enumerate(entries) if at not in self.volatile]
        # the name of the index file, whether or not there is one
        self.file: str = index_name([*self.key, *self.borrowed])
        self.index: Index = self.load_index()
        self._overlay: Overlay | None = None
        for at in self.volatile:
            if may_contain_distributions(entries[at]):
                from ._indexing.overlay import make_overlay  # deferred: few need one

                self._overlay = make_overlay(self, [])
                break

    def load_index(self, distrusted: bytes = b"", scan: bool = False) -> Index:
        """Return the index of this environment, with its file open; else scan.

        A new index is written if `LAZYPLUG_CACHE` allows it. The index file is not used
        with `scan`, or if its header is `distrusted`.
        """
        frozen = self.frozen
        if frozen is not None and frozen.answers_alone:
            return frozen.index
        key = self.key
        mode = _settings.get_choice("LAZYPLUG_CACHE", _settings.MODES)
        directory = None if mode == "off" else get_cache_directory()
        index: Index | None = None
        close: Callable[[], object] = int
        if directory is not None and not scan and is_trusted_directory(directory):
            read, close = index_reader(os.path.join(directory, self.file))
            try:
                index = Index(read, close)
                if index.key != key or index.header == distrusted:
                    index = None
                elif is_fresh(index, self.checked, self.frozen_entries):
                    return index
            except (OSError, ValueError):
                index = None  # damaged: it is replaced
        from ._indexing.update import update  # deferred: only if the index is stale

        return update(self, index, mode, directory, close, scan)

    def read(self, part: "Callable[..., U]", *arguments: str) -> "U":
        """Return `part(index, *arguments)`, a part of the index.

        The index is replaced if it is damaged or its file was replaced.
        """
        index = self.index  # another thread may replace it
        try:
            return part(index, *arguments)
        except ValueError:
            from ._indexing.update import reread  # deferred: only if damaged
        finally:
            index.close()
        return reread(self, index, part, *arguments)

    def overlay(self) -> "Overlay | None":
        """Return the overlay on the index; None if there is none.

        Third-party finders are queried each time: nothing shows when they change.
        """
        finders = self.asks_finders and third_party_finders()
        if not finders:
            return self._overlay
        from ._indexing.overlay import make_overlay  # deferred: few have such finders

        return make_overlay(self, finders)

    def rows(self, group: str) -> "list[Pair]":
        """Return the rows of a group with their owners, including the overlay's."""
        rows = self.read(Index.rows, group)
        overlay = self.overlay()
        return rows if overlay is None else overlay.rows(group, rows)


def _after_fork() -> None:
    import sys  # deferred: this function has no globals

    if getattr(sys.modules.get("_frozen_importlib"), "_module_locks", None):
        from ._fork import give_up_imports  # deferred: only during an import

        give_up_imports()


if hasattr(os, "register_at_fork"):
    # Without the globals of this module: the registration would keep them alive until
    # the process ends, which then costs half a million instructions.
    _Function: "Any" = type(_after_fork)
    os.register_at_fork(
        after_in_child=_Function(_after_fork.__code__, {"__package__": __package__})
    )

memo: "dict[Any, Environment]" = {}
# Set by `_other_environment`: returns the environment that is selected in this thread.
override: "Callable[[], Environment | None] | None" = None
# A program that changes sys.path again and again must not fill the memory.
_MEMO_CAP = 16


def current_directory() -> "str | None":
    """Return the current directory; None if it was removed."""
    try:
        return fs.getcwd()  # type: ignore[no-any-return]
    except OSError:
        return None


def current(level: str = "") -> Environment:
    """Return the environment of the current `sys.path`, checked once per process.

    With `level`, it is checked again if it was checked at another one. In a thread that
    has selected another environment, return that one. If `os` is not a
    module (in a fake file system), importlib.metadata answers each query itself.
    """
    if type(os) is not type(sys) or type(sys.modules["os"]) is not type(sys):
        from ._fallback import fallback  # deferred: only in fake file systems

        replaced = Environment.__new__(Environment)
        replaced.__dict__.update(fallback(third_party_finders()))
        return replaced
    if override is not None:
        selected = override()
        if selected is not None:
            return selected
    here = current_directory()
    key: Any = here, *sys.path
    try:
        environment = memo.get(key)
    except TypeError:
        key = repr(key)  # an item of sys.path is not hashable
        environment = memo.get(key)
    if environment is None or (level and environment.checked != level):
        check_level = level or _settings.get_choice("LAZYPLUG_CHECK", _settings.LEVELS)
        environment = Environment(*classify_path(sys.path, here), check_level)
        if len(memo) >= _MEMO_CAP:
            memo.clear()
        memo[key] = environment
    return environment


def rows(group: str, names: "Collection[str] | None" = None) -> "list[Pair]":
    """Return the rows of a group with their owners, limited to `names` if given.

    At the level `dirs`, one full check is made first if the group or a name is missing.
    """
    environment = current()
    found = environment.rows(group)
    if environment.checked in _settings.CHECKS_MISSING and not (
        found and {row[0] for row, _ in found}.issuperset(names or ())
    ):
        found = current("full").rows(group)
    if names is None:
        return found
    return [pair for pair in found if pair[0][0] in names]


def invalidate_caches() -> None:
    """Forget the environments of this process, so that the next query checks the files.

    Imports no plugin, and changes no manager: see `refresh()`.
    """
    memo.clear()
