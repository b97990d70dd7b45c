"""Test lazyplug, one topic per file; `tests/support` has what the tests share."""
