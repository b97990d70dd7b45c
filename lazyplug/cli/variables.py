"""List the environment variables that lazyplug reads, and the values of each."""

from .._settings import LEVELS, MODES

PREFIX = "LAZYPLUG_"
# The values of each variable; without values, any text.
VARIABLES: "dict[str, tuple[str, ...]]" = {
    "LAZYPLUG_CHECK": LEVELS,
    "LAZYPLUG_CACHE": MODES,
    "LAZYPLUG_CACHE_DIR": (),
    "LAZYPLUG_INDEX": (),
    "LAZYPLUG_ALLOW": (),
    "LAZYPLUG_DENY": (),
    "LAZYPLUG_EAGER": ("1",),
    "LAZYPLUG_LAZY": ("1",),
    "LAZYPLUG_SWITCH": ("off",),
    "LAZYPLUG_TRACEBACK": ("1",),
}
# The variables whose values are lists of patterns.
LISTS = ("LAZYPLUG_ALLOW", "LAZYPLUG_DENY")


def default_of(name: str) -> str:
    """Return the value that a variable has if it is not set.

    >>> default_of("LAZYPLUG_CHECK"), default_of("LAZYPLUG_LAZY")
    ('full', '0')
    """
    values = VARIABLES[name]
    if values == ("off",):
        return "on"
    return "0" if values == ("1",) else values[0]
