"""Make and change indexes: scan, write, patch, verify, freeze."""
