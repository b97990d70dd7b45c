"""Read and write the losses of an environment: the entry points that it had before.

A file has the losses of one prefix, whatever the `sys.path` and the Python version. It
is advisory: a doubtful one is ignored. docs/index-format.md describes the format.
"""

import os

from .._files import SIZE_CAP, IndexFile, is_trusted_directory
from .._index import DECODE_ERRORS, digest, texts
from .._tuples import Named
from .records import to_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    NamedTuple = Named

# How many losses to keep, the newest ones, and for how many seconds.
MAX_LOSSES = 1000
MAX_AGE = 180 * 86400
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
    kept = [line for line in lines if len(line) <= _MAX_LINE][:MAX_LOSSES]
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
    losses_file = IndexFile(os.path.join(directory, name))
    try:
        known, losses = decode(losses_file.read(0, SIZE_CAP))
    except (OSError, ValueError):
        return []  # most environments have lost nothing
    finally:
        losses_file.close()
    if known != prefix:
        return []
    return [loss for loss in losses if loss.when > now - MAX_AGE]
