"""Read a metadata file: its text, its stat signature, and whether that is reliable.

A file that cannot be read is reported with the reason, and affects nothing else.
"""

import os

from .._content import is_by_content, is_standard_library, signature
from .._files import DIRECTORY, KIND, READ_FLAGS, REGULAR, fs, open_directory
from .._index import stat_signature
from .metadata import ENTRY_POINTS, headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .records import Distribution

# Stat signatures that are not older than this, in nanoseconds, are racy, as in git's
# index: another change within the same tick of the file system's clock would give the
# same signature. FAT has the coarsest tick in use, 2 s.
RACY = 2_000_000_000
# Longer than any released entry_points.txt or METADATA.
_FILE_CAP = 1 << 26
# METADATA begins with its headers; a README follows, which may be long.
_HEAD = 1024


def is_reliable(status: os.stat_result, seen: bool, clock: int) -> bool:
    """Return True if the stat signature of this status is reliable, not racy.

    It is reliable if the file was last changed clearly before `clock`, which was read
    before the status was taken. An mtime in the future is reliable if two scans have
    `seen` the same signature and ctime lies in the past: any later change would move
    ctime.

    >>> past = os.stat_result([0] * 10, {"st_mtime_ns": 5, "st_ctime_ns": 5})
    >>> is_reliable(past, False, 5 + RACY), is_reliable(past, False, 6 + RACY)
    (False, True)
    >>> future = os.stat_result([0] * 10, {"st_mtime_ns": 9 * RACY, "st_ctime_ns": 5})
    >>> is_reliable(future, False, 2 * RACY), is_reliable(future, True, 2 * RACY)
    (False, True)
    """
    limit = clock - RACY
    return status.st_ctime_ns < limit and (status.st_mtime_ns < limit or seen)


def read_file(
    path: str,
    *,
    metadata: bool = False,
    errors: str = "strict",
    base: "int | None" = None,
) -> "tuple[str | None, os.stat_result | None, str]":
    """Return a file's text, its status, and the reason if it has no text.

    The status is taken before the text is read. Return (None, None, "") if there is no
    such file. If there is a reason and a status, the content is invalid; if there is a
    reason and no status, the system failed to read the file, and may succeed the next
    time. Of a `metadata` file, only the beginning is read if it has the Name and the
    Version. `errors` is that of bytes.decode, `base` is the dir_fd of os.open.
    """
    try:
        descriptor = fs.open(path, READ_FLAGS, dir_fd=base)
    except FileNotFoundError:
        return None, None, ""  # most have none
    except (OSError, ValueError) as error:
        return None, *_why_not_open(path, base, error)
    status = None
    try:
        status = fs.fstat(descriptor)
        size = status.st_size
        if status.st_mode & KIND != REGULAR:
            from .. import _messages as messages  # deferred: only on failure

            return None, status, cannot_be_read(messages.NOT_A_REGULAR_FILE)
        if size > _FILE_CAP:
            from .. import _messages as messages  # deferred: only on failure

            reason = messages.TOO_LARGE.format(size=size, limit=_FILE_CAP)
            return None, status, cannot_be_read(reason)
        data = b""
        if metadata and size > _HEAD:
            data = fs.read(descriptor, _HEAD)
            text = data[: data.rfind(b"\n") + 1].decode()
            if all(headers(text)):
                return text, status, ""
        # Ask for one byte more than expected: if it does not come, this was all.
        while chunk := fs.read(descriptor, max(size - len(data), _HEAD) + 1):
            data += chunk
            if len(data) == size:
                break
        return data.decode(errors=errors), status, ""
    except UnicodeDecodeError as error:
        from .. import _messages as messages  # deferred: only on failure

        return None, status, messages.NOT_UTF8.format(error=error)
    except OSError as error:
        return None, None, failure_reason(error)
    finally:
        fs.close(descriptor)


def _why_not_open(
    path: str, base: "int | None", error: Exception
) -> "tuple[os.stat_result | None, str]":
    """Return the status of a directory, and why a file could not be opened.

    Windows cannot open a directory, which is no temporary failure.
    """
    try:
        status: os.stat_result = fs.stat(path, dir_fd=base)
    except (OSError, ValueError):
        return None, failure_reason(error)
    if status.st_mode & KIND != DIRECTORY:
        return None, failure_reason(error)
    from .. import _messages as messages  # deferred: only on failure

    return status, cannot_be_read(messages.NOT_A_REGULAR_FILE)


