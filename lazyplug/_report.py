"""What is told to the people who run a program: through the logger `lazyplug`.

Never through `warnings`, which `-W error` turns into a crash; those are for the
authors of hosts, about their own calls.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger
    from typing import Any

    from ._manager import Extension

_told: "set[str]" = set()


def _logger() -> "Logger":
    from logging import getLogger  # deferred: 10 ms, only where there is a fault

    return getLogger("lazyplug")


def report_once(message: str, about: str = "") -> None:
    """Log a warning, once a process; once of what it is about, if that is said."""
    if (about or message) not in _told:
        _told.add(about or message)
        _logger().warning("%s", message)


def report_failure(extension: "Extension[Any]", error: Exception) -> None:
    """Log that an extension could not be loaded, or judged, once a process."""
    from ._exceptions import LazyplugError, origin

    if isinstance(error, LazyplugError):
        message = f"could not load {error}"  # which says what it was
    else:
        what = "load" if extension.load_error is not None else "check"
        message = (
            f"could not {what} {origin(extension)}: {type(error).__name__}: {error}"
        )
    if message not in _told:
        _told.add(message)
        logger = _logger()
        logger.error("%s", message, exc_info=error if logger.isEnabledFor(10) else None)


def report_call(extension: "Extension[Any]", error: Exception) -> None:
    """Log what a function that was mapped over extensions raised."""
    _logger().error(
        "error calling %r of group %r: %s",
        extension.name,
        extension.group,
        error,
        exc_info=error,
    )


def report_subscriber(subscriber: object, error: Exception) -> None:
    """Log what a function that is told of changes raised."""
    _logger().error("error in subscriber %r: %s", subscriber, error, exc_info=error)


def debug(message: str) -> None:
    """Log for debugging, if anybody in this process logs at all."""
    if "logging" in sys.modules:
        _logger().debug("%s", message)


def deprecated(parameter: str, instead: str) -> None:
    """Warn the caller of lazyplug of a parameter that stevedore has deprecated."""
    from warnings import warn

    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals["__name__"].startswith("lazyplug."):
        level, frame = level + 1, frame.f_back
    warn(f"{parameter} is deprecated: {instead}", DeprecationWarning, stacklevel=level)
