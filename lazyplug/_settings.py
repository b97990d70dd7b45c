"""Read the settings of this process: environment variables, the cache directory."""

import os
import sys

from ._files import elevated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import Any, Mapping

# What `LAZYPLUG_CHECK` may be; the first is the default.
LEVELS = ("full", "dirs", "none")
# The levels at which path entries are checked; at which the files of distributions are;
# at which a name that is missing is looked for once more, with the first level.
CHECKS_ENTRIES = ("full", "dirs")
CHECKS_FILES = ("full",)
CHECKS_MISSING = ("dirs",)
# What `LAZYPLUG_CACHE` may be; the first is the default.
MODES = ("on", "readonly", "off")
# What a frozen index is called where it is found without being named: in sys.prefix.
FROZEN = "lazyplug.index"
# the frozen index that `use_index` chose, if it was called
index_override: "Any" = None
# the metadata directories in which scans of this process found problems, for the log
unreported: "set[str]" = set()
note_problem = unreported.add
forget_problems = unreported.clear


def override_index(index: "Any") -> None:
    """Set the frozen index that this process uses before that of its environment."""
    global index_override  # noqa: PLW0603
    index_override = index


def setting(name: str, default: str = "") -> str:
    """Return an environment variable of ours, unless this run must ignore them.

    They are ignored under `-E` and `-I`, and when the real and the effective
    user or group differ.
    """
    environ: Any = os.environ
    kept = getattr(environ, "_data", None)
    # Most are not set, and by the way of os.environ each of these takes two exceptions:
    # 8,000 instructions.
    if kept is not None and environ.encodekey(name) not in kept:
        return default
    value: str = environ.get(name)
    if not value or sys.flags.ignore_environment or elevated():
        return default
    return value


def one_of(name: str, values: "tuple[str, ...]") -> str:
    """Return a setting that must be one of values; the first is the default."""
    value = setting(name, values[0])
    if value not in values:
        from ._log import report_once

        report_once(
            f"{name}={value!r} is not understood and was taken as {values[0]!r}; "
            f"it may be one of: {', '.join(values)}"
        )
        return values[0]
    return value


def plain_folder(platform: str, environ: "Mapping[str, str]") -> "str | None":
    """Return the cache folder where it is plain to see; None: ask platformdirs.

    >>> plain_folder("linux", {"HOME": "/home/me"})
    '/home/me/.cache/lazyplug'
    >>> plain_folder("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/var/tmp/me"})
    '/var/tmp/me/lazyplug'
    >>> plain_folder("linux", {"HOME": "relative"}) is None
    True
    """
    if platform == "win32":
        base = environ.get("LOCALAPPDATA", "")
        if base[1:3] == ":\\" and "WIN_PD_OVERRIDE_LOCAL_APPDATA" not in environ:
            return os.path.normpath(base) + "\\lazyplug\\Cache"
        return None
    home, base = environ.get("HOME", ""), environ.get("XDG_CACHE_HOME", "")
    if platform == "linux" and "ANDROID_DATA" not in environ:
        if base[:1] == "/":
            return os.path.join(base, "lazyplug")
        if not base and home[:1] == "/":
            return home.rstrip("/") + "/.cache/lazyplug"
    elif platform == "darwin" and not base and home[:1] == "/":
        return home.rstrip("/") + "/Library/Caches/lazyplug"
    return None


def cache_folder() -> "str | None":
    """Return the folder in which indexes are kept; None: there is no place.

    It is `LAZYPLUG_CACHE_DIR`, or the user's cache folder as platformdirs has it.
    """
    if elevated():
        return None  # HOME is as little to be believed as our own variables
    explicit = setting("LAZYPLUG_CACHE_DIR")
    if explicit:
        return os.path.abspath(os.path.expanduser(explicit))
    folder = plain_folder(sys.platform, os.environ)
    if folder is None:
        from platformdirs import PlatformDirs  # deferred: 15 ms, for unusual homes

        try:
            folder = PlatformDirs("lazyplug", appauthor=False).user_cache_dir
        except (RuntimeError, OSError, KeyError, ValueError):
            return None  # platformdirs found no home either
        if not os.path.isabs(folder):
            return None  # an older one, and a home that is relative
    return folder
