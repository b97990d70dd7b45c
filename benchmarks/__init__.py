"""Measure what lazyplug costs, compared with other libraries, in one run."""
