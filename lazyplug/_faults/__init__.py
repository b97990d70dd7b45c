"""Handle failures: plugins that do not load, broken metadata, and their errors."""
