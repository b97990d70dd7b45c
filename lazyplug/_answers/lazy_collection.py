"""Return all entry points as a collection that is built when it is needed.

The class is derived from the one that the library returns: `EntryPoints`, a tuple; or,
in Python 3.11, `SelectableGroups`, a dictionary. Every operation of that class is
replaced. The own content of the tuple or dictionary is only the `_Lazy` object, which
C code that reads tuples directly would see: see docs/accelerate.md.
"""

from types import ClassMethodDescriptorType

from .._entry_point import selects_group
from .source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What belongs to the class or the object itself.
_KEPT = {
    "__class__",
    "__class_getitem__",
    "__delattr__",
    "__dict__",
    "__dir__",
    "__doc__",
    "__getattribute__",
    "__getstate__",
    "__init__",
    "__init_subclass__",
    "__module__",
    "__new__",
    "__setattr__",
    "__slots__",
    "__subclasshook__",
    "__weakref__",
}
# Operators that read the other operand, which may be lazy, too, without its methods.
_BINARY = {"__add__", "__eq__", "__ge__", "__gt__", "__le__", "__lt__", "__ne__"}
_CLASS_METHODS = classmethod, staticmethod, ClassMethodDescriptorType
# The key of the `_Lazy` object in a dictionary. No group has this name.
_KEY = "\n"
_classes: "dict[type, type]" = {}


def lazy_collection(source: Source) -> "Any":
    """Return all entry points of a source, as a lazy collection."""
    library = source.library
    # importlib.metadata returns a dictionary of groups before Python 3.12.
    base = getattr(library, "SelectableGroups", library.EntryPoints)
    kind = _classes.get(base)
    if kind is None:
        kind = _classes.setdefault(base, _lazy_class(base))
    lazy = _Lazy(base, source)
    if issubclass(base, tuple):
        # Twice: if it were formatted as a tuple of one, `"%s" % all` would not raise.
        return tuple.__new__(kind, (lazy, lazy))
    found: Any = dict.__new__(kind)
    dict.__setitem__(found, _KEY, lazy)
    return found


class _Lazy:
    """A collection of a library that is built when it is needed."""

    def __init__(self, base: "Any", source: Source) -> None:
        self.source = source
        self._base = base
        # the collections of the groups that were accessed, in a dictionary of groups
        self._groups: dict[str, Any] = {}
        self._built: list[Any] = []

    def collection(self) -> "Any":
        """Return the collection of the library; build it at the first call."""
        if not self._built:
            load = getattr(self._base, "load", self._base)
            collection = load(self.source.all())
            if self._groups:
                dict.update(collection, self._groups)
            # In one step: another thread may build it at the same time.
            self._built.append(collection)
        return self._built[0]

    def is_built(self) -> bool:
        """Return True if the collection was built."""
        return bool(self._built)

    def read_group(self, name: str) -> "dict[str, Any]":
        """Return the groups that were accessed, with this one if anything declares it.

        The entry points of a group are always the same object.
        """
        if name not in self._groups:
            found = self.source.group(name)
            if found:
                self._groups.setdefault(name, found)
        return self._groups


def _lazy_of(found: "Any") -> _Lazy:
    lazy: _Lazy = (
        tuple.__getitem__(found, 0)
        if isinstance(found, tuple)
        else dict.__getitem__(found, _KEY)
    )
    return lazy


def _lazy_class(base: "Any") -> type:
    """Return a class derived from `base` whose operations build the collection."""
    space: dict[str, Any] = {"__slots__": ()}
    space |= {"__doc__": base.__doc__, "__module__": base.__module__}
    for name in dir(base):
        found = next(
            each.__dict__[name] for each in base.__mro__ if name in each.__dict__
        )
        if name in _KEPT or isinstance(found, _CLASS_METHODS):
            continue
        if name in _BINARY:
            space[name] = _binary(name)
        elif isinstance(found, property) or callable(found):
            space[name] = _Forwarded(name)
    # A collection that code makes from the class is one of the library.
    space["__new__"] = lambda _, *args, **kwds: base(*args, **kwds)
    space["select"] = _select
    space["__reduce_ex__"] = lambda self, protocol: _reduced(base, self)
    if issubclass(base, tuple):
        space["__radd__"] = _add_reversed
    else:
        space |= _group_methods(base)
    return type(base.__name__, (base,), space)


class _Forwarded:
    """An attribute of the built collection.

    A method is that of the built collection, so that no frame of this module is between
    it and its caller, to whom the library's warnings point.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, found: "Any", kind: "Any") -> "Any":
        if found is None:
            return lambda found, *args: getattr(_built(found), self._name)(*args)
        return getattr(_built(found), self._name)


def _built(found: "Any") -> "Any":
    """Return the collection of the library for a lazy one, and others as they are."""
    return _lazy_of(found).collection() if type(found) in _classes.values() else found


def _binary(name: str) -> "Callable[[Any, Any], Any]":
    """Return an operator. The other operand may be lazy as well."""
    return lambda self, other: getattr(_built(self), name)(_built(other))


def _add_reversed(self: "Any", other: object) -> "Any":
    return other + _built(self) if isinstance(other, tuple) else NotImplemented


def _reduced(base: "Any", self: "Any") -> "tuple[Any, ...]":
    """Return how pickle and copy make a collection of the library from a lazy one."""
    built = _built(self)
    if isinstance(built, tuple):
        return base, (tuple(built),)
    return base, (dict(dict.items(built)),)


def _select(self: "Any", **params: "Any") -> "Any":
    lazy = _lazy_of(self)
    if not params and not isinstance(self, tuple):
        return self  # as the library does
    if lazy.is_built() or not selects_group(params):
        return lazy.collection().select(**params)
    return lazy.source.select(params)


def _group_methods(base: "Any") -> "dict[str, Callable[..., Any]]":
    """Return the methods of a dictionary of groups that read a single group.

    The library warns that they are deprecated, at the line that calls them.
    """

    def getitem(self: "Any", name: object) -> "Any":
        base._warn()
        return dict.__getitem__(_groups(self, name), name)

    def get(self: "Any", name: object, default: object = None) -> "Any":
        base._warn()
        return dict.get(_groups(self, name), name, default)

    def contains(self: "Any", name: object) -> bool:
        base._warn()
        return dict.__contains__(_groups(self, name), name)

    return {"__contains__": contains, "__getitem__": getitem, "get": get}


def _groups(self: "Any", name: object) -> "dict[Any, Any]":
    """Return a dictionary of groups that has the named group, if there is one."""
    lazy = _lazy_of(self)
    found: dict[Any, Any]
    if lazy.is_built() or type(name) is not str:
        found = lazy.collection()
    else:
        found = lazy.read_group(name)
    return found
