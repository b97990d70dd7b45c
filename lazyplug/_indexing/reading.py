"""Read a metadata file: its text, its stat signature, and whether that is reliable.

What cannot be read costs itself, with the reason.
"""

import os

from .._content import is_by_content, is_standard_library, signature
from .._files import KIND, READ_FLAGS, REGULAR, Seam, open_directory
from .._index import stamp
from .metadata import ENTRY_POINTS, headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .records import Distribution

# Stamps younger than this against the clock, in nanoseconds, are not believed:
# another change within the file system's tick would look the same. FAT has the
# coarsest tick in use.
RACY = 2_000_000_000
# Longer than any entry_points.txt or METADATA that was ever released.
_FILE_CAP = 1 << 26
# METADATA begins with its headers; what follows is a README, which may be long.
_HEAD = 1024


def settled(status: os.stat_result, seen: bool, clock: int) -> bool:
    """Is the stamp of this status to be believed, by a clock read before it was taken?

    It is, if the file was last changed clearly before. An mtime in the future is
    believed when it was the same at two looks, so that it was `seen`, and ctime lies
    in the past: any later change would move ctime.

    >>> past = os.stat_result([0] * 10, {"st_mtime_ns": 5, "st_ctime_ns": 5})
    >>> settled(past, False, 5 + RACY), settled(past, False, 6 + RACY)
    (False, True)
    >>> future = os.stat_result([0] * 10, {"st_mtime_ns": 9 * RACY, "st_ctime_ns": 5})
    >>> settled(future, False, 2 * RACY), settled(future, True, 2 * RACY)
    (False, True)
    """
    limit = clock - RACY
    return status.st_ctime_ns < limit and (status.st_mtime_ns < limit or seen)


def read(
    path: str,
    *,
    metadata: bool = False,
    errors: str = "strict",
    base: "int | None" = None,
) -> "tuple[str | None, os.stat_result | None, str]":
    """Return a file's text, its status, and why it has no text.

    The status is taken before the text. All are none if there is no such file. With
    a status, the file's content is at fault; without, the system would not read it,
    which says nothing about the next time. Of `metadata` only the beginning is read
    where that has what `headers` looks for. `errors` is as of bytes.decode, `base` is
    the dir_fd of os.open.
    """
    try:
        descriptor = Seam.open(path, READ_FLAGS, dir_fd=base)
    except FileNotFoundError:
        return None, None, ""  # as most
    except (OSError, ValueError) as error:
        return None, None, reason_of(error)
    status = None
    try:
        status = Seam.fstat(descriptor)
        size = status.st_size
        if status.st_mode & KIND != REGULAR:
            return None, status, "is not a file"
        if size > _FILE_CAP:
            return None, status, f"is too large ({size} bytes)"
        data = b""
        if metadata and size > _HEAD:
            data = Seam.read(descriptor, _HEAD)
            text = data[: data.rfind(b"\n") + 1].decode()
            if all(headers(text)):
                return text, status, ""
        # With one byte more than there should be, one read tells that it was all.
        while chunk := Seam.read(descriptor, max(size - len(data), _HEAD) + 1):
            data += chunk
            if len(data) == size:
                break
        return data.decode(errors=errors), status, ""
    except UnicodeDecodeError as error:
        return None, status, f"is not UTF-8: {error}"
    except OSError as error:
        return None, None, reason_of(error)
    finally:
        Seam.close(descriptor)


def is_file(path: str) -> bool:
    """Return True if this is a file, or a link to one."""
    status = status_of(path)
    return status is not None and status.st_mode & KIND == REGULAR


def reason_of(error: Exception) -> str:
    """Return why the system would not read something; "" if it is not there."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return ""
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def signed(
    path: str,
    status: os.stat_result,
    text: "str | None",
    base: "int | None" = None,
    metadata: bool = False,
) -> "tuple[str, str | None]":
    """Return the signature of a file that was read, and the text that belongs to it."""
    try:
        found = signature(path, status, base)
    except OSError:
        return stamp(status), text  # it was removed, which will be noticed
    if is_by_content(found) and text is not None:
        # The text may be older than the checksum, which would not be noticed.
        text = read(path, metadata=metadata, base=base)[0]
    return found, text


def status_of(path: str) -> "os.stat_result | None":
    try:
        status: os.stat_result = Seam.stat(path)
    except (OSError, ValueError):
        return None
    return status


def find_metadata(
    path: str,
) -> "tuple[str | None, os.stat_result | None, str | None, str]":
    """Return which file is the metadata, its status, its text, why it has no text.

    The first three are None if there is no metadata; for the others see `read`.
    """
    for source in ("METADATA", "PKG-INFO", ""):
        file = path + os.sep + source if source else path
        if not source and not is_file(file):
            continue  # a metadata folder is not itself metadata
        text, status, reason = read(file, metadata=True)
        if status is None and not reason:
            continue
        if not text and source == "METADATA":
            # Empty or unreadable, it is metadata, but what PKG-INFO says counts.
            text = read(path + os.sep + "PKG-INFO")[0] or text
        return source, status, text, reason
    return None, None, None, ""


def signature_now(file: str, base: "int | None" = None) -> "str | None":
    try:
        return signature(file, Seam.stat(file, dir_fd=base), base)
    except (OSError, ValueError):
        return None


def stat_and_sign(path: str) -> "tuple[os.stat_result, str]":
    """Return the status of a path entry, and its signature. Raises OSError, ValueError.

    Call it before anything in it is read.
    """
    status: os.stat_result = Seam.stat(path)
    return status, signature(path, status)


def is_equal(known: "str | None", whole: str, status: os.stat_result) -> bool:
    """Return True if a path entry still has a remembered stat signature.

    `whole` is its signature now; what is remembered may lack the checksum.
    """
    return known in (whole, stamp(status))


def stamp_of_directory(
    path: str, whole: str, status: os.stat_result, has_metadata: bool
) -> str:
    """Return the stat signature to remember of a directory that was listed."""
    if has_metadata or not is_standard_library(path):
        return whole
    return stamp(status)


def base_of(path: str) -> "int | None":
    """Return a descriptor of a directory, to read its files from; None: do without.

    The caller closes it.
    """
    base: int | None = None
    try:
        base = open_directory(path)
        Seam.close(Seam.dup(base))  # the last one is needed for the files
    except OSError:
        if base is not None:
            Seam.close(base)
        return None
    return base


def is_unchanged(path: str, file: str, known: "str | None", base: "int | None") -> bool:
    """Return True if the entry_points.txt of a distribution has this stat signature.

    None: if there still is none. `base` is as for scan_distribution.
    """
    own = (file if base is not None else os.path.join(path, file)) + ENTRY_POINTS
    if known is not None:
        return signature_now(own, base) == known
    try:
        return not Seam.access(own, 0, dir_fd=base)
    except (OSError, ValueError):
        return False


def has_same_metadata(path: str, known: "Distribution") -> bool:
    """Return True if the metadata is the same file, and has not changed."""
    folder = os.path.join(path, known.file)
    for source in ("METADATA", "PKG-INFO"):
        if source == known.source:
            break
        if Seam.access(os.path.join(folder, source), 0):
            return False
    file = os.path.join(folder, known.source) if known.source else folder
    now = signature_now(file)
    # What decided nothing so far was not read.
    return now is not None and now == known.source_stamp
