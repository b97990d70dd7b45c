"""Return all entry points as a collection that is built when it is needed.

The class is derived from the one that the library returns: `EntryPoints`, a tuple; or,
in Python 3.11, `SelectableGroups`, a dictionary. Every operation of that class is
replaced. The own content of the tuple is only the `_Lazy` object, which C code that
reads tuples directly would see: see docs/accelerate.md. The own content of the
dictionary are all groups, as lazy lists: to avoid the library's warnings, programs call
`dict.values(found)` and `dict.get(found, group)`.
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
_CLASS_METHODS: tuple[type, ...] = classmethod, staticmethod, ClassMethodDescriptorType
# The attribute of a dictionary that has its `_Lazy` object.
_ATTRIBUTE = "_lazy"
_classes: "dict[type, type]" = {}


def lazy_collection(source: Source) -> "Any":
    """Return all entry points of a source, as a lazy collection."""
    library = source.library
    # importlib.metadata returns a dictionary of groups before Python 3.12.
    base = getattr(library, "SelectableGroups", library.EntryPoints)
    if issubclass(base, tuple):
        return _lazy_sequence(base, _Lazy(lambda: base(source.all()), source))
    found: Any = dict.__new__(_class_of(base))

    def build() -> "Any":
        collection = base.load(source.all())
        # The entry points of a group are always the same object.
        for name, group in dict.items(found):
            if _lazy_of(group).is_built():
                dict.__setitem__(collection, name, _built(group))
        return collection

    whole = _Lazy(build, source)
    found.__dict__[_ATTRIBUTE] = whole

    def build_group(name: str) -> "Callable[[], Any]":
        def build() -> "Any":
            if whole.is_built():
                return dict.get(whole.collection(), name, library.EntryPoints())
            return source.group(name)

        return build

    for name in source.group_names():
        lazy = _Lazy(build_group(name), source)
        dict.__setitem__(found, name, _lazy_sequence(library.EntryPoints, lazy))
    return found


def _lazy_sequence(base: "Any", lazy: "_Lazy") -> "Any":
    """Return a lazy tuple or list. Its content is never seen: see `_lazy_class`."""
    kind = _class_of(base)
    # Twice: if it were formatted as a tuple of one, `"%s" % all` would not raise.
    content = (lazy, lazy)
    if issubclass(base, tuple):
        return tuple.__new__(kind, content)
    found: Any = list.__new__(kind)
    list.extend(found, content)
    return found


class _Lazy:
    """A collection of a library that is built when it is needed.

    :param build: returns the collection.
    :param source: the source of the entry points.
    """

    def __init__(self, build: "Callable[[], Any]", source: Source) -> None:
        self.source = source
        self._build = build
        self._collections: list[Any] = []

    def collection(self) -> "Any":
        """Return the collection of the library; build it at the first call."""
        if not self._collections:
            # In one step: another thread may build it at the same time.
            self._collections.append(self._build())
        return self._collections[0]

    def is_built(self) -> bool:
        """Return True if the collection was built."""
        return bool(self._collections)


def _lazy_of(found: "Any") -> _Lazy:
    if isinstance(found, dict):
        lazy: _Lazy = found.__dict__[_ATTRIBUTE]
    elif isinstance(found, tuple):
        lazy = tuple.__getitem__(found, 0)
    else:
        lazy = list.__getitem__(found, 0)
    return lazy


def _class_of(base: "Any") -> type:
    kind = _classes.get(base)
    if kind is None:
        kind = _classes.setdefault(base, _lazy_class(base))
    return kind


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
    space["__reduce_ex__"] = lambda self, protocol: _reduced(base, self)
    if issubclass(base, dict):
        space |= _group_methods(base)
    else:
        space["__radd__"] = _add_reversed
    if not issubclass(base, list):  # that of a single group is built to select from it
        space["select"] = _select
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


def _add_reversed(self: "Any", other: "Any") -> "Any":
    built = _built(self)
    kind: Any = tuple if isinstance(built, tuple) else list
    return other + built if isinstance(other, kind) else NotImplemented


def _reduced(base: "Any", self: "Any") -> "tuple[Any, ...]":
    """Return how pickle and copy make a collection of the library from a lazy one."""
    built = _built(self)
    if isinstance(built, dict):
        return base, (dict(dict.items(built)),)
    return base, (tuple(built),)


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
        found = _group(self, name)
        if found is None:
            raise KeyError(name)
        return found

    def get(self: "Any", name: object, default: object = None) -> "Any":
        base._warn()
        found = _group(self, name)
        return default if found is None else found

    def contains(self: "Any", name: object) -> bool:
        base._warn()
        return _group(self, name) is not None

    return {"__contains__": contains, "__getitem__": getitem, "get": get}


def _group(self: "Any", name: object) -> "Any":
    """Return the entry points of a group; None if there are none."""
    lazy = _lazy_of(self)
    if lazy.is_built():
        return dict.get(lazy.collection(), name)
    found = dict.get(self, name)
    # All of its entry points may be of distributions that are shadowed.
    return None if found is None else _built(found) or None
