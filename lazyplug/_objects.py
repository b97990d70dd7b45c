"""Define Objects, the lazy mapping of names to the objects that the host uses."""

from _collections_abc import Mapping  # not collections.abc, which imports collections

from ._mapping import load_each, object_of, report_load_failure, resolve_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._manager import Manager
    from ._types import Callable, Extension, Iterator


class Objects(Mapping["str", "Any"]):
    """The names of a manager's extensions, each with the object that the host uses.

    A view: each access sees what the manager has at that time. Only extensions that can
    be loaded are in it, so checking whether a name is in it loads that extension.

    :param manager: the manager.
    :param key: called with extensions, as by `sorted()`; None for the manager's order.
    """

    def __init__(
        self,
        manager: "Manager[Any]",
        key: "Callable[[Extension[Any, Any]], Any] | None",
    ) -> None:
        self._manager = manager
        self._key = key

    def __iter__(self) -> "Iterator[str]":
        extensions = [*dict(self._manager.items()).values()]
        if self._key is not None:
            extensions.sort(key=self._key)
        for extension in load_each(self._manager, extensions):
            yield extension.name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        # Without the length, which loads all.
        return any(True for _ in self)

    def __contains__(self, name: object) -> bool:
        manager = self._manager
        found = resolve_names(manager, [name] if isinstance(name, str) else [])
        extensions = (extension for _, extension in found if extension is not None)
        return any(True for _ in load_each(manager, extensions))

    def __getitem__(self, name: str) -> "Any":
        manager = self._manager
        extension = manager._get(name)
        if extension is None:
            from ._registration import find_new  # deferred: only if a name is missing

            extension = find_new(manager, name)
        try:
            return object_of(extension)
        except Exception as error:
            report_load_failure(manager, extension, error)
            from ._faults.errors import no_matches  # deferred: only on failure

            out = manager.excluded
            names = [each.name for each in manager.extensions if each not in out]
            raise no_matches(manager.namespace, name, names, out) from error

    def __repr__(self) -> str:
        manager = self._manager
        return f"<objects of {manager.namespace!r}: {manager.names()}>"
