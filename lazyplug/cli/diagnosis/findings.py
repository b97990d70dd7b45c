"""Define what `lazyplug doctor` can find: the codes, their severity and advice."""

import os
import sys

from ..._faults.errors import did_you_mean, near_misses
from ..._indexing.metadata import normalize
from ..._indexing.reading import read_file
from ..._other_environment import selected_installation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, NamedTuple
else:
    from ..._tuples import Named as NamedTuple

# An error is something that the user can and should correct. Warnings concern what
# others have to correct, or what corrects itself. Notes are for information.
SEVERITIES = OK, NOTE, WARNING, ERROR = "ok", "note", "warning", "error"
SET_CACHE_DIR = "Set LAZYPLUG_CACHE_DIR to a directory that this user can write to."
# The name in `sys.prefix` of the file of ignored codes.
IGNORE_FILE = "lazyplug.ignore"
# What `CODE=WHAT` may name.
_NAMING = ("distribution", "variable", "group", "path")


class Code(NamedTuple):
    """A kind of finding: its severity, subject, meaning, and what to do about it."""

    severity: str
    subject: str
    meaning: str
    advice: str


class Finding(NamedTuple):
    """What was found, as text and as fields; without a code, a check that passed."""

    code: str
    severity: str
    subject: str
    message: str
    advice: str
    fields: "dict[str, Any]"


# The fields of a finding in JSON that only some findings have; None in all others.
FIELDS = {
    "path": "the file or directory",
    "line": "the number of the line in that file",
    "distribution": "the distribution that declares it",
    "group": "the group",
    "names": "the names of plugins or modules",
    "variable": "the environment variable",
    "cause": "why the cache directory cannot be written: `permission`, `owner`,"
    " `others`, `read-only`, `full`, `no-inodes`, `quota`, `not-a-directory`, `other`",
    "mount": "the directory at which the file system is mounted",
    "file_system": "the kind of the file system, such as `ext4`",
}
CODES = {
    "setting-set": Code(NOTE, "settings", "a variable is set", ""),
    "setting-ignored": Code(
        NOTE,
        "settings",
        "a variable is set, but ignored by this process",
        "",
    ),
    "setting-invalid": Code(
        ERROR,
        "settings",
        "the value of a variable is not valid",
        "Correct the variable, or unset it.",
    ),
    "setting-unknown": Code(
        ERROR,
        "settings",
        "no variable has this name",
        "Correct the name, or unset the variable.",
    ),
    "setting-without-effect": Code(
        NOTE,
        "settings",
        "`LAZYPLUG_LAZY` is set, but nothing is written",
        "",
    ),
    "ignore-unknown": Code(
        WARNING,
        "settings",
        "a line of the ignore file names no code",
        "Correct the line, or remove it.",
    ),
    "no-cache-directory": Code(
        ERROR,
        "cache",
        "there is no home, so there is no cache directory",
        SET_CACHE_DIR,
    ),
    "cache-dir-relative": Code(
        WARNING,
        "cache",
        "`LAZYPLUG_CACHE_DIR` is a relative path",
        "Set LAZYPLUG_CACHE_DIR to an absolute path.",
    ),
    "cache-not-trusted": Code(
        ERROR,
        "cache",
        "the cache directory is not used, since another user could change it",
        "Set LAZYPLUG_CACHE_DIR to a directory that only this user can write to.",
    ),
    "cache-not-readable": Code(
        ERROR,
        "cache",
        "the cache directory cannot be listed",
        SET_CACHE_DIR,
    ),
    "cache-not-writable": Code(
        ERROR,
        "cache",
        "an attempt to write to the cache directory failed: without a fresh index"
        " there, each start scans again",
        SET_CACHE_DIR,
    ),
    "cache-not-needed": Code(
        NOTE,
        "cache",
        "the same, but a frozen index answers all queries",
        "",
    ),
    "cache-not-written": Code(
        NOTE,
        "cache",
        "`LAZYPLUG_CACHE` is `readonly` or `off`",
        "",
    ),
    "cache-damaged": Code(
        WARNING,
        "cache",
        "some files are damaged; a start that needs one rewrites it",
        "Run `lazyplug cache verify`.",
    ),
    "network-file-system": Code(
        NOTE,
        "file systems",
        "the cache directory, or a path entry, is on a network file system",
        "Keep the clocks of server and client in step: see Freshness.",
    ),
    "cache-in-memory": Code(
        NOTE,
        "file systems",
        "the cache directory is in memory, and is lost at the next boot",
        "",
    ),
    "index-not-used": Code(NOTE, "index", "no index is used, and why", ""),
    "index-missing": Code(
        NOTE, "index", "there was no index for this `sys.path` before this command", ""
    ),
    "index-not-readable": Code(
        NOTE, "index", "the index is damaged or not trusted: it was rewritten", ""
    ),
    "index-changed": Code(
        NOTE, "index", "a file or directory has changed since the index was written", ""
    ),
    "index-stale": Code(NOTE, "index", "the index was stale: it was rewritten", ""),
    "frozen-not-usable": Code(
        ERROR,
        "frozen index",
        "the frozen index is missing, damaged, or not trusted",
        "Run `lazyplug freeze` again, or set LAZYPLUG_INDEX=off.",
    ),
    "frozen-stale": Code(
        ERROR,
        "frozen index",
        "a frozen index is used without a check, but is stale",
        "Run `lazyplug freeze` again.",
    ),
    "frozen-in-part": Code(
        NOTE,
        "frozen index",
        "the frozen index does not answer all queries, and why",
        "",
    ),
    "frozen-not-checked": Code(
        NOTE,
        "frozen index",
        "the frozen index is used, but there is no metadata to compare it with",
        "",
    ),
    "switch-on": Code(NOTE, "switch", "this environment is switched on", ""),
    "switch-inherited": Code(
        NOTE, "switch", "another environment is switched on, and this one reads it", ""
    ),
    "switch-not-ours": Code(
        ERROR,
        "switch",
        "the file of the switch cannot be read, or is not lazyplug's",
        "Remove the file, or make it readable.",
    ),
    "startup-code": Code(
        NOTE,
        "startup",
        "code that Python runs before each program: a line of a `.pth` or `.start`"
        " file, sitecustomize",
        "",
    ),
    "path-volatile": Code(
        NOTE,
        "sys.path",
        "a path entry is scanned at each start",
        "",
    ),
    "path-missing": Code(NOTE, "sys.path", "a path entry does not exist", ""),
    "path-invalid": Code(
        WARNING,
        "sys.path",
        "an item of `sys.path` is not a path",
        "Correct the program that adds it.",
    ),
    "third-party-finder": Code(
        NOTE, "sys.path", "a third-party finder is asked at each lookup", ""
    ),
    "pip-left-over": Code(
        ERROR,
        "metadata",
        "an interrupted pip left a metadata directory behind",
        "Delete the directory.",
    ),
    "metadata-broken": Code(
        WARNING,
        "metadata",
        "something in the metadata is ignored, as in `problems()`",
        "Reinstall the distribution, or report it to its author.",
    ),
    "metadata-incomplete": Code(
        WARNING,
        "metadata",
        "a distribution with entry points has no Name or no Version",
        "Reinstall the distribution, or report it to its author.",
    ),
    "name-shared": Code(
        NOTE, "names", "names of a group are declared more than once", ""
    ),
    "module-missing": Code(
        WARNING,
        "targets",
        "a distribution declares plugins in modules that do not exist",
        "Reinstall the distribution, or report it to its author.",
    ),
}


