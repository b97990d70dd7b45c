"""Speed up the plugins of a process in an environment that is switched on.

It runs in every program that imports importlib.metadata, and most of them ask nothing:
then a start costs 4 million instructions less if nothing else of lazyplug is imported.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def activate(
    *, as_stevedore: bool = False, lazy: bool = False, programs: "Sequence[str]" = ()
) -> None:
    """Speed up the plugins of this process, if it runs one of the programs.

    :param programs: base names of scripts, and names of modules after `-m`; if there
        are none, every program.
    """
    if "LAZYPLUG_SWITCH" in os.environ:
        from .._settings import get_setting  # deferred: seldom set

        if get_setting("LAZYPLUG_SWITCH") == "off":
            return
    if programs:
        from .command import program_of  # deferred: only with that option

        if program_of(sys.orig_argv) not in programs:
            return
    if as_stevedore:
        from ..compat.stevedore import install  # deferred: only with that option

        install(lazy=lazy)
    from .._accelerate import accelerate  # deferred: only in these programs

    accelerate()
