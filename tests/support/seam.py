"""Give the tests the seam: all that lazyplug asks the system for goes through it."""

from lazyplug._files import Seam

__all__ = ["Seam"]
