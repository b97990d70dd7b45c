"""Query the environment of another Python, without running any of its code.

While it is selected in a thread, `_environment.current()` returns it there.
"""

import os
from _thread import _local

from . import _environment
from ._environment import Environment
from ._index import NO_FROZEN_ENTRIES, index_name
from ._site_path import find_installation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ParamSpec, TypeVar

    from ._site_path import Installation

    P = ParamSpec("P")
    T = TypeVar("T")


# A program that reads hundreds of environments must not fill the memory.
_CAP = 16


class _Selected(_local):
    """The places that are selected in a thread; the last one counts.

    After a fork, those of other threads are gone.
    """

    def __init__(self) -> None:
        self.places = [""]


_selected = _Selected()


class OtherEnvironment(Environment):
    """The environment of another Python. It has no finders and no volatile entries.

    It is always checked in full, whatever `LAZYPLUG_CHECK` says, and its frozen index
    is not used.

    :param installation: where it is.
    """

    asks_finders = False

    def __init__(self, installation: "Installation") -> None:
        self.installation = installation
        self.entries = installation.path
        self.volatile = frozenset()
        self.checked = "full"
        self.frozen = None
        self.frozen_entries = NO_FROZEN_ENTRIES
        self.borrowed = ()
        self.key = [installation.prefix, *self.entries]
        self.file = index_name(self.key)
        self.index = self.load_index()
        self._overlay = None


class Selection:
    """Select another environment in this thread, as a context manager.

    :param place: the directory of an environment, or an interpreter: see
        `_site_path.find_installation`. None: the environment of this process.

    Raises ValueError if there is no environment.
    """

    def __init__(self, place: "str | os.PathLike[str] | None") -> None:
        self.place = ""
        if place is not None:
            self.place = _absolute(os.fspath(place))
        if self.place and (OtherEnvironment, self.place) not in _environment.memo:
            find_installation(self.place)

    def __enter__(self) -> None:
        _selected.places.append(self.place)
        _environment.override = _override

    def __exit__(self, *_: object) -> None:
        _selected.places.pop()


def _absolute(place: "str | bytes") -> str:
    if isinstance(place, str) and place:
        return os.path.abspath(place)
    from . import _messages as messages  # deferred: only on failure

    text = messages.NOT_VALID.format(
        value=repr(place), what="environment", expected=messages.AN_ENVIRONMENT
    )
    raise ValueError(text)


def outside(function: "Callable[P, T]") -> "Callable[P, T]":
    """Return a function of the host that runs in the environment of this process."""
    import functools  # deferred: commands do not need it

    @functools.wraps(function)
    def call(*arguments: "P.args", **options: "P.kwargs") -> "T":
        with Selection(None):
            return function(*arguments, **options)

    return call


def selected_place() -> str:
    """Return the place that is selected in this thread; "" if none is."""
    return _selected.places[-1]


def selected_installation() -> "Installation | None":
    """Return what is selected in this thread, without a query; None if nothing is."""
    place = selected_place()
    return find_installation(place) if place else None


def _override() -> "Environment | None":
    """Return the environment that is selected in this thread; None if none is."""
    place = selected_place()
    return _environment_at(place) if place else None


def _environment_at(place: str) -> Environment:
    """Return the environment in a place, checked once per process."""
    key = OtherEnvironment, place
    found = _environment.memo.get(key)
    if found is None:
        found = OtherEnvironment(find_installation(place))
        others = [each for each in [*_environment.memo] if each[0] is OtherEnvironment]
        if len(others) >= _CAP:
            for each in others:
                _environment.memo.pop(each, None)
        _environment.memo[key] = found
    return found


def forget() -> None:
    """Forget the environment that is selected in this thread, and no other."""
    _environment.memo.pop((OtherEnvironment, selected_place()), None)
