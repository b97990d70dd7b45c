"""Import `fs`, by which lazyplug makes all its system calls."""

from lazyplug._files import fs

__all__ = ["fs"]
