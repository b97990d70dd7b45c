"""Make named tuples as `typing.NamedTuple` does, without importing typing (5 ms)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self


def _field(place: int) -> property:
    def get(self: "tuple[Any, ...]") -> "Any":
        return self[place]

    return property(get, doc=f"Alias for field number {place}")


class Named(tuple["Any", ...]):
    """A base class of named tuples; the annotations of a subclass are its fields.

    Type checkers see `typing.NamedTuple` instead.
    """

    __slots__ = ()
    _fields: "tuple[str, ...]" = ()
    __match_args__: "tuple[str, ...]" = ()
    _field_defaults: "dict[str, Any]" = {}  # noqa: RUF012 - as in every named tuple

    def __init_subclass__(cls) -> None:
        cls._fields = tuple(cls.__annotations__)
        cls.__match_args__ = cls._fields  # type: ignore[misc]
        for place, name in enumerate(cls._fields):
            setattr(cls, name, _field(place))

    def __new__(_cls, *fields: "Any", **named: "Any") -> "Self":
        missing = _cls._fields[len(fields) :]
        if len(fields) > len(_cls._fields) or named.keys() ^ set(missing):
            from . import _messages as messages  # deferred: only on failure

            raise TypeError(
                messages.WRONG_FIELDS.format(
                    kind=_cls.__name__,
                    fields=", ".join(_cls._fields),
                    count=len(fields),
                    names=", ".join(named) or "no keywords",
                )
            )
        return _cls._make((*fields, *[named[name] for name in missing]))

    @classmethod
    def _make(cls, iterable: "Iterable[Any]") -> "Self":
        return tuple.__new__(cls, iterable)

    def _asdict(self) -> "dict[str, Any]":
        return dict(zip(self._fields, self))

    def _replace(self, **named: "Any") -> "Self":
        return type(self)(**{**self._asdict(), **named})

    def __getnewargs__(self) -> "tuple[Any, ...]":
        return tuple(self)

    def __repr__(self) -> str:
        from ._printable import repr_of  # deferred: few tuples are printed

        shown = [f"{name}={repr_of(value)}" for name, value in self._asdict().items()]
        return f"{type(self).__name__}({', '.join(shown)})"
