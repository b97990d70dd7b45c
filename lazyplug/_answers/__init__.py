"""Answer the functions of importlib.metadata and importlib_metadata from the index."""
