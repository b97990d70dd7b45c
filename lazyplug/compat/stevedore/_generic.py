"""Make classes generic without importing typing at run time, which costs 5 ms."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic

    from ._types import T

    class OfT(Generic[T]):
        """The base of what is generic in T."""

else:

    class OfT:
        """The base of what is generic in T."""

        __class_getitem__ = classmethod(type(list[int]))
