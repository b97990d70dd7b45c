"""What lazyplug costs, beside its rivals, in one run."""
