"""Word which entry point a message is about, and what declares it."""

from .. import _messages as messages
from .._distribution import identify
from .._printable import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._types import Owner


def declared(owner: "Any", line: int) -> str:
    """Return the distribution, file and line that declare an entry point, as text.

    The metadata is read, so that name and version are current.
    """
    name, version, file = identify(owner)
    label = f"{name} {version}".rstrip()
    text = messages.DECLARED_BY.format(distribution=label)
    if file:
        text = messages.IN_FILE.format(text=text, file=file)
    text = clean(text)
    return messages.AT_LINE.format(text=text, line=line) if line else text


def origin(extension: "Any") -> str:
    """Return a description of an entry point, with its distribution, file and line."""
    owner = getattr(extension, "_owner", None)
    line = 0 if owner is None else extension._line
    return origin_of(extension.group, extension.name, extension.value, owner, line)


def origin_of(
    group: str, name: str, value: str, owner: "Owner | None", line: int
) -> str:
    text = messages.ENTRY_POINT.format(
        name=clean(name), value=clean(value), group=group
    )
    return text if owner is None else f"{text}, {declared(owner, line)}"
