"""Set environment variables for the duration of a block."""

import os
from unittest.mock import patch


def EnvironmentContext(**variables: str) -> object:  # noqa: N802 - colcon's name
    """Return a context manager that sets these variables."""
    return patch.dict(os.environ, variables)
