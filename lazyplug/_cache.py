"""Is it still true? Where the index lies, when it is believed, who answers.

Everything that a warm start does with files stands here; what has to be looked
at again is left to `_update`, which is imported only then.
"""

import os
import sys
from time import time_ns

from ._index import Damaged, Index, digest, stamp, stamps_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ._index import Owner, Row
    from ._live import Overlay
    from ._record import PathEntry, Trouble

    Pair = tuple[Row, Owner]


class Seam:
    """The one way by which stamps and the clock enter: tests put their own here."""

    stat = staticmethod(os.stat)
    fstat = staticmethod(os.fstat)
    clock = staticmethod(time_ns)


# No index of a real environment comes near it: 10,000 distributions take 4 MiB.
SIZE_CAP = 1 << 26
_REGULAR, _FOLDER = 0o100000, 0o040000
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_LEVELS = ("full", "dirs", "none")
_MODES = ("on", "readonly", "off")

# A failed load is remembered until this number moves; `refresh()` moves it.
generation = 0


def setting(name: str, default: str = "") -> str:
    """Return an environment variable of ours, unless this run must ignore them.

    They are ignored under `-E` and `-I`, and when the real and the effective
    user differ.
    """
    if sys.flags.ignore_environment or (
        os.name == "posix" and os.getuid() != os.geteuid()
    ):
        return default
    return os.environ.get(name) or default


def choice(name: str, values: "tuple[str, ...]") -> str:
    """Return a setting that must be one of values; the first is the default."""
    value = setting(name, values[0])
    if value not in values:
        from ._report import report_once

        report_once(
            f"{name}={value!r} is not understood and was taken as {values[0]!r}; "
            f"it may be one of: {', '.join(values)}"
        )
        return values[0]
    return value


def plain_folder(platform: str, environ: "Mapping[str, str]") -> "str | None":
    """Return the cache folder where it is plain to see; None: ask platformdirs.

    >>> plain_folder("linux", {"HOME": "/home/me"})
    '/home/me/.cache/lazyplug'
    >>> plain_folder("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/var/tmp/me"})
    '/var/tmp/me/lazyplug'
    >>> plain_folder("linux", {"HOME": "relative"}) is None
    True
    """
    if platform == "win32":
        base = environ.get("LOCALAPPDATA", "")
        if base[1:3] == ":\\" and "WIN_PD_OVERRIDE_LOCAL_APPDATA" not in environ:
            return os.path.normpath(base) + "\\lazyplug\\Cache"
        return None
    home, base = environ.get("HOME", ""), environ.get("XDG_CACHE_HOME", "")
    if platform == "linux" and "ANDROID_DATA" not in environ:
        if base[:1] == "/":
            return os.path.join(base, "lazyplug")
        if not base and home[:1] == "/":
            return home.rstrip("/") + "/.cache/lazyplug"
    elif platform == "darwin" and not base and home[:1] == "/":
        return home.rstrip("/") + "/Library/Caches/lazyplug"
    return None


def cache_folder() -> "str | None":
    """Return the folder in which indexes are kept; None: there is no place.

    It is `LAZYPLUG_CACHE_DIR`, or the user's cache folder as platformdirs has it.
    """
    explicit = setting("LAZYPLUG_CACHE_DIR")
    if explicit:
        return os.path.abspath(os.path.expanduser(explicit))
    folder = plain_folder(sys.platform, os.environ)
    if folder is None:
        from platformdirs import PlatformDirs  # deferred: 15 ms, for unusual homes

        try:
            folder = PlatformDirs("lazyplug", appauthor=False).user_cache_dir
        except (RuntimeError, OSError, KeyError, ValueError):
            return None  # platformdirs found no home either
    return folder


def trusted(status: os.stat_result, kind: int) -> bool:
    """Could nobody but this user, or root, have written what has this status?

    Windows keeps others out of LOCALAPPDATA by itself.
    """
    if status.st_mode & 0o170000 != kind:
        return False
    return os.name == "nt" or (
        status.st_uid in (os.geteuid(), 0) and not status.st_mode & 0o022
    )


def trusted_folder(folder: str) -> bool:
    """Is this our cache folder as we made it? Ancestors are not judged."""
    try:
        return trusted(os.stat(folder), _FOLDER)
    except (OSError, ValueError):
        return False


class IndexFile:
    """The bytes of an index file; opened again only if still the same file."""

    __slots__ = ("_descriptor", "_path", "_size", "_stamp")

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp = ""
        self._descriptor = -1

    def _open(self) -> None:
        self._descriptor = os.open(self._path, _FLAGS)
        status = os.fstat(self._descriptor)
        if not trusted(status, _REGULAR) or status.st_size > SIZE_CAP:
            raise Damaged("an index that others could have written, or no file")
        self._size = status.st_size
        now = stamp(status)
        if self._stamp not in ("", now):
            raise Damaged("the index was replaced meanwhile")
        self._stamp = now

    def read(self, offset: int, length: int) -> bytes:
        if self._descriptor < 0:
            self._open()
        # A damaged length must not ask for the memory that it names.
        length = min(length, self._size - offset)
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, offset)
        os.lseek(self._descriptor, offset, os.SEEK_SET)
        return os.read(self._descriptor, length)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    __del__ = close


