"""Give the tests the seam: all that lazyplug asks the system for goes through it."""

from lazyplug._files import fs

__all__ = ["fs"]
