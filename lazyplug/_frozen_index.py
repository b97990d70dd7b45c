"""A frozen index: written once by `lazyplug freeze`, shipped, believed where it lies.

It has the form of an index, without what is watched. Its path entries are named from
an anchor, so that it holds wherever the environment is copied to; what stands for their
stamps are checksums of the names of the metadata folders in them.
"""

import os
import sys

from . import _files, _index, _settings
from ._index import Index, digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._environment import Snapshot

PREFIX, BASE, HERE = "{prefix}", "{base}", "{here}"
# What it says of itself: is it believed without a look, has it all groups, will all
# that it is of lie in its own folder?
CHECKED, TRUSTED = "checked", "trusted"
ALL = "all"
SPREAD, FLAT = "spread", "flat"
# What stands for the names in an archive: nobody can tell by a listing.
UNLISTED = ""
# As many as Linux follows.
_MOST_LINKS = 40
# What `LAZYPLUG_INDEX` may be instead of a path.
OFF = "off"


class Frozen:
    """A frozen index, and what of this environment it answers for.

    All of it is in memory: it may be written anew while this process runs.

    :param label: where it lies, for people.
    :param folder: the one that holds it.
    :param data: what stands in the file.

    Raises ValueError if it is no frozen index, or damaged.
    """

    def __init__(self, label: str, folder: str, data: bytes) -> None:
        self.label = label
        try:
            index = Index(lambda offset, length: data[offset : offset + length])
        except ValueError as error:
            text = f"{label} is damaged, or not of this version of lazyplug"
            raise ValueError(text) from error
        about, *self.anchored = index.key
        words = about.split(" ")
        # Longer times than these no calendar has.
        if words[0] not in (CHECKED, TRUSTED) or not words[-1][:11].isdecimal():
            raise ValueError(f"{label} is an index, but no frozen one")
        if ALL not in words:
            raise ValueError(f"{label} has some groups only, which is not supported")
        self.index = index
        self.trusted = words[0] == TRUSTED
        self.flat = FLAT in words
        # when it was frozen, in seconds since 1970
        self.since = int(words[-1][:11])
        # of each path entry a checksum of the names in it; None: there are none
        self.names = index.stamps
        index.key = [sys.prefix, *[expanded(text, folder) for text in self.anchored]]
        # What of sys.path it covers, with what stands for stamps where it lends its
        # records; and does it answer alone, whatever is asked?
        self.covered: dict[str, str] = {}
        self.answers = False

    @property
    def options(self) -> str:
        """What `lazyplug freeze` was told, but for the paths."""
        said = " --trust" if self.trusted and not self.flat else ""
        return said + (" --flat" if self.flat else "")

    def give_up(self, snapshot: "Snapshot") -> None:
        """Leave it out from here on, since it is damaged, and tell so."""
        snapshot.frozen, snapshot.covered, snapshot.lent = None, _index.NOTHING, ()
        snapshot.file = _index.index_name(snapshot.key)
        refuse(f"{self.label} is damaged", f"{self.options} --output {self.label}")


def lay_under(snapshot: "Snapshot") -> None:
    """Let the frozen index of this process answer for what it covers, if it has one.

    What it covers is not volatile. It answers alone if nothing that it does not cover
    holds metadata, and what does stands on `sys.path` in its order.
    """
    frozen = found()
    if frozen is None:
        return
    index, entries = frozen.index, snapshot.entries
    # Whatever words sys.path has for the same path.
    spelled = {os.path.normpath(entry): entry for entry in reversed(entries)}
    index.key[1:] = [spelled.get(path, path) for path in index.key[1:]]
    checked = not frozen.trusted and snapshot.checked in _settings.CHECKS_ENTRIES
    # It is the same for the same content, whenever that was frozen.
    lent = "@" + digest(index.front.partition(b'",')[2])
    covered = frozen.covered
    holding: list[str] = []
    for path, names in zip(index.key[1:], frozen.names):
        if names is not None:
            holding.append(path)
        if path in entries and not (
            checked and (names == UNLISTED or names != names_in(path))
        ):
            covered[path] = lent
    volatile = frozenset(at for at in snapshot.volatile if entries[at] not in covered)
    stable = [path for at, path in enumerate(entries) if at not in volatile]
    root = index.key[1] + os.sep if frozen.flat else "\0"
    # Where nothing is declared the order does not matter.
    answers = [path for path in stable if path in holding] == holding and all(
        path in covered
        or (path not in holding and (path.startswith(root) or names_in(path) is None))
        for path in stable
    )
    snapshot.frozen, frozen.answers = frozen, answers
    if answers or not covered.keys().isdisjoint(holding):
        snapshot.lent = (lent,)
        snapshot.covered, snapshot.volatile = covered, volatile
        index.stamps = [covered.get(path) for path in index.key[1:]]


