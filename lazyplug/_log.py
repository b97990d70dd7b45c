"""Report problems to the people who run a program, through the logger `lazyplug`.

They are never reported through `warnings`, which `-W error` turns into a crash.
Warnings are for the authors of hosts, about their own calls.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

DEBUG, WARNING, ERROR = 10, 30, 40
# the messages, or their subjects, that were logged once
_logged_keys: "set[str]" = set()
forget = _logged_keys.clear


def log(level: int, message: str, error: "Exception | None" = None) -> None:
    """Log a message, with control characters escaped.

    Do nothing if logging cannot be imported because files can no longer be read.
    """
    try:
        from logging import NullHandler, getLogger  # deferred: 10 ms, only on failure

        from ._printable import TRACEBACK, clean
    except (ImportError, OSError):
        return
    logger = getLogger("lazyplug")
    if not logger.handlers:
        # Without a handler, Python prints warnings if the program sets up no logging.
        logger.addHandler(NullHandler())
    text = "\n".join(map(clean, message.split("\n")))
    if not logger.isEnabledFor(level):
        return
    traceback = None if error is None else _traceback_of(error)
    exc_info: Any = None
    if error is not None and traceback is not None:
        exc_info = type(error), error, TRACEBACK.__get__(error)
    place = logger.findCaller()[:2]
    record = logger.makeRecord(
        logger.name, level, *place, "%s", (text,), exc_info, "_log"
    )
    # Formatters use this text; exc_info is for handlers that report exceptions.
    record.exc_text = traceback
    logger.handle(record)


def _traceback_of(error: BaseException) -> "str | None":
    """Return the traceback of an exception, cleaned; None if formatting it fails.

    The class of the exception is third-party code: only KeyboardInterrupt propagates.
    The lines are indented, so that none of them can look like another log record.
    """
    links: list[Any] = [error]
    try:
        from traceback import format_exception  # deferred: only on failure

        from ._printable import CAUSE, CONTEXT, TRACEBACK, clean

        for link in links:  # the list grows during the loop
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
    """Log a warning once per process; with `about`, once for that subject.

    With `quiet`, log at debug level; a later call may still log the warning.
    """
    key = ("debug: " if quiet else "") + (about or message)
    if key not in _logged_keys:
        _logged_keys.add(key)
        if quiet:
            debug(message)
        else:
            report(message)


def report_setting(name: str, value: str, values: "Sequence[str]") -> None:
    """Log, once, that the value of a variable is ignored; the first one is used."""
    from . import _messages as messages  # deferred: only on failure
    from ._printable import list_words

    report_once(
        messages.IGNORING_SETTING.format(
            name=name, value=value, values=list_words(values), default=values[0]
        )
    )


def report_missing(names: "Iterable[str]") -> None:
    """Log a warning that extensions of these names were not found."""
    from . import _messages as messages  # deferred: only on failure
    from ._printable import clean

    text = clean(", ".join(sorted(names)))
    report(messages.COULD_NOT_FIND.format(names=text))


def log_once(level: int, message: str, error: "Exception | None" = None) -> None:
    """Log a message once per process."""
    if message not in _logged_keys:
        _logged_keys.add(message)
        log(level, message, error)


def debug(message: str) -> None:
    """Log a message at debug level, if the process has imported logging."""
    if "logging" in sys.modules:
        log(DEBUG, message)


def deprecated(parameter: str, instead: str) -> None:
    """Warn the caller of lazyplug about a parameter that stevedore has deprecated."""
    from warnings import warn  # deferred: few hosts use these parameters

    from . import _messages as messages

    level, frame = 1, sys._getframe()
    # The package may be vendored under another name; our modules have a __name__.
    own = f"{__package__}."
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith(own):
        level, frame = level + 1, frame.f_back
    message = messages.DEPRECATED.format(parameter=parameter, instead=instead)
    warn(message, DeprecationWarning, stacklevel=level)
