"""Check that a plugin fits the class or the protocol that the host requires."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ._extension import Extension


def check_usable(protocol: "Any") -> None:
    """Raise TypeError if plugins cannot be checked against this protocol."""
    if not isinstance(protocol, type):
        from . import _messages as messages  # deferred: only on failure

        raise TypeError(
            messages.NOT_VALID.format(
                value=repr(protocol), what="protocol", expected=messages.A_PROTOCOL
            )
        )
    if _is_protocol(protocol) and not getattr(protocol, "_is_runtime_protocol", False):
        from . import _messages as messages  # deferred: only on failure

        raise TypeError(
            messages.UNCHECKABLE_PROTOCOL.format(protocol=protocol.__qualname__)
        )


def _is_protocol(protocol: type) -> bool:
    return bool(getattr(protocol, "_is_protocol", False))


def _members(protocol: type) -> "Iterable[str]":
    import typing  # deferred: 5 ms

    names: Iterable[str]
    if sys.version_info >= (3, 13):
        names = typing.get_protocol_members(protocol)
    elif hasattr(protocol, "__protocol_attrs__"):  # 3.12
        names = protocol.__protocol_attrs__
    else:
        names = vars(typing)["_get_protocol_attrs"](protocol)
    return names


def missing(plugin: "Any", protocol: type) -> "list[str] | None":
    """Return the members that a plugin lacks; None if it fits.

    A class fits a Protocol if it has the methods: a class does not show the other
    attributes of its instances. For a protocol that is a class, the list is empty.

    >>> missing(1, int), missing(bool, int), missing("", int)
    (None, None, [])
    """
    is_class = isinstance(plugin, type)
    if not _is_protocol(protocol):
        fits = isinstance(plugin, protocol) or (
            is_class and issubclass(plugin, protocol)
        )
        return None if fits else []
    lacking = [
        name
        for name in sorted(_members(protocol))
        if not hasattr(plugin, name)
        and not (is_class and not callable(getattr(protocol, name, None)))
    ]
    return lacking or None


def fit(extension: "Extension[Any]", plugin: "Any", protocol: "Any") -> None:
    """Raise ProtocolMismatch if a plugin, or the object of its call, does not fit."""
    lacking = missing(plugin, protocol)
    if lacking is not None:
        from ._faults.errors import protocol_mismatch  # deferred: only on failure

        raise protocol_mismatch(extension, plugin, protocol, lacking)
