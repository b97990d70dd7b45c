"""Find the cache directory in an unusual environment, with or without platformdirs."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def find_cache_dir() -> "str | None":
    """Return the user cache directory of lazyplug; None if there is no home.

    platformdirs determines it. Where that is not installed, it is the usual directory.
    """
    try:
        from platformdirs import PlatformDirs  # deferred: 15 ms
    except ImportError:  # installed without dependencies
        directory = plain_cache_dir(sys.platform, os.environ, os.path.expanduser("~"))
    else:
        try:
            directory = PlatformDirs("lazyplug", appauthor=False).user_cache_dir
        except (RuntimeError, OSError, KeyError, ValueError):
            return None  # platformdirs found no home either
    # It is relative if the home is, as in older versions of platformdirs.
    return directory if os.path.isabs(directory) else None


def plain_cache_dir(platform: str, environ: "Mapping[str, str]", home: str) -> str:
    """Return the cache directory below the home, or in the directory of a variable.

    As the XDG specification demands, a variable with a relative path is ignored.

    >>> plain_cache_dir("darwin", {}, "/Users/me")
    '/Users/me/Library/Caches/lazyplug'
    >>> plain_cache_dir("freebsd14", {"XDG_CACHE_HOME": "relative"}, "/home/me")
    '/home/me/.cache/lazyplug'
    """
    join = os.path.join
    base = environ.get("LOCALAPPDATA" if platform == "win32" else "XDG_CACHE_HOME", "")
    if not os.path.isabs(base):
        usual = {
            "win32": join("AppData", "Local"),
            "darwin": join("Library", "Caches"),
        }
        base = join(home, usual.get(platform, ".cache"))
    if platform == "win32":
        return join(os.path.normpath(base), "lazyplug", "Cache")
    return join(base, "lazyplug")
