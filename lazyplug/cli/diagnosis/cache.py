"""Check that the cache directory can be used: write to it."""

import os

from ... import _environment, _files
from ..._indexing.cache_directory import open_cache_directory
from ..._indexing.storage import SUFFIX, list_files, write
from ..._printable import counted
from ..._settings import MODES, get_cache_directory, get_setting
from ..verifying import damages, is_of_other_version
from .directory import (
    existing,
    fields_of,
    fields_of_mount,
    no_directory,
    not_readable,
    not_trusted,
    not_writable,
)
from .findings import Finding, finding, passed
from .mounts import mount_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# The name of an index that no environment has: if this process is killed, the next one
# that writes removes the file.
_PROBE = f"{'0' * 16}-{'0' * 16}{SUFFIX}"
_LEAST_SIZE = 4096


def check_cache() -> "Iterator[Finding]":
    """Yield what is found about the cache directory. Writes a file, and removes it."""
    directory = get_cache_directory()
    if directory is None:
        yield no_directory()
        return
    given = get_setting("LAZYPLUG_CACHE_DIR")
    if given and not os.path.isabs(os.path.expanduser(given)):
        yield finding(
            "cache-dir-relative",
            f"LAZYPLUG_CACHE_DIR={given} is relative, so each current directory has a"
            " cache of its own",
            variable="LAZYPLUG_CACHE_DIR",
            path=directory,
        )
    mode = get_setting("LAZYPLUG_CACHE")
    # Another value is not valid, and counts as the default.
    may_write = mode not in MODES[1:]
    if os.path.lexists(directory) and not _files.is_trusted_directory(directory):
        yield not_trusted(directory)
        return
    fault = _try_to_write(directory) if may_write else None
    if not may_write:
        text = f"nothing is written: LAZYPLUG_CACHE={mode}"
        yield finding("cache-not-written", text, variable="LAZYPLUG_CACHE")
    if fault is not None:
        yield fault
    if os.path.lexists(directory):
        yield from _check_files(directory, may_write and fault is None)
    elif fault is None:
        text = f"{directory} does not exist"
        yield passed("cache", text, **fields_of(directory))


def check_file_systems() -> "Iterator[Finding]":
    """Yield the file systems of the cache directory, and of all distributions."""
    directory = get_cache_directory()
    places = [] if directory is None else [("the cache directory", directory)]
    places += [
        (entry, entry)
        for entry in _environment.current("full").entries
        if _environment.may_contain_distributions(entry)
    ]
    for what, path in places:
        place = existing(path)
        mount = mount_of(place)
        if mount is None or not os.path.isdir(place):
            continue
        fields = {"path": path, **fields_of_mount(mount)}
        text = f"{what} is on {mount}"
        if mount.is_network:
            yield finding("network-file-system", text, **fields)
        elif mount.is_in_memory and path == directory:
            yield finding("cache-in-memory", text, **fields)
        else:
            yield passed("file systems", text, **fields)


def _check_files(directory: str, is_writable: bool) -> "Iterator[Finding]":
    fields = fields_of(directory)
    try:
        files = list_files(directory)
    except OSError as error:
        yield not_readable(directory, error)
        return
    damaged_count = 0
    for file in files:
        if file.endswith(".tmp") or is_of_other_version(file):
            continue
        try:
            damaged_count += bool(damages(file))
        except FileNotFoundError:
            continue  # another process has pruned it
    count = counted(len(files), "file")
    if damaged_count:
        text = f"{damaged_count} of {count} damaged, to be rewritten when needed"
        yield finding("cache-damaged", text, path=directory)
    can = "can be written, and has" if is_writable else "has"
    yield passed("cache", f"{directory} {can} {count}", **fields)


def _try_to_write(directory: str) -> "Finding | None":
    """Write a file of the size of the index, and remove it; return why that fails."""
    size = _LEAST_SIZE
    try:
        size = max(size, _environment.current("full").read(_size_of))
        with open_cache_directory(directory) as cache:
            try:
                write(cache, _PROBE, b"\n" * size)
            finally:
                if cache.has(_PROBE):
                    cache.unlink(_PROBE)
    except OSError as error:
        found = not_writable(directory, error, size)
        frozen = _environment.current("full").frozen
        if frozen is not None and frozen.answers_alone:
            return finding("cache-not-needed", found.message, **found.fields)
        text = f"{found.message}; without a fresh index there, each start scans again"
        return found._replace(message=text)
    return None


def _size_of(index: "Any") -> int:
    offset, length, _ = index.detail
    return int(index.after_watch + offset + length)
