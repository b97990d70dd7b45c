"""Handle what fails: plugins that do not load, broken metadata, and the messages."""
