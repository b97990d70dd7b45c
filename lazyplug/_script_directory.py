"""Decide whether a path entry is the directory of the script that is run.

Python puts it first on `sys.path`. It is volatile: files there change without an
installer.
"""

import os
import sys

from ._files import KIND, LINK, REGULAR, fs


def is_script_directory(entry: str) -> bool:
    """Return True if the script is in this directory, or in the one it links to.

    A zip archive that is run as a script has one stat signature, so it is stable.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(script, str):
        return False
    try:
        status = fs.stat(entry)
        if entry != os.path.dirname(script):
            # Python resolves links in the script's path for sys.path, but not in
            # `__file__`.
            if fs.lstat(script).st_mode & KIND == LINK:
                from ._frozen_index import follow_links  # deferred: few are links

                script = follow_links(script)
            home = fs.stat(os.path.dirname(script))
            if (status.st_dev, status.st_ino) != (home.st_dev, home.st_ino):
                return False
    except (OSError, ValueError):
        return entry == os.path.dirname(script)
    return not script.endswith("__main__.py") or status.st_mode & KIND != REGULAR
