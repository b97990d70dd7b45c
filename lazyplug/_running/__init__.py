"""Run a program, and record what it does for its plugins."""
