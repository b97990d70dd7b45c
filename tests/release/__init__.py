"""Test what a release uploads: `tox run -e release`."""
