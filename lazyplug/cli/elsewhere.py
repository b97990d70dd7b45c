"""Select the environment that a command reads: the option `--python`."""

import os
from shutil import which

from .._other_environment import Selection

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")


def in_environment(
    place: str, command: "Callable[[argparse.Namespace], T]"
) -> "Callable[[argparse.Namespace], T]":
    """Return a command that runs while another environment is selected.

    :param place: as for Selection; or the name of an interpreter on `PATH`.

    Raises ValueError if there is no environment.
    """
    selection = Selection(on_path(place))

    def run(options: "argparse.Namespace") -> "T":
        with selection:
            return command(options)

    return run


def on_path(place: str) -> str:
    """Return the interpreter that a name on `PATH` means; any other place as it is."""
    if os.path.basename(place) == place and not os.path.lexists(place):
        return which(place) or place
    return place
