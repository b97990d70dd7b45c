"""The Sphinx directive `list-plugins`, which imports the plugins of a namespace.

Sphinx and docutils are imported by `setup()`, and by who touches the directive.
"""

import sys

from .extension import ExtensionManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lazyplug._entry_point import EntryPoint

    from .extension import Extension

    LOG: Any
    ListPluginsDirective: type[Any]


def _documentation(extension: "Extension[Any]") -> str:
    from inspect import getdoc  # deferred: 10 ms

    return getdoc(extension.plugin) or ""


def _simple_list(mgr: "ExtensionManager[Any]") -> "Iterator[tuple[str, str]]":
    """Yield a list of the names, each with the first line of its docstring.

    Each text stands with the module that it comes from.
    """
    from lazyplug.integrations.sphinx import simple_list  # deferred, as all of it

    return simple_list(mgr, _documentation)


def _detailed_list(
    mgr: "ExtensionManager[Any]",
    over: str = "",
    under: str = "-",
    titlecase: bool = False,
) -> "Iterator[tuple[str, str]]":
    """Yield a section for each name, with its docstring or a warning that it has none.

    Each text stands with the module that it comes from.

    :param over: the character of the lines above the titles; "" for no line.
    :param under: the character of the lines below them.
    :param titlecase: should the names begin with capitals in the titles?
    """
    from lazyplug.integrations.sphinx import detailed_list  # deferred, as all of it

    return detailed_list(mgr, _documentation, over, under, titlecase)


def _log() -> "Any":
    from sphinx.util import logging  # pyright: ignore[reportMissingImports]

    return logging.getLogger("stevedore.sphinxext")


def _directive() -> "type[Any]":
    from lazyplug.integrations.sphinx import directive  # deferred, as all of it

    log = _log()

    def report(
        manager: "ExtensionManager[Any]", entry_point: "EntryPoint", error: object
    ) -> None:
        log.warning("Failed to load %s: %s", entry_point.module, error)

    def find(namespace: str) -> "ExtensionManager[Any]":
        return ExtensionManager(namespace, on_load_failure_callback=report)

    return directive(log, find, _documentation)


if not TYPE_CHECKING:
    _MADE = {"LOG": _log, "ListPluginsDirective": _directive}

    def __getattr__(name):
        if name not in _MADE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = _MADE[name]()
        return value


def setup(app: "Any") -> "dict[str, Any]":
    """Add the directive to a Sphinx application."""
    _log().info("loading stevedore.sphinxext")
    # its own attribute, which is made at this touch
    directive = sys.modules[__name__].ListPluginsDirective
    app.add_directive("list-plugins", directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
