"""Read archives on `sys.path`, and open distributions, with importlib_metadata.

No other module imports importlib_metadata, which takes 25 to 35 ms. Where it is not
installed, Python's own importlib.metadata does the same.
"""

import errno
import io
import os
import struct
import zipfile
import zlib

from .._files import READ_FLAGS, fs, metadata_names
from .metadata import headers, leftover_name, normalize, parse, stem
from .reading import cannot_be_read, failure_reason, is_file
from .records import Distribution, fragments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._types import Owner
    from .records import Point, RawProblem

try:
    import importlib_metadata as library
except ImportError:  # installed without dependencies
    import importlib.metadata as library  # type: ignore[no-redef]

# Exceptions that a damaged archive raises on every machine. All others (no memory, no
# descriptors, no codec) may not be raised the next time.
_lzma: "Any" = getattr(zipfile, "lzma", None)
_BadZipFile = zipfile.BadZipFile
_DAMAGE = (
    _BadZipFile,
    getattr(_lzma, "LZMAError", _BadZipFile),
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    KeyError,
    NotImplementedError,
    OverflowError,
    ValueError,
)


# An archive with one distribution, "p", which declares `p = p:p` in the group "g".
_SAMPLE = bytes.fromhex(
    "504b03041400000008000000210093627df90a0000000800000016000000702d312e64697374"
    "2d696e666f2f4d45544144415441f34bcc4db55228e00200504b030414000000080000002100"
    "f9fff6010e0000000c0000001e000000702d312e646973742d696e666f2f656e7472795f706f"
    "696e74732e7478748b4e8fe52a50b05528b02ae00200504b0102140314000000080000002100"
    "93627df90a00000008000000160000000000000000000000800100000000702d312e64697374"
    "2d696e666f2f4d45544144415441504b0102140314000000080000002100f9fff6010e000000"
    "0c0000001e000000000000000000000080013e000000702d312e646973742d696e666f2f656e"
    "7472795f706f696e74732e747874504b0506000000000200020090000000880000000000"
)


