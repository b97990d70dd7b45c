"""Check that the cache directory can be used: write to it, and explain a failure."""

import errno
import os
import stat
import sys

from ... import _environment, _files
from ... import _messages as messages
from ..._files import has_elevated_privileges
from ..._frozen_index import unreadable
from ..._indexing.cache_directory import open_cache_directory
from ..._indexing.storage import SUFFIX, list_files, write
from ..._printable import counted
from ..._settings import MODES, get_cache_directory, get_setting
from ..output import reason_of
from ..verifying import damages, is_of_other_version
from .findings import SET_CACHE_DIR, Finding, finding, passed
from .mounts import mount_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .mounts import Mount

    # the cause, what happened, and what to do
    Fault = tuple[str, str, str]

# The name of an index that no environment has: if this process is killed, the next one
# that writes removes the file.
_PROBE = f"{'0' * 16}-{'0' * 16}{SUFFIX}"
_LEAST_SIZE = 4096


def check_cache() -> "Iterator[Finding]":
    """Yield what is found about the cache directory. Writes a file, and removes it."""
    directory = get_cache_directory()
    if directory is None:
        yield _no_directory()
        return
    variable, source = _source(directory)
    given = get_setting("LAZYPLUG_CACHE_DIR")
    if given and not os.path.isabs(os.path.expanduser(given)):
        yield finding(
            "cache-dir-relative",
            f"LAZYPLUG_CACHE_DIR={given} is relative, so each current directory has a"
            " cache of its own",
            variable="LAZYPLUG_CACHE_DIR",
            path=directory,
        )
    fields: dict[str, Any] = {"path": directory, "variable": variable}
    mode = get_setting("LAZYPLUG_CACHE")
    # Another value is not valid, and counts as the default.
    may_write = mode not in MODES[1:]
    if os.path.lexists(directory) and not _files.is_trusted_directory(directory):
        _, reason, advice = _explain_owner(directory, is_refused=True)
        text = f"{directory} is not used: {reason}{source}"
        yield finding("cache-not-trusted", text, advice, **fields)
        return
    fault = _write_fault(directory) if may_write else None
    if not may_write:
        text = f"nothing is written: LAZYPLUG_CACHE={mode}"
        yield finding("cache-not-written", text, variable="LAZYPLUG_CACHE")
    if fault is not None:
        yield _not_writable(directory, fault, source, fields)
    if os.path.lexists(directory):
        yield from _check_files(directory, fields, may_write and fault is None)
    elif fault is None:
        yield passed("cache", f"{directory} does not exist", **fields)


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
        mount = mount_of(existing(path))
        if mount is None:
            continue
        fields = {"path": path, **_fields_of(mount)}
        text = f"{what} is on {mount}"
        if mount.is_network:
            yield finding("network-file-system", text, **fields)
        elif mount.is_in_memory and path == directory:
            yield finding("cache-in-memory", text, **fields)
        else:
            yield passed("file systems", text, **fields)


