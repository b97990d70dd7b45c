"""Install the drop-in when a child process imports stevedore, then step aside.

This directory is found before the installed stevedore.
"""

import os
import sys

if __name__ == "stevedore":
    directory: str = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # Keep it alive: it is removed from sys.modules below.
    this: object = sys.modules[__name__]
    try:
        from lazyplug.compat.stevedore import install
    except ImportError:
        # PYTHONPATH reaches every Python: also old versions, and those without
        # lazyplug. They go on as if this directory were not on the path.
        sys.path[:] = [entry for entry in sys.path if entry != directory]
        del sys.modules[__name__]
        __import__(__name__, level=0)
    else:
        # Give the directory a finder that finds nothing in it, so that a search for the
        # installed stevedore does not find this one.
        from _frozen_importlib import BuiltinImporter

        sys.path_importer_cache[directory] = BuiltinImporter  # type: ignore[assignment]
        del sys.modules[__name__]
        install()