class _ArchiveFile(io.RawIOBase):
    """An archive as a file object that reads through `fs`, as zipfile would not."""

    def __init__(self, path: str) -> None:
        self.name = path
        # True if the system failed to read it: zipfile would call the file damaged
        self.failed = False
        self._descriptor: int = fs.open(path, READ_FLAGS)

    def readable(self) -> bool:
        """Return True, for BufferedReader."""
        return True

    def seekable(self) -> bool:
        """Return True, for zipfile."""
        return True

    def readinto(self, buffer: "Any") -> int:
        """Read into a buffer; return the number of bytes."""
        try:
            data: bytes = fs.read(self._descriptor, len(buffer))
        except OSError:
            self.failed = True
            raise
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset; return the position."""
        try:
            position: int = fs.lseek(self._descriptor, offset, whence)
        except OSError as error:
            # A damaged archive contains invalid positions.
            self.failed |= error.errno != errno.EINVAL
            raise
        return position

    def close(self) -> None:
        """Close the descriptor, once."""
        if not self.closed:
            super().close()
            fs.close(self._descriptor)


def _iter_archive(
    path: str, archive: zipfile.ZipFile
) -> "Iterator[library.PathDistribution]":
    # The finder of importlib_metadata keeps the archive open, and treats an archive
    # that it cannot open as empty.
    for child in zipfile.Path(archive).iterdir():
        if metadata_names([child.name], path):
            # importlib_metadata passes it this type, too, whatever its annotations say
            yield library.PathDistribution(child)  # type: ignore[arg-type]


def scan_archive(path: str) -> "tuple[list[Distribution], list[RawProblem], bool]":
    """Return the distributions in a zip or an egg, the problems, and if it was read.

    If the system failed to read it, it may succeed the next time.
    """
    found = []
    problems: list[RawProblem] = []
    was_read = True
    try:
        file = _ArchiveFile(path)
    except OSError as error:
        reason = failure_reason(error)
        if not reason:
            from .. import _messages as messages  # deferred: rare

            reason = messages.REMOVED_MEANWHILE
        return [], [(path, 0, reason)], False
    try:
        with io.BufferedReader(file) as buffer, zipfile.ZipFile(buffer) as archive:
            for dist in _iter_archive(path, archive):
                distribution = _read(path, dist)
                was_read = was_read and distribution.reliable
                if distribution.key:
                    found.append(distribution)
                else:
                    problems += distribution.problems
    except _BadZipFile as error:
        from .. import _messages as messages  # deferred: only on failure

        problems.append((path, 0, f"{messages.NOT_AN_ARCHIVE}: {error}"))
    except Exception as error:  # see _DAMAGE
        was_read = _is_damage(error)
        problems.append((path, 0, cannot_be_read(repr(error))))
    return found, problems, was_read and not file.failed and _reads_the_sample()


def _reads_the_sample() -> bool:
    """Return True if an archive with known content is read correctly.

    Otherwise a test has replaced functions of zipfile, zlib or importlib_metadata, and
    what they return for an archive says nothing about it.
    """
    try:
        file: Any = io.BytesIO(_SAMPLE)
        file.name = "sample.zip"
        with zipfile.ZipFile(file) as archive:
            (only,) = [_read("", dist) for dist in _iter_archive("", archive)]
    except Exception:
        return False
    return only.reliable and (only.key, only.groups) == ("p", ["g"])


def _read(path: str, dist: "library.Distribution") -> Distribution:
    problems: list[RawProblem] = []
    points: list[Point] = []
    was_read = True

    def text_of(*files: str) -> "str | None":
        nonlocal was_read
        for file in files:
            try:
                text = dist.read_text(file)
            except Exception as error:  # see _DAMAGE
                was_read = was_read and _is_damage(error)
                reason = cannot_be_read(repr(error))
                problems.append((path, 0, f"{file} of {_directory(dist)} {reason}"))
                continue
            if text:
                return text
        return None

    text = text_of("entry_points.txt")
    if text:
        points, bad = parse(text, path)
        problems += bad
    metadata = text_of("METADATA", "PKG-INFO")
    name, _ = headers(metadata or "")
    key, key_was_read = _key(dist, name)
    was_read = was_read and key_was_read
    if not key:
        from .. import _messages as messages  # deferred: few have no Name

        problems.append((path, 0, f"{_directory(dist)} {messages.NO_NAME}"))
    # Managers recognize a leftover by the file of its owner, as in directories.
    file = leftover_name(dist)
    if file:
        from .. import _messages as messages  # deferred: few are left behind

        problems.append((path, 0, f"{file} {messages.LEFT_BEHIND}"))
    file = file or name or key
    return Distribution(
        file,
        key,
        reliable=was_read,
        source="METADATA" if metadata is not None else None,
        problems=problems,
        fragments=fragments(file, key, points),
    )


def _is_damage(error: Exception) -> bool:
    """Return True if the archive is damaged, False if the system failed to read it."""
    if isinstance(error, OSError):
        # Offsets in a damaged archive can be invalid.
        return error.errno in (None, errno.EINVAL)
    if type(error) is RuntimeError:
        return "encrypted" in str(error)  # zipfile has no class of its own for it
    # zlib has no class of its own for a lack of memory (Z_MEM_ERROR).
    return isinstance(error, _DAMAGE) and not str(error).startswith("Error -4 ")


def _key(dist: "library.Distribution", name: str) -> "tuple[str, bool]":
    """Return the key of a distribution, and False if the system failed to read it.

    importlib_metadata computes the key, and may read the metadata for it. If that
    fails, the key is derived from the name of the metadata directory.
    """
    leftover = leftover_name(dist)
    if leftover:
        # Its metadata has the same name as the distribution that may have replaced it.
        return normalize(stem(leftover)[0]), True
    try:
        return getattr(dist, "_normalized_name", None) or normalize(name), True
    except Exception as error:
        # Without a Name, Python's own importlib.metadata raises TypeError.
        return normalize(stem(_directory(dist))[0]), not name or _is_damage(error)


def _directory(dist: "library.Distribution") -> str:
    """Return the name of the metadata directory of a distribution in an archive."""
    return str(getattr(dist, "_path", "")).rstrip("/").rpartition("/")[2]


def open_distribution(owner: "Owner") -> "Any":
    """Return the importlib_metadata distribution of an owner.

    A third-party finder's distribution is the object that the finder returned. Return
    None if the archive no longer contains it, or if the finder was in another process.
    """
    key, path, file, _ = owner
    if not isinstance(path, str):
        return path
    if not is_file(path):
        return library.Distribution.at(os.path.join(path, file))
    # The archive stays open: the distribution reads its files on access.
    try:
        archive = zipfile.ZipFile(io.BufferedReader(_ArchiveFile(path)))
    except (OSError, _BadZipFile):
        return None
    for dist in _iter_archive(path, archive):
        if _key(dist, "")[0] == key:
            return dist
    return None
