"""Run lazyplug in Pyodide: CPython on Emscripten, in node."""
