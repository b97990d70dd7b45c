"""Everything in Pyodide: CPython on Emscripten, in node."""
