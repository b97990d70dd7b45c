"""A frozen index: written once by `lazyplug freeze`, shipped, believed where it lies.

It has the form of an index, without what is watched. Its path entries are named from
an anchor, so that it holds wherever the environment is copied to; what stands for their
stamps are checksums of the names of the metadata folders in them.
"""

import os
import sys

from . import _cache
from ._index import Index, digest, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._cache import Snapshot
    from ._index import Pair, Read

PREFIX, BASE, HERE = "{prefix}", "{base}", "{here}"
CHECKED, TRUSTED = "checked", "trusted"
ALL, SOME = "all", "some"
# What `LAZYPLUG_INDEX` may be instead of a path.
OFF = "off"


class Frozen:
    """A frozen index, and what of this environment it answers for.

    :param label: where it lies, for people.
    :param folder: the one that holds it.

    `read` and `close` are as of Index. Raises ValueError if it is no frozen index, or
    damaged.
    """

    def __init__(
        self, label: str, folder: str, read: "Read", close: "Callable[[], object]"
    ) -> None:
        self.label = label
        try:
            self.index = index = Index(read, close)
        except ValueError as error:
            reason = str(error.__cause__)
            if not reason.startswith("not a file"):
                reason = "damaged, or not of this version of lazyplug"
            raise ValueError(f"{label} is {reason}") from error.__cause__
        about, *self.anchored = index.key
        trust, scope, since = [*about.split(" "), "", ""][:3]
        if trust not in (CHECKED, TRUSTED) or not since.isdecimal():
            raise ValueError(f"{label} is an index, but no frozen one")
        self.trusted = trust == TRUSTED
        # when it was frozen, in seconds since 1970
        self.since = int(since)
        # has it some groups only?
        self.some = scope == SOME
        # of each path entry a checksum of the names in it; None: there are none
        self.names = index.stamps
        index.key = [sys.prefix, *[expanded(text, folder) for text in self.anchored]]
        # does it answer alone?
        self.answers = False

    def rows(self, snapshot: "Snapshot", group: str) -> "list[Pair] | None":
        """Return the rows of one of its groups; None: all groups are to be asked."""
        has_it = f"\n[{quote(group)},".encode() in self.index.front
        # With others beside it, all is asked of the index of all groups.
        if not has_it or not self.answers or snapshot.overlay() is not None:
            return None
        try:
            return self.index.rows(group)
        except ValueError:
            self.give_up(snapshot, self.index)
            return None
        finally:
            self.index.close()

    def give_up(self, snapshot: "Snapshot", damaged: Index) -> None:
        """Leave it out from here on if it is what is damaged, and tell so."""
        if damaged is self.index:
            snapshot.frozen, snapshot.covered, snapshot.lent = None, _cache.NOTHING, ()
            snapshot.file = _cache.index_name(snapshot.key)
            refuse(f"{self.label} is damaged")


def _sought_later(snapshot: "Snapshot", name: str) -> "Any":
    # What is an attribute's __getattr__: where there is none of that name yet.
    if name != "index":
        raise AttributeError(name)
    snapshot.index = snapshot.true_index()
    return snapshot.index


def lay_under(snapshot: "Snapshot") -> None:
    """Let the frozen index of this process answer for what it covers, if it has one.

    What it covers is not volatile.
    """
    frozen = found()
    if frozen is None:
        return
    index = frozen.index
    checked = not frozen.trusted and snapshot.checked != "none"
    entries = snapshot.entries
    # The same for the same records, whatever path entries they are of.
    lent = f"@{index.detail[2]}"
    covered = {}
    for path, names in zip(index.key[1:], frozen.names):
        if path in entries and not (checked and names_in(path) != names):
            covered[path] = lent
    volatile = frozenset(at for at in snapshot.volatile if entries[at] not in covered)
    stable = [path for at, path in enumerate(entries) if at not in volatile]
    holding = {path for path, names in zip(index.key[1:], frozen.names) if names}
    # Where nothing is declared the order does not matter.
    answers = all(path in covered for path in stable) and (
        [path for path in stable if path in holding]
        == [path for path in index.key[1:] if path in holding]
    )
    snapshot.frozen, frozen.answers = frozen, answers
    if frozen.some:
        # The index of all groups is sought when it is needed.
        kind: Any = type(snapshot)
        kind = type(kind.__name__, (kind,), {"__getattr__": _sought_later})
        snapshot.__class__ = kind
    elif answers or holding.intersection(covered):
        snapshot.lent = (lent,)
        snapshot.covered, snapshot.volatile = covered, volatile
        index.stamps = [covered.get(path) for path in index.key[1:]]
    if not answers:
        index.close()  # what is asked of it is asked seldom


