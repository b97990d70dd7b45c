"""Build the sdist and the wheel of the checkout, as a release does."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .checkout import CHECKOUT


class Distributions(NamedTuple):
    """The source distribution and the wheel of a build."""

    sdist: Path
    wheel: Path


def build(source: Path, target: Path) -> Distributions:
    """Build the sdist of a directory, and the wheel from the sdist."""
    command = (sys.executable, "-m", "build", "--no-isolation", "-o", str(target))
    commit = ("git", "-C", str(CHECKOUT), "log", "-1", "--format=%ct")
    time = subprocess.run(commit, capture_output=True, text=True, check=False).stdout
    environment = {**os.environ, "SOURCE_DATE_EPOCH": time.strip() or "1600000000"}
    subprocess.run(
        [*command, str(source)], check=True, env=environment, capture_output=True
    )
    return in_directory(target)


def in_directory(directory: Path) -> Distributions:
    """Return the only distributions in a directory."""
    (sdist,), (wheel,) = directory.glob("*.tar.gz"), directory.glob("*.whl")
    return Distributions(sdist, wheel)
