"""Build the distributions, unless they are given."""

import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.distributions import Distributions, build, in_directory


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for distributions that are already built."""
    parser.addoption(
        "--distributions", help="the directory with the sdist and the wheel"
    )


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
