"""Decide whether a path entry is the directory of the script that is run.

Python puts it first on `sys.path`, and a program that is being written lies there.
"""

import os
import sys

from ._files import KIND, LINK, REGULAR, Seam


def is_script_directory(entry: str) -> bool:
    """Return True if this directory, or the one it links to, has the script.

    A zip that is run is a path entry too, but a single file, which is stable.
    """
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(script, str):
        return False
    try:
        status = Seam.stat(entry)
        if entry != os.path.dirname(script):
            # Python resolves links in the script's path for sys.path, but not in
            # `__file__`.
            if Seam.lstat(script).st_mode & KIND == LINK:
                from ._frozen_index import follow_links  # deferred: few are links

                script = follow_links(script)
            home = Seam.stat(os.path.dirname(script))
            if (status.st_dev, status.st_ino) != (home.st_dev, home.st_ino):
                return False
    except (OSError, ValueError):
        return entry == os.path.dirname(script)
    return not script.endswith("__main__.py") or status.st_mode & KIND != REGULAR
