"""Read a frozen index, which `lazyplug freeze` writes once and the environment ships.

It has the format of an index, without a watch list. Its path entries are named relative
to an anchor, so that it is still valid after the environment was copied. Instead of
stat signatures, it has checksums of the names of the metadata directories in them.
"""

import os
import sys

from . import _files, _index, _settings
from ._index import Index, digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._environment import Environment

PREFIX, BASE, HERE = "{prefix}", "{base}", "{here}"
# The words in the first text of its key: whether it is checked or trusted without a
# check; that it has all groups; whether all plugins are in its own directory (flat).
CHECKED, TRUSTED = "checked", "trusted"
ALL = "all"
SPREAD, FLAT = "spread", "flat"
# Replaces the checksum of the names in an archive, which cannot be listed.
UNLISTED = ""
# Linux follows at most 40 symbolic links.
_MAX_LINKS = 40
# The value of `LAZYPLUG_INDEX` that means: use no frozen index.
OFF = "off"


class FrozenIndex:
    """A frozen index, and the path entries of this environment that it answers for.

    All of it is in memory: the file may be rewritten while this process runs.

    :param label: the path of the file, for messages.
    :param directory: the directory that contains the file.
    :param data: the content of the file.

    Raises ValueError if it is damaged, or not a frozen index.
    """

    def __init__(self, label: str, directory: str, data: bytes) -> None:
        self.label = label
        try:
            index = Index(lambda offset, length: data[offset : offset + length])
        except ValueError as error:
            raise ValueError(_damaged(label)) from error
        about, *anchored = index.key
        self.anchored: list[str] = anchored
        words = about.split(" ")
        # 11 digits of seconds reach beyond the year 5000.
        if words[0] not in (CHECKED, TRUSTED) or not words[-1][:11].isdecimal():
            from . import _messages as messages  # deferred: only on failure

            raise ValueError(messages.NOT_FROZEN.format(file=label))
        if ALL not in words:
            from . import _messages as messages  # deferred: only on failure

            raise ValueError(messages.ONLY_SOME_GROUPS.format(file=label))
        self.index = index
        self.trusted: bool = words[0] == TRUSTED
        self.flat: bool = FLAT in words
        # the time of freezing, in seconds since 1970
        self.since: int = int(words[-1][:11])
        # for each path entry, a checksum of the names of its metadata directories; None
        # if it has none
        self.names: list[str | None] = index.signatures
        index.key = [
            sys.prefix,
            *[expand_anchor(text, directory) for text in self.anchored],
        ]
        # The entries of sys.path that it covers, each with the text that replaces its
        # stat signature in an index that borrows its record.
        self.frozen_entries: dict[str, str] = {}
        self.answers_alone = False

    @property
    def options(self) -> str:
        """The options of `lazyplug freeze` that created it, except paths and facts."""
        trust = " --trust" if self.trusted and not self.flat else ""
        return trust + (" --flat" if self.flat else "")

    def read_facts(self, offset: int, length: int) -> bytes:
        """Read a part of the facts of plugins, which follow the records, if any."""
        start, size, _ = self.index.detail
        return self.index.read(self.index.after_watch + start + size + offset, length)

    def stop_using(self, environment: "Environment") -> None:
        """Stop using this frozen index, which is damaged, and report it."""
        environment.frozen, environment.frozen_entries, environment.borrowed = (
            None,
            _index.NO_FROZEN_ENTRIES,
            (),
        )
        environment.file = _index.index_name(environment.key)
        report_unusable(_damaged(self.label), self.label, self.options)


def apply_frozen_index(environment: "Environment") -> None:
    """Let the frozen index of this process answer for the path entries that it covers.

    Does nothing if there is no frozen index. Path entries that it covers are not
    volatile. It answers alone if no other path entry has metadata, and if its path
    entries with metadata are all on `sys.path`, in the same order.
    """
    frozen = find_frozen_index()
    if frozen is None:
        return
    index, entries = frozen.index, environment.entries
    # sys.path may spell the same path in another way, and in another case on Windows.
    case, norm = os.path.normcase, os.path.normpath
    spellings = {case(norm(entry)): entry for entry in reversed(entries)}
    index.key[1:] = [spellings.get(case(path), path) for path in index.key[1:]]
    checked = not frozen.trusted and environment.checked in _settings.CHECKS_ENTRIES
    # Without the time of freezing, so that it depends on the content alone.
    borrowed = "@" + digest(index.header.partition(b'",')[2])
    frozen_entries = frozen.frozen_entries
    nonempty: list[str] = []  # the path entries with metadata
    for path, names in zip(index.key[1:], frozen.names):
        if names is not None:
            nonempty.append(path)
        if path in entries and not (
            checked and (names == UNLISTED or names != names_checksum(path))
        ):
            frozen_entries[path] = borrowed
    volatile = frozenset(
        at for at in environment.volatile if entries[at] not in frozen_entries
    )
    stable = [path for at, path in enumerate(entries) if at not in volatile]
    root = index.key[1] + os.sep if frozen.flat else "\0"
    # The order of path entries without metadata does not matter.
    answers_alone = [path for path in stable if path in nonempty] == nonempty and all(
        path in frozen_entries
        or (
            path not in nonempty
            and (path.startswith(root) or names_checksum(path) is None)
        )
        for path in stable
    )
    environment.frozen, frozen.answers_alone = frozen, answers_alone
    if answers_alone or not frozen_entries.keys().isdisjoint(nonempty):
        environment.borrowed = (borrowed,)
        environment.frozen_entries, environment.volatile = frozen_entries, volatile
        index.signatures = [frozen_entries.get(path) for path in index.key[1:]]


