"""Stands before the installed stevedore in child processes, and gives way at once."""

import os
import sys

if __name__ == "stevedore":
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    this = sys.modules[__name__]  # kept alive, since it is taken out below
    try:
        from lazyplug.compat.stevedore import install
    except ImportError:
        # PYTHONPATH reaches every Python, also old ones, and those for which lazyplug
        # is not installed: they go on as if this folder were not on the path.
        sys.path[:] = [entry for entry in sys.path if entry != folder]
        del sys.modules[__name__]
        __import__(__name__, level=0)
    else:
        # From now on a finder stands for the folder that finds nothing there, so that
        # who looks for the installed stevedore does not meet this.
        from _frozen_importlib import BuiltinImporter

        sys.path_importer_cache[folder] = BuiltinImporter  # type: ignore[assignment]
        del sys.modules[__name__]
        install()
