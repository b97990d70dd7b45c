"""Released pluggy hosts, with plugins of theirs; see `tox run -e pluggy`."""