def find_frozen_index() -> "FrozenIndex | None":
    """Return the frozen index of this process, or None if it has no usable one.

    `LAZYPLUG_INDEX` comes first, then `use_index`, then the file of the environment.
    """
    override = _settings.get_setting("LAZYPLUG_INDEX") or _settings.index_override
    if override == OFF:
        return None
    if isinstance(override, tuple):
        return FrozenIndex(*override)
    path = override or default_path()
    try:
        return open_frozen_index(path)
    except FileNotFoundError as error:
        if override:
            report_unusable(unreadable(path, error), path)
    except OSError as error:
        report_unusable(unreadable(path, error), path)
    except ValueError as error:
        report_unusable(str(error), path)
    return None


def _damaged(path: str) -> str:
    from . import _messages as messages  # deferred: only on failure

    return messages.DAMAGED.format(file=path)


def default_path() -> str:
    """Return the path of the environment's own frozen index, which need not exist."""
    return os.path.join(sys.prefix, _settings.FROZEN)


def open_frozen_index(path: str) -> FrozenIndex:
    """Return the frozen index in a file. Raises OSError, or ValueError with a reason.

    The file of the environment is trusted like the code of the environment. Any other
    file is checked like an index: only the current user or root may be able to write
    it.
    """
    path = os.path.abspath(path)
    check_owner = path != default_path()
    # The user may name a symbolic link: its target is checked.
    file = follow_links(path) if check_owner else path
    read, close = _files.index_reader(file, check_owner)
    try:
        data = read(0, _files.SIZE_CAP)
    except ValueError as error:
        from . import _messages as messages  # deferred: only on failure

        reason = messages.CANNOT_BE.format(done="used", reason=error)
        text = f"{path} {reason}"
        raise ValueError(text) from error
    finally:
        close()
    return FrozenIndex(path, os.path.dirname(path), data)


def follow_links(path: str) -> str:
    """Return the path of the file that a symbolic link leads to, or the path itself.

    Symbolic links among its parent directories stay as they are.
    """
    for _ in range(_MAX_LINKS):
        try:
            path = os.path.join(os.path.dirname(path), _files.fs.readlink(path))
        except (OSError, ValueError):
            break
    return path


def unreadable(path: str, error: OSError) -> str:
    """Return the message that a file or directory cannot be read."""
    from . import _messages as messages  # deferred: only on failure

    reason = messages.CANNOT_BE.format(done="read", reason=error.strerror or error)
    return f"{path} {reason}"


def unusable(reason: str, file: str, options: str = "") -> str:
    """Return the message that a frozen index is not used, and how to write it again."""
    from . import _messages as messages  # deferred: only on failure

    return messages.IGNORING_INDEX.format(reason=reason, options=options, file=file)


def report_unusable(reason: str, file: str, options: str = "") -> None:
    """Report that a frozen index is not used, and how to write it again."""
    from ._log import report_once  # deferred: only on failure

    report_once(unusable(reason, file, options))


def expand_anchor(text: str, directory: str) -> str:
    """Return a path with its anchor, if any, replaced by the directory it means here.

    >>> expand_anchor("{here}/../b", "/srv/a"), expand_anchor("{here}", "/srv/a")
    ('/srv/b', '/srv/a')
    >>> expand_anchor("{here}/b", "/"), expand_anchor("/opt/plugins", "/srv/a")
    ('/b', '/opt/plugins')
    """
    anchors = (PREFIX, sys.prefix), (BASE, sys.base_prefix), (HERE, directory)
    for anchor, root in anchors:
        if text.startswith(anchor):
            whole = root.rstrip(os.sep) + text[len(anchor) :]
            return os.path.normpath(whole or os.sep)
    return text


def names_checksum(path: str) -> "str | None":
    """Return a checksum of the names of the metadata directories in a path entry.

    Return None if it has none or does not exist, and UNLISTED if it cannot be listed.
    """
    try:
        files = _files.fs.listdir(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return UNLISTED  # perhaps an archive
    return metadata_checksum(files, path)


def metadata_checksum(files: "list[str]", directory: str) -> "str | None":
    """Return a checksum of the metadata names in `files`; None if there are none.

    >>> metadata_checksum(["a.py", "an-info", "EGG-INFO"], "/s") is None
    True
    >>> names = ["b-1.dist-info", "a.py", "a-1.egg-info"]
    >>> metadata_checksum(names, "/s") == metadata_checksum(names[::-2], "/t")
    True
    """
    names = sorted(_files.metadata_names(files, directory))
    if not names:
        return None
    return digest("\0".join(names).encode("utf-8", "surrogatepass"))
