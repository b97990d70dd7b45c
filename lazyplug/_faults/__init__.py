"""Handle failures: plugins that do not load, broken metadata, and the messages."""
