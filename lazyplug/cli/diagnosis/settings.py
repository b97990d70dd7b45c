"""Check the environment variables of lazyplug."""

import os

from ... import _messages as messages
from ..._exceptions import InvalidChoice
from ..._faults.errors import did_you_mean, near_misses
from ..._printable import list_words
from ..._selection.choice import parse_pattern, split
from ..._settings import MODES, get_setting
from ..variables import LISTS, PREFIX, VARIABLES, default_of
from .findings import Finding, finding, passed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def check_settings() -> "Iterator[Finding]":
    """Yield what is found about the variables that are set."""
    names = sorted(name for name in os.environ if name.upper().startswith(PREFIX))
    for name in names:
        code, message = _check(name, os.environ[name])
        yield finding(code, message, variable=name)
    if not names:
        yield passed("settings", f"no {PREFIX}* variable is set")
    if get_setting("LAZYPLUG_LAZY") == "1" and (
        get_setting("LAZYPLUG_CACHE") in MODES[1:]
    ):
        yield finding(
            "setting-without-effect",
            "LAZYPLUG_LAZY has no effect, since nothing is written",
            variable="LAZYPLUG_LAZY",
        )


def _check(name: str, value: str) -> "tuple[str, str]":
    """Return the code and the message for one variable."""
    if name not in VARIABLES:
        # Without the prefix, which all names share.
        known = [each.removeprefix(PREFIX) for each in VARIABLES]
        near = near_misses(name.upper().removeprefix(PREFIX), known)
        hint = did_you_mean(f"{PREFIX}{each}" for each in near[:1])
        return "setting-unknown", f"{name} is not a variable of lazyplug{hint}"
    setting = f"{name}={value}"
    if value and not get_setting(name):
        reason = "Python runs with -E or -I, or with the privileges of another user"
        return "setting-ignored", f"ignoring {setting}: {reason}"
    values = VARIABLES[name] or (value,)
    if value and value not in values:
        return "setting-invalid", messages.IGNORING_SETTING.format(
            name=name, value=value, values=list_words(values), default=default_of(name)
        )
    fault = _fault(name, value)
    return ("setting-invalid", fault) if fault else ("setting-set", setting)


def _fault(name: str, value: str) -> str:
    """Return what is wrong with a list of patterns, or ""."""
    for text in split(value) if name in LISTS else ():
        try:
            if parse_pattern(text, name)[1] is None:
                return messages.PATTERN_WITHOUT_GROUP.format(pattern=text, source=name)
        except InvalidChoice as error:
            return str(error)
    return ""
