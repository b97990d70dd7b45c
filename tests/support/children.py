"""Run Python in fresh processes."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def python(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    executable: str = sys.executable,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run Python in a fresh process, with the variables of this one and `env`."""
    done = subprocess.run(
        [executable, *arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if check and done.returncode:
        raise AssertionError(f"{arguments} failed:\n{done.stdout}{done.stderr}")
    return done


def ask(code: str, **options: Any) -> Any:
    """Run code in a fresh process; return the JSON that it prints."""
    return json.loads(python("-c", textwrap.dedent(code), **options).stdout)