def existing(path: str) -> str:
    """Return the path, or the nearest directory above it that can be seen."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def _check_files(
    directory: str, fields: "dict[str, Any]", is_writable: bool
) -> "Iterator[Finding]":
    try:
        files = list_files(directory)
    except OSError as error:
        yield finding("cache-not-readable", unreadable(directory, error), **fields)
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


def _source(directory: str) -> "tuple[str | None, str]":
    """Return the variable that the cache directory comes from, and a text about it."""
    names = ["LAZYPLUG_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"]
    for name in names:
        value = os.environ.get(name, "")
        if name == names[0]:
            value = get_setting(name)
            if value:
                return name, f" (from {name})"
        elif value and directory.startswith(value):
            absent = "" if os.path.lexists(value) else ", which does not exist"
            return name, f" (from {name}={value}{absent})"
    return None, ""


def _no_directory() -> Finding:
    """Return why there is no cache directory."""
    code, home = "no-cache-directory", os.environ.get("HOME", "")
    if has_elevated_privileges():
        text = messages.NO_CACHE_FOR_ANOTHER_USER
        return finding(code, text, "Run the program as one user.")
    reason = f"HOME={home} is not an absolute path" if home else "HOME is not set"
    text = f"there is no cache directory: {reason}, and {_me()} has no home directory"
    return finding(code, text, variable="HOME")


def _write_fault(directory: str) -> "Fault | None":
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
        return _explain(error, directory, size)
    return None


def _size_of(index: "Any") -> int:
    offset, length, _ = index.detail
    return int(index.after_watch + offset + length)


def _not_writable(
    directory: str, fault: "Fault", source: str, fields: "dict[str, Any]"
) -> Finding:
    cause, reason, advice = fault
    done = "written" if os.path.lexists(directory) else "created"
    reason = messages.CANNOT_BE.format(done=done, reason=reason)
    text = f"{directory} {reason}{source}"
    mount = mount_of(existing(directory))
    fields = {**fields, "cause": cause, **(_fields_of(mount) if mount else {})}
    frozen = _environment.current("full").frozen
    if frozen is not None and frozen.answers_alone:
        return finding("cache-not-needed", text, **fields)
    text = f"{text}; each start scans again"
    return finding("cache-not-writable", text, advice, **fields)


def _fields_of(mount: "Mount") -> "dict[str, Any]":
    return {"mount": mount.directory, "file_system": mount.kind}


def _explain(error: OSError, directory: str, size: int) -> "Fault":
    """Return why a cache directory cannot be written, and what to do."""
    named = error.filename
    # A name without a directory is that of a file in a directory that was opened.
    is_whole = isinstance(named, str) and os.path.isabs(named)
    place = existing(named if is_whole else directory)
    mount = mount_of(place)
    where = f"the file system {mount}" if mount else f"the file system of {place}"
    if error.errno == errno.EROFS:
        advice = f"{SET_CACHE_DIR[:-1]}, or run `lazyplug freeze` before it is mounted."
        return "read-only", f"{where} is mounted read-only", advice
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _explain_full(error, place, where, size)
    if isinstance(error, PermissionError):
        return _explain_owner(place, messages.OTHERS_CAN_WRITE in str(error))
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return _not_a_directory(place)
    reason = reason_of(error)
    return "other", f"{named}: {reason}" if is_whole else reason, SET_CACHE_DIR


def _explain_full(error: OSError, place: str, where: str, size: int) -> "Fault":
    advice = "Free some space, or set LAZYPLUG_CACHE_DIR to another file system."
    if error.errno == errno.EDQUOT:
        return "quota", f"the disk quota of {_me()} on {where} is used up", advice
    if hasattr(os, "statvfs"):
        status = os.statvfs(place)
        if status.f_files and not status.f_favail:
            advice = advice.replace("Free some space", "Remove some files")
            return "no-inodes", f"{where} has no free inodes", advice
        free = status.f_bavail * status.f_frsize
        text = f"{where} is full: {size} bytes are needed, {free} are free"
        return "full", text, advice
    return "full", f"{where} is full", advice


def _explain_owner(path: str, is_refused: bool) -> "Fault":
    """Return why this user cannot write to a directory, or others can.

    :param is_refused: whether lazyplug refuses to use it, not the system.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        return "permission", f"{path}: {reason_of(error)}", SET_CACHE_DIR
    if not stat.S_ISDIR(status.st_mode):
        return _not_a_directory(path)
    owner = _user(status.st_uid)
    if hasattr(os, "geteuid") and status.st_uid not in {os.geteuid(), 0}:
        advice = f"Set HOME or LAZYPLUG_CACHE_DIR to a directory of {_me()}."
        text = f"{path} belongs to {owner}, and this process runs as {_me()}"
        return "owner", text, advice
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    if is_refused:
        advice = f"Run `chmod go-w {path}`, or set LAZYPLUG_CACHE_DIR."
        text = f"{messages.OTHERS_CAN_WRITE}: {path} has the mode {mode}"
        return "others", text, advice
    text = f"{path} belongs to {owner} and has the mode {mode}"
    return "permission", f"{text}, and this process runs as {_me()}", SET_CACHE_DIR


def _not_a_directory(path: str) -> "Fault":
    advice = SET_CACHE_DIR
    if os.path.isfile(path):  # not HOME=/dev/null
        advice = f"{advice[:-1]}, or remove this file."
    return "not-a-directory", f"{path} is not a directory", advice


def _me() -> str:
    return _user(os.geteuid()) if hasattr(os, "geteuid") else "this user"


def _user(number: int) -> str:
    """Return the name of a user; without a name, the number."""
    if sys.platform != "win32":
        try:
            import pwd  # deferred: Windows has none

            return pwd.getpwuid(number).pw_name
        except (ImportError, KeyError):
            pass
    return f"the user {number}"
