"""Hold what several test modules use: one idea a file."""