def finding(code: str, message: str, advice: str = "", **fields: "Any") -> Finding:
    """Return a finding.

    :param advice: replaces that of the code.
    :param fields: some of FIELDS.
    """
    severity, subject, _, usual = CODES[code]
    return Finding(code, severity, subject, message, advice or usual, fields)


def passed(subject: str, message: str, **fields: "Any") -> Finding:
    """Return a check that passed."""
    return Finding("", OK, subject, message, "", fields)


def is_ignored(found: Finding, ignored: "Iterable[str]") -> bool:
    """Return True if a finding is ignored, by `CODE` or `CODE=WHAT`.

    >>> each = finding("module-missing", "text", distribution="Acme_X")
    >>> [is_ignored(each, [text]) for text in ("module-missing", "path-missing")]
    [True, False]
    >>> is_ignored(each, ["module-missing=acme-x"])
    True
    """
    named = [found.fields[name] for name in _NAMING if name in found.fields]
    distribution = normalize(found.fields.get("distribution") or "")
    for text in ignored:
        code, equals, what = text.partition("=")
        # The name of a distribution may be written in other ways.
        if code == found.code and (
            not equals or what in named or normalize(what) == distribution
        ):
            return True
    return False


def unknown_code(text: str) -> str:
    """Return why a text is not a code to ignore; "" if it is one."""
    code = text.partition("=")[0]
    if code in CODES:
        return ""
    return f"{code!r} is not a code{did_you_mean(near_misses(code, CODES))}"


def ignore_file() -> str:
    """Return the path of the file of ignored codes, which need not exist."""
    return os.path.join((selected_installation() or sys).prefix, IGNORE_FILE)


def ignored_in_file(path: str) -> "Iterator[tuple[int, str]]":
    """Yield the codes in the file of ignored codes, with the numbers of their lines.

    An empty line, and what follows a `#`, is a comment.
    """
    text, _, _ = read_file(path, errors="replace")
    for number, line in enumerate((text or "").splitlines(), 1):
        # A path may contain a `#`.
        code = f" {line}".partition(" #")[0].strip()
        if code:
            yield number, code