def split_path(
    path: "list[Any]", here: "str | None"
) -> "tuple[tuple[str, ...], frozenset[int]]":
    """Return the path entries as absolute paths, and which of them are volatile.

    What is not a string or a path object is skipped. Volatile is what is
    relative, or the current folder, or the folder of the script that Python put
    first for this run; it is looked at live and never stored.
    """
    entries: list[str] = []
    volatile = []
    for place, entry in enumerate(path):
        if entry.__class__ is not str:
            try:
                entry = os.fspath(entry)
            except TypeError:
                continue
            if not isinstance(entry, str):
                continue
        if "\0" in entry:
            continue
        if not os.path.isabs(entry):
            if here is None:
                continue
            entry = os.path.join(here, entry) if entry else here
            moving = True
        else:
            moving = entry == here or (
                place == 0 and not sys.flags.safe_path and _is_script_folder(entry)
            )
        if entry not in entries:
            if moving:
                volatile.append(len(entries))
            entries.append(entry)
    return tuple(entries), frozenset(volatile)


def _is_script_folder(entry: str) -> bool:
    # A folder of console scripts inside the prefix is as stable as the prefix.
    if entry.startswith((sys.prefix + os.sep, sys.base_prefix + os.sep)):
        return False
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(script, str):
        return False
    # Python resolves the links of the script's path, but only in sys.path.
    return entry in (
        os.path.dirname(script),
        os.path.dirname(os.path.realpath(script)),
    )


def declares(entry: str) -> bool:
    """May this volatile path entry hold distributions? One listing tells."""
    try:
        names = "\0".join(os.listdir(entry)).lower() + "\0"
    except NotADirectoryError:
        return os.path.isfile(entry)  # maybe a zip
    except (OSError, ValueError):
        return False
    return (
        ".dist-info\0" in names
        or ".egg-info\0" in names
        or ("egg-info\0" in names and entry.lower().endswith(".egg"))
    )


def foreign_finders() -> "list[tuple[int, Any]]":
    """Return the finders of distributions that are nobody's we know, with places.

    Known are Python's own path finder and importlib_metadata's, which appears
    after any import of that package, vendored copies included.
    """
    found = []
    for place, finder in enumerate(sys.meta_path):
        if getattr(finder, "find_distributions", None) is not None:
            kind = finder if isinstance(finder, type) else type(finder)
            if kind.__name__ == "PathFinder" and kind.__module__ in (
                "_frozen_importlib_external",
                "importlib._bootstrap_external",
            ):
                continue
            if (
                kind.__name__ == "MetadataPathFinder"
                and kind.__module__.rpartition(".")[2] == "importlib_metadata"
            ):
                continue
            found.append((place, finder))
    return found


def still_true(index: Index, level: str) -> bool:
    """Do the stamps of the index equal what is there now?

    `full` looks at every path entry and at one file of every distribution,
    `dirs` at the path entries, `none` at nothing. Stamps that were too young to
    be believed when they were taken are never equal.
    """
    if level == "none":
        return True
    if not index.settled[level == "full"]:
        return False
    stat, access = Seam.stat, os.access
    try:
        for entry, known in zip(index.key[1:], index.stamps):
            # access says no without raising, at a quarter of the price.
            if known is None:
                if access(entry, 0):
                    return False
            elif stamp(stat(entry)) != known:
                return False
        if level == "dirs":
            return True
        present, absent, known = index.watched()
        for file in absent:
            if access(file, 0):
                return False
        return stamps_line([stamp(stat(file)) for file in present]) == known
    except (OSError, ValueError, TypeError):
        return False


