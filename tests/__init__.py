"""Test lazyplug, one file a module; `tests/support` holds what the tests share."""
