"""Explain why the cache directory cannot be used, and say what to do."""

import errno
import os
import stat
import sys

from ... import _messages as messages
from ..._files import has_elevated_privileges
from ..._frozen_index import unreadable
from ..._printable import sentence
from ..._settings import get_setting
from ..output import reason_of
from .findings import SET_CACHE_DIR, Finding, finding
from .mounts import mount_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .mounts import Mount

    # the cause, what happened, and what to do
    Fault = tuple[str, str, str]


def no_directory() -> Finding:
    """Return why there is no cache directory."""
    code, home = "no-cache-directory", os.environ.get("HOME", "")
    if has_elevated_privileges():
        text = messages.NO_CACHE_FOR_ANOTHER_USER
        return finding(code, text, "Run the program as one user.")
    reason = f"HOME={home} is not an absolute path" if home else "HOME is not set"
    text = f"there is no cache directory: {reason}, and {_me()} has no home directory"
    return finding(code, text, variable="HOME")


def not_trusted(directory: str) -> Finding:
    """Return why the cache directory is not used: another user could change it."""
    _, reason, advice = _explain_owner(directory, is_refused=True)
    text = f"{directory}{source_of(directory)[1]} is not used: {reason}"
    text = text.replace(f": {directory} ", ": it ")
    return finding("cache-not-trusted", text, advice, **fields_of(directory))


def not_readable(directory: str, error: OSError) -> Finding:
    """Return why the cache directory cannot be listed."""
    text = unreadable(directory, error)
    return finding("cache-not-readable", text, **fields_of(directory))


def not_writable(directory: str, error: OSError, size: int = 0) -> Finding:
    """Return why the cache directory cannot be written, and what to do.

    :param size: the number of bytes that should have been written.
    """
    cause, reason, advice = _explain(error, directory, size)
    done = "written" if os.path.lexists(directory) else "created"
    reason = messages.CANNOT_BE.format(done=done, reason=reason)
    text = f"{directory}{source_of(directory)[1]} {reason}"
    text = text.replace(f": {directory} ", ": it ")
    mount = mount_of(existing(directory))
    fields = fields_of(directory) | (fields_of_mount(mount) if mount else {})
    return finding("cache-not-writable", text, advice, cause=cause, **fields)


def fields_of(directory: str) -> "dict[str, Any]":
    """Return the fields of all findings about a cache directory."""
    return {"path": directory, "variable": source_of(directory)[0]}


def fields_of_mount(mount: "Mount") -> "dict[str, Any]":
    """Return the fields about the file system of a finding."""
    return {"mount": mount.directory, "file_system": mount.kind}


def as_sentences(found: Finding) -> str:
    """Return a finding as a command prints it that cannot use the cache directory."""
    return f"{sentence(found.message)} {found.advice}".rstrip()


def existing(path: str) -> str:
    """Return the path, or the nearest directory above it that can be seen."""
    while not os.path.lexists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def source_of(directory: str) -> "tuple[str | None, str]":
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
