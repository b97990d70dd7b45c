"""Build the distributions, unless they are given."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.checkout import CHECKOUT


class Distributions(NamedTuple):
    """The source distribution and the wheel of a build."""

    sdist: Path
    wheel: Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for distributions that are already built."""
    parser.addoption(
        "--distributions", help="the directory with the sdist and the wheel"
    )


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


@pytest.fixture(scope="session")
def built(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Distributions:
    """Return the distributions to check: those of --distributions, or of a build."""
    given = pytestconfig.getoption("--distributions")
    if given:
        return in_directory(Path(given))
    return build(CHECKOUT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def unpacked(built: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked sdist."""
    directory = tmp_path_factory.mktemp("sdist")
    subprocess.run(["tar", "-xzf", str(built.sdist), "-C", str(directory)], check=True)
    (root,) = directory.iterdir()
    return root
