"""Integrate lazyplug with other libraries: one module for each of them."""
