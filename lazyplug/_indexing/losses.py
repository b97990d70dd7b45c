"""Read and write the losses of an environment: the entry points that it had before.

A file has the losses of one prefix, whatever the `sys.path` and the Python version. It
is advisory: a doubtful one is ignored. docs/index-format.md describes the format.
"""

import os

from .._files import SIZE_CAP, fs, index_reader, is_trusted_directory
from .._index import DECODE_ERRORS, digest, quote, texts
from .._tuples import Named
from .layout import records_text
from .records import Distribution, is_borrowed, to_line
from .storage import LOST_MAX_AGE, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple

    from .._index import Index

    # path, file and key of a distribution; group, name and value of an entry point
    Declared = tuple[str, str, str, str, str, str]
else:
    NamedTuple = Named

# How many losses to keep, the newest ones.
_MAX_LOSSES = 1000
# Longer than the line of any real entry point.
_MAX_LINE = 2000
_TITLE = '["lazyplug lost","1","%s"]'


class Loss(NamedTuple):
    """An entry point that its site directory no longer declares."""

    # when that was noticed, in seconds since 1970
    when: int
    # the site directory, the metadata directory in it, the key of the distribution
    path: str
    file: str
    key: str
    group: str
    name: str
    value: str


def encode(prefix: str, losses: "list[Loss]") -> bytes:
    """Return the content of a file: the newest losses, without those of excessive size.

    >>> decode(encode("/a", [Loss(1, "/a/s", "b-1.dist-info", "b", "g", "n", "m:x")]))
    ('/a', [Loss(when=1, path='/a/s', file='b-1.dist-info', key='b', group='g', \
name='n', value='m:x')])
    """
    newest = sorted(losses, key=lambda loss: (-loss.when, *loss[1:]))
    lines = [to_line([str(loss.when), *loss[1:]]) for loss in newest]
    kept = [line for line in lines if len(line) <= _MAX_LINE][:_MAX_LOSSES]
    body = "\n".join([to_line([prefix]), *kept]).encode()
    return f"{_TITLE % digest(body)}\n".encode() + body


def decode(content: bytes) -> "tuple[str, list[Loss]]":
    """Return the prefix and the losses in a file. Raises ValueError if damaged."""
    title, _, body = content.partition(b"\n")
    if title.decode("ascii", "replace") != _TITLE % digest(body):
        raise ValueError("title")
    try:
        first, *lines = body.decode().split("\n")
        (prefix,) = texts(first)
        losses = []
        for line in lines:
            when, path, file, key, group, name, value = texts(line)
            losses.append(Loss(int(when), path, file, key, group, name, value))
    except DECODE_ERRORS as error:
        raise ValueError("losses") from error
    return prefix, losses


def read_losses(directory: str, name: str, prefix: str, now: int) -> "list[Loss]":
    """Return the losses of a prefix that are not too old; none if in doubt.

    :param directory: the cache directory.
    :param name: the name of the file in it.
    :param now: the time, in seconds since 1970.
    """
    if not is_trusted_directory(directory):
        return []
    read, close = index_reader(os.path.join(directory, name))
    try:
        known, losses = decode(read(0, SIZE_CAP))
    except (OSError, ValueError):
        return []  # most environments have lost nothing
    finally:
        close()
    if known != prefix:
        return []
    return [loss for loss in losses if loss.when > now - LOST_MAX_AGE]


def update_losses(
    directory: str,
    name: str,
    new: "Index",
    gone: "list[Declared]",
    is_declared: "Callable[[str, str], bool]",
    clock: int,
) -> None:
    """Add the losses among the entry points that went; remove those that came back.

    :param directory: the cache directory.
    :param name: the name of the file in it.
    :param new: an index of what is installed now.
    :param is_declared: returns True if the index has this group and name.
    :param clock: the time before anything was read, in nanoseconds.
    """
    prefix, now = new.key[0], clock // 1_000_000_000
    lost = [
        loss for loss in (Loss(now, *found) for found in gone) if _is_gone(new, loss)
    ]
    # Read just before the file is written: another process may have just written it.
    known = read_losses(directory, name, prefix, now)
    losses = {
        loss[3:6]: loss for loss in known if not is_declared(loss.group, loss.name)
    }
    losses.update((loss[3:6], loss) for loss in lost)
    if [*losses.values()] != known:
        store(directory, name, encode(prefix, [*losses.values()]))


def _is_gone(index: "Index", loss: "Loss") -> bool:
    """Return True if a site directory no longer declares an entry point.

    :param index: an index of what is installed now.
    """
    place = index.key.index(loss.path, 1) - 1 if loss.path in index.key[1:] else -1
    if place < 0 or is_borrowed(index.signatures[place]):
        return is_missing(os.path.join(loss.path, loss.file))
    # The records are searched as text: to decode them takes longer than the update.
    block = records_text(index).split('["",')[place + 1]
    own, *lines = block.split("\n")
    if f",{quote(loss.path)}," in own:
        return False  # it could not be listed
    start = f"[{quote(loss.file)},"
    return not any(
        Distribution.read(line).problems for line in lines if line.startswith(start)
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
