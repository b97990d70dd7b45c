"""Say why a plugin cannot be used as a command, or is shadowed by one of its host."""

from .. import _messages as messages
from .._exceptions import MultipleMatches, NoMatches
from .._faults.errors import failed_load
from .._faults.origin import origin
from .._log import report_once
from .._printable import clean, describe_error
from .._settings import get_setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .. import Extension


def in_a_list(reason: str) -> str:
    """Return the text of an unusable command in a list of commands."""
    return f"({messages.CANNOT_BE.format(done='used', reason=reason)})"


def reason_of(error: "MultipleMatches | NoMatches") -> str:
    """Return the short reason why a name has no extension."""
    if isinstance(error, MultipleMatches):
        return messages.ONE_OF.format(count=len(error.extensions))
    return messages.NO_EXTENSION_NAMED.format(name=error.name)


def failure(
    extension: "Extension[Any]", error: BaseException, done: str = "loaded"
) -> "tuple[str, str, Exception | None]":
    """Return the message and the short reason of a failure, and what may be raised.

    :param done: what could not be done with the plugin.
    """
    text = failed_load(extension, error, done)
    message = "\n".join(map(clean, text.split("\n")))
    reason = clean(describe_error(error).partition("\n")[0])
    # Python prints no traceback of SystemExit.
    raised = error if isinstance(error, Exception) else None
    return message, reason, raised


def end_of(message: str, error: "Exception | None") -> str:
    """Return the message with which a program ends; it says how to see the traceback.

    With LAZYPLUG_TRACEBACK=1, raise the exception instead, if there is one.
    """
    if error is None:
        return message
    if get_setting("LAZYPLUG_TRACEBACK") == "1":
        raise error
    return f"{message.removesuffix('.')}. {messages.SEE_TRACEBACK}"


def report_shadowed(extension: "Extension[Any]", advice: str = "") -> None:
    """Report a plugin that has the name of a command of its host, once.

    :param advice: what the author of the host can do.
    """
    text = messages.SHADOWED_BY_HOST.format(
        extension=origin(extension), group=extension.group, name=extension.name
    )
    report_once(f"{text} {advice}".rstrip())
