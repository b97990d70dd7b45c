"""Is it still true? Where the index lies, when it is believed, who answers.

Everything that a warm start does with files stands here; what has to be looked
at again is left to `_indexing`, which is imported only then.
"""

import os
import sys
from _thread import get_ident
from time import time_ns

from ._index import (
    MANY,
    Index,
    digest,
    numbers,
    paths,
    stamp,
    together,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any, TypeVar

    from ._frozen_index import Frozen
    from ._index import Pair, Read
    from ._indexing.overlay import Overlay

    T = TypeVar("T")


# What `LAZYPLUG_CHECK` and `LAZYPLUG_CACHE` may be; the first is the default.
LEVELS = ("full", "dirs", "none")
MODES = ("on", "readonly", "off")
# The only access to the system: the interpreter's own system calls, and the clock.
# Functions that a program or a test replaces in `os` are neither called nor remembered.
# Tests of the engine replace these. On Windows some are missing.
_Module: "Any" = type(sys)
_Namespace: "Any" = type(sys.implementation)
Seam = _Namespace()
Seam.__dict__.update(sys.modules[os.name].__dict__, clock=time_ns)
if type(Seam.clock) is not type(Seam.stat):
    # Somebody else's clock: by one that stands at 0, no stat signature is believed.
    Seam.clock = int

# Windows and Emscripten have no user ids: no file there belongs to another user.
HAS_USERS = hasattr(Seam, "geteuid")
# No index of a real environment comes near it: 10,000 distributions take 4 MiB.
SIZE_CAP = 1 << 26
_KIND, _REGULAR, _FOLDER, _LINK = 0o170000, 0o100000, 0o040000, 0o120000
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
# Without O_NONBLOCK a pipe would be waited for.
READ_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
# To look at what is in a folder, it need not be readable.
_HAS_DIR_FD = os.access in os.supports_dir_fd
_FROM = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_CLOEXEC", 0)

# Python's own path finder, frozen or not, and importlib_metadata's, which appears
# after any import of that package, vendored copies included.
_KNOWN = {
    ("PathFinder", "_frozen_importlib_external"),
    ("PathFinder", "_bootstrap_external"),
    ("MetadataPathFinder", "importlib_metadata"),
}

# A failed load is remembered until this number moves; `refresh()` moves it.
generation = 0

# What a frozen index is called where it is found without being named: in sys.prefix.
FROZEN = "lazyplug.index"
# what `use_index` was given, if it was called
given: "Any" = None
# What a frozen index covers where there is none.
NOTHING: "Mapping[str, str]" = {}


def elevated() -> bool:
    """Has this process other rights than who started it, whose environment it has?"""
    return HAS_USERS and (
        Seam.getuid() != Seam.geteuid() or Seam.getgid() != Seam.getegid()
    )


def setting(name: str, default: str = "") -> str:
    """Return an environment variable of ours, unless this run must ignore them.

    They are ignored under `-E` and `-I`, and when the real and the effective
    user or group differ.
    """
    environ: Any = os.environ
    kept = getattr(environ, "_data", None)
    # Most are not set, and by the way of os.environ each of these takes two exceptions:
    # 8,000 instructions.
    if kept is not None and environ.encodekey(name) not in kept:
        return default
    value: str = environ.get(name)
    if not value or sys.flags.ignore_environment or elevated():
        return default
    return value


def one_of(name: str, values: "tuple[str, ...]") -> str:
    """Return a setting that must be one of values; the first is the default."""
    value = setting(name, values[0])
    if value not in values:
        from ._log import report_once

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
    if elevated():
        return None  # HOME is as little to be believed as our own variables
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
        if not os.path.isabs(folder):
            return None  # an older one, and a home that is relative
    return folder


def trusted(status: os.stat_result, kind: int) -> bool:
    """Could nobody but this user, or root, have written what has this status?

    Windows keeps LOCALAPPDATA private by itself; Emscripten has a single user.
    """
    if status.st_mode & _KIND != kind:
        return False
    return not HAS_USERS or (
        status.st_uid in (Seam.geteuid(), 0)
        and (kind == _LINK or not status.st_mode & 0o022)
    )


def trusted_folder(folder: str) -> bool:
    """Is this our cache folder as we made it? Ancestors are not judged.

    A link to it must be of ours or root's: another's leads where they like.
    """
    try:
        status = Seam.lstat(folder)
        if trusted(status, _LINK):
            status = Seam.stat(folder)
        return trusted(status, _FOLDER)
    except (OSError, ValueError):
        return False


def index_file(path: str, judged: bool = True) -> "tuple[Read, Callable[[], None]]":
    """Return how to read an index file, and how to close it.

    It is opened with the first read, judged unless it is to be trusted as it is, and
    after it was closed opened again only if it is still the same file. Raises OSError
    or ValueError.
    """
    # Of each thread its descriptor and the size: what one has closed, another must
    # not read from, nor close again when it is somebody else's.
    files: dict[int, tuple[int, int] | None] = {}
    known = ""
    opened = 0
    whole = b""

    def read(offset: int, length: int) -> bytes:
        nonlocal known, opened, whole
        data: bytes
        if whole:
            return whole[offset : offset + length]
        me = get_ident()
        # Removed while in use: a signal handler that reads meanwhile opens and closes
        # its own descriptor.
        descriptor, size = files.pop(me, None) or (-1, -1)
        if size < 0:
            try:
                descriptor = Seam.open(path, READ_FLAGS | _NOFOLLOW * judged)
            except OSError:
                raise
            except Exception as error:
                raise ValueError("an audit hook refused to open it") from error
        try:
            if size < 0:
                status = Seam.fstat(descriptor)
                if status.st_size > SIZE_CAP or not (
                    trusted(status, _REGULAR)
                    if judged
                    else status.st_mode & _KIND == _REGULAR
                ):
                    raise ValueError(
                        "not a file, or one that others could have written"
                    )
                now = stamp(status)
                if known not in ("", now):
                    raise ValueError("replaced meanwhile")
                known = now
                size = status.st_size
                opened += 1
                if opened == MANY:
                    data = Seam.read(descriptor, size)
                    whole = data
                    return data[offset : offset + length]
            # A damaged length must not allocate that much memory.
            length = min(length, size - offset)
            if hasattr(Seam, "pread"):
                data = Seam.pread(descriptor, length, offset)
            else:
                Seam.lseek(descriptor, offset, 0)
                data = Seam.read(descriptor, length)
            return data
        finally:
            files[me] = descriptor, size

    def close() -> None:
        file = files.pop(get_ident(), None)
        if file is not None:
            Seam.close(file[0])

    return read, close


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
    started = os.environ.get("PWD")
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
        if not os.path.isabs(entry):
            if here is None:
                continue
            entry = os.path.join(here, entry) if entry else str(here)
            moving = True
        else:
            # PWD: a program may have changed its folder before it asks.
            moving = entry in (here, started) or (
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
    try:
        found = Seam.stat(entry)
        if entry != os.path.dirname(script):
            # Python resolves links in the script's path for sys.path, but not in
            # `__file__`.
            if Seam.lstat(script).st_mode & _KIND == _LINK:
                from ._frozen_index import (
                    follow_links,  # deferred: few scripts are links
                )

                script = follow_links(script)
            home = Seam.stat(os.path.dirname(script))
            if (found.st_dev, found.st_ino) != (home.st_dev, home.st_ino):
                return False
    except (OSError, ValueError):
        return entry == os.path.dirname(script)
    # A zip that is run is one file with one stat signature, and stable.
    return not script.endswith("__main__.py") or found.st_mode & _KIND != _REGULAR


def declares(entry: str) -> bool:
    """May this volatile path entry hold distributions? One listing tells."""
    try:
        names = "\0".join(Seam.listdir(entry)).lower() + "\0"
    except NotADirectoryError:
        from ._indexing.scan import (
            is_file,  # deferred: few volatile path entries are files
        )

        return is_file(entry)  # maybe a zip
    except (OSError, ValueError):
        return False
    return (
        ".dist-info\0" in names
        or ".egg-info\0" in names
        or ("egg-info\0" in names and entry.lower().endswith(".egg"))
    )


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


def looked_from(entry: str, *lines: bytes) -> "list[Any]":
    """Return from where files in a path entry are looked at, and these by line.

    Where the system can, that is the folder's descriptor, which is the caller's to
    close: so the kernel need not walk the same path again for each file.
    """
    files = [paths(line) for line in lines]
    if _HAS_DIR_FD:
        return [Seam.open(entry, _FROM), *files]
    root = os.path.join(entry, "")
    return [None, *[[root + os.fsdecode(file) for file in each] for each in files]]


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
    if level == "none":
        # Even so, rescan if something could not be read, or was racy: it would be
        # wrong for good.
        return index.settled and not index.young
    if index.young or (level == "full" and not index.settled):
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
    if level == "dirs":
        return True
    # Not inside of what follows: if it is damaged, the index must be replaced.
    for place, absent, present, known, by_content in index.watched():
        base = None
        try:
            base, absent_files, files = looked_from(
                index.key[place + 1], absent, present
            )
            for file in absent_files:
                if access(file, 0, dir_fd=base):
                    return False
            found = numbers([stat(file, dir_fd=base) for file in files])
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
            given is not None
            or Seam.access(f"{sys.prefix}{os.sep}{FROZEN}", 0)
            or setting("LAZYPLUG_INDEX")
        ):
            from ._frozen_index import lay_under  # deferred: few environments have one

            lay_under(self)
        self.key = [sys.prefix]
        self.key += [e for at, e in enumerate(entries) if at not in self.volatile]
        # Of the file that the index has, or would have.
        self.file = index_name([*self.key, *self.lent])
        if self.frozen is None or self.frozen.groups is None:
            self.index = self.true_index()
        self._overlay: Overlay | None = None
        for at in self.volatile:
            if declares(entries[at]):
                from ._indexing.overlay import (
                    overlaid,  # deferred: something live declares
                )

                self._overlay = overlaid(self, [])
                break

    def true_index(self, distrusted: bytes = b"", scan: bool = False) -> Index:
        """Return the index of this environment, its file open; or scan, and write it.

        What is read from the file is not believed if its front is the distrusted one.
        """
        frozen = self.frozen
        if frozen is not None and frozen.answers_all:
            return frozen.index
        key = self.key
        mode = one_of("LAZYPLUG_CACHE", MODES)
        folder = None if mode == "off" else cache_folder()
        index: Index | None = None
        close: Callable[[], object] = int
        if folder is not None and not scan and trusted_folder(folder):
            read, close = index_file(os.path.join(folder, self.file))
            try:
                index = Index(read, close)
                if index.key != key or index.front == distrusted:
                    index = None
                elif still_true(index, self.checked, self.covered):
                    return index
            except (OSError, ValueError):
                index = None  # what follows replaces it
        from ._indexing.patch import update  # deferred: something has changed

        return update(self, index, mode, folder, close, scan)

    def read(self, part: "Callable[..., T]", *arguments: str) -> "T":
        """Return a part of the index: what a function of it returns.

        The index is replaced if it is damaged, or its file was replaced.
        """
        index = self.index  # another thread may replace it meanwhile
        try:
            return part(index, *arguments)
        except ValueError:
            from ._indexing.patch import read_anew  # deferred: seldom
        finally:
            index.close()
        return read_anew(self, index, part, *arguments)

    def overlay(self) -> "Overlay | None":
        """Return what is laid over the index now, if anything.

        Foreign finders are asked anew each time: nothing tells when they change.
        """
        finders = foreign_finders()
        if not finders:
            return self._overlay
        from ._indexing.overlay import overlaid

        return overlaid(self, finders)

    def rows(self, group: str) -> "list[Pair]":
        """Return the rows of a group with their owners, what is live included."""
        frozen = self.frozen
        if frozen is not None and frozen.groups is not None:
            found = frozen.rows(self, group)
            if found is not None:
                return found
        rows = self.read(Index.rows, group)
        overlay = self.overlay()
        return rows if overlay is None else overlay.rows(group, rows)


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

# A scan that found broken metadata leaves a mark here, for who tells it.
news: "list[str]" = []
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
    if type(os) is not _Module or type(sys.modules["os"]) is not _Module:
        from ._fallback import Fallback  # deferred: in fake file systems only

        return Fallback()
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
    if snapshot.checked == "dirs" and not (
        found and {row[0] for row, _ in found}.issuperset(names or ())
    ):
        found = current("full").rows(group)
    if names is None:
        return found
    return [pair for pair in found if pair[0][0] in names]


def invalidate_caches() -> None:
    """Forget what this process has seen: the next question looks at the files."""
    _memo.clear()