class Snapshot:
    """The environment of one sys.path, as this process sees it."""

    __slots__ = (
        "_file",
        "_overlay",
        "checked",
        "entries",
        "index",
        "place",
        "volatile",
    )

    def __init__(
        self,
        entries: "tuple[str, ...]",
        volatile: "frozenset[int]",
        level: str,
    ) -> None:
        self.entries = entries
        self.volatile = volatile
        self.checked = level
        key = [sys.prefix]
        key += [e for at, e in enumerate(entries) if at not in volatile]
        mode = choice("LAZYPLUG_CACHE", _MODES)
        folder = None if mode == "off" else cache_folder()
        # where the index of this key lies; "" if nothing may be read
        self.place = ""
        self._file: IndexFile | None = None
        index: Index | None = None
        if folder is not None and trusted_folder(folder):
            self.place = os.path.join(folder, index_name(key))
            index = self._believed(key)
        if index is None or not still_true(index, level):
            from ._update import update  # deferred: something has changed

            index = update(key, index, level, mode, folder)
            self.close()
        self.index = index
        self._overlay: Overlay | None = None
        moving = [entries[at] for at in sorted(volatile)]
        if any(map(declares, moving)):
            self._overlay = self._overlaid([])

    def _believed(self, key: "list[str]") -> "Index | None":
        self._file = IndexFile(self.place)
        try:
            index = Index(self._file.read)
            if index.key == key:
                return index
        except (Damaged, OSError, ValueError):
            pass  # the update that follows replaces it
        self.close()
        return None

    def _overlaid(self, finders: "list[tuple[int, Any]]") -> "Overlay":
        from ._live import Overlay  # deferred: a volatile folder or a finder declares

        return Overlay(self.entries, self.volatile, self.index, finders)

    def _current_overlay(self) -> "Overlay | None":
        # Foreign finders are asked anew each time: nothing tells when they change.
        finders = foreign_finders()
        return self._overlaid(finders) if finders else self._overlay

    def close(self) -> None:
        """Close the file of the index; it is opened again when it is needed."""
        if self._file is not None:
            self._file.close()

    def rows(self, group: str) -> "list[Pair]":
        """Return the rows of a group with their owners; shadowed ones are left out.

        Asks the finders of distributions that are foreign to Python, live.
        """
        try:
            rows = self.index.rows(group)
        except Damaged:
            self.mend()
            return self.rows(group)
        finally:
            self.close()
        overlay = self._current_overlay()
        if overlay is not None:
            return overlay.rows(group, rows)
        return [pair for pair in rows if not pair[1][6]]

    def everything(self) -> "dict[str, list[Pair]]":
        """Return the rows of all groups that have any, shadowed ones left out."""
        from ._record import by_group  # deferred: few programs ask for everything

        grouped = by_group(self._records())
        overlay = self._current_overlay()
        names = set(grouped)
        if overlay is not None:
            names |= overlay.groups()
        found = {}
        for name in sorted(names):
            owners, rows = grouped.get(name, ((), ()))
            pairs = [(tuple(row[:5]), owners[row[5]]) for row in rows]
            if overlay is not None:
                pairs = overlay.rows(name, pairs)
            else:
                pairs = [pair for pair in pairs if not pair[1][6]]
            if pairs:
                found[name] = pairs
        return found

    def _records(self) -> "list[PathEntry]":
        from ._record import decode  # deferred: few programs ask for everything

        try:
            return decode(self.index)
        except Damaged:
            self.mend()
            return decode(self.index)
        finally:
            self.close()

    def problems(self) -> "list[Trouble]":
        """Return what is wrong with the metadata, in the order of `sys.path`."""
        found = [
            problem
            for entry in self._records()
            for problem in (
                *entry.problems,
                *(p for d in entry.distributions for p in d.problems),
            )
        ]
        overlay = self._current_overlay()
        return found if overlay is None else found + overlay.problems

    def distributions(self) -> "dict[str, str]":
        """Return "name version" of each distribution in folders, and where it lies."""
        return {
            f"{d.name} {d.version}": os.path.join(entry.path, d.file)
            for entry in self._records()
            for d in entry.distributions
            if not entry.archive
        }

    def mend(self) -> None:
        """Scan everything: the index is damaged where it was read, or gone."""
        from ._update import update  # deferred: a fault

        mode = choice("LAZYPLUG_CACHE", _MODES)
        folder = None if mode == "off" else cache_folder()
        self.close()
        self.index = update(self.index.key, None, "full", mode, folder)
        if self._overlay is not None:
            self._overlay = self._overlaid([])


def index_name(key: "list[str]") -> str:
    """Return the name of the file for a key: the prefix's hash, the key's hash.

    >>> one, two = index_name(["/usr", "/a"]), index_name(["/usr", "/b"])
    >>> one[:16] == two[:16], one == two, one[-5:]
    (True, False, '.json')
    """
    # surrogatepass: a path may hold what no encoding can say
    whole = "\0".join(key).encode("utf-8", "surrogatepass")
    prefix = key[0].encode("utf-8", "surrogatepass")
    return f"{digest(prefix)}-{digest(whole)}.json"


_memo: "dict[Any, Snapshot]" = {}
# Programs that change sys.path again and again must not fill the memory.
_MEMO_CAP = 16


def current(level: str = "") -> Snapshot:
    """Return the environment of this `sys.path`, checked once a process.

    `level` asks for a check at that level at least.
    """
    try:
        here: str | None = os.getcwd()
    except OSError:
        here = None  # the current folder was removed
    entries, volatile = split_path(sys.path, here)
    key = entries, volatile
    snapshot = _memo.get(key)
    if snapshot is None or (level and snapshot.checked != level):
        asked = level or choice("LAZYPLUG_CHECK", _LEVELS)
        snapshot = Snapshot(entries, volatile, asked)
        if len(_memo) >= _MEMO_CAP:
            _memo.clear()
        _memo[key] = snapshot
    return snapshot


def invalidate_caches() -> None:
    """Forget what this process has seen: the next question looks at the files."""
    _memo.clear()
