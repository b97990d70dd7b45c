"""Hold helpers that several test modules share, one topic per file."""
