"""Read the settings of this process: environment variables, the cache directory."""

import os
import sys

from ._files import has_elevated_privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._types import Any, Mapping

# The values of `LAZYPLUG_CHECK`; the first is the default.
LEVELS = ("full", "dirs", "none")
# The levels that check path entries; that check the files of distributions; that repeat
# the lookup of a missing name at the level "full".
CHECKS_ENTRIES = ("full", "dirs")
CHECKS_FILES = ("full",)
CHECKS_MISSING = ("dirs",)
# The values of `LAZYPLUG_CACHE`; the first is the default.
MODES = ("on", "readonly", "off")
# The file name of the frozen index of an environment, in `sys.prefix`.
FROZEN = "lazyplug.index"
# the frozen index that `use_index` selected, if it was called
index_override: "Any" = None
# the names of metadata directories in which scans of this process found problems
unreported: "set[str]" = set()
note_problem = unreported.add
forget_problems = unreported.clear


def get_setting(name: str, default: str = "") -> str:
    """Return the value of an environment variable; `default` if it is unset or ignored.

    Variables are ignored under `-E` and `-I`, and when the real and the effective user
    or group differ.
    """
    environ: Any = os.environ
    data = getattr(environ, "_data", None)
    # Most variables are unset, and for each of those os.environ raises two exceptions:
    # 8,000 instructions.
    if data is not None and environ.encodekey(name) not in data:
        return default
    value: str = environ.get(name)
    if not value or sys.flags.ignore_environment or has_elevated_privileges():
        return default
    return value


def get_choice(name: str, values: "tuple[str, ...]") -> str:
    """Return a setting that must be one of these values; the first is the default.

    Logs any other value, and returns the default.
    """
    value = get_setting(name, values[0])
    if value not in values:
        from ._log import report_setting  # deferred: only if a value is not valid

        report_setting(name, value, values)
        return values[0]
    return value


def default_cache_dir(platform: str, environ: "Mapping[str, str]") -> "str | None":
    """Return the default cache directory; None in unusual cases, for platformdirs.

    >>> default_cache_dir("linux", {"HOME": "/home/me"})
    '/home/me/.cache/lazyplug'
    >>> default_cache_dir("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/var/me"})
    '/var/me/lazyplug'
    >>> default_cache_dir("linux", {"HOME": "relative"}) is None
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


def get_cache_directory() -> "str | None":
    """Return the directory in which indexes are kept; None if there is none.

    It is `LAZYPLUG_CACHE_DIR`, or lazyplug's directory in the user cache directory.
    """
    if has_elevated_privileges():
        return None  # HOME is no more reliable than LAZYPLUG_CACHE_DIR
    explicit = get_setting("LAZYPLUG_CACHE_DIR")
    if explicit:
        return os.path.abspath(os.path.expanduser(explicit))
    directory = default_cache_dir(sys.platform, os.environ)
    if directory is None:
        from ._cache_home import find_cache_dir  # deferred: for unusual homes

        return find_cache_dir()
    return directory
