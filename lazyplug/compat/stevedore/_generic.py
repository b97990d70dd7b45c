"""Make classes generic without importing typing at run time, which takes 5 ms."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Generic

    from ._types import T

    class OfT(Generic[T]):
        """The base class of the classes that are generic in T."""

else:

    class OfT:
        """The base class of the classes that are generic in T."""

        __class_getitem__ = classmethod(type(list[int]))