def found() -> "Frozen | None":
    """Return the frozen index of this process; None if there is none, or no good one.

    It is that of `LAZYPLUG_INDEX`, else that of `use_index`, else that of the
    environment.
    """
    given = _settings.setting("LAZYPLUG_INDEX") or _settings.index_override
    if given == OFF:
        return None
    if isinstance(given, tuple):
        return Frozen(*given)
    path = given or own_file()
    try:
        return opened(path)
    except FileNotFoundError as error:
        if given:
            refuse(f"{path}: {error.strerror}", f" --output {path}")
    except OSError as error:
        refuse(f"{path}: {error.strerror or error}", f" --output {path}")
    except ValueError as error:
        refuse(str(error), f" --output {path}")
    return None


def own_file() -> str:
    """Return where the frozen index of the environment lies, if there is one."""
    return os.path.join(sys.prefix, _settings.FROZEN)


def opened(path: str) -> Frozen:
    """Return the frozen index in a file. Raises OSError, or ValueError with a reason.

    That of the environment is trusted as the code beside it is; others are judged as an
    index is: nobody but this user, or root, may be able to write them.
    """
    path = os.path.abspath(path)
    judged = path != own_file()
    # A link that was named is judged by what it leads to.
    file = follow_links(path) if judged else path
    index_file = _files.IndexFile(file, judged)
    try:
        data = index_file.read(0, _files.SIZE_CAP)
    except ValueError as error:
        raise ValueError(f"{path} is {error}") from error
    finally:
        index_file.close()
    return Frozen(path, os.path.dirname(path), data)


def follow_links(path: str) -> str:
    """Return the path of the file that a symbolic link leads to, or the path itself.

    Links among the directories on the way stay as they are.
    """
    for _ in range(_MOST_LINKS):
        try:
            path = os.path.join(os.path.dirname(path), _files.Seam.readlink(path))
        except (OSError, ValueError):
            break
    return path


def refuse(reason: str, options: str) -> None:
    """Tell that a frozen index is not used, and how another one is made."""
    from ._log import report_once  # deferred: seldom

    report_once(
        f"no frozen index is used: {reason}. Write it again with `lazyplug"
        f" freeze{options}`, or set LAZYPLUG_INDEX=off"
    )


def expanded(text: str, folder: str) -> str:
    """Return the path that an anchored one is here.

    >>> expanded("{here}/../b", "/srv/a"), expanded("{here}", "/srv/a")
    ('/srv/b', '/srv/a')
    >>> expanded("{here}/b", "/"), expanded("/opt/plugins", "/srv/a")
    ('/b', '/opt/plugins')
    """
    anchors = (PREFIX, sys.prefix), (BASE, sys.base_prefix), (HERE, folder)
    for anchor, root in anchors:
        if text.startswith(anchor):
            whole = root.rstrip(os.sep) + text[len(anchor) :]
            return os.path.normpath(whole or os.sep)
    return text


def names_in(path: str) -> "str | None":
    """Return a checksum of the names of the metadata folders in a folder.

    None if there are none; UNLISTED if nobody can tell.
    """
    try:
        files = _files.Seam.listdir(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return UNLISTED  # an archive, maybe
    return checksum_of(files, path)


def checksum_of(files: "list[str]", folder: str) -> "str | None":
    """Return a checksum of those of these names that are of metadata in a folder.

    >>> checksum_of(["a.py", "an-info", "EGG-INFO"], "/s") is None
    True
    >>> checksum_of(["b-1.dist-info", "a.py", "a-1.egg-info"], "/s") == checksum_of(
    ...     ["a-1.egg-info", "b-1.dist-info"], "/t"
    ... )
    True
    """
    names = sorted(_files.metadata_names(files, folder))
    if not names:
        return None
    return digest("\0".join(names).encode("utf-8", "surrogatepass"))
