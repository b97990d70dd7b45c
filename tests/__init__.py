"""One file a room; `tests/conftest.py` has the trees and the fresh processes."""
