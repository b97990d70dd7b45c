"""Locate the checkout, and find out whether its sources or a wheel are tested.

The suite runs both: from the checkout, and with an installed wheel from a directory of
links to all of the checkout but the package (`python -m tests.support.checkout`, see
tox.ini), so that neither the tests nor their children import the sources by accident.
"""

import shutil
import sys
from pathlib import Path

# Links are followed, so this is the checkout itself.
CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = CHECKOUT / "lazyplug"


def is_built() -> bool:
    """Return True if a wheel is tested, False if the sources are."""
    import lazyplug

    return Path(lazyplug.__file__).with_name("_hot.py").exists()


def link_to(directory: Path) -> None:
    """Make a directory of links to everything in the checkout, except the package."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for path in CHECKOUT.iterdir():
        if path != SOURCES and path.name[0] != "." and path.name != "dist":
            (directory / path.name).symlink_to(path, target_is_directory=path.is_dir())


if __name__ == "__main__":
    link_to(Path(sys.argv[1]))
