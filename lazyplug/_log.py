"""What is told to the people who run a program: through the logger `lazyplug`.

Never through `warnings`, which `-W error` turns into a crash; those are for the
authors of hosts, about their own calls.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

DEBUG, WARNING, ERROR = 10, 30, 40
# what was logged once
_logged: "set[str]" = set()
forget = _logged.clear


def log(level: int, message: str, error: "Exception | None" = None) -> None:
    """Log a message, with control characters escaped.

    Does nothing if logging cannot be imported, since no file can be read any more.
    """
    try:
        from logging import NullHandler, getLogger  # deferred: 10 ms, for faults only

        from ._printable import TRACEBACK, clean
    except (ImportError, OSError):
        return
    logger = getLogger("lazyplug")
    if not logger.handlers:
        # Without a handler, Python prints the warnings if a program sets up no logging.
        logger.addHandler(NullHandler())
    text = "\n".join(map(clean, message.split("\n")))
    if not logger.isEnabledFor(level):
        return
    traceback = None if error is None else _traceback_of(error)
    caused: Any = None
    if error is not None and traceback is not None:
        caused = type(error), error, TRACEBACK.__get__(error)
    place = logger.findCaller()[:2]
    record = logger.makeRecord(
        logger.name, level, *place, "%s", (text,), caused, "_log"
    )
    # Formatters use this text; exc_info is for handlers that report exceptions.
    record.exc_text = traceback
    logger.handle(record)


def _traceback_of(error: BaseException) -> "str | None":
    """Return the traceback of an exception, cleaned; None if formatting it fails.

    Its class is third-party code: only KeyboardInterrupt passes. The lines are
    indented, so that none of them can look like another log record.
    """
    links: list[Any] = [error]
    try:
        from traceback import format_exception

        from ._printable import CAUSE, CONTEXT, TRACEBACK, clean

        for link in links:  # which grows
            kind = type(link)
            if kind.__cause__ is not CAUSE or kind.__context__ is not CONTEXT:
                return None  # the formatter might follow such causes forever
            causes = CAUSE.__get__(link), CONTEXT.__get__(link)
            known = set(map(id, links))
            links += [
                each for each in causes if each is not None and id(each) not in known
            ]
        parts = format_exception(type(error), error, TRACEBACK.__get__(error))
        lines = "".join(parts).rstrip("\n").split("\n")
        return "\n".join([f"  {clean(line)}" for line in lines])
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None


def logs_debug() -> bool:
    """Return True if debug messages are logged in this process."""
    logging = sys.modules.get("logging")
    return logging is not None and logging.getLogger("lazyplug").isEnabledFor(DEBUG)


def report(message: str) -> None:
    """Log a warning."""
    log(WARNING, message)


def report_once(message: str, about: str = "", quiet: bool = False) -> None:
    """Log a warning once a process; with `about`, once for that subject.

    With `quiet` it is logged at debug level; a warning may still follow.
    """
    key = ("debug: " if quiet else "") + (about or message)
    if key not in _logged:
        _logged.add(key)
        if quiet:
            debug(message)
        else:
            report(message)


def log_once(level: int, message: str, error: "Exception | None" = None) -> None:
    """Log a message once a process."""
    if message not in _logged:
        _logged.add(message)
        log(level, message, error)


def debug(message: str) -> None:
    """Log for debugging, if anybody in this process logs at all."""
    if "logging" in sys.modules:
        log(DEBUG, message)


def deprecated(parameter: str, instead: str) -> None:
    """Warn the caller of lazyplug of a parameter that stevedore has deprecated."""
    from warnings import warn

    level, frame = 1, sys._getframe()
    # The package may be vendored under another name; code without a name is not ours.
    own = f"{__package__}."
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith(own):
        level, frame = level + 1, frame.f_back
    warn(f"{parameter} is deprecated: {instead}", DeprecationWarning, stacklevel=level)