def found() -> "Frozen | None":
    """Return the frozen index of this process; None if there is none, or no good one.

    It is that of `LAZYPLUG_INDEX`, else that of `use_index`, else that of the
    environment.
    """
    given = _cache.setting("LAZYPLUG_INDEX") or _cache.given
    if given == OFF:
        return None
    if isinstance(given, tuple):
        return Frozen(*given)
    path = given or os.path.join(sys.prefix, _cache.FROZEN)
    try:
        return opened(path)
    except FileNotFoundError as error:
        if given:
            refuse(f"{path}: {error.strerror}")
    except OSError as error:
        refuse(f"{path}: {error.strerror or error}")
    except ValueError as error:
        refuse(str(error))
    return None


def opened(path: str) -> Frozen:
    """Return the frozen index in a file, which is open.

    Raises OSError, or ValueError with a reason. One that lies in the environment is
    trusted as its code is; others are judged as an index is: nobody but this user, or
    root, may be able to write them.
    """
    path = os.path.abspath(path)
    judged = not path.startswith((sys.prefix + os.sep, sys.base_prefix + os.sep))
    # Whoever can write into the environment can write its code; and a link that was
    # named is judged by what it leads to.
    file = os.path.realpath(path) if judged else path
    read, close = _cache.index_file(file, judged)
    try:
        return Frozen(path, os.path.dirname(path), read, close)
    except ValueError as error:
        close()
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise


def refuse(reason: str) -> None:
    """Tell that a frozen index is not used."""
    from ._report import report_once  # deferred: seldom

    report_once(
        f"no frozen index is used: {reason}. Write it again with `lazyplug freeze`, or"
        " set LAZYPLUG_INDEX=off"
    )


def expanded(text: str, folder: str) -> str:
    """Return the path that an anchored one is here.

    >>> expanded("{here}/../b", "/srv/a"), expanded("{here}", "/srv/a")
    ('/srv/b', '/srv/a')
    >>> expanded("/opt/plugins", "/srv/a")
    '/opt/plugins'
    """
    if text.startswith(PREFIX):
        return sys.prefix + text[len(PREFIX) :]
    if text.startswith(BASE):
        return sys.base_prefix + text[len(BASE) :]
    if text.startswith(HERE):
        return os.path.normpath(folder + text[len(HERE) :])
    return text


def names_in(path: str) -> "str | None":
    """Return a checksum of the names of what may be metadata in a folder.

    None if there are none; "" if nobody can tell.
    """
    try:
        files = os.listdir(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return ""  # an archive, maybe
    return checksum_of(files)


def checksum_of(files: "list[str]") -> "str | None":
    """Return a checksum of those of these names that may be of metadata.

    >>> checksum_of(["a.py"]) is None
    True
    >>> checksum_of(["b-1.dist-info", "a.py", "a-1.egg-info"]) == checksum_of(
    ...     ["a-1.egg-info", "b-1.dist-info"]
    ... )
    True
    """
    names = [name for name in files if name[-5:].lower() == "-info"]
    if not names:
        return None
    return digest("\0".join(sorted(names)).encode("utf-8", "surrogatepass"))


def use_index(file: "Any", package: "str | None" = None) -> None:
    """Use a frozen index in this process; with None none, not even the environment's.

    `LAZYPLUG_INDEX` still comes before it. To be called before the first manager is
    made: those that stand stay as they are. No plugin is imported.

    :param file: its path, or with `package` its name in that package, which is
        imported.

    Raises OSError if there is no such file, and ValueError if it is no frozen index,
    is damaged, or could have been written by others.
    """
    given: Any = OFF
    if package is not None:
        from importlib.resources import files  # deferred: 15 ms, where it is asked for

        resource = files(package).joinpath(file)
        data = resource.read_bytes()
        label = os.path.abspath(str(resource))

        def read(offset: int, length: int) -> bytes:
            return data[offset : offset + length]

        given = label, os.path.dirname(label), read, int
        Frozen(*given)
    elif file is not None:
        given = os.path.abspath(file)
        opened(given).index.close()
    _cache.given = given
    _cache.invalidate_caches()