def is_file(path: str) -> bool:
    """Return True if this is a regular file, or a symbolic link to one."""
    status = get_status(path)
    return status is not None and status.st_mode & KIND == REGULAR


def failure_reason(error: Exception) -> str:
    """Return why the system failed to read a file; "" if the file does not exist."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ""
    return cannot_be_read(str(getattr(error, "strerror", None) or error))


def cannot_be_read(reason: str) -> str:
    """Return the reason of a problem: that something cannot be read, and why."""
    try:
        from .. import _messages as messages  # deferred: only on failure
    except (ImportError, OSError):
        return reason  # for the same reason: no descriptor is left, for example
    return messages.CANNOT_BE.format(done="read", reason=reason)


def sign_file(
    path: str,
    status: os.stat_result,
    text: "str | None",
    base: "int | None" = None,
    metadata: bool = False,
) -> "tuple[str, str | None]":
    """Return the signature of a file that was read, and the text to use with it.

    If the signature has a checksum, the file is read again, so that the text is not
    older than the checksum.
    """
    try:
        found = signature(path, status, base)
    except OSError:
        return stat_signature(status), text  # the next check notices the removal
    if is_by_content(found) and text is not None:
        text = read_file(path, metadata=metadata, base=base)[0]
    return found, text


def get_status(path: str) -> "os.stat_result | None":
    try:
        status: os.stat_result = fs.stat(path)
    except (OSError, ValueError):
        return None
    return status


def find_metadata(
    path: str,
) -> "tuple[str | None, os.stat_result | None, str | None, str]":
    """Return the name of the metadata file, its status, its text, and a reason.

    The first three are None if there is no metadata. For the reason see `read_file`.
    """
    for source in ("METADATA", "PKG-INFO", ""):
        file = path + os.sep + source if source else path
        if not source and not is_file(file):
            continue  # a metadata directory is not itself metadata
        text, status, reason = read_file(file, metadata=True)
        if status is None and not reason:
            continue
        if not text and source == "METADATA":
            # An empty or unreadable METADATA is metadata, but PKG-INFO has the headers.
            text = read_file(path + os.sep + "PKG-INFO")[0] or text
        return source, status, text, reason
    return None, None, None, ""


def signature_now(file: str, base: "int | None" = None) -> "str | None":
    try:
        return signature(file, fs.stat(file, dir_fd=base), base)
    except (OSError, ValueError):
        return None


def stat_and_sign(path: str) -> "tuple[os.stat_result, str]":
    """Return the status of a path entry, and its signature. Raises OSError, ValueError.

    Call it before anything in it is read.
    """
    status: os.stat_result = fs.stat(path)
    return status, signature(path, status)


def is_equal(known: "str | None", whole: str, status: os.stat_result) -> bool:
    """Return True if a path entry still has the signature that was remembered.

    `whole` is its current signature. If `known`, the remembered one, has no checksum,
    only the stat signatures are compared.
    """
    return known in (whole, stat_signature(status))


def signature_to_keep(
    path: str, whole: str, status: os.stat_result, has_metadata: bool
) -> str:
    """Return the signature to remember for a directory that was listed."""
    if has_metadata or not is_standard_library(path):
        return whole
    return stat_signature(status)


def base_of(path: str) -> "int | None":
    """Return a descriptor of a directory, to access its files; None if not possible.

    The caller closes it.
    """
    base: int | None = None
    try:
        base = open_directory(path)
        fs.close(fs.dup(base))  # raises if it was the last one: the files need one
    except OSError:
        if base is not None:
            fs.close(base)
        return None
    return base


def is_unchanged(path: str, file: str, known: "str | None", base: "int | None") -> bool:
    """Return True if the entry_points.txt of a distribution has this signature.

    `known` is None if there was no such file: then return True if there still is none.
    `base` is as in scan_distribution.
    """
    own = (file if base is not None else os.path.join(path, file)) + ENTRY_POINTS
    if known is not None:
        return signature_now(own, base) == known
    try:
        return not fs.access(own, 0, dir_fd=base)
    except (OSError, ValueError):
        return False


def has_same_metadata(path: str, known: "Distribution") -> bool:
    """Return True if the metadata is the same file, and has not changed."""
    directory = os.path.join(path, known.file)
    for source in ("METADATA", "PKG-INFO"):
        if source == known.source:
            break
        if fs.access(os.path.join(directory, source), 0):
            return False
    file = os.path.join(directory, known.source) if known.source else directory
    now = signature_now(file)
    # Metadata that decided nothing so far was not read, and has no signature.
    return now is not None and now == known.source_signature
