"""Run the command line in the process of the tests."""

import json
from collections.abc import Callable
from typing import Any

# What the fixture `run` returns: it runs a command, and returns the exit code, the
# standard output and the standard error.
Run = Callable[..., tuple[int, str, str]]


def run_json(run: Run, *arguments: str) -> Any:
    """Return the JSON that a command prints."""
    _, out, err = run(*arguments, "--json")
    assert err == ""
    return json.loads(out)
